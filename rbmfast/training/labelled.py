"""Data of a deep belief network: visible states and, for a network with labels, a class for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import refuse_share
from rbmfast.data import Rows, computed_rows
from rbmfast.models import DBN
from rbmfast.models.labels import check_labels
from rbmfast.reference import States
from rbmfast.training.batches import I64


def check_data(dbn: DBN, X: Any, y: Any, x_name: str, y_name: str) -> tuple[Rows, I64 | None]:
    """Rows of visible states, and their classes for a network with labels."""
    rows = dbn.visible.rows(X, dbn.n_visible, x_name)
    if dbn.n_classes is None:
        if y is not None:
            raise ValueError(f"{y_name} needs a network with labels: n_classes was not given")
        return rows, None
    if y is None:
        raise ValueError(f"{y_name} must be given: the network has {dbn.n_classes} classes")
    return rows, check_labels(y, rows.n_rows, dbn.n_classes, y_name)


def repeated(state: States, n_rows: int) -> Rows:
    """Rows that are all the same: data of a kind that is not there yet, to check settings with."""
    shape = n_rows, state.shape[1]

    def compute(index: slice | NDArray[np.intp]) -> States:
        n = len(range(*index.indices(n_rows))) if isinstance(index, slice) else len(index)
        return np.broadcast_to(state, (n, shape[1]))

    return computed_rows(shape, state.dtype, compute)


def check_validation(dbn: DBN, validation: Any) -> tuple[Rows, I64 | None]:
    """The same of validation data: rows, or a pair (X, y) for a network with labels."""
    refuse_share(validation, labels=dbn.n_classes is not None)
    if dbn.n_classes is None:
        return check_data(dbn, validation, None, "validation", "y of validation")
    if not isinstance(validation, tuple) or len(validation) != 2:
        raise TypeError(
            f"validation must be a pair (X, y) for a network with labels, got {type(validation).__name__}"
        )
    return check_data(dbn, *validation, "X of validation", "y of validation")
