"""How far a small model is from a distribution that is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from rbmfast.checks import check_model
from rbmfast.likelihood.enumeration import MAX_UNITS, Blocks, exact_log_z, visible_layer
from rbmfast.likelihood.exact import blocks_of_states, rows_at_once
from rbmfast.models import RBM
from rbmfast.units.base import F64

TOLERANCE = 1e-6  # of a sum of probabilities: some come in float32


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
        A model with 0/1 visible units and a layer of at most 25 units with 0/1 states.

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
        raise ValueError(f"rbm must have visible units with 0/1 states, got {rbm.visible.name} units")
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
    packed = np.concatenate([np.packbits(v, axis=1) for v in blocks_of_states(rows, rbm)])
    distinct, where = np.unique(packed, axis=0, return_inverse=True)
    p = np.bincount(where.reshape(-1), shares, len(distinct)) / (rows.n_rows if shares is None else 1.0)
    return _weigh(distinct, p, rbm)


def _weigh(distinct: NDArray[np.uint8], p: F64, rbm: RBM) -> Iterator[tuple[F64, F64]]:
    """`_of_rows` of packed states that are all different."""
    layer, size = visible_layer(rbm), rows_at_once(rbm)
    for first in range(0, len(p), size):
        here = slice(first, first + size)
        v = np.unpackbits(distinct[here], axis=1, count=rbm.n_visible)
        yield p[here], layer.log_weights(v)


def _of_all_states(data: Any, rbm: RBM) -> Iterator[tuple[F64, F64]]:
    """The same for a vector with the probability of every state."""
    layer = visible_layer(rbm)
    n_states, shape = layer.n_states or 0, np.shape(data)
    if rbm.n_visible > MAX_UNITS or shape != (n_states,):
        vector = f", or {n_states} probabilities" if rbm.n_visible <= MAX_UNITS else ""
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
