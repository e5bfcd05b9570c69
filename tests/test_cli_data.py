"""What the command line reads: every kind of file, and what is wrong with files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from commands import FAST, LEVELS, X, bits, files, run
from scipy.io import savemat

import rbmfast as rf
from rbmfast.cli import main
from rbmfast.cli.datafiles import read_data
from rbmfast.cli.options import CommandError

__all__ = ["files"]

PLAIN = [*("bits.npy", "bits.npy.gz", "one.npz", "one.npz.gz", "sparse.npz", "sparse.npz.gz", "header.csv"),
         *("header.csv.gz", "plain.csv", "bom.csv", "tabs.tsv", "spaces.txt")]  # fmt: skip
LEVELLED = ["levels.npy", "levels.idx", "levels.idx.gz"]


pytestmark = pytest.mark.usefixtures("files")


def test_every_kind_of_file_gives_the_same_bits(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"two.npz": ["--key", "pixels"], **{name: ["--threshold", "127"] for name in LEVELLED}}
    models = {}
    for name in (*PLAIN, *options):
        run("train", name, "-o", "m.rbm", *FAST, *options.get(name, []))
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


def test_ways_to_write_a_table() -> None:
    for name, text in TABLES.items():
        Path("x").write_text(text)
        values = sp.csr_array(read_data("x").values).toarray()
        np.testing.assert_array_equal(values, [[1, 0, 1], [0, 0.5, 1]], name)


FIRST_ROWS = (
    ("0,1\n1,0\n", [0, 1]),  # two values are a row, not names 0 and 1
    ("0\n1\n2\n", [0]),
    ("?,1,0\n1,0,1\n", [np.nan, 1, 0]),
    (",0,1\n1,1,1\n", [np.nan, 0, 1]),
    ("NA,1,0\n1,0,1\n", [np.nan, 1, 0]),
    ("0.1,0.30000000000000004,2.5e-17\n0,1,0\n", [0.1, 0.30000000000000004, 2.5e-17]),
)


def test_first_rows_are_kept() -> None:
    for text, first in FIRST_ROWS:
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
    with pytest.raises(CommandError, match=r"^id: holds as many words as rows, which are rather names"):
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


def test_the_file_counts_and_not_its_name() -> None:
    shutil.copy("levels.idx.gz", "data.csv")
    assert read_data("data.csv").values.shape == (60, 16)
    assert read_data("data.csv").image_size == (4, 4)
    for name in ("bits.npy", "levels.idx"):
        values = read_data(name).values
        assert isinstance(values, np.memmap) or isinstance(values.base, np.memmap), name


def test_packed_bits_above_a_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    run("train", "levels.npy", "-o", "bytes.rbm", "--threshold", "127", *FAST)
    monkeypatch.setattr("rbmfast.cli.datafiles.PACKED_FROM", 0)
    monkeypatch.setattr("rbmfast.cli.datafiles.CHUNK", 100)
    run("train", "levels.npy", "-o", "bits.rbm", "--threshold", "127", *FAST)
    assert bits("bytes.rbm") == bits("bits.rbm")


def test_grey_levels_from_integers_and_floats() -> None:
    np.save("floats.npy", LEVELS.astype(np.float64))
    sp.save_npz("grey.npz", sp.csr_matrix(LEVELS.reshape(60, 16).astype(np.float32)))
    np.savetxt("grey.csv", LEVELS.reshape(60, 16), delimiter=",")
    models = set()
    for name in ("levels.npy", "floats.npy", "grey.npz", "grey.csv", "levels.idx.gz"):
        run("train", name, "-o", "m.rbm", "--grey", *FAST)
        models.add(bits("m.rbm"))
    assert len(models) == 1


@pytest.mark.parametrize("name, at", [("bits.npy", 11), ("one.npz", 8)])
def test_damaged_files(capsys: pytest.CaptureFixture[str], name: str, at: int) -> None:
    """Whatever byte is wrong near the start, the error is one line."""
    content = bytearray(Path(name).read_bytes())
    for position in range(at - 8, min(at + 60, len(content))):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        Path(name).write_bytes(damaged)
        if main(["train", name, "-o", "m.rbm", *FAST]) != 0:
            assert capsys.readouterr().err.count("\n") == 1


def test_words_alone_have_names_too() -> None:
    rows = "red,big,round\nblue,big,flat\nred,small,round\nblue,small,flat\n"
    for head, n_rows in (("color,size,shape\n", 4), ("", 4), ("red,small,flat\n", 5)):
        Path("x").write_text(head + rows)
        stored = read_data("x").stored
        assert (len(stored), "color" in stored) == (n_rows, head.startswith("color"))


def test_blanks_around_words() -> None:
    Path("x").write_text("a, b \ny , 1 \ny,0\nn ,1\n")
    stored = read_data("x").stored
    assert [*stored] == ["a", "b"] and stored["a"].tolist() == ["y", "y", "n"]
