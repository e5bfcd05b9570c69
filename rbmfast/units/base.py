"""The unit protocol: what the units of one layer answer to what they hear from the other.

A unit of state s hears a *total input* x, the sum of what the other layer sends it and of its own bias. All
that a Boltzmann machine needs to know about it follows from one density, ``exp(s * (x - bias) - energy(s))``:
its normaliser, the mean, the samples. `docs/design/002-units.md` describes the protocol and what is to come.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows, as_rows, split_missing
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, GREY, Blocks, States, to_grey
from rbmfast.states import GRID, LEVELS, Counts, count_levels, count_steps, without_levels
from rbmfast.streams import Stream
from rbmfast.units.affine import Affine
from rbmfast.units.common import flattened, rows_in_a_scan, sums_of

NODES = 6  # of an integral from a whole number to the next
REAL_SHARE = 0.1  # of a learning rate (Hinton 2010, section 13.2: one or two orders of magnitude)
FEW_ROWS = 16  # which float64 copies of the weights are not made for
Given = States | engine.Steps  # as the engine's products take states


class Unit(ABC):
    """One layer's units.

    Total inputs `x` are float32 arrays (n_rows, n_units), or float64 where a method says so; every answer is
    given row by row, so a row's answer never depends on its neighbours.

    Attributes
    ----------
    name : str
        What files and ``visible=``, ``hidden=`` call the unit.
    domain : {"binary", "real"}
        Which data it accepts: `rbmfast.data.as_rows`.
    dtype : numpy.dtype
        Of its sampled states.
    exact : bool
        Whether its states are 0 or 1 (with grey levels as their expectations), so that products with them are
        exact integers in the engine.
    grid : float or None
        A power of two of which real-valued states are multiples, or may count as such: 1 for integers.
        Products see multiples of it (of 2**-11 if it is coarser: means count, too), so that their sums with
        fixed-point weights are exact, formed in float64. None: float32 products, whose last bits may vary.
    are_switches : bool
        Whether each unit is on or off by itself, on with probability sigmoid(x): what can be flipped.
    constrained : bool
        Whether some data of the domain are no states of theirs, so that `check_block` has something to do.
    activation : {"sigmoid", "linear"} or None
        Of the feed-forward layer (`rbmfast.Dense`) that makes their mean of x, if there is one.
    """

    name: ClassVar[str]
    domain: str
    dtype: np.dtype[np.generic]
    exact: bool
    grid: float | None = None
    are_switches: ClassVar[bool] = False
    constrained: ClassVar[bool] = False
    activation: ClassVar[str | None] = None

    # --- Given total inputs ------------------------------------------------------------------------------

    @abstractmethod
    def mean(self, x: F32) -> F32:
        """Expected states: the derivative of `log_normalizer` with respect to x."""

    def mean_float64(self, x: F64) -> F64:
        """`mean` in float64 by NumPy's functions, for exact moments: here `mean` itself, to seven digits."""
        return self.mean(x.astype(np.float32)).astype(np.float64)

    @abstractmethod
    def mode(self, x: F32) -> States:
        """The most probable states, of `dtype`."""

    def expectation(self, x: F32) -> States:
        """The mean in the form that goes on into products: 16-bit grey levels (uint16) for exact units."""
        return to_grey(self.mean(x)) if self.exact else self.mean(x)

    @abstractmethod
    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> States:
        """Random states, of `dtype`, by 32-bit uniform random numbers of the shape of `x`."""

    def sample(self, x: F32, stream: Stream) -> States:
        """Random states, of `dtype`, by the random numbers of `stream`."""
        return self.draw(x, stream.uniform(*x.shape))

    @abstractmethod
    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Log of the sum (integral) over states s of ``exp(s (x - bias) - energy(s, bias))``: (n_rows,)."""

    @abstractmethod
    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """`log_normalizer` in float64 by NumPy's functions, whose last bits may vary: for likelihoods."""

    # --- On their own ------------------------------------------------------------------------------------

    @abstractmethod
    def energy(self, states: States, bias: F32) -> F64:
        """The units' own energy, (n_rows,) in nats: all of the model's energy but the interaction."""

    @abstractmethod
    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """The bias under which unconnected units have the means of the data; and those means."""

    def bias_from_means(self, means: F32) -> F32:
        """The bias under which unconnected units have these means, or nearly."""
        raise ValueError(f"{self.name} units have no bias for given means: give rows of data")

    def check_means(self, means: F32, name: str) -> None:
        """Raise ValueError if these cannot be means of their states."""
        if self.means_are_rates and engine.range_of(means) is None:
            low, high = (self.shown(np.full((1, len(means)), end, np.uint8)).min() for end in (0, 1))
            given = self.shown(means[None])
            raise ValueError(
                f"{name} must be rates from {low:g} to {high:g}, got {given.min():g} to {given.max():g}"
            )

    def expected_changes(self, x: F32) -> float | None:
        """How many 0/1 units change from one draw to the next, the mean over rows; None if always all do."""
        if not self.exact:
            return None
        p = self.mean(x).astype(np.float64)
        return float((2 * p * (1 - p)).sum(axis=1).mean())

    @property
    def means_are_rates(self) -> bool:
        """Whether means are probabilities of being on."""
        return self.domain == "binary"

    def blocks(self, n_units: int) -> Blocks | None:
        """What the engine's loops over whole chains and epochs have to know of a layer; None: not theirs.

        From left to right, numbers of switches (`are_switches`), and for groups of units of which exactly one
        is on, with probabilities softmax(x), the array of their sizes. Energies and normalisers are sums over
        blocks.
        """
        return None

    @property
    def rate_share(self) -> float:
        """What is right of a learning rate for 0 and 1: real states are of any size."""
        return REAL_SHARE if self.domain == "real" else 1.0

    @property
    def normal_in_steps(self) -> bool:
        """Whether the engine's epochs draw them: x and a normal number, in steps of 2**-11."""
        return False

    @property
    def expectation_dtype(self) -> np.dtype[np.generic]:
        """Of what `expectation` gives."""
        return LEVELS if self.exact else self.dtype

    def counts(self, states: States) -> Counts | None:
        """States or means as the whole numbers that products see; None for real ones without a grid."""
        if self.exact:
            return count_levels(states)
        return None if self.grid is None else count_steps(states, min(self.grid, GRID))

    def for_engine(self, states: States) -> Given | None:
        """States as the engine's products take them; None where it does not, or where BLAS is faster."""
        if self.exact:
            return states
        if (
            self.grid is None
            or self.grid < GRID
            or (not engine.is_fast_with_levels() and len(states) > FEW_ROWS)
        ):
            return None
        return engine.real_states(np.ascontiguousarray(states, np.float32))

    def count_states(self, n_units: int) -> int | None:
        """How many joint states `n_units` units have; None when they cannot be enumerated."""
        return None

    def are_normal(self, n_units: int) -> NDArray[np.bool_]:
        """Which of `n_units` units are normal with mean x and variance 1: (n_units,)."""
        return np.zeros(n_units, np.bool_)

    def states(self, n_units: int, numbers: NDArray[np.int64]) -> States:
        """Joint states by their numbers in counting order, the last unit counting fastest: (n, n_units)."""
        raise NotImplementedError(f"{self.name} units have no countable states")

    def nodes(self, low: int, high: int) -> tuple[F32, F64]:
        """States of a real-valued unit from `low` to `high`, where these are states, and a length for each.

        Sums over them, each times its length, are integrals of the unit's densities: here of densities that
        are smooth between whole numbers, and about as wide as a normal one of variance 1, to 10 digits.
        """
        x, lengths = np.polynomial.legendre.leggauss(NODES)
        nodes = (np.arange(low, high)[:, None] + (x + 1) / 2).ravel().astype(np.float32)
        return nodes, np.tile(lengths / 2, high - low)

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        """The numbers under which `states` gives these rows: (n_rows,)."""
        raise NotImplementedError(f"{self.name} units have no countable states")

    def __str__(self) -> str:
        """In words, after a number of units: "784 bernoulli"."""
        return self.name

    # --- Layers of them: a unit type with parameters, or whose units hang together, overrides these --------

    def describe(self) -> JSON:
        """The unit type in words that a file can hold: `rbmfast.units.get_unit` understands them."""
        return self.name

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Unit:
        """The unit type that `describe` described by a mapping; `unit_of` understands descriptions in it."""
        return cls()

    def groups(self, n_units: int) -> list[slice]:
        """The groups of units of which exactly one is on, in a layer of so many."""
        return []

    def types(self) -> list[Unit]:
        """The unit types in a layer of them: itself alone, but for layers of several."""
        return [self]

    def check_size(self, n_units: int, name: str) -> None:
        """Raise ValueError if no layer can have so many units; `name` is what the error calls the number."""
        return

    def check_hidden(self) -> None:
        """Raise ValueError if they cannot be hidden units."""
        return

    def of_size(self, n_units: int) -> Unit:
        """The same for a layer of so many units: a number for each in its own parameters, if any."""
        return self

    def parameters(self) -> dict[str, F32]:
        """What a layer of them learns beside its bias, by name: read-only arrays (n_units,)."""
        return {}

    def parameter_rates(self) -> dict[str, float]:
        """Factors of the learning rate, by the names of `parameters`; 1 where none is given."""
        return {}

    @property
    def needs_rows(self) -> bool:
        """Whether states are drawn only like those of rows that are there: `like`."""
        return False

    @property
    def needs_whole_rows(self) -> bool:
        """Whether these rows must be complete."""
        return False

    @property
    def begins_with_data(self) -> bool:
        """Whether `begun` has something to do."""
        return False

    def begun(self, rows: Rows) -> Unit:
        """The same with what it takes from the first data, raw ones, before these are states."""
        return self

    def with_parameters(self, arrays: Mapping[str, F32]) -> Unit:
        """The same with these in place of `parameters`, all of them."""
        return self

    def parameter_gradient(self, states: States, bias: F32) -> dict[str, F32]:
        """For each of `parameters`, what minus the energy of states gains with it: (n_rows, n_units)."""
        return {}

    def parameter_sums(self, states: States, bias: F32, shares: F64) -> dict[str, F64]:
        """The same summed over rows, each times its share: of the shape of the parameter."""
        return sums_of(self.parameter_gradient(states, bias), shares)

    def mean_parameter_gradient(self, x: F32, bias: F32) -> dict[str, F32]:
        """Its mean over states, given total inputs: what `log_normalizer` gains (n_rows, n_units)."""
        return {}

    def units_of(self, n_columns: int) -> int:
        """How many units data of so many columns say the states of: as many, but for codes."""
        return n_columns

    def in_columns(self, states: States, n_columns: int) -> NDArray[Any]:
        """States as they are shown, or means, as data of so many columns have them."""
        return states

    def from_above(self, n_units: int) -> list[tuple[int, Unit]]:
        """As how many units of which types a layer above may see them: as they are, and in other ways."""
        return [(n_units, self)]

    def part(self, start: int, stop: int) -> Unit | None:
        """The unit type of columns `start` to `stop` - 1 of a layer; None where it cannot be cut there."""
        return self

    def sites(self, n_units: int) -> list[slice]:
        """Which units vary alone, and which together, as those of a group do: from left to right."""
        found, start = [], 0
        for stop in range(1, n_units + 1):
            if self.part(start, stop) is not None:
                found.append(slice(start, stop))
                start = stop
        return found

    def whole(self, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What is missing if these entries are: units that exclude each other are missing together."""
        return missing

    def affine(self, n_units: int) -> Affine | None:
        """How their states are shown, where that is not as 0 and 1 (or as they are)."""
        return None

    def shown(self, states: States) -> States:
        """States, or means of them, of a layer as they leave the library: no 16-bit levels."""
        affine = self.affine(states.shape[1])
        return without_levels(states) if affine is None else affine.shown(states)

    def unshown(self, means: F32) -> F32:
        """Means of states, (n_units,) or (n_rows, n_units), from those that are shown."""
        affine = self.affine(means.shape[-1])
        return means if affine is None else affine.unshown(means)

    def data(self, X: Any, n_units: int, name: str) -> Any:
        """Data of states, from data as users have them."""
        affine = self.affine(n_units)
        return X if affine is None else affine.data(X, name)

    def off(self, n_units: int) -> States:
        """The state 0 of a layer as it is shown: (n_units,)."""
        off: States = self.shown(np.zeros((1, n_units), np.uint8))[0]
        return off

    def rows(
        self,
        X: Any,
        n_units: int,
        name: str = "X",
        compact: bool = False,
        check: bool = True,
        may_miss: bool = False,
        mask: ArrayLike | None = None,
    ) -> Rows:
        """Data for a layer of `n_units` of them: `rbmfast.data.as_rows`, and `check_states` if asked to.

        If entries `may_miss`, `rbmfast.data.split_missing` says which do; what is missing of units that hang
        together is missing as a whole.
        """
        gaps, X = None, flattened(X, n_units)
        if may_miss:
            X, gaps = split_missing(X, mask, self.off(n_units), name)
        compact = compact or gaps is not None
        rows = as_rows(self.data(X, n_units, name), n_units, domain=self.domain, name=name, compact=compact)
        if gaps is not None:
            missing = self.whole(self._of_units(gaps, rows, name))
            rows = rows.without(missing) if missing.any() else rows
        if rows.missing is not None and not may_miss:
            raise ValueError(f"{name} has missing entries, which are not allowed here: fill them in")
        if check:
            self.check_states(rows, name)
        return rows

    def _of_units(self, gaps: NDArray[np.bool_], rows: Rows, name: str) -> NDArray[np.bool_]:
        """What is missing of each unit, from what is missing of each column."""
        shape = rows.n_rows, rows.n_features
        if gaps.shape != shape:
            raise ValueError(f"mask must have the shape {shape} of {name}, got {gaps.shape}")
        return gaps

    def rows_of_states(self, X: Any, n_units: int, name: str = "X", may_miss: bool = False) -> Rows:
        """The same without grey levels, which are no states and have no probability."""
        rows = self.rows(X, n_units, name, may_miss=may_miss)
        self.refuse_grey(rows, name)
        return rows

    def refuse_grey(self, rows: Rows, name: str = "X") -> None:
        """Raise ValueError at the first grey level between 0 and 1, or between integers."""
        if self.grid == 1:
            self._refuse_fractions(rows, name)
        if rows.kind != "grey":
            return
        for first, block in rows.blocks(rows_in_a_scan(rows.n_features)):
            inner = np.argwhere((block > 0) & (block < GREY))
            if len(inner):
                row, column = (int(i) for i in inner[0])
                raise ValueError(
                    f"{name}[{first + row}, {column}] is a grey level, which is no state of "
                    f"{self.name} units and has no likelihood: threshold or sample the data"
                )

    def _refuse_fractions(self, rows: Rows, name: str) -> None:
        for first, block in rows.blocks(rows_in_a_scan(rows.n_features)):
            between = np.argwhere(block != np.rint(block))
            if len(between):
                row, unit = (int(i) for i in between[0])
                raise ValueError(
                    f"{name}[{first + row}, {unit}] is {block[row, unit]:g}, which is no state of {self} "
                    "units and has no likelihood: round or sample the data"
                )

    def doubts(self, rows: Rows, first_unit: int = 0) -> str | None:
        """What about legal data is surely not meant, and what helps; None where all is well.

        The rows' columns are the layer's units from number `first_unit` on.
        """
        return None

    def check_states(self, rows: Rows, name: str) -> None:
        """Raise ValueError at the first row that holds none of their states, missing entries aside."""
        if not self.constrained:
            return
        for first, block in rows.blocks(rows_in_a_scan(rows.n_features)):
            missing = rows.missing
            gaps = np.zeros(block.shape, np.bool_) if missing is None else missing[first : first + len(block)]
            self.check_block(block, name, first, gaps)

    def check_block(
        self, block: States, name: str, first_row: int, missing: NDArray[np.bool_], first_unit: int = 0
    ) -> None:
        """The same for the rows from `first_row` on, and the units from number `first_unit` on."""
        return

    # --- Units whose states keep something: `Counts` their sum, `InContext` what is given -------------------

    def like(self, states: States, missing: NDArray[np.bool_] | None = None) -> Unit:
        """The same for rows that keep what states before had, such as the lengths of documents.

        Where entries are `missing`, states are no such.
        """
        return self

    def drawn(self, n_units: int) -> int:
        """How many of a layer's units, the first ones, are drawn, where others are given."""
        return n_units

    def drift(self, states: States) -> F32 | None:
        """What those that are given add to the others' total inputs: (n_rows, n_units); None for nothing."""
        return None

    def bias_factor(self, states: States | None) -> F32 | float | None:
        """What multiplies the other layer's bias: (n_rows, 1), or whatever the states are; None for 1."""
        return None

    def bias_gradient(self, W: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """The gradient of the other layer's bias, from that of the weights and that without a factor."""
        return b

    # --- Beside a label: one of several classes, which adds its row of weights U to the total inputs x -----

    def class_log_weights(self, x: F32, U: F32, d: F32, bias: F32) -> F64:
        """``d_k`` + `log_normalizer` of ``x + U_k`` for each class k: (n_rows, n_classes)."""
        weights = [d[k].astype(np.float64) + self.log_normalizer(x + U[k], bias) for k in range(len(d))]
        return np.stack(weights, axis=1)

    def class_expectations(self, x: F32, U: F32, p: F32) -> tuple[States, NDArray[Any]]:
        """The units' means where the classes have probabilities p, and class x unit summed over rows.

        (n_rows, n_units) and (n_classes, n_units): 16-bit levels and int64 for units with 0/1 states, float32
        and float64 for others; the sums in units of 1/65535. Terms are added class by class; over rows it is
        the rounded terms. Below 2**-32 a class counts as impossible.
        """
        p = np.where(p < np.float32(2.0**-32), np.float32(0), p)
        mean, sums = np.zeros_like(x), np.zeros(U.shape, np.int64 if self.exact else np.float64)
        for k in range(p.shape[1]):
            terms = p[:, k, None] * self.mean(x + U[k])
            mean += terms
            levels = np.float32(GREY) * terms
            rounded = np.rint(levels).astype(np.int64) if self.exact else levels.astype(np.float64)
            sums[k] = rounded.sum(axis=0)
        return (to_grey(np.minimum(mean, np.float32(1))) if self.exact else mean), sums

    # --- Given states of `for_engine`: shortcuts that a unit with kernels of its own overrides --------------

    def mean_from(self, weights: engine.Weights, states: Given, bias: F32, up: bool = True) -> F32:
        """`mean` of the total inputs that `states` of the other layer cause."""
        return self.mean(engine.affine(weights, states, bias, up))

    def sample_from(
        self,
        weights: engine.Weights,
        states: Given,
        bias: F32,
        stream: Stream,
        up: bool = True,
    ) -> States:
        """`sample` of the total inputs that `states` of the other layer cause."""
        return self.sample(engine.affine(weights, states, bias, up), stream)

    def log_normalizer_from(self, weights: engine.Weights, states: Given, bias: F32, up: bool = True) -> F64:
        """`log_normalizer` of the total inputs that `states` of the other layer cause."""
        return self.log_normalizer(engine.affine(weights, states, bias, up), bias)
