"""Annealed importance sampling: log Z from chains led from independent units to the model, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rbmfast.likelihood.acceptance import acceptance_ratio
from rbmfast.likelihood.journey import Route, digest
from rbmfast.likelihood.result import Z95, LogPartition, log_mean_exp
from rbmfast.models.path import Path
from rbmfast.random import Purpose
from rbmfast.reference import F32, States
from rbmfast.units.base import F64

FEW = 10.0  # effective chains below which an estimate hangs on a handful of lucky ones
GAP = 1.0  # nats between forward and reverse that nobody needs to hear about


@dataclass(frozen=True)
class Plan:
    """An estimate as it was asked for: `rbmfast.log_partition` describes each of these."""

    path: Path
    betas: F32  # ascending, from 0 to 1
    n_chains: int
    seed: int
    checkpoint: str | None = None
    resume: str | None = None
    samples: States | None = None  # to go back from; None: they are drawn

    def route(self, back: bool) -> Route:
        """Along the path, or back. Nothing happens yet, but a wrong file to resume from is refused."""
        purpose = Purpose.REVERSE_AIS if back else Purpose.AIS
        betas = np.ascontiguousarray(self.betas[::-1] if back else self.betas)
        origin = "drawn" if self.samples is None or not back else digest(self.samples)
        route = Route(self.path, betas, self.n_chains, self.seed, purpose, origin)
        if self.resume is not None:
            route.take_up(self.resume)
        return route


def forward(plan: Plan) -> LogPartition:
    """Log Z from chains led from independent units to the model (Salakhutdinov & Murray 2008)."""
    v, gained = plan.route(back=False).travel(
        lambda: plan.path.start(plan.n_chains, plan.seed, Purpose.AIS), plan.checkpoint, plan.resume
    )
    return estimate(plan.path.log_z0() + gained, "ais", v)


def reverse(plan: Plan, draw: Callable[[], States]) -> LogPartition:
    """Log Z from samples of the model whose chains go back to independent units (Burda et al. 2015)."""

    def start() -> States:
        return draw() if plan.samples is None else plan.samples

    v, gained = plan.route(back=True).travel(start, plan.checkpoint, plan.resume)
    return estimate(plan.path.log_z0() - gained, "reverse_ais", v, sign=-1)


def estimate(log_z: F64, method: str, samples: States | None = None, sign: int = 1) -> LogPartition:
    """Log Z, by the mean of Z (sign 1) or of 1 / Z (sign -1) over what each chain says of log Z.

    The mean of Z is unbiased, so its logarithm is too small on average (Jensen), and that of 1 / Z too large.
    """
    value, stderr, ess = log_mean_exp(sign * log_z)
    warning = ""
    if ess < min(FEW, len(log_z) / 2):
        warning = (
            f"{ess:.1f} of {len(log_z)} chains carry this estimate: do not trust it, use more temperatures"
        )
    return LogPartition(
        value=sign * value,
        stderr=stderr,
        lower=sign * value - Z95 * stderr,
        upper=sign * value + Z95 * stderr,
        method=method,
        ess=ess,
        log_weights=log_z,
        samples=samples,
        warning=warning,
    )


def bracket(forward: LogPartition, reverse: LogPartition) -> LogPartition:
    """One estimate of two that err on opposite sides, by Bennett's acceptance ratio."""
    assert forward.log_weights is not None and reverse.log_weights is not None
    up, down = forward.log_weights, reverse.log_weights
    ratio = acceptance_ratio(up, down)
    gap = reverse.value - forward.value
    warning = ""
    if abs(gap) > GAP + 3 * math.hypot(forward.stderr, reverse.stderr):
        warning = (
            f"forward and reverse AIS differ by {gap:.1f} nats: the chains have not mixed, "
            "do not trust this; "
            "more temperatures may help, or better samples"
        )
    return LogPartition(
        value=ratio.value,
        stderr=ratio.stderr,
        lower=min(forward.lower, reverse.lower),
        upper=max(forward.upper, reverse.upper),
        method="bracket",
        ess=min(forward.ess, reverse.ess),
        samples=forward.samples,
        parts=(forward, reverse),
        warning=warning or forward.warning or reverse.warning,
    )
