"""Units that count: how many of n like 0/1 units are on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, States, row_sums
from rbmfast.units.base import Unit
from rbmfast.units.bernoulli import Bernoulli
from rbmfast.units.common import LEAST_RATE, digits_of, exp, means, numbers_of, refuse

MAX_N = 10_000
NEGLIGIBLE = 2.0**-50  # beside the most probable state


Step = Callable[[F64, F64, F64, F64], tuple[F64, F64]]  # to the next number: weights, numbers, n, odds


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
        The largest state, from 1 to 10 000.

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
        """The inverse of the distribution function."""
        n, u = np.full(x.shape, float(self.n)), (uniform.astype(np.float64) + 0.5) * 2.0**-32
        return draw_binomial(n, exp(x), u).astype(np.float32)

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
        table = log_factorials(self.n)[: self.n + 1]
        ways = np.interp(s, np.arange(self.n + 1.0), table[-1] - table - table[::-1])
        total: F64 = -row_sums(bias * s + ways)
        return total

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Log-odds of the rates, one of the 0/1 units on and one off added so that none is infinite."""
        mean, trials = means(rows), self.n * rows.n_known
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
        allowed = f"{self} are integers from 0 to {self.n} (or numbers between for means of them)"
        refuse(wrong, block, name, (first_row, first_unit), allowed)

    def count_states(self, n_units: int) -> int:
        """(n + 1) to the power of `n_units`."""
        return int((self.n + 1) ** n_units)

    def states(self, n_units: int, numbers: NDArray[np.int64]) -> F32:
        """The numbers to base n + 1, a digit for each unit."""
        return digits_of(numbers, [self.n + 1] * n_units).astype(np.float32)

    def state_numbers(self, states: States) -> NDArray[np.int64]:
        """The numbers whose digits the rows are."""
        return numbers_of(states.astype(np.int64), [self.n + 1] * states.shape[1])


def draw_binomial(n: F64, odds: F64, u: F64) -> F64:
    """Binomial numbers of n trials by uniform ones between 0 and 1: the inverse of the distribution function.

    Beside the most probable number, probabilities follow one another by products. They are summed outwards on
    either side, and then once more, up to where u has its share of the whole.
    """
    mode = np.minimum(np.floor((n + 1) * (odds / (1 + odds))), n)
    below, above = (_mass(step, mode, n, odds) for step in (_down, _up))
    rest = u * (below + 1 + above) - below
    state = np.empty_like(n)
    for step, here in ((_up, rest >= 0), (_down, rest < 0)):
        state[here] = _walk(step, mode[here], n[here], odds[here], np.abs(rest[here]))
    return state


def _mass(step: Step, k: F64, n: F64, odds: F64) -> F64:
    """The summed weights on one side of the number k, which has weight 1."""
    w, total = np.ones_like(n), np.zeros_like(n)
    while (w > NEGLIGIBLE).any():
        w, k = step(w, k, n, odds)
        total += w
    return total


def _walk(step: Step, k: F64, n: F64, odds: F64, rest: F64) -> F64:
    """Where the weights from k on upwards, or from below k on downwards, have summed to the rest."""
    w = np.ones_like(n)
    if step is _down:
        w, k = step(w, k, n, odds)
    so_far, state = w, k
    while (more := (rest > so_far) & (w > NEGLIGIBLE)).any():
        w, k = step(w, k, n, odds)
        so_far = so_far + w
        state = np.where(more, k, state)
    return state


def _up(w: F64, k: F64, n: F64, odds: F64) -> tuple[F64, F64]:
    return w * ((n - k) / (k + 1) * odds), k + 1


def _down(w: F64, k: F64, n: F64, odds: F64) -> tuple[F64, F64]:
    return w * (k / ((n - k + 1) * odds)), k - 1


def log_factorials(n: int) -> F64:
    """Logarithms of 0!, 1!, ... to n! or beyond: summed, each correctly rounded, the same bits everywhere."""
    return _log_factorials(1 << n.bit_length())


@lru_cache
def _log_factorials(n: int) -> F64:
    exactly = Context(prec=25)
    return np.append(0.0, np.cumsum([float(Decimal(k).ln(exactly)) for k in range(1, n + 1)]))
