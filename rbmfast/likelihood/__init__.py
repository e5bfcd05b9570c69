"""How good a model is."""

from rbmfast.likelihood.comparison import Difference, SampleComparison, compare_samples
from rbmfast.likelihood.data import (
    LogLikelihoodBound,
    MeanLogLikelihood,
    conservative_log_likelihood,
    log_likelihood,
    log_likelihood_bound,
    mean_log_likelihood,
)
from rbmfast.likelihood.diagnostics import (
    ChainDiagnostics,
    autocorrelation_time,
    autocorrelations,
    chain_diagnostics,
    effective_sample_size,
    split_r_hat,
)
from rbmfast.likelihood.enumeration import all_states
from rbmfast.likelihood.exact import (
    ExactGradient,
    Moments,
    exact_gradient,
    exact_moments,
    kl_divergence,
    log_probabilities,
)
from rbmfast.likelihood.partition import log_partition
from rbmfast.likelihood.pseudo import pseudo_likelihood
from rbmfast.likelihood.result import LogPartition
from rbmfast.likelihood.samples import exact_samples

__all__ = [
    "ChainDiagnostics",
    "Difference",
    "ExactGradient",
    "LogLikelihoodBound",
    "LogPartition",
    "MeanLogLikelihood",
    "Moments",
    "SampleComparison",
    "all_states",
    "autocorrelation_time",
    "autocorrelations",
    "chain_diagnostics",
    "compare_samples",
    "conservative_log_likelihood",
    "effective_sample_size",
    "exact_gradient",
    "exact_moments",
    "exact_samples",
    "kl_divergence",
    "log_likelihood",
    "log_likelihood_bound",
    "log_partition",
    "log_probabilities",
    "mean_log_likelihood",
    "pseudo_likelihood",
    "split_r_hat",
]
