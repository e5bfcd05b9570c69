"""What is watched while a model learns.

Monitors look at a bounded number of rows, chosen once by the run's seed, from random streams of their own:
they never change training. A number that may stop a run is formed by the engine's functions and by sums in a
fixed order (`math.fsum` over rows), so that it has the same bits everywhere. (But
for `LogLikelihood`, whose log Z is rounded instead: differences of the last bits then hardly ever show.)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import Checked, check_fraction, check_integer, checked_by
from rbmfast.data import Rows
from rbmfast.models import RBM, BoltzmannMachine, ClassRBM
from rbmfast.models.tempering import MAX_REPLICAS
from rbmfast.models.two_layers import HOW, RANDOM
from rbmfast.reference import F32, I64, MAX_BATCH, States, row_sums
from rbmfast.saved import under
from rbmfast.streams import shuffled

KEPT = "notes/"  # before the names in a file of what monitors keep
_AT_LEAST_1 = checked_by(check_integer, low=1)


class Watched:
    """What a monitor is shown: the model, and some rows of the data.

    Attributes
    ----------
    rbm : RBM
        The model after `epoch` epochs. Monitors must not change it.
    epoch : int
        Epochs completed.
    has_validation : bool
        Whether validation data was given.
    seed : int
        Of the run.
    memory : dict of str to array
        What monitors keep for the next epoch, under names that begin with their own; checkpoints hold it.
    missing : {"random", "absent"}
        What missing entries are, which the rows show as NaN.
    log_z : tuple of float, or None
        Log Z of the model and its standard error, if the method that it learns by knows them.
    """

    def __init__(
        self,
        rbm: RBM | BoltzmannMachine,
        train: Rows,
        validation: Rows | None,
        seed: int,
        labelled: I64 | None = None,
        missing: str = RANDOM,
    ) -> None:
        self.rbm: Any = rbm
        self.missing = missing
        self.seed = seed
        self.memory: dict[str, NDArray[Any]] = {}
        self.log_z: tuple[float, float] | None = None
        self.epoch = 0
        self.has_validation = validation is not None
        self._sets = {"train": train, "validation": validation}
        self._labelled = labelled  # numbers of the training data's rows that are visible states; None: all
        self._taken: dict[tuple[str, int], States] = {}

    def numbers(self, monitors: Iterable[Monitor], epoch: int) -> dict[str, float]:
        """What all of them find after so many epochs."""
        self.epoch = epoch
        return {name: number for monitor in monitors for name, number in monitor(self).items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint: what they keep, by the names that `restore` knows."""
        return {KEPT + name: array for name, array in self.memory.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back what they kept."""
        self.memory |= under(arrays, KEPT)

    def train(self, max_rows: int) -> States:
        """At most `max_rows` rows of the training data, the same ones at every call.

        States (n_rows, n_visible): uint8 for binary data (int8 for spins), float32 for grey levels and real
        values, and where entries are missing, which are NaN.
        """
        return self.rows("train", max_rows)

    def validation(self, max_rows: int) -> States:
        """At most `max_rows` rows of the validation data, the same ones at every call."""
        return self.rows("validation", max_rows)

    def rows(self, which: str, max_rows: int) -> States:
        """The same for "train" or "validation"."""
        if (which, max_rows) not in self._taken:
            rows = self._sets[which]
            if rows is None:
                raise ValueError("validation must be given: a monitor asks for its rows")
            labelled = self._labelled if which == "train" else None
            n = rows.n_rows if labelled is None else len(labelled)
            chosen = self.choose(n, max_rows, number=("train", "validation").index(which))
            chosen = chosen if labelled is None else labelled[chosen]
            states = self.rbm.visible.shown(rows.block(chosen))
            if rows.missing is not None:
                states = np.where(rows.missing[chosen], np.float32(np.nan), states)
            self._taken[which, max_rows] = states
        return self._taken[which, max_rows]

    def choose(self, n: int, size: int, number: int) -> I64:
        """Numbers of `size` of n things, in order, chosen by the seed; `number` tells choices apart."""
        if size >= n:
            return np.arange(n)
        return np.sort(shuffled(n, self.seed, number)[:size])


class Monitor(ABC):
    """Something to measure before training and after each epoch.

    A monitor of your own is a subclass with `names` and `__call__`.

    Attributes
    ----------
    better : mapping of str to {"min", "max"}
        Which of its numbers are good when they are small or large, by name without ``train_`` and
        ``validation_``: what `rbmfast.EarlyStopping` goes by.
    takes_missing : tuple of str
        In which meaning of `missing` its rows may lack entries.
    sums_out : bool
        Whether it sums out those missing at random, which needs a small hidden layer.
    asks : tuple of str
        What of the model it asks for, by names that not every model has.
    takes_context : bool
        Whether it makes something of a model that is given a context with each row.
    needs_validation, needs_states, needs_classes, needs_switches : bool
        Whether it asks for validation data; data without grey levels; a model of classes; hidden units that
        are on or off.
    """

    better: ClassVar[Mapping[str, str]] = {}

    asks: ClassVar[tuple[str, ...]] = ()
    takes_missing: ClassVar[tuple[str, ...]] = ()
    sums_out: ClassVar[bool] = False
    takes_context: ClassVar[bool] = True
    needs_validation: ClassVar[bool] = False
    needs_states: ClassVar[bool] = False  # data without grey levels
    needs_classes: ClassVar[bool] = False  # a model of classes
    needs_switches: ClassVar[bool] = False  # hidden units that are on or off

    @abstractmethod
    def names(self, has_validation: bool) -> tuple[str, ...]:
        """The names of its numbers, known before training starts."""

    @abstractmethod
    def __call__(self, watched: Watched) -> dict[str, float]:
        """Its numbers, under those names."""

    def directions(self, has_validation: bool) -> dict[str, str | None]:
        """Its names, and which way each gets better: "min", "max", or None where nobody can say."""
        return {
            name: self.better.get(name.removeprefix("train_").removeprefix("validation_"))
            for name in self.names(has_validation)
        }


def mean_of(numbers: NDArray[np.float64]) -> float:
    """The mean, rounded once from the exact sum (plain when something is not finite)."""
    try:
        return math.fsum(numbers) / len(numbers)
    except (OverflowError, ValueError):  # infinities
        return float(np.sum(numbers)) / len(numbers)


class OfRows(Checked, Monitor):
    """A monitor of at most `max_rows` rows, whose number has a name; by default one of each set.

    Attributes
    ----------
    number : str
        What it records, behind ``train_`` and ``validation_``.
    """

    number: ClassVar[str]
    max_rows: int

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return (f"train_{self.number}", f"validation_{self.number}")[: 1 + has_validation]

    def __call__(self, watched: Watched) -> dict[str, float]:
        sets = ("train", "validation")[: 1 + watched.has_validation]
        return {
            f"{name}_{self.number}": self.measure(watched, watched.rows(name, self.max_rows)) for name in sets
        }

    def measure(self, watched: Watched, v: States) -> float:
        """The number of some rows."""
        raise NotImplementedError


class UnitsOfRows(OfRows):
    """A monitor of hidden units' probabilities given rows of training data: the share of some units."""

    asks: ClassVar[tuple[str, ...]] = ("n_hidden", "hidden_probabilities")
    takes_missing: ClassVar[tuple[str, ...]] = HOW
    needs_switches: ClassVar[bool] = True
    threshold: float

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return (self.number,)

    def __call__(self, watched: Watched) -> dict[str, float]:
        rbm, missing = watched.rbm, watched.missing
        rows = rbm._expected_rows(watched.train(self.max_rows), missing)
        chosen = self.choose(rbm.hidden.unshown(rbm.hidden_probabilities(rows, missing=missing)))
        return {self.number: int(chosen.sum()) / len(chosen)}

    def choose(self, probabilities: F32) -> NDArray[np.bool_]:
        """Which units count, by their probabilities (n_rows, n_hidden)."""
        raise NotImplementedError


@dataclass(frozen=True)
class ReconstructionError(OfRows):
    """Mean squared difference, per unit, between data and its mean-field reconstruction (`RBM.reconstruct`).

    Of the known entries.

    Records ``train_reconstruction_error`` and, with validation data, ``validation_reconstruction_error``.

    Parameters
    ----------
    max_rows : int, default 1000
        Rows looked at.

    Notes
    -----
    An alarm, no measure of the model: it may fall while the likelihood falls too (Hinton 2010, section 5).
    """

    max_rows: int = field(default=1000, metadata=_AT_LEAST_1)
    asks: ClassVar[tuple[str, ...]] = ("reconstruct",)
    takes_missing: ClassVar[tuple[str, ...]] = HOW
    number: ClassVar[str] = "reconstruction_error"
    better: ClassVar[Mapping[str, str]] = {"reconstruction_error": "min"}

    def measure(self, watched: Watched, v: States) -> float:
        unknown = np.isnan(v)
        how = {"missing": watched.missing} if unknown.any() else {}
        error = v.astype(np.float64) - watched.rbm.reconstruct(v, **how)
        error[unknown] = 0
        n_known = (~unknown[:, : watched.rbm.visible.drawn(v.shape[1])]).sum()
        return mean_of(row_sums(error * error)) / max(1.0, float(n_known / len(v)))


@dataclass(frozen=True)
class FreeEnergyGap(OfRows):
    """Mean free energy of validation data minus that of training data, in nats per row.

    It grows with overfitting. Records ``free_energy_gap``; needs ``validation=``. The partition function
    cancels, so this is the difference of mean log-likelihoods, training minus validation.

    Parameters
    ----------
    max_rows : int, default 1000
        Rows looked at in each of the two sets.

    Notes
    -----
    Hinton 2010, section 6.
    """

    max_rows: int = field(default=1000, metadata=_AT_LEAST_1)
    number: ClassVar[str] = "free_energy_gap"
    takes_missing: ClassVar[tuple[str, ...]] = (RANDOM,)
    sums_out: ClassVar[bool] = True
    better: ClassVar[Mapping[str, str]] = {"free_energy_gap": "min"}
    needs_validation: ClassVar[bool] = True

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return (self.number,)

    def __call__(self, watched: Watched) -> dict[str, float]:
        rbm = watched.rbm
        train = mean_of(rbm.free_energy(watched.train(self.max_rows)))
        return {self.number: mean_of(rbm.free_energy(watched.validation(self.max_rows))) - train}


@dataclass(frozen=True)
class PseudoLikelihood(OfRows):
    """Mean log pseudo-likelihood in nats per row: the sum over visible sites of log p(site | all others).

    A site is a visible unit, or a group of those that exclude each other. Records ``train_pseudo_likelihood``
    and, with validation data, ``validation_pseudo_likelihood``. Divide by the number of sites for nats per
    site.

    Parameters
    ----------
    units : int, optional
        Look at this many sites only, chosen once by the run's seed, and scale their sum up to all of them. By
        default all are looked at.
    max_rows : int, default 1000
        Rows looked at.

    Notes
    -----
    Besag, Statistical analysis of non-lattice data, The Statistician 24 (1975), 179. See
    `rbmfast.pseudo_likelihood`.
    """

    units: int | None = field(default=None, metadata=checked_by(check_integer, optional=True, low=1))
    max_rows: int = field(default=1000, metadata=_AT_LEAST_1)
    asks: ClassVar[tuple[str, ...]] = ("n_hidden",)
    takes_context: ClassVar[bool] = False
    number: ClassVar[str] = "pseudo_likelihood"
    better: ClassVar[Mapping[str, str]] = {"pseudo_likelihood": "max"}

    def measure(self, watched: Watched, v: States) -> float:
        from rbmfast.likelihood import pseudo_likelihood

        n_sites, units = len(watched.rbm.visible.sites(watched.rbm.n_visible)), None
        if self.units is not None and self.units < n_sites:
            units = watched.choose(n_sites, self.units, number=2)
        return mean_of(pseudo_likelihood(watched.rbm, v, units=units))


@dataclass(frozen=True)
class LogLikelihood(OfRows):
    """Mean log-likelihood in nats per row: what training raises.

    Records ``train_log_likelihood`` and, with validation data, ``validation_log_likelihood``; ``log_z`` and
    its standard error ``log_z_stderr``, which is that of the log-likelihoods, too. log Z is exact where a
    layer has at most 18 units (15 beside real-valued ones); `rbmfast.PTT` knows it without more ado.
    Otherwise tempered chains follow the model through training: each look begins where the last one ended,
    and costs ``n_chains * n_replicas * steps`` Gibbs steps.

    Parameters
    ----------
    n_chains : int, default 20
        Independent chains, at least 2.
    n_replicas : int, default 20
        Of each chain, at betas from independent units to the model.
    steps : int, default 50
        Gibbs steps of each replica at a look (ten times as many before the first).
    max_rows : int, default 1000
        Rows looked at in each set. Grey levels are refused: they have no likelihood.

    Notes
    -----
    `rbmfast.log_partition` with ``method="bracket"`` tells more about one model. Desjardins, Bengio &
    Courville, "On tracking the partition function", NIPS 2011, follow log Z in this spirit.
    """

    n_chains: int = field(default=20, metadata=checked_by(check_integer, low=2, high=MAX_BATCH))
    n_replicas: int = field(default=20, metadata=checked_by(check_integer, low=2, high=MAX_REPLICAS))
    steps: int = field(default=50, metadata=checked_by(check_integer, low=2, high=10**6))
    max_rows: int = field(default=1000, metadata=_AT_LEAST_1)
    number: ClassVar[str] = "log_likelihood"
    asks: ClassVar[tuple[str, ...]] = ("n_hidden", "hidden_probabilities")  # tempered chains of two layers
    takes_missing: ClassVar[tuple[str, ...]] = (RANDOM,)
    takes_context: ClassVar[bool] = False
    sums_out: ClassVar[bool] = True
    better: ClassVar[Mapping[str, str]] = {"log_likelihood": "max"}  # log Z has no better
    needs_states: ClassVar[bool] = True

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return (*super().names(has_validation), "log_z", "log_z_stderr")

    def __call__(self, watched: Watched) -> dict[str, float]:
        from rbmfast.likelihood.tracking import LogZTracker

        tracker = LogZTracker(self.n_chains, self.n_replicas, self.steps)
        if watched.log_z is not None and not tracker.is_exact(watched.rbm):
            log_z, stderr = watched.log_z
        else:
            own = "log_likelihood/"
            memory = under(watched.memory, own)
            own_log_z, stderr = tracker.look(watched.rbm, memory, watched.seed, watched.epoch)
            log_z = watched.rbm._log_volume - watched.rbm._shown_energies(-own_log_z)
            watched.memory.update({own + name: array for name, array in memory.items()})
        likelihoods = {name: -energy - log_z for name, energy in super().__call__(watched).items()}
        return {"log_z": log_z, "log_z_stderr": stderr, **likelihoods}

    def measure(self, watched: Watched, v: States) -> float:
        """The mean free energy: all of it but log Z."""
        return mean_of(watched.rbm.free_energy(v))


@dataclass(frozen=True)
class ClassificationError(OfRows):
    """Share of the rows whose class `rbmfast.ClassRBM.predict` gets wrong, from 0 to 1.

    Records ``train_classification_error`` and, with validation data, ``validation_classification_error``.
    Rows without a class are not looked at.

    Parameters
    ----------
    max_rows : int, default 1000
        Rows looked at in each set.
    """

    max_rows: int = field(default=1000, metadata=_AT_LEAST_1)
    number: ClassVar[str] = "classification_error"
    better: ClassVar[Mapping[str, str]] = {"classification_error": "min"}
    needs_classes: ClassVar[bool] = True

    def measure(self, watched: Watched, v: States) -> float:
        rbm = watched.rbm
        assert isinstance(rbm, ClassRBM)  # the run has looked
        features, label = np.split(v, [rbm.n_features], axis=1)
        wrong = rbm.predict(features) != label.argmax(axis=1)
        return int(wrong.sum()) / len(wrong)


@dataclass(frozen=True)
class SaturatedUnits(UnitsOfRows):
    """Share of the hidden units that are always on: probability at least `threshold` for every row looked at.

    Records ``saturated_units``, from 0 to 1. Such a unit tells nothing about the data; often the rate is too
    high. Real-valued hidden units are refused: they are neither on nor off.

    Parameters
    ----------
    threshold : float, default 0.99
        From 0 to 1.
    max_rows : int, default 1000
        Rows of training data looked at.
    """

    threshold: float = field(default=0.99, metadata=checked_by(check_fraction))
    max_rows: int = field(default=1000, metadata=_AT_LEAST_1)
    number: ClassVar[str] = "saturated_units"
    better: ClassVar[Mapping[str, str]] = {"saturated_units": "min"}

    def choose(self, probabilities: F32) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = probabilities.min(axis=0) >= self.threshold
        return chosen


@dataclass(frozen=True)
class DeadUnits(UnitsOfRows):
    """Share of the hidden units that are never on: probability at most `threshold` for every row looked at.

    Records ``dead_units``, from 0 to 1. Real-valued hidden units are refused: they are neither on nor off.

    Parameters
    ----------
    threshold : float, default 0.01
        From 0 to 1.
    max_rows : int, default 1000
        Rows of training data looked at.
    """

    threshold: float = field(default=0.01, metadata=checked_by(check_fraction))
    max_rows: int = field(default=1000, metadata=_AT_LEAST_1)
    number: ClassVar[str] = "dead_units"
    better: ClassVar[Mapping[str, str]] = {"dead_units": "min"}

    def choose(self, probabilities: F32) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = probabilities.max(axis=0) <= self.threshold
        return chosen


@dataclass(frozen=True)
class WeightNorm(Monitor):
    """Size of the weights.

    Records ``weight_norm``, the Euclidean norm of all of W, and ``weight_max``, the largest absolute weight.
    """

    takes_missing: ClassVar[tuple[str, ...]] = HOW
    asks: ClassVar[tuple[str, ...]] = ("W",)

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return ("weight_norm", "weight_max")

    def __call__(self, watched: Watched) -> dict[str, float]:
        W = watched.rbm.W.astype(np.float64).reshape(len(watched.rbm.W), -1)
        return {
            "weight_norm": math.sqrt(math.fsum(row_sums(W * W))),
            "weight_max": float(np.abs(W).max()),
        }
