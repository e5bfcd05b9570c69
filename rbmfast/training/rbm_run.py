"""A run of an RBM: its state, and how one epoch of learning changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from operator import setitem
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.data import Rows, as_rows
from rbmfast.files import JSON, entry
from rbmfast.models import RBM
from rbmfast.models.base_rates import bias_of
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.parameters import check_parameter, of_units, rates_of, with_parameters
from rbmfast.models.two_layers import RANDOM
from rbmfast.reference import F32, F64, I64, MAX_BATCH, MAX_EXPONENT, States, decayed, limit_columns, slope
from rbmfast.runtime import uninterrupted
from rbmfast.state import Gradient, LearningState, Missing, UpdateSettings
from rbmfast.streams import MAX_STEP, Purpose, RowIds, Stream
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.missing import row_chains_for
from rbmfast.training.monitors import Watched
from rbmfast.training.optimizers import SGD, Steps
from rbmfast.training.penalties import check_switches, penalty_gradient
from rbmfast.training.phases import as_divergence
from rbmfast.training.sampled_run import SampledRun
from rbmfast.training.settings import (
    MAX_EPOCHS,
    LayerSettings,
    TrainSettings,
    UpDownSettings,
    check_training,
    describe,
    digest,
)
from rbmfast.training.state import PARAMETERS, Model, TrainingState
from rbmfast.units import Unit

RUNNING_MEANS = ("visible_offset", "hidden_offset", "activity")


def structure(rbm: RBM) -> dict[str, JSON]:
    """What a model is but for what it learns, as a checkpoint has it."""
    return {
        "n_visible": rbm.n_visible,
        "n_hidden": rbm.n_hidden,
        "visible": describe(rbm.visible),
        "hidden": describe(rbm.hidden),
        **rbm._parameters.interaction.describe(),
        "joined": None if rbm._joined is None else digest(rbm._joined),
        "held": None if rbm._held is None else digest(rbm._held),
    }


class RBMRun(SampledRun):
    """A run of `train`; with more layers below the RBM, one of `up_down`. See `SampledRun`.

    Attributes
    ----------
    rbm : RBM
        What learns by the method.
    state : LearningState
        Parameters, velocities, running means, exponent.
    states : dict of str to LearningState
        This one, under "", and those of `below`.
    missing, row_chains : str, RowChains or None
        What missing entries are, and the chains that draw them.
    first_epoch : int
        In which these begin; -1 if they go on.
    training : TrainingState
        What an earlier call left, if any, and where this one is noted if there may be a later one; `epoch`
        counts the epochs behind it, too.
    interaction : Interaction
        What joins the layers.
    blocks : tuple or None
        `Conditional.epoch_blocks` of the layers.
    first_row, first_step : int
        Where this call's random numbers begin: after those of earlier calls.
    """

    def __init__(
        self,
        model: Model,
        rbm: RBM,
        rows: Rows,
        settings: LayerSettings | UpDownSettings,
        numbers: Mapping[str, str | None],
        validation: Rows | None = None,
        labelled: I64 | None = None,
        training: TrainingState | None = None,
    ) -> None:
        self.goes_on = training is not None  # in a later call
        if training is None:
            training = TrainingState()
        else:
            check_training(training, rbm, settings)
        if training.seed is not None:
            settings = replace(settings, seed=training.seed)
        super().__init__(model, rows, settings, numbers, validation)
        self.rbm = self.owner = rbm
        self.training = training
        if self.terms.sparsity_cost:
            check_switches(rbm, "SparsityTarget in penalties")
        self.epoch = training.epochs
        more = check_integer(settings.epochs, "epochs", low=0, high=MAX_EPOCHS - self.epoch)
        self.epochs = self.epoch + more
        self._check_size()
        self.blocks = rbm._up.epoch_blocks
        own = rbm._parameters
        self.interaction = own.interaction
        if settings.centered and not self.interaction.is_dense:
            raise ValueError(f"centered must be False for weights that places share, as in {rbm!r}")
        self.state = LearningState.start(own.W, *self.interaction.shared(own.a, own.b), of_units(own.units))
        self.state.joined = rbm._joined
        self.missing = settings.missing if isinstance(settings, TrainSettings) else RANDOM
        self.row_chains = row_chains_for(rbm, rows, settings.method, self.missing, settings.centered)
        held = rbm._held is not None and not settings.method.starts_at_rows
        if held or (rbm.visible.needs_rows and self.n_chains):
            what = "borders='held'" if held else f"{rbm.visible} units, which keep something of them"
            raise ValueError(
                f"method must start samples at the rows, as rf.CD() does, for {what}; got {settings.method!r}"
            )
        if rbm.visible.needs_whole_rows and self.row_chains is not None:
            raise ValueError(
                f"{rbm.visible} units take a length from rows: X must be complete, or use rf.Counts(length)"
            )
        self.visible_means = np.zeros(rbm.n_visible, np.float32)
        self.first_row, self.first_step = training.rows, training.half_steps
        self.first_epoch, self.refreshed = self.epoch, -1
        if self.row_chains is not None:
            self.row_chains.first_row = self.first_row
        seen = rbm if rows.n_features == rbm.n_visible else cast(RBM, model)  # a DBM answers as one does
        self.watched = Watched(seen, rows, validation, settings.seed, labelled, self.missing)
        self.states = {"": self.state, **self.below()}
        self.steps = Steps(settings.optimizer, self.parameters(), rates=rates_of(own.units))
        if isinstance(settings.optimizer, SGD):  # the engine knows where velocities are
            self.steps.moments |= self._of_states(f"{name}_velocity" for name in PARAMETERS)
        for penalty in self.custom_penalties:
            for layer in self.states.values():
                penalty_gradient(penalty, layer.W)  # its errors come before anything has changed

    def below(self) -> dict[str, LearningState]:
        """Of layers below the RBM, by what their names in a file begin with."""
        return {}

    def _check_size(self) -> None:
        settings, method, training = self.settings, self.settings.method, self.training
        if self.batch_size > MAX_BATCH:
            raise ValueError(f"batch_size must be at most {MAX_BATCH}, got {settings.batch_size}")
        n = method.chains_for(self.batch_size)
        if n and training.chains is not None:
            n = len(training.chains)
        if n > MAX_BATCH:
            of = " in all replicas" if method.replicas > 1 else ""
            raise ValueError(f"method must have at most {MAX_BATCH} chains{of}, got {n}")
        if n % method.replicas:
            raise ValueError(
                f"the chains of state must have a multiple of {method.replicas} rows for {method!r}, got {n}"
            )
        self.n_chains = n
        if training.half_steps + 2 * method.k * settings.epochs * self.updates_per_epoch > MAX_STEP:
            raise ValueError(
                f"epochs={self.epochs} with k={method.k} takes more than {MAX_STEP} Gibbs half-steps"
            )

    @property
    def fused(self) -> bool:
        """Whether the engine can learn whole epochs in one call; otherwise Python goes step by step."""
        plain = self.blocks is not None and not self.custom_penalties and not self.state.more
        whole = self.sample_weight is None and self.rows.missing is None
        exact = not self.rbm.visible.normal_in_steps
        plain = plain and (exact or (whole and "rung" not in self.settings.method.for_engine(self.memory)))
        plain = plain and self.rows.n_features == self.rbm.n_visible  # nothing is to be completed
        return plain and self.settings.method.fused and self.settings.optimizer.fused

    # --- Start and finish -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin afresh: biases from the data if the model is untouched, running means, chains."""
        rbm, training = self.rbm, self.training
        bias = self.look_at_rows(rbm._initial_bias, rbm._row_units[0], quiet=training.has_begun)
        if rbm.is_untouched:
            bias = check_parameter(bias, "the visible bias from X", bias.shape)
            rbm._set_parameters(rbm._parameters.W, bias, rbm._parameters.b, self.visible_means)
        self.state.a[:] = self.interaction.shared(rbm._parameters.a, rbm._parameters.b)[0]
        if training.has_begun:
            self._go_on_from(training)
        else:
            self._set_running_means()
        self._start_method()
        former = {n: x for n, x in training.memory.items() if n in self.memory}
        if all(x.shape == self.memory[n].shape for n, x in former.items()):  # of as many chains
            self.memory |= {n: x.copy() for n, x in former.items()}

    def _start_method(self) -> None:
        """What the method keeps, and its chains."""
        self.memory = self._new_memory()
        if self.n_chains and self.training.chains is not None:
            self.chains = self.training.chains.copy()
        elif self.n_chains:
            model = self.conditionals(Purpose.CHAIN_START, step=0)
            self.chains = self.settings.method.start_chains(model, self.n_chains)

    def _new_memory(self) -> dict[str, NDArray[Any]]:
        """What the method wants to remember from update to update, as it is before the first one."""
        model = self.conditionals(self.settings.method.purpose)
        means = self.rbm._parameters.visible_means
        base = partial(bias_of, model.down.target, model.down.bias, means)
        return self.settings.method.start_memory(model, base, self.n_chains, model.stream)

    def _set_running_means(self) -> None:
        state = self.state
        state.exponent = self.interaction.exponent(state.W)
        # What hidden units do for the mean row of the data is the same if 0 and 1 exchange their roles.
        up = self.conditionals(self.settings.method.purpose).up
        hidden_means = up.mean_of_means(self.visible_means[None])[0]
        offsets = self.interaction.shared(self.visible_means, hidden_means)
        state.visible_offset[:], state.hidden_offset[:] = offsets
        state.activity[:] = self.terms.sparsity_target

    def _go_on_from(self, training: TrainingState) -> None:
        """Everything but the chains as an earlier call left it."""
        own = self.remembered()
        for name, array in training.arrays.items():
            if name in own:
                own[name][...] = array
        self.state.exponent = self.interaction.exponent(self.state.W, training.exponent or MAX_EXPONENT)
        if self.row_chains is not None and training.row_chains is not None:
            fingerprint, first_row, hidden = training.row_chains
            if fingerprint == self.rows.fingerprint():
                self.row_chains.hidden, self.row_chains.first_row = hidden.copy(), first_row
                self.first_epoch = -1
        if training.optimizer == self.settings.optimizer:
            self.memories = list(training.memories)
        seen = self.rbm._parameters.visible_means
        if seen is not None:  # the means of all data so far
            share = self.rows.n_rows / (self.rows.n_rows + training.rows)
            self.visible_means = (share * self.visible_means + (1 - share) * seen).astype(np.float32)

    def publish(self) -> None:
        state = self.state
        biases = self.interaction.spread(state.a, state.b)
        self.rbm._set_parameters(state.W, *biases, self.visible_means, self._units())

    def note(self) -> None:
        """Tell the next call where this one is; warn once of weights that the sampler sees coarsely."""
        if self.goes_on:
            self._hand_over(self.training)
        super().note()

    @property
    def lowest_exponent(self) -> int:
        return min([state.exponent for state in self.states.values()])

    def _hand_over(self, training: TrainingState) -> None:
        """Note for the next call where this one is."""
        still = (
            isinstance(self.settings.optimizer, SGD) and not self.settings.optimizer.schedules[1].bounds()[1]
        )
        arrays = self._of_states(RUNNING_MEANS) if still else self.remembered()
        training.arrays = {name: array.copy() for name, array in arrays.items()}
        training.chains = None if self.chains is None else self.chains.copy()
        training.memory = {name: array.copy() for name, array in self.memory.items()}
        if self.row_chains is not None:
            self.fingerprint = self.fingerprint or self.rows.fingerprint()
            resting = self.row_chains.hidden.copy()
            training.row_chains = self.fingerprint, self.row_chains.first_row, resting
        training.seed, training.exponent = self.settings.seed, self.state.exponent
        training.rows += self.rows.n_rows * (self.epoch - training.epochs)
        training.epochs, training.half_steps = self.epoch, self._next_step
        training.optimizer, training.memories = self.settings.optimizer, list(self.memories)

    @property
    def _next_step(self) -> int:
        """The first half-step of the next update's random numbers: each has its own, even with k = 0."""
        return self.first_step + 2 * max(1, self.settings.method.k) * self.updates

    # --- What is recorded and saved -------------------------------------------------------------------------

    def parameters(self) -> dict[str, F32]:
        learned: dict[str, F32] = {}
        for prefix, state in self.states.items():
            own = {"W": state.W, "a": state.a, "b": state.b, **state.more}
            learned |= {prefix + name: array for name, array in own.items()}
        return learned

    def _units(self) -> tuple[Unit, Unit]:
        """Of the RBM, with what they have learned."""
        units = self.rbm.visible, self.rbm.hidden
        return with_parameters(units, self.state.more) if self.state.more else units

    def _of_states(self, names: Iterable[str]) -> dict[str, F32]:
        names = [*names]
        return {
            prefix + name: getattr(state, name) for prefix, state in self.states.items() for name in names
        }

    def remembered(self) -> dict[str, NDArray[Any]]:
        return {**self._of_states(RUNNING_MEANS), **super().remembered()}

    def states_of_chains(self) -> dict[str, States]:
        rows = {} if self.row_chains is None else {"row_chains": self.row_chains.hidden}
        return {**super().states_of_chains(), **rows}

    def meta(self) -> dict[str, JSON]:
        return {"updates": self.updates, **{f"{p}exponent": s.exponent for p, s in self.states.items()}}

    def restore(self, saved: Checkpoint) -> None:
        """See `Run.restore`. A file can hold anything: an error says what are no numbers of a run."""
        self.memory = self._new_memory()
        if self.n_chains:
            self.chains = np.empty((self.n_chains, self.rbm.n_hidden), self.rbm.hidden.dtype)
        super().restore(saved)
        self.settings.method.check_memory(self.as_it_stands()[0], self.memory)

    def restore_weights(self, saved: Checkpoint) -> None:
        for prefix, state in self.states.items():
            state.exponent = entry(saved.meta, f"{prefix}exponent", int)
            self.interaction.weights(state.W, state.exponent)

    def check_states(self, states: States, name: str) -> None:
        as_rows(states, self.rbm.n_hidden, domain=self.rbm.hidden.domain, name=name)

    def describe(self) -> dict[str, Any]:
        return {**structure(self.rbm), **super().describe()}

    # --- Learning -------------------------------------------------------------------------------------------

    def learn(self, rows: I64, now: F64) -> None:
        """See `Run.learn`: by the engine if it can: the same bits, but much faster.

        It stops before updates with real-valued states of more than 16 bits. Python makes these, and ever
        more where there are many: a stop costs more than an update.
        """
        if not self.fused:
            super().learn(rows, now)
            return
        if self.rows.direct is not None and not self.rows.mapped:
            X, order = self.rows.direct, rows
        else:
            X, order = self.rows.block(rows), np.arange(len(rows), dtype=np.int64)
        size, done, apart = self.batch_size, 0, 1
        while done < now.shape[1]:
            here = slice(done * size, (most := done + self._refresh(now.shape[1] - done)) * size)
            made = self._epoch(X, order[here], rows[here], now[:, done:most])
            done += made
            if done == most:
                continue
            apart = 1 if made >= apart else 2 * apart
            super().learn(rows[done * size : (done + apart) * size], now[:, done : done + apart])
            done += apart

    def _refresh(self, n: int) -> int:
        """Let the method move its chains if it is time; how many updates of n come before the next time."""
        method = self.settings.method
        every, number = method.refresh_every, self._next_step // (2 * max(1, method.k))
        if not every or self.chains is None:
            return n
        if number % every == 0 and number != self.refreshed:
            model = self.conditionals(method.purpose)
            method.refresh(model, self.chains, model.stream)
            self.refreshed = number
        return min(n, every - number % every)

    def _epoch(self, X: States, order: I64, rows: I64, now: F64) -> int:
        """By the engine, of rows X[order]; how many updates were made."""
        settings, entries = self.settings, self.rows.missing
        if entries is not None and X is not self.rows.direct:
            entries = entries[rows]
        rates, momenta = now.astype(np.float32)
        done = engine.epoch(
            self.state,
            self.terms,
            X,
            order,
            rows + self.first_row,
            self.batch_size,
            settings.method.k,
            self.chains,
            rates,
            momenta,
            settings.seed,
            settings.method.purpose,
            0,
            self._next_step,
            self.weights_of(rows),
            self.blocks or (None, None),
            None if entries is None else self._missing(rows, np.ascontiguousarray(entries)),
            **settings.method.for_engine(self.memory),
        )
        self.updates += done
        return done

    def _missing(self, rows: I64, entries: NDArray[np.bool_]) -> Missing:
        """What the engine has to know of them."""
        if self.row_chains is None:
            return Missing(entries)
        return self.row_chains.of(rows, entries, self.epoch == self.first_epoch)

    def update(self, rows: I64, now: tuple[float, ...]) -> None:
        """One update: a step up the method's gradient. See `Run.update`."""
        method = self.settings.method
        self._refresh(1)
        v = self.rows.block(rows)
        model = self.conditionals(method.purpose, 0 if method.persistent else rows + self.first_row)

        # Positive phase: the visible units are the data, and drive the hidden units. The negative phase, and
        # how the two are compared, are the method's.
        if self.row_chains is not None:
            v = self.row_chains.complete(model, v, rows, self.epoch == self.first_epoch)
        elif self.rows.missing is not None:
            absent = self.rows.missing[rows]  # and stays 0
            model = replace(model, held=absent if model.held is None else absent | model.held)
        v = self.rbm._complete(model, v)
        x = model.up.input(v)
        if self.row_chains is not None:
            self.row_chains.rest(model, x, rows)
        gradient = method.gradient(model, v, x, self.chains, self.weights_of(rows))
        n = self.rows.n_features  # the others' means slide, as the model does
        self.visible_means[n:] += np.float32(0.01) * (gradient.visible_mean[n:] - self.visible_means[n:])
        method.learn(model, gradient)
        self._step([gradient], [self.terms], now)

    def _step(self, gradients: list[Gradient], terms: list[UpdateSettings], now: tuple[float, ...]) -> None:
        """A step of all layers, in the order of `states`: of all at once, or of none."""
        states = [*self.states.values()]
        for penalty in self.custom_penalties:
            for state, gradient in zip(states, gradients, strict=True):
                gradient.W = gradient.W + penalty_gradient(penalty, state.W)
        with as_divergence():
            whole = self.interaction.is_dense and self.state.joined is None
            if self.settings.optimizer.fused and not self.state.more and whole:
                n = len(states)
                uninterrupted(engine.update, states, gradients, terms, [now[0]] * n, [now[1]] * n)
            else:
                self._step_apart(states, gradients, terms, now)
        self.updates += 1
        self.check_parameters()

    def _step_apart(
        self,
        states: list[LearningState],
        gradients: list[Gradient],
        terms: list[UpdateSettings],
        now: tuple[float, ...],
    ) -> None:
        """The same by an optimizer that is not the engine's update: the arithmetic of the reference."""
        new = {name: array.copy() for name, array in self.parameters().items()}
        with np.errstate(over="ignore", invalid="ignore"):  # the run looks for what is not finite
            slopes: list[F32] = []
            for state, gradient, term in zip(states, gradients, terms, strict=True):
                slopes += slope(state, gradient, term)
                for name, x in state.more.items():
                    along = gradient.more.get(name, np.zeros_like(x))
                    slopes.append(decayed(along, x, term) if x.ndim > 1 else along)  # weights, or of units
            self.steps.take([*new.values()], slopes, -1.0, now)
            for prefix, term in zip(self.states, terms, strict=True):
                limit_columns(new[f"{prefix}W"], term.max_norm)
        exponents = [self.interaction.exponent(new[f"{p}W"], s.exponent) for p, s in self.states.items()]
        owners = [own for s in states for own in (*[vars(s)] * len(PARAMETERS), *[s.more] * len(s.more))]
        uninterrupted(setitem, owners, [name.rpartition("/")[2] for name in new], new.values())
        for state, exponent in zip(states, exponents, strict=True):
            state.exponent = exponent

    def as_it_stands(self) -> tuple[Conditionals, Stream]:
        """See `SampledRun.as_it_stands`."""
        model = self.conditionals(self.settings.method.purpose)
        return model, model.stream

    def conditionals(self, purpose: Purpose, rows: RowIds = 0, step: int | None = None) -> Conditionals:
        """The model as it stands, for one update of rows or chains with these numbers."""
        state, rbm = self.state, self.rbm
        weights = self.interaction.weights(state.W, state.exponent)
        biases = self.interaction.spread(state.a, state.b)
        stream = Stream(self.settings.seed, purpose, 0, self._next_step if step is None else step, rows)
        own: dict[str, Any] = {"memory": self.memory, "n_classes": rbm.n_classes, "held": rbm._held}
        return Conditionals.of(
            self._units(), weights, state.W, *biases, self.interaction, stream=stream, **own
        )
