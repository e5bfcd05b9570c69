"""The promises: seed, data and settings fix every bit, whatever runs them; and nothing is left half done.

What `golden/runs.py` trains and asks is compared with a training loop written with `rbmfast.reference` alone,
with itself run in other ways, and with digests that were committed (`golden/make.py`).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from containers import binary_containers, grey_containers
from engine.helpers import (
    FLUSH,
    PACKAGE,
    TESTS,
    flushes,
    needs_x86_glibc,
    run_python,
    set_float_mode,
)
from golden import make, runs
from golden.runs import CASES, MODEL_SEED, N_HIDDEN, SEED, Case, binary_rows, grey_levels
from training.helpers import phase_sums

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import reference
from rbmfast.state import LearningState, UpdateSettings
from rbmfast.streams import Purpose

THREADS = (1, 2, 3, 7)
ALL_WAYS = itertools.product(enumerate(engine.config()["isa_available"]), enumerate(THREADS))
WAYS = [(isa, n) for (i, isa), (j, n) in ALL_WAYS if (i + j) % 2 == 0]  # every path with few and with many


# --- The training loop, written with the reference alone ---------------------------------------------------


def start(m: Any, case: Case, X: Any) -> tuple[LearningState, Any, Any]:
    """State, means of the data, and persistent chains before the first update; X is uint8 or uint16."""
    levels = X.astype(np.int64).sum(axis=0) * (1 if case.grey else 65535)
    most = len(X) * 65535
    means = (levels / most).astype(np.float32)
    W = m.normal_weights(X.shape[1], N_HIDDEN, 0.01, MODEL_SEED, Purpose.INITIALIZE, 0)
    a = m.log(((levels + 65535) / (most - levels + 65535)).astype(np.float32))
    b = np.zeros(N_HIDDEN, np.float32)

    state, weights = LearningState.start(W, a, b), m.Weights(W)
    state.exponent = weights.exponent
    state.visible_offset[:] = means
    state.hidden_offset[:] = m.affine_sigmoid(weights, reference.to_grey(means)[None], b)[0]
    state.activity[:] = case.sparsity_target
    if case.n_chains is None:
        return state, means, None
    v = m.bernoulli(np.tile(a, (case.n_chains, 1)), SEED, Purpose.CHAIN_START, 0, 0)
    return state, means, m.bernoulli(m.affine(weights, v, b), SEED, Purpose.CHAIN_START, 0, 1)


def coefficients(case: Case) -> UpdateSettings:
    """The settings of every update."""
    names = ("l1", "l2", "max_norm", "centered", "sparsity_target", "sparsity_cost")
    return UpdateSettings(**{name: getattr(case, name) for name in names})


def updates(m: Any, case: Case, X: Any) -> Iterator[LearningState]:
    """Train with the functions of `m`: the state at the start, and after each update."""
    state, _, chains = start(m, case, X)
    yield state
    rate, step, momentum = case.rate, 0, np.float32([case.momentum])
    purpose = Purpose.CD if chains is None else Purpose.PCD
    for epoch in range(case.epochs):
        order = np.argsort(m.shuffle_keys(len(X), SEED, epoch, Purpose.SHUFFLE), kind="stable")
        for first in range(0, len(X), case.batch_size):
            rows = order[first : first + case.batch_size]
            batch = (X, rows, rows, len(rows), case.k, chains, np.float32([rate]), momentum)
            m.epoch(state, coefficients(case), *batch, SEED, purpose, 0, step)
            step += 2 * case.k
            yield state
        rate *= case.decay


def rows_of(case: Case) -> Any:
    return grey_levels() * np.uint16(257) if case.grey else binary_rows()


@cache
def expected(case: Case) -> str:
    """Digest of the parameters that the reference's loop learns."""
    *_, state = updates(reference, case, rows_of(case))
    return runs.digest(state.W, state.a, state.b, start(reference, case, rows_of(case))[1])


@pytest.mark.parametrize("name", CASES)
def test_training_equals_the_reference_on_every_path(name: str) -> None:
    case = CASES[name]
    found = {}
    for isa, threads in WAYS:
        engine.select_isa(isa)
        rf.set_num_threads(threads)
        found[isa, threads] = runs.parameters(runs.train(case))
    assert {way for way in WAYS if found[way] != expected(case)} == set()


def test_the_cases_differ() -> None:
    """A setting that was ignored on both sides would not be seen above."""
    assert len({expected(case) for case in CASES.values()}) == len(CASES)


def test_large_weights_lower_the_exponent() -> None:
    rbm = runs.train(CASES["large weights"])
    assert engine.exponent(rbm.W) < 20


# --- Golden digests ----------------------------------------------------------------------------------------

HELP = (
    "Bits have changed. If that is meant, raise STREAM_VERSION in rbmfast/reference/numbers.py, run "
    "`python tests/golden/make.py`, commit the new file, and say so in CHANGELOG.md. Otherwise it is a bug."
)


@cache
def golden() -> dict[str, str]:
    assert make.FILE.exists(), f"there is no {make.FILE.name}. {HELP}"
    content = json.loads(make.FILE.read_text())
    assert content["stream_version"] == reference.STREAM_VERSION
    return content["sha256"]


def assert_golden(found: dict[str, str]) -> None:
    assert found.keys() == golden().keys()
    assert [name for name in found if found[name] != golden()[name]] == [], HELP


@pytest.mark.parametrize("isa, threads", [*zip(engine.config()["isa_available"], itertools.cycle((3, 1, 7)))])
def test_golden_digests(isa: str, threads: int) -> None:
    engine.select_isa(isa)
    rf.set_num_threads(threads)
    assert_golden(runs.digests())


PRINT_DIGESTS = """
import json
from golden import runs
from rbmfast import _engine
_engine.set_least_thread_time(0)
print(json.dumps(runs.digests()))
"""


def numpy_cpu_features() -> list[str]:
    """What NumPy looks for on this CPU, finds, and can be told not to use."""
    core = getattr(np, "_core", None) or np.core
    umath = core._multiarray_umath
    return [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]


def test_cpu_features_of_numpy() -> None:
    features = numpy_cpu_features()
    if not features:
        pytest.skip("NumPy uses no optional CPU features here")
    disabled = " ".join(features)
    check = (
        "import numpy as np\nfrom test_promises import numpy_cpu_features\nassert not numpy_cpu_features()"
    )
    result = run_python(check + PRINT_DIGESTS, NPY_DISABLE_CPU_FEATURES=disabled)
    assert_golden(json.loads(result.stdout or result.stderr))


@needs_x86_glibc
@pytest.mark.parametrize("threads", [1, 3])
def test_a_neighbour_that_flushes_denormals(threads: int) -> None:
    rf.set_num_threads(threads)
    set_float_mode(FLUSH)
    try:
        assert flushes()
        found = runs.digests()
        assert flushes()
    finally:
        set_float_mode(0)
    assert_golden(found)


# --- Containers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flushing", [False, pytest.param(True, marks=needs_x86_glibc)])
@pytest.mark.parametrize(
    "name", ["CD, everything", "PCD, everything", "grey CD, everything", "grey PCD, everything"]
)
def test_containers(name: str, flushing: bool, tmp_path: Path) -> None:
    case = CASES[name]
    containers = (
        grey_containers(grey_levels(), tmp_path) if case.grey else binary_containers(binary_rows(), tmp_path)
    )
    if flushing:
        set_float_mode(FLUSH)
    try:
        found = {kind: runs.parameters(runs.train(case, X)) for kind, X in containers.items()}
    finally:
        if flushing:
            set_float_mode(0)
    assert {kind for kind in found if found[kind] != expected(case)} == set()


# --- Rows split over calls ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CD-3", "PCD-2, more chains", "grey CD", "CD, everything"])
def test_learning_in_parts(name: str) -> None:
    """Workers that share the rows of each batch, add up their integers, and all make the same update."""
    case = dataclasses.replace(CASES[name], epochs=1)
    X = grey_levels() / 255 if case.grey else binary_rows()
    whole = rf.RBM(X.shape[1], N_HIDDEN, seed=MODEL_SEED)
    rf.train(whole, X, shuffle=False, **case.settings())
    assert shared_learning(case, X) == runs.parameters(whole)


def shared_learning(case: Case, X: Any) -> str:
    state, means, chains = start(engine, case, rows_of(case))
    rbm = rf.RBM.from_arrays(state.W, state.a, state.b)
    method = case.settings()["method"]
    for t, first in enumerate(range(0, len(X), case.batch_size)):
        batch = range(first, min(first + case.batch_size, len(X)))
        positive = negative = None
        for worker in range(3):
            mine = share(batch, worker)
            if chains is None:
                my_chains, first_row = None, mine.start
            else:
                here = share(range(len(chains)), worker)
                my_chains, first_row = chains[here.start : here.stop], here.start
            rows, step = X[mine.start : mine.stop], 2 * case.k * t
            p, n = phase_sums(rbm, rows, method, SEED, first_row, step, my_chains)
            positive, negative = (p, n) if worker == 0 else (positive + p, negative + n)
        gradient = reference.gradient(positive, negative)
        engine.update(state, gradient, coefficients(case), case.rate, case.momentum)
        rbm.W, rbm.a, rbm.b = state.W, state.a, state.b
    return runs.digest(rbm.W, rbm.a, rbm.b, means)


def share(whole: range, worker: int) -> range:
    """Unequal parts for three workers."""
    cuts = [0, 1, len(whole) // 3, len(whole)]
    return whole[cuts[worker] : cuts[worker + 1]]


# --- Nothing half done -------------------------------------------------------------------------------------

LONG_CASE = Case(k=500, batch_size=32, epochs=1)  # an epoch of it takes minutes
LONG_ROWS = 64_000

LONG_RUN = """
import sys, numpy as np
import rbmfast as rf
from test_promises import LONG_CASE, N_HIDDEN, long_rows

class Ready(rf.Callback):
    def on_train_begin(self, progress):
        print("ready", flush=True)

rbm = rf.RBM(50, N_HIDDEN, seed=0)
try:
    rf.train(rbm, long_rows(), callbacks=[Ready()], **LONG_CASE.settings())
except KeyboardInterrupt:
    np.savez(sys.argv[1], W=rbm.W, a=rbm.a, b=rbm.b)
    print("interrupted")
"""


@cache
def long_rows() -> Any:
    return np.tile(binary_rows(1000, 50), (LONG_ROWS // 1000, 1))


def interrupt(program: str, argument: str, threads: str) -> tuple[str, str]:
    """What a program says that is sent Ctrl-C a fifth of a second after it said "ready"."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{PACKAGE!r}, {TESTS!r}]\n{program}", argument],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RBMFAST_NUM_THREADS": threads},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)  # it learns
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=30)
    finally:
        process.kill()


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C ends an epoch of minutes at once, after some whole number of updates."""
    file = tmp_path / "model.npz"
    out, err = interrupt(LONG_RUN, str(file), threads="2")
    assert out == "interrupted\n", err
    with np.load(file) as arrays:
        W, a, b = (arrays[name] for name in "Wab")
    assert all(np.isfinite(array).all() for array in (W, a, b))
    replay = itertools.islice(updates(engine, LONG_CASE, long_rows()), 2000)
    state = next((state for state in replay if np.array_equal(state.W, W)), None)
    assert state is not None, "the model is that of no whole number of updates"
    assert np.array_equal(state.a, a) and np.array_equal(state.b, b)


ONE_UPDATE = """
import sys
import numpy as np
import rbmfast as rf

class Ready(rf.Callback):
    def on_train_begin(self, progress):
        print("ready", flush=True)

rbm = rf.RBM(30, 20, seed=0)
try:
    rf.train(rbm, np.eye(30), method=eval(sys.argv[1]), callbacks=[Ready()], batch_size=30)
except KeyboardInterrupt:
    print("interrupted", np.isfinite(rbm.W).all())
"""


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize("method, threads", [("rf.CD(k=10**9)", "1"), ("rf.PCD(k=10**9)", "3")])
def test_interrupt_within_an_update(method: str, threads: str) -> None:
    """Ctrl-C does not wait for the end of an update: this one would take hours."""
    out, err = interrupt(ONE_UPDATE, method, threads)
    assert out == "interrupted True\n", err
