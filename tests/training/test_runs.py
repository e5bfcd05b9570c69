"""What all runs are held to, each a line in the lists: stopping and going on, refusing, early stopping."""

from __future__ import annotations

import itertools
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from containers import binary_containers
from training.helpers import (
    Raising,
    Stop,
    StopAfter,
    assert_same_bits,
    bits,
    everything,
    history_without_times,
)
from training.kinds import (
    CASES,
    ERROR,
    EVERY,
    EXACT,
    FLIPPED,
    HOLES,
    KINDS,
    REAL,
    SOME,
    X_VAL,
    Kind,
    X,
    Y,
    a_network,
    an_rbm,
    every_kind,
)

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError


def assert_same_histories(ours: list[rf.History], theirs: list[rf.History]) -> None:
    assert [*map(history_without_times, ours)] == [*map(history_without_times, theirs)]
    assert [history.stopped for history in ours] == [history.stopped for history in theirs]


# --- Stopping and going on equals never having stopped ------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the weights have become large")
@pytest.mark.parametrize("of, name", EVERY, ids=[*map(": ".join, EVERY)])
def test_after_an_exception(of: str, name: str, tmp_path: Path) -> None:
    kind, case, number = KINDS[of], CASES[of][name], [*CASES[of]].index(name)
    whole, part = tmp_path / "whole.ckpt", tmp_path / "part.ckpt"
    model = kind.model(case)
    histories = kind.run(model, case, checkpoint=whole)
    stops = [stop for stop in kind.stops if stop <= sum(len(history) - 1 for history in histories)]
    for stop in stops if number == 0 else [stops[number % len(stops)]]:  # all of them once, then in turn
        with pytest.raises(Stop):
            kind.run(kind.model(case), case, checkpoint=part, callbacks=[StopAfter(stop)])
        resumed = kind.model(case, seed=77)  # its own parameters do not matter, and the seed is the file's
        second = kind.run(resumed, case, checkpoint=part, resume=part, seed=None)
        assert_same_bits(kind.bits(resumed), kind.bits(model))
        assert_same_histories(second, histories)
        files = sorted(path.name.removeprefix("whole") for path in tmp_path.glob("whole.ckpt.*")) or [".ckpt"]
        for end in files:
            what = "checkpoint" if end != ".ckpt" else kind.file
            ours, theirs = (everything(tmp_path / f"{run}{end}", what) for run in ("part", "whole"))
            assert_same_bits(ours, theirs)
    again = kind.model(case, seed=78)  # all is done
    assert_same_histories(kind.run(again, case, resume=whole), histories)
    assert_same_bits(kind.bits(again), kind.bits(model))


@every_kind
def test_interrupted_twice_from_another_container(kind: Kind, tmp_path: Path) -> None:
    first, second = tmp_path / "first.ckpt", tmp_path / "second.ckpt"
    model, resumed = kind.model({}), kind.model({})
    kind.run(model, {})
    with pytest.raises(Stop):
        kind.run(resumed, {}, checkpoint=first, callbacks=[StopAfter(2)])
    with pytest.raises(Stop):
        kind.run(resumed, {}, checkpoint=second, resume=first, callbacks=[StopAfter(2)])
    kind.run(resumed, {"X": sp.csr_array(X)}, resume=second)
    assert_same_bits(kind.bits(resumed), kind.bits(model))


def test_the_exponent_cases_drop_it() -> None:
    train, cases = KINDS["train"], CASES["train"]
    rbm = an_rbm({})
    (history,) = train.run(an_rbm({}), cases["exponent drops"])
    assert history["exponent"][-1] < history["exponent"][0]
    (history,) = train.run(rbm, cases["exponent stays down"])
    assert history["exponent"][-1] < engine.exponent(rbm.W)  # only a checkpoint can know it


def test_checkpoint_every(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.ckpt", []

    class Look(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            seen.append(read_file(path)[1]["epoch"])

    rf.train(an_rbm({}), X, epochs=7, seed=1, checkpoint=path, checkpoint_every=3, callbacks=[Look()])
    assert seen == [0, 0, 0, 3, 3, 3, 6]
    assert read_file(path)[1]["epoch"] == 7  # and at the end


def test_more_epochs(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    rbm, longer = an_rbm({}), an_rbm({})
    settings: dict[str, Any] = {"seed": 1, "optimizer": rf.SGD(rf.Exponential(0.1, 0.9))}
    rf.train(rbm, X, epochs=6, **settings)
    rf.train(longer, X, epochs=2, checkpoint=path, **settings)
    rf.train(longer, X, epochs=6, resume=path, **settings)
    assert rf.RBM.to_state(longer)[1]["W"].tobytes() == rbm.W.tobytes()
    settings["optimizer"] = rf.SGD(rf.Linear(0.1))
    rf.train(longer, X, epochs=4, checkpoint=path, **settings)
    with pytest.raises(ValueError, match=r"epochs is 8, but was 4"):
        rf.train(longer, X, epochs=8, resume=path, **settings)


@every_kind
def test_early_stopping_gives_back_the_best(kind: Kind, tmp_path: Path) -> None:
    """Also if the best epoch was before the run was stopped."""
    path, case = tmp_path / "run.ckpt", {**kind.overfits, "epochs": 60, "batch_size": 5}
    seen: list[dict[str, bytes]] = []

    class Keep(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            seen.append(kind.bits(progress.rbm))

    model, stopping = kind.model({}), kind.early()
    histories = kind.run(model, case, callbacks=[Keep(), stopping])
    assert any(history.stopped for history in histories)
    if len(histories) == 1:
        assert stopping.best_epoch + 2 == len(seen) < 60
        assert kind.bits(model) == seen[stopping.best_epoch - 1]
    for stop in (1, len(histories[0]) - 2, len(histories[0]) - 1):
        with pytest.raises(Stop):
            kind.run(kind.model({}), case, callbacks=[kind.early(), StopAfter(stop)], checkpoint=path)
        resumed = kind.model({})
        second = kind.run(resumed, case, callbacks=[kind.early()], resume=path)
        assert_same_bits(kind.bits(resumed), kind.bits(model))
        assert_same_histories(second, histories)


PERSISTENT = [name for name, case in CASES["train"].items() if hasattr(case.get("method"), "n_chains")]


@pytest.mark.parametrize("name", PERSISTENT)
def test_epochs_in_two_calls(name: str) -> None:
    """With a state that is handed on: those of one call. Rows count on, and so CD would see others."""
    kind, case = KINDS["train"], CASES["train"][name]
    once, twice = kind.model(case), kind.model(case)
    kind.run(once, case, epochs=5, state=rf.TrainingState())
    state = rf.TrainingState()
    kind.run(twice, case, epochs=2, state=state)
    state = pickle.loads(pickle.dumps(state))
    (history,) = kind.run(twice, case, epochs=3, state=state, seed=99)
    assert bits(twice) == bits(once)
    assert [*history["epoch"]] == [2, 3, 4, 5]


class Failing(rf.Callback):
    def on_epoch_end(self, progress: Any) -> None:
        raise RuntimeError("on purpose")


@every_kind
def test_a_failure_leaves_the_last_completed_epoch(kind: Kind) -> None:
    model, expected = kind.model({}), kind.model({})
    with pytest.raises(RuntimeError, match="on purpose"):
        kind.run(model, {}, callbacks=[Failing()])
    if kind.file == "pretraining":
        rf.train(expected.generative[0], X, **{**kind.settings, "epochs": 1}, batch_size=10, seed=5)
    else:
        kind.run(expected, {}, epochs=1)
    assert_same_bits(kind.bits(model), kind.bits(expected))


GROWING = rf.Steps({0: 0.01, 2: 3e38})
DIVERGING = [(of, {"optimizer": rf.SGD(GROWING, momentum=0.9)}) for of in KINDS]
DIVERGING += [("train", {"optimizer": rf.Adam(rf.Steps({0: 0.01, 2: 1e30}))})]
DIVERGING += [
    (of, {"X": REAL * 1e4, "optimizer": rf.SGD(rf.Steps({0: 1e-9, 2: 3e38}), momentum=0.9)})
    for of in ("train", "up_down")
]


@pytest.mark.filterwarnings("ignore:the weights have become large", "ignore:X. 9 of 9 columns")
@pytest.mark.parametrize("of, case", DIVERGING, ids=str)
def test_divergence_keeps_the_last_completed_epoch(of: str, case: dict[str, Any]) -> None:
    kind, units = KINDS[of], {"X": REAL} if "X" in case else {}
    model, expected = kind.model(units), kind.model(units)
    message = "diverged in epoch 3" if of == "fine_tune" else "the model keeps epoch 2"
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=message):
        kind.run(model, case, epochs=9)
    kind.run(expected, case, epochs=2)
    if of != "pretrain":  # whose other layers have not begun
        assert_same_bits(kind.bits(model), kind.bits(expected))


@pytest.mark.parametrize("of", ["train", "up_down"])
def test_large_weights_warn_once(of: str) -> None:
    kind = KINDS[of]
    with pytest.warns(UserWarning, match="weights have become large") as caught:
        kind.run(kind.model({}), {}, epochs=5, optimizer=rf.SGD(10_000.0))
    assert len(caught) == 1
    assert caught[0].filename == Kind.run.__code__.co_filename  # the caller's


@pytest.mark.parametrize("of", ["train", "classes", "up_down"])
@pytest.mark.parametrize("optimizer", [rf.SGD(0.1, 0.5), rf.Adam(0.02)], ids=["sgd", "adam"])
def test_ctrl_c_keeps_what_was_learned_since(of: str, optimizer: Any) -> None:
    """Interrupted within the fourth update: the model has three whole ones."""
    kind = KINDS[of]
    calls = 5 + 3 * 5 + 2 if of == "up_down" else 1 + 3  # checks, three updates of all layers
    model, expected = kind.model({}), kind.model({})
    for one in (model, expected) if of != "up_down" else ():
        one.initialize(np.hstack([X, np.eye(3)[Y]]) if of == "classes" else X)
    settings: dict[str, Any] = {"epochs": 1, "shuffle": False, "optimizer": optimizer}
    kind.run(expected, settings, X=X[:30], **({"y": Y[:30]} if of == "classes" else {}))
    with pytest.raises(KeyboardInterrupt):
        kind.run(model, settings, penalties=[Raising(calls, KeyboardInterrupt)])
    ours, theirs = kind.bits(model), kind.bits(expected)
    assert [name for name in ours if ours[name] != theirs[name] and "means" not in name] == []


SCRIPT = """
import sys
import numpy as np
import rbmfast as rf

what, path, model, resume = sys.argv[1:5]
X = (np.random.default_rng(0).random((400, 30)) < 0.3).astype(np.uint8)
settings = dict(optimizer=rf.SGD(rf.Exponential(0.1, 0.99), momentum=0.5), seed=5, batch_size=20, epochs=40,
                checkpoint=path, resume=path if resume == "yes" else None)
if what == "train":
    trained = rf.RBM(30, 20, seed=3)
    rf.train(trained, X, method=rf.PCD(2, 50), centered=True, penalties=[rf.SparsityTarget(0.1)],
             monitors=[rf.ReconstructionError()], validation=X[:50],
             callbacks=[rf.EarlyStopping("validation_reconstruction_error", patience=1000)], **settings)
elif what == "fine_tune":
    trained = rf.Network([rf.Dense.new(30, 20, seed=0), rf.Dense.new(20, 30, "sigmoid", seed=0, layer=1)])
    rf.fine_tune(trained, X, **settings)
else:
    trained = rf.DBN([30, 20, 15, 10], seed=3)
    getattr(rf, what)(trained, X, method=rf.PCD(2, 50), **settings)
trained.save(model)
"""


@pytest.mark.parametrize(
    "what",
    ["train", *(pytest.param(name, marks=pytest.mark.slow) for name in ("pretrain", "up_down", "fine_tune"))],
)
def test_killed_at_a_random_point(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL, twice: whatever is on the disk is complete, and the result is the same."""
    monkeypatch.setenv("RBMFAST_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(rf.__file__).parents[1]))  # the package that is tested here

    def command(name: str, resume: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            SCRIPT,
            what,
            str(tmp_path / f"{name}.ckpt"),
            str(tmp_path / name),
            resume,
        ]

    def newest() -> int:
        return max((path.stat().st_mtime_ns for path in tmp_path.glob("part.ckpt*")), default=0)

    subprocess.run(command("whole", "no"), check=True)
    resume = "no"
    for _ in range(2):
        before = newest()
        process = subprocess.Popen(command("part", resume))
        while process.poll() is None and newest() == before:
            time.sleep(0.001)
        time.sleep(np.random.default_rng().uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        resume = "yes" if (tmp_path / "part.ckpt").exists() else "no"
    subprocess.run(command("part", resume), check=True)
    kind = KINDS[what]
    assert_same_bits(*(kind.bits(rf.load(tmp_path / name)) for name in ("part", "whole")))
    if what != "pretrain":
        assert_same_bits(*(everything(tmp_path / f"{name}.ckpt", kind.file) for name in ("part", "whole")))


# --- The same bits -----------------------------------------------------------------------------------------


def learned(of: str, case: dict[str, Any]) -> dict[str, Any]:
    kind = KINDS[of]
    model = kind.model(case)
    histories = kind.run(model, case)
    return {**kind.bits(model), **{f"{i}": history_without_times(one) for i, one in enumerate(histories)}}


@pytest.mark.filterwarnings("ignore:the weights have become large")
@pytest.mark.parametrize("of, name", EXACT, ids=[*map(": ".join, EXACT)])
def test_threads_and_instruction_sets(of: str, name: str) -> None:
    """Of units with 0/1 states. Each case has one of the others, in turn."""
    case, number = {**CASES[of][name], "epochs": 1}, EXACT.index((of, name))
    isas = engine.config()["isa_available"]
    expected = learned(of, case)
    rf.set_num_threads((5, 2, 3)[number % 3])
    engine.select_isa(isas[number // 3 % len(isas)])
    assert_same_bits(learned(of, case), expected)


@pytest.mark.parametrize("of, part", [*zip(KINDS, itertools.cycle(range(3)))])
def test_containers(of: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of them for each kind of run, in one of three orders."""
    case: dict[str, Any] = {"batch_size": 5, "epochs": 2, "shuffle": [True, False, "blocks"][part]}
    expected = learned(of, case)
    for data in [*binary_containers(X, tmp_path).values()][part::3]:
        assert_same_bits(learned(of, {**case, "X": data}), expected)
    monkeypatch.setattr("rbmfast.training.run.CHUNK_BYTES", 9 * 7)
    assert_same_bits(learned(of, {**case, "X": sp.csr_array(X)}), expected)


@pytest.mark.filterwarnings("ignore:the weights have become large")
@pytest.mark.parametrize("of", ["train", "up_down"])
def test_the_cases_differ(of: str) -> None:
    """The comparisons would see a setting that was ignored."""
    cases = [case for case in CASES[of].values() if "y" not in case]
    weights = [learned(of, case) for case in cases]
    assert len({next(array for name, array in one.items() if name.endswith("W")) for one in weights}) == len(
        cases
    )


# --- Refusals ----------------------------------------------------------------------------------------------

SAVED: dict[str, dict[str, Any]] = {
    "classes": {"y": SOME, "method": rf.Hybrid(0.1, 0.2, negative=rf.CD(2))},
    "train": {"method": rf.PCD(1), "validation": X_VAL, **ERROR},
    "conditional": {},
    "convolutional": {"method": rf.PCD(1)},
    "boltzmann": {"X": HOLES, "method": rf.PCD(1)},
    "dbm": {"sizes": (9, 5, 4, 3), "validation": X_VAL, **ERROR},
    "pretrain": {"y": Y, "validation": (X_VAL, Y[:20]), **ERROR},
    "up_down": {"y": Y, "method": rf.PCD(1), "validation": (X_VAL, Y[:20])},
    "fine_tune": {"validation": (X_VAL, Y[:20])},
}
Changes = dict[str, tuple[dict[str, Any], str]]
OTHER_METHODS: Changes = {
    "method": ({"method": rf.CD(2)}, "method is"),
    "k": ({"method": rf.PCD(2)}, "method is"),
    "chains": ({"method": rf.PCD(1, 11)}, "method is"),
    "penalties": ({"penalties": [rf.L2(1e-3)]}, "penalties is"),
}
COMMON: Changes = {
    "other data": ({"X": FLIPPED}, "X is other data than in"),
    "other order": ({"X": X[::-1]}, "X is other data than in"),
    "seed": ({"seed": 6}, "seed is 6, but was 5"),
    "rate": ({"optimizer": rf.SGD(0.2)}, "optimizer is"),
    "adam": ({"optimizer": rf.Adam()}, "optimizer is"),
    "clip": ({"optimizer": rf.SGD(0.1, clip=1.0)}, "optimizer is"),
    "batch_size": ({"batch_size": 11}, "batch_size is 11, but was 10"),
    "shuffle": ({"shuffle": False}, "shuffle is"),
    "weights": ({"sample_weight": 1.0 + np.arange(47) % 2}, "sample_weight is given, but was not in"),
    "epochs": ({"epochs": 0}, "epochs is 0, but 1 are completed in"),
}
LABELS: Changes = {
    "other classes": ({"y": 2 - Y}, "y is other data than in"),
}
DIFFERENT: dict[str, Changes] = {
    "classes": {
        "other classes": ({"y": 2 - Y}, "X is other data than in"),
        "share": ({"method": rf.Hybrid(0.1, 0.3, negative=rf.CD(2))}, "method is"),
        "negative phase": ({"method": rf.Hybrid(0.1, 0.2)}, "method is"),
    },
    "train": {
        **COMMON,
        **OTHER_METHODS,
        "centered": ({"centered": True}, "centered is"),
        "validation": ({"validation": X_VAL[::-1]}, "validation is other data than in"),
        "no validation": ({"validation": None}, "validation is not given, but was in"),
        "monitors": ({"monitors": [rf.ReconstructionError(max_rows=5)]}, "monitors is"),
        "callbacks": ({"callbacks": [rf.EarlyStopping("train_reconstruction_error")]}, "callbacks is"),
        "hidden units": ({"model": rf.RBM(9, 6, seed=3)}, "n_hidden is"),
        "unit type": (
            {"model": rf.RBM(9, 5, visible="gaussian", seed=3), "X": X.astype(float)},
            "visible is",
        ),
    },
    "dbm": {"sizes": ({"model": rf.DBM((9, 6, 4, 2), seed=3)}, "joined is")},
    "up_down": {
        **COMMON,
        **OTHER_METHODS,
        **LABELS,
        "no validation": ({"validation": None}, "y of validation is not given, but was in"),
        "sizes": ({"model": rf.DBN((9, 7, 4, 5), n_classes=3, seed=0)}, "sizes is"),
        "units": (
            {
                "model": rf.DBN(
                    (9, 7, 6, 5), n_classes=3, hidden=["gaussian", "bernoulli", "bernoulli"], seed=0
                )
            },
            "units is",
        ),
    },
    "fine_tune": {
        **COMMON,
        **LABELS,
        "dropout": ({"dropout": 0.1}, "dropout is"),
        "l2": ({"l2": 0.1}, "l2 is"),
        "no validation": ({"validation": None}, "validation is not given, but was in"),
        "net": ({"model": rf.Network([rf.Dense.new(9, 3, "softmax", seed=0)])}, "net is"),
    },
    "pretrain": {
        "other data": ({"X": FLIPPED}, "X is other data than"),
        **LABELS,
        "validation": ({"validation": (X_VAL[::-1], Y[:20])}, "validation is other data than"),
        "no validation": ({"validation": None}, "validation is None, but was"),
        "seed": ({"seed": 6}, "seed is 6, but was 5"),
        "activations": (
            {"activations": "probabilities"},
            "activations is 'probabilities', but was 'samples'",
        ),
        "first layer": ({"first_layer": 1}, "first_layer is 1, but was 0"),
        "epochs": ({"epochs": 4}, "epochs of RBM 0 is 4, but was 3"),
        "method": (
            {"layers": [{}, {}, {"method": rf.CD(2)}]},
            r"method of RBM 2 is CD\(k=2\), but was CD\(k=1\)",
        ),
        "penalties": ({"penalties": [rf.L2(0.1)]}, "penalties of RBM 0 is"),
        "weights": ({"sample_weight": np.arange(47)}, "sample_weight of RBM 0 is"),
        "callbacks": (
            {"callbacks": [rf.EarlyStopping("train_reconstruction_error")]},
            "callbacks of RBM 0 is",
        ),
        "sizes": ({"model": rf.DBN((9, 7, 6, 4), n_classes=3, seed=3)}, r"sizes is \[9, 7, 6, 4\], but was"),
    },
}


def saved_run(of: str, folder: Path) -> Path:
    kind, path = KINDS[of], folder / "run.ckpt"
    with pytest.raises(Stop):
        kind.run(
            kind.model(SAVED[of]),
            SAVED[of],
            checkpoint=path,
            callbacks=[StopAfter(4 if of == "pretrain" else 2)],
        )
    return path


@pytest.mark.parametrize("of", DIFFERENT)
def test_refuses_to_go_on_with(of: str, tmp_path: Path) -> None:
    """The model and the files stay as they are."""
    kind, path = KINDS[of], saved_run(of, tmp_path)
    contents = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for changed, message in DIFFERENT[of].values():
        model = changed.get("model", kind.model(SAVED[of]))
        before = kind.bits(model)
        settings = {**SAVED[of], **{name: value for name, value in changed.items() if name != "model"}}
        with pytest.raises(ValueError, match=f"^resume: {message}.*{re.escape(str(path))}"):
            kind.run(model, settings, checkpoint=path, resume=path)
        assert kind.bits(model) == before
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == contents
    kind.run(kind.model(SAVED[of]), SAVED[of], resume=str(path))  # without a difference


@pytest.mark.parametrize("of", KINDS)
def test_other_files(of: str, tmp_path: Path) -> None:
    """What else may be wrong with a checkpoint is in `test_files.py`."""
    kind, path = KINDS[of], saved_run(of, tmp_path)
    data, (_, meta, arrays) = path.read_bytes(), read_file(path)
    name = next(name for name in arrays if arrays[name].ndim == 2)
    other, of_other = ("fine_tune", a_network) if kind.learn is rf.train else ("train", an_rbm)
    model = kind.model(SAVED[of])
    before = kind.bits(model)
    for damage in (
        lambda: path.write_bytes(data[: len(data) // 2]),
        lambda: KINDS[other].run(of_other({}), {}, checkpoint=path),
        lambda: an_rbm({}).save(path),
        lambda: write_file(path, kind.file, meta, {**arrays, name: arrays[name][:, :-1]}),
    ):
        damage()
        with pytest.raises(FileFormatError, match=r"run\.ckpt"):
            kind.run(model, SAVED[of], resume=path)
        assert kind.bits(model) == before


@every_kind
def test_a_checkpoint_is_no_model(kind: Kind, tmp_path: Path) -> None:
    kind.run(kind.model({}), {}, checkpoint=tmp_path / "run.ckpt", epochs=1)
    with pytest.raises(FileFormatError, match=rf"a checkpoint of .* pass it to rf\.{kind.learn.__name__}"):
        rf.load(tmp_path / "run.ckpt")


class Changing(rf.Callback, rf.training.Monitor):
    """A callback, a monitor and a penalty of the user's own, whose attributes change with every call."""

    def __init__(self) -> None:
        self.calls = 0.0

    def on_train_begin(self, progress: Any) -> None:
        self.calls += 1

    def on_epoch_end(self, progress: Any) -> None:
        self.calls += 1

    def state(self) -> dict[str, Any]:
        return {"calls": np.array(self.calls)}

    def restore(self, state: Any) -> None:
        self.calls = float(state["calls"])

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return ("calls",)

    def __call__(self, watched: Any) -> dict[str, float]:
        self.calls += 1
        return {"calls": self.calls}

    def gradient(self, W: Any) -> Any:
        self.calls += 1
        return -1e-4 * W


@pytest.mark.parametrize("role", ["callbacks", "monitors", "penalties"])
@pytest.mark.parametrize("name", ["train", "pretrain"])
def test_what_changes_by_itself_does_not_hinder_resuming(name: str, role: str, tmp_path: Path) -> None:
    kind, model = KINDS[name], KINDS[name].model({})
    path = tmp_path / "run.ckpt"
    kind.run(model, {role: [Changing()]}, epochs=2, checkpoint=path)
    kind.run(kind.model({}), {role: [Changing()]}, epochs=2, resume=path)
