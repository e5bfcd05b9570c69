"""Fine-tuning: gradients against differences of losses, updates against NumPy, and what surrounds them."""

from __future__ import annotations

import _thread
from typing import Any

import numpy as np
import pytest
from training.helpers import random_rows, slopes

import rbmfast as rf
from rbmfast.data import as_rows
from rbmfast.training.backprop import Backprop, as_targets, mean_loss
from rbmfast.training.optimizers import Steps

RNG = np.random.default_rng(0)
X = random_rows(47, 9)
REAL = RNG.standard_normal((47, 9)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 47)
X_VAL, CLASSES_VAL = random_rows(20, 9, seed=1), RNG.integers(0, 3, 20)
UNITS = np.where(RNG.random((47, 3)) < 0.5, RNG.random((47, 3)), RNG.random((47, 3)) < 0.5)
NUMBERS = RNG.standard_normal((47, 3))
TARGETS: dict[str, Any] = {"softmax": CLASSES, "sigmoid": UNITS, "linear": NUMBERS}


def network(
    head: str = "softmax", hidden: str = "sigmoid", domain: str = "binary", out: int = 3
) -> rf.Network:
    sizes, kinds = (9, 7, 5, out), ("sigmoid", hidden, head)
    layers = []
    for i, (n_in, n_out, kind) in enumerate(zip(sizes, sizes[1:], kinds, strict=False)):
        b = np.random.default_rng(i).standard_normal(n_out)
        layers.append(rf.Dense(2 * rf.Dense.new(n_in, n_out, seed=3, layer=i).W, b, kind))
    return rf.Network(layers, domain)


def bits(net: rf.Network) -> list[bytes]:
    return [array.tobytes() for layer in net.layers for array in (layer.W, layer.b)]


def as_float64(parameters: list[Any]) -> list[Any]:
    return [array.astype(np.float64) for array in parameters]


# --- Losses and gradients ----------------------------------------------------------------------------------


def losses(net: rf.Network, parameters: list[Any], x: Any, y: Any, factors: list[Any]) -> Any:
    """Losses of rows in float64, from the definitions; units sent on times what dropout has left of each."""
    for i, layer in enumerate(net.layers):
        x = x * factors[i] @ parameters[2 * i] + parameters[2 * i + 1]
        if i < len(net.layers) - 1 and layer.activation == "sigmoid":
            x = 1 / (1 + np.exp(-x))
    if net.head == "softmax":
        return np.log(np.exp(x).sum(axis=1)) - x[np.arange(len(x)), y]
    if net.head == "sigmoid":
        return (np.logaddexp(0, x) - y * x).sum(axis=1)
    return 0.5 * ((x - y) ** 2).sum(axis=1)


@pytest.mark.parametrize("dropout", [(), (0.3, 0.5, 0.2)], ids=["", "dropout"])
@pytest.mark.parametrize("hidden", ["sigmoid", "linear"])
@pytest.mark.parametrize("head", TARGETS)
@pytest.mark.parametrize("domain, data", [("binary", X), ("real", REAL)])
def test_gradients_are_differences_of_losses(
    head: str, hidden: str, domain: str, data: Any, dropout: tuple[float, ...]
) -> None:
    """With dropout, of the network that is left: by the very units that were dropped."""
    net, y = network(head, hidden, domain), TARGETS[head]
    backprop = Backprop(net, 60, dropout, seed=7)  # more room than rows
    targets = as_targets(net, data, y, 47, "y")
    rows = np.arange(47)
    found, wrong = backprop.learn(as_rows(data, domain=domain).all(), targets.block(rows), rows, 11)
    factors = [factor[:47].astype(np.float64) for factor in backprop._factors[:3]] if dropout else [1.0] * 3
    y = targets.block(rows).astype(np.float64) if head != "softmax" else y
    x, parameters = data.astype(np.float64), as_float64(backprop.parameters)
    expected = losses(net, parameters, x, y, factors)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for gradient, array in zip(backprop.gradients, parameters, strict=True):
        difference = slopes(lambda: losses(net, parameters, x, y, factors).sum(), array)
        np.testing.assert_allclose(gradient, difference, rtol=1e-3, atol=2e-4)
    if not dropout:
        assert (wrong is None) == (head != "softmax")
        assert wrong is None or np.array_equal(wrong, net.predict(data) != y)
        values = mean_loss(net, as_rows(data, domain=domain), targets)
        assert values["loss"] == pytest.approx(expected.mean(), rel=1e-5)


def test_dropout_keeps_the_mean() -> None:
    """Of 40 000 units a share 0.3 is dropped; 5 standard deviations, false alarms 6e-7."""
    net = rf.Network([rf.Dense(np.zeros((400, 2)), [0, 0], "softmax")])
    backprop = Backprop(net, 100, (0.3,), seed=1)
    states, rows = np.ones((100, 400), np.uint8), np.arange(100)
    draws = {}
    for step, ids in ((0, rows), (1, rows), (0, rows + 100)):
        backprop.learn(states, np.zeros(100, np.int64), ids, step)
        draws[step, int(ids[0])] = backprop._sent[0].copy()
    for sent in draws.values():
        kept = sent > 0
        assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.3 * 0.7 / kept.size)
        assert np.all(sent[kept] == np.float32(1 / 0.7))
    first, *others = draws.values()
    assert all(((sent > 0) != (first > 0)).mean() > 0.3 for sent in others)
    backprop.learn(states[:40], np.zeros(40, np.int64), rows[60:], 0)  # the row decides, not its place
    assert np.array_equal(backprop._sent[0][:40], first[60:])


def steps_of(backprop: Backprop, optimizer: Any, l2: float) -> Steps:
    return Steps(optimizer, dict(zip("ABCDEF", backprop.parameters, strict=True)), l2)


# --- Updates -----------------------------------------------------------------------------------------------


def test_one_update_of_sgd_is_that_of_numpy() -> None:
    net, lr, mu, l2 = network(), 0.3, 0.8, 0.01
    backprop = Backprop(net, 47)
    steps = steps_of(backprop, rf.SGD(lr, mu), l2)
    values = as_float64(backprop.parameters)
    velocities = [np.zeros_like(value) for value in values]
    for update in range(3):
        backprop.learn(X, CLASSES, np.arange(47), update)
        for value, velocity, gradient in zip(values, velocities, backprop.gradients, strict=True):
            decay = l2 if value.ndim == 2 else 0.0
            velocity *= mu
            velocity -= lr * (gradient / 47 + decay * value)
            value += velocity
        steps.take(backprop.parameters, backprop.gradients, 1 / 47, (lr, mu))
        for value, ours in zip(values, backprop.parameters, strict=True):
            np.testing.assert_allclose(ours, value, rtol=1e-5, atol=1e-6)


def test_a_run_is_its_updates() -> None:
    """`fine_tune` makes the updates of its batches in order, with the means of each, however short."""
    net, twin = network(), network()
    optimizer = rf.SGD(rf.Linear(0.5, 0.1), rf.Steps({0: 0.5, 1: 0.9}))
    history = rf.fine_tune(
        net,
        X,
        CLASSES,
        optimizer=optimizer,
        epochs=2,
        batch_size=20,
        shuffle=False,
        l2=0.01,
        dropout=0.1,
        seed=5,
    )
    backprop = Backprop(twin, 20, (0.1,) * 3, seed=5)
    steps = steps_of(backprop, optimizer, 0.01)
    means = []
    for update in range(6):
        rows = np.arange(47)[(update % 3) * 20 :][:20]
        means.append(backprop.learn(X[rows], CLASSES[rows], rows, update)[0].mean())
        numbers = (0.5 + (0.1 - 0.5) * (update / 6), 0.5 if update < 3 else 0.9)
        steps.take(backprop.parameters, backprop.gradients, 1 / len(rows), numbers)
    expected = [array.tobytes() for array in backprop.parameters]
    assert bits(net) == expected
    assert history["train_loss"][2] == pytest.approx(np.average(means[3:], weights=[20, 20, 7]))
    assert history["rate"][2] == 0.5 + (0.1 - 0.5) * (5 / 6)


def test_weights_are_shares_of_an_update() -> None:
    """Of whole numbers: as many rows. A row of weight 0 teaches nothing, and its loss is recorded."""
    weights = RNG.integers(0, 4, 47)
    one, many = network(), network()
    settings: dict[str, Any] = {"optimizer": rf.SGD(0.5), "epochs": 1, "seed": 0}
    history = rf.fine_tune(one, X, CLASSES, sample_weight=weights / weights.mean(), **settings)
    repeated = np.repeat(np.arange(47), weights)
    rf.fine_tune(many, X[repeated], CLASSES[repeated], batch_size=len(repeated), **settings)
    for ours, theirs in zip(one.layers, many.layers, strict=True):
        np.testing.assert_allclose(ours.W, theirs.W, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ours.b, theirs.b, rtol=1e-5, atol=1e-6)
    same = mean_loss(network(), as_rows(X), as_targets(network(), X, CLASSES, 47, "y"))
    assert history["train_loss"][1] == pytest.approx(same["loss"])
    equal = network(), network()
    rf.fine_tune(equal[0], X, CLASSES, **settings)
    rf.fine_tune(equal[1], X, CLASSES, sample_weight=np.ones(47), **settings)
    assert bits(equal[0]) == bits(equal[1])


@pytest.mark.parametrize("optimizer", [rf.SGD(0.5, 0.9), rf.Adam(0.02)])
def test_learning(optimizer: Any) -> None:
    rng = np.random.default_rng(3)
    data = rng.integers(0, 2, (600, 8))
    y = data[:, 0] ^ data[:, 1]
    net = rf.Network([rf.Dense.new(8, 24, seed=0), rf.Dense.new(24, 2, "softmax", seed=0, layer=1)])
    history = rf.fine_tune(
        net, data[:400], y[:400], optimizer=optimizer, epochs=60, batch_size=20, seed=1,
        validation=(data[400:], y[400:]),
    )  # fmt: skip
    assert history["validation_error"][0] > 0.3
    assert history["validation_error"][-1] == 0 == (net.predict(data[400:]) != y[400:]).mean()
    assert history["train_loss"][-1] < 0.05


@pytest.mark.parametrize("head, domain, data", [("sigmoid", "binary", X), ("linear", "real", REAL)])
def test_autoencoder(head: str, domain: str, data: Any) -> None:
    net, twin = (network(head, domain=domain, out=9) for _ in range(2))
    settings: dict[str, Any] = {"optimizer": rf.Adam(0.02), "epochs": 40, "batch_size": 10, "seed": 1}
    history = rf.fine_tune(net, data, validation=(data, None), **settings)
    assert history["validation_loss"][-1] < 0.9 * history["validation_loss"][0]
    rf.fine_tune(twin, data, data, **settings)
    assert bits(twin) == bits(net)
    assert "train_error" not in history


def test_decay_shrinks_weights_and_no_biases() -> None:
    net = rf.Network([rf.Dense(np.ones((9, 3)), np.ones(3), "linear")])
    rf.fine_tune(
        net, np.zeros((10, 9)), np.ones((10, 3)), optimizer=rf.SGD(0.1), l2=0.5, epochs=3, batch_size=10
    )
    np.testing.assert_allclose(net.layers[0].W, 0.95**3, rtol=1e-6)  # no gradient but that of the decay
    assert (net.layers[0].b == 1).all()


# --- Containers, stopping, going on ------------------------------------------------------------------------


def test_patience_is_early_stopping() -> None:
    settings: dict[str, Any] = {"optimizer": rf.SGD(1.0, 0.9), "batch_size": 5, "seed": 2, "epochs": 200}
    settings["validation"] = (X_VAL, CLASSES_VAL)
    net, twin = network(), network()
    history = rf.fine_tune(net, X, CLASSES, patience=3, **settings)
    best = 1 + int(np.argmin(history["validation_loss"][1:]))
    assert len(history) - 1 == best + 3 < 200 and history.stopped is not None
    rf.fine_tune(twin, X, CLASSES, callbacks=[rf.EarlyStopping("validation_loss", patience=3)], **settings)
    assert bits(twin) == bits(net)
    values = mean_loss(net, as_rows(X_VAL), as_targets(net, X_VAL, CLASSES_VAL, 20, "y"))
    assert values["loss"] == history["validation_loss"][best]


class PressCtrlC(rf.Callback):
    """Ctrl-C in the middle of the second epoch."""

    def on_epoch_end(self, progress: Any) -> None:
        self.seen = bits(progress.rbm)
        _thread.interrupt_main()


def test_ctrl_c_leaves_the_network_whole() -> None:
    net, callback = network(), PressCtrlC()
    with pytest.raises(KeyboardInterrupt):
        rf.fine_tune(net, X, CLASSES, epochs=10**6, batch_size=5, callbacks=[callback], seed=1)
    assert bits(net) == callback.seen


@pytest.mark.parametrize(
    ("rate", "batch_size"), [(1e30, 5), (1e16, 100)]
)  # not finite; too large for a model
def test_divergence_keeps_the_last_epoch(rate: float, batch_size: int) -> None:
    net = network("linear", domain="real")
    before = bits(net)
    with (
        pytest.raises(FloatingPointError, match="learning diverged"),
        np.errstate(all="ignore"),
    ):
        rf.fine_tune(net, REAL, NUMBERS, optimizer=rf.SGD(rate), epochs=1, batch_size=batch_size, seed=1)
    assert bits(net) == before


def test_what_is_plainly_meant() -> None:
    """A vector is the one output of each row; a number is the rate of plain steps."""
    rf.fine_tune(plain := one_output(), X, NUMBERS[:, 0], optimizer=0.05, epochs=2, seed=1)
    for y in (NUMBERS[:, :1], NUMBERS[:, 0].tolist()):
        rf.fine_tune(net := one_output(), X, y, optimizer=rf.SGD(0.05), epochs=2, seed=1)
        assert bits(net) == bits(plain)


def one_output() -> rf.Network:
    return rf.Network([rf.Dense.new(X.shape[1], 1, "linear", seed=0)])
