"""Counts out of n: the distribution function that they are drawn by, what is refused, and that they learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import binom

import rbmfast as rf
from rbmfast.streams import Stream


@pytest.mark.parametrize("n", [1, 7, 1000])
def test_draws_are_the_inverse_of_the_distribution_function(n: int) -> None:
    """But where u lies within rounding of a step."""
    x = np.repeat(np.array([-20.0, -1.5, 0.0, 0.3, 4.0], np.float32)[:, None], 20_000, axis=1)
    uniform = np.linspace(0, 2**32 - 1, x.shape[1]).astype(np.uint32)[None].repeat(len(x), axis=0)
    states, u, p = rf.Binomial(n).draw(x, uniform), (uniform + 0.5) / 2.0**32, expit(x.astype(float))
    assert (binom.cdf(states - 1, n, p) <= u + 2e-6).all() and (u - 2e-6 <= binom.cdf(states, n, p)).all()


def test_one_of_one_is_a_bernoulli_unit() -> None:
    x, bias = np.random.default_rng(0).normal(0, 3, (500, 9)).astype(np.float32), np.ones(9, np.float32)
    one, zero_one = rf.Binomial(1), rf.Bernoulli()
    assert_array_equal(one.mean(x), zero_one.mean(x))
    assert_array_equal(one.log_normalizer(x, bias), zero_one.log_normalizer(x, bias))
    states = zero_one.sample(x, Stream(1, 2, 3, 4))
    assert_allclose(one.energy(states.astype(np.float32), bias), zero_one.energy(states, bias), rtol=1e-14)


def test_what_is_no_count_is_refused() -> None:
    rbm = rf.RBM(2, 3, visible=rf.Binomial(4), seed=0)
    for wrong, said in ((-1, "X\\[1, 1\\] is -1"), (5, "X\\[1, 1\\] is 5"), (np.inf, "is inf")):
        with pytest.raises(ValueError, match=said):
            rf.train(rbm, [[0, 4], [0, wrong]])
    assert np.isfinite(rbm.free_energy([[0.5, 4.0]])).all()  # means, where grey levels go
    with pytest.raises(ValueError, match=r"X\[0, 0\] is 0.5, which is no state of binomial of 4 units"):
        rf.log_likelihood(rbm, [[0.5, 4.0]])
    with pytest.raises(ValueError, match="base must be means from 0 to 4, got 0 to 5"):
        rbm.sample(2, method="tempering", base=[0, 5])
    with pytest.raises(ValueError, match="n must be"):
        rf.Binomial(10_001)


def test_learning_counts() -> None:
    """Answers of people who are good at one thing or the other: 1 nat a row better than alone."""
    rng = np.random.default_rng(0)
    good = np.where(rng.random((2000, 1)) < 0.5, [0.8, 0.8, 0.2], [0.2, 0.2, 0.8])
    X = rng.binomial(5, good)
    rbm = rf.RBM(3, 2, visible=rf.Binomial(5), seed=0)
    rbm.initialize(X)
    independent = rf.log_likelihood(rbm, X).mean()
    rf.train(rbm, X, optimizer=rf.SGD(0.02), epochs=20, batch_size=50, seed=1)
    assert rf.log_likelihood(rbm, X).mean() > independent + 1
