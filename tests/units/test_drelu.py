"""Double rectified units: their special cases, what is clipped, and that they learn a shape."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest

import rbmfast as rf
from rbmfast.streams import Stream
from rbmfast.training.state import set_parameters

X = np.random.default_rng(0).normal(0, 3, (50, 4)).astype(np.float32)
ZERO = np.zeros(4, np.float32)


def test_it_begins_as_a_normal_unit() -> None:
    even, normal = rf.DReLU(), rf.Gaussian()
    assert_allclose(even.mean(X), normal.mean(X), atol=2e-6)
    assert_allclose(even.log_normalizer(X, ZERO), normal.log_normalizer(X, ZERO), rtol=1e-6)
    drawn = even.sample(np.full((500, 40), 0.7, np.float32), Stream(1, 2, 3, 4))
    assert kstest(drawn.ravel() - 0.7, "norm").pvalue > 1e-6  # which is the false-alarm rate


def test_draws_rise_with_their_numbers() -> None:
    unit = replace(rf.DReLU().of_size(1), theta=np.array([-2], np.float32))  # two modes
    u = np.linspace(0, 2**32 - 1, 10_001).astype(np.uint32)[:, None]
    for x in (-300, -1, 0.2, 300):
        drawn = unit.draw(np.full(u.shape, x, np.float32), u)
        assert np.isfinite(drawn).all() and (np.diff(drawn[:, 0]) >= -1e-5).all()


def test_gammas_are_clipped() -> None:
    rbm = rf.RBM(4, 2, hidden="drelu", seed=0)
    set_parameters(rbm, {"hidden.log_gamma_plus": np.array([-9, 9], np.float32)})
    assert rbm.parameters()["hidden.log_gamma_plus"].tolist() == [-4, 4]


@pytest.mark.parametrize("modes", [1, 2])
def test_learning_finds_the_shape(modes: int) -> None:
    """Of a single number: skew, or with two modes."""
    rng = np.random.default_rng(1)
    x = (
        rng.choice([-1.5, 1.5], 2000) + 0.3 * rng.normal(size=2000)
        if modes == 2
        else rng.exponential(size=2000) - 0.5
    )
    rbm = rf.RBM(1, 1, visible="drelu", seed=0)
    settings: Any = {"method": "cd", "penalties": (), "centered": False, "optimizer": rf.Adam(0.05)}
    rf.train(rbm, x[:, None], epochs=30, batch_size=200, seed=1, **settings)
    sample = rbm.sample(4000, steps=20, seed=2)[:, 0]
    for moment in (lambda s: s.mean(), lambda s: s.std(), lambda s: np.abs(s).mean()):
        assert_allclose(moment(sample), moment(x), atol=0.1)
    theta, plus, minus = (float(array[0]) for name, array in rbm.parameters().items() if "." in name)
    assert theta < -1 if modes == 2 else minus > plus + 1
