"""The two phases of learning, compared: from samples of the data and of the model to a gradient."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np

from rbmfast import _engine as engine
from rbmfast.models.conditionals import Conditionals
from rbmfast.reference import F32, F64, GREY, States
from rbmfast.state import Gradient
from rbmfast.states import LEVELS, as_float, in_form, unit_of

Phase = tuple[States, States]  # visible states, and means of the hidden units: 16-bit levels, or float32


def contrast(
    model: Conditionals,
    data: tuple[States, F32],
    samples: tuple[States, F32],
    weights: F64 | None = None,
) -> Gradient:
    """The gradient of the log-likelihood: means under the data minus means under the samples of the model.

    Each phase is given as visible states (n, n_visible) and the hidden units' total inputs (n, n_hidden). The
    hidden units enter by their probabilities, not by samples of them: the same mean with less noise. With 0/1
    states in both layers the sums are exact integers; otherwise they are float32 matrix products. Weights
    multiply the data's rows: each stands against its weight's share of the samples.
    """
    (v, x), (v_model, x_model) = data, samples
    gradient = difference((v, model.hidden_means(x)), (v_model, model.hidden_means(x_model)), weights)
    gradient.more = _of_layers(model, data, samples, weights)
    return gradient


def _of_layers(
    model: Conditionals, data: tuple[States, F32], samples: tuple[States, F32], weights: F64 | None
) -> dict[str, F32]:
    """The difference for what the layers learn beside their biases."""
    positive = model.parameter_gradient(*data)
    if not positive:
        return {}
    negative = model.parameter_gradient(*samples)
    shares = np.full(len(data[0]), 1 / len(data[0])) if weights is None else weights / len(weights)
    total = math.fsum(shares)
    return {
        name: (shares @ each - total * negative[name].mean(axis=0, dtype=np.float64)).astype(np.float32)
        for name, each in positive.items()
    }


def difference(data: Phase, samples: Phase, weights: F64 | None = None, paired: bool = False) -> Gradient:
    """`contrast` of visible states and hidden means. Weights of paired samples are those of their rows."""
    if weights is not None:
        return _weighted_gradient(data, samples, weights, paired)
    if data[1].dtype == LEVELS:
        return engine.contrast(data, samples)
    with np.errstate(over="ignore", invalid="ignore"):  # the run looks for what is not finite
        (W, a, b), (W_model, a_model, b_model) = _float_means(*data), _float_means(*samples)
        return Gradient(W - W_model, a - a_model, b - b_model, visible_mean=a, hidden_mean=b)


def _float_means(v: States, p: States) -> tuple[F32, F32, F32]:
    """Means over the rows of the pairs, the visible and the hidden units."""
    v = as_float(v)
    return v.T @ p / np.float32(len(v)), mean_of_rows(v), mean_of_rows(p)


def _weighted_gradient(data: Phase, samples: Phase, weights: F64, paired: bool) -> Gradient:
    """`difference` with weights, in float64: exact sums of integers where `difference` has them."""
    exact = data[1].dtype == LEVELS
    top = float(weights.max()) or 1.0
    mean_weight = math.fsum(weights) / len(weights)

    def means(v: States, p: States, shares: F64) -> tuple[F64, F64, F64]:
        """Weighted means of the pairs, the visible and the hidden units."""
        n = len(v)
        if not exact:
            v, p = as_float(v).astype(np.float64), p * shares[:, None]
            return v.T @ p / n, shares @ v / n, p.sum(axis=0) / n
        unit = unit_of(v.dtype)
        v = v.astype(np.float64)  # integers from here on: shares are folded into 16-bit levels
        p = np.rint(p * shares[:, None])
        visible = np.rint(v * (GREY // unit) * shares[:, None]).sum(axis=0)
        return v.T @ p / (unit * GREY * n), visible / (GREY * n), p.sum(axis=0) / (GREY * n)

    positive = [top * mean for mean in means(*data, weights / top)]
    if paired:
        negative = [top * mean for mean in means(*samples, weights / top)]
    else:
        negative = [mean_weight * mean for mean in means(*samples, np.ones(len(samples[0])))]
    W, a, b = (np.ascontiguousarray(p - n, np.float32) for p, n in zip(positive, negative, strict=True))
    total = mean_weight or 1.0
    visible, hidden = ((mean / total).astype(np.float32) for mean in positive[1:])
    return Gradient(W, a, b, visible_mean=visible, hidden_mean=hidden)


def prediction_gradient(
    source: States, target: States, predicted: States, weights: F64 | None = None
) -> Gradient:
    """The gradient of the mean log-probability of target states, given source states: the delta rule.

    A unit of total input x has d log p(s) / dx = s - mean(x), whatever its type. So the weights' gradient is
    the mean of (target - its mean) x source: a contrast of two phases that share the source. With 0/1 states
    or grey levels its sums are exact integers, otherwise float32 matrix products.

    Parameters
    ----------
    source : (n_rows, n_source)
        States that predict.
    target : (n_rows, n_target)
        States to be predicted, or expectations of states.
    predicted : (n_rows, n_target)
        Expectations of the target, given the source: `Conditional.expectation`.
    weights : float64 array (n_rows,), optional
        Multiply the rows' shares of the mean.
    """
    if np.float32 not in (source.dtype, target.dtype):
        return difference((source, in_form(target, LEVELS)), (source, predicted), weights, paired=True)
    v, seen, expected = (as_float(states) for states in (source, target, predicted))
    if weights is not None:
        return difference((v, seen), (v, expected), weights, paired=True)
    with np.errstate(over="ignore", invalid="ignore"):  # the run looks for what is not finite
        W, mean, b = _float_means(v, seen - expected)
        return Gradient(W, np.zeros_like(mean), b, visible_mean=mean, hidden_mean=mean_of_rows(seen))


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
