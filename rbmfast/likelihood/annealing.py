"""Annealing: where chains stop on their way along a path of models; runs of them, saved and resumed."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.archive import write_file
from rbmfast.checks import check_integer
from rbmfast.files import JSON, entry
from rbmfast.models.joint_path import JointPath
from rbmfast.models.path import Path
from rbmfast.reference import F32, F64, STREAM_VERSION, States
from rbmfast.saved import SavedRun
from rbmfast.streams import Purpose, Stream

KIND = "annealing"
MODEL, SAMPLES = "the model, base or schedule", "the samples"  # known by their digests only
FIRST_STEP = 2  # half-step 0 is the start's
SECONDS = 30.0  # between two checkpoints
WORK = 2e10  # additions between two looks at the clock
SCHEDULES = ("linear", "adaptive")
PILOT_CHAINS, PILOT_STOPS = 64, 256


class Saved(SavedRun):
    """A checkpoint of annealing."""

    def difference(self, name: str, before: Any, value: Any) -> str:
        """See `SavedRun.difference`."""
        return f"{name} is not that" if name in (MODEL, SAMPLES) else super().difference(name, before, value)


class Annealing:
    """Chains that are led along a path of models, or back.

    `betas` float32 (n,) come in the order in which the chains go through them. The chains start from visible
    `samples` (n_chains, n_visible), if there are any; else from states that are drawn. They are saved in the
    file `checkpoint`, and go on from where `resume` is: a ValueError if that is another run.
    """

    def __init__(
        self,
        path: Path | JointPath,
        betas: F32,
        n_chains: int,
        stream: Stream,
        samples: States | None = None,
        checkpoint: str | None = None,
        resume: Saved | None = None,
    ) -> None:
        self.path, self.betas, self.n_chains, self.stream = path, betas, n_chains, stream
        self._origin = "drawn" if samples is None else _digest(np.ascontiguousarray(samples))
        self._checkpoint = checkpoint
        self._at, self._v, self._log_weights = 0, samples, np.zeros(n_chains)
        if resume is not None:
            self._restore(resume)

    def run(self, draw: Callable[[], States]) -> tuple[States, F64]:
        """Go all the way, from the states that `draw` gives if need be; the last ones and the log-weights."""
        v = draw() if self._v is None else self._v
        n = max(1, int(WORK / (2 * self.n_chains * self.path.size)))
        saved = time.monotonic()
        while self._at < len(self.betas) - 1:
            some, stream = self.betas[self._at :][: n + 1], self.stream.after(FIRST_STEP + 2 * self._at)
            v, self._log_weights = self.path.anneal(v, self._log_weights, some, stream)
            self._at += len(some) - 1
            if time.monotonic() > saved + SECONDS:
                self._save(v)
                saved = time.monotonic()
        self._save(v)
        return v, self._log_weights

    def _describe(self) -> dict[str, JSON]:
        """All that decides the result, in short, as JSON: what a checkpoint is compared with."""
        path = self.path
        model = (*path.arrays, np.sort(self.betas))
        return {
            "direction": Purpose(self.stream.purpose).name,
            "n_chains": self.n_chains,
            "temperatures": len(self.betas) - 1,
            "seed": self.stream.seed,
            "units": path.units,
            MODEL: _digest(*(np.ascontiguousarray(array, "<f4") for array in model)),
            SAMPLES: self._origin,
            "stream_version": STREAM_VERSION,
        }

    def _save(self, v: States) -> None:
        if self._checkpoint is not None:
            meta: dict[str, JSON] = {"settings": self._describe(), "at": self._at}
            write_file(self._checkpoint, KIND, meta, {"v": v, "log_weights": self._log_weights})

    def _restore(self, saved: Saved) -> None:
        """Stand where the chains had come."""
        saved.check_settings(self._describe())
        with saved.blamed():
            self._at = check_integer(entry(saved.meta, "at", int), "at", low=0, high=len(self.betas) - 1)
            rows = self.path.target.rows(saved.arrays["v"], len(self.path.base), "v")
            log_weights = saved.arrays["log_weights"]
            if not rows.n_rows == len(log_weights) == log_weights.size == self.n_chains:
                raise ValueError(f"v and log_weights must be of {self.n_chains} chains")
            if log_weights.dtype != np.float64 or np.isnan(log_weights).any():
                raise ValueError("log_weights must be float64 numbers")
            self._v, self._log_weights = rows.all(), log_weights


def _digest(*arrays: States) -> str:
    numbers = hashlib.sha256()
    for array in arrays:
        numbers.update(array.data)
    return numbers.hexdigest()


# --- Schedules ---------------------------------------------------------------------------------------------


def make_schedule(schedule: str | ArrayLike, n_temperatures: int, path: Path | JointPath, seed: int) -> F32:
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


def _adapt(even: F64, path: Path | JointPath, seed: int) -> F32:
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
