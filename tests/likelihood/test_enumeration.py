"""The states of a layer in blocks, and what is refused."""

import functools

import numpy as np
import pytest
from likelihood.helpers import model
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast.likelihood import (
    all_states,
    exact_gradient,
    exact_moments,
    exact_samples,
    kl_divergence,
    log_probabilities,
)
from rbmfast.likelihood.enumeration import Blocks, exact_log_z, hidden_layer, visible_layer

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


# --- Refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", CALLS)
def test_large_models_are_refused_with_their_cost(what: str) -> None:
    cost = r"2\*\*500 states of the hidden layer and 10\*\*153 exponentials; at most 2\*\*25 are enumerated"
    end = "; method='bracket' estimates it" if what == "the exact log Z" else ""
    with pytest.raises(ValueError, match=rf"^{what} of RBM\(784, 500\) would take {cost}{end}$"):
        CALLS[what](rf.RBM(784, 500, seed=0))
    with pytest.raises(ValueError, match=r"2\*\*26 states of the visible layer"):
        CALLS[what](rf.RBM(26, 30, seed=0))


def test_large_models_are_refused_with_data_too() -> None:
    large = rf.RBM(26, 30, seed=0)
    for call in (rf.log_likelihood, exact_gradient, lambda rbm, X: kl_divergence(X, rbm)):
        with pytest.raises(ValueError, match=r"2\*\*26 states of the visible layer"):
            call(large, np.zeros((1, 26)))


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


def test_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", 20)
    rbm, values = model(20, 12), set()
    for n in (1, 3):
        rf.set_num_threads(n)
        values.add(exact_log_z(rbm))
    assert len(values) == 1
