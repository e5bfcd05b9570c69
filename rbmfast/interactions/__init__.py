"""What joins units, of two layers or of one: which weights there are, and how states go along them."""

from rbmfast.interactions.convolution import Convolution
from rbmfast.interactions.dense import DENSE, Dense, Interaction, exact_sums
from rbmfast.interactions.within import Within

__all__ = ["DENSE", "Convolution", "Dense", "Interaction", "Within", "exact_sums"]
