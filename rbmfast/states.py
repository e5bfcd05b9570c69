"""The forms of states: 0 and 1 as bytes, grey levels as 16-bit integers, real numbers as float32."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference import F32, F64, GREY, States

FORMS = [np.dtype(name) for name in ("uint8", "uint16", "float32")]  # each can hold those before it
LEVELS: np.dtype[Any] = FORMS[1]


GRID = 2.0**-11  # of real states, and of means: as fine as single states and their products need
WHOLE = 2**22  # whole numbers up to it, times the fixed-point weights of a unit, add up to less than 2**53


class Overflow(ValueError, FloatingPointError):
    """Numbers too large: a bad value where states are given, divergence where a model learns."""


class Counts(NamedTuple):
    """States as whole numbers, in float64: what products and sums of them add up is exact, in any order.

    Attributes
    ----------
    numbers : float64 array (n_rows, n_units)
        Integers, of at most `WHOLE` squared in size.
    per : float64 array (n_units,)
        How many of them make a state of 1.
    """

    numbers: F64
    per: F64


def count_levels(states: States) -> Counts:
    """States 0 and 1, and grey levels, in units of 1/65535."""
    numbers = in_form(states, LEVELS).astype(np.float64)
    return Counts(numbers, np.full(states.shape[1], float(GREY)))


def count_steps(states: States, grid: float) -> Counts:
    """Real states as the nearest multiples of a power of two.

    Raises
    ------
    Overflow
        A state is not finite, or beyond the largest multiple.
    """
    numbers = states / np.float64(grid)
    np.rint(numbers, out=numbers)
    if not size(numbers) <= WHOLE**2:  # not true of NaN
        raise Overflow(
            f"real-valued states must be at most {WHOLE**2 * grid:.3g} in size: scale them, or the weights"
        )
    return Counts(numbers, np.full(states.shape[1], 1 / grid))


def size(numbers: NDArray[Any]) -> float:
    """The largest absolute value; NaN if there is one."""
    return float(max(-np.min(numbers, initial=0), np.max(numbers, initial=0)))


def product_of_rows(k: F32 | F64, m: F32 | F64) -> F32 | F64:
    """Products of two layers' numbers, summed over the rows: (n, n').

    Whole numbers come in float64. Their products are summed in parts that are exact, so that only sums of
    2**53 and more are rounded, and those in one order.
    """
    whole = k.dtype == np.float64
    most = max(1, int(2.0**53 / (size(k) * size(m) or 1.0))) if whole else len(k)
    total: F32 | F64 = k[:most].T @ m[:most]
    for first in range(most, len(k), most):
        total += k[first : first + most].T @ m[first : first + most]
    return total


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
