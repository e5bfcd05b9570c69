"""Units that are off (0) or on (1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.reference import F32, F64, GREY, U8, Blocks, States
from rbmfast.streams import Stream
from rbmfast.units.base import Given, Unit
from rbmfast.units.common import LEAST_RATE, sums_of_levels


@dataclass(frozen=True)
class Bernoulli(Unit):
    """Units with states 0 and 1; a unit is on with probability sigmoid(x) = 1 / (1 + exp(-x)).

    The unit's own energy is ``-bias * s``. Grey levels, numbers between 0 and 1, are accepted wherever states
    are, and count as expectations of states: they are multiplied with, never sampled.

    Everything is computed by the engine, with the same bits on every machine.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.units import Bernoulli
    >>> Bernoulli().mean(np.array([[0.0, 2.0]], np.float32))
    array([[0.5      , 0.8807971]], dtype=float32)
    """

    name: ClassVar[str] = "bernoulli"
    domain = "binary"
    dtype = np.dtype(np.uint8)
    exact = True
    are_switches: ClassVar[bool] = True
    activation: ClassVar[str | None] = "sigmoid"

    def blocks(self, n_units: int) -> Blocks | None:
        """One of switches."""
        return (n_units,)

    def mean(self, x: F32) -> F32:
        """Probabilities of being on, sigmoid(x)."""
        return engine.sigmoid(x)

    def mean_float64(self, x: F64) -> F64:
        """Probabilities of being on."""
        with np.errstate(over="ignore"):  # 1 / (1 + infinity) is the right answer
            return 1.0 / (1.0 + np.exp(-x))

    def mode(self, x: F32) -> U8:
        """1 where on is at least as probable as off."""
        return (x >= 0).astype(np.uint8)

    def expectation(self, x: F32) -> States:
        """Probabilities of being on, in units of 1/65535."""
        return engine.sigmoid_u16(x)

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> U8:
        """Each unit in its rarer state where its number is below 2**32 times that state's probability."""
        threshold = engine.sigmoid(-np.abs(x)) * np.float32(2.0**32)
        rare = uniform < threshold.astype(np.uint32)
        return (rare ^ (x >= 0)).view(np.uint8)

    def sample(self, x: F32, stream: Stream) -> U8:
        """The same in one pass of the engine."""
        return engine.bernoulli(x, *stream)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums of softplus(x) = log(1 + exp(x))."""
        return engine.softplus_sum(x)

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Sums of softplus(x) = max(x, 0) + log(1 + exp(-|x|)), fast."""
        # An exact partition function spends its time here. The factors 1 + exp(-|x|) lie in [1, 2], so that
        # 1000 of them can be multiplied before a logarithm is due.
        factors = np.abs(x)
        np.exp(np.negative(factors, out=factors), out=factors)
        factors += 1.0
        products = [np.multiply.reduce(factors[:, i : i + 1000], axis=1) for i in range(0, x.shape[1], 1000)]
        total: F64 = np.maximum(x, 0.0).sum(axis=1) + np.log(products).sum(axis=0)
        return total

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of -bias * s."""
        return -engine.weighted_sum(states, bias)

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Log-odds of the units' means, one row of ones and one of zeros added so that none is infinite."""
        levels, most = sums_of_levels(rows), GREY * rows.n_known
        odds = (levels + GREY) / (most - levels + GREY)
        means = np.where(most > 0, levels / np.maximum(most, 1), 0.5)
        return engine.log(odds.astype(np.float32)), means.astype(np.float32)

    def bias_from_means(self, means: F32) -> F32:
        """Log-odds of the means, which count as at least 0.001 and at most 0.999: none is infinite."""
        p = np.clip(means.astype(np.float64), LEAST_RATE, 1 - LEAST_RATE)
        return engine.log((p / (1 - p)).astype(np.float32))

    def class_log_weights(self, x: F32, U: F32, d: F32, bias: F32) -> F64:
        """In one pass of the engine."""
        return engine.class_log_weights(x, U, d)

    def class_expectations(self, x: F32, U: F32, p: F32) -> tuple[States, NDArray[Any]]:
        """In one pass of the engine."""
        return engine.class_expectations(x, U, p)

    def count_states(self, n_units: int) -> int:
        """Two to the power of `n_units`."""
        return 1 << n_units

    def states(self, n_units: int, numbers: NDArray[np.int64]) -> U8:
        """The numbers in binary, a digit for each unit."""
        states = np.empty((len(numbers), n_units), np.uint8)
        for unit in range(n_units):
            states[:, unit] = numbers >> (n_units - 1 - unit) & 1
        return states

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        """The numbers whose binary digits the rows are."""
        numbers = np.zeros(len(states), np.int64)
        for unit in states.T:
            numbers = 2 * numbers + unit
        return numbers

    def mean_from(self, weights: engine.Weights, states: Given, bias: F32, up: bool = True) -> F32:
        """Total inputs and sigmoid in one pass of the engine."""
        return engine.affine_sigmoid(weights, states, bias, up)

    def sample_from(
        self,
        weights: engine.Weights,
        states: Given,
        bias: F32,
        stream: Stream,
        up: bool = True,
    ) -> U8:
        """Total inputs and samples in one pass of the engine."""
        return engine.affine_sigmoid_bernoulli(weights, states, bias, *stream, up)

    def log_normalizer_from(self, weights: engine.Weights, states: Given, bias: F32, up: bool = True) -> F64:
        """Total inputs and summed softplus in one pass of the engine."""
        return engine.affine_softplus_sum(weights, states, bias, up)
