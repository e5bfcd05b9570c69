"""Reading data from files: what kind a file is of says its content, not its name."""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from rbmfast.checks import check_labels
from rbmfast.cli.options import CommandError, did_you_mean
from rbmfast.cli.output import is_table
from rbmfast.cli.tables import choose, fitting, numbers, read_text
from rbmfast.data import Grey8, Packed, Rows, is_sparse
from rbmfast.reference import I64, States
from rbmfast.streams import shuffled
from rbmfast.tables import Schema
from rbmfast.units import Unit

IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
SPARSE_KEYS = {"format", "shape", "data"}  # of scipy.sparse.save_npz
PACKED_FROM = 1 << 28  # values: thresholded data larger than this is kept as bits
CHUNK = 1 << 22  # values looked at together
MAX_LABEL = 2**15 - 1
HOLDOUT = 3  # keeps this choice of rows apart from those of the monitors
# What NumPy, zipfile and gzip raise where bytes are missing or wrong; a forged size asks for too much memory.
DAMAGE = (OSError, EOFError, OverflowError, MemoryError, zipfile.BadZipFile, zlib.error, struct.error)


@dataclass(frozen=True)
class DataFile:
    """What a file holds, as it is stored there.

    Attributes
    ----------
    name : str
        What messages call it.
    stored : array, memory map, sparse matrix or pandas frame (n_rows, n_columns)
    image_size : (int, int) or None
        Height and width, if the file says that its rows are images.
    labels : int64 array (n_rows,) or None
        Their classes, if these were asked for.
    class_names : tuple of str
        What these are called in the file, if by words.
    arrays, columns : tuple of str
        Names of those in the file, if it holds several arrays, or a table.
    """

    name: str
    stored: Any
    image_size: tuple[int, int] | None = None
    labels: I64 | None = None
    class_names: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @functools.cached_property
    def values(self) -> Any:
        """Numbers: array, memory map or sparse matrix (n_rows, n_columns)."""
        if not is_table(self.stored):
            return self.stored
        try:
            return numbers(self.stored)
        except CommandError as error:
            raise CommandError(f"{self.name}: {error}") from error

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n_rows, n_columns = self.stored.shape
        return n_rows, n_columns

    @property
    def is_plain(self) -> bool:
        """Whether these are numbers from 0 to 1 and nothing else, as far as a table goes."""
        try:
            return not is_table(self.stored) or ((self.values >= 0) & (self.values <= 1)).all()
        except CommandError:
            return False

    def take(self, rows: I64) -> DataFile:
        """Some rows, copied into memory."""
        labels = None if self.labels is None else self.labels[rows]
        stored = self.stored.iloc[rows] if is_table(self.stored) else self.stored[rows]
        return replace(self, stored=stored, labels=labels)

    def split(self, fraction: float, seed: int) -> tuple[DataFile, DataFile]:
        """All but a fraction of the rows, and that fraction, chosen by the seed."""
        n = self.shape[0]
        n_held = round(fraction * n)
        if not 0 < n_held < n:
            raise CommandError(f"--validation {fraction:g} of {n} rows leaves nothing on one side")
        held = np.zeros(n, np.bool_)
        held[shuffled(n, seed, HOLDOUT)[:n_held]] = True
        return self.take(np.flatnonzero(~held)), self.take(np.flatnonzero(held))

    def examples(self, unit: Unit, threshold: float | None, grey: bool) -> Examples:
        """The data for these units: thresholded, scaled, or as it is; and its labels."""
        values: Any = self.values
        if threshold is not None:
            values = _thresholded(self, threshold)
        elif grey:
            values = _grey(self)
        try:
            rows = unit.rows(values, self.shape[1], self.name, may_miss=True)
            return Examples(self.name, rows, unit, self.labels)
        except ValueError as error:
            low, high = (0.0, 0.0) if threshold is not None or grey else _range(values)
            of_bits = unit.means_are_rates and (low >= 0 or unit.affine(self.shape[1]) is None)
            if not of_bits or not (low < 0 or high > 1) or math.isinf(high - low):
                raise
            ways = "--threshold X (values above X become 1, others 0) or --standardize (real numbers)"
            images = ", or of images --grey (0-255 become grey levels 0-1)" if low >= 0 else ""
            raise CommandError(
                f"{self.name} holds values from {low:g} to {high:g}: say {ways}{images}"
            ) from error

    def encoded(self, schema: Schema, unit: Unit) -> Examples:
        """The data as units for the columns of a schema see them; and its labels."""
        V = fitting(schema, self.stored).encode(self.stored)
        rows = unit.rows(V, schema.n_visible, self.name, may_miss=True)
        return Examples(self.name, rows, unit, self.labels)


@dataclass(frozen=True)
class Examples:
    """Rows to learn from or to watch, and their labels if there are any."""

    name: str
    rows: Rows
    unit: Unit
    labels: I64 | None

    def __str__(self) -> str:
        rows = self.rows
        labels = "" if self.labels is None else f", {len(np.unique(self.labels[self.labels >= 0]))} classes"
        return f"{self.name}: {rows.n_rows:,} rows of {rows.n_features} {rows.kind} values{labels}"

    def check_whole(self) -> Examples:
        """Raise an error if cells are missing."""
        if self.rows.missing is not None:
            raise CommandError(f"{self.name}: has missing cells: fill them in first, by rbmfast impute")
        return self

    def some(self, n: int) -> States:
        """The first rows, as numbers."""
        return self.unit.shown(self.rows.block(slice(0, n)))


# --- Reading -----------------------------------------------------------------------------------------------


def read_data(
    path: str,
    key: str | None = None,
    *,
    labels: str | None = None,
    lowest: int = 0,
    class_names: tuple[str, ...] = (),
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> DataFile:
    r"""Read a file of any of the kinds that are understood.

    Parameters
    ----------
    path : str
        The file. .npy and plain IDX files are mapped into memory, not loaded.
    key : str, optional
        Which array of a file that holds several; not needed for the only one, nor for one called X.
    labels : str, optional
        Where there is a label for each row: a column of the table, another array of the file, or else a
        file of any of these kinds.
    lowest : int, default 0
        Of the labels allowed; -1 stands for none, and so do empty cells among words.
    class_names : tuple of str, default ()
        What the classes are called, if that is known; otherwise words that are labels are put in their order.
    columns, drop : sequence of str, default ()
        Which columns of a table to take (none named: all), and which of these to leave out. They are called
        what the first line says, or else 0, 1, ...

    Raises
    ------
    CommandError
        The file is none of these, is damaged, or has no such array, column or labels.
    OSError
        It cannot be read.

    Examples
    --------
    >>> from rbmfast.cli.datafiles import read_data
    >>> with open("table.csv", "w") as file:
    ...     _ = file.write("left,right,class\n0,1,7\n1,1,9\n")
    >>> data = read_data("table.csv", labels="class")
    >>> data.values, data.labels
    (array([[0., 1.],
           [1., 1.]]), array([7, 9]))
    """
    with _open(path) as stored:
        arrays = tuple(stored) if isinstance(stored, Mapping) else ()
        names = tuple(stored) if is_table(stored) else ()
        found = stored[labels] if labels in arrays + names else None
        if names:
            stored = choose(stored, columns, [*drop, *(name for name in names if name == labels)])
        elif columns or drop:
            raise CommandError("--columns and --drop choose among the columns of a table; this is none")
        data = _as_rows(path, _pick(stored, key or ("X" if "X" in arrays else None)))
    data = replace(data, arrays=arrays, columns=names)
    return data if labels is None else _with_labels(data, path, labels, found, lowest, class_names)


def _with_labels(
    data: DataFile, path: str, where: str, found: Any, lowest: int, names: tuple[str, ...]
) -> DataFile:
    if found is None:
        if not os.path.exists(where):
            known = data.columns + data.arrays
            hint = did_you_mean(where, known) if known else ""
            raise CommandError(f"{where}: is neither a file nor a column or an array of {path}{hint}")
        with _open(where) as stored:
            found = _pick(stored, None, "labels want a file of their own")
    found = np.asarray(found)
    if found.ndim == 2 and 1 in found.shape:  # as text and .mat files have them
        found = found.reshape(-1)
    if found.dtype.kind in "OU" and found.ndim == 1:
        found, names = _numbered(found, where, names)
        if lowest == 0 and (found < 0).any():
            row = int((found < 0).argmax())
            raise CommandError(f"{where}: row {row} has no label (--unlabelled X learns from such rows, too)")
    if found.dtype.kind in "bf":
        broken = found != np.floor(found)  # true of NaN
        if broken.any():
            raise CommandError(f"{where}: labels must be whole numbers, holds {found[broken][0]:g}")
        found = found.astype(np.int64)
    checked = check_labels(found, data.shape[0], MAX_LABEL + 1, where, lowest=lowest)
    return replace(data, labels=checked, class_names=names)


def _numbered(words: Any, where: str, names: tuple[str, ...]) -> tuple[I64, tuple[str, ...]]:
    """Words as numbers of names, by default of those that there are; an empty cell as -1."""
    cells = [str(word) if word == word else "" for word in words.tolist()]
    if not names:
        names = tuple(sorted({*cells} - {""}))
        if len(names) == len(cells) > 1:
            raise CommandError(f"{where}: holds as many words as rows, which are rather names than labels")
    numbers = {name: i for i, name in enumerate(names)} | {"": -1}
    strange = next((cell for cell in cells if cell not in numbers), None)
    if strange is not None:
        raise CommandError(f"{where}: holds the label {strange!r}{did_you_mean(strange, names)}")
    return np.array([numbers[cell] for cell in cells]), names


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    """What a file holds: an array, arrays by name, or a pandas frame. Every error names the file."""
    try:
        with open(path, "rb") as file:
            yield _stored(file, path)
    except CommandError as error:
        raise CommandError(f"{path}: {error}") from error
    except Exception as error:  # of many libraries
        if isinstance(error, OSError) and error.filename is not None:
            raise
        what = "is damaged or cut short" if isinstance(error, DAMAGE) else "cannot be read"
        raise CommandError(f"{path}: {what}: {error}") from error


def _stored(file: Any, path: str) -> Any:
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if packed:
        file = io.BytesIO(gzip.decompress(file.read()))
    start = file.read(6)
    file.seek(0)
    if start == b"\x93NUMPY":
        return np.load(file if packed else path, None if packed else "r", allow_pickle=False)
    if start[:2] == b"PK":
        archive = np.load(file, allow_pickle=False)
        if set(archive) >= SPARSE_KEYS:
            import scipy.sparse as sp

            return sp.csr_array(sp.load_npz(file))
        return archive
    if start == b"MATLAB":
        import scipy.io

        with warnings.catch_warnings():  # of newer sparse classes to come, which are as welcome
            warnings.simplefilter("ignore", DeprecationWarning)
            found = scipy.io.loadmat(file)
        return {name: x for name, x in found.items() if not name.startswith("__")}
    return _idx(file, path) if _is_idx(start) else read_text(file)


def _pick(stored: Any, key: str | None, advice: str = "choose one with --key") -> Any:
    """An array of several, or the only one."""
    if not isinstance(stored, Mapping):
        return stored
    names = ", ".join(stored)
    if key is None and len(stored) != 1:
        raise CommandError(f"holds {len(stored)} arrays; {advice}: {names}")
    if key is not None and key not in stored:
        raise CommandError(f"has no array {key!r}, only {names}")
    return stored[next(iter(stored)) if key is None else key]


def _as_rows(path: str, stored: Any) -> DataFile:
    if not is_table(stored) and stored.dtype.kind not in "biuf":
        raise CommandError(f"holds {stored.dtype}, not numbers")
    if stored.ndim < 2 or 0 in stored.shape:
        raise CommandError(f"must hold rows and columns, has the shape {stored.shape}")
    size = None
    if stored.ndim > 2:  # images: each is a row
        size = (stored.shape[1], stored.shape[2]) if stored.ndim == 3 else None
        stored = stored.reshape(stored.shape[0], -1)
    return DataFile(os.path.basename(path), stored.tocsr() if is_sparse(stored) else stored, size)


def _is_idx(start: bytes) -> bool:
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in IDX_DTYPES and start[3] > 0


def _idx(file: IO[bytes], path: str) -> Any:
    """An array as in the MNIST files: 0, 0, type, dimensions, then sizes and numbers, big-endian."""
    head, size = file.read(1024), file.seek(0, os.SEEK_END)
    dtype = np.dtype(IDX_DTYPES[head[2]])
    shape = struct.unpack_from(f">{head[3]}I", head, 4)
    offset = 4 + 4 * head[3]
    expected = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size != expected:
        raise CommandError(f"is a damaged IDX file: {size:,} bytes instead of {expected:,}")
    if 0 in shape:
        return np.empty(shape, dtype)
    if isinstance(file, io.BytesIO):
        return np.frombuffer(file.getbuffer(), dtype, offset=offset).reshape(shape)
    return np.memmap(path, dtype, mode="r", offset=offset, shape=shape)


# --- Making 0/1 data and grey levels -----------------------------------------------------------------------


def _chunks(values: Any) -> Iterator[Any]:
    size = max(1, CHUNK // values.shape[1])
    return (values[first : first + size] for first in range(0, values.shape[0], size))


def _thresholded(data: DataFile, threshold: float) -> Any:
    values = data.values
    if threshold < 0 and is_sparse(values):
        raise CommandError("--threshold must be at least 0 for a sparse matrix: its zeros stay 0")
    low, high = _range(values)
    if low != low:
        raise CommandError(f"{data.name} holds NaN, which is on neither side of a threshold")
    if not low <= threshold < high:
        raise CommandError(
            f"--threshold {threshold:g}: all of {data.name} is on one side, from {low:g} to {high:g}; take a "
            "threshold between these, or none if this is 0/1 data or grey levels already"
        )
    if is_sparse(values):
        return (values > threshold).tocsr()
    if values.size <= PACKED_FROM:
        return np.asarray(values > threshold)
    packed = [np.packbits(chunk > threshold, axis=1) for chunk in _chunks(values)]
    return Packed(np.concatenate(packed), values.shape[1])


def _grey(data: DataFile) -> Any:
    values = data.values
    low, high = _range(values)
    if not (low >= 0 and high <= 255):  # false of NaN
        raise CommandError(f"--grey wants values from 0 to 255, {data.name} holds {low:g} to {high:g}")
    if high <= 1:
        raise CommandError(
            f"--grey: {data.name} holds values from {low:g} to {high:g}, not to 255; without --grey they are "
            "0/1 data or grey levels as they stand"
        )
    if values.dtype.kind in "iu":
        return Grey8(values)
    if is_sparse(values):
        return (values / 255.0).astype(np.float32)
    return np.divide(values, 255.0, out=np.empty(values.shape, np.float32), casting="same_kind")


def _range(values: Any) -> tuple[float, float]:
    """Smallest and largest value; NaN if there is one."""
    if is_sparse(values):
        return float(values.min()), float(values.max())
    lows, highs = zip(*((chunk.min(), chunk.max()) for chunk in _chunks(values)), strict=True)
    return float(np.min(lows)), float(np.max(highs))
