"""What results say of themselves when they are printed."""

from __future__ import annotations

import math

import pytest
from likelihood.helpers import WORKED

import rbmfast as rf
from rbmfast.likelihood.result import LogPartition


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
    z = rf.log_partition(WORKED)
    assert (z.stderr, z.lower, z.upper, z.method) == (0.0, z.value, z.value, "exact")
    assert float(z) == z.value and str(z) == "3.399 (exact)"
    assert str(rf.mean_log_likelihood(WORKED, [[0, 1], [1, 1]])) == "-1.407 (exact)"
    assert str(rf.mean_log_likelihood(WORKED, [[0, 1], [1, 1]], log_z=3.4)).endswith(" (exact)")


def test_means_have_the_interval_of_log_z() -> None:
    z = LogPartition(3.4, 0.03, 3.3, 3.6, "ais")
    assert str(rf.mean_log_likelihood(WORKED, [[0, 1], [1, 1]], log_z=z)) == "-1.41 ± 0.03 [-1.61, -1.31]"
