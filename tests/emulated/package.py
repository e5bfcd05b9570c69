"""The installed package on the CPU at hand: what it says of it, its commands, and every golden digest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[0] = str(TESTS)

from golden import runs  # noqa: E402

import rbmfast as rf  # noqa: E402
from rbmfast.cli import main  # noqa: E402


def check() -> None:
    print(config := rf.show_config())
    if main(["info"]):
        sys.exit("rbmfast info failed")
    history = rf.train(rf.RBM(20, 10, seed=0), runs.binary_rows()[:, :20], epochs=2, seed=1)
    if len(history) != 3:
        sys.exit("training failed")
    expected = json.loads((TESTS / "golden" / "stream_v1.json").read_text())["sha256"]
    found = runs.digests()
    if different := [name for name, sha in expected.items() if found.get(name) != sha]:
        sys.exit(f"these golden digests differ: {', '.join(different)}")
    print(f"{len(expected)} golden digests are the same on {', '.join(config.isa_available)}")


if __name__ == "__main__":
    check()
