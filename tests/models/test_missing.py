"""What models say of rows with missing entries."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf

RNG = np.random.default_rng(0)
COUNTABLE = {
    "bernoulli": "bernoulli",
    "spin": "spin",
    "categorical": rf.Categorical(3),
    "binomial": rf.Binomial(2),
    "blocks": rf.Mixed([(rf.Spin(), 1), (rf.Categorical(3), 3), (rf.Bernoulli(), 2)]),
}

DOCUMENTS = {"counts": rf.Counts(4), "beside": rf.Mixed([(rf.Counts(3), 3), (rf.Bernoulli(), 3)])}


def model(visible: Any, hidden: Any) -> rf.RBM:
    W, a, b = RNG.normal(size=(6, 6)) / 2, RNG.normal(size=6) / 2, RNG.normal(size=6)
    return rf.RBM.from_arrays(W, a, b, visible=visible, hidden=hidden)


def with_holes(rbm: rf.RBM, V: Any) -> Any:
    gaps = rbm.visible.whole(RNG.random(V.shape) < 0.3)
    gaps[0], gaps[1] = True, False
    return np.where(gaps, np.nan, V)


@pytest.mark.parametrize("visible, hidden", [*product(COUNTABLE, COUNTABLE), *product(DOCUMENTS, COUNTABLE)])
def test_missing_entries_are_summed_out(visible: str, hidden: str) -> None:
    """Against all their completions: probabilities that add up, and means weighted with these."""
    rbm = model({**COUNTABLE, **DOCUMENTS}[visible], COUNTABLE[hidden])
    V = with_holes(rbm, rbm.sample(9, 5, seed=1))
    every = rbm.visible.shown(rbm.visible.states(6, np.arange(rbm.visible.count_states(6) or 0)))
    energies, means = rbm.free_energy(every), rbm.hidden_probabilities(every)
    fits = [((every == v) | np.isnan(v)).all(axis=1) for v in V]
    expected = [-logsumexp(-energies[fit]) for fit in fits]
    assert_allclose(rbm.free_energy(V), expected, atol=1e-5)
    weights = [np.exp(-energies[fit] - logsumexp(-energies[fit])) for fit in fits]
    given = [w @ means[fit] for w, fit in zip(weights, fits, strict=True)]
    assert_allclose(rbm.hidden_probabilities(V), given, atol=1e-5)
    assert_array_equal(rbm.hidden_probabilities(V)[1], rbm.hidden_probabilities(V[1:2])[0])
    assert_allclose(rf.log_likelihood(rbm, V)[0], 0, atol=1e-5)  # of nothing
    mean = rf.mean_log_likelihood(rbm, V).value
    assert_allclose(mean, np.mean([logsumexp(rf.log_likelihood(rbm, every[fit])) for fit in fits]), atol=1e-5)


def test_absent_documents_leave_the_hidden_bias_of_their_length() -> None:
    rbm, nothing = model(rf.Counts(4), "bernoulli"), np.full((1, 6), np.nan)
    assert_allclose(rbm.free_energy(nothing, missing="absent"), -np.log1p(np.exp(4 * rbm.b)).sum(), rtol=1e-5)
    for ask in (model("counts", "bernoulli").free_energy, model("counts", "bernoulli").hidden_probabilities):
        with pytest.raises(ValueError, match="beside counts of no given length"):
            ask(nothing)


def test_real_units_are_integrated_out() -> None:
    rbm = model(rf.Mixed([(rf.Gaussian([2.0, 0.5, 3.0]), 3), (rf.Bernoulli(), 3)]), "bernoulli")
    V = rbm.sample(4, 5, seed=1)
    grid = np.arange(-12, 12, 0.05)
    filled = np.repeat(V[:, None], len(grid), axis=1)
    filled[:, :, 1], V[:, 1] = grid, np.nan
    sums = logsumexp(-rbm.free_energy(filled.reshape(-1, 6)).reshape(4, -1), axis=1) + np.log(0.05)
    assert_allclose(rbm.free_energy(V), -sums, atol=1e-3)  # in products, states count on a grid
    assert_allclose(rf.log_likelihood(rbm, np.full((1, 6), np.nan)), 0, atol=1e-9)
    known = without(rbm, [1]).free_energy(np.delete(V, 1, axis=1))
    assert_allclose(rbm.free_energy(V, missing="absent"), known, atol=1e-3)


def without(rbm: rf.RBM, units: list[int]) -> rf.RBM:
    """The model that lacks some visible units."""
    W, a = (np.delete(array, units, axis=0) for array in (rbm.W, rbm.a))
    blocks = rf.Mixed([(rf.Gaussian([2.0, 3.0]), 2), (rf.Bernoulli(), 3)])
    visible = blocks if isinstance(rbm.visible, rf.Mixed) else rbm.visible
    return rf.RBM.from_arrays(W, a, rbm.b, visible=visible, hidden=rbm.hidden)


@pytest.mark.parametrize("hidden", ["bernoulli", "spin", "gaussian", rf.Categorical(2)], ids=str)
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", rf.Categorical(3)], ids=str)
def test_absent_units_leave_a_smaller_model(visible: Any, hidden: Any) -> None:
    rbm = model(visible, hidden)
    V = rbm.sample(5, 5, seed=1).astype(float)
    V[:, 3:] = np.nan
    less = without(rbm, [3, 4, 5])
    assert_allclose(rbm.free_energy(V, missing="absent"), less.free_energy(V[:, :3]), atol=1e-5)
    means = rbm.hidden_probabilities(V, missing="absent")
    assert_allclose(means, less.hidden_probabilities(V[:, :3]), atol=1e-6)
    assert_allclose(rbm.reconstruct(V, missing="absent")[:, :3], less.reconstruct(V[:, :3]), atol=1e-4)


def test_reconstruct_takes_means_for_what_is_missing() -> None:
    rbm = model("bernoulli", "bernoulli")
    rbm.initialize([[0, 1, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0]])
    V, means = np.array([[1, np.nan, 0, np.nan, 1, 0]]), rbm.visible_means
    assert_array_equal(rbm.reconstruct(V), rbm.reconstruct(np.where(np.isnan(V), means, V)))


def test_refusals() -> None:
    V = np.array([[1, 0, np.nan, 0, 1, 0]])
    wide, real = rf.RBM(6, 21, seed=0), model("bernoulli", "gaussian")
    for ask in (wide.free_energy, wide.hidden_probabilities):
        with pytest.raises(ValueError, match=r"at most 2\*\*20; RBM\(6, 21\) has 2\*\*21. Fill them in by"):
            ask(V)
        assert np.isfinite(ask(V, missing="absent")).all()
    with pytest.raises(ValueError, match="has uncountably many"):
        real.free_energy(V)
    with pytest.raises(ValueError, match="visible units whose state 0 sends nothing, got spin"):
        model("spin", "bernoulli").free_energy(2 * V - 1, missing="absent")
    with pytest.raises(ValueError, match="visible units whose state 0 sends nothing, got spin"):
        rf.train(rf.RBM(6, 2, visible="spin", seed=0), np.ones((4, 6)), missing="absent")
    with pytest.raises(TypeError, match="average must be True or False, got 'yes'"):
        wide.impute(V, average="yes")  # type: ignore[arg-type]
    for ask in (wide.sample_hidden, wide.gibbs):
        with pytest.raises(ValueError, match=r"V\[0, 2\] is nan, but missing values are not allowed"):
            ask(V)
