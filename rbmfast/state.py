"""What learning changes (`LearningState`) and the numbers that say how (`UpdateSettings`).

Both the engine and `rbmfast.reference` read and write these by attribute, so they hold plain arrays and
numbers and no behaviour beyond their construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass
class LearningState:
    """The parameters of an RBM in training and everything that one update hands to the next.

    Attributes
    ----------
    W, a, b : float32 arrays (n_visible, n_hidden), (n_visible,), (n_hidden,)
        Weights, visible bias, hidden bias, in the ordinary parametrisation.
    W_velocity, a_velocity, b_velocity : float32 arrays
        Momentum.
    visible_offset, hidden_offset : float32 arrays (n_visible,), (n_hidden,)
        Moving averages of the unit means under the data, used when the gradient is centred.
    activity : float32 array (n_hidden,)
        Moving average of the hidden means, used by the sparsity target.
    exponent : int
        The fixed-point exponent of `W`: the sampler sees ``rint(W * 2**exponent)``.
    more : dict of str to float32 array
        What the layers learn beside their biases. The engine knows nothing of it.
    """

    W: F32
    a: F32
    b: F32
    W_velocity: F32
    a_velocity: F32
    b_velocity: F32
    visible_offset: F32
    hidden_offset: F32
    activity: F32
    exponent: int = 20
    more: dict[str, F32] = field(default_factory=dict)

    @classmethod
    def start(cls, W: F32, a: F32, b: F32, more: Mapping[str, F32] | None = None) -> LearningState:
        """State at rest: copies of the parameters, zero velocities and offsets."""
        W, a, b = (np.array(array, np.float32, order="C") for array in (W, a, b))
        zeros = np.zeros_like
        at_rest = zeros(W), zeros(a), zeros(b), zeros(a), zeros(b), zeros(b)
        return cls(W, a, b, *at_rest, more={name: array.copy() for name, array in (more or {}).items()})


@dataclass(frozen=True)
class UpdateSettings:
    """Coefficients of one update; each is 0 (or False) when the term is off.

    Attributes
    ----------
    l1, l2 : float
        Weight penalties; the gradient loses ``l1 * sign(W) + l2 * W``.
    max_norm : float
        Largest Euclidean norm of a hidden unit's weights; 0 means no limit.
    centered : bool
        Use the centred gradient.
    offset_rate : float
        Rate of the moving averages behind the centring.
    sparsity_target, sparsity_cost, sparsity_decay : float
        Wanted mean activity of a hidden unit, strength, and decay of the running mean.
    """

    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    centered: bool = False
    offset_rate: float = 0.01
    sparsity_target: float = 0.0
    sparsity_cost: float = 0.0
    sparsity_decay: float = 0.9


@dataclass
class Gradient:
    """Data minus model, float32: what one update is made from.

    Attributes
    ----------
    W, a, b : float32 arrays
        Difference of the statistics for the weights, the visible and the hidden bias.
    visible_mean, hidden_mean : float32 arrays
        Means of the units under the data of this batch (centring, sparsity).
    more : dict of str to float32 array
        The same difference for what layers learn beside their biases.
    """

    W: F32
    a: F32
    b: F32
    visible_mean: F32
    hidden_mean: F32
    more: dict[str, F32] = field(default_factory=dict)


@dataclass
class Statistics:
    """Exact integer sums over rows; two of them add to the sums over all their rows.

    Visible states are counted in units of 1/65535 (grey levels), hidden probabilities too, so the
    pair sums are in units of 1/65535**2.

    Attributes
    ----------
    pairs : int64 array (n_visible, n_hidden)
    visible : int64 array (n_visible,)
    hidden : int64 array (n_hidden,)
    n_rows : int
    """

    pairs: NDArray[np.int64]
    visible: NDArray[np.int64]
    hidden: NDArray[np.int64]
    n_rows: int = field(default=0)

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.pairs + other.pairs,
            self.visible + other.visible,
            self.hidden + other.hidden,
            self.n_rows + other.n_rows,
        )
