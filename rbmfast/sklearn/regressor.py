"""A deep belief network as a regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

import rbmfast as rf
from rbmfast.reference import F32, F64
from rbmfast.sklearn.base import Array, of_mean_1, validate_data, with_weight
from rbmfast.sklearn.dbn import FineTuned


@dataclass(eq=False, repr=False)
class DBNRegressor(RegressorMixin, FineTuned):  # type: ignore[misc]
    """A regressor that begins as a deep belief network.

    The layers of a deep belief network learn one after the other what the data look like; then a linear layer
    is put on top, and all learn together, by backpropagation, to give the targets, which they see
    standardised.

    Parameters
    ----------
    hidden_layer_sizes : int or list of int, default (200, 200)
        Units of the hidden layers, from the lowest up.
    fine_tuning_learning_rate, fine_tuning_n_iter, alpha, dropout
        As of `DBNClassifier` with "backprop".
    visible, learning_rate, momentum, batch_size, n_iter, random_state, verbose
        See `rbmfast.sklearn`; of pre-training.

    Attributes
    ----------
    dbn_ : rbmfast.DBN
        The deep belief network as it was pre-trained.
    network_ : rbmfast.Network
        The feed-forward network that it became. It gives ``(y - target_mean_) / target_scale_``.
    target_mean_, target_scale_ : float64 array (n_targets,)
        Means and standard deviations of the targets.
    pretraining_history_ : list of rbmfast.History
        What was recorded, of each layer.
    history_ : rbmfast.History
        What was recorded in fine-tuning.
    visible_, mean_, scale_, n_features_in_, feature_names_in_
        See `rbmfast.sklearn`.

    See Also
    --------
    rbmfast.pretrain, rbmfast.fine_tune : How it learns, with more to choose.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from rbmfast.sklearn import DBNRegressor
    >>> X_train, X_test, y_train, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
    >>> reg = DBNRegressor((50, 50), fine_tuning_n_iter=20, random_state=0).fit(X_train, y_train)
    >>> reg.score(X_test, y_test) > 0.3
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> DBNRegressor:
        """Learn from data, afresh.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)
            Data; never copied dense if sparse.
        y : array-like (n_samples,) or (n_samples, n_targets)
            Numbers.
        sample_weight : array-like (n_samples,), optional
            Each row's share of all that is learned; only ratios count. A weight of 0 leaves a row out.

        Returns
        -------
        self

        Raises
        ------
        ValueError, FloatingPointError
            As `DBNClassifier.fit`, which leaves the estimator as it was, too.
        """
        self._validate_params()
        with self._learning(anew=True):
            X, y = validate_data(self, X, y, reset=True, multi_output=True, y_numeric=True)
            X, y, weights = with_weight(X, y, sample_weight)
            self._is_single = y.ndim == 1
            targets = self._standardized_targets(y.reshape(len(y), -1).astype(np.float64), weights)
            rows = self._see(X, weights)
            self._pretrain(rows, weights)
            net = self.dbn_.to_network(targets.shape[1], "linear", seed=self._seed())
            settings = self._asked(of_mean_1(weights), self._n_passes(rows))
            self.network_ = self._fine_tune(net, rows, targets, seed=self._seed(), **settings)
        return self

    def _standardized_targets(self, y: F64, weights: F64 | None) -> F32:
        if not np.abs(y).max() <= np.finfo(np.float32).max:
            raise ValueError(f"y must be within float32's range, got numbers as large as {np.abs(y).max():g}")
        self.target_mean_ = np.average(y, axis=0, weights=weights)
        deviation = np.sqrt(np.average((y - self.target_mean_) ** 2, axis=0, weights=weights))
        self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
        return ((y - self.target_mean_) / self.target_scale_).astype(np.float32)

    def predict(self, X: Any) -> Array:
        """Expected targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples,) or (n_samples, n_targets)
            Of the shape that `y` had.
        """
        rows = self._rows(self._checked(X))
        with self._threads():
            domain = "real" if self._cannot_have(rows) else self.network_.domain
            net = rf.Network(self.network_.layers, domain)
            y = net.forward(rows).astype(np.float64) * self.target_scale_ + self.target_mean_
        return y[:, 0] if self._is_single else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return {"multioutput": True}
