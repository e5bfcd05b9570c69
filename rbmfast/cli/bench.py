"""``rbmfast bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import rbmfast as rf
from rbmfast.bench import PEERS, WORKLOADS, Measurement, Peer, Workload, environment, table
from rbmfast.bench import run as measure
from rbmfast.bench.measure import QUICK_TURN, TURN
from rbmfast.cli import options, output
from rbmfast.cli.options import CommandError, integer, listed

DESCRIPTION = """\
Time this library, a fast NumPy implementation, and the bare float32 matrix products of learning
(the BLAS floor): learning by CD-1 and PCD-10, Gibbs steps, annealed importance sampling, hidden
probabilities of many rows and of one, and free energies. All get the same random data with 13 %
ones and the same number of threads. They take turns; medians are compared. It takes 3 minutes for
1 and 2 threads. Close other programs first. benchmarks/compare_peers.py in the source compares
with scikit-learn and PyTorch, too.

The environment variable RBMFAST_ISA chooses this library's instructions: portable, avx2, avx512,
amx or neon."""
EXAMPLES = """\
examples:
  rbmfast bench
  rbmfast bench --quick --threads 1
  rbmfast bench --only "CD-1, 784 x 500"
  rbmfast bench --json bench.json --png bench.png
"""

FULL, QUICK = (1.0, 7, TURN), (0.1, 3, QUICK_TURN)  # share of the work, turns, seconds of a turn
BUSY = 0.7  # load from which other programs disturb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    group = options.Group(parser)
    group.add("--threads", listed(integer(1)), "numbers of threads to try (default: 1, 2, 4, ... all CPUs)")
    group.flag("--quick", "a tenth of the work, about a minute: rough")
    group.add("--only", "TEXT", "only the workloads whose names contain this")
    group.add("--json", "FILE", "write every measured time, too")
    group.add("--png", options.PICTURE, "draw the ratios with the most threads, too")


def run(arguments: argparse.Namespace) -> None:
    """Time, print, write."""
    compare(arguments, PEERS, WORKLOADS)


def compare(
    arguments: argparse.Namespace,
    peers: Sequence[type[Peer]],
    workloads: Sequence[Workload],
    packages: Mapping[str, str | None] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """`run` with other columns and rows, of other packages; notes on their numbers."""
    for path in filter(None, (arguments.json, arguments.png)):
        output.check(path)
    share, repeats, turn = QUICK if arguments.quick else FULL
    most = rf.get_num_threads()
    sweep = arguments.threads or [*(n for n in (2**i for i in range(13)) if n < most), most]
    chosen = _chosen(workloads, arguments.only or "", share)
    facts = environment(packages)
    print(_words(facts, notes))
    measurements: list[Measurement] = []
    for workload in chosen:
        if sys.stderr.isatty():
            print(f"timing {workload.name} ...", end="\r", file=sys.stderr, flush=True)
        found = [m for n_threads in sweep for m in measure(workload, n_threads, repeats, peers, turn)]
        print(table(found, [peer.name for peer in peers], header=not measurements), flush=True)
        measurements += found
    if arguments.json:
        output.write_json(
            arguments.json, {"environment": facts, "measurements": [m.to_dict() for m in measurements]}
        )
        print(f"wrote {arguments.json}")
    if arguments.png:
        output.write_picture(arguments.png, draw(measurements))
        print(f"wrote {arguments.png}")


def draw(measurements: list[Measurement]) -> Any:
    """A picture of how many times as fast as NumPy everybody is, with the largest number of threads."""
    n = max(m.threads for m in measurements)
    speed = {(m.workload, m.peer): m.samples_per_second for m in measurements if m.threads == n}
    workloads, peers = (list(dict.fromkeys(names)) for names in zip(*speed, strict=True))
    values = {peer: [speed.get((workload, peer)) for workload in workloads] for peer in peers}
    names = [workload.replace(", ", ",\n") for workload in workloads]
    title = f"{rf.show_config().cpu}, {n} thread{'s' if n > 1 else ''}"
    return rf.plots.bars(names, values, baseline="NumPy", unit="samples/s", title=title)


def _chosen(workloads: Sequence[Workload], text: str, share: float) -> list[Workload]:
    """Those whose names contain a text, with a share of their work."""
    chosen = [workload.scaled(share) for workload in workloads if text in workload.name]
    if not chosen:
        names = "; ".join(workload.name for workload in workloads)
        raise CommandError(f"no workload has {text!r} in its name; choose from: {names}")
    return chosen


def _words(facts: dict[str, Any], notes: Sequence[str]) -> str:
    versions = [f"{name} {version or 'is not installed'}" for name, version in facts["packages"].items()]
    lines = [
        f"{facts['cpu']}; rbmfast uses {facts['isa']}; NumPy uses {facts['blas']}",
        ", ".join(versions),
        "samples per second (of a single one: its microseconds), medians",
        "in brackets how many times as fast rbmfast is; scaling: rbmfast beside itself with one thread",
        *(f"({note})" for note in notes),
    ]
    if not facts["blas_threads_limited"]:
        lines.append("(threadpoolctl is not installed: BLAS keeps its own number of threads in every row)")
    if facts["load"] > BUSY:
        lines.append(
            f"(other programs are running: the load is {facts['load']:.1f}. Figures may be far too low)"
        )
    return "\n".join([*lines, ""])
