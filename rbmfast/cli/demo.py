"""``rbmfast demo``."""

from __future__ import annotations

import argparse
import importlib
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.cli import options, output
from rbmfast.cli.options import integer
from rbmfast.cli.progress import display

DESCRIPTION = """\
Train an RBM on the UCI digits that come with scikit-learn: 1797 images of 8 x 8 pixels, made
black and white. Prints how good the model is before and after, and writes the model, the numbers
and pictures: filters, reconstructions, samples, completed digits, learning curves."""
EXAMPLES = """\
examples:
  rbmfast demo
  rbmfast demo --output digits-demo --epochs 50 --seed 1
"""

HIDDEN, BATCH_SIZE, CHAINS = 128, 20, 100
SHAPE = (8, 8)
INK = 7  # pixels go from 0 to 16
METRICS = {  # column of the history: what is printed, unit
    "validation_reconstruction_error": ("reconstruction error", "mean square per pixel"),
    "free_energy_gap": ("free-energy gap, test - training", "nats per image"),
    "validation_pseudo_likelihood": ("log pseudo-likelihood", "nats per image"),
}

Images = NDArray[np.uint8]  # (n, 64), 0 and 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    group = options.Group(parser)
    group.add("--output", "DIR", "folder to write to", "rbmfast-demo")
    group.add("--epochs", integer(1), "passes over the data", 200)
    group.add_seed()
    group.add_threads(", of which so small a model can use no more than one", 1)


def run(arguments: argparse.Namespace) -> None:
    """Train, print, draw."""
    options.need({"matplotlib": "matplotlib", "sklearn": "scikit-learn"}, "demo", "the demo")
    folder = arguments.output
    os.makedirs(folder, exist_ok=True)
    pixels = importlib.import_module("sklearn.datasets").load_digits().data
    X = (pixels > INK).astype(np.uint8)
    is_test = np.arange(len(X)) % 5 == 4
    train, test = X[~is_test], X[is_test]
    with options.threads(arguments.threads):
        words = options.engine_words()
        print(
            f"UCI digits: {len(train)} images to learn from, {len(test)} to test on; "
            f"64 pixels, {HIDDEN} hidden units, PCD-1"
        )
        rbm, history = learn(train, test, arguments.epochs, arguments.seed)
        metrics = measure(history, len(train))
        print(summary(metrics, words))
        figures = draw(rbm, test[:30], history, arguments.seed)
        metrics |= {
            "seed": arguments.seed,
            "n_train": len(train),
            "n_test": len(test),
            "n_visible": rbm.n_visible,
            "n_hidden": rbm.n_hidden,
            "isa": rf.show_config().isa,
            "threads": rf.get_num_threads(),
            "version": rf.__version__,
        }
    rbm.save(os.path.join(folder, "digits.rbm"))
    output.write_json(os.path.join(folder, "metrics.json"), metrics)
    columns = {name: column.tolist() for name, column in history.items()}
    output.write_json(os.path.join(folder, "history.json"), columns)
    print(f"wrote digits.rbm, metrics.json and history.json in {os.path.abspath(folder)}")
    output.write_pictures(folder, figures)


def learn(train: Images, test: Images, epochs: int, seed: int) -> tuple[rf.RBM, rf.History]:
    """Train a model on the digits, and show how far it is."""
    rbm, n = rf.RBM(train.shape[1], HIDDEN, seed=seed), len(train)
    history = rf.train(
        rbm,
        train,
        method=rf.PCD(k=1, n_chains=CHAINS),
        optimizer=rf.SGD(rf.Linear(0.05), momentum=0.5),
        penalties=[rf.L2(1e-3)],
        epochs=epochs,
        batch_size=BATCH_SIZE,
        seed=seed,
        validation=test,
        monitors=[rf.ReconstructionError(n), rf.FreeEnergyGap(n), rf.PseudoLikelihood(max_rows=len(test))],
        **display(every=max(1, epochs // 10)),
    )
    return rbm, history


def measure(history: rf.History, n_train: int) -> dict[str, Any]:
    """The numbers before the first and after the last epoch, and the speed in between."""
    epochs, seconds = len(history) - 1, float(history["seconds"].sum())
    found: dict[str, Any] = {}
    for when, epoch in (("before", 0), ("after", -1)):
        numbers = {name.removeprefix("validation_"): float(history[name][epoch]) for name in METRICS}
        found[when] = {**numbers, "pseudo_likelihood_per_pixel": numbers["pseudo_likelihood"] / 64}
    speed = {"training_seconds": seconds, "samples_per_second": epochs * n_train / seconds}
    return {**found, "epochs": epochs, **speed}


def summary(metrics: dict[str, Any], engine: str) -> str:
    """The same for people."""
    lines = [f"{'on the test images':34}{'before':>10}{'after':>10}"]
    pairs = zip(metrics["before"].values(), metrics["after"].values(), strict=True)
    words = [*METRICS.values(), ("", "nats per pixel")]
    for (label, unit), (before, after) in zip(words, pairs, strict=True):
        lines.append(f"  {label:32}{before:10.4f}{after:10.4f}  {unit}")
    lines.append("  (before: random weights, but biases that know how often each pixel is black)")
    lines.append(
        f"{metrics['samples_per_second']:,.0f} samples/s: {metrics['epochs']} epochs in "
        f"{metrics['training_seconds']:.1f} s with {engine}"
    )
    return "\n".join(lines)


def draw(rbm: rf.RBM, test: Images, history: rf.History, seed: int) -> dict[str, Any]:
    """All pictures, by name."""
    erased = np.broadcast_to(np.arange(64) % 8 >= 4, test.shape)  # right halves
    completed = rbm.impute(test, mask=erased, steps=400, seed=seed, average=True)
    again, both = rbm.reconstruct(test), "Test digits and their reconstructions"
    half = "Test digits, half erased and completed by the model"
    return {
        "filters": rf.plots.filters(rbm, SHAPE),
        "reconstructions": rf.plots.reconstructions(test, again, SHAPE, title=both),
        "samples": rf.plots.samples(rbm, SHAPE, seed=seed),
        "completions": rf.plots.completions(test, erased, completed, SHAPE, title=half),
        "learning_curves": rf.plots.learning_curves(history),
    }
