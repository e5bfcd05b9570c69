"""What joins two layers of units: which weights there are, how states go along them, and their gradient."""

from rbmfast.interactions.convolution import Convolution
from rbmfast.interactions.dense import DENSE, Dense, Interaction, exact_sums

__all__ = ["DENSE", "Convolution", "Dense", "Interaction", "exact_sums"]
