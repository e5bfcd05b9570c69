"""`rbmfast.sklearn.BernoulliRBM` beside scikit-learn's, method by method, and on sparse data.

    python benchmarks/compare_sklearn.py [--threads N,N,...] [--repeats N] [--quick]

Medians of calls that take turns, on float32 data; rows per second, and in brackets how many times as fast
rbmfast.sklearn is. The second table is about sparse data with more and more ones. The third is about memory:
by how much the largest resident memory of a process of its own grew when it fitted 20 000 features at a
density of 0.1 %, after the data was there and a small model had been fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np
from drop_in import CLASSES, DROP_IN, SPARSE, sparse
from peers import PACKAGES
from scripts import MEGABYTE, in_a_process, one_and_all, parser_of, peak_memory

from rbmfast.bench import Workload, environment, run, table
from rbmfast.bench.measure import QUICK_TURN, TURN, limited_threads

IN_MEMORY = sparse("fit", 10_000, density=0.001, batch_size=100)
PLACES = {kind.place: kind for kind in CLASSES}


def main() -> None:
    arguments = parse()
    factor = 0.02 if arguments.quick else 1.0
    if arguments.memory_of:
        print(json.dumps(grown(arguments.memory_of, IN_MEMORY.scaled(factor))))
        return
    facts = environment(PACKAGES)
    print(f"{facts['cpu']}; rbmfast uses {facts['isa']}; scikit-learn {facts['packages']['scikit-learn']}\n")
    print_table(DROP_IN, factor, arguments)
    print("\nSparse data\n")
    print_table(SPARSE, factor, arguments)
    in_memory = IN_MEMORY.scaled(factor)
    print(f"\nMemory for {in_memory.name}, MB of 1 000 000 bytes\n")
    for place, kind in PLACES.items():
        fitted = in_a_process(__file__, *sys.argv[1:], "--memory-of", place)
        print(f"{kind.name:32}{fitted / MEGABYTE:8,.1f}", flush=True)
    print(f"{'the data as a float32 array':32}{4 * in_memory.n_rows * in_memory.n_visible / MEGABYTE:8,.1f}")


def parse() -> argparse.Namespace:
    parser = parser_of(__doc__, one_and_all())
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the work: rough")
    parser.add_argument("--memory-of", choices=PLACES, help=argparse.SUPPRESS)  # in a process of its own
    return parser.parse_args()


def print_table(rows: Sequence[Workload], factor: float, arguments: argparse.Namespace) -> None:
    turn = QUICK_TURN if arguments.quick else TURN
    for i, row in enumerate(rows):
        found = [
            measurement
            for n in arguments.threads
            for measurement in run(row.scaled(factor), n, arguments.repeats, CLASSES, turn)
        ]
        print(table(found, header=i == 0), flush=True)


# --- Memory ------------------------------------------------------------------------------------------------


def grown(place: str, workload: Workload) -> int:
    """By how much a fit raises this process's largest resident memory."""
    with limited_threads(1, CLASSES):
        task = workload.task_of(PLACES[place])
        PLACES[place](np.zeros((8, 4)), np.zeros(8), np.zeros(4)).rbm.fit(np.eye(8, dtype=np.float32))
        before = peak_memory()
        task()
        return peak_memory() - before


if __name__ == "__main__":
    main()
