"""Whether the model is right, and its samples are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import check_integer
from rbmfast.data import as_rows
from rbmfast.likelihood import ChainDiagnostics, autocorrelations
from rbmfast.likelihood.comparison import covariances_of
from rbmfast.likelihood.result import LogPartition, log_mean_exp
from rbmfast.plots.figure import BLUE, RED, finish, legend_below, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rbmfast.plots.figure import Ax, Size

BINS = 50
LINES = 12  # chains of a kind that are drawn
UNITS = 1000  # whose pairs are drawn
DOTS = 5000  # pairs that are drawn as dots; more are counted in hexagons


def free_energies(
    data: ArrayLike, samples: ArrayLike, *, title: str = "", ax: Ax = None, figsize: Size = None
) -> Figure:
    """Histograms of the free energies of data and of samples: alike if the model is right and has mixed.

    Parameters
    ----------
    data, samples : array_like (n_rows,), (n_samples,)
        Free energies in nats, as from `RBM.free_energy` or `rbmfast.compare_samples`.
    title, ax, figsize
        See `rbmfast.plots`.

    Raises
    ------
    ValueError
        Not 1-D, empty or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> x = np.random.default_rng(0).normal(size=(2, 1000))
    >>> len(plots.free_energies(*x).axes)
    1
    """
    groups = {"data": _numbers(data, "data"), "samples": _numbers(samples, "samples")}
    edges = _edges(*groups.values())
    figure, (axes,) = subplots(1, ax, figsize, (6.0, 3.6))
    for colour, (name, values) in zip((BLUE, RED), groups.items(), strict=True):
        label = f"{name}: {len(values):,}, mean {values.mean():.1f}"
        shares = np.histogram(values, edges)[0] / len(values)
        axes.stairs(shares, edges, color=colour, alpha=0.25, fill=True)
        axes.stairs(shares, edges, color=colour, linewidth=1.6, label=label)
    title = title or "Free energies of data and of samples"
    finish(axes, title, xlabel="free energy (nats)", ylabel="share of the rows")
    legend_below(axes)
    return figure


def chains(diagnostics: ChainDiagnostics, *, ax: Ax = None, figsize: Size = None) -> Figure:
    """Free energies along chains, and how long they are remembered.

    Parameters
    ----------
    diagnostics : ChainDiagnostics
        From `rbmfast.chain_diagnostics`.
    ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With two sets of axes: at most 12 chains from data and 12 from random starts, the warm-up shaded; and
        the autocorrelation after the warm-up, with the autocorrelation time if it is known.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> found = rf.chain_diagnostics(rf.RBM(16, 8, seed=0), n_chains=4, steps=100, seed=1)
    >>> len(plots.chains(found).axes)
    2
    """
    figure, (left, right) = subplots(2, ax, figsize, (10.0, 3.6), columns=2, width_ratios=(3, 2))
    _traces(left, diagnostics)
    _memory(right, diagnostics)
    for axes in (left, right):
        axes.margins(x=0.01)
        legend_below(axes)
    return figure


def _traces(axes: Axes, found: ChainDiagnostics) -> None:
    trace, split = found.free_energy, found.n_from_data
    steps = found.every * np.arange(1, len(trace) + 1)
    groups = ((trace[:, :split], BLUE, "data"), (trace[:, split:], RED, "random states"))
    for i in range(LINES):  # by turns, so that neither covers the other
        for group, colour, name in groups:
            n = group.shape[1]
            if i < n:
                shown = f"{LINES} of {n} " if n > LINES else ""
                label = f"{shown}from {name}" if i == 0 else ""
                axes.plot(steps, group[:, i], color=colour, linewidth=0.6, alpha=0.6, label=label)
    axes.axvspan(0, found.every * found.n_warm_up, color="0.9", zorder=0, label="warm-up")
    title = f"R-hat {found.r_hat:.3f} after the warm-up"
    finish(axes, title, xlabel="Gibbs steps", ylabel="free energy (nats)")


def _memory(axes: Axes, found: ChainDiagnostics) -> None:
    kept = found.free_energy[found.n_warm_up :]
    time = found.autocorrelation_time
    known = math.isfinite(time)
    most = len(kept) // 2
    if known:
        most = min(most, max(10, math.ceil(8 * time / found.every)))
    correlations = (np.ones(len(kept)) if np.ptp(kept) == 0 else autocorrelations(kept))[: most + 1]
    axes.axhline(0.0, color="0.6", linewidth=0.8)
    lags = found.every * np.arange(most + 1)
    axes.plot(lags, correlations, color=BLUE, linewidth=1.6, label="autocorrelation")
    if known:
        axes.axvline(time, color="black", linestyle="--", linewidth=1.0, label=f"time {time:.3g} steps")
        title = f"{found.ess:,.0f} effective of {kept.size:,} free energies"
    else:
        title = "Too short to tell the autocorrelation time"
    ylim = (min(-0.1, correlations.min()), 1.05)
    finish(axes, title, xlabel="lag (Gibbs steps)", ylabel="autocorrelation", ylim=ylim)


def moments(
    X: Any, samples: Any, n: int = UNITS, *, cmap: str = "viridis", ax: Ax = None, figsize: Size = None
) -> Figure:
    """Means and covariances of units in samples against those in data: on the diagonal where they agree.

    Parameters
    ----------
    X : (n_rows, n_visible)
        Data, any container.
    samples : (n_samples, n_visible)
        Samples, any container.
    n : int, default 1000
        Covariances of at most so many units, spread evenly over all.
    cmap, ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With two sets of axes, and a third for a colour bar where pairs are too many to be drawn one by one.

    Raises
    ------
    TypeError, ValueError
        Bad data, or fewer than 2 rows.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> X = np.random.default_rng(0).integers(0, 2, (100, 6))
    >>> len(plots.moments(X, X[::2]).axes)
    2
    """
    data = as_rows(X, domain="real", name="X")
    drawn = as_rows(samples, data.n_features, domain="real", name="samples")
    for rows, name in ((data, "X"), (drawn, "samples")):
        if rows.n_rows < 2:
            raise ValueError(f"{name} must have at least 2 rows, got {rows.n_rows}")
    n = min(check_integer(n, "n", low=1), data.n_features)
    units = np.linspace(0, data.n_features - 1, n).round().astype(np.int64)
    (x, cx), (y, cy) = (covariances_of(rows, units) for rows in (data, drawn))
    first, second = np.triu_indices(n, 1)
    figure, (left, right) = subplots(2, ax, figsize, (9.6, 4.4), columns=2)
    left.plot(x, y, ".", color=BLUE, markersize=4, alpha=0.6)
    pairs, others = cx[first, second], cy[first, second]
    if len(pairs) > DOTS:
        grid = right.hexbin(pairs, others, gridsize=60, bins="log", mincnt=1, cmap=cmap, linewidths=0.1)
        figure.colorbar(grid, ax=right, label="pairs")
    else:
        right.plot(pairs, others, ".", color=BLUE, markersize=4, alpha=0.6)
    titles = f"Means of {len(x):,} units", f"Covariances of {len(pairs):,} pairs of units"
    for axes, title in zip((left, right), titles, strict=True):
        axes.axline((0.0, 0.0), slope=1.0, color=RED, linewidth=1.0)
        finish(axes, title, xlabel="data", ylabel="samples")
    return figure


def ais_weights(
    log_weights: ArrayLike | LogPartition, *, title: str = "", ax: Ax = None, figsize: Size = None
) -> Figure:
    """What each chain of annealed importance sampling says of log Z: close together if there are enough.

    Parameters
    ----------
    log_weights : LogPartition or array_like (n_chains,)
        From `rbmfast.log_partition`, of "bracket" the chains of both directions; or log-weights in nats.
    title, ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        A line is the estimate, the logarithm of the mean weight (reverse: of the mean inverse). It lies right
        (left) of the middle, far where few chains carry it; both lines meet if the chains have mixed.

    Raises
    ------
    ValueError
        Not 1-D, empty or not finite; an exact log Z.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.ais_weights(np.random.default_rng(0).normal(size=100)).axes)
    1
    """
    parts: dict[str, Any] = {"ais": log_weights}
    if isinstance(log_weights, LogPartition):
        if log_weights.method == "exact":
            raise ValueError("log_weights must be those of annealing, got an exact log Z")
        parts = {part.method: part.log_weights for part in log_weights.parts or (log_weights,)}
    groups = {method: _numbers(weights, "log_weights") for method, weights in parts.items()}
    edges = _edges(*groups.values())
    figure, (axes,) = subplots(1, ax, figsize, (6.0, 3.6))
    effective = []
    for (method, log_w), colour in zip(groups.items(), (BLUE, RED), strict=False):
        sign, name = (-1, "reverse") if method == "reverse_ais" else (1, "forward")
        estimate, _, ess = log_mean_exp(sign * log_w)
        effective.append(f"{ess:,.1f}")
        label = f"{name if len(groups) > 1 else 'log of the mean weight'}: {sign * estimate:.2f}"
        axes.hist(log_w, bins=edges, color=colour, alpha=0.5)
        axes.axvline(sign * estimate, color=colour, linewidth=1.6, label=label)
    title = title or f"{len(log_w):,} chains, {' and '.join(effective)} effective"
    finish(axes, title, xlabel="log weight (nats)", ylabel="chains")
    legend_below(axes)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", nbins=5)  # the numbers may be long
    return figure


def swap_rates(betas: ArrayLike, rates: ArrayLike, *, ax: Ax = None, figsize: Size = None) -> Figure:
    """How often neighbours on a ladder of temperatures swap their states: evenly often on a good one.

    Parameters
    ----------
    betas : array_like (n,)
        Inverse temperatures, ascending or descending.
    rates : array_like (n - 1,)
        Share of the proposed swaps of betas i and i + 1 that were accepted, from 0 to 1.
    ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With one set of axes. Where a rate is near 0 the ladder is broken: more betas belong there.

    Raises
    ------
    ValueError
        Wrong shapes, rates outside [0, 1], or betas in no order.

    Examples
    --------
    >>> from rbmfast import plots
    >>> len(plots.swap_rates([0.0, 0.5, 1.0], [0.4, 0.2]).axes)
    1
    """
    betas, rates = _numbers(betas, "betas"), _numbers(rates, "rates")
    if len(rates) != len(betas) - 1:
        raise ValueError(f"rates must be one fewer than betas, got {len(rates)} and {len(betas)}")
    if rates.min() < 0 or rates.max() > 1:
        raise ValueError(f"rates must lie from 0 to 1, got {rates.min():g} to {rates.max():g}")
    if len({*np.sign(np.diff(betas))}) != 1 or betas[0] == betas[1]:
        raise ValueError("betas must ascend or descend")
    if betas[0] > betas[1]:
        betas, rates = betas[::-1], rates[::-1]
    figure, (axes,) = subplots(1, ax, figsize, (6.0, 3.6))
    axes.bar(
        betas[:-1], rates, width=np.diff(betas), align="edge", color=BLUE, edgecolor="white", linewidth=0.8
    )
    least = int(np.argmin(rates))
    label = f"least: {rates[least]:.2f}, between {betas[least]:.3g} and {betas[least + 1]:.3g}"
    axes.axhline(rates[least], color=RED, linestyle="--", linewidth=1.0, label=label)
    title = f"Swaps on a ladder of {len(betas)} temperatures"
    finish(axes, title, xlabel="inverse temperature beta", ylabel="share of swaps accepted", ylim=(0, 1))
    legend_below(axes)
    axes.margins(x=0.01)
    return figure


def _edges(*groups: NDArray[np.float64]) -> list[float]:
    """Of bars for all groups: so many that, for the smallest, a bar is no mere chance."""
    bins = min(BINS, max(5, round(3 * math.pow(min(map(len, groups)), 1 / 3))))
    return list(np.histogram_bin_edges(np.concatenate(groups), bins=bins))


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be 1-D and not empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array
