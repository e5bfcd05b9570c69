"""Labels: class numbers, and how the states of their units join those of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference import GREY, States

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


def one_hot(labels: I64, n_classes: int, dtype: np.dtype[Any]) -> States:
    """Class numbers as states of a group of label units, in the units of `dtype`."""
    states = np.zeros((len(labels), n_classes), dtype)
    states[np.arange(len(labels)), labels] = GREY if dtype == np.uint16 else 1
    return states


def join(states: States, labels: States) -> States:
    """Rows of states and, beside them, states of label units, in the form that can hold both."""
    if states.dtype == labels.dtype:
        return np.hstack([states, labels])
    dtype = max(states.dtype, labels.dtype, key=_FORMS.index)
    return np.hstack([_in_form(states, dtype), _in_form(labels, dtype)])


_FORMS = [np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)]  # each can hold those before it


def _in_form(states: States, dtype: np.dtype[Any]) -> States:
    if states.dtype == dtype:
        return states
    if dtype == np.uint16:
        return states * np.uint16(GREY)
    return (states / np.float32(GREY if states.dtype == np.uint16 else 1)).astype(np.float32)
