"""Gaussian units on data: the edges of natural images, a mixture of two sources, halves of faces completed.

    python examples/real_values.py patches IMAGES.npz [--picture patches.png]
    python examples/real_values.py sources [--picture sources.png]
    python examples/real_values.py faces FACES.npz [--picture faces.png]

IMAGES.npz holds grey images (uint8) by any names, as Hyvarinen, Hurri & Hoyer's (Natural Image Statistics,
2009); FACES.npz holds `x`, rows of 28 x 20 grey levels, as Frey's faces. Pictures need matplotlib.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import rbmfast as rf

SIDE = 12  # of a patch
FACE = (28, 20)


# --- Natural images ----------------------------------------------------------------------------------------


def cut_patches(images: list[np.ndarray], n: int, seed: int) -> np.ndarray:
    """Square patches from anywhere, of log intensities, each of mean 0."""
    rng = np.random.default_rng(seed)
    patches = np.empty((n, SIDE * SIDE))
    for i, which in enumerate(rng.integers(0, len(images), n)):
        image = images[which]
        row, column = (rng.integers(0, size - SIDE + 1) for size in image.shape)
        patch = np.log1p(image[row : row + SIDE, column : column + SIDE].astype(float)).ravel()
        patches[i] = patch - patch.mean()
    return patches


def whitening(X: np.ndarray, keep: float = 0.97) -> tuple[np.ndarray, np.ndarray]:
    """A map to uncorrelated numbers of variance 1, of directions that hold most of the variance, and back."""
    values, vectors = np.linalg.eigh(np.cov(X.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    n = int(np.searchsorted(np.cumsum(values) / values.sum(), keep)) + 1
    return vectors[:, :n] / np.sqrt(values[:n]), (vectors[:, :n] * np.sqrt(values[:n])).T


def patches(options: argparse.Namespace) -> None:
    """Hidden units of whitened patches become edges of some place, size and direction."""
    with np.load(options.data) as file:
        images = [file[name] for name in file.files]
    X = cut_patches(images, options.rows, options.seed)
    there, back = whitening(X)
    white = X @ there
    rbm = rf.RBM(white.shape[1], 96, visible="gaussian", seed=options.seed)
    rbm.W, rbm.b = begin(rbm.W.shape, 0.1, options.seed), np.full(96, -4.0)  # rarely on
    history = rf.train(
        rbm,
        white,
        method=rf.CD(),
        optimizer=rf.SGD(rf.Linear(0.1, 0.0), momentum=0.9),
        penalties=(),
        centered=False,
        epochs=options.epochs,
        batch_size=100,
        seed=options.seed,
    )
    filters = rbm.W.T @ back
    print(f"{rbm}, {len(X)} patches of {SIDE} x {SIDE}, {sum(history['seconds']):.0f} s")
    print(f"on {100 * rbm.hidden_probabilities(white).mean():.1f} % of the time")
    print(f"filters with an orientation: {100 * (orientation(filters) > 0.5).mean():.0f} %")
    if options.picture:
        draw(filters.reshape(-1, SIDE, SIDE), 12, options.picture)


def begin(shape: tuple[int, ...], scale: float, seed: int) -> np.ndarray:
    """Weights that are not small: those of a new model take long to leave the normal distribution."""
    return np.random.default_rng(seed).normal(scale=scale, size=shape)


def orientation(filters: np.ndarray) -> np.ndarray:
    """From 0, a filter's power alike in all directions of its spectrum, to 1, in one: (n_filters,)."""
    spectra = np.abs(np.fft.fft2(filters.reshape(-1, SIDE, SIDE))) ** 2
    y, x = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE), indexing="ij")
    twice = np.exp(2j * np.arctan2(y, x))
    twice[0, 0] = 0
    strength: np.ndarray = np.abs((spectra * twice).sum(axis=(1, 2))) / spectra.sum(axis=(1, 2))
    return strength


# --- Two sources -------------------------------------------------------------------------------------------


def mixture(n: int, seed: int) -> np.ndarray:
    """Two independent sources of a Laplace distribution, mixed."""
    mixing = np.array([[1.0, 0.6], [-0.3, 0.9]])
    return np.random.default_rng(seed).laplace(scale=np.sqrt(0.5), size=(n, 2)) @ mixing


def sources(options: argparse.Namespace) -> None:
    """Independent component analysis: the exact log-likelihood of whitened data, the best of some starts."""
    X, X_test = (mixture(n, options.seed + i) for i, n in enumerate((options.rows, options.rows)))
    values, vectors = np.linalg.eigh(np.cov(X.T))
    to_white = vectors / np.sqrt(values) @ vectors.T
    X, X_test = ((x - X.mean(axis=0)) @ to_white for x in (X, X_test))
    starts = [separate(X, options, options.seed + i) for i in range(options.starts)]
    log_p, rbm, z = max(starts, key=lambda found: found[0])
    log_p_test = rf.log_likelihood(rbm, X_test, log_z=z).mean()
    alone = -1.0 - np.log(2 * np.pi)
    print(f"log Z {z.value:.5f}, exact; sigma {np.exp(rbm.parameters()['visible.log_sigma']).round(3)}")
    print(f"log-likelihood {log_p:.4f}, of new data {log_p_test:.4f}")
    print(f"normal distribution {alone:.4f}, the sources themselves {-2 - np.log(2):.4f}")
    if options.picture:
        scatter(rbm, X[:3000], options.picture)


def separate(X: np.ndarray, options: argparse.Namespace, seed: int) -> tuple[float, rf.RBM, Any]:
    """What one start comes to: the mean log-likelihood of the data, the model and its log Z."""
    rbm = rf.RBM(2, 4, visible=rf.Gaussian(sigma="learned"), seed=seed)
    rbm.initialize(X)
    rbm.W, rbm.b = begin(rbm.W.shape, 1.0, seed), np.full(4, -3.0)
    rf.train(
        rbm,
        X,
        method=rf.CD(),
        optimizer=rf.SGD(rf.Linear(0.2, 0.0), momentum=0.9),
        penalties=(),
        centered=False,
        epochs=options.epochs,
        batch_size=200,
        seed=seed,
    )
    z = rf.log_partition(rbm)
    return float(rf.log_likelihood(rbm, X, log_z=z).mean()), rbm, z


def scatter(rbm: rf.RBM, X: np.ndarray, path: Path) -> None:
    """Data, and samples of the model."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
    drawn = rbm.sample(len(X), steps=200, seed=1)
    for axis, points, title in zip(axes, (X, drawn), ("data", "samples"), strict=True):
        axis.plot(*points.T, ".", ms=2)
        axis.set(title=title, xlim=(-5, 5), ylim=(-5, 5))
    figure.savefig(path)


# --- Faces -------------------------------------------------------------------------------------------------


def faces(options: argparse.Namespace) -> None:
    """The right half of new faces from their left half."""
    with np.load(options.data) as file:
        X = file["x"].astype(np.float32)
    order = np.random.default_rng(options.seed).permutation(len(X))
    X_test, X = X[order[: len(X) // 10]], X[order[len(X) // 10 :]]
    rbm = rf.RBM(X.shape[1], 100, visible=rf.Gaussian(sigma="learned"), seed=options.seed)
    history = rf.train(
        rbm,
        X,
        method=rf.CD(),
        optimizer=rf.SGD(rf.Linear(0.003, 0.0), momentum=0.9),
        penalties=(),
        centered=False,
        epochs=options.epochs,
        batch_size=50,
        seed=options.seed,
    )
    missing = np.zeros(FACE, bool)
    missing[:, FACE[1] // 2 :] = True
    missing = np.tile(missing.ravel(), (len(X_test), 1))
    filled = rbm.impute(X_test, missing, steps=20, average=True, seed=1)
    print(f"{rbm}, {len(X)} faces, {sum(history['seconds']):.0f} s")
    for name, guess in (("the mean face", np.tile(X.mean(axis=0), (len(X_test), 1))), ("the model", filled)):
        error = np.sqrt(((guess - X_test)[missing] ** 2).mean())
        print(f"grey levels off, root mean square, by {name}: {error:.1f}")
    if options.picture:
        shown = np.where(missing, 0, X_test)[:12], filled[:12], X_test[:12]
        draw(np.concatenate(shown).reshape(-1, *FACE), 12, options.picture, 0, 255)


def draw(
    images: np.ndarray, columns: int, path: Path, low: float | None = None, high: float | None = None
) -> None:
    """Images in rows."""
    import matplotlib.pyplot as plt

    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * 0.8, rows * 1.0), squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    for axis, image in zip(axes.ravel(), images, strict=False):
        axis.imshow(image, cmap="gray", vmin=low, vmax=high)
    figure.tight_layout(pad=0.2)
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> None:
    """Read what is asked for, and do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    settings: dict[Any, dict[str, int]] = {
        patches: {"rows": 20_000, "epochs": 60},
        sources: {"rows": 20_000, "epochs": 40, "starts": 5},
        faces: {"epochs": 40},
    }
    for command, numbers in settings.items():
        one = commands.add_parser(command.__name__, help=command.__doc__)
        one.set_defaults(run=command)
        if command is not sources:
            one.add_argument("data", type=Path)
        for name, default in {**numbers, "seed": 0}.items():
            one.add_argument(f"--{name}", type=int, default=default)
        one.add_argument("--picture", type=Path, help="a file for it")
    options = parser.parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    main()
