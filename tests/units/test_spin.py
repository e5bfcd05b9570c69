"""Spins: the energies that physics writes, the bits of the 0/1 model that they map to."""

from __future__ import annotations

import pickle
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast import likelihood

RNG = np.random.default_rng(0)
V, H = 5, 3
W, A, B = (RNG.normal(scale=0.5, size=shape).astype(np.float32) for shape in ((V, H), V, H))
STATES = {"spin": (-1, 1), "bernoulli": (0, 1)}
PAIRS = [("spin", "spin"), ("spin", "bernoulli"), ("bernoulli", "spin")]


def model(visible: Any = "spin", hidden: Any = "spin") -> rf.RBM:
    return rf.RBM.from_arrays(W, A, B, visible=visible, hidden=hidden)


def twin(rbm: rf.RBM) -> rf.RBM:
    """The 0/1 model that it maps to."""
    p = rbm._parameters
    return rf.RBM.from_arrays(p.W, p.a, p.b)


def shown(states: Any) -> Any:
    return 2 * states.astype(np.float32) - 1


def all_states(unit: str, n: int) -> Any:
    return np.array([*product(STATES[unit], repeat=n)], np.int8)


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_by_enumeration(visible: str, hidden: str) -> None:
    rbm = model(visible, hidden)
    v, h = all_states(visible, V), all_states(hidden, H)
    minus_energies = v @ W @ h.T + (v @ A)[:, None] + h @ B
    pairs = np.repeat(v, len(h), axis=0), np.tile(h, (len(v), 1))
    assert_allclose(rbm.energy(*pairs), -minus_energies.ravel(), atol=1e-5)
    assert_allclose(rbm.free_energy(v), -logsumexp(minus_energies, axis=1), atol=1e-5)
    z = rf.log_partition(rbm)
    assert_allclose(z.value, logsumexp(minus_energies), atol=1e-5)
    p = np.exp(minus_energies - z.value)
    assert_allclose(rf.log_likelihood(rbm, v), np.log(p.sum(axis=1)), atol=1e-5)
    assert_allclose(rbm.hidden_probabilities(v), (p @ h) / p.sum(axis=1)[:, None], atol=1e-5)
    assert_allclose(rbm.visible_probabilities(h), (p.T @ v) / p.sum(axis=0)[:, None], atol=1e-5)
    moments = likelihood.exact_moments(rbm)
    assert_allclose(moments.visible, p.sum(axis=1) @ v, atol=1e-5)
    assert_allclose(moments.hidden, p.sum(axis=0) @ h, atol=1e-5)
    assert_allclose(moments.pairs, v.T @ p @ h, atol=1e-5)
    counts = rbm.pattern_counts(h=h[0], n_samples=100, seed=1)
    assert_allclose(counts.probabilities, p[counts_in(v, counts.patterns), 0] / p[:, 0].sum(), atol=1e-5)


def counts_in(states: Any, patterns: Any) -> Any:
    return [int(np.flatnonzero((states == pattern).all(axis=1))[0]) for pattern in patterns]


@pytest.mark.parametrize("hidden", ["spin", "gaussian", "mixed"])
def test_beside_other_units(hidden: str) -> None:
    """With real-valued units p(v) is an integral, done here on a grid; log Z and the gradient by it."""
    unit = (
        rf.Mixed([(rf.Spin(), 1), (rf.Gaussian(), 1), (rf.Bernoulli(), 1)]) if hidden == "mixed" else hidden
    )
    rbm, v, step = model("spin", unit), all_states("spin", V), 0.05
    axis, spins, bits = np.arange(-12, 12, step), np.array([-1, 1]), np.array([0, 1])
    axes = {"spin": [spins] * H, "gaussian": [axis] * H, "mixed": [spins, axis, bits]}[hidden]
    reals = {"spin": [False] * H, "gaussian": [True] * H, "mixed": [False, True, False]}[hidden]
    x = v @ W
    free = -(v @ A).astype(np.float64)
    for j, (values, real) in enumerate(zip(axes, reals, strict=True)):
        own = (values - B[j]) ** 2 / 2 if real else -B[j] * values
        free -= logsumexp(x[:, [j]] * values - own, axis=1) + (np.log(step) if real else 0)
    assert_allclose(rbm.free_energy(v), free, atol=1e-4)
    assert_allclose(rf.log_partition(rbm).value, logsumexp(-free), atol=1e-4)
    z = rf.log_partition(rbm, "bracket", n_chains=100, n_temperatures=200, seed=1)
    assert z.lower - 0.1 < logsumexp(-free) < z.upper + 0.1
    assert {part.method for part in z.parts} and all(abs(part.value - z.value) < 0.5 for part in z.parts)


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_the_bits_are_those_of_the_mapped_model(visible: str, hidden: str) -> None:
    rbm = model(visible, hidden)
    bits = twin(rbm)
    out = {"spin": shown, "bernoulli": lambda states: states}
    X = RNG.integers(0, 2, (40, V)).astype(np.uint8)
    S = out[visible](X)
    assert_array_equal(rbm.hidden_probabilities(S), out[hidden](bits.hidden_probabilities(X)))
    assert_array_equal(rbm.sample_hidden(S, seed=1), out[hidden](bits.sample_hidden(X, seed=1)))
    assert_array_equal(rbm.gibbs(S, 5, seed=1), out[visible](bits.gibbs(X, 5, seed=1)))
    assert_array_equal(rbm.reconstruct(S), out[visible](bits.reconstruct(X)))
    for how in ({}, {"method": "tempering"}):
        assert_array_equal(rbm.sample(20, 10, 1, **how), out[visible](bits.sample(20, 10, 1, **how)))
    gaps = RNG.random(X.shape) < 0.3
    assert_array_equal(rbm.impute(S, gaps, 5, seed=1), out[visible](bits.impute(X, gaps, 5, seed=1)))
    assert_array_equal(
        likelihood.exact_samples(rbm, 9, 1), out[visible](likelihood.exact_samples(bits, 9, 1))
    )
    quick: Any = {"n_chains": 9, "n_temperatures": 9, "seed": 1}
    z = [rf.log_partition(one, "ais", **quick).log_weights for one in (rbm, bits)]
    assert_allclose(np.ptp(np.subtract(*z)), 0, atol=1e-12)
    for method in (rf.CD(), rf.PCD(), rf.PT(n_replicas=2)):
        settings: Any = {"method": method, "epochs": 3, "batch_size": 7, "seed": 1, "centered": True}
        rf.train(rbm, S, monitors=rf.PseudoLikelihood(), **settings)
        rf.train(bits, X, **settings)
        for name in "Wab":
            assert_array_equal(getattr(rbm._parameters, name), getattr(bits, name))
    assert rbm.W.tobytes() == (bits.W / (4 if visible == hidden else 2)).astype(np.float32).tobytes()


def test_gradient_by_finite_differences() -> None:
    rbm, X = model(), all_states("spin", V)[::3]
    gradient = likelihood.exact_gradient(rbm, X)
    for name in "Wab":
        value = getattr(rbm, name).copy()
        index = (1,) * value.ndim
        found = []
        for step in (-0.01, 0.01):
            moved = value.copy()
            moved[index] += step
            setattr(rbm, name, moved)
            found.append(rf.mean_log_likelihood(rbm, X).value)
        setattr(rbm, name, value)
        assert_allclose(np.diff(found)[0] / 0.02, getattr(gradient, name)[index], atol=1e-4)


def test_parameters_are_those_given_and_files_keep_every_bit(tmp_path: Path) -> None:
    rbm = model()
    for name, value in (("W", W), ("a", A), ("b", B)):
        assert_array_equal(getattr(rbm, name), value)
    rbm.b = B + 1
    assert_array_equal(rbm.b, B + 1)
    assert_array_equal(rbm.a, A)
    rf.train(rbm, all_states("spin", V), epochs=1, seed=1)
    before = rbm._parameters
    rbm.a = rbm.a
    assert rbm._parameters.b is not before.b and rbm._parameters.b.tobytes() == before.b.tobytes()
    rbm.save(tmp_path / "spins.rbm")
    for again in (rf.load(tmp_path / "spins.rbm"), pickle.loads(pickle.dumps(rbm))):
        assert repr(again) == "RBM(5, 3, visible='spin', hidden='spin')"
        for name in "Wab":
            assert_array_equal(getattr(again, name), getattr(rbm, name))
            assert_array_equal(getattr(again._parameters, name), getattr(rbm._parameters, name))
        assert_array_equal(again.visible_means, rbm.visible_means)
    with np.load(tmp_path / "spins.rbm") as file:
        assert_array_equal(file["W"], rbm.W)
    new = rf.RBM(V, H, visible="spin", hidden="spin", seed=0)
    assert not new.a.any() and not new.b.any() and 0.005 < new.W.std() < 0.02
    with pytest.raises(ValueError, match="a for states 0 and 1 must be finite"):
        rbm.a = np.full(V, 1e12)
    assert rbm.a.max() < 1e6


def test_deep_networks() -> None:
    X = all_states("spin", V)
    dbn = rf.DBN([V, 3, 2], visible="spin", seed=0)
    history = rf.up_down(dbn, X, epochs=1, seed=1, validation=X, optimizer=rf.SGD(0.0))
    error = float(((dbn.reconstruct(X) - X) ** 2).mean())
    assert_allclose(history["validation_reconstruction_error"][-1], error, rtol=1e-5)
    assert_allclose(history["reconstruction_error"][-1], 1.0, atol=0.1)  # of spins that nothing is known of
    with pytest.raises(ValueError, match="a network takes states 0 and 1, or real numbers, not those"):
        dbn.to_network(2)


def test_data() -> None:
    rbm, up = model(), RNG.random((6, V)) < 0.5
    spins = np.where(up, 1, -1)
    expected = rbm.free_energy(spins)
    packed = rf.Packed(np.packbits(up, axis=1), V)
    for X in (
        spins.astype(np.int8),
        spins.astype(float),
        spins.tolist(),
        up,
        packed,
        rf.Grey8(255 * up.astype(int)),
    ):
        assert_array_equal(rbm.free_energy(X), expected)
    grey = rbm.hidden_probabilities(np.zeros((1, V)))
    assert_allclose(grey, np.tanh(B)[None], atol=1e-4)
    rbm.initialize(spins)
    assert rbm.visible_means is not None
    assert_allclose(rbm.visible_means, spins.mean(axis=0), atol=1e-6)
    z = rf.log_partition(rbm, "ais", n_chains=50, n_temperatures=50, base=spins.mean(axis=0), seed=1)
    assert abs(z.value - rf.log_partition(rbm).value) < 0.5
    hole = np.zeros(up.shape, np.bool_)
    hole[:, 1] = True
    filled = rbm.impute(spins, hole, steps=3, seed=1)
    for X in (up, packed):
        assert_array_equal(rbm.impute(X, hole, steps=3, seed=1), filled)
    ones = np.ones((2, V), np.uint8)
    assert_array_equal(rbm.impute(ones, hole[:2], seed=1), rbm.impute(ones.astype(int), hole[:2], seed=1))
    with pytest.raises(ValueError, match="base must be rates from -1 to 1, got 2 to 2"):
        rf.ParallelTempering(rbm, base=np.full(V, 2.0))
    gaps = np.where(up, np.nan, -1.0)
    assert_array_equal(rbm.impute(gaps, steps=3, seed=1)[~up], -1)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, -1, 0, 1, 1]], r"V\[0, 2\] is 0, but these units have states -1 and 1 \(bool arrays mean"),
        ([[1.5, 1, 1, 1, 1]], r"V\[0, 0\] is 1.5, but these units have states -1 and 1, or numbers between"),
        ([[1.0, np.nan, 1, 1, 1]], r"V\[0, 1\] is nan, but missing values"),
        ([[1, 1]], "V must have 5 features"),
    ],
)
def test_bad_data(X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model().sample_hidden(X)
