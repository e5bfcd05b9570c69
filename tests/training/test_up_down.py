"""Up-down fine-tuning: against enumeration, with the same bits everywhere, and never half done."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
from models.helpers import network as random_network
from models.helpers import watch_draws
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, xlogy
from training.helpers import Penalty, Stop, random_rows, slopes

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import reference
from rbmfast.likelihood import all_states
from rbmfast.models.conditionals import Conditional, Conditionals
from rbmfast.reference import F32, States
from rbmfast.streams import Purpose
from rbmfast.training import Method
from rbmfast.training.phases import prediction_gradient, squared_error
from rbmfast.training.up_down import Directed, UpDown

F64 = NDArray[np.float64]

X = random_rows(47, 9)
Y = np.random.default_rng(4).integers(0, 3, 47)
GREY = (np.random.default_rng(5).random((47, 9)) ** 2).astype(np.float32)
REAL = np.random.default_rng(2).normal(size=(47, 9)).astype(np.float32)


def network(sizes: Any = (9, 6, 5, 7), scale: float = 0.5, **units: Any) -> rf.DBN:
    return random_network(sizes, 3, scale, **units)


def bits(dbn: rf.DBN) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in dbn.to_state()[1].items()}


# --- The update, against enumeration ---------------------------------------------------------------------


class Exact:
    """A network of three small layers, in float64 and by enumeration. States are rows in counting order."""

    def __init__(self, dbn: rf.DBN) -> None:
        down, up, top = dbn.generative[0], dbn.recognition[0], dbn.top
        self.V, self.H = (all_states(n).astype(np.float64) for n in dbn.sizes[:2])
        self.v_given_h = expit(self.H @ down.W.T.astype(np.float64) + down.a)
        self.h_given_v = expit(self.V @ up.W.astype(np.float64) + up.b)
        x = self.H @ top.W.astype(np.float64) + top.b
        self.top_given_h = expit(x)
        log_p = self.H @ top.a.astype(np.float64) + np.logaddexp(0, x).sum(axis=1)
        self.log_prior = log_p - logsumexp(log_p)
        on, off = np.log(self.v_given_h), np.log1p(-self.v_given_h)
        self.log_joint = (self.V @ on.T + (1 - self.V) @ off.T) + self.log_prior  # (v, h)
        self.q = np.exp(self.H @ np.log(self.h_given_v).T + (1 - self.H) @ np.log1p(-self.h_given_v).T).T

    def log_likelihood(self, data: F64) -> float:
        """Mean over data with these probabilities of the visible states."""
        return float(data @ logsumexp(self.log_joint, axis=1))

    def bound(self, data: F64) -> float:
        return float(data @ (self.q * self.log_joint - xlogy(self.q, self.q)).sum(axis=1))

    def expected_update(self, data: F64) -> dict[str, F64]:
        """What an update's samples are averages of: parameters and their gradients."""
        joint = data[:, None] * self.q  # wake
        dreams = np.exp(self.log_joint)  # sleep
        error = self.V[:, None] - self.v_given_h
        answer = self.H - self.h_given_v[:, None]
        h_wake, h_dream = joint.sum(axis=0), np.exp(self.log_prior)
        change = h_wake - h_dream
        return {
            "generative/0/W": np.einsum("vh,vhi,hj->ij", joint, error, self.H),
            "generative/0/a": np.einsum("vh,vhi->i", joint, error),
            "recognition/0/W": np.einsum("vh,vi,vhj->ij", dreams, self.V, answer),
            "recognition/0/b": np.einsum("vh,vhj->j", dreams, answer),
            "generative/1/W": np.einsum("h,hi,hj->ij", change, self.H, self.top_given_h),
            "generative/1/a": change @ self.H,
            "generative/1/b": change @ self.top_given_h,
        }


N_ROWS = 32_768  # the largest batch
SHARES = np.array([5, 1, 0, 0, 2, 1, 0, 3, 0, 0, 4, 0, 1, 0, 6, 9]) / 32  # of 16 visible states
ROWS = np.repeat(all_states(4), (SHARES * N_ROWS).astype(int), axis=0)


class NoSteps(Method):
    """A method that needs no Gibbs steps; its samples are the data themselves."""

    k = 0
    purpose = Purpose.CD

    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None
    ) -> tuple[States, F32]:
        return v, x


def test_an_update_is_what_it_should_be_on_average() -> None:
    """One update of 32 768 rows, all its gradients at once. Each of 43 numbers is within five of its largest
    possible standard deviations of its expectation: false alarm rate below 3e-5.
    """
    dbn = network((4, 3, 4), scale=1.0)
    dbn.untie()
    dbn.recognition[0].W = dbn.recognition[0].W + 0.5  # so that all layers have something to learn
    before, expected, rate = dbn.to_state()[1], Exact(dbn).expected_update(SHARES), 1 / 64
    optimizer = rf.SGD(rate)
    rf.up_down(dbn, ROWS, method=rf.CD(50), optimizer=optimizer, epochs=1, batch_size=N_ROWS, seed=1)
    after = dbn.to_state()[1]
    for name, gradient in expected.items():
        change = (after[name].astype(np.float64) - before[name]) / rate
        assert np.abs(gradient).max() > 0.05, name
        assert np.abs(change - gradient).max() < 5 * np.sqrt(0.5 / N_ROWS), name
    for name in ("generative/0/b", "recognition/0/a"):  # of no use
        assert np.array_equal(after[name], before[name])


def test_the_wake_phase_ascends_the_bound() -> None:
    """Its expected update is the bound's derivative, by finite differences."""
    dbn = network((4, 3, 4), scale=1.0)
    dbn.untie()
    expected = Exact(dbn).expected_update(SHARES)
    for i, rbm in enumerate(dbn.generative):
        for name in "Wab" if i else "Wa":
            moved = getattr(rbm, name).copy()

            def bound(rbm: rf.RBM = rbm, name: str = name, moved: Any = moved) -> float:
                setattr(rbm, name, moved)
                return Exact(dbn).bound(SHARES)

            found = slopes(bound, moved, 2.0**-7)
            setattr(rbm, name, moved)
            np.testing.assert_allclose(found, expected[f"generative/{i}/{name}"], atol=2e-5)


def greedy(sizes: Any, data: Any) -> rf.DBN:
    """Two RBMs trained one after the other."""
    dbn = rf.DBN(sizes, seed=0)
    settings: dict[str, Any] = {"method": rf.CD(1), "optimizer": rf.SGD(0.1), "epochs": 20, "batch_size": 50}
    rf.train(dbn.generative[0], data, seed=1, **settings)
    hidden = dbn.sample_hidden(data, layer=1, seed=2)
    rf.train(dbn.generative[1], hidden, seed=3, **settings)
    return dbn


@pytest.mark.slow
def test_learning_after_a_greedy_start() -> None:
    data = random_rows(1000, 8, seed=6)
    shares = np.bincount(data @ (1 << np.arange(7, -1, -1)), minlength=256) / 1000
    dbn = greedy((8, 5, 5), data)
    start, bound = Exact(dbn).log_likelihood(shares), Exact(dbn).bound(shares)
    assert start >= bound
    history = rf.up_down(
        dbn, data, method=rf.CD(5), optimizer=rf.SGD(rf.Linear(0.1)), epochs=40, batch_size=20, seed=4
    )
    end = Exact(dbn)
    assert end.log_likelihood(shares) > start + 0.1
    assert end.bound(shares) > bound + 0.1
    assert history["reconstruction_error"][-1] < history["reconstruction_error"][1]


@pytest.mark.slow
def test_the_error_of_labels_falls() -> None:
    n_classes = 4
    rng = np.random.default_rng(7)
    classes = rng.integers(0, n_classes, 800)
    data = ((rng.random((n_classes, 20)) < 0.5)[classes] ^ (rng.random((800, 20)) < 0.15)).astype(np.uint8)
    dbn = rf.DBN([20, 16, 16], n_classes=n_classes, seed=0)
    rf.train(dbn.generative[0], data, epochs=10, batch_size=20, seed=1)
    held_out = data[600:], classes[600:]
    history = rf.up_down(
        dbn,
        data[:600],
        classes[:600],
        optimizer=rf.SGD(0.1, 0.5),
        epochs=30,
        batch_size=20,
        seed=2,
        validation=held_out,
    )
    errors = history["validation_error"]
    assert errors[0] > 0.5
    assert errors[-1] < 0.1
    assert errors[-1] == np.mean(dbn.predict(held_out[0]) != held_out[1])


# --- What is trained -------------------------------------------------------------------------------------


def test_all_but_the_top_is_untied() -> None:
    dbn = network()
    before = bits(dbn)
    rf.up_down(dbn, X, epochs=1, seed=1)
    assert dbn.recognition[-1] is dbn.top
    assert not any(r is g for r, g in zip(dbn.recognition[:-1], dbn.generative[:-1], strict=True))
    after = bits(dbn)
    for name in ("generative/0/W", "generative/1/W", "generative/2/W", "generative/1/a", "generative/2/b"):
        assert after[name] != before[name]
    for i in (0, 1):
        assert after[f"recognition/{i}/W"] != before[f"generative/{i}/W"]
        assert after[f"recognition/{i}/a"] == before[f"generative/{i}/a"]  # of no use: as it was


def test_no_epochs() -> None:
    dbn, tied = network(), network()
    history = rf.up_down(dbn, X, epochs=0, seed=1)
    assert len(history) == 1
    assert np.isnan(history["reconstruction_error"][0])
    tied.untie()
    assert all(np.array_equal(a, b) for a, b in zip(dbn.transform(X), tied.transform(X), strict=True))


def test_the_top_keeps_the_means_of_what_it_learned_from() -> None:
    dbn = network((9, 6, 7))
    rf.up_down(dbn, X, epochs=1, seed=1, optimizer=rf.SGD(0.0))
    q = dbn.hidden_probabilities(X, layer=1)  # 47 rows: within five standard deviations, alarm below 4e-6
    deviation = np.sqrt((q * (1 - q)).sum(axis=0)) / 47
    assert (np.abs(dbn.top.visible_means - q.mean(axis=0)) < 5 * deviation).all()


def test_the_columns_of_the_history() -> None:
    dbn = network((9, 6, 7))
    history = rf.up_down(dbn, X, epochs=2, seed=1, optimizer=rf.SGD(0.0), validation=GREY)
    assert history.keys()[-2:] == ("reconstruction_error", "validation_reconstruction_error")
    error = ((GREY - dbn.reconstruct(GREY)) ** 2).mean()
    assert history["validation_reconstruction_error"] == pytest.approx([error] * 3, rel=1e-4)
    q = dbn.hidden_probabilities(X, layer=1)
    again = [
        dbn.generative[0].visible_probabilities(q_row > np.random.default_rng(0).random((99, 6)))
        for q_row in q
    ]
    expected = np.mean([((x - p) ** 2).mean() for x, p in zip(X, again, strict=True)])
    assert history["reconstruction_error"][1:] == pytest.approx([expected] * 2, rel=0.1)


@pytest.mark.parametrize("data", [X, REAL], ids=["binary", "gaussian"])
def test_weights_are_shares_of_what_data_teach(data: Any) -> None:
    """What some rows teach and what the others teach add up to what all teach; dreams have no weights."""
    share = np.random.default_rng(7).random(47)

    def change(weights: Any) -> dict[str, Any]:
        dbn = network(visible="gaussian" if data is REAL else "bernoulli")
        before = dbn.to_state()[1]
        dbn.untie()
        rf.up_down(dbn, data, sample_weight=weights, optimizer=rf.SGD(0.1), epochs=1, batch_size=47, seed=5)
        after = dbn.to_state()[1]
        return {name: after[name] - before[name] for name in before if name.startswith("generative")}

    some, others, alike = change(share), change(1 - share), change(None)
    learned = {name for name in alike if name[-1] in "Wab" and alike[name].any()}
    assert {name[-3:] for name in learned} == {"0/W", "0/a", "1/W", "1/a", "2/W", "2/a", "2/b"}
    for name in learned:
        np.testing.assert_allclose(some[name] + others[name], alike[name], atol=1e-6, err_msg=name)
        assert not np.allclose(some[name], others[name], atol=1e-4)


def test_penalties_of_all_layers() -> None:
    """Without a rate for anything else, weights shrink; a custom penalty does what a built-in one does."""
    ours, theirs, free = network(), network(), network()
    rf.up_down(ours, X, epochs=2, seed=1, penalties=[Penalty(lambda W: -0.25 * W)], optimizer=rf.SGD(0.1))
    rf.up_down(theirs, X, epochs=2, seed=1, penalties=[rf.L2(0.25)], optimizer=rf.SGD(0.1))
    rf.up_down(free, X, epochs=2, seed=1, optimizer=rf.SGD(0.1))
    for name, array in ours.to_state()[1].items():
        if name.endswith("/W"):
            assert np.allclose(array, theirs.to_state()[1][name], atol=1e-5)
            assert np.linalg.norm(array) < np.linalg.norm(free.to_state()[1][name])


def test_a_sparsity_target_is_for_the_top() -> None:
    free, sparse = network(), network()
    settings: dict[str, Any] = {"epochs": 1, "seed": 1, "batch_size": 47}
    rf.up_down(free, X, **settings)
    rf.up_down(sparse, X, penalties=[rf.SparsityTarget(0.01, cost=5.0)], **settings)
    assert (sparse.top.b < free.top.b).all()
    assert {n for n, array in bits(sparse).items() if array != bits(free)[n]} == {
        "generative/2/W",
        "generative/2/b",
    }


# --- The same bits ---------------------------------------------------------------------------------------


def test_no_number_is_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Purpose, layer, step and row of all samples of a run: none occurs twice, whoever draws."""
    drawn = watch_draws(monkeypatch)
    monkeypatch.setattr(Conditional, "blocks", None)  # ladders step by step
    for method in (NoSteps(), rf.CD(2), rf.PCD(2, 13), rf.PT(n_replicas=3, n_chains=4)):
        drawn.clear()
        rf.up_down(network(), X, method=method, epochs=2, batch_size=10, seed=1)
        assert len(drawn) >= 2 * 47 * 4
        assert len(set(drawn)) == len(drawn)
        assert all(layer > 0 for purpose, layer, _, _ in drawn if purpose != Purpose.SLEEP)  # 0 is `train`'s


# --- Never half done -------------------------------------------------------------------------------------


def test_ctrl_c_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals that come while a run learns leave the parameters of some whole update, all layers alike."""
    settings: dict[str, Any] = {"batch_size": 1, "seed": 5, "shuffle": False, "epochs": 10**6}
    settings["penalties"] = [rf.L2(0.1)]  # so that every update changes every weight
    update = UpDown.update
    known: dict[bytes, dict[str, bytes]] = {}  # by the weights of the top RBM

    def noting(self: Any, *arguments: Any) -> None:
        self.publish()
        now = bits(self.model)
        known[now["generative/2/W"]] = now
        if len(known) == 1500:
            raise Stop
        update(self, *arguments)

    monkeypatch.setattr(UpDown, "update", noting)
    with pytest.raises(Stop):
        rf.up_down(network(), X, **settings)
    monkeypatch.setattr(UpDown, "update", update)
    compared = 0
    for delay in np.random.default_rng().uniform(0.01, 0.1, 12):
        dbn = network()
        timer = threading.Timer(float(delay), os.kill, (os.getpid(), signal.SIGINT))
        with contextlib.suppress(KeyboardInterrupt):
            timer.start()
            rf.up_down(dbn, X, **settings)
        timer.join()
        now = bits(dbn)
        if not dbn.is_tied and now["generative/2/W"] in known:  # neither too early nor too late
            whole = known[now["generative/2/W"]]
            assert [n for n in now if now[n] != whole[n] and "means" not in n] == []
            compared += 1
    assert compared > 0


# --- The delta rule ----------------------------------------------------------------------------------------


N_PAIRS, N_SOURCE, N_TARGET = 11, 5, 6
NOISE = np.random.default_rng(0)
BINARY = NOISE.integers(0, 2, (N_PAIRS, N_SOURCE), dtype=np.uint8)
NUMBERS = (NOISE.normal(size=(N_PAIRS, N_SOURCE)) * 2048).round().astype(np.float32) / 2048
TARGETS: dict[str, tuple[Any, Any]] = {
    "binary": (rf.Bernoulli(), NOISE.integers(0, 2, (N_PAIRS, N_TARGET), dtype=np.uint8)),
    "grey": (rf.Bernoulli(), NOISE.integers(0, reference.GREY + 1, (N_PAIRS, N_TARGET)).astype(np.uint16)),
    "real": (rf.Gaussian(), NOISE.integers(-6000, 6000, (N_PAIRS, N_TARGET)).astype(np.float32) / 2048),
    "classes": (
        rf.Categorical(3),
        np.eye(3, dtype=np.uint8)[NOISE.integers(0, 3, (N_PAIRS, 2))].reshape(N_PAIRS, 6),
    ),
}


def mean_log_probability(unit: Any, source: F64, target: F64, W: F64, bias: F64) -> float:
    """Of target states given source states: in float64, from the unit protocol's density."""
    x = source @ W + bias
    own = (target * target).sum(axis=1) / 2 - target @ bias if unit.domain == "real" else -target @ bias
    own = own + (bias @ bias / 2 if unit.domain == "real" else 0.0)
    return float(np.mean((target * (x - bias)).sum(axis=1) - own - unit.log_normalizer_float64(x, bias)))


def numbers(states: Any) -> F64:
    return states / reference.GREY if states.dtype == np.uint16 else states.astype(np.float64)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("source", [BINARY, NUMBERS], ids=["from binary", "from real"])
def test_against_finite_differences(source: Any, name: str) -> None:
    unit, target = TARGETS[name]
    rng = np.random.default_rng(1)
    W, bias = rng.normal(size=(N_SOURCE, N_TARGET)), rng.normal(size=N_TARGET)
    of_source = rf.Gaussian() if source.dtype == np.float32 else rf.Bernoulli()
    layer = Directed(of_source, unit, W.astype(np.float32), bias.astype(np.float32))
    gradient = prediction_gradient((of_source, unit), source, target, layer.way().expectation(source))

    def value() -> float:
        return mean_log_probability(unit, numbers(source), numbers(target), W, bias)

    step = 2.0**-12 if name == "real" else 3e-5  # real means count on a grid
    assert np.allclose(gradient.W, slopes(value, W, 1e-4), atol=step)
    assert np.allclose(gradient.b, slopes(value, bias, 1e-4), atol=step)
    assert not gradient.a.any()  # the source's bias has no part in it
    assert np.allclose(gradient.hidden_mean, numbers(target).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", ["binary", "grey", "classes"])
@pytest.mark.parametrize("grey", [False, True])
def test_exact_sums(name: str, grey: bool) -> None:
    """The reference's bits, and 0 exactly where the prediction is right."""
    unit, target = TARGETS[name]
    source = BINARY * np.uint16(40_000) if grey else BINARY
    levels = target * np.uint16(reference.GREY) if target.dtype == np.uint8 else target
    predicted = unit.expectation(NOISE.normal(size=target.shape).astype(np.float32))
    layers = rf.Bernoulli(), unit
    gradient = prediction_gradient(layers, source, target, predicted)
    positive, negative = (reference.statistics(source, p) for p in (levels, predicted))
    expected = reference.gradient(positive, negative)
    for part in ("W", "a", "b", "visible_mean", "hidden_mean"):
        assert np.array_equal(getattr(gradient, part), getattr(expected, part))
    assert not prediction_gradient(layers, source, target, levels).W.any()


def test_a_way_is_the_rbms() -> None:
    rbm = rf.RBM(N_TARGET, N_SOURCE, seed=1)
    rbm.W, rbm.a = NOISE.normal(size=(N_TARGET, N_SOURCE)), NOISE.normal(size=N_TARGET)
    layer = Directed(rbm.hidden, rbm.visible, rbm.W.T, rbm.a)
    layer.state.exponent = engine.exponent(layer.state.W)
    assert np.array_equal(layer.way().mean(BINARY), rbm.visible_probabilities(BINARY))


def test_squared_error() -> None:
    levels = np.array([[0, reference.GREY], [reference.GREY // 3, 0]], np.uint16)
    assert squared_error(np.array([[0, 1], [1, 0]], np.uint8), levels) == pytest.approx((2 / 3) ** 2)
    assert squared_error(levels, levels) == 0
    assert squared_error(np.float32([[1.5]]), np.float32([[1.0]])) == 0.25
