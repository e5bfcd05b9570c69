"""What the visible units of an estimator are, and what they see of its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.data import Rows, computed_rows
from rbmfast.reference import F32, F64
from rbmfast.sklearn.models import Unbounded, read_rows
from rbmfast.units.base import moments

ROUNDING = 10 * float(np.finfo(np.float32).eps)  # of a mean: a deviation below is none


@dataclass(frozen=True)
class VisibleLayer:
    """A layer of units, chosen for some data.

    Attributes
    ----------
    unit : {"bernoulli", "gaussian"}
        Their type.
    mean, scale : float32 array (n_features,) or None
        Gaussian units, whose variance is 1, see (x - mean) / scale.
    """

    unit: str
    mean: F32 | None = None
    scale: F32 | None = None

    @classmethod
    def of(cls, X: Any, wanted: str, estimator: Any, weights: F64 | None = None) -> tuple[VisibleLayer, Rows]:
        """The layer for the data that an estimator learns from, perhaps weighted; what it sees of them.

        Raises
        ------
        ValueError
            Bernoulli units are wanted, and a value lies outside [0, 1].
        """
        rows = read_rows(X, estimator, real=wanted == "gaussian")
        if rows.kind != "real":
            return cls("bernoulli"), rows
        if wanted == "bernoulli":
            raise ValueError(
                "visible='bernoulli' needs values in [0, 1], and X has others: scale X, or take 'gaussian'"
            )
        layer = cls("gaussian", *_moments(rows, weights))
        return layer, layer._standardized(rows)

    def rows(self, X: Any, estimator: Any) -> Rows:
        """What the layer sees of data; real numbers for Bernoulli units if a value lies outside [0, 1]."""
        rows = read_rows(X, estimator, real=self.unit == "gaussian")
        return rows if self.unit == "bernoulli" else self._standardized(rows)

    def cannot_have(self, rows: Rows) -> bool:
        """Whether these are no states of its units, nor expectations."""
        return self.unit == "bernoulli" and rows.kind == "real"

    def restored(self, V: F32) -> F32:
        """Visible states as the data they stand for."""
        if self.mean is None or self.scale is None:
            return V
        data: F32 = V * self.scale + self.mean
        return data

    def _standardized(self, rows: Rows) -> Rows:
        """Made block by block, so that no container is copied."""
        assert self.mean is not None and self.scale is not None
        mean, scale = self.mean, self.scale

        def compute(index: slice | NDArray[np.intp]) -> F32:
            return np.divide(rows.block(index) - mean, scale, dtype=np.float32)

        return computed_rows((rows.n_rows, rows.n_features), np.dtype(np.float32), compute)


def unbounded(rbm: rf.RBM) -> rf.RBM:
    """The same model, to be asked about any real numbers in place of visible states."""
    if isinstance(rbm, rf.ClassRBM):
        return rf.ClassRBM.from_arrays(rbm.W, rbm.a, rbm.b, n_classes=rbm.n_classes, visible=Unbounded())
    return rf.RBM.from_arrays(rbm.W, rbm.a, rbm.b, visible=Unbounded())


def _moments(rows: Rows, weights: F64 | None) -> tuple[F32, F32]:
    """Means and standard deviations of the features, 1 where all values are the same."""
    mean, deviation = moments(rows, weights)
    scale = np.where(deviation > ROUNDING * np.abs(mean), deviation, 1.0)
    return mean.astype(np.float32), scale.astype(np.float32)
