"""A deep Boltzmann machine as an RBM: its even layers on one side, its odd ones on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.models.conditionals import Conditional, Conditionals
from rbmfast.models.rbm import RBM
from rbmfast.reference import F32, States
from rbmfast.states import join
from rbmfast.units import Bernoulli, Mixed, Unit

LEARNING_STEPS = 2  # of mean field in an update: docs/design/015-deep-boltzmann-machines.md


class Bipartite(RBM):
    """A deep Boltzmann machine as an RBM: the even layers, side by side, are visible, the odd ones hidden.

    Rows of data are states of the first layer; expectations of the other even layers, by mean field, complete
    them to learn from.
    """

    _sizes: tuple[int, ...]  # units in each layer

    @classmethod
    def of_rbms(cls, rbms: Sequence[RBM]) -> Bipartite:
        """The machine with the sum of their energies."""
        sizes = (rbms[0].n_visible, *(rbm.n_hidden for rbm in rbms))
        W = np.zeros((sum(sizes[::2]), sum(sizes[1::2])), np.float32)
        biases = [np.zeros(n, np.float32) for n in sizes]
        for i, rbm in enumerate(rbms):
            W[block(sizes, i)] = rbm.W.T if i % 2 else rbm.W
            biases[i] += rbm.a
            biases[i + 1] += rbm.b
        visible = _beside(rbms[0].visible, sizes[0], len(W))
        even, odd = np.concatenate(biases[::2]), np.concatenate(biases[1::2])
        return cls._of(W, even, odd, visible, Bernoulli())._of_sizes(sizes)

    def _of_sizes(self, sizes: Sequence[int]) -> Bipartite:
        if self.W.shape != (sum(sizes[::2]), sum(sizes[1::2])):
            raise ValueError(f"W must join layers of {sizes} units, got shape {self.W.shape}")
        self._sizes = tuple(sizes)
        if len(sizes) > 3:
            self._joined = np.zeros_like(self.W)
            for i in range(len(sizes) - 1):
                self._joined[block(sizes, i)] = 1
        return self

    @property
    def n_features(self) -> int:
        """Units of the first layer."""
        return self._sizes[0]

    @property
    def features(self) -> Unit:
        """Unit type of the first layer."""
        unit = self.visible.part(0, self.n_features)
        assert unit is not None  # it is a block of its own
        return unit

    @property
    def _row_units(self) -> tuple[Unit, int]:
        return self.features, self.n_features

    def _visible_with(self, unit: Unit) -> Unit:
        return _beside(unit, self.n_features, self.n_visible)

    _n_columns = RBM.n_visible

    def _initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        bias, means = self.features.initial_bias(rows)
        others = np.zeros(self.n_visible - len(bias), np.float32)
        return np.concatenate([bias, others]), np.concatenate([means, others + np.float32(0.5)])

    def _complete(self, model: Conditionals, v: States, steps: int | None = None) -> States:
        """Rows of data with the means of the other even layers beside them; with None, to learn from."""
        return join(v, self._mean_field(model, v, LEARNING_STEPS if steps is None else steps))

    def _mean_field(self, model: Conditionals, v: States, steps: int) -> States:
        """Means of the other even layers, by so many steps.

        Each step is the exact optimum of all even layers given the odd ones, which are that given the step
        before; the first given the data, counted twice since nothing comes from above yet.
        """
        n, bias = v.shape[1], model.up.bias
        up, down = _others(model, n)
        heard = model.up.input(join(v, np.zeros((len(v), len(down.bias)), np.uint8)))
        means = down.expectation(up.target.expectation(2 * heard - bias))
        for _ in range(steps - 1):
            means = down.expectation(up.target.expectation(heard + up.input(means)))
        return means


def _beside(unit: Unit, n: int, n_all: int) -> Unit:
    """Units of the first layer, n of them, and Bernoulli units up to n_all."""
    others = Bernoulli()
    return unit if unit == others else Mixed(((unit, n), (others, n_all - n)))


def places(sizes: Sequence[int]) -> list[slice]:
    """Where each layer is, among the even ones side by side or among the odd ones."""
    starts = [sum(sizes[i % 2 : i : 2]) for i in range(len(sizes))]
    return [slice(start, start + n) for start, n in zip(starts, sizes, strict=True)]


def block(sizes: Sequence[int], i: int) -> tuple[slice, slice]:
    """Where the weights between layer i and the next one are."""
    own, above = places(sizes)[i : i + 2]
    return (above, own) if i % 2 else (own, above)


def _others(model: Conditionals, n: int) -> tuple[Conditional, Conditional]:
    """What joins the odd layers to all even ones but the first, of n units: up without a bias, and down."""
    up, down = model.up, model.down
    unit, W = up.source.part(n, len(up.W)), up.W[n:]
    assert unit is not None  # it is a block of its own
    weights = engine.Weights(W, up.weights.exponent)
    without = replace(up, source=unit, weights=weights, W=W, bias=np.zeros_like(up.bias))
    return without, replace(down, target=unit, weights=weights, W=W, bias=down.bias[n:])
