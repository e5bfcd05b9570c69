"""The parameters of a model: complete, checked, and never changed in place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.reference import F32

MAX_PARAMETER = 2.0**40  # what the fixed-point weights can hold


@dataclass(frozen=True, eq=False)
class Parameters:
    """One version of a model's parameters, with all that follows from it; copied, and read-only.

    So a model goes from one complete version to the next in one assignment, and the fixed-point weights can
    never be those of another version.
    """

    W: F32
    a: F32
    b: F32
    visible_means: F32 | None = None
    is_untouched: bool = False
    _weights: engine.Weights | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("W", "a", "b", "visible_means"):
            value = getattr(self, name)
            if value is not None:
                own = np.array(value, np.float32, order="C")
                own.flags.writeable = False
                object.__setattr__(self, name, own)

    @property
    def weights(self) -> engine.Weights:
        """The fixed-point weights, made when first asked for."""
        # Not a cached_property: before Python 3.12 that has a lock, which a fork could leave locked for ever.
        weights = self._weights
        if weights is None:
            weights = engine.Weights(self.W)
            object.__setattr__(self, "_weights", weights)
        return weights

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles go without the fixed-point weights, and come back read-only.
        return Parameters, (self.W, self.a, self.b, self.visible_means, self.is_untouched)


def check_parameter(value: ArrayLike, name: str, shape: tuple[int, ...]) -> F32:
    """`value` as a float32 array if it can be a parameter; a clear error otherwise."""
    array = as_numbers(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    with np.errstate(over="ignore"):
        rounded: F32 = array.astype(np.float32)
    allowed = np.abs(rounded) < MAX_PARAMETER  # not true of NaN
    if not allowed.all():
        where = tuple(int(i) for i in np.argwhere(~allowed)[0])
        raise ValueError(
            f"{name} must be finite and below 2**40 in size, got {array[where]} at {list(where)}"
        )
    return rounded


def can_be_parameters(arrays: Iterable[F32]) -> bool:
    """Whether all these numbers are such that `check_parameter` allows them: not after learning diverged."""
    return all(array.min() > -MAX_PARAMETER and array.max() < MAX_PARAMETER for array in arrays)


def weight_shape(W: ArrayLike) -> tuple[int, int]:
    """The shape of `W` if it can be that of weights; a clear error otherwise."""
    shape = as_numbers(W, "W").shape
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"W must be 2-D (n_visible, n_hidden) and not empty, got shape {shape}")
    return shape


def as_numbers(value: ArrayLike, name: str) -> NDArray[Any]:
    """`value` as an array of real numbers; a clear error otherwise."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array: {error}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of numbers, got dtype {array.dtype}")
    return array
