"""What the command line refuses: in one line that says why, before anything is written."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from commands import LEVELS, fails, idx, write_files

import rbmfast as rf
from rbmfast.cli import main

DEEP, LAST = "--model dbn --hidden 6,5", "--up-down 2 --fine-tune 3 --network m.net"
CLASSES = "--model class-rbm --labels y"
REFUSED = {  # how commands begin, how they go on, and what is said
    "": {
        "": "a command is needed: demo, train",
        "trian": "no command 'trian'; did you mean train?",
        "zzzzzz": "no command 'zzzzzz'; choose from demo, train",
        "train": "required: FILE, -o/--output",
        "bench --threads 1,x": "--threads: must be a whole number of at least 1, got 'x'",
        "info nothing.rbm": "nothing.rbm: No such file or directory",
        "info .": ".: Is a directory",
        "train bits.npy -o bits.npy": "named twice",
        "train bits.npy -o m.rbm --checkpoint bits.npy": "named twice",
        "train bits.npy -o m.rbm --checkpoint ./m.rbm": "named twice",
        "info bits.npy": "'bits.npy' is not an rbmfast file",
    },
    "evaluate": {
        "x": "required: DATA (see rbmfast evaluate --help)",
        "x y --method braket": "'braket' is not known; did you mean bracket?",
        "x y --chains 1": "--chains: must be a whole number of at least 2, got '1'",
        "x y --steps 15": "--steps: must be a whole number of at least 16",
        "u.dbn d.npz --key X --labels y": "--labels says nothing about u.dbn, which holds DBN([16, 6, 5])",
        "u.dbn d.npz --key X --steps 20": "--steps says nothing about u.dbn",
        "m.crbm d.npz --key X": "ClassRBM(16, 4, 3) needs --labels",
        "m.crbm d.npz --key X --labels y --method ais": "--method says nothing about m.crbm",
        "m.crbm d.npz --key X --labels four.npy": "four.npy: holds the label 3, m.crbm knows 0 to 2",
        "m.dbn d.npz --key X --labels y --chains 9": "--chains is about the likelihood: with --labels, say",
        "m.dbn d.npz --key X --chains 9": "--chains is an option of --method ais and bracket",
        "m.net d.npz --key X": "needs --labels to be compared with",
        "linear.net d.npz --key X": "is neither a classifier nor an autoencoder",
        "damaged.rbm bits.npy": "damaged",
    },
    "evaluate m.rbm": {
        "nothing.npy": "nothing.npy: No such file or directory",
        "narrow.npy": "narrow.npy: has 3 columns, m.rbm has 16 visible units",
        "row.npy": "row.npy: must have at least 2 rows, has 1",
        "words.txt": "words.txt: has 2 columns, m.rbm has 16 visible units",
        "bits.npy --base-data narrow.npy": "narrow.npy: has 3 columns",
        "bits.npy --chains 9": "an option of --method ais and bracket; log Z of RBM(16, 4)",
        "two.npz --key pixel": "two.npz: has no array 'pixel', only pixels, labels",
        "bits.npy --json bits.npy": "named twice",
    },
    "sample": {
        "x --random-state 1": "did you mean --seed?",
        "x -n 0": "whole number of at least 1",
        "m.rbm --label 1": "--label: m.rbm holds RBM(16, 4), which knows no labels",
        "m.dbn --label 3": "--label: m.dbn has no label '3'; choose from 0, 1, 2",
        "m.dbn --label 0,x": "--label: m.dbn has no label 'x'; choose from 0, 1, 2",
        "m.dbn --label -1": "--label",
        "m.net": "which has no samples",
        "bits.npy -o bits.npy": "named twice",
        "m.rbm -o x.txt": "x.txt: the name of samples must end in .npy, .npz, .csv",
        "m.dbn --labels 1": "rbmfast sample has no option --labels; did you mean --label?",
        "damaged.rbm": "damaged",
    },
    "train -o n": {
        "levels.npy": "levels.npy holds values from 0 to 255: say --threshold X",
        "two.npz": "two.npz: holds 2 arrays; choose one with --key: pixels, labels",
        "two.npz --drop labels": "two.npz: --columns and --drop choose among the columns",
        "two.npz --key labels": "must hold rows and columns, has the shape (60,)",
        "short.idx": "is a damaged IDX file: 975 bytes instead of 976",
        "cut.npy": "cut.npy: cannot be read: mmap length is greater than file size",
        "cut.npz": "cut.npz: is damaged or cut short: File is not a zip file",
        "offset.npz --key pixels": "offset.npz: is damaged or cut short",
        "cut.gz": "cut.gz: is damaged or cut short: Compressed file ended before",
        "flipped.gz": "flipped.gz: is damaged or cut short: CRC check failed",
        "junk.gz": "junk.gz: is damaged or cut short: Not a gzipped file",
        "endless.npy": "endless.npy: is damaged or cut short: Python int too large",
        "objects.npy": "objects.npy: cannot be read",
        "words.npy": "words.npy: holds <U",
        "words.txt --visible bernoulli": "words.txt: column '0' holds 'hello', which is no number",
        "late.csv --visible bernoulli": "late.csv: column '0' holds 'x', which is no number",
        "late.csv --drop 0,2": "late.csv: has no column '2'; choose from 0, 1",
        "late.csv --columns 0 --drop 0": "must hold rows and columns, has the shape (3, 0)",
        "ragged.csv": "ragged.csv: line 2 has 3 cells, those above have 2",
        "empty.csv": "empty.csv: holds no data",
        "header-only.csv": "header-only.csv: frame must have a column with two different values (--drop",
        "sequences": "sequences: holds sequences (FASTA)",
        "junk": "junk: is none of the kinds that are understood",
        "latin": "latin: cannot be read: 'utf-8' codec can't decode",
        "nan.csv --visible bernoulli --model dbn": "nan.csv: has missing cells: fill them in first",
        "negative.csv --visible bernoulli": "negative.csv holds values from -1 to 5: say --threshold",
        "nan.csv --threshold 0.5": "nan.csv holds NaN",
        "nan.csv --grey": "--grey wants values from 0 to 255",
        "many.csv": "which are rather names or text ('id' has 70): drop them, or",
        "many.csv --types n=float": "many.csv: types['n'] must be 'category', 'real' or 'count', got 'float'",
        "many.csv --types n": "argument --types: must be names and kinds, such as age=real, got 'n'",
        "many.csv --types n=real --grey": "--grey does not go with --types",
        "many.csv --standardize --threshold 1": "--threshold does not go with --standardize",
        "many.csv --standardize --visible spin": "--visible does not go with --standardize, which",
        "sparse.npz --standardize": "sparse.npz: frame must be a frame of pandas or polars, a mapping",
        "sparse.npz --threshold -1": "must be at least 0 for a sparse matrix",
        "sparse.npz --threshold 1": "all of sparse.npz is on one side, from 0 to 1",
        "levels.npy --threshold -1": "all of levels.npy is on one side, from 0 to 255",
        "one.npz --grey": "--grey: one.npz holds values from 0 to 1, not to 255",
        "levels.npy --threshold nan": "argument --threshold: must be a number, got 'nan'",
    },
    "train -o n bits.npy": {
        "--threshold 127": "--threshold 127: all of bits.npy is on one side, from 0 to 1",
        "--grey": "--grey: bits.npy holds values from 0 to 1, not to 255",
        "--threshold 1 --grey": "--grey: not allowed with argument --threshold",
        "--rate -1": "--rate: value must be a finite number at least 0, got -1",
        "--rate nan": "argument --rate: must be a number",
        "--rate-schedule exponential --rate-decay 2": "decay must be at most 1",
        "--momentum 1": "--momentum: value must be a finite number at least 0 and below 1, got 1",
        "--l1 -1": "--l1: cost must be a finite number above 0",
        "--sparsity 3": "--sparsity: target must be a number from 0 to 1",
        "--method cd --chains 3": "--chains is an option of --method pcd, pt, ptt and fpcd",
        "--replicas 3": "--replicas is an option of --method pt",
        "--validation 1.5": "must be a file or a number between 0 and 1, got 1.5",
        "--validation 0.001": "leaves nothing on one side",
        "--validation nothing": "nothing: No such file or directory",
        "--validation narrow.csv": "narrow.csv: has 2 columns, bits.npy has 16",
        "--resume nothing": "nothing: No such file or directory",
        "-o nowhere/m.rbm": "must lie in an existing folder, got 'nowhere/m.rbm'",
        "-o .": "a file to write must be a file name, got the folder '.'",
        "--plots p --shape 5x5": "shape must have 16 pixels in all, got 5 x 5",
        "--threads 0": "--threads: must be a whole number of at least 1",
        "--threads 10000": "n must be an integer from 1 to 4096",
    },
    "train -o n d.npz --key X": {
        "--model dnb": "'dnb' is not known; did you mean dbn?",
        "--hidden 500,x": "--hidden: must be a whole number of at least 1, got 'x'",
        "--hidden 6,5": "--hidden: one number for --model rbm, got 2; --model dbn has layers",
        "--epochs 1,2 --model class-rbm --labels y": "--epochs: one number for --model class-rbm, got 2",
        "--labels y": "--labels is an option of --model class-rbm and dbn",
        "--generative 1": "--generative is an option of --model class-rbm",
        "--model class-rbm": "--model class-rbm needs --labels",
    },
    f"train -o n d.npz --key X {CLASSES}": {
        "--up-down 1": "--up-down is an option of --model dbn",
        "--generative -1": "generative must be a finite number at least 0, got -1",
        "--generative 0 -k 2": "-k is about samples, which --generative 0",
        "--generative inf --unlabelled 1": "--unlabelled needs a finite --generative",
        "--generative inf --dropout 0.1": "--dropout needs a finite --generative",
        "--dropout 1": "--dropout: value must be a finite number at least 0 and below 1, got 1",
        "--labels pair.npz": "pair.npz: holds 2 arrays; labels want a file of their own",
        "--labels z": "z: is neither a file nor a column or an array of d.npz",
        "--labels X": "X must be 90 integers from 0 to 32767, got shape (90, 16)",
        "--labels less.npy": "less.npy must be 90 integers from 0 to 32767, got -1 at ",
        "--labels nan.npy": "nan.npy: labels must be whole numbers, holds nan",
        "--labels zero.npy": "zero.npy: must hold two classes or more, holds 1",
        "--validation Xt": "--validation needs --validation-labels",
        "--validation-labels yt": "--validation-labels go with --labels and --validation",
        "--validation-labels yt --validation 0.5": "a share of the rows has the labels that it has",
        "--validation Xt --validation-labels y": "y must be 30 integers from 0 to 32767, got shape (90,)",
    },
    f"train -o n d.npz --key X {DEEP}": {
        "--generative 1": "--generative is an option of --model class-rbm",
        "--epochs 1,2,3": "--epochs: one number, or one for each of 2 layers, got 3",
        "--hidden 5 --up-down 1": "--up-down needs two hidden layers or more",
        "--up-down-rate 1": "--up-down-rate goes with --up-down",
        "--fine-tune 1": "--fine-tune needs --network FILE",
        "--network n": "--network goes with --fine-tune",
        "--dropout 0.1": "--dropout goes with --fine-tune",
        f"{LAST} --dropout 1": "--dropout: value must be a finite number at least 0 and below 1, got 1",
        f"{LAST} --network n": "n: this file is named twice",
        "--validation Xt --validation-labels yt": "--validation-labels go with --labels",
    },
    "train nothing -o n": {
        "--hidden 5,5": "--hidden: one number",
        "--model dbn --hidden 6,5 --fine-tune 1": "--fine-tune needs --network",
    },
    "train x -o y": {
        "--method pdc": "'pdc' is not known; did you mean pcd?",
        "--epoch 3": "no option --epoch; did you mean --epochs?",
        "--learning_rate=0.1": "did you mean --rate?",
        "--epochs three": "must be a whole number of at least 0, got 'three'",
        "--rate fast": "--rate: must be a number, got 'fast'",
        "--shape 28": "must be height x width, such as 28x28",
        "more": "unexpected argument 'more'",
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files that are read, written once."""
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_files()
        write_wrong_files()
        write_labels()
        write_models()
    return folder


def write_wrong_files() -> None:
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
    Path("junk").write_bytes(bytes(range(256)))
    for name, text in {
        "words.txt": "hello world\nare you\n",
        "late.csv": "1,0\n0,1\nx,1\n",
        "ragged.csv": "1,0\n0,1,1\n",
        "sequences": ">one\nACGT\n",
        "empty.csv": "",
        "header-only.csv": "a,b\n",
        "latin": "é,è\n1,0\n",
        "nan.csv": "1,0\nnan,1\n",
        "negative.csv": "1,-1\n0,5\n",
        "narrow.csv": "1,0\n0,1\n",
        "many.csv": "id,n\n" + "".join(f"word{i},{i}.5\n" for i in range(70)),
    }.items():
        Path(name).write_text(text, encoding="latin-1")


def write_labels() -> None:
    y = np.random.default_rng(0).integers(0, 3, 90)
    x = np.random.default_rng(1).integers(0, 2, (90, 16), dtype=np.uint8)
    np.savez("d.npz", X=x, y=y.astype(np.uint8), Xt=x[:30], yt=y[:30])
    np.savez("pair.npz", a=y, b=y)
    nan = np.where(y == 1, np.nan, y)
    for name, labels in {
        "less": y - 1,
        "nan": nan,
        "zero": 0 * y,
    }.items():
        np.save(name, labels)
    np.save("four.npy", y + 1)
    np.save("narrow.npy", x[:, :3])
    np.save("row.npy", x[:1])


def write_models() -> None:
    rf.RBM(16, 4, seed=0).save("m.rbm")
    damaged = bytearray(Path("m.rbm").read_bytes())
    damaged[200] ^= 1
    Path("damaged.rbm").write_bytes(damaged)
    rf.ClassRBM(16, 4, 3, seed=0).save("m.crbm")
    rf.DBN([16, 6, 5], seed=0).save("u.dbn")
    dbn = rf.DBN([16, 6, 5], n_classes=3, seed=0)
    dbn.save("m.dbn")
    dbn.to_network().save("m.net")
    rf.Network([rf.Dense.new(16, 3, "linear", seed=0)]).save("linear.net")


CASES = [
    (f"{begin} {rest}".split(), said) for begin, cases in REFUSED.items() for rest, said in cases.items()
]


@pytest.mark.parametrize(("argv", "said"), CASES, ids=[" ".join(argv) for argv, _ in CASES])
def test_refusals(
    folder: Path,
    argv: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    if "--plots" in argv:
        pytest.importorskip("matplotlib")
    before = contents(folder)
    assert said in fails(capsys, *argv)
    assert contents(folder) == before


def contents(folder: Path) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.glob("*") if path.is_file()
    }


def test_models_that_commands_do_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data = str(tmp_path / "model.rbm"), str(tmp_path / "data.npy")
    rf.ConditionalRBM(3, 2, 3, seed=0).save(model)
    np.save(data, np.eye(3))
    out = ["-o", str(tmp_path / "out.npy")]
    assert main(["impute", model, data, *out]) == 2
    assert "holds ConditionalRBM(3, 2, 3), which this command does not know" in capsys.readouterr().err
    assert main(["info", model]) == 0
    assert "(3, 2), " in capsys.readouterr().out
