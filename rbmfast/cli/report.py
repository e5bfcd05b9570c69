"""What ``rbmfast evaluate`` has found: numbers in lines for people, and by name for programs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rbmfast.data import Rows
from rbmfast.likelihood import LogLikelihoodBound, LogPartition, MeanLogLikelihood
from rbmfast.likelihood.comparison import blocks_of
from rbmfast.likelihood.result import Z95, stderr_of_mean
from rbmfast.reference import F32
from rbmfast.units.base import F64

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Interval = tuple[float, float]


@dataclass
class Report:
    """All that was found.

    Attributes
    ----------
    lines : list of tuple of str
        For people: name, value, both ends of its interval, what else there is to say.
    numbers : dict
        For a JSON file.
    alarms : list of str
        What speaks against the numbers, in sentences.
    text : str
        What stands below the lines.
    figures : dict
        What draws pictures, by name.
    """

    lines: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    text: str = ""
    figures: dict[str, Callable[[], Figure]] = field(default_factory=dict)

    def add(self, name: str, value: float, note: str = "", interval: Interval | None = None) -> None:
        """A line, with as many digits behind the point as the value needs."""
        digits = 4 if abs(value) < 1 else 2
        found, *ends = (f"{x:,.{digits}f}" for x in (value, *(interval or ())))
        if math.isnan(value):
            found, ends = "none", []
        self.lines.append((name, found, *(ends or ("", "")), note))

    def add_mean(self, name: str, values: F64, note: str, key: str = "") -> None:
        """A mean over rows, with its 95 % interval."""
        numbers = in_numbers(values)
        mean, error = numbers["mean"], numbers["stderr"]
        self.add(name, mean, note, (mean - Z95 * error, mean + Z95 * error))
        if key:
            self.numbers[key] = numbers

    def add_likelihood(
        self, name: str, key: str, found: MeanLogLikelihood | LogLikelihoodBound | None
    ) -> None:
        """A mean log-likelihood or a bound; None of grey levels."""
        if found is None:
            self.add(name, math.nan, "grey levels are no states: say --threshold T")
            self.numbers[key] = None
            return
        note = f"nats per row; standard error {found.data_stderr:.2g} from the choice of rows"
        interval = found.lower, found.upper
        self.add(name, found.value, note, None if found.lower == found.upper else interval)
        self.numbers[key] = {name: value for name, value in vars(found).items() if name != "each"}

    def add_rows(self, rows: Rows) -> None:
        """What was looked at."""
        self.lines.append(("rows", f"{rows.n_rows:,}", "", "", f"of {rows.n_features} {rows.kind} values"))

    def add_reconstructions(self, rows: Rows, reconstruct: Callable[[F32], F32]) -> None:
        """Mean square error of what is reconstructed: of the first columns, if that is not all of them."""
        total, width = 0.0, 1
        for v in blocks_of(rows):
            again = reconstruct(v)
            width = again.shape[1]
            difference = v[:, :width] - again
            total += float(np.vdot(difference, difference))
        error = total / (rows.n_rows * width)
        self.add("reconstruction error", error, "mean square per unit")
        self.numbers["reconstruction_error"] = error

    def add_log_z(self, z: LogPartition, steps: int) -> None:
        """The number, and how it was found."""
        if z.method == "exact":
            self.add("log Z", z.value, "nats, exact")
        else:
            note = f"nats, {z.method}, {n_chains(z):,} chains of {steps:,} steps"
            self.add("log Z", z.value, note, (z.lower, z.upper))
        names = ("value", "stderr", "lower", "upper", "method", "ess")
        parts = {"forward": z.parts[0].value, "reverse": z.parts[1].value} if z.parts else {}
        self.numbers["log_z"] = {name: getattr(z, name) for name in names} | parts

    def add_annealing(self, z: LogPartition) -> None:
        """Whether the chains of AIS may be believed."""
        if z.method != "exact":
            self.add("effective chains", z.ess, f"of {n_chains(z):,}")
        if z.parts:
            forward, reverse = z.parts
            self.add("reverse - forward", reverse.value - forward.value, "nats; about 0 if chains mix")

    def __str__(self) -> str:
        """The lines below each other, and the text."""
        cells = [("", "value", "95 % from", "to", ""), *self.lines]
        name, value, low, high, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
        table = (
            f"{a:<{name}}  {b:>{value}}  {c:>{low}}  {d:>{high}}  {note}".rstrip()
            for a, b, c, d, note in cells
        )
        return "\n".join([*table, *filter(None, [self.text])])


def in_numbers(values: F64) -> dict[str, float]:
    """A mean and its standard error, for a JSON file."""
    return {"mean": float(values.mean()), "stderr": stderr_of_mean(values), "n_rows": len(values)}


def n_chains(z: LogPartition) -> int:
    """How many chains went from independent units to the model."""
    weights = (z.parts or (z,))[0].log_weights
    assert weights is not None
    return len(weights)
