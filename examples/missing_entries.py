"""Tables with holes: what an RBM fills in that has only seen the rest.

    python examples/missing_entries.py [PLANTS] [--seeds 0 1 2]

Digits (8 x 8 pixels of 17 levels, from scikit-learn) and, with PLANTS, an .npz file of packed bits, where
plants grow: 30 % of the entries are removed at random, and the models learn from the rows with holes.
A pixel's level is one of a group of units; a penalty draws the weights of neighbouring levels together.
Ratings from 1 to 5, made from a low-rank model, of which one in ten is known: each row is an RBM of its own.
The table has root mean squared errors of what was removed. The settings of all methods, the RBM's too, are
chosen on known entries that are held out, never on the removed ones; those of the others anew for each seed.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

import rbmfast as rf

Table = NDArray[np.float64]
Gaps = NDArray[np.bool_]
Fill = Callable[[Table], Table]  # a table with NaN, filled in

MISSING, HELD_OUT = 0.3, 0.1
N_DIGITS, N_PLANTS, N_USERS, N_ITEMS, KNOWN = 1797, 3000, 2000, 200, 0.1
NEIGHBOURS, ROUNDS, DECAYS = (5, 10, 20, 40), 10, (2.0, 4.0, 8.0, 16.0)
DIGITS = {"n_hidden": 200, "rate": 0.2, "batch": 100, "decay": 0.0001, "epochs": 480, "smoothing": 0.005}
PLANTS = {"n_hidden": 100, "rate": 0.1, "batch": 50, "decay": 0.0002, "epochs": 60}
RATINGS = {"n_hidden": 200, "rate": 0.1, "batch": 50, "decay": 0.001, "epochs": 100}


@dataclass(frozen=True)
class Smoothing:
    """A penalty: half the cost times the squared differences between weights of neighbouring levels.

    Groups of units know nothing of the order of what they stand for: this tells them.
    """

    n_levels: int
    cost: float

    def gradient(self, W: NDArray[np.float32]) -> NDArray[np.float32]:
        """What to add to that of the log-likelihood."""
        step = np.diff(np.eye(self.n_levels, dtype=np.float32), axis=0)
        pull: NDArray[np.float32] = -self.cost * step.T @ step @ W.reshape(-1, self.n_levels, W.shape[1])
        return pull.reshape(W.shape)


def learned(V: Table, n_levels: int, missing: str, settings: Mapping[str, float], seed: int) -> rf.RBM:
    """An RBM of rows with holes: a unit for each bit, or a group for each number up to ``n_levels - 1``."""
    unit, size = (rf.Bernoulli(), 1) if n_levels == 2 else (rf.Categorical(n_levels), n_levels)
    rbm = rf.RBM(size * V.shape[1], int(settings["n_hidden"]), visible=unit, seed=seed)
    epochs, rate = int(settings["epochs"]), settings["rate"]
    smooth = [Smoothing(n_levels, settings["smoothing"])] if "smoothing" in settings else []
    falling = rf.Steps({0: rate, 2 * epochs // 3: rate / 4, 5 * epochs // 6: rate / 16})
    rf.train(
        rbm,
        V,
        missing=missing,
        method=rf.CD(),
        optimizer=rf.SGD(falling, momentum=0.5),
        penalties=[rf.L2(settings["decay"]), *smooth],
        centered=False,
        epochs=epochs,
        batch_size=int(settings["batch"]),
        seed=seed,
    )
    return rbm


def expected(p: NDArray[np.float32], n_levels: int) -> Table:
    """Mean numbers, from the probabilities of each (of bits, of being 1)."""
    groups = p.astype(np.float64).reshape(len(p), -1, 1 if n_levels == 2 else n_levels)
    means: Table = groups @ np.arange(n_levels, dtype=np.float64)[-groups.shape[2] :]
    return means


def by_gibbs(V: Table, n_levels: int, settings: Mapping[str, float], seed: int) -> Table:
    """Entries are missing at random; means over 50 Gibbs steps fill them in."""
    rbm = learned(V, n_levels, "random", settings, seed)
    return expected(rbm.impute(V, average=True, seed=seed), n_levels)


def by_own_rbms(V: Table, settings: Mapping[str, float], seed: int) -> Table:
    """Ratings from 1 to 5: each row has the units that it knows, and predicts the others in one step."""
    rbm = learned(V - 1, 5, "absent", settings, seed)
    return 1 + expected(rbm.visible_probabilities(rbm.hidden_probabilities(V - 1, missing="absent")), 5)


# --- What else fills in ------------------------------------------------------------------------------------


def by_means(V: Table) -> Table:
    """Means of the columns, drawn to the mean of all by one row."""
    known = ~np.isnan(V)
    means = (np.nansum(V, axis=0) + np.nanmean(V)) / (known.sum(axis=0) + 1)
    return np.where(known, V, means)


def by_factors(V: Table, decay: float, rank: int = 10, rounds: int = 15) -> Table:
    """Alternating least squares: rows and columns have `rank` factors, with a penalty on their squares."""
    rng, known, means = np.random.default_rng(0), ~np.isnan(V), by_means(np.vstack([V, V[:1] * np.nan]))[-1]
    rest = np.where(known, V - means, 0)
    P, Q = np.zeros((len(V), rank)), rng.normal(scale=0.1, size=(V.shape[1], rank))
    for _ in range(rounds):
        for own, other, seen, target in ((P, Q, known, rest), (Q, P, known.T, rest.T)):
            for i, here in enumerate(seen):
                X = other[here]
                own[i] = np.linalg.solve(X.T @ X + decay * np.eye(rank), X.T @ target[i, here])
    return means + P @ Q.T


# --- The table ---------------------------------------------------------------------------------------------


def rmse(filled: Table, whole: Table, here: Gaps) -> float:
    """Root mean squared error of some entries, which lie between known bounds."""
    inside = np.clip(filled, whole.min(), whole.max())
    return float(np.sqrt(np.mean(np.square((inside - whole)[here]))))


def best(fills: Sequence[Fill], V: Table, rng: np.random.Generator) -> Fill:
    """The one that does best on known entries held out."""
    if len(fills) == 1:
        return fills[0]
    held = ~np.isnan(V) & (rng.random(V.shape) < HELD_OUT)
    rest = np.where(held, np.nan, V)
    return min(fills, key=lambda fill: rmse(fill(rest), V, held))


def compare(whole: Table, gaps: Gaps, methods: Mapping[str, Sequence[Fill]], seed: int) -> dict[str, float]:
    """The error of each method, with the best of its settings."""
    V, rng = np.where(gaps, np.nan, whole), np.random.default_rng([seed, 1])
    return {name: rmse(best(fills, V, rng)(V), whole, gaps) for name, fills in methods.items()}


def imputers(rbm: Fill, seed: int) -> dict[str, list[Fill]]:
    """Those of a table with a few holes."""
    return {
        "column mean": [by_means],
        "KNNImputer": [KNNImputer(n_neighbors=k).fit_transform for k in NEIGHBOURS],
        "IterativeImputer": [IterativeImputer(max_iter=ROUNDS, random_state=seed).fit_transform],
        "RBM": [rbm],
    }


def digits(seed: int) -> dict[str, float]:
    """Errors of the digits' pixels, as shares of full ink."""
    whole, rng = load_digits().data[:N_DIGITS], np.random.default_rng(seed)
    methods = imputers(lambda V: by_gibbs(V, 17, DIGITS, seed), seed)
    errors = compare(whole, rng.random(whole.shape) < MISSING, methods, seed)
    return {name: error / 16 for name, error in errors.items()}


def plants(file: Path, seed: int) -> dict[str, float]:
    """Errors of probabilities that a plant grows somewhere."""
    data, rng = np.load(file), np.random.default_rng(seed)
    rows = data["train"][rng.permutation(len(data["train"]))[:N_PLANTS]]
    whole = np.unpackbits(rows, axis=1, count=int(data["n_features"])).astype(np.float64)
    methods = imputers(lambda V: by_gibbs(V, 2, PLANTS, seed), seed)
    return compare(whole, rng.random(whole.shape) < MISSING, methods, seed)


def ratings(seed: int) -> dict[str, float]:
    """Errors of ratings from 1 to 5 by three factors and noise."""
    rng = np.random.default_rng(seed)
    taste, kind = rng.normal(size=(N_USERS, 3)), rng.normal(size=(N_ITEMS, 3)) / np.sqrt(3)
    score = 3.2 + rng.normal(scale=0.5, size=N_ITEMS) + taste @ kind.T
    whole = np.clip(np.rint(score + rng.normal(scale=0.5, size=score.shape)), 1, 5)
    methods: dict[str, list[Fill]] = {
        "item mean": [by_means],
        "10 factors (ALS)": [partial(by_factors, decay=decay) for decay in DECAYS],
        "RBM, absent": [lambda V: by_own_rbms(V, RATINGS, seed)],
    }
    return compare(whole, rng.random(whole.shape) >= KNOWN, methods, seed)


def main() -> None:
    """One line for each method, with the errors of all seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plants", type=Path, nargs="?", help="packed bits of the plants")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    tables: dict[str, Callable[[int], dict[str, float]]] = {"digits": digits, "ratings": ratings}
    if options.plants is not None:
        tables["plants"] = lambda seed: plants(options.plants, seed)
    print("root mean squared error of what was removed, for each seed")
    for title, run in tables.items():
        errors = [run(seed) for seed in options.seeds]
        for name in errors[0]:
            print(f"{title:8}  {name:18}" + "".join(f"{error[name]:9.4f}" for error in errors), flush=True)


if __name__ == "__main__":
    main()
