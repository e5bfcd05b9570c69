"""The estimator."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

import rbmfast as rf
from rbmfast.data import Rows
from rbmfast.reference import MAX_BATCH
from rbmfast.runtime import warn
from rbmfast.sklearn.base import draw_seed, threads
from rbmfast.sklearn.compat import validate_data
from rbmfast.sklearn.models import UNSCALED, Models, look_unscaled, read_rows, unit
from rbmfast.sklearn.scores import FlipScore, Report, all_blocks, choose_flips, exact_scores, flip_scores
from rbmfast.training import Schedule
from rbmfast.units.base import F64

Array = NDArray[Any]

MONITORED_ROWS = 10_000  # looked at for the verbose line, and for early stopping
SPARSITY_COST = 0.1

_AT_LEAST_0 = Interval(Real, 0, None, closed="left")
_AT_LEAST_1 = Interval(Integral, 1, None, closed="left")
_UP_TO_A_BATCH = Interval(Integral, 1, MAX_BATCH, closed="both")


class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
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
    n_features_in_ : int
        Features seen by `fit`.
    feature_names_in_ : array (n_features_in_,)
        Their names, if all are strings.
    n_iter_ : int
        Iterations of the last `fit`, or 1 after `partial_fit`.
    history_ : rbmfast.History
        What was recorded meanwhile.

    See Also
    --------
    rbmfast.RBM : The model behind it.
    rbmfast.train : How it learns.

    Notes
    -----
    Numbers between 0 and 1 are grey levels, as everywhere in rbmfast. Values outside, which no binary unit
    can have, are taken as they are, as scikit-learn takes them: with a warning from `fit`, through float32
    matrix products and one Python step per update. `sample_weight` costs as much. After a fit on values in
    [0, 1] only many values far outside are warned of.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [_AT_LEAST_1],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), Schedule],
        "batch_size": [_UP_TO_A_BATCH],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "method": [StrOptions({"pcd", "cd"})],
        "k": [_AT_LEAST_1],
        "n_chains": [_UP_TO_A_BATCH, None],
        "momentum": [Interval(Real, 0, 1, closed="left"), Schedule],
        "l1": [_AT_LEAST_0],
        "l2": [_AT_LEAST_0],
        "sparsity_target": [Interval(Real, 0, 1, closed="both"), None],
        "centered": ["boolean"],
        "shuffle": ["boolean", StrOptions({"blocks"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [_AT_LEAST_1],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "n_jobs": [Integral, None],
    }

    components_: Array
    intercept_hidden_: Array
    intercept_visible_: Array
    h_samples_: Array
    random_state_: np.random.RandomState
    n_features_in_: int
    _models: Models
    _state: rf.TrainingState
    _is_real: bool = False  # fitted on values outside [0, 1]

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float | Schedule = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        method: str = "pcd",
        k: int = 1,
        n_chains: int | None = None,
        momentum: float | Schedule = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        sparsity_target: float | None = None,
        centered: bool = False,
        shuffle: bool | str = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        callbacks: list[rf.Callback] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.method = method
        self.k = k
        self.n_chains = n_chains
        self.momentum = momentum
        self.l1 = l1
        self.l2 = l2
        self.sparsity_target = sparsity_target
        self.centered = centered
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.n_jobs = n_jobs

    # --- Learning ----------------------------------------------------------------------------------------

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
        with self._unchanged_by_bad_input():
            X = validate_data(self, X, reset=not goes_on)
            rng = self._random_numbers(anew=not goes_on)
            rows, held_out = self._read(X, goes_on and self._is_real), None
            if self.early_stopping:
                rows, held_out, sample_weight = self._hold_out(X, rows.kind == "real", sample_weight, rng)
            rbm, state = self._former_run(rows) if goes_on else self._new_run(rows, rng)
            state.epochs, state.optimizer = 0, None  # schedules begin anew
            monitors, callbacks = self._watchers(rows, held_out, state.seed or 0)
            return self._learn(
                rbm,
                rows,
                state,
                dtype=self.components_.dtype if goes_on else _float_dtype(X),
                epochs=self.n_iter,
                validation=held_out,
                sample_weight=sample_weight,
                monitors=monitors,
                callbacks=callbacks,
            )

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
        with self._unchanged_by_bad_input():
            X = validate_data(self, X, reset=not goes_on)
            rng = self._random_numbers(anew=False)
            rows = self._read(X, goes_on and self._is_real)
            rbm, state = self._former_run(rows) if goes_on else self._new_run(rows, rng)
            dtype = self.components_.dtype if goes_on else _float_dtype(X)
            return self._learn(rbm, rows, state, dtype, epochs=1, sample_weight=sample_weight)

    @contextlib.contextmanager
    def _unchanged_by_bad_input(self) -> Iterator[None]:
        """Put the attributes back if an error comes before anything is learned."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            if self.__dict__.get("_state") is before.get("_state"):
                self.__dict__.clear()
                self.__dict__.update(before)
            raise

    def _random_numbers(self, anew: bool) -> np.random.RandomState:
        """Where seeds come from: one source for a fit and the sampling after it."""
        if anew or not hasattr(self, "random_state_"):
            self.random_state_ = check_random_state(self.random_state)
        return self.random_state_

    def _new_run(self, rows: Rows, rng: np.random.RandomState) -> tuple[rf.RBM, rf.TrainingState]:
        """A model with small random weights, and chains that start from zeros."""
        seed = draw_seed(rng)
        W = rf.RBM(rows.n_features, self.n_components, seed=seed).W
        a, b = np.zeros(rows.n_features), np.zeros(self.n_components)
        state = rf.TrainingState(np.zeros((self._chains_wanted, self.n_components), np.uint8))
        state.seed = seed
        return rf.RBM.from_arrays(W, a, b, visible=unit(rows.kind == "real")), state

    def _former_run(self, rows: Rows) -> tuple[rf.RBM, rf.TrainingState]:
        """The public arrays as they stand, which users may have changed, and what else the last call left."""
        rbm = copy.copy(self._model(rows.kind == "real"))
        state = copy.copy(self.__dict__.get("_state")) or rf.TrainingState()
        if state.seed is None:
            state.seed = draw_seed(self.random_state_)
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
            with self._threads():
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
                self._is_real = rows.kind == "real"
                self.h_samples_ = np.asarray(chains if state.chains is None else state.chains, dtype)
                self._adopt(rbm, state, dtype)
        self.history_ = history
        self.n_iter_ = len(history) - 1
        return self

    def _adopt(self, rbm: rf.RBM, state: rf.TrainingState, dtype: np.dtype[Any]) -> None:
        """Show what a run has learned."""
        self.components_ = np.array(rbm.W.T, dtype)
        self.intercept_visible_ = rbm.a.astype(dtype)
        self.intercept_hidden_ = rbm.b.astype(dtype)
        self._n_features_out = rbm.n_hidden
        self._visible_means = None if self._is_real else rbm.visible_means
        self._state = state
        self._models = Models()
        self._models.remember(rbm, self._arrays, self._is_real)

    def _penalties(self) -> list[Any]:
        penalties: list[Any] = [rf.L1(self.l1)] if self.l1 else []
        penalties += [rf.L2(self.l2)] if self.l2 else []
        if self.sparsity_target is not None:
            penalties.append(rf.SparsityTarget(self.sparsity_target, SPARSITY_COST))
        return penalties

    def _watchers(
        self, rows: Rows, held_out: Rows | None, seed: int
    ) -> tuple[list[FlipScore], list[rf.Callback]]:
        monitors, callbacks = [], list(self.callbacks or ())
        if self.verbose:
            monitors.append(FlipScore("train", rows, seed, MONITORED_ROWS))
            callbacks.append(Report(type(self).__name__))
        if held_out is not None:
            monitors.append(FlipScore("validation", held_out, seed, MONITORED_ROWS))
            name = monitors[-1].names(True)[0]
            callbacks.append(rf.EarlyStopping(name, patience=self.n_iter_no_change))
        return monitors, callbacks

    def _hold_out(
        self, X: Any, real: bool, sample_weight: ArrayLike | None, rng: np.random.RandomState
    ) -> tuple[Rows, Rows, Any]:
        """Rows to learn from, rows to look at, and the weights of the first."""
        n_rows = X.shape[0]
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
            if sample_weight.shape != (n_rows,):
                raise ValueError(f"sample_weight must have shape ({n_rows},), got {sample_weight.shape}")
        n_held = int(np.ceil(self.validation_fraction * n_rows))
        if n_held >= n_rows:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} leaves no row of {n_rows} to learn from"
            )
        order = rng.permutation(n_rows)
        held, kept = np.sort(order[:n_held]), np.sort(order[n_held:])
        weights = None if sample_weight is None else sample_weight[kept]
        return read_rows(X[kept], self, real), read_rows(X[held], self, real), weights

    # --- What the model says about data ------------------------------------------------------------------

    def transform(self, X: Any) -> Array:
        """Probabilities that the hidden units are on, given visible states.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        array (n_samples, n_components)
            float32 if both `X` and the model are, else float64.
        """
        return self._mean_hiddens(self._checked(X))

    def inverse_transform(self, X: Any) -> Array:
        """Probabilities that the visible units are on, given hidden states or probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_components)

        Returns
        -------
        array (n_samples, n_features)
        """
        check_is_fitted(self)
        X = check_array(X, accept_sparse="csr", dtype=(np.float64, np.float32))
        with self._threads():
            return self._cast(self._model(real=False).visible_probabilities(X), X)

    def score_samples(self, X: Any) -> F64:
        """Log pseudo-likelihoods of rows, each estimated by flipping one unit chosen at random.

        The same units as scikit-learn flips under the same `random_state`. `pseudo_likelihood` flips all.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples,)
            Nats.
        """
        X = self._checked(X)
        flips = choose_flips(check_random_state(self.random_state), *X.shape)
        scores: F64 = self._ask(X, lambda rbm, rows: flip_scores(rbm, all_blocks(rbm, rows), flips))
        return scores

    def pseudo_likelihood(self, X: Any) -> F64:
        """Log pseudo-likelihoods of rows, exact over all units.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples,)
            Nats: sums over units of log p(unit | all others).
        """
        scores: F64 = self._ask(self._checked(X), exact_scores)
        return scores

    def score(self, X: Any, y: object = None) -> float:
        """Mean log-likelihood, the mean of -F(v) - log Z: higher is better.

        log Z is exact where a layer has at most 15 units. Else annealed importance sampling estimates it
        (100 chains, 1000 temperatures, always the same random numbers), once for a fitted model; it warns
        where that is not enough. `rbmfast.log_partition` can do more, and gives the uncertainty.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)
            Values that are neither 0 nor 1 enter by the same formula, though they are no states of the model.
        y : ignored

        Returns
        -------
        float
            Nats per row.
        """
        energies = self.free_energy(X)
        with self._threads():
            log_z = self._fitted_models().log_z(self._arrays, self.__dict__.get("_visible_means"))
        return -float(np.mean(energies)) - log_z

    def free_energy(self, X: Any) -> F64:
        """Free energies F(v) of rows, so that p(v) is proportional to exp(-F(v)).

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples,)
            Nats.
        """
        energies: F64 = self._free_energy(self._checked(X))
        return energies

    # --- Sampling ----------------------------------------------------------------------------------------

    def gibbs(self, v: Any) -> NDArray[np.bool_]:
        """One Gibbs step: hidden states given visible states, and visible states given those.

        Parameters
        ----------
        v : {array-like, sparse matrix} (n_samples, n_features) or (n_features,)
            Visible states to start from.

        Returns
        -------
        bool array like `v`
            New visible states; other ones in each call.
        """
        check_is_fitted(self)
        seed = draw_seed(self._random_numbers(anew=False))
        states: Array = self._ask(v, lambda rbm, rows: rbm.gibbs(rows, seed=seed))
        return states.view(np.bool_)

    def sample(self, n_samples: int = 1, *, n_steps: int = 1000) -> NDArray[np.bool_]:
        """Samples of the model itself: the last states of independent chains.

        Parameters
        ----------
        n_samples : int, default 1
            How many.
        n_steps : int, default 1000
            Gibbs steps of each chain.

        Returns
        -------
        bool array (n_samples, n_features)
        """
        check_is_fitted(self)
        seed = draw_seed(self._random_numbers(anew=False))
        with self._threads():
            return self._model(real=False).sample(n_samples, n_steps, seed).view(np.bool_)

    def impute(self, X: Any, *, n_steps: int = 100, average: bool = False) -> Array:
        """Fill in missing entries (NaN) by Gibbs sampling with the known ones held fixed.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            Values in [0, 1], NaN where one is missing.
        n_steps : int, default 100
            Gibbs steps.
        average : bool, default False
            Fill in probabilities averaged over the later steps, instead of the last states.

        Returns
        -------
        array (n_samples, n_features)
            A completed copy.
        """
        X = self._checked(X, accept_sparse=False)
        seed = draw_seed(self._random_numbers(anew=False))
        with self._threads():
            return self._cast(self._model(real=False).impute(X, None, n_steps, seed, average=average), X)

    # --- The private methods that code out there calls -----------------------------------------------------

    def _mean_hiddens(self, v: Any) -> Array:
        """P(h = 1 | v), for rows or a single one."""
        return self._cast(self._ask(v, rf.RBM.hidden_probabilities), v)

    def _sample_hiddens(self, v: Any, rng: np.random.RandomState) -> NDArray[np.bool_]:
        """Draw from P(h | v), for rows or a single one."""
        seed = draw_seed(rng)
        states: Array = self._ask(v, lambda rbm, rows: rbm.sample_hidden(rows, seed))
        return states.view(np.bool_)

    def _sample_visibles(self, h: Any, rng: np.random.RandomState) -> NDArray[np.bool_]:
        """Draw from P(v | h), for rows or a single one."""
        seed = draw_seed(rng)
        single, H = _as_rows_of(h)
        with self._threads():
            states = self._model(real=False).sample_visible(H, seed)
        return (states[0] if single else states).view(np.bool_)

    def _free_energy(self, v: Any) -> Any:
        """F(v), for rows or a single one."""
        return self._ask(v, rf.RBM.free_energy)

    # --- Details -----------------------------------------------------------------------------------------

    def _checked(self, X: Any, accept_sparse: bool = True) -> Any:
        check_is_fitted(self)
        if not accept_sparse and sp.issparse(X):
            raise TypeError("X must not be sparse here: a missing entry is no zero")
        return validate_data(self, X, reset=False)

    def _read(self, X: Any, real: bool) -> Rows:
        """Data to learn from; if it is not known yet to lie outside [0, 1], with a warning."""
        rows = read_rows(X, self, real)
        if rows.kind == "real" and not real:
            warn(
                "X has values outside [0, 1], which binary units cannot have: they are used as they are, "
                "on a slow path. Scale X to [0, 1], or binarize it"
            )
        return rows

    def _ask(self, v: Any, question: Callable[[rf.RBM, Rows], Array]) -> Any:
        """What is answered about rows; about a single row, without the leading axis."""
        single, V = _as_rows_of(v)
        rows = read_rows(V, self, self._is_real)
        if rows.kind == "real" and not self._is_real and look_unscaled(rows):
            warn(UNSCALED)
        with self._threads():
            answer = question(self._model(rows.kind == "real"), rows)
        return answer[0] if single else answer

    @property
    def _arrays(self) -> tuple[Array, Array, Array]:
        return self.components_, self.intercept_visible_, self.intercept_hidden_

    def _model(self, real: bool) -> rf.RBM:
        return self._fitted_models().get(self._arrays, real)

    def _fitted_models(self) -> Models:
        if "_models" not in self.__dict__:  # the arrays were assigned, never fitted
            self._models = Models()
        return self._models

    def _cast(self, answer: Array, X: Any) -> Array:
        """float32 if both the data and the model are float32, else float64."""
        is_float32 = getattr(X, "dtype", None) == np.float32 == self.components_.dtype
        return answer.astype(np.float32 if is_float32 else np.float64, copy=False)

    def _threads(self) -> contextlib.AbstractContextManager[None]:
        return threads(self.n_jobs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return {"preserves_dtype": [np.float64, np.float32]}


def _float_dtype(X: Any) -> np.dtype[Any]:
    """What scikit-learn would turn data of this dtype into."""
    return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)


def _as_rows_of(states: Any) -> tuple[bool, Any]:
    """Whether this is a single row; and rows of it."""
    if sp.issparse(states):
        return False, states
    array = np.asarray(states)
    return array.ndim == 1, array.reshape(1, -1) if array.ndim == 1 else array
