"""Probabilities, moments and the gradient of small models, by enumerating one layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rbmfast.checks import check_model
from rbmfast.data import Rows
from rbmfast.likelihood.enumeration import Blocks, layer_to_enumerate, log_sum_exp, visible_layer
from rbmfast.models import RBM
from rbmfast.reference import U8, States
from rbmfast.units.base import F64

MAX_LISTED_UNITS = 20  # where every state gets a number of its own
BLOCK_NUMBERS = 1 << 20  # worked on at once: calls long enough to share out, a block that fits a cache


def log_probabilities(rbm: RBM) -> F64:
    """Log p(v) of every visible state, in the order of `all_states`.

    Parameters
    ----------
    rbm : RBM
        A model with at most 20 visible units with 0/1 states.

    Returns
    -------
    float64 array (2**n_visible,)
        Nats; float64 throughout.

    Raises
    ------
    TypeError, ValueError
        Another model.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood import log_probabilities
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> np.exp(log_probabilities(rbm)).round(3)  # of 00, 01, 10, 11
    array([0.174, 0.182, 0.314, 0.329])
    """
    check_model(rbm, RBM, "rbm")
    layer = visible_layer(rbm)
    if layer.n_states is None or layer.n_states > 2**MAX_LISTED_UNITS:
        raise ValueError(
            f"rbm must have at most {MAX_LISTED_UNITS} visible units with 0/1 states, "
            f"got {rbm.n_visible} {rbm.visible.name} units"
        )
    log_weights = np.concatenate([*Blocks(layer).log_weights()])
    return log_weights - log_sum_exp(log_weights)


# --- Moments -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moments:
    """Means of the units and of their products.

    Attributes
    ----------
    visible : float64 array (n_visible,)
        Means of v_i.
    hidden : float64 array (n_hidden,)
        Means of h_j.
    pairs : float64 array (n_visible, n_hidden)
        Means of v_i h_j.
    """

    visible: F64
    hidden: F64
    pairs: F64


@dataclass(frozen=True)
class ExactGradient:
    """The slope of the mean log-likelihood along each parameter, in nats per row and unit of the parameter.

    The float64 sibling of `rbmfast.state.Gradient`, which is what training moves along.

    Attributes
    ----------
    W : float64 array (n_visible, n_hidden)
        Along the weights.
    a : float64 array (n_visible,)
        Along the visible biases.
    b : float64 array (n_hidden,)
        Along the hidden biases.
    """

    W: F64
    a: F64
    b: F64


def exact_moments(rbm: RBM) -> Moments:
    """Means of v_i, h_j and v_i h_j under the model.

    Every state of the smaller layer is visited; given it, the other layer's means are known. Weights and sums
    are float64: the fixed-point weights of the sampler play no part.

    Parameters
    ----------
    rbm : RBM
        A model with Bernoulli units, at most 25 in the smaller layer.

    Returns
    -------
    Moments
        Good to about 12 digits, the last of which may differ between machines.

    Raises
    ------
    TypeError
        `rbm` is not an RBM.
    ValueError
        Other units, or no layer that is small enough; the message says what enumerating would take.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood import exact_moments
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> moments = exact_moments(rbm)
    >>> moments.visible.round(4)
    array([0.6433, 0.5114])
    >>> moments.pairs.round(4)
    array([[0.4148, 0.4434],
           [0.296 , 0.3624]])
    """
    _check_units(rbm)
    layer = layer_to_enumerate(rbm, "the exact moments")
    sums = _model_sums(Blocks(layer))
    return _moments(rbm, sums if layer.name == "visible" else sums.T)


def exact_gradient(rbm: RBM, X: Any) -> ExactGradient:
    """The gradient of the mean log-likelihood of rows of data: moments under the data minus `exact_moments`.

    This is what contrastive divergence and its relatives estimate. Under the data the hidden units have their
    conditional means, given each row.

    Parameters
    ----------
    rbm : RBM
        A model with Bernoulli units, at most 25 in the smaller layer.
    X : (n_rows, n_visible)
        Visible states. Grey levels are refused, as by `log_likelihood`.

    Returns
    -------
    ExactGradient
        Good to about 12 digits (of the moments that are subtracted), the last of which may differ between
        machines.

    Raises
    ------
    TypeError, ValueError
        Bad data; other units, or no layer that is small enough: the message says what enumerating would take.

    References
    ----------
    Fischer & Igel, "Training restricted Boltzmann machines: an introduction", Pattern Recognition 47 (2014),
    25.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood import exact_gradient
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> exact_gradient(rbm, [[0, 0], [1, 0]]).a.round(4)
    array([-0.1433, -0.5114])
    """
    _check_units(rbm)
    rows = rbm.visible.rows_of_states(X, rbm.n_visible)
    model, data = exact_moments(rbm), _moments(rbm, _data_sums(rbm, rows))
    return ExactGradient(
        W=data.pairs - model.pairs, a=data.visible - model.visible, b=data.hidden - model.hidden
    )


def _check_units(rbm: RBM) -> None:
    check_model(rbm, RBM, "rbm")
    if not rbm._up.between_switches:
        raise ValueError(
            "rbm must have Bernoulli units in both layers for this, "
            f"got {rbm.visible.name} visible and {rbm.hidden.name} hidden units"
        )


def _model_sums(blocks: Blocks) -> F64:
    """Sums over a layer's states, times a constant: of 1, the means of the other layer, and their products.

    The first row and the first column belong to 1: (1 + units, 1 + other units).
    """
    n, n_other = blocks.layer.W.shape
    low = _with_one(blocks.low)
    sums, scale = np.zeros((1 + n, 1 + n_other)), -math.inf
    for number, (x, energy) in enumerate(blocks.inputs()):
        log_weights = blocks.layer.sum_out(x, energy)
        top = float(log_weights.max())
        if top > scale:
            sums *= math.exp(scale - top)
            scale = top
        weighted = low * np.exp(log_weights - scale)[:, None]
        part = weighted.T @ _with_one(_sigmoid(x))
        high = np.append(1.0, blocks.high_state(number))
        sums[: len(high)] += high[:, None] * part[0]
        sums[len(high) :] += part[1:]
    return sums


def _data_sums(rbm: RBM, rows: Rows) -> F64:
    """The same over rows of visible states: (1 + n_visible, 1 + n_hidden)."""
    layer = visible_layer(rbm)
    sums = np.zeros((1 + rbm.n_visible, 1 + rbm.n_hidden))
    for v in blocks_of_states(rows, rbm):
        sums += _with_one(v).T @ _with_one(_sigmoid(layer.input(v)))
    return sums


def _moments(rbm: RBM, sums: F64) -> Moments:
    means = sums / sums[0, 0]
    v, h, pairs = means[1:, 0], means[0, 1:], means[1:, 1:]
    to_show = rbm._parameters.parametrization
    return Moments(v, h, pairs) if to_show is None else Moments(*to_show.moments(v, h, pairs))


def blocks_of_states(rows: Rows, rbm: RBM) -> Iterator[U8]:
    """Rows of 0/1 states, in blocks of uint8."""
    for _, block in rows.blocks(rows_at_once(rbm)):
        yield np.not_equal(block, 0).view(np.uint8)


def rows_at_once(rbm: RBM) -> int:
    """Rows of data to work on at once: a bounded number of numbers."""
    return max(1, BLOCK_NUMBERS // (rbm.n_visible + rbm.n_hidden))


def _with_one(x: States) -> F64:
    """A column of ones in front: products of such matrices hold the sums of each beside those of pairs."""
    return np.hstack([np.ones((len(x), 1)), x])


def _sigmoid(x: F64) -> F64:
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is the right answer
        return 1.0 / (1.0 + np.exp(-x))
