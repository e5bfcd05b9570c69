"""``rbmfast demo``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.cli import options, output
from rbmfast.cli.options import integer
from rbmfast.training.callbacks import Progress

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
WIDTH = 36  # of the progress bar
METRICS = {  # name in metrics.json: column of the history, what is printed, unit
    "reconstruction_error": ("validation_", "reconstruction error", "mean square per pixel"),
    "free_energy_gap": ("", "free-energy gap, test - training", "nats per image"),
    "pseudo_likelihood": ("validation_", "log pseudo-likelihood", "nats per image"),
}

Images = NDArray[np.uint8]  # (n, 64), 0 and 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = parser.add_argument
    add("--output", default="rbmfast-demo", metavar="DIR",
        help="folder to write to (default: ./rbmfast-demo)")  # fmt: skip
    add("--epochs", type=integer(1), default=200, metavar="N", help="passes over the data (default: 200)")
    options.add_seed(parser)
    options.add_threads(parser, 1, why=", as much as so small a model can use")


def run(arguments: argparse.Namespace) -> None:
    """Train, print, draw."""
    options.need({"matplotlib": "matplotlib", "sklearn": "scikit-learn"}, "demo", "the demo")
    folder = arguments.output
    os.makedirs(folder, exist_ok=True)
    pixels = importlib.import_module("sklearn.datasets").load_digits().data
    train, test = _every_fifth((pixels > INK).astype(np.uint8))
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
    columns = {name: column.tolist() for name, column in history.to_dict().items()}
    output.write_json(os.path.join(folder, "history.json"), columns)
    for name, figure in figures.items():
        output.write_picture(os.path.join(folder, f"{name}.png"), figure)
    pictures = ", ".join(f"{name}.png" for name in figures)
    print(f"wrote {os.path.abspath(folder)}: digits.rbm, metrics.json, history.json, {pictures}")


def _every_fifth(X: Images) -> tuple[Images, Images]:
    """The others, to learn from, and every fifth image, to test on."""
    is_test = np.arange(len(X)) % 5 == 4
    return X[~is_test], X[is_test]


def learn(train: Images, test: Images, epochs: int, seed: int) -> tuple[rf.RBM, rf.History]:
    """Train a model on the digits, with a progress bar."""
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
        callbacks=[Bar()],
    )
    return rbm, history


class Bar(rf.Callback):
    """A progress bar on stderr that fits a narrow window; where nothing can move, a line for every tenth."""

    def on_epoch_end(self, progress: Progress) -> None:
        """See `rbmfast.Callback`."""
        done, tenth = progress.epoch / progress.epochs, progress.epochs / 10
        moving = sys.stderr.isatty()
        if not moving and progress.epoch // tenth == (progress.epoch - 1) // tenth:
            return
        error = progress.history["validation_reconstruction_error"][-1]
        bar = f"[{'#' * round(WIDTH * done):.<{WIDTH}}] {done:4.0%}"
        text = f"{bar}  epoch {progress.epoch}/{progress.epochs}  test error {error:.4f}"
        end = "\n" if not moving or progress.epoch == progress.epochs else ""
        print(f"\r{text}" if moving else text, end=end, file=sys.stderr, flush=True)


def measure(history: rf.History, n_train: int) -> dict[str, Any]:
    """The numbers before the first and after the last epoch, and the speed in between."""

    def numbers(epoch: int) -> dict[str, float]:
        found = {name: float(history[part + name][epoch]) for name, (part, _, _) in METRICS.items()}
        return {**found, "pseudo_likelihood_per_pixel": found["pseudo_likelihood"] / 64}

    epochs, seconds = len(history) - 1, float(history["seconds"].sum())
    return {
        "before": numbers(0),
        "after": numbers(-1),
        "epochs": epochs,
        "training_seconds": seconds,
        "samples_per_second": epochs * n_train / seconds,
    }


def summary(metrics: dict[str, Any], engine: str) -> str:
    """The same for people."""
    labels = {name: (label, unit) for name, (_, label, unit) in METRICS.items()}
    labels["pseudo_likelihood_per_pixel"] = ("", "nats per pixel")
    lines = [f"{'on the test images':34}{'before':>10}{'after':>10}"]
    for name, (label, unit) in labels.items():
        before, after = metrics["before"][name], metrics["after"][name]
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
