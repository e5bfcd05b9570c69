"""Samples beside data: moments against NumPy's, what chance explains against repetitions."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import rbmfast as rf
from rbmfast.likelihood import comparison
from rbmfast.likelihood.comparison import compare_samples

RNG = np.random.default_rng(0)
N = 7
RBM = rf.RBM.from_arrays(RNG.normal(size=(N, 4)), RNG.normal(size=N), RNG.normal(size=4))
GAUSSIAN = rf.RBM.from_arrays(0.3 * RNG.normal(size=(N, 4)), np.zeros(N), np.zeros(4), visible="gaussian")


def states(n: int, seed: int) -> np.ndarray:
    """Rows of correlated units."""
    rng = np.random.default_rng(seed)
    return ((rng.random((n, N)) + rng.random((n, 1))) / 2 < 0.4).astype(np.uint8)


@pytest.mark.parametrize("pairs_at_once", [1, 3 * N, 1 << 22])
@pytest.mark.parametrize("rows_at_once", [3, 1000])
@pytest.mark.parametrize("real", [False, True])
def test_moments(monkeypatch: pytest.MonkeyPatch, pairs_at_once: int, rows_at_once: int, real: bool) -> None:
    monkeypatch.setattr(comparison, "PAIRS_AT_ONCE", pairs_at_once)
    monkeypatch.setattr(comparison, "rows_in_a_scan", lambda _: rows_at_once)
    rng = np.random.default_rng(1)
    X, S = (rng.normal(size=(n, N)) for n in (60, 40)) if real else (states(60, 1), states(40, 2))
    found = compare_samples(GAUSSIAN if real else RBM, X, S)

    means = S.mean(axis=0) - X.mean(axis=0)
    assert_allclose(found.means.rms, np.sqrt((means**2).mean()), rtol=1e-5)
    assert_allclose(found.means.size, np.sqrt(X.var(axis=0, ddof=1).mean()), rtol=1e-5)
    noise = X.var(axis=0, ddof=1) / 60 + S.var(axis=0, ddof=1) / 40
    assert_allclose(found.means.noise, np.sqrt(noise.mean()), rtol=1e-5)
    assert_allclose(found.means.largest, means[found.means.where], rtol=1e-5)
    assert_allclose(abs(found.means.largest), np.abs(means).max(), rtol=1e-5)

    upper = np.triu_indices(N, 1)
    covariances = (np.cov(S.T) - np.cov(X.T))[upper]
    assert_allclose(found.covariances.rms, np.sqrt((covariances**2).mean()), rtol=1e-5)
    assert_allclose(found.covariances.size, np.sqrt((np.cov(X.T)[upper] ** 2).mean()), rtol=1e-5)
    i, j = found.covariances.where
    assert i < j
    assert_allclose(found.covariances.largest, np.cov(S.T)[i, j] - np.cov(X.T)[i, j], rtol=1e-4)
    assert_allclose(abs(found.covariances.largest), np.abs(covariances).max(), rtol=1e-4)


def test_noise_is_what_chance_gives() -> None:
    """Over 300 pairs of equal distributions; 4 standard deviations: another seed fails once in 15 000."""
    found = [compare_samples(RBM, states(200, 2 * i), states(100, 2 * i + 1)) for i in range(300)]
    for name in ("means", "covariances"):
        ratios = [getattr(one, name).rms ** 2 / getattr(one, name).noise ** 2 for one in found]
        assert abs(np.mean(ratios) - 1) < 4 * np.std(ratios) / math.sqrt(300)
    distances = [one.distance for one in found]
    # Free energies take few values here, which makes distances smaller, not larger.
    assert np.mean(distances) < found[0].distance_noise * 1.05
    assert sum(one.alarms != () for one in found) == 0


def test_distance_noise_of_continuous_numbers() -> None:
    """Kolmogorov's distribution has the standard deviation 0.26; finite samples are some percent below."""
    rng = np.random.default_rng(3)
    pairs = (compare_samples(GAUSSIAN, *(rng.normal(size=(n, N)) for n in (500, 300))) for _ in range(300))
    ratios = [found.distance / found.distance_noise for found in pairs]
    assert_allclose(np.mean(ratios), 1, rtol=0.1)


def test_free_energies() -> None:
    X, S = states(20, 1), states(10, 2)
    found = compare_samples(RBM, X, S)
    assert_allclose(found.data_free_energy, RBM.free_energy(X))
    assert_allclose(found.sample_free_energy, RBM.free_energy(S))
    at = np.concatenate([found.data_free_energy, found.sample_free_energy])[:, None]
    below = [(energies <= at).mean(axis=1) for energies in (found.data_free_energy, found.sample_free_energy)]
    assert_allclose(found.distance, np.abs(below[0] - below[1]).max())


def test_alarms() -> None:
    X = RBM.sample(2000, steps=50, seed=1)
    assert compare_samples(RBM, X, RBM.sample(2000, steps=50, seed=2)).alarms == ()
    X = states(2000, 1)
    shuffled = np.stack([np.random.default_rng(i).permutation(X[:, i]) for i in range(N)], axis=1)
    starts = [alarm.split(":")[0] for alarm in compare_samples(RBM, X, shuffled).alarms]
    assert "pairs of units covary otherwise in samples than in data" in starts
    assert "units have other means in samples than in data" not in starts
    starts = [alarm.split(":")[0] for alarm in compare_samples(RBM, X, 1 - X).alarms]
    assert starts[:2] == [
        "free energies of samples and data differ",
        "units have other means in samples than in data",
    ]


def test_any_container() -> None:
    X, S = states(30, 1), states(20, 2)
    expected = compare_samples(RBM, X, S)
    for other in (sp.csr_matrix(X), rf.Packed(np.packbits(X, axis=1), N), X.astype(float), X.tolist()):
        found = compare_samples(RBM, other, S)
        for name in ("means", "covariances", "distance"):
            assert getattr(found, name) == getattr(expected, name)


def test_grey_levels_are_expectations() -> None:
    X = np.random.default_rng(4).random((50, N))
    found = compare_samples(RBM, X, states(40, 1))
    assert_allclose(found.means.size, np.sqrt(X.var(axis=0, ddof=1).mean()), rtol=1e-4)


@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 5))
def test_any_shape(n: int, m: int, width: int) -> None:
    rng = np.random.default_rng(n * 100 + m * 10 + width)
    rbm = rf.RBM(width, 2, seed=0)
    found = compare_samples(rbm, rng.integers(0, 2, (n, width)), rng.integers(0, 2, (m, width)))
    assert len(found.means.where) == 1
    assert len(found.covariances.where) == (2 if width > 1 else 0)
    numbers = [found.distance, found.distance_noise]
    for part in (found.means, found.covariances):
        numbers += [part.rms, part.noise, part.size]
    assert np.isfinite(numbers).all()
    assert min(numbers) >= 0


@pytest.mark.parametrize(
    ("X", "samples", "message"),
    [
        (states(5, 1)[:, :3], states(5, 1), r"X must have 7 features \(columns\), got 3"),
        (states(5, 1), states(5, 1)[:, :3], r"samples must have 7 features \(columns\), got 3"),
        (states(1, 1), states(5, 1), "X must have at least 2 rows, got 1"),
        (states(5, 1), states(1, 1), "samples must have at least 2 rows, got 1"),
        (states(5, 1), 2 * states(5, 1), "samples"),
    ],
)
def test_refusals(X: np.ndarray, samples: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        compare_samples(RBM, X, samples)
