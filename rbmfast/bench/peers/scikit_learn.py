"""scikit-learn, and what takes its place."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np

import rbmfast as rf
from rbmfast.bench.peers.base import Peer


class ScikitLearn(Peer):
    """`sklearn.neural_network.BernoulliRBM`; it knows PCD-1 only, which takes as much arithmetic as CD-1."""

    name = "scikit-learn"
    package = "scikit-learn"
    module = "sklearn"
    place: ClassVar[str] = "sklearn.neural_network"  # where the class is imported from

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        estimator = importlib.import_module(self.place).BernoulliRBM
        self.rbm = estimator(n_components=len(b), random_state=0)
        self.rbm.components_ = np.array(W, np.float32, order="C").T  # the order that `fit` makes, too
        self.rbm.intercept_visible_ = np.array(a, np.float32)
        self.rbm.intercept_hidden_ = np.array(b, np.float32)
        self.rbm.random_state_ = np.random.RandomState(0)

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> object:
        """See `Peer.cd`: PCD-1, from new weights that `fit` draws at the start."""
        settings = {"batch_size": batch_size, "n_iter": epochs, "learning_rate": rate}
        return self.rbm.set_params(**settings).fit(data)

    def gibbs(self, data: Any, steps: int) -> object:
        """See `Peer.gibbs`."""
        for _ in range(steps):
            data = self.rbm.gibbs(data).astype(np.float32)
        return data

    def hidden_probabilities(self, data: Any) -> object:
        """See `Peer.hidden_probabilities`."""
        return self.rbm.transform(data)

    def one_flip_scores(self, data: Any) -> object:
        """See `Peer.one_flip_scores`."""
        return self.rbm.score_samples(data)


class DropIn(ScikitLearn):
    """`rbmfast.sklearn.BernoulliRBM`: nothing but the import is changed."""

    name = "rbmfast"
    place = "rbmfast.sklearn"

    @classmethod
    def set_threads(cls, n: int) -> None:
        """See `Peer.set_threads`."""
        rf.set_num_threads(n)
