"""What learning changes (`LearningState`) and the numbers that say how (`UpdateSettings`).

Both the engine and `rbmfast.reference` read and write these by attribute, so they hold plain arrays and
numbers and no behaviour beyond their construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass
class LearningState:
    """The parameters of an RBM in training and everything that one update hands to the next, in float32."""

    W: F32  # weights (n_visible, n_hidden), in the ordinary parametrisation
    a: F32  # visible bias (n_visible,)
    b: F32  # hidden bias (n_hidden,)
    W_velocity: F32  # momentum, of the same shapes
    a_velocity: F32
    b_velocity: F32
    visible_offset: F32  # moving averages of the unit means under the data, used when the gradient is centred
    hidden_offset: F32
    activity: F32  # moving average of the hidden means, used by the sparsity target: (n_hidden,)
    exponent: int = 20  # of the fixed-point weights: the sampler sees rint(W * 2**exponent)
    more: dict[str, F32] = field(default_factory=dict)  # what layers learn beside biases: not by the engine
    joined: F32 | None = None  # 1 where units are joined, 0 where W stays 0; None if all are: nor this

    @classmethod
    def start(cls, W: F32, a: F32, b: F32, more: Mapping[str, F32] | None = None) -> LearningState:
        """State at rest: copies of the parameters, zero velocities and offsets."""
        W, a, b = (np.array(array, np.float32, order="C") for array in (W, a, b))
        zeros = np.zeros_like
        at_rest = zeros(W), zeros(a), zeros(b), zeros(a), zeros(b), zeros(b)
        return cls(W, a, b, *at_rest, more={name: array.copy() for name, array in (more or {}).items()})


@dataclass(frozen=True)
class UpdateSettings:
    """Coefficients of one update; each is 0 (or False) when the term is off."""

    l1: float = 0.0  # weight penalties: the gradient loses l1 * sign(W) + l2 * W
    l2: float = 0.0
    max_norm: float = 0.0  # largest Euclidean norm of a hidden unit's weights
    centered: bool = False  # whether to use the centred gradient
    offset_rate: float = 0.01  # of the moving averages behind the centring
    sparsity_target: float = 0.0  # wanted mean activity of a hidden unit
    sparsity_cost: float = 0.0
    sparsity_decay: float = 0.9  # of the running mean


@dataclass(frozen=True)
class Missing:
    """Entries that are missing in the rows of an epoch, where these are 0.

    Each row with some has a chain, which draws their units given the others once an update, and rests at a
    hidden state until the row comes again; or the units are absent.
    """

    entries: NDArray[np.bool_]  # (n_rows of X, n_visible)
    chains: NDArray[np.int64] | None = (
        None  # of rows to learn from; -1: nothing is missing; None: absent units
    )
    hidden: NDArray[np.uint8] | None = None  # (n_chains, n_hidden): where chains rest; changed in place
    rows: NDArray[np.int64] | None = None  # of the chains' random numbers, for each row to learn from
    begin: bool = False  # whether the chains begin: with draws in the next layer of the random numbers
    purpose: int = 0


@dataclass
class Rung:
    """An earlier version of the model, and samples of it, with which chains exchange states."""

    weights: Any  # `engine.Weights`
    a: F32
    b: F32
    samples: NDArray[np.uint8]  # (n, n_visible), changed in place
    log_weights: F64  # (n,): what that version gives them
    # (1,): a running mean of the share of exchanges that are accepted
    acceptance: F32 = field(default_factory=lambda: np.ones(1, np.float32))
    least: float = 0.0  # the epoch ends where it is less


@dataclass
class Fast:
    """Parameters on top of the model's: chains follow the sums. They learn from its gradient, and decay."""

    W: F32  # as those of the model, changed in place
    a: F32
    b: F32
    rate: float
    decay: float  # what an update leaves of them


@dataclass
class Gradient:
    """Data minus model, float32: what one update is made from."""

    W: F32  # differences of the statistics for the weights, the visible and the hidden bias
    a: F32
    b: F32
    visible_mean: F32  # means of the units under the data of this batch (centring, sparsity)
    hidden_mean: F32
    more: dict[str, F32] = field(default_factory=dict)  # differences for what layers learn besides


@dataclass
class Statistics:
    """Exact integer sums over rows; two of them add to the sums over all their rows.

    Visible states are counted in units of 1/65535 (grey levels), hidden probabilities too, so the pair
    sums are in units of 1/65535**2.
    """

    pairs: NDArray[np.int64]  # (n_visible, n_hidden)
    visible: NDArray[np.int64]  # (n_visible,)
    hidden: NDArray[np.int64]  # (n_hidden,)
    n_rows: int = 0

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.pairs + other.pairs,
            self.visible + other.visible,
            self.hidden + other.hidden,
            self.n_rows + other.n_rows,
        )
