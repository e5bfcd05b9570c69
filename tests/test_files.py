"""Names of files, errors that say which, and writing that is complete or leaves nothing."""

import errno
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbmfast as rf
from rbmfast import files
from rbmfast.archive import read_file, write_file
from rbmfast.cli import main
from rbmfast.files import FileFormatError, complete_file

X = np.eye(4, dtype=np.uint8)
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions, links, limits and signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's /proc")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: Any, text: bytes = b"new") -> None:
    with complete_file(path) as file:
        file.write(text)


# --- Names -------------------------------------------------------------------------------------------------


def test_names_may_be_bytes() -> None:
    rbm = rf.RBM(4, 2, seed=0)
    rf.train(rbm, X, optimizer=0.1, epochs=1, seed=1, checkpoint=b"run.ckpt")
    rf.train(rbm, X, optimizer=0.1, epochs=2, resume=b"run.ckpt")
    rbm.save(b"a.rbm")
    assert rf.load(b"a.rbm").W.tobytes() == rf.load("a.rbm").W.tobytes() == rbm.W.tobytes()
    with pytest.raises(FileFormatError, match=r"^'run\.ckpt' holds no model"):
        rf.load(b"run.ckpt")


@pytest.mark.parametrize("path", ["", b"", "a\0b", 5, None, ["a.rbm"]])
def test_what_is_no_name(path: Any) -> None:
    rbm = rf.RBM(4, 2, seed=0)
    dbn = rf.DBN([4, 2], seed=0)
    kind = ValueError if isinstance(path, (str, bytes)) else TypeError
    for take in (rbm.save, dbn.save, dbn.to_autoencoder().save, rf.load):
        with pytest.raises(kind, match=r"^path must be a file name, got"):
            take(path)
    if path is not None:
        for argument in ("checkpoint", "resume"):
            with pytest.raises(kind, match=f"^{argument} must be a file name or None, got"):
                rf.train(rbm, X, epochs=1, **{argument: path})
    assert not [*Path().iterdir()]


# --- Errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_failure_names_the_file_and_leaves_the_old_one(call: str, kind: Any, monkeypatch: Any) -> None:
    """The file that was asked for, and not the temporary one."""
    for name in ("a.rbm", "run.ckpt"):
        Path(name).write_bytes(b"old")

    def fail(*names: Any) -> None:
        path = names[0] if call == "replace" else None
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path) if kind is OSError else kind

    monkeypatch.setattr(os, call, fail)
    for name, act in (
        ("a.rbm", lambda: rf.RBM(4, 2, seed=0).save("a.rbm")),
        ("run.ckpt", lambda: rf.train(rf.RBM(4, 2, seed=0), X, epochs=1, checkpoint="run.ckpt")),
    ):
        message = rf"^\[Errno 28\] No space left on device: '{name}'$" if kind is OSError else None
        with pytest.raises(kind, match=message):
            act()
        assert Path(name).read_bytes() == b"old"
    assert len([*Path().iterdir()]) == 2


@posix
def test_a_full_disk_in_the_middle_of_an_array() -> None:
    import resource

    rf.RBM(4, 2, seed=0).save("a.rbm")
    before = Path("a.rbm").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        for name in ("a.rbm", "b.rbm"):
            with pytest.raises(OSError, match=rf": '{name}'$"):
                rf.RBM(400, 200, seed=0).save(name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Path("a.rbm").read_bytes() == before
    assert [*Path().iterdir()] == [Path("a.rbm")]


def test_a_read_only_folder_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so that the system is made to refuse."""

    def refuse(path: str, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "open", refuse, raising=False)
        with pytest.raises(PermissionError, match=r"^\[Errno 13\] Permission denied: 'a\.rbm'$"):
            rf.RBM(4, 2, seed=0).save("a.rbm")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"^checkpoint must lie in a folder that can be written"):
        rf.train(rf.RBM(4, 2, seed=0), X, epochs=10**9, checkpoint="run.ckpt")


@linux
def test_a_failing_read_names_the_file() -> None:
    with pytest.raises(OSError, match="Input/output error: '/proc/self/mem'"):
        rf.load("/proc/self/mem")


@posix
def test_devices_are_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    with pytest.raises(OSError, match=r"is no ordinary file, .*: 'pipe'"):
        write("pipe")
    with pytest.raises(OSError, match=r"^checkpoint: 'pipe' is no ordinary file"):
        rf.train(rf.RBM(4, 2, seed=0), X, checkpoint="pipe")
    assert main(["sample", "a.rbm", "-o", "pipe"]) == 2
    assert capsys.readouterr().err.startswith("rbmfast: error: a file to write: 'pipe' is no ordinary file")
    assert main(["sample", "a.rbm", "-o", ""]) == 2
    assert "a file to write must be a file name, got ''" in capsys.readouterr().err


# --- Writing -----------------------------------------------------------------------------------------------


def test_two_writers_never_mix() -> None:
    """Whatever a reader finds, one writer wrote all of it."""
    models = [rf.RBM(60 + 30 * i, 20, seed=i) for i in range(2)]
    models[0].save("a.rbm")
    writers = [
        threading.Thread(target=lambda rbm=rbm: [rbm.save("a.rbm") for _ in range(30)]) for rbm in models
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        saved = rf.load("a.rbm")
        assert any(np.array_equal(saved.W, rbm.W) for rbm in models)
    assert [*Path().iterdir()] == [Path("a.rbm")]


@posix
def test_permissions_and_links_stay() -> None:
    before = os.umask(0o027)
    try:
        write("a.txt")
        assert stat.S_IMODE(os.stat("a.txt").st_mode) == 0o640
        os.chmod("a.txt", 0o600)
        write("a.txt")
        assert stat.S_IMODE(os.stat("a.txt").st_mode) == 0o600
    finally:
        os.umask(before)
    os.mkdir("elsewhere")
    os.symlink(Path("elsewhere", "b.txt"), "link")
    for text in (b"old", b"new"):
        write("link", text)
        assert Path("link").is_symlink()
        assert Path("elsewhere", "b.txt").read_bytes() == text
    assert {path.name for path in Path().rglob("*")} == {"a.txt", "link", "elsewhere", "b.txt"}


KILLED = """
import os, signal
from rbmfast.files import complete_file
with complete_file("a.txt") as file:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_the_next_one_removes_what_the_killed_have_left() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(rf.__file__).parent.parent)}
    with complete_file("b.txt") as mine:  # still being written
        subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)
        assert len([*Path().glob(".rbmfast-*.tmp")]) == 2
        write("a.txt")
        assert len([*Path().glob(".rbmfast-*.tmp")]) == 1
        mine.write(b"whole")
    assert Path("b.txt").read_bytes() == b"whole"
    assert sorted(path.name for path in Path().iterdir()) == ["a.txt", "b.txt"]


def test_files_of_other_machines_are_left_alone_for_a_day() -> None:
    others = [Path(".rbmfast-00000000-1-00000000.tmp"), Path(".rbmfast-0123456789abcdef.tmp")]
    for other in (*others, Path(".rbmfast-notes"), Path("mine.tmp")):
        other.touch()
    write("a.txt")
    assert all(other.exists() for other in others)
    for path in Path().iterdir():
        os.utime(path, (0, time.time() - 90_000))
    write("a.txt")
    assert sorted(path.name for path in Path().iterdir()) == [".rbmfast-notes", "a.txt", "mine.tmp"]


# --- Files that somebody has made up -----------------------------------------------------------------------

WRONG: list[Any] = [None, True, 1.5, [], "x"]


def rbm() -> rf.RBM:
    return rf.RBM(4, 3, seed=0)


def dbn() -> rf.DBN:
    return rf.DBN([4, 3, 2], seed=0)


def net() -> rf.Network:
    return dbn().to_autoencoder()


def stopping() -> list[rf.Callback]:
    return [rf.EarlyStopping("train_reconstruction_error", patience=9)]


PCD: dict[str, Any] = {"method": rf.PCD(1), "monitors": [rf.ReconstructionError()]}
ANNEALING: dict[str, Any] = {"method": "ais", "n_chains": 4, "n_temperatures": 3}
RUNS: dict[str, tuple[Any, Any]] = {
    "train": (rbm, lambda rbm, **files: rf.train(rbm, X, epochs=1, callbacks=stopping(), **PCD, **files)),
    "pretrain": (dbn, lambda dbn, **files: rf.pretrain(dbn, X, epochs=1, **files)),
    "up_down": (dbn, lambda dbn, **files: rf.up_down(dbn, X, epochs=1, method=rf.CD(1), **files)),
    "fine_tune": (net, lambda net, **files: rf.fine_tune(net, X, epochs=1, optimizer=rf.Adam(), **files)),
    "log_partition": (rbm, lambda rbm, **files: rf.log_partition(rbm, **ANNEALING, **files)),
}
LONG = ("up_down", "fine_tune")  # whose checkpoints are read by the same lines as those of `train`


def forgeries(value: Any, wrongs: list[Any] = WRONG) -> Iterator[Any]:
    """The same with something wrong in one place, or nothing there."""
    yield from (wrong for wrong in wrongs if type(wrong) is not type(value))
    if isinstance(value, dict):
        for key in value:
            yield {name: item for name, item in value.items() if name != key}
            yield from ({**value, key: item} for item in forgeries(value[key], wrongs[-1:]))


def wrong(array: Any, i: int) -> Any:
    """An array that is wrong in one of several ways."""
    if i % 4 == 0:
        return array[None]
    if i % 4 == 1:
        return array.astype(np.int16)
    return np.full_like(array, 7) if i % 4 == 2 else (array * np.nan).astype(np.float32)


def parameters(model: Any) -> list[bytes]:
    return [array.tobytes() for array in model.to_state()[1].values()]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "run", [pytest.param(run, marks=pytest.mark.slow if run in LONG else []) for run in RUNS]
)
def test_made_up_checkpoints_are_refused_by_name(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in a checkpoint: a ValueError that names it, and the model as it was."""
    new, go = RUNS[run]
    go(new(), seed=1, checkpoint="run.ckpt")
    kind, meta, arrays = read_file("run.ckpt")

    def refused(meta: Any, arrays: Any, changes: bool = False) -> bool:
        write_file("run.ckpt", kind, meta, arrays)
        model = new()
        before = parameters(model)
        try:
            go(model, resume="run.ckpt")
        except ValueError as error:
            assert "'run.ckpt'" in str(error), meta
            assert changes or parameters(model) == before, meta
            return True
        return False

    for name in meta:
        without = {other: value for other, value in meta.items() if other != name}
        assert refused(without, arrays) or name == "stopped", name
        for value in forgeries(meta[name]):
            legal = isinstance(value, dict) or (name, value) == ("stopped", "x")
            assert refused({**meta, name: value}, arrays) or legal, (name, value)
        main(["info", "run.ckpt"])  # no traceback
    for i, (name, array) in enumerate(arrays.items()):
        later = name.startswith("callbacks/")  # these are asked when the run is back in its place
        optional = later or name.startswith("notes/")
        assert refused(meta, {key: item for key, item in arrays.items() if key != name}, later) or optional
        refused(meta, {**arrays, name: wrong(array, i)}, later)
    assert not refused(meta, arrays)
    capsys.readouterr()
    assert main(["info", "run.ckpt"]) == 0
    assert "checkpoint      of " in capsys.readouterr().out
    with pytest.raises(FileFormatError, match=rf"'run\.ckpt' holds no model but a checkpoint .*rf\.{run}\("):
        rf.load("run.ckpt")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("new", [rbm, dbn, net, lambda: rf.ClassRBM(4, 3, 2, seed=0)])
def test_made_up_models_are_refused_by_name(new: Any) -> None:
    new().save("a.rbm")
    kind, meta, arrays = read_file("a.rbm")
    for forged in forgeries(meta):
        if isinstance(forged, dict):
            write_file("a.rbm", kind, forged, arrays)
            try:
                rf.load("a.rbm")
            except FileFormatError as error:
                assert "'a.rbm' holds no valid model: " in str(error)
