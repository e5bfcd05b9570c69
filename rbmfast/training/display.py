"""How far a run has come, on the screen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rbmfast.training.history import BASIC


class Display:
    """One bar over all epochs when tqdm is installed, else a line per epoch; nothing when disabled.

    Parameters
    ----------
    enabled : bool
        Whether to show anything.
    epochs, n_rows : int
        Epochs of the run, and rows in each.
    done : int
        Epochs that a resumed run begins after.
    """

    def __init__(self, enabled: bool, epochs: int, n_rows: int, done: int = 0) -> None:
        self._bar: Any = None
        self._lines = False
        self._epochs = epochs
        if not enabled:
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            self._lines = True
        else:
            self._bar = tqdm(total=epochs * n_rows, initial=done * n_rows, unit=" rows", unit_scale=True)

    @property
    def live(self) -> bool:
        """Whether it moves within an epoch."""
        return self._bar is not None

    def advance(self, n_rows: int) -> None:
        """Some more rows have been learned from."""
        if self._bar is not None:
            self._bar.update(n_rows)

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch has ended with these numbers."""
        numbers = {name: f"{value:.5g}" for name, value in row.items() if name not in BASIC}
        if self._bar is not None:
            self._bar.set_postfix(epoch=int(row["epoch"]), **numbers)
        if self._lines:
            words = [f"{name} {value}" for name, value in numbers.items()]
            speed = f"{row['samples_per_second']:.0f} rows/s"
            print(f"epoch {int(row['epoch'])}/{self._epochs}:", ", ".join([speed, *words]), file=sys.stderr)

    def close(self) -> None:
        """Leave the screen in order."""
        if self._bar is not None:
            self._bar.close()
