"""CD-1 over shapes and batch sizes: rbmfast beside NumPy, scikit-learn and PyTorch, in one table.

    python benchmarks/compare_cd.py [--threads N] [--repeats N]

Medians of calls that take turns; every installed library does the same arithmetic on the same data.
"""

from __future__ import annotations

import argparse

from rbmfast.bench import Workload, environment, run, table

WORKLOADS = [
    *(Workload("learn", 784, 500, n_rows=4000, batch_size=size, steps=2) for size in (10, 100, 1000)),
    *(Workload("learn", 64, 128, n_rows=10_000, batch_size=size, steps=2) for size in (10, 100, 1000)),
    Workload("learn", 784, 64, n_rows=10_000, steps=2),
    Workload("learn", 2000, 2000, n_rows=1000),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of everybody (default: 1)")
    parser.add_argument("--repeats", type=int, default=7, help="calls of each (default: 7)")
    arguments = parser.parse_args()
    facts = environment()
    print(f"{facts['cpu']}; rbmfast uses {facts['isa']}; NumPy uses {facts['blas']}")
    print("samples per second, medians; in brackets how many times as fast rbmfast is\n")
    for i, workload in enumerate(WORKLOADS):
        found = run(workload, arguments.threads, arguments.repeats)
        print(table(found, header=i == 0), flush=True)


if __name__ == "__main__":
    main()
