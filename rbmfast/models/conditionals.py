"""The conditional distributions of a restricted Boltzmann machine, and of a stack of them; Gibbs steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows, computed_rows, is_sparse
from rbmfast.interactions import DENSE, Interaction, exact_sums
from rbmfast.reference import F32, F64, GREY, Blocks, States, row_sums, to_grey
from rbmfast.states import Overflow, in_form, unit_of
from rbmfast.streams import RowIds, Stream
from rbmfast.units import Unit
from rbmfast.units.common import sums_of

if TYPE_CHECKING:
    import scipy.sparse as sp

WORK = 10**10  # additions of one engine call at most: a fraction of a second, so that Ctrl-C is answered


@dataclass(slots=True)  # not frozen: that takes longer to make than to use for a row
class Conditional:
    """P(target layer | source layer): the way up (visible to hidden) or down.

    States of an exact layer take the engine's exact integer products, real-valued states on a grid exact
    products in float64, others a float32 matrix product. Nobody else needs to know which.
    """

    source: Unit  # the layer whose states are given
    target: Unit  # the layer that answers
    weights: Any  # fixed-point weights: `engine.Weights`, where all pairs of units have one
    W: F32  # the same in float32: (n_visible, n_hidden)
    bias: F32  # of the target layer
    up: bool  # whether the source is the visible layer
    interaction: Interaction = DENSE  # which pairs of units have weights, and which share them
    _q: F64 | None = field(default=None, init=False, repr=False)

    @property
    def blocks(self) -> tuple[Blocks, Blocks] | None:
        """Of the visible and the hidden layer, if the engine's loops over chains and paths know both."""
        if not self.interaction.is_dense:
            return None
        layers = (self.source, self.target) if self.up else (self.target, self.source)
        visible, hidden = (unit.blocks(n) for unit, n in zip(layers, self.W.shape, strict=True))
        return None if visible is None or hidden is None else (visible, hidden)

    @property
    def epoch_blocks(self) -> tuple[Blocks | None, Blocks] | None:
        """The same for epochs, which know real-valued visible units, too: None in place of their blocks."""
        if not self.interaction.is_dense:
            return None
        hidden = self.target.blocks(self.W.shape[1])
        return (None, hidden) if hidden is not None and self.source.normal_in_steps else self.blocks

    @property
    def between_switches(self) -> bool:
        """Whether the units of both layers are on or off, each by itself."""
        return self.source.are_switches and self.target.are_switches

    def input(self, states: States | sp.csr_matrix) -> F32:
        """Total inputs of the target layer: float32 (n_rows, n_target)."""
        if is_sparse(states):
            return self._sparse_input(states)
        given = self.interaction.given(self.source, states)
        if given is not None:
            return self.interaction.affine(self.weights, given, self.bias, self.up)
        x = self._real_input(states)
        factor = self.source.bias_factor(states)
        x += self.bias if factor is None else factor * self.bias
        return x

    def like(self, states: States, missing: NDArray[np.bool_] | None = None) -> Conditional:
        """The same for rows of the target layer that keep what states before had: `Unit.like`."""
        target = self.target.like(states, missing)
        return self if target is self.target else replace(self, target=target)

    @property
    def total_bias(self) -> F32:
        """The bias as total inputs have it, whatever the states: `Unit.bias_factor`."""
        factor = self.source.bias_factor(None)
        return self.bias if factor is None else np.float32(factor) * self.bias

    def send(self, states: States) -> F32:
        """The same without the bias: what the source sends."""
        return replace(self, bias=np.zeros_like(self.bias)).input(states)

    def _real_input(self, states: States) -> F32:
        """The same from real-valued states that the engine does not take, but for the bias."""
        counts = self.source.counts(states)
        if counts is None:
            with np.errstate(over="ignore", invalid="ignore"):
                x: F32 = self.interaction.product(states, self.W, self.up)
            if not np.isfinite(x).all():
                raise Overflow("total inputs overflow float32: scale the real-valued states or weights down")
            return x
        total: F64 | None = None
        for one in np.unique(counts.per):  # of blocks with different grids; the sums of each are exact
            here = None if (counts.per == one).all() else counts.per == one
            numbers = counts.numbers if here is None else counts.numbers[:, here]
            sums = exact_sums(numbers, partial(self._send_whole, here=here))
            sums /= one * 2.0**self.weights.exponent
            total = sums if total is None else total + sums
        assert total is not None
        return total.astype(np.float32)

    def _send_whole(self, numbers: Any, here: NDArray[np.bool_] | None = None) -> F64:
        """What numbers of the source, or of some of its units, send along the fixed-point weights."""
        if self._q is None:
            q = self.W * np.float32(2.0**self.weights.exponent)
            self._q = np.rint(q, out=q).astype(np.float64)
        q = self._q if here is None else self._q[here] if self.up else self._q[:, here]
        sent: F64 = self.interaction.product(numbers, q, self.up)
        return sent

    def _sparse_input(self, states: Any) -> F32:
        """The same for a CSR matrix of levels, at the cost of what it stores; the sums are exact too."""
        sums = self._send_whole(states) / GREY
        x: F32 = (sums / 2.0**self.weights.exponent).astype(np.float32) + self.bias
        return x

    def _for_engine(self, states: States) -> Any:
        """States for passes that end in answers of the target layer; None where there are no such passes."""
        return self.source.for_engine(states) if self.interaction.is_dense else None

    def mean(self, states: States | sp.csr_matrix) -> F32:
        """Expected states of the target layer: float32 (n_rows, n_target)."""
        given = None if is_sparse(states) else self._for_engine(states)
        if given is not None:
            return self.target.mean_from(self.weights, given, self.bias, self.up)
        return self.target.mean(self.input(states))

    def mean_of_drawn(self, states: States, stream: Stream) -> F32:
        """The same given states that were drawn, where something is left to draw."""
        return self.mean(states)

    def mean_of_means(self, means: F32) -> F32:
        """The same where the source has these means in place of states."""
        return self.mean(to_grey(means) if self.source.exact else means)

    def expectation(self, states: States) -> States:
        """`mean`, in the form that can be sent back: grey levels for exact units."""
        return self.target.expectation(self.input(states))

    def sample(self, states: States, stream: Stream) -> States:
        """Random states of the target layer: (n_rows, n_target)."""
        given = self._for_engine(states)
        if given is not None:
            return self.target.sample_from(self.weights, given, self.bias, stream, self.up)
        return self.target.sample(self.input(states), stream)

    def sample_alone(self, n: int, stream: Stream) -> States:
        """Random states of the target layer by its biases alone: (n, n_target)."""
        return self.target.sample(np.tile(self.bias, (n, 1)), stream)

    def log_normalizer(self, states: States) -> F64:
        """Log of the target layer's summed weight, given the source: (n_rows,) in nats."""
        given = self._for_engine(states)
        if given is not None:
            return self.target.log_normalizer_from(self.weights, given, self.bias, self.up)
        return self.target.log_normalizer(self.input(states), self.bias)


@dataclass(frozen=True)
class Conditionals:
    """P(hidden | visible) and P(visible | hidden) of a model as it stands, and random numbers to draw by.

    A Gibbs step takes two half-steps: the hidden units given the visible ones, then the visible units given
    the hidden ones. Every half-step and every chain (a row) has random numbers of its own, so a run may be
    cut into parts anywhere and gives the same states.
    """

    up: Conditional  # from visible states to the hidden units
    down: Conditional  # and back
    stream: Stream  # random numbers, from a first half-step on
    memory: dict[str, NDArray[Any]] = field(default_factory=dict)  # a method's, to change in place
    n_classes: int = 0  # how many of the last visible units say the class; 0 for a model without labels
    held: NDArray[np.bool_] | None = None  # visible units that keep their states, as those that rows lack

    @classmethod
    def of(
        cls,
        units: tuple[Unit, Unit],
        weights: Any,
        W: F32,
        a: F32,
        b: F32,
        interaction: Interaction = DENSE,
        **more: Any,
    ) -> Conditionals:
        """Those of a model with (visible, hidden) units and parameters; `more`: the other attributes."""
        visible, hidden = units
        up = Conditional(visible, hidden, weights, W, b, up=True, interaction=interaction)
        down = Conditional(hidden, visible, weights, W, a, up=False, interaction=interaction)
        return cls(up, down, **more)

    def at(self, step: int, rows: RowIds | None = None) -> Conditionals:
        """The same with random numbers from another half-step on, and for other rows."""
        return replace(self, stream=self.stream.at(step, rows))

    @property
    def layers(self) -> tuple[Unit, Unit]:
        """The visible and the hidden units."""
        return self.up.source, self.up.target

    def like(self, v: States, missing: NDArray[np.bool_]) -> Conditionals:
        """The same for rows that keep what visible states v have, where entries are not missing."""
        return replace(self, down=self.down.like(v, missing))

    def parameter_sums(self, v: States, x: F32, shares: F64) -> dict[str, F64]:
        """For what the layers learn beside their biases, minus the energy's slope at visible states v.

        The hidden units hear x, and enter by their means. Sums over rows, each times its share, by names such
        as ``visible.log_sigma``.
        """
        visible = self.up.source.parameter_sums(v, self.down.bias, shares)
        hidden = sums_of(self.up.target.mean_parameter_gradient(x, self.up.bias), shares)
        return {f"visible.{name}": each for name, each in visible.items()} | {
            f"hidden.{name}": each for name, each in hidden.items()
        }

    def sample_hidden(self, hidden_input: F32, half_step: int = 0) -> States:
        """Draw hidden states (n, n_hidden), given their total inputs, some half-steps after the first one."""
        return self.up.target.sample(hidden_input, self.stream.after(half_step))

    def sample_visible(self, h: States, half_step: int = 0, like: States | None = None) -> States:
        """Draw visible states (n, n_visible), given hidden states.

        `like` are those before, of which `Unit.like` keeps something, and units that are held their states.
        """
        down = self.down if like is None else self.down.like(like)
        v = down.sample(h, self.stream.after(half_step))
        return v if self.held is None or like is None else np.where(self.held, like, in_form(v, like.dtype))

    def gibbs(self, v: States, steps: int, clamp: NDArray[np.uint8] | None = None) -> tuple[States, States]:
        """Take `steps` >= 1 Gibbs steps; the last visible and hidden states.

        Where `clamp` is 1 a visible unit keeps its value. Grey levels may be a start, or clamped values.
        """
        if self.held is not None:
            kept = self.held if clamp is None else self.held | (clamp != 0)
            clamp = np.broadcast_to(kept, v.shape).astype(np.uint8)
        stream, a, b, blocks = self.stream, self.down.bias, self.up.bias, self.up.blocks
        while steps > 0:
            n = 1
            if blocks is not None and v.dtype == np.uint8:
                n = min(steps, max(1, WORK // (2 * len(v) * self.up.W.size)))
                held = None if clamp is None else np.ascontiguousarray(clamp)
                v, h = engine.gibbs(self.up.weights, a, b, v, n, *stream, held, blocks)
            else:
                v, h = self._one_step(v, stream, clamp)
            steps -= n
            stream = stream.after(2 * n)
        return v, h

    def _one_step(self, v: States, stream: Stream, clamp: NDArray[np.uint8] | None) -> tuple[States, States]:
        h = self.up.sample(v, stream)
        drawn = self.down.like(v).sample(h, stream.after(1))
        if clamp is None:
            return drawn, h
        return np.where(clamp, v, in_form(drawn, v.dtype)), h


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

    def visible_means(self, states: States, stream: Stream | None = None) -> States:
        """Expectations of the visible layer as numbers (float32), given states of layer 1, drawn or not."""
        way = self.down[0]
        return self.units(way.mean(states) if stream is None else way.mean_of_drawn(states, stream), 0)

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


def interaction(up: Conditional, down: Conditional, v: States, h: States) -> F64:
    """``v W h``, from a layer where the products are exact, if there is one: (n_rows,).

    And what a factor adds to the hidden units' own ``b h``.
    """
    factor = up.source.bias_factor(v)
    if factor is not None:
        return row_dot(up.send(v) + (factor - 1) * up.bias, h)
    if up.source.exact or not up.target.exact:
        return row_dot(up.send(v), h)
    return row_dot(down.send(h), v)


def row_dot(x: F32, states: States) -> F64:
    """Scalar products, in float64 and in one order, of rows of numbers and rows of states: (n_rows,)."""
    products: F64 = row_sums(x.astype(np.float64) * states)
    return products / unit_of(states.dtype)
