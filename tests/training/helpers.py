"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast import reference
from rbmfast.archive import read_file
from rbmfast.models.base_rates import base_bias
from rbmfast.state import Statistics
from rbmfast.streams import Stream
from rbmfast.training import Conditionals, Method, Monitor

TIMES = ("seconds", "samples_per_second", "monitor_seconds")
TEXTBOOK: dict[str, Any] = {
    "method": rf.CD(),
    "optimizer": 0.1,
    "penalties": (),
    "centered": False,
}  # the textbook


class StepCD(rf.CD):
    """CD that the engine is not told about: every update is made in Python."""

    fused = False


class StepPCD(rf.PCD):
    fused = False


class StepFPCD(rf.FPCD):
    fused = False


class Stop(Exception):
    pass


class StopAfter(rf.Callback):
    """Raises after so many epochs, counted over all layers."""

    def __init__(self, epochs: int, error: type[BaseException] = Stop) -> None:
        self.left = epochs
        self.error = error

    def on_epoch_end(self, progress: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


class Asking(Monitor):
    """A monitor of these names, which gives what a function says of what is watched."""

    def __init__(
        self, names: tuple[str, ...], ask: Callable[[Any], dict[str, float]], better: Any = None
    ) -> None:
        self._names, self.ask, self.better = names, ask, better or {}

    def names(self, has_validation: bool) -> tuple[str, ...]:
        return self._names

    def __call__(self, watched: Any) -> dict[str, float]:
        return self.ask(watched)


class Penalty:
    """Of one's own: a function of the weights."""

    def __init__(self, gradient: Callable[[Any], Any]) -> None:
        self.gradient = gradient


class Raising:
    """A penalty that lets so many calls pass, and raises at the next one."""

    def __init__(self, calls: int, error: type[BaseException]) -> None:
        self.left, self.error = calls, error

    def gradient(self, W: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise self.error("on purpose")
        return np.zeros_like(W)


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
    settings = {**TEXTBOOK, "epochs": 3, "batch_size": 10, "seed": 1, "checkpoint": path, **settings}
    rf.train(rbm, X, **settings)
    return everything(path)


def assert_same_bits(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    different = [name for name in left if left[name] != right[name]]
    assert not different


def slopes(value: Callable[[], float], array: Any, step: float = 1e-5) -> Any:
    """Central differences of a value by the entries of a float64 array, which is moved and put back."""
    found = np.empty_like(array)
    for place in np.ndindex(array.shape):
        middle, ends = array[place], []
        for sign in (1, -1):
            array[place] = middle + sign * step
            ends.append(value())
        array[place] = middle
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def history_without_times(history: rf.History) -> dict[str, bytes]:
    return {name: column.tobytes() for name, column in history.to_dict().items() if name not in TIMES}


def start_memory(rbm: rf.RBM, model: Conditionals, method: Method, n_chains: int) -> dict[str, Any]:
    """What a run with this model begins with."""
    return method.start_memory(model, lambda: base_bias(rbm), n_chains, model.stream)


def phase_sums(
    rbm: rf.RBM,
    V: Any,
    method: Method,
    seed: int,
    first_row: int = 0,
    first_step: int = 0,
    chains: NDArray[np.uint8] | None = None,
    memory: dict[str, Any] | None = None,
) -> tuple[Statistics, Statistics]:
    """The integers that `rbmfast.reference.gradient` takes, of both phases of an update of 0/1 units.

    Those of parts of the rows (or of the chains, which move on) add up to those of the whole, if each part
    says which row it begins with.
    """
    units = (rbm.visible, rbm.hidden)
    stream = Stream(seed, method.purpose, 0, first_step, first_row)
    model = Conditionals.of(units, rbm._parameters.weights, rbm.W, rbm.a, rbm.b, stream=stream)
    model = replace(model, memory=memory or start_memory(rbm, model, method, len(V)))
    ((_, v),) = rbm.visible.rows(V, rbm.n_visible, "V").blocks(len(V))
    x = model.up.input(v)
    samples = method.negative_phase(model, v, x, chains)
    positive, negative = (reference.statistics(v, rbm.hidden.expectation(x)) for v, x in [(v, x), samples])
    return positive, negative
