"""The parameters of a whole model, which may be several RBMs: all of them change, or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any

from rbmfast.models import DBN, RBM, Network
from rbmfast.models.parameters import Parameters
from rbmfast.reference import F32

PARAMETERS = ("W", "a", "b")
KEPT = (*PARAMETERS, "visible_means")

Model = RBM | DBN | Network


def get_parameters(model: Model) -> dict[str, F32]:
    """All parameters, and means of data, by names such as ``W`` or ``generative/0/W``; they never change."""
    if isinstance(model, Network):
        return model._get_parameters()
    arrays = {prefix + name: getattr(rbm, name) for prefix, rbm in _rbms(model).items() for name in KEPT}
    return {name: array for name, array in arrays.items() if array is not None}


def set_parameters(model: Model, arrays: Mapping[str, F32]) -> None:
    """Replace parameters by copies of these arrays, under the names above; the others stay."""
    if isinstance(model, Network):
        model._set_parameters(**arrays)
        return
    rbms = _rbms(model)
    versions = []
    for prefix, rbm in rbms.items():
        old = rbm._parameters
        versions.append(Parameters(*(arrays.get(prefix + name, getattr(old, name)) for name in KEPT)))
    at_once(setattr, rbms.values(), repeat("_parameters"), versions)


def at_once(function: Callable[..., Any], *arguments: Iterable[Any]) -> None:
    """Call a function written in C for all arguments, as `map` does, with no way for Ctrl-C to come between.

    Python answers signals between its own instructions, and here all calls are made within a single one.
    """
    deque(map(function, *arguments), maxlen=0)


def _rbms(model: RBM | DBN) -> dict[str, RBM]:
    """The RBMs that a model is made of, by what the names of their parameters begin with."""
    return {"": model} if isinstance(model, RBM) else {f"{name}/": rbm for name, rbm in model._named_rbms()}
