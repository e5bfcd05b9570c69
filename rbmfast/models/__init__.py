"""What is learned. A new model is a file beside these and a place in this list."""

from rbmfast.models.boltzmann import BoltzmannMachine
from rbmfast.models.class_rbm import ClassRBM
from rbmfast.models.conditional import ConditionalRBM
from rbmfast.models.convolutional import ConvRBM
from rbmfast.models.dbm import DBM
from rbmfast.models.dbn import DBN
from rbmfast.models.dense import Dense
from rbmfast.models.network import Network
from rbmfast.models.rbm import RBM
from rbmfast.models.sampling import PatternCounts
from rbmfast.models.tempering import ParallelTempering

__all__ = [
    "RBM",
    "ClassRBM",
    "ConditionalRBM",
    "ConvRBM",
    "DBN",
    "BoltzmannMachine",
    "DBM",
    "ParallelTempering",
    "PatternCounts",
    "Network",
    "Dense",
]
