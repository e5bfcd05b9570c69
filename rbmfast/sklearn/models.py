"""From public arrays of an estimator to the `rbmfast.RBM` that works for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.likelihood.enumeration import can_enumerate
from rbmfast.likelihood.tracking import EXACT_UNITS
from rbmfast.models.conditionals import row_dot
from rbmfast.reference import F32, F64
from rbmfast.units.common import means

Array = NDArray[Any]
Arrays = tuple[Array, ...]

CHAINS, TEMPERATURES = 100, 1000  # of annealing beyond: about a second for 784 x 500


@dataclass(frozen=True)
class Unbounded(rf.Bernoulli):
    """Bernoulli units that may be *given* any real number, as scikit-learn's may; they draw 0 or 1."""

    name: ClassVar[str] = "unbounded"
    domain = "real"
    exact = False

    def blocks(self, n_units: int) -> None:
        """None: the engine's loops know states of 0 and 1."""

    def energy(self, states: Array, bias: F32) -> F64:
        """Sums of -bias * s."""
        return -row_dot(np.tile(bias, (len(states), 1)), states)

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Zeros, since data of any size says nothing about odds; and the means."""
        return np.zeros(rows.n_features, np.float32), means(rows).astype(np.float32)


class Models:
    """The RBMs of an estimator's arrays, made anew when those have changed.

    Users may assign to the arrays and write into them, so a use looks whether they are what they were: by a
    hash, and only if they have been `Shown` or are others, as reading them would be most of an answer about
    one row. Deep copies and pickles start empty; a shallow copy shares this one.
    """

    def __init__(self) -> None:
        self._made: dict[bool, rf.RBM] = {}
        self._seen: list[tuple[Any, ...]] = []
        self._which: list[int] = []
        self._log_z: float | None = None

    def log_z(self, arrays: Arrays, means: F32 | None) -> float:
        """Log Z of the model of 0/1 units; annealing begins at units with these means."""
        rbm = self.get(arrays, real=False)
        if self._log_z is None:
            self._log_z = log_z(rbm, means)
        return self._log_z

    def get(self, arrays: Arrays, real: bool, look: bool = True) -> rf.RBM:
        """The model of ``(components_, intercept_visible_, intercept_hidden_)``, for such data.

        Without `look` they are what they were.
        """
        which = [*map(id, arrays)]
        if (look or self._which != which) and self._seen != _seen(arrays):
            components, visible, hidden = arrays
            rbm = rf.RBM.from_arrays(np.transpose(components), visible, hidden, visible=unit(real))
            self.remember(rbm, arrays, real)
        self._which = which
        if real not in self._made:
            other = self._made[not real]
            self._made[real] = rf.RBM.from_arrays(other.W, other.a, other.b, visible=unit(real))
        return self._made[real]

    def remember(self, rbm: rf.RBM, arrays: Arrays, real: bool) -> None:
        """Take `rbm` for the model of `arrays` while they stay as they are."""
        self._made, self._seen, self._log_z = {real: rbm}, _seen(arrays), None

    def __reduce__(self) -> tuple[type[Models], tuple[()]]:
        return Models, ()


class Shown:
    """An array of an estimator, whose ``_shown`` remembers that somebody has seen or assigned one.

    They may have written into it; `may_change` says whether they still may.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, estimator: object, owner: type) -> Any:
        if estimator is None or self.name not in estimator.__dict__:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}", name=self.name)
        estimator.__dict__["_shown"] = True
        return estimator.__dict__[self.name]

    def __set__(self, estimator: object, value: Array) -> None:
        estimator.__dict__ |= {self.name: value, "_shown": True}

    def __delete__(self, estimator: object) -> None:
        self.__get__(estimator, type(estimator))  # or its error
        del estimator.__dict__[self.name]


_alone = {"array": np.empty(0)}
REFERENCES = sys.getrefcount(_alone["array"])  # to what nobody but a dictionary refers to


def may_change(arrays: dict[str, Any], names: Sequence[str]) -> bool:
    """Whether somebody else has one of these arrays, or what it is a view of."""
    owned = (getattr(arrays[name], "base", arrays) is None for name in names)
    return not all(owned) or any(sys.getrefcount(arrays[name]) > REFERENCES for name in names)


def log_z(rbm: rf.RBM, means: F32 | None) -> float:
    """Log Z: exact where a layer has few units, else by annealing that begins at units with these means."""
    if can_enumerate(rbm, EXACT_UNITS):
        return rf.log_partition(rbm).value
    settings: dict[str, Any] = {"n_chains": CHAINS, "n_temperatures": TEMPERATURES, "base": means}
    return rf.log_partition(rbm, "ais", seed=0, **settings).value


def _seen(arrays: Arrays) -> list[tuple[Any, ...]]:
    """What is equal for equal arrays."""
    found = map(np.asarray, arrays)
    whole = [array if array.flags.forc else np.ascontiguousarray(array) for array in found]
    return [(a.shape, a.strides, a.dtype, engine.hash_of(a)) for a in whole]


def unit(real: bool) -> rf.Bernoulli:
    """The visible units for such data."""
    return Unbounded() if real else rf.Bernoulli()


def unbounded(rbm: rf.RBM) -> rf.RBM:
    """The same model, to be asked about any real numbers in place of visible states."""
    units: dict[str, Any] = {"visible": Unbounded(), "hidden": rbm.hidden}
    if isinstance(rbm, rf.ClassRBM):
        return rf.ClassRBM.from_arrays(rbm.W, rbm.a, rbm.b, n_classes=rbm.n_classes, **units)
    return rf.RBM.from_arrays(rbm.W, rbm.a, rbm.b, **units)
