"""A run of `train`: its state, and how one epoch of learning changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.files import JSON
from rbmfast.models import DBN, RBM
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.parameters import COARSE_EXPONENT, can_be_parameters, warn_of_large_weights
from rbmfast.reference import F32, MAX_EXPONENT, States, to_grey
from rbmfast.runtime import warn
from rbmfast.state import LearningState
from rbmfast.streams import Purpose, RowIds, Stream
from rbmfast.training.batches import I64, epoch_order, pieces
from rbmfast.training.common import Arrays, BasicRun, under
from rbmfast.training.display import Display
from rbmfast.training.monitors import Watched
from rbmfast.training.penalties import penalty_gradient
from rbmfast.training.plan import Plan
from rbmfast.training.state import TrainingState

CHUNK_BYTES = 1 << 24  # of converted rows that one call of the engine learns from
LIVE_ROWS = 1 << 14  # between two movements of a progress bar

VELOCITIES = ("W_velocity", "a_velocity", "b_velocity")
RUNNING_MEANS = ("visible_offset", "hidden_offset", "activity")
STATE_ARRAYS = ("W", "a", "b", *VELOCITIES, *RUNNING_MEANS)


class Run(BasicRun):
    """A run of `train`. See `BasicRun`; `epoch` counts those of earlier calls too.

    Attributes
    ----------
    state : LearningState
        Parameters, velocities, running means, exponent.
    chains : array (n_chains, n_hidden) or None
        Hidden states of the persistent chains.
    notes : dict of str to array
        What monitors keep from epoch to epoch.
    memory : dict of str to array
        What the method keeps beside them.
    visible_means : float32 array (n_visible,)
        Of the training data; they stay in the model.
    updates : int
        How many have been completed.
    first_row, first_step : int
        Where this call's random numbers begin: after those of earlier calls.
    rate, momentum : float
        At the last update.
    """

    kind: ClassVar[str] = "checkpoint"
    plan: Plan

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.state = LearningState.start(plan.rbm.W, plan.rbm.a, plan.rbm.b)
        self.chains: States | None = None
        self.memory: dict[str, F32] = {}
        self.notes: dict[str, NDArray[Any]] = {}
        self.visible_means: F32 = np.zeros(plan.rbm.n_visible, np.float32)
        self.epoch = 0 if plan.carried is None else plan.carried.epochs
        self.updates = 0
        self.first_row = 0
        self.first_step = 0
        self.rate = self.momentum = float("nan")
        sets = plan.rows, plan.validation
        self._watched = Watched(plan.rbm, *sets, plan.seed, self.notes, plan.complete)

    @property
    def model(self) -> RBM | DBN:
        """See `BasicRun.model`."""
        return self.plan.rbm

    @property
    def states(self) -> dict[str, LearningState]:
        """`state`, and those of other layers, by what their names in a file begin with."""
        return {"": self.state}

    @property
    def exponent(self) -> int:
        """The lowest one: of the coarsest weights."""
        return min(state.exponent for state in self.states.values())

    # --- Start and finish -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin afresh: biases from the data if the model is untouched, running means, chains."""
        plan = self.plan
        if plan.carried is None or not plan.carried.has_begun:
            self._warn_of_doubtful_data()
        if plan.rbm.is_untouched:
            plan.rbm._initialize(plan.rows)
        _, self.visible_means = plan.rbm.visible.initial_bias(plan.rows)
        self.state.a[:] = plan.rbm.a
        if plan.carried is not None and plan.carried.has_begun:
            self._go_on_from(plan.carried)
        else:
            self._set_running_means()
        if plan.carried is not None and plan.carried.chains is not None:
            self.chains = plan.carried.chains.copy()
        self.memory = self.new_memory()
        if plan.carried is not None:
            self.memory |= {n: x.copy() for n, x in plan.carried.memory.items() if n in self.memory}
        if not plan.n_chains:
            self.chains = None
        elif self.chains is None:
            model = self.conditionals(Purpose.CHAIN_START, step=0)
            self.chains = plan.method.start_chains(model, plan.n_chains)

    def _warn_of_doubtful_data(self) -> None:
        rows = self.plan.rows
        if rows.are_equal:
            warn(
                f"X is constant: all its {rows.n_rows} rows are equal, and teach nothing but one state. "
                "Look at how it was read, scaled or thresholded"
            )
        elif (doubts := self.plan.rbm.visible.doubts(rows)) is not None:
            warn(f"X: {doubts}")

    def new_memory(self) -> dict[str, F32]:
        """What the method wants to remember from update to update, as it is before the first one."""
        model = self.conditionals(self.plan.method.purpose)
        return self.plan.method.start_memory(model, self.plan.rbm.visible_means)

    def _set_running_means(self) -> None:
        self.state.exponent = engine.exponent(self.state.W)
        self.state.visible_offset[:] = self.visible_means
        self.state.hidden_offset[:] = self._hidden_means()
        self.state.activity[:] = self.plan.settings.sparsity_target

    def _go_on_from(self, carried: TrainingState) -> None:
        """Everything but the chains as an earlier call left it."""
        for name, array in carried.arrays.items():
            setattr(self.state, name, array.copy())
        self.state.exponent = engine.exponent(self.state.W, carried.exponent or MAX_EXPONENT)
        self.first_row, self.first_step = carried.rows, carried.half_steps
        if carried.optimizer == self.plan.optimizer:
            self.memories = list(carried.memories)
        seen = self.plan.rbm.visible_means
        if seen is not None:  # the means of all data so far
            share = self.plan.rows.n_rows / (self.plan.rows.n_rows + carried.rows)
            self.visible_means = (share * self.visible_means + (1 - share) * seen).astype(np.float32)

    def publish(self) -> None:
        """Give the model the parameters as they stand, and tell the next call where this one is."""
        self._set_parameters()
        self._hand_over()
        before = self.history["exponent"][-1] if len(self.history) else MAX_EXPONENT
        if self.exponent < COARSE_EXPONENT <= before:
            largest = max(float(abs(state.W).max()) for state in self.states.values())
            remedy = ". Lower the rate, or add a penalty such as rf.L2(1e-4) or rf.MaxNorm"
            warn_of_large_weights(largest, self.exponent, "the weights have become large", remedy)

    def _set_parameters(self) -> None:
        state = self.state
        self.plan.rbm._set_parameters(state.W, state.a, state.b, visible_means=self.visible_means)

    def _hand_over(self) -> None:
        """Note for the next call where this one is."""
        carried = self.plan.carried
        if carried is None:
            return
        _, momentum = self.plan.optimizer.schedules
        arrays = RUNNING_MEANS + (VELOCITIES if momentum.bounds()[1] else ())
        carried.arrays = {name: getattr(self.state, name).copy() for name in arrays}
        carried.chains = None if self.chains is None else self.chains.copy()
        carried.memory = {name: array.copy() for name, array in self.memory.items()}
        carried.seed, carried.exponent = self.plan.seed, self.state.exponent
        carried.rows += self.plan.rows.n_rows * (self.epoch - carried.epochs)
        carried.epochs, carried.half_steps = self.epoch, self._next_step
        carried.optimizer, carried.memories = self.plan.optimizer, list(self.memories)

    @property
    def _next_step(self) -> int:
        """The first half-step of the next update's random numbers: each has its own, even with k = 0."""
        return self.first_step + 2 * max(1, self.plan.method.k) * self.updates

    # --- What is recorded and saved -------------------------------------------------------------------------

    def monitored(self) -> dict[str, float]:
        """See `BasicRun.monitored`."""
        self._watched.epoch = self.epoch
        numbers: dict[str, float] = {}
        for monitor in self.plan.monitors:
            numbers.update(monitor(self._watched))
        return numbers

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `BasicRun.arrays`."""
        states = {
            prefix + name: getattr(state, name)
            for prefix, state in self.states.items()
            for name in STATE_ARRAYS
        }
        chains = {} if self.chains is None else {"chains": self.chains}
        memory = {f"memory/{name}": array for name, array in self.memory.items()}
        notes = {f"notes/{name}": array for name, array in self.notes.items()}
        return {**states, "visible_means": self.visible_means, **chains, **memory, **notes}

    def expected(self) -> Arrays:
        """See `BasicRun.expected`."""
        n_chains, rbm = self.plan.n_chains, self.plan.rbm
        chains = {"chains": np.empty((n_chains, rbm.n_hidden), rbm.hidden.dtype)} if n_chains else {}
        memory = {f"memory/{name}": array for name, array in self.new_memory().items()}
        return {**self.arrays(), **chains, **memory}

    def meta(self) -> dict[str, JSON]:
        """See `BasicRun.meta`."""
        exponents = {f"{prefix}exponent": state.exponent for prefix, state in self.states.items()}
        return {"updates": self.updates, **exponents}

    def restore(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """See `BasicRun.restore`."""
        for prefix, state in self.states.items():
            for name in STATE_ARRAYS:
                setattr(state, name, arrays[prefix + name].copy())
            state.exponent = meta[f"{prefix}exponent"]
        self.chains = arrays.get("chains")
        self.memory = under(arrays, "memory/")
        self.notes.update(under(arrays, "notes/"))
        self.visible_means = arrays["visible_means"]
        self.updates = meta["updates"]
        self._check_restored(meta["epoch"])

    def _check_restored(self, epoch: int) -> None:
        """Raise an error if these are no numbers of a run: a file can hold anything."""
        self._check_parameters()
        for state in self.states.values():
            engine.Weights(state.W, state.exponent)
        if self.chains is not None:
            self.plan.rbm.hidden.rows(self.chains, self.plan.rbm.n_hidden, "chains")
        if self.updates != epoch * self.plan.updates_per_epoch:
            raise ValueError(f"updates must be {self.plan.updates_per_epoch} an epoch, got {self.updates}")

    # --- Learning -------------------------------------------------------------------------------------------

    def learn_epoch(self, display: Display) -> None:
        """Learn from every row once.

        Parameters
        ----------
        display : Display
            Told, now and then, how many more rows have been learned from.

        Raises
        ------
        FloatingPointError
            Learning diverged; the model keeps the last completed epoch.
        KeyboardInterrupt
            The model has the parameters after the last complete update.
        """
        plan = self.plan
        exact_rates, exact_momenta = self.scheduled()
        order = epoch_order(plan.rows.n_rows, plan.shuffle, plan.seed, self.epoch, plan.batch_size)
        rates, momenta = (values.astype(np.float32) for values in (exact_rates, exact_momenta))
        learn = self._learn_fused if plan.fused else self._learn_step_by_step
        size = self._piece_rows(display.live)
        try:
            for piece in pieces(len(order), size):
                batches = slice(piece.start // plan.batch_size, -(-piece.stop // plan.batch_size))
                learn(order[piece], rates[batches], momenta[batches])
                plan.rows.give_back()  # pages of a memory map: resident memory stays bounded
                display.advance(piece.stop - piece.start)
            self._check_parameters()
        except KeyboardInterrupt:
            if self._can_be_published():
                self._set_parameters()
            raise
        except FloatingPointError as error:
            raise FloatingPointError(
                f"learning diverged in epoch {self.epoch + 1}; the model keeps epoch {self.epoch}. "
                f"Lower the rate (it was {rates.max():g}) or the momentum, or scale real-valued data to "
                "variance 1"
            ) from error
        self.rate, self.momentum = float(exact_rates[-1]), float(exact_momenta[-1])
        self.count_epoch()

    def _learn_fused(self, rows: I64, rates: F32, momenta: F32) -> None:
        """Learn from some whole batches by one call of the engine: as step by step, but much faster."""
        plan = self.plan
        if plan.rows.direct is not None and not plan.rows.mapped:
            X, order = plan.rows.direct, rows
        else:
            X, order = plan.rows.block(rows), np.arange(len(rows), dtype=np.int64)
        self.updates += engine.epoch(
            self.state,
            plan.settings,
            X,
            order,
            rows + self.first_row,
            plan.batch_size,
            plan.method.k,
            self.chains,
            rates,
            momenta,
            plan.seed,
            plan.method.purpose,
            0,
            self._next_step,
        )

    def _learn_step_by_step(self, rows: I64, rates: F32, momenta: F32) -> None:
        """Learn from some whole batches, one update after the other."""
        for t, batch in enumerate(pieces(len(rows), self.plan.batch_size)):
            self.update(rows[batch], float(rates[t]), float(momenta[t]))

    def update(self, rows: I64, rate: float, momentum: float) -> None:
        """One update: a step up the method's gradient.

        Parameters
        ----------
        rows : int64 array (n_rows,)
            Numbers of the batch's rows in the data set.
        rate, momentum : float
            Of this update.
        """
        plan = self.plan
        method = plan.method
        ids = 0 if method.persistent else rows + self.first_row
        model = self.conditionals(method.purpose, ids)
        v = plan.rows.block(rows)
        weights = None if plan.sample_weight is None else plan.sample_weight[rows]

        # Positive phase: the visible units are the data, and drive the hidden units. The negative phase, and
        # how the two are compared, are the method's.
        x = model.up.input(v)
        gradient = method.gradient(model, v, x, self.chains, weights)
        method.learn(model, gradient)
        for penalty in plan.custom_penalties:
            gradient.W = gradient.W + penalty_gradient(penalty, self.state.W)
        try:
            engine.update(self.state, gradient, plan.settings, rate, momentum)
        except ValueError as error:  # weights too large for fixed-point numbers
            raise FloatingPointError(str(error)) from error
        self.updates += 1
        self._check_parameters()

    def conditionals(self, purpose: Purpose, rows: RowIds = 0, step: int | None = None) -> Conditionals:
        """The model as it stands, for one update of rows or chains with these numbers."""
        state, rbm = self.state, self.plan.rbm
        weights = engine.Weights(state.W, state.exponent)
        stream = Stream(self.plan.seed, purpose, 0, self._next_step if step is None else step, rows)
        units, parameters = (rbm.visible, rbm.hidden), (state.W, state.a, state.b)
        return Conditionals.of(
            units, weights, *parameters, stream=stream, memory=self.memory, n_classes=rbm.n_classes
        )

    # --- Details --------------------------------------------------------------------------------------------

    def _hidden_means(self) -> F32:
        """What the hidden units do for the mean row of the data: the same if 0 and 1 exchange their roles."""
        v = self.visible_means[None]
        up = self.conditionals(self.plan.method.purpose).up
        hidden: F32 = up.mean(to_grey(v) if up.source.exact else v)[0]
        return hidden

    def _piece_rows(self, live: bool) -> int:
        """How many rows to learn from at a time: whole batches. The result does not depend on it."""
        rows, batch_size = self.plan.rows, self.plan.batch_size
        size = LIVE_ROWS if live else rows.n_rows
        if rows.direct is None or rows.mapped:
            size = min(size, CHUNK_BYTES // (rows.n_features * rows.dtype.itemsize))
        return max(1, size // batch_size) * batch_size if size < rows.n_rows else rows.n_rows

    def _can_be_published(self) -> bool:
        states = self.states.values()
        return can_be_parameters(array for state in states for array in (state.W, state.a, state.b))

    def _check_parameters(self) -> None:
        if not self._can_be_published():
            raise FloatingPointError("a parameter is no longer finite and below 2**40 in size")
