"""The scripts in benchmarks/: that they run and print their tables."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import rbmfast as rf

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"
PACKAGE = str(Path(rf.__file__).parent.parent)

if not BENCHMARKS.is_dir():
    pytest.skip("the source is not here", allow_module_level=True)


def printed(script: str, *argv: str) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *argv]
    environment = {**os.environ, "PYTHONPATH": PACKAGE}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.slow
def test_compare_isa() -> None:
    lines = printed("compare_isa.py", "--quick", "--repeats", "1", "--threads", "1").splitlines()
    paths = rf.show_config().isa_available
    assert [line.split(",")[0] for line in lines if line[:1].isalpha()][1:] == list(paths)


@pytest.mark.slow
def test_compare_peers() -> None:
    text = printed("compare_peers.py", "--quick", "--threads", "1", "--only", "784 x 500, batch 100")
    assert text.splitlines()[-2].startswith("CD-1, 784 x 500, batch 100")


@pytest.mark.slow
def test_compare_greedy() -> None:
    pytest.importorskip("sklearn")
    text = printed("compare_greedy.py", "--rows", "100", "--epochs", "1", "--threads", "1", "--repeats", "1")
    assert text.splitlines()[-1].split()[0] == "1"


@pytest.mark.slow
def test_compare_memory() -> None:
    text = printed("compare_memory.py", "--map-megabytes", "20", "--rows", "2000", "--units", "300")
    assert "memory map, 784 x 64" in text
    assert "large model, 300 x 300" in text


@pytest.mark.slow
def test_compare_sklearn() -> None:
    pytest.importorskip("sklearn")
    text = printed("compare_sklearn.py", "--quick", "--repeats", "1", "--threads", "1")
    for row in (
        "partial_fit, 784 x 500",
        "gibbs, 784 x 500",
        "fit, 20000 x 64, 100 rows, batch_size=100, 10 % ones",
    ):
        assert row in text
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["rbmfast", "scikit-learn", "the"]


def exit_code(monkeypatch: pytest.MonkeyPatch, script: str, *argv: str) -> object:
    """Of a script that does not get far, and so may run in this process."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", [script, *argv])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
    return stopped.value.code


@pytest.mark.parametrize("script", ["compare_cd.py", "compare_isa.py", "compare_sklearn.py"])
def test_a_typo(script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(monkeypatch, script, "--threads", "two") == 2
    assert "--threads: must be a whole number of at least 1, got 'two'" in capsys.readouterr().err


@pytest.mark.parametrize("script", sorted(path.name for path in BENCHMARKS.glob("compare_*.py")))
def test_help(script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(monkeypatch, script, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: {script}")
