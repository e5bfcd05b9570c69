"""Convolutional RBMs, against the RBMs that they are with every pair's weight written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import chi2_contingency, chisquare

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.likelihood import all_states, log_probabilities
from rbmfast.streams import Purpose, Stream
from rbmfast.training.phases import contrast

RNG = np.random.default_rng(0)
MODELS: dict[str, dict[str, Any]] = {
    "pooled": {"shape": (3, 3), "n_filters": 2, "filter_shape": (2, 2), "pool": 2},
    "single units, same borders": {
        **{"shape": (2, 4), "n_filters": 1, "filter_shape": (2, 3), "pool": 1, "borders": "same"}
    },
    "channels": {"shape": (2, 2, 2), "n_filters": 2, "filter_shape": (1, 2), "pool": 1},
    "gaussian": {"shape": (3, 3), "n_filters": 2, "filter_shape": 2, "pool": 2, "visible": "gaussian"},
    "float32": {
        "shape": (3, 3),
        "n_filters": 2,
        "filter_shape": 2,
        "pool": 2,
        "visible": rf.Gaussian(grid=None),
    },
    "counts": {"shape": (3, 3), "n_filters": 2, "filter_shape": 2, "pool": 2, "visible": rf.Binomial(2)},
}
BINARY = ("pooled", "single units, same borders", "channels")


def model(name: str) -> rf.ConvRBM:
    rbm, rng = rf.ConvRBM(**MODELS[name], seed=0), np.random.default_rng(1)
    for parameter in "Wab":
        shape = getattr(rbm, parameter).shape
        setattr(rbm, parameter, np.rint(rng.normal(size=shape) * 1024) / 1024)  # exact in fixed point
    return rbm


def rows(rbm: rf.ConvRBM, n: int = 11) -> Any:
    return rbm.gibbs(np.zeros((n, rbm.n_visible)), steps=3, seed=3)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_rbm_of_all_its_weights(name: str) -> None:
    """Same bits where products are exact, as the same integers are added up; else to float32."""
    rbm = model(name)
    whole, V = rbm.unrolled(), rows(rbm)
    H = rbm.sample_hidden(V, seed=1)
    same = (
        assert_array_equal if name != "float32" else lambda x, y: assert_allclose(x, y, rtol=1e-4, atol=1e-5)
    )
    assert H.shape == (len(V), *rbm.map_shape)
    grey = 0.3 * V + 0.2 if name in BINARY else V
    for answer in (
        lambda m: m.hidden_probabilities(V),
        lambda m: m.visible_probabilities(H),
        lambda m: m.reconstruct(grey),
        lambda m: m.sample_visible(H, seed=2),
        lambda m: m.energy(V, H),
        lambda m: m.free_energy(V),
        lambda m: m.gibbs(V.reshape(-1, *rbm.shape), 2, seed=2),
        lambda m: m.sample(5, 3, seed=2),
        lambda m: rf.pseudo_likelihood(m, V),
    ):
        same(answer(rbm), answer(whole))
    assert rf.log_partition(rbm, method="exact").value == rf.log_partition(whole, method="exact").value


@pytest.mark.parametrize("name", BINARY)
def test_energies_and_conditionals_are_those_of_the_definition(name: str) -> None:
    rbm = model(name)
    V, unit = all_states(rbm.n_visible), rbm.hidden
    H = unit.states(rbm.n_hidden, np.arange(unit.count_states(rbm.n_hidden))).reshape(-1, *rbm.map_shape)
    h, w, _ = rbm.shape
    fh, fw = rbm.W.shape[1:3]
    top, left = ((fh - 1) // 2, (fw - 1) // 2) if rbm.map_shape[:2] == (h, w) else (0, 0)
    energies = np.zeros((len(V), len(H)))
    for i, j, k in np.ndindex(*rbm.map_shape):
        x = np.full(len(V), float(rbm.b[k]))
        for dy, dx in np.ndindex(fh, fw):
            y, z = i + dy - top, j + dx - left
            if 0 <= y < h and 0 <= z < w:
                x += V.reshape(-1, *rbm.shape)[:, y, z] @ rbm.W[k, dy, dx].astype(float)
        energies -= np.outer(x, H[:, i, j, k])
    energies -= (V.reshape(-1, *rbm.shape).sum(axis=(1, 2)) @ rbm.a.astype(float))[:, None]

    log_z = logsumexp(-energies)
    assert_allclose(rf.log_partition(rbm, method="exact").value, log_z, rtol=1e-6)
    assert_allclose(rbm.free_energy(V), -logsumexp(-energies, axis=1), rtol=1e-5, atol=1e-5)
    some, others = RNG.integers(0, len(V), 20), RNG.integers(0, len(H), 20)
    assert_allclose(rbm.energy(V[some], H[others]), energies[some, others], rtol=1e-5, atol=1e-5)
    p = np.exp(-energies[some] - logsumexp(-energies[some], axis=1, keepdims=True))
    assert_allclose(rbm.hidden_probabilities(V[some]), np.tensordot(p, H, 1), atol=1e-5)
    blocks = H.reshape(len(H), *(n for size in rbm.pooled_shape[:2] for n in (size, rbm.pool)), -1).any(
        axis=(2, 4)
    )
    assert_allclose(rbm.pooled_probabilities(V[some]), np.tensordot(p, blocks, 1), atol=1e-5)


@pytest.mark.parametrize("name", ["pooled", "channels"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_that_of_the_likelihood(name: str, weighted: bool) -> None:
    """By finite differences of the mean log-likelihood, which the places of a map share."""
    rbm = model(name)
    V, weights = all_states(rbm.n_visible), None
    X = V[RNG.integers(0, len(V), 9)]
    if weighted:
        weights = np.linspace(0.25, 1.75, 9)
    p = np.exp(log_probabilities(rbm))
    conditionals = rbm._conditionals(Stream(0, Purpose.CD))
    top = np.rint(p / p.max() * 4000).astype(int)  # samples of the model: each state as often as is its due
    samples = np.repeat(V, top, axis=0)
    states = [(v, conditionals.up.input(v)) for v in (X, samples)]
    gradient = contrast(conditionals, *states, weights)

    def likelihood() -> float:
        found = -rbm.free_energy(X) - rf.log_partition(rbm, method="exact").value
        return float(np.average(found, weights=weights))

    n_places = rbm.map_shape[0] * rbm.map_shape[1]
    W = gradient.W.reshape(*rbm.W.shape[1:], -1).transpose(3, 0, 1, 2)
    for parameter, found in (("W", W), ("a", gradient.a), ("b", gradient.b)):
        values = getattr(rbm, parameter).copy()
        for index in np.ndindex(*values.shape):
            ends = []
            for step in (2.0**-6, -(2.0**-6)):
                moved = values.copy()
                moved[index] += step
                setattr(rbm, parameter, moved)
                ends.append(likelihood())
            setattr(rbm, parameter, values)
            slope = (ends[0] - ends[1]) / 2.0**-5 / n_places
            assert_allclose(found[index], slope, atol=2e-3, err_msg=f"{parameter}{index}")


def test_gradients_of_forms_agree() -> None:
    """0/1 states in bytes, as grey levels and as numbers on a grid give the same sums."""
    shape, filters = (6, 5), {"n_filters": 7, "filter_shape": (3, 2), "pool": 2}
    binary, real = (rf.ConvRBM(shape, **filters, visible=u, seed=0) for u in ("bernoulli", "gaussian"))
    v, x = RNG.integers(0, 2, (20, 30), dtype=np.uint8), RNG.normal(size=(20, 112)).astype(np.float32)
    w, y = RNG.integers(0, 2, (9, 30), dtype=np.uint8), RNG.normal(size=(9, 112)).astype(np.float32)
    weights = RNG.random(20)
    for given in (None, weights):
        found = [
            contrast(rbm._conditionals(Stream(0, 0)), (convert(v), x), (convert(w), y), given)
            for rbm, convert in (
                (binary, lambda v: v),
                (binary, lambda v: v * np.uint16(65535)),
                (real, lambda v: v.astype(np.float32)),
            )
        ]
        for name in ("W", "a", "b", "visible_mean", "hidden_mean"):
            for other in found[1:]:
                assert_allclose(getattr(other, name), getattr(found[0], name), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_held_borders_keep_the_data(visible: str, tmp_path: Path) -> None:
    """Samples of CD have the rows' pixels but in the middle; whatever is not learning is as without."""
    own = {"n_filters": 3, "filter_shape": (2, 3), "pool": 2, "visible": visible, "seed": 0}
    held, plain = (rf.ConvRBM((5, 6), **own, borders=borders) for borders in ("held", "valid"))
    seen = []

    class Look(rf.CD):
        def negative_phase(self, model: Any, v: Any, x: Any, chains: Any) -> Any:
            samples = super().negative_phase(model, v, x, chains)
            seen.append((v, samples[0]))
            return samples

    X = RNG.integers(0, 2, (30, 5, 6)) if visible == "bernoulli" else RNG.normal(size=(30, 5, 6))
    for rbm in (held, plain):
        rf.train(rbm, X, method=Look(2), epochs=1, batch_size=30, seed=1, shuffle=False)
    (v, kept), (_, free) = ((v.reshape(-1, 5, 6), samples.reshape(-1, 5, 6)) for v, samples in seen)
    middle = np.zeros((5, 6), np.bool_)
    middle[1:-1, 2:-2] = True
    assert_array_equal(kept[:, ~middle], v[:, ~middle])
    assert (kept[:, middle] != v[:, middle]).any(axis=0).all()
    assert (free != v).any(axis=0).all()

    held.save(tmp_path / "model")
    loaded = rf.load(tmp_path / "model")
    assert loaded.borders == "held"
    plain.W, plain.a, plain.b = loaded.W, loaded.a, loaded.b
    assert_array_equal(loaded.gibbs(X, 2, seed=1), plain.gibbs(X, 2, seed=1))
    with pytest.raises(ValueError, match="method must start samples at the rows"):
        rf.train(held, X, method=rf.PCD())
    rf.train(held, X, epochs=1, seed=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="held is None, but was"):
        rf.train(plain, X, epochs=1, resume=tmp_path / "run")


def test_exponents_drop_before_sums_overflow() -> None:
    """Of what all filters send to a pixel, too, which no column or row of W says."""
    for scale in (1.0, 200.0, 1e6):
        W = np.full((300, 5, 5, 2), scale)
        rbm = rf.ConvRBM((7, 7, 2), 300, 5, pool=1, seed=0)
        rbm._assign(W=np.float32(W))
        weights = rbm._parameters.weights
        assert np.abs(weights.up.astype(np.int64)).reshape(2, -1).sum(axis=1).max() < 2**31
        on = np.ones((1, rbm.n_hidden), np.uint8)
        sent, pixels = (
            rbm._down.send(on).reshape(rbm.shape),
            np.outer([1, 2, 3, 3, 3, 2, 1], [1, 2, 3, 3, 3, 2, 1]),
        )
        assert_allclose(sent[..., 0], pixels * 300 * scale, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_on_every_path(threads: int) -> None:
    rbm = model("pooled")
    V = RNG.integers(0, 2, (40, 9), dtype=np.uint8)
    found = set()
    before, isa = rf.get_num_threads(), engine.config()["isa"]
    try:
        rf.set_num_threads(threads)
        for name in engine.config()["isa_available"]:
            engine.select_isa(name)
            copied = rf.ConvRBM.from_arrays(rbm.W, rbm.a, rbm.b, shape=(3, 3), pool=2)
            rf.train(copied, V, method=rf.PCD(2), epochs=2, seed=1)
            found.add(copied.W.tobytes() + copied.reconstruct(V).tobytes() + copied.free_energy(V).tobytes())
    finally:
        engine.select_isa(isa)
        rf.set_num_threads(before)
    assert len(found) == 1


def test_it_learns_bars() -> None:
    """Each image has bars of one of two kinds, anywhere: filters become them."""
    images = np.zeros((600, 8, 8), np.uint8)
    for n, image in enumerate(images):
        for start in RNG.choice(6, 2, replace=False):
            image[(start, slice(None)) if n % 2 else (slice(None), start)] = 1
    rbm = rf.ConvRBM((8, 8), n_filters=8, filter_shape=(3, 3), pool=2, seed=0)
    settings = {
        "method": rf.CD(1),
        "optimizer": rf.SGD(0.5, momentum=0.5),
        "epochs": 30,
        "batch_size": 50,
        "seed": 1,
    }
    history = rf.train(
        rbm, images, monitors=rf.ReconstructionError(), penalties=rf.SparsityTarget(0.1), **settings
    )
    error = history["train_reconstruction_error"]
    assert error[-1] < 0.4 * error[0]


def test_adaptation_of_images_and_files(tmp_path: Path) -> None:
    """Images and rows are the same data; files bring the very model back."""
    images = RNG.integers(0, 2, (30, 6, 6))
    rbms = [rf.ConvRBM((6, 6), 3, 3, pool=2, seed=0) for _ in range(2)]
    rf.train(rbms[0], images, validation=images[:9], monitors=rf.FreeEnergyGap(), epochs=2, seed=1)
    rf.train(rbms[1], images.reshape(30, 36), epochs=2, seed=1)
    assert_array_equal(rbms[0].W, rbms[1].W)
    rbms[0].save(tmp_path / "model")
    loaded = rf.load(tmp_path / "model")
    assert repr(loaded) == repr(rbms[0])
    assert loaded.seed == 0
    assert_array_equal(loaded.visible_means, rbms[0].visible_means)
    assert_array_equal(loaded.gibbs(images, 2, seed=3), rbms[0].gibbs(images, 2, seed=3))
    holes = np.where(RNG.random(images.shape) < 0.2, np.nan, images)
    filled = loaded.impute(holes, steps=5, seed=1).reshape(images.shape)
    assert_array_equal(filled[~np.isnan(holes)], images[~np.isnan(holes)])


def test_layers_of_a_dbn(tmp_path: Path) -> None:
    """One on the maps of another, and a plain RBM on top: learned, drawn, saved as any network."""
    images = RNG.integers(0, 2, (40, 7, 7))
    low = rf.ConvRBM((7, 7), 3, (2, 2), pool=2, seed=0)
    middle = rf.ConvRBM(low.map_shape, 4, (3, 3), pool=2, visible=low.hidden, seed=1)
    dbn = rf.DBN.from_rbms([low, middle, rf.RBM(middle.n_hidden, 5, visible=middle.hidden, seed=2)])
    rf.pretrain(dbn, images, epochs=2, batch_size=20, seed=3)
    assert dbn.transform(images).shape == (40, 5)
    assert dbn.hidden_probabilities(images, layer=2).shape == (40, *middle.map_shape)
    drawn = dbn.sample(6, steps=3, seed=4)
    assert drawn.shape == (6, 49)
    dbn.save(tmp_path / "deep")
    loaded = rf.load(tmp_path / "deep")
    assert [repr(rbm) for rbm in loaded.generative] == [repr(rbm) for rbm in dbn.generative]
    assert_array_equal(loaded.sample(6, steps=3, seed=4), drawn)
    with pytest.raises(ValueError, match="like the hidden layer below it"):
        rf.DBN.from_rbms([low, rf.ConvRBM(low.map_shape, 4, 3, seed=1)])


def test_layers_that_see_pooled_units(tmp_path: Path) -> None:
    """A convolutional DBN: what goes up are the pooled probabilities, what comes down is drawn by blocks."""
    images = RNG.integers(0, 2, (40, 7, 7))
    low = rf.ConvRBM((7, 7), 3, (2, 2), pool=2, seed=0)
    high = rf.ConvRBM(low.pooled_shape, 4, (2, 2), pool=2, seed=1)
    dbn = rf.DBN.from_rbms([low, high])
    rf.pretrain(dbn, images, epochs=2, batch_size=20, seed=3)
    pooled = low.pooled_probabilities(images)
    assert_array_equal(dbn.hidden_probabilities(images, layer=1), pooled.reshape(40, 27))
    assert_allclose(dbn.transform(images), high.hidden_probabilities(pooled), atol=1e-4)  # by 16-bit levels
    states = dbn.sample_hidden(images, layer=1, seed=1)
    assert states.shape == (40, 27)
    assert {*np.unique(states)} == {0, 1}
    assert dbn.reconstruct(images).shape == dbn.impute(images * 1.0, steps=2, seed=1).shape == (40, 49)
    dbn.save(tmp_path / "deep")
    assert_array_equal(rf.load(tmp_path / "deep").sample(6, steps=3, seed=4), dbn.sample(6, steps=3, seed=4))
    unrolled = rf.DBN.from_rbms([low.unrolled(), rf.RBM(27, 4, seed=1)])
    for learn, message in (
        (dbn.to_autoencoder, "not of pooled units"),
        (lambda: rf.up_down(dbn, images, epochs=1), "no convolutional RBM, and no pooled units, below the"),
        (lambda: rf.up_down(unrolled, images, epochs=1), "no pooled units, below the top one, got RBM"),
    ):
        with pytest.raises(ValueError, match=message):
            learn()


def test_pooled_layers_have_the_probabilities_of_their_definition() -> None:
    """p(v) is the sum of p(v | h) p(h | pooled) p(pooled); any place of a block that is on is as likely."""
    rng = np.random.default_rng(2)
    low = rf.ConvRBM((2, 3), 2, (1, 2), pool=2, seed=0)
    low.W, low.b, low.a = 2 * rng.normal(size=low.W.shape), [-0.5, 0.3], [0.2]
    top = rf.RBM.from_arrays(rng.normal(size=(2, 2)), [0.3, -0.4], [0.1, 0.2])
    dbn = rf.DBN.from_rbms([low, top])
    pooled, V = all_states(2), all_states(6)
    each = np.eye(5, 4, -1, dtype=np.uint8)  # of a block: none, and each of its four units
    H = np.stack([np.stack([each[i], each[j]], axis=1) for i, j in np.ndindex(5, 5)]).reshape(25, 2, 2, 2)
    on = H.any(axis=(1, 2)).astype(int)
    p_of_v = low.visible_probabilities(H).astype(float)  # (25, 6)
    p_of_v = np.where(V[None] == 1, p_of_v[:, None], 1 - p_of_v[:, None]).prod(axis=2)
    given = np.stack([p_of_v[(on == states).all(axis=1)].mean(axis=0) for states in pooled])
    p = np.exp(log_probabilities(top)) @ given

    n = 20_000
    numbers = 2 ** np.arange(5, -1, -1)
    for drawn, expected in (
        (dbn.sample(n, steps=20, seed=1), p),
        (dbn.sample_visible(np.tile([[1, 1]], (n, 1)), layer=1, seed=2), given[-1]),
    ):
        found = np.bincount(drawn @ numbers, minlength=64)
        assert chisquare(found, n * expected).pvalue > 1e-4
    bound = rf.log_likelihood_bound(dbn, V, n_samples=1000, seed=3)
    assert_allclose(bound.tighter, np.log(p).mean(), atol=0.03)
    assert bound.value < np.log(p).mean()


def always_on(x: float) -> rf.DBN:
    """A block that is on, of four places, each of which says its pixel (or not) as sure as x."""
    low = rf.ConvRBM.from_arrays([[[2 * x]]], [-x], [0], shape=(2, 2), pool=2)
    return rf.DBN.from_rbms([low, rf.RBM.from_arrays([[0]], [30], [0])])


def test_means_given_drawn_blocks_are_those_of_drawn_states() -> None:
    """A pixel's mean at the mean place is not its mean over places."""
    dbn, n, x = always_on(4.0), 2000, np.float64(4)
    p = 1 / (1 + np.exp(-np.array([x, -x, -x, -x])))
    for means in (
        dbn.sample(n, steps=1, seed=1, last="mean"),
        dbn.impute(np.full((n, 4), np.nan), steps=3, seed=1, average=True),
    ):
        assert_allclose(means.mean(axis=0), p.mean(), atol=0.05)


def test_places_share_no_numbers_with_labels() -> None:
    """Both are drawn on the way down, from what one layer has drawn."""
    dbn = rf.DBN.from_rbms([always_on(20.0).generative[0], rf.ClassRBM(1, 2, 4, seed=0)])
    n, stack = 2000, dbn._stack
    up = Stream(1, Purpose.DBN_IMPUTE, 0, 2, np.arange(n))
    v, labels = np.zeros((2, n, 4), np.uint8)
    h1, labels = dbn._sweep(stack, v, labels, up, up.after(1))
    on = h1[:, 0] == 1
    places = stack.down[0].sample(h1, up.after(1))[on].argmax(axis=1)
    table = np.zeros((4, 4), int)
    np.add.at(table, (places, labels[on].argmax(axis=1)), 1)
    assert chi2_contingency(table).pvalue > 1e-4


def test_a_layer_on_top_that_is_no_convolution_upside_down() -> None:
    images = RNG.integers(0, 2, (20, 3, 3))
    low = model("pooled")
    rf.train(low, images, epochs=1, seed=1)
    dbn = rf.DBN.from_rbms([low])
    with pytest.raises(ValueError, match="unroll must be False on weights that places share, as in ConvRBM"):
        dbn.add_layer(9, unroll=True)
    dbn.add_layer(9)
    assert dbn.sizes == (9, 8, 9) and dbn.top.is_untouched


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "shape": ({"shape": (8,)}, r"shape must be \(height, width\[, channels\]\), got \(8,\)"),
    "no pixels": ({"shape": (8, 0)}, r"shape\[1\] must be an integer from 1"),
    "large filters": ({"filter_shape": (9, 3)}, r"filter_shape must be at most \(8, 8\), .* got \(9, 3\)"),
    "all held": (
        {"filter_shape": (4, 5), "borders": "held"},
        r"filter_shape must be at most \(4, 4\), .* \(4, 5\)",
    ),
    "pool": ({"pool": 4}, r"pool must divide .* 6 and 6 .* allowed are 1, 2, 3, 6, got 4"),
    "borders": ({"borders": "full"}, "borders must be"),
    "no filters": ({"n_filters": 0}, "n_filters must be an integer from 1"),
    "spins": ({"visible": "spin"}, "visible must be units in no groups"),
    "groups": ({"visible": rf.Categorical(2)}, "visible must be units in no groups"),
    "many places": ({"shape": (400, 400)}, "at most 65536 places"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name: str) -> None:
    given, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        rf.ConvRBM(**{"shape": (8, 8), "filter_shape": (3, 3), **given})


def test_what_cannot_be_is_refused() -> None:
    rbm, X = model("pooled"), RNG.integers(0, 2, (9, 9))
    with pytest.raises(ValueError, match="centered must be False for weights that places share"):
        rf.train(rbm, X, centered=True)
    with pytest.raises(ValueError, match=r"got shape \(2, 4, 4\)"):
        rbm.free_energy(np.zeros((2, 4, 4)))
    wrong = np.zeros((1, 2, 2, 2))
    wrong[0, :, 0, 1] = 1
    with pytest.raises(
        ValueError, match=r"H\[0\] must have at most one unit on .* 2 in block \(0, 0\) of map 1"
    ):
        rbm.energy(X[:1], wrong)
    with pytest.raises(ValueError, match="W must have shape"):
        rbm.W = np.zeros((2, 3, 3, 1))
    with pytest.warns(UserWarning, match="W holds large weights"):
        rbm.W = np.full(rbm.W.shape, 1e8)
    with pytest.raises(ValueError, match="W must be"):
        rf.ConvRBM.from_arrays(np.zeros((2, 2)), [0], [0], shape=(3, 3))
