"""What every input becomes: rows, validated once."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import check_choice
from rbmfast.data.containers import Grey8, Packed, open_plain
from rbmfast.data.memory import Array, RowIndex, rows_per_chunk, spans
from rbmfast.data.scales import NUMBERS, scale_of
from rbmfast.data.sources import Columns, Computed, Csr, Dense, Labelled, Source
from rbmfast.reference import GREY
from rbmfast.states import FORMS, join

if TYPE_CHECKING:
    import scipy.sparse as sp

_DTYPES = dict(zip(("binary", "grey", "real"), FORMS, strict=True))


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
    missing : bool array (n_rows, n_features) or None
        True where an entry is missing, and reads 0; None if nothing is.

    Examples
    --------
    >>> from rbmfast.data import as_rows
    >>> rows = as_rows([[0.0, 0.5], [1.0, 0.25]])
    >>> rows
    Rows(2 x 2, grey)
    >>> rows.block(slice(0, 1))
    array([[    0, 32768]], dtype=uint16)
    """

    def __init__(self, source: Source, domain: str, name: str, given: Source | None = None) -> None:
        self._source = source
        self._given = source if given is None else given  # before it was made compact, for other domains
        self._domain = domain
        self.n_rows, self.n_features = source.shape
        self.kind = source.find_kind(domain, name)
        self.dtype = _DTYPES[self.kind]
        self.direct = source.direct if self.kind == "binary" and source.scale is NUMBERS else None
        self.mapped = source.mapped
        self.stored = source.n_stored if isinstance(source, Csr) and self.kind != "real" else None
        self.missing: NDArray[np.bool_] | None = None

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
        return np.ascontiguousarray(self._source.gather(index, self.dtype))

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
        for rows in spans(self.n_rows, size):
            yield rows.start, self.block(rows)
            self._source.give_back(rows)

    def sparse_blocks(self, size: int) -> Iterator[tuple[int, sp.csr_matrix]]:
        """Like `blocks`, of data with `stored`: CSR matrices of levels, integers from 0 to 65535 in float64.

        Their products with 24-bit integers, and sums of these, are exact in float64.
        """
        if not isinstance(self._source, Csr):
            raise TypeError("only CSR matrices have sparse blocks")
        for rows in spans(self.n_rows, size):
            block = self._source.sparse(rows, self.dtype).astype(np.float64)
            if self.kind == "binary":
                block.data *= GREY
            yield rows.start, block
            self._source.give_back(rows)

    def give_back(self) -> None:
        """Give the pages of a memory map that have been read back to the system; nothing to do for others."""
        self._source.give_back(slice(0, self.n_rows))

    def all(self) -> Array:
        """Everything as one block: array (n_rows, n_features) of `dtype`, without a copy where `direct`."""
        return self.block(slice(None))

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
        some = Rows(Columns(self._source, self.dtype, columns), domain, "the data")
        some.missing = None if self.missing is None else self.missing[:, columns]
        return some

    def without(self, missing: NDArray[np.bool_]) -> Rows:
        """A copy in memory of the same rows, in which some entries are missing: (n_rows, n_features).

        Examples
        --------
        >>> import numpy as np
        >>> from rbmfast.data import as_rows
        >>> rows = as_rows([[1, 1], [0, 1]]).without(np.array([[False, True], [False, False]]))
        >>> rows.all(), rows.n_known
        (array([[1, 0],
               [0, 1]], dtype=uint8), array([2, 1]))
        """
        states = self.all().copy()
        states[missing] = 0
        rows = Rows(Dense(states, scale_of(states.dtype)), self._domain, "the data")
        rows.missing = missing
        return rows

    @property
    def n_known(self) -> int | NDArray[np.int64]:
        """How many rows have each entry: `n_rows`, or (n_features,) where some are missing."""
        return self.n_rows if self.missing is None else self.n_rows - self.missing.sum(axis=0)

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
        whole._source = Labelled(self._source, labels, n_labels)
        whole._given = Labelled(self._given, labels, n_labels)
        whole.n_features += n_labels
        whole.direct = whole.stored = None
        if self.missing is not None:
            whole.missing = np.hstack([self.missing, np.zeros((self.n_rows, n_labels), np.bool_)])
        return whole

    def beside(self, others: Rows) -> Rows:
        """The same rows with the columns of others on their right: a copy in memory.

        Examples
        --------
        >>> from rbmfast.data import as_rows
        >>> as_rows([[0, 1], [1, 1]]).beside(as_rows([[2.5], [0]], domain="real")).all()
        array([[0. , 1. , 2.5],
               [1. , 1. , 0. ]], dtype=float32)
        """
        states = join(self.all(), others.all())
        domain = "real" if states.dtype == np.float32 else "binary"
        rows = Rows(Dense(states, scale_of(states.dtype)), domain, "the data")
        if self.missing is not None:
            rows.missing = np.hstack([self.missing, np.zeros((others.n_rows, others.n_features), np.bool_)])
        return rows

    def fingerprint(self) -> str:
        """A hex digest of shape, kind and values: equal for equal values, whatever the container.

        SHA-256 of a line of text ``<kind> <n_rows> <n_features>`` and of the rows: bits packed as by
        ``numpy.packbits(row)``, little-endian uint16, or little-endian float32; then, if entries are missing,
        of which these are, in packed bits.

        Examples
        --------
        >>> import numpy as np
        >>> from rbmfast.data import Packed, as_rows
        >>> X = np.eye(10)
        >>> packed = Packed(np.packbits(X != 0, axis=1), n_features=10)
        >>> as_rows(X).fingerprint() == as_rows(packed).fingerprint()
        True
        """
        fingerprint = Fingerprint(self)
        for _, block in self.blocks(rows_per_chunk(self.n_features)):
            fingerprint.show(block)
        return fingerprint.value


class Fingerprint:
    """`Rows.fingerprint` of rows that are shown block by block."""

    def __init__(self, rows: Rows) -> None:
        self._binary, self._missing = rows.kind == "binary", rows.missing
        self._digest = hashlib.sha256(f"{rows.kind} {rows.n_rows} {rows.n_features}\n".encode())

    def show(self, block: Array) -> None:
        """The next rows."""
        packed = np.packbits(block, axis=1) if self._binary else block
        self._digest.update(np.ascontiguousarray(packed, packed.dtype.newbyteorder("<")).data)

    @property
    def value(self) -> str:
        """Of all rows, once they have been shown."""
        digest = self._digest.copy()
        if self._missing is not None:
            digest.update(np.packbits(self._missing, axis=1).data)
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
    check_choice(domain, "domain", ("binary", "real"))
    source = _open(X, name)
    if n_features is not None and source.shape[1] != n_features:
        raise ValueError(f"{name} must have {n_features} features (columns), got {source.shape[1]}")
    if isinstance(X, Rows) and X._domain == domain:
        return X
    if compact and domain == "binary" and isinstance(source, Dense):
        return Rows(source.compact(), domain, name, given=source)
    rows = Rows(source, domain, name)
    rows.missing = X.missing if isinstance(X, Rows) else None
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
    domain = "real" if dtype == np.float32 else "binary"
    return Rows(Computed(shape, dtype, compute), domain, "X")


def _open(X: Any, name: str) -> Source:
    if isinstance(X, Rows):
        return X._given
    return X._source if isinstance(X, (Grey8, Packed)) else open_plain(X, name)


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
