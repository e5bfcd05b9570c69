"""The delta rule, against finite differences and against exact integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from training.helpers import slopes

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import reference
from rbmfast.reference import GREY
from rbmfast.training.phases import prediction_gradient, squared_error
from rbmfast.training.up_down import Directed

F64 = NDArray[np.float64]

N_ROWS, N_SOURCE, N_TARGET = 11, 5, 6
RNG = np.random.default_rng(0)
BINARY = RNG.integers(0, 2, (N_ROWS, N_SOURCE), dtype=np.uint8)
REAL = RNG.normal(size=(N_ROWS, N_SOURCE)).astype(np.float32)
TARGETS: dict[str, tuple[Any, Any]] = {
    "binary": (rf.Bernoulli(), RNG.integers(0, 2, (N_ROWS, N_TARGET), dtype=np.uint8)),
    "grey": (rf.Bernoulli(), RNG.integers(0, GREY + 1, (N_ROWS, N_TARGET)).astype(np.uint16)),
    "real": (rf.Gaussian(), RNG.normal(size=(N_ROWS, N_TARGET)).astype(np.float32)),
    "classes": (
        rf.Categorical(3),
        np.eye(3, dtype=np.uint8)[RNG.integers(0, 3, (N_ROWS, 2))].reshape(N_ROWS, 6),
    ),
}


def mean_log_probability(unit: Any, source: F64, target: F64, W: F64, bias: F64) -> float:
    """Of target states given source states: in float64, from the unit protocol's density."""
    x = source @ W + bias
    own = (target * target).sum(axis=1) / 2 - target @ bias if unit.domain == "real" else -target @ bias
    own = own + (bias @ bias / 2 if unit.domain == "real" else 0.0)
    return float(np.mean((target * (x - bias)).sum(axis=1) - own - unit.log_normalizer_float64(x, bias)))


def numbers(states: Any) -> F64:
    return states / GREY if states.dtype == np.uint16 else states.astype(np.float64)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("source", [BINARY, REAL], ids=["from binary", "from real"])
def test_against_finite_differences(source: Any, name: str) -> None:
    unit, target = TARGETS[name]
    rng = np.random.default_rng(1)
    W, bias = rng.normal(size=(N_SOURCE, N_TARGET)), rng.normal(size=N_TARGET)
    of_source = rf.Gaussian() if source.dtype == np.float32 else rf.Bernoulli()
    layer = Directed(of_source, unit, W.astype(np.float32), bias.astype(np.float32))
    gradient = prediction_gradient(source, target, layer.way().expectation(source))

    def value() -> float:
        return mean_log_probability(unit, numbers(source), numbers(target), W, bias)

    assert np.allclose(gradient.W, slopes(value, W, 1e-4), atol=3e-5)
    assert np.allclose(gradient.b, slopes(value, bias, 1e-4), atol=3e-5)
    assert not gradient.a.any()  # the source's bias has no part in it
    assert np.allclose(gradient.hidden_mean, numbers(target).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", ["binary", "grey", "classes"])
@pytest.mark.parametrize("grey", [False, True])
def test_exact_sums(name: str, grey: bool) -> None:
    """The reference's bits, and 0 exactly where the prediction is right."""
    unit, target = TARGETS[name]
    source = BINARY * np.uint16(40_000) if grey else BINARY
    levels = target * np.uint16(GREY) if target.dtype == np.uint8 else target
    predicted = unit.expectation(RNG.normal(size=target.shape).astype(np.float32))
    gradient = prediction_gradient(source, target, predicted)
    positive, negative = (reference.statistics(source, p) for p in (levels, predicted))
    expected = reference.gradient(positive, negative)
    for part in ("W", "a", "b", "visible_mean", "hidden_mean"):
        assert np.array_equal(getattr(gradient, part), getattr(expected, part))
    assert not prediction_gradient(source, target, levels).W.any()


@pytest.mark.parametrize("name", TARGETS)
def test_weights_are_repeated_rows(name: str) -> None:
    unit, target = TARGETS[name]
    predicted = unit.expectation(RNG.normal(size=target.shape).astype(np.float32))
    weights = RNG.integers(0, 3, N_ROWS)
    rows = np.repeat(np.arange(N_ROWS), weights)
    gradient = prediction_gradient(BINARY, target, predicted, weights / weights.mean())
    expected = prediction_gradient(BINARY[rows], target[rows], predicted[rows])
    for part in ("W", "a", "b", "visible_mean", "hidden_mean"):
        np.testing.assert_allclose(getattr(gradient, part), getattr(expected, part), atol=1e-4)


def test_a_way_is_the_rbms() -> None:
    rbm = rf.RBM(N_TARGET, N_SOURCE, seed=1)
    rbm.W, rbm.a = RNG.normal(size=(N_TARGET, N_SOURCE)), RNG.normal(size=N_TARGET)
    layer = Directed(rbm.hidden, rbm.visible, rbm.W.T, rbm.a)
    layer.state.exponent = engine.exponent(layer.state.W)
    assert np.array_equal(layer.way().mean(BINARY), rbm.visible_probabilities(BINARY))


def test_squared_error() -> None:
    levels = np.array([[0, GREY], [GREY // 3, 0]], np.uint16)
    assert squared_error(np.array([[0, 1], [1, 0]], np.uint8), levels) == pytest.approx((2 / 3) ** 2)
    assert squared_error(levels, levels) == 0
    assert squared_error(np.float32([[1.5]]), np.float32([[1.0]])) == 0.25
