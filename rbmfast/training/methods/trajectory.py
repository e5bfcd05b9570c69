"""Learning from samples by trajectory tempering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import Checked, check_fraction, check_integer, checked_by
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.models.trajectory import Trajectory, check_memory, in_turn, kept_of, version_of
from rbmfast.reference import F32, F64, MAX_BATCH, U8, States
from rbmfast.state import Gradient, Rung
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import STEPS, Method
from rbmfast.training.phases import joint_contrast

FLIPPED = 4  # hidden units at once: what they cost beside 25 updates is little


@dataclass(frozen=True)
class PTT(Checked, Method):
    """Persistent chains that exchange states with samples of an earlier version of the model.

    As `PCD`, but the chains stay in equilibrium where plain ones would be left behind, at about twice the
    cost, and log Z is known all along: the history has ``log_z``, its standard error ``log_z_stderr``,
    ``acceptance`` of exchanges, and ``rungs``, how many earlier versions have been sampled so far.

    Parameters
    ----------
    k : int, default 1
        Gibbs steps per update, at least 1, each with a round of exchanges.
    n_chains : int, optional
        How many chains; by default as many as a batch has rows. At most 32 768. The error of log Z is that of
        up to 20 equal circles of chains, at least 8: of numbers without such a divisor, or below 40, it is
        less certain, and rather too small.
    per_chain : int, default 10
        Samples of the earlier version for each chain, at least 1. The chains meet a half of them, of an odd
        number the larger one; with 1 all, and log Z is then somewhat too small.
    min_acceptance : float, default 0.4
        From 0 to 1. When a smaller share of the exchanges is accepted, the model of this moment becomes the
        earlier version: for ``30 + 4 * per_chain`` Gibbs steps it does not learn.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Notes
    -----
    Parallel trajectory tempering: Béreux, Decelle, Furtlehner & Seoane, arXiv:2607.27077 (2026), and, for
    sampling, "Fast training and sampling of restricted Boltzmann machines", ICLR 2025. The first of the
    earlier versions are independent units with the means of the data, whose log Z is known; Bennett's ratio
    leads from each to the next. Where hidden units are switches, each is now and then turned the other way
    with the visible units summed out. `rbmfast.up_down` records none of these numbers. A model that had
    learned before the run is far from there: its log Z will have a large error.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(6, 2, seed=0)
    >>> history = rf.train(rbm, np.eye(6), method=rf.PTT(n_chains=100), epochs=50, seed=1)
    >>> bool(abs(history["log_z"][-1] - rf.log_partition(rbm).value) < 0.2)
    True
    """

    k: int = field(default=1, metadata=STEPS)
    n_chains: int | None = field(
        default=None, metadata=checked_by(check_integer, optional=True, low=1, high=MAX_BATCH)
    )
    per_chain: int = field(default=10, metadata=checked_by(check_integer, low=1, high=10**6))
    min_acceptance: float = field(default=0.4, metadata=checked_by(check_fraction))
    purpose = Purpose.PTT
    persistent = True
    fused: ClassVar[bool] = True
    refresh_every: ClassVar[int] = 25
    numbers: ClassVar[tuple[str, ...]] = ("log_z", "log_z_stderr", "acceptance", "rungs")

    def chains_for(self, batch_size: int) -> int:
        return batch_size if self.n_chains is None else self.n_chains

    def start_memory(
        self, model: Conditionals | JointPath, base: Callable[[], F32], n_chains: int, stream: Stream
    ) -> dict[str, NDArray[Any]]:
        """The first earlier version: independent units."""
        start = stream._replace(purpose=Purpose.PTT_START)
        return Trajectory.begin(version_of(model), base(), n_chains, self.per_chain, start).memory

    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None
    ) -> tuple[States, F32]:
        assert chains is not None
        return self._move(model, chains, model.stream._replace(purpose=self.purpose), 2)

    def joint_gradient(
        self,
        path: JointPath,
        states: U8,
        stream: Stream,
        chains: U8 | None,
        weights: F64 | None = None,
    ) -> Gradient:
        assert chains is not None
        self._move(path, chains, stream, 1)
        return joint_contrast(path.target, states, chains, weights)

    def _move(
        self, model: Conditionals | JointPath, chains: States, stream: Stream, a_step: int
    ) -> tuple[States, F32]:
        """Move chains, in place; their visible states, and total inputs from these."""
        ladder = Trajectory(version_of(model), model.memory)
        if model.memory["acceptance"][0] < self.min_acceptance:
            ladder.climb(chains, stream._replace(purpose=Purpose.PTT_CLIMB, step=0))
        rung = ladder.rung
        for i in range(self.k):
            moved = ladder.step(chains, stream.after(a_step * i), rung)
        return moved.v, moved.x

    def check_memory(self, model: Conditionals | JointPath, memory: Mapping[str, NDArray[Any]]) -> None:
        check_memory(version_of(model), memory)

    def look(self, model: Conditionals | JointPath, chains: States, stream: Stream) -> dict[str, float]:
        ladder = Trajectory(version_of(model), model.memory)
        value, stderr = ladder.log_z_of(chains, stream._replace(purpose=Purpose.PTT_LOOK))
        memory = model.memory
        acceptance, rungs = float(memory["acceptance"][0]), int(memory["tally"][0])
        return {"log_z": value, "log_z_stderr": stderr, "acceptance": acceptance, "rungs": rungs}

    def refresh(self, model: Conditionals, chains: States, stream: Stream) -> None:
        """Some of the hidden units in turn: see `Version.flip`."""
        turn = stream.step // (2 * self.k * self.refresh_every)
        units = in_turn(chains.shape[1], FLIPPED, turn)
        here = stream._replace(purpose=self.purpose)
        version_of(model).flip(chains, here.on(here.layer + 2), units)

    def for_engine(self, memory: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        weights, a, b = engine.Weights(memory["rung/W"]), memory["rung/a"], memory["rung/b"]
        samples, log_weights = memory["reservoir"], memory["reservoir_weights"]
        rung = Rung(weights, a, b, samples, log_weights, memory["acceptance"], self.min_acceptance)
        return {"rung": rung}

    def kept(self, memory: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return kept_of(memory)
