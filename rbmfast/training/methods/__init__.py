"""Methods to learn by: each a file of its own, and a name in a list here."""

from __future__ import annotations

from rbmfast.training.methods.base import Method
from rbmfast.training.methods.cd import CD
from rbmfast.training.methods.classification import Discriminative, Hybrid
from rbmfast.training.methods.fpcd import FPCD
from rbmfast.training.methods.pcd import PCD
from rbmfast.training.methods.pseudo import MaximumPseudoLikelihood
from rbmfast.training.methods.tempering import PT
from rbmfast.training.methods.trajectory import PTT
from rbmfast.training.methods.unbiased import UnbiasedCD

# Those that sample, each by random numbers of its own.
METHODS: tuple[type[Method], ...] = (CD, PCD, PT, PTT, FPCD, UnbiasedCD)
WORDS = {method.__name__.lower(): method for method in METHODS}

__all__ = [
    "CD",
    "FPCD",
    "METHODS",
    "PCD",
    "PT",
    "PTT",
    "UnbiasedCD",
    "WORDS",
    "Discriminative",
    "Hybrid",
    "MaximumPseudoLikelihood",
    "Method",
]


def as_method(method: object, name: str = "method") -> Method:
    """A method, or what a word such as "pcd" means; a clear error otherwise."""
    if isinstance(method, str) and method.lower() in WORDS:
        return WORDS[method.lower()]()
    if not isinstance(method, Method):
        words = ", ".join(map(repr, WORDS))
        raise (ValueError if isinstance(method, str) else TypeError)(
            f"{name} must be a method such as rf.CD(k=1) or rf.PCD(k=1), or one of {words}, got {method!r}"
        )
    return method
