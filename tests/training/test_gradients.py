"""The gradient, against exact enumeration. `test_promises.py` splits it over workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.helpers import small
from numpy.typing import NDArray
from training.helpers import StepCD, StepPCD, phase_sums, random_rows, slopes

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.likelihood import all_states, exact_gradient
from rbmfast.reference import GREY
from rbmfast.state import Gradient, LearningState, UpdateSettings

F64 = NDArray[np.float64]


def sigmoid(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


# --- Against enumeration --------------------------------------------------------------------------------


def cd1_expectation(rbm: rf.RBM, X: F64) -> tuple[F64, F64]:
    """Exact mean and variance of one row's negative statistics under CD-1: of v' p(h | v') for all pairs."""
    W, a, b = (array.astype(np.float64) for array in (rbm.W, rbm.a, rbm.b))
    V, H = all_states(len(a)).astype(np.float64), all_states(len(b)).astype(np.float64)

    def probabilities(states: F64, x: F64) -> F64:  # of all joint states, for each row of inputs
        p = sigmoid(x)
        result: F64 = np.prod(np.where(states[None] == 1, p[:, None], 1 - p[:, None]), axis=2)
        return result

    p_h = probabilities(H, X @ W + b)  # (rows, states of h)
    p_v = (p_h @ probabilities(V, H @ W.T + a)).mean(axis=0)  # of v', for a random row of X
    values = V[:, :, None] * sigmoid(V @ W + b)[:, None, :]
    mean = np.tensordot(p_v, values, 1)
    return mean, np.tensordot(p_v, values**2, 1) - mean**2


def test_cd1_agrees_with_enumeration() -> None:
    """Means over 200 seeds x 500 rows lie within 6 standard errors of the exact expectation.

    12 numbers are looked at: a correct sampler fails with probability below 12 * 2e-9. (The numbers are the
    same on every machine, so it either always fails or never.) Rounding probabilities to 16 bits moves a mean
    by at most 1e-5, 1/100 of a standard error.
    """
    rbm = small(4, 3)
    patterns = random_rows(5, 4, seed=3)
    X = np.repeat(patterns, 100, axis=0)
    expected, variance = cd1_expectation(rbm, patterns.astype(np.float64))
    total = np.zeros((4, 3))
    for seed in range(200):
        _, negative = phase_sums(rbm, X, rf.CD(1), seed=seed)
        total += negative.pairs / GREY**2
    n = 200 * len(X)
    # Drawing each pattern equally often can only lower the variance.
    error = (total / n - expected) / np.sqrt(variance / n)
    assert np.abs(error).max() < 6


def test_positive_phase_agrees_with_enumeration() -> None:
    rbm, X = small(4, 3), random_rows(40, 4)
    positive, _ = phase_sums(rbm, X, rf.CD(1), seed=0)
    H = sigmoid(X @ rbm.W.astype(np.float64) + rbm.b)
    pairs, visible, hidden = X.T @ H / len(X), X.mean(axis=0), H.mean(axis=0)
    assert np.allclose(positive.pairs / GREY**2 / 40, pairs, atol=1e-5)
    assert np.allclose(positive.visible / GREY / 40, visible, atol=1e-12)
    assert np.allclose(positive.hidden / GREY / 40, hidden, atol=1e-5)


@pytest.mark.parametrize("centered", [False, True])
def test_an_update_goes_along_the_slope(centered: bool) -> None:
    """Finite differences of the exact likelihood, in the parameters themselves or in centred ones.

    With offsets m and c the energy is -(v - m) W (h - c) - a' v - b' h, so a = a' - W c and b = b' - m W. The
    centred gradient is the slope in W, a' and b', told in terms of a and b.
    """
    rbm, X = small(4, 3, scale=0.7), random_rows(30, 4)
    rng = np.random.default_rng(8)
    m, c = (rng.random(4), rng.random(3)) if centered else (np.zeros(4), np.zeros(3))
    W = rbm.W.astype(np.float64)
    theta = [W, rbm.a + W @ c, rbm.b + m @ W]

    def mean_log_likelihood() -> float:
        W, a, b = theta[0], theta[1] - theta[0] @ c, theta[2] - m @ theta[0]
        states = all_states(4).astype(np.float64)
        log_p, log_z = (V @ a + np.logaddexp(0, V @ W + b).sum(axis=1) for V in (X, states))
        return float(log_p.mean() - np.logaddexp.reduce(log_z))

    dW, da, db = (slopes(mean_log_likelihood, array) for array in theta)
    exact = exact_gradient(rbm, X)
    gradient = [getattr(exact, name).astype(np.float32) for name in "Wab"]
    means = X.mean(axis=0), sigmoid(X @ rbm.W.astype(np.float64) + rbm.b).mean(axis=0)
    state = LearningState.start(rbm.W, rbm.a, rbm.b)
    state.visible_offset[:], state.hidden_offset[:] = m, c
    settings = UpdateSettings(centered=centered, offset_rate=0.0)
    engine.update(
        state, Gradient(*gradient, *(mean.astype(np.float32) for mean in means)), settings, 1.0, 0.0
    )
    assert np.allclose(state.W - rbm.W, dW, atol=2e-6)
    assert np.allclose(state.a - rbm.a, da - dW @ c, atol=2e-6)
    assert np.allclose(state.b - rbm.b, db - m @ dW, atol=2e-6)


# --- Centring, and the last batch -----------------------------------------------------------------------


@pytest.mark.parametrize("method", [rf.CD(1), rf.CD(3), rf.PCD(1)], ids=str)
def test_centring_does_not_see_a_flip(method: Any) -> None:
    """Exchanging 0 and 1 in some columns of the data gives the same model, flipped.

    A flipped unit takes its rarer state for the same random numbers, so the runs differ by rounding alone.
    """
    X = random_rows(60, 8)
    flip = np.array([1, 0, 1, 1, 0, 0, 1, 0], bool)
    rng = np.random.default_rng(0)  # no multiples of anything: no unit is on with probability 1/2
    rbm = rf.RBM.from_arrays(0.3 * rng.normal(size=(8, 5)), rng.normal(size=8), rng.normal(size=5))
    W = np.where(flip[:, None], -rbm.W, rbm.W)
    a = np.where(flip, -rbm.a, rbm.a)
    flipped = rf.RBM.from_arrays(W, a, rbm.b + rbm.W[flip].sum(axis=0))

    def gap(centered: bool) -> float:
        settings: Any = {"method": method, "epochs": 3, "batch_size": 10, "seed": 2, "centered": centered}
        settings |= {"optimizer": rf.SGD(0.1, momentum=0.5), "penalties": ()}
        one, other = (rf.RBM.from_arrays(r.W, r.a, r.b) for r in (rbm, flipped))
        rf.train(one, X, **settings)
        rf.train(other, X ^ flip, **settings)
        return float(np.abs(np.where(flip[:, None], -other.W, other.W) - one.W).max())

    assert gap(centered=True) < 1e-4
    assert gap(centered=False) > 1e-2


@pytest.mark.parametrize("method", [rf.CD(1), rf.PCD(1, 10), StepCD(1), StepPCD(1, 10)], ids=str)
def test_a_short_last_batch_counts_as_what_it_is(method: Any, tmp_path: Path) -> None:
    """Where data and model agree, the gradient has mean 0 also in a short batch; a wrong weight would show.

    With weights 0 and biases matching the data every phase has the same expectation. A negative phase divided
    by batch_size in place of its own rows would leave nine tenths of the mean in the gradient.
    """
    X = np.tile([[1, 1, 1, 0], [1, 1, 1, 1]], (105, 1)).astype(np.uint8)[
        :201
    ]  # 20 batches of 10, then one row
    rbm = rf.RBM.from_arrays(np.zeros((4, 2)), [20.0, 20.0, 20.0, 0.0], [0.0, 0.0])
    rf.train(rbm, X, method=method, optimizer=rf.SGD(1e-3), epochs=1, batch_size=10, shuffle=False, seed=0)
    # Units that are on in all rows of data and model: their biases must not move, not even by the last batch.
    assert np.array_equal(rbm.a[:3], np.full(3, 20.0, np.float32))
    assert np.abs(rbm.W[:3]).max() < 1e-6


def test_constant_data_are_told() -> None:
    for constant in (np.zeros((20, 4)), np.tile([0.5, 1, 0, 1], (300, 1))):
        with pytest.warns(UserWarning, match=f"constant: all its {len(constant)} rows are equal") as caught:
            rf.train(rf.RBM(4, 2, seed=0), constant, epochs=1, seed=0)
        assert caught[0].filename == __file__
    constant[-1, -1] = 0
    rf.train(rf.RBM(4, 2, seed=0), constant, epochs=1, seed=0)
    rf.train(rf.RBM(4, 2, seed=0), constant[:1], epochs=1, seed=0)
