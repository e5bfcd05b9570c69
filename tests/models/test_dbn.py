"""Deep belief networks, against enumeration."""

import itertools

import numpy as np
import pytest
from models.helpers import (
    agrees,
    assert_moments_of_normals,
    counts,
    down,
    exact,
    given,
    network,
    numbers,
    small,
    up,
    watch_draws,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax

import rbmfast as rf
from rbmfast.likelihood import all_states, log_probabilities
from rbmfast.models import DBN

N_SAMPLES = 20_000
FEWER = 15_000


def exact_with_labels(dbn: DBN) -> np.ndarray:
    """p(y, v): (n_classes, visible states)."""
    top, n = dbn.top, dbn.sizes[-2]
    states, labels = all_states(n), np.eye(dbn.n_classes)
    F = [top.free_energy(np.hstack([states, np.tile(label, (len(states), 1))])) for label in labels]
    p = np.exp(-np.array(F))
    p /= p.sum()
    for rbm in dbn.generative[-2::-1]:
        p = p @ down(rbm, rbm.n_visible)
    return p


# --- Construction ------------------------------------------------------------------------------------------


def test_layers() -> None:
    dbn = rf.DBN([7, 5, 4, 3], visible="gaussian", hidden=["bernoulli", "bernoulli", "gaussian"], seed=3)
    assert dbn.sizes == (7, 5, 4, 3)
    assert (len(dbn), dbn.n_visible, dbn.n_classes, dbn.seed) == (3, 7, None, 3)
    assert [(r.n_visible, r.n_hidden) for r in dbn.generative] == [(7, 5), (5, 4), (4, 3)]
    assert [r.visible.name for r in dbn.generative] == ["gaussian", "bernoulli", "bernoulli"]
    assert [r.hidden.name for r in dbn.generative] == ["bernoulli", "bernoulli", "gaussian"]
    assert dbn.top is dbn.generative[-1]
    assert all(r.is_untouched for r in dbn.generative)
    assert repr(dbn) == "DBN([7, 5, 4, 3], visible='gaussian', hidden=['bernoulli', 'bernoulli', 'gaussian'])"


def test_the_lowest_rbm_is_that_of_the_seed_and_the_others_differ() -> None:
    dbn = rf.DBN([6, 6, 6, 6], seed=5)
    assert_array_equal(dbn.generative[0].W, rf.RBM(6, 6, seed=5).W)
    seeds = [rbm.seed for rbm in dbn.generative]
    assert len({*seeds}) == 3
    for one, other in itertools.combinations(dbn.generative, 2):
        assert not np.isin(one.W, other.W).any()


def test_labels_stand_beside_the_layer_below_the_top() -> None:
    dbn = rf.DBN([7, 5, 4], n_classes=3, seed=0)
    assert dbn.n_classes == 3 and dbn.sizes == (7, 5, 4)
    assert (dbn.top.n_visible, dbn.top.n_hidden) == (8, 4)
    assert type(dbn.generative[0]) is rf.RBM
    assert repr(dbn) == "DBN([7, 5, 4], n_classes=3)"


def test_add_layer_continues_the_seed() -> None:
    dbn = rf.DBN([6, 4], seed=9)
    dbn.add_layer(3)
    assert dbn.sizes == (6, 4, 3)
    assert_array_equal(dbn.top.W, rf.DBN([6, 4, 3], seed=9).top.W)
    dbn.add_layer(2, seed=1)
    assert_array_equal(dbn.top.W, rf.RBM(3, 2, seed=1).W)


@pytest.mark.parametrize("unroll", [None, True])
def test_an_unrolled_layer_leaves_the_distribution_as_it_was(unroll: bool | None) -> None:
    # With the RBM below upside down on top, p(h1) and so p(v) are those of the RBM below: the bound is kept.
    dbn = network((5, 4, 3))
    before = exact(dbn)
    dbn.add_layer(4, unroll=unroll)
    assert not dbn.top.is_untouched
    assert_allclose(exact(dbn), before, rtol=1e-5)
    dbn.add_layer(3, unroll=unroll)
    assert_allclose(exact(dbn), before, rtol=1e-5)


def test_when_a_layer_is_unrolled() -> None:
    dbn = network((5, 4, 3))
    dbn.add_layer(4, unroll=False)
    assert dbn.top.is_untouched
    new = rf.DBN([5, 4], seed=0)
    new.add_layer(5)  # nothing has been learned that could be kept
    assert new.top.is_untouched
    real = network((5, 4), visible="gaussian")
    real.add_layer(5)  # other units than two layers below
    assert real.top.is_untouched
    real = network((5, 4), visible="gaussian")
    real.add_layer(5, hidden="gaussian")
    assert_array_equal(real.top.W, real.generative[0].W.T)


def test_add_layer_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    dbn, labelled = network(), rf.DBN([5, 4], n_classes=2, seed=0)
    unrolled = {"unroll": True}
    for one, arguments, words in (
        (dbn, {"n_hidden": 5, **unrolled}, "unroll needs n_hidden=4 and hidden='bernoulli' .* n_hidden=5"),
        (dbn, {"n_hidden": 4, "hidden": "gaussian", **unrolled}, "got n_hidden=4 and hidden='gaussian'"),
        (dbn, {"n_hidden": 0}, "n_hidden must be an integer"),
        (dbn, {"n_hidden": 3, "hidden": "potts"}, "hidden must be one of"),
        (labelled, {"n_hidden": 3}, "has labels beside its top RBM"),
    ):
        with pytest.raises(ValueError, match=words):
            one.add_layer(**arguments)
    assert len(dbn) == 2
    monkeypatch.setattr("rbmfast.models.stacked.MAX_LAYERS", 2)
    with pytest.raises(ValueError, match="at most 2 hidden layers"):
        dbn.add_layer(3)


def test_from_rbms_takes_the_very_objects() -> None:
    rbms = [rf.RBM(5, 4, seed=0), rf.RBM(4, 3, seed=1)]
    dbn = DBN.from_rbms(iter(rbms))
    assert all(one is other for one, other in zip(dbn.generative, rbms, strict=True))
    assert dbn.is_tied


# --- Tied and untied ---------------------------------------------------------------------------------------


def test_untie() -> None:
    dbn = network((5, 4, 3, 2))
    assert dbn.is_tied
    assert all(r is g for r, g in zip(dbn.recognition, dbn.generative, strict=True))
    V = all_states(5)
    before = dbn.transform(V), dbn.sample(9, steps=5, seed=1)
    dbn.untie()
    assert not dbn.is_tied
    assert [r is g for r, g in zip(dbn.recognition, dbn.generative, strict=True)] == [False, False, True]
    assert_array_equal(dbn.transform(V), before[0])
    mine = dbn.recognition[0]
    dbn.untie()
    assert dbn.recognition[0] is mine

    dbn.recognition[0].W = -mine.W  # recognises otherwise, generates as before
    assert not np.array_equal(dbn.transform(V), before[0])
    assert_array_equal(dbn.sample(9, steps=5, seed=1), before[1])
    dbn.generative[0].a = -dbn.generative[0].a
    assert not np.array_equal(dbn.sample(9, steps=5, seed=1), before[1])


def test_a_single_rbm_stays_tied() -> None:
    dbn = network((5, 4))
    dbn.untie()
    assert dbn.is_tied


# --- Up and down -------------------------------------------------------------------------------------------


def test_hidden_probabilities_go_up_by_expectations() -> None:
    dbn = network((5, 4, 3, 2))
    x = all_states(5).astype(float)
    for layer, rbm in enumerate(dbn.generative, start=1):
        x = expit(x @ rbm.W + rbm.b)
        assert_allclose(dbn.hidden_probabilities(all_states(5), layer), x, atol=5e-5)
        assert_array_equal(
            dbn.hidden_probabilities(all_states(5), layer), dbn.hidden_probabilities(all_states(5), layer - 4)
        )
    assert_array_equal(dbn.transform(all_states(5)), dbn.hidden_probabilities(all_states(5), 3))


def test_visible_probabilities_go_down_by_expectations() -> None:
    dbn = network((5, 4, 3, 2))
    for layer, n in enumerate(dbn.sizes[1:], start=1):
        x = all_states(n).astype(float)
        for rbm in dbn.generative[layer - 1 :: -1]:
            x = expit(x @ rbm.W.T + rbm.a)
        assert_allclose(dbn.visible_probabilities(all_states(n), layer), x, atol=5e-5)


def test_reconstruct_goes_up_and_down() -> None:
    dbn = network((5, 4, 3))
    x = dbn.transform(all_states(5))
    assert_allclose(dbn.reconstruct(all_states(5)), dbn.visible_probabilities(x), atol=2e-5)


def test_sample_hidden_draws_layer_by_layer() -> None:
    dbn = network((5, 4, 3))
    v = all_states(5)[[19]]
    h = dbn.sample_hidden(np.repeat(v, N_SAMPLES, axis=0), seed=1)
    p = up(dbn.recognition[0])[19] @ up(dbn.recognition[1])
    assert agrees(counts(h), p)
    h1 = dbn.sample_hidden(np.repeat(v, N_SAMPLES, axis=0), layer=1, seed=1)
    assert agrees(counts(h1), up(dbn.recognition[0])[19])


def test_sample_visible_draws_layer_by_layer() -> None:
    dbn = network((5, 4, 3))
    h = all_states(3)[[5]]
    v = dbn.sample_visible(np.repeat(h, N_SAMPLES, axis=0), seed=1)
    p = down(dbn.generative[1], 4)[5] @ down(dbn.generative[0], 5)
    assert agrees(counts(v), p)


# --- Sampling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(4, 3), (5, 4, 3), (4, 3, 3, 3)])
def test_sample_follows_the_distribution_of_the_network(sizes: tuple[int, ...]) -> None:
    dbn = network(sizes)
    v = dbn.sample(N_SAMPLES, steps=40, seed=1)
    assert v.dtype == np.uint8
    assert agrees(counts(v), exact(dbn))


@pytest.mark.parametrize("sizes", [(4, 3), (5, 4, 3)])
def test_sampled_means_have_the_means_of_the_network(sizes: tuple[int, ...]) -> None:
    # Means lie in [0, 1], so that a standard error is at most 0.5 / sqrt(N): 5.5 of them, alarm 4e-8 each.
    dbn = network(sizes)
    p = dbn.sample(N_SAMPLES, steps=40, seed=1, last="mean")
    assert p.dtype == np.float32 and ((p > 0) & (p < 1)).all()
    assert_allclose(p.mean(axis=0), exact(dbn) @ all_states(sizes[0]), atol=5.5 * 0.5 / N_SAMPLES**0.5)


def test_sample_starts_where_it_is_told() -> None:
    # Two far modes of the top RBM, which a few Gibbs steps do not leave: chains stay where they start.
    copy_up = rf.RBM.from_arrays(16 * np.eye(8), np.full(8, -8.0), np.full(8, -8.0))
    modes = rf.RBM.from_arrays([[8.0]] * 8, [-4.0] * 8, [-32.0])
    dbn = DBN.from_rbms([copy_up, modes])
    start = np.repeat([[1] * 8, [0] * 8], 50, axis=0)
    v = dbn.sample(100, steps=5, seed=1, start=start)
    assert v[:50].mean() > 0.9 and v[50:].mean() < 0.1


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 3)])
def test_sample_with_labels(sizes: tuple[int, ...]) -> None:
    dbn = network(sizes, n_classes=3)
    p = exact_with_labels(dbn)
    v, y = dbn.sample(FEWER, steps=25, seed=1, return_labels=True)
    assert y.dtype == np.int64
    assert agrees(np.bincount(16 * y + numbers(v), minlength=48), p.ravel())

    wanted = np.arange(FEWER) % 3
    v, y = dbn.sample(FEWER, steps=25, seed=2, labels=wanted, return_labels=True)
    assert_array_equal(y, wanted)
    for label in range(3):
        assert agrees(counts(v[wanted == label]), p[label])
    same = dbn.sample(99, steps=3, seed=2, labels=1)
    assert_array_equal(same, dbn.sample(99, steps=3, seed=2, labels=[1] * 99))


def test_labels_and_start_together() -> None:
    dbn = network((4, 3, 3), n_classes=3)
    start = all_states(4)
    v, y = dbn.sample(16, steps=3, seed=1, labels=2, start=start, return_labels=True)
    assert v.shape == (16, 4) and (y == 2).all()
    free, y = dbn.sample(16, steps=3, seed=1, start=start, return_labels=True)
    assert free.shape == (16, 4) and len({*y}) > 1
    grey = network((4, 3), n_classes=3).sample(16, steps=3, seed=1, labels=2, start=start / 2 + 0.25)
    assert {*grey.ravel()} == {0, 1}


def test_gaussian_visible_units() -> None:
    dbn = network((3, 3, 2), visible="gaussian")
    v = dbn.sample(N_SAMPLES, steps=40, seed=1)
    p = np.exp(log_probabilities(dbn.top))
    centres = all_states(3) @ dbn.generative[0].W.T.astype(float) + dbn.generative[0].a
    assert_moments_of_normals(v, p, centres)
    means = dbn.sample(N_SAMPLES, 40, seed=1, last="mean")
    assert_allclose(means.mean(axis=0), p @ centres, atol=0.05)
    assert dbn.reconstruct(v[:5]).shape == (5, 3)
    assert dbn.sample_visible(all_states(2), seed=1).dtype == np.float32


# --- Classes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 3)])
def test_class_probabilities_by_enumeration(sizes: tuple[int, ...]) -> None:
    dbn = network(sizes, n_classes=3)
    top, n = dbn.top, sizes[-2]
    m = all_states(4).astype(float) if len(sizes) == 2 else dbn.hidden_probabilities(all_states(4), 1)
    x = m @ top.W[:n] + top.b + top.W[n:, None]  # (class, row, hidden unit)
    expected = log_softmax(top.a[n:, None] + np.logaddexp(0, x).sum(axis=2), axis=0).T
    found = dbn.predict_log_proba(all_states(4))
    assert found.dtype == np.float64
    assert_allclose(found, expected, atol=1e-4)
    assert_array_equal(dbn.predict(all_states(4)), expected.argmax(axis=1))

    # The top layer hears the classes' probabilities, or a class drawn from them.
    p = np.exp(expected)
    given_p = expit(m @ top.W[:n] + p @ top.W[n:] + top.b)
    assert_allclose(dbn.transform(all_states(4)), given_p, atol=1e-4)
    many = np.repeat(all_states(4)[[9]], N_SAMPLES, axis=0)
    if len(sizes) == 2:
        h = dbn.sample_hidden(many, seed=1)
        assert agrees(counts(h), p[9] @ given(expit(x[:, 9]), all_states(3)))


# --- Filling in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rbm", "dbn", "labels"])
def test_impute_with_a_single_rbm_is_exact(name: str) -> None:
    model = small() if name == "rbm" else network((4, 3), n_classes=3 if name == "labels" else None)
    if name == "rbm":
        p = np.exp(log_probabilities(model))
    else:
        p = exact(model) if name == "dbn" else exact_with_labels(model).sum(axis=0)
    given_known = p.reshape(2, 2, 2, 2)[1, :, 0, :] / p.reshape(2, 2, 2, 2)[1, :, 0, :].sum()
    known = np.tile([1.0, np.nan, 0.0, np.nan], (N_SAMPLES, 1))
    full = model.impute(known, steps=40, seed=1)
    assert full.dtype == np.float32
    assert_array_equal(full[:, [0, 2]], known[:, [0, 2]])
    assert agrees(counts(full[:, [1, 3]]), given_known.ravel())

    # The average of 4000 chains; 0.02 is 6 standard errors and more.
    full = model.impute(known[:4000], steps=40, seed=1, average=True)
    assert_allclose(full.mean(axis=0), [1, given_known[1].sum(), 0, given_known[:, 1].sum()], atol=0.02)
    assert ((full[:, 1] > 0) & (full[:, 1] < 1)).all()


def test_impute_in_a_deep_network_takes_its_sweeps() -> None:
    """The chain that is documented, by its transition matrix: up, a Gibbs step of the top, down."""
    dbn = network((3, 2, 2))
    low, top = dbn.generative
    sweep = up(low) @ up(top) @ down(top, 2) @ down(low, 3)  # v -> h1 -> h2 -> h1 -> v
    known = np.tile([np.nan, 1.0, np.nan], (N_SAMPLES, 1))
    here = [2, 3, 6, 7]  # states with the second unit on
    held = np.zeros((8, 8))
    for v in range(8):
        held[v | 2] += np.eye(8)[v]  # the second unit goes back to 1
    p = held @ given(expit(low.a)[None], all_states(3))[0]
    for _ in range(2):
        p = held @ (p @ sweep)
    full = dbn.impute(known, steps=2, seed=1)
    assert agrees(counts(full)[here], p[here])


# --- The same bits -----------------------------------------------------------------------------------------

N, ROWS = 83, 45


def test_no_two_methods_and_no_two_layers_share_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every draw of one seed and row has an address of its own: purpose, layer, step."""
    drawn, dbn, one = watch_draws(monkeypatch), rf.DBN([4, 4, 4, 4], seed=0), all_states(4)[:1]
    monkeypatch.setattr(rf.Bernoulli, "blocks", rf.units.Unit.blocks)  # no draws that the engine makes alone
    seen = []
    for call in (
        lambda: dbn.sample_hidden(one, seed=1),
        lambda: dbn.sample_visible(one, seed=1),
        lambda: dbn.sample(1, steps=3, seed=1),
        lambda: dbn.impute(one, one == 0, steps=3, seed=1),
        lambda: dbn.sample(1, steps=3, seed=1, start=one),
    ):
        drawn.clear()
        call()
        assert drawn and len({*drawn}) == len(drawn)
        seen.append({*drawn})
    for one_set, other in itertools.combinations(seen[:-1], 2):  # the last is the same method as "sample"
        assert not one_set & other


# --- Files and copies --------------------------------------------------------------------------------------
