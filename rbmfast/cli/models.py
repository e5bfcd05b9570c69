"""What all kinds of models have, under one name."""

from __future__ import annotations

from typing import Any

import rbmfast as rf
from rbmfast.units import Unit, get_unit


def inputs(model: Any) -> tuple[int, Unit]:
    """Width and units of the rows that a model is for, without their labels."""
    if isinstance(model, rf.Network):
        return model.n_inputs, get_unit("gaussian" if model.domain == "real" else "bernoulli")
    if isinstance(model, rf.ClassRBM):
        return model.n_features, model.features
    return model.n_visible, model.visible


def n_classes(model: Any) -> int:
    """How many labels a model knows; 0 if none."""
    if isinstance(model, rf.Network):
        return model.n_outputs if model.head == "softmax" else 0
    return model.n_classes or 0
