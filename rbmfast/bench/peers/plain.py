"""Plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from rbmfast.bench.numpy_rbm import F32, NumpyRBM
from rbmfast.bench.peers.base import Peer, one_flip_scores


class Numpy(Peer):
    """`NumpyRBM`."""

    name = "NumPy"
    package = "numpy"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.rbm = NumpyRBM(W, a, b)
        self.chains: F32 | None = None

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> object:
        """See `Peer.cd`."""
        for _ in range(epochs):
            self.rbm.learn(data, batch_size, rate)
        return self.rbm

    def pcd(self, data: Any, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> object:
        """See `Peer.pcd`."""
        if self.chains is None:
            self.chains = np.zeros((n_chains, len(self.rbm.b)), np.float32)
        for _ in range(epochs):
            self.rbm.learn(data, batch_size, rate, k, self.chains)
        return self.rbm

    def gibbs(self, data: Any, steps: int) -> object:
        """See `Peer.gibbs`."""
        return self.rbm.gibbs(data, steps)

    def ais(self, data: Any, steps: int) -> object:
        """See `Peer.ais`."""
        return self.rbm.ais(data.mean(axis=0), len(data), steps)

    def hidden_probabilities(self, data: Any) -> object:
        """See `Peer.hidden_probabilities`."""
        return self.rbm.hidden_probabilities(data)

    def free_energy(self, data: Any) -> object:
        """See `Peer.free_energy`."""
        return self.rbm.free_energy(data)

    def one_flip_scores(self, data: Any) -> object:
        """See `Peer.one_flip_scores`."""
        return one_flip_scores(self.rbm.free_energy, data, self.rbm.rng)
