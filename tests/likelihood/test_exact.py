"""Probabilities, moments, gradients and divergences, against sums over the states of both layers."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from likelihood.helpers import bars_and_stripes, joint, model, parameters, published_model
from numpy.testing import assert_allclose
from scipy.special import logsumexp, rel_entr

import rbmfast as rf
from rbmfast.likelihood import (
    Moments,
    all_states,
    exact_gradient,
    exact_moments,
    kl_divergence,
    log_probabilities,
)
from rbmfast.units import Bernoulli, Unit


def brute_force_moments(rbm: rf.RBM) -> Moments:
    V, H, p = (whole := joint(*parameters(rbm))).V, whole.H, whole.p
    return Moments(p.sum(axis=1) @ V, p.sum(axis=0) @ H, V.T @ p @ H)


def assert_same_moments(mine: Moments, theirs: Moments, rtol: float = 1e-11) -> None:
    for name in ("visible", "hidden", "pairs"):
        x, y = getattr(mine, name), getattr(theirs, name)
        assert x.dtype == np.float64 and x.shape == y.shape
        assert_allclose(x, y, rtol=rtol, atol=1e-300)


# --- Probabilities -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (6, 3), (3, 6)])
def test_log_probabilities(shape: tuple[int, int]) -> None:
    rbm = model(*shape)
    both = joint(*parameters(rbm))
    expected = logsumexp(both.log_weights, axis=1) - both.log_z
    assert_allclose(log_probabilities(rbm), expected, rtol=1e-12)


def test_lists_of_probabilities_stay_short() -> None:
    with pytest.raises(ValueError, match=r"at most 2\*\*20 visible states, got 21 bernoulli"):
        log_probabilities(model(21, 2))
    with pytest.raises(ValueError, match="got 3 gaussian units"):
        log_probabilities(model(3, 2, visible="gaussian"))


# --- Moments -----------------------------------------------------------------------------------------------


@given(
    n=st.integers(1, 7),
    m=st.integers(1, 7),
    scale=st.sampled_from([0.0, 0.1, 1.0, 5.0, 300.0]),
    block_numbers=st.sampled_from([1, 6, 24, 1 << 16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_moments_against_the_sum_over_both_layers(
    n: int, m: int, scale: float, block_numbers: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    W, a, b = rng.normal(size=(n, m)), rng.normal(size=n), rng.normal(size=m)
    rbm = rf.RBM.from_arrays(scale * W, a, b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", block_numbers)
        # The exponents' rounding, relative to 1, grows with the exponents.
        assert_same_moments(exact_moments(rbm), brute_force_moments(rbm), rtol=1e-12 * (1 + 10 * scale))


@pytest.mark.slow
def test_moments_are_slopes_of_log_z_for_the_published_model() -> None:
    rbm, step = published_model(), np.float32(2**-8)
    moments = exact_moments(rbm)
    for name, unit, expected in (("b", 3, moments.hidden[3]), ("a", 400, moments.visible[400])):
        log_z, at = [], []
        for sign in (-1, 1):
            moved = getattr(rbm, name).copy()
            moved[unit] += sign * step
            there = rf.RBM.from_arrays(rbm.W, rbm.a, rbm.b)
            setattr(there, name, moved)
            log_z.append(rf.log_partition(there).value)
            at.append(float(moved[unit]))
        assert_allclose((log_z[1] - log_z[0]) / (at[1] - at[0]), expected, atol=1e-5)


# --- The gradient ------------------------------------------------------------------------------------------


def mean_log_likelihood(flat: np.ndarray, n: int, m: int, X: np.ndarray) -> float:
    """Of parameters in one vector, by sums over both layers."""
    W, a, b = np.split(flat, [n * m, n * m + n])
    W = W.reshape(n, m)
    numerators = X @ a + np.logaddexp(0, X @ W + b).sum(axis=1)
    return float(numerators.mean()) - joint(W, a, b).log_z


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 3), (3, 5), (4, 4)])
def test_gradient_against_central_differences(n: int, m: int) -> None:
    rbm = model(n, m)
    X = np.random.default_rng(0).integers(0, 2, (9, n), dtype=np.uint8)
    flat, step = np.concatenate([p.ravel() for p in parameters(rbm)]), 1e-5
    slopes = [
        (mean_log_likelihood(flat + move, n, m, X) - mean_log_likelihood(flat - move, n, m, X)) / (2 * step)
        for move in step * np.eye(len(flat))
    ]
    gradient = exact_gradient(rbm, X)
    assert [g.shape for g in (gradient.W, gradient.a, gradient.b)] == [(n, m), (n,), (m,)]
    mine = np.concatenate([g.ravel() for g in (gradient.W, gradient.a, gradient.b)])
    assert mine.dtype == np.float64
    assert_allclose(mine, slopes, atol=1e-9)  # differences of numbers near 10, over 2e-5


def test_gradient_of_shown_states() -> None:
    """Along the parameters that users see, where states are shown in another scale."""
    visible = rf.Gaussian(sigma=3.0)
    W, a, b = np.array([[2.0, -1.0]]), np.array([1.0]), np.array([0.5, 0.25])
    X, step = np.array([[-3.0], [1.0], [9.0]]), 2.0**-6
    gradient = exact_gradient(rf.RBM.from_arrays(W, a, b, visible=visible), X)
    flat = np.concatenate([W.ravel(), a, b])

    def likelihood(flat: np.ndarray) -> float:
        rbm = rf.RBM.from_arrays(flat[:2].reshape(1, 2), flat[2:3], flat[3:], visible=visible)
        return float(rf.log_likelihood(rbm, X).mean())

    slopes = [(likelihood(flat + move) - likelihood(flat - move)) / (2 * step) for move in step * np.eye(5)]
    assert_allclose(np.concatenate([gradient.W.ravel(), gradient.a, gradient.b]), slopes, atol=2e-4)


# --- Divergence ------------------------------------------------------------------------------------------


BARS = bars_and_stripes(4)
UNIFORM = rf.RBM.from_arrays(np.zeros((16, 3)), np.zeros(16), np.zeros(3))


def as_vector(states: np.ndarray, p: np.ndarray) -> np.ndarray:
    numbers = Bernoulli().state_numbers(states)
    return np.bincount(numbers, p, 2 ** states.shape[1])


def memory_of_the_bars() -> rf.RBM:
    """A hidden unit for each of the 30 images, whose weights multiply its probability by exp(55).

    A state at the Hamming distance d from an image gets softplus(60 (1/2 - d) + 25) from its unit: 55 at
    d = 0, below 0.01 elsewhere. All other states together are 2**16 exp(-55) times as probable as one image.
    """
    W = 60.0 * (2.0 * BARS.T - 1)
    return rf.RBM.from_arrays(W, np.zeros(16), 60 * (0.5 - BARS.sum(axis=1)) + 25)


def test_bars_and_stripes_from_even_states() -> None:
    # 16 log 2 - log 30, from every form that the data may take.
    expected = 16 * math.log(2) - math.log(30)
    even = np.full(30, 1 / 30)
    forms = [BARS, BARS.tolist(), sp.csr_array(BARS), np.tile(BARS, (3, 1)), (BARS, even)]
    forms += [(BARS, even.astype(np.float32)), (np.tile(BARS, (2, 1)), np.full(60, 1 / 60))]
    forms += [as_vector(BARS, even), as_vector(BARS, even).tolist()]
    for data in forms:
        assert_allclose(kl_divergence(data, UNIFORM), expected, rtol=1e-12)


def test_bars_and_stripes_from_a_model_that_knows_them_by_heart() -> None:
    rbm = memory_of_the_bars()
    assert_allclose(kl_divergence(BARS, rbm), 0, atol=1e-11)
    # Drawn as a way to lie and a line at a time, the empty and the full image come up twice as often.
    twice = np.concatenate([BARS, BARS[[0, -1]]])
    expected = 28 / 32 * math.log(30 / 32) + 2 / 16 * math.log(30 / 16)
    assert_allclose(kl_divergence(twice, rbm), expected, atol=1e-11)
    p = np.full(30, 1 / 32)
    p[[0, -1]] *= 2
    assert_allclose(kl_divergence((BARS, p), rbm), expected, atol=1e-11)
    assert_allclose(kl_divergence(as_vector(BARS, p), rbm), expected, atol=1e-11)


@pytest.mark.parametrize("units", [{}, {"hidden": "gaussian"}])
def test_against_the_list_of_probabilities(units: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    rbm, rng = model(6, 4, 0.5, **units), np.random.default_rng(0)
    for block_numbers in (1 << 16, 24):
        monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", block_numbers)
        monkeypatch.setattr("rbmfast.likelihood.exact.BLOCK_NUMBERS", block_numbers)
        p = rng.dirichlet(np.full(64, 0.3))
        p[rng.permutation(64)[:30]] = 0
        p /= p.sum()
        expected = rel_entr(p, np.exp(log_probabilities(rbm))).sum()
        assert_allclose(kl_divergence(p, rbm), expected, rtol=1e-12)
        assert_allclose(kl_divergence((all_states(6), p), rbm), expected, rtol=1e-12)
        some = rng.integers(0, 64, 50)
        counts = np.bincount(some, minlength=64) / 50
        expected = rel_entr(counts, np.exp(log_probabilities(rbm))).sum()
        assert_allclose(kl_divergence(all_states(6)[some], rbm), expected, rtol=1e-12)


@pytest.mark.parametrize("visible", [rf.Categorical(3), rf.Binomial(3)], ids=str)
def test_of_other_states(visible: Unit) -> None:
    rbm = model(6, 4, 0.5, visible=visible)
    log_p = log_probabilities(rbm)
    states = visible.states(6, np.arange(len(log_p)))
    rows = np.random.default_rng(0).integers(0, len(states), 50)
    counts = np.bincount(rows, minlength=len(states)) / 50
    expected = rel_entr(counts, np.exp(log_p)).sum()
    assert_allclose([kl_divergence(states[rows], rbm), kl_divergence(counts, rbm)], expected, rtol=1e-12)


def test_an_improbable_state_is_far_but_not_infinitely() -> None:
    rbm = rf.RBM.from_arrays(np.zeros((2, 1)), [-1e4, -1e4], [0.0])
    assert_allclose(kl_divergence([[1, 1]], rbm), 2e4, rtol=1e-12)


def test_divergence_is_entropy_and_likelihood() -> None:
    rbm = published_model()
    X = np.random.default_rng(0).integers(0, 2, (40, 784), dtype=np.uint8)
    expected = -math.log(40) - rf.log_likelihood(rbm, X).mean()
    assert_allclose(kl_divergence(X, rbm), expected, rtol=1e-6)


# --- Refused divergences ---------------------------------------------------------------------------------

STATES = [[0, 1, 0], [1, 1, 0]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[0, 1, 0], [0, 0.5, 0]], r"^data\[1, 1\] is a grey level, which is no state of bernoulli units"),
        (([[0, 1, 0.5]], [1.0]), r"^data\[0\]\[0, 2\] is a grey level"),
        ([[0, 1]], r"^data must have 3 features"),
        ((STATES, [0.5, 0.5], 1), r"^data must be a pair \(states, probabilities\) if a tuple, got 3 items$"),
        ((STATES, [0.5]), r"^data\[1\] must be a vector of 2 probabilities, got shape \(1,\)$"),
        ((STATES, [0.5, 0.6]), r"^data\[1\] must add up to 1 within 1e-06, got 1\.1$"),
        ((STATES, [1.5, -0.5]), r"^data\[1\] must be probabilities from 0 to 1, got -0\.5 at 1$"),
        ((STATES, [np.nan, 1]), r"^data\[1\] must be probabilities from 0 to 1, got nan at 0$"),
        ((STATES, [np.inf, 1]), r"^data\[1\] must add up to 1 within 1e-06, got inf$"),
        (
            [0, 1, 0],
            r"^data must be rows of 3 states \(2-D\), or a pair .*, or 8 probabilities, got shape \(3,\)",
        ),
        ([0.5] * 8, r"^data must add up to 1 within 1e-06, got 4$"),
        ((STATES, ["a", "b"]), r"^data\[1\] must be probabilities, got dtype <U1$"),
        ("abc", r"^data must be"),
    ],
)
def test_bad_data(data: object, message: str) -> None:
    with pytest.raises(TypeError if "abc" in data or "got dtype" in message else ValueError, match=message):
        kl_divergence(data, model(3, 2))


def test_bad_models() -> None:
    rows = r"^data must be rows of 30 states \(2-D\), or a pair .*, got shape \(4,"  # too large for vectors
    with pytest.raises(ValueError, match=rows):
        kl_divergence([0.25] * 4, model(30, 2))
