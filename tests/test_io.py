"""Models in files: what was saved comes back to the bit, and anything else is refused."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError


@pytest.mark.parametrize("units", [{}, {"visible": "gaussian"}, {"hidden": "gaussian"}])
@pytest.mark.parametrize("touched", [False, True])
def test_round_trip(tmp_path: Path, units: dict[str, str], touched: bool) -> None:
    rbm = rf.RBM(9, 5, seed=2**64 - 1, **units)
    if touched:
        rbm.initialize(np.eye(9))
        rbm.b = np.linspace(-1, 1, 5)
    rbm.save(tmp_path / "a.rbm")
    twin = rf.load(str(tmp_path / "a.rbm"))
    assert type(twin) is rf.RBM
    assert (twin.seed, twin.visible, twin.hidden) == (rbm.seed, rbm.visible, rbm.hidden)
    assert twin.is_untouched is not touched
    for name in ("W", "a", "b"):
        assert getattr(twin, name).tobytes() == getattr(rbm, name).tobytes()
        assert not getattr(twin, name).flags.writeable
    if touched:
        assert_array_equal(twin.visible_means, rbm.visible_means)
    else:
        assert twin.visible_means is None
    for v, w in zip(
        twin.sample(4, 5, seed=1, return_hidden=True),
        rbm.sample(4, 5, seed=1, return_hidden=True),
        strict=True,
    ):
        assert v.tobytes() == w.tobytes()


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    write_file(path, "checkpoint", {}, {})
    with pytest.raises(FileFormatError, match=r"holds no model but a checkpoint .* resume="):
        rf.load(path)
    write_file(path, "dream", {}, {})
    with pytest.raises(FileFormatError, match="'dream', which this version does not know"):
        rf.load(path)


META = {
    "n_visible": 2,
    "n_hidden": 3,
    "visible": "bernoulli",
    "hidden": "bernoulli",
    "seed": 1,
    "stream_version": 1,
}
F32 = np.float32
ARRAYS = {"W": np.zeros((2, 3), F32), "a": np.zeros(2, F32), "b": np.zeros(3, F32)}


CONTRADICTIONS: list[tuple[Any, Any, str]] = [
    ({"n_visible": 3}, {}, r"W must have shape \(3, 3\)"),
    ({"n_hidden": 0}, {}, "n_hidden must be an integer"),
    ({"n_hidden": "3"}, {}, "n_hidden must be an integer"),
    ({"visible": "quantum"}, {}, "visible must be one of 'bernoulli', 'spin', 'gaussian'"),
    ({"visible": {"unit": "x"}}, {}, ""),
    ({"visible": {"unit": "categorical"}}, {}, ""),
    ({"visible": {"unit": "categorical", "n_states": 3}}, {}, ""),
    ({"visible": ["x"]}, {}, ""),
    ({"hidden": None}, {}, "hidden must be one of 'bernoulli', 'spin', 'gaussian'"),
    ({"seed": -1}, {}, "seed must be an integer"),
    ({"seed": 0.5}, {}, "seed must be an integer"),
    ({}, {"W": np.full((2, 3), np.nan, F32)}, "W must be finite"),
    ({}, {"a": np.full(2, np.inf, F32)}, "a must be finite"),
    ({}, {"b": np.zeros(4, F32)}, r"b must have shape \(3,\)"),
    ({}, {"visible_means": np.zeros(3, F32)}, r"visible_means must have shape \(2,\)"),
    ({}, {"visible_means": np.full(2, np.nan, F32)}, "visible_means must be finite"),
    ({}, {"W": np.zeros((2, 3), bool)}, "W must be an array of numbers"),
]


def test_contradictions_are_refused(tmp_path: Path) -> None:
    for meta, arrays, message in CONTRADICTIONS:
        write_file(tmp_path / "a.rbm", "rbm", META | meta, ARRAYS | arrays)
        with pytest.raises(FileFormatError, match=rf"a\.rbm' holds no valid model: {message}"):
            rf.load(tmp_path / "a.rbm")


def test_gaps_are_refused(tmp_path: Path) -> None:
    for lacking in ("n_visible", "n_hidden", "visible", "hidden", "seed", "W", "a", "b"):
        meta, arrays = ({key: x for key, x in held.items() if key != lacking} for held in (META, ARRAYS))
        write_file(tmp_path / "a.rbm", "rbm", meta, arrays)
        with pytest.raises(FileFormatError, match=f"{lacking} is lacking"):
            rf.load(tmp_path / "a.rbm")


def test_other_streams_are_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "a.rbm"
    write_file(path, "rbm", META | {"stream_version": 0}, ARRAYS)
    with pytest.warns(UserWarning, match="saved under stream version 0, this is 1"):
        rf.load(path)
    write_file(path, "rbm", META, ARRAYS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rf.load(path)


def test_what_a_file_holds(tmp_path: Path) -> None:
    """The format is a promise: old files must stay readable. And equal models are equal files."""
    for name in ("a.rbm", "b.rbm"):
        rbm = rf.RBM(2, 3, seed=1)
        rbm.initialize([[0, 1], [1, 1]])
        rbm.save(tmp_path / name)
    assert (tmp_path / "a.rbm").read_bytes() == (tmp_path / "b.rbm").read_bytes()
    kind, meta, arrays = read_file(tmp_path / "a.rbm")
    assert kind == "rbm"
    assert meta == META | {"is_untouched": False}
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == {
        "W": (F32, (2, 3)),
        "a": (F32, (2,)),
        "b": (F32, (3,)),
        "visible_means": (F32, (2,)),
    }
    stored = np.load(tmp_path / "a.rbm")
    assert stored["W"].tobytes() == rbm.W.tobytes()
    assert json.loads(str(stored["json"]))["meta"] == meta
    rf.RBM.from_arrays([[0.5]], [0.0], [0.0], visible="gaussian").save(tmp_path / "a.rbm")
    _, meta, _ = read_file(tmp_path / "a.rbm")
    assert (meta["visible"], meta["hidden"], meta["seed"]) == ("gaussian", "bernoulli", None)
    assert rf.load(tmp_path / "a.rbm").seed is None
