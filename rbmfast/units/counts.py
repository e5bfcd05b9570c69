"""A document as counts of its words: the layer as one multinomial unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import comb
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.reference import F32, F64, I64, States, row_sums
from rbmfast.units.base import Unit
from rbmfast.units.binomial import draw_binomial, log_factorials
from rbmfast.units.common import LEAST_RATE, exp, means, refuse

MAX_LENGTH = 10**6
ROUNDING = 1e-4  # of a length, where means are summed


@dataclass(frozen=True, repr=False)
class Counts(Unit):
    """Counts of words, whose sum, the length of the document, is given: a layer is one multinomial unit.

    Visible units only: a replicated softmax. A row holds how often each word of a vocabulary stands in a
    document. Given the hidden units, its words are drawn one by one with the probabilities softmax(x); the
    units' own energy is ``-bias * s`` less the logarithm of the number of orders that the words may have. The
    hidden units' bias is `b` times the length of the document, which balances what its words send.

    A document keeps its length: where counts are drawn anew (contrastive divergence, `gibbs`, `sample` with
    ``start=``) they add up to what they did. What has no length to keep is refused in words, but for means
    (`visible_probabilities`), which are then those of one word. For documents of one length, say it: all is
    there for them, log Z, tempering and chains of any kind; a model of all lengths is also one of each, as
    ``rf.RBM.from_arrays(rbm.W, rbm.a, rbm.b, visible=rf.Counts(length))``.

    Data are integers from 0 up, or numbers in between, which count as expectations. Samples are float32. The
    same bits everywhere.

    Parameters
    ----------
    length : int, optional
        Of all documents.

    Raises
    ------
    TypeError, ValueError
        A length that is none.

    Notes
    -----
    Salakhutdinov & Hinton, "Replicated softmax: an undirected topic model", NIPS 2009.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(3, 2, visible="counts", seed=0)
    >>> rbm.gibbs([[2, 0, 5], [1, 0, 0]], steps=10, seed=1).sum(axis=1)
    array([7., 1.], dtype=float32)
    """

    length: int | None = None
    n_units: int = field(default=0, compare=False, repr=False)  # of the layer, once it has a size
    lengths: F64 | None = field(default=None, compare=False, repr=False)  # of rows: see `like`

    name: ClassVar[str] = "counts"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False
    grid = 1.0
    constrained = True

    def __post_init__(self) -> None:
        if self.length is not None:
            length = check_integer(self.length, "length", low=1, high=MAX_LENGTH)
            object.__setattr__(self, "length", length)

    # --- Lengths -----------------------------------------------------------------------------------------

    def like(self, states: States, missing: NDArray[np.bool_] | None = None) -> Counts:
        """Of the lengths that the rows have, where these are whole."""
        if missing is not None and missing.any():
            return self
        return replace(self, lengths=np.rint(states.sum(axis=1, dtype=np.float64)))

    def bias_factor(self, states: States | None) -> F32 | float:
        """The length that is given, be the words known or not, or else the rows' lengths: (n_rows, 1)."""
        if self.length is not None:
            return float(self.length)
        if states is None:
            return float(self._length[0])
        factor: F32 = states.sum(axis=1, dtype=np.float64, keepdims=True).astype(np.float32)
        return factor

    def bias_gradient(self, W: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """Of the other layer's bias, which every word adds to, or as many as are given."""
        if self.length is not None:
            return self.length * b
        total: NDArray[Any] = W.sum(axis=0, dtype=np.float64).astype(b.dtype)
        return total

    def for_engine(self, states: States) -> None:
        """No: its products add the bias once."""

    @property
    def needs_rows(self) -> bool:
        """Whether a document's length is not known beforehand."""
        return self.length is None

    needs_whole_rows = needs_rows

    @property
    def _length(self) -> F64:
        """Of each row, or of all: (n_rows,) or (1,)."""
        if self.lengths is not None:
            return self.lengths
        if self.length is None:
            raise ValueError(
                "counts units take their length from documents (in CD, gibbs, sample with start=) or from "
                "rf.Counts(length): neither is here"
            )
        return np.array([float(self.length)])

    # --- Given total inputs ------------------------------------------------------------------------------

    def mean(self, x: F32) -> F32:
        """The words' probabilities, softmax(x), times the length; of one word if no length is known."""
        p = engine.softmax_groups(x, _one_group(x))
        known = self.length is not None or self.lengths is not None
        return p * self._length.astype(np.float32)[:, None] if known else p

    def mode(self, x: F32) -> F32:
        """The whole part of the mean, and one word after the other where it adds most."""
        p, length = engine.softmax_groups(x, _one_group(x)).astype(np.float64), self._length
        state = np.floor(p * length[:, None])
        rows = np.arange(len(x))
        for _ in range(x.shape[1]):
            best = (p / (state + 1)).argmax(axis=1)
            state[rows, best] += state.sum(axis=1) < length
        return state.astype(np.float32)

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> F32:
        """Halves of the vocabulary get their shares of the words, then halves of these, down to single words.

        Each share is binomial, drawn by the number of the first unit of its second half.
        """
        n = x.shape[1]
        sums = [exp(x - x.max(axis=1, keepdims=True))]  # of ever more units
        while sums[-1].shape[1] > 1:
            last = sums[-1]
            if last.shape[1] % 2:
                last = sums[-1] = np.hstack([last, np.zeros((len(x), 1))])
            sums.append(last[:, ::2] + last[:, 1::2])
        counts = np.broadcast_to(self._length[:, None], (len(x), 1))
        for level in reversed(range(len(sums) - 1)):
            left, right = sums[level][:, ::2], sums[level][:, 1::2]
            counts = counts[:, : left.shape[1]]
            firsts = np.minimum((2 * np.arange(left.shape[1]) + 1) << level, n - 1)
            share = counts.copy()  # all, where nothing is on the right
            some = (counts > 0) & (right > 0)
            u = (uniform[:, firsts][some].astype(np.float64) + 0.5) * 2.0**-32
            share[some] = draw_binomial(counts[some], left[some] / right[some], u)
            counts = np.stack([share, counts - share], axis=2).reshape(len(x), -1)
        return counts[:, :n].astype(np.float32)

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        """Log-sum-exp, times the length."""
        total: F64 = self._length * engine.log_sum_groups(x, _one_group(x))[:, 0]
        return total

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        """Log-sum-exp, times the length."""
        top = x.max(axis=1)
        total: F64 = self._length * (top + np.log(np.exp(x - top[:, None]).sum(axis=1)))
        return total

    # --- On their own ------------------------------------------------------------------------------------

    def energy(self, states: States, bias: F32) -> F64:
        """Sums of -bias * s, less the log of the multinomial coefficient; between states in proportion."""
        s = states.astype(np.float64)
        length = s.sum(axis=1)
        table = log_factorials(int(length.max(initial=0)) + 1)
        of = np.arange(len(table), dtype=np.float64)
        own: F64 = row_sums(np.interp(s, of, table) - bias * s) - np.interp(length, of, table)
        return own

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Logarithms of the words' shares, each word added once so that none is infinite."""
        mean = means(rows)
        return self._centred_log(mean * rows.n_rows + 1), mean.astype(np.float32)

    def bias_from_means(self, means: F32) -> F32:
        """Logarithms of the words' shares, which count as at least 0.001 of an even one."""
        share = means.astype(np.float64) / (means.sum(dtype=np.float64) or 1.0)
        return self._centred_log(np.maximum(share, LEAST_RATE / len(means)))

    def _centred_log(self, share: F64) -> F32:
        """Logarithms less their mean: any number may be added to all biases."""
        log = engine.log(share.astype(np.float32)).astype(np.float64)
        bias: F32 = (log - row_sums(log[None]) / len(log)).astype(np.float32)
        return bias

    def check_means(self, means: F32, name: str) -> None:
        if means.min() < 0:
            raise ValueError(f"{name} must be mean counts from 0 up, got {means.min():g}")

    # --- Layers ------------------------------------------------------------------------------------------

    def describe(self) -> JSON:
        return self.name if self.length is None else {"unit": self.name, "length": self.length}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Callable[[Any], Unit]) -> Counts:
        return cls(description.get("length", 0))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.length is None else self.length})"

    def __str__(self) -> str:
        return self.name if self.length is None else f"{self.name} of {self.length}"

    def check_hidden(self) -> None:
        raise ValueError("hidden must not be counts units: they are visible ones only")

    def of_size(self, n_units: int) -> Counts:
        return replace(self, n_units=n_units)

    def part(self, start: int, stop: int) -> Counts | None:
        """All of them, or none."""
        return self if (start, stop) == (0, self.n_units) else None

    def whole(self, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A document with a missing count is missing."""
        return np.repeat(missing.any(axis=1, keepdims=True), missing.shape[1], axis=1)

    def check_block(
        self, block: States, name: str, first_row: int, missing: NDArray[np.bool_], first_unit: int = 0
    ) -> None:
        """From 0 up, and of the length that is given."""
        allowed = "counts units are integers from 0 up (or numbers between for means of them)"
        refuse((block < 0) & ~missing, block, name, (first_row, first_unit), allowed)
        if self.length is not None:
            total = block.sum(axis=1, dtype=np.float64)
            odd = (np.abs(total - self.length) > ROUNDING * self.length) & ~missing.any(axis=1)
            if odd.any():
                row = int(odd.argmax())
                raise ValueError(
                    f"{name}[{first_row + row}] has counts that add up to {total[row]:g}, but documents of "
                    f"these units have length {self.length}: rf.Counts() is for documents of any length"
                )

    def count_states(self, n_units: int) -> int | None:
        """Ways to write the length as a sum of `n_units` counts."""
        return None if self.length is None else comb(self.length + n_units - 1, n_units - 1)

    def states(self, n_units: int, numbers: I64) -> F32:
        """In ascending order of the first counts."""
        ways, left = _ways(self._whole_length, n_units), np.full(len(numbers), self._whole_length)
        states, numbers = np.zeros((len(numbers), n_units), np.float32), numbers.copy()
        for unit in range(n_units - 1):
            while (more := numbers >= (here := ways[left, n_units - 1 - unit])).any():
                numbers -= more * here
                left -= more
                states[:, unit] += more
        states[:, -1] = left
        return states

    def state_numbers(self, states: States) -> I64:
        """The numbers under which `states` gives these rows."""
        n_units = states.shape[1]
        ways, left = _ways(self._whole_length, n_units), np.full(len(states), self._whole_length)
        numbers = np.zeros(len(states), np.int64)
        for unit in range(n_units - 1):
            for k in range(int(states[:, unit].max(initial=0))):
                more = states[:, unit] > k
                numbers += more * ways[left, n_units - 1 - unit]
                left -= more
        return numbers

    @property
    def _whole_length(self) -> int:
        if self.length is None:
            raise NotImplementedError(f"{self.name} units have no countable states")
        return self.length


def _one_group(x: F32) -> NDArray[np.int32]:
    """All units, as the engine's groups are said."""
    return np.array(x.shape[1:], np.int32)


@lru_cache
def _ways(length: int, n_units: int) -> I64:
    """In how many ways a sum (row) can be made of some counts (column); few enough for int64."""
    most, few = 2**62, range(1, n_units)
    ways = [[0, *(min(comb(k + n - 1, n - 1), most) for n in few)] for k in range(length + 1)]
    return np.array(ways, np.int64)
