"""The conditional RBM: its distribution in a context, its gradient, its draws, and what it refuses."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from training.helpers import TEXTBOOK

import rbmfast as rf
from rbmfast.models.context import InContext

V, H, C = 3, 3, 2
BITS = np.array([*product([0, 1], repeat=3)], np.uint8)
ONE_HOT = np.eye(3, dtype=np.uint8)
CONTEXTS = {"binary": np.uint8([[1, 0], [1, 1]]), "real": np.float32([[0.75, -1.25], [0.5, 2.0]])}


def model(
    visible: Any = "bernoulli", context: Any = "binary", hidden: Any = "bernoulli"
) -> rf.ConditionalRBM:
    rng = np.random.default_rng(1)
    shapes = (V, H), (C, H), (C, V), V, H
    arrays = [rng.normal(scale=0.5, size=shape).astype(np.float32) for shape in shapes]
    return rf.ConditionalRBM.from_arrays(*arrays, visible=visible, hidden=hidden, context=context)


def energies(crbm: rf.ConditionalRBM, v: np.ndarray, h: np.ndarray, c: np.ndarray) -> np.ndarray:
    """All but the units' own terms, by the formula: (n_v, n_h)."""
    v, h = v.astype(float), h.astype(float)
    return -v @ crbm.W @ h.T - (v @ (crbm.a + c @ crbm.A))[:, None] - h @ (crbm.b + c @ crbm.B)


# --- The distribution in a context -------------------------------------------------------------------------


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("visible", ["bernoulli", rf.Categorical(3)])
def test_by_enumeration(visible: Any, context: str) -> None:
    crbm, states = model(visible, context), BITS if visible == "bernoulli" else ONE_HOT
    for c in CONTEXTS[context]:
        E, beside = energies(crbm, states, BITS, c), np.tile(c, (len(states), 1))
        for h, column in zip(BITS, E.T, strict=True):
            assert_allclose(crbm.energy(states, np.tile(h, (len(states), 1)), beside), column, atol=1e-5)
        p = np.exp(-E) / np.exp(-E).sum()
        assert_allclose(crbm.free_energy(states, beside), -np.log(np.exp(-E).sum(axis=1)), atol=1e-5)
        assert_allclose(np.exp(crbm.log_likelihood(states, beside)), p.sum(axis=1), atol=1e-5)
        given_v, given_h = p / p.sum(axis=1, keepdims=True), p / p.sum(axis=0)
        assert_allclose(crbm.hidden_probabilities(states, beside), given_v @ BITS, atol=1e-5)
        on = crbm.visible_probabilities(BITS, np.tile(c, (len(BITS), 1)))
        assert_allclose(on, given_h.T @ states, atol=1e-5)
        assert_allclose(crbm.predict(c[None])[0], p.sum(axis=1) @ states, atol=1e-5)
        rbm = crbm.given(c)
        assert_allclose(np.exp(rf.log_likelihood(rbm, states)), p.sum(axis=1), atol=1e-5)
        drawn = crbm.sample(np.tile(c, (20_000, 1)), steps=20, seed=1)
        assert drawn.dtype == np.uint8
        assert_allclose(drawn.mean(axis=0), p.sum(axis=1) @ states, atol=0.015)
        v = crbm.gibbs(np.tile(states[-1], (20_000, 1)), np.tile(c, (20_000, 1)), steps=20, seed=2)
        assert_allclose(v.mean(axis=0), p.sum(axis=1) @ states, atol=0.015)


@pytest.mark.parametrize("visible", ["gaussian", rf.Gaussian(sigma=[0.5, 1.0, 3.0]), "spin"])
@pytest.mark.parametrize("context", CONTEXTS)
def test_as_the_rbm_that_it_is_in_a_context(visible: Any, context: str) -> None:
    """Real units, and those that are shown otherwise than computed with: row by row as `given`."""
    crbm = model(visible, context, "spin" if visible == "spin" else "bernoulli")
    states = 2 * BITS.astype(np.int8) - 1 if visible == "spin" else np.float32([[0.5, 0, 2], [-1, 1.5, 0.25]])
    for c in CONTEXTS[context]:
        rbm, beside = crbm.given(c), np.tile(c, (len(states), 1))
        H = rbm.sample_hidden(states, seed=3)
        assert_allclose(crbm.log_likelihood(states, beside), rf.log_likelihood(rbm, states), atol=1e-5)
        for name in ("hidden_probabilities", "free_energy", "reconstruct"):
            ours, theirs = getattr(crbm, name)(states, beside), getattr(rbm, name)(states)
            assert_allclose(ours - ours[0], theirs - theirs[0], atol=1e-4)
        found = crbm.visible_probabilities(H, beside)
        assert_allclose(found, rbm.visible_probabilities(H), atol=1e-5)
        assert_allclose(crbm.predict(c[None])[0], rf.likelihood.exact_moments(rbm).visible, atol=1e-5)
        assert_allclose(crbm.gibbs(states, beside, 3, 4), rbm.gibbs(states, 3, 4), atol=1e-5)  # one stream


def test_gaussian_density_by_its_mixture() -> None:
    crbm, c, v = model("gaussian", "real"), CONTEXTS["real"][1], np.float32([[0.5, -1, 2], [0, 0, 0.25]])
    means = crbm.a + c @ crbm.A + BITS @ crbm.W.T
    x = crbm.b + c @ crbm.B
    weights = BITS @ x + ((means**2).sum(axis=1) - ((crbm.a + c @ crbm.A) ** 2).sum()) / 2
    p = np.exp(weights) / np.exp(weights).sum()
    density = np.exp(-((v[:, None] - means) ** 2).sum(axis=2) / 2) / (2 * np.pi) ** 1.5 @ p
    assert_allclose(np.exp(crbm.log_likelihood(v, [c, c])), density, rtol=1e-4)


def test_likelihoods_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row by row, some rows at once, in blocks of hidden states, and by the functions for all models."""
    crbm, rng = model("gaussian", "real"), np.random.default_rng(3)
    v, c = rng.normal(size=(2, 50, 3)).astype(np.float32)
    c = c[:, :C]
    alone = [rf.log_likelihood(crbm.given(one), row[None])[0] for row, one in zip(v, c, strict=True)]
    each = rf.log_likelihood(crbm, v, context=c)
    assert_allclose(each, alone, rtol=1e-4)
    mean = rf.mean_log_likelihood(crbm, v, context=c)
    assert mean.value == pytest.approx(each.mean()) and mean.stderr == 0 and mean.lower == mean.value
    monkeypatch.setattr("rbmfast.models.observed.IN_CACHE", 4 * 5 * 7)
    monkeypatch.setattr("rbmfast.models.observed.BLOCK_NUMBERS", 4 * 50)
    assert_allclose(crbm.log_likelihood(v, c), each, atol=1e-12)


def test_missing_frames() -> None:
    crbm, c = model(), CONTEXTS["binary"][:1]
    both = crbm.log_likelihood([[1, 0, 0], [1, 1, 0]], [c[0], c[0]])
    hole = [[1, np.nan, 0]]
    assert_allclose(crbm.log_likelihood(hole, c), np.log(np.exp(both).sum()), atol=1e-5)
    filled = crbm.impute(np.tile(hole, (20_000, 1)), np.tile(c, (20_000, 1)), steps=20, seed=1)
    p = float(np.exp(both[1]) / np.exp(both).sum())
    assert_allclose(filled.mean(axis=0), [1, p, 0], atol=0.015)
    mean = crbm.impute(hole, c, steps=4000, seed=1, average=True)
    assert_allclose(mean, [[1, p, 0]], atol=0.03)
    masked = crbm.impute([[1, 1, 0]], c, mask=[[False, True, False]], steps=9, seed=4)
    assert_array_equal(masked, crbm.impute(hole, c, steps=9, seed=4))


# --- Learning ----------------------------------------------------------------------------------------------


class Exact(rf.CD):
    """Contrastive divergence with so many samples of the model in each context that they count as all."""

    fused = False

    def negative_phase(self, model: Any, v: Any, x: Any, chains: Any) -> Any:
        drawn, _ = replace(model, stream=model.stream.at(0, 0)).gibbs(np.tile(v, (3000, 1)), 8)
        return drawn, model.up.input(drawn)


@pytest.mark.parametrize(("visible", "context"), [("bernoulli", "binary"), ("gaussian", "real")])
def test_gradient_by_finite_differences(visible: str, context: str) -> None:
    rng = np.random.default_rng(5)
    beside = rng.integers(0, 2, (12, C)) if context == "binary" else rng.integers(-8, 8, (12, C)) / 4
    X = rng.integers(0, 2, (12, V)) if visible == "bernoulli" else rng.normal(size=(12, V)).astype(np.float32)
    crbm, learned = model(visible, context), model(visible, context)
    settings: dict[str, Any] = {**TEXTBOOK, "method": Exact(), "optimizer": 1.0, "epochs": 1}
    rf.train(learned, X, context=beside, batch_size=12, seed=1, **settings)
    names = ("W", "B", "A", "a", "b")
    arrays = {name: getattr(crbm, name).copy() for name in names}
    for name in names:
        found = getattr(learned, name) - arrays[name]
        for at in np.ndindex(found.shape):
            ends = []
            for shift in (-0.02, 0.02):
                moved = {**arrays, name: arrays[name].copy()}
                moved[name][at] += np.float32(shift)
                twin = rf.ConditionalRBM.from_arrays(*moved.values(), visible=visible, context=context)
                ends.append(twin.log_likelihood(X, beside).mean())
            assert_allclose(found[at], (ends[1] - ends[0]) / 0.04, atol=0.02, err_msg=f"{name}{at}")


@pytest.mark.parametrize(
    "kinds", [("bernoulli", "bernoulli"), ("gaussian", "gaussian"), ("bernoulli", "relu")]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_for_the_context_weights(kinds: tuple[str, str], weighted: bool) -> None:
    rng = np.random.default_rng(6)
    units = [rf.units.get_unit(kind) for kind in kinds]
    layer = InContext(((units[0], V), (units[1], C))).of_size(V + C)
    states = rng.integers(0, 2, (50, V + C)).astype(layer.dtype)
    shares = rng.random(50) if weighted else np.full(50, 1 / 50)
    sums = layer.parameter_sums(states, np.zeros(V + C, np.float32), shares)
    expected = np.einsum("r,rc,rv->cv", shares, states[:, V:].astype(float), states[:, :V].astype(float))
    assert_allclose(sums["context"], expected, atol=1e-3 if weighted else 1e-12)


def test_penalties_hold_all_weights_down_and_a_rate_of_zero_nothing() -> None:
    crbm, still = model(), model()
    X, beside = BITS, np.tile(CONTEXTS["binary"], (4, 1))
    rf.train(still, X, context=beside, optimizer=0.0, penalties=rf.L2(0.1), epochs=1, seed=1)
    assert_array_equal(still.A, crbm.A)
    plain, held = model(), model()
    for twin, penalties in ((plain, ()), (held, rf.L2(0.1))):
        rf.train(twin, X, context=beside, optimizer=1.0, penalties=penalties, epochs=1, batch_size=8, seed=1)
    for name in ("W", "B", "A"):
        assert_allclose(getattr(plain, name) - getattr(held, name), 0.1 * getattr(crbm, name), atol=1e-6)


def test_it_learns_what_follows_what() -> None:
    """Each frame is the one before it moved by one; with a learned sigma beside real frames, too."""
    frames = np.eye(6)[np.arange(200) % 6]
    X, beside = rf.lagged(frames, 1)
    crbm = rf.ConditionalRBM(6, 4, 6, seed=0)
    history = rf.train(
        *(crbm, X),
        context=beside,
        validation=(X[:50], beside[:50]),
        monitors=[rf.ReconstructionError(), rf.FreeEnergyGap()],
        optimizer=rf.SGD(0.5, momentum=0.5),
        epochs=40,
        batch_size=10,
        seed=1,
    )
    assert history["validation_reconstruction_error"][-1] < 0.01
    assert (crbm.predict(beside[:6]).argmax(axis=1) == X[:6].argmax(axis=1)).all()
    wave = 5 + 20 * np.sin(np.arange(300) / 5)[:, None] * [1, 1e-3]
    X, beside = rf.lagged(wave, 2)
    real = rf.ConditionalRBM(2, 2, 4, visible=rf.Gaussian("learned"), seed=0)
    scaled = (beside - beside.mean(axis=0)) / beside.std(axis=0)
    rf.train(real, X, context=scaled, optimizer=rf.Adam(0.02), epochs=40, batch_size=20, seed=1)
    error = real.predict(scaled) - X
    assert (error.std(axis=0) < 0.2 * X.std(axis=0)).all()


# --- Generating --------------------------------------------------------------------------------------------


def test_generating_is_a_loop_over_gibbs_that_can_be_cut_anywhere() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((V, H), (2 * V, H), (2 * V, V), V, H)]
    crbm = rf.ConditionalRBM.from_arrays(*arrays)
    last = rng.integers(0, 2, (5, 2 * V))
    whole = crbm.generate(last, steps=7, seed=3, gibbs_steps=2)
    assert whole.shape == (5, 7, V) and whole.dtype == np.uint8
    frame = crbm.gibbs(last[:, :V], last, steps=2, seed=3)
    assert_array_equal(whole[:, 0], frame)
    assert_array_equal(crbm.generate(last[2:], 7, 3, gibbs_steps=2, first_row=2), whole[2:])
    after = np.hstack([whole[:, 3], whole[:, 2]])
    assert_array_equal(crbm.generate(after, 3, 3, gibbs_steps=2, first_frame=4), whole[:, 4:])
    frames = last[0].reshape(2, V)[::-1]  # in the order of time
    assert_array_equal(crbm.generate(frames, 7, 3, gibbs_steps=2), whole[:1])
    means = crbm.generate(last, 2, 3, gibbs_steps=2, average=True)
    h = crbm.gibbs(last[:, :V], last, 2, 3, return_hidden=True)[1]
    assert_array_equal(means[:, 0], crbm.visible_probabilities(h, last))


def test_copies_of_a_used_model() -> None:
    crbm = model()
    before = crbm.sample(BESIDE, seed=1)
    copies = [copy.copy(crbm), copy.deepcopy(crbm), pickle.loads(pickle.dumps(crbm))]
    rf.train(crbm, X, context=BESIDE, epochs=1, seed=1)
    for twin in copies:
        assert_array_equal(twin.A, model().A)
        assert_array_equal(twin.sample(BESIDE, seed=1), before)


def test_spins_in_a_context_of_spins() -> None:
    """What contexts are if nothing is said; and on what W, B and A act."""
    X, beside = rf.lagged(2 * np.eye(3, dtype=np.int8)[np.arange(9) % 3] - 1, 1)
    crbm = rf.ConditionalRBM(3, 2, 3, visible="spin", hidden="spin", seed=0)
    rf.train(crbm, X, context=beside, epochs=1, seed=1)
    assert crbm.context == rf.Spin()
    v, h, c, b = np.ones((1, 3)), np.ones((1, 2)), np.ones((1, 3)), np.float32(crbm.b)
    flip = crbm.energy(v, -h, c) - crbm.energy(v, h, c)
    assert_allclose(flip, 2 * (v @ crbm.W + b + c @ crbm.B).sum(), atol=1e-5)
    for sign, bits in ((1, c), (-1, 0 * c)):
        rbm = crbm.given(sign * c[0])
        assert_allclose(rbm.a, crbm.a + bits[0] @ crbm.A / 2, atol=1e-5)
        assert_allclose(rbm.b, crbm.b + sign * c[0] @ crbm.B, atol=1e-5)


def test_files(tmp_path: Path) -> None:
    for visible, context in (
        ("bernoulli", None),
        (rf.Gaussian("learned"), "real"),
        ("spin", rf.Categorical(2)),
    ):
        crbm = model(visible, context)
        crbm.save(tmp_path / "it.rbm")
        twin = rf.load(tmp_path / "it.rbm")
        assert repr(twin) == repr(crbm) and twin.context == crbm.context
        for name, array in crbm.parameters().items():
            assert_array_equal(twin.parameters()[name], array)
        assert not array.flags.writeable
    with pytest.raises(ValueError, match="must be units and a context"):
        meta, arrays = crbm.to_state()
        rf.ConditionalRBM.from_state({**meta, "visible": {"unit": "mixed", "parts": []}}, arrays)


# --- What is refused ---------------------------------------------------------------------------------------

X = BITS[:4]
BESIDE = np.tile(CONTEXTS["binary"], (2, 1))
WRONG: dict[str, tuple[Any, str]] = {
    "no context": (lambda m: rf.train(m, X), "X must be given with a context"),
    "an RBM's": (lambda m: rf.train(rf.RBM(V, H), X, context=BESIDE), "what an rf.ConditionalRBM is given"),
    "width": (lambda m: m.free_energy(X, BESIDE[:, :1]), "context must have 2 features"),
    "rows": (lambda m: m.free_energy(X, BESIDE[:3]), "context must have a row for each of V, 4, got 3"),
    "rows of H": (lambda m: m.visible_probabilities(X, BESIDE[:3]), "a row for each of H, 4, got 3"),
    "NaN": (lambda m: rf.train(m, X, context=np.full((4, 2), np.nan)), r"context\[0, 0\] is nan"),
    "one of several": (lambda m: m.given(BESIDE), "context must be one row, got 4"),
    "validation": (lambda m: rf.train(m, X, context=BESIDE, validation=X), "validation must be given with a"),
    "pcd": (
        lambda m: rf.train(m, X, context=BESIDE, method="pcd"),
        "must start samples at the rows, as rf.CD",
    ),
    "pt": (lambda m: rf.train(m, X, context=BESIDE, method="pt"), "must start samples at the rows, as rf.CD"),
    "unbiased cd": (
        lambda m: rf.train(m, X, context=BESIDE, method="unbiasedcd"),
        "in both layers, got 3 bernoulli given 2 bernoulli and bernoulli units",
    ),
    "pseudo-likelihood": (
        lambda m: rf.train(m, X, context=BESIDE, monitors=rf.PseudoLikelihood(), epochs=0),
        "PseudoLikelihood in monitors makes nothing of units that are drawn in a context",
    ),
    "log-likelihood": (
        lambda m: rf.train(m, X, context=BESIDE, monitors=rf.LogLikelihood(), epochs=0),
        "LogLikelihood in monitors makes nothing of units that are drawn in a context",
    ),
    "grey": (lambda m: m.log_likelihood(X / 2, BESIDE), "is a grey level"),
    "frames": (lambda m: m.generate(BESIDE, 2), "n_context must be frames of n_visible=3"),
    "A": (lambda m: rf.ConditionalRBM.from_arrays(m.W, m.B, m.A.T, m.a, m.b), "A must have shape .*pass A.T"),
    "B": (lambda m: rf.ConditionalRBM.from_arrays(m.W, m.B[:, :2], m.A, m.a, m.b), "B must have shape"),
    "n_context": (lambda m: rf.ConditionalRBM(3, 2, 0), "n_context must be an integer from 1"),
    "context's size": (lambda m: rf.ConditionalRBM(3, 2, 4, context=rf.Categorical(3)), "n_context"),
    "counts": (lambda m: rf.ConditionalRBM(3, 2, 4, visible="counts"), "visible must not be counts"),
    "log Z": (lambda m: rf.log_partition(m), r"rbm must be an rf.RBM, .*: its `given\(context\)` is one"),
    "filters": (lambda m: rf.plots.filters(m), "rbm must be an rf.RBM, got ConditionalRBM"),
    "one log Z": (lambda m: rf.log_likelihood(m, X, 3.0, context=BESIDE), "another in every context"),
    "no context to judge in": (lambda m: rf.log_likelihood(m, X), "context must be given for"),
    "an RBM's to judge": (lambda m: rf.log_likelihood(m.given([1, 0]), X, context=BESIDE), "given, got one"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str) -> None:
    crbm = rf.ConditionalRBM(V, H, C, seed=0)  # untouched: a run would begin with a bias from the data
    before = {name: array.copy() for name, array in crbm.parameters().items()}
    with pytest.raises((TypeError, ValueError), match=WRONG[name][1]) as caught:
        WRONG[name][0](crbm)
    assert not re.search(r"\n", str(caught.value))
    for name, array in before.items():
        assert_array_equal(crbm.parameters()[name], array)


def test_large_hidden_layers_have_no_exact_likelihood() -> None:
    with pytest.raises(ValueError, match="at most 2"):
        rf.ConditionalRBM(3, 40, 2, seed=0).log_likelihood(X, BESIDE)
