"""Pictures of models, samples and runs. Needs matplotlib: ``pip install 'rbmfast[plots]'``.

Every function returns a `matplotlib.figure.Figure` of its own: ``figure.savefig("x.png")`` works with and
without a screen, and nothing is kept in pyplot. In a notebook the figure shows itself.

>>> import numpy as np
>>> import rbmfast as rf
>>> from rbmfast import plots
>>> plots.images(np.eye(16), shape=(4, 4)).savefig("lines.png")
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.data import as_rows
from rbmfast.likelihood import ChainDiagnostics, autocorrelations
from rbmfast.likelihood.comparison import covariances_of
from rbmfast.models import RBM, PatternCounts
from rbmfast.random import SeedLike, check_integer
from rbmfast.training import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ais_weights",
    "bars",
    "chains",
    "completions",
    "filters",
    "free_energies",
    "image_shape",
    "images",
    "learning_curves",
    "moments",
    "pattern_counts",
    "reconstructions",
    "samples",
    "samples_by_label",
    "swap_rates",
]

Colours: TypeAlias = NDArray[np.float64]  # (..., 3) red, green and blue from 0 to 1

BLUE, RED, GREEN, YELLOW = "#4477aa", "#ee6677", "#228833", "#ccbb44"  # tell apart also for the colour-blind
GAP_COLOUR = (0.80, 0.83, 0.87)  # between pictures
ERASED_COLOUR = (0.96, 0.78, 0.52)
GAP = 2  # its width, where the sides of a picture have at least
FINE = 28  # pixels
SERIES = (BLUE, RED, "0.6", GREEN, YELLOW, "#66ccee", "#aa3377")
DPI = 120
CELL = 0.5  # inches: the least side of a small picture
BINS = 50
LINES = 12  # chains of a kind that are drawn
UNITS = 1000  # whose pairs are drawn
DOTS = 5000  # pairs that are drawn as dots; more are counted in hexagons

# Titles and units of what the built-in monitors record.
PANELS = {
    "reconstruction_error": ("Reconstruction error", "mean squared error per unit"),
    "free_energy_gap": ("Free-energy gap, validation - training", "nats per row"),
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


# --- Grids of small pictures -------------------------------------------------------------------------------


def images(
    V: ArrayLike,
    shape: tuple[int, int] | None = None,
    n: int = 100,
    *,
    columns: int | None = None,
    title: str = "",
) -> Figure:
    """Rows of data as a grid of pictures; 1 is black.

    Parameters
    ----------
    V : array_like (n_rows, n_pixels)
        States, probabilities or grey levels in [0, 1]. Other numbers (Gaussian units) are scaled so that the
        smallest is white and the largest black.
    shape : (int, int), optional
        Height and width of a picture. Not needed for square ones.
    n : int, default 100
        At most so many rows, from the first on.
    columns : int, optional
        Pictures side by side; by default about as many as below each other.
    title : str
        Above the grid.

    Returns
    -------
    matplotlib Figure
        With one set of axes.

    Raises
    ------
    ValueError
        `V` is not 2-D or empty, or `shape` does not fit.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.images(np.eye(9), n=4).axes)
    1
    """
    V = _states(V, "V")
    height, width = image_shape(V.shape[1], shape)
    V = V[: check_integer(n, "n", low=1)]
    n_columns = _columns(len(V), height, width, columns)
    colours = _ink(V).reshape(len(V), height, width, 3)
    return _picture_grid(colours, n_columns, title)


def filters(rbm: RBM, shape: tuple[int, int] | None = None, n: int = 100) -> Figure:
    """The weights of hidden units, each as a picture: red where a unit wants a pixel on, blue where off.

    Parameters
    ----------
    rbm : RBM
        The model. Of a `ClassRBM`, the weights of the features.
    shape : (int, int), optional
        Height and width of a picture. Not needed for square ones.
    n : int, default 100
        At most so many hidden units, those with the longest weight vectors first.

    Returns
    -------
    matplotlib Figure
        With one set of axes, and a colour bar inside it.

    Raises
    ------
    ValueError
        `shape` does not fit.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> len(plots.filters(rf.RBM(16, 8, seed=0)).axes)
    1
    """
    mpl = _matplotlib()
    seen = rbm.W[: rbm.n_features]
    height, width = image_shape(len(seen), shape)
    strength = np.linalg.norm(seen, axis=0)
    chosen = np.argsort(-strength, kind="stable")[: check_integer(n, "n", low=1)]
    W = seen.T[chosen]
    limit = float(np.quantile(np.abs(W), 0.998)) or 1.0  # a single huge weight must not bleach the rest
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(-limit, limit), mpl.colormaps["RdBu_r"])
    colours = scale.to_rgba(W, alpha=1.0)[..., :3].reshape(len(W), height, width, 3)
    shown = "" if len(W) == rbm.n_hidden else f"the {len(W)} strongest of "
    title = f"Weights of {shown}{rbm.n_hidden} hidden units"
    figure = _picture_grid(colours, _columns(len(W), height, width, None), title)
    figure.set_figwidth(figure.get_figwidth() + 0.9)
    beside = figure.axes[0].inset_axes((1.02, 0.0, 0.035, 1.0))  # as tall as the pictures
    figure.colorbar(scale, cax=beside, label="weight")
    return figure


def samples(
    rbm: RBM,
    shape: tuple[int, int] | None = None,
    n: int = 100,
    *,
    steps: int = 1000,
    seed: SeedLike = None,
    states: bool = False,
) -> Figure:
    """What the model dreams: the last visible probabilities of independent Gibbs chains.

    Parameters
    ----------
    rbm : RBM
        The model.
    shape : (int, int), optional
        Height and width of a picture. Not needed for square ones.
    n : int, default 100
        Chains, and so pictures.
    steps : int, default 1000
        Gibbs steps of each chain.
    seed : int, Generator or None
        As for `RBM.sample`.
    states : bool, default False
        Show the sampled visible states instead of the probabilities that they are drawn from.

    Returns
    -------
    matplotlib Figure
        With one set of axes.

    Raises
    ------
    TypeError, ValueError
        Bad arguments.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> len(plots.samples(rf.RBM(16, 8, seed=0), n=4, steps=10, seed=1).axes)
    1
    """
    image_shape(rbm.n_visible, shape)  # before the long part
    v, h = rbm.sample(n, steps=steps, seed=seed, return_hidden=True)
    title = f"Samples of the model after {steps:,} Gibbs steps"
    return images(v if states else rbm.visible_probabilities(h), shape, n, title=title)


def samples_by_label(
    V: ArrayLike,
    labels: ArrayLike,
    shape: tuple[int, int] | None = None,
    n: int = 10,
    *,
    title: str = "Samples of each label",
) -> Figure:
    """Rows of data or samples, a line of pictures for each label that they have.

    Parameters
    ----------
    V : array_like (n_rows, n_pixels)
        As for `images`.
    labels : int array_like (n_rows,)
        Of the rows.
    shape : (int, int), optional
        Height and width of a picture. Not needed for square ones.
    n : int, default 10
        At most so many pictures of each label, from the first on.
    title : str
        Above it all.

    Returns
    -------
    matplotlib Figure
        With one set of axes.

    Raises
    ------
    ValueError
        `V` is not 2-D or empty, or `labels` or `shape` does not fit.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.samples_by_label(np.eye(9), np.arange(9) % 3).axes)
    1
    """
    V = _states(V, "V")
    height, width = image_shape(V.shape[1], shape)
    numbers = np.asarray(labels)
    if numbers.shape != V.shape[:1]:
        raise ValueError(f"labels must have the shape {V.shape[:1]}, one a row of V, got {numbers.shape}")
    n = check_integer(n, "n", low=1)
    lines = {label: np.flatnonzero(numbers == label)[:n] for label in np.unique(numbers)}
    columns, ink = max(map(len, lines.values())), _ink(V)
    colours = np.ones((len(lines), columns, height, width, 3))  # white where a label has fewer rows
    for line, rows in zip(colours, lines.values(), strict=True):
        line[: len(rows)] = ink[rows].reshape(-1, height, width, 3)
    figure = _picture_grid(colours.reshape(-1, height, width, 3), columns, title)
    middles = _mosaic(colours[:, 0], 1)[1]
    figure.axes[0].set_yticks(middles, [str(label) for label in lines], fontsize=9)
    figure.axes[0].tick_params(length=0)
    return figure


def reconstructions(
    V: ArrayLike,
    R: ArrayLike,
    shape: tuple[int, int] | None = None,
    n: int = 30,
    *,
    columns: int = 15,
    title: str = "Data and reconstructions",
) -> Figure:
    """Rows of data, and below each what the model makes of it (`RBM.reconstruct`).

    Parameters
    ----------
    V, R : array_like (n_rows, n_pixels)
        Data and reconstructions.
    shape : (int, int), optional
        Height and width of a picture. Not needed for square ones.
    n : int, default 30
        At most so many rows, from the first on.
    columns : int, default 15
        Pictures side by side.
    title : str
        Above it all.

    Returns
    -------
    matplotlib Figure
        With one set of axes for every `columns` rows.

    Raises
    ------
    ValueError
        `V` and `R` are of different shapes or no images.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.reconstructions(np.eye(16), np.eye(16), columns=8).axes)
    2
    """
    V, R = _states(V, "V"), _states(R, "R", like=V)
    bands = {"data": _ink(V), "reconstruction": _ink(R)}
    return _bands(bands, image_shape(V.shape[1], shape), n, columns, title)


def completions(
    V: ArrayLike,
    missing: ArrayLike,
    completed: ArrayLike,
    shape: tuple[int, int] | None = None,
    n: int = 30,
    *,
    columns: int = 15,
    title: str = "Completing what is missing",
) -> Figure:
    """Rows of data: whole, with a part erased, and with that part filled in (`RBM.impute`).

    Parameters
    ----------
    V : array_like (n_rows, n_pixels)
        The original data.
    missing : bool array_like (n_rows, n_pixels) or (n_pixels,)
        True where it was erased.
    completed : array_like (n_rows, n_pixels)
        What was filled in.
    shape : (int, int), optional
        Height and width of a picture. Not needed for square ones.
    n : int, default 30
        At most so many rows, from the first on.
    columns : int, default 15
        Pictures side by side.
    title : str
        Above it all.

    Returns
    -------
    matplotlib Figure
        With one set of axes for every `columns` rows.

    Raises
    ------
    ValueError
        The arrays do not fit together, or are no images.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> V = np.eye(9)
    >>> len(plots.completions(V, np.arange(9) > 4, V).axes)
    1
    """
    V, completed = _states(V, "V"), _states(completed, "completed", like=V)
    mask = np.asarray(missing)
    if mask.dtype != np.bool_ or mask.shape not in (V.shape, V.shape[1:]):
        raise ValueError(f"missing must be a bool array of the shape {V.shape} of V, got {mask.shape}")
    erased = _ink(V)
    erased[np.broadcast_to(mask, V.shape)] = ERASED_COLOUR
    bands = {"original": _ink(V), "erased": erased, "completed": _ink(completed)}
    return _bands(bands, image_shape(V.shape[1], shape), n, columns, title)


def image_shape(n_pixels: int, shape: tuple[int, int] | None = None) -> tuple[int, int]:
    """Height and width of a picture with `n_pixels` pixels: `shape`, checked, or else a square.

    Parameters
    ----------
    n_pixels : int
        Pixels.
    shape : (int, int), optional
        What is wanted.

    Returns
    -------
    (int, int)

    Raises
    ------
    ValueError
        `shape` has another number of pixels, or is needed since there is no such square.

    Examples
    --------
    >>> from rbmfast.plots import image_shape
    >>> image_shape(784)
    (28, 28)
    """
    if shape is None:
        side = math.isqrt(n_pixels)
        if side * side != n_pixels:
            raise ValueError(f"shape must be given: {n_pixels} pixels are no square")
        return side, side
    height, width = (check_integer(side, "a side in shape", low=1) for side in shape)
    if height * width != n_pixels:
        raise ValueError(f"shape must have {n_pixels} pixels in all, got {height} x {width}")
    return height, width


def _states(values: ArrayLike, name: str, like: Colours | None = None) -> Colours:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be 2-D (n_rows, n_pixels) and not empty, got shape {array.shape}")
    if like is not None and array.shape != like.shape:
        raise ValueError(f"{name} must have the shape {like.shape} of V, got {array.shape}")
    return array


def _ink(values: Colours) -> Colours:
    """Colours of numbers: 0 is white and 1 black; other ranges are scaled to that."""
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        values = (values - low) / (high - low if high > low else 1.0)
    return np.repeat(1.0 - values[..., None], 3, axis=-1)


def _columns(n: int, height: int, width: int, columns: int | None) -> int:
    if columns is not None:
        return min(n, check_integer(columns, "columns", low=1))
    return min(n, math.ceil(math.sqrt(n * height / width)))


def _mosaic(colours: Colours, columns: int) -> tuple[Colours, list[float]]:
    """Pictures (n, height, width, 3) as one, with thin lines around each; and the middle of every line."""
    n, height, width, _ = colours.shape
    zoom = math.ceil(FINE / min(height, width))  # so that a line is thinner than the pixels of small pictures
    height, width = height * zoom, width * zoom
    rows = math.ceil(n / columns)
    canvas = np.ones((GAP + rows * (height + GAP), GAP + columns * (width + GAP), 3))
    for i, picture in enumerate(colours):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        canvas[top : top + height + 2 * GAP, left : left + width + 2 * GAP] = GAP_COLOUR
        inside = canvas[top + GAP : top + GAP + height, left + GAP : left + GAP + width]
        inside[:] = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    return canvas, [GAP + i * (height + GAP) + (height - 1) / 2 for i in range(rows)]


def _cell(height: int, width: int) -> tuple[float, float]:
    """Height and width in inches: no less than `CELL`, and no pixel less than two dots."""
    inch = max(CELL / min(height, width), 2 / DPI)
    return height * inch, width * inch


def _picture_grid(colours: Colours, columns: int, title: str) -> Figure:
    n, height, width, _ = colours.shape
    high, wide = _cell(height, width)
    size = (max(3.0, columns * wide * 1.1) + 0.3, math.ceil(n / columns) * high * 1.1 + 0.5)
    figure = _figure(size)
    axes = figure.subplots()
    _draw(axes, _mosaic(colours, columns)[0])
    if title:
        axes.set_title(title, fontsize=11)
    return figure


def _bands(layers: Mapping[str, Colours], shape: tuple[int, int], n: int, columns: int, title: str) -> Figure:
    """Bands of labelled lines: picture i of every layer below each other."""
    height, width = shape
    total = min(check_integer(n, "n", low=1), len(next(iter(layers.values()))))
    columns = min(total, check_integer(columns, "columns", low=1))
    starts = range(0, total, columns)
    high, wide = _cell(height, width)
    band_height = len(layers) * high * 1.1 + 0.15
    figure = _figure((columns * wide * 1.1 + 1.3, len(starts) * band_height + 0.5))
    grid = figure.subplots(len(starts), 1, squeeze=False)[:, 0]
    for axes, start in zip(grid, starts, strict=True):
        stop = min(start + columns, total)
        lines = [colours[start:stop].reshape(-1, height, width, 3) for colours in layers.values()]
        mosaic, middles = _mosaic(np.concatenate(lines), stop - start)
        _draw(axes, mosaic)
        axes.set_yticks(middles, list(layers), fontsize=9)
        axes.set_anchor("W")
        axes.tick_params(length=0)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw(axes: Axes, mosaic: Colours) -> None:
    axes.imshow(np.clip(mosaic, 0.0, 1.0), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


# --- Curves and bars ---------------------------------------------------------------------------------------


def learning_curves(history: History | Mapping[str, ArrayLike], names: Iterable[str] | None = None) -> Figure:
    """How a run went: what its monitors recorded, against the epoch.

    Parameters
    ----------
    history : History or mapping of str to array_like
        From `rbmfast.train`; or its ``to_dict()``.
    names : iterable of str, optional
        Which columns; by default those of the monitors, or the speed if there are none. ``train_x`` and
        ``validation_x`` share one panel.

    Returns
    -------
    matplotlib Figure
        With one set of axes for each panel.

    Raises
    ------
    ValueError
        A column that does not exist.
    ImportError
        matplotlib is missing.

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
    chosen = [name for name in known if name not in NOT_MONITORED] if names is None else list(names)
    chosen = chosen or ["samples_per_second"]
    for name in chosen:
        if name not in known:
            raise ValueError(f"names: there is no column {name!r}, only {', '.join(known)}")
    panels: dict[str, list[str]] = {}
    for name in chosen:
        panels.setdefault(name.removeprefix("train_").removeprefix("validation_"), []).append(name)

    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = _figure((4.6 * columns, 3.3 * lines))
    grid = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (panel, members) in zip(grid, panels.items(), strict=False):
        for name in members:
            _curve(axes, np.asarray(history["epoch"]), np.asarray(history[name]), name)
        title, unit = PANELS.get(panel, (panel, ""))
        axes.set_title(title, fontsize=11)
        axes.set(xlabel="epoch", ylabel=unit)
        axes.margins(x=0.02)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(members) > 1 or members[0].startswith("validation_"):
            axes.legend(frameon=False)
        _tidy(axes)
    return figure


def _curve(axes: Axes, epochs: NDArray[Any], values: NDArray[Any], name: str) -> None:
    validation = name.startswith("validation_")
    label = "validation" if validation else "training"
    style: dict[str, Any] = {"color": RED if validation else BLUE, "label": label, "linewidth": 1.6}
    if len(epochs) <= 25:
        style["marker"] = "o"
        style["markersize"] = 3.5
    axes.plot(epochs, values, **style)


def pattern_counts(counts: PatternCounts, n: int = 32) -> Figure:
    """How often patterns were sampled, beside how often they should be.

    Parameters
    ----------
    counts : PatternCounts
        From `RBM.pattern_counts`.
    n : int, default 32
        At most so many patterns, the most frequent first.

    Returns
    -------
    matplotlib Figure
        With one set of axes. The error bars are two standard errors of a frequency.

    Raises
    ------
    ImportError
        matplotlib is missing.

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
    figure = _figure((max(4.0, 0.28 * n + 1.5), 3.6))
    axes = figure.subplots()
    place = np.arange(n)
    axes.bar(place, counts.counts[:n] / counts.n_samples, color=BLUE, width=0.8, label="sampled")
    axes.errorbar(
        place, expected, spread, fmt="o", color="black", markersize=3.5, capsize=2, label="exact probability"
    )
    patterns = ["".join(map(str, pattern)) for pattern in counts.patterns[:n]]
    slanted = 90 if n > 8 or len(patterns[0]) > 6 else 0
    axes.set_xticks(place, patterns, rotation=slanted, family="monospace", fontsize=8)
    axes.set(xlabel="pattern", ylabel="share of the samples", ylim=(0, None))
    shown = "" if n == len(counts.counts) else f", the {n} most frequent patterns of {len(counts.counts)}"
    axes.set_title(f"{counts.n_samples:,} samples{shown}", fontsize=11)
    axes.legend(frameon=False)
    axes.margins(x=0.02)
    _tidy(axes)
    return figure


def bars(
    groups: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    baseline: str,
    *,
    unit: str = "",
    title: str = "",
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
    title : str
        Above it all.

    Returns
    -------
    matplotlib Figure
        With one set of axes.

    Raises
    ------
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> from rbmfast import plots
    >>> len(plots.bars(["CD-1"], {"ours": [90e3], "theirs": [20e3]}, "theirs", unit="samples/s").axes)
    1
    """
    bars = [
        [
            (name, number, number / base)
            for name, numbers in values.items()
            if (number := numbers[i]) is not None
        ]
        for i, base in enumerate(values[baseline])
        if base is not None
    ]
    figure = _figure((10.0, 1.0 + 0.2 * sum(len(group) + 1 for group in bars)))
    axes = figure.subplots()
    colours = dict(zip(values, itertools.cycle(SERIES)))
    y, middles = 0, []
    for group in bars:
        middles.append(y + (len(group) - 1) / 2)
        for name, number, ratio in group:
            axes.barh(y, ratio, 0.88, color=colours[name])
            text = f"  {ratio:.1f} \u00d7  ({_short(number)} {unit})"
            axes.annotate(text, (ratio, y), verticalalignment="center_baseline", fontsize=8)
            y += 1
        y += 1  # room between groups
    axes.set_xlim(0, axes.get_xlim()[1] * 1.3)  # room for the texts
    axes.set_yticks(middles, list(groups))
    axes.set_ylim(y - 1.4, -0.6)  # downwards
    axes.set(xlabel=f"times as fast as {baseline}")
    axes.set_title(title, fontsize=11)
    patches = importlib.import_module("matplotlib.patches")
    handles = [patches.Patch(color=colours[name], label=name) for name in values]
    axes.legend(handles=handles, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _tidy(axes)
    axes.grid(axis="y", visible=False)
    return figure


def _short(number: float) -> str:
    """Three digits: 94.3k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


# --- Is the model right, and are its samples? --------------------------------------------------------------


def free_energies(data: ArrayLike, samples: ArrayLike, *, title: str = "") -> Figure:
    """Histograms of the free energies of data and of samples: alike if the model is right and has mixed.

    Parameters
    ----------
    data, samples : array_like (n_rows,), (n_samples,)
        Free energies in nats, as from `RBM.free_energy` or `rbmfast.compare_samples`.
    title : str
        Above it.

    Returns
    -------
    matplotlib Figure
        With one set of axes.

    Raises
    ------
    ValueError
        Not 1-D, empty or not finite.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> x = np.random.default_rng(0).normal(size=(2, 1000))
    >>> len(plots.free_energies(*x).axes)
    1
    """
    groups = {"data": _numbers(data, "data"), "samples": _numbers(samples, "samples")}
    bins = _bins(min(map(len, groups.values())))
    edges = np.histogram_bin_edges(np.concatenate([*groups.values()]), bins=bins)
    figure = _figure((6.0, 3.6))
    axes = figure.subplots()
    for colour, (name, values) in zip((BLUE, RED), groups.items(), strict=True):
        label = f"{name}: {len(values):,}, mean {values.mean():.1f}"
        weights = np.full(len(values), 1 / len(values))
        style: dict[str, Any] = {"bins": edges, "weights": weights, "color": colour}
        axes.hist(values, **style, alpha=0.25)
        axes.hist(values, **style, histtype="step", linewidth=1.6, label=label)
    axes.set(xlabel="free energy (nats)", ylabel="share of the rows")
    axes.set_title(title or "Free energies of data and of samples", fontsize=11)
    _legend_below(axes)
    _tidy(axes)
    return figure


def chains(diagnostics: ChainDiagnostics) -> Figure:
    """Free energies along chains, and how long they are remembered.

    Parameters
    ----------
    diagnostics : ChainDiagnostics
        From `rbmfast.chain_diagnostics`.

    Returns
    -------
    matplotlib Figure
        With two sets of axes: at most 12 chains from data and 12 from random starts, the warm-up shaded; and
        the autocorrelation after the warm-up, with the autocorrelation time if it is known.

    Raises
    ------
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> found = rf.chain_diagnostics(rf.RBM(16, 8, seed=0), n_chains=4, steps=100, seed=1)
    >>> len(plots.chains(found).axes)
    2
    """
    figure = _figure((10.0, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _traces(left, diagnostics)
    _memory(right, diagnostics)
    for axes in (left, right):
        axes.margins(x=0.01)
        _legend_below(axes)
        _tidy(axes)
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
    axes.set(xlabel="Gibbs steps", ylabel="free energy (nats)")
    axes.set_title(f"R-hat {found.r_hat:.3f} after the warm-up", fontsize=11)


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
    axes.set(xlabel="lag (Gibbs steps)", ylabel="autocorrelation", ylim=(min(-0.1, correlations.min()), 1.05))
    axes.set_title(title, fontsize=11)


def moments(X: Any, samples: Any, n: int = UNITS) -> Figure:
    """Means and covariances of units in samples against those in data: on the diagonal where they agree.

    Parameters
    ----------
    X : (n_rows, n_visible)
        Data, any container.
    samples : (n_samples, n_visible)
        Samples, any container.
    n : int, default 1000
        Covariances of at most so many units, spread evenly over all.

    Returns
    -------
    matplotlib Figure
        With two sets of axes, and a third for a colour bar where pairs are too many to be drawn one by one.

    Raises
    ------
    TypeError, ValueError
        Bad data, or fewer than 2 rows.
    ImportError
        matplotlib is missing.

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
    figure = _figure((9.6, 4.4))
    left, right = figure.subplots(1, 2)
    left.plot(x, y, ".", color=BLUE, markersize=4, alpha=0.6)
    left.set_title(f"Means of {len(x):,} units", fontsize=11)
    pairs, others = cx[first, second], cy[first, second]
    if len(pairs) > DOTS:
        grid = right.hexbin(pairs, others, gridsize=60, bins="log", mincnt=1, cmap="viridis", linewidths=0.1)
        figure.colorbar(grid, ax=right, label="pairs")
    else:
        right.plot(pairs, others, ".", color=BLUE, markersize=4, alpha=0.6)
    right.set_title(f"Covariances of {len(pairs):,} pairs of units", fontsize=11)
    for axes in (left, right):
        axes.axline((0.0, 0.0), slope=1.0, color=RED, linewidth=1.0)
        axes.set(xlabel="data", ylabel="samples")
        _tidy(axes)
    return figure


def ais_weights(log_weights: ArrayLike, *, title: str = "") -> Figure:
    """What each chain of annealed importance sampling says of log Z: close together if there are enough.

    Parameters
    ----------
    log_weights : array_like (n_chains,)
        In nats, as in `LogPartition.log_weights`.
    title : str
        Above it; by default the number of chains, and how many carry the estimate.

    Returns
    -------
    matplotlib Figure
        With one set of axes. The line is the logarithm of the mean weight, which is the estimate: it lies
        right of the middle, and far right where few chains carry it.

    Raises
    ------
    ValueError
        Not 1-D, empty or not finite.
    ImportError
        matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.ais_weights(np.random.default_rng(0).normal(size=100)).axes)
    1
    """
    log_w = _numbers(log_weights, "log_weights")
    weights = np.exp(log_w - log_w.max())
    estimate = log_w.max() + math.log(weights.mean())
    effective = weights.sum() ** 2 / (weights**2).sum()
    figure = _figure((6.0, 3.6))
    axes = figure.subplots()
    axes.hist(log_w, bins=_bins(len(log_w)), color=BLUE)
    axes.axvline(estimate, color=RED, linewidth=1.6, label=f"log of the mean weight: {estimate:.2f}")
    axes.set(xlabel="log weight (nats)", ylabel="chains")
    axes.set_title(title or f"{len(log_w):,} chains, {effective:,.1f} effective", fontsize=11)
    _legend_below(axes)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", nbins=5)  # the numbers may be long
    _tidy(axes)
    return figure


def swap_rates(betas: ArrayLike, rates: ArrayLike) -> Figure:
    """How often neighbours on a ladder of temperatures swap their states: evenly often on a good one.

    Parameters
    ----------
    betas : array_like (n,)
        Inverse temperatures, ascending or descending.
    rates : array_like (n - 1,)
        Share of the proposed swaps of betas i and i + 1 that were accepted, from 0 to 1.

    Returns
    -------
    matplotlib Figure
        With one set of axes. Where a rate is near 0 the ladder is broken: more betas belong there.

    Raises
    ------
    ValueError
        Wrong shapes, rates outside [0, 1], or betas in no order.
    ImportError
        matplotlib is missing.

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
    figure = _figure((6.0, 3.6))
    axes = figure.subplots()
    axes.bar(
        betas[:-1], rates, width=np.diff(betas), align="edge", color=BLUE, edgecolor="white", linewidth=0.8
    )
    least = int(np.argmin(rates))
    label = f"least: {rates[least]:.2f}, between {betas[least]:.3g} and {betas[least + 1]:.3g}"
    axes.axhline(rates[least], color=RED, linestyle="--", linewidth=1.0, label=label)
    axes.set(xlabel="inverse temperature beta", ylabel="share of swaps accepted", ylim=(0, 1))
    axes.set_title(f"Swaps on a ladder of {len(betas)} temperatures", fontsize=11)
    _legend_below(axes)
    axes.margins(x=0.01)
    _tidy(axes)
    return figure


def _bins(n: int) -> int:
    """So many for n numbers that a bar is no mere chance."""
    return min(BINS, max(5, round(3 * math.pow(n, 1 / 3))))


def _legend_below(axes: Axes) -> None:
    """Beside the curves there is no room that is always free."""
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be 1-D and not empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


# --- matplotlib, only when it is needed --------------------------------------------------------------------


def _matplotlib() -> Any:
    try:
        mpl = importlib.import_module("matplotlib")
        for part in ("cm", "colors", "figure"):
            importlib.import_module(f"matplotlib.{part}")
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'rbmfast[plots]'") from error
    return mpl


def _figure(size: tuple[float, float]) -> Figure:
    figure: Figure = _matplotlib().figure.Figure(figsize=size, dpi=DPI, layout="constrained")
    return figure
