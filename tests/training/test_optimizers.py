"""Steps of SGD and Adam on RBMs: against plain NumPy, with all that goes with them, in every kind of run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.helpers import random_rows

import rbmfast as rf
from rbmfast.training.optimizers import norm_of
from rbmfast.training.settings import FineTuneSettings, LayerSettings, Settings, TrainSettings, UpDownSettings

X = random_rows(47, 9)
PENALTIES = [rf.L2(0.01), rf.L1(1e-3), rf.MaxNorm(0.5), rf.SparsityTarget(0.2)]


def model(seed: int = 3) -> rf.RBM:
    return rf.RBM(9, 5, seed=seed)


class Given(rf.CD):
    """A method that finds the gradients that it is given."""

    def gradient(self, model: Any, v: Any, x: Any, chains: Any, weights: Any = None) -> Any:
        rng = np.random.default_rng(model.stream.step)
        made = super().gradient(model, v, x, chains, weights)
        made.W, made.a, made.b = (
            rng.normal(size=array.shape).astype(np.float32) for array in (made.W, made.a, made.b)
        )
        return made


def gradients(step: int) -> list[Any]:
    rng = np.random.default_rng(step)
    return [rng.normal(size=shape).astype(np.float32) for shape in ((9, 5), (9,), (5,))]


@pytest.mark.parametrize("clip", [None, 2.0])
def test_updates_of_adam_are_those_of_numpy(clip: float | None) -> None:
    """In float64, from the definition; the largest norm of a gradient bounds what is stepped along."""
    rbm = model()
    rbm.initialize(X)
    values = [array.astype(np.float64) for array in (rbm.W, rbm.a, rbm.b)]
    optimizer = rf.Adam(0.02, 0.8, 0.95, 1e-3, clip=clip)
    settings: dict[str, Any] = {"method": Given(), "optimizer": optimizer, "penalties": rf.L2(0.1)}
    rf.train(rbm, X, centered=False, epochs=3, batch_size=47, seed=1, **settings)
    means, squares = ([np.zeros_like(value) for value in values] for _ in range(2))
    for t in range(1, 4):
        slopes = [g.astype(np.float64) for g in gradients(2 * (t - 1))]
        slopes[0] -= 0.1 * values[0]
        norm = np.sqrt(sum((slope**2).sum() for slope in slopes))
        assert norm > 2.0
        for value, m, s, slope in zip(values, means, squares, slopes, strict=True):
            g = slope * (1.0 if clip is None else clip / norm)
            m += 0.2 * (g - m)
            s += 0.05 * (g * g - s)
            value += 0.02 * (m / (1 - 0.8**t)) / (np.sqrt(s / (1 - 0.95**t)) + 1e-3)
    for value, ours in zip(values, (rbm.W, rbm.a, rbm.b), strict=True):
        np.testing.assert_allclose(ours, value, rtol=1e-4, atol=1e-5)


def test_updates_of_cosine_are_those_of_numpy() -> None:
    """In float64, from the definition: each array's factor goes by its own gradients, within bounds."""
    rbm = model()
    rbm.initialize(X)
    values = [array.astype(np.float64) for array in (rbm.W, rbm.a, rbm.b)]
    n, low, high = 12, 0.6, 1.5
    optimizer = rf.Cosine(0.02, growth=1.25, shrink=0.8, low=low, high=high)
    settings: dict[str, Any] = {
        "method": Given(),
        "epochs": n,
        "batch_size": 47,
        "seed": 1,
        "centered": False,
    }
    history = rf.train(rbm, X, optimizer=optimizer, penalties=rf.L2(0.1), **settings)
    factors, last, rates = np.ones(3), [np.zeros_like(value) for value in values], []
    for t in range(n):
        slopes = [g.astype(np.float64) for g in gradients(2 * t)]
        slopes[0] -= 0.1 * values[0]
        for i, (value, slope) in enumerate(zip(values, slopes, strict=True)):
            agreement = np.sum(slope * last[i])
            factors[i] = np.clip(factors[i] * {1: 1.25, 0: 1.0, -1: 0.8}[np.sign(agreement)], low, high)
            value += 0.02 * factors[i] * slope
        last = slopes
        rates.append(0.02 * factors[0])
    assert len({round(rate, 9) for rate in rates}) > 2 and factors[1] != factors[2]
    np.testing.assert_allclose(history["rate"][1:], rates, rtol=1e-12)
    for value, ours in zip(values, (rbm.W, rbm.a, rbm.b), strict=True):
        np.testing.assert_allclose(ours, value, rtol=1e-4, atol=1e-5)


def test_the_factors_of_cosine_stay_within_bounds() -> None:
    def last_rate(sign: float) -> float:
        class Back(Given):
            """The same gradient at every update, or forth and back."""

            def gradient(self, model: Any, v: Any, x: Any, chains: Any, weights: Any = None) -> Any:
                made = super().gradient(model, v, x, chains, weights)
                step = np.float32(sign) ** (model.stream.step // 2)
                made.W, made.a, made.b = (step * g for g in gradients(0))
                return made

        optimizer = rf.Cosine(0.01, growth=1.9, shrink=0.3, low=0.2, high=3.0)
        settings: dict[str, Any] = {"method": Back(), "epochs": 9, "batch_size": 47, "seed": 1}
        return float(rf.train(model(), X, optimizer=optimizer, **settings)["rate"][-1])

    assert (last_rate(1), last_rate(-1)) == (0.01 * 3.0, 0.01 * 0.2)


EACH: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "rbm": (model, [rf.CD(1), rf.PCD(1), rf.PT(3), rf.FPCD(), rf.UnbiasedCD(k=5), rf.PTT()]),
    "class rbm": (lambda: rf.ClassRBM(6, 5, n_classes=3, seed=3), [rf.Discriminative(), rf.Hybrid(0.1)]),
    "gaussian": (lambda: rf.RBM(9, 5, visible=rf.Gaussian("learned"), seed=3), [rf.CD(1), rf.PCD(1)]),
    "conditional": (lambda: rf.ConditionalRBM(9, 5, 9, seed=3), [rf.CD(1), rf.CD(2)]),
    "convolutional": (
        lambda: rf.ConvRBM((3, 3), 4, (2, 2), pool=2, seed=3),
        [rf.CD(1), rf.PCD(1), rf.FPCD()],
    ),
    "dbm": (lambda: rf.DBM((9, 5, 4), seed=3), [rf.PCD(1), rf.PT(3), rf.FPCD()]),
    "machine": (
        lambda: rf.BoltzmannMachine(9, seed=3),
        [rf.CD(1), rf.PCD(1), rf.PT(3), rf.MaximumPseudoLikelihood()],
    ),
}
OPTIMIZERS = [rf.Adam(0.02), rf.Adam(0.02, clip=0.1), rf.SGD(0.1, 0.5, clip=0.1), rf.Cosine(0.1, clip=0.1)]


@pytest.mark.filterwarnings("ignore:X. 9 of 9 columns")
@pytest.mark.parametrize("of", EACH)
def test_every_method_of_every_model(of: str) -> None:
    """Each optimizer takes the model somewhere else."""
    make, methods = EACH[of]
    rows = np.hstack([X[:, :6], np.eye(3, dtype=np.uint8)[np.arange(47) % 3]]) if of == "class rbm" else X
    more: dict[str, Any] = {"context": X[::-1]} if of == "conditional" else {}
    for method in methods:
        learned = set()
        for optimizer in OPTIMIZERS:
            one = make()
            settings: dict[str, Any] = {"method": method, "epochs": 2, "batch_size": 10, "seed": 1}
            rf.train(one, rows, optimizer=optimizer, **settings, **more)
            assert all(np.isfinite(x).all() for x in one.parameters().values())
            learned.add(b"".join(x.tobytes() for x in one.parameters().values()))
        assert len(learned) == len(OPTIMIZERS)


def test_a_clip_bounds_the_step_and_a_high_one_changes_nothing() -> None:
    def step(clip: float | None) -> list[Any]:
        rbm = model()
        rbm.initialize(X)
        before = [rbm.W, rbm.a, rbm.b]
        rf.train(rbm, X, optimizer=rf.SGD(0.5, clip=clip), epochs=1, batch_size=47, seed=1)
        return [after - old for after, old in zip((rbm.W, rbm.a, rbm.b), before, strict=True)]

    free, clipped = step(None), step(0.01)
    assert norm_of(free) > 0.02
    assert norm_of(clipped) == pytest.approx(0.5 * 0.01, rel=1e-3)
    for one, other in zip(free, clipped, strict=True):
        np.testing.assert_allclose(other, one * (0.005 / norm_of(free)), atol=1e-6)
    with_room = step(1e6)  # the same steps, rounded elsewhere
    for one, other in zip(free, with_room, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


@pytest.mark.parametrize("centered", [False, True])
def test_the_way_of_other_optimizers_is_that_of_the_engine(centered: bool, tmp_path: Path) -> None:
    """With penalties, centring and momentum: up to rounding, SGD that never clips learns what SGD learns."""
    settings: dict[str, Any] = {"penalties": PENALTIES, "centered": centered, "method": rf.PCD(1, 13)}
    plain, clipped = model(), model()
    rf.train(plain, X, optimizer=rf.SGD(0.1, 0.5), batch_size=10, epochs=2, seed=1, **settings)
    rf.train(clipped, X, optimizer=rf.SGD(0.1, 0.5, clip=1e6), batch_size=10, epochs=2, seed=1, **settings)
    np.testing.assert_allclose(clipped.W, plain.W, atol=1e-5)
    np.testing.assert_allclose(clipped.b, plain.b, atol=1e-5)


class Patterns:
    """Rows of bars or of stripes, and the models that learn them."""

    LINES = (np.arange(8)[:, None] >> np.arange(3)) & 1
    ROWS = np.repeat(np.r_[np.repeat(LINES, 3, axis=1), np.tile(LINES, 3)], 8, axis=0)

    @classmethod
    def models(cls) -> dict[str, Any]:
        gaussian = (cls.ROWS - cls.ROWS.mean(axis=0)) / cls.ROWS.std(axis=0)
        classes = rf.ClassRBM(9, 8, n_classes=2, seed=0)
        labels = np.repeat([0, 1], 64)
        return {
            "bernoulli": (rf.RBM(9, 8, seed=0), cls.ROWS, rf.PCD(5)),
            "gaussian": (rf.RBM(9, 8, visible="gaussian", seed=0), gaussian, rf.CD(1)),
            "classes": (classes, classes.join(cls.ROWS, labels), rf.Hybrid(3.0)),
        }


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("bernoulli", rf.Adam(0.03)),
        ("bernoulli", rf.SGD(0.1, 0.5, clip=1.0)),
        ("bernoulli", rf.Cosine(0.3)),
        ("gaussian", rf.Adam(0.03)),
        ("classes", rf.Cosine(0.3)),
    ],
    ids=str,
)
def test_learning(name: str, optimizer: Any) -> None:
    rbm, rows, method = Patterns.models()[name]
    settings: dict[str, Any] = {"epochs": 40, "batch_size": 16, "seed": 1, "method": method}
    history = rf.train(rbm, rows, optimizer=optimizer, monitors=rf.ReconstructionError(), **settings)
    error = history["train_reconstruction_error"]
    assert error[-1] < 0.85 * error[0]


def test_learning_of_deep_networks() -> None:
    dbn = rf.DBN([9, 8, 6], seed=0)
    settings: dict[str, Any] = {"optimizer": rf.Adam(0.02), "epochs": 30, "batch_size": 16, "seed": 1}
    histories = rf.pretrain(dbn, Patterns.ROWS, monitors=rf.ReconstructionError(), **settings)
    for history in histories:
        assert history["train_reconstruction_error"][-1] < history["train_reconstruction_error"][0]
        assert np.isnan(history["momentum"]).all()
    history = rf.up_down(dbn, Patterns.ROWS, **settings)
    assert history["reconstruction_error"][-1] < history["reconstruction_error"][1]


# --- Settings and calls -------------------------------------------------------------------------------------

SETTINGS: list[tuple[Callable[..., Any], type[Settings]]] = [
    (rf.train, TrainSettings),
    (rf.pretrain, LayerSettings),
    (rf.up_down, UpDownSettings),
    (rf.fine_tune, FineTuneSettings),
]


@pytest.mark.parametrize("function, settings", SETTINGS, ids=lambda x: x.__name__)
def test_settings_are_the_keywords(function: Any, settings: Any) -> None:
    """Of the same names and defaults, each with a word on what it is."""
    keywords = inspect.signature(function).parameters
    for one in fields(settings):
        assert keywords[one.name].default == one.default, one.name
        assert one.metadata["about"]
    of_data = {"rbm", "dbn", "net", "X", "y", "context", "validation", "resume", "state"}
    of_layers = {"layers", "activations", "cache", "first_layer"}
    assert keywords.keys() - {one.name for one in fields(settings)} <= of_data | of_layers


def calls_of(epochs: int) -> tuple[int, int]:
    """Python's calls in a run of `train` whose epochs the engine learns; and how deep those of epochs lie."""
    calls = depth = deepest = 0
    epoch_at = 0  # the depth at which the loop over epochs calls; 0 outside

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls, depth, deepest, epoch_at
        if event == "call":
            calls, depth = calls + 1, depth + 1
            if frame.f_code.co_name == "_learn_epoch":
                epoch_at = depth
            deepest = max(deepest, depth if epoch_at else 0)
        elif event == "return":
            epoch_at = 0 if depth == epoch_at else epoch_at
            depth -= 1

    rbm = model()
    sys.setprofile(count)
    try:
        rf.train(rbm, X, epochs=epochs, seed=1)
    finally:
        sys.setprofile(None)
    return calls, deepest


def test_python_does_little_in_an_epoch() -> None:
    calls_of(1)  # what is only done at first
    (one, _), (two, deepest) = calls_of(1), calls_of(2)
    assert two - one <= 120
    assert 4 < deepest <= 8
