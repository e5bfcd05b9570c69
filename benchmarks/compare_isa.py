"""CD-1, 784 x 500, batch 100, on every instruction-set path that this CPU runs, beside NumPy, in one table.

    python benchmarks/compare_isa.py [--threads N,N,...] [--repeats N] [--quick]

Each path runs in a process of its own (RBMFAST_ISA). Beside AVX2, NumPy's OpenBLAS is held to AVX2 as well
(OPENBLAS_CORETYPE=Haswell); beside the others it uses all that it finds.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from scripts import in_a_process, one_and_all, parser_of

import rbmfast as rf
from rbmfast.bench import WORKLOADS, Measurement, NumpyRBM, Rbmfast, run, table
from rbmfast.bench.measure import QUICK_TURN, TURN

WORKLOAD = WORKLOADS[0]
HASWELL = {"avx2": {"OPENBLAS_CORETYPE": "Haswell"}}  # what else to set in the environment of a path


def main() -> None:
    arguments = parse()
    if arguments.one_path:
        print(json.dumps([asdict(m) for n in arguments.threads for m in timed(n, arguments)]))
        return
    print(f"{rf.show_config().cpu}; {WORKLOAD.name}; rows per second\n")
    for i, isa in enumerate(rf.show_config().isa_available):
        print(table(on_path(isa), header=i == 0), flush=True)


def parse() -> argparse.Namespace:
    parser = parser_of(__doc__, one_and_all())
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: rough")
    parser.add_argument("--one-path", action="store_true", help=argparse.SUPPRESS)  # in a process of its own
    return parser.parse_args()


def timed(n_threads: int, arguments: argparse.Namespace) -> list[Measurement]:
    """In this process, with the path that its environment names."""
    workload, turn = (WORKLOAD.scaled(0.1), QUICK_TURN) if arguments.quick else (WORKLOAD, TURN)
    return run(workload, n_threads, arguments.repeats, [Rbmfast, NumpyRBM], turn)


def on_path(isa: str) -> list[Measurement]:
    """The same from a process that is forced to a path."""
    changes = HASWELL.get(isa, {})
    found = in_a_process(__file__, *sys.argv[1:], "--one-path", RBMFAST_ISA=isa, **changes)
    name = ", NumPy with ".join([isa, *(f"{key}={value}" for key, value in changes.items())])
    return [Measurement(**{**m, "workload": name}) for m in found]


if __name__ == "__main__":
    main()
