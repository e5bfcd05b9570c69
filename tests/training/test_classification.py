"""Learning to classify: exact gradients, learning with few labels, the same bits, bad arguments."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.special import logsumexp
from training.helpers import TEXTBOOK, bits, slopes

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.state import Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training import Conditionals, Method
from rbmfast.training.monitors import Watched

N, K, H = 5, 3, 4
RNG = np.random.default_rng(7)
W, A, B = RNG.normal(size=(N + K, H)), RNG.normal(size=N + K), RNG.normal(size=H)
MODEL = rf.ClassRBM.from_arrays(W, A, B, n_classes=K)
X = RNG.integers(0, 2, (7, N), dtype=np.uint8)
GREY = RNG.integers(0, 256, (7, N)) / 255
CLASSES = np.array([0, 2, 1, 1, 0, 2, 2])
SOME = np.where(np.arange(7) % 3 == 1, -1, CLASSES)
WEIGHTS = np.array([0.5, 1.0, 0.0, 2.0, 1.5, 0.25, 1.0])


# --- The gradients, against finite differences of what they are gradients of --------------------------------

FEATURES = np.array([[int(bit) for bit in np.binary_repr(i, N)] for i in range(2**N)])
ALL = np.vstack([np.hstack([FEATURES, np.tile(row, (2**N, 1))]) for row in np.eye(K)])


def log_weight(theta: list[NDArray[Any]], v: NDArray[Any]) -> NDArray[Any]:
    W, a, b = theta
    return v @ a + np.logaddexp(0, v @ W + b).sum(axis=1)


def objective(
    theta: list[NDArray[Any]], data: Any, y: Any, w: Any, generative: float, unlabelled: float
) -> float:
    """Mean over rows of log p(y | x) + generative log p(x, y), or of unlabelled log p(x), by enumeration."""
    log_z = logsumexp(log_weight(theta, ALL))
    total = 0.0
    for x, label, weight in zip(data, y, w, strict=True):
        each = log_weight(theta, np.hstack([np.tile(x, (K, 1)), np.eye(K)]))
        if label < 0:
            total += weight * unlabelled * (logsumexp(each) - log_z)
        else:
            total += weight * (each[label] - logsumexp(each) + generative * (each[label] - log_z))
    return total / len(data)


def parameters() -> list[NDArray[Any]]:
    return [array.astype(np.float64) for array in (MODEL.W, MODEL.a, MODEL.b)]


class Enumerated(rf.PCD):
    """A negative phase that is exact: all states, each about as often as it is probable."""

    def negative_phase(self, model: Conditionals, *others: Any) -> Any:
        log_p = log_weight([model.up.W, model.down.bias, model.up.bias], ALL)
        counts = np.rint(30_000 * np.exp(log_p - logsumexp(log_p))).astype(int)
        v = np.repeat(ALL, counts, axis=0).astype(np.uint8)
        return v, model.up.input(v)


def conditionals(rbm: rf.RBM, method: Method) -> Conditionals:
    return replace(rbm._conditionals(Stream(1, method.purpose)), n_classes=rbm.n_classes)


def gradient(method: Method, data: Any, y: Any, weights: Any = None, rbm: rf.ClassRBM = MODEL) -> Gradient:
    model, v = conditionals(rbm, method), rbm.join(data, y).all()
    return method.gradient(model, v, model.up.input(v), np.zeros((2, H), np.uint8), weights)


@pytest.mark.parametrize(("data", "weights"), [(X, None), (GREY, WEIGHTS)], ids=["binary", "grey, weighted"])
@pytest.mark.parametrize(
    ("method", "y", "generative", "unlabelled"),
    [
        (rf.Discriminative(), CLASSES, 0, 0),
        (rf.Hybrid(0.5, negative=Enumerated()), CLASSES, 0.5, 0),
        (rf.Hybrid(0.5, 0.7, negative=Enumerated()), SOME, 0.5, 0.7),
        (rf.Hybrid(0.0, 0.7, negative=Enumerated()), SOME, 0, 0.7),
    ],
    ids=["discriminative", "hybrid", "some unlabelled", "no generative term"],
)
def test_gradients_are_derivatives(
    method: Method, y: Any, generative: float, unlabelled: float, weights: Any, data: Any
) -> None:
    found = gradient(method, data, y, weights)
    theta, w = parameters(), np.ones(7) if weights is None else weights
    atol = 2e-5 if isinstance(method, rf.Discriminative) else 3e-4  # 16-bit levels; rounded counts
    for found_one, array in zip((found.W, found.a, found.b), theta, strict=True):
        expected = slopes(lambda: objective(theta, data, y, w, generative, unlabelled), array)
        assert found_one.dtype == np.float32
        assert_allclose(found_one, expected, atol=atol)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_gradients_with_dropout_are_those_of_what_is_left(weights: Any) -> None:
    """Of log p(y | x) by the hidden units that a row has kept, each counting 1 / (1 - dropout) times."""
    u = engine.uniform_u32(7, H, 1, Purpose.HIDDEN_DROPOUT, 0, 0, np.arange(7))
    kept = u >= 0.4 * 2**32
    assert 0.3 < kept.mean() < 0.9

    def thinned(theta: list[NDArray[Any]]) -> float:
        W, a, b = theta
        x = (X @ W[:N] + b)[:, None] + W[N:]
        each = a[N:] + (np.logaddexp(0, x) * kept[:, None]).sum(axis=2) / 0.6
        log_p = each[np.arange(7), CLASSES] - logsumexp(each, axis=1)
        return float((log_p * (1 if weights is None else weights)).mean())

    found = gradient(rf.Discriminative(dropout=0.4), X, CLASSES, weights)
    theta = parameters()
    for array, slope in zip(theta, (found.W, found.a, found.b), strict=True):
        assert_allclose(slope, slopes(lambda: thinned(theta), array), atol=5e-5)
    nobody_dropped = gradient(rf.Discriminative(), X, CLASSES, weights)
    assert_allclose(found.hidden_mean, nobody_dropped.hidden_mean, atol=1e-5)
    first, second = (gradient(rf.Hybrid(0.0, dropout=d), X, CLASSES, weights) for d in (0.4, 0.0))
    assert_allclose(first.W, found.W, atol=1e-6)  # the other terms count nothing
    assert_allclose(first.hidden_mean, found.hidden_mean, atol=1e-5)
    assert_array_equal(second.W, gradient(rf.Hybrid(0.0), X, CLASSES, weights).W)


def test_a_lost_unit_says_nothing_however_large_its_weights() -> None:
    W = np.where(np.arange(N + K)[:, None] < N, 1.0, 300.0) * np.sign(MODEL.W)
    rbm = rf.ClassRBM.from_arrays(W, MODEL.a, MODEL.b, n_classes=K)
    found = gradient(rf.Discriminative(dropout=1 - 1e-9), X, CLASSES, rbm=rbm)
    assert not found.W.any()
    assert not found.b.any()
    prior = np.exp(MODEL.a[N:]) / np.exp(MODEL.a[N:]).sum()
    assert_allclose(found.a[N:], np.bincount(CLASSES, minlength=K) / 7 - prior, atol=2e-5)


def test_dropout_differs_from_update_to_update() -> None:
    settings: dict[str, Any] = {**TEXTBOOK, "method": rf.Discriminative(dropout=0.5), "optimizer": 1.0}
    settings |= {"shuffle": False, "seed": 1, "epochs": 1}
    lost = []
    for epochs in (1, 2):
        rbm = rf.ClassRBM.from_arrays(np.zeros((N + K, 50)), np.zeros(N + K), np.zeros(50), n_classes=K)
        state = rf.TrainingState()
        for _ in range(epochs):
            before = rbm.W
            rf.train(rbm, rbm.join(X[:1], CLASSES[:1]), state=state, **settings)
        lost.append((before == rbm.W).all(axis=0))
    assert 10 < lost[0].sum() < 40
    assert not np.array_equal(*lost)


@pytest.mark.parametrize("units", [{"visible": "gaussian"}, {"hidden": "gaussian"}], ids=str)
def test_gradients_of_real_valued_units_are_derivatives(units: dict[str, Any]) -> None:
    """Through the model's own class probabilities, in steps that float32 can show."""
    rbm = rf.ClassRBM.from_arrays(0.3 * W, A, B, n_classes=K, **units)
    data = GREY.astype(np.float32) if "visible" in units else X
    found = gradient(rf.Discriminative(), data, CLASSES, rbm=rbm)
    for name in ("W", "a", "b"):
        array = getattr(rbm, name)
        for place in list(np.ndindex(array.shape))[::3]:
            values = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * 2.0**-6
                setattr(rbm, name, moved)
                values.append(rbm.class_log_probabilities(data)[np.arange(7), CLASSES].mean())
            setattr(rbm, name, array)
            assert abs(getattr(found, name)[place] - (values[0] - values[1]) * 2.0**5) < 2e-4


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_a_hybrid_gradient_is_the_sum_of_its_parts(weights: Any) -> None:
    hybrid = gradient(rf.Hybrid(0.25), X, CLASSES, weights)
    parts = (gradient(method, X, CLASSES, weights) for method in (rf.Discriminative(), rf.CD()))
    discriminative, joint = parts
    for name in ("W", "a", "b"):
        expected = getattr(discriminative, name) + np.float32(0.25) * getattr(joint, name)
        assert_array_equal(getattr(hybrid, name), expected)
    assert_array_equal(discriminative.a[:N], 0)
    for name in ("visible_mean", "hidden_mean"):
        assert_allclose(getattr(hybrid, name), getattr(joint, name), atol=2e-5)


def test_means_count_a_missing_class_as_what_is_expected_of_it() -> None:
    found = gradient(rf.Hybrid(0.1, 0.1), X, SOME)
    p = np.exp(MODEL.class_log_probabilities(X))
    p[SOME >= 0] = np.eye(K)[SOME[SOME >= 0]]
    assert_allclose(found.visible_mean, np.hstack([X, p]).mean(axis=0), atol=2e-5)


def test_rows_without_a_class_start_from_one_that_is_drawn_from_its_probabilities() -> None:
    """CD of the rows with the drawn classes: the hidden units' inputs fit, frequencies are p(y | x).

    False alarms: 3 frequencies, each within 5 standard errors but with probability 6e-7.
    """
    seen: list[Any] = []

    class Spy(rf.CD):
        def negative_phase(self, model: Any, v: Any, x: Any, *others: Any) -> Any:
            seen.append((v, x, model.up.input(v)))
            return super().negative_phase(model, v, x, *others)

    n = 4000
    gradient(rf.Hybrid(0.1, 0.1, negative=Spy()), np.tile(X[:1], (n, 1)), np.r_[1, [-1] * (n - 1)])
    v, x, expected = seen[0]
    assert_array_equal(v[:, :N], np.tile(X[:1], (n, 1)))
    assert_array_equal(v[:, N:].sum(axis=1), 1)
    assert_array_equal(v[0, N:], [0, 1, 0])
    assert_allclose(x, expected, atol=1e-5)
    p = np.exp(MODEL.class_log_probabilities(X[:1])[0])
    assert (np.abs(v[1:, N:].mean(axis=0) - p) < 5 * np.sqrt(p * (1 - p) / n)).all()


def test_labels_may_be_probabilities() -> None:
    """The gradient for a label of probabilities is the mean of those for the classes."""
    half = MODEL.join(X, CLASSES).all() * np.uint16(65535)
    half[:, N:] = [32768, 32767, 0]
    method = rf.Discriminative()
    model = conditionals(MODEL, method)
    found = method.gradient(model, half, model.up.input(half), None)
    expected = [gradient(method, X, np.full(7, k)).W for k in (0, 1)]
    assert_allclose(found.W, sum(expected) / 2, atol=5e-5)


# --- Learning ----------------------------------------------------------------------------------------------


def clusters(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Three groups of noisy rows: 24 features, a quarter of which is wrong."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    prototypes = np.kron(np.eye(3), np.ones(8)) == 1
    return (prototypes[y] ^ (rng.random((n, 24)) < 0.25)).astype(np.uint8), y


def error_after(method: Method, data: Any, y: Any, epochs: int) -> float:
    """On rows that were not learned from."""
    rbm = rf.ClassRBM(24, 12, n_classes=3, seed=0)
    settings: dict[str, Any] = {"optimizer": rf.SGD(0.1, momentum=0.5), "batch_size": 20, "seed": 1}
    rf.train(rbm, rbm.join(data, y), method=method, epochs=epochs, **settings)
    test, labels = clusters(500, seed=99)
    return float((rbm.predict(test) != labels).mean())


def test_parity_is_learned() -> None:
    """No single feature tells anything about the class."""
    data = np.array([[int(bit) for bit in f"{i:04b}"] for i in range(16)] * 10, np.uint8)
    y = data.sum(axis=1) % 2
    rbm = rf.ClassRBM(4, 20, n_classes=2, seed=0)
    rbm.W = np.random.default_rng(0).normal(size=(6, 20))
    history = rf.train(
        rbm,
        rbm.join(data, y),
        method=rf.Discriminative(),
        optimizer=rf.SGD(0.5, momentum=0.9),
        epochs=100,
        batch_size=40,
        seed=1,
        monitors=[rf.ClassificationError()],
    )
    error = history["train_classification_error"]
    assert error[0] >= 0.4 and error[-1] == 0
    assert_array_equal(rbm.predict(data), y)
    assert_array_equal(rbm.a[:4], 0)  # the features are not modelled


@pytest.mark.parametrize(
    "method", [rf.CD(1), rf.Hybrid(0.1), rf.Hybrid(0.1, negative=rf.PT(3, n_chains=5))], ids=str
)
def test_clusters_are_learned(method: Method) -> None:
    data, y = clusters(300, seed=0)
    assert error_after(method, data, y, epochs=20) < 0.06


@pytest.mark.slow
def test_rows_without_a_class_help() -> None:
    """One labelled row of each class teaches little; 297 more rows without labels teach nearly the rest."""
    data, y = clusters(300, seed=0)
    first = [int(np.flatnonzero(y == k)[0]) for k in range(3)]
    some = np.full(300, -1)
    some[first] = y[first]
    alone = error_after(rf.Discriminative(), data[first], y[first], epochs=100)
    helped = error_after(rf.Hybrid(0.1, 0.1), data, some, epochs=150)
    assert helped < 0.06 < 0.12 < alone


def test_samples_of_a_class_look_like_it() -> None:
    data, y = clusters(300, seed=0)
    rbm = rf.ClassRBM(24, 12, n_classes=3, seed=0)
    rf.train(rbm, rbm.join(data, y), method=rf.Hybrid(1.0), epochs=40, batch_size=20, seed=1)
    for k in range(3):
        ink = rbm.sample(300, steps=100, seed=2, labels=k)[:, :24].mean(axis=0).reshape(3, 8).mean(axis=1)
        assert ink.argmax() == k and ink[k] > 0.6


# --- The same bits -----------------------------------------------------------------------------------------

ROWS, LABELS = clusters(47, seed=3)


def test_weights_of_one_change_nothing_and_weight_counts_rows() -> None:
    method = rf.Discriminative()
    twice = gradient(method, np.vstack([X, X[:1]]), np.r_[CLASSES, CLASSES[0]])
    weighted = gradient(method, X, CLASSES, np.r_[2.0, np.ones(6)])
    for name in ("W", "a", "b"):
        assert_allclose(8 * getattr(twice, name), 7 * getattr(weighted, name), atol=2e-4)


# --- Monitors ----------------------------------------------------------------------------------------------


def test_classification_error_counts_wrong_predictions() -> None:
    rows, other = MODEL.join(X, CLASSES), MODEL.join(GREY, CLASSES)
    watched = Watched(MODEL, rows, other, seed=1)
    found = rf.ClassificationError()(watched)
    assert found["train_classification_error"] == (MODEL.predict(X) != CLASSES).mean()
    assert found["validation_classification_error"] == (MODEL.predict(GREY) != CLASSES).mean()
    assert rf.ClassificationError(max_rows=2).names(False) == ("train_classification_error",)


def test_monitors_see_rows_with_a_class_only() -> None:
    known = np.flatnonzero(SOME >= 0)
    watched = Watched(MODEL, MODEL.join(X, SOME), None, seed=1, labelled=known)
    assert_array_equal(watched.train(100), MODEL.join(X, SOME).all()[known])
    assert len(watched.train(2)) == 2 and watched.train(2)[:, N:].any(axis=1).all()


# --- Bad arguments -----------------------------------------------------------------------------------------


def with_block(value: float) -> NDArray[np.float64]:
    rows = np.hstack([ROWS, np.eye(3)[LABELS]])
    rows[4, 24:] = value
    return rows


PLAIN = rf.RBM(27, 6, seed=3)
LABELLED = rf.ClassRBM(24, 6, n_classes=3, seed=3)
REAL_HIDDEN = rf.ClassRBM(24, 2, n_classes=3, hidden="gaussian", seed=0)
NOBODY = np.hstack([ROWS, np.zeros((47, 3))])
ONE, FOUR = "X[4, 24:27] must have one unit on", {"validation": with_block(0)}
ERROR = {"monitors": [rf.ClassificationError()]}


@pytest.mark.parametrize(
    ("rbm", "rows", "method", "more", "words"),
    [
        (PLAIN, with_block(0), rf.Discriminative(), {}, "rbm must be an rf.ClassRBM"),
        (PLAIN, with_block(0), rf.Hybrid(), {}, "rbm must be an rf.ClassRBM"),
        (PLAIN, with_block(0), rf.CD(), ERROR, "rbm must be an rf.ClassRBM for ClassificationError"),
        (
            REAL_HIDDEN,
            with_block(1),
            rf.Hybrid(0.1, 0.1, dropout=0.5),
            {},
            "dropout needs Bernoulli hidden units",
        ),
        (LABELLED, with_block(0), rf.Discriminative(), {}, ONE),
        (LABELLED, with_block(1), rf.Discriminative(), {}, ONE),
        (LABELLED, with_block(0), rf.Hybrid(1.0), {}, ONE),
        (LABELLED, with_block(1), rf.Hybrid(1.0, 0.1), {}, ONE),
        (LABELLED, with_block(0.5), rf.Hybrid(1.0, 0.1), {}, ONE),
        (LABELLED, with_block(2), rf.Hybrid(1.0, 0.1), {}, "X[4, 24]"),
        (LABELLED, ROWS, rf.Hybrid(1.0, 0.1), {}, "X must have 27 features"),
        (LABELLED, NOBODY, rf.Hybrid(1.0, 0.1), {}, "X must have a row with a class"),
        (LABELLED, with_block(1 / 3), rf.Discriminative(), FOUR, "validation[4, 24:27]"),
    ],
)
def test_bad_arguments(rbm: rf.RBM, rows: Any, method: Any, more: dict[str, Any], words: str) -> None:
    before = bits(rbm)
    with pytest.raises(TypeError if rbm is PLAIN else ValueError, match=re.escape(words)) as caught:
        rf.train(rbm, rows, method=method, seed=1, **more)
    assert "\n" not in str(caught.value)
    assert bits(rbm) == before and rbm.is_untouched


def test_these_gradients_are_not_differences_of_two_statistics() -> None:
    with pytest.raises(NotImplementedError, match="does not learn from samples"):
        rf.Discriminative().negative_phase(None, None, None, None)


# --- Handwritten digits, where there are any ---------------------------------------------------------------
