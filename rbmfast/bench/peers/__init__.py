"""The libraries that are measured. Another one is a new file and a line here."""

from rbmfast.bench.peers.base import Peer
from rbmfast.bench.peers.blas import BlasFloor
from rbmfast.bench.peers.ours import Rbmfast
from rbmfast.bench.peers.plain import Numpy
from rbmfast.bench.peers.pytorch import Torch, TorchBfloat16
from rbmfast.bench.peers.scikit_learn import ScikitLearn

# The columns of tables; everybody is compared with the first.
PEERS: tuple[type[Peer], ...] = (Rbmfast, Numpy, BlasFloor, ScikitLearn, Torch, TorchBfloat16)

__all__ = ["PEERS", "BlasFloor", "Numpy", "Peer", "Rbmfast", "ScikitLearn", "Torch", "TorchBfloat16"]
