"""The protocol of interactions, and the first one: every visible unit joined to every hidden one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, MAX_EXPONENT, States
from rbmfast.state import Gradient
from rbmfast.states import WHOLE, size
from rbmfast.units import Unit

Phase = tuple[States, States]  # visible states, and means of the hidden units: 16-bit levels, or float32


class Interaction(ABC):
    """Which weights join the units of two layers. It holds no weights: W comes with each question.

    Attributes
    ----------
    is_dense : bool
        Whether each pair of units has a weight of its own, (n_visible, n_hidden): what the engine's passes
        that end in probabilities or samples, its loops and its update know; and what can be centred.
    """

    is_dense: ClassVar[bool] = False

    @abstractmethod
    def weights(self, W: F32, start_exponent: int = MAX_EXPONENT) -> Any:
        """Fixed-point weights; their `exponent` is the largest, up to that one, at which sums are exact."""

    @abstractmethod
    def exponent(self, W: F32, start: int = MAX_EXPONENT) -> int:
        """That exponent alone."""

    @abstractmethod
    def given(self, source: Unit, states: States) -> Any:
        """States as `affine` takes them; None for those that `product` has to take."""

    @abstractmethod
    def affine(self, weights: Any, given: Any, bias: F32, up: bool) -> F32:
        """Total inputs of the other layer, by the engine: float32 (n_rows, n_target)."""

    @abstractmethod
    def product(self, states: NDArray[Any], W: NDArray[Any], up: bool) -> NDArray[Any]:
        """What any numbers in place of states send along such weights, by NumPy: (n_rows, n_target)."""

    def contrast(
        self, layers: tuple[Unit, Unit], data: Phase, samples: Phase, weights: F64 | None, paired: bool
    ) -> Gradient | None:
        """Data minus model; None for products of whole layers: `rbmfast.training.phases.difference`."""
        return None

    def spread(self, a: F32, b: F32) -> tuple[F32, F32]:
        """Biases of every unit, (n_visible,) and (n_hidden,), from those that are learned."""
        return a, b

    def shared(self, a: F32, b: F32) -> tuple[F32, F32]:
        """The way back: of units that share one the first."""
        return a, b

    def unrolled(self, W: F32) -> F32:
        """The weights of all pairs: (n_visible, n_hidden)."""
        return W

    def describe(self) -> dict[str, JSON]:
        """What checkpoints say of it, beside the sizes of the layers."""
        return {}


class Dense(Interaction):
    """A weight for each pair of a visible and a hidden unit: W (n_visible, n_hidden)."""

    is_dense: ClassVar[bool] = True

    def weights(self, W: F32, start_exponent: int = MAX_EXPONENT) -> engine.Weights:
        """In the layouts that the engine multiplies by."""
        return engine.Weights(W, start_exponent)

    def exponent(self, W: F32, start: int = MAX_EXPONENT) -> int:
        """Of rows and columns."""
        return engine.exponent(W, start)

    def affine(self, weights: engine.Weights, given: Any, bias: F32, up: bool) -> F32:
        """Exact sums, in any order."""
        return engine.affine(weights, given, bias, up)

    def given(self, source: Unit, states: States) -> Any:
        """What the unit type says."""
        return source.for_engine(states)

    def product(self, states: NDArray[Any], W: NDArray[Any], up: bool) -> NDArray[Any]:
        """A matrix product."""
        sent: NDArray[Any] = states @ (W if up else W.T)
        return sent


DENSE = Dense()


def exact_sums(numbers: F64, send: Callable[[F64], F64]) -> F64:
    """What whole numbers send along integer weights: exact, or of two exact parts if some are large."""
    if size(numbers) <= WHOLE:
        return send(numbers)
    high = np.rint(numbers / WHOLE)
    sums: F64 = WHOLE * send(high) + send(numbers - WHOLE * high)
    return sums
