"""The threshold rule of the sampler."""

import numpy as np

from rbmfast import _engine as engine
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Bernoulli

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
