"""`train`, and the loop over epochs of all runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from numpy.typing import ArrayLike

from rbmfast.checks import SeedLike
from rbmfast.files import FilePath
from rbmfast.models import RBM
from rbmfast.saved import seed_of
from rbmfast.training.base import Method
from rbmfast.training.callbacks import Callback, Progress
from rbmfast.training.cd import CD
from rbmfast.training.checkpoint import Checkpoint, save_checkpoint
from rbmfast.training.common import BasicRun
from rbmfast.training.display import Display
from rbmfast.training.history import History
from rbmfast.training.meant import explain_keywords
from rbmfast.training.monitors import Monitor
from rbmfast.training.optimizers import SGD
from rbmfast.training.penalties import Penalties
from rbmfast.training.plan import make_plan
from rbmfast.training.run import Run
from rbmfast.training.state import TrainingState


@explain_keywords
def train(
    rbm: RBM,
    X: Any,
    *,
    sample_weight: ArrayLike | None = None,
    method: Method | str = CD(k=1),  # noqa: B008  # settings, immutable
    optimizer: SGD | float = SGD(0.1),  # noqa: B008
    penalties: Penalties = (),
    centered: bool = False,
    epochs: int = 10,
    batch_size: int = 100,
    shuffle: bool | str = True,
    seed: SeedLike = None,
    validation: Any = None,
    monitors: Monitor | Iterable[Monitor] = (),
    callbacks: Callback | Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: FilePath | None = None,
    checkpoint_every: int = 1,
    resume: FilePath | None = None,
    state: TrainingState | None = None,
) -> History:
    """Learn from data: maximise the log-likelihood by stochastic gradient ascent.

    Parameters
    ----------
    rbm : RBM
        The model to train, in place. One that nobody has touched is initialised from the data first.
    X : array_like, sparse matrix, memory map, Grey8 or Packed, (n_rows, n_visible)
        Data; not copied, so do not change it during training.
    sample_weight : array_like (n_rows,), optional
        Multiplies each row's share of an update; weights of mean 1 leave the rate its meaning. Slower: one
        Python step per update.
    method : CD, PCD, PT, FPCD, Discriminative, Hybrid or another Method, default CD(k=1)
        Where the samples of the negative phase come from, or what else is to be learned. "cd", "pcd", "pt"
        and "fpcd" stand for the first four with their defaults.
    optimizer : SGD or float, default SGD(0.1)
        Learning rate and momentum, or the rate alone; by default plain gradient ascent.
    penalties : list of L1, L2, MaxNorm, SparsityTarget, or objects with a method ``gradient(W)``
        What holds the weights or the activity down. A single one need not be in a list; nor need a monitor
        or callback.
    centered : bool, default False
        Learn from centred units (Montavon & Müller 2012; Melchior, Fischer & Wiskott 2016): more stable, and
        blind to exchanging the roles of 0 and 1. The model stays in its ordinary parametrisation.
    epochs : int, default 10
        Passes over the data, at least 0.
    batch_size : int, default 100
        Rows per update, 1 to 32 768. The last batch of an epoch may be short, and counts as what it is.
    shuffle : bool or "blocks", default True
        A new order in every epoch; "blocks" moves blocks of 16 batches, and the rows within each, for memory
        maps.
    seed : int, numpy Generator or None
        Fixes every random number of the run. None draws a new one.
    validation : like X, optional
        Data for monitors; never learned from.
    monitors : list of Monitor
        What to record in the history.
    callbacks : list of Callback
        What to do after each epoch.
    progress : bool, default False
        Show a progress bar (``pip install rbmfast[progress]``) or else a line per epoch.
    checkpoint : path, optional
        Save the run here before its first epoch, every `checkpoint_every` epochs and at its end.
    checkpoint_every : int, default 1
        Epochs between checkpoints.
    resume : path, optional
        Go on from this checkpoint: the result equals, bit for bit, that of a run that never stopped.
        Everything that decides it must be the same; `epochs` may be larger unless a schedule depends on it.

    Returns
    -------
    History
        Numbers recorded before training and after every epoch.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it, and nothing has been changed.
    FileFormatError
        `resume` is no checkpoint, or is damaged.
    FloatingPointError
        Learning diverged; the model keeps the last completed epoch.
    KeyboardInterrupt
        Ctrl-C; the model has the parameters after the last complete update.

    Warns
    -----
    UserWarning
        Data that Gaussian units cannot learn well, because its columns are not standardised; weights so large
        that the sampler sees them only coarsely.

    Notes
    -----
    For units with 0/1 states, seed, data and settings fix every bit of the trained model, on every CPU, with
    any number of threads, from any container.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.repeat(np.eye(4), 25, axis=0)                    # one unit of four is on
    >>> rbm = rf.RBM(4, 6, seed=0)
    >>> history = rf.train(rbm, X, method=rf.PCD(k=1, n_chains=100), optimizer=rf.SGD(0.1, momentum=0.5),
    ...                    epochs=200, batch_size=10, seed=1, monitors=[rf.ReconstructionError()])
    >>> len(history), bool(history["train_reconstruction_error"][-1] < 0.05)
    (201, True)
    """
    saved = Checkpoint.of(resume, Run.kind)
    if saved is not None and state is not None:
        raise ValueError("state and resume exclude each other: a checkpoint is about a single run")
    plan = make_plan(
        rbm,
        X,
        sample_weight=sample_weight,
        method=method,
        optimizer=optimizer,
        penalties=penalties,
        centered=centered,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed_of(saved, seed),
        validation=validation,
        monitors=monitors,
        callbacks=callbacks,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        carried=state,
    )
    return Loop(Run(plan), saved).go()


class Loop:
    """A run with all that goes on around learning: monitors, history, callbacks, checkpoints, a display."""

    def __init__(self, run: BasicRun, saved: Checkpoint | None) -> None:
        self.plan = run.plan
        self.run = run
        self.saved = saved
        self.settings = self.plan.describe() if saved or self.plan.checkpoint else {}  # reads all data once
        if saved is not None:
            saved.check(run, self.settings)
        done = run.epoch if saved is None else saved.epoch
        self.display = Display(self.plan.progress, self.plan.epochs, self.plan.rows.n_rows, done)

    def go(self) -> History:
        """From the beginning to the end."""
        try:
            self.begin()
            while self.goes_on:
                self.epoch()
            self.end()
        finally:
            self.display.close()
        return self.run.history

    @property
    def goes_on(self) -> bool:
        """Whether another epoch is due."""
        return self.run.epoch < self.plan.epochs and self.run.history.stopped is None

    def begin(self) -> None:
        """Start the run, or put it back where it was."""
        if self.saved is None:
            self.run.start()
        else:
            self.saved.restore(self.run)
        self.run.publish()
        if self.saved is None:
            self._record(seconds=0.0)
        for callback in self.plan.callbacks:
            callback.on_train_begin(self._progress())
        if self.saved is not None:
            self.saved.restore_callbacks(self.plan)
        elif self.plan.checkpoint is not None:
            save_checkpoint(self.plan.checkpoint, self.run, self.settings)

    def epoch(self) -> None:
        """Learn from every row once; then look, tell, and save."""
        start = time.perf_counter()
        self.run.learn_epoch(self.display)
        seconds = time.perf_counter() - start
        self.run.publish()
        self.display.epoch(self._record(seconds))
        for callback in self.plan.callbacks:
            callback.on_epoch_end(self._progress())
        if self.plan.checkpoint is not None and (
            self.run.epoch % self.plan.checkpoint_every == 0 or not self.goes_on
        ):
            save_checkpoint(self.plan.checkpoint, self.run, self.settings)

    def end(self) -> None:
        """Tell the callbacks."""
        for callback in self.plan.callbacks:
            callback.on_train_end(self._progress())

    def _progress(self) -> Progress:
        return Progress(self.run.model, self.run.history, self.run.epoch, self.plan.epochs)

    def _record(self, seconds: float) -> dict[str, float]:
        """Look at the model, and write the epoch into the history."""
        run = self.run
        start = time.perf_counter()
        monitored = run.monitored()
        row = {
            "epoch": run.epoch,
            "seconds": seconds,
            "samples_per_second": self.plan.rows.n_rows / seconds if seconds > 0 else float("nan"),
            "monitor_seconds": time.perf_counter() - start,
            **monitored,
        }
        row |= {name: getattr(run, name) for name in run.columns if name not in row}  # such as the rate
        run.history.append(row)
        return row
