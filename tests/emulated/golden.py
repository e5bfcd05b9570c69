"""Compares what golden.c wrote with the committed digests.

python tests/emulated/golden.py COMMAND...   for example: qemu-aarch64 ./golden
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
    output = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True).stdout
    found, expected = digests(output), json.loads(FILE.read_text())["sha256"]
    different = [name for name, sha in found if sha != expected[name]]
    if different or len(found) < 5:
        sys.exit(f"{len(found)} results, and these differ from {FILE.name}: {', '.join(different)}")
    names = dict(found)
    print(f"golden results by {len(found) // len(names)} paths are the same: {', '.join(names)}")


if __name__ == "__main__":
    main()
