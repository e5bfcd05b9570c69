"""Models of every pair of unit types, against sums over all states of both layers: over grids of real ones.

A unit type enters by its line in `units.layers.LAYERS`. Statistical tests have fixed seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pytest
from models.helpers import agrees
from numpy.testing import assert_allclose
from scipy.spatial import KDTree
from scipy.special import logsumexp
from units.layers import LAYERS, Layer

import rbmfast as rf
from rbmfast.likelihood import exact_gradient, exact_moments, exact_samples
from rbmfast.likelihood.enumeration import has_exact_log_z
from rbmfast.models.parameters import with_parameters
from rbmfast.streams import Stream
from rbmfast.training.phases import contrast
from rbmfast.training.state import get_parameters

MOST = 400  # states of a layer
LIKELY = 1e-9  # the least probability of states that are looked at one by one: grids end somewhere
STEP = 2.0**-10  # of finite differences


def few_states(layer: Layer) -> Layer:
    """The layer, or so much of its front that its states are few."""
    sizes = range(layer.n, 0, -1)
    fronts = (Layer(part, n) for n in sizes if (part := layer.unit.part(0, n)) is not None)
    return next(front for front in fronts if len(front.states) <= MOST)


def small_layers() -> dict[str, Layer]:
    """The first of each unit type, and blocks with a label or a real number among them."""
    first = {type(layer.unit): name for name, layer in reversed(LAYERS.items())}
    names = {*first.values(), "pixels and a label", "with a real number"} - {"one block"}
    return {name: few_states(layer) for name, layer in LAYERS.items() if name in names}


SMALL = small_layers()


@dataclass(frozen=True)
class Pair:
    """A model of two small layers, and its joint distribution: arrays (visible states, hidden states)."""

    visible: Layer
    hidden: Layer

    @cached_property
    def rbm(self) -> rf.RBM:
        """Multiples of 2**-10, exact in fixed point; weights below 1, so that there is a log Z."""
        rng = np.random.default_rng(7)
        sizes = (self.visible.n, self.hidden.n), self.visible.n, self.hidden.n
        W, a, b = (np.rint(1024 * np.clip(0.5 * rng.normal(size=n), -0.8, 0.8)) / 1024 for n in sizes)
        return rf.RBM.from_arrays(W, a, b, visible=self.visible.unit, hidden=self.hidden.unit)

    def energy_of(self, parameters: dict[str, Any]) -> Any:
        """Of all pairs of states, and given parameters: by the formula of the books, in float64."""
        W, a, b = (parameters[name] for name in "Wab")
        visible, hidden = with_parameters(self.rbm._parameters.units, parameters)
        V, H = self.visible.states, self.hidden.states
        more = (self.factor - 1) * (H @ b.astype(np.float64))  # of the hidden bias
        return visible.energy(V, a)[:, None] + hidden.energy(H, b) - more - V @ W.astype(np.float64) @ H.T

    @property
    def factor(self) -> float:
        """Of the hidden bias: the length of documents."""
        return self.visible.unit.bias_factor(None) or 1.0

    @cached_property
    def energy(self) -> Any:
        """Of the states as users see them."""
        return self.energy_of(get_parameters(self.rbm)) + self.rbm._shown_energies(0.0)

    @cached_property
    def log_volume(self) -> Any:
        """Of pairs of states, like `energy`."""
        return self.visible.log_volume[:, None] + self.hidden.log_volume

    @cached_property
    def p(self) -> Any:
        return np.exp(self.log_volume - self.energy - self.log_z)

    @cached_property
    def shown(self) -> tuple[Any, Any]:
        """The states of both layers as users see them, maps as rows."""
        units = self.rbm._parameters.units
        layers = zip(units, (self.visible, self.hidden), strict=True)
        V, H = (as_rows(unit.shown(layer.states)) for unit, layer in layers)
        return V, H

    @cached_property
    def likely(self) -> tuple[Any, Any]:
        """Numbers of states of both layers."""
        v, h = (np.flatnonzero(self.p.sum(axis=axis) > LIKELY) for axis in (1, 0))
        return v, h

    def check_samples(self, drawn: tuple[Any, Any]) -> None:
        """Of both layers, those of real numbers by cells of the grid; alarm 2e-6."""
        for axis, states, sample in zip((1, 0), self.shown, drawn, strict=True):
            cells = KDTree(states).query(as_rows(sample))[1]
            assert agrees(np.bincount(cells, minlength=len(states)), self.p.sum(axis=axis))

    @property
    def log_z(self) -> float:
        return float(logsumexp(self.log_volume - self.energy))

    def log_likelihood(self, rows: Any, parameters: dict[str, Any]) -> float:
        """The mean over visible states by their numbers."""
        log_mass = self.log_volume - self.energy_of(parameters)
        log_density = logsumexp(log_mass[rows], axis=1) - self.visible.log_volume[rows]
        return float(log_density.mean() - logsumexp(log_mass))

    def slope(self, rows: Any, name: str, direction: Any) -> float:
        """Of that along a direction of some parameters."""
        own = get_parameters(self.rbm)
        moved = ({**own, name: np.float32(own[name] + s * STEP * direction)} for s in (-1, 1))
        low, high = (self.log_likelihood(rows, parameters) for parameters in moved)
        return (high - low) / (2 * STEP)


def as_rows(states: Any) -> Any:
    return states.reshape(len(states), -1)


HIDDEN = [name for name, layer in SMALL.items() if not isinstance(layer.unit, rf.Counts)]


@pytest.mark.filterwarnings("ignore:.*do not trust it")
@pytest.mark.parametrize(("visible", "hidden"), [*product(SMALL, HIDDEN)])
def test_every_pair(visible: str, hidden: str) -> None:
    pair = Pair(SMALL[visible], SMALL[hidden])
    check_energies_and_likelihoods(pair)
    check_pseudo_likelihoods(pair)
    check_conditionals(pair)
    check_gradients(pair)
    if has_exact_log_z(pair.rbm):
        check_exact_moments_gradients_and_samples(pair)
    check_chains(pair)
    check_annealing_from_both_sides(pair)


def check_energies_and_likelihoods(pair: Pair) -> None:
    rbm, E, (V, H), (v, h) = pair.rbm, pair.energy, pair.shown, pair.likely
    i, j = (np.random.default_rng(0).choice(states, 200) for states in (v, h))
    assert_allclose(rbm.energy(V[i], H[j]), E[i, j], rtol=2e-6, atol=1e-5)
    free = -logsumexp(pair.hidden.log_volume - E, axis=1)
    assert_allclose(rbm.free_energy(V[v]), free[v], rtol=2e-6, atol=1e-5)
    if has_exact_log_z(rbm):
        assert_allclose(rf.log_partition(rbm).value, pair.log_z, rtol=1e-6)


def check_pseudo_likelihoods(pair: Pair) -> None:
    """From the list of all probabilities: those of a site's states where the other sites are equal."""
    V, p, (v, _) = pair.visible.states, pair.p.sum(axis=1), pair.likely
    expected = np.zeros(len(v))
    for site in pair.visible.unit.sites(pair.visible.n):
        _, others = np.unique(np.delete(V, site, axis=1), axis=0, return_inverse=True)
        alike = np.bincount(others.ravel(), p)[others.ravel()]
        expected += np.log(p[v]) - np.log(alike[v])
    found = rf.pseudo_likelihood(pair.rbm, pair.shown[0][v])
    assert_allclose(found, expected - pair.visible.log_volume[v], rtol=1e-5, atol=1e-5)


def check_conditionals(pair: Pair) -> None:
    rbm, p, (V, H), (v, h) = pair.rbm, pair.p, pair.shown, pair.likely
    given_v = (p / p.sum(axis=1, keepdims=True))[v]
    assert_allclose(as_rows(rbm.hidden_probabilities(V[v])), given_v @ H, atol=2e-5)
    given_h = (p / p.sum(axis=0)).T[h]
    assert_allclose(as_rows(rbm.visible_probabilities(H[h])), given_h @ V, atol=2e-5)


def check_gradients(pair: Pair) -> None:
    """What training follows, with all states for samples of the model, weighted; and finite differences."""
    rbm, rng, p = pair.rbm, np.random.default_rng(1), pair.p
    V, H, rows = pair.visible.states, pair.hidden.states, rng.choice(pair.likely[0], 30)
    data = np.zeros(len(V))
    np.add.at(data, rows, 1 / len(rows))
    joint = data[:, None] * p / p.sum(axis=1, keepdims=True) - p
    exact = {"W": V.T @ joint @ H, "a": V.T @ joint.sum(axis=1), "b": pair.factor * (joint.sum(axis=0) @ H)}

    v, p_v = pair.likely[0], p.sum(axis=1)[pair.likely[0]]
    model = rbm._conditionals(Stream(0, 0))
    phases = [(states, model.up.input(states)) for states in (V[v], V[rows])]
    found = contrast(model, *phases, weights=len(v) * p_v)  # of the model minus the data
    gradient = {name: -getattr(found, name) for name in exact} | {n: -g for n, g in found.more.items()}
    for name in exact:
        assert_allclose(gradient[name], exact[name], atol=2.0**-11, err_msg=name)  # real means count in steps

    for name, slope in (gradient | exact).items():
        direction = rng.choice([-1, 1], size=slope.shape)
        expected = pair.slope(rows, name, direction)
        assert_allclose((slope * direction).sum(), expected, rtol=1e-4, atol=1e-4, err_msg=name)


def check_exact_moments_gradients_and_samples(pair: Pair) -> None:
    """Of models with a layer that can be enumerated, or of Gaussian units alone."""
    rbm, p, (V, H) = pair.rbm, pair.p, pair.shown
    moments, pairs = exact_moments(rbm), V.T @ p @ H
    assert_allclose(moments.visible, p.sum(axis=1) @ V, rtol=1e-6, atol=1e-7)
    assert_allclose(moments.hidden, p.sum(axis=0) @ H, rtol=1e-6, atol=1e-7)
    assert_allclose(moments.pairs, pairs, rtol=1e-6, atol=1e-7)
    rows = np.random.default_rng(1).choice(pair.likely[0], 30)
    given_v = p[rows] / p[rows].sum(axis=1, keepdims=True) / len(rows)
    gradient = exact_gradient(rbm, V[rows])
    assert_allclose(gradient.W, V[rows].T @ given_v @ H - pairs, rtol=1e-5, atol=1e-6)
    assert_allclose(gradient.a, V[rows].mean(axis=0) - moments.visible, rtol=1e-5, atol=1e-6)
    b = pair.factor * (given_v.sum(axis=0) @ H - moments.hidden)
    assert_allclose(gradient.b, b, rtol=1e-5, atol=1e-6)
    for name, found in gradient.layers.items():
        expected = [pair.slope(rows, name, unit) for unit in np.eye(len(found))]
        assert_allclose(found, expected, rtol=3e-4, atol=1e-4, err_msg=name)
    pair.check_samples(exact_samples(rbm, 600, seed=1, return_hidden=True))


def check_chains(pair: Pair) -> None:
    """After 10 Gibbs steps."""
    pair.check_samples(pair.rbm.sample(600, steps=10, seed=1, return_hidden=True))


def check_annealing_from_both_sides(pair: Pair) -> None:
    """Within 6 standard errors: alarm 2e-9 each, of errors that are nearly normal."""
    p, settings = pair.p.sum(axis=1), {"n_chains": 50, "n_temperatures": 10, "seed": 1}
    samples = pair.shown[0][np.random.default_rng(2).choice(len(p), 50, p=p)]
    for method, more in (("ais", {}), ("reverse_ais", {"samples": samples})):
        z = rf.log_partition(pair.rbm, method, **settings, **more)
        assert abs(z.value - pair.log_z) < 6 * z.stderr + 1e-5
