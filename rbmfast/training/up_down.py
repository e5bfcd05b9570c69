"""`up_down`: all layers of a deep belief network learn together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_model
from rbmfast.data import Rows, computed_rows
from rbmfast.files import FilePath
from rbmfast.models import DBN
from rbmfast.models.conditionals import Conditional, Conditionals
from rbmfast.reference import F32, F64, I64, States, row_sums
from rbmfast.state import Gradient, LearningState
from rbmfast.states import join, one_hot
from rbmfast.streams import Purpose, RowIds, Stream
from rbmfast.training.callbacks import Callback
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.history import History
from rbmfast.training.methods import CD, Method
from rbmfast.training.monitors import mean_of
from rbmfast.training.optimizers import SGD, Optimizer
from rbmfast.training.penalties import Penalties
from rbmfast.training.phases import as_divergence, contrast, prediction_gradient, squared_error
from rbmfast.training.pretrain import check_data, check_validation
from rbmfast.training.rbm_run import RBMRun
from rbmfast.training.settings import UpDownSettings, describe, digest, explain_keywords
from rbmfast.training.state import set_parameters
from rbmfast.units import Unit

ERROR = "reconstruction_error"  # of the training data, in the history
BLOCK = 4096  # validation rows reconstructed at a time


@explain_keywords
def up_down(
    dbn: DBN,
    X: Any,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    method: Method | str = CD(k=3),  # noqa: B008  # settings, immutable
    optimizer: Optimizer | float = SGD(0.05),  # noqa: B008
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
    optimizer : SGD, Adam, Cosine or float, default SGD(0.05)
        How gradients become steps, in all layers; or the rate alone.
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
    TypeError, ValueError, FileFormatError, FloatingPointError, KeyboardInterrupt
        As from `rbmfast.train`.

    Notes
    -----
    For units with 0/1 states, seed, data and settings fix every bit of the network, on every CPU, with any
    number of threads, from any container.

    In the wake phase this ascends the variational bound on the log-likelihood that the recognition weights
    give. The sleep phase fits these weights to dreams instead of data, and in the other direction of the
    Kullback-Leibler divergence: nothing guarantees that the bound rises. Starting at the data (`CD`) keeps
    dreams near it.

    What unit types learn beside their biases is learned in the top RBM alone; below it stays as it is.

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
    asked, saved = locals(), Checkpoint.of(resume, UpDown.kind)
    return UpDown(dbn, X, y, validation, UpDownSettings.of(asked, saved)).go(saved)


class Directed:
    """P(target layer | source layer), upwards or downwards: what learns below the top RBM.

    It learns as an RBM does whose visible layer is the source and whose hidden layer is the target, but for
    the visible bias, which has no part in it.

    Parameters
    ----------
    source, target : Unit
        Types of their units.
    W : float32 array (n_source, n_target)
        Weights; copied.
    bias : float32 array (n_target,)
        Of the target; copied.
    """

    def __init__(self, source: Unit, target: Unit, W: F32, bias: F32) -> None:
        self.source, self.target = source, target
        self.state = LearningState.start(W, np.zeros(len(W), np.float32), bias)

    def way(self) -> Conditional:
        """From states of the source to the target, as it stands."""
        state = self.state
        weights = engine.Weights(state.W, state.exponent)
        return Conditional(self.source, self.target, weights, state.W, state.b, up=True)


class UpDown(RBMRun):
    """A run of `up_down`: the RBM is the top one, and the rows are visible states of the whole network.

    Attributes
    ----------
    classes, validation_classes : int64 array or None
        Of the rows, with labels.
    generative, recognition : list of Directed
        From layer i + 1 to layer i, and from layer i to layer i + 1.
    error : float
        Mean squared error of the last epoch's rows, as they were predicted in the wake phase.
    """

    kind: ClassVar[str] = "up-down"
    fused = False  # the engine knows no deep networks
    model: DBN
    settings: UpDownSettings

    def __init__(self, dbn: DBN, X: Any, y: Any, validation: Any, settings: UpDownSettings) -> None:
        check_model(dbn, DBN, "dbn")
        if len(dbn) < 2:
            raise ValueError("dbn must have two RBMs or more: a single one learns by rf.train")
        for i, rbm in enumerate(dbn.generative[:-1]):
            if not rbm._parameters.interaction.is_dense or dbn._pools(i):
                raise ValueError(
                    f"dbn must have no convolutional RBM, and no pooled units, below the top one, got {rbm!r}"
                )
        if not settings.method.learns_from_samples:
            raise ValueError(
                f"method must learn from samples of the model alone, as rf.CD(k=3), got {settings.method!r}"
            )
        rows, self.classes = check_data(dbn, X, y, "X", "y")
        held_out, names = None, [ERROR]
        self.validation_classes: I64 | None = None
        if validation is not None:
            held_out, self.validation_classes = check_validation(dbn, validation)
            names.append(f"validation_{ERROR}" if self.classes is None else "validation_error")
        pairs = [*zip(dbn.generative[:-1], dbn.recognition[:-1], strict=True)]
        self.generative = [
            Directed(rbm.hidden, rbm.visible, rbm._parameters.W.T, rbm._parameters.a) for rbm, _ in pairs
        ]
        self.recognition = [
            Directed(rbm.visible, rbm.hidden, rbm._parameters.W, rbm._parameters.b) for _, rbm in pairs
        ]
        super().__init__(dbn, dbn.top, rows, settings, dict.fromkeys(names, "min"), held_out)
        self.error = float("nan")
        self._squared_error = 0.0  # of this epoch's wake phases
        self._top_sum: F64 = np.zeros(dbn.top.n_visible)  # of the states that they bring to the top RBM

    def below(self) -> dict[str, LearningState]:
        down = {f"generative/{i}/": layer.state for i, layer in enumerate(self.generative)}
        up = {f"recognition/{i}/": layer.state for i, layer in enumerate(self.recognition)}
        return {**down, **up}

    def describe(self) -> dict[str, Any]:
        dbn, classes, held_out = self.model, self.classes, self.validation_classes
        return {
            "sizes": [*dbn.sizes],
            "units": [describe(unit) for unit in (dbn.visible, *(rbm.hidden for rbm in dbn.generative))],
            "y": None if classes is None else digest(classes),
            "y of validation": None if held_out is None else digest(held_out),
            "centered": False,
            "monitors": [f"Fit(dbn={dbn!r})"],  # what `monitored` records, as files have always called it
            **super().describe(),
        }

    # --- Start, finish, and what is recorded ----------------------------------------------------------------

    def start(self) -> None:
        """Begin afresh: exponents, running means, chains."""
        own = self.rbm._parameters
        for state in self.states.values():
            state.exponent = engine.exponent(state.W)
        self.state.activity[:] = self.terms.sparsity_target
        known = own.visible_means
        self.visible_means = self.rbm.visible.mean(own.a[None])[0] if known is None else known
        self._start_method()

    def publish(self) -> None:
        top = f"generative/{len(self.generative)}/"
        arrays: dict[str, F32] = {top + "visible_means": self.visible_means}
        for i, (down, up) in enumerate(zip(self.generative, self.recognition, strict=True)):
            arrays |= {f"generative/{i}/W": down.state.W.T, f"generative/{i}/a": down.state.b}
            arrays |= {f"recognition/{i}/W": up.state.W, f"recognition/{i}/b": up.state.b}
        own = {name: array for name, array in self.parameters().items() if "/" not in name}  # of the top RBM
        arrays |= {top + name: array for name, array in own.items()}
        self.model.untie()
        set_parameters(self.model, arrays)

    def monitored(self) -> dict[str, float]:
        """The error of the wake phase, and means over all validation rows."""
        numbers, rows, classes = {ERROR: self.error}, self.validation, self.validation_classes
        if rows is not None and classes is not None:
            numbers["validation_error"] = float(np.mean(self.model.predict(rows) != classes))
        elif rows is not None:
            numbers[f"validation_{ERROR}"] = self._reconstruction_error(rows)
        return numbers

    def _reconstruction_error(self, rows: Rows) -> float:
        errors, unit = [], self.model.visible
        for _, v in rows.blocks(BLOCK):
            again = self.model._reconstruct(computed_rows(v.shape, v.dtype, v.__getitem__))
            error = unit.shown(v).astype(np.float64) - unit.shown(again)
            errors.append(row_sums(error * error))
        return mean_of(np.concatenate(errors)) / rows.n_features

    def _error_of(self, v: States, predicted: States) -> float:
        """Squared error of visible states as users see them; exact where these are 0 and 1."""
        unit = self.model.visible
        if unit.affine(v.shape[1]) is not None:
            v, predicted = unit.shown(v).astype(np.float32), unit.shown(predicted)
        return squared_error(v, predicted)

    # --- Learning -------------------------------------------------------------------------------------------

    def learn_epoch(self) -> None:
        rows = self.rows
        self._squared_error, self._top_sum[:] = 0.0, 0.0
        super().learn_epoch()
        self.error = self._squared_error / (rows.n_rows * rows.n_features)
        self.visible_means = (self._top_sum / rows.n_rows).astype(np.float32)

    def update(self, rows: I64, now: tuple[float, ...]) -> None:
        """One update: wake, the top RBM, sleep, and then a step of all layers. See `Run.update`."""
        with as_divergence():
            self._refresh(1)
            down, up = ([layer.way() for layer in layers] for layers in (self.generative, self.recognition))
        awake = self._wake(up, rows)
        weights = self.weights_of(rows)
        top, samples, ids = self._contrast(self._beside_labels(awake[-1], rows), rows, weights)
        dream = self._sleep(down, samples, ids)
        downwards, predicted = _predict(down, awake[1:], awake[:-1], weights)
        upwards, _ = _predict(up, dream[:-1], dream[1:])
        self._squared_error += self._error_of(awake[0], predicted[0])
        gradients = [top, *downwards, *upwards]
        below = replace(self.terms, sparsity_cost=0.0)  # what these layers do is not theirs to choose
        self._step(gradients, [self.terms] + [below] * (len(gradients) - 1), now)
        self._top_sum += len(rows) * top.visible_mean.astype(np.float64)

    def _wake(self, up: list[Conditional], rows: I64) -> list[States]:
        """States of all layers below the top one, drawn upwards from the data."""
        stream = Stream(self.settings.seed, Purpose.WAKE, 0, self._next_step, rows)
        states = [self.rows.block(rows)]
        for layer, way in enumerate(up, start=1):
            states.append(way.sample(states[-1], stream.on(layer)))
        return states

    def _contrast(self, v: States, rows: I64, weights: F64 | None) -> tuple[Gradient, States, RowIds]:
        """The gradient of the top RBM; its samples' visible states, and their rows in random streams."""
        method = self.settings.method
        ids = 0 if method.persistent else rows
        model = self.conditionals(Purpose.UP_DOWN, ids)
        x = model.up.input(v)
        samples = method.negative_phase(model, v, x, self.chains)
        gradient = contrast(model, (v, x), samples, weights, method.starts_at_rows)
        method.learn(model, gradient)
        return gradient, samples[0], ids

    def _sleep(self, down: list[Conditional], samples: States, rows: RowIds) -> list[States]:
        """States of all layers below the top one, drawn downwards from samples of the top RBM."""
        stream = Stream(self.settings.seed, Purpose.SLEEP, 0, self._next_step, rows)
        states = [np.ascontiguousarray(samples[:, : self.model.sizes[-2]])]  # labels left out
        for layer in reversed(range(len(down))):
            states.insert(0, down[layer].sample(states[0], stream.on(layer)))
        return states

    def conditionals(self, purpose: Purpose, rows: RowIds = 0, step: int | None = None) -> Conditionals:
        """The top RBM as it stands, for one update."""
        model = super().conditionals(purpose, rows, step)
        return replace(model, stream=model.stream.on(len(self.model)))

    def _beside_labels(self, states: States, rows: I64) -> States:
        """What the top RBM sees of a batch."""
        if self.classes is None:
            return states
        assert self.model.n_classes is not None
        return join(states, one_hot(self.classes[rows], self.model.n_classes, states.dtype))


def _predict(
    ways: list[Conditional], sources: list[States], targets: list[States], weights: F64 | None = None
) -> tuple[list[Gradient], list[States]]:
    """What weights learn that predict each layer from its neighbour; and what they predicted."""
    predicted = [way.expectation(states) for way, states in zip(ways, sources, strict=True)]
    each = sources, targets, predicted
    layers = [(way.source, way.target) for way in ways]
    return [prediction_gradient(*args, weights) for args in zip(layers, *each, strict=True)], predicted
