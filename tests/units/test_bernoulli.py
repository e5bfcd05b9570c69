"""The threshold rule of the sampler."""

import numpy as np
from numpy.testing import assert_array_equal

from rbmfast import _engine as engine
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Bernoulli

STREAM = Stream(1, Purpose.GIBBS, 0, 5)


def logit(p: float) -> np.float32:
    return np.float32(np.log(p / (1 - p)))


def test_a_unit_takes_its_rarer_state_below_the_threshold() -> None:
    uniform = engine.uniform_u32(1000, 64, *STREAM) / 2.0**32
    for p in (0.01, 0.25, 0.44, 0.5, 0.56, 0.75, 0.99):
        states = Bernoulli().sample(np.full((1000, 64), logit(p), np.float32), STREAM)
        near = np.abs(uniform - min(p, 1 - p)) < 1e-7
        rare_is_on = p < 0.5
        assert_array_equal(states[~near], ((uniform < min(p, 1 - p)) == rare_is_on)[~near])


def test_on_for_042_and_off_for_063_at_probability_056() -> None:
    """The worked example. The rule reads a uniform number u from the side of the rarer state, here off."""
    states = Bernoulli().sample(np.full((20_000, 64), logit(0.56), np.float32), STREAM)
    from_the_on_side = 1 - engine.uniform_u32(20_000, 64, *STREAM) / 2.0**32
    at_042 = np.abs(from_the_on_side - 0.42) < 1e-3
    at_063 = np.abs(from_the_on_side - 0.63) < 1e-3
    assert at_042.any() and at_063.any()
    assert states[at_042].all()
    assert not states[at_063].any()


def test_extreme_inputs() -> None:
    x = np.array([[-100.0, -80.0, 80.0, 100.0]], np.float32).repeat(10_000, axis=0)
    assert_array_equal(Bernoulli().sample(x, STREAM)[0], [0, 0, 1, 1])
    assert_array_equal(Bernoulli().expectation(x)[0], [0, 0, 65535, 65535])
