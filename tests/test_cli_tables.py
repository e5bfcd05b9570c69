"""Tables of words and numbers on the command line: train, sample, impute, evaluate, info."""

from pathlib import Path

import numpy as np
import pytest
from commands import evaluated, fails, run

import rbmfast as rf
from rbmfast.cli import main

pd = pytest.importorskip("pandas")

FAST = ["--hidden", "8", "--epochs", "10", "--batch-size", "20"]
QUICK = ["--method", "cd", "--rate", "0.05", "--rate-schedule", "constant", "--l2", "0", "--no-centered"]
SHORT = ["--temperatures", "20", "--samples", "20", "--steps", "16", "--conservative", "20"]
HEAD = "id,age,town,married,rooms,note\n"


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A town says much about age; as spreadsheets write it: quoted numbers, True and False."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    town = rng.integers(0, 3, 200)
    age, rooms = 30 + 15 * town + rng.integers(0, 9, 200), rng.integers(1, 5, 200)
    rows = enumerate(zip(age, np.array(["Bonn", "Oslo", "Rome"])[town], town > 0, rooms, strict=True))
    lines = [f'{i},"{age}",{name},{married},{n},x\n' for i, (age, name, married, n) in rows]
    Path("people.csv").write_text(HEAD + "".join(lines))


def test_from_table_to_table(capsys: pytest.CaptureFixture[str]) -> None:
    run("train", "people.csv", "-o", "people.rbm", "--drop", "id", "--validation", "0.1", *FAST)
    out = capsys.readouterr().out
    assert "people.csv: 180 rows, 5 columns, 9 visible units" in out
    assert "town     category  categorical of 3  Bonn, Oslo, Rome" in out
    run("sample", "people.rbm", "-n", "50", "--steps", "20", "-o", "synthetic.csv")
    table, drawn = pd.read_csv("people.csv").drop(columns="id"), pd.read_csv("synthetic.csv")
    assert [*drawn.dtypes] == [*table.dtypes] and [*drawn] == [*table] and len(drawn) == 50
    assert set(drawn["town"]) <= {"Bonn", "Oslo", "Rome"} and drawn["age"].between(30, 68).all()
    run("sample", "people.rbm", "-n", "50", "--steps", "20", "-o", "units.npy")
    assert np.load("units.npy").shape == (50, 9)
    assert evaluated("people.rbm", "people.csv", "--method", "exact", *SHORT)["n_rows"] == 200
    capsys.readouterr()
    run("info", "people.rbm")
    assert "table:          180 rows, 5 columns, 9 visible units" in capsys.readouterr().out


def test_kinds_and_columns_may_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--columns", "age,rooms,town", "--types", "age=count,rooms=real"]
    run("train", "people.csv", "-o", "people.rbm", *options, *FAST)
    units = rf.load("people.rbm").visible
    assert str(units) == "mixed (1 binomial of 68, 1 gaussian, 3 categorical of 3)"
    run("train", "people.csv", "-o", "real.rbm", "--columns", "age,rooms", "--standardize", *FAST)
    assert [*rf.load("real.rbm").parameters()] == ["W", "a", "b", "visible.log_sigma"]


def test_numbers_keep_their_scale(capsys: pytest.CaptureFixture[str]) -> None:
    X = np.random.default_rng(0).normal(100, 5, (300, 4))
    np.save("x.npy", X)
    run("train", "x.npy", "-o", "x.rbm", "--standardize", *FAST)
    assert capsys.readouterr().err == ""  # no word about data that is not scaled
    run("sample", "x.rbm", "-n", "400", "--steps", "20", "-o", "drawn.npy")
    np.testing.assert_allclose(np.load("drawn.npy").mean(axis=0), X.mean(axis=0), atol=2)
    np.save("holes.npy", np.where(np.arange(1200).reshape(300, 4) % 7, X, np.nan))
    run("impute", "x.rbm", "holes.npy", "-o", "full.npy")
    full = np.load("full.npy")
    np.testing.assert_array_equal(np.where(np.arange(1200).reshape(300, 4) % 7, full, X), X)
    assert np.abs(full - 100).max() < 30


def test_plain_numbers_stay_what_they_were() -> None:
    """0/1 and grey levels: all columns are units, constant ones too, and no schema is in between."""
    Path("bits.csv").write_text("a,b,c\n" + "0,1,0\n1,1,0.5\n" * 10)
    run("train", "bits.csv", "-o", "bits.rbm", *FAST)
    model = rf.load("bits.rbm")
    assert (model.n_visible, model.visible, model.schema) == (3, rf.Bernoulli(), None)


def test_impute(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv("people.csv")
    table.mask(np.random.default_rng(1).random(table.shape) < 0.1).to_csv("some.csv", index=False)
    run("train", "some.csv", "-o", "people.rbm", "--drop", "id", "--validation", "0.1", *FAST, *QUICK)
    holes = "7,,Bonn,False,1,x\n8,66,,True,NA,x\n9,31,Bonn,False,2,x\n"
    Path("holes.csv").write_text(HEAD + holes)
    assert "fill them in first, by rbmfast impute" in fails(capsys, "evaluate", "people.rbm", "holes.csv")
    run("impute", "people.rbm", "holes.csv", "-o", "full.csv", "--seed", "1")
    assert capsys.readouterr().out == "wrote full.csv: 3 x 6, 3 cells filled in\n"
    full = pd.read_csv("full.csv")
    assert [*full["id"]] == [7, 8, 9] and [*full["age"]][1:] == [66, 31] and full["age"][0] < 50
    assert [*full["town"]][::2] == ["Bonn", "Bonn"] and full["town"][1] != "Bonn"


@pytest.mark.parametrize("library", ["pandas", "polars", "mapping", "array"])
def test_samples_of_tables_of_every_library(library: str) -> None:
    table: object = {"city": ["Bonn", "Rome", "Oslo"] * 4, "yes": [True, False] * 6, "x": [*range(12)]}
    if library == "array":
        table = np.array([*table.values()], object).T  # type: ignore[attr-defined]
    elif library != "mapping":
        table = pytest.importorskip(library).DataFrame(table)
    schema = rf.Schema.infer(table)
    rbm = rf.RBM(schema.n_visible, 2, visible=schema.units, seed=0)
    rbm.schema = schema
    rbm.save("m.rbm")
    run("sample", "m.rbm", "-n", "5", "--steps", "2", "-o", "drawn.csv")
    drawn = pd.read_csv("drawn.csv")
    assert drawn.shape == (5, 3) and {*drawn.iloc[:, 0]} <= {"Bonn", "Rome", "Oslo"}


def test_columns_of_arrays_have_names() -> None:
    X = np.random.default_rng(0).integers(0, 30, (60, 3)).astype(float)
    np.save("x.npy", X)
    run("train", "x.npy", "-o", "x.rbm", "--types", "0=count", *FAST)
    assert str(rf.load("x.rbm").visible) == "mixed (1 binomial of 28, 2 gaussian)"
    Path("x.csv").write_text("0,1,2\n3,,7\n2,5,6\n")
    run("impute", "x.rbm", "x.csv", "-o", "full.csv")
    head, first, second = Path("full.csv").read_text().split()
    assert (head, second) == ("0,1,2", "2,5,6") and first.startswith("3,") and ".0" not in first


def test_missing_cells_of_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    X = (np.arange(120).reshape(40, 3) % 2).astype(float)
    X[::5, 1] = np.nan
    np.save("x.npy", X)
    run("train", "x.npy", "-o", "x.rbm", *FAST)
    pd.DataFrame(X, columns=[*"abc"]).to_csv("x.csv", index=False)
    run("train", "x.csv", "-o", "x.rbm", "--visible", "bernoulli", *FAST)
    assert "fill them in first" in fails(capsys, "evaluate", "x.rbm", "x.npy")
    assert "x.npy: has missing cells: fill them in first, by rbmfast impute" in fails(
        capsys, "train", "x.npy", "-o", "x.dbn", "--model", "dbn", *FAST
    )


def test_missing_cells_and_documents_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """What is watched by default is what can be told of them."""
    rng = np.random.default_rng(0)
    np.save("holes.npy", np.where(rng.random((40, 6)) < 0.3, np.nan, rng.integers(0, 2, (40, 6))))
    np.save("counts.npy", rng.poisson(1.0, (40, 6)))
    assert main(["train", "holes.npy", "-o", "h.rbm", "--epochs", "2"]) == 0
    assert main(["train", "counts.npy", "-o", "c.rbm", "--epochs", "2", "--visible", "counts"]) == 0
    assert "weight" in capsys.readouterr().out


def test_of_many_epochs_some_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("rows.npy", np.eye(6))
    assert main(["train", "rows.npy", "-o", "r.rbm", "--hidden", "2", "--epochs", "500"]) == 0
    assert 50 < capsys.readouterr().out.count("epoch ") < 250
