"""What users call: every row of `rbmfast bench`, every peer that knows it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rbmfast.bench import WORKLOADS, Peer, Workload, installed
from rbmfast.bench.measure import REST

CALLS = [(workload, peer) for workload in WORKLOADS for peer in installed() if peer.knows(workload.task)]


def words(call: tuple[Workload, type[Peer]]) -> str:
    """Such as CD-1-784x500-batch_100-NumPy, without blanks: for -k."""
    return "-".join([*call[0].name.replace(" x ", "x").split(", "), call[1].name]).replace(" ", "_")


@pytest.mark.parametrize("call", CALLS, ids=words)
def test_workload(benchmark: Any, call: tuple[Workload, type[Peer]]) -> None:
    workload, peer = call
    task = workload.task_of(peer)
    benchmark.group = workload.name
    benchmark.extra_info["samples"] = workload.samples
    time.sleep(REST)
    benchmark(task, 1)
    if benchmark.stats is not None:  # None under --benchmark-disable
        benchmark.extra_info["samples_per_second"] = workload.samples / benchmark.stats.stats.median
