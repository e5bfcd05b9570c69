"""What remains when training ends otherwise than planned: the model is always whole."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.helpers import TEXTBOOK, Asking, Raising, StepCD, bits, random_rows

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.archive import read_file

X = random_rows(47, 9)
SETTINGS: dict[str, Any] = {**TEXTBOOK, "batch_size": 10, "seed": 5, "optimizer": rf.SGD(0.1, momentum=0.5)}


def new_model() -> rf.RBM:
    return rf.RBM(9, 5, seed=3)


@pytest.mark.parametrize(
    "what",
    [
        {"monitors": [Asking(("nothing",), lambda watched: {"nothing": 1 / (watched.epoch - 3)})]},
        {"penalties": [Raising(17, ZeroDivisionError)]},
    ],
)
def test_a_failure_leaves_the_last_completed_epoch(what: dict[str, Any]) -> None:
    expected, rbm = new_model(), new_model()
    rf.train(expected, X, epochs=3, **SETTINGS)
    with pytest.raises(ZeroDivisionError):
        rf.train(rbm, X, epochs=10, **{**SETTINGS, **what})
    assert bits(rbm) == bits(expected)
    rf.train(rbm, X, epochs=1, **SETTINGS)  # and it can be used


@pytest.mark.filterwarnings("ignore:the weights have become large")
@pytest.mark.parametrize("case", ["step by step", "gaussian, late", "biases"])
def test_divergence(case: str) -> None:
    """More ways of it than in `test_runs.py`."""
    data: Any = X
    settings: dict[str, Any] = {**SETTINGS, "epochs": 20, "optimizer": rf.SGD(1e38, 0.9)}
    rbm = new_model()
    if case == "step by step":
        settings["method"] = StepCD(1)
    if case == "biases":  # no weight can move, but the biases overflow
        settings |= {"penalties": [rf.MaxNorm(1e-3)], "optimizer": rf.SGD(3e37, 0.999)}
    if case == "gaussian, late":
        data = np.random.default_rng(0).normal(size=(47, 9)).astype(np.float32) * 1e4
        rbm = rf.RBM(9, 5, visible="gaussian", seed=3)
        settings["optimizer"] = rf.SGD(rf.Linear(0.0, 10.0))
    with pytest.raises(FloatingPointError, match=r"learning diverged in epoch .* Lower the rate"):
        rf.train(rbm, data, **settings)
    for parameter in (rbm.W, rbm.a, rbm.b):
        assert np.isfinite(parameter).all()
    assert np.isfinite(rbm.hidden_probabilities(X)).all()


@pytest.mark.filterwarnings("ignore:the weights have become large")
@pytest.mark.parametrize("method", [rf.CD(1), StepCD(1)], ids=["fused", "step by step"])
def test_numbers_that_no_model_may_have_are_a_divergence(method: Any) -> None:
    """They are finite, but a file with them could not be read again."""
    rbm, initialized = new_model(), new_model()
    initialized.initialize(X)
    with pytest.raises(FloatingPointError, match="learning diverged in epoch 1"):
        rf.train(rbm, X, epochs=1, batch_size=47, seed=1, method=method, optimizer=rf.SGD(1e14))
    assert bits(rbm) == bits(initialized)


# --- Early stopping and other callbacks -----------------------------------------------------------------


def given(*values: float) -> Asking:
    """Records these numbers, and then the last of them again."""
    return Asking(
        ("given",), lambda watched: {"given": [*values, *[values[-1]] * 99][watched.epoch]}, {"given": "min"}
    )


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "values, settings, last, best",
    [
        ((0, 5, 4, 3, 3, 3, 3), {"patience": 2}, 5, 3),  # epoch 0 does not count
        ((0, 5, 6, 4, 6, 6, 6), {"patience": 2}, 5, 3),
        ((0, 5, 6, 6, 6, 6, 6), {"patience": 1}, 2, 1),
        ((0, 5, 4.5, 3.9, 3.5, 3.2, 3.0), {"patience": 2, "min_delta": 1.0}, 5, 3),
        ((0, 1, 2, 3, 2, 2, 2), {"patience": 3, "mode": "max"}, 6, 3),
        ((0, NAN, 2, NAN, NAN, 1), {"patience": 2}, 4, 2),
        ((0, NAN, NAN, NAN, NAN, 1), {"patience": 3}, 3, 0),
        ((0, INF, INF, 3, 3, 3), {"patience": 2}, 5, 3),
        ((0, 9, 8, 7, 6, 5, 4, 3, 2), {"patience": 2}, 8, 8),  # never stopped
    ],
)
@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping(
    values: tuple[float, ...], settings: dict[str, Any], last: int, best: int, restore: bool
) -> None:
    models: list[Any] = []

    class Keep(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            models.append(bits(progress.rbm))

    stopping = rf.EarlyStopping("given", restore_best=restore, **settings)
    rbm = new_model()
    callbacks = [Keep(), stopping]
    history = rf.train(rbm, X, epochs=8, monitors=[given(*values)], callbacks=callbacks, **SETTINGS)
    assert history["epoch"][-1] == last
    assert stopping.best_epoch == best
    assert (history.stopped is None) == (last == 8)
    assert bits(rbm) == models[(best if restore and best else last) - 1]


def test_a_monitor_knows_which_way_is_better() -> None:
    """Every number of every monitor that says "max" or "min" does so rightly; "auto" goes by that."""
    monitors = [
        *(rf.ReconstructionError(), rf.FreeEnergyGap(), rf.PseudoLikelihood(), rf.LogLikelihood()),
        *(rf.SaturatedUnits(), rf.DeadUnits(), rf.WeightNorm(), rf.ClassificationError()),
    ]
    directions = {
        name: direction for monitor in monitors for name, direction in monitor.directions(True).items()
    }
    rising = {name for name, direction in directions.items() if direction == "max"}
    assert rising == {f"{a}_{b}_likelihood" for a in ("train", "validation") for b in ("pseudo", "log")}
    unknown = {name for name, direction in directions.items() if direction is None}
    assert unknown == {"log_z", "log_z_stderr", "weight_norm", "weight_max"}

    stopping = rf.EarlyStopping("validation_log_likelihood", patience=9)
    monitors = [rf.LogLikelihood()]
    settings = {**SETTINGS, "validation": X, "epochs": 9, "callbacks": [stopping], "monitors": monitors}
    history = rf.train(new_model(), X, **settings)
    assert stopping.best_epoch == 1 + np.argmax(history["validation_log_likelihood"][1:]) > 1


def test_early_stopping_asks_where_nobody_can_say() -> None:
    for mode, allowed in (("auto", False), ("min", True), ("max", True)):
        settings = {**SETTINGS, "monitors": [rf.WeightNorm()], "epochs": 1}
        settings["callbacks"] = [rf.EarlyStopping("weight_norm", mode=mode)]
        with contextlib.nullcontext() if allowed else pytest.raises(ValueError, match="mode='min' or mode="):
            rf.train(new_model(), X, **settings)


def test_early_stopping_can_be_used_again() -> None:
    stopping = rf.EarlyStopping("given", patience=2)
    first = rf.train(new_model(), X, epochs=9, monitors=[given(0, 1, 2)], callbacks=[stopping], **SETTINGS)
    second = rf.train(new_model(), X, epochs=9, monitors=[given(0, 9, 9)], callbacks=[stopping], **SETTINGS)
    assert len(first) == len(second) == 4


def test_callbacks_see_every_epoch() -> None:
    events: list[Any] = []

    class Look(rf.Callback):
        def on_train_begin(self, progress: Any) -> None:
            events.append(("begin", progress.epoch, len(progress.history)))

        def on_epoch_end(self, progress: Any) -> None:
            events.append((progress.epoch, progress.epochs, len(progress.history)))

        def on_train_end(self, progress: Any) -> None:
            events.append(("end", progress.epoch, len(progress.history)))

    rf.train(new_model(), X, epochs=2, callbacks=[Look()], **SETTINGS)
    assert events == [("begin", 0, 1), (1, 2, 2), (2, 2, 3), ("end", 2, 3)]


def test_a_callback_can_stop() -> None:
    class Enough(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            progress.stop("enough")

    history = rf.train(new_model(), X, epochs=5, callbacks=[Enough()], **SETTINGS)
    assert len(history) == 2
    assert history.stopped == "enough"
    assert str(history).endswith("stopped: enough")


def test_an_untouched_model_is_initialised_and_a_touched_one_is_not() -> None:
    fresh, own = new_model(), new_model()
    assert len(rf.train(fresh, X, epochs=0, seed=1)) == 1
    assert not fresh.is_untouched
    initialised = new_model()
    initialised.initialize(X)
    assert bits(fresh) == bits(initialised)
    own.a = np.full(9, 0.25)
    rf.train(own, X, epochs=0, seed=1)
    assert np.array_equal(own.a, np.full(9, 0.25, np.float32))
    assert np.allclose(own.visible_means, X.mean(axis=0), atol=1e-7)  # but the means are the data's


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_where_the_running_means_start(visible: str, tmp_path: Path) -> None:
    """Offsets at the means of the data, and of the hidden units given them; activity at its target."""
    rng = np.random.default_rng(0)
    W, a, b = 40 * rng.normal(size=(9, 5)), rng.normal(size=9), 30 * rng.normal(size=5)
    rbm = rf.RBM.from_arrays(W, a, b, visible=visible)
    path = tmp_path / "run.ckpt"
    penalties = [rf.SparsityTarget(0.2)]
    history = rf.train(rbm, X, epochs=0, seed=1, checkpoint=path, penalties=penalties, centered=True)
    _, meta, arrays = read_file(path)
    means = X.mean(axis=0, keepdims=True)
    assert np.allclose(arrays["visible_offset"], means[0], atol=1e-6)
    assert np.allclose(arrays["hidden_offset"], rbm.hidden_probabilities(means)[0], atol=1e-6)
    assert np.array_equal(arrays["activity"], np.full(5, 0.2, np.float32))
    assert history["exponent"][0] == meta["exponent"] == engine.exponent(rbm.W) < 20
