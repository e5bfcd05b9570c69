"""Make the tests see the installed package, never the uncompiled source folder of the same name."""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# `python -m pytest` puts the current folder first on sys.path. A source folder with a compiled engine in it
# (`pip install -e .` or `setup.py build_ext --inplace`) is fine: then it is what the developer wants to test.
if not [*ROOT.glob("rbmfast/_engine*.so"), *ROOT.glob("rbmfast/_engine*.pyd")]:
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

# The tests start more threads than there may be CPUs; those that wait shall sleep, not spin. OpenMP reads
# this when it is loaded, so it comes before the engine; if that was imported already, nothing is lost.
# NumPy's threads always spin, and small matrices do not need them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Real data for a few tests, which skip without it.
os.environ.setdefault("RBMFAST_TEST_DATA", str(ROOT.parent / "shared" / "data"))

settings.register_profile("default", max_examples=12, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Draw more examples where slow tests are asked for, too: `pytest -m ''` runs all there is."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells switch it off for what runs behind them
    fast = config.option.markexpr == "not slow"
    settings.load_profile("default" if fast else "thorough")


def pytest_xdist_auto_num_workers() -> int:
    """Two processes for two CPUs; more than four would wait for the longest test."""
    return min(os.cpu_count() or 1, 4)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage meanwhile: nearly all that is made stays, and looking is a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Thousands of small files need not survive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _in_an_empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the repository: Python subprocesses look for modules in the current folder first."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(before)


@pytest.fixture(scope="session", autouse=True)
def _threads_for_those_who_ask() -> None:
    """One thread for tiny models; tests of threads ask for more, which small models use, too."""
    from rbmfast import _engine as engine

    engine.set_least_thread_time(0)
    engine.set_num_threads(1)


@pytest.fixture(autouse=True)
def _engine_as_before(_threads_for_those_who_ask: None) -> Iterator[None]:
    """Whatever a test makes of the engine's settings, the next one finds them as they were."""
    from rbmfast import _engine as engine

    before = engine.config()
    yield
    engine.select_isa(before["isa"])
    engine.set_num_threads(before["threads"])


@pytest.fixture
def unit_types_as_before() -> Iterator[None]:
    """For tests that register some."""
    from rbmfast.units import PLAIN, UNITS

    units, plain = dict(UNITS), [*PLAIN]
    yield
    UNITS.clear()
    UNITS.update(units)
    PLAIN[:] = plain


@pytest.fixture
def printed_by(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a program of `examples/` prints, called with its module and its arguments."""

    def run(example: Any, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [f"{example.__name__}.py", *map(str, arguments)])
        example.main()
        return capsys.readouterr().out

    return run
