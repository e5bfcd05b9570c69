"""What every unit type promises, tested on small layers of each.

Statistical tests have fixed seeds, so they give the same verdict each time; the false-alarm rates say how
likely it was that a correct sampler would have got an unlucky seed.
"""

import itertools
import json
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import chisquare
from units.layers import LAYERS, Layer

from rbmfast import _engine as engine
from rbmfast.streams import Stream
from rbmfast.units import PLAIN, UNITS, Bernoulli, Categorical, Gaussian, Mixed, Pooled, Unit, get_unit

N_SAMPLES = 100_000
STREAM = Stream(7, 1, 2, 3)


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> Layer:
    return LAYERS[request.param]


@pytest.fixture
def unit(layer: Layer) -> Unit:
    return layer.unit


def some_input(layer: Layer, n_rows: int, scale: float = 2.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, scale, (n_rows, layer.n)).astype(np.float32)


def test_every_unit_type_is_here() -> None:
    assert {type(layer.unit) for layer in LAYERS.values()} == set(UNITS.values())


# --- Densities ---------------------------------------------------------------------------------------------


def test_log_normalizer_sums_the_density(layer: Layer) -> None:
    expected = logsumexp(layer.log_mass)
    assert_allclose(layer.unit.log_normalizer(layer.x, layer.bias), expected, rtol=1e-6, atol=1e-6)
    in_float64 = layer.unit.log_normalizer_float64(layer.x.astype(float), layer.bias.astype(float))
    assert_allclose(in_float64, expected, rtol=1e-12, atol=1e-12)


def test_mean_is_the_derivative_of_log_normalizer(layer: Layer) -> None:
    x, bias, d = layer.x.astype(float), layer.bias.astype(float), 1e-5
    up, down = (layer.unit.log_normalizer_float64(x + s * np.eye(layer.n), bias) for s in (d, -d))
    mean = layer.unit.mean(layer.x)
    assert mean.dtype == np.float32
    assert_allclose(mean[0], (up - down) / (2 * d), rtol=1e-6, atol=1e-6)


def test_mode_is_the_most_probable_state(layer: Layer) -> None:
    mode = layer.unit.mode(layer.x)
    assert mode.dtype == layer.unit.dtype
    layer.unit.rows(layer.unit.shown(mode), layer.n)
    assert layer.log_weight(mode)[0] >= layer.log_density.max() - 1e-6


def test_expectation_is_the_mean(layer: Layer) -> None:
    expectation = layer.unit.expectation(layer.x)
    if layer.unit.exact:
        assert expectation.dtype == np.uint16
        expectation = expectation / 65535
    assert_allclose(expectation, layer.unit.mean(layer.x), atol=0.51 / 65535)


def test_energies_are_linear_in_the_bias(layer: Layer) -> None:
    """But for a number that is the same for all states: what tempering relies on."""
    bias = [layer.bias, -2 * layer.bias + 1, np.float32(0.75) * layer.bias]
    bias.append((bias[0] + bias[1]) / 2)
    low, high, _, middle = (e - e[0] for e in (layer.unit.energy(layer.states, b) for b in bias))
    assert_allclose(middle, (low + high) / 2, atol=1e-5)


def test_energy_is_the_bias_and_a_number_of_its_own(layer: Layer) -> None:
    if layer.unit.exact:
        energy = layer.unit.energy(layer.states, layer.bias)
        assert_allclose(energy, -(layer.states @ layer.bias.astype(float)), atol=1e-12)


def test_inputs_of_any_size(layer: Layer) -> None:
    for scale in (1e-30, 1.0, 1e4):
        x, zero = some_input(layer, 20, scale), np.zeros(layer.n, np.float32)
        exact = layer.unit.log_normalizer_float64(x.astype(float), zero.astype(float))
        assert np.isfinite(exact).all()
        assert_allclose(layer.unit.log_normalizer(x, zero), exact, rtol=1e-6, atol=1e-5)
        assert np.isfinite(layer.unit.mean(x)).all()
        layer.unit.rows(layer.unit.shown(layer.unit.sample(x, STREAM)), layer.n)


def test_rows_do_not_depend_on_their_neighbours(layer: Layer) -> None:
    x = some_input(layer, 9)
    answers = (
        layer.unit.mean,
        layer.unit.mode,
        layer.unit.expectation,
        lambda x: layer.unit.log_normalizer(x, layer.bias),
    )
    for answer in answers:
        assert_array_equal(answer(x)[4:6], answer(x[4:6]))


# --- Samples -----------------------------------------------------------------------------------------------


def test_sample_moments(layer: Layer) -> None:
    # 2 numbers a unit, 140 in all, within 6 standard errors: false-alarm rate 3e-7.
    states = layer.unit.sample(np.repeat(layer.x, N_SAMPLES, axis=0), STREAM).astype(float)
    mean = layer.p @ layer.states
    squares = (layer.states - mean) ** 2
    variance = layer.p @ squares
    assert (np.abs(states.mean(axis=0) - mean) < 6 * np.sqrt(variance / N_SAMPLES)).all()
    spread = np.sqrt(np.maximum(layer.p @ squares**2 - variance**2, 0) / N_SAMPLES)
    assert (np.abs(((states - mean) ** 2).mean(axis=0) - variance) < 6 * spread + 1e-6).all()


def test_sample_distribution(layer: Layer) -> None:
    # Chi-square at 1e-6 for each layer with countable states, those expected fewer than 10 times together.
    if layer.unit.count_states(layer.n) is None:
        return
    states = layer.unit.sample(np.repeat(layer.x, N_SAMPLES, axis=0), STREAM)
    counts = np.bincount(layer.unit.state_numbers(states), minlength=len(layer.p))
    rare = layer.p * N_SAMPLES < 10
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(layer.p[~rare], layer.p[rare].sum()) * N_SAMPLES
    keep = expected > 0
    assert counts[~keep].sum() == 0
    assert chisquare(counts[keep], expected[keep]).pvalue > 1e-6


def test_samples_are_states(layer: Layer) -> None:
    states = layer.unit.sample(some_input(layer, 100), STREAM)
    assert states.shape == (100, layer.n)
    assert states.dtype == layer.unit.dtype == layer.unit.rows(layer.unit.shown(states), layer.n).dtype
    assert states.flags.c_contiguous


def test_samples_are_addressed_by_row(layer: Layer) -> None:
    x = some_input(layer, 40)
    whole = layer.unit.sample(x, STREAM.from_row(100))
    assert_array_equal(whole[8:], layer.unit.sample(x[8:], STREAM.from_row(108)))
    rows = np.array([3, 17, 5])
    assert_array_equal(whole[rows], layer.unit.sample(x[rows], STREAM.from_row(100 + rows)))
    for other in ({"seed": 8}, {"purpose": 0}, {"layer": 1}, {"step": 2}):
        assert not np.array_equal(whole, layer.unit.sample(x, STREAM.from_row(100)._replace(**other)))


def test_samples_are_drawn_by_the_numbers_of_the_engine(layer: Layer) -> None:
    for scale in (0.0, 0.1, 3.0, 30.0):
        x = some_input(layer, 500, scale)
        uniform = engine.uniform_u32(500, layer.n, *STREAM.from_row(11))
        assert_array_equal(layer.unit.draw(x, uniform), layer.unit.sample(x, STREAM.from_row(11)))


def test_a_unit_has_the_number_of_its_place_whatever_is_beside_it(layer: Layer) -> None:
    """In a wider layer, not at its start: what its column of the random numbers says."""
    for before in (1, 3, 130):
        wide = Mixed([(Bernoulli(), before), (layer.unit, layer.n), (Gaussian(), 2)])
        x = np.random.default_rng(1).normal(size=(50, wide.n_units)).astype(np.float32)
        here = slice(before, before + layer.n)
        states = wide.sample(x, STREAM.from_row(11))
        uniform = engine.uniform_u32(50, wide.n_units, *STREAM.from_row(11))
        assert_array_equal(states[:, here], layer.unit.draw(x[:, here].copy(), uniform[:, here]))
        assert_array_equal(states[:, :before], Bernoulli().sample(x, STREAM.from_row(11))[:, :before])
        assert_array_equal(states[:, -2:], Gaussian().sample(x, STREAM.from_row(11))[:, -2:])


# --- Data --------------------------------------------------------------------------------------------------


def test_initial_bias_gives_the_means_of_the_data(layer: Layer) -> None:
    data = layer.unit.sample(np.repeat(layer.x, 40_000, axis=0), STREAM)
    bias, means = layer.unit.initial_bias(layer.unit.rows(layer.unit.shown(data), layer.n))
    assert bias.dtype == means.dtype == np.float32
    assert_allclose(means, data.mean(axis=0, dtype=float), rtol=1e-6, atol=1e-9)
    assert_allclose(layer.unit.mean(bias[None])[0], means, atol=3e-4)


def test_initial_bias_does_not_depend_on_blocks_or_containers(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = layer.unit.shown(layer.unit.sample(some_input(layer, 50), STREAM)).reshape(50, -1)
    whole = layer.unit.initial_bias(layer.unit.rows(data, layer.n))
    for name in ("base", "common"):
        monkeypatch.setattr(f"rbmfast.units.{name}.rows_in_a_scan", lambda _: 7)
    monkeypatch.setattr("rbmfast.data.memory.CHUNK", 13)
    for same in (data, sp.csr_array(data), data.astype(np.float64), np.asfortranarray(data)):
        for compact in (False, True):
            found = layer.unit.initial_bias(layer.unit.rows(same, layer.n, compact=compact))
            assert_allclose(found[0], whole[0], rtol=1e-6, atol=1e-7)  # the same bits for exact units
            if layer.unit.exact:
                assert_array_equal(found, whole)


def test_initial_bias_is_finite_for_constant_features(layer: Layer) -> None:
    data = np.repeat(layer.unit.mode(layer.x), 3, axis=0)
    bias, means = layer.unit.initial_bias(layer.unit.rows(layer.unit.shown(data), layer.n))
    assert np.isfinite(bias).all()
    assert_array_equal(means, data[0])
    if layer.unit.count_states(layer.n) is None:
        even = layer.unit.mean(np.zeros_like(layer.x))
        assert (np.abs(layer.unit.mean(bias[None]) - means) <= np.abs(even - means)).all()
    else:
        assert_array_equal(layer.unit.mode(bias[None]), data[:1])


def test_initial_bias_of_grey_levels(layer: Layer) -> None:
    grey = layer.unit.mean(some_input(layer, 2000))
    bias, means = layer.unit.initial_bias(layer.unit.rows(layer.unit.shown(grey), layer.n))
    assert_allclose(means, grey.mean(axis=0), atol=1e-5)
    assert_allclose(layer.unit.mean(bias[None])[0], means, atol=1e-3)


def test_bias_from_means(layer: Layer) -> None:
    means = layer.unit.mean(layer.x / 2)[0]
    bias = layer.unit.bias_from_means(means)
    assert bias.dtype == np.float32
    assert_allclose(layer.unit.mean(bias[None])[0], means, rtol=1e-5, atol=1e-6)
    assert np.isfinite(layer.unit.bias_from_means(layer.unit.mode(layer.x)[0].astype(np.float32))).all()


# --- States ------------------------------------------------------------------------------------------------


def test_states_are_counted(layer: Layer) -> None:
    unit, count = layer.unit, layer.unit.count_states(layer.n)
    if count is None:
        for ask in (lambda: unit.states(layer.n, np.arange(1)), lambda: unit.state_numbers(layer.states[:1])):
            with pytest.raises(NotImplementedError, match="units have no countable states"):
                ask()
        return
    assert layer.states.shape == (count, layer.n)
    assert layer.states.dtype == unit.dtype
    assert len(np.unique(layer.states, axis=0)) == count
    assert_array_equal(unit.state_numbers(layer.states), np.arange(count))
    some = np.array([5, 2, 2, count - 1])
    assert_array_equal(unit.states(layer.n, some), layer.states[some])
    unit.rows(unit.shown(layer.states), layer.n)


def test_parts_count_like_the_whole(layer: Layer) -> None:
    """The last units count fastest, so states of a front and a back part count like digits."""
    count = layer.unit.count_states(layer.n)
    cuts = [
        (at, layer.unit.part(0, at), layer.unit.part(at, layer.n))
        for at in range(1, layer.n)
        if layer.unit.part(0, at) is not None
    ]
    assert cuts or layer.n <= 3 or isinstance(layer.unit, Pooled)  # whose blocks lie across one another
    for at, front, back in cuts:
        assert front is not None and back is not None
        front.check_size(at, "n")
        back.check_size(layer.n - at, "n")
        assert_array_equal(front.mean(layer.x[:, :at]), layer.unit.mean(layer.x)[:, :at])
        assert_array_equal(back.mean(layer.x[:, at:]), layer.unit.mean(layer.x)[:, at:])
        if count is not None:
            high, low = front.count_states(at), back.count_states(layer.n - at)
            assert high is not None and low is not None
            assert high * low == count
            number = np.arange(count)
            states = np.hstack([front.states(at, number // low), back.states(layer.n - at, number % low)])
            assert_array_equal(states, layer.states)


def test_states_are_accepted_and_what_is_missing_is_not_looked_at(layer: Layer) -> None:
    data = layer.states[:20].copy()
    missing = np.zeros(data.shape, np.bool_)
    missing[3] = True
    data[3] = 0
    whole = layer.unit.whole(missing)
    assert_array_equal(whole, missing)
    rows = Layer(Bernoulli() if layer.unit.exact else Gaussian(), layer.n).unit.rows(data, layer.n)
    layer.unit.check_states(rows.without(missing), "X")


# --- The shortcuts -----------------------------------------------------------------------------------------


def test_shortcuts_equal_the_long_way(layer: Layer) -> None:
    rng, unit = np.random.default_rng(0), layer.unit
    W = rng.normal(size=(37, layer.n)).astype(np.float32)
    states = rng.integers(0, 2, (33, 37), dtype=np.uint8)
    grey = rng.integers(0, 65536, (33, 37)).astype(np.uint16)
    for s, up in itertools.product((states, grey), (True, False)):
        weights = engine.Weights(W if up else np.ascontiguousarray(W.T))
        x = engine.affine(weights, s, layer.bias, up)
        assert_array_equal(unit.mean_from(weights, s, layer.bias, up), unit.mean(x))
        found = unit.log_normalizer_from(weights, s, layer.bias, up)
        assert_array_equal(found, unit.log_normalizer(x, layer.bias))
        drawn = unit.sample_from(weights, s, layer.bias, STREAM.from_row(11), up)
        assert_array_equal(drawn, unit.sample(x, STREAM.from_row(11)))


# --- Unit types as values ----------------------------------------------------------------------------------


def test_flags_are_consistent(layer: Layer) -> None:
    unit = layer.unit
    assert unit.domain == ("binary" if unit.exact else "real")
    assert not unit.are_switches or (unit.exact and unit.count_states(2) == 4 and unit.blocks(2) == (2,))
    assert unit.blocks(layer.n) is None or unit.exact
    assert unit.dtype == (np.uint8 if unit.exact else np.float32)
    unit.check_size(layer.n, "n")


def test_units_are_values(unit: Unit) -> None:
    for same in (
        get_unit(unit),
        get_unit(unit.describe()),
        get_unit(json.loads(json.dumps(unit.describe()))),
        pickle.loads(pickle.dumps(unit)),
        eval(repr(unit), {"Mixed": Mixed, **{type_.__name__: type_ for type_ in UNITS.values()}}),
    ):
        assert same == unit
        assert hash(same) == hash(unit)
        assert repr(same) == repr(unit)
        assert same.dtype == unit.dtype
    assert sum(unit == layer.unit for layer in LAYERS.values()) == 1


@pytest.mark.parametrize("name", PLAIN)
def test_plain_units_have_a_name(name: str) -> None:
    unit = get_unit(name)
    assert unit == get_unit(type(unit))
    assert unit.describe() == unit.name == name
    assert unit == type(unit)()
    assert repr(unit) == f"{type(unit).__name__}()"


def test_unknown_units_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"hidden must be one of 'bernoulli', .* 'counts', or a Unit such as .*; got 'x'",
    ):
        get_unit("x", name="hidden")
    for wrong in (3, None, int):
        with pytest.raises(TypeError, match="unit must be one of 'bernoulli'"):
            get_unit(wrong)
    for lacks_something in ("categorical", "mixed", Categorical, Mixed):
        with pytest.raises(ValueError, match="or a Unit such as"):
            get_unit(lacks_something)


def test_broken_descriptions_are_refused() -> None:
    broken: list[dict[str, object]] = [{}, {"unit": "x"}, {"unit": "categorical"}]
    broken += [{"unit": "categorical", "n_states": "many"}, {"unit": "mixed"}]
    for parts in ([["bernoulli", 2], ["x", 3]], [["bernoulli"]], 3):
        broken.append({"unit": "mixed", "parts": parts})
    for description in broken:
        with pytest.raises((TypeError, ValueError)):
            get_unit(description)
