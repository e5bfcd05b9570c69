"""Networks give what their layers say, from any container, and to other libraries."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from containers import binary_containers, grey_containers
from models.helpers import network as deep_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.likelihood import all_states
from rbmfast.models import DBN
from rbmfast.streams import Purpose

RNG = np.random.default_rng(0)
BINARY = (RNG.random((30, 9)) < 0.4).astype(np.uint8)
GREY = RNG.integers(0, 256, (30, 9), dtype=np.uint8)
REAL = RNG.standard_normal((30, 9)) * 3


def layer(n_in: int, n_out: int, activation: str, seed: int = 0) -> rf.Dense:
    rng = np.random.default_rng(seed)
    return rf.Dense(rng.standard_normal((n_in, n_out)), rng.standard_normal(n_out), activation)


def network(head: str = "softmax", n_outputs: int = 3, domain: str = "binary") -> rf.Network:
    return rf.Network(
        [layer(9, 7, "sigmoid", 1), layer(7, 5, "sigmoid", 2), layer(5, n_outputs, head, 3)], domain
    )


def truth(net: rf.Network, X: Any) -> list[Any]:
    """Means of all layers in float64."""
    means = [np.asarray(X, np.float64)]
    for part in net.layers:
        x = means[-1] @ part.W.astype(np.float64) + part.b
        if part.activation == "sigmoid":
            x = 1 / (1 + np.exp(-x))
        elif part.activation == "softmax":
            x = np.exp(x - x.max(axis=1, keepdims=True))
            x /= x.sum(axis=1, keepdims=True)
        means.append(x)
    return means[1:]


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "linear"])
@pytest.mark.parametrize("domain, X", [("binary", BINARY), ("binary", GREY / 255), ("real", REAL)])
def test_means_are_those_of_float64(head: str, domain: str, X: Any) -> None:
    net = network(head, domain=domain)
    expected = truth(net, X)
    for i in range(3):
        for index in (i, i - 3):
            np.testing.assert_allclose(net.transform(X, layer=index), expected[i], rtol=1e-3, atol=2e-5)
    assert np.array_equal(net.forward(X), net.transform(X, layer=-1))
    assert np.array_equal(net.transform(X), net.transform(X, layer=1))
    if head == "softmax":
        assert np.array_equal(net.predict(X), expected[-1].argmax(axis=1))
    else:
        assert np.array_equal(net.predict(X), net.forward(X))


def test_blocks_of_rows() -> None:
    """More rows than go into one product."""
    X = (np.random.default_rng(1).random((2500, 9)) < 0.5).astype(np.uint8)
    np.testing.assert_allclose(network().forward(X), truth(network(), X)[-1], rtol=1e-3, atol=1e-5)


def test_containers_are_equal(tmp_path: Path) -> None:
    net, real = network(), network(domain="real")
    expected, grey = net.forward(BINARY).tobytes(), net.forward(GREY / 255).tobytes()
    for X in binary_containers(BINARY, tmp_path).values():
        assert net.forward(X).tobytes() == expected
    for X in grey_containers(GREY, tmp_path).values():
        assert net.forward(X).tobytes() == grey
    assert real.forward(REAL).tobytes() == real.forward(sp.csr_matrix(REAL)).tobytes()


def test_new_layers_are_small_and_repeatable() -> None:
    one, scale = rf.Dense.new(400, 300, seed=5), 4 * math.sqrt(2 / 700)
    assert one.W.tobytes() == engine.normal_weights(400, 300, scale, 5, Purpose.NETWORK_INIT, 0).tobytes()
    assert not np.array_equal(one.W, rf.Dense.new(400, 300, seed=6).W)
    assert not np.array_equal(one.W, rf.Dense.new(400, 300, seed=5, layer=1).W)
    assert abs(one.W.std() - scale) < 0.02 * scale
    assert not one.b.any()


def test_layers_never_change() -> None:
    W = np.ones((2, 2))
    dense = rf.Dense(W, [0, 0])
    W[:] = 7
    assert (dense.W == 1).all()
    for name in ("W", "b"):
        with pytest.raises(ValueError):
            getattr(dense, name)[...] = 2
        with pytest.raises(AttributeError):
            setattr(dense, name, W)
    for twin in (copy.deepcopy(dense), pickle.loads(pickle.dumps(dense))):
        assert twin.W.tobytes() == dense.W.tobytes()
        assert not twin.W.flags.writeable


# --- Other libraries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "net", [network(n_outputs=2), network(n_outputs=3), rf.Network([layer(9, 3, "softmax")])]
)
def test_to_sklearn_classifier(net: rf.Network) -> None:
    pytest.importorskip("sklearn")
    n_classes = net.n_outputs
    names = np.array(["cat", "dog", "fox"])[:n_classes]
    for classes in (None, names):
        model = net.to_sklearn(classes)
        expected = np.arange(n_classes) if classes is None else names
        np.testing.assert_allclose(model.predict_proba(BINARY), net.forward(BINARY), atol=1e-6)
        assert model.predict(BINARY).tolist() == expected[net.predict(BINARY)].tolist()


@pytest.mark.parametrize("head", ["linear", "sigmoid"])
def test_to_sklearn_regressor(head: str) -> None:
    pytest.importorskip("sklearn")
    net = network(head, domain="real")
    np.testing.assert_allclose(net.to_sklearn().predict(REAL), net.forward(REAL), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "linear"])
def test_to_torch(head: str) -> None:
    torch = pytest.importorskip("torch")
    net = rf.Network([layer(9, 7, "sigmoid"), layer(7, 5, "linear"), layer(5, 3, head)])
    with torch.no_grad():
        outputs = net.to_torch()(torch.tensor(BINARY, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(outputs, net.forward(BINARY), rtol=1e-4, atol=1e-5)


# --- Deep belief networks as networks -----------------------------------------------------------------------


def deep(*sizes: int, **units: Any) -> DBN:
    """With recognition weights of its own."""
    rng, dbn = np.random.default_rng(1), deep_network(sizes, **units)
    dbn.untie()
    for rbm in dbn.recognition[:-1]:
        rbm.W, rbm.b = rng.normal(size=rbm.W.shape), rng.normal(size=rbm.b.shape)
    return dbn


ROWS = np.random.default_rng(2).normal(size=(20, 5)).astype(np.float32)


@pytest.mark.parametrize("sizes", [(5, 4), (5, 4, 3, 2)])
def test_the_way_up(sizes: tuple[int, ...]) -> None:
    dbn = deep(*sizes)
    net = dbn.to_network()
    assert [layer.activation for layer in net.layers] == ["sigmoid"] * len(dbn)
    assert_allclose(net.forward(all_states(5)), dbn.transform(all_states(5)), atol=5e-5)
    assert_array_equal(net.layers[0].W, dbn.recognition[0].W)


@pytest.mark.parametrize("sizes", [(5, 4), (5, 4, 3, 2)])
def test_up_and_down(sizes: tuple[int, ...]) -> None:
    dbn = deep(*sizes)
    net = dbn.to_autoencoder()
    assert len(net.layers) == 2 * len(dbn)
    assert_allclose(net.forward(all_states(5)), dbn.reconstruct(all_states(5)), atol=5e-5)
    assert_array_equal(net.layers[-1].W, dbn.generative[0].W.T)


def test_real_valued_layers() -> None:
    dbn = deep(5, 4, 3, visible="gaussian", hidden=["bernoulli", "gaussian"])
    net = dbn.to_autoencoder()
    assert net.domain == "real"
    assert [layer.activation for layer in net.layers] == ["sigmoid", "linear", "sigmoid", "linear"]
    assert_allclose(net.forward(ROWS), dbn.reconstruct(ROWS), atol=2e-4)
    assert_allclose(dbn.to_network().forward(ROWS), dbn.transform(ROWS), atol=2e-4)


def test_a_new_head() -> None:
    dbn = deep(5, 4, 3)
    for head in ("softmax", "linear"):
        net = dbn.to_network(2, head=head, seed=1)
        assert (net.n_outputs, net.head, len(net.layers)) == (2, head, 3)
        assert_array_equal(net.layers[-1].W, dbn.to_network(2, head=head, seed=1).layers[-1].W)
        assert not np.array_equal(net.layers[-1].W, dbn.to_network(2, head=head, seed=2).layers[-1].W)


@pytest.mark.parametrize("sizes", [(5, 3), (5, 4, 3)])
@pytest.mark.parametrize("known", [False, True])
def test_the_labels_become_a_head(sizes: tuple[int, ...], known: bool) -> None:
    dbn = deep(*sizes, n_classes=3)
    top, n = dbn.top, sizes[-2]
    share = np.full(3, 1 / 3)
    if known:
        share = np.array([0.5, 0.25, 0.25])
        rows = np.hstack([np.zeros((4, n)), np.eye(3)[[0, 0, 1, 2]]])
        a = top.a
        top.initialize(rows)
        top.a = a
    x = all_states(5) if n == 5 else dbn.hidden_probabilities(all_states(5), layer=1)
    h = expit(x @ top.W[:n] + top.b + share @ top.W[n:])
    net = dbn.to_network()
    assert_allclose(net.transform(all_states(5)), h, atol=5e-5)
    assert_allclose(net.forward(all_states(5)), softmax(h @ top.W[n:].T + top.a[n:], axis=1), atol=5e-5)
    assert_array_equal(dbn.to_network(3).layers[-1].W, net.layers[-1].W)

    assert len(dbn.to_network(head=None).layers) == len(dbn)
    assert dbn.to_network(7, seed=1).n_outputs == 7
    net = dbn.to_autoencoder()
    assert (net.n_inputs, net.n_outputs) == (5, 5)
