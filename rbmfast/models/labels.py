"""Label units beside a layer: where they are in an RBM, and how states of both go together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.models.rbm import RBM
from rbmfast.reference import GREY, States
from rbmfast.units import Unit


def n_features(rbm: RBM) -> int:
    """How many of an RBM's visible units are no labels; these come first."""
    return rbm.n_visible - rbm.n_classes


def features_unit(rbm: RBM) -> Unit:
    """The type of these units."""
    if n_features(rbm) == rbm.n_visible:
        return rbm.visible
    unit: Unit = rbm.visible.parts[0][0]  # type: ignore[attr-defined]
    return unit


def one_hot(labels: NDArray[np.int64], n_classes: int, dtype: np.dtype[Any]) -> States:
    """Class numbers as states of a group of label units, in the units of `dtype`."""
    states = np.zeros((len(labels), n_classes), dtype)
    states[np.arange(len(labels)), labels] = GREY if dtype == np.uint16 else 1
    return states


def join(states: States, labels: States) -> States:
    """Rows of states and, beside them, states of label units, in the form that can hold both."""
    if states.dtype == labels.dtype:
        return np.hstack([states, labels])
    dtype = max(states.dtype, labels.dtype, key=_FORMS.index)
    return np.hstack([_in_form(states, dtype), _in_form(labels, dtype)])


_FORMS = [np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)]  # each can hold those before it


def _in_form(states: States, dtype: np.dtype[Any]) -> States:
    if states.dtype == dtype:
        return states
    if dtype == np.uint16:
        return states * np.uint16(GREY)
    return (states / np.float32(GREY if states.dtype == np.uint16 else 1)).astype(np.float32)
