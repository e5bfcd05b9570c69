"""Seeds and the purposes that keep random streams apart.

Every random number of the library is a pure function of (seed, purpose, layer, row, step, unit): see
`docs/design/001-arithmetic.md`. Two uses with different purposes never share a number, even under equal
seeds.
"""

from __future__ import annotations

import operator
import secrets
from enum import IntEnum

import numpy as np

SeedLike = int | np.random.Generator | None

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


def check_seed(seed: SeedLike, name: str = "seed") -> int:
    """The 64-bit key of a seed: an int is itself, a Generator gives its next word, None asks the system."""
    if seed is None:
        return secrets.randbits(64)
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(0, 2**64, dtype=np.uint64))
    return check_integer(seed, name, low=0, high=2**64 - 1)


def check_integer(value: object, name: str, low: int, high: int | None = None) -> int:
    """`value` as an int within [low, high]; a clear error otherwise."""
    allowed = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be {allowed}, got {value!r}") from None
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be {allowed}, got {number}")
    return number
