"""What happened in a run, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What every run records, whatever its monitors.
BASIC = ("epoch", "seconds", "samples_per_second", "rate", "momentum", "exponent", "monitor_seconds")
_INTEGERS = ("epoch", "exponent")


class History:
    """Numbers recorded before training (epoch 0) and after every epoch.

    Attributes
    ----------
    stopped : str or None
        Why training ended before its last epoch, if it did.

    Notes
    -----
    The columns that every run of `train` has (`fine_tune` has no momentum and no exponent):

    - ``epoch``: epochs completed.
    - ``seconds``: time that this epoch's learning took.
    - ``samples_per_second``: rows learned from per second in this epoch (NaN for epoch 0).
    - ``rate``, ``momentum``: at this epoch's last update (NaN for epoch 0).
    - ``exponent``: the sampler sees weights rounded to multiples of ``2**-exponent``.
    - ``monitor_seconds``: time that this epoch's monitors took.

    Then follow the numbers of the monitors under their names.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> history = rf.train(rf.RBM(6, 2, seed=0), np.eye(6), epochs=3, seed=1)
    >>> history["epoch"]
    array([0, 1, 2, 3])
    >>> history.to_dict()["rate"][1:]
    array([0.1, 0.1, 0.1])
    """

    def __init__(self, monitor_names: Iterable[str] = (), basic: Iterable[str] = BASIC) -> None:
        self._columns: dict[str, list[float]] = {name: [] for name in (*basic, *monitor_names)}
        self.stopped: str | None = None

    def append(self, row: Mapping[str, float]) -> None:
        """Add the numbers of one epoch; there must be one for every column."""
        if row.keys() != self._columns.keys():
            raise ValueError(f"row must have the columns {', '.join(self._columns)}, got {', '.join(row)}")
        for name, value in row.items():
            self._columns[name].append(value)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One column as an array (epochs + 1,): int64 for `epoch` and `exponent`, else float64."""
        if name not in self._columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self._columns)}")
        return np.array(self._columns[name], np.int64 if name in _INTEGERS else np.float64)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns["epoch"])

    def keys(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._columns)

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """All columns: a dict of arrays, ready for `pandas.DataFrame`."""
        return {name: self[name] for name in self._columns}

    def __repr__(self) -> str:
        return f"History({max(len(self) - 1, 0)} epochs: {', '.join(self._columns)})"

    def __str__(self) -> str:
        columns = [
            [name, *(_cell(name, value) for value in values)] for name, values in self._columns.items()
        ]
        widths = [max(map(len, column)) for column in columns]
        lines = ["  ".join(map(str.rjust, cells, widths)) for cells in zip(*columns, strict=True)]
        if self.stopped:
            lines.append(f"stopped: {self.stopped}")
        return "\n".join(lines)

    def plot(self, names: Iterable[str] | None = None) -> Any:
        """Draw learning curves.

        Parameters
        ----------
        names : iterable of str, optional
            Which columns, one panel each; by default those of the monitors, or the speed if there are none.
            Columns ``train_x`` and ``validation_x`` share the panel of x.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            matplotlib is missing (``pip install rbmfast[plots]``).
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("History.plot needs matplotlib: pip install rbmfast[plots]") from error
        chosen = [n for n in self._columns if n not in BASIC] if names is None else list(names)
        panels: dict[str, list[str]] = {}
        for name in chosen or ["samples_per_second"]:
            panels.setdefault(name.removeprefix("train_").removeprefix("validation_"), []).append(name)
        size = (5 * len(panels), 3.5)
        figure, grid = pyplot.subplots(1, len(panels), squeeze=False, figsize=size, layout="constrained")
        for axes, (title, members) in zip(grid[0], panels.items(), strict=True):
            for name in members:
                axes.plot(self["epoch"], self[name], marker=".", label=name)
            axes.set(title=title, xlabel="epoch")
            if len(members) > 1:
                axes.legend()
        return figure


def _cell(name: str, value: float) -> str:
    return str(int(value)) if name in _INTEGERS else f"{value:.5g}"
