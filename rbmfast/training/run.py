"""A run: epochs of learning with all that goes on around them, whatever the model."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.archive import write_file
from rbmfast.checks import check_weights
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.models.parameters import can_be_parameters
from rbmfast.reference import F32, F64, I64, STREAM_VERSION
from rbmfast.saved import under
from rbmfast.training.batches import epoch_order, pieces
from rbmfast.training.callbacks import Callback, Display, Progress
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.history import BASIC, History
from rbmfast.training.optimizers import Steps
from rbmfast.training.settings import Settings, digest
from rbmfast.training.state import Model

CHUNK_BYTES = 1 << 24  # of converted rows that are learned from at a time
LIVE_ROWS = 1 << 14  # between two movements of a progress bar


class Run(ABC):
    """A run in progress: everything that learning changes, and how one epoch of learning changes it.

    Made from what was asked for, checked; nothing outside it is changed before `go`.

    Attributes
    ----------
    model : RBM, DBN or Network
        What is trained.
    rows : Rows
        What it learns from.
    settings : Settings
        What was asked for.
    sample_weight : float64 array (n_rows,) or None
        Weights of the rows; None if all are 1.
    batch_size, updates_per_epoch : int
        Rows of an update, at most all; batches in an epoch, of which the last one may be short.
    epoch, epochs : int
        How many have been completed, and when it ends.
    schedules : tuple of Schedule
        Of the optimizer.
    memories : list of float
        What they keep between epochs.
    steps : Steps
        How gradients become steps.
    rate, momentum : float
        At the last update.
    history : History
        What has been recorded.
    """

    kind: ClassVar[str]  # of its files
    columns: ClassVar[tuple[str, ...]] = BASIC  # of its history; its own attributes, but for epochs and times
    steps: Steps

    def __init__(
        self, model: Model, rows: Rows, settings: Settings, numbers: Mapping[str, str | None]
    ) -> None:
        self.model = model
        self.rows = rows
        self.settings = settings
        self.sample_weight = check_weights(settings.sample_weight, rows.n_rows)
        self.batch_size = min(settings.batch_size, rows.n_rows)
        self.updates_per_epoch = -(-rows.n_rows // self.batch_size)
        self.epoch, self.epochs = 0, settings.epochs
        for callback in settings.callbacks:
            callback.check(numbers)
        self.schedules = settings.optimizer.schedules
        self.memories = [schedule.initial() for schedule in self.schedules]
        self.rate = self.momentum = float("nan")
        self.history = History(numbers, self.columns)

    # --- What each kind of run has of its own ---------------------------------------------------------------

    def start(self) -> None:
        """Begin afresh, with more than is there once the run is made."""
        return

    @abstractmethod
    def update(self, rows: I64, now: tuple[float, ...]) -> None:
        """Learn from the rows of these numbers; `now` is what the optimizer's schedules say."""

    @abstractmethod
    def publish(self) -> None:
        """Give the model the parameters, all at once."""

    def note(self) -> None:
        """Tell whom it concerns how far the run has come, once the model has the parameters."""
        return

    @abstractmethod
    def parameters(self) -> dict[str, F32]:
        """All that is learned, by name."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the rest of the run depends on beside the attributes above, by names in a file."""

    def meta(self) -> dict[str, JSON]:
        """Further numbers that the rest of the run depends on."""
        return {}

    def restore(self, saved: Checkpoint) -> None:
        """Take back what `arrays` and `meta` gave."""
        for name, array in self.arrays().items():
            array[...] = saved.array(name, array)
        self.check_parameters()

    def interrupted(self) -> None:
        """Leave the model in order when Ctrl-C has ended an epoch."""
        return

    def check_parameters(self) -> None:
        """Raise FloatingPointError if they are none that a model can have: learning has diverged."""
        if not can_be_parameters(self.parameters().values()):
            raise FloatingPointError("a parameter is no longer finite and below 2**40 in size")

    @abstractmethod
    def monitored(self) -> dict[str, float]:
        """The numbers that the history has beside the basic ones."""

    def describe(self) -> dict[str, Any]:
        """All that decides the result, as JSON: what a checkpoint is compared with before it is resumed."""
        return {
            **self.settings.describe(),
            "sample_weight": None if self.sample_weight is None else digest(self.sample_weight),
            "batch_size": self.batch_size,
            "epochs": self.epochs if self.settings.needing_length else None,
            "stream_version": STREAM_VERSION,
        }

    # --- From the beginning to the end ----------------------------------------------------------------------

    def go(self, saved: Checkpoint | None = None) -> History:
        """Start the run, or put it back where a checkpoint was, and learn all epochs."""
        if saved is not None:
            self._restore(saved)
        self.display = Display(self.settings.progress, self.epochs, self.rows.n_rows, self.epoch)
        try:
            self._begin(saved)
            try:
                while self._goes_on():
                    self._learn_epoch()
            except KeyboardInterrupt:
                for callback in self.settings.callbacks:
                    callback.on_interrupt(self._progress())
                raise
            for callback in self.settings.callbacks:
                callback.on_train_end(self._progress())
        finally:
            self.display.close()
        return self.history

    def _goes_on(self) -> bool:
        return self.epoch < self.epochs and self.history.stopped is None

    def _begin(self, saved: Checkpoint | None) -> None:
        if saved is None:
            self.start()
        self.publish()
        self.note()
        if saved is None:
            self._record(seconds=0.0)
        for callback in self.settings.callbacks:
            callback.on_train_begin(self._progress())
        if saved is None:
            self._save()
            return
        with saved.blamed():
            for i, callback in enumerate(self._remembering()):
                callback.restore(under(saved.arrays, f"callbacks/{i}/"))

    def _learn_epoch(self) -> None:
        """Learn from every row once; then look, tell, and save."""
        settings = self.settings
        start = time.perf_counter()
        self.learn_epoch()
        seconds = time.perf_counter() - start
        self.publish()
        self.note()
        self.display.epoch(self._record(seconds))
        for callback in settings.callbacks:
            callback.on_epoch_end(self._progress())
        if self.epoch % settings.checkpoint_every == 0 or not self._goes_on():
            self._save()

    def _progress(self) -> Progress:
        return Progress(self.model, self.history, self.epoch, self.epochs)

    def _record(self, seconds: float) -> dict[str, float]:
        """Look at the model, and write the epoch into the history."""
        start = time.perf_counter()
        monitored = self.monitored()
        row = {
            "epoch": self.epoch,
            "seconds": seconds,
            "samples_per_second": self.rows.n_rows / seconds if seconds > 0 else float("nan"),
            "monitor_seconds": time.perf_counter() - start,
            **monitored,
        }
        row |= {name: getattr(self, name) for name in self.columns if name not in row}  # such as the rate
        self.history.append(row)
        return row

    # --- Checkpoints ----------------------------------------------------------------------------------------

    def _save(self) -> None:
        """Write everything that the rest of the run depends on."""
        if self.settings.checkpoint is None:
            return
        arrays = {**self.arrays(), "memories": np.array(self.memories, np.float64)}
        arrays |= {f"history/{name}": column for name, column in self.history.to_dict().items()}
        for i, callback in enumerate(self._remembering()):
            arrays |= {f"callbacks/{i}/{name}": array for name, array in (callback.state() or {}).items()}
        meta: dict[str, JSON] = {"epoch": self.epoch, "stopped": self.history.stopped, **self.meta()}
        write_file(self.settings.checkpoint, self.kind, {"settings": self.described, **meta}, arrays)

    def _restore(self, saved: Checkpoint) -> None:
        """Put the run where it was, if its data and settings are the same; callbacks follow in `_begin`."""
        saved.settings = {**type(self.settings)().describe(), **saved.settings}  # older files may lack some
        saved.check_settings(self.described)
        if self.epochs < saved.epoch:
            raise ValueError(
                f"resume: epochs is {self.epochs}, but {saved.epoch} are completed in {saved.path!r}"
            )
        with saved.blamed():
            self.restore(saved)
        self.epoch = saved.epoch
        self.memories = saved.array("memories", np.array(self.memories, np.float64)).tolist()
        columns = [
            saved.array(f"history/{name}", np.empty(self.epoch + 1, column.dtype), missing=True).tolist()
            for name, column in self.history.items()
        ]
        for values in zip(*columns, strict=True):
            self.history.append(dict(zip(self.history, values, strict=True)))
        self.history.stopped = saved.stopped

    def _remembering(self) -> list[Callback]:
        return [callback for callback in self.settings.callbacks if callback.state() is not None]

    @cached_property
    def described(self) -> dict[str, Any]:
        """`describe`, once: it may have to read all data."""
        return self.describe()

    # --- An epoch -------------------------------------------------------------------------------------------

    def learn_epoch(self) -> None:
        """Learn from every row once.

        Raises
        ------
        FloatingPointError
            Learning diverged; the model keeps the last completed epoch.
        """
        settings, size = self.settings, self.batch_size
        now = self.scheduled()
        order = epoch_order(self.rows.n_rows, settings.shuffle, settings.seed, self.epoch, size)
        try:
            for piece in pieces(len(order), self._piece_rows()):
                self.learn(order[piece], now[:, piece.start // size : -(-piece.stop // size)])
                self.rows.give_back()  # pages of a memory map: resident memory stays bounded
                self.display.advance(piece.stop - piece.start)
            self.check_parameters()
        except KeyboardInterrupt:
            self.interrupted()
            raise
        except FloatingPointError as error:
            raise FloatingPointError(
                f"learning diverged in epoch {self.epoch + 1}; the model keeps epoch {self.epoch}. "
                f"Lower the rate (it was {now[0].max():g}) or the momentum, or scale real-valued data to "
                "variance 1"
            ) from error
        self.rate, self.momentum = [*now[:, -1].tolist(), float("nan")][:2]
        self.rate *= float(self.steps.factors[0])
        self.memories = [s.after_epoch(m) for s, m in zip(self.schedules, self.memories, strict=True)]
        self.epoch += 1

    def learn(self, rows: I64, now: F64) -> None:
        """Learn from some whole batches; `now` is what the schedules say: (n_schedules, n_batches)."""
        for t, batch in enumerate(pieces(len(rows), self.batch_size)):
            self.update(rows[batch], tuple(now[:, t].tolist()))

    def weights_of(self, rows: I64) -> F64 | None:
        """Of these rows; None if all are 1."""
        return None if self.sample_weight is None else self.sample_weight[rows]

    def scheduled(self) -> F64:
        """What each schedule says for the coming epoch's updates: (n_schedules, n_updates)."""
        n = self.updates_per_epoch
        updates = np.arange(self.epoch * n, (self.epoch + 1) * n)
        pairs = zip(self.schedules, self.memories, strict=True)
        return np.array([s.values(memory, self.epoch, updates, self.epochs * n) for s, memory in pairs])

    def _piece_rows(self) -> int:
        """How many rows to learn from at a time: whole batches. The result does not depend on it."""
        rows, batch_size = self.rows, self.batch_size
        size = LIVE_ROWS if self.display.live else rows.n_rows
        if rows.direct is None or rows.mapped:
            size = min(size, CHUNK_BYTES // (rows.n_features * rows.dtype.itemsize))
        return max(1, size // batch_size) * batch_size if size < rows.n_rows else rows.n_rows
