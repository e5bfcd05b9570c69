"""scikit-learn's class beside the one that takes its place: both do what the rows say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

pytest.importorskip("sklearn")

import rbmfast.sklearn
from rbmfast.bench import CD
from rbmfast.bench.drop_in import CLASSES, DROP_IN, SPARSE, Method, SparseMethod
from rbmfast.bench.peers import Rbmfast, ScikitLearn
from rbmfast.bench.peers.scikit_learn import DropIn

SMALL = [Method(20, 6, 30, "fit", settings={"n_iter": 2}), Method(20, 6, 30), SparseMethod(200, 6, 30)]


def name(thing: Any) -> str:
    return thing.name


@pytest.mark.parametrize("kind", CLASSES, ids=name)
@pytest.mark.parametrize("row", SMALL, ids=name)
def test_methods_are_called(row: Method, kind: type[ScikitLearn]) -> None:
    task = row.task_of(kind)
    assert task is not None
    task(2)
    assert row.task_of(Rbmfast) is None
    assert row.samples == (60 if row.method == "fit" else 30)


def test_both_have_the_same_parameters_and_give_the_same_answer() -> None:
    row = DROP_IN[3].scaled(0.01)
    ours, theirs = (kind(*row.parameters()).rbm for kind in CLASSES)
    assert type(ours) is rbmfast.sklearn.BernoulliRBM
    assert type(theirs) is not type(ours)
    np.testing.assert_allclose(ours.transform(row.data()), theirs.transform(row.data()), atol=1e-4)


@pytest.mark.parametrize("row", [*DROP_IN, *SPARSE], ids=name)
def test_data_is_as_promised(row: Method) -> None:
    X = row.scaled(0.1).data()
    assert X.dtype == np.float32
    assert X.shape[1] == row.n_visible
    if isinstance(row, SparseMethod):
        assert sp.issparse(X)
        assert X.mean() == pytest.approx(row.density, rel=0.1)
        assert row.with_density(0.5).data().max() == 1
    else:
        assert (len(np.unique(X)) > 2) == ("grey" in row.name)


def test_every_method_is_there() -> None:
    assert {row.method for row in DROP_IN} == {"fit", "partial_fit", "transform", "score_samples", "gibbs"}


def test_one_flip_scores_with_and_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = CD(20, 6, n_rows=2000)
    with_it = Rbmfast(*workload.parameters()).one_flip_scores(workload.data())
    monkeypatch.setattr(DropIn, "version", lambda: None)
    without = Rbmfast(*workload.parameters()).one_flip_scores(workload.data())
    assert np.mean(with_it) == pytest.approx(np.mean(without), rel=0.1)  # type: ignore[arg-type]
