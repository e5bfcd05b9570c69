"""Checks of models and of data, for all measures; each error names the argument."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from rbmfast.data import Rows
from rbmfast.models import RBM
from rbmfast.reference import GREY
from rbmfast.units import Unit
from rbmfast.units.base import rows_in_a_scan


class Visible(Protocol):
    """A model with a visible layer."""

    @property
    def visible(self) -> Unit:
        """Unit type of the visible layer."""

    @property
    def n_visible(self) -> int:
        """Number of visible units."""


def check_rbm(rbm: object) -> None:
    """Raise a clear TypeError if `rbm` is not an RBM."""
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm must be an rf.RBM, got {type(rbm).__name__}")


def check_states(X: Any, rbm: Visible, name: str = "X") -> Rows:
    """Rows of visible states. Grey levels are none: they have no probability."""
    rows = rbm.visible.rows(X, rbm.n_visible, name)
    if rows.kind == "grey":
        for first, block in rows.blocks(rows_in_a_scan(rows.n_features)):
            inner = np.argwhere((block > 0) & (block < GREY))
            if len(inner):
                row, column = (int(i) for i in inner[0])
                raise ValueError(
                    f"{name}[{first + row}, {column}] is a grey level, which is no state of "
                    f"{rbm.visible.name} units and has no likelihood: threshold or sample the data"
                )
    return rows
