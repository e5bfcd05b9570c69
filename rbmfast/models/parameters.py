"""The parameters of a model: complete, checked, and never changed in place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.interactions import DENSE, Interaction
from rbmfast.models.parametrization import Arrays, Parametrization
from rbmfast.reference import F32
from rbmfast.runtime import warn
from rbmfast.units import Unit

P = TypeVar("P", bound="Parameters")

LAYERS = ("visible", "hidden")
MAX_PARAMETER = 2.0**40  # what the fixed-point weights can hold
COARSE_EXPONENT = 12  # below it the sampler sees weights in steps of more than 1/4096


@dataclass(frozen=True, eq=False)
class Parameters:
    """One version of a model's parameters, with all that follows from it; copied, and read-only.

    So a model goes from one complete version to the next in one assignment, and the fixed-point weights can
    never be those of another version.
    """

    W: F32  # W, a and b are those that the library computes with, for states 0 and 1 where a unit has two
    a: F32
    b: F32
    units: tuple[Unit, Unit]  # of the visible and the hidden layer, with all parameters of their own
    visible_means: F32 | None = None  # of the data
    is_untouched: bool = False  # whether nothing has been learned or given yet
    given: Arrays | None = None  # for states as users see them, where these are others: there and back rounds
    interaction: Interaction = DENSE  # a and b are those of every unit, whatever units share
    _weights: Any = field(default=None, init=False, repr=False)
    _unrolled: F32 | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("W", "a", "b", "visible_means"):
            value = getattr(self, name)
            if value is not None:
                own = np.array(value, np.float32, order="C")  # `read_only`, a call less an epoch
                own.flags.writeable = False
                object.__setattr__(self, name, own)

    @classmethod
    def of_shown(
        cls: type[P],
        shown: Arrays,
        units: tuple[Unit, Unit],
        visible_means: F32 | None = None,
        is_untouched: bool = False,
    ) -> P:
        """Those of a model whose W, a and b for states as users see them are given, and checked."""
        to_show = Parametrization.of(units, shown[0].shape)
        if to_show is None:
            return cls(*shown, units, visible_means, is_untouched)
        own = to_show.inward(*shown)
        for name, array in zip("Wab", own, strict=True):
            check_parameter(array, f"{name} for states 0 and 1", array.shape)
        W, a, b = map(read_only, shown)
        return cls(*own, units, visible_means, is_untouched, (W, a, b))

    @property
    def parametrization(self) -> Parametrization | None:
        """What W, a and b are for states as users see them; None where these are the same."""
        return Parametrization.of(self.units, self.W.shape)

    @property
    def shown(self) -> Arrays:
        """W, a and b for states as users see them."""
        if self.given is not None:
            return self.given
        to_show = self.parametrization
        if to_show is None:
            return self.W, self.a, self.b
        W, a, b = map(read_only, to_show.outward(self.W, self.a, self.b))
        object.__setattr__(self, "given", (W, a, b))
        return W, a, b

    @property
    def weights(self) -> Any:
        """The fixed-point weights, made when first asked for."""
        # Not a cached_property: before Python 3.12 that has a lock, which a fork could leave locked for ever.
        weights = self._weights
        if weights is None:
            weights = self.interaction.weights(self.W)
            object.__setattr__(self, "_weights", weights)
        return weights

    @property
    def unrolled(self) -> F32:
        """The weights of all pairs of units, (n_visible, n_hidden): W itself where none are shared."""
        if self._unrolled is None:
            object.__setattr__(self, "_unrolled", self.interaction.unrolled(self.W))
        assert self._unrolled is not None
        return self._unrolled

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles go without the fixed-point weights, and come back read-only.
        W, a, b = self.W, self.a, self.b
        rest = self.visible_means, self.is_untouched, self.given, self.interaction
        return type(self), (W, a, b, self.units, *rest)


def of_units(units: tuple[Unit, Unit]) -> dict[str, F32]:
    """What the units of both layers learn beside their biases, by names such as ``visible.log_sigma``."""
    layers = zip(LAYERS, units, strict=True)
    found = {f"{layer}.{name}": array for layer, unit in layers for name, array in unit.parameters().items()}
    return {name: read_only(array) for name, array in found.items()}


def rates_of(units: tuple[Unit, Unit]) -> dict[str, float]:
    """Factors of the learning rate for them."""
    layers = zip(LAYERS, units, strict=True)
    return {
        f"{layer}.{name}": rate for layer, unit in layers for name, rate in unit.parameter_rates().items()
    }


def with_parameters(units: tuple[Unit, Unit], arrays: Mapping[str, F32]) -> tuple[Unit, Unit]:
    """The units of both layers with some of their own parameters replaced, under these names."""
    visible, hidden = (
        unit.with_parameters(
            {name: arrays.get(f"{layer}.{name}", old) for name, old in unit.parameters().items()}
        )
        for layer, unit in zip(LAYERS, units, strict=True)
    )
    return visible, hidden


def read_only(array: ArrayLike) -> F32:
    """A float32 copy that nobody can write to."""
    own = np.array(array, np.float32, order="C")
    own.flags.writeable = False
    return own


def check_parameter(value: ArrayLike, name: str, shape: tuple[int, ...]) -> F32:
    """`value` as a float32 array if it can be a parameter; a clear error otherwise."""
    array = as_numbers(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}{_remedy(array, name, shape)}")
    with np.errstate(over="ignore"):
        rounded: F32 = array.astype(np.float32)
    allowed = np.abs(rounded) < MAX_PARAMETER  # not true of NaN
    if not allowed.all():
        where = tuple(int(i) for i in np.argwhere(~allowed)[0])
        raise ValueError(
            f"{name} must be finite and below 2**40 in size, got {array[where]} at {list(where)}"
        )
    return rounded


def warn_if_coarse(W: F32) -> F32:
    """`W`; a warning if the sampler will see these weights coarsely."""
    exponent = engine.exponent(W.reshape(len(W), -1))
    if exponent < COARSE_EXPONENT:
        warn_of_large_weights(float(abs(W).max()), exponent, "W holds large weights")
    return W


def warn_of_large_weights(largest: float, exponent: int, what: str, remedy: str = "") -> None:
    """Say that weights are too large for fine steps."""
    warn(f"{what} (up to {largest:g}): the sampler sees them only to multiples of 2**{-exponent}{remedy}")


def _remedy(array: NDArray[Any], name: str, shape: tuple[int, ...]) -> str:
    """What to pass instead of an array of another shape, where that is plain; the end of a message."""
    if array.shape == shape[::-1]:
        return f": pass {name}.T"
    if array.ndim != len(shape) and array.size == math.prod(shape):
        return f": pass {name}.reshape({', '.join(map(str, shape))})"
    return ""


def can_be_parameters(arrays: Iterable[F32]) -> bool:
    """Whether all these numbers are such that `check_parameter` allows them: not after learning diverged."""
    for array in arrays:
        low, high = np.minimum.reduce(array, axis=None), np.maximum.reduce(array, axis=None)
        if not (low > -MAX_PARAMETER and high < MAX_PARAMETER):  # so NaN is none
            return False
    return True


def weight_shape(W: ArrayLike, layers: str = "(n_visible, n_hidden)") -> tuple[int, int]:
    """The shape of `W` if it can be that of weights; a clear error otherwise."""
    shape = as_numbers(W, "W").shape
    if len(shape) != 2 or 0 in shape:
        states = f": pass W.reshape(-1, {shape[2]}) for groups of states" if len(shape) == 3 else ""
        raise ValueError(f"W must be 2-D {layers} and not empty, got shape {shape}{states}")
    return shape


def check_orientation(W: ArrayLike, a: ArrayLike, b: ArrayLike) -> None:
    """Raise ValueError if the biases say that W has its layers the other way round."""
    shape, biases = as_numbers(W, "W").shape, (as_numbers(a, "a").size, as_numbers(b, "b").size)
    if shape[0] != shape[1] and biases == shape[::-1]:
        raise ValueError(f"W must have shape {biases}, (n_visible, n_hidden), got {shape}: pass W.T")


def as_numbers(value: ArrayLike, name: str) -> NDArray[Any]:
    """`value`, an array or a tensor, as an array of real numbers; a clear error otherwise."""
    if hasattr(value, "detach"):
        value = value.detach()  # a parameter of PyTorch's, whose gradient nobody asks for here
    try:
        array = np.asarray(value)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array: {error}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of numbers, got dtype {array.dtype}")
    return array
