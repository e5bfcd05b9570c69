"""The restricted Boltzmann machine of features and a class, as a classifier."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

import rbmfast as rf
from rbmfast.data import Rows
from rbmfast.sklearn.base import (
    CLASS_WEIGHT,
    I64,
    LEARNING_PARAMETERS,
    Array,
    Classifier,
    draw_seed,
    of_mean_1,
)
from rbmfast.sklearn.visible import unbounded
from rbmfast.units.base import F64

UNLABELLED = -1


class ClassRBM(Classifier):
    """A classifier that is a restricted Boltzmann machine of features and class.

    It learns to tell the classes apart, by the exact gradient of log p(y | x), and at the same time, with a
    small weight, what the data look like, which keeps it from overfitting. It can learn from rows without a
    class.

    Parameters
    ----------
    n_components : int, default 100
        Hidden units.
    generative : float, default 0.01
        Weight of log p(x, y) beside log p(y | x). With 0 nothing is sampled, and the features are not
        modelled.
    unlabelled : float, default 0.0
        Weight of log p(x) of rows without a class. Above 0 these are the rows whose class in `y` is -1; with
        0, -1 is a class like any other.
    dropout : float, default 0.0
        Chance of a hidden unit to be dropped where log p(y | x) is learned, from 0 up to, and without, 1. It
        keeps many hidden units from overfitting; 0.5 is usual.
    visible : {"auto", "bernoulli", "gaussian"}, default "auto"
        Type of the units that show the features: Bernoulli units for values in [0, 1]; Gaussian units for any
        others, which are standardised first, feature by feature. "auto" decides by the data of the first fit.
    learning_rate : float, default 0.05
        With Gaussian units and large weights of the last two terms, ten times less.
    momentum : float, default 0.9
        From 0 up to, and without, 1.
    batch_size : int, default 20
        Rows per update, at most 32 768; few, so that tables of hundreds of rows make many updates.
    n_iter : int, default 50
        Passes over the data.
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, times those of the rows; "balanced" lets the rows of each class weigh the same
        together.
    random_state : int, RandomState or None, default None
        Fixes every random number.
    verbose : int, default 0
        Above 0: show how far it is.

    Attributes
    ----------
    classes_ : array (n_classes,)
        The classes in increasing order.
    rbm_ : rbmfast.ClassRBM
        The model. It numbers the classes from 0, in the order of `classes_`.
    visible_ : str
        Type of the units that show the features.
    mean_, scale_ : float32 array (n_features,) or None
        Gaussian units see ``(X - mean_) / scale_``, which is what `rbm_` takes.
    history_ : rbmfast.History
        What was recorded in the last call of `fit` or `partial_fit`.
    n_features_in_ : int
        Features seen by `fit`.
    feature_names_in_ : array (n_features_in_,)
        Their names, if all are strings.

    See Also
    --------
    rbmfast.ClassRBM : The model behind it.
    rbmfast.Hybrid : What it learns.

    Notes
    -----
    Where the model was fitted on values in [0, 1] and is asked about others, these are taken as they are;
    with a warning if many lie far outside, which were surely not scaled. For Bernoulli units `random_state`,
    data and settings fix every bit on every machine.

    References
    ----------
    Larochelle, Mandel, Pascanu & Bengio, "Learning algorithms for the classification restricted Boltzmann
    machine", JMLR 13 (2012), 643.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from rbmfast.sklearn import ClassRBM
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, train_size=600, random_state=0)
    >>> clf = ClassRBM(random_state=0).fit(X_train, y_train)
    >>> clf.score(X_test, y_test) > 0.93
    True
    >>> clf.rbm_
    ClassRBM(64, 100, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "generative": [Interval(Real, 0, None, closed="left")],
        "unlabelled": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "class_weight": CLASS_WEIGHT,
        **LEARNING_PARAMETERS,
    }

    rbm_: rf.ClassRBM
    history_: rf.History
    _state: rf.TrainingState

    def __init__(
        self,
        n_components: int = 100,
        *,
        generative: float = 0.01,
        unlabelled: float = 0.0,
        dropout: float = 0.0,
        visible: str = "auto",
        learning_rate: float = 0.05,
        momentum: float = 0.9,
        batch_size: int = 20,
        n_iter: int = 50,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.generative = generative
        self.unlabelled = unlabelled
        self.dropout = dropout
        self.visible = visible
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> ClassRBM:
        """Learn from data, afresh.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)
            Data; never copied dense if sparse.
        y : array-like (n_samples,)
            Classes: numbers or strings. With `unlabelled` above 0, -1 for rows without one.
        sample_weight : array-like (n_samples,), optional
            Each row's share of what is learned; only ratios count. A weight of 0 leaves a row out. Slower.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad data or parameters.
        FloatingPointError
            Learning diverged.

        Notes
        -----
        If anything fails, or is interrupted, the estimator stays as it was before.
        """
        self._validate_params()
        with self._learning(anew=True) as rng:
            X, y, weights = self._counting(*self._checked(X, y, reset=True), sample_weight)
            self._learn_names(y[self._has_class(y)])
            rows, labels = self._see(X, weights), self._labels(y)
            self._begin(rows, rng)
            self._train(rows, labels, self.n_iter, of_mean_1(self._class_weighted(labels, weights)))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> ClassRBM:
        """Learn once from some more rows, in batches of `batch_size`.

        Parameters
        ----------
        X, y
            As for `fit`. At least one row needs a class.
        classes : array-like (n_classes,), optional
            All classes there will be, without -1 for rows that have none; needed by the first call, unless
            `fit` came before.
        sample_weight : array-like (n_samples,), optional
            As for `fit`, but taken as they are: weights of mean 1 leave the learning rate its meaning.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad data or parameters, or a new class.
        FloatingPointError
            Learning diverged.

        Notes
        -----
        Velocities go on from call to call. The means from which biases start are those of the first call's
        rows.
        """
        self._validate_params()
        self._check_part()
        first = not hasattr(self, "classes_")
        with self._learning(anew=False) as rng:
            X, y, weights = self._counting(*self._checked(X, y, reset=first), sample_weight)
            self._check_names(classes, first)
            rows = self._see(X, weights) if first else self._see_more(X)
            if first:
                self._begin(rows, rng)
            labels = self._labels(y)
            self._train(rows, labels, 1, self._class_weighted(labels, weights))
        return self

    def _begin(self, rows: Rows, rng: np.random.RandomState) -> None:
        """A model that knows nothing yet."""
        n_classes = len(self.classes_)
        self.rbm_ = rf.ClassRBM(
            rows.n_features, self.n_components, n_classes, visible=self.visible_, seed=draw_seed(rng)
        )
        self._state = rf.TrainingState()
        self._state.seed = draw_seed(rng)

    def _labels(self, y: Array) -> I64:
        """Numbers of classes; -1 for none."""
        labels: I64 = np.full(len(y), UNLABELLED, np.int64)
        has_class = self._has_class(y)
        labels[has_class] = self._numbers(y[has_class])
        return labels

    def _train(self, rows: Rows, labels: I64, n_iter: int, weights: F64 | None) -> None:
        rbm, state = copy.deepcopy(self.rbm_), copy.deepcopy(self._state)
        self.history_ = rf.train(
            rbm,
            rbm.join(rows, labels),
            sample_weight=weights,
            method=self._method,
            optimizer=rf.SGD(self.learning_rate, self.momentum),
            epochs=n_iter,
            batch_size=self.batch_size,
            state=state,
            progress=bool(self.verbose),
        )
        self.rbm_, self._state = rbm, state

    @property
    def _method(self) -> rf.Discriminative | rf.Hybrid:
        """What to learn; for the first term alone, without samples that nothing would need."""
        if self.generative == self.unlabelled == 0:
            return rf.Discriminative(self.dropout)
        return rf.Hybrid(self.generative, self.unlabelled, dropout=self.dropout)

    def _has_class(self, y: Array) -> Any:
        if self.unlabelled == 0 or y.dtype.kind in "SU":
            return np.ones(len(y), np.bool_)
        return y != UNLABELLED

    def _class_scores(self, rows: Rows) -> Array:
        rbm: Any = unbounded(self.rbm_) if self._layer.cannot_have(rows) else self.rbm_
        scores: Array = rbm.class_log_probabilities(rows)
        return scores
