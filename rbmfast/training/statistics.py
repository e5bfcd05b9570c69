"""The integer sums that a gradient is made from, for learning in parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.models import RBM
from rbmfast.models.conditionals import Conditionals
from rbmfast.reference import F32, States
from rbmfast.state import Statistics
from rbmfast.streams import MAX_ROW, MAX_STEP, Stream
from rbmfast.training.base import Method
from rbmfast.training.cd import CD

BLOCK = 4096  # rows whose statistics are summed by one call


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
    if not method.learns_from_samples:
        raise ValueError(f"method must learn from samples of the model alone, as rf.CD(k=1); got {method!r}")
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
    stream = Stream(check_seed(seed), method.purpose, 0, first_step)
    model = Conditionals.of(units, rbm._weights(), rbm.W, rbm.a, rbm.b, stream=stream)
    memory = _check_memory(memory, method, method.start_memory(model, rbm.visible_means))
    model = replace(model, memory=memory)
    positive: Statistics | None = None
    negative: Statistics | None = None
    for first, v in rows.blocks(BLOCK):
        x = model.up.input(v)
        part = _statistics(model, v, x)
        positive = part if positive is None else positive + part
        if chains is None or negative is None:
            start = first_row if chains is not None else first_row + first
            samples = method.negative_phase(model.at(first_step, start), v, x, chains)
            part = _statistics(model, *samples)
            negative = part if negative is None else negative + part
    assert positive is not None and negative is not None  # data has at least one row
    return positive, negative


def _statistics(model: Conditionals, v: States, x: F32) -> Statistics:
    """Integer sums over rows of visible states and 16-bit hidden probabilities, and of their products."""
    return engine.statistics(v, model.up.target.expectation(x))


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
