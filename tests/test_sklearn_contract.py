"""What scikit-learn demands of an estimator, and what its own class is held to."""

import contextlib
import functools
import importlib.util
import inspect
import re
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.neural_network import BernoulliRBM as Original  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from rbmfast.sklearn import BernoulliRBM, patch  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:X has values outside:UserWarning"),
]

# What must fail, and how. scikit-learn expects the first two of its own class, and the others of
# estimators that learn from batches.
FLIPS = "score_samples of BernoulliRBM is not invariant"  # it flips a unit chosen at random in each row
BATCHES = "(?s)sample_weight|sample weight"  # a row that comes twice is in other batches than one of weight 2
EXPECTED = {
    "check_methods_subset_invariance": FLIPS,
    "check_methods_sample_order_invariance": FLIPS,
    "check_sample_weight_equivalence_on_dense_data": BATCHES,
    "check_sample_weight_equivalence_on_sparse_data": BATCHES,
    "check_sample_weight_equivalence": BATCHES,  # until 1.6
    "check_sample_weights_invariance zeros": BATCHES,  # until 1.5
}


def name_of(check: Any) -> str:
    keywords = check.keywords if isinstance(check, functools.partial) else {}
    return " ".join([getattr(check, "func", check).__name__, *filter(None, [keywords.get("kind")])])


@parametrize_with_checks([BernoulliRBM()])
def test_estimator_checks(estimator: Any, check: Any) -> None:
    check_estimator(estimator, check)


@pytest.mark.slow
@parametrize_with_checks(
    [BernoulliRBM(8, n_iter=3, method="cd", momentum=0.5, l2=1e-4, centered=True, shuffle=True)]
)
def test_estimator_checks_of_more_settings(estimator: Any, check: Any) -> None:
    check_estimator(estimator, check)


def check_estimator(estimator: Any, check: Any) -> None:
    why = EXPECTED.get(name_of(check))
    with pytest.raises(AssertionError, match=why) if why else contextlib.nullcontext():
        check(estimator)


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


@pytest.mark.parametrize(
    "bad",
    [
        {"n_components": 0},
        {"learning_rate": 0.0},
        {"learning_rate": "fast"},
        {"batch_size": 1.5},
        {"batch_size": 32_769},
        {"n_iter": -1},
        {"method": "CD"},
        {"k": 0},
        {"n_chains": 0},
        {"momentum": 1.0},
        {"l2": -1.0},
        {"sparsity_target": 2.0},
        {"shuffle": "rows"},
        {"validation_fraction": 0.0},
        {"callbacks": 3},
        {"random_state": "x"},
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameters_are_checked_when_fitting(bad: dict[str, Any], method: str) -> None:
    rbm = clone(BernoulliRBM(**bad))  # neither the constructor nor clone looks
    (name,) = bad
    with pytest.raises((ValueError, TypeError), match=re.escape(f"'{name}' parameter of BernoulliRBM")):
        getattr(rbm, method)(np.eye(4))
    assert not hasattr(rbm, "components_")
