"""A conditional RBM of binary video: two balls that bounce in a box, given the three frames before.

    python examples/bouncing_balls.py [--picture balls.png]

The program makes the video itself, after Sutskever & Hinton ("Learning multilevel distributed representations
for high-dimensional sequences", AISTATS 2007), but smaller and in black and white: frames and contexts are 0
and 1, so that all products are sums of integers, and the model has the same bits on every machine. Settings
were chosen on the validation films; the last ones were looked at once.
"""

import argparse

import numpy as np

import rbmfast as rf

SIDE = 14  # pixels
RADIUS = 2.2
ORDER = 3  # frames that are given
PREDICTING = 400  # Gibbs steps whose mean is a prediction: the noise of 40 costs a sixth of the error

Pairs = tuple[np.ndarray, np.ndarray]  # frames, and those before


def video(n_frames: int, n_balls: int, rng: np.random.Generator) -> np.ndarray:
    """Balls that bounce off the walls and off one another: uint8 (n_frames, SIDE * SIDE)."""
    low, high = RADIUS - 0.5, SIDE - 0.5 - RADIUS
    while True:  # until they do not overlap
        place = rng.uniform(low, high, (n_balls, 2))
        if (np.linalg.norm(place[:, None] - place, axis=2) + SIDE * np.eye(n_balls) > 2 * RADIUS).all():
            break
    angle = rng.uniform(0, 2 * np.pi, n_balls)
    speed = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    y, x = np.mgrid[:SIDE, :SIDE]
    frames = np.zeros((n_frames, SIDE, SIDE), np.uint8)
    for frame in frames:
        for ball in place:
            frame |= ((y - ball[0]) ** 2 + (x - ball[1]) ** 2 < RADIUS**2).view(np.uint8)
        place += speed
        outside = (place < low) | (place > high)
        speed = np.where(outside, -speed, speed)
        place = np.where(place < low, 2 * low - place, np.where(place > high, 2 * high - place, place))
        for i in range(n_balls):
            for j in range(i):
                apart = place[i] - place[j]
                distance = np.linalg.norm(apart)
                towards = apart / distance * ((speed[j] - speed[i]) @ apart / distance)
                if distance < 2 * RADIUS and (speed[j] - speed[i]) @ apart > 0:  # they swap what is along it
                    speed[i] += towards
                    speed[j] -= towards
    return frames.reshape(n_frames, -1)


def errors(crbm: rf.ConditionalRBM, A: np.ndarray, new: Pairs) -> dict[str, float]:
    """Mean squared errors of a pixel of the next frame."""
    linear = with_one(new[1]) @ A
    predicted = {
        "the frame before": new[1][:, : new[0].shape[1]],
        "linear regression": linear,
        "the same, cut to 0 to 1": linear.clip(0, 1),
        "the conditional RBM": crbm.predict(new[1], steps=PREDICTING, seed=1),
    }
    return {name: float(((new[0] - found) ** 2).mean()) for name, found in predicted.items()}


def with_one(before: np.ndarray) -> np.ndarray:
    """A column of ones beside the given frames."""
    return np.hstack([before, np.ones((len(before), 1))]).astype(np.float64)


def draw(rows: dict[str, np.ndarray], path: str) -> None:
    """Films, a row each."""
    from matplotlib import pyplot as plt

    n = max(map(len, rows.values()))
    figure, axes = plt.subplots(
        len(rows), n, figsize=(n * 0.62, len(rows) * 0.85), gridspec_kw={"hspace": 0.5}
    )
    for line, (name, frames) in zip(axes, rows.items(), strict=True):
        for axis, frame in zip(line, frames, strict=True):
            axis.imshow(frame.reshape(SIDE, SIDE), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_title(name, loc="left", fontsize=8)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--balls", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    films = [video(options.frames, options.balls, rng) for _ in range(options.films)]
    validation, new = ([video(40, options.balls, rng) for _ in range(20)] for _ in range(2))
    X, before = rf.lagged(films, ORDER)
    crbm = rf.ConditionalRBM(X.shape[1], options.hidden, before.shape[1], seed=options.seed)
    history = rf.train(
        *(crbm, X),
        context=before,
        method=rf.CD(k=5),
        optimizer=rf.SGD(rf.Linear(0.05), momentum=0.9),
        penalties=(),
        centered=False,
        epochs=options.epochs,
        batch_size=100,
        seed=options.seed + 1,
    )
    print(f"{crbm}, {len(X)} frames, {sum(history['seconds']):.0f} s")
    X_new, before_new = rf.lagged(new, ORDER)
    A = np.linalg.lstsq(with_one(before), X, rcond=None)[0]
    first, second = (errors(crbm, A, pairs) for pairs in (rf.lagged(validation, ORDER), (X_new, before_new)))
    print("error of a pixel in the next frame, validation films, new films:")
    for name, error in first.items():
        print(f"  {name}: {error:.4f} {second[name]:.4f}")
    walks = crbm.generate(np.stack([film[ORDER - 1 :: -1].ravel() for film in new]), 25, options.seed + 2)
    lit = walks.sum(axis=2) / X_new.sum(axis=1).mean()
    first, last = lit[:, :5].mean(), lit[:, -5:].mean()
    print(f"pixels on in generated films, of those in films: {first:.2f}, at the end {last:.2f}")
    if options.picture:
        rows = {}
        for i in range(3):
            rows[f"{i}: {ORDER} frames given, the others drawn"] = np.concatenate([new[i][:ORDER], walks[i]])
            rows[f"{i}: the film"] = new[i][: ORDER + len(walks[i])]
        draw(rows, options.picture)


if __name__ == "__main__":
    main()
