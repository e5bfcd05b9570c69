"""Log-likelihoods of rows, against the list of all probabilities; bounds of networks, against enumeration.

Statistical tests have fixed seeds; their comments state how likely a false alarm was.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from likelihood.helpers import model
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast.likelihood import LogPartition, all_states, exact_gradient, exact_samples, log_probabilities

V = all_states(6)


def test_likelihoods_of_all_states_add_up_to_one() -> None:
    for units in ({}, {"hidden": "gaussian"}):
        rbm = model(6, 4, 0.5, **units)
        log_p = rf.log_likelihood(rbm, all_states(6))
        assert log_p.dtype == np.float64
        assert_allclose(logsumexp(log_p), 0, atol=1e-5)
        assert_allclose(log_p, log_probabilities(rbm), atol=1e-5)


def test_log_z_may_be_given() -> None:
    rbm, V = model(6, 4), all_states(6)[:5]
    z = rf.log_partition(rbm)
    expected = rf.log_likelihood(rbm, V)
    for given in (z, z.value, np.float64(z.value)):
        assert_array_equal(rf.log_likelihood(rbm, V, log_z=given), expected)
    assert_allclose(rf.log_likelihood(rbm, V, log_z=0), -rbm.free_energy(V))
    later = LogPartition(1.0, 0.1, 0.8, 1.2, "ais")
    assert_allclose(rf.log_likelihood(rbm, V, log_z=later), -rbm.free_energy(V) - 1)


@pytest.mark.parametrize(
    "function", [rf.log_likelihood, rf.conservative_log_likelihood, rf.log_likelihood_bound, exact_gradient]
)
def test_grey_levels_have_no_likelihood(function: Any) -> None:
    rbm = rf.DBN([3, 2, 2], seed=0) if function is rf.log_likelihood_bound else model(3, 2)
    with pytest.raises(ValueError, match=r"X\[1, 2\] is a grey level, which is no state of bernoulli units"):
        function(rbm, [[0, 1, 0], [0, 1, 0.5]])
    with pytest.raises(ValueError, match=r"X must have 3 features"):
        function(rbm, [[0, 1]])
    function(rbm, [[0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("log_z", "error"), [("1", TypeError), (True, TypeError), (np.nan, ValueError), ([1.0], TypeError)]
)
def test_bad_log_z(log_z: object, error: type) -> None:
    with pytest.raises(error, match=r"^log_z must be"):
        rf.log_likelihood(model(3, 2), [[0, 1, 0]], log_z=log_z)


# --- Without log Z ---------------------------------------------------------------------------------------


def test_conservative_log_likelihood() -> None:
    """Close to the exact one with many temperatures, below it with few: by 5 standard errors of the mean."""
    rbm = model(10, 8, 1.2)
    V = np.asarray(exact_samples(rbm, 200, seed=3))
    truth = rf.log_likelihood(rbm, V)
    many = rf.conservative_log_likelihood(rbm, V, n_chains=20, n_temperatures=200, seed=1)
    few = rf.conservative_log_likelihood(rbm, V, n_chains=2, n_temperatures=3, seed=1)
    assert_allclose(many.mean(), truth.mean(), atol=0.05)
    error = few - truth
    assert error.mean() < -5 * error.std() / np.sqrt(len(error))


# --- Networks --------------------------------------------------------------------------------------------


def network(sizes: list[int], seed: int = 0, untie: bool = False, **settings: object) -> rf.DBN:
    """Weights of some size everywhere, those of recognition a little different if untied."""
    dbn = rf.DBN(sizes, seed=seed, **settings)
    rng = np.random.default_rng(seed)
    if untie:
        dbn.untie()
    for rbm in {id(rbm): rbm for rbm in (*dbn.generative, *dbn.recognition)}.values():
        W, a, b = (rng.normal(size=x.shape) for x in (rbm.W, rbm.a, rbm.b))
        rbm._set_parameters(*(x.astype(np.float32) for x in (W, a, b)))
    return dbn


def log_bernoulli(x: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Log-probabilities of all pairs: (rows of x, rows of states)."""
    return x @ states.T.astype(float) - np.logaddexp(0, x).sum(axis=1)[:, None]


def enumerate_terms(dbn: rf.DBN, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log q(h | v) and log p(v, h) of all states of one hidden layer below the top RBM."""
    H = all_states(dbn.sizes[1])
    low, up = dbn.generative[0], dbn.recognition[0]
    log_q = log_bernoulli(v @ up.W.astype(float) + up.b, H)
    log_v = log_bernoulli(H @ low.W.T.astype(float) + low.a, v).T
    return log_q, log_v + log_marginal(dbn.top, H)


def log_marginal(top: rf.RBM, H: np.ndarray) -> np.ndarray:
    """Log p(h) under the top RBM, by enumeration of all it has."""
    states = all_states(H.shape[1])
    x = states @ top.W.astype(float) + top.b
    log_weights = states @ top.a.astype(float) + np.logaddexp(0, x).sum(axis=1)
    numbers = H @ (1 << np.arange(H.shape[1])[::-1])
    return (log_weights - logsumexp(log_weights))[numbers]


def assert_bound(dbn: rf.DBN, v: np.ndarray, exact: float, n_samples: int = 1000) -> None:
    """Within four standard errors: false-alarm rate 6e-5."""
    bound = rf.log_likelihood_bound(dbn, v, n_samples=n_samples, seed=1)
    assert abs(bound.value - exact) < 4 * bound.stderr
    assert len(v) < 64 or bound.stderr < 0.02


def expected_bound(log_q: np.ndarray, log_p: np.ndarray) -> float:
    return float((np.exp(log_q) * (log_p - log_q)).sum(axis=1).mean())


def test_rows_may_come_in_any_container_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm, dbn = model(6, 4), network([6, 4, 3])
    functions: list[Any] = [
        partial(rf.log_likelihood, rbm),
        partial(rf.pseudo_likelihood, rbm),
        partial(rf.conservative_log_likelihood, rbm, n_chains=3, n_temperatures=10, seed=1),
        lambda X: rf.log_likelihood_bound(dbn, X, n_samples=3, seed=1).each,
        lambda X: exact_gradient(rbm, X).W,
    ]
    expected = [function(V) for function in functions]
    packed = rf.Packed(np.packbits(V, axis=1), 6)
    for data in (V.tolist(), V.astype(bool), sp.csr_array(V), packed, rf.Grey8(V * 255)):
        for function, answer in zip(functions, expected, strict=True):
            assert_array_equal(function(data), answer)
    nearly = np.where(V == 1, 1 - 1e-7, 1e-7)  # as levels these are 0 and 1
    assert_array_equal(functions[-1](nearly), expected[-1])
    for name in ("likelihood.data.BLOCK_BYTES", "models.base.BLOCK_BYTES", "likelihood.exact.BLOCK_NUMBERS"):
        monkeypatch.setattr(f"rbmfast.{name}", 700)
    for function, answer in zip(functions[:-1], expected, strict=False):
        assert_array_equal(function(V), answer)
    assert_allclose(functions[-1](V), expected[-1], atol=1e-12)


@pytest.mark.parametrize("untie", [False, True])
def test_bound_is_the_expectation_by_enumeration(untie: bool) -> None:
    dbn = network([6, 4, 3], untie=untie)
    exact = expected_bound(*enumerate_terms(dbn, V))
    assert_bound(dbn, V, exact)
    bound = rf.log_likelihood_bound(dbn, V, n_samples=1000, seed=1)
    assert bound.lower < exact < bound.upper


def test_weighted_samples_approach_the_log_likelihood_from_below() -> None:
    dbn = network([6, 4, 3])
    exact = logsumexp(enumerate_terms(dbn, V)[1], axis=1).mean()
    few, many = (rf.log_likelihood_bound(dbn, V, n_samples=n, seed=1).tighter for n in (2, 2000))
    assert few < many
    assert_allclose(many, exact, atol=0.02)


def test_bound_is_exact_where_recognition_is() -> None:
    """The upside-down RBM on top of an RBM: together they are that RBM, and its posterior is the true one."""
    dbn = rf.DBN.from_rbms([network([6, 4]).top])
    expected = rf.mean_log_likelihood(dbn.top, V).value
    dbn.add_layer(6, unroll=True)
    bound = rf.log_likelihood_bound(dbn, V, n_samples=3, seed=1)
    assert_allclose(bound.each, rf.log_likelihood(dbn.generative[0], V), atol=2e-5)
    assert_allclose([bound.value, bound.tighter], expected, atol=2e-5)
    assert bound.stderr < 1e-5


def test_three_layers() -> None:
    dbn = network([4, 3, 3, 2])
    v, H1, H2 = all_states(4), all_states(3), all_states(3)
    low, middle = dbn.generative[:2]
    log_q1 = log_bernoulli(v @ low.W.astype(float) + low.b, H1)
    log_q2 = log_bernoulli(H1 @ middle.W.astype(float) + middle.b, H2)
    log_p1 = log_bernoulli(H1 @ low.W.T.astype(float) + low.a, v).T
    log_p2 = log_bernoulli(H2 @ middle.W.T.astype(float) + middle.a, H1).T + log_marginal(dbn.top, H2)
    given_h1 = (np.exp(log_q2) * (log_p2 - log_q2)).sum(axis=1)
    assert_bound(dbn, v, expected_bound(log_q1, log_p1 + given_h1), n_samples=2000)


def test_gaussian_visible_units() -> None:
    dbn = network([2, 3, 2], visible="gaussian")
    low, H, v = dbn.generative[0], all_states(3), np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)
    log_q = log_bernoulli(v @ low.W.astype(float) + low.b, H)
    distance = v[:, None] - (H @ low.W.T.astype(float) + low.a)
    log_p = -(distance**2).sum(axis=2) / 2 - np.log(2 * np.pi) + log_marginal(dbn.top, H)
    assert_bound(dbn, v, expected_bound(log_q, log_p), n_samples=5000)


def test_labels_are_summed_out() -> None:
    dbn = network([6, 4, 3], n_classes=3)
    low, top, H = dbn.generative[0], dbn.top, all_states(4)
    joint = np.concatenate([np.hstack([H, np.tile(label, (16, 1))]) for label in np.eye(3)])
    x = joint @ top.W.astype(float) + top.b
    log_weights = (joint @ top.a.astype(float) + np.logaddexp(0, x).sum(axis=1)).reshape(3, 16)
    log_h = logsumexp(log_weights, axis=0) - logsumexp(log_weights)
    log_q = log_bernoulli(V @ low.W.astype(float) + low.b, H)
    log_p = log_bernoulli(H @ low.W.T.astype(float) + low.a, V).T + log_h
    assert_bound(dbn, V, expected_bound(log_q, log_p))


def test_uncertainty_of_log_z_is_carried_through() -> None:
    dbn = network([6, 4, 3])
    z = rf.log_partition(dbn.top, method="ais", n_chains=50, n_temperatures=20, seed=1)
    bound = rf.log_likelihood_bound(dbn, V, z, n_samples=5, seed=1)
    exact = rf.log_likelihood_bound(dbn, V, n_samples=5, seed=1)
    assert bound.stderr > z.stderr > 0 and exact.stderr < bound.stderr
    assert bound.upper - bound.value >= z.value - z.lower
    assert_allclose(bound.value - exact.value, rf.log_partition(dbn.top).value - z.value, atol=1e-9)


@pytest.mark.parametrize(
    ("error", "change", "message"),
    [
        (TypeError, {"dbn": rf.RBM(6, 4, seed=0)}, r"dbn must be an rf\.DBN or an rf\.DBM, got RBM"),
        (ValueError, {"n_samples": 0}, "n_samples must be an integer from 1"),
        (TypeError, {"log_z": "3"}, "log_z must be a LogPartition or a number"),
        (ValueError, {"log_z": np.inf}, "log_z must be finite"),
    ],
)
def test_bad_arguments_of_a_bound(error: type[Exception], change: dict[str, object], message: str) -> None:
    given = {"dbn": network([6, 4, 3]), "X": V, "log_z": 0.0, "n_samples": 2, "seed": 1} | change
    with pytest.raises(error, match=message):
        rf.log_likelihood_bound(**given)
