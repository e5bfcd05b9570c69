"""Compares what golden.c wrote with the committed digests.

python tests/emulated/golden.py PATHS COMMAND...   for example: 2 qemu-aarch64 ./golden

At least so many paths have to have run: one that was not built is not the same.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "golden" / "stream_v1.json"
ITEM = {"uint8": 1, "float32": 4, "float64": 8}
TYPE = {"uint8": "|u1", "float32": "<f4", "float64": "<f8"}


def digests(output: bytes) -> list[tuple[str, str]]:
    """Name and SHA-256 of each result, as `digest` in tests/golden/runs.py: no NumPy here."""
    found = []
    while output:
        name, _, output = output.partition(b"\n")
        sha = hashlib.sha256()
        while not output.startswith(b"\n"):
            header, _, output = output.partition(b"\n")
            dtype, *shape = header.decode().split()
            sizes = tuple(int(n) for n in shape)
            n_bytes = ITEM[dtype]
            for n in sizes:
                n_bytes *= n
            sha.update(f"{TYPE[dtype]} {sizes}\n".encode())
            sha.update(output[:n_bytes])
            output = output[n_bytes:]
        found.append((name.decode(), sha.hexdigest()))
        output = output[1:]
    return found


def main() -> None:
    output = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, check=True).stdout
    found, expected = digests(output), json.loads(FILE.read_text())["sha256"]
    different = [name for name, sha in found if sha != expected[name]]
    names = dict(found)
    if different or len(names) < 5 or len(found) < int(sys.argv[1]) * len(names):
        wrong = ", ".join(different) or "none"
        sys.exit(f"{len(found)} results for {sys.argv[1]} paths; different from {FILE.name}: {wrong}")
    print(f"golden results by {len(found) // len(names)} paths are the same: {', '.join(names)}")


if __name__ == "__main__":
    main()
