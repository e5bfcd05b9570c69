"""A layer of a feed-forward network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_choice, check_integer, check_seed
from rbmfast.models.parameters import check_parameter, read_only, weight_shape
from rbmfast.reference import F32
from rbmfast.streams import Purpose

MAX_LAYERS = 64  # that the counters of random numbers can tell apart
MAX_UNITS = 2**31 - 1


ACTIVATIONS: dict[str, Callable[[F32, F32], object]] = {  # in place: products become means
    "sigmoid": engine.add_bias_sigmoid,
    "linear": lambda x, bias: np.add(x, bias, out=x),
    "softmax": engine.softmax,
}


class Dense:
    """A layer of units joined to all its inputs: means ``activation(x W + b)``. It never changes.

    Parameters
    ----------
    W : array_like (n_inputs, n_outputs)
        Weights; copied and rounded to float32, as the biases are.
    b : array_like (n_outputs,)
        Biases.
    activation : {"sigmoid", "linear", "softmax"}
        Means of Bernoulli units, of Gaussian units, or of one unit that chooses a class.

    Raises
    ------
    TypeError, ValueError
        A wrong shape or dtype, a number that is not finite or not below 2**40 in size, another activation.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rf.Dense(np.zeros((784, 500)), np.zeros(500), "sigmoid")
    Dense(784, 500, 'sigmoid')
    """

    def __init__(self, W: ArrayLike, b: ArrayLike, activation: str = "sigmoid") -> None:
        shape = weight_shape(W, "(n_inputs, n_outputs)")
        self._activation = check_choice(activation, "activation", tuple(ACTIVATIONS))
        if activation == "softmax" and shape[1] < 2:
            raise ValueError("a softmax layer must have at least 2 outputs, W has 1 column")
        self._W = read_only(check_parameter(W, "W", shape))
        self._b = read_only(check_parameter(b, "b", shape[1:]))

    @classmethod
    def new(
        cls,
        n_inputs: int,
        n_outputs: int,
        activation: str = "sigmoid",
        seed: SeedLike = None,
        *,
        layer: int = 0,
    ) -> Dense:
        """A layer that has learned nothing: small random weights, biases 0.

        Parameters
        ----------
        n_inputs, n_outputs : int
            Its size.
        activation : {"sigmoid", "linear", "softmax"}
            As above.
        seed : int, numpy.random.Generator or None
            Of the weights: nearly normal with standard deviation ``gain * sqrt(2 / (n_inputs + n_outputs))``,
            the gain 4 for sigmoid, as its slope at 0 is 1/4, else 1.
        layer : int, default 0
            Number of the layer in its network: under one seed, different layers get different weights.

        Returns
        -------
        Dense

        Notes
        -----
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
        2010, section 4.2.1: signals keep their size on the way up, and gradients on the way down.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.Dense.new(2000, 10, "softmax", seed=0)
        Dense(2000, 10, 'softmax')
        """
        n_inputs = check_integer(n_inputs, "n_inputs", low=1, high=MAX_UNITS)
        n_outputs = check_integer(n_outputs, "n_outputs", low=1, high=MAX_UNITS)
        layer = check_integer(layer, "layer", low=0, high=MAX_LAYERS - 1)
        gain = 4.0 if activation == "sigmoid" else 1.0
        key, scale = check_seed(seed), gain * math.sqrt(2 / (n_inputs + n_outputs))
        W = engine.normal_weights(n_inputs, n_outputs, scale, key, Purpose.NETWORK_INIT, layer)
        return cls(W, np.zeros(n_outputs, np.float32), activation)

    @property
    def W(self) -> F32:
        """Weights: read-only float32 array (n_inputs, n_outputs)."""
        return self._W

    @property
    def b(self) -> F32:
        """Biases: read-only float32 array (n_outputs,)."""
        return self._b

    @property
    def activation(self) -> str:
        """The activation's name."""
        return self._activation

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return int(self._W.shape[0])

    @property
    def n_outputs(self) -> int:
        """Number of units."""
        return int(self._W.shape[1])

    def product(self, x: F32) -> F32:
        """What the units get without their biases, ``x W``: float32 (n_rows, n_outputs)."""
        with np.errstate(over="ignore", invalid="ignore"):
            y: F32 = x @ self._W
        if not np.isfinite(y).all():
            raise ValueError("total inputs overflow float32: scale the inputs or the weights down")
        return y

    def means(self, x: F32) -> F32:
        """Means of the units given a block of inputs: float32 (n_rows, n_outputs)."""
        y = self.product(x)
        ACTIVATIONS[self._activation](y, self._b)
        return y

    def __repr__(self) -> str:
        return f"Dense({self.n_inputs}, {self.n_outputs}, {self._activation!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Dense, (self._W, self._b, self._activation)
