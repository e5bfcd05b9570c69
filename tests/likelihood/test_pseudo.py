"""Pseudo-likelihoods, against conditional probabilities from the list of all probabilities."""

import itertools

import numpy as np
import pytest
from likelihood import helpers
from numpy.testing import assert_allclose, assert_array_equal

import rbmfast as rf
from rbmfast.likelihood import all_states, log_probabilities, pseudo

N = 6


def model(**units: str) -> rf.RBM:
    return helpers.model(N, 4, **units)


def conditionals(rbm: rf.RBM) -> np.ndarray:
    """log p(v_i | others) for every state and unit."""
    log_p = log_probabilities(rbm)
    number = np.arange(2**N)
    flipped = np.stack([log_p[number ^ (1 << (N - 1 - i))] for i in range(N)], axis=1)
    return log_p[:, None] - np.logaddexp(log_p[:, None], flipped)


@pytest.mark.parametrize("units", [{}, {"hidden": "gaussian"}])
def test_all_units_of_all_states(units: dict[str, str]) -> None:
    rbm = model(**units)
    assert_allclose(rf.pseudo_likelihood(rbm, all_states(N)), conditionals(rbm).sum(axis=1), atol=2e-5)


def test_some_units_are_scaled_up() -> None:
    rbm = model()
    expected = conditionals(rbm)[:, [4, 1]].sum(axis=1) * N / 2
    for units in ([4, 1], np.array([4, 1], np.uint8)):
        assert_allclose(rf.pseudo_likelihood(rbm, all_states(N), units=units), expected, atol=2e-5)


def test_units_chosen_at_random() -> None:
    rbm, V = model(), all_states(N)
    assert_array_equal(rf.pseudo_likelihood(rbm, V, units=N, seed=1), rf.pseudo_likelihood(rbm, V))
    three = rf.pseudo_likelihood(rbm, V, units=3, seed=1)
    assert_array_equal(three, rf.pseudo_likelihood(rbm, V, units=3, seed=1))
    others = [rf.pseudo_likelihood(rbm, V, units=3, seed=seed) for seed in range(10)]
    assert len(np.unique(np.stack(others), axis=0)) > 1
    table = conditionals(rbm)
    options = [table[:, [i, j, k]].sum(axis=1) * 2 for i in range(N) for j in range(i) for k in range(j)]
    assert min(np.abs(three - option).max() for option in options) < 2e-5


def test_grey_levels_share_in_both_states() -> None:
    rbm = model()
    # For unit i alone grey, the others 0/1: g log p(1 | others) + (1 - g) log p(0 | others).
    v = np.array([[1, 0, 1, 1, 0, 1.0]])
    on, off, grey = v.copy(), v.copy(), v.copy()
    on[0, 2], off[0, 2], grey[0, 2] = 1, 0, 0.3
    expected = 0.3 * rf.pseudo_likelihood(rbm, on, [2]) + 0.7 * rf.pseudo_likelihood(rbm, off, [2])
    assert_allclose(rf.pseudo_likelihood(rbm, grey, [2]), expected, rtol=1e-4)


def test_states_among_grey_rows_keep_their_bits() -> None:
    rbm = model()
    V = all_states(N).astype(float)
    mixed = np.concatenate([V, np.full((1, N), 0.5)])
    assert_array_equal(rf.pseudo_likelihood(rbm, mixed)[:-1], rf.pseudo_likelihood(rbm, V))


def test_refusals() -> None:
    rbm, V = model(), all_states(N)[:2]
    for bad in ([0.5], [[1]], [], "all", [True] * N):
        with pytest.raises(TypeError, match=r"^units must be"):
            rf.pseudo_likelihood(rbm, V, units=bad)
    for bad in ([-1], [N], N + 1):
        with pytest.raises(ValueError, match=r"^units must"):
            rf.pseudo_likelihood(rbm, V, units=bad)


# Layers whose sites the engine takes in one call, some of them beside others of one or two units.
ONE_CALL = {
    "bernoulli": "bernoulli",
    "spin": "spin",
    "groups": rf.Categorical([3, 4, 2, 10]),
    "mixed": rf.Mixed([(rf.Bernoulli(), 7), (rf.Categorical(3), 6), (rf.Spin(), 1), (rf.Categorical(5), 5)]),
}


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("visible", ONE_CALL)
def test_one_call_gives_the_bits_of_many(visible: str, hidden: str) -> None:
    """Those of the path that other hidden units take, site by site."""
    rbm = helpers.model(19, 70, visible=ONE_CALL[visible], hidden=hidden)
    v = rbm.visible.rows(rbm.sample(21, steps=2, seed=3), 19, "X", compact=True).block(slice(None))
    by_site = pseudo._sum_over_switches if rbm.visible.are_switches else pseudo._sum_over_sites
    sites = np.arange(len(rbm.visible.sites(19)))[::-1]
    for states in (v, v * np.uint16(43210))[: 1 + rbm.visible.are_switches]:
        expected = by_site(rbm, states, rbm._up.input(states), sites)
        assert_array_equal(pseudo._sum_over(rbm, states, sites), expected)


# --- Sites of other units ----------------------------------------------------------------------------------


def test_sites_of_a_layer() -> None:
    visible = rf.Mixed([(rf.Bernoulli(), 2), (rf.Categorical(3), 6), (rf.Gaussian(), 1)])
    ends = [0, 1, 2, 5, 8, 9]
    assert visible.sites(9) == [slice(*pair) for pair in itertools.pairwise(ends)]
    rbm = rf.RBM(9, 4, visible=visible, seed=0)
    V = rbm.sample(5, seed=1)
    whole = rf.pseudo_likelihood(rbm, V)
    parts = [rf.pseudo_likelihood(rbm, V, units=some) * len(some) / 5 for some in ([0, 4], [1, 2, 3])]
    assert_allclose(sum(parts), whole, rtol=1e-6)
    with pytest.raises(ValueError, match=r"^units must lie from 0 to 4, got 5 to 5"):
        rf.pseudo_likelihood(rbm, V, units=[5])


def test_grey_groups_share_in_all_states() -> None:
    rbm = helpers.model(N, 4, visible=rf.Categorical(3))
    states = np.hstack([np.eye(3), np.tile([0, 1, 0], (3, 1))])
    shares = np.array([0.2, 0.5, 0.3])
    expected = shares @ rf.pseudo_likelihood(rbm, states, [0])
    assert_allclose(rf.pseudo_likelihood(rbm, shares[None] @ states, [0]), expected, rtol=1e-4)


@pytest.mark.parametrize("hidden", ["bernoulli", "gaussian"])
def test_a_real_unit_alone_has_its_likelihood(hidden: str) -> None:
    """Maxima 20 standard deviations apart, or a standard deviation of 7."""
    W, b = (20.0, -220.0) if hidden == "bernoulli" else (0.99, 0.5)
    rbm = rf.RBM.from_arrays([[W]], [1.0], [b], visible="gaussian", hidden=hidden)
    V = np.array([[-3], [1], [11], [21], [30.0]])
    assert_allclose(rf.pseudo_likelihood(rbm, V), rf.log_likelihood(rbm, V), rtol=1e-4)


@pytest.mark.parametrize("W, hidden", [(1.0, "relu"), (1.5, "relu"), (1.2, "drelu")])
def test_what_is_no_distribution_is_refused(W: float, hidden: str) -> None:
    rbm = rf.RBM.from_arrays([[W], [0.1]], [0, 0], [0], visible="gaussian", hidden=hidden)
    with pytest.raises(ValueError, match="units of both layers drive each other"):
        rf.pseudo_likelihood(rbm, [[0.5, 0.5]])
