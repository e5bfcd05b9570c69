"""Weights of rows: what they mean, and how exactly they are kept."""

from typing import Any

import numpy as np
import pytest
from training.helpers import bits, random_rows
from training.test_state import N_VISIBLE, model, train

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.training.phases import difference
from rbmfast.units import Bernoulli, Gaussian

CODES = np.random.default_rng(0).integers(0, 3, (30, 4))
LAYERS: dict[str, tuple[dict[str, Any], Any]] = {
    "bernoulli": ({}, random_rows(30, N_VISIBLE)),
    "spin": ({"visible": "spin", "hidden": "spin"}, 2.0 * random_rows(30, N_VISIBLE) - 1),
    "grey": ({}, random_rows(30, N_VISIBLE) * 0.5),
    "categorical": ({"visible": rf.Categorical(3)}, CODES),
    "gaussian": ({"visible": "gaussian"}, np.random.default_rng(1).normal(size=(30, N_VISIBLE))),
}


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("scale", [1, 0.5])
def test_weights_of_one_value_scale_the_rate(centered: bool, scale: float) -> None:
    X = random_rows(30, N_VISIBLE) * scale
    weighted, plain = model(), model()
    train(weighted, X, sample_weight=np.full(30, 0.5), centered=centered, optimizer=rf.SGD(0.2))
    train(plain, X, centered=centered, optimizer=rf.SGD(0.1))
    np.testing.assert_allclose(weighted.W, plain.W, atol=2e-6)
    np.testing.assert_allclose(weighted.a, plain.a, atol=2e-6)
    np.testing.assert_allclose(weighted.b, plain.b, atol=2e-6)


def test_weights_of_one_are_none() -> None:
    X = random_rows(30, N_VISIBLE)
    weighted, plain = model(), model()
    train(weighted, X, sample_weight=[1] * 30)
    train(plain, X)
    assert bits(weighted) == bits(plain)


@pytest.mark.parametrize("bad", [[1.0] * 29, [[1.0]] * 30, [-1.0] * 30, [np.nan] * 30, [0.0] * 30])
def test_bad_weights_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="sample_weight"):
        train(model(), random_rows(30, N_VISIBLE), sample_weight=bad)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("method", [rf.CD(2), rf.PCD(1, 7)], ids=str)
def test_a_row_of_weight_0_teaches_nothing(method: Any, layers: str) -> None:
    """Whatever it holds, and wherever the model goes from there; also in a batch of nothing else."""
    units, X = LAYERS[layers]
    weights = np.where(np.arange(30) < 20, np.arange(30) % 4, 0.0)
    other = np.where(weights[:, None], X, X[::-1])
    learned = []
    for data in (X, other):
        rbm = rf.RBM(12 if layers == "categorical" else N_VISIBLE, 6, seed=3, **units)
        rbm.b = np.zeros(6)  # touched: the biases do not begin with the data
        train(rbm, data, method=method, sample_weight=weights, optimizer=rf.SGD(0.02))
        learned.append(bits(rbm))
    assert learned[0] == learned[1]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("kind", ["binary", "grey", "real"])
def test_a_weight_is_so_many_rows(kind: str, paired: bool) -> None:
    """Integer weights, against the gradient of rows as often as they say, within 16 bits of the largest."""
    rng = np.random.default_rng(2)
    times = rng.integers(0, 4, 40)
    times[0] = 3
    v, w = rng.random((2, 40, 9)).astype(np.float32)
    p, q = rng.integers(0, 65536, (2, 40, 7)).astype(np.uint16)
    layers = (Bernoulli(), Bernoulli()) if kind != "real" else (Gaussian(), Gaussian())
    phases: Any = (v, p / np.float32(65535)), (w, q / np.float32(65535))
    if kind != "real":
        as_states = np.rint if kind == "binary" else lambda x: x * 65535
        dtype = np.uint8 if kind == "binary" else np.uint16
        phases = (as_states(v).astype(dtype), p), (as_states(w).astype(dtype), q)
    many = [tuple(np.repeat(x, times, axis=0) for x in phase) for phase in phases]
    weighted = difference(layers, *phases, times.astype(np.float64), paired)
    repeated = difference(layers, many[0], many[1] if paired else phases[1])
    share, atol = times.mean(), 3 / 65535
    for name in ("W", "a", "b"):
        np.testing.assert_allclose(getattr(weighted, name), share * getattr(repeated, name), atol=2 * atol)
    for name in ("visible_mean", "hidden_mean"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=atol)


def test_shares_have_16_bits() -> None:
    """What `rf.train` promises: weights to 2**-17 of the largest in a batch, and so are their products."""
    rng = np.random.default_rng(3)
    weights = rng.gamma(0.3, size=200) * 7
    one = np.ones((200, 1), np.uint8)
    for i in range(200):
        p = np.zeros((200, 1), np.uint16)
        p[i] = 65535
        gradient = engine.contrast((one, p), (one, np.zeros_like(p)), weights, paired=True)
        assert abs(gradient.W[0, 0] * 200 - weights[i]) <= weights.max() * (2.0**-17 + 1e-6)
