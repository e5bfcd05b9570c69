"""A layer of several unit types, block by block: pixels and a label, or the columns of a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, Blocks, States
from rbmfast.states import Counts, count_levels
from rbmfast.units.affine import Affine, of_all
from rbmfast.units.base import Given, Unit


@dataclass(frozen=True)
class Mixed(Unit):
    """A layer whose columns are blocks of units of several types.

    Products with the states are exact if those with each block are. One real-valued block makes the arrays of
    the whole layer float32.

    Parameters
    ----------
    parts : sequence of (Unit, int)
        The blocks from left to right: unit type and number of units.

    Raises
    ------
    TypeError, ValueError
        Something else, or a number of units that a block cannot have.

    Examples
    --------
    784 pixels, and a label of ten classes:

    >>> from rbmfast.units import Bernoulli, Categorical, Mixed
    >>> unit = Mixed([(Bernoulli(), 784), (Categorical(10), 10)])
    >>> unit.n_units, unit.exact, unit.domain
    (794, True, 'binary')
    """

    parts: tuple[tuple[Unit, int], ...]

    name: ClassVar[str] = "mixed"
    domain: str = field(init=False, repr=False, compare=False)
    dtype: np.dtype[np.generic] = field(init=False, repr=False, compare=False)
    exact: bool = field(init=False, repr=False, compare=False)
    constrained = True

    def __post_init__(self) -> None:
        parts = _check_parts(self.parts)
        exact = all(unit.exact for unit, _ in parts)
        binary = all(unit.domain == "binary" for unit, _ in parts)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "exact", exact)
        object.__setattr__(self, "domain", "binary" if binary else "real")
        object.__setattr__(self, "dtype", np.dtype(np.uint8 if exact else np.float32))

    @property
    def n_units(self) -> int:
        """Units in the layer."""
        return sum(n for _, n in self.parts)

    @property
    def columns(self) -> list[slice]:
        """Where each block is."""
        ends = accumulate((n for _, n in self.parts), initial=0)
        return [slice(start, stop) for start, stop in pairwise(ends)]

    # --- Given total inputs: every block answers for itself, as `Unit` says ------------------------------

    def mean(self, x: F32) -> F32:
        return self._joined(lambda unit, here: unit.mean(_cut(x, here)))

    def mean_float64(self, x: F64) -> F64:
        return self._joined(lambda unit, here: unit.mean_float64(_cut(x, here)))

    def mode(self, x: F32) -> States:
        return self._joined(lambda unit, here: unit.mode(_cut(x, here)))

    def expectation(self, x: F32) -> States:
        if not self.exact:
            return self.mean(x)
        return self._joined(lambda unit, here: unit.expectation(_cut(x, here)))

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> States:
        return self._joined(lambda unit, here: unit.draw(_cut(x, here), uniform[:, here]))

    def for_engine(self, states: States) -> Given | None:
        return states if self.exact else None

    def counts(self, states: States) -> Counts | None:
        if self.exact:
            return count_levels(states)
        found = [unit.counts(states_of(unit, states, here)) for unit, here in self._blocks()]
        counted = [counts for counts in found if counts is not None]
        if len(counted) < len(found):
            return None
        numbers, per = zip(*counted, strict=True)
        return Counts(np.hstack(numbers), np.concatenate(per))

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        return self._summed(lambda unit, here: unit.log_normalizer(_cut(x, here), bias[here]))

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        return self._summed(lambda unit, here: unit.log_normalizer_float64(_cut(x, here), bias[here]))

    def energy(self, states: States, bias: F32) -> F64:
        return self._summed(lambda unit, here: unit.energy(states_of(unit, states, here), bias[here]))

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        found = [unit.initial_bias(rows.columns(here, unit.domain)) for unit, here in self._blocks()]
        bias, means = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        return bias, means

    def doubts(self, rows: Rows, first_unit: int = 0) -> str | None:
        found = (
            unit.doubts(rows.columns(here, unit.domain), first_unit + here.start)
            for unit, here in self._blocks()
        )
        return next((doubts for doubts in found if doubts is not None), None)

    def bias_from_means(self, means: F32) -> F32:
        return np.concatenate([unit.bias_from_means(means[here]) for unit, here in self._blocks()])

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(f'{n} {unit}' for unit, n in self.parts)})"

    # --- The layer ---------------------------------------------------------------------------------------

    def describe(self) -> JSON:
        return {"unit": self.name, "parts": [[unit.describe(), n] for unit, n in self.parts]}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Mixed:
        return cls(tuple((unit_of(unit), n) for unit, n in description.get("parts", ())))

    def blocks(self, n_units: int) -> Blocks | None:
        """Those of the parts, each with one of its own: sums of sums would go in another order."""
        blocks = [unit.blocks(n) for unit, n in self.parts]
        if any(block is None or len(block) != 1 for block in blocks):
            return None
        return tuple(part for block in blocks for part in block or ())

    def groups(self, n_units: int) -> list[slice]:
        """Those of the parts."""
        return [
            slice(here.start + group.start, here.start + group.stop)
            for unit, here in self._blocks()
            for group in unit.groups(here.stop - here.start)
        ]

    def types(self) -> list[Unit]:
        return [self, *(unit for part, _ in self.parts for unit in part.types())]

    def check_size(self, n_units: int, name: str) -> None:
        if n_units != self.n_units:
            raise ValueError(f"{name} must be {self.n_units}, the units of {self!r}, got {n_units}")

    def check_hidden(self) -> None:
        for unit, _ in self.parts:
            unit.check_hidden()

    def of_size(self, n_units: int) -> Mixed:
        return replace(self, parts=tuple((unit.of_size(n), n) for unit, n in self.parts))

    def parameters(self) -> dict[str, F32]:
        return self._named(lambda unit, _: unit.parameters())

    def parameter_rates(self) -> dict[str, float]:
        found = (unit.parameter_rates().items() for unit, _ in self.parts)
        return {f"{i}.{name}": rate for i, own in enumerate(found) for name, rate in own}

    @property
    def needs_rows(self) -> bool:
        return any(unit.needs_rows for unit, _ in self.parts)

    @property
    def needs_whole_rows(self) -> bool:
        return any(unit.needs_whole_rows for unit, _ in self.parts)

    @property
    def begins_with_data(self) -> bool:
        return any(unit.begins_with_data for unit, _ in self.parts)

    def begun(self, rows: Rows) -> Mixed:
        begun = [(u.begun(rows.columns(here, "real")), here.stop - here.start) for u, here in self._blocks()]
        return replace(self, parts=tuple(begun))

    def with_parameters(self, arrays: Mapping[str, F32]) -> Mixed:
        parts = []
        for i, (unit, n) in enumerate(self.parts):
            own = {name: arrays[f"{i}.{name}"] for name in unit.parameters()}
            parts.append((unit.with_parameters(own), n))
        return replace(self, parts=tuple(parts))

    def parameter_gradient(self, states: States, bias: F32) -> dict[str, F32]:
        return self._named(lambda unit, at: unit.parameter_gradient(states_of(unit, states, at), bias[at]))

    def mean_parameter_gradient(self, x: F32, bias: F32) -> dict[str, F32]:
        return self._named(lambda unit, at: unit.mean_parameter_gradient(_cut(x, at), bias[at]))

    def like(self, states: States, missing: NDArray[np.bool_] | None = None) -> Mixed:
        parts = [
            (
                unit.like(states[:, here], None if missing is None else missing[:, here]),
                here.stop - here.start,
            )
            for unit, here in self._blocks()
        ]
        same = all(new is old for (new, _), (old, _) in zip(parts, self.parts, strict=True))
        return self if same else replace(self, parts=tuple(parts))

    def bias_factor(self, states: States | None) -> F32 | float | None:
        """That of the first block which has one."""
        found = (unit.bias_factor(None if states is None else states[:, at]) for unit, at in self._blocks())
        return next((factor for factor in found if factor is not None), None)

    def bias_gradient(self, W: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """That of the first block which has a factor."""
        found = (unit.bias_gradient(W[here], b) for unit, here in self._blocks())
        return next((gradient for gradient in found if gradient is not b), b)

    def part(self, start: int, stop: int) -> Unit | None:
        """Whole blocks, and parts of those that can be cut; the units themselves, of a single block."""
        parts = []
        for unit, here in self._blocks():
            low, high = max(start, here.start), min(stop, here.stop)
            if low < high:
                parts.append((unit.part(low - here.start, high - here.start), high - low))
        if not parts or any(unit is None for unit, _ in parts):
            return None
        if len(parts) == 1:
            return parts[0][0]
        return Mixed(tuple((unit, n) for unit, n in parts if unit is not None))

    def affine(self, n_units: int) -> Affine | None:
        maps = of_all([unit.affine(n) for unit, n in self.parts], [n for _, n in self.parts])
        return None if maps is None else Affine.joined(maps)

    def whole(self, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.hstack([unit.whole(_cut(missing, here)) for unit, here in self._blocks()])

    def check_block(
        self, block: States, name: str, first_row: int, missing: NDArray[np.bool_], first_unit: int = 0
    ) -> None:
        for unit, here in self._blocks():
            part, first = _cut(block, here), first_unit + here.start
            if unit.domain == "binary" and part.dtype == np.float32:  # beside real-valued ones
                part = _levels(part, f"{name}[:, {first}:{first + part.shape[1]}]")
            unit.check_block(part, name, first_row, _cut(missing, here), first)

    def count_states(self, n_units: int) -> int | None:
        """The product of the blocks' numbers, of the whole layer alone."""
        counts = [unit.count_states(n) for unit, n in self.parts]
        if n_units != self.n_units or None in counts:
            return None
        return math.prod(count for count in counts if count is not None)

    def are_normal(self, n_units: int) -> NDArray[np.bool_]:
        return np.concatenate([unit.are_normal(n) for unit, n in self.parts])

    def states(self, n_units: int, numbers: NDArray[np.int64]) -> States:
        found = []
        for unit, n in reversed(self.parts):
            numbers, here = np.divmod(numbers, unit.count_states(n) or 1)
            found.append(unit.states(n, here))  # units without countable states say so
        return np.hstack(found[::-1])

    def nodes(self, low: int, high: int) -> tuple[F32, F64]:
        """Those of the first unit: of a layer with one."""
        return self.parts[0][0].nodes(low, high)

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        numbers = np.zeros(len(states), np.int64)
        for unit, here in self._blocks():
            count = unit.count_states(here.stop - here.start) or 1
            numbers = count * numbers + unit.state_numbers(states[:, here])
        return numbers

    # --- Details -----------------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[tuple[Unit, slice]]:
        return zip((unit for unit, _ in self.parts), self.columns, strict=True)

    def _joined(self, answer: Callable[[Unit, slice], NDArray[Any]]) -> NDArray[Any]:
        return np.hstack([answer(unit, here) for unit, here in self._blocks()])

    def _named(self, answer: Callable[[Unit, slice], dict[str, F32]]) -> dict[str, F32]:
        found = (answer(unit, here) for unit, here in self._blocks())
        return {f"{i}.{name}": array for i, own in enumerate(found) for name, array in own.items()}

    def _summed(self, answer: Callable[[Unit, slice], F64]) -> F64:
        first, *others = (answer(unit, here) for unit, here in self._blocks())
        return sum(others, first)


def _cut(x: NDArray[Any], here: slice) -> NDArray[Any]:
    """Columns as the engine wants them: contiguous."""
    return np.ascontiguousarray(x[:, here])


def states_of(unit: Unit, states: States, here: slice) -> States:
    """Those of a block; of an exact one beside real-valued ones, which come as float32, as levels."""
    own = _cut(states, here)
    return _levels(own, "states") if unit.exact and own.dtype == np.float32 else own


def _levels(part: F32, name: str) -> States:
    """Numbers from 0 to 1 as grey levels."""
    levels = engine.states_u16(part)
    if levels is None:
        raise ValueError(f"{name} must lie in [0, 1], got {part.min():g} to {part.max():g}")
    return levels


def _check_parts(parts: object) -> tuple[tuple[Unit, int], ...]:
    allowed = "parts must be pairs of a Unit and its number of units, such as [(Bernoulli(), 784)]"
    if isinstance(parts, (str, bytes, Mapping)) or not isinstance(parts, Iterable):
        raise TypeError(f"{allowed}, got {parts!r}")
    checked = []
    for part in parts:
        if not isinstance(part, (tuple, list)) or len(part) != 2 or not isinstance(part[0], Unit):
            raise TypeError(f"{allowed}, got {part!r} among them")
        unit, n = part[0], check_integer(part[1], f"the number of {part[0].name} units", low=1)
        unit.check_size(n, f"the number of {unit.name} units")
        checked.append((unit, n))
    if not checked:
        raise ValueError(f"{allowed}, got none")
    return tuple(checked)
