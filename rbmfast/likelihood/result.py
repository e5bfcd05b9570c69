"""What an estimate of log Z consists of, and how log-weights of chains make one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

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
