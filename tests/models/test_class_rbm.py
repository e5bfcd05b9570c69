"""The model of features and class: exact class probabilities, its rows, its samples, its files."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

import rbmfast as rf
from rbmfast.checks import check_labels
from rbmfast.models.class_rbm import softmax as class_softmax
from rbmfast.states import join, one_hot

N, K, H = 6, 4, 5
RNG = np.random.default_rng(7)
W, A, B = RNG.normal(size=(N + K, H)), RNG.normal(size=N + K), RNG.normal(size=H)
X = RNG.integers(0, 2, (11, N), dtype=np.uint8)
Y = RNG.integers(0, K, 11)
LEVELS = RNG.integers(0, 256, (11, N)).astype(np.uint8)


def model(**units: Any) -> rf.ClassRBM:
    return rf.ClassRBM.from_arrays(W, A, B, n_classes=K, **units)


def tables(units: dict[str, Any]) -> np.ndarray:
    """Features that the model takes, as numbers."""
    return RNG.normal(size=(11, N)) if units.get("visible") == "gaussian" else X


UNITS: list[dict[str, Any]] = [
    {},
    {"visible": "gaussian"},
    {"hidden": "gaussian"},
    {"visible": rf.Categorical(3), "hidden": rf.Categorical(5)},
]


# --- Class probabilities -----------------------------------------------------------------------------------


def test_class_probabilities_are_those_of_the_enumerated_joint_distribution() -> None:
    features = np.array(list(itertools.product((0, 1), repeat=N)))
    hidden = np.array(list(itertools.product((0, 1), repeat=H)))
    joint = np.empty((len(features), K))
    for k in range(K):
        v = np.hstack([features, np.tile(np.eye(K)[k], (len(features), 1))])
        joint[:, k] = np.exp(v @ A + np.logaddexp.reduce((v @ W + B) @ hidden.T, axis=1))
    p = joint / joint.sum(axis=1, keepdims=True)
    rbm = model()
    assert_allclose(rbm.class_log_probabilities(features), np.log(p), atol=3e-6)
    assert_array_equal(rbm.predict(features), p.argmax(axis=1))


@pytest.mark.parametrize("units", UNITS, ids=str)
def test_class_probabilities_follow_from_the_free_energies(units: dict[str, Any]) -> None:
    rbm, data = model(**units), tables(units)
    if "Categorical" in str(units):
        data = np.tile(np.eye(3, dtype=np.uint8), (4, 2))[:11]
    energies = [rbm.free_energy(rbm.join(data, np.full(11, k))) for k in range(K)]
    expected = log_softmax(-np.stack(energies, axis=1), axis=1)
    found = rbm.class_log_probabilities(data)
    assert found.dtype == np.float64 and found.shape == (11, K)
    assert_allclose(found, expected, atol=1e-5)
    assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-6)


def test_grey_levels_are_expectations() -> None:
    weights = (LEVELS / 255) @ W[:N] + B
    sums = np.logaddexp(0, weights[:, None] + W[N:]).sum(axis=2) + A[N:]
    assert_allclose(model().class_log_probabilities(rf.Grey8(LEVELS)), log_softmax(sums, axis=1), atol=1e-5)


def test_certain_classes_and_impossible_ones() -> None:
    """Log-weights thousands apart: no overflow, no NaN, and 0 where there is no doubt."""
    rbm = rf.ClassRBM.from_arrays(np.zeros((4, 1)), [0, 0, 5000, -5000], [0.0], n_classes=2)
    assert_array_equal(rbm.class_log_probabilities([[0, 1]]).round(3), [[0, -10000]])


def test_equal_classes_give_the_first() -> None:
    rbm = rf.ClassRBM.from_arrays(np.zeros((5, 2)), np.zeros(5), np.zeros(2), n_classes=3)
    assert_array_equal(rbm.predict([[0, 1], [1, 1]]), [0, 0])
    assert_allclose(rbm.class_log_probabilities([[0, 1]]), -np.log(3), atol=1e-6)


@pytest.mark.parametrize("units", UNITS[:3], ids=str)
def test_expectations_over_classes(units: dict[str, Any]) -> None:
    """Against sums written out; certain classes give the means of the hidden units."""
    rbm = model(**units)
    x = RNG.normal(size=(11, H)).astype(np.float32)
    p = class_softmax(RNG.normal(size=(11, K)))
    hidden, pairs = rbm.hidden.class_expectations(x, rbm.U, p)
    each = x[:, None] + rbm.U
    each = each if "hidden" in units else 1 / (1 + np.exp(-each))
    one = 1 if "hidden" in units else 65535
    assert_allclose(hidden / one, (p[..., None] * each).sum(axis=1), atol=1e-5)
    assert_allclose(pairs / 65535, (p[..., None] * each).sum(axis=0), atol=2e-4)
    certain, _ = rbm.hidden.class_expectations(x, rbm.U, np.eye(K, dtype=np.float32)[Y])
    assert_allclose(certain / one, each[np.arange(11), Y], atol=1e-5)


# --- Rows --------------------------------------------------------------------------------------------------


def joined(data: np.ndarray, y: np.ndarray, one: Any) -> np.ndarray:
    return np.hstack([data, (y[:, None] == np.arange(K)) * one]).astype(data.dtype)


def test_join_keeps_the_kind_of_the_features() -> None:
    rbm = model()
    for data in (X, X.astype(float), sp.csr_array(X), rf.Packed(np.packbits(X, axis=1), N)):
        rows = rbm.join(data, Y)
        assert rows.kind == "binary" and rows.dtype == np.uint8
        assert_array_equal(rows.all(), joined(X, Y, 1))
    for data in (rf.Grey8(LEVELS), LEVELS / 255):
        rows = rbm.join(data, Y)
        assert rows.kind == "grey"
        assert_array_equal(rows.all(), joined(LEVELS.astype(np.uint16) * np.uint16(257), Y, 65535))
    real = RNG.normal(size=(11, N)).astype(np.float32)
    assert_array_equal(model(visible="gaussian").join(real, Y).all(), joined(real, Y, 1))


def test_joined_rows_are_read_in_any_order_and_piece() -> None:
    rows, whole = model().join(sp.csr_array(X), Y), joined(X, Y, 1)
    order = np.array([3, 3, -1, 0])
    assert_array_equal(rows.block(order), whole[order])
    for first, block in rows.blocks(4):
        assert_array_equal(block, whole[first : first + 4])
    assert_array_equal(rows.columns(slice(N - 1, N + 2), "binary").all(), whole[:, N - 1 : N + 2])
    assert rows.fingerprint() == model().join(X, Y).fingerprint()


def test_joined_rows_are_read_by_a_model_of_another_domain() -> None:
    rows = model().join(LEVELS / 255, Y)
    real = rf.RBM(N + K, 2, visible="gaussian", seed=0)
    expected = np.hstack([(LEVELS / 255).astype(np.float32), np.eye(K)[Y]]).astype(np.float32)
    assert_array_equal(real.free_energy(rows), real.free_energy(expected))
    beyond = model(visible="gaussian").join(np.full((11, N), 1.5), Y)
    with pytest.raises(ValueError, match=r"X\[0, 0\] is 1\.5"):
        rf.train(rf.RBM(N + K, 2, seed=0), beyond)


def test_memory_maps_stay_on_disk(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=X.shape)
    mapped[:] = X
    rows = model().join(mapped, Y)
    assert rows.mapped
    assert_array_equal(rows.all(), joined(X, Y, 1))
    rows.give_back()


def test_rows_without_a_class_are_refused_where_states_are_needed() -> None:
    rbm = model()
    rows = rbm.join(X, np.r_[Y[:-1], -1])
    assert not rows.all()[-1, N:].any()
    for refuse in (rbm.free_energy, rbm.gibbs, rbm.initialize, rbm.reconstruct):
        with pytest.raises(ValueError, match=r"\[10, 6:10\] must have one unit on"):
            refuse(rows)
    for method in (rf.CD(), rf.Discriminative(), rf.Hybrid()):
        with pytest.raises(ValueError, match=r"X\[10, 6:10\] must have one unit on"):
            rf.train(rbm, rows, method=method)


# --- Samples -----------------------------------------------------------------------------------------------


def test_samples_of_a_class_have_its_label_and_its_distribution() -> None:
    """False alarms: 24 frequencies, each within 5 standard errors but with probability 6e-7."""
    rbm = rf.ClassRBM.from_arrays(0.5 * W, A, B, n_classes=K)
    features = np.array(list(itertools.product((0, 1), repeat=N)))
    for k in range(K):
        energy = rbm.free_energy(rbm.join(features, np.full(len(features), k)))
        p = np.exp(-energy) / np.exp(-energy).sum()
        v = rbm.sample(4000, steps=60, seed=k, labels=k)
        assert v.dtype == np.uint8
        assert_array_equal(v[:, N:], np.tile(np.eye(K)[k], (4000, 1)))
        mean = p @ features
        assert (np.abs(v[:, :N].mean(axis=0) - mean) < 5 * np.sqrt(mean * (1 - mean) / 4000)).all()


@pytest.mark.parametrize("units", UNITS[:3], ids=str)
def test_each_sample_may_have_a_class_of_its_own(units: dict[str, Any]) -> None:
    rbm = model(**units)
    v, h = rbm.sample(11, steps=4, seed=1, labels=Y, return_hidden=True)
    assert_array_equal(v[:, N:], np.eye(K)[Y])
    assert v.dtype == rbm.visible.dtype and h.shape == (11, H)
    assert_array_equal(rbm.sample(5, 4, seed=1, labels=Y[6:], first_row=6), v[6:])


def test_a_sample_of_a_class_may_start_anywhere() -> None:
    rbm = rf.ClassRBM.from_arrays(np.zeros((N + K, 1)), np.r_[[60.0] * N, [0.0] * K], [0.0], n_classes=K)
    start = rbm.join(LEVELS / 255, np.zeros(11, int))
    v = rbm.sample(11, steps=1, seed=1, labels=2, start=start)
    assert v.dtype == np.uint8 and (v[:, :N] == 1).all()
    assert_array_equal(v[:, N:], np.tile([0, 0, 1, 0], (11, 1)))


def test_without_labels_it_samples_like_any_model() -> None:
    rbm = model()
    plain = rf.RBM.from_arrays(W, A, B, visible=rbm.visible)
    assert_array_equal(rbm.sample(9, 5, seed=1), plain.sample(9, 5, seed=1))
    v, h = rbm.sample(9, 5, seed=1, method="tempering", n_replicas=3, return_hidden=True)
    assert_array_equal(v, plain.sample(9, 5, seed=1, method="tempering", n_replicas=3))
    assert h.shape == (9, H)


# --- Parameters and files ----------------------------------------------------------------------------------


def test_label_parameters_are_views_of_the_last_rows() -> None:
    rbm = model()
    assert (rbm.n_features, rbm.n_classes, rbm.n_visible, rbm.n_hidden) == (N, K, N + K, H)
    assert_array_equal(rbm.U, rbm.W[N:])
    assert_array_equal(rbm.d, rbm.a[N:])
    assert not rbm.U.flags.writeable and not rbm.d.flags.writeable
    assert rf.RBM(3, 2, seed=0).n_classes == 0


def test_a_new_model_and_its_words() -> None:
    rbm = rf.ClassRBM(N, H, K, seed=3)
    assert rbm.seed == 3 and rbm.is_untouched
    assert_array_equal(rbm.W, rf.RBM(N + K, H, seed=3).W)
    assert repr(rbm) == "ClassRBM(6, 5, 4)"
    rbm = rf.ClassRBM(N, H, K, visible="gaussian", hidden=rf.Categorical(5))
    assert repr(rbm) == "ClassRBM(6, 5, 4, visible='gaussian', hidden=Categorical(n_states=5))"


# --- Labels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_class_numbers_of_any_width(dtype: Any) -> None:
    given = np.array([2, 0, 1], dtype)
    labels = check_labels(given, 3, 3)
    assert labels.dtype == np.int64 and labels.tolist() == [2, 0, 1]
    assert not np.shares_memory(labels, given)


def test_what_may_stand_for_labels() -> None:
    assert check_labels(1, 3, 2, one_for_all=True).tolist() == [1, 1, 1]
    assert check_labels([1, -1], 2, 2, lowest=-1).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("y", "error", "given"),
    [
        (None, TypeError, ", got None"),
        ([0.0, 1.0], TypeError, ", got dtype float64"),
        ([True, False], TypeError, ", got dtype bool"),
        (["0", "1"], TypeError, ", got dtype <U1"),
        ([[0], [0, 1]], ValueError, ": "),
        (1, ValueError, ", got shape ()"),
        ([[0], [1]], ValueError, ", got shape (2, 1)"),
        ([0, 3], ValueError, ", got 3 at 1"),
        ([-1, 0], ValueError, ", got -1 at 0"),
        (np.array([0, 2**64 - 1], np.uint64), ValueError, f", got {2**64 - 1} at 1"),
    ],
)
def test_bad_labels(y: Any, error: type[Exception], given: str) -> None:
    with pytest.raises(error, match="^" + re.escape(f"y must be 2 integers from 0 to 2{given}")):
        check_labels(y, 2, 3, "y")


def test_states_of_both_in_the_form_that_holds_them() -> None:
    labels = np.array([1, 0])
    bits, levels, numbers = (
        np.array([[0, 1], [1, 1]], np.uint8),
        np.array([[0, 9], [65535, 1]], np.uint16),
        np.array([[0.5, -2.0], [1.0, 3.0]], np.float32),
    )
    for states, one in ((bits, 1), (levels, 65535), (numbers, 1)):
        own = one_hot(labels, 2, states.dtype)
        assert own.dtype == states.dtype and (own == one * np.eye(2)[labels]).all()
        for form in (np.uint8, np.uint16, np.float32):
            both = join(states, one_hot(labels, 2, np.dtype(form)))
            scale = {1: 1, 2: 65535, 4: 1}[both.itemsize]
            meant = states / np.float32(65535 if states.dtype == np.uint16 else 1)
            assert both.itemsize == max(states.itemsize, np.dtype(form).itemsize)
            np.testing.assert_array_equal(both / np.float32(scale), np.hstack([meant, np.eye(2)[labels]]))
