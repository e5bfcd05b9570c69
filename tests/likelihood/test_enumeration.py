"""The states of a layer in blocks, and what is refused."""

import functools
from typing import Any

import numpy as np
import pytest
from likelihood.helpers import model
from numpy.testing import assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.likelihood import (
    all_states,
    exact_gradient,
    exact_moments,
    exact_samples,
    kl_divergence,
    log_probabilities,
)
from rbmfast.likelihood.enumeration import (
    Blocks,
    Layer,
    can_enumerate,
    exact_log_z,
    hidden_layer,
    layer_to_enumerate,
    visible_layer,
)

# What a function that enumerates does first is look at the model.
CALLS = {
    "the exact log Z": rf.log_partition,
    "the exact moments": exact_moments,
    "exact sampling": lambda rbm: exact_samples(rbm, 1),
}


def test_all_states_in_counting_order() -> None:
    assert_array_equal(all_states(3) @ [4, 2, 1], np.arange(8))


@pytest.mark.parametrize("numbers", [7 * 5, 7 * 2, 1])
def test_blocks_hold_every_state_once(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", numbers)
    monkeypatch.setattr("rbmfast.likelihood.enumeration.HIGH_AT_ONCE", 4)
    blocks = Blocks(hidden_layer(model(7, 5)))
    assert blocks.size * 7 <= max(numbers, 7)
    states = [np.append(blocks.high_state(i), row) for i in range(blocks.n_blocks) for row in blocks.low]
    assert_array_equal(states, all_states(5))


@pytest.mark.parametrize("layer", [visible_layer, hidden_layer])
def test_some_blocks_have_the_bits_of_all(monkeypatch: pytest.MonkeyPatch, layer: object) -> None:
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", 16)
    monkeypatch.setattr("rbmfast.likelihood.enumeration.HIGH_AT_ONCE", 4)
    blocks = Blocks(layer(model(7, 8)))
    everywhere = [*blocks.log_weights()]
    assert len(everywhere) == blocks.n_blocks > 30
    for numbers in ([0, 3, 4, 21, 22, blocks.n_blocks - 1], [9], []):
        some = [*blocks.log_weights(numbers)]
        assert len(some) == len(numbers)
        for number, block in zip(numbers, some, strict=True):
            assert_array_equal(block, everywhere[number])


def test_log_weights_of_given_states() -> None:
    layer = visible_layer(model(6, 4))
    blocks = np.concatenate([*Blocks(layer).log_weights()])
    np.testing.assert_allclose(layer.log_weights(all_states(6)), blocks, rtol=1e-13)


# --- By the engine -----------------------------------------------------------------------------------------

UNITS = {  # of the layer that is summed out
    "bernoulli": rf.Bernoulli(),
    "spin": rf.Spin(),
    "categorical": rf.Categorical([3, 2, 5, 2]),
    "mixed": rf.Mixed([(rf.Bernoulli(), 5), (rf.Categorical(3), 6), (rf.Spin(), 1)]),
}


def precise(layer: Layer) -> np.longdouble:
    """Log of the sum over a layer's states, with the other one's groups summed out: in long double."""
    n_units, bias = len(layer.bias), layer.total_bias.astype(np.longdouble)
    states = layer.unit.states(n_units, np.arange(layer.n_states))
    x = states.astype(np.longdouble) @ layer.W.astype(np.longdouble) + bias
    total, start = -layer.unit.energy(states, layer.bias).astype(np.longdouble), 0
    for block in layer.other.blocks(len(bias)):
        for size in [1] * block if isinstance(block, int) else block:
            group = x[:, start : start + size]
            group = np.hstack([group, 0 * group]) if isinstance(block, int) else group
            top = group.max(axis=1)
            total += top + np.log(np.exp(group - top[:, None]).sum(axis=1))
            start += size
    return total.max() + np.log(np.exp(total - total.max()).sum())


@pytest.mark.filterwarnings("ignore:W holds large weights")
@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0, 1e5])
@pytest.mark.parametrize("units", UNITS)
def test_sums_by_the_engine_in_long_double(units: str, scale: float) -> None:
    rng = np.random.default_rng(1)
    W, a, b = (scale * rng.normal(size=shape) for shape in ((12, 13), 12, 13))
    rbm = rf.RBM.from_arrays(
        W, a, b, visible=UNITS[units], hidden=rf.Mixed([(rf.Bernoulli(), 10), (rf.Categorical(3), 3)])
    )
    layer = hidden_layer(rbm)
    value = engine.log_sum_exp(Blocks(layer).log_sums())
    np.testing.assert_allclose(value, float(precise(layer)), rtol=1e-14, atol=1e-13)


@pytest.mark.filterwarnings("ignore:W holds large weights")
def test_large_weights_make_small_blocks() -> None:
    """No low states whose exponentials float64 could not hold; and what NumPy gives for each block."""
    sizes = []
    for scale in (1, 60, 100, 3000):
        blocks = Blocks(hidden_layer(model(20, 8, scale)))
        sizes.append(blocks.size)
        sums = [logsumexp(log_weights) for log_weights in blocks.log_weights()]
        np.testing.assert_allclose(blocks.log_sums(), sums, rtol=1e-13)
    assert sizes[0] == 2**8 > sizes[1] > sizes[2] > sizes[3] == 1


@pytest.mark.parametrize("block_numbers", [1, 20, 1 << 16])
def test_neither_threads_nor_parts_matter(monkeypatch: pytest.MonkeyPatch, block_numbers: int) -> None:
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", block_numbers)
    rbm, values, asked = model(20, 12), set(), []

    def counted(*arguments: Any) -> Any:
        asked.append(arguments[6])
        return log_sums(*arguments)

    log_sums = engine.log_sums
    monkeypatch.setattr(engine, "log_sums", counted)
    for n, work in ((1, 1 << 31), (3, 1 << 31), (2, 20 * 64 * 7)):  # a call for seven blocks
        monkeypatch.setattr("rbmfast.likelihood.enumeration.WORK", work)
        rf.set_num_threads(n)
        values.add(exact_log_z(rbm))
    assert len(values) == 1
    assert max(asked[2:]) <= 7 and sum(asked) == 3 * asked[0]  # Ctrl-C is answered between calls


def test_the_layer_that_is_sooner_done() -> None:
    """Summing binomial units out is NumPy's work, summing 0/1 units that of the engine."""
    for n_hidden, name in ((2, "hidden"), (4, "hidden"), (6, "visible"), (20, "visible")):
        rbm = rf.RBM(4, n_hidden, visible=rf.Binomial(3), seed=0)  # 2**8 visible states
        assert layer_to_enumerate(rbm, "this").name == name
        assert can_enumerate(rbm, 8)
        assert can_enumerate(rbm, 7) == (n_hidden <= 4)
    rbm = rf.RBM(4, 6, visible=rf.Binomial(3), seed=0)
    assert layer_to_enumerate(rbm, "this", by_numpy=True).name == "hidden"


@pytest.mark.slow
def test_28_units() -> None:
    W, a, b = np.diag(np.linspace(-3, 3, 28)), np.linspace(-1, 2, 28), np.linspace(2, -1, 28)
    rbm = rf.RBM.from_arrays(W, a, b)
    pairs = np.log1p(np.exp(rbm.a) + np.exp(rbm.b) + np.exp(rbm.a + rbm.b + np.diag(rbm.W)), dtype=np.float64)
    np.testing.assert_allclose(rf.log_partition(rbm).value, pairs.sum(), rtol=1e-7)


# --- Refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", CALLS)
def test_large_models_are_refused_with_their_cost(what: str) -> None:
    seconds, most = (145, 25) if what == "the exact moments" else (144, 28)
    cost = rf"2\*\*500 states of the hidden layer, about 10\*\*{seconds} s of one core and 10\*\*143 MB"
    end = "; method='bracket' estimates it" if what == "the exact log Z" else ""
    with pytest.raises(ValueError, match=rf"{cost}; at most 2\*\*{most} are enumerated{end}$"):
        CALLS[what](rf.RBM(784, 500, seed=0))
    with pytest.raises(ValueError, match=rf"^{what} of RBM\({most + 1}, 30\).* states of the visible layer"):
        CALLS[what](rf.RBM(most + 1, 30, seed=0))
    with pytest.raises(
        ValueError, match=r"would take 2\*\*29 states of the hidden layer.* at most 2\*\*25 are"
    ):
        CALLS[what](rf.RBM(30, 29, visible="relu", seed=0))
    assert can_enumerate(rf.RBM(28, 30, seed=0))
    assert not can_enumerate(rf.RBM(28, 30, visible="spin", hidden="relu", seed=0))


def test_large_models_are_refused_with_data_too() -> None:
    large = rf.RBM(29, 30, seed=0)
    for call in (rf.log_likelihood, exact_gradient, lambda rbm, X: kl_divergence(X, rbm)):
        with pytest.raises(ValueError, match=r"2\*\*29 states of the visible layer"):
            call(large, np.zeros((1, 29)))


@pytest.mark.parametrize("what", ["the exact log Z", "exact sampling"])
def test_models_without_countable_states_are_refused(what: str) -> None:
    hidden = rf.Mixed([(rf.Bernoulli(), 1), (rf.Gaussian(), 1)])
    with pytest.raises(ValueError, match=r"neither layer of RBM.* can be enumerated"):
        CALLS[what](rf.RBM(3, 2, visible="gaussian", hidden=hidden, seed=0))
    # Only the countable layer counts, however small the other one is.
    with pytest.raises(ValueError, match=r"2\*\*30 states of the hidden layer"):
        CALLS[what](rf.RBM(2, 30, visible="gaussian", seed=0))


def test_only_models_are_taken() -> None:
    with_data = (rf.log_likelihood, exact_gradient, rf.pseudo_likelihood, rf.conservative_log_likelihood)
    calls = [functools.partial(call, X=[[0]]) for call in with_data]
    calls += [*CALLS.values(), log_probabilities, rf.chain_diagnostics, lambda rbm: kl_divergence([[0]], rbm)]
    for call in [*calls, lambda rbm: rf.compare_samples(rbm, [[0], [1]], [[0], [1]])]:
        with pytest.raises(TypeError, match=r"^rbm must be an rf\.RBM, got int$"):
            call(3)


def test_lists_of_states_stay_short() -> None:
    for n in (0, 26):
        with pytest.raises(ValueError, match=f"^n_units must be an integer from 1 to 25, got {n}$"):
            all_states(n)


def test_threads_do_not_matter_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", 20)
    rbm, values = model(20, 12, visible="gaussian"), set()
    for n in (1, 3):
        rf.set_num_threads(n)
        values.add(exact_log_z(rbm))
    assert len(values) == 1
