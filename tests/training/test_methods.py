"""PT, FPCD and UnbiasedCD: what only they promise. All methods resume and come in parts in `test_runs.py`."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from training.helpers import TEXTBOOK, StepFPCD, bits, learn, phase_sums, random_rows

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import reference
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError
from rbmfast.likelihood import exact_gradient
from rbmfast.models.trajectory import Layers
from rbmfast.streams import Purpose, Stream
from rbmfast.training import METHODS

X = random_rows(47, 9)


def model(seed: int = 3) -> rf.RBM:
    rbm = rf.RBM(9, 5, seed=seed)
    return rf.RBM.from_arrays(4 * rbm.W, rbm.a, rbm.b)


def train(rbm: rf.RBM, method: Any, **settings: Any) -> rf.History:
    defaults: dict[str, Any] = {**TEXTBOOK, "X": X, "epochs": 3, "batch_size": 10, "seed": 1}
    return rf.train(rbm, **{**defaults, "method": method, **settings})


def test_they_are_listed() -> None:
    assert {rf.CD, rf.PCD, rf.PT, rf.PTT, rf.FPCD} <= set(METHODS)
    purposes = [method.purpose for method in METHODS]
    assert len({*purposes, Purpose.PT_SWAP, Purpose.SWAP, Purpose.TEMPERING}) == len(purposes) + 3


# --- PT ----------------------------------------------------------------------------------------------------


def test_pt_by_the_specification() -> None:
    """Two steps of an update, by `rbmfast.reference` and plain NumPy."""
    rbm, n, R, k, seed, step = model(), 4, 3, 2, 6, 20
    rbm.W = 40 * rbm.W
    rbm.initialize(X)
    betas = np.array([0, 0.25, 1], np.float32)
    base = rf.Bernoulli().bias_from_means(rbm.visible_means)  # type: ignore[arg-type]
    h = np.random.default_rng(0).integers(0, 2, (R * n, 5), dtype=np.uint8)
    chains = h.copy()
    method = rf.PT(betas=tuple(betas.tolist()), k=k, n_chains=n)
    _, negative = phase_sums(rbm, X, method, seed, first_step=step, chains=chains)

    weights, zero = reference.Weights(rbm.W), [np.zeros(m, np.float32) for m in (9, 5)]
    rows = np.array([chain * R + replica for replica in range(R) for chain in range(n)])
    beta = np.repeat(betas, n)[:, None]
    bias = (1 - beta) * base + beta * rbm.a
    swapped = 0
    for t in (step, step + 2):
        x = beta * reference.affine(weights, h, zero[0], up=False) + bias
        v = reference.bernoulli(x, seed, Purpose.PT, 0, t, rows)
        for i in range(t // 2 % 2, R - 1, 2):
            for chain in range(n):
                low, high = i * n + chain, (i + 1) * n + chain
                pair = v[[low, high]]

                def log_weight(j: int, states: np.ndarray = pair) -> np.ndarray:
                    y = betas[j] * reference.affine(weights, states, zero[1]) + betas[j] * rbm.b
                    b = (1 - betas[j]) * base.astype(float) + betas[j] * rbm.a
                    return reference.softplus_sum(y) + states @ b

                here, there = log_weight(i), log_weight(i + 1)
                u = reference.uniform_u32(1, 1, seed, Purpose.PT_SWAP, 0, t, np.array([chain * R + i]))
                if np.log((u[0, 0] + 0.5) / 2**32) < here[1] + there[0] - here[0] - there[1]:
                    v[[low, high]] = v[[high, low]]
                    swapped += 1
        x = beta * reference.affine(weights, v, zero[1]) + beta * rbm.b
        h = reference.bernoulli(x, seed, Purpose.PT, 0, t + 1, rows)
    assert 0 < swapped < 2 * n
    assert_array_equal(chains, h)
    expected = reference.statistics(v[-n:], reference.sigmoid_u16(x[-n:]))
    assert_array_equal(negative.pairs, expected.pairs)
    assert_array_equal(negative.visible, expected.visible)
    assert negative.n_rows == n


def test_pt_chains_can_be_split() -> None:
    rbm, method = model(), rf.PT(n_replicas=3)
    chains = random_rows(3 * 8, 5, seed=2)
    first, rest = (chains.reshape(3, 8, 5)[:, part].reshape(-1, 5).copy() for part in (slice(5), slice(5, 8)))
    _, whole = phase_sums(rbm, X, method, seed=4, first_step=8, chains=chains)
    _, one = phase_sums(rbm, X, method, seed=4, first_step=8, chains=first)
    _, two = phase_sums(rbm, X, method, seed=4, first_step=8, chains=rest, first_row=5)
    assert_array_equal((one + two).pairs, whole.pairs)
    assert_array_equal(chains.reshape(3, 8, 5)[:, 5:].reshape(-1, 5), rest)


def test_pt_base_is_that_of_the_data() -> None:
    state, rbm = rf.TrainingState(), rf.RBM(9, 5, seed=3)
    train(rbm, rf.PT(4), state=state)
    assert_allclose(1 / (1 + np.exp(-state.memory["base"])), X.mean(axis=0), atol=1e-6)
    known, state = model(), rf.TrainingState()
    train(known, rf.PT(4), state=state, epochs=0)
    assert_array_equal(state.memory["base"], known.a)  # it had seen no data


# --- FPCD --------------------------------------------------------------------------------------------------


def test_fpcd_at_rate_0_is_pcd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rf.FPCD, "purpose", Purpose.PCD)
    fast = learn(X, tmp_path, method=rf.FPCD(2, 13, fast_rate=0), centered=True)
    plain = learn(X, tmp_path, method=rf.PCD(2, 13), centered=True)
    assert {name for name in fast if not name.startswith("memory/")} == plain.keys()
    assert all(fast[name] == plain[name] for name in plain)


def test_fpcd_by_the_specification() -> None:
    """An update, step by step, from fast parameters that are not 0."""
    rbm, seed = model(), 6
    rng = np.random.default_rng(0)
    shapes = {"fast_W": (9, 5), "fast_a": 9, "fast_b": 5}
    memory = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    chains = rng.integers(0, 2, (7, 5), dtype=np.uint8)
    h, method = chains.copy(), rf.FPCD(fast_rate=0.25, fast_decay=0.5)
    before = copy.deepcopy(memory)
    sums = phase_sums(rbm, X, method, seed, first_step=4, chains=chains, memory=memory)

    weights = reference.Weights(rbm.W + memory["fast_W"])
    a, b = rbm.a + memory["fast_a"], rbm.b + memory["fast_b"]
    x = reference.affine(weights, h, a, up=False)
    v = reference.bernoulli(x, seed, Purpose.FPCD, 0, 4)
    x = reference.affine(weights, v, b)
    assert_array_equal(chains, reference.bernoulli(x, seed, Purpose.FPCD, 0, 5))
    assert_array_equal(sums[1].pairs, reference.statistics(v, reference.sigmoid_u16(x)).pairs)
    x = reference.affine(reference.Weights(rbm.W), X, rbm.b)  # the data: the model alone
    assert_array_equal(sums[0].pairs, reference.statistics(X, reference.sigmoid_u16(x)).pairs)

    gradient = reference.gradient(*sums)
    method.learn(replace(rbm._conditionals(Stream(seed, method.purpose)), memory=memory), gradient)
    for name, array in memory.items():
        half = np.float32(0.5) * before[name]
        assert_array_equal(array, half + np.float32(0.25) * getattr(gradient, name[-1]))


@pytest.mark.parametrize("method", [rf.FPCD, StepFPCD])
def test_fast_weights_that_run_away_are_a_divergence(method: Any) -> None:
    """Those of the last update are found by the next one, and spare what has been learned."""
    rbm = model()
    with pytest.raises(FloatingPointError, match="learning diverged in epoch 1"):
        train(rbm, method(fast_rate=1e30, fast_decay=1))
    state, settings = rf.TrainingState(), {"epochs": 1, "batch_size": len(X)}
    train(rbm, method(fast_rate=1e30), state=state, **settings)
    with pytest.raises(FloatingPointError, match="learning diverged in epoch 2; the model keeps epoch 1"):
        train(rbm, method(fast_rate=1e30), state=state, **settings)
    assert state.epochs == 1 and np.isfinite(rbm.W).all()


@dataclass(frozen=True)
class FusedFPCD(rf.FPCD):
    fused = True

    def learn(self, model: Any, gradient: Any) -> None:
        raise AssertionError("the engine does that")


MIXED = rf.Mixed([(rf.Bernoulli(), 30), (rf.Categorical(3), 36)])


@pytest.mark.parametrize(
    "visible, hidden",
    [
        (rf.Bernoulli(), rf.Bernoulli()),
        (rf.Spin(), rf.Spin()),
        (MIXED, rf.Categorical(4)),
        (rf.Gaussian(), rf.Categorical(4)),
    ],
    ids=str,
)
@pytest.mark.parametrize("k", [1, 3])
def test_fpcd_by_the_engine_is_that_of_python(visible: Any, hidden: Any, k: int) -> None:
    """The chains, and what a later call goes on with, too: by every path."""
    units = {"visible": visible, "hidden": hidden}
    rows = rf.RBM(66, 68, **units, seed=3).sample(110, steps=2, seed=1)
    settings = {"penalties": (rf.L2(0.01),), "optimizer": rf.SGD(0.01, momentum=0.5), "centered": k == 3}

    def learn_by(method: Any) -> list[bytes]:
        rbm, state = rf.RBM(66, 68, **units, seed=2), rf.TrainingState()
        for epochs in (1, 2):
            train(rbm, method(k, 23, fast_rate=0.2), X=rows, epochs=epochs, state=state, **settings)
        return [*bits(rbm), *(array.tobytes() for array in (state.chains, *state.memory.values()))]

    expected = learn_by(StepFPCD)
    for isa, threads in zip(engine.config()["isa_available"], cycle((3, 1, 2))):
        engine.select_isa(isa)
        engine.set_num_threads(threads)
        assert learn_by(FusedFPCD) == expected, (isa, threads)


# --- Both --------------------------------------------------------------------------------------------------

BOTH = [rf.PT(n_replicas=4, k=2, n_chains=6), rf.FPCD(k=2, n_chains=7, fast_rate=0.05)]


@pytest.mark.parametrize("method", BOTH, ids=str)
def test_a_damaged_memory_is_refused(method: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    train(rf.RBM(9, 5, seed=3), method, checkpoint=path)
    kind, meta, arrays = read_file(path)
    name = next(name for name in arrays if name.startswith("memory/"))
    for change in ({}, {name: arrays[name][:-1]}, {name: arrays[name].astype(np.float64)}):
        write_file(path, kind, meta, {**{n: a for n, a in arrays.items() if n != name}, **change})
        with pytest.raises(FileFormatError, match=f"lacks a proper array '{name}'"):
            train(rf.RBM(9, 5, seed=3), method, epochs=4, resume=path)


def test_a_state_may_go_on_with_another_method_and_optimizer() -> None:
    state, rbm = rf.TrainingState(), model()
    for method, names in ((rf.CD(), 0), (BOTH[0], 1), (rf.CD(), 0), (BOTH[1], 3), (rf.PCD(), 0)):
        for optimizer in (rf.SGD(0.1), rf.Adam(), rf.SGD(0.1, 0.5)):  # whose moments begin anew
            train(rbm, method, optimizer=optimizer, state=state)
            state = pickle.loads(pickle.dumps(state))
            assert len(state.memory) == names


def test_too_many_replicas_for_a_batch() -> None:
    rows = np.zeros((3300, 9), np.uint8)
    with pytest.raises(ValueError, match="method must have at most 32768 chains in all replicas, got 33000"):
        train(model(), rf.PT(), X=rows, batch_size=3300)


def test_chains_of_a_state_must_fit_the_replicas() -> None:
    state = rf.TrainingState(np.zeros((10, 5), np.uint8))
    with pytest.raises(ValueError, match=r"chains of state must have a multiple of 4 rows .*, got 10"):
        train(model(), rf.PT(n_replicas=4), state=state)


def test_other_chains_of_a_state_begin_another_trajectory() -> None:
    state, rbm = rf.TrainingState(), model()
    train(rbm, rf.PTT(n_chains=20), state=state)
    state.chains = state.chains[:10]  # type: ignore[index]
    train(rbm, rf.PTT(n_chains=20), state=state)
    assert len(rbm.trajectory["pulls"]) == 10  # type: ignore[index]


def test_settings_are_told_apart() -> None:
    assert repr(rf.PT()) == repr(rf.PT(10)) != repr(rf.PT(betas=np.linspace(0, 1, 10)))
    assert rf.PT(betas=[0, 0.5, 1]) == rf.PT(3, betas=(0.0, 0.5, 1.0))
    assert rf.FPCD.fused and not rf.PT.fused


def test_a_subclass_that_learns_is_not_the_engines() -> None:
    class Watching(rf.PCD):
        def learn(self, model: Any, gradient: Any) -> None:
            seen.append(gradient)

    seen: list[Any] = []
    one, other = model(), model()
    train(one, Watching())
    train(other, rf.PCD())
    assert len(seen) == 15
    assert bits(one) == bits(other)


# --- UnbiasedCD --------------------------------------------------------------------------------------------


RNG = np.random.default_rng(0)
RBM = rf.RBM.from_arrays(RNG.normal(size=(6, 4)), RNG.normal(0, 0.5, 6), RNG.normal(0, 0.5, 4))
DATA = RNG.integers(0, 2, (200, 6), dtype=np.uint8)
N_UPDATES = 200


def gradients(method: Any, X: Any = DATA, weights: Any = None) -> np.ndarray:
    """Of many updates of one model: (N_UPDATES, n parameters)."""
    found = []
    for seed in range(N_UPDATES):
        model = RBM._conditionals(Stream(seed, method.purpose, rows=np.arange(len(X))))
        g = method.gradient(model, X, RBM._up.input(X), None, weights)
        found.append(np.concatenate([g.W.ravel(), g.a, g.b]))
    return np.array(found)


def scores(found: np.ndarray, X: Any = DATA) -> np.ndarray:
    """How many standard errors the mean gradient is off the exact one."""
    exact = exact_gradient(RBM, X)
    wanted = np.concatenate([exact.W.ravel(), exact.a, exact.b])
    return np.abs(found.mean(axis=0) - wanted) / (found.std(axis=0) / np.sqrt(len(found)))


@pytest.mark.parametrize("burn_in", [1, 3])
def test_its_gradient_is_right_on_average(burn_in: int) -> None:
    """34 means, each within 5 standard errors but with probability 6e-7."""
    assert scores(gradients(rf.UnbiasedCD(burn_in))).max() < 5


def test_that_of_cd_is_not() -> None:
    assert scores(gradients(rf.CD(1))).max() > 8


def test_weights_multiply_rows() -> None:
    """By whole numbers: as if the rows came so often. False alarms as above."""
    weights = np.arange(200) % 3
    found = gradients(rf.UnbiasedCD(), weights=weights.astype(float)) / weights.mean()
    assert scores(found, np.repeat(DATA, weights, axis=0)).max() < 5


def test_one_number_for_both() -> None:
    """The first two steps by the specification: chains that are told the same become the same."""
    stream, method = Stream(3, rf.UnbiasedCD.purpose, 0, 10, np.arange(len(DATA))), rf.UnbiasedCD(k=2)
    (first, _), (leader, follower) = method.walk(RBM._conditionals(stream), DATA, RBM._up.input(DATA))

    def step(v: Any, step: int) -> Any:
        weights = reference.Weights(RBM.W)
        for half, (bias, up) in enumerate(((RBM.b, True), (RBM.a, False))):
            x = reference.affine(weights, v, bias, up)
            uniform = reference.uniform_u32(*x.shape, *stream.at(step + half))
            on = reference.sigmoid(-np.abs(x)) * np.float32(2.0**32)
            rare = np.where(x >= 0, ~uniform, uniform) < on.astype(np.uint32)
            v = (rare ^ (x >= 0)).astype(np.uint8)
        return v

    assert_array_equal(first[0], step(DATA, 10))
    apart = (first[0] != DATA).any(axis=1)
    assert_array_equal(leader[0], step(first[0], 12)[apart])
    assert_array_equal(follower[0], step(DATA, 12)[apart])
    rises = (leader[0] >= follower[0])[(leader[1] >= follower[1]).all(axis=1)]
    assert rises.any()


# --- PTT ---------------------------------------------------------------------------------------------------


MIXED_ROWS = rf.Mixed([(rf.Bernoulli(), 12), (rf.Categorical(3), 24)])


@dataclass(frozen=True)
class StepPTT(rf.PTT):
    """By Python, step by step."""

    fused = False


@pytest.mark.parametrize(
    "settings, threads",
    [
        ({"centered": True}, 3),
        ({"visible": "spin", "k": 2}, 1),
        ({"visible": MIXED_ROWS, "hidden": rf.Categorical(4)}, 3),
    ],
    ids=["switches", "spins", "groups"],
)
def test_ptt_by_the_engine_is_that_of_python(settings: dict[str, Any], threads: int, tmp_path: Path) -> None:
    """Also where the model becomes the earlier version in the middle of an epoch."""
    rng, given = np.random.default_rng(0), dict(settings)
    units = {layer: given.pop(layer) for layer in ("visible", "hidden") if layer in given}
    rows = np.repeat(rng.integers(0, 2, (120, 12)), 3, axis=1)
    if "visible" in units:
        groups = np.eye(3, dtype=np.uint8)[rng.integers(0, 3, (120, 8))].reshape(120, -1)
        rows = 2 * rows - 1 if units["visible"] == "spin" else np.hstack([rows[:, :12], groups])
    how = {"k": given.pop("k", 1), "n_chains": 40, "per_chain": 4, "min_acceptance": 0.7}
    found = []
    before = rf.get_num_threads()
    try:
        for kind, n in ((rf.PTT, threads), (StepPTT, 1)):
            rf.set_num_threads(n)
            rbm = rf.RBM(36, 20, seed=3, **units)
            history = train(rbm, kind(**how), X=rows, epochs=8, optimizer=rf.SGD(0.3), **given)
            found.append((bits(rbm), *(history[name].tolist() for name in rf.PTT.numbers)))
    finally:
        rf.set_num_threads(before)
    assert found[0] == found[1]
    assert history["rungs"][-1] > 1


@pytest.mark.parametrize("fused", [True, False])
def test_ptt_flips_a_few_units_every_25_updates(fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In turn, whatever else stops the engine."""
    calls: list[tuple[int, list[int]]] = []

    def flip(self: Layers, chains: Any, stream: Stream, units: list[int]) -> None:
        if stream.purpose == Purpose.PTT:
            calls.append((stream.step // 2, units))

    monkeypatch.setattr(Layers, "flip", flip)
    method = (rf.PTT if fused else StepPTT)(n_chains=10, min_acceptance=0.9)
    rows = np.random.default_rng(0).integers(0, 2, (40, 9))
    train(rf.RBM(9, 6, seed=1), method, X=rows, epochs=6, batch_size=4)
    assert calls == [(0, [0, 1, 2, 3]), (25, [4, 5, 0, 1]), (50, [2, 3, 4, 5])]


@dataclass(frozen=True)
class Lost(rf.PTT):
    """Whose chains have lost nearly all."""

    def look(self, *state: Any) -> dict[str, float]:
        found = super().look(*state)
        return found | {"log_z": found["log_z"] - 20}


def test_a_log_z_that_cannot_be_right_has_no_error() -> None:
    """Some rows alone weigh more than that."""
    with pytest.warns(
        UserWarning, match=r"log_z is too small by 1\d\.\d nats or more: the chains have lost"
    ) as found:
        rbm = rf.RBM(9, 5, seed=3)
        history = train(rbm, Lost(n_chains=50))
    assert len(found) == 1
    assert np.isinf(history["log_z_stderr"]).all()
    assert np.isinf(rbm.trajectory["pulls"]).all()  # type: ignore[index]
    assert np.isinf(rf.log_partition(rbm, "trajectory", seed=1).stderr)
