"""The unit protocol: what the units of one layer answer to what they hear from the other.

A unit of state s hears a *total input* x, the sum of what the other layer sends it and of its own bias. All
that a Boltzmann machine needs to know about it follows from one density, ``exp(s * (x - bias) - energy(s))``:
its normaliser, the mean, the samples. `docs/design/002-units.md` describes the protocol and what is to come.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.reference import F32, States

F64 = NDArray[np.float64]
RowIds = int | NDArray[np.int64]


class Unit(ABC):
    """One layer's units.

    Total inputs `x` are float32 arrays (n_rows, n_units), or float64 where a method says so; every answer is
    given row by row, so a row's answer never depends on its neighbours.

    Attributes
    ----------
    name : str
        What files and ``visible=``, ``hidden=`` call the unit.
    domain : {"binary", "real"}
        Which data it accepts: `rbmfast.data.as_rows`.
    dtype : numpy.dtype
        Of its sampled states.
    exact : bool
        Whether its states are 0 or 1 (with grey levels as their expectations), so that products with them are
        exact integers in the engine.
    fused : bool
        Whether its units are, besides, independent of each other and on with probability sigmoid(x), so that
        the engine's loops over whole chains and epochs apply.
    """

    name: ClassVar[str]
    domain: ClassVar[str]
    dtype: ClassVar[np.dtype[np.generic]]
    exact: ClassVar[bool]
    fused: ClassVar[bool] = False

    # --- Given total inputs ------------------------------------------------------------------------------

    @abstractmethod
    def mean(self, x: F32) -> F32:
        """Expected states: the derivative of `log_normalizer` with respect to x."""

    @abstractmethod
    def mode(self, x: F32) -> States:
        """The most probable states, of `dtype`."""

    @abstractmethod
    def expectation(self, x: F32) -> States:
        """The mean in the form that goes on into products: 16-bit grey levels (uint16) for exact units."""

    @abstractmethod
    def sample(self, x: F32, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0) -> States:
        """Random states, of `dtype`; the other arguments address the random numbers (`rbmfast.random`)."""

    @abstractmethod
    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Log of the sum (integral) over states s of ``exp(s (x - bias) - energy(s, bias))``: (n_rows,)."""

    @abstractmethod
    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """`log_normalizer` in float64 by NumPy's functions, whose last bits may vary: for likelihoods."""

    # --- On their own ------------------------------------------------------------------------------------

    @abstractmethod
    def energy(self, states: States, bias: F32) -> F64:
        """The units' own energy, (n_rows,) in nats: all of the model's energy but the interaction."""

    @abstractmethod
    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """The bias under which unconnected units have the means of the data; and those means."""

    def bias_from_means(self, means: F32) -> F32:
        """The bias under which unconnected units have these means, or nearly."""
        raise ValueError(f"{self.name} units have no bias for given means: give rows of data")

    def count_states(self, n_units: int) -> int | None:
        """How many joint states `n_units` units have; None when they cannot be enumerated."""
        return None

    def states(self, n_units: int, start: int, stop: int) -> States:
        """Joint states number `start` to `stop` - 1 in counting order, the last unit counting fastest."""
        raise NotImplementedError(f"{self.name} units have no countable states")

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        """The numbers under which `states` gives these rows: (n_rows,)."""
        raise NotImplementedError(f"{self.name} units have no countable states")

    # --- Given the states of an exact layer: shortcuts that a unit with kernels of its own overrides --------

    def mean_from(self, weights: engine.Weights, states: States, bias: F32, up: bool = True) -> F32:
        """`mean` of the total inputs that exact `states` of the other layer cause."""
        return self.mean(engine.affine(weights, states, bias, up))

    def sample_from(
        self,
        weights: engine.Weights,
        states: States,
        bias: F32,
        seed: int,
        purpose: int,
        layer: int,
        step: int,
        rows: RowIds = 0,
        up: bool = True,
    ) -> States:
        """`sample` of the total inputs that exact `states` of the other layer cause."""
        return self.sample(engine.affine(weights, states, bias, up), seed, purpose, layer, step, rows)

    def log_normalizer_from(self, weights: engine.Weights, states: States, bias: F32, up: bool = True) -> F64:
        """`log_normalizer` of the total inputs that exact `states` of the other layer cause."""
        return self.log_normalizer(engine.affine(weights, states, bias, up), bias)


def rows_in_a_scan(n_features: int) -> int:
    """Rows to read at a time when all of the data is passed over once."""
    return max(1, (1 << 22) // n_features)
