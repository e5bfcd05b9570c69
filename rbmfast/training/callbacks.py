"""What happens between epochs, on the screen too, and what may end a run early."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import Checked, check_choice, check_flag, check_integer, check_number, checked_by
from rbmfast.models.parameters import can_be_parameters
from rbmfast.reference import F32
from rbmfast.runtime import uninterrupted
from rbmfast.training.history import BASIC, History
from rbmfast.training.state import Model, get_parameters, set_parameters

CallbackState = dict[str, NDArray[Any]]


@dataclass
class Progress:
    """What a callback is shown.

    Attributes
    ----------
    rbm : RBM, or DBN in `up_down`, or Network in `fine_tune`
        The model after `epoch` epochs. Callbacks may read it, save it and sample from it; what they assign to
        it is overwritten at the end of the next epoch.
    history : History
        Its last row is about this epoch.
    epoch, epochs : int
        Epochs completed, and of the whole run.
    """

    rbm: Model
    history: History
    epoch: int
    epochs: int

    def stop(self, reason: str) -> None:
        """Let this epoch be the last one."""
        self.history.stopped = reason


class Callback:
    """Base class: redefine what you need.

    An exception ends training; the model keeps the last completed epoch.

    Attributes
    ----------
    needs_length : bool
        Whether it depends on how many epochs the run will have.
    """

    needs_length: ClassVar[bool] = False

    def check(self, names: Mapping[str, str | None]) -> None:
        """Raise ValueError if it cannot work with the numbers of these names. Called before anything changes.

        `names` says of each which way it gets better: "min", "max", or None where nobody can say.
        """

    def on_train_begin(self, progress: Progress) -> None:
        """Called once, after the history's row for epoch 0, also when a run is resumed (before `restore`)."""

    def on_epoch_end(self, progress: Progress) -> None:
        """Called after every epoch, once the model and the history have its results."""

    def on_train_end(self, progress: Progress) -> None:
        """Called once after the last epoch, also after an early stop; not after an exception."""

    def on_interrupt(self, progress: Progress) -> None:
        """Called when Ctrl-C has ended an epoch, once the model has what was learned."""

    def state(self) -> CallbackState | None:
        """What a checkpoint must keep of it: arrays by name. Always None if it remembers nothing."""
        return None

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""


@dataclass
class EarlyStopping(Checked, Callback):
    """Stop when a monitored number has not improved for a while.

    Parameters
    ----------
    monitor : str
        Name of a monitor's column, such as "validation_reconstruction_error".
    patience : int, default 5
        Stop after this many epochs in a row without an improvement; at least 1.
    min_delta : float, default 0.0
        Only a change by more than this is an improvement.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better. "auto" leaves it to the monitor: likelihoods should rise, errors
        fall.
    restore_best : bool, default True
        At the end of training, early or not, give the model the parameters of its best epoch.

    Raises
    ------
    TypeError, ValueError
        A setting that is not allowed; when training starts, for an unknown `monitor`, and for one of which
        "auto" cannot tell.

    Notes
    -----
    Epoch 0 does not count, and NaN is never an improvement. Checkpoints keep the best parameters too.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> history = rf.train(
    ...     rf.RBM(6, 2, seed=0), np.eye(6), epochs=50, seed=1, optimizer=rf.SGD(0.0),
    ...     monitors=[rf.ReconstructionError()],
    ...     callbacks=[rf.EarlyStopping("train_reconstruction_error", patience=3)])
    >>> int(history["epoch"][-1]), history.stopped
    (4, 'no better train_reconstruction_error since epoch 1')
    """

    monitor: str
    patience: int = field(default=5, metadata=checked_by(check_integer, low=1))
    min_delta: float = field(default=0.0, metadata=checked_by(check_number))
    mode: str = field(default="auto", metadata=checked_by(check_choice, choices=("auto", "min", "max")))
    restore_best: bool = field(default=True, metadata=checked_by(check_flag))
    _direction: str = field(default="", init=False, repr=False, compare=False)  # what `mode` came to
    _best: float = field(default=float("nan"), init=False, repr=False, compare=False)
    _best_epoch: int = field(default=0, init=False, repr=False, compare=False)
    _best_parameters: CallbackState = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.monitor, str):
            raise TypeError(f"monitor must be the name of a monitor's column, got {self.monitor!r}")
        super().__post_init__()

    @property
    def best_epoch(self) -> int:
        """The best epoch of the last run; 0 if there was none."""
        return self._best_epoch

    def check(self, names: Mapping[str, str | None]) -> None:
        if self.monitor not in names:
            known = ", ".join(names) or "none (pass monitors=)"
            raise ValueError(
                f"callbacks: EarlyStopping watches {self.monitor!r}, but what monitors record is {known}"
            )
        direction = names[self.monitor] if self.mode == "auto" else self.mode
        if direction is None:
            raise ValueError(
                f"callbacks: EarlyStopping({self.monitor!r}) must be told whether smaller or larger is "
                "better: mode='min' or mode='max'"
            )
        self._direction = direction

    def on_train_begin(self, progress: Progress) -> None:
        self._best, self._best_epoch, self._best_parameters = float("nan"), 0, {}

    def on_epoch_end(self, progress: Progress) -> None:
        value = float(progress.history[self.monitor][-1])
        if self._improves(value):
            self._best, self._best_epoch = value, progress.epoch
            if self.restore_best:
                self._best_parameters = {**get_parameters(progress.rbm)}
        elif progress.epoch - self._best_epoch >= self.patience:
            progress.stop(f"no better {self.monitor} since epoch {self._best_epoch}")

    def on_train_end(self, progress: Progress) -> None:
        if self._best_parameters:
            set_parameters(progress.rbm, self._best_parameters)

    def state(self) -> CallbackState:
        return {
            "best": np.array(self._best),
            "best_epoch": np.array(self._best_epoch),
            **self._best_parameters,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._best, self._best_epoch = float(state["best"]), int(state["best_epoch"])
        self._best_parameters = {
            name: array for name, array in state.items() if name not in ("best", "best_epoch")
        }

    def _improves(self, value: float) -> bool:
        if np.isnan(self._best):
            return not np.isnan(value)
        change = self._best - value if self._direction == "min" else value - self._best
        return change > self.min_delta


@dataclass
class Average(Checked, Callback):
    """Give the model the mean of the parameters that the last part of a run ended its epochs with.

    The parameters of a stochastic ascent at a constant rate wander about where they should be; their mean
    lies closer to it. Learning goes on from its own parameters, as without the callback: monitors and the
    history tell of these. From the first averaged epoch on, the model has the mean of those so far when an
    epoch is over, so callbacks that come later in the list see and save it; it has the last mean when
    training ends, also by Ctrl-C or because it diverged.

    Parameters
    ----------
    start : float, default 0.5
        The share of the run's epochs before the averaged ones, from 0 up to, and without, 1.

    Raises
    ------
    TypeError, ValueError
        A share that is not allowed.

    Notes
    -----
    On the binary table dna (1600 rows to learn from, 180 columns; 20 hidden units, ``rf.PCD(n_chains=100)``
    at a constant rate of 0.1, 50 epochs in batches of 20) the exact log-likelihood of the test rows is -96.73
    nats per row, and -97.55 with the last parameters (at the rate 0.2 -97.02 and -98.87; means of seeds 0 to
    2). In a run that is too short to arrive the mean lags behind.

    A checkpoint holds the run's own parameters and the sums. It is resumed with the same number of epochs,
    which the share is of. A run in several calls, with a `TrainingState`, has no end that the share could be
    of: it is refused after the first one. In `pretrain` the data go up through the mean of each layer.

    References
    ----------
    Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control and
    Optimization 30, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.random.default_rng(0).integers(0, 2, (100, 6))
    >>> rbm = rf.RBM(6, 2, seed=0)
    >>> average = rf.Average(start=0.5)
    >>> history = rf.train(rbm, X, epochs=10, seed=1, callbacks=[average])
    >>> average.n_epochs
    5
    """

    start: float = field(default=0.5, metadata=checked_by(check_number, below=1.0))
    needs_length: ClassVar[bool] = True
    _n: int = field(default=0, init=False, repr=False, compare=False)
    _sums: CallbackState = field(default_factory=dict, init=False, repr=False, compare=False)  # in float64

    @property
    def n_epochs(self) -> int:
        """How many epochs of the last run are averaged."""
        return self._n

    def on_train_begin(self, progress: Progress) -> None:
        self._n = 0
        self._sums = {name: np.zeros(x.shape) for name, x in get_parameters(progress.rbm).items()}

    def on_epoch_end(self, progress: Progress) -> None:
        if progress.epoch <= self.start * progress.epochs:
            return
        sums = {name: self._sums[name] + array for name, array in get_parameters(progress.rbm).items()}
        uninterrupted(setattr, [self, self], ["_sums", "_n"], [sums, self._n + 1])
        self.on_train_end(progress)

    def on_train_end(self, progress: Progress) -> None:
        if self._n:
            set_parameters(progress.rbm, self._means())

    on_interrupt = on_train_end

    def state(self) -> CallbackState:
        return {"n_epochs": np.array(self._n), **self._sums}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._n = check_integer(int(state["n_epochs"]), "n_epochs", low=0)
        for name, array in self._sums.items():
            array[...] = state[name]
        if self._n and not can_be_parameters(self._means().values()):
            raise ValueError("a mean is not finite and below 2**40 in size")

    def _means(self) -> dict[str, F32]:
        return {name: (total / self._n).astype(np.float32) for name, total in self._sums.items()}


class Display:
    """One bar over all epochs when tqdm is installed, else a line per epoch; nothing when disabled.

    Parameters
    ----------
    enabled : bool
        Whether to show anything.
    epochs, n_rows : int
        Epochs of the run, and rows in each.
    done : int
        Epochs that a resumed run begins after.
    """

    def __init__(self, enabled: bool, epochs: int, n_rows: int, done: int = 0) -> None:
        self._bar: Any = None
        self._lines = False
        self._epochs = epochs
        if not enabled:
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            self._lines = True
        else:
            self._bar = tqdm(total=epochs * n_rows, initial=done * n_rows, unit=" rows", unit_scale=True)

    @property
    def live(self) -> bool:
        """Whether it moves within an epoch."""
        return self._bar is not None

    def advance(self, n_rows: int) -> None:
        """Some more rows have been learned from."""
        if self._bar is not None:
            self._bar.update(n_rows)

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch has ended with these numbers."""
        numbers = {name: f"{value:.5g}" for name, value in row.items() if name not in BASIC}
        if self._bar is not None:
            self._bar.set_postfix(epoch=int(row["epoch"]), **numbers)
        if self._lines:
            words = [f"{name} {value}" for name, value in numbers.items()]
            speed = f"{row['samples_per_second']:.0f} rows/s"
            print(f"epoch {int(row['epoch'])}/{self._epochs}:", ", ".join([speed, *words]), file=sys.stderr)

    def close(self) -> None:
        """Leave the screen in order."""
        if self._bar is not None:
            self._bar.close()
