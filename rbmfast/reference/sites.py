"""What the rest of a visible layer says of one of its sites: a unit, or a group of which one unit is on."""

from __future__ import annotations

import numpy as np

from rbmfast.reference.numbers import (
    F32,
    F64,
    GREY,
    I64,
    Sizes,
    States,
    f32,
    log_sum_groups,
    softplus,
    softplus_sum,
)


def log_conditionals(x: F32, W: F32, a: F32, states: States, sites: I64, sizes: Sizes | None = None) -> F64:
    """Sum over some sites i of log p(v_i | all other sites): (n_rows,), in nats.

    The hidden units are on or off, and `x` (n_rows, n_hidden) are their total inputs given all the states.
    Without `sizes` a site is a unit, turned fully on and fully off: a grey level g counts as g log p(1 | ...)
    + (1 - g) log p(0 | ...). Otherwise there are sites of these sizes, from left to right, in which one unit
    is on, or, of a single one, none; states are 0 and 1, and every one of a site's is tried.
    """
    return _of_units(x, W, a, states, sites) if sizes is None else _of_groups(x, W, a, states, sites, sizes)


def _of_units(x: F32, W: F32, a: F32, states: States, units: I64) -> F64:
    total = np.zeros(len(x))
    for i in units:
        level = states[:, i].astype(np.float32) / f32(GREY if states.dtype == np.uint16 else 1)
        on = softplus_sum(x + (f32(1) - level)[:, None] * W[i])
        off = softplus_sum(x - level[:, None] * W[i])
        gain = (a[i] + (on - off)).astype(np.float32)
        total -= level * softplus(-gain) + (f32(1) - level) * softplus(gain)
    return total


def _of_groups(x: F32, W: F32, a: F32, states: States, sites: I64, sizes: Sizes) -> F64:
    total, ends = np.zeros(len(x)), np.cumsum(sizes)
    for i in sites:
        units = slice(ends[i] - sizes[i], ends[i])
        sent, bias, own = W[units], a[units], states[:, units].argmax(axis=1)
        if sizes[i] == 1:  # off or on
            sent, bias, own = np.vstack([0 * sent, sent]), np.append(f32(0), bias), states[:, units.start]
        weights = np.stack([softplus_sum(x - sent[own] + one) for one in sent], axis=1) + bias
        gains = weights - weights[np.arange(len(x)), own][:, None]
        total -= log_sum_groups(gains.astype(np.float32), np.array([len(sent)], np.int32))[:, 0]
    return total
