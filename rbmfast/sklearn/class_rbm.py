"""The restricted Boltzmann machine of features and a class, as a classifier."""

from __future__ import annotations

import copy
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast.data import Rows
from rbmfast.reference import F64, I64
from rbmfast.sklearn.base import AT_LEAST_0, AT_LEAST_1, BELOW_1, COUNT, Array, parameter
from rbmfast.sklearn.classifier import UNLABELLED, Classifier
from rbmfast.sklearn.models import unbounded


@dataclass(eq=False, repr=False)
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
    n_iter : int, default 50
        Passes over the data.
    learning_rate : float, default 0.05
        With Gaussian units and large weights of the last two terms, ten times less.
    visible, momentum, batch_size, class_weight, random_state, verbose
        See `rbmfast.sklearn`.

    Attributes
    ----------
    rbm_ : rbmfast.ClassRBM
        The model. It numbers the classes from 0, in the order of `classes_`.
    history_ : rbmfast.History
        What was recorded in the last call of `fit` or `partial_fit`.
    classes_, visible_, mean_, scale_, n_features_in_, feature_names_in_
        See `rbmfast.sklearn`.

    See Also
    --------
    rbmfast.ClassRBM : The model behind it.
    rbmfast.Hybrid : What it learns.

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

    n_components: int = parameter(100, AT_LEAST_1)
    _: KW_ONLY
    generative: float = parameter(0.01, AT_LEAST_0)
    unlabelled: float = parameter(0.0, AT_LEAST_0)
    dropout: float = parameter(0.0, BELOW_1)
    n_iter: int = parameter(50, COUNT)

    def _begin(self, rows: Rows, labels: I64, weights: F64 | None) -> None:
        self.rbm_ = rf.ClassRBM(
            rows.n_features, self.n_components, len(self.classes_), visible=self.visible_, seed=self._seed()
        )
        self._state = rf.TrainingState()
        self._state.seed = self._seed()

    def _train(self, rows: Rows, labels: I64, weights: F64 | None, n_iter: int) -> None:
        rbm, state = copy.deepcopy(self.rbm_), copy.deepcopy(self._state)
        self.history_ = rf.train(
            rbm,
            rbm.join(rows, labels),
            method=self._method,
            optimizer=rf.SGD(self.learning_rate, self.momentum),
            penalties=(),
            centered=False,
            state=state,
            **self._asked(weights, n_iter),
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
        rbm: Any = unbounded(self.rbm_) if self._cannot_have(rows) else self.rbm_
        scores: Array = rbm.class_log_probabilities(rows)
        return scores
