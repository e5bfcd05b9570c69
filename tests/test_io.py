"""Models in files and copies: what was saved comes back to the bit, and anything else is refused."""

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.helpers import network, small

import rbmfast as rf
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError


def touched(**units: Any) -> rf.RBM:
    rbm = rf.RBM(9, 5, seed=2**64 - 1, **units)
    rbm.initialize(np.eye(9))
    rbm.b = np.linspace(-1, 1, 5)
    rbm.hidden_probabilities(np.eye(9))
    return rbm


def classes(**units: Any) -> rf.ClassRBM:
    return rf.ClassRBM.from_arrays(*small(10, 5).parameters().values(), n_classes=4, **units)


def untied(**units: Any) -> rf.DBN:
    dbn = network((6, 5, 4, 3), **units)
    dbn.untie()
    dbn.recognition[1].W = -dbn.recognition[1].W
    return dbn


REAL_LAYERS = {"visible": "gaussian", "hidden": ["bernoulli", "gaussian", "bernoulli"]}
MODELS: dict[str, tuple[str, Callable[[], Any]]] = {
    "new": ("rbm", lambda: rf.RBM(2, 3, seed=1)),
    "new, gaussian": ("rbm", lambda: rf.RBM(9, 5, visible="gaussian", seed=1)),
    "RBM": ("rbm", touched),
    "gaussian": ("rbm", lambda: touched(visible="gaussian")),
    "gaussian hidden": ("rbm", lambda: touched(hidden="gaussian")),
    "classes": ("class_rbm", classes),
    "classes, gaussian": ("class_rbm", lambda: classes(visible="gaussian")),
    "classes, gaussian hidden": ("class_rbm", lambda: classes(hidden="gaussian")),
    "classes, groups": (
        "class_rbm",
        lambda: classes(visible=rf.Categorical(3), hidden=rf.Categorical(5)),
    ),
    "new DBN": ("dbn", lambda: rf.DBN([5, 4, 3], seed=1)),
    "DBN": ("dbn", lambda: network((6, 5, 4, 3))),
    "DBN, real layers": ("dbn", lambda: network((6, 5, 4, 3), **REAL_LAYERS)),
    "DBN, labels": ("dbn", lambda: network((6, 5, 4, 3), n_classes=3)),
    "untied": ("dbn", untied),
    "untied, real layers": ("dbn", lambda: untied(**REAL_LAYERS)),
    "untied, labels": ("dbn", lambda: untied(n_classes=3)),
    "network": ("network", lambda: untied(n_classes=3).to_network()),
    "network, real": ("network", lambda: untied(**REAL_LAYERS).to_autoencoder()),
}


def from_file(model: Any, folder: Path) -> Any:
    model.save(folder / "a.model")
    return rf.load(str(folder / "a.model"))


COPIES: dict[str, Callable[[Any, Path], Any]] = {
    "file": from_file,
    "state": lambda model, _: type(model).from_state(*model.to_state()),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "copy": lambda model, _: copy.copy(model),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


def rbms_of(model: Any) -> list[rf.RBM]:
    return [*model.generative, *model.recognition] if isinstance(model, rf.DBN) else [model]


def contents(model: Any) -> Any:
    """All that makes a model, to the bit."""
    meta, arrays = model.to_state()
    return meta, {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    for copied in COPIES.values():
        model = MODELS[name][1]()
        is_a_copy(copied(model, tmp_path), model, name)


def is_a_copy(twin: Any, model: Any, name: str) -> None:
    """The same, and a thing of its own."""
    before = contents(model)
    assert type(twin) is type(model) and repr(twin) == repr(model)
    assert contents(twin) == before
    assert not any(array.flags.writeable for array in twin.parameters().values())
    if isinstance(model, rf.Network):
        return
    for mine, its in zip(rbms_of(model), rbms_of(twin), strict=True):
        assert type(its) is type(mine)
        assert (its.visible, its.hidden, its.seed) == (mine.visible, mine.hidden, mine.seed)
        assert its.is_untouched == mine.is_untouched == name.startswith("new")
        assert (its.visible_means is None) == (mine.visible_means is None)
        if its.visible_means is not None:
            assert its.visible_means.tobytes() == mine.visible_means.tobytes()
            assert not its.visible_means.flags.writeable
    labels: dict[str, Any] = {"labels": 1} if getattr(model, "n_classes", None) else {}
    assert twin.sample(4, 5, seed=1, **labels).tobytes() == model.sample(4, 5, seed=1, **labels).tobytes()
    rbms_of(twin)[0].W = 0 * rbms_of(twin)[0].W
    assert contents(model) == before
    if isinstance(model, rf.DBN):  # the very same object where weights are tied
        assert twin.is_tied is model.is_tied is not name.startswith("untied")
        assert twin.recognition[0].W.any() != twin.is_tied


def test_copies_of_models_that_were_used() -> None:
    """Whatever they keep for their work, they can be copied, and the copies are their own."""
    for model in (
        classes(),
        untied(),
        rf.DBM([4, 3, 2], seed=0),
        rf.ConvRBM((6, 6), 2, filter_shape=(3, 3), pool=2, seed=0),
        rf.BoltzmannMachine(4, 2, seed=0),
        rf.ConditionalRBM(4, 3, 2, seed=0),
    ):
        arguments = [[[0, 1]] * 4 if isinstance(model, rf.ConditionalRBM) else 4, 3]
        drawn = model.sample(*arguments, seed=1)
        for copied in (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
            assert copied(model).sample(*arguments, seed=1).tobytes() == drawn.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_equal_models_are_equal_files(name: str, tmp_path: Path) -> None:
    for file in "ab":
        MODELS[name][1]().save(tmp_path / file)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_file(tmp_path / "a")[0] == MODELS[name][0]


def test_what_a_file_holds(tmp_path: Path) -> None:
    """The format is a promise: old files must stay readable."""
    path = tmp_path / "a.rbm"
    rbm = rf.RBM(2, 3, seed=1)
    rbm.initialize([[0, 1], [1, 1]])
    rbm.save(path)
    _, meta, arrays = read_file(path)
    layers = {"n_visible": 2, "n_hidden": 3, "visible": "bernoulli", "hidden": "bernoulli"}
    assert meta == {**layers, "seed": 1, "stream_version": 1, "is_untouched": False}
    shapes = {"W": (2, 3), "a": (2,), "b": (3,), "visible_means": (2,)}
    assert {name: array.shape for name, array in arrays.items()} == shapes
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    stored = np.load(path)
    assert stored["W"].tobytes() == rbm.W.tobytes()
    assert json.loads(str(stored["json"]))["meta"] == meta
    rf.RBM.from_arrays([[0.5]], [0.0], [0.0], visible="gaussian").save(path)
    _, meta, _ = read_file(path)
    assert (meta["visible"], meta["hidden"], meta["seed"]) == ("gaussian", "bernoulli", None)

    dbn = rf.DBN([5, 4, 3], seed=1)
    dbn.untie()
    dbn.save(path)
    _, meta, arrays = read_file(path)
    names = ["generative/0", "generative/1", "recognition/0"]
    assert [rbm["name"] for rbm in meta.pop("rbms")] == names
    assert meta == {"sizes": [5, 4, 3], "n_classes": None, "seed": 1, "stream_version": 1}
    assert {*arrays} == {f"{name}/{array}" for name in names for array in "Wab"}


def test_other_streams_are_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "a.rbm"
    meta, arrays = rf.RBM(2, 3, seed=1).to_state()
    write_file(path, "rbm", meta | {"stream_version": 0}, arrays)
    with pytest.warns(UserWarning, match="saved under stream version 0, this is 1"):
        rf.load(path)
    write_file(path, "rbm", meta, arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rf.load(path)


# --- What is refused ---------------------------------------------------------------------------------------


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    write_file(path, "checkpoint", {}, {})
    with pytest.raises(FileFormatError, match=r"holds no model but a checkpoint .* resume="):
        rf.load(path)
    write_file(path, "dream", {}, {})
    with pytest.raises(FileFormatError, match="'dream', which this version does not know"):
        rf.load(path)


@pytest.mark.parametrize("name", ["new", "classes", "untied", "network"])
def test_gaps_are_refused(name: str, tmp_path: Path) -> None:
    kind, make = MODELS[name]
    held = make().to_state()
    for lacking in {*held[0], *held[1]} - {"stream_version", "is_untouched", "n_classes"}:
        meta, arrays = ({key: x for key, x in part.items() if key != lacking} for part in held)
        write_file(tmp_path / "a.model", kind, meta, arrays)
        with pytest.raises(FileFormatError, match=f"{lacking.split('/')[-1]}.* is lacking"):
            rf.load(tmp_path / "a.model")


F32 = np.float32
Change = Callable[[dict[str, Any], dict[str, Any]], Any]
CONTRADICTIONS: dict[str, list[tuple[Change, str]]] = {
    "new": [
        (lambda m, a: m.update(n_visible=3), r"W must have shape \(3, 3\)"),
        (lambda m, a: m.update(n_hidden=0), "n_hidden must be an integer"),
        (lambda m, a: m.update(n_hidden="3"), "n_hidden must be an integer"),
        (lambda m, a: m.update(visible="quantum"), "visible must be one of 'bernoulli', 'spin', 'gaussian'"),
        (lambda m, a: m.update(visible={"unit": "x"}), ""),
        (lambda m, a: m.update(visible={"unit": "categorical"}), ""),
        (lambda m, a: m.update(visible={"unit": "categorical", "n_states": 3}), ""),
        (lambda m, a: m.update(visible=["x"]), ""),
        (lambda m, a: m.update(hidden=None), "hidden must be one of 'bernoulli', 'spin', 'gaussian'"),
        (lambda m, a: m.update(seed=-1), "seed must be an integer"),
        (lambda m, a: m.update(seed=0.5), "seed must be an integer"),
        (lambda m, a: a.update(W=np.full((2, 3), np.nan, F32)), "W must be finite"),
        (lambda m, a: a.update(a=np.full(2, np.inf, F32)), "a must be finite"),
        (lambda m, a: a.update(b=np.zeros(4, F32)), r"b must have shape \(3,\)"),
        (lambda m, a: a.update(visible_means=np.zeros(3, F32)), r"visible_means must have shape \(2,\)"),
        (lambda m, a: a.update(visible_means=np.full(2, np.nan, F32)), "visible_means must be finite"),
        (lambda m, a: a.update(W=np.zeros((2, 3), bool)), "W must be an array of numbers"),
    ],
    "classes": [
        (lambda m, a: m.update(n_classes=3), ".*n_classes"),
        (lambda m, a: m.update(n_classes=10), ".*n_classes"),
        (lambda m, a: m.update(n_classes="4"), ".*n_classes"),
        (lambda m, a: m.pop("n_classes"), ".*n_classes"),
        (lambda m, a: m.update(features="gaussian"), ".*features"),
        (lambda m, a: m.update(features="potts"), ".*features"),
        (lambda m, a: m.update(visible="bernoulli"), ".*visible"),
    ],
    "untied": [
        (lambda m, a: m.update(sizes=[6, 5, 4, 4]), r"sizes must be those of the RBMs, \[6, 5, 4, 3\]"),
        (lambda m, a: m.update(sizes=[6, 5]), "the RBMs of 1 layers must be"),
        (lambda m, a: m.update(sizes=5), "sizes must be a list"),
        (lambda m, a: m.update(rbms=5), "rbms must be a list of descriptions"),
        (lambda m, a: m["rbms"].pop(0), "the RBMs of 3 layers must be"),
        (lambda m, a: m["rbms"].append({**m["rbms"][2], "name": "x"}), "x: W is lacking"),
        (lambda m, a: a.update({"generative/1/a": np.full(5, np.nan)}), "generative/1: a must be finite"),
        (lambda m, a: m["rbms"][1].update(visible="gaussian"), r"rbms\[1\] must have 5 visible units"),
        (lambda m, a: m["rbms"][3].update(hidden="gaussian"), r"rbms\[1\] must have 5 visible units"),
        (lambda m, a: m.update(seed=-1), "seed must be an integer"),
    ],
    "network": [
        (lambda m, a: m.update(activations=["sigmoid"] * 3 + ["tanh"]), ""),
        (lambda m, a: m.update(activations=3), ""),
        (lambda m, a: m.update(domain="complex"), ""),
        (lambda m, a: a.update(W1=a["W0"]), ""),
    ],
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_refused(name: str, tmp_path: Path) -> None:
    kind, make = MODELS[name]
    for change, message in CONTRADICTIONS[name]:
        meta, arrays = copy.deepcopy(make().to_state())
        change(meta, arrays)
        write_file(tmp_path / "a.model", kind, meta, arrays)
        with pytest.raises(FileFormatError, match=rf"a\.model' holds no valid model: {message}"):
            rf.load(tmp_path / "a.model")
