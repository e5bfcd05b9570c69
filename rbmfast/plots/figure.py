"""Where everything is drawn: figures and axes, and what all drawings have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Ax: TypeAlias = Axes | Sequence[Axes] | None
    Size: TypeAlias = tuple[float, float] | None
    Shape: TypeAlias = tuple[int, int] | None

BLUE, RED, GREEN, YELLOW = "#4477aa", "#ee6677", "#228833", "#ccbb44"  # tell apart also for the colour-blind
DPI = 120


def matplotlib() -> Any:
    """Matplotlib, only when it is needed."""
    try:
        import matplotlib as mpl
        import matplotlib.figure
        import matplotlib.ticker
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'rbmfast[plots]'") from error
    return mpl


def subplots(
    n: int, ax: Ax, figsize: Size, fitting: tuple[float, float], columns: int = 1, **layout: Any
) -> tuple[Figure, list[Axes]]:
    """`n` sets of axes and their figure: the caller's, or in lines of `columns` on a figure of their own."""
    if ax is None:
        figure: Figure = matplotlib().figure.Figure(figsize or fitting, dpi=DPI, layout="constrained")
        grid = figure.subplots(-(-n // columns), columns, squeeze=False, **layout).reshape(-1)
        for surplus in grid[n:]:
            surplus.remove()
        return figure, list(grid[:n])
    if figsize is not None:
        raise ValueError("figsize must not be given with ax, whose figure has a size")
    given = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(given) != n or not all(hasattr(axes, "get_subplotspec") for axes in given):
        found = len(given) if len(given) != n else repr(ax)
        raise ValueError(f"ax must be {n} set{'s' if n > 1 else ''} of axes of matplotlib, got {found}")
    return given[0].figure, given


def set_title(axes: Axes, title: str) -> None:
    """Above the axes."""
    axes.set_title(title, fontsize=11)


def finish(axes: Axes, title: str, **labels: Any) -> None:
    """A title, names of both directions and what else `Axes.set` takes; a light grid behind, and no frame."""
    set_title(axes, title)
    axes.set(**labels)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def legend_below(axes: Axes) -> None:
    """Beside the curves there is no room that is always free."""
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)
