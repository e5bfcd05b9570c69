"""How ``rbmfast train`` learns general Boltzmann machines."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any, ClassVar

import rbmfast as rf
from rbmfast.cli.datafiles import DataFile, Examples
from rbmfast.cli.learners.base import Learner
from rbmfast.cli.options import CommandError
from rbmfast.cli.tables import schema_of
from rbmfast.data import Rows
from rbmfast.training import Method


class BoltzmannLearner(Learner):
    """Learns a Boltzmann machine of one layer; of an alignment a Potts model."""

    about = (
        "a general Boltzmann machine, whose columns hold 0 and 1, or else letters of one alphabet as those "
        "of an alignment do; without --hidden and --method by pseudo-likelihood"
    )
    hidden: ClassVar[tuple[int, ...]] = (0,)
    monitors = (rf.PseudoLikelihood(),)

    @staticmethod
    def default_method(given: argparse.Namespace) -> str:
        """See `Learner.default_method`: without hidden units pseudo-likelihood, which draws no samples."""
        return "pcd" if any(given.hidden or ()) else ""

    def _method(self) -> Method | None:
        word = self.given.method or self.default_method(self.given)
        return super()._method() if word else rf.MaximumPseudoLikelihood()

    def _new_model(self, n_features: int, n_classes: int) -> rf.BoltzmannMachine:
        given, unit = self.given, self.data.unit
        return rf.BoltzmannMachine(n_features, given.hidden[0], units=unit, seed=given.seed)

    def _rows(self, part: Examples) -> Rows:
        if part is self.validation:
            part.check_whole()
        method = self.settings["method"]
        if part.rows.missing is not None and method is not None and not method.takes_missing:
            raise CommandError(f"{part.name}: has missing cells: say --method pcd, which draws them")
        return part.rows

    def schema(self, data: DataFile) -> rf.Schema | None:
        """See `Learner.schema`: all columns have the letters of the table."""
        if data.is_plain and data.values.min() >= 0 and data.values.max() <= 1:
            return None
        names = data.stored if data.columns else range(data.shape[1])
        schema = schema_of(data.stored, dict.fromkeys(map(str, names), "category"), False)
        found = {state for column in schema.columns for state in column.allowed}
        letters = tuple(sorted(found, key=lambda letter: (str(type(letter)), letter)))
        return replace(schema, columns=tuple(replace(own, states=letters) for own in schema.columns))  # type: ignore[call-arg]

    def figures(self, shape: tuple[int, int]) -> dict[str, Any]:
        """See `Learner.figures`."""
        samples = self.model.sample(100, seed=self.given.seed)
        return {"samples": rf.plots.images(samples, shape, 100, title="Samples of the model")}
