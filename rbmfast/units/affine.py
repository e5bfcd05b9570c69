"""States as users see them, and those that the library computes with: an affine map of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.data import Grey8, Packed, Rows, as_rows, is_sparse
from rbmfast.reference import F32, F64, States
from rbmfast.states import without_levels

ROUNDING = 1e-6  # of data that have been scaled


@dataclass(frozen=True, eq=False)
class Affine:
    """A state s is shown as ``offset + scale * s``, a mean of states likewise; unit by unit of a layer.

    Attributes
    ----------
    offset, scale : float64 array (n_units,)
        0 and 1 for units that are shown as they are.
    weight, bias, origin : float64 array (n_units,)
        Of the parameters for states as shown: a row of weights times `weight`, and a bias less `origin` times
        `bias`, are those for the states computed with. Of two states ``scale``, ``scale`` and 0.
    sent : float64 array (n_units,)
        What goes through the weights for shown states from a unit whose state is 0. Of two states `offset`.
    real : bool array (n_units,)
        Units with real states, over which integrals are taken.
    """

    offset: F64
    scale: F64
    weight: F64
    bias: F64
    origin: F64
    sent: F64
    real: NDArray[np.bool_]

    @classmethod
    def of_two_states(cls, off: float, on: float, n_units: int) -> Affine:
        """Of units whose states 0 and 1 are shown as integers, so that states are shown exactly."""
        offset, scale, zero = (np.full(n_units, float(x)) for x in (off, on - off, 0))
        return cls(offset, scale, scale, scale, zero, offset, np.zeros(n_units, np.bool_))

    @classmethod
    def of_normal(cls, mean: F64, deviation: F64, relative: F64) -> Affine:
        """Of normal units that are computed with as multiples of `deviation` from `mean`, in float64.

        Their own is `relative` times that, and their energy ``(s - a)**2 / 2 sigma**2 - (s / sigma) W h``.
        """
        sigma = deviation * relative
        bias, real = 1 / (sigma * relative), np.ones(len(mean), np.bool_)
        return cls(mean, deviation, 1 / relative, bias, mean, mean / sigma, real)

    @classmethod
    def joined(cls, maps: Sequence[Affine]) -> Affine:
        """The map of several blocks side by side."""
        return cls(*(np.concatenate([getattr(one, f.name) for one in maps]) for f in fields(cls)))

    @property
    def log_volumes(self) -> F64:
        """What the logarithm of an integral over a unit's states as shown has more: (n_units,)."""
        volumes: F64 = np.where(self.real, np.log(np.abs(self.scale)), 0.0)
        return volumes

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which units are shown otherwise than as they are: (n_units,)."""
        moves: NDArray[np.bool_] = (self.offset != 0) | (self.scale != 1)
        return moves

    def shown(self, states: States) -> States:
        """States or means (n_rows, n_units) as users see them: int8, or float32 for numbers in between."""
        dtype = np.int8 if states.dtype == np.uint8 and not self.real.any() else np.float32
        return (self.offset + self.scale * without_levels(states)).astype(dtype)

    def unshown(self, numbers: NDArray[Any]) -> F32:
        """The states or means that are shown by these numbers."""
        states: F32 = ((numbers - self.offset) / self.scale).astype(np.float32)
        return states

    def data(self, X: Any, name: str) -> Any:
        """Data of states from data as users see them; what is on or off in a container of bits is a state.

        Raises
        ------
        TypeError, ValueError
            Bad data; the message names the first number that shows neither a state nor a mean of states.
        """
        of_bits = not self.real.any()
        if isinstance(X, Rows) or (of_bits and isinstance(X, (Grey8, Packed))):
            return X
        shown = as_rows(X, len(self.scale), domain="real", name=name)
        given = X if is_sparse(X) else np.asarray(X)
        if given.dtype == np.bool_ and of_bits:
            return X
        states = np.empty((shown.n_rows, shown.n_features), np.uint8)
        for first, block in shown.blocks():
            found = self.unshown(block)
            self._check(block, found, first, given.dtype.kind != "f", name)
            if states.dtype == np.uint8 and not ((found == 0) | (found == 1)).all():
                states = states.astype(np.float32)
            states[first : first + len(block)] = found
        return states

    def _check(self, shown: F32, states: F32, first_row: int, whole: bool, name: str) -> None:
        allowed = (states == 0) | (states == 1) if whole else np.abs(states - 0.5) <= 0.5 + ROUNDING
        wrong = np.argwhere(self.moves & ~self.real & ~allowed)
        if not len(wrong):
            return
        row, unit = (int(i) for i in wrong[0])
        low, high = self.offset[unit], self.offset[unit] + self.scale[unit]
        between = " (bool arrays mean off and on)" if whole else ", or numbers between for means of them"
        raise ValueError(
            f"{name}[{first_row + row}, {unit}] is {shown[row, unit]:g}, but these units have states "
            f"{low:g} and {high:g}{between}"
        )


def of_all(maps: Sequence[Affine | None], sizes: Sequence[int]) -> list[Affine] | None:
    """The maps of several layers, those shown as they are among them; None if that is all of them."""
    if not any(maps):
        return None
    pairs = zip(maps, sizes, strict=True)
    return [Affine.of_two_states(0, 1, n) if x is None else x for x, n in pairs]
