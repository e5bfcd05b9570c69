"""Wrong arguments raise; none of them reaches a kernel."""

from __future__ import annotations

import contextlib
import copy
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from engine.helpers import run_python

from rbmfast import _engine as engine
from rbmfast.state import Gradient, LearningState, UpdateSettings


def f(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def u(*shape: int) -> Any:
    return np.zeros(shape, np.uint8)


def i(*shape: int) -> Any:
    return np.zeros(shape, np.int64)


def grey(*shape: int) -> Any:
    return np.zeros(shape, np.uint16)


def weights() -> engine.Weights:
    return engine.Weights(f(4, 3))


def gibbs(**changes: Any) -> Any:
    good = {"weights": weights(), "a": f(4), "b": f(3), "visible": u(5, 4), "steps": 1, "rows": 0}
    return engine.gibbs(**{**good, **changes}, seed=0, purpose=0)


def anneal(**changes: Any) -> Any:
    good = {"weights": weights(), "a": f(4), "b": f(3), "base": f(4), "visible": u(5, 4)}
    path = {"log_weights": np.zeros(5), "betas": f(3), "rows": 0}
    return engine.anneal(**{**good, **path, **changes}, seed=0, purpose=0)


def contrast(**changes: Any) -> Gradient:
    good = {"data": (u(5, 4), grey(5, 3)), "samples": (u(6, 4), grey(6, 3))}
    return engine.contrast(**{**good, **changes})


def update(gradient: dict[str, Any] | None = None, **changes: Any) -> None:
    good = {"W": f(4, 3), "a": f(4), "b": f(3), "visible_mean": f(4), "hidden_mean": f(3)}
    engine.update(state(**changes), Gradient(**{**good, **(gradient or {})}), UpdateSettings(), 0.1, 0.0)


def state(**changes: Any) -> LearningState:
    result = LearningState.start(f(4, 3), f(4), f(3))
    for name, value in changes.items():
        setattr(result, name, value)
    return result


def epoch(state: LearningState | None = None, **changes: Any) -> int:
    good: dict[str, Any] = {
        "state": state or LearningState.start(f(4, 3), f(4), f(3)),
        "settings": UpdateSettings(),
        "X": u(5, 4),
        "order": np.arange(5),
        "row_ids": np.arange(5),
        "batch_size": 2,
        "k": 1,
        "chains": None,
        "rates": f(3),
        "momenta": f(3),
        "seed": 0,
        "purpose": 3,
        "layer": 0,
        "first_step": 0,
    }
    return engine.epoch(**{**good, **changes})


def drop(**changes: Any) -> None:
    good = {"x": f(2, 3), "rate": 0.5, "seed": 0, "purpose": 25, "layer": 0, "step": 0, "rows": 0}
    engine.drop(**{**good, "sent": f(2, 3), "factor": f(2, 3), **changes})


WRONG: dict[str, Callable[[], Any]] = {
    "weights: dtype": lambda: engine.Weights(np.zeros((4, 3))),
    "weights: 1-D": lambda: engine.Weights(f(4)),
    "weights: no rows": lambda: engine.Weights(f(0, 3)),
    "weights: no columns": lambda: engine.Weights(f(3, 0)),
    "weights: columns first": lambda: engine.Weights(f(4, 3).T),
    "weights: none": lambda: engine.Weights(None),
    "stream: purpose": lambda: engine.bernoulli(f(2, 3), 0, 64, 0, 0),
    "stream: layer": lambda: engine.bernoulli(f(2, 3), 0, 0, 64, 0),
    "stream: step": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 2**44),
    "stream: negative row": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, -1),
    "stream: last row": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, 2**40 - 1),
    "stream: row ids": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, np.array([0, 2**40])),
    "gibbs: negative steps": lambda: gibbs(steps=-1),
    "exponent: empty": lambda: engine.exponent(f(0, 3)),
    "exponent: dtype": lambda: engine.exponent(np.zeros((4, 3))),
    "affine: width": lambda: engine.affine(weights(), u(5, 3), f(3)),
    "affine: width down": lambda: engine.affine(weights(), u(5, 4), f(4), False),
    "affine: bool": lambda: engine.affine(weights(), u(5, 4).astype(bool), f(3)),
    "affine: float": lambda: engine.affine(weights(), f(5, 4), f(3)),
    "affine: other byte order": lambda: engine.affine(weights(), grey(5, 4).astype(">u2"), f(3)),
    "affine: 1-D": lambda: engine.affine(weights(), u(4), f(3)),
    "affine: 3-D": lambda: engine.affine(weights(), u(1, 5, 4), f(3)),
    "affine: columns first": lambda: engine.affine(weights(), u(4, 5).T, f(3)),
    "affine: strided": lambda: engine.affine(weights(), u(5, 8)[:, ::2], f(3)),
    "affine: bias too short": lambda: engine.affine(weights(), u(5, 4), f(2)),
    "affine: bias too long": lambda: engine.affine(weights(), u(5, 4), f(4)),
    "affine: bias dtype": lambda: engine.affine(weights(), u(5, 4), np.zeros(3)),
    "affine: bias strided": lambda: engine.affine(weights(), u(5, 4), f(6)[::2]),
    "affine: no weights": lambda: engine.affine(None, u(5, 4), f(3)),
    "affine: no states": lambda: engine.affine(weights(), None, f(3)),
    "affine: no bias": lambda: engine.affine(weights(), u(5, 4), None),
    "sigmoid: float64": lambda: engine.sigmoid(np.zeros(3)),
    "sigmoid: strided": lambda: engine.sigmoid(f(6)[::2]),
    "softplus: columns first": lambda: engine.softplus(f(2, 3).T),
    "log: integers": lambda: engine.log(i(3)),
    "softplus_sum: 1-D": lambda: engine.softplus_sum(f(3)),
    "weighted_sum: width": lambda: engine.weighted_sum(u(5, 4), f(3)),
    "weighted_sum: no weights": lambda: engine.weighted_sum(u(5, 4), None),
    "bernoulli: 1-D": lambda: engine.bernoulli(f(3), 0, 0, 0, 0),
    "bernoulli: negative seed": lambda: engine.bernoulli(f(2, 3), -1, 0, 0, 0),
    "bernoulli: seed of 65 bits": lambda: engine.bernoulli(f(2, 3), 2**64, 0, 0, 0),
    "bernoulli: negative step": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, -1),
    "bernoulli: too few rows": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, i(1)),
    "bernoulli: too many rows": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, i(3)),
    "bernoulli: rows in 32 bits": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, np.zeros(2, np.int32)),
    "bernoulli: 2-D rows": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, i(2, 1)),
    "bernoulli: float rows": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, 1.5),
    "bernoulli: no rows": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, None),
    "uniform_u32: negative": lambda: engine.uniform_u32(-1, 3, 0, 0, 0, 0),
    "shuffle_keys: negative": lambda: engine.shuffle_keys(-1, 0, 0, 0),
    "normal_weights: negative": lambda: engine.normal_weights(3, -1, 1.0, 0, 0, 0),
    "philox4x32: width": lambda: engine.philox4x32(np.zeros((2, 3), np.uint32), np.zeros((2, 2), np.uint32)),
    "philox4x32: keys": lambda: engine.philox4x32(np.zeros((2, 4), np.uint32), np.zeros((1, 2), np.uint32)),
    "gibbs: grey": lambda: gibbs(visible=grey(5, 4)),
    "gibbs: width": lambda: gibbs(visible=u(5, 3)),
    "gibbs: a": lambda: gibbs(a=f(3)),
    "gibbs: b": lambda: gibbs(b=f(4)),
    "gibbs: clamp": lambda: gibbs(clamp=u(5, 3)),
    "gibbs: rows of clamp": lambda: gibbs(clamp=u(4, 4)),
    "gibbs: dtype of clamp": lambda: gibbs(clamp=f(5, 4)),
    "gibbs: rows": lambda: gibbs(rows=i(4)),
    "anneal: grey": lambda: anneal(visible=grey(5, 4)),
    "anneal: width": lambda: anneal(visible=u(5, 3)),
    "anneal: a": lambda: anneal(a=f(3)),
    "anneal: b": lambda: anneal(b=f(4)),
    "anneal: base": lambda: anneal(base=f(3)),
    "anneal: log-weights": lambda: anneal(log_weights=np.zeros(4)),
    "anneal: betas in 64 bits": lambda: anneal(betas=np.zeros(3)),
    "anneal: 2-D betas": lambda: anneal(betas=f(3, 1)),
    "anneal: no betas": lambda: anneal(betas=None),
    "anneal: rows": lambda: anneal(rows=i(4)),
    "class_log_weights: width": lambda: engine.class_log_weights(f(5, 3), f(2, 4), f(2)),
    "class_log_weights: bias": lambda: engine.class_log_weights(f(5, 3), f(2, 3), f(3)),
    "class_log_weights: no bias": lambda: engine.class_log_weights(f(5, 3), f(2, 3), None),
    "class_log_weights: no classes": lambda: engine.class_log_weights(f(5, 3), f(0, 3), f(0)),
    "class_log_weights: no units": lambda: engine.class_log_weights(f(5, 0), f(2, 0), f(2)),
    "class_log_weights: float64": lambda: engine.class_log_weights(np.zeros((5, 3)), f(2, 3), f(2)),
    "class_log_weights: columns first": lambda: engine.class_log_weights(f(3, 5).T, f(2, 3), f(2)),
    "class_expectations: width": lambda: engine.class_expectations(f(5, 3), f(2, 4), f(5, 2)),
    "class_expectations: rows": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(4, 2)),
    "class_expectations: classes": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(5, 3)),
    "class_expectations: negative": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(5, 2) - 0.1),
    "class_expectations: above 1": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(5, 2) + 1.1),
    "class_expectations: NaN": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(5, 2) + np.nan),
    "class_expectations: no p": lambda: engine.class_expectations(f(5, 3), f(2, 3), None),
    "class_expectations: no units": lambda: engine.class_expectations(f(5, 0), f(2, 0), f(5, 2)),
    "contrast: width": lambda: contrast(samples=(u(6, 3), grey(6, 3))),
    "contrast: hidden units": lambda: contrast(samples=(u(6, 4), grey(6, 2))),
    "contrast: rows of the data": lambda: contrast(data=(u(5, 4), grey(4, 3))),
    "contrast: rows of the samples": lambda: contrast(samples=(u(5, 4), grey(6, 3))),
    "contrast: no data": lambda: contrast(data=(u(0, 4), grey(0, 3))),
    "contrast: no samples": lambda: contrast(samples=(u(0, 4), grey(0, 3))),
    "contrast: no visible units": lambda: contrast(data=(u(5, 0), grey(5, 3)), samples=(u(5, 0), grey(5, 3))),
    "contrast: no hidden units": lambda: contrast(data=(u(5, 4), grey(5, 0)), samples=(u(5, 4), grey(5, 0))),
    "contrast: too much data": lambda: contrast(data=(u(32_769, 4), grey(32_769, 3))),
    "contrast: too many samples": lambda: contrast(samples=(u(32_769, 4), grey(32_769, 3))),
    "contrast: states": lambda: contrast(data=(f(5, 4), grey(5, 3))),
    "contrast: states of the samples": lambda: contrast(samples=(f(6, 4), grey(6, 3))),
    "contrast: probabilities": lambda: contrast(data=(u(5, 4), f(5, 3))),
    "contrast: no probabilities": lambda: contrast(samples=(u(6, 4), None)),
    "contrast: strided": lambda: contrast(data=(u(10, 4)[::2], grey(5, 3))),
    "update: gradient": lambda: update({"W": f(3, 4)}),
    "update: no gradient": lambda: update({"W": None}),
    "update: gradient of a": lambda: update({"a": f(3)}),
    "update: hidden means": lambda: update({"hidden_mean": f(4)}),
    "update: velocity": lambda: update(W_velocity=f(4, 2)),
    "update: read-only": lambda: update(W=np.broadcast_to(np.float32(0), (4, 3)).copy(order="F")),
    "epoch: width": lambda: epoch(X=u(5, 3)),
    "epoch: no data": lambda: epoch(X=u(0, 4)),
    "epoch: float data": lambda: epoch(X=f(5, 4)),
    "epoch: order too large": lambda: epoch(order=np.array([0, 1, 5, 2, 3])),
    "epoch: negative order": lambda: epoch(order=np.array([0, 1, -1, 2, 3])),
    "epoch: order in 32 bits": lambda: epoch(order=np.arange(5, dtype=np.int32)),
    "epoch: row ids": lambda: epoch(row_ids=i(4)),
    "epoch: no row ids": lambda: epoch(row_ids=None),
    "epoch: batches of none": lambda: epoch(batch_size=0),
    "epoch: batch too large": lambda: epoch(order=i(40_000), row_ids=i(40_000), batch_size=32_769),
    "epoch: no steps": lambda: epoch(k=0),
    "epoch: too few rates": lambda: epoch(rates=f(2)),
    "epoch: too few momenta": lambda: epoch(momenta=f(2)),
    "epoch: float64 rates": lambda: epoch(rates=np.zeros(3)),
    "epoch: width of chains": lambda: epoch(chains=u(2, 4)),
    "epoch: no chains": lambda: epoch(chains=u(0, 3)),
    "epoch: too many chains": lambda: epoch(chains=u(32_769, 3)),
    "epoch: float chains": lambda: epoch(chains=f(2, 3)),
    "epoch: read-only chains": lambda: epoch(chains=np.broadcast_to(np.uint8(0), (2, 3))),
    "epoch: shape of a": lambda: epoch(state(a=f(3))),
    "epoch: shape of b": lambda: epoch(state(b=f(4))),
    "epoch: shape of the velocity": lambda: epoch(state(W_velocity=f(3, 4))),
    "epoch: no offset": lambda: epoch(state(visible_offset=None)),
    "epoch: float64 activity": lambda: epoch(state(activity=np.zeros(3))),
    "add_bias_sigmoid: bias": lambda: engine.add_bias_sigmoid(f(2, 3), f(2)),
    "add_bias_sigmoid: float64": lambda: engine.add_bias_sigmoid(np.zeros((2, 3)), f(3)),
    "add_bias_sigmoid: read-only": lambda: engine.add_bias_sigmoid(np.broadcast_to(f(3), (2, 3)), f(3)),
    "softmax: columns first": lambda: engine.softmax(f(3, 2).T, f(3)),
    "drop: rate": lambda: drop(rate=1.0),
    "drop: no rate": lambda: drop(rate=np.nan),
    "drop: sent": lambda: drop(sent=f(2, 2)),
    "drop: factor": lambda: drop(factor=f(3, 2)),
    "drop: rows": lambda: drop(rows=i(3)),
    "backward: h": lambda: engine.backward(f(2, 3), f(3, 2)),
    "backward: factor": lambda: engine.backward(f(2, 3), None, f(2, 2)),
    "backward: dtype": lambda: engine.backward(f(2, 3), u(2, 3)),
    "softmax_cross_entropy: too large a label": lambda: engine.softmax_cross_entropy(f(2, 3), f(3), i(2) + 3),
    "softmax_cross_entropy: negative label": lambda: engine.softmax_cross_entropy(f(2, 3), f(3), i(2) - 1),
    "softmax_cross_entropy: few labels": lambda: engine.softmax_cross_entropy(f(2, 3), f(3), i(1)),
    "sigmoid_cross_entropy: targets": lambda: engine.sigmoid_cross_entropy(f(2, 3), f(3), f(2, 2)),
    "sigmoid_cross_entropy: none": lambda: engine.sigmoid_cross_entropy(f(2, 3), f(3), None),
    "squared_error: bias": lambda: engine.squared_error(f(2, 3), f(4), f(2, 3)),
    "squared_error: targets": lambda: engine.squared_error(f(2, 3), f(3), u(2, 3)),
    "momentum_step: velocity": lambda: engine.momentum_step(f(2, 3), f(5), f(2, 3), 1, 1, 1, 1),
    "momentum_step: strided": lambda: engine.momentum_step(f(6)[::2], f(3), f(3), 1, 1, 1, 1),
    "momentum_step: float64": lambda: engine.momentum_step(np.zeros(3), f(3), f(3), 1, 1, 1, 1),
    "adam_step: square": lambda: engine.adam_step(f(3), f(3), f(2), f(3), 1, 1, 0.9, 0.9, 1, 0, 0.9, 0.9),
    "adam_step: gradient": lambda: engine.adam_step(f(3), f(3), f(3), f(4), 1, 1, 0.9, 0.9, 1, 0, 0.9, 0.9),
    "set_num_threads: a word": lambda: engine.set_num_threads("two"),
    "select_isa: unknown": lambda: engine.select_isa("mmx"),
    "select_isa: none": lambda: engine.select_isa(None),
}


def test_wrong_arguments_raise() -> None:
    taken = []
    for name, call in WRONG.items():
        with contextlib.suppress(TypeError, ValueError, IndexError, OverflowError):
            call()
            taken.append(name)
    assert taken == []


def test_the_right_arguments_do_not() -> None:
    """What the wrong ones above differ from."""
    engine.affine(weights(), u(5, 4), f(3))
    engine.affine(weights(), u(5, 3), f(4), False)
    drop()
    engine.backward(f(2, 3), f(2, 3), f(2, 3))
    engine.softmax_cross_entropy(f(2, 3), f(3), i(2))
    engine.sigmoid_cross_entropy(f(2, 3), f(3), f(2, 3))
    engine.squared_error(f(2, 3), f(3), f(2, 3))
    engine.momentum_step(f(2, 3), f(6), f(6), 1, 1, 1, 1)
    engine.adam_step(f(3), f(3), f(3), f(3), 1, 1, 0.9, 0.9, 1, 0, 0.9, 0.9)
    gibbs()
    gibbs(clamp=u(5, 4), rows=i(5))
    anneal()
    contrast()
    contrast(data=(grey(5, 4), grey(5, 3)))
    engine.class_log_weights(f(5, 3), f(2, 3), f(2))
    engine.class_expectations(f(5, 3), f(2, 3), f(5, 2))
    update()
    assert epoch() == 3
    assert epoch(chains=u(2, 3)) == 3


HOSTILE = """
engine.affine(engine.Weights.__new__(engine.Weights), u(5, 0), f(0))
engine.gibbs(engine.Weights.__new__(engine.Weights), f(0), f(0), u(2, 0), 1, 0, 0)
engine.affine(None, u(5, 0), f(0))
engine.affine(weights(), u(), f(3))
engine.gibbs(None, f(0), f(0), u(2, 0), 1, 0, 0)
engine.exponent(None)
engine.exponent(f(0, 3))
contrast(data=None)
contrast(data=(u(5), grey(5)))
contrast(data=(u(2, 3, 4), grey(2, 3)))
contrast(samples=(None, None))
contrast(samples=(u(0, 0), grey(0, 0)))
contrast(data=(u(0, 0), grey(0, 0)), samples=(u(0, 0), grey(0, 0)))
engine.class_log_weights(None, None, None)
engine.class_log_weights(f(0, 0), f(0, 0), f(0))
engine.class_expectations(f(5, 3), f(2, 3), np.full((5, 2), np.inf, np.float32))
engine.softplus_sum(None)
engine.bernoulli(None, 0, 0, 0, 0)
engine.bernoulli(f(2, 3), 2**63, 2**31, 2**31, 2**63, -(2**62))
engine.philox4x32(None, None)
engine.uniform_u32(10**12, 10**6, 0, 0, 0, 0)
engine.Weights(f(4, 3) + 1, 10**6)
engine.Weights(f(4, 3) + 1, -(10**6))
gibbs(steps=-1)
anneal(betas=None)
anneal(weights=None)
anneal(log_weights=None)
epoch(order=None)
epoch(state=None, settings=None)
epoch(state(W=None, W_velocity=None, a=None, b=None))
epoch(state(exponent=10**6, W=f(4, 3) + 1))
epoch(LearningState.start(f(0, 3), f(0), f(3)), X=u(5, 0))
epoch(LearningState.start(f(4, 0), f(4), f(0)), chains=u(2, 0))
engine.softmax(f(2, 0), f(0))
engine.softmax_cross_entropy(f(0, 0), f(0), i(0))
engine.softmax_cross_entropy(f(2, 0), f(0), i(2))
engine.squared_error(f(2, 0), f(0), f(2, 0))
engine.backward(f(0, 3), f(0, 3), f(0, 3))
engine.add_bias_sigmoid(None, None)
drop(x=f(2, 0), sent=f(2, 0), factor=f(2, 0))
engine.momentum_step(None, f(3), f(3), 1, 1, 1, 1)
engine.adam_step(f(0), f(0), f(0), f(0), 1, 1, 1, 1, 1, 0, 1, 1)
engine.set_num_threads(-5)
""".strip().splitlines()


def test_nothing_crashes() -> None:
    """Whatever these do, raise or return, they do not end their process."""
    program = """
        from engine.test_arguments import *
        for call in HOSTILE:
            print(call, flush=True)
            try:
                eval(call)
            except Exception:
                pass
    """
    result = run_python(textwrap.dedent(program))
    begun = result.stdout.splitlines()
    assert begun == HOSTILE, f"{begun[-1:]} crashed: {result.stderr}"
    assert result.returncode == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda rows: engine.affine(weights(), u(rows, 4), f(3)),
        lambda rows: engine.affine_sigmoid(weights(), u(rows, 4), f(3)),
        lambda rows: engine.affine_sigmoid_bernoulli(weights(), u(rows, 4), f(3), 0, 0, 0, 0),
        lambda rows: engine.affine_softplus_sum(weights(), u(rows, 4), f(3)),
        lambda rows: engine.bernoulli(f(rows, 3), 0, 0, 0, 0),
        lambda rows: engine.uniform_u32(rows, 3, 0, 0, 0, 0),
        lambda rows: engine.softplus_sum(f(rows, 3)),
        lambda rows: engine.class_log_weights(f(rows, 3), f(2, 3), f(2)),
        lambda rows: engine.class_expectations(f(rows, 3), f(2, 3), f(rows, 2))[0],
        lambda rows: engine.weighted_sum(u(rows, 3), f(3)),
        lambda rows: gibbs(visible=u(rows, 4))[1],
        lambda rows: anneal(visible=u(rows, 4), log_weights=np.zeros(rows))[1],
        lambda rows: engine.sigmoid(f(rows, 3)),
        lambda rows: engine.shuffle_keys(rows, 0, 0, 0),
    ],
)
def test_no_rows_is_no_error(call: Callable[[int], Any]) -> None:
    assert len(call(0)) == 0
    assert len(call(2)) == 2


# --- What epoch leaves behind ------------------------------------------------------------------------------


def test_a_refused_epoch_changes_nothing() -> None:
    before = state()
    before.W[:] = 0.5
    after = copy.deepcopy(before)
    with pytest.raises(IndexError):
        epoch(after, order=np.array([0, 1, 2, 3, 9]))
    for name, value in vars(before).items():
        assert np.array_equal(getattr(after, name), value), name


def test_divergence_is_reported() -> None:
    data = np.eye(5, 4, dtype=np.uint8)
    for rate in (np.inf, np.nan, 3e38):
        with pytest.raises(FloatingPointError, match=r"update [123] of this epoch"):
            epoch(X=data, rates=np.float32([0.1, rate, rate]))
    with pytest.raises(FloatingPointError):
        update({"W": np.full((4, 3), np.nan, np.float32)})


def test_the_empty_epoch() -> None:
    assert epoch(order=i(0), row_ids=i(0)) == 0
