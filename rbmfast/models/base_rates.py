"""Where a path of models begins: the independent units at beta = 0."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from rbmfast.data import Grey8, Packed, Rows
from rbmfast.models.boltzmann import BoltzmannMachine
from rbmfast.models.parameters import check_parameter
from rbmfast.models.path import Path
from rbmfast.models.two_layers import TwoLayers
from rbmfast.reference import F32
from rbmfast.runtime import warn
from rbmfast.units import Unit

ALLOWED = "None, rates (n_visible,), rows of data (n_rows, n_visible), or 'uniform'"


def base_bias(rbm: TwoLayers | BoltzmannMachine, base: Any = None) -> F32:
    """The visible bias at beta = 0. Independent units with the means of the data are a good start.

    Parameters
    ----------
    rbm : RBM
        The model at beta = 1.
    base : optional
        Where the means come from:

        - None: those of the training data, which the model keeps; one that knows none gives its own visible
          bias, as if nothing were connected.
        - rates (n_visible,): the means themselves, from 0 to 1 for 0/1 units.
        - rows of data (n_rows, n_visible), in any container.
        - "uniform": a bias of 0. Known to mislead: it warns.

    Returns
    -------
    float32 array (n_visible,)

    Raises
    ------
    TypeError, ValueError
        Something else.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast.models.base_rates import base_bias
    >>> rbm = rf.RBM(2, 1, seed=0)
    >>> base_bias(rbm, [0.5, 0.75]).round(3)
    array([0.   , 1.099], dtype=float32)
    >>> base_bias(rbm, [[0, 0], [0, 1]]).round(3)               # one row of ones and one of zeros added
    array([-1.099,  0.   ], dtype=float32)
    """
    n_visible, own = rbm.n_visible, rbm._parameters
    if base is None:
        return bias_of(rbm.visible, own.a, own.visible_means)
    if isinstance(base, str):
        if base != "uniform":
            raise ValueError(f"base must be {ALLOWED}; got {base!r}")
        warn(
            "base='uniform' starts far from most models: partition functions estimated from there are known "
            "to be tens of nats off, and to look certain. Better give rates or data"
        )
        return np.zeros(n_visible, np.float32)
    if isinstance(base, (Grey8, Packed, Rows)) or hasattr(base, "tocsr") or np.ndim(base) == 2:
        return rbm.visible.initial_bias(rbm.visible.rows(base, n_visible, "base"))[0]
    rates = rbm.visible.unshown(check_parameter(base, "base", (n_visible,)))
    rbm.visible.check_means(rates, "base")
    return rbm.visible.bias_from_means(rates)


def bias_of(unit: Unit, a: F32, means: F32 | None) -> F32:
    """The rule for ``base=None``: the bias that belongs to the means if they are known, or the model's."""
    return a.copy() if means is None else unit.bias_from_means(means)


@singledispatch
def make_path(rbm: Any, base: Any = None) -> Any:
    """The path from independent units with these means (see `base_bias`) to the model as it stands."""
    return Path(rbm._up, rbm._down, base_bias(rbm, base))
