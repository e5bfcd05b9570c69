"""Log-likelihoods of data, given log Z."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rbmfast.checks import check_model
from rbmfast.likelihood.partition import log_partition
from rbmfast.likelihood.result import Estimate, LogPartition, as_log_partition, stderr_of_mean
from rbmfast.models import RBM
from rbmfast.units.base import F64


@dataclass(frozen=True)
class MeanLogLikelihood(Estimate):
    """The mean log-likelihood of data, with its uncertainty; ``float(mean)`` is `value`.

    ``str(mean)`` is what a paper says: ``-85.01 ± 0.03 [-85.07, -84.95]``.

    Attributes
    ----------
    value : float
        In nats per row.
    stderr : float
        Standard error from log Z; 0 where that is exact.
    lower, upper : float
        The interval that follows from that of log Z.
    data_stderr : float
        Standard error from there being no more rows: about other data of the same kind. (Models compared on
        the same rows share it.)
    n_rows : int
        How many.
    """

    data_stderr: float
    n_rows: int


def log_likelihood(rbm: RBM, X: Any, log_z: LogPartition | float | None = None) -> F64:
    """Log-likelihoods log p(v) = -F(v) - log Z of rows of data.

    Parameters
    ----------
    rbm : RBM
        The model.
    X : (n_rows, n_visible)
        Visible states. Grey levels are refused: they are no states of the model and have no probability.
    log_z : LogPartition or float, optional
        log Z; found exactly by `log_partition` if not given.

    Returns
    -------
    float64 array (n_rows,)
        Nats; log densities for Gaussian units. The free energies are those of the sampler, good to about six
        digits.

    Raises
    ------
    TypeError, ValueError
        Bad data or arguments, or a model that is too large for an exact log Z.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> rf.log_likelihood(rbm, [[0, 0], [1, 0]]).round(4)
    array([-1.7461, -1.1579])
    """
    return _log_likelihood(rbm, X, log_z)[0]


def mean_log_likelihood(rbm: RBM, X: Any, log_z: LogPartition | float | None = None) -> MeanLogLikelihood:
    """The mean of `log_likelihood` over rows of data, with the uncertainty of log Z carried through.

    Parameters
    ----------
    rbm, X, log_z
        As for `log_likelihood`.

    Returns
    -------
    MeanLogLikelihood
        An upper end of log Z is a lower end of this.

    Raises
    ------
    TypeError, ValueError
        As `log_likelihood`.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> z = rf.log_partition(rbm, method="ais", n_chains=100, n_temperatures=100, seed=1)
    >>> mean = rf.mean_log_likelihood(rbm, [[0, 0], [1, 0]], z)
    >>> round(mean.value, 2), mean.lower < -1.452 < mean.upper
    (-1.45, True)
    """
    each, z = _log_likelihood(rbm, X, log_z)
    n = len(each)
    value = math.fsum(each) / n
    return MeanLogLikelihood(
        value=value,
        stderr=z.stderr,
        lower=value + (z.value - z.upper),
        upper=value + (z.value - z.lower),
        data_stderr=stderr_of_mean(each),
        n_rows=n,
    )


def _log_likelihood(rbm: RBM, X: Any, log_z: LogPartition | float | None) -> tuple[F64, LogPartition]:
    check_model(rbm, RBM, "rbm")
    rows = rbm.visible.rows_of_states(X, rbm.n_visible)
    z = log_partition(rbm) if log_z is None else as_log_partition(log_z)
    return -rbm.free_energy(rows) - z.value, z
