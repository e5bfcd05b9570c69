"""Trajectory tempering: exact enumeration says what chains, samples and log Z have to be."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError
from rbmfast.models.base_rates import make_path
from rbmfast.models.bennett import circles, stderr_of
from rbmfast.models.trajectory import Layers, Trajectory, Version, version_of
from rbmfast.reference import F64, States
from rbmfast.streams import Purpose, Stream

N = 20_000
STATES = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(np.uint8)
STREAM = Stream(7, Purpose.PTT)


def an_rbm(scale: float = 2.0, **units: Any) -> rf.RBM:
    rng = np.random.default_rng(1)
    W, a, b = (scale * rng.normal(size=shape) for shape in ((4, 3), 4, 3))
    return rf.RBM.from_arrays(W, a, b, **units)


def a_machine(scale: float = 1.0) -> rf.BoltzmannMachine:
    rng = np.random.default_rng(2)
    W = np.triu(scale * rng.normal(size=(4, 4)), 1)
    return rf.BoltzmannMachine.from_arrays(W + W.T, rng.normal(size=4))


MODELS: dict[str, Any] = {
    "rbm": an_rbm(),
    "spins": an_rbm(1.0, visible="spin", hidden="spin"),
    "groups": an_rbm(visible=rf.Mixed([(rf.Bernoulli(), 2), (rf.Categorical(2), 2)])),
    "relu": an_rbm(0.5, hidden="relu"),
    "machine": a_machine(),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def probabilities(version: Version) -> F64:
    weights, _ = version.weigh(STATES)
    p: F64 = np.exp(weights - weights.max())
    if "Categorical" in repr(version.shown[0]):
        p[STATES[:, 2:].sum(axis=1) != 1] = 0
    return p / p.sum()


def far_from(counts: F64, p: F64) -> float:
    """The largest difference from what is expected, in standard errors."""
    n = counts.sum()
    return float((np.abs(counts - n * p) / np.sqrt(n * p * (1 - p) + 1e-9)).max())


def counted(v: States) -> F64:
    return np.bincount(counted_as(v), minlength=16).astype(float)


def counted_as(v: States) -> NDArray[np.int64]:
    return v.astype(np.int64) @ (1 << np.arange(4))


def half_way(model: Any, n: int = N) -> tuple[Trajectory, States, F64, F64]:
    """Exact samples of a model, in chains, and of one with half of its parameters, the rung."""
    version = version_of(model)
    rung = version.at({name: x / 2 for name, x in version.parameters.items()})
    p, q, rng = probabilities(version), probabilities(rung), np.random.default_rng(0)
    ladder = Trajectory.begin(version, version.parameters["a"], n, 1, STREAM)
    memory = ladder.memory
    for name, array in rung.parameters.items():
        memory[f"rung/{name}"][...] = array
    memory["samples"][:] = STATES[rng.choice(16, n, p=q)]
    memory["weights"][:] = rung.weigh(memory["samples"])[0]
    ladder._fill(alone=False)
    v = STATES[rng.choice(16, n, p=p)]
    return ladder, version.rest(v, version.weigh(v)[1], STREAM._replace(purpose=Purpose.GIBBS)), p, q


@every_model
def test_exchanges_keep_both_distributions(model: Any) -> None:
    """Below 5.5 standard errors: a false alarm in fewer than 1e-5 of all seeds, for all of it together."""
    ladder, chains, p, q = half_way(model)
    before, rung = ladder.memory["reservoir"].copy(), ladder.rung
    for t in range(3):
        moved = ladder.step(chains, STREAM.after(2 * t), rung)
    v = moved.v
    for own, its in zip(moved[1:], (*ladder.version.weigh(v)[::-1], rung.weigh(v)[0]), strict=True):
        assert_array_equal(own, its)
    assert_array_equal(ladder.memory["reservoir_weights"], rung.weigh(ladder.memory["reservoir"])[0])
    assert (ladder.memory["reservoir"] != before).any() and 0 < ladder.memory["acceptance"] < 1
    assert far_from(counted(v), p) < 5.5
    assert far_from(counted(ladder.memory["reservoir"]), q) < 5.5


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["rbm", "spins", "groups"])
def test_a_climb_by_the_engine_is_that_of_python(
    name: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, stream, before = [], STREAM._replace(purpose=Purpose.PTT_CLIMB, step=6), rf.get_num_threads()
    for by_engine in (True, False):
        ladder, chains, *_ = half_way(MODELS[name], 150)
        if not by_engine:
            monkeypatch.setattr(Layers, "climb", Version.climb)
        try:
            rf.set_num_threads(threads if by_engine else 1)
            ladder.climb(chains, stream)
        finally:
            rf.set_num_threads(before)
        found.append({"chains": chains} | ladder.memory)
    for one in found[0]:
        assert_array_equal(found[0][one], found[1][one])


def test_what_the_engine_cannot_climb_with_is_refused() -> None:
    ladder, chains, *_ = half_way(MODELS["rbm"], 20)
    samples = ladder._weighed(ladder.memory["reservoir"], ladder.memory["reservoir_weights"])
    for wrong, message in (
        (samples._replace(x=samples.x[1:]), "x and here must have 20 rows, x of 3"),
        (samples._replace(here=samples.here[1:]), "x and here must have 20 rows, x of 3"),
        (samples.rows(slice(0, 10)), "samples of rung must have 4 columns, and a row for each chain"),
    ):
        with pytest.raises(ValueError, match=message):
            ladder.version.climb(chains, 1, STREAM, ladder.rung, wrong)
    for states, steps, message in (
        (chains[:, 1:].copy(), 1, "hidden must have 3 columns, got 2"),
        (chains, 0, "steps must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            ladder.version.climb(states, steps, STREAM, ladder.rung, samples)


@every_model
def test_a_climb_samples_the_model(model: Any) -> None:
    """Chains and samples as above; log Z is off by less than 5 of its standard errors."""
    ladder, chains, p, _ = half_way(model)
    before = ladder.rung
    ratio = float(np.log(np.exp(ladder.version.weigh(STATES)[0]) @ (p > 0)))
    ladder.memory["log_z"][0] = float(np.log(np.exp(before.weigh(STATES)[0]) @ (p > 0)))
    ladder.climb(chains, STREAM._replace(purpose=Purpose.PTT_CLIMB))
    memory = ladder.memory
    assert far_from(counted(memory["samples"]), p) < 5.5
    assert_array_equal(memory["weights"], ladder.version.weigh(memory["samples"])[0])
    assert_array_equal(memory["reservoir"], memory["samples"])
    assert all((ladder.rung.parameters[name] == x).all() for name, x in ladder.version.parameters.items())
    assert memory["tally"].tolist() == [1, 34] and memory["acceptance"] == 1
    error = np.sqrt(np.sum(memory["pulls"] ** 2))
    assert 0 < error < 0.05 and abs(memory["log_z"][0] - ratio) < 5 * error


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (39, 1), (40, 8), (46, 1), (64, 8), (500, 20)])
def test_circles_are_equal_and_not_small(n: int, expected: int) -> None:
    assert circles(n) == expected


def test_chains_take_samples_of_their_circle_alone() -> None:
    """Independent units, which take every sample that they meet; these say where they come from."""
    n, model = 40, rf.RBM.from_arrays(np.zeros((4, 3)), np.zeros(4), np.zeros(3))
    version, first = version_of(model), set()
    for t in range(20):
        ladder = Trajectory.begin(version, np.zeros(4, np.float32), n, 3, STREAM)
        places = np.arange(3 * n)
        ladder.memory["reservoir"][:] = STATES[places // 8 % 2 * 8 + places % 8][: 2 * n]
        moved = ladder.exchange(np.zeros((n, 4), np.uint8), STREAM.after(t), ladder.rung)
        assert_array_equal(counted_as(moved.v) % 8, np.arange(n) % 8)
        first.add(int(counted_as(moved.v)[0]))
    assert len(first) == 2  # at the same place of a circle, but not always of the same chain


@pytest.mark.parametrize("name", ["rbm", "spins", "groups"])
def test_flips_keep_the_distribution(name: str) -> None:
    """Of hidden states, which are 8: the false-alarm rate is below 1e-6."""
    ladder, chains, _, _ = half_way(MODELS[name])
    x = ladder.version.weigh(STATES)[1].astype(np.float64)
    hidden = (np.arange(8)[:, None] >> np.arange(3) & 1).astype(np.uint8)
    p = np.zeros(8)
    for t, one in enumerate(x):  # p(h), the visible states summed out
        given = 1 / (1 + np.exp(-one))
        p += probabilities(ladder.version)[t] * np.where(hidden, given, 1 - given).prod(axis=1)
    before = chains.copy()
    for t in range(5):
        ladder.version.flip(chains, STREAM.after(t), [0, 1, 2])
    assert (chains != before).any(axis=1).mean() > 0.1
    assert far_from(np.bincount(chains @ (1 << np.arange(3)), minlength=8).astype(float), p) < 5.5


def two_modes() -> rf.RBM:
    """One hidden unit that turns 400 visible ones round, both ways equally probable."""
    return rf.RBM.from_arrays(np.full((400, 1), 10.0), np.full(400, -5.0), [-2000.0])


def test_flips_lead_where_gibbs_steps_do_not() -> None:
    version, chains = version_of(two_modes()), np.zeros((1000, 1), np.uint8)
    for t in range(10):
        v = version.draw(chains, STREAM.after(2 * t))
        chains = version.rest(v, version.weigh(v)[1], STREAM.after(2 * t + 1))
    assert not chains.any()
    version.flip(chains, STREAM, [0])
    assert chains.mean() > 0.9  # as probable: nearly all go


def test_climbs_begin_with_flips() -> None:
    version, chains = version_of(two_modes()), np.zeros((40, 1), np.uint8)
    ladder = Trajectory.begin(version, version.parameters["a"], 40, 2, STREAM)
    ladder.climb(chains, STREAM)
    assert chains.mean() > 0.8


def test_a_half_of_the_samples_is_left_to_log_z_and_climbs(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder, _, _, _ = half_way(MODELS["rbm"], 40)
    new = Trajectory.begin(ladder.version, np.zeros(4, np.float32), 40, 5, STREAM)
    memory, met = new.memory, 3 * 40
    assert_array_equal(memory["reservoir"], memory["samples"][:met])
    weights = new.version.weigh(memory["samples"])[0] - memory["weights"]
    assert_array_equal(new._ups(), weights[met:])
    memory["reservoir"][:] = 0
    seen: list[States] = []
    monkeypatch.setattr(Trajectory, "_walk", lambda *given: seen.append(given[-1].v.copy()) or given[-1])
    before = memory["samples"].copy()
    with pytest.raises(ValueError, match="broadcast"):  # as nothing has walked
        new.climb(np.zeros((40, 3), np.uint8), STREAM)
    assert_array_equal(seen[0], before[-met:])


def test_the_error_is_that_of_circles() -> None:
    """40 chains are 8 circles, of chains that err alike; 39 are one, and pass for independent."""
    pulls = np.arange(40.0) % 8 - 3.5
    assert stderr_of(pulls) == pytest.approx(np.sqrt(np.sum((5 * pulls[:8]) ** 2) * 8 / 7))
    assert stderr_of(pulls[:39]) == pytest.approx(np.sqrt(np.sum(pulls[:39] ** 2) * 39 / 38))


def test_independent_units_are_sampled_and_known() -> None:
    for model in MODELS.values():
        version = version_of(model)
        base = version.parameters["a"]
        ladder = Trajectory.begin(version, base, N, 1, STREAM)
        rung = ladder.rung
        assert not rung.parameters["W"].any()
        p = probabilities(rung)
        assert far_from(counted(ladder.memory["samples"]), p) < 5.5
        assert ladder.memory["log_z"][0] == pytest.approx(np.log(np.exp(rung.weigh(STATES)[0]) @ (p > 0)))


# --- What a model is left ---------------------------------------------------------------------------------


def learned(model: Any, **settings: Any) -> rf.History:
    rng = np.random.default_rng(3)
    X = np.repeat(rng.integers(0, 2, (300, 3)), 2, axis=1)
    X = 2 * X - 1 if model.visible == rf.Spin() else X
    method = rf.PTT(n_chains=200, min_acceptance=0.7)
    rate = rf.SGD(0.5 if model.visible == rf.Bernoulli() and model.n_hidden else 0.2, momentum=0.5)
    return rf.train(model, X, method=method, optimizer=rate, epochs=60, batch_size=30, seed=1, **settings)


@pytest.mark.parametrize(
    "model",
    [rf.RBM(6, 4, seed=0), rf.RBM(6, 4, visible="spin", seed=0), rf.BoltzmannMachine(6, seed=0)],
    ids=["rbm", "spins", "machine"],
)
def test_log_z_is_known_all_along(model: Any, tmp_path: Path) -> None:
    """Within 5 standard errors: fewer than 1e-6 of all seeds would fail."""
    history, path = learned(model), tmp_path / "kept.rbm"
    exact = rf.log_partition(model).value
    assert history["rungs"][-1] >= 2 and 0 < history["log_z_stderr"][-1] < 0.1
    assert abs(history["log_z"][-1] - exact) < 5 * history["log_z_stderr"][-1]
    z = rf.log_partition(model, "trajectory", seed=2)
    assert z.method == "trajectory" and 0 < z.stderr < 0.1 and abs(z.value - exact) < 5 * z.stderr
    model.save(path, trajectory=True)
    assert rf.log_partition(rf.load(path), "trajectory", seed=2).value == z.value
    model.save(path)
    with pytest.raises(ValueError, match=r"method must not be 'trajectory' for .*, which has none: rf.PTT"):
        rf.log_partition(rf.load(path), "trajectory")


def test_samples_from_a_trajectory() -> None:
    rbm = rf.RBM(6, 4, seed=0)
    learned(rbm)
    n = 20_000
    v, h = rbm.sample(n, steps=5, seed=2, method="trajectory", return_hidden=True)
    assert h.shape == (n, 4)
    part = rbm.sample(100, steps=5, seed=2, method="trajectory", first_row=n - 100)
    assert_array_equal(v[-100:], part)
    states = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(np.uint8)
    p = np.exp(rf.log_likelihood(rbm, states))
    found = np.bincount(v @ (1 << np.arange(6)), minlength=64) / n
    assert np.abs(found - p).max() < 0.12  # 4.5 standard errors of the 200 chains that drew the samples
    with pytest.raises(ValueError, match="start must be None for method='trajectory'"):
        rbm.sample(2, start=v[:2], method="trajectory")


def test_likelihoods_and_scores_go_along_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where log Z cannot be exact; and the monitor takes the method's."""
    for module in ("data", "tracking"):
        monkeypatch.setattr(f"rbmfast.likelihood.{module}.{LIMITED[module]}", lambda *_: False)
    rbm = rf.RBM(6, 4, seed=0)
    history = learned(rbm, monitors=[rf.LogLikelihood()])
    assert history["log_z_stderr"][-1] > 0
    z = rf.log_partition(rbm, "trajectory", seed=0)
    assert_array_equal(rf.log_likelihood(rbm, [[0] * 6]), -rbm.free_energy([[0] * 6]) - z.value)


LIMITED = {"data": "has_exact_log_z", "tracking": "can_enumerate"}


def test_it_belongs_to_the_parameters_of_its_end(tmp_path: Path) -> None:
    """Whatever changes them ends it; copies and pickles keep it; nobody can write to it."""
    rbm = rf.RBM(6, 4, seed=0)
    learned(rbm)
    for same in (copy.copy(rbm), copy.deepcopy(rbm), pickle.loads(pickle.dumps(rbm))):
        assert same.trajectory is not None
    with pytest.raises(ValueError, match="read-only"):
        rbm.trajectory["samples"][0] = 9  # type: ignore[index]
    changed = copy.deepcopy(rbm)
    changed.W = 2 * changed.W
    assert changed.trajectory is None
    rf.train(rbm, np.eye(6), epochs=1, seed=1)
    assert rbm.trajectory is None
    path, rate = tmp_path / "run.ckpt", rf.SGD(0.3)
    whole, again = (rf.RBM(6, 4, seed=0) for _ in range(2))
    learn = {"method": rf.PTT(n_chains=20), "optimizer": rate, "epochs": 3, "seed": 1}
    rf.train(whole, np.eye(6), checkpoint=path, **learn)
    rf.train(again, np.eye(6), resume=path, **learn)
    assert_array_equal(again.trajectory["samples"], whole.trajectory["samples"])  # type: ignore[index]


def test_damaged_memory_is_refused(tmp_path: Path) -> None:
    path, learn = tmp_path / "run.ckpt", {"method": rf.PTT(n_chains=20), "epochs": 2, "seed": 1}
    rf.train(rf.RBM(6, 4, seed=0), np.eye(6), checkpoint=path, **learn)
    kind, meta, arrays = read_file(path)
    for name, value in (
        ("reservoir", 255),
        ("samples", 7),
        ("tally", -5),
        ("rung/W", np.inf),
        ("weights", np.inf),
    ):
        wrong = np.full_like(arrays[f"memory/{name}"], value)
        write_file(path, kind, meta, {**arrays, f"memory/{name}": wrong})
        with pytest.raises(FileFormatError, match="of the trajectory"):
            rf.train(rf.RBM(6, 4, seed=0), np.eye(6), resume=path, **learn)


def test_a_damaged_trajectory_is_refused(tmp_path: Path) -> None:
    rbm, path = rf.RBM(6, 4, seed=0), tmp_path / "kept.rbm"
    learned(rbm)
    rbm.save(path, trajectory=True)
    kind, meta, arrays = read_file(path)
    cut = {name: arrays[f"trajectory/{name}"] for name in ("samples", "pulls", "log_z", "rung/W")}
    for name, wrong in (
        ("samples", cut["samples"] + 2),
        ("samples", cut["samples"][:-1]),
        ("pulls", cut["pulls"][:-1]),
        ("log_z", cut["log_z"] * np.nan),
        ("log_z", cut["log_z"] * np.inf),
        ("rung/W", cut["rung/W"][:-1]),
    ):
        write_file(path, kind, meta, {**arrays, f"trajectory/{name}": wrong})
        with pytest.raises(FileFormatError, match="holds no valid model"):
            rf.load(path)
    write_file(path, kind, meta, {n: x for n, x in arrays.items() if n != "trajectory/pulls"})
    with pytest.raises(FileFormatError, match="its trajectory must have"):
        rf.load(path)
    with pytest.raises(ValueError, match=r"trajectory must be False for RBM\(3, 2\), which has none"):
        rf.RBM(3, 2).save(path, trajectory=True)


def test_paths_have_versions_too() -> None:
    """What a run learns by is the model's own: both give states the same weights."""
    machine = a_machine()
    assert_array_equal(version_of(machine).weigh(STATES)[0], version_of(make_path(machine)).weigh(STATES)[0])
    with pytest.raises(TypeError, match="has no versions"):
        version_of("an RBM")
