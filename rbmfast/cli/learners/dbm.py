"""How ``rbmfast train`` learns deep Boltzmann machines."""

from __future__ import annotations

from typing import Any

import rbmfast as rf
from rbmfast.cli.learners.base import Learner, each, optimizer_of
from rbmfast.cli.options import CommandError


class DeepMachineLearner(Learner):
    """Learns a deep Boltzmann machine: all layers at once."""

    keeps_trajectory = False
    about = "a deep Boltzmann machine"
    options = ()

    @property
    def _lowest(self) -> rf.RBM:
        rbm: rf.RBM = self.model.bipartite
        return rbm

    def _settings(self) -> dict[str, Any]:
        given = self.given
        (epochs,), (rate,) = (each(given, name) for name in ("epochs", "rate"))
        if len(given.hidden) < 2:
            raise CommandError("--model dbm needs two hidden layers or more, such as --hidden 500,1000")
        return {"method": self._method(), "optimizer": optimizer_of(given, rate), "epochs": epochs}

    def _new_model(self, n_features: int, n_classes: int) -> rf.DBM:
        return rf.DBM([n_features, *self.given.hidden], visible=self.data.unit, seed=self.given.seed)

    def figures(self, shape: tuple[int, int]) -> dict[str, Any]:
        """See `Learner.figures`."""
        W, a, b = self.model.weights[0], self.model.biases[0], self.model.biases[1]
        lowest = rf.RBM.from_arrays(W, a, b, visible=self.model.visible)
        return {**super().figures(shape), "filters": rf.plots.filters(lowest, shape)}
