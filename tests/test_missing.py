"""Missing entries, from every container that can say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast.data import Rows, as_rows
from rbmfast.units import Bernoulli, Categorical, Gaussian, Mixed, Spin, Unit

GAPS = np.array([[False, True, False], [True, False, False], [False, False, False], [False, True, True]])
BITS = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 0]])
HOLES = np.where(GAPS, np.nan, BITS)


def rows_of(unit: Unit, X: Any, n_units: int = 3, **more: Any) -> Rows:
    return unit.rows(X, n_units, may_miss=True, **more)


CONTAINERS: dict[str, Any] = {
    "float64": HOLES,
    "float16, columns": np.asfortranarray(HOLES.astype(np.float16)),
    "list": HOLES.tolist(),
    "list with None": [[None if np.isnan(x) else bool(x) for x in row] for row in HOLES],
    "masked bytes": np.ma.masked_array(np.where(GAPS, 7, BITS), GAPS),
    "masked floats": np.ma.masked_array(np.where(GAPS & (BITS == 0), np.nan, BITS), GAPS & (BITS == 1)),
    "pandas": pd.DataFrame(HOLES),
    "pandas, nullable": pd.DataFrame(HOLES).astype("Int64"),
    "pandas, several types": pd.DataFrame(HOLES).astype({0: "boolean", 1: "Int8", 2: "float32"}),
}


@pytest.mark.parametrize("X", CONTAINERS.values(), ids=CONTAINERS)
def test_containers_say_what_is_missing(X: Any) -> None:
    rows, same = rows_of(Bernoulli(), X), rows_of(Bernoulli(), HOLES)
    assert rows.kind == "binary" and rows.missing is not None
    assert_array_equal(rows.missing, GAPS)
    assert_array_equal(rows.all(), np.where(GAPS, 0, BITS))
    assert_array_equal(rows.n_known, [3, 2, 3])
    assert rows.fingerprint() == same.fingerprint() != as_rows(rows.all()).fingerprint()
    with pytest.raises((TypeError, ValueError), match=r"^X.* (missing|nan|masked|dtype)"):
        Bernoulli().rows(X, 3)


def test_frames_of_polars_say_it_too() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(HOLES).fill_nan(None)
    for X in (frame, frame.cast(polars.Boolean)):
        test_containers_say_what_is_missing(X)


def test_nothing_missing_is_as_ever() -> None:
    for X in (BITS.astype(np.uint8), BITS.astype(float), np.ma.masked_array(BITS, BITS < 0), rf.Grey8(BITS)):
        rows = rows_of(Bernoulli(), X)
        assert rows.missing is None and rows.n_known == 4
    X = BITS.astype(np.uint8)
    direct = rows_of(Bernoulli(), X).direct
    assert direct is not None and np.shares_memory(direct, X)


def test_units_have_their_states_there() -> None:
    """Zeros inside, whatever is shown; groups miss as a whole, and a code stands for all units of a group."""
    assert_array_equal(rows_of(Spin(), 2 * HOLES - 1).all(), np.where(GAPS, 0, BITS))
    grey = rows_of(Bernoulli(), np.where(GAPS, np.nan, 0.5))
    assert grey.kind == "grey" and grey.all().max() == 32768 and (grey.all()[GAPS] == 0).all()
    real = rows_of(Gaussian(), np.where(GAPS, np.nan, -2.5))
    assert_array_equal(real.all(), np.where(GAPS, 0, np.float32(-2.5)))
    codes = rows_of(Categorical(2), HOLES, 6)
    assert_array_equal(codes.missing, np.repeat(GAPS, 2, axis=1))
    hot = (BITS[..., None] == [0, 1]).reshape(4, 6) & ~np.repeat(GAPS, 2, axis=1)
    assert_array_equal(codes.all(), hot)
    table = Mixed([(Gaussian(), 1), (Categorical(2), 2)])
    rows = rows_of(table, [[-2.0, 1, np.nan], [np.nan, 0, 1]])
    assert_array_equal(rows.all(), np.array([[-2, 0, 0], [0, 0, 1]], np.float32))
    assert_array_equal(rows.missing, [[False, True, True], [True, False, False]])


def test_means_and_biases_are_those_of_what_is_known() -> None:
    """Column by column, as from the known rows alone; of columns of which nothing is known, as from none."""
    rng = np.random.default_rng(0)
    cases: list[tuple[Unit, int, Any]] = [
        (Bernoulli(), 1, rng.integers(0, 2, (40, 1))),
        (Gaussian(), 1, rng.normal(size=(40, 1))),
        (Categorical(3), 3, np.eye(3)[rng.integers(0, 3, 40)]),
        (rf.Binomial(4), 1, rng.integers(0, 5, (40, 1))),
        (Mixed([(Gaussian(), 1), (Categorical(2), 2)]), 3, np.eye(3)[rng.integers(1, 3, 40)]),
    ]
    gaps = rng.random(40) < 0.4
    for unit, n, X in cases:
        bias, means = unit.initial_bias(unit.rows(X[~gaps], n))
        found = unit.initial_bias(rows_of(unit, np.where(gaps[:, None], np.nan, X), n))
        np.testing.assert_allclose(found, (bias, means), rtol=1e-6)
        bias, means = unit.initial_bias(rows_of(unit, np.full(X.shape, np.nan), n))
        assert np.abs(bias).max() < 1e-6 and np.isfinite(means).all(), unit


def test_refusals() -> None:
    for X, error, message in (
        (np.full((2, 2), np.nan), ValueError, "X must have 3 features"),
        ([[2, np.nan, 0]], ValueError, r"X\[0, 0\] is 2"),
        ([[1, None, "a"]], TypeError, "X must be bool, integer, float"),
        ([1, np.nan, 0], ValueError, "X must be 2-D"),
    ):
        with pytest.raises(error, match=message):
            rows_of(Bernoulli(), X)
    with pytest.raises(ValueError, match=r"mask must have the shape \(4, 3\) of X, got \(4, 2\)"):
        rows_of(Bernoulli(), HOLES, mask=GAPS[:, :2])
    with pytest.raises(ValueError, match="X has missing entries, which are not allowed here"):
        Bernoulli().rows(rows_of(Bernoulli(), HOLES), 3)
    filled = rf.RBM(3, 2, seed=0).impute(CONTAINERS["masked bytes"], seed=1)
    assert_array_equal(filled[~GAPS], BITS[~GAPS])
