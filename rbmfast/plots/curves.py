"""Curves and bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.checks import check_integer
from rbmfast.models import PatternCounts
from rbmfast.plots.figure import BLUE, GREEN, RED, YELLOW, finish, matplotlib, subplots
from rbmfast.training import FoundRate, History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rbmfast.plots.figure import Ax, Size

SERIES = (BLUE, RED, "0.6", GREEN, YELLOW, "#66ccee", "#aa3377")

# Titles and units of what methods and the built-in monitors record.
PANELS = {
    "reconstruction_error": ("Reconstruction error", "mean squared error per unit"),
    "free_energy_gap": ("Free-energy gap, validation - training", "nats per row"),
    "log_likelihood": ("Log-likelihood", "nats per row"),
    "log_z": ("Log Z", "nats"),
    "log_z_stderr": ("Standard error of log Z", "nats"),
    "acceptance": ("Exchanges with an earlier version", "share that is accepted"),
    "rungs": ("Earlier versions sampled so far", "number"),
    "pseudo_likelihood": ("Log pseudo-likelihood", "nats per row"),
    "saturated_units": ("Hidden units that are always on", "share of the hidden units"),
    "dead_units": ("Hidden units that are never on", "share of the hidden units"),
    "weight_norm": ("Norm of the weights", "Euclidean norm of W"),
    "weight_max": ("Largest weight", "largest absolute weight"),
    "samples_per_second": ("Speed", "rows learned from per second"),
    "classification_error": ("Classification error", "share of the rows"),
    "loss": ("Loss", "nats per row"),
    "error": ("Classification error", "share of the rows"),
    "rate": ("Learning rate", "rate"),
    "momentum": ("Momentum", "momentum"),
}
NOT_MONITORED = ("epoch", "seconds", "samples_per_second", "rate", "momentum", "exponent", "monitor_seconds")


def learning_curves(
    history: History | Mapping[str, ArrayLike],
    names: str | Iterable[str] | None = None,
    *,
    ax: Ax = None,
    figsize: Size = None,
) -> Figure:
    """How a run went: what its monitors recorded, against the epoch.

    Parameters
    ----------
    history : History or mapping of str to array_like
        From `rbmfast.train`; or its ``to_dict()``.
    names : str or iterable of str, optional
        Which columns; by default those of the monitors, or the speed if there are none. ``train_x`` and
        ``validation_x`` share one panel.
    ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With one set of axes for each panel.

    Raises
    ------
    ValueError
        A column that does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> monitors = [rf.ReconstructionError(), rf.WeightNorm()]
    >>> history = rf.train(rf.RBM(6, 2, seed=0), np.eye(6), epochs=3, seed=1, monitors=monitors)
    >>> len(plots.learning_curves(history).axes)
    3
    """
    known = list(history)
    names = [names] if isinstance(names, str) else names
    chosen = [name for name in known if name not in NOT_MONITORED] if names is None else list(names)
    chosen = chosen or ["samples_per_second"]
    for name in chosen:
        if name not in known:
            raise ValueError(f"names: there is no column {name!r}, only {', '.join(known)}")
    panels: dict[str, list[str]] = {}
    for name in chosen:
        panels.setdefault(name.removeprefix("train_").removeprefix("validation_"), []).append(name)

    columns = min(3, len(panels))
    fitting = (4.6 * columns, 3.3 * math.ceil(len(panels) / columns))
    figure, grid = subplots(len(panels), ax, figsize, fitting, columns)
    for axes, (panel, members) in zip(grid, panels.items(), strict=True):
        for name in members:
            part, colour = ("validation", RED) if name.startswith("validation_") else ("training", BLUE)
            marker = "o" if np.size(history["epoch"]) <= 25 else None
            style: dict[str, Any] = {"linewidth": 1.6, "marker": marker, "markersize": 3.5}
            axes.plot(history["epoch"], history[name], color=colour, label=part, **style)
        title, unit = PANELS.get(panel, (panel, ""))
        finish(axes, title, xlabel="epoch", ylabel=unit)
        axes.margins(x=0.02)
        axes.locator_params(axis="x", integer=True)
        if len(members) > 1 or members[0].startswith("validation_"):
            axes.legend(frameon=False)
    return figure


def rates(found: FoundRate, *, ax: Ax = None, figsize: Size = None) -> Figure:
    """What came of learning rates that were tried.

    Parameters
    ----------
    found : FoundRate
        From `rbmfast.find_rate`.
    ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With one set of axes. Crosses are rates at which learning diverged.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> found = rf.find_rate(rf.RBM(6, 2, seed=0), np.eye(6), validation=np.eye(6), seed=1)
    >>> len(found.plot().axes)
    1
    """
    figure, (axes,) = subplots(1, ax, figsize, (5.0, 3.6))
    axes.plot(found.rates, found.values, color=BLUE, linewidth=1.6, marker="o", markersize=3.5)
    axes.axhline(found.start, color="0.6", linewidth=1, label="before learning")
    axes.axvline(found.rate, color=GREEN, linewidth=1, linestyle="--", label=f"best: {found.rate:g}")
    lost = [rate for rate, value in zip(found.rates, found.values, strict=True) if math.isnan(value)]
    if lost:
        across = axes.get_xaxis_transform()  # at the foot of the axes
        axes.plot(lost, [0.04] * len(lost), "x", color=RED, transform=across, label="diverged")
    title, unit = PANELS.get(found.judge.removeprefix("validation_"), (found.judge, ""))
    labels = {"xlabel": f"learning rate, for {found.epochs} epochs", "ylabel": unit}
    finish(axes, f"{title} of held-out rows", xscale="log", **labels)
    axes.legend(frameon=False)
    return figure


def pattern_counts(counts: PatternCounts, n: int = 32, *, ax: Ax = None, figsize: Size = None) -> Figure:
    """How often patterns were sampled, beside how often they should be.

    Parameters
    ----------
    counts : PatternCounts
        From `RBM.pattern_counts`.
    n : int, default 32
        At most so many patterns, the most frequent first.
    ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With one set of axes. The error bars are two standard errors of a frequency.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
    >>> len(plots.pattern_counts(rbm.pattern_counts([1, 0], seed=2)).axes)
    1
    """
    n = min(check_integer(n, "n", low=1), len(counts.counts))
    expected = counts.probabilities[:n]
    spread = 2 * np.sqrt(expected * (1 - expected) / counts.n_samples)
    figure, (axes,) = subplots(1, ax, figsize, (max(6.0, 0.28 * n + 3.2), 3.6))
    place = np.arange(n)
    axes.bar(place, counts.counts[:n] / counts.n_samples, color=BLUE, width=0.8, label="sampled")
    axes.errorbar(
        place, expected, spread, fmt="o", color="black", markersize=3.5, capsize=2, label="exact probability"
    )
    patterns = ["".join(map(str, pattern)) for pattern in counts.patterns[:n]]
    slanted = 90 if n > 8 or len(patterns[0]) > 6 else 0
    axes.set_xticks(place, patterns, rotation=slanted, family="monospace", fontsize=8)
    shown = "" if n == len(counts.counts) else f", the {n} most frequent patterns of {len(counts.counts)}"
    title = f"{counts.n_samples:,} samples{shown}"
    finish(axes, title, xlabel="pattern", ylabel="share of the samples", ylim=(0, None))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.margins(x=0.02)
    return figure


def bars(
    groups: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    baseline: str,
    *,
    unit: str = "",
    title: str = "",
    ax: Ax = None,
    figsize: Size = None,
) -> Figure:
    """Groups of horizontal bars: how many times as large numbers are as those of a baseline.

    Parameters
    ----------
    groups : sequence of str
        Names of the groups.
    values : mapping of str to sequence of float or None
        For every series a positive number per group, None for none.
    baseline : str
        The series that the lengths of the bars are in units of; it has a number for every group.
    unit : str
        What the numbers are: stands behind each.
    title, ax, figsize
        See `rbmfast.plots`.

    Examples
    --------
    >>> from rbmfast import plots
    >>> len(plots.bars(["CD-1"], {"ours": [90e3], "theirs": [20e3]}, "theirs", unit="samples/s").axes)
    1
    """
    numbers = np.array(list(values.values()), np.float64)
    ratios = numbers / np.array(values[baseline], np.float64)
    there = ~np.isnan(numbers)
    sizes = there.sum(axis=0)  # of the groups, between which there is room for a bar
    tops, total = np.cumsum(sizes + 1) - (sizes + 1), np.sum(sizes + 1)
    places = tops + np.cumsum(there, axis=0) - 1
    figure, (axes,) = subplots(1, ax, figsize, (10.0, 1.0 + 0.2 * total))
    axes.set_prop_cycle(color=SERIES)
    short = matplotlib().ticker.EngFormatter(sep="")
    for i, name in enumerate(values):
        shown = there[i]
        drawn = axes.barh(places[i, shown], ratios[i, shown], 0.88, label=name)
        pairs = zip(ratios[i, shown], numbers[i, shown], strict=True)
        texts = [f"  {ratio:.1f} \u00d7  ({short(float(f'{number:.3g}'))} {unit})" for ratio, number in pairs]
        axes.bar_label(drawn, texts, fontsize=8)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.3)  # room for the texts
    axes.set_yticks(tops + (sizes - 1) / 2, list(groups))
    finish(axes, title, xlabel=f"times as fast as {baseline}", ylim=(total - 1.4, -0.6))  # downwards
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.grid(axis="y", visible=False)
    return figure
