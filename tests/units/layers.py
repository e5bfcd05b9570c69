"""Small layers of every unit type, and their densities by the formula of the protocol."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rbmfast.units import (
    Bernoulli,
    Binomial,
    Categorical,
    Counts,
    DReLU,
    Gaussian,
    Mixed,
    Pooled,
    ReLU,
    Spin,
    Unit,
)

F64 = NDArray[np.float64]
STEP = 0.25  # of a grid for real states; sums over it are integrals of normal densities to all digits
NODES, FAR = 80, 14.0  # of quadrature from 0, where other densities have a kink, to where they end


@dataclass(frozen=True)
class Layer:
    """Units of a type, with total inputs and a bias that suit them."""

    unit: Unit
    n: int

    @cached_property
    def x(self) -> NDArray[np.float32]:
        """Total inputs of all sizes, float32 (1, n)."""
        spread = np.array([-1.25, 0.75, 3.0, 0.0, -3.0, 1.5, 0.25, -0.125, 4.0, -0.5], np.float32)
        return np.resize(spread, (1, self.n))

    @cached_property
    def bias(self) -> NDArray[np.float32]:
        """A bias, float32 (n,)."""
        return np.linspace(-1, 1, self.n, dtype=np.float32)

    @cached_property
    def states(self) -> NDArray[np.generic]:
        """All joint states, or a fine grid of them where they are real: (n_states, n)."""
        return _states(self.unit, self.n)

    @cached_property
    def log_volume(self) -> F64:
        """Logs of the volumes that `states` stand for, 0 where they are countable: (n_states,)."""
        return _log_volumes(self.unit, self.n)

    @cached_property
    def log_density(self) -> F64:
        """Log of the weight ``exp(s (x - bias) - energy(s))`` of each of `states`: (n_states,)."""
        return self.log_weight(self.states)

    @cached_property
    def log_mass(self) -> F64:
        """The same, times its volume."""
        return self.log_density + self.log_volume

    def log_weight(self, states: NDArray[np.generic]) -> F64:
        """The same of given states."""
        x, bias = self.x[0].astype(float), self.bias.astype(float)
        return states @ (x - bias) - self.unit.energy(states, self.bias)

    @cached_property
    def p(self) -> F64:
        """Probabilities of `states`."""
        return np.exp(self.log_mass - logsumexp(self.log_mass))


def _states(unit: Unit, n: int) -> NDArray[np.generic]:
    count = unit.count_states(n)
    if count is not None:
        return unit.states(n, np.arange(count))
    if isinstance(unit, Mixed):
        parts = [_states(part, m) for part, m in unit.parts]
        return np.array([np.concatenate(rows) for rows in itertools.product(*parts)], unit.dtype)
    return np.array(list(itertools.product(_axis(unit)[0], repeat=n)), np.float32)


def _log_volumes(unit: Unit, n: int) -> F64:
    count = unit.count_states(n)
    if count is not None:
        return np.zeros(count)
    if isinstance(unit, Mixed):
        parts = [_log_volumes(part, m) for part, m in unit.parts]
    else:
        parts = [np.log(_axis(unit)[1])] * n
    return np.array([sum(logs) for logs in itertools.product(*parts)])


def _axis(unit: Unit) -> tuple[F64, F64]:
    """Numbers that stand for a real state, multiples of 2**-11, and the length that each stands for."""
    if not isinstance(unit, (ReLU, DReLU)):
        axis = np.arange(-FAR, FAR, STEP)
        return axis, np.full(len(axis), STEP)
    z = np.polynomial.legendre.leggauss(NODES)[0]
    axis = np.rint((z + 1) * (FAR / 2) * 2048) / 2048  # states that products see exactly
    integrals = np.eye(NODES)[0] * 2  # of Legendre polynomials: weights that integrate them by these nodes
    at_nodes = np.polynomial.legendre.legvander(axis / (FAR / 2) - 1, NODES - 1)
    lengths = np.linalg.solve(at_nodes.T, integrals) * (FAR / 2)
    if isinstance(unit, DReLU):
        return np.append(-axis[::-1], axis), np.append(lengths[::-1], lengths)
    return axis, lengths


def mixed(*parts: tuple[Unit, int]) -> Layer:
    """Blocks side by side."""
    return Layer(Mixed(parts), sum(n for _, n in parts))


DRELU = DReLU(*(np.array(x, np.float32) for x in ([0.5, -1.0], [0.25, -0.5], [1.0, 0.0])))
LAYERS = {
    "bernoulli": Layer(Bernoulli(), 5),
    "spins": Layer(Spin(), 4),
    "gaussian": Layer(Gaussian(), 2),
    "gaussian of sigma": Layer(Gaussian((3.0, 0.5)), 2),
    "gaussian, learned": Layer(Gaussian("learned", log_sigma=np.log(np.float32([0.6, 1.5]))), 2),
    "rectified": Layer(ReLU(), 2),
    "double rectified": Layer(DRELU, 2),
    "pairs": Layer(Categorical(2), 6),
    "triples": Layer(Categorical(3), 6),
    "tens": Layer(Categorical(10), 20),
    "groups of several sizes": Layer(Categorical([3, 2, 4]), 9),
    "counts to three": Layer(Binomial(3), 4),
    "maps": Layer(Pooled(2, 4, 1, pool=2), 8),
    "maps of single units": Layer(Pooled(1, 2, 2), 4),
    "documents": Layer(Counts(4).of_size(3), 3),
    "one block": mixed((Bernoulli(), 3)),
    "pixels and a label": mixed((Bernoulli(), 4), (Categorical(3), 6)),
    "a label and pixels": mixed((Categorical(4), 4), (Bernoulli(), 3)),
    "groups of two sizes": mixed((Categorical(2), 2), (Categorical(5), 5), (Categorical(2), 4)),
    "with a real number": mixed((Gaussian(), 1), (Categorical(3), 3), (Bernoulli(), 2)),
    "counts and a real number": mixed((Binomial(2), 2), (Gaussian(), 1)),
    "pixels, rectified": mixed((Bernoulli(), 2), (ReLU(), 1)),
    "documents with a label": mixed((Counts(2).of_size(3), 3), (Categorical(2), 2)),
    "nested": mixed(
        (Bernoulli(), 1), (Mixed([(Categorical(3), 3), (Bernoulli(), 2)]), 5), (Categorical(2), 2)
    ),
    "nested, real": mixed((Mixed([(Bernoulli(), 1), (Gaussian(), 1)]), 2), (Categorical(2), 2)),
}
