"""What the build itself promises."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

AS_IF_ON_WINDOWS = """
import runpy, sys
import setuptools.command.build_ext
sys.platform, sys.argv = "win32", ["setup.py", "build_ext"]
runpy.run_path("setup.py")
"""


@pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="the source is not here")
def test_windows_is_refused_before_anything_is_compiled() -> None:
    pytest.importorskip("Cython")
    command = [sys.executable, "-c", AS_IF_ON_WINDOWS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("error: rbmfast does not build on Windows")
