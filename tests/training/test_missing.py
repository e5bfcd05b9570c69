"""Learning from rows with missing entries: the right gradient, and rows that do without."""

from __future__ import annotations

from itertools import product
from typing import Any, ClassVar

import numpy as np
import pytest
from models.helpers import small
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy.special import expit, logsumexp
from training.helpers import TEXTBOOK, random_rows, slopes

import rbmfast as rf
from rbmfast.likelihood import all_states
from rbmfast.state import Gradient
from rbmfast.streams import Purpose
from rbmfast.training import Method

F64 = NDArray[np.float64]
HERE = np.array([[1, np.nan, 0, np.nan], [np.nan, 1, 1, 0], [0, 0, 1, 1], [np.nan] * 4])


class Look(Method):
    """Learns nothing, and keeps the completed rows of the last updates."""

    k, purpose = 1, Purpose.CD
    seen: ClassVar[list[Any]] = []

    def gradient(self, model: Any, v: Any, x: Any, chains: Any, weights: Any = None) -> Gradient:
        self.seen.append(v)
        zeros = (np.zeros_like(each) for each in (model.up.W, v[0], x[0], v[0], x[0]))
        return Gradient(*(np.float32(each) for each in zeros))


def completions(rbm: rf.RBM, X: Any, copies: int) -> Any:
    """The rows as the 20th epoch learns from them: (copies, n_rows, n_visible)."""
    Look.seen.clear()
    settings: dict[str, Any] = dict(shuffle=False, batch_size=copies * len(X), optimizer=rf.SGD(0.0))
    rf.train(rbm, np.tile(X, (copies, 1)), method=Look(), epochs=20, seed=1, **settings)
    return Look.seen[-1].reshape(copies, *X.shape)


def observed(theta: list[F64]) -> float:
    """The mean over the rows of log of the summed weight of their completions."""
    W, a, b = theta
    V = all_states(4).astype(np.float64)
    log_weights = V @ a + np.logaddexp(0, V @ W + b).sum(axis=1)
    fits = [((row == V) | np.isnan(row)).all(axis=1) for row in HERE]
    return float(np.mean([logsumexp(log_weights[fit]) for fit in fits]))


def test_the_positive_phase_is_the_slope_of_what_is_known() -> None:
    """Means over 8000 copies of four rows lie within 6 standard errors of the exact slope.

    Each of its terms is between 0 and 1, so that a standard error is at most 0.5 / sqrt(8000) for each row.
    """
    rbm = small(4, 3, scale=1.5)
    v = completions(rbm, HERE, 8_000).reshape(-1, 4).astype(np.float64)
    known = ~np.isnan(HERE)
    assert_array_equal(v.reshape(8_000, 4, 4)[:, known], np.tile(HERE[known], (8_000, 1)))
    theta = [np.float64(array) for array in (rbm.W, rbm.a, rbm.b)]
    p = expit(v @ theta[0] + theta[2])
    found = v.T @ p / len(v), v.mean(axis=0), p.mean(axis=0)
    exact_slopes = [slopes(lambda: observed(theta), array) for array in theta]
    for positive, exact in zip(found, exact_slopes, strict=True):
        assert np.abs(positive - exact).max() < 6 * 0.25 / np.sqrt(8_000)


@pytest.mark.parametrize("visible", [rf.Categorical(2), "spin", "gaussian"], ids=str)
def test_other_units_are_completed_too(visible: Any) -> None:
    """Frequencies, or moments, of the missing units given the known ones."""
    rng = np.random.default_rng(0)
    W, a, b = rng.normal(size=(4, 3)) / 2, rng.normal(size=4) / 2, rng.normal(size=3)
    rbm = rf.RBM.from_arrays(W, a, b, visible=visible)
    off = 0 if visible != "spin" else -1
    row = np.array([[1, off, np.nan, np.nan]])
    v = rbm.visible.shown(completions(rbm, row, 10_000)[:, 0]).astype(np.float64)
    assert_array_equal(v[:, :2], np.tile(row[:, :2], (10_000, 1)))
    if visible == "gaussian":
        H, W = all_states(3), rbm.W.astype(np.float64)
        x = H @ W[2:].T + rbm.a[2:]
        mean = np.exp(H @ (W[0] + rbm.b) + (x**2).sum(axis=1) / 2) @ x
        mean /= np.exp(H @ (W[0] + rbm.b) + (x**2).sum(axis=1) / 2).sum()
        assert np.abs(v[:, 2:].mean(axis=0) - mean).max() < 6 * v.std() / np.sqrt(10_000)
        return
    pairs = [(off, 1), (1, off)] if visible != "spin" else [*product((-1, 1), repeat=2)]
    p = np.exp(-rbm.free_energy(np.array([[1, off, *pair] for pair in pairs])))
    for pair, exact in zip(pairs, p / p.sum(), strict=True):
        assert abs((v[:, 2:] == pair).all(axis=1).mean() - exact) < 6 * 0.5 / np.sqrt(10_000)


MORE: list[dict[str, Any]] = [{}, {"optimizer": rf.Adam(0.05), "penalties": rf.SparsityTarget(0.2)}]


@pytest.mark.parametrize("settings", MORE, ids=str)
def test_what_all_rows_lack_is_not_there(settings: dict[str, Any]) -> None:
    """The weights of the others learn, bit for bit, as in the smaller model."""
    X = random_rows(50, 9).astype(np.float64)
    rbm = small(9, 4)
    less = rf.RBM.from_arrays(rbm.W[:6], rbm.a[:6], rbm.b)
    settings = {**TEXTBOOK, "method": rf.CD(2), "epochs": 3, "batch_size": 15, "seed": 1, **settings}
    rf.train(less, X[:, :6], **settings)
    before, X[:, 6:] = rbm.W[6:].copy(), np.nan
    rf.train(rbm, X, missing="absent", **settings)
    assert_array_equal(rbm.W[:6], less.W)
    assert_array_equal(rbm.b, less.b)
    assert_array_equal(rbm.W[6:], before)


def test_holes_teach_what_is_behind_them() -> None:
    """Two patterns and their complements: of the likelihood of whole rows little is lost; much with zeros."""
    rng = np.random.default_rng(0)
    patterns = np.array([[1, 1, 1, 1, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0, 1, 0]])
    whole = np.repeat(np.vstack([patterns, 1 - patterns]), 100, axis=0)
    gaps = rng.random(whole.shape) < 0.3

    def learned_from(X: Any) -> float:
        rbm = rf.RBM(8, 6, seed=0)
        optimizer = rf.SGD(rf.Linear(0.2), momentum=0.5)
        rf.train(rbm, X, method=rf.PCD(5), epochs=300, batch_size=100, optimizer=optimizer, seed=1)
        return rf.mean_log_likelihood(rbm, whole).value

    assert learned_from(np.where(gaps, np.nan, whole)) > -1.7  # log 4 is 1.39
    assert learned_from(np.where(gaps, 0, whole)) < -2.5


def test_refusals() -> None:
    X = np.where(random_rows(20, 6) == 1, np.nan, 0.0)
    rbm, spins, wide = rf.RBM(6, 3, seed=0), rf.RBM(6, 3, visible="spin", seed=0), rf.RBM(6, 40, seed=0)
    classes = rf.ClassRBM(4, 3, n_classes=2, seed=0)
    monitors = [rf.PseudoLikelihood()]
    for model, data, settings, message in (
        (rbm, X, {"missing": "absent", "method": "pcd"}, r"method must start samples .*CD.*got PCD\("),
        (rbm, X, {"missing": "absent", "method": rf.UnbiasedCD()}, "method must start samples"),
        (rbm, X, {"missing": "absent", "centered": True}, "centered must be False for missing='absent'"),
        (rbm, X, {"missing": "gone"}, "missing must be 'random' or 'absent', got 'gone'"),
        (spins, 2 * X - 1, {"missing": "absent"}, "missing='absent' needs visible units .* got spin: use"),
        (classes, X, {"method": rf.Discriminative()}, r"X\[\d, \d\] is nan, but missing values are not"),
        (rbm, X, {"monitors": monitors}, "must be complete for PseudoLikelihood in monitors"),
        (rbm, X, {"monitors": rf.LogLikelihood(), "missing": "absent"}, "complete for LogLikelihood"),
        (wide, X, {"monitors": rf.FreeEnergyGap(), "validation": X}, r"2\*\*20; RBM\(6, 40\) has 2\*\*40"),
    ):
        before = model.a.copy()
        with pytest.raises(ValueError, match=message):
            rf.train(model, data, **settings)
        assert model.is_untouched and (model.a == before).all()
    with pytest.raises(ValueError, match="missing values are not allowed here"):
        rf.pretrain(rf.DBN([6, 3, 3], seed=0), X)
