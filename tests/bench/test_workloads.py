"""The rows of the benchmarks: that they are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from rbmfast.bench import PEERS, WORKLOADS, NumpyRBM, Workload, cd

ROWS = (
    "CD-1, 784 x 500, batch 100",
    "CD-1, 784 x 256, batch 10",
    "CD-1, 64 x 128, batch 100",
    "CD-1, 64 x 128, batch 10",
    "CD-1, 2048 x 2048, batch 256",
    "PCD-10, 784 x 500, batch 2000, 2000 chains",
    "Gibbs steps, 784 x 500, 100 chains",
    "AIS, 784 x 500, 100 chains",
    "hidden probabilities, 784 x 500, 10000 rows of 0/1 as uint8",
    "hidden probabilities, 784 x 500, 10000 rows of 0/1 as float32",
    "hidden probabilities, 784 x 500, 10000 rows of grey levels as float32",
    "hidden probabilities, 784 x 500, 1 row of 0/1 as uint8",
    "free energy, 784 x 500",
)
PCD, GIBBS, MEANS = WORKLOADS[5], WORKLOADS[6], WORKLOADS[11]


def test_every_row_is_there_with_its_peers() -> None:
    assert tuple(workload.name for workload in WORKLOADS) == ROWS
    for workload in WORKLOADS:
        assert [peer.knows(workload.task) for peer in PEERS] == [True, True, "CD-1," in workload.name]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_data_and_model_are_as_promised(workload: Workload) -> None:
    less = workload.scaled(0.1)
    assert 1 <= less.samples <= workload.samples
    assert less.n_rows >= less.settings.get("batch_size", 1)  # no smaller batches than those in its name
    X = less.data()
    assert X.shape[1] == workload.n_visible
    assert 0 <= X.min() <= X.max() <= 1
    if X.size < 10_000:
        return
    grey = "grey" in workload.name
    assert X.dtype == (np.float32 if "float32" in workload.name else np.uint8)
    assert (X > 0).mean() == pytest.approx(0.19 if grey else 0.13, abs=0.01)
    assert (len(np.unique(X)) == 2) != grey
    p = NumpyRBM(*workload.parameters()).hidden_probabilities(X[:100].astype(np.float32))
    assert p.mean() == pytest.approx(0.35, abs=0.02)


def test_samples() -> None:
    assert cd(8, 4, n_rows=30, batch_size=10, epochs=2).samples == 60
    assert GIBBS.samples == 100 * 100
    assert MEANS.samples == 1
