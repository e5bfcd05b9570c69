"""What a layer learns beside its biases: a unit type from outside the package, in runs and in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from training.helpers import TEXTBOOK

import rbmfast as rf
from rbmfast.likelihood import exact_gradient
from rbmfast.training.callbacks import Callback
from rbmfast.training.state import get_parameters, set_parameters
from rbmfast.units import Unit
from rbmfast.units.common import moments
from rbmfast.units.gaussian import standard_normal

pytestmark = pytest.mark.usefixtures("unit_types_as_before")
V, H, N = 3, 2, 60
X = np.random.default_rng(0).normal(size=(N, V), scale=[0.5, 1.0, 2.0]).astype(np.float32)


@dataclass(frozen=True)
class Precise(Unit):
    """Real states of energy ``exp(t) s**2 / 2 - bias s``, and the logarithm t of each unit's precision."""

    t: Any = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "precise"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False

    def of_size(self, n_units: int) -> Unit:
        return self if self.t is not None else replace(self, t=np.zeros(n_units, np.float32))

    def parameters(self) -> dict[str, Any]:
        return {"t": self.t}

    def with_parameters(self, arrays: Mapping[str, Any]) -> Unit:
        return replace(self, t=arrays["t"])

    def parameter_gradient(self, states: Any, bias: Any) -> dict[str, Any]:
        return {"t": -np.exp(self.t) * states**2 / 2}

    def mean_parameter_gradient(self, x: Any, bias: Any) -> dict[str, Any]:
        return {"t": -(x**2) / np.exp(self.t) / 2 - 0.5}

    def mean(self, x: Any) -> Any:
        return (x / np.exp(self.t)).astype(np.float32)

    mode = expectation = mean

    def draw(self, x: Any, uniform: Any) -> Any:
        return (self.mean(x) + standard_normal(uniform) / np.exp(self.t / 2)).astype(np.float32)

    def log_normalizer_float64(self, x: Any, bias: Any) -> Any:
        return (x**2 / np.exp(self.t) / 2 + (np.log(2 * np.pi) - self.t) / 2).sum(axis=1, dtype=np.float64)

    log_normalizer = log_normalizer_float64

    def energy(self, states: Any, bias: Any) -> Any:
        return (np.exp(self.t) * states**2 / 2 - bias * states).sum(axis=1, dtype=np.float64)

    def initial_bias(self, rows: Any) -> Any:
        means = moments(rows)[0].astype(np.float32)
        return means, means


rf.units.UNITS.pop("precise", None)


def model(**units: Any) -> rf.RBM:
    rf.units.register(Precise)
    rng = np.random.default_rng(1)
    W, a, b = (rng.normal(scale=0.4, size=size) for size in ((V, H), V, H))
    rbm = rf.RBM.from_arrays(W, a, b, **(units or {"visible": "precise"}))
    own = {
        name: rng.normal(scale=0.3, size=x.shape).astype(np.float32) for name, x in rbm.parameters().items()
    }
    set_parameters(rbm, {name: x for name, x in own.items() if "." in name})
    return rbm


def test_they_are_parameters_of_the_model() -> None:
    rbm = model(visible="precise", hidden=rf.Mixed([(rf.Bernoulli(), 1), (Precise(), 1)]))
    shapes = {name: array.shape for name, array in rbm.parameters().items()}
    assert shapes == {"W": (V, H), "a": (V,), "b": (H,), "visible.t": (V,), "hidden.1.t": (1,)}
    assert get_parameters(rbm).keys() >= shapes.keys()
    rf.train(rbm, X, epochs=1, seed=1)
    assert not any(array.flags.writeable for array in rbm.parameters().values())
    assert [*rf.RBM(2, 2, seed=0).parameters()] == ["W", "a", "b"]
    dbn = rf.DBN([V, H, H], visible="precise", seed=0)
    assert "generative/0/visible.t" in dbn.parameters()


def test_gradient_by_finite_differences() -> None:
    """Along each parameter of either layer, by the exact log-likelihood; weighted rows too."""
    weights = np.random.default_rng(2).random(N)
    for layer in ("visible", "hidden"):
        rbm = model(**{layer: "precise"})
        data = X if layer == "visible" else (X > 0).astype(np.uint8)
        name = f"{layer}.t"
        steps = {}
        for sample_weight in (None, weights):
            learned = copy_of(rbm)
            rf.train(learned, data, method=Exact(), optimizer=rf.SGD(1.0), epochs=1, batch_size=N, seed=1,
                     sample_weight=sample_weight)  # fmt: skip
            steps[sample_weight is None] = learned.parameters()[name] - rbm.parameters()[name]
        for i in range(len(rbm.parameters()[name])):
            ends = []
            for shift in (-1e-2, 1e-2):
                moved = copy_of(rbm)
                t = moved.parameters()[name].copy()
                t[i] += shift
                set_parameters(moved, {name: t})
                ends.append(rf.log_likelihood(moved, data))
            each = np.subtract(*ends[::-1]) / 2e-2
            assert_allclose(exact_gradient(rbm, data).layers[name][i], each.mean(), atol=1e-4)
            assert_allclose(steps[True][i], each.mean(), atol=5e-3)
            assert_allclose(steps[False][i], (weights * each).mean(), atol=5e-3)


class Exact(rf.CD):
    """Contrastive divergence with a sample so large that it counts as the model itself: all states alike."""

    fused = False

    def negative_phase(self, model: Any, v: Any, x: Any, chains: Any) -> Any:
        drawn = np.tile(v, (1000, 1))
        drawn, _ = replace(model, stream=model.stream.at(0, 0)).gibbs(drawn, 8)
        return drawn, model.up.input(drawn)


def copy_of(rbm: rf.RBM) -> rf.RBM:
    return rf.RBM.from_state(*rbm.to_state())


class Stop(Callback):
    def after_epoch(self, progress: Any) -> bool:
        return progress.epoch == 1


@pytest.mark.parametrize("optimizer", [rf.SGD(0.05, momentum=0.5), rf.Adam(0.01, clip=1.0)])
def test_runs_and_files_keep_every_bit(optimizer: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        **TEXTBOOK,
        "optimizer": optimizer,
        "batch_size": 20,
        "seed": 1,
        "method": rf.PCD(n_chains=9),
    }
    whole, parts, calls = model(), model(), model()
    rf.train(whole, X, epochs=3, **settings)
    path = tmp_path / "run.ckpt"
    rf.train(parts, X, epochs=2, checkpoint=path, **settings)
    parts = model()
    rf.train(parts, X, epochs=3, resume=path, **settings)
    state = rf.TrainingState()
    for _ in range(3):
        rf.train(calls, X, epochs=1, state=state, **settings)
    whole.save(tmp_path / "whole.rbm")
    loaded = rf.load(tmp_path / "whole.rbm")
    assert not np.array_equal(whole.parameters()["visible.t"], model().parameters()["visible.t"])
    for other in (parts, loaded) + ((calls,) if isinstance(optimizer, rf.SGD) else ()):
        for name, array in whole.parameters().items():
            assert_array_equal(other.parameters()[name], array, name)
    assert_array_equal(loaded.sample(9, 5, seed=1), whole.sample(9, 5, seed=1))


def test_who_learns_weights_and_biases_alone_says_so() -> None:
    rf.units.register(Precise)
    rbm = rf.ClassRBM(V, H, 2, visible="precise", seed=0)
    for method in (rf.Discriminative(), rf.Hybrid()):
        with pytest.raises(ValueError, match="learns weights and biases alone, and ClassRBM"):
            rf.train(rbm, rbm.join(X, np.arange(N) % 2), method=method)


def test_early_stopping_brings_them_back() -> None:
    rbm = model()
    stopping = rf.EarlyStopping("weight_norm", patience=1, mode="max")
    rf.train(rbm, X, epochs=3, seed=1, optimizer=rf.SGD(0.0), monitors=rf.WeightNorm(), callbacks=stopping)
    assert_array_equal(rbm.parameters()["visible.t"], model().parameters()["visible.t"])


def test_up_down_teaches_those_of_the_top() -> None:
    rf.units.register(Precise)
    dbn = rf.DBN([4, H, 2], hidden=["bernoulli", "precise"], seed=0)
    rf.up_down(dbn, np.eye(4), epochs=2, batch_size=2, seed=1)
    assert dbn.parameters()["generative/1/hidden.t"].all()  # not what they were


def test_learning_finds_the_precision() -> None:
    data = np.random.default_rng(3).normal(size=(4000, 2), scale=[0.5, 2.0])
    rf.units.register(Precise)
    rbm = rf.RBM(2, 1, visible="precise", seed=0)
    rf.train(rbm, data, epochs=40, batch_size=200, optimizer=rf.Adam(0.02), seed=1)
    assert_allclose(rbm.sample(4000, steps=100, seed=2).std(axis=0), [0.5, 2.0], rtol=0.1)
