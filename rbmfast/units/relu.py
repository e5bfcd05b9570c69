"""Rectified units: real states that are never below zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.reference import F32, F64, States, row_sums
from rbmfast.states import GRID
from rbmfast.units.base import Unit
from rbmfast.units.common import means, refuse
from rbmfast.units.gaussian import HALF_LOG_2_PI, normal_quantile

LEAST_MEAN = 0.02  # of a state, where only its mean is known: a bias of -50
CUT = 1.0  # total input below minus which samples come from Newton's method
STEPS = 3  # of which so many end at the last bits of float32
INVERSE_ROOT_2_PI = 0.3989422804014327


@dataclass(frozen=True)
class ReLU(Unit):
    """Rectified units: states from 0 up, of the density exp(x s - s**2 / 2).

    A normal distribution of mean x and variance 1, cut off at 0: with a large input the unit is Gaussian,
    with a very negative one nearly off, of mean -1 / x. Its own energy is ``s**2 / 2 - bias * s``.

    Visible ones are for data that are never negative: scale them to a standard deviation of about 1.

    Products see states as multiples of 2**-11, as with `Gaussian` units: the same bits everywhere.

    Notes
    -----
    As in Tubiana & Monasson, "Emergence of compositional representations in restricted Boltzmann machines",
    Physical Review Letters 118 (2017), 138301. The noisy rectified units of Nair & Hinton ("Rectified linear
    units improve restricted Boltzmann machines", ICML 2010) have no such density, and so no likelihood.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rf.ReLU().mean(np.array([[-100.0, 0.0, 5.0]], np.float32)).round(4)
    array([[0.01  , 0.7979, 5.    ]], dtype=float32)
    >>> rf.RBM(4, 2, hidden="relu", seed=0)
    RBM(4, 2, hidden='relu')
    """

    name: ClassVar[str] = "relu"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False
    grid = GRID
    constrained = True

    def mean(self, x: F32) -> F32:
        """The normal mean x and what is cut off: x + pdf(x) / cdf(x)."""
        return rectified_mean(x.astype(np.float64)).astype(np.float32)

    def mode(self, x: F32) -> F32:
        """The total input where it is positive."""
        return np.maximum(x, np.float32(0))

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> F32:
        """The inverse of the distribution function."""
        u = (uniform.astype(np.float64) + 0.5) * 2.0**-32
        return draw_rectified(x.astype(np.float64), u).astype(np.float32)

    def nodes(self, low: int, high: int) -> tuple[F32, F64]:
        """From 0 on."""
        return super().nodes(max(low, 0), high)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums of log(cdf(x) / pdf(x))."""
        total: F64 = row_sums(log_rectified(x.astype(np.float64)))
        return total

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Sums of log(cdf(x) / pdf(x))."""
        total: F64 = row_sums(log_rectified_float64(x))
        return total

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of s**2 / 2 - bias * s."""
        s = states.astype(np.float64)
        total: F64 = row_sums(s * (s / 2 - bias))
        return total

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """The bias of the features' means; and these."""
        mean = means(rows).astype(np.float32)
        return self.bias_from_means(mean), mean

    def bias_from_means(self, means: F32) -> F32:
        """By Newton's method; means count as at least 0.02."""
        mean = np.maximum(means.astype(np.float64), LEAST_MEAN)
        bias = mean - 1 / mean
        for _ in range(12):
            found = rectified_mean(bias)
            bias -= (found - mean) / (1 - found * (found - bias))  # its slope is the variance
        return bias.astype(np.float32)

    def check_means(self, means: F32, name: str) -> None:
        if means.min() < 0:
            raise ValueError(f"{name} must be means from 0 up, got {means.min():g}")

    def check_block(
        self, block: States, name: str, first_row: int, missing: NDArray[np.bool_], first_unit: int = 0
    ) -> None:
        """None below 0."""
        allowed = "relu units are 0 or more: visible='gaussian' is for numbers of either sign"
        refuse((block < 0) & ~missing, block, name, (first_row, first_unit), allowed)


# --- Of float64 inputs; by sums, products, square roots and the engine's functions, so the same everywhere --


def rectified_mean(x: F64) -> F64:
    """Mean of the density exp(x s - s**2 / 2) of s >= 0: x + pdf(x) / cdf(x)."""
    rest = _rest(np.abs(x))
    pdf = _pdf(x)
    mean: F64 = np.where(x <= 0, rest, x + pdf / (1 - pdf / (np.abs(x) + rest)))
    return mean


def log_rectified(x: F64) -> F64:
    """Log of its integral, cdf(x) / pdf(x)."""
    hazard = np.abs(x) + _rest(np.abs(x))
    above = x * x / 2 + HALF_LOG_2_PI + _log(1 - _pdf(x) / hazard)
    return np.where(x <= 0, -_log(hazard), above)


def log_rectified_float64(x: F64) -> F64:
    """The same by SciPy's functions."""
    from scipy.special import erfcx, log_ndtr

    below, above = np.minimum(x, 0), np.maximum(x, 0)
    integral: F64 = np.where(
        x <= 0,
        np.log(erfcx(-np.sqrt(0.5) * below)) + np.log(np.pi / 2) / 2,
        above * above / 2 + HALF_LOG_2_PI + log_ndtr(above),
    )
    return integral


def draw_rectified(x: F64, u: F64) -> F64:
    """Random numbers of the density from uniform ones between 0 and 1, which they rise with."""
    drawn = np.empty_like(x)
    low = x < -CUT
    drawn[~low] = _from_the_normal(x[~low], 1 - u[~low])
    drawn[low] = _from_the_tail(-x[low], 1 - u[low])
    return np.maximum(drawn, 0)


def _from_the_normal(x: F64, survival: F64) -> F64:
    """Where a good part of the normal distribution is left: its quantile."""
    tail = _pdf(x) / (np.abs(x) + _rest(np.abs(x)))
    return x - normal_quantile(survival * np.where(x <= 0, tail, 1 - tail) - 0.5)


def _from_the_tail(t: F64, survival: F64) -> F64:
    """Where only its tail beyond t > 0 is left: s with log Q(t) - log Q(t + s) = -log(survival).

    Convex in s, with the hazard of t + s as its slope. The first guess leaves its logarithm out.
    """
    wanted = -_log(survival)
    hazard = t + _rest(t)
    s = 2 * wanted / (np.sqrt(t * t + 2 * wanted) + t)
    for _ in range(STEPS):
        here = t + s + _rest(t + s)
        s = np.maximum(s - (s * (t + s / 2) + _log(here / hazard) - wanted) / here, 0)
    return s


def _rest(t: F64) -> F64:
    """Pdf(t) / Q(t) - t for t >= 0, with Q the normal distribution's tail: from 0.798 down to 1 / t.

    Times t + 1 a polynomial of (t - 3) / (t + 3), fitted to a relative error of 3e-9.
    """
    z = (t - 3) / (t + 3)
    total: F64 = np.full_like(z, REST[0])
    for coefficient in REST[1:]:
        total = total * z + coefficient
    return total / (t + 1)


REST = (
    *(-0.000116929, -0.000142287, 0.000718694, 0.001069770, -0.002265453, -0.004484276, 0.005392030),
    *(0.014819376, -0.013049754, -0.044896378, 0.044939738, 0.129520047, -0.269070665, 0.005171466),
    1.132394618,
)


def _pdf(x: F64) -> F64:
    """Of the normal distribution."""
    p = engine.sigmoid(-np.minimum(x * x / 2, 80).astype(np.float32)).astype(np.float64)
    density: F64 = INVERSE_ROOT_2_PI * p / (1 - p)
    return density


def _log(x: F64) -> F64:
    return engine.log(x.astype(np.float32)).astype(np.float64)
