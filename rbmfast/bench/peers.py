"""What is measured: an RBM in some library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

import rbmfast as rf

F32 = NDArray[np.float32]


class Peer(ABC):
    """An RBM with the parameters (W, a, b) in one library.

    Its methods are the tasks of `Workload` that it knows: ``cd(data, batch_size, epochs, rate)``,
    ``pcd(data, batch_size, epochs, rate, k, n_chains)``, ``gibbs(data, steps)``, ``ais(data, steps)``,
    ``hidden_probabilities(data)``, ``free_energy(data)``; data is what `prepare` made.

    Attributes
    ----------
    name : str
        What tables say.

    Examples
    --------
    >>> from rbmfast.bench import BlasFloor, NumpyRBM
    >>> NumpyRBM.knows("gibbs"), BlasFloor.knows("gibbs")
    (True, False)
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, W: Any, a: Any, b: Any) -> None: ...

    @classmethod
    def knows(cls, task: str) -> bool:
        """Whether it has a method for a task."""
        return hasattr(cls, task)

    @classmethod
    def set_threads(cls, n: int) -> None:
        """Tell it how many threads to use, where BLAS limits do not reach."""
        return None

    def prepare(self, X: NDArray[Any]) -> Any:
        """States, uint8 or float32, in the form that this library is fastest with; not timed."""
        return X.astype(np.float32)


class Rbmfast(Peer):
    """rbmfast through its public functions, with its defaults: checks, copies and shuffling included."""

    name = "rbmfast"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.rbm = rf.RBM.from_arrays(W, a, b)

    @classmethod
    def set_threads(cls, n: int) -> None:
        """See `Peer.set_threads`."""
        rf.set_num_threads(n)

    def prepare(self, X: NDArray[Any]) -> NDArray[Any]:
        """As they are: rbmfast takes any form, and a row of the table says which."""
        return X

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> None:
        """Some epochs of CD-1."""
        self._train(data, rf.CD(1), batch_size, epochs, rate)

    def pcd(self, data: Any, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> None:
        """Some epochs of PCD-k."""
        self._train(data, rf.PCD(k, n_chains=n_chains), batch_size, epochs, rate)

    def _train(self, data: Any, method: Any, batch_size: int, epochs: int, rate: float) -> None:
        settings: dict[str, Any] = {"method": method, "batch_size": batch_size, "epochs": epochs}
        settings |= {"optimizer": rf.SGD(rate), "penalties": (), "centered": False}
        rf.train(self.rbm, data, seed=0, **settings)

    def gibbs(self, data: Any, steps: int) -> Any:
        """Visible states, so many Gibbs steps from the data."""
        return self.rbm.gibbs(data, steps=steps, seed=0)

    def ais(self, data: Any, steps: int) -> float:
        """Log Z by annealing a chain for every row, from units with the rates of the data."""
        settings: dict[str, Any] = {"n_chains": len(data), "n_temperatures": steps, "base": data, "seed": 0}
        return rf.log_partition(self.rbm, "ais", **settings).value

    def hidden_probabilities(self, data: Any) -> Any:
        """P(h = 1 | v) for every row."""
        return self.rbm.hidden_probabilities(data)

    def free_energy(self, data: Any) -> Any:
        """F(v) for every row."""
        return self.rbm.free_energy(data)


class NumpyRBM(Peer):
    """An RBM in plain NumPy, written for speed: what rbmfast is compared with.

    float32 throughout, one BLAS product for each pass, `scipy.special.expit`, `numpy.random.Generator`; every
    intermediate array is allocated once and written in place. Not exact, not checked, for benchmarks only.

    Parameters
    ----------
    W, a, b : float32 arrays (n_visible, n_hidden), (n_visible,), (n_hidden,)
        Parameters; copied.
    seed : int
        Of the random numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.bench import NumpyRBM
    >>> rbm = NumpyRBM(np.zeros((4, 3)), np.zeros(4), np.zeros(3), seed=0)
    >>> rbm.hidden_probabilities(np.ones((1, 4), np.float32))
    array([[0.5, 0.5, 0.5]], dtype=float32)
    """

    name = "NumPy"

    def __init__(self, W: Any, a: Any, b: Any, seed: int = 0) -> None:
        self.W, self.a, self.b = (np.array(x, np.float32, order="C") for x in (W, a, b))
        self.rng = np.random.Generator(np.random.SFC64(seed))  # the fastest of NumPy's
        self._scratch: dict[str, F32] = {}

    # --- Given states ------------------------------------------------------------------------------------

    def hidden_probabilities(self, v: F32, out: F32 | None = None) -> F32:
        """P(h = 1 | v)."""
        x = np.matmul(v, self.W, out=out)
        x += self.b
        return expit(x, out=x)

    def visible_probabilities(self, h: F32, out: F32 | None = None) -> F32:
        """P(v = 1 | h)."""
        x = np.matmul(h, self.W.T, out=out)
        x += self.a
        return expit(x, out=x)

    def bernoulli(self, p: F32, out: F32) -> F32:
        """0/1 states that are 1 with probability p."""
        u = self._array("uniform", p.size)
        self.rng.random(dtype=np.float32, out=u)
        return np.less(u.reshape(p.shape), p, out=out)

    def free_energy(self, v: F32) -> F32:
        """F(v) = -a v - sum softplus(x)."""
        x = v @ self.W
        x += self.b
        energy: F32 = -(v @ self.a) - self.softplus_sum(x)
        return energy

    def softplus_sum(self, x: F32) -> F32:
        """Row sums of log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
        softplus = np.abs(x, out=self._array("softplus", *x.shape))
        np.negative(softplus, out=softplus)
        np.log1p(np.exp(softplus, out=softplus), out=softplus)
        softplus += np.maximum(x, 0, out=self._array("positive part", *x.shape))
        total: F32 = softplus.sum(axis=1)
        return total

    def gibbs(self, v: F32, steps: int) -> F32:
        """Visible states after some Gibbs steps."""
        v = v.copy()
        h = np.empty((len(v), len(self.b)), np.float32)
        for _ in range(steps):
            self.bernoulli(self.hidden_probabilities(v, out=h), out=h)
            self.bernoulli(self.visible_probabilities(h, out=v), out=v)
        return v

    def ais(self, data: F32, steps: int) -> float:
        """Log Z by annealing a chain for every row, from units with the rates of the data."""
        n_chains, p = len(data), np.clip(data.mean(axis=0), 0.001, 0.999)
        base = np.log(p / (1 - p)).astype(np.float32)
        v = self.bernoulli(np.tile(p, (n_chains, 1)), out=np.empty((n_chains, len(p)), np.float32))
        h = np.empty((n_chains, len(self.b)), np.float32)
        log_w = np.zeros(n_chains)
        x, y, scaled = np.empty_like(h), np.empty_like(v), np.empty_like(h)
        for t in range(steps):
            here, there = np.float32(t / steps), np.float32((t + 1) / steps)
            np.matmul(v, self.W, out=x)
            x += self.b
            log_w += (there - here) * (v @ (self.a - base))
            log_w -= self.softplus_sum(np.multiply(x, here, out=scaled))
            log_w += self.softplus_sum(np.multiply(x, there, out=scaled))
            self.bernoulli(expit(scaled, out=scaled), out=h)
            np.matmul(h, self.W.T, out=y)
            y *= there
            y += (1 - there) * base + there * self.a
            self.bernoulli(expit(y, out=y), out=v)
        log_z0 = np.logaddexp(0, base).sum() + len(self.b) * np.log(2)
        return float(log_z0 + logsumexp(log_w) - np.log(n_chains))

    # --- Learning ----------------------------------------------------------------------------------------

    def cd(
        self, data: F32, batch_size: int, epochs: int, rate: float, k: int = 1, chains: F32 | None = None
    ) -> None:
        """Some epochs of CD-k, or of PCD-k that moves the hidden states `chains` on in place."""
        for _ in range(epochs):
            for start in range(0, len(data), batch_size):
                self.update(data[start : start + batch_size], rate, k, chains)

    def pcd(self, data: F32, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> None:
        """Some epochs of PCD-k, with chains that it keeps."""
        self.cd(data, batch_size, epochs, rate, k, self._array("chains", n_chains, len(self.b)))

    def update(
        self, data: F32, rate: float, k: int = 1, chains: F32 | None = None, momentum: float = 0.0
    ) -> None:
        """One update.

        Data and samples lie below each other in one array, the samples with a minus sign, so that a single
        product gives the whole gradient of the weights.
        """
        n, m = len(data), len(data) if chains is None else len(chains)
        V = self._array("visible", n + m, len(self.a))
        H = self._array("hidden", n + m, len(self.b))
        v, h = V[n:], H[n:]

        V[:n] = data
        self.hidden_probabilities(data, out=H[:n])
        states = self._array("states", m, len(self.b)) if chains is None else chains
        if chains is None:
            self.bernoulli(H[:n], out=states)
        for step in range(k):
            self.bernoulli(self.visible_probabilities(states, out=v), out=v)
            self.hidden_probabilities(v, out=h)
            if chains is not None or step < k - 1:
                self.bernoulli(h, out=states)

        H[:n] *= np.float32(rate / n)
        h *= np.float32(-rate / m)
        gradient = np.matmul(V.T, H, out=self._array("gradient", *self.W.shape))
        gradient_a = V[:n].sum(axis=0) * np.float32(rate / n) - v.sum(axis=0) * np.float32(rate / m)
        gradient_b = H.sum(axis=0)
        for name, change in (("W", gradient), ("a", gradient_a), ("b", gradient_b)):
            if momentum:
                velocity = self._array(f"velocity {name}", *change.shape)
                velocity *= np.float32(momentum)
                change = np.add(velocity, change, out=velocity)
            parameter = getattr(self, name)
            parameter += change

    def _array(self, name: str, *shape: int) -> F32:
        """Scratch memory, made once for a shape."""
        found = self._scratch.get(name)
        if found is None or found.shape != shape:
            found = self._scratch[name] = np.zeros(shape, np.float32)
        return found


class BlasFloor(Peer):
    """The five float32 matrix products of a CD-1 update and nothing else.

    No biases, no sigmoid, no random numbers, no update: it learns nothing. NumPy's BLAS, every result in
    memory that was allocated before. A library that calls float32 BLAS cannot be faster.
    """

    name = "BLAS floor"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.W = np.array(W, np.float32, order="C")
        self.gradient = np.empty_like(self.W)

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> None:
        """The products of some epochs of CD-1."""
        n_visible, n_hidden = self.W.shape
        v_model = np.empty((batch_size, n_visible), np.float32)
        h_data, h_model = (np.empty((batch_size, n_hidden), np.float32) for _ in range(2))
        for _ in range(epochs):
            for start in range(0, len(data), batch_size):
                v = data[start : start + batch_size]
                n = len(v)
                np.matmul(v, self.W, out=h_data[:n])
                np.matmul(h_data[:n], self.W.T, out=v_model[:n])
                np.matmul(v_model[:n], self.W, out=h_model[:n])
                np.matmul(v.T, h_data[:n], out=self.gradient)
                np.matmul(v_model[:n].T, h_model[:n], out=self.gradient)
