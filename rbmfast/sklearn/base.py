"""What the estimators share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import assert_all_finite, check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

import rbmfast as rf
from rbmfast.checks import check_weights
from rbmfast.data import Rows, as_rows, computed_rows
from rbmfast.reference import F32, F64, MAX_BATCH
from rbmfast.runtime import thread_limit, warn
from rbmfast.units import PLAIN, get_unit
from rbmfast.units.common import moments, rows_in_a_scan

try:
    from sklearn.utils.validation import validate_data as _validate_data  # since 1.6
except ImportError:
    _validate_data = None

Array = NDArray[Any]

FLOATS = (np.float64, np.float32)

FAR_SHARE = 0.05  # of values below -1 or above 2: scaled like older data, new rows have far fewer
ROUNDING = 10 * float(np.finfo(np.float32).eps)  # of a mean: a deviation below is none

ABOVE_0 = Interval(Real, 0, None, closed="neither")
AT_LEAST_0 = Interval(Real, 0, None, closed="left")
BELOW_1 = Interval(Real, 0, 1, closed="left")
COUNT = Interval(Integral, 0, None, closed="left")
AT_LEAST_1 = Interval(Integral, 1, None, closed="left")
UP_TO_A_BATCH = Interval(Integral, 1, MAX_BATCH, closed="both")


def parameter(default: Any, *allowed: Any) -> Any:
    """A field for a parameter: its default, and what scikit-learn shall allow, one of these."""
    return field(default=default, metadata={"allowed": list(allowed)})


def validate_data(estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **more: Any) -> Any:
    """`X` as an array or a CSR matrix of numbers, of the width and with the names of the fit; perhaps `y`.

    float32, float64, integers and bools stay what they are, so that the last two need not be copied; NaN and
    infinity are left to whoever reads the values.
    """
    kind = getattr(getattr(X, "dtype", None), "kind", "O")
    settings = {
        "y": y,
        "accept_sparse": "csr",
        "dtype": None if kind in "biu" else FLOATS,
        "reset": reset,
        **more,
    }
    if _validate_data is None:
        return estimator._validate_data(X, force_all_finite=False, **settings)
    return _validate_data(estimator, X, ensure_all_finite=False, **settings)


def validate_table(estimator: Any, X: Any, *, reset: bool) -> Any:
    """`X` as a frame, if it is one, or as an array of numbers; NaN is for whoever reads the values."""
    if not hasattr(X, "columns"):
        least = 2 if reset else 1  # of one row nothing can be learned
        return validate_data(estimator, X, reset=reset, accept_sparse=False, ensure_min_samples=least)
    if _validate_data is None:
        estimator._check_feature_names(X, reset=reset)
        estimator._check_n_features(X, reset=reset)
    else:
        _validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def with_weight(X: Any, y: Array, sample_weight: Any) -> tuple[Any, Array, F64 | None]:
    """The rows that count, what to learn of them, and their weights: one of weight 0 is as good as absent."""
    weights = check_weights(sample_weight, len(y))
    if weights is None or weights.all():
        return X, y, weights
    rows = np.flatnonzero(weights)
    return X[rows], y[rows], weights[rows]


def float_dtype(*sources: Any) -> np.dtype[Any]:
    """float32 if all these are, else float64."""
    is_float32 = all(getattr(source, "dtype", None) == np.float32 for source in sources)
    return np.dtype(np.float32 if is_float32 else np.float64)


def draw_seed(rng: np.random.RandomState) -> int:
    """A seed of rbmfast's from scikit-learn's random numbers."""
    return int.from_bytes(rng.bytes(8), "little")


def of_mean_1(weights: F64 | None) -> F64 | None:
    """The same weights by ratio; the learning rate keeps its meaning."""
    return None if weights is None else weights / weights.mean()


@dataclass(eq=False, repr=False, kw_only=True)
class Estimator(BaseEstimator):  # type: ignore[misc]
    """An estimator that takes sparse data, and draws its seeds from one `random_state`."""

    random_state: int | np.random.RandomState | None = parameter(None, "random_state")
    verbose: int = parameter(0, "verbose")

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        """What scikit-learn checks parameters by."""
        return {one.name: one.metadata["allowed"] for one in fields(self)}

    def _random_numbers(self, anew: bool = False) -> np.random.RandomState:
        """Where seeds come from: one source for a fit and what comes after it."""
        if anew or not hasattr(self, "random_state_"):
            self.random_state_: np.random.RandomState = check_random_state(self.random_state)
        return self.random_state_

    def _seed(self) -> int:
        """The next seed for the library."""
        return draw_seed(self._random_numbers())

    @property
    def _takes_reals(self) -> bool:
        """Whether the visible units have states outside [0, 1]."""
        raise NotImplementedError

    def _read(self, X: Any) -> Rows:
        """Data for the visible units: real numbers if theirs are, or if a value lies outside [0, 1]."""
        if not self._takes_reals:
            with contextlib.suppress(ValueError):
                return as_rows(X, compact=True)
        try:
            return as_rows(X, domain="real")
        except ValueError:  # scikit-learn's own error if there is a NaN or an infinity: its users know it
            assert_all_finite(X, estimator_name=type(self).__name__, input_name="X")
            raise

    def _cannot_have(self, rows: Rows) -> bool:
        """Whether these are no states of the visible units, nor expectations."""
        return rows.kind == "real" and not self._takes_reals

    def _read_to_answer(self, X: Any) -> Rows:
        """The same, with a warning if so many values lie far outside that surely nobody has scaled them."""
        rows = self._read(X)
        if self._cannot_have(rows):
            blocks = rows.blocks(rows_in_a_scan(rows.n_features))
            far = sum(np.count_nonzero(np.abs(block - 0.5) > 1.5) for _, block in blocks)
            if far > FAR_SHARE * rows.n_rows * rows.n_features:
                warn(
                    "X has many values far outside [0, 1], which binary units cannot have: they are used as "
                    "they are. Scale X as the data of fit were scaled; MinMaxScaler(clip=True) keeps new "
                    "data in [0, 1]"
                )
        return rows

    def _checked(self, X: Any) -> Any:
        """Data to answer about."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False)

    @contextlib.contextmanager
    def _learning(self, anew: bool) -> Iterator[None]:
        """If anything fails, all attributes are put back; `anew`: random numbers begin where they began."""
        before = dict(self.__dict__)
        try:
            with self._threads():
                self._random_numbers(anew)
                yield
        except BaseException:
            if not self._keeps_what_was_learned_since(before):
                self.__dict__.clear()
                self.__dict__.update(before)
            raise

    def _keeps_what_was_learned_since(self, before: dict[str, Any]) -> bool:
        return False

    def _threads(self) -> contextlib.AbstractContextManager[None]:
        """As many threads as `n_jobs` says; None: one where joblib already runs this in a thread of its."""
        n_jobs = getattr(self, "n_jobs", None)  # which not all have
        if n_jobs is not None:
            return thread_limit(max(1, effective_n_jobs(n_jobs)))
        in_joblib = threading.current_thread() is not threading.main_thread() and (
            get_active_backend()[0].nesting_level or 0
        )
        return thread_limit(1) if in_joblib else contextlib.nullcontext()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):  # type: ignore[misc]
    """An estimator of features, named after it, which are float32 if the data are."""

    def transform(self, X: Any) -> Array:
        """Features: probabilities that the hidden units, of the top layer, are on, given visible states.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n_features)

        Returns
        -------
        array (n_samples, n features)
            float32 if `X` and, of a `BernoulliRBM`, its arrays are, else float64.
        """
        X = self._checked(X)
        return self._cast(self._features(X), X)

    def inverse_transform(self, X: Any) -> Array:
        """Means of the data given features: the way down.

        Parameters
        ----------
        X : {array-like, sparse matrix} (n_samples, n features)
            States of the hidden units that `transform` tells of, or probabilities.

        Returns
        -------
        array (n_samples, n_features)
            Of the dtype that `transform` answers with.
        """
        check_is_fitted(self)
        X = check_array(X, accept_sparse="csr", dtype=FLOATS)
        with self._threads():
            return self._cast(self._expected(X), X)

    def _features(self, X: Any) -> Array:
        raise NotImplementedError

    def _expected(self, H: Any) -> Array:
        """Means of the data given hidden states."""
        raise NotImplementedError

    def _cast(self, answer: Array, X: Any) -> Array:
        """float32 if the data are, and the public arrays that there may be, else float64."""
        return answer.astype(float_dtype(X, vars(self).get("components_", X)), copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return {"preserves_dtype": [np.float64, np.float32]}


@dataclass(eq=False, repr=False, kw_only=True)
class Learner(Estimator):
    """An estimator that learns in batches. Its parameters: see `rbmfast.sklearn`."""

    learning_rate: float = parameter(0.05, ABOVE_0)
    momentum: float = parameter(0.9, BELOW_1)
    batch_size: int = parameter(20, UP_TO_A_BATCH)
    n_iter: int = parameter(20, COUNT)

    def _asked(self, weights: F64 | None, epochs: int | None) -> dict[str, Any]:
        """What every run of the library is asked for."""
        return {
            "sample_weight": weights,
            "epochs": epochs,
            "batch_size": self.batch_size,
            "progress": bool(self.verbose),
        }

    def _sgd(self, standardized: bool, falls: bool = False) -> rf.SGD:
        """Steps of an RBM: shorter ones on standardised data, which are of any size."""
        rate = self.learning_rate * (rf.Gaussian().rate_share if standardized else 1)
        return rf.SGD(rf.Linear(rate, 0.0) if falls else rate, self.momentum)


@dataclass(eq=False, repr=False, kw_only=True)
class Seer(Learner):
    """A learner with a visible layer that fits its data."""

    visible: Any = parameter("auto")

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        registered = StrOptions({"auto", *PLAIN})  # by now
        return {**super()._parameter_constraints, "visible": [registered]}

    def _see(self, X: Any, weights: F64 | None = None) -> Rows:
        """Choose the visible layer for the first data, perhaps weighted; what it sees of them."""
        self.visible_ = "bernoulli" if self.visible == "auto" else self.visible
        self.mean_: F32 | None = None
        self.scale_: F32 | None = None
        rows = self._read(X)
        if self._cannot_have(rows) and self.visible != "auto":
            advice = "scale X, or take 'gaussian'"
            if get_unit(self.visible, "visible").constrained:
                advice = (
                    "say categories by one-hot columns, as sklearn.preprocessing.OneHotEncoder does, or by "
                    "codes with a number of states for each column, as rf.Categorical([3, 5]) has"
                )
            raise ValueError(f"visible={self.visible!r} needs values in [0, 1], and X has others: {advice}")
        if self.visible not in ("auto", "gaussian") or rows.kind != "real":
            return rows
        mean, deviation = moments(rows, weights)
        varies = deviation > ROUNDING * np.abs(mean)
        self.visible_, self.mean_ = "gaussian", mean.astype(np.float32)
        self.scale_ = np.where(varies, deviation, 1.0).astype(np.float32)
        return self._standardized(rows)

    def _see_more(self, X: Any) -> Rows:
        """What the visible layer sees of more data to learn from."""
        rows = self._standardized(self._read(X))
        if self._cannot_have(rows):
            raise ValueError(
                "X has values outside [0, 1], and the visible units are Bernoulli units, chosen when "
                "learning began"
            )
        return rows

    def _rows(self, X: Any) -> Rows:
        """What the visible layer sees of data to answer about."""
        return self._standardized(self._read_to_answer(X))

    @property
    def _takes_reals(self) -> bool:
        return get_unit(self.visible_, "visible").domain == "real"

    def _read(self, X: Any) -> Rows:
        unit = get_unit(self.visible_, "visible")
        n = unit.units_of(X.shape[1])
        shown_as_they_are = unit.affine(n) is None
        return super()._read(unit.data(X, n, "X")) if shown_as_they_are else unit.rows(X, n, compact=True)

    def _standardized(self, rows: Rows) -> Rows:
        """What Gaussian units see, made block by block, so that no container is copied."""
        if self.mean_ is None or self.scale_ is None:
            return rows
        mean, scale = self.mean_, self.scale_

        def compute(index: slice | NDArray[np.intp]) -> F32:
            return np.divide(rows.block(index) - mean, scale, dtype=np.float32)

        return computed_rows((rows.n_rows, rows.n_features), np.dtype(np.float32), compute)
