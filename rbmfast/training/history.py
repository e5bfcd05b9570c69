"""What happened in a run, epoch by epoch."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What every run records, whatever its monitors.
BASIC = ("epoch", "seconds", "samples_per_second", "rate", "momentum", "exponent", "monitor_seconds")
_INTEGERS = ("epoch", "exponent")


class History(dict[str, NDArray[Any]]):
    """Numbers recorded before training (epoch 0) and after every epoch: columns by name, one array each.

    It is a dict, so ``pandas.DataFrame(history)`` and ``polars.DataFrame(history)`` are tables of it. Its
    length is that of the columns, epochs + 1, as that of a table is.

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
    >>> history = rf.train(rf.RBM(6, 2, seed=0), np.eye(6), optimizer=0.1, epochs=3, seed=1)
    >>> history["epoch"]
    array([0, 1, 2, 3])
    >>> history["rate"][1:]
    array([0.1, 0.1, 0.1])
    """

    def __init__(self, monitor_names: Iterable[str] = (), basic: Iterable[str] = BASIC) -> None:
        super().__init__((name, _empty(name)) for name in (*basic, *monitor_names))
        self.stopped: str | None = None

    def append(self, row: Mapping[str, float]) -> None:
        """Add the numbers of one epoch; there must be one for every column."""
        if row.keys() != set(self):
            raise ValueError(f"row must have the columns {', '.join(self)}, got {', '.join(row)}")
        for name, column in self.items():
            longer = np.empty(len(column) + 1, column.dtype)
            longer[:-1], longer[-1] = column, row[name]
            longer.setflags(write=False)  # `values` and `items` hand out what is recorded, not copies
            self[name] = longer

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One column, a copy: int64 (epochs + 1,) for `epoch` and `exponent`, else float64."""
        return super().__getitem__(name).copy()

    def __missing__(self, name: str) -> NDArray[Any]:
        raise KeyError(f"no column {name!r}; there are {', '.join(self)}")

    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the columns."""
        return tuple(self)

    def __len__(self) -> int:
        return len(self["epoch"])

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """All columns, in an ordinary dict."""
        return {name: self[name] for name in self}

    def __repr__(self) -> str:
        return f"History({max(len(self) - 1, 0)} epochs: {', '.join(self)})"

    def __str__(self) -> str:
        columns = [[name, *(_cell(name, value) for value in values)] for name, values in self.items()]
        widths = [max(map(len, column)) for column in columns]
        lines = ["  ".join(map(str.rjust, cells, widths)) for cells in zip(*columns, strict=True)]
        if self.stopped:
            lines.append(f"stopped: {self.stopped}")
        return "\n".join(lines)

    def plot(self, names: str | Iterable[str] | None = None, **how: Any) -> Figure:
        """Draw learning curves: `rbmfast.plots.learning_curves`, which explains the arguments."""
        plots = importlib.import_module("rbmfast.plots")  # from above: it draws what is trained
        figure: Figure = plots.learning_curves(self, names, **how)
        return figure


def _empty(name: str) -> NDArray[Any]:
    """A column without rows: int64 for `epoch` and `exponent`, else float64."""
    return np.empty(0, np.int64 if name in _INTEGERS else np.float64)


def _cell(name: str, value: float) -> str:
    return str(int(value)) if name in _INTEGERS else f"{value:.5g}"
