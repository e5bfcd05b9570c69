"""What the classifiers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets

from rbmfast.data import Rows
from rbmfast.reference import F64, I64
from rbmfast.sklearn.base import Array, Seer, of_mean_1, parameter, validate_data, with_weight

Self = TypeVar("Self", bound="Classifier")

UNLABELLED = -1


@dataclass(eq=False, repr=False, kw_only=True)
class Classifier(ClassifierMixin, Seer):  # type: ignore[misc]
    """A learner of classes."""

    class_weight: Mapping[Any, float] | str | None = parameter(None, StrOptions({"balanced"}), dict, None)

    # --- Learning ----------------------------------------------------------------------------------------

    def fit(self: Self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from data, afresh.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)
            Data; never copied dense if sparse.
        y : array-like (n_samples,)
            Classes: numbers or strings; for a `ClassRBM` with `unlabelled` above 0, -1 where there is none.
        sample_weight : array-like (n_samples,), optional
            Each row's share of all that is learned; only ratios count. A weight of 0 leaves a row out.

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
        with self._learning(anew=True):
            X, y, weights = self._check(X, y, sample_weight, reset=True)
            self.classes_: Array = np.unique(y[self._has_class(y)])
            self._check_n_classes()
            rows, labels = self._see(X, weights), self._labels(y)
            self._begin(rows, labels, weights)
            weights = of_mean_1(self._class_weighted(labels, weights))
            self._train(rows, labels, weights, self._n_passes(rows))
        return self

    @available_if(lambda self: self._learns_in_parts)  # type: ignore[untyped-decorator]
    def partial_fit(
        self: Self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
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
        ValueError, FloatingPointError
            As `fit`; or a new class, or another `fine_tuning` than that of the first fit.

        Notes
        -----
        Of a `ClassRBM` velocities go on from call to call, and the means from which biases start are those of
        the first call's rows. A `DBNClassifier` goes on with fine-tuning: see there.
        """
        self._validate_params()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight must be a dict or None for partial_fit, got 'balanced': how many rows of each "
                "class there will be is not known"
            )
        with self._learning(anew=False):
            first = _check_partial_fit_first_call(self, classes)
            self._check_n_classes()
            X, y, weights = self._check(X, y, sample_weight, reset=first)
            labels = self._labels(y)
            rows = self._see(X, weights) if first else self._see_more(X)
            if first:
                self._begin(rows, labels, weights)
            self._train(rows, labels, self._class_weighted(labels, weights), 1)
        return self

    @property
    def _learns_in_parts(self) -> bool:
        return True

    def _n_passes(self, rows: Rows) -> int:
        """Passes over these rows of a fit."""
        return self.n_iter

    def _begin(self, rows: Rows, labels: I64, weights: F64 | None) -> None:
        """Make a model for these rows."""
        raise NotImplementedError

    def _train(self, rows: Rows, labels: I64, weights: F64 | None, n_iter: int) -> None:
        """Let the model learn; one that fails stays as it is."""
        raise NotImplementedError

    # --- Answers -----------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        array (n_samples,)
        """
        best = self.predict_log_proba(X).argmax(axis=1)
        names: Array = self.classes_[best]
        return names

    def predict_proba(self, X: Any) -> F64:
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples, n_classes)
            In the order of `classes_`.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> F64:
        """Logarithms of what `predict_proba` answers, in nats, which do not underflow."""
        rows = self._rows(self._checked(X))
        with self._threads():
            scores = self._class_scores(rows)
        log_proba: F64 = log_softmax(scores.astype(np.float64), axis=1)
        return log_proba

    def _class_scores(self, rows: Rows) -> Array:
        """Log-probabilities of the classes, but for a constant of each row."""
        raise NotImplementedError

    # --- Classes and weights -----------------------------------------------------------------------------

    def _check(
        self, X: Any, y: Any, sample_weight: ArrayLike | None, reset: bool
    ) -> tuple[Any, Array, F64 | None]:
        """The rows that count, their classes and their weights."""
        X, y = validate_data(self, X, y, reset=reset)
        check_classification_targets(y)
        return with_weight(X, y, sample_weight)

    def _class_weighted(self, labels: I64, weights: F64 | None) -> F64 | None:
        """Weights of rows times those of their classes; rows without a class, labelled -1, keep theirs."""
        if self.class_weight is None:
            return weights
        weights = np.ones(len(labels)) if weights is None else weights
        if self.class_weight == "balanced":
            named, n = labels >= 0, len(self.classes_)
            totals = np.bincount(labels[named], weights[named], minlength=n)
            factors = totals.sum() / (n * totals)
        else:
            factors = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)
            if not (np.isfinite(factors) & (factors >= 0)).all() or not factors.any():
                raise ValueError(
                    f"class_weight must be finite, at least 0, and not all zero, got {self.class_weight!r}"
                )
        weighted: F64 = weights * np.append(factors, 1.0)[labels]
        return weighted

    def _check_n_classes(self) -> None:
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of 2 classes or more, got {len(self.classes_)} class"
            )

    def _has_class(self, y: Array) -> Any:
        return np.ones(len(y), np.bool_)

    def _labels(self, y: Array) -> I64:
        """Numbers of classes; -1 for none."""
        numbers: I64 = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1).astype(np.int64)
        numbers[~self._has_class(y)] = UNLABELLED
        unknown = (numbers != UNLABELLED) & (self.classes_[numbers] != y)
        if unknown.any():
            name = y[unknown].tolist()[0]
            raise ValueError(f"y has the class {name!r}, which is not among {self.classes_.tolist()}")
        return numbers
