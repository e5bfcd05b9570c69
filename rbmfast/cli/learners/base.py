"""What all kinds of models have in common as ``rbmfast train`` learns them, which is an RBM's way."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import rbmfast as rf
from rbmfast.cli.datafiles import DataFile, Examples
from rbmfast.cli.models import draw, n_classes
from rbmfast.cli.options import CommandError, Kind, number
from rbmfast.cli.progress import display
from rbmfast.cli.tables import schema_of
from rbmfast.data import Rows
from rbmfast.tables import Schema
from rbmfast.training import Method, Schedule
from rbmfast.training.methods import WORDS as METHODS
from rbmfast.training.optimizers import Optimizer
from rbmfast.training.recipe import METHOD, MOMENTUM, RATE, rate_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rbmfast.reference import F32, States

# What the words of options mean, and the library's defaults.
SCHEDULES: dict[str, Callable[[float, float], Schedule]] = {
    "constant": lambda rate, decay: rf.Constant(rate),
    "linear": lambda rate, decay: rf.Linear(rate),
    "exponential": rf.Exponential,
}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": rf.SGD, "adam": rf.Adam, "cosine": rf.Cosine}
METHOD_OPTIONS = {"k": "k", "chains": "n_chains", "replicas": "n_replicas"}  # and what they set
PENALTIES = ("l1", "l2", "max_norm", "sparsity", "block_l1")
FOR_RATES = ("method", "optimizer", "penalties", "centered", "batch_size", "shuffle", "seed")
ORDERS = {"rows": True, "blocks": "blocks", "none": False}

SHOWN = 30  # rows that are drawn beside their reconstructions
PER_LABEL = 10  # samples of each
MAX_LABELS = 30  # that are drawn
PSEUDO_ROWS = 100  # whose pseudo-likelihood is watched: a hundredth of a second an epoch
MANY = 100  # samples, where there are no labels


# --- From options to settings ------------------------------------------------------------------------------


def methods_with(setting: str) -> list[str]:
    """What those methods are called that have such a setting."""
    return [word for word, method in METHODS.items() if setting in signature(method).parameters]


def listing(words: list[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def penalty(kind: Callable[[float], Any]) -> Kind:
    """A penalty of this strength; of 0 none, which is not to say nothing."""
    return number(lambda strength: kind(strength) if strength else ())


def method_of(given: argparse.Namespace, default: str) -> Method:
    """Where samples of the negative phase come from."""
    options = {name: getattr(given, option) for option, name in METHOD_OPTIONS.items()}
    asked = {name: value for name, value in options.items() if value is not None}
    kind = METHODS[given.method or default]
    return replace(METHOD, **asked) if isinstance(METHOD, kind) else kind(**asked)


def optimizer_of(
    given: argparse.Namespace, rate: float | None, default: float = RATE, momentum: float | None = None
) -> Optimizer:
    """How to step, at a rate under the schedule that was asked for; `default` and `momentum` are of SGD."""
    kind = OPTIMIZERS[given.optimizer]
    own: dict[str, Any] = {}
    if kind is rf.SGD:
        asked = MOMENTUM if given.momentum is None else given.momentum
        own["momentum"] = asked if momentum is None else momentum
    else:
        default = kind().schedules[0].bounds()[0]
    schedule = SCHEDULES[given.rate_schedule](default if rate is None else rate, given.rate_decay)
    return kind(schedule, clip=given.clip, **own)


def common(given: argparse.Namespace) -> dict[str, Any]:
    """What every way to learn takes."""
    return {"batch_size": given.batch_size, "shuffle": ORDERS[given.shuffle], "seed": given.seed}


def each(given: argparse.Namespace, name: str, n_layers: int = 1) -> list[Any]:
    """The values of an option for every layer: one for all, or one for each."""
    values: list[Any] = getattr(given, name)
    if len(values) not in (1, n_layers):
        for_one = f"one number for --model {given.model}, got {len(values)}; --model dbn has layers"
        for_each = f"one number, or one for each of {n_layers} layers, got {len(values)} numbers"
        raise CommandError(f"--{name}: {for_one if n_layers == 1 else for_each}")
    return values if len(values) == n_layers else values * n_layers


# --- Kinds of models ---------------------------------------------------------------------------------------


class Learner:
    """Learns an RBM; what other kinds do differently they redefine.

    Parameters
    ----------
    given : argparse.Namespace
        Options; what is wrong with them is found out here, before any file is read.

    Attributes
    ----------
    about : str
        What the help says that it learns.
    options : tuple of str
        Options of ``rbmfast train`` that only some kinds have, among them this one.
    hidden : tuple of int
        Hidden units of each layer, by default.
    monitors : tuple of Monitor
        What is watched.
    keeps_trajectory : bool
        Whether its files can hold what rf.PTT leaves.
    model : Storable
        From `begin` on.
    """

    about: ClassVar[str] = "a restricted Boltzmann machine"
    options: ClassVar[tuple[str, ...]] = ("find_rate",)
    hidden: ClassVar[tuple[int, ...]] = (128,)
    monitors: ClassVar[tuple[rf.training.Monitor, ...]] = (rf.ReconstructionError(),)
    keeps_trajectory: ClassVar[bool] = True
    model: Any

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        given.hidden, given.rate = given.hidden or [*self.hidden], given.rate or [None]
        given.epochs = given.epochs or [None]
        self.data: Examples
        self.validation: Examples | None = None
        if given.find_rate and given.validation is None:
            raise CommandError("--find-rate needs --validation, the rows that judge")
        penalties = [asked for name in PENALTIES if (asked := getattr(given, name)) is not None]
        self.settings = {
            "penalties": [*filter(None, penalties)] if penalties else None,
            "centered": given.centered,
            "monitors": self.monitors,
            "checkpoint": given.checkpoint,
            "resume": given.resume,
            **common(given),
            **self._settings(),
        }

    # --- What is different ----------------------------------------------------------------------------------

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Define the options that only this kind has."""
        return

    @staticmethod
    def default_method(given: argparse.Namespace) -> str:
        """The word of --method that is meant if none is said; empty for one without a word."""
        return "pcd"

    def _settings(self) -> dict[str, Any]:
        """What only this kind asks of `rbmfast.train` or `rbmfast.pretrain`, if its options are fine."""
        given = self.given
        (_,), (epochs,), (rate,) = (each(given, name) for name in ("hidden", "epochs", "rate"))
        return {"method": self._method(), "optimizer": optimizer_of(given, rate), "epochs": epochs}

    def _choose_rates(self) -> None:
        """Take the recipe's learning rate, which depends on the units, where none was asked for."""
        if self.given.rate == [None]:
            self.settings["optimizer"] = optimizer_of(self.given, None, rate_of(self._lowest))

    def _method(self) -> Method | None:
        given = self.given
        asked = any(getattr(given, name) is not None for name in ("method", *METHOD_OPTIONS))
        method = method_of(given, self.default_method(given)) if asked else None
        if self.given.trajectory and not self.keeps_trajectory:
            raise CommandError(f"--trajectory is no option of --model {self.given.model}")
        if self.given.trajectory and not isinstance(method, rf.PTT):
            raise CommandError("--trajectory is an option of --method ptt")
        return method

    def _new_model(self, n_features: int, n_classes: int) -> Any:
        given = self.given
        return rf.RBM(n_features, given.hidden[0], visible=self.data.unit, seed=given.seed)

    def schema(self, data: DataFile) -> Schema | None:
        """What the columns are, if nothing was said of their units; None where one type is enough."""
        return None if data.is_plain else schema_of(data.stored, {}, False)

    def _rows(self, part: Examples) -> Rows:
        """What `rbmfast.train` gets."""
        return part.rows

    def stages(self) -> Iterator[tuple[str, rf.History]]:
        """Learn; what each part is called, and how it went."""
        validation = None if self.validation is None else self._rows(self.validation)
        rows = self._rows(self.data)
        if self.given.find_rate:
            self._find_rate(rows, validation)
        yield "", rf.train(self.model, rows, validation=validation, **self.settings, **self._watching())

    def _find_rate(self, rows: Rows, validation: Any) -> None:
        """Take the best of several learning rates, and show what was tried."""
        own = {name: self.settings[name] for name in FOR_RATES}
        found = rf.find_rate(self.model, rows, validation=validation, **own)
        print(found, flush=True)
        self.settings["optimizer"] = optimizer_of(self.given, found.rate)

    def _watching(self, *headings: str) -> dict[str, Any]:
        """What is done after each epoch."""
        shown, share = display(*headings), self.given.average
        return shown if share is None else {**shown, "callbacks": [*shown["callbacks"], rf.Average(share)]}

    def files(self) -> dict[str, Callable[[str], None]]:
        """What writes what there is, by the names of the files."""
        kept = self.given.trajectory and self.model.trajectory is not None
        return {self.given.output: partial(self.model.save, trajectory=True) if kept else self.model.save}

    def _reconstructions(self, V: States) -> F32:
        again: F32 = self.model.reconstruct(V)
        return again

    # --- What is the same -----------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[str | None]:
        """Files that are read."""
        given = self.given
        return [given.file, given.validation, given.labels, given.validation_labels, given.resume]

    def begin(
        self,
        data: Examples,
        validation: Examples | None,
        schema: Schema | None = None,
        class_names: tuple[str, ...] = (),
    ) -> None:
        """Make the model, perhaps of a table's columns."""
        self.data, self.validation = data, validation
        labels = [part.labels for part in (data, validation) if part is not None and part.labels is not None]
        n_classes = max((int(part.max()) + 1 for part in labels), default=0)
        if labels and n_classes < 2:
            raise CommandError(f"{self.given.labels}: must hold two classes or more, holds {n_classes}")
        self.model = self._new_model(data.rows.n_features, n_classes)
        self.model.schema, self.model.class_names = schema, class_names
        self._new = zlib.crc32(self._lowest.W.data)
        self._choose_rates()
        if self._is_incomplete:
            self.settings["monitors"] = [rf.WeightNorm()]  # others need whole rows, or few hidden units
        self.settings["monitors"] = [*self.settings["monitors"], *self._likelihood()]

    @property
    def _is_incomplete(self) -> bool:
        parts = self.data, self.validation
        return any(part is not None and part.rows.missing is not None for part in parts)

    def _likelihood(self) -> list[rf.training.Monitor]:
        """What watches a likelihood: of states alone, exact or known to the method if that can be."""
        from rbmfast.likelihood.enumeration import has_exact_log_z
        from rbmfast.likelihood.tracking import EXACT_UNITS

        whole = not self._is_incomplete and not self.model.visible.needs_rows
        if type(self) is not Learner or self.data.rows.kind == "grey" or not whole:
            return []
        is_known = has_exact_log_z(self.model, EXACT_UNITS) or isinstance(self.settings["method"], rf.PTT)
        return [rf.LogLikelihood() if is_known else rf.PseudoLikelihood(max_rows=PSEUDO_ROWS)]

    @property
    def _lowest(self) -> rf.RBM:
        """The RBM that rows go into, which learns first."""
        rbm: rf.RBM = self.model
        return rbm

    @property
    def has_begun(self) -> bool:
        """Whether anything was learned."""
        return zlib.crc32(self._lowest.W.data) != self._new

    def figures(self, shape: tuple[int, int]) -> dict[str, Figure]:
        """Pictures of what was learned."""
        V, n = self.data.some(SHOWN), min(n_classes(self.model), MAX_LABELS)
        labels = np.repeat(np.arange(n), PER_LABEL) if n else None
        drawn, _ = draw(self.model, n * PER_LABEL or MANY, labels, mean=True, seed=self.given.seed)
        if labels is None:
            samples = rf.plots.images(drawn, shape, MANY, title="Samples of the model")
        else:
            samples = rf.plots.samples_by_label(drawn, labels, shape, PER_LABEL)
        return {
            "filters": rf.plots.filters(self._lowest, shape),
            "samples": samples,
            "reconstructions": rf.plots.reconstructions(V, self._reconstructions(V), shape),
        }
