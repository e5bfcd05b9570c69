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

MEAN = "probabilities"
SAMPLE = "samples"


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

    def mean_up(self, states: Any, to: int, start: int = 0) -> States:
        """Expectations of layer `to`, given states of layer `start` (CSR matrices of levels, too)."""
        for way in self.up[start:to]:
            states = way.expectation(states)
        result: States = states
        return result

    def sample_up(self, states: States, to: int, stream: Stream, start: int = 0) -> States:
        """States of layer `to` drawn layer by layer, given states of layer `start`."""
        for i in range(start, to):
            states = self.up[i].sample(states, stream.on(i + 1))
        return states

    def mean_down(self, states: States, layer: int, to: int) -> States:
        """Expectations of layer `to`, given states of a `layer` above."""
        for i in reversed(range(to, layer)):
            states = self.units(self.down[i].expectation(states), i)
        return states

    def sample_down(self, states: States, layer: int, to: int, stream: Stream) -> States:
        """States of layer `to` drawn layer by layer, given states of a `layer` above."""
        for i in reversed(range(to, layer)):
            states = self.units(self.down[i].sample(states, stream.on(i)), i)
        return states

    def visible_means(self, states: States) -> States:
        """Expectations of the visible layer as numbers (float32), given states of layer 1."""
        return self.units(self.down[0].mean(states), 0)

    def units(self, states: States, layer: int) -> States:
        """The states of a layer's own units, without the labels beside them."""
        return np.ascontiguousarray(states[:, : self.sizes[layer]])

    def rows_at(self, layer: int, rows: Rows, activations: str, seed: int, step: int, start: int = 0) -> Rows:
        """What `layer` does for rows of states of layer `start`, computed whenever it is asked for.

        Row i draws with the random numbers of row i, so that a row is the same in whatever company.

        Parameters
        ----------
        layer : int
            `start` gives `rows` themselves.
        rows : Rows
            States of layer `start`.
        activations : {"samples", "probabilities"}
            States drawn layer by layer, by random numbers of the purpose GREEDY; or expectations.
        seed, step : int
            Of these random numbers.
        start : int
            A layer below.
        """
        if layer == start:
            return rows

        def compute(index: slice | NDArray[np.intp]) -> States:
            states = rows.block(index)
            if activations == MEAN:
                return self.mean_up(states, layer, start)
            numbers = np.arange(*index.indices(rows.n_rows)) if isinstance(index, slice) else index
            ids = numbers.astype(np.int64, copy=False)
            return self.sample_up(states, layer, Stream(seed, Purpose.GREEDY, 0, step, ids), start)

        unit = self.up[layer - 1].target
        dtype = unit.expectation_dtype if activations == MEAN else unit.dtype
        return computed_rows((rows.n_rows, self.sizes[layer]), dtype, compute)


def layer_seed(seed: int, layer: int, purpose: Purpose, step: int) -> int:
    """A seed for one layer's RBM, so that no two share random numbers; the lowest takes `seed` itself."""
    if layer == 0:
        return seed
    low, high = engine.uniform_u32(1, 2, seed, purpose, layer, step)[0]
    return int(low) | int(high) << 32
