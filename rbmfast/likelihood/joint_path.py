"""The way from independent units to a machine whose units are all in one layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rbmfast.interactions.within import Within
from rbmfast.models.base_rates import base_bias, make_path
from rbmfast.models.boltzmann import BoltzmannMachine
from rbmfast.reference import F32, F64, States
from rbmfast.streams import Stream
from rbmfast.units import Unit


@dataclass(frozen=True)
class JointPath:
    """As `Path`, of machines with the weights ``beta W`` and the biases ``(1 - beta) base + beta a``."""

    within: Within
    bias: F32
    base: F32

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

    def anneal(self, s: States, log_weights: F64, betas: F32, stream: Stream) -> tuple[States, F64]:
        """As `Path.anneal`, a sweep at each beta but the first."""
        unit = self.target
        for t, (here, there) in enumerate(pairwise(betas)):
            gain = unit.energy(s, self.base) - unit.energy(s, self.bias) - self.within.energy(s)
            log_weights = log_weights + (np.float64(there) - np.float64(here)) * gain
            bias = (np.float32(1) - there) * self.base + there * self.bias
            s = self.within.sweep(s, bias, 1, stream.after(2 * t), beta=float(there))
        return s, log_weights

    def mobility(self, s: States) -> tuple[float | None, float]:
        """See `Path.mobility`."""
        x = self.within.input(s, self.bias)
        return self.target.expected_changes(x), float(np.abs(x - self.bias).max(axis=1).mean())


@make_path.register
def _(machine: BoltzmannMachine, base: object = None) -> JointPath:
    p, n = machine._parameters, machine.n_visible
    start = np.zeros(len(p.a), np.float32)  # of the hidden units, too
    start[:n] = base_bias(machine, base)[:n]
    return JointPath(p.within, p.a, start)
