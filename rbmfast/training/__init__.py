"""How a model learns. A new method or penalty is a class of its own, and a place in a list below."""

from __future__ import annotations

from rbmfast.models.conditionals import Conditionals
from rbmfast.training.callbacks import Average, Callback, EarlyStopping, Progress
from rbmfast.training.find_rate import FoundRate, find_rate
from rbmfast.training.fine_tune import fine_tune
from rbmfast.training.history import History
from rbmfast.training.methods import (
    CD,
    FPCD,
    METHODS,
    PCD,
    PT,
    PTT,
    Discriminative,
    Hybrid,
    MaximumPseudoLikelihood,
    Method,
    UnbiasedCD,
)
from rbmfast.training.monitors import (
    ClassificationError,
    DeadUnits,
    FreeEnergyGap,
    LogLikelihood,
    Monitor,
    PseudoLikelihood,
    ReconstructionError,
    SaturatedUnits,
    Watched,
    WeightNorm,
)
from rbmfast.training.optimizers import SGD, Adam, Cosine
from rbmfast.training.penalties import L1, L2, BlockL1, MaxNorm, SparsityTarget
from rbmfast.training.phases import contrast
from rbmfast.training.pretrain import pretrain
from rbmfast.training.schedules import Constant, Exponential, Linear, Schedule, Steps
from rbmfast.training.state import TrainingState
from rbmfast.training.train import train
from rbmfast.training.up_down import up_down

PENALTIES = (L1, L2, BlockL1, MaxNorm, SparsityTarget)

__all__ = [
    "train",
    "pretrain",
    "up_down",
    "fine_tune",
    "find_rate",
    "FoundRate",
    "History",
    "TrainingState",
    "CD",
    "PCD",
    "PT",
    "PTT",
    "FPCD",
    "UnbiasedCD",
    "MaximumPseudoLikelihood",
    "Discriminative",
    "Hybrid",
    "METHODS",
    "Method",
    "Conditionals",
    "contrast",
    "SGD",
    "Adam",
    "Cosine",
    "Constant",
    "Linear",
    "Exponential",
    "Steps",
    "Schedule",
    "L1",
    "L2",
    "BlockL1",
    "MaxNorm",
    "SparsityTarget",
    "PENALTIES",
    "Callback",
    "EarlyStopping",
    "Average",
    "Progress",
    "ReconstructionError",
    "FreeEnergyGap",
    "LogLikelihood",
    "PseudoLikelihood",
    "ClassificationError",
    "SaturatedUnits",
    "DeadUnits",
    "WeightNorm",
    "Monitor",
    "Watched",
]
