"""The layers of a deep network as they stand: how states go up and down through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows, computed_rows
from rbmfast.models.conditionals import Conditional
from rbmfast.reference import States
from rbmfast.streams import Purpose, Stream

MAX_LAYERS = 63  # the random numbers have 6 bits for a layer


@dataclass(frozen=True)
class Stack:
    """The conditional distributions of all layers: a snapshot, which later learning does not change.

    A layer's states may be expectations: grey levels of 16 bits for exact units, as in `RBM.reconstruct`.
    Each layer draws by its own number in the stream, 0 being the visible one.

    Attributes
    ----------
    up : tuple of Conditional
        ``up[i]`` leads from layer i to layer i + 1.
    down : tuple of Conditional
        ``down[i]`` leads back. The last one may answer with more units than the layer has: with labels, which
        the methods here leave out.
    sizes : tuple of int
        Units in each layer.
    """

    up: tuple[Conditional, ...]
    down: tuple[Conditional, ...]
    sizes: tuple[int, ...]

    def go_up(self, states: Any, to: int, stream: Stream | None = None, start: int = 0) -> States:
        """Layer `to` given states of layer `start`: drawn layer by layer, or expectations without a stream.

        Expectations of CSR matrices of levels, too.
        """
        for i, way in enumerate(self.up[start:to], start + 1):
            states = way.expectation(states) if stream is None else way.sample(states, stream.on(i))
        result: States = states
        return result

    def go_down(self, states: States, layer: int, to: int, stream: Stream | None = None) -> States:
        """Layer `to` given states of a `layer` above, in the same way."""
        for i in reversed(range(to, layer)):
            way = self.down[i]
            states = way.expectation(states) if stream is None else way.sample(states, stream.on(i))
            states = self.units(states, i)
        return states

    def visible_means(self, states: States) -> States:
        """Expectations of the visible layer as numbers (float32), given states of layer 1."""
        return self.units(self.down[0].mean(states), 0)

    def units(self, states: States, layer: int) -> States:
        """The states of a layer's own units, without the labels beside them."""
        return np.ascontiguousarray(states[:, : self.sizes[layer]])

    def rows_at(self, layer: int, rows: Rows, stream: Stream | None = None, start: int = 0) -> Rows:
        """`go_up` for rows of states of layer `start`, computed whenever it is asked for.

        Row i draws with the random numbers of row i, so that a row is the same in whatever company.
        """
        if layer == start:
            return rows

        def compute(index: slice | NDArray[np.intp]) -> States:
            here = stream
            if stream is not None:
                numbers = np.arange(*index.indices(rows.n_rows)) if isinstance(index, slice) else index
                here = stream._replace(rows=numbers.astype(np.int64, copy=False))
            return self.go_up(rows.block(index), layer, here, start)

        unit = self.up[layer - 1].target
        dtype = unit.expectation_dtype if stream is None else unit.dtype
        return computed_rows((rows.n_rows, self.sizes[layer]), dtype, compute)


def layer_seed(seed: int, layer: int, purpose: Purpose, step: int) -> int:
    """A seed for one layer's RBM, so that no two share random numbers; the lowest takes `seed` itself."""
    if layer == 0:
        return seed
    low, high = engine.uniform_u32(1, 2, seed, purpose, layer, step)[0]
    return int(low) | int(high) << 32
