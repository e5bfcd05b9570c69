"""What the runs of `train`, `up_down` and `fine_tune` have in common: what loop and checkpoints see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import STREAM_VERSION
from rbmfast.training.callbacks import Callback
from rbmfast.training.display import Display
from rbmfast.training.history import BASIC, History
from rbmfast.training.optimizers import SGD, Adam
from rbmfast.training.schedules import F64
from rbmfast.training.versions import Model

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class BasicPlan:
    """A run as it was asked for: nothing in here changes while it lasts."""

    rows: Rows
    optimizer: SGD | Adam
    epochs: int
    batch_size: int  # at most all rows
    shuffle: bool | str
    seed: int
    monitor_names: tuple[str, ...]
    callbacks: tuple[Callback, ...]
    progress: bool
    checkpoint: str | None
    checkpoint_every: int

    @property
    def updates_per_epoch(self) -> int:
        """Batches in an epoch; the last one may be short."""
        return -(-self.rows.n_rows // self.batch_size)

    def describe(self) -> dict[str, Any]:
        """All that decides the result, as JSON: what a checkpoint is compared with before it is resumed."""
        needs_length = any(schedule.needs_length for schedule in self.optimizer.schedules)
        return {
            "optimizer": describe(self.optimizer),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "epochs": self.epochs if needs_length else None,
            "callbacks": [describe(callback) for callback in self.callbacks if callback.state() is not None],
            "stream_version": STREAM_VERSION,
        }


def describe(thing: object) -> str:
    """A text that is equal for equal settings in another process."""
    if type(thing).__repr__ is not object.__repr__:
        return repr(thing)
    return f"{type(thing).__qualname__}({sorted(vars(thing).items()) if hasattr(thing, '__dict__') else ''})"


class BasicRun(ABC):
    """A run in progress: everything that learning changes, and how one epoch of learning changes it.

    Attributes
    ----------
    plan : BasicPlan
        What was asked for.
    epoch : int
        How many have been completed.
    memories : list of float
        What the schedules of the optimizer keep between epochs.
    history : History
        What has been recorded.
    """

    kind: ClassVar[str]  # of its files
    columns: ClassVar[tuple[str, ...]] = BASIC  # of its history; its own attributes, but for epochs and times

    def __init__(self, plan: BasicPlan) -> None:
        self.plan = plan
        self.epoch = 0
        self.memories = [schedule.initial() for schedule in plan.optimizer.schedules]
        self.history = History(plan.monitor_names, self.columns)

    @property
    @abstractmethod
    def model(self) -> Model:
        """What is trained."""

    @abstractmethod
    def start(self) -> None:
        """Begin afresh."""

    @abstractmethod
    def learn_epoch(self, display: Display) -> None:
        """Learn from every row once, and tell the display."""

    @abstractmethod
    def publish(self) -> None:
        """Give the model the parameters, all at once."""

    @abstractmethod
    def monitored(self) -> dict[str, float]:
        """A number for each of ``plan.monitor_names``."""

    # --- Checkpoints ----------------------------------------------------------------------------------------

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

    # --- Schedules ------------------------------------------------------------------------------------------

    def scheduled(self) -> list[F64]:
        """What each schedule says for the coming epoch's updates."""
        n = self.plan.updates_per_epoch
        updates = np.arange(self.epoch * n, (self.epoch + 1) * n)
        return [
            schedule.values(memory, self.epoch, updates, self.plan.epochs * n)
            for schedule, memory in zip(self.plan.optimizer.schedules, self.memories, strict=True)
        ]

    def count_epoch(self) -> None:
        """An epoch has been learned from."""
        schedules = self.plan.optimizer.schedules
        self.memories = [s.after_epoch(m) for s, m in zip(schedules, self.memories, strict=True)]
        self.epoch += 1


def under(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
