"""`find_rate`: short runs at several learning rates, judged by rows that are held out."""

from __future__ import annotations

import copy
import importlib
import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rbmfast.checks import SeedLike, check_integer, check_model, check_number, check_seed
from rbmfast.models import DBM, RBM, BoltzmannMachine, ConditionalRBM, Network
from rbmfast.training.fine_tune import fine_tune
from rbmfast.training.history import History
from rbmfast.training.monitors import LogLikelihood, Monitor, PseudoLikelihood
from rbmfast.training.optimizers import SGD, Optimizer, as_optimizer
from rbmfast.training.train import train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
OF_ONE_RUN = ("checkpoint", "checkpoint_every", "resume", "state", "monitors", "progress")


@dataclass(frozen=True)
class FoundRate:
    """What `find_rate` tried, and what came of it; it prints as a table.

    Attributes
    ----------
    rate : float
        The best one.
    rates : tuple of float
        All that were tried, in order.
    values : tuple of float
        The number that judges, after learning at each of them; NaN where learning diverged.
    start : float
        The same before learning.
    judge : str
        What it is called as a column of a `History`.
    better : {"min", "max"}
        Which way it gets better.
    epochs : int
        Of each run.
    """

    rate: float
    rates: tuple[float, ...]
    values: tuple[float, ...]
    start: float
    judge: str
    better: str
    epochs: int

    def __str__(self) -> str:
        after = f"after {self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        width = max(len(f"{rate:g}") for rate in (*self.rates, 1000))
        lines = [f"{'rate':{width}}  {self.judge} {after} (before: {self.start:.5g})"]
        for rate, value in zip(self.rates, self.values, strict=True):
            shown = "diverged" if math.isnan(value) else f"{value:.5g}"
            lines.append(f"{rate:<{width}g}  {shown}{'  best' if rate == self.rate else ''}")
        end = {self.rates[0]: "lowest", self.rates[-1]: "highest"}.get(self.rate)
        if end:
            lines.append(f"the best is the {end} that was tried")
        return "\n".join(lines)

    def plot(self, **how: Any) -> Figure:
        """Draw it: `rbmfast.plots.rates`, which explains the arguments."""
        plots = importlib.import_module("rbmfast.plots")  # from above: it draws what is trained
        figure: Figure = plots.rates(self, **how)
        return figure


def find_rate(
    model: RBM | ConditionalRBM | DBM | BoltzmannMachine | Network,
    X: Any,
    y: Any = None,
    *,
    validation: Any,
    rates: Iterable[float] = RATES,
    epochs: int = 3,
    monitor: Monitor | None = None,
    optimizer: Optimizer = SGD(),  # noqa: B008  # settings, immutable
    seed: SeedLike = None,
    **settings: Any,
) -> FoundRate:
    """Find a learning rate: train copies of a model for a while, each at another, and look at held-out rows.

    Parameters
    ----------
    model : RBM, ConditionalRBM, DBM, BoltzmannMachine or Network
        Where all runs start from; it is not changed.
    X, y
        Data, as for `rbmfast.train`, which takes no `y`, or `rbmfast.fine_tune`.
    validation : like X, or a pair (X, y) for a Network
        The rows that judge. A run in earnest may learn from them, too.
    rates : iterable of float, default (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
        What to try, above 0.
    epochs : int, default 3
        Of each run. A rate that is best after a few need not be so after many, when it should fall.
    monitor : Monitor, optional
        What to look at: its first number of validation data that knows which way it gets better. By default
        `rbmfast.LogLikelihood` where it is exact, for up to 18 units in a layer and data without grey levels,
        else `rbmfast.PseudoLikelihood`. A Network is judged by its loss.
    optimizer : SGD, Adam or Cosine, default SGD()
        Whose rate is replaced; its other settings stay.
    seed : int, numpy Generator or None
        Of every run. None draws a new one.
    **settings
        Further ones of `rbmfast.train` or `rbmfast.fine_tune`, such as `method` and `batch_size`.

    Returns
    -------
    FoundRate
        The best rate, as ``rate``, and all that was tried: ``print`` shows a table, ``plot`` draws it.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; learning diverged at all rates, or the monitor gave no number.

    Notes
    -----
    Seed, data and settings fix the result, as they fix each run. On the binary table dna (20 hidden units,
    PCD, batches of 20) three epochs choose 0.3, and of runs of 30 epochs whose rate falls from one of the
    ladder to 0 the one from 0.3 has the best exact log-likelihood of the same rows, -97.30 nats (from 0.1
    -97.51, from 1 -97.49).

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.repeat(np.random.default_rng(0).integers(0, 2, (500, 3)), 4, axis=1)     # blocks of four
    >>> rbm = rf.RBM(12, 6, seed=0)
    >>> settings = dict(method="pcd", penalties=(), centered=False, batch_size=20, seed=1)
    >>> found = rf.find_rate(rbm, X[:400], validation=X[400:], rates=[0.1, 1, 10, 1e16], **settings)
    >>> print(found)
    rate   validation_log_likelihood after 3 epochs (before: -8.35)
    0.1    -8.3699
    1      -7.4393  best
    10     -14.897
    1e+16  diverged
    >>> history = rf.train(rbm, X, optimizer=rf.SGD(rf.Linear(found.rate)), epochs=30, **settings)
    """
    for name in OF_ONE_RUN:
        if name in settings:
            raise TypeError(f"find_rate has no argument {name!r}, which is about a single run")
    ladder, optimizer = _check_rates(rates), as_optimizer(optimizer)
    epochs = check_integer(epochs, "epochs", low=1)
    learn, judge, better = _learner(model, X, y, validation, monitor)
    learn = partial(learn, epochs=epochs, seed=check_seed(seed), **settings)
    histories = [_attempt(learn, model, replace(optimizer, rate=rate)) for rate in ladder]  # type: ignore[type-var]
    values = [math.nan if history is None else float(history[judge][-1]) for history in histories]
    numbers = {rate: value for rate, value in zip(ladder, values, strict=True) if math.isfinite(value)}
    if not numbers:
        raise ValueError(f"rates: learning diverged at all of {', '.join(map(repr, ladder))}: try lower ones")
    best = (max if better == "max" else min)(numbers, key=numbers.__getitem__)
    start = next(float(history[judge][0]) for history in histories if history is not None)
    tried = tuple(numbers.get(rate, math.nan) for rate in ladder)
    return FoundRate(best, ladder, tried, start, judge, better, epochs)


def _check_rates(rates: Iterable[float]) -> tuple[float, ...]:
    """Each once, in order."""
    if isinstance(rates, (str, bytes)) or not isinstance(rates, Iterable):
        raise TypeError(f"rates must be a list of numbers above 0, got {rates!r}")
    ladder = sorted({check_number(rate, "rates", above=0.0) for rate in rates})
    if not ladder:
        raise ValueError("rates must hold a rate or more, got none")
    return tuple(ladder)


def _learner(
    model: Any, X: Any, y: Any, validation: Any, monitor: Monitor | None
) -> tuple[Callable[..., History], str, str]:
    """What teaches a model, the column that judges, and which way that gets better."""
    check_model(model, (RBM, ConditionalRBM, DBM, BoltzmannMachine, Network), "model")
    if validation is None:
        raise ValueError("validation must be given: its rows judge")
    if isinstance(model, Network):
        if monitor is not None:
            raise ValueError(f"monitor must be None for an rf.Network: its loss judges, got {monitor!r}")
        return partial(fine_tune, X=X, y=y, validation=validation), "validation_loss", "min"
    if y is not None:
        raise ValueError(f"y must be None for {model!r}, which learns from X alone")
    monitor = _default_monitor(model, validation) if monitor is None else monitor
    if not isinstance(monitor, Monitor):
        raise TypeError(f"monitor must be a Monitor such as rf.PseudoLikelihood(), got {monitor!r}")
    for name, better in monitor.directions(True).items():
        if better is not None and name.startswith("validation_"):
            return partial(train, X=X, validation=validation, monitors=monitor), name, better
    raise ValueError(f"monitor must record a number of validation data that gets better, got {monitor!r}")


def _default_monitor(model: Any, validation: Any) -> Monitor:
    """The exact log-likelihood where there is one."""
    from rbmfast.likelihood.enumeration import can_enumerate
    from rbmfast.likelihood.tracking import EXACT_UNITS

    if isinstance(model, (ConditionalRBM, DBM)):
        raise ValueError(f"monitor must be given for {model!r}, such as rf.ReconstructionError()")
    if not isinstance(model, RBM) or not can_enumerate(model, EXACT_UNITS):
        return PseudoLikelihood()
    unit, n = model._row_units
    try:
        unit.refuse_grey(unit.rows(validation, n, "validation", may_miss=True))
    except ValueError:
        return PseudoLikelihood()
    return LogLikelihood()


def _attempt(learn: Callable[..., History], model: Any, optimizer: Optimizer) -> History | None:
    """How learning goes; None if it diverges."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # rates that are too high are tried on purpose
            return learn(copy.deepcopy(model), optimizer=optimizer)
    except FloatingPointError:
        return None
