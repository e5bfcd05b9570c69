"""Conditional RBMs on the command line: rows in the order of time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import evaluated, fails, run

import rbmfast as rf
from rbmfast.training import recipe

FRAMES = np.eye(6, dtype=np.uint8)[np.arange(120) % 6]
LEARN = ["--model", "conditional", "--hidden", "4", "--epochs", "2", "--batch-size", "20", "--seed", "4"]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", X=FRAMES, Xt=FRAMES[:30], who=np.repeat([0, 1], 60))
    np.save("X.npy", FRAMES)


def test_frames_of_bits() -> None:
    run("train", "d.npz", "-o", "m.rbm", *LEARN, "--order", "2", "--groups", "who", "--rate", "0.3")
    crbm = rf.ConditionalRBM(6, 4, 12, seed=4)
    X, context = rf.lagged(FRAMES, 2, np.repeat([0, 1], 60))
    settings = {
        "optimizer": rf.SGD(rf.Linear(0.3), recipe.MOMENTUM),
        "epochs": 2,
        "batch_size": 20,
        "seed": 4,
    }
    rf.train(crbm, X, context=context, **settings)
    for name, array in rf.load("m.rbm").parameters().items():
        assert array.tobytes() == crbm.parameters()[name].tobytes()
    found = evaluated("m.rbm", "d.npz", "--groups", "who")
    error = ((X - crbm.predict(context)) ** 2).mean()
    assert found["prediction_error"]["mean"] == pytest.approx(error)
    assert found["of_the_row_before"]["mean"] == pytest.approx(1 / 3)
    assert found["log_likelihood"]["value"] == rf.mean_log_likelihood(crbm, X, context=context).value
    run("sample", "m.rbm", "--after", "X.npy", "-n", "3", "--steps", "5", "--seed", "1", "-o", "s.npy")
    assert np.array_equal(np.load("s.npy"), crbm.generate(FRAMES[-2:], 3, 1, gibbs_steps=5)[0])

    pictures = 255 * FRAMES
    np.save("grey.npy", pictures)
    for way in (["--threshold", "127"], ["--grey"]):
        again = ["--after", "grey.npy", "-n", "3", "--steps", "5", "--seed", "1", "-o", "g.npy", *way]
        run("sample", "m.rbm", *again)
        assert np.array_equal(np.load("g.npy"), np.load("s.npy"))
    np.save("grey.npy", pictures // 2)
    assert evaluated("m.rbm", "grey.npy", "--grey")["log_likelihood"] is None


def test_a_table_of_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    lines = [f"{'ann' if t < 30 else 'bob'},{10 + np.sin(t / 5):.4f},{t % 7}.5" for t in range(60)]
    Path("f.csv").write_text("\n".join(["who,x,y", *lines]))
    Path("g.csv").write_text("\n".join(["who,x,y", *(line.replace("ann", "cy") for line in lines[:30])]))
    by = ["--groups", "who", "--standardize", "--validation", "g.csv"]
    run("train", "f.csv", "-o", "m.rbm", *LEARN, *by, "--rate", "0.01")
    assert evaluated("m.rbm", "g.csv", "--groups", "who")["prediction_error"]["n_rows"] == 29
    run("sample", "m.rbm", "--after", "g.csv", "-n", "3", "--steps", "5", "-o", "s.csv", "--mean")
    assert Path("s.csv").read_text().startswith("x,y\n")


def test_pictures() -> None:
    pytest.importorskip("matplotlib")
    run("train", "X.npy", "-o", "m.rbm", *LEARN, "--plots", "p", "--shape", "2x3")
    assert {path.name for path in Path("p").iterdir()} == {"frames.png", "learning_curves.png"}


WRONG = {
    "sample m.rbm --after film.png --png film.png -o s.npy": "film.png: this file is named twice",
    "sample m.rbm -o s.npy": "needs --after FILE",
    "sample m.rbm --after w.npy -o s.npy": "w.npy: has 2 columns, m.rbm has 6 visible units",
    "sample m.rbm --after one.npy -o s.npy": "must have 2 rows or more to go on from, has 1",
    "sample plain.rbm --threshold 1 -o s.npy": "--threshold says nothing about plain.rbm",
    "sample plain.rbm --after X.npy -o s.npy": "--after says nothing about plain.rbm",
    "evaluate m.rbm X.npy --method ais": "--method says nothing about m.rbm",
    "evaluate plain.rbm X.npy --groups y.npy": "--groups says nothing about plain.rbm",
    "evaluate m.rbm X.npy --groups w.npy --json w.npy": "w.npy: this file is named twice",
    "evaluate m.rbm two.npy": "must have a sequence of more than order=2 frames, got at most 2",
    "train X.npy -o q --order 2": "--order is an option of --model conditional",
    "train X.npy -o q --model conditional --validation 0.1": "are no sequences: give a file of",
    "train d.npz -o q --model conditional --groups who --validation X.npy": "needs --validation-groups",
    "train X.npy -o q --model conditional --validation-groups who": "go with --groups and --validation",
    "train d.npz -o q --model conditional --groups wo": "neither a file nor",
    "train X.npy -o q --model conditional --method pcd": "must start samples at the rows",
}


def test_refused(capsys: pytest.CaptureFixture[str]) -> None:
    rf.ConditionalRBM(6, 4, 12, seed=0).save("m.rbm")
    rf.RBM(6, 4, seed=0).save("plain.rbm")
    for name, array in {"w": FRAMES[:, :2], "one": FRAMES[:1], "two": FRAMES[:2]}.items():
        np.save(f"{name}.npy", array)
    for argv, said in WRONG.items():
        assert said in fails(capsys, *argv.split()), argv
    assert not Path("q").exists() and not Path("s.npy").exists()
