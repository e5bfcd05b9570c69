"""The libraries that are measured, each behind the same few calls."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.bench.numpy_rbm import NumpyRBM

RATE = 0.05


class Peer(ABC):
    """An RBM with the parameters (W, a, b) in one library.

    Attributes
    ----------
    name : str
        What tables say.
    package : str
        What must be installed.
    """

    name: ClassVar[str]
    package: ClassVar[str]

    @abstractmethod
    def __init__(self, W: Any, a: Any, b: Any) -> None: ...

    @classmethod
    def version(cls) -> str | None:
        """Version of the package, or None if it is not installed."""
        module = {"scikit-learn": "sklearn"}.get(cls.package, cls.package)
        if importlib.util.find_spec(module) is None:
            return None
        try:
            return importlib.metadata.version(cls.package)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    @classmethod
    def set_threads(cls, n: int) -> None:
        """Tell it how many threads to use, where BLAS limits do not reach."""
        return None

    @abstractmethod
    def prepare(self, X: NDArray[np.uint8]) -> Any:
        """0/1 data in the form that this library is fastest with; not timed."""

    @abstractmethod
    def learn(self, data: Any, batch_size: int, epochs: int = 1) -> object:
        """Some epochs of CD-1 or of what comes closest to it."""

    @abstractmethod
    def gibbs(self, data: Any, steps: int) -> object:
        """So many Gibbs steps from the data."""

    @abstractmethod
    def hidden_probabilities(self, data: Any) -> object:
        """P(h = 1 | v)."""


class Rbmfast(Peer):
    """rbmfast itself, through its public functions."""

    name = "rbmfast"
    package = "rbmfast"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.rbm = rf.RBM.from_arrays(W, a, b)

    @classmethod
    def version(cls) -> str:
        """See `Peer.version`."""
        return rf.__version__

    @classmethod
    def set_threads(cls, n: int) -> None:
        """See `Peer.set_threads`."""
        rf.set_num_threads(n)

    def prepare(self, X: NDArray[np.uint8]) -> Any:
        """See `Peer.prepare`."""
        return X

    def learn(self, data: Any, batch_size: int, epochs: int = 1) -> object:
        """See `Peer.learn`."""
        optimizer = rf.SGD(RATE)
        return rf.train(self.rbm, data, optimizer=optimizer, epochs=epochs, batch_size=batch_size, seed=0)

    def gibbs(self, data: Any, steps: int) -> object:
        """See `Peer.gibbs`."""
        return self.rbm.gibbs(data, steps=steps, seed=0)

    def hidden_probabilities(self, data: Any) -> object:
        """See `Peer.hidden_probabilities`."""
        return self.rbm.hidden_probabilities(data)


class Numpy(Peer):
    """`NumpyRBM`."""

    name = "NumPy"
    package = "numpy"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.rbm = NumpyRBM(W, a, b)

    def prepare(self, X: NDArray[np.uint8]) -> Any:
        """See `Peer.prepare`."""
        return X.astype(np.float32)

    def learn(self, data: Any, batch_size: int, epochs: int = 1) -> object:
        """See `Peer.learn`."""
        for _ in range(epochs):
            self.rbm.learn(data, batch_size, RATE)
        return self.rbm

    def gibbs(self, data: Any, steps: int) -> object:
        """See `Peer.gibbs`."""
        return self.rbm.gibbs(data, steps)

    def hidden_probabilities(self, data: Any) -> object:
        """See `Peer.hidden_probabilities`."""
        return self.rbm.hidden_probabilities(data)


class ScikitLearn(Peer):
    """`sklearn.neural_network.BernoulliRBM`; it knows PCD-1 only, which takes as much arithmetic as CD-1."""

    name = "scikit-learn"
    package = "scikit-learn"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        estimator = importlib.import_module("sklearn.neural_network").BernoulliRBM
        self.rbm = estimator(n_components=len(b), learning_rate=RATE, random_state=0)
        self.rbm.components_ = np.array(W, np.float32).T.copy()
        self.rbm.intercept_visible_ = np.array(a, np.float32)
        self.rbm.intercept_hidden_ = np.array(b, np.float32)
        self.rbm.random_state_ = np.random.RandomState(0)

    def prepare(self, X: NDArray[np.uint8]) -> Any:
        """See `Peer.prepare`."""
        return X.astype(np.float32)

    def learn(self, data: Any, batch_size: int, epochs: int = 1) -> object:
        """See `Peer.learn`."""
        return self.rbm.set_params(batch_size=batch_size, n_iter=epochs).fit(data)

    def gibbs(self, data: Any, steps: int) -> object:
        """See `Peer.gibbs`."""
        for _ in range(steps):
            data = self.rbm.gibbs(data).astype(np.float32)
        return data

    def hidden_probabilities(self, data: Any) -> object:
        """See `Peer.hidden_probabilities`."""
        return self.rbm.transform(data)


class Torch(Peer):
    """PyTorch on the CPU, without autograd."""

    name = "PyTorch"
    package = "torch"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.torch.manual_seed(0)
        self.W, self.a, self.b = (self.torch.tensor(np.array(x, np.float32)) for x in (W, a, b))

    @classmethod
    def set_threads(cls, n: int) -> None:
        """See `Peer.set_threads`."""
        importlib.import_module("torch").set_num_threads(n)

    def prepare(self, X: NDArray[np.uint8]) -> Any:
        """See `Peer.prepare`."""
        return self.torch.tensor(X, dtype=self.torch.float32)

    def learn(self, data: Any, batch_size: int, epochs: int = 1) -> object:
        """See `Peer.learn`."""
        with self.torch.no_grad():
            for v in data.split(batch_size) * epochs:
                h = self.hidden_probabilities(v)
                v_model = self._bernoulli(self._visible_probabilities(self._bernoulli(h)))
                h_model = self.hidden_probabilities(v_model)
                step = RATE / len(v)
                self.W.addmm_(v.T, h, alpha=step).addmm_(v_model.T, h_model, alpha=-step)
                self.a.add_((v - v_model).sum(0), alpha=step)
                self.b.add_((h - h_model).sum(0), alpha=step)
        return self.W

    def gibbs(self, data: Any, steps: int) -> object:
        """See `Peer.gibbs`."""
        with self.torch.no_grad():
            for _ in range(steps):
                h = self._bernoulli(self.hidden_probabilities(data))
                data = self._bernoulli(self._visible_probabilities(h))
        return data

    def hidden_probabilities(self, data: Any) -> Any:
        """See `Peer.hidden_probabilities`."""
        return self.torch.addmm(self.b, data, self.W).sigmoid_()

    def _visible_probabilities(self, h: Any) -> Any:
        return self.torch.addmm(self.a, h, self.W.T).sigmoid_()

    def _bernoulli(self, p: Any) -> Any:
        return (self.torch.rand_like(p) < p).float()


PEERS: tuple[type[Peer], ...] = (Rbmfast, Numpy, ScikitLearn, Torch)
