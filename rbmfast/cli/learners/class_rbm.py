"""How ``rbmfast train`` learns class RBMs."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

import rbmfast as rf
from rbmfast.cli.datafiles import Examples
from rbmfast.cli.learners.base import METHOD_OPTIONS, Learner, method_of
from rbmfast.cli.options import NUMBER, CommandError, Group, refuse
from rbmfast.data import Rows
from rbmfast.training import Method

if TYPE_CHECKING:
    from rbmfast.reference import F32, States


class ClassLearner(Learner):
    """Learns a class RBM."""

    about = "one of data and labels"
    options = ("labels", "validation_labels", "generative", "unlabelled", "dropout", "find_rate")

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """See `Learner.add_arguments`."""
        add = Group(parser, "class-rbm").add
        add("--generative", NUMBER, "learn log p(label | row) + X log p(label, row) (default: "
            f"{rf.Hybrid.generative}). 0: the first alone; inf: the second alone, for good "
            "samples")  # fmt: skip
        add("--unlabelled", NUMBER, "and X log p(row) of rows with the label -1 (default: there are none)")

    @staticmethod
    def default_method(given: argparse.Namespace) -> str:
        """See `Learner.default_method`: that of what is generative."""
        return "pcd" if given.generative == math.inf else "cd"

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
            return method_of(given, self.default_method(given))
        if generative == 0 and not unlabelled:
            refuse(given, ["method", *METHOD_OPTIONS], "is about samples, which --generative 0 does without")
            return rf.Discriminative(dropout)
        asked = {} if generative is None else {"generative": generative}
        negative = method_of(given, self.default_method(given))
        return rf.Hybrid(**asked, unlabelled=unlabelled, negative=negative, dropout=dropout)

    def _new_model(self, n_features: int, n_classes: int) -> rf.ClassRBM:
        given = self.given
        return rf.ClassRBM(n_features, given.hidden[0], n_classes, visible=self.data.unit, seed=given.seed)

    def _rows(self, part: Examples) -> Rows:
        rows: Rows = self.model.join(part.rows, part.labels)
        return rows

    def _reconstructions(self, V: States) -> F32:
        return super()._reconstructions(self.model.join(V, self.model.predict(V)))[:, : self.model.n_features]
