"""How fast a machine runs rbmfast, beside plain NumPy, scikit-learn and PyTorch.

What ``rbmfast bench`` prints. Everybody does the same arithmetic on the same data, in the way that is fastest
for them; they take turns, so that a change in the machine's speed meets all alike; medians are compared.
`WORKLOADS` lists the rows of the table, `PEERS` its columns.
"""

from rbmfast.bench.measure import Measurement, environment, installed, run, table
from rbmfast.bench.numpy_rbm import NumpyRBM
from rbmfast.bench.peers import PEERS, Peer
from rbmfast.bench.workloads import (
    CD,
    PCD,
    WORKLOADS,
    FreeEnergy,
    Gibbs,
    HiddenProbabilities,
    OneFlipScores,
    Workload,
)

__all__ = [
    "CD",
    "PCD",
    "PEERS",
    "WORKLOADS",
    "FreeEnergy",
    "Gibbs",
    "HiddenProbabilities",
    "Measurement",
    "NumpyRBM",
    "OneFlipScores",
    "Peer",
    "Workload",
    "environment",
    "installed",
    "run",
    "table",
]
