"""What is timed: `WORKLOADS` lists the rows of the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rbmfast.bench.peers import Peer

Task: TypeAlias = Callable[[int], object]

DENSITY = 0.13  # of ones in the data: that of MNIST
GREY_DENSITY = 0.19  # of pixels of MNIST that are not white
HIDDEN_DENSITY = 0.35  # of hidden units that are on: that of 500 of them after ten epochs of CD-1 on MNIST


@dataclass(frozen=True)
class Workload:
    """A task of a given size, on random data of which 13 % is ones.

    Attributes
    ----------
    task : str
        The method of `Peer` that does it.
    n_visible, n_hidden : int
        Size of the model.
    n_rows : int
        Rows of data, or chains.
    """

    task: ClassVar[str]
    n_visible: int
    n_hidden: int
    n_rows: int

    @property
    def size(self) -> str:
        """Of the model, in words."""
        return f"{self.n_visible} x {self.n_hidden}"

    @property
    def name(self) -> str:
        """What tables say."""
        raise NotImplementedError

    @property
    def samples(self) -> int:
        """Rows learned from, states drawn, or rows answered."""
        return self.n_rows

    def scaled(self, factor: float) -> Workload:
        """The same with a fraction of the work."""
        return dataclasses.replace(self, n_rows=max(1, round(self.n_rows * factor)))

    def task_of(self, peer: type[Peer]) -> Task | None:
        """What to time, all set up: ``task(times)``; None if this peer does not know it."""
        if not peer.knows(self.task):
            return None
        model = peer(*self.parameters())
        return partial(self.do, getattr(model, self.task), model.prepare(self.data()))

    def do(self, method: Callable[..., object], data: Any, times: int = 1) -> None:
        """Do the work so many times: one call of the peer's method each, or a single longer one."""
        for _ in range(times):
            method(data)

    def parameters(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(W, a, b) of a model in which the wanted shares of units are on."""
        W = np.random.default_rng(1).normal(0, 0.01, (self.n_visible, self.n_hidden))
        return W, np.full(self.n_visible, logit(DENSITY)), np.full(self.n_hidden, logit(HIDDEN_DENSITY))

    def data(self) -> NDArray[Any]:
        """Visible states."""
        return (np.random.default_rng(0).random((self.n_rows, self.n_visible)) < DENSITY).view(np.uint8)


def logit(p: float) -> float:
    """The bias of a unit that is on with probability `p`, left to itself."""
    return float(np.log(p / (1 - p)))


@dataclass(frozen=True)
class CD(Workload):
    """Learning by CD-1.

    Examples
    --------
    >>> from rbmfast.bench import workloads
    >>> workload = workloads.CD(784, 500, n_rows=5000, batch_size=100, epochs=2)
    >>> workload.name, workload.samples
    ('CD-1, 784 x 500, batch 100', 10000)
    """

    task = "cd"
    batch_size: int = 100
    epochs: int = 1
    rate: float = 0.001  # so low that the densities stay, however often a call is repeated

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        return f"CD-1, {self.size}, batch {self.batch_size}"

    @property
    def samples(self) -> int:
        """See `Workload.samples`."""
        return self.n_rows * self.epochs

    def do(self, method: Callable[..., object], data: Any, times: int = 1) -> None:
        """See `Workload.do`: more epochs."""
        method(data, batch_size=self.batch_size, epochs=times * self.epochs, rate=self.rate)

    def scaled(self, factor: float) -> CD:
        """See `Workload.scaled`."""
        return dataclasses.replace(self, n_rows=max(self.batch_size, round(self.n_rows * factor)))


@dataclass(frozen=True)
class PCD(CD):
    """Learning by PCD-k.

    Examples
    --------
    >>> from rbmfast.bench import workloads
    >>> workloads.PCD(784, 500, n_rows=2000, batch_size=2000, k=10, n_chains=2000).name
    'PCD-10, 784 x 500, batch 2000, 2000 chains'
    """

    task = "pcd"
    k: int = 1
    n_chains: int = 100

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        return f"PCD-{self.k}, {self.size}, batch {self.batch_size}, {self.n_chains} chains"

    def do(self, method: Callable[..., object], data: Any, times: int = 1) -> None:
        """See `Workload.do`: more epochs."""
        super().do(partial(method, k=self.k, n_chains=self.n_chains), data, times)


@dataclass(frozen=True)
class Gibbs(Workload):
    """Gibbs steps of chains, one for every row of data.

    Examples
    --------
    >>> from rbmfast.bench import workloads
    >>> workloads.Gibbs(784, 500, n_rows=100, steps=50).name
    'Gibbs steps, 784 x 500, 100 chains'
    """

    task = "gibbs"
    steps: int = 100

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        return f"Gibbs steps, {self.size}, {self.n_rows} chains"

    @property
    def samples(self) -> int:
        """See `Workload.samples`."""
        return self.n_rows * self.steps

    def do(self, method: Callable[..., object], data: Any, times: int = 1) -> None:
        """See `Workload.do`: more steps."""
        method(data, steps=times * self.steps)

    def scaled(self, factor: float) -> Gibbs:
        """See `Workload.scaled`."""
        return dataclasses.replace(self, steps=max(1, round(self.steps * factor)))


@dataclass(frozen=True)
class AIS(Gibbs):
    """Annealed importance sampling from units with the rates of the data; `steps` are its temperatures.

    Examples
    --------
    >>> from rbmfast.bench import workloads
    >>> workloads.AIS(784, 500, n_rows=100, steps=1000).name
    'AIS, 784 x 500, 100 chains'
    """

    task = "ais"

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        return f"AIS, {self.size}, {self.n_rows} chains"


@dataclass(frozen=True)
class HiddenProbabilities(Workload):
    """Probabilities of the hidden units; `form` is what the data is given as.

    Examples
    --------
    >>> from rbmfast.bench import workloads
    >>> workloads.HiddenProbabilities(784, 500, n_rows=1).name
    'hidden probabilities, 784 x 500, 1 row of 0/1 as uint8'
    """

    task = "hidden_probabilities"
    form: str = "0/1 as uint8"

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        rows = "1 row" if self.n_rows == 1 else f"{self.n_rows} rows"
        return f"hidden probabilities, {self.size}, {rows} of {self.form}"

    def data(self) -> NDArray[Any]:
        """See `Workload.data`."""
        return FORMS[self.form](super().data())


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
class FreeEnergy(Workload):
    """Free energies.

    Examples
    --------
    >>> from rbmfast.bench import workloads
    >>> workloads.FreeEnergy(784, 500, n_rows=1000).name
    'free energy, 784 x 500'
    """

    task = "free_energy"

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        return f"free energy, {self.size}"


@dataclass(frozen=True)
class OneFlipScores(Workload):
    """What scikit-learn's `score_samples` estimates log pseudo-likelihoods by.

    Examples
    --------
    >>> from rbmfast.bench import workloads
    >>> workloads.OneFlipScores(784, 500, n_rows=1000).name
    'one-flip scores (score_samples), 784 x 500'
    """

    task = "one_flip_scores"

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        return f"one-flip scores (score_samples), {self.size}"


WORKLOADS: tuple[Workload, ...] = (
    CD(784, 500, n_rows=5000, batch_size=100, epochs=2),
    CD(784, 256, n_rows=2000, batch_size=10),
    CD(64, 128, n_rows=20_000, batch_size=100, epochs=2),
    CD(64, 128, n_rows=10_000, batch_size=10),
    CD(2048, 2048, n_rows=1280, batch_size=256, epochs=2),
    PCD(784, 500, n_rows=2000, batch_size=2000, epochs=2, k=10, n_chains=2000),
    Gibbs(784, 500, n_rows=100, steps=100),
    AIS(784, 500, n_rows=100, steps=200),
    *(HiddenProbabilities(784, 500, n_rows=10_000, form=form) for form in FORMS),
    HiddenProbabilities(784, 500, n_rows=1),
    FreeEnergy(784, 500, n_rows=10_000),
    OneFlipScores(784, 500, n_rows=10_000),
)
