"""Class numbers, and states of label units beside those of a layer."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from rbmfast.models.labels import check_labels
from rbmfast.states import join, one_hot


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_class_numbers_of_any_width(dtype: Any) -> None:
    given = np.array([2, 0, 1], dtype)
    labels = check_labels(given, 3, 3)
    assert labels.dtype == np.int64 and labels.tolist() == [2, 0, 1]
    assert not np.shares_memory(labels, given)


def test_what_may_stand_for_labels() -> None:
    assert check_labels(1, 3, 2, one_for_all=True).tolist() == [1, 1, 1]
    assert check_labels([1, -1], 2, 2, lowest=-1).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("y", "error", "given"),
    [
        (None, TypeError, ", got None"),
        ([0.0, 1.0], TypeError, ", got dtype float64"),
        ([True, False], TypeError, ", got dtype bool"),
        (["0", "1"], TypeError, ", got dtype <U1"),
        ([[0], [0, 1]], ValueError, ": "),
        (1, ValueError, ", got shape ()"),
        ([[0], [1]], ValueError, ", got shape (2, 1)"),
        ([0, 3], ValueError, ", got 3 at 1"),
        ([-1, 0], ValueError, ", got -1 at 0"),
        (np.array([0, 2**64 - 1], np.uint64), ValueError, f", got {2**64 - 1} at 1"),
    ],
)
def test_bad_labels(y: Any, error: type[Exception], given: str) -> None:
    with pytest.raises(error, match="^" + re.escape(f"y must be 2 integers from 0 to 2{given}")):
        check_labels(y, 2, 3, "y")


def test_states_of_both_in_the_form_that_holds_them() -> None:
    labels = np.array([1, 0])
    bits, levels, numbers = (
        np.array([[0, 1], [1, 1]], np.uint8),
        np.array([[0, 9], [65535, 1]], np.uint16),
        np.array([[0.5, -2.0], [1.0, 3.0]], np.float32),
    )
    for states, one in ((bits, 1), (levels, 65535), (numbers, 1)):
        own = one_hot(labels, 2, states.dtype)
        assert own.dtype == states.dtype and (own == one * np.eye(2)[labels]).all()
        for form in (np.uint8, np.uint16, np.float32):
            both = join(states, one_hot(labels, 2, np.dtype(form)))
            scale = {1: 1, 2: 65535, 4: 1}[both.itemsize]
            meant = states / np.float32(65535 if states.dtype == np.uint16 else 1)
            assert both.itemsize == max(states.itemsize, np.dtype(form).itemsize)
            np.testing.assert_array_equal(both / np.float32(scale), np.hstack([meant, np.eye(2)[labels]]))
