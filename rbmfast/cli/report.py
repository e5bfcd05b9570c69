"""What ``rbmfast evaluate`` has found: numbers in lines for people, and by name for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rbmfast.data import Rows
from rbmfast.likelihood.result import Z95
from rbmfast.units.base import F64

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Line = tuple[str, str, str, str, str]  # name, value, both ends of its interval, what else there is to say


@dataclass(frozen=True)
class Report:
    """All that was found.

    Attributes
    ----------
    lines : list of Line
        For people.
    numbers : dict
        For a JSON file.
    alarms : tuple of str
        What speaks against the numbers, in sentences.
    text : str
        What stands below the lines.
    figures : callable
        Draws pictures, by name.
    """

    lines: list[Line]
    numbers: dict[str, Any]
    alarms: tuple[str, ...] = ()
    text: str = ""
    figures: Callable[[], dict[str, Figure]] = dict


def tell(what: str) -> None:
    """What takes so long, where a terminal can show it and forget it again."""
    if sys.stderr.isatty():
        print(f"\r{what + ' ...' if what else '':30}\r", end="", file=sys.stderr, flush=True)


def table(lines: Iterable[Line]) -> str:
    """The lines below each other: name, number, interval, what else there is to say."""
    cells = [("", "value", "95 % from", "to", ""), *lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {low:>{widths[2]}}  {high:>{widths[3]}}  {note}".rstrip()
        for name, value, low, high, note in cells
    )


def line(name: str, value: float, note: str = "", interval: tuple[float, float] | None = None) -> Line:
    """Numbers with as many digits behind the point as the value needs."""
    if math.isnan(value):
        return (name, "none", "", "", note)
    digits = 4 if abs(value) < 1 else 2
    low, high = ("", "") if interval is None else (f"{end:,.{digits}f}" for end in interval)
    return (name, f"{value:,.{digits}f}", low, high, note)


def data_line(rows: Rows) -> Line:
    """What was looked at."""
    return "rows", f"{rows.n_rows:,}", "", "", f"of {rows.n_features} {rows.kind} values"


def mean_line(name: str, values: F64, note: str) -> Line:
    """A mean over rows, with its 95 % interval."""
    mean, error = mean_and_error(values)
    return line(name, mean, note, (mean - Z95 * error, mean + Z95 * error))


def mean_and_error(values: F64) -> tuple[float, float]:
    """A mean and its standard error, NaN of a single value."""
    n = len(values)
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan


def summary(values: F64) -> dict[str, float]:
    """The same for a JSON file."""
    value, error = mean_and_error(values)
    return {"mean": value, "stderr": error, "n_rows": len(values)}
