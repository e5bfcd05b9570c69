"""Log-likelihoods of rows, against the list of all probabilities."""

from typing import Any

import numpy as np
import pytest
from likelihood.helpers import model
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast.likelihood import LogPartition, all_states, exact_gradient, log_probabilities


def test_likelihoods_of_all_states_add_up_to_one() -> None:
    for units in ({}, {"hidden": "gaussian"}):
        rbm = model(6, 4, 0.5, **units)
        log_p = rf.log_likelihood(rbm, all_states(6))
        assert log_p.dtype == np.float64
        assert_allclose(logsumexp(log_p), 0, atol=1e-5)
        assert_allclose(log_p, log_probabilities(rbm), atol=1e-5)


def test_log_z_may_be_given() -> None:
    rbm, V = model(6, 4), all_states(6)[:5]
    z = rf.log_partition(rbm)
    expected = rf.log_likelihood(rbm, V)
    for given in (z, z.value, np.float64(z.value)):
        assert_array_equal(rf.log_likelihood(rbm, V, log_z=given), expected)
    assert_allclose(rf.log_likelihood(rbm, V, log_z=0), -rbm.free_energy(V))
    later = LogPartition(1.0, 0.1, 0.8, 1.2, "ais")
    assert_allclose(rf.log_likelihood(rbm, V, log_z=later), -rbm.free_energy(V) - 1)


@pytest.mark.parametrize(
    "function", [rf.log_likelihood, rf.conservative_log_likelihood, rf.log_likelihood_bound, exact_gradient]
)
def test_grey_levels_have_no_likelihood(function: Any) -> None:
    rbm = rf.DBN([3, 2, 2], seed=0) if function is rf.log_likelihood_bound else model(3, 2)
    with pytest.raises(ValueError, match=r"X\[1, 2\] is a grey level, which is no state of bernoulli units"):
        function(rbm, [[0, 1, 0], [0, 1, 0.5]])
    with pytest.raises(ValueError, match=r"X must have 3 features"):
        function(rbm, [[0, 1]])
    function(rbm, [[0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("log_z", "error"), [("1", TypeError), (True, TypeError), (np.nan, ValueError), ([1.0], TypeError)]
)
def test_bad_log_z(log_z: object, error: type) -> None:
    with pytest.raises(error, match=r"^log_z must be"):
        rf.log_likelihood(model(3, 2), [[0, 1, 0]], log_z=log_z)
