"""What results say of themselves when they are printed."""

from __future__ import annotations

import math

import pytest

import rbmfast as rf
from rbmfast.likelihood.result import LogPartition

RBM = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])


@pytest.mark.parametrize(
    ("stderr", "text"),
    [
        (0.0, "-85.012 (ais)"),
        (0.0312, "-85.01 ± 0.03 [-85.96, -84.96]"),
        (0.0142, "-85.012 ± 0.014 [-85.957, -84.957]"),
        (0.0997, "-85.01 ± 0.10 [-85.96, -84.96]"),
        (0.96, "-85.0 ± 1.0 [-86.0, -85.0]"),
        (30.0, "-85 ± 30 [-86, -85]"),
        (math.inf, "-85.012 ± inf [-85.957, -84.957]"),
    ],
)
def test_as_a_paper_says_it(stderr: float, text: str) -> None:
    assert str(LogPartition(-85.0123, stderr, -85.9573, -84.9571, "ais")) == text


def test_exact_numbers_say_so() -> None:
    assert str(rf.log_partition(RBM)) == "3.399 (exact)"
    assert str(rf.mean_log_likelihood(RBM, [[0, 1], [1, 1]])) == "-1.407 (exact)"
    assert str(rf.mean_log_likelihood(RBM, [[0, 1], [1, 1]], log_z=3.4)).endswith(" (exact)")


def test_estimates_give_an_interval() -> None:
    z = rf.log_partition(RBM, method="ais", n_chains=50, n_temperatures=50, seed=1)
    assert " ± " in str(z) and str(z).endswith("]")
    mean = rf.mean_log_likelihood(RBM, [[0, 1]], log_z=z)
    assert str(mean).startswith(f"{mean.value:.1f}"[:4]) and " ± " in str(mean)
