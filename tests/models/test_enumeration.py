"""Energies, conditionals and samples of models of every shape, against sums over all their states."""

from typing import Any

import numpy as np
import pytest
from models.helpers import agrees, joint, small
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logsumexp
from training.helpers import phase_sums

import rbmfast as rf
from rbmfast.likelihood import all_states, exact_samples, kl_divergence
from rbmfast.states import GRID

WORKED = rf.RBM.from_arrays(W=[[0.5, 0.3], [-0.2, 0.4]], a=[0.1, -0.1], b=[0.2, 0.3])


# --- The worked example ------------------------------------------------------------------------------------


def test_worked_example() -> None:
    assert_allclose(WORKED.energy([[1, 0]], [[1, 1]]), [-1.4], atol=2e-6)
    assert_allclose(WORKED.hidden_probabilities([[1, 0]]), [[0.668, 0.646]], atol=5e-4)
    assert_allclose(WORKED.visible_probabilities([[1, 1]]), [[0.711, 0.525]], atol=5e-4)
    assert_allclose(WORKED.hidden_probabilities([[1, 1]]), [[0.622, 0.731]], atol=5e-4)


def test_worked_example_partition_function() -> None:
    # Summed by hand over v = 00, 10, 01, 11: 5.2200 + 9.3997 + 5.4539 + 9.8487.
    V, H, E = joint(WORKED)
    assert len(V) * len(H) == 16
    assert_allclose(np.exp(-E).sum(), 29.92, atol=0.005)
    assert_allclose(np.exp(rf.log_partition(WORKED).value), np.exp(-E).sum(), rtol=1e-12)


# --- Bernoulli units ---------------------------------------------------------------------------------------


def test_grey_levels_count_as_expectations() -> None:
    rbm = small(5, 4)
    rng = np.random.default_rng(0)
    V, H = rng.random((7, rbm.n_visible)), rng.random((7, rbm.n_hidden))
    x = V @ rbm.W + rbm.b
    assert_allclose(rbm.hidden_probabilities(V), expit(x), atol=2e-5)
    assert_allclose(rbm.free_energy(V), -(V @ rbm.a) - np.logaddexp(0, x).sum(axis=1), atol=2e-4)
    energy = -((V @ rbm.W) * H).sum(axis=1) - V @ rbm.a - H @ rbm.b
    assert_allclose(rbm.energy(V, H), energy, atol=2e-4)


def test_reconstruct_goes_through_probabilities() -> None:
    rbm = small(5, 4)
    V = all_states(rbm.n_visible)
    p = expit(V @ rbm.W + rbm.b)
    assert_allclose(rbm.reconstruct(V), expit(p @ rbm.W.T + rbm.a), atol=2e-5)


# --- Gaussian units ----------------------------------------------------------------------------------------


def test_gaussian_energy_formula() -> None:
    rng = np.random.default_rng(0)
    V, G = (np.rint(rng.normal(size=(9, n)) / GRID) * GRID for n in (5, 4))  # as products see them
    H = rng.integers(0, 2, (9, 4))
    rbm = small(5, 4, visible="gaussian")
    energy = ((V - rbm.a) ** 2).sum(axis=1) / 2 - H @ rbm.b - ((V @ rbm.W) * H).sum(axis=1)
    assert_allclose(rbm.energy(V, H), energy, rtol=1e-5, atol=1e-5)

    flipped = rf.RBM.from_arrays(rbm.W.T, rbm.b, rbm.a, hidden="gaussian")
    assert_allclose(flipped.energy(H, V), energy, rtol=1e-5, atol=1e-5)

    both = small(5, 4, visible="gaussian", hidden="gaussian")
    energy = ((V - both.a) ** 2).sum(axis=1) / 2 + ((G - both.b) ** 2).sum(axis=1) / 2
    assert_allclose(both.energy(V, G), energy - ((V @ both.W) * G).sum(axis=1), rtol=1e-5, atol=1e-5)


def test_overflowing_real_states_are_refused() -> None:
    rbm = small(5, 4, visible="gaussian")
    with pytest.raises(ValueError, match="real-valued states must be at most"):
        rbm.hidden_probabilities(np.full((2, 5), 3e38, np.float32) * np.sign(rbm.W[:, 0]))


MIXED = rf.Mixed([(rf.Bernoulli(), 4), (rf.Categorical(3), 6)])
SHAPES: dict[str, tuple[Any, int, Any, int]] = {
    "bernoulli": (rf.Bernoulli(), 5, rf.Bernoulli(), 4),
    "pixels and labels": (MIXED, 10, rf.Bernoulli(), 3),
    "hidden groups": (rf.Bernoulli(), 5, rf.Categorical(3), 6),
    "groups in both layers": (
        rf.Categorical(2),
        6,
        rf.Mixed([(rf.Categorical(4), 4), (rf.Bernoulli(), 2)]),
        6,
    ),
    "one group each": (rf.Categorical(5), 5, rf.Categorical(3), 3),
}
COUNTABLE = [*SHAPES]
SHAPES["a table"] = (rf.Mixed([(rf.Gaussian(), 2), (rf.Categorical(3), 3)]), 5, rf.Categorical(2), 6)
SHAPES["real"] = (rf.Gaussian(), 4, rf.Bernoulli(), 3)
SHAPES["real hidden"] = (rf.Bernoulli(), 4, rf.Gaussian(), 3)


def model(name: str = "pixels and labels") -> rf.RBM:
    visible, n, hidden, m = SHAPES[name]
    return small(n, m, seed=3, visible=visible, hidden=hidden)


def count(rbm: rf.RBM, V: np.ndarray) -> np.ndarray:
    return np.bincount(rbm.visible.state_numbers(V), minlength=rbm.visible.count_states(rbm.n_visible))


# --- Energies and likelihoods ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTABLE)
@pytest.mark.parametrize("block_numbers", [1, 20, 1 << 16])
def test_partition_function_in_any_blocks(
    name: str, block_numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", block_numbers)
    rbm = model(name)
    V, _, E = joint(rbm)
    assert_allclose(rf.log_partition(rbm).value, logsumexp(-E), rtol=1e-12)
    log_p = logsumexp(-E, axis=1) - logsumexp(-E)
    assert_allclose(rf.log_likelihood(rbm, V), log_p, atol=1e-5)
    assert kl_divergence(np.exp(log_p), rbm) == pytest.approx(0, abs=1e-9)

    drawn = exact_samples(rbm, 20_000, seed=1)
    assert drawn.dtype == rbm.visible.dtype
    assert agrees(count(rbm, drawn), np.exp(log_p))


def test_too_many_states_are_refused_by_their_number() -> None:
    rbm = rf.RBM(300, 200, visible=rf.Categorical(3), hidden=rf.Categorical(10), seed=0)
    with pytest.raises(
        ValueError, match=r"would take 2\*\*66\.4386 states of the hidden layer.* at most 2\*\*28"
    ):
        rf.log_partition(rbm)


# --- Samples -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pixels and labels", "hidden groups"])
def test_tempering_follows_the_distribution_of_the_model(name: str) -> None:
    rbm = model(name)
    _, _, E = joint(rbm)
    v = rbm.sample(2000, steps=20, seed=1, method="tempering", n_replicas=3)
    assert agrees(count(rbm, v), np.exp(logsumexp(-E, axis=1) - logsumexp(-E)))


@pytest.mark.parametrize("name", SHAPES)
def test_gibbs_in_parts(name: str) -> None:
    rbm = model(name)
    V = rbm.sample(30, steps=3, seed=1)
    v, h = rbm.gibbs(V, steps=5, seed=2, return_hidden=True)
    early = rbm.gibbs(V, steps=2, seed=2)
    assert not np.array_equal(rbm.gibbs(early, steps=3, seed=2), v)
    assert_array_equal(rbm.gibbs(early, steps=3, seed=2, first_step=4), v)
    assert_array_equal(rbm.gibbs(V[11:], steps=5, seed=2, first_row=11), v[11:])
    rbm.visible.rows(v, rbm.n_visible)
    rbm.hidden.rows(h, rbm.n_hidden)


@pytest.mark.parametrize("name", ["bernoulli", "pixels and labels", "hidden groups", "groups in both layers"])
def test_pattern_counts(name: str) -> None:
    rbm = model(name)
    V, H, E = joint(rbm)
    table = rbm.pattern_counts(V[3], n_samples=20_000, seed=1)
    assert_array_equal(table.patterns[np.argsort(rbm.hidden.state_numbers(table.patterns))], H)
    order = rbm.hidden.state_numbers(table.patterns)
    assert_allclose(table.probabilities, np.exp(-E[3] - logsumexp(-E[3]))[order], atol=1e-6)
    assert agrees(table.counts, table.probabilities)
    table = rbm.pattern_counts(h=H[2], n_samples=20_000, seed=1)
    assert agrees(table.counts, table.probabilities)


# --- Missing groups ----------------------------------------------------------------------------------------


def test_a_missing_group_is_drawn_given_the_rest() -> None:
    rbm = model()
    V, _, E = joint(rbm)
    given = np.array([1, 0, 1, 1, 0, 0, 0, 0, 1, 0], float)
    given[4:7] = np.nan
    fits = (V[:, [0, 1, 2, 3, 7, 8, 9]] == given[[0, 1, 2, 3, 7, 8, 9]]).all(axis=1)
    log_p = logsumexp(-E[fits], axis=1)
    p = np.exp(log_p - logsumexp(log_p))

    drawn = rbm.impute(np.tile(given, (5000, 1)), steps=30, seed=1)
    known = ~np.isnan(given)
    assert_array_equal(drawn[:, known], np.tile(given[known], (5000, 1)))
    assert agrees(drawn[:, 4:7].sum(axis=0), p @ V[fits][:, 4:7])
    averaged = rbm.impute(np.tile(given, (500, 1)), steps=400, seed=1, average=True)
    assert_allclose(averaged[:, 4:7].sum(axis=1), 1, atol=1e-5)
    assert_allclose(averaged.mean(axis=0)[4:7], p @ V[fits][:, 4:7], atol=0.01)


@pytest.mark.parametrize("name", ["pixels and labels", "a table"])
def test_a_group_with_one_missing_unit_is_missing(name: str) -> None:
    rbm = model(name)
    V = rbm.sample(40, steps=3, seed=1).astype(np.float32)
    group = slice(4, 7) if name == "pixels and labels" else slice(2, 5)
    one, all_of_it = V.copy(), V.copy()
    one[:, group.start + 1] = all_of_it[:, group] = np.nan
    found = rbm.impute(all_of_it, steps=5, seed=1)
    assert_array_equal(rbm.impute(one, steps=5, seed=1), found)
    assert_array_equal(found[:, group].sum(axis=1), 1)
    mask = np.zeros(V.shape, np.bool_)
    mask[:, group.start + 2] = True
    assert_array_equal(rbm.impute(V, mask, steps=5, seed=1), found)
    assert_array_equal(rbm.impute(V, steps=5, seed=1), V)


def test_impute_beside_grey_levels() -> None:
    rbm = model()
    V = np.tile([0.5, 1, 0, 0.25, 0.2, 0.3, 0.5, np.nan, 0, 1], (40, 1))
    found = rbm.impute(V, steps=5, seed=1)
    assert_array_equal(found[:, :7], V[:, :7].astype(np.float32))
    assert set(found[:, 7:].ravel().tolist()) == {0.0, 1.0}
    assert_array_equal(found[:, 7:].sum(axis=1), 1)


def test_bad_groups_are_refused_everywhere() -> None:
    rbm = model()
    bad = np.zeros((3, 10))
    bad[:, [4, 7]] = 1
    bad[1, 8] = 1
    good = bad[:1]
    calls: list[Any] = [
        lambda: rbm.hidden_probabilities(bad),
        lambda: rbm.free_energy(bad),
        lambda: rbm.gibbs(bad, steps=1),
        lambda: rbm.sample(3, steps=1, start=bad),
        lambda: rbm.impute(bad),
        lambda: rbm.initialize(bad),
        lambda: rf.log_likelihood(rbm, bad),
        lambda: rf.train(rbm, bad, epochs=1),
        lambda: rf.train(rbm, good, epochs=1, validation=bad),
        lambda: rf.compare_samples(rbm, bad, good),
        lambda: rf.log_partition(rbm, "ais", base=bad, n_temperatures=2),
    ]
    before = rbm.W.tobytes(), rbm.a.tobytes()
    for call in calls:
        with pytest.raises(ValueError, match=r"\[1, 7:10\] must have one unit on, of 3 .* got a sum of 2"):
            call()
    assert (rbm.W.tobytes(), rbm.a.tobytes()) == before


# --- Learning ----------------------------------------------------------------------------------------------


def labelled(n: int = 200) -> np.ndarray:
    """Noisy copies of three patterns of four pixels, each beside its number, twice."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, n)
    pixels = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0]])[label] ^ (rng.random((n, 4)) < 0.1)
    other = np.where(rng.random(n) < 0.8, label, rng.integers(0, 3, n))
    return np.hstack([pixels, np.eye(3, dtype=int)[label], np.eye(3, dtype=int)[other]]).astype(np.uint8)


METHODS = [rf.CD(1), rf.PCD(1), rf.PT(n_replicas=3), rf.FPCD()]


def gain(rbm: rf.RBM, X: Any, **settings: Any) -> float:
    """By how much learning raises the mean log-likelihood above that of independent units."""
    rbm.initialize(X)
    independent = rf.log_likelihood(rbm, X).mean()
    rf.train(rbm, X, epochs=15, batch_size=10, seed=1, **settings)
    assert_allclose(rbm.visible_means, X.mean(axis=0), atol=1e-5)
    return float(rf.log_likelihood(rbm, X).mean() - independent)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_likelihood_grows(method: Any) -> None:
    rbm = rf.RBM(10, 6, visible=MIXED, hidden=rf.Categorical(3), seed=0)
    assert gain(rbm, labelled(), method=method, optimizer=rf.SGD(rf.Linear(0.2))) > 0.5


@pytest.mark.parametrize("hidden", [rf.Bernoulli(), rf.Categorical(2)], ids=str)
def test_likelihood_of_a_table_grows(hidden: Any) -> None:
    X = labelled()
    noise = np.random.default_rng(1).normal(size=(len(X), 1))
    table = np.hstack([noise + 2 * X[:, :1] - 1, X])
    rbm = rf.RBM(11, 6, visible=rf.Mixed([(rf.Gaussian(), 1), (MIXED, 10)]), hidden=hidden, seed=0)
    assert gain(rbm, table, optimizer=rf.SGD(rf.Linear(0.2))) > 0.5


def test_one_update_is_the_difference_of_means() -> None:
    """The exact statistics of 0/1 groups, by hand."""
    X = labelled(20)
    rbm = rf.RBM(10, 6, visible=MIXED, hidden=rf.Categorical(3), seed=0)
    rbm.initialize(X)
    positive, _ = phase_sums(rbm, X, rf.CD(), seed=1)
    h = np.rint(rbm.hidden_probabilities(X).astype(float) * 65535)
    assert_allclose(positive.pairs, 65535 * (X.T.astype(float) @ h), atol=65535 * len(X))


# --- In words ----------------------------------------------------------------------------------------------
