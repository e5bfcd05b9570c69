"""A lower bound on the log-likelihood of a deep belief network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from rbmfast.checks import SeedLike, check_integer, check_model, check_seed
from rbmfast.data import computed_rows
from rbmfast.likelihood.partition import log_partition
from rbmfast.likelihood.result import (
    Z95,
    Estimate,
    LogPartition,
    as_log_partition,
    log_mean_exp,
    stderr_of_mean,
)
from rbmfast.models import DBN
from rbmfast.models.base import BLOCK_BYTES
from rbmfast.models.conditionals import Conditional, row_dot
from rbmfast.reference import States
from rbmfast.streams import MAX_ROW, Purpose, Stream
from rbmfast.units.base import F64


@dataclass(frozen=True)
class LogLikelihoodBound(Estimate):
    """A lower bound on the mean log-likelihood of data, with its uncertainty; ``float(bound)`` is `value`.

    ``str(bound)`` is what a paper says: ``-85.01 ± 0.03 [-85.07, -84.95]``.

    Attributes
    ----------
    value : float
        The variational bound in nats per row: on average over the recognition's samples not above the mean
        log-likelihood.
    stderr : float
        Standard error, of log Z and of the recognition's samples.
    lower, upper : float
        A 95 % interval for the bound, from that of log Z and from the samples.
    tighter : float
        The bound from `n_samples` weighted samples a row: between `value` and the log-likelihood.
    data_stderr : float
        Standard error from there being no more rows: about other data of the same kind.
    n_rows, n_samples : int
        Rows, and samples of the hidden layers of each.
    each : float64 array (n_rows,)
        The terms whose mean `value` is.
    """

    tighter: float
    data_stderr: float
    n_rows: int
    n_samples: int
    each: F64


def log_likelihood_bound(
    dbn: DBN,
    X: Any,
    log_z: LogPartition | float | None = None,
    *,
    n_samples: int = 10,
    seed: SeedLike = None,
) -> LogLikelihoodBound:
    """A lower bound on the mean log-likelihood of rows of data under a deep belief network.

    With hidden states h of all layers but the top one, drawn from the recognition q(h | v),

        log p(v) >= E_q [log p(v, h) - log q(h | v)]

    where the top RBM, its own hidden units (and labels) summed out, gives the probability of the layer below
    it. Terms of the expectation are drawn; their mean is unbiased. Several samples a row, weighted, give a
    tighter bound (`LogLikelihoodBound.tighter`).

    Parameters
    ----------
    dbn : DBN
        The network.
    X : (n_rows, n_visible)
        Visible states; no grey levels.
    log_z : LogPartition or float, optional
        log Z of the top RBM, as from ``rf.log_partition(dbn.top, ...)``; found exactly if not given.
    n_samples : int, default 10
        Samples of the hidden layers of each row.
    seed : int, Generator or None
        Of them.

    Returns
    -------
    LogLikelihoodBound

    Raises
    ------
    TypeError, ValueError
        Bad data or arguments, or a top RBM that is too large for an exact log Z.

    References
    ----------
    Hinton, Osindero & Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18 (2006),
    section 4; Salakhutdinov & Murray, "On the quantitative analysis of deep belief networks", ICML 2008,
    section 4.2; weighted samples: Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders", ICLR
    2016, equation 8.

    Examples
    --------
    >>> import rbmfast as rf
    >>> dbn = rf.DBN([6, 4, 3], seed=0)
    >>> bound = rf.log_likelihood_bound(dbn, [[0, 1, 0, 1, 1, 0]], seed=1)
    >>> bound.value <= bound.tighter, round(bound.tighter, 1)       # 2**6 states, nearly equally probable
    (True, -4.2)
    """
    check_model(dbn, DBN, "dbn")
    rows = dbn.visible.rows_of_states(X, dbn.n_visible)
    n_samples = check_integer(n_samples, "n_samples", low=1, high=(MAX_ROW + 1) // rows.n_rows)
    key = check_seed(seed)
    z = log_partition(dbn.top) if log_z is None else as_log_partition(log_z)

    log_weights = np.empty((rows.n_rows, n_samples))
    size = max(1, BLOCK_BYTES // (8 * n_samples * sum(dbn.sizes)))
    for first, block in rows.blocks(size):
        v = np.repeat(block, n_samples, axis=0)
        drawn = _log_weights(dbn, v, Stream(key, Purpose.BOUND, rows=first * n_samples))
        log_weights[first : first + len(block)] = drawn.reshape(len(block), n_samples)
    return _bound(log_weights, z)


def _log_weights(dbn: DBN, v: States, stream: Stream) -> F64:
    """Samples of log p*(v, h) - log q(h | v), the top RBM's p* not normalised: (n_rows,)."""
    total = np.zeros(len(v))
    stack, states = dbn._stack, v
    for layer in range(len(dbn) - 1):
        up, down = stack.up[layer], stack.down[layer]
        h = up.sample(states, stream.on(layer + 1))
        total += _log_probability(down, h, states) - _log_probability(up, states, h)
        states = h
    return total + _top_log_weight(dbn, states)


def _log_probability(way: Conditional, given: States, states: States) -> F64:
    """Log-probability of states of a pass's target layer, given states of its source: (n_rows,)."""
    x = way.input(given)
    own = -way.target.energy(states, way.bias) - way.target.log_normalizer(x, way.bias)
    logs: F64 = row_dot(x - way.bias, states) + own
    return logs


def _top_log_weight(dbn: DBN, states: States) -> F64:
    """Log of the top RBM's summed weight of states of its visible layer, labels summed out: (n_rows,)."""
    top = dbn.top
    if dbn.n_classes is None:
        energies = top._free_energy(computed_rows(states.shape, states.dtype, states.__getitem__))
    else:
        own = top.features.energy(states, top._parameters.a[: states.shape[1]])
        energies = own - logsumexp(top._class_log_weights(states), axis=1)  # type: ignore[attr-defined]
    return -top._shown_energies(energies)


def _bound(log_weights: F64, z: LogPartition) -> LogLikelihoodBound:
    n_rows, n_samples = log_weights.shape
    each = log_weights.mean(axis=1) - z.value
    spread = log_weights.var(axis=1, ddof=1).sum() / n_samples if n_samples > 1 else math.inf
    drawn = math.sqrt(spread) / n_rows  # standard error of the mean, given the rows
    value = math.fsum(each) / n_rows
    return LogLikelihoodBound(
        value=value,
        stderr=math.hypot(z.stderr, drawn),
        lower=value - math.hypot(z.upper - z.value, Z95 * drawn),
        upper=value + math.hypot(z.value - z.lower, Z95 * drawn),
        tighter=math.fsum(log_mean_exp(row)[0] for row in log_weights) / n_rows - z.value,
        data_stderr=stderr_of_mean(each),
        n_rows=n_rows,
        n_samples=n_samples,
        each=each,
    )
