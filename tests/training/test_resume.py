"""Stopping and going on equals never having stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from training.helpers import (
    StepCD,
    assert_same_bits,
    bits,
    everything,
    history_without_times,
    random_rows,
)

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError

X = random_rows(47, 9)
X_VAL = random_rows(20, 9, seed=1)
REAL = np.random.default_rng(2).normal(size=(47, 9)).astype(np.float32)


class Stop(Exception):
    pass


class StopAfter(rf.Callback):
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, progress: Any) -> None:
        if progress.epoch == self.epoch:
            raise Stop


CASES: dict[str, dict[str, Any]] = {
    "cd": {"method": rf.CD(2)},
    "pcd, everything": {
        "method": rf.PCD(1, 13),
        "optimizer": rf.SGD(rf.Exponential(0.3, 0.7), momentum=rf.Steps({0: 0.5, 3: 0.9})),
        "penalties": [rf.L2(0.01), rf.L1(1e-4), rf.MaxNorm(0.5), rf.SparsityTarget(0.2)],
        "centered": True,
        "monitors": [rf.ReconstructionError(), rf.FreeEnergyGap(), rf.WeightNorm()],
        "validation": X_VAL,
    },
    "pt": {
        "method": rf.PT(n_replicas=4, k=2, n_chains=7),
        "optimizer": rf.SGD(0.3, momentum=0.5),
        "penalties": [rf.L2(0.01)],
    },
    "fpcd": {
        "method": rf.FPCD(2, 13, fast_rate=0.2),
        "optimizer": rf.SGD(rf.Exponential(0.3, 0.7), momentum=0.5),
        "centered": True,
    },
    "linear rate": {"optimizer": rf.SGD(rf.Linear(0.3), momentum=rf.Linear(0.1, 0.9))},
    "exponent drops": {"optimizer": rf.SGD(100.0)},
    "exponent stays down": {  # weights grow in the first epoch and decay in the others
        "optimizer": rf.SGD(rf.Steps({0: 8.0, 1: 1.0})),
        "penalties": [rf.L2(0.5)],
    },
    "adam": {
        "optimizer": rf.Adam(rf.Linear(0.05), clip=0.5),
        "centered": True,
        "penalties": [rf.MaxNorm(0.5)],
    },
    "clip": {"optimizer": rf.SGD(0.3, momentum=0.5, clip=0.2), "method": rf.PCD(1)},
    "step by step": {"method": StepCD(1), "centered": True, "shuffle": "blocks"},
    "gaussian": {"X": REAL, "visible": "gaussian", "optimizer": rf.SGD(0.01, 0.5), "centered": True},
    "gaussian pt": {"X": REAL, "visible": "gaussian", "optimizer": rf.SGD(0.01), "method": rf.PT(3)},
}


def new_model(case: dict[str, Any], seed: int = 3) -> rf.RBM:
    return rf.RBM(9, 5, visible=case.get("visible", "bernoulli"), seed=seed)


def settings_of(case: dict[str, Any], **more: Any) -> dict[str, Any]:
    settings = {"epochs": 6, "batch_size": 10, "seed": 5, **case, **more}
    settings.pop("visible", None)
    settings.setdefault("X", X)
    return settings


@pytest.mark.parametrize("name", CASES)
def test_after_an_exception(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    whole, part = tmp_path / "whole.ckpt", tmp_path / "part.ckpt"
    rbm = new_model(case)
    history = rf.train(rbm, **settings_of(case, checkpoint=whole))

    for stop in (1, 2, 3, 5, 6):
        stopped = new_model(case)
        with pytest.raises(Stop):
            rf.train(stopped, **settings_of(case, checkpoint=part, callbacks=[StopAfter(stop)]))
        resumed = new_model(case, seed=77)  # its own parameters do not matter
        second = rf.train(resumed, **settings_of(case, checkpoint=part, resume=part))

        assert bits(resumed) == bits(rbm)
        assert np.array_equal(resumed.visible_means, rbm.visible_means)
        assert_same_bits(everything(part), everything(whole))
        assert history_without_times(second) == history_without_times(history)


def test_the_exponent_case_drops_it(tmp_path: Path) -> None:
    history = rf.train(new_model({}), **settings_of(CASES["exponent drops"]))
    assert history["exponent"][-1] < history["exponent"][0]
    rbm = new_model({})
    history = rf.train(rbm, **settings_of(CASES["exponent stays down"]))
    assert history["exponent"][-1] < engine.exponent(rbm.W)  # only a checkpoint can know it


def test_checkpoint_every(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    seen = []

    class Look(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            seen.append(read_file(path)[1]["epoch"])

    rf.train(new_model({}), X, epochs=7, seed=1, checkpoint=path, checkpoint_every=3, callbacks=[Look()])
    assert seen == [0, 0, 0, 3, 3, 3, 6]
    assert read_file(path)[1]["epoch"] == 7  # and at the end


def test_twice_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    case = CASES["pcd, everything"]
    rbm = new_model(case)
    rf.train(rbm, **settings_of(case))
    resumed = new_model(case)
    with pytest.raises(Stop):
        rf.train(resumed, **settings_of(case, checkpoint=path, callbacks=[StopAfter(2)]))
    with pytest.raises(Stop):
        rf.train(resumed, **settings_of(case, checkpoint=path, resume=path, callbacks=[StopAfter(4)]))
    rf.train(resumed, **settings_of(case, checkpoint=path, resume=path))
    assert bits(resumed) == bits(rbm)


def test_more_epochs(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    rbm, longer = new_model({}), new_model({})
    rf.train(rbm, X, epochs=6, seed=1, optimizer=rf.SGD(rf.Exponential(0.1, 0.9)))
    rf.train(longer, X, epochs=2, seed=1, optimizer=rf.SGD(rf.Exponential(0.1, 0.9)), checkpoint=path)
    rf.train(longer, X, epochs=6, seed=1, optimizer=rf.SGD(rf.Exponential(0.1, 0.9)), resume=path)
    assert bits(longer) == bits(rbm)


def test_another_container_of_the_same_data(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    rbm, other = new_model({}), new_model({})
    rf.train(rbm, X, epochs=4, seed=1)
    rf.train(other, X, epochs=2, seed=1, checkpoint=path)
    rf.train(other, sp.csr_array(X), epochs=4, resume=path)  # the seed is the checkpoint's
    assert bits(other) == bits(rbm)


def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    rbm, again = new_model({}), new_model({}, seed=8)
    history = rf.train(rbm, X, epochs=2, seed=1, checkpoint=path)
    assert len(rf.train(again, X, epochs=2, seed=1, resume=path)) == len(history)
    assert bits(again) == bits(rbm)


# --- Early stopping -------------------------------------------------------------------------------------


def overfit(**more: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"epochs": 60, "batch_size": 5, "seed": 4, "optimizer": rf.SGD(0.5)}
    settings |= {"monitors": [rf.PseudoLikelihood()], "validation": X_VAL, "checkpoint_every": 2}
    stopping = rf.EarlyStopping("validation_pseudo_likelihood", patience=4)
    return {**settings, "callbacks": [stopping, *more.pop("callbacks", [])], **more}


@pytest.mark.parametrize("stop", [1, 3, "best", "last"])
def test_early_stopping_goes_on(stop: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    rbm = new_model({})
    settings = overfit()
    history = rf.train(rbm, X[:15], **settings)
    last, best = len(history) - 1, settings["callbacks"][0].best_epoch
    assert 4 <= best + 4 == last < 60  # it did stop early
    assert history.stopped

    resumed = new_model({})
    stop = {"best": best, "last": last}.get(stop, stop)
    with pytest.raises(Stop):
        rf.train(resumed, X[:15], **overfit(callbacks=[StopAfter(stop)], checkpoint=path))
    settings = overfit(resume=path)
    second = rf.train(resumed, X[:15], **settings)
    assert bits(resumed) == bits(rbm)  # the best parameters, from before the stop
    assert settings["callbacks"][0].best_epoch == best
    assert second.stopped == history.stopped
    assert history_without_times(second) == history_without_times(history)


def test_a_stopped_run_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    rbm, again = new_model({}), new_model({}, seed=8)
    history = rf.train(rbm, X[:15], **overfit(checkpoint=path))
    second = rf.train(again, X[:15], **overfit(resume=path))
    assert len(second) == len(history)
    assert bits(again) == bits(rbm)


# --- Killed ---------------------------------------------------------------------------------------------

SCRIPT = """
import sys
import numpy as np
import rbmfast as rf

path, model, resume = sys.argv[1:4]
X = (np.random.default_rng(0).random((400, 30)) < 0.3).astype(np.uint8)
rbm = rf.RBM(30, 20, seed=3)
rf.train(rbm, X, method=rf.PCD(2, 50), centered=True, penalties=[rf.SparsityTarget(0.1)],
         optimizer=rf.SGD(rf.Exponential(0.1, 0.99), momentum=0.5), epochs=int(sys.argv[4]), seed=5,
         monitors=[rf.ReconstructionError()], validation=X[:50],
         callbacks=[rf.EarlyStopping("validation_reconstruction_error", patience=1000)],
         checkpoint=path, resume=path if resume == "yes" else None)
rbm.save(model)
"""


def run_script(tmp_path: Path, name: str, resume: str, epochs: int = 60) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return [
        sys.executable,
        str(script),
        str(tmp_path / f"{name}.ckpt"),
        str(tmp_path / name),
        resume,
        str(epochs),
    ]


def test_killed_at_a_random_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL, twice: whatever is on the disk is complete, and the result is the same."""
    monkeypatch.setenv("RBMFAST_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(rf.__file__).parents[1]))  # the package that is tested here
    subprocess.run(run_script(tmp_path, "whole", "no"), check=True)
    checkpoint = tmp_path / "part.ckpt"
    resume = "no"
    for _ in range(2):
        process = subprocess.Popen(run_script(tmp_path, "part", resume))
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.001)
        time.sleep(np.random.default_rng().uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        resume = "yes"
    subprocess.run(run_script(tmp_path, "part", "yes"), check=True)
    assert bits(rf.load(tmp_path / "part")) == bits(rf.load(tmp_path / "whole"))
    assert_same_bits(everything(checkpoint), everything(tmp_path / "whole.ckpt"))


# --- Refusals -------------------------------------------------------------------------------------------


def differing(X: Any = X) -> dict[str, tuple[dict[str, Any], str]]:
    flipped = X.copy()
    flipped[-1, -1] ^= 1
    return {
        "other data": ({"X": flipped}, "X"),
        "fewer rows": ({"X": X[:-1]}, "X"),
        "other order": ({"X": X[::-1]}, "X"),
        "seed": ({"seed": 6}, "seed"),
        "method": ({"method": rf.CD(2)}, "method"),
        "k": ({"method": rf.PCD(2)}, "method"),
        "chains": ({"method": rf.PCD(1, 11)}, "method"),
        "replicas": ({"method": rf.PT(4)}, "method"),
        "rate": ({"optimizer": rf.SGD(0.2)}, "optimizer"),
        "momentum": ({"optimizer": rf.SGD(0.1, 0.1)}, "optimizer"),
        "penalties": ({"penalties": [rf.L2(1e-3)]}, "penalties"),
        "centered": ({"centered": True}, "centered"),
        "batch_size": ({"batch_size": 11}, "batch_size"),
        "shuffle": ({"shuffle": False}, "shuffle"),
        "validation": ({"validation": X_VAL[::-1]}, "validation is other data than in"),
        "no validation": ({"validation": None}, "validation is not given, but was in"),
        "weights": ({"sample_weight": 1.0 + np.arange(len(X)) % 2}, "sample_weight is given, but was not in"),
        "monitors": ({"monitors": [rf.ReconstructionError(max_rows=5)]}, "monitors"),
        "callbacks": (
            {"callbacks": [rf.EarlyStopping("train_reconstruction_error", patience=9)]},
            "callbacks",
        ),
        "no callbacks": ({"callbacks": []}, "callbacks"),
        "epochs": ({"epochs": 2}, "epochs"),
        "hidden units": ({"rbm": rf.RBM(9, 6, seed=3)}, "n_hidden"),
    }


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "run.ckpt"
    rf.train(new_model({}), **common(checkpoint=path, epochs=3))
    return path


def common(**more: Any) -> dict[str, Any]:
    stopping = rf.EarlyStopping("train_reconstruction_error", patience=8)
    settings: dict[str, Any] = {"method": rf.PCD(1), "epochs": 5, "batch_size": 10, "seed": 5, "X": X}
    return {
        **settings,
        "monitors": [rf.ReconstructionError()],
        "validation": X_VAL,
        "callbacks": [stopping],
        **more,
    }


@pytest.mark.parametrize("name", differing())
def test_refuses_to_go_on_with(name: str, checkpoint: Path) -> None:
    changed, word = differing()[name]
    rbm = changed.get("rbm", new_model({}))
    before, untouched = bits(rbm), rbm.is_untouched
    contents = checkpoint.read_bytes()
    settings = common(**{name: value for name, value in changed.items() if name != "rbm"})
    with pytest.raises(ValueError, match=f"^resume: {word} ") as caught:
        rf.train(rbm, **settings, checkpoint=checkpoint, resume=checkpoint)
    assert str(checkpoint) in str(caught.value)
    assert bits(rbm) == before
    assert rbm.is_untouched == untouched
    assert checkpoint.read_bytes() == contents


def test_goes_on_without_a_difference(checkpoint: Path) -> None:
    rf.train(new_model({}), **common(), resume=str(checkpoint))


def test_a_linear_rate_needs_the_same_epochs(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    with pytest.raises(Stop):
        rf.train(
            new_model({}),
            X,
            epochs=4,
            seed=1,
            optimizer=rf.SGD(rf.Linear(0.1)),
            checkpoint=path,
            callbacks=[StopAfter(2)],
        )
    with pytest.raises(ValueError, match=r"epochs is 8, but was 4"):
        rf.train(new_model({}), X, epochs=8, optimizer=rf.SGD(rf.Linear(0.1)), resume=path)


def test_other_unit_type(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    data = X.astype(np.float32)
    rf.train(new_model({}), data, epochs=1, seed=1, checkpoint=path)
    with pytest.raises(ValueError, match=r"^resume: visible is"):
        rf.train(rf.RBM(9, 5, visible="gaussian", seed=3), data, epochs=2, seed=1, resume=path)


@pytest.mark.parametrize("damage", ["cut", "model", "shape"])
def test_damaged_file(damage: str, checkpoint: Path) -> None:
    if damage == "cut":
        data = checkpoint.read_bytes()
        checkpoint.write_bytes(data[: len(data) // 2])
    elif damage == "model":
        rf.RBM(9, 5, seed=3).save(checkpoint)
    else:
        kind, meta, arrays = read_file(checkpoint)
        write_file(checkpoint, kind, meta, {**arrays, "chains": arrays["chains"][:, :-1]})
    rbm = new_model({})
    before = bits(rbm)
    with pytest.raises(FileFormatError, match=r"run\.ckpt"):
        rf.train(rbm, **common(), resume=checkpoint)
    assert bits(rbm) == before
    assert rbm.is_untouched


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rf.train(new_model({}), X, epochs=1, resume=tmp_path / "none.ckpt")


def test_a_folder_that_does_not_exist_fails_early(tmp_path: Path) -> None:
    rbm = new_model({})
    with pytest.raises(FileNotFoundError):
        rf.train(rbm, X, epochs=10**6, seed=1, checkpoint=tmp_path / "none" / "run.ckpt")
