"""One direction of a two-layer model: from the states of a layer to answers of the other layer's units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rbmfast import _engine as engine
from rbmfast.data import is_sparse
from rbmfast.reference import F32, GREY, States, row_sums
from rbmfast.units import Unit
from rbmfast.units.base import F64, RowIds

if TYPE_CHECKING:
    import scipy.sparse as sp


@dataclass(slots=True)  # not frozen: that takes longer to make than to use for a row
class Pass:
    """The way up (visible to hidden) or down.

    States of an exact layer take the engine's exact integer products; real-valued states a float32 matrix
    product. Nobody else needs to know which.

    Attributes
    ----------
    source, target : Unit
        The layer whose states are given, and the layer that answers.
    weights : engine.Weights
        Fixed-point weights.
    W : float32 array (n_visible, n_hidden)
        The same in float32.
    bias : float32 array
        Of the target layer.
    up : bool
        Whether the source is the visible layer.
    """

    source: Unit
    target: Unit
    weights: engine.Weights
    W: F32
    bias: F32
    up: bool

    def input(self, states: States | sp.csr_matrix) -> F32:
        """Total inputs of the target layer: float32 (n_rows, n_target)."""
        if is_sparse(states):
            return self._sparse_input(states)
        if self.source.exact:
            return engine.affine(self.weights, states, self.bias, self.up)
        with np.errstate(over="ignore", invalid="ignore"):
            x: F32 = states @ (self.W if self.up else self.W.T) + self.bias
        if not np.isfinite(x).all():
            raise ValueError(
                "total inputs overflow float32: scale the real-valued states or the weights down"
            )
        return x

    def send(self, states: States) -> F32:
        """The same without the bias: what the source sends."""
        return replace(self, bias=np.zeros_like(self.bias)).input(states)

    def _sparse_input(self, states: Any) -> F32:
        """The same for a CSR matrix of levels, at the cost of what it stores; the sums are exact too."""
        scale = 2.0**self.weights.exponent
        q = np.rint((self.W if self.up else self.W.T) * np.float32(scale))
        sums = (states @ q.astype(np.float64)) / GREY
        x: F32 = (sums / scale).astype(np.float32) + self.bias
        return x

    def mean(self, states: States | sp.csr_matrix) -> F32:
        """Expected states of the target layer: float32 (n_rows, n_target)."""
        if self.source.exact and not is_sparse(states):
            return self.target.mean_from(self.weights, states, self.bias, self.up)
        return self.target.mean(self.input(states))

    def expectation(self, states: States) -> States:
        """The same, in the form that can be sent back: grey levels for exact units."""
        return self.target.expectation(self.input(states))

    def sample(
        self, states: States, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0
    ) -> States:
        """Random states of the target layer: (n_rows, n_target)."""
        if self.source.exact:
            return self.target.sample_from(
                self.weights, states, self.bias, seed, purpose, layer, step, rows, self.up
            )
        return self.target.sample(self.input(states), seed, purpose, layer, step, rows)

    def log_normalizer(self, states: States) -> F64:
        """Log of the target layer's summed weight, given the source: (n_rows,) in nats."""
        if self.source.exact:
            return self.target.log_normalizer_from(self.weights, states, self.bias, self.up)
        return self.target.log_normalizer(self.input(states), self.bias)


def row_dot(x: F32, states: States) -> F64:
    """Scalar products, in float64 and in one order, of rows of numbers and rows of states: (n_rows,)."""
    products: F64 = row_sums(x.astype(np.float64) * states)
    return products / GREY if states.dtype == np.uint16 else products
