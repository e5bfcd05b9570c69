"""Probabilities, moments, the gradient and divergences of small models, by enumerating one layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlogy

from rbmfast import _engine as engine
from rbmfast.checks import check_model
from rbmfast.data import Rows
from rbmfast.likelihood.enumeration import (
    MAX_UNITS_NUMPY,
    Blocks,
    Layer,
    exact_log_z,
    is_normal,
    layer_to_enumerate,
    normal_moments,
    visible_layer,
)
from rbmfast.models import RBM, BoltzmannMachine
from rbmfast.models.parameters import of_units
from rbmfast.reference import F64, States

MAX_LISTED_UNITS = 20  # where every state gets a number of its own
TOLERANCE = 1e-6  # of a sum of probabilities: some come in float32
BLOCK_NUMBERS = 1 << 20  # worked on at once: calls long enough to share out, a block that fits a cache


def log_probabilities(rbm: RBM) -> F64:
    """Log p(v) of every visible state, in the order of `all_states`.

    Parameters
    ----------
    rbm : RBM
        A model with at most 2**20 visible states.

    Returns
    -------
    float64 array (n_states,)
        Of 2**n_visible states for Bernoulli units. Nats; float64 throughout.

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
            f"rbm must have at most 2**{MAX_LISTED_UNITS} visible states, "
            f"got {rbm.n_visible} {rbm.visible.name} units"
        )
    log_weights = np.concatenate([*Blocks(layer).log_weights()])
    return log_weights - engine.log_sum_exp(log_weights)


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
    layers : dict of str to float64 array
        Along what the layers learn beside their biases, by the names of `RBM.parameters`; W, a and b here
        those for states as multiples of sigma, as training takes its steps.
    """

    W: F64
    a: F64
    b: F64
    layers: dict[str, F64]


def exact_moments(rbm: RBM) -> Moments:
    """Means of v_i, h_j and v_i h_j under the model.

    Every state of the smaller layer is visited, in float64; given it, the other layer's means are known.
    Gaussian units in both layers are one normal distribution, of any size.

    Parameters
    ----------
    rbm : RBM
        A model with a layer whose states can be counted, of at most as many as 25 Bernoulli units have; or
        with Gaussian units in both layers.

    Returns
    -------
    Moments
        Good to about 12 digits, the last of which may differ between machines; to 7 where the other layer has
        units whose means are known in float32 alone.

    Raises
    ------
    TypeError, ValueError
        No layer that is small enough: the message says what enumerating would take.

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
    check_model(rbm, RBM, "rbm")
    means, to_show = _model_means(rbm), rbm._parameters.parametrization
    v, h, pairs = means[1:, 0], means[0, 1:], means[1:, 1:]
    return Moments(v, h, pairs) if to_show is None else Moments(*to_show.moments(v, h, pairs))


def exact_gradient(rbm: RBM, X: Any) -> ExactGradient:
    """The gradient of the mean log-likelihood of rows of data: moments under the data minus `exact_moments`.

    This is what contrastive divergence and its relatives estimate. Under the data the hidden units have their
    conditional means, given each row.

    Parameters
    ----------
    rbm : RBM
        A model as for `exact_moments`.
    X : (n_rows, n_visible)
        Visible states. Grey levels are refused, as by `log_likelihood`.

    Returns
    -------
    ExactGradient
        As good as the moments that are subtracted.

    Raises
    ------
    TypeError, ValueError
        Bad data, or no layer that is small enough: the message says what enumerating would take.

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
    check_model(rbm, RBM, "rbm")
    rows = rbm.visible.rows_of_states(X, rbm.n_visible)
    sums, to_show = _data_sums(rbm, rows), rbm._parameters.parametrization
    slopes = sums / sums[0, 0] - _model_means(rbm)
    W, a = slopes[1:, 1:], slopes[1:, 0]
    b = rbm.visible.bias_gradient(W, slopes[0, 1:])
    if to_show is not None:
        W, a, b = to_show.gradient(W, a, b)
    return ExactGradient(W, a, b, _layer_slopes(rbm, rows) if of_units(rbm._parameters.units) else {})


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
        part = weighted.T @ _with_one(blocks.layer.other.mean_float64(x))
        high = np.append(1.0, blocks.high_state(number))
        sums[: len(high)] += high[:, None] * part[0]
        sums[len(high) :] += part[1:]
    return sums


def _data_sums(rbm: RBM, rows: Rows) -> F64:
    """The same over rows of visible states: (1 + n_visible, 1 + n_hidden)."""
    layer = visible_layer(rbm)
    sums = np.zeros((1 + rbm.n_visible, 1 + rbm.n_hidden))
    for v in blocks_of_states(rows, rbm):
        sums += _with_one(v).T @ _with_one(rbm.hidden.mean_float64(layer.input(v)))
    return sums


def _layer_slopes(rbm: RBM, rows: Rows) -> dict[str, F64]:
    """The same along what the layers learn beside their biases."""
    data = ((v, np.full(len(v), 1 / rows.n_rows)) for v in blocks_of_states(rows, rbm))
    layer = layer_to_enumerate(rbm, "the exact gradient", by_numpy=True)
    blocks, log_z = Blocks(layer), exact_log_z(rbm)
    model = (
        (blocks.states(i), np.exp(log_weights - log_z)) for i, log_weights in enumerate(blocks.log_weights())
    )
    seen, expected = _mean_slopes(visible_layer(rbm), data), _mean_slopes(layer, model)
    return {name: mean - expected[name] for name, mean in seen.items()}


def _mean_slopes(layer: Layer, weighted: Iterable[tuple[States, F64]]) -> dict[str, F64]:
    """Weighted sums over states of a layer, the other layer's mean."""
    total: dict[str, F64] = {}
    other = "hidden" if layer.name == "visible" else "visible"
    bias = layer.other_bias.astype(np.float32)
    for states, weights in weighted:
        own = layer.unit.parameter_gradient(states, layer.bias)
        others = layer.other.mean_parameter_gradient(layer.input(states).astype(np.float32), bias)
        found = {f"{layer.name}.{name}": each for name, each in own.items()}
        found |= {f"{other}.{name}": each for name, each in others.items()}
        total = {name: total.get(name, 0.0) + weights @ each for name, each in found.items()}
    return total


def _normal_sums(rbm: RBM) -> F64:
    """`_model_sums` of Gaussian units, of which the visible ones come first."""
    mean, covariance = normal_moments(rbm)
    n = rbm.n_visible
    sums = np.outer(np.append(1, mean[:n]), np.append(1, mean[n:]))
    sums[1:, 1:] += covariance[:n, n:]
    return sums


def _model_means(rbm: RBM) -> F64:
    """Means of 1, the hidden units (a row), the visible units (a column) and their products."""
    if is_normal(rbm):
        return _normal_sums(rbm)
    layer = layer_to_enumerate(rbm, "the exact moments", by_numpy=True)
    sums = _model_sums(Blocks(layer))
    means: F64 = (sums if layer.name == "visible" else sums.T) / sums[0, 0]
    return means


def blocks_of_states(rows: Rows, rbm: RBM) -> Iterator[States]:
    """Rows of states without grey levels, in blocks: 0 and 1 in uint8, others in float32."""
    for _, block in rows.blocks(rows_at_once(rbm)):
        yield block if block.dtype == np.float32 else np.not_equal(block, 0).view(np.uint8)


def rows_at_once(rbm: RBM | BoltzmannMachine) -> int:
    """Rows of data to work on at once: a bounded number of numbers."""
    return max(1, BLOCK_NUMBERS // (rbm.n_visible + rbm.n_hidden))


def _with_one(x: States) -> F64:
    """A column of ones in front: products of such matrices hold the sums of each beside those of pairs."""
    return np.hstack([np.ones((len(x), 1)), x])


# --- Divergence ------------------------------------------------------------------------------------------


def kl_divergence(data: Any, rbm: RBM) -> float:
    """Kullback-Leibler divergence KL(p_data || p_model) of a distribution from the model.

    The mean under the data of log p_data(v) - log p_model(v): 0 where the two are the same, and never
    infinite, for under a Boltzmann machine every state has a positive probability. What separates it from the
    mean log-likelihood is the entropy of the data alone,

        KL = sum_v p_data(v) log p_data(v) - sum_v p_data(v) log p_model(v) = -entropy - mean log-likelihood,

    so it ranks models as the likelihood does. n rows have an entropy of log n at most: as a sample from a
    larger world they make every model look further away than it is.

    Parameters
    ----------
    data : rows of states, tuple (states, probabilities), or vector of probabilities
        The distribution. Rows (n_rows, n_visible) in any container count once each; with a tuple, each as its
        probability says, those of equal rows added up. A vector (2**n_visible,) has the probabilities of all
        states in the order of `all_states`. Probabilities must add up to 1 within 1e-6, and are divided by
        their sum. Grey levels are refused, as by `log_likelihood`.
    rbm : RBM
        A model whose visible states can be counted, with a layer of at most as many as 28 Bernoulli units
        have (25 beside a layer of other units than 0/1 ones, spins and categories).

    Returns
    -------
    float
        Nats, at least 0 up to rounding: log Z is exact and all terms are float64.

    Raises
    ------
    TypeError, ValueError
        Bad data; other units, or no layer that is small enough: the message says what enumerating would take.

    References
    ----------
    Kullback & Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22 (1951), 79.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood import kl_divergence
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> round(kl_divergence([[0, 0], [1, 0]], rbm), 4)
    0.7589
    >>> round(kl_divergence([0.25, 0.25, 0.25, 0.25], rbm), 4)
    0.0431
    """
    check_model(rbm, RBM, "rbm")
    if rbm.visible.count_states(rbm.n_visible) is None:
        raise ValueError(f"rbm must have visible units of countable states, got {rbm.visible.name} units")
    if isinstance(data, tuple):
        if len(data) != 2:
            raise ValueError(f"data must be a pair (states, probabilities) if a tuple, got {len(data)} items")
        terms = _of_rows(data[0], rbm, "data[0]", data[1])
    else:
        terms = _of_all_states(data, rbm) if _is_vector(data) else _of_rows(data, rbm, "data")
    log_z = exact_log_z(rbm)
    return math.fsum(float((xlogy(p, p) - p * (log_weight - log_z)).sum()) for p, log_weight in terms)


def _is_vector(data: Any) -> bool:
    if isinstance(data, list):
        return len(data) > 0 and np.ndim(data[0]) == 0
    return getattr(data, "ndim", 2) == 1


def _of_rows(X: Any, rbm: RBM, name: str, probabilities: Any = None) -> Iterator[tuple[F64, F64]]:
    """Probabilities of different states, and log exp(-E) summed over the hidden units, in blocks."""
    rows = rbm.visible.rows_of_states(X, rbm.n_visible, name)
    shares = None if probabilities is None else _as_probabilities(probabilities, rows.n_rows, "data[1]")
    blocks = [np.packbits(v, axis=1) if v.dtype == np.uint8 else v + 0 for v in blocks_of_states(rows, rbm)]
    distinct, where = np.unique(np.concatenate(blocks), axis=0, return_inverse=True)
    p = np.bincount(where.reshape(-1), shares, len(distinct)) / (rows.n_rows if shares is None else 1.0)
    return _weigh(distinct, p, rbm)


def _weigh(distinct: States, p: F64, rbm: RBM) -> Iterator[tuple[F64, F64]]:
    """`_of_rows` of states that are all different: of bits, if they are 0 and 1."""
    layer, size = visible_layer(rbm), rows_at_once(rbm)
    for first in range(0, len(p), size):
        here = slice(first, first + size)
        v = distinct[here]
        if v.dtype == np.uint8:
            v = np.unpackbits(v, axis=1, count=rbm.n_visible)
        yield p[here], layer.log_weights(v)


def _of_all_states(data: Any, rbm: RBM) -> Iterator[tuple[F64, F64]]:
    """The same for a vector with the probability of every state."""
    layer = visible_layer(rbm)
    n_states, shape = layer.n_states or 0, np.shape(data)
    if rbm.n_visible > MAX_UNITS_NUMPY or shape != (n_states,):
        vector = f", or {n_states} probabilities" if rbm.n_visible <= MAX_UNITS_NUMPY else ""
        raise ValueError(
            f"data must be rows of {rbm.n_visible} states (2-D), or a pair (states, probabilities){vector}, "
            f"got shape {shape}"
        )
    blocks = Blocks(layer)
    p = _as_probabilities(data, n_states, "data").reshape(blocks.n_blocks, blocks.size)
    needed = np.flatnonzero(p.any(axis=1))
    return zip((p[i] for i in needed), blocks.log_weights(needed.tolist()), strict=True)


def _as_probabilities(values: Any, n: int, name: str) -> F64:
    """`n` numbers that add up to 1, divided by their sum; a clear error otherwise."""
    p = np.asarray(values)
    if p.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be probabilities, got dtype {p.dtype}")
    if p.shape != (n,):
        raise ValueError(f"{name} must be a vector of {n} probabilities, got shape {p.shape}")
    p = p.astype(np.float64)
    bad = np.flatnonzero(~(p >= 0))
    if len(bad):
        raise ValueError(f"{name} must be probabilities from 0 to 1, got {p[bad[0]]:g} at {bad[0]}")
    total = float(p.sum())
    if not abs(total - 1) <= TOLERANCE:
        raise ValueError(f"{name} must add up to 1 within {TOLERANCE:g}, got {total:.9g}")
    return p / total
