"""Greedy pre-training of a deep belief network beside scikit-learn's `BernoulliRBM`s stacked in a pipeline.

    python benchmarks/compare_greedy.py [DATA] [--rows N] [--epochs N] [--threads N,N,...] [--repeats N]

784-500-500-2000 units, batches of 100, a rate of 0.05, persistent contrastive divergence with one Gibbs step,
on 0/1 images (DATA: an .npz file with train_x, 0-255; else random images that are on as often). Seconds for
all layers, what each sends to the next one included, medians of runs that take turns; in brackets how many
times as fast rbmfast is as scikit-learn on float32, on float64. Time is about proportional to the rows.

scikit-learn learns from float32, in which it is fastest, and from the uint8 array that rbmfast gets, of which
it makes float64. Both learn from the probabilities of the hidden units below, or rbmfast from states drawn
from them, its default.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers import DropIn, ScikitLearn
from scripts import one_and_all, parser_of
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline

import rbmfast as rf
from rbmfast.bench import environment
from rbmfast.bench.measure import limited_threads
from rbmfast.cli.options import integer

SIZES = [784, 500, 500, 2000]
RATE, BATCH_SIZE = 0.05, 100
SHARE_ON = 0.13  # of the pixels of MNIST


def main() -> None:
    parser = parser_of(__doc__, one_and_all())
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--rows", type=integer(BATCH_SIZE), default=10_000, metavar="N")
    parser.add_argument("--epochs", type=integer(1), default=10, metavar="N", help="of each layer")
    parser.set_defaults(repeats=3)
    arguments = parser.parse_args()
    X = images(arguments.data, arguments.rows)
    facts = environment()
    print(f"{facts['cpu']}; rbmfast uses {facts['isa']}; {len(X)} rows, {arguments.epochs} epochs a layer\n")
    print("threads  scikit-learn, s: float32  float64  rbmfast, s: probabilities           samples")
    for n in arguments.threads:
        with limited_threads(n, [DropIn, ScikitLearn]):
            single, double, *ours = take_turns(fits(X, arguments.epochs), arguments.repeats)
        cells = [f"{own:.2f} ({single / own:.1f}, {double / own:.1f})" for own in ours]
        print(f"{n:7}{single:26.2f}{double:9.2f}{cells[0]:>27}{cells[1]:>18}", flush=True)


def images(path: Path | None, n_rows: int) -> NDArray[np.uint8]:
    if path is None:
        return (np.random.default_rng(0).random((n_rows, SIZES[0])) < SHARE_ON).astype(np.uint8)
    with np.load(path) as file:
        return (file["train_x"][:n_rows].reshape(-1, SIZES[0]) > 127).astype(np.uint8)


def fits(X: NDArray[np.uint8], epochs: int) -> list[Callable[[], Any]]:
    """scikit-learn's pipeline on both kinds of data, and ours by both kinds of activations."""
    floats = X.astype(np.float32)

    def stacked(data: NDArray[Any]) -> None:
        rbms = [
            BernoulliRBM(n, learning_rate=RATE, batch_size=BATCH_SIZE, n_iter=epochs, random_state=0)
            for n in SIZES[1:]
        ]
        make_pipeline(*rbms).fit(data)

    def greedy(activations: str) -> None:
        settings: dict[str, Any] = {
            "method": rf.PCD(k=1),
            "optimizer": rf.SGD(RATE),
            "penalties": (),
            "centered": False,
            "batch_size": BATCH_SIZE,
        }
        dbn = rf.DBN(SIZES, seed=0)
        rf.pretrain(dbn, X, activations=activations, epochs=epochs, seed=1, **settings)

    return [
        lambda: stacked(floats),
        lambda: stacked(X),
        lambda: greedy("probabilities"),
        lambda: greedy("samples"),
    ]


def take_turns(tasks: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Median seconds of each."""
    seconds: list[list[float]] = [[] for _ in tasks]
    for _ in range(repeats):
        for task, taken in zip(tasks, seconds, strict=True):
            begin = time.perf_counter()
            task()
            taken.append(time.perf_counter() - begin)
    return [statistics.median(taken) for taken in seconds]


if __name__ == "__main__":
    main()
