"""Restricted Boltzmann machines of any units, and of the columns of tables."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

import rbmfast as rf
from rbmfast.checks import check_weights
from rbmfast.reference import F64
from rbmfast.sklearn.base import (
    ABOVE_0,
    AT_LEAST_0,
    AT_LEAST_1,
    BELOW_1,
    COUNT,
    UP_TO_A_BATCH,
    Array,
    Learner,
    Seer,
    Transformer,
    of_mean_1,
    parameter,
    validate_data,
    validate_table,
)
from rbmfast.sklearn.models import log_z, unbounded
from rbmfast.training import recipe
from rbmfast.training.settings import TrainSettings
from rbmfast.units import PLAIN, Unit

COLUMNS = "columns"


@dataclass(eq=False, repr=False, kw_only=True)
class Trained(Learner):
    """An estimator with a restricted Boltzmann machine. Its parameters: see `RBM`."""

    hidden: str | Unit = parameter("bernoulli")
    method: str = parameter("pcd", StrOptions({"cd", "pcd"}))
    k: int = parameter(1, AT_LEAST_1)
    learning_rate: float = parameter(recipe.RATE, ABOVE_0)
    momentum: float = parameter(recipe.MOMENTUM, BELOW_1)
    batch_size: int = parameter(TrainSettings.batch_size, UP_TO_A_BATCH)
    n_iter: int | None = parameter(None, COUNT, None)  # type: ignore[assignment]
    l2: float | None = parameter(None, AT_LEAST_0, None)
    _centered: ClassVar[bool | None] = None  # as the recipe says

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        return {**super()._parameter_constraints, "hidden": [StrOptions({*PLAIN}), Unit]}

    def _train(self, rows: Any, n_hidden: int, visible: Any, weights: Any = None) -> None:
        """Make a model, and let it learn."""
        n_visible = rows.shape[1] if isinstance(rows, np.ndarray) else rows.n_features
        rbm = rf.RBM(n_visible, n_hidden, visible=visible, hidden=self.hidden, seed=self._seed())
        at_rows = self.method == "cd" or rbm.visible.needs_rows
        rate = self.learning_rate * min(rbm.visible.rate_share, rbm.hidden.rate_share)
        self.history_ = rf.train(
            rbm,
            rows,
            method=rf.CD(self.k) if at_rows else replace(recipe.METHOD, k=self.k),
            optimizer=rf.SGD(rf.Linear(rate), self.momentum),
            centered=self._centered,
            penalties=None if self.l2 is None else [rf.L2(self.l2)] if self.l2 else (),
            seed=self._seed(),
            **self._asked(weights, self.n_iter),
        )
        self.rbm_ = rbm


@dataclass(eq=False, repr=False)
class RBM(Transformer, Trained, Seer):
    """A restricted Boltzmann machine of any units, as a transformer; of whole tables, too.

    Parameters
    ----------
    n_components : int, default 100
        Hidden units.
    visible : {"auto", "columns", "bernoulli", "gaussian"}, another name, or a Unit, default "auto"
        "columns": each column of a table, which is a frame of pandas or polars or an array, gets the units
        that `rbmfast.Schema` finds fit for it; cells may be missing. A Unit, such as
        ``rbmfast.Mixed(...)``, sees the data as they are: for ``rbmfast.Categorical([5, 3])`` 8 one-hot
        columns, or 2 of integer codes, which samples then have, too. For the others see `rbmfast.sklearn`.
    hidden : "bernoulli", another name, or a Unit, default "bernoulli"
        Type of the hidden units.
    method : {"cd", "pcd"}, default "pcd"
        Whether chains start from the data at each update, or 500 of them persist over updates: closer to
        the likelihood. Documents ("counts") need "cd", and get it.
    k : int, default 1
        Gibbs steps per update.
    l2 : float, optional
        Penalty: times half the sum of squared weights. By default that of `rbmfast.train`.
    learning_rate : float, default 0.1
        A tenth of it where a layer has real states. It falls linearly to 0.
    n_iter : int, optional
        Passes over the data; by default as many as `rbmfast.train` makes.
    momentum : float, default 0.5
        From 0 up to, and without, 1.
    batch_size : int, default 100
        Rows per update, at most 32 768.
    random_state, verbose
        See `rbmfast.sklearn`.

    Attributes
    ----------
    rbm_ : rbmfast.RBM
        The model.
    schema_ : rbmfast.Schema or None
        What the columns are; the model has it, too.
    history_ : rbmfast.History
        What was recorded.
    visible_, mean_, scale_, n_features_in_, feature_names_in_
        See `rbmfast.sklearn`.

    See Also
    --------
    BernoulliRBM : Takes the place of scikit-learn's class.
    rbmfast.train : How it learns, with more to choose.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.sklearn import RBM
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 6)) + 5
    >>> rbm = RBM(20, n_iter=100, random_state=0).fit(X)
    >>> rbm.visible_, rbm.transform(X).shape, rbm.sample(3).shape
    ('gaussian', (500, 20), (3, 6))
    """

    n_components: int = parameter(100, AT_LEAST_1)
    _: KW_ONLY
    visible: Any = parameter("auto")

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        own = {"visible": [StrOptions({"auto", COLUMNS, *PLAIN}), Unit]}
        return {**super()._parameter_constraints, **own}

    def fit(self, X: Any, y: object = None, *, sample_weight: ArrayLike | None = None) -> RBM:
        """Learn from data, afresh.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} (n_samples, n_features)
            Data; never copied dense if sparse. Words and NaN are for ``visible="columns"``.
        y : ignored
        sample_weight : array-like (n_samples,), optional
            Each row's share of an update; only ratios count.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            Bad data or parameters; what `rbmfast.Schema.infer` says of a table.
        FloatingPointError
            Learning diverged.

        Notes
        -----
        If anything fails, the estimator stays as it was before.
        """
        self._validate_params()
        with self._learning(anew=True):
            of_table = self.visible == COLUMNS
            rows, visible = self._of_table(X) if of_table else self._of_numbers(X)
            weights = of_mean_1(check_weights(sample_weight, len(rows)))
            self._train(rows, self.n_components, visible, weights)
            self.rbm_.schema = self.schema_
            if isinstance(self.visible, Unit):
                self.visible_ = self.rbm_.visible  # with what it has of the data
            self._log_z: float | None = None
            self._n_features_out = self.n_components
        return self

    def _of_table(self, X: Any) -> tuple[Any, Any]:
        """Data to learn from, and the visible units for it."""
        table = validate_table(self, X, reset=True)
        schema = rf.Schema.infer(table)
        self.schema_: rf.Schema | None = schema
        self.visible_, self.mean_, self.scale_ = COLUMNS, None, None
        return schema.encode(table), schema.units

    def _of_numbers(self, X: Any) -> tuple[Any, Any]:
        """The same of data that are no table."""
        X, self.schema_ = validate_data(self, X, reset=True), None
        if isinstance(self.visible, Unit):
            self.visible.check_size(self.visible.units_of(X.shape[1]), "the number of columns of X")
        return self._see(X), self.visible_

    # --- Answers -----------------------------------------------------------------------------------------

    def score_samples(self, X: Any) -> F64:
        """Log-likelihoods of rows, -F(v) - log Z, exact where log Z is: see `score`."""
        rows = self._rows(self._checked(X))
        with self._threads():
            if self._log_z is None:
                self._log_z = log_z(self.rbm_, self.rbm_.visible_means)
            return -self._asked_about(rows).free_energy(rows) - self._log_z

    def score(self, X: Any, y: object = None) -> float:
        """Mean log-likelihood of rows: higher is better.

        Exact where a layer has at most 18 units whose states can be counted (15 beside real-valued units),
        else with log Z from annealed importance sampling (100 chains, 1000 temperatures, always the same
        random numbers), once for a fitted model.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} (n_samples, n_features)
        y : ignored

        Returns
        -------
        float
            Nats per row; of real data a density, of data as the units see them: standardised.
        """
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, *, n_steps: int = 1000) -> Any:
        """Samples of the model: the last states of independent chains.

        Parameters
        ----------
        n_samples : int, default 1
            How many.
        n_steps : int, default 1000
            Gibbs steps of each chain.

        Returns
        -------
        array (n_samples, n_features), or a table
            On the scale of the data; of ``visible="columns"`` a table like that of `fit`.
        """
        check_is_fitted(self)
        with self._threads():
            return self._shown(self.rbm_.sample(n_samples, n_steps, self._seed()))

    def impute(self, X: Any, *, n_steps: int = 100, average: bool = False) -> Any:
        """Fill in missing entries by Gibbs sampling with the known ones held fixed.

        Parameters
        ----------
        X : {array-like, frame} (n_samples, n_features)
            NaN, or what else is missing in a frame, where an entry is.
        n_steps : int, default 100
            Gibbs steps.
        average : bool, default False
            Fill in means over the later steps (of categories, the likeliest) instead of the last states.

        Returns
        -------
        array (n_samples, n_features), or a table like `X`
            A completed copy.
        """
        X, schema = self._checked(X), self.schema_
        if schema is not None:
            V = schema.encode(X)
        else:
            V = X if self.mean_ is None else ((X - self.mean_) / self.scale_).astype(np.float32)
        with self._threads():
            V = self.rbm_.impute(V, steps=n_steps, seed=self._seed(), average=average)
        return self._shown(V) if schema is None else schema.fill(X, V)

    # --- Details -----------------------------------------------------------------------------------------

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        return super()._checked(X) if self.schema_ is None else validate_table(self, X, reset=False)

    def _rows(self, X: Any) -> Any:
        return super()._rows(X) if self.schema_ is None else self.schema_.encode(X)

    def _asked_about(self, rows: Any) -> rf.RBM:
        """The model, to be asked about these rows."""
        is_strange = self.schema_ is None and self._cannot_have(rows)
        return unbounded(self.rbm_) if is_strange else self.rbm_

    def _features(self, X: Any) -> Array:
        rows = self._rows(X)
        with self._threads():
            return self._asked_about(rows).hidden_probabilities(rows)

    def _expected(self, H: Any) -> Array:
        data: Array = self._shown(self.rbm_.visible_probabilities(H))
        return data

    def _shown(self, V: Array) -> Any:
        """Visible states as the data were."""
        if self.schema_ is not None:
            return self.schema_.decode(V)
        V = self.rbm_.visible.in_columns(V, self.n_features_in_)
        return V if self.mean_ is None else V * self.scale_ + self.mean_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.visible != COLUMNS
        tags.input_tags.allow_nan = self.visible == COLUMNS
        return tags
