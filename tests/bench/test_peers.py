"""The peers: a baseline that computes something else would be no baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rbmfast as rf
from rbmfast.bench import BlasFloor, NumpyRBM, Peer
from rbmfast.bench.measure import limited_threads

peers = pytest.importorskip("peers", reason="benchmarks/ is not here")

V = np.eye(4, dtype=np.uint8)
W = np.random.default_rng(1).normal(0, 1, (4, 6)).astype(np.float32)
A, B = np.linspace(-1, 1, 4, dtype=np.float32), np.linspace(-0.5, 1, 6, dtype=np.float32)
MODEL = rf.RBM.from_arrays(W, A, B)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with limited_threads(1, peers.PEERS):
        yield


def those_who_know(task: str) -> pytest.MarkDecorator:
    known = [peer for peer in peers.PEERS if peer.knows(task) and peer is not BlasFloor]  # no RBM
    return pytest.mark.parametrize("peer", known, ids=lambda peer: peer.name)


def numbers(result: Any) -> np.ndarray:
    return np.asarray(result, np.float64)


def asked(peer: type[Peer], task: str, **settings: int) -> np.ndarray:
    model = peer(W, A, B)
    return numbers(getattr(model, task)(model.prepare(V), **settings))


@those_who_know("hidden_probabilities")
def test_answers(peer: type[Peer]) -> None:
    np.testing.assert_allclose(asked(peer, "hidden_probabilities"), MODEL.hidden_probabilities(V), atol=1e-5)
    if peer.knows("free_energy"):
        np.testing.assert_allclose(asked(peer, "free_energy"), MODEL.free_energy(V), atol=1e-4)


@those_who_know("one_flip_scores")
def test_one_flip_scores(peer: type[Peer]) -> None:
    """Each is n log p(v_i | all others) for some unit i."""
    possible = [rf.pseudo_likelihood(MODEL, V, units=[i]) for i in range(4)]
    distance = np.abs(asked(peer, "one_flip_scores") - np.array(possible))
    assert distance.shape == (4, 4)
    assert (distance.min(axis=0) < 1e-4).all()


@those_who_know("gibbs")
def test_gibbs(peer: type[Peer]) -> None:
    states = asked(peer, "gibbs", steps=3)
    assert states.shape == (4, 4)
    assert set(np.unique(states)) <= {0.0, 1.0}


@those_who_know("ais")
def test_ais(peer: type[Peer]) -> None:
    """400 chains of a small model: within 0.1 nats, some ten standard errors."""
    model = peer(W, A, B)
    data = model.prepare(np.tile(V, (100, 1)))
    assert float(model.ais(data, steps=100)) == pytest.approx(rf.log_partition(MODEL).value, abs=0.1)


# --- Learning ----------------------------------------------------------------------------------------------

DATA = np.repeat(V, 25, axis=0)[np.random.default_rng(0).permutation(100)]  # one unit of four is on
START = np.random.default_rng(1).normal(0, 0.01, (4, 6)), np.full(4, -1.1), np.zeros(6)
LEARNED = -2.0  # log 1/4 = -1.39 is the best; -2.25 knows the means only


def likelihood(model: Any) -> float:
    """Mean over the four states, by the parameters that a peer has after learning."""
    rbm = getattr(model, "rbm", model)
    if hasattr(rbm, "components_"):
        parameters = rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_
    else:
        parameters = rbm.W, rbm.a, rbm.b
    return float(rf.log_likelihood(rf.RBM.from_arrays(*map(as_float, parameters)), V).mean())


def as_float(x: Any) -> Any:
    return x.float().numpy() if hasattr(x, "numpy") else x


@those_who_know("cd")
def test_cd_learns(peer: type[Peer]) -> None:
    model = peer(*START)
    model.cd(model.prepare(DATA), batch_size=50, epochs=1000, rate=0.3)
    assert likelihood(model) > LEARNED


@those_who_know("pcd")
def test_pcd_learns(peer: type[Peer]) -> None:
    model = peer(*START)
    model.pcd(model.prepare(DATA), batch_size=25, epochs=1000, rate=0.2, k=2, n_chains=100)
    assert likelihood(model) > LEARNED


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("persistent", [False, True])
def test_numpy_learns_with_momentum(k: int, persistent: bool) -> None:
    rbm = NumpyRBM(*START)
    chains = np.zeros((100, 6), np.float32) if persistent else None
    for _ in range(300):
        for rows in np.split(DATA.astype(np.float32), 10):
            rbm.update(rows, 0.1, k, chains, momentum=0.5)
    assert likelihood(rbm) > LEARNED


def test_the_blas_floor_computes_the_five_products() -> None:
    floor = BlasFloor(W, A, B)
    h = V.astype(np.float32) @ W
    v_model = h @ W.T
    floor.cd(floor.prepare(V), batch_size=4, epochs=1, rate=0.1)
    np.testing.assert_allclose(floor.gradient, v_model.T @ (v_model @ W), rtol=1e-4)
