"""Every function with every pair of unit types: an answer, or a refusal that says what it needs."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import rbmfast as rf
from rbmfast import likelihood

UNITS: dict[str, Any] = {
    "bernoulli": "bernoulli",
    "gaussian": "gaussian",
    "categorical": rf.Categorical(3),
    "binary blocks": rf.Mixed([(rf.Bernoulli(), 3), (rf.Categorical(3), 3)]),
    "real blocks": rf.Mixed([(rf.Bernoulli(), 3), (rf.Gaussian(), 3)]),
}
QUICK: dict[str, Any] = {"n_chains": 20, "n_temperatures": 10, "seed": 1}
CHAINS: dict[str, Any] = {"n_chains": 4, "steps": 40, "seed": 1}
ANSWER: dict[str, Callable[[rf.RBM, Any], Any]] = {
    "ais": lambda rbm, X: rf.log_partition(rbm, "ais", **QUICK),
    "reverse_ais": lambda rbm, X: rf.log_partition(rbm, "reverse_ais", samples=X, **QUICK),
    "bracket": lambda rbm, X: rf.log_partition(rbm, "bracket", samples=X, **QUICK),
    "conservative": lambda rbm, X: rf.conservative_log_likelihood(rbm, X, n_temperatures=10, seed=1),
    "chains": lambda rbm, X: rf.chain_diagnostics(rbm, **CHAINS),
    "chains from data": lambda rbm, X: rf.chain_diagnostics(rbm, X, **CHAINS),
    "comparison": lambda rbm, X: rf.compare_samples(rbm, X, X),
    "given log Z": lambda rbm, X: rf.mean_log_likelihood(rbm, X, 3.0),
}
MAY_REFUSE: dict[str, Callable[[rf.RBM, Any], Any]] = {
    "exact": lambda rbm, X: rf.log_partition(rbm),
    "log_likelihood": lambda rbm, X: rf.log_likelihood(rbm, X),
    "pseudo_likelihood": lambda rbm, X: rf.pseudo_likelihood(rbm, X),
    "exact_moments": lambda rbm, X: likelihood.exact_moments(rbm),
    "exact_gradient": lambda rbm, X: likelihood.exact_gradient(rbm, X),
    "exact_samples": lambda rbm, X: likelihood.exact_samples(rbm, 5, seed=1),
    "log_probabilities": lambda rbm, X: likelihood.log_probabilities(rbm),
    "kl_divergence": lambda rbm, X: likelihood.kl_divergence(X, rbm),
}
REFUSAL = r"^(rbm must have .*units|neither layer of RBM\(.*\) has 0/1 states that can be enumerated)"


@pytest.mark.filterwarnings("ignore:.*do not trust it")
@pytest.mark.parametrize(("visible", "hidden"), [*product(UNITS, UNITS)])
def test_every_function(visible: str, hidden: str) -> None:
    W, a, b = np.random.default_rng(0).normal(scale=0.1, size=(6, 6)), np.zeros(6), np.zeros(6)
    rbm = rf.RBM.from_arrays(W, a, b, visible=UNITS[visible], hidden=UNITS[hidden])
    X = rbm.sample(20, steps=5, seed=1)
    for name, function in ANSWER.items():
        assert function(rbm, X) is not None, name
    for name, function in MAY_REFUSE.items():
        try:
            assert function(rbm, X) is not None, name
        except ValueError as refusal:
            assert re.match(REFUSAL, str(refusal)), name
