"""A run of a machine whose units are all in one layer: its state, and how an update changes it."""

from __future__ import annotations

from collections.abc import Mapping
from operator import setitem
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.files import JSON, entry
from rbmfast.interactions.within import Within
from rbmfast.models import BoltzmannMachine
from rbmfast.models.boltzmann import as_bits
from rbmfast.models.parameters import (
    COARSE_EXPONENT,
    can_be_parameters,
    check_parameter,
    warn_of_large_weights,
)
from rbmfast.reference import F32, I64, MAX_BATCH, MAX_EXPONENT, U8
from rbmfast.runtime import uninterrupted, warn
from rbmfast.streams import MAX_STEP, Purpose, RowIds, Stream
from rbmfast.training.batches import FirstLook
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.monitors import Watched
from rbmfast.training.optimizers import SGD, Steps
from rbmfast.training.penalties import penalty_gradient, split_penalties
from rbmfast.training.phases import as_divergence
from rbmfast.training.run import Run
from rbmfast.training.settings import TrainSettings, describe, digest


class JointRun(Run):
    """A run of `train` with a `rbmfast.BoltzmannMachine`. See `Run`.

    Attributes
    ----------
    learned : dict of str to float32 array
        W and a, for states 0 and 1; replaced at each update.
    exponent : int
        Of the fixed-point weights: it only drops.
    chains : uint8 array (n_chains, n_units) or None
        States of the persistent chains.
    completed : uint8 array (n_rows, n_units) or None
        States of all units for each row, where something is not known: hidden units, missing entries. What
        is not takes the method's sweeps whenever the row is learned from.
    steps : Steps
        How gradients become steps.
    """

    kind: ClassVar[str] = "checkpoint"
    settings: TrainSettings

    def __init__(
        self,
        model: BoltzmannMachine,
        rows: Rows,
        settings: TrainSettings,
        numbers: Mapping[str, str | None],
        validation: Rows | None = None,
    ) -> None:
        super().__init__(model, rows, settings, numbers)
        self.machine, self.validation, self.settings = model, validation, settings
        self.terms, self.custom_penalties = split_penalties(settings.penalties)
        p, method = model._parameters, settings.method
        self.learned = {"W": p.within.W.copy(), "a": p.a.copy()}
        self.exponent = self._warned = MAX_EXPONENT
        self.steps = Steps(settings.optimizer, self.learned, l2=self.terms.l2)
        self.visible_means: F32 = np.zeros(model.n_visible, np.float32)
        self.fingerprint: str | None = None
        self.updates = 0
        self.n_chains = method.chains_for(self.batch_size)
        self.chains: U8 | None = None
        self.completed: U8 | None = None
        self._watched = Watched(model, rows, validation, settings.seed)
        self._refuse()
        for penalty in self.custom_penalties:
            penalty_gradient(penalty, self.learned["W"])  # its errors come before anything has changed

    def _refuse(self) -> None:
        """Raise an error for what these machines do not learn with."""
        settings, method, who = self.settings, self.settings.method, "an rf.BoltzmannMachine"
        if not method.learns_jointly:
            allowed = "rf.CD, rf.PCD or rf.MaximumPseudoLikelihood"
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
        look = FirstLook(self.rows, with_fingerprint=self.settings.checkpoint is not None)
        bias, self.visible_means = machine.visible.initial_bias(look)
        are_equal, self.fingerprint = look.finish()
        if are_equal:
            warn(f"X is constant: all its {self.rows.n_rows} rows are equal, and teach nothing but one state")
        if machine.is_untouched:
            self.learned["a"][:n] = check_parameter(bias, "the biases from X", bias.shape)
        if self.n_chains:
            self.chains = self._alone(self.n_chains, Purpose.CHAIN_START)
        if machine.n_hidden or self._is_incomplete:
            self.completed = self._alone(self.rows.n_rows, Purpose.MISSING)
            for first, v in self.rows.blocks():
                here = slice(first, first + len(v))
                known = True if self.rows.missing is None else ~self.rows.missing[here]
                self.completed[here, :n] = np.where(known, as_bits(v), self.completed[here, :n])

    def _alone(self, n: int, purpose: Purpose) -> U8:
        """States of all units, drawn from their biases alone."""
        x = np.tile(self.learned["a"], (n, 1))
        states: U8 = self.machine.units.sample(x, Stream(self.settings.seed, purpose))
        return states

    def publish(self) -> None:
        self.machine._set_parameters(**self.learned, visible_means=self.visible_means)

    def note(self) -> None:
        """Warn once of weights that the sampler sees coarsely."""
        before, self._warned = self._warned, self.exponent
        if self.exponent < COARSE_EXPONENT <= before:
            largest = float(np.abs(self.learned["W"]).max())
            remedy = ". Lower the rate, or add a penalty such as rf.L2(1e-4)"
            warn_of_large_weights(largest, self.exponent, "the weights have become large", remedy)

    def interrupted(self) -> None:
        """The machine gets the parameters after the last complete update."""
        if can_be_parameters(self.learned.values()):
            self.publish()

    # --- What is recorded and saved -------------------------------------------------------------------------

    def monitored(self) -> dict[str, float]:
        return self._watched.numbers(self.settings.monitors, self.epoch)

    def parameters(self) -> dict[str, F32]:
        return self.learned

    def arrays(self) -> dict[str, NDArray[Any]]:
        powers = {} if isinstance(self.settings.optimizer, SGD) else {"powers": self.steps.powers}
        own: dict[str, NDArray[Any]] = {
            **self.learned,
            **self.steps.moments,
            **powers,
            "visible_means": self.visible_means,
        }
        return {**own, **self._states(), **self._watched.arrays()}

    def _states(self) -> dict[str, U8]:
        """Of all chains that there are."""
        of_all = {"chains": self.chains, "completed": self.completed}
        return {name: states for name, states in of_all.items() if states is not None}

    def meta(self) -> dict[str, JSON]:
        return {"updates": self.updates, "exponent": self.exponent}

    def restore(self, saved: Checkpoint) -> None:
        """See `Run.restore`. A file can hold anything: an error says what are no numbers of a run."""
        machine, n_units = self.machine, self.machine._n_units
        self.chains = np.empty((self.n_chains, n_units), np.uint8) if self.n_chains else None
        if machine.n_hidden or self._is_incomplete:
            self.completed = np.empty((self.rows.n_rows, n_units), np.uint8)
        super().restore(saved)
        self.steps.check()
        machine._check_weights(self.learned["W"])
        self.exponent = self._warned = entry(saved.meta, "exponent", int)
        engine.Weights(self.learned["W"], self.exponent)
        for name, states in self._states().items():
            machine.units.rows(states, n_units, name)
        self._watched.restore(saved.arrays)
        self.updates = entry(saved.meta, "updates", int)
        if self.updates != saved.epoch * self.updates_per_epoch:
            raise ValueError(f"updates must be {self.updates_per_epoch} an epoch, got {self.updates}")

    def describe(self) -> dict[str, Any]:
        machine = self.machine
        return {
            "n_visible": machine.n_visible,
            "n_hidden": machine.n_hidden,
            "units": describe(machine.units),
            "graph": digest(machine.graph),
            "X": self.fingerprint or self.rows.fingerprint(),
            "validation": None if self.validation is None else self.validation.fingerprint(),
            **super().describe(),
        }

    # --- Learning -------------------------------------------------------------------------------------------

    def update(self, rows: I64, now: tuple[float, ...]) -> None:
        """One update: a step up the method's gradient. See `Run.update`."""
        method, W, a = self.settings.method, self.learned["W"], self.learned["a"]
        within = Within(self.machine.units, W, self.exponent)
        states = self._complete(within, rows)
        stream = self._stream(method.purpose, 0 if method.persistent else rows)
        gradient = method.joint_gradient(within, a, states, stream, self.chains, self.weights_of(rows))
        for penalty in self.custom_penalties:
            own = penalty_gradient(penalty, W)
            gradient.W = gradient.W + np.float32(0.5) * (own + own.T)
        slope = np.where(
            self.machine._joined, gradient.W - np.float32(self.terms.l1) * np.sign(W), np.float32(0)
        )
        new = {"W": W.copy(), "a": a.copy()}
        with as_divergence(), np.errstate(over="ignore", invalid="ignore"):
            self.steps.take([*new.values()], [slope, gradient.a], -1.0, now)
            exponent = engine.exponent(new["W"], self.exponent)
        uninterrupted(
            setitem, [vars(self)] * 3, ["learned", "exponent", "updates"], [new, exponent, self.updates + 1]
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

    def _stream(self, purpose: Purpose, rows: RowIds) -> Stream:
        """Of this update, for rows or chains with these numbers."""
        return Stream(self.settings.seed, purpose, 0, self.settings.method.k * self.updates, rows)
