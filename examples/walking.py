"""A conditional RBM of motion capture: it predicts the next frame, and walks on by itself.

    python examples/walking.py MOTION.npz [--picture walking.png] [--animation walking.gif]

MOTION.npz holds sequences of frames by any names, each (n_frames, 108), in the format of E. Hsu's recordings
(MIT) that Taylor, Hinton & Roweis used ("Modeling human motion using binary latent variables", NIPS 2006). Of
the columns 49 are used, as in their programs: they vary. The first six say how the body moves, seen from
itself; the others are angles of joints.

The first three fifths of each recording, in time, are learned from; the fourth chose all settings below, and
the last was looked at once, when they stood. The capture has jumps, where recordings are cut: a column that
changes by more than JUMP times its median change. No model is asked for that, and all parts are cut alike.

One model predicts and walks. It begins as a linear autoregression of three frames and learns from frames with
a little noise on those before: so it finds back to the gait after its own errors. Its means predict; draws
walk. (Means that follow means lose their swing: what moves the body on is partly chance to the model.) Noise
costs prediction something: --noise 0 predicts better, and swings too far. docs/design/016 has the figures.
"""

import argparse
import warnings
from typing import Any

import numpy as np

import rbmfast as rf

USED = np.r_[0:9, 13, 18:21, 25, 30:33, 37, 42:45, 49, 54:57, 60:63, 66:69, 72:75, 78:81, 84:87, 90:93, 96:99]
USED = np.append(USED, np.r_[102:105])
JUMP = 40
ORDER = 6  # frames that are given
START_ORDER = 3  # of the autoregression that the model begins with: the best one
COPIES = 2  # of the data, each with other noise
PREDICTING = 400  # Gibbs steps whose mean is a prediction
GENERATED = 300
SHORTEST = 60  # pieces of recordings that a walk is compared with, or begins with: frames
LEGS = 13, 37  # columns of a joint of one leg and of the same joint of the other

Sequences = list[np.ndarray]
Pairs = tuple[np.ndarray, np.ndarray]  # frames, and those before


# --- Sequences ---------------------------------------------------------------------------------------------


def read(path: str) -> dict[str, Sequences]:
    """Standardised sequences to learn from, to choose by ("validation") and to tell by ("test")."""
    with np.load(path) as file:
        found = [file[name][:, USED].astype(float) for name in file.files]
    cuts = [(len(one) * 3 // 5, len(one) * 4 // 5) for one in found]
    thirds = zip(*map(np.split, found, cuts), strict=True)
    parts: dict[str, Sequences] = dict(zip(("train", "validation", "test"), map(list, thirds), strict=True))
    typical = np.median(np.vstack([np.abs(np.diff(one, axis=0)) for one in parts["train"]]), axis=0)
    pieces = {name: [piece for one in part for piece in cut(one, typical)] for name, part in parts.items()}
    frames = np.vstack(pieces["train"])
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)
    return {name: [(piece - mean) / deviation for piece in part] for name, part in pieces.items()}


def cut(sequence: np.ndarray, typical: np.ndarray) -> Sequences:
    """The pieces between jumps."""
    jumps = (np.abs(np.diff(sequence, axis=0)) > JUMP * typical).any(axis=1)
    return np.split(sequence, np.flatnonzero(jumps) + 1)


def pairs(sequences: Sequences, order: int) -> Pairs:
    """The same frames for every order up to ORDER, and those before."""
    X, before = rf.lagged(sequences, ORDER)
    return X, before[:, : order * len(USED)]


# --- Prediction --------------------------------------------------------------------------------------------


def regression(data: Pairs, ridge: float) -> Pairs:
    """Weights and intercept of a linear autoregression."""
    X, before = (each - each.mean(axis=0) for each in data)
    A = np.linalg.solve(before.T @ before + ridge * np.eye(before.shape[1]), before.T @ X)
    return A, data[0].mean(axis=0) - data[1].mean(axis=0) @ A


def best_regression(data: Pairs, validation: Pairs) -> Pairs:
    """That whose ridge suits the validation sequences."""
    found = [regression(data, ridge) for ridge in 10.0 ** np.arange(-2, 5, 0.5)]
    return min(found, key=lambda one: error(validation, validation[1] @ one[0] + one[1]))


def error(data: Pairs, predicted: np.ndarray) -> float:
    """Mean squared error, where the frames' own variance is about 1."""
    return float(((data[0] - predicted) ** 2).mean())


def learn(sequences: Sequences, options: argparse.Namespace) -> rf.ConditionalRBM:
    """It begins as a linear autoregression of fewer frames, with hidden units that hardly do anything."""
    X, before = (np.tile(each, (COPIES, 1)) for each in pairs(sequences, ORDER))
    rng = np.random.default_rng(options.seed)
    before += options.noise * rng.normal(size=before.shape)
    n_before = START_ORDER * len(USED)
    A = np.zeros((before.shape[1], len(USED)))
    A[:n_before], a = regression((X, before[:, :n_before]), 1e-3 * len(X))
    sigma = (X - before @ A - a).std(axis=0)
    W, B = (rng.normal(scale=0.01, size=(n, options.hidden)) for n in A.shape[::-1])
    arrays = W, B, A / sigma, a, np.full(options.hidden, -1.0)
    crbm = rf.ConditionalRBM.from_arrays(*arrays, visible=rf.Gaussian(sigma=sigma))
    rf.train(
        *(crbm, X),
        context=before,
        method=rf.CD(),
        optimizer=rf.SGD(rf.Linear(3e-4), momentum=0.9),
        penalties=rf.L2(1e-3),
        centered=False,
        epochs=options.epochs,
        batch_size=100,
        seed=options.seed,
    )
    return crbm


def compare(crbm: rf.ConditionalRBM, sequences: dict[str, Sequences]) -> None:
    """The model against linear autoregressions."""
    print("mean squared error of the next frame, where the variance is 1; validation, test:")
    for order in range(1, ORDER + 1):
        data, *others = (pairs(one, order) for one in sequences.values())
        A, a = best_regression(data, others[0])
        errors = [error(held, held[1] @ A + a) for held in others]
        print("autoregression of order {}: {:.4f} {:.4f}".format(order, *errors))
    held = [pairs(sequences[name], ORDER) for name in ("validation", "test")]
    errors = [error(one, crbm.predict(one[1], steps=PREDICTING, seed=2)) for one in held]
    print("conditional RBM of order {}: {:.4f} {:.4f}".format(ORDER, *errors))


# --- Walking -----------------------------------------------------------------------------------------------


def period(frames: np.ndarray) -> float:
    """Frames in a stride: of the strongest frequency."""
    power = (np.abs(np.fft.rfft(frames - frames.mean(axis=0), n=4096, axis=0)) ** 2).sum(axis=1)
    frequencies = np.fft.rfftfreq(4096)
    return float(1 / frequencies[np.where(frequencies > 1 / 60, power, 0).argmax()])


def walk_on(crbm: rf.ConditionalRBM, sequences: Sequences, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Given frames of each sequence, and what is drawn after them."""
    given = np.stack([one[: 3 * ORDER] for one in sequences])
    last = given[:, : -ORDER - 1 : -1].reshape(len(given), -1)  # the latest first
    return given, crbm.generate(last, GENERATED, seed=seed)


def judge(walks: np.ndarray, sequences: dict[str, Sequences], recordings: Sequences) -> None:
    """Whether it still walks at the end: its swing, its range and its rhythm, as recordings have them."""
    data = np.vstack(sequences["train"])
    print(f"{GENERATED} frames from {3 * ORDER} given ones, the last 100; and 100 recorded ones:")
    for name, films in {"drawn": list(walks), "recorded": recordings}.items():
        for film in films:
            end = film[-100:]
            inside = (end >= data.min(axis=0)) & (end <= data.max(axis=0))
            swing, change = end.std(axis=0)[6:].mean(), (np.diff(end, axis=0) ** 2).mean()
            print(
                f"{name}: the angles' deviations {swing:.2f}, {100 * inside.mean():.1f} % in the data's "
                f"range, a stride in {period(end):.1f} frames, squared change of a frame {change:.3f}"
            )


# --- Pictures ----------------------------------------------------------------------------------------------


def draw_curves(given: np.ndarray, walk: np.ndarray, data: np.ndarray, path: str) -> None:
    """Some angles of the given and generated frames, beside those of a recording."""
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
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--noise", type=float, default=0.1, help="on given frames, in standard deviations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture")
    parser.add_argument("--animation")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "X: .* columns are far from")  # in units of what the past leaves open
    sequences = read(options.data)
    print({name: sum(map(len, parts)) for name, parts in sequences.items()}, "frames")
    crbm = learn(sequences["train"], options)
    compare(crbm, sequences)
    recordings = [one for one in sequences["test"] if len(one) >= SHORTEST]
    given, walks = walk_on(crbm, recordings, options.seed + 2)
    judge(walks, sequences, recordings)
    if options.picture:
        draw_curves(given[0], walks[0], max(recordings, key=len), options.picture)
    if options.animation:
        animate(walks[0], np.vstack(recordings), options.animation)


if __name__ == "__main__":
    main()
