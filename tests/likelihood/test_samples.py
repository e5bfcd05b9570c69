"""Exact samples: their distribution, and that a seed means what it says.

Statistical tests have fixed seeds, so they give the same verdict each time; the false-alarm rates say how
likely it was that a correct sampler would have got an unlucky seed.
"""

import itertools

import numpy as np
import pytest
from likelihood.helpers import joint, model, parameters, published_model, small_weights
from numpy.testing import assert_array_equal
from scipy import stats

import rbmfast as rf
from rbmfast import reference
from rbmfast.likelihood import exact_moments, exact_samples
from rbmfast.likelihood.samples import _find, _uniform
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Bernoulli

FALSE_ALARM = 1e-6
N_SAMPLES = 200_000


def numbers(states: np.ndarray) -> np.ndarray:
    return Bernoulli().state_numbers(states)


def assert_frequencies(observed: np.ndarray, p: np.ndarray) -> None:
    """Chi-square of counts; cells that expect fewer than 10 are counted as one."""
    expected = p * observed.sum()
    rare = expected < 10
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    chi2 = ((observed - expected) ** 2 / expected).sum()
    assert chi2 < stats.chi2.isf(FALSE_ALARM, len(expected) - 1)


# --- The distribution --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])  # the last two: ties and the visible layer
def test_frequencies_of_joint_states(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", 10)  # two or more blocks
    rbm = small_weights(*shape)
    V, H = exact_samples(rbm, N_SAMPLES, seed=1, return_hidden=True)
    p = joint(*parameters(rbm)).p
    assert_frequencies(np.bincount(numbers(V) * p.shape[1] + numbers(H), minlength=p.size), p.ravel())


def test_neighbouring_samples_are_independent() -> None:
    rbm = small_weights(2, 3)
    V = exact_samples(rbm, N_SAMPLES, seed=2)
    p = joint(*parameters(rbm)).p.sum(axis=1)
    pairs = numbers(V[::2]) * 4 + numbers(V[1::2])
    assert_frequencies(np.bincount(pairs, minlength=16), np.outer(p, p).ravel())


def test_states_without_probability_are_never_drawn() -> None:
    rbm = rf.RBM.from_arrays(np.full((3, 2), 3000.0), np.full(3, -3000.0), np.full(2, -4500.0))
    for flipped in (rbm, rf.RBM.from_arrays(rbm.W.T, rbm.b, rbm.a)):
        V, H = exact_samples(flipped, 1000, seed=1, return_hidden=True)
        both = np.hstack([V, H])
        assert (both == both[:, :1]).all()
        assert 0.4 < both.mean() < 0.6


def test_intervals_are_never_empty_ones() -> None:
    ends = np.array([0.0, 0.0, 1.0, 1.0, 3.0, 3.0])
    assert_array_equal(_find(ends, np.array([-1e-9, 0.0, 0.999, 1.0, 2.9, 3.0, 3.1])), [2, 2, 2, 4, 4, 4, 4])


def test_gaussian_units_beside_the_enumerated_layer() -> None:
    rbm = model(3, 4, visible="gaussian")
    W, a, b = parameters(rbm)
    V, H = exact_samples(rbm, N_SAMPLES, seed=3, return_hidden=True)
    assert V.dtype == np.float32 and H.dtype == np.uint8
    states = rf.likelihood.all_states(4)
    exponents = states @ b + ((states @ W.T + a) ** 2).sum(axis=1) / 2
    p = np.exp(exponents - exponents.max())
    assert_frequencies(np.bincount(numbers(H), minlength=16), p / p.sum())
    noise = (V - H @ W.T - a).ravel()
    assert stats.kstest(noise, "norm").pvalue > FALSE_ALARM


def test_hidden_means_of_the_published_model() -> None:
    rbm, n = published_model(), 20_000
    moments = exact_moments(rbm)
    V, H = exact_samples(rbm, n, seed=1, return_hidden=True)
    z = (H.mean(axis=0) - moments.hidden) / np.sqrt(moments.hidden * (1 - moments.hidden) / n)
    assert np.abs(z).max() < stats.norm.isf(FALSE_ALARM / (2 * len(z)))
    on = V.sum(axis=1)
    z = (on.mean() - moments.visible.sum()) / (on.std() / np.sqrt(n))
    assert abs(z) < stats.norm.isf(FALSE_ALARM / 2)


# --- Seeds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12, 7), (7, 12)])
def test_rows_and_blocks_may_be_split(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = model(*shape)
    V, H = exact_samples(rbm, 45, seed=2, first_row=5, return_hidden=True)
    assert V.dtype == H.dtype == np.uint8 and (V.shape[1], H.shape[1]) == shape
    assert_array_equal(exact_samples(rbm, 45, seed=2, first_row=5), V)
    monkeypatch.setattr("rbmfast.models.base.BLOCK_BYTES", 8 * sum(shape) * 7)
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", 24)
    for ends in ((0, 45), (0, 1, 17, 30, 45), (0, 44, 45)):
        parts = [
            np.hstack(exact_samples(rbm, j - i, seed=2, first_row=5 + i, return_hidden=True))
            for i, j in itertools.pairwise(ends)
        ]
        assert_array_equal(np.concatenate(parts), np.hstack([V, H]))


def test_seeds() -> None:
    rbm = model(12, 8)
    first = exact_samples(rbm, 50, seed=np.random.default_rng(1))
    assert_array_equal(exact_samples(rbm, 50, seed=np.random.default_rng(1)), first)
    for other in (exact_samples(rbm, 50, seed=2), exact_samples(rbm, 50), exact_samples(rbm, 50)):
        assert (other != first).any()


def test_uniform_numbers_are_53_bits_of_two_units() -> None:
    words = reference.uniform_u32(6, 2, 2**63 + 5, Purpose.EXACT, 0, 0, 2**39)
    expected = [int(high) * 2**32 + int(low) for high, low in words]
    stream = Stream(2**63 + 5, Purpose.EXACT, rows=2**39)
    assert_array_equal(_uniform(6, stream), [(word >> 11) / 2**53 for word in expected])


# --- Refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n must be an integer from 1 .*, got 0$"),
        ({"n": -1}, ValueError, "n must be an integer from 1 .*, got -1$"),
        ({"n": 2.0}, TypeError, r"n must be an integer from 1 .*, got 2\.0$"),
        ({"n": 2, "first_row": 2**40 - 1}, ValueError, "first_row must be an integer from 0"),
        ({"n": 2, "seed": -1}, ValueError, "seed must be"),
        ({"n": 2**40}, MemoryError, "a sample of n=1099511627776 states needs"),
    ],
)
def test_bad_arguments(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        exact_samples(model(3, 2), **arguments)
