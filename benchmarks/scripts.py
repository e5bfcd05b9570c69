"""What the scripts have in common: their arguments, and a process of its own for a part of them."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import rbmfast as rf
from rbmfast.cli.options import integer, listed

MEGABYTE = 1_000_000


def parser_of(doc: str, default_threads: list[int]) -> argparse.ArgumentParser:
    """With --threads and --repeats, and the first line of a script's docstring."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    shown = ",".join(map(str, default_threads))
    parser.add_argument(
        "--threads",
        type=listed(integer(1)),
        default=default_threads,
        metavar="N,N,...",
        help=f"numbers of threads, of everybody, one after the other (default: {shown})",
    )
    parser.add_argument(
        "--repeats", type=integer(1), default=7, metavar="N", help="turns of each (default: 7)"
    )
    return parser


def one_and_all() -> list[int]:
    """Threads: 1 and those of all CPUs."""
    return sorted({1, rf.get_num_threads()})


def in_a_process(script: str, *argv: str, **environment: str) -> Any:
    """What a script prints as JSON when it is called with these arguments."""
    command = [sys.executable, script, *argv]
    done = subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


def peak_memory() -> int:
    """The largest resident memory that this process has had, in bytes; not on Windows."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, whose getrusage begins with what the parent had
        words = status.read_text().split()
        return 1024 * int(words[words.index("VmHWM:") + 1])
    resource = importlib.import_module("resource")
    largest: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest
