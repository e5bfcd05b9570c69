"""Units that count: how many of n like 0/1 units are on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from math import comb
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, States, row_sums
from rbmfast.units.base import LEAST_RATE, Unit, moments, rows_in_a_scan
from rbmfast.units.bernoulli import Bernoulli

MAX_N = 1000  # up to which 2**-n is a normal float64


@dataclass(frozen=True)
class Binomial(Unit):
    """Units with states 0, 1, ..., `n`: each the sum of `n` 0/1 units that hear the same input.

    A count out of n: right answers, stars, photons. Given its total input x a unit is binomial with the rate
    sigmoid(x) and the mean n sigmoid(x); its own energy is ``-bias * s - log C(n, s)``.

    Data are integers from 0 to n, or numbers in between, which count as expectations of states. Samples are
    float32. Products with them are exact: the same bits everywhere.

    Parameters
    ----------
    n : int
        The largest state, from 1 to 1000.

    Raises
    ------
    TypeError, ValueError
        Another number.

    Notes
    -----
    Teh & Hinton, "Rate-coded restricted Boltzmann machines for face recognition", NIPS 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.units import Binomial
    >>> Binomial(4).mean(np.array([[0.0, 2.0]], np.float32))
    array([[2.       , 3.5231884]], dtype=float32)
    >>> Binomial(4).energy(np.array([[0, 1], [2, 4]], np.float32), np.zeros(2, np.float32)).round(4)
    array([-1.3863, -1.7918])
    """

    n: int

    name: ClassVar[str] = "binomial"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False
    grid = 1.0
    constrained = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", check_integer(self.n, "n", low=1, high=MAX_N))

    def mean(self, x: F32) -> F32:
        """The rate sigmoid(x), n times."""
        mean: F32 = np.float32(self.n) * engine.sigmoid(x)
        return mean

    def mode(self, x: F32) -> F32:
        """The whole part of (n + 1) sigmoid(x)."""
        mode: F32 = np.floor(np.float32(self.n + 1) * engine.sigmoid(x))
        return np.minimum(mode, np.float32(self.n))

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> F32:
        """The first number, of those in the rarer state, whose cumulative probability exceeds u.

        Probabilities follow one another by products, in float64.
        """
        rare = engine.sigmoid(-np.abs(x)).astype(np.float64)
        odds, u = rare / (1 - rare), (uniform + 0.5) * 2.0**-32
        probability = _power(1 - rare, self.n)
        below = probability.copy()
        state = np.zeros(x.shape, np.float32)
        for k in range(self.n):
            beyond = below <= u
            if not beyond.any():
                break
            state += beyond
            probability *= odds * ((self.n - k) / (k + 1))
            below += probability
        return np.where(x > 0, np.float32(self.n) - state, state)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Sums of n softplus(x)."""
        total: F64 = self.n * engine.softplus_sum(x)
        return total

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Sums of n softplus(x)."""
        total: F64 = self.n * Bernoulli().log_normalizer_float64(x, bias)
        return total

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of -bias * s - log C(n, s), between states in proportion."""
        s = states.astype(np.float64)
        ways = np.interp(s, np.arange(self.n + 1.0), _log_binomials(self.n))
        total: F64 = -row_sums(bias * s + ways)
        return total

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Log-odds of the rates, one of the 0/1 units on and one off added so that none is infinite."""
        mean, trials = moments(rows)[0], self.n * rows.n_known
        on = mean * rows.n_known
        return engine.log(((on + 1) / (trials - on + 1)).astype(np.float32)), mean.astype(np.float32)

    def bias_from_means(self, means: F32) -> F32:
        """Log-odds of the rates, which count as at least 0.001 and at most 0.999: none is infinite."""
        p = np.clip(means.astype(np.float64) / self.n, LEAST_RATE, 1 - LEAST_RATE)
        return engine.log((p / (1 - p)).astype(np.float32))

    def check_means(self, means: F32, name: str) -> None:
        if means.min() < 0 or means.max() > self.n:
            raise ValueError(
                f"{name} must be means from 0 to {self.n}, got {means.min():g} to {means.max():g}"
            )

    def __str__(self) -> str:
        return f"{self.name} of {self.n}"

    # --- Layers ------------------------------------------------------------------------------------------

    def describe(self) -> JSON:
        return {"unit": self.name, "n": self.n}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Binomial:
        return cls(description.get("n", 0))

    def check_block(
        self, block: States, name: str, first_row: int, missing: NDArray[np.bool_], first_unit: int = 0
    ) -> None:
        """Numbers from 0 to n."""
        wrong = ((block < 0) | (block > self.n)) & ~missing
        if wrong.any():
            row, unit = (int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"{name}[{first_row + row}, {first_unit + unit}] is {block[row, unit]:g}, but states of "
                f"{self} are integers from 0 to {self.n} (or numbers between for means of them)"
            )

    def refuse_grey(self, rows: Rows, name: str = "X") -> None:
        """Raise ValueError at the first number that is no integer."""
        for first, block in rows.blocks(rows_in_a_scan(rows.n_features)):
            between = np.argwhere(block != np.rint(block))
            if len(between):
                row, unit = (int(i) for i in between[0])
                raise ValueError(
                    f"{name}[{first + row}, {unit}] is {block[row, unit]:g}, which is no state of {self} "
                    "units and has no likelihood: round or sample the data"
                )

    def count_states(self, n_units: int) -> int:
        """(n + 1) to the power of `n_units`."""
        return int((self.n + 1) ** n_units)

    def states(self, n_units: int, numbers: NDArray[np.int64]) -> F32:
        """The numbers to base n + 1, a digit for each unit."""
        states = np.empty((len(numbers), n_units), np.float32)
        for unit in reversed(range(n_units)):
            numbers, states[:, unit] = np.divmod(numbers, self.n + 1)
        return states

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        """The numbers whose digits the rows are."""
        numbers = np.zeros(len(states), np.int64)
        for digit in states.T:
            numbers = (self.n + 1) * numbers + digit.astype(np.int64)
        return numbers


def _power(x: F64, n: int) -> F64:
    """x**n by products alone: the same bits everywhere."""
    result = np.ones_like(x)
    while n:
        if n & 1:
            result = result * x
        x, n = x * x, n >> 1
    return result


@lru_cache
def _log_binomials(n: int) -> F64:
    """Log C(n, s) for s from 0 to n: correctly rounded, so the same bits everywhere."""
    exactly = Context(prec=40)
    return np.array([float(Decimal(comb(n, s)).ln(exactly)) for s in range(n + 1)])
