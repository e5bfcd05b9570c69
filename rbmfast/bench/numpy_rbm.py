"""An RBM in plain NumPy, written for speed: what rbmfast is compared with.

float32 throughout, one BLAS product for each pass, `scipy.special.expit`, `numpy.random.Generator`; every
intermediate array is allocated once and written in place. Not exact, not checked, for benchmarks only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from rbmfast.bench.peers import Peer

F32 = NDArray[np.float32]


class NumpyRBM(Peer):
    """Bernoulli-Bernoulli RBM.

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
