"""The two phases of learning, compared: from samples of the data and of the model to a gradient."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.models import RBM
from rbmfast.random import MAX_ROW, MAX_STEP, SeedLike, check_integer, check_seed
from rbmfast.reference import F32, GREY, States
from rbmfast.state import Gradient, Statistics
from rbmfast.training.base import Conditionals, Method
from rbmfast.training.cd import CD
from rbmfast.units.base import F64

BLOCK = 4096  # rows whose statistics are summed by one call


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
    if weights is not None:
        return _weighted_gradient(model, data, samples, weights)
    if model.up.source.exact and model.up.target.exact:
        (v, x), (v_model, x_model) = data, samples
        expectation = model.up.target.expectation
        return engine.contrast((v, expectation(x)), (v_model, expectation(x_model)))
    return _float_gradient(model, data, samples)


def exact_statistics(model: Conditionals, v: States, x: F32) -> Statistics:
    """Integer sums over rows of visible states and 16-bit hidden probabilities, and of their products."""
    return engine.statistics(v, model.up.target.expectation(x))


def _float_gradient(model: Conditionals, data: tuple[States, F32], samples: tuple[States, F32]) -> Gradient:
    v0, v1 = _as_float(data[0]), _as_float(samples[0])
    p0, p1 = model.up.target.mean(data[1]), model.up.target.mean(samples[1])
    n0, n1 = np.float32(len(v0)), np.float32(len(v1))
    with np.errstate(over="ignore", invalid="ignore"):  # the run looks for what is not finite
        return Gradient(
            W=v0.T @ p0 / n0 - v1.T @ p1 / n1,
            a=_mean(v0) - _mean(v1),
            b=_mean(p0) - _mean(p1),
            visible_mean=_mean(v0),
            hidden_mean=_mean(p0),
        )


def _weighted_gradient(
    model: Conditionals, data: tuple[States, F32], samples: tuple[States, F32], weights: F64
) -> Gradient:
    """`contrast` with weights, in float64: exact sums of integers where `contrast` has them."""
    exact = model.up.source.exact and model.up.target.exact
    top = float(weights.max()) or 1.0
    mean_weight = math.fsum(weights) / len(weights)

    def means(v: States, x: F32, shares: F64) -> tuple[F64, F64, F64]:
        """Weighted means of the pairs, the visible and the hidden units."""
        n = len(v)
        if not exact:
            v, p = _as_float(v).astype(np.float64), model.up.target.mean(x) * shares[:, None]
            return v.T @ p / n, shares @ v / n, p.sum(axis=0) / n
        unit = GREY if v.dtype == np.uint16 else 1
        v = v.astype(np.float64)  # integers from here on: shares are folded into 16-bit levels
        p = np.rint(model.up.target.expectation(x) * shares[:, None])
        visible = np.rint(v * (GREY // unit) * shares[:, None]).sum(axis=0)
        return v.T @ p / (unit * GREY * n), visible / (GREY * n), p.sum(axis=0) / (GREY * n)

    positive = [top * mean for mean in means(*data, weights / top)]
    negative = [mean_weight * mean for mean in means(*samples, np.ones(len(samples[0])))]
    W, a, b = (np.ascontiguousarray(p - n, np.float32) for p, n in zip(positive, negative, strict=True))
    total = mean_weight or 1.0
    visible, hidden = ((mean / total).astype(np.float32) for mean in positive[1:])
    return Gradient(W, a, b, visible_mean=visible, hidden_mean=hidden)


def _check_chains(chains: object, n_hidden: int, replicas: int) -> None:
    allowed = f"chains must be a writable uint8 array (n_chains, {n_hidden}) of 0 and 1"
    if not isinstance(chains, np.ndarray):
        raise TypeError(f"{allowed}, got {type(chains).__name__}")
    if chains.dtype != np.uint8 or not chains.flags.carray:
        raise ValueError(f"{allowed} in C order, got {chains.dtype} with {chains.strides} strides")
    if chains.ndim != 2 or chains.shape[1] != n_hidden or len(chains) == 0:
        raise ValueError(f"{allowed}, got shape {chains.shape}")
    if chains.max() > 1:
        raise ValueError(f"{allowed}, got a {chains.max()}")
    if len(chains) % replicas:
        raise ValueError(f"chains must have a multiple of {replicas} rows, got {len(chains)}")


def _check_memory(given: dict[str, F32] | None, method: Method, new: dict[str, F32]) -> dict[str, F32]:
    if given is None:
        return new
    for name, array in new.items():
        if name not in given or np.shape(given[name]) != array.shape:
            raise ValueError(f"memory must have an array {name!r} of shape {array.shape} for {method!r}")
    return given


def _as_float(states: States) -> F32:
    if states.dtype == np.uint16:
        return states.astype(np.float32) / np.float32(GREY)
    return states.astype(np.float32, copy=False)


def _mean(x: F32) -> F32:
    mean: F32 = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def gradient_statistics(
    rbm: RBM,
    V: Any,
    method: Method | None = None,
    seed: SeedLike = None,
    first_row: int = 0,
    first_step: int = 0,
    chains: NDArray[np.uint8] | None = None,
    memory: dict[str, F32] | None = None,
) -> tuple[Statistics, Statistics]:
    """The integer sums that a gradient is made from; those of parts of the rows add up to those of all.

    ``rbmfast.reference.gradient(positive, negative)`` makes the gradient of the mean log-likelihood of them.

    Parameters
    ----------
    rbm : RBM
        The model, of units with 0/1 states.
    V : data of shape (n_rows, n_visible)
        Any container that `train` takes.
    method : Method, default CD(k=1)
        The negative phase.
    seed : int, Generator or None
        Of the negative phase. The parts of one whole need the same integer.
    first_row : int, default 0
        Number of the first row of `V` in the whole; for a persistent method, of the first chain.
    first_step : int, default 0
        First half-step of the random numbers: in training, 2 k times the number of the update.
    chains : uint8 array (n_chains, n_hidden), optional
        For a persistent method: hidden states of its chains, advanced in place.
    memory : dict of str to array, optional
        For a method that keeps more than chains: that, by default as before its first update.

    Returns
    -------
    positive, negative : Statistics
        Sums under the data, and under the samples of the model.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Examples
    --------
    Two workers share four rows; their integers add up exactly:

    >>> import numpy as np
    >>> import rbmfast as rf
    >>> from rbmfast.training import gradient_statistics
    >>> rbm, V = rf.RBM(3, 2, seed=0), np.eye(4, 3)
    >>> whole, _ = gradient_statistics(rbm, V, rf.CD(k=1), seed=1)
    >>> top, _ = gradient_statistics(rbm, V[:2], rf.CD(k=1), seed=1)
    >>> rest, _ = gradient_statistics(rbm, V[2:], rf.CD(k=1), seed=1, first_row=2)
    >>> np.array_equal((top + rest).pairs, whole.pairs)
    True
    """
    method = CD(k=1) if method is None else method
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm must be an rf.RBM, got {rbm!r}")
    if not isinstance(method, Method):
        raise TypeError(f"method must be a method such as rf.CD(k=1), got {method!r}")
    if not (rbm.visible.exact and rbm.hidden.exact):
        raise ValueError(
            "rbm must have units with 0/1 states in both layers: only their statistics are integers"
        )
    rows = rbm.visible.rows(V, rbm.n_visible, "V")
    first_row = check_integer(first_row, "first_row", low=0, high=MAX_ROW - rows.n_rows)
    first_step = check_integer(first_step, "first_step", low=0, high=MAX_STEP - 2 * method.k)
    if (chains is not None) != method.persistent:
        need = "must be given for" if method.persistent else "must not be given for"
        raise ValueError(f"chains {need} {method!r}")
    if chains is not None:
        _check_chains(chains, rbm.n_hidden, method.replicas)

    units = (rbm.visible, rbm.hidden)
    model = Conditionals.of(rbm.W, rbm.a, rbm.b, rbm._weights(), units, check_seed(seed), method.purpose)
    memory = _check_memory(memory, method, method.start_memory(model, rbm.visible_means))
    model = replace(model, memory=memory)
    positive: Statistics | None = None
    negative: Statistics | None = None
    for first, v in rows.blocks(BLOCK):
        x = model.hidden_input(v)
        part = exact_statistics(model, v, x)
        positive = part if positive is None else positive + part
        if chains is None or negative is None:
            start = first_row if chains is not None else first_row + first
            samples = method.negative_phase(model, v, x, chains, first_step, start)
            part = exact_statistics(model, *samples)
            negative = part if negative is None else negative + part
    assert positive is not None and negative is not None  # data has at least one row
    return positive, negative
