"""Estimators of any units, of tables, and of numbers to be predicted."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from estimators import rows
from sklearn.base import clone

import rbmfast as rf
from rbmfast.sklearn import RBM, DBNRegressor, RBMImputer


def people(n: int = 300) -> dict[str, list[Any]]:
    """A table in which a town says much about age and language."""
    rng = np.random.default_rng(0)
    town = rng.integers(0, 3, n)
    return {
        "age": [int(a) for a in 30 + 15 * town + rng.integers(0, 9, n)],
        "town": [["Bonn", "Oslo", "Rome"][t] for t in town],
        "married": [bool(m) for m in rng.random(n) < 0.2 + 0.3 * town],
    }


# Few passes are enough.
QUICK: dict[str, Any] = {"method": "cd", "batch_size": 20, "learning_rate": 0.4, "momentum": 0.9}

# One of them learns at length.
BOTH = pytest.mark.parametrize(("library", "n_iter"), [("pandas", 25), ("polars", 1)])


# --- RBM ---------------------------------------------------------------------------------------------------


@BOTH
def test_whole_tables(library: str, n_iter: int) -> None:
    frame = pytest.importorskip(library).DataFrame(people())
    rbm = RBM(10, visible="columns", n_iter=n_iter, random_state=0, **QUICK).fit(frame)
    assert rbm.transform(frame).shape == (300, 10)
    assert [*rbm.feature_names_in_] == ["age", "town", "married"]
    drawn = rbm.sample(500, n_steps=10 * n_iter)
    assert type(drawn) is type(frame) and [*drawn.dtypes] == [*frame.dtypes]
    holes = pytest.importorskip(library).DataFrame({**people(20), "age": [31.0, None] * 10})
    filled = rbm.impute(holes, average=True)
    assert [*filled["town"]] == people(20)["town"]
    assert rbm.rbm_.schema is rbm.schema_
    if n_iter > 1:
        age, town = np.array(drawn["age"]), np.array(drawn["town"])
        bonn, oslo, rome = (age[town == name].mean() for name in ("Bonn", "Oslo", "Rome"))
        assert bonn + 5 < oslo < rome - 5
        assert np.abs(np.array(filled["age"]) - people(20)["age"])[1::2].mean() < 10


def test_units_of_any_type() -> None:
    unit = rf.Mixed([(rf.Bernoulli(), 4), (rf.Categorical(4), 8)])
    X = np.hstack([rows()[0][:, :4], np.eye(4)[np.arange(120) % 4], np.eye(4)[np.arange(120) // 30]])
    rbm = RBM(4, visible=unit, hidden=rf.Gaussian(), learning_rate=0.01, n_iter=3, random_state=0).fit(X)
    assert (rbm.rbm_.visible, rbm.rbm_.hidden) == (unit, rf.Gaussian())
    assert rbm.sample(5).reshape(5, 3, 4)[:, 1:].sum() == 10


def test_units_see_the_data_as_they_are() -> None:
    X = np.random.default_rng(0).normal(1000, 50, size=(200, 5))
    rbm = RBM(3, visible=rf.Gaussian("learned"), n_iter=2, random_state=0).fit(X)
    np.testing.assert_allclose(np.exp(rbm.rbm_.parameters()["visible.log_sigma"]), X.std(axis=0), rtol=0.1)
    assert rbm.transform(X).std(axis=0).min() > 0
    assert abs(rbm.sample(100).mean() - 1000) < 50
    with pytest.raises(ValueError, match="number of columns of X must be 2, one for each of sigma, got 5"):
        RBM(3, visible=rf.Gaussian([1, 2])).fit(X)
    with pytest.raises(ValueError, match="say categories by one-hot columns"):
        RBM(3, visible=rf.Categorical(5)).fit(np.arange(20).reshape(4, 5) % 5)


def test_codes_of_categories() -> None:
    """A column for each group: they teach what one-hot columns do, and come back as codes."""
    codes = np.random.default_rng(0).integers(0, [3, 5, 2], (60, 3))
    hot = np.hstack([np.eye(n)[column] for n, column in zip((3, 5, 2), codes.T, strict=True)])
    make = RBM(4, visible=rf.Categorical([3, 5, 2]), n_iter=2, random_state=0)
    rbm, twin = clone(make).fit(codes), clone(make).fit(hot)
    np.testing.assert_array_equal(rbm.transform(codes), twin.transform(hot))
    drawn = rbm.sample(9)
    np.testing.assert_array_equal(drawn, make.visible.in_columns(twin.sample(9), 3))
    filled = rbm.impute(np.where(codes == 1, np.nan, codes))
    assert (filled == codes)[codes != 1].all()


def test_score_is_the_likelihood() -> None:
    X, _ = rows()
    rbm = RBM(8, n_iter=3, random_state=0).fit(X)
    expected = rf.log_likelihood(rbm.rbm_, X, log_z=rf.log_partition(rbm.rbm_))
    np.testing.assert_allclose(rbm.score_samples(X), expected, atol=1e-5)
    assert rbm.score(X) == pytest.approx(expected.mean())
    better = RBM(8, random_state=0).fit(X)
    assert better.score(X) > rbm.score(X) + 0.5


def test_samples_of_standardised_data_are_on_their_scale() -> None:
    X = np.random.default_rng(0).normal(100, 5, (400, 3))
    rbm = RBM(5, n_iter=5, random_state=0).fit(X)
    drawn = rbm.sample(2000, n_steps=50)
    np.testing.assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=1)
    holes = np.where(np.eye(3, dtype=bool), np.nan, X[:3])
    filled = rbm.impute(holes)
    np.testing.assert_allclose(filled[~np.eye(3, dtype=bool)], X[:3][~np.eye(3, dtype=bool)], rtol=1e-6)
    assert np.abs(filled - 100).max() < 40


# --- RBMImputer --------------------------------------------------------------------------------------------


@BOTH
def test_frames_are_filled_in(library: str, n_iter: int) -> None:
    frame, rng = pytest.importorskip(library).DataFrame, np.random.default_rng(1)
    whole = people()
    holes = {
        name: [None if rng.random() < 0.2 else cell for cell in column] for name, column in whole.items()
    }
    filled = RBMImputer(20, n_iter=n_iter, random_state=0, **QUICK).fit_transform(frame(holes))
    assert type(filled) is frame
    for name, column in holes.items():
        pairs = zip(column, filled[name], strict=True)
        assert all(new == old if old is not None else new is not None for old, new in pairs)
    gaps = [i for i, town in enumerate(holes["town"]) if town is None]
    right = np.mean([[*filled["town"]][i] == whole["town"][i] for i in gaps])
    assert n_iter == 1 or right > 0.6  # 0.33 by chance


def test_arrays_are_filled_in() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(200, 2))
    X = np.column_stack([hidden @ rng.normal(size=(2, 5)) * 10 + 50, hidden[:, 0] > 0, np.full(200, 3.0)])
    holes = np.where(rng.random(X.shape) < 0.25, np.nan, X)
    gaps = np.isnan(holes)
    holes[0, -1] = 3.0
    imputer = RBMImputer(30, n_iter=15, random_state=0, **QUICK)
    filled = imputer.fit_transform(holes)
    np.testing.assert_array_equal(filled[~gaps], X[~gaps])
    assert set(filled[:, 5]) == {0, 1} and set(filled[:, 6]) == {3}
    errors, spread = np.abs(filled - X), np.abs(X - X.mean(axis=0))
    assert errors[:, :5][gaps[:, :5]].mean() < 0.7 * spread[:, :5][gaps[:, :5]].mean()
    draws = imputer.set_params(sample_posterior=True).transform(holes)
    assert not np.array_equal(draws, filled) and not np.isnan(draws).any()


# --- DBNRegressor ------------------------------------------------------------------------------------------


def test_regression_of_one_and_of_several_targets() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    Y = np.stack([100 + 20 * X[:, 0], np.sin(2 * X[:, 1]), np.full(400, 7.0)], axis=1)
    fitted = DBNRegressor((60, 30), n_iter=10, random_state=0).fit(X[:300], Y[:300])
    predicted = fitted.predict(X[300:])
    error = ((predicted - Y[300:]) ** 2).mean(axis=0)
    assert (error <= 0.3 * Y[300:].var(axis=0) + 1e-3).all()
    single = DBNRegressor((6,), n_iter=1, fine_tuning_n_iter=1, random_state=0).fit(X, Y[:, 0])
    assert single.predict(X[:2]).shape == (2,)


def test_documents_by_default() -> None:
    """Their chains have to start at the rows."""
    X = np.random.default_rng(0).poisson(1.0, (40, 6))
    assert RBM(3, visible="counts", n_iter=2, random_state=0).fit(X).transform(X).shape == (40, 3)
