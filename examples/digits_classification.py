"""scikit-learn's digits example, with its own class and with rbmfast's: only the import differs.

    python examples/digits_classification.py [--seeds 5]

Digits, shifted by a pixel in four directions, are classified by logistic regression from raw pixels and
from what an RBM makes of them. Needs ``pip install 'rbmfast[sklearn]'``.
"""

import argparse
import time

import numpy as np
import sklearn.neural_network
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import minmax_scale

import rbmfast.sklearn

SHIFTS = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]


def shifted_digits():
    """Images of 64 grey levels in [0, 1], five for each digit, and which digit they show."""
    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    moved = [shift(images, (0, *by), order=0, cval=0).reshape(-1, 64) for by in SHIFTS]
    return minmax_scale(np.vstack(moved)), np.tile(digits, len(SHIFTS))


def accuracy_from_pixels(X_train, X_test, y_train, y_test):
    """Of logistic regression alone."""
    return LogisticRegression(C=100, solver="newton-cg").fit(X_train, y_train).score(X_test, y_test)


def accuracy_from_features(BernoulliRBM, seed, X_train, X_test, y_train, y_test):
    """Of logistic regression behind an RBM, and the seconds that the RBM took to learn."""
    rbm = BernoulliRBM(n_components=100, learning_rate=0.06, n_iter=10, random_state=seed)
    start = time.perf_counter()
    rbm.fit(X_train)
    seconds = time.perf_counter() - start
    logistic = LogisticRegression(C=6000, solver="newton-cg")
    classifier = make_pipeline(rbm, logistic)
    logistic.fit(rbm.transform(X_train), y_train)
    return classifier.score(X_test, y_test), seconds


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many random states (5)")
    n_seeds = parser.parse_args().seeds

    data = train_test_split(*shifted_digits(), test_size=0.2, random_state=0)
    print(f"{'':14}  accuracy, mean (from .. to)  fit, s")
    print(f"{'raw pixels':14}  {100 * accuracy_from_pixels(*data):.1f} %")
    for name, kind in (
        ("scikit-learn", sklearn.neural_network.BernoulliRBM),
        ("rbmfast", rbmfast.sklearn.BernoulliRBM),
    ):
        results = [accuracy_from_features(kind, seed, *data) for seed in range(n_seeds)]
        accuracy, seconds = 100 * np.array(results).T[0], np.array(results).T[1]
        spread = f"{accuracy.mean():.1f} % ({accuracy.min():.1f} .. {accuracy.max():.1f})"
        print(f"{name:14}  {spread:27}  {np.median(seconds):.2f}")


if __name__ == "__main__":
    main()
