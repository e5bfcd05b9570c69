"""Data with missing entries, and models that fill them in."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.data import Grey8, Packed, Rows, is_masked
from rbmfast.models.base import Model, known_as
from rbmfast.reference import F32, States
from rbmfast.states import as_float
from rbmfast.streams import MAX_STEP, check_first_row
from rbmfast.units import Unit


@known_as("model")
class Imputing(Model):
    """A model that can say what is missing, given what is known."""

    def impute(
        self,
        V: Any,
        mask: ArrayLike | None = None,
        steps: int = 100,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        average: bool = False,
    ) -> F32:
        """Fill in missing entries, by Gibbs sampling with the known ones held fixed.

        The missing units of a row start as draws from their biases alone; a row without missing entries comes
        back as it is. A group of categorical units in which one is missing is missing as a whole.

        In a deep belief network a step is a sweep: every layer is drawn upwards, then the top RBM takes a
        Gibbs step, then every layer is drawn downwards. With more than one RBM that is **approximate**: the
        way up, by the recognition weights, is not the model's exact distribution of the hidden units.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states. In a float array NaN marks what is missing.
        mask : bool array (n_rows, n_visible), optional
            True marks what is missing as well, whatever stands there in an array.
        steps : int, default 100
            Gibbs steps or sweeps, at least 1.
        seed : int, Generator or None
            See the notes of `rbmfast.RBM`.
        first_row : int, default 0
            Number of the first row of `V` in a larger whole.
        average : bool, default False
            False fills in states: a sample of what could have been there. True fills in the visible
            probabilities averaged over the second half of the steps: an estimate of the expectation, best for
            a point prediction.

        Returns
        -------
        float32 array (n_rows, n_visible)
            A new array; known entries are as given, rounded to float32.

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[9.0], [9.0]], a=[-4.5, -4.5], b=[-9.0])  # two units that agree
        >>> rbm.impute([[1, np.nan], [np.nan, 0]], seed=2)
        array([[1., 1.],
               [0., 0.]], dtype=float32)
        """
        off = self.visible.shown(np.zeros((1, self.n_visible), np.uint8))[0]
        filled, gaps = split_missing(V, mask, off)
        rows = self.visible.rows(filled, self.n_visible, "V", compact=True, check=False)
        known = known_values(filled, rows, self.visible)
        missing = self.visible.whole(check_mask(gaps, known.shape))
        self.visible.check_states(rows, "V", missing)
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2 - 1)
        row = check_first_row(first_row, rows.n_rows)
        key = check_seed(seed)

        incomplete = np.flatnonzero(missing.any(axis=1))
        for first, end in self._spans(len(incomplete)):
            here = incomplete[first:end]
            gaps = missing[here]
            fill = self._fill_in(rows.block(here), gaps, steps, key, row + here, average)
            known[here] = np.where(gaps, self.visible.shown(fill), known[here])
        return known

    @abstractmethod
    def _fill_in(
        self,
        v: States,
        missing: NDArray[np.bool_],
        steps: int,
        seed: int,
        rows: NDArray[np.int64],
        average: bool,
    ) -> NDArray[Any]:
        """Numbers for the missing entries of a block (others are not to be used)."""


def split_missing(V: Any, mask: ArrayLike | None, off: States) -> tuple[Any, NDArray[np.bool_] | None]:
    """Data with the states `off` in place of what is missing, and where that is (None: nowhere)."""
    missing = None if mask is None else np.asarray(mask)
    if missing is not None and missing.dtype != np.bool_:
        raise TypeError(f"mask must be a bool array, True where V is missing, got dtype {missing.dtype}")
    if isinstance(V, (Grey8, Packed, Rows)) or is_masked(V) or hasattr(V, "tocsr"):
        return V, missing  # no NaN in there (masked arrays are refused like everywhere)
    V = np.asarray(V)
    if V.dtype.kind == "f" and V.ndim == 2:
        nan = np.isnan(V)
        missing = nan if missing is None else check_mask(missing, V.shape) | nan
    if missing is not None:
        fill = np.zeros_like(off) if V.dtype == np.bool_ else off.astype(V.dtype)
        V = np.where(check_mask(missing, V.shape), np.resize(fill, V.shape[1:]), V)  # of any width yet
    return V, missing


def check_mask(missing: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """`missing`, with the shape it must have; None is nothing missing."""
    if missing is None:
        return np.zeros(shape, np.bool_)
    if missing.shape != shape:
        raise ValueError(f"mask must have the shape {shape} of V, got {missing.shape}")
    return missing


def known_values(filled: Any, rows: Rows, unit: Unit) -> F32:
    """The data as new float32 numbers."""
    if isinstance(filled, np.ndarray) and filled.dtype != np.bool_:
        return filled.astype(np.float32)
    shown = unit.shown(rows.all())
    return as_float(shown, out=np.empty(shown.shape, np.float32))
