"""Learning to classify, with a model of features and class: `rbmfast.ClassRBM`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import Checked, check_number, checked_by
from rbmfast.data import Rows
from rbmfast.models import RBM
from rbmfast.models.class_rbm import softmax
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.models.parameters import of_units
from rbmfast.reference import F32, F64, GREY, I64, States, to_grey
from rbmfast.state import Gradient
from rbmfast.states import LEVELS, as_float, in_form, unit_of
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import Method
from rbmfast.training.methods.cd import CD
from rbmfast.training.phases import contrast, difference
from rbmfast.units import Categorical
from rbmfast.units.common import rows_in_a_scan

Expectation = tuple[States, F64, F64]  # see `Batch.expect`
Part = tuple[float, float, Gradient]  # a factor, a share of the means of the data, and what they are of

DROPOUT = checked_by(check_number, below=1.0)
OFF = np.float32(-(2.0**60))  # a total input that leaves no chance of being on, whatever the label adds


@dataclass(frozen=True)
class Discriminative(Checked, Method):
    """Maximise log p(y | x), the class given the features, by its exact gradient: nothing is sampled.

    For a `rbmfast.ClassRBM` and rows from its `join`, all with a class. The features themselves are not
    modelled: their biases stay as they are, but for what `centered` shifts. With `dropout` units are drawn,
    and the gradient is that of what each row has kept.

    Parameters
    ----------
    dropout : float, default 0
        Share of the hidden units, from 0 up to, and without, 1, that a row does not see, others in every
        update; what the rest send to the classes counts for all. Holds overfitting down. For Bernoulli
        hidden units.

    Notes
    -----
    Larochelle & Bengio, "Classification using discriminative restricted Boltzmann machines", ICML 2008,
    section 3.2; dropout: Srivastava et al., JMLR 15, 2014. A row whose label has probabilities instead of one
    class counts for all of its classes, each as much as it is probable.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X, y = np.eye(6), np.array([0, 1, 2, 0, 1, 2])
    >>> rbm = rf.ClassRBM(6, 4, n_classes=3, seed=0)
    >>> history = rf.train(rbm, rbm.join(X, y), method=rf.Discriminative(), optimizer=rf.SGD(1.0), epochs=100,
    ...                    seed=1, monitors=[rf.ClassificationError()])
    >>> float(history["train_classification_error"][-1])
    0.0
    """

    dropout: float = field(default=0.0, metadata=DROPOUT)
    k: int = field(init=False, repr=False, compare=False)
    purpose = Purpose.CD  # of which it uses none
    takes_missing = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "k", int(self.dropout > 0))  # for numbers of its own in every update

    def rows(self, rbm: RBM, X: Any) -> tuple[Rows, I64 | None]:
        _check_model(rbm, self)
        return super().rows(rbm, X)

    def gradient(
        self,
        model: Conditionals,
        v: States,
        x: F32,
        chains: States | None,
        weights: F64 | None = None,
    ) -> Gradient:
        gradient = _discriminative(Batch.of(model, v, x, weights).thinned(self.dropout, model.stream))
        if self.dropout:
            gradient.hidden_mean = _activity(model, x, weights)
        return gradient


@dataclass(frozen=True)
class Hybrid(Checked, Method):
    """Maximise log p(y | x) + generative * log p(x, y); of rows without a class, unlabelled * log p(x).

    The first term learns to tell the classes apart, by its exact gradient; the others, what the data look
    like, which keeps the first from overfitting and lets it learn from rows without a class.

    Parameters
    ----------
    generative : float, default 0.01
        Weight of log p(x, y), at least 0.
    unlabelled : float, default 0
        Weight of log p(x) of rows without a class (-1 in `rbmfast.ClassRBM.join`), at least 0. With 0 there
        must be no such rows.
    negative : Method, default CD(k=1)
        Where the samples of the negative phase of the last two terms come from: CD, PCD, ...
    dropout : float, default 0
        Of the first term, as for `Discriminative`.

    Attributes
    ----------
    k : int
        Gibbs steps per update: of `negative`, and one more with `unlabelled`, whose half-step draws classes.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Notes
    -----
    The hybrid and the semi-supervised objective of Larochelle, Mandel, Pascanu & Bengio, "Learning algorithms
    for the classification restricted Boltzmann machine", JMLR 13 (2012), 643, sections 4 and 6, where these
    weights are alpha and beta. All terms are means over the rows of a batch. Where a row has no class the
    positive phase averages over all classes, exactly, and CD starts from a class drawn from p(y | x).

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X, y = np.eye(6), np.array([0, 1, 2, -1, -1, -1])
    >>> rbm = rf.ClassRBM(6, 4, n_classes=3, seed=0)
    >>> method = rf.Hybrid(generative=0.1, unlabelled=0.1, negative=rf.PCD(k=1, n_chains=10))
    >>> history = rf.train(rbm, rbm.join(X, y), method=method, epochs=2, seed=1)
    """

    generative: float = field(default=0.01, metadata=checked_by(check_number))
    unlabelled: float = field(default=0.0, metadata=checked_by(check_number))
    negative: Method = CD(k=1)  # noqa: RUF009  # settings, immutable
    dropout: float = field(default=0.0, metadata=DROPOUT)
    k: int = field(init=False, repr=False, compare=False)
    purpose: Purpose = field(init=False, repr=False, compare=False)
    persistent: bool = field(init=False, repr=False, compare=False)
    takes_missing = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.negative, Method):
            raise TypeError(f"negative must be a method such as rf.CD(k=1), got {self.negative!r}")
        if not self.negative.learns_from_samples:
            raise ValueError(f"negative must draw samples, as rf.CD(k=1) does, got {self.negative!r}")
        object.__setattr__(self, "k", self.negative.k + (self.unlabelled > 0))
        object.__setattr__(self, "purpose", self.negative.purpose)
        object.__setattr__(self, "persistent", self.negative.persistent)
        object.__setattr__(self, "numbers", self.negative.numbers)

    @property
    def replicas(self) -> int:
        return self.negative.replicas

    def chains_for(self, batch_size: int) -> int:
        return self.negative.chains_for(batch_size)

    def start_chains(self, model: Conditionals, n_chains: int) -> States:
        return self.negative.start_chains(model, n_chains)

    def start_memory(
        self, model: Conditionals | JointPath, base: Callable[[], F32], n_chains: int, stream: Stream
    ) -> dict[str, NDArray[Any]]:
        return self.negative.start_memory(model, base, n_chains, stream)

    def check_memory(self, model: Conditionals | JointPath, memory: Mapping[str, NDArray[Any]]) -> None:
        self.negative.check_memory(model, memory)

    def look(self, model: Conditionals | JointPath, chains: States, stream: Stream) -> dict[str, float]:
        return self.negative.look(model, chains, stream)

    def kept(self, memory: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
        return self.negative.kept(memory)

    def learn(self, model: Conditionals, gradient: Gradient) -> None:
        self.negative.learn(model, gradient)

    def rows(self, rbm: RBM, X: Any) -> tuple[Rows, I64 | None]:
        _check_model(rbm, self)
        return _some_labelled(rbm, X) if self.unlabelled else super().rows(rbm, X)

    def gradient(
        self,
        model: Conditionals,
        v: States,
        x: F32,
        chains: States | None,
        weights: F64 | None = None,
    ) -> Gradient:
        batch = Batch.of(model, v, x, weights)
        rows = model.stream.rows
        ids = rows + np.arange(len(v)) if isinstance(rows, int) else rows
        groups = [(known, here, batch.take(here)) for known, here in batch.split()]
        start = v, x
        for known, here, own in groups:
            if not known:
                last = model.stream.step + 2 * self.negative.k
                start = own.guess(v, x, here, model.stream.at(last, ids[here]))
        samples = self.negative.negative_phase(model, *start, chains)
        parts: list[Part] = []
        for known, here, own in groups:
            paired = self.negative.starts_at_rows
            beside = samples if self.persistent else (samples[0][here], samples[1][here])
            share, seen = len(own.v) / len(v), own.total_weight / (batch.total_weight or 1.0)
            if known:
                joint = contrast(model, (own.v, x[here]), beside, own.weights, paired)
                thinned = own.thinned(self.dropout, model.stream._replace(rows=ids[here]))
                parts.append((share, 0.0, _discriminative(thinned)))
                parts.append((share * self.generative, seen, joint))
            else:
                parts.append((share * self.unlabelled, seen, _of_features(own, beside, paired)))
        return _sum(parts)


# --- A batch -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Rows of features and class, and what the model thinks of their classes.

    Attributes
    ----------
    model : Conditionals
        The current model.
    v : array (n_rows, n_visible)
        The rows.
    x : float32 array (n_rows, n_hidden)
        The hidden units' total inputs from the features alone.
    labels : float32 array (n_rows, n_classes)
        One-hot classes (or probabilities); zeros where there is none.
    weights : float64 array (n_rows,) or None
        Of the rows.
    kept : float
        Share of the hidden units that a row sees: the others' total inputs are `OFF`.
    """

    model: Conditionals
    v: States
    x: F32
    labels: F32
    weights: F64 | None
    kept: float = 1.0

    @classmethod
    def of(cls, model: Conditionals, v: States, x: F32, weights: F64 | None) -> Batch:
        """Such a batch of these rows, from which the hidden units hear `x`."""
        classes = _classes(model)
        labels = as_float(np.ascontiguousarray(v[:, classes]))
        return cls(model, v, _without_labels(model, v, x, labels), labels, weights)

    @cached_property
    def log_weights(self) -> F64:
        """Logarithms of p(y | x), but for a constant of each row: (n_rows, n_classes)."""
        d = self.model.down.bias[_classes(self.model)]
        up = self.model.up
        log_weights = up.target.class_log_weights(self.x, up.W[-len(d) :], d, up.bias)
        return log_weights if self.kept == 1 else d + (log_weights - d) / self.kept

    @property
    def p(self) -> F32:
        """p(y | x): (n_rows, n_classes)."""
        return softmax(self.log_weights)

    def take(self, rows: slice | I64) -> Batch:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, v=self.v[rows], x=self.x[rows], labels=self.labels[rows], weights=weights)

    def thinned(self, dropout: float, stream: Stream) -> Batch:
        """The same where every row has lost a share of the hidden units, and the rest stand for all."""
        if dropout == 0:
            return self
        own = stream._replace(purpose=Purpose.HIDDEN_DROPOUT)
        lost = own.uniform(*self.x.shape) < dropout * 2.0**32
        return replace(self, x=np.where(lost, OFF, self.x), kept=1 - dropout)

    def split(self) -> list[tuple[bool, slice | I64]]:
        """The rows with a class, and those without, where there are any."""
        known = self.labels.any(axis=1)
        if known.all():
            return [(True, slice(None))]
        groups = ((True, np.flatnonzero(known)), (False, np.flatnonzero(~known)))
        return [(which, rows) for which, rows in groups if len(rows)]

    def guess(self, v: States, x: F32, here: slice | I64, stream: Stream) -> tuple[States, F32]:
        """Visible states and the hidden units' total inputs from them, with a class drawn for these rows.

        They have none; `v` and `x` are those of all rows, of which they are the ones at `here`.
        """
        model, classes = self.model, _classes(self.model)
        relative = self.log_weights - self.log_weights.max(axis=1, keepdims=True)
        drawn = Categorical(model.n_classes).sample(relative.astype(np.float32), stream)
        v, x = v.copy(), x.copy()
        v[here, classes] = in_form(drawn, v.dtype)
        x[here] = self.x + model.up.W[classes][drawn.argmax(axis=1)]
        return v, x

    def expect(self, p: F32) -> Expectation:
        """What the hidden units and the label do where the classes have the probabilities `p`.

        Means of the hidden units of each row (n_rows, n_hidden), as `rbmfast.training.phases.difference`
        takes them; and means over the rows: of the products of label and hidden units (n_classes, n_hidden),
        and of the label (n_classes,).
        """
        unit, U = self.model.up.target, self.model.up.W[-p.shape[1] :]
        hidden, pairs = unit.class_expectations(self.x, U, p)
        top = 1.0
        if self.weights is not None:
            top = float(self.weights.max()) or 1.0
            p = p * (self.weights / top).astype(np.float32)[:, None]
            _, pairs = unit.class_expectations(self.x, U, p)
        scale = top / (GREY * len(p))
        return hidden, pairs * scale, to_grey(p).sum(axis=0, dtype=np.int64) * scale

    @property
    def total_weight(self) -> float:
        """Of the rows, each 1 unless weights say something else."""
        return float(len(self.v)) if self.weights is None else math.fsum(self.weights)


def _without_labels(model: Conditionals, v: States, x: F32, labels: F32) -> F32:
    """The hidden units' total inputs from the features alone, given those from the label as well."""
    classes, most = _classes(model), labels.max(axis=1)
    if ((most == 0) | (most == 1)).all():  # cheaper than the product
        alone: F32 = x - most[:, None] * model.up.W[classes][labels.argmax(axis=1)]
        return alone
    features = v.copy()
    features[:, classes] = 0
    return model.up.input(features)


# --- Gradients ---------------------------------------------------------------------------------------------


def _discriminative(batch: Batch) -> Gradient:
    """The gradient of log p(y | x): what goes with the given class, less what goes with the expected one."""
    (h, pairs, labels), (h_model, pairs_model, labels_model) = map(batch.expect, (batch.labels, batch.p))
    v, classes = batch.v, _classes(batch.model)
    gradient = difference(batch.model.layers, (v, h), (v, h_model), batch.weights, paired=True)
    gradient.W[classes] = pairs - pairs_model
    gradient.a[classes] = labels - labels_model
    if batch.kept < 1:
        for array in (gradient.W, gradient.b):
            array /= np.float32(batch.kept)
    return gradient


def _activity(model: Conditionals, x: F32, weights: F64 | None) -> F32:
    """Means of the hidden units over the rows, from their total inputs; sums of 16-bit levels are exact."""
    h = model.up.target.expectation(x)
    shares = np.ones(len(h)) if weights is None else weights / (weights.max() or 1.0)
    terms = np.rint(h * shares[:, None]) if h.dtype == LEVELS else h * shares[:, None]
    total = unit_of(h.dtype) * (math.fsum(shares) or 1.0)
    mean: F32 = (terms.sum(axis=0) / total).astype(np.float32)
    return mean


def _of_features(batch: Batch, samples: tuple[States, F32], paired: bool) -> Gradient:
    """The gradient of log p(x) of rows without a class: the label, too, is a hidden unit of theirs."""
    h, pairs, labels = batch.expect(batch.p)
    v, x = samples
    means = batch.model.up.target.expectation(x)
    gradient = difference(batch.model.layers, (batch.v, h), (v, means), batch.weights, paired)
    classes = _classes(batch.model)
    gradient.W[classes] += pairs.astype(np.float32)
    gradient.a[classes] += labels.astype(np.float32)
    mean_weight = batch.total_weight / len(batch.v)
    gradient.visible_mean[classes] = labels / (mean_weight or 1.0)
    return gradient


def _sum(parts: list[Part]) -> Gradient:
    """Gradients added up, each times its factor; their means of the data, times its share."""
    factors, shares, gradients = zip(*parts, strict=True)

    def total(name: str, by: tuple[float, ...]) -> F32:
        first, *others = (np.float32(x) * getattr(g, name) for x, g in zip(by, gradients, strict=True))
        result: F32 = sum(others, start=first)
        return result

    W, a, b = (total(name, factors) for name in ("W", "a", "b"))
    return Gradient(W, a, b, total("visible_mean", shares), total("hidden_mean", shares))


# --- Data --------------------------------------------------------------------------------------------------


def _classes(model: Conditionals) -> slice:
    """The visible units that say the class."""
    n_visible = len(model.down.bias)
    return slice(n_visible - model.n_classes, n_visible)


def _check_model(rbm: RBM, method: Discriminative | Hybrid) -> None:
    if not rbm.n_classes:
        raise TypeError(f"rbm must be an rf.ClassRBM for {method!r}, got {rbm!r}")
    if of_units(rbm._parameters.units):
        raise ValueError(f"{method!r} learns weights and biases alone, and {rbm!r} has units that learn more")
    if method.dropout and not rbm.hidden.are_switches:
        raise ValueError(f"dropout needs Bernoulli hidden units, got {rbm.hidden.name} units")


def _some_labelled(rbm: RBM, X: Any) -> tuple[Rows, I64]:
    """Rows of features and class, all zeros where there is none; and the numbers of those with one."""
    rows = rbm.visible.rows(X, rbm.n_visible, check=False)
    classes = slice(rbm.n_visible - rbm.n_classes, rbm.n_visible)
    numbers = []
    for first, block in rows.blocks(rows_in_a_scan(rows.n_features)):
        known = block[:, classes].any(axis=1)
        missing = np.zeros(block.shape, np.bool_)
        missing[~known, classes] = True
        rbm.visible.check_block(block, "X", first, missing)
        numbers.append(first + np.flatnonzero(known))
    labelled = np.concatenate(numbers)
    if not len(labelled):
        raise ValueError("X must have a row with a class, got none")
    return rows, labelled
