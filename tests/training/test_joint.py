"""What a Boltzmann machine learns from: gradients against all states, and against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models.test_boltzmann import HIDDEN, UNITS, energies_of, every_unit, machine, states_of
from numpy.testing import assert_allclose, assert_array_equal
from training.helpers import TEXTBOOK

import rbmfast as rf
from rbmfast import reference
from rbmfast.models.boltzmann import as_bits
from rbmfast.models.joint_path import JointPath
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods import Method

STREAM = Stream(1, Purpose.PCD)


def own_states(bm: rf.BoltzmannMachine, S: Any) -> Any:
    return as_bits(bm.units.rows(S, S.shape[1]).all())


def gradient(bm: rf.BoltzmannMachine, method: Method, s: Any, chains: Any = None, weights: Any = None) -> Any:
    return method.joint_gradient(path_to(bm), s, STREAM, chains, weights)


def path_to(bm: rf.BoltzmannMachine) -> JointPath:
    p = bm._parameters
    return JointPath(p.within, p.a, np.full_like(p.a, 0.3))


@pytest.mark.parametrize("name", [name for name in UNITS if name != "spin"])  # which learn as 0 and 1
def test_pseudo_likelihood_rises_along_its_gradient(name: str) -> None:
    """By differences over each bias and each pair of units that may interact; with weights of rows."""
    bm, S = machine(name, scale=0.5), states_of(name)
    S = S[np.random.default_rng(0).integers(0, len(S), 7)]
    weights = np.array([1.0, 0, 2, 1, 1, 0.5, 1])
    found = gradient(bm, rf.MaximumPseudoLikelihood(), own_states(bm, S), weights=weights)
    W, a = bm.W.copy(), bm.a.copy()

    def mean() -> float:
        other = rf.BoltzmannMachine.from_arrays(W, a, units=bm.units)
        return float(weights @ rf.pseudo_likelihood(other, S)) / len(S)

    step = np.float32(2.0**-6)
    for i in range(len(a)):
        a[i] += step
        up = mean()
        a[i] -= 2 * step
        assert_allclose(found.a[i], (up - mean()) / (2 * step), atol=2e-4)
        a[i] += step
    for i, j in np.argwhere(np.triu(bm._joined)):
        W[i, j] = W[j, i] = bm.W[i, j] + step
        up = mean()
        W[i, j] = W[j, i] = bm.W[i, j] - step
        assert_allclose(found.W[i, j], (up - mean()) / (2 * step), atol=2e-4)
        W[i, j] = W[j, i] = bm.W[i, j]
    assert_array_equal(found.W, found.W.T)


@every_unit
@pytest.mark.parametrize("method", [rf.PCD(2), rf.PT(4, 2)])
def test_chains_estimate_the_likelihoods_gradient(name: str, method: Method) -> None:
    """30 000 chains that come from the machine, or from its replicas, stay so: within 6 standard errors.

    False alarms are below 1e-6.
    """
    bm, S, n = machine(name, HIDDEN[name], scale=0.3), states_of(name), 30_000
    own, rng, path = own_states(bm, S), np.random.default_rng(0), path_to(bm)
    p = np.exp(-energies_of(bm, S))
    p /= p.sum()
    betas = np.linspace(0, 1, method.replicas) if method.replicas > 1 else [1]
    shares = [np.exp(beta * path.gain(own) + own @ path.base) for beta in betas]
    assert_allclose(shares[-1] / shares[-1].sum(), p, atol=1e-6)
    data, chains = own[:5], np.vstack([own[rng.choice(len(S), n, p=q / q.sum())] for q in shares])
    before = chains.copy()
    found = gradient(bm, method, data, chains)
    assert (chains != before).any()
    s = own.astype(float)
    pairs, means = (s * p[:, None]).T @ s, p @ s
    error = np.sqrt(0.25 / n)
    assert np.abs(found.W - (data.T.astype(float) @ data / 5 - pairs)).max() < 6 * error
    assert np.abs(found.a - (data.mean(axis=0) - means)).max() < 6 * error


def test_updates_are_those_of_the_reference() -> None:
    """Plain PCD: chains and parameters, written with the reference alone."""
    bm, method = rf.BoltzmannMachine(9, seed=0), rf.PCD(2, 40)
    X = np.random.default_rng(0).integers(0, 2, (40, 9)).astype(np.uint8)
    state: dict[str, Any] = {}

    class Keep(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            state[f"{progress.epoch}"] = progress.rbm.W.copy(), progress.rbm.a.copy()

    settings: dict[str, Any] = {**TEXTBOOK, "method": method, "optimizer": 0.5, "batch_size": 40}
    rf.train(bm, X, epochs=2, seed=7, callbacks=Keep(), **settings)
    ones = X.sum(axis=0).astype(np.int64) * 65535
    a = reference.log(((ones + 65535) / (40 * 65535 - ones + 65535)).astype(np.float32))
    W = np.zeros((9, 9), np.float32)
    chains = reference.bernoulli(np.tile(a, (40, 1)), 7, Purpose.CHAIN_START, 0, 0)
    scale = np.float32(1 / (65535 * 40))
    for t in range(2):
        chains = reference.sweep(reference.Weights(W), a, chains, 2, 7, Purpose.PCD, 0, 2 * t)
        pairs = [(s.astype(np.int64).T @ s) * 65535 for s in (X, chains)]
        means = X.sum(axis=0, dtype=np.float32) - chains.sum(axis=0, dtype=np.float32)
        slope = (pairs[0] - pairs[1]).astype(np.float32) * scale
        np.fill_diagonal(slope, 0)
        W = W + np.float32(0.5) * slope
        a = a + np.float32(0.5) * (means * np.float32(1 / 40))
        assert_array_equal(state[f"{t + 1}"][0], W)
        assert_array_equal(state[f"{t + 1}"][1], a)


def test_weights_count_rows() -> None:
    """A row of weight 2 teaches as much as two rows; a penalty of one's own is symmetric, if it is not."""
    X = np.random.default_rng(1).integers(0, 2, (6, 4))
    settings: dict[str, Any] = {
        "method": rf.MaximumPseudoLikelihood(),
        "epochs": 3,
        "batch_size": 8,
        "seed": 1,
    }

    class Odd:
        def gradient(self, W: Any) -> Any:
            return -0.1 * np.triu(W + 1)

    one, two = (rf.BoltzmannMachine(4, seed=0) for _ in range(2))
    one.a = two.a = np.zeros(4)
    rf.train(one, np.vstack([X, X[:2]]), penalties=[Odd()], **settings)
    weights = np.array([2, 2, 1, 1, 1, 1]) * 6 / 8
    rf.train(two, X, sample_weight=weights, penalties=[Odd()], **settings)
    assert_allclose(one.W, two.W, atol=1e-4)
    assert_array_equal(one.W, one.W.T)


def test_hidden_units_and_missing_entries_are_learned_from() -> None:
    """Two visible units that agree through a hidden one alone; entries are missing."""
    W, more = np.array([[0, 0, 1.0], [0, 0, 1], [1, 1, 0]]), {"n_hidden": 1, "units": "spin"}
    true, bm = (rf.BoltzmannMachine.from_arrays(c * W, np.zeros(3), **more) for c in (1, 0.2))
    X = true.sample(2000, steps=20, seed=1).astype(float)
    X[::10, 0] = np.nan
    optimizer = rf.SGD(rf.Linear(0.2), 0.5)
    rf.train(bm, X, method=rf.PCD(1, 500), optimizer=optimizer, epochs=40, batch_size=200, seed=1)
    states = [[-1, -1], [-1, 1], [1, 1]]
    ours, theirs = rf.log_likelihood(bm, states), rf.log_likelihood(true, states)
    assert np.abs(ours - theirs).max() < 0.3  # before: 0.9
