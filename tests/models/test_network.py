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

import rbmfast as rf
from rbmfast import _engine as engine
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
