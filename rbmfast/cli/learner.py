"""How ``rbmfast train`` learns an RBM, and what all kinds of models have in common there."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import rbmfast as rf
from rbmfast.cli import settings
from rbmfast.cli.common import CommandError
from rbmfast.cli.datafiles import I64, Examples
from rbmfast.cli.progress import display
from rbmfast.cli.settings import one
from rbmfast.data import Rows
from rbmfast.training import Method

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 30  # rows that are drawn beside their reconstructions
PER_LABEL = 10  # samples of each
MAX_LABELS = 30  # that are drawn


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
    lowest_label: ClassVar[int] = 0
    model: Any

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.data: Examples
        self.validation: Examples | None = None
        self.settings = self.check()

    # --- What is different ----------------------------------------------------------------------------------

    def check(self) -> dict[str, Any]:
        """Check the options; what they ask of `rbmfast.train`."""
        self.n_hidden: int = one(self.given, "hidden")
        return {
            "method": self.method(),
            "optimizer": settings.sgd(self.given, "--rate", one(self.given, "rate")),
            "penalties": settings.penalties(self.given),
            "centered": self.given.centered,
            "epochs": one(self.given, "epochs"),
            "monitors": [rf.ReconstructionError()],
            "checkpoint": self.given.checkpoint,
            "resume": self.given.resume,
            **settings.common(self.given),
        }

    def method(self) -> Method:
        """How an update finds its gradient."""
        return settings.method(self.given)

    def new_model(self, n_features: int, n_classes: int) -> Any:
        """A model that has learned nothing."""
        return rf.RBM(n_features, self.n_hidden, visible=self.given.visible, seed=self.given.seed)

    def stages(self) -> Iterator[tuple[str, rf.History]]:
        """Learn; what each part is called, and how it went."""
        yield "", rf.train(self.model, self._rows(self.data), **self.settings, **self._watched())

    def figures(self, shape: tuple[int, int]) -> dict[str, Figure]:
        """Pictures of what was learned."""
        V = self.data.some(SHOWN)
        return {
            "filters": rf.plots.filters(self.model, shape),
            "samples": rf.plots.samples(self.model, shape, seed=self.given.seed),
            "reconstructions": rf.plots.reconstructions(V, self.model.reconstruct(V), shape),
        }

    # --- What is the same -----------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[str | None]:
        """Files that are read."""
        given = self.given
        return [given.file, given.validation, given.labels, given.validation_labels, given.resume]

    def begin(self, data: Examples, validation: Examples | None) -> None:
        """Make the model."""
        self.data, self.validation = data, validation
        labels = [part.labels for part in (data, validation) if part is not None and part.labels is not None]
        n_classes = max((int(part.max()) + 1 for part in labels), default=0)
        if labels and n_classes < 2:
            raise CommandError(f"{self.given.labels}: must hold two classes or more, holds {n_classes}")
        self.model = self.new_model(data.rows.n_features, n_classes)
        self._new = self._checksum()

    @property
    def has_begun(self) -> bool:
        """Whether anything was learned."""
        return self._checksum() != self._new

    def _checksum(self) -> int:
        """Of the weights that are learned first."""
        return zlib.crc32(self.model.W)

    def files(self) -> dict[str, Callable[[str], None]]:
        """What writes what there is, by the names of the files."""
        return {self.given.output: self.model.save}

    def _rows(self, part: Examples) -> Rows:
        """The rows that the RBM is to learn."""
        return part.rows

    def _watched(self, *headings: str) -> dict[str, Any]:
        """Settings of all that looks on."""
        validation = None if self.validation is None else self._rows(self.validation)
        return {"validation": validation, **display(*headings)}


def shown_labels(n_classes: int) -> I64:
    """Labels of the samples that are drawn."""
    return np.repeat(np.arange(min(n_classes, MAX_LABELS)), PER_LABEL)
