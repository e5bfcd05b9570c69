"""Timing peers in turn, and the table of it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy

import rbmfast as rf
from rbmfast.bench.peers import PEERS, Peer
from rbmfast.bench.workloads import Workload

REST = 0.05  # seconds before each call: OpenBLAS's threads spin for 2**26 cycles after their work


@dataclass(frozen=True)
class Measurement:
    """One peer on one workload.

    Attributes
    ----------
    workload, peer : str
        Their names.
    threads : int
        That it could use.
    samples : int
        In one call.
    seconds : list of float
        Of each call.
    """

    workload: str
    peer: str
    threads: int
    samples: int
    seconds: list[float]

    @property
    def samples_per_second(self) -> float:
        """From the median call."""
        return self.samples / statistics.median(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "samples_per_second": self.samples_per_second}


def run(
    workload: Workload, threads: int, repeats: int, peers: Sequence[type[Peer]] = PEERS
) -> list[Measurement]:
    """Time every installed peer `repeats` times, in turn.

    Parameters
    ----------
    workload : Workload
        What to do.
    threads : int
        For every peer; BLAS is limited to them if threadpoolctl is installed.
    repeats : int
        Calls of each, after one that does not count.
    peers : sequence of Peer classes
        Those that are not installed are left out.

    Returns
    -------
    list of Measurement
        In the order of `peers`.

    Examples
    --------
    >>> from rbmfast.bench import Workload, run
    >>> [m.peer for m in run(Workload("learn", 8, 4, n_rows=100), threads=1, repeats=1)][:2]
    ['rbmfast', 'NumPy']
    """
    with limited_threads(threads, peers):
        tasks = {peer.name: workload.task_of(peer) for peer in peers if peer.version() is not None}
        seconds: dict[str, list[float]] = {name: [] for name in tasks}
        for task in tasks.values():
            task()
        for _ in range(repeats):
            for name, task in tasks.items():
                time.sleep(REST)
                start = time.perf_counter()
                task()
                seconds[name].append(time.perf_counter() - start)
    return [
        Measurement(workload.name, name, threads, workload.samples, times) for name, times in seconds.items()
    ]


@contextlib.contextmanager
def limited_threads(n: int, peers: Sequence[type[Peer]] = PEERS) -> Iterator[None]:
    """Let everybody use `n` threads, and put rbmfast's and BLAS's numbers back at the end."""
    before = rf.get_num_threads()
    installed = [peer for peer in peers if peer.version() is not None]
    with contextlib.ExitStack() as stack:
        stack.callback(rf.set_num_threads, before)
        for peer in installed:
            peer.set_threads(n)
        if can_limit_blas():
            control = importlib.import_module("threadpoolctl")
            stack.enter_context(control.threadpool_limits(n, user_api="blas"))
        yield


def can_limit_blas() -> bool:
    """Whether threadpoolctl is installed."""
    return importlib.util.find_spec("threadpoolctl") is not None


def environment(peers: Sequence[type[Peer]] = PEERS) -> dict[str, Any]:
    """What the numbers depend on, for JSON."""
    config = rf.show_config()
    return {
        "cpu": config.cpu,
        "rbmfast": config.version,
        "isa": config.isa,
        "compiler": config.compiler,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": _blas_name(),
        "peers": {peer.name: peer.version() for peer in peers},
        "blas_threads_limited": can_limit_blas(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    }


def _blas_name() -> str:
    try:
        build: Any = np.show_config(mode="dicts")
        return str(build["Build Dependencies"]["blas"]["name"])
    except (TypeError, KeyError):  # NumPy before 1.25
        return "an unknown BLAS"


def table(measurements: Sequence[Measurement], header: bool = True) -> str:
    """Measurements as text: a line for each workload and number of threads, a column for each peer.

    Examples
    --------
    >>> from rbmfast.bench import Measurement, table
    >>> ours = Measurement("CD-1", "rbmfast", 1, 1000, [0.01])
    >>> theirs = Measurement("CD-1", "NumPy", 1, 1000, [0.04])
    >>> print(table([ours, theirs]))
                                          threads         rbmfast            NumPy
    CD-1                                        1         100,000   25,000 (4.0 x)
    """
    peers = list(dict.fromkeys(m.peer for m in measurements))
    lines: dict[tuple[str, int], dict[str, float]] = {}
    for m in measurements:
        lines.setdefault((m.workload, m.threads), {})[m.peer] = m.samples_per_second
    text = []
    if header:
        text.append(f"{'':36}  threads" + "".join(f"{peer:>{_width(i)}}" for i, peer in enumerate(peers)))
    for (workload, threads), speeds in lines.items():
        first = speeds.get(peers[0])
        cells = [_cell(speeds.get(peer), first if i else None) for i, peer in enumerate(peers)]
        text.append(f"{workload:36}  {threads:7}" + "".join(f"{c:>{_width(i)}}" for i, c in enumerate(cells)))
    return "\n".join(text)


def _width(column: int) -> int:
    return 17 if column else 16


def _cell(speed: float | None, first: float | None) -> str:
    if speed is None:
        return "-"
    return f"{speed:,.0f}" if first is None else f"{speed:,.0f} ({first / speed:.1f} x)"
