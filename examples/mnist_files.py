"""What the examples about MNIST share: how they read it, how features are learned, what is printed."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rbmfast as rf

FEATURES = {  # settings by which every RBM learns features
    "method": rf.CD(),
    "optimizer": rf.SGD(rf.Linear(0.1, 0.01), momentum=rf.Steps({0: 0.5, 5: 0.9})),
    "penalties": [rf.L2(2e-4)],
    "centered": False,
    "progress": True,
}


@dataclass(frozen=True)
class Digits:
    """Images, uint8 rows of 784 levels from 0 to 255, and which digits they show."""

    images: np.ndarray
    y: np.ndarray

    @property
    def X(self) -> rf.Grey8:
        """The images as data."""
        return rf.Grey8(self.images)

    def first(self, n: int) -> "Digits":
        """Some of them."""
        return Digits(self.images[:n], self.y[:n])

    def percent_wrong(self, predicted: np.ndarray) -> float:
        """How many digits were not recognised."""
        return 100 * float((predicted != self.y).mean())


def read(path: Path) -> tuple[Digits, Digits]:
    """Training and test digits, from an .npz file with train_x, train_y, test_x and test_y."""
    with np.load(path) as file:
        x, y, x_test, y_test = (file[name] for name in ("train_x", "train_y", "test_x", "test_y"))
    return tuple(
        Digits(images.reshape(len(images), -1), digits.astype(np.int64))
        for images, digits in ((x, y), (x_test, y_test))
    )


def drawn(images: np.ndarray, n: int, seed: int = 0) -> rf.Packed:
    """Images of 0 and 1, `n` of each: a pixel is on with its grey level as the probability."""
    rng = np.random.default_rng(seed)
    bits = np.empty((n * len(images), -(-images.shape[1] // 8)), np.uint8)
    for i in range(0, len(bits), 10_000):  # a few at a time: bytes take eight times as much
        grey = images[np.arange(i, min(i + 10_000, len(bits))) % len(images)]
        bits[i : i + len(grey)] = np.packbits(rng.integers(0, 255, grey.shape, np.uint8) < grey, axis=1)
    return rf.Packed(bits, images.shape[1])


def parser_of(description: str) -> argparse.ArgumentParser:
    """What can be asked of all of them."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--quick", action="store_true", help="minutes a seed, and a larger error")
    return parser


def tell_each(seeds: list[int], learn: Callable[[int], tuple[str, float]]) -> None:
    """Learn with each seed; print how that went, the test errors in percent, and their mean."""
    errors = []
    for seed in seeds:
        words, error = learn(seed)
        errors.append(error)
        print(f"seed {seed}: {words} {error:.2f} %", flush=True)
    print(f"mean of {len(errors)}: {sum(errors) / len(errors):.2f} %")
