"""Deep belief networks in scikit-learn: pipelines, and a search over settings.

    python examples/digits_dbn.py [--shifts 5]

Images of digits, 8 x 8, each also shifted by a pixel in four directions, so that single pixels say less.
Needs ``pip install 'rbmfast[sklearn]'``.
"""

import argparse
import time

import numpy as np
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from rbmfast.sklearn import ClassRBM, DBNClassifier, DBNTransformer

SHIFTS = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]


def shifted_digits(n_shifts):
    """Images of 64 grey levels up to 16, and which digits they show, to learn from and to test with."""
    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    moved = [shift(images, (0, *by), order=0, cval=0).reshape(-1, 64) for by in SHIFTS[:n_shifts]]
    return train_test_split(np.vstack(moved), np.tile(digits, n_shifts), test_size=0.2, random_state=0)


def scaled(*steps):
    """A pipeline that brings levels to [0, 1] first, for Bernoulli units."""
    return make_pipeline(MinMaxScaler(clip=True), *steps)


def search():
    """A classifier that chooses its layers by cross-validation."""
    pipeline = scaled(DBNClassifier(n_iter=5, fine_tuning_n_iter=10, random_state=0))
    return GridSearchCV(pipeline, {"dbnclassifier__hidden_layer_sizes": [(50,), (200, 200)]}, cv=3)


def report(name, model, X_train, X_test, y_train, y_test):
    """Print the share of test digits that a model gets right, and how long it learned."""
    start = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    print(f"{name:32}  {100 * model.score(X_test, y_test):.1f} %   {seconds:4.1f}", flush=True)


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shifts", type=int, choices=range(1, 6), default=5, help="images of each digit (5)")
    data = shifted_digits(parser.parse_args().shifts)

    print(f"{'':32}  accuracy  fit, s")
    logistic = LogisticRegression(C=10, max_iter=1000)
    report("logistic regression", scaled(logistic), *data)
    report("logistic regression of features", scaled(DBNTransformer(random_state=0), logistic), *data)
    report("ClassRBM", scaled(ClassRBM(n_iter=10, random_state=0)), *data)
    best = search()
    report("DBNClassifier, searched", best, *data)
    print("hidden layers chosen:", best.best_params_["dbnclassifier__hidden_layer_sizes"])


if __name__ == "__main__":
    main()
