"""Convolutional RBMs: the edges of natural images, and the strokes of digits as features.

    python examples/convolution.py edges IMAGES.npz [--picture edges.png]
    python examples/convolution.py strokes MNIST.npz [--picture strokes.png]
    python examples/convolution.py deep MNIST.npz [--picture deep.png]

IMAGES.npz holds grey images (uint8) by any names, as Hyvarinen, Hurri & Hoyer's (Natural Image Statistics,
2009); MNIST.npz holds train_x, train_y, test_x and test_y. `strokes` compares logistic regression on pooled
features with one on pixels, of as few labelled digits; its strength is chosen on held-out digits. Pictures
need matplotlib.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from mnist_files import Digits, read

import rbmfast as rf

CONTRAST = 1.2  # standard deviation of squares, beside the 1 of a pixel given the filters
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # of the logistic regression, of which validation chooses


# --- Natural images ----------------------------------------------------------------------------------------


def whiten(image: np.ndarray) -> np.ndarray:
    """Log intensities with a flat spectrum, but for the lowest frequencies, and the highest ones, noise."""
    x = np.log1p(image.astype(float))
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in x.shape), indexing="ij"))
    band = np.exp(-((frequency / 0.25) ** 4)) - np.exp(-((frequency / 0.06) ** 4))
    white: np.ndarray = np.fft.ifft2(np.fft.fft2(x) * frequency * band).real
    return white / white.std()


def cut(images: list[np.ndarray], n: int, side: int, seed: int) -> np.ndarray:
    """Squares from anywhere but the margins, where whitening wraps around; of about equal contrast."""
    rng, squares = np.random.default_rng(seed), np.empty((n, side, side), np.float32)
    for i, which in enumerate(rng.integers(0, len(images), n)):
        row, column = (rng.integers(4, size - side - 3) for size in images[which].shape)
        squares[i] = images[which][row : row + side, column : column + side]
    return CONTRAST * squares / (squares.std(axis=(1, 2), keepdims=True) + 0.1)


def edges(options: argparse.Namespace) -> None:
    """Filters of whitened images."""
    with np.load(options.data) as file:
        images = [whiten(file[name]) for name in file.files]
    X = cut(images, options.rows or 1000, 39, options.seed)
    rbm = rf.ConvRBM((39, 39), 24, (8, 8), pool=2, borders="held", visible="gaussian", seed=options.seed)
    rbm.W = np.random.default_rng(options.seed).normal(scale=0.05, size=rbm.W.shape)
    rbm.b = np.full(24, -3.0)  # rarely on
    history = rf.train(
        rbm,
        X,
        method=rf.CD(),
        optimizer=rf.SGD(rf.Linear(1.0, 0.0), momentum=0.5),
        penalties=[rf.SparsityTarget(0.01, cost=1.0, decay=0.0), rf.L2(0.004), rf.MaxNorm(0.5)],
        epochs=options.epochs or 6,
        batch_size=10,
        seed=options.seed,
    )
    print(f"{rbm}, {len(X)} squares, {sum(history['seconds']):.0f} s")
    print(f"on {100 * rbm.hidden_probabilities(X[:200]).mean():.1f} % of the time")
    shares = np.array([oriented(w) for w in rbm.W[..., 0]])
    print(f"half of the power or more in 45 degrees: {(shares >= 0.5).sum()} of {len(shares)} filters")
    print(f"shares: {np.sort(shares)[::-1].round(2)}")
    if options.picture:
        rf.plots.filters(rbm, cmap="gray").savefig(options.picture)


def oriented(filter_: np.ndarray) -> float:
    """The most of a filter's power in orientations within 22.5 degrees of one: 1/4 where all are alike."""
    n = 64
    y, x = np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n), indexing="ij")
    power = np.abs(np.fft.fft2(filter_ - filter_.mean(), (n, n))) ** 2
    angles = np.arctan2(y, x)[..., None] - np.linspace(0, np.pi, 36, endpoint=False)
    near = np.abs((angles + np.pi / 2) % np.pi - np.pi / 2) <= np.pi / 8
    return float((power[..., None] * near).sum(axis=(0, 1)).max() / power.sum())


# --- Digits ------------------------------------------------------------------------------------------------


def strokes(options: argparse.Namespace) -> None:
    """Filters of digits; what their pooled probabilities tell a logistic regression, beside pixels."""
    train, test = read(options.data)
    n = options.rows or 4000
    some, held_out = train.first(n), Digits(train.images[n : 2 * n], train.y[n : 2 * n])
    rbm = rf.ConvRBM((28, 28), 24, (9, 9), pool=2, seed=options.seed)
    history = rf.train(
        rbm,
        binary(train.first(5 * n)),
        method=rf.CD(),
        optimizer=rf.SGD(rf.Linear(0.5, 0.0), momentum=0.5),
        penalties=rf.SparsityTarget(0.05, cost=1.0),
        epochs=options.epochs or 5,
        batch_size=50,
        seed=options.seed,
    )
    print(f"{rbm}, {5 * n} digits, {sum(history['seconds']):.0f} s")
    for name, features in (("pixels", pixels), ("pooled features", lambda digits: pooled(rbm, digits))):
        error, strength = classify(features, some, held_out, test)
        print(f"{name}, {n} labels: test error {error:.2f} %, C = {strength:g}", flush=True)
    if options.picture:
        rf.plots.filters(rbm, cmap="gray").savefig(options.picture)


def binary(digits: Digits) -> np.ndarray:
    """Thresholded images."""
    return (digits.images > 127).astype(np.uint8)


def pixels(digits: Digits) -> np.ndarray:
    """Grey levels from 0 to 1."""
    return digits.images / 255


def pooled(rbm: rf.ConvRBM, digits: Digits) -> np.ndarray:
    """Probabilities that a filter is anywhere in a block."""
    return rbm.pooled_probabilities(binary(digits)).reshape(len(digits.y), -1)


def classify(features: Any, train: Digits, held_out: Digits, test: Digits) -> tuple[float, float]:
    """The test error in percent, by the strength that is best on digits held out; and that strength."""
    from sklearn.linear_model import LogisticRegression

    x, x_held_out = features(train), features(held_out)
    models = [LogisticRegression(C=strength, max_iter=300).fit(x, train.y) for strength in STRENGTHS]
    errors = [held_out.percent_wrong(model.predict(x_held_out)) for model in models]
    best = int(np.argmin(errors))
    return test.percent_wrong(models[best].predict(features(test))), STRENGTHS[best]


# --- Two layers --------------------------------------------------------------------------------------------


def deep(options: argparse.Namespace) -> None:
    """A convolutional DBN of digits: what filters of its second layer want to see, in pixels."""
    digits = binary(read(options.data)[0].first(options.rows or 3000))
    low = rf.ConvRBM((28, 28), 24, (9, 9), pool=2, seed=options.seed)
    high = rf.ConvRBM(low.pooled_shape, 36, (5, 5), pool=2, seed=options.seed)
    dbn = rf.DBN.from_rbms([low, high])
    histories = rf.pretrain(
        dbn,
        digits,
        method=rf.CD(),
        optimizer=rf.SGD(rf.Linear(0.5, 0.0), momentum=0.5),
        penalties=rf.SparsityTarget(0.05, cost=1.0),
        epochs=options.epochs or 6,
        batch_size=50,
        seed=options.seed,
    )
    print(f"{low}, {high}: {sum(sum(history['seconds']) for history in histories):.0f} s")
    error = np.mean((dbn.reconstruct(digits[:500]) - digits[:500]) ** 2)
    print(f"{len(digits)} digits, mean squared error of reconstructions: {error:.3f}")
    if options.picture:
        pictures = in_pixels(low, high)
        low_end, high_end = (end(pictures, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
        scaled = (pictures - low_end) / (high_end - low_end)
        figure = rf.plots.images(scaled.reshape(len(scaled), -1), pictures.shape[1:], cmap="gray")
        figure.savefig(options.picture)


def in_pixels(low: rf.ConvRBM, high: rf.ConvRBM) -> np.ndarray:
    """What each filter of `high` sends down: its weights, spread over the places of blocks, times filters."""
    maps = high.W.repeat(low.pool, axis=1).repeat(low.pool, axis=2) / low.pool**2
    n, height, width, _ = maps.shape
    size_y, size_x = low.W.shape[1:3]
    pictures = np.zeros((n, height + size_y - 1, width + size_x - 1))
    for i, j in np.ndindex(height, width):
        pictures[:, i : i + size_y, j : j + size_x] += np.tensordot(maps[:, i, j], low.W[..., 0], 1)
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("edges", "strokes", "deep"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    {"edges": edges, "strokes": strokes, "deep": deep}[options.what](options)


if __name__ == "__main__":
    main()
