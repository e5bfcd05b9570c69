"""Pictures of models, samples and runs. Needs matplotlib: ``pip install 'rbmfast[plots]'``.

Every function returns a `matplotlib.figure.Figure`, by default one of its own: ``figure.savefig("x.png")``
works with and without a screen, and nothing is kept in pyplot. In a notebook the figure shows itself.

>>> import numpy as np
>>> from rbmfast import plots
>>> plots.images(np.eye(16), shape=(4, 4)).savefig("lines.png")

Arguments that many functions have:

- ``shape``: height and width of a small picture, in pixels; needed where that is no square. Groups of units
  that exclude each other have a line each in pictures of a model.
- ``n``: at most so many rows, from the first on.
- ``columns``: pictures side by side.
- ``title``: above it all.
- ``cmap``: the name of a colour map of matplotlib.
- ``ax``: axes of yours to draw into: as many as the function draws into, one or a sequence.
- ``figsize``: width and height in inches of a figure of its own; by default such that all fits.

>>> from matplotlib.figure import Figure
>>> left, right = Figure().subplots(1, 2)
>>> figure = plots.images(np.eye(16), ax=left, cmap="viridis")
>>> plots.images(1 - np.eye(16), ax=right) is figure
True
"""

from rbmfast.plots.curves import bars, learning_curves, pattern_counts, rates
from rbmfast.plots.judging import ais_weights, chains, free_energies, moments, swap_rates
from rbmfast.plots.pictures import (
    ERASED_COLOUR,
    GAP_COLOUR,
    completions,
    filters,
    image_shape,
    images,
    reconstructions,
    samples,
    samples_by_label,
)

__all__ = [
    "ERASED_COLOUR",
    "GAP_COLOUR",
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
    "rates",
    "reconstructions",
    "samples",
    "samples_by_label",
    "swap_rates",
]
