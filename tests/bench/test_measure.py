"""Turns and tables, by a clock that stands still unless it is moved."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import rbmfast as rf
from rbmfast.bench import (
    PEERS,
    WORKLOADS,
    BlasFloor,
    Measurement,
    NumpyRBM,
    Workload,
    cd,
    measure,
    run,
    table,
)


class Clock:
    """Runs only while somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done = 0  # times

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def work(self, seconds: float, first: float) -> None:
        """Takes so many seconds, and some more the first time."""
        self.now += seconds + (0.0 if self.done else first)
        self.done += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: clock.now, sleep=clock.sleep))
    return clock


@pytest.mark.parametrize(
    ("seconds", "first", "turns", "times"),
    [(0.001, 0.5, 7, 100), (measure.BUDGET, 0.0, measure.FEWEST, 1)],
    ids=["short", "slow"],
)
def test_turns(
    seconds: float, first: float, turns: int, times: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short work is done many times in each of seven turns, slow work once, in as few turns as may be."""
    monkeypatch.setattr(Workload, "task_of", lambda self, peer: lambda: clock.work(seconds, first))
    (found,) = run(cd(8, 4, 10, 10), threads=1, repeats=7, peers=[NumpyRBM], turn=0.1)
    assert found.seconds == pytest.approx([seconds] * turns)
    assert clock.done == pytest.approx(times * (turns + 1), rel=0.01)  # and once to warm up


def test_peers_that_do_not_know_a_task_are_left_out() -> None:
    gibbs, before = WORKLOADS[6].scaled(0.02), rf.get_num_threads()
    assert not BlasFloor.knows(gibbs.task)
    found = run(gibbs, 1, repeats=2, peers=PEERS, turn=0)
    assert rf.get_num_threads() == before
    assert [m.peer for m in found] == ["rbmfast", "NumPy"]
    assert {(m.workload, m.threads, m.samples) for m in found} == {(gibbs.name, 1, 200)}
    assert all(len(m.seconds) == 2 for m in found)


def test_the_median_counts() -> None:
    measurement = Measurement("CD-1", "NumPy", 1, 1000, [0.1, 0.2, 9.0])
    assert measurement.to_dict()["samples_per_second"] == pytest.approx(5000)


def test_table() -> None:
    found = [
        Measurement("one row", "rbmfast", 2, 1, [10e-6]),
        Measurement("one row", "NumPy", 2, 1, [25e-6]),
        Measurement("rows", "rbmfast", 1, 1000, [1.0]),
    ]
    lines = table(found, ["rbmfast", "floor", "NumPy"]).splitlines()
    assert [line.split() for line in lines] == [
        ["threads", "rbmfast", "scaling", "floor", "NumPy"],
        ["one", "row"],
        ["2", "10.0", "µs", "-", "-", "25.0", "µs", "(2.5x)"],
        ["rows"],
        ["1", "1,000", "-", "-", "-"],
    ]
    assert (
        len({len(line) for line in lines if not line[0].isalpha()}) == 1
    )  # the columns stand below each other
    assert table(found, header=False).startswith("one row\n")


def test_environment() -> None:
    facts = measure.environment({"torch": None})
    own = {"rbmfast": rf.__version__, "numpy": np.__version__, "torch": None}
    assert facts["packages"].items() >= own.items()
    assert {"cpu", "isa", "compiler", "blas", "load"} <= facts.keys()
