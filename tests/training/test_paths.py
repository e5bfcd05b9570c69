"""One call of the engine per epoch, and one Python step per update, give the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from training.helpers import TEXTBOOK, StepCD, StepFPCD, StepPCD, assert_same_bits, learn, random_rows

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.data import Rows, as_rows
from rbmfast.streams import Purpose
from rbmfast.training import run as run_module

X = random_rows(47, 9)  # the last batch of ten has seven rows
GREY = (np.random.default_rng(5).random((47, 9)) ** 2).astype(np.float32)
HOLES, GREY_HOLES = (np.where(np.random.default_rng(6).random((47, 9)) < 0.3, np.nan, x) for x in (X, GREY))
PENALTIES = [rf.L1(0.001), rf.L2(0.01), rf.MaxNorm(0.2), rf.SparsityTarget(0.2)]
REAL = np.random.default_rng(7).normal(size=(47, 9)).astype(np.float32)
FAR = REAL.copy()
FAR[[3, 30, 31], 4] = 16.5, -40.0, 25.0  # what 16 bits do not hold
SLOW: dict[str, Any] = {"visible": "gaussian", "optimizer": rf.SGD(0.001)}

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum schedule": {"optimizer": rf.SGD(0.1, momentum=rf.Steps({0: 0.5, 2: 0.9}))},
    "exponential rate": {"optimizer": rf.SGD(rf.Exponential(0.2, 0.7))},
    "linear rate": {"optimizer": rf.SGD(rf.Linear(0.3, 0.01), momentum=rf.Linear(0.2, 0.6))},
    "all at once": {
        "centered": True,
        "penalties": PENALTIES,
        "optimizer": rf.SGD(rf.Linear(0.5), momentum=0.9),
    },
    "exponent drops": {"optimizer": rf.SGD(200.0, momentum=0.5)},
    "one batch": {"batch_size": 1000},
    "batches of one": {"batch_size": 1, "epochs": 1},
    "weights": {"sample_weight": np.arange(47) % 7 / 3, "centered": True},
    "grey": {"X": GREY},
    "grey, all at once": {"X": GREY, "centered": True, "penalties": PENALTIES},
    "grey, weights": {"X": GREY, "sample_weight": np.arange(47) % 7 / 3},
    "absent": {"X": HOLES, "missing": "absent"},
    "absent grey": {"X": GREY_HOLES, "missing": "absent"},
    "missing": {"X": HOLES},
    "missing grey": {"X": GREY_HOLES},
    "missing, some rows": {
        "X": np.where(np.arange(47)[:, None] < 20, X, HOLES),
        "sample_weight": np.arange(47) % 3,
    },
    "real": {**SLOW, "X": REAL},
    "real, far": {**SLOW, "X": FAR},
    "real, all at once": {**SLOW, "X": FAR, "centered": True, "penalties": PENALTIES},
    "real, batches of one": {**SLOW, "X": FAR, "batch_size": 1},
    "real, weights": {**SLOW, "X": REAL, "sample_weight": np.arange(47) % 7 / 3},
    "no shuffle": {"shuffle": False},
    "blocks": {"shuffle": "blocks", "batch_size": 1},
}


@pytest.mark.filterwarnings("ignore:the weights have become large", "ignore:X:")
@pytest.mark.parametrize("name", CASES)
def test_both_paths(name: str, tmp_path: Path) -> None:
    """By CD and PCD, or PCD and FPCD: the cases take turns, also at some of their settings."""
    number = [*CASES].index(name)
    k = 1 + 2 * (number // 2 % 2)
    n_chains = (None, 7, 23)[number % 3]
    methods = [
        (rf.CD(k), StepCD(k)),
        (rf.PCD(k, n_chains), StepPCD(k, n_chains)),
        (rf.PCD(4 - k), StepPCD(4 - k)),
        (rf.FPCD(k, n_chains, fast_rate=0.2), StepFPCD(k, n_chains, fast_rate=0.2)),
    ]
    if "missing" in CASES[name]:
        methods = methods[:1]  # what is absent is learned by CD
    for both in methods[number % 2 :: 2] or methods:
        assert_same_bits(*(learn(**{"X": X} | CASES[name], tmp_path=tmp_path, method=one) for one in both))


@pytest.mark.filterwarnings("ignore:X:")
@pytest.mark.parametrize("hidden", [rf.Categorical(3), rf.Bernoulli()], ids=str)
def test_only_updates_with_far_states_are_made_apart(hidden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, epoch = [], engine.epoch

    def noting(*arguments: Any) -> Any:
        made.append(epoch(*arguments))
        return made[-1]

    monkeypatch.setattr(engine, "epoch", noting)
    rbm = rf.RBM(9, 6, visible=rf.Gaussian(), hidden=hidden, seed=3)
    rf.train(rbm, FAR, epochs=1, seed=1, batch_size=5, shuffle=False, optimizer=rf.SGD(0.001))
    assert made == [0, 4, 3]  # the first and the seventh of ten batches have them; two in a row by Python


def test_draws_of_ones_own_are_not_the_engines() -> None:
    class Still(rf.Gaussian):
        def sample(self, x: Any, stream: Any) -> Any:
            return 0 * x

    learned = [rf.RBM(9, 5, visible=unit, seed=3) for unit in (Still(), rf.Gaussian())]
    for rbm in learned:
        rf.train(rbm, REAL, epochs=1, seed=1, optimizer=rf.SGD(0.001))
    assert not np.array_equal(learned[0].W, learned[1].W)


@pytest.mark.parametrize("method", [rf.CD(2), rf.PCD(1)], ids=str)
def test_threads_agree_where_to_stop(method: Any) -> None:
    """Every few updates one of them draws a state that does not fit, while others may be a pass behind."""
    data, learned = np.tile(REAL[:, :8], (4, 8)), set()
    for n in (1, 3):
        engine.set_num_threads(n)
        rbm = rf.RBM(64, 32, visible=rf.Gaussian(), seed=3)
        rbm.a = np.full(64, 11.5, np.float32)
        rf.train(rbm, data, method=method, epochs=20, seed=1, batch_size=8, optimizer=rf.SGD(1e-5))
        learned.add(rbm.W.tobytes())
    assert len(learned) == 1


@pytest.mark.filterwarnings("ignore:X:")
def test_the_cases_differ(tmp_path: Path) -> None:
    """The comparisons above would see a setting that was ignored."""
    weights = [
        learn(**{"X": X, **case}, tmp_path=tmp_path, method=rf.CD(k))["W"]
        for k, case in [(1, {}), *((3, case) for case in CASES.values())]
    ]
    assert len(set(weights)) == len(weights)


def test_a_redefined_method_is_not_the_engines() -> None:
    class Lazy(rf.CD):
        def negative_phase(self, model: Any, v: Any, x: Any, chains: Any) -> Any:
            return v, x

    assert not Lazy(1).fused
    rbm = rf.RBM(9, 5, seed=3)
    rbm.initialize(X)
    before = rbm.W.copy()
    rf.train(rbm, X, **{**TEXTBOOK, "method": Lazy(1)}, epochs=2, seed=1)
    assert np.array_equal(rbm.W, before)  # both phases are equal


# --- Containers, chunks, order --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [X.astype(np.float32), GREY, sp.csr_array(X)], ids=["binary", "grey", "csr"])
@pytest.mark.parametrize("method", [rf.CD(2), rf.PCD(1)], ids=str)
def test_chunks(data: Any, method: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = learn(data, tmp_path, method=method)
    for n_bytes in (1, 300, 500):
        monkeypatch.setattr(run_module, "CHUNK_BYTES", n_bytes)
        assert_same_bits(learn(data, tmp_path, method=method), whole)


def test_progress_bar_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = learn(X, tmp_path)
    monkeypatch.setattr(run_module, "LIVE_ROWS", 20)
    assert_same_bits(learn(X, tmp_path, progress=True), silent)
    assert capsys.readouterr().err


def test_progress_without_tqdm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    learn(X, tmp_path, progress=True, monitors=[rf.WeightNorm()])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "weight_norm" in lines[0]


@pytest.mark.parametrize("n, batch_size", [(1, 1), (15, 1), (16, 1), (17, 1), (100, 3)])
def test_every_epoch_visits_every_row_once(n: int, batch_size: int) -> None:
    from rbmfast.training.batches import epoch_order

    for shuffle in (True, False, "blocks"):
        orders = [epoch_order(n, shuffle, seed=7, epoch=e, batch_size=batch_size) for e in range(3)]
        for order in orders:
            assert order.dtype == np.int64
            assert np.array_equal(np.sort(order), np.arange(n))
        if n >= 15 and shuffle is not False:
            assert not np.array_equal(orders[0], orders[1])


def documented_block_order(n: int, size: int, seed: int) -> Any:
    blocks = np.argsort(engine.shuffle_keys(-(-n // size), seed, 2**31, Purpose.SHUFFLE), kind="stable")
    keys = engine.shuffle_keys(n, seed, 0, Purpose.SHUFFLE)
    order = np.argsort(keys, kind="stable")
    return np.concatenate([order[order // size == block] for block in blocks])


def test_blocks_stay_together() -> None:
    from rbmfast.training.batches import epoch_order

    order = epoch_order(100, "blocks", seed=7, epoch=0, batch_size=2)
    assert np.array_equal(order, documented_block_order(100, 32, seed=7))
    starts = [i for i in range(100) if i == 0 or order[i] // 32 != order[i - 1] // 32]
    assert len(starts) == 4
    assert sorted({int(b) for b in order[starts] // 32}) == [0, 1, 2, 3]
    assert not np.array_equal(order[starts[0] : starts[1]], np.sort(order[starts[0] : starts[1]]))


@pytest.mark.parametrize("data", [X, GREY, sp.csr_array(X)], ids=["binary", "grey", "csr"])
def test_data_are_read_once_before_learning(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once they have been validated; and the first row again. For 0/1 units, with a checkpoint, too."""
    rows, read = as_rows(data), []
    block = Rows.block

    def noting(self: Rows, rows: Any) -> Any:
        result = block(self, rows)
        read.append(len(result))
        return result

    monkeypatch.setattr(Rows, "block", noting)
    rf.train(rf.RBM(9, 5, seed=3), rows, epochs=0, seed=1, checkpoint="run.ckpt")
    assert sum(read) == 47 + 1
