"""How fast a machine runs rbmfast, beside plain NumPy, scikit-learn and PyTorch.

What ``rbmfast bench`` prints. Everybody does the same arithmetic on the same data in float32, in the way that
is fastest for them; they take turns, so that a change in the machine's speed meets all alike; medians are
compared.
"""

from rbmfast.bench.measure import Measurement, environment, run, table
from rbmfast.bench.numpy_rbm import NumpyRBM
from rbmfast.bench.peers import PEERS, Peer
from rbmfast.bench.workloads import WORKLOADS, Workload

__all__ = [
    "PEERS",
    "WORKLOADS",
    "Measurement",
    "NumpyRBM",
    "Peer",
    "Workload",
    "environment",
    "run",
    "table",
]
