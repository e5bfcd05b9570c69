"""How fast a machine runs rbmfast, beside plain NumPy and beside the bare matrix products of learning.

What ``rbmfast bench`` prints. Everybody does the same arithmetic on the same data, in the way that is fastest
for them; they take turns, so that a change in the machine's speed meets all alike; medians are compared.
`WORKLOADS` lists the rows of the table, `PEERS` its columns; ``benchmarks/`` in the source adds other
libraries.
"""

from rbmfast.bench.measure import Measurement, environment, run, table
from rbmfast.bench.peers import BlasFloor, NumpyRBM, Peer, Rbmfast
from rbmfast.bench.workloads import WORKLOADS, Workload, cd

# Everybody is compared with the first.
PEERS: tuple[type[Peer], ...] = (Rbmfast, NumpyRBM, BlasFloor)

__all__ = [
    "PEERS",
    "WORKLOADS",
    "BlasFloor",
    "Measurement",
    "NumpyRBM",
    "Peer",
    "Rbmfast",
    "Workload",
    "cd",
    "environment",
    "run",
    "table",
]
