"""Greedy pre-training: what every layer learns from, the same bits everywhere, stopping and going on."""

from __future__ import annotations

import importlib
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.helpers import exact, numbers
from numpy.testing import assert_array_equal
from training.helpers import TEXTBOOK, Stop, StopAfter, bits, history_without_times, random_rows

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.data import as_rows
from rbmfast.models import DBN
from rbmfast.streams import Purpose, Stream
from rbmfast.training.pretrain import cached

PRETRAIN = importlib.import_module("rbmfast.training.pretrain")  # the name there is the function
SIZES = (9, 7, 6, 5)
X = random_rows(47, 9)
X_VAL = random_rows(20, 9, seed=1)
REAL = np.random.default_rng(2).normal(size=(47, 9)).astype(np.float32)
Y = np.arange(47) % 3
SETTINGS: dict[str, Any] = {
    **TEXTBOOK,
    "optimizer": rf.SGD(0.3, momentum=0.5),
    "epochs": 3,
    "batch_size": 10,
    "seed": 5,
}


def new(sizes: tuple[int, ...] = SIZES, seed: int = 3, **units: Any) -> DBN:
    return rf.DBN(sizes, seed=seed, **units)


def all_bits(dbn: DBN) -> list[tuple[bytes, ...]]:
    return [bits(rbm) for rbm in dbn.generative]


def trained(data: Any = X, y: Any = None, units: dict[str, Any] | None = None, **more: Any) -> DBN:
    dbn = new(**(units or {}))
    rf.pretrain(dbn, data, y, **{**SETTINGS, **more})
    return dbn


# --- What the layers learn from ----------------------------------------------------------------------------


def drawn(rbm: rf.RBM, states: np.ndarray, layer: int, step: int = 0) -> np.ndarray:
    """Hidden states, one for each row, with the random numbers that docs/design/001 names."""
    return rbm._up.sample(states, Stream(5, Purpose.GREEDY, layer, step))


def seed_of(layer: int) -> int:
    low, high = engine.uniform_u32(1, 2, 5, Purpose.GREEDY, layer, 2)[0].tolist()
    return low + 2**32 * high


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_every_layer_learns_from_states_of_the_one_below(visible: str) -> None:
    data, validation = (X, X_VAL) if visible == "bernoulli" else (REAL, REAL[:20])
    settings = {**SETTINGS, "optimizer": rf.SGD(0.05), "monitors": [rf.ReconstructionError()]}
    dbn, twin = new(visible=visible), new(visible=visible)
    histories = rf.pretrain(dbn, data, **settings, validation=validation)
    assert len(histories) == 3
    for i, rbm in enumerate(twin.generative):
        settings["seed"] = seed_of(i) if i else 5
        history = rf.train(rbm, data, **settings, validation=validation)
        data, validation = drawn(rbm, data, i + 1), drawn(rbm, validation, i + 1, step=1)
    assert all_bits(dbn) == all_bits(twin)
    assert len({seed_of(i) for i in (1, 2)} | {5}) == 3
    assert history_without_times(histories[-1]) == history_without_times(history)


def test_or_from_its_probabilities() -> None:
    dbn = trained(activations="probabilities")
    twin = new()
    data = as_rows(X)
    for i, rbm in enumerate(twin.generative):
        rf.train(rbm, data, **{**SETTINGS, "seed": seed_of(i) if i else 5})
        levels = rbm._up.expectation(data.all())
        assert levels.dtype == np.uint16
        data = as_rows(levels / 65535.0)
    assert all_bits(dbn) == all_bits(twin)
    assert all_bits(dbn)[1] != all_bits(trained())[1]


def test_each_layer_has_settings_of_its_own() -> None:
    own = [{"epochs": 2}, {"method": rf.PCD(1), "penalties": [rf.L2(0.01)]}, {"epochs": 0, "batch_size": 7}]
    dbn, twin = new(), new()
    histories = rf.pretrain(dbn, X, **SETTINGS, layers=own)
    assert [len(history) for history in histories] == [3, 4, 1]
    rf.train(twin.generative[0], X, **{**SETTINGS, "epochs": 2})
    assert bits(twin.generative[0]) == bits(dbn.generative[0])
    assert dbn.top.a.all()  # initialised from its data all the same
    assert_array_equal(dbn.top.W, twin.top.W)


def test_iterators_serve_every_layer() -> None:
    histories = rf.pretrain(new(), X, **SETTINGS, monitors=iter([rf.WeightNorm()]))
    assert all("weight_norm" in " ".join(history) for history in histories)


def test_a_layer_added_later() -> None:
    dbn = trained()
    before = all_bits(dbn)
    dbn.add_layer(4)
    histories = rf.pretrain(dbn, X, **SETTINGS, first_layer=3)
    assert len(histories) == 1
    assert all_bits(dbn)[:3] == before
    twin = new((*SIZES, 4))
    rf.pretrain(twin, X, **SETTINGS)
    assert all_bits(dbn) == all_bits(twin)


def test_an_unrolled_layer_does_not_make_the_network_worse() -> None:
    """Exactly: 16 visible states of four noisy patterns; the unrolled layer starts from the same p(v)."""

    def mean_log_p(dbn: DBN) -> float:
        return float(np.log(exact(dbn)[numbers(data)]).mean())

    data = random_rows(400, 6, seed=4).astype(int)
    dbn = new((6, 4))
    rf.pretrain(dbn, data, epochs=60, seed=1, batch_size=20, **TEXTBOOK)
    dbn.add_layer(6)
    before = mean_log_p(dbn)
    settings = {**TEXTBOOK, "method": rf.PCD(5), "optimizer": rf.SGD(0.02)}
    rf.pretrain(dbn, data, epochs=30, seed=1, batch_size=20, first_layer=1, **settings)
    assert mean_log_p(dbn) > before


# --- Labels ------------------------------------------------------------------------------------------------


def test_labels_are_learned_by_the_top() -> None:
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 2, (3, 20))
    y = rng.integers(0, 3, 600)
    data = prototypes[y] ^ (rng.random((600, 20)) < 0.1)
    dbn = new((20, 15, 10), n_classes=3)
    histories = rf.pretrain(dbn, data[:500], y[:500], epochs=15, batch_size=20, seed=1, optimizer=rf.SGD(0.1))
    assert len(histories) == 2
    assert (dbn.predict(data[500:]) == y[500:]).mean() > 0.9
    made = dbn.sample(60, steps=50, seed=2, labels=np.arange(60) % 3, last="mean")
    nearest = np.abs(made[:, None] - prototypes).sum(axis=2).argmin(axis=1)
    assert (nearest == np.arange(60) % 3).mean() > 0.7  # by chance: 0.33


def test_the_top_sees_states_and_one_hot_labels() -> None:
    dbn = trained(X, Y, units={"sizes": (9, 7, 6), "n_classes": 3})
    twin = new((9, 7, 6), n_classes=3)
    rf.train(twin.generative[0], X, **SETTINGS)
    states = np.hstack([drawn(twin.generative[0], X, 1), np.eye(3, dtype=np.uint8)[Y]])
    rf.train(twin.top, states, **{**SETTINGS, "seed": seed_of(1)})
    assert all_bits(dbn) == all_bits(twin)


# --- The same bits -----------------------------------------------------------------------------------------


GREY = np.random.default_rng(0).random(X.shape)
REAL_HIDDEN = ["gaussian", "bernoulli", "bernoulli"]
CACHED: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (X, {}),
    "real hidden layer": (X, {"hidden": REAL_HIDDEN}),
    "labels": (X, {"n_classes": 3}),
    "labels, grey": (GREY, {"n_classes": 3}),
    "labels, real": (REAL, {"n_classes": 3, "visible": "gaussian"}),
    "labels, one RBM": (X, {"n_classes": 3, "sizes": (9, 6)}),
    "labels, grey, one RBM": (GREY, {"n_classes": 3, "sizes": (9, 6)}),
    "labels, real, one RBM": (REAL, {"n_classes": 3, "sizes": (9, 6), "visible": "gaussian"}),
}


@pytest.mark.parametrize("name, activations", [*zip(CACHED, cycle(["samples", "probabilities"]))])
def test_caches_do_not_show(name: str, activations: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, units = CACHED[name]
    y, validation = (Y, (data[:9], Y[:9])) if "n_classes" in units else (None, data[:9])
    settings: dict[str, Any] = {"monitors": [rf.ReconstructionError()], "optimizer": rf.SGD(0.01)}
    settings |= {"activations": activations, "validation": validation}
    if name == "plain":
        settings["method"] = rf.PCD(1)

    def learned(cache: str) -> list[Any]:
        return all_bits(trained(data, y, units, cache=cache, **settings))

    whole = learned("memory")
    assert learned("stream") == learned("auto") == whole
    monkeypatch.setattr(PRETRAIN, "PACKED_BYTES", 1)
    assert learned("memory") == whole
    monkeypatch.setattr(PRETRAIN, "BLOCK_VALUES", 70)
    assert learned("memory") == whole


@pytest.mark.parametrize("activations", ["samples", "probabilities"])
def test_cached_rows_are_the_streamed_ones(activations: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = Stream(5, Purpose.GREEDY) if activations == "samples" else None
    stream = trained()._stack.rows_at(2, as_rows(X), numbers)
    memory = cached(stream)
    monkeypatch.setattr(PRETRAIN, "PACKED_BYTES", 1)
    packed = cached(stream)
    assert memory.kind == packed.kind == stream.kind == ("binary" if activations == "samples" else "grey")
    assert memory.fingerprint() == stream.fingerprint() == packed.fingerprint()
    some = np.array([40, 3, 3, -1])
    for rows in (memory, packed):
        assert_array_equal(rows.block(some), stream.block(some))
    assert (memory.direct is not None) == (activations == "samples")


def test_auto_streams_what_takes_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    monkeypatch.setattr(PRETRAIN, "cached", lambda rows: kept.append(rows.n_features) or rows)
    for memory, widths in ((10**9, [7, 6]), (4 * 47 * 6, [6]), (4 * 47 * 6 - 1, [])):
        dbn = new()
        kept.clear()
        with monkeypatch.context() as patch:
            patch.setattr("rbmfast.runtime._physical_memory", lambda memory=memory: memory)
            rf.pretrain(dbn, X, **SETTINGS)
        assert kept == widths
    dbn = new()
    monkeypatch.setattr("rbmfast.runtime._physical_memory", lambda: 47 * 6)
    with pytest.raises(MemoryError, match="a cache of 47 rows of 7 hidden units needs"):
        rf.pretrain(dbn, X, **SETTINGS, cache="memory")


# --- Stopping and going on ---------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_layers_below_trained() -> None:
    dbn, twin = new(), trained()
    untouched = new()
    with pytest.raises(KeyboardInterrupt):
        rf.pretrain(dbn, X, **SETTINGS, callbacks=[StopAfter(5, KeyboardInterrupt)])
    assert bits(dbn.generative[0]) == bits(twin.generative[0])
    second = new()
    rf.pretrain(second, X, **SETTINGS, layers=[{}, {"epochs": 2}, {}])
    assert bits(dbn.generative[1]) == bits(second.generative[1])
    assert bits(dbn.top) == bits(untouched.top) and dbn.top.is_untouched


def test_a_new_run_begins_anew(tmp_path: Path) -> None:
    """What an earlier run has left under the same name is not taken for its own."""
    path = tmp_path / "run.ckpt"
    rf.pretrain(new(seed=8), X, **SETTINGS, checkpoint=path)
    with pytest.raises(Stop):
        rf.pretrain(new(), X, **SETTINGS, checkpoint=path, callbacks=[StopAfter(2)])
    resumed = new()
    rf.pretrain(resumed, X, **SETTINGS, resume=path)
    assert all_bits(resumed) == all_bits(trained())


def test_another_network_of_the_same_sizes_is_refused(tmp_path: Path) -> None:
    path, images = tmp_path / "run.ckpt", random_rows(20, 16)

    def network(lowest: rf.RBM) -> DBN:
        return rf.DBN.from_rbms([lowest, rf.RBM(lowest.n_hidden, 3, visible=lowest.hidden, seed=1)])

    def lowest(**given: Any) -> rf.ConvRBM:
        return rf.ConvRBM((4, 4), n_filters=2, filter_shape=2, pool=1, seed=0, **given)

    with pytest.raises(Stop):
        rf.pretrain(network(lowest()), images, **SETTINGS, checkpoint=path, callbacks=[StopAfter(4)])
    for other, words in (
        (lowest().unrolled(), r"geometry of RBM 0 is None, but was \[4, 4, 1"),
        (lowest(borders="held"), "held of RBM 0 is [0-9a-f]+, but was None"),
        (lowest(visible="gaussian"), r"visible of RBM 0 is Gaussian\(\), but was Bernoulli"),
    ):
        with pytest.raises(ValueError, match=words):
            rf.pretrain(network(other), images, **SETTINGS, resume=path)
    whole, resumed = network(lowest()), network(lowest())
    rf.pretrain(whole, images, **SETTINGS)
    rf.pretrain(resumed, images, **SETTINGS, resume=path)
    assert all_bits(resumed) == all_bits(whole)


# --- Refusals ----------------------------------------------------------------------------------------------


def test_untied_layers_do_not_learn_greedily() -> None:
    dbn = new()
    dbn.untie()
    with pytest.raises(ValueError, match="dbn has recognition weights of its own"):
        rf.pretrain(dbn, X, **SETTINGS)
    rf.pretrain(dbn, X, **SETTINGS, first_layer=2)  # the top is shared


def test_labelled_networks_want_pairs_for_validation() -> None:
    with pytest.raises(TypeError, match=r"validation must be a pair \(X, y\)"):
        rf.pretrain(new(n_classes=3), X, Y, **SETTINGS, validation=X_VAL)


def test_progress_announces_every_layer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    rf.pretrain(new(), X, **SETTINGS, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("layer")] == [
        "layer 1 of 3: RBM(9, 7)",
        "layer 2 of 3: RBM(7, 6)",
        "layer 3 of 3: RBM(6, 5)",
    ]
    assert len(lines) == 12


def test_sample_weights_reach_every_layer() -> None:
    weights = np.r_[np.ones(20), np.zeros(27)]
    heavy = trained(sample_weight=weights)
    assert all_bits(heavy) != all_bits(trained())
