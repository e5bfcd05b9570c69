"""How ``rbmfast train`` learns each kind of model: a class for each, and a line in `LEARNERS`."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import zlib
from collections.abc import Callable, Iterator
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import rbmfast as rf
from rbmfast.cli import output
from rbmfast.cli.datafiles import Examples
from rbmfast.cli.models import draw, n_classes
from rbmfast.cli.options import CommandError, Kind, number, refuse
from rbmfast.cli.progress import announce, display
from rbmfast.data import Rows
from rbmfast.tables import Schema
from rbmfast.training import Method, Schedule
from rbmfast.training.methods import WORDS as METHODS
from rbmfast.training.settings import FineTuneSettings, UpDownSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rbmfast.reference import F32, States

# What the words of options mean, and the library's defaults.
SCHEDULES: dict[str, Callable[[float, float], Schedule]] = {
    "constant": lambda rate, decay: rf.Constant(rate),
    "linear": lambda rate, decay: rf.Linear(rate),
    "exponential": rf.Exponential,
}
METHOD_OPTIONS = {"k": "k", "chains": "n_chains", "replicas": "n_replicas"}  # and what they set
ORDERS = {"rows": True, "blocks": "blocks", "none": False}
UP_DOWN_RATE, FINE_TUNING_RATE, FINE_TUNING_MOMENTUM = (
    schedule.bounds()[0]
    for schedule in (*UpDownSettings.optimizer.schedules[:1], *FineTuneSettings.optimizer.schedules)
)

SHOWN = 30  # rows that are drawn beside their reconstructions
PER_LABEL = 10  # samples of each
MAX_LABELS = 30  # that are drawn
MANY = 100  # samples, where there are no labels


# --- From options to settings ------------------------------------------------------------------------------


def check_options(given: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    for option in dict.fromkeys(option for kind in LEARNERS.values() for option in kind.options):
        _check_choice(given, option, "model", [w for w, kind in LEARNERS.items() if option in kind.options])
    for option, name in METHOD_OPTIONS.items():
        _check_choice(given, option, "method", methods_with(name))
    if given.validation_labels is not None and (given.validation is None or given.labels is None):
        raise CommandError("--validation-labels go with --labels and --validation")


def _check_choice(given: argparse.Namespace, option: str, of: str, able: list[str]) -> None:
    """Refuse an option that only some models or methods have, if another is chosen."""
    if (getattr(given, of) or "cd") not in able:
        refuse(given, [option], f"is an option of --{of} {listing(able)}")


def methods_with(setting: str) -> list[str]:
    """What those methods are called that have such a setting."""
    return [word for word, method in METHODS.items() if setting in signature(method).parameters]


def listing(words: list[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def penalty(kind: Callable[[float], Any]) -> Kind:
    """A penalty of this strength; None of 0."""
    return number(lambda strength: kind(strength) if strength else None)


def method_of(given: argparse.Namespace) -> Method:
    """Where samples of the negative phase come from."""
    asked = {name: getattr(given, option) for option, name in METHOD_OPTIONS.items()}
    return METHODS[given.method or "cd"](**{k: value for k, value in asked.items() if value is not None})


def sgd(
    given: argparse.Namespace, rate: float | None, default: float = 0.0, momentum: float | None = None
) -> rf.SGD:
    """A rate under the schedule that was asked for, and a momentum."""
    schedule = SCHEDULES[given.rate_schedule](default if rate is None else rate, given.rate_decay)
    return rf.SGD(schedule, given.momentum if momentum is None else momentum)


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
    options : tuple of str
        Options of ``rbmfast train`` that only some kinds have, among them this one.
    model : RBM, ClassRBM or DBN
        From `begin` on.
    """

    options: ClassVar[tuple[str, ...]] = ()
    model: Any

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.data: Examples
        self.validation: Examples | None = None
        self.settings = {
            "penalties": [*filter(None, (given.l1, given.l2, given.max_norm, given.sparsity))],
            "centered": given.centered,
            "monitors": [rf.ReconstructionError()],
            "checkpoint": given.checkpoint,
            "resume": given.resume,
            **common(given),
            **self._settings(),
        }

    # --- What is different ----------------------------------------------------------------------------------

    def _settings(self) -> dict[str, Any]:
        """What only this kind asks of `rbmfast.train` or `rbmfast.pretrain`, if its options are fine."""
        given = self.given
        (_,), (epochs,), (rate,) = (each(given, name) for name in ("hidden", "epochs", "rate"))
        return {"method": self._method(), "optimizer": sgd(given, rate), "epochs": epochs}

    def _method(self) -> Method:
        return method_of(self.given)

    def _new_model(self, n_features: int, n_classes: int) -> Any:
        given = self.given
        return rf.RBM(n_features, given.hidden[0], visible=self.data.unit, seed=given.seed)

    def _rows(self, part: Examples) -> Rows:
        """What `rbmfast.train` gets."""
        return part.rows

    def stages(self) -> Iterator[tuple[str, rf.History]]:
        """Learn; what each part is called, and how it went."""
        validation = None if self.validation is None else self._rows(self.validation)
        rows = self._rows(self.data)
        yield "", rf.train(self.model, rows, validation=validation, **self.settings, **display())

    def files(self) -> dict[str, Callable[[str], None]]:
        """What writes what there is, by the names of the files."""
        return {self.given.output: self.model.save}

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

    @property
    def _lowest(self) -> rf.RBM:
        """The RBM that rows go into, which learns first."""
        rbm: rf.RBM = self.model.generative[0] if isinstance(self.model, rf.DBN) else self.model
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


class ClassLearner(Learner):
    """Learns a class RBM."""

    options = ("labels", "validation_labels", "generative", "unlabelled", "dropout")

    def _settings(self) -> dict[str, Any]:
        if self.given.labels is None:
            raise CommandError("--model class-rbm needs --labels")
        return {**super()._settings(), "monitors": [rf.ReconstructionError(), rf.ClassificationError()]}

    def _method(self) -> Method:
        given = self.given
        generative, unlabelled, dropout = given.generative, given.unlabelled or 0.0, given.dropout or 0.0
        if generative == math.inf:
            for name in ("unlabelled", "dropout"):
                if getattr(given, name):
                    raise CommandError(f"--{name} needs a finite --generative")
            return method_of(given)
        if generative == 0 and not unlabelled:
            refuse(given, ["method", *METHOD_OPTIONS], "is about samples, which --generative 0 does without")
            return rf.Discriminative(dropout)
        asked = {} if generative is None else {"generative": generative}
        return rf.Hybrid(**asked, unlabelled=unlabelled, negative=method_of(given), dropout=dropout)

    def _new_model(self, n_features: int, n_classes: int) -> rf.ClassRBM:
        given = self.given
        return rf.ClassRBM(n_features, given.hidden[0], n_classes, visible=self.data.unit, seed=given.seed)

    def _rows(self, part: Examples) -> Rows:
        rows: Rows = self.model.join(part.rows, part.labels)
        return rows

    def _reconstructions(self, V: States) -> F32:
        return super()._reconstructions(self.model.join(V, self.model.predict(V)))[:, : self.model.n_features]


class DeepLearner(Learner):
    """Learns a deep belief network: layer by layer, then all together, then, unrolled, by backpropagation."""

    options = (
        *("labels", "validation_labels", "up_down", "up_down_rate"),
        *("fine_tune", "network", "fine_tune_rate", "dropout"),
    )
    network: rf.Network | None = None

    def _settings(self) -> dict[str, Any]:
        given, n = self.given, len(self.given.hidden)
        self._check_stages()
        layers: list[dict[str, Any]] = [
            {"epochs": epochs, "optimizer": sgd(given, rate)}
            for epochs, rate in zip(each(given, "epochs", n), each(given, "rate", n), strict=True)
        ]
        if given.labels is not None:
            layers[-1]["monitors"] = [rf.ReconstructionError(), rf.ClassificationError()]
        return {"layers": layers, "method": self._method()}

    def _check_stages(self) -> None:
        given = self.given
        if given.up_down is None:
            refuse(given, ["up_down_rate"], "goes with --up-down")
        elif len(given.hidden) < 2:
            raise CommandError("--up-down needs two hidden layers or more, such as --hidden 500,500")
        if given.fine_tune is None:
            refuse(given, ["network", "fine_tune_rate", "dropout"], "goes with --fine-tune")
        elif given.network is None:
            raise CommandError("--fine-tune needs --network FILE, where to write the network that it makes")
        if given.network is not None:
            output.check(given.network, given.output, given.checkpoint, *self.inputs)
        self.optimizers = {
            "up-down": sgd(given, given.up_down_rate, UP_DOWN_RATE),
            "fine-tuning": sgd(given, given.fine_tune_rate, FINE_TUNING_RATE, FINE_TUNING_MOMENTUM),
        }

    def _new_model(self, n_features: int, n_classes: int) -> rf.DBN:
        sizes = [n_features, *self.given.hidden]
        dbn = rf.DBN(sizes, n_classes=n_classes or None, visible=self.data.unit, seed=self.given.seed)
        if self.given.fine_tune is not None:
            self._unrolled(dbn)  # says now whether that goes
        return dbn

    def _unrolled(self, dbn: rf.DBN) -> rf.Network:
        return dbn.to_network(seed=self.given.seed) if dbn.n_classes else dbn.to_autoencoder()

    def stages(self) -> Iterator[tuple[str, rf.History]]:
        """See `Learner.stages`."""
        given, dbn, n = self.given, self.model, len(self.model)
        self._forget_old_stages()
        rows, labels, part = self.data.rows, self.data.labels, self.validation
        pair = part and (part.rows, part.labels)
        watched: Any = {"validation": part.rows if part and part.labels is None else pair}
        headings = [f"layer {i} of {n}: {rbm!r}" for i, rbm in enumerate(dbn.generative, start=1)]
        histories = rf.pretrain(dbn, rows, labels, **self.settings, **watched, **display(*headings))
        yield from zip((f"layer {i}" for i in range(1, n + 1)), histories, strict=True)
        if given.up_down is not None:
            announce("up-down")
            asked = given.method is not None or given.k is not None
            method = self._method() if asked else UpDownSettings.method
            own: Any = {"method": method, "penalties": self.settings["penalties"], "epochs": given.up_down}
            yield "up-down", rf.up_down(dbn, rows, labels, **own, **watched, **self._stage("up-down"))
        if given.fine_tune is not None:
            announce("fine-tuning")
            self.network = self._unrolled(dbn)
            self.network.schema, self.network.class_names = dbn.schema, dbn.class_names
            own = {"dropout": given.dropout or 0.0, "epochs": given.fine_tune, "validation": pair}
            yield "fine-tuning", rf.fine_tune(self.network, rows, labels, **own, **self._stage("fine-tuning"))

    def files(self) -> dict[str, Callable[[str], None]]:
        """See `Learner.files`."""
        network = {} if self.network is None else {self.given.network: self.network.save}
        return {**super().files(), **network}

    # --- Checkpoints of the later stages lie beside that of pre-training ------------------------------------

    def _stage(self, stage: str) -> dict[str, Any]:
        """Settings of a later stage: where it is saved, what it goes on from, and what all have in common."""
        given = self.given
        checkpoint, resume = (path and f"{path}.{stage}" for path in (given.checkpoint, given.resume))
        return {
            "optimizer": self.optimizers[stage],
            "checkpoint": checkpoint,
            "resume": resume if resume and os.path.exists(resume) else None,
            **common(given),
            **display(),
        }

    def _forget_old_stages(self) -> None:
        """Remove what an earlier run has left under the names of this one's checkpoints."""
        checkpoint, resume = self.given.checkpoint, self.given.resume
        if checkpoint is None or (resume and os.path.realpath(checkpoint) == os.path.realpath(resume)):
            return
        for stage in self.optimizers:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{checkpoint}.{stage}")


LEARNERS: dict[str, type[Learner]] = {"rbm": Learner, "class-rbm": ClassLearner, "dbn": DeepLearner}
