"""How the examples about MNIST read it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rbmfast as rf


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
