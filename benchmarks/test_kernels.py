"""The engine's kernels, 100 rows at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from rbmfast import _engine as engine
from rbmfast.state import LearningState, UpdateSettings
from rbmfast.streams import Purpose


def test_affine_sigmoid(measure: Any, case: Any) -> None:
    weights, b = case.rbm._parameters.weights, case.rbm.b
    out = np.empty((len(case.V), case.rbm.n_hidden), np.float32)
    measure(
        len(case.V),
        rbmfast=lambda: engine.affine_sigmoid(weights, case.V, b),
        numpy=lambda: case.numpy_rbm.hidden_probabilities(case.V_float, out=out),
    )


def test_affine_sigmoid_bernoulli(measure: Any, case: Any) -> None:
    weights, b = case.rbm._parameters.weights, case.rbm.b
    out = np.empty((len(case.V), case.rbm.n_hidden), np.float32)
    r = case.numpy_rbm
    measure(
        len(case.V),
        rbmfast=lambda: engine.affine_sigmoid_bernoulli(weights, case.V, b, 1, Purpose.GIBBS, 0, 0),
        numpy=lambda: r.bernoulli(r.hidden_probabilities(case.V_float, out=out), out=out),
    )


def test_affine_sigmoid_bernoulli_down(measure: Any, case: Any) -> None:
    rng = np.random.default_rng(1)
    H = (rng.random((len(case.V), case.rbm.n_hidden)) < 0.3).view(np.uint8)
    H_float, out = H.astype(np.float32), np.empty(case.V.shape, np.float32)
    weights, a, r = case.rbm._parameters.weights, case.rbm.a, case.numpy_rbm
    measure(
        len(H),
        rbmfast=lambda: engine.affine_sigmoid_bernoulli(weights, H, a, 1, Purpose.GIBBS, 0, 1, 0, up=False),
        numpy=lambda: r.bernoulli(r.visible_probabilities(H_float, out=out), out=out),
    )


def test_affine_softplus_sum(measure: Any, case: Any) -> None:
    weights, b = case.rbm._parameters.weights, case.rbm.b
    measure(
        len(case.V),
        rbmfast=lambda: engine.affine_softplus_sum(weights, case.V, b),
        numpy=lambda: case.numpy_rbm.free_energy(case.V_float),
    )


def test_sigmoid(measure: Any, case: Any) -> None:
    x = np.random.default_rng(1).normal(0, 3, (100, case.rbm.n_hidden)).astype(np.float32)
    out = np.empty_like(x)
    measure(len(x), rbmfast=lambda: engine.sigmoid(x), numpy=lambda: expit(x, out=out))


def test_bernoulli(measure: Any, case: Any) -> None:
    x = np.random.default_rng(1).normal(0, 3, (100, case.rbm.n_hidden)).astype(np.float32)
    out = np.empty_like(x)
    r = case.numpy_rbm
    measure(
        len(x),
        rbmfast=lambda: engine.bernoulli(x, 1, Purpose.GIBBS, 0, 0),
        numpy=lambda: r.bernoulli(expit(x, out=out), out=out),
    )


def test_contrast(measure: Any, case: Any) -> None:
    """The gradient from two phases that are given; NumPy: of the weights alone."""
    n = len(case.V) // 2
    p = np.random.default_rng(1).random((2 * n, case.rbm.n_hidden)).astype(np.float32)
    p16 = np.rint(p * 65535).astype(np.uint16)
    out = np.empty(case.rbm.W.shape, np.float32)
    measure(
        n,
        rbmfast=lambda: engine.contrast((case.V[:n], p16[:n]), (case.V[n:], p16[n:])),
        numpy=lambda: np.matmul(case.V_float.T, p, out=out),
    )


def test_one_update(measure: Any, case: Any) -> None:
    """A whole CD-1 step, momentum and weight decay included, as one call."""
    state = LearningState.start(case.rbm.W, case.rbm.a, case.rbm.b)
    settings, order = UpdateSettings(l2=1e-4), np.arange(len(case.V))
    rate, momentum = np.full(1, 0.05, np.float32), np.full(1, 0.5, np.float32)
    n = len(case.V)
    measure(
        n,
        rbmfast=lambda: engine.epoch(
            state, settings, case.V, order, order, n, 1, None, rate, momentum, 1, Purpose.CD, 0, 0
        ),
        numpy=lambda: case.numpy_rbm.update(case.V_float, 0.05, momentum=0.5),
    )
