"""The files that models and checkpoints are kept in: NumPy's own ``.npz``, whatever their names end in.

They hold uncompressed arrays by name and one text, ``json``: an object of ``format_version``, ``kind`` (what
the file holds), ``rbmfast`` (the version that wrote it), ``arrays`` (their names) and ``meta``, all else that
is to be known. So they can be read without this library, and are written and read without pickle.

>>> import numpy as np
>>> write_file("weights.rbm", "example", {"rate": 0.1}, {"W": np.ones((2, 3), dtype=np.float32)})
>>> read_file("weights.rbm")[1]
{'rate': 0.1}
>>> read_file("weights.rbm", kind="rbm")
Traceback (most recent call last):
...
rbmfast.files.FileFormatError: 'weights.rbm' holds 'example', not 'rbm'
>>> stored = np.load("weights.rbm")
>>> stored["W"].shape, str(stored["json"])[:38]
((2, 3), '{"format_version": 2, "kind": "example')
"""

from __future__ import annotations

import errno
import json
import math
import os
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.files import JSON, FileFormatError, FilePath, complete_file, file_name, naming
from rbmfast.old_format import MAGIC, read_old
from rbmfast.runtime import VERSION

__all__ = ["read_file", "write_file"]

FORMAT_VERSION = 2  # 1 was a format of our own: see `old_format`
TEXT = "json"
NUMBERS = "biuf"  # kinds of dtypes
ZIP = b"PK\3\4"


def write_file(
    path: FilePath, kind: str, meta: Mapping[str, JSON], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write arrays and metadata to a file, completely or not at all: equal ones as equal bytes.

    See `rbmfast.files.complete_file`.

    Parameters
    ----------
    path : str, bytes or PathLike
        Where to write.
    kind : str
        What the file holds; `read_file` can insist on it.
    meta : mapping
        What JSON holds exactly: text keys, lists (not tuples), finite numbers. Floats survive bit for bit.
    arrays : mapping of str to ndarray
        Boolean, integer and float arrays of any shape and memory layout.

    Raises
    ------
    TypeError
        For metadata or a dtype that the file cannot hold.
    ValueError
        For NaN or infinity in `meta`.
    OSError
        The file cannot be written; the error names it.
    """
    origin = {"format_version": FORMAT_VERSION, "kind": kind, "rbmfast": VERSION}
    about = {**origin, "arrays": [*arrays], "meta": dict(meta)}
    text = json.dumps(about, allow_nan=False)
    if json.loads(text) != about:
        raise TypeError("meta must hold only what JSON gives back: text keys, lists rather than tuples")
    stored = {name: _storable(name, array) for name, array in {TEXT: np.array(text), **arrays}.items()}

    with complete_file(path) as file:
        archive = zipfile.ZipFile(file, "w")
        try:
            for name, array in stored.items():
                # Unlike a name, a ZipInfo brings no time of day along.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        except BaseException:
            archive.fp = None  # nothing to close: that would raise an error of its own in the place of Ctrl-C
            raise
        archive.close()


def read_file(path: FilePath, kind: str | None = None) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a file that `write_file` wrote, or a version of rbmfast before it.

    The archive's checksums are verified, and no memory is allocated for an array that the file is too small
    to hold.

    Parameters
    ----------
    path : str, bytes or PathLike
        The file.
    kind : str, optional
        What the file must hold.

    Returns
    -------
    kind : str
        What the file holds.
    meta : dict
        The metadata, as `json.loads` returns it.
    arrays : dict of str to ndarray
        The arrays: native byte order, C order, writable.

    Raises
    ------
    FileFormatError
        If the file is not an rbmfast file, is damaged, is of a newer format or of another kind.
    """
    name = file_name(path)
    with naming(name), open(name, "rb") as file:
        try:
            is_old = file.read(len(MAGIC)) == MAGIC
            file.seek(0)
            found, meta, stored = read_old(file) if is_old else _read(file)
            arrays = {key: _native(key, array) for key, array in stored}
        except FileFormatError as error:
            raise FileFormatError(f"{name!r} {error}") from error
        except Exception as error:  # of several libraries, at what they do not expect
            if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno != errno.EINVAL):
                raise
            raise FileFormatError(f"{name!r} is truncated or damaged: {error}") from error
    if kind is not None and found != kind:
        raise FileFormatError(f"{name!r} holds {found!r}, not {kind!r}")
    return found, meta, arrays


def _storable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array in the order that is the same on all machines."""
    array = np.asarray(array)
    if array.dtype.kind not in NUMBERS and name != TEXT:
        raise TypeError(f"array {name!r} has dtype {array.dtype}; a file holds only numbers and bools")
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _read(file: IO[bytes]) -> tuple[str, dict[str, Any], Iterable[tuple[str, NDArray[Any]]]]:
    """Kind, metadata, and one array after the other."""
    members = {}
    if file.read(len(ZIP)) == ZIP:
        archive = zipfile.ZipFile(file)
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if TEXT not in members:
        raise FileFormatError("is not an rbmfast file")
    sizes, stored = zip(*((info.file_size, info.compress_size) for info in members.values()), strict=True)
    if sizes != stored or sum(sizes) > os.fstat(file.fileno()).st_size:
        raise FileFormatError("is compressed or damaged: its arrays do not have the sizes that it claims")

    about = json.loads(_array(archive, members.pop(TEXT)).item())
    json.dumps(about, allow_nan=False)  # raises a ValueError for NaN, which Python reads but is not JSON
    version, kind, meta = about["format_version"], about["kind"], about["meta"]
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"was written by a newer version of rbmfast: its format is {version}, known is {FORMAT_VERSION}"
        )
    if [*members] != about["arrays"]:  # damage to a zip archive's directory can hide some of them
        raise FileFormatError("is damaged: it has other arrays than its description")
    if version != FORMAT_VERSION or not (isinstance(kind, str) and isinstance(meta, dict)):
        raise FileFormatError("has an invalid description")
    return kind, meta, ((name, _array(archive, info)) for name, info in members.items())


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """An array, if its bytes are as many as it claims; when the last is read, all are checked."""
    with archive.open(info) as member:
        np.lib.format.read_magic(member)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        if math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise FileFormatError(f"holds an array of a shape that its file {info.filename!r} does not have")
    with archive.open(info) as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        return array


def _native(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array in this machine's byte order and C order, if it is one of numbers or bools."""
    if array.dtype.kind not in NUMBERS or (array.dtype == bool and array.view(np.uint8).max(initial=0) > 1):
        raise FileFormatError(f"holds something else than numbers and bools in array {name!r}")
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
