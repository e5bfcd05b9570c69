"""rbmfast itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.bench.peers.base import Peer, one_flip_scores
from rbmfast.bench.peers.scikit_learn import DropIn


class Rbmfast(Peer):
    """rbmfast through its public functions, with its defaults: checks, copies and shuffling included."""

    name = "rbmfast"
    package = "rbmfast"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.rbm = rf.RBM.from_arrays(W, a, b)
        self.drop_in = DropIn(W, a, b) if DropIn.version() else None
        self.rng = np.random.default_rng(0)

    @classmethod
    def version(cls) -> str:
        """See `Peer.version`."""
        return rf.__version__

    @classmethod
    def set_threads(cls, n: int) -> None:
        """See `Peer.set_threads`."""
        rf.set_num_threads(n)

    def prepare(self, X: NDArray[Any]) -> NDArray[Any]:
        """As they are: rbmfast takes any form, and a row of the table says which."""
        return X

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> object:
        """See `Peer.cd`."""
        return self._train(data, rf.CD(1), batch_size, epochs, rate)

    def pcd(self, data: Any, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> object:
        """See `Peer.pcd`."""
        return self._train(data, rf.PCD(k, n_chains=n_chains), batch_size, epochs, rate)

    def _train(self, data: Any, method: Any, batch_size: int, epochs: int, rate: float) -> object:
        optimizer = rf.SGD(rate)
        return rf.train(
            self.rbm, data, method=method, optimizer=optimizer, epochs=epochs, batch_size=batch_size, seed=0
        )

    def gibbs(self, data: Any, steps: int) -> object:
        """See `Peer.gibbs`."""
        return self.rbm.gibbs(data, steps=steps, seed=0)

    def ais(self, data: Any, steps: int) -> object:
        """See `Peer.ais`."""
        return rf.log_partition(self.rbm, "ais", n_chains=len(data), n_temperatures=steps, base=data, seed=0)

    def hidden_probabilities(self, data: Any) -> object:
        """See `Peer.hidden_probabilities`."""
        return self.rbm.hidden_probabilities(data)

    def free_energy(self, data: Any) -> object:
        """See `Peer.free_energy`."""
        return self.rbm.free_energy(data)

    def one_flip_scores(self, data: Any) -> object:
        """See `Peer.one_flip_scores`: of `rbmfast.sklearn`, or without scikit-learn by `free_energy`."""
        if self.drop_in is not None:
            return self.drop_in.one_flip_scores(data)
        return one_flip_scores(self.rbm.free_energy, data, self.rng)
