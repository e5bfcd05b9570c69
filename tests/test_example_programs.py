"""The programs in examples/ run on small synthetic data, and print what they say; some on published data."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from programs import EXAMPLES, load

import rbmfast as rf
from rbmfast.data import as_rows
from rbmfast.likelihood import all_states

if not EXAMPLES.is_dir():
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.fixture(autouse=True)
def neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python does for a program that is run: it imports what lies beside it."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Ten bars that are easy to tell apart, with noise."""
    rng, file = np.random.default_rng(0), tmp_path / "digits.npz"

    def draw(n: int) -> tuple[Any, Any]:
        y = rng.integers(0, 10, n)
        images = rng.integers(0, 60, (n, 28, 28), dtype=np.uint8)
        for image, digit in zip(images, y, strict=True):
            image[2 * digit + 4 : 2 * digit + 6] = 255
        return images, y

    (x, y), (x_test, y_test) = draw(1000), draw(200)
    np.savez(file, train_x=x, train_y=y, test_x=x_test, test_y=y_test)
    return file


def errors(printed: str) -> list[float]:
    return [float(error) for error in re.findall(r"(\d+\.\d\d) %", printed)]


def test_backprop(digits: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    example = load("mnist_backprop")
    monkeypatch.setattr(example, "SIZES", [784, 40, 30])
    monkeypatch.setattr(example, "DROPOUT", 0.2)
    monkeypatch.setattr(example, "QUICK", {"pre-training": 5, "fine-tuning": 40})
    printed = printed_by(example, digits, "--quick", "--seeds", 3)
    assert max(errors(printed)) < 10


def test_class_rbm(digits: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    example = load("mnist_class_rbm")
    monkeypatch.setattr(example, "N_HIDDEN", 40)
    monkeypatch.setattr(example, "QUICK", {"features": 5, "hybrid": 20})
    printed = printed_by(example, digits, "--quick", "--seeds", 3)
    assert max(errors(printed)) < 10


def test_up_down(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    pytest.importorskip("matplotlib")
    example = load("mnist_up_down")
    monkeypatch.setattr(example, "SIZES", [784, 40, 40, 60])
    monkeypatch.setattr(example, "QUICK", example.Recipe(20, ((1, 3, 0.1, 0.0),)))
    printed = printed_by(example, digits, "--quick", "--seeds", 3, "--pictures", tmp_path / "pictures")
    greedy, fine_tuned, mean = errors(printed.replace(" ->", " % ->"))
    assert fine_tuned == mean < 40 and greedy < 40  # by chance 90
    assert (tmp_path / "pictures" / "digits.png").stat().st_size > 10_000


def test_missing_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    example, rng = load("missing_entries"), np.random.default_rng(0)
    plants = np.repeat(rng.integers(0, 2, (500, 5)), 3, axis=1)
    np.savez(tmp_path / "plants.npz", train=np.packbits(plants, axis=1), n_features=15)
    few = {"N_DIGITS": 150, "N_USERS": 100, "N_ITEMS": 30, "KNOWN": 0.3, "NEIGHBOURS": (5,), "ROUNDS": 1}
    for name, value in few.items():
        monkeypatch.setattr(example, name, value)
    for name, epochs in (("DIGITS", 1), ("PLANTS", 60), ("RATINGS", 60)):
        monkeypatch.setitem(getattr(example, name), "epochs", epochs)
    monkeypatch.setitem(example.PLANTS, "n_hidden", 10)
    printed = printed_by(example, tmp_path / "plants.npz", "--seeds", 0)
    found = {line[:28].strip(): float(line[28:]) for line in printed.splitlines()[1:]}
    assert len(found) == 11 and max(found.values()) < 1.2
    levels = np.array([[0], [1], [5]], np.float32)
    assert example.Smoothing(3, 2.0).gradient(levels).tolist() == [[2], [6], [-8]]
    assert found["plants    RBM"] < found["plants    column mean"] - 0.05
    assert found["ratings   RBM, absent"] < found["ratings   item mean"]


def test_few_labels(digits: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    monkeypatch.setattr(load("mnist_backprop"), "SIZES", [784, 40, 30])
    example = load("few_labels")
    settings = ("--labels", 500, "--seeds", 0, "--pretraining", 2, "--fine-tuning", 40)
    printed = printed_by(example, digits, *settings)
    found = re.search(r"^mean +(\d+\.\d\d) +(\d+\.\d\d)$", printed, re.MULTILINE)
    assert found is not None
    assert float(found[2]) < 50


def test_dbn_bound(tmp_path: Path, printed_by: Any) -> None:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, (3, 20))
    sets = {
        name: (kinds[rng.integers(0, 3, n)] ^ (rng.random((n, 20)) < 0.05))
        for name, n in (("train", 300), ("test", 100))
    }
    np.savez(tmp_path / "data.npz", **{name: rows.astype(np.uint8) for name, rows in sets.items()})
    settings = ("--hidden", 8, "--first", 20, "--second", 5, "--chains", 50, "--temperatures", 200)
    printed = printed_by(load("dbn_bound"), tmp_path / "data.npz", *settings)
    likelihood, bound = (
        float(re.search(rf"^{name} +(-\d+\.\d\d)", printed, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("test log-likelihood", "test bound")
    )
    assert abs(bound - likelihood) < 1.5


def test_networks_from_random_weights_know_nothing() -> None:
    network = load("few_labels").from_random_weights(0)
    assert isinstance(network, rf.Network)
    assert [layer.activation for layer in network.layers] == ["sigmoid"] * 3 + ["softmax"]


DATA = Path(os.environ.get("RBMFAST_TEST_DATA", "no such folder"))


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the published data")


def rows(n: int) -> Any:
    rng = np.random.default_rng(n)
    kinds = np.random.default_rng(0).integers(0, 2, (3, 20))
    return (kinds[rng.integers(0, 3, n)] ^ (rng.random((n, 20)) < 0.05)).astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data.npz"
    packed = {name: np.packbits(rows(n), axis=1) for name, n in (("train", 300), ("test", 100))}
    np.savez(file, **packed, n_features=20)
    return file


def test_known_log_z(tmp_path: Path, printed_by: Any) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "m.npz", W=rng.normal(0, 0.5, (20, 6)), vbias=np.zeros(20), hbias=np.zeros((1, 6)))
    settings = ("--seeds", 3, "--chains", 50, "--temperatures", 50)
    printed = printed_by(load("known_log_z"), tmp_path / "m.npz", *settings)
    for method in ("ais", "reverse_ais", "bracket"):
        line = re.search(rf"^{method} +(-?\d\.\d+) +\d\.\d+ +\d\.\d+ +(\d+)%", printed, re.MULTILINE)
        assert line is not None
        assert abs(float(line[1])) < 0.5


def test_mnist_likelihood(data: Path, tmp_path: Path, printed_by: Any) -> None:
    settings = ("--hidden", 18, "--epochs", 5, "--chains", 50, "--temperatures", 100)
    example = load("mnist_likelihood")
    printed = printed_by(example, data, *settings, "--save", tmp_path / "m.rbm")
    found = re.search(r"^test log-likelihood +(-\d+\.\d\d) ", printed, re.MULTILINE)
    assert found is not None
    exact = rf.log_likelihood(rf.load(tmp_path / "m.rbm"), rows(100)).mean()
    assert abs(float(found[1]) - exact) < 0.2


def test_rows_drawn_from_grey_images(tmp_path: Path) -> None:
    """Twenty draws of each; pixels column by column."""
    images = np.zeros((3, 28, 28), np.uint8)
    images[0], images[1, 5, 20], images[2, 0, :] = 51, 255, 255
    np.savez(tmp_path / "digits.npz", train_x=images)
    bits = as_rows(load("mnist_likelihood").drawn_from(tmp_path / "digits.npz")).all().reshape(20, 3, 28, 28)
    assert abs(bits[:, 0].mean() - 0.2) < 0.02  # 6 standard deviations
    assert (bits[:, 1:].transpose(0, 1, 3, 2) == images[1:] / 255).all()
    assert (bits[0, 0] != bits[1, 0]).any()


def test_deep_boltzmann_machine(
    data: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any
) -> None:
    example = load("mnist_dbm")
    monkeypatch.setattr(example, "SIZES", [20, 8, 6])
    monkeypatch.setattr(example, "drawn_from", lambda _: rf.Packed(np.packbits(rows(300), axis=1), 20))
    monkeypatch.setattr(example, "DRAWS", 10)
    settings = ("--epochs", 20, 100, "--chains", 50, "--temperatures", 100, "--save", tmp_path / "model")
    printed = printed_by(example, "likelihood", data, digits, *settings)
    found = re.search(r"^test bound +(-\d+\.\d\d) ", printed, re.MULTILINE)
    assert found is not None
    assert abs(float(found[1]) - rf.log_likelihood_bound(rf.load(tmp_path / "model"), rows(100)).value) < 0.2
    monkeypatch.setattr(example, "SIZES", [784, 40, 30])
    monkeypatch.setattr(example, "QUICK", {"layers": 5, "machine": 2, "fine-tuning": 40})
    assert max(errors(printed_by(example, "classify", digits, "--quick", "--seeds", 3))) < 10


def test_exact_likelihood(data: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    example = load("exact_likelihood")
    short = dataclasses.replace(example.RECIPES["mnist"], n_hidden=5, epochs=5)
    monkeypatch.setitem(example.RECIPES, "mnist", short)
    printed = printed_by(example, "mnist", data, "--seeds", 1)
    for name in ("as it is", "flipped"):
        assert re.search(rf"rbmfast, {name} +-\d+\.\d+ ", printed)


def test_spin_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    rng, file, example = np.random.default_rng(0), tmp_path / "chain.npz", load("spin_chain")
    states = all_states(4)
    p = 2.0 ** (states[:, 1:] == states[:, :-1]).sum(axis=1)
    p /= p.sum()
    x = states[rng.choice(16, 2000, p=p)]
    np.savez(file, x=x, psi=np.stack([np.sqrt(p), np.zeros(16)], axis=1))
    monkeypatch.setattr(example, "RATES", (0.5,))
    monkeypatch.setattr(example, "EPOCHS", 40)
    printed = printed_by(example, file)
    assert f"entropy of the state     {-(p * np.log(p)).sum():9.4f}" in printed
    assert float(re.search(r"larger by (\S+)\)", printed)[1]) < 0.05  # type: ignore[index]


def test_proteins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    """Two families of six sites, with errors; half of the sequences twice."""
    pytest.importorskip("matplotlib")
    rng, file, example = np.random.default_rng(0), tmp_path / "msa.npz", load("proteins")
    families = rng.integers(0, 4, (2, 6))
    x = families[rng.integers(0, 2, 600)]
    errors = rng.random(x.shape) < 0.3
    x[errors] = rng.integers(0, 4, errors.sum())
    np.savez(file, x=np.concatenate([x, x[:300]]).astype(np.uint8))
    monkeypatch.setattr(example, "N_HIDDEN", 8)
    monkeypatch.setattr(example, "METHOD", rf.PCD(k=1))
    monkeypatch.setattr(example, "RATE", 1.0)
    printed = printed_by(example, file, "--epochs", 40, "--samples", 1000, "--picture", tmp_path / "msa.png")
    table = {line[:22].rstrip(): [float(r) for r in line[22:].split()] for line in printed.splitlines()[-3:]}
    assert table["one site"][0] > 0.97
    assert table["two sites, connected"][0] > 0.3
    assert (tmp_path / "msa.png").stat().st_size > 10_000


def test_bouncing_balls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    pytest.importorskip("matplotlib")
    small = ("--films", 3, "--frames", 20, "--hidden", 5, "--epochs", 1, "--picture", tmp_path / "balls.png")
    example = load("bouncing_balls")
    monkeypatch.setattr(example, "PREDICTING", 2)
    draw = example.draw
    monkeypatch.setattr(example, "draw", lambda rows, path: draw({n: x[:4] for n, x in rows.items()}, path))
    printed = printed_by(example, *small)
    errors = [float(x) for x in re.findall(r"^  .*: (\S+) \S+$", printed, re.MULTILINE)]
    assert len(errors) == 4 and max(errors) < 1
    assert (tmp_path / "balls.png").stat().st_size > 10_000


def test_walking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    pytest.importorskip("matplotlib")
    example, rng = load("walking"), np.random.default_rng(0)
    for name, small in {
        "ORDER": 2,
        "START_ORDER": 1,
        "PREDICTING": 2,
        "SHORTEST": 10,
        "GENERATED": 4,
    }.items():
        monkeypatch.setattr(example, name, small)
    wave = np.sin(np.arange(200)[:, None] / 5 + np.arange(108)) * np.linspace(0.1, 3, 108)
    wave += 0.05 * rng.normal(size=wave.shape)
    wave[190:, 3] += 100  # a jump, where the last sequence is cut
    np.savez(tmp_path / "motion.npz", a=wave[:60], b=wave[60:100], c=wave)
    picture, animation = tmp_path / "walk.png", tmp_path / "walk.gif"
    printed = printed_by(
        *(example, tmp_path / "motion.npz", "--epochs", 1, "--hidden", 5),
        *("--picture", picture, "--animation", animation),
    )
    assert re.search(r"conditional RBM of order 2: \d+\.\d+ \d+\.\d+", printed)
    assert printed.count("drawn: ") == printed.count("recorded: ") == 3
    assert min(picture.stat().st_size, animation.stat().st_size) > 10_000


def test_inverse_ising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    """Both ways come as near as the samples allow, or nearly."""
    pytest.importorskip("matplotlib")
    example = load("inverse_ising")
    monkeypatch.setattr(example, "SWEEPS", 100)
    monkeypatch.setattr(example, "BATCH", 250)
    monkeypatch.setitem(example.WAYS, "PCD", {"method": rf.PCD(k=1, n_chains=500), "epochs": 30})
    picture = tmp_path / "ising.png"
    printed = printed_by(example, "--side", 3, "--samples", 4000, "--picture", picture)
    rows = [[float(x) for x in line[24:].split()[:3]] for line in printed.splitlines()[-2:]]
    assert np.max(rows) < 0.08  # 1 / sqrt(4000) is 0.016
    assert picture.stat().st_size > 10_000


def test_contacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    """A small known model; files of two sites that always agree, the second of a family with cysteines."""
    pytest.importorskip("matplotlib")
    example = load("contacts")
    for name, value in {"SITES": 9, "STATES": 4, "PAIRS": 3, "EPOCHS": 30}.items():
        monkeypatch.setattr(example, name, value)
    printed = printed_by(example, "known", "--picture", tmp_path / "known.png")
    assert (tmp_path / "known.png").stat().st_size > 10_000
    shares = [[float(x) for x in line[24:].split()] for line in printed.splitlines()[-2:]]
    assert np.min([row[0] for row in shares]) >= 0.2  # of three; 0.14 of all pairs are right
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (300, 8), dtype=np.uint8)
    x[:, 5] = x[:, 0]
    np.savez(tmp_path / "msa.npz", x=x)
    printed = printed_by(example, "lattice", tmp_path / "msa.npz")
    assert all(line.endswith("0.43") for line in printed.splitlines()[-2:])  # of all pairs
    scores = example.learned_scores(x, np.ones(300), 4, 0), example.mean_field_scores(x, np.ones(300), 4)
    assert [example.best_pairs(each, 2)[0].tolist() for each in scores] == [[0, 5], [0, 5]]
    x[:, 2:8][rng.random((300, 6)) < 0.7] = example.CYSTEINE
    x[:, 7] = x[:, 2]
    np.savez(tmp_path / "msa.npz", x=x)
    printed = printed_by(example, "kunitz", tmp_path / "msa.npz").splitlines()[-8:]
    both, chance = (float(printed[0].split()[i]) for i in (5, -1))
    assert printed[0].startswith("1-6") and both > 2 * chance
    assert [line[34:].startswith("[1, ") for line in printed[4:]] == [True, True, False, False]


def test_real_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    pytest.importorskip("matplotlib")
    rng, example = np.random.default_rng(0), load("real_values")
    np.savez(tmp_path / "images.npz", one=rng.integers(0, 256, (40, 50), np.uint8))
    stripes = 30 * rng.normal(size=(100, 1)) + np.tile(np.linspace(0, 200, 20), 28)
    np.savez(tmp_path / "faces.npz", x=np.clip(stripes, 0, 255).astype(np.uint8))
    printed = {}
    for name, *data in (
        ("patches", tmp_path / "images.npz"),
        ("sources",),
        ("faces", tmp_path / "faces.npz"),
    ):
        small = () if name == "faces" else ("--rows", 1000)
        picture = tmp_path / f"{name}.png"
        printed[name] = printed_by(example, name, *data, *small, "--epochs", 5, "--picture", picture)
        assert picture.stat().st_size > 5_000
    assert "filters with an orientation" in printed["patches"]
    log_p = float(re.search(r"log-likelihood (\S+), of", printed["sources"])[1])  # type: ignore[index]
    assert -2.86 < log_p < -2.69
    mean, model = (float(x) for x in re.findall(r"by .*: (\S+)", printed["faces"]))
    assert model < mean


def test_convolution(digits: Path, tmp_path: Path, printed_by: Any) -> None:
    pytest.importorskip("matplotlib")
    example, rng = load("convolution"), np.random.default_rng(0)
    np.savez(tmp_path / "images.npz", one=rng.integers(0, 256, (50, 60), np.uint8))
    for name, data, rows in (
        ("edges", tmp_path / "images.npz", 20),
        ("deep", digits, 100),
        ("strokes", digits, 100),
    ):
        picture = tmp_path / f"{name}.png"
        printed = printed_by(example, name, data, "--rows", rows, "--epochs", 1, "--picture", picture)
        assert picture.stat().st_size > 5_000
    assert max(errors(printed)) < 10


# --- What the tables in README.md and docs/design say ------------------------------------------------------


def reach(recipe: str, file: str, seed: int = 0, flip: int = 0, **changes: Any) -> float:
    """The exact test log-likelihood."""
    example = load("exact_likelihood")
    X, X_test = example.read(DATA / file)
    rbm = example.train(X ^ flip, dataclasses.replace(example.RECIPES[recipe], **changes), seed)
    return rf.mean_log_likelihood(rbm, X_test ^ flip).value


@needs_data
def test_dna_in_a_second() -> None:
    assert reach("dna", "debd_binary/dna.npz", epochs=60, n_hidden=14) > -99


@needs_data
def test_ising_chain(monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    example = load("spin_chain")
    for name, value in (("SIZES", (5,)), ("RATES", (0.5,)), ("EPOCHS", 30)):
        monkeypatch.setattr(example, name, value)
    printed = printed_by(example, DATA / "tfim_ising_qucumber/tfim1d.npz")
    assert "entropy of the state        5.2985" in printed
    assert float(re.search(r"larger by (\S+)\)", printed)[1]) < 0.02  # type: ignore[index]


@pytest.mark.slow
@needs_data
def test_dna() -> None:
    assert reach("dna", "debd_binary/dna.npz") > -96.74


@pytest.mark.slow
@needs_data
def test_mushrooms() -> None:
    assert reach("mushrooms", "debd_binary/mushrooms.npz") > -15.15


@pytest.mark.slow
@needs_data
def test_mnist_16_hidden() -> None:
    file = "salakhutdinov_murray_2008/binarized_mnist_sm_packed.npz"
    plain, flipped = (reach("mnist", file, flip=flip) for flip in (0, 1))
    assert min(plain, flipped) > -143.5
    assert abs(plain - flipped) < 1
    assert reach("mnist", "mnist/mnist.npz") > -140


@pytest.fixture(scope="module")
def example() -> Any:
    return load("bimodal")


def test_the_data_are_bimodal(example: Any) -> None:
    p = example.probabilities((0.8, 0.2))
    near = [p[distance < other].sum() for distance, other in (example.DISTANCES, example.DISTANCES[::-1])]
    assert_allclose([p.sum(), *near], [1, 0.8, 0.2], atol=1e-5)
    assert_allclose(np.sort(p)[-2:], 0.98**10 * np.array([0.2, 0.8]), rtol=1e-5)


@pytest.mark.slow
def test_pt_weighs_both_modes_and_cd_and_pcd_do_not(example: Any) -> None:
    table = example.results((0.5, 0.5), seeds=range(3), epochs=200)
    kl = {name: rows[:, 0].mean() for name, rows in table.items()}
    wrong = {name: np.abs(rows[:, 1] - 0.5).max() for name, rows in table.items()}
    assert max(kl["PT-1"], kl["PTT-1"]) < 0.05 and max(wrong["PT-1"], wrong["PTT-1"]) < 0.1
    assert kl["CD-1"] > 1.5 * kl["PT-1"] and wrong["CD-1"] > 0.1
    assert kl["PCD-1"] > 5 * kl["PT-1"] and wrong["PCD-1"] > 0.3


@needs_data
def test_equilibrium_of_digits(printed_by: Any) -> None:
    """A tenth of the run: nats above what PCD reaches; log Z is 4 standard errors off at most."""
    example, argv = load("equilibrium"), ("--updates", "260", "--seeds", "0", "--methods", "PTT")
    printed = printed_by(example, "digits", DATA / "mnist/mnist.npz", *argv)
    likelihoods, errors = (re.findall(r"-?\d+\.\d+", line) for line in printed.splitlines()[-2:])
    assert float(likelihoods[9]) > -146
    assert abs(float(errors[9])) < 2 * float(errors[10]) < 0.5


@pytest.fixture
def dna(tmp_path: Path) -> Path:
    """A table of this name: pairs of equal bits, 6 log 2 = 4.16 nats a row."""
    rng, file = np.random.default_rng(0), tmp_path / "dna.npz"
    bits = np.repeat(rng.integers(0, 2, (600, 6), dtype=np.uint8), 2, axis=1)
    parts = zip(("train", "valid", "test"), np.split(np.packbits(bits, axis=1), 3), strict=True)
    np.savez(file, **dict(parts), n_features=12)
    return file


def test_equilibrium_of_a_table(dna: Path, printed_by: Any) -> None:
    printed = printed_by(load("equilibrium"), "table", dna, "--epochs", "2", "--hidden", "4")
    assert [line.split()[0] for line in printed.splitlines()[1:]] == ["training", "validation", "test"]


def test_recipe(dna: Path, printed_by: Any) -> None:
    few = ("--hidden", "12", "--temperatures", "20", "--tries", "updates=2", "updates=2000,rate=0.5")
    printed = printed_by(load("recipe"), dna.parent, "-", "-", "--sets", "dna", *few).splitlines()
    untrained, trained = (float(line.split()[0].rstrip("?")) for line in printed[1:])
    assert untrained < -8 and -6 < trained <= -4.1


def test_tables(dna: Path, printed_by: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.training.recipe.RATE", 0.5)
    monkeypatch.setattr("rbmfast.training.recipe.UPDATES", 500)
    few = ("--sets", "dna", "--hidden", "2", "12", "--temperatures", "20")
    printed = printed_by(load("tables"), dna.parent, *few)
    assert -6 < float(re.findall(r"12 hidden units, test (-\d\.\d+)", printed)[0]) <= -4.1


def test_it_prints_a_table(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    example.main(["--seeds", "1", "--epochs", "2"])
    assert len(re.findall(r"^[58]0:[52]0 +\S+ +\d\.\d{3} ", capsys.readouterr().out, re.MULTILINE)) == 10


def test_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    rng, file, arrays = np.random.default_rng(0), tmp_path / "words.npz", {}
    for name, n in (("train", 400), ("test", 100)):
        of_topic = (np.arange(20) < 10) == rng.integers(0, 2, (n, 1))
        X = sp.csr_array(rng.poisson(np.where(of_topic, 2.0, 0.1)))
        arrays |= {f"{name}_{part}": getattr(X, part) for part in ("data", "indices", "indptr")}
    np.savez(file, words=[f"word{i}" for i in range(20)], **arrays)
    example = load("documents")
    monkeypatch.setattr(example, "RATE", 0.03)
    monkeypatch.setattr(example, "BATCH", 50)
    printed = printed_by(example, file, "--hidden", 2)
    unigrams, _, rbm = map(float, re.findall(r" (\d+\.\d) {2}", printed))
    assert rbm < 0.7 * unigrams and "word1" in printed


def test_augmentation(monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    pytest.importorskip("sklearn")
    example = load("augmentation")
    monkeypatch.setattr(example, "DATA", {"wine": example.DATA["wine"]})
    monkeypatch.setattr(example, "EPOCHS", (2,))
    printed = printed_by(example, "--rows", 4, "--seeds", 0, 1)
    assert re.search(r"wine +\d\d\.\d ± .* draw \(2 epochs, [15] for each row\)", printed)
