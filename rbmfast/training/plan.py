"""Everything that was asked of `train`, validated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, as_list, check_flag, check_integer, check_seed, refuse_share
from rbmfast.data import Rows
from rbmfast.files import check_destination
from rbmfast.models import RBM
from rbmfast.reference import MAX_BATCH
from rbmfast.state import UpdateSettings
from rbmfast.streams import MAX_STEP
from rbmfast.training.base import Method
from rbmfast.training.callbacks import Callback
from rbmfast.training.common import BasicPlan, describe
from rbmfast.training.history import BASIC
from rbmfast.training.meant import as_method, as_optimizer
from rbmfast.training.monitors import Monitor
from rbmfast.training.optimizers import SGD
from rbmfast.training.penalties import CustomPenalty, as_penalties, penalty_gradient, split_penalties
from rbmfast.training.schedules import F64
from rbmfast.training.state import TrainingState


@dataclass(frozen=True)
class Plan(BasicPlan):
    """A run of an RBM as it was asked for. Its `epochs` count those that `carried` has behind it."""

    rbm: RBM
    optimizer: SGD
    complete: NDArray[np.int64] | None  # numbers of the rows that are visible states; None: all are
    sample_weight: F64 | None
    validation: Rows | None
    method: Method
    penalties: tuple[Any, ...]
    settings: UpdateSettings
    custom_penalties: tuple[CustomPenalty, ...]
    n_chains: int
    monitors: tuple[Monitor, ...]
    carried: TrainingState | None

    @property
    def fused(self) -> bool:
        """Whether the engine can learn whole epochs in one call; otherwise Python goes step by step."""
        units = self.rbm.visible.fused and self.rbm.hidden.fused
        equal = self.sample_weight is None
        return units and equal and self.method.fused and not self.custom_penalties

    def describe(self) -> dict[str, Any]:
        """See `BasicPlan.describe`."""
        return {
            "n_visible": self.rbm.n_visible,
            "n_hidden": self.rbm.n_hidden,
            "visible": describe(self.rbm.visible),
            "hidden": describe(self.rbm.hidden),
            "X": self.rows.fingerprint(),
            "sample_weight": None if self.sample_weight is None else digest(self.sample_weight),
            "validation": None if self.validation is None else self.validation.fingerprint(),
            "method": describe(self.method),
            "penalties": [describe(penalty) for penalty in self.penalties],
            "centered": self.settings.centered,
            "monitors": [describe(monitor) for monitor in self.monitors],
            **super().describe(),
        }


def make_plan(
    rbm: RBM,
    X: Any,
    *,
    sample_weight: ArrayLike | None,
    method: object,
    optimizer: object,
    penalties: object,
    centered: object,
    epochs: object,
    batch_size: object,
    shuffle: object,
    seed: SeedLike,
    validation: Any,
    monitors: object,
    callbacks: object,
    progress: object,
    checkpoint: object,
    checkpoint_every: object,
    carried: object,
) -> Plan:
    """Check every argument of `train`, naming it in the error; nothing is changed."""
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm must be an rf.RBM, got {rbm!r}")
    method, optimizer = as_method(method), as_optimizer(optimizer)
    if not isinstance(optimizer, SGD):
        raise TypeError(f"optimizer must be an rf.SGD or its rate, got {optimizer!r}")
    refuse_share(validation)
    penalties = as_penalties(penalties)
    settings, custom = split_penalties(penalties, check_flag(centered, "centered"))
    if settings.sparsity_cost:
        _check_switches(rbm, "SparsityTarget in penalties")
    rows, complete = method.rows(rbm, X)
    if validation is not None:
        validation = rbm.visible.rows(validation, rbm.n_visible, "validation")
    rows_in_batch = _check_batch_size(batch_size, rows.n_rows)
    checked_monitors = _check_monitors(monitors, rbm, rows, validation)
    names = _directions(checked_monitors, validation is not None)
    carried = _check_carried(carried, rbm, optimizer, checkpoint)
    behind = 0 if carried is None else carried.epochs
    n_chains = method.chains_for(rows_in_batch)
    if n_chains and carried is not None and carried.chains is not None:
        n_chains = len(carried.chains)
    plan = Plan(
        rbm=rbm,
        rows=rows,
        complete=complete,
        sample_weight=check_weights(sample_weight, rows.n_rows),
        validation=validation,
        method=method,
        optimizer=optimizer,
        penalties=penalties,
        settings=settings,
        custom_penalties=custom,
        epochs=behind + check_integer(epochs, "epochs", low=0, high=2**31 - 1 - behind),
        batch_size=rows_in_batch,
        n_chains=n_chains,
        shuffle=check_shuffle(shuffle),
        seed=carried.seed if carried is not None and carried.seed is not None else check_seed(seed),
        monitors=checked_monitors,
        monitor_names=tuple(names),
        callbacks=check_callbacks(callbacks, names),
        progress=check_flag(progress, "progress"),
        checkpoint=check_destination(checkpoint, "checkpoint"),
        checkpoint_every=check_integer(checkpoint_every, "checkpoint_every", low=1),
        carried=carried,
    )
    for penalty in custom:
        penalty_gradient(penalty, rbm.W)  # its errors come before anything has changed
    _check_chains(plan.n_chains, method)
    before = 0 if carried is None else carried.half_steps
    if before + 2 * method.k * (plan.epochs - behind) * plan.updates_per_epoch > MAX_STEP:
        raise ValueError(
            f"epochs={plan.epochs} with k={method.k} takes more than {MAX_STEP} Gibbs half-steps"
        )
    return plan


def _check_carried(carried: object, rbm: RBM, optimizer: SGD, checkpoint: object) -> TrainingState | None:
    """A state that this model and these settings can go on from, or None."""
    if carried is None:
        return None
    if not isinstance(carried, TrainingState):
        raise TypeError(f"state must be an rf.TrainingState, got {carried!r}")
    if checkpoint is not None:
        raise ValueError("state and checkpoint exclude each other: a checkpoint is about a single run")
    carried.check(rbm.n_visible, rbm.n_hidden, rbm.hidden.dtype)
    if carried.epochs and any(schedule.needs_length for schedule in optimizer.schedules):
        raise ValueError(f"{optimizer!r} has to know where the run ends, and this state may go on for ever")
    return carried


def _check_chains(n_chains: int, method: Method) -> None:
    if n_chains > MAX_BATCH:
        of = " in all replicas" if method.replicas > 1 else ""
        raise ValueError(f"method must have at most {MAX_BATCH} chains{of}, got {n_chains}")
    if n_chains % method.replicas:
        raise ValueError(
            f"the chains of state must have a multiple of {method.replicas} rows for {method!r}, "
            f"got {n_chains}"
        )


def check_weights(weights: ArrayLike | None, n_rows: int) -> F64 | None:
    """A finite weight of at least 0 for each row; None if all are 1."""
    if weights is None:
        return None
    checked = np.array(weights, np.float64)
    if checked.shape != (n_rows,):
        raise ValueError(f"sample_weight must have shape ({n_rows},), got {checked.shape}")
    if not (np.isfinite(checked) & (checked >= 0)).all():
        raise ValueError("sample_weight must be finite and at least 0")
    if not checked.any():
        raise ValueError("sample_weight must not be all zero")
    return None if (checked == 1).all() else checked


def digest(array: NDArray[Any]) -> str:
    """A hex digest of numbers, the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data).hexdigest()


def _check_batch_size(batch_size: object, n_rows: int) -> int:
    size = min(check_integer(batch_size, "batch_size", low=1), n_rows)
    if size > MAX_BATCH:
        raise ValueError(f"batch_size must be at most {MAX_BATCH}, got {batch_size}")
    return size


def check_shuffle(shuffle: object) -> bool | str:
    """True, False or "blocks"; a clear error otherwise."""
    if isinstance(shuffle, (bool, np.bool_)):
        return bool(shuffle)
    if isinstance(shuffle, str) and shuffle == "blocks":
        return shuffle
    raise (ValueError if isinstance(shuffle, str) else TypeError)(
        f"shuffle must be True, False or 'blocks', got {shuffle!r}"
    )


def _check_list(things: object, kind: type[Any], name: str, example: str) -> tuple[Any, ...]:
    checked = as_list(things, kind, name, example)
    for i, thing in enumerate(checked):
        if not isinstance(thing, kind):
            raise TypeError(f"{name}[{i}] must be a {kind.__name__} such as {example}, got {thing!r}")
    return checked


def _check_monitors(monitors: object, rbm: RBM, rows: Rows, validation: Rows | None) -> tuple[Monitor, ...]:
    checked = _check_list(monitors, Monitor, "monitors", "rf.ReconstructionError()")
    for monitor in checked:
        if monitor.needs_classes and not rbm.n_classes:
            raise TypeError(
                f"rbm must be an rf.ClassRBM for {type(monitor).__name__} in monitors, got {rbm!r}"
            )
        if monitor.needs_switches:
            _check_switches(rbm, f"{type(monitor).__name__} in monitors")
        if monitor.needs_validation and validation is None:
            raise ValueError(f"validation must be given: {type(monitor).__name__} in monitors needs it")
    if any(monitor.needs_states for monitor in checked):
        rbm.visible.refuse_grey(rows)
        if validation is not None:
            rbm.visible.refuse_grey(validation, "validation")
    return checked


def _check_switches(rbm: RBM, who: str) -> None:
    if rbm.hidden.domain != "binary":
        raise ValueError(f"{who} needs hidden units that are on or off, got {rbm!r}: leave it out")


def _directions(monitors: tuple[Monitor, ...], has_validation: bool) -> dict[str, str | None]:
    """What the monitors record, and which way each number gets better."""
    names: dict[str, str | None] = {}
    for monitor in monitors:
        for name, direction in monitor.directions(has_validation).items():
            if name in BASIC or name in names:
                raise ValueError(f"monitors record {name!r} twice")
            names[name] = direction
    return names


def check_callbacks(callbacks: object, names: Mapping[str, str | None]) -> tuple[Callback, ...]:
    """A list of callbacks that can work with the numbers of these names; a clear error otherwise."""
    checked = _check_list(callbacks, Callback, "callbacks", "rf.EarlyStopping('dead_units')")
    for callback in checked:
        callback.check(names)
    return checked
