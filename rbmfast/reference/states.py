"""Sums over all states of a layer, the other one summed out: in float64, with the same bits everywhere."""

from __future__ import annotations

import numpy as np

from rbmfast.reference.numbers import F64, I64, Blocks, Sizes, row_sums

LOW_SPAN = 440  # of what low sites send to a unit: their exponentials, and those of high ones, stay normal
LOG2_E, LN2 = 1.4426950408889634, 0.6931471805599453
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # 32 bits, and the rest
EXP_TERMS = (479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2)  # of Taylor's series


def exp_float64(x: F64) -> F64:
    """exp(x) in float64, to 2 units of 2**-53; |x| counts as at most 480."""
    y = np.maximum(np.minimum(x, 480.0), -480.0)
    n = np.rint(y * LOG2_E)
    r = (y - n * LN2_HIGH) - n * LN2_LOW
    s: F64 = np.full_like(r, 1.0 / 6227020800)
    for k in EXP_TERMS:
        s = s * r + 1.0 / k
    result: F64 = np.ldexp(((s * r) * r + r) + 1.0, n.astype(np.int64))
    return result


def log_float64(x: F64) -> F64:
    """Natural logarithm in float64 of positive normal numbers, likewise."""
    bits = x.view(np.int64)
    n = (bits - 0x3FE6A09E667F3BCD) >> 52  # so that the mantissa lies in [sqrt(1/2), sqrt(2))
    m = (bits - (n << 52)).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    z, t = s * s, s + s
    p: F64 = np.full_like(s, 1.0 / 21.0)
    for k in range(19, 1, -2):
        p = p * z + 1.0 / k
    result: F64 = n * LN2_HIGH + (n * LN2_LOW + ((z * p) * t + t))
    return result


def log_sum_exp(x: F64) -> float:
    """Log of the summed exp(x) of finite numbers."""
    top = x.max()
    return float(top + log_float64(row_sums(exp_float64(x - top)[None]))[0])


def log_sums(
    sent: F64,
    log_weight: F64,
    sizes: Sizes,
    n_low: int,
    bias: F64,
    first: int,
    n: int,
    blocks: Blocks | None = None,
) -> F64:
    """Logarithms of the summed weights of states of a layer's sites: of `n` blocks from number `first` on.

    A site (a switch, a group) has one of its options as its state, `sizes` (n_sites,) of them, each of which
    sends some numbers `sent` (options, units) to the units of the other layer and has a weight of its own,
    `log_weight` (options,). States count with the last site fastest, and a block is those that differ in the
    last `n_low` sites only. A state's weight is that of its options times exp of all it sends, and of `bias`,
    summed over the states of the other layer, whose `blocks` are as of `Unit.blocks`.
    """
    numbers, low_numbers = np.arange(first, first + n), np.arange(np.prod(sizes[len(sizes) - n_low :]))
    n_high, starts = len(sizes) - n_low, np.cumsum(sizes) - sizes
    low, low_weight = _joint(sent, log_weight, starts[n_high:], sizes[n_high:], low_numbers, 0.0 * bias)
    high, total = _joint(sent, log_weight, starts[:n_high], sizes[:n_high], numbers, bias)
    middle = (low.min(axis=0) + low.max(axis=0)) / 2.0
    reach = (low.max(axis=0) - low.min(axis=0)) / 2.0
    low, high = exp_float64(low - middle), high + middle

    product, power, stretch = np.ones((n, len(low))), np.zeros((n, len(low))), 0.0
    for start, stop, is_switch in _groups(blocks, len(bias)):
        wide = reach[start:stop].max() + 0.7 * (stop - start)
        if start and stretch + wide > 700.0:
            (product, exponent), stretch = _split(product), 0.0
            power = power + exponent
        stretch += wide
        top = high[:, start:stop].max(axis=1)
        top = np.maximum(top, 0.0) if is_switch else top
        total = total + top
        factor = np.repeat((exp_float64(-top) if is_switch else 0.0 * top)[:, None], len(low), axis=1)
        for k in range(start, stop):
            factor = factor + low[:, k] * exp_float64(high[:, k] - top)[:, None]
        product = product * factor
    product, exponent = _split(product)

    n_weight = np.rint(low_weight * LOG2_E)  # low weights are exp(r) 2**n_weight
    r = (low_weight - n_weight * LN2_HIGH) - n_weight * LN2_LOW
    power = power + exponent + n_weight
    most = power.max(axis=1)
    scale = np.ldexp(1.0, np.maximum(power - most[:, None], -1000.0).astype(np.int64))
    sums = row_sums((product * exp_float64(np.clip(r, -1.0, 1.0))) * scale)
    logs: F64 = (total + most * LN2) + log_float64(sums)
    return logs


def _joint(sent: F64, log_weight: F64, starts: I64, sizes: Sizes, numbers: I64, bias: F64) -> tuple[F64, F64]:
    """What joint states of some sites send, beside a bias, and their log-weights: sums from the left."""
    x, weight = np.tile(bias, (len(numbers), 1)), np.zeros(len(numbers))
    repeats = np.cumprod(np.append(1, sizes[::-1]), dtype=np.int64)[-2::-1]
    for start, size, repeat in zip(starts, sizes, repeats, strict=True):
        option = start + numbers // repeat % size
        x, weight = x + sent[option], weight + log_weight[option]
    return x, weight


def _groups(blocks: Blocks | None, n_units: int) -> list[tuple[int, int, bool]]:
    """First and last unit but one of each group, in order; a switch is a group of one unit."""
    found, start = [], 0
    for block in blocks or (n_units,):
        is_switch = isinstance(block, int)
        for size in [1] * block if isinstance(block, int) else block.tolist():
            found.append((start, start + size, is_switch))
            start += size
    return found


def _split(x: F64) -> tuple[F64, F64]:
    """Positive normal numbers as m 2**n, m in [1, 2)."""
    m, n = np.frexp(x)
    return 2.0 * m, n - 1.0
