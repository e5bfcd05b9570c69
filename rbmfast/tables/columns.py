"""The columns of a table, as a schema knows them: which units stand for each, and the way there and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference import F32
from rbmfast.tables.frames import DECLARED, Cells, Columns, Name
from rbmfast.units import Bernoulli, Binomial, Categorical, Gaussian, Unit
from rbmfast.units.binomial import MAX_N

FEW_NUMBERS = 10  # different whole numbers: at most so many are categories
MOST_DECIMALS = 6  # that a number is rounded to
MANY_WORDS = 64  # different words: more are names, keys or text
SHOWN, SHOWN_STATES = 40, 4  # letters of a list of states; if it has more states, their number goes before
State = str | int | float | bool


@dataclass(frozen=True)
class Column(ABC):
    """A column of a table, as a schema knows it.

    Attributes
    ----------
    name : str or int
        What the table calls it.
    dtype : str
        What the table's library calls the type of its cells.
    n_missing : int
        How many cells were missing.
    """

    name: Name
    dtype: str
    n_missing: int

    kind: ClassVar[str]

    @property
    @abstractmethod
    def unit(self) -> Unit:
        """Type of the units that stand for the column."""

    @property
    @abstractmethod
    def n_units(self) -> int:
        """How many these are."""

    @property
    def allowed(self) -> list[State]:
        """The values of a categorical type."""
        return []

    @classmethod
    @abstractmethod
    def of(cls, name: Name, given: Cells) -> Column:
        """Learned from the cells of a table."""

    @abstractmethod
    def encode(self, known: NDArray[Any]) -> F32:
        """States of the units (n, n_units) for cells that are not missing; NaN for one that is not known."""

    @abstractmethod
    def decode(self, states: NDArray[Any]) -> list[State]:
        """Cells for states of the units, or for their means."""

    @abstractmethod
    def __str__(self) -> str:
        """What is in it, in words."""


@dataclass(frozen=True)
class Category(Column):
    """One of a few values. Two are a 0/1 unit; more are a group of units, one of which is on."""

    states: tuple[State, ...]

    kind = "category"

    @property
    def unit(self) -> Unit:
        """See `Column.unit`."""
        return Bernoulli() if len(self.states) <= 2 else Categorical(len(self.states))

    @property
    def n_units(self) -> int:
        """See `Column.n_units`: a single value needs none."""
        return len(self.states) if len(self.states) > 2 else max(0, len(self.states) - 1)

    @property
    def allowed(self) -> list[State]:
        """See `Column.allowed`."""
        return [*self.states]

    @classmethod
    def of(cls, name: Name, given: Cells) -> Category:
        """See `Column.of`."""
        return cls(name, given.dtype, int(given.missing.sum()), tuple(_states(given)))

    def encode(self, known: NDArray[Any]) -> F32:
        """See `Column.encode`."""
        numbers = {state: i for i, state in enumerate(self.states)}
        codes = np.array([numbers.get(cell, -1) for cell in known.tolist()], np.int64)
        hot = codes[:, None] == (np.arange(self.n_units) if self.n_units > 1 else 1)
        states: F32 = hot[:, : self.n_units].astype(np.float32)
        states[codes < 0] = np.nan
        return states

    def decode(self, states: NDArray[Any]) -> list[State]:
        """See `Column.decode`: of means, the likeliest."""
        if self.n_units > 1:
            codes = states.argmax(axis=1)
        else:
            codes = (states >= 0.5).sum(axis=1)
        return [self.states[code] for code in codes]

    def __str__(self) -> str:
        words = ", ".join(f"{state:g}" if type(state) is float else str(state) for state in self.states)
        some = words if len(words) <= SHOWN else words[:SHOWN].rsplit(", ", 1)[0] + ", ..."
        return some if len(self.states) <= SHOWN_STATES else f"{len(self.states)}: {some}"


@dataclass(frozen=True)
class Real(Column):
    """A real number, which its unit sees less its mean, in standard deviations; its own one is learned."""

    mean: float
    deviation: float
    low: float
    high: float
    decimals: int | None

    kind = "real"
    unit = Gaussian("learned")
    n_units = 1

    @classmethod
    def of(cls, name: Name, given: Cells) -> Real:
        """See `Column.of`."""
        known = _numbers(name, given.known(), cls.kind)
        mean, deviation = float(known.mean()), float(known.std())
        varies = deviation > 1e-12 * abs(mean)  # less is rounding
        about = mean, deviation if varies else 1.0, float(known.min()), float(known.max())
        decimals = next((n for n in range(MOST_DECIMALS + 1) if (known == np.round(known, n)).all()), None)
        return cls(name, given.dtype, int(given.missing.sum()), *about, decimals)

    def encode(self, known: NDArray[Any]) -> F32:
        """See `Column.encode`."""
        states = (_numbers(self.name, known) - self.mean) / self.deviation
        return states.astype(np.float32)[:, None]

    def decode(self, states: NDArray[Any]) -> list[State]:
        """See `Column.decode`: with as many decimals as were seen, and none beyond the range that was."""
        numbers = np.clip(states[:, 0].astype(np.float64) * self.deviation + self.mean, self.low, self.high)
        numbers = numbers if self.decimals is None else np.round(numbers, self.decimals)
        cells: list[State] = numbers.astype(np.int64 if self.decimals == 0 else np.float64).tolist()
        return cells

    def __str__(self) -> str:
        n = 3 + int(np.log10(max(100, abs(self.mean) / self.deviation)))  # digits that tell them apart
        return f"{self.mean:.{n}g} ± {self.deviation:.5g}, from {self.low:.{n + 1}g} to {self.high:.{n + 1}g}"


@dataclass(frozen=True)
class Count(Column):
    """A whole number from 0 to `high`, the largest that was seen: a unit of so many 0/1 units."""

    high: int

    kind = "count"
    n_units = 1

    @property
    def unit(self) -> Unit:
        """See `Column.unit`."""
        return Binomial(self.high)

    @classmethod
    def of(cls, name: Name, given: Cells) -> Count:
        """See `Column.of`."""
        known = _numbers(name, given.known(), cls.kind)
        wrong = (known != np.rint(known)) | (known < 0) | (known > MAX_N)
        if wrong.any():
            raise ValueError(
                f"column {name!r} must hold whole numbers from 0 to {MAX_N} to be counts, got "
                f"{known[wrong][0]:g}"
            )
        return cls(name, given.dtype, int(given.missing.sum()), max(1, int(known.max())))

    def encode(self, known: NDArray[Any]) -> F32:
        """See `Column.encode`."""
        states = _numbers(self.name, known)
        possible = (states == np.rint(states)) & (states >= 0) & (states <= self.high)
        return np.where(possible, states, np.nan).astype(np.float32)[:, None]

    def decode(self, states: NDArray[Any]) -> list[State]:
        """See `Column.decode`."""
        cells: list[State] = np.rint(states[:, 0]).astype(np.int64).tolist()
        return cells

    def __str__(self) -> str:
        return f"0 to {self.high}"


KINDS: dict[str, type[Column]] = {kind.kind: kind for kind in (Category, Real, Count)}


def _states(given: Cells) -> list[State]:
    """The different values, in order."""
    known = given.known()
    if known.dtype.kind in "biuf":
        states: list[State] = np.unique(known).tolist()
        return states
    found = set(known.tolist())
    if given.states:
        return [state for state in given.states if state in found]
    return sorted(found, key=lambda state: (str(type(state)), state))


def _numbers(name: Name, known: NDArray[Any], wanted: str = "") -> NDArray[np.float64]:
    """Cells as numbers, words that say some included; at least one for a column that is `wanted` so."""
    if wanted and not len(known):
        raise ValueError(f"column {name!r} must hold a number to be {wanted}, all are missing")
    numbers = np.array([_number(cell) for cell in known.tolist()])
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        raise ValueError(f"column {name!r} must hold finite numbers, got {known[wrong].tolist()[0]!r}")
    return numbers


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return np.nan


def plain(kind: str, name: Name, own: Cells) -> Cells:
    """The column as it is, or as numbers if its type says categories and its kind does not."""
    if kind == Category.kind or own.dtype not in DECLARED:
        return own
    values = np.full(len(own.values), np.nan)
    values[~own.missing] = _numbers(name, own.known())
    return Cells(values, own.missing, "", [])


# --- Cells --------------------------------------------------------------------------------------------------


def kind_of(own: Cells) -> str:
    """What a column looks like."""
    known = own.known()
    if known.dtype.kind in "Ob" or own.dtype in DECLARED:
        return Category.kind
    different = np.unique(known)
    whole = (different == np.rint(different)).all()
    few = len(different) <= min(FEW_NUMBERS, len(known) / 2) and whole
    return Category.kind if few or len(different) <= 2 else Real.kind


def check_cells(name: Any, known: NDArray[Any]) -> None:
    """Raise a TypeError for what is no cell of a category or of numbers."""
    if not isinstance(name, (str, int)):
        raise TypeError(f"names of columns must be strings or whole numbers, got {name!r}")
    strange = None
    if known.dtype.kind in "mM":
        strange = known.dtype.name
    elif known.dtype == np.object_:
        strange = next((type(cell).__name__ for cell in known if not isinstance(cell, State)), None)
    if strange is not None:
        raise TypeError(
            f"column {name!r} must hold numbers, words or bools, got {strange}: turn it into these, or drop "
            "it"
        )
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        raise ValueError(f"column {name!r} must hold finite numbers, got {known[~np.isfinite(known)][0]}")


def check_words(columns: Columns) -> None:
    """Raise a ValueError for columns of too many different words."""
    words = {name: len(_states(own)) for name, own in columns.items() if own.known().dtype == np.object_}
    many = {name: n for name, n in words.items() if n > MANY_WORDS}
    if many:
        counts = ", ".join(f"{name!r} has {n}" for name, n in many.items())
        raise ValueError(
            f"frame has columns of more than {MANY_WORDS} different words, which are rather names or text "
            f"({counts}): drop them, or say types={{{next(iter(many))!r}: 'category'}}"
        )
