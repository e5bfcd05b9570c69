"""What is missing, taken out of the containers of users: everything else sees numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.data.containers import Grey8, Packed, as_array, is_masked
from rbmfast.data.memory import Array, rows_per_chunk, spans
from rbmfast.data.rows import Rows

Gaps = NDArray[np.bool_]  # True where an entry is missing


def split_missing(X: Any, mask: ArrayLike | None, off: Array, name: str = "X") -> tuple[Any, Gaps | None]:
    """Data with a harmless state in place of what is missing, and where that is (None: nowhere).

    Parameters
    ----------
    X : data of shape (n_rows, n_columns)
        Any container. Missing are NaN in an array of floats, None and NA in a frame, masked entries.
    mask : bool array of the shape of `X`, optional
        True marks what is missing as well, whatever stands there in an array.
    off : array (n_units,)
        The state that stands in, as it is shown.
    name : str
        What error messages call `X`.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.data.missing import split_missing
    >>> X, gaps = split_missing([[1, np.nan], [0, 1]], None, np.zeros(2))
    >>> X, gaps
    (array([[1., 0.],
           [0., 1.]]), array([[False,  True],
           [False, False]]))
    """
    missing = None if mask is None else np.asarray(mask)
    if missing is not None and missing.dtype != np.bool_:
        raise TypeError(f"mask must be a bool array, True where {name} is missing, got dtype {missing.dtype}")
    if isinstance(X, (Grey8, Packed, Rows)) or hasattr(X, "tocsr"):
        return X, missing  # no NaN in there
    masked = np.ma.getmaskarray(X) if is_masked(X) else None
    X = np.asarray(X.data) if is_masked(X) else _as_numbers(X, name)
    unknown = [gaps for gaps in (missing, masked) if gaps is not None]
    if X.dtype.kind == "f" and X.ndim == 2 and _has_nan(X):
        unknown.append(np.isnan(X))
    if not unknown:
        return X, None
    missing = np.logical_or.reduce([_check_mask(gaps, X.shape, name) for gaps in unknown])
    if not missing.any():
        return X, None
    if X.dtype.kind in "bu":  # off is False, and what no number here says (-1) cannot be in the data
        off = np.abs(off) if X.dtype.kind == "u" else np.zeros_like(off)
    fill = np.resize(off.astype(X.dtype), X.shape[1:])  # of any width yet
    return np.where(missing, fill, X), missing


def _check_mask(missing: Gaps, shape: tuple[int, ...], name: str) -> Gaps:
    """`missing`, with the shape it must have."""
    if missing.shape != shape:
        raise ValueError(f"mask must have the shape {shape} of {name}, got {missing.shape}")
    return missing


def _as_numbers(X: Any, name: str) -> Array:
    """An array; one of floats from a frame's columns of numbers and None or NA."""
    array = as_array(X, name)
    if array.dtype != np.object_:
        return array
    try:
        if hasattr(X, "isna"):  # pandas
            return np.asarray(X.to_numpy(dtype=np.float64, na_value=np.nan))
        unknown = array == None  # noqa: E711  # each of them
        return np.where(unknown, np.nan, array).astype(np.float64) if unknown.any() else array
    except (TypeError, ValueError):
        return array  # the error that follows says what is allowed


def _has_nan(X: Array) -> bool:
    return any(bool(np.isnan(X[rows]).any()) for rows in spans(len(X), rows_per_chunk(max(1, X.shape[1]))))
