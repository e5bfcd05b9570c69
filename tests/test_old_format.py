"""Files of the format before .npz, written by version 0.1: models load, runs go on as if never stopped."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbmfast as rf
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError

FILES = Path(__file__).parent / "old_files"
X = np.eye(6, dtype=np.uint8)[np.arange(12) % 6]


def rbm() -> rf.RBM:
    rbm = rf.RBM(6, 4, visible=rf.Mixed([(rf.Bernoulli(), 2), (rf.Categorical(2), 4)]), seed=1)
    rbm.a = np.arange(6) / 4
    return rbm


def class_rbm() -> rf.ClassRBM:
    return rf.ClassRBM(6, 4, 3, seed=1)


def dbn() -> rf.DBN:
    dbn = rf.DBN([6, 4, 3], seed=1)
    dbn.untie()
    return dbn


def network() -> rf.Network:
    return rf.DBN([6, 4, 3], seed=1).to_autoencoder()


def train(model: rf.RBM, epochs: int = 4, **files: Any) -> None:
    """With everything that a checkpoint can hold: velocities, running means, chains, notes."""
    stopping = rf.EarlyStopping("train_reconstruction_error", patience=9)
    settings: dict[str, Any] = {"method": rf.FPCD(1, 3), "optimizer": rf.SGD(rf.Exponential(0.1, 0.9), 0.5)}
    settings |= {"centered": True, "penalties": [rf.SparsityTarget(0.2)], "callbacks": [stopping]}
    rf.train(model, X, epochs=epochs, batch_size=5, monitors=[rf.ReconstructionError()], **settings, **files)


def pretrain(model: rf.DBN, **files: Any) -> None:
    settings: dict[str, Any] = {"method": "cd", "optimizer": 0.1, "penalties": (), "centered": False}
    rf.pretrain(model, X, epochs=2, batch_size=5, **settings, **files)


def up_down(model: rf.DBN, epochs: int = 4, **files: Any) -> None:
    rf.up_down(model, X, epochs=epochs, batch_size=5, **files)


def fine_tune(model: rf.Network, epochs: int = 4, **files: Any) -> None:
    rf.fine_tune(model, X, epochs=epochs, batch_size=5, optimizer=rf.Adam(), **files)


def parameters(model: Any) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.to_state()[1].items()}


MODELS = [rbm, class_rbm, dbn, network]
RUNS: list[tuple[Any, Any]] = [
    (lambda: rf.RBM(6, 4, seed=1), train),
    (lambda: rf.DBN([6, 4, 3], seed=1), pretrain),
    (lambda: rf.DBN([6, 4, 3], seed=1), up_down),
    (network, fine_tune),
]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_models_load(make: Any) -> None:
    model, saved = make(), rf.load(FILES / f"{make.__name__}.rbm")
    assert type(saved) is type(model)
    assert saved.to_state()[0] == model.to_state()[0]
    assert parameters(saved) == parameters(model)


@pytest.mark.parametrize(("make", "go"), RUNS, ids=[go.__name__ for _, go in RUNS])
def test_runs_go_on(make: Any, go: Any, tmp_path: Path) -> None:
    """The files were written after half of these epochs, `pretrain`'s after the first RBM."""
    for file in FILES.glob(f"{go.__name__}.ckpt*"):
        shutil.copy(file, tmp_path)
    checkpoint = tmp_path / f"{go.__name__}.ckpt"
    whole, resumed, again = make(), make(), make()
    go(whole, seed=2)
    go(resumed, resume=checkpoint, checkpoint=checkpoint)
    go(again, resume=checkpoint)  # by now a file of today's format
    assert parameters(again) == parameters(resumed)
    if go is fine_tune:  # the last bits depend on the machine
        for array, expected in zip(resumed.to_state()[1].values(), whole.to_state()[1].values(), strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-3, atol=1e-5)
    else:
        assert parameters(resumed) == parameters(whole)


def test_settings_that_a_checkpoint_lacks_were_the_defaults(tmp_path: Path) -> None:
    """As of before there were such settings."""
    runs: list[tuple[Any, Any]] = [(rf.RBM(6, 4, seed=1), rf.train), (rf.DBN([6, 4, 3], seed=1), rf.pretrain)]
    for model, go in runs:
        path, calls = str(tmp_path / go.__name__), {"batch_size": 5, "seed": 1}
        go(model, X, checkpoint=path, epochs=2, **calls)
        kind, meta, arrays = read_file(path)
        for settings in meta["settings"].get("layers", [meta["settings"]]):
            del settings["shuffle"]
        write_file(path, kind, meta, arrays)
        go(model, X, resume=path, epochs=2, **calls)
        with pytest.raises(ValueError, match=r"shuffle.* is False, but was True"):
            go(model, X, resume=path, epochs=2, shuffle=False, **calls)


def test_annealing_goes_on() -> None:
    settings: dict[str, Any] = {"method": "ais", "n_chains": 4, "n_temperatures": 3}
    whole = rf.log_partition(class_rbm(), seed=2, **settings)
    assert rf.log_partition(class_rbm(), resume=FILES / "log_partition.ckpt", **settings).value == whole.value


def test_damaged_and_forged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.rbm"
    good = (FILES / "rbm.rbm").read_bytes()

    def is_refused(content: bytes) -> bool:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"a\.rbm' ") as caught:
            rf.load(path)
        return "damaged" in str(caught.value)

    for i in range(0, len(good), 5):
        is_refused(good[:i])
        is_refused(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
    body = good[:-32]
    for old, new in (
        (b'"shape": [6]', b'"shape": [9]'),
        (b'"shape": [6]', b'"shape": [-1, 6]'),
        (b'"shape": [6]', b'"shape": [4611686018427387904, 0, 4611686018427387904]'),
        (b'"shape": [6]', b'"shape": [1099511627776]'),
        (b'"shape": [6]', b'"shape": "x"'),
        (b'"dtype": "float32"', b'"dtype": "object"'),
        (b'"offset": 0', b'"offset": -64'),
        (b'"name": "a"', b'"name": []'),
        (b'"arrays": [', b'"arrays": 5, "x": ['),
        (b'{"kind', b"[" * 10_000),
    ):
        text = body[20:].split(b"\0")[0]
        assert old in text
        header = text.replace(old, new)
        content = body[:12] + len(header).to_bytes(8, "little") + header
        content += bytes(-len(content) % 64) + body[-(-(20 + len(text)) // 64) * 64 :]
        is_refused(content + hashlib.sha256(content).digest())
