"""One way in for data: every container becomes `Rows`, validated once and read by rows.

Two questions are kept apart. A *source* knows where the rows are (a dense array, CSR, packed bits); a
*scale* knows what the stored numbers mean (themselves, or 0-255 grey levels). Any source works with any
scale, and what comes out depends on the values alone: **the same bits from every container**.

Three kinds of data come out:

=========  ==========  ==================================================================================
kind       dtype       a value v becomes
=========  ==========  ==================================================================================
binary     uint8       0 or 1
grey       uint16      ``rint(65535 * float32(v))``, the product rounded to float32
real       float32     ``float32(v)``, and +0.0 for -0.0 (a sparse matrix cannot tell the two apart)
=========  ==========  ==================================================================================
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import mmap
import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.states import unit_of

if TYPE_CHECKING:
    import scipy.sparse as sp
    from typing_extensions import TypeIs

__all__ = ["Grey8", "Packed", "Rows", "as_rows", "computed_rows"]

Array = NDArray[Any]
RowIndex = slice | NDArray[np.intp]

_DTYPES: dict[str, np.dtype[Any]] = {
    "binary": np.dtype(np.uint8),
    "grey": np.dtype(np.uint16),
    "real": np.dtype(np.float32),
}
_CHUNK = 1 << 20  # values looked at together in a scan: bounds its temporaries to a few MB
_SLACK = 1e-6  # rounding errors of scaling: values in [0, 1] may lie beyond it by so much
_COMPACTED = 1 << 28  # floats up to so many are converted as they are checked, all at once


# --- What every input becomes ------------------------------------------------------------------------------


class Rows:
    """Validated data, read by rows. Made by `as_rows`; the rest of the library sees only this.

    The caller's data is held, not copied: do not change it while it is in use.

    Attributes
    ----------
    n_rows, n_features : int
        The shape.
    kind : str
        "binary", "grey" or "real".
    dtype : numpy.dtype
        uint8 for binary, uint16 for grey, float32 for real data.
    direct : read-only uint8 array (n_rows, n_features), or None
        The caller's own memory, where that already is a C-contiguous array of binary bytes (or bools).
    mapped : bool
        Whether the data lies in a `numpy.memmap`.
    stored : int or None
        How many numbers a CSR matrix stores, where `sparse_blocks` can give them as they are.

    Examples
    --------
    >>> from rbmfast.data import as_rows
    >>> rows = as_rows([[0.0, 0.5], [1.0, 0.25]])
    >>> rows
    Rows(2 x 2, grey)
    >>> rows.block(slice(0, 1))
    array([[    0, 32768]], dtype=uint16)
    """

    n_rows: int
    n_features: int
    kind: str
    dtype: np.dtype[Any]
    direct: NDArray[np.uint8] | None
    mapped: bool
    stored: int | None

    def __init__(self, source: _Source, scale: _Scale, domain: str, name: str) -> None:
        self._source = source
        self._scale = scale
        self._given = source, scale  # before they were made compact, for a reader of another domain
        self._domain = domain
        self.n_rows, self.n_features = source.shape
        self.kind = _find_kind(source, scale, domain, name)
        self.dtype = _DTYPES[self.kind]
        self.direct = source.direct if self.kind == "binary" and scale is _NUMBERS else None
        self.mapped = source.mapped
        self.stored = source.n_stored if isinstance(source, _Csr) and self.kind != "real" else None

    def __len__(self) -> int:
        return self.n_rows

    def __repr__(self) -> str:
        return f"Rows({self.n_rows} x {self.n_features}, {self.kind})"

    def block(self, rows: RowIndex) -> Array:
        """Some rows, in any order, repeats allowed.

        Parameters
        ----------
        rows : slice or int array (n,)
            Which rows; negative numbers count from the end.

        Returns
        -------
        array (n, n_features) of `dtype`
            C-contiguous. A read-only view of the caller's data where that needs no conversion, so never write
            into it.

        Raises
        ------
        IndexError
            A row that does not exist.
        TypeError
            `rows` is neither a slice nor a 1-D integer array.
        """
        index = _row_index(rows, self.n_rows)
        return np.ascontiguousarray(self._source.gather(index, self._scale, self.dtype))

    def blocks(self, size: int = 4096) -> Iterator[tuple[int, Array]]:
        """All rows in order, as pairs (first row, block of at most `size` rows).

        The pages of a memory map are given back once the next block is asked for, so that resident memory
        stays bounded.

        Parameters
        ----------
        size : int
            Rows in a block, at least 1.

        Returns
        -------
        iterator of (int, array (at most size, n_features) of `dtype`)
            Number of the block's first row; the block, as from `block`.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}")
        if self.n_rows <= size and not self.mapped:
            return iter([(0, self.all())])
        return self._blocks(size)

    def _blocks(self, size: int) -> Iterator[tuple[int, Array]]:
        for first in range(0, self.n_rows, size):
            rows = slice(first, min(first + size, self.n_rows))
            yield first, self.block(rows)
            self._source.give_back(rows)

    def sparse_blocks(self, size: int) -> Iterator[tuple[int, sp.csr_matrix]]:
        """Like `blocks`, of data with `stored`: CSR matrices of levels, integers from 0 to 65535 in float64.

        Their products with 24-bit integers, and sums of these, are exact in float64.
        """
        if not isinstance(self._source, _Csr):
            raise TypeError("only CSR matrices have sparse blocks")
        for rows in _spans(self.n_rows, size):
            block = self._source.sparse(rows, self._scale, self.dtype).astype(np.float64)
            if self.kind == "binary":
                block.data *= 65535
            yield rows.start, block
            self._source.give_back(rows)

    def give_back(self) -> None:
        """Give the pages of a memory map that have been read back to the system; nothing to do for others."""
        self._source.give_back(slice(0, self.n_rows))

    def all(self) -> Array:
        """Everything as one block: array (n_rows, n_features) of `dtype`, without a copy where `direct`."""
        return self.block(slice(None))

    @property
    def are_equal(self) -> bool:
        """Whether there are several rows, and all are the same."""
        first = self.block(slice(0, 1))
        return self.n_rows > 1 and all(bool((block == first).all()) for _, block in self.blocks(256))

    def columns(self, columns: slice, domain: str) -> Rows:
        """Some columns of the same data, as data of another domain if need be: a view, checked like any data.

        Examples
        --------
        >>> from rbmfast.data import as_rows
        >>> rows = as_rows([[-2.5, 0, 1], [0.5, 1, 1]], domain="real")
        >>> rows.columns(slice(1, 3), "binary").all()
        array([[0, 1],
               [1, 1]], dtype=uint8)
        """
        scale = _LEVELS if self.kind == "grey" else _NUMBERS
        return Rows(_Columns(self, columns), scale, domain, "the data")

    def with_one_hot(self, labels: NDArray[np.int64], n_labels: int) -> Rows:
        """The same rows with `n_labels` columns on their right, of which a row's label says which one is 1.

        Parameters
        ----------
        labels : int64 array (n_rows,)
            Numbers from 0 to ``n_labels - 1``; -1 is a row of zeros.
        n_labels : int
            Columns to add.

        Examples
        --------
        >>> import numpy as np
        >>> from rbmfast.data import as_rows
        >>> as_rows([[0, 1], [1, 1]]).with_one_hot(np.array([2, -1]), 3).all()
        array([[0, 1, 0, 0, 1],
               [1, 1, 0, 0, 0]], dtype=uint8)
        """
        whole = copy.copy(self)
        whole._source = _Labelled(self._source, self._scale, labels, n_labels)
        whole._given = _Labelled(*self._given, labels, n_labels), _NUMBERS
        whole.n_features += n_labels
        whole.direct = whole.stored = None
        return whole

    def fingerprint(self) -> str:
        """A hex digest of shape, kind and values: equal for equal values, whatever the container.

        SHA-256 of a line of text ``<kind> <n_rows> <n_features>`` and of the rows: bits packed as by
        ``numpy.packbits(row)``, little-endian uint16, or little-endian float32.

        Examples
        --------
        >>> import numpy as np
        >>> from rbmfast.data import Packed, as_rows
        >>> X = np.eye(10)
        >>> packed = Packed(np.packbits(X != 0, axis=1), n_features=10)
        >>> as_rows(X).fingerprint() == as_rows(packed).fingerprint()
        True
        """
        digest = hashlib.sha256(f"{self.kind} {self.n_rows} {self.n_features}\n".encode())
        for _, block in self.blocks(_rows_per_chunk(self.n_features)):
            packed = np.packbits(block, axis=1) if self.kind == "binary" else block
            digest.update(np.ascontiguousarray(packed, packed.dtype.newbyteorder("<")).data)
        return digest.hexdigest()


def as_rows(
    X: Any, n_features: int | None = None, *, domain: str = "binary", name: str = "X", compact: bool = False
) -> Rows:
    """Validate `X` and give row-wise access to it, without copying it as a whole unless `compact`.

    Parameters
    ----------
    X : array_like, scipy.sparse matrix or array, numpy.memmap, Grey8, Packed or Rows
        Data of shape (n_rows, n_features): bool, integer, float16, float32 or float64, of any memory layout
        and byte order. Sparse formats other than CSR are converted to CSR; repeated entries are summed.
        Memory maps are streamed, never loaded whole. All values are read once, here.
    n_features : int, optional
        The width that is needed.
    domain : {"binary", "real"}
        "binary": values in [0, 1], integers 0 or 1. If every value is exactly 0 or 1 the result is binary,
        else grey. Floats that lie beyond 0 or 1 by at most 1e-6, as scaling leaves them, count as 0 or 1.
        "real": any values that are finite in float32.
    name : str
        What error messages call `X`.
    compact : bool, default False
        Whether to keep floats of an array in memory as bytes or 16-bit levels, made in the pass that
        validates them: for data that is read more than once, or at once.

    Returns
    -------
    Rows
        `X` itself if it is a `Rows` of this domain.

    Raises
    ------
    TypeError
        `X` is no container of the above, or its dtype is none of the above.
    ValueError
        `X` is not 2-D, has no rows, no columns or the wrong width, or holds a value outside the domain, NaN
        or infinity; the message says where.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.data import as_rows
    >>> as_rows(np.array([[True, False], [True, True]])).all()
    array([[1, 0],
           [1, 1]], dtype=uint8)
    >>> as_rows([[0, 1], [0, 2]])
    Traceback (most recent call last):
    ...
    ValueError: X[1, 1] is 2, but integers must be 0 or 1 (images of levels 0-255: rf.Grey8(X); ...
    """
    if domain not in ("binary", "real"):
        raise ValueError(f"domain must be 'binary' or 'real', got {domain!r}")
    source, scale = _open(X, name)
    if n_features is not None and source.shape[1] != n_features:
        raise ValueError(f"{name} must have {n_features} features (columns), got {source.shape[1]}")
    if isinstance(X, Rows) and X._domain == domain:
        return X
    given = source, scale
    if compact and domain == "binary" and scale is _NUMBERS and isinstance(source, _Dense):
        source, scale = source.compact() or given
    rows = Rows(source, scale, domain, name)
    rows._given = given
    return rows


def computed_rows(shape: tuple[int, int], dtype: np.dtype[Any], compute: Callable[[RowIndex], Array]) -> Rows:
    """Rows that are made whenever they are asked for, such as the states of a network's inner layer.

    Parameters
    ----------
    shape : (int, int)
        Numbers of rows and features.
    dtype : numpy.dtype
        uint8 for 0/1 states, uint16 for grey levels, float32 for finite real numbers: nobody looks whether
        they are.
    compute : callable
        Called with row numbers, a slice or an array within range; returns these rows. Every call must give
        the same numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.data import computed_rows
    >>> levels = np.array([[0, 65535], [9, 99]], np.uint16)
    >>> computed_rows((2, 2), levels.dtype, levels.__getitem__)
    Rows(2 x 2, grey)
    """
    scale = _LEVELS if dtype == np.uint16 else _NUMBERS
    domain = "real" if dtype == np.float32 else "binary"
    return Rows(_Computed(shape, dtype, compute), scale, domain, "X")


class Grey8:
    """Images with integer levels from 0 to 255, read as grey levels ``v / 255``.

    Parameters
    ----------
    X : integer array_like or scipy.sparse matrix, (n_rows, n_features)
        Levels; uint8 is best. Held, not copied.

    Raises
    ------
    TypeError
        The dtype of `X` is not an integer type.
    ValueError
        `X` is not 2-D, is empty, or holds a level below 0 or above 255.

    Notes
    -----
    Level v becomes the 16-bit grey level ``257 * v``, exactly as the float ``v / 255`` does. Images of levels
    0 and 255 only are binary data.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.data import Grey8, as_rows
    >>> as_rows(Grey8(np.array([[0, 1, 255]], dtype=np.uint8))).all()
    array([[    0,   257, 65535]], dtype=uint16)
    """

    def __init__(self, X: Any) -> None:
        self._source = _open_plain(X, "X", _check_level_dtype)
        self._scale = _GREY8
        _find_kind(self._source, self._scale, "binary", "X")

    def __repr__(self) -> str:
        return "Grey8({} x {})".format(*self._source.shape)


class Packed:
    """Binary data with eight values in a byte, as made by ``numpy.packbits(X, axis=1)``.

    Parameters
    ----------
    bits : uint8 array (n_rows, ceil(n_features / 8))
        The first value of a row is the top bit of its first byte. Padding bits are ignored. Held, not copied.
    n_features : int
        Values in a row.

    Raises
    ------
    TypeError
        `bits` is not of dtype uint8, or `n_features` is not an integer.
    ValueError
        `bits` is not 2-D, has no rows, or has the wrong width for `n_features`.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.data import Packed, as_rows
    >>> X = np.array([[1, 0, 1, 1, 0, 0, 0, 0, 1]], dtype=np.uint8)
    >>> as_rows(Packed(np.packbits(X, axis=1), n_features=9)).all()
    array([[1, 0, 1, 1, 0, 0, 0, 0, 1]], dtype=uint8)
    """

    def __init__(self, bits: ArrayLike, n_features: int) -> None:
        array = _as_array(bits, "bits")
        if array.dtype != np.uint8:
            raise TypeError(f"bits must be uint8, as from numpy.packbits(X, axis=1), got dtype {array.dtype}")
        _check_shape(array.shape, "bits")
        width = _packed_width(n_features)
        if array.shape[1] != width:
            raise ValueError(
                f"bits must have {width} columns, ceil(n_features / 8) for n_features={n_features}, "
                f"got {array.shape[1]}"
            )
        self._source = _Packed(array, operator.index(n_features))
        self._scale = _NUMBERS

    def __repr__(self) -> str:
        return "Packed({} x {})".format(*self._source.shape)


# --- Scales: what the stored numbers mean ------------------------------------------------------------------


class _Scale(Protocol):
    def kind(self, raw: Array, domain: str) -> str | None:
        """What kind of data a chunk is, or None if it has values that are not allowed."""

    def first_bad(self, raw: Array, domain: str) -> int | None:
        """Position of the first value that is not allowed."""

    def allowed(self, value: np.generic, domain: str) -> str:
        """What is allowed instead of this value."""

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        """Valid values as states, grey levels or numbers."""


class _Numbers:
    """Numbers that mean themselves.

    Floats between 0 and 1 are compared and converted by the engine, by their bits: code elsewhere that makes
    the CPU flush denormals cannot change what kind of data this is.
    """

    def kind(self, raw: Array, domain: str) -> str | None:
        if domain == "binary":
            if _is_float(raw):
                return engine.range_of(_floats(raw))
            if raw.dtype == np.uint8 and engine.are_bits(raw):
                return "binary"
        return ("real" if domain == "real" else "binary") if self.first_bad(raw, domain) is None else None

    def first_bad(self, raw: Array, domain: str) -> int | None:
        if domain == "real":
            return None if raw.dtype.kind != "f" else _first(~np.isfinite(_float32(raw)))
        if raw.dtype.kind != "f":
            return None if _bits(raw).max() <= 1 else _first(_bits(raw) > 1)  # negative numbers are above
        values = raw.astype(np.float64, copy=False)
        return _first(~((values >= -_SLACK) & (values <= 1 + _SLACK)))  # as the engine compares them

    def allowed(self, value: np.generic, domain: str) -> str:
        if value != value:
            return "missing values are not allowed here: leave their rows out, or fill them in"
        if domain == "real":
            return "values must be finite float32 numbers"
        if value.dtype.kind == "f":
            return "values must lie in [0, 1]"
        images = "images of levels 0-255: rf.Grey8(X); " if 1 < int(value) < 256 else ""
        return (
            f"integers must be 0 or 1 ({images}categories: one-hot columns for rf.Categorical; counts and "
            "other numbers: scaled, for visible='gaussian')"
        )

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        if dtype == np.float32:
            return np.add(raw, np.float32(0), dtype=np.float32)  # -0.0 + 0.0 is 0.0
        if _is_float(raw):
            states = engine.states_u8(_floats(raw)) if dtype == np.uint8 else engine.states_u16(_floats(raw))
            if states is None:
                raise ValueError("the data changed while it was in use: some values are not what they were")
            return states
        return raw if raw.dtype == np.uint8 else np.not_equal(raw, 0).view(np.uint8)


def _is_float(raw: Array) -> bool:
    return raw.dtype.kind == "f"


def _floats(raw: Array) -> Array:
    """As the engine takes them."""
    return np.ascontiguousarray(raw, np.float64 if raw.dtype.itemsize == 8 else np.float32)


class _Grey8Levels:
    """Integers v from 0 to 255 that mean v / 255."""

    def kind(self, raw: Array, domain: str) -> str | None:
        if self.first_bad(raw, domain) is not None:
            return None
        if domain == "real":
            return "real"
        return "binary" if ((raw == 0) | (raw == 255)).all() else "grey"

    def first_bad(self, raw: Array, domain: str) -> int | None:
        if raw.dtype == np.uint8 or (raw.min() >= 0 and raw.max() <= 255):
            return None
        return _first((raw < 0) | (raw > 255))

    def allowed(self, value: np.generic, domain: str) -> str:
        return "levels of Grey8 must be from 0 to 255"

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        if dtype == np.uint8:
            return np.not_equal(raw, 0).view(np.uint8)
        if dtype == np.float32:
            return np.divide(raw, 255.0, dtype=np.float64).astype(np.float32)
        return np.multiply(raw.astype(np.uint16), np.uint16(257))


class _Levels:
    """uint16 grey levels, which mean themselves; among real numbers, these in units of 1/65535."""

    def kind(self, raw: Array, domain: str) -> str | None:
        return "real" if domain == "real" else "grey"

    def first_bad(self, raw: Array, domain: str) -> int | None:
        return None

    def allowed(self, value: np.generic, domain: str) -> str:
        return "levels are what they are"

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        return np.divide(raw, np.float32(65535), dtype=np.float32) if dtype == np.float32 else raw


_NUMBERS = _Numbers()
_GREY8 = _Grey8Levels()
_LEVELS = _Levels()


def _find_kind(source: _Source, scale: _Scale, domain: str, name: str) -> str:
    """Read every value once: raise at the first that is not allowed, else say what kind of data it is."""
    kind = "binary" if domain == "binary" else "real"
    for position, chunk in source.scan():
        found = scale.kind(chunk, domain)
        if found is None:
            bad = scale.first_bad(chunk, domain) or 0
            row, column = source.locate(position + bad)
            value = chunk.reshape(-1)[bad]
            raise ValueError(f"{name}[{row}, {column}] is {value!s}, but {scale.allowed(value, domain)}")
        if found == "grey":
            kind = "grey"
    return kind


# --- Sources: where the rows are ---------------------------------------------------------------------------


class _Source(Protocol):
    shape: tuple[int, int]
    mapped: bool

    @property
    def direct(self) -> NDArray[np.uint8] | None:
        """All stored numbers as one C-contiguous read-only uint8 array, if that is what they are."""

    def gather(self, rows: RowIndex, scale: _Scale, dtype: np.dtype[Any]) -> Array:
        """Rows as a 2-D array of `dtype`, in any memory layout; row numbers are within range."""

    def scan(self) -> Iterator[tuple[int, Array]]:
        """Stored numbers as pairs (position, C-contiguous native chunk), in whatever order is cheap."""

    def locate(self, position: int) -> tuple[int, int]:
        """Row and column of a scanned position."""

    def give_back(self, rows: slice) -> None:
        """Tell the system that the pages under these rows are not needed for now."""


class _Dense:
    """An array, of any memory layout."""

    def __init__(self, array: Array) -> None:
        self._array = _read_only(array)
        self._pages = _Pages(array)
        self.shape = (array.shape[0], array.shape[1])
        self.mapped = self._pages.mapped

    @property
    def direct(self) -> NDArray[np.uint8] | None:
        fits = self._array.dtype == np.uint8 and self._array.flags.c_contiguous
        return self._array if fits else None

    def compact(self) -> tuple[_Dense, _Scale] | None:
        """The same numbers, if they lie in memory as floats in [0, 1], as bytes or 16-bit levels."""
        if not _is_float(self._array) or self.mapped or self._array.size > _COMPACTED:
            return None
        states = self._converted(engine.states_u8, np.uint8)
        if states is not None:
            return _Dense(states), _NUMBERS
        levels = self._converted(engine.states_u16, np.uint16)
        return None if levels is None else (_Dense(levels), _LEVELS)

    def _converted(self, convert: Callable[[Array], Array | None], dtype: type) -> Array | None:
        """All values, unless one cannot be converted; piece by piece where they have to be moved first."""
        array = self._array
        if array.flags.c_contiguous and array.dtype in (np.float32, np.float64):
            return convert(array)
        result: Array = np.empty(array.shape, dtype)
        for rows in _spans(len(array), _rows_per_chunk(array.shape[1])):
            part = convert(_floats(array[rows]))
            if part is None:
                return None
            result[rows] = part
        return result

    def gather(self, rows: RowIndex, scale: _Scale, dtype: np.dtype[Any]) -> Array:
        return scale.encode(self._array[rows], dtype)

    def scan(self) -> Iterator[tuple[int, Array]]:
        array = self._array.T if self._by_columns else self._array  # the way it lies in memory
        if array.size <= _CHUNK:
            yield 0, _native(array)
            self._pages.give_back(array)
            return
        if array.flags.c_contiguous:
            array = array.reshape(-1, 1)  # chunks of the same size, however long a line is
        for lines in _spans(array.shape[0], _rows_per_chunk(array.shape[1])):
            yield lines.start * array.shape[1], _native(array[lines])
            self._pages.give_back(array[lines])

    def locate(self, position: int) -> tuple[int, int]:
        n_rows, n_columns = self.shape
        if self._by_columns:
            return position % n_rows, position // n_rows
        return position // n_columns, position % n_columns

    def give_back(self, rows: slice) -> None:
        self._pages.give_back(self._array[rows])

    @property
    def _by_columns(self) -> bool:
        return self._array.flags.f_contiguous and not self._array.flags.c_contiguous


class _Csr:
    """The three arrays of a CSR matrix: unsorted indices and explicit zeros are fine, repeats are not."""

    direct = None

    def __init__(self, matrix: Any) -> None:
        self._starts: Array = _read_only(np.asarray(matrix.indptr))
        self._columns: Array = _read_only(np.asarray(matrix.indices))
        self._values: Array = _read_only(np.asarray(matrix.data))
        self._pages = _Pages(self._columns), _Pages(self._values)
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        self.mapped = any(pages.mapped for pages in self._pages)

    def gather(self, rows: RowIndex, scale: _Scale, dtype: np.dtype[Any]) -> Array:
        n_columns = self.shape[1]
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        starts = self._starts[rows].astype(np.intp)
        counts = self._starts[rows + 1] - starts
        ends = np.cumsum(counts)
        taken = np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if ends.size else 0)
        dense = np.zeros((len(rows), n_columns), dtype)
        places = np.repeat(np.arange(len(rows)) * n_columns, counts) + self._columns[taken]
        dense.reshape(-1)[places] = scale.encode(self._values[taken], dtype)
        return dense

    @property
    def n_stored(self) -> int:
        """How many numbers are stored."""
        return int(self._starts[-1])

    def sparse(self, rows: slice, scale: _Scale, dtype: np.dtype[Any]) -> sp.csr_matrix:
        """Neighbouring rows of `dtype`, still sparse."""
        import scipy.sparse as sp

        starts = self._starts[rows.start : rows.stop + 1]
        taken = slice(starts[0], starts[-1])
        values = scale.encode(self._values[taken], dtype)
        shape = (len(starts) - 1, self.shape[1])
        return sp.csr_matrix((values, self._columns[taken], starts - starts[0]), shape=shape)

    def scan(self) -> Iterator[tuple[int, Array]]:
        for taken in _spans(self.n_stored, _CHUNK):
            yield taken.start, _native(self._values[taken])
            self._pages[1].give_back(self._values[taken])

    def locate(self, position: int) -> tuple[int, int]:
        return int(np.searchsorted(self._starts, position, side="right")) - 1, int(self._columns[position])

    def give_back(self, rows: slice) -> None:
        taken = slice(self._starts[rows.start], self._starts[rows.stop])
        self._pages[0].give_back(self._columns[taken])
        self._pages[1].give_back(self._values[taken])


class _Packed:
    """Rows of bits, first value in the top bit."""

    direct = None

    def __init__(self, bits: NDArray[np.uint8], n_features: int) -> None:
        self._bits = _read_only(bits)
        self._pages = _Pages(bits)
        self.shape = (bits.shape[0], n_features)
        self.mapped = self._pages.mapped

    def gather(self, rows: RowIndex, scale: _Scale, dtype: np.dtype[Any]) -> Array:
        return scale.encode(np.unpackbits(self._bits[rows], axis=1, count=self.shape[1]), dtype)

    def scan(self) -> Iterator[tuple[int, Array]]:
        return iter(())  # a bit cannot be wrong

    def locate(self, position: int) -> tuple[int, int]:
        return position // self.shape[1], position % self.shape[1]

    def give_back(self, rows: slice) -> None:
        self._pages.give_back(self._bits[rows])


class _Columns:
    """Some columns of other rows, as the states, levels or numbers that these are."""

    direct = None

    def __init__(self, rows: Rows, columns: slice) -> None:
        self._rows = rows
        self._columns = columns
        self.shape = (rows.n_rows, len(range(*columns.indices(rows.n_features))))
        self.mapped = rows.mapped

    def gather(self, rows: RowIndex, scale: _Scale, dtype: np.dtype[Any]) -> Array:
        return scale.encode(self._rows.block(rows)[:, self._columns], dtype)

    def scan(self) -> Iterator[tuple[int, Array]]:
        for first, block in self._rows.blocks(_rows_per_chunk(self._rows.n_features)):
            yield first * self.shape[1], np.ascontiguousarray(block[:, self._columns])

    def locate(self, position: int) -> tuple[int, int]:
        return position // self.shape[1], position % self.shape[1]

    def give_back(self, rows: slice) -> None:
        self._rows._source.give_back(rows)


class _Labelled:
    """Another source, which has been looked at, and one-hot columns on its right; it speaks its own scale."""

    direct = None

    def __init__(self, source: _Source, scale: _Scale, labels: NDArray[np.int64], n_labels: int) -> None:
        self._source = source
        self._scale = scale
        self._labels = labels
        self._numbers = np.arange(n_labels)
        self.shape = (source.shape[0], source.shape[1] + n_labels)
        self.mapped = source.mapped

    def gather(self, rows: RowIndex, scale: _Scale, dtype: np.dtype[Any]) -> Array:
        one_hot = (self._labels[rows, None] == self._numbers) * dtype.type(unit_of(dtype))
        return np.hstack([self._source.gather(rows, self._scale, dtype), one_hot])

    def scan(self) -> Iterator[tuple[int, Array]]:
        for rows in _spans(self.shape[0], _rows_per_chunk(self.shape[1])):
            yield rows.start * self.shape[1], self.gather(rows, _NUMBERS, _DTYPES["real"])
            self.give_back(rows)

    def locate(self, position: int) -> tuple[int, int]:
        return position // self.shape[1], position % self.shape[1]

    def give_back(self, rows: slice) -> None:
        self._source.give_back(rows)


class _Computed:
    """Rows that are made when they are asked for, in the form in which they are used."""

    direct = None
    mapped = False

    def __init__(
        self, shape: tuple[int, int], dtype: np.dtype[Any], compute: Callable[[RowIndex], Array]
    ) -> None:
        self.shape = shape
        self._dtype = dtype
        self._compute = compute

    def gather(self, rows: RowIndex, scale: _Scale, dtype: np.dtype[Any]) -> Array:
        states = self._compute(rows)
        return states if states.dtype == dtype else scale.encode(states, dtype)

    def scan(self) -> Iterator[tuple[int, Array]]:
        yield 0, np.zeros((1, 1), self._dtype)  # tells what kind they are; they are valid by their making

    def locate(self, position: int) -> tuple[int, int]:
        return divmod(position, self.shape[1])

    def give_back(self, rows: slice) -> None:
        pass


class _Pages:
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


# --- Opening a container -----------------------------------------------------------------------------------


def _open(X: Any, name: str) -> tuple[_Source, _Scale]:
    if isinstance(X, Rows):
        return X._given
    if isinstance(X, (Grey8, Packed)):
        return X._source, X._scale
    return _open_plain(X, name, _check_dtype), _NUMBERS


def _open_plain(X: Any, name: str, check_dtype: Callable[[np.dtype[Any], str], None]) -> _Source:
    sparse = is_sparse(X)
    array = X if sparse else _as_array(X, name)
    check_dtype(array.dtype, name)
    _check_shape(array.shape, name)
    return _Csr(_as_csr(array, name)) if sparse else _Dense(array)


def is_sparse(X: Any) -> TypeIs[sp.csr_matrix]:
    """Whether `X` is a sparse matrix of SciPy. Whoever has one has loaded that module: it is slow to load."""
    loaded = sys.modules.get("scipy.sparse")
    return loaded is not None and bool(loaded.issparse(X))


def is_masked(X: Any) -> bool:
    loaded = sys.modules.get("numpy.ma")  # as above
    return loaded is not None and isinstance(X, loaded.MaskedArray)


def _as_csr(X: Any, name: str) -> Any:
    """A valid CSR matrix without repeated entries, that shares the arrays of `X` where it can."""
    import scipy.sparse as sp

    if hasattr(X, "check_format"):
        X = copy.copy(X)  # the same arrays in another object: SciPy's check tidies the object it looks at
        try:
            X.check_format()
        except ValueError as error:
            raise ValueError(f"{name} is not a valid sparse matrix: {error}") from error
    matrix = X.tocsr()
    if _has_repeats(matrix.indptr, matrix.indices, matrix.shape[1]):
        matrix = sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
        matrix.sum_duplicates()
    return matrix


def _has_repeats(starts: Array, columns: Array, n_columns: int) -> bool:
    """Whether a row of a CSR matrix stores a column twice. SciPy's own flag may be stale, so look."""
    first, n_rows = 0, len(starts) - 1
    while first < n_rows:
        # As many rows as have a chunk of entries between them, but at least one.
        end = starts.dtype.type(min(int(starts[first]) + _CHUNK, int(starts[-1])))
        last = max(first + 1, int(np.searchsorted(starts, end, side="right")) - 1)
        rows = np.repeat(np.arange(last - first), np.diff(starts[first : last + 1]))
        places = rows * n_columns + columns[starts[first] : starts[last]]
        if not (places[1:] > places[:-1]).all():  # else sorted, the common case
            places.sort()
            if (places[1:] == places[:-1]).any():
                return True
        first = last
    return False


def _as_array(X: Any, name: str) -> Array:
    if is_masked(X):
        raise TypeError(f"{name} must not be a masked array: fill its missing values first")
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{name} must have rows of equal length: {error}") from error
    if array.ndim == 0 and array.dtype.kind not in "biufc":
        allowed = "a 2-D array, a scipy.sparse matrix, rf.Grey8 or rf.Packed"
        raise TypeError(f"{name} must be {allowed}, got {type(X).__name__}")
    return array


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "biu" and not (dtype.kind == "f" and dtype.itemsize <= 8):
        raise TypeError(f"{name} must be bool, integer, float16, float32 or float64, got dtype {dtype}")


def _check_level_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers from 0 to 255, got dtype {dtype}")


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) != 2:
        hint = "; for a single row use reshape(1, -1)" if len(shape) == 1 and shape[0] else ""
        hint = f"; pass {name}.reshape({shape[0]}, -1), a row for each" if len(shape) > 2 else hint
        raise ValueError(f"{name} must be 2-D (n_rows, n_features), got shape {shape}{hint}")
    if 0 in shape:
        raise ValueError(f"{name} must have at least one row and one column, got shape {shape}")


def _packed_width(n_features: int) -> int:
    try:
        n_features = operator.index(n_features)
    except TypeError:
        raise TypeError(f"n_features must be an integer, got {n_features!r}") from None
    if n_features < 1:
        raise ValueError(f"n_features must be at least 1, got {n_features}")
    return (n_features + 7) // 8


# --- Small helpers -----------------------------------------------------------------------------------------


def _row_index(rows: RowIndex, n_rows: int) -> RowIndex:
    if isinstance(rows, slice):
        return rows
    index = np.asarray(rows)
    if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
        given = f"{index.dtype} of shape {index.shape}"
        raise TypeError(f"rows must be a slice or a 1-D integer array, got {given}")
    index = index.astype(np.intp, copy=False)
    if index.size and (index.min() < -n_rows or index.max() >= n_rows):
        raise IndexError(f"rows must lie within {n_rows} rows, got {index.min()} to {index.max()}")
    return np.where(index < 0, index + n_rows, index)


def _rows_per_chunk(width: int) -> int:
    return max(1, _CHUNK // width)


def _spans(n: int, size: int) -> Iterator[slice]:
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))


def _read_only(array: Array) -> Array:
    """A plain view that cannot be written through; bool is seen as the uint8 it is stored as."""
    view = np.asarray(array)
    view = view.view(np.uint8) if view.dtype == np.bool_ else view.view()
    view.setflags(write=False)
    return view


def _native(array: Array) -> Array:
    return np.ascontiguousarray(array, array.dtype if array.dtype.isnative else array.dtype.newbyteorder("="))


def _bits(x: Any) -> Any:
    """The bits of a C-contiguous array or of a NumPy number, as unsigned integers."""
    return x.view(f"u{x.dtype.itemsize}")


def _first(mask: NDArray[np.bool_]) -> int | None:
    position = int(mask.argmax())
    return position if mask.reshape(-1)[position] else None


def _float32(raw: Array) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return raw.astype(np.float32, copy=False)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
