"""scikit-learn's class beside the one that takes its place: both do what the rows say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from rbmfast.bench import Rbmfast, Workload

pytest.importorskip("sklearn")
drop_in = pytest.importorskip("drop_in", reason="benchmarks/ is not here")
CLASSES, DROP_IN, SPARSE = drop_in.CLASSES, drop_in.DROP_IN, drop_in.SPARSE


def test_methods_are_called() -> None:
    fit = drop_in.method("fit", 20, 6, 30, n_iter=2, batch_size=10)
    assert fit.name == "fit, 20 x 6, 30 rows, n_iter=2, batch_size=10"
    assert fit.samples == 60
    for row in (fit, DROP_IN[5], SPARSE[3].scaled(0.01)):
        assert not Rbmfast.knows(row.task)
        for kind in CLASSES:
            row.task_of(kind)()


def test_both_have_the_same_parameters_and_give_the_same_answer() -> None:
    row = DROP_IN[3].scaled(0.01)
    ours, theirs = (kind(*row.parameters()).rbm for kind in CLASSES)
    assert [type(rbm).__module__.split(".")[0] for rbm in (ours, theirs)] == ["rbmfast", "sklearn"]
    np.testing.assert_allclose(ours.transform(row.data()), theirs.transform(row.data()), atol=1e-4)


@pytest.mark.parametrize("row", [*DROP_IN, *SPARSE], ids=lambda row: row.name)
def test_data_is_as_promised(row: Workload) -> None:
    X = row.scaled(0.1).data()
    assert X.dtype == np.float32
    assert X.shape[1] == row.n_visible
    if isinstance(row, drop_in.SparseWorkload):
        assert sp.issparse(X)
        assert X.mean() == pytest.approx(row.density, rel=0.1)
        assert X.max() == 1
    else:
        assert (len(np.unique(X)) > 2) == ("grey" in row.name)


def test_every_method_is_there() -> None:
    methods = {row.settings["method"] for row in DROP_IN}
    assert methods == {"fit", "partial_fit", "transform", "score_samples", "gibbs"}
