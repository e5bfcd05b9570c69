"""What is shown of a run while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import rbmfast as rf
from rbmfast.training.callbacks import Progress
from rbmfast.training.history import BASIC


def display(*headings: str) -> dict[str, Any]:
    """Settings of a run that shows its progress: a bar, or a line for each epoch where nothing can move."""
    bar = sys.stderr.isatty()
    return {"callbacks": [] if bar else [Lines(headings)], "progress": bar}


def show_step(what: str) -> None:
    """What takes so long, where a terminal can show it and forget it again."""
    if sys.stderr.isatty():
        print(f"\r{what + ' ...' if what else '':30}\r", end="", file=sys.stderr, flush=True)


def announce(what: str) -> None:
    """Say what begins, where its progress will be."""
    print(what, file=sys.stderr if sys.stderr.isatty() else sys.stdout, flush=True)


class Lines(rf.Callback):
    """A line for each epoch, and a heading above those of each run."""

    def __init__(self, headings: Sequence[str] = ()) -> None:
        self._headings = iter(headings)

    def on_train_begin(self, progress: Progress) -> None:
        """See `rbmfast.Callback`."""
        if heading := next(self._headings, ""):
            print(heading, flush=True)

    def on_epoch_end(self, progress: Progress) -> None:
        """See `rbmfast.Callback`."""
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
