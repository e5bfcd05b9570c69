"""Gaussian units of other standard deviations: given ones, and learned ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast.training.state import get_parameters, set_parameters

SIGMA = np.array([0.5, 3.0])
W = np.array([[0.6, -1.0, 0.3], [0.4, 0.5, -0.7]])
A, B = np.array([0.3, -2.0]), np.array([0.1, -0.2, 0.4])
V = np.array([[0.0, 0.0], [1.0, -3.0], [-0.5, 4.0]])
H = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 1]])


def given(hidden: Any = "bernoulli") -> rf.RBM:
    return rf.RBM.from_arrays(W, A, B, visible=rf.Gaussian(SIGMA), hidden=hidden)


def learned(hidden: Any = "bernoulli") -> rf.RBM:
    """The same model, of units that have seen data and learned since."""
    rbm = rf.RBM(2, 3, visible=rf.Gaussian("learned"), hidden=hidden, seed=0)
    rbm.initialize(np.random.default_rng(0).normal(5.0, [1.0, 2.0], size=(50, 2)))
    set_parameters(rbm, {"visible.log_sigma": np.log(SIGMA).astype(np.float32)})
    rbm.W, rbm.a, rbm.b = W, A, B
    return rbm


MODELS = {"given": given, "learned": learned}


def energy(v: Any, h: Any) -> Any:
    """Of the docstring."""
    return ((v - A) ** 2 / SIGMA**2).sum(axis=-1) / 2 - h @ B - ((v / SIGMA) @ W * h).sum(axis=-1)


@pytest.mark.filterwarnings("ignore:ais. the weights are so large")
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
def test_energies_and_likelihoods_are_those_of_the_units_of_the_data(model: Any, hidden: str) -> None:
    """By the formula; log Z and densities by an integral over a grid."""
    rbm, states = model(hidden), H if hidden == "bernoulli" else 2 * H - 1
    for name, shown in zip("Wab", (W, A, B), strict=True):
        assert_allclose(getattr(rbm, name), shown, rtol=1e-6, atol=1e-6)
    assert_allclose(rbm.energy(V, states), energy(V, states), rtol=3e-4)
    grid = np.stack(np.meshgrid(np.arange(-6, 6, 0.05), np.arange(-30, 26, 0.3), indexing="ij"), axis=-1)
    grid = grid.reshape(-1, 2)
    log_z = logsumexp(-rbm.free_energy(grid)) + np.log(0.05 * 0.3)
    z = rf.log_partition(rbm)
    assert_allclose(z.value, log_z, atol=1e-4)
    assert_allclose(
        rf.log_partition(rbm, "ais", n_chains=500, n_temperatures=200, seed=1).value, log_z, atol=0.1
    )
    assert_allclose(rf.log_likelihood(rbm, V, log_z=z), -rbm.free_energy(V) - log_z, atol=1e-4)
    samples = rbm.sample(4000, steps=100, seed=1)
    p = np.exp(-rbm.free_energy(grid) - log_z) * 0.05 * 0.3
    assert_allclose(samples.mean(axis=0), p @ grid, atol=0.15)
    assert_allclose(samples.std(axis=0), np.sqrt(p @ (grid - p @ grid) ** 2), rtol=0.05)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_conditionals(model: Any) -> None:
    rbm = model()
    assert_allclose(rbm.visible_probabilities(H), A + SIGMA * (H @ W.T), rtol=1e-5, atol=1e-5)
    p = 1 / (1 + np.exp(-((V / SIGMA) @ W + B)))
    assert_allclose(rbm.hidden_probabilities(V), p, atol=2e-4)
    drawn = rbm.sample_visible(np.tile(H[1], (20_000, 1)), seed=1)
    assert_allclose(drawn.std(axis=0), SIGMA, rtol=0.03)
    filled = rbm.impute([[0.5, np.nan]], steps=10, seed=1)
    assert filled[0, 0] == np.float32(0.5)


@pytest.mark.filterwarnings("ignore:X. 2 of 2 columns")
def test_gradient_of_log_sigma() -> None:
    """By finite differences of the exact likelihood; weights and biases computed with stay as they are."""
    rbm = learned()
    X = np.random.default_rng(1).normal(A, SIGMA, size=(40, 2))
    before = get_parameters(rbm)
    twin = rf.RBM.from_state(*rbm.to_state())
    rf.train(twin, X, method=Exact(), optimizer=rf.SGD(1.0), epochs=1, batch_size=40, seed=1)
    step = (twin.parameters()["visible.log_sigma"] - rbm.parameters()["visible.log_sigma"]) / 0.1  # a tenth
    for i in range(2):
        ends = []
        for shift in (-0.01, 0.01):
            moved = before["visible.log_sigma"].copy()
            moved[i] += shift
            set_parameters(rbm, before | {"visible.log_sigma": moved})
            ends.append(rf.log_likelihood(rbm, X).mean())
        assert_allclose(step[i], (ends[1] - ends[0]) / 0.02, atol=0.05)


class Exact(rf.CD):
    """Contrastive divergence with a sample so large that it counts as the model itself."""

    def negative_phase(self, model: Any, v: Any, x: Any, chains: Any) -> Any:
        drawn, _ = model.at(0, 0).gibbs(np.tile(v, (1000, 1)), 20)
        return drawn, model.up.input(drawn)


def unscaled(n: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(3, 20)) * 3
    return rng.normal(size=(n, 3)) @ mixing + 5


def test_learning_from_data_of_any_scale() -> None:
    """Better than independent normal units, and the same whatever the unit of measurement."""
    train, held_out = unscaled(2000, 1), unscaled(500, 2)
    alone = -0.5 * ((held_out - train.mean(axis=0)) / train.std(axis=0)) ** 2 - np.log(train.std(axis=0))
    alone = (alone - 0.5 * np.log(2 * np.pi)).sum(axis=1).mean()
    found = []
    settings: Any = {"method": "cd", "optimizer": rf.SGD(0.05, 0.5), "penalties": (), "centered": False}
    for factor in (1.0, 1024.0):
        rbm = rf.RBM(20, 12, visible=rf.Gaussian("learned"), seed=0)
        rf.train(rbm, factor * train, epochs=30, seed=1, **settings)
        found.append(rf.log_likelihood(rbm, factor * held_out).mean() + 20 * np.log(factor))
    assert found[0] > alone + 3
    assert_allclose(found[1], found[0], atol=0.1)  # logarithms are rounded


def test_prepared_rows_begin_as_the_data_do() -> None:
    """With entries missing, and spins beside, whose states are prepared as 0 and 1."""
    X = unscaled(60, 1)[:, :4]
    X[:, 0] = np.sign(X[:, 0])
    X[3, 2] = np.nan
    unit = rf.Mixed([(rf.units.Spin(), 1), (rf.Gaussian("learned"), 3)])
    found = []
    for data in (X, unit.rows(X, 4, may_miss=True)):
        rbm = rf.RBM(4, 3, visible=unit, seed=0)
        rf.train(rbm, data, epochs=2, seed=1)
        found.append(get_parameters(rbm))
    for name, array in found[0].items():
        assert_array_equal(found[1][name], array)


def test_files_and_runs_keep_every_bit(tmp_path: Path) -> None:
    X = unscaled(60, 1)[:, :4]
    whole, parts = (rf.RBM(4, 3, visible=rf.Gaussian("learned"), seed=0) for _ in range(2))
    settings: dict[str, Any] = {"batch_size": 20, "seed": 1, "optimizer": rf.SGD(0.01, momentum=0.5)}
    rf.train(whole, X, epochs=3, **settings)
    rf.train(parts, X, epochs=1, checkpoint=tmp_path / "run", **settings)
    parts = rf.RBM(4, 3, visible=rf.Gaussian("learned"), seed=0)
    rf.train(parts, X, epochs=3, resume=tmp_path / "run", **settings)
    for rbm in (whole, given()):
        rbm.save(tmp_path / "model")
        loaded = rf.load(tmp_path / "model")
        assert loaded.visible == rbm.visible
        assert_array_equal(loaded.sample(9, 5, seed=1), rbm.sample(9, 5, seed=1))
    for name, array in whole.parameters().items():
        assert_array_equal(parts.parameters()[name], array, name)


@pytest.mark.filterwarnings("ignore:X. 1 of 2 columns")
def test_blocks_and_deep_models() -> None:
    X = unscaled(60, 1)[:, :2]
    columns = np.hstack([X, (X > 5).astype(float)])
    unit = rf.Mixed([(rf.Gaussian("learned"), 2), (rf.Spin(), 2)])
    columns[:, 2:] = 2 * columns[:, 2:] - 1
    rbm = rf.RBM(4, 3, visible=unit, seed=0)
    rf.train(rbm, columns, epochs=2, optimizer=rf.SGD(0.01), seed=1)
    assert_allclose(rbm.sample(2000, 50, seed=1)[:, :2].std(axis=0), X.std(axis=0), rtol=0.2)
    dbn = rf.DBN([2, 3, 3], visible=rf.Gaussian(X.std(axis=0)), seed=0)
    rf.pretrain(dbn, X, epochs=2, optimizer=rf.SGD(0.01), seed=1)
    z = rf.log_partition(dbn.generative[-1])
    scaled = rf.DBN([2, 3, 3], visible="gaussian", seed=0)
    rf.pretrain(scaled, X / X.std(axis=0), epochs=2, optimizer=rf.SGD(0.01), seed=1)
    bounds = [
        rf.log_likelihood_bound(model, rows, log_z=z, seed=1).value
        for model, rows in ((dbn, X), (scaled, X / X.std(axis=0)))
    ]
    assert_allclose(bounds[0], bounds[1] - np.log(X.std(axis=0)).sum(), atol=1e-3)


@pytest.mark.parametrize(
    ("sigma", "words"),
    [(0.0, "sigma must be a finite number above 0"), ("free", "or .learned., got 'free'"),
     ([[1.0]], "one for each unit"), ([1.0, -1.0], "each sigma must be"), ([], "one for each unit"),
     (1e-300, "sigma must be from 1e-15 to 1e.15"), ([[1], [1, 2]], "one for each unit")],
)  # fmt: skip
def test_other_sigmas_are_refused(sigma: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        rf.Gaussian(sigma)


def test_sizes_and_hidden_layers() -> None:
    with pytest.raises(ValueError, match="n_visible must be 2, one for each of sigma, got 3"):
        rf.RBM(3, 2, visible=rf.Gaussian(SIGMA))
    for hidden in (rf.Gaussian(2.0), rf.Mixed([(rf.Gaussian("learned"), 2)])):
        with pytest.raises(
            ValueError, match="hidden Gaussian units must have sigma=1: another one is a factor"
        ):
            rf.RBM(3, 2, hidden=hidden)


def test_learned_units_are_not_advised_to_learn() -> None:
    rows = rf.Gaussian().rows(np.random.default_rng(0).normal(9, 5, size=(40, 2)), 2)
    assert "learned" in str(rf.Gaussian().doubts(rows))
    assert rf.Gaussian("learned").doubts(rows) is None


def test_what_is_refused_leaves_no_trace() -> None:
    """A learned sigma does not begin with data that are refused."""
    rbm, X = (
        rf.RBM(3, 2, visible=rf.Gaussian("learned"), seed=0),
        1000 * np.random.default_rng(0).normal(size=(40, 3)),
    )
    before = rbm.to_state()[0]
    for settings in ({"validation": X[:, :2]}, {"sample_weight": [1.0]}):
        with pytest.raises(ValueError, match=r"validation|sample_weight"):
            rf.train(rbm, X, epochs=1, **settings)
    with pytest.raises(ValueError, match="y"):
        rf.pretrain(rf.DBN([3, 2], visible=rf.Gaussian("learned"), seed=0), X, X)
    assert rbm.to_state()[0] == before
