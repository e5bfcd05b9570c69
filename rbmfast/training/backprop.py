"""Losses of a network and their gradients, by backpropagation (Rumelhart, Hinton & Williams 1986)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_labels
from rbmfast.data import Rows, as_rows
from rbmfast.models.dense import ACTIVATIONS
from rbmfast.models.network import BLOCK_ROWS, Network, means_of, one_thread
from rbmfast.reference import F32, F64, I64, U8, States
from rbmfast.states import as_float
from rbmfast.streams import Purpose
from rbmfast.training.settings import digest

Losses = tuple[F64, U8 | None]  # of each row in nats, and whether its class is wrong


# --- Targets and losses ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """What the outputs of a network should be.

    Attributes
    ----------
    values : int64 array (n_rows,) or Rows
        Classes for a softmax head; numbers for the others.
    """

    values: I64 | Rows

    def block(self, rows: slice | I64) -> Any:
        """Those of some rows, as the loss takes them."""
        return as_float(self.values.block(rows)) if isinstance(self.values, Rows) else self.values[rows]

    def fingerprint(self) -> str:
        """A hex digest: equal for equal targets."""
        return self.values.fingerprint() if isinstance(self.values, Rows) else digest(self.values)


def as_targets(net: Network, X: Any, y: Any, n_rows: int, name: str) -> Targets:
    """Validate targets for the rows of X; None stands for the rows themselves."""
    if net.head == "softmax":
        return Targets(check_labels(y, n_rows, net.n_outputs, name))
    if y is None and net.n_outputs != net.n_inputs:
        raise ValueError(
            f"{name} must be given: only a network with as many outputs as inputs can learn its inputs, "
            f"and this one has {net.n_inputs} and {net.n_outputs}"
        )
    domain = "real" if net.head == "linear" else "binary"
    y = X if y is None else _as_columns(y, n_rows, net.n_outputs, name)
    rows = as_rows(y, net.n_outputs, domain=domain, name=name, compact=True)
    if rows.n_rows != n_rows:
        raise ValueError(f"{name} must have as many rows as X, {n_rows}, got {rows.n_rows}")
    return Targets(rows)


def _as_columns(y: Any, n_rows: int, n_outputs: int, name: str) -> Any:
    """`y`, a vector of the values of a single output as a column."""
    is_list = isinstance(y, (list, tuple)) and all(np.isscalar(value) for value in y)
    if getattr(y, "ndim", 1 if is_list else 2) != 1:
        return y
    if n_outputs > 1 or len(y) != n_rows:
        raise ValueError(f"{name} must have shape ({n_rows}, {n_outputs}), got ({len(y)},)")
    return np.asarray(y).reshape(-1, 1)


LOSSES: dict[str, Callable[[F32, F32, Any], Losses]] = {  # in place: products become gradients of the losses
    "softmax": engine.softmax_cross_entropy,
    "sigmoid": lambda x, bias, targets: (engine.sigmoid_cross_entropy(x, bias, targets), None),
    "linear": lambda x, bias, targets: (engine.squared_error(x, bias, targets), None),
}


def mean_loss(net: Network, rows: Rows, targets: Targets) -> dict[str, float]:
    """Mean loss in nats per row, and the share of wrong classes where there are classes."""
    total = Mean()
    *hidden, head = net.layers
    with one_thread():
        for first, block in rows.blocks(BLOCK_ROWS):
            x = head.product(means_of(hidden, block))
            total.add(LOSSES[net.head](x, head.b, targets.block(slice(first, first + len(block)))))
    return total.values()


class Mean:
    """Means of losses that come in parts."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._n = self._wrong = 0
        self._classes = False

    def add(self, part: Losses) -> None:
        """Count some rows."""
        losses, wrong = part
        self._losses.append(math.fsum(losses))
        self._n += len(losses)
        if wrong is not None:
            self._classes = True
            self._wrong += int(np.count_nonzero(wrong))

    def values(self) -> dict[str, float]:
        """The mean loss, and the error where rows have classes."""
        values = {"loss": math.fsum(self._losses) / self._n}
        if self._classes:
            values["error"] = self._wrong / self._n
        return values


# --- Gradients ---------------------------------------------------------------------------------------------


class Backprop:
    """A network in training, with the gradients of its last batch, in buffers that are made once.

    Parameters
    ----------
    net : Network
        Its parameters are copied.
    batch_size : int
        Rows at once, at most.
    dropout : tuple of float, optional
        For each layer the chance that one of its inputs is dropped; those that stay are scaled up, so that
        nothing changes on average (Srivastava et al. 2014, in its inverted form).
    seed : int
        Of dropout.

    Attributes
    ----------
    parameters : list of float32 arrays
        W and b of every layer in turn. To be changed in place.
    gradients : list of float32 arrays
        Of the summed, weighted losses of the last batch, in the same order.
    """

    def __init__(
        self, net: Network, batch_size: int, dropout: tuple[float, ...] | None = None, seed: int = 0
    ) -> None:
        self._activations = [layer.activation for layer in net.layers]
        self._dropout = dropout or (0.0,) * len(net.layers)
        self._seed = seed
        self.parameters = [array.copy() for layer in net.layers for array in (layer.W, layer.b)]
        self.gradients = [np.empty_like(array) for array in self.parameters]
        widths = [net.n_inputs, *(layer.n_outputs for layer in net.layers)]

        def buffers(used: list[bool]) -> list[F32]:
            return [
                np.empty((batch_size if use else 0, width), np.float32)
                for use, width in zip(used, widths, strict=True)
            ]

        drops = [rate > 0 for rate in self._dropout]
        self._means = buffers([True] * len(widths))  # of the inputs and of each layer; of the head its deltas
        self._deltas = buffers([False, *[True] * (len(widths) - 2), False])  # gradients by total inputs
        self._sent = buffers([*drops, False])  # what dropout left of the means
        self._factors = buffers([*drops, False])

    def learn(
        self,
        states: States,
        targets: Any,
        rows: NDArray[np.int64],
        step: int,
        weights: F64 | None = None,
    ) -> Losses:
        """Losses of a batch, before anything changes; the gradients are in `gradients` then.

        Parameters
        ----------
        states : array (n, n_inputs)
            Rows of data.
        targets : array
            Classes (n,) or numbers (n, n_outputs), as the head needs them.
        rows : int64 array (n,)
            Their numbers in the data set: with the step they choose the random numbers of dropout.
        step : int
            Number of the update.
        weights : float64 array (n,), optional
            Multiply the rows' shares of the gradients; the losses returned are without them.

        Returns
        -------
        losses : float64 array (n,)
        wrong : uint8 array (n,) or None
        """
        n = len(states)
        as_float(states, self._means[0][:n])
        for layer, activation in enumerate(self._activations):
            W, b = self._layer(self.parameters, layer)
            means = self._means[layer + 1][:n]
            np.matmul(self._send(layer, n, rows, step), W, out=means)
            if layer < len(self._activations) - 1:
                ACTIVATIONS[activation](means, b)
        losses = LOSSES[activation](means, b, targets)
        if weights is not None:
            means *= weights.astype(np.float32)[:, None]
        self._backward(n)
        return losses

    def _send(self, layer: int, n: int, rows: NDArray[np.int64], step: int) -> F32:
        """The inputs of a layer, after dropout."""
        means, rate = self._means[layer][:n], self._dropout[layer]
        if rate == 0:
            return means
        sent, factors = self._sent[layer][:n], self._factors[layer][:n]
        engine.drop(means, rate, self._seed, Purpose.DROPOUT, layer, step, rows, sent, factors)
        return sent

    def _backward(self, n: int) -> None:
        """From the head down: gradients by the parameters of a layer, then by the total inputs below."""
        delta = self._means[-1][:n]
        for layer in reversed(range(len(self._activations))):
            W, _ = self._layer(self.parameters, layer)
            W_gradient, b_gradient = self._layer(self.gradients, layer)
            dropped = self._dropout[layer] > 0
            means = self._means[layer][:n]
            sent = self._sent[layer][:n] if dropped else means
            np.matmul(sent.T, delta, out=W_gradient)
            np.add.reduce(delta, axis=0, out=b_gradient)
            if layer:
                above, delta = delta, self._deltas[layer][:n]
                np.matmul(above, W.T, out=delta)
                slope_of = means if self._activations[layer - 1] == "sigmoid" else None
                engine.backward(delta, slope_of, self._factors[layer][:n] if dropped else None)

    def _layer(self, arrays: list[F32], layer: int) -> tuple[F32, F32]:
        return arrays[2 * layer], arrays[2 * layer + 1]
