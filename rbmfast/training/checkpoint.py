"""Saving a run, and taking it up again as if it had never stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.container import JSON, FileFormatError, read_file, write_file
from rbmfast.training.history import History
from rbmfast.training.plan import Plan
from rbmfast.training.run import Run

STATE_ARRAYS = (
    *("W", "a", "b", "W_velocity", "a_velocity", "b_velocity"),
    *("visible_offset", "hidden_offset", "activity"),
)


def save_checkpoint(path: str, run: Run, settings: dict[str, Any]) -> None:
    """Write everything that the rest of the run depends on; `settings` is ``Plan.describe()``."""
    arrays: dict[str, NDArray[Any]] = {
        prefix + name: getattr(state, name) for prefix, state in run.states.items() for name in STATE_ARRAYS
    }
    arrays["visible_means"] = run.visible_means
    arrays["memories"] = np.array(run.memories, np.float64)
    if run.chains is not None:
        arrays["chains"] = run.chains
    for name, array in run.memory.items():
        arrays[f"memory/{name}"] = array
    for name, array in run.notes.items():
        arrays[f"notes/{name}"] = array
    for name, column in run.history.to_dict().items():
        arrays[f"history/{name}"] = column
    for i, callback in enumerate(_remembering(run.plan)):
        for name, array in (callback.state() or {}).items():
            arrays[f"callbacks/{i}/{name}"] = array
    meta: dict[str, JSON] = {
        "settings": settings,
        "epoch": run.epoch,
        "updates": run.updates,
        "stopped": run.history.stopped,
        **{f"{prefix}exponent": state.exponent for prefix, state in run.states.items()},
    }
    write_file(path, run.kind, meta, arrays)


class Checkpoint:
    """A checkpoint as it was read.

    Parameters
    ----------
    path : str
        The file.
    kind : str
        `Run.kind` of the run that it is to be about.

    Raises
    ------
    FileFormatError
        It is no checkpoint, or is damaged.
    """

    def __init__(self, path: str, kind: str = Run.kind) -> None:
        self.path = path
        _, self.meta, self.arrays = read_file(path, kind=kind)
        if not {"settings", "epoch", "updates", "exponent", "stopped"} <= self.meta.keys():
            raise FileFormatError(f"{path!r} is not a complete checkpoint")

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.meta["settings"]["seed"])

    def check(self, run: Run, settings: dict[str, Any]) -> None:
        """Refuse to go on with other data or settings: a ValueError names the first that differs."""
        saved = self.meta["settings"]
        for name, value in settings.items():
            if saved.get(name) != value:
                raise ValueError(f"resume: {_difference(name, saved.get(name), value)} in {self.path!r}")
        epochs, done = run.plan.epochs, self.meta["epoch"]
        if epochs < done:
            raise ValueError(f"resume: epochs is {epochs}, but {done} are completed in {self.path!r}")
        for name, (shape, dtype) in _expected(run, done).items():
            array = self.arrays.get(name)
            if array is None or array.shape != shape or array.dtype != dtype:
                raise FileFormatError(f"{self.path!r} lacks a proper array {name!r}")
        if not {f"{prefix}exponent" for prefix in run.states} <= self.meta.keys():
            raise FileFormatError(f"{self.path!r} lacks an exponent")

    def restore(self, run: Run) -> None:
        """Put the run, and the model, where they were."""
        for prefix, state in run.states.items():
            for name in STATE_ARRAYS:
                setattr(state, name, self.arrays[prefix + name].copy())
            state.exponent = self.meta[f"{prefix}exponent"]
        run.chains = self.arrays.get("chains")
        run.memory = self._under("memory/")
        run.notes.update(self._under("notes/"))
        run.visible_means = self.arrays["visible_means"]
        run.memories = [float(memory) for memory in self.arrays["memories"]]
        run.epoch, run.updates = self.meta["epoch"], self.meta["updates"]
        run.history = self._history(run.plan)
        run.rate, run.momentum = (float(run.history[name][-1]) for name in ("rate", "momentum"))
        run.publish()

    def restore_callbacks(self, plan: Plan) -> None:
        """Give the callbacks back what they remember."""
        for i, callback in enumerate(_remembering(plan)):
            callback.restore(self._under(f"callbacks/{i}/"))

    def _under(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays whose names begin so, without that beginning."""
        return {
            name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)
        }

    def _history(self, plan: Plan) -> History:
        history = History(plan.monitor_names)
        columns = [self.arrays[f"history/{name}"] for name in history]
        for values in zip(*columns, strict=True):
            history.append(dict(zip(history, (value.item() for value in values), strict=True)))
        history.stopped = self.meta["stopped"]
        return history


def _expected(run: Run, epochs_done: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and dtype of the arrays that every checkpoint of this run holds."""
    plan = run.plan
    expected: dict[str, tuple[tuple[int, ...], Any]] = {
        prefix + name: (getattr(state, name).shape, np.float32)
        for prefix, state in run.states.items()
        for name in STATE_ARRAYS
    }
    expected["visible_means"] = (run.visible_means.shape, np.float32)
    expected["memories"] = ((len(run.memories),), np.float64)
    if plan.n_chains:
        expected["chains"] = ((plan.n_chains, plan.rbm.n_hidden), plan.rbm.hidden.dtype)
    for name, array in run.new_memory().items():
        expected[f"memory/{name}"] = (array.shape, array.dtype)
    for name, column in run.history.to_dict().items():
        expected[f"history/{name}"] = ((epochs_done + 1,), column.dtype)
    return expected


def _remembering(plan: Plan) -> list[Any]:
    return [callback for callback in plan.callbacks if callback.state() is not None]


def _difference(name: str, saved: object, given: object) -> str:
    if name == "X":
        return "X is other data than"
    if name == "validation" and saved is not None and given is not None:
        return "validation is other data than"
    return f"{name} is {given!r}, but was {saved!r}"
