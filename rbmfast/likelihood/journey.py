"""Chains on their way along a path of models: in parts, saved now and then, taken up again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rbmfast.archive import write_file
from rbmfast.checks import check_integer
from rbmfast.files import JSON, entry
from rbmfast.models.path import Path
from rbmfast.reference import F32, STREAM_VERSION, States
from rbmfast.saved import SavedRun
from rbmfast.streams import Purpose, Stream
from rbmfast.units.base import F64

KIND = "annealing"
MODEL, SAMPLES = "the model, base or schedule", "the samples"  # known by their digests only
FIRST_STEP = 2  # half-step 0 is the start's
SECONDS = 30.0  # between two checkpoints
WORK = 2e10  # additions between two looks at the clock


@dataclass(frozen=True)
class Route:
    """Where chains go, and by which random numbers: all that decides where they arrive.

    Attributes
    ----------
    path : Path
        The models on the way.
    betas : float32 array (n,)
        The stops.
    n_chains, stream
        How many chains, and their random numbers.
    origin : str
        Where the chains start: "drawn", or a digest of the states that were given.
    """

    path: Path
    betas: F32
    n_chains: int
    stream: Stream
    origin: str = "drawn"

    def describe(self) -> dict[str, JSON]:
        """The same in short, as JSON: what a checkpoint is compared with."""
        numbers = hashlib.sha256()
        betas = np.sort(self.betas)
        for array in (self.path.up.W, self.path.down.bias, self.path.up.bias, self.path.base, betas):
            numbers.update(np.ascontiguousarray(array, "<f4").data)
        units = [self.path.down.target.name, self.path.up.target.name]
        return {
            "direction": Purpose(self.stream.purpose).name,
            "n_chains": self.n_chains,
            "temperatures": len(self.betas) - 1,
            "seed": self.stream.seed,
            "units": ", ".join(units),
            MODEL: numbers.hexdigest(),
            SAMPLES: self.origin,
            "stream_version": STREAM_VERSION,
        }

    def travel(
        self, start: Callable[[], States], checkpoint: str | None = None, resume: str | None = None
    ) -> tuple[States, F64]:
        """Go all the way from the states that `start` gives; the last visible states and the log-weights."""
        if resume is None:
            at, v, log_weights = 0, start(), np.zeros(self.n_chains)
        else:
            at, v, log_weights = self.take_up(resume)
        n = max(1, int(WORK / (2 * self.n_chains * self.path.up.W.size)))
        saved = time.monotonic()
        while at < len(self.betas) - 1:
            some = self.betas[at : at + n + 1]
            v, log_weights = self.path.anneal(v, log_weights, some, self.stream.after(FIRST_STEP + 2 * at))
            at += len(some) - 1
            if checkpoint is not None and time.monotonic() > saved + SECONDS:
                self._save(checkpoint, at, v, log_weights)
                saved = time.monotonic()
        if checkpoint is not None:
            self._save(checkpoint, at, v, log_weights)
        return v, log_weights

    def _save(self, file: str, at: int, v: States, log_weights: F64) -> None:
        meta: dict[str, JSON] = {"settings": self.describe(), "at": at}
        write_file(file, KIND, meta, {"v": v, "log_weights": log_weights})

    def take_up(self, file: str) -> tuple[int, States, F64]:
        """How far chains on this route had come, their states and log-weights; an error if on another."""
        saved = Saved(file, KIND)
        saved.check_settings(self.describe())
        with saved.blamed():
            at = check_integer(entry(saved.meta, "at", int), "at", low=0, high=len(self.betas) - 1)
            rows = self.path.down.target.rows(saved.arrays["v"], len(self.path.base), "v")
            log_weights = saved.arrays["log_weights"]
            if not rows.n_rows == len(log_weights) == log_weights.size == self.n_chains:
                raise ValueError(f"v and log_weights must be of {self.n_chains} chains")
            if log_weights.dtype != np.float64 or np.isnan(log_weights).any():
                raise ValueError("log_weights must be float64 numbers")
            return at, rows.all(), log_weights


class Saved(SavedRun):
    """A checkpoint of annealing."""

    def difference(self, name: str, before: Any, value: Any) -> str:
        """See `SavedRun.difference`."""
        return f"{name} is not that" if name in (MODEL, SAMPLES) else super().difference(name, before, value)


def digest(states: States) -> str:
    """Of given states."""
    return hashlib.sha256(np.ascontiguousarray(states).data).hexdigest()
