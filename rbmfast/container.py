r"""The file that models and checkpoints are stored in: named arrays and a little metadata, no pickle.

A file can be read without this library. All integers are little-endian, all offsets count bytes:

========================  ==============================================================================
8 bytes                   the magic ``89 52 42 4D 0D 0A 1A 0A`` (``\x89RBM\r\n\x1a\n``)
4 bytes                   format version, uint32: 1
8 bytes                   length of the header, uint64
header                    a JSON object, UTF-8, with exactly the keys ``kind``, ``meta`` and ``arrays``
zero bytes                up to the next multiple of 64: here the data section starts
data section              the arrays in the header's order, each at the next multiple of 64, zeros between
32 bytes                  SHA-256 of everything before; the file ends here
========================  ==============================================================================

``kind`` says what the file holds, ``meta`` is any JSON object (its numbers may need 64 bits), ``arrays`` is a
list of ``{"name": text, "dtype": text, "shape": [int, ...], "offset": int, "nbytes": int}``. The dtypes are
bool, uint8 ... uint64, int8 ... int64, float32 and float64; an ``offset`` counts from the start of the data
section. Arrays are little-endian in C order; a bool is one byte, 0 or 1.

>>> import numpy as np
>>> write_file("weights.bin", "example", {"rate": 0.1}, {"W": np.ones((2, 3), dtype=np.float32)})
>>> kind, meta, arrays = read_file("weights.bin")
>>> kind, meta, arrays["W"].shape
('example', {'rate': 0.1}, (2, 3))
"""

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BufferedReader
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rbmfast.files import FileFormatError, FilePath, complete_file, file_name, naming

__all__ = ["FORMAT_VERSION", "JSON", "FileFormatError", "read_file", "write_file"]

FORMAT_VERSION = 1
JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

_MAGIC = b"\x89RBM\r\n\x1a\n"  # as PNG's: not text, and a transfer that rewrites line ends breaks it
_PREAMBLE = struct.Struct("<8sIQ")
_DIGEST_BYTES = 32
_ALIGNMENT = 64
_CHUNK_BYTES = 1 << 20
_INTEGERS = [f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)]
_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in ["bool", *_INTEGERS, "float32", "float64"]}
_MAX_DIMENSIONS = 32
_MAX_BYTES = 1 << 62


def write_file(
    path: FilePath, kind: str, meta: Mapping[str, JSON], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write arrays and metadata to a file, completely or not at all.

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
        Boolean, integer, float32 and float64 arrays of any shape and memory layout.

    Raises
    ------
    TypeError
        For metadata or a dtype that the file cannot hold.
    ValueError
        For NaN or infinity in `meta`.
    OSError
        The file cannot be written; the error names it.

    Examples
    --------
    >>> import numpy as np
    >>> write_file("biases.bin", "example", {"epoch": 3}, {"b": np.zeros(4)})
    """
    stored = {name: _storable(name, array) for name, array in arrays.items()}
    header = _header(kind, meta, stored)

    with complete_file(path) as file:
        digest = hashlib.sha256()
        for block in _blocks(header, stored.values()):
            digest.update(block)
            file.write(block)
        file.write(digest.digest())


def read_file(path: FilePath, kind: str | None = None) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a file that `write_file` wrote.

    Nothing in the file is believed before its checksum has been verified, and no memory is allocated for an
    array that the file is too small to hold.

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

    Examples
    --------
    >>> import numpy as np
    >>> write_file("biases.bin", "example", {"epoch": 3}, {"b": np.zeros(4)})
    >>> read_file("biases.bin", kind="example")
    ('example', {'epoch': 3}, {'b': array([0., 0., 0., 0.])})
    >>> read_file("biases.bin", kind="model")
    Traceback (most recent call last):
    ...
    rbmfast.files.FileFormatError: 'biases.bin' holds 'example', not 'model'
    """
    name = file_name(path)
    with naming(name), open(name, "rb") as file:
        try:
            found, meta, arrays = _read(file)
        except FileFormatError as error:
            raise FileFormatError(f"{name!r} {error}") from error.__cause__
    if kind is not None and found != kind:
        raise FileFormatError(f"{name!r} holds {found!r}, not {kind!r}")
    return found, meta, arrays


def _align(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _storable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(array)
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"array {name!r} has dtype {array.dtype}; a file holds only {', '.join(_DTYPES)}")
    return np.asarray(array, dtype=_DTYPES[array.dtype.name], order="C")


def _header(kind: str, meta: Mapping[str, JSON], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    entries = []
    end = 0
    for name, array in arrays.items():
        offset = _align(end)
        end = offset + array.nbytes
        entry = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        entries.append({**entry, "offset": offset, "nbytes": array.nbytes})
    header = {"kind": kind, "meta": dict(meta), "arrays": entries}
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    if not all(isinstance(name, str) for name in [kind, *arrays]):
        raise TypeError("kind and the arrays' names must be text")
    if json.loads(text) != header:
        raise TypeError("meta must hold only what JSON gives back: text keys, lists rather than tuples")
    return text.encode("utf-8")


def _blocks(header: bytes, arrays: Iterable[NDArray[Any]]) -> Iterator[bytes | memoryview]:
    """Yield everything that stands before the checksum."""
    start = _PREAMBLE.pack(_MAGIC, FORMAT_VERSION, len(header)) + header
    yield start
    end = len(start)
    for array in arrays:
        yield bytes(_align(end) - end)
        yield array.reshape(-1).view(np.uint8).data
        end = _align(end) + array.nbytes
    if end == len(start):
        yield bytes(_align(end) - end)


def _read(file: BufferedReader) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]]:
    size = os.fstat(file.fileno()).st_size
    preamble = file.read(_PREAMBLE.size)
    if preamble[: len(_MAGIC)] != _MAGIC:
        raise FileFormatError("is not an rbmfast file")
    if size < _PREAMBLE.size + _DIGEST_BYTES or len(preamble) < _PREAMBLE.size:
        raise FileFormatError("is truncated")
    _, version, header_bytes = _PREAMBLE.unpack(preamble)
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"was written by a newer version of rbmfast: its format is {version}, known is {FORMAT_VERSION}"
        )
    _check_digest(file, size)

    body = size - _DIGEST_BYTES
    data = _align(_PREAMBLE.size + header_bytes)
    if version < 1 or data > body:
        raise FileFormatError("has an invalid header")
    file.seek(_PREAMBLE.size)
    kind, meta, entries = _parse_header(file.read(header_bytes), body - data)

    arrays = {}
    for name, dtype, shape, offset in entries:
        array = np.empty(shape, dtype)
        flat = array.reshape(-1).view(np.uint8)
        file.seek(data + offset)
        if file.readinto(flat.data) != array.nbytes:
            raise FileFormatError("changed while it was being read")
        if dtype.kind == "b" and flat.max(initial=0) > 1:
            raise FileFormatError(f"holds a bool that is neither 0 nor 1 in array {name!r}")
        arrays[name] = array.astype(dtype.newbyteorder("="), copy=False)
    return kind, meta, arrays


def _check_digest(file: BufferedReader, size: int) -> None:
    digest = hashlib.sha256()
    file.seek(0)
    left = size - _DIGEST_BYTES
    while left > 0 and (block := file.read(min(left, _CHUNK_BYTES))):
        digest.update(block)
        left -= len(block)
    if file.read(_DIGEST_BYTES) != digest.digest():
        raise FileFormatError("is truncated or damaged: its checksum does not match")


def _parse_header(
    text: bytes, data_bytes: int
) -> tuple[str, dict[str, Any], list[tuple[str, np.dtype[Any], tuple[int, ...], int]]]:
    """Check every claim of the header against the size of the data section.

    Places follow from the arrays' order, so offsets are checked for equality: nothing can overlap.
    """
    try:
        header = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FileFormatError("has an invalid header") from error
    if not isinstance(header, dict) or header.keys() != {"kind", "meta", "arrays"}:
        raise FileFormatError("has an invalid header")
    kind, meta, listed = header["kind"], header["meta"], header["arrays"]
    if not (isinstance(kind, str) and isinstance(meta, dict) and isinstance(listed, list)):
        raise FileFormatError("has an invalid header")

    entries: dict[str, tuple[str, np.dtype[Any], tuple[int, ...], int]] = {}
    end = 0
    for entry in listed:
        if not isinstance(entry, dict) or entry.keys() != {"name", "dtype", "shape", "offset", "nbytes"}:
            raise FileFormatError("has an invalid list of arrays")
        name, shape = entry["name"], entry["shape"]
        if not isinstance(name, str) or name in entries or entry["dtype"] not in [*_DTYPES]:
            raise FileFormatError("has an array of an unknown dtype, or one without a name of its own")
        if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
            raise FileFormatError(f"has an invalid shape for array {name!r}")
        if not all(type(n) is int and n >= 0 for n in shape):
            raise FileFormatError(f"has an invalid shape for array {name!r}")
        dtype = _DTYPES[entry["dtype"]]
        offset = _align(end)
        end = offset + math.prod(shape) * dtype.itemsize
        # NumPy cannot make an array of shape (2^62, 2^62, 0), though it has no elements.
        huge = math.prod(max(n, 1) for n in shape) * dtype.itemsize > _MAX_BYTES
        if huge or (entry["offset"], entry["nbytes"]) != (offset, end - offset):
            raise FileFormatError(f"claims an impossible place or size for array {name!r}")
        entries[name] = (name, dtype, tuple(shape), offset)
    if end != data_bytes:
        raise FileFormatError("has fewer or more bytes than its arrays need")
    return kind, meta, list(entries.values())


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
