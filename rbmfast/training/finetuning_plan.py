"""Everything that was asked of `fine_tune`, validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.checks import SeedLike, check_flag, check_integer, check_number, check_seed, refuse_share
from rbmfast.data import Rows
from rbmfast.files import check_destination
from rbmfast.models import Network
from rbmfast.reference import F64
from rbmfast.streams import MAX_STEP
from rbmfast.training.backprop import Targets, as_targets
from rbmfast.training.callbacks import EarlyStopping
from rbmfast.training.common import BasicPlan
from rbmfast.training.meant import as_optimizer
from rbmfast.training.optimizers import SGD, Adam
from rbmfast.training.plan import check_callbacks, check_shuffle, check_weights, digest


@dataclass(frozen=True)
class FineTuningPlan(BasicPlan):
    """A run of a network as it was asked for."""

    net: Network
    targets: Targets
    sample_weight: F64 | None
    validation: tuple[Rows, Targets] | None
    dropout: tuple[float, ...]
    l2: float

    def describe(self) -> dict[str, Any]:
        """See `BasicPlan.describe`."""
        validation = self.validation
        return {
            "net": repr(self.net),
            "X": self.rows.fingerprint(),
            "y": self.targets.fingerprint(),
            "sample_weight": None if self.sample_weight is None else digest(self.sample_weight),
            "validation": None if validation is None else [part.fingerprint() for part in validation],
            "dropout": list(self.dropout),
            "l2": self.l2,
            **super().describe(),
        }


def make_fine_tuning_plan(
    net: Network,
    X: Any,
    y: Any,
    *,
    sample_weight: ArrayLike | None,
    optimizer: object,
    dropout: object,
    l2: object,
    epochs: object,
    batch_size: object,
    shuffle: object,
    seed: SeedLike,
    validation: object,
    patience: object,
    callbacks: object,
    progress: object,
    checkpoint: object,
    checkpoint_every: object,
) -> FineTuningPlan:
    """Check every argument of `fine_tune`, naming it in the error; nothing is changed."""
    if not isinstance(net, Network):
        raise TypeError(f"net must be an rf.Network, got {net!r}")
    optimizer = as_optimizer(optimizer)
    if not isinstance(optimizer, (SGD, Adam)):
        raise TypeError(f"optimizer must be an rf.SGD, its rate, or an rf.Adam, got {optimizer!r}")
    rows = net._rows(X)
    targets = as_targets(net, X, y, rows.n_rows, "y")
    checked_validation = _check_validation(net, validation)
    names = _names(net, checked_validation is not None)
    smaller = dict.fromkeys(names, "min")  # is better: losses and errors
    plan = FineTuningPlan(
        net=net,
        rows=rows,
        targets=targets,
        sample_weight=check_weights(sample_weight, rows.n_rows),
        validation=checked_validation,
        optimizer=optimizer,
        dropout=_check_dropout(dropout, len(net.layers)),
        l2=check_number(l2, "l2"),
        epochs=check_integer(epochs, "epochs", low=0, high=2**31 - 1),
        batch_size=min(check_integer(batch_size, "batch_size", low=1), rows.n_rows),
        shuffle=check_shuffle(shuffle),
        seed=check_seed(seed),
        callbacks=(
            *check_callbacks(callbacks, smaller),
            *check_callbacks(_check_patience(patience, checked_validation), smaller),
        ),
        progress=check_flag(progress, "progress"),
        checkpoint=check_destination(checkpoint, "checkpoint"),
        checkpoint_every=check_integer(checkpoint_every, "checkpoint_every", low=1),
        monitor_names=names,
    )
    if plan.epochs * plan.updates_per_epoch > MAX_STEP:
        raise ValueError(f"epochs={plan.epochs} takes more than {MAX_STEP} updates")
    return plan


def _names(net: Network, validation: bool) -> tuple[str, ...]:
    numbers = ("loss", "error") if net.head == "softmax" else ("loss",)
    sets = ("train", "validation") if validation else ("train",)
    return tuple(f"{data}_{number}" for data in sets for number in numbers)


def _check_validation(net: Network, validation: object) -> tuple[Rows, Targets] | None:
    if validation is None:
        return None
    refuse_share(validation, labels=True)
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(f"validation must be a tuple (X, y), got {type(validation).__name__}")
    X, y = validation
    rows = net._rows(X, "validation[0]")
    return rows, as_targets(net, X, y, rows.n_rows, "validation[1]")


def _check_dropout(dropout: object, n_layers: int) -> tuple[float, ...]:
    if isinstance(dropout, (list, tuple, np.ndarray)):
        if len(dropout) != n_layers:
            raise ValueError(
                f"dropout must be a number or a list of {n_layers}, one a layer, got {dropout!r}"
            )
        return tuple(check_number(rate, f"dropout[{i}]", below=1.0) for i, rate in enumerate(dropout))
    return (check_number(dropout, "dropout", below=1.0),) * n_layers


def _check_patience(patience: object, validation: object) -> tuple[EarlyStopping, ...]:
    if patience is None:
        return ()
    checked = check_integer(patience, "patience", low=1)
    if validation is None:
        raise ValueError("validation must be given: patience waits for its loss")
    return (EarlyStopping("validation_loss", patience=checked),)
