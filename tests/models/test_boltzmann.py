"""The general Boltzmann machine: against all states of small ones, and against the reference."""

from __future__ import annotations

import copy
import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from models.helpers import ALARM
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import chisquare

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import reference
from rbmfast.streams import Purpose

UNITS: dict[str, tuple[Any, list[int]]] = {  # and the sizes of sites
    "bernoulli": ("bernoulli", [1] * 5),
    "spin": ("spin", [1] * 5),
    "groups": (rf.Categorical(3), [3] * 3),
    "groups of all sizes": (rf.Categorical([2, 3, 4]), [2, 3, 4]),
}
every_unit = pytest.mark.parametrize("name", UNITS)


def machine(name: str, n_hidden: int = 0, graph: Any = None, scale: float = 1.0) -> rf.BoltzmannMachine:
    """With random parameters: multiples of 2**-10, which are exact in fixed point."""
    unit, sizes = UNITS[name]
    n, rng = sum(sizes), np.random.default_rng(3)
    new = rf.BoltzmannMachine(n - n_hidden, n_hidden, units=unit, graph=graph, seed=0)
    site = np.repeat(np.arange(len(sizes)), sizes)
    half = np.triu(np.rint(scale * rng.normal(size=(n, n)) * 1024) / 1024, 1) * new.graph[site[:, None], site]
    a = np.rint(rng.normal(size=n) * 1024) / 1024
    return rf.BoltzmannMachine.from_arrays(half + half.T, a, n_hidden=n_hidden, units=unit, graph=graph)


def states_of(name: str) -> Any:
    """Every state of all units, as it is shown."""
    _, sizes = UNITS[name]
    own = [np.eye(k) if k > 1 else np.array([[0.0], [1.0]]) for k in sizes]
    if name == "spin":
        own = [2 * states - 1 for states in own]
    return np.array([np.concatenate(parts) for parts in itertools.product(*own)])


def energies_of(bm: rf.BoltzmannMachine, S: Any) -> Any:
    W, a = bm.W.astype(np.float64), bm.a.astype(np.float64)
    return -0.5 * np.einsum("ri,ij,rj->r", S, W, S) - S @ a


HIDDEN = {"bernoulli": 2, "spin": 1, "groups": 3, "groups of all sizes": 4}


@every_unit
def test_every_state(name: str) -> None:
    """Energies, log Z, likelihoods and pseudo-likelihoods, with hidden units, too."""
    S = states_of(name)
    for n_hidden in (0, HIDDEN[name]):
        bm = machine(name, n_hidden)
        E = energies_of(bm, S)
        assert_allclose(bm.energy(S), E, atol=1e-5)
        log_z = logsumexp(-E)
        assert_allclose(rf.log_partition(bm).value, log_z, atol=1e-5)
        V, where = np.unique(S[:, : bm.n_visible], axis=0, return_inverse=True)
        log_p = np.array([logsumexp(-E[where.ravel() == i]) for i in range(len(V))]) - log_z
        assert_allclose(rf.log_likelihood(bm, V), log_p, atol=1e-5)
        sites = bm.visible.sites(bm.n_visible)
        expected = np.zeros(len(V))
        for site in sites:
            others = np.delete(V, np.arange(site.start, site.stop), axis=1)
            same = (others[:, None] == others).all(axis=2)
            expected += log_p - logsumexp(np.where(same, log_p, -np.inf), axis=1)
        assert_allclose(rf.pseudo_likelihood(bm, V), expected, atol=2e-5)
        some = rf.pseudo_likelihood(bm, V, units=[0])
        assert_allclose(sum(rf.pseudo_likelihood(bm, V, units=[i]) for i in range(len(sites))),
                        expected * len(sites), atol=1e-4)  # fmt: skip
        assert some.shape == (len(V),)


@every_unit
def test_conditionals(name: str) -> None:
    bm, S = machine(name), states_of(name)
    p = np.exp(-energies_of(bm, S))
    expected = np.empty(S.shape)
    for site in bm.units.sites(S.shape[1]):
        others = np.delete(S, np.arange(site.start, site.stop), axis=1)
        same = (others[:, None] == others).all(axis=2)
        expected[:, site] = (same * p) @ S[:, site] / (same @ p)[:, None]
    assert_allclose(bm.conditional_probabilities(S), expected, atol=1e-5)


@every_unit
def test_sweeps_leave_the_distribution_as_it_is(name: str) -> None:
    """Of 20 000 chains. False alarms: ALARM for each of four unit types, with hidden units held or not."""
    bm, S, n = machine(name, HIDDEN[name], scale=0.3), states_of(name), 20_000
    p = np.exp(-energies_of(bm, S))
    number = {tuple(s): i for i, s in enumerate(S)}
    drawn = bm.gibbs(S[np.arange(n) % len(S)], steps=40, seed=1)
    counts = np.bincount([number[tuple(s)] for s in drawn.astype(float)], minlength=len(S))
    assert chisquare(counts, n * p / p.sum()).pvalue > ALARM
    V, H = bm.sample(n, steps=40, seed=2, return_hidden=True)
    both = np.hstack([V, H]).astype(float)
    counts = np.bincount([number[tuple(s)] for s in both], minlength=len(S))
    assert chisquare(counts, n * p / p.sum()).pvalue > ALARM


@every_unit
def test_filling_in(name: str) -> None:
    """The first site given all others: frequencies, and means. False alarms: ALARM."""
    bm, S, n = machine(name), states_of(name), 20_000
    site = bm.units.sites(S.shape[1])[0]
    X = np.tile(S[-1], (n, 1))
    X[:, site] = np.nan
    expected = bm.conditional_probabilities(S[-1:])[0, site]
    drawn = bm.impute(X, steps=1, seed=1)
    assert_array_equal(drawn[:, site.stop :], X[:, site.stop :])
    deviation = np.sqrt(n * (1 - expected**2 if name == "spin" else expected * (1 - expected)))
    assert (np.abs(drawn[:, site].sum(axis=0) - n * expected) < 5.5 * deviation).all()
    assert_allclose(bm.impute(X[:1], steps=4, seed=1, average=True)[0, site], expected, atol=1e-5)


@given(st.data())
def test_as_the_reference_says(data: st.DataObject) -> None:
    """Of any shapes: the same bits, also in parts."""
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=20))
    switches, n_rows = data.draw(st.booleans()), data.draw(st.integers(1, 40))
    rng, n = np.random.default_rng(data.draw(st.integers(0, 2**32))), sum(sizes)
    site = np.arange(n) if switches else np.repeat(np.arange(len(sizes)), sizes)
    half = np.where(site[:, None] < site, rng.normal(size=(n, n)), 0).astype(np.float32)
    bias, W = rng.normal(size=n).astype(np.float32), np.ascontiguousarray(half + half.T)
    blocks = None if switches else (np.array(sizes, np.int32),)
    draws = reference.sample_blocks(np.zeros((n_rows, n), np.float32), blocks, 1, 0, 0, 0)
    stream = (data.draw(st.integers(0, 2**64 - 1)), Purpose.GIBBS, 0, 5)
    expected = reference.sweep(reference.Weights(W), bias, draws, 3, *stream, 0, None, blocks)
    weights, cut = engine.Weights(W), data.draw(st.integers(0, n_rows))
    parts = [
        engine.sweep(weights, bias, draws[here], 3, *stream, first, None, blocks)
        for here, first in ((slice(cut), 0), (slice(cut, None), cut))
    ]
    assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize("method", ["ais", "reverse_ais", "bracket"])
def test_annealing_comes_near(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within five standard errors, which are small; the way back from tempered samples, or given ones."""
    monkeypatch.setattr("rbmfast.likelihood.partition.SAMPLE_STEPS", 50)
    for name in UNITS:
        bm = machine(name, HIDDEN[name], scale=0.5)
        z = rf.log_partition(bm, method, n_chains=500, n_temperatures=150, seed=1)
        assert abs(z.value - rf.log_partition(bm).value) < 5 * z.stderr < 0.1
    if method == "reverse_ais":
        samples = np.hstack(bm.sample(500, 50, seed=2, return_hidden=True))
        again = rf.log_partition(bm, method, n_chains=500, n_temperatures=150, samples=samples, seed=1)
        assert abs(again.value - z.value) < 5 * np.hypot(z.stderr, again.stderr)


def test_chains_in_parts() -> None:
    bm, S = machine("groups of all sizes"), states_of("groups of all sizes")
    whole = bm.gibbs(S, steps=5, seed=3)
    again = bm.gibbs(bm.gibbs(S, steps=2, seed=3), steps=3, seed=3, first_step=2)
    assert_array_equal(whole, again)
    assert_array_equal(whole[7:], bm.gibbs(S[7:], steps=5, seed=3, first_row=7))
    codes = np.array([[0, 1, 2]] * 6)
    assert_array_equal(
        bm.sample(6, 3, seed=1, start=codes)[2:], bm.sample(4, 3, 1, start=codes[2:], first_row=2)
    )


# --- Graphs, gauges and scores ----------------------------------------------------------------------------


def test_graphs() -> None:
    pairs = [(0, 1), (2, 1)]
    bm = machine("groups", graph=pairs)
    dense = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    assert_array_equal(bm.graph, dense)
    for same in (dense, sp.csr_array(dense)):
        assert_array_equal(rf.BoltzmannMachine(9, units=rf.Categorical(3), graph=same).graph, dense)
    assert not rf.BoltzmannMachine(3, graph=[]).graph.any()
    X = np.random.default_rng(0).integers(0, 3, (60, 3))
    rf.train(bm, X, method=rf.MaximumPseudoLikelihood(), penalties=[rf.L1(), rf.L2()], epochs=3, seed=1)
    assert bm.W[:3, 3:6].all() and not bm.W[:3, 6:].any() and not bm.W[:3, :3].any()
    assert_array_equal(bm.W, bm.W.T)


@every_unit
def test_the_zero_sum_gauge(name: str) -> None:
    bm, S = machine(name, HIDDEN[name]), states_of(name)
    fixed = bm.zero_sum_gauge()
    difference = fixed.energy(S) - bm.energy(S)
    assert_allclose(difference, difference[0], atol=1e-5)
    for group in bm.units.groups(S.shape[1]):
        assert_allclose(fixed.W[group].sum(axis=0), 0, atol=1e-5)
        assert_allclose(fixed.a[group].sum(), 0, atol=1e-5)


def test_coupling_scores() -> None:
    bm = machine("groups of all sizes")
    W, sizes = bm.zero_sum_gauge().W.astype(float), [0, 2, 5, 9]
    blocks = [[W[a:b, c:d] for c, d in itertools.pairwise(sizes)] for a, b in itertools.pairwise(sizes)]
    plain = np.array([[np.linalg.norm(block) for block in row] for row in blocks])
    assert_allclose(bm.coupling_scores(apc=False), plain, atol=1e-6)
    mean = plain.sum(axis=0) / 2
    expected = plain - np.outer(mean, mean) / mean.mean()
    np.fill_diagonal(expected, 0)
    assert_allclose(bm.coupling_scores(), expected, atol=1e-6)
    no_gap = np.array([[np.linalg.norm(block[1:, 1:]) for block in row] for row in blocks])
    assert_allclose(bm.coupling_scores(apc=False, gap=0), no_gap, atol=1e-6)
    assert_allclose(machine("spin", 1).coupling_scores(apc=False), np.abs(machine("spin").W[:4, :4]))


# --- Files and bad input ----------------------------------------------------------------------------------


@every_unit
def test_files_and_copies(name: str, tmp_path: Path) -> None:
    bm = machine(name, HIDDEN[name], graph=[(0, 1), (1, 2)])
    rf.train(bm, states_of(name)[:, : bm.n_visible], epochs=1, seed=1)
    bm.save(tmp_path / "x")
    for other in (rf.load(tmp_path / "x"), copy.deepcopy(bm), pickle.loads(pickle.dumps(bm))):
        ours, theirs = bm.to_state(), other.to_state()
        assert ours[0] == theirs[0] and ours[1].keys() == theirs[1].keys()
        for key in ours[1]:
            assert_array_equal(ours[1][key], theirs[1][key])
        assert_array_equal(other.sample(5, 3, seed=1), bm.sample(5, 3, seed=1))
    assert repr(bm).startswith(f"BoltzmannMachine({bm.n_visible}, {bm.n_hidden}")


def new(**changes: Any) -> rf.BoltzmannMachine:
    return rf.BoltzmannMachine(**{"n_visible": 6, "seed": 0, **changes})


def given_arrays(W: Any = None, a: Any = (0, 0, 0), **more: Any) -> rf.BoltzmannMachine:
    return rf.BoltzmannMachine.from_arrays(np.zeros((3, 3)) if W is None else W, a, **more)


ONES = 1 - np.eye(3)
X = np.eye(6)[np.arange(12) % 6]
REFUSED: dict[str, tuple[Any, str]] = {
    "context": (
        lambda: rf.train(new(), np.eye(6), context=np.eye(6)),
        "context must be None for an rf.BoltzmannMachine, got ndarray$",
    ),
    "units": (lambda: new(units="gaussian"), "units must be 'bernoulli', 'spin' or rf.Categorical"),
    "blocks": (
        lambda: new(units=rf.Mixed([(rf.Bernoulli(), 3), (rf.Categorical(3), 3)])),
        "units must be 'bernoulli'",
    ),
    "part of a group": (lambda: new(n_visible=4, n_hidden=2, units=rf.Categorical(3)), "n_visible must be"),
    "n_hidden": (lambda: new(n_hidden=-1), "n_hidden must be"),
    "graph: shape": (lambda: new(graph=np.zeros((3, 3), bool)), r"graph must have shape \(6, 6\)"),
    "graph: not symmetric": (lambda: new(graph=np.triu(np.ones((6, 6), bool), 1)), "graph must be symmetric"),
    "graph: itself": (lambda: new(graph=[(1, 1)]), r"got \[1, 1\]"),
    "graph: beyond": (lambda: new(graph=[(1, 6)]), "from 0 to 5"),
    "graph: floats": (lambda: new(graph=[(0.5, 1)]), "graph must be pairs"),
    "W: shape": (lambda: given_arrays(np.zeros((3, 2))), "W must have shape"),
    "W: not symmetric": (lambda: given_arrays(np.triu(ONES)), "W must be symmetric"),
    "W: diagonal": (lambda: given_arrays(np.eye(3)), "W must be 0 on its diagonal"),
    "W: graph": (lambda: given_arrays(ONES, graph=[(0, 1)]), "outside of the graph"),
    "W: not finite": (lambda: given_arrays(ONES * np.nan), "W must be finite"),
    "a: not finite": (lambda: given_arrays(ONES, [0, 1, np.inf]), "a must be finite"),
    "energy: width": (lambda: new(n_hidden=2).energy(X), "S must have 8"),
    "energy: grey": (lambda: new().energy(X / 2), "grey level"),
    "free energy": (lambda: new(n_hidden=21).free_energy(X), "at most 1048576 hidden states"),
    "exact": (lambda: rf.log_partition(new(n_visible=21)), "the exact log Z visits all states"),
    "samples": (lambda: rf.log_partition(new(), "bracket", samples=X), "samples must be n_chains=512 rows"),
    "impute: grey": (lambda: new().impute(np.where(X == 1, np.nan, 0.5)), "V must hold states"),
    "gap": (lambda: new(units=rf.Categorical(3)).coupling_scores(gap=3), "gap must be"),
    "train: method": (
        lambda: rf.train(new(), X, method=rf.FPCD()),
        "method must be rf.CD, rf.PCD, rf.PT, rf.PTT",
    ),
    "train: hidden": (
        lambda: rf.train(new(n_hidden=1), X, method=rf.MaximumPseudoLikelihood()),
        "all units visible",
    ),
    "train: missing": (
        lambda: rf.train(new(), np.where(X == 1, np.nan, X), method=rf.MaximumPseudoLikelihood()),
        "X must be complete",
    ),
    "train: absent": (lambda: rf.train(new(), X, missing="absent"), "missing must be 'random'"),
    "train: centred": (lambda: rf.train(new(), X, centered=True), "centered must be False"),
    "train: max-norm": (lambda: rf.train(new(), X, penalties=rf.MaxNorm(1)), "penalties must be rf.L2"),
    "train: grey": (lambda: rf.train(new(), X / 2), "grey level"),
    "train: state": (lambda: rf.train(new(), X, state=rf.TrainingState()), "state must be None"),
    "train: monitor": (lambda: rf.train(new(), X, monitors=rf.ReconstructionError()), "asks for reconstruct"),
    "train: chains": (lambda: rf.train(new(), X, method=rf.PCD(1, 40_000)), "n_chains must be"),
    "an RBM": (lambda: rf.train(rf.RBM(6, 2), X, method=rf.MaximumPseudoLikelihood()), "rf.BoltzmannMachine"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_assigning() -> None:
    bm = given_arrays(ONES, units="spin")
    assert_array_equal(bm.W, ONES)
    bm.a = [0.1, 0.2, 0.3]
    assert_array_equal(bm.a, np.float32([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="W must be symmetric"):
        bm.W = np.triu(ONES)
    assert_array_equal(bm.W, ONES)
    with pytest.raises(ValueError, match="read-only"):
        bm.W[0, 1] = 3
    for name in ("graph", "seed"):
        with pytest.raises(AttributeError, match=name):
            setattr(bm, name, None)
