"""What is timed: `WORKLOADS` lists the rows of the table."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.bench.peers import Peer

DENSITY = 0.13  # of ones in the data: that of MNIST
GREY_DENSITY = 0.19  # of pixels of MNIST that are not white
HIDDEN_DENSITY = 0.35  # of hidden units that are on: that of 500 of them after ten epochs of CD-1 on MNIST
RATE = 0.001  # so low that the densities stay, however often a call is repeated
PASSES = ("epochs", "steps", "n_iter")  # settings that say how often a call goes through its rows


def logit(p: float) -> float:
    """The bias of a unit that is on with probability `p`, left to itself."""
    return float(np.log(p / (1 - p)))


def _grey(bits: NDArray[Any]) -> NDArray[np.float32]:
    """Levels from 0 to 1 as in a picture of 8 bits; `bits` give the shape only."""
    rng = np.random.default_rng(0)
    levels = rng.integers(1, 256, bits.shape) * (rng.random(bits.shape) < GREY_DENSITY)
    return (levels / 255).astype(np.float32)


FORMS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "0/1 as uint8": lambda bits: bits,
    "0/1 as float32": lambda bits: bits.astype(np.float32),
    "grey levels as float32": _grey,
}


@dataclass(frozen=True)
class Workload:
    """A task of a given size, on random data of which 13 % is ones.

    Attributes
    ----------
    label : str
        What tables say; in braces ``size``, ``n_rows``, ``rows`` (as words), ``form`` and any setting.
    task : str
        The method of a `Peer` that does it.
    n_visible, n_hidden : int
        Size of the model.
    n_rows : int
        Rows of data, or chains.
    settings : mapping
        Further arguments of the method.
    form : str
        What the data is given as: a key of `FORMS`.

    Examples
    --------
    >>> from rbmfast.bench import Workload
    >>> settings = {"steps": 50}
    >>> workload = Workload("Gibbs steps, {size}, {n_rows} chains", "gibbs", 784, 500, 100, settings)
    >>> workload.name, workload.samples
    ('Gibbs steps, 784 x 500, 100 chains', 5000)
    """

    label: str
    task: str
    n_visible: int
    n_hidden: int
    n_rows: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    form: str = "0/1 as uint8"

    @property
    def name(self) -> str:
        """What tables say."""
        rows = "1 row" if self.n_rows == 1 else f"{self.n_rows} rows"
        words = {"size": f"{self.n_visible} x {self.n_hidden}", "rows": rows, "n_rows": self.n_rows}
        return self.label.format(form=self.form, **words, **self.settings)

    @property
    def samples(self) -> int:
        """Rows learned from, states drawn, or rows answered."""
        return self.n_rows * int(math.prod(self.settings.get(name, 1) for name in PASSES))

    def scaled(self, factor: float) -> Workload:
        """The same with a fraction of the work, but in batches and of chains as its name says."""
        if "steps" in self.settings:
            steps = max(1, round(self.settings["steps"] * factor))
            return dataclasses.replace(self, settings={**self.settings, "steps": steps})
        n_rows = max(self.settings.get("batch_size", 1), round(self.n_rows * factor))
        return dataclasses.replace(self, n_rows=n_rows)

    def task_of(self, peer: type[Peer]) -> Callable[[], object]:
        """What to time, all set up, by a peer that knows it."""
        model = peer(*self.parameters())
        return functools.partial(getattr(model, self.task), model.prepare(self.data()), **self.settings)

    def parameters(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(W, a, b) of a model in which the wanted shares of units are on."""
        W = np.random.default_rng(1).normal(0, 0.01, (self.n_visible, self.n_hidden))
        return W, np.full(self.n_visible, logit(DENSITY)), np.full(self.n_hidden, logit(HIDDEN_DENSITY))

    def data(self) -> Any:
        """Visible states."""
        bits = np.random.default_rng(0).random((self.n_rows, self.n_visible)) < DENSITY
        return FORMS[self.form](bits.view(np.uint8))


def cd(n_visible: int, n_hidden: int, n_rows: int, batch_size: int, epochs: int = 1) -> Workload:
    """Learning by CD-1.

    Examples
    --------
    >>> from rbmfast.bench import cd
    >>> cd(784, 500, n_rows=5000, batch_size=100).name
    'CD-1, 784 x 500, batch 100'
    """
    settings = {"batch_size": batch_size, "epochs": epochs, "rate": RATE}
    return Workload("CD-1, {size}, batch {batch_size}", "cd", n_visible, n_hidden, n_rows, settings)


_PCD = "PCD-{k}, {size}, batch {batch_size}, {n_chains} chains"
_PCD_SETTINGS = {"batch_size": 2000, "epochs": 2, "rate": RATE, "k": 10, "n_chains": 2000}
_MEANS = "hidden probabilities, {size}, {rows} of {form}", "hidden_probabilities"

WORKLOADS: tuple[Workload, ...] = (
    cd(784, 500, 5000, batch_size=100, epochs=2),
    cd(784, 256, 2000, batch_size=10),
    cd(64, 128, 20_000, batch_size=100, epochs=2),
    cd(64, 128, 10_000, batch_size=10),
    cd(2048, 2048, 1280, batch_size=256, epochs=2),
    Workload(_PCD, "pcd", 784, 500, 2000, _PCD_SETTINGS),
    Workload("Gibbs steps, {size}, {n_rows} chains", "gibbs", 784, 500, 100, {"steps": 100}),
    Workload("AIS, {size}, {n_rows} chains", "ais", 784, 500, 100, {"steps": 200}),
    *(Workload(*_MEANS, 784, 500, 10_000, form=form) for form in FORMS),
    Workload(*_MEANS, 784, 500, 1),
    Workload("free energy, {size}", "free_energy", 784, 500, 10_000),
)
