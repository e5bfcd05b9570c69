"""Grids of small pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_integer, check_model
from rbmfast.models import RBM
from rbmfast.plots.figure import DPI, matplotlib, set_title, subplots
from rbmfast.units import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rbmfast.plots.figure import Ax, Shape, Size

Colours: TypeAlias = NDArray[np.float64]  # (..., 3) red, green and blue from 0 to 1

GAP_COLOUR = (0.80, 0.83, 0.87)  # between pictures
ERASED_COLOUR = (0.96, 0.78, 0.52)
GAP = 2  # its width, where the sides of a picture have at least
FINE = 28  # pixels
CELL = 0.5  # inches: the least side of a small picture
BESIDE = 1.3  # inches: for a colour bar and its numbers


def images(
    V: ArrayLike,
    shape: Shape = None,
    n: int = 100,
    *,
    columns: int | None = None,
    title: str = "",
    cmap: str | None = None,
    ax: Ax = None,
    figsize: Size = None,
) -> Figure:
    """Rows of data as a grid of pictures; 1 is black, but for another colour map.

    Parameters
    ----------
    V : array_like (n_rows, n_pixels)
        States, probabilities or grey levels in [0, 1]. Other numbers (Gaussian units) are scaled so that the
        smallest is white and the largest black.
    columns : int, optional
        By default about as many as pictures below each other.
    shape, n, title, cmap, ax, figsize
        See `rbmfast.plots`.

    Raises
    ------
    ValueError
        `V` is not 2-D or empty, or `shape` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.images(np.eye(9), n=4).axes)
    1
    """
    V = _states(V, "V")
    shape = image_shape(V.shape[1], shape)
    V = V[: check_integer(n, "n", low=1)]
    pictures = _ink(V, cmap).reshape(-1, *shape, 3)
    return _picture_grid(pictures, _columns(len(V), shape, columns), title, ax, figsize)[0]


def filters(
    rbm: RBM, shape: Shape = None, n: int = 100, *, cmap: str = "RdBu_r", ax: Ax = None, figsize: Size = None
) -> Figure:
    """The weights of hidden units, each as a picture: red where a unit wants a pixel on, blue where off.

    Parameters
    ----------
    rbm : RBM
        The model. Of a `ClassRBM`, the weights of the features; of a `ConvRBM`, its filters, channels side by
        side, whatever `shape` says.
    n : int, default 100
        At most so many hidden units, those with the longest weight vectors first.
    shape, cmap, ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With one set of axes, and a colour bar inside it.

    Raises
    ------
    ValueError
        `shape` does not fit.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> len(plots.filters(rf.RBM(16, 8, seed=0)).axes)
    1
    """
    check_model(rbm, RBM, "rbm")
    seen, own_shape = rbm._pictured
    shape = own_shape or _shape_of(rbm.features, len(seen), shape)
    strength = np.linalg.norm(seen, axis=0)
    chosen = np.argsort(-strength, kind="stable")[: check_integer(n, "n", low=1)]
    W = seen.T[chosen]
    limit = float(np.quantile(np.abs(W), 0.998)) or 1.0  # a single huge weight must not bleach the rest
    mpl = matplotlib()
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(-limit, limit), cmap)
    pictures = scale.to_rgba(W)[..., :3].reshape(-1, *shape, 3)
    n_all = seen.shape[1]
    shown = "" if len(W) == n_all else f"the {len(W)} strongest of "
    title = f"Weights of {shown}{n_all} {'filters' if own_shape else 'hidden units'}"
    figure, axes = _picture_grid(pictures, _columns(len(W), shape), title, ax, figsize, beside=BESIDE)
    bar = axes.inset_axes((1.02, 0.0, 0.035, 1.0))  # as tall as the pictures
    figure.colorbar(scale, cax=bar, label="weight")
    bar.set_in_layout(ax is not None)  # on a figure of its own there is room for it
    return figure


def samples(
    rbm: RBM,
    shape: Shape = None,
    n: int = 100,
    *,
    steps: int = 1000,
    seed: SeedLike = None,
    states: bool = False,
    **how: Any,
) -> Figure:
    """What the model dreams: the last visible probabilities of independent Gibbs chains.

    Parameters
    ----------
    rbm : RBM
        The model.
    n : int, default 100
        Chains, and so pictures.
    steps : int, default 1000
        Gibbs steps of each chain.
    seed : int, Generator or None
        As for `RBM.sample`.
    states : bool, default False
        Show the sampled visible states instead of the probabilities that they are drawn from.
    shape, **how
        See `rbmfast.plots`: as for `images`.

    Raises
    ------
    TypeError, ValueError
        Bad arguments.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast import plots
    >>> len(plots.samples(rf.RBM(16, 8, seed=0), n=4, steps=10, seed=1).axes)
    1
    """
    shape = _shape_of(rbm.visible, rbm.n_visible, shape)  # before the long part
    v, h = rbm.sample(n, steps=steps, seed=seed, return_hidden=True)
    title = f"Samples of the model after {steps:,} Gibbs steps"
    return images(v if states else rbm.visible_probabilities(h), shape, n, **{"title": title, **how})


def samples_by_label(
    V: ArrayLike,
    labels: ArrayLike,
    shape: Shape = None,
    n: int = 10,
    *,
    title: str = "Samples of each label",
    cmap: str | None = None,
    ax: Ax = None,
    figsize: Size = None,
) -> Figure:
    """Rows of data or samples, a line of pictures for each label that they have.

    Parameters
    ----------
    V : array_like (n_rows, n_pixels)
        As for `images`.
    labels : int array_like (n_rows,)
        Of the rows.
    n : int, default 10
        At most so many pictures of each label, from the first on.
    shape, title, cmap, ax, figsize
        See `rbmfast.plots`.

    Raises
    ------
    ValueError
        `V` is not 2-D or empty, or `labels` or `shape` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.samples_by_label(np.eye(9), np.arange(9) % 3).axes)
    1
    """
    V = _states(V, "V")
    shape = image_shape(V.shape[1], shape)
    numbers = np.asarray(labels)
    if numbers.shape != V.shape[:1]:
        raise ValueError(f"labels must have the shape {V.shape[:1]}, one a row of V, got {numbers.shape}")
    n, ink = check_integer(n, "n", low=1), _ink(V, cmap)
    lines = {str(label): ink[numbers == label][:n] for label in np.unique(numbers)}
    n = max(map(len, lines.values()))
    for label, line in lines.items():  # white where a label has fewer rows
        lines[label] = np.pad(line, ((0, n - len(line)), (0, 0), (0, 0)), constant_values=1.0)
    return _bands(lines, shape, n, n, title, ax, figsize)


def reconstructions(
    V: ArrayLike,
    R: ArrayLike,
    shape: Shape = None,
    n: int = 30,
    *,
    columns: int = 15,
    title: str = "Data and reconstructions",
    cmap: str | None = None,
    ax: Ax = None,
    figsize: Size = None,
) -> Figure:
    """Rows of data, and below each what the model makes of it (`RBM.reconstruct`).

    Parameters
    ----------
    V, R : array_like (n_rows, n_pixels)
        Data and reconstructions.
    shape, n, columns, title, cmap, ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With one set of axes for every `columns` rows.

    Raises
    ------
    ValueError
        `V` and `R` are of different shapes or no images.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast import plots
    >>> len(plots.reconstructions(np.eye(16), np.eye(16), columns=8).axes)
    2
    """
    V, R = _states(V, "V"), _states(R, "R", like=V)
    bands = {"data": _ink(V, cmap), "reconstruction": _ink(R, cmap)}
    return _bands(bands, image_shape(V.shape[1], shape), n, columns, title, ax, figsize)


def completions(
    V: ArrayLike,
    missing: ArrayLike,
    completed: ArrayLike,
    shape: Shape = None,
    n: int = 30,
    *,
    columns: int = 15,
    title: str = "Completing what is missing",
    cmap: str | None = None,
    ax: Ax = None,
    figsize: Size = None,
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
    shape, n, columns, title, cmap, ax, figsize
        See `rbmfast.plots`.

    Returns
    -------
    matplotlib Figure
        With one set of axes for every `columns` rows.

    Raises
    ------
    ValueError
        The arrays do not fit together, or are no images.

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
    original = _ink(V, cmap)
    erased = original.copy()
    erased[np.broadcast_to(mask, V.shape)] = ERASED_COLOUR
    bands = {"original": original, "erased": erased, "completed": _ink(completed, cmap)}
    return _bands(bands, image_shape(V.shape[1], shape), n, columns, title, ax, figsize)


def image_shape(n_pixels: int, shape: Shape = None) -> tuple[int, int]:
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


def _shape_of(unit: Unit, n_units: int, shape: Shape) -> tuple[int, int]:
    """`image_shape`; of groups of one size a line for each, unless said otherwise."""
    sizes = {site.stop - site.start for site in unit.sites(n_units)}
    if shape is None and len(sizes) == 1 and sizes != {1}:
        size = sizes.pop()
        return n_units // size, size
    return image_shape(n_units, shape)


def _states(values: ArrayLike, name: str, like: Colours | None = None) -> Colours:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be 2-D (n_rows, n_pixels) and not empty, got shape {array.shape}")
    if like is not None and array.shape != like.shape:
        raise ValueError(f"{name} must have the shape {like.shape} of V, got {array.shape}")
    return array


def _ink(values: Colours, cmap: str | None) -> Colours:
    """Colours of numbers: from 0, white, to 1, black, or along a colour map; others are scaled to that."""
    mpl = matplotlib()
    limits = (0, 1) if values.min() >= 0 and values.max() <= 1 else (values.min(), values.max())
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(*limits), cmap or "gray_r")
    colours: Colours = scale.to_rgba(values)[..., :3]
    return colours


def _columns(n: int, shape: tuple[int, int], columns: int | None = None) -> int:
    if columns is not None:
        return min(n, check_integer(columns, "columns", low=1))
    height, width = shape
    return min(n, math.ceil(math.sqrt(n * height / width)))


def _mosaic(pictures: Colours, columns: int) -> Colours:
    """Pictures (n, height, width, 3) as one, with thin lines around each."""
    n, height, width, _ = pictures.shape
    zoom = math.ceil(FINE / min(height, width))  # so that a line is thinner than the pixels of small pictures
    high, wide = height * zoom + GAP, width * zoom + GAP
    canvas = np.ones((math.ceil(n / columns) * high + GAP, columns * wide + GAP, 3))
    for i, picture in enumerate(pictures.repeat(zoom, axis=1).repeat(zoom, axis=2)):
        top, left = i // columns * high, i % columns * wide
        canvas[top : top + high + GAP, left : left + wide + GAP] = GAP_COLOUR
        canvas[top + GAP : top + high, left + GAP : left + wide] = picture
    return canvas


def _cell(height: int, width: int) -> tuple[float, float]:
    """Height and width in inches: no less than `CELL`, and no pixel less than two dots; and thin lines."""
    inch = max(CELL / min(height, width), 2 / DPI)
    return height * inch * 1.1, width * inch * 1.1


def _picture_grid(
    pictures: Colours, columns: int, title: str, ax: Ax, figsize: Size, beside: float = 0.0
) -> tuple[Figure, Axes]:
    """Pictures and a title; on a figure of its own with so many free inches on the right."""
    n, height, width, _ = pictures.shape
    high, wide = _cell(height, width)
    fitting = (max(3.0, columns * wide) + 0.3 + beside, math.ceil(n / columns) * high + 0.5)
    figure, (axes,) = subplots(1, ax, figsize, fitting)
    if ax is None:
        layout: Any = figure.get_layout_engine()
        layout.set(rect=(0.0, 0.0, 1 - beside / figure.get_figwidth(), 1.0))
    _draw(axes, pictures, columns)
    if title:
        set_title(axes, title)
    return figure, axes


def _bands(
    layers: Mapping[str, Colours],
    shape: tuple[int, int],
    n: int,
    columns: int,
    title: str,
    ax: Ax,
    figsize: Size,
) -> Figure:
    """Bands of labelled lines: picture i of every layer below each other."""
    total = min(check_integer(n, "n", low=1), len(next(iter(layers.values()))))
    columns = _columns(total, shape, columns)
    starts = range(0, total, columns)
    high, wide = _cell(*shape)
    fitting = (columns * wide + 1.3, len(starts) * (len(layers) * high + 0.15) + 0.5)
    figure, grid = subplots(len(starts), ax, figsize, fitting)
    for axes, start in zip(grid, starts, strict=True):
        stop = min(start + columns, total)
        lines = [colours[start:stop].reshape(-1, *shape, 3) for colours in layers.values()]
        _draw(axes, np.concatenate(lines), stop - start)
        line = (axes.get_images()[0].get_size()[0] - GAP) / len(layers)
        middles = (np.arange(len(layers)) + 0.5) * line + (GAP - 1) / 2
        axes.set_yticks(middles, list(layers), fontsize=9)
        axes.tick_params(length=0)
        axes.set_anchor("W")
    if ax is None:
        figure.suptitle(title, fontsize=11)
    else:
        set_title(grid[0], title)
    return figure


def _draw(axes: Axes, pictures: Colours, columns: int) -> None:
    axes.imshow(_mosaic(pictures, columns), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
