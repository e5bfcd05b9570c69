"""Data with missing entries: what is known, and where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.data import Grey8, Packed, Rows, is_masked
from rbmfast.reference import F32
from rbmfast.states import as_float


def split_missing(V: Any, mask: ArrayLike | None) -> tuple[Any, NDArray[np.bool_] | None]:
    """Data with zeros in place of what is missing, and where that is (None: nowhere)."""
    missing = None if mask is None else np.asarray(mask)
    if missing is not None and missing.dtype != np.bool_:
        raise TypeError(f"mask must be a bool array, True where V is missing, got dtype {missing.dtype}")
    if isinstance(V, (Grey8, Packed, Rows)) or is_masked(V) or hasattr(V, "tocsr"):
        return V, missing  # no NaN in there (masked arrays are refused like everywhere)
    V = np.asarray(V)
    if V.dtype.kind == "f" and V.ndim == 2:
        nan = np.isnan(V)
        missing = nan if missing is None else check_mask(missing, V.shape) | nan
    if missing is not None:
        V = V.copy()
        V[check_mask(missing, V.shape)] = 0
    return V, missing


def check_mask(missing: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """`missing`, with the shape it must have; None is nothing missing."""
    if missing is None:
        return np.zeros(shape, np.bool_)
    if missing.shape != shape:
        raise ValueError(f"mask must have the shape {shape} of V, got {missing.shape}")
    return missing


def known_values(filled: Any, rows: Rows) -> F32:
    """The data as new float32 numbers."""
    if isinstance(filled, np.ndarray):
        return filled.astype(np.float32)
    states = rows.all()
    return as_float(states, out=np.empty(states.shape, np.float32))
