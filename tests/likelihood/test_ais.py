"""log Z by annealing, against enumeration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from likelihood import helpers
from numpy.testing import assert_allclose, assert_array_equal

import rbmfast as rf
from rbmfast.likelihood import exact_samples
from rbmfast.likelihood.result import log_mean_exp
from rbmfast.models.base_rates import make_path
from rbmfast.streams import Purpose, Stream

pytestmark = pytest.mark.filterwarnings("ignore:.*do not trust it")  # small runs on purpose
FORWARD_AND_BACK = ["ais", "reverse_ais", "bracket"]


def model(n: int = 12, m: int = 8, scale: float = 0.7, **units: str) -> rf.RBM:
    return helpers.model(n, m, scale, **units)


def quick(rbm: rf.RBM, method: str, **changes: Any) -> rf.LogPartition:
    settings: dict[str, Any] = {"n_chains": 200, "n_temperatures": 200, "seed": 1, **changes}
    return rf.log_partition(rbm, method, **settings)


def assert_same_chains(one: rf.LogPartition, other: rf.LogPartition) -> None:
    assert_array_equal(one.log_weights, other.log_weights)
    assert_array_equal(one.samples, other.samples)


# --- The value ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FORWARD_AND_BACK)
@pytest.mark.parametrize("units", [{}, {"visible": "gaussian"}, {"hidden": "gaussian"}])
def test_the_value(method: str, units: dict[str, str]) -> None:
    # Six standard errors of one run: false alarms of 1e-8 if they are right.
    rbm = model(7, 5, 0.3 if units else 0.7, **units)
    truth = rf.log_partition(rbm).value
    z = quick(rbm, method)
    assert 0 < z.stderr < 0.1
    assert abs(z.value - truth) < 6 * z.stderr
    assert z.lower < z.value < z.upper
    assert z.method == method and z.warning == ""


@pytest.mark.parametrize("method", ["ais", "reverse_ais"])
def test_the_interval_holds_the_truth_as_often_as_it_says(method: str) -> None:
    """95 % of 200 runs: less than 176 or all of them would happen once in 10 000 sets of seeds."""
    rbm = model(8, 6)
    truth = rf.log_partition(rbm).value
    runs = [quick(rbm, method, n_chains=100, n_temperatures=30, seed=seed) for seed in range(200)]
    assert 176 <= sum(z.lower < truth < z.upper for z in runs) < 200


def test_forward_errs_low_and_reverse_errs_high() -> None:
    """On average over runs of two chains and few temperatures, by more than 5 standard errors."""
    rbm = model(10, 8, 1.5)
    truth = rf.log_partition(rbm).value
    for method, sign in (("ais", -1), ("reverse_ais", 1)):
        runs = (quick(rbm, method, n_chains=2, n_temperatures=3, seed=seed) for seed in range(300))
        error = np.array([z.value for z in runs]) - truth
        assert sign * error.mean() > 5 * error.std() / np.sqrt(len(error))


def test_unconnected_units_need_no_luck() -> None:
    rbm = rf.RBM.from_arrays(np.zeros((5, 3)), np.linspace(-1, 1, 5), np.linspace(-2, 2, 3))
    truth = rf.log_partition(rbm).value
    z = quick(rbm, "ais", n_chains=20)  # begins with the right visible biases: only the hidden ones change
    assert_allclose([z.value, z.stderr], [truth, 0], atol=1e-5)
    assert_allclose(quick(rbm, "ais", schedule="adaptive").value, truth, atol=1e-5)


def test_the_mean_is_of_the_weights_not_of_their_logarithms() -> None:
    x = np.array([0.0, np.log(3.0)])
    value, stderr, ess = log_mean_exp(x)
    assert_allclose([value, ess], [np.log(2), 16 / 10])
    assert_allclose(stderr, np.std([1, 3], ddof=1) / np.sqrt(2) / 2)
    assert_allclose(log_mean_exp(x + 5000)[0], np.log(2) + 5000)


# --- The same bits -----------------------------------------------------------------------------------------


def test_threads_and_parts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = model(30, 20)
    path = make_path(rbm, None)
    betas = np.linspace(0, 1, 40).astype(np.float32)
    results = []
    for n in (1, 3):
        rf.set_num_threads(n)
        results.append(quick(rbm, "ais"))
    assert_same_chains(*results)

    v0 = path.start(60, Stream(3, Purpose.AIS))
    whole = path.anneal(v0, np.zeros(60), betas, Stream(3, Purpose.AIS, 0, 2))
    v, log_weights = path.anneal(v0[20:], np.zeros(40), betas[:11], Stream(3, Purpose.AIS, 0, 2, 20))
    v, log_weights = path.anneal(v, log_weights, betas[10:], Stream(3, Purpose.AIS, 0, 22, 20))
    assert_array_equal(v, whole[0][20:])
    assert_array_equal(log_weights, whole[1][20:])
    monkeypatch.setattr("rbmfast.models.path.WORK", 2 * rbm.W.size * 30)
    assert_same_chains(results[0], quick(rbm, "ais"))


def test_any_units_take_the_same_way_as_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = model(33, 70)
    fast = quick(rbm, "ais", n_temperatures=20)
    monkeypatch.setattr(type(rbm.visible), "blocks", rf.units.Unit.blocks)
    assert_same_chains(fast, quick(rbm, "ais", n_temperatures=20))


@pytest.mark.parametrize("method", FORWARD_AND_BACK)
def test_resuming_equals_never_having_stopped(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rbm, file = model(), tmp_path / "run"
    settings = {"n_chains": 50, "n_temperatures": 60}
    whole = quick(rbm, method, **settings)
    monkeypatch.setattr("rbmfast.likelihood.annealing.WORK", 2 * 50 * rbm.W.size * 7)
    monkeypatch.setattr("rbmfast.likelihood.annealing.SECONDS", 0)
    calls = 0
    anneal = type(make_path(rbm, None)).anneal

    def stops(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return anneal(self, *arguments)

    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr("rbmfast.models.path.Path.anneal", stops)
        quick(rbm, method, checkpoint=file, **settings)
    again = quick(rbm, method, resume=file, checkpoint=file, seed=None, **settings)
    assert (again.value, again.stderr) == (whole.value, whole.stderr)
    finished = quick(rbm, method, resume=file, **settings)
    assert finished.value == whole.value

    for message, other, changes in (
        ("n_chains is 51, but was 50", rbm, {"n_chains": 51}),
        ("temperatures is 61, but was 60", rbm, {"n_temperatures": 61}),
        ("the model, base or schedule is not that in", model(12, 9), {}),
    ):
        with pytest.raises(ValueError, match=f"resume: {message}"):
            quick(other, method, resume=file, **{**settings, **changes})


def test_a_checkpoint_belongs_to_its_samples_and_its_direction(tmp_path: Path) -> None:
    rbm, file = model(), tmp_path / "run"
    V = [np.asarray(exact_samples(rbm, 50, seed=seed)) for seed in range(2)]
    settings: dict[str, Any] = {"n_chains": 50, "n_temperatures": 10, "checkpoint": file}
    first = quick(rbm, "reverse_ais", samples=V[0], **settings)
    assert quick(rbm, "reverse_ais", samples=V[0], resume=file, **settings).value == first.value
    with pytest.raises(ValueError, match="resume: the samples is not that in"):
        quick(rbm, "reverse_ais", samples=V[1], resume=file, **settings)
    with pytest.raises(ValueError, match="resume: direction is 'AIS', but was 'REVERSE_AIS'"):
        quick(rbm, "ais", resume=file, **settings)


def test_bracket_refuses_a_wrong_file_of_the_way_back_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rbm, file = model(), tmp_path / "run"
    settings: dict[str, Any] = {"n_chains": 20, "n_temperatures": 10}
    other = quick(rbm, "bracket", checkpoint=file, **{**settings, "seed": 5})
    quick(rbm, "bracket", checkpoint=file, **settings)  # replaces both files
    moved = tmp_path / "moved"
    quick(rbm, "bracket", resume=file, checkpoint=moved, **settings)
    assert quick(rbm, "bracket", resume=moved, **settings).value != other.value
    quick(rbm, "ais", checkpoint=file, **{**settings, "seed": 5})
    monkeypatch.setattr("rbmfast.models.path.Path.anneal", None)
    with pytest.raises(ValueError, match="resume: seed is 5, but was 1"):
        quick(rbm, "bracket", resume=file, **{**settings, "seed": 5})


# --- Where to start, where to stop -------------------------------------------------------------------------


def test_bases(tmp_path: Path) -> None:
    rbm = model()
    X = np.random.default_rng(0).integers(0, 2, (50, 12))
    truth = rf.log_partition(rbm).value
    for base in (X, X.mean(axis=0), None):
        assert_allclose(quick(rbm, "ais", base=base).value, truth, atol=0.3)
    with pytest.warns(UserWarning, match="uniform"):
        quick(rbm, "ais", base="uniform")
    rbm.initialize(X)
    assert_array_equal(quick(rbm, "ais").log_weights, quick(rbm, "ais", base=rbm.visible_means).log_weights)


def test_schedules() -> None:
    rbm = model()
    truth = rf.log_partition(rbm).value
    for schedule in ("linear", "adaptive", np.linspace(0, 1, 201) ** 2, [0, 0.5, 1]):
        z = quick(rbm, "ais", schedule=schedule)
        assert abs(z.value - truth) < max(6 * z.stderr, 1e-3)
    assert_array_equal(
        quick(rbm, "ais", schedule=np.linspace(0, 1, 201)).log_weights, quick(rbm, "ais").log_weights
    )


# --- Warnings and errors -----------------------------------------------------------------------------------


def test_two_modes_that_annealing_cannot_tell() -> None:
    """All on or all off, with the wrong base: nearly no chain finds the heavy mode."""
    n = 40
    rbm = rf.RBM.from_arrays(np.full((n, 1), 1.0), np.full(n, -0.4), [-0.35 * n])
    with pytest.warns(UserWarning, match="do not trust"):
        z = quick(rbm, "bracket", n_chains=50, n_temperatures=5, base=np.full(n, 0.05))
    assert "do not trust" in z.warning
    truth = rf.log_partition(rbm).value
    assert z.parts[0].value < truth < z.upper


@pytest.mark.filterwarnings("ignore:W holds large weights")
@pytest.mark.parametrize("scale", [1e2, 1e3, 1e6])
def test_chains_that_stand_still_know_one_end_only(scale: float) -> None:
    """Weights so large that nothing moves: log-weights agree, and are thousands of nats off."""
    for n in (30, 31, 32):
        rbm = model(n, 12, scale)
        rbm.a, rbm.b = scale * rbm.a, scale * rbm.b
        truth = rf.log_partition(rbm).value
        with pytest.warns(UserWarning, match="bracket: .*do not trust this"):
            z = quick(rbm, "bracket", n_chains=20)
        there, back = z.parts
        for part in z.parts:
            assert "chains stand still" in part.warning and part.stderr == np.inf
        assert there.lower < truth < there.upper == np.inf
        assert -np.inf == back.lower < truth < back.upper
        assert (z.lower, z.upper, z.stderr) == (there.lower, back.upper, np.inf)


def test_chains_that_need_not_move_are_believed() -> None:
    """Two far modes that annealing reaches both, and units that are certain but not connected."""
    modes = rf.RBM.from_arrays([[9.0], [9.0]], a=[-4.5, -4.5], b=[-9.0])
    apart = rf.RBM.from_arrays(np.zeros((2, 2)), [-50, 50], [50, -50])
    for rbm in (modes, apart):
        z = quick(rbm, "bracket", n_temperatures=1000)
        assert z.warning == ""
        assert z.lower <= rf.log_partition(rbm).value + 1e-5 and rf.log_partition(rbm).value <= z.upper + 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"method": "AIS"},
            r"method must be 'exact', 'ais', 'reverse_ais', 'bracket' or 'trajectory', got 'AIS'",
        ),
        ({"n_chains": 1}, "n_chains must be an integer from 2"),
        ({"n_chains": 2.5}, "n_chains must be an integer"),
        ({"n_temperatures": 0}, "n_temperatures must be an integer from 1"),
        ({"schedule": "cubic"}, "schedule must be one of 'linear', 'adaptive' or an array"),
        ({"schedule": [0, 0.5]}, "schedule must be a 1-D array of betas that ascend from 0 to 1"),
        ({"schedule": [0, 0.7, 0.6, 1]}, "ascend from 0 to 1"),
        ({"schedule": [[0, 1]]}, "1-D"),
        ({"base": np.zeros(3)}, "base"),
        ({"base": "rates"}, "base"),
        ({"samples": np.zeros((200, 12))}, "samples must not be given for method='ais'"),
        ({"method": "reverse_ais", "samples": np.zeros((10, 12))}, "samples must be n_chains=200 rows"),
        ({"seed": -1}, "seed"),
        ({"schedule": [0, 0.5, 0.3, 1]}, r"got 0.5 and then 0.30\d+ at place 2"),
        ({"method": "exact", "samples": np.zeros((2, 12))}, "samples must not be given for method='exact'"),
        ({"method": "exact", "checkpoint": "x"}, "checkpoint must not be given for method='exact'"),
        ({"checkpoint": 5}, "checkpoint must be a file name or None, got 5"),
        ({"resume": 5}, "resume must be a file name or None, got 5"),
        ({"checkpoint": "."}, "checkpoint must be a file name, got the folder"),
        ({"checkpoint": "no such folder/file"}, "checkpoint must lie in an existing folder"),
        ({"n_chains": 2**39}, "chains needs"),
    ],
)
def test_errors(changes: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"method": "ais", "n_chains": 200, "n_temperatures": 10, **changes}
    with pytest.raises((TypeError, ValueError, OSError, MemoryError), match=message):
        rf.log_partition(model(), **settings)


# --- A published model -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_published_model() -> None:
    """784 x 15 on MNIST, log Z = 215.138405: within 6 standard errors, both ways (false alarms: 1e-8)."""
    rbm = helpers.published_model()
    packed = np.load(helpers.DATA / "salakhutdinov_murray_2008" / "binarized_mnist_sm_packed.npz")["train"]
    rates = np.unpackbits(packed, axis=1, count=784).mean(axis=0)
    for method in FORWARD_AND_BACK:
        z = rf.log_partition(rbm, method, n_chains=100, n_temperatures=2000, base=rates, seed=1)
        assert abs(z.value - 215.138405) < 6 * z.stderr
        assert z.stderr < 0.3
