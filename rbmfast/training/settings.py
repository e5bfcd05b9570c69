"""What a run is asked for: dataclasses that check themselves and describe themselves for checkpoints."""

# ruff: noqa: RUF009  # fields are made by functions, of settings that never change

from __future__ import annotations

import difflib
import functools
import hashlib
import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import (
    Checked,
    as_weights,
    check_choice,
    check_flag,
    check_integer,
    check_list,
    check_number,
    check_seed,
    check_shuffle,
    checked_by,
)
from rbmfast.files import JSON, check_destination
from rbmfast.models import RBM
from rbmfast.models.two_layers import HOW, RANDOM
from rbmfast.saved import SavedRun, seed_of
from rbmfast.training.callbacks import Callback
from rbmfast.training.methods import CD, Method, as_method
from rbmfast.training.monitors import Monitor
from rbmfast.training.optimizers import SGD, Optimizer, as_optimizer
from rbmfast.training.penalties import check_penalties
from rbmfast.training.state import TrainingState

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Settings")

MAX_EPOCHS = 2**31 - 1


# --- Words for a checkpoint --------------------------------------------------------------------------------


def describe(thing: object) -> JSON:
    """What is equal for equal settings in another process: texts, but for numbers, words and lists."""
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, tuple):
        return [describe(one) for one in thing]
    if type(thing).__repr__ is not object.__repr__:
        return repr(thing)
    return f"{type(thing).__qualname__}({sorted(vars(thing).items()) if hasattr(thing, '__dict__') else ''})"


def digest(array: NDArray[Any]) -> str:
    """A hex digest of numbers, the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data).hexdigest()


def _describe_callbacks(callbacks: tuple[Callback, ...]) -> JSON:
    return describe(tuple(callback for callback in callbacks if callback.state() is not None))


def _describe_weights(weights: ArrayLike | None) -> JSON:
    return None if weights is None else digest(as_weights(weights))


# --- Settings ----------------------------------------------------------------------------------------------


def setting(
    default: Any,
    about: str,
    check: Callable[..., Any],
    words: Callable[[Any], JSON] | None = describe,
    **limits: Any,
) -> Any:
    """A field with its default, what it is in short, its check, and what a checkpoint says of it.

    See `rbmfast.checks.checked_by`. Words of None: it has no part in the result.
    """
    metadata = {"about": about, "words": words, **checked_by(check, **limits)}
    return field(default=default, metadata=metadata)


def _of_rows(weights: ArrayLike | None, name: str) -> ArrayLike | None:
    """Weights are checked when there are rows to count."""
    return weights


def _number_or_list(value: object, name: str) -> object:
    """Chances below 1: of all layers, or a tuple with one for each."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(check_number(one, f"{name}[{i}]", below=1.0) for i, one in enumerate(value))
    return check_number(value, name, below=1.0)


_method = partial(setting, about="where the samples of the negative phase come from", check=as_method)
_optimizer = partial(setting, about="how gradients become steps", check=as_optimizer)
_penalties = partial(setting, about="what holds the weights down", check=check_penalties)
_epochs = partial(setting, about="passes over the data", check=check_integer, low=0, high=MAX_EPOCHS)
_callbacks = partial(check_list, kind=Callback, example="rf.EarlyStopping('dead_units')")
_patience = checked_by(check_integer, optional=True, low=1)["check"]
_monitors = partial(check_list, kind=Monitor, example="rf.ReconstructionError()")


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What every run is asked for; the fields are called as the keywords of the public functions are.

    Raises
    ------
    TypeError, ValueError
        A value that is not allowed, whatever the model and the data; the message names it.
    """

    sample_weight: ArrayLike | None = setting(None, "weight of each row", _of_rows, _describe_weights)
    optimizer: Optimizer = _optimizer(SGD(0.1))
    epochs: int = _epochs(10)
    batch_size: int = setting(100, "rows per update", check_integer, low=1)
    shuffle: bool | str = setting(True, "a new order in every epoch", check_shuffle)
    seed: int = setting(None, "of all random numbers", check_seed)
    callbacks: tuple[Callback, ...] = setting(
        (), "what to do after each epoch", _callbacks, _describe_callbacks
    )
    progress: bool = setting(False, "whether to show how far it is", check_flag, None)
    checkpoint: str | None = setting(None, "file that the run is saved in", check_destination, None)
    checkpoint_every: int = setting(1, "epochs between checkpoints", check_integer, None, low=1)

    _in_words: ClassVar[Mapping[str, Any]]  # of each

    def __post_init__(self) -> None:
        super().__post_init__()
        # Now: callbacks, monitors and penalties of the user's own may change as they are called.
        spoken = {one.name: one.metadata["words"] for one in fields(self)}
        in_words = {name: words(getattr(self, name)) for name, words in spoken.items() if words is not None}
        object.__setattr__(self, "_in_words", in_words)

    @classmethod
    def of(cls: type[S], asked: Mapping[str, Any], saved: SavedRun | None = None) -> S:
        """Those among the arguments of a public function; a run that a checkpoint saved keeps its seed."""
        own = {one.name: asked[one.name] for one in fields(cls)}
        return cls(**{**own, "seed": seed_of(saved, own["seed"])})

    @property
    def needing_length(self) -> list[Any]:
        """Schedules and callbacks that depend on how many epochs the run has."""
        things: list[Any] = [*self.optimizer.schedules, *self.callbacks]
        return [one for one in things if one.needs_length]

    def describe(self) -> dict[str, Any]:
        """All that decides a result, as JSON: what a checkpoint is compared with before it is resumed."""
        return dict(self._in_words)


@dataclass(frozen=True, kw_only=True)
class LayerSettings(Settings):
    """Those of each RBM in `pretrain`; None stands for the recipe's, which asks for the model."""

    method: Method = _method(None, optional=True)
    optimizer: Optimizer = _optimizer(None, optional=True)
    penalties: tuple[Any, ...] = _penalties(None, optional=True)
    centered: bool = setting(None, "learn from centred units", check_flag, optional=True)
    epochs: int = _epochs(None, optional=True)
    monitors: tuple[Monitor, ...] = setting((), "what to record", _monitors)


@dataclass(frozen=True, kw_only=True)
class TrainSettings(LayerSettings):
    """Those of `train`."""

    missing: str = setting(RANDOM, "what missing entries are", check_choice, choices=HOW)


@dataclass(frozen=True, kw_only=True)
class UpDownSettings(Settings):
    """Those of `up_down`."""

    method: Method = _method(CD(k=3))
    optimizer: Optimizer = _optimizer(SGD(0.05))
    penalties: tuple[Any, ...] = _penalties(())
    centered: ClassVar[bool] = False
    monitors: ClassVar[tuple[Monitor, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class FineTuneSettings(Settings):
    """Those of `fine_tune`."""

    optimizer: Optimizer = _optimizer(SGD(0.1, momentum=0.9))
    dropout: float | tuple[float, ...] = setting(0.0, "chance of inputs to be dropped", _number_or_list, None)
    l2: float = setting(0.0, "decay of the weights", check_number)
    patience: int | None = setting(None, "epochs without a better validation loss", _patience, None)


# --- Keywords ----------------------------------------------------------------------------------------------

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


def check_training(state: object, rbm: RBM, settings: LayerSettings | UpDownSettings) -> None:
    """Raise an error if this model and these settings cannot go on from a state."""
    if not isinstance(state, TrainingState):
        raise TypeError(f"state must be an rf.TrainingState, got {state!r}")
    if settings.checkpoint is not None:
        raise ValueError("state and checkpoint exclude each other: a checkpoint is about a single run")
    state.check(rbm)
    if state.epochs and (unsure := settings.needing_length):
        raise ValueError(f"{unsure[0]!r} has to know where the run ends, and this state may go on for ever")
