"""What is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rbmfast.bench.peers import Peer

DENSITY = 0.13  # of ones in the data: that of MNIST
HIDDEN_DENSITY = 0.35  # of hidden units that are on: that of 500 of them after ten epochs of CD-1 on MNIST


@dataclass(frozen=True)
class Workload:
    """A task of a given size, on random data of which 13 % is ones.

    Attributes
    ----------
    task : {"learn", "gibbs", "hidden"}
        Epochs of CD-1, Gibbs steps, or hidden probabilities.
    n_visible, n_hidden : int
        Size of the model.
    n_rows : int
        Rows of data, or chains.
    batch_size : int
        Rows per update ("learn").
    steps : int
        Epochs ("learn") or Gibbs steps ("gibbs").
    """

    task: str
    n_visible: int
    n_hidden: int
    n_rows: int
    batch_size: int = 100
    steps: int = 1

    @property
    def name(self) -> str:
        """What tables say."""
        size = f"{self.n_visible} x {self.n_hidden}"
        if self.task == "learn":
            return f"CD-1, {size}, batch {self.batch_size}"
        if self.task == "gibbs":
            return f"Gibbs steps, {size}, {self.n_rows} chains"
        return f"hidden probabilities, {size}"

    @property
    def samples(self) -> int:
        """Rows learned from, states drawn, or rows answered in one call."""
        return self.n_rows * self.steps

    def scaled(self, factor: float) -> Workload:
        """The same with a fraction of the rows or steps."""
        if self.task == "gibbs":
            return self._with(steps=max(1, round(self.steps * factor)))
        return self._with(n_rows=max(self.batch_size, round(self.n_rows * factor)))

    def _with(self, **changes: int) -> Workload:
        return Workload(**{**vars(self), **changes})

    def task_of(self, peer: type[Peer]) -> Callable[[], object]:
        """The call to time, all set up."""
        rng = np.random.default_rng(0)
        X = (rng.random((self.n_rows, self.n_visible)) < DENSITY).view(np.uint8)
        W = rng.normal(0, 0.01, (self.n_visible, self.n_hidden))
        a = np.full(self.n_visible, np.log(DENSITY / (1 - DENSITY)))
        b = np.full(self.n_hidden, np.log(HIDDEN_DENSITY / (1 - HIDDEN_DENSITY)))
        model = peer(W, a, b)
        data = model.prepare(X)
        if self.task == "learn":
            return lambda: model.learn(data, self.batch_size, self.steps)
        if self.task == "gibbs":
            return lambda: model.gibbs(data, self.steps)
        return lambda: model.hidden_probabilities(data)


WORKLOADS = (
    Workload("learn", 784, 500, n_rows=5000, steps=3),
    Workload("learn", 64, 128, n_rows=20_000, steps=5),
    Workload("gibbs", 784, 500, n_rows=100, steps=100),
    Workload("hidden", 784, 500, n_rows=20_000),
)
