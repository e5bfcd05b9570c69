"""KL divergences, against sums over the list of all probabilities."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from likelihood.helpers import bars_and_stripes, model, published_model
from numpy.testing import assert_allclose
from scipy.special import rel_entr

import rbmfast as rf
from rbmfast.likelihood import all_states, kl_divergence, log_probabilities
from rbmfast.units import Bernoulli

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


# --- Bars and stripes --------------------------------------------------------------------------------------


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


# --- Other distributions -----------------------------------------------------------------------------------


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


def test_an_improbable_state_is_far_but_not_infinitely() -> None:
    rbm = rf.RBM.from_arrays(np.zeros((2, 1)), [-1e4, -1e4], [0.0])
    assert_allclose(kl_divergence([[1, 1]], rbm), 2e4, rtol=1e-12)


def test_divergence_is_entropy_and_likelihood() -> None:
    rbm = published_model()
    X = np.random.default_rng(0).integers(0, 2, (40, 784), dtype=np.uint8)
    expected = -math.log(40) - rf.log_likelihood(rbm, X).mean()
    assert_allclose(kl_divergence(X, rbm), expected, rtol=1e-6)


# --- Refusals ----------------------------------------------------------------------------------------------

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
