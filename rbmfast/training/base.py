"""What all methods share: the two conditional distributions, and the protocol of the negative phase."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.models.passes import Pass
from rbmfast.random import Purpose
from rbmfast.reference import F32, States
from rbmfast.units import Unit

MAX_STEPS = 2**31 - 1  # Gibbs steps in an update

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
    """

    up: Pass
    down: Pass
    seed: int
    purpose: Purpose
    layer: int = 0

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
    ) -> Conditionals:
        """Both conditionals of the model with these parameters and (visible, hidden) units."""
        visible, hidden = units
        up = Pass(visible, hidden, weights, W, b, up=True)
        return cls(up, Pass(hidden, visible, weights, W, a, up=False), seed, purpose)

    def hidden_input(self, v: States) -> F32:
        """Total inputs (n, n_hidden) of the hidden units: exact sums where the visible states allow it."""
        with _as_divergence():
            return self.up.input(v)

    def sample_hidden(self, hidden_input: F32, step: int, rows: RowIds) -> States:
        """Draw hidden states (n, n_hidden), given their total inputs, at half-step `step`."""
        return self.up.target.sample(hidden_input, self.seed, self.purpose, self.layer, step, rows)

    def sample_visible(self, h: States, step: int, rows: RowIds) -> States:
        """Draw visible states (n, n_visible), given hidden states, at half-step `step`."""
        with _as_divergence():
            return self.down.sample(h, self.seed, self.purpose, self.layer, step, rows)


@contextlib.contextmanager
def _as_divergence() -> Iterator[None]:
    """Checked data only overflows when the weights have run away."""
    try:
        yield
    except ValueError as error:
        raise FloatingPointError(str(error)) from error


class Method(ABC):
    """A way to get the samples of the negative phase. Methods hold settings and no state.

    A new method is a subclass with `negative_phase`, and one line in ``rbmfast/training/__init__.py``.

    Attributes
    ----------
    k : int
        Gibbs steps per update. An update may use the 2 k half-steps from its first one on for its random
        numbers.
    purpose : Purpose
        Keeps its random numbers apart from all others.
    persistent : bool
        Whether it has chains of its own, which live from update to update.
    fused : bool
        Whether the engine knows it and can learn a whole epoch in one call. False in a subclass that
        redefines `negative_phase`.
    """

    k: int
    purpose: ClassVar[Purpose]
    persistent: ClassVar[bool] = False
    fused: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "negative_phase" in vars(cls) and "fused" not in vars(cls):
            cls.fused = False

    @abstractmethod
    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None, step: int, rows: RowIds
    ) -> tuple[States, F32]:
        """Draw samples of the model.

        Parameters
        ----------
        model : Conditionals
            The current model.
        v : array (n_rows, n_visible)
            The batch: visible states of the data.
        x : float32 array (n_rows, n_hidden)
            The hidden units' total inputs from `v`.
        chains : array (n_chains, n_hidden) or None
            Hidden states of the persistent chains, to be advanced in place.
        step : int
            The first half-step of this update.
        rows : int or int64 array
            For the random numbers: the data-set numbers of the rows, or the number of the first persistent
            chain.

        Returns
        -------
        v : array (n, n_visible)
            Visible states of the samples.
        x : float32 array (n, n_hidden)
            The hidden units' total inputs from them.
        """

    def chains_for(self, batch_size: int) -> int:
        """How many persistent chains, with batches of `batch_size` rows; 0 for none."""
        return 0

    def start_chains(self, model: Conditionals, n_chains: int) -> States:
        """Hidden states for new chains: visible units drawn from their biases, hidden units from these."""
        x = np.tile(model.down.bias, (n_chains, 1))
        v = model.down.target.sample(x, model.seed, model.purpose, model.layer, 0, 0)
        return model.sample_hidden(model.hidden_input(v), step=1, rows=0)
