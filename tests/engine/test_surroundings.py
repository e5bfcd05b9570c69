"""What goes on around the engine changes no bit: environment, float modes, other threads, forks."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from engine import harness
from engine.harness import RECIPES
from engine.helpers import FLUSH, flushes, needs_x86_glibc, run_python, set_float_mode

from rbmfast import _engine as engine

SIZES = (65, 100, 33, "spread")


def everything() -> list[Any]:
    """The bits of many calls and ways to learn, as the engine now computes them."""
    p = harness.problem(*SIZES)
    weights = engine.Weights(p.W)
    calls = [harness.bits(call(engine, weights, p)) for call in harness.CALLS.values()]
    names = ("CD-1", "PCD, everything", "grey PCD, more chains")
    return calls + [harness.bits(harness.learn(engine, RECIPES[name], p)) for name in names]


PRINT_EVERYTHING = """
from engine.test_surroundings import digest, engine, everything
engine.set_least_thread_time(0)
engine.set_num_threads({threads})
print(engine.config()["isa"], digest(everything()))
"""


def digest(bits: list[Any]) -> str:
    return hashlib.sha256(str(bits).encode()).hexdigest()


@pytest.fixture(scope="module")
def expected() -> list[Any]:
    return everything()


# --- The environment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", " PORTABLE ", *harness.ISAS[1:]])
def test_a_forced_instruction_set(value: str, expected: list[Any]) -> None:
    result = run_python(PRINT_EVERYTHING.format(threads=2), RBMFAST_ISA=value)
    name = value.strip().lower() or harness.ISAS[-1]
    assert result.stdout.split() == [name, digest(expected)], result.stderr


def _import_error(value: str) -> str:
    program = "try:\n    from rbmfast import _engine\nexcept ImportError as error:\n    print(error)"
    return run_python(program, RBMFAST_ISA=value).stdout


def test_an_unknown_instruction_set() -> None:
    message = _import_error("mmx")
    assert "RBMFAST_ISA" in message and "'mmx'" in message
    assert all(name in message for name in harness.ISAS)  # what could be asked for


def test_an_instruction_set_that_is_not_here() -> None:
    everywhere = ("portable", "avx2", "avx512", "amx", "neon")
    missing = [name for name in everywhere if name not in harness.ISAS]
    if not missing:
        pytest.skip("this CPU has them all")
    for name in missing:
        message = _import_error(name)
        assert "RBMFAST_ISA" in message and repr(name) in message
        assert ("was not built: it is another" in message) == (name not in engine.config()["isa_built"])
        with pytest.raises(ValueError, match=name):
            engine.select_isa(name)


# --- Float modes -------------------------------------------------------------------------------------------


@pytest.fixture
def flushing() -> Iterator[None]:
    set_float_mode(FLUSH)
    yield
    set_float_mode(0)


@needs_x86_glibc
def test_a_neighbour_that_flushes_denormals(flushing: None, expected: list[Any]) -> None:
    assert flushes()
    for threads in (1, 7):
        engine.set_num_threads(threads)
        p = harness.problem(*SIZES)
        weights = engine.Weights(p.W)
        results = [call(engine, weights, p) for call in harness.CALLS.values()]
        results += [harness.learn(engine, RECIPES[name], p) for name in ("CD-1", "PCD, everything")]
        assert flushes()  # what was set is left as it was
        assert [harness.bits(result) for result in results] == expected[: len(results)]


@needs_x86_glibc
def test_threads_born_flushing(expected: list[Any]) -> None:
    """A thread inherits its maker's mode: here the engine's threads are made in a flushing process."""
    program = """
from engine.test_surroundings import *
harness.problem(*SIZES)  # made before: making it takes denormals
set_float_mode(FLUSH)
assert flushes()
"""
    result = run_python(program + PRINT_EVERYTHING.format(threads=7))
    assert result.stdout.split()[1:] == [digest(expected)], result.stderr


# --- Threads and forks -------------------------------------------------------------------------------------


FORKS = """
import multiprocessing, sys, time
from engine.test_surroundings import digest, engine, everything

def child(pipe):
    pipe.send((engine.get_num_threads(), digest(everything())))

engine.set_least_thread_time(0)
engine.set_num_threads(2)
before = digest(everything())  # the threads are up
context = multiprocessing.get_context("fork")
for _ in range(4):
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(there,))
    process.start()
    there.close()
    if not here.poll(30):
        process.kill()
        sys.exit("a forked child hangs")
    assert here.recv() == (1, before)
    process.join(30)
    assert process.exitcode == 0
    assert digest(everything()) == before  # the parent still has its threads
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_finish() -> None:
    result = run_python(FORKS)
    assert result.stdout == "fine\n", result.stderr


FEW_THREADS = """
import os, resource, threading
from engine.test_surroundings import digest, engine, everything
engine.set_least_thread_time(0)
engine.set_num_threads(8)
used_up = threading.Event()
other = threading.Thread(target=lambda: used_up.wait() and print(digest(everything())))
other.start()
resource.setrlimit(resource.RLIMIT_NPROC, (4, 4))
if os.getuid() == 0:
    os.setuid(54321)  # nothing limits root
print(digest(everything()))
used_up.set()  # by this thread's team
other.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of Linux")
def test_a_system_that_refuses_threads(expected: list[Any]) -> None:
    """OpenMP would end the process."""
    result = run_python(FEW_THREADS, OPENBLAS_NUM_THREADS="1")
    assert result.stdout.split() == [digest(expected)] * 2, result.stderr


def test_weights_keep_their_kernels() -> None:
    """Weights made for one instruction set are used with its kernels, whatever is selected later."""
    p = harness.problem(*SIZES)
    expected = harness.expected_call("affine", SIZES)
    made = {}
    for name in harness.ISAS:
        engine.select_isa(name)
        made[name] = engine.Weights(p.W)
    for weights in made.values():
        assert harness.bits(engine.affine(weights, p.v, p.b)) == expected
