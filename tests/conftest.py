"""Make the tests see the installed package, never the uncompiled source folder of the same name."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# `python -m pytest` puts the current folder first on sys.path. A source folder with a compiled engine in it
# (`pip install -e .` or `setup.py build_ext --inplace`) is fine: then it is what the developer wants to test.
if not [*ROOT.glob("rbmfast/_engine*.so"), *ROOT.glob("rbmfast/_engine*.pyd")]:
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]


# Real data for a few tests, which skip without it.
os.environ.setdefault("RBMFAST_TEST_DATA", str(ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def _in_an_empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the repository: Python subprocesses look for modules in the current folder first."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(before)


@pytest.fixture(scope="session", autouse=True)
def _all_threads_for_small_tests() -> None:
    """Let small models use several threads, too: most tests of threads are small."""
    from rbmfast import _engine as engine

    engine.set_least_thread_time(0)
