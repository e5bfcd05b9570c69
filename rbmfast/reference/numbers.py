"""Functions of single numbers, sums in one order, fixed-point weights and their products with states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
States = NDArray[Any]
Sizes = NDArray[np.int32]  # of groups of units, of which one is on: (n_groups,)
Blocks = tuple[int | Sizes, ...]  # of a layer: numbers of switches, and sizes of groups
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

# --- Elementwise functions ----------------------------------------------------------------------------------


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


def group_units(sizes: Sizes) -> tuple[I64, NDArray[np.bool_]]:
    """Numbers of the units in groups of these sizes, (n_groups, largest), and which of them there are."""
    unit = np.arange(np.max(sizes))
    there = unit < sizes[:, None]
    first = (np.cumsum(sizes) - sizes)[:, None]
    return np.where(there, first + unit, first), there


def group_sums(x: F32, sizes: Sizes) -> tuple[F32, F64, F32]:
    """Of groups of units: ``exp(x - top)``, their cumulative sums, and the largest x of each group.

    (n_rows, n_groups, largest), with 0 for units that a group does not have.
    """
    units, there = group_units(sizes)
    groups = x[:, units]
    top = groups.max(axis=2)
    e = np.where(there, exp_negative(groups - top[..., None]), f32(0))
    return e, np.cumsum(e, axis=2, dtype=np.float64), top  # in order, unlike NumPy's plain sums


def softmax_groups(x: F32, sizes: Sizes) -> F32:
    """Probabilities of the units in groups of which one is on."""
    e, ends, _ = group_sums(x, sizes)
    p: F32 = (e / ends[..., -1:]).astype(np.float32)
    return p[:, group_units(sizes)[1]]


def log_sum_groups(x: F32, sizes: Sizes) -> F64:
    """Logarithm of each group's summed exponentials: (n_rows, n_groups)."""
    _, ends, top = group_sums(x, sizes)
    sums: F64 = top.astype(np.float64) + log(ends[..., -1].astype(np.float32)).astype(np.float64)
    return sums


def draw_groups(x: F32, sizes: Sizes, uniform: NDArray[np.uint32]) -> U8:
    """One state of each group, by the number u of its first unit.

    The first state whose cumulative weight exceeds (u + 1/2) / 2**32 of the whole.
    """
    _, ends, _ = group_sums(x, sizes)
    first = group_units(sizes)[0][:, 0]
    target = (uniform[:, first] + 0.5) * 2.0**-32 * ends[..., -1]
    state = (ends <= target[..., None]).sum(axis=2)
    hot = np.zeros(x.shape, np.uint8)
    np.put_along_axis(hot, first + state, 1, axis=1)
    return hot


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


# --- Sums in one order --------------------------------------------------------------------------------------


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


# --- Fixed-point weights and their products -----------------------------------------------------------------


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


def weighted_sum(states: States, weights: F32) -> NDArray[np.float64]:
    """sum_i states_i * weights_i in float64; every product is exact."""
    return row_sums(as_levels(states).astype(np.float64) * weights.astype(np.float64)) / GREY


def as_levels(states: States) -> I64:
    """States in units of 1/65535."""
    return states.astype(np.int64) * (GREY if states.dtype == np.uint8 else 1)


# --- Sums over classes --------------------------------------------------------------------------------------


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
