"""States as users see them, and the 0/1 states that the engine computes with: an affine map of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.data import Grey8, Packed, Rows, as_rows, is_sparse
from rbmfast.reference import F32, F64, States
from rbmfast.states import without_levels

ROUNDING = 1e-6  # of data that have been scaled


@dataclass(frozen=True, eq=False)
class Affine:
    """A state s is shown as ``offset + scale * s``, a mean of states likewise; unit by unit of a layer."""

    offset: F64  # (n_units,), as scale: 0 and 1 for units that are shown as they are; else integers, so that
    scale: F64  # states are shown exactly

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which units are shown otherwise than as they are: (n_units,)."""
        moves: NDArray[np.bool_] = (self.offset != 0) | (self.scale != 1)
        return moves

    def shown(self, states: States) -> States:
        """States or means (n_rows, n_units) as users see them: int8, or float32 for numbers in between."""
        dtype = np.int8 if states.dtype == np.uint8 else np.float32
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
        if isinstance(X, (Rows, Grey8, Packed)):
            return X
        shown = as_rows(X, len(self.scale), domain="real", name=name)
        given = X if is_sparse(X) else np.asarray(X)
        if given.dtype == np.bool_:
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
        wrong = np.argwhere(self.moves & ~allowed)
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
    return [Affine(np.zeros(n), np.ones(n)) if x is None else x for x, n in zip(maps, sizes, strict=True)]
