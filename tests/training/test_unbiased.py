"""UnbiasedCD: what only it promises. That runs resume and may come in parts is tested with all methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast import reference
from rbmfast.likelihood import exact_gradient
from rbmfast.streams import Stream

RNG = np.random.default_rng(0)
RBM = rf.RBM.from_arrays(RNG.normal(size=(6, 4)), RNG.normal(0, 0.5, 6), RNG.normal(0, 0.5, 4))
X = RNG.integers(0, 2, (200, 6), dtype=np.uint8)
N_UPDATES = 200


def gradients(method: Any, X: Any = X, weights: Any = None) -> np.ndarray:
    """Of many updates of one model: (N_UPDATES, n parameters)."""
    found = []
    for seed in range(N_UPDATES):
        model = RBM._conditionals(Stream(seed, method.purpose, rows=np.arange(len(X))))
        g = method.gradient(model, X, RBM._up.input(X), None, weights)
        found.append(np.concatenate([g.W.ravel(), g.a, g.b]))
    return np.array(found)


def scores(found: np.ndarray, X: Any = X) -> np.ndarray:
    """How many standard errors the mean gradient is off the exact one."""
    exact = exact_gradient(RBM, X)
    wanted = np.concatenate([exact.W.ravel(), exact.a, exact.b])
    return np.abs(found.mean(axis=0) - wanted) / (found.std(axis=0) / np.sqrt(len(found)))


@pytest.mark.parametrize("burn_in", [1, 3])
def test_its_gradient_is_right_on_average(burn_in: int) -> None:
    """34 means, each within 5 standard errors but with probability 6e-7."""
    assert scores(gradients(rf.UnbiasedCD(burn_in))).max() < 5


def test_that_of_cd_is_not() -> None:
    assert scores(gradients(rf.CD(1))).max() > 8


def test_weights_multiply_rows() -> None:
    """By whole numbers: as if the rows came so often. False alarms as above."""
    weights = np.arange(200) % 3
    found = gradients(rf.UnbiasedCD(), weights=weights.astype(float)) / weights.mean()
    assert scores(found, np.repeat(X, weights, axis=0)).max() < 5


def test_one_number_for_both() -> None:
    """The first two steps by the specification: chains that are told the same become the same."""
    stream, method = Stream(3, rf.UnbiasedCD.purpose, 0, 10, np.arange(len(X))), rf.UnbiasedCD(k=2)
    (first, _), (leader, follower) = method.walk(RBM._conditionals(stream), X, RBM._up.input(X))

    def step(v: Any, step: int) -> Any:
        weights = reference.Weights(RBM.W)
        for half, (bias, up) in enumerate(((RBM.b, True), (RBM.a, False))):
            x = reference.affine(weights, v, bias, up)
            uniform = reference.uniform_u32(*x.shape, *stream.at(step + half))
            on = reference.sigmoid(-np.abs(x)) * np.float32(2.0**32)
            rare = np.where(x >= 0, ~uniform, uniform) < on.astype(np.uint32)
            v = (rare ^ (x >= 0)).astype(np.uint8)
        return v

    assert_array_equal(first[0], step(X, 10))
    apart = (first[0] != X).any(axis=1)
    assert_array_equal(leader[0], step(first[0], 12)[apart])
    assert_array_equal(follower[0], step(X, 12)[apart])
    rises = (leader[0] >= follower[0])[(leader[1] >= follower[1]).all(axis=1)]
    assert rises.any()
