"""What all kinds of models have, under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import rbmfast as rf
from rbmfast.cli.options import CommandError
from rbmfast.reference import I64, States
from rbmfast.units import Unit, get_unit

if TYPE_CHECKING:
    from rbmfast.cli.datafiles import Examples

LIKE = {"binary": "bernoulli", "real": "gaussian"}  # units, by what a network's inputs are


def load(path: str, *also: type) -> Any:
    """The model in a file, if it is of a kind that all commands know, or `also` this one."""
    model = rf.load(path)
    if not isinstance(model, (rf.RBM, rf.DBN, rf.DBM, rf.BoltzmannMachine, rf.Network, *also)):
        raise CommandError(f"{path}: holds {model}, which this command does not know: rf.load it in Python")
    return model


def inputs(model: Any) -> tuple[int, Unit]:
    """Width and units of the rows that a model is for, without their labels."""
    if isinstance(model, rf.Network):
        return model.n_inputs, get_unit(LIKE[model.domain])
    if isinstance(model, rf.ClassRBM):
        return model.n_features, model.features
    return model.n_visible, model.visible


def n_classes(model: Any) -> int:
    """How many labels a model knows; 0 if none."""
    if isinstance(model, rf.Network):
        return model.n_outputs if model.head == "softmax" else 0
    return getattr(model, "n_classes", 0) or 0


def class_names(model: Any) -> tuple[str, ...]:
    """What the labels are called that a model knows: words, or their numbers."""
    return model.class_names or tuple(map(str, range(n_classes(model))))


def frames_of(part: Examples, order: int, groups: I64 | None = None) -> tuple[States, States]:
    """Rows that are frames in the order of time, and those before each."""
    try:
        return rf.lagged(part.some(part.rows.n_rows), order, groups)
    except ValueError as error:
        raise CommandError(f"{part.name}: {error}") from error


def draw(model: Any, n: int, labels: I64 | None, mean: bool, **settings: Any) -> tuple[States, I64 | None]:
    """Visible states or means; and their labels, if there are any."""
    wanted: dict[str, Any] = {"labels": labels} if n_classes(model) else {}
    if isinstance(model, rf.DBN):
        settings["last"] = "mean" if mean else "sample"
        if wanted:
            v, labels = model.sample(n, **settings, labels=labels, return_labels=True)
            return v, labels
        return model.sample(n, **settings), None
    model = getattr(model, "bipartite", model)  # of a deep Boltzmann machine
    v, h = model.sample(n, return_hidden=True, **wanted, **settings)
    if isinstance(model, rf.BoltzmannMachine):
        given_others = model.conditional_probabilities(np.hstack([v, h])) if mean else v
        return given_others[:, : model.n_visible], None
    shown = model.visible_probabilities(h) if mean else v
    n_features = model.n_features
    return shown[:, :n_features], v[:, n_features:].argmax(axis=1) if wanted else None
