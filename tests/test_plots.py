"""Figures have the parts that they should have, of any shape; bad input gets a clear error."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import rbmfast as rf

pytest.importorskip("matplotlib")

from rbmfast import plots

V = (np.random.default_rng(0).random((7, 12)) < 0.4).astype(np.uint8)
SHAPE = (3, 4)
RBM = rf.RBM(12, 5, seed=0)


def train(**settings) -> rf.History:
    return rf.train(rf.RBM(12, 3, seed=0), V, epochs=2, seed=1, **settings)


def drawn(figure, n_axes: int):
    """The figure, after it has really been drawn."""
    figure.draw_without_rendering()  # pixels are matplotlib's business; the command's tests write some
    assert len(figure.axes) == n_axes
    return figure


def picture(figure, axes: int = 0) -> np.ndarray:
    (image,) = figure.axes[axes].images
    return np.asarray(image.get_array())


def inks(figure, axes: int = 0) -> set[tuple[float, ...]]:
    return {tuple(pixel) for pixel in picture(figure, axes).reshape(-1, 3).round(6)}


def lines(figure) -> list[str]:
    """Names of the lines of pictures."""
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_rates() -> None:
    found = DRAW[plots.rates][1]
    (axes,) = drawn(found.plot(), 1).axes
    assert axes.get_xscale() == "log"
    assert [*axes.lines[0].get_ydata()][:2] == [*found.values][:2]
    assert [*axes.lines[-1].get_xdata()] == [1e16]  # where it diverged


def test_images() -> None:
    figure = drawn(plots.images(V, SHAPE, title="some"), 1)
    assert figure.axes[0].get_title() == "some"
    assert inks(figure) == {(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), plots.GAP_COLOUR}
    black = (picture(figure) == 0).all(axis=-1).sum()  # where units are on
    zoom = black / V.sum()  # every pixel of every picture is there, and equally large
    assert zoom == int(zoom) > 1
    for columns in (1, 100, None):
        drawn(plots.images(V, SHAPE, columns=columns), 1)
    few, all_of_them = (picture(plots.images(V, SHAPE, n=n, columns=1)) for n in (2, 100))
    assert len(few) < len(all_of_them)
    real = drawn(plots.images(np.array([[-3.0, 5.0, 1.0, 1.0]])), 1)
    assert {(1.0,) * 3, (0.0,) * 3, (round(127 / 255, 6),) * 3} <= inks(real)  # scaled
    drawn(plots.images(np.full((2, 4), 7.0)), 1)
    assert (1.0, 1.0, 1.0) not in inks(plots.images(V, SHAPE, columns=7, cmap="viridis"))


def test_filters() -> None:
    """The strongest come first; of a class RBM, without the weights of its labels."""
    figure = drawn(plots.filters(RBM, SHAPE), 1)
    assert figure.axes[0].get_title() == "Weights of 5 hidden units"
    (bar,) = figure.axes[0].child_axes
    assert bar.get_ylabel() == "weight"
    red, green = (inks(plots.filters(RBM, SHAPE, cmap=name)) for name in ("RdBu_r", "viridis"))
    assert red & green == {plots.GAP_COLOUR, (1.0, 1.0, 1.0)}  # between and after the pictures
    W = np.zeros((4, 3))
    W[:, 1] = 2.0
    figure = plots.filters(rf.RBM.from_arrays(W, np.zeros(4), np.zeros(3)), n=1)
    assert figure.axes[0].get_title() == "Weights of the 1 strongest of 3 hidden units"
    assert len(inks(figure)) == 2  # one colour, and the gaps
    drawn(plots.filters(rf.RBM.from_arrays(np.zeros((4, 3)), np.zeros(4), np.zeros(3))), 1)
    rbm = rf.ClassRBM(12, 5, n_classes=3, seed=0)
    features = rf.RBM.from_arrays(rbm.W[:12], rbm.a[:12], rbm.b)
    assert np.array_equal(picture(plots.filters(rbm, SHAPE)), picture(plots.filters(features, SHAPE)))


def test_groups_have_a_line_each() -> None:
    """Sites by letters, though 16 units would make a square."""
    rbm = rf.RBM(16, 3, visible=rf.Categorical(2), seed=0)
    for picture_of in (plots.filters, lambda rbm, shape=None: plots.samples(rbm, shape, steps=1, seed=1)):
        lines, square = (picture(picture_of(rbm, shape=shape)).shape for shape in (None, (4, 4)))
        assert lines == picture(picture_of(rbm, shape=(8, 2))).shape != square


@pytest.mark.parametrize("states", [False, True])
def test_samples(states: bool) -> None:
    figure = drawn(plots.samples(RBM, SHAPE, n=6, steps=5, seed=1, states=states), 1)
    assert "5 Gibbs steps" in figure.axes[0].get_title()
    assert (len(inks(figure)) == 3) == states
    gaussian = rf.RBM(12, 5, visible="gaussian", seed=0)
    drawn(plots.samples(gaussian, SHAPE, n=2, steps=2, seed=1, states=states), 1)


def test_samples_by_label() -> None:
    labels = np.array([2, 0, 2, 2, 0, 2, 2])
    figure = drawn(plots.samples_by_label(V, labels, SHAPE, n=3), 1)
    assert lines(figure) == ["0", "2"]
    wide, narrow = (picture(plots.samples_by_label(V, labels, SHAPE, n=n)).shape for n in (3, 2))
    assert wide[0] == narrow[0]
    assert wide[1] > narrow[1]
    alone = picture(plots.images(V[1:2], SHAPE))  # the first one of the label 0
    height, width = alone.shape[:2]
    assert np.array_equal(picture(figure)[:height, :width], alone)
    with pytest.raises(ValueError, match=r"labels must have the shape \(7,\)"):
        plots.samples_by_label(V, labels[:6], SHAPE)


def test_bands() -> None:
    R = RBM.reconstruct(V)
    for columns, bands in ((3, 3), (7, 1), (50, 1)):
        figure = drawn(plots.reconstructions(V, R, SHAPE, columns=columns), bands)
        assert lines(figure) == ["data", "reconstruction"]
    missing = np.arange(12) >= 6
    figure = drawn(plots.completions(V, missing, V, SHAPE), 1)
    assert lines(figure) == ["original", "erased", "completed"]
    assert plots.ERASED_COLOUR in inks(figure)
    drawn(plots.completions(V, np.broadcast_to(missing, V.shape), V, SHAPE, n=3, columns=2), 2)


def test_learning_curves() -> None:
    monitors = [rf.ReconstructionError(), rf.FreeEnergyGap(), rf.PseudoLikelihood(), rf.WeightNorm()]
    history = train(monitors=monitors, validation=V[:3])
    for source in (history, history.to_dict()):
        figure = plots.learning_curves(source)
        assert [len(axes.lines) for axes in figure.axes] == [2, 1, 2, 1, 1]
        assert all(axes.get_xlabel() == "epoch" and axes.get_ylabel() for axes in figure.axes)
    history = train()
    assert drawn(plots.learning_curves(history), 1).axes[0].get_title() == "Speed"
    drawn(plots.learning_curves(history, ["seconds", "rate"]), 2)
    with pytest.raises(ValueError, match="no column 'rats', only epoch"):
        plots.learning_curves(history, ["rats"])


@pytest.mark.parametrize("n", [3, 32])
def test_pattern_counts(n: int) -> None:
    figure = drawn(plots.pattern_counts(RBM.pattern_counts(V[0], n_samples=500, seed=1), n), 1)
    assert len(figure.axes[0].get_xticklabels()) == n
    assert "500 samples" in figure.axes[0].get_title()


def test_bars() -> None:
    values = {"ours": [4e4, 5e6], "theirs": [1e4, 1e6], "others": [2e4, None]}
    axes = drawn(plots.bars(["big", "small"], values, "theirs", unit="samples/s"), 1).axes[0]
    assert len(axes.patches) == 5
    texts = [text.get_text().strip() for text in axes.texts]
    assert texts[0] == "4.0 \u00d7  (40k samples/s)"
    assert axes.get_xlabel() == "times as fast as theirs"


# --- Is the model right, and are its samples? --------------------------------------------------------------


def legend(figure, axes: int = 0) -> list[str]:
    return [text.get_text() for text in figure.axes[axes].get_legend().get_texts()]


@pytest.mark.parametrize("n", [1, 7, 5000])
def test_free_energies(n: int) -> None:
    data, samples = np.arange(n, dtype=float), np.full(n, 2.0)
    figure = drawn(plots.free_energies(data, samples, title="all of them"), 1)
    assert figure.axes[0].get_title() == "all of them"
    assert legend(figure) == [f"data: {n:,}, mean {(n - 1) / 2:.1f}", f"samples: {n:,}, mean 2.0"]


@pytest.mark.parametrize(("start", "n_chains"), [(None, 4), (V, 40)])
def test_chains(start, n_chains: int) -> None:
    found = rf.chain_diagnostics(RBM, start, n_chains=n_chains, steps=200, seed=1)
    figure = drawn(plots.chains(found), 2)
    left, right = figure.axes
    n = 2 if start is not None else 1
    assert len(left.lines) == min(n_chains, 12 * n)
    assert f"{found.r_hat:.3f}" in left.get_title()
    assert len(legend(figure)) == n + 1
    assert right.get_title().endswith(f"effective of {100 * n_chains:,} free energies")
    assert legend(figure, 1)[1].startswith("time ")
    frozen = rf.RBM.from_arrays(np.zeros((2, 1)), np.full(2, -100.0), [0.0])
    figure = drawn(plots.chains(rf.chain_diagnostics(frozen, n_chains=2, steps=20, seed=1)), 2)
    assert "Too short" in figure.axes[1].get_title()


def test_moments() -> None:
    for n, width, n_axes in ((1, 1, 2), (5, 12, 2), (1000, 120, 3)):
        X = np.tile(V, (2, 10))[:, :width]
        axes = drawn(plots.moments(X, X[::2], n), n_axes).axes
        units = min(n, width)
        assert axes[0].get_title() == f"Means of {width} units"
        assert axes[1].get_title() == f"Covariances of {units * (units - 1) // 2:,} pairs of units"
        assert len(axes[0].lines[0].get_xdata()) == width
    other = 1 - V[:5]
    dots = [axes.lines[0] for axes in drawn(plots.moments(V, other), 2).axes]
    upper = np.triu_indices(12, 1)
    np.testing.assert_allclose(dots[0].get_xdata(), V.mean(axis=0))
    np.testing.assert_allclose(dots[0].get_ydata(), other.mean(axis=0))
    np.testing.assert_allclose(dots[1].get_xdata(), np.cov(V.T)[upper], atol=1e-6)
    np.testing.assert_allclose(dots[1].get_ydata(), np.cov(other.T)[upper], atol=1e-6)


def test_ais_weights() -> None:
    for log_weights in ([3.0], [0.0, -900.0], 450 + np.linspace(-1, 1, 99)):
        figure = drawn(plots.ais_weights(log_weights), 1)
        assert figure.axes[0].get_title().startswith(f"{len(log_weights)} chains, ")
        estimate = np.logaddexp.reduce(log_weights) - np.log(len(log_weights))
        assert legend(figure) == [f"log of the mean weight: {estimate:.2f}"]
    small = rf.RBM.from_arrays(V.T[:, :5] - 0.4, np.zeros(12), np.zeros(5))
    z = rf.log_partition(small, "bracket", n_chains=50, n_temperatures=20, seed=1)
    figure = drawn(plots.ais_weights(z), 1)
    forward, reverse = z.parts
    assert legend(figure) == [f"forward: {forward.value:.2f}", f"reverse: {reverse.value:.2f}"]
    assert figure.axes[0].get_title() == f"50 chains, {forward.ess:.1f} and {reverse.ess:.1f} effective"
    assert legend(plots.ais_weights(reverse)) == [f"log of the mean weight: {reverse.value:.2f}"]
    with pytest.raises(ValueError, match="exact log Z"):
        plots.ais_weights(rf.log_partition(small))


@pytest.mark.parametrize("order", [1, -1])
def test_swap_rates(order: int) -> None:
    figure = drawn(plots.swap_rates([0.0, 0.25, 1.0][::order], [0.9, 0.2][::order]), 1)
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.9, 0.2]
    assert legend(figure) == ["least: 0.20, between 0.25 and 1"]


# --- Where and how -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [16, 50, 128])
def test_the_colour_bar_is_not_cut_off(n: int) -> None:
    figure = drawn(plots.filters(rf.RBM(784, n, seed=0), n=n), 1)
    (bar,) = figure.axes[0].child_axes
    label, width = bar.yaxis.label.get_window_extent(), figure.bbox.width
    assert bar.get_window_extent().x1 < label.x0 < label.x1 < width


# Every function: how many axes it draws into, and a call.
DRAW = {
    plots.images: (1, V, SHAPE),
    plots.filters: (1, RBM, SHAPE),
    plots.samples: (1, RBM, SHAPE, 2),
    plots.samples_by_label: (1, V, np.arange(7), SHAPE),
    plots.reconstructions: (1, V, V, SHAPE),
    plots.completions: (1, V, V == 1, V, SHAPE),
    plots.pattern_counts: (1, RBM.pattern_counts(V[0], n_samples=50, seed=1)),
    plots.bars: (1, ["one"], {"ours": [2.0]}, "ours"),
    plots.free_energies: (1, [1.0], [2.0]),
    plots.ais_weights: (1, [1.0]),
    plots.swap_rates: (1, [0, 1], [0.5]),
    rf.History.plot: (2, train(), ["rate", "seconds"]),
    plots.learning_curves: (1, train()),
    plots.rates: (1, rf.find_rate(rf.RBM(12, 3, seed=0), V, validation=V, rates=[0.1, 1, 1e16], seed=1)),
    plots.chains: (2, rf.chain_diagnostics(RBM, n_chains=2, steps=20, seed=1)),
    plots.moments: (2, V, V),
}


def test_all_are_drawn_here() -> None:
    named = {getattr(plots, name) for name in plots.__all__ if name.islower()}
    assert DRAW.keys() - {rf.History.plot} == named - {plots.image_shape}


@pytest.mark.parametrize("draw", DRAW)
def test_where_and_how_large(draw) -> None:
    """On a figure of its own, of any size, that pyplot never sees; or on axes of the caller."""
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    n, *what = DRAW[draw]
    before = pyplot.get_fignums()
    assert draw(*what, figsize=(5, 4)).get_size_inches().tolist() == [5, 4]
    assert pyplot.get_fignums() == before
    figure = Figure((8, 6))
    axes = figure.subplots(1, n, squeeze=False)[0]
    for ax in ([*axes], axes[0]) if n == 1 else (axes,):
        assert draw(*what, ax=ax) is figure
    assert all(ax.has_data() for ax in axes)
    drawn(figure, n)
    with pytest.raises(ValueError, match=f"ax must be {n} set.* of axes of matplotlib, got {n + 1}"):
        draw(*what, ax=[*axes, 1])
    with pytest.raises(ValueError, match="figsize must not be given with ax"):
        draw(*what, ax=axes, figsize=(2, 2))


# --- What is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.images(V), "12 pixels are no square"),
        (lambda: plots.images(V, (5, 2)), "shape must have 12 pixels in all, got 5 x 2"),
        (lambda: plots.images(V[0], SHAPE), "V must be 2-D"),
        (lambda: plots.images(V[:0], SHAPE), "not empty"),
        (lambda: plots.images(V, SHAPE, n=0), "n must be an integer of at least 1"),
        (lambda: plots.reconstructions(V, V[:2], SHAPE), r"R must have the shape \(7, 12\) of V"),
        (lambda: plots.completions(V, V, V, SHAPE), "missing must be a bool array"),
        (lambda: plots.completions(V, np.ones(3, bool), V, SHAPE), "missing must be a bool array"),
        (lambda: plots.free_energies([], [1.0]), r"data must be 1-D and not empty, got shape \(0,\)"),
        (lambda: plots.free_energies([1.0], [np.nan]), "samples must be finite"),
        (lambda: plots.ais_weights([[1.0]]), "log_weights must be 1-D"),
        (lambda: plots.moments(V, V[:, :3]), r"samples must have 12 features \(columns\), got 3"),
        (lambda: plots.moments(V, V[:1]), "samples must have at least 2 rows, got 1"),
        (lambda: plots.swap_rates([0, 1], [0.1, 0.2]), "rates must be one fewer than betas, got 2 and 2"),
        (lambda: plots.swap_rates([0, 1], [1.5]), "rates must lie from 0 to 1, got 1.5 to 1.5"),
        (lambda: plots.swap_rates([0, 1, 0.5], [0.1, 0.2]), "betas must ascend or descend"),
        (lambda: plots.swap_rates([1, 1], [0.1]), "betas must ascend or descend"),
        (lambda: plots.ais_weights([1.0], ax="left"), "ax must be 1 set of axes of matplotlib, got 'left'"),
    ],
)
def test_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'rbmfast\[plots\]'"):
        plots.images(V, SHAPE)
