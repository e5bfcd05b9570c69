"""Independent samples of small models, without a chain."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import SeedLike, check_integer, check_model, check_seed
from rbmfast.likelihood.enumeration import Blocks, is_normal, layer_to_enumerate, normal_moments
from rbmfast.models import RBM
from rbmfast.reference import F64, States
from rbmfast.runtime import check_fits_memory
from rbmfast.streams import MAX_ROW, Purpose, Stream
from rbmfast.units.gaussian import standard_normal


@overload
def exact_samples(
    rbm: RBM, n: int, seed: SeedLike = ..., *, first_row: int = ..., return_hidden: Literal[False] = ...
) -> States: ...


@overload
def exact_samples(
    rbm: RBM, n: int, seed: SeedLike = ..., *, first_row: int = ..., return_hidden: Literal[True]
) -> tuple[States, States]: ...


def exact_samples(
    rbm: RBM, n: int, seed: SeedLike = None, *, first_row: int = 0, return_hidden: bool = False
) -> States | tuple[States, States]:
    """Independent samples of the model itself, with no chain that would have to converge.

    A state of the smaller layer is drawn from the exact distribution of all its states: the one whose share
    of the cumulative probability, in counting order, holds a uniform number. The other layer is then drawn
    given it, as by `RBM.sample_visible` or `RBM.sample_hidden`. Gaussian units in both layers are one normal
    distribution.

    Parameters
    ----------
    rbm : RBM
        A model with a layer whose states can be counted, of at most as many as 28 Bernoulli units have (25
        beside a layer of other units than 0/1 ones, spins and categories); or with Gaussian units in both
        layers.
    n : int
        Samples.
    seed : int, Generator or None
        See the notes of `RBM`.
    first_row : int, default 0
        Number of the first sample in a larger whole: the parts give what the whole gives. Every call visits
        all states again, however few samples it is asked for.
    return_hidden : bool, default False
        Whether to return the hidden states as well.

    Returns
    -------
    V : uint8 array (n, n_visible)
        Visible states; float32 for Gaussian units.
    H : uint8 array (n, n_hidden)
        The hidden states of the same samples; only if asked for.

    Raises
    ------
    TypeError, ValueError, MemoryError
        Bad arguments, no layer that is small enough, or more samples than the machine could hold.

    Notes
    -----
    A seed fixes the random numbers on every machine, but some of the probabilities come from NumPy's exp and
    log, whose last bits depend on the CPU. Where a uniform number falls on the border between two states, as
    closely as rounding can tell, another machine may draw the other one: one sample in a million at most,
    fewer the smaller the layer.

    The enumerated layer's probabilities use the float32 weights in float64, the other layer those of the
    sampler: multiples of 2**-20, coarser ones if they are large.

    References
    ----------
    Devroye, "Non-uniform random variate generation", 1986, section III.2.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood import exact_samples
    >>> rbm = rf.RBM.from_arrays([[9.0], [9.0]], a=[-4.5, -4.5], b=[-9.0])  # two units that agree
    >>> exact_samples(rbm, 4, seed=1)
    array([[0, 0],
           [1, 1],
           [0, 0],
           [1, 1]], dtype=uint8)
    """
    check_model(rbm, RBM, "rbm")
    n = check_integer(n, "n", low=1, high=MAX_ROW + 1)
    row = check_integer(first_row, "first_row", low=0, high=MAX_ROW + 1 - n)
    key = check_seed(seed)
    layer = None if is_normal(rbm) else layer_to_enumerate(rbm, "exact sampling")
    size = rbm.visible.dtype.itemsize * rbm.n_visible + rbm.hidden.dtype.itemsize * rbm.n_hidden
    check_fits_memory(n * size, f"a sample of n={n} states")

    stream = Stream(key, Purpose.EXACT, rows=row)
    if layer is None:
        drawn = _draw_normal(rbm, stream.uniform(n, rbm.n_visible))
    else:
        drawn = _draw_states(Blocks(layer), _uniform(n, stream))
    way = rbm._up if layer is None or layer.name == "visible" else rbm._down
    if way.up and not return_hidden:
        return rbm.visible.shown(drawn)
    other = np.empty((n, len(way.bias)), way.target.dtype)
    for first, end in rbm._spans(n):
        other[first:end] = way.sample(drawn[first:end], stream.after(1).from_row(first))
    v, h = (drawn, other) if way.up else (other, drawn)
    return rbm._shown(v, h) if return_hidden else rbm.visible.shown(v)


def _uniform(n: int, stream: Stream) -> F64:
    """Numbers from 0 up to, and without, 1, in multiples of 2**-53: (n,)."""
    words = stream.uniform(n, 2).astype(np.uint64)
    bits = (words[:, 0] << np.uint64(32) | words[:, 1]) >> np.uint64(11)
    numbers: F64 = bits.astype(np.float64) * 2.0**-53
    return numbers


def _draw_normal(rbm: RBM, uniform: NDArray[np.uint32]) -> States:
    """Visible states of a model of Gaussian units, by a number for each."""
    mean, covariance = normal_moments(rbm)
    n = rbm.n_visible
    states: States = mean[:n] + standard_normal(uniform) @ np.linalg.cholesky(covariance[:n, :n]).T
    return states.astype(np.float32)


def _draw_states(blocks: Blocks, uniform: F64) -> States:
    """The layer's state whose share of the cumulative probability holds each of the numbers: (n, units)."""
    numbers, within = _draw_blocks(blocks, uniform)
    order = np.argsort(numbers, kind="stable")
    needed, starts = np.unique(numbers[order], return_index=True)
    groups = np.split(order, starts[1:])

    n_units = len(blocks.layer.bias)
    n_high = n_units - blocks.low.shape[1]
    states = np.empty((len(uniform), n_units), blocks.low.dtype)
    expanded = blocks.log_weights(needed.tolist())
    for number, log_weights, rows in zip(needed, expanded, groups, strict=True):
        ends = np.cumsum(np.exp(log_weights - log_weights.max()))
        states[rows, :n_high] = blocks.high_state(number)
        states[rows, n_high:] = blocks.low[_find(ends, within[rows] * ends[-1])]
    return states


def _draw_blocks(blocks: Blocks, uniform: F64) -> tuple[NDArray[np.intp], F64]:
    """Numbers of the blocks of these states, and where from 0 to 1 within its block each lies: (n,) both."""
    log_sums = blocks.log_sums()
    shares = np.exp(log_sums - log_sums.max())
    ends = np.cumsum(shares)
    targets = uniform * ends[-1]
    numbers = _find(ends, targets)
    return numbers, (targets - (ends - shares)[numbers]) / shares[numbers]


def _find(ends: F64, targets: F64) -> NDArray[np.intp]:
    """Which of consecutive intervals from 0 hold the targets: never an empty one, whatever rounding did."""
    last = np.searchsorted(ends, ends[-1], side="left")
    found = np.searchsorted(ends, np.maximum(targets, 0.0), side="right")
    inside: NDArray[np.intp] = np.minimum(found, last)
    return inside
