"""Random numbers, and chains that they drive."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference.numbers import (
    F32,
    F64,
    I64,
    U8,
    Blocks,
    RowIds,
    Sizes,
    States,
    Weights,
    affine,
    draw_groups,
    f32,
    log,
    log_sum_groups,
    rare_probability,
    row_sums,
    sigmoid,
    sigmoid_u16,
    softmax_groups,
    softplus_sum,
    to_grey,
    weighted_sum,
)


def philox4x32(counter: NDArray[np.uint32], key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Philox4x32-10 (Salmon et al. 2011) of counters (..., 4) under keys (..., 2)."""
    c0, c1, c2, c3 = (np.asarray(counter[..., i], np.uint64) for i in range(4))
    k0, k1 = (np.asarray(key[..., i], np.uint64) for i in range(2))
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        product0 = c0 * np.uint64(0xD2511F53)
        product1 = c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (product1 >> np.uint64(32)) ^ c1 ^ k0,
            product1 & low,
            (product0 >> np.uint64(32)) ^ c3 ^ k1,
            product0 & low,
        )
        k0 = (k0 + np.uint64(0x9E3779B9)) & low
        k1 = (k1 + np.uint64(0xBB67AE85)) & low
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1).astype(np.uint32)


def _row_ids(rows: RowIds, n: int) -> NDArray[np.uint64]:
    return np.asarray(np.arange(rows, rows + n) if isinstance(rows, int) else rows).astype(np.uint64)


def uniform_u32(
    n_rows: int, n_units: int, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0
) -> NDArray[np.uint32]:
    """The 32-bit uniforms of `n_units` units in `n_rows` rows at one half-step.

    Counter words: c0 = 16 * (unit // 128) + unit % 16 (with the top bit set for the low halves); c1 = row,
    low 32 bits; c2 = step, low 32 bits; c3 = purpose << 26 | layer << 20 | row bits 32..39 << 12 | step bits
    32..43. Within a group of 128 units, units 16 t .. 16 t + 15 use word t // 2 of their block: its low half
    when t is even, its high half when t is odd. These are the high 16 bits; the block with the top bit of c0
    set gives the low 16.
    """
    unit = np.arange(n_units)
    row = _row_ids(rows, n_rows)[:, None]
    c0 = (16 * (unit // 128) + unit % 16).astype(np.uint64)[None, :]
    c3 = np.uint64((purpose << 26) | (layer << 20) | (step >> 32)) | ((row >> np.uint64(32)) << np.uint64(12))
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    slot = (unit % 128) // 16

    def halves(top: int) -> NDArray[np.uint32]:
        words = (c0 | np.uint64(top << 31), row & np.uint64(0xFFFFFFFF), np.uint64(step & 0xFFFFFFFF), c3)
        out = philox4x32(np.stack(np.broadcast_arrays(*words), axis=-1), key)
        word = np.take_along_axis(out, np.broadcast_to((slot // 2)[None, :, None], (*out.shape[:2], 1)), -1)[
            ..., 0
        ]
        return (word >> (16 * (slot % 2)).astype(np.uint32)) & np.uint32(0xFFFF)

    return (halves(0) << np.uint32(16)) | halves(1)


def bernoulli(x: F32, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0) -> U8:
    """Sample units of total input `x`: a unit takes its rarer state iff its uniform is below 2**32 p."""
    threshold = (rare_probability(x) * f32(4294967296.0)).astype(np.uint32)
    rare = uniform_u32(x.shape[0], x.shape[1], seed, purpose, layer, step, rows) < threshold
    return (rare ^ (x >= 0)).astype(np.uint8)


def categorical(x: F32, sizes: Sizes, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0) -> U8:
    """Sample groups of units of total input `x`, of which one is on."""
    return draw_groups(x, sizes, uniform_u32(x.shape[0], x.shape[1], seed, purpose, layer, step, rows))


def shuffle_keys(n: int, seed: int, epoch: int, purpose: int) -> NDArray[np.uint64]:
    """A 64-bit key for each of n rows; their stable argsort is the order of the epoch.

    Row i takes words 2 (i % 2) (low) and 2 (i % 2) + 1 (high) of the block with c0 = i // 2, row 0 and
    step = epoch.
    """
    counter = np.zeros((-(-n // 2), 4), np.uint32)
    counter[:, 0] = np.arange(len(counter))
    counter[:, 2] = epoch
    counter[:, 3] = purpose << 26
    words = philox4x32(counter, np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)).astype(np.uint64)
    return (words[:, 0::2] | (words[:, 1::2] << np.uint64(32))).reshape(-1)[:n]


def argsort(keys: NDArray[np.uint64]) -> I64:
    """The numbers of keys in ascending order, of equal ones the first first."""
    return np.argsort(keys, kind="stable").astype(np.int64)


def normal_weights(n_rows: int, n_columns: int, scale: float, seed: int, purpose: int, layer: int) -> F32:
    """Nearly normal numbers of standard deviation `scale`: the sum of the eight 16-bit halves of a block.

    Column j of row i uses the block with c0 = j, row i, step 0.
    """
    counter = np.zeros((n_rows, n_columns, 4), np.uint32)
    counter[..., 0] = np.arange(n_columns)
    counter[..., 1] = np.arange(n_rows)[:, None]
    counter[..., 3] = (purpose << 26) | (layer << 20)
    words = philox4x32(counter, np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)).astype(np.int64)
    centred = ((words & 0xFFFF) + (words >> 16)).sum(axis=-1) - 4 * 65535
    deviation = np.sqrt(np.float64(8 * (65536**2 - 1)) / 12.0)
    weights: F32 = (centred * (np.float64(scale) / deviation)).astype(np.float32)
    return weights


# --- Layers of blocks --------------------------------------------------------------------------------------


def _parts(blocks: Blocks | None, n_units: int) -> Iterator[tuple[Sizes | None, slice]]:
    """The sizes of a block's groups (None: switches, on or off each by itself), and its units."""
    end = 0
    for block in blocks or (n_units,):
        start, end = end, end + int(np.sum(block))
        yield (None if isinstance(block, int) else block), slice(start, end)


def sample_blocks(
    x: F32, blocks: Blocks | None, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0
) -> U8:
    """Sample a layer of total input `x`: each block as `bernoulli` or `categorical`."""
    uniform = uniform_u32(x.shape[0], x.shape[1], seed, purpose, layer, step, rows)
    drawn = np.empty(x.shape, np.uint8)
    for sizes, here in _parts(blocks, x.shape[1]):
        drawn[:, here] = _draw(x[:, here], sizes, uniform[:, here])
    return drawn


def _draw(x: F32, sizes: Sizes | None, uniform: NDArray[np.uint32]) -> U8:
    """Switches, or groups of these sizes, by their numbers."""
    if sizes is not None:
        return draw_groups(x, sizes, uniform)
    rare = uniform < (rare_probability(x) * f32(4294967296.0)).astype(np.uint32)
    return (rare ^ (x >= 0)).astype(np.uint8)


def levels_of_blocks(x: F32, blocks: Blocks | None) -> NDArray[np.uint16]:
    """Probabilities in units of 1/65535: what the gradient sees."""
    parts = [
        sigmoid_u16(x[:, at]) if sizes is None else to_grey(softmax_groups(x[:, at], sizes))
        for sizes, at in _parts(blocks, x.shape[1])
    ]
    return np.hstack(parts)


def _log_normalizer(x: F32, blocks: Blocks | None) -> F64:
    """Log of the summed weight of the layer's states: that of each block, then the blocks in order."""
    first, *others = (
        softplus_sum(x[:, at]) if sizes is None else row_sums(log_sum_groups(x[:, at], sizes))
        for sizes, at in _parts(blocks, x.shape[1])
    )
    return sum(others, first)


def _weighted_sum(states: States, weights: F32, blocks: Blocks | None) -> F64:
    """`weighted_sum` of each block, then the blocks in order."""
    first, *others = (weighted_sum(states[:, at], weights[at]) for _, at in _parts(blocks, len(weights)))
    return sum(others, first)


# --- Chains ------------------------------------------------------------------------------------------------


def affine_sigmoid(weights: Weights, states: States, bias: F32, up: bool = True) -> F32:
    """Conditional probabilities of the other layer."""
    return sigmoid(affine(weights, states, bias, up))


def affine_sigmoid_bernoulli(
    weights: Weights,
    states: States,
    bias: F32,
    seed: int,
    purpose: int,
    layer: int,
    step: int,
    rows: RowIds = 0,
    up: bool = True,
) -> U8:
    """Samples of the other layer."""
    return bernoulli(affine(weights, states, bias, up), seed, purpose, layer, step, rows)


def affine_softplus_sum(weights: Weights, states: States, bias: F32, up: bool = True) -> NDArray[np.float64]:
    """Row sums of the softplus of the other layer's total inputs."""
    return softplus_sum(affine(weights, states, bias, up))


def gibbs(
    weights: Weights,
    a: F32,
    b: F32,
    visible: U8,
    steps: int,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    rows: RowIds = 0,
    clamp: U8 | None = None,
    blocks: tuple[Blocks | None, Blocks | None] = (None, None),
) -> tuple[U8, U8]:
    """Block Gibbs sampling: `steps` times hidden given visible, then visible given hidden.

    The first is an even half-step, the second an odd one. Where `clamp` is 1 the visible unit keeps its first
    value. `blocks` of both layers are as in `sample_blocks`; None: all units are switches. Returns the last
    visible and hidden states.
    """
    v = visible
    h = np.zeros((len(v), weights.shape[1]), np.uint8)
    for t in range(steps):
        step, x = first_step + 2 * t, affine(weights, v, b)
        h = sample_blocks(x, blocks[1], seed, purpose, layer, step, rows)
        x = affine(weights, h, a, up=False)
        drawn = sample_blocks(x, blocks[0], seed, purpose, layer, step + 1, rows)
        v = drawn if clamp is None else np.where(clamp, visible, drawn)
    return v, h


def anneal(
    weights: Weights,
    a: F32,
    b: F32,
    base: F32,
    visible: U8,
    log_weights: F64,
    betas: F32,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    rows: RowIds = 0,
    blocks: tuple[Blocks | None, Blocks | None] = (None, None),
) -> tuple[U8, F64]:
    """Gibbs steps of models with weights ``beta W``, from ``betas[1]`` on; their log-ratios are added up.

    The model at beta has the visible bias ``(1 - beta) base + beta a`` and the hidden bias ``beta b``. Before
    each step `log_weights` gains the log of the summed weight of the visible states, at the new beta minus at
    the old one. Returns the last visible states and the log-weights.
    """
    v, log_w = visible, log_weights
    for t, (here, there) in enumerate(pairwise(betas)):
        sent = affine(weights, v, np.zeros_like(b))
        before, _ = _log_weight(here, a, b, base, v, sent, blocks)
        after, visible_bias = _log_weight(there, a, b, base, v, sent, blocks)
        log_w = log_w + (after - before)
        step = first_step + 2 * t
        h = sample_blocks(there * sent + there * b, blocks[1], seed, purpose, layer, step, rows)
        x = there * affine(weights, h, np.zeros_like(a), up=False) + visible_bias
        v = sample_blocks(x, blocks[0], seed, purpose, layer, step + 1, rows)
    return v, log_w


def temper(
    weights: Weights,
    a: F32,
    b: F32,
    base: F32,
    hidden: U8,
    betas: F32,
    steps: int,
    swaps: int,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    first_chain: int = 0,
    blocks: tuple[Blocks | None, Blocks | None] = (None, None),
    shown: int | None = None,
) -> tuple[U8, U8, NDArray[np.bool_]]:
    """Steps of chains whose replicas follow the models of `anneal` at `betas`, and change places.

    Rows of `hidden` are those of all chains at ``betas[0]``, then at ``betas[1]``, and so on. In a step the
    visible units are drawn given the hidden ones, an even half-step; neighbours swap; and the hidden units
    are drawn given the visible ones, an odd half-step. Even and odd pairs may swap by turns. With visible
    states v and v', at the betas i and j, they do if the logarithm of a uniform number is at most that of
    ``w_j(v) w_i(v') / (w_i(v) w_j(v'))``, where w are the states' summed weights.

    Replica i of a chain draws with the numbers of the row ``chain * len(betas) + i``; a pair with that of the
    row of its lower one for the purpose `swaps`. Returns the last visible states (at the last `shown` betas),
    the last hidden ones, and which pairs have swapped: bool (steps, len(betas) - 1, n_chains).
    """
    n, last = len(hidden) // len(betas), len(betas) - 1
    rows = ((first_chain + np.arange(n)) * len(betas) + np.arange(len(betas))[:, None]).ravel()
    beta = np.repeat(betas, n)[:, None]
    visible_bias, hidden_bias = (f32(1.0) - beta) * base + beta * a, beta * b
    h, accepted = hidden, np.zeros((steps, last, n), np.bool_)
    for t in range(steps):
        step = first_step + 2 * t
        x = beta * affine(weights, h, np.zeros_like(a), up=False) + visible_bias
        v = sample_blocks(x, blocks[0], seed, purpose, layer, step, rows)
        sent = affine(weights, v, np.zeros_like(b))
        for i in range(0 if last == 1 else step // 2 % 2, last, 2):
            low, high = np.split(np.arange(i * n, (i + 2) * n), 2)
            up, down = (
                _gain(betas[one], betas[other], a, b, base, v[at], sent[at], blocks)
                for one, other, at in ((i, i + 1, low), (i + 1, i, high))
            )
            bits = uniform_u32(n, 1, seed, swaps, layer, step, rows[low])[:, 0]
            swap = log(((bits + 0.5) * 2.0**-32).astype(np.float32)) <= up + down
            accepted[t, i], low, high = swap, low[swap], high[swap]
            for states in (v, sent):
                states[low], states[high] = states[high], states[low]
        h = sample_blocks(beta * sent + hidden_bias, blocks[1], seed, purpose, layer, step + 1, rows)
    return v[-n * (shown or len(betas)) :], h, accepted


def sweep(
    weights: Weights,
    bias: F32,
    states: U8,
    sweeps: int,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    rows: RowIds = 0,
    held: U8 | None = None,
    blocks: Blocks | None = None,
    beta: float = 1.0,
) -> U8:
    """Gibbs sweeps of units that are joined to each other by symmetric weights, which are 0 within a site.

    A site is a switch, or a group. In each sweep, the numbers of which are those of one step, every site is
    drawn in turn, from the left, given all others: from total inputs ``beta 2**-e S + bias``, S the sum of
    integers. Where `held` is 1 a unit keeps its value. Returns the last states.
    """
    n_units = len(bias)
    ((sizes, _),) = _parts(blocks, n_units)
    ends = np.cumsum(np.ones(n_units, np.int32) if sizes is None else sizes)
    s = states.copy()
    for t in range(sweeps):
        uniform = uniform_u32(len(s), n_units, seed, purpose, layer, first_step + t, rows)
        for start, end in zip([0, *ends], ends, strict=False):
            here, own = slice(start, end), None if sizes is None else np.array([end - start], np.int32)
            sums = (s.astype(np.int64) @ weights.q[:, here]).astype(np.float32)
            x = sums * f32(beta * 2.0**-weights.exponent) + bias[here]
            drawn = _draw(x, own, uniform[:, here])
            s[:, here] = drawn if held is None else np.where(held[:, here], s[:, here], drawn)
    return s


def _gain(
    here: np.float32,
    there: np.float32,
    a: F32,
    b: F32,
    base: F32,
    v: U8,
    sent: F32,
    blocks: tuple[Blocks | None, Blocks | None],
) -> F64:
    """What the log-weights of visible states gain on the way from one beta to another."""
    hidden = [_log_normalizer(beta * sent + beta * b, blocks[1]) for beta in (here, there)]
    way = np.float64(there) - np.float64(here)
    gain: F64 = (hidden[1] - hidden[0]) - way * (
        _weighted_sum(v, base, blocks[0]) - _weighted_sum(v, a, blocks[0])
    )
    return gain


def _log_weight(
    beta: np.float32,
    a: F32,
    b: F32,
    base: F32,
    v: U8,
    sent: F32,
    blocks: tuple[Blocks | None, Blocks | None],
) -> tuple[F64, F32]:
    """Log-weights of visible states under the model at `beta`, and its visible bias."""
    visible_bias = (f32(1.0) - beta) * base + beta * a
    hidden = _log_normalizer(beta * sent + beta * b, blocks[1])
    return hidden + _weighted_sum(v, visible_bias, blocks[0]), visible_bias
