"""Runs in several calls."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from training.helpers import TEXTBOOK, StepPCD, bits, random_rows

import rbmfast as rf

N_VISIBLE, N_HIDDEN = 11, 6


def model() -> rf.RBM:
    rbm = rf.RBM(N_VISIBLE, N_HIDDEN, seed=3)
    return rf.RBM.from_arrays(rbm.W, rbm.a, rbm.b)


def train(rbm: rf.RBM, X: Any, **settings: Any) -> rf.History:
    defaults = {**TEXTBOOK, "method": rf.PCD(), "epochs": 1, "batch_size": 10, "shuffle": False, "seed": 1}
    return rf.train(rbm, X, **{**defaults, **settings})


SOME = np.where(np.arange(95) % 3 == 0, np.arange(95) % 4 % 3, -1)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"method": rf.PCD(k=2, n_chains=7)},
        {"method": StepPCD()},
        {"method": rf.CD(k=2)},
        {"method": rf.PT(n_replicas=4, k=2, n_chains=5)},
        {"method": rf.FPCD(k=2, fast_rate=0.2)},
        {"method": rf.PTT(k=2, n_chains=5, per_chain=2, min_acceptance=0.95)},
        {"optimizer": rf.SGD(0.2, momentum=0.5), "penalties": [rf.L2(1e-3), rf.SparsityTarget(0.2)]},
        {"method": rf.Hybrid(0.1, 0.2)},
        {"method": rf.CD(), "missing": "random"},
    ],
    ids=str,
)
def test_parts_are_the_whole(settings: dict[str, Any]) -> None:
    """`test_runs.py` has whole epochs in several calls."""
    X: Any = random_rows(95, N_VISIBLE)
    whole, parts = model(), model()
    if isinstance(settings.get("method"), rf.Hybrid):
        X = rf.ClassRBM(N_VISIBLE, 1, n_classes=3).join(X, SOME).all()
        whole, parts = (rf.ClassRBM(N_VISIBLE, N_HIDDEN, n_classes=3, seed=3) for _ in range(2))
        whole.b = parts.b = np.zeros(N_HIDDEN)  # touched: the biases do not begin with the data
    if "missing" in settings:
        X = np.where(random_rows(95, N_VISIBLE, seed=5), np.nan, X)
    # the same chains to start from: they are drawn with the model as it is at first, either way
    train(whole, X, state=rf.TrainingState(), **settings)
    state = rf.TrainingState()
    for part in (X[:30], X[30:40], X[40:]):
        train(parts, part, state=state, **settings)
        state = pickle.loads(pickle.dumps(state))
    assert bits(parts) == bits(whole)
    assert (state.epochs, state.rows, state.seed) == (3, 95, 1)


def test_a_state_changes_nothing_in_the_first_call() -> None:
    X = random_rows(50, N_VISIBLE)
    with_state, without = model(), model()
    train(with_state, X, epochs=3, shuffle=True, state=rf.TrainingState())
    train(without, X, epochs=3, shuffle=True)
    assert bits(with_state) == bits(without)


def test_given_chains_are_where_it_starts() -> None:
    X = random_rows(20, N_VISIBLE)
    chains = np.ones((4, N_HIDDEN), np.uint8)
    state = rf.TrainingState(chains)
    rbm = model()
    train(rbm, X, epochs=0, state=state)
    assert np.array_equal(state.chains, chains) and state.has_begun
    train(rbm, X, state=state)
    assert len(state.chains) == 4 and not np.array_equal(state.chains, chains)  # type: ignore[arg-type]


def test_a_failing_callback_leaves_the_last_complete_epoch() -> None:
    class Fail(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            raise RuntimeError("no")

    X = random_rows(50, N_VISIBLE)
    rbm, other, state = model(), model(), rf.TrainingState()
    with pytest.raises(RuntimeError, match="no"):
        train(rbm, X, epochs=2, callbacks=[Fail()], state=state)
    train(rbm, X, state=state)
    train(other, X, epochs=2)
    assert bits(rbm) == bits(other)


@pytest.mark.parametrize(
    ("chains", "error"),
    [
        (np.zeros((4, N_HIDDEN), np.float32), TypeError),
        ([[0] * N_HIDDEN], TypeError),
        (np.zeros((4, N_HIDDEN + 1), np.uint8), ValueError),
        (np.zeros((0, N_HIDDEN), np.uint8), ValueError),
        (np.full((4, N_HIDDEN), 2, np.uint8), ValueError),
    ],
)
def test_bad_chains_are_refused(chains: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="chains of state"):
        train(model(), random_rows(20, N_VISIBLE), state=rf.TrainingState(chains))


def test_other_things_are_refused(tmp_path: Any) -> None:
    X, state, path = random_rows(20, N_VISIBLE), rf.TrainingState(), tmp_path / "run.ckpt"
    rbm = model()
    train(rbm, X, checkpoint=path)
    train(rbm, X, state=state)
    before = bits(rbm)
    with pytest.raises(ValueError, match="exclude each other"):
        train(rbm, X, checkpoint=path, state=state)
    with pytest.raises(ValueError, match="exclude each other"):
        train(rbm, X, resume=path, state=state)
    with pytest.raises(ValueError, match="where the run ends"):
        train(rbm, X, optimizer=rf.SGD(rf.Linear(0.1)), state=state)
    with pytest.raises(TypeError, match="state must be"):
        train(rbm, X, state=7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="other layers"):
        train(rf.RBM(N_VISIBLE, N_HIDDEN + 1), X, method=rf.CD(), state=copy.deepcopy(state))
    assert bits(rbm) == before
