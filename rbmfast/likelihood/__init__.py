"""How good a model is."""

from rbmfast.likelihood.exact import (
    LogPartition,
    all_states,
    log_likelihood,
    log_partition,
    log_probabilities,
)
from rbmfast.likelihood.pseudo import pseudo_likelihood

__all__ = [
    "LogPartition",
    "all_states",
    "log_likelihood",
    "log_partition",
    "log_probabilities",
    "pseudo_likelihood",
]
