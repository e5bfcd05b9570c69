"""log Z and log-likelihoods, against sums and integrals made in another way."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast.likelihood import LogPartition, all_states, log_probabilities

DATA = Path(os.environ.get("RBMFAST_TEST_DATA", "no such folder"))


def model(n: int, m: int, scale: float = 1.0, **units: str) -> rf.RBM:
    rng = np.random.default_rng(n + 100 * m)
    return rf.RBM.from_arrays(
        scale * rng.normal(size=(n, m)), rng.normal(size=n), rng.normal(size=m), **units
    )


def joint_log_z(rbm: rf.RBM) -> float:
    V, H = all_states(rbm.n_visible), all_states(rbm.n_hidden)
    W, a, b = (p.astype(np.float64) for p in (rbm.W, rbm.a, rbm.b))
    return float(logsumexp(V @ W @ H.T + (V @ a)[:, None] + H @ b))


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (7, 3), (3, 7), (6, 6)])
def test_log_partition_against_the_sum_over_both_layers(shape: tuple[int, int]) -> None:
    rbm = model(*shape)
    assert_allclose(rf.log_partition(rbm).value, joint_log_z(rbm), rtol=1e-13)


def test_log_partition_of_unconnected_units() -> None:
    # log Z = sum of softplus(a) + sum of softplus(b), here with 3000 visible units.
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=3000).astype(np.float32), rng.normal(size=4).astype(np.float32)
    rbm = rf.RBM.from_arrays(np.zeros((3000, 4)), a, b)
    expected = sum(np.logaddexp(0, x.astype(np.float64)).sum() for x in (a, b))
    assert_allclose(rf.log_partition(rbm).value, expected, rtol=1e-13)


def test_log_partition_of_large_weights_does_not_overflow() -> None:
    rbm = rf.RBM.from_arrays(np.full((50, 3), 100.0), np.zeros(50), np.zeros(3))
    assert_allclose(rf.log_partition(rbm).value, 50 * 300, rtol=1e-6)


def test_log_partition_does_not_see_the_fixed_point_weights() -> None:
    rbm = rf.RBM.from_arrays([[2.0**-22]], [0.0], [0.0])
    assert_allclose(rf.log_partition(rbm).value - np.log(4), 2.0**-24, rtol=1e-6)


def test_log_partition_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = model(6, 6)
    whole = rf.log_partition(rbm).value
    monkeypatch.setattr("rbmfast.likelihood.exact.BLOCK_NUMBERS", 6 * 7)
    assert_allclose(rf.log_partition(rbm).value, whole, rtol=1e-14)
    assert_allclose(logsumexp(log_probabilities(rbm)), 0, atol=1e-12)


def test_either_layer_may_be_the_small_one() -> None:
    rbm = model(40, 5)
    mirrored = rf.RBM.from_arrays(rbm.W.T, rbm.b, rbm.a)
    assert_allclose(rf.log_partition(rbm).value, rf.log_partition(mirrored).value, rtol=1e-13)


def test_log_partition_of_gaussian_layers() -> None:
    rbm = model(40, 5, 0.2, visible="gaussian")
    # Integrating v out by hand: log Z = log sum_h exp(b h + |a + W h|^2 / 2 - |a|^2 / 2) + n / 2 log 2 pi.
    H = all_states(5)
    W, a, b = (p.astype(np.float64) for p in (rbm.W, rbm.a, rbm.b))
    exponents = H @ b + (((H @ W.T + a) ** 2).sum(axis=1) - (a**2).sum()) / 2
    expected = logsumexp(exponents) + 20 * np.log(2 * np.pi)
    assert_allclose(rf.log_partition(rbm).value, expected, rtol=1e-12)
    mirrored = rf.RBM.from_arrays(rbm.W.T, rbm.b, rbm.a, hidden="gaussian")
    assert_allclose(rf.log_partition(mirrored).value, expected, rtol=1e-12)


def test_the_result_is_a_number_with_an_interval() -> None:
    z = rf.log_partition(model(3, 2))
    assert (z.stderr, z.lower, z.upper, z.method) == (0.0, z.value, z.value, "exact")
    assert float(z) == z.value


def test_published_model_with_exactly_known_log_z() -> None:
    path = DATA / "salakhutdinov_murray_2008" / "mnistvh_15h.npz"
    if not path.is_file():
        pytest.skip("RBMFAST_TEST_DATA does not name a folder with salakhutdinov_murray_2008/mnistvh_15h.npz")
    with np.load(path) as file:
        rbm = rf.RBM.from_arrays(file["W"], file["vbias"], file["hbias"])
    assert_allclose(rf.log_partition(rbm).value, 215.13840552531644, atol=1e-5)  # it rounds to float32


# --- Log-likelihood ----------------------------------------------------------------------------------------


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


def test_grey_levels_have_no_likelihood() -> None:
    rbm = model(3, 2)
    with pytest.raises(ValueError, match=r"X\[1, 2\] is a grey level, which is no state of bernoulli units"):
        rf.log_likelihood(rbm, [[0, 1, 0], [0, 1, 0.5]])
    assert rf.log_likelihood(rbm, [[0.0, 1.0, 0.0]]).shape == (1,)


@pytest.mark.parametrize(
    ("log_z", "error"), [("1", TypeError), (True, TypeError), (np.nan, ValueError), ([1.0], TypeError)]
)
def test_bad_log_z(log_z: object, error: type) -> None:
    with pytest.raises(error, match=r"^log_z must be"):
        rf.log_likelihood(model(3, 2), [[0, 1, 0]], log_z=log_z)


# --- Refusals ----------------------------------------------------------------------------------------------


def test_large_models_are_refused_with_their_cost() -> None:
    with pytest.raises(
        ValueError, match=r"2\*\*500 states of the hidden layer and 10\*\*153 exponentials; at most 25"
    ):
        rf.log_partition(rf.RBM(784, 500, seed=0))
    with pytest.raises(ValueError, match=r"2\*\*26 states of the visible layer"):
        rf.log_likelihood(rf.RBM(26, 30, seed=0), np.zeros((1, 26)))


def test_models_without_countable_states_are_refused() -> None:
    with pytest.raises(ValueError, match=r"neither layer of RBM.* can be enumerated"):
        rf.log_partition(model(3, 2, visible="gaussian", hidden="gaussian"))
    # Only the countable layer counts, however small the other one is.
    with pytest.raises(ValueError, match=r"2\*\*30 states of the hidden layer"):
        rf.log_partition(rf.RBM(2, 30, visible="gaussian", seed=0))


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="method must be one of 'exact'; got 'ais'"):
        rf.log_partition(model(3, 2), method="ais")


def test_only_models_are_taken() -> None:
    for call in (rf.log_partition, log_probabilities):
        with pytest.raises(TypeError, match=r"rbm must be an rf\.RBM, got int"):
            call(3)


def test_lists_of_states_stay_short() -> None:
    with pytest.raises(ValueError, match="at most 20 visible units with 0/1 states, got 21 bernoulli"):
        log_probabilities(model(21, 2))
    with pytest.raises(ValueError, match="got 3 gaussian units"):
        log_probabilities(model(3, 2, visible="gaussian"))
    for n in (0, 26):
        with pytest.raises(ValueError, match="n_units"):
            all_states(n)
