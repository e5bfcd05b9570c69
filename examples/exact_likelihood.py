"""RBMs small enough for exact test log-likelihoods, trained by documented recipes, beside published numbers.

    python examples/exact_likelihood.py mnist DATA [--seeds 3]
    python examples/exact_likelihood.py dna DATA
    python examples/exact_likelihood.py mushrooms DATA

DATA is an .npz file with `train` and `test`: rows of 0 and 1, or the same packed by numpy.packbits with
`n_features` beside them; or the images `train_x` and `test_x` from 0 to 255, which are thresholded at one
half. "mnist" trains on the data as they are and with 0 and 1 exchanged: centred learning must not care.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import rbmfast as rf


@dataclass(frozen=True)
class Recipe:
    """How a model is trained (centred, with a rate that falls to 0), and what others have reached."""

    n_hidden: int
    rate: float
    epochs: int
    batch_size: int
    method: Any
    penalties: tuple[Any, ...] = ()
    flip: bool = False
    published: tuple[tuple[str, float], ...] = ()


RECIPES = {
    "mnist": Recipe(
        n_hidden=16,
        rate=0.05,
        epochs=50,
        batch_size=100,
        method=rf.PCD(k=1),
        flip=True,
        published=(("PyDeep, centred PCD-1, on thresholded MNIST", -142.56), ("the same, flipped", -142.09)),
    ),
    "dna": Recipe(
        n_hidden=23,
        rate=0.05,
        epochs=500,
        batch_size=50,
        method=rf.PCD(k=1, n_chains=200),
        penalties=(rf.L2(5e-3),),
        published=(("RBM, 23 hidden (Larochelle & Murray 2011)", -96.74), ("mixture of Bernoullis", -98.19)),
    ),
    "mushrooms": Recipe(
        n_hidden=23,
        rate=0.1,
        epochs=1000,
        batch_size=50,
        method=rf.PCD(k=5, n_chains=200),
        published=(("RBM, 23 hidden (Larochelle & Murray 2011)", -15.15), ("mixture of Bernoullis", -14.46)),
    ),
}


def read(path: Path) -> list[np.ndarray]:
    """Training and test rows, uint8 0/1."""
    with np.load(path) as file:
        if "train_x" in file:
            images = [file["train_x"], file["test_x"]]
            return [(x.reshape(len(x), -1) >= 128).view(np.uint8) for x in images]
        sets = [file["train"], file["test"]]
        if "n_features" in file:
            sets = [np.unpackbits(rows, axis=1, count=int(file["n_features"])) for rows in sets]
    return sets


def train(X: np.ndarray, recipe: Recipe, seed: int) -> rf.RBM:
    """A model by the recipe."""
    rbm = rf.RBM(X.shape[1], recipe.n_hidden, seed=seed)
    rf.train(
        rbm,
        X,
        method=recipe.method,
        optimizer=rf.SGD(rf.Linear(recipe.rate, 0.0)),
        penalties=recipe.penalties,
        centered=True,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=seed,
    )
    return rbm


def main() -> None:
    """Train for each seed, print a line each, then the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    recipe, (X, X_test) = RECIPES[options.recipe], read(options.data)
    results: dict[str, list[float]] = {}
    print(f"{'':14} {'seed':>4} {'log Z':>10} {'train':>9} {'test':>9} {'training s':>10} {'log Z s':>8}")
    for seed in range(options.seeds):
        for name, flip in (("as it is", 0), ("flipped", 1))[: 1 + recipe.flip]:
            begin = time.perf_counter()
            rbm = train(X ^ flip, recipe, seed)
            trained = time.perf_counter()
            z = rf.log_partition(rbm)
            seconds = trained - begin, time.perf_counter() - trained
            train_value, test_value = (
                rf.mean_log_likelihood(rbm, rows ^ flip, z).value for rows in (X, X_test)
            )
            results.setdefault(name, []).append(test_value)
            values = f"{z.value:10.3f} {train_value:9.3f} {test_value:9.3f}"
            print(f"{name:14} {seed:4} {values} {seconds[0]:10.1f} {seconds[1]:8.1f}", flush=True)
    print("\nexact test log-likelihood, nats a row")
    for name, values in results.items():
        print(f"  {f'rbmfast, {name}':46} {np.mean(values):9.3f}  (spread over seeds {np.std(values):.3f})")
    for name, value in recipe.published:
        print(f"  {name:46} {value:9.2f}")


if __name__ == "__main__":
    main()
