"""Saving a run, and taking it up again as if it had never stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.container import JSON, FileFormatError, read_file, write_file
from rbmfast.training.callbacks import Callback
from rbmfast.training.common import BasicPlan, BasicRun, under

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
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        _, self.meta, self.arrays = read_file(path, kind=kind)
        if not {"settings", "epoch", "stopped"} <= self.meta.keys():
            raise FileFormatError(f"{path!r} is not a complete checkpoint")

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.meta["settings"]["seed"])

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return int(self.meta["epoch"])

    def check(self, run: BasicRun, settings: dict[str, Any]) -> None:
        """Refuse to go on with other data or settings: a ValueError names the first that differs."""
        saved = self.meta["settings"]
        for name, value in settings.items():
            if saved.get(name) != value:
                raise ValueError(f"resume: {_difference(name, saved.get(name), value)} in {self.path!r}")
        epochs = run.plan.epochs
        if epochs < self.epoch:
            raise ValueError(f"resume: epochs is {epochs}, but {self.epoch} are completed in {self.path!r}")
        for name, expected in {**run.expected(), **_common_arrays(run)}.items():
            array = self.arrays.get(name)
            shape = (self.epoch + 1,) if name.startswith("history/") else expected.shape
            if array is None or array.shape != shape or array.dtype != expected.dtype:
                raise FileFormatError(f"{self.path!r} lacks a proper array {name!r}")
        for name in run.meta():
            if name not in self.meta:
                raise FileFormatError(f"{self.path!r} lacks {name!r}")

    def restore(self, run: BasicRun) -> None:
        """Put the run where it was."""
        run.restore(self.arrays, self.meta)
        run.epoch = self.epoch
        run.memories = [float(memory) for memory in self.arrays["memories"]]
        columns = [self.arrays[f"history/{name}"].tolist() for name in run.history]
        for values in zip(*columns, strict=True):
            run.history.append(dict(zip(run.history, values, strict=True)))
        run.history.stopped = self.meta["stopped"]

    def restore_callbacks(self, plan: BasicPlan) -> None:
        """Give the callbacks back what they remember."""
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
