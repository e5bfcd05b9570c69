"""Learning from samples by parallel tempering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from rbmfast.checks import Checked, check_integer
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointLadder, JointPath
from rbmfast.models.path import Path
from rbmfast.models.tempering import Ladder, check_betas
from rbmfast.reference import F32, F64, MAX_BATCH, U8, States
from rbmfast.state import Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import STEPS, Method
from rbmfast.training.phases import joint_contrast


@dataclass(frozen=True)
class PT(Checked, Method):
    """Persistent chains with replicas at several temperatures, which cross from mode to mode.

    As `PCD`, but each chain is one of `rbmfast.ParallelTempering`: what is learned from are the replicas at
    beta = 1, and those at lower betas bring them modes that a plain chain would miss or give a wrong weight.

    Parameters
    ----------
    n_replicas : int, optional
        Replicas of each chain, at least 2, with betas in equal steps. By default 10, or as many as `betas`.
    k : int, default 1
        Steps per update, at least 1: Gibbs steps of all replicas, each with a round of swaps.
    n_chains : int, optional
        How many chains; by default as many as a batch has rows. At most 32 768 in all replicas together.
    betas : sequence of float (n_replicas,), optional
        Rising from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Notes
    -----
    Desjardins, Courville, Bengio, Vincent & Delalleau, "Tempered Markov chain Monte Carlo for training of
    restricted Boltzmann machines", AISTATS 2010; Cho, Raiko & Ilin, "Parallel tempering is efficient for
    learning restricted Boltzmann machines", IJCNN 2010. An update costs at most `n_replicas` times that of
    `PCD`, 7 times with 10 of them.

    At beta = 0 units are independent, with the means of the data that the model was initialised or trained
    with before this run; with the model's own visible bias where it has seen no data. (A
    `BoltzmannMachine` takes the means of the data that it learns from.)

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(6, 2, seed=0)
    >>> method = rf.PT(n_replicas=5, n_chains=20)
    >>> history = rf.train(rbm, np.eye(6), method=method, epochs=2, seed=1)
    """

    n_replicas: int | None = None
    k: int = field(default=1, metadata=STEPS)
    n_chains: int | None = None
    betas: tuple[float, ...] | None = None
    purpose = Purpose.PT
    persistent = True

    def __post_init__(self) -> None:
        super().__post_init__()
        ladder = check_betas(self.n_replicas, self.betas)
        object.__setattr__(self, "n_replicas", len(ladder))
        if self.betas is not None:
            object.__setattr__(self, "betas", tuple(ladder.tolist()))
        if self.n_chains is not None:
            n_chains = check_integer(self.n_chains, "n_chains", low=1, high=MAX_BATCH // len(ladder))
            object.__setattr__(self, "n_chains", n_chains)

    @property
    def replicas(self) -> int:
        assert self.n_replicas is not None
        return self.n_replicas

    def chains_for(self, batch_size: int) -> int:
        return self.replicas * (batch_size if self.n_chains is None else self.n_chains)

    def start_memory(
        self, model: Conditionals | JointPath, base: Callable[[], F32], n_chains: int, stream: Stream
    ) -> dict[str, NDArray[Any]]:
        """The visible bias at beta = 0."""
        return {"base": base()}

    def joint_gradient(
        self,
        path: JointPath,
        states: U8,
        stream: Stream,
        chains: U8 | None,
        weights: F64 | None = None,
    ) -> Gradient:
        assert chains is not None
        ladder = JointLadder(path, check_betas(self.n_replicas, self.betas), Purpose.PT_SWAP)
        for i in range(self.k):
            ladder.sweep(chains, stream.after(i))
        return joint_contrast(path.target, states, chains[-(len(chains) // self.replicas) :], weights)

    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None
    ) -> tuple[States, F32]:
        assert chains is not None
        path = Path(model.up, model.down, model.memory["base"])
        ladder = Ladder(path, check_betas(self.n_replicas, self.betas), Purpose.PT_SWAP)
        stream = model.stream._replace(purpose=self.purpose)
        *_, (v, chains[:], _) = ladder.walk(chains, stream, self.k, shown=1)
        return v, model.up.input(v)
