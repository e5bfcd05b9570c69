"""Where annealed chains stop on their way."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.models.path import Path
from rbmfast.reference import F32
from rbmfast.streams import Purpose, Stream
from rbmfast.units.base import F64

SCHEDULES = ("linear", "adaptive")
PILOT_CHAINS, PILOT_STOPS = 64, 256


def make_schedule(schedule: str | ArrayLike, n_temperatures: int, path: Path, seed: int) -> F32:
    """Betas from 0 to 1 in ascending order: float32 (n_temperatures + 1,), or those that are given."""
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(map(repr, SCHEDULES))} or an array of betas, "
                f"got {schedule!r}"
            )
        even = np.linspace(0, 1, n_temperatures + 1)
        return even.astype(np.float32) if schedule == "linear" else _adapt(even, path, seed)
    betas = np.asarray(schedule)
    allowed = "schedule must be a 1-D array of betas that ascend from 0 to 1"
    if betas.ndim != 1 or betas.dtype.kind not in "fiu" or len(betas) < 2:
        raise ValueError(f"{allowed}, got shape {betas.shape} of {betas.dtype}")
    given: F32 = betas.astype(np.float32)
    if given[0] != 0 or given[-1] != 1:
        raise ValueError(f"{allowed}, got {given[0]} to {given[-1]}")
    falls = np.flatnonzero(~(np.diff(given) >= 0))  # NaN, too
    if len(falls):
        first = int(falls[0])
        raise ValueError(f"{allowed}, got {given[first]} and then {given[first + 1]} at place {first + 1}")
    return given


def _adapt(even: F64, path: Path, seed: int) -> F32:
    """Stops at equal distances in thermodynamic length.

    Its element is the standard deviation of d log p / d beta (Crooks, Phys. Rev. Lett. 99 (2007), 100602),
    which a few chains measure on their way. Sums are `math.fsum` and square roots, so that the betas, and
    with them the chains, have the same bits everywhere.
    """
    pilot = np.linspace(0, 1, PILOT_STOPS + 1).astype(np.float32)
    stream = Stream(seed, Purpose.PILOT)
    v = path.start(PILOT_CHAINS, stream)
    length = [0.0]
    for t in range(PILOT_STOPS):
        nothing = np.zeros(PILOT_CHAINS)
        v, gained = path.anneal(v, nothing, pilot[t : t + 2], stream.after(2 + 2 * t))
        mean = math.fsum(gained) / PILOT_CHAINS
        deviation = math.sqrt(math.fsum((gained - mean) ** 2) / PILOT_CHAINS)
        length.append(length[-1] + deviation)
    if length[-1] == 0:  # the weights are zero: all models on the way are one
        return even.astype(np.float32)
    betas: F32 = np.interp(even * length[-1], length, pilot.astype(np.float64)).astype(np.float32)
    betas[0], betas[-1] = 0, 1
    return betas
