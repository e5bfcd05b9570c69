"""From options of ``rbmfast train`` to settings of the library, checked before any work."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from typing import Any, TypeVar

import rbmfast as rf
from rbmfast.cli.options import CommandError, option_name, refuse
from rbmfast.training import Method, Schedule
from rbmfast.training.methods import WORDS as METHODS
from rbmfast.training.settings import FineTuneSettings, TrainSettings, UpDownSettings

T = TypeVar("T")

SCHEDULES: dict[str, Callable[[float, float], Schedule]] = {
    "constant": lambda rate, decay: rf.Constant(rate),
    "linear": lambda rate, decay: rf.Linear(rate),
    "exponential": rf.Exponential,
}
METHOD_OPTIONS = {"k": "k", "chains": "n_chains", "replicas": "n_replicas"}  # and what they set
ORDERS = {"rows": True, "blocks": "blocks", "none": False}
PENALTIES = {"l1": rf.L1, "l2": rf.L2, "max_norm": rf.MaxNorm, "sparsity": rf.SparsityTarget}


# What the library says of its settings, for --help, and its defaults.
ABOUT = {one.name: one.metadata["about"] for one in fields(TrainSettings)}
EPOCHS, BATCH_SIZE = TrainSettings.epochs, TrainSettings.batch_size
UP_DOWN, FINE_TUNING = UpDownSettings.optimizer.rate, FineTuneSettings.optimizer.rate
assert isinstance(UP_DOWN, rf.Constant) and isinstance(FINE_TUNING, rf.Constant)
UP_DOWN_RATE, FINE_TUNING_RATE = UP_DOWN.value, FINE_TUNING.value
UP_DOWN_METHOD = UpDownSettings.method


def check_options(given: argparse.Namespace) -> None:
    """Refuse options that do not go together, whatever the kind of model."""
    for option, name in METHOD_OPTIONS.items():
        able = [word for word, method in METHODS.items() if name in signature(method).parameters]
        if (given.method or "cd") not in able:
            *others, last = able
            which = f"{', '.join(others)} and {last}" if others else last
            refuse(given, [option], f"is an option of --method {which}")
    if given.threshold is not None and given.grey:
        raise CommandError("--threshold and --grey exclude each other")
    if given.validation_labels is not None and (given.validation is None or given.labels is None):
        raise CommandError("--validation-labels go with --labels and --validation")


def method(given: argparse.Namespace) -> Method:
    """Where samples of the negative phase come from."""
    asked = {name: getattr(given, option) for option, name in METHOD_OPTIONS.items()}
    given_ones = {name: value for name, value in asked.items() if value is not None}
    return checked("--chains", METHODS[given.method or "cd"], **given_ones)


def sgd(given: argparse.Namespace, option: str, rate: float, momentum: float | None = None) -> rf.SGD:
    """A rate, which `option` set, under the schedule that was asked for; and a momentum."""
    schedule = checked(option, SCHEDULES[given.rate_schedule], rate, given.rate_decay)
    return checked("--momentum", rf.SGD, schedule, given.momentum if momentum is None else momentum)


def common(given: argparse.Namespace) -> dict[str, Any]:
    """What every way to learn takes."""
    return {"batch_size": given.batch_size, "shuffle": ORDERS[given.shuffle], "seed": given.seed}


def penalties(given: argparse.Namespace) -> list[Any]:
    """What holds the weights or the activity down."""
    return [
        checked(option_name(name), penalty, value)
        for name, penalty in PENALTIES.items()
        if (value := getattr(given, name))
    ]


def checked(option: str, make: Callable[..., T], *values: Any, **settings: Any) -> T:
    """Make something; what is wrong with it is wrong with the option."""
    try:
        return make(*values, **settings)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{option}: {error}") from error


def one(given: argparse.Namespace, name: str) -> Any:
    """The value of an option that may be a list, for a model of one hidden layer."""
    values = getattr(given, name)
    if len(values) > 1:
        raise CommandError(
            f"--{name}: one number for --model {given.model}, got {len(values)}; --model dbn has layers"
        )
    return values[0]


def each(given: argparse.Namespace, name: str, n_layers: int) -> list[Any]:
    """Its values for every layer."""
    values: list[Any] = getattr(given, name)
    if len(values) not in (1, n_layers):
        raise CommandError(
            f"--{name}: one number, or one for each of {n_layers} layers, got {len(values)} numbers"
        )
    return values * n_layers if len(values) == 1 else values
