"""Deep Boltzmann machines, against sums over all states."""

from __future__ import annotations

import copy
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.helpers import ALARM, small
from numpy.testing import assert_array_equal
from scipy.special import expit, logsumexp
from scipy.stats import chisquare

import rbmfast as rf
from rbmfast.training.settings import TrainSettings
from rbmfast.training.train import make_run

SIZES = [(4, 3, 3), (3, 3, 2, 2)]
of_sizes = pytest.mark.parametrize("sizes", SIZES, ids=str)


def machine(sizes: tuple[int, ...], seed: int = 0, scale: float = 0.8, visible: Any = "bernoulli") -> rf.DBM:
    """With weights and biases of such a standard deviation."""
    rng = np.random.default_rng(seed)
    rbms = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        W, a, b = (rng.normal(scale=scale, size=shape) for shape in ((n, m), n, m))
        rbms.append(rf.RBM.from_arrays(W, a, b, visible=visible if i == 0 else "bernoulli"))
    return rf.DBM.from_rbms(rbms)


def all_states(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Of every layer: (n_states, n units)."""
    states = np.array([*product((0, 1), repeat=sum(sizes))], np.uint8)
    return np.split(states, np.cumsum(sizes)[:-1], axis=1)


def energies(dbm: rf.DBM, layers: list[np.ndarray]) -> np.ndarray:
    """By the definition."""
    E = -sum(x @ b.astype(float) for x, b in zip(layers, dbm.biases, strict=True))
    pairs = zip(layers, dbm.weights, layers[1:], strict=False)
    return E - sum(((x @ W.astype(float)) * y).sum(axis=1) for x, W, y in pairs)


def log_p(dbm: rf.DBM) -> tuple[np.ndarray, np.ndarray]:
    """All visible states, and their log-probabilities."""
    layers = all_states(dbm.sizes)
    logs = (-energies(dbm, layers)).reshape(2**dbm.n_visible, -1)
    return layers[0][:: logs.shape[1]], logsumexp(logs, axis=1) - logsumexp(logs)


@of_sizes
def test_energies_partition_and_bounds(sizes: tuple[int, ...]) -> None:
    dbm = machine(sizes)
    layers = all_states(sizes)
    E = energies(dbm, layers)
    np.testing.assert_allclose(dbm.energy(*layers), E, atol=1e-5)
    z = rf.log_partition(dbm)
    assert z.value == pytest.approx(logsumexp(-E), abs=1e-5)
    V, exact = log_p(dbm)
    bound = rf.log_likelihood_bound(dbm, V, z, n_samples=2000, seed=1)
    assert (bound.each <= exact + 1e-6).all() and (bound.each > exact - 1).all()
    tighter = rf.log_likelihood_bound(dbm, V[:1], z, n_samples=20_000, seed=1).tighter
    assert tighter == pytest.approx(exact[0], abs=0.02)
    np.testing.assert_allclose(bound.each, -dbm.free_energy(V) - z.value)


@of_sizes
def test_mean_field_is_a_fixed_point(sizes: tuple[int, ...]) -> None:
    dbm = machine(sizes, scale=0.5)
    V = all_states(sizes[:1])[0]
    layers = [V, *dbm.mean_field(V), np.zeros((len(V), 0))]
    for i in range(1, len(sizes)):
        x = layers[i - 1] @ dbm.weights[i - 1] + dbm.biases[i]
        x = x + (layers[i + 1] @ dbm.weights[i].T if i < len(dbm) else 0)
        np.testing.assert_allclose(layers[i], expit(x), atol=2e-4)
        assert_array_equal(dbm.hidden_probabilities(V, i), layers[i])
    x = layers[1] @ dbm.weights[0].T + dbm.biases[0]
    np.testing.assert_allclose(dbm.reconstruct(V), expit(x), atol=2e-4)


class Positive(rf.PCD):
    """Keeps what the positive phase has found."""

    def negative_phase(self, model: Any, v: Any, x: Any, chains: Any) -> Any:
        model.memory["pairs"] = (v / 65535.0).T @ expit(x) / len(v)
        return super().negative_phase(model, v, x, chains)


@of_sizes
def test_the_positive_phase_is_the_slope_of_the_bound(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By finite differences; what the mean field would change with the weights is of second order."""
    monkeypatch.setattr("rbmfast.models.bipartite.LEARNING_STEPS", 30)
    monkeypatch.setattr("rbmfast.models.dbm.STEPS", 30)
    dbm, V = machine(sizes, scale=0.5), all_states(sizes[:1])[0][1::3]
    rbm, W, step = dbm.bipartite, dbm.bipartite.W, np.float32(2.0**-8)
    slopes = np.zeros(W.shape)
    for place in np.ndindex(W.shape):
        here = np.zeros_like(W)
        here[place] = step
        ends = []
        for sign in (-1, 1):
            rbm.W = W + sign * here
            ends.append(-dbm.free_energy(V).mean())
        slopes[place] = (ends[1] - ends[0]) / (2 * step)
    rbm.W = W
    run = make_run(dbm, V, TrainSettings(method=Positive(), optimizer=rf.SGD(1e-9), epochs=1, seed=1))
    run.go()
    np.testing.assert_allclose(run.memory["pairs"], slopes, atol=1e-3)


@of_sizes
def test_chains_reach_the_distribution(sizes: tuple[int, ...]) -> None:
    """A correct sampler would fail each test with probability ALARM, at a seed drawn by chance."""
    dbm = machine(sizes)
    _, logs = log_p(dbm)
    V, H = dbm.sample(20_000, steps=30, seed=1, return_hidden=True)
    again = dbm.gibbs(V, steps=5, seed=2)
    expected = 20_000 * np.exp(logs)
    for states in (V, again):
        counts = np.bincount(states @ 2 ** np.arange(sizes[0])[::-1], minlength=len(logs))
        assert chisquare(counts, expected).pvalue > ALARM
    means = np.exp(-energies(dbm, all_states(sizes)) - logsumexp(-energies(dbm, all_states(sizes))))
    for states, layer in zip(H, all_states(sizes)[1:], strict=True):
        assert states.dtype == np.uint8
        np.testing.assert_allclose(states.mean(axis=0), means @ layer, atol=6 * 0.5 / np.sqrt(20_000))


def test_filling_in_draws_from_the_conditional_distribution() -> None:
    dbm = machine((4, 3, 3))
    V, logs = log_p(dbm)
    known = V[:, :2] == (1, 0)
    logs = logs[known.all(axis=1)]
    filled = dbm.impute(np.tile([1, 0, np.nan, np.nan], (20_000, 1)), steps=30, seed=3)
    assert (filled[:, :2] == (1, 0)).all()
    counts = np.bincount((filled[:, 2:] @ (2, 1)).astype(int), minlength=4)
    assert chisquare(counts, 20_000 * np.exp(logs - logsumexp(logs))).pvalue > ALARM


@pytest.mark.parametrize("optimizer", [rf.SGD(0.5, momentum=0.5), rf.Adam(0.05)], ids=["sgd", "adam"])
def test_layers_that_do_not_touch_stay_apart(optimizer: Any) -> None:
    dbm, joined = rf.DBM([6, 5, 4, 3], seed=0), np.zeros((10, 8), bool)
    joined[:6, :5] = joined[6:, :5] = joined[6:, 5:] = True
    more: dict[str, Any] = {
        "method": rf.PCD(1),
        "centered": True,
        "penalties": [rf.L2(0.1), rf.SparsityTarget(0.1)],
    }
    rf.train(dbm, np.eye(6), optimizer=optimizer, epochs=5, seed=1, **more)
    assert_array_equal(dbm.bipartite.W != 0, joined)


def test_learning_raises_the_likelihood() -> None:
    X = np.repeat([[1, 1, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]], 50, axis=0)
    dbm = rf.DBM([6, 4, 3], seed=0)
    rf.train(
        dbm,
        X,
        method=rf.PCD(5),
        optimizer=rf.SGD(rf.Linear(0.2)),
        centered=True,
        epochs=60,
        batch_size=10,
        seed=1,
    )
    bound = rf.log_likelihood_bound(dbm, X, seed=1)
    assert -1.2 < bound.value <= bound.tighter + 1e-6 < -np.log(2) + 0.01


@pytest.mark.parametrize(
    "visible", ["spin", "gaussian", rf.Categorical(2), rf.Mixed([(rf.Spin(), 2), (rf.Gaussian(), 2)])]
)
def test_other_visible_units(visible: Any, tmp_path: Path) -> None:
    """A layer above that has no weights changes nothing: the model is the RBM below it."""
    rbm = small(4, 3, visible=visible)
    dbm = rf.DBM.from_rbms([rbm, rf.RBM.from_arrays(np.zeros((3, 2)), np.zeros(3), np.zeros(2))])
    V = rbm.sample(20, steps=5, seed=1)
    z, own = rf.log_partition(dbm), rf.log_partition(rbm)
    assert z.value == pytest.approx(own.value + 2 * np.log(2), abs=1e-4)
    bound = rf.log_likelihood_bound(dbm, V, z)
    np.testing.assert_allclose(bound.each, rf.log_likelihood(rbm, V, own), atol=1e-4)
    np.testing.assert_allclose(dbm.reconstruct(V), rbm.reconstruct(V), atol=1e-4)
    assert dbm.sample(3, steps=2, seed=1).dtype == rbm.sample(3, steps=2, seed=1).dtype
    assert dbm.visible == rbm.visible
    dbm.save(tmp_path / "model")
    assert repr(rf.load(tmp_path / "model")) == repr(dbm)


def test_files_copies_and_networks(tmp_path: Path) -> None:
    dbm = machine((6, 5, 4, 3), scale=0.3)
    dbm.save(tmp_path / "model")
    twin, copied = rf.load(tmp_path / "model"), copy.copy(dbm)
    V = all_states((6,))[0]
    for other in (twin, copied):
        assert_array_equal(other.mean_field(V)[2], dbm.mean_field(V)[2])
    dbm.bipartite.b = np.zeros(8)
    assert copied.biases[1].any() and not dbm.biases[1].any()
    two = machine((6, 5, 4), scale=0.3)
    network = two.to_network(3, seed=0)
    np.testing.assert_allclose(network.transform(two.features(V)), two.mean_field(V)[1], atol=1e-3)
    rf.fine_tune(network, two.features(V), np.arange(64) % 3, epochs=1, seed=1)
    deep = dbm.to_network(head=None)
    assert deep.transform(dbm.features(V), -1).shape == (64, 3)


BAD: dict[str, tuple[Any, str]] = {
    "two layers": (lambda d: rf.DBM([4, 3]), "two or more hidden layers"),
    "sizes": (lambda d: rf.DBM([4, 0, 2]), r"sizes\[1\]"),
    "no sizes": (lambda d: rf.DBM("abc"), "sizes must be a list"),
    "rbms": (lambda d: rf.DBM.from_rbms([rf.RBM(4, 3), rf.RBM(2, 2)]), r"rbms\[1\] must have 3"),
    "hidden": (lambda d: rf.DBM.from_rbms([rf.RBM(4, 3, hidden="gaussian")] * 2), r"rbms\[1\] is already"),
    "units": (
        lambda d: rf.DBM.from_rbms([rf.RBM(4, 3), rf.RBM(3, 2, hidden="spin")]),
        r"rbms\[1\] must have hidden Bernoulli units",
    ),
    "layers of energy": (lambda d: d.energy([[0] * 4], [[0] * 3]), "H must be the states of 2 hidden layers"),
    "rows of energy": (lambda d: d.energy([[0] * 4] * 2, [[0] * 3], [[0] * 3]), "equally many rows"),
    "columns": (lambda d: d.mean_field([[0] * 5]), "V must have 4"),
    "layer": (lambda d: d.hidden_probabilities([[0] * 4], 0), "layer must be a hidden layer"),
    "labels": (lambda d: d.to_network(), "n_outputs must be given"),
    "method": (lambda d: rf.train(d, [[0, 1, 0, 1]] * 2, method="cd"), "method must have persistent chains"),
    "missing": (lambda d: rf.train(d, [[0, np.nan, 0, 1]] * 2, method="pcd"), "X must be complete"),
    "monitor": (
        lambda d: rf.train(d, [[0, 1, 0, 1]] * 2, method="pcd", monitors=rf.PseudoLikelihood()),
        "PseudoLikelihood in monitors asks for n_hidden",
    ),
    "model": (lambda d: rf.log_likelihood(d, [[0] * 4]), "rbm must be an rf.RBM, got DBM"),
    "bound": (
        lambda d: rf.log_likelihood_bound(rf.RBM(4, 3), [[0] * 4]),
        "dbn must be an rf.DBN or an rf.DBM",
    ),
    "grey": (lambda d: rf.log_likelihood_bound(d, [[0.5] * 4]), "grey level"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_inputs(what: str) -> None:
    ask, message = BAD[what]
    dbm = machine((4, 3, 3))
    before = dbm.to_state()[1]["W"].tobytes()
    with pytest.raises((TypeError, ValueError), match=message):
        ask(dbm)
    assert dbm.to_state()[1]["W"].tobytes() == before
