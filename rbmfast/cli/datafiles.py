"""Reading data from files: what kind a file is of says its content, not its name."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.cli.common import CommandError
from rbmfast.data import Grey8, Packed, Rows, as_rows
from rbmfast.random import Purpose
from rbmfast.reference import GREY, States

I64 = NDArray[np.int64]

KINDS = ".npy, .npz (also SciPy's sparse matrices), IDX, or text with commas, tabs or spaces"
IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
SPARSE_KEYS = {"format", "shape", "data"}  # of scipy.sparse.save_npz
PACKED_FROM = 1 << 28  # values: thresholded data larger than this is kept as bits
CHUNK = 1 << 22  # values looked at together
MAX_LABEL = 2**15 - 1
HOLDOUT = 3  # keeps this choice of rows apart from those of the monitors
UNREADABLE = (  # what NumPy, zipfile and gzip raise at damaged files; NotImplementedError is a RuntimeError
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
)


@dataclass(frozen=True)
class DataFile:
    """Numbers from a file, as they are stored there.

    Attributes
    ----------
    name : str
        What messages call it.
    values : array, memory map or sparse matrix (n_rows, n_columns)
    image_size : (int, int) or None
        Height and width, if the file says that its rows are images.
    labels : int64 array (n_rows,) or None
        Their classes, if `labelled` has put them there.
    """

    name: str
    values: Any
    image_size: tuple[int, int] | None = None
    labels: I64 | None = None

    def take(self, rows: I64) -> DataFile:
        """Some rows, copied into memory."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, values=self.values[rows], labels=labels)

    def split(self, fraction: float, seed: int) -> tuple[DataFile, DataFile]:
        """All but a fraction of the rows, and that fraction, chosen by the seed."""
        n = int(self.values.shape[0])
        n_held = round(fraction * n)
        if not 0 < n_held < n:
            raise CommandError(f"--validation {fraction:g} of {n} rows leaves nothing on one side")
        keys = engine.shuffle_keys(n, seed, HOLDOUT, Purpose.MONITOR)
        held = np.zeros(n, np.bool_)
        held[np.argsort(keys, kind="stable")[:n_held]] = True
        return self.take(np.flatnonzero(~held)), self.take(np.flatnonzero(held))

    def rows(self, domain: str, threshold: float | None = None, grey: bool = False) -> Rows:
        """The data as the library wants it: thresholded, scaled, or as it is."""
        values: Any = self.values
        if threshold is not None:
            values = _thresholded(self, threshold)
        elif grey:
            values = _grey(self)
        try:
            return as_rows(values, domain=domain, name=self.name)
        except ValueError as error:
            if domain == "binary" and threshold is None and not grey and (most := _largest(values)) > 1:
                raise CommandError(
                    f"{self.name} holds values up to {most:g}: say --threshold T (values above T become 1, "
                    "others 0) or --grey (0-255 become grey levels 0-1)"
                ) from error
            raise


@dataclass(frozen=True)
class Examples:
    """Rows to learn from or to watch, and their labels if there are any."""

    rows: Rows
    labels: I64 | None

    def some(self, n: int) -> States:
        """The first rows, as numbers."""
        V = self.rows.block(slice(0, n))
        return V / np.float32(GREY) if V.dtype == np.uint16 else V


# --- Reading -----------------------------------------------------------------------------------------------


def read_data(path: str, key: str | None = None) -> DataFile:
    r"""Read a file of any of the kinds that are understood.

    Parameters
    ----------
    path : str
        The file. .npy and plain IDX files are mapped into memory, not loaded.
    key : str, optional
        Which array of an .npz file; not needed if it has only one.

    Raises
    ------
    CommandError
        The file is none of these, is damaged, or has no such array.
    OSError
        It cannot be read.

    Examples
    --------
    >>> from rbmfast.cli.datafiles import read_data
    >>> with open("table.csv", "w") as file:
    ...     _ = file.write("left,right\n0,1\n1,1\n")
    >>> read_data("table.csv").values
    array([[0., 1.],
           [1., 1.]])
    """
    return _as_rows_of_numbers(path, _stored(path, key))


def labelled(data: DataFile, path: str, where: str, lowest: int = 0) -> DataFile:
    """The data of the file at `path` with a label for each row.

    Parameters
    ----------
    data : DataFile
        The data.
    path : str
        Their file.
    where : str
        Another array of that file, or else a file of any kind that `read_data` understands.
    lowest : int, default 0
        Of the labels allowed; -1 stands for none.

    Raises
    ------
    CommandError
        There is no such thing, it holds no labels, or not as many as there are rows.
    OSError
        A file cannot be read.
    """
    here = where in arrays_in(path)
    if not here and not os.path.exists(where):
        raise CommandError(f"{where}: is neither a file nor an array in {path}")
    if not here and (n_arrays := len(arrays_in(where))) > 1:
        raise CommandError(f"{where}: holds {n_arrays} arrays; labels want a file of their own, or {path}")
    stored = _stored(path, where) if here else _stored(where, None)
    n_rows = int(data.values.shape[0])
    if stored.ndim == 2 and stored.shape[1] == 1 and not _is_sparse(stored):  # as text is
        stored = stored[:, 0]
    if stored.ndim != 1:
        raise CommandError(f"{where}: must hold one label for each row, has the shape {stored.shape}")
    if len(stored) != n_rows:
        raise CommandError(f"{where}: holds {len(stored):,} labels, {data.name} has {n_rows:,} rows")
    return replace(data, labels=_as_labels(where, stored, lowest))


def _as_labels(where: str, stored: Any, lowest: int) -> I64:
    allowed = f"{where}: labels must be whole numbers from {lowest} to {MAX_LABEL}"
    if stored.dtype.kind not in "biuf":
        raise CommandError(f"{allowed}, holds {stored.dtype}")
    values = np.asarray(stored, np.float64)
    fine = (values >= lowest) & (values <= MAX_LABEL) & (values == np.floor(values))  # false of NaN
    if not fine.all():
        raise CommandError(f"{allowed}, holds {values[~fine][0]:g}")
    return values.astype(np.int64)


def arrays_in(path: str) -> list[str]:
    """Names of the arrays in an .npz file; none if the file is of another kind."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else open(path, "rb") as file:
        names = zipfile.ZipFile(file).namelist() if zipfile.is_zipfile(file) else []
    return [name.removesuffix(".npy") for name in names]


def _stored(path: str, key: str | None) -> Any:
    """What a file holds, as it is."""
    with open(path, "rb") as file:
        start = file.read(4)
    try:
        if start[:2] == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                return _from_bytes(unpacked.read(), key)
        if start == b"\x93NUM":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        if _is_idx(start):
            return _idx(path)
        with open(path, "rb") as file:
            return _npz(file, key) if start[:2] == b"PK" else _text(file)
    except CommandError as error:
        raise CommandError(f"{path}: {error}") from error
    except UNREADABLE as error:
        raise CommandError(f"{path}: cannot be read: {error}") from error


def _as_rows_of_numbers(path: str, stored: Any) -> DataFile:
    if stored.dtype.kind not in "biuf":
        raise CommandError(f"{path}: holds {stored.dtype}, not numbers")
    if stored.ndim < 2 or 0 in stored.shape:
        raise CommandError(f"{path}: must hold rows and columns, has the shape {stored.shape}")
    size = None
    if stored.ndim > 2:  # images: each is a row
        size = (stored.shape[1], stored.shape[2]) if stored.ndim == 3 else None
        stored = stored.reshape(stored.shape[0], -1)
    return DataFile(os.path.basename(path), stored, size)


def _from_bytes(content: bytes, key: str | None) -> Any:
    if content.startswith(b"\x93NUM"):
        return np.load(io.BytesIO(content), allow_pickle=False)
    if content.startswith(b"PK"):
        return _npz(io.BytesIO(content), key)
    return _idx(content) if _is_idx(content) else _text(io.BytesIO(content))


def _npz(file: Any, key: str | None) -> Any:
    with np.load(file, allow_pickle=False) as archive:
        keys = list(archive.keys())
        if key is None and set(keys) >= SPARSE_KEYS:
            file.seek(0)
            return sp.csr_array(sp.load_npz(file))
        if key is None and len(keys) != 1:
            raise CommandError(f"holds {len(keys)} arrays; choose one with --key: {', '.join(keys)}")
        if key is not None and key not in keys:
            raise CommandError(f"has no array {key!r}, only {', '.join(keys)}")
        return archive[keys[0] if key is None else key]


def _is_idx(start: bytes) -> bool:
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in IDX_DTYPES and start[3] > 0


def _idx(source: str | bytes) -> Any:
    """An array as in the MNIST files: 0, 0, type, dimensions, then sizes and numbers, big-endian."""
    if isinstance(source, bytes):
        head, size = source[:1024], len(source)
    else:
        with open(source, "rb") as file:
            head, size = file.read(1024), os.path.getsize(source)
    dtype = np.dtype(IDX_DTYPES[head[2]])
    shape = struct.unpack_from(f">{head[3]}I", head, 4)
    offset = 4 + 4 * head[3]
    expected = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size != expected:
        raise CommandError(f"is a damaged IDX file: {size:,} bytes instead of {expected:,}")
    if 0 in shape:
        return np.empty(shape, dtype)
    if isinstance(source, bytes):
        return np.frombuffer(source, dtype, offset=offset).reshape(shape)
    return np.memmap(source, dtype, mode="r", offset=offset, shape=shape)


def _text(file: IO[bytes]) -> Any:
    """A table of numbers, with or without a line of names above it."""
    if b"\0" in file.read(4096):
        raise CommandError(f"is none of the kinds that are understood: {KINDS}")
    file.seek(0)
    first: list[tuple[int, str]] = []  # the first two lines that hold something, and their places
    try:
        for place, line in enumerate(file):
            text = line.decode("utf-8-sig" if place == 0 else "utf-8")
            if text.strip() and not text.lstrip().startswith("#"):
                first.append((place, text))
            if len(first) == 2:
                break
    except UnicodeDecodeError:
        raise CommandError(f"is none of the kinds that are understood: {KINDS}") from None
    if not first:
        raise CommandError("holds no data")
    separator = next((mark for mark in (",", "\t", ";") if mark in first[0][1]), None)
    numbers = [_are_numbers(line.split(separator)) for _, line in first]
    if not numbers[-1]:
        raise CommandError(f"holds words where numbers should be; understood are {KINDS}")
    skipped = 0 if numbers[0] else first[0][0] + 1
    file.seek(0)
    return np.loadtxt(file, delimiter=separator, skiprows=skipped, ndmin=2, encoding="utf-8-sig")


def _are_numbers(words: list[str]) -> bool:
    try:
        return all(float(word) is not None for word in words)
    except ValueError:
        return False


# --- Making 0/1 data and grey levels -----------------------------------------------------------------------


def _is_sparse(values: Any) -> bool:
    sparse: bool = sp.issparse(values)
    return sparse


def _chunks(values: Any) -> Iterator[tuple[slice, Any]]:
    size = max(1, CHUNK // values.shape[1])
    for first in range(0, values.shape[0], size):
        rows = slice(first, min(first + size, values.shape[0]))
        yield rows, values[rows]


def _thresholded(data: DataFile, threshold: float) -> Any:
    values = data.values
    if _is_sparse(values):
        if threshold < 0:
            raise CommandError("--threshold must be at least 0 for a sparse matrix: its zeros stay 0")
        _refuse_nan(data.name, values.data)
        return sp.csr_array(values > threshold)
    packed = values.size > PACKED_FROM
    width = -(-values.shape[1] // 8) if packed else values.shape[1]
    result = np.empty((values.shape[0], width), np.uint8)
    for rows, chunk in _chunks(values):
        _refuse_nan(data.name, chunk)
        above = chunk > threshold
        result[rows] = np.packbits(above, axis=1) if packed else above
    return Packed(result, values.shape[1]) if packed else result


def _refuse_nan(name: str, values: Any) -> None:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise CommandError(f"{name} holds NaN, which is on neither side of a threshold")


def _grey(data: DataFile) -> Any:
    values = data.values
    if values.dtype.kind in "iu":
        return Grey8(values)
    if values.dtype.kind == "b":
        return values
    low, high = _range(values)
    if not (low >= 0 and high <= 255):  # false of NaN
        raise CommandError(f"--grey wants values from 0 to 255, {data.name} holds {low:g} to {high:g}")
    if _is_sparse(values):
        return (values / 255.0).astype(np.float32)
    result = np.empty(values.shape, np.float32)
    for rows, chunk in _chunks(values):
        result[rows] = chunk / 255.0
    return result


def _range(values: Any) -> tuple[float, float]:
    """Smallest and largest stored value; NaN if there is one."""
    if _is_sparse(values):
        stored = values.data
        return (float(stored.min()), float(stored.max())) if stored.size else (0.0, 0.0)
    lows, highs = zip(*((chunk.min(), chunk.max()) for _, chunk in _chunks(values)), strict=True)
    return float(np.min(lows)), float(np.max(highs))


def _largest(values: Any) -> float:
    low, high = _range(values)
    return high if low >= 0 else float("nan")
