"""What runs of RBMs and of machines of one layer share: chains, monitors, and what is saved of them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.data import Rows
from rbmfast.files import entry
from rbmfast.models import RBM, BoltzmannMachine
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.models.parameters import COARSE_EXPONENT, can_be_parameters, warn_of_large_weights
from rbmfast.reference import F32, MAX_EXPONENT, States
from rbmfast.runtime import warn
from rbmfast.streams import Stream
from rbmfast.training.batches import FirstLook
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.monitors import Watched
from rbmfast.training.penalties import split_penalties
from rbmfast.training.run import Run
from rbmfast.training.settings import LayerSettings, UpDownSettings
from rbmfast.training.state import Model
from rbmfast.units import Unit

WEIGHED = 200  # rows that log Z is compared with


class SampledRun(Run):
    """A run whose model is one of probabilities, and learns from chains. See `Run`.

    Attributes
    ----------
    validation : Rows or None
        Data for monitors.
    terms, custom_penalties : UpdateSettings and list
        Penalties that an update knows, and those of the user's own.
    chains : array (n_chains, n_units) or None
        States of the persistent chains.
    memory : dict of str to array
        What the method keeps beside them.
    owner : RBM or BoltzmannMachine
        Whose parameters are learned.
    visible_means : float32 array (n_visible,)
        Of the training data; they stay in the model.
    fingerprint : str or None
        Of the rows, once it is known.
    exponent : int
        Of the coarsest weights, as published last.
    updates : int
        How many have been completed in this call.
    stderr : float
        Of log Z; infinite once it was found to be wrong.
    """

    kind: ClassVar[str] = "checkpoint"
    settings: LayerSettings | UpDownSettings
    visible_means: F32
    watched: Watched
    owner: RBM | BoltzmannMachine

    def __init__(
        self,
        model: Model,
        rows: Rows,
        settings: LayerSettings | UpDownSettings,
        numbers: Mapping[str, str | None],
        validation: Rows | None,
    ) -> None:
        super().__init__(model, rows, settings, numbers)
        self.settings, self.validation = settings, validation
        self.terms, self.custom_penalties = split_penalties(settings.penalties, settings.centered)
        self.chains: States | None = None
        self.memory: dict[str, NDArray[Any]] = {}
        self.fingerprint: str | None = None
        self.updates, self.exponent = 0, MAX_EXPONENT
        self.stderr = 0.0

    # --- What each kind has of its own ----------------------------------------------------------------------

    @property
    @abstractmethod
    def lowest_exponent(self) -> int:
        """Of the coarsest weights."""

    @abstractmethod
    def as_it_stands(self) -> tuple[Conditionals | JointPath, Stream]:
        """The model with what the method keeps, and the random numbers of the next update."""

    @abstractmethod
    def restore_weights(self, saved: Checkpoint) -> None:
        """Take back in which steps the sampler sees the weights, if these can be weights."""

    @abstractmethod
    def check_states(self, states: States, name: str) -> None:
        """Raise an error if these are no states of chains."""

    def states_of_chains(self) -> dict[str, States]:
        """Of all that there are."""
        return {} if self.chains is None else {"chains": self.chains}

    def remembered(self) -> dict[str, NDArray[Any]]:
        """What an update hands to the next, beside the parameters."""
        return {**self.steps.moments, **self.steps.numbers}

    # --- From the beginning to the end ----------------------------------------------------------------------

    def look_at_rows(
        self, initial_bias: Callable[[Rows], tuple[F32, F32]], unit: Unit, quiet: bool = False
    ) -> F32:
        """The bias of a new model from rows that are read once; warn of doubtful ones, if not `quiet`."""
        look = FirstLook(self.rows, with_fingerprint=self.settings.checkpoint is not None)
        bias, self.visible_means = initial_bias(look)
        are_equal, self.fingerprint = look.finish()
        if quiet:
            return bias
        if are_equal:
            warn(
                f"X is constant: all its {self.rows.n_rows} rows are equal, and teach nothing but one state. "
                "Look at how it was read, scaled or thresholded"
            )
        elif (doubts := unit.doubts(self.rows)) is not None:
            warn(f"X: {doubts}")
        return bias

    def _keep_trajectory(self) -> None:
        kept = None if self.chains is None else self.settings.method.kept(self.memory)
        if kept is not None and math.isinf(self.stderr):
            kept["pulls"][:] = math.inf
        self.owner._keep_trajectory(kept)

    def note(self) -> None:
        """Leave the model what the method keeps for it; warn once of weights that are seen coarsely."""
        self._keep_trajectory()
        before, self.exponent = self.exponent, self.lowest_exponent
        if self.exponent < COARSE_EXPONENT <= before:
            weights = (W for name, W in self.parameters().items() if name.rpartition("/")[2] == "W")
            largest = max(float(abs(W).max()) for W in weights)
            remedy = ". Lower the rate, or add a penalty such as rf.L2(1e-4)"
            warn_of_large_weights(largest, self.exponent, "the weights have become large", remedy)

    def interrupted(self) -> None:
        """The model gets the parameters after the last complete update."""
        if can_be_parameters(self.parameters().values()):
            self.publish()

    # --- What is recorded and saved -------------------------------------------------------------------------

    def monitored(self) -> dict[str, float]:
        """What the method finds, and the monitors, of which some go by that."""
        method, watched, found = self.settings.method, self.watched, {}
        if self.chains is not None and method.numbers:
            model, stream = self.as_it_stands()
            found = method.look(model, self.chains, stream)
        if "log_z" in found:
            found["log_z"] = self.owner._log_volume - self.owner._shown_energies(-found["log_z"])
            found = self._doubted(found)
        watched.log_z = (found["log_z"], found["log_z_stderr"]) if "log_z" in found else None
        return found | watched.numbers(self.settings.monitors, self.epoch)

    @cached_property
    def _weighed_rows(self) -> States:
        """Different rows of the data."""
        rows: States = np.unique(self.watched.train(WEIGHED), axis=0)
        return rows

    def _doubted(self, found: dict[str, float]) -> dict[str, float]:
        """The same, without an error where log Z cannot be right: some rows of data alone weigh far more.

        Chains then have lost whole modes, which no spread among them shows.
        """
        rbm, rows = self.owner, self.rows
        is_known = isinstance(rbm, RBM) and rows.missing is None and rows.kind != "grey"
        if not is_known or rbm is not self.watched.rbm or rbm.visible.count_states(rbm.n_visible) is None:
            return found
        weights = -rbm.free_energy(self._weighed_rows)
        least = float(weights.max()) + math.log(math.fsum(np.exp(weights - weights.max())))
        if found["log_z"] + 4 * found["log_z_stderr"] >= least:  # these rows may be nearly all there is
            return found
        if math.isfinite(self.stderr):
            warn(
                f"log_z is too small by {least - found['log_z']:.1f} nats or more: the chains have lost "
                "states that the data show. Lower the rate, or take more chains"
            )
        self.stderr = math.inf
        self._keep_trajectory()
        return found | {"log_z_stderr": math.inf}

    def arrays(self) -> dict[str, NDArray[Any]]:
        memory = {f"memory/{name}": array for name, array in self.memory.items()}
        own = {**self.parameters(), **self.remembered(), "visible_means": self.visible_means}
        return {**own, **self.states_of_chains(), **memory, **self.watched.arrays()}

    def restore(self, saved: Checkpoint) -> None:
        """See `Run.restore`. A file can hold anything: an error says what are no numbers of a run."""
        super().restore(saved)
        self.steps.check()
        self.restore_weights(saved)
        self.exponent = self.lowest_exponent
        for name, states in self.states_of_chains().items():
            self.check_states(states, name)
        self.watched.restore(saved.arrays)
        self.updates = entry(saved.meta, "updates", int)
        if self.updates != saved.epoch * self.updates_per_epoch:
            raise ValueError(f"updates must be {self.updates_per_epoch} an epoch, got {self.updates}")

    def describe(self) -> dict[str, Any]:
        return {
            "X": self.fingerprint or self.rows.fingerprint(),
            "validation": None if self.validation is None else self.validation.fingerprint(),
            **super().describe(),
        }
