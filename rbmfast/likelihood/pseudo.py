"""Pseudo-likelihood: how well every visible unit is predicted by all the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_model, check_seed
from rbmfast.data import as_rows
from rbmfast.likelihood.enumeration import check_finite_log_z
from rbmfast.likelihood.exact import rows_at_once
from rbmfast.models import RBM, BoltzmannMachine
from rbmfast.reference import F32, F64, States, row_sums
from rbmfast.states import as_float
from rbmfast.streams import shuffled
from rbmfast.units import Unit

MAX_STATES = 1 << 12  # of a site
ROWS_AT_ONCE = 1 << 9  # each with a state of a site
FAR, WIDEST = 1e9, 1e3  # where no maximum of a distribution lies, and none reaches to
MARGIN = 8.0  # standard deviations beyond the outermost maxima
NEGLIGIBLE = -30.0  # in nats: where an integral may end


def pseudo_likelihood(
    rbm: RBM | BoltzmannMachine, X: Any, units: int | ArrayLike | None = None, seed: SeedLike = None
) -> F64:
    """Log pseudo-likelihoods, sum over visible sites i of log p(v_i | all other sites), row by row.

    A site is a unit, or a group of units that exclude each other. Needs no partition function: exact over all
    sites by default, at the cost of a pass over the hidden layer for each state that a site may have (for
    Bernoulli units and spins, n_visible passes). Real-valued sites have densities; these are divided by their
    integral over v_i, summed at 20 nodes or more, to 7 digits.

    With 0/1 states the same bits on every machine.

    Parameters
    ----------
    rbm : RBM or BoltzmannMachine
        The model.
    X : (n_rows, n_visible)
        Visible states. A grey level g counts as its share of both: g log p(1 | ...) + (1 - g) log p(0 | ...);
        grey levels of a group likewise.
    units : int or int array, optional
        Which sites to sum over, numbered from the left; an int for so many chosen at random (the same for all
        rows). The sum over them is scaled by number of sites / len(units), so that it estimates the whole.
    seed : int, Generator or None
        Of that choice.

    Returns
    -------
    float64 array (n_rows,)
        Nats. Divide by the number of sites, n_visible but for groups, for a number per site.

    Raises
    ------
    TypeError, ValueError
        Bad data or arguments; a site of more than 4096 states (but for a group of 0/1 units); weights between
        Gaussian units with a singular value of 1 or more, which define no distribution.

    References
    ----------
    Besag, "Statistical analysis of non-lattice data", The Statistician 24 (1975), 179.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> rf.pseudo_likelihood(rbm, [[0, 0], [1, 0]]).round(4)
    array([-1.7452, -1.1584])
    """
    check_model(rbm, (RBM, BoltzmannMachine), "rbm")
    check_finite_log_z(rbm)
    if rbm.visible.needs_rows and not rbm.visible.needs_whole_rows:
        raise ValueError(f"rbm must have no units that are given for this, got {rbm.visible} units")
    if rbm.visible.needs_rows:
        raise ValueError(f"{rbm.visible} units take their length from rf.Counts(length) for this")
    rows = rbm.visible.rows(X, rbm.n_visible, "X", compact=True)
    sites = rbm.visible.sites(rbm.n_visible)
    chosen = _choose(units, len(sites), seed)
    result = np.empty(rows.n_rows)
    for first, v in rows.blocks(rows_at_once(rbm)):
        result[first : first + len(v)] = _sum_over(rbm, v, chosen)
    return result * (len(sites) / len(chosen))


@singledispatch
def _sum_over(rbm: Any, v: States, numbers: NDArray[np.int64]) -> F64:
    """Sum of log p(v_i | others) over some sites: in one pass of the engine, if the layers allow it."""
    switches, p, x = rbm.visible.are_switches, rbm._parameters, rbm._up.input(v)
    if rbm.hidden.are_switches and switches:
        return engine.log_conditionals(x, p.unrolled, p.a, v, numbers)
    if rbm.hidden.are_switches and rbm.visible.blocks(rbm.n_visible) is not None and v.dtype == np.uint8:
        sizes = np.array([site.stop - site.start for site in rbm.visible.sites(rbm.n_visible)], np.int32)
        return engine.log_conditionals(x, p.unrolled, p.a, v, numbers, sizes)
    return (_sum_over_switches if switches else _sum_over_sites)(rbm, v, x, numbers)


@_sum_over.register
def _(machine: BoltzmannMachine, v: States, numbers: NDArray[np.int64]) -> F64:
    """The same: without hidden units at once, with them by free energies for each state of a site."""
    machine.visible.refuse_grey(as_rows(v, machine.n_visible))
    sites, total = machine.visible.sites(machine.n_visible), np.zeros(len(v))
    x = None if machine.n_hidden else machine._parameters.within.input(v, machine._parameters.a)
    for i in numbers:
        unit, here = machine.visible.part(sites[i].start, sites[i].stop), sites[i]
        assert unit is not None
        if x is not None:
            alone, own = np.ascontiguousarray(x[:, here]), as_float(v[:, here])
            total += row_sums(alone * own) - unit.log_normalizer(alone, np.zeros(alone.shape[1], np.float32))
            continue
        energies = [machine.free_energy(machine.visible.shown(v))]
        n_units = here.stop - here.start
        for state in unit.states(n_units, np.arange(unit.count_states(n_units) or 0)):
            other = v.copy()
            other[:, here] = state
            energies.append(machine.free_energy(machine.visible.shown(other)))
        total += -energies[0] - np.logaddexp.reduce(np.negative(energies[1:]), axis=0)
    return total


def _sum_over_switches(rbm: RBM, v: States, x: F32, units: NDArray[np.int64]) -> F64:
    """Sum of log p(v_i | others) over some units: what one state costs more than the other in free energy."""
    p = rbm._parameters
    W, a, b = p.unrolled, p.a, p.b
    here = rbm.hidden.log_normalizer(x, b)
    total = np.zeros(len(v))
    for i in units:
        level = as_float(v[:, i])
        if v.dtype == np.uint8:  # flip unit i
            sign = np.float32(1) - 2 * level
            there = rbm.hidden.log_normalizer(x + sign[:, None] * W[i], b)
            total -= engine.softplus((sign * a[i] + (there - here)).astype(np.float32))
        else:  # turn unit i fully on and fully off
            on = rbm.hidden.log_normalizer(x + (np.float32(1) - level)[:, None] * W[i], b)
            off = rbm.hidden.log_normalizer(x - level[:, None] * W[i], b)
            gain = (a[i] + (on - off)).astype(np.float32)
            total -= level * engine.softplus(-gain) + (1 - level) * engine.softplus(gain)
    return total


# --- Sites of any units ------------------------------------------------------------------------------------


def _sum_over_sites(rbm: RBM, v: States, x: F32, numbers: NDArray[np.int64]) -> F64:
    """Sum of log p(v_i | others) over some sites."""
    sites, total = rbm.visible.sites(rbm.n_visible), np.zeros(len(v))
    for i in numbers:
        total += _log_conditional(rbm, v, x, sites[i])
    return total


def _log_conditional(rbm: RBM, v: States, x: F32, site: slice) -> F64:
    """Log p(v_i | others) of a site, given the hidden units' total inputs x."""
    p, n = rbm._parameters, site.stop - site.start
    W, bias, unit = p.unrolled[site], p.a[site], rbm.visible.part(site.start, site.stop)
    assert unit is not None
    mine = np.ascontiguousarray(v[:, site])
    others = x - _sent(as_float(mine), W)

    def log_weights(states: States, others: F32) -> F64:
        """Logs of exp(-E) summed over the hidden units, but for what the other sites' own energies are."""
        heard = others + _sent(as_float(states), W)
        sums = rbm.hidden.log_normalizer(heard.reshape(-1, heard.shape[-1]), p.b)
        return sums.reshape(heard.shape[:-1]) - unit.energy(states, bias)

    def of_all(states: States) -> F64:
        """Of each row with each of these states: (n_rows, n_states)."""
        step = max(1, ROWS_AT_ONCE // len(v))
        parts = (states[first : first + step] for first in range(0, len(states), step))
        return np.hstack([log_weights(part, others[:, None]) for part in parts])

    n_states = unit.count_states(n)
    if n_states is None:
        here, scale = log_weights(mine, others), _scale(unit, n)
        all_weights = _over_the_line(rbm, of_all, unit, *_outermost_maxima(rbm, unit, others, W, bias))
    else:
        _check_few(n_states, rbm, unit)
        scale, all_weights = 1.0, of_all(unit.states(n, np.arange(n_states)))
        here = (_shares(unit, mine, n_states) * all_weights).sum(axis=1)
    gains = (all_weights - here[:, None]).astype(np.float32)
    return -engine.log_sum_groups(gains, np.array([gains.shape[1]], np.int32))[:, 0] - math.log(scale)


def _sent(states: F32, W: F32) -> F32:
    """What a site's states add to total inputs; sums in one order."""
    total: F32 = states[:, :1] * W[0]
    for i in range(1, len(W)):
        total += states[:, i : i + 1] * W[i]
    return total


def _shares(unit: Unit, states: States, n_states: int) -> F64:
    """How much of each row is in each of the site's states: (n_rows, n_states)."""
    if not unit.means_are_rates:  # no grey levels
        return np.eye(n_states)[unit.state_numbers(states)]
    levels = as_float(states).astype(np.float64)
    if levels.shape[1] == 1:
        return np.hstack([1 - levels, levels])
    if levels.shape[1] == n_states:
        return levels
    if ((levels != 0) & (levels != 1)).any():
        raise ValueError(f"X must hold states of {unit.name}, none between, for this")
    return np.eye(n_states)[unit.state_numbers(levels.astype(np.uint8))]


def _scale(unit: Unit, n: int) -> float:
    """How far apart states are shown whose distance is 1."""
    affine = unit.affine(n)
    return 1.0 if affine is None else float(affine.scale.prod())


def _check_few(n_states: int, rbm: RBM, unit: Unit) -> None:
    if n_states > MAX_STATES:
        raise ValueError(
            f"rbm must have visible units with at most {MAX_STATES} states, the others given, for this: got "
            f"{unit.name} units with 10**{math.log10(n_states):.0f}"
        )


# --- Integrals over a real-valued site ---------------------------------------------------------------------


def _outermost_maxima(rbm: RBM, unit: Unit, others: F32, W: F32, bias: F32) -> tuple[float, float]:
    """Between which states all maxima of exp(-E), summed over the hidden units, lie, whatever the row.

    They are fixed points of a mean field: the site's mean, given the hidden units' means, given the site. The
    more a site is, the more it gets to hear, so steps from either end lead to the outermost ones.
    """
    ends = []
    for sign in (-1, 1):
        at = np.full((len(others), 1), sign * 1e4, np.float32)
        last = 2 * at
        while abs(at - last).max() > 1:
            with np.errstate(over="ignore", invalid="ignore"):
                last, at = at, unit.mean(rbm.hidden.mean(others + at * W) @ W.T + bias)
            if not (abs(at) < FAR).all():
                raise _no_distribution(rbm)
        ends.append(sign * float((sign * at).max()))
    return ends[0], ends[1]


def _no_distribution(rbm: RBM) -> ValueError:
    return ValueError(
        f"{rbm!r} is no distribution: the real-valued units of both layers drive each other beyond all "
        "bounds; the weights between them must be smaller"
    )


def _over_the_line(
    rbm: RBM, log_weights: Callable[[States], F64], unit: Unit, low: float, high: float
) -> F64:
    """Logs of terms whose sum is an integral over a unit's states: (n_rows, n_nodes).

    The nodes go so far out that the terms beyond are negligible, or to where the states end.
    """
    margin = MARGIN
    while margin < WIDEST:
        start, stop = math.floor(low - margin), math.ceil(high + margin)
        nodes, lengths = unit.nodes(start, stop)
        values = log_weights(nodes.reshape(-1, 1))
        ends = [i for i, far in ((0, nodes[0] < start + 1), (-1, nodes[-1] > stop - 1)) if far]
        if (values[:, ends] < values.max(axis=1, keepdims=True) + NEGLIGIBLE).all():
            return values + np.log(lengths)
        margin *= 2
    raise _no_distribution(rbm)


# --- Which sites -------------------------------------------------------------------------------------------


def _choose(units: int | ArrayLike | None, n_sites: int, seed: SeedLike) -> NDArray[np.int64]:
    if units is None:
        return np.arange(n_sites)
    index = np.asarray(units)
    if index.ndim == 0:
        n = check_integer(units, "units", low=1, high=n_sites)
        return np.sort(shuffled(n_sites, check_seed(seed))[:n])
    if index.ndim != 1 or index.size == 0 or index.dtype.kind not in "iu":
        raise TypeError(f"units must be an integer or a 1-D array of unit numbers, got {units!r}")
    if index.min() < 0 or index.max() >= n_sites:
        raise ValueError(f"units must lie from 0 to {n_sites - 1}, got {index.min()} to {index.max()}")
    return index.astype(np.int64)
