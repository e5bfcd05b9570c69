"""The least that an RBM built on float32 matrix products could take."""

from __future__ import annotations

from typing import Any

import numpy as np

from rbmfast.bench.peers.base import Peer


class BlasFloor(Peer):
    """The five float32 matrix products of a CD-1 update and nothing else.

    No biases, no sigmoid, no random numbers, no update: it learns nothing. NumPy's BLAS, every result in
    memory that was allocated before.
    """

    name = "BLAS floor"
    package = "numpy"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.W = np.array(W, np.float32, order="C")
        self.gradient = np.empty_like(self.W)

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> object:
        """See `Peer.cd`: the products alone."""
        n_visible, n_hidden = self.W.shape
        v_model = np.empty((batch_size, n_visible), np.float32)
        h_data, h_model = (np.empty((batch_size, n_hidden), np.float32) for _ in range(2))
        for _ in range(epochs):
            for start in range(0, len(data), batch_size):
                v = data[start : start + batch_size]
                n = len(v)
                self._products(v, h_data[:n], v_model[:n], h_model[:n])
        return self.gradient

    def _products(self, v: Any, h_data: Any, v_model: Any, h_model: Any) -> None:
        np.matmul(v, self.W, out=h_data)
        np.matmul(h_data, self.W.T, out=v_model)
        np.matmul(v_model, self.W, out=h_model)
        np.matmul(v.T, h_data, out=self.gradient)
        np.matmul(v_model.T, h_model, out=self.gradient)
