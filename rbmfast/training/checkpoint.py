"""Saving a run, and taking it up again as if it had never stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import NoneType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.archive import write_file
from rbmfast.checks import check_integer
from rbmfast.files import JSON, FileFormatError, entry
from rbmfast.saved import Arrays, SavedRun, under
from rbmfast.training.callbacks import Callback
from rbmfast.training.history import History
from rbmfast.training.settings import Settings

DATA = ("X", "y", "sample_weight", "validation", "y of validation")  # their digests tell a reader nothing


class Resumable(ABC):
    """A run as its checkpoints see it; `rbmfast.training.run.Run` says what its attributes are."""

    kind: ClassVar[str]  # of its files
    settings: Settings
    epoch: int
    epochs: int
    memories: list[float]
    history: History

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the rest of the run depends on, beside the attributes above, by names in a file."""

    def expected(self) -> Arrays:
        """Arrays like those that a file must have, before the run starts."""
        return self.arrays()

    def meta(self) -> dict[str, JSON]:
        """Further numbers that the rest of the run depends on."""
        return {}

    @abstractmethod
    def restore(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """Take back what `arrays` and `meta` gave."""


def save_checkpoint(path: str, run: Resumable, settings: dict[str, Any]) -> None:
    """Write everything that the rest of the run depends on; `settings` is ``Run.describe()``."""
    arrays = {**run.arrays(), **_common_arrays(run)}
    for i, callback in enumerate(_remembering(run)):
        for name, array in (callback.state() or {}).items():
            arrays[f"callbacks/{i}/{name}"] = array
    meta: dict[str, JSON] = {
        "settings": settings,
        "epoch": run.epoch,
        "stopped": run.history.stopped,
        **run.meta(),
    }
    write_file(path, run.kind, meta, arrays)


class Checkpoint(SavedRun):
    """A checkpoint of `train`, `up_down` or `fine_tune`; `kind` is the run's `Resumable.kind`.

    Attributes
    ----------
    epoch : int
        Epochs completed.
    stopped : str or None
        Why the run ended early, if it did.
    """

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(path, kind)
        with self.blamed():
            self.epoch = check_integer(entry(self.meta, "epoch", int), "epoch", low=0)
            self.stopped = entry(self.meta, "stopped", str, NoneType)

    def check(self, run: Resumable, settings: dict[str, Any]) -> None:
        """Refuse to go on with other data or settings, or with arrays that are not such a run's."""
        self.check_settings(settings)
        epochs = run.epochs
        if epochs < self.epoch:
            raise ValueError(f"resume: epochs is {epochs}, but {self.epoch} are completed in {self.path!r}")
        for name, expected in {**run.expected(), **_common_arrays(run)}.items():
            array = self.arrays.get(name)
            shape = (self.epoch + 1,) if name.startswith("history/") else expected.shape
            if array is None or array.shape != shape or array.dtype != expected.dtype:
                raise FileFormatError(f"{self.path!r} lacks a proper array {name!r}")
            if not name.startswith("history/") and np.isnan(array).any():
                raise FileFormatError(f"{self.path!r} holds NaN in the array {name!r}")
        with self.blamed():
            for name, number in run.meta().items():
                entry(self.meta, name, type(number))

    def difference(self, name: str, before: Any, value: Any) -> str:
        """See `SavedRun.difference`."""
        if name not in DATA:
            return super().difference(name, before, value)
        if before is None:
            return f"{name} is given, but was not"
        return f"{name} is not given, but was" if value is None else f"{name} is other data than"

    def restore(self, run: Resumable) -> None:
        """Put the run where it was."""
        with self.blamed():
            run.restore(self.arrays, self.meta)
        run.epoch = self.epoch
        run.memories = [float(memory) for memory in self.arrays["memories"]]
        columns = [self.arrays[f"history/{name}"].tolist() for name in run.history]
        for values in zip(*columns, strict=True):
            run.history.append(dict(zip(run.history, values, strict=True)))
        run.history.stopped = self.stopped

    def restore_callbacks(self, run: Resumable) -> None:
        """Give the callbacks back what they remember."""
        with self.blamed():
            for i, callback in enumerate(_remembering(run)):
                callback.restore(under(self.arrays, f"callbacks/{i}/"))


def _common_arrays(run: Resumable) -> dict[str, NDArray[Any]]:
    """What every run has in its files."""
    history = {f"history/{name}": column for name, column in run.history.to_dict().items()}
    return {"memories": np.array(run.memories, np.float64), **history}


def _remembering(run: Resumable) -> list[Callback]:
    return [callback for callback in run.settings.callbacks if callback.state() is not None]
