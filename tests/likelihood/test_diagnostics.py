"""Diagnostics of chains: series with known autocorrelation times, chains with known R-hats, stuck models."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from likelihood import helpers
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter

import rbmfast as rf
from rbmfast.likelihood import (
    autocorrelation_time,
    autocorrelations,
    chain_diagnostics,
    effective_sample_size,
    split_r_hat,
)

# Of a statistical test another seed would fail one in 15 000 times: four standard deviations.
SIGMAS = 4.0
STUCK = rf.RBM.from_arrays([[30.0], [30.0]], [-14.0, -14.0], [-30.0])  # 00 and 11, which it never leaves
MODEL = helpers.model(6, 4)
FROZEN = rf.RBM.from_arrays([[0.0], [0.0]], [-100.0, -100.0], [0.0])


def ar1(phi: float, n: int, n_chains: int, seed: int = 0) -> np.ndarray:
    """x[t] = phi x[t - 1] + noise, from its stationary distribution: its time is (1 + phi) / (1 - phi)."""
    noise = np.random.default_rng(seed).normal(size=(n, n_chains))
    noise[0] /= math.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise, axis=0)


# --- Traces ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.98])
@pytest.mark.parametrize(("n", "n_chains"), [(200_000, 1), (5000, 40)])
def test_autocorrelation_time_of_ar1(phi: float, n: int, n_chains: int) -> None:
    expected = (1 + phi) / (1 - phi)
    x = ar1(phi, n, n_chains)
    spread = expected * math.sqrt(2 * (2 * 5 * expected + 1) / x.size)  # Sokal 1997, equation 3.19
    assert abs(autocorrelation_time(x) - expected) < SIGMAS * spread
    assert_allclose(effective_sample_size(x), x.size / autocorrelation_time(x))


def test_the_mean_is_as_good_as_the_effective_sample_size_says() -> None:
    """Over 400 repetitions; their variance has a relative standard deviation of sqrt(2 / 400)."""
    x = ar1(0.9, 2000, 400)
    ess = effective_sample_size(x) / 400
    ratio = x.mean(axis=0).var() / (x.var() / ess)
    assert abs(ratio - 1) < SIGMAS * math.sqrt(2 / 400)


def test_autocorrelations_by_their_definition() -> None:
    x = ar1(0.7, 30, 3)
    d = x - x.mean()
    covariances = [(d[: 30 - lag] * d[lag:]).mean() for lag in range(30)]
    assert_allclose(autocorrelations(x), np.array(covariances) / covariances[0], atol=1e-12)


def test_one_chain_is_a_column() -> None:
    x = ar1(0.5, 500, 1)
    for function in (autocorrelation_time, effective_sample_size, split_r_hat, autocorrelations):
        assert_array_equal(function(x), function(x[:, 0]))


def test_chains_that_alternate_are_not_credited() -> None:
    assert autocorrelation_time(ar1(-0.9, 1000, 2)) == 1.0


@pytest.mark.parametrize(
    "x",
    [
        ar1(0.0, 40, 1),  # shorter than 50 times
        ar1(0.99, 500, 100),  # each of its chains is shorter than 10 times
        ar1(0.0, 500, 4) + np.array([0, 0, 9, 9]),  # chains that stay apart never forget
        np.arange(1000.0),  # nor do those that drift
    ],
)
def test_too_short_to_tell(x: np.ndarray) -> None:
    for function in (autocorrelation_time, effective_sample_size):
        with pytest.raises(ValueError, match=r"^x must last at least 10 autocorrelation times.*run longer$"):
            function(x)


def test_split_r_hat_by_hand() -> None:
    x = np.array([[1.0, 4.0], [2.0, 4.0], [99.0, 99.0], [5.0, 3.0], [8.0, 1.0]])
    halves = np.array([[1, 4, 5, 3], [2, 4, 8, 1]])
    n, within, between = 2, halves.var(axis=0, ddof=1).mean(), halves.mean(axis=0).var(ddof=1) * 2
    assert_allclose(split_r_hat(x), math.sqrt(((n - 1) / n * within + between / n) / within))


@pytest.mark.parametrize(("shift", "rtol"), [(0.0, 0.003), (1.0, 0.02), (5.0, 0.02)])
def test_split_r_hat_of_separated_chains(shift: float, rtol: float) -> None:
    """Half of the chains shifted: B / n is shift^2 / 4, times k / (k - 1) of k half-chains."""
    x = np.random.default_rng(0).normal(size=(2000, 8)) + shift * (np.arange(8) % 2)
    assert_allclose(split_r_hat(x), math.sqrt(1 + shift**2 / 4 * 16 / 15), rtol=rtol)


def test_split_r_hat_of_a_drift_and_of_constant_halves() -> None:
    assert split_r_hat(np.arange(100.0)) > 2
    assert split_r_hat([0, 0, 1, 1]) == math.inf


@pytest.mark.parametrize("function", [autocorrelation_time, effective_sample_size, split_r_hat])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3, 4)), r"x must be of shape \(n_steps,\) or \(n_steps, n_chains\), got \(2, 3, 4\)"),
        (1.0, r"x must be of shape .* got \(\)"),
        ([], r"x must be of shape .* got \(0,\)"),
        ([1.0, 2.0, 3.0], "x must have at least 4 steps, got 3"),
        ([1.0, 2.0, np.nan, 3.0], "x must be finite"),
        (np.full((9, 2), 7.0), "x must vary, but all of it is 7"),
    ],
)
def test_no_traces(function, x, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        function(x)


TRACES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=60),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(TRACES)
def test_any_trace(x: np.ndarray) -> None:
    """A number in its range, or a ValueError about x; never a warning."""
    try:
        r_hat, correlations = split_r_hat(x), autocorrelations(x)
    except ValueError as error:
        assert str(error).startswith("x must")
        return
    assert 0 < r_hat <= math.inf
    assert correlations.shape == (len(x),)
    assert_allclose(correlations[0], 1.0)
    try:
        assert 1 <= autocorrelation_time(x) <= len(x) / 10
        assert 0 < effective_sample_size(x) <= x.size
    except ValueError as error:
        assert "run longer" in str(error)


# --- Chains of a model -------------------------------------------------------------------------------------


def test_chains_that_mix() -> None:
    found = chain_diagnostics(MODEL, np.eye(3, 6), n_chains=16, steps=800, seed=1)
    assert found.alarms == ()
    assert (found.every, found.n_warm_up, found.n_from_data) == (1, 400, 8)
    assert found.free_energy.shape == (800, 16)
    assert found.r_hat < 1.02
    kept = found.free_energy[400:]
    assert found.autocorrelation_time == autocorrelation_time(kept)
    assert found.ess == effective_sample_size(kept)
    assert found.r_hat == split_r_hat(kept)


def test_the_chains_are_those_of_gibbs() -> None:
    rbm, start = MODEL, np.eye(1, 6, dtype=np.uint8)
    found = chain_diagnostics(rbm, start, n_chains=6, steps=40, every=2, seed=3)
    assert found.free_energy.shape == (20, 6)
    for steps in (2, 40):
        v = rbm.gibbs(np.repeat(start, 3, axis=0), steps, seed=3)
        assert_array_equal(found.free_energy[steps // 2 - 1, :3], rbm.free_energy(v))
        w = rbm.sample_visible(np.zeros((3, 4)), seed=3, first_row=3)
        w = rbm.gibbs(w, steps, seed=3, first_row=3)
        assert_array_equal(found.free_energy[steps // 2 - 1, 3:], rbm.free_energy(w))


def test_only_chains_from_data_see_the_mode_that_others_miss() -> None:
    found = chain_diagnostics(STUCK, [[1, 1]], n_chains=32, steps=200, seed=1)
    assert len(found.alarms) == 2
    assert found.alarms[0].startswith("the chains have not mixed: free energies are -2.0 from the data and")
    assert found.alarms[1].endswith("take more steps than 200")
    assert (found.autocorrelation_time, found.ess) == (math.inf, 0.0)
    alarm = chain_diagnostics(STUCK, [[1, 1], [0, 0]], n_chains=32, steps=200, seed=1).alarms[0]
    assert alarm.startswith("the chains have not mixed: mean free energies go from -2.0 in one chain to")


def test_a_model_of_one_state() -> None:
    found = chain_diagnostics(FROZEN, n_chains=4, steps=50, seed=1)
    assert found.alarms == (
        "the free energy never changed after the warm-up: the model has one state, or is stuck",
    )
    assert math.isnan(found.r_hat)
    assert found.n_from_data == 0


def test_false_alarms() -> None:
    """None in 20 models that mix at once, nor with Gaussian units."""
    for seed in range(20):
        rbm = rf.RBM(8, 4, seed=seed)
        assert chain_diagnostics(rbm, np.eye(4, 8), n_chains=8, steps=200, seed=seed).alarms == ()
    rng = np.random.default_rng(0)
    rbm = rf.RBM.from_arrays(rng.normal(size=(5, 3)) * 0.3, np.zeros(5), np.zeros(3), visible="gaussian")
    assert chain_diagnostics(rbm, rng.normal(size=(20, 5)), n_chains=16, steps=500, seed=1).alarms == ()


@pytest.mark.parametrize("start", [np.full((3, 6), 0.5), np.ones((1, 6)), np.eye(40, 6)])
def test_any_start(start: np.ndarray) -> None:
    found = chain_diagnostics(MODEL, start, n_chains=5, steps=30, seed=1)
    assert (found.n_from_data, found.free_energy.shape) == (2, (30, 5))


def test_equal_seeds_give_equal_bits() -> None:
    a, b, c = (chain_diagnostics(MODEL, np.eye(6), n_chains=4, steps=30, seed=s) for s in (1, 1, 2))
    assert_array_equal(a.free_energy, b.free_energy)
    assert not np.array_equal(a.free_energy, c.free_energy)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_chains": 1}, ValueError, "n_chains must be an integer from 2"),
        ({"steps": 1.5}, TypeError, "steps must be an integer"),
        ({"every": 0}, ValueError, "every must be an integer of at least 1"),
        ({"warm_up": -1}, ValueError, "warm_up must be an integer of at least 0"),
        ({"steps": 14}, ValueError, "steps must leave 8 recorded free energies after the warm-up; steps=14"),
        ({"steps": 100, "warm_up": 200}, ValueError, "steps=100, warm_up=200, every=1 leave 0"),
        ({"start": [[1, 0]]}, ValueError, r"start must have 6 features \(columns\), got 2"),
        ({"steps": 10**12, "n_chains": 10**6}, MemoryError, "a record of so many free energies needs"),
    ],
)
def test_refusals(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        chain_diagnostics(MODEL, **arguments)
