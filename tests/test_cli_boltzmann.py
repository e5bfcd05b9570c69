"""The command line with general Boltzmann machines: of an alignment, and of bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import FAST, X, evaluated, fails, files, run, sketches

import rbmfast as rf

__all__ = ["files", "sketches"]
pytestmark = pytest.mark.usefixtures("files", "sketches")

ALPHABET = np.array([*"-ACD"])
CODES = np.random.default_rng(0).integers(0, 4, (60, 5))
CODES[0] = CODES[0].clip(1)  # whose letters are no names of columns
CODES[1, :2] = 0
CODES[:, 3] = CODES[:, 0]
CODES[:, 4] = np.where(CODES[:, 4] > 1, 2, 3)  # a site of two letters
TRAIN = ["--model", "boltzmann", "--epochs", "3", "--seed", "4"]


def write(name: str, codes: np.ndarray) -> None:
    letters = np.where(codes < 0, "", ALPHABET[codes])
    Path(name).write_text("".join(f"{','.join(row)}\n" for row in letters))


def test_an_alignment() -> None:
    """Letters of one alphabet come in, are evaluated, drawn and filled in; by numbers all is the same."""
    write("a.csv", CODES)
    np.save("codes.npy", CODES)
    run("train", "a.csv", "-o", "a.bm", "--l2", "0.02", *TRAIN)
    machine, again = rf.load("a.bm"), rf.BoltzmannMachine(20, units=rf.Categorical(4), seed=4)
    settings = {"penalties": rf.L2(0.02), "epochs": 3, "seed": 4}
    rf.train(again, CODES, method=rf.MaximumPseudoLikelihood(), **settings)
    run("train", "codes.npy", "-o", "codes.bm", "--l2", "0.02", *TRAIN)
    assert machine.W.tobytes() == again.W.tobytes() == rf.load("codes.bm").W.tobytes()

    found = evaluated("a.bm", "a.csv")
    assert found["log_z"]["value"] == rf.log_partition(machine).value
    assert found["pseudo_likelihood"]["mean"] == pytest.approx(rf.pseudo_likelihood(machine, CODES).mean())
    assert evaluated("codes.bm", "codes.npy") == found
    run("evaluate", "a.bm", "a.csv", "--method", "ais", "--chains", "4", "--temperatures", "9")

    run("sample", "a.bm", "-n", "7", "--steps", "9", "-o", "s.csv")
    assert {*pd.read_csv("s.csv").to_numpy().ravel()} <= {*ALPHABET}
    run("sample", "codes.bm", "-n", "7", "--steps", "9", "--mean", "-o", "s.npy")
    assert np.load("s.npy").shape == (7, 5)
    holes = CODES.copy()
    holes[::7, 0] = -1
    write("holes.csv", holes)
    run("impute", "a.bm", "holes.csv", "-o", "full.csv", "--steps", "9")
    full = np.searchsorted(ALPHABET, pd.read_csv("full.csv").to_numpy().astype(str))
    assert np.array_equal(full[:, 1:], CODES[:, 1:])
    assert np.array_equal(full[holes[:, 0] >= 0], CODES[holes[:, 0] >= 0])
    run("train", "holes.csv", "-o", "h.bm", "--method", "pcd", *TRAIN)
    run("info", "h.bm")


def test_bits(capsys: pytest.CaptureFixture[str]) -> None:
    """With hidden units and pictures; and what is refused."""
    np.save("x.npy", X)
    run("train", "x.npy", "-o", "x.bm", *FAST, "--model", "boltzmann", "--seed", "4", "--plots", "pictures")
    again = rf.BoltzmannMachine(16, 5, seed=4)
    rf.train(again, X, epochs=2, batch_size=20, seed=4)
    assert rf.load("x.bm").W.tobytes() == again.W.tobytes()
    assert Path("pictures/samples.png").exists()
    run("sample", "x.bm", "-n", "3", "--steps", "9", "--mean", "-o", "m.npy", "--png", "m.png")
    assert np.load("m.npy").dtype == np.float32

    write("holes.csv", np.where(np.eye(60, 5) > 0, -1, CODES))
    assert "has missing cells: say --method pcd" in fails(capsys, "train", "holes.csv", "-o", "n", *TRAIN)
    more = "train", "a.csv", "-o", "n", *TRAIN, "--method", "pcd", "--validation", "holes.csv"
    write("a.csv", CODES)
    assert "holes.csv: has missing cells: fill them in first" in fails(capsys, *more)
    for options, said in (
        (["-k", "5"], "-k is an option of --method cd"),
        (["--hidden", "3,4"], "--hidden: one number for --model boltzmann"),
        (["--labels", "y"], "--labels is an option of --model class-rbm and dbn"),
        (["--visible", "gaussian"], "units must be 'bernoulli', 'spin' or rf.Categorical"),
        (["--centered"], "centered must be False"),
    ):
        assert said in fails(capsys, "train", "x.npy", "-o", "n", *TRAIN, *options)
    assert "says nothing about x.bm" in fails(capsys, "evaluate", "x.bm", "x.npy", "--samples", "9")
