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
from rbmfast.state import Fast, Gradient, LearningState, Missing, UpdateSettings


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


GIBBS = {"a": f(4), "b": f(3), "visible": u(5, 4)}
ANNEAL = {**GIBBS, "base": f(4), "log_weights": np.zeros(5), "betas": f(3)}
TEMPER = {"a": f(4), "b": f(3), "base": f(4), "hidden": u(6, 3), "betas": np.float32([0, 0.5, 1])}
SWEEP = {"bias": f(4), "states": u(5, 4)}
GRADIENT = {"W": f(4, 3), "a": f(4), "b": f(3), "visible_mean": f(4), "hidden_mean": f(3)}
EPOCH = {"X": u(5, 4), "order": np.arange(5), "row_ids": np.arange(5), "rates": f(3), "momenta": f(3)}
EPOCH["weights"] = np.ones(5)
DROP = {"x": f(5, 3), "rows": i(5), "sent": f(5, 3), "factor": f(5, 3)}
CONDITIONALS = {"x": f(5, 3), "W": f(4, 3), "a": f(4), "states": u(5, 4), "sites": i(2)}


def gibbs(**changes: Any) -> Any:
    return engine.gibbs(**{"weights": weights(), "steps": 1, **GIBBS, **changes}, seed=0, purpose=0)


def sweep(**changes: Any) -> Any:
    square = engine.Weights(f(4, 4))
    return engine.sweep(**{"weights": square, "sweeps": 1, **SWEEP, **changes}, seed=0, purpose=0)


def anneal(**changes: Any) -> Any:
    return engine.anneal(**{"weights": weights(), **ANNEAL, **changes}, seed=0, purpose=0)


def temper(**changes: Any) -> Any:
    given = {"weights": weights(), "steps": 2, "swaps": 1, **TEMPER, **changes}
    return engine.temper(**given, seed=0, purpose=0)


def contrast(**changes: Any) -> Gradient:
    good = {"data": (u(5, 4), grey(5, 3)), "samples": (u(6, 4), grey(6, 3))}
    return engine.contrast(**{**good, **changes})


def state(**changes: Any) -> LearningState:
    result = LearningState.start(f(4, 3), f(4), f(3))
    for name, value in changes.items():
        setattr(result, name, value)
    return result


def update(gradient: dict[str, Any] | None = None, **changes: Any) -> None:
    engine.update(state(**changes), Gradient(**{**GRADIENT, **(gradient or {})}), UpdateSettings(), 0.1, 0.0)


def epoch(of: LearningState | None = None, **changes: Any) -> int:
    good: dict[str, Any] = {"state": of or state(), "settings": UpdateSettings(), **EPOCH}
    good |= {"batch_size": 2, "k": 1, "chains": None}
    return engine.epoch(**{**good, **changes}, seed=0, purpose=3, layer=0, first_step=0)


def log_sums(**changes: Any) -> Any:
    good = {"sent": np.zeros((5, 3)), "log_weight": np.zeros(5), "sizes": np.int32([2, 3]), "n_low": 1}
    return engine.log_sums(**{**good, "bias": np.zeros(3), "first": 0, "n": 2, "blocks": None, **changes})


def holes(**changes: Any) -> Missing:
    good = {"entries": u(5, 4).astype(bool), "chains": np.arange(5), "hidden": u(5, 3), "rows": np.arange(5)}
    return Missing(**{**good, **changes})


def fast(**changes: Any) -> Fast:
    return Fast(**{"W": f(4, 3), "a": f(4), "b": f(3), "rate": 0.1, "decay": 0.9, **changes})


def conditionals(**changes: Any) -> Any:
    return engine.log_conditionals(**{**CONDITIONALS, **changes})


def drop(**changes: Any) -> None:
    engine.drop(**{"rate": 0.5, **DROP, **changes}, seed=0, purpose=25, layer=0, step=0)


# --- What is wrong with every array ------------------------------------------------------------------------

OTHER = {np.float32: np.float64, np.float64: np.float32, np.uint8: np.int8, np.uint16: np.int32}
OTHER |= {np.int64: np.int32, np.uint32: np.int64, np.bool_: np.int64}
ROWS = {"fewer rows", "more rows"}
SHAPE = ROWS | {"wider", "narrower"}
ANY_SHAPE = SHAPE | {"fewer dimensions", "more dimensions"}


def wrongs(value: Any) -> dict[str, Any]:
    """In place of an array: none, and others of all kinds."""
    if isinstance(value, engine.Weights):
        return {"none": None}
    if not isinstance(value, np.ndarray):
        return {}
    found = {
        "none": None,
        "dtype": value.astype(OTHER[value.dtype.type]),
        "more dimensions": value[None],
        "wider": np.repeat(value, 2, axis=-1),
        "narrower": value[..., :-1].copy(),
        "strided": np.repeat(value, 2, axis=-1)[..., ::2],
    }
    if value.dtype.itemsize > 1:
        found["byte order"] = value.astype(value.dtype.newbyteorder())
    if value.ndim == 2:
        found |= {"columns first": np.asfortranarray(value), "fewer dimensions": value[0]}
        found |= {"fewer rows": value[:-1], "more rows": np.repeat(value, 2, axis=0)}
    return found


def parts(of: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(of).items() if isinstance(value, np.ndarray)}


Right = dict[str | int, Any]
RIGHT: dict[str, tuple[Callable[..., Any], Right]] = {
    "Weights": (engine.Weights, {0: f(4, 3)}),
    "exponent": (engine.exponent, {0: f(4, 3)}),
    "affine": (engine.affine, {0: weights(), 1: u(5, 4), 2: f(3)}),
    "affine down": (engine.affine, {0: weights(), 1: grey(5, 3), 2: f(4), 3: False}),
    "affine_sigmoid": (engine.affine_sigmoid, {0: weights(), 1: u(5, 4), 2: f(3)}),
    "affine_sigmoid_bernoulli": (
        engine.affine_sigmoid_bernoulli,
        {0: weights(), 1: u(5, 4), 2: f(3), "seed": 0, "purpose": 0, "layer": 0, "step": 0, "rows": i(5)},
    ),
    "affine_softplus_sum": (engine.affine_softplus_sum, {0: weights(), 1: u(5, 4), 2: f(3)}),
    "sigmoid": (engine.sigmoid, {0: f(5, 3)}),
    "sigmoid_u16": (engine.sigmoid_u16, {0: f(5, 3)}),
    "softplus": (engine.softplus, {0: f(5, 3)}),
    "log": (engine.log, {0: f(5, 3) + 1}),
    "softplus_sum": (engine.softplus_sum, {0: f(5, 3)}),
    "weighted_sum": (engine.weighted_sum, {0: u(5, 4), 1: f(4)}),
    "bernoulli": (engine.bernoulli, {0: f(5, 3), 1: 0, 2: 0, 3: 0, 4: 0, 5: i(5)}),
    "philox4x32": (engine.philox4x32, {0: np.zeros((5, 4), np.uint32), 1: np.zeros((5, 2), np.uint32)}),
    "gibbs": (gibbs, {"weights": weights(), "rows": i(5), **GIBBS, "clamp": u(5, 4)}),
    "sweep": (sweep, {"rows": i(5), **SWEEP, "held": u(5, 4)}),
    "anneal": (anneal, {"weights": weights(), "rows": i(5), **ANNEAL}),
    "log_sums": (log_sums, {"sent": np.zeros((5, 3)), "log_weight": np.zeros(5), "bias": np.zeros(3)}),
    "log_sum_exp": (engine.log_sum_exp, {0: np.zeros(5)}),
    "temper": (temper, {"weights": weights(), **TEMPER}),
    "class_log_weights": (engine.class_log_weights, {0: f(5, 3), 1: f(2, 3), 2: f(2)}),
    "class_expectations": (engine.class_expectations, {0: f(5, 3), 1: f(2, 3), 2: f(5, 2)}),
    "log_conditionals": (conditionals, CONDITIONALS),
    "contrast: data": (lambda v, p: contrast(data=(v, p)), {0: u(5, 4), 1: grey(5, 3)}),
    "contrast: samples": (lambda v, p: contrast(samples=(v, p)), {0: grey(5, 4), 1: grey(5, 3)}),
    "contrast: weights": (lambda w: contrast(weights=w), {0: np.ones(5)}),
    "update: gradient": (lambda **changes: update(changes), GRADIENT),
    "update: state": (update, parts(LearningState.start(f(4, 3), f(4), f(3)))),
    "epoch": (epoch, {**EPOCH, "chains": u(2, 3)}),
    "epoch: missing": (lambda **changes: epoch(missing=holes(**changes)), parts(holes())),
    "epoch: fast": (lambda **changes: epoch(chains=u(2, 3), fast=fast(**changes)), parts(fast())),
    "epoch: state": (lambda **changes: epoch(state(**changes)), parts(state())),
    "add_bias_sigmoid": (engine.add_bias_sigmoid, {0: f(5, 3), 1: f(3)}),
    "softmax": (engine.softmax, {0: f(5, 3), 1: f(3)}),
    "drop": (drop, DROP),
    "backward": (engine.backward, {0: f(5, 3), 1: f(5, 3), 2: f(5, 3)}),
    "softmax_cross_entropy": (engine.softmax_cross_entropy, {0: f(5, 3), 1: f(3), 2: i(5)}),
    "sigmoid_cross_entropy": (engine.sigmoid_cross_entropy, {0: f(5, 3), 1: f(3), 2: f(5, 3)}),
    "squared_error": (engine.squared_error, {0: f(5, 3), 1: f(3), 2: f(5, 3)}),
    "momentum_step": (engine.momentum_step, dict(enumerate([f(5, 3)] * 3 + [1] * 4))),
    "adam_step": (engine.adam_step, dict(enumerate([f(5, 3)] * 4 + [1, 1, 0.9, 0.9, 1, 0, 0.9, 0.9]))),
}
ALLOWED: dict[str, dict[str | int, set[str]]] = {  # what is not wrong
    **{name: {0: SHAPE} for name in ("Weights", "exponent", "softplus_sum")},
    **{name: {1: ROWS} for name in ("affine", "affine down", "affine_sigmoid", "affine_softplus_sum")},
    **{name: {0: ANY_SHAPE} for name in ("sigmoid", "sigmoid_u16", "softplus", "log")},
    **{name: {0: ROWS} for name in ("weighted_sum", "class_log_weights", "add_bias_sigmoid", "softmax")},
    "log_conditionals": {"sites": {"wider", "narrower", "strided"}},
    "log_sum_exp": {0: {"wider", "narrower"}},
    "bernoulli": {0: {"wider", "narrower"}},
    "backward": {1: {"none"}, 2: {"none"}},
    "gibbs": {"clamp": {"none"}},
    "sweep": {"held": {"none"}},
    "contrast: weights": {0: {"none"}},
    "anneal": {"log_weights": {"dtype", "byte order", "strided"}, "betas": {"wider", "narrower"}},
    "temper": {"hidden": {"more rows"}, "betas": {"wider", "narrower"}},
    "momentum_step": {place: {"more dimensions"} for place in range(3)},
    "adam_step": {place: {"more dimensions"} for place in range(4)},
    "epoch": {
        "X": {"more rows"},
        "chains": {"none", *ROWS},
        "weights": {"none"},
        "rates": {"wider"},
        "momenta": {"wider"},
    },
    "epoch: missing": {"chains": {"none"}, "hidden": {"more rows"}},
}


def call(function: Callable[..., Any], arguments: Right) -> Any:
    return function(
        *(value for name, value in arguments.items() if isinstance(name, int)),
        **{name: value for name, value in arguments.items() if isinstance(name, str)},
    )


@pytest.mark.parametrize("name", RIGHT)
def test_every_array_is_checked(name: str) -> None:
    function, right = RIGHT[name]
    call(function, right)
    for argument, value in right.items():
        taken = set()
        for kind, wrong in wrongs(value).items():
            with contextlib.suppress(TypeError, ValueError, IndexError, AttributeError):
                call(function, {**right, argument: wrong})
                taken.add(kind)
        assert taken == ALLOWED.get(name, {}).get(argument, set()), argument


# --- Other wrong arguments ---------------------------------------------------------------------------------

WRONG: dict[str, Callable[[], Any]] = {
    "weights: no rows": lambda: engine.Weights(f(0, 3)),
    "weights: no columns": lambda: engine.Weights(f(3, 0)),
    "stream: purpose": lambda: engine.bernoulli(f(2, 3), 0, 64, 0, 0),
    "stream: layer": lambda: engine.bernoulli(f(2, 3), 0, 0, 64, 0),
    "stream: step": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 2**44),
    "stream: negative row": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, -1),
    "stream: last row": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, 2**40 - 1),
    "stream: row ids": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, np.array([0, 2**40])),
    "gibbs: negative steps": lambda: gibbs(steps=-1),
    "exponent: empty": lambda: engine.exponent(f(0, 3)),
    "affine: bool": lambda: engine.affine(weights(), u(5, 4).astype(bool), f(3)),
    "log: integers": lambda: engine.log(i(3)),
    "bernoulli: negative seed": lambda: engine.bernoulli(f(2, 3), -1, 0, 0, 0),
    "bernoulli: seed of 65 bits": lambda: engine.bernoulli(f(2, 3), 2**64, 0, 0, 0),
    "bernoulli: negative step": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, -1),
    "bernoulli: float rows": lambda: engine.bernoulli(f(2, 3), 0, 0, 0, 0, 1.5),
    "uniform_u32: negative": lambda: engine.uniform_u32(-1, 3, 0, 0, 0, 0),
    "shuffle_keys: negative": lambda: engine.shuffle_keys(-1, 0, 0, 0),
    "normal_weights: negative": lambda: engine.normal_weights(3, -1, 1.0, 0, 0, 0),
    "sweep: negative": lambda: sweep(sweeps=-1),
    "sweep: grey": lambda: sweep(states=grey(5, 4)),
    "sweep: weights": lambda: sweep(weights=weights()),
    "sweep: blocks": lambda: sweep(blocks=(1, 3)),
    "gibbs: grey": lambda: gibbs(visible=grey(5, 4)),
    "anneal: grey": lambda: anneal(visible=grey(5, 4)),
    "log_sums: no units": lambda: log_sums(sent=np.zeros((5, 0)), bias=np.zeros(0)),
    "log_sums: no sites": lambda: log_sums(sizes=np.int32([]), sent=np.zeros((0, 3)), log_weight=np.zeros(0)),
    "log_sums: sizes": lambda: log_sums(sizes=np.int32([2, 2])),
    "log_sums: an empty site": lambda: log_sums(sizes=np.int32([2, 3, 0])),
    "log_sums: low sites": lambda: log_sums(n_low=3),
    "log_sums: negative": lambda: log_sums(n_low=-1),
    "log_sums: too far": lambda: log_sums(sent=np.diag([0.0, 441, 0, 0, 0])[:, :3], sizes=np.int32([1, 4])),
    "log_sums: infinite": lambda: log_sums(sent=np.full((5, 3), np.inf)),
    "log_sums: no number": lambda: log_sums(bias=np.full(3, np.nan)),
    "log_sums: weight": lambda: log_sums(log_weight=np.full(5, np.inf)),
    "log_sums: too many": lambda: log_sums(first=1),
    "log_sums: before the first": lambda: log_sums(first=-1),
    "log_sums: fewer than none": lambda: log_sums(n=-1),
    "log_sums: blocks": lambda: log_sums(blocks=(2,)),
    "log_sum_exp: nothing": lambda: engine.log_sum_exp(np.zeros(0)),
    "log_sum_exp: infinite": lambda: engine.log_sum_exp(np.float64([0, np.inf])),
    "temper: grey": lambda: temper(hidden=grey(6, 3)),
    "temper: no steps": lambda: temper(steps=0),
    "temper: one beta": lambda: temper(betas=f(1)),
    "temper: no betas": lambda: temper(betas=f(0)),
    "temper: not whole chains": lambda: temper(hidden=u(5, 3)),
    "temper: none shown": lambda: temper(shown=0),
    "temper: more shown": lambda: temper(shown=4),
    "temper: swaps": lambda: temper(swaps=64),
    "temper: last row": lambda: temper(first_chain=2**40 // 3 - 1),
    "temper: last chain": lambda: temper(first_chain=2**40),
    "class_log_weights: no classes": lambda: engine.class_log_weights(f(5, 3), f(0, 3), f(0)),
    "class_log_weights: no units": lambda: engine.class_log_weights(f(5, 0), f(2, 0), f(2)),
    "class_expectations: negative": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(5, 2) - 0.1),
    "class_expectations: above 1": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(5, 2) + 1.1),
    "class_expectations: NaN": lambda: engine.class_expectations(f(5, 3), f(2, 3), f(5, 2) + np.nan),
    "class_expectations: no units": lambda: engine.class_expectations(f(5, 0), f(2, 0), f(5, 2)),
    "log_conditionals: no units": lambda: conditionals(x=f(5, 0), W=f(4, 0)),
    "log_conditionals: no sites": lambda: conditionals(sites=i(0)),
    "log_conditionals: negative site": lambda: conditionals(sites=i(1) - 1),
    "log_conditionals: too large a site": lambda: conditionals(sites=i(1) + 2, sizes=[2, 2]),
    "log_conditionals: sizes": lambda: conditionals(sizes=[2, 3]),
    "log_conditionals: grey groups": lambda: conditionals(states=grey(5, 4), sizes=[2, 2]),
    "contrast: no data": lambda: contrast(data=(u(0, 4), grey(0, 3))),
    "contrast: no samples": lambda: contrast(samples=(u(0, 4), grey(0, 3))),
    "contrast: no visible units": lambda: contrast(data=(u(5, 0), grey(5, 3)), samples=(u(5, 0), grey(5, 3))),
    "contrast: no hidden units": lambda: contrast(data=(u(5, 4), grey(5, 0)), samples=(u(5, 4), grey(5, 0))),
    "contrast: too much data": lambda: contrast(data=(u(32_769, 4), grey(32_769, 3))),
    "contrast: too many samples": lambda: contrast(samples=(u(32_769, 4), grey(32_769, 3))),
    "contrast: negative weight": lambda: contrast(weights=np.float64([1, 1, -1, 1, 1])),
    "contrast: paired": lambda: contrast(weights=np.ones(5), paired=True),
    "update: read-only": lambda: update(W=np.broadcast_to(np.float32(0), (4, 3)).copy(order="F")),
    "epoch: no data": lambda: epoch(X=u(0, 4)),
    "epoch: float data": lambda: epoch(X=f(5, 4)),
    "epoch: order too large": lambda: epoch(order=np.array([0, 1, 5, 2, 3])),
    "epoch: negative order": lambda: epoch(order=np.array([0, 1, -1, 2, 3])),
    "epoch: batches of none": lambda: epoch(batch_size=0),
    "epoch: batch too large": lambda: epoch(order=i(40_000), row_ids=i(40_000), batch_size=32_769),
    "epoch: infinite weight": lambda: epoch(weights=np.full(5, np.inf)),
    "epoch: no weight": lambda: epoch(weights=np.full(5, np.nan)),
    "epoch: absent, and chains": lambda: epoch(chains=u(2, 3), missing=Missing(u(5, 4).astype(bool))),
    "epoch: fast, and no chains": lambda: epoch(fast=fast()),
    "epoch: chain too large": lambda: epoch(missing=holes(chains=np.array([0, 1, 2, 3, 5]))),
    "epoch: negative chain": lambda: epoch(missing=holes(chains=np.array([0, 1, 2, 3, -2]))),
    "epoch: rows of no chains": lambda: epoch(missing=holes(rows=0)),
    "epoch: no steps": lambda: epoch(k=0),
    "epoch: no chains": lambda: epoch(chains=u(0, 3)),
    "epoch: too many chains": lambda: epoch(chains=u(32_769, 3)),
    "epoch: read-only chains": lambda: epoch(chains=np.broadcast_to(np.uint8(0), (2, 3))),
    "add_bias_sigmoid: read-only": lambda: engine.add_bias_sigmoid(np.broadcast_to(f(3), (2, 3)), f(3)),
    "drop: rate": lambda: drop(rate=1.0),
    "drop: no rate": lambda: drop(rate=np.nan),
    "softmax_cross_entropy: too large a label": lambda: engine.softmax_cross_entropy(f(2, 3), f(3), i(2) + 3),
    "softmax_cross_entropy: negative label": lambda: engine.softmax_cross_entropy(f(2, 3), f(3), i(2) - 1),
    "set_num_threads: a word": lambda: engine.set_num_threads("two"),
    "select_isa: unknown": lambda: engine.select_isa("mmx"),
    "select_isa: none": lambda: engine.select_isa(None),
}


def test_wrong_arguments_raise() -> None:
    taken = []
    for name, ask in WRONG.items():
        with contextlib.suppress(TypeError, ValueError, IndexError, OverflowError):
            ask()
            taken.append(name)
    assert taken == []


HOSTILE = """
engine.affine(engine.Weights.__new__(engine.Weights), u(5, 0), f(0))
engine.gibbs(engine.Weights.__new__(engine.Weights), f(0), f(0), u(2, 0), 1, 0, 0)
engine.gibbs(None, f(0), f(0), u(2, 0), 1, 0, 0)
engine.exponent(f(0, 3))
contrast(data=(u(5), grey(5)))
contrast(data=(u(2, 3, 4), grey(2, 3)))
contrast(samples=(None, None))
contrast(samples=(u(0, 0), grey(0, 0)))
contrast(data=(u(0, 0), grey(0, 0)), samples=(u(0, 0), grey(0, 0)))
engine.class_log_weights(None, None, None)
engine.class_log_weights(f(0, 0), f(0, 0), f(0))
log_sums(sizes=np.int32([2**31 - 1, 6]))
log_sums(sizes=np.array([2**62, 2**62]))
log_sums(first=2**62, n=2**62)
log_sums(sizes=None, blocks=(2**40,))
engine.class_expectations(f(5, 3), f(2, 3), np.full((5, 2), np.inf, np.float32))
engine.softmax_groups(None, 2)
engine.softmax_groups(f(2, 3), 2)
engine.log_sum_groups(f(2, 3), 0)
engine.log_sum_groups(f(0, 0), 2**40)
engine.categorical(f(2, 3), -3, 0, 0, 0, 0)
engine.categorical(f(2, 4), 2, 2**63, 2**31, 2**31, 2**63, -(2**62))
engine.bernoulli(f(2, 3), 2**63, 2**31, 2**31, 2**63, -(2**62))
engine.uniform_u32(10**12, 10**6, 0, 0, 0, 0)
engine.Weights(f(4, 3) + 1, 10**6)
engine.Weights(f(4, 3) + 1, -(10**6))
gibbs(steps=-1)
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
drop(x=f(2, 0), rows=0, sent=f(2, 0), factor=f(2, 0))
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


def test_no_rows_is_no_error() -> None:
    asks: list[Callable[[int], Any]] = [
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
        lambda rows: temper(betas=f(2), hidden=u(2 * rows, 3))[2][0, 0],
        lambda rows: engine.sigmoid(f(rows, 3)),
        lambda rows: engine.shuffle_keys(rows, 0, 0, 0),
    ]
    assert [len(ask(rows)) for ask in asks for rows in (0, 2)] == [0, 2] * len(asks)


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
    for rate, where in (1e39, "update 2"), (np.nan, "update 2"), (0.0, "update 1"):
        quick = fast(rate=rate, W=f(4, 3) if rate else np.full((4, 3), 1e30, np.float32))
        with pytest.raises(FloatingPointError, match=f"{where} of this epoch"):
            epoch(X=data, chains=u(2, 3), fast=quick)
    with pytest.raises(FloatingPointError):
        update({"W": np.full((4, 3), np.nan, np.float32)})


def test_the_empty_epoch() -> None:
    assert epoch(order=i(0), row_ids=i(0)) == 0
