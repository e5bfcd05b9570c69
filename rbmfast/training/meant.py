"""What is plainly meant: a word for a method, a number for a rate, another name for an argument."""

from __future__ import annotations

import difflib
import functools
import inspect
import numbers
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import numpy as np

from rbmfast.training.base import Method
from rbmfast.training.cd import CD
from rbmfast.training.fpcd import FPCD
from rbmfast.training.optimizers import SGD
from rbmfast.training.pcd import PCD
from rbmfast.training.schedules import Schedule
from rbmfast.training.tempering import PT

P = ParamSpec("P")
R = TypeVar("R")

METHODS: tuple[type[Method], ...] = (CD, PCD, PT, FPCD)  # that sample, each by random numbers of its own
WORDS = {method.__name__.lower(): method for method in METHODS}

# What people call our arguments, and what to say instead: the first that the function has.
MEANT: dict[tuple[str, ...], tuple[str, ...]] = {
    ("lr", "learning_rate", "rate", "eta", "alpha"): ("optimizer=rf.SGD({})",),
    ("momentum",): ("optimizer=rf.SGD(0.1, momentum={})",),
    ("n_epochs", "num_epochs", "nb_epoch", "max_epochs", "n_iter", "max_iter"): ("epochs={}",),
    ("batchsize", "minibatch_size", "mini_batch_size", "bs"): ("batch_size={}",),
    ("verbose", "show_progress"): ("progress=True",),
    ("random_state", "rng", "random_seed"): ("seed={}",),
    ("k", "cd_k", "n_steps", "gibbs_steps"): ("method=rf.CD(k={})",),
    ("n_chains", "chains"): ("method=rf.PCD(n_chains={})",),
    ("persistent",): ("method=rf.PCD()",),
    ("weight_decay", "l2", "l2_penalty"): ("penalties=rf.L2({})", "l2={}"),
    ("l1", "l1_penalty"): ("penalties=rf.L1({})",),
    ("sparsity", "sparsity_target"): ("penalties=rf.SparsityTarget({})",),
    ("weights", "sample_weights"): ("sample_weight={}",),
    ("val", "X_val", "validation_data", "validation_set"): ("validation={}",),
    ("patience", "early_stopping"): (
        "monitors=rf.PseudoLikelihood(), callbacks=rf.EarlyStopping('validation_pseudo_likelihood')",
    ),
}


def explain_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function say what to call the argument that an unknown keyword means."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def checked(*args: P.args, **keywords: P.kwargs) -> R:
        for name, value in keywords.items():
            if name not in known:
                raise TypeError(f"{function.__name__} has no argument {name!r}{_instead(name, value, known)}")
        return function(*args, **keywords)

    return checked


def _instead(name: str, value: object, known: Iterable[str]) -> str:
    """The end of the message."""
    advice = next((advice for names, advice in MEANT.items() if name.lower() in names), ())
    shown = repr(value) if isinstance(value, numbers.Real) else "..."
    for text in advice:
        if text.split("=")[0] in known:
            return f": say {text.format(shown)}"
    close = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {close[0]}?" if close else f": it has {', '.join(known)}"


def as_method(method: object) -> Method:
    """A method, or what a word such as "pcd" means; a clear error otherwise."""
    if isinstance(method, str) and method.lower() in WORDS:
        return WORDS[method.lower()]()
    if not isinstance(method, Method):
        words = ", ".join(map(repr, WORDS))
        raise (ValueError if isinstance(method, str) else TypeError)(
            f"method must be a method such as rf.CD(k=1) or rf.PCD(k=1), or one of {words}, got {method!r}"
        )
    return method


def as_optimizer(optimizer: object) -> object:
    """A rate, or a schedule of it, as plain gradient steps; anything else as it is."""
    is_rate = isinstance(optimizer, (numbers.Real, Schedule)) and not isinstance(optimizer, (bool, np.bool_))
    return SGD(optimizer) if is_rate else optimizer  # type: ignore[arg-type]
