"""Other libraries beside those of `rbmfast bench`. Another one is a class and a place in `PEERS`."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast import bench
from rbmfast.bench import BlasFloor, NumpyRBM, Peer, Rbmfast, Workload


def version(package: str) -> str | None:
    """Of an installed package; None if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


PACKAGES = {package: version(package) for package in ("scikit-learn", "torch")}


class ScikitLearn(Peer):
    """`sklearn.neural_network.BernoulliRBM`."""

    name = "scikit-learn"
    place: ClassVar[str] = "sklearn.neural_network"  # where the class is imported from

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        estimator = importlib.import_module(self.place).BernoulliRBM
        self.rbm = estimator(n_components=len(b), learning_rate=0.01, n_iter=1, random_state=0)
        self.rbm.components_ = np.array(W, np.float32, order="C").T  # the order that `fit` makes, too
        self.rbm.intercept_visible_ = np.array(a, np.float32)
        self.rbm.intercept_hidden_ = np.array(b, np.float32)
        self.rbm.random_state_ = np.random.RandomState(0)

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> object:
        """PCD-1, from new weights that `fit` draws at the start."""
        return self.call(data, "fit", batch_size=batch_size, n_iter=epochs, learning_rate=rate)

    def gibbs(self, data: Any, steps: int) -> object:
        for _ in range(steps):
            data = self.rbm.gibbs(data).astype(np.float32)
        return data

    def hidden_probabilities(self, data: Any) -> object:
        return self.call(data, "transform")

    def one_flip_scores(self, data: Any) -> object:
        return self.call(data, "score_samples")

    def call(self, data: Any, method: str, **settings: Any) -> object:
        """A method of the estimator with these parameters."""
        return getattr(self.rbm.set_params(**settings), method)(data)


class DropIn(ScikitLearn):
    """`rbmfast.sklearn.BernoulliRBM`: nothing but the import is changed."""

    name = "rbmfast"
    place = "rbmfast.sklearn"

    @classmethod
    def set_threads(cls, n: int) -> None:
        rf.set_num_threads(n)


class Torch(Peer):
    """PyTorch on the CPU, in inference mode."""

    name = "PyTorch"
    dtype: ClassVar[str] = "float32"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.torch.manual_seed(0)
        self.W, self.a, self.b = (self.prepare(np.asarray(x)) for x in (W, a, b))
        self.chains: Any = None

    @classmethod
    def set_threads(cls, n: int) -> None:
        importlib.import_module("torch").set_num_threads(n)

    def prepare(self, X: NDArray[Any]) -> Any:
        return self.torch.tensor(X, dtype=getattr(self.torch, self.dtype))

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> None:
        with self.torch.inference_mode():
            for v in data.split(batch_size) * epochs:
                self._update(v, rate)

    def pcd(self, data: Any, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> None:
        if self.chains is None:
            self.chains = data.new_zeros(n_chains, len(self.b))
        with self.torch.inference_mode():
            for v in data.split(batch_size) * epochs:
                self.chains = self._update(v, rate, k, self.chains)

    def _update(self, v: Any, rate: float, k: int = 1, chains: Any = None) -> Any:
        """Move parameters by one gradient; hidden states of the chains, if there are any, after k steps."""
        h = self._hidden_probabilities(v)
        states = self._bernoulli(h) if chains is None else chains
        for step in range(k):
            v_model = self._bernoulli(self._visible_probabilities(states))
            h_model = self._hidden_probabilities(v_model)
            if chains is not None or step < k - 1:
                states = self._bernoulli(h_model)
        up, down = rate / len(v), -rate / len(v_model)
        self.W.addmm_(v.T, h, alpha=up).addmm_(v_model.T, h_model, alpha=down)
        self.a.add_(v.sum(0), alpha=up).add_(v_model.sum(0), alpha=down)
        self.b.add_(h.sum(0), alpha=up).add_(h_model.sum(0), alpha=down)
        return states

    def gibbs(self, data: Any, steps: int) -> object:
        with self.torch.inference_mode():
            for _ in range(steps):
                h = self._bernoulli(self._hidden_probabilities(data))
                data = self._bernoulli(self._visible_probabilities(h))
        return data

    def ais(self, data: Any, steps: int) -> object:
        torch, softplus = self.torch, self.torch.nn.functional.softplus
        with torch.inference_mode():
            base = torch.logit(data.mean(0), eps=1e-3)
            v = self._bernoulli(base.sigmoid().expand(len(data), -1))
            log_w = torch.zeros(len(data))
            for t in range(steps):
                here, there = t / steps, (t + 1) / steps
                x = torch.addmm(self.b, v, self.W)
                log_w += (there - here) * (v @ (self.a - base))
                log_w += softplus(there * x).sum(1) - softplus(here * x).sum(1)
                h = self._bernoulli(x.mul_(there).sigmoid_())
                y = torch.addmm((1 - there) * base + there * self.a, h, self.W.T, alpha=there)
                v = self._bernoulli(y.sigmoid_())
            log_z0 = softplus(base).sum() + len(self.b) * np.log(2)
            return log_z0 + torch.logsumexp(log_w, 0) - np.log(len(data))

    def hidden_probabilities(self, data: Any) -> Any:
        with self.torch.inference_mode():
            return self._hidden_probabilities(data)

    def free_energy(self, data: Any) -> object:
        with self.torch.inference_mode():
            x = self.torch.addmm(self.b, data, self.W)
            return -(data @ self.a) - self.torch.nn.functional.softplus(x).sum(1)

    def _hidden_probabilities(self, v: Any) -> Any:
        return self.torch.addmm(self.b, v, self.W).sigmoid_()

    def _visible_probabilities(self, h: Any) -> Any:
        return self.torch.addmm(self.a, h, self.W.T).sigmoid_()

    def _bernoulli(self, p: Any) -> Any:
        return (self.torch.rand_like(p) < p).to(p.dtype)


class TorchBfloat16(Torch):
    """All of it in bfloat16, parameters and random numbers too: 8 bits each. For learning alone."""

    name = "PyTorch bf16"
    dtype = "bfloat16"

    @classmethod
    def knows(cls, task: str) -> bool:
        return task == "cd"


# --- One-flip scores ---------------------------------------------------------------------------------------


class Ours(Rbmfast):
    """rbmfast, and its scikit-learn estimator for the scores."""

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        super().__init__(W, a, b)
        self.drop_in = DropIn(W, a, b) if PACKAGES["scikit-learn"] else None

    @classmethod
    def knows(cls, task: str) -> bool:
        return super().knows(task) and (task != "one_flip_scores" or PACKAGES["scikit-learn"] is not None)

    def one_flip_scores(self, data: Any) -> object:
        return self.drop_in.one_flip_scores(data)


class Numpy(NumpyRBM):
    """Plain NumPy, and the scores."""

    def one_flip_scores(self, data: Any) -> object:
        return one_flip_scores(self.free_energy, data, self.rng)


def one_flip_scores(
    free_energy: Callable[[Any], NDArray[Any]], V: NDArray[Any], rng: np.random.Generator
) -> NDArray[Any]:
    """n_visible * log sigmoid(F(v') - F(v)) for every row, where v' has one unit flipped at random."""
    n_rows, n_visible = V.shape
    flipped, unit = V.copy(), (np.arange(n_rows), rng.integers(0, n_visible, n_rows))
    flipped[unit] = 1 - flipped[unit]
    scores: NDArray[Any] = -n_visible * np.logaddexp(0, free_energy(V) - free_energy(flipped))
    return scores


# The columns of tables, everybody compared with the first, and the rows.
SKLEARN: tuple[type[Peer], ...] = (ScikitLearn,) if PACKAGES["scikit-learn"] else ()
TORCH: tuple[type[Peer], ...] = (Torch, TorchBfloat16) if PACKAGES["torch"] else ()
PEERS: tuple[type[Peer], ...] = (Ours, Numpy, BlasFloor, *SKLEARN, *TORCH)
NOTES = ["scikit-learn has no CD-1: its row is PCD-1, which takes as much arithmetic"] if SKLEARN else []
WORKLOADS = (
    *bench.WORKLOADS,
    Workload("one-flip scores (score_samples), {size}", "one_flip_scores", 784, 500, 10_000),
)
