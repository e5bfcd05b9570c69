"""Have chains mixed? Autocorrelation times, effective sample sizes, and chains that start far apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from rbmfast.checks import SeedLike, check_integer, check_model, check_seed
from rbmfast.data.memory import spans
from rbmfast.models import RBM
from rbmfast.reference import F64, States
from rbmfast.runtime import check_fits_memory
from rbmfast.streams import MAX_ROW, MAX_STEP, Purpose, Stream, shuffled

WINDOW = 5.0  # autocorrelations are summed up to so many autocorrelation times (Sokal's c)
LEAST_TIMES = 10.0  # autocorrelation times that a chain must last for its own to be told
LEAST_SAMPLES = 50.0  # and that all chains must last together
MIXED = 1.1  # R-hat up to which chains count as mixed (BDA3)
FAR = 4.0  # standard errors between groups of chains that no chance explains
LEAST_RECORDED = 8
ROWS_AT_ONCE = 4096  # whose free energies are formed together


# --- Traces ------------------------------------------------------------------------------------------------


def autocorrelations(x: ArrayLike) -> F64:
    """Autocorrelations of a trace at lags 0, 1, ..., averaged over chains, around the common mean of all.

    Parameters
    ----------
    x : array_like (n_steps,) or (n_steps, n_chains)
        Any number that was recorded at every step.

    Returns
    -------
    float64 array (n_steps,)
        1 at lag 0. Noisy at lags beyond some tenth of the steps.

    Raises
    ------
    ValueError
        Not 1-D or 2-D, not finite, constant, or shorter than 4 steps.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.likelihood import autocorrelations
    >>> x = np.random.default_rng(0).normal(size=10_000)
    >>> autocorrelations(np.repeat(x, 2))[:4].round(1) + 0.0
    array([1. , 0.5, 0. , 0. ])
    """
    trace = _check_trace(x)
    n, n_chains = trace.shape
    mean = trace.mean()
    size = fft.next_fast_len(2 * n, real=True)
    total = np.zeros(n)
    for chain in trace.T:
        spectrum = fft.rfft(chain - mean, size)
        total += fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[:n]
    total /= n_chains * np.arange(n, 0, -1)
    result: F64 = total / total[0]
    return result


def autocorrelation_time(x: ArrayLike) -> float:
    """Integrated autocorrelation time of a trace: so many steps tell as much as one independent sample.

    The sum of the autocorrelations at all lags, 1 + 2 (r_1 + r_2 + ...), cut off at the first lag that is at
    least 5 times the sum so far (Sokal's self-consistent window): beyond, there is mostly noise.

    Parameters
    ----------
    x : array_like (n_steps,) or (n_steps, n_chains)
        As for `autocorrelations`. Several chains are averaged around their common mean, so that chains that
        stay apart are told from chains that mix.

    Returns
    -------
    float
        In steps, at least 1 (of chains that alternate, which is less, too).

    Raises
    ------
    ValueError
        As `autocorrelations`; or too short to tell: a chain must last 10 autocorrelation times, and all of
        them together 50.

    References
    ----------
    Sokal, "Monte Carlo methods in statistical mechanics: foundations and new algorithms", in: Functional
    Integration, NATO ASI Series B 361 (1997), 131, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.likelihood import autocorrelation_time
    >>> x = np.random.default_rng(0).normal(size=10_000)
    >>> round(autocorrelation_time(x), 1)
    1.0
    >>> round(autocorrelation_time(np.repeat(x, 10)), 0)       # ten times the same
    10.0
    """
    trace = _check_trace(x)
    time = _time(trace)
    if math.isinf(time):
        raise ValueError(
            f"x must last at least {LEAST_TIMES:g} autocorrelation times, and all chains together "
            f"{LEAST_SAMPLES:g}, to tell; shape {np.shape(x)} is too short: run longer"
        )
    return time


def effective_sample_size(x: ArrayLike) -> float:
    """How many independent samples would tell the mean of a trace as well: all its steps / their time.

    Parameters
    ----------
    x : array_like (n_steps,) or (n_steps, n_chains)
        As for `autocorrelation_time`.

    Returns
    -------
    float
        Of all chains together.

    Raises
    ------
    ValueError
        As `autocorrelation_time`.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.likelihood import effective_sample_size
    >>> x = np.random.default_rng(0).normal(size=10_000)
    >>> bool(900 < effective_sample_size(np.repeat(x, 10)[:10_000]) < 1100)
    True
    """
    return np.size(x) / autocorrelation_time(x)


def split_r_hat(x: ArrayLike) -> float:
    """Potential scale reduction R-hat of split chains: 1 if chains tell the same, more if they differ.

    Every chain is cut into two halves (an odd middle step is left out), so that a single chain that drifts is
    found, too. With the variance W within halves and the variance B of their means this is
    ``sqrt((n - 1) / n + B / W)``, n the length of a half.

    Parameters
    ----------
    x : array_like (n_steps,) or (n_steps, n_chains)
        As for `autocorrelations`.

    Returns
    -------
    float
        Infinite if halves are constant and differ.

    Raises
    ------
    ValueError
        As `autocorrelations`.

    References
    ----------
    Gelman, Carlin, Stern, Dunson, Vehtari & Rubin, "Bayesian data analysis", 3rd edition, 2013, section 11.4.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.likelihood import split_r_hat
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> round(split_r_hat(x), 2)
    1.0
    >>> round(split_r_hat(x + [0, 0, 0, 5]), 1)                # one chain is somewhere else
    2.5
    """
    trace = _check_trace(x)
    n = len(trace) // 2
    halves = np.concatenate([trace[:n], trace[-n:]], axis=1)
    within = float(halves.var(axis=0, ddof=1).mean())
    between = float(halves.mean(axis=0).var(ddof=1))
    return math.sqrt((n - 1) / n + between / within) if within > 0 else math.inf


def _check_trace(x: ArrayLike) -> F64:
    """`x` as (n_steps, n_chains)."""
    trace = np.asarray(x, np.float64)
    if trace.ndim not in (1, 2) or trace.size == 0:
        raise ValueError(f"x must be of shape (n_steps,) or (n_steps, n_chains), got {trace.shape}")
    trace = trace.reshape(len(trace), -1)
    if len(trace) < 4:
        raise ValueError(f"x must have at least 4 steps, got {len(trace)}")
    if not np.isfinite(trace).all():
        raise ValueError("x must be finite, got NaN or infinity")
    if (trace == trace[0, 0]).all():
        raise ValueError(f"x must vary, but all of it is {trace[0, 0]:g}")
    return trace


def _time(trace: F64) -> float:
    """The autocorrelation time; infinite if the trace is too short to tell."""
    times = 2 * np.cumsum(autocorrelations(trace)) - 1
    closed = np.arange(len(times)) >= WINDOW * times
    time = max(float(times[np.argmax(closed)]), 1.0) if closed.any() else math.inf
    long_enough = len(trace) >= LEAST_TIMES * time and trace.size >= LEAST_SAMPLES * time
    return time if long_enough else math.inf


# --- Chains of a model -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ChainDiagnostics:
    """What Gibbs chains of a model tell of its mixing.

    Attributes
    ----------
    free_energy : float64 array (n_recorded, n_chains)
        Free energies in nats, recorded every `every` steps, the warm-up included.
    every : int
        Gibbs steps between two of them.
    n_warm_up : int
        How many of the first are left out of the numbers.
    n_from_data : int
        The first so many chains started from data, the others from random states.
    autocorrelation_time : float
        Of the free energy, in Gibbs steps; infinite if the chains are too short to tell.
    ess : float
        Effective sample size of all chains together; 0 if they are too short to tell.
    r_hat : float
        Split R-hat of the free energy; NaN if that never changed.
    alarms : tuple of str
        What speaks against these chains, in sentences; empty if nothing does.
    """

    free_energy: F64 = field(repr=False)
    every: int
    n_warm_up: int
    n_from_data: int
    autocorrelation_time: float
    ess: float
    r_hat: float
    alarms: tuple[str, ...]


def chain_diagnostics(
    rbm: RBM,
    start: Any = None,
    *,
    n_chains: int = 64,
    steps: int = 1000,
    warm_up: int | None = None,
    every: int = 1,
    seed: SeedLike = None,
) -> ChainDiagnostics:
    """Run Gibbs chains and look whether they mix, by their free energies.

    A chain alone cannot tell of a mode that it never left. With `start`, half of the chains begin at rows of
    data and half at random states: only if the chains forget where they began will their free energies agree.

    Parameters
    ----------
    rbm : RBM
        The model.
    start : (n_rows, n_visible), optional
        Visible states, best the training data: half of the chains start from rows chosen by the seed.
        Otherwise all start from draws from the visible biases alone.
    n_chains : int, default 64
        Chains, at least 2.
    steps : int, default 1000
        Gibbs steps of each.
    warm_up : int, optional
        Steps to leave out of the numbers at first; half of them by default.
    every : int, default 1
        Record free energies at every such step.
    seed : int, Generator or None
        Fixes every bit of the chains.

    Returns
    -------
    ChainDiagnostics
        Its `alarms` are raised by an R-hat above 1.1, and by chains of less than 10 autocorrelation times.

    Raises
    ------
    TypeError, ValueError, MemoryError
        Bad arguments, fewer than 8 recorded free energies after the warm-up, or more than fit in memory.

    Notes
    -----
    Mixed free energies are necessary, not sufficient: modes of equal depth look alike.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> rf.chain_diagnostics(rbm, n_chains=8, steps=200, seed=1).alarms
    ()
    >>> stuck = rf.RBM.from_arrays([[30.0], [30.0]], [-14.0, -14.0], [-30.0])   # 00 and 11, far apart
    >>> rf.chain_diagnostics(stuck, [[1, 1]], n_chains=8, steps=200, seed=1).alarms[0]
    'the chains have not mixed: free energies are -2.0 from the data and -0.0 from random starts (R-hat inf)'
    """
    check_model(rbm, RBM, "rbm")
    n_chains = check_integer(n_chains, "n_chains", low=2, high=MAX_ROW)
    steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2)
    every = check_integer(every, "every", low=1)
    warm_up = steps // 2 if warm_up is None else check_integer(warm_up, "warm_up", low=0)
    n_warm_up = -(-warm_up // every)
    if steps // every - n_warm_up < LEAST_RECORDED:
        raise ValueError(
            f"steps must leave {LEAST_RECORDED} recorded free energies after the warm-up; "
            f"steps={steps}, warm_up={warm_up}, every={every} leave {max(0, steps // every - n_warm_up)}"
        )
    check_fits_memory(8 * (steps // every) * n_chains, "a record of so many free energies")
    key = check_seed(seed)
    groups = _starts(rbm, start, n_chains, key)
    trace = _record(rbm, groups, steps // every, every, key)
    return _judge(trace, every, n_warm_up, len(groups[0]) if len(groups) == 2 else 0)


def _starts(rbm: RBM, start: Any, n_chains: int, seed: int) -> list[States]:
    """Visible states that chains start from: rows of data, if there are any, and random ones."""
    n_random = n_chains
    groups: list[States] = []
    if start is not None:
        rows = rbm.visible.rows(start, rbm.n_visible, "start")
        chosen = np.resize(shuffled(rows.n_rows, seed), n_chains // 2)
        groups.append(rbm.visible.shown(rows.block(chosen)))
        n_random -= len(chosen)
    stream = Stream(seed, Purpose.SAMPLE_VISIBLE, rows=n_chains - n_random)
    groups.append(rbm.visible.shown(rbm._down.sample_alone(n_random, stream)))
    return groups


def _record(rbm: RBM, groups: list[States], n: int, every: int, seed: int) -> F64:
    """Free energies (n, n_chains) along chains."""
    firsts = [0, len(groups[0])]
    moved = [rbm.gibbs(v, every, seed, first_row=i) for v, i in zip(groups, firsts, strict=False)]
    v = np.concatenate(moved)
    trace = np.empty((n, len(v)))
    for here in spans(n, -(-ROWS_AT_ONCE // len(v))):
        states: list[States] = []
        for t in range(here.start, here.stop):
            v = v if t == 0 else rbm.gibbs(v, every, seed, first_step=2 * t * every)
            states.append(v)
        trace[here] = rbm.free_energy(np.concatenate(states)).reshape(len(states), -1)
    return trace


def _judge(trace: F64, every: int, n_warm_up: int, n_from_data: int) -> ChainDiagnostics:
    kept = trace[n_warm_up:]
    time, ess, r_hat = math.inf, 0.0, math.nan
    alarms = []
    if (kept == kept[0, 0]).all():
        alarms.append("the free energy never changed after the warm-up: the model has one state, or is stuck")
    else:
        time, r_hat = _time(kept), split_r_hat(kept)
        ess = kept.size / time
        if r_hat > MIXED:
            alarms.append(f"the chains have not mixed: {_difference(kept, n_from_data)} (R-hat {r_hat:.2f})")
        if math.isinf(time):
            steps = len(trace) * every
            alarms.append(
                f"the chains are too short to tell how long they remember: take more steps than {steps}"
            )
    return ChainDiagnostics(trace, every, n_warm_up, n_from_data, time * every, ess, r_hat, tuple(alarms))


def _difference(trace: F64, n_from_data: int) -> str:
    """How chains differ: the groups that began apart, or each from each."""
    means = trace.mean(axis=0)
    data, rest = means[:n_from_data], means[n_from_data:]
    if min(len(data), len(rest)) > 1:
        error = math.sqrt(data.var(ddof=1) / len(data) + rest.var(ddof=1) / len(rest))
        if abs(data.mean() - rest.mean()) > FAR * error:
            return (
                f"free energies are {data.mean():.1f} from the data and {rest.mean():.1f} from random starts"
            )
    return f"mean free energies go from {means.min():.1f} in one chain to {means.max():.1f} in another"
