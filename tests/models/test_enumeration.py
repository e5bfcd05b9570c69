"""Energies and conditionals of single models; `test_groups.py` sums over all states of every shape."""

import itertools

import numpy as np
import pytest
from models.helpers import joint, small
from numpy.testing import assert_allclose
from scipy.special import expit, logsumexp

import rbmfast as rf
from rbmfast.likelihood import all_states

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


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (65, 129)])
def test_odd_sizes(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    W, a, b = rng.normal(size=shape), rng.normal(size=shape[0]), rng.normal(size=shape[1])
    rbm = rf.RBM.from_arrays(W, a, b)
    V, H = (rng.integers(0, 2, (33, n), dtype=np.uint8) for n in shape)
    x, y = V @ W + b, H @ W.T + a
    assert_allclose(rbm.hidden_probabilities(V), expit(x), atol=3e-5)
    assert_allclose(rbm.visible_probabilities(H), expit(y), atol=3e-5)
    assert_allclose(rbm.free_energy(V), -(V @ a) - np.logaddexp(0, x).sum(axis=1), rtol=1e-4, atol=1e-3)
    assert_allclose(rbm.energy(V, H), -(x * H).sum(axis=1) - V @ a, rtol=1e-4, atol=1e-3)


# --- Gaussian units ----------------------------------------------------------------------------------------


def grid(n: int) -> tuple[np.ndarray, float]:
    """Points (n_points, n) and the volume of each."""
    axis, step = np.linspace(-14, 14, 281, retstep=True)
    return np.array(list(itertools.product(axis, repeat=n)), np.float32), step**n


@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_gaussian_visible_units_by_integration(n: int) -> None:
    rbm = small(n, 3, visible="gaussian")
    V, volume = grid(n)
    H = all_states(3)
    E = np.stack([rbm.energy(V, np.tile(h, (len(V), 1))) for h in H], axis=1)
    assert_allclose(rbm.free_energy(V), -logsumexp(-E, axis=1), rtol=1e-5, atol=1e-4)

    given_v = np.exp(-E - logsumexp(-E, axis=1, keepdims=True))
    assert_allclose(rbm.hidden_probabilities(V), given_v @ H, atol=1e-5)

    given_h = np.exp(-E - logsumexp(-E, axis=0, keepdims=True))
    assert_allclose(rbm.visible_probabilities(H), given_h.T @ V, atol=1e-4)
    second = given_h.T @ V.astype(np.float64) ** 2
    assert_allclose(second - rbm.visible_probabilities(H).astype(float) ** 2, 1, atol=1e-3)

    log_z = logsumexp(-E) + np.log(volume)
    assert_allclose(rf.log_partition(rbm).value, log_z, atol=1e-4)
    assert_allclose(np.exp(rf.log_likelihood(rbm, V)).sum() * volume, 1, atol=1e-4)


def test_gaussian_energy_formula() -> None:
    rng = np.random.default_rng(0)
    V, H = rng.normal(size=(9, 5)), rng.integers(0, 2, (9, 4))
    rbm = small(5, 4, visible="gaussian")
    energy = ((V - rbm.a) ** 2).sum(axis=1) / 2 - H @ rbm.b - ((V @ rbm.W) * H).sum(axis=1)
    assert_allclose(rbm.energy(V, H), energy, rtol=1e-5, atol=1e-5)

    flipped = rf.RBM.from_arrays(rbm.W.T, rbm.b, rbm.a, hidden="gaussian")
    assert_allclose(flipped.energy(H, V), energy, rtol=1e-5, atol=1e-5)

    both = small(5, 4, visible="gaussian", hidden="gaussian")
    G = rng.normal(size=(9, 4))
    energy = ((V - both.a) ** 2).sum(axis=1) / 2 + ((G - both.b) ** 2).sum(axis=1) / 2
    assert_allclose(both.energy(V, G), energy - ((V @ both.W) * G).sum(axis=1), rtol=1e-5, atol=1e-5)


def test_gaussian_hidden_units_by_completing_the_square() -> None:
    rbm = small(5, 4, hidden="gaussian")
    V = all_states(5)
    x = V @ rbm.W + rbm.b
    expected = -(V @ rbm.a) - (x**2 - rbm.b**2).sum(axis=1) / 2 - rbm.n_hidden * np.log(2 * np.pi) / 2
    assert_allclose(rbm.free_energy(V), expected, rtol=1e-5)
    assert_allclose(rf.log_partition(rbm).value, logsumexp(-expected), rtol=1e-6)
    assert_allclose(rbm.hidden_probabilities(V), x, rtol=1e-5, atol=1e-5)


def test_overflowing_real_states_are_refused() -> None:
    rbm = small(5, 4, visible="gaussian")
    with pytest.raises(ValueError, match="overflow float32"):
        rbm.hidden_probabilities(np.full((2, 5), 3e38, np.float32) * np.sign(rbm.W[:, 0]))
