"""Layers that predict their neighbours: what learns in a deep network below its top RBM."""

from __future__ import annotations

import numpy as np

from rbmfast import _engine as engine
from rbmfast.models.conditionals import Conditional
from rbmfast.reference import F32, F64, GREY, States
from rbmfast.state import Gradient, LearningState
from rbmfast.states import LEVELS, as_float, in_form
from rbmfast.training.phases import difference, mean_of_rows
from rbmfast.units import Unit


class Directed:
    """P(target layer | source layer), upwards or downwards.

    It learns as an RBM does whose visible layer is the source and whose hidden layer is the target, but for
    the visible bias, which has no part in it.

    Parameters
    ----------
    source, target : Unit
        Types of their units.
    W : float32 array (n_source, n_target)
        Weights; copied.
    bias : float32 array (n_target,)
        Of the target; copied.
    """

    def __init__(self, source: Unit, target: Unit, W: F32, bias: F32) -> None:
        self.source, self.target = source, target
        self.state = LearningState.start(W, np.zeros(len(W), np.float32), bias)

    def way(self) -> Conditional:
        """From states of the source to the target, as it stands."""
        state = self.state
        weights = engine.Weights(state.W, state.exponent)
        return Conditional(self.source, self.target, weights, state.W, state.b, up=True)


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
        error: F32 = seen - expected
        return Gradient(
            W=v.T @ error / np.float32(len(v)),
            a=np.zeros(v.shape[1], np.float32),
            b=mean_of_rows(error),
            visible_mean=mean_of_rows(v),
            hidden_mean=mean_of_rows(seen),
        )


def squared_error(target: States, predicted: States) -> float:
    """Sum of the squared differences of states and their expectations: exact for 0/1 units."""
    if target.dtype == np.float32:
        difference = target.astype(np.float64) - predicted
        return float(np.vdot(difference, difference))
    levels = in_form(target, LEVELS).astype(np.int64) - predicted
    return int(np.vdot(levels, levels)) / GREY**2
