"""Restricted Boltzmann machines of 0/1 units, as scikit-learn has them."""

from __future__ import annotations

import copy
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

import rbmfast as rf
from rbmfast.checks import check_weights
from rbmfast.data import Rows
from rbmfast.reference import F64
from rbmfast.runtime import warn
from rbmfast.sklearn.answers import Answers
from rbmfast.sklearn.base import (
    ABOVE_0,
    AT_LEAST_0,
    AT_LEAST_1,
    BELOW_1,
    COUNT,
    UP_TO_A_BATCH,
    float_dtype,
    parameter,
    validate_data,
)
from rbmfast.sklearn.models import unit
from rbmfast.sklearn.scores import FlipScore, Report
from rbmfast.training import Schedule

SPARSITY_COST = 0.1


@dataclass(eq=False, repr=False)
class BernoulliRBM(Answers):
    """A restricted Boltzmann machine with 0/1 units, in the place of scikit-learn's class of that name.

    With its defaults it runs scikit-learn's algorithm: persistent contrastive divergence, one Gibbs step per
    update, `batch_size` chains that start from hidden states of zeros, batches of neighbouring rows in the
    order given, a constant rate. Learning curves agree in distribution; random streams do not.
    ``docs/sklearn.md`` lists what is different.

    Parameters
    ----------
    n_components : int, default 256
        Hidden units.
    learning_rate : float or Schedule, default 0.1
        Size of the updates; tune it. A schedule, such as ``rbmfast.Linear(0.1)``, changes it over the
        iterations.
    batch_size : int, default 10
        Rows per update, at most 32 768.
    n_iter : int, default 10
        Passes over the data.
    verbose : int, default 0
        Above 0: print a line after each iteration, with the mean of `score_samples` over at most 10 000 rows.
    random_state : int, RandomState or None, default None
        Fixes every random number of a fit and of the calls of `gibbs`, `sample` and `impute` that follow it,
        and the choice of `score_samples`.
    method : {"pcd", "cd"}, default "pcd"
        Whether chains persist over updates, or start from the data at each (contrastive divergence).
    k : int, default 1
        Gibbs steps per update.
    n_chains : int, optional
        Chains of "pcd", at most 32 768; `batch_size` by default.
    momentum : float or Schedule, default 0.0
        From 0 up to, and without, 1.
    l1, l2 : float, default 0.0
        Penalties on the weights: times the sum of absolute values, and half the sum of squares.
    sparsity_target : float, optional
        Mean activity, from 0 to 1, towards which the hidden units are pushed.
    centered : bool, default False
        Learn from centred units: more stable, above all where most features are rarely (or mostly) on.
    shuffle : bool or "blocks", default False
        Visit the rows in a new order in each iteration.
    early_stopping : bool, default False
        Hold out rows in `fit`, stop when their pseudo-likelihood has not improved for `n_iter_no_change`
        iterations, and keep the best parameters.
    validation_fraction : float, default 0.1
        Share of the rows held out for early stopping.
    n_iter_no_change : int, default 5
        Patience of early stopping.
    warm_start : bool, default False
        Let `fit` go on from the last fit: its weights, chains and velocities.
    callbacks : list of rbmfast.Callback, optional
        What to do after each iteration.
    n_jobs : int, optional
        Most threads to use, of ``rbmfast.get_num_threads()``; -1 for all CPUs. None means as many as those,
        or one where joblib already runs this in one of its threads. Results do not depend on it.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        Weights. All arrays are float32 when fitted on float32 data, else float64.
    intercept_hidden_ : array (n_components,)
        Biases of the hidden units.
    intercept_visible_ : array (n_features,)
        Biases of the visible units.
    h_samples_ : array (n_chains, n_components)
        Hidden states of the chains.
    n_iter_ : int
        Iterations of the last `fit`, or 1 after `partial_fit`.
    history_ : rbmfast.History
        What was recorded meanwhile.
    n_features_in_, feature_names_in_
        See `rbmfast.sklearn`.

    See Also
    --------
    rbmfast.RBM : The model behind it.
    rbmfast.train : How it learns.

    Notes
    -----
    Numbers between 0 and 1 are grey levels, as everywhere in rbmfast. Values outside, which no binary unit
    can have, are taken as they are, as scikit-learn takes them: with a warning from `fit`, through float32
    matrix products and one Python step per update. After a fit on values in [0, 1] only many values far
    outside are warned of.

    References
    ----------
    Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient", ICML
    2008.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.sklearn import BernoulliRBM
    >>> X = np.repeat(np.eye(4), 25, axis=0)
    >>> rbm = BernoulliRBM(8, learning_rate=0.2, n_iter=200, centered=True, shuffle=True, random_state=0)
    >>> rbm = rbm.fit(X)
    >>> rbm.transform(X).shape, rbm.gibbs(X).dtype
    ((100, 8), dtype('bool'))
    >>> bool(rbm.score(X) > -2)  # nats per row; -log(4) = -1.39 is the best
    True
    """

    n_components: int = parameter(256, AT_LEAST_1)
    _: KW_ONLY
    learning_rate: float | Schedule = parameter(0.1, ABOVE_0, Schedule)
    batch_size: int = parameter(10, UP_TO_A_BATCH)
    n_iter: int = parameter(10, COUNT)
    method: str = parameter("pcd", StrOptions({"pcd", "cd"}))
    k: int = parameter(1, AT_LEAST_1)
    n_chains: int | None = parameter(None, UP_TO_A_BATCH, None)
    momentum: float | Schedule = parameter(0.0, BELOW_1, Schedule)
    l1: float = parameter(0.0, AT_LEAST_0)
    l2: float = parameter(0.0, AT_LEAST_0)
    sparsity_target: float | None = parameter(None, Interval(Real, 0, 1, closed="both"), None)
    centered: bool = parameter(False, "boolean")
    shuffle: bool | str = parameter(False, "boolean", StrOptions({"blocks"}))
    early_stopping: bool = parameter(False, "boolean")
    validation_fraction: float = parameter(0.1, Interval(Real, 0, 1, closed="neither"))
    n_iter_no_change: int = parameter(5, AT_LEAST_1)
    warm_start: bool = parameter(False, "boolean")
    callbacks: list[rf.Callback] | None = parameter(None, list, tuple, None)
    n_jobs: int | None = parameter(None, Integral, None)

    def fit(self, X: Any, y: object = None, *, sample_weight: ArrayLike | None = None) -> BernoulliRBM:
        """Learn from data, afresh unless `warm_start`.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)
            Data; never copied dense if sparse.
        y : ignored
        sample_weight : array-like (n_samples,), optional
            Multiplies each row's share of an update; weights of mean 1 leave the learning rate its meaning.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad data or parameters.
        FloatingPointError
            Learning diverged; the estimator keeps the last complete iteration.
        """
        self._validate_params()
        goes_on = self.warm_start and hasattr(self, "components_")
        if goes_on and self.n_components != len(self.components_):
            raise ValueError(
                f"warm_start=True cannot go on with n_components={self.n_components}: "
                f"the last fit had {len(self.components_)}"
            )
        with self._learning(anew=not goes_on):
            X, rows, dtype = self._read_to_learn(X, goes_on)
            held_out = None
            if self.early_stopping:
                rows, held_out, sample_weight = self._hold_out(X, sample_weight)
            rbm, state = self._former_run() if goes_on else self._new_run(rows)
            state.epochs, state.optimizer = 0, None  # schedules begin anew
            settings = {"epochs": self.n_iter, "sample_weight": sample_weight}
            return self._learn(rbm, rows, state, dtype, **settings, **self._watchers(rows, held_out, state))

    def partial_fit(
        self, X: Any, y: object = None, *, sample_weight: ArrayLike | None = None
    ) -> BernoulliRBM:
        """Learn once from some more rows, in batches of `batch_size`.

        Calls with parts of a data set (whole batches, but for the last) teach what one iteration of `fit`
        over all of it teaches, bit for bit.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        self._validate_params()
        if isinstance(self.learning_rate, Schedule) and self.learning_rate.needs_length:
            raise ValueError(f"partial_fit cannot follow {self.learning_rate!r}: it does not know the end")
        goes_on = hasattr(self, "components_")
        with self._learning(anew=False):
            _, rows, dtype = self._read_to_learn(X, goes_on)
            rbm, state = self._former_run() if goes_on else self._new_run(rows)
            return self._learn(rbm, rows, state, dtype, epochs=1, sample_weight=sample_weight)

    def _keeps_what_was_learned_since(self, before: dict[str, Any]) -> bool:
        return self.__dict__.get("_state") is not before.get("_state")

    def _read_to_learn(self, X: Any, goes_on: bool) -> tuple[Any, Rows, np.dtype[Any]]:
        """Data as an array, and as rows, with a warning if they now lie outside [0, 1]; our arrays' dtype."""
        X = validate_data(self, X, reset=not goes_on)
        self._takes_reals = goes_on and self._takes_reals
        rows = self._read(X)
        if self._cannot_have(rows):
            warn(
                "X has values outside [0, 1], which binary units cannot have: they are used as they are, "
                "on a slow path. Scale X to [0, 1], or binarize it"
            )
            self._takes_reals = True
        return X, rows, self.components_.dtype if goes_on else float_dtype(X)

    def _new_run(self, rows: Rows) -> tuple[rf.RBM, rf.TrainingState]:
        """A model with small random weights, and chains that start from zeros."""
        seed = self._seed()
        W = rf.RBM(rows.n_features, self.n_components, seed=seed).W
        a, b = np.zeros(rows.n_features), np.zeros(self.n_components)
        state = rf.TrainingState(np.zeros((self._chains_wanted, self.n_components), np.uint8))
        state.seed = seed
        return rf.RBM.from_arrays(W, a, b, visible=unit(self._takes_reals)), state

    def _former_run(self) -> tuple[rf.RBM, rf.TrainingState]:
        """The public arrays as they stand, which users may have changed, and what else the last call left."""
        rbm = copy.copy(self._model(self._takes_reals))
        state = copy.copy(self.__dict__.get("_state")) or rf.TrainingState()
        if state.seed is None:
            state.seed = self._seed()
        chains = getattr(self, "h_samples_", np.zeros((self._chains_wanted, rbm.n_hidden)))
        state.chains = np.greater(chains, 0.5).view(np.uint8)
        return rbm, state

    @property
    def _chains_wanted(self) -> int:
        return self.n_chains or self.batch_size

    def _learn(
        self, rbm: rf.RBM, rows: Rows, state: rf.TrainingState, dtype: np.dtype[Any], **settings: Any
    ) -> BernoulliRBM:
        chains: Any = state.chains  # no state of method="cd", but what it keeps
        try:
            history = rf.train(
                rbm,
                rows,
                method=rf.CD(self.k) if self.method == "cd" else rf.PCD(self.k, self._chains_wanted),
                optimizer=rf.SGD(self.learning_rate, self.momentum),
                penalties=self._penalties(),
                centered=bool(self.centered),
                batch_size=self.batch_size,
                shuffle=self.shuffle,
                state=state,
                **settings,
            )
        finally:
            if state.has_begun:  # else a ValueError: nothing has changed
                self.h_samples_ = np.asarray(chains if state.chains is None else state.chains, dtype)
                self._adopt(rbm, state, dtype)
        self.history_ = history
        self.n_iter_ = len(history) - 1
        return self

    def _penalties(self) -> list[Any]:
        penalties: list[Any] = [rf.L1(self.l1)] if self.l1 else []
        penalties += [rf.L2(self.l2)] if self.l2 else []
        if self.sparsity_target is not None:
            penalties.append(rf.SparsityTarget(self.sparsity_target, SPARSITY_COST))
        return penalties

    def _watchers(self, rows: Rows, held_out: Rows | None, state: rf.TrainingState) -> dict[str, Any]:
        monitors, callbacks, seed = [], list(self.callbacks or ()), state.seed or 0
        if self.verbose:
            monitors.append(FlipScore("train", rows, seed))
            callbacks.append(Report(type(self).__name__))
        if held_out is not None:
            monitors.append(FlipScore("validation", held_out, seed))
            callbacks.append(rf.EarlyStopping("validation_pseudo_likelihood", patience=self.n_iter_no_change))
        return {"validation": held_out, "monitors": monitors, "callbacks": callbacks}

    def _hold_out(self, X: Any, sample_weight: ArrayLike | None) -> tuple[Rows, Rows, F64 | None]:
        """Rows to learn from, rows to look at, and the weights of the first."""
        n_rows = X.shape[0]
        weights = check_weights(sample_weight, n_rows)
        n_held = int(np.ceil(self.validation_fraction * n_rows))
        if n_held >= n_rows:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} leaves no row of {n_rows} to learn from"
            )
        order = self.random_state_.permutation(n_rows)
        held, kept = np.sort(order[:n_held]), np.sort(order[n_held:])
        return self._read(X[kept]), self._read(X[held]), None if weights is None else weights[kept]
