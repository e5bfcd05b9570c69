"""Rectified units: their functions beside SciPy's over the whole range of inputs, and that they learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import erfcx
from scipy.stats import truncnorm

import rbmfast as rf
from rbmfast.units.relu import draw_rectified, log_rectified, log_rectified_float64, rectified_mean

X = np.array([-1e4, -100, -10, -3, -1.01, -0.99, -0.1, 0, 0.1, 1, 3, 10, 100, 1e4])


def test_means_and_normalisers_of_any_input() -> None:
    near = X[np.abs(X) < 20]
    ratio = erfcx(-near / np.sqrt(2)) * np.sqrt(np.pi / 2)  # cdf / pdf
    assert_allclose(rectified_mean(near), near + 1 / ratio, rtol=3e-7)
    assert_allclose(rectified_mean(X[[0, 1, -2, -1]]), [1e-4, 0.009998, 100, 1e4], rtol=1e-7)
    for function, error in ((log_rectified, 3e-7), (log_rectified_float64, 1e-14)):
        assert_allclose(function(near), np.log(ratio), rtol=error, atol=error)
        assert_allclose(function(X[[0]]), -np.log(1e4), rtol=1e-7)


def test_draws_are_the_inverse_of_the_distribution_function() -> None:
    u = (np.concatenate([np.arange(100), np.linspace(0, 2**32 - 1, 5000, dtype=np.uint32)]) + 0.5) / 2.0**32
    for x in X:
        scale = min(1, 1 / abs(x)) if x < 0 else 1  # of a state
        drawn = draw_rectified(np.full(len(u), x), u)
        assert (drawn >= 0).all()
        assert_allclose(drawn, truncnorm.ppf(u, -x, np.inf, loc=x), atol=5e-6 * scale)  # SciPy, too
    assert rf.ReLU().draw(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32)).shape == (0, 3)


def test_what_is_below_zero_is_refused() -> None:
    rbm = rf.RBM(2, 3, visible="relu", hidden="relu", seed=0)
    with pytest.raises(ValueError, match=r"X\[1, 0\] is -0.5, but states of relu units are 0 or more"):
        rf.train(rbm, [[0, 4], [-0.5, 1]])
    with pytest.raises(ValueError, match="base must be means from 0 up, got -1"):
        rbm.sample(2, method="tempering", base=[0, -1])


def test_learning_finds_the_weights_of_a_model() -> None:
    teacher = rf.RBM.from_arrays([[0.6], [-0.4]], [0.0, 0.0], [0.0], visible="gaussian", hidden="relu")
    X = teacher.sample(4000, steps=50, seed=1)
    rbm = rf.RBM(2, 1, visible="gaussian", hidden="relu", seed=0)
    rf.train(rbm, X, optimizer=rf.Adam(0.01), epochs=20, batch_size=100, seed=1)
    assert_allclose(rbm.W, teacher.W, atol=0.15)
