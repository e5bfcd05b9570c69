"""A likelihood that errs on the low side: of the annealing itself, taken as a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.checks import SeedLike, check_integer, check_model, check_seed
from rbmfast.likelihood.annealing import make_schedule
from rbmfast.likelihood.normal import check_finite_log_z
from rbmfast.likelihood.result import log_mean_exp
from rbmfast.models import RBM
from rbmfast.models.base import BLOCK_BYTES
from rbmfast.models.base_rates import make_path
from rbmfast.runtime import check_fits_memory
from rbmfast.streams import MAX_ROW, Purpose, Stream
from rbmfast.units.base import F64


def conservative_log_likelihood(
    rbm: RBM,
    X: Any,
    *,
    n_chains: int = 10,
    n_temperatures: int = 1000,
    base: ArrayLike | str | None = None,
    schedule: str | ArrayLike = "linear",
    seed: SeedLike = None,
) -> F64:
    """Log-likelihoods by the reverse annealing importance sampling estimator (RAISE), too low on average.

    Where `log_likelihood` with an estimated log Z errs on the high side, this errs on the low one: it is the
    log-likelihood of another model, the one that draws from independent units and anneals as AIS does, and
    approaches that of the RBM as the temperatures become many. Each row sends chains back to independent
    units; no log Z, and no samples of the model, are needed.

    Parameters
    ----------
    rbm : RBM
        The model.
    X : (n_rows, n_visible)
        Visible states; no grey levels.
    n_chains : int, default 10
        Chains from each row.
    n_temperatures : int, default 1000
        Gibbs steps of each.
    base, schedule, seed
        As for `rbmfast.log_partition`.

    Returns
    -------
    float64 array (n_rows,)
        Nats. The mean over rows of test data is the estimate; single rows may err either way.

    Raises
    ------
    TypeError, ValueError
        Bad data or arguments, or a model without log Z (see `rbmfast.log_partition`).

    References
    ----------
    Burda, Grosse & Salakhutdinov, "Accurate and conservative estimates of MRF log-likelihood using reverse
    annealing", AISTATS 2015, algorithm 1.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> rf.conservative_log_likelihood(rbm, [[0, 0], [1, 0]], n_temperatures=100, seed=1).round(1)
    array([-1.7, -1.2])
    """
    check_model(rbm, RBM, "rbm")
    check_finite_log_z(rbm)
    rows = rbm.visible.rows_of_states(X, rbm.n_visible)
    n_chains = check_integer(n_chains, "n_chains", low=1, high=MAX_ROW // rows.n_rows)
    n_temperatures = check_integer(n_temperatures, "n_temperatures", low=1)
    check_fits_memory(16 * n_temperatures + 8 * rows.n_rows, f"n_temperatures={n_temperatures}")
    key = check_seed(seed)
    path = make_path(rbm, base)
    betas = make_schedule(schedule, n_temperatures, path, key)
    stream = Stream(key, Purpose.CONSERVATIVE)
    back = np.concatenate([betas[-1:], betas[::-1]])  # the first step is one of the model itself

    estimates = np.empty(rows.n_rows)
    size = max(1, BLOCK_BYTES // (n_chains * 4 * (rbm.n_visible + rbm.n_hidden)))
    for first, block in rows.blocks(size):
        v = np.repeat(block, n_chains, axis=0)
        _, gained = path.anneal(v, np.zeros(len(v)), back, stream.from_row(first * n_chains))
        for i, chains in enumerate(gained.reshape(len(block), n_chains)):
            estimates[first + i] = log_mean_exp(chains)[0]
    return estimates - rbm._free_energy(rows) - path.log_z0()
