"""The command line with models of labels, deep networks and feed-forward ones."""

from __future__ import annotations

import gzip
import json
import struct
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from commands import evaluated, fails, run, sketches

import rbmfast as rf
from rbmfast.cli.datafiles import read_data
from rbmfast.cli.findings import proportion_interval
from rbmfast.likelihood.enumeration import can_enumerate
from rbmfast.training import recipe

__all__ = ["sketches"]

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 90)
X = (RNG.random((90, 16)) < np.where(np.arange(16) % 3 == Y[:, None], 0.9, 0.1)).astype(np.uint8)
FAST = ["--epochs", "2", "--batch-size", "20", "--seed", "4"]
DEEP = ["--model", "dbn", "--hidden", "6,5", *FAST]
CLASSES = ["--model", "class-rbm", "--hidden", "6", "--labels", "y", *FAST]
LAST = ["--up-down", "2", "--fine-tune", "3", "--network", "m.net"]
WATCHED = ["--validation", "Xt", "--validation-labels"]
LABELLED = [*DEEP, "--labels", "y", *LAST]
COMMON = {"batch_size": 20, "seed": 4}
ONCE = {**COMMON, "epochs": 2}
TOGETHER = {**ONCE, "optimizer": rf.SGD(rf.Linear(0.05), momentum=0.5)}  # of up-down training


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", X=X, y=Y.astype(np.uint8), Xt=X[:30], yt=Y[:30])
    np.save("X.npy", X)
    np.save("y.npy", Y)


def train(*argv: str, to: str = "m.dbn") -> None:
    run("train", "d.npz", "--key", "X", "-o", to, *argv)


def test_a_convolutional_model() -> None:
    sizes = ["--filter-size", "3,2", "--pool", "1", "--hidden", "4", "--shape", "4x4", "--sparsity", "0.1"]
    train("--model", "conv", *sizes, *FAST, to="m.conv")
    rbm = rf.ConvRBM((4, 4), 4, (3, 2), pool=1, seed=4)
    rf.train(rbm, X, penalties=rf.SparsityTarget(0.1), **ONCE)
    assert np.array_equal(rf.load("m.conv").W, rbm.W)
    run("sample", "m.conv", "-n", "3", "--steps", "3", "-o", "samples.npy")
    run("info", "m.conv")


NEW = ("m.rbm", "m.crbm", "u.dbn", "m.dbn")


def save_new_models() -> list:
    """Models that have learned nothing, by these names, and a network."""
    labelled = rf.DBN([16, 6, 5], n_classes=3, seed=0)
    models = [rf.RBM(16, 4, seed=0), rf.ClassRBM(16, 4, 3, seed=0), rf.DBN([16, 6, 5], seed=0), labelled]
    for name, model in zip(NEW, models, strict=True):
        model.save(name)
    labelled.to_network().save("m.net")
    return models


def same(path: str, model) -> bool:
    model.save("expected")
    return Path(path).read_bytes() == Path("expected").read_bytes()


def deep(labels: bool = True, **settings) -> rf.DBN:
    """The network that `DEEP` trains, as the library does it."""
    dbn = rf.DBN([16, 6, 5], n_classes=3 if labels else None, seed=4)
    rf.pretrain(dbn, X, Y if labels else None, **{**ONCE, **settings})
    return dbn


# --- train -------------------------------------------------------------------------------------------------


def test_averages_of_all_stages() -> None:
    train(*LABELLED, "--average", "0.5")
    mean = {"callbacks": rf.Average(0.5)}
    dbn = deep(**mean)
    rf.up_down(dbn, X, Y, method=rf.CD(3), **TOGETHER, **mean)
    assert same("m.dbn", dbn)
    net = dbn.to_network(seed=4)
    rf.fine_tune(net, X, Y, optimizer=rf.SGD(rf.Linear(0.1), momentum=0.9), epochs=3, **COMMON, **mean)
    assert same("m.net", net)


def test_a_deep_network_in_all_stages(capsys: pytest.CaptureFixture[str]) -> None:
    train(*LABELLED, *WATCHED, "yt", "--dropout", "0.1")
    dbn = deep()
    rf.up_down(dbn, X, Y, method=rf.CD(3), **TOGETHER)
    assert same("m.dbn", dbn)
    net = dbn.to_network(seed=4)
    rf.fine_tune(net, X, Y, optimizer=rf.SGD(rf.Linear(0.1), momentum=0.9), dropout=0.1, epochs=3, **COMMON)
    assert same("m.net", net)

    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    assert lines[0] == "data: d.npz: 90 rows of 16 binary values, 3 classes"
    assert lines[1] == "validation: d.npz: 30 rows of 16 binary values, 3 classes"
    assert lines[2].startswith("model: DBN([16, 6, 5], n_classes=3); ")
    starts = [line.split(":")[0] for line in lines[3:]]
    epochs = [f"epoch {i}/{n}" for n in (2, 2, 2, 3) for i in range(1, n + 1)]
    assert starts == [
        *("layer 1 of 2", *epochs[:2], "layer 2 of 2", *epochs[2:4], "layer 1", "layer 2"),
        *("up-down", *epochs[4:6], "up-down", "fine-tuning", *epochs[6:], "fine-tuning"),
        "wrote m.dbn and m.net",
    ]
    top = next(line for line in lines if line.startswith("layer 2: "))
    assert "classification error 0." in top
    assert "validation 0." in top


def test_layers_may_differ() -> None:
    train(*DEEP, "--epochs", "3,1", "--rate", "0.1,0.02", "--rate-schedule", "linear")
    rates = [rf.SGD(rf.Linear(rate), momentum=0.5) for rate in (0.1, 0.02)]
    layers = [{"epochs": n, "optimizer": rate} for n, rate in zip((3, 1), rates, strict=True)]
    assert same("m.dbn", deep(labels=False, layers=layers))


def test_without_labels_an_autoencoder_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    train(*DEEP, "--fine-tune", "2", "--network", "m.net", "--validation", "0.2")
    net = rf.load("m.net")
    assert (net.n_inputs, net.n_outputs, len(net.layers)) == (16, 16, 4)
    assert "loss" in capsys.readouterr().out
    run("evaluate", "m.net", "X.npy", "--json", "e.json")
    error = float(((X - net.forward(X)) ** 2).mean())
    assert json.loads(Path("e.json").read_text())["reconstruction_error"] == pytest.approx(error, rel=1e-5)


def test_the_method_asked_for_trains_the_whole_network_too() -> None:
    train(*DEEP, "--up-down", "1", "--method", "pcd", "--chains", "10", "--up-down-rate", "0.02")
    method = rf.PCD(k=1, n_chains=10)
    dbn = deep(labels=False, method=method)
    rf.up_down(dbn, X, method=method, optimizer=rf.SGD(rf.Linear(0.02), momentum=0.5), epochs=1, **COMMON)
    assert same("m.dbn", dbn)


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ([], rf.Hybrid()),
        (["--generative", "0.5", "--method", "pcd"], rf.Hybrid(0.5, negative=recipe.METHOD)),
        (["--generative", "0"], rf.Discriminative()),
        (["--generative", "0", "--dropout", "0.5"], rf.Discriminative(dropout=0.5)),
        (["--generative", "0.1", "--dropout", "0.2"], rf.Hybrid(0.1, dropout=0.2)),
        (["--generative", "inf", "-k", "2"], replace(recipe.METHOD, k=2)),
        (["--labels", "few.npy", "--unlabelled", "0.2"], rf.Hybrid(unlabelled=0.2)),
    ],
)
def test_class_rbms(options: list[str], method: object, capsys: pytest.CaptureFixture[str]) -> None:
    few = np.where(np.arange(90) % 3 == 0, Y, -1)
    np.save("few.npy", few)
    train(*CLASSES, *options, to="m.crbm")
    rbm = rf.ClassRBM(16, 6, 3, seed=4)
    rf.train(rbm, rbm.join(X, few if "few.npy" in options else Y), method=method, **ONCE)
    assert same("m.crbm", rbm)
    train(*CLASSES, *options, "--validation", "0.5", to="n")  # of rows without a label, those that have one
    text = capsys.readouterr().out
    assert "model: ClassRBM(16, 6, 3); " in text
    assert "classification error 0." in text


def test_held_out_rows_take_their_labels_with_them() -> None:
    parts = read_data("X.npy", labels="y.npy").split(0.3, seed=1)
    rows = np.concatenate([np.column_stack([part.values, part.labels]) for part in parts])
    assert sorted(map(bytes, rows)) == sorted(map(bytes, np.column_stack([X, Y])))
    other = read_data("X.npy").split(0.3, seed=2)[1]
    assert not np.array_equal(parts[1].values, other.values)


def test_every_kind_of_label_file_gives_the_same_bits() -> None:
    shape = struct.pack(">I", 90)
    Path("y.idx").write_bytes(bytes([0, 0, 8, 1]) + shape + Y.astype(np.uint8).tobytes())
    Path("y.idx.gz").write_bytes(gzip.compress(Path("y.idx").read_bytes()))
    np.savetxt("y.txt", Y, fmt="%d")
    Path("y.csv").write_text("label\n" + "\n".join(map(str, Y)) + "\n")
    np.save("column.npy", Y[:, None].astype(np.float64))
    np.savez("only.npz", Y)
    models = set()
    for name in ("y", "y.npy", "y.idx", "y.idx.gz", "y.txt", "y.csv", "column.npy", "only.npz"):
        train(*CLASSES, "--labels", name, to="m.crbm")
        models.add(Path("m.crbm").read_bytes())
    assert len(models) == 1


def test_labels_that_are_words(capsys: pytest.CaptureFixture[str]) -> None:
    """They teach what their numbers in order do, and come back as words; an empty cell is none."""
    pd = pytest.importorskip("pandas")
    words = np.array(["one", "three", "two"])[Y]
    frame = pd.DataFrame(X, columns=[f"v{i}" for i in range(16)])
    frame.assign(y=Y).to_csv("numbers.csv", index=False)
    frame.assign(y=words).to_csv("words.csv", index=False)
    run("train", "numbers.csv", "-o", "n.crbm", *CLASSES)
    run("train", "words.csv", "-o", "w.crbm", *CLASSES, "--validation", "words.csv")
    known, named = rf.load("n.crbm"), rf.load("w.crbm")
    assert np.array_equal(named.W, known.W) and named.class_names == ("one", "three", "two")
    found = evaluated("w.crbm", "words.csv", "--labels", "y", "--predictions", "p.csv")
    assert found["labels"] == [*named.class_names]
    assert "  one three   two\n" in capsys.readouterr().out
    predicted = Path("p.csv").read_text().split()
    frame.to_csv("new.csv", index=False)
    run("evaluate", "w.crbm", "new.csv", "--predictions", "p.csv")
    assert Path("p.csv").read_text().split() == predicted
    assert predicted == ["label", *np.array(named.class_names)[named.predict(X)]]
    run("sample", "w.crbm", "--label", "two,one", "-n", "2", *SHORT, "-o", "s.csv")
    assert [*pd.read_csv("s.csv").label] == ["two", "two", "one", "one"]
    run("info", "w.crbm")
    assert "labels          one, three, two, beside 16 units\n" in capsys.readouterr().out
    frame.assign(y=[None, *words[1:]]).to_csv("hole.csv", index=False)
    assert "y: row 0 has no label" in fails(capsys, "train", "hole.csv", "-o", "h.crbm", *CLASSES)
    run("train", "hole.csv", "-o", "h.crbm", *CLASSES, "--unlabelled", "0.1")
    for model, file, words_of_the_error in (
        ("w.crbm", "h.csv", "y: holds the label 'thre'; did you mean three?"),
        ("n.crbm", "words.csv", "y: holds words, n.crbm knows the labels 0 to 2"),
    ):
        frame.assign(y="thre").to_csv("h.csv", index=False)
        assert words_of_the_error in fails(capsys, "evaluate", model, file, "--labels", "y")
    assert "has no label 'tow'; did you mean two?" in fails(capsys, "sample", "w.crbm", "--label", "tow")
    frame[:3].assign(y=["one", "two", "three"]).to_csv("few.csv", index=False)
    assert evaluated("w.crbm", "few.csv", "--labels", "y")  # as many names as rows


def test_labels_with_commas() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"v{i}" for i in range(16)])
    frame.assign(y=np.where(Y == 0, "no, never", "all")).to_csv("words.csv", index=False)
    run("train", "words.csv", "-o", "w.crbm", *CLASSES)
    for word in ("no, never", "all"):
        run("sample", "w.crbm", "--label", word, "-n", "2", *SHORT, "-o", "s.csv")
        assert [*pd.read_csv("s.csv").label] == [word, word]
    run("evaluate", "w.crbm", "words.csv", "--labels", "y", "--predictions", "p.csv")
    assert {*pd.read_csv("p.csv").label} <= {"no, never", "all"}


def test_resume_equals_never_stopping(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that ended after its layers, amid up-down training or amid fine-tuning, and one that goes on."""
    steady = ["--rate-schedule", "constant"]  # which does not ask where a stage ends
    train(*LABELLED, *steady)
    whole = Path("m.dbn").read_bytes(), Path("m.net").read_bytes()
    for stages, some in enumerate(
        ([], ["--up-down", "1"], ["--up-down", "2", "--fine-tune", "1", "--network", "m.net"])
    ):
        train(*DEEP, "--labels", "y", *some, *steady, "--checkpoint", "run.ckpt")
        assert Path("run.ckpt.up-down").exists() == (stages > 0)
        assert Path("run.ckpt.fine-tuning").exists() == (stages > 1)
        train(*LABELLED, *steady, "--resume", "run.ckpt")
        assert (Path("m.dbn").read_bytes(), Path("m.net").read_bytes()) == whole

    again = ["train", "d.npz", "--key", "X", "-o", "n", *LABELLED, *steady, "--resume", "run.ckpt"]
    assert "resume: penalties of RBM 0" in fails(capsys, *again, "--l2", "1")
    train(*DEEP, "--labels", "y", "--checkpoint", "run.ckpt")  # a new run forgets the stages of an old one
    assert sorted(path.name for path in Path().glob("run.ckpt*")) == ["run.ckpt", "run.ckpt.0", "run.ckpt.1"]


def test_pictures_of_learning(sketches: None) -> None:
    always = {"filters", "samples", "reconstructions"}
    last = {"learning_curves_up_down", "learning_curves_fine_tuning"}
    layers = {"learning_curves_layer_1", "learning_curves_layer_2"}
    for folder, argv, curves in (
        ("a", LABELLED, layers | last),
        ("b", DEEP, layers),
        ("c", CLASSES, {"learning_curves"}),
    ):
        train(*argv, "--plots", folder)
        assert {path.stem for path in Path(folder).iterdir()} == always | curves


# --- evaluate ----------------------------------------------------------------------------------------------


def test_errors_of_models_that_know_labels(capsys: pytest.CaptureFixture[str]) -> None:
    train(*CLASSES, to="m.crbm")
    train(*LABELLED)
    rbm, dbn, net = map(rf.load, ("m.crbm", "m.dbn", "m.net"))
    for path, log_p, again in (
        ("m.crbm", rbm.class_log_probabilities(X), rbm.reconstruct(rbm.join(X, Y))[:, :16]),
        ("m.dbn", dbn.predict_log_proba(X), dbn.reconstruct(X)),
        ("m.net", np.log(net.forward(X)), None),
    ):
        capsys.readouterr()
        found = evaluated(path, "d.npz", "--key", "X", "--labels", "y")
        predicted = rf.load(path).predict(X)
        wrong = found["classification_error"]
        assert wrong["wrong"] == (predicted != Y).sum()
        assert wrong["lower"] < wrong["value"] == wrong["wrong"] / 90 < wrong["upper"]
        confusion = np.zeros((3, 3), np.int64)
        np.add.at(confusion, (Y, predicted), 1)
        assert found["confusion"] == confusion.tolist()
        assert found["cross_entropy"]["mean"] == pytest.approx(-log_p[np.arange(90), Y].mean(), rel=1e-5)
        assert ("reconstruction_error" in found) == (again is not None)
        if again is not None:
            assert found["reconstruction_error"] == pytest.approx(((X - again) ** 2).mean(), rel=1e-5)
        text = capsys.readouterr().out
        assert "log-likelihood" not in text
        words = [line.split() for line in text.splitlines()[-4:-1]]  # the last line says what was written
        counts = [[0 if word == "." else int(word) for word in line[1:]] for line in words]
        assert counts == confusion.tolist()


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("method", ["exact", "ais"])
def test_the_bound(method: str, labels: bool, capsys: pytest.CaptureFixture[str]) -> None:
    train(*DEEP, *(["--labels", "y"] if labels else []))
    dbn = rf.load("m.dbn")
    assert can_enumerate(dbn.top)
    argv = ["--method", method, "--samples", "7", "--seed", "2"]
    ais = ["--chains", "30", "--temperatures", "100"] if method == "ais" else []
    found = evaluated("m.dbn", "d.npz", "--key", "X", *(["--labels", "y"] if labels else []), *argv, *ais)
    settings = {"n_chains": 30, "n_temperatures": 100, "seed": 2} if method == "ais" else {}
    z = rf.log_partition(dbn.top, method, **settings)
    bound = rf.log_likelihood_bound(dbn, X, z, n_samples=7, seed=2)
    assert found["log_z"]["value"] == z.value
    assert found["log_likelihood_bound"]["value"] == bound.value
    assert found["log_likelihood_bound"]["tighter"] == bound.tighter
    assert ("classification_error" in found) == labels
    text = capsys.readouterr().out
    assert f"log-likelihood bound  {bound.value:.2f}" in text
    assert ("effective chains" in text) == (method == "ais")


def test_the_bound_needs_states(capsys: pytest.CaptureFixture[str]) -> None:
    train(*DEEP)
    np.save("grey.npy", RNG.integers(0, 256, (9, 16), dtype=np.uint8))
    found = evaluated("m.dbn", "grey.npy", "--grey")
    assert found["log_likelihood_bound"] is None
    assert "grey levels are no states" in capsys.readouterr().out


def test_proportion_interval() -> None:
    """Of 0 and of 10 out of 10: the other end is z^2 / (n + z^2) away, and 0 and 1 are the ends of all."""
    z2 = NormalDist().inv_cdf(0.975) ** 2
    far = z2 / (10 + z2)
    assert proportion_interval(0, 10) == pytest.approx((0.0, far))
    assert proportion_interval(10, 10) == pytest.approx((1 - far, 1.0))
    low, high = proportion_interval(5, 10)
    assert low + high == pytest.approx(1.0)


# --- sample ------------------------------------------------------------------------------------------------

SHORT = ["--steps", "20", "--seed", "3"]


def test_samples_of_some_labels(sketches: None) -> None:
    _, rbm, _, dbn = save_new_models()
    labels = np.repeat([2, 0], 10)
    run("sample", "m.dbn", "--label", "2,0", *SHORT, "-o", "s.npz", "--png", "s.png")
    assert Path("s.png").read_bytes().startswith(b"\x89PNG")
    with np.load("s.npz") as found:
        assert np.array_equal(found["labels"], labels)
        assert np.array_equal(found["samples"], dbn.sample(20, steps=20, seed=3, labels=labels))
    run("sample", "m.dbn", "--label", "all", "-n", "2", "--mean", *SHORT)
    expected = dbn.sample(6, steps=20, seed=3, labels=np.repeat([0, 1, 2], 2), last="mean")
    assert np.array_equal(np.load("samples.npy"), expected)

    run("sample", "m.crbm", "--label", "1", "-n", "5", *SHORT, "--png", "one.png")
    assert Path("one.png").exists()
    v, h = rbm.sample(5, steps=20, seed=3, labels=1, return_hidden=True)
    assert np.array_equal(np.load("samples.npy"), v[:, :16])
    run("sample", "m.crbm", "--label", "1", "-n", "5", "--mean", *SHORT)
    assert np.array_equal(np.load("samples.npy"), rbm.visible_probabilities(h)[:, :16])


def test_samples_of_any_label_and_of_none() -> None:
    for path, model in zip(NEW, save_new_models(), strict=True):
        run("sample", path, "-n", "7", *SHORT, "-o", "s.npz")
        with np.load("s.npz") as found:
            assert ("labels" in found) == (path in ("m.dbn", "m.crbm"))
            assert found["samples"].shape == (7, 16)
            if path == "m.dbn":
                V, y = model.sample(7, steps=20, seed=3, return_labels=True)
                assert np.array_equal(found["samples"], V)
                assert np.array_equal(found["labels"], y)
    run("sample", "m.rbm", "-n", "7", "--mean", *SHORT)
    rbm = rf.load("m.rbm")
    _, h = rbm.sample(7, steps=20, seed=3, return_hidden=True)
    assert np.array_equal(np.load("samples.npy"), rbm.visible_probabilities(h))


def test_samples_are_data_to_learn_from() -> None:
    pytest.importorskip("pandas")
    rf.DBN([16, 6, 5], n_classes=3, seed=0).save("m.dbn")
    learn = ["-o", "n.crbm", *CLASSES, "--labels"]
    models = set()
    for mean in ([], ["--mean"]):
        run("sample", "m.dbn", "--label", "all", *SHORT, *mean, "-o", "s.npz")
        run("train", "s.npz", "--key", "samples", *learn, "labels")
        models.add(Path("n.crbm").read_bytes())
        run("sample", "m.dbn", "--label", "all", *SHORT, *mean, "-o", "s.csv")
        run("train", "s.csv", *learn, "label")
        assert Path("n.crbm").read_bytes() in models
        run("train", "s.csv", *learn, "label", "--validation", "s.csv")  # the same column of it
    assert len(models) == 2
    rf.RBM(2, 1, seed=0).save("m")
    run("sample", "m", "-n", "3", *SHORT, "-o", "s.csv")
    assert Path("s.csv").read_text().startswith("v0,v1\n")


# --- info --------------------------------------------------------------------------------------------------


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    train(*LABELLED, "--checkpoint", "run.ckpt")
    train(*CLASSES, to="m.crbm")
    for file, words in {
        "m.dbn": ("model           DBN([16, 6, 5], n_classes=3)\n", "labels          0 to 2", "of its own"),
        "m.net": ("outputs         3 softmax\n", "parameters      155\n"),
        "m.crbm": ("ClassRBM(16, 6, 3)\n", "labels          0 to 2, beside 16 units\n"),
        "run.ckpt": ("of a pre-training", "layer 2         method PCD(k=1"),
        "run.ckpt.1": ("of a training run, after 2 epochs and 10 updates",),
        "run.ckpt.up-down": ("of up-down training, after 2 epochs and 10 updates",),
        "run.ckpt.fine-tuning": ("of fine-tuning, after 3 epochs\n",),
    }.items():
        capsys.readouterr()
        run("info", file)
        text = capsys.readouterr().out
        assert all(word in text for word in words), text


def test_a_deep_boltzmann_machine(capsys: pytest.CaptureFixture[str]) -> None:
    run("train", "d.npz", "--key", "X", "-o", "m.dbm", "--model", "dbm", "--hidden", "6,5", "-k", "2", *FAST)
    dbm, again = rf.load("m.dbm"), rf.DBM([16, 6, 5], seed=4)
    rf.train(again, X, method=replace(recipe.METHOD, k=2), **ONCE)
    assert dbm.bipartite.W.tobytes() == again.bipartite.W.tobytes()
    chains = ["-o", "c.dbm", "--model", "dbm", "--hidden", "6,5", "--chains", "7", *FAST]
    run("train", "d.npz", "--key", "X", *chains)
    found = evaluated("m.dbm", "d.npz", "--key", "X", "--samples", "7", "--seed", "2")
    bound = rf.log_likelihood_bound(dbm, X, n_samples=7, seed=2)
    assert found["log_likelihood_bound"]["value"] == bound.value
    run("sample", "m.dbm", "-n", "3", "--seed", "1", "-o", "s.npy")
    assert np.load("s.npy").shape == (3, 16)
    run("info", "m.dbm")
    assert "DBM([16, 6, 5])" in capsys.readouterr().out
    wrong = ["d.npz", "--key", "X", "-o", "n", "--model", "dbm", "--hidden", "6"]
    assert "needs two hidden layers" in fails(capsys, "train", *wrong)
