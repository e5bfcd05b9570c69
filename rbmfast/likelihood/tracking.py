"""log Z of a model that changes a little at a time, such as one in training."""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.likelihood.enumeration import can_enumerate, exact_log_z
from rbmfast.models import RBM
from rbmfast.models.base_rates import make_path
from rbmfast.models.bennett import acceptance_ratio, stderr_of
from rbmfast.models.tempering import Ladder, check_betas
from rbmfast.reference import F64, States
from rbmfast.streams import Purpose, Stream

EXACT_UNITS = 18  # of the smaller layer, up to which log Z is enumerated: a fraction of a second
FIRST_STEPS = 10  # times as many at the first look, when the chains know nothing of the model

Memory = MutableMapping[str, NDArray[Any]]


@dataclass(frozen=True)
class LogZTracker:
    """Follows log Z by tempered chains that go on from where they were (Desjardins et al. 2011).

    The chains have replicas at betas from 0, independent units, to 1, the model. From look to look they move
    on with the model: what they had found out about it is not lost, and those at low betas keep bringing what
    is new. Neighbouring replicas tell the ratio of their partition functions (Bennett 1976), and the ratios
    make up log Z. Chains that only follow the model itself, without replicas, lose its modes one by one.

    Attributes
    ----------
    n_chains, n_replicas : int
        Independent chains, and replicas of each.
    steps : int
        Of each replica at a look; the first half of them lets the chains find the new model.
    """

    n_chains: int
    n_replicas: int
    steps: int

    def look(self, rbm: RBM, memory: Memory, seed: int, number: int) -> tuple[float, float]:
        """Log Z of the model at the look with this number, and its standard error.

        `memory` holds the chains, and is brought up to date. Rounded to a millionth of a nat: the last bits
        of NumPy's functions differ from machine to machine.
        """
        if self.is_exact(rbm):
            return round(exact_log_z(rbm), 6), 0.0
        ladder = Ladder(make_path(rbm), check_betas(self.n_replicas), Purpose.TRACKING_SWAP)
        stream = Stream(seed, Purpose.TRACKING)
        if "h" not in memory:
            v = ladder.start(self.n_chains, stream)
            h = ladder.hidden(ladder.path.up.send(v), stream.after(1))
            memory["h"] = _move(ladder, h, stream.after(2), FIRST_STEPS * self.steps - 1)
        stream = stream.after(2 * (FIRST_STEPS + number) * self.steps)
        h = memory["h"].reshape(-1, rbm.n_hidden)
        h = _move(ladder, h, stream, self.steps // 2)
        memory["h"], up, down = self._measure(ladder, h, stream.after(self.steps // 2 * 2))
        value, stderr = _add_up(up, down)
        return round(ladder.path.log_z0() + value, 6), round(stderr, 6)

    def is_exact(self, rbm: RBM) -> bool:
        """Whether log Z is enumerated."""
        return can_enumerate(rbm, EXACT_UNITS)

    def _measure(self, ladder: Ladder, h: States, stream: Stream) -> tuple[States, F64, F64]:
        """Move on, and note what each replica says of the model above it and of the one below.

        Log-ratios (n_replicas - 1, n_steps, n_chains), of the upper model to the lower: by the lower one's
        states, and by the upper one's.
        """
        up, down, gain, gaps = [], [], ladder.path.gain, [*pairwise(ladder.betas)]
        for states, moved, _ in ladder.walk(h, stream, self.steps - self.steps // 2, at_once=1):
            h, sent = moved, np.split(ladder.path.up.send(states), self.n_replicas)
            v = np.split(states, self.n_replicas)
            up.append([gain(v[i], sent[i], *gap) for i, gap in enumerate(gaps)])
            down.append([gain(v[i + 1], sent[i + 1], *gap) for i, gap in enumerate(gaps)])
        return h, np.array(up).swapaxes(0, 1), np.array(down).swapaxes(0, 1)


def _move(ladder: Ladder, h: States, stream: Stream, steps: int) -> States:
    for _, moved, _ in ladder.walk(h, stream, steps):
        h = moved
    return h


def _add_up(up: F64, down: F64) -> tuple[float, float]:
    """Log of the ratio of the last partition function to the first, and its standard error.

    The steps of a chain, and its replicas, depend on each other, but chains do not: the error comes from how
    far each chain alone would move the result.
    """
    values, _, pulls = zip(*map(acceptance_ratio, up, down), strict=True)
    return math.fsum(values), stderr_of(np.sum(pulls, axis=0))
