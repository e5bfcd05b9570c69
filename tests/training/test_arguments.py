"""Bad arguments get one clear sentence that names them, and nothing is changed."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.helpers import TEXTBOOK, Penalty, bits
from training.kinds import KINDS, X, Y

import rbmfast as rf
from rbmfast.training.methods import as_method

REAL = rf.RBM(9, 5, hidden=rf.Mixed([(rf.Bernoulli(), 2), (rf.Gaussian(), 3)]), seed=3)


class TooManyChains(rf.PCD):
    def chains_for(self, batch_size: int) -> int:
        return 40_000


def head(activation: str) -> rf.Network:
    return rf.Network([rf.Dense.new(9, 3, activation, seed=0)])


NUMBERS = np.random.default_rng(0).normal(size=(47, 3))
LATE = [{}, {"monitors": [rf.FreeEnergyGap()]}, {}]
BAD: dict[str, list[tuple[dict[str, Any], type[Exception], str]]] = {
    "every": [
        ({"model": "model"}, TypeError, " must be an rf."),
        ({"model": rf.Bernoulli()}, TypeError, " must be an rf."),
        ({"X": X[:, :-1]}, ValueError, "X must have 9 features"),
        ({"X": X * 0.5 - 0.1}, ValueError, "X"),
        ({"X": np.full((5, 9), np.nan)}, ValueError, "X"),
        ({"X": X[:0]}, ValueError, "X"),
        ({"sample_weight": [1.0]}, ValueError, "sample_weight must have shape"),
        ({"sample_weight": ["a"]}, TypeError, "sample_weight must be"),
        ({"sample_weight": [1j]}, TypeError, "sample_weight must be"),
        ({"sample_weight": [1e300] * len(X)}, ValueError, "sample_weight must be at most 1e+30"),
        (
            {"optimizer": rf.Adam},
            TypeError,
            "optimizer must be an rf.SGD, its rate, an rf.Adam or an rf.Cosine",
        ),
        ({"optimizer": "fast"}, TypeError, "optimizer"),
        ({"optimizer": -0.1}, ValueError, "rate"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"epochs": 2**31}, ValueError, "epochs"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"shuffle": "rows"}, ValueError, "shuffle"),
        ({"shuffle": 1}, TypeError, "shuffle"),
        ({"seed": -1}, ValueError, "seed"),
        ({"validation": 0.1}, TypeError, "with validation="),
        ({"callbacks": [print]}, TypeError, "callbacks[0] must be"),
        ({"callbacks": rf.EarlyStopping("x")}, ValueError, "callbacks"),
        ({"progress": 1}, TypeError, "progress"),
        ({"checkpoint": 1}, TypeError, "checkpoint"),
        (
            {"checkpoint": "no/such/folder/run.ckpt"},
            FileNotFoundError,
            "checkpoint must lie in an existing folder",
        ),
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every"),
        ({"resume": 1}, TypeError, "resume must be a file name"),
        ({"resume": "none.ckpt"}, FileNotFoundError, "none.ckpt"),
        ({"lr": 0.01}, TypeError, "has no argument 'lr': say optimizer=rf.SGD(0.01)"),
        ({"n_epochs": 3}, TypeError, "'n_epochs': say epochs=3"),
    ],
    "train": [
        ({"model": rf.RBM}, TypeError, "rbm"),
        ({"X": X[0]}, ValueError, "X"),
        ({"X": None}, TypeError, "X"),
        ({"method": "pdc"}, ValueError, "one of 'cd', 'pcd', 'pt', 'ptt', 'fpcd', 'unbiasedcd', got 'pdc'"),
        ({"method": rf.CD}, TypeError, "method"),
        ({"method": TooManyChains()}, ValueError, "method"),
        ({"optimizer": True}, TypeError, "optimizer"),
        ({"learning_rate": X}, TypeError, "say optimizer=rf.SGD(...)"),
        ({"verbose": True}, TypeError, "say progress=True"),
        ({"l2": 1e-4}, TypeError, "say penalties=rf.L2(0.0001)"),
        ({"monitor": []}, TypeError, "did you mean monitors?"),
        ({"colour": 1}, TypeError, "it has rbm, X, context, sample_weight"),
        ({"penalties": rf.L2}, TypeError, "penalties"),
        ({"penalties": [0.1]}, TypeError, "penalties[0]"),
        ({"penalties": [rf.L2(), rf.L1]}, TypeError, "penalties[1]"),
        ({"penalties": [rf.L2(0.1), rf.L2(0.2)]}, ValueError, "penalties"),
        ({"penalties": "L2"}, TypeError, "penalties"),
        ({"centered": 1}, TypeError, "centered"),
        ({"epochs": 1.5}, TypeError, "epochs"),
        ({"epochs": True}, TypeError, "epochs"),
        ({"epochs": 2**31 - 1, "method": rf.CD(10**6)}, ValueError, "epochs"),
        ({"batch_size": 2.0}, TypeError, "batch_size"),
        ({"X": np.zeros((40_000, 9), np.uint8), "batch_size": 40_000}, ValueError, "batch_size"),
        ({"seed": 2**64}, ValueError, "seed"),
        ({"seed": 1.0}, TypeError, "seed"),
        ({"validation": X[:, :-1]}, ValueError, "validation"),
        ({"validation": X * 2}, ValueError, "validation"),
        ({"validation": 0.1}, TypeError, "n = int(0.9 * len(X)) learn from X[:n] with validation=X[n:]"),
        (
            {"X": np.zeros((5, 3, 4))},
            ValueError,
            "X must be 2-D … got shape (5, 3, 4); pass X.reshape(5, -1)",
        ),
        ({"X": X + 1}, ValueError, "counts and other numbers: scaled, for visible='gaussian'"),
        (
            {"model": REAL, "monitors": [rf.DeadUnits()]},
            ValueError,
            "DeadUnits in monitors needs hidden units",
        ),
        ({"model": REAL, "monitors": rf.SaturatedUnits()}, ValueError, "SaturatedUnits in monitors"),
        ({"model": REAL, "penalties": rf.SparsityTarget(0.1)}, ValueError, "SparsityTarget in penalties"),
        ({"monitors": rf.WeightNorm}, TypeError, "monitors"),
        ({"monitors": [rf.WeightNorm]}, TypeError, "monitors[0]"),
        ({"monitors": [rf.WeightNorm(), rf.WeightNorm()]}, ValueError, "monitors"),
        ({"monitors": [rf.FreeEnergyGap()]}, ValueError, "validation"),
        (
            {"callbacks": [rf.EarlyStopping("seconds")], "monitors": [rf.WeightNorm()]},
            ValueError,
            "weight_norm",
        ),
        ({"penalties": [Penalty(lambda W: W[0])]}, ValueError, "penalties"),
    ],
    "pretrain": [
        ({"y": Y, "model": rf.DBN((9, 7, 6, 5), seed=0)}, ValueError, "y needs a network with labels"),
        ({"validation": X + 2}, ValueError, "validation[0, 0] is"),
        ({"layers": {"epochs": 3}}, TypeError, "layers must be a list of dicts"),
        ({"layers": [{}, {}]}, ValueError, "layers must have a dict for each of 3 RBMs, got 2"),
        ({"layers": [{}, {}, 3]}, TypeError, "layers[2] must be a dict of settings, got 3"),
        ({"layers": [{}, {}, {"k": 3}]}, ValueError, "layers[2] may have … got 'k'"),
        ({"layers": [{"seed": 1}, {}, {}]}, ValueError, "layers[0] may have … got 'seed'"),
        ({"layers": [{}, {}, {"epochs": -3}]}, ValueError, "epochs must be … (for RBM 2)"),
        ({"layers": [{}, {"method": 1}, {}]}, TypeError, "method must be … (for RBM 1)"),
        ({"layers": LATE}, ValueError, "validation must be given … (for RBM 1)"),
        (
            {"activations": "probabilities", "layers": [{}, {}, {"monitors": [rf.LogLikelihood()]}]},
            ValueError,
            "(for RBM 2)",
        ),
        ({"activations": "means"}, ValueError, "activations must be 'samples' or 'probabilities'"),
        ({"cache": "disk"}, ValueError, "cache must be 'auto', 'memory' or 'stream', got 'disk'"),
        ({"cache": True}, TypeError, "cache must be"),
        ({"first_layer": 3}, ValueError, "first_layer must be an integer from 0 to 2"),
    ],
    "up_down": [
        ({"model": rf.DBN((9, 5), seed=0)}, ValueError, "dbn"),
        ({"model": rf.DBN((9, 5, 4), n_classes=3, seed=0), "y": None}, ValueError, "y"),
        ({"y": Y, "model": rf.DBN((9, 5, 4), seed=0)}, ValueError, "y"),
        ({"method": "pdc"}, ValueError, "method"),
        ({"method": rf.Discriminative()}, ValueError, "method must learn from samples of the model alone"),
        ({"y": Y, "method": rf.Hybrid()}, ValueError, "method must learn from samples of the model alone"),
        ({"penalties": rf.L2}, TypeError, "penalties"),
        ({"penalties": [Penalty(lambda W: np.zeros((6, 5)))]}, ValueError, "penalties"),
        ({"epochs": 2**31 - 1, "method": rf.CD(10**6)}, ValueError, "epochs"),
        ({"validation": X[:, :-1]}, ValueError, "validation"),
        ({"callbacks": [rf.EarlyStopping("validation_error")]}, ValueError, "callbacks"),
        ({"y": Y, "validation": X}, TypeError, "validation"),
    ],
    "fine_tune": [
        ({"model": head("sigmoid"), "y": NUMBERS}, ValueError, "y"),
        ({"model": head("sigmoid"), "y": np.ones((46, 3))}, ValueError, "y"),
        ({"model": head("linear"), "y": NUMBERS[:, 1:]}, ValueError, "y"),
        ({"model": head("linear"), "y": np.full((47, 3), np.nan)}, ValueError, "y"),
        ({"model": head("linear"), "y": None}, ValueError, "y"),
        ({"model": head("linear"), "y": NUMBERS[:, 0]}, ValueError, "y must have shape (47, 3), got (47,)"),
        ({"weight_decay": 1e-4}, TypeError, "'weight_decay': say l2=0.0001"),
        ({"validation": 0.1}, TypeError, "learn from X[:n], y[:n] with validation=(X[n:], y[n:])"),
        ({"dropout": 1.0}, ValueError, "dropout"),
        ({"dropout": [0.1, 0.2]}, ValueError, "dropout"),
        ({"dropout": [0.1, 0.2, -1]}, ValueError, "dropout[2]"),
        ({"dropout": "half"}, TypeError, "dropout"),
        ({"l2": -0.1}, ValueError, "l2"),
        ({"validation": X}, TypeError, "validation"),
        ({"validation": (X[:, 1:], Y)}, ValueError, "validation[0]"),
        ({"patience": 3}, ValueError, "validation"),
        ({"patience": 0, "validation": (X, Y)}, ValueError, "patience"),
        ({"callbacks": [rf.EarlyStopping("validation_loss")]}, ValueError, "validation_loss"),
    ],
}
CALLS = [
    (of, *case)
    for name, cases in BAD.items()
    for case in cases
    for of in (KINDS if name == "every" else [name])
]


def contents(model: Any) -> Any:
    meta, arrays = model.to_state()
    return meta, {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize(
    "of, changed, error, words", CALLS, ids=[f"{of}: {', '.join(changed)}" for of, changed, *_ in CALLS]
)
def test_bad_arguments(of: str, changed: dict[str, Any], error: type[Exception], words: str) -> None:
    """One clear sentence that names the argument, and nothing is changed."""
    kind = KINDS[of]
    model = changed.get("model", kind.model(changed))
    before = contents(model) if isinstance(model, (rf.RBM, rf.DBN, rf.Network, rf.BoltzmannMachine)) else None
    settings = {"epochs": 1, **{name: value for name, value in changed.items() if name != "model"}}
    with pytest.raises(error) as caught:
        kind.run(model, settings)
    place = 0
    for word in words.split(" … "):
        assert word in str(caught.value)[place:]
        place = str(caught.value).index(word, place)
    assert "\n" not in str(caught.value)
    assert before is None or contents(model) == before
    assert not isinstance(model, rf.DBN) or model.is_tied


@pytest.mark.parametrize("of", ["classes", "pretrain", "up_down", "fine_tune"])
@pytest.mark.parametrize("y", [None, Y[1:], Y[:, None], Y + 1, Y - 2, Y * 1.0], ids=lambda y: str(y)[:9])
def test_bad_labels(of: str, y: Any) -> None:
    """Of the rows and of those for validation. What is said of each is in `models/test_class_rbm.py`."""
    kind = KINDS[of]
    model = kind.model({"y": Y})
    before = kind.bits(model)
    for wrong in ({"y": y}, {"y": Y, "validation": (X, y)}):
        with pytest.raises(
            (TypeError, ValueError), match=r"^(y|y of validation|validation\[1\]) must"
        ) as caught:
            kind.run(model, wrong)
        assert "\n" not in str(caught.value)
    assert kind.bits(model) == before


def test_what_is_plainly_meant() -> None:
    """A word for a method, a number for a rate, a thing for a list of one; also in a checkpoint's eyes."""
    long = {"method": rf.PCD(k=1), "optimizer": rf.SGD(0.05), "penalties": [rf.L2(1e-3)]}
    long |= {"monitors": [rf.DeadUnits()], "callbacks": [rf.EarlyStopping("dead_units")]}
    short = {"method": "pcd", "optimizer": 0.05, "penalties": rf.L2(1e-3)}
    short |= {"monitors": rf.DeadUnits(), "callbacks": rf.EarlyStopping("dead_units")}
    models = []
    for i, settings in enumerate((long, short)):
        models.append(rf.RBM(9, 5, seed=3))
        rf.train(models[-1], X, epochs=2, seed=1, checkpoint=f"{i}.ckpt", **settings)
        rf.train(rf.RBM(9, 5, seed=3), X, epochs=3, resume="0.ckpt", **settings)
        dbn = rf.DBN([9, 5, 4], seed=3)
        rf.pretrain(dbn, X, epochs=1, seed=1, checkpoint=f"{i}.greedy", **settings)
        rf.pretrain(dbn, X, epochs=1, resume="0.greedy", **settings)
    assert bits(models[0]) == bits(models[1])
    assert {type(method) for method in map(as_method, ("CD", "pt", "fpcd"))} == {rf.CD, rf.PT, rf.FPCD}


NAN, INF = float("nan"), float("inf")
NUMBERS_OF: dict[Any, dict[str, tuple[float, ...]]] = {  # that are out of range
    rf.CD: {"k": (0, 2**31)},
    rf.PCD: {"k": (-1, 2**31), "n_chains": (0, 32769)},
    rf.PT: {"n_replicas": (1,), "k": (0,), "n_chains": (0, 3277)},
    rf.PTT: {"k": (0,), "n_chains": (0, 32769), "per_chain": (0,), "min_acceptance": (-0.1, 1.1)},
    rf.FPCD: {"k": (0,), "n_chains": (0,), "fast_rate": (-0.1,), "fast_decay": (1.1,)},
    rf.UnbiasedCD: {"burn_in": (0,), "k": (2**31,)},
    rf.Discriminative: {"dropout": (-0.1, 1.0)},
    rf.Hybrid: {"generative": (-0.1, NAN), "unlabelled": (-1, INF), "dropout": (-0.1, 1.0)},
    rf.SGD: {"rate": (-0.1, NAN, INF, 1e39), "momentum": (-0.1, 1.0, NAN)},
    rf.Adam: {"rate": (-0.1,), "beta1": (1.0,), "beta2": (-0.1,), "epsilon": (0.0,)},
    rf.Constant: {"value": (-1,)},
    rf.Linear: {"start": (-1,)},
    rf.L1: {"cost": (0, -1)},
    rf.L2: {"cost": (NAN,)},
    rf.MaxNorm: {"limit": (0, 1e-9)},
    rf.SparsityTarget: {"target": (1.5, NAN)},
    rf.ReconstructionError: {"max_rows": (0,)},
    rf.FreeEnergyGap: {"max_rows": (0,)},
    rf.ClassificationError: {"max_rows": (0,)},
    rf.PseudoLikelihood: {"units": (0,), "max_rows": (0,)},
    rf.SaturatedUnits: {"threshold": (2,)},
    rf.DeadUnits: {"threshold": (-1,)},
}


@pytest.mark.parametrize("kind", NUMBERS_OF, ids=lambda kind: kind.__name__)
def test_numbers_of_settings(kind: Any) -> None:
    """Out of range; and what is no number, or is one by accident."""
    for name, values in NUMBERS_OF[kind].items():
        for value in (*values, "many", True, [1]):
            error = ValueError if value in values and value is not True else TypeError
            with pytest.raises(error, match=rf"\b{name}\b"):
                kind(**{name: value})
        if isinstance(inspect.signature(kind).parameters[name].default, int) or name in ("n_chains", "units"):
            with pytest.raises(TypeError, match=rf"\b{name} must be an integer"):
                kind(**{name: 1.5})


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: rf.PT(4, n_chains=8193), ValueError, "n_chains must be an integer from 1 to 8192"),
        (lambda: rf.PT(betas=(0.0, 0.5)), ValueError, "betas must rise from 0 to 1"),
        (lambda: rf.PT(3, betas=(0.0, 1.0)), ValueError, "n_replicas must be 2, as many as betas"),
        (lambda: rf.UnbiasedCD(burn_in=5, k=5), ValueError, "k must be an integer from"),
        (lambda: rf.Hybrid(negative="cd"), TypeError, "negative"),
        (lambda: rf.Hybrid(negative=rf.CD), TypeError, "negative"),
        (lambda: rf.Hybrid(negative=rf.Discriminative()), ValueError, "negative"),
        (lambda: rf.Hybrid(negative=rf.Hybrid()), ValueError, "negative"),
        (lambda: rf.SGD(0.1, momentum=rf.Steps({0: 0.5, 3: 1.0})), ValueError, "momentum"),
        (lambda: rf.SGD(0.1, momentum=rf.Linear(0.5, 1.5)), ValueError, "momentum"),
        (lambda: rf.Linear(1, NAN), ValueError, "end"),
        (lambda: rf.Exponential(1, 0), ValueError, "decay"),
        (lambda: rf.Exponential(1, 1.1), ValueError, "decay"),
        (lambda: rf.Exponential(NAN, 0.5), ValueError, "start"),
        (lambda: rf.Steps({1: 0.5}), ValueError, "steps"),
        (lambda: rf.Steps({}), ValueError, "steps"),
        (lambda: rf.Steps({0: -0.5}), ValueError, "steps"),
        (lambda: rf.Steps({-1: 0.5, 0: 1}), ValueError, "steps"),
        (lambda: rf.Steps([0.1, 0.2]), TypeError, "steps"),
        (lambda: rf.SparsityTarget(0.1, cost=0), ValueError, "cost"),
        (lambda: rf.SparsityTarget(0.1, decay=1.0), ValueError, "decay"),
        (lambda: rf.EarlyStopping(5), TypeError, "monitor"),
        (lambda: rf.EarlyStopping("x", patience=0), ValueError, "patience"),
        (lambda: rf.EarlyStopping("x", min_delta=-1), ValueError, "min_delta"),
        (lambda: rf.EarlyStopping("x", mode="best"), ValueError, "mode"),
        (lambda: rf.EarlyStopping("x", restore_best=1), TypeError, "restore_best"),
    ],
)
def test_other_settings(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"\b{words}\b"):
        make()


@pytest.mark.parametrize("gradient", [np.zeros((3, 3)), "zero", np.zeros((9, 5), complex)], ids=str)
def test_a_custom_penalty_must_fit(gradient: Any) -> None:
    with pytest.raises(ValueError, match=r"penalties: Penalty\.gradient"):
        rf.train(rf.RBM(9, 5, seed=3), X, penalties=[Penalty(lambda W: gradient)], epochs=1, seed=1)


def test_a_custom_penalty_cannot_write() -> None:
    with pytest.raises(ValueError, match="read-only"):
        rf.train(rf.RBM(9, 5, seed=3), X, penalties=[Penalty(lambda W: W.fill(0))], epochs=1, seed=1)


def test_a_custom_penalty_is_added() -> None:
    own, built_in = rf.RBM(9, 5, seed=3), rf.RBM(9, 5, seed=3)
    penalty = Penalty(lambda W: -0.05 * W.astype(np.float64))
    rf.train(own, X, **{**TEXTBOOK, "penalties": penalty}, epochs=5, seed=1)
    rf.train(built_in, X, **{**TEXTBOOK, "penalties": rf.L2(0.05)}, epochs=5, seed=1)
    assert np.allclose(own.W, built_in.W, atol=1e-6)
    assert not np.allclose(own.W, rf.RBM(9, 5, seed=3).W, atol=1e-3)


def test_settings_are_values() -> None:
    """Equal settings are equal, print what they are, and cannot be changed by accident."""
    assert rf.CD() == rf.CD(k=1)
    assert rf.SGD() == rf.SGD(rate=0.1, momentum=0.0)
    assert repr(rf.PCD(2, n_chains=5)) == "PCD(k=2, n_chains=5)"
    assert rf.PCD(np.int64(2)) == rf.PCD(2)
    assert repr(rf.L2(np.float64(0.5))) == "L2(cost=0.5)"
    with pytest.raises(AttributeError):
        rf.CD().k = 2  # type: ignore[misc]


def test_seed_none_and_generators(tmp_path: Path) -> None:
    def weights(seed: Any) -> bytes:
        rbm = rf.RBM(9, 5, seed=3)
        rf.train(rbm, X, epochs=1, seed=seed)
        return rbm.W.tobytes()

    assert weights(None) != weights(None)
    assert weights(np.random.default_rng(1)) == weights(np.random.default_rng(1))
    assert weights(2**64 - 1) != weights(2**64 - 2)


# --- Schedules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule, expected",
    [
        (rf.Constant(0.3), [0.3] * 6),
        (rf.Linear(0.6), [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (rf.Linear(0.1, 0.7), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        (rf.Exponential(0.8, 0.5), [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]),
        (rf.Steps({2: 0.9, 0: 0.5}), [0.5, 0.5, 0.5, 0.5, 0.9, 0.9]),
        (rf.Steps({0: 0.5, 100: 0.9}), [0.5] * 6),
    ],
    ids=str,
)
def test_schedules(schedule: Any, expected: list[float]) -> None:
    """Three epochs of two updates."""
    memory, values = schedule.initial(), []
    for epoch in range(3):
        values += list(schedule.values(memory, epoch, np.arange(2 * epoch, 2 * epoch + 2), 6))
        memory = schedule.after_epoch(memory)
    assert np.allclose(values, expected, rtol=1e-15)
    assert all(schedule.bounds()[0] <= value <= schedule.bounds()[1] for value in values)


def test_history_tells_the_rate() -> None:
    optimizer = rf.SGD(rf.Exponential(0.8, 0.5), momentum=rf.Steps({0: 0.5, 2: 0.9}))
    history = rf.train(rf.RBM(9, 5, seed=3), X, epochs=3, seed=1, optimizer=optimizer)
    assert history["rate"][1:].tolist() == [0.8, 0.4, 0.2]
    assert history["momentum"][1:].tolist() == [0.5, 0.5, 0.9]
