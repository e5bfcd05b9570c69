"""The exact log Z: of every state of one layer, in blocks, or of Gaussian units on both sides.

What the other layer adds to each state is summed (or integrated) out: by the engine where it is one of
switches and groups, else by NumPy. The weights are taken as they are, in float64: the fixed-point weights of
the sampler play no part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.models import RBM, BoltzmannMachine
from rbmfast.models.conditionals import Conditional
from rbmfast.reference import F64, LOW_SPAN, Sizes, States
from rbmfast.runtime import get_num_threads
from rbmfast.units import Bernoulli
from rbmfast.units.gaussian import HALF_LOG_2_PI

MAX_UNITS = 28  # of the enumerated layer, where the engine sums
FEWER = 3  # where NumPy does: an input takes 40 times as long or more
MAX_UNITS_NUMPY = MAX_UNITS - FEWER  # then, and for moments
MAX_JOINT = 20  # where nothing is summed out
BLOCK_NUMBERS = 1 << 16  # inputs worked on at once: with their temporaries they stay in a cache
HIGH_AT_ONCE = 256
MAX_OPTIONS = 1 << 12  # states of all sites, in tables of the engine
WORK = 1 << 31  # inputs of one engine call: a second in portable C on one core, so that Ctrl-C is answered
LEAST_SIZE = 64  # of a block, whose time fewer states take as well
NANOSECONDS = (0.15, 6.0)  # an input, on one core: of the engine with AVX-512, of NumPy


def all_states(n_units: int) -> NDArray[np.uint8]:
    """All joint states of a few 0/1 units, in counting order: uint8 (2**n_units, n_units).

    Examples
    --------
    >>> from rbmfast.likelihood import all_states
    >>> all_states(2)
    array([[0, 0],
           [0, 1],
           [1, 0],
           [1, 1]], dtype=uint8)
    """
    n_units = check_integer(n_units, "n_units", low=1, high=MAX_UNITS_NUMPY)
    return Bernoulli().states(n_units, np.arange(2**n_units))


@singledispatch
def exact_log_z(rbm: Any) -> float:
    """Log Z in nats, or a ValueError: what enumerating a layer would take, or that there is no log Z.

    Examples
    --------
    >>> import math
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood.enumeration import exact_log_z
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> round(math.exp(exact_log_z(rbm)), 2)
    29.92
    """
    if is_normal(rbm):
        return normal_log_z(rbm)
    blocks = Blocks(layer_to_enumerate(rbm, "the exact log Z", instead="; method='bracket' estimates it"))
    return engine.log_sum_exp(blocks.log_sums())


@exact_log_z.register
def _(machine: BoltzmannMachine) -> float:
    """Of every state of all units."""
    p, n_units = machine._parameters, len(machine._parameters.a)
    W, a, n = p.within.W.astype(np.float64), p.a.astype(np.float64), machine.units.count_states(n_units)
    if n is None or not has_exact_log_z(machine):
        raise ValueError(
            f"the exact log Z visits all states, at most 2**{MAX_JOINT}, which {machine!r} exceeds; "
            "method='ais' estimates it"
        )
    logs = []
    for first in range(0, n, BLOCK_NUMBERS):
        s = machine.units.states(n_units, np.arange(first, min(first + BLOCK_NUMBERS, n))).astype(np.float64)
        logs.append(engine.log_sum_exp(((s @ W) * s).sum(axis=1) / 2 + s @ a))
    return engine.log_sum_exp(np.array(logs))


# --- Layers ------------------------------------------------------------------------------------------------


class Sites(NamedTuple):
    """Units that vary together (a switch, a group), from left to right; each one's states are its options."""

    first: list[int]  # units, one a site
    sizes: Sizes  # options, (n_sites,)
    sent: F64  # (options, other units)
    log_weights: F64  # minus their own energies, (options,)

    def span(self, first: int) -> float:
        """How far apart, at most, what the sites from number `first` on send to a unit can be."""
        starts = np.cumsum(self.sizes) - self.sizes
        spans = np.maximum.reduceat(self.sent, starts) - np.minimum.reduceat(self.sent, starts)
        return float(spans[first:].sum(axis=0).max())


class Layer:
    """A layer to enumerate: the source of one of a model's conditionals, whose target is summed out.

    Weights and the other layer's biases are in float64.
    """

    def __init__(self, way: Conditional, back: Conditional) -> None:
        self.name = "visible" if way.up else "hidden"
        self.unit, self.bias = way.source, back.total_bias
        self.other, self.other_bias = way.target, way.bias.astype(np.float64)
        self.total_bias = way.total_bias.astype(np.float64)  # with a factor, if there is one
        self._way = way

    @cached_property
    def W(self) -> F64:
        """(units, other units)."""
        W = self._way.interaction.unrolled(self._way.W)
        return (W if self._way.up else W.T).astype(np.float64)

    @property
    def n_states(self) -> int | None:
        """Joint states of all units; None when they cannot be enumerated."""
        return self.unit.count_states(len(self.bias))

    @cached_property
    def sites(self) -> Sites | None:
        """All of them; None where NumPy sums the other layer out."""
        if not self.is_for_engine:
            return None
        first: list[int] = []
        sizes: list[int] = []
        sent, log_weights = [], []
        for here in self.unit.sites(len(self.bias)):
            n, unit = here.stop - here.start, self.unit.part(here.start, here.stop)
            assert unit is not None, "a site is a part"
            size = unit.count_states(n) or 0
            if sum(sizes) + size > MAX_OPTIONS:
                return None
            states = unit.states(n, np.arange(size))
            first.append(here.start)
            sizes.append(size)
            sent.append(states @ self.W[here])
            log_weights.append(-unit.energy(states, self.bias[here]))
        return Sites(first, np.array(sizes, np.int32), np.concatenate(sent), np.concatenate(log_weights))

    @property
    def is_for_engine(self) -> bool:
        """Whether the other layer is one that the engine sums out."""
        return self.other.blocks(len(self.other_bias)) is not None

    @property
    def size(self) -> float:
        """It takes as much as so many 0/1 units, whose states the engine sums, or may: NumPy sums fewer."""
        return math.log2(self.n_states) + (not self.is_for_engine) * FEWER if self.n_states else math.inf

    def input(self, states: States) -> F64:
        """Total inputs of the other layer, given states: (n_states, other units)."""
        return states @ self.W + self.total_bias

    def log_weights(self, states: States) -> F64:
        """Log of exp(-E) summed over the other layer, of given states: (n_states,) in nats."""
        return self.sum_out(self.input(states), self.unit.energy(states, self.bias))

    def sum_out(self, x: F64, energy: F64) -> F64:
        """The same, of states that send total inputs `x` and have energies of their own."""
        return self.other.log_normalizer_float64(x, self.other_bias) - energy


def visible_layer(rbm: RBM) -> Layer:
    """The visible layer, with the hidden one summed out."""
    return Layer(rbm._up, rbm._down)


def hidden_layer(rbm: RBM) -> Layer:
    """The hidden layer, with the visible one summed out."""
    return Layer(rbm._down, rbm._up)


def layer_to_enumerate(rbm: RBM, what: str, instead: str = "", by_numpy: bool = False) -> Layer:
    """The layer with countable states that is sooner done, the hidden one of two equals.

    A ValueError if there is none, or it is too large: what enumerating it would take. `what` it is for begins
    that sentence, and what to do `instead` ends it. `by_numpy`: the engine does not help with that.
    """
    layers = [layer for layer in (hidden_layer(rbm), visible_layer(rbm)) if layer.n_states is not None]
    if not layers:
        raise ValueError(f"neither layer of {rbm!r} has 0/1 states that can be enumerated")
    layer = min(layers, key=lambda layer: layer.n_states or 0 if by_numpy else layer.size)
    n, is_fast = math.log2(layer.n_states or 0), layer.is_for_engine and not by_numpy
    most = MAX_UNITS if is_fast else MAX_UNITS_NUMPY
    if n > most:
        inputs = n * math.log10(2) + math.log10(len(layer.other_bias))
        seconds, megabytes = (
            inputs + math.log10(NANOSECONDS[not is_fast]) - 9,
            inputs - math.log10(BLOCK_NUMBERS / 8) - 6,
        )
        raise ValueError(
            f"{what} of {rbm!r} would take 2**{n:.6g} states of the {layer.name} layer, "
            f"about {_rough(seconds)} s of one core and {_rough(megabytes)} MB; "
            f"at most 2**{most} are enumerated{instead}"
        )
    return layer


@singledispatch
def has_exact_log_z(rbm: Any, max_units: int = MAX_UNITS) -> bool:
    """Whether `exact_log_z` has an answer, with no more states to visit than `max_units` 0/1 units have."""
    return is_normal(rbm) or can_enumerate(rbm, max_units)


@has_exact_log_z.register
def _(machine: BoltzmannMachine, max_units: int = MAX_JOINT) -> bool:
    n = machine.units.count_states(machine.n_visible + machine.n_hidden)
    return n is not None and n <= 2 ** min(max_units, MAX_JOINT)


def can_enumerate(rbm: RBM, max_units: int = MAX_UNITS) -> bool:
    """Whether a layer has countable states, at most as many as `max_units` 0/1 units (3 fewer, by NumPy)."""
    return min(layer.size for layer in (hidden_layer(rbm), visible_layer(rbm))) <= max_units


def _rough(log10: float) -> str:
    """10**log10 in words that cannot overflow."""
    return f"{10**log10:.0f}" if log10 < 6 else f"10**{log10:.0f}"


# --- Blocks of states --------------------------------------------------------------------------------------


class Blocks:
    """All states of a layer, in counting order, in blocks that differ in the last units only.

    What the states of a block send to the other layer is a table, made once, plus one row a block.

    Parameters
    ----------
    layer : Layer
        With countable states.

    Attributes
    ----------
    n_blocks, size : int
        Blocks, and states in each.
    low : (size, some units)
        The last units' states, which every block runs through.
    """

    def __init__(self, layer: Layer) -> None:
        n, n_other = layer.W.shape
        parts = ((k, layer.unit.part(n - k, n)) for k in range(n, 0, -1))
        counts = ((k, part.count_states(k) or 0) for k, part in parts if part is not None)
        cuts = ((k, m) for k, m in counts if 0 < m * n_other <= BLOCK_NUMBERS)
        sites = layer.sites
        if sites is not None:
            cuts = ((k, m) for k, m in cuts if sites.span(sites.first.index(n - k)) <= LOW_SPAN)
        n_low, self.size = next(cuts, (0, 1))
        self.layer = layer
        self.n_blocks = (layer.n_states or 0) // self.size
        self._n_high = n - n_low
        self.low, self._x_low, self._energy_low = self._part(slice(self._n_high, n), np.arange(self.size))
        self._x_low += layer.total_bias

    def _part(self, units: slice, numbers: NDArray[np.int64]) -> tuple[States, F64, F64]:
        """Joint states of some of the units, by their numbers; what they send; their own energies."""
        n_units = units.stop - units.start
        states = np.zeros((len(numbers), n_units), self.layer.unit.dtype)
        energies = np.zeros(len(numbers))
        if n_units > 0:  # none have one state
            unit = self.layer.unit.part(units.start, units.stop)
            assert unit is not None, "units that hang together cannot be parted"
            states = unit.states(n_units, numbers)
            energies = unit.energy(states, self.layer.bias[units])
        return states, states @ self.layer.W[units], energies

    def _high(self, numbers: NDArray[np.int64]) -> tuple[States, F64, F64]:
        """The same of the first units, throughout each of some blocks."""
        return self._part(slice(0, self._n_high), numbers)

    def high_state(self, number: int) -> States:
        """The first units' state throughout one block: (the other units,)."""
        state: States = self._high(np.array([number]))[0][0]
        return state

    def states(self, number: int) -> States:
        """All states of one block: (size, all units)."""
        high = np.tile(self.high_state(number), (self.size, 1))
        return np.hstack([high, self.low])

    def inputs(self, numbers: Iterable[int] | None = None) -> Iterator[tuple[F64, F64]]:
        """Total inputs (size, other units) of the other layer, and the states' own energies (size,).

        Of all blocks, or of those of ascending `numbers`: with the same bits either way.
        """
        table = -1
        for number in range(self.n_blocks) if numbers is None else numbers:
            start = number - number % HIGH_AT_ONCE
            if start != table:
                table, stop = start, min(start + HIGH_AT_ONCE, self.n_blocks)
                _, x, energy = self._high(np.arange(start, stop))
            yield self._x_low + x[number - start], self._energy_low + energy[number - start]

    def log_weights(self, numbers: Iterable[int] | None = None) -> Iterator[F64]:
        """Log of exp(-E) summed over the other layer, for the states of block after block: (size,) each."""
        for x, energy in self.inputs(numbers):
            yield self.layer.sum_out(x, energy)

    def log_sums(self) -> F64:
        """Log of exp(-E) summed over the other layer and the states of each block: (n_blocks,)."""
        if self.layer.sites is not None:
            return self._sums_by_engine(self.layer.sites)
        tables = range(0, self.n_blocks, HIGH_AT_ONCE)
        if len(tables) == 1:
            return self._log_sums(0)
        with ThreadPoolExecutor(get_num_threads()) as pool:  # NumPy lets other threads run meanwhile
            return np.concatenate([*pool.map(self._log_sums, tables)])

    def _sums_by_engine(self, sites: Sites) -> F64:
        bias, n_low = self.layer.total_bias, sum(first >= self._n_high for first in sites.first)
        table, blocks = (
            (sites.sent, sites.log_weights, sites.sizes, n_low, bias),
            self.layer.other.blocks(len(bias)),
        )
        at_once = max(1, WORK // (max(self.size, LEAST_SIZE) * len(bias)))
        parts = ((first, min(at_once, self.n_blocks - first)) for first in range(0, self.n_blocks, at_once))
        return np.concatenate([engine.log_sums(*table, first, n, blocks) for first, n in parts])

    def _log_sums(self, start: int) -> F64:
        """Of the blocks that share a table."""
        numbers = range(start, min(start + HIGH_AT_ONCE, self.n_blocks))
        return np.fromiter(map(engine.log_sum_exp, self.log_weights(numbers)), np.float64, len(numbers))


# --- Gaussian units --------------------------------------------------------------------------------------


def is_normal(rbm: RBM) -> bool:
    """Whether all units of both layers are Gaussian, so that the model is one normal distribution."""
    return bool(rbm.visible.are_normal(rbm.n_visible).all() and rbm.hidden.are_normal(rbm.n_hidden).all())


def check_finite_log_z(rbm: RBM | BoltzmannMachine) -> None:
    """Raise ValueError if the integral over the Gaussian units diverges.

    Given the other units, the energy of Gaussian v and h is a quadratic form, of eigenvalues 1 - s and 1 + s
    for each singular value s of the weights between them: it is bounded below only if all s are below 1.
    """
    visible, hidden = rbm.visible.are_normal(rbm.n_visible), rbm.hidden.are_normal(rbm.n_hidden)
    if not (visible.any() and hidden.any()):
        return
    assert isinstance(rbm, RBM)  # of one layer, no units are normal
    W = rbm._parameters.W[np.ix_(visible, hidden)].astype(np.float64)
    largest = float(np.linalg.norm(W, 2))
    if largest >= 1:
        raise ValueError(
            f"{rbm!r} is no distribution and has no log Z: the weights between its Gaussian units must have "
            f"singular values below 1, got {largest:.6g}"
        )


def normal_log_z(rbm: RBM) -> float:
    """Log Z in nats of Gaussian units with weights W = U diag(s) V'.

    Along each pair of singular vectors two units are coupled by s, with the biases alpha = U'a and beta =
    V'b. Completing the square, each pair adds -log(1 - s**2) / 2 and (s**2 (alpha**2 + beta**2) / 2 + s alpha
    beta) / (1 - s**2) to the log(2 pi) / 2 of every unit.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood.enumeration import normal_log_z
    >>> rbm = rf.RBM.from_arrays([[0.6]], [0.0], [0.0], visible="gaussian", hidden="gaussian")
    >>> round(normal_log_z(rbm), 4)                             # log(2 pi / 0.8)
    2.061
    """
    check_finite_log_z(rbm)
    p = rbm._parameters
    U, s, Vt = np.linalg.svd(p.W.astype(np.float64), full_matrices=False)
    alpha, beta = p.a @ U, Vt @ p.b
    rest = (1 - s) * (1 + s)
    gain = (s**2 * (alpha**2 + beta**2) / 2 + s * alpha * beta) / rest
    return (rbm.n_visible + rbm.n_hidden) * HALF_LOG_2_PI + math.fsum(gain - np.log(rest) / 2)


def normal_moments(rbm: RBM) -> tuple[F64, F64]:
    """Means and covariances of Gaussian units of both layers, the visible ones first: (n,), (n, n).

    The energy's matrix is 1 on the diagonal, less the weights beside it: its inverse is the covariance, which
    leads from biases to means.
    """
    check_finite_log_z(rbm)
    p, n = rbm._parameters, rbm.n_visible
    matrix = np.eye(rbm.n_visible + rbm.n_hidden)
    matrix[:n, n:], matrix[n:, :n] = -p.W, -p.W.T
    covariance: F64 = np.asarray(np.linalg.inv(matrix), np.float64)
    mean: F64 = covariance @ np.concatenate([p.a, p.b]).astype(np.float64)
    return mean, covariance
