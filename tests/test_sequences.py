"""Sequences as rows: `rf.lagged`, `rf.sequence_weights`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import rbmfast as rf


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 4))
def test_frames_and_those_before_them(labels: list[int], order: int) -> None:
    """By a plain loop over rows of any groups, however these are mixed."""
    X = np.arange(2 * len(labels)).reshape(-1, 2)
    frames, contexts = [], []
    for t, label in enumerate(labels):
        before = [s for s in range(t) if labels[s] == label]
        if len(before) >= order:
            frames.append(X[t])
            contexts.append(np.concatenate([X[s] for s in before[: -order - 1 : -1]]))
    if not frames:
        with pytest.raises(ValueError, match=f"more than order={order} frames"):
            rf.lagged(X, order, groups=labels)
        return
    found = rf.lagged(X, order, groups=[f"take {label}" for label in labels])
    assert_array_equal(found[0], frames)
    assert_array_equal(found[1], contexts)


def test_a_list_of_sequences() -> None:
    parts = [np.arange(6.0).reshape(3, 2), np.arange(2.0).reshape(1, 2), np.arange(8.0).reshape(4, 2)]
    groups = np.repeat([0, 1, 2], [3, 1, 4])
    for ours, theirs in zip(rf.lagged(parts, 2), rf.lagged(np.vstack(parts), 2, groups), strict=True):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[1], [2]], 0), "order must be an integer of at least 1"),
        (([[1], [2]], 2), "more than order=2 frames, got at most 2"),
        (([1, 2, 3], 1), "X must be 2-D"),
        (([[1], [2]], 1, ["a"]), "groups have a label for each row"),
        (([[[1], [2]], [[1, 2], [3, 4]]], 1), "sequences of equally many columns"),
        (([[[1], [2]]], 1, ["a"]), "groups must be None"),
    ],
)
def test_refused(arguments: tuple, match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=match):
        rf.lagged(*arguments)


@given(st.integers(1, 1100), st.integers(1, 12), st.sampled_from([0.2, 0.5, 0.8, 1.0]))
def test_weights_of_aligned_sequences(n_rows: int, n_sites: int, identity: float) -> None:
    """Numbers and letters, one block of comparisons and more: by a plain count."""
    X = np.random.default_rng(n_rows).integers(0, 3, (n_rows, n_sites))
    alike = (X[:, None] == X).sum(axis=2) >= round(identity * n_sites * 10) / 10
    assert_array_equal(rf.sequence_weights(X, identity), 1 / alike.sum(axis=1))
    letters = np.array([*"-AC"])[X]
    assert_array_equal(rf.sequence_weights(letters.astype(object), identity), 1 / alike.sum(axis=1))
    assert_array_equal(rf.sequence_weights(letters, 1e-12), rf.sequence_weights(letters, 1 / n_sites))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[0.5, 1.0]],), "X must hold letters or whole numbers, got dtype float64"),
        ((["ACD", "ACE"],), r"X must have a letter in each column, got strings: pass \[\[\*row\]"),
        (([["A", 1]] * 2 + [["A", None]],), "X must hold letters or whole numbers, got dtype object"),
        (([[1, 2]], 1.5), "identity must be at most 1, got 1.5"),
        (([[1, 2]], 0.0), "identity must be a finite number above 0"),
    ],
)
def test_refused_weights(arguments: tuple, match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=match):
        rf.sequence_weights(*arguments)
