"""A run of a machine whose units are all in one layer: its state, and how an update changes it."""

from __future__ import annotations

from collections.abc import Mapping
from operator import setitem
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.files import JSON, entry
from rbmfast.interactions.within import Within
from rbmfast.models import BoltzmannMachine
from rbmfast.models.boltzmann import as_bits
from rbmfast.models.joint_path import JointPath
from rbmfast.models.parameters import check_parameter
from rbmfast.reference import F32, I64, MAX_BATCH, MAX_EXPONENT, U8, States
from rbmfast.runtime import uninterrupted
from rbmfast.streams import MAX_STEP, Purpose, RowIds, Stream
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.monitors import Watched
from rbmfast.training.optimizers import Steps
from rbmfast.training.penalties import penalty_gradient
from rbmfast.training.phases import as_divergence
from rbmfast.training.sampled_run import SampledRun
from rbmfast.training.settings import TrainSettings, describe, digest


class JointRun(SampledRun):
    """A run of `train` with a `rbmfast.BoltzmannMachine`. See `SampledRun`.

    Attributes
    ----------
    learned : dict of str to float32 array
        W and a, for states 0 and 1; replaced at each update.
    current_exponent : int
        Of the fixed-point weights: it only drops.
    completed : uint8 array (n_rows, n_units) or None
        States of all units for each row, where something is not known: hidden units, missing entries. What
        is not takes the method's sweeps whenever the row is learned from.
    """

    settings: TrainSettings

    def __init__(
        self,
        model: BoltzmannMachine,
        rows: Rows,
        settings: TrainSettings,
        numbers: Mapping[str, str | None],
        validation: Rows | None = None,
    ) -> None:
        super().__init__(model, rows, settings, numbers, validation)
        self.machine = self.owner = model
        p, method = model._parameters, settings.method
        self.learned = {"W": p.within.W.copy(), "a": p.a.copy()}
        self.current_exponent = MAX_EXPONENT
        self.steps = Steps(settings.optimizer, self.learned, l2=self.terms.l2)
        self.visible_means = np.zeros(model.n_visible, np.float32)
        self.n_chains = method.chains_for(self.batch_size)
        self.completed: U8 | None = None
        self.watched = Watched(model, rows, validation, settings.seed)
        self._refuse()
        for penalty in self.custom_penalties:
            penalty_gradient(penalty, self.learned["W"])  # its errors come before anything has changed

    def _refuse(self) -> None:
        """Raise an error for what these machines do not learn with."""
        settings, method, who = self.settings, self.settings.method, "an rf.BoltzmannMachine"
        if not method.learns_jointly:
            allowed = "rf.CD, rf.PCD, rf.PT, rf.PTT or rf.MaximumPseudoLikelihood"
            raise ValueError(f"method must be {allowed} for {who}, got {method!r}")
        if self._is_incomplete and not np.any(self.rows.n_known):
            raise ValueError("X must have entries that are known, got none: all are missing")
        if not method.takes_missing and (self._is_incomplete or self.machine.n_hidden):
            raise ValueError(f"X must be complete, and all units visible, for {method!r}: use rf.PCD()")
        if settings.centered:
            raise ValueError(f"centered must be False for {who}, got True")
        if settings.missing != "random":
            raise ValueError(f"missing must be 'random' for {who}, got {settings.missing!r}")
        if self.terms.max_norm or self.terms.sparsity_cost:
            raise ValueError(f"penalties must be rf.L2, rf.L1 or your own for {who}")
        if max(self.batch_size, self.n_chains) > MAX_BATCH:
            what, n = (
                ("batch_size", self.batch_size) if self.batch_size > MAX_BATCH else ("chains", self.n_chains)
            )
            raise ValueError(f"{what} must be at most {MAX_BATCH}, got {n}")
        if method.k * settings.epochs * self.updates_per_epoch >= MAX_STEP:
            raise ValueError(f"epochs={self.epochs} with k={method.k} takes more than {MAX_STEP} sweeps")

    @property
    def _is_incomplete(self) -> bool:
        return self.rows.missing is not None

    # --- Start and finish -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin afresh: biases from the data if the machine is untouched, chains."""
        machine, n = self.machine, self.machine.n_visible
        bias = self.look_at_rows(machine.visible.initial_bias, machine.visible)
        if machine.is_untouched:
            self.learned["a"][:n] = check_parameter(bias, "the biases from X", bias.shape)
        if self.n_chains:
            self.chains = self._alone(self.n_chains, Purpose.CHAIN_START)
            self.memory = self._new_memory()
        if machine.n_hidden or self._is_incomplete:
            self.completed = self._alone(self.rows.n_rows, Purpose.MISSING)
            for first, v in self.rows.blocks():
                here = slice(first, first + len(v))
                known = True if self.rows.missing is None else ~self.rows.missing[here]
                self.completed[here, :n] = np.where(known, as_bits(v), self.completed[here, :n])

    def _new_memory(self) -> dict[str, NDArray[Any]]:
        """What the method wants to remember from update to update, as it is before the first one."""
        path, stream = self.as_it_stands()
        return self.settings.method.start_memory(path, lambda: path.base, self.n_chains, stream)

    def as_it_stands(self) -> tuple[JointPath, Stream]:
        """See `SampledRun.as_it_stands`."""
        W, a = self.learned["W"], self.learned["a"]
        path = JointPath(Within(self.machine.units, W, self.current_exponent), a, self.base, self.memory)
        return path, self._stream(self.settings.method.purpose, 0)

    def _alone(self, n: int, purpose: Purpose) -> U8:
        """States of all units, drawn from their biases alone."""
        x = np.tile(self.learned["a"], (n, 1))
        states: U8 = self.machine.units.sample(x, Stream(self.settings.seed, purpose))
        return states

    def publish(self) -> None:
        self.machine._set_parameters(**self.learned, visible_means=self.visible_means)

    # --- What is recorded and saved -------------------------------------------------------------------------

    @property
    def lowest_exponent(self) -> int:
        return self.current_exponent

    def parameters(self) -> dict[str, F32]:
        return self.learned

    def states_of_chains(self) -> dict[str, States]:
        completed = {} if self.completed is None else {"completed": self.completed}
        return {**super().states_of_chains(), **completed}

    def meta(self) -> dict[str, JSON]:
        return {"updates": self.updates, "exponent": self.current_exponent}

    def restore(self, saved: Checkpoint) -> None:
        """See `Run.restore`. A file can hold anything: an error says what are no numbers of a run."""
        machine, n_units = self.machine, self.machine._n_units
        self.chains = np.empty((self.n_chains, n_units), np.uint8) if self.n_chains else None
        if machine.n_hidden or self._is_incomplete:
            self.completed = np.empty((self.rows.n_rows, n_units), np.uint8)
        self.memory = self._new_memory()
        super().restore(saved)
        self.settings.method.check_memory(self.as_it_stands()[0], self.memory)

    def restore_weights(self, saved: Checkpoint) -> None:
        self.machine._check_weights(self.learned["W"])
        self.current_exponent = entry(saved.meta, "exponent", int)
        engine.Weights(self.learned["W"], self.current_exponent)

    def check_states(self, states: States, name: str) -> None:
        self.machine.units.rows(states, self.machine._n_units, name)

    def describe(self) -> dict[str, Any]:
        machine = self.machine
        return {
            "n_visible": machine.n_visible,
            "n_hidden": machine.n_hidden,
            "units": describe(machine.units),
            "graph": digest(machine.graph),
            **super().describe(),
        }

    # --- Learning -------------------------------------------------------------------------------------------

    def update(self, rows: I64, now: tuple[float, ...]) -> None:
        """One update: a step up the method's gradient. See `Run.update`."""
        method, W, a = self.settings.method, self.learned["W"], self.learned["a"]
        path, stream = self.as_it_stands()
        states = self._complete(path.within, rows)
        stream = stream if method.persistent else stream._replace(rows=rows)
        gradient = method.joint_gradient(path, states, stream, self.chains, self.weights_of(rows))
        for penalty in self.custom_penalties:
            own = penalty_gradient(penalty, W)
            gradient.W = gradient.W + np.float32(0.5) * (own + own.T)
        slope = np.where(
            self.machine._joined, gradient.W - np.float32(self.terms.l1) * np.sign(W), np.float32(0)
        )
        new = {"W": W.copy(), "a": a.copy()}
        with as_divergence(), np.errstate(over="ignore", invalid="ignore"):
            self.steps.take([*new.values()], [slope, gradient.a], -1.0, now)
            exponent = engine.exponent(new["W"], self.current_exponent)
        uninterrupted(
            setitem,
            [vars(self)] * 3,
            ["learned", "current_exponent", "updates"],
            [new, exponent, self.updates + 1],
        )
        self.check_parameters()

    def _complete(self, within: Within, rows: I64) -> U8:
        """States of all units for the rows; what is not known is drawn given what is."""
        if self.completed is None:
            return as_bits(self.rows.block(rows))
        held = np.zeros((len(rows), self.machine._n_units), np.bool_)
        missing = self.rows.missing
        held[:, : self.machine.n_visible] = True if missing is None else ~missing[rows]
        stream = self._stream(Purpose.MISSING, rows).after(1)  # step 0 is the start's
        states = within.sweep(self.completed[rows], self.learned["a"], self.settings.method.k, stream, held)
        self.completed[rows] = states
        return states

    @property
    def base(self) -> F32:
        """Biases of independent units with the means of the data."""
        base = np.zeros(self.machine._n_units, np.float32)
        base[: self.machine.n_visible] = self.machine.visible.bias_from_means(self.visible_means)
        return base

    def _stream(self, purpose: Purpose, rows: RowIds) -> Stream:
        """Of this update, for rows or chains with these numbers."""
        return Stream(self.settings.seed, purpose, 0, self.settings.method.k * self.updates, rows)
