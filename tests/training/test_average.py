"""`rbmfast.Average`: the mean of the last epochs' parameters, which learning knows nothing of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.helpers import Raising, Stop, StopAfter, assert_same_bits, bits, random_rows
from training.kinds import KINDS, Kind, every_kind

import rbmfast as rf
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError
from rbmfast.training.state import get_parameters

X = random_rows(47, 9)
PLAIN: dict[str, Any] = {"batch_size": 10, "seed": 5, "method": rf.PCD(1)}


class Keep(rf.Callback):
    """What callbacks at its place in the list see after each epoch."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_epoch_end(self, progress: Any) -> None:
        self.seen.append({name: x.copy() for name, x in get_parameters(progress.rbm).items()})


def mean(seen: list[dict[str, Any]]) -> dict[str, bytes]:
    """As bytes; rounded once."""
    names = seen[0].keys()
    return {
        name: np.mean([one[name].astype(np.float64) for one in seen], axis=0).astype(np.float32).tobytes()
        for name in names
    }


def as_bytes(arrays: dict[str, Any]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in arrays.items()}


@every_kind
def test_it_is_the_mean_and_learning_goes_on_as_without(kind: Kind) -> None:
    plain, own, after = Keep(), Keep(), Keep()
    kind.run(kind.model({}), {}, callbacks=[plain])
    averaged = kind.model({})
    histories = kind.run(averaged, {}, callbacks=[own, rf.Average(0.5), after])
    n = len(histories[0]) - 1  # of the first layer, if they learn one by one
    assert [*map(as_bytes, own.seen[:n])] == [*map(as_bytes, plain.seen[:n])]
    first = n // 2
    assert as_bytes(after.seen[first - 1]) == as_bytes(own.seen[first - 1])
    for end in range(first + 1, n + 1):
        assert_same_bits(as_bytes(after.seen[end - 1]), mean(own.seen[first:end]))
    model = averaged.generative[0] if kind.file == "pretraining" else averaged
    assert as_bytes(get_parameters(model)) == as_bytes(after.seen[n - 1]) != as_bytes(own.seen[n - 1])


@every_kind
def test_resuming(kind: Kind, tmp_path: Path) -> None:
    path, model = tmp_path / "run.ckpt", kind.model({})
    n = sum(len(history) - 1 for history in kind.run(model, {}, callbacks=rf.Average(0.4)))
    for stop in (1, n - 1, n):  # before the averaged epochs, among them, and after the last
        with pytest.raises(Stop):
            kind.run(kind.model({}), {}, callbacks=[rf.Average(0.4), StopAfter(stop)], checkpoint=path)
        resumed = kind.model({}, seed=77)
        kind.run(resumed, {}, callbacks=rf.Average(0.4), checkpoint=path, resume=path)
        assert_same_bits(kind.bits(resumed), kind.bits(model))
        again = kind.model({}, seed=77)
        kind.run(again, {}, callbacks=rf.Average(0.4), resume=path)  # all is done
        assert_same_bits(kind.bits(again), kind.bits(model))


@pytest.mark.parametrize("end", [KeyboardInterrupt, FloatingPointError])
def test_a_run_that_ends_early_leaves_the_mean(end: type[BaseException]) -> None:
    """In its fourth epoch: by Ctrl-C among the updates, or because it diverges."""
    rbm, own = rf.RBM(9, 5, seed=3), Keep()
    settings: dict[str, Any] = {"callbacks": [own, rf.Average(0)], "epochs": 9, **PLAIN}
    if end is KeyboardInterrupt:
        settings["penalties"] = Raising(1 + 3 * 5 + 2, end)
    else:
        settings["optimizer"] = rf.SGD(rf.Steps({0: 0.1, 3: 3e38}))
    with np.errstate(all="ignore"), pytest.raises(end):
        rf.train(rbm, X, **settings)
    assert len(own.seen) == 3
    assert as_bytes(get_parameters(rbm)) == mean(own.seen)


def test_it_can_be_used_again_and_starts_anew() -> None:
    average = rf.Average(0.5)
    models = [rf.RBM(9, 5, seed=3), rf.RBM(9, 5, seed=3)]
    for rbm in models:
        rf.train(rbm, X, epochs=5, callbacks=average, **PLAIN)
        assert average.n_epochs == 3
    assert bits(models[0]) == bits(models[1])
    rf.train(models[0], X, epochs=0, callbacks=average, **PLAIN)  # nothing to average: nothing is changed
    assert average.n_epochs == 0 and bits(models[0]) == bits(models[1])


def test_refusals(tmp_path: Path) -> None:
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="start must be a finite number at least 0 and below 1"):
            rf.Average(share)
    state = rf.TrainingState()
    rf.train(rf.RBM(9, 5, seed=3), X, epochs=2, state=state, **PLAIN)
    with pytest.raises(ValueError, match=r"Average\(start=0.5\) has to know where the run ends"):
        rf.train(rf.RBM(9, 5, seed=3), X, epochs=2, state=state, callbacks=rf.Average(), **PLAIN)
    path = tmp_path / "run.ckpt"
    run = KINDS["train"].run
    run(rf.RBM(9, 5, seed=3), {}, epochs=4, callbacks=rf.Average(), checkpoint=path)
    with pytest.raises(ValueError, match="epochs is 8, but was 4"):
        run(rf.RBM(9, 5, seed=3), {}, epochs=8, callbacks=rf.Average(), resume=path)
    _, meta, arrays = read_file(path)
    for name, wrong in (("n_epochs", np.array(-1)), ("W", np.full((9, 5), np.inf)), ("a", np.zeros(8))):
        write_file(path, "checkpoint", meta, {**arrays, f"callbacks/0/{name}": wrong})
        with pytest.raises(FileFormatError, match=r"run\.ckpt"):
            run(rf.RBM(9, 5, seed=3), {}, epochs=4, callbacks=rf.Average(), resume=path)
