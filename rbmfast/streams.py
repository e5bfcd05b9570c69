"""Where random numbers come from: their addresses, and the purposes that keep streams apart.

Every random number of the library is a pure function of (seed, purpose, layer, row, step, unit): see
`docs/design/001-arithmetic.md`. Two uses with different purposes never share a number, even under equal
seeds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer

RowIds = int | NDArray[np.int64]  # number of the first row, or of each row

MAX_ROW = 2**40 - 1
MAX_STEP = 2**44 - 1


class Purpose(IntEnum):
    """What a random number is drawn for (6 bits of the counter). Never renumber: the streams depend on it."""

    INITIALIZE = 0
    SHUFFLE = 1
    CHAIN_START = 2
    CD = 3
    PCD = 4
    SAMPLE_HIDDEN = 5
    SAMPLE_VISIBLE = 6
    GIBBS = 7
    FANTASY = 8
    IMPUTE = 9
    PATTERN_COUNTS = 10
    MONITOR = 11
    AIS = 12
    SWAP = 13
    EXACT = 14
    TEMPERING = 15
    PT = 16
    PT_SWAP = 17
    FPCD = 18
    REVERSE_AIS = 19
    PILOT = 20
    CONSERVATIVE = 21
    TRACKING = 22
    TRACKING_SWAP = 23
    NETWORK_INIT = 24
    DROPOUT = 25
    DBN_UP = 26
    DBN_SAMPLE = 27
    DBN_DOWN = 28
    DBN_IMPUTE = 29
    GREEDY = 30
    WAKE = 31
    SLEEP = 32
    UP_DOWN = 33
    BOUND = 34
    HIDDEN_DROPOUT = 35
    UNBIASED_CD = 36
    MISSING = 37
    PLACES = 38
    PTT = 39
    PTT_START = 40
    PTT_CLIMB = 41
    PTT_LOOK = 42
    PTT_SAMPLE = 43


class Stream(NamedTuple):
    """The address of random numbers, in the order in which the engine takes it: ``*stream``.

    Each unit of each row has a number of its own, so that a computation may be cut into parts anywhere.

    Attributes
    ----------
    seed : int
        64 bits.
    purpose : Purpose
        What they are drawn for.
    layer : int, default 0
        0 to 63.
    step : int, default 0
        Half-step of a chain, at most `MAX_STEP`.
    rows : int or int64 array (n_rows,), default 0
        Number of the first row in a larger whole, or of each row, at most `MAX_ROW`.
    """

    seed: int
    purpose: int
    layer: int = 0
    step: int = 0
    rows: RowIds = 0

    def at(self, step: int, rows: RowIds | None = None) -> Stream:
        """The same at another half-step, and for other rows."""
        return self._replace(step=step, rows=self.rows if rows is None else rows)

    def after(self, half_steps: int) -> Stream:
        """The same some half-steps later."""
        return self._replace(step=self.step + half_steps)

    def on(self, layer: int) -> Stream:
        """The same for another layer."""
        return self._replace(layer=layer)

    def from_row(self, first: int) -> Stream:
        """The same for the rows from number `first` of these on, where `rows` is a number."""
        return self._replace(rows=self.rows + first)

    def uniform(self, n_rows: int, n_units: int) -> NDArray[np.uint32]:
        """32 random bits for each unit of each row."""
        return engine.uniform_u32(n_rows, n_units, *self)


def shuffled(n: int, seed: int, number: int = 0, purpose: Purpose = Purpose.MONITOR) -> NDArray[np.int64]:
    """The numbers from 0 to n - 1 in random order: int64 (n,). With another `number` in another one."""
    return engine.argsort(engine.shuffle_keys(n, seed, number, purpose))


def check_first_row(first_row: int, n_rows: int) -> int:
    """The number of the first of `n_rows` rows in a larger whole; an error if there are not as many."""
    return check_integer(first_row, "first_row", low=0, high=MAX_ROW + 1 - n_rows)
