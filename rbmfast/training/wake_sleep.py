"""`up_down`: all layers of a deep belief network learn together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import repeat
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike
from rbmfast.files import FilePath
from rbmfast.models import DBN
from rbmfast.models.conditionals import Conditional, Conditionals
from rbmfast.reference import F32, States
from rbmfast.saved import seed_of
from rbmfast.state import Gradient, LearningState
from rbmfast.states import join, one_hot
from rbmfast.streams import Purpose, RowIds, Stream
from rbmfast.training.base import Method
from rbmfast.training.batches import I64
from rbmfast.training.callbacks import Callback
from rbmfast.training.cd import CD
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.directed import prediction_gradient, squared_error
from rbmfast.training.display import Display
from rbmfast.training.history import History
from rbmfast.training.loop import Loop
from rbmfast.training.meant import explain_keywords
from rbmfast.training.optimizers import SGD
from rbmfast.training.penalties import Penalties, penalty_gradient
from rbmfast.training.phases import as_divergence, contrast
from rbmfast.training.run import Run
from rbmfast.training.schedules import F64
from rbmfast.training.versions import PARAMETERS, at_once, set_parameters
from rbmfast.training.wake_sleep_plan import ERROR, UpDownPlan, directed_layers, make_up_down_plan


@explain_keywords
def up_down(
    dbn: DBN,
    X: Any,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    method: Method | str = CD(k=3),  # noqa: B008  # settings, immutable
    optimizer: SGD | float = SGD(0.05),  # noqa: B008
    penalties: Penalties = (),
    epochs: int = 10,
    batch_size: int = 100,
    shuffle: bool | str = True,
    seed: SeedLike = None,
    validation: Any = None,
    progress: bool = False,
    checkpoint: FilePath | None = None,
    checkpoint_every: int = 1,
    resume: FilePath | None = None,
    callbacks: Callback | Iterable[Callback] = (),
) -> History:
    """Fine-tune a deep belief network as a whole, by the up-down algorithm (contrastive wake-sleep).

    Recognition and generative weights part. An update draws all layers upwards from the data (wake) and
    teaches the generative weights to predict each layer from the one above. The top RBM learns from what
    reaches it by `method`. From the samples of its negative phase all layers are drawn downwards (sleep), and
    the recognition weights learn to predict each layer from the one below.

    Parameters
    ----------
    dbn : DBN
        The network, of two RBMs or more, in place. It should have learned before, by `rbmfast.pretrain`: this
        improves what is there, from a rate that is lower.
    X : array_like, sparse matrix, memory map, Grey8 or Packed, (n_rows, n_visible)
        Data; not copied, so do not change it during training.
    y : int array_like (n_rows,), optional
        Classes, from 0, for a network with labels, which the top RBM sees. Every row needs one.
    sample_weight : array_like (n_rows,), optional
        As for `rbmfast.train`, in what is learned from data: the wake phase and the top RBM.
    method : CD, PCD, PT, FPCD or another Method, default CD(k=3)
        Where the samples of the top RBM's negative phase come from. More steps bring dreams closer to the
        model's own.
    optimizer : SGD or float, default SGD(0.05)
        Learning rate and momentum of all layers; or the rate alone.
    penalties : list of L1, L2, MaxNorm, SparsityTarget, or objects with a method ``gradient(W)``
        For the weights of every layer, which come as (n units that predict, n predicted); a sparsity target
        is for the top layer alone.
    epochs, batch_size, shuffle, seed, progress, checkpoint, checkpoint_every, resume, callbacks
        As for `rbmfast.train`.
    validation : like X, or a pair (X, y) for a network with labels, optional
        Data that is never learned from.

    Returns
    -------
    History
        Numbers recorded before training and after every epoch. Beside those of every run:

        - ``reconstruction_error``: mean squared error, per unit, of the data as predicted in the wake phase
          from the lowest hidden states (NaN for epoch 0).
        - ``validation_error``, for a network with labels: share of the rows whose class `DBN.predict` misses.
        - ``validation_reconstruction_error``, without labels: mean squared error of `DBN.reconstruct`.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it, and nothing has been changed.
    FileFormatError
        `resume` is no checkpoint of such a run, or is damaged.
    FloatingPointError
        Learning diverged; the network keeps the last completed epoch.
    KeyboardInterrupt
        Ctrl-C; the network has the parameters after the last complete update.

    Notes
    -----
    For units with 0/1 states, seed, data and settings fix every bit of the network, on every CPU, with any
    number of threads, from any container.

    In the wake phase this ascends the variational bound on the log-likelihood that the recognition weights
    give. The sleep phase fits these weights to dreams instead of data, and in the other direction of the
    Kullback-Leibler divergence: nothing guarantees that the bound rises. Starting at the data (`CD`) keeps
    dreams near it.

    References
    ----------
    Hinton, Osindero & Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18, 2006,
    section 5 and appendix B. Hinton, Dayan, Frey & Neal, "The wake-sleep algorithm for unsupervised neural
    networks", Science 268, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.repeat(np.eye(4), 25, axis=0)                    # one unit of four is on
    >>> dbn = rf.DBN([4, 8, 6], seed=0)
    >>> history = rf.up_down(dbn, X, epochs=40, batch_size=10, optimizer=rf.SGD(0.2), seed=1)
    >>> dbn.is_tied, bool(history["reconstruction_error"][-1] < history["reconstruction_error"][1])
    (False, True)
    """
    saved = Checkpoint.of(resume, UpDown.kind)
    plan = make_up_down_plan(
        dbn,
        X,
        y,
        validation,
        sample_weight=sample_weight,
        method=method,
        optimizer=optimizer,
        penalties=penalties,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed_of(saved, seed),
        callbacks=callbacks,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    return Loop(UpDown(plan), saved).go()


class UpDown(Run):
    """A run of `up_down`. `state` is that of the top RBM.

    Attributes
    ----------
    generative, recognition : list of Directed
        From layer i + 1 to layer i, and from layer i to layer i + 1.
    """

    kind: ClassVar[str] = "up-down"
    plan: UpDownPlan

    def __init__(self, plan: UpDownPlan) -> None:
        super().__init__(plan)
        self.generative, self.recognition = directed_layers(plan.dbn)
        self._squared_error = 0.0  # of this epoch's wake phases
        self._top_sum: F64 = np.zeros(plan.rbm.n_visible)  # of the states that they bring to the top RBM

    @property
    def model(self) -> DBN:
        """See `BasicRun.model`."""
        return self.plan.dbn

    @property
    def states(self) -> dict[str, LearningState]:
        """See `Run.states`."""
        down = {f"generative/{i}/": layer.state for i, layer in enumerate(self.generative)}
        up = {f"recognition/{i}/": layer.state for i, layer in enumerate(self.recognition)}
        return {"": self.state, **down, **up}

    # --- Start and finish -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin afresh: exponents, running means, chains."""
        rbm, method = self.plan.rbm, self.plan.method
        for state in self.states.values():
            state.exponent = engine.exponent(state.W)
        self.state.activity[:] = self.plan.settings.sparsity_target
        self.visible_means = (
            rbm.visible.mean(rbm.a[None])[0] if rbm.visible_means is None else rbm.visible_means
        )
        self.memory = self.new_memory()
        if self.plan.n_chains:
            model = self.conditionals(Purpose.CHAIN_START, step=0)
            self.chains = method.start_chains(model, self.plan.n_chains)

    def _set_parameters(self) -> None:
        top = f"generative/{len(self.generative)}/"
        arrays: dict[str, F32] = {top + "visible_means": self.visible_means}
        for i, (down, up) in enumerate(zip(self.generative, self.recognition, strict=True)):
            arrays |= {f"generative/{i}/W": down.state.W.T, f"generative/{i}/a": down.state.b}
            arrays |= {f"recognition/{i}/W": up.state.W, f"recognition/{i}/b": up.state.b}
        arrays |= {top + name: getattr(self.state, name) for name in PARAMETERS}
        self.model.untie()
        set_parameters(self.model, arrays)

    # --- Learning -------------------------------------------------------------------------------------------

    def learn_epoch(self, display: Display) -> None:
        """See `Run.learn_epoch`."""
        rows = self.plan.rows
        self._squared_error, self._top_sum[:] = 0.0, 0.0
        super().learn_epoch(display)
        self.notes[ERROR] = np.array(self._squared_error / (rows.n_rows * rows.n_features))
        self.visible_means = (self._top_sum / rows.n_rows).astype(np.float32)

    def update(self, rows: I64, rate: float, momentum: float) -> None:
        """One update: wake, the top RBM, sleep, and then a step of all layers.

        Parameters
        ----------
        rows : int64 array (n_rows,)
            Numbers of the batch's rows in the data set.
        rate, momentum : float
            Of this update.
        """
        with as_divergence():
            down, up = ([layer.way() for layer in layers] for layers in (self.generative, self.recognition))
        awake = self._wake(up, rows)
        weights = None if self.plan.sample_weight is None else self.plan.sample_weight[rows]
        top, samples, ids = self._contrast(self._beside_labels(awake[-1], rows), rows, weights)
        dream = self._sleep(down, samples, ids)
        gradients = [top, *self._predict_down(down, awake, weights), *_predict_up(up, dream)]
        self._learn(gradients, rate, momentum)
        self.updates += 1
        self._top_sum += len(rows) * top.visible_mean.astype(np.float64)

    def _wake(self, up: list[Conditional], rows: I64) -> list[States]:
        """States of all layers below the top one, drawn upwards from the data."""
        stream = Stream(self.plan.seed, Purpose.WAKE, 0, self._next_step, rows)
        states = [self.plan.rows.block(rows)]
        for layer, way in enumerate(up, start=1):
            states.append(way.sample(states[-1], stream.on(layer)))
        return states

    def _contrast(self, v: States, rows: I64, weights: F64 | None) -> tuple[Gradient, States, RowIds]:
        """The gradient of the top RBM; its samples' visible states, and their rows in random streams."""
        method = self.plan.method
        ids = 0 if method.persistent else rows
        model = self.conditionals(Purpose.UP_DOWN, ids)
        x = model.up.input(v)
        samples = method.negative_phase(model, v, x, self.chains)
        gradient = contrast(model, data=(v, x), samples=samples, weights=weights)
        method.learn(model, gradient)
        return gradient, samples[0], ids

    def _sleep(self, down: list[Conditional], samples: States, rows: RowIds) -> list[States]:
        """States of all layers below the top one, drawn downwards from samples of the top RBM."""
        stream = Stream(self.plan.seed, Purpose.SLEEP, 0, self._next_step, rows)
        states = [np.ascontiguousarray(samples[:, : self.model.sizes[-2]])]  # labels left out
        for layer in reversed(range(len(down))):
            states.insert(0, down[layer].sample(states[0], stream.on(layer)))
        return states

    def _predict_down(
        self, down: list[Conditional], awake: list[States], weights: F64 | None
    ) -> list[Gradient]:
        """What the generative weights learn: to predict each layer from the one above."""
        gradients = []
        for i, way in enumerate(down):
            predicted = way.expectation(awake[i + 1])
            gradients.append(prediction_gradient(awake[i + 1], awake[i], predicted, weights))
            if i == 0:
                self._squared_error += squared_error(awake[i], predicted)
        return gradients

    def _learn(self, gradients: list[Gradient], rate: float, momentum: float) -> None:
        """A step of all layers, in the order of `states`."""
        states, settings = [*self.states.values()], self.plan.settings
        for penalty in self.plan.custom_penalties:
            for state, gradient in zip(states, gradients, strict=True):
                gradient.W = gradient.W + penalty_gradient(penalty, state.W)
        below = replace(settings, sparsity_cost=0.0)  # what these layers do is not theirs to choose
        at_once(
            engine.update,
            states,
            gradients,
            [settings, *[below] * (len(states) - 1)],
            repeat(rate),
            repeat(momentum),
        )
        if not all(np.isfinite(state.b).all() for state in states):  # the engine has looked at the weights
            raise FloatingPointError("a bias is no longer finite")

    def conditionals(self, purpose: Purpose, rows: RowIds = 0, step: int | None = None) -> Conditionals:
        """The top RBM as it stands, for one update."""
        model = super().conditionals(purpose, rows, step)
        return replace(model, stream=model.stream.on(len(self.model)))

    def _beside_labels(self, states: States, rows: I64) -> States:
        """What the top RBM sees of a batch."""
        if self.plan.classes is None:
            return states
        assert self.model.n_classes is not None
        return join(states, one_hot(self.plan.classes[rows], self.model.n_classes, states.dtype))


def _predict_up(up: list[Conditional], dream: list[States]) -> list[Gradient]:
    """What the recognition weights learn: to predict each layer from the one below."""
    return [
        prediction_gradient(dream[i], dream[i + 1], way.expectation(dream[i])) for i, way in enumerate(up)
    ]
