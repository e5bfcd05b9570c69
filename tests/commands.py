"""What the tests of the command line share."""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import rbmfast as rf
from rbmfast.cli import main

PACKAGE = str(Path(rf.__file__).parent.parent)
LEVELS = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
X = LEVELS.reshape(60, 16) > 127
FAST = ["--epochs", "2", "--hidden", "5", "--batch-size", "20"]


def run(*argv: str) -> None:
    """Run what must succeed."""
    assert main(argv) == 0


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run what must fail; the one line on stderr."""
    capsys.readouterr()
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("rbmfast: error: "), error
    assert error.count("\n") == 1
    assert error.endswith("\n")
    return error


def evaluated(*argv: str) -> dict[str, Any]:
    """What `rbmfast evaluate` writes for programs."""
    run("evaluate", *argv, "--json", "e.json")
    found: dict[str, Any] = json.loads(Path("e.json").read_text())
    return found


def start(*argv: str, **settings: Any) -> subprocess.Popen[str]:
    """Start a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "rbmfast", *argv],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def default_signal(number: int) -> Callable[[], object]:
    """What a process does first that heeds this signal, whatever it has inherited."""
    return lambda: signal.signal(number, signal.SIG_DFL)


def bits(path: str | Path) -> bytes:
    """The parameters in a file."""
    rbm = rf.load(path)
    return rbm.W.tobytes() + rbm.a.tobytes() + rbm.b.tobytes()


@pytest.fixture
def sketches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are written, but not drawn: that takes a second each."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: file.write(b"\x89PNG"))


# --- Files -------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with files to read."""
    monkeypatch.chdir(tmp_path)
    write_files()


def idx(values: np.ndarray) -> bytes:
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + shape + values.tobytes()


def write_files() -> None:
    np.save("bits.npy", X)
    np.save("levels.npy", LEVELS)
    np.savez("one.npz", X.astype(np.float32))
    np.savez("two.npz", pixels=X, labels=np.arange(60))
    sp.save_npz("sparse.npz", sp.csc_matrix(X.astype(np.float64)))
    Path("levels.idx").write_bytes(idx(LEVELS))
    rows = [[str(int(value)) for value in row] for row in X]
    names = [f"unit {i}" for i in range(16)]
    Path("header.csv").write_text("\n".join(map(",".join, [names, *rows])) + "\n")
    Path("plain.csv").write_text("# a comment\n\n" + "\n".join(map(", ".join, rows)))
    Path("bom.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(";".join, rows)).encode())
    Path("tabs.tsv").write_text("\n".join(map("\t".join, rows)))
    Path("spaces.txt").write_text("\n".join(map("  ".join, rows)))
    for name in ("levels.idx", "bits.npy", "one.npz", "sparse.npz", "header.csv"):
        Path(f"{name}.gz").write_bytes(gzip.compress(Path(name).read_bytes()))
