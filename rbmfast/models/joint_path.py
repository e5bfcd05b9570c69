"""The way from independent units to a machine whose units are all in one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.interactions.within import Within
from rbmfast.models.base_rates import base_bias, make_path
from rbmfast.models.boltzmann import BoltzmannMachine
from rbmfast.models.tempering import Ladder, exchange
from rbmfast.reference import F32, F64, I64, States
from rbmfast.streams import Stream
from rbmfast.units import Unit


@dataclass(frozen=True)
class JointPath:
    """As `Path`, of machines with the weights ``beta W`` and the biases ``(1 - beta) base + beta a``."""

    within: Within
    bias: F32
    base: F32
    memory: dict[str, NDArray[Any]] = field(default_factory=dict)  # as of `Conditionals`

    @property
    def size(self) -> int:
        """See `Path.size`."""
        return self.within.W.size

    @property
    def arrays(self) -> tuple[F32, ...]:
        """See `Path.arrays`."""
        return self.within.W, self.bias, self.base

    @property
    def units(self) -> str:
        """See `Path.units`."""
        return self.within.unit.name

    @property
    def target(self) -> Unit:
        """See `Path.target`."""
        return self.within.unit

    def log_z0(self) -> float:
        """See `Path.log_z0`."""
        base = self.base.astype(np.float64)
        return float(self.target.log_normalizer_float64(base[None], base)[0])

    def start(self, n: int, stream: Stream) -> States:
        """States of all units, drawn at beta = 0."""
        return self.target.sample(np.tile(self.base, (n, 1)), stream)

    def gain(self, s: States) -> F64:
        """What the log-weight of states gains from beta = 0 to 1: (n_rows,) in nats."""
        unit = self.target
        gain: F64 = unit.energy(s, self.base) - unit.energy(s, self.bias) - self.within.energy(s)
        return gain

    def sweep(self, s: States, beta: np.float32, stream: Stream) -> States:
        """Of the machine at `beta`."""
        bias = (np.float32(1) - beta) * self.base + beta * self.bias
        return self.within.sweep(s, bias, 1, stream, beta=float(beta))

    def anneal(self, s: States, log_weights: F64, betas: F32, stream: Stream) -> tuple[States, F64]:
        """As `Path.anneal`, a sweep at each beta but the first."""
        for t, (here, there) in enumerate(pairwise(betas)):
            log_weights = log_weights + (np.float64(there) - np.float64(here)) * self.gain(s)
            s = self.sweep(s, there, stream.after(2 * t))
        return s, log_weights

    def mobility(self, s: States) -> tuple[float | None, float]:
        """See `Path.mobility`."""
        x = self.within.input(s, self.bias)
        return self.target.expected_changes(x), float(np.abs(x - self.bias).max(axis=1).mean())


@dataclass(frozen=True)
class JointLadder(Ladder):
    """As `Ladder`, with states of all units: a step is a sweep of every replica, and a round of swaps."""

    path: JointPath  # type: ignore[assignment]

    def sweep(self, s: States, stream: Stream) -> None:
        """Take a step, in place: the last rows are those of the machine."""
        n_chains = len(s) // len(self.betas)
        for i, beta in enumerate(self.betas):
            here = slice(i * n_chains, (i + 1) * n_chains)
            s[here] = self.path.sweep(s[here], beta, self._by_rows(stream, n_chains, np.array([i])))
        low, way = self.pairs(stream.step), np.zeros(len(self.betas))
        way[low], way[low + 1] = self.betas[low + 1] - self.betas[low], self.betas[low] - self.betas[low + 1]
        exchange(self.accept(way[:, None] * self.path.gain(s).reshape(len(way), -1), stream), s)

    def pairs(self, step: int) -> I64:
        """See `Ladder.pairs`: here every step is one of the stream's."""
        return super().pairs(2 * step)


@make_path.register
def _(machine: BoltzmannMachine, base: object = None) -> JointPath:
    p, n = machine._parameters, machine.n_visible
    start = np.zeros(len(p.a), np.float32)  # of the hidden units, too
    start[:n] = base_bias(machine, base)[:n]
    return JointPath(p.within, p.a, start)
