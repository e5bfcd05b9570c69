"""What models refuse: one sentence that names the argument, what was given and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from models.helpers import network, small

import rbmfast as rf
from rbmfast.likelihood import all_states
from rbmfast.models.base_rates import base_bias
from rbmfast.streams import MAX_ROW

STATES = all_states(5)[[9, 21]]
LOW, SQUARE = rf.RBM(5, 4, seed=0), rf.RBM(4, 4, seed=0)
REAL = rf.RBM(4, 3, visible="gaussian", seed=0)
RBM, DBN = small(), network((5, 4, 3))
V, HIDDEN = np.eye(2, 4, dtype=np.uint8), np.eye(2, 3, dtype=np.uint8)
N, K, H = 6, 4, 5
W, A, B = (np.ones(shape) for shape in ((N + K, H), N + K, H))
CLASSES = rf.ClassRBM.from_arrays(W, A, B, n_classes=K)
X, Y = np.zeros((11, N), np.uint8), np.arange(11) % K
NEW = {"n_features": 4, "n_hidden": 3, "n_classes": 2}
STATES9, REALS = np.zeros((30, 9), np.uint8), np.random.default_rng(0).normal(size=(30, 9))


def dense(n_in: int, n_out: int, activation: str) -> rf.Dense:
    return rf.Dense.new(n_in, n_out, activation, seed=0)


LAYERS = [dense(9, 7, "sigmoid"), dense(7, 5, "sigmoid"), dense(5, 3, "softmax")]
NET, REAL_NET = rf.Network(LAYERS), rf.Network(LAYERS, "real")

Case = tuple[dict[str, Any], type[Exception], str]
ARGUMENTS: dict[str, tuple[Callable[..., Any], list[Case]]] = {
    "DBN": (
        lambda **given: rf.DBN(**{"sizes": [5, 4, 3], "seed": 0, **given}),
        [
            ({"sizes": 5}, TypeError, "sizes must be a list of two or more"),
            ({"sizes": "54"}, TypeError, "sizes must be a list of two or more"),
            ({"sizes": [5]}, ValueError, "sizes must be a list of two or more"),
            ({"sizes": [1] * 65}, ValueError, "sizes must .* at most 64; got 65"),
            ({"sizes": [5, 0]}, ValueError, r"sizes\[1\] must be an integer"),
            ({"sizes": [5, 2.5]}, TypeError, r"sizes\[1\] must be an integer"),
            ({"n_classes": 1}, ValueError, "n_classes must be an integer"),
            ({"n_classes": 2.0}, TypeError, "n_classes must be an integer"),
            ({"visible": "potts"}, ValueError, "visible must be one of"),
            ({"hidden": "potts"}, ValueError, "hidden must be one of"),
            (
                {"hidden": ["bernoulli"]},
                ValueError,
                "hidden must have a unit type for each of 2 hidden layers",
            ),
            ({"hidden": ["bernoulli", 3]}, TypeError, r"hidden\[1\] must be one of"),
            ({"seed": -1}, ValueError, "seed must be an integer"),
        ],
    ),
    "DBN.from_rbms": (
        rf.DBN.from_rbms,
        [
            ({"rbms": []}, ValueError, "rbms must be a list of 1 to 63 RBMs, got 0"),
            ({"rbms": [None]}, TypeError, "rbms[0] must be an rf.RBM, got None"),
            ({"rbms": LOW}, TypeError, "rbms must be a list of RBMs, from the lowest up, got RBM(5, 4)"),
            ({"rbms": [LOW, rf.RBM(5, 3, seed=0)]}, ValueError, "rbms[1] must have 4 visible units"),
            ({"rbms": [LOW, REAL]}, ValueError, "like the hidden layer below it, got 4 of type 'gaussian'"),
            ({"rbms": [SQUARE] * 2}, ValueError, "rbms[1] is already in the list"),
        ],
    ),
    "DBN.to_network": (
        network((5, 4)).to_network,
        [
            ({"head": "sigmoid"}, ValueError, "head must be 'softmax', 'linear' or None, got 'sigmoid'"),
            ({"n_outputs": 3, "head": None}, ValueError, "n_outputs needs a head"),
            ({"head": "linear"}, ValueError, "n_outputs must be given for head='linear'"),
            ({"n_outputs": 0}, ValueError, "n_outputs must be an integer"),
            ({"n_outputs": 2.5}, TypeError, "n_outputs must be an integer"),
        ],
    ),
    "ParallelTempering": (
        lambda **given: rf.ParallelTempering(**{"rbm": small(), "n_chains": 2, **given}),
        [
            ({"rbm": None}, TypeError, "rbm must be an rf.RBM, got None"),
            ({"n_chains": 0}, ValueError, "n_chains must be an integer from 1 to"),
            ({"n_replicas": 1}, ValueError, "n_replicas must be an integer from 2 to 65536, got 1"),
            ({"n_replicas": 2.5}, TypeError, "n_replicas must be an integer"),
            ({"betas": [0, 0.5, 0.5, 1]}, ValueError, "betas must rise from 0 to 1"),
            ({"betas": [0.1, 1]}, ValueError, "betas must rise from 0 to 1"),
            ({"betas": [0, 0.9]}, ValueError, "betas must rise from 0 to 1"),
            ({"betas": [0, np.nan, 1]}, ValueError, "betas must rise from 0 to 1"),
            ({"betas": [0]}, ValueError, r"betas must be 1-D, with 2 to 65536 numbers, got shape \(1,\)"),
            ({"betas": "many"}, TypeError, "betas must be an array of numbers"),
            ({"betas": [0, 1], "n_replicas": 3}, ValueError, "n_replicas must be 2, as many as betas"),
            ({"seed": -1}, ValueError, "seed"),
            ({"first_row": -1}, ValueError, "first_row"),
            ({"first_row": MAX_ROW // 10, "n_replicas": 10, "n_chains": 9}, ValueError, "first_row"),
            ({"start": np.zeros((3, 4))}, ValueError, "start must have 2 rows, one for each chain, got 3"),
            ({"start": np.zeros((2, 5))}, ValueError, "start must have 4"),
            ({"n_chains": 10**9}, MemoryError, "n_chains=1000000000 of 10 replicas needs"),
        ],
    ),
    "ParallelTempering.run": (
        rf.ParallelTempering(small(), 2, seed=1).run,
        [
            *(({"steps": steps}, ValueError, "steps must be an integer") for steps in (0, -1, 2**43)),
            ({"steps": 1.5}, TypeError, "steps must be an integer"),
        ],
    ),
    "RBM.sample": (
        lambda **given: small().sample(3, 2, seed=1, **given),
        [
            (
                {"method": "metropolis"},
                ValueError,
                "method must be 'gibbs', 'tempering' or 'trajectory', got",
            ),
            ({"n_replicas": 4}, ValueError, "method must be 'tempering' where n_replicas"),
            ({"betas": [0, 1]}, ValueError, "method must be 'tempering' where n_replicas"),
            ({"base": [0.5] * 4}, ValueError, "method must be 'tempering' where n_replicas"),
            ({"method": "tempering", "n_replicas": 0}, ValueError, "n_replicas must be"),
            (
                {"method": "tempering", "n_replicas": 2, "first_row": MAX_ROW // 2},
                ValueError,
                "first_row must be",
            ),
            (
                {"method": "tempering", "start": np.zeros((1, 4))},
                ValueError,
                "start must have n=3 rows, got 1",
            ),
        ],
    ),
    "base": (
        lambda **given: base_bias(small(), **given),
        [
            ({"base": [0.5] * 3}, ValueError, r"base must have shape \(4,\), got \(3,\)"),
            ({"base": [0.5, 0.5, 0.5, 1.5]}, ValueError, "base must be rates from 0 to 1, got 0.5 to 1.5"),
            ({"base": [0.5, 0.5, 0.5, np.nan]}, ValueError, "base must be finite"),
            ({"base": "means"}, ValueError, "base must be None, rates .*'uniform'; got 'means'"),
            ({"base": np.zeros((2, 3))}, ValueError, "base must have 4"),
            ({"base": np.full((2, 4), 2)}, ValueError, "base"),
            ({"base": object()}, TypeError, "base must be an array of numbers"),
        ],
    ),
}
CALLS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: RBM.free_energy(np.zeros(4)), ValueError, "reshape(1, -1)"),
    (lambda: RBM.energy(V, HIDDEN[:1]), ValueError, "V and H must have equally many rows, got 2 and 1"),
    (lambda: RBM.sample(3, start=V), ValueError, "start must have n=3 rows, got 2"),
    (lambda: RBM.sample(3, labels=1), ValueError, "labels need a model with labels, such as an"),
    *(
        (lambda bad=bad: REAL.sample_hidden([[bad] * 4]), ValueError, r"^V\[0, 0\]")
        for bad in (np.nan, np.inf, 1e39)
    ),
    *(
        (lambda W=W: rf.RBM.from_arrays(W, [0], [0]), ValueError, "W must be 2-D")
        for W in (np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 3)), 1.0)
    ),
    (lambda: rf.RBM.from_arrays([[1.0], [2.0, 3.0]], [0], [0]), ValueError, "W must be an array"),
    (lambda: RBM.pattern_counts(), ValueError, "exactly one of v and h"),
    (lambda: RBM.pattern_counts(V[0], HIDDEN[0]), ValueError, "exactly one of v and h"),
    (lambda: RBM.pattern_counts(V), ValueError, "v must be one row"),
    (lambda: RBM.pattern_counts([1, 0]), ValueError, "v must have 4 features"),
    (lambda: small(2, 21).pattern_counts([1, 0]), ValueError, "up to 20 units .* the hidden layer has 21"),
    (lambda: RBM.pattern_counts(V[0], n_samples=0), ValueError, "n_samples"),
    (lambda: RBM.impute(V, np.zeros((2, 4))), TypeError, "mask must be a bool array"),
    *(
        (lambda X=X, n=n: RBM.impute(X, np.zeros(n, bool)), ValueError, "mask must have the shape")
        for n in ((2, 3), (4,), (3, 4))
        for X in (np.eye(2, 4), rf.Grey8(np.eye(2, 4, dtype=np.uint8)))
    ),
    (lambda: RBM.impute([1.0, np.nan, 0.0, 1.0]), ValueError, "V must be 2-D"),
    (lambda: RBM.impute([[2.0, np.nan, 0.0, 1.0]]), ValueError, "V[0, 0] is 2"),
    (lambda: DBN.hidden_probabilities(STATES, 0), ValueError, "layer must be a hidden layer, from 1 to 2"),
    (lambda: DBN.hidden_probabilities(STATES, 3), ValueError, "layer must be"),
    (lambda: DBN.sample_hidden(STATES, -3), ValueError, "layer must be"),
    (lambda: DBN.visible_probabilities(STATES, 1.5), TypeError, "layer must be"),
    (lambda: DBN.sample_hidden(STATES, first_row=MAX_ROW), ValueError, "first_row must be"),
    (lambda: DBN.sample_hidden(STATES, seed="x"), TypeError, "seed must be"),
    (lambda: DBN.sample(0), ValueError, "n must be"),
    (lambda: DBN.sample(2, 0), ValueError, "steps must be"),
    (lambda: DBN.sample(2, 1, last="mode"), ValueError, "last must be 'sample' or 'mean', got 'mode'"),
    (lambda: DBN.sample(2, 1, start=STATES[:1]), ValueError, "start must have n=2 rows, got 1"),
    (lambda: DBN.sample(2, 1, labels=0), ValueError, "labels need a model with labels"),
    (lambda: DBN.sample(2, 1, return_labels=True), ValueError, "return_labels needs a network with"),
    (
        lambda: network(n_classes=3).sample(2, labels=3),
        ValueError,
        "labels must be 2 integers from 0 to 2",
    ),
    (lambda: DBN.sample(10**12), MemoryError, "n=1000000000000 states needs"),
    (lambda: DBN.predict(STATES), ValueError, "this network has no labels"),
    (lambda: DBN.impute(STATES, np.zeros((2, 5))), TypeError, "mask must be a bool array"),
    (lambda: DBN.impute(STATES, np.zeros((2, 4), bool)), ValueError, "mask must have the shape"),
    (lambda: DBN.impute(STATES, steps=0), ValueError, "steps must be"),
    (lambda: rf.ClassRBM(**{**NEW, "n_features": 0}), ValueError, "n_features"),
    (lambda: rf.ClassRBM(**{**NEW, "n_hidden": 0}), ValueError, "n_hidden"),
    (lambda: rf.ClassRBM(**{**NEW, "n_classes": 1}), ValueError, "n_classes"),
    (lambda: rf.ClassRBM(**{**NEW, "n_classes": 2.0}), TypeError, "n_classes"),
    (lambda: rf.ClassRBM(**NEW, visible=rf.Categorical(3)), ValueError, "n_features"),
    (lambda: rf.ClassRBM(**NEW, visible="potts"), ValueError, "visible"),
    (lambda: rf.ClassRBM(**NEW, hidden=3), TypeError, "hidden"),
    (
        lambda: rf.ClassRBM.from_arrays(W[:4], A[:4], B, n_classes=4),
        ValueError,
        "n_classes must be an integer from 2 to 3",
    ),
    (lambda: rf.ClassRBM.from_arrays(W, A[1:], B, n_classes=4), ValueError, "a must have shape"),
    (lambda: rf.ClassRBM.from_arrays(W[0], A, B, n_classes=4), ValueError, "W must be 2-D"),
    (lambda: CLASSES.join(X, Y[1:]), ValueError, "y must be 11 integers from -1 to 3"),
    (lambda: CLASSES.join(X, np.r_[Y[:-1], 4]), ValueError, "got 4 at 10"),
    (lambda: CLASSES.join(X, np.r_[-2, Y[1:]]), ValueError, "got -2 at 0"),
    (lambda: CLASSES.join(X[:, 1:], Y), ValueError, "X must have 6 features"),
    (lambda: CLASSES.predict(np.hstack([X, X])), ValueError, "X must have 6 features"),
    (lambda: CLASSES.sample(3, 2, labels=4), ValueError, "labels must be 3 integers from 0 to 3"),
    (lambda: CLASSES.sample(3, 2, labels=-1), ValueError, "labels"),
    (lambda: CLASSES.sample(3, 2, labels=[0, 1]), ValueError, "labels"),
    (lambda: CLASSES.sample(3, 2, labels=0.0), TypeError, "labels"),
    (lambda: CLASSES.sample(3, 2, labels=0, method="tempering"), ValueError, "method"),
    (lambda: CLASSES.sample(3, 2, labels=0, n_replicas=4), ValueError, "n_replicas"),
    (lambda: CLASSES.sample(0, 2, labels=0), ValueError, "n must"),
    (lambda: rf.Dense([1.0], [1.0]), ValueError, "W"),
    (lambda: rf.Dense(np.zeros((0, 2)), [0, 0]), ValueError, "W"),
    (lambda: rf.Dense([[np.nan]], [0]), ValueError, "W"),
    (lambda: rf.Dense([["x"]], [0]), TypeError, "W"),
    (lambda: rf.Dense([[1.0]], [0, 0]), ValueError, "b"),
    (lambda: rf.Dense([[1.0]], [0], "tanh"), ValueError, "activation"),
    (lambda: rf.Dense([[1.0]], [0], "softmax"), ValueError, "softmax"),
    (lambda: rf.Dense.new(0, 1), ValueError, "n_inputs"),
    (lambda: rf.Dense.new(1, 1.5), TypeError, "n_outputs"),
    (lambda: rf.Dense.new(1, 1, seed=-1), ValueError, "seed"),
    (lambda: rf.Dense.new(1, 1, layer=64), ValueError, "layer"),
    (lambda: rf.Network([]), ValueError, "layers"),
    (lambda: rf.Network(dense(2, 2, "linear")), TypeError, "layers"),
    (lambda: rf.Network([dense(2, 2, "linear"), "softmax"]), TypeError, "layers[1]"),
    (lambda: rf.Network([dense(2, 3, "linear"), dense(2, 3, "linear")]), ValueError, "layers[1]"),
    (lambda: rf.Network([dense(2, 2, "softmax"), dense(2, 2, "linear")]), ValueError, "layers[0]"),
    (lambda: rf.Network([dense(2, 2, "linear")] * 65), ValueError, "layers"),
    (lambda: rf.Network([dense(2, 2, "linear")], domain="grey"), ValueError, "domain"),
    (lambda: NET.forward(STATES9[:, 1:]), ValueError, "X"),
    (lambda: NET.forward(REALS), ValueError, "X"),
    (lambda: NET.transform(STATES9, layer=3), ValueError, "layer"),
    (lambda: NET.transform(STATES9, layer=-4), ValueError, "layer"),
    (lambda: NET.transform(STATES9, layer=0.5), TypeError, "layer"),
    (lambda: rf.Network([dense(9, 2, "softmax")]).transform(STATES9), ValueError, "layer"),
    (lambda: REAL_NET.forward(np.full((1, 9), 3e38)), ValueError, "overflow"),
]


def assert_refused(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    """Words as they are, or a pattern."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert words in message or re.search(words, message)
    assert "\n" not in message


@pytest.fixture(autouse=True)
def _a_machine_of_a_tebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.runtime._physical_memory", lambda: 2**40)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name: str) -> None:
    function, cases = ARGUMENTS[name]
    for given, error, words in cases:
        assert_refused(lambda given=given: function(**given), error, words)


def test_to_sklearn() -> None:
    pytest.importorskip("sklearn")
    mixed = rf.Network([dense(9, 7, "sigmoid"), dense(7, 5, "linear"), dense(5, 3, "softmax")])
    for net, classes, words in (
        (mixed, None, "one activation"),
        (NET, ["b", "a", "c"], "increasing"),
        (NET, [0, 1], "3 different"),
        (rf.Network([dense(9, 3, "linear")]), [0, 1, 2], "softmax"),
    ):
        assert_refused(lambda net=net, classes=classes: net.to_sklearn(classes), ValueError, words)


@pytest.mark.parametrize("call, error, words", CALLS)
def test_calls(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    assert_refused(call, error, words)
