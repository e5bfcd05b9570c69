"""The scripts in benchmarks/: that they run and print their tables."""

from __future__ import annotations

import os
import re
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


TABLES = {  # what is printed, line by line somewhere
    "compare_peers.py --quick --threads 1 --only 2048": [r"^CD-1, 2048 x 2048, batch 256$"],
    "compare_greedy.py --rows 100 --epochs 1 --threads 1 --repeats 1": [r"^ +1 +\d"],
    "compare_memory.py --map-megabytes 20 --rows 2000 --units 300": [
        *("memory map, 784 x 64", "large model, 300 x 300"),
    ],
    "compare_sklearn.py --quick --repeats 1 --threads 1": [
        *("partial_fit, 784 x 500", "gibbs, 784 x 500", "^rbmfast", "^scikit-learn", "^the data"),
        "fit, 20000 x 64, 100 rows, batch_size=100, 10 % ones",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", TABLES)
def test_tables(command: str) -> None:
    pytest.importorskip("sklearn")
    text = printed(*command.split())
    for row in TABLES[command]:
        assert re.search(row, text, re.MULTILINE), row


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
