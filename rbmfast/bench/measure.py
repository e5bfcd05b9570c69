"""Timing peers in turn, and the table of it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import math
import os
import statistics
import time
import timeit
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy

import rbmfast as rf
from rbmfast.bench.peers import Peer
from rbmfast.bench.workloads import Workload

REST = 0.05  # seconds before each turn: OpenBLAS's threads spin for 2**26 cycles after their work
TURN, QUICK_TURN = 0.2, 0.02  # seconds of a turn, at least about
SLOW = 1.0  # seconds of work that needs no second time to warm up
BUDGET = 6.0  # seconds for a workload; no new round begins after them,
FEWEST = 3  # but there are so many


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
        In the workload.
    seconds : list of float
        For them, turn by turn: the mean of the times that it was done in a turn.
    """

    workload: str
    peer: str
    threads: int
    samples: int
    seconds: list[float]

    @property
    def samples_per_second(self) -> float:
        """From the median turn."""
        return self.samples / statistics.median(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "samples_per_second": self.samples_per_second}


def run(
    workload: Workload,
    threads: int,
    repeats: int,
    peers: Sequence[type[Peer]],
    turn: float = TURN,
) -> list[Measurement]:
    """Time every peer that knows the task, in turn.

    Parameters
    ----------
    workload : Workload
        What to do.
    threads : int
        For every peer; BLAS is limited to them if threadpoolctl is installed.
    repeats : int
        Turns of each, after some work that does not count. Slow workloads get fewer, but at least 3.
    peers : sequence of Peer classes
        Those that do not know the task are left out.
    turn : float
        Seconds of a turn, at least: short work is done several times.

    Returns
    -------
    list of Measurement
        In the order of `peers`.

    Examples
    --------
    >>> from rbmfast.bench import PEERS, cd, run
    >>> workload = cd(8, 4, n_rows=100, batch_size=10)
    >>> [m.peer for m in run(workload, threads=1, repeats=1, peers=PEERS, turn=0)]
    ['rbmfast', 'NumPy', 'BLAS floor']
    """
    with limited_threads(threads, peers):
        tasks = {peer.name: workload.task_of(peer) for peer in peers if peer.knows(workload.task)}
        timers = {name: timeit.Timer(task, timer=time.perf_counter) for name, task in tasks.items()}
        times = {name: _enough_times(timer, turn) for name, timer in timers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in tasks}
        end = time.perf_counter() + BUDGET
        for i in range(repeats):
            if i >= FEWEST and time.perf_counter() > end:
                break
            for name, timer in timers.items():
                time.sleep(REST)
                seconds[name].append(timer.timeit(times[name]) / times[name])
    return [Measurement(workload.name, name, threads, workload.samples, seconds[name]) for name in tasks]


def _enough_times(timer: timeit.Timer, at_least: float) -> int:
    """How often to do the work in a turn, so that it takes long enough."""
    times, seconds = 1, timer.timeit(1)
    if seconds < SLOW:
        seconds = timer.timeit(1)  # now that it is warm
    while seconds < 0.8 * at_least:
        times = math.ceil(times * at_least / seconds)
        seconds = timer.timeit(times)
    return times


@contextlib.contextmanager
def limited_threads(n: int, peers: Sequence[type[Peer]]) -> Iterator[None]:
    """Let everybody use `n` threads, and put rbmfast's and BLAS's numbers back at the end."""
    before = rf.get_num_threads()
    with contextlib.ExitStack() as stack:
        stack.callback(rf.set_num_threads, before)
        for peer in peers:
            peer.set_threads(n)
        if can_limit_blas():
            control = importlib.import_module("threadpoolctl")
            stack.enter_context(control.threadpool_limits(n, user_api="blas"))
        yield


def can_limit_blas() -> bool:
    """Whether threadpoolctl is installed."""
    return importlib.util.find_spec("threadpoolctl") is not None


def environment(others: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """What the numbers depend on, for JSON; `others` are versions of further packages, None if missing."""
    config = rf.show_config()
    own = {"rbmfast": config.version, "numpy": np.__version__, "scipy": scipy.__version__}
    return {
        "cpu": config.cpu,
        "isa": config.isa,
        "compiler": config.compiler,
        "blas": _blas_name(),
        "packages": {**own, **(others or {})},
        "blas_threads_limited": can_limit_blas(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    }


def _blas_name() -> str:
    try:
        build: Any = np.show_config(mode="dicts")
        return str(build["Build Dependencies"]["blas"]["name"])
    except (TypeError, KeyError):  # NumPy before 1.25
        return "an unknown BLAS"


def table(
    measurements: Sequence[Measurement], columns: Sequence[str] | None = None, header: bool = True
) -> str:
    """Measurements as text.

    Below the name of a workload stands a line for each number of threads: samples per second of each peer, in
    brackets how many times as fast the first peer is, and under "scaling" how many times as fast that is as
    with one thread. Workloads of a single sample show microseconds instead.

    Parameters
    ----------
    measurements : sequence of Measurement
        In the wanted order.
    columns : sequence of str, optional
        Peers to show; by default those that were measured.
    header : bool
        Whether to begin with the names of the columns.

    Examples
    --------
    >>> from rbmfast.bench import Measurement, table
    >>> seconds = {("rbmfast", 1): 0.01, ("rbmfast", 2): 0.005, ("NumPy", 1): 0.04, ("NumPy", 2): 0.03}
    >>> print(table([Measurement("CD-1", peer, n, 1000, [s]) for (peer, n), s in seconds.items()]))
      threads      rbmfast   scaling             NumPy
    CD-1
            1      100,000         -     25,000 (4.0x)
            2      200,000      2.0x     33,333 (6.0x)
    """
    peers = list(columns or dict.fromkeys(m.peer for m in measurements))
    lines = [_line("threads", peers[0], "scaling", peers[1:])] if header else []
    for workload in dict.fromkeys(m.workload for m in measurements):
        found = {(m.peer, m.threads): m for m in measurements if m.workload == workload}
        lines.append(workload)
        lines += [_threads_line(found, peers, n) for n in dict.fromkeys(n for _, n in found)]
    return "\n".join(lines)


def _threads_line(found: dict[tuple[str, int], Measurement], peers: Sequence[str], n: int) -> str:
    ours, alone = found.get((peers[0], n)), found.get((peers[0], 1))
    others = [_speed(m) + _times(ours, m) if (m := found.get((peer, n))) else "-" for peer in peers[1:]]
    scaling = _times(ours, alone).strip(" ()") if n > 1 else ""
    return _line(str(n), _speed(ours) if ours else "-", scaling or "-", others)


def _line(threads: str, ours: str, scaling: str, others: Sequence[str]) -> str:
    return f"{threads:>9}{ours:>13}{scaling:>10}" + "".join(f"{cell:>18}" for cell in others)


def _speed(m: Measurement) -> str:
    return f"{m.samples_per_second:,.0f}" if m.samples > 1 else f"{1e6 / m.samples_per_second:,.1f} µs"


def _times(fast: Measurement | None, slow: Measurement | None) -> str:
    return f" ({fast.samples_per_second / slow.samples_per_second:.1f}x)" if fast and slow else ""
