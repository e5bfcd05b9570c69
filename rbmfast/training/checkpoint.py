"""A saved run, to be taken up again as if it had never stopped."""

from __future__ import annotations

from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import check_integer
from rbmfast.files import FileFormatError, entry
from rbmfast.saved import SavedRun

DATA = ("X", "y", "sample_weight", "validation", "y of validation")  # their digests tell a reader nothing


class Checkpoint(SavedRun):
    """A checkpoint of `train`, `up_down` or `fine_tune`; `kind` is the run's `Run.kind`.

    Attributes
    ----------
    epoch : int
        Epochs completed.
    stopped : str or None
        Why the run ended early, if it did.
    """

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(path, kind)
        with self.blamed():
            self.epoch = check_integer(entry(self.meta, "epoch", int), "epoch", low=0)
            self.stopped = entry(self.meta, "stopped", str, NoneType)

    def array(self, name: str, like: NDArray[Any], missing: bool = False) -> NDArray[Any]:
        """One of its arrays, which must be of the same form as another; NaN if numbers may be missing."""
        array = self.arrays.get(name)
        if array is None or array.shape != like.shape or array.dtype != like.dtype:
            raise FileFormatError(f"{self.path!r} lacks a proper array {name!r}")
        if np.isnan(array).any() and not missing:
            raise FileFormatError(f"{self.path!r} holds NaN in the array {name!r}")
        return array

    def difference(self, name: str, before: Any, value: Any) -> str:
        if name == "epochs":
            return f"epochs is {value}, but was {before}, which schedules go by (constant rates may go on),"
        if name not in DATA:
            return super().difference(name, before, value)
        if before is None:
            return f"{name} is given, but was not"
        return f"{name} is not given, but was" if value is None else f"{name} is other data than"
