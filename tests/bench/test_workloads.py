"""The rows of the benchmark: that they are what their names say."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from rbmfast.bench import CD, PCD, WORKLOADS, Gibbs, HiddenProbabilities, NumpyRBM, Workload
from rbmfast.bench.peers import BlasFloor, Numpy, Rbmfast, ScikitLearn, Torch, TorchBfloat16

ROWS = {
    "CD-1, 784 x 500, batch 100": {Rbmfast, Numpy, BlasFloor, ScikitLearn, Torch, TorchBfloat16},
    "CD-1, 784 x 256, batch 10": {ScikitLearn},
    "CD-1, 64 x 128, batch 100": {ScikitLearn},
    "CD-1, 64 x 128, batch 10": {ScikitLearn},
    "CD-1, 2048 x 2048, batch 256": {ScikitLearn},
    "PCD-10, 784 x 500, batch 2000, 2000 chains": {Torch},
    "Gibbs steps, 784 x 500, 100 chains": {ScikitLearn, Torch},
    "AIS, 784 x 500, 100 chains": {Torch},
    "hidden probabilities, 784 x 500, 10000 rows of 0/1 as uint8": {ScikitLearn},
    "hidden probabilities, 784 x 500, 10000 rows of 0/1 as float32": {ScikitLearn},
    "hidden probabilities, 784 x 500, 10000 rows of grey levels as float32": {ScikitLearn},
    "hidden probabilities, 784 x 500, 1 row of 0/1 as uint8": {ScikitLearn},
    "free energy, 784 x 500": set(),
    "one-flip scores (score_samples), 784 x 500": {ScikitLearn},
}


def test_every_row_is_there_with_its_peers() -> None:
    assert [workload.name for workload in WORKLOADS] == list(ROWS)
    for workload, peers in zip(WORKLOADS, ROWS.values(), strict=True):
        assert all(peer.knows(workload.task) for peer in {Rbmfast, Numpy, *peers})


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_data_and_model_are_as_promised(workload: Workload) -> None:
    X = workload.scaled(0.1).data()
    assert X.shape[1] == workload.n_visible
    assert 0 <= X.min() <= X.max() <= 1
    if X.size < 10_000:
        return
    grey = "grey" in workload.name
    assert X.dtype == (np.float32 if "float32" in workload.name else np.uint8)
    assert (X > 0).mean() == pytest.approx(0.19 if grey else 0.13, abs=0.01)
    assert (len(np.unique(X)) == 2) != grey
    assert NumpyRBM(*workload.parameters()).hidden_probabilities(
        X[:100].astype(np.float32)
    ).mean() == pytest.approx(0.35, abs=0.02)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_less_work(workload: Workload) -> None:
    less = workload.scaled(0.1)
    assert type(less) is type(workload)
    assert 1 <= less.samples <= workload.samples
    if isinstance(less, CD):
        assert less.n_rows >= less.batch_size  # no smaller batches than those in its name


def test_samples() -> None:
    assert CD(8, 4, n_rows=30, batch_size=10, epochs=2).samples == 60
    assert Gibbs(8, 4, n_rows=30, steps=5).samples == 150
    assert HiddenProbabilities(8, 4, n_rows=30).samples == 30


class Recorder(Rbmfast):
    """Notes what it is asked for, and does nothing."""

    asked: ClassVar[list[dict[str, float]]] = []

    def gibbs(self, data: Any, **settings: float) -> object:
        return self.asked.append(settings)

    hidden_probabilities = cd = pcd = gibbs


@pytest.mark.parametrize(
    ("workload", "twice"),
    [
        (CD(8, 4, n_rows=30, batch_size=10, epochs=3), [{"batch_size": 10, "epochs": 6, "rate": 0.001}]),
        (
            PCD(8, 4, n_rows=30, batch_size=10, k=5, n_chains=7),
            [{"batch_size": 10, "epochs": 2, "rate": 0.001, "k": 5, "n_chains": 7}],
        ),
        (Gibbs(8, 4, n_rows=30, steps=5), [{"steps": 10}]),
        (HiddenProbabilities(8, 4, n_rows=30), [{}, {}]),
    ],
)
def test_doing_it_twice(workload: Workload, twice: list[dict[str, float]]) -> None:
    Recorder.asked.clear()
    task = workload.task_of(Recorder)
    assert task is not None
    task(2)
    assert Recorder.asked == twice


def test_a_task_that_a_peer_does_not_know() -> None:
    assert Gibbs(8, 4, n_rows=30).task_of(BlasFloor) is None
    assert Gibbs(8, 4, n_rows=30).task_of(TorchBfloat16) is None
