"""What the build itself promises."""

import re
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


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="the source is not here")
def test_every_folder_of_the_package_is_installed() -> None:
    """They are named one by one: one that is forgotten is missing from wheels only."""
    named = re.findall(r'^    "(rbmfast[\w.]*)",$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    folders = (path.parent.relative_to(ROOT).parts for path in ROOT.glob("rbmfast/**/__init__.py"))
    assert named == sorted(".".join(parts) for parts in folders)
