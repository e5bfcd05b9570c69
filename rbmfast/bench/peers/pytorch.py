"""PyTorch."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.bench.peers.base import Peer


class Torch(Peer):
    """PyTorch on the CPU, in inference mode."""

    name = "PyTorch"
    package = "torch"
    dtype: ClassVar[str] = "float32"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.torch.manual_seed(0)
        self.W, self.a, self.b = (self.prepare(np.asarray(x)) for x in (W, a, b))
        self.chains: Any = None

    @classmethod
    def set_threads(cls, n: int) -> None:
        """See `Peer.set_threads`."""
        importlib.import_module("torch").set_num_threads(n)

    def prepare(self, X: NDArray[Any]) -> Any:
        """See `Peer.prepare`."""
        return self.torch.tensor(X, dtype=getattr(self.torch, self.dtype))

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> object:
        """See `Peer.cd`."""
        with self.torch.inference_mode():
            for v in data.split(batch_size) * epochs:
                self._update(v, rate)
        return self.W

    def pcd(self, data: Any, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> object:
        """See `Peer.pcd`."""
        if self.chains is None:
            self.chains = data.new_zeros(n_chains, len(self.b))
        with self.torch.inference_mode():
            for v in data.split(batch_size) * epochs:
                self.chains = self._update(v, rate, k, self.chains)
        return self.W

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
        """See `Peer.gibbs`."""
        with self.torch.inference_mode():
            for _ in range(steps):
                h = self._bernoulli(self._hidden_probabilities(data))
                data = self._bernoulli(self._visible_probabilities(h))
        return data

    def ais(self, data: Any, steps: int) -> object:
        """See `Peer.ais`."""
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
        """See `Peer.hidden_probabilities`."""
        with self.torch.inference_mode():
            return self._hidden_probabilities(data)

    def free_energy(self, data: Any) -> object:
        """See `Peer.free_energy`."""
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
        """See `Peer.knows`."""
        return task == "cd"
