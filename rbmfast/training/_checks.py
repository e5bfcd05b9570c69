"""Checks of single numbers; each error names the argument."""

from __future__ import annotations

import numbers

import numpy as np


def check_number(
    value: object, name: str, *, above: float | None = None, below: float | None = None
) -> float:
    """`value` as a float, finite in float32, at least 0 (or > `above`), and < `below`; or a clear error."""
    low = "at least 0" if above is None else f"above {above:g}"
    allowed = f"a finite number {low}" + ("" if below is None else f" and below {below:g}")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    number = float(value)
    fits = abs(number) <= float(np.finfo(np.float32).max)  # False for NaN
    high_enough = number >= 0 if above is None else number > above
    if not (fits and high_enough and (below is None or number < below)):
        raise ValueError(f"{name} must be {allowed}, got {number:g}")
    return number


def check_fraction(value: object, name: str) -> float:
    """`value` as a float in [0, 1]; a clear error otherwise."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number from 0 to 1, got {value!r}")
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, got {number:g}")
    return number


def check_flag(value: object, name: str) -> bool:
    """`value` as a bool; a clear error otherwise."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)
