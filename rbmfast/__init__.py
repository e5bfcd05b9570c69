"""Restricted Boltzmann machines on CPUs: fast, and the same bits everywhere.

>>> import numpy as np
>>> import rbmfast as rf
>>> X = np.random.default_rng(0).integers(0, 2, (200, 16), dtype=np.uint8)
>>> rbm = rf.RBM(16, 8, seed=0)
>>> history = rf.train(rbm, X, epochs=2, seed=1)
>>> rbm.sample(4, steps=100, seed=2).shape
(4, 16)
"""

from rbmfast.data import Grey8, Packed
from rbmfast.io import load
from rbmfast.likelihood import (
    chain_diagnostics,
    compare_samples,
    conservative_log_likelihood,
    log_likelihood,
    log_likelihood_bound,
    log_partition,
    mean_log_likelihood,
    pseudo_likelihood,
)
from rbmfast.models import DBN, RBM, ClassRBM, Dense, Network, ParallelTempering
from rbmfast.runtime import VERSION as __version__
from rbmfast.runtime import get_include, get_num_threads, set_num_threads, show_config
from rbmfast.training import (
    CD,
    FPCD,
    L1,
    L2,
    PCD,
    PT,
    SGD,
    Adam,
    Callback,
    ClassificationError,
    Constant,
    DeadUnits,
    Discriminative,
    EarlyStopping,
    Exponential,
    FreeEnergyGap,
    History,
    Hybrid,
    Linear,
    LogLikelihood,
    MaxNorm,
    PseudoLikelihood,
    ReconstructionError,
    SaturatedUnits,
    SparsityTarget,
    Steps,
    TrainingState,
    WeightNorm,
    fine_tune,
    pretrain,
    train,
    up_down,
)
from rbmfast.units import Bernoulli, Categorical, Gaussian, Mixed

__all__ = [
    # models
    "RBM",
    "ClassRBM",
    "DBN",
    "ParallelTempering",
    "Network",
    "Dense",
    "Bernoulli",
    "Gaussian",
    "Categorical",
    "Mixed",
    "load",
    # data
    "Grey8",
    "Packed",
    # training
    "train",
    "fine_tune",
    "pretrain",
    "up_down",
    "CD",
    "PCD",
    "PT",
    "FPCD",
    "Discriminative",
    "Hybrid",
    "SGD",
    "Adam",
    "Constant",
    "Linear",
    "Exponential",
    "Steps",
    "L1",
    "L2",
    "MaxNorm",
    "SparsityTarget",
    "History",
    "TrainingState",
    "Callback",
    "EarlyStopping",
    "ReconstructionError",
    "FreeEnergyGap",
    "LogLikelihood",
    "PseudoLikelihood",
    "ClassificationError",
    "SaturatedUnits",
    "DeadUnits",
    "WeightNorm",
    # likelihood
    "log_partition",
    "log_likelihood",
    "log_likelihood_bound",
    "mean_log_likelihood",
    "conservative_log_likelihood",
    "pseudo_likelihood",
    "chain_diagnostics",
    "compare_samples",
    # environment
    "set_num_threads",
    "get_num_threads",
    "show_config",
    "get_include",
    "__version__",
]
