"""What users call: every row of compare_peers.py, every peer that knows it."""

from __future__ import annotations

from typing import Any

import pytest
from peers import PEERS, WORKLOADS

from rbmfast.bench import Peer, Workload

CALLS = [(workload, peer) for workload in WORKLOADS for peer in PEERS if peer.knows(workload.task)]


def words(call: tuple[Workload, type[Peer]]) -> str:
    """Such as CD-1-784x500-batch_100-NumPy, without blanks: for -k."""
    return "-".join([*call[0].name.replace(" x ", "x").split(", "), call[1].name]).replace(" ", "_")


@pytest.mark.parametrize("call", CALLS, ids=words)
def test_workload(measure_row: Any, call: tuple[Workload, type[Peer]]) -> None:
    measure_row(*call)
