"""The partition function and exact likelihoods, by enumerating one layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.data import as_rows
from rbmfast.models import RBM
from rbmfast.reference import GREY
from rbmfast.units import Bernoulli, Unit
from rbmfast.units.base import F64

MAX_UNITS = 25  # of the enumerated layer
MAX_LISTED_UNITS = 20  # where every state gets a number of its own
METHODS = ("exact",)
BLOCK_NUMBERS = 1 << 16  # inputs worked on at once: with their temporaries they stay in a cache
HIGH_AT_ONCE = 256


@dataclass(frozen=True)
class LogPartition:
    """The logarithm of a partition function, with its uncertainty; ``float(z)`` is `value`.

    Attributes
    ----------
    value : float
        log Z in nats.
    stderr : float
        Standard error; 0 where the value is exact.
    lower, upper : float
        An interval for log Z; both are `value` where that is exact.
    method : str
        How it was found.
    """

    value: float
    stderr: float
    lower: float
    upper: float
    method: str

    def __float__(self) -> float:
        return self.value


def log_partition(rbm: RBM, method: str = "exact") -> LogPartition:
    """Log Z, the logarithm of the sum of exp(-E(v, h)) over all states of the model.

    Every state of one layer is visited; given it, the other layer sums (or integrates) analytically. The
    weights are taken as they are, in float64: the fixed-point weights of the sampler play no part.

    Parameters
    ----------
    rbm : RBM
        A model with a layer of at most 25 units with 0/1 states.
    method : {"exact"}
        How to find it.

    Returns
    -------
    LogPartition
        Exact to about 12 digits.

    Raises
    ------
    TypeError
        `rbm` is not an RBM.
    ValueError
        An unknown method, or no layer that is small enough; the message says what enumerating would take.

    Examples
    --------
    >>> import math
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> round(math.exp(rf.log_partition(rbm).value), 2)
    29.92
    """
    check_rbm(rbm)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}; got {method!r}")
    layer = _layer_to_enumerate(rbm)
    value = _log_sum_exp(np.array([_log_sum_exp(block) for block in _log_weights(layer)]))
    return LogPartition(value, stderr=0.0, lower=value, upper=value, method="exact")


def log_likelihood(rbm: RBM, X: Any, log_z: LogPartition | float | None = None) -> F64:
    """Log-likelihoods log p(v) = -F(v) - log Z of rows of data.

    Parameters
    ----------
    rbm : RBM
        The model.
    X : (n_rows, n_visible)
        Visible states. Grey levels are refused: they are no states of the model and have no probability.
    log_z : LogPartition or float, optional
        log Z; found by `log_partition` if not given.

    Returns
    -------
    float64 array (n_rows,)
        Nats; log densities for Gaussian units. The free energies are those of the sampler, good to about six
        digits.

    Raises
    ------
    TypeError, ValueError
        Bad data or arguments, or a model that is too large for an exact log Z.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> rf.log_likelihood(rbm, [[0, 0], [1, 0]]).round(4)
    array([-1.7461, -1.1579])
    """
    check_rbm(rbm)
    rows = as_rows(X, rbm.n_visible, domain=rbm.visible.domain, name="X")
    if rows.kind == "grey":
        for first, block in rows.blocks(max(1, (1 << 22) // rows.n_features)):
            inner = np.argwhere((block > 0) & (block < GREY))
            if len(inner):
                row, column = (int(i) for i in inner[0])
                raise ValueError(
                    f"X[{first + row}, {column}] is a grey level, which is no state of {rbm.visible.name} "
                    "units and has no likelihood: threshold or sample the data"
                )
    if isinstance(log_z, (bool, np.bool_)) or not (
        log_z is None or isinstance(log_z, (LogPartition, int, float, np.floating))
    ):
        raise TypeError(f"log_z must be a LogPartition or a number, got {log_z!r}")
    value = float(log_partition(rbm) if log_z is None else log_z)
    if not math.isfinite(value):
        raise ValueError(f"log_z must be finite, got {value}")
    return -rbm.free_energy(rows) - value


def log_probabilities(rbm: RBM) -> F64:
    """Log p(v) of every visible state, in the order of `all_states`.

    Parameters
    ----------
    rbm : RBM
        A model with at most 20 visible units with 0/1 states.

    Returns
    -------
    float64 array (2**n_visible,)
        Nats; float64 throughout.

    Raises
    ------
    TypeError, ValueError
        Another model.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood import log_probabilities
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> np.exp(log_probabilities(rbm)).round(3)  # of 00, 01, 10, 11
    array([0.174, 0.182, 0.314, 0.329])
    """
    check_rbm(rbm)
    layer = _visible_layer(rbm)
    if layer.n_states is None or layer.n_states > 2**MAX_LISTED_UNITS:
        raise ValueError(
            f"rbm must have at most {MAX_LISTED_UNITS} visible units with 0/1 states, "
            f"got {rbm.n_visible} {rbm.visible.name} units"
        )
    log_weights = np.concatenate([*_log_weights(layer)])
    return log_weights - _log_sum_exp(log_weights)


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
    if not 1 <= n_units <= MAX_UNITS:
        raise ValueError(f"n_units must be from 1 to {MAX_UNITS}, got {n_units}")
    return Bernoulli().states(n_units, 0, 2**n_units)


def check_rbm(rbm: object) -> None:
    """Raise a clear TypeError if `rbm` is not an RBM."""
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm must be an rf.RBM, got {type(rbm).__name__}")


# --- Enumeration -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layer:
    """A layer to enumerate, and the other layer, which is summed out. Parameters in float64."""

    name: str
    unit: Unit
    bias: NDArray[np.float32]
    other: Unit
    other_bias: F64
    W: F64  # (units, other units)

    @property
    def n_states(self) -> int | None:
        return self.unit.count_states(len(self.bias))

    def count_states(self, n_units: int) -> int:
        """Joint states of some of the units."""
        count = self.unit.count_states(n_units)
        assert count is not None, "the unit type cannot be enumerated"
        return count

    def inputs_and_energies(self, units: slice, start: int, stop: int) -> tuple[F64, F64]:
        """What states of some units send to the other layer, (n_states, other units); their own energies."""
        bias = self.bias[units]
        if len(bias) == 0:
            return np.zeros((1, len(self.other_bias))), np.zeros(1)
        states = self.unit.states(len(bias), start, stop)
        return states @ self.W[units], self.unit.energy(states, bias)


def _visible_layer(rbm: RBM) -> _Layer:
    W, b = rbm.W.astype(np.float64), rbm.b.astype(np.float64)
    return _Layer("visible", rbm.visible, rbm.a, rbm.hidden, b, W)


def _hidden_layer(rbm: RBM) -> _Layer:
    W, a = rbm.W.astype(np.float64), rbm.a.astype(np.float64)
    return _Layer("hidden", rbm.hidden, rbm.b, rbm.visible, a, W.T)


def _log_weights(layer: _Layer) -> Iterator[F64]:
    """Log of exp(-E) summed over the other layer, for block after block of the layer's states.

    The states of a block differ in the last units only: what they send to the other layer is a table, made
    once, plus one row a block.
    """
    n, n_other = layer.W.shape
    n_low = next(k for k in range(n, -1, -1) if k == 0 or layer.count_states(k) * n_other <= BLOCK_NUMBERS)
    low, high = slice(n - n_low, n), slice(0, n - n_low)
    x_low, energy_low = layer.inputs_and_energies(low, 0, layer.count_states(n_low))
    x_low += layer.other_bias
    n_high = layer.count_states(n - n_low)
    for start in range(0, n_high, HIGH_AT_ONCE):
        stop = min(start + HIGH_AT_ONCE, n_high)
        for x, energy in zip(*layer.inputs_and_energies(high, start, stop), strict=True):
            yield layer.other.log_normalizer_float64(x_low + x, layer.other_bias) - (energy_low + energy)


def _log_sum_exp(x: F64) -> float:
    """Faster than SciPy's for short arrays of finite numbers."""
    top = float(x.max())
    return top + math.log(float(np.exp(x - top).sum()))


def _layer_to_enumerate(rbm: RBM) -> _Layer:
    layers = [layer for layer in (_hidden_layer(rbm), _visible_layer(rbm)) if layer.n_states is not None]
    if not layers:
        raise ValueError(f"neither layer of {rbm!r} has 0/1 states that can be enumerated")
    layer = min(layers, key=lambda layer: len(layer.bias))
    if len(layer.bias) > MAX_UNITS:
        n, n_other = layer.W.shape
        raise ValueError(
            f"the exact log Z of {rbm!r} would take 2**{n} states of the {layer.name} layer and "
            f"{_rough(n, n_other)} exponentials; at most {MAX_UNITS} units are enumerated"
        )
    return layer


def _rough(n_units: int, n_other: int) -> str:
    """2**n_units * n_other in words that cannot overflow."""
    return f"10**{n_units * math.log10(2) + math.log10(n_other):.0f}"
