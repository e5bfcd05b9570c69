"""Parallel tempering against exact probabilities, and the rules of its random numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from models.helpers import agrees, counts, numbers, small
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logsumexp

import rbmfast as rf
from rbmfast import reference
from rbmfast.likelihood import all_states, log_probabilities
from rbmfast.models.base_rates import base_bias, make_path
from rbmfast.models.tempering import Ladder, check_betas
from rbmfast.states import GRID
from rbmfast.streams import Purpose, Stream


def two_modes(n: int = 8, depth: float = 4.0) -> rf.RBM:
    """Nearly all of the probability at all off and all on, the deeper the more; Gibbs chains stay there."""
    tilt = np.linspace(-0.1, 0.2, n)
    return rf.RBM.from_arrays(np.full((n, 2), depth), tilt - depth, np.full(2, -depth * n / 2))


# --- The swap rule, by enumeration -------------------------------------------------------------------------


def exact_log_weights(rbm: rf.RBM, base: np.ndarray, beta: float) -> np.ndarray:
    """log sum_h exp(-E_beta(v, h)) of every visible state, straight from the definition, in float64."""
    V, H = all_states(rbm.n_visible).astype(float), all_states(rbm.n_hidden).astype(float)
    W, a, b = (p.astype(np.float64) for p in (rbm.W, rbm.a, rbm.b))
    bias = (1 - beta) * base + beta * a
    return logsumexp((V @ bias)[:, None] + beta * (V @ W @ H.T) + beta * (H @ b), axis=1)


def gibbs_matrix(rbm: rf.RBM, base: np.ndarray, beta: float) -> np.ndarray:
    """P(v' | v) of one Gibbs step of the model at beta, by enumeration."""
    V, H = all_states(rbm.n_visible).astype(float), all_states(rbm.n_hidden).astype(float)
    W, a, b = (p.astype(np.float64) for p in (rbm.W, rbm.a, rbm.b))
    p, q = expit(beta * (V @ W + b)), expit(beta * H @ W.T + (1 - beta) * base + beta * a)
    up = np.where(H[None] == 1, p[:, None], 1 - p[:, None]).prod(axis=2)
    down = np.where(V[None] == 1, q[:, None], 1 - q[:, None]).prod(axis=2)
    return up @ down


@pytest.mark.parametrize("betas", [[0, 1], [0, 0.3, 1]])
def test_swap_acceptance_by_enumeration(betas: list[float]) -> None:
    """The bound that `Ladder` compares log u with, for every pair of joint states."""
    rbm, base = small(3, 2), np.array([0.5, -1.0, 0.25], np.float32)
    ladder = Ladder(make_path(rbm, expit(base)), check_betas(None, betas), Purpose.SWAP)
    low = len(betas) - 2
    V = all_states(3)
    i, j = np.array([*itertools.product(range(8), repeat=2)]).T
    v = np.concatenate([V[i]] * low + [V[i], V[j]])
    gain = ladder._gains(v, ladder.path.up.send(v), np.array([low]))
    under, over = (exact_log_weights(rbm, ladder.path.base.astype(float), beta) for beta in betas[-2:])
    assert_allclose(gain[low] + gain[low + 1], under[j] + over[i] - under[i] - over[j], atol=2e-6)


def test_a_step_leaves_the_product_distribution_alone() -> None:
    """Gibbs steps and swaps of two replicas as one exact transition matrix, with the library's gains."""
    rbm, base = small(3, 2), np.array([0.5, -1.0, 0.25])
    under, over = (exact_log_weights(rbm, base, beta) for beta in (0.0, 1.0))
    pi = np.exp(np.add.outer(under - logsumexp(under), over - logsumexp(over))).ravel()
    gibbs = np.kron(gibbs_matrix(rbm, base, 0.0), gibbs_matrix(rbm, base, 1.0))
    assert_allclose(pi @ gibbs, pi, atol=1e-12)

    path = make_path(rbm, expit(base))
    ladder = Ladder(path, check_betas(2), Purpose.SWAP)
    i, j = np.array([*itertools.product(range(8), repeat=2)]).T
    v = np.concatenate([all_states(3)[i], all_states(3)[j]])
    gain = ladder._gains(v, path.up.send(v), np.array([0]))
    accept = np.exp(np.minimum(gain[0] + gain[1], 0.0))
    swap = np.diag(1 - accept)
    swap[np.arange(64), j * 8 + i] += accept
    assert_allclose(pi @ gibbs @ swap, pi, atol=1e-6)

    # What a known mistake would do: beta F_1(v) in place of F_beta(v).
    wrong = np.exp(np.minimum(over[i] - over[j], 0.0))  # (beta_j - beta_i) (F_1(v_j) - F_1(v_i))
    swap = np.diag(1 - wrong)
    swap[np.arange(64), j * 8 + i] += wrong
    assert np.abs(pi @ gibbs @ swap - pi).max() > 1e-3


def test_swaps_follow_the_specification() -> None:
    """By `rbmfast.reference`: addresses of the random numbers, and every comparison."""
    rbm, n = small(5, 4), 7
    ladder = Ladder(make_path(rbm, [0.4] * 5), check_betas(5), Purpose.SWAP)
    v = np.random.default_rng(0).integers(0, 2, (5 * n, 5), dtype=np.uint8)
    sent = ladder.path.up.send(v)
    for step, low in ((4, [0, 2]), (6, [1, 3])):
        gain = ladder._gains(v, sent, np.array(low))
        accepted = ladder.accept(gain, Stream(9, Purpose.TEMPERING, 0, step, 3))
        expected = np.zeros((4, n), bool)
        for i in low:
            rows = (3 + np.arange(n)) * 5 + i
            bits = reference.uniform_u32(n, 1, 9, Purpose.SWAP, 0, step, rows)[:, 0]
            u = ((bits + 0.5) / 2**32).astype(np.float32)
            expected[i] = reference.log(u).astype(np.float64) <= gain[i] + gain[i + 1]
        assert_array_equal(accepted, expected)
        assert 0 < accepted.sum() < accepted[low].size


LAYERS: dict[str, dict[str, Any]] = {
    "switches": {},
    "spins": {"visible": "spin", "hidden": "spin"},
    "groups": {"visible": rf.Categorical([4, 2, 6]), "hidden": rf.Categorical(3)},
    "mixed": {
        "visible": rf.Mixed([(rf.Bernoulli(), 5), (rf.Categorical(4), 4), (rf.Spin(), 3)]),
        "hidden": rf.Mixed([(rf.Categorical(2), 4), (rf.Bernoulli(), 5)]),
    },
}


@pytest.mark.parametrize("n_replicas", [2, 5])
@pytest.mark.parametrize("units", LAYERS)
def test_the_engine_walks_as_steps_are_written(units: str, n_replicas: int) -> None:
    """However many steps, and at every cut."""
    rbm, n = small(12, 9, 0.4, **LAYERS[units]), 11
    ladder = Ladder(make_path(rbm), check_betas(n_replicas), Purpose.SWAP)
    stream = Stream(9, Purpose.TEMPERING, 0, 4, 3)
    start = h = ladder.hidden(ladder.path.up.send(ladder.start(n, stream)), stream)
    expected = []
    for t in range(7):
        v, _, h, accepted = ladder.step(h, stream.after(2 * t))
        expected.append(accepted)
    for at_once in (None, 1, 3):
        walked = [*ladder.walk(start, stream, 7, at_once)]
        assert len(walked) == (1 if at_once is None else -(-7 // at_once))
        assert_array_equal(np.concatenate([part[2] for part in walked]), expected)
        assert_array_equal(walked[-1][0], v)
        assert_array_equal(walked[-1][1], h)
    assert 0 < np.sum(expected) < 7 * n * (n_replicas // 2)


def test_long_walks_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that Ctrl-C is answered."""
    rbm = small(12, 9)
    whole = rf.ParallelTempering(rbm, 3, 4, seed=1)
    whole.run(20)
    monkeypatch.setattr("rbmfast.models.tempering.WORK", 2 * 12 * 12 * 9 * 3)  # three steps of 12 rows
    parts = rf.ParallelTempering(rbm, 3, 4, seed=1)
    assert len([*parts._ladder.walk(parts._h, parts._stream, 20)]) == 7
    parts.run(20)
    assert everything(parts) == everything(whole)


# --- Are the samples right? --------------------------------------------------------------------------------


def test_samples_follow_the_distribution_of_the_model() -> None:
    rbm = small()
    v, h = rbm.sample(10_000, 30, seed=1, method="tempering", n_replicas=4, return_hidden=True)
    joint = numbers(np.hstack([v, h]))
    states = all_states(7)
    p = np.exp(-rbm.energy(states[:, :4], states[:, 4:]))
    assert agrees(np.bincount(joint, minlength=128), p)


@pytest.mark.slow
def test_every_replica_follows_its_model() -> None:
    rbm = small()
    sampler = rf.ParallelTempering(rbm, 10_000, betas=[0, 0.2, 0.7, 1], base=[0.3, 0.5, 0.6, 0.8], seed=4)
    sampler.run(30)
    base = sampler._ladder.path.base.astype(float)
    for beta, v in zip(sampler.betas, np.split(sampler._v, 4), strict=True):
        p = np.exp(exact_log_weights(rbm, base, float(beta)))
        assert agrees(counts(v), p), beta


@pytest.mark.slow
def test_two_modes_get_their_weights_where_gibbs_chains_stay() -> None:
    """From the wrong mode, one long run of few chains; thinned to what counts as independent."""
    rbm = two_modes()
    p = np.exp(log_probabilities(rbm))
    start = np.zeros((250, 8), np.uint8)
    sampler = rf.ParallelTempering(rbm, 250, 8, base=[0.5] * 8, seed=2, start=start)
    thin = 80
    assert correlation(sampler, 3 * thin, thin) < 0.05
    v = np.concatenate([sampler.run(thin) for _ in range(8)])
    assert (sampler.round_trips > 10).all()
    assert agrees(counts(v), p)
    stuck = rbm.sample(500, 880, seed=1, start=np.zeros((500, 8)))
    assert not agrees(counts(stuck), p)


def correlation(sampler: rf.ParallelTempering, steps: int, lag: int) -> float:
    """Of the number of units that are on, over a lag of steps."""
    on = np.array([sampler.run(1).sum(axis=1) for _ in range(steps)], float)
    on -= on.mean()
    return float((on[lag:] * on[:-lag]).mean() / (on**2).mean())


def test_gaussian_swaps_by_the_formula() -> None:
    """log-weights of the whole path, with every bias of beta, against integrals done by hand."""
    rbm = small(3, 2, visible="gaussian")
    path = make_path(rbm, [0.5, -0.5, 1.0])
    v = np.random.default_rng(0).integers(-4096, 4096, (6, 3)).astype(np.float32) * GRID  # as products see it
    here, there = np.full((6, 1), 0.25, np.float32), np.full((6, 1), 0.75, np.float32)
    ratio = path.log_ratio(v, path.up.send(v), here, there)

    def log_weight(beta: float) -> np.ndarray:
        bias = (1 - beta) * path.base + beta * rbm.a
        hidden = np.logaddexp(0, beta * (v.astype(float) @ rbm.W + rbm.b)).sum(axis=1)
        return hidden - ((v - bias) ** 2).sum(axis=1) / 2

    assert_allclose(np.diff(ratio), np.diff(log_weight(0.75) - log_weight(0.25)), atol=1e-5)


# --- The same whatever the circumstances -------------------------------------------------------------------


def everything(sampler: rf.ParallelTempering) -> list[Any]:
    results = (sampler.v, sampler.h, sampler._v, sampler._h, sampler.swap_rates)
    return [x.tobytes() for x in (*results, sampler.round_trips, sampler.free_energies)]


def test_a_run_may_be_cut_anywhere() -> None:
    rbm = small(9, 5, 2.0)
    whole, parts = (rf.ParallelTempering(rbm, 6, 5, seed=5, record=True) for _ in range(2))
    last = whole.run(30)
    for steps in (1, 4, 11, 13, 1):
        v = parts.run(steps)
    assert_array_equal(v, last)
    assert everything(parts) == everything(whole)
    assert parts.steps == 30 and parts.free_energies.shape == (30, 6)


@pytest.mark.parametrize("start", [None, np.random.default_rng(0).random((10, 9))], ids=["", "from grey"])
def test_sample_is_the_sampler(start: Any) -> None:
    rbm = small(9, 5, 2.0)
    settings: dict[str, Any] = {"betas": [0, 0.4, 1], "seed": 7, "base": [0.5] * 9, "start": start}
    sampler = rf.ParallelTempering(rbm, 10, **settings)
    v, h = rbm.sample(10, 25, method="tempering", return_hidden=True, **settings)
    assert v.dtype == np.uint8
    assert_array_equal(sampler.run(25), v)
    assert_array_equal(sampler.h, h)


def test_the_model_is_taken_as_it_was() -> None:
    rbm = small(9, 5)
    sampler, same = (rf.ParallelTempering(rbm, 4, seed=7) for _ in range(2))
    rbm.W = np.zeros((9, 5))
    assert_array_equal(same.run(5), sampler.run(5))
    assert_array_equal(rf.ParallelTempering(small(9, 5), 4, seed=7).run(5), sampler.v)


def test_the_coldest_replica_is_the_model_and_the_hottest_independent() -> None:
    rbm = small(9, 5)
    path = make_path(rbm, [0.25] * 9)
    v = np.random.default_rng(0).integers(0, 2, (6, 9), dtype=np.uint8)
    sent = path.up.send(v)
    assert_array_equal(path.hidden_input(sent, 1.0), rbm._up.input(v))
    h = np.random.default_rng(1).integers(0, 2, (6, 5), dtype=np.uint8)
    assert_array_equal(path.visible_input(path.down.send(h), 1.0), rbm._down.input(h))
    assert_array_equal(path.visible_input(path.down.send(h), 0.0), np.tile(path.base, (6, 1)))
    assert_array_equal(-path.log_weight(v, sent, 1.0), rbm.free_energy(v))


# --- Statistics --------------------------------------------------------------------------------------------


def test_swap_rates_are_counted() -> None:
    sampler = rf.ParallelTempering(small(), 100, 5, seed=1)
    assert np.isnan(sampler.swap_rates).all() and len(sampler.swap_rates) == 4
    sampler.run(1)
    assert np.isnan(sampler.swap_rates).sum() == 2
    sampler.run(99)
    assert ((sampler.swap_rates > 0.2) & (sampler.swap_rates < 1)).all()
    same = rf.ParallelTempering(rf.RBM.from_arrays(np.zeros((4, 2)), np.zeros(4), np.zeros(2)), 10, 5, seed=1)
    same.run(8)
    assert (same.swap_rates == 1).all()  # all replicas are of one model


def test_round_trips_are_counted() -> None:
    """With every swap accepted, replicas march: down in R - 1 steps or R, and up again."""
    free = rf.RBM.from_arrays(np.zeros((4, 2)), np.zeros(4), np.zeros(2))
    sampler = rf.ParallelTempering(free, 3, 4, seed=1)
    sampler.run(80)
    assert_array_equal(sampler.round_trips, [sampler.round_trips[0]] * 3)
    assert 36 <= sampler.round_trips[0] <= 40  # four replicas on rounds of eight steps, after the first ones
    assert (rf.ParallelTempering(two_modes(8, 30.0), 3, 2, seed=1).round_trips == 0).all()


def test_free_energies_are_those_of_the_model() -> None:
    rbm = small()
    sampler = rf.ParallelTempering(rbm, 8, 3, seed=1, record=True)
    for t in range(5):
        v = sampler.run(1)
        assert_array_equal(sampler.free_energies[t], rbm.free_energy(v))
    assert rf.ParallelTempering(rbm, 8, 3, seed=1).free_energies.shape == (0, 8)


# --- The base ----------------------------------------------------------------------------------------------


def test_the_base_by_default() -> None:
    rbm = small()
    assert_array_equal(base_bias(rbm), rbm.a)  # nothing known: as if nothing were connected
    data = [[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1], [0, 1, 0, 0]]
    trained = rf.RBM(4, 3, seed=0)
    rf.train(trained, data, epochs=1, seed=1)
    assert_allclose(expit(base_bias(trained)), [0.001, 0.999, 0.5, 0.25], rtol=1e-5)


def test_the_base_as_asked() -> None:
    rbm = small()
    rates = [0.0, 1.0, 0.5, 0.25]
    assert_allclose(expit(base_bias(rbm, rates)), [0.001, 0.999, 0.5, 0.25], rtol=1e-5)
    data = np.array([[0, 1, 1, 0], [0, 1, 0, 0]])
    assert_allclose(expit(base_bias(rbm, data)), [0.25, 0.75, 0.5, 0.25], rtol=1e-6)
    assert_array_equal(base_bias(rbm, rf.Packed(np.packbits(data, axis=1), 4)), base_bias(rbm, data))
    for warn in (
        lambda: base_bias(rbm, "uniform"),
        lambda: rf.ParallelTempering(rbm, base="uniform"),
        lambda: rbm.sample(1, 1, method="tempering", base="uniform"),
    ):
        with pytest.warns(UserWarning, match="tens of nats") as caught:
            warn()
        assert caught[0].filename == __file__  # it is the caller's
    with pytest.warns(UserWarning):
        assert_array_equal(base_bias(rbm, "uniform"), np.zeros(4))
    gaussian = small(visible="gaussian")
    assert_array_equal(base_bias(gaussian, [-3.0, 0, 1, 2]), np.array([-3.0, 0, 1, 2], np.float32))
