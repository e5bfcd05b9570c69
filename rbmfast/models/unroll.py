"""Deep belief networks as feed-forward networks, to be fine-tuned by backpropagation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rbmfast.checks import SeedLike, check_integer
from rbmfast.models.dense import Dense
from rbmfast.models.network import Network
from rbmfast.models.rbm import RBM
from rbmfast.units import Unit

HEADS = ("softmax", "linear")


def to_network(rbms: Sequence[RBM], n_outputs: int | None, head: str | None, seed: SeedLike) -> Network:
    """The way up through `rbms`, and a head on top: see `DBN.to_network`."""
    if head is not None and head not in HEADS:
        raise ValueError(f"head must be 'softmax', 'linear' or None, got {head!r}")
    if n_outputs is not None:
        n_outputs = check_integer(n_outputs, "n_outputs", low=1)
        if head is None:
            raise ValueError(
                f"n_outputs needs a head, 'softmax' or 'linear': got n_outputs={n_outputs} without"
            )
    layers, top = _up(rbms), rbms[-1]
    n, n_classes = top.n_features, top.n_classes
    if head == "softmax" and n_classes and n_outputs in (None, n_classes):
        layers.append(Dense(top.W[n:].T, top.a[n:], head))
    elif head is not None and n_outputs is not None:
        layers.append(Dense.new(top.n_hidden, n_outputs, head, seed, layer=len(rbms)))
    elif head == "linear" and n_outputs is None:
        raise ValueError("n_outputs must be given for head='linear'")
    return Network(layers, domain=rbms[0].features.domain)


def to_autoencoder(recognition: Sequence[RBM], generative: Sequence[RBM]) -> Network:
    """The way up, and the way down: see `DBN.to_autoencoder`."""
    up = _up(recognition)
    down = [
        Dense(rbm.W[: rbm.n_features].T, rbm.a[: rbm.n_features], _activation(rbm.features))
        for rbm in reversed(generative)
    ]
    return Network([*up, *down], domain=recognition[0].features.domain)


def _up(rbms: Sequence[RBM]) -> list[Dense]:
    """A layer for each hidden layer.

    What labels send to the top layer becomes a part of its bias, the shares of the classes in their place.
    """
    unit = rbms[0].features
    n = rbms[0].n_features
    has_factor = unit.bias_factor(np.zeros((1, n), unit.dtype)) is not None
    if unit.affine(n) is not None or has_factor:
        raise ValueError(f"a network takes states 0 and 1, or real numbers, not those of {unit.name} units")
    layers = []
    for rbm in rbms:
        n, bias = rbm.n_features, rbm.b
        if rbm.n_classes:
            means = rbm.visible_means
            share = np.full(rbm.n_classes, 1 / rbm.n_classes, np.float32) if means is None else means[n:]
            bias = bias + (share[:, None] * rbm.W[n:]).sum(axis=0)
        layers.append(Dense(rbm.W[:n], bias, _activation(rbm.hidden)))
    return layers


def _activation(unit: Unit) -> str:
    if unit.activation is None:
        raise ValueError(f"a network has layers of bernoulli or gaussian units, not of {unit.name} units")
    return unit.activation
