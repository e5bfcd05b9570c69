"""CD-1 updates of a convolutional RBM beside PyTorch: binarised digits, 24 filters of 9 x 9, blocks of 2 x 2.

    python benchmarks/compare_convolution.py [IMAGES.npz] [--threads N,N,...] [--repeats N]

CPU time of an update of 100 rows, the least and the median of calls that take turns; in brackets how many
times as fast rbmfast is, by the least. IMAGES.npz is MNIST (its first array of 28 x 28 levels); without it
0/1 noise. PyTorch in float32: memory in both orders, gradients by autograd of free energies and by
`torch.nn.grad`, blocks drawn by cumulative probabilities and by noise.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from scripts import parser_of

import rbmfast as rf

ROWS, UPDATES, RATE = 100, 10, 0.02
SETTINGS: dict[str, Any] = {"n_filters": 24, "filter_shape": (9, 9), "pool": 2}
LEARNING: dict[str, Any] = {"method": rf.CD(), "optimizer": RATE, "penalties": (), "epochs": 1, "seed": 1}


class Torch:
    """The same model and updates: gradients are means over rows and places."""

    def __init__(self, rbm: rf.ConvRBM, last: bool, autograd: bool, cumulative: bool) -> None:
        torch: Any = importlib.import_module("torch")
        self.torch, self.autograd, self.cumulative = torch, autograd, cumulative
        self.order = torch.channels_last if last else torch.contiguous_format
        W = torch.tensor(rbm.W.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=self.order)
        self.W, self.a, self.b = W, torch.tensor(np.array(rbm.a)), torch.tensor(np.array(rbm.b))
        for parameter in (self.W, self.a, self.b):
            parameter.requires_grad_(autograd)
        self.places = rbm.map_shape[0] * rbm.map_shape[1]

    def train(self, X: Any) -> None:
        for v in X.split(ROWS):
            self.update(v.contiguous(memory_format=self.order))

    def blocks(self, x: Any) -> Any:
        """(n, filters, height / 2, width / 2, 4)"""
        n, k, h, w = x.shape
        cut = x.reshape(n, k, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5)
        return cut.reshape(n, k, h // 2, w // 2, 4)

    def maps(self, blocks: Any) -> Any:
        n, k, h, w, _ = blocks.shape
        cut = blocks.reshape(n, k, h, w, 2, 2).permute(0, 1, 2, 4, 3, 5)
        return cut.reshape(n, k, 2 * h, 2 * w).contiguous(memory_format=self.order)

    def draw(self, p: Any) -> Any:
        """Blocks of which one of the units is on, or none, from their probabilities."""
        torch = self.torch
        if self.cumulative:
            ends = p.cumsum(-1)
            above = torch.rand(p.shape[:-1]).unsqueeze(-1) < ends
            return torch.diff(above.to(torch.float32), dim=-1, prepend=torch.zeros_like(ends[..., :1]))
        rest = 1 - p.sum(-1, keepdim=True)
        noisy = torch.cat([rest, p], -1) / torch.empty(*p.shape[:-1], 5).exponential_()
        return torch.nn.functional.one_hot(noisy.argmax(-1), 5)[..., 1:].to(torch.float32)

    def probabilities(self, blocks: Any) -> Any:
        top = blocks.amax(-1, keepdim=True).clamp_(min=0)
        odds = (blocks - top).exp_()
        return odds / (odds.sum(-1, keepdim=True) + (-top).exp_())

    def update(self, v: Any) -> None:
        torch = self.torch
        conv, back = torch.nn.functional.conv2d, torch.nn.functional.conv_transpose2d
        with torch.set_grad_enabled(self.autograd):
            x = self.blocks(conv(v, self.W, self.b))
            with torch.no_grad():
                p = self.probabilities(x)
                h = self.maps(self.draw(p))
                model = torch.bernoulli(back(h, self.W).add_(self.a.reshape(1, -1, 1, 1)).sigmoid_())
            y = self.blocks(conv(model, self.W, self.b))
        if self.autograd:
            terms = [torch.logsumexp(torch.nn.functional.pad(each, (1, 0)), -1).sum() for each in (x, y)]
            gain = terms[0] - terms[1] + (self.a.reshape(1, -1, 1, 1) * (v - model)).sum()
            gradients = torch.autograd.grad(gain, (self.W, self.a, self.b))
        else:
            q = self.probabilities(y)
            weight = torch.nn.grad.conv2d_weight
            W = weight(v, self.W.shape, self.maps(p)) - weight(model, self.W.shape, self.maps(q))
            gradients = W, (v - model).sum((0, 2, 3)), (p - q).sum((0, 2, 3, 4))
        with torch.no_grad():
            for parameter, gradient in zip((self.W, self.a, self.b), gradients, strict=True):
                parameter.add_(gradient, alpha=RATE / (len(v) * self.places))


def images(path: str | None) -> Any:
    n = ROWS * UPDATES
    if path is None:
        return (np.random.default_rng(0).random((n, 28, 28)) < 0.19).astype(np.uint8)
    with np.load(path) as arrays:
        levels = next(arrays[name] for name in arrays.files if arrays[name].shape[1:] in ((28, 28), (784,)))
    return (levels[:n].reshape(-1, 28, 28) > 127).astype(np.uint8)


def main() -> None:
    parser = parser_of(__doc__, [1])
    parser.add_argument("images", nargs="?", metavar="IMAGES.npz")
    arguments = parser.parse_args()
    X = images(arguments.images)
    rbm = rf.ConvRBM((28, 28), **SETTINGS, seed=0)
    rf.train(rbm, X, **LEARNING)
    calls: dict[str, Callable[[], object]] = {"rbmfast": lambda: rf.train(rbm, X, **LEARNING)}
    for last, autograd, cumulative in product((False, True), repeat=3):
        peer = Torch(rbm, last, autograd, cumulative)
        given = peer.torch.tensor(X, dtype=peer.torch.float32).unsqueeze(1)
        words = (
            "channels last" if last else "channels first",
            "autograd" if autograd else "nn.grad",
            "cumulative" if cumulative else "noise",
        )
        calls["PyTorch, " + ", ".join(words)] = lambda peer=peer, given=given: peer.train(given)
    print(f"CD-1, {ROWS} rows, {rf.show_config().isa}: milliseconds of CPU time an update, least and median")
    for n in arguments.threads:
        rf.set_num_threads(n)
        peer.torch.set_num_threads(n)
        times = {name: [s / UPDATES for s in each] for name, each in turns(calls, arguments.repeats).items()}
        best = min(times["rbmfast"])
        for name, seconds in times.items():
            least, median = min(seconds), statistics.median(seconds)
            print(
                f"{n} threads  {name:44} {1000 * least:7.1f} {1000 * median:7.1f} ({least / best:.1f})",
                flush=True,
            )


def turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each call, one after the other, round by round."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(repeats + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if i:  # the first round warms up
                found[name].append(time.process_time() - start)
    return found


if __name__ == "__main__":
    main()
