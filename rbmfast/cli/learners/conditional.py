"""How ``rbmfast train`` learns conditional RBMs: rows are frames of sequences."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rbmfast as rf
from rbmfast.cli.datafiles import Examples
from rbmfast.cli.learners.base import MANY, Learner
from rbmfast.cli.models import frames_of
from rbmfast.cli.options import CommandError, Group, integer
from rbmfast.tables import Schema

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ConditionalLearner(Learner):
    """Learns frames given those before them."""

    about = "each row given those before it, which are in the order of time"
    options = ("order", "groups", "validation_groups")

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """See `Learner.add_arguments`."""
        add = Group(parser, "conditional").add
        add("--order", integer(1), "how many rows before each it is given (default: 1)")
        add("--groups", "FILE|NAME", "which sequence each row belongs to, by numbers or words: another file, "
            "or a column or array of this one (default: all rows are one)")  # fmt: skip
        add("--validation-groups", "FILE|NAME", "the same for --validation (default: the same column)")

    @staticmethod
    def default_method(given: argparse.Namespace) -> str:
        """See `Learner.default_method`: chains of their own have no context to be in."""
        return "cd"

    def __init__(self, given: argparse.Namespace) -> None:
        if given.validation_groups is not None and (given.validation is None or given.groups is None):
            raise CommandError("--validation-groups go with --groups and --validation")
        given.labels, given.validation_labels = given.groups, given.validation_groups  # are read as these are
        super().__init__(given)

    def begin(
        self,
        data: Examples,
        validation: Examples | None,
        schema: Schema | None = None,
        class_names: tuple[str, ...] = (),
    ) -> None:
        """See `Learner.begin`: what labels say here is not learned."""
        self._groups = {id(part.rows): part.labels for part in (data, validation) if part is not None}
        watched = validation and replace(validation, labels=None)
        super().begin(replace(data, labels=None), watched, schema)

    def _new_model(self, n_features: int, n_classes: int) -> rf.ConditionalRBM:
        given, visible = self.given, self.data.unit
        n_context = (given.order or 1) * n_features
        return rf.ConditionalRBM(n_features, given.hidden[0], n_context, visible=visible, seed=given.seed)

    def _rows(self, part: Examples) -> Any:
        return frames_of(part, self.given.order or 1, self._groups[id(part.rows)])

    def figures(self, shape: tuple[int, int]) -> dict[str, Figure]:
        """See `Learner.figures`."""
        _, context = self._rows(self.data)
        frames = self.model.generate(context[:1], MANY, seed=self.given.seed)[0]
        return {"frames": rf.plots.images(frames, shape, MANY, title="Frames that follow those of the data")}
