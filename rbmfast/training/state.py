"""What goes on from one call of `train` to the next; and the parameters of a whole model, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat

import numpy as np

from rbmfast.models import DBM, DBN, RBM, BoltzmannMachine, ConditionalRBM, Network
from rbmfast.models.parameters import of_units, with_parameters
from rbmfast.reference import F32, States
from rbmfast.runtime import uninterrupted
from rbmfast.saved import under
from rbmfast.training.optimizers import Optimizer

PARAMETERS = ("W", "a", "b")
KEPT = (*PARAMETERS, "visible_means")

Model = RBM | ConditionalRBM | DBM | DBN | Network | BoltzmannMachine


@dataclass(eq=False)
class TrainingState:
    """What `train` leaves to its next call, beside the model: for data that comes in parts.

    A new state begins a run. Passed to `train` again it goes on from there: with the same chains, velocities,
    running means and schedules, and with random numbers that have not been used yet; only monitors begin
    anew. So batches that come in several calls teach, bit for bit, what they teach in one. A call that fails
    leaves it as it was after the last complete epoch.

    Parameters
    ----------
    chains : uint8 array (n_chains, n_hidden), optional
        Hidden states for the chains of a persistent method to start from, and how many chains there are. By
        default the method chooses. Of `rbmfast.PT`, rows for all replicas: first those at beta = 0. Spins are
        0 and 1 here.

    Attributes
    ----------
    chains : array or None
        The hidden states of the chains.
    seed : int or None
        Of the run: that of the first call, whatever later ones say.
    epochs, rows, half_steps : int
        Completed: passes over data, rows learned from, and half-steps of the random numbers.
    exponent : int or None
        Of the fixed-point weights; None before the first epoch.
    optimizer : SGD, Adam, Cosine or None
        Of the last call: its schedules go on while it stays the same.
    memories : list of float
        What these schedules remember.
    arrays : dict of str to float32 array
        Velocities (of `Adam`, moments) and running means, under names such as ``W_velocity``.
    memory : dict of str to float32 array
        What the method keeps beside its chains.
    row_chains : tuple of str, int and array, or None
        Of the rows that missed entries in the last call: their fingerprint, the number of the first one in
        the random numbers, and where the chains are that draw what is missing. They go on if the rows come
        again.

    Notes
    -----
    With ``centered=True`` the running means start at those of the first call's data, and with
    `rbmfast.Linear` the length of the run must be known: then parts and whole differ.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.eye(6)[np.arange(60) % 6]
    >>> whole, parts = (rf.RBM.from_arrays(np.zeros((6, 2)), np.zeros(6), np.zeros(2)) for _ in range(2))
    >>> settings = dict(
    ...     optimizer=0.1, penalties=(), centered=False, epochs=1, batch_size=10, shuffle=False, seed=1
    ... )
    >>> history = rf.train(whole, X, **settings)
    >>> state = rf.TrainingState()
    >>> for part in (X[:20], X[20:]):
    ...     history = rf.train(parts, part, state=state, **settings)
    >>> np.array_equal(parts.W, whole.W)
    True
    """

    chains: States | None = None
    seed: int | None = field(default=None, init=False)
    epochs: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)
    half_steps: int = field(default=0, init=False)
    exponent: int | None = field(default=None, init=False)
    optimizer: Optimizer | None = field(default=None, init=False)
    memories: list[float] = field(default_factory=list, init=False)
    arrays: dict[str, F32] = field(default_factory=dict, init=False, repr=False)
    memory: dict[str, F32] = field(default_factory=dict, init=False, repr=False)
    row_chains: tuple[str, int, States] | None = field(default=None, init=False, repr=False)

    @property
    def has_begun(self) -> bool:
        """Whether `train` has used it."""
        return self.exponent is not None

    def check(self, rbm: RBM) -> None:
        """Raise ValueError if it belongs to a model of other layers."""
        p, n_hidden, dtype = rbm._parameters, rbm.n_hidden, rbm.hidden.dtype
        a, b = p.interaction.shared(p.a, p.b)
        shapes = {"W": p.W.shape, "visible": a.shape, "activity": b.shape}
        for name, array in self.arrays.items():
            if array.shape != shapes.get(name.split("_")[0], array.shape):
                raise ValueError(f"state belongs to a model of other layers: its {name} is {array.shape}")
        if self.chains is None:
            return
        allowed = f"the chains of state must be an array (n_chains, {n_hidden}) of {dtype} states"
        if not isinstance(self.chains, np.ndarray) or self.chains.dtype != dtype:
            raise TypeError(f"{allowed}, got {getattr(self.chains, 'dtype', type(self.chains).__name__)}")
        if self.chains.ndim != 2 or self.chains.shape[1] != n_hidden or len(self.chains) == 0:
            raise ValueError(f"{allowed}, got shape {self.chains.shape}")
        if dtype == np.uint8 and self.chains.max() > 1:
            raise ValueError(f"{allowed} 0 and 1, got a {self.chains.max()}")


# --- The parameters of a whole model: all of them change, or none ------------------------------------------


def get_parameters(model: Model) -> dict[str, F32]:
    """All parameters, and means of data, by names such as ``W`` or ``generative/0/W``; they never change."""
    if isinstance(model, (Network, BoltzmannMachine)):
        return model._own_parameters()
    rbms = _rbms(model).items()
    arrays: dict[str, F32] = {}
    for prefix, rbm in rbms:
        own = {name: getattr(rbm._parameters, name) for name in KEPT} | of_units(rbm._parameters.units)
        arrays |= {prefix + name: array for name, array in own.items() if array is not None}
    return arrays


def set_parameters(model: Model, arrays: Mapping[str, F32]) -> None:
    """Replace parameters by copies of these arrays, under the names above; the others stay."""
    if isinstance(model, (Network, BoltzmannMachine)):
        model._set_parameters(**arrays)
        return
    rbms = _rbms(model)
    versions = []
    for prefix, rbm in rbms.items():
        old = rbm._parameters
        own = {name: arrays.get(prefix + name, getattr(old, name)) for name in KEPT}
        units = with_parameters(old.units, under(arrays, prefix))
        versions.append(replace(old, **own, units=units, is_untouched=False, given=None))
    uninterrupted(setattr, rbms.values(), repeat("_parameters"), versions)


def _rbms(model: RBM | ConditionalRBM | DBM | DBN) -> dict[str, RBM]:
    """The RBMs that a model is made of, by what the names of their parameters begin with."""
    return {name and f"{name}/": rbm for name, rbm in model._named_rbms()}
