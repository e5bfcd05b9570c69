"""The two conditional distributions of the model that learns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.models.passes import Pass
from rbmfast.reference import F32, States
from rbmfast.streams import Purpose
from rbmfast.units import Unit

RowIds = int | NDArray[np.int64]  # number of the first row, or of each row: they choose the random numbers


@dataclass(frozen=True)
class Conditionals:
    """P(hidden | visible) and P(visible | hidden) of an RBM as it stands, with random numbers to draw by.

    Attributes
    ----------
    up, down : Pass
        From visible states to the hidden units, and back.
    seed, purpose, layer : int
        Which stream of random numbers.
    memory : dict of str to array
        What the method keeps from update to update beside its chains: its own, to change in place.
    n_classes : int
        How many of the last visible units say the class; 0 for a model without labels.
    """

    up: Pass
    down: Pass
    seed: int
    purpose: Purpose
    layer: int = 0
    memory: Mapping[str, F32] = field(default_factory=dict)
    n_classes: int = 0

    @classmethod
    def of(
        cls,
        W: F32,
        a: F32,
        b: F32,
        weights: engine.Weights,
        units: tuple[Unit, Unit],
        seed: int,
        purpose: Purpose,
        memory: Mapping[str, F32] | None = None,
        n_classes: int = 0,
    ) -> Conditionals:
        """Both conditionals of the model with these parameters and (visible, hidden) units."""
        visible, hidden = units
        up = Pass(visible, hidden, weights, W, b, up=True)
        down = Pass(hidden, visible, weights, W, a, up=False)
        return cls(up, down, seed, purpose, memory=memory or {}, n_classes=n_classes)

    def hidden_input(self, v: States) -> F32:
        """Total inputs (n, n_hidden) of the hidden units: exact sums where the visible states allow it."""
        with as_divergence():
            return self.up.input(v)

    def sample_hidden(self, hidden_input: F32, step: int, rows: RowIds) -> States:
        """Draw hidden states (n, n_hidden), given their total inputs, at half-step `step`."""
        return self.up.target.sample(hidden_input, self.seed, self.purpose, self.layer, step, rows)

    def sample_visible(self, h: States, step: int, rows: RowIds) -> States:
        """Draw visible states (n, n_visible), given hidden states, at half-step `step`."""
        with as_divergence():
            return self.down.sample(h, self.seed, self.purpose, self.layer, step, rows)


@contextlib.contextmanager
def as_divergence() -> Iterator[None]:
    """Checked data only overflows when the weights have run away."""
    try:
        yield
    except ValueError as error:
        raise FloatingPointError(str(error)) from error
