"""Threads for all, and two implementations of every kernel. Nothing here ever asserts a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from peers import PEERS

import rbmfast as rf
from rbmfast.bench import NumpyRBM, Peer, Workload
from rbmfast.bench.measure import REST, limited_threads


def pytest_xdist_auto_num_workers() -> int:
    """Of pytest-xdist: none, as what is timed must not wait for others."""
    return 0


SHAPES = [(784, 500), (64, 128)]
DENSITY = 0.13  # of ones in the data


@dataclass
class Case:
    """A model and data, in the forms that both implementations like."""

    rbm: rf.RBM
    numpy_rbm: NumpyRBM
    V: np.ndarray[Any, np.dtype[np.uint8]]
    V_float: np.ndarray[Any, np.dtype[np.float32]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--threads", type=int, default=1, help="threads of the engine and of BLAS (default: 1)")


@pytest.fixture(autouse=True, scope="session")
def _threads(request: pytest.FixtureRequest) -> Iterator[None]:
    with limited_threads(request.config.getoption("--threads"), PEERS):
        yield


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
def shape(request: pytest.FixtureRequest) -> tuple[int, int]:
    return request.param


@pytest.fixture(params=["rbmfast", "numpy"])
def implementation(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def case(shape: tuple[int, int]) -> Case:
    """With one batch of rows."""
    return make_case(shape, n_rows=100)


def make_case(shape: tuple[int, int], n_rows: int) -> Case:
    rng = np.random.default_rng(0)
    V = (rng.random((n_rows, shape[0])) < DENSITY).view(np.uint8)
    W = rng.normal(0, 0.01, shape).astype(np.float32)
    a = np.full(shape[0], np.log(DENSITY / (1 - DENSITY)), np.float32)
    b = np.zeros(shape[1], np.float32)
    return Case(rf.RBM.from_arrays(W, a, b), NumpyRBM(W, a, b), V, V.astype(np.float32))


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest, implementation: str) -> Any:
    """Time the call of the implementation under test; both land in one group of the table."""

    def run(rows: int, **calls: Any) -> None:
        name = request.node.name.replace(f"{implementation}-", "").replace(f"[{implementation}]", "")
        benchmark.group = name
        benchmark.extra_info["rows"] = rows
        benchmark(calls[implementation])
        if benchmark.stats is not None:  # None under --benchmark-disable
            benchmark.extra_info["rows_per_second"] = rows / benchmark.stats.stats.median

    return run


@pytest.fixture
def measure_row(benchmark: Any) -> Any:
    """Time one peer in a row of a table; all peers of the row land in one group."""

    def run(row: Workload, peer: type[Peer]) -> None:
        task = row.task_of(peer)
        benchmark.group = row.name
        benchmark.extra_info["samples"] = row.samples
        time.sleep(REST)
        benchmark(task)
        if benchmark.stats is not None:  # None under --benchmark-disable
            benchmark.extra_info["samples_per_second"] = row.samples / benchmark.stats.stats.median

    return run
