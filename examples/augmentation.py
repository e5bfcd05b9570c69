"""Do rows that a class RBM draws help a classifier that has seen few? Three data sets of scikit-learn.

    python examples/augmentation.py [--rows 10] [--seeds 0 1 2 3 4]

Of each data set a few rows of each class are there to learn from. A class RBM learns them and draws more rows
of each class; logistic regression learns from the few alone, and from the few with the drawn. How long the
RBM learns and how many rows it draws is chosen by the mean accuracy over the seeds on as many validation
rows, which also say whether to draw any; the table has the accuracy on all other rows, which choose nothing.
"""

import argparse
from itertools import product
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler

import rbmfast as rf

DATA = {"digits": load_digits, "breast cancer": load_breast_cancer, "wine": load_wine}
EPOCHS, DRAWN = (50, 200), (1, 5)  # to choose from: of the RBM; rows for each that there is
N_HIDDEN = 50


def split(load, n_rows: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Some rows of each class to learn from, as many to choose by, and all others: X in [0, 1], and y."""
    X, y = load(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    turn = np.empty(len(y), int)  # which row of its class this is
    for label in np.unique(y):
        turn[order[y[order] == label]] = np.arange((y == label).sum())
    parts = [turn < n_rows, (turn >= n_rows) & (turn < 2 * n_rows), turn >= 2 * n_rows]
    scaler = MinMaxScaler(clip=True).fit(X[parts[0]])
    return [(scaler.transform(X[part]), y[part]) for part in parts]


def draw(X: np.ndarray, y: np.ndarray, epochs: int, times: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """More rows of each class, from a class RBM of these."""
    rbm = rf.ClassRBM(X.shape[1], N_HIDDEN, n_classes=len(np.unique(y)), seed=seed)
    settings: dict[str, Any] = {"method": rf.CD(), "penalties": (), "centered": False, "batch_size": 10}
    settings["optimizer"] = rf.SGD(rf.Linear(0.05), momentum=0.5)
    rf.train(rbm, rbm.join(X, y), epochs=epochs, seed=seed, **settings)
    labels = np.repeat(y, times)
    _, h = rbm.sample(len(labels), steps=100, labels=labels, seed=seed, return_hidden=True)
    return rbm.visible_probabilities(h)[:, : X.shape[1]], labels


def accuracies(parts: list[tuple[np.ndarray, np.ndarray]], epochs: int, times: int, seed: int) -> list[float]:
    """Of logistic regression, on validation rows and on test rows."""
    (X, y), validation, test = parts
    if times:
        more, labels = draw(X, y, epochs, times, seed)
        X, y = np.vstack([X, more]), np.concatenate([y, labels])
    model = LogisticRegression(C=10, max_iter=2000).fit(X, y)
    return [model.score(*validation), model.score(*test)]


def main() -> None:
    """One line of the table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10, help="rows of each class to learn from (10)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()

    choices = [(0, 0), *product(EPOCHS, DRAWN)]  # the first draws none
    print(f"test accuracy in percent, {options.rows} rows of each class, {len(options.seeds)} seeds")
    print(f"{'':15}{'alone':>14}{'with drawn':>14}{'difference':>14}   validation says")
    for name, load in DATA.items():
        splits = [(seed, split(load, options.rows, seed)) for seed in options.seeds]
        found = np.array([[accuracies(parts, *choice, seed) for seed, parts in splits] for choice in choices])
        validation, test = 100 * found[..., 0], 100 * found[..., 1]
        best = 1 + int(validation[1:].mean(axis=1).argmax())
        epochs, times = choices[best]
        cells = [f"{x.mean():8.1f} ± {x.std():3.1f}" for x in (test[0], test[best], test[best] - test[0])]
        helps = "draw" if validation[best].mean() > validation[0].mean() else "do not draw"
        print(f"{name:15}{''.join(cells)}   {helps} ({epochs} epochs, {times} for each row)", flush=True)


if __name__ == "__main__":
    main()
