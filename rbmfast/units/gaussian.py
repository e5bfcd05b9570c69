"""Real-valued units of variance 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_number
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, States, row_sums
from rbmfast.states import GRID
from rbmfast.units.base import Unit, moments, rows_in_a_scan

LOW, HIGH = 0.5, 2.0  # standard deviations that a variance of 1 can stand for
NODE_STEP = 0.75  # of an integral
LEAST_GRID = 2.0**-16  # of a standard deviation
FAR = 1.0  # a mean that a standardised column does not have
FEW = 30  # rows, whose moments say little
ROUNDING = 1e-6  # of a mean: a deviation below is none


@dataclass(frozen=True, repr=False)
class Gaussian(Unit):
    """Real-valued units, normal with mean x and variance 1.

    The unit's own energy is ``(s - bias)**2 / 2``. Scale every feature of the data to mean 0 and variance 1
    before learning: the variance is fixed. `rbmfast.train` warns of columns that are not.

    In products, states count as the nearest multiples of `grid`: their sums with the fixed-point weights are
    exact, so that everything has the same bits on every machine, with any number of threads. Energies take
    states as they are.

    Parameters
    ----------
    grid : float or None, default 2**-11
        A power of two from 2**-16 to 2**-11, in standard deviations. States may be 2**44 times as large.
        None for float32 matrix products of NumPy's: faster on CPUs without AMX, but results differ in their
        last bits between machines and numbers of threads.

    Raises
    ------
    TypeError, ValueError
        Another grid.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.units import Gaussian
    >>> x = np.array([[0.0, 2.0]], np.float32)
    >>> Gaussian().log_normalizer(x, bias=np.zeros(2, np.float32))  # 2**2 / 2 + log(2 pi)
    array([3.83787707])
    """

    grid: float | None = GRID

    name: ClassVar[str] = "gaussian"
    activation: ClassVar[str | None] = "linear"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False

    def __post_init__(self) -> None:
        if self.grid is None:
            return
        grid = check_number(self.grid, "grid", above=0.0)
        if not (LEAST_GRID <= grid <= GRID and math.frexp(grid)[0] == 0.5):
            raise ValueError(f"grid must be a power of two from 2**-16 to 2**-11, or None, got {grid:g}")
        object.__setattr__(self, "grid", grid)

    def describe(self) -> JSON:
        """The name alone, or a mapping with another grid."""
        return self.name if self.grid == GRID else {"unit": self.name, "grid": self.grid}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Gaussian:
        """The units that `describe` described."""
        return cls(description.get("grid", GRID))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.grid == GRID else f'grid={self.grid}'})"

    def mean(self, x: F32) -> F32:
        """The total inputs themselves."""
        return x.copy()

    mode = mean

    def mean_float64(self, x: F64) -> F64:
        """The total inputs themselves."""
        return x

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> F32:
        """The mean plus a standard normal number."""
        noisy: F32 = x + standard_normal(uniform)
        return noisy

    def are_normal(self, n_units: int) -> NDArray[np.bool_]:
        """All of them."""
        return np.ones(n_units, np.bool_)

    def nodes(self, low: int, high: int) -> tuple[F32, F64]:
        """At even distances: sums of densities that are smooth everywhere err by exp(-2 (pi / 0.75)**2)."""
        nodes = np.arange(low, high + NODE_STEP, NODE_STEP).astype(np.float32)
        return nodes, np.full(len(nodes), NODE_STEP)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums of (x**2 - bias**2) / 2 + log(2 pi) / 2."""
        return self.log_normalizer_float64(x.astype(np.float64), bias.astype(np.float64))

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Sums of (x**2 - bias**2) / 2 + log(2 pi) / 2."""
        total: F64 = row_sums((x - bias) * (x + bias)) / 2 + x.shape[1] * HALF_LOG_2_PI
        return total

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of (s - bias)**2 / 2."""
        distance = states.astype(np.float64) - bias
        total: F64 = row_sums(distance * distance) / 2
        return total

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """The features' means, twice."""
        total = np.zeros(rows.n_features)
        for _, block in rows.blocks(rows_in_a_scan(rows.n_features)):
            total += block.sum(axis=0, dtype=np.float64)
        mean = (total / np.maximum(rows.n_known, 1)).astype(np.float32)
        return mean, mean.copy()

    def doubts(self, rows: Rows, first_unit: int = 0) -> str | None:
        """Columns that are far from mean 0 and variance 1, constant ones aside."""
        if rows.n_rows < FEW:
            return None
        mean, deviation = moments(rows)
        varies = deviation > ROUNDING * np.abs(mean)
        odd = varies & ((deviation < LOW) | (deviation > HIGH) | (np.abs(mean) > FAR))
        if not odd.any():
            return None
        unit = int(odd.argmax())
        return (
            f"{odd.sum()} of {len(odd)} columns are far from mean 0 and standard deviation 1, which Gaussian "
            f"units need (column {first_unit + unit} has {mean[unit]:.3g} and {deviation[unit]:.3g}): scale "
            "them, as sklearn.preprocessing.StandardScaler does, or the model will be poor"
        )

    def bias_from_means(self, means: F32) -> F32:
        """The means themselves."""
        return means.copy()


HALF_LOG_2_PI = 0.9189385332046727


def standard_normal(uniform: NDArray[np.uint32]) -> F32:
    """Normal numbers from 32-bit uniforms, one from each."""
    q = (uniform.astype(np.float64) + 0.5) * 2.0**-32 - 0.5  # exact, and never 0 or +-1/2
    return normal_quantile(q).astype(np.float32)


def normal_quantile(q: F64) -> F64:
    """The normal numbers that are below with the probabilities q + 1/2.

    Rational approximations to seven digits, from algorithm AS 241, PPND7 (Wichura 1988, Applied Statistics
    37, 477). 32 bits end at 6.3 standard deviations, before the third of its ranges begins, at 6.7. Sums,
    products, square roots and the engine's logarithm alone: the same bits everywhere.
    """
    r = 0.180625 - q * q
    numerator = ((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179
    normal: F64 = q * numerator / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1.0)

    tail = np.abs(q) > 0.425
    rare = (0.5 - np.abs(q[tail])).astype(np.float32)
    r = np.sqrt(-engine.log(rare).astype(np.float64)) - 1.6
    numerator = ((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777
    normal[tail] = np.copysign(numerator / ((0.12021132975 * r + 0.73700164250) * r + 1.0), q[tail])
    return normal
