"""Estimators for scikit-learn that are small enough for tests, and what they have in common."""

from typing import Any

import numpy as np

from rbmfast.sklearn import RBM, BernoulliRBM, ClassRBM, DBNClassifier, DBNRegressor, DBNTransformer

FINE_TUNINGS = ["backprop", "up_down", None]
ARRAYS = ("components_", "intercept_hidden_", "intercept_visible_", "h_samples_")


def rows(n: int = 120, n_features: int = 12, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of three rows of 0.0 and 1.0, and which it is."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((3, n_features)) < 0.5
    y = rng.integers(0, 3, n)
    return (prototypes[y] ^ (rng.random((n, n_features)) < noise)).astype(np.float64), y


def rbm(**settings: Any) -> BernoulliRBM:
    return BernoulliRBM(**{"n_components": 7, "n_iter": 3, "random_state": 0, **settings})


def dbn(**settings: Any) -> DBNClassifier:
    small = {"hidden_layer_sizes": (9, 7), "n_iter": 3, "fine_tuning_n_iter": 4, "random_state": 0}
    return DBNClassifier(**{**small, **settings})


def transformer(**settings: Any) -> DBNTransformer:
    return DBNTransformer(**{"hidden_layer_sizes": (9, 7), "n_iter": 3, "random_state": 0, **settings})


def class_rbm(**settings: Any) -> ClassRBM:
    return ClassRBM(**{"n_components": 9, "n_iter": 4, "random_state": 0, **settings})


def regressor(**settings: Any) -> DBNRegressor:
    small = {"hidden_layer_sizes": (9, 7), "n_iter": 3, "fine_tuning_n_iter": 4, "random_state": 0}
    return DBNRegressor(**{**small, **settings})


def any_rbm(**settings: Any) -> RBM:
    return RBM(**{"n_components": 9, "n_iter": 3, "random_state": 0, **settings})


CLASSIFIERS = [*(dbn(fine_tuning=how) for how in FINE_TUNINGS), class_rbm()]
LEARNERS = [*CLASSIFIERS, transformer(), regressor(), any_rbm()]  # whose visible units fit the data
ALL = [rbm(), *LEARNERS]


def learned(estimator: Any) -> list[np.ndarray]:
    """All that was learned."""
    if isinstance(estimator, BernoulliRBM):
        return [getattr(estimator, name) for name in ARRAYS]
    found = []
    if hasattr(estimator, "network_"):
        found += [array for layer in estimator.network_.layers for array in (layer.W, layer.b)]
    if hasattr(estimator, "dbn_"):
        rbms = [*estimator.dbn_.generative, *estimator.dbn_.recognition]
    else:
        rbms = [estimator.rbm_]
    return found + [array for rbm in rbms for array in (rbm.W, rbm.a, rbm.b)]


def assert_same(one: Any, other: Any) -> None:
    """Both have learned the same, bit for bit."""
    for a, b in zip(learned(one), learned(other), strict=True):
        np.testing.assert_array_equal(a, b)


def answer(estimator: Any, X: Any) -> np.ndarray:
    """What it says about rows."""
    names = ("predict_proba", "predict", "transform")
    return np.asarray(next(getattr(estimator, name) for name in names if hasattr(estimator, name))(X))
