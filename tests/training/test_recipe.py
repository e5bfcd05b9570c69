"""What is filled in where nothing is said: for every kind of model, and alike from every door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run
from training.helpers import Stop, StopAfter, bits, random_rows
from training.kinds import BEFORE, CODES, HOLES, KINDS, REAL, X, Y

import rbmfast as rf
from rbmfast.archive import read_file
from rbmfast.training import recipe
from rbmfast.training.recipe import MOMENTUM, RATE
from rbmfast.training.settings import TrainSettings
from rbmfast.units import PLAIN

CHAINS, AT_ROWS = recipe.METHOD, rf.CD()
FALLING = rf.SGD(rf.Linear(RATE), MOMENTUM)
SLOWER = rf.SGD(rf.Linear(RATE * rf.Gaussian().rate_share), MOMENTUM)
WEIGHED = (rf.L2(min(recipe.PRECISION / len(X), recipe.MOST_L2)),)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "UPDATES", 12)


def words(path: Path) -> dict[str, Any]:
    """What the file of a run says that it learned by."""
    found: dict[str, Any] = read_file(path)[1]["settings"]
    return {name: found[name] for name in ("method", "optimizer", "penalties", "centered")}


def in_words(method: Any, optimizer: Any, penalties: Any, centered: bool) -> dict[str, Any]:
    asked = TrainSettings(method=method, optimizer=optimizer, penalties=penalties, centered=centered)
    said = asked.describe()
    return {name: said[name] for name in ("method", "optimizer", "penalties", "centered")}


COUNTS = np.random.default_rng(0).integers(0, 4, (47, 9))
MODELS: dict[str, tuple[Any, dict[str, Any], Any, Any, bool]] = {
    "bits": (lambda: rf.RBM(9, 5, seed=3), {}, CHAINS, FALLING, True),
    "reals": (lambda: rf.RBM(9, 5, visible="gaussian", seed=3), {"X": REAL}, CHAINS, SLOWER, True),
    "real hidden": (lambda: rf.RBM(9, 5, hidden="gaussian", seed=3), {}, CHAINS, SLOWER, True),
    "categories": (
        lambda: rf.RBM(9, 5, visible=rf.Categorical(3), seed=3),
        {"X": CODES},
        CHAINS,
        FALLING,
        True,
    ),
    "documents": (lambda: rf.RBM(9, 5, visible="counts", seed=3), {"X": COUNTS}, AT_ROWS, SLOWER, True),
    "classes": (
        lambda: rf.ClassRBM(9, 5, n_classes=3, seed=3),
        {"X": rf.ClassRBM(9, 5, n_classes=3).join(X, Y)},
        CHAINS,
        FALLING,
        True,
    ),
    "context": (
        lambda: rf.ConditionalRBM(9, 5, 18, context="binary", seed=3),
        {"context": BEFORE},
        AT_ROWS,
        FALLING,
        True,
    ),
    "images": (lambda: rf.ConvRBM((3, 3), 4, (2, 2), seed=3), {}, CHAINS, FALLING, False),
    "one layer": (lambda: rf.BoltzmannMachine(9, 3, seed=3), {}, CHAINS, FALLING, False),
    "three layers": (lambda: rf.DBM((9, 5, 4), seed=3), {}, CHAINS, FALLING, True),
    "unknown": (lambda: rf.RBM(9, 5, seed=3), {"X": HOLES}, CHAINS, FALLING, True),
    "absent": (
        lambda: rf.RBM(9, 5, seed=3),
        {"X": HOLES, "missing": "absent"},
        AT_ROWS,
        FALLING,
        False,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_filled_in(name: str, tmp_path: Path) -> None:
    """It is what a run with these settings would be; a run that stopped goes on with them."""
    model, given, method, optimizer, centered = MODELS[name]
    settings: dict[str, Any] = {"X": X, "batch_size": 20, "seed": 1, **given}
    whole, spelt, stopped, resumed = (model() for _ in range(4))
    history = rf.train(whole, checkpoint=tmp_path / "run", **settings)
    assert len(history) - 1 == -(-recipe.UPDATES // 3)  # 47 rows are three batches of 20
    assert words(tmp_path / "run") == in_words(method, optimizer, WEIGHED, centered)
    ours: dict[str, Any] = {"method": method, "optimizer": optimizer, "penalties": WEIGHED}
    rf.train(spelt, epochs=len(history) - 1, centered=centered, **ours, **settings)
    with pytest.raises(Stop):
        rf.train(stopped, checkpoint=tmp_path / "part", callbacks=StopAfter(2), **settings)
    rf.train(resumed, resume=tmp_path / "part", **settings)
    for other in (spelt, resumed):
        for key, array in whole.parameters().items():
            np.testing.assert_array_equal(other.parameters()[key], array)


def test_many_rows_are_weighed_less() -> None:
    few_rows, many = (
        recipe.completed(TrainSettings(), rf.RBM(2, 2), n).penalties[0].cost for n in (10, 1_000_000)
    )
    assert few_rows == recipe.MOST_L2
    assert many == recipe.PRECISION / 1_000_000
    assert recipe.completed(TrainSettings(), rf.RBM(2, 2), 1_000_000).epochs == 1


@pytest.mark.parametrize("method", [rf.Discriminative(), rf.Hybrid()], ids=str)
def test_what_tells_classes_apart_is_not_centred(method: Any) -> None:
    asked = TrainSettings(method=method)
    assert not recipe.completed(asked, rf.ClassRBM(2, 2, n_classes=2), 10).centered


def test_of_what_goes_on_nobody_knows_the_end(tmp_path: Path) -> None:
    """Calls with a state are an epoch each, at one rate."""
    ours, theirs, states = (
        rf.RBM(9, 5, seed=3),
        rf.RBM(9, 5, seed=3),
        (rf.TrainingState(), rf.TrainingState()),
    )
    plain: dict[str, Any] = {"method": CHAINS, "optimizer": rf.SGD(RATE, MOMENTUM), "penalties": ()}
    for _ in range(3):
        assert len(rf.train(ours, X, state=states[0], seed=1)) == 2
        rf.train(theirs, X, state=states[1], seed=1, centered=True, epochs=1, **plain)
    assert bits(ours) == bits(theirs)


def test_what_is_said_stays(tmp_path: Path) -> None:
    """Also none, off and 0."""
    said: dict[str, Any] = {"method": rf.CD(3), "optimizer": rf.Adam(), "penalties": (), "centered": False}
    rf.train(rf.RBM(9, 5, seed=3), X, seed=1, epochs=0, checkpoint=tmp_path / "run", **said)
    assert words(tmp_path / "run") == in_words(*said.values())
    rf.train(rf.RBM(9, 5, seed=3), X, seed=1, penalties=(), checkpoint=tmp_path / "run")
    assert words(tmp_path / "run") == in_words(CHAINS, FALLING, (), True)


def test_every_layer_has_its_own(tmp_path: Path) -> None:
    """Real states are those of the lowest alone; layers may say what they want."""
    dbn = rf.DBN((9, 6, 5), visible="gaussian", seed=3)
    layers: list[dict[str, Any]] = [{}, {"penalties": ()}]
    histories = rf.pretrain(dbn, REAL, seed=1, layers=layers, checkpoint=str(tmp_path / "run"))
    assert [len(history) - 1 for history in histories] == [recipe.UPDATES] * 2
    assert words(tmp_path / "run.0") == in_words(CHAINS, SLOWER, WEIGHED, True)
    assert words(tmp_path / "run.1") == in_words(CHAINS, FALLING, (), True)
    alone = rf.RBM.from_state(*rf.DBN((9, 6, 5), visible="gaussian", seed=3).generative[0].to_state())
    rf.train(alone, REAL, seed=1)
    assert bits(alone) == bits(dbn.generative[0])


def test_a_network_goes_on(tmp_path: Path) -> None:
    kind, path = KINDS["pretrain"], str(tmp_path / "run")
    whole, stopped, resumed = (kind.model({}) for _ in range(3))
    rf.pretrain(whole, X, seed=1)
    with pytest.raises(Stop):
        rf.pretrain(stopped, X, seed=1, checkpoint=path, callbacks=StopAfter(recipe.UPDATES + 3))
    rf.pretrain(resumed, X, resume=path)
    assert kind.bits(resumed) == kind.bits(whole)


@pytest.mark.parametrize("unit", ["bernoulli", "gaussian"])
def test_the_command_line_learns_the_same(unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = X if unit == "bernoulli" else REAL
    np.save("x.npy", rows)
    run("train", "x.npy", "-o", "m.rbm", "--hidden", "5", "--seed", "3", "--visible", unit)
    rbm = rf.RBM(9, 5, visible=unit, seed=3)
    rf.train(rbm, rows, seed=3)
    found = rf.load("m.rbm")
    assert isinstance(found, rf.RBM) and bits(found) == bits(rbm)
    run(
        "train", "x.npy", "-o", "m.dbn", "--model", "dbn", "--hidden", "5,4", "--seed", "3", "--visible", unit
    )
    dbn = rf.DBN((9, 5, 4), visible=unit, seed=3)
    rf.pretrain(dbn, rows, seed=3)
    assert KINDS["pretrain"].bits(rf.load("m.dbn")) == KINDS["pretrain"].bits(dbn)


@pytest.mark.parametrize("scale", [1, 3])
def test_the_estimator_learns_the_same(scale: int) -> None:
    """Also of data that it standardises."""
    pytest.importorskip("sklearn")
    from rbmfast.sklearn import RBM
    from rbmfast.sklearn.base import draw_seed

    found = RBM(5, random_state=0).fit(X * scale)
    rng = np.random.RandomState(0)
    rbm = rf.RBM(9, 5, visible=found.visible_, seed=draw_seed(rng))
    assert found.visible_ == ("bernoulli" if scale == 1 else "gaussian")
    rf.train(rbm, found._rows(X * scale), seed=draw_seed(rng))
    assert bits(found.rbm_) == bits(rbm)
    off = RBM(5, l2=0.0, random_state=0).fit(X * scale)
    rng = np.random.RandomState(0)
    plain = rf.RBM(9, 5, visible=off.visible_, seed=draw_seed(rng))
    rf.train(plain, off._rows(X * scale), seed=draw_seed(rng), penalties=())
    assert bits(off.rbm_) == bits(plain)


TWO = np.random.default_rng(1).integers(0, 2, (300, 1))  # kinds of rows
SEEN: dict[str, Any] = {
    "bernoulli": random_rows(300, 9),
    "spin": 2.0 * random_rows(300, 9) - 1,
    "gaussian": np.random.default_rng(2).normal(1.6 * TWO - 0.8, 0.6, (300, 9)),
    "relu": np.maximum(np.random.default_rng(2).normal(1.5 * TWO - 0.5, 0.6, (300, 9)), 0),
    "drelu": np.random.default_rng(2).normal(1.6 * TWO - 0.8, 0.6, (300, 9)),
    "counts": np.random.default_rng(2).poisson(np.where(np.arange(9) < 4, 1 + 2 * TWO, 3 - 2 * TWO)),
}


@pytest.mark.parametrize("unit", PLAIN)
def test_units_of_every_type_learn(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than their biases, which a new model begins with, and without diverging."""
    monkeypatch.setattr(recipe, "UPDATES", 300)
    rbm, V = rf.RBM(9, 5, visible=unit, seed=3), SEEN[unit]
    if unit == "counts":  # of which likelihoods are not known
        errors = rf.train(rbm, V, seed=1, monitors=rf.ReconstructionError())["train_reconstruction_error"]
        assert errors[-1] < errors[0]
        return
    rbm.initialize(V)
    before = rf.log_likelihood(rbm, V).mean()
    rf.train(rbm, V, seed=1)
    assert rf.log_likelihood(rbm, V).mean() > before


@pytest.mark.parametrize("unit", [name for name in PLAIN if name != "counts"])
def test_hidden_units_of_every_type_learn(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "UPDATES", 300)
    rbm = rf.RBM(9, 5, hidden=unit, seed=3)
    rbm.initialize(SEEN["bernoulli"])
    before = rf.pseudo_likelihood(rbm, SEEN["bernoulli"]).mean()
    rf.train(rbm, SEEN["bernoulli"], seed=1)
    assert rf.pseudo_likelihood(rbm, SEEN["bernoulli"]).mean() > before
