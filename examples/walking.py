"""A conditional RBM of motion capture: it predicts the next frame, and walks on by itself.

    python examples/walking.py MOTION.npz [--picture walking.png] [--animation walking.gif]

MOTION.npz holds sequences of frames by any names, each (n_frames, 108), in the format of E. Hsu's recordings
(MIT) that Taylor, Hinton & Roweis used ("Modeling human motion using binary latent variables", NIPS 2006). Of
the columns 49 are used, as in their programs: they vary. The first six say how the body moves, seen from
itself; the others are angles of joints. The recordings have glitches of up to 20 standard deviations, so
numbers are clipped at 4.

Two models of the same kind, since two things are wanted. One *predicts*: it begins as the linear
autoregression of two frames, and stops when held-out sequences are predicted worse. The other *walks*: it has
learned from frames with noise on those before, so that it finds back to the gait from wherever it is. (What
predicts best loses its swing after some steps: a little error in each is too much in a hundred.) All settings
were chosen on the validation sequences.
"""

import argparse
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

import rbmfast as rf
from rbmfast.training import Monitor

USED = np.r_[0:9, 13, 18:21, 25, 30:33, 37, 42:45, 49, 54:57, 60:63, 66:69, 72:75, 78:81, 84:87, 90:93, 96:99]
USED = np.append(USED, np.r_[102:105])
ORDER = 6  # frames that are given
START_ORDER = 2  # of the autoregression that the predicting model begins with: the best one
CLIP = 4.0
NOISE = 0.5  # on the given frames of the walking model, in standard deviations
COPIES = 5  # of its data, each with other noise
LONG = 300  # cut into pieces if longer: frames
GENERATED = 300
LEGS = 13, 37  # columns of a joint of one leg and of the same joint of the other

Sequences = list[np.ndarray]
Pairs = tuple[np.ndarray, np.ndarray]  # frames, and those before


# --- Sequences ---------------------------------------------------------------------------------------------


def read(path: str) -> dict[str, Sequences]:
    """Standardised sequences to learn from, to choose by ("validation") and to tell by ("test")."""
    with np.load(path) as file:
        found = [file[name][:, USED].astype(float) for name in file.files]
    parts: dict[str, Sequences] = {"train": [], "validation": [], "test": []}
    for i, sequence in enumerate(found):
        pieces = np.array_split(sequence, max(1, len(sequence) // LONG))
        if len(pieces) == 1:
            parts["train" if i == 0 else "test"] += pieces
            continue
        for j, piece in enumerate(pieces):
            parts[("train", "train", "validation", "train", "test")[j % 5]].append(piece)
    frames = np.vstack(parts["train"])
    frames = np.clip(frames, *np.percentile(frames, [1, 99], axis=0))
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)
    return {
        name: [np.clip((one - mean) / deviation, -CLIP, CLIP) for one in sequences]
        for name, sequences in parts.items()
    }


# --- Prediction --------------------------------------------------------------------------------------------


def regression(data: Pairs, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and intercept of a linear autoregression."""
    X, before = (each - each.mean(axis=0) for each in data)
    A = np.linalg.solve(before.T @ before + ridge * np.eye(before.shape[1]), before.T @ X)
    return A, data[0].mean(axis=0) - data[1].mean(axis=0) @ A


def best_regression(data: Pairs, validation: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """That whose ridge suits the validation sequences."""
    found = [regression(data, ridge) for ridge in 10.0 ** np.arange(-2, 4, 0.5)]
    return min(found, key=lambda one: error(validation, validation[1] @ one[0] + one[1]))


def error(data: Pairs, predicted: np.ndarray) -> float:
    """Mean squared error, where the frames' own variance is about 1."""
    return float(((data[0] - predicted) ** 2).mean())


class PredictionError(Monitor):
    """That of the model in training."""

    better: ClassVar[Mapping[str, str]] = {"prediction_error": "min"}

    def __init__(self, crbm: rf.ConditionalRBM, data: Pairs) -> None:
        self.crbm, self.data = crbm, data

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return ("prediction_error",)

    def __call__(self, watched: Any) -> dict[str, float]:
        return {"prediction_error": error(self.data, self.crbm.predict(self.data[1], steps=40, seed=1))}


def predicting_model(sequences: dict[str, Sequences], options: argparse.Namespace) -> rf.ConditionalRBM:
    """It begins as a linear autoregression of fewer frames, with hidden units that hardly do anything."""
    data, validation = (rf.lagged(sequences[name], ORDER) for name in ("train", "validation"))
    n, n_before = len(USED), len(USED) * START_ORDER
    A = np.zeros((data[1].shape[1], n))
    A[:n_before], a = best_regression(*((X, before[:, :n_before]) for X, before in (data, validation)))
    sigma = (data[0] - data[1] @ A - a).std(axis=0)
    crbm = new_model(A, a, sigma, options)
    rf.train(
        *(crbm, data[0]),
        context=data[1],
        optimizer=rf.SGD(1e-4, momentum=0.9),
        penalties=rf.L2(2e-3),
        epochs=options.epochs,
        batch_size=100,
        seed=options.seed,
        monitors=PredictionError(crbm, validation),
        callbacks=rf.EarlyStopping("prediction_error", patience=20),
    )
    return crbm


def new_model(
    A: np.ndarray, a: np.ndarray, sigma: np.ndarray, options: argparse.Namespace
) -> rf.ConditionalRBM:
    """A linear autoregression as a conditional RBM whose hidden units have all to learn."""
    rng, n_hidden = np.random.default_rng(options.seed), options.hidden
    W, B = (rng.normal(scale=0.01, size=(n, n_hidden)) for n in A.shape[::-1])
    arrays = W, B, A / sigma, a, np.full(n_hidden, -1.0)
    return rf.ConditionalRBM.from_arrays(*arrays, visible=rf.Gaussian(sigma=sigma))


def compare(crbm: rf.ConditionalRBM, sequences: dict[str, Sequences]) -> None:
    """The model against linear autoregressions."""
    print("mean squared error of the next frame, where the variance is 1; validation, test:")
    for order in (1, 2, 3, ORDER):
        data, *others = (rf.lagged(one, order) for one in sequences.values())
        A, a = best_regression(data, others[0])
        errors = [error(pairs, pairs[1] @ A + a) for pairs in others]
        print("autoregression of order {}: {:.4f} {:.4f}".format(order, *errors))
    held = [rf.lagged(sequences[name], ORDER) for name in ("validation", "test")]
    errors = [error(pairs, crbm.predict(pairs[1], seed=2)) for pairs in held]
    print("conditional RBM of order {}: {:.4f} {:.4f}".format(ORDER, *errors))


# --- Walking -----------------------------------------------------------------------------------------------


def walking_model(sequences: dict[str, Sequences], options: argparse.Namespace) -> rf.ConditionalRBM:
    """It learns each frame from noisy ones before it."""
    X, before = (np.tile(each, (COPIES, 1)) for each in rf.lagged(sequences["train"], ORDER))
    before += NOISE * np.random.default_rng(options.seed + 1).normal(size=before.shape)
    A, a = regression((X, before), 1e-3 * len(X))
    crbm = new_model(A, a, (X - before @ A - a).std(axis=0), options)
    rf.train(
        *(crbm, X),
        context=before,
        optimizer=rf.SGD(5e-4, momentum=0.9),
        penalties=rf.L2(1e-3),
        epochs=options.epochs,
        batch_size=100,
        seed=options.seed,
    )
    return crbm


def period(frames: np.ndarray) -> float:
    """Frames in a stride: of the strongest frequency."""
    power = (np.abs(np.fft.rfft(frames - frames.mean(axis=0), n=4096, axis=0)) ** 2).sum(axis=1)
    frequencies = np.fft.rfftfreq(4096)
    return float(1 / frequencies[np.where(frequencies > 1 / 80, power, 0).argmax()])


def walk_on(crbm: rf.ConditionalRBM, sequences: Sequences, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Given frames of each sequence, and what is generated after them."""
    given = np.stack([one[: 3 * ORDER] for one in sequences])
    last = given[:, : -ORDER - 1 : -1].reshape(len(given), -1)  # the latest first
    return given, crbm.generate(last, GENERATED, seed=seed, average=True)


def judge(walks: np.ndarray, sequences: dict[str, Sequences]) -> None:
    """Whether it still walks at the end: its swing, joint by joint, its range and its rhythm."""
    data = np.vstack(sequences["train"])
    print(f"{GENERATED} frames from {3 * ORDER} given ones; of the last 100:")
    for i, walk in enumerate(walks):
        end = walk[-100:]
        swing = end.std(axis=0)[6:] / data.std(axis=0)[6:]
        inside = (end >= data.min(axis=0)) & (end <= data.max(axis=0))
        low, high = np.quantile(swing, (0.1, 0.9))
        print(
            f"walk {i}: deviations of the angles {swing.mean():.2f} of the data's (most from {low:.2f} to "
            f"{high:.2f}), {100 * inside.mean():.1f} % in their range, a stride in {period(end):.1f} frames"
        )
    strides = [period(one) for one in sequences["test"]]
    print("strides of the test sequences:", ", ".join(f"{stride:.1f}" for stride in strides))


# --- Pictures ----------------------------------------------------------------------------------------------


def draw_curves(given: np.ndarray, walk: np.ndarray, data: np.ndarray, path: str) -> None:
    """Some angles of the given and generated frames, above those of a recording as long."""
    from matplotlib import pyplot as plt

    shown = [7, *(int(np.flatnonzero(leg == USED)[0]) for leg in LEGS), 26, 32, 38]
    figure, axes = plt.subplots(
        len(shown), 2, figsize=(12, 8), sharex=True, sharey="row", layout="constrained"
    )
    for (ours, theirs), column in zip(axes, shown, strict=True):
        whole = np.concatenate([given, walk])[:, column]
        ours.plot(np.arange(len(given)), whole[: len(given)], color="black", lw=1)
        ours.plot(np.arange(len(given) - 1, len(whole)), whole[len(given) - 1 :], color="tab:blue", lw=1)
        theirs.plot(data[: len(whole), column], color="black", lw=1)
        ours.set_ylabel(f"column {USED[column]}")
    axes[0, 0].set_title(f"{len(given)} given frames (black), {len(walk)} generated")
    axes[0, 1].set_title("a recording that was not learned from")
    for axis in axes[-1]:
        axis.set_xlabel("frame")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def animate(walk: np.ndarray, data: np.ndarray, path: str) -> None:
    """One leg against the other: where the walk is, where it was, and where recordings go."""
    from matplotlib import pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter

    legs = [int(np.flatnonzero(leg == USED)[0]) for leg in LEGS]
    figure, axis = plt.subplots(figsize=(4, 4), layout="constrained")
    axis.plot(*data[:, legs].T, color="lightgrey", lw=0.5)
    axis.set(xlabel=f"joint of one leg (column {LEGS[0]})", ylabel=f"of the other (column {LEGS[1]})")
    (tail,), (head,) = axis.plot([], [], color="tab:blue"), axis.plot([], [], "o", color="tab:red")

    def show(t: int) -> tuple[Any, Any]:
        tail.set_data(*walk[max(0, t - 17) : t + 1, legs].T)
        head.set_data(*walk[t : t + 1, legs].T)
        axis.set_title(f"frame {t}")
        return tail, head

    FuncAnimation(figure, show, frames=len(walk)).save(path, writer=PillowWriter(fps=30), dpi=70)  # type: ignore
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--hidden", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture")
    parser.add_argument("--animation")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "X: .* columns are far from")  # in units of what the past leaves open
    sequences = read(options.data)
    print({name: [len(one) for one in parts] for name, parts in sequences.items()}, "frames")
    compare(predicting_model(sequences, options), sequences)
    given, walks = walk_on(walking_model(sequences, options), sequences["test"], options.seed + 2)
    judge(walks, sequences)
    if options.picture:
        draw_curves(given[0], walks[0], max(sequences["test"], key=len), options.picture)
    if options.animation:
        animate(walks[0], np.vstack(sequences["test"]), options.animation)


if __name__ == "__main__":
    main()
