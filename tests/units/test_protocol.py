"""What every unit type promises, tested on each of the list.

Statistical tests have fixed seeds, so they give the same verdict each time; the false-alarm rates say how
likely it was that a correct sampler would have got an unlucky seed.
"""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from rbmfast import _engine as engine
from rbmfast.data import as_rows
from rbmfast.units import PLAIN, UNITS, Unit, get_unit

X = np.array([[-3.0, -1.25, -0.125, 0.0, 0.25, 0.75, 1.5, 4.0]], np.float32)
BIAS = np.linspace(-1, 1, X.shape[1], dtype=np.float32)
N_SAMPLES = 200_000
EXACT = [name for name in PLAIN if UNITS[name].exact]


@pytest.fixture(params=sorted(PLAIN))
def unit(request: pytest.FixtureRequest) -> Unit:
    return get_unit(request.param)


def log_normalizer(unit: Unit, x: np.ndarray) -> np.ndarray:
    """One number a unit, float64."""
    x = np.atleast_1d(np.asarray(x, np.float64))
    return np.array(
        [unit.log_normalizer_float64(np.array([[x_]]), np.array([b])) for x_, b in zip(x, BIAS, strict=True)]
    )[:, 0]


def slope(unit: Unit, order: int) -> np.ndarray:
    d, x = 1e-3, X[0].astype(np.float64)
    low, here, high = (log_normalizer(unit, x + shift) for shift in (-d, 0, d))
    return (high - low) / (2 * d) if order == 1 else (high - 2 * here + low) / d**2


def some_states(unit: Unit) -> np.ndarray:
    """All states of one unit, or a fine grid of them: (n, 1)."""
    if unit.count_states(1) is not None:
        return unit.states(1, 0, unit.count_states(1))
    return np.arange(-16, 16, 2.0**-7, dtype=np.float32)[:, None]


def test_bias_from_means(unit: Unit) -> None:
    means = np.array([0.001, 0.25, 0.5, 0.999], np.float32)
    assert_allclose(unit.mean(unit.bias_from_means(means)[None])[0], means, rtol=1e-5)


def test_energies_are_linear_in_the_bias(unit: Unit) -> None:
    """But for a number that is the same for all states: what tempering relies on."""
    states = some_states(unit)
    energies = [unit.energy(states, np.array([bias], np.float32)) for bias in (-1.0, 0.25, 4.0)]
    low, middle, high = (energy - energy[0] for energy in energies)
    assert_allclose(middle, 0.75 * low + 0.25 * high, atol=1e-9)


# --- Densities ---------------------------------------------------------------------------------------------


def test_log_normalizer_sums_the_density(unit: Unit) -> None:
    states = some_states(unit)
    step = 1.0 if unit.count_states(1) is not None else 2.0**-7
    for x, bias in zip(X[0], BIAS, strict=True):
        b = np.array([bias])
        log_density = states[:, 0] * (float(x) - float(bias)) - unit.energy(states, b)
        expected = logsumexp(log_density) + np.log(step)
        assert_allclose(unit.log_normalizer(np.array([[x]]), b), expected, rtol=1e-6, atol=1e-6)
        assert_allclose(unit.log_normalizer_float64(np.array([[x]], float), b.astype(float)), expected, 1e-9)


def test_log_normalizer_adds_up_over_units(unit: Unit) -> None:
    assert_allclose(unit.log_normalizer(X, BIAS), log_normalizer(unit, X[0]).sum(), rtol=1e-6)
    wide, bias = np.tile(X, (2, 300)), np.tile(BIAS, 300)
    expected = 300 * log_normalizer(unit, X[0]).sum()
    assert_allclose(unit.log_normalizer_float64(wide.astype(float), bias.astype(float)), expected, 1e-12)


def test_log_normalizer_of_large_inputs_is_finite(unit: Unit) -> None:
    x = np.array([[-1e4, 1e4]])
    zero = np.zeros(2)
    exact = unit.log_normalizer_float64(x, zero)
    assert np.isfinite(exact).all()
    assert_allclose(unit.log_normalizer(x.astype(np.float32), zero.astype(np.float32)), exact, rtol=1e-6)


def test_energy_adds_up_over_units(unit: Unit) -> None:
    states = np.repeat(some_states(unit)[:2], X.shape[1], axis=1)
    alone = [
        unit.energy(np.ascontiguousarray(states[:, i : i + 1]), BIAS[i : i + 1]) for i in range(len(BIAS))
    ]
    assert_allclose(unit.energy(states, BIAS), np.sum(alone, axis=0), rtol=1e-12, atol=1e-12)


def test_mean_is_the_derivative_of_log_normalizer(unit: Unit) -> None:
    assert_allclose(unit.mean(X)[0], slope(unit, 1), rtol=1e-5, atol=1e-6)
    assert unit.mean(X).dtype == np.float32


def test_mode_is_the_most_probable_state(unit: Unit) -> None:
    states = some_states(unit)
    for i, x in enumerate(X[0]):
        log_density = states[:, 0] * (float(x) - float(BIAS[i])) - unit.energy(states, BIAS[i : i + 1])
        mode = unit.mode(X[:, i : i + 1])
        assert mode.dtype == unit.dtype
        best = log_density.max()
        at_mode = mode[0, 0] * (float(x) - float(BIAS[i])) - unit.energy(mode, BIAS[i : i + 1])[0]
        assert at_mode >= best - 1e-6


def test_expectation_is_the_mean(unit: Unit) -> None:
    expectation = unit.expectation(X)
    if unit.exact:
        assert expectation.dtype == np.uint16
        expectation = expectation / 65535
    assert_allclose(expectation, unit.mean(X), atol=1e-5)


# --- Samples -----------------------------------------------------------------------------------------------


def test_sample_moments(unit: Unit) -> None:
    # 16 numbers within 5 standard errors: false-alarm rate 1e-5.
    states = unit.sample(np.repeat(X, N_SAMPLES, axis=0), 7, 1, 2, 3).astype(np.float64)
    variance = slope(unit, 2)
    assert (np.abs(states.mean(axis=0) - unit.mean(X)[0]) < 5 * np.sqrt(variance / N_SAMPLES)).all()
    fourth = ((states - states.mean(axis=0)) ** 4).mean(axis=0) - variance**2
    assert (np.abs(states.var(axis=0) - variance) < 5 * np.sqrt(fourth / N_SAMPLES) + 1e-6).all()


def test_samples_are_states(unit: Unit) -> None:
    states = unit.sample(np.repeat(X, 100, axis=0), 7, 1, 2, 3)
    assert states.dtype == unit.dtype
    assert as_rows(states, domain=unit.domain).dtype == unit.dtype


def test_samples_are_addressed_by_row(unit: Unit) -> None:
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    whole = unit.sample(x, 7, 1, 2, 3, 100)
    assert_array_equal(whole[8:], unit.sample(x[8:], 7, 1, 2, 3, 108))
    rows = np.array([3, 17, 5])
    assert_array_equal(whole[rows], unit.sample(x[rows], 7, 1, 2, 3, 100 + rows))
    for other in ((8, 1, 2, 3), (7, 0, 2, 3), (7, 1, 1, 3), (7, 1, 2, 2)):
        assert not np.array_equal(whole, unit.sample(x, *other, 100))


# --- Data --------------------------------------------------------------------------------------------------


def test_initial_bias_gives_the_means_of_the_data(unit: Unit) -> None:
    data = unit.sample(np.repeat(X, 5000, axis=0), 7, 1, 2, 3)
    bias, means = unit.initial_bias(as_rows(data, domain=unit.domain))
    assert bias.dtype == means.dtype == np.float32
    assert_allclose(means, data.mean(axis=0, dtype=float), rtol=1e-6)
    assert_allclose(unit.mean(bias[None])[0], means, atol=3e-4)


def test_initial_bias_is_finite_for_constant_features(unit: Unit) -> None:
    bias, means = unit.initial_bias(as_rows(np.array([[0.0, 1.0]] * 3), domain=unit.domain))
    assert np.isfinite(bias).all()
    assert_array_equal(means, [0, 1])
    assert bias[0] < bias[1]


@pytest.mark.parametrize("name", EXACT)
def test_initial_bias_of_grey_levels(name: str) -> None:
    grey = np.random.default_rng(0).random((500, 4))
    bias, means = get_unit(name).initial_bias(as_rows(grey))
    assert_allclose(means, grey.mean(axis=0), atol=1e-5)
    assert_allclose(get_unit(name).mean(bias[None])[0], means, atol=1e-3)


# --- States, and the shortcuts -----------------------------------------------------------------------------


def test_states_are_counted(unit: Unit) -> None:
    n = unit.count_states(3)
    if n is None:
        with pytest.raises(NotImplementedError, match=unit.name):
            unit.states(3, 0, 1)
        with pytest.raises(NotImplementedError, match=unit.name):
            unit.state_numbers(np.zeros((1, 3)))
        return
    states = unit.states(3, 0, n)
    assert states.shape == (n, 3)
    assert len(np.unique(states, axis=0)) == n
    assert_array_equal(unit.state_numbers(states), np.arange(n))
    assert_array_equal(unit.states(3, 2, 5), states[2:5])


@pytest.mark.parametrize("up", [True, False])
def test_shortcuts_equal_the_long_way(unit: Unit, up: bool) -> None:
    rng = np.random.default_rng(0)
    weights = engine.Weights(rng.normal(size=(37, 70)).astype(np.float32))
    n_source, n_target = weights.shape if up else weights.shape[::-1]
    states = rng.integers(0, 2, (33, n_source), dtype=np.uint8)
    grey = rng.integers(0, 65536, (33, n_source)).astype(np.uint16)
    bias = rng.normal(size=n_target).astype(np.float32)
    for s in (states, grey):
        x = engine.affine(weights, s, bias, up)
        assert_array_equal(unit.mean_from(weights, s, bias, up), unit.mean(x))
        assert_array_equal(unit.log_normalizer_from(weights, s, bias, up), unit.log_normalizer(x, bias))
        drawn = unit.sample_from(weights, s, bias, 7, 1, 2, 3, 11, up)
        assert_array_equal(drawn, unit.sample(x, 7, 1, 2, 3, 11))


def test_flags_are_consistent(unit: Unit) -> None:
    assert unit.domain == ("binary" if unit.exact else "real")
    assert not unit.fused or (unit.exact and unit.count_states(2) == 4)
    assert unit.dtype == (np.uint8 if unit.exact else np.float32)


def test_units_are_values(unit: Unit) -> None:
    assert unit == get_unit(unit.name) == get_unit(type(unit)) == get_unit(unit)
    assert pickle.loads(pickle.dumps(unit)) == unit
    assert len({unit, get_unit(unit.name)}) == 1
    assert repr(unit) == f"{type(unit).__name__}()"


def test_unknown_units_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"hidden must be one of 'bernoulli', 'gaussian', or a Unit such as .*; got 'x'"
    ):
        get_unit("x", name="hidden")
    for wrong in (3, None, int):
        with pytest.raises(TypeError, match="unit must be one of 'bernoulli'"):
            get_unit(wrong)
