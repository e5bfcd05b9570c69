"""Deep belief networks as feed-forward networks: they compute what the networks they come from compute."""

from typing import Any

import numpy as np
import pytest
from models.helpers import network as random_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

from rbmfast.likelihood import all_states
from rbmfast.models import DBN


def network(*sizes: int, **units: Any) -> DBN:
    """With recognition weights of its own."""
    rng, dbn = np.random.default_rng(1), random_network(sizes, **units)
    dbn.untie()
    for rbm in dbn.recognition[:-1]:
        rbm.W, rbm.b = rng.normal(size=rbm.W.shape), rng.normal(size=rbm.b.shape)
    return dbn


REAL = np.random.default_rng(2).normal(size=(20, 5)).astype(np.float32)


@pytest.mark.parametrize("sizes", [(5, 4), (5, 4, 3, 2)])
def test_the_way_up(sizes: tuple[int, ...]) -> None:
    dbn = network(*sizes)
    net = dbn.to_network()
    assert [layer.activation for layer in net.layers] == ["sigmoid"] * len(dbn)
    assert_allclose(net.forward(all_states(5)), dbn.transform(all_states(5)), atol=5e-5)
    assert_array_equal(net.layers[0].W, dbn.recognition[0].W)


@pytest.mark.parametrize("sizes", [(5, 4), (5, 4, 3, 2)])
def test_up_and_down(sizes: tuple[int, ...]) -> None:
    dbn = network(*sizes)
    net = dbn.to_autoencoder()
    assert len(net.layers) == 2 * len(dbn)
    assert_allclose(net.forward(all_states(5)), dbn.reconstruct(all_states(5)), atol=5e-5)
    assert_array_equal(net.layers[-1].W, dbn.generative[0].W.T)


def test_real_valued_layers() -> None:
    dbn = network(5, 4, 3, visible="gaussian", hidden=["bernoulli", "gaussian"])
    net = dbn.to_autoencoder()
    assert net.domain == "real"
    assert [layer.activation for layer in net.layers] == ["sigmoid", "linear", "sigmoid", "linear"]
    assert_allclose(net.forward(REAL), dbn.reconstruct(REAL), atol=2e-4)
    assert_allclose(dbn.to_network().forward(REAL), dbn.transform(REAL), atol=2e-4)


def test_a_new_head() -> None:
    dbn = network(5, 4, 3)
    for head in ("softmax", "linear"):
        net = dbn.to_network(2, head=head, seed=1)
        assert (net.n_outputs, net.head, len(net.layers)) == (2, head, 3)
        assert_array_equal(net.layers[-1].W, dbn.to_network(2, head=head, seed=1).layers[-1].W)
        assert not np.array_equal(net.layers[-1].W, dbn.to_network(2, head=head, seed=2).layers[-1].W)


@pytest.mark.parametrize("sizes", [(5, 3), (5, 4, 3)])
@pytest.mark.parametrize("known", [False, True])
def test_the_labels_become_a_head(sizes: tuple[int, ...], known: bool) -> None:
    dbn = network(*sizes, n_classes=3)
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
