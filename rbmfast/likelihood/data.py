"""Log-likelihoods of data: given log Z, or erring on the low side without one; bounds for deep networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_model, check_seed
from rbmfast.data import Rows, computed_rows
from rbmfast.likelihood.annealing import make_schedule
from rbmfast.likelihood.enumeration import check_finite_log_z, has_exact_log_z
from rbmfast.likelihood.partition import log_partition
from rbmfast.likelihood.result import Z95, Estimate, LogPartition, log_mean_exp, stderr_of_mean
from rbmfast.models import DBM, DBN, RBM, BoltzmannMachine, ConditionalRBM
from rbmfast.models.base import BLOCK_BYTES
from rbmfast.models.base_rates import make_path
from rbmfast.models.conditionals import Conditional, row_dot
from rbmfast.models.dbm import STEPS
from rbmfast.models.path import Path
from rbmfast.reference import F64, GREY, States, row_sums
from rbmfast.runtime import check_fits_memory
from rbmfast.states import join
from rbmfast.streams import MAX_ROW, Purpose, Stream
from rbmfast.units import Pooled


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


@dataclass(frozen=True)
class LogLikelihoodBound(MeanLogLikelihood):
    """A lower bound on the mean log-likelihood of data, with its uncertainty; ``float(bound)`` is `value`.

    Attributes
    ----------
    value : float
        The variational bound in nats per row: on average over the recognition's samples not above the mean
        log-likelihood.
    stderr : float
        Standard error, of log Z and of the recognition's samples.
    lower, upper : float
        A 95 % interval for the bound, from that of log Z and from the samples.
    data_stderr, n_rows
        As of `MeanLogLikelihood`.
    tighter : float
        The bound from `n_samples` weighted samples a row: between `value` and the log-likelihood.
    n_samples : int
        Samples of the hidden layers of each row.
    each : float64 array (n_rows,)
        The terms whose mean `value` is.
    """

    tighter: float
    n_samples: int
    each: F64


def log_likelihood(
    rbm: RBM | BoltzmannMachine | ConditionalRBM,
    X: Any,
    log_z: LogPartition | float | None = None,
    *,
    context: Any = None,
) -> F64:
    """Log-likelihoods log p(v) = -F(v) - log Z of rows of data.

    Parameters
    ----------
    rbm : RBM, BoltzmannMachine or ConditionalRBM
        The model; a machine, or a conditional RBM, with at most 2**20 hidden states.
    X : (n_rows, n_visible)
        Visible states. Grey levels are refused: they are no states of the model and have no probability.
        Missing entries are summed out: the likelihood is that of the known ones (see `RBM.free_energy`); a
        `BoltzmannMachine` takes none.
    log_z : LogPartition or float, optional
        log Z; found by `log_partition` if not given: exactly, or where that cannot be along what
        `rbmfast.PTT` has left the model. Not of a conditional RBM, which has another in every context.
    context : (n_rows, n_context), optional
        Of a conditional RBM: what is given with each row. log p(v | c) is `ConditionalRBM.log_likelihood`.

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
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> rf.log_likelihood(rbm, [[0, 0], [1, 0]]).round(4)
    array([-1.7461, -1.1579])
    >>> crbm = rf.ConditionalRBM(2, 3, n_context=1, seed=0)
    >>> all_four = rf.log_likelihood(crbm, [[0, 0], [0, 1], [1, 0], [1, 1]], context=[[1]] * 4)
    >>> float(np.exp(all_four).sum().round(4))
    1.0
    """
    return _log_likelihood(rbm, X, log_z, context)[0]


def mean_log_likelihood(
    rbm: RBM | BoltzmannMachine | ConditionalRBM,
    X: Any,
    log_z: LogPartition | float | None = None,
    *,
    context: Any = None,
) -> MeanLogLikelihood:
    """The mean of `log_likelihood` over rows of data, with the uncertainty of log Z carried through.

    Parameters
    ----------
    rbm, X, log_z, context
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
    each, z = _log_likelihood(rbm, X, log_z, context)
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


def _log_likelihood(
    rbm: RBM | BoltzmannMachine | ConditionalRBM, X: Any, log_z: LogPartition | float | None, context: Any
) -> tuple[F64, LogPartition]:
    check_model(rbm, (RBM, BoltzmannMachine, ConditionalRBM), "rbm")
    if isinstance(rbm, ConditionalRBM):
        if log_z is not None:
            raise TypeError(f"log_z must be None: {rbm!r} has another in every context")
        if context is None:
            raise TypeError(f"context must be given for {rbm!r}: a row for each of X")
        return rbm.log_likelihood(X, context), LogPartition(0.0, 0.0, 0.0, 0.0, "exact")
    if context is not None:
        raise TypeError(f"context is what an rf.ConditionalRBM is given, got one for {rbm!r}")
    rows = rbm.visible.rows_of_states(X, rbm.n_visible, may_miss=isinstance(rbm, RBM))
    z = _check_log_z(log_z, rbm)
    return -rbm.free_energy(rows) - z.value, z


def _check_log_z(log_z: object, rbm: RBM | BoltzmannMachine) -> LogPartition:
    """Log Z as it was given: an estimate, a number that counts as exact, or None for the exact one.

    What cannot be exact is found along the model's trajectory, if it has one.
    """
    if log_z is None:
        along = rbm.trajectory is not None and not has_exact_log_z(rbm)
        return log_partition(rbm, "trajectory", seed=0) if along else log_partition(rbm)
    numbers = (int, float, np.floating, np.integer)
    if isinstance(log_z, (bool, np.bool_)) or not isinstance(log_z, (LogPartition, *numbers)):
        raise TypeError(f"log_z must be a LogPartition or a number, got {log_z!r}")
    if not isinstance(log_z, LogPartition):
        log_z = LogPartition(float(log_z), 0.0, float(log_z), float(log_z), "given")
    if not math.isfinite(log_z.value):
        raise ValueError(f"log_z must be finite, got {log_z.value}")
    return log_z


# --- Without log Z ---------------------------------------------------------------------------------------


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
    Burda, Grosse & Salakhutdinov 2015 (see `rbmfast.log_partition`), algorithm 1.

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
    size = 16 * n_temperatures + 8 * rows.n_rows * n_chains
    check_fits_memory(size, f"n_temperatures={n_temperatures}")
    key = check_seed(seed)
    path: Path = make_path(rbm, base)
    betas = make_schedule(schedule, n_temperatures, path, key)
    back = np.concatenate([betas[-1:], betas[::-1]])  # the first step is one of the model itself

    def weigh(v: States, stream: Stream) -> F64:
        return path.anneal(v, np.zeros(len(v)), back, stream)[1]

    stream = Stream(key, Purpose.CONSERVATIVE)
    log_weights = _log_weights(rows, n_chains, rbm.n_visible + rbm.n_hidden, stream, weigh)
    estimates = np.array([log_mean_exp(chains)[0] for chains in log_weights])
    return estimates - rbm._free_energy(rows) - path.log_z0()


def _log_weights(
    rows: Rows, n: int, n_units: int, stream: Stream, weigh: Callable[[States, Stream], F64]
) -> F64:
    """What `weigh` says of n samples of each row: (n_rows, n)."""
    log_weights = np.empty((rows.n_rows, n))
    for first, block in rows.blocks(max(1, BLOCK_BYTES // (8 * n * n_units))):
        found = weigh(np.repeat(block, n, axis=0), stream.from_row(first * n))
        log_weights[first : first + len(block)] = found.reshape(len(block), n)
    return log_weights


# --- Deep networks ---------------------------------------------------------------------------------------


def log_likelihood_bound(
    dbn: DBN | DBM,
    X: Any,
    log_z: LogPartition | float | None = None,
    *,
    n_samples: int = 10,
    seed: SeedLike = None,
) -> LogLikelihoodBound:
    """A lower bound on the mean log-likelihood of rows of data under a deep model.

    With hidden states h drawn from an approximation q(h | v) to their distribution,

        log p(v) >= E_q [log p(v, h) - log q(h | v)]

    In a deep belief network h are all layers but the top one, q is the recognition, and the top RBM, its own
    hidden units (and labels) summed out, gives the probability of the layer below it. Terms of the
    expectation are drawn; their mean is unbiased. In a deep Boltzmann machine q is the mean field, and the
    expectation has a formula (`DBM.free_energy`). In both, several samples a row, weighted, give a tighter
    bound (`LogLikelihoodBound.tighter`): in a deep Boltzmann machine of the even hidden layers, the odd ones
    summed out.

    Parameters
    ----------
    dbn : DBN or DBM
        The model.
    X : (n_rows, n_visible)
        Visible states; no grey levels.
    log_z : LogPartition or float, optional
        log Z of the top RBM, as from ``rf.log_partition(dbn.top, ...)``, or of the deep Boltzmann machine,
        ``rf.log_partition(dbm, ...)``; found exactly if not given.
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
        Bad data or arguments, or a model that is too large for an exact log Z.

    References
    ----------
    Hinton, Osindero & Teh 2006 (see `rbmfast.DBN`), section 4; Salakhutdinov & Murray 2008 (see
    `rbmfast.log_partition`), section 4.2; Salakhutdinov & Hinton 2009 (see `rbmfast.DBM`), equation 5;
    weighted samples: Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, equation
    8.

    Examples
    --------
    >>> import rbmfast as rf
    >>> dbn = rf.DBN([6, 4, 3], seed=0)
    >>> bound = rf.log_likelihood_bound(dbn, [[0, 1, 0, 1, 1, 0]], seed=1)
    >>> bound.value <= bound.tighter, round(bound.tighter, 1)       # 2**6 states, nearly equally probable
    (True, -4.2)
    """
    if not isinstance(dbn, DBN | DBM):
        raise TypeError(f"dbn must be an rf.DBN or an rf.DBM, got {type(dbn).__name__}")
    rows = dbn.visible.rows_of_states(X, dbn.n_visible)
    n_samples = check_integer(n_samples, "n_samples", low=1, high=(MAX_ROW + 1) // rows.n_rows)
    key = check_seed(seed)
    z = _check_log_z(log_z, dbn.top if isinstance(dbn, DBN) else dbn.bipartite)
    sample: Callable[..., F64] = _sample_and_weigh if isinstance(dbn, DBN) else _sample_mean_field
    weigh = partial(sample, dbn)
    stream = Stream(key, Purpose.BOUND)
    log_weights = _log_weights(rows, n_samples, sum(dbn.sizes), stream, weigh)
    n_rows = rows.n_rows
    each = log_weights.mean(axis=1) - z.value
    spread = log_weights.var(axis=1, ddof=1).sum() / n_samples if n_samples > 1 else math.inf
    if isinstance(dbn, DBM):  # that has a formula
        each, spread = -dbn.free_energy(rows) - z.value, 0.0
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


def _sample_and_weigh(dbn: DBN, v: States, stream: Stream) -> F64:
    """Samples of log p*(v, h) - log q(h | v), the top RBM's p* not normalised: (n_rows,)."""
    total = np.zeros(len(v))
    states = v
    for layer in range(len(dbn) - 1):
        up, down = dbn.recognition[layer]._up, dbn.generative[layer]._down
        h = up.sample(states, stream.on(layer + 1))
        total += _log_probability(down, h, states) - _log_probability(up, states, h)
        states = h
        if isinstance(up.target, Pooled) and dbn._pools(layer):
            states = up.target.pooled(h)
            total -= 2 * math.log(up.target.pool) * states.sum(axis=1)  # of a block that is on any unit is
    volume = dbn.generative[0]._log_volume - dbn.top._log_volume  # of densities of rows as users see them
    return total + _top_log_weight(dbn, states) - volume


def _sample_mean_field(dbm: DBM, v: States, stream: Stream) -> F64:
    """The same of the even hidden layers, from the mean field; the odd ones are summed out: (n_rows,)."""
    rbm = dbm.bipartite
    means = rbm._mean_field(rbm._conditionals(stream), v, STEPS)
    uniform = engine.uniform_u32(len(v), means.shape[1], *stream)
    h = (uniform < means * np.uint64(GREY + 2)) | (means == GREY)
    p = means / np.float32(GREY)
    states = join(v, h.view(np.uint8))
    energies = rbm._free_energy(computed_rows(states.shape, states.dtype, states.__getitem__))
    log_q: F64 = row_sums(engine.log(np.where(h, p, 1 - p)).astype(np.float64))
    return -rbm._shown_energies(energies) - log_q


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
