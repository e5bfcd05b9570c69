"""Annealed importance sampling: log Z from chains led from independent units to the model, and back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rbmfast.likelihood.annealing import Annealing
from rbmfast.likelihood.result import Z95, LogPartition, log_mean_exp
from rbmfast.models.bennett import acceptance_ratio
from rbmfast.reference import States

FEW = 10.0  # effective chains below which an estimate hangs on a handful of lucky ones
GAP = 1.0  # nats between forward and reverse that nobody needs to hear about
STILL = 0.5  # units that change in a Gibbs step of the model, below which its chains stand still
FREE = 5.0  # total inputs up to which a unit still changes now and then,
FREE_STEPS = 100  # and so many steps with such inputs give it the time to find its place
MARKOV = math.log(20)  # P(estimate of Z > 20 Z) <= 1 / 20 for any unbiased one, however badly chains mix


def forward(annealing: Annealing) -> LogPartition:
    """Log Z from chains led from independent units to the model (Salakhutdinov & Murray 2008)."""
    return _run(annealing, lambda: annealing.path.start(annealing.n_chains, annealing.stream), "ais", sign=1)


def reverse(annealing: Annealing, draw: Callable[[], States]) -> LogPartition:
    """Log Z from samples of the model whose chains go back to independent units (Burda et al. 2015)."""
    return _run(annealing, draw, "reverse_ais", sign=-1)


def _run(annealing: Annealing, draw: Callable[[], States], method: str, sign: int) -> LogPartition:
    """By the mean of Z (sign 1) or of 1 / Z (sign -1) over what each chain says of log Z.

    The mean of Z is unbiased, so its logarithm is too small on average (Jensen), and that of 1 / Z too large.
    Of chains that stand still one end of the interval is left.
    """
    v, gained = annealing.run(draw)
    log_z = annealing.path.log_z0() + sign * gained
    value, stderr, ess = log_mean_exp(sign * log_z)
    value *= sign
    lower, upper = value - Z95 * stderr, value + Z95 * stderr
    warning = ""
    if frozen(annealing, v):
        stderr = math.inf
        lower, upper = (value - MARKOV, math.inf) if sign == 1 else (-math.inf, value + MARKOV)
        warning = (
            "the weights are so large that chains stand still nearly all the way, and agree whatever they "
            "missed: do not trust it, only one end of its interval is known; use more temperatures"
        )
    elif ess < min(FEW, len(log_z) / 2):
        warning = (
            f"{ess:.1f} of {len(log_z)} chains carry this estimate: do not trust it, use more temperatures"
        )
    return LogPartition(value, stderr, lower, upper, method, ess, log_z, samples=v, warning=warning)


def frozen(annealing: Annealing, v: States) -> bool:
    """Whether the chains had no chance to move, so that they may agree and all be wrong.

    Weights that are very large hold every unit where it is, in the model and soon after the start: all chains
    then take one way, to whichever states are next. Their log-weights have no spread, and tell nothing of the
    states that were never seen. Chains that still move in the model, or had many steps in which units were
    free, tell by their spread. (docs/design/005-likelihood.md)
    """
    changes, sent = annealing.path.mobility(v)
    if changes is None or changes >= STILL:
        return False
    return int(np.count_nonzero(annealing.betas * sent < FREE)) < FREE_STEPS


def bracket(forward: LogPartition, reverse: LogPartition) -> LogPartition:
    """One estimate of two that err on opposite sides, by Bennett's acceptance ratio."""
    assert forward.log_weights is not None and reverse.log_weights is not None
    value, stderr, _ = acceptance_ratio(forward.log_weights, reverse.log_weights)
    gap = reverse.value - forward.value
    warning = ""
    spread = math.hypot(forward.stderr, reverse.stderr)
    if abs(gap) > GAP + (3 * spread if math.isfinite(spread) else 0):
        warning = (
            f"forward and reverse AIS differ by {gap:.1f} nats: the chains have not mixed, do not trust "
            "this; more temperatures may help, or better samples"
        )
    return LogPartition(
        value=value,
        stderr=stderr if math.isfinite(spread) else math.inf,
        lower=min(end for end in (forward.lower, reverse.lower) if end > -math.inf),  # an end that is open
        upper=max(end for end in (forward.upper, reverse.upper) if end < math.inf),  # is the other's
        method="bracket",
        ess=min(forward.ess, reverse.ess),
        samples=forward.samples,
        parts=(forward, reverse),
        warning=warning or forward.warning or reverse.warning,
    )
