"""Labels: class numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]


def check_labels(
    y: Any, n: int, n_classes: int, name: str = "labels", *, lowest: int = 0, one_for_all: bool = False
) -> I64:
    """Class numbers of `n` rows, or one of them all if `one_for_all` allows that; a clear error otherwise."""
    allowed = f"{name} must be {n} integers from {lowest} to {n_classes - 1}"
    try:
        labels = np.asarray(y)
    except ValueError as error:
        raise ValueError(f"{allowed}: {error}") from None
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{allowed}, got {'None' if y is None else f'dtype {labels.dtype}'}")
    if one_for_all and labels.ndim == 0:
        labels = np.broadcast_to(labels, n)
    if labels.shape != (n,):
        raise ValueError(f"{allowed}, got shape {labels.shape}")
    wrong = (labels < lowest) | (labels >= n_classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{allowed}, got {labels[row]} at {row}")
    return labels.astype(np.int64)
