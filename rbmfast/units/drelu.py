"""Double rectified units: a learned shape on either side of zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.reference import F32, F64, States, row_sums
from rbmfast.states import GRID
from rbmfast.units.base import Unit
from rbmfast.units.common import exp, means
from rbmfast.units.relu import draw_rectified, log_rectified, log_rectified_float64, rectified_mean

LARGEST = 4.0  # size of log gamma: standard deviations from 0.14 to 7.4
HALVINGS = 60  # of an interval in which a bias lies
LEAST_U = 2.0**-34


@dataclass(frozen=True)
class DReLU(Unit):
    """Double rectified units: real states, normal densities that are cut off at 0 and joined there.

    The unit's own energy is ``theta |s| - bias s + gamma s**2 / 2``, with one gamma where s > 0 and another
    where s < 0. It learns theta and the logarithms of both gammas, which are kept within -4 and 4, beside its
    bias: ``hidden.theta``, ``hidden.log_gamma_plus``, ``hidden.log_gamma_minus``. All begin at 0, as a normal
    unit. A positive theta makes it sparse, peaked at 0; a negative one bimodal; unlike gammas make it skew.
    With a very large gamma on one side it is rectified.

    Products see states as multiples of 2**-11, as with `Gaussian` units: the same bits everywhere.

    Notes
    -----
    Tubiana, Cocco & Monasson, "Learning protein constitutive motifs from sequence data", eLife 8 (2019),
    e39397, write the energy with theta_plus = theta - bias and theta_minus = -theta - bias, times the
    positive and the negative part of s: of their four parameters and the bias, one is not needed. What is
    left free is the scale of s, which weights and gammas share.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(4, 2, hidden=rf.DReLU(), seed=0)
    >>> [*rbm.parameters()]
    ['W', 'a', 'b', 'hidden.theta', 'hidden.log_gamma_plus', 'hidden.log_gamma_minus']
    """

    theta: F32 | None = field(default=None, compare=False, repr=False)  # (n_units,), all three
    log_gamma_plus: F32 | None = field(default=None, compare=False, repr=False)
    log_gamma_minus: F32 | None = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "drelu"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False
    grid = GRID

    # --- What it learns ----------------------------------------------------------------------------------

    def of_size(self, n_units: int) -> DReLU:
        if self.theta is not None:
            return self
        return DReLU(*(np.zeros(n_units, np.float32) for _ in range(3)))

    def parameters(self) -> dict[str, F32]:
        named = {name: getattr(self, name) for name in ("theta", "log_gamma_plus", "log_gamma_minus")}
        return {name: array for name, array in named.items() if array is not None}

    def with_parameters(self, arrays: Mapping[str, F32]) -> DReLU:
        """Logarithms of gamma are clipped."""
        clipped = (np.clip(arrays[f"log_gamma_{side}"], -LARGEST, LARGEST) for side in ("plus", "minus"))
        return DReLU(arrays["theta"], *clipped)

    def part(self, start: int, stop: int) -> DReLU:
        return replace(self, **{name: array[start:stop] for name, array in self.parameters().items()})

    def parameter_gradient(self, states: States, bias: F32) -> dict[str, F32]:
        s = states.astype(np.float64)
        plus, minus = self._gammas
        return self._named(-np.abs(s), -plus * np.maximum(s, 0) ** 2 / 2, -minus * np.minimum(s, 0) ** 2 / 2)

    def mean_parameter_gradient(self, x: F32, bias: F32) -> dict[str, F32]:
        up, down = self._sides(x)
        p = up.share(down)
        squares = p * (1 + up.x * up.mean) / 2, (1 - p) * (1 + down.x * down.mean) / 2
        return self._named(-p * up.mean / up.root - (1 - p) * down.mean / down.root, -squares[0], -squares[1])

    def _named(self, *arrays: F64) -> dict[str, F32]:
        return {name: x.astype(np.float32) for name, x in zip(self.parameters(), arrays, strict=True)}

    # --- Given total inputs ------------------------------------------------------------------------------

    def mean(self, x: F32) -> F32:
        """Means of both sides, by their shares."""
        up, down = self._sides(x)
        p = up.share(down)
        return (p * up.mean / up.root - (1 - p) * down.mean / down.root).astype(np.float32)

    def mode(self, x: F32) -> F32:
        """The higher of both sides' maxima, which may lie at 0."""
        up, down = self._sides(x)
        above, below = np.maximum(up.x, 0), np.maximum(down.x, 0)
        return np.where(above >= below, above / up.root, -below / down.root).astype(np.float32)

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> F32:
        """The inverse of the distribution function."""
        up, down = self._sides(x)
        u, below = (uniform.astype(np.float64) + 0.5) * 2.0**-32, 1 - up.share(down)
        is_up = u >= below
        rest = np.where(
            is_up, (u - below) / np.maximum(1 - below, LEAST_U), 1 - u / np.maximum(below, LEAST_U)
        )
        s = draw_rectified(np.where(is_up, up.x, down.x), np.clip(rest, LEAST_U, 1 - LEAST_U))
        return np.where(is_up, s / up.root, -s / down.root).astype(np.float32)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums of the logarithm of both sides' integrals, each that of a rectified unit."""
        up, down = self._sides(x)
        high = np.maximum(up.log_integral, down.log_integral)
        difference = np.abs(up.log_integral - down.log_integral).astype(np.float32)
        total: F64 = row_sums(high + engine.softplus(-difference).astype(np.float64))
        return total

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Sums of the logarithm of both sides' integrals, each that of a rectified unit."""
        logs = (log_rectified_float64(side.x) - np.log(side.root) for side in self._sides(x))
        total: F64 = row_sums(np.logaddexp(*logs))
        return total

    def _sides(self, x: NDArray[np.floating]) -> tuple[Side, Side]:
        theta = np.float64(0) if self.theta is None else self.theta.astype(np.float64)
        plus, minus = (np.sqrt(gamma) for gamma in self._gammas)
        return Side((x - theta) / plus, plus), Side((-x - theta) / minus, minus)

    @property
    def _gammas(self) -> tuple[F64, F64]:
        logs = (
            np.zeros(1, np.float32) if t is None else t for t in (self.log_gamma_plus, self.log_gamma_minus)
        )
        plus, minus = map(exp, logs)
        return plus, minus

    # --- On their own ------------------------------------------------------------------------------------

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of theta |s| - bias s + gamma s**2 / 2."""
        s = states.astype(np.float64)
        theta = 0 if self.theta is None else self.theta
        total: F64 = row_sums(theta * np.abs(s) + s * (np.where(s > 0, *self._gammas) * (s / 2) - bias))
        return total

    def nodes(self, low: int, high: int) -> tuple[F32, F64]:
        """As close as the larger gamma wants."""
        k = int(np.ceil(np.sqrt(max(gamma.max() for gamma in self._gammas))))
        nodes, lengths = super().nodes(low * k, high * k)
        return nodes / np.float32(k), lengths / k

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """The bias of the features' means; and these."""
        mean = means(rows).astype(np.float32)
        return self.bias_from_means(mean), mean

    def bias_from_means(self, means: F32) -> F32:
        """By halving an interval."""
        width = (np.abs(means) + 10) * np.maximum(*self._gammas) + (
            0 if self.theta is None else np.abs(self.theta)
        )
        low, high = -width, width
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            above = self.mean(middle[None].astype(np.float32))[0] > means
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return ((low + high) / 2).astype(np.float32)


@dataclass(frozen=True)
class Side:
    """One side of zero: a rectified unit of total input x, of states that are scaled by `root`."""

    x: F64
    root: F64

    @cached_property
    def mean(self) -> F64:
        """Of the scaled states."""
        return rectified_mean(self.x)

    @cached_property
    def log_integral(self) -> F64:
        """Of the density."""
        return log_rectified(self.x) - engine.log(self.root.astype(np.float32))

    def share(self, other: Side) -> F64:
        """Probability that a state is on this side."""
        difference = np.clip(self.log_integral - other.log_integral, -80, 80)
        return engine.sigmoid(difference.astype(np.float32)).astype(np.float64)
