"""Probabilities, moments and gradients, against sums over the states of both layers."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from likelihood.helpers import joint, model, parameters, published_model
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast.likelihood import Moments, exact_gradient, exact_moments, log_probabilities

UNITS = [{"visible": "gaussian"}, {"hidden": "gaussian"}]


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
    with pytest.raises(ValueError, match="at most 20 visible units with 0/1 states, got 21 bernoulli"):
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


def test_moments_of_unconnected_units() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=300).astype(np.float32), rng.normal(size=4).astype(np.float32)
    v, h = (1 / (1 + np.exp(-x.astype(np.float64))) for x in (a, b))
    assert_same_moments(
        exact_moments(rf.RBM.from_arrays(np.zeros((300, 4)), a, b)), Moments(v, h, np.outer(v, h))
    )


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


def test_gradient_from_any_container_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm, X = model(9, 4), np.random.default_rng(1).integers(0, 2, (50, 9), dtype=np.uint8)
    expected = exact_gradient(rbm, X)
    nearly = np.where(X == 1, 1 - 1e-7, 1e-7)  # as levels these are 0 and 1
    packed = rf.Packed(np.packbits(X, axis=1), 9)
    for data in (X.tolist(), X.astype(bool), sp.csr_array(X), packed, rf.Grey8(X * 255), nearly):
        assert_array_equal(exact_gradient(rbm, data).W, expected.W)
    monkeypatch.setattr("rbmfast.likelihood.exact.BLOCK_NUMBERS", 13 * 7)
    assert_allclose(exact_gradient(rbm, X).W, expected.W, rtol=1e-12)
