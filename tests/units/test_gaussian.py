"""The normal numbers behind Gaussian units."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri
from scipy.stats import kstest

from rbmfast import _engine as engine
from rbmfast.random import Purpose
from rbmfast.units import Gaussian
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
    states = Gaussian().sample(x, 3, Purpose.GIBBS, 0, 1)
    assert kstest(states.ravel() - 1.5, "norm").pvalue > 1e-6


def test_units_are_uncorrelated() -> None:
    # 435 correlations within 5.5 standard errors: false-alarm rate 2e-5.
    noise = Gaussian().sample(np.zeros((20_000, 30), np.float32), 3, Purpose.GIBBS, 0, 1)
    correlation = np.corrcoef(noise.T)[np.triu_indices(30, 1)]
    assert np.abs(correlation).max() < 5.5 / np.sqrt(len(noise))


def test_the_numbers_come_from_the_engine_stream() -> None:
    stream = (3, Purpose.GIBBS, 0, 1, 10)
    noise = Gaussian().sample(np.zeros((4, 200), np.float32), *stream)
    assert_array_equal(noise, standard_normal(engine.uniform_u32(4, 200, *stream)))
