"""Numbers as they lie in memory or on disk: views of them, pieces of bounded size, pages of memory maps."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
RowIndex = slice | NDArray[np.intp]

CHUNK = 1 << 20  # values looked at together in a scan: bounds its temporaries to a few MB


def rows_per_chunk(width: int) -> int:
    """How many rows are looked at together in a scan."""
    return max(1, CHUNK // width)


def spans(n: int, size: int) -> Iterator[slice]:
    """Everything up to n, in order, in slices of at most `size`."""
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))


def read_only(array: Array) -> Array:
    """A plain view that cannot be written through; bool is seen as the uint8 it is stored as."""
    view = np.asarray(array)
    view = view.view(np.uint8) if view.dtype == np.bool_ else view.view()
    view.setflags(write=False)
    return view


def native(array: Array) -> Array:
    """The same numbers, C-contiguous and in the byte order of this machine."""
    return np.ascontiguousarray(array, array.dtype if array.dtype.isnative else array.dtype.newbyteorder("="))


class Pages:
    """The file pages under an array, if it lies in a memory map."""

    # Reading a page may map its neighbours as well, so what lies this far before the part read goes back too.
    _MARGIN = 1 << 21

    def __init__(self, array: Array) -> None:
        root: Any = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        self.mapped = isinstance(root, np.memmap) and isinstance(root.base, mmap.mmap)
        # A copy-on-write map keeps its pages: giving one back would undo what the caller wrote into it.
        self._map: mmap.mmap | None = root.base if self.mapped and root.mode != "c" else None
        self._address = 0 if self._map is None else _address(np.frombuffer(self._map, np.uint8, count=1))

    def give_back(self, part: Array) -> None:
        """Drop the resident pages under a part of the array; reading them again is slower, not wrong."""
        if self._map is None or part.size == 0 or not hasattr(mmap, "MADV_DONTNEED"):
            return
        reach = [(n - 1) * stride for n, stride in zip(part.shape, part.strides, strict=True)]
        low = _address(part) - self._address + sum(r for r in reach if r < 0)
        high = _address(part) - self._address + sum(r for r in reach if r > 0) + part.itemsize
        start = max(0, low - self._MARGIN) // mmap.PAGESIZE * mmap.PAGESIZE
        with contextlib.suppress(OSError):  # it is only advice
            self._map.madvise(mmap.MADV_DONTNEED, start, high - start)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
