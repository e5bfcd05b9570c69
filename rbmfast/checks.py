"""Checks of single arguments; each error names the argument."""

from __future__ import annotations

import numbers
import operator
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SeedLike = int | np.random.Generator | None

MAX_WEIGHT = 1e30  # of a row: sums of products with it are finite in float32


class Checked:
    """A dataclass that checks its fields as it is made, each as `checked_by` says in its metadata."""

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # of the dataclass that inherits this
            if (check := one.metadata.get("check")) is not None:
                object.__setattr__(self, one.name, check(getattr(self, one.name), one.name))


def checked_by(check: Callable[..., Any], *, optional: bool = False, **limits: Any) -> dict[str, Any]:
    """The metadata of a field that ``check(value, name, **limits)`` refuses, or returns as it is kept.

    None is let through if the field is optional.
    """

    def checked(value: object, name: str) -> Any:
        return None if optional and value is None else check(value, name, **limits)

    return {"check": checked}


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


def check_model(model: object, kinds: type | tuple[type, ...], name: str) -> None:
    """Raise a clear TypeError if `model` is none of these kinds."""
    if not isinstance(model, kinds):
        kind = kinds[0] if isinstance(kinds, tuple) else kinds
        rbm = getattr(model, "has_rbm", "") if kind.__name__ == "RBM" else ""
        hint = f": its `{rbm}` is one" if rbm else ""
        raise TypeError(f"{name} must be an rf.{kind.__name__}, got {type(model).__name__}{hint}")


def as_list(things: object, kinds: Any, name: str, example: str) -> tuple[Any, ...]:
    """A collection, or a single thing of one of these types, as a tuple; a clear error otherwise."""
    if isinstance(things, kinds) and not isinstance(things, type):
        return (things,)
    if isinstance(things, (str, bytes, Mapping)) or not isinstance(things, Iterable):
        raise TypeError(f"{name} must be a list such as [{example}], got {things!r}")
    return tuple(things)


def check_list(things: object, name: str, kind: type[Any], example: str) -> tuple[Any, ...]:
    """`as_list`, whose members are all of the type `kind`; a clear error otherwise."""
    checked = as_list(things, kind, name, example)
    for i, thing in enumerate(checked):
        if not isinstance(thing, kind):
            raise TypeError(f"{name}[{i}] must be a {kind.__name__} such as {example}, got {thing!r}")
    return checked


def check_choice(value: object, name: str, choices: tuple[str, ...]) -> str:
    """One of several words; a clear error otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise (ValueError if isinstance(value, str) else TypeError)(
            f"{name} must be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}, got {value!r}"
        )
    return value


def check_shuffle(value: object, name: str = "shuffle") -> bool | str:
    """True, False or "blocks"; a clear error otherwise."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str) and value == "blocks":
        return value
    raise (ValueError if isinstance(value, str) else TypeError)(
        f"{name} must be True, False or 'blocks', got {value!r}"
    )


def as_weights(weights: ArrayLike) -> NDArray[np.float64]:
    """Weights as an array of real numbers; a clear error otherwise."""
    try:
        given = np.asarray(weights)
        if given.dtype.kind not in "fiubO":
            raise TypeError(f"got dtype {given.dtype}")
        return given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"sample_weight must be one number for each row: {error}") from None


def check_weights(weights: ArrayLike | None, n_rows: int) -> NDArray[np.float64] | None:
    """A finite weight of at least 0 for each row; None if all are 1."""
    if weights is None:
        return None
    checked = as_weights(weights)
    if checked.shape != (n_rows,):
        raise ValueError(f"sample_weight must have shape ({n_rows},), got {checked.shape}")
    if not (np.isfinite(checked) & (checked >= 0)).all():
        raise ValueError("sample_weight must be finite and at least 0")
    if checked.max() > MAX_WEIGHT:
        raise ValueError(f"sample_weight must be at most {MAX_WEIGHT:g}, got {checked.max():g}")
    if not checked.any():
        raise ValueError("sample_weight must not be all zero")
    return None if (checked == 1).all() else checked


def check_labels(
    y: Any, n: int, n_classes: int, name: str = "labels", *, lowest: int = 0, one_for_all: bool = False
) -> NDArray[np.int64]:
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


def refuse_share(validation: object, labels: bool = False) -> None:
    """Raise TypeError where validation data is given as a share of the rows: whose rows, nobody has said."""
    if isinstance(validation, numbers.Real) and 0 < float(validation) < 1:
        n = f"n = int({1 - float(validation):g} * len(X))"
        parts = ("X[:n], y[:n]", "(X[n:], y[n:])") if labels else ("X[:n]", "X[n:]")
        raise TypeError(
            f"validation must be data, got {validation!r}: shuffle the rows, and with {n} learn from "
            f"{parts[0]} with validation={parts[1]}"
        )
