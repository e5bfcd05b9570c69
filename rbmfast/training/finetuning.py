"""`fine_tune`: supervised training of a network, by gradient descent on its loss."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.container import JSON, FileFormatError, check_destination, check_path, read_file, write_file
from rbmfast.data import Rows
from rbmfast.models import Network
from rbmfast.models.network import one_thread
from rbmfast.models.parameters import can_be_parameters
from rbmfast.random import MAX_STEP, SeedLike, check_integer, check_seed
from rbmfast.reference import STREAM_VERSION
from rbmfast.training._checks import check_flag, check_number
from rbmfast.training.backprop import Backprop, Mean, Targets, as_targets, mean_loss
from rbmfast.training.batches import epoch_order, pieces
from rbmfast.training.callbacks import Callback, EarlyStopping, Progress
from rbmfast.training.descent import descent
from rbmfast.training.display import Display
from rbmfast.training.history import History
from rbmfast.training.optimizers import SGD, Adam
from rbmfast.training.plan import check_callbacks, check_shuffle, describe
from rbmfast.training.schedules import F64

KIND = "fine-tuning"
BASIC = ("epoch", "seconds", "samples_per_second", "rate", "monitor_seconds")


def fine_tune(
    net: Network,
    X: Any,
    y: Any = None,
    *,
    optimizer: SGD | Adam = SGD(0.1, momentum=0.9),  # noqa: B008  # settings, immutable
    dropout: float | Sequence[float] = 0.0,
    l2: float = 0.0,
    epochs: int = 10,
    batch_size: int = 100,
    shuffle: bool | str = True,
    seed: SeedLike = None,
    validation: tuple[Any, Any] | None = None,
    patience: int | None = None,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    resume: str | os.PathLike[str] | None = None,
) -> History:
    """Learn to give wanted outputs: descend the loss by backpropagation.

    The head decides what the loss of a row is, in nats:

    - softmax: the cross-entropy ``-log p[y]`` of its class;
    - sigmoid: the cross-entropy ``sum(-y log p - (1 - y) log(1 - p))`` of its units;
    - linear: half the squared error, ``|y - p|^2 / 2``.

    Parameters
    ----------
    net : Network
        The network to train, in place.
    X : array_like, sparse matrix, memory map, Grey8 or Packed, (n_rows, n_inputs)
        Data; held, not copied, so do not change it during training.
    y : int array_like (n_rows,), or like X (n_rows, n_outputs), optional
        Classes from 0 for a softmax head; numbers in [0, 1] for a sigmoid head, any for a linear one. None
        means the inputs themselves, for an autoencoder.
    optimizer : SGD or Adam, default SGD(0.1, momentum=0.9)
        How gradients, means over the rows of a batch, become steps.
    dropout : float or list of float, default 0.0
        Chance of each input of a layer to be dropped, from 0 up to, and without, 1; of all layers, or one for
        each. The first is about the data. Inputs that stay are divided by their chance to.
    l2 : float, default 0.0
        The loss gains ``l2 |W|^2 / 2`` for every layer (not for biases; not in the numbers recorded).
    epochs : int, default 10
        Passes over the data, at least 0.
    batch_size : int, default 100
        Rows per update. The last batch of an epoch may be short, and counts as what it is.
    shuffle : bool or "blocks", default True
        A new order in every epoch, as in `rbmfast.train`.
    seed : int, numpy Generator or None
        Fixes the orders and what dropout drops. None draws a new one.
    validation : tuple (X, y), optional
        Data like X and y; never learned from.
    patience : int, optional
        Stop after this many epochs in a row without a better validation loss, and give the network the
        parameters of its best epoch, stopped or not: the same as the callback
        ``EarlyStopping("validation_loss", patience)``.
    callbacks : list of Callback
        What to do after each epoch. They find the network as ``progress.rbm``.
    progress : bool, default False
        Show a progress bar (``pip install rbmfast[progress]``) or else a line per epoch.
    checkpoint : path, optional
        Save the run here before its first epoch, every `checkpoint_every` epochs and at its end.
    checkpoint_every : int, default 1
        Epochs between checkpoints.
    resume : path, optional
        Go on from this checkpoint as if the run had never stopped. Everything that decides the result must be
        the same; `epochs` may be larger unless a schedule depends on it.

    Returns
    -------
    History
        ``epoch``, ``seconds``, ``samples_per_second``, ``rate`` and ``monitor_seconds`` (of validation);
        ``train_loss``, the mean over the rows of the epoch as each was met, dropout included, NaN for epoch
        0;
        with `validation` ``validation_loss``; for a softmax head the shares of wrong classes ``train_error``
        and ``validation_error``.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it, and nothing has been changed.
    FileFormatError
        `resume` is no checkpoint of fine-tuning, or is damaged.
    FloatingPointError
        Learning diverged; the network keeps the last completed epoch.
    KeyboardInterrupt
        Ctrl-C; the network keeps the last completed epoch.

    Notes
    -----
    Seed, data and settings fix every bit for a given CPU, BLAS and number of its threads, from any container;
    not across machines, as exactly counted models do: matrix products of means round differently.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 2, (400, 6))
    >>> y = X[:, 0] ^ X[:, 1]                                           # what no single layer can learn
    >>> net = rf.Network([rf.Dense.new(6, 20, seed=0), rf.Dense.new(20, 2, "softmax", seed=0, layer=1)])
    >>> history = rf.fine_tune(net, X, y, optimizer=rf.Adam(0.02), epochs=60, batch_size=20, seed=1)
    >>> float(history["train_error"][-1])
    0.0
    """
    saved = None if (path := check_path(resume, "resume")) is None else Checkpoint(path)
    plan = make_plan(
        net,
        X,
        y,
        optimizer=optimizer,
        dropout=dropout,
        l2=l2,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=saved.seed if saved is not None and seed is None else seed,
        validation=validation,
        patience=patience,
        callbacks=callbacks,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    loop = Loop(plan, saved)
    try:
        loop.begin()
        while loop.goes_on:
            loop.epoch()
        loop.end()
    finally:
        loop.display.close()
    return loop.history


# --- What was asked for ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """Everything that was asked of `fine_tune`, validated: nothing in here changes while a run lasts."""

    net: Network
    rows: Rows
    targets: Targets
    validation: tuple[Rows, Targets] | None
    optimizer: SGD | Adam
    dropout: tuple[float, ...]
    l2: float
    epochs: int
    batch_size: int  # at most all rows
    shuffle: bool | str
    seed: int
    callbacks: tuple[Callback, ...]
    progress: bool
    checkpoint: str | None
    checkpoint_every: int

    @property
    def updates_per_epoch(self) -> int:
        """Batches in an epoch; the last one may be short."""
        return -(-self.rows.n_rows // self.batch_size)

    @property
    def names(self) -> tuple[str, ...]:
        """What is recorded beside the columns that all runs have."""
        return _names(self.net, self.validation is not None)

    def describe(self) -> dict[str, Any]:
        """All that decides the result, as JSON: what a checkpoint is compared with before it is resumed."""
        needs_length = any(schedule.needs_length for schedule in self.optimizer.schedules)
        validation = self.validation
        return {
            "net": repr(self.net),
            "X": self.rows.fingerprint(),
            "y": self.targets.fingerprint(),
            "validation": None if validation is None else [part.fingerprint() for part in validation],
            "optimizer": describe(self.optimizer),
            "dropout": list(self.dropout),
            "l2": self.l2,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "epochs": self.epochs if needs_length else None,
            "callbacks": [describe(callback) for callback in self.callbacks if callback.state() is not None],
            "stream_version": STREAM_VERSION,
        }


def make_plan(
    net: Network,
    X: Any,
    y: Any,
    *,
    optimizer: object,
    dropout: object,
    l2: object,
    epochs: object,
    batch_size: object,
    shuffle: object,
    seed: SeedLike,
    validation: object,
    patience: object,
    callbacks: object,
    progress: object,
    checkpoint: object,
    checkpoint_every: object,
) -> Plan:
    """Check every argument of `fine_tune`, naming it in the error; nothing is changed."""
    if not isinstance(net, Network):
        raise TypeError(f"net must be an rf.Network, got {net!r}")
    if not isinstance(optimizer, (SGD, Adam)):
        raise TypeError(f"optimizer must be an rf.SGD or an rf.Adam, got {optimizer!r}")
    rows = net._rows(X)
    targets = as_targets(net, X, y, rows.n_rows, "y")
    checked_validation = _check_validation(net, validation)
    names = _names(net, checked_validation is not None)
    plan = Plan(
        net=net,
        rows=rows,
        targets=targets,
        validation=checked_validation,
        optimizer=optimizer,
        dropout=_check_dropout(dropout, len(net.layers)),
        l2=check_number(l2, "l2"),
        epochs=check_integer(epochs, "epochs", low=0, high=2**31 - 1),
        batch_size=min(check_integer(batch_size, "batch_size", low=1), rows.n_rows),
        shuffle=check_shuffle(shuffle),
        seed=check_seed(seed),
        callbacks=(*check_callbacks(callbacks, names), *_check_patience(patience, checked_validation)),
        progress=check_flag(progress, "progress"),
        checkpoint=check_destination(checkpoint, "checkpoint"),
        checkpoint_every=check_integer(checkpoint_every, "checkpoint_every", low=1),
    )
    if plan.epochs * plan.updates_per_epoch > MAX_STEP:
        raise ValueError(f"epochs={plan.epochs} takes more than {MAX_STEP} updates")
    return plan


def _names(net: Network, validation: bool) -> tuple[str, ...]:
    numbers = ("loss", "error") if net.head == "softmax" else ("loss",)
    sets = ("train", "validation") if validation else ("train",)
    return tuple(f"{data}_{number}" for data in sets for number in numbers)


def _check_validation(net: Network, validation: object) -> tuple[Rows, Targets] | None:
    if validation is None:
        return None
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(f"validation must be a tuple (X, y), got {type(validation).__name__}")
    X, y = validation
    rows = net._rows(X, "validation[0]")
    return rows, as_targets(net, X, y, rows.n_rows, "validation[1]")


def _check_dropout(dropout: object, n_layers: int) -> tuple[float, ...]:
    if isinstance(dropout, (list, tuple, np.ndarray)):
        if len(dropout) != n_layers:
            raise ValueError(
                f"dropout must be a number or a list of {n_layers}, one a layer, got {dropout!r}"
            )
        return tuple(check_number(rate, f"dropout[{i}]", below=1.0) for i, rate in enumerate(dropout))
    return (check_number(dropout, "dropout", below=1.0),) * n_layers


def _check_patience(patience: object, validation: object) -> tuple[EarlyStopping, ...]:
    if patience is None:
        return ()
    checked = check_integer(patience, "patience", low=1)
    if validation is None:
        raise ValueError("validation must be given: patience waits for its loss")
    return (EarlyStopping("validation_loss", patience=checked),)


# --- The run -----------------------------------------------------------------------------------------------


class Loop:
    """A run: learning, and all that goes on around it."""

    def __init__(self, plan: Plan, saved: Checkpoint | None) -> None:
        self.plan = plan
        self.saved = saved
        self.settings = plan.describe() if saved or plan.checkpoint else {}  # reads all of the data once
        self.backprop = Backprop(plan.net, plan.batch_size, plan.dropout, plan.seed)
        self.descent = descent(plan.optimizer, self.backprop.parameters, plan.l2)
        self.history = History(plan.names, BASIC)
        self.memories = [schedule.initial() for schedule in plan.optimizer.schedules]
        self.completed = 0
        if saved is not None:
            saved.check(self)
        done = 0 if saved is None else saved.epoch
        self.display = Display(plan.progress, plan.epochs, plan.rows.n_rows, done)

    @property
    def goes_on(self) -> bool:
        """Whether another epoch is due."""
        return self.completed < self.plan.epochs and self.history.stopped is None

    def begin(self) -> None:
        """Start the run, or put it back where it was."""
        if self.saved is None:
            unknown = {name: float("nan") for name in self.plan.names if name.startswith("train_")}
            self._record(0.0, float("nan"), unknown)
        else:
            self.saved.restore(self)
            self._publish()
        for callback in self.plan.callbacks:
            callback.on_train_begin(self._progress())
        if self.saved is not None:
            self.saved.restore_callbacks(self.plan)
        elif self.plan.checkpoint is not None:
            save_checkpoint(self.plan.checkpoint, self)

    def epoch(self) -> None:
        """Learn from every row once; then look, tell, and save."""
        start = time.perf_counter()
        with one_thread():
            numbers, rate = self._learn()
        seconds = time.perf_counter() - start
        self.completed += 1
        self._publish()
        self._record(seconds, rate, {f"train_{name}": value for name, value in numbers.items()})
        for callback in self.plan.callbacks:
            callback.on_epoch_end(self._progress())
        if self.plan.checkpoint is not None and (
            self.completed % self.plan.checkpoint_every == 0 or not self.goes_on
        ):
            save_checkpoint(self.plan.checkpoint, self)

    def end(self) -> None:
        """Tell the callbacks."""
        for callback in self.plan.callbacks:
            callback.on_train_end(self._progress())

    def _learn(self) -> tuple[dict[str, float], float]:
        """One pass over the data: mean losses, and the last rate."""
        plan, backprop = self.plan, self.backprop
        n_rows, first = plan.rows.n_rows, self.completed * plan.updates_per_epoch
        order = epoch_order(n_rows, plan.shuffle, plan.seed, self.completed, plan.batch_size)
        scheduled = self._scheduled(first)
        mean = Mean()
        for update, batch in enumerate(pieces(n_rows, plan.batch_size)):
            rows, numbers = order[batch], tuple(values[update] for values in scheduled)
            losses = backprop.learn(plan.rows.block(rows), plan.targets.block(rows), rows, first + update)
            self.descent.step(backprop.gradients, 1 / len(rows), numbers)
            mean.add(losses)
            self.display.advance(len(rows))
        plan.rows.give_back()
        schedules = plan.optimizer.schedules
        self.memories = [s.after_epoch(memory) for s, memory in zip(schedules, self.memories, strict=True)]
        return mean.values(), scheduled[0][-1]

    def _scheduled(self, first: int) -> list[list[float]]:
        """What each schedule says for the coming epoch's updates."""
        n = self.plan.updates_per_epoch
        updates, total = np.arange(first, first + n), self.plan.epochs * n
        values: list[F64] = [
            schedule.values(memory, self.completed, updates, total)
            for schedule, memory in zip(self.plan.optimizer.schedules, self.memories, strict=True)
        ]
        return [array.tolist() for array in values]

    def _publish(self) -> None:
        """Give the network the parameters, all at once."""
        if not can_be_parameters(self.backprop.parameters):
            raise FloatingPointError(
                f"the parameters diverged in epoch {self.completed}; a lower learning rate may help"
            )
        self.plan.net._set_parameters(**dict(self._named_parameters()))

    def _named_parameters(self) -> Iterable[tuple[str, NDArray[Any]]]:
        return zip(self.plan.net._get_parameters(), self.backprop.parameters, strict=True)

    def _progress(self) -> Progress:
        return Progress(self.plan.net, self.history, self.completed, self.plan.epochs)

    def _record(self, seconds: float, rate: float, numbers: dict[str, float]) -> None:
        """Look at the validation data, and write the epoch into the history."""
        start = time.perf_counter()
        if self.plan.validation is not None:
            values = mean_loss(self.plan.net, *self.plan.validation)
            numbers |= {f"validation_{name}": value for name, value in values.items()}
        row = {
            "epoch": self.completed,
            "seconds": seconds,
            "samples_per_second": self.plan.rows.n_rows / seconds if seconds > 0 else float("nan"),
            "rate": rate,
            "monitor_seconds": time.perf_counter() - start,
            **numbers,
        }
        self.history.append(row)
        if self.completed:
            self.display.epoch(row)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that the rest of the run depends on, but for callbacks."""
        arrays = dict(self._named_parameters())
        for name, moments in self.descent.moments.items():
            arrays |= {f"{name}/{i}": moment for i, moment in enumerate(moments)}
        arrays |= {f"history/{name}": column for name, column in self.history.to_dict().items()}
        return {**arrays, "powers": self.descent.powers, "memories": np.array(self.memories, np.float64)}


# --- Checkpoints -------------------------------------------------------------------------------------------


def save_checkpoint(path: str, loop: Loop) -> None:
    """Write all that `resume` needs."""
    arrays = loop.state()
    for i, callback in enumerate(_remembering(loop.plan)):
        arrays |= {f"callbacks/{i}/{name}": array for name, array in (callback.state() or {}).items()}
    meta: dict[str, JSON] = {
        "settings": loop.settings,
        "epoch": loop.completed,
        "stopped": loop.history.stopped,
    }
    write_file(path, KIND, meta, arrays)


class Checkpoint:
    """A checkpoint as it was read.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    FileFormatError
        It is no checkpoint of fine-tuning, or is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        _, self.meta, self.arrays = read_file(path, kind=KIND)
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

    def check(self, loop: Loop) -> None:
        """Refuse to go on with other data or settings: a ValueError names the first that differs."""
        saved = self.meta["settings"]
        for name, value in loop.settings.items():
            if saved.get(name) != value:
                was = "is other data than" if name in ("X", "y", "validation") else f"is {value!r}, but was"
                what = "" if name in ("X", "y", "validation") else f" {saved.get(name)!r}"
                raise ValueError(f"resume: {name} {was}{what} in {self.path!r}")
        if loop.plan.epochs < self.epoch:
            given = f"epochs is {loop.plan.epochs}, but {self.epoch} are completed"
            raise ValueError(f"resume: {given} in {self.path!r}")
        for name, expected in loop.state().items():
            array = self.arrays.get(name)
            shape = (self.epoch + 1,) if name.startswith("history/") else expected.shape
            if array is None or array.shape != shape or array.dtype != expected.dtype:
                raise FileFormatError(f"{self.path!r} lacks a proper array {name!r}")

    def restore(self, loop: Loop) -> None:
        """Put the run where it was."""
        for name, parameter in loop._named_parameters():
            parameter[:] = self.arrays[name]
        for name, moments in loop.descent.moments.items():
            for i, moment in enumerate(moments):
                moment[:] = self.arrays[f"{name}/{i}"]
        loop.descent.powers = self.arrays["powers"]
        loop.memories = [float(memory) for memory in self.arrays["memories"]]
        loop.completed = self.epoch
        columns = [self.arrays[f"history/{name}"].tolist() for name in loop.history]
        for values in zip(*columns, strict=True):
            loop.history.append(dict(zip(loop.history, values, strict=True)))
        loop.history.stopped = self.meta["stopped"]

    def restore_callbacks(self, plan: Plan) -> None:
        """Give the callbacks back what they remember."""
        for i, callback in enumerate(_remembering(plan)):
            prefix = f"callbacks/{i}/"
            callback.restore(
                {n.removeprefix(prefix): array for n, array in self.arrays.items() if n.startswith(prefix)}
            )


def _remembering(plan: Plan) -> list[Callback]:
    return [callback for callback in plan.callbacks if callback.state() is not None]
