"""The arithmetic of rbmfast in plain NumPy: the specification of the engine, and the oracle of its tests.

Every function here gives, bit for bit, what the function of the same name in `rbmfast._engine` gives on every
CPU, with any number of threads. `docs/design/001-arithmetic.md` says why each rule is what it is. Speed is
no concern of this module; being readable is.

Conventions
-----------
*States* are uint8 (0/1), or uint16 grey levels in units of 1/65535, used as expectations. `x` is a total
input (pre-activation) in float32. All float arithmetic below is single operations in float32 (or float64
where it says so), rounded one at a time: no fused multiply-add, no library exp or log.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.state import Gradient, LearningState, Statistics, UpdateSettings

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
States = NDArray[Any]
RowIds = int | NDArray[np.int64]  # number of the first row, or of each row

f32 = np.float32

STREAM_VERSION = 1  # goes up with every change of a bit that anything here computes
GREY = 65535  # one, in grey levels and in 16-bit probabilities
MAX_EXPONENT = 20
MIN_EXPONENT = -40
MAX_Q = 127 * (1 + 256 + 65536)  # what three balanced 8-bit digits hold
MAX_SUM = 2**31 - 1  # of |q| along a row or a column: sums of selected q fit int32
MAX_BATCH = 32768  # rows whose 16-bit probabilities are summed in 32 bits
PANEL = 64  # columns that are summed together before panels are added in order
LANES = 16
ROW_BLOCK = 16  # rows whose column sums are formed together before blocks are added in order

# --- Elementwise functions -------------------------------------------------------------------------------


def exp_negative(x: F32) -> F32:
    """exp(-|x|) for finite x, exactly 1 at 0; |x| counts as at most 80, so nothing is denormal."""
    y = -np.minimum(np.abs(x), f32(80.0))
    magic = f32(12582912.0)  # 1.5 * 2**23: adding it rounds to an integer, ties to even
    n = (y * f32(1.44269502) + magic) - magic
    r = (y - n * f32(0.693359375)) - n * f32(-2.12194442e-4)  # y - n ln 2; the first product is exact
    s: F32 = np.full_like(r, 0.0013814222)
    for c in (0.008368899, 0.041668404, 0.1666652, 0.49999994):
        s = s * r + f32(c)
    poly = ((s * r) * r + r) + f32(1.0)
    result: F32 = poly * ((n.astype(np.int32) + 127) << 23).view(np.float32)
    return result


def _atanh_series(s: F32) -> F32:
    """2 atanh(s) for |s| <= 1/3."""
    z = s * s
    q: F32 = np.full_like(z, 0.14015296)
    for c in (0.13998996, 0.20010881, 0.33333206):
        q = q * z + f32(c)
    t = s + s
    result: F32 = (z * q) * t + t
    return result


def softplus(x: F32) -> F32:
    """log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|))."""
    e = exp_negative(x)
    return np.maximum(x, f32(0.0)) + _atanh_series(e / (e + f32(2.0)))


def log(x: F32) -> F32:
    """Natural logarithm of positive normal float32."""
    bits = np.ascontiguousarray(x, np.float32).view(np.int32)
    n = (bits - 0x3F3504F3) >> 23  # so that the mantissa lies in [sqrt(1/2), sqrt(2))
    m = (bits - (n << 23)).view(np.float32)
    k = n.astype(np.float32)
    series = _atanh_series((m - f32(1.0)) / (m + f32(1.0)))
    return k * f32(0.693359375) + (k * f32(-2.12194442e-4) + series)


def rare_probability(x: F32) -> F32:
    """Probability of the rarer state, sigmoid(-|x|) <= 1/2."""
    e = exp_negative(x)
    return e / (e + f32(1.0))


def sigmoid(x: F32) -> F32:
    """Probability that a unit is on."""
    p = rare_probability(x)
    return np.where(x >= 0, f32(1.0) - p, p)


def sigmoid_u16(x: F32) -> NDArray[np.uint16]:
    """Probability that a unit is on, in units of 1/65535: what the gradient sees."""
    p = np.rint(rare_probability(x) * f32(GREY)).astype(np.int32)
    levels: NDArray[np.uint16] = np.where(x >= 0, GREY - p, p).astype(np.uint16)
    return levels


def to_grey(v: NDArray[Any]) -> NDArray[np.uint16]:
    """Grey levels of numbers in [0, 1]."""
    levels: NDArray[np.uint16] = np.rint(f32(GREY) * np.asarray(v).astype(np.float32)).astype(np.uint16)
    return levels


def are_bits(x: U8) -> bool:
    """Whether all of an array of bytes are 0 or 1."""
    return bool((x <= 1).all())


# --- Sums in one order -----------------------------------------------------------------------------------


def row_sums(terms: NDArray[Any]) -> NDArray[Any]:
    """Sum each row: in a panel of 64 columns 16 lanes, folded by halves; then the panels, in order."""
    n, m = terms.shape
    panels = -(-m // PANEL)
    padded = np.zeros((n, panels * PANEL), terms.dtype)
    padded[:, :m] = terms
    parts = padded.reshape(n, panels, PANEL // LANES, LANES)
    lanes = np.zeros((n, panels, LANES), terms.dtype)
    for i in range(PANEL // LANES):
        lanes = lanes + parts[:, :, i]
    width = LANES
    while width > 1:
        width //= 2
        lanes = lanes[:, :, :width] + lanes[:, :, width:]
    total = np.zeros(n, terms.dtype)
    for p in range(panels):
        total = total + lanes[:, p, 0]
    return total


def column_sums(terms: NDArray[Any]) -> NDArray[Any]:
    """Sum each column: blocks of 16 rows from the top, then the blocks, in order."""
    total = np.zeros(terms.shape[1], terms.dtype)
    for start in range(0, terms.shape[0], ROW_BLOCK):
        block = np.zeros(terms.shape[1], terms.dtype)
        for row in terms[start : start + ROW_BLOCK]:
            block = block + row
        total = total + block
    return total


def softplus_sum(x: F32) -> NDArray[np.float64]:
    """Row sums of softplus(x), the terms in float32, the sums in float64."""
    return row_sums(softplus(x).astype(np.float64))


def weighted_sum(states: States, weights: F32) -> NDArray[np.float64]:
    """sum_i states_i * weights_i in float64; every product is exact."""
    return row_sums(_levels(states).astype(np.float64) * weights.astype(np.float64)) / GREY


# --- Sums over classes -----------------------------------------------------------------------------------


def class_log_weights(x: F32, U: F32, d: F32) -> F64:
    """Log-weights d_k + sum_j softplus(x_nj + U_kj) of the classes k, for each row n.

    `x` (n, n_hidden) are the hidden units' total inputs without those from the class, `U` (n_classes,
    n_hidden) its weights and `d` (n_classes,) its bias: up to a sum over classes the log-probabilities of a
    classification RBM (Larochelle & Bengio, "Classification using discriminative restricted Boltzmann
    machines", ICML 2008, eq. 2).
    """
    return np.stack([np.float64(d_k) + softplus_sum(x + u) for u, d_k in zip(U, d, strict=True)], axis=1)


def class_expectations(x: F32, U: F32, p: F32) -> tuple[NDArray[np.uint16], I64]:
    """Terms p_nk * sigmoid(x_nj + U_kj): summed over classes (n, n_hidden), and over rows (like U).

    Both in units of 1/65535. `p` (n, n_classes) are probabilities of the classes: the first sum is then the
    hidden units' mean, where the class is not known, and the second that of class and hidden unit in pairs.
    Over classes terms are added in order and the sum is rounded; over rows it is the terms. Classes that are
    less probable than 2**-32 count as impossible.
    """
    p = np.where(p < f32(2.0**-32), f32(0.0), p)
    mean, sums = np.zeros_like(x), np.zeros(U.shape, np.int64)
    for k, u in enumerate(U):
        terms = p[:, k, None] * sigmoid(x + u)
        mean = mean + terms
        sums[k] = np.rint(f32(GREY) * terms).astype(np.int64).sum(axis=0)
    levels = np.rint(f32(GREY) * np.minimum(mean, f32(1.0)))
    return levels.astype(np.uint16), sums


# --- Fixed-point weights ---------------------------------------------------------------------------------


def exponent(W: F32, start: int = MAX_EXPONENT) -> int:
    """The largest e <= start for which the quantised weights fit their three digits and their sums int32."""
    for e in range(start, MIN_EXPONENT - 1, -1):
        q = np.abs(quantise(W, e))
        if q.max() <= MAX_Q and q.sum(axis=0).max() <= MAX_SUM and q.sum(axis=1).max() <= MAX_SUM:
            return e
    raise ValueError(f"weights up to {np.abs(W).max():g} are too large to quantise")


def quantise(W: F32, e: int) -> I64:
    """rint(W * 2**e) as integers. The scaling by a power of two is exact."""
    return np.rint(np.ldexp(W.astype(np.float64), e)).astype(np.int64)


class Weights:
    """The quantised weights as both passes see them."""

    def __init__(self, W: F32, start_exponent: int = MAX_EXPONENT) -> None:
        self.exponent = exponent(W, start_exponent)
        self.shape = W.shape
        self.q = quantise(W, self.exponent)


def _levels(states: States) -> I64:
    return states.astype(np.int64) * (GREY if states.dtype == np.uint8 else 1)


def affine(weights: Weights, states: States, bias: F32, up: bool = True) -> F32:
    """Total inputs ``states @ q * 2**-e + bias`` (up) or ``states @ q.T * 2**-e + bias`` (down).

    The products are sums of integers: exact in any order. For grey levels the sum is exact in float64,
    divided by 65535 and scaled there, and rounded to float32 once.
    """
    q = weights.q if up else weights.q.T
    sums = states.astype(np.float64) @ q.astype(np.float64)
    if states.dtype == np.uint16:
        sums = sums / GREY
    return np.ldexp(sums, -weights.exponent).astype(np.float32) + bias


# --- Random numbers --------------------------------------------------------------------------------------


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


# --- Chains ----------------------------------------------------------------------------------------------


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
) -> tuple[U8, U8]:
    """Block Gibbs sampling: `steps` times hidden given visible, then visible given hidden.

    The first is an even half-step, the second an odd one. Where `clamp` is 1 the visible unit keeps its first
    value. Returns the last visible and hidden states.
    """
    v = visible
    h = np.zeros((len(v), weights.shape[1]), np.uint8)
    for t in range(steps):
        h = bernoulli(affine(weights, v, b), seed, purpose, layer, first_step + 2 * t, rows)
        drawn = bernoulli(affine(weights, h, a, up=False), seed, purpose, layer, first_step + 2 * t + 1, rows)
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
) -> tuple[U8, F64]:
    """Gibbs steps of models with weights ``beta W``, from ``betas[1]`` on; their log-ratios are added up.

    The model at beta has the visible bias ``(1 - beta) base + beta a`` and the hidden bias ``beta b``. Before
    each step `log_weights` gains the log of the summed weight of the visible states, at the new beta minus at
    the old one. Returns the last visible states and the log-weights.
    """
    v, log_w = visible, log_weights
    for t, (here, there) in enumerate(pairwise(betas)):
        sent = affine(weights, v, np.zeros_like(b))
        before, _ = _log_weight(here, a, b, base, v, sent)
        after, visible_bias = _log_weight(there, a, b, base, v, sent)
        log_w = log_w + (after - before)
        step = first_step + 2 * t
        h = bernoulli(there * sent + there * b, seed, purpose, layer, step, rows)
        x = there * affine(weights, h, np.zeros_like(a), up=False) + visible_bias
        v = bernoulli(x, seed, purpose, layer, step + 1, rows)
    return v, log_w


def _log_weight(beta: np.float32, a: F32, b: F32, base: F32, v: U8, sent: F32) -> tuple[F64, F32]:
    """Log-weights of visible states under the model at `beta`, and its visible bias."""
    visible_bias = (f32(1.0) - beta) * base + beta * a
    return softplus_sum(beta * sent + beta * b) + weighted_sum(v, visible_bias), visible_bias


# --- Learning --------------------------------------------------------------------------------------------


def statistics(states: States, hidden_u16: NDArray[np.uint16]) -> Statistics:
    """Sums over rows of visible x hidden, visible, and hidden, in units of 1/65535 a factor."""
    v = _levels(states)
    h = hidden_u16.astype(np.int64)
    return Statistics(v.T @ h, v.sum(axis=0), h.sum(axis=0), len(v))


def gradient(positive: Statistics, negative: Statistics) -> Gradient:
    """Mean of the positive minus mean of the negative statistics, rounded to float32.

    With as many rows in both phases the integers are subtracted first; otherwise each mean is rounded first.
    """
    n_positive, n_negative = positive.n_rows, negative.n_rows

    def scale(n: int, unit: int) -> np.float32:
        return f32(1.0 / (float(unit) * n))

    def difference(p: NDArray[Any], n: NDArray[Any], unit: int) -> F32:
        result: F32
        if n_positive == n_negative:
            result = (p - n).astype(np.float32) * scale(n_positive, unit)
        else:
            result = p.astype(np.float32) * scale(n_positive, unit)
            result = result - n.astype(np.float32) * scale(n_negative, unit)
        return result

    return Gradient(
        W=difference(positive.pairs / GREY, negative.pairs / GREY, GREY),
        a=difference(positive.visible / GREY, negative.visible / GREY, 1),
        b=difference(positive.hidden, negative.hidden, GREY),
        visible_mean=(positive.visible / GREY).astype(np.float32) * scale(n_positive, 1),
        hidden_mean=positive.hidden.astype(np.float32) * scale(n_positive, GREY),
    )


def contrast(data: tuple[States, NDArray[np.uint16]], samples: tuple[States, NDArray[np.uint16]]) -> Gradient:
    """The gradient from visible states and hidden probabilities under the data and of the model's samples."""
    return gradient(statistics(*data), statistics(*samples))


def _flush(velocity: F32) -> F32:
    """Velocities below 2**-100 become 0: denormals would make dead units ten times slower."""
    return np.where(np.abs(velocity) < f32(2.0**-100), f32(0.0), velocity)


def update(
    state: LearningState, grad: Gradient, settings: UpdateSettings, rate: float, momentum: float
) -> None:
    """One step uphill, in place; then the exponent drops if the new weights need it."""
    eta, mu = f32(rate), f32(momentum)
    g, ga, gb = grad.W, grad.a, grad.b
    if settings.centered:
        slide = f32(settings.offset_rate)
        state.visible_offset += slide * (grad.visible_mean - state.visible_offset)
        state.hidden_offset += slide * (grad.hidden_mean - state.hidden_offset)
        g = (g - state.visible_offset[:, None] * gb) - ga[:, None] * state.hidden_offset
        ga = ga - row_sums(g * state.hidden_offset)
        gb = gb - column_sums(g * state.visible_offset[:, None])
    if settings.sparsity_cost > 0:
        decay = f32(settings.sparsity_decay)
        state.activity[:] = decay * state.activity + (f32(1.0) - decay) * grad.hidden_mean
        push = f32(settings.sparsity_cost) * (f32(settings.sparsity_target) - state.activity)
        g = g + grad.visible_mean[:, None] * push
        gb = gb + push
    g = (g - f32(settings.l2) * state.W) - f32(settings.l1) * np.sign(state.W)
    for value, velocity, slope in (
        (state.W, state.W_velocity, g),
        (state.a, state.a_velocity, ga),
        (state.b, state.b_velocity, gb),
    ):
        velocity[:] = _flush(mu * velocity + eta * slope)
        value += velocity
    if settings.max_norm > 0:
        limit = f32(settings.max_norm)
        squares = column_sums(state.W * state.W)
        shrink = np.where(
            squares > limit * limit, limit / np.sqrt(np.maximum(squares, limit * limit)), f32(1.0)
        )
        state.W *= shrink
    state.exponent = exponent(state.W, state.exponent)


def epoch(
    state: LearningState,
    settings: UpdateSettings,
    X: States,
    order: NDArray[np.int64],
    row_ids: NDArray[np.int64],
    batch_size: int,
    k: int,
    chains: U8 | None,
    rates: F32,
    momenta: F32,
    seed: int,
    purpose: int,
    layer: int,
    first_step: int,
) -> int:
    """Learn from rows ``X[order]`` in batches, by CD-k (`chains` is None) or PCD-k; returns the updates made.

    `chains` (n_chains, n_hidden) are the hidden states of the persistent chains and are advanced in place. CD
    draws for row `row_ids[i]`, PCD for chain i; an update uses the 2 k half-steps from
    ``first_step + 2 k * update``.
    """
    state.exponent = exponent(state.W, state.exponent)

    def learn(v0: States, ids: I64, step: int, rate: float, momentum: float) -> None:
        weights = Weights(state.W, state.exponent)

        def draw(x: F32, half_step: int, rows: RowIds) -> U8:
            return bernoulli(x, seed, purpose, layer, step + half_step, rows)

        x = affine(weights, v0, state.b)
        positive = statistics(v0, sigmoid_u16(x))
        for i in range(k):
            if chains is None:
                h = draw(x, 2 * i, ids)
                v = draw(affine(weights, h, state.a, up=False), 2 * i + 1, ids)
                x = affine(weights, v, state.b)
            else:
                v = draw(affine(weights, chains, state.a, up=False), 2 * i, 0)
                x = affine(weights, v, state.b)
                chains[:] = draw(x, 2 * i + 1, 0)
        negative = statistics(v, sigmoid_u16(x))
        update(state, gradient(positive, negative), settings, rate, momentum)

    n_updates = -(-len(order) // batch_size)
    for t in range(n_updates):
        batch = slice(t * batch_size, (t + 1) * batch_size)
        step = first_step + 2 * k * t
        learn(X[order[batch]], row_ids[batch], step, float(rates[t]), float(momenta[t]))
    return n_updates


# --- Networks --------------------------------------------------------------------------------------------


def add_bias_sigmoid(x: F32, bias: F32) -> None:
    """In place: the means ``sigmoid(x + bias)`` of a layer."""
    x[:] = sigmoid(x + bias)


def softmax(x: F32, bias: F32) -> None:
    """In place: the probabilities ``softmax(x + bias)`` of each row's classes."""
    e, total, _ = _exponentials(x + bias)
    x[:] = e / total[:, None]


def _exponentials(x: F32) -> tuple[F32, F32, F32]:
    """exp(x - top), their row sums, and top, the largest of each row."""
    top = x.max(axis=1)
    e = exp_negative(top[:, None] - x)
    return e, row_sums(e.astype(np.float64)).astype(np.float32), top


def drop(
    x: F32,
    rate: float,
    seed: int,
    purpose: int,
    layer: int,
    step: int,
    rows: RowIds,
    sent: F32,
    factor: F32,
) -> None:
    """Dropout: ``sent = x * factor``, and a factor is 0 iff the unit's uniform is below ``2**32 rate``.

    Else it is ``1 / (1 - rate)``, so that nothing changes on average.
    """
    uniform = uniform_u32(x.shape[0], x.shape[1], seed, purpose, layer, step, rows)
    factor[:] = np.where(uniform >= np.uint32(rate * 4294967296.0), f32(1.0 / (1.0 - rate)), f32(0.0))
    sent[:] = x * factor


def backward(delta: F32, h: F32 | None = None, factor: F32 | None = None) -> None:
    """In place: the gradient by what units sent becomes that by their total inputs.

    Times the slope ``h (1 - h)`` of the sigmoid, if `h` are its values, and times the factors of dropout.
    """
    if h is not None:
        delta[:] = delta * (h * (f32(1.0) - h))
    if factor is not None:
        delta[:] = delta * factor


def softmax_cross_entropy(x: F32, bias: F32, labels: I64) -> tuple[F64, U8]:
    """Losses ``-log softmax(x + bias)[label]``, and whether the first most probable class is another one.

    In place `x` becomes the gradient of the losses by ``x + bias``.
    """
    x[:] = x + bias
    rows = np.arange(len(x))
    wrong = (x.argmax(axis=1) != labels).astype(np.uint8)
    e, total, top = _exponentials(x)
    loss = log(total).astype(np.float64) + (top - x[rows, labels])
    x[:] = e / total[:, None]
    x[rows, labels] -= f32(1.0)
    return loss, wrong


def sigmoid_cross_entropy(x: F32, bias: F32, targets: F32) -> F64:
    """Losses ``sum(softplus(x + bias) - targets * (x + bias))`` of Bernoulli units.

    In place `x` becomes the gradient of the losses by ``x + bias``.
    """
    x[:] = x + bias
    loss: F64 = softplus_sum(x) - row_sums(targets.astype(np.float64) * x)
    x[:] = sigmoid(x) - targets
    return loss


def squared_error(x: F32, bias: F32, targets: F32) -> F64:
    """Losses ``|x + bias - targets|^2 / 2``; in place `x` becomes their gradient by ``x + bias``."""
    x[:] = (x + bias) - targets
    loss: F64 = 0.5 * row_sums(x.astype(np.float64) ** 2)
    return loss


def momentum_step(
    value: F32, velocity: F32, gradient: F32, scale: float, rate: float, momentum: float, decay: float
) -> None:
    """One step downhill along ``scale * gradient + decay * value``, in place."""
    slope: F32 = f32(scale) * gradient + f32(decay) * value
    eta, mu = f32(rate), f32(momentum)
    moved: F32 = mu * velocity - eta * slope
    velocity[:] = _flush(moved)
    value += velocity


def adam_step(
    value: F32,
    mean: F32,
    square: F32,
    gradient: F32,
    scale: float,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float,
    beta1_power: float,
    beta2_power: float,
) -> None:
    """One step of Adam (Kingma & Ba 2015) along ``scale * gradient + decay * value``, in place.

    `mean` and `square` are running means of the slope and of its square. The powers of beta1 and beta2, by
    the number of the step counted from 1, correct them for their start at 0; the correction of the mean is a
    factor of the rate.
    """
    slope = f32(scale) * gradient + f32(decay) * value
    means: tuple[tuple[F32, float, F32], ...] = ((mean, beta1, slope), (square, beta2, slope * slope))
    for average, beta, new in means:
        moved: F32 = f32(beta) * average + f32(1.0 - beta) * new
        average[:] = _flush(moved)
    size = np.sqrt(f32(1.0 / (1.0 - beta2_power)) * square) + f32(epsilon)
    value -= (f32(rate / (1.0 - beta1_power)) * mean) / size
