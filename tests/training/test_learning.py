"""It learns: small problems with known answers, judged by exact enumeration.

All runs are deterministic, so a bound is met always or never; it leaves room for other random streams.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from training.helpers import TEXTBOOK, random_rows

import rbmfast as rf

BEST = -3.379  # nats per draw of bars and stripes


def bars_and_stripes() -> NDArray[np.uint8]:
    """32 equiprobable draws of 4 x 4 pixels, 30 of them distinct."""
    lines = [np.tile(bits, (4, 1)) for bits in itertools.product([0, 1], repeat=4)]
    return np.array([image.ravel() for line in lines for image in (line, line.T)], np.uint8)


def test_the_best_possible_value() -> None:
    _, counts = np.unique(bars_and_stripes(), axis=0, return_counts=True)
    assert len(counts) == 30
    assert abs((counts * np.log(counts / 32)).sum() / 32 - BEST) < 1e-3


@pytest.mark.parametrize(
    "method, n_hidden, epochs, nats",
    [
        pytest.param(rf.PCD(10, n_chains=100), 16, 5_000, 0.25, id="pcd, soon"),
        pytest.param(rf.PCD(10, n_chains=100), 16, 10_000, 0.15, id="pcd", marks=pytest.mark.slow),
        pytest.param(rf.CD(10), 20, 20_000, 0.15, id="cd", marks=pytest.mark.slow),
    ],
)
def test_bars_and_stripes(method: Any, n_hidden: int, epochs: int, nats: float) -> None:
    """So close to the entropy of the data."""
    X = bars_and_stripes()
    rbm = rf.RBM(16, n_hidden, seed=0)
    settings = {"method": method, "optimizer": rf.SGD(rf.Linear(0.1)), "penalties": (), "centered": True}
    rf.train(rbm, X, epochs=epochs, batch_size=32, seed=3, **settings)
    value = rf.log_likelihood(rbm, X).mean()
    assert BEST - nats < value < BEST


def mixture_log_likelihood(X: NDArray[np.uint8]) -> float:
    """Mean log-probability of `random_rows` under the mixture that they are drawn from."""
    prototypes = np.random.default_rng(0).random((3, X.shape[1])) < 0.4
    flips = (X[:, None] != prototypes).sum(axis=2)
    log_p = flips * np.log(0.1) + (X.shape[1] - flips) * np.log(0.9)
    return float(np.logaddexp.reduce(log_p, axis=1).mean() - np.log(3))


@pytest.mark.parametrize("method", [rf.CD(1), rf.CD(5), rf.PCD(1)], ids=str)
@pytest.mark.parametrize("centered", [False, True])
def test_likelihood_grows(method: Any, centered: bool) -> None:
    X = random_rows(500, 12)
    rbm = rf.RBM(12, 8, seed=0)
    rbm.initialize(X)
    independent = rf.log_likelihood(rbm, X).mean()
    rf.train(rbm, X, method=method, centered=centered, epochs=40, batch_size=20, seed=1)
    value = rf.log_likelihood(rbm, X).mean()
    assert value > independent + 1.0
    assert value > mixture_log_likelihood(X) - 0.2  # comes close to the distribution that made the data


def test_grey_levels_are_expectations() -> None:
    """Grey levels are probabilities of pixels: learning from them comes to what learning from draws does."""
    rng = np.random.default_rng(0)
    grey = np.array([[0.9, 0.8, 0.1, 0.2], [0.2, 0.1, 0.8, 0.9]], np.float32)[rng.integers(0, 2, 400)]
    draws = (rng.random((50, *grey.shape)) < grey).reshape(-1, 4)
    rbm = rf.RBM(4, 3, seed=0)
    rf.train(rbm, grey, method=rf.CD(10), optimizer=rf.SGD(rf.Linear(0.1)), epochs=100, batch_size=20, seed=1)
    rf_draws = rf.RBM(4, 3, seed=0)
    rf.train(
        rf_draws, draws, method=rf.CD(10), optimizer=rf.SGD(rf.Linear(0.1)), epochs=5, batch_size=20, seed=1
    )
    means = (rbm.visible_means, draws.mean(axis=0))
    assert np.allclose(*means, atol=0.02)
    fantasies = [model.sample(4000, steps=100, seed=2).mean(axis=0) for model in (rbm, rf_draws)]
    assert np.allclose(fantasies[0], means[0], atol=0.06)
    assert np.allclose(fantasies[1], means[0], atol=0.06)


def test_sparsity_target() -> None:
    """A strong pull comes close to its target; a weaker one balances it against the likelihood."""
    X = random_rows(500, 20)
    activity = {}
    for target in (None, 0.1, 0.3):
        rbm = rf.RBM(20, 15, seed=0)
        penalties = [] if target is None else [rf.SparsityTarget(target, cost=3.0)]
        rf.train(rbm, X, penalties=penalties, epochs=30, batch_size=20, seed=1)
        activity[target] = rbm.hidden_probabilities(X).mean()
    assert abs(activity[0.1] - 0.1) < 0.03
    assert abs(activity[0.3] - 0.3) < 0.03
    assert activity[None] > 0.4


def test_penalties_hold_the_weights_down() -> None:
    X = random_rows(300, 12)

    def weights(*penalties: Any) -> Any:
        rbm = rf.RBM(12, 8, seed=0)
        rf.train(rbm, X, penalties=penalties, epochs=60, batch_size=20, seed=1)
        return rbm.W

    free = weights()
    assert np.linalg.norm(weights(rf.L2(0.02))) < 0.8 * np.linalg.norm(free)
    assert np.median(np.abs(weights(rf.L1(0.02)))) < 0.2 * np.median(np.abs(free))
    norms = np.linalg.norm(weights(rf.MaxNorm(0.7)).astype(np.float64), axis=0)
    assert norms.max() < 0.7 + 1e-6
    assert norms.max() > 0.69


def test_block_l1_descends_its_cost() -> None:
    """Its gradient is that of the cost, by differences in float64; weights of 0 stay where they are."""
    W = np.random.default_rng(0).normal(size=(7, 4))
    W[2, 1] = 0

    def cost(W: Any) -> Any:
        return 0.3 / (2 * 7) * (np.abs(W).sum(axis=0) ** 2).sum()

    found = rf.BlockL1(0.3).gradient(W.astype(np.float32))
    for i, j in np.ndindex(*W.shape):
        step = np.zeros_like(W)
        step[i, j] = 1e-6
        assert found[i, j] == pytest.approx((cost(W - step) - cost(W + step)) / 2e-6, abs=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        rf.RBM(9, 5, seed=3),
        rf.RBM(9, 5, visible=rf.Categorical(3), seed=3),
        rf.ConditionalRBM(9, 5, 9, seed=3),
        rf.DBM([9, 5, 4], seed=3),
        rf.BoltzmannMachine(9, seed=3),
        rf.ConvRBM((3, 3), 4, (2, 2), seed=3),
    ],
    ids=repr,
)
def test_block_l1_holds_weights_of_every_model_down(model: Any) -> None:
    codes = np.random.default_rng(0).integers(0, 3, (60, 3))
    X = np.eye(3, dtype=np.uint8)[codes].reshape(60, 9)
    more = {"context": X[::-1]} if isinstance(model, rf.ConditionalRBM) else {"method": rf.PCD(1)}
    sums = []
    for penalties in ((), rf.BlockL1(2.0)):
        one = copy.deepcopy(model)
        rf.train(one, X, epochs=30, batch_size=20, seed=1, penalties=penalties, **more)
        sums.append(sum(np.abs(x).sum() for name, x in one.parameters().items() if name[0] == "W"))
    assert sums[1] < 0.8 * sums[0]


# --- Gaussian visible units -----------------------------------------------------------------------------


def gaussian_toy(n: int) -> NDArray[np.float32]:
    """A mixture of two normal distributions of variance 1: 30% at (2, 1), 70% at (-1, 0.5)."""
    rng = np.random.default_rng(0)
    centre = np.where(rng.random((n, 1)) < 0.3, [2.0, 1.0], [-1.0, 0.5])
    return (centre + rng.normal(size=(n, 2))).astype(np.float32)


def model_moments(rbm: rf.RBM) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact mean and covariance of the visible units: a mixture with one component for each hidden state."""
    H = np.array(list(itertools.product([0.0, 1.0], repeat=rbm.n_hidden)))
    W, a, b = (x.astype(np.float64) for x in (rbm.W, rbm.a, rbm.b))
    centres = a + H @ W.T
    log_p = H @ b + (centres**2).sum(axis=1) / 2
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    mean = p @ centres
    return mean, np.eye(len(a)) + (centres - mean).T @ ((centres - mean) * p[:, None])


@pytest.mark.parametrize(
    ("n_hidden", "centered", "method"),
    [
        pytest.param(*case, marks=() if fast else pytest.mark.slow)
        for case in itertools.product((1, 3), (False, True), (rf.CD(5), rf.PCD(1, n_chains=200)))
        for fast in [case in ((1, True, rf.CD(5)), (3, False, rf.PCD(1, n_chains=200)))]  # every setting
    ],
    ids=str,
)
def test_gaussian_units(method: Any, centered: bool, n_hidden: int) -> None:
    """Mean within 0.08, covariance within 0.15 (standard errors of the data alone: 0.03 and 0.05)."""
    X = gaussian_toy(4000)
    rbm = rf.RBM(2, n_hidden, visible="gaussian", seed=0)
    history = rf.train(
        rbm,
        X,
        method=method,
        optimizer=rf.SGD(rf.Linear(0.1)),
        centered=centered,
        epochs=30 if n_hidden == 1 else 12,
        seed=1,
        monitors=[rf.ReconstructionError(), rf.WeightNorm()],
    )
    mean, covariance = model_moments(rbm)
    assert np.abs(mean - X.mean(axis=0)).max() < 0.08
    assert np.abs(covariance - np.cov(X.T)).max() < 0.15
    assert np.isfinite(history["train_reconstruction_error"]).all()


def test_gaussian_step_is_the_textbook_one() -> None:
    """One update of CD-1 by hand: sampled visible units, hidden probabilities."""
    from rbmfast.streams import Purpose, Stream
    from rbmfast.units import Bernoulli, Gaussian

    V = gaussian_toy(7)
    rbm = rf.RBM.from_arrays(
        [[0.3, -0.2, 0.1], [0.4, 0.5, -0.6]], [0.1, 0.2], [0.0, -0.1, 0.3], visible="gaussian"
    )
    W, a, b = rbm.W.copy(), rbm.a.copy(), rbm.b.copy()
    rf.train(rbm, V, **{**TEXTBOOK, "optimizer": 0.5}, epochs=1, batch_size=10, shuffle=False, seed=9)

    rows = np.arange(7)
    x0 = V @ W + b
    h0 = Bernoulli().sample(x0, Stream(9, Purpose.CD, 0, 0, rows))
    v1 = Gaussian().sample((h0 @ W.T + a).astype(np.float32), Stream(9, Purpose.CD, 0, 1, rows))
    V, v1 = (np.rint(2048 * v) / 2048 for v in (V, v1))  # as products see them
    p0, p1 = (1 / (1 + np.exp(-(v.astype(np.float64) @ W + b))) for v in (V, v1))
    assert np.allclose(rbm.W, W + 0.5 * (V.T @ p0 - v1.T @ p1) / 7, atol=1e-5)
    assert np.allclose(rbm.a, a + 0.5 * (V - v1).mean(axis=0), atol=1e-5)
    assert np.allclose(rbm.b, b + 0.5 * (p0 - p1).mean(axis=0), atol=1e-5)


def test_gaussian_hidden_units_learn_too() -> None:
    """Bernoulli visible, Gaussian hidden units take the same path, the other way round."""
    X = random_rows(400, 8)
    rbm = rf.RBM(8, 3, hidden="gaussian", seed=0)
    rf.train(rbm, X, method=rf.CD(3), optimizer=rf.SGD(0.04), epochs=50, batch_size=20, seed=1)
    samples = rbm.sample(4000, steps=20, seed=2)
    assert np.abs(np.cov(samples.T) - np.cov(X.T)).max() < 0.08
