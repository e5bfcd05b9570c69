"""Block Gibbs sampling: both layers in turn, many chains at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.models.passes import Pass
from rbmfast.reference import GREY, States
from rbmfast.streams import Purpose
from rbmfast.units.base import RowIds

WORK = 10**10  # additions of one engine call at most: a fraction of a second, so that Ctrl-C is answered


@dataclass(frozen=True)
class Chains:
    """Markov chains of one model, and the random numbers that drive them.

    A Gibbs step takes two half-steps: the hidden units given the visible ones, then the visible units given
    the hidden ones. Every half-step and every chain (`rows`) has random numbers of its own, so a run may be
    cut into parts anywhere and gives the same states.

    Attributes
    ----------
    up, down : Pass
        The conditional distributions.
    seed, purpose : int, Purpose
        Of the random numbers.
    """

    up: Pass
    down: Pass
    seed: int
    purpose: Purpose

    def start(self, rows: NDArray[np.int64]) -> States:
        """Visible states drawn from the visible biases alone, with the random numbers of half-step 0."""
        x = np.tile(self.down.bias, (len(rows), 1))
        return self.down.target.sample(x, self.seed, self.purpose, 0, 0, rows)

    def run(
        self,
        v: States,
        steps: int,
        first_step: int,
        rows: RowIds,
        clamp: NDArray[np.uint8] | None = None,
    ) -> tuple[States, States]:
        """Take `steps` >= 1 Gibbs steps from half-step `first_step` on; the last visible and hidden states.

        Where `clamp` is 1 a visible unit keeps its value. Grey levels may be a start, or clamped values.
        """
        while steps > 0:
            n = self._steps_at_once(v, steps)
            if n > 0:
                v, h = self._engine_steps(v, n, first_step, rows, clamp)
            else:
                n = 1
                v, h = self._one_step(v, first_step, rows, clamp)
            steps -= n
            first_step += 2 * n
        return v, h

    def _steps_at_once(self, v: States, steps: int) -> int:
        """How many steps the engine's own loop shall take; 0 where it does not apply."""
        if not (self.up.source.fused and self.up.target.fused and v.dtype == np.uint8):
            return 0
        return min(steps, max(1, WORK // (2 * len(v) * self.up.W.size)))

    def _engine_steps(
        self, v: States, steps: int, first_step: int, rows: RowIds, clamp: NDArray[np.uint8] | None
    ) -> tuple[States, States]:
        a, b = self.down.bias, self.up.bias
        return engine.gibbs(
            self.up.weights, a, b, v, steps, self.seed, self.purpose, 0, first_step, rows, clamp
        )

    def _one_step(
        self, v: States, step: int, rows: RowIds, clamp: NDArray[np.uint8] | None
    ) -> tuple[States, States]:
        h = self.up.sample(v, self.seed, self.purpose, 0, step, rows)
        drawn = self.down.sample(h, self.seed, self.purpose, 0, step + 1, rows)
        if clamp is None:
            return drawn, h
        if v.dtype == np.uint16:  # clamped grey levels: the drawn units join them in their units
            drawn = drawn * np.uint16(GREY)
        return np.where(clamp, v, drawn), h
