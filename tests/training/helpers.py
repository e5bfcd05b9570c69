"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.container import read_file

TIMES = ("seconds", "samples_per_second", "monitor_seconds")


class StepCD(rf.CD):
    """CD that the engine is not told about: every update is made in Python."""

    fused = False


class StepPCD(rf.PCD):
    fused = False


def random_rows(n: int, n_features: int, seed: int = 0, density: float = 0.4) -> NDArray[np.uint8]:
    """Correlated 0/1 rows: noisy copies of a few prototypes."""
    rng = np.random.default_rng(seed)
    prototypes = rng.random((3, n_features)) < density
    noise = rng.random((n, n_features)) < 0.1
    return (prototypes[rng.integers(0, 3, n)] ^ noise).astype(np.uint8)


def bits(rbm: rf.RBM) -> tuple[bytes, ...]:
    return rbm.W.tobytes(), rbm.a.tobytes(), rbm.b.tobytes()


def everything(path: Path, kind: str = "checkpoint") -> dict[str, Any]:
    """All that a checkpoint holds, but for times, in a form that == compares bit for bit."""
    _, meta, arrays = read_file(path, kind=kind)
    contents: dict[str, Any] = {f"meta/{name}": value for name, value in meta.items() if name != "settings"}
    for name, array in arrays.items():
        if not any(name.endswith(time) for time in TIMES):
            contents[name] = (array.dtype.str, array.shape, array.tobytes())
    return contents


def learn(
    X: Any, tmp_path: Path, *, n_hidden: int = 5, visible: str = "bernoulli", **settings: Any
) -> dict[str, Any]:
    """Train a new model; all that its checkpoint holds at the end."""
    path = tmp_path / "learn.ckpt"
    n_visible = getattr(X, "n_features", None) or np.shape(X)[1]
    rbm = rf.RBM(n_visible, n_hidden, visible=visible, seed=3)
    settings = {"epochs": 3, "batch_size": 10, "seed": 1, "checkpoint": path, **settings}
    rf.train(rbm, X, **settings)
    return everything(path)


def assert_same_bits(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    different = [name for name in left if left[name] != right[name]]
    assert not different


def history_without_times(history: rf.History) -> dict[str, bytes]:
    return {name: column.tobytes() for name, column in history.to_dict().items() if name not in TIMES}
