"""Everything that was asked of `up_down`, validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from rbmfast.data import Rows, computed_rows
from rbmfast.models import DBN
from rbmfast.reference import row_sums
from rbmfast.states import as_float
from rbmfast.training.batches import I64
from rbmfast.training.common import describe
from rbmfast.training.directed import Directed
from rbmfast.training.labelled import check_data, check_validation, repeated
from rbmfast.training.meant import as_method
from rbmfast.training.monitors import Monitor, Watched, mean_of
from rbmfast.training.penalties import penalty_gradient
from rbmfast.training.plan import Plan, digest, make_plan

ERROR = "reconstruction_error"  # of the training data, in the history and from epoch to epoch
BLOCK = 4096  # validation rows reconstructed at a time


@dataclass(frozen=True)
class UpDownPlan(Plan):
    """A plan whose RBM is the top one, and whose rows are visible states of the whole network.

    Attributes
    ----------
    dbn : DBN
        The network.
    classes, validation_classes : int64 array or None
        Of the rows, with labels.
    """

    dbn: DBN
    classes: I64 | None
    validation_classes: I64 | None

    @property
    def fused(self) -> bool:
        """The engine knows no deep networks."""
        return False

    def describe(self) -> dict[str, Any]:
        """See `Plan.describe`."""
        dbn, held_out = self.dbn, self.validation_classes
        return {
            "sizes": [*dbn.sizes],
            "units": [describe(unit) for unit in (dbn.visible, *(rbm.hidden for rbm in dbn.generative))],
            "y": None if self.classes is None else digest(self.classes),
            "y of validation": None if held_out is None else digest(held_out),
            **super().describe(),
        }


def make_up_down_plan(dbn: DBN, X: Any, y: Any, validation: Any, **settings: Any) -> UpDownPlan:
    """Check every argument of `up_down`, naming it in the error; nothing is changed."""
    if not isinstance(dbn, DBN):
        raise TypeError(f"dbn must be an rf.DBN, got {dbn!r}")
    if len(dbn) < 2:
        raise ValueError("dbn must have two RBMs or more: a single one learns by rf.train")
    method = as_method(settings["method"])
    if not method.learns_from_samples:
        raise ValueError(f"method must learn from samples of the model alone, as rf.CD(k=3), got {method!r}")
    rows, classes = check_data(dbn, X, y, "X", "y")
    held_out, held_out_classes = (None, None) if validation is None else check_validation(dbn, validation)
    plan = make_plan(
        dbn.top,
        repeated(dbn.top.visible.mode(np.zeros((1, dbn.top.n_visible), np.float32)), rows.n_rows),
        centered=False,
        validation=None,
        monitors=[Fit(dbn, held_out, held_out_classes)],
        carried=None,
        **settings,
    )
    for penalty in plan.custom_penalties:  # its errors come before anything has changed
        for layer in (layer for layers in directed_layers(dbn) for layer in layers):
            penalty_gradient(penalty, layer.state.W)
    own = {"rows": rows, "classes": classes, "validation": held_out, "validation_classes": held_out_classes}
    return UpDownPlan(**{**vars(plan), **own, "dbn": dbn})


def directed_layers(dbn: DBN) -> tuple[list[Directed], list[Directed]]:
    """What is below the top RBM as it stands: the ways down and the ways up, from the lowest on."""
    down = [Directed(rbm.hidden, rbm.visible, rbm.W.T, rbm.a) for rbm in dbn.generative[:-1]]
    up = [Directed(rbm.visible, rbm.hidden, rbm.W, rbm.b) for rbm in dbn.recognition[:-1]]
    return down, up


@dataclass(frozen=True)
class Fit(Monitor):
    """The numbers that the history of `up_down` has.

    The error of the wake phase is what the run has noted. The others are means over all validation rows.
    """

    dbn: DBN
    rows: Rows | None = field(repr=False)
    classes: I64 | None = field(repr=False)
    better: ClassVar[Mapping[str, str]] = {ERROR: "min", "error": "min"}

    def names(self, has_validation: bool) -> tuple[str, ...]:
        """See `Monitor.names`."""
        if self.rows is None:
            return (ERROR,)
        return ERROR, f"validation_{ERROR}" if self.classes is None else "validation_error"

    def __call__(self, watched: Watched) -> dict[str, float]:
        """See `Monitor.__call__`."""
        numbers = {ERROR: float(watched.notes.get(ERROR, np.nan))}
        if self.rows is not None and self.classes is not None:
            numbers["validation_error"] = float(np.mean(self.dbn.predict(self.rows) != self.classes))
        elif self.rows is not None:
            numbers[f"validation_{ERROR}"] = self._reconstruction_error(self.rows)
        return numbers

    def _reconstruction_error(self, rows: Rows) -> float:
        errors = []
        for _, v in rows.blocks(BLOCK):
            again = self.dbn.reconstruct(computed_rows(v.shape, v.dtype, v.__getitem__))
            error = as_float(v).astype(np.float64) - again
            errors.append(row_sums(error * error))
        return mean_of(np.concatenate(errors)) / rows.n_features
