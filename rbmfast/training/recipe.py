"""What a model learns by where nothing is said: one recipe for `train`, the estimators and the command line.

`docs/design/020-recipe.md` says how it was found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from rbmfast.models import RBM, BoltzmannMachine
from rbmfast.models.two_layers import ABSENT
from rbmfast.training.methods import CD, PCD, Discriminative, Hybrid, Method
from rbmfast.training.optimizers import SGD
from rbmfast.training.penalties import L2
from rbmfast.training.schedules import Linear
from rbmfast.training.settings import LayerSettings, TrainSettings

S = TypeVar("S", bound=LayerSettings)

METHOD = PCD(n_chains=500)  # with fewer, chains lose modes, and the model with them
UPDATES = 20_000  # at least, in all epochs together
MOST_EPOCHS = 2000  # those of a few rows are mostly overhead
RATE, MOMENTUM = 0.1, 0.5
PRECISION, MOST_L2 = 3.0, 0.002  # of weights a priori, which are normal; a few rows may be learned by heart


def completed(settings: S, model: RBM | BoltzmannMachine, n_rows: int, goes_on: bool = False) -> S:
    """The settings, with the recipe's where they are None; of a run that `goes_on` nobody knows the end."""
    rate = rate_of(model)
    ours: dict[str, Any] = {
        "method": method_of(settings, model),
        "optimizer": SGD(rate if goes_on else Linear(rate), MOMENTUM),
        "penalties": () if goes_on or _classifies(settings) else (L2(min(PRECISION / n_rows, MOST_L2)),),
        "centered": _is_centered(settings, model),
        "epochs": 1 if goes_on else epochs_of(n_rows, settings.batch_size),
    }
    unsaid = {name: own for name, own in ours.items() if getattr(settings, name) is None}
    return replace(settings, **unsaid) if unsaid else settings  # of which checkpoints have the words


def method_of(settings: LayerSettings, model: RBM | BoltzmannMachine) -> Method:
    """Chains of their own, where the model and what is missing let these be."""
    if settings.method is not None:
        return settings.method
    at_rows = isinstance(model, RBM) and (model.visible.needs_rows or model._held is not None)
    return CD() if at_rows or _lacks_units(settings) else METHOD


def rate_of(model: RBM | BoltzmannMachine) -> float:
    """The rate that a model begins with."""
    return RATE * min(model.visible.rate_share, model.hidden.rate_share)


def epochs_of(n_rows: int, batch_size: int) -> int:
    """Passes over the data that make all updates."""
    return min(-(-UPDATES // -(-n_rows // batch_size)), MOST_EPOCHS)


def _lacks_units(settings: LayerSettings) -> bool:
    return isinstance(settings, TrainSettings) and settings.missing == ABSENT


def _classifies(settings: LayerSettings) -> bool:
    """Whether classes are told apart: centred, or with weights held down, that does not find XOR."""
    return isinstance(settings.method, (Discriminative, Hybrid))


def _is_centered(settings: LayerSettings, model: RBM | BoltzmannMachine) -> bool:
    can_be = isinstance(model, RBM) and model._parameters.interaction.is_dense and not _lacks_units(settings)
    return can_be and not _classifies(settings)
