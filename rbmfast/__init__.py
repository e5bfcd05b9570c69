"""Restricted Boltzmann machines on CPUs: fast, and the same bits everywhere.

>>> import numpy as np
>>> import rbmfast as rf
>>> X = np.random.default_rng(0).integers(0, 2, (200, 16), dtype=np.uint8)
>>> rbm = rf.RBM(16, 8, seed=0)
>>> history = rf.train(rbm, X, epochs=2, seed=1)
>>> rbm.sample(4, steps=100, seed=2).shape
(4, 16)
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from rbmfast.runtime import VERSION as __version__
    from rbmfast.runtime import get_include, get_num_threads, set_num_threads, show_config
except ImportError as error:  # what the environment says may be wrong, too
    # The command, a script or `python -m`, ends in one line; it begins with this import, so it is done here.
    if Path(sys.argv[0]).stem == "rbmfast" or (sys.argv[0] == "-m" and "rbmfast" in sys.orig_argv):
        print(f"rbmfast: error: {error}", file=sys.stderr)
        sys.exit(2)
    raise

from rbmfast import units
from rbmfast.data import Grey8, Packed, lagged, sequence_weights
from rbmfast.io import load
from rbmfast.models import (
    DBM,
    DBN,
    RBM,
    BoltzmannMachine,
    ClassRBM,
    ConditionalRBM,
    ConvRBM,
    Dense,
    Network,
    ParallelTempering,
)
from rbmfast.tables import Schema
from rbmfast.training import (
    CD,
    FPCD,
    L1,
    L2,
    PCD,
    PT,
    PTT,
    SGD,
    Adam,
    Average,
    BlockL1,
    Callback,
    ClassificationError,
    Constant,
    Cosine,
    DeadUnits,
    Discriminative,
    EarlyStopping,
    Exponential,
    FreeEnergyGap,
    History,
    Hybrid,
    Linear,
    LogLikelihood,
    MaximumPseudoLikelihood,
    MaxNorm,
    PseudoLikelihood,
    ReconstructionError,
    SaturatedUnits,
    SparsityTarget,
    Steps,
    TrainingState,
    UnbiasedCD,
    WeightNorm,
    find_rate,
    fine_tune,
    pretrain,
    train,
    up_down,
)
from rbmfast.units import Bernoulli, Binomial, Categorical, Counts, DReLU, Gaussian, Mixed, ReLU, Spin

if TYPE_CHECKING:
    from rbmfast import likelihood, plots
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

__all__ = [
    # models
    "RBM",
    "ClassRBM",
    "ConditionalRBM",
    "ConvRBM",
    "DBN",
    "BoltzmannMachine",
    "DBM",
    "ParallelTempering",
    "Network",
    "Dense",
    "Bernoulli",
    "Spin",
    "Gaussian",
    "ReLU",
    "DReLU",
    "Binomial",
    "Counts",
    "Categorical",
    "Mixed",
    "units",
    "load",
    # data
    "Grey8",
    "Packed",
    "lagged",
    "sequence_weights",
    "Schema",
    # training
    "train",
    "fine_tune",
    "find_rate",
    "pretrain",
    "up_down",
    "CD",
    "PCD",
    "PT",
    "PTT",
    "FPCD",
    "UnbiasedCD",
    "MaximumPseudoLikelihood",
    "Discriminative",
    "Hybrid",
    "SGD",
    "Adam",
    "Cosine",
    "Constant",
    "Linear",
    "Exponential",
    "Steps",
    "L1",
    "L2",
    "BlockL1",
    "MaxNorm",
    "SparsityTarget",
    "History",
    "TrainingState",
    "Callback",
    "EarlyStopping",
    "Average",
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
    "likelihood",
    # pictures
    "plots",
    # environment
    "set_num_threads",
    "get_num_threads",
    "show_config",
    "get_include",
    "__version__",
]

# What measures and draws waits until it is asked for: SciPy, which it needs, takes longer to load than the
# rest. The rest does not wait: a process that is forked during an import would wait for that import forever.
if not TYPE_CHECKING:  # a checker would take the function as leave to ask for any name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in ("likelihood", "plots"):
            return import_module(f"rbmfast.{name}")
        return getattr(import_module("rbmfast.likelihood"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
