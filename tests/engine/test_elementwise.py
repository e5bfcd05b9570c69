"""How far the float functions are from the truth, over all magnitudes (docs/design/001-arithmetic.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine.harness import EDGES

from rbmfast import _engine as engine
from rbmfast import reference

RELATIVE = 2.0**-22
STEP = 4999  # of every so many floats one is looked at; coprime to the powers of two


def _floats(low: float, high: float) -> Any:
    """Floats from low to high > low >= 0, all magnitudes alike."""
    first, last = np.float32([low, high]).view(np.int32)
    return np.arange(first, last, STEP, dtype=np.int32).view(np.float32)


POSITIVE = _floats(0.0, 3.4e38)
X = np.concatenate([POSITIVE, -POSITIVE, np.linspace(-30, 30, 400_001, dtype=np.float32), EDGES])
TRUE_X = X.astype(np.float64)
with np.errstate(under="ignore"):
    RARE = np.exp(-np.abs(TRUE_X)) / (1 + np.exp(-np.abs(TRUE_X)))
CUT = np.abs(X) > 80  # |x| counts as 80 at most: there only the absolute error is small


def _assert_close(values: Any, truth: Any, relative: float = RELATIVE, absolute: Any = 0.0) -> None:
    error = np.abs(values.astype(np.float64) - truth)
    worst = np.argmax(error - relative * np.abs(truth) - absolute)
    assert error[worst] <= relative * abs(truth[worst]) + np.broadcast_to(absolute, truth.shape)[worst]


def test_sigmoid(isa: str) -> None:
    _assert_close(engine.sigmoid(X), np.where(X >= 0, 1 - RARE, RARE), absolute=np.where(CUT, 2e-35, 0))


def test_sigmoid_u16(isa: str) -> None:
    _assert_close(engine.sigmoid_u16(X), 65535 * np.where(X >= 0, 1 - RARE, RARE), relative=0, absolute=0.51)


def test_softplus(isa: str) -> None:
    truth = np.maximum(TRUE_X, 0) + np.log1p(np.exp(-np.abs(TRUE_X)))
    _assert_close(engine.softplus(X), truth, absolute=np.where(CUT, 2e-35, 0))


def test_log(isa: str) -> None:
    x = np.concatenate([_floats(1.1754944e-38, 3.4e38), np.linspace(0.5, 2, 400_001, dtype=np.float32)])
    _assert_close(engine.log(x), np.log(x.astype(np.float64)))
    assert engine.log(np.ones(1, np.float32))[0] == 0


def test_threshold() -> None:
    """What a uniform is compared with: the chance of the rarer state, to 2**-22 of itself and 2**-32."""
    threshold = (reference.rare_probability(X) * np.float32(2.0**32)).astype(np.uint32)
    _assert_close(threshold * 2.0**-32, RARE, absolute=2.0**-32)
    assert threshold.max() == 2**31  # p = 1/2 is exact
    assert (threshold[RARE > 1.001 * 2.0**-32] > 0).all()  # both tails end only at 2**-32


def test_exact_values() -> None:
    x = np.float32([0.0, -0.0])
    assert engine.sigmoid(x).tolist() == [0.5, 0.5]
    assert engine.sigmoid_u16(x).tolist() == [65535 - 32768, 65535 - 32768]  # rint(32767.5) is even
    huge = np.float32([3.4e38, -3.4e38])
    assert engine.sigmoid_u16(huge).tolist() == [65535, 0]
    assert engine.softplus(huge)[0] == huge[0]


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_u16", "softplus"])
def test_order_is_kept(name: str) -> None:
    """Larger inputs never give smaller answers by more than one rounding."""
    y = getattr(engine, name)(np.linspace(-30, 30, 1_000_001, dtype=np.float32)).astype(np.float64)
    assert (y[1:] >= y[:-1] * (1 - 2 * RELATIVE)).all()


def test_sums_are_the_sums_of_their_terms() -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((5, 1000)) * 10).astype(np.float32)
    np.testing.assert_allclose(
        engine.softplus_sum(x), engine.softplus(x).astype(np.float64).sum(axis=1), rtol=1e-14
    )
    states = (rng.random((5, 1000)) < 0.5).astype(np.uint8)
    weights = x[0]
    np.testing.assert_allclose(
        engine.weighted_sum(states, weights), states @ weights.astype(np.float64), rtol=1e-12
    )


# --- The fixed point at its edges --------------------------------------------------------------------------

MAX_Q, MAX_SUM = reference.MAX_Q, reference.MAX_SUM


def _weights_of(q: Any) -> Any:
    return (np.asarray(q) * 2.0**-20).astype(np.float32)


@pytest.mark.parametrize("q, exponent", [(MAX_Q, 20), (-MAX_Q, 20), (MAX_Q + 0.5, 19), (-MAX_Q - 1, 19)])
def test_the_largest_weight(isa: str, q: float, exponent: int) -> None:
    W = _weights_of([[0, q, 1]])
    assert engine.exponent(W) == reference.exponent(W) == exponent


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("excess, exponent", [(0, 20), (1, 19)])
def test_the_largest_sum(isa: str, sign: int, excess: int, exponent: int) -> None:
    """One row (one column) whose |q| add up to 2**31 - 1, which fits, or to 2**31."""
    n = MAX_SUM // MAX_Q
    q = np.zeros((n + 1, 3), np.int64)
    q[:n, 1], q[n, 1] = MAX_Q, MAX_SUM - n * MAX_Q + excess
    for W in (_weights_of(sign * q), np.ascontiguousarray(_weights_of(sign * q).T)):
        assert engine.exponent(W) == reference.exponent(W) == exponent
        ours, theirs = engine.Weights(W), reference.Weights(W)
        for up, n_in, n_out in ((True, *W.shape), (False, *W.shape[::-1])):
            states, bias = np.ones((1, n_in), np.uint8), np.zeros(n_out, np.float32)
            x = engine.affine(ours, states, bias, up)
            assert x.tobytes() == reference.affine(theirs, states, bias, up).tobytes()


def test_many_units(isa: str) -> None:
    """More units than 8-bit planes can be summed over in 32 bits at once."""
    rng = np.random.default_rng(0)
    for shape in ((70_001, 3), (3, 70_001)):
        W = (rng.standard_normal(shape) * 0.02).astype(np.float32)
        ours, theirs = engine.Weights(W), reference.Weights(W)
        for up, n_in, n_out in ((True, *shape), (False, *shape[::-1])):
            for states in (np.ones((2, n_in), np.uint8), np.full((2, n_in), 65535, np.uint16)):
                bias = np.zeros(n_out, np.float32)
                x = engine.affine(ours, states, bias, up)
                assert x.tobytes() == reference.affine(theirs, states, bias, up).tobytes()


def test_weights_that_cannot_be_held() -> None:
    with pytest.raises(ValueError, match="too large"):
        engine.Weights(np.full((2, 2), 2.0**64, np.float32))
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(FloatingPointError, match="finite"):
            engine.Weights(np.float32([[0, 1], [bad, 2]]))
