"""Checks of single arguments; each error names the argument."""

from __future__ import annotations

import numbers
import operator
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

SeedLike = int | np.random.Generator | None


def check_seed(seed: SeedLike, name: str = "seed") -> int:
    """The 64-bit key of a seed: an int is itself, a Generator gives its next word, None asks the system."""
    if seed is None:
        return secrets.randbits(64)
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(0, 2**64, dtype=np.uint64))
    return check_integer(seed, name, low=0, high=2**64 - 1)


def check_integer(value: object, name: str, low: int, high: int | None = None) -> int:
    """`value` as an int within [low, high]; a clear error otherwise."""
    allowed = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be {allowed}, got {value!r}") from None
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be {allowed}, got {number}")
    return number


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


def check_model(model: object, kind: type, name: str) -> None:
    """Raise a clear TypeError if `model` is none of this kind."""
    if not isinstance(model, kind):
        raise TypeError(f"{name} must be an rf.{kind.__name__}, got {type(model).__name__}")


def as_list(things: object, kinds: Any, name: str, example: str) -> tuple[Any, ...]:
    """A collection, or a single thing of one of these types, as a tuple; a clear error otherwise."""
    if isinstance(things, kinds) and not isinstance(things, type):
        return (things,)
    if isinstance(things, (str, bytes, Mapping)) or not isinstance(things, Iterable):
        raise TypeError(f"{name} must be a list such as [{example}], got {things!r}")
    return tuple(things)


def refuse_share(validation: object, labels: bool = False) -> None:
    """Raise TypeError where validation data is given as a share of the rows: whose rows, nobody has said."""
    if isinstance(validation, numbers.Real) and 0 < float(validation) < 1:
        n = f"n = int({1 - float(validation):g} * len(X))"
        parts = ("X[:n], y[:n]", "(X[n:], y[n:])") if labels else ("X[:n]", "X[n:]")
        raise TypeError(
            f"validation must be data, got {validation!r}: shuffle the rows, and with {n} learn from "
            f"{parts[0]} with validation={parts[1]}"
        )
