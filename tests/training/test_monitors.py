"""Monitors: right numbers, and never a change of the training they watch. History: what is kept of them."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import time
from typing import Any

import numpy as np
import pytest
from training.helpers import TEXTBOOK, Asking, bits, random_rows

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.streams import Purpose
from rbmfast.training import Watched

X = random_rows(60, 9)
X_VAL = random_rows(25, 9, seed=1)
GREY = np.random.default_rng(5).random((60, 9)).astype(np.float32)
REAL = np.random.default_rng(6).normal(size=(60, 9)).astype(np.float32)

ALL = [
    rf.ReconstructionError(),
    rf.FreeEnergyGap(),
    rf.PseudoLikelihood(),
    rf.SaturatedUnits(threshold=0.1),
    rf.DeadUnits(threshold=0.5),
    rf.WeightNorm(),
]


def trained(data: Any = X, visible: str = "bernoulli", **settings: Any) -> tuple[rf.RBM, rf.History]:
    rbm = rf.RBM(9, 7, visible=visible, seed=3)
    settings = {**TEXTBOOK, "epochs": 4, "batch_size": 10, "seed": 1, "optimizer": rf.SGD(0.3), **settings}
    return rbm, rf.train(rbm, data, **settings)


@pytest.mark.parametrize("data, visible", [(X, "bernoulli"), (GREY, "bernoulli"), (REAL, "gaussian")])
@pytest.mark.parametrize("method", [rf.CD(1), rf.PCD(1)], ids=str)
def test_they_never_change_training(data: Any, visible: str, method: Any) -> None:
    settings: dict[str, Any] = {"method": method, "optimizer": rf.SGD(0.01)}
    without, _ = trained(data, visible, **settings)
    small = [rf.ReconstructionError(max_rows=3)]
    for chosen in (ALL, small):
        watched, _ = trained(data, visible, monitors=chosen, validation=data[:25], **settings)
        assert bits(watched) == bits(without)


def test_values() -> None:
    rbm, history = trained(monitors=ALL, validation=X_VAL, epochs=30)
    start = rf.RBM(9, 7, seed=3)
    start.initialize(X)
    error = np.mean((X - start.reconstruct(X).astype(np.float64)) ** 2)
    assert math.isclose(history["train_reconstruction_error"][0], error, rel_tol=1e-12)
    assert history["epoch"].tolist() == [*range(31)]
    last = {name: column[-1] for name, column in history.to_dict().items()}
    for which, data in (("train", X), ("validation", X_VAL)):
        error = np.mean((data - rbm.reconstruct(data).astype(np.float64)) ** 2)
        assert math.isclose(last[f"{which}_reconstruction_error"], error, rel_tol=1e-12)
        pseudo = rf.pseudo_likelihood(rbm, data).mean()
        assert math.isclose(last[f"{which}_pseudo_likelihood"], pseudo, rel_tol=1e-12)
    gap = rbm.free_energy(X_VAL).mean() - rbm.free_energy(X).mean()
    assert math.isclose(last["free_energy_gap"], gap, rel_tol=1e-9, abs_tol=1e-12)
    likelihoods = rf.log_likelihood(rbm, X).mean() - rf.log_likelihood(rbm, X_VAL).mean()
    assert math.isclose(last["free_energy_gap"], likelihoods, rel_tol=1e-3)
    P = rbm.hidden_probabilities(X)
    assert last["saturated_units"] == (P >= 0.1).all(axis=0).mean()
    assert last["dead_units"] == (P <= 0.5).all(axis=0).mean()
    assert 0 < last["saturated_units"] < 1
    assert 0 < last["dead_units"] < 1
    W = rbm.W.astype(np.float64)
    assert math.isclose(last["weight_norm"], np.linalg.norm(W), rel_tol=1e-12)
    assert last["weight_max"] == np.abs(W).max()


@pytest.mark.parametrize("data, visible", [(GREY, "bernoulli"), (REAL, "gaussian")])
def test_reconstruction_of_other_data(data: Any, visible: str) -> None:
    rate = rf.SGD(0.01)
    rbm, history = trained(data, visible, monitors=[rf.ReconstructionError()], optimizer=rate)
    error = np.mean((data - rbm.reconstruct(data).astype(np.float64)) ** 2)
    assert math.isclose(history["train_reconstruction_error"][-1], error, rel_tol=1e-4)


def test_rows_are_chosen_once_by_the_seed() -> None:
    def look(watched: Watched) -> dict[str, float]:
        taken.append((watched.train(12).tobytes(), watched.validation(5).tobytes()))
        return {"rows": len(watched.train(12))}

    taken: list[tuple[bytes, bytes]] = []
    distinct = np.eye(60, 64, dtype=np.uint8)[:, :60]
    for seed in (1, 1, 2):
        rf.train(
            rf.RBM(60, 3, seed=0),
            distinct,
            epochs=2,
            seed=seed,
            validation=distinct,
            monitors=[Asking(("rows",), look)],
        )
    assert len(taken) == 9
    assert len(set(taken[:6])) == 1
    assert taken[6] != taken[0]
    rows = np.frombuffer(taken[0][0], np.uint8).reshape(12, 60)
    assert len(np.unique(rows, axis=0)) == 12
    keys = engine.shuffle_keys(60, 1, 0, Purpose.MONITOR)
    assert np.array_equal(rows, distinct[np.sort(np.argsort(keys)[:12])])
    assert taken[0][1] not in taken[0][0]  # validation rows are chosen apart


def test_pseudo_likelihood_of_some_units() -> None:
    rbm, history = trained(monitors=[rf.PseudoLikelihood(units=4)])
    _, whole = trained(monitors=[rf.PseudoLikelihood(units=9)])
    some, exact = history["train_pseudo_likelihood"][-1], whole["train_pseudo_likelihood"][-1]
    assert math.isclose(exact, rf.pseudo_likelihood(rbm, X).mean(), rel_tol=1e-12)
    possible = [
        rf.pseudo_likelihood(rbm, X, units=np.array(units)).mean()
        for units in itertools.combinations(range(9), 4)
    ]
    assert min(abs(value - some) for value in possible) < 1e-12
    assert some != exact


def test_seconds_are_recorded() -> None:
    _, history = trained(monitors=[Asking((), lambda _: time.sleep(0.01) or {})])
    assert (history["monitor_seconds"] >= 0.01).all()
    assert history["seconds"][0] == 0
    assert (history["seconds"][1:] > 0).all()


def test_a_monitor_must_keep_its_word() -> None:
    with pytest.raises(ValueError, match="promised"):
        trained(monitors=[Asking(("promised",), lambda _: {"given": 1.0})])


def test_infinite_numbers_are_recorded() -> None:
    rbm = rf.RBM.from_arrays(np.zeros((3, 2)), np.full(3, 1e9), np.zeros(2))
    history = rf.train(rbm, np.zeros((4, 3)), epochs=0, seed=1, monitors=[rf.PseudoLikelihood()])
    assert history["train_pseudo_likelihood"][0] < -1e9


# --- History --------------------------------------------------------------------------------------------


def test_columns() -> None:
    _, history = trained(monitors=[rf.WeightNorm()])
    expected = ("epoch", "seconds", "samples_per_second", "rate", "momentum", "exponent", "monitor_seconds")
    assert history.keys() == (*expected, "weight_norm", "weight_max")
    assert list(history) == list(history.keys())
    columns = history.to_dict()
    assert columns.keys() == set(history.keys())
    assert all(len(column) == len(history) == 5 for column in columns.values())
    assert history["epoch"].dtype == history["exponent"].dtype == np.int64
    assert all(
        column.dtype == np.float64 for name, column in columns.items() if name not in ("epoch", "exponent")
    )
    assert history["exponent"].tolist() == [20] * 5
    assert np.isnan(history["rate"][0])
    assert "weight_norm" in history
    assert "nothing" not in history
    with pytest.raises(KeyError, match="weight_norm"):
        history["nothing"]


def test_print() -> None:
    _, history = trained(monitors=[rf.WeightNorm()])
    lines = str(history).splitlines()
    assert len(lines) == 6
    assert lines[0].split() == list(history.keys())
    assert all(len(line.split()) == 9 for line in lines)
    assert len({len(line) for line in lines}) == 1  # a table: everything in its column
    assert lines[-1].split()[0] == "4"
    assert repr(history).startswith("History(4 epochs: epoch,")


def test_tables_are_made_of_it() -> None:
    _, history = trained(monitors=[rf.WeightNorm()])
    assert isinstance(history, dict) and len(history) == 5
    for library in ("pandas", "polars"):
        table = pytest.importorskip(library).DataFrame(history)
        assert list(table.columns) == list(history)
        for name, column in history.items():
            assert table[name].to_numpy().dtype == column.dtype
            np.testing.assert_array_equal(table[name], column)


def test_copies_are_complete() -> None:
    _, history = trained(monitors=[rf.WeightNorm()])
    history.stopped = "enough"
    for other in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert isinstance(other, rf.History) and str(other) == str(history)


def test_a_record_is_not_changed_through_what_it_hands_out() -> None:
    history = rf.train(rf.RBM(4, 2, seed=0), np.eye(4), optimizer=0.1, epochs=2, seed=1)
    history["rate"][:] = 9  # a copy, which can be written to
    for column in history.values():
        with pytest.raises(ValueError, match="read-only"):
            column[:] = 9
    assert history["rate"].tolist()[1:] == [0.1, 0.1]
