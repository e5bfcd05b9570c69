"""Rows of which entries are missing: these summed out, for every state of the hidden layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference import F32, F64, States
from rbmfast.states import as_float
from rbmfast.units import Unit

if TYPE_CHECKING:
    from rbmfast.models.two_layers import TwoLayers

MAX_UNITS = 20  # of a hidden layer whose states are enumerated
BLOCK_NUMBERS = 1 << 21  # worked on at once
IN_CACHE = 1 << 16  # the same, where every row is worked on by itself


def sum_out(rbm: TwoLayers, v: States, missing: NDArray[np.bool_]) -> tuple[F64, F64]:
    """Free energies of the known entries, and the hidden units' means given these, in float64.

    Given hidden states, visible units are independent: known ones have weights, and missing ones normalisers.
    The sum over hidden states is exact, and a matrix product for each of the two.

    Parameters
    ----------
    rbm : TwoLayers
        With hidden units of at most 2**20 states.
    v : array (n_rows, n_visible)
        States; 0 where an entry is missing.
    missing : bool array (n_rows, n_visible)

    Returns
    -------
    float64 arrays (n_rows,), (n_rows, n_hidden)
    """
    n_states, p = count_hidden_states(rbm), rbm._parameters
    W, known = p.unrolled.astype(np.float64), as_float(v).astype(np.float64)
    gaps = missing.astype(np.float64)
    factor, drift = rbm.visible.bias_factor(v), rbm.visible.drift(v)
    top = np.full(len(v), -np.inf)
    total, means = np.zeros(len(v)), np.zeros((len(v), rbm.n_hidden))
    size = max(1, BLOCK_NUMBERS // max(rbm.n_visible, len(v)))
    for first in range(0, n_states, size):
        numbers = np.arange(first, min(first + size, n_states))
        h = rbm.hidden.states(rbm.n_hidden, numbers)
        x = h @ W.T
        log_weights = known @ x.T
        if drift is None:
            log_weights += gaps @ normalizers(rbm.visible, x + p.a, p.a).T
        else:
            log_weights += _with_drift(rbm.visible, x, drift.astype(np.float64) + p.a, p.a, gaps)
        log_weights -= rbm.hidden.energy(h, p.b)
        if factor is not None:
            log_weights += (factor - 1) * (h @ p.b.astype(np.float64))
        new_top = np.maximum(top, log_weights.max(axis=1))
        weights = np.exp(log_weights - new_top[:, None])
        shrink = np.exp(top - new_top)
        total = total * shrink + weights.sum(axis=1)
        means = means * shrink[:, None] + weights @ h
        top = new_top
    energy = rbm.visible.energy(v, p.a) - gaps @ resting_energies(rbm.visible, p.a)
    return energy - top - np.log(total), means / total[:, None]


def _with_drift(unit: Unit, x: F64, biases: F64, bias: F32, gaps: F64) -> F64:
    """Log normalisers of missing entries, where every row has biases of its own: (n_rows, n_states)."""
    result = np.empty((len(biases), len(x)))
    at_once = max(1, IN_CACHE // x.size)
    for first in range(0, len(biases), at_once):
        rows = slice(first, first + at_once)
        heard = (x + biases[rows, None]).reshape(-1, x.shape[1])
        parts = normalizers(unit, heard, bias).reshape(-1, *x.shape)
        result[rows] = (parts @ gaps[rows, :, None])[:, :, 0]
    return result


def expected_visible(rbm: TwoLayers) -> F32:
    """Means of the visible units, by all states of the hidden layer at once: (n_visible,)."""
    h = rbm.hidden.states(rbm.n_hidden, np.arange(count_hidden_states(rbm)))
    x, a, b = rbm._down.input(h), rbm._parameters.a, rbm._parameters.b
    log_weights = rbm.visible.log_normalizer(x, a) - rbm.hidden.energy(h, b)
    weights = np.exp(log_weights - log_weights.max())
    mean: F32 = (weights / weights.sum()) @ rbm.visible.mean(x)
    return mean


def count_hidden_states(rbm: TwoLayers) -> int:
    """How many there are to visit, or a ValueError: too many, or a document's length is unknown."""
    if rbm.visible.needs_whole_rows:
        raise ValueError(
            "missing entries cannot be summed out beside counts of no given length, which the words that are "
            "missing may change: give it as rf.Counts(length)"
        )
    n_states = rbm.hidden.count_states(rbm.n_hidden)
    if n_states is None or n_states > 2**MAX_UNITS:
        many = "uncountably many" if n_states is None else f"2**{math.log2(n_states):.6g}"
        raise ValueError(
            f"missing entries are summed out by visiting all states of the hidden layer, at most "
            f"2**{MAX_UNITS}; {rbm!r} has {many}. Fill them in by rbm.impute first; or say missing='absent', "
            "if rows are without these units"
        )
    return n_states


def resting_energies(unit: Unit, bias: F32) -> F64:
    """Energies of units in state 0, (n_units,); of units that hang together, all in the first one's place."""
    energies = np.zeros(len(bias))
    for here in unit.sites(len(bias)):
        part = _part(unit, here)
        energies[here.start] = part.energy(np.zeros((1, here.stop - here.start), part.dtype), bias[here])[0]
    return energies


def normalizers(unit: Unit, x: F64, bias: F32) -> F64:
    """Their log normalisers, in the same places: (n_rows, n_units)."""
    result, exact_bias = np.zeros(x.shape), bias.astype(np.float64)
    for here in unit.sites(len(bias)):
        own = np.ascontiguousarray(x[:, here])
        result[:, here.start] = _part(unit, here).log_normalizer_float64(own, exact_bias[here])
    return result


def _part(unit: Unit, site: slice) -> Unit:
    part = unit.part(site.start, site.stop)
    assert part is not None, "a site can be parted"
    return part
