"""Saving a run, and taking it up again as if it had never stopped."""

from __future__ import annotations

from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.archive import read_file, write_file
from rbmfast.checks import check_integer, check_seed
from rbmfast.files import JSON, FileFormatError, blaming, entry
from rbmfast.training.callbacks import Callback
from rbmfast.training.common import BasicPlan, BasicRun, under

INCOMPLETE = "is not a complete checkpoint"
DATA = ("X", "y", "sample_weight", "validation", "y of validation")  # their digests tell a reader nothing


def save_checkpoint(path: str, run: BasicRun, settings: dict[str, Any]) -> None:
    """Write everything that the rest of the run depends on; `settings` is ``BasicPlan.describe()``."""
    arrays = {**run.arrays(), **_common_arrays(run)}
    for i, callback in enumerate(_remembering(run.plan)):
        for name, array in (callback.state() or {}).items():
            arrays[f"callbacks/{i}/{name}"] = array
    meta: dict[str, JSON] = {
        "settings": settings,
        "epoch": run.epoch,
        "stopped": run.history.stopped,
        **run.meta(),
    }
    write_file(path, run.kind, meta, arrays)


class Checkpoint:
    """A checkpoint as it was read.

    Parameters
    ----------
    path : str
        The file.
    kind : str
        `BasicRun.kind` of the run that it is to be about.

    Raises
    ------
    FileFormatError
        It is no checkpoint, or is damaged.

    Attributes
    ----------
    settings : dict
        `BasicPlan.describe()` of the run.
    seed : int
        Of the run.
    epoch : int
        Epochs completed.
    stopped : str or None
        Why the run ended early, if it did.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        _, self.meta, self.arrays = read_file(path, kind=kind)
        with blaming(path, INCOMPLETE):
            self.settings = entry(self.meta, "settings", dict)
            self.seed = check_seed(entry(self.settings, "seed", int))
            self.epoch = check_integer(entry(self.meta, "epoch", int), "epoch", low=0)
            self.stopped = entry(self.meta, "stopped", str, NoneType)

    def check(self, run: BasicRun, settings: dict[str, Any]) -> None:
        """Refuse to go on with other data or settings: a ValueError names the first that differs."""
        for name, value in settings.items():
            before = self.settings.get(name)
            if before != value:
                raise ValueError(f"resume: {_difference(name, before, value)} in {self.path!r}")
        epochs = run.plan.epochs
        if epochs < self.epoch:
            raise ValueError(f"resume: epochs is {epochs}, but {self.epoch} are completed in {self.path!r}")
        for name, expected in {**run.expected(), **_common_arrays(run)}.items():
            array = self.arrays.get(name)
            shape = (self.epoch + 1,) if name.startswith("history/") else expected.shape
            if array is None or array.shape != shape or array.dtype != expected.dtype:
                raise FileFormatError(f"{self.path!r} lacks a proper array {name!r}")
            if not name.startswith("history/") and np.isnan(array).any():
                raise FileFormatError(f"{self.path!r} holds NaN in the array {name!r}")
        with blaming(self.path, INCOMPLETE):
            for name, number in run.meta().items():
                entry(self.meta, name, type(number))

    def restore(self, run: BasicRun) -> None:
        """Put the run where it was."""
        with blaming(self.path, INCOMPLETE):
            run.restore(self.arrays, self.meta)
        run.epoch = self.epoch
        run.memories = [float(memory) for memory in self.arrays["memories"]]
        columns = [self.arrays[f"history/{name}"].tolist() for name in run.history]
        for values in zip(*columns, strict=True):
            run.history.append(dict(zip(run.history, values, strict=True)))
        run.history.stopped = self.stopped

    def restore_callbacks(self, plan: BasicPlan) -> None:
        """Give the callbacks back what they remember."""
        with blaming(self.path, INCOMPLETE):
            for i, callback in enumerate(_remembering(plan)):
                callback.restore(under(self.arrays, f"callbacks/{i}/"))


def _common_arrays(run: BasicRun) -> dict[str, NDArray[Any]]:
    """What every run has in its files."""
    history = {f"history/{name}": column for name, column in run.history.to_dict().items()}
    return {"memories": np.array(run.memories, np.float64), **history}


def _remembering(plan: BasicPlan) -> list[Callback]:
    return [callback for callback in plan.callbacks if callback.state() is not None]


def _difference(name: str, saved: object, given: object) -> str:
    if name not in DATA:
        return f"{name} is {given!r}, but was {saved!r}"
    if saved is None:
        return f"{name} is given, but was not"
    return f"{name} is not given, but was" if given is None else f"{name} is other data than"
