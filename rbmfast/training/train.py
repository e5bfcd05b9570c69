"""`train`: an RBM learns from data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from numpy.typing import ArrayLike

from rbmfast.checks import SeedLike, check_model, refuse_share
from rbmfast.data import Rows
from rbmfast.files import FilePath
from rbmfast.models import DBM, RBM, BoltzmannMachine, ConditionalRBM
from rbmfast.models.observed import count_hidden_states
from rbmfast.models.two_layers import RANDOM
from rbmfast.training.callbacks import Callback
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.history import BASIC, History
from rbmfast.training.joint_run import JointRun
from rbmfast.training.methods import Method
from rbmfast.training.monitors import Monitor
from rbmfast.training.optimizers import Optimizer
from rbmfast.training.penalties import Penalties, check_switches
from rbmfast.training.rbm_run import RBMRun
from rbmfast.training.recipe import completed, method_of
from rbmfast.training.run import Run
from rbmfast.training.settings import LayerSettings, TrainSettings, explain_keywords
from rbmfast.training.state import TrainingState


@explain_keywords
def train(
    rbm: RBM | ConditionalRBM | DBM | BoltzmannMachine,
    X: Any,
    *,
    context: Any = None,
    sample_weight: ArrayLike | None = None,
    method: Method | str | None = None,
    optimizer: Optimizer | float | None = None,
    penalties: Penalties | None = None,
    centered: bool | None = None,
    missing: str = "random",
    epochs: int | None = None,
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
    rbm : RBM, ConditionalRBM, DBM or BoltzmannMachine
        The model to train, in place. One that nobody has touched is initialised from the data first.
    X : array_like, sparse matrix, memory map, Grey8 or Packed, (n_rows, n_visible)
        Data; not copied, so do not change it during training. With missing entries (NaN in a float array, NA
        in a frame, masked entries) it is copied, to bytes where units are 0 or 1.
    context : data of shape (n_rows, n_context)
        Of a `ConditionalRBM`: what is given with each row.
    sample_weight : array_like (n_rows,), optional
        Multiplies each row's share of an update; weights of mean 1 leave the rate its meaning. A row of
        weight 0 teaches nothing, one of weight 2 as much as two; but a new model begins with the biases, and
        centring with the means, of all rows alike. With 0/1 units weights are kept to 2**-17 of the largest
        one in a batch.
    method : CD, PCD, PT, PTT, FPCD, UnbiasedCD, Discriminative, Hybrid, MaximumPseudoLikelihood, or another
        Where the samples of the negative phase come from, or what else is to be learned. "cd", "pcd", "pt",
        "ptt", "fpcd" and "unbiasedcd" stand for those with their defaults. Default:
        ``PCD(n_chains=500)``; `CD` where chains must start at the rows, as for documents and contexts.
    optimizer : SGD, Adam, Cosine or float, default SGD(Linear(0.1), momentum=0.5)
        How gradients become steps; a number is the rate of plain gradient ascent. `Adam`, `Cosine`
        and SGD with a `clip` take one Python step per update: slower. The default begins with a tenth of
        that rate where a layer has real states, and keeps its rate with a `state`.
    penalties : list of L1, L2, BlockL1, MaxNorm, SparsityTarget, or objects with a method ``gradient(W)``
        What holds the weights or the activity down. A single one need not be in a list; nor need a monitor
        or callback. Default: ``L2(min(3 / n_rows, 0.002))``; with a `state`, and
        where classes are told apart, none.
    centered : bool, optional
        Learn from centred units (Montavon & Müller 2012; Melchior, Fischer & Wiskott 2016): more stable, and
        blind to exchanging the roles of 0 and 1. The model stays in its ordinary parametrisation. Default:
        True, but for shared weights, Boltzmann machines of one layer, ``missing="absent"``, `Discriminative`
        and `Hybrid`.
    missing : {"random", "absent"}
        What missing entries of `X` are. "random": unknown. They are drawn given the known ones, by a chain
        for each row that takes a Gibbs step at every update from it: maximum likelihood of what is known, if
        entries are missing at random. "absent": not there. Each row has an RBM of its own, of the units that
        it knows and the shared weights, as in collaborative filtering; for `CD`.
    epochs : int, optional
        Passes over the data, at least 0. Default: as many as 20 000 updates take, 2000 at most; with a
        `state` 1.
    batch_size : int, default 100
        Rows per update, 1 to 32 768. The last batch of an epoch may be short, and counts as what it is.
    shuffle : bool or "blocks", default True
        A new order in every epoch; "blocks" moves blocks of 16 batches, and the rows within each, for memory
        maps.
    seed : int, numpy Generator or None
        Fixes every random number of the run. None draws a new one.
    validation : like X, optional
        Data for monitors; never learned from. With contexts a pair of these.
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
    The defaults are one recipe, tried on seven sets of binary data (``docs/design/020-recipe.md``).

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
    asked, saved = locals(), Checkpoint.of(resume, RBMRun.kind)
    if saved is not None and state is not None:
        raise ValueError("state and resume exclude each other: a checkpoint is about a single run")
    make = RUNS[getattr(rbm, "learns", RBM.learns)]
    return make(rbm, X, TrainSettings.of(asked, saved), validation, state, context).go(saved)


def make_run(
    model: RBM | ConditionalRBM | DBM,
    X: Any,
    settings: LayerSettings,
    validation: Any = None,
    state: TrainingState | None = None,
    context: Any = None,
) -> RBMRun:
    """The run that was asked for: everything is checked, and nothing changed yet."""
    check_model(model, (RBM, ConditionalRBM, DBM), "rbm")
    refuse_share(validation)
    ((_, rbm),) = model._named_rbms()
    with rbm._beginning_with(model._to_learn(X, context, "X")) as X:
        rows, labelled = method_of(settings, rbm).rows(rbm, X)
        settings = completed(settings, rbm, rows.n_rows, state is not None)
        unit, n = rbm._row_units
        if validation is not None:
            validation = model._to_learn(validation, None, "validation")
            validation = unit.rows(validation, n, "validation", may_miss=True)
        seen = rbm if n == rbm.n_visible else model
        numbers = _check_monitors(settings, seen, rows, validation)
        if n != rbm.n_visible:
            _check_for_deep(settings, rows, validation)
        if rows.missing is not None or (validation is not None and validation.missing is not None):
            _check_for_missing(settings, rbm)
        return RBMRun(model, rbm, rows, settings, numbers, validation, labelled, state)


def make_joint_run(
    machine: BoltzmannMachine,
    X: Any,
    settings: TrainSettings,
    validation: Any = None,
    state: TrainingState | None = None,
    context: Any = None,
) -> JointRun:
    """The same of a machine whose units are all in one layer."""
    refuse_share(validation)
    for name, value in (("state", state), ("context", context)):
        if value is not None:
            raise ValueError(f"{name} must be None for an rf.BoltzmannMachine, got {type(value).__name__}")
    rows = machine.visible.rows_of_states(X, machine.n_visible, may_miss=True)
    if validation is not None:
        validation = machine.visible.rows_of_states(validation, machine.n_visible, "validation")
    settings = completed(settings, machine, rows.n_rows)
    numbers = _check_monitors(settings, machine, rows, validation)
    return JointRun(machine, rows, settings, numbers, validation)


RUNS: dict[str, Callable[..., Run]] = {RBM.learns: make_run, BoltzmannMachine.learns: make_joint_run}


def _check_for_deep(settings: LayerSettings, *sets: Rows | None) -> None:
    """Raise an error where a deep Boltzmann machine cannot do what an RBM can."""
    if not settings.method.persistent:
        raise ValueError(
            "method must have persistent chains, such as rf.PCD(k=5), for a deep Boltzmann machine, got "
            f"{settings.method!r}"
        )
    for name, rows in zip(("X", "validation"), sets, strict=True):
        if rows is not None and rows.missing is not None:
            raise ValueError(
                f"{name} must be complete for a deep Boltzmann machine: fill entries in with its `impute`"
            )


def _check_for_missing(settings: LayerSettings, rbm: RBM) -> None:
    """Raise ValueError where a monitor can make nothing of rows with missing entries."""
    how = settings.missing if isinstance(settings, TrainSettings) else RANDOM
    for monitor in settings.monitors:
        if how not in monitor.takes_missing:
            raise ValueError(
                f"X and validation must be complete for {type(monitor).__name__} in monitors, which makes "
                f"nothing of entries with missing={how!r}: leave it out"
            )
        if monitor.sums_out:
            count_hidden_states(rbm)


def _check_monitors(
    settings: LayerSettings, rbm: Any, rows: Rows, validation: Rows | None
) -> dict[str, str | None]:
    """What the method and the monitors record, and which way each number gets better."""
    of_method = settings.method.numbers
    numbers: dict[str, str | None] = dict.fromkeys(of_method)
    for monitor in settings.monitors:
        who = f"{type(monitor).__name__} in monitors"
        if lacking := [name for name in monitor.asks if not hasattr(rbm, name)]:
            raise TypeError(f"{who} asks for {lacking[0]}, which {rbm!r} has not: leave it out")
        if not monitor.takes_context and rbm.visible.needs_rows and not rbm.visible.needs_whole_rows:
            raise ValueError(f"{who} makes nothing of units that are drawn in a context: leave it out")
        if monitor.needs_classes and not rbm.n_classes:
            raise TypeError(f"rbm must be an rf.ClassRBM for {who}, got {rbm!r}")
        if monitor.needs_switches:
            check_switches(rbm, who)
        if monitor.needs_validation and validation is None:
            raise ValueError(f"validation must be given: {who} needs it")
        for name, direction in monitor.directions(validation is not None).items():
            if name in BASIC or (name in numbers and name not in of_method):
                raise ValueError(f"monitors record {name!r} twice")
            numbers[name] = direction
    if any(monitor.needs_states for monitor in settings.monitors):
        rbm.visible.refuse_grey(rows)
        if validation is not None:
            rbm.visible.refuse_grey(validation, "validation")
    return numbers
