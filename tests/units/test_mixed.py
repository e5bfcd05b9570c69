"""Layers of several types: what only they promise."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast.units import Bernoulli, Categorical, Gaussian, Mixed

TABLE = Mixed([(Gaussian(), 2), (Categorical(3), 3), (Bernoulli(), 1)])
ROWS = np.array([[-2.5, 7.0, 0, 1, 0, 1], [0.5, -1.0, 1, 0, 0, 0.25]])


def test_a_layer_is_as_exact_as_its_least_exact_block() -> None:
    exact = Mixed([(Bernoulli(), 2), (Categorical(2), 2)])
    assert (exact.exact, exact.domain, exact.dtype) == (True, "binary", np.uint8)
    assert (TABLE.exact, TABLE.domain, TABLE.dtype) == (False, "real", np.float32)
    assert TABLE.blocks(6) is None
    switches, sizes = exact.blocks(4)
    assert switches == 2 and sizes.tolist() == [2]
    assert TABLE.columns == [slice(0, 2), slice(2, 5), slice(5, 6)]
    x = np.zeros((1, 6), np.float32)
    assert_array_equal(TABLE.expectation(x), TABLE.mean(x))  # grey levels have no place beside real numbers


def test_0_1_blocks_beside_real_ones_are_checked() -> None:
    assert_array_equal(TABLE.rows(ROWS, 6).all(), ROWS.astype(np.float32))
    scaled = ROWS.copy()
    scaled[:, 5] = 1 + 1e-7  # a rounding error of scaling
    assert_array_equal(TABLE.rows(scaled, 6).all(), scaled.astype(np.float32))
    for column, value, message in (
        (5, 1.5, r"X\[:, 5:6\] must lie in \[0, 1\], got 0.25 to 1.5"),
        (5, -0.5, r"X\[:, 5:6\] must lie in \[0, 1\], got -0.5 to 0.25"),
        (2, 1.0, r"X\[0, 2:5\] must have one unit on, of 3 .*got a sum of 2"),
        (0, np.nan, r"X\[0, 0\] is nan"),
    ):
        bad = ROWS.copy()
        bad[0, column] = value
        with pytest.raises(ValueError, match=message):
            TABLE.rows(bad, 6)


def test_data_of_a_table_is_not_loaded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = TABLE.rows(np.tile(ROWS, (20, 1)), 6)
    whole = TABLE.initial_bias(rows)
    for name in ("base", "common"):
        monkeypatch.setattr(f"rbmfast.units.{name}.rows_in_a_scan", lambda _: 7)
    monkeypatch.setattr("rbmfast.data.memory.CHUNK", 42)
    gather, most = type(rows._source).gather, 0

    def watched(source: object, index: slice, *rest: object) -> object:
        nonlocal most
        block = gather(source, index, *rest)  # type: ignore[arg-type]
        most = max(most, len(block))
        return block

    monkeypatch.setattr(type(rows._source), "gather", watched)
    assert_array_equal(TABLE.initial_bias(rows), whole)
    assert 0 < most <= 7


def test_what_is_missing_of_a_group_is_missing_of_the_group_alone() -> None:
    missing = np.zeros((2, 6), np.bool_)
    missing[0, 3] = missing[1, 0] = True
    expected = missing.copy()
    expected[0, 2:5] = True
    assert_array_equal(TABLE.whole(missing), expected)


def test_parts() -> None:
    assert TABLE.part(0, 6) == TABLE
    assert TABLE.part(1, 5) == Mixed([(Gaussian(), 1), (Categorical(3), 3)])
    assert TABLE.part(1, 4) is None is TABLE.part(3, 6)
    assert TABLE.part(2, 2) is None


NO_PAIRS: list[Any] = [3, "bernoulli", {"bernoulli": 2}, None, [Bernoulli()], [("bernoulli", 2)]]


def test_other_parts_are_refused() -> None:
    for parts, error, words in (
        *(
            (wrong, TypeError, "parts must be pairs of a Unit and its number .* such as")
            for wrong in NO_PAIRS
        ),
        ([(Bernoulli(), 2, 3)], TypeError, "parts must be pairs of a Unit and its number .* such as"),
        ([], ValueError, "parts must be pairs .*, got none"),
        ([(Bernoulli(), 0)], ValueError, "the number of bernoulli units must be an .* at least 1, got 0"),
        ([(Bernoulli(), 2.5)], TypeError, "the number of bernoulli units must be an integer"),
        ([(Categorical(3), 4)], ValueError, "the number of categorical units must be a multiple of 3"),
        ([(TABLE, 5)], ValueError, "the number of mixed units must be 6, the units of Mixed"),
    ):
        with pytest.raises(error, match=words):
            Mixed(parts)
    with pytest.raises(ValueError, match=r"n_hidden must be 6, the units of Mixed.*, got 5"):
        rf.RBM(4, 5, hidden=TABLE)


def test_parts_may_come_in_any_sequence() -> None:
    same = Mixed([(Bernoulli(), 2), (Categorical(2), 2)])
    assert same == Mixed(((Bernoulli(), 2), (Categorical(2), np.int64(2))))
    assert same == Mixed(iter([[Bernoulli(), 2], (Categorical(2), 2)]))  # type: ignore[arg-type]
