r"""What files were before they became ``.npz``: only read.

All integers are little-endian. The magic ``\x89RBM\r\n\x1a\n``, the version as uint32 (1) and the length of
the header as uint64 are followed by the header, a JSON object of ``kind``, ``meta`` and ``arrays``: a list of
``name``, ``dtype``, ``shape`` and ``offset`` (and ``nbytes``). Offsets count from the first multiple of 64
after the header. The last 32 bytes are the SHA-256 of all others.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.files import FileFormatError

MAGIC = b"\x89RBM\r\n\x1a\n"

_PREAMBLE = struct.Struct("<8sIQ")
_ALIGNMENT = 64
_DIGEST_BYTES = 32


def read_old(file: IO[bytes]) -> tuple[str, dict[str, Any], list[tuple[str, NDArray[Any]]]]:
    """Kind, metadata and arrays of such a file; if it is forged, any error."""
    content = memoryview(file.read())
    body = content[:-_DIGEST_BYTES]
    if hashlib.sha256(body).digest() != content[-_DIGEST_BYTES:]:
        raise FileFormatError("is truncated or damaged: its checksum does not match")
    _, _, header_bytes = _PREAMBLE.unpack_from(body)
    end = _PREAMBLE.size + header_bytes
    header = json.loads(bytes(body[_PREAMBLE.size : end]))
    data = body[-(-end // _ALIGNMENT) * _ALIGNMENT :]
    arrays = {entry["name"]: _array(data, **entry) for entry in header["arrays"]}
    if not (isinstance(header["kind"], str) and isinstance(header["meta"], dict)):
        raise FileFormatError("has an invalid header")
    if sum(array.nbytes for array in arrays.values()) > len(data):
        raise FileFormatError("has arrays that overlap")
    return header["kind"], header["meta"], [(name, array.copy()) for name, array in arrays.items()]


def _array(data: memoryview, *, dtype: str, shape: list[int], offset: int, **_: Any) -> NDArray[Any]:
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<"), math.prod(shape), offset).reshape(shape)
