"""log Z, against sums and integrals made in another way."""

import numpy as np
import pytest
from likelihood.helpers import WORKED, joint, model, parameters, published_model
from numpy.testing import assert_allclose
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast.likelihood import all_states, log_probabilities
from rbmfast.likelihood.enumeration import check_finite_log_z


def unconnected() -> tuple[rf.RBM, float]:
    """log Z = sum of softplus(a) + sum of softplus(b), here with 3000 visible units."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=3000).astype(np.float32), rng.normal(size=4).astype(np.float32)
    return rf.RBM.from_arrays(np.zeros((3000, 4)), a, b), sum(
        np.logaddexp(0, x.astype(np.float64)).sum() for x in (a, b)
    )


LARGE = rf.RBM.from_arrays(np.full((50, 3), 100.0), np.zeros(50), np.zeros(3))  # must not overflow
TINY = rf.RBM.from_arrays([[2.0**-22]], [0.0], [0.0])  # which fixed-point weights do not show


@pytest.mark.parametrize(
    ("rbm", "expected", "rtol"),
    [
        *[
            (rbm, joint(*parameters(rbm)).log_z, 1e-13)
            for rbm in (model(*shape) for shape in ((1, 1), (2, 2), (7, 3), (3, 7), (6, 6)))
        ],
        (WORKED, np.log(5.2200 + 9.3997 + 5.4539 + 9.8487), 3e-6),  # by hand over v = 00, 10, 01, 11
        (*unconnected(), 1e-13),
        (LARGE, 50 * 300, 1e-6),
        (TINY, np.log(4) + 2.0**-24, 1e-13),
    ],
)
def test_log_partition(rbm: rf.RBM, expected: float, rtol: float) -> None:
    assert_allclose(rf.log_partition(rbm).value, expected, rtol=rtol)


def test_log_partition_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = model(6, 6)
    whole = rf.log_partition(rbm).value
    monkeypatch.setattr("rbmfast.likelihood.enumeration.BLOCK_NUMBERS", 6 * 7)
    assert_allclose(rf.log_partition(rbm).value, whole, rtol=1e-14)
    assert_allclose(logsumexp(log_probabilities(rbm)), 0, atol=1e-12)


def test_log_partition_of_gaussian_layers() -> None:
    rbm = model(40, 5, 0.2, visible="gaussian")
    # Integrating v out by hand: log Z = log sum_h exp(b h + |a + W h|^2 / 2 - |a|^2 / 2) + n / 2 log 2 pi.
    H = all_states(5)
    W, a, b = parameters(rbm)
    exponents = H @ b + (((H @ W.T + a) ** 2).sum(axis=1) - (a**2).sum()) / 2
    expected = logsumexp(exponents) + 20 * np.log(2 * np.pi)
    assert_allclose(rf.log_partition(rbm).value, expected, rtol=1e-12)
    mirrored = rf.RBM.from_arrays(rbm.W.T, rbm.b, rbm.a, hidden="gaussian")
    assert_allclose(rf.log_partition(mirrored).value, expected, rtol=1e-12)


def both_gaussian(largest: float, shape: tuple[int, int] = (2, 1)) -> rf.RBM:
    rng = np.random.default_rng(3)
    W = rng.normal(size=shape)
    W *= largest / np.linalg.norm(W, 2)
    a, b = rng.normal(size=shape[0]), rng.normal(size=shape[1])
    return rf.RBM.from_arrays(W, a, b, visible="gaussian", hidden="gaussian")


def test_log_partition_of_gaussian_units_on_both_sides() -> None:
    # The trapezium rule over exp(-E), which is exact for smooth functions that vanish at both ends.
    rbm = both_gaussian(0.7)
    W, a, b = parameters(rbm)
    x = np.linspace(-14, 14, 141)
    v, w, h = np.meshgrid(x, x, x, indexing="ij", sparse=True)
    energy = ((v - a[0]) ** 2 + (w - a[1]) ** 2 + (h - b[0]) ** 2) / 2 - (W[0, 0] * v + W[1, 0] * w) * h
    z = rf.log_partition(rbm)
    assert_allclose(z.value, np.log(np.exp(-energy).sum() * (x[1] - x[0]) ** 3), rtol=1e-12)
    assert z.method == "exact"

    # Any size: the same number from the determinant and the inverse of all units' precision matrix.
    rbm = both_gaussian(0.99, (40, 70))
    W, a, b = parameters(rbm)
    precision = np.block([[np.eye(40), -W], [-W.T, np.eye(70)]])
    m = np.concatenate([a, b])
    square = m @ np.linalg.solve(precision, m) - m @ m
    expected = (110 * np.log(2 * np.pi) - np.linalg.slogdet(precision)[1] + square) / 2
    assert_allclose(rf.log_partition(rbm).value, expected, rtol=1e-10)


@pytest.mark.parametrize("method", ["exact", "ais", "reverse_ais", "bracket", "conservative"])
def test_gaussian_units_without_a_distribution(method: str) -> None:
    blocks = rf.Mixed([(rf.Bernoulli(), 1), (rf.Gaussian(), 1)])
    W = np.array([[9.0, 9.0], [9.0, 1.0]])
    for rbm in (both_gaussian(1.5), rf.RBM.from_arrays(W, [0, 0], [0, 0], visible=blocks, hidden=blocks)):
        with pytest.raises(ValueError, match=r"no distribution and has no log Z: .* below 1, got 1"):
            if method == "conservative":
                rf.conservative_log_likelihood(rbm, [[0.0, 0.0]])
            else:
                rf.log_partition(rbm, method)
    W[1, 1] = 0.5  # the weights to other units may be as large as they like
    stable = rf.RBM.from_arrays(W, [0, 0], [0, 0], visible=blocks, hidden=blocks)
    check_finite_log_z(stable)


def test_published_model_with_exactly_known_log_z() -> None:
    rbm = published_model()
    assert_allclose(rf.log_partition(rbm).value, 215.13840552531644, atol=1e-5)  # it rounds to float32
