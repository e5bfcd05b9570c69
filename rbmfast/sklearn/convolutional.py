"""Convolutional restricted Boltzmann machines, as a transformer of images."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

import rbmfast as rf
from rbmfast.checks import check_weights
from rbmfast.sklearn.base import (
    AT_LEAST_0,
    AT_LEAST_1,
    COUNT,
    Array,
    Seer,
    Transformer,
    of_mean_1,
    parameter,
    validate_data,
)
from rbmfast.sklearn.models import Unbounded


@dataclass(eq=False, repr=False)
class ConvRBM(Transformer, Seer):
    """A convolutional restricted Boltzmann machine, as a transformer of images.

    Features are the pooled probabilities of `rbmfast.ConvRBM`: that a filter is on anywhere in a block of
    places; row by row of blocks, filters innermost.

    Parameters
    ----------
    n_filters : int, default 24
        Filters, each of which has a map.
    shape : (int, int) or (int, int, int), optional
        Height and width of images, whose pixels are the features of `X`, and channels. None: square images of
        one channel, or one line if there is no such square.
    filter_shape : (int, int), default (9, 9)
        Height and width of filters. Without a `shape` at most those of the images.
    pool : int, default 2
        Side of blocks. Without a `shape` the largest up to this that divides both sides of the maps.
    method : {"cd", "pcd"}, default "cd"
        Whether chains start from the data at each update, or persist over updates.
    k : int, default 1
        Gibbs steps per update.
    sparsity : float or None, default 0.1
        Mean activity that filters are held to (`rbmfast.SparsityTarget`).
    l2 : float, default 0.0
        Penalty: times half the sum of squared weights.
    visible, learning_rate, n_iter, momentum, batch_size, random_state, verbose
        See `rbmfast.sklearn`; the rate falls linearly to 0.

    Attributes
    ----------
    rbm_ : rbmfast.ConvRBM
        The model.
    history_ : rbmfast.History
        What was recorded.
    visible_, mean_, scale_, n_features_in_, feature_names_in_
        See `rbmfast.sklearn`.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.sklearn import ConvRBM
    >>> X = np.random.default_rng(0).integers(0, 2, (50, 64))
    >>> ConvRBM(4, filter_shape=(3, 3), random_state=0).fit_transform(X).shape     # 3 x 3 blocks of 4 filters
    (50, 36)
    """

    n_filters: int = parameter(24, AT_LEAST_1)
    _: KW_ONLY
    shape: Any = parameter(None, "array-like", None)
    filter_shape: Any = parameter((9, 9), "array-like")
    pool: int = parameter(2, AT_LEAST_1)
    method: str = parameter("cd", StrOptions({"cd", "pcd"}))
    k: int = parameter(1, AT_LEAST_1)
    n_iter: int = parameter(20, COUNT)
    sparsity: float | None = parameter(0.1, AT_LEAST_0, None)
    l2: float = parameter(0.0, AT_LEAST_0)

    def fit(self, X: Any, y: object = None, *, sample_weight: ArrayLike | None = None) -> ConvRBM:
        """Learn from images, afresh.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)
            A row of pixels for each, channels innermost.
        y : ignored
        sample_weight : array-like (n_samples,), optional
            Each row's share of an update; only ratios count.

        Returns
        -------
        self

        Notes
        -----
        If anything fails, the estimator stays as it was before.
        """
        self._validate_params()
        with self._learning(anew=True):
            rows = self._see(validate_data(self, X, reset=True))
            weights = of_mean_1(check_weights(sample_weight, rows.n_rows))
            sizes = self._sizes(rows.n_features)
            rbm = rf.ConvRBM(**sizes, n_filters=self.n_filters, visible=self.visible_, seed=self._seed())
            if math.prod(rbm.shape) != rows.n_features:
                raise ValueError(f"shape must have the {rows.n_features} pixels of X, got {self.shape}")
            penalties: list[Any] = [rf.L2(self.l2)] if self.l2 else []
            penalties += [] if self.sparsity is None else [rf.SparsityTarget(self.sparsity)]
            self.history_ = rf.train(
                rbm,
                rows,
                method=rf.CD(self.k) if self.method == "cd" else rf.PCD(self.k),
                optimizer=self._sgd(self.mean_ is not None, falls=True),
                penalties=penalties,
                seed=self._seed(),
                **self._asked(weights, self.n_iter),
            )
            self.rbm_ = rbm
            self._n_features_out = math.prod(rbm.pooled_shape)
        return self

    def _sizes(self, n_features: int) -> dict[str, Any]:
        """Of images, filters and blocks."""
        if self.shape is not None:
            return {"shape": self.shape, "filter_shape": self.filter_shape, "pool": self.pool}
        side = math.isqrt(n_features)
        shape = (side, side) if side * side == n_features else (1, n_features)
        filters = tuple(min(pair) for pair in zip(self.filter_shape, shape, strict=True))
        common = math.gcd(*(n - size + 1 for n, size in zip(shape, filters, strict=True)))
        pool = max(n for n in range(1, self.pool + 1) if common % n == 0)
        return {"shape": shape, "filter_shape": filters, "pool": pool}

    def _features(self, X: Any) -> Array:
        rows, rbm = self._rows(X), self.rbm_
        if self._cannot_have(rows):
            own: dict[str, Any] = {"shape": rbm.shape, "pool": rbm.pool, "visible": Unbounded()}
            rbm = rf.ConvRBM.from_arrays(rbm.W, rbm.a, rbm.b, **own)
        with self._threads():
            return rbm.pooled_probabilities(rows).reshape(rows.n_rows, -1)

    def _expected(self, H: Any) -> Array:
        """A block's probability is spread evenly over its units."""
        rbm = self.rbm_
        H = H.toarray() if hasattr(H, "toarray") else H
        maps = H.reshape(-1, *rbm.pooled_shape) / rbm.pool**2
        V: Array = rbm.visible_probabilities(maps.repeat(rbm.pool, axis=1).repeat(rbm.pool, axis=2))
        return V if self.mean_ is None else V * self.scale_ + self.mean_
