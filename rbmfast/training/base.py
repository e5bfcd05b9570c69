"""What all methods share: the two conditional distributions, and the protocol of the negative phase."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.models.passes import Pass
from rbmfast.random import Purpose
from rbmfast.reference import F32, States
from rbmfast.state import Gradient
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
    memory : dict of str to array
        What the method keeps from update to update beside its chains: its own, to change in place.
    """

    up: Pass
    down: Pass
    seed: int
    purpose: Purpose
    layer: int = 0
    memory: Mapping[str, F32] = field(default_factory=dict)

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
    ) -> Conditionals:
        """Both conditionals of the model with these parameters and (visible, hidden) units."""
        visible, hidden = units
        up = Pass(visible, hidden, weights, W, b, up=True)
        return cls(up, Pass(hidden, visible, weights, W, a, up=False), seed, purpose, memory=memory or {})

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


class Method(ABC):
    """A way to get the samples of the negative phase. Methods hold settings and no state.

    A new method is a subclass with `negative_phase`, and one line in ``rbmfast/training/__init__.py``. What
    it has to know from update to update the run keeps for it, in checkpoints too: persistent chains, and
    arrays that `start_memory` names.

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
        redefines `negative_phase` or `learn`.
    """

    k: int
    purpose: ClassVar[Purpose]
    persistent: ClassVar[bool] = False
    fused: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if vars(cls).keys() & {"negative_phase", "learn"} and "fused" not in vars(cls):
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
        chains : array (n_chains * replicas, n_hidden) or None
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

    @property
    def replicas(self) -> int:
        """Rows of hidden states that make up one of its chains."""
        return 1

    def chains_for(self, batch_size: int) -> int:
        """How many rows of persistent chains, with batches of `batch_size` rows; 0 for none."""
        return 0

    def start_memory(self, model: Conditionals, visible_means: F32 | None) -> dict[str, F32]:
        """New arrays that the run keeps for it, and hands back in ``model.memory``; names are its own.

        `visible_means` are those of the data that the model was initialised or trained with, if any.
        """
        return {}

    def learn(self, model: Conditionals, gradient: Gradient) -> None:
        """Change ``model.memory`` by what the model is about to learn in this update."""
        return

    def start_chains(self, model: Conditionals, n_chains: int) -> States:
        """Hidden states for new chains: visible units drawn from their biases, hidden units from these."""
        x = np.tile(model.down.bias, (n_chains, 1))
        v = model.down.target.sample(x, model.seed, model.purpose, model.layer, 0, 0)
        return model.sample_hidden(model.hidden_input(v), step=1, rows=0)
