"""Sources: where the rows are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import memory
from rbmfast.data.memory import Array, Pages, RowIndex, native, read_only, rows_per_chunk, spans
from rbmfast.data.scales import NUMBERS, Scale, as_engine, scale_of
from rbmfast.states import FORMS, LEVELS, one_hot

if TYPE_CHECKING:
    import scipy.sparse as sp

_COMPACTED = 1 << 28  # floats up to so many are converted as they are checked, all at once


class Source:
    """Rows of stored numbers, somewhere, and the scale that says what these mean."""

    scale: Scale
    shape: tuple[int, int]
    mapped: bool
    direct: NDArray[np.uint8] | None = None  # all numbers, C-contiguous and read-only, if they lie like that

    def gather(self, rows: RowIndex, dtype: np.dtype[Any]) -> Array:
        """Rows as a 2-D array of `dtype`, in any memory layout; row numbers are within range."""
        raise NotImplementedError

    def scan(self) -> Iterator[tuple[int, Array]]:
        """Stored numbers as pairs (position, C-contiguous native chunk), in whatever order is cheap."""
        raise NotImplementedError

    def locate(self, position: int) -> tuple[int, int]:
        """Row and column of a scanned position."""
        return divmod(position, self.shape[1])

    def give_back(self, rows: slice) -> None:
        """Tell the system that the pages under these rows are not needed for now."""

    def find_kind(self, domain: str, name: str) -> str:
        """Read every value once: raise at the first that is not allowed, else say what kind of data it is."""
        kind = domain
        for position, chunk in self.scan():
            found = self.scale.kind(chunk, domain)
            if found is None:
                bad = self.scale.first_bad(chunk, domain) or 0
                row, column = self.locate(position + bad)
                value = chunk.reshape(-1)[bad]
                allowed = self.scale.allowed(value, domain)
                raise ValueError(f"{name}[{row}, {column}] is {value!s}, but {allowed}")
            if found == "grey":
                kind = "grey"
        return kind


class Dense(Source):
    """An array, of any memory layout."""

    def __init__(self, array: Array, scale: Scale) -> None:
        self.scale = scale
        self._array = read_only(array)
        self._pages = Pages(array)
        self.shape = (array.shape[0], array.shape[1])
        self.mapped = self._pages.mapped
        if self._array.dtype == np.uint8 and self._array.flags.c_contiguous:
            self.direct = self._array

    def compact(self) -> Dense:
        """Numbers that lie in memory as floats in [0, 1] as bytes or 16-bit levels; others as they are."""
        if self._array.dtype.kind != "f" or self.mapped or self._array.size > _COMPACTED:
            return self
        for convert, form in ((engine.states_u8, FORMS[0]), (engine.states_u16, LEVELS)):
            states = self._converted(convert, form)
            if states is not None:
                return Dense(states, scale_of(form))
        return self

    def _converted(self, convert: Callable[[Array], Array | None], dtype: np.dtype[Any]) -> Array | None:
        """All values, unless one cannot be converted; piece by piece where they have to be moved first."""
        array = self._array
        if array.flags.c_contiguous and array.dtype in (np.float32, np.float64):
            return convert(array)
        result: Array = np.empty(array.shape, dtype)
        for rows in spans(len(array), rows_per_chunk(array.shape[1])):
            part = convert(as_engine(array[rows]))
            if part is None:
                return None
            result[rows] = part
        return result

    def gather(self, rows: RowIndex, dtype: np.dtype[Any]) -> Array:
        return self.scale.encode(self._array[rows], dtype)

    def scan(self) -> Iterator[tuple[int, Array]]:
        array = self._array.T if self._by_columns else self._array  # the way it lies in memory
        if array.size <= memory.CHUNK:
            yield 0, native(array)
            self._pages.give_back(array)
            return
        if array.flags.c_contiguous:
            array = array.reshape(-1, 1)  # chunks of the same size, however long a line is
        for lines in spans(array.shape[0], rows_per_chunk(array.shape[1])):
            yield lines.start * array.shape[1], native(array[lines])
            self._pages.give_back(array[lines])

    def locate(self, position: int) -> tuple[int, int]:
        if self._by_columns:
            return divmod(position, self.shape[0])[::-1]
        return super().locate(position)

    def give_back(self, rows: slice) -> None:
        self._pages.give_back(self._array[rows])

    @property
    def _by_columns(self) -> bool:
        return self._array.flags.f_contiguous and not self._array.flags.c_contiguous


class Csr(Source):
    """A CSR matrix: unsorted indices and explicit zeros are fine, repeats are not."""

    def __init__(self, matrix: sp.csr_matrix, scale: Scale) -> None:
        self.scale = scale
        self._matrix = matrix
        self._values: Array = read_only(matrix.data)
        self._pages = Pages(matrix.indices), Pages(matrix.data)
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        self.mapped = any(pages.mapped for pages in self._pages)

    def gather(self, rows: RowIndex, dtype: np.dtype[Any]) -> Array:
        return self.sparse(rows, dtype).toarray()

    @property
    def n_stored(self) -> int:
        """How many numbers are stored."""
        return int(self._matrix.nnz)

    def sparse(self, rows: RowIndex, dtype: np.dtype[Any]) -> sp.csr_matrix:
        """Rows of `dtype`, still sparse."""
        some = self._matrix[rows]
        if some.nnz and not 0 <= some.indices.min() <= some.indices.max() < self.shape[1]:
            raise IndexError(
                "the data changed while it was in use: a column is out of range"
            )  # SciPy trusts it
        some.data = self.scale.encode(some.data, dtype)
        return some

    def scan(self) -> Iterator[tuple[int, Array]]:
        for taken in spans(self.n_stored, memory.CHUNK):
            yield taken.start, native(self._values[taken])
            self._pages[1].give_back(self._values[taken])

    def locate(self, position: int) -> tuple[int, int]:
        starts, columns = self._matrix.indptr, self._matrix.indices
        return int(np.searchsorted(starts, position, side="right")) - 1, int(columns[position])

    def give_back(self, rows: slice) -> None:
        taken = slice(self._matrix.indptr[rows.start], self._matrix.indptr[rows.stop])
        self._pages[0].give_back(self._matrix.indices[taken])
        self._pages[1].give_back(self._values[taken])


class Bits(Dense):
    """An array of bytes that hold eight values each, the first in the top bit."""

    def __init__(self, bits: NDArray[np.uint8], n_features: int) -> None:
        super().__init__(bits, NUMBERS)
        self.shape = (bits.shape[0], n_features)
        self.direct = None

    def gather(self, rows: RowIndex, dtype: np.dtype[Any]) -> Array:
        return self.scale.encode(np.unpackbits(self._array[rows], axis=1, count=self.shape[1]), dtype)

    def scan(self) -> Iterator[tuple[int, Array]]:
        return iter(())  # a bit cannot be wrong


class Computed(Source):
    """Rows that are made when they are asked for, in the form in which they are used."""

    mapped = False

    def __init__(
        self, shape: tuple[int, int], dtype: np.dtype[Any], compute: Callable[[RowIndex], Array]
    ) -> None:
        self.scale, self.shape = scale_of(dtype), shape
        self._dtype = dtype
        self._compute = compute

    def gather(self, rows: RowIndex, dtype: np.dtype[Any]) -> Array:
        states = self._compute(rows)
        return states if states.dtype == dtype else self.scale.encode(states, dtype)

    def scan(self) -> Iterator[tuple[int, Array]]:
        yield 0, np.zeros((1, 1), self._dtype)  # tells what kind they are; they are valid by their making


class _View(Source):
    """Rows made from those of another source, which has been looked at."""

    def __init__(self, source: Source, scale: Scale, n_columns: int) -> None:
        self.scale, self.shape = scale, (source.shape[0], n_columns)
        self._source = source
        self.mapped = source.mapped

    def scan(self) -> Iterator[tuple[int, Array]]:
        width = max(self.shape[1], self._source.shape[1])
        for rows in spans(self.shape[0], rows_per_chunk(width)):
            yield rows.start * self.shape[1], np.ascontiguousarray(self._stored(rows))
            self.give_back(rows)

    def _stored(self, rows: RowIndex) -> Array:
        raise NotImplementedError

    def give_back(self, rows: slice) -> None:
        self._source.give_back(rows)


class Columns(_View):
    """Some columns of another source, as the states, levels or numbers that these are."""

    def __init__(self, source: Source, dtype: np.dtype[Any], columns: slice) -> None:
        super().__init__(source, scale_of(dtype), len(range(*columns.indices(source.shape[1]))))
        self._dtype = dtype
        self._columns = columns

    def gather(self, rows: RowIndex, dtype: np.dtype[Any]) -> Array:
        return self.scale.encode(self._stored(rows), dtype)

    def _stored(self, rows: RowIndex) -> Array:
        return self._source.gather(rows, self._dtype)[:, self._columns]


class Labelled(_View):
    """Another source and one-hot columns on its right."""

    def __init__(self, source: Source, labels: NDArray[np.int64], n_labels: int) -> None:
        super().__init__(source, NUMBERS, source.shape[1] + n_labels)
        self._labels = labels
        self._n_labels = n_labels

    def gather(self, rows: RowIndex, dtype: np.dtype[Any]) -> Array:
        labels = one_hot(self._labels[rows], self._n_labels + 1, dtype)[:, :-1]  # -1 is the column left out
        return np.hstack([self._source.gather(rows, dtype), labels])

    def _stored(self, rows: RowIndex) -> Array:
        return self.gather(rows, np.dtype(np.float32))
