"""Groups of units of which exactly one is on: one of K."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.data import Grey8, Packed, Rows, computed_rows, is_masked, is_sparse
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, GREY, U8, Blocks, Sizes, States, draw_groups, group_units, row_sums
from rbmfast.states import LEVELS, unit_of
from rbmfast.streams import Stream
from rbmfast.units.base import Unit
from rbmfast.units.common import LEAST_RATE, digits_of, numbers_of, sums_of_levels


@dataclass(frozen=True)
class Categorical(Unit):
    """Groups of `n_states` units with states 0 and 1, exactly one of which is on in each group.

    A group's units are on with the probabilities softmax(x), so a group says which of `n_states` values a
    variable has: a class, an amino acid, a rating. The unit's own energy is ``-bias * s``. Data are one-hot
    rows, or grey levels that sum to 1 in each group, which count as expectations; or integers from 0 to
    ``n_states - 1``, one for each group. Where entries may be missing, a group is missing as a whole.

    Products with one-hot states are exact integers, so that everything has the same bits on every machine.

    Parameters
    ----------
    n_states : int or sequence of int
        Units in a group, at least 2: one number for all groups, and a layer must be a multiple of it; or the
        number of each, ``Categorical([3, 5, 2])`` for three variables, and a layer has their sum.

    Raises
    ------
    TypeError, ValueError
        Another number, or none.

    Notes
    -----
    A softmax group is a Potts spin; it is how labels join the visible units of a restricted Boltzmann
    machine (Hinton, "To recognize shapes, first learn to generate images", 2007; Salakhutdinov, Mnih &
    Hinton, "Restricted Boltzmann machines for collaborative filtering", ICML 2007).

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.units import Categorical
    >>> Categorical(3).mean(np.log(np.array([[1, 2, 1, 3, 3, 4]], np.float32))).round(2)
    array([[0.25, 0.5 , 0.25, 0.3 , 0.3 , 0.4 ]], dtype=float32)
    >>> Categorical([3, 2]).mean(np.log(np.array([[1, 2, 1, 3, 1]], np.float32))).round(2)
    array([[0.25, 0.5 , 0.25, 0.75, 0.25]], dtype=float32)
    """

    n_states: int | tuple[int, ...]

    name: ClassVar[str] = "categorical"
    domain = "binary"
    dtype = np.dtype(np.uint8)
    exact = True
    constrained = True

    def __post_init__(self) -> None:
        given = self.n_states
        if isinstance(given, (Iterable, np.ndarray)) and not isinstance(given, (str, bytes, Mapping)):
            sizes = tuple(check_integer(n, f"n_states[{i}]", low=2) for i, n in enumerate(given))
            if not sizes:
                raise ValueError("n_states must have a number for at least one group, got none")
            object.__setattr__(self, "n_states", sizes)
        else:
            object.__setattr__(self, "n_states", check_integer(given, "n_states", low=2))

    def sizes(self, n_units: int) -> Sizes:
        """Units in each group of a layer: (n_groups,)."""
        if isinstance(self.n_states, tuple):
            return np.array(self.n_states, np.int32)
        return np.full(n_units // self.n_states, self.n_states, np.int32)

    def blocks(self, n_units: int) -> Blocks | None:
        """One of groups."""
        return (self.sizes(n_units),)

    def groups(self, n_units: int) -> list[slice]:
        """All of them."""
        ends = accumulate(self.sizes(n_units).tolist(), initial=0)
        return [slice(start, stop) for start, stop in pairwise(ends)]

    def mean(self, x: F32) -> F32:
        """Softmax of each group."""
        return engine.softmax_groups(x, self.sizes(x.shape[1]))

    def mean_float64(self, x: F64) -> F64:
        """Softmax of each group."""
        groups = self._groups(x, -np.inf)
        odds = np.exp(groups - groups.max(axis=2, keepdims=True))
        p: F64 = odds / odds.sum(axis=2, keepdims=True)
        return p[:, group_units(self.sizes(x.shape[1]))[1]]

    def mode(self, x: F32) -> U8:
        """The group's most probable state, the first of equals."""
        return self._one_hot(self._groups(x, -np.inf).argmax(axis=2), x.shape[1])

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> U8:
        """One state of each group, by the number u of its first unit.

        The first state whose cumulative weight exceeds (u + 1/2) / 2**32 of the whole.
        """
        return draw_groups(x, self.sizes(x.shape[1]), uniform)

    def sample(self, x: F32, stream: Stream) -> U8:
        """The same in one pass of the engine."""
        return engine.categorical(x, self.sizes(x.shape[1]), *stream)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums of log-sum-exp over the groups."""
        sums: F64 = row_sums(engine.log_sum_groups(x, self.sizes(x.shape[1])))
        return sums

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Sums of log-sum-exp over the groups."""
        groups = self._groups(x, -np.inf)
        top = groups.max(axis=2)
        total: F64 = (top + np.log(np.exp(groups - top[..., None]).sum(axis=2))).sum(axis=1)
        return total

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of -bias * s."""
        return -engine.weighted_sum(states, bias)

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Logarithms of the states' shares, one row of each state added so that none is infinite."""
        levels, most = sums_of_levels(rows), GREY * rows.n_known
        sizes = self.sizes(len(levels))
        share = (levels + GREY) / (most + GREY * np.repeat(sizes, sizes).astype(np.int64))
        means = np.where(most > 0, levels / np.maximum(most, 1), share)
        return self._centred_log(share), means.astype(np.float32)

    def bias_from_means(self, means: F32) -> F32:
        """Logarithms of the means, which count as at least 0.001."""
        return self._centred_log(np.maximum(means.astype(np.float64), LEAST_RATE))

    def __str__(self) -> str:
        sizes = self.n_states if isinstance(self.n_states, tuple) else (self.n_states,)
        return f"{self.name} of {', '.join(map(str, sizes))}"

    # --- Layers of groups --------------------------------------------------------------------------------

    def describe(self) -> JSON:
        n = self.n_states
        return {"unit": self.name, "n_states": [*n] if isinstance(n, tuple) else n}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Categorical:
        return cls(description.get("n_states", 0))

    def check_size(self, n_units: int, name: str) -> None:
        """A layer has whole groups."""
        if isinstance(self.n_states, tuple):
            if n_units != sum(self.n_states):
                raise ValueError(f"{name} must be {sum(self.n_states)}, the units of {self!r}, got {n_units}")
        elif n_units % self.n_states:
            raise ValueError(f"{name} must be a multiple of {self.n_states} for {self!r}, got {n_units}")

    def data(self, X: Any, n_units: int, name: str) -> Any:
        sizes = self.sizes(n_units)
        other = isinstance(X, (Rows, Grey8, Packed)) or is_sparse(X) or is_masked(X)
        codes = None if other else np.asarray(X)
        if codes is None or codes.dtype.kind not in "iuf" or codes.shape[1:] != (len(sizes),):
            return X  # one-hot rows, or wrong
        wrong = np.argwhere(~((codes >= 0) & (codes < sizes) & (codes == np.floor(codes))))
        if len(wrong):
            row, group = (int(i) for i in wrong[0])
            raise ValueError(
                f"{name}[{row}, {group}] is {codes[row, group]}, but states of {self.name} of {sizes[group]} "
                f"are whole numbers from 0 to {sizes[group] - 1}"
            )
        return computed_rows((len(codes), n_units), self.dtype, lambda i: self._one_hot(codes[i], n_units))

    def units_of(self, n_columns: int) -> int:
        """All of those whose sizes are given, where each column is a group's."""
        n = self.n_states
        return sum(n) if isinstance(n, tuple) and n_columns == len(n) else n_columns

    def _of_units(self, gaps: NDArray[np.bool_], rows: Rows, name: str) -> NDArray[np.bool_]:
        sizes = self.sizes(rows.n_features)
        gaps = np.repeat(gaps, sizes, axis=1) if gaps.shape[1:] == sizes.shape else gaps
        return super()._of_units(gaps, rows, name)

    def in_columns(self, states: States, n_columns: int) -> NDArray[Any]:
        """Of fewer columns codes: of means the likeliest."""
        return states if states.shape[1] == n_columns else self._groups(states, 0).argmax(axis=2)

    def part(self, start: int, stop: int) -> Categorical | None:
        """Whole groups can be parted."""
        if not isinstance(self.n_states, tuple):
            return None if start % self.n_states or stop % self.n_states else self
        ends = [0, *accumulate(self.n_states)]
        if start not in ends or stop not in ends or start >= stop:
            return None
        return Categorical(self.n_states[ends.index(start) : ends.index(stop)])

    def whole(self, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A group with a missing unit is missing."""
        sizes = self.sizes(missing.shape[1])
        return np.repeat(self._groups(missing, False).any(axis=2), sizes, axis=1)

    def check_block(
        self, block: States, name: str, first_row: int, missing: NDArray[np.bool_], first_unit: int = 0
    ) -> None:
        """Each group must sum to 1: grey levels to what rounding leaves of it."""
        sizes = self.sizes(block.shape[1])
        one = unit_of(block.dtype)
        slack = sizes if block.dtype == LEVELS else 0
        total = self._groups(block, 0).sum(axis=2, dtype=np.int64)
        wrong = (np.abs(total - one) > slack) & ~self._groups(missing, False).any(axis=2)
        if wrong.any():
            row, group = (int(i) for i in np.argwhere(wrong)[0])
            first, size = first_unit + int(sizes[:group].sum()), sizes[group]
            raise ValueError(
                f"{name}[{first_row + row}, {first}:{first + size}] must have one unit on, of "
                f"{size} that exclude each other; got a sum of {total[row, group] / one:g}"
            )

    def count_states(self, n_units: int) -> int | None:
        """The product of the groups' sizes; None for parts of groups."""
        sizes = self.sizes(n_units)
        return math.prod(sizes.tolist()) if sizes.sum() == n_units else None

    def states(self, n_units: int, numbers: NDArray[np.int64]) -> U8:
        """The numbers to the base of the groups' sizes, a digit for each group."""
        return self._one_hot(digits_of(numbers, self.sizes(n_units).tolist()), n_units)

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        """The numbers whose digits the groups are."""
        return numbers_of(self._groups(states, 0).argmax(axis=2), self.sizes(states.shape[1]).tolist())

    # --- Details -----------------------------------------------------------------------------------------

    def _groups(self, x: NDArray[Any], beyond: float) -> NDArray[Any]:
        """(n_rows, n_groups, largest group), with `beyond` for units that a group does not have."""
        if not isinstance(self.n_states, tuple):
            return x.reshape(len(x), -1, self.n_states)
        units, there = group_units(self.sizes(x.shape[1]))
        return np.where(there, x[:, units], x.dtype.type(beyond))

    def _one_hot(self, state: NDArray[np.integer[Any]], n_units: int) -> U8:
        """(n_rows, n_groups) states as (n_rows, n_units) of 0 and 1."""
        sizes = self.sizes(n_units)
        hot = np.zeros((len(state), n_units), np.uint8)
        np.put_along_axis(hot, (np.cumsum(sizes) - sizes + state).astype(np.int64), 1, axis=1)
        return hot

    def _centred_log(self, share: F64) -> F32:
        """Logarithms less their mean in each group: any number may be added to all biases of a group."""
        sizes = self.sizes(len(share))
        log = engine.log(share.astype(np.float32)).astype(np.float64)
        mean = row_sums(self._groups(log[None], 0)[0]) / sizes
        bias: F32 = (log - np.repeat(mean, sizes)).astype(np.float32)
        return bias
