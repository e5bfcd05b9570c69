"""Learning: sums over rows, their gradient and what an update does with it; what networks learn by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference.chains import levels_of_blocks, sample_blocks, uniform_u32
from rbmfast.reference.numbers import (
    F32,
    F64,
    GREY,
    I64,
    U8,
    Blocks,
    RowIds,
    States,
    Weights,
    affine,
    as_levels,
    column_sums,
    exp_negative,
    exponent,
    f32,
    log,
    row_sums,
    sigmoid,
    softplus_sum,
)
from rbmfast.state import Fast, Gradient, LearningState, Missing, Statistics, UpdateSettings

# --- Boltzmann machines -------------------------------------------------------------------------------------


def shares(weights: F64) -> tuple[I64, float]:
    """Weights of rows as shares of the largest one, in units of 1/65535; and the largest."""
    top = float(weights.max())
    return np.rint(weights / (top or 1.0) * GREY).astype(np.int64), top


def statistics(states: States, hidden_u16: NDArray[np.uint16], row_shares: I64 | None = None) -> Statistics:
    """Sums over rows of visible x hidden, visible, and hidden, in units of 1/65535 a factor.

    A row's share multiplies its hidden probabilities, and its visible states where these are added alone; the
    products are rounded.
    """
    v = as_levels(states)
    h = hidden_u16.astype(np.int64)
    if row_shares is None:
        return Statistics(v.T @ h, v.sum(axis=0), h.sum(axis=0), len(v))
    v_part, h = ((2 * x * row_shares[:, None] + GREY) // (2 * GREY) for x in (v, h))
    return Statistics(v.T @ h, v_part.sum(axis=0), h.sum(axis=0), len(v))


def gradient(
    positive: Statistics,
    negative: Statistics,
    weights: tuple[float, float] = (1.0, 1.0),
    n_effective: float | None = None,
) -> Gradient:
    """Mean of the positive minus mean of the negative statistics, rounded to float32, each times its weight.

    With as many rows and the same weight in both phases the integers are subtracted first; otherwise each
    mean is rounded first. The data's means are over `n_effective` rows: the sum of their shares.
    """
    n_positive, n_negative = positive.n_rows, negative.n_rows
    alike = n_positive == n_negative and weights[0] == weights[1]

    def scale(n: float, unit: int, weight: float = 1.0) -> np.float32:
        return f32(weight / (float(unit) * n))

    def difference(p: NDArray[Any], n: NDArray[Any], unit: int) -> F32:
        result: F32
        if alike:
            result = (p - n).astype(np.float32) * scale(n_positive, unit, weights[0])
        else:
            result = p.astype(np.float32) * scale(n_positive, unit, weights[0])
            result = result - n.astype(np.float32) * scale(n_negative, unit, weights[1])
        return result

    n_effective = n_positive if n_effective is None else n_effective

    return Gradient(
        W=difference(positive.pairs / GREY, negative.pairs / GREY, GREY),
        a=difference(positive.visible / GREY, negative.visible / GREY, 1),
        b=difference(positive.hidden, negative.hidden, GREY),
        visible_mean=(positive.visible / GREY).astype(np.float32) * scale(n_effective, 1),
        hidden_mean=positive.hidden.astype(np.float32) * scale(n_effective, GREY),
    )


def contrast(
    data: tuple[States, NDArray[np.uint16]],
    samples: tuple[States, NDArray[np.uint16]],
    weights: F64 | None = None,
    paired: bool = False,
) -> Gradient:
    """The gradient from visible states and hidden probabilities under the data and of the model's samples.

    Weights are those of the data's rows, and, if `paired`, of the samples in the same places; else all
    samples have the mean weight.
    """
    if weights is None:
        return gradient(statistics(*data), statistics(*samples))
    parts, top = shares(weights)
    n_effective = float(parts.sum()) / GREY or 1.0
    mean_weight = top if paired else top * (n_effective / len(parts))
    negative = statistics(*samples, parts if paired else None)
    return gradient(statistics(*data, parts), negative, (top, mean_weight), n_effective)


def _flush(velocity: F32) -> F32:
    """Values below 2**-100 become 0: denormals would make dead units ten times slower."""
    return np.where(np.abs(velocity) < f32(2.0**-100), f32(0.0), velocity)


def slope(state: LearningState, grad: Gradient, settings: UpdateSettings) -> tuple[F32, F32, F32]:
    """What the parameters follow: the gradient, centred, and with what penalties add; running means slide."""
    g, ga, gb = grad.W, grad.a, grad.b
    if settings.centered:
        slide = f32(settings.offset_rate)
        state.visible_offset += slide * (grad.visible_mean - state.visible_offset)
        state.hidden_offset += slide * (grad.hidden_mean - state.hidden_offset)
        g = (g - state.visible_offset[:, None] * gb) - ga[:, None] * state.hidden_offset
        g = g if state.joined is None else g * state.joined
        ga = ga - row_sums(g * state.hidden_offset)
        gb = gb - column_sums(g * state.visible_offset[:, None])
    if settings.sparsity_cost > 0:
        decay = f32(settings.sparsity_decay)
        state.activity[:] = decay * state.activity + (f32(1.0) - decay) * grad.hidden_mean
        push = f32(settings.sparsity_cost) * (f32(settings.sparsity_target) - state.activity)
        g = g + grad.visible_mean[:, None] * push
        gb = gb + push
    g = decayed(g, state.W, settings)
    return g if state.joined is None else g * state.joined, ga, gb


def decayed(g: F32, W: F32, settings: UpdateSettings) -> F32:
    """The slope along weights, with what decay adds."""
    total: F32 = (g - f32(settings.l2) * W) - f32(settings.l1) * np.sign(W)
    return total


def limit_columns(W: F32, max_norm: float) -> None:
    """Scale columns that are longer than `max_norm` back to it, in place; 0 means no limit."""
    if max_norm > 0:
        limit = f32(max_norm)
        squares = column_sums(W * W)
        W *= np.where(squares > limit * limit, limit / np.sqrt(np.maximum(squares, limit * limit)), f32(1.0))


def update(
    state: LearningState, grad: Gradient, settings: UpdateSettings, rate: float, momentum: float
) -> None:
    """One step uphill, in place; then the exponent drops if the new weights need it."""
    eta, mu = f32(rate), f32(momentum)
    g, ga, gb = slope(state, grad, settings)
    for value, velocity, uphill in (
        (state.W, state.W_velocity, g),
        (state.a, state.a_velocity, ga),
        (state.b, state.b_velocity, gb),
    ):
        velocity[:] = _flush(mu * velocity + eta * uphill)
        value += velocity
    limit_columns(state.W, settings.max_norm)
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
    weights: F64 | None = None,
    blocks: tuple[Blocks | None, Blocks | None] = (None, None),
    missing: Missing | None = None,
    fast: Fast | None = None,
) -> int:
    """Learn from rows ``X[order]`` in batches, by CD-k (`chains` is None) or PCD-k; returns the updates made.

    `chains` (n_chains, n_hidden) are the hidden states of the persistent chains and are advanced in place. CD
    draws for row `row_ids[i]`, PCD for chain i; an update uses the 2 k half-steps from
    ``first_step + 2 k * update``. `weights` are those of the rows in this order; CD's samples have them, too.
    `blocks` of both layers are as in `sample_blocks`.
    What is `missing` in X is completed, or absent in both phases. Persistent chains follow the sums of the
    model's parameters and `fast` ones.
    """
    visible, hidden = blocks
    state.exponent = exponent(state.W, state.exponent)

    def learn(batch: slice, step: int, rate: float, momentum: float) -> None:
        W, v, ids = Weights(state.W, state.exponent), X[order[batch]], row_ids[batch]

        def draw(x: F32, blocks: Blocks | None, half_step: int, rows: RowIds) -> U8:
            return sample_blocks(x, blocks, seed, purpose, layer, step + half_step, rows)

        absent = np.zeros(v.shape, np.bool_) if missing is None else missing.entries[order[batch]]
        if missing is not None and missing.chains is not None:
            v = complete(state, missing, batch, v, absent, blocks, seed, layer, step)
            rest(state, missing, batch, v, hidden, seed, layer, step + 1)
            absent = np.zeros_like(absent)
        x = affine(W, v, state.b)
        data = v, levels_of_blocks(x, hidden)
        a, b = state.a, state.b
        if fast is not None:
            W, a, b = Weights(state.W + fast.W, state.exponent), a + fast.a, b + fast.b
        for i in range(k):
            if chains is None:
                h = draw(x, hidden, 2 * i, ids)
                v = draw(affine(W, h, a, up=False), visible, 2 * i + 1, ids)
                v[absent] = 0
                x = affine(W, v, b)
            else:
                v = draw(affine(W, chains, a, up=False), visible, 2 * i, 0)
                x = affine(W, v, b)
                chains[:] = draw(x, hidden, 2 * i + 1, 0)
        own = None if weights is None else weights[batch]
        grad = contrast(data, (v, levels_of_blocks(x, hidden)), own, paired=chains is None)
        if fast is not None:
            for parameter, slope in (fast.W, grad.W), (fast.a, grad.a), (fast.b, grad.b):
                parameter[:] = _flush(np.float32(fast.decay) * parameter + np.float32(fast.rate) * slope)
        update(state, grad, settings, rate, momentum)

    n_updates = -(-len(order) // batch_size)
    for t in range(n_updates):
        batch = slice(t * batch_size, (t + 1) * batch_size)
        learn(batch, first_step + 2 * k * t, float(rates[t]), float(momenta[t]))
    return n_updates


def complete(
    state: LearningState,
    missing: Missing,
    batch: slice,
    v: States,
    entries: NDArray[np.bool_],
    blocks: tuple[Blocks | None, Blocks | None],
    seed: int,
    layer: int,
    step: int,
) -> States:
    """Rows of a batch with their missing entries drawn, given the hidden states where their chains rest."""
    here, chains, rows = _chains_of(missing, batch)
    one = v.dtype.type(GREY if v.dtype == np.uint16 else 1)
    W = Weights(state.W, state.exponent)

    def draw(x: F32, blocks: Blocks | None, layer: int, step: int) -> U8:
        return sample_blocks(x, blocks, seed, missing.purpose, layer, step, rows)

    def filled(drawn: U8) -> States:
        completed = v.copy()
        completed[here] = np.where(entries[here], drawn * one, v[here])
        return completed

    assert missing.hidden is not None
    visible, hidden = blocks
    if missing.begin:
        alone = filled(draw(np.tile(state.a, (len(rows), 1)), visible, layer + 1, step))
        missing.hidden[chains] = draw(affine(W, alone[here], state.b), hidden, layer + 1, step + 1)
    return filled(draw(affine(W, missing.hidden[chains], state.a, up=False), visible, layer, step))


def rest(
    state: LearningState,
    missing: Missing,
    batch: slice,
    v: States,
    blocks: Blocks | None,
    seed: int,
    layer: int,
    step: int,
) -> None:
    """Draw the hidden states where the chains of completed rows rest until these come again."""
    here, chains, rows = _chains_of(missing, batch)
    x = affine(Weights(state.W, state.exponent), v[here], state.b)
    assert missing.hidden is not None
    missing.hidden[chains] = sample_blocks(x, blocks, seed, missing.purpose, layer, step, rows)


def _chains_of(missing: Missing, batch: slice) -> tuple[NDArray[np.bool_], I64, I64]:
    """Which rows of a batch have a chain, these chains, and their rows in random numbers."""
    assert missing.chains is not None and missing.rows is not None
    here = missing.chains[batch] >= 0
    return here, missing.chains[batch][here], missing.rows[batch][here]


# --- Networks -----------------------------------------------------------------------------------------------


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
