"""A restricted Boltzmann machine that fills in missing values."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

import rbmfast as rf
from rbmfast.sklearn.base import (
    AT_LEAST_0,
    AT_LEAST_1,
    BELOW_1,
    COUNT,
    UP_TO_A_BATCH,
    Learner,
    parameter,
    validate_table,
)
from rbmfast.sklearn.rbm import Trained
from rbmfast.tables.columns import Real


@dataclass(eq=False, repr=False)
class RBMImputer(OneToOneFeatureMixin, TransformerMixin, Trained):  # type: ignore[misc]
    """Fills in missing values by a model of all columns together, learned from the rows as they are.

    It is shaped like scikit-learn's ``IterativeImputer``, takes frames with categories too, and gives back
    the columns that it gets.

    Parameters
    ----------
    n_components : int, default 100
        Hidden units.
    n_steps : int, default 100
        Gibbs steps with the known values held fixed.
    sample_posterior : bool, default False
        Fill in a draw of what could have been there, for multiple imputation, instead of the expectation (of
        categories, the likeliest).
    learning_rate : float, default 0.1
        A tenth of it where there are real columns; it falls linearly to 0.
    n_iter : int, default 100
        Passes over the data: fewer than `RBM` makes, since each update also draws what is missing.
    method : {"cd", "pcd"}, default "cd"
        As of `RBM`.
    l2 : float, default 0.0
        As of `RBM`.
    momentum, batch_size
        See `rbmfast.sklearn`.
    hidden, k
        As of `RBM`. Real columns that are nearly sums of a few others want "gaussian" hidden units.
    random_state, verbose
        See `rbmfast.sklearn`.

    Attributes
    ----------
    rbm_ : rbmfast.RBM
        The model.
    schema_ : rbmfast.Schema
        What the columns are. In arrays of numbers those of two values are 0/1 units and all others real; in
        frames it is as `rbmfast.Schema.infer` says. A column without any value stays as it is.
    history_ : rbmfast.History
        What was recorded.
    n_features_in_, feature_names_in_
        See `rbmfast.sklearn`.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.sklearn import RBMImputer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 1)) @ np.ones((1, 5)) + rng.normal(size=(500, 5)) / 10  # all say the same
    >>> holes = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    >>> filled = RBMImputer(20, random_state=0).fit_transform(holes)
    >>> bool(np.abs(filled - X)[np.isnan(holes)].mean() < 0.4)  # the means of columns: 0.8
    True
    """

    n_components: int = parameter(100, AT_LEAST_1)
    _: KW_ONLY
    method: str = parameter("cd", StrOptions({"cd", "pcd"}))
    l2: float | None = parameter(0.0, AT_LEAST_0, None)
    momentum: float = parameter(Learner.momentum, BELOW_1)
    batch_size: int = parameter(Learner.batch_size, UP_TO_A_BATCH)
    n_iter: int = parameter(100, COUNT)
    n_steps: int = parameter(100, AT_LEAST_1)
    _centered: ClassVar[bool | None] = False
    sample_posterior: bool = parameter(False, "boolean")

    def fit(self, X: Any, y: object = None) -> RBMImputer:
        """Learn from data, afresh; missing values are drawn anew from the model as it learns.

        Parameters
        ----------
        X : array-like or frame (n_samples, n_features)
            NaN, or what else is missing in a frame, where a value is.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            Bad data or parameters; what `rbmfast.Schema.infer` says of a frame.
        FloatingPointError
            Learning diverged.

        Notes
        -----
        If anything fails, the estimator stays as it was before.
        """
        self._validate_params()
        with self._learning(anew=True):
            table = validate_table(self, X, reset=True)
            self.schema_ = _infer(table)
            V, schema = self.schema_.encode(table), self.schema_
            self._train(V, self.n_components, schema.units)
            self.rbm_.schema = self.schema_
        return self

    def transform(self, X: Any) -> Any:
        """A copy with all missing values filled in.

        Parameters
        ----------
        X : array-like or frame (n_samples, n_features)

        Returns
        -------
        array (n_samples, n_features), or a frame like `X`
            Known values as they are.
        """
        check_is_fitted(self)
        table = validate_table(self, X, reset=False)
        V = self.schema_.encode(table)
        with self._threads():
            average = not self.sample_posterior
            V = self.rbm_.impute(V, steps=self.n_steps, seed=self._seed(), average=average)
        return self.schema_.fill(table, V)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse, tags.input_tags.allow_nan = False, True
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return {"allow_nan": True}


def _infer(table: Any) -> rf.Schema:
    """What the columns are; numbers of arrays, which say nothing of it, are real and with all decimals."""
    if not isinstance(table, np.ndarray):
        return rf.Schema.infer(table)
    many = [i for i, column in enumerate(table.T) if len(np.unique(column[~np.isnan(column)])) > 2]
    schema = rf.Schema.infer(table, types=dict.fromkeys(many, "real"))
    exact = (replace(c, decimals=None) if isinstance(c, Real) else c for c in schema.columns)
    return replace(schema, columns=tuple(exact))
