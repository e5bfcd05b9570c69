"""How ``rbmfast train`` learns a class RBM."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import rbmfast as rf
from rbmfast.cli import settings
from rbmfast.cli.common import CommandError
from rbmfast.cli.datafiles import Examples
from rbmfast.cli.learner import PER_LABEL, SHOWN, Learner, shown_labels
from rbmfast.cli.settings import checked
from rbmfast.data import Rows
from rbmfast.training import Method

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ClassLearner(Learner):
    """Learns a class RBM."""

    options = ("labels", "validation_labels", "generative", "unlabelled", "dropout")

    @property
    def lowest_label(self) -> int:  # type: ignore[override]
        """-1, which stands for no label, where something is learned from such rows."""
        return -1 if self.given.unlabelled else 0

    def check(self) -> dict[str, Any]:
        """See `Learner.check`."""
        if self.given.labels is None:
            raise CommandError("--model class-rbm needs --labels")
        found = super().check()
        return {**found, "monitors": [*found["monitors"], rf.ClassificationError()]}

    def method(self) -> Method:
        """See `Learner.method`."""
        given = self.given
        generative, unlabelled = given.generative, given.unlabelled or 0.0
        dropout = given.dropout or 0.0
        if generative == math.inf:
            for name in ("unlabelled", "dropout"):
                if getattr(given, name):
                    raise CommandError(f"--{name} needs a finite --generative")
            return settings.method(given)
        if generative == 0 and not unlabelled:
            for name in ("method", "k", "chains", "replicas"):
                if getattr(given, name) is not None:
                    option = f"-{name}" if len(name) == 1 else f"--{name}"
                    raise CommandError(f"{option} is about samples, which --generative 0 does without")
            alone: Method = checked("--dropout", rf.Discriminative, dropout)
            return alone
        weight = {} if generative is None else {"generative": generative}
        hybrid: Method = checked(
            "--generative, --unlabelled, --dropout",
            rf.Hybrid,
            **weight,
            unlabelled=unlabelled,
            negative=settings.method(given),
            dropout=dropout,
        )
        return hybrid

    def new_model(self, n_features: int, n_classes: int) -> rf.ClassRBM:
        """See `Learner.new_model`."""
        given = self.given
        return rf.ClassRBM(n_features, self.n_hidden, n_classes, visible=given.visible, seed=given.seed)

    def figures(self, shape: tuple[int, int]) -> dict[str, Figure]:
        """See `Learner.figures`."""
        rbm, seed = self.model, self.given.seed
        V = self.data.some(SHOWN)
        R = rbm.reconstruct(rbm.join(V, rbm.predict(V)))[:, : rbm.n_features]
        labels = shown_labels(rbm.n_classes)
        _, h = rbm.sample(len(labels), seed=seed, labels=labels, return_hidden=True)
        samples = rbm.visible_probabilities(h)[:, : rbm.n_features]
        return {
            "filters": rf.plots.filters(rbm, shape),
            "samples": rf.plots.samples_by_label(samples, labels, shape, PER_LABEL),
            "reconstructions": rf.plots.reconstructions(V, R, shape),
        }

    def _rows(self, part: Examples) -> Rows:
        assert part.labels is not None
        rows: Rows = self.model.join(part.rows, part.labels)
        return rows
