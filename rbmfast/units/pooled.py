"""Maps of 0/1 units in blocks of which at most one is on: probabilistic max-pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, U8, States, row_sums
from rbmfast.reference.maps import blocks_of, draw_pools, maps_of
from rbmfast.states import LEVELS, in_form, unit_of
from rbmfast.streams import Stream
from rbmfast.units.base import Unit
from rbmfast.units.bernoulli import Bernoulli
from rbmfast.units.common import LEAST_RATE, digits_of, numbers_of, sums_of_levels


@dataclass(frozen=True)
class Pooled(Unit):
    """Maps of units with states 0 and 1; of each block of ``pool x pool`` places of a map at most one is on.

    With the total inputs x of a block's units, unit i is on with probability ``exp(x_i) / (1 + sum exp(x))``,
    and none is with probability ``1 / (1 + sum exp(x))``. With ``pool=1`` each unit is on by itself. The own
    energy is ``-bias * s``. States are shown, and taken, as (n_rows, height, width, n_maps); rows will do.
    All has the same bits on every machine.

    Parameters
    ----------
    height, width, n_maps : int
        Of the layer.
    pool : int, default 1
        Side of a block, which divides height and width.

    Raises
    ------
    TypeError, ValueError
        A size that is not allowed.

    References
    ----------
    Lee, Grosse, Ranganath & Ng, "Convolutional deep belief networks for scalable unsupervised learning of
    hierarchical representations", ICML 2009, section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.units import Pooled
    >>> unit = Pooled(2, 2, 1, pool=2)
    >>> unit.mean(np.log(np.array([[1, 2, 1, 3]], np.float32))).round(3)     # of 1 + 1 + 2 + 1 + 3
    array([[0.125, 0.25 , 0.125, 0.375]], dtype=float32)
    """

    height: int
    width: int
    n_maps: int
    pool: int = 1

    name: ClassVar[str] = "pooled"
    domain = "binary"
    dtype = np.dtype(np.uint8)
    exact = True
    constrained = True

    def __post_init__(self) -> None:
        for name in ("height", "width", "n_maps", "pool"):
            object.__setattr__(self, name, check_integer(getattr(self, name), name, low=1, high=2**16))
        if self.height % self.pool or self.width % self.pool:
            raise ValueError(
                f"pool must divide height and width, {self.height} and {self.width}, got {self.pool}"
            )

    @property
    def _map(self) -> tuple[int, int, int, int]:
        """As the engine takes it."""
        return self.height, self.width, self.n_maps, self.pool

    @property
    def pooled_shape(self) -> tuple[int, int, int]:
        """Height and width in blocks, and maps."""
        return self.height // self.pool, self.width // self.pool, self.n_maps

    # --- Given total inputs ------------------------------------------------------------------------------

    def mean(self, x: F32) -> F32:
        """Probabilities of being on."""
        return engine.pool_means(x, self._map)

    def mean_float64(self, x: F64) -> F64:
        """The same by NumPy's functions."""
        blocks = blocks_of(x, self._map)
        top = np.maximum(blocks.max(axis=2, keepdims=True), 0)
        odds = np.exp(blocks - top)
        return maps_of(odds / (np.exp(-top) + odds.sum(axis=2, keepdims=True)), self._map)

    def mode(self, x: F32) -> U8:
        """Of each block the most probable state, the first of equals; a unit before none."""
        blocks = blocks_of(x, self._map)
        best = np.where(blocks.max(axis=2) >= 0, blocks.argmax(axis=2), -1)
        return self._states_of(best)

    def expectation(self, x: F32) -> States:
        """Probabilities in units of 1/65535."""
        return engine.pool_levels(x, self._map)

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> U8:
        """By a number for each block, the first of the row's: none, or the unit whose turn it is."""
        return draw_pools(x, self._map, uniform[:, : x.shape[1] // self.pool**2])

    def sample(self, x: F32, stream: Stream) -> U8:
        """The same by the engine."""
        return engine.pool_draw(x, self._map, *stream)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums over blocks of log(1 + sum exp(x))."""
        sums: F64 = row_sums(engine.pool_log_sums(x, self._map))
        return sums

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """The same by NumPy's functions."""
        blocks = blocks_of(x, self._map)
        top = np.maximum(blocks.max(axis=2), 0)
        odds = np.exp(blocks - top[..., None]).sum(axis=2)
        total: F64 = (top + np.log(np.exp(-top) + odds)).sum(axis=1)
        return total

    def pooled(self, means: NDArray[Any]) -> NDArray[Any]:
        """Whether any unit of a block is on, or how probable that is: (n_rows, n_blocks)."""
        blocks = blocks_of(means.reshape(len(means), -1), self._map)
        in_order = np.cumsum(blocks, axis=2)  # of levels, too, which may add up to a little more than 1
        any_on = np.ascontiguousarray(in_order[..., -1])  # whose minimum QEMU 7.2 gets wrong in strides
        pooled: NDArray[Any] = np.minimum(any_on, any_on.dtype.type(unit_of(means.dtype)))
        return pooled.astype(means.dtype, copy=False)

    def spread(self, pooled: States) -> States:
        """Expected states of all units, as levels, from the pooled units' states or levels."""
        n = self.pool**2
        levels = (in_form(pooled, LEVELS).astype(np.uint32) + n // 2) // n
        return maps_of(np.repeat(levels.astype(LEVELS)[..., None], n, axis=2), self._map)

    def placed(self, pooled: States, stream: Stream) -> States:
        """Random states: of each block that is on, one unit, any as often. Of levels, `spread`."""
        if pooled.dtype == LEVELS:
            return self.spread(pooled)
        uniform = stream.uniform(*pooled.shape).astype(np.uint64)
        place = (uniform * np.uint64(self.pool**2) >> np.uint64(32)).astype(np.int64)
        return self._states_of(np.where(pooled, place, -1))

    # --- On their own ------------------------------------------------------------------------------------

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of -bias * s."""
        return -engine.weighted_sum(states, bias)

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Log-odds of each unit to none of its block, and the means."""
        means = (sums_of_levels(rows) / (65535 * np.maximum(rows.n_known, 1))).astype(np.float32)
        return self.bias_from_means(means), means

    def bias_from_means(self, means: F32) -> F32:
        """The same; probabilities count as at least 0.001."""
        on = blocks_of(np.maximum(means.astype(np.float64), LEAST_RATE)[None], self._map)
        off = np.maximum(1 - on.sum(axis=2, keepdims=True), LEAST_RATE)
        return engine.log(maps_of((on / off).astype(np.float32), self._map)[0])

    # --- Layers of blocks --------------------------------------------------------------------------------

    def describe(self) -> JSON:
        return {"unit": self.name, **vars(self)}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Pooled:
        return cls(*(description.get(name, 0) for name in ("height", "width", "n_maps", "pool")))

    def check_size(self, n_units: int, name: str) -> None:
        """A layer is a whole map."""
        n = self.height * self.width * self.n_maps
        if n_units != n:
            raise ValueError(f"{name} must be {n}, the units of {self!r}, got {n_units}")

    def from_above(self, n_units: int) -> list[tuple[int, Unit]]:
        """Or blocks, as 0/1 units."""
        return [(n_units, self), (math.prod(self.pooled_shape), Bernoulli())]

    def part(self, start: int, stop: int) -> Pooled | None:
        """Blocks lie across one another: only the whole layer."""
        return self if (start, stop) == (0, self.height * self.width * self.n_maps) else None

    def shown(self, states: States) -> NDArray[Any]:
        """As maps: (n_rows, height, width, n_maps)."""
        return super().shown(states).reshape(-1, self.height, self.width, self.n_maps)

    def unshown(self, means: F32) -> F32:
        """As rows."""
        return means.reshape(-1, self.height * self.width * self.n_maps)

    def whole(self, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A block with a missing unit is missing."""
        blocks = blocks_of(missing, self._map)
        return maps_of(np.broadcast_to(blocks.any(axis=2, keepdims=True), blocks.shape), self._map)

    def check_block(
        self, block: States, name: str, first_row: int, missing: NDArray[np.bool_], first_unit: int = 0
    ) -> None:
        """At most one unit of each block is on; of grey levels to what rounding leaves of it."""
        slack = self.pool**2 if block.dtype == LEVELS else 0
        total = blocks_of(block, self._map).sum(axis=2, dtype=np.int64)
        wrong = np.argwhere(total > unit_of(block.dtype) + slack)
        if len(wrong):
            row, place = (int(i) for i in wrong[0])
            h, w, k = (int(i) for i in np.unravel_index(place, self.pooled_shape))
            got = total[row, place] / unit_of(block.dtype)
            raise ValueError(
                f"{name}[{first_row + row}] must have at most one unit on in each block of {self.pool} x "
                f"{self.pool}, got a sum of {got:g} in block ({h}, {w}) of map {k}"
            )

    def count_states(self, n_units: int) -> int | None:
        """Of each block one more than it has units."""
        n = self.height * self.width * self.n_maps
        return (self.pool**2 + 1) ** (n // self.pool**2) if n_units == n else None

    def states(self, n_units: int, numbers: NDArray[np.int64]) -> U8:
        """A digit for each block: none, then its units."""
        bases = [self.pool**2 + 1] * (n_units // self.pool**2)
        return self._states_of(digits_of(numbers, bases) - 1)

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        """The numbers whose digits the blocks are."""
        blocks = blocks_of(states, self._map)
        digits = np.where(blocks.any(axis=2), blocks.argmax(axis=2) + 1, 0)
        return numbers_of(digits, [self.pool**2 + 1] * blocks.shape[1])

    def _states_of(self, on: NDArray[np.integer[Any]]) -> U8:
        """0/1 maps from the unit that is on in each block, -1 for none: (n_rows, n_blocks)."""
        blocks = (on[..., None] == np.arange(self.pool**2)).astype(np.uint8)
        return maps_of(blocks, self._map)
