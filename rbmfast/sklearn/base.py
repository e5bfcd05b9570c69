"""What the estimators share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from rbmfast.data import Rows
from rbmfast.reference import F32, MAX_BATCH
from rbmfast.runtime import thread_limit, warn
from rbmfast.sklearn.compat import check_classes, validate_data
from rbmfast.sklearn.models import UNSCALED, look_unscaled
from rbmfast.sklearn.visible import VisibleLayer
from rbmfast.training.plan import check_weights
from rbmfast.units.base import F64

Array = NDArray[Any]
I64 = NDArray[np.int64]

LEARNING_PARAMETERS: dict[str, list[Any]] = {
    "visible": [StrOptions({"auto", "bernoulli", "gaussian"})],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "batch_size": [Interval(Integral, 1, MAX_BATCH, closed="both")],
    "n_iter": [Interval(Integral, 0, None, closed="left")],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}
CLASS_WEIGHT: list[Any] = [StrOptions({"balanced"}), dict, None]


def draw_seed(rng: np.random.RandomState) -> int:
    """A seed of rbmfast's from scikit-learn's random numbers."""
    return int.from_bytes(rng.bytes(8), "little")


def threads(n_jobs: int | None = None) -> contextlib.AbstractContextManager[None]:
    """As many threads as `n_jobs` says; None: one where joblib already runs this in one of its threads."""
    if n_jobs is not None:
        return thread_limit(max(1, effective_n_jobs(n_jobs)))
    in_joblib = threading.current_thread() is not threading.main_thread() and (
        get_active_backend()[0].nesting_level or 0
    )
    return thread_limit(1) if in_joblib else contextlib.nullcontext()


def of_mean_1(weights: F64 | None) -> F64 | None:
    """The same weights by ratio; the learning rate keeps its meaning."""
    return None if weights is None else weights / weights.mean()


class Learner(BaseEstimator):  # type: ignore[misc]
    """An estimator with a visible layer that fits its data, and a `random_state`."""

    visible: str
    random_state: int | np.random.RandomState | None
    visible_: str
    mean_: F32 | None
    scale_: F32 | None
    random_state_: np.random.RandomState

    @property
    def _layer(self) -> VisibleLayer:
        return VisibleLayer(self.visible_, self.mean_, self.scale_)

    @contextlib.contextmanager
    def _learning(self, anew: bool) -> Iterator[np.random.RandomState]:
        """Where seeds come from; if anything fails, all attributes are put back."""
        before = dict(self.__dict__)
        try:
            if anew or not hasattr(self, "random_state_"):
                self.random_state_ = check_random_state(self.random_state)
            with threads():
                yield self.random_state_
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _see(self, X: Any, weights: F64 | None = None) -> Rows:
        """Choose the visible layer for the first data; what it sees of them."""
        layer, rows = VisibleLayer.of(X, self.visible, self, weights)
        self.visible_, self.mean_, self.scale_ = layer.unit, layer.mean, layer.scale
        return rows

    def _see_more(self, X: Any) -> Rows:
        """What the visible layer sees of more data to learn from."""
        rows = self._layer.rows(X, self)
        if self._layer.cannot_have(rows):
            raise ValueError(
                "X has values outside [0, 1], and the visible units are Bernoulli units, chosen when "
                "learning began"
            )
        return rows

    def _rows(self, X: Any) -> Rows:
        """What the visible layer sees of data to answer about; with a warning if nobody has scaled them."""
        check_is_fitted(self)
        rows = self._layer.rows(validate_data(self, X, reset=False), self)
        if self._layer.cannot_have(rows) and look_unscaled(rows):
            warn(UNSCALED)
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Classifier(ClassifierMixin, Learner):  # type: ignore[misc]
    """A learner of classes."""

    class_weight: Mapping[Any, float] | str | None
    classes_: Array

    def predict(self, X: Any) -> Array:
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        array (n_samples,)
        """
        scores = self._log_proba(X)
        best: Array = self.classes_[scores.argmax(axis=1)]
        return best

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
        probabilities: F64 = np.exp(self._log_proba(X))
        return probabilities

    def predict_log_proba(self, X: Any) -> F64:
        """Logarithms of the probabilities of the classes, which do not underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples, n_classes)
            Nats, in the order of `classes_`.
        """
        return self._log_proba(X)

    def _log_proba(self, X: Any) -> F64:
        rows = self._rows(X)
        with threads():
            scores = self._class_scores(rows)
        log_proba: F64 = log_softmax(scores.astype(np.float64), axis=1)
        return log_proba

    def _class_scores(self, rows: Rows) -> Array:
        """Log-probabilities of the classes, but for a constant of each row."""
        raise NotImplementedError

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        """Data and their classes as arrays."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None"
            )
        X = validate_data(self, X, reset=reset)
        return X, check_classes(y, X.shape[0])

    @staticmethod
    def _counting(X: Any, y: Array, sample_weight: ArrayLike | None) -> tuple[Any, Array, F64 | None]:
        """The rows that count, with their weights: one of weight 0 is as good as absent."""
        weights = check_weights(sample_weight, len(y))
        if weights is None or weights.all():
            return X, y, weights
        rows = np.flatnonzero(weights)
        return X[rows], y[rows], weights[rows]

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

    def _check_part(self) -> None:
        """Refuse what takes all rows to know."""
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight must be a dict or None for partial_fit, got 'balanced': how many rows of each "
                "class there will be is not known"
            )

    def _learn_names(self, names: Array) -> None:
        """Take these classes, each once, for all there are."""
        self.classes_ = np.unique(names)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of 2 classes or more, got {len(self.classes_)} class"
            )

    def _check_names(self, classes: ArrayLike | None, first: bool) -> None:
        """The classes that a call of `partial_fit` is given."""
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit")
        if first:
            self._learn_names(np.asarray(classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes must stay {self.classes_.tolist()}, got {classes!r}")

    def _numbers(self, y: Array) -> I64:
        """Numbers of classes."""
        numbers = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unknown = self.classes_[numbers] != y
        if unknown.any():
            name = y[unknown].tolist()[0]
            raise ValueError(f"y has the class {name!r}, which is not among {self.classes_.tolist()}")
        return numbers.astype(np.int64)
