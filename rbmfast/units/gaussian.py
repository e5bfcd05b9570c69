"""Real-valued units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_number
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, States, exp_negative, row_sums
from rbmfast.states import GRID
from rbmfast.streams import Stream
from rbmfast.units.affine import Affine
from rbmfast.units.base import Unit
from rbmfast.units.common import means, moments

LOW, HIGH = 0.5, 2.0  # standard deviations that a variance of 1 can stand for
NODE_STEP = 0.75  # of an integral
LEAST_GRID = 2.0**-16  # of a standard deviation
LEARNED = "learned"
KEPT = ("sigma", "grid", "center", "spread")  # in files; log_sigma is an array there
LIMIT = np.float32(6.9)  # of the logarithm of a learned sigma in the data's deviations: a factor of 1000
FAR = 1.0  # a mean that a standardised column does not have
MAX_SIGMA = 1e15
FEW = 30  # rows, whose moments say little
ROUNDING = 1e-6  # of a mean: a deviation below is none


@dataclass(frozen=True, repr=False)
class Gaussian(Unit):
    """Real-valued units, normal with a mean and a standard deviation sigma.

    A unit's own energy is ``(v - a)**2 / (2 sigma**2)``, and its interaction ``-(v / sigma) W h``: given the
    hidden units it has the mean ``a + sigma W h``. (Elsewhere the interaction is ``-(v / sigma**2) W' h``:
    with ``W' = sigma W`` that is the same model.) Energies and likelihoods are of v as the data have it: log
    Z is an integral over v, and likelihoods are densities per unit of the data.

    The library computes with ``v / sigma``, of learned sigma with what the data's means and deviations make
    of v. In products, such states count as the nearest multiples of `grid`: their sums with the fixed-point
    weights are exact, so that everything has the same bits on every machine, with any number of threads.
    Energies take states as they are.

    Parameters
    ----------
    sigma : float, array_like (n_units,) or "learned", default 1.0
        Standard deviations, above 0. With 1 scale every feature to mean 0 and variance 1 before learning;
        `rbmfast.train` warns of columns that are not. "learned" begins with those of the data, whatever their
        scale, and is the parameter ``visible.log_sigma``, whose rate is a tenth of that of the weights; it
        stays within a factor of 1000 of the data's. Only 1 in hidden layers: another one is a factor of W.
    grid : float or None, default 2**-11
        A power of two from 2**-16 to 2**-11, in standard deviations. States may be 2**44 times as large.
        None for float32 matrix products of NumPy's: results differ in their last bits between machines and
        numbers of threads, and are faster only on CPUs without AVX-512,
        by a fifth with AVX2.

    Raises
    ------
    TypeError, ValueError
        Another sigma or grid.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> x = np.array([[0.0, 2.0]], np.float32)
    >>> rf.Gaussian().log_normalizer(x, bias=np.zeros(2, np.float32))  # 2**2 / 2 + log(2 pi)
    array([3.83787707])
    >>> rbm = rf.RBM.from_arrays([[0.5]], a=[10.0], b=[0.0], visible=rf.Gaussian(sigma=4.0))
    >>> rbm.visible_probabilities([[1]])                               # means: 10 + 4 * 0.5
    array([[12.]], dtype=float32)
    """

    sigma: float | tuple[float, ...] | str = 1.0
    grid: float | None = GRID
    center: tuple[float, ...] = ()  # of the data that units of learned sigma began with: means and deviations
    spread: tuple[float, ...] = ()
    log_sigma: F32 | None = field(default=None, compare=False)

    name: ClassVar[str] = "gaussian"
    activation: ClassVar[str | None] = "linear"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", _check_sigma(self.sigma))
        object.__setattr__(self, "center", tuple(self.center))
        object.__setattr__(self, "spread", tuple(self.spread))
        if self.grid is None:
            return
        grid = check_number(self.grid, "grid", above=0.0)
        if not (LEAST_GRID <= grid <= GRID and math.frexp(grid)[0] == 0.5):
            raise ValueError(f"grid must be a power of two from 2**-16 to 2**-11, or None, got {grid:g}")
        object.__setattr__(self, "grid", grid)

    # --- The layer: its sigma ----------------------------------------------------------------------------

    @property
    def is_learned(self) -> bool:
        """Whether sigma is."""
        return self.sigma == LEARNED

    def describe(self) -> JSON:
        """The name alone, or a mapping of what is not the default."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name in KEPT}
        other = {f.name: own[f.name] for f in fields(self) if f.name in KEPT and own[f.name] != f.default}
        lists = {key: list(x) if isinstance(x, tuple) else x for key, x in other.items()}
        return {"unit": self.name, **lists} if lists else self.name

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Gaussian:
        """The units that `describe` described."""
        return cls(**{name: description[name] for name in KEPT if name in description})

    def __repr__(self) -> str:
        own = [f"{name}={getattr(self, name)!r}" for name in KEPT[:2]]
        own = [one for one, default in zip(own, ("sigma=1.0", f"grid={GRID}"), strict=True) if one != default]
        return f"{type(self).__name__}({', '.join(own)})"

    def check_size(self, n_units: int, name: str) -> None:
        """As many as there are in an array of sigmas."""
        if isinstance(self.sigma, tuple) and len(self.sigma) != n_units:
            raise ValueError(f"{name} must be {len(self.sigma)}, one for each of sigma, got {n_units}")

    def check_hidden(self) -> None:
        """Only with sigma = 1."""
        if self.sigma != 1.0:
            raise ValueError(
                "hidden Gaussian units must have sigma=1: another one is a factor of the weights"
            )

    def of_size(self, n_units: int) -> Gaussian:
        """With a sigma for each unit, where it is learned."""
        if not self.is_learned or self.log_sigma is not None:
            return self
        return replace(self, log_sigma=_log(self.spread, n_units))

    def part(self, start: int, stop: int) -> Gaussian:
        """The same units with their part of the numbers."""
        cut: dict[str, Any] = {"center": self.center[start:stop], "spread": self.spread[start:stop]}
        if isinstance(self.sigma, tuple):
            cut["sigma"] = self.sigma[start:stop]
        if self.log_sigma is not None:
            cut["log_sigma"] = self.log_sigma[start:stop]
        return replace(self, **cut)

    def parameters(self) -> dict[str, F32]:
        """The logarithm of a learned sigma."""
        return {} if self.log_sigma is None else {"log_sigma": self.log_sigma}

    def parameter_rates(self) -> dict[str, float]:
        """A tenth, for a learned sigma: it is what all rows say together."""
        return {} if self.log_sigma is None else {"log_sigma": 0.1}

    def with_parameters(self, arrays: Mapping[str, F32]) -> Gaussian:
        """With another sigma."""
        return replace(self, log_sigma=arrays["log_sigma"]) if self.is_learned else self

    @property
    def begins_with_data(self) -> bool:
        """Whether sigma is learned and has seen none yet."""
        return self.is_learned and not self.center

    def begun(self, rows: Rows) -> Gaussian:
        """With the means and the deviations of data as users have them; 1 for those of constant columns."""
        if not self.begins_with_data:
            return self
        mean, deviation = moments(rows)
        deviation = np.where(deviation > ROUNDING * np.abs(mean), deviation, 1.0)
        new = replace(self, center=tuple(mean.tolist()), spread=tuple(deviation.tolist()), log_sigma=None)
        return new.of_size(rows.n_features)

    def affine(self, n_units: int) -> Affine | None:
        """States are shown as multiples of sigma, or of the data's deviations."""
        if self.is_learned:
            mean = np.array(self.center or np.zeros(n_units))
            deviation = np.array(self.spread or np.ones(n_units))
            rho = self._rho
            return Affine.of_normal(mean, deviation, np.ones(n_units) if rho is None else rho)
        if self.sigma == 1.0:
            return None
        return Affine.of_normal(np.zeros(n_units), np.ones(n_units) * np.array(self.sigma), np.ones(n_units))

    @property
    def normal_in_steps(self) -> bool:
        """Unless sigma is learned, the grid another one, or the units are not quite these."""
        return type(self) is Gaussian and self.grid == GRID and not self.is_learned

    @property
    def _rho(self) -> F64 | None:
        """Standard deviations of the states that are computed with; None if all are 1."""
        if self.log_sigma is None:
            return None
        log = np.clip(self.log_sigma - _log(self.spread, len(self.log_sigma)), -LIMIT, LIMIT)
        if not log.any():
            return None
        shrunk = exp_negative(log).astype(np.float64)
        return np.where(log < 0, shrunk, 1 / shrunk)

    # --- Given total inputs ------------------------------------------------------------------------------

    def mean(self, x: F32) -> F32:
        """The total inputs themselves; of a learned sigma times its square, in the data's deviations."""
        rho = self._rho
        return x.copy() if rho is None else (rho * rho * x).astype(np.float32)

    mode = mean

    def mean_float64(self, x: F64) -> F64:
        """The same in float64."""
        rho = self._rho
        return x if rho is None else rho * rho * x

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> F32:
        """The mean plus a normal number."""
        return self._noisy(x, standard_normal(uniform))

    def sample(self, x: F32, stream: Stream) -> F32:
        """The same in one pass of the engine."""
        if self._rho is None:
            return engine.add_normal(x, *stream)
        return self._noisy(x, engine.add_normal(np.zeros_like(x), *stream))

    def _noisy(self, x: F32, normal: F32) -> F32:
        rho = self._rho
        noisy: F32 = x + normal if rho is None else (rho * (rho * x + normal)).astype(np.float32)
        return noisy

    def parameter_gradient(self, states: States, bias: F32) -> dict[str, F32]:
        """Of log_sigma: squares of states in units of it, less what their own energy has of the bias."""
        if self.log_sigma is None:
            return {}
        rho = 1.0 if self._rho is None else self._rho
        gradient: F64 = (states / rho) ** 2 - (rho * bias) ** 2
        return {"log_sigma": gradient.astype(np.float32)}

    def mean_parameter_gradient(self, x: F32, bias: F32) -> dict[str, F32]:
        """The mean of that, given total inputs."""
        if self.log_sigma is None:
            return {}
        rho = 1.0 if self._rho is None else self._rho
        gradient: F64 = 1 + (rho * x) ** 2 - (rho * bias.astype(np.float64)) ** 2
        return {"log_sigma": gradient.astype(np.float32)}

    def are_normal(self, n_units: int) -> NDArray[np.bool_]:
        """All of them, if sigma is not one that is learned."""
        return np.full(n_units, self._rho is None)

    def nodes(self, low: int, high: int) -> tuple[F32, F64]:
        """At even distances: sums of densities that are smooth everywhere err by exp(-2 (pi / 0.75)**2)."""
        rho = self._rho
        step = NODE_STEP * (1.0 if rho is None else min(1.0, float(rho.min())))
        nodes = np.arange(low, high + step, step).astype(np.float32)
        return nodes, np.full(len(nodes), step)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums of (x**2 - bias**2) / 2 + log(2 pi) / 2."""
        return self.log_normalizer_float64(x.astype(np.float64), bias.astype(np.float64))

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Sums of rho**2 (x**2 - bias**2) / 2 + log(rho) + log(2 pi) / 2, rho being the deviation."""
        constant, rho = x.shape[1] * HALF_LOG_2_PI, self._rho
        products = (x - bias) * (x + bias)
        if rho is not None:
            products *= rho * rho
            constant += math.fsum(np.log(rho))
        total: F64 = row_sums(products) / 2 + constant
        return total

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of (s - bias)**2 / 2; of another deviation, of (s / rho - rho bias)**2 / 2."""
        rho = 1.0 if self._rho is None else self._rho
        distance = states.astype(np.float64) / rho - rho * bias
        total: F64 = row_sums(distance * distance) / 2
        return total

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """The features' means, and the bias that gives them."""
        mean = means(rows).astype(np.float32)
        return self.bias_from_means(mean), mean

    def doubts(self, rows: Rows, first_unit: int = 0) -> str | None:
        """Columns far from mean 0 and variance 1, constant ones aside; none where sigma is learned."""
        if rows.n_rows < FEW or self.is_learned:
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
            "them, as sklearn.preprocessing.StandardScaler does, or let units learn it by "
            'rf.Gaussian(sigma="learned"), '
            "or the model will be poor"
        )

    def bias_from_means(self, means: F32) -> F32:
        """The means themselves; of another deviation, over its square."""
        rho = self._rho
        return means.copy() if rho is None else (means / (rho * rho)).astype(np.float32)


HALF_LOG_2_PI = 0.9189385332046727


def _check_sigma(sigma: object) -> float | tuple[float, ...] | str:
    """A standard deviation, one for each unit, or that they are learned."""
    allowed = f'sigma must be a number above 0, one for each unit, or "{LEARNED}"'
    if isinstance(sigma, str):
        if sigma != LEARNED:
            raise ValueError(f"{allowed}, got {sigma!r}")
        return sigma
    try:
        array = np.asarray(sigma)
    except ValueError:  # lists of several lengths
        raise TypeError(f"{allowed}, got {sigma!r}") from None
    if array.ndim == 0:
        return _in_range(check_number(sigma, "sigma", above=0.0))
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "fiu":
        raise TypeError(f"{allowed}, got an array of shape {array.shape} and dtype {array.dtype}")
    return tuple(_in_range(check_number(float(one), "each sigma", above=0.0)) for one in array)


def _in_range(sigma: float) -> float:
    """A sigma whose inverse, and the square of either, float32 can tell."""
    if not 1 / MAX_SIGMA <= sigma <= MAX_SIGMA:
        raise ValueError(f"sigma must be from {1 / MAX_SIGMA:g} to {MAX_SIGMA:g}, got {sigma:g}")
    return sigma


def _log(spread: tuple[float, ...], n_units: int) -> F32:
    """Logarithms of the data's deviations."""
    return engine.log(np.array(spread, np.float32)) if spread else np.zeros(n_units, np.float32)


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
