"""The command line: what it does, what it writes, and that every error is one line."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import importlib.util
import itertools
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.io import savemat

import rbmfast as rf
from rbmfast import bench
from rbmfast.archive import read_file
from rbmfast.cli import bench as bench_command
from rbmfast.cli import main
from rbmfast.cli.common import CommandError, write_json
from rbmfast.cli.datafiles import read_data
from rbmfast.cli.stopping import SIGNALS
from rbmfast.training import checkpoint

PACKAGE = str(Path(rf.__file__).parent.parent)
LEVELS = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
X = LEVELS.reshape(60, 16) > 127
FAST = ["--epochs", "2", "--hidden", "5", "--batch-size", "20"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def idx(values: np.ndarray) -> bytes:
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + shape + values.tobytes()


def write_files() -> None:
    np.save("bits.npy", X)
    np.save("levels.npy", LEVELS)
    np.savez("one.npz", X.astype(np.float32))
    np.savez("two.npz", pixels=X, labels=np.arange(60))
    sp.save_npz("sparse.npz", sp.csc_matrix(X.astype(np.float64)))
    Path("levels.idx").write_bytes(idx(LEVELS))
    Path("levels.idx.gz").write_bytes(gzip.compress(idx(LEVELS)))
    Path("bits.npy.gz").write_bytes(gzip.compress(Path("bits.npy").read_bytes()))
    Path("one.npz.gz").write_bytes(gzip.compress(Path("one.npz").read_bytes()))
    Path("sparse.npz.gz").write_bytes(gzip.compress(Path("sparse.npz").read_bytes()))
    rows = [[str(int(value)) for value in row] for row in X]
    names = [f"unit {i}" for i in range(16)]
    Path("header.csv").write_text("\n".join(map(",".join, [names, *rows])) + "\n")
    Path("plain.csv").write_text("# a comment\n\n" + "\n".join(map(", ".join, rows)))
    Path("bom.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(";".join, rows)).encode())
    Path("tabs.tsv").write_text("\n".join(map("\t".join, rows)))
    Path("spaces.txt").write_text("\n".join(map("  ".join, rows)))
    Path("header.csv.gz").write_bytes(gzip.compress(Path("header.csv").read_bytes()))


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run what must fail; the one line on stderr."""
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("rbmfast: error: "), error
    assert error.count("\n") == 1
    assert error.endswith("\n")
    return error


def bits(path: str) -> bytes:
    rbm = rf.load(path)
    return rbm.W.tobytes() + rbm.a.tobytes() + rbm.b.tobytes()


def run_process(*argv: str, **settings) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": PACKAGE}
    command = [sys.executable, "-m", "rbmfast", *argv]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, **settings)


# --- The command itself ------------------------------------------------------------------------------------


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rbmfast {rf.__version__}\n"


@pytest.mark.parametrize("command", [[], ["demo"], ["train"], ["evaluate"], ["sample"], ["info"], ["bench"]])
def test_help_has_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "\nexamples:\n  rbmfast " in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "a command is needed: demo, train"),
        (["trian"], "no command 'trian'; did you mean train?"),
        (["zzzzzz"], "no command 'zzzzzz'; choose from demo, train"),
        (["train"], "required: FILE, -o/--output"),
        (["train", "x", "-o", "y", "--method", "pdc"], "'pdc' is not known; did you mean pcd?"),
        (["train", "x", "-o", "y", "--rate-schedule", "liner"], "did you mean linear?"),
        (["train", "x", "-o", "y", "--visible", "gausian"], "did you mean gaussian?"),
        (["train", "x", "-o", "y", "--epoch", "3"], "no option --epoch; did you mean --epochs?"),
        (["train", "x", "-o", "y", "--lr", "0.1"], "no option --lr; did you mean --rate?"),
        (["train", "x", "-o", "y", "--learning_rate=0.1"], "did you mean --rate?"),
        (["train", "x", "-o", "y", "--weight-decay", "1"], "did you mean --l2?"),
        (["sample", "x", "--random-state", "1"], "did you mean --seed?"),
        (["train", "x", "-o", "y", "--epochs", "three"], "must be a whole number of at least 0, got 'three'"),
        (["train", "x", "-o", "y", "--rate", "fast"], "--rate: must be a number, got 'fast'"),
        (["train", "x", "-o", "y", "--shape", "28"], "must be height x width, such as 28x28"),
        (["train", "x", "-o", "y", "more"], "unexpected argument 'more'"),
        (["sample", "x", "-n", "0"], "whole number of at least 1"),
        (["bench", "--threads", "1,x"], "must be numbers from 1 to 4096"),
        (["evaluate", "x"], "required: DATA (see rbmfast evaluate --help)"),
        (["evaluate", "x", "y", "--method", "braket"], "'braket' is not known; did you mean bracket?"),
        (["evaluate", "x", "y", "--temperature", "9"], "did you mean --temperatures?"),
        (["evaluate", "x", "y", "--chains", "1"], "--chains: must be a whole number of at least 2, got '1'"),
        (["evaluate", "x", "y", "--steps", "15"], "--steps: must be a whole number of at least 16"),
        (["evaluate", "nothing.rbm", "y"], "nothing.rbm: No such file or directory"),
        (["info", "nothing.rbm"], "nothing.rbm: No such file or directory"),
        (["info", "."], ".: Is a directory"),
    ],
)
def test_wrong_usage(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in fails(capsys, *argv)


def test_as_a_process() -> None:
    done = run_process("info")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"rbmfast         {rf.__version__}")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SIGINT", "interrupted"),
        ("SIGTERM", "ended by SIGTERM"),
        pytest.param("SIGHUP", "ended by SIGHUP", marks=pytest.mark.slow),
    ],
)
def test_what_was_learned_is_saved_at_a_signal(name: str, words: str) -> None:
    """Schedulers send SIGTERM, more than once at times; closed terminals SIGHUP."""
    write_files()
    number = getattr(signal, name)
    argv = ["train", "bits.npy", "-o", "m.rbm", "--epochs", "10000000", "--checkpoint", "run.ckpt"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rbmfast", *argv],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # whatever we have inherited
    )
    while process.poll() is None and not (Path("run.ckpt").exists() and epochs("run.ckpt")):
        time.sleep(0.01)
    process.send_signal(number)
    if number != signal.SIGINT:
        process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert error == f"rbmfast: {words}: wrote m.rbm as learned so far; go on with --resume run.ckpt\n"
    assert rf.load("m.rbm").visible_means is not None


def epochs(checkpoint: str) -> int:
    return read_file(checkpoint)[1]["epoch"]


def test_signals_are_left_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    assert main(["info"]) == 0
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_what_was_learned_is_saved_when_nobody_reads_on() -> None:
    """``rbmfast train ... | head``."""
    write_files()
    process = subprocess.Popen(
        [sys.executable, "-m", "rbmfast", "train", "bits.npy", "-o", "m.rbm", "--epochs", "10000000"],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    while not process.stdout.readline().startswith("epoch 1/"):
        assert process.poll() is None
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()
    assert not rf.load("m.rbm").is_untouched


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_nobody_listens() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": PACKAGE}
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "rbmfast", "info"], stdout=out, stderr=subprocess.PIPE, env=environment
        )
    assert (done.returncode, done.stderr) == (141, b"")


def full_disk(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """From now on, there is no room for files in folders of these names."""
    replace = os.replace

    def full(source: str, target: str) -> None:
        if Path(target).parent.name in names:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source, None, target)
        replace(source, target)

    for name in names:
        Path(name).mkdir()
    Path("home").mkdir()
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    monkeypatch.setenv("USERPROFILE", str(Path("home").absolute()))
    monkeypatch.setattr("os.replace", full)


def test_a_full_disk_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files()
    argv = ["train", "bits.npy", *FAST]
    assert main([*argv, "-o", "m.rbm"]) == 0
    full_disk(monkeypatch, "full")
    error = fails(capsys, *argv, "-o", "full/m.rbm")
    (place,) = Path("home").absolute().glob("*/m.rbm")
    assert error == f"rbmfast: error: full/m.rbm: No space left on device; wrote {place} instead\n"
    assert bits(str(place)) == bits("m.rbm")
    for name in ("s.npy", "s.npz"):
        error = fails(capsys, "sample", "m.rbm", "-n", "3", "--steps", "1", "-o", f"full/{name}")
        (place,) = Path("home").absolute().glob(f"*/{name}")
        assert error == f"rbmfast: error: full/{name}: No space left on device; wrote {place} instead\n"
    assert not [*Path("full").iterdir()]


def test_a_full_disk_keeps_the_checkpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files()
    argv = ["train", "bits.npy", *FAST, "--checkpoint", "run.ckpt"]
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", lambda **_: "/none")
        full_disk(patch, "full")
        error = fails(capsys, *argv, "-o", "full/m.rbm")
        assert error.endswith("full/m.rbm: No space left on device; go on with --resume run.ckpt\n")
        assert fails(capsys, *argv[:-2], "-o", "full/m.rbm").endswith("; it is lost\n")
    assert main([*argv, "-o", "m.rbm", "--resume", "run.ckpt"]) == 0
    assert main([*argv, "-o", "whole.rbm"]) == 0
    assert bits("m.rbm") == bits("whole.rbm")


def test_no_room_for_a_checkpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files()
    full_disk(monkeypatch, "full")
    argv = ["train", "bits.npy", *FAST, "-o", "m.rbm", "--checkpoint", "full/run.ckpt"]
    assert "full/run.ckpt: No space left on device" in fails(capsys, *argv)
    assert not Path("m.rbm").exists()  # nothing was learned

    save, count = checkpoint.write_file, itertools.count()

    def full_in_the_end(*arguments: Any) -> None:
        if next(count) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), arguments[0])
        save(*arguments)

    monkeypatch.setattr(checkpoint, "write_file", full_in_the_end)
    assert main([*argv[:-1], "run.ckpt"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "rbmfast: warning: wrote m.rbm as learned so far; go on with --resume run.ckpt\n"
        "rbmfast: error: run.ckpt: No space left on device\n"
    )
    assert not rf.load("m.rbm").is_untouched


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_no_room_for_what_is_printed() -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "rbmfast", "info"]
        environment = {**os.environ, "PYTHONPATH": PACKAGE}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr == "rbmfast: error: No space left on device\n"


def test_warnings_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    assert main(["train", "bits.npy", "-o", "m.rbm", *FAST, "--rate", "1e7"]) == 0
    error = capsys.readouterr().err
    assert error.startswith("rbmfast: warning: the weights have become large")
    assert error.count("\n") == 1


# --- train -------------------------------------------------------------------------------------------------


def test_every_kind_of_file_gives_the_same_bits(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    levels = ["--threshold", "127"]
    models = {}
    for name, options in {
        "bits.npy": [],
        "bits.npy.gz": [],
        "one.npz": [],
        "one.npz.gz": [],
        "two.npz": ["--key", "pixels"],
        "sparse.npz": [],
        "sparse.npz.gz": [],
        "header.csv": [],
        "header.csv.gz": [],
        "plain.csv": [],
        "bom.csv": [],
        "tabs.tsv": [],
        "spaces.txt": [],
        "levels.npy": levels,
        "levels.idx": levels,
        "levels.idx.gz": levels,
    }.items():
        assert main(["train", name, "-o", "m.rbm", *FAST, *options]) == 0, name
        models[name] = bits("m.rbm")
    assert len({*models.values()}) == 1, models
    output = capsys.readouterr()
    assert output.err == ""
    assert "60 rows of 16 binary values" in output.out


TABLES = {  # ways to write [[1, 0, 1], [0, 0.5, 1]]
    "words": "a,b,c\n1,0,1\n0,.5,1\n",
    "numbers as pandas has them": "0,1,2\n1,0,1\n0,.5,1\n",
    "with an index": ",0,1,2\n0,1,0,1\n1,0,.5,1\n",
    "tabs": "\ta\tb\tc\nr\t1\t0\t1\ns\t0\t.5\t1\n",
    "of R": '"a" "b" "c"\n"1" 1 0 1\n"2" 0 .5 1\n',
    "quoted": '"1","0","1"\n"0","0.5","1"\n',
    "truth": "True,0,True\nFalse,.5,True\n",
    "commas at ends": "1,0,1,\n0,.5,1,\n",
    "commas at ends below names": "a,b,c\n1,0,1,\n0,.5,1,\n",
    "decimal comma": "1;0;1\n0;0,5;1\n",
    "decimal comma and tabs": "a\tb\tc\n1,0\t0\t1\n0\t0,5\t1\n",
    "double colon": "1::0::1\n0::.5::1\n",
    "spaces": "# a comment\n\n 1  0 1\n 0 .5 1 \n",
    "libsvm": "7 1:1 3:1 # a comment\n9 2:0.5 3:1\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_ways_to_write_a_table(text: str) -> None:
    Path("x").write_text(text)
    values = sp.csr_array(read_data("x").values).toarray()
    np.testing.assert_array_equal(values, [[1, 0, 1], [0, 0.5, 1]])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("0,1\n1,0\n", [0, 1]),  # two values are a row, not names 0 and 1
        ("0\n1\n2\n", [0]),
        ("?,1,0\n1,0,1\n", [np.nan, 1, 0]),
        (",0,1\n1,1,1\n", [np.nan, 0, 1]),
        ("NA,1,0\n1,0,1\n", [np.nan, 1, 0]),
        ("0.1,0.30000000000000004,2.5e-17\n0,1,0\n", [0.1, 0.30000000000000004, 2.5e-17]),
    ],
)
def test_first_rows_are_kept(text: str, first: list[float]) -> None:
    Path("x").write_text(text)
    np.testing.assert_array_equal(read_data("x").values[0], first)


def test_missing_cells_can_be_imputed() -> None:
    Path("x.csv").write_text("1,,0\n1,0,NA\n")
    filled = rf.RBM(3, 2, seed=0).impute(read_data("x.csv").values, seed=1)
    np.testing.assert_array_equal(filled[[0, 0, 1, 1], [0, 2, 0, 1]], [1, 0, 1, 0])


def test_columns_and_labels_by_name() -> None:
    Path("x.csv").write_text("id,a,b,kind,c\nx1,1,0,7,1\nx2,0,0,9,1\n")
    for options in ({"columns": ["a", "b", "c"]}, {"drop": ["id"]}):
        data = read_data("x.csv", labels="kind", **options)
        assert data.values.tolist() == [[1, 0, 1], [0, 0, 1]]
        assert data.labels is not None
        assert data.labels.tolist() == [7, 9]
    assert read_data("x.csv", columns=["c", "a"]).values.tolist() == [[1, 1], [1, 0]]
    with pytest.raises(CommandError, match=r"^id: labels must be whole numbers from 0 to 32767, holds 'x1'"):
        read_data("x.csv", labels="id", drop=["kind"])
    with pytest.raises(CommandError, match=r"^kinds: is neither .* of x.csv; did you mean kind\?"):
        read_data("x.csv", labels="kinds", drop=["id"])


def test_rows_of_zeros_in_libsvm() -> None:
    Path("x").write_text("7\n9 2:1\n8 # nothing\n")
    data = read_data("x", labels="y")
    assert data.values.toarray().tolist() == [[0, 0], [0, 1], [0, 0]]
    assert data.labels is not None
    assert data.labels.tolist() == [7, 9, 8]


def test_arrays_of_matlab() -> None:
    savemat("x.mat", {"X": X, "y": np.arange(60), "Z": sp.csc_matrix(X.astype(np.float64))})
    data = read_data("x.mat", labels="y")
    np.testing.assert_array_equal(data.values, X)
    np.testing.assert_array_equal(data.labels, np.arange(60))
    np.testing.assert_array_equal(read_data("x.mat", "Z").values.toarray(), X)


def test_tables_need_pandas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = fails(capsys, "train", "plain.csv", "-o", "m.rbm")
    assert "plain.csv: a table as text needs pandas: pip install 'rbmfast[tables]'" in message


def test_the_file_counts_and_not_its_name() -> None:
    write_files()
    shutil.copy("levels.idx.gz", "data.csv")
    assert read_data("data.csv").values.shape == (60, 16)
    assert read_data("data.csv").image_size == (4, 4)


def test_plain_files_are_mapped() -> None:
    write_files()
    for name in ("bits.npy", "levels.idx"):
        values = read_data(name).values
        assert isinstance(values, np.memmap) or isinstance(values.base, np.memmap), name


def test_packed_bits_above_a_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    write_files()
    main(["train", "levels.npy", "-o", "bytes.rbm", "--threshold", "127", *FAST])
    monkeypatch.setattr("rbmfast.cli.datafiles.PACKED_FROM", 0)
    monkeypatch.setattr("rbmfast.cli.datafiles.CHUNK", 100)
    main(["train", "levels.npy", "-o", "bits.rbm", "--threshold", "127", *FAST])
    assert bits("bytes.rbm") == bits("bits.rbm")


def test_grey_levels_from_integers_and_floats() -> None:
    write_files()
    np.save("floats.npy", LEVELS.astype(np.float64))
    sp.save_npz("grey.npz", sp.csr_matrix(LEVELS.reshape(60, 16).astype(np.float32)))
    np.savetxt("grey.csv", LEVELS.reshape(60, 16), delimiter=",")
    models = set()
    for name in ("levels.npy", "floats.npy", "grey.npz", "grey.csv", "levels.idx.gz"):
        assert main(["train", name, "-o", "m.rbm", "--grey", *FAST]) == 0
        models.add(bits("m.rbm"))
    assert len(models) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nothing.npy"], "nothing.npy: No such file or directory"),
        (["levels.npy"], "levels.npy holds values up to 255: say --threshold T"),
        (["two.npz"], "two.npz: holds 2 arrays; choose one with --key: pixels, labels"),
        (["two.npz", "--key", "pixel"], "two.npz: has no array 'pixel', only pixels, labels"),
        (["two.npz", "--drop", "labels"], "two.npz: --columns and --drop choose among the columns"),
        (["two.npz", "--key", "labels"], "must hold rows and columns, has the shape (60,)"),
        (["short.idx"], "is a damaged IDX file: 975 bytes instead of 976"),
        (["cut.npy"], "cut.npy: cannot be read: mmap length is greater than file size"),
        (["cut.npz"], "cut.npz: is damaged or cut short: File is not a zip file"),
        (["offset.npz", "--key", "pixels"], "offset.npz: is damaged or cut short"),
        (["cut.gz"], "cut.gz: is damaged or cut short: Compressed file ended before"),
        (["flipped.gz"], "flipped.gz: is damaged or cut short: CRC check failed"),
        (["junk.gz"], "junk.gz: is damaged or cut short: Not a gzipped file"),
        (["endless.npy"], "endless.npy: is damaged or cut short: Python int too large"),
        (["objects.npy"], "objects.npy: cannot be read"),
        (["words.npy"], "words.npy: holds <U"),
        (["words.txt"], "words.txt: column '0' holds 'hello', which is no number (--drop 0 leaves it out)"),
        (["late.csv"], "late.csv: column '0' holds 'x', which is no number"),
        (["late.csv", "--drop", "0,2"], "late.csv: has no column '2'; choose from 0, 1"),
        (["late.csv", "--columns", "0", "--drop", "0"], "must hold rows and columns, has the shape (3, 0)"),
        (["ragged.csv"], "ragged.csv: cannot be read: Error tokenizing data"),
        (["short.csv"], "short.csv[1, 1] is nan, but missing values are not allowed here: leave"),
        (["empty.csv"], "empty.csv: holds no data"),
        (["header-only.csv"], "header-only.csv: column '0' holds 'a', which is no number"),
        (["sequences"], "sequences: holds sequences (FASTA)"),
        (["junk"], "junk: is none of the kinds that are understood"),
        (["latin"], "latin: cannot be read: 'utf-8' codec can't decode"),
        (["nan.csv"], "nan.csv[1, 0] is nan, but missing values are not allowed"),
        (["negative.csv"], "negative.csv[0, 1] is -1.0, but values must lie in [0, 1]"),
        (["nan.csv", "--threshold", "0.5"], "nan.csv holds NaN"),
        (["nan.csv", "--grey"], "--grey wants values from 0 to 255"),
        (["sparse.npz", "--threshold", "-1"], "must be at least 0 for a sparse matrix"),
        (["bits.npy", "--threshold", "127"], "--threshold 127: all of bits.npy is on one side, from 0 to 1"),
        (["sparse.npz", "--threshold", "1"], "all of sparse.npz is on one side, from 0 to 1"),
        (["levels.npy", "--threshold", "-1"], "all of levels.npy is on one side, from 0 to 255"),
        (["one.npz", "--grey"], "--grey: one.npz holds values from 0 to 1, not to 255"),
        (["bits.npy", "--grey"], "--grey: bits.npy holds values from 0 to 1, not to 255"),
        (["bits.npy", "--threshold", "1", "--grey"], "--threshold and --grey exclude each other"),
        (["bits.npy", "--rate", "-1"], "--rate: value must be a finite number at least 0, got -1"),
        (["bits.npy", "--rate", "nan"], "argument --rate: must be a number"),
        (["bits.npy", "--rate-schedule", "exponential", "--rate-decay", "2"], "decay must be at most 1"),
        (["bits.npy", "--momentum", "1"], "--momentum: momentum must be a finite number"),
        (["bits.npy", "--l1", "-1"], "--l1: cost must be a finite number above 0"),
        (["bits.npy", "--sparsity", "3"], "--sparsity: target must be a number from 0 to 1"),
        (["bits.npy", "--chains", "3"], "--chains is an option of --method pcd, fpcd and pt"),
        (["bits.npy", "--replicas", "3"], "--replicas is an option of --method pt"),
        (["bits.npy", "--validation", "1.5"], "must be a file or a number between 0 and 1, got 1.5"),
        (["bits.npy", "--validation", "0.001"], "leaves nothing on one side"),
        (["bits.npy", "--validation", "nothing"], "nothing: No such file or directory"),
        (["bits.npy", "--validation", "narrow.csv"], "narrow.csv: has 2 columns, bits.npy has 16"),
        (["bits.npy", "--resume", "nothing"], "nothing: No such file or directory"),
        (["bits.npy", "--resume", "bits.npy"], "is not an rbmfast file"),
        (["bits.npy", "--checkpoint", "nowhere/run.ckpt"], "must lie in an existing folder, got 'nowhere/r"),
        (["bits.npy", "-o", "nowhere/m.rbm"], "must lie in an existing folder, got 'nowhere/m.rbm'"),
        (["bits.npy", "-o", "."], "a file to write must be a file name, got the folder '.'"),
        (["bits.npy", "--plots", "p", "--shape", "5x5"], "shape must have 16 pixels in all, got 5 x 5"),
        (["bits.npy", "--threads", "0"], "--threads: must be a whole number of at least 1"),
        (["bits.npy", "--threads", "10000"], "n must be an integer from 1 to 4096"),
    ],
)
def test_train_refuses(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    Path("short.idx").write_bytes(idx(LEVELS)[:-1])
    for suffix, whole in (("npy", "bits.npy"), ("npz", "two.npz"), ("gz", "levels.idx.gz")):
        Path(f"cut.{suffix}").write_bytes(Path(whole).read_bytes()[:-40])
    packed = gzip.compress(idx(LEVELS))
    Path("flipped.gz").write_bytes(packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:])
    Path("junk.gz").write_bytes(packed + b"junk")
    archive = bytearray(Path("two.npz").read_bytes())
    archive[-5] ^= 0xFF  # of where its list of arrays begins
    Path("offset.npz").write_bytes(archive)
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (100000000000000000000, 4), }\n"
    Path("endless.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
    np.save("objects.npy", np.array([[{}]]), allow_pickle=True)
    np.save("words.npy", np.array([["yes", "no"]]))
    Path("words.txt").write_text("hello world\nare you\n")
    Path("late.csv").write_text("1,0\n0,1\nx,1\n")
    Path("ragged.csv").write_text("1,0\n0,1,1\n")
    Path("short.csv").write_text("1,0\n0\n")
    Path("sequences").write_text(">one\nACGT\n")
    Path("empty.csv").write_text("")
    Path("header-only.csv").write_text("a,b\n")
    Path("junk").write_bytes(bytes(range(256)))
    Path("latin").write_bytes("é,è\n1,0\n".encode("latin-1"))
    Path("nan.csv").write_text("1,0\nnan,1\n")
    Path("negative.csv").write_text("1,-1\n0,5\n")
    Path("narrow.csv").write_text("1,0\n0,1\n")
    assert message in fails(capsys, "train", "-o", "m.rbm", *argv)
    assert not Path("m.rbm").exists()
    assert not [*Path().glob(".rbmfast-*")]


def test_settings_reach_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    options = [
        *("--method", "pcd", "-k", "2", "--chains", "7", "--rate", "0.1", "--rate-schedule", "linear"),
        *("--momentum", "0.8", "--l1", "1e-5", "--l2", "1e-3", "--max-norm", "4", "--sparsity", "0.2"),
        *("--centered", "--shuffle", "none", "--seed", "3", "--threads", "1"),
    ]
    assert main(["train", "bits.npy", "-o", "m.rbm", *FAST, *options]) == 0
    rbm = rf.RBM(16, 5, seed=3)
    rf.train(
        rbm,
        X,
        method=rf.PCD(k=2, n_chains=7),
        optimizer=rf.SGD(rf.Linear(0.1), momentum=0.8),
        penalties=[rf.L1(1e-5), rf.L2(1e-3), rf.MaxNorm(4.0), rf.SparsityTarget(0.2)],
        centered=True,
        epochs=2,
        batch_size=20,
        shuffle=False,
        seed=3,
    )
    rbm.save("expected.rbm")
    assert bits("m.rbm") == bits("expected.rbm")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[2:4]] == ["epoch 1/2", "epoch 2/2"]
    assert "reconstruction error 0." in lines[2]
    assert "samples/s" in lines[4]
    assert lines[5] == "wrote m.rbm"


def test_threads_are_put_back() -> None:
    write_files()
    before = rf.get_num_threads()
    main(["train", "bits.npy", "-o", "m.rbm", *FAST, "--threads", str(before + 1)])
    assert rf.get_num_threads() == before


def test_gaussian_units(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("real.npy", np.random.default_rng(0).normal(size=(40, 6)))
    assert main(["train", "real.npy", "-o", "m.rbm", *FAST, "--visible", "gaussian", "--rate", "0.01"]) == 0
    assert "40 rows of 6 real values" in capsys.readouterr().out
    assert main(["sample", "m.rbm", "-n", "3", "--steps", "5", "-o", "s.npy"]) == 0
    assert np.load("s.npy").dtype == np.float32


def test_validation(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    assert main(["train", "bits.npy", "-o", "a.rbm", *FAST, "--validation", "bits.npy"]) == 0
    assert "validation 0." in capsys.readouterr().out
    assert main(["train", "bits.npy", "-o", "b.rbm", *FAST]) == 0
    assert bits("a.rbm") == bits("b.rbm")  # watching changes nothing
    capsys.readouterr()

    models = {}
    for name in ("bits.npy", "sparse.npz", "plain.csv"):
        assert main(["train", name, "-o", "m.rbm", *FAST, "--validation", "0.25"]) == 0
        text = capsys.readouterr().out
        assert "45 rows of 16" in text
        assert "15 rows of 16" in text
        models[name] = bits("m.rbm")
    assert len({*models.values()}) == 1


def test_held_out_rows_are_the_rest() -> None:
    write_files()
    train, held = read_data("bits.npy").split(0.25, seed=1)
    both = np.concatenate([train.values, held.values])
    assert sorted(map(bytes, both)) == sorted(map(bytes, X))
    other = read_data("bits.npy").split(0.25, seed=2)[1]
    assert not np.array_equal(held.values, other.values)


@pytest.mark.parametrize("method", ["cd", "pcd", "fpcd", "pt"])
def test_resume_equals_never_stopping(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    common = ["train", "bits.npy", "--hidden", "5", "--method", method, "--batch-size", "20", "-o"]
    assert main([*common, "whole.rbm", "--epochs", "5"]) == 0
    assert main([*common, "part.rbm", "--epochs", "2", "--checkpoint", "run.ckpt"]) == 0
    assert main([*common, "rest.rbm", "--epochs", "5", "--resume", "run.ckpt"]) == 0
    assert bits("rest.rbm") == bits("whole.rbm") != bits("part.rbm")
    capsys.readouterr()
    message = fails(capsys, *common, "no.rbm", "--epochs", "5", "--resume", "run.ckpt", "--rate", "0.1")
    assert "resume: optimizer is" in message

    assert main(["info", "run.ckpt"]) == 0
    assert "checkpoint      of a training run, after 2 epochs and 6 updates" in capsys.readouterr().out
    assert "holds no model but a checkpoint" in fails(capsys, "sample", "run.ckpt")


def test_plots_of_images_and_of_tables(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    np.save("wide.npy", np.concatenate([LEVELS, LEVELS], axis=2))
    assert main(["train", "wide.npy", "-o", "m.rbm", "--threshold", "99", *FAST, "--plots", "a/b"]) == 0
    names = sorted(path.name for path in Path("a/b").iterdir())
    assert names == ["filters.png", "learning_curves.png", "reconstructions.png", "samples.png"]

    np.save("table.npy", LEVELS.reshape(60, 16)[:, :6])
    table = ["train", "table.npy", "-o", "m.rbm", "--grey", *FAST, "--plots", "c"]
    capsys.readouterr()
    assert main(table) == 0
    assert [path.name for path in Path("c").iterdir()] == ["learning_curves.png"]
    assert "say --shape HxW" in capsys.readouterr().out
    assert main([*table, "--shape", "2x3"]) == 0
    assert Path("c/filters.png").exists()


# --- sample and info ---------------------------------------------------------------------------------------


def test_train_info_sample_round_trip(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    assert main(["train", "bits.npy", "-o", "m.rbm", *FAST]) == 0
    capsys.readouterr()
    assert main(["info", "m.rbm"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("model           RBM(16, 5)\nvisible units   16 bernoulli\n")
    assert "trained or assigned" in text

    assert main(["sample", "m.rbm", "-n", "9", "--steps", "20", "--seed", "4"]) == 0
    assert capsys.readouterr().out.startswith("wrote samples.npy: 9 x 16, uint8, mean 0.")
    expected = rf.load("m.rbm").sample(9, steps=20, seed=4)
    assert np.array_equal(np.load("samples.npy"), expected)
    assert main(["sample", "m.rbm", "-n", "9", "--steps", "20", "--seed", "4", "-o", "again.npy"]) == 0
    assert Path("again.npy").read_bytes() == Path("samples.npy").read_bytes()


def test_samples_as_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    rf.RBM(12, 3, seed=0).save("m.rbm")
    command = ["sample", "m.rbm", "-n", "4", "--steps", "2", "--png"]
    pytest.importorskip("matplotlib")
    assert "12 pixels are no square" in fails(capsys, *command, "s.png")
    assert "must end in .png" in fails(capsys, *command, "s.jpg")
    assert main([*command, "s.png", "--shape", "3x4"]) == 0
    assert Path("s.png").read_bytes().startswith(b"\x89PNG")


def test_files_that_hold_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    rf.RBM(4, 2, seed=0).save("m.rbm")
    damaged = bytearray(Path("m.rbm").read_bytes())
    damaged[200] ^= 1
    Path("damaged.rbm").write_bytes(damaged)
    for command, *others in (("info",), ("sample",), ("evaluate", "bits.npy")):
        assert "'bits.npy' is not an rbmfast file" in fails(capsys, command, "bits.npy", *others)
        assert "damaged" in fails(capsys, command, "damaged.rbm", *others)


def test_info_of_a_new_model(capsys: pytest.CaptureFixture[str]) -> None:
    rf.RBM(4, 2, visible="gaussian", seed=12).save("m.rbm")
    assert main(["info", "m.rbm"]) == 0
    text = capsys.readouterr().out
    assert "new, never trained" in text
    assert "initial seed    12" in text


def test_info_of_groups(capsys: pytest.CaptureFixture[str]) -> None:
    visible = rf.Mixed([(rf.Bernoulli(), 4), (rf.Categorical(3), 6)])
    rf.RBM(10, 4, visible=visible, hidden=rf.Categorical(2), seed=12).save("m.rbm")
    assert main(["info", "m.rbm"]) == 0
    text = capsys.readouterr().out
    assert "visible units   10 mixed (4 bernoulli, 6 categorical of 3)\n" in text
    assert "hidden units    4 categorical of 2\n" in text


def test_networks_have_no_samples(capsys: pytest.CaptureFixture[str]) -> None:
    rf.Network([rf.Dense.new(4, 2, "softmax", seed=0)]).save("m.net")
    assert main(["info", "m.net"]) == 0
    assert "outputs         2 softmax" in capsys.readouterr().out
    message = fails(capsys, "sample", "m.net")
    assert "m.net: holds Network([Dense(4, 2, 'softmax')]), which has no samples" in message


# --- evaluate ----------------------------------------------------------------------------------------------

SHORT = ["--samples", "50", "--steps", "40", "--temperatures", "200", "--threads", "1"]


def write_model(n_hidden: int = 5, **units: str) -> rf.RBM:
    rng = np.random.default_rng(3)
    arrays = (0.4 * rng.normal(size=(16, n_hidden)), np.zeros(16), np.zeros(n_hidden))
    rbm = rf.RBM.from_arrays(*arrays, **units)
    rbm.save("m.rbm")
    return rbm


def lines_of(text: str) -> dict[str, list[str]]:
    """The table, by names of lines: value, interval and note in words."""
    lines = [line for line in text.splitlines() if line[22:23] == " "]
    return {line[:21].strip(): line[21:].split() for line in lines}


def test_evaluate_with_an_exact_log_z(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    rbm = write_model()
    assert main(["evaluate", "m.rbm", "bits.npy", *SHORT, "--json", "e.json"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("model: m.rbm: RBM(16, 5); ")
    assert output.out.endswith("wrote e.json\n")
    table = lines_of(output.out)
    assert table["rows"] == ["60", "of", "16", "binary", "values"]
    assert table["log Z"][1:] == ["nats,", "exact"]
    assert {"effective chains", "reverse - forward"} & table.keys() == set()

    found = json.loads(Path("e.json").read_text())
    z = rf.log_partition(rbm)
    assert found["log_z"]["value"] == z.value
    assert found["free_energy"]["mean"] == pytest.approx(rbm.free_energy(X).mean())
    assert found["pseudo_likelihood"]["mean"] == pytest.approx(rf.pseudo_likelihood(rbm, X).mean())
    assert found["reconstruction_error"] == pytest.approx(((X - rbm.reconstruct(X)) ** 2).mean(), rel=1e-5)
    assert found["log_likelihood"]["value"] == pytest.approx(rf.log_likelihood(rbm, X, z).mean())
    assert found["conservative_log_likelihood"]["n_rows"] == 60
    for name in ("free_energy", "pseudo_likelihood", "conservative_log_likelihood"):
        assert found[name]["stderr"] > 0
    assert table["mean log-likelihood"][0] == f"{found['log_likelihood']['value']:.2f}"
    warned = [line.removeprefix("rbmfast: warning: ") for line in output.err.splitlines()]
    assert warned == found["warnings"]


def test_the_conservative_estimate_is_of_all_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever rows are chosen, free energies carry it over to all: it errs by little, however few."""
    write_files()
    rbm = write_model()
    exact = rf.log_likelihood(rbm, X).mean()
    for seed in ("1", "2"):
        argv = ["--json", "e.json", "--conservative", "5", "--seed", seed, "--temperatures", "2000"]
        assert main(["evaluate", "m.rbm", "bits.npy", *SHORT, *argv]) == 0
        conservative = json.loads(Path("e.json").read_text())["conservative_log_likelihood"]
        assert conservative["n_rows"] == 5
        assert abs(conservative["mean"] - exact) < 0.2
    assert main(["evaluate", "m.rbm", "bits.npy", *SHORT, "--conservative", "0"]) == 0
    assert "conservative estimate" not in capsys.readouterr().out.split("wrote")[-1]


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_evaluate_models_of_other_hidden_units(visible: str, capsys: pytest.CaptureFixture[str]) -> None:
    hidden = "gaussian" if visible == "gaussian" else rf.Categorical(3)
    rf.RBM(16, 6, visible=visible, hidden=hidden, seed=0).save("m.rbm")
    np.save("few.npy", np.eye(16)[:8])
    assert main(["evaluate", "m.rbm", "few.npy", *SHORT]) == 0
    assert lines_of(capsys.readouterr().out)["log Z"][1:] == ["nats,", "exact"]


@pytest.mark.parametrize("method", ["ais", "bracket"])
def test_evaluate_by_annealing(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    rbm = write_model()
    argv = ["evaluate", "m.rbm", "bits.npy", *SHORT, "--method", method, "--chains", "50", "--json"]
    assert main([*argv, "e.json"]) == 0
    table = lines_of(capsys.readouterr().out)
    words = " ".join(table["log Z"])
    assert words.endswith(f"nats, {method}, 50 chains of 200 steps")
    value, low, high = (float(word) for word in table["log Z"][:3])
    assert low < value < high
    assert table["effective chains"][1:] == ["of", "50"]
    assert ("reverse - forward" in table) == (method == "bracket")

    found = json.loads(Path("e.json").read_text())
    z = rf.log_partition(rbm, method, n_chains=50, n_temperatures=200, seed=0)
    assert found["log_z"]["value"] == z.value
    assert found["log_z"]["lower"] < rf.log_partition(rbm).value < found["log_z"]["upper"]
    assert found["log_likelihood"]["lower"] < found["log_likelihood"]["upper"]
    assert ("reverse" in found["log_z"]) == (method == "bracket")

    before = rf.get_num_threads()
    assert main([*argv, "again.json", "--threads", str(before + 1)]) == 0
    assert rf.get_num_threads() == before
    again = json.loads(Path("again.json").read_text())
    assert again["log_z"] == found["log_z"]
    assert again["conservative_log_likelihood"] == found["conservative_log_likelihood"]


def test_large_models_are_annealed_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("wide.npy", np.concatenate([X, X], axis=1))
    rf.RBM(32, 21, seed=0).save("m.rbm")
    assert main(["evaluate", "m.rbm", "wide.npy", *SHORT, "--chains", "20"]) == 0
    assert "ais, 20 chains" in capsys.readouterr().out


def test_base_data(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    rbm = write_model()
    base = ["--base-data", "sparse.npz", "--method", "ais", "--chains", "20", "--json", "e.json"]
    assert main(["evaluate", "m.rbm", "bits.npy", *SHORT, *base]) == 0
    z = rf.log_partition(rbm, "ais", n_chains=20, n_temperatures=200, base=X.mean(axis=0), seed=0)
    assert json.loads(Path("e.json").read_text())["log_z"]["value"] == z.value


def test_evaluate_grey_levels_and_real_values(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    write_model()
    assert "say --threshold T" in fails(capsys, "evaluate", "m.rbm", "levels.npy")
    assert main(["evaluate", "m.rbm", "levels.npy", *SHORT, "--grey", "--json", "e.json"]) == 0
    table = lines_of(capsys.readouterr().out)
    assert table["mean log-likelihood"][0] == "none"
    assert "log pseudo-likelihood" in table
    found = json.loads(Path("e.json").read_text())
    assert found["log_likelihood"] is None
    assert found["conservative_log_likelihood"] is None

    np.save("real.npy", np.random.default_rng(0).normal(size=(40, 16)))
    write_model(visible="gaussian")
    assert main(["evaluate", "m.rbm", "real.npy", *SHORT, "--json", "e.json"]) == 0
    table = lines_of(capsys.readouterr().out)
    assert "log pseudo-likelihood" not in table
    assert table["log Z"][-1] == "exact"


@pytest.mark.parametrize("method", [pytest.param("exact", marks=pytest.mark.slow), "bracket"])
def test_pictures_of_an_evaluation(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    write_files()
    write_model()
    assert main(["evaluate", "m.rbm", "bits.npy", *SHORT, "--method", method, "--plots", "a/b"]) == 0
    names = sorted(path.stem for path in Path("a/b").iterdir())
    expected = ["chains", "free_energies", "moments"]
    assert names == (expected if method == "exact" else ["ais_weights", *expected])
    assert "drew free_energies, chains, moments" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nothing.npy"], "nothing.npy: No such file or directory"),
        (["narrow.npy"], "narrow.npy: has 3 columns, m.rbm has 16 visible units"),
        (["one.npy"], "one.npy: must have at least 2 rows, has 1"),
        (["words.txt"], "words.txt: column '0' holds 'hello', which is no number"),
        (["bits.npy", "--base-data", "narrow.npy"], "narrow.npy: has 3 columns"),
        (
            ["bits.npy", "--chains", "9"],
            "--chains is an option of --method ais and bracket; log Z of RBM(16, 5)",
        ),
        (["bits.npy", "--threshold", "1", "--grey"], "--threshold and --grey exclude each other"),
        (["bits.npy", "--json", "no/e.json"], "must lie in an existing folder, got 'no/e.json'"),
        (["two.npz", "--key", "pixel"], "two.npz: has no array 'pixel', only pixels, labels"),
    ],
)
def test_what_cannot_be_evaluated(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    write_files()
    write_model()
    np.save("narrow.npy", X[:, :3])
    np.save("one.npy", X[:1])
    Path("words.txt").write_text("hello world\nare you\n")
    assert message in fails(capsys, "evaluate", "m.rbm", *argv)


def test_exact_where_it_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("wide.npy", np.concatenate([X, X], axis=1))
    rf.RBM(32, 30, seed=0).save("m.rbm")
    message = fails(capsys, "evaluate", "m.rbm", "wide.npy", *SHORT, "--method", "exact")
    assert "30" in message


# --- demo --------------------------------------------------------------------------------------------------


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    assert main(["demo", "--epochs", "25", "--output", "out"]) == 0
    output = capsys.readouterr()
    assert "[####################################] 100%  epoch 25/25" in output.err
    for words in ("reconstruction error", "free-energy gap", "nats per pixel", "samples/s", "1 thread"):
        assert words in output.out

    metrics = json.loads(Path("out/metrics.json").read_text())
    before, after = metrics["before"], metrics["after"]
    assert before.keys() >= {"reconstruction_error", "free_energy_gap", "pseudo_likelihood"}
    assert before.keys() == after.keys()
    assert after["reconstruction_error"] < 0.6 * before["reconstruction_error"]
    assert after["pseudo_likelihood"] > before["pseudo_likelihood"] + 5
    assert metrics["samples_per_second"] > 0

    model = rf.load("out/digits.rbm")
    assert (model.n_visible, model.n_hidden) == (64, 128)
    history = json.loads(Path("out/history.json").read_text())
    assert history["epoch"] == [*range(26)]
    pictures = sorted(path.stem for path in Path("out").glob("*.png"))
    assert pictures == ["completions", "filters", "learning_curves", "reconstructions", "samples"]


@pytest.mark.slow
def test_demo_on_other_threads() -> None:
    for threads in "12":
        assert main(["demo", "--epochs", "25", "--output", threads, "--threads", threads]) == 0
    assert bits("1/digits.rbm") == bits("2/digits.rbm")


@pytest.mark.parametrize("missing", ["matplotlib", "sklearn"])
def test_demo_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    message = fails(capsys, "demo")
    project = {"sklearn": "scikit-learn"}.get(missing, missing)
    assert project in message
    assert "pip install 'rbmfast[demo]'" in message
    assert not Path("rbmfast-demo").exists()


def test_pictures_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files()
    rf.RBM(16, 3, seed=0).save("m.rbm")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for argv in (
        ["train", "bits.npy", "-o", "n.rbm", "--plots", "p"],
        ["sample", "m.rbm", "--png", "s.png"],
        ["evaluate", "m.rbm", "bits.npy", "--plots", "p"],
        ["bench", "--png", "b.png"],
    ):
        assert "needs matplotlib: pip install 'rbmfast[plots]'" in fails(capsys, *argv)


# --- bench -------------------------------------------------------------------------------------------------

SMALL = (
    bench.cd(20, 10, n_rows=300, batch_size=100, epochs=2),
    dataclasses.replace(bench.WORKLOADS[6], n_visible=20, n_hidden=10, n_rows=10, settings={"steps": 20}),
    dataclasses.replace(bench.WORKLOADS[8], n_visible=20, n_hidden=10, n_rows=1),
)


@pytest.mark.slow
def test_bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_command, "WORKLOADS", SMALL)
    before = rf.get_num_threads()
    argv = ["bench", "--quick", "--threads", "1,2", "--json", "b.json"]
    with_picture = importlib.util.find_spec("matplotlib") is not None
    assert main([*argv, "--png", "b.png"] if with_picture else argv) == 0
    assert rf.get_num_threads() == before
    text = capsys.readouterr().out
    assert text.count("CD-1, 20 x 10, batch 100\n        1") == 1
    assert "in brackets how many times as fast rbmfast is" in text
    assert "µs" in text

    written = json.loads(Path("b.json").read_text())
    assert {"cpu", "isa", "packages", "blas"} <= written["environment"].keys()
    measured = {(m["workload"], m["peer"], m["threads"]) for m in written["measurements"]}
    assert len(measured) == len(written["measurements"])
    assert {(w.name, peer, n) for w in SMALL for peer in ("rbmfast", "NumPy") for n in (1, 2)} <= measured
    for m in written["measurements"]:
        assert len(m["seconds"]) == bench_command.QUICK[1]
        assert m["samples_per_second"] > 0
    assert Path("b.png").exists() == with_picture


def test_bench_only_some(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_command, "WORKLOADS", SMALL)
    monkeypatch.setattr("rbmfast.bench.measure.can_limit_blas", lambda: False)
    assert main(["bench", "--quick", "--threads", "1", "--only", "Gibbs"]) == 0
    text = capsys.readouterr().out
    assert "threadpoolctl is not installed" in text
    assert "Gibbs steps, 20 x 10, 10 chains" in text
    assert "CD-1, 20 x 10" not in text
    assert "no workload has 'Gips' in its name; choose from: CD-1" in fails(capsys, "bench", "--only", "Gips")


# --- Small things ------------------------------------------------------------------------------------------


def test_json_without_nan() -> None:
    write_json("x.json", {"a": float("nan"), "b": [1.5, float("inf")], "c": "text"})
    assert json.loads(Path("x.json").read_text()) == {"a": None, "b": [1.5, None], "c": "text"}


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "bits.npy", "-o", "bits.npy"],
        ["train", "bits.npy", "-o", "m.rbm", "--checkpoint", "bits.npy"],
        ["train", "bits.npy", "-o", "m.rbm", "--checkpoint", "./m.rbm"],
        ["sample", "bits.npy", "-o", "bits.npy"],
        ["evaluate", "m.rbm", "bits.npy", "--json", "bits.npy"],
        ["evaluate", "m.rbm", "x.npy", "--base-data", "bits.npy", "--json", "bits.npy"],
    ],
)
def test_no_input_is_overwritten(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    write_files()
    before = Path("bits.npy").read_bytes()
    assert "named twice" in fails(capsys, *argv)
    assert Path("bits.npy").read_bytes() == before


def test_nan_is_no_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    write_files()
    assert "--threshold" in fails(capsys, "train", "levels.npy", "-o", "m.rbm", "--threshold", "nan")


@pytest.mark.parametrize("name, at", [("bits.npy", 11), ("one.npz", 8)])
def test_damaged_files(capsys: pytest.CaptureFixture[str], name: str, at: int) -> None:
    """Whatever byte is wrong near the start, the error is one line."""
    write_files()
    content = bytearray(Path(name).read_bytes())
    for position in range(at - 8, min(at + 60, len(content))):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        Path(name).write_bytes(damaged)
        if main(["train", name, "-o", "m.rbm", *FAST]) != 0:
            assert capsys.readouterr().err.count("\n") == 1
