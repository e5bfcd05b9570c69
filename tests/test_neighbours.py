"""Living with others: the environment, other threads, other processes and other libraries.

What never changes is the bits; how many threads there are is counted, never timed.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from engine.helpers import run_python
from golden import runs
from golden.runs import CASES

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.state import LearningState, UpdateSettings
from rbmfast.streams import Purpose

CASE = "PCD, everything"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
needs_openmp = pytest.mark.skipif(not engine.config()["openmp"], reason="a build without OpenMP")
counts_threads = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")


@pytest.fixture(autouse=True)
def _nobody_asked_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in rf.runtime.THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # its threads are not those to count


@cache
def expected(name: str = CASE) -> str:
    return runs.parameters(runs.train(CASES[name]))


# Runs in other processes. Started threads stay, waiting for the next call: a difference counts them.
HERE = f"""
import json, os
import numpy as np
import rbmfast as rf
from golden import runs
from rbmfast import _engine

_engine.set_least_thread_time(0)
X = np.random.default_rng(0).integers(0, 2, (2000, 300), dtype=np.uint8)

def threads():
    return len(os.listdir("/proc/self/task"))

def work(_=None):
    before = threads()
    rf.RBM(300, 300, seed=0).hidden_probabilities(X)
    started = (threads() - before) / 2  # each once in OpenMP's team, and once to help
    return os.getpid(), rf.get_num_threads(), 1 + started, runs.parameters(runs.train(runs.CASES[{CASE!r}]))
"""


def answers(program: str, **environment: str) -> list[list[object]]:
    """What a program prints that begins with HERE: process, threads said, threads there, bits of each job."""
    done = run_python(HERE + program, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- The environment ---------------------------------------------------------------------------------------


@needs_openmp
@counts_threads
@pytest.mark.parametrize(
    ("environment", "n", "given"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3, 3),
        ({"RBMFAST_NUM_THREADS": "4", "OMP_NUM_THREADS": "1"}, 4, 4),
        ({"RBMFAST_NUM_THREADS": "7", "OMP_THREAD_LIMIT": "2"}, 7, 2),  # OpenMP may give fewer
    ],
)
def test_as_many_threads_as_the_environment_says(environment: dict[str, str], n: int, given: int) -> None:
    ((_, says, there, bits),) = answers("print(json.dumps([work()]))", **environment)
    assert (says, there, bits) == (n, given, expected())


@counts_threads
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_one_cpu_is_one_thread() -> None:
    program = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    done = run_python(program + HERE + "print(json.dumps(work()[1:3]))")
    assert json.loads(done.stdout or done.stderr) == [1, 1]


# --- Python threads ----------------------------------------------------------------------------------------


def _epoch() -> Callable[[], object]:
    n_rows, n_updates = 20_000, 2000
    X, order = np.zeros((n_rows, 64), np.uint8), np.arange(n_rows)
    rates = np.zeros(n_updates, np.float32)
    state = LearningState.start(*(np.zeros(shape, np.float32) for shape in ((64, 64), 64, 64)))
    draws = (0, Purpose.CD, 0, 0)
    return lambda: engine.epoch(state, UpdateSettings(), X, order, order, 10, 1, None, rates, rates, *draws)


def _gibbs() -> Callable[[], object]:
    weights, bias = engine.Weights(np.zeros((64, 64), np.float32)), np.zeros(64, np.float32)
    return lambda: engine.gibbs(weights, bias, bias, np.zeros((4, 64), np.uint8), 20_000, 0, Purpose.GIBBS)


def _pass() -> Callable[[], object]:
    weights, bias = engine.Weights(np.zeros((64, 2000), np.float32)), np.zeros(2000, np.float32)
    return lambda: engine.affine_softplus_sum(weights, np.ones((2000, 64), np.uint8), bias)


@pytest.mark.parametrize("make", [_epoch, _gibbs, _pass])
def test_other_threads_run_meanwhile(make: Callable[[], Callable[[], object]]) -> None:
    """The interpreter never switches threads by itself here: another one runs if a call lets it, or not."""
    call = make()
    go, ran = threading.Event(), []
    other = threading.Thread(target=lambda: (go.wait(), ran.append(True)))
    other.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        go.set()
        for _ in range(200):
            if not ran:
                call()
        assert ran
    finally:
        sys.setswitchinterval(interval)
        other.join()


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_the_gil_stays_off() -> None:
    """Python switches it on for a module that does not say that it can do without."""
    done = run_python("import sys, rbmfast\nprint(sys._is_gil_enabled())", PYTHON_GIL="")
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("threads", [1, 3])
def test_a_dozen_threads_at_once(threads: int) -> None:
    rf.set_num_threads(threads)
    names = [CASE, "grey PCD, everything"] * 12
    with ThreadPoolExecutor(12) as pool:
        found = [*pool.map(lambda name: runs.parameters(runs.train(CASES[name])), names)]
    assert found == [expected(name) for name in names]


ENDLESS = """
import threading, time
from rbmfast import _engine as engine
from rbmfast.state import LearningState, UpdateSettings

def learn():
    n = np.arange(500)
    rate = np.zeros(1, np.float32)
    state = LearningState.start(*(np.zeros(shape, np.float32) for shape in ((300, 300), 300, 300)))
    engine.epoch(state, UpdateSettings(), X[:500], n, n, 500, 10**8, None, rate, rate, 0, 3, 0, 0)

rf.set_num_threads(2)
before = threads()
threading.Thread(target=learn, daemon=True).start()
while threads() < before + 2:
    time.sleep(0.01)
time.sleep(0.2)
print(json.dumps([work()]), flush=True)
os._exit(0)
"""


@needs_openmp
@counts_threads
def test_calls_at_once_share_the_threads() -> None:
    ((_, _, there, bits),) = answers(ENDLESS)
    assert (there, bits) == (1, expected())


# --- Other processes ---------------------------------------------------------------------------------------

FORK_MEANWHILE = """
import multiprocessing, threading

def child(pipe):
    pipe.send(work())

rf.set_num_threads(2)
stop = threading.Event()
def train():
    while not stop.is_set():
        work()
thread = threading.Thread(target=train)
thread.start()
context, found = multiprocessing.get_context("fork"), []
for _ in range(10):
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(theirs,))
    process.start()
    if not ours.poll(30):
        process.kill()
        break
    found.append(ours.recv())
    process.join(30)
stop.set()
thread.join()
print(json.dumps(found))
"""


@needs_fork
@counts_threads
def test_fork_while_another_thread_trains() -> None:
    """The child gets the memory of a parallel region at work, and none of its threads."""
    found = answers(FORK_MEANWHILE)
    assert [job[1:] for job in found] == [[1, 1, expected()]] * 10


def test_the_first_use_imports_nothing() -> None:
    """Python's lock of a module that another thread imports during a fork is never free in the child."""
    program = "import sys\nbefore = set(sys.modules)\nwork()\nprint(json.dumps([*set(sys.modules) - before]))"
    assert answers(program) == []


POOL = """
import multiprocessing
if __name__ == "__main__":
    work()  # the library has been used
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(json.dumps(pool.map(work, range(6), chunksize=1)))
"""


@needs_fork
@counts_threads
def test_a_pool_of_processes() -> None:
    assert [job[1:] for job in answers(POOL)] == [[1, 1, expected()]] * 6


# --- Other libraries ---------------------------------------------------------------------------------------

LIMITS = """
from threadpoolctl import threadpool_limits

with threadpool_limits(2, user_api="openmp"):
    jobs = [work()]
jobs.append(work())
rf.set_num_threads(3)
with threadpool_limits(2, user_api="openmp"):
    jobs.append(work())
print(json.dumps(jobs))
"""


@needs_openmp
@counts_threads
def test_limits_of_threadpoolctl() -> None:
    """They bound the default, not a number that was set."""
    pytest.importorskip("threadpoolctl")
    found = answers(LIMITS, OMP_NUM_THREADS="4")
    assert [says for _, says, _, _ in found] == [2, 4, 3]
    assert found[0][2] == 2  # and there were two
    assert {bits for *_, bits in found} == {expected()}


JOBLIB = """
from joblib import Parallel, delayed
jobs = [delayed(work)() for _ in range(2 * {n_jobs})]
print(json.dumps(Parallel(n_jobs={n_jobs}, backend={backend!r})(jobs)))
"""


@counts_threads
@pytest.mark.parametrize("n_jobs", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_processes_of_joblib(n_jobs: int) -> None:
    """It shares the CPUs out among its processes, through OMP_NUM_THREADS."""
    pytest.importorskip("joblib")
    found = answers(JOBLIB.format(n_jobs=n_jobs, backend="loky"))
    share = max(1, rf.runtime.usable_cpus() // n_jobs)
    assert all(says <= share and there <= share for _, says, there, _ in found)
    assert {bits for *_, bits in found} == {expected()}


@counts_threads
def test_threads_of_joblib() -> None:
    pytest.importorskip("joblib")
    found = answers(JOBLIB.format(n_jobs=3, backend="threading"), RBMFAST_NUM_THREADS="2")
    assert {bits for *_, bits in found} == {expected()}


TORCH = """
import torch
from torch.utils.data import DataLoader, Dataset

rbm = rf.RBM(300, 300, seed=0)

class Hidden(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        return torch.from_numpy(rbm.hidden_probabilities(X[i : i + 1])[0].copy()), work()[1:]

if __name__ == "__main__":
    expected = rbm.hidden_probabilities(X[:8])  # here with several threads
    torch.rand(500, 500) @ torch.rand(500, 500)
    loader = DataLoader(
        Hidden(), num_workers=2, batch_size=4, collate_fn=list, multiprocessing_context="fork", timeout=60
    )
    items = [item for batch in loader for item in batch]
    assert (np.array([p.numpy() for p, _ in items]) == expected).all()
    print(json.dumps([job for _, job in items]))
"""


@needs_fork
@counts_threads
def test_workers_of_a_data_loader() -> None:
    pytest.importorskip("torch")
    assert answers(TORCH) == [[1, 1, expected()]] * 8
