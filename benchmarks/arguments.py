"""What the arguments of compare_isa.py, compare_sklearn.py and compare_cd.py have in common."""

from __future__ import annotations

import argparse

import rbmfast as rf
from rbmfast.cli.bench import threads
from rbmfast.cli.common import whole


def parser_of(doc: str, default_threads: list[int]) -> argparse.ArgumentParser:
    """With --threads and --repeats, and the first line of a script's docstring."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    shown = ",".join(map(str, default_threads))
    parser.add_argument(
        "--threads",
        type=threads,
        default=default_threads,
        metavar="N,N,...",
        help=f"numbers of threads, of everybody, one after the other (default: {shown})",
    )
    parser.add_argument("--repeats", type=whole(1), default=7, metavar="N", help="turns of each (default: 7)")
    return parser


def one_and_all() -> list[int]:
    """Threads: 1 and those of all CPUs."""
    return sorted({1, rf.get_num_threads()})
