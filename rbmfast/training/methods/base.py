"""What all methods share: the protocol of the negative phase, and of the gradient."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import check_integer, checked_by
from rbmfast.data import Rows
from rbmfast.models import RBM
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.reference import F32, U8, States
from rbmfast.state import Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training.phases import contrast

MAX_STEPS = 2**31 - 1  # Gibbs steps in an update
STEPS = checked_by(check_integer, low=1, high=MAX_STEPS)


class Method(ABC):
    """A way to get a gradient, as a rule from samples of the model. Methods hold settings and no state.

    A new method is a subclass with `negative_phase` (or, if there is more to it, with `gradient`); it works
    everywhere, wherever it is defined. One of the library's own is a file here, and a name in METHODS. What
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
    starts_at_rows : bool
        Whether its samples are chains that begin at the batch's rows, one at each: these have the weight of
        their row, others the mean weight.
    takes_missing : bool
        Whether rows may lack entries: where a gradient of completed rows is meant.
    numbers : tuple of str
        Names of what it adds to the history: what `look` finds.
    refresh_every : int
        Updates from one call of `refresh` to the next; 0: it has none.
    fused : bool
        Whether the engine knows it and can learn a whole epoch in one call. False in a subclass that
        redefines `negative_phase`, `gradient` or `learn`.
    """

    k: int
    purpose: Purpose
    persistent: bool = False
    starts_at_rows: bool = False
    takes_missing: ClassVar[bool] = True
    numbers: ClassVar[tuple[str, ...]] = ()
    refresh_every: ClassVar[int] = 0
    fused: ClassVar[bool] = False

    @property
    def learns_from_samples(self) -> bool:
        """Whether its negative phase is all that it has of its own: `gradient` is the common one."""
        return type(self).gradient is Method.gradient

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if vars(cls).keys() & {"negative_phase", "gradient", "learn"} and "fused" not in vars(cls):
            cls.fused = False

    def rows(self, rbm: RBM, X: Any) -> tuple[Rows, NDArray[np.int64] | None]:
        """Data to learn from, checked; and the numbers of the rows that are visible states (None: all are).

        Only those are shown to monitors.

        Raises
        ------
        TypeError, ValueError
            The data, or the model, is not one that the method can learn with.
        """
        unit, n = rbm._row_units
        return unit.rows(X, n, "X", may_miss=self.takes_missing), None

    def gradient(
        self,
        model: Conditionals,
        v: States,
        x: F32,
        chains: States | None,
        weights: NDArray[np.float64] | None = None,
    ) -> Gradient:
        """What an update learns: by default, how the data differ from samples of the model.

        The arguments are those of `negative_phase`, and the weights of the batch's rows, if any.
        """
        samples = self.negative_phase(model, v, x, chains)
        return contrast(model, (v, x), samples, weights, self.starts_at_rows)

    @property
    def learns_jointly(self) -> bool:
        """Whether machines whose units are all in one layer learn by it: `rbmfast.BoltzmannMachine`."""
        return type(self).joint_gradient is not Method.joint_gradient

    def joint_gradient(
        self,
        path: JointPath,
        states: U8,
        stream: Stream,
        chains: U8 | None,
        weights: NDArray[np.float64] | None = None,
    ) -> Gradient:
        """What such a machine learns in an update; W and a count.

        Parameters
        ----------
        path : JointPath
            The machine, and the way to it from independent units.
        states : uint8 array (n_rows, n_units)
            The batch: states of all units.
        stream : Stream
            Random numbers of k sweeps, from this update's first one on; of the rows' numbers in the data
            set, or of the persistent chains.
        chains : uint8 array (n_chains, n_units) or None
            The persistent chains, to be advanced in place.
        weights : float64 array (n_rows,), optional
            Of the batch's rows.
        """
        raise NotImplementedError(f"{self!r} does not learn jointly")

    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None
    ) -> tuple[States, F32]:
        """Draw samples of the model.

        Parameters
        ----------
        model : Conditionals
            The current model; its random numbers begin at the first half-step of this update, and are those
            of the rows' numbers in the data set, or of the persistent chains.
        v : array (n_rows, n_visible)
            The batch: visible states of the data.
        x : float32 array (n_rows, n_hidden)
            The hidden units' total inputs from `v`.
        chains : array (n_chains * replicas, n_hidden) or None
            Hidden states of the persistent chains, to be advanced in place.

        Returns
        -------
        v : array (n, n_visible)
            Visible states of the samples.
        x : float32 array (n, n_hidden)
            The hidden units' total inputs from them.
        """
        raise NotImplementedError(f"{self!r} does not learn from samples of the model")

    @property
    def replicas(self) -> int:
        """Rows of hidden states that make up one of its chains."""
        return 1

    def chains_for(self, batch_size: int) -> int:
        """How many rows of persistent chains, with batches of `batch_size` rows; 0 for none."""
        return 0

    def start_memory(
        self, model: Conditionals | JointPath, base: Callable[[], F32], n_chains: int, stream: Stream
    ) -> dict[str, NDArray[Any]]:
        """New arrays that the run keeps for it, and hands back in ``model.memory``; names are its own.

        `base` gives the visible bias of independent units with the means of the data that the model was
        initialised or trained with, if any; `stream` the random numbers of the first update.
        """
        return {}

    def check_memory(self, model: Conditionals | JointPath, memory: Mapping[str, NDArray[Any]]) -> None:
        """Raise an error if these, of the right form, cannot be its arrays: a file can hold anything."""
        return

    def look(self, model: Conditionals | JointPath, chains: States, stream: Stream) -> dict[str, float]:
        """The method's own `numbers`, of the model after an epoch; `stream` is that of the next update."""
        return {}

    def refresh(self, model: Conditionals, chains: States, stream: Stream) -> None:
        """Move chains, in place, before every so many updates; `stream` is that of the next update."""
        return

    def for_engine(self, memory: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """What the engine has to know of its chains, a `Rung` or a `Fast`: arguments of `engine.epoch`."""
        return {}

    def kept(self, memory: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
        """Copies of what the model keeps of that, as its `trajectory`."""
        return None

    def learn(self, model: Conditionals, gradient: Gradient) -> None:
        """Change ``model.memory`` by what the model is about to learn in this update."""
        return

    def start_chains(self, model: Conditionals, n_chains: int) -> States:
        """Hidden states for new chains: visible units drawn from their biases, hidden units from these."""
        v = model.down.sample_alone(n_chains, model.stream)
        return model.sample_hidden(model.up.input(v), 1)
