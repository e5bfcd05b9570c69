"""What a fitted `BernoulliRBM` answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

import rbmfast as rf
from rbmfast.data import Rows
from rbmfast.reference import F64
from rbmfast.sklearn.base import Array, Transformer, draw_seed
from rbmfast.sklearn.models import Models, Shown, may_change
from rbmfast.sklearn.scores import all_blocks, choose_flips, exact_scores, flip_scores

ARRAYS = ("components_", "intercept_visible_", "intercept_hidden_")
Number = TypeVar("Number", bound=np.generic)


class Answers(Transformer):
    """A model of 0/1 units in arrays that users may see, change and assign."""

    components_ = Shown()
    intercept_hidden_ = Shown()
    intercept_visible_ = Shown()
    _shown: bool = True  # whether somebody may have written into them
    _takes_reals: bool = False  # whether fitted on values outside [0, 1]

    def _adopt(self, rbm: rf.RBM, state: rf.TrainingState, dtype: np.dtype[Any]) -> None:
        """Show what a run has learned."""
        self.components_ = np.array(rbm.W.T, dtype)
        self.intercept_visible_ = rbm.a.astype(dtype)
        self.intercept_hidden_ = rbm.b.astype(dtype)
        self._n_features_out = rbm.n_hidden
        self._visible_means = None if self._takes_reals else rbm.visible_means
        self._state = state
        self._models.remember(rbm, self._arrays, self._takes_reals)

    # --- What the model says about data ------------------------------------------------------------------

    def score_samples(self, X: Any) -> F64:
        """Log pseudo-likelihoods of rows, each estimated by flipping one unit chosen at random.

        The same units as scikit-learn flips under the same `random_state`.

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
        return self._ask(X, lambda rbm, rows: flip_scores(rbm, all_blocks(rbm, rows), flips))

    def pseudo_likelihood(self, X: Any) -> F64:
        """The same as `score_samples`, but exact: sums over all units of log p(unit | all others)."""
        return self._ask(self._checked(X), exact_scores)

    def score(self, X: Any, y: object = None) -> float:
        """Mean log-likelihood, the mean of -F(v) - log Z: higher is better.

        log Z is exact where a layer has at most 18 units. Else annealed importance sampling estimates it
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
            log_z = self._models.log_z(self._arrays, self.__dict__.get("_visible_means"))
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
        return self._ask(self._checked(X), rf.RBM.free_energy)

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
        seed = self._seed()
        return self._ask(v, lambda rbm, rows: rbm.gibbs(rows, seed=seed)).view(np.bool_)

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
        seed = self._seed()
        with self._threads():
            samples: Array = self._model(real=False).sample(n_samples, n_steps, seed).view(np.bool_)
            return samples

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
        if sp.issparse(X):
            raise TypeError("X must not be sparse here: a missing entry is no zero")
        X = self._checked(X)
        seed = self._seed()
        with self._threads():
            return self._cast(self._model(real=False).impute(X, None, n_steps, seed, average=average), X)

    # --- The private methods that code out there calls -----------------------------------------------------

    def _mean_hiddens(self, v: Any) -> Array:
        """P(h = 1 | v), for rows or a single one."""
        return self._cast(self._features(v), v)

    def _sample_hiddens(self, v: Any, rng: np.random.RandomState) -> NDArray[np.bool_]:
        """Draw from P(h | v), for rows or a single one."""
        seed = draw_seed(rng)
        return self._ask(v, lambda rbm, rows: rbm.sample_hidden(rows, seed)).view(np.bool_)

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

    def _features(self, X: Any) -> Array:
        return self._ask(X, rf.RBM.hidden_probabilities)

    def _expected(self, H: Any) -> Array:
        return self._model(real=False).visible_probabilities(H)

    def _ask(self, v: Any, question: Callable[[rf.RBM, Rows], NDArray[Number]]) -> NDArray[Number]:
        """What is answered about rows; about a single row, without the leading axis."""
        single, V = _as_rows_of(v)
        rows = self._read_to_answer(V)
        with self._threads():
            answer = question(self._model(rows.kind == "real"), rows)
        return answer[0] if single else answer

    @property
    def _arrays(self) -> tuple[Array, Array, Array]:
        components, visible, hidden = (self.__dict__[name] for name in ARRAYS)
        return components, visible, hidden

    def __getstate__(self) -> dict[str, Any]:
        self._shown = True  # to a copy, which has the same arrays
        state: dict[str, Any] = super().__getstate__()
        return state

    @functools.cached_property
    def _models(self) -> Models:
        return Models()

    def _model(self, real: bool) -> rf.RBM:
        look, self._shown = self._shown, False  # first: what another thread is shown from here on counts
        changeable = may_change(self.__dict__, ARRAYS)
        try:
            rbm = self._models.get(self._arrays, real, look=look or changeable)
        except BaseException:
            self._shown = True
            raise
        if changeable:
            self._shown = True
        return rbm


def _as_rows_of(states: Any) -> tuple[bool, Any]:
    """Whether this is a single row; and rows of it."""
    if sp.issparse(states):
        return False, states
    array = np.asarray(states)
    return array.ndim == 1, array.reshape(1, -1) if array.ndim == 1 else array
