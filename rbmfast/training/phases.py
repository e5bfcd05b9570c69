"""The two phases of learning, compared: from samples of the data and of the model to a gradient."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rbmfast import _engine as engine
from rbmfast.interactions.dense import Phase
from rbmfast.models.conditionals import Conditionals
from rbmfast.reference import F32, F64, GREY, MAX_BATCH, States
from rbmfast.state import Gradient
from rbmfast.states import LEVELS, Counts, as_float, in_form, product_of_rows
from rbmfast.units import Unit


def contrast(
    model: Conditionals,
    data: tuple[States, F32],
    samples: tuple[States, F32],
    weights: F64 | None = None,
    paired: bool = False,
) -> Gradient:
    """The gradient of the log-likelihood: means under the data minus means under the samples of the model.

    Each phase is given as visible states (n, n_visible) and the hidden units' total inputs (n, n_hidden). The
    hidden units enter by their probabilities, not by samples of them: the same mean with less noise.

    Weights multiply the data's rows. Samples that come from these rows (`paired`, where there are as many)
    have their weights, so that a row of weight 0 might as well be absent; others have the mean weight.
    """
    mean = model.up.target.expectation
    phases = [(v, mean(x)) for v, x in (data, samples)]
    paired = paired and len(data[0]) == len(samples[0])
    own = model.up.interaction.contrast(model.layers, phases[0], phases[1], weights, paired)
    gradient = own or difference(model.layers, phases[0], phases[1], weights, paired)
    gradient.more = _of_layers(model, data, samples, weights, paired)
    return gradient


def _of_layers(
    model: Conditionals,
    data: tuple[States, F32],
    samples: tuple[States, F32],
    weights: F64 | None,
    paired: bool,
) -> dict[str, F32]:
    """The difference for what the layers learn beside their biases."""
    n, n_samples = len(data[0]), len(samples[0])
    own = np.full(n, 1 / n) if weights is None else weights / n
    of_samples = own if weights is not None and paired else np.full(n_samples, math.fsum(own) / n_samples)
    positive, negative = model.parameter_sums(*data, own), model.parameter_sums(*samples, of_samples)
    return {name: (sums - negative[name]).astype(np.float32) for name, sums in positive.items()}


def difference(
    layers: tuple[Unit, Unit],
    data: Phase,
    samples: Phase,
    weights: F64 | None = None,
    paired: bool = False,
) -> Gradient:
    """`contrast` of states and means of two layers. Weights of paired samples are those of their rows.

    The sums are exact where both layers' states are 0 and 1 or on a grid, otherwise float32 matrix products.
    """
    few = max(len(data[1]), len(samples[1])) <= MAX_BATCH
    if few and data[1].dtype == LEVELS and (weights is None or data[0].dtype != np.float32):
        seen, modelled = (layers[0].for_engine(phase[0]) for phase in (data, samples))
        if seen is not None and modelled is not None:
            return engine.contrast((seen, data[1]), (modelled, samples[1]), weights, paired)
    top = 1.0 if weights is None else float(weights.max()) or 1.0
    mean_weight = 1.0 if weights is None else math.fsum(weights) / len(weights)
    shares = None if weights is None else weights / top
    positive = _terms(layers, data, shares)
    negative = _terms(layers, samples, shares if paired else None)
    factors = None if weights is None else (top, top if paired else mean_weight)
    with np.errstate(over="ignore", invalid="ignore"):  # the run looks for what is not finite
        W = _pairs(positive, negative, factors)
        a, b = (_less(*means, factors) for means in zip(positive.means, negative.means, strict=True))
        b = layers[0].bias_gradient(W, b)
        means = [top * mean / (mean_weight or 1.0) for mean in positive.means]
    visible, hidden = (mean.astype(np.float32) for mean in means)
    return Gradient(W, a, b, visible, hidden)


def joint_contrast(
    unit: Unit, data: States, samples: States, weights: F64 | None = None, paired: bool = False
) -> Gradient:
    """The gradient of a machine whose units are all in one layer, from 0/1 states: W is symmetric, b is a."""
    phases = [(states, in_form(states, LEVELS)) for states in (data, samples)]
    return difference((unit, unit), phases[0], phases[1], weights, paired)


class Terms(NamedTuple):
    """A phase: numbers of both layers, whose products are summed over the rows; and the layers' means.

    `per` of such a sum make a mean of 1: a number, or one for each pair.
    """

    visible: F32 | F64
    hidden: F32 | F64
    per: F64 | float
    means: tuple[F32 | F64, F32 | F64]


def _pairs(positive: Terms, negative: Terms, factors: tuple[float, float] | None) -> F32:
    """Differences of the mean products, each mean times its factor."""
    if factors is None and np.array_equal(positive.per, negative.per):
        # One product of both phases: half as much to write, nothing to subtract, and as exact.
        visible = np.concatenate([positive.visible, negative.visible])
        np.negative(negative.visible, out=visible[len(positive.visible) :])
        sums = product_of_rows(visible, np.concatenate([positive.hidden, negative.hidden]))
        sums *= 1 / positive.per
        return np.ascontiguousarray(sums, np.float32)
    means = [product_of_rows(one.visible, one.hidden) * (1 / one.per) for one in (positive, negative)]
    return _less(means[0], means[1], factors)


def _less(positive: F32 | F64, negative: F32 | F64, factors: tuple[float, float] | None) -> F32:
    """The difference of means, each times its factor."""
    if factors is None:
        return np.ascontiguousarray(positive - negative, np.float32)
    return np.ascontiguousarray(factors[0] * positive - factors[1] * negative, np.float32)


def _terms(layers: tuple[Unit, Unit], phase: Phase, shares: F64 | None) -> Terms:
    """What is summed over the rows, times their shares."""
    v, p = (unit.counts(states) for unit, states in zip(layers, phase, strict=True))
    if v is None or p is None:
        return _float_terms(as_float(phase[0]), as_float(phase[1]), shares)
    (seen, fine), (m, fine_hidden) = (v, p) if shares is None else (_times(v, shares), _times(p, shares))
    n = len(seen)
    alike = (v.per == v.per[0]).all() and (fine_hidden == fine_hidden[0]).all()
    per = float(v.per[0] * fine_hidden[0]) if alike else v.per[:, None] * fine_hidden
    means = seen.sum(axis=0) / (fine * n), m.sum(axis=0) / (fine_hidden * n)
    return Terms(v.numbers, m, per * n, means)


def _times(counts: Counts, shares: F64) -> Counts:
    """Rows times their shares, as whole numbers again: of units as fine as grey levels at least."""
    finer = np.where(counts.per == GREY, 1.0, 2.0**16)
    return Counts(np.rint(counts.numbers * shares[:, None] * finer), counts.per * finer)


def _float_terms(v: F32, p: F32, shares: F64 | None) -> Terms:
    """Those of real states without a grid, in float32."""
    seen = v
    with np.errstate(over="ignore", invalid="ignore"):
        if shares is not None:
            own = shares.astype(np.float32)[:, None]
            seen, p = v * own, p * own
        return Terms(v, p, float(len(v)), (mean_of_rows(seen), mean_of_rows(p)))


def prediction_gradient(
    layers: tuple[Unit, Unit], source: States, target: States, predicted: States, weights: F64 | None = None
) -> Gradient:
    """The gradient of the mean log-probability of target states, given source states: the delta rule.

    A unit of total input x has d log p(s) / dx = s - mean(x), whatever its type. So the weights' gradient is
    the mean of (target - its mean) x source: a contrast of two phases that share the source.

    Parameters
    ----------
    layers : (Unit, Unit)
        The source's, and the target's.
    source : (n_rows, n_source)
        States that predict.
    target : (n_rows, n_target)
        States to be predicted, or expectations of states.
    predicted : (n_rows, n_target)
        Expectations of the target, given the source: `Conditional.expectation`.
    weights : float64 array (n_rows,), optional
        Multiply the rows' shares of the mean.
    """
    target = in_form(target, predicted.dtype)
    return difference(layers, (source, target), (source, predicted), weights, paired=True)


def squared_error(target: States, predicted: States) -> float:
    """Sum of the squared differences of states and their expectations: exact for 0/1 units."""
    if target.dtype == np.float32:
        difference = target.astype(np.float64) - predicted
        return float(np.vdot(difference, difference))
    levels = in_form(target, LEVELS).astype(np.int64) - predicted
    return int(np.vdot(levels, levels)) / GREY**2


def mean_of_rows(x: F32) -> F32:
    """The mean row, summed in float64."""
    mean: F32 = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


@contextlib.contextmanager
def as_divergence() -> Iterator[None]:
    """Fixed-point weights only overflow when they have run away."""
    try:
        yield
    except ValueError as error:
        raise FloatingPointError(str(error)) from error
