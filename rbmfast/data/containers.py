"""The containers of users: the library's own, and how each one is opened."""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.checks import check_integer
from rbmfast.data.memory import Array, rows_per_chunk, spans
from rbmfast.data.scales import GREY8, NUMBERS, Scale
from rbmfast.data.sources import Bits, Csr, Dense, Source

if TYPE_CHECKING:
    import scipy.sparse as sp
    from typing_extensions import TypeIs


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
        self._source = open_plain(X, "X", GREY8)
        self._source.find_kind("binary", "X")

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
        array = as_array(bits, "bits")
        if array.dtype != np.uint8:
            raise TypeError(f"bits must be uint8, as from numpy.packbits(X, axis=1), got dtype {array.dtype}")
        _check_shape(array.shape, "bits")
        n_features = check_integer(n_features, "n_features", low=1)
        width = -(-n_features // 8)
        if array.shape[1] != width:
            raise ValueError(
                f"bits must have {width} columns, ceil(n_features / 8) for n_features={n_features}, "
                f"got {array.shape[1]}"
            )
        self._source = Bits(array, n_features)

    def __repr__(self) -> str:
        return "Packed({} x {})".format(*self._source.shape)


def open_plain(X: Any, name: str, scale: Scale = NUMBERS) -> Source:
    """An array or a sparse matrix, of numbers or of integer levels."""
    sparse = is_sparse(X)
    array = X if sparse else as_array(X, name)
    _check_dtype(array.dtype, name, levels=scale is GREY8)
    _check_shape(array.shape, name)
    return Csr(_as_csr(array, name), scale) if sparse else Dense(array, scale)


def is_sparse(X: Any) -> TypeIs[sp.csr_matrix]:
    """Whether `X` is a sparse matrix of SciPy. Whoever has one has loaded that module: it is slow to load."""
    loaded = sys.modules.get("scipy.sparse")
    return loaded is not None and bool(loaded.issparse(X))


def is_masked(X: Any) -> bool:
    """Whether `X` is a masked array, asked in the same way."""
    loaded = sys.modules.get("numpy.ma")
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
    if _has_repeats(matrix):
        matrix = sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
        matrix.sum_duplicates()
    return matrix


def _has_repeats(matrix: sp.csr_matrix) -> bool:
    """Whether a row stores a column twice. SciPy's own flag may be stale; new matrices have new ones."""
    stored = matrix.nnz // matrix.shape[0] + 1  # in a row, on average
    for rows in spans(matrix.shape[0], rows_per_chunk(stored)):
        some = matrix[rows]
        if not some.has_canonical_format:  # sorted and without repeats, the common case
            alone = some.copy()
            alone.sum_duplicates()
            if alone.nnz < some.nnz:
                return True
    return False


def as_array(X: Any, name: str) -> Array:
    """What NumPy makes of it; an error that names it for what is no array."""
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


def _check_dtype(dtype: np.dtype[Any], name: str, levels: bool) -> None:
    if levels and dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers from 0 to 255, got dtype {dtype}")
    if dtype.kind not in "biu" and not (dtype.kind == "f" and dtype.itemsize <= 8):
        raise TypeError(f"{name} must be bool, integer, float16, float32 or float64, got dtype {dtype}")


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) != 2:
        hint = "; for a single row use reshape(1, -1)" if len(shape) == 1 and shape[0] else ""
        hint = f"; pass {name}.reshape({shape[0]}, -1), a row for each" if len(shape) > 2 else hint
        raise ValueError(f"{name} must be 2-D (n_rows, n_features), got shape {shape}{hint}")
    if 0 in shape:
        raise ValueError(f"{name} must have at least one row and one column, got shape {shape}")
