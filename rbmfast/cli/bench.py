"""``rbmfast bench``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import rbmfast as rf
from rbmfast import plots
from rbmfast.bench import PEERS, WORKLOADS, Measurement, environment, table
from rbmfast.bench import run as measure
from rbmfast.cli.common import check_output, check_picture, need_matplotlib, write_json, write_picture

SUMMARY = "time rbmfast and others on this machine"
DESCRIPTION = """\
Time this library, a fast NumPy implementation and, where they are installed, scikit-learn and
PyTorch, all in float32 on the same random data with 13 % ones. They take turns; medians are
compared. Close other programs first."""
EXAMPLES = """\
examples:
  rbmfast bench
  rbmfast bench --quick --threads 1
  rbmfast bench --json bench.json --png bench.png
"""

REPEATS, QUICK_REPEATS = 7, 3
QUICK = 0.1  # share of the work
BUSY = 0.7  # load from which other programs disturb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = parser.add_argument
    add("--threads", type=_threads, metavar="N,N,...",
        help="numbers of threads to try (default: 1, 2, 4, ... up to all CPUs)")  # fmt: skip
    add("--quick", action="store_true", help="a tenth of the work: rough")
    add("--json", metavar="FILE", help="write every measured time, too")
    add("--png", metavar="FILE", help="draw the ratios, too")


def run(arguments: argparse.Namespace) -> None:
    """Time, print, write."""
    if arguments.json:
        check_output(arguments.json)
    if arguments.png:
        need_matplotlib("--png")
        check_picture(arguments.png)
    facts = environment()
    print(_words(facts))
    measurements: list[Measurement] = []
    for n_threads in arguments.threads or _sweep():
        for workload in WORKLOADS:
            if sys.stderr.isatty():
                print(f"timing {workload.name} ...", end="\r", file=sys.stderr, flush=True)
            scaled = workload.scaled(QUICK) if arguments.quick else workload
            found = measure(scaled, n_threads, QUICK_REPEATS if arguments.quick else REPEATS)
            print(table(found, header=not measurements), flush=True)
            measurements += found
    if arguments.json:
        write_json(
            arguments.json, {"environment": facts, "measurements": [m.to_dict() for m in measurements]}
        )
        print(f"wrote {arguments.json}")
    if arguments.png:
        write_picture(arguments.png, draw(measurements))
        print(f"wrote {arguments.png}")


def draw(measurements: list[Measurement]) -> Any:
    """A picture of how many times as fast as NumPy everybody is."""
    speed = {(m.workload, m.threads, m.peer): m.samples_per_second for m in measurements}
    groups = list(dict.fromkeys((m.workload, m.threads) for m in measurements))
    peers = list(dict.fromkeys(m.peer for m in measurements))
    values = {peer: [speed.get((*group, peer)) for group in groups] for peer in peers}
    names = [f"{workload}\n{n} thread{'s' if n > 1 else ''}" for workload, n in groups]
    return plots.bars(names, values, baseline="NumPy", unit="samples/s", title=rf.show_config().cpu)


def _words(facts: dict[str, Any]) -> str:
    others = [f"{name} {version}" for name, version in facts["peers"].items() if version is not None]
    missing = [name for name, version in facts["peers"].items() if version is None]
    lines = [
        f"{facts['cpu']}; rbmfast uses {facts['isa']}; NumPy uses {facts['blas']}",
        f"{', '.join(others)}" + (f"; not installed: {', '.join(missing)}" if missing else ""),
        "samples per second, medians; in brackets how many times as fast rbmfast is",
    ]
    if "scikit-learn" not in missing:
        lines.append("(scikit-learn has no CD-1: its row is PCD-1, which takes as much arithmetic)")
    if not facts["blas_threads_limited"]:
        lines.append("(threadpoolctl is not installed: BLAS keeps its own number of threads in every row)")
    if facts["load"] > BUSY:
        lines.append(
            f"(other programs are running: the load is {facts['load']:.1f}. Figures may be far too low)"
        )
    return "\n".join([*lines, ""])


def _sweep() -> list[int]:
    """1, 2, 4, ... and all CPUs."""
    most = rf.get_num_threads()
    return [*(n for n in (2**i for i in range(13)) if n < most), most]


def _threads(text: str) -> list[int]:
    numbers = [int(word) if word.strip().isdecimal() else 0 for word in text.split(",")]
    if not all(1 <= n <= 4096 for n in numbers):
        raise argparse.ArgumentTypeError(f"must be numbers from 1 to 4096, such as 1,2, got {text!r}")
    return numbers


assert PEERS[0].name == "rbmfast"  # the table compares with the first
