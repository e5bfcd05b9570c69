"""Bennett's acceptance ratio: what two models' partition functions have to each other, by samples of both."""

from __future__ import annotations

import math

import numpy as np

from rbmfast.reference import F64


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
    from scipy.special import expit

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


CIRCLES = 20  # RBMK_CIRCLES of the engine


def circles(n: int) -> int:
    """Into how many circles n chains are divided: equal ones, of 5 chains at least; one instead of a few."""
    return next((many for many in range(min(CIRCLES, n // 5), 7, -1) if n % many == 0), 1)


def stderr_of(pulls: F64) -> float:
    """Of what chains have pulled so far: all ratios that make it up, summed, (n_chains,).

    A chain's states depend on each other, and on those of its circle, with which it shares samples: those of
    different circles do not. Where there is one alone, its chains have to pass for independent.
    """
    apart = circles(len(pulls))
    pulls = pulls.reshape(-1, apart).sum(axis=0) if apart > 1 else pulls
    n = len(pulls)
    return math.sqrt(math.fsum(pulls**2) * n / (n - 1)) if n > 1 else math.inf


def _columns(x: F64) -> F64:
    total: F64 = x.reshape(-1, x.shape[-1]).sum(axis=0)
    return total
