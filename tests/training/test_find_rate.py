"""`rbmfast.find_rate`: what it says of each rate is what a run of one's own would say."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from training.helpers import bits, random_rows

import rbmfast as rf
from rbmfast.training import FoundRate

X, HELD_OUT = random_rows(60, 9), random_rows(20, 9, seed=1)
SETTINGS: dict[str, Any] = {"batch_size": 10, "seed": 5, "method": rf.PCD(1)}
RATES = (0.03, 0.3, 3.0)
MACHINE = rf.BoltzmannMachine(9, seed=3)


@pytest.mark.parametrize(
    "model, optimizer, monitor",
    [
        (rf.RBM(9, 5, seed=3), rf.SGD(momentum=0.5), rf.LogLikelihood()),
        (rf.RBM(27, 25, seed=3), rf.SGD(momentum=0.5), rf.PseudoLikelihood()),  # log Z is not exact
        (MACHINE, rf.Adam(clip=1.0), rf.PseudoLikelihood()),
    ],
    ids=repr,
)
def test_each_number_is_that_of_a_run(model: Any, optimizer: Any, monitor: Any) -> None:
    rows, held_out = (np.hstack([x] * (model.n_visible // 9)) for x in (X, HELD_OUT))
    before = {name: x.tobytes() for name, x in model.parameters().items()}
    found = rf.find_rate(model, rows, validation=held_out, rates=RATES[::-1], optimizer=optimizer, **SETTINGS)
    assert before == {name: x.tobytes() for name, x in model.parameters().items()}
    name = found.judge
    assert (found.rates, name) == (RATES, f"validation_{monitor.number}")
    for rate, value in zip(found.rates, found.values, strict=True):
        own: Any = {rf.SGD: rf.SGD(rate, 0.5), rf.Adam: rf.Adam(rate, clip=1.0)}[type(optimizer)]
        one = copy.deepcopy(model)
        watching = {"validation": held_out, "monitors": monitor}
        history = rf.train(one, rows, optimizer=own, epochs=3, **watching, **SETTINGS)
        assert history[name][-1] == value
        assert history[name][0] == found.start
    assert found.rate == found.rates[int(np.argmax(found.values))]
    again = rf.find_rate(model, rows, validation=held_out, rates=RATES, optimizer=optimizer, **SETTINGS)
    assert again == found


def test_of_a_network_the_loss_judges() -> None:
    y, held_out = np.arange(60) % 3, (HELD_OUT, np.arange(20) % 3)
    net = rf.Network([rf.Dense.new(9, 3, "softmax", seed=0)])
    found = rf.find_rate(net, X, y, validation=held_out, rates=(0.01, 100.0), epochs=2, seed=1, dropout=0.1)
    history = rf.fine_tune(
        net, X, y, validation=held_out, optimizer=rf.SGD(0.01), epochs=2, seed=1, dropout=0.1
    )
    assert (found.judge, found.better, found.rate) == ("validation_loss", "min", 0.01)
    assert found.values[0] == history["validation_loss"][-1] < found.values[1]


def test_grey_levels_have_no_likelihood() -> None:
    found = rf.find_rate(rf.RBM(9, 5, seed=3), X / 2, validation=HELD_OUT / 2, rates=[0.1], **SETTINGS)
    assert found.judge == "validation_pseudo_likelihood"


def test_divergence_is_a_failure_and_all_is_said() -> None:
    rates, model = (0.1, 0.2, 1e16, 1e30), rf.RBM(9, 5, seed=3)
    found = rf.find_rate(model, X, validation=HELD_OUT, rates=rates, epochs=1, **SETTINGS)
    assert [*map(math.isnan, found.values)] == [False, False, True, True]
    lines = str(found).splitlines()
    assert "validation_log_likelihood after 1 epoch (before: " in lines[0]
    assert [line.split()[0] for line in lines[1:5]] == ["0.1", "0.2", "1e+16", "1e+30"]
    assert [line.split()[-1] for line in lines[3:5]] == ["diverged"] * 2
    assert [line.split()[0] for line in lines if line.endswith("best")] == [f"{found.rate:g}"]
    with pytest.raises(ValueError, match=r"rates: learning diverged at all of 1e\+16, 1e\+30: try lower"):
        rf.find_rate(model, X, validation=HELD_OUT, rates=rates[2:], **SETTINGS)
    assert bits(model) == bits(rf.RBM(9, 5, seed=3))
    alone = FoundRate(0.1, (0.1, 0.2), (1.0, 2.0), 3.0, "validation_loss", "min", 3)
    assert str(alone).endswith("the best is the lowest that was tried")


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({"rates": []}, ValueError, "rates must hold a rate or more"),
        ({"rates": 0.1}, TypeError, "rates must be a list"),
        ({"rates": [0.1, 0]}, ValueError, "rates must be a finite number above 0"),
        ({"epochs": 0}, ValueError, "epochs must be an integer of at least 1"),
        ({"validation": None}, ValueError, "validation must be given"),
        ({"y": [0]}, ValueError, "y must be None"),
        ({"model": rf.DBM([9, 5, 4])}, ValueError, "monitor must be given for DBM"),
        ({"model": rf.DBN([9, 5])}, TypeError, "model must be"),
        ({"monitor": rf.WeightNorm()}, ValueError, "monitor must record a number of validation data"),
        ({"monitor": "loss"}, TypeError, "monitor must be a Monitor"),
        ({"optimizer": "adam"}, TypeError, "optimizer must be"),
        ({"checkpoint": "run.ckpt"}, TypeError, "has no argument 'checkpoint'"),
        ({"colour": 1}, TypeError, "has no argument 'colour'"),
    ],
    ids=str,
)
def test_refusals(given: dict[str, Any], error: type[Exception], message: str) -> None:
    settings = {"model": rf.RBM(9, 5, seed=3), "X": X, "validation": HELD_OUT, **SETTINGS, **given}
    with pytest.raises(error, match=message):
        rf.find_rate(**settings)
