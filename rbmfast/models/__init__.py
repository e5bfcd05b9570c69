"""What is learned. A new model is a file beside these and a place in this list."""

from rbmfast.models.patterns import PatternCounts
from rbmfast.models.rbm import RBM

__all__ = ["RBM", "PatternCounts"]
