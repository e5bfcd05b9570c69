"""The engine's loops over chains, epochs and annealing give the bits of one pass after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from training.helpers import StepCD, StepPCD, bits

import rbmfast as rf
from rbmfast.units import Categorical, Mixed, Unit

N, M = 43, 22
MIXED = Mixed([(Categorical(3), 9), (rf.Bernoulli(), 7), (rf.Spin(), 4), (Categorical([2, 5, 4]), 11)])
LAYERS: dict[str, tuple[Any, Any]] = {
    "groups": (Categorical([5, 2, 33, 3]), "bernoulli"),
    "blocks, groups": (Mixed([(MIXED, 31), (Categorical(4), 12)]), Categorical(11)),  # not nested ones
    "spins, blocks": ("spin", Mixed([(Categorical(2), 6), (rf.Bernoulli(), 1), (Categorical(5), 15)])),
    "all": (
        Mixed([*MIXED.parts, (Categorical(4), 12)]),
        Mixed([(rf.Bernoulli(), 12), (Categorical(10), 10)]),
    ),
}
every_pair = pytest.mark.parametrize("name", LAYERS)


def model(name: str, scale: float = 0.5) -> rf.RBM:
    rng, (visible, hidden) = np.random.default_rng(3), LAYERS[name]
    arrays = (rng.normal(scale=scale, size=shape) for shape in ((N, M), N, M))
    return rf.RBM.from_arrays(*arrays, visible=visible, hidden=hidden)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls it with and without the engine's loops."""

    def both(call: Any) -> tuple[Any, Any]:
        fast = call()
        with monkeypatch.context() as patch:
            for unit in (rf.Bernoulli, Categorical, Mixed):
                patch.setattr(unit, "blocks", Unit.blocks)
            return fast, call()

    return both


@every_pair
def test_chains(name: str, one_by_one: Any) -> None:
    rbm = model(name)
    v = rbm.sample(70, steps=2, seed=1)
    held = np.repeat(np.random.default_rng(0).random((70, 1)) < 0.5, N, axis=1)
    for call in (
        lambda: rbm.gibbs(v, 3, seed=2, first_row=9, return_hidden=True),
        lambda: (rbm.impute(v, held, steps=3, seed=2),),
    ):
        fast, slow = one_by_one(call)
        for one, other in zip(fast, slow, strict=True):
            assert_array_equal(one, other)
    assert (rbm._up.blocks is None) == (name == "blocks, groups")


@pytest.mark.filterwarnings("ignore:ais")
@every_pair
def test_annealing(name: str, one_by_one: Any) -> None:
    rbm = model(name)
    fast, slow = one_by_one(lambda: rf.log_partition(rbm, "ais", n_chains=35, n_temperatures=9, seed=4))
    assert fast.value == slow.value
    assert_array_equal(fast.log_weights, slow.log_weights)


@every_pair
@pytest.mark.parametrize("k", [1, 3])
def test_epochs(name: str, k: int) -> None:
    X, learned = model(name).sample(47, steps=3, seed=5), []
    visible, hidden = LAYERS[name]
    for method in (rf.CD(k), StepCD(k), rf.PCD(k, 23), StepPCD(k, 23)):
        rbm = rf.RBM(N, M, visible=visible, hidden=hidden, seed=1)
        settings = {"optimizer": rf.SGD(0.1, momentum=0.5), "centered": True, "epochs": 2, "batch_size": 10}
        rf.train(rbm, X, method=method, seed=7, **settings)
        learned.append(bits(rbm))
    assert learned[0] == learned[1] and learned[2] == learned[3] and learned[0] != learned[2]
