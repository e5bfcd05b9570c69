"""Chains on their way along a path of models: in parts, saved now and then, taken up again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rbmfast.container import JSON, FileFormatError, read_file, write_file
from rbmfast.models.path import Path
from rbmfast.random import Purpose
from rbmfast.reference import F32, States
from rbmfast.units.base import F64

KIND = "annealing"
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
    n_chains, seed, purpose
        How many chains, and their random numbers.
    """

    path: Path
    betas: F32
    n_chains: int
    seed: int
    purpose: Purpose

    def describe(self) -> dict[str, JSON]:
        """The same in short, as JSON: what a checkpoint is compared with."""
        numbers = hashlib.sha256()
        for array in (self.path.up.W, self.path.down.bias, self.path.up.bias, self.path.base, self.betas):
            numbers.update(np.ascontiguousarray(array, "<f4").data)
        units = [self.path.down.target.name, self.path.up.target.name]
        return {
            "model, base and schedule": numbers.hexdigest(),
            "units": ", ".join(units),
            "n_chains": self.n_chains,
            "seed": self.seed,
            "direction": self.purpose.name,
        }

    def travel(
        self, start: Callable[[], States], checkpoint: str | None = None, resume: str | None = None
    ) -> tuple[States, F64]:
        """Go all the way from the states that `start` gives; the last visible states and the log-weights."""
        at, v, log_weights = (
            (0, start(), np.zeros(self.n_chains)) if resume is None else self._take_up(resume)
        )
        n = max(1, int(WORK / (2 * self.n_chains * self.path.up.W.size)))
        saved = time.monotonic()
        while at < len(self.betas) - 1:
            some = self.betas[at : at + n + 1]
            v, log_weights = self.path.anneal(
                v, log_weights, some, self.seed, self.purpose, FIRST_STEP + 2 * at
            )
            at += len(some) - 1
            if checkpoint is not None and (at == len(self.betas) - 1 or time.monotonic() > saved + SECONDS):
                meta: dict[str, JSON] = {"settings": self.describe(), "at": at}
                write_file(checkpoint, KIND, meta, {"v": v, "log_weights": log_weights})
                saved = time.monotonic()
        return v, log_weights

    def _take_up(self, file: str) -> tuple[int, States, F64]:
        _, meta, arrays = read_file(file, kind=KIND)
        if not {"settings", "at"} <= meta.keys() or not {"v", "log_weights"} <= arrays.keys():
            raise FileFormatError(f"{file!r} is not a complete checkpoint")
        for name, value in self.describe().items():
            if meta["settings"].get(name) != value:
                raise ValueError(
                    f"resume: {name} is {value!r}, but was {meta['settings'].get(name)!r} in {file!r}"
                )
        return meta["at"], arrays["v"], arrays["log_weights"]


def seed_of(file: str) -> int:
    """The seed of the run that was saved."""
    return int(read_file(file, kind=KIND)[1].get("settings", {}).get("seed", 0))
