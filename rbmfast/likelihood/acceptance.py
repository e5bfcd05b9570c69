"""The ratio of two partition functions, from samples of both models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rbmfast.units.base import F64


@dataclass(frozen=True, eq=False)
class AcceptanceRatio:
    """Bennett's estimate of log(Z1 / Z0).

    Attributes
    ----------
    value : float
        In nats.
    stderr : float
        Standard error if all samples are independent.
    pulls : float64 array (n_columns,)
        How far each column of samples moves `value`, to first order.
    """

    value: float
    stderr: float
    pulls: F64


def acceptance_ratio(up: F64, down: F64) -> AcceptanceRatio:
    """The best estimate of log(Z1 / Z0) from samples of both models, where 0 and 1 overlap in between.

    Parameters
    ----------
    up, down : float64 arrays (..., n_columns)
        Log-ratios of the unnormalised weights, model 1 to model 0, of samples of model 0 and of samples of
        model 1.

    References
    ----------
    Bennett, "Efficient estimation of free energy differences from Monte Carlo data", J. Comput. Phys. 22
    (1976), 245; in the form of Shirts et al., Phys. Rev. Lett. 91 (2003), 140601, eq. 8 and 10.
    """
    from scipy.optimize import brentq

    odds = math.log(up.size / down.size)

    def excess(log_z: float) -> float:
        return float(expit(up - log_z - odds).sum() - expit(log_z + odds - down).sum())

    ends = min(up.min(), down.min()) - abs(odds) - 1.0, max(up.max(), down.max()) + abs(odds) + 1.0
    value = brentq(excess, *ends, xtol=1e-10)
    above, below = expit(up - value - odds), expit(value + odds - down)
    known = float((above * (1 - above)).sum() + (below * (1 - below)).sum())
    if known == 0:  # no overlap at all
        return AcceptanceRatio(value, math.inf, np.full(up.shape[-1], math.inf))
    variance = 1 / known - 1 / up.size - 1 / down.size
    pulls = (_columns(above) - _columns(below)) / known if up.shape[-1] == down.shape[-1] else np.zeros(0)
    return AcceptanceRatio(value, math.sqrt(max(variance, 0.0)), pulls)


def _columns(x: F64) -> F64:
    total: F64 = x.reshape(-1, x.shape[-1]).sum(axis=0)
    return total
