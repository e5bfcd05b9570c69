"""Pseudo-likelihood: how well every visible unit is predicted by all the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_model, check_seed
from rbmfast.likelihood.exact import rows_at_once
from rbmfast.models import RBM
from rbmfast.reference import F64, States
from rbmfast.states import as_float
from rbmfast.streams import shuffled


def pseudo_likelihood(rbm: RBM, X: Any, units: int | ArrayLike | None = None, seed: SeedLike = None) -> F64:
    """Log pseudo-likelihoods, sum over visible units i of log p(v_i | all other visible units), row by row.

    Needs no partition function. Exact over all units by default, at the cost of n_visible passes over the
    hidden layer; the same bits on every machine.

    Parameters
    ----------
    rbm : RBM
        A model with Bernoulli visible units.
    X : (n_rows, n_visible)
        Visible states. A grey level g counts as its share of both: g log p(1 | ...) + (1 - g) log p(0 | ...).
    units : int or int array, optional
        Which units to sum over; an int for so many chosen at random (the same for all rows). The sum over
        them is scaled by n_visible / len(units), so that it estimates the whole.
    seed : int, Generator or None
        Of that choice.

    Returns
    -------
    float64 array (n_rows,)
        Nats. Divide by n_visible for a number per unit.

    Raises
    ------
    TypeError, ValueError
        Bad data or arguments, or other visible units.

    References
    ----------
    Besag, "Statistical analysis of non-lattice data", The Statistician 24 (1975), 179.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> rf.pseudo_likelihood(rbm, [[0, 0], [1, 0]]).round(4)
    array([-1.7452, -1.1584])
    """
    check_model(rbm, RBM, "rbm")
    if not rbm.visible.are_switches:
        raise ValueError(f"rbm must have Bernoulli visible units for this, got {rbm.visible.name} units")
    rows = rbm.visible.rows(X, rbm.n_visible, "X", compact=True)
    chosen = _choose(units, rbm.n_visible, seed)
    result = np.empty(rows.n_rows)
    for first, v in rows.blocks(rows_at_once(rbm)):
        result[first : first + len(v)] = _sum_over_units(rbm, v, chosen)
    return result * (rbm.n_visible / len(chosen))


def _sum_over_units(rbm: RBM, v: States, units: NDArray[np.int64]) -> F64:
    """Sum of log p(v_i | others) over some units: what one state costs more than the other in free energy."""
    p = rbm._parameters
    W, a, b = p.W, p.a, p.b
    x = rbm._up.input(v)
    here = rbm.hidden.log_normalizer(x, b)
    total = np.zeros(len(v))
    for i in units:
        level = as_float(v[:, i])
        if v.dtype == np.uint8:  # flip unit i
            sign = np.float32(1) - 2 * level
            there = rbm.hidden.log_normalizer(x + sign[:, None] * W[i], b)
            total -= engine.softplus((sign * a[i] + (there - here)).astype(np.float32))
        else:  # turn unit i fully on and fully off
            on = rbm.hidden.log_normalizer(x + (np.float32(1) - level)[:, None] * W[i], b)
            off = rbm.hidden.log_normalizer(x - level[:, None] * W[i], b)
            gain = (a[i] + (on - off)).astype(np.float32)
            total -= level * engine.softplus(-gain) + (1 - level) * engine.softplus(gain)
    return total


def _choose(units: int | ArrayLike | None, n_visible: int, seed: SeedLike) -> NDArray[np.int64]:
    if units is None:
        return np.arange(n_visible)
    index = np.asarray(units)
    if index.ndim == 0:
        n = check_integer(units, "units", low=1, high=n_visible)
        return np.sort(shuffled(n_visible, check_seed(seed))[:n])
    if index.ndim != 1 or index.size == 0 or index.dtype.kind not in "iu":
        raise TypeError(f"units must be an integer or a 1-D array of unit numbers, got {units!r}")
    if index.min() < 0 or index.max() >= n_visible:
        raise ValueError(f"units must lie from 0 to {n_visible - 1}, got {index.min()} to {index.max()}")
    return index.astype(np.int64)
