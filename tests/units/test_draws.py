"""The numbers that Gaussian and Bernoulli units draw by."""

import warnings

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri
from scipy.stats import kstest

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Bernoulli, Gaussian
from rbmfast.units.gaussian import standard_normal


def test_standard_normal_is_the_inverse_distribution_function() -> None:
    edges = np.array([0, 1, 2, 1000, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1], np.uint32)
    near_the_seam = (np.array([0.075, 0.925]) * 2.0**32).astype(np.uint32)
    spread = np.linspace(0, 2**32 - 1, 100_001).astype(np.uint32)
    u = np.concatenate([edges, near_the_seam - 1, near_the_seam, near_the_seam + 1, spread])
    exact = ndtri((u + 0.5) / 2.0**32)
    assert_allclose(standard_normal(u), exact, rtol=1e-6, atol=1e-7)


def test_standard_normal_is_odd_and_never_zero() -> None:
    u = np.concatenate([np.arange(1000), np.arange(2**31 - 1000, 2**31)]).astype(np.uint32)
    assert_array_equal(standard_normal(u), -standard_normal(~u))
    assert (standard_normal(u) != 0).all()


def test_no_tail_at_all() -> None:
    assert standard_normal(np.full((2, 2), 2**31, np.uint32)).shape == (2, 2)


def test_samples_are_normal() -> None:
    # Kolmogorov-Smirnov at 1e-6, the false-alarm rate.
    x = np.full((2000, 100), 1.5, np.float32)
    states = Gaussian().sample(x, Stream(3, Purpose.GIBBS, 0, 1))
    assert kstest(states.ravel() - 1.5, "norm").pvalue > 1e-6


def test_units_are_uncorrelated() -> None:
    # 435 correlations within 5.5 standard errors: false-alarm rate 2e-5.
    noise = Gaussian().sample(np.zeros((20_000, 30), np.float32), Stream(3, Purpose.GIBBS, 0, 1))
    correlation = np.corrcoef(noise.T)[np.triu_indices(30, 1)]
    assert np.abs(correlation).max() < 5.5 / np.sqrt(len(noise))


def test_columns_that_are_not_standardised_are_told() -> None:
    """Once a run, of the columns that need it; not of standardised, constant or few ones."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    good = (X - X.mean(axis=0)) / X.std(axis=0)
    settings = {"epochs": 1, "seed": 0}

    def told(X: np.ndarray, **units: object) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rf.train(rf.RBM(X.shape[1], 3, seed=0, **units), X, optimizer=rf.SGD(1e-3), **settings)
        assert all(warning.filename == __file__ for warning in caught)
        return [str(warning.message) for warning in caught]

    scale = np.array([1, 10, 1, 0.09])
    (message,) = told(good * scale, visible="gaussian")
    assert message.startswith("X: 2 of 4 columns are far from mean 0 and standard deviation 1")
    assert "(column 1 has" in message and "and 10)" in message and "StandardScaler" in message
    (message,) = told(good + 5, visible="gaussian")
    assert message.startswith("X: 4 of 4") and "(column 0 has 5 and 1)" in message
    pixels = (good > 0).astype(float)
    mixed = rf.Mixed([(rf.Bernoulli(), 4), (rf.Gaussian(), 4)])
    (message,) = told(np.hstack([pixels, good * scale]), visible=mixed)
    assert message.startswith("X: 2 of 4") and "(column 5 has" in message

    constant = np.hstack([good, np.full((200, 2), [0.0, 0.1])])
    for fine in (good, constant, X[:20] * 10):
        assert told(fine, visible="gaussian") == []
    assert told(np.hstack([pixels, good]), visible=mixed) == []
    assert told(pixels, hidden="gaussian") == []


STREAM = Stream(1, Purpose.GIBBS, 0, 5)


def logit(p: float) -> np.float32:
    return np.float32(np.log(p / (1 - p)))


def test_on_for_042_and_off_for_063_at_probability_056() -> None:
    """The worked example. The rule reads a uniform number u from the side of the rarer state, here off."""
    states = Bernoulli().sample(np.full((20_000, 64), logit(0.56), np.float32), STREAM)
    from_the_on_side = 1 - engine.uniform_u32(20_000, 64, *STREAM) / 2.0**32
    at_042 = np.abs(from_the_on_side - 0.42) < 1e-3
    at_063 = np.abs(from_the_on_side - 0.63) < 1e-3
    assert at_042.any() and at_063.any()
    assert states[at_042].all()
    assert not states[at_063].any()
