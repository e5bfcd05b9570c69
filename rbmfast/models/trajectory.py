"""Trajectory tempering: chains of a model exchange states with samples of an earlier version of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import as_rows
from rbmfast.interactions.within import Within
from rbmfast.models.base_rates import make_path
from rbmfast.models.bennett import acceptance_ratio, circles, stderr_of
from rbmfast.models.boltzmann import BoltzmannMachine
from rbmfast.models.conditionals import WORK, Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.models.parameters import check_parameter, of_units, with_parameters
from rbmfast.models.tempering import log_uniform
from rbmfast.models.two_layers import TwoLayers
from rbmfast.reference import F32, F64, I64, States, row_sums
from rbmfast.state import Rung
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Unit

Memory = dict[str, NDArray[Any]]

RUNG = "rung/"  # before the names of the earlier version's parameters
KEPT = ("samples", "weights", "log_z", "pulls")  # beside the rung's parameters, of what a model is left
OF_SAMPLES = ("samples", ""), ("weights", "_weights")  # what the reservoir has of its own
SETTLE, APART = 30, 4  # steps before samples of a new rung are kept, and between two that are
FLIPPED = 64  # hidden units on a climb: with many of them, all would take as long as the climb itself
ALONE = 2  # every so many samples, one that chains never meet


class Version(ABC):
    """A model with the parameters of one moment: it weighs states, and its chains move.

    Chains rest at hidden states where there is a layer of them that `weigh` sums over; else at those of all
    units.
    """

    @property
    @abstractmethod
    def parameters(self) -> dict[str, F32]:
        """All of them, by name."""

    @abstractmethod
    def at(self, parameters: Mapping[str, F32]) -> Version:
        """The same model with other parameters."""

    @abstractmethod
    def independent(self, base: F32) -> dict[str, F32]:
        """Parameters of units that know nothing of each other; `base`: the bias of the visible ones."""

    @abstractmethod
    def log_z0(self) -> float:
        """Log Z, if they are such."""

    @property
    @abstractmethod
    def shown(self) -> tuple[Unit, int]:
        """Unit type of the states that it weighs, and how many there are."""

    @abstractmethod
    def alone(self, n: int, stream: Stream) -> States:
        """Visible states drawn by the biases alone: (n, n_visible)."""

    @abstractmethod
    def weigh(self, v: States) -> tuple[F64, F32]:
        """Log of exp(-E), summed over hidden states, in nats; and total inputs given states v."""

    @abstractmethod
    def draw(self, chains: States, stream: Stream) -> States:
        """Visible states of chains."""

    @abstractmethod
    def rest(self, v: States, x: F32, stream: Stream) -> States:
        """Where chains rest that show v and hear x."""

    def flip(self, chains: States, stream: Stream, units: list[int]) -> None:
        """Move chains, in place, to where Gibbs steps hardly lead; nothing where such a move is not known.

        Of each of these hidden units in turn the other state is taken by its odds, with the visible units
        summed out. A visible state keeps the hidden units that drew it: where these are few, and see many
        units, a Gibbs step hardly ever changes one of them, however probable its other state is.
        """
        return

    def climb(
        self, chains: States, steps: int, stream: Stream, rung: Any, samples: Weighed
    ) -> Weighed | None:
        """So many steps of `Trajectory.step` by the engine; None where it does not know the units."""
        return None


def in_turn(n: int, many: int, turn: int) -> list[int]:
    """So many of n hidden units, or all, from where they end at the turn before."""
    return [(turn * many + i) % n for i in range(min(n, many))]


@dataclass(frozen=True)
class Layers(Version):
    """Of a model of two layers."""

    model: Conditionals

    @property
    def parameters(self) -> dict[str, F32]:
        up, down = self.model.up, self.model.down
        return {"W": up.W, "a": down.bias, "b": up.bias, **of_units(self.model.layers)}

    def at(self, parameters: Mapping[str, F32]) -> Layers:
        units, interaction = with_parameters(self.model.layers, parameters), self.model.up.interaction
        W, a, b = (parameters[name] for name in "Wab")
        weights = interaction.weights(W)
        return Layers(Conditionals.of(units, weights, W, a, b, interaction, stream=self.model.stream))

    def independent(self, base: F32) -> dict[str, F32]:
        p = self.parameters
        return p | {"W": np.zeros_like(p["W"]), "a": base.copy()}

    def log_z0(self) -> float:
        up, down = self.model.up, self.model.down
        a, b = down.bias.astype(np.float64)[None], up.total_bias.astype(np.float64)[None]
        visible = down.target.log_normalizer_float64(a, a[0])
        return float((visible + up.target.log_normalizer_float64(b, up.bias.astype(np.float64)))[0])

    @property
    def shown(self) -> tuple[Unit, int]:
        return self.model.down.target, len(self.model.down.bias)

    def alone(self, n: int, stream: Stream) -> States:
        return self.model.down.sample_alone(n, stream)

    def weigh(self, v: States) -> tuple[F64, F32]:
        up, down = self.model.up, self.model.down
        x = up.input(v)
        return up.target.log_normalizer(x, up.bias) - down.target.energy(v, down.bias), x

    def draw(self, chains: States, stream: Stream) -> States:
        return self.model.down.sample(chains, stream)

    def rest(self, v: States, x: F32, stream: Stream) -> States:
        return self.model.up.target.sample(x, stream)

    def flip(self, chains: States, stream: Stream, units: list[int]) -> None:
        up, down = self.model.up, self.model.down
        if not (up.target.are_switches and up.interaction.is_dense and down.target.bias_factor(None) is None):
            return
        bits, x = stream.uniform(*chains.shape), down.input(chains)
        weight, other = down.target.log_normalizer(x, down.bias), np.empty_like(x)
        for j in units:
            h = chains[:, j]
            change = np.where(h, np.float32(-1), np.float32(1))
            np.multiply(change[:, None], np.ascontiguousarray(up.W[:, j]), out=other)
            other += x
            its = down.target.log_normalizer(other, down.bias)
            who = np.flatnonzero(log_uniform(bits[:, j]) <= its - weight + change * up.bias[j])
            h[who] ^= 1
            x[who], weight[who] = other[who], its[who]

    def climb(
        self, chains: States, steps: int, stream: Stream, rung: Layers, samples: Weighed
    ) -> Weighed | None:
        up, a, before = self.model.up, self.model.down.bias, rung.model
        if up.blocks is None:
            return None
        earlier = Rung(before.up.weights, before.down.bias, before.up.bias, samples.v, samples.there)
        x, here = samples.x, samples.here
        found = engine.climb(up.weights, a, up.bias, earlier, x, here, chains, steps, *stream, up.blocks)
        return Weighed(*found)


@dataclass(frozen=True)
class AllInOne(Version):
    """Of a machine whose units are all in one layer."""

    path: JointPath

    @property
    def parameters(self) -> dict[str, F32]:
        return {"W": self.path.within.W, "a": self.path.bias}

    def at(self, parameters: Mapping[str, F32]) -> AllInOne:
        within = Within(self.path.target, parameters["W"])
        return AllInOne(replace(self.path, within=within, bias=parameters["a"]))

    def independent(self, base: F32) -> dict[str, F32]:
        return {"W": np.zeros_like(self.path.within.W), "a": base.copy()}

    def log_z0(self) -> float:
        return self.path.log_z0()

    @property
    def shown(self) -> tuple[Unit, int]:
        return self.path.target, len(self.path.bias)

    def alone(self, n: int, stream: Stream) -> States:
        return self.path.target.sample(np.tile(self.path.bias, (n, 1)), stream)

    def weigh(self, v: States) -> tuple[F64, F32]:
        x = self.path.within.input(v, self.path.bias)  # every pair is in it twice, a bias once
        weights: F64 = row_sums((x.astype(np.float64) + self.path.bias) * v) / 2
        return weights, x

    def draw(self, chains: States, stream: Stream) -> States:
        return self.path.within.sweep(chains, self.path.bias, 1, stream)

    def rest(self, v: States, x: F32, stream: Stream) -> States:
        return v


class Weighed(NamedTuple):
    """Rows of visible states, what is heard from them, and their log-weights in the model and in the rung."""

    v: States
    x: F32
    here: F64
    there: F64

    def rows(self, which: slice) -> Weighed:
        """Some of them, not copied."""
        return Weighed(self.v[which], self.x[which], self.here[which], self.there[which])

    def swap(self, other: Weighed, who: I64) -> None:
        """Let these rows of both change places."""
        ours: tuple[Any, ...] = self
        theirs: tuple[Any, ...] = other
        for own, its in zip(ours, theirs, strict=True):
            own[who], its[who] = its[who], own[who]


@singledispatch
def version_of(model: Any) -> Version:
    """The model as it stands."""
    raise TypeError(f"{model!r} has no versions")


version_of.register(Conditionals, Layers)
version_of.register(JointPath, AllInOne)


@version_of.register
def _(model: TwoLayers) -> Version:
    return Layers(model._conditionals(Stream(0, Purpose.PTT)))


@version_of.register
def _(model: BoltzmannMachine) -> Version:
    return AllInOne(make_path(model))


@dataclass(frozen=True)
class Trajectory:
    """A ladder that is the model's own past: chains of the model, and samples of an earlier version, a rung.

    A chain's state v may change places with a sample y of the rung, which keeps both distributions as they
    are. What the rung has in equilibrium reaches the chains so, though they alone would not find it. When
    the model has moved on so far that exchanges fail, it becomes the rung itself: while it stands still its
    chains, helped by the rung before, draw new samples. Bennett's ratio between rungs adds up to log Z.

    A model learns to give low weights to the states of its chains, as to any rows that it is told to forget:
    by these alone log Z is too small. So a half of the samples, if their number is even, stays out of their
    reach. It tells log Z, and is what chains meet on the next climb.

    Attributes
    ----------
    version : Version
        The model as it stands.
    memory : dict of str to array
        Changed in place. The rung's parameters, under names that begin with ``rung/``; `samples` (n,
        n_visible) of it as they were drawn, with their log-weights, `weights` (n,); the `reservoir` of what
        chains have left in place of the first half of them, with `reservoir_weights`; `log_z` (1,) of the
        rung, and how far each chain has moved it, `pulls` (n_chains,); `acceptance` (1,), of late, and
        `tally` (2,): rungs, and steps to draw their samples.
    """

    version: Version
    memory: Memory

    @classmethod
    def begin(cls, version: Version, base: F32, n_chains: int, per_chain: int, stream: Stream) -> Trajectory:
        """With independent units as the first rung: they are sampled, and their log Z is known, exactly."""
        arrays = version.independent(base)
        rung = version.at(arrays)
        samples = rung.alone(per_chain * n_chains, stream)
        memory: Memory = {RUNG + name: array.copy() for name, array in arrays.items()}
        memory |= {"samples": samples, "weights": rung.weigh(samples)[0]}
        memory |= {"log_z": np.array([rung.log_z0()]), "pulls": np.zeros(n_chains)}
        return cls(version, memory | _reservoir(memory))

    @property
    def rung(self) -> Version:
        """The earlier version."""
        own = {name.removeprefix(RUNG): x for name, x in self.memory.items() if name.startswith(RUNG)}
        return self.version.at(own)

    def step(self, chains: States, stream: Stream, rung: Version, samples: Weighed | None = None) -> Weighed:
        """Move chains, in place, by a Gibbs step and exchanges, of `samples` if these are weighed already.

        The stream's step is that of the visible units, the next one of the hidden units; the next layer is
        the exchanges'.
        """
        moved = self.exchange(self.version.draw(chains, stream), stream, rung, samples)
        chains[:] = self.version.rest(moved.v, moved.x, stream.after(1))
        return moved

    def exchange(self, v: States, stream: Stream, rung: Version, samples: Weighed | None = None) -> Weighed:
        """Let chains change places with samples of the rung, in place.

        Each meets the sample at its own place behind a random one; chains of one circle only its samples.
        """
        memory, n = self.memory, len(v)
        bits = stream.on(stream.layer + 1).uniform(n + 1, 1)[:, 0]
        apart = circles(n)
        first = apart * (int(bits[n]) * ((len(memory["reservoir"]) - n) // apart + 1) >> 32)
        here = slice(first, first + n)
        if samples is None:
            met = self._weighed(memory["reservoir"][here], memory["reservoir_weights"][here])
        else:
            met = samples.rows(here)
        own = self._weighed(v, rung.weigh(v)[0])
        who = _accepted(own, met, bits[:n])
        own.swap(met, who)
        memory["acceptance"] += (np.float32(len(who) / n) - memory["acceptance"]) / np.float32(4)  # of some
        return own

    def _weighed(self, v: States, there: F64) -> Weighed:
        here, x = self.version.weigh(v)
        return Weighed(v, x, here, there)

    def climb(self, chains: States, stream: Stream) -> None:
        """Make the model the rung, with samples that the chains draw.

        `stream` is one for climbing alone; its first step that of the first climb.
        """
        memory, n, before = self.memory, len(chains), self.rung
        self._fill(alone=True)
        samples = self._weighed(memory["reservoir"], memory["reservoir_weights"])
        ups, drawn = self._ups(), []
        here = stream.after(2 * int(memory["tally"][1]))
        units = in_turn(chains.shape[1], FLIPPED, int(memory["tally"][0]))
        self.version.flip(chains, here.on(here.layer + 2), units)
        for steps in [SETTLE] + [APART] * (len(memory["samples"]) // n):
            drawn.append(self._walk(chains, steps, stream, before, samples))
        new, _, weights, at_rung = map(np.concatenate, zip(*drawn[1:], strict=True))
        log_z, pulls = self._add(ups, weights - at_rung)
        memory["log_z"][0], memory["pulls"][:] = log_z, pulls
        for name, array in self.version.parameters.items():
            memory[RUNG + name][...] = array
        memory["samples"][:], memory["weights"][:] = new, weights
        self._fill(alone=False)
        memory["acceptance"][:] = 1
        memory["tally"][0] += 1

    def _walk(self, chains: States, steps: int, stream: Stream, rung: Version, samples: Weighed) -> Weighed:
        """So many steps, of a climb."""
        at_once, left = max(1, WORK // (2 * len(chains) * self.version.parameters["W"].size)), steps
        while left:
            here, now = stream.after(2 * int(self.memory["tally"][1])), min(left, at_once)
            found = self.version.climb(chains, now, here, rung, samples)
            moved, now = (found, now) if found else (self.step(chains, here, rung, samples), 1)
            self.memory["tally"][1] += now
            left -= now
        return moved

    def _fill(self, alone: bool) -> None:
        """The reservoir, with samples that chains may meet while the model learns; or with the others."""
        for own, of in OF_SAMPLES:
            reservoir, samples = self.memory[f"reservoir{of}"], self.memory[own]
            reservoir[:] = samples[-len(reservoir) :] if alone else samples[: len(reservoir)]

    # --- Afterwards ----------------------------------------------------------------------------------------

    @classmethod
    def of(cls, model: Any) -> Trajectory:
        """What a model was left, as it can be changed."""
        kept: Mapping[str, NDArray[Any]] | None = model.trajectory
        if kept is None:
            raise ValueError(
                f"method must not be 'trajectory' for {model!r}, which has none: rf.PTT leaves one until "
                "something else changes the parameters, files keep it with save(..., trajectory=True)"
            )
        memory = {name: array.copy() for name, array in kept.items()}
        return cls(version_of(model), memory | _reservoir(memory))

    def sample(self, n: int, steps: int, stream: Stream) -> tuple[States, States]:
        """States of n new chains that begin at samples of the rung, and where they rest.

        Each takes samples for its own, and leaves none behind: so it is the same in whatever company.
        """
        samples, weights, rung = self.memory["samples"], self.memory["weights"], self.rung

        def places(bits: NDArray[np.uint32]) -> I64:
            return (bits.astype(np.uint64) * np.uint64(len(samples)) >> np.uint64(32)).astype(np.int64)

        v = samples[places(stream.on(1).uniform(n, 1)[:, 0])]
        chains = self.version.rest(v, self.version.weigh(v)[1], stream.after(1))
        for t in range(steps):
            here = stream.after(2 + 2 * t)
            v, bits = self.version.draw(chains, here), here.on(1).uniform(n, 2)
            met = places(bits[:, 0])
            own = self._weighed(v, rung.weigh(v)[0])
            copies = self._weighed(samples[met], weights[met])
            own.swap(copies, _accepted(own, copies, bits[:, 1]))
            chains = self.version.rest(v, own.x, here.after(1))
        return v, chains

    def reach(self, stream: Stream) -> tuple[float, float]:
        """Make the model the rung, by new chains from samples: its log Z, and the standard error."""
        v = self.memory["samples"][: len(self.memory["pulls"])]
        chains = self.version.rest(v, self.version.weigh(v)[1], stream.after(1)).copy()
        self.climb(chains, stream.after(2))
        return float(self.memory["log_z"][0]), stderr_of(self.memory["pulls"])

    # --- log Z ----------------------------------------------------------------------------------------------

    def log_z_of(self, chains: States, stream: Stream) -> tuple[float, float]:
        """Of the model, and its standard error; `chains` go on from here, and come back to it.

        Rounded to a millionth of a nat: the last bits of NumPy's functions differ from machine to machine.
        """
        v = self.version.draw(
            chains, stream
        )  # as the model is now: what they showed last was before an update
        resting = self.version.rest(v, self.version.weigh(v)[1], stream.after(1))
        v = self.version.draw(resting, stream.after(2))
        log_z, pulls = self._add(self._ups(), self.version.weigh(v)[0] - self.rung.weigh(v)[0])
        return round(log_z, 6), round(stderr_of(pulls), 6)

    def _ups(self) -> F64:
        """Log-ratios of weights, model to rung, of samples that chains have not met, if there are any."""
        memory = self.memory
        first = len(memory["reservoir"]) % len(memory["samples"])
        ups: F64 = self.version.weigh(memory["samples"][first:])[0] - memory["weights"][first:]
        return ups

    def _add(self, up: F64, down: F64) -> tuple[float, F64]:
        """Log Z of the model, and how far each chain has moved it.

        From log-ratios of weights, model to rung, of the rung's samples and of the model's.
        """
        memory, n = self.memory, len(self.memory["pulls"])
        more, _, pulls = acceptance_ratio(up.reshape(-1, n), down.reshape(-1, n))
        return float(memory["log_z"][0]) + more, memory["pulls"] + pulls


def _accepted(own: Weighed, met: Weighed, bits: NDArray[np.uint32]) -> I64:
    """Which chains take the samples of the rung that they meet for their own.

    With probability min(1, p(y) r(v) / (p(v) r(y))) that in state v the sample y; p is the model, r the rung.
    """
    gain = (met.here - own.here) + (own.there - met.there)
    return np.flatnonzero(log_uniform(bits) <= gain)


def _reservoir(memory: Memory) -> Memory:
    """What chains have left, and how they fare, at the beginning of a rung."""
    n_chains = len(memory["pulls"])
    per_chain = len(memory["samples"]) // n_chains
    met = n_chains * (per_chain - per_chain // ALONE)
    tally: Memory = {"acceptance": np.ones(1, np.float32), "tally": np.zeros(2, np.int64)}
    return {f"reservoir{of}": memory[own][:met].copy() for own, of in OF_SAMPLES} | tally


def kept_of(memory: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A copy of what a model is left of its trajectory."""
    return {name: x.copy() for name, x in memory.items() if name in KEPT or name.startswith(RUNG)}


def check_kept(version: Version, kept: Mapping[str, NDArray[Any]]) -> None:
    """Raise an error if this is not the trajectory of such a model: a file can hold anything."""
    own = {f"{RUNG}{name}": array for name, array in version.parameters.items()}
    if kept.keys() != {*KEPT, *own}:
        raise ValueError(f"its trajectory must have {', '.join([*KEPT, *own])}, got {', '.join(kept)}")
    for name, array in own.items():
        if kept[name].shape != array.shape:
            raise ValueError(
                f"{name} of the trajectory must have shape {array.shape}, got {kept[name].shape}"
            )
    n_chains = len(kept["pulls"])
    if kept["samples"].ndim != 2 or not n_chains or len(kept["samples"]) % n_chains:
        raise ValueError(f"samples of the trajectory must be a multiple of {n_chains} rows")
    numbers = {"weights": (len(kept["samples"]),), "log_z": (1,), "pulls": (n_chains,)}
    for name, shape in numbers.items():
        if kept[name].shape != shape or kept[name].dtype != np.float64:
            raise ValueError(f"{name} of the trajectory must be float64 numbers of shape {shape}")
    check_memory(version, kept)


def check_memory(version: Version, memory: Mapping[str, NDArray[Any]]) -> None:
    """Raise an error if these, of the right form, are no samples, parameters and numbers of a trajectory."""
    unit, width = version.shown
    for name, array in memory.items():
        if name in ("samples", "reservoir"):
            as_rows(array, width, domain=unit.domain, name=f"{name} of the trajectory")
            if array.dtype != unit.dtype:
                raise ValueError(f"{name} of the trajectory must be {unit.dtype}, got {array.dtype}")
        elif name.startswith(RUNG):
            check_parameter(array, f"{name} of the trajectory", array.shape)
        elif np.isnan(array).any() or (name != "pulls" and np.isinf(array).any()):
            raise ValueError(f"{name} of the trajectory must be finite")
        elif name == "tally" and (array < 0).any():
            raise ValueError("tally of the trajectory must not be negative")
