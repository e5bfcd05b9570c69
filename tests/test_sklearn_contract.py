"""What every estimator is held to: scikit-learn's checks, the same in every container, clear errors; and what
scikit-learn's own BernoulliRBM is."""

import contextlib
import functools
import importlib.util
import inspect
import pickle
import re
import unittest
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

pytest.importorskip("sklearn")

from estimators import ALL, LEARNERS, answer, assert_same, learned, rows
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM as Original
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from rbmfast.sklearn import (
    RBM,
    BernoulliRBM,
    ClassRBM,
    ConvRBM,
    DBNClassifier,
    DBNRegressor,
    DBNTransformer,
    RBMImputer,
    patch,
)

pytestmark = pytest.mark.filterwarnings("ignore:X has values outside:UserWarning")

# --- scikit-learn's checks ---------------------------------------------------------------------------------

# What must fail, and how. scikit-learn expects the first of its own class, and the second of estimators that
# learn from batches.
FLIPS = "score_samples of BernoulliRBM is not invariant"  # it flips a unit chosen at random in each row
BATCHES = "(?s)sample_weight|sample weight"  # a row that comes twice is in other batches than one of weight 2
OF_FLIPS = {"check_methods_subset_invariance": FLIPS, "check_methods_sample_order_invariance": FLIPS}
OF_BATCHES = {
    "check_sample_weight_equivalence_on_dense_data": BATCHES,
    "check_sample_weight_equivalence_on_sparse_data": BATCHES,
    "check_sample_weight_equivalence": BATCHES,  # until 1.6
    "check_sample_weights_invariance zeros": BATCHES,  # until 1.5
}
# The three clusters of `check_classifiers_train` have two features. Standardised, they leave next to nothing
# for units of variance 1 to model, and so for labels above two layers of them.
UNSEEN = {"check_classifiers_train": "^$"}
# Float32 products round otherwise for other numbers of rows: 4e-7 of a prediction, where 1e-7 are allowed.
ROUNDED = (DBNRegressor, "check_methods_subset_invariance")
EXPECTED = {
    BernoulliRBM: {**OF_FLIPS, **OF_BATCHES},
    DBNClassifier: OF_BATCHES,
    DBNTransformer: {},
    ClassRBM: OF_BATCHES,
    ConvRBM: OF_BATCHES,
    DBNRegressor: OF_BATCHES,
    RBM: OF_BATCHES,
    RBMImputer: {},
}


def check_estimator(estimator: Any) -> None:
    """By all of scikit-learn's checks."""
    for _, check in parametrize_with_checks([estimator]).args[1]:
        with contextlib.suppress(unittest.SkipTest):
            run_check(clone(estimator), check)


def run_check(estimator: Any, check: Any) -> None:
    keywords = check.keywords if isinstance(check, functools.partial) else {}
    name = " ".join([getattr(check, "func", check).__name__, *filter(None, [keywords.get("kind")])])
    if (type(estimator), name) == ROUNDED:
        return
    up_down = estimator.get_params().get("fine_tuning") == "up_down"
    why = {**EXPECTED[type(estimator)], **(UNSEEN if up_down else {})}.get(name)
    with pytest.raises(AssertionError, match=why) if why else contextlib.nullcontext():
        check(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        BernoulliRBM(8, n_iter=2),
        DBNClassifier((8, 6), n_iter=2, fine_tuning_n_iter=12, fine_tuning_learning_rate=0.02),
        DBNTransformer((8, 6), n_iter=2),
        ClassRBM(8, n_iter=3, batch_size=50, learning_rate=2.0),
        DBNRegressor((8, 6), n_iter=2, fine_tuning_n_iter=12, fine_tuning_learning_rate=0.02),
        RBM(8, n_iter=2),
        ConvRBM(4, n_iter=2, filter_shape=(2, 2)),
        RBM(8, n_iter=2, visible="columns"),
        RBMImputer(8, n_iter=2, n_steps=10),
    ],
)
def test_estimator_checks(estimator: Any) -> None:
    check_estimator(estimator)


@pytest.mark.slow  # two minutes
@pytest.mark.parametrize(
    "estimator",
    [
        BernoulliRBM(8, n_iter=3, method="cd", momentum=0.5, l2=1e-4, centered=True, shuffle=True),
        DBNClassifier(),
        DBNClassifier((6, 5), n_iter=2, fine_tuning_n_iter=2, fine_tuning="up_down"),
        DBNClassifier(8, n_iter=20, batch_size=10, learning_rate=0.2, fine_tuning=None, visible="gaussian"),
        DBNTransformer(),
        ClassRBM(),
        DBNRegressor(),
        RBM(),
        RBMImputer(),
    ],
)
def test_estimator_checks_at_length(estimator: Any) -> None:
    check_estimator(estimator)


# --- Every estimator ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [*ALL, *(clone(e).set_params(visible="gaussian") for e in LEARNERS)])
def test_every_container_teaches_the_same(estimator: Any, tmp_path: Path) -> None:
    X, y = rows(40)
    path = tmp_path / "X.npy"
    np.save(path, X.astype(np.float32))
    expected = clone(estimator).fit(X, y)
    for same in (
        X.astype(np.float32),
        X.astype(np.uint8),
        X.astype(bool),
        X.astype(int),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        X.tolist(),
        sp.csr_matrix(X),
        sp.csc_matrix(X.astype(np.float32)),
        sp.lil_matrix(X),
        np.load(path, mmap_mode="r"),
    ):
        fitted = clone(estimator).fit(same, y)
        assert_same(fitted, expected)
        np.testing.assert_array_equal(answer(fitted, same), answer(expected, X))
        if isinstance(fitted, BernoulliRBM):
            np.testing.assert_array_equal(fitted.score_samples(same), expected.score_samples(X))
            np.testing.assert_array_equal(fitted.gibbs(same), clone(fitted).fit(X).gibbs(X))


@pytest.mark.parametrize("estimator", ALL)
def test_random_state_fixes_everything(estimator: Any) -> None:
    X, y = rows()
    one = clone(estimator).fit(X, y)
    assert_same(one, clone(estimator).fit(X, y))
    assert_same(pickle.loads(pickle.dumps(one)).fit(X, y), one)
    other = clone(estimator).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(learned(one)[0], learned(other)[0])


@pytest.mark.filterwarnings("error:X has:UserWarning")  # test rows a step beyond training rows are no news
@pytest.mark.parametrize(
    ("estimator", "grid", "least"),
    [
        (BernoulliRBM(learning_rate=0.2, random_state=0), {"n_components": [5, 30]}, 0.7),
        (DBNTransformer(n_iter=10, random_state=0), {"hidden_layer_sizes": [(5,), 60]}, 0.7),
        (ClassRBM(50, learning_rate=0.2, random_state=0), {"n_iter": [1, 20]}, 0.8),
        (
            DBNClassifier((40, 40), n_iter=3, fine_tuning_learning_rate=0.01, random_state=0),
            {"fine_tuning_n_iter": [1, 10]},
            0.7,
        ),
    ],
)
def test_pipelines_and_searches(estimator: Any, grid: dict[str, list[Any]], least: float) -> None:
    X, y = (part[:400] for part in load_digits(return_X_y=True))
    steps = [MinMaxScaler(), estimator]
    if hasattr(estimator, "transform"):
        steps.append(LogisticRegression(C=100, max_iter=1000))
    name = type(estimator).__name__.lower()
    grid = {f"{name}__{parameter}": values for parameter, values in grid.items()}
    search = GridSearchCV(make_pipeline(*steps), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > least
    assert search.best_params_ == {parameter: values[1] for parameter, values in grid.items()}


def test_searches_without_classes() -> None:
    """By the likelihood; and beside other columns."""
    X = load_digits().data[:300] / 16
    search = GridSearchCV(BernoulliRBM(20, random_state=0), {"n_iter": [0, 10]}, cv=2).fit(X)
    assert search.best_params_ == {"n_iter": 10}
    some = [("rbm", BernoulliRBM(3, n_iter=1, random_state=0), slice(0, 20))]
    assert ColumnTransformer(some, remainder="passthrough").fit_transform(X).shape == (300, 3 + 44)


@pytest.mark.parametrize("estimator", ALL)
def test_rounding_errors_of_scaling_are_not_outside(estimator: Any) -> None:
    X, y = rows()
    scaled = X * (1 + 3e-16) - 1e-17
    assert scaled.min() < 0 < 1 < scaled.max()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = clone(estimator).fit(scaled, y)
    assert getattr(fitted, "visible_", "bernoulli") == "bernoulli"
    assert_same(fitted, clone(estimator).fit(X, y))


@pytest.mark.parametrize("kind", EXPECTED)
def test_parameters_are_checked_when_fitting(kind: type) -> None:
    """By what each declares; neither the constructor nor clone looks, and nothing changes."""
    check_param_validation(kind.__name__, kind())
    for name, value in (("batch_size", 32_769), ("momentum", 1.0), ("n_iter", 2.5), ("verbose", "x")):
        estimator = clone(kind(**{name: value}))
        before = set(vars(estimator))
        for method in {"fit", "partial_fit"} & {*dir(kind)}:
            with pytest.raises(ValueError, match=f"'{name}' parameter of {kind.__name__}"):
                getattr(estimator, method)(*rows())
        assert set(vars(estimator)) == before


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((3, 0), "hidden_layer_sizes must be integers of at least 1, got (3, 0)"),
        ((3.5,), "hidden_layer_sizes must be integers"),
        ((), "hidden_layer_sizes must be integers"),
        ((3,), "needs two hidden layers or more, got (3,)"),
    ],
)
def test_sizes_are_checked_when_fitting(sizes: Any, words: str) -> None:
    classifier = DBNClassifier(sizes, fine_tuning="up_down")
    before = set(vars(classifier))
    with pytest.raises(ValueError, match=re.escape(words)):
        classifier.fit(*rows())
    assert set(vars(classifier)) == before


# --- scikit-learn's tests of its own class, with this one imported -----------------------------------------

OWN_TESTS = importlib.util.find_spec("sklearn.neural_network.tests.test_rbm")
PINS_NUMPYS_STREAM = "test_fit_gibbs"

if OWN_TESTS is not None and OWN_TESTS.loader is not None:
    module = importlib.util.module_from_spec(OWN_TESTS)
    with patch():
        OWN_TESTS.loader.exec_module(module)
    assert module.BernoulliRBM is BernoulliRBM
    for name, test in vars(module).items():
        if name.startswith("test_") and not name.startswith(PINS_NUMPYS_STREAM):
            globals()[f"test_of_scikit_learn_{name.removeprefix('test_')}"] = test


def test_there_are_such_tests() -> None:
    assert OWN_TESTS is None or sum(name.startswith("test_of_scikit_learn") for name in globals()) > 8


# --- Signatures --------------------------------------------------------------------------------------------


def test_constructor_has_the_same_parameters_and_defaults() -> None:
    theirs, ours = (inspect.signature(kind).parameters for kind in (Original, BernoulliRBM))
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default
        assert ours[name].kind == parameter.kind
    for name in ours.keys() - theirs.keys():
        assert ours[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_every_public_attribute_is_there() -> None:
    X = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(float)
    theirs, ours = (kind(4, random_state=0).fit(X) for kind in (Original, BernoulliRBM))
    assert {name for name in dir(theirs) if not name.startswith("_")} <= {*dir(ours), "random_state_"}
    for name in ("components_", "intercept_hidden_", "intercept_visible_", "h_samples_"):
        assert getattr(theirs, name).shape == getattr(ours, name).shape
        assert getattr(theirs, name).dtype == getattr(ours, name).dtype
        assert getattr(theirs, name).flags.writeable == getattr(ours, name).flags.writeable


def test_methods_take_the_same_arguments() -> None:
    for name, method in inspect.getmembers(Original, inspect.isfunction):
        if name.startswith("__") or name in ("_fit", "_more_tags"):
            continue
        theirs = [*inspect.signature(method).parameters]
        ours = [*inspect.signature(getattr(BernoulliRBM, name)).parameters]
        assert ours[: len(theirs)] == theirs, name
