"""What is shown of a run while it goes on."""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import rbmfast as rf
from rbmfast.training.callbacks import Progress
from rbmfast.training.history import BASIC


def display(*headings: str, every: int | None = None) -> dict[str, Any]:
    """Settings of a run that shows its progress: a bar, or a line for some epochs where there can be none."""
    bar = _has_bar()
    return {"callbacks": [] if bar else [Lines(headings, every)], "progress": bar}


def show_step(what: str) -> None:
    """What takes so long, where a terminal can show it and forget it again."""
    if sys.stderr.isatty():
        print(f"\r{what + ' ...' if what else '':30}\r", end="", file=sys.stderr, flush=True)


def announce(what: str) -> None:
    """Say what begins, where its progress will be."""
    print(what, file=sys.stderr if _has_bar() else sys.stdout, flush=True)


def _has_bar() -> bool:
    return sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


class Lines(rf.Callback):
    """A line for every so many epochs and the last, and a heading for each run.

    By default for the first, some 50 in all, and one each second: so it is known soon that nobody reads.
    """

    def __init__(self, headings: Sequence[str], every: int | None) -> None:
        self._headings = iter(headings)
        self._every = every
        self._last = -math.inf

    def on_train_begin(self, progress: Progress) -> None:
        """See `rbmfast.Callback`."""
        if heading := next(self._headings, ""):
            print(heading, flush=True)

    def on_epoch_end(self, progress: Progress) -> None:
        """See `rbmfast.Callback`."""
        now, every = time.monotonic(), self._every or max(1, progress.epochs // 50)
        is_due = self._every is None and now - self._last >= 1
        if is_due or progress.epoch % every == 0 or progress.epoch == progress.epochs:
            self._last = now
            print(f"epoch {progress.epoch}/{progress.epochs}: {in_words(progress.history)}", flush=True)


def in_words(history: rf.History) -> str:
    """The last numbers of a run's monitors."""
    groups: dict[str, list[str]] = {}
    for column in history:
        if column in BASIC:
            continue
        name = column.removeprefix("train_").removeprefix("validation_")
        value = f"{history[column][-1]:.5f}"
        if name in groups:
            groups[name].append(f"validation {value}")
        else:
            shown = column if column.startswith("validation_") else name
            groups[name] = [f"{shown.replace('_', ' ')} {value}"]
    return "; ".join(", ".join(group) for group in groups.values())
