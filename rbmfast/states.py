"""The forms of states: 0 and 1 as bytes, grey levels as 16-bit integers, real numbers as float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference import F32, GREY, States

FORMS = [np.dtype(name) for name in ("uint8", "uint16", "float32")]  # each can hold those before it
LEVELS: np.dtype[Any] = FORMS[1]


def unit_of(dtype: np.dtype[Any]) -> int:
    """What a state of 1 is in this form."""
    return GREY if dtype == LEVELS else 1


def as_float(states: States, out: F32 | None = None) -> F32:
    """The numbers that states mean, as float32; in `out` if that is given."""
    if states.dtype == LEVELS:
        return np.divide(states, np.float32(GREY), out=out, dtype=np.float32)
    if out is None:
        return states.astype(np.float32, copy=False)
    np.copyto(out, states)
    return out


def without_levels(states: States) -> States:
    """The same, but for grey levels the numbers that they mean: what leaves the library."""
    return as_float(states) if states.dtype == LEVELS else states


def in_form(states: States, dtype: np.dtype[Any]) -> States:
    """The same states in a form that can hold them."""
    if dtype == LEVELS:
        return states if states.dtype == LEVELS else states * np.uint16(GREY)
    return states if states.dtype == dtype else as_float(states)


def join(*parts: States) -> States:
    """Columns of states beside each other, in the form that can hold all of them."""
    dtype = max((part.dtype for part in parts), key=FORMS.index)
    return np.hstack([in_form(part, dtype) for part in parts])


def one_hot(numbers: NDArray[np.int64], n: int, dtype: np.dtype[Any]) -> States:
    """States of groups of n units, of which the one with the number is on."""
    states = np.zeros((len(numbers), n), dtype)
    states[np.arange(len(numbers)), numbers] = unit_of(dtype)
    return states
