"""Gibbs steps of a model of protein sequences beside PyTorch: 53 sites of 21 states, 100 hidden units.

    python benchmarks/compare_groups.py [--threads N,N,...] [--repeats N]

Medians of calls that take turns; in brackets how many times as fast rbmfast is. PyTorch draws groups in
three ways: `multinomial`; the largest input with Gumbel noise; cumulative probabilities against a number.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scripts import parser_of

import rbmfast as rf

N_SITES, N_STATES, N_HIDDEN, N_CHAINS, STEPS = 53, 21, 100, 1000, 20


class Torch:
    """The same chains in float32, states one-hot."""

    def __init__(self, rbm: rf.RBM) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.W, self.a, self.b = (self.torch.tensor(np.array(x)) for x in (rbm.W, rbm.a, rbm.b))
        self.W_down = self.W.T.contiguous()

    def gibbs(self, v: Any, draw: Callable[[Any], Any]) -> Any:
        torch = self.torch
        with torch.inference_mode():
            for _ in range(STEPS):
                h = torch.bernoulli(torch.addmm(self.b, v, self.W).sigmoid_())
                state = draw(torch.addmm(self.a, h, self.W_down).reshape(-1, N_STATES))
                v = torch.zeros(len(state), N_STATES).scatter_(1, state, 1.0).reshape(len(v), -1)
        return v

    def multinomial(self, x: Any) -> Any:
        return self.torch.multinomial(x.softmax(1), 1)

    def gumbel(self, x: Any) -> Any:
        return (x - self.torch.empty_like(x).exponential_().log_()).argmax(1, keepdim=True)

    def cumulative(self, x: Any) -> Any:
        ends = x.softmax(1).cumsum(1)
        return (ends < self.torch.rand(len(x), 1)).sum(1, keepdim=True).clamp_(max=N_STATES - 1)


def main() -> None:
    arguments = parser_of(__doc__, [1]).parse_args()
    rng = np.random.default_rng(0)
    W = rng.normal(scale=0.1, size=(N_SITES * N_STATES, N_HIDDEN))
    rbm = rf.RBM.from_arrays(W, np.zeros(len(W)), np.zeros(N_HIDDEN), visible=rf.Categorical(N_STATES))
    v, peer = rbm.sample(N_CHAINS, steps=5, seed=1), Torch(rbm)
    one_hot = peer.torch.tensor(v, dtype=peer.torch.float32)
    calls: dict[str, Callable[[], object]] = {"rbmfast": lambda: rbm.gibbs(v, STEPS, seed=2)}
    for draw in (peer.multinomial, peer.gumbel, peer.cumulative):
        calls[f"PyTorch, {draw.__name__}"] = lambda draw=draw: peer.gibbs(one_hot, draw)
    print(f"{N_CHAINS} chains, {STEPS} Gibbs steps, {rf.show_config().isa}: milliseconds")
    for n in arguments.threads:
        rf.set_num_threads(n)
        peer.torch.set_num_threads(n)
        times = {name: statistics.median(each) for name, each in turns(calls, arguments.repeats).items()}
        for name, seconds in times.items():
            print(
                f"{n} threads  {name:24} {1000 * seconds:8.1f} ({seconds / times['rbmfast']:.1f})", flush=True
            )


def turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, one after the other, round by round."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if i:  # the first round warms up
                found[name].append(time.perf_counter() - start)
    return found


if __name__ == "__main__":
    main()
