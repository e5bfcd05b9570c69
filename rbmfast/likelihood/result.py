"""What an estimate of log Z consists of, and how log-weights of chains make one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from rbmfast.reference import F64, States

Z95 = 1.959964  # standard errors on either side of a 95 % interval of a normal distribution


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number with its uncertainty, in nats: `value`, its `stderr`, and a 95 % interval."""

    value: float
    stderr: float
    lower: float
    upper: float

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return in_figures(self.value, self.stderr, (self.lower, self.upper))


@dataclass(frozen=True, eq=False)
class LogPartition(Estimate):
    """The logarithm of a partition function, with its uncertainty; ``float(z)`` is `value`.

    ``str(z)`` is what a paper says: ``16.134 (exact)``, or ``85.01 ± 0.03 [84.95, 85.07]``.

    Attributes
    ----------
    value : float
        log Z in nats.
    stderr : float
        Standard error; 0 where the value is exact, infinite where chains stood still.
    lower, upper : float
        A 95 % interval for log Z, wider where the log-weights spread widely; of "bracket" the hull of the
        intervals of both directions. Both are `value` where that is exact. Where chains stood still, "ais"
        knows the lower end only, "reverse_ais" the upper one; the other is infinite.
    method : str
        How it was found.
    ess : float
        Effective number of chains, (sum w)^2 / sum w^2 of their weights w: how many carry the estimate.
    log_weights : float64 array (n_chains,) or None
        What each chain says of log Z.
    samples : array (n_chains, n_visible) or None
        Visible states in which the chains ended: of "ais", samples of the model as good as the annealing.
    parts : tuple of LogPartition
        Of "bracket": the forward and the reverse estimate.
    warning : str
        Why not to trust this, or empty.
    """

    method: str
    ess: float = math.inf
    log_weights: F64 | None = field(default=None, repr=False)
    samples: States | None = field(default=None, repr=False)
    parts: tuple[LogPartition, ...] = field(default=(), repr=False)
    warning: str = ""

    def __str__(self) -> str:
        return in_figures(self.value, self.stderr, (self.lower, self.upper), exactly=self.method)


def in_figures(value: float, stderr: float, interval: tuple[float, float], exactly: str = "exact") -> str:
    """A number in text: its decimals end with the first digit of the standard error (second, after a 1).

    `exactly` says how a number without an error was found.

    Examples
    --------
    >>> in_figures(-85.0123, 0.0312, (-85.0735, -84.9511))
    '-85.01 ± 0.03 [-85.07, -84.95]'
    >>> in_figures(16.13386, 0.0, (16.13386, 16.13386))
    '16.134 (exact)'
    """
    if stderr == 0:
        return f"{value:.3f} ({exactly})"
    decimals = 3
    if 0 < stderr < math.inf:
        exponent = math.floor(math.log10(float(f"{stderr:.1e}")))
        decimals = max(0, (stderr / 10.0**exponent < 1.95) - exponent)
    low, high = (f"{end:.{decimals}f}" for end in interval)
    return f"{value:.{decimals}f} ± {stderr:.{decimals}f} [{low}, {high}]"


def stderr_of_mean(each: F64) -> float:
    """Of the mean of independent numbers."""
    return float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else math.inf


def log_mean_exp(x: F64) -> tuple[float, float, float]:
    """Logarithm of the mean of ``exp(x)``, its standard error (delta method), and the effective sample size.

    The mean is formed of the numbers, not of their logarithms, which would be too small.
    """
    top = float(x.max())
    w = np.exp(x - top)
    mean, squares = math.fsum(w) / len(w), math.fsum(w * w)
    ess = (mean * len(w)) ** 2 / squares
    spread = math.sqrt(max(1 / ess - 1 / len(w), 0.0) * len(w) / max(len(w) - 1, 1))
    return top + math.log(mean), spread if len(w) > 1 else math.inf, ess


def acceptance_ratio(up: F64, down: F64) -> tuple[float, float, F64]:
    """Bennett's estimate of log(Z1 / Z0) from samples of both models: the best there is where they overlap.

    Parameters
    ----------
    up, down : float64 arrays (..., n_columns)
        Log-ratios of the unnormalised weights, model 1 to model 0, of samples of model 0 and of samples of
        model 1.

    Returns
    -------
    value, stderr : float
        In nats; the standard error if all samples are independent.
    pulls : float64 array (n_columns,)
        How far each column of samples moves `value`, to first order; of equal numbers of columns only.

    References
    ----------
    Bennett, "Efficient estimation of free energy differences from Monte Carlo data", J. Comput. Phys. 22
    (1976), 245; in the form of Shirts et al., Phys. Rev. Lett. 91 (2003), 140601, eq. 8 and 10.
    """
    from scipy.optimize import brentq

    odds = math.log(up.size / down.size)

    def terms(log_z: float) -> tuple[F64, F64]:
        return expit(up - log_z - odds), expit(log_z + odds - down)

    def excess(log_z: float) -> float:
        above, below = terms(log_z)
        return float(above.sum() - below.sum())

    ends = min(up.min(), down.min()) - abs(odds) - 1.0, max(up.max(), down.max()) + abs(odds) + 1.0
    value = brentq(excess, *ends, xtol=1e-10)
    above, below = terms(value)
    known = float((above * (1 - above)).sum() + (below * (1 - below)).sum())
    if known == 0:  # no overlap at all
        return value, math.inf, np.full(up.shape[-1], math.inf)
    variance = 1 / known - 1 / up.size - 1 / down.size
    pulls = (_columns(above) - _columns(below)) / known if up.shape[-1] == down.shape[-1] else np.zeros(0)
    return value, math.sqrt(max(variance, 0.0)), pulls


def _columns(x: F64) -> F64:
    total: F64 = x.reshape(-1, x.shape[-1]).sum(axis=0)
    return total
