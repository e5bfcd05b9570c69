"""CD-1 over more shapes and batch sizes than `rbmfast bench` has, in one table.

    python benchmarks/compare_cd.py [--threads N,N,...] [--repeats N]

Medians of calls that take turns; in brackets how many times as fast rbmfast is.
"""

from __future__ import annotations

from peers import PEERS
from scripts import parser_of

from rbmfast.bench import cd, environment, run, table

WORKLOADS = [
    *(cd(784, 500, n_rows=4000, batch_size=size, epochs=2) for size in (10, 100, 1000)),
    *(cd(64, 128, n_rows=10_000, batch_size=size, epochs=2) for size in (10, 100, 1000)),
    cd(784, 64, n_rows=10_000, batch_size=100, epochs=2),
    cd(2000, 2000, n_rows=1000, batch_size=100),
]


def main() -> None:
    arguments = parser_of(__doc__, [1]).parse_args()
    facts = environment()
    print(f"{facts['cpu']}; rbmfast uses {facts['isa']}; NumPy uses {facts['blas']}; rows per second\n")
    for i, workload in enumerate(WORKLOADS):
        found = [m for n in arguments.threads for m in run(workload, n, arguments.repeats, PEERS)]
        print(table(found, [peer.name for peer in PEERS], header=i == 0), flush=True)


if __name__ == "__main__":
    main()
