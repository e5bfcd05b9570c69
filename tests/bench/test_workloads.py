"""The rows of the benchmarks: that they are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from rbmfast.bench import PEERS, WORKLOADS, NumpyRBM, Workload, cd

PCD, GIBBS, MEANS = WORKLOADS[5], WORKLOADS[6], WORKLOADS[11]


def test_every_row_has_its_peers_and_a_name() -> None:
    assert cd(784, 256, 2000, batch_size=10).name == "CD-1, 784 x 256, batch 10"
    assert PCD.name == "PCD-10, 784 x 500, batch 2000, 2000 chains"
    assert GIBBS.name == "Gibbs steps, 784 x 500, 100 chains"
    assert MEANS.name == "hidden probabilities, 784 x 500, 1 row of 0/1 as uint8"
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
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
