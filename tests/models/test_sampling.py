"""Samplers against exact probabilities, and the rules of their random numbers.

Samples of every shape of model are in `test_enumeration.py`, those of deep networks in `test_dbn.py`.
"""

from typing import Any

import numpy as np
import pytest
from models.helpers import (
    ALARM,
    agrees,
    assert_moments_of_normals,
    counts,
    mixture_of_normals,
    network,
    numbers,
    small,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

import rbmfast as rf
from rbmfast.likelihood import all_states, log_probabilities
from rbmfast.models import PatternCounts
from rbmfast.streams import MAX_ROW, MAX_STEP

# --- Are the samples right? --------------------------------------------------------------------------------


def test_hidden_states_of_sample_belong_to_the_chain() -> None:
    # The returned pair is (h, v given h): v must follow P(v | h), and h the marginal of the model.
    rbm = small()
    v, h = rbm.sample(40_000, steps=30, seed=1, return_hidden=True)
    mirrored = rf.RBM.from_arrays(rbm.W.T, rbm.b, rbm.a)
    assert agrees(counts(h), np.exp(log_probabilities(mirrored)))
    here = v[numbers(h) == 5]
    p = np.exp(-rbm.energy(all_states(4), np.tile(all_states(3)[5], (16, 1))))
    assert agrees(counts(here), p)


def test_gibbs_keeps_the_distribution_of_the_model() -> None:
    rbm = small()
    p = np.exp(log_probabilities(rbm))
    start = np.repeat(all_states(4), np.rint(200_000 * p).astype(int), axis=0)
    v = rbm.gibbs(start, steps=1, seed=1)
    assert agrees(counts(v), p)


@pytest.mark.parametrize(
    "n, settings", [(20_000, {}), (8_000, {"method": "tempering", "n_replicas": 4})], ids=str
)
def test_gaussian_visible_sample_has_the_right_moments(n: int, settings: dict[str, Any]) -> None:
    rbm = small(3, 2, visible="gaussian")
    v = rbm.sample(n, steps=20, seed=1, **settings)
    assert_moments_of_normals(v, *mixture_of_normals(rbm), rtol=0.05 if n == 20_000 else 0.1)


def test_sample_visible_of_gaussian_units_is_normal_around_the_mean() -> None:
    rbm = small(3, 2, visible="gaussian")
    H = np.tile([[1, 0]], (20_000, 1))
    noise = rbm.sample_visible(H, seed=3) - rbm.visible_probabilities(H)
    assert kstest(noise.ravel(), "norm").pvalue > ALARM


# --- Pattern counts ----------------------------------------------------------------------------------------


def test_pattern_counts_agree_with_their_probabilities() -> None:
    rng = np.random.default_rng(2)
    rbm = rf.RBM.from_arrays(rng.normal(size=(12, 6)) / 2, rng.normal(size=12) / 2, rng.normal(size=6) / 2)
    v, h = rng.integers(0, 2, 12), rng.integers(0, 2, 6)

    hidden = rbm.pattern_counts(v, n_samples=50_000, seed=3)
    assert hidden.patterns.shape == (64, 6)
    p = rbm.hidden_probabilities(v[None]).astype(float)
    assert_allclose(
        hidden.probabilities, np.where(hidden.patterns, p, 1 - p).prod(axis=1), rtol=1e-4, atol=1e-9
    )
    visible = rbm.pattern_counts(h=h, n_samples=50_000, seed=3)
    assert visible.patterns.shape == (4096, 12)
    for table in (hidden, visible):
        assert table.counts.sum() == table.n_samples == 50_000
        assert_allclose(table.probabilities.sum(), 1)
        assert (np.diff(table.counts) <= 0).all()
        assert len(np.unique(numbers(table.patterns))) == len(table.patterns)
        assert agrees(table.counts, table.probabilities)


def test_pattern_counts_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = small()
    whole = rbm.pattern_counts([1, 0, 1, 0], n_samples=1000, seed=3)
    monkeypatch.setattr("rbmfast.models.base.BLOCK_BYTES", 8 * 7 * 13)
    parts = rbm.pattern_counts([[1, 0, 1, 0]], n_samples=1000, seed=3)
    assert_array_equal(whole.counts, parts.counts)
    assert_array_equal(whole.patterns, parts.patterns)


def test_pattern_counts_print_as_a_table() -> None:
    text = str(small(12, 3).pattern_counts(h=[0, 1, 0], n_samples=500, seed=3))
    assert text.splitlines()[0].split() == ["pattern", "count", "frequency", "probability"]
    assert len(text.splitlines()) == 22
    assert "of 4096 patterns in all" in text
    few = PatternCounts(np.array([[1], [0]], np.uint8), np.array([3, 1]), np.array([0.7, 0.3]), 4)
    assert str(few).splitlines()[1].split() == ["1", "3", "0.7500", "0.7000"]


def test_pattern_counts_given_real_states() -> None:
    table = small(visible="gaussian").pattern_counts([0.5, -1.0, 0.25, 2.0], n_samples=20_000, seed=1)
    assert agrees(table.counts, table.probabilities)


# --- Imputation --------------------------------------------------------------------------------------------


MODELS = {
    "rbm": small(),
    "gaussian": small(visible="gaussian"),
    "dbn": network((4, 3, 3)),
    "gaussian dbn": network((4, 3, 3), visible="gaussian"),
    "labels": network((4, 3, 3), n_classes=2),
}


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_impute_keeps_every_known_entry(name: str, average: bool) -> None:
    rng, model = np.random.default_rng(0), MODELS[name]
    settings = {"steps": 3, "seed": 1, "average": average}
    for V in (rng.random((50, 4)), rng.integers(0, 2, (50, 4), dtype=np.uint8), rng.random((50, 4)) < 0.5):
        mask = rng.random(V.shape) < 0.5
        mask[:5] = False
        mask[5:10] = True
        before = V.copy()
        full = model.impute(V, mask, **settings)
        assert full.dtype == np.float32 and np.isfinite(full).all()
        assert_array_equal(V, before)
        assert_array_equal(full[~mask], V[~mask].astype(np.float32))
        if not average and "gaussian" not in name:
            assert np.isin(full[mask], (0, 1)).all()
        assert_array_equal(model.impute(np.where(mask, np.nan, V), **settings), full)
    if "gaussian" not in name:
        images = rf.Grey8(rng.integers(0, 256, (50, 4)))
        assert_array_equal(model.impute(images, mask, **settings)[~mask], model.impute(images, seed=1)[~mask])


def test_impute_mask_and_nan_together_and_nonsense_below_the_mask() -> None:
    rbm = small()
    mask = np.array([[False, True, False, False]])
    both = rbm.impute(np.array([[1.0, 99.0, np.nan, 0.0]]), mask, steps=3, seed=1)
    alone = rbm.impute(np.array([[1.0, np.nan, np.nan, 0.0]]), steps=3, seed=1)
    assert_array_equal(both, alone)
    assert_array_equal(rbm.impute(np.array([[1, -1, 1, 0]]), mask, steps=3, seed=1)[0, [0, 2, 3]], [1, 1, 0])


def test_impute_without_gaps_returns_the_data() -> None:
    V = np.array([[1.0, 0.25, 0.5, 0.0]])
    assert_array_equal(small().impute(V, seed=1), V.astype(np.float32))


# --- The rules of the random numbers -----------------------------------------------------------------------


def test_long_runs_are_cut_into_short_engine_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = small()
    whole = rbm.gibbs(all_states(4), steps=50, seed=5, return_hidden=True)
    monkeypatch.setattr("rbmfast.models.conditionals.WORK", 7 * 2 * 16 * 12)
    for x, y in zip(rbm.gibbs(all_states(4), steps=50, seed=5, return_hidden=True), whole, strict=True):
        assert_array_equal(x, y)


def test_gibbs_first_half_step_is_sample_hidden_in_law_but_shares_no_numbers() -> None:
    rbm, v = small(), np.ones((1000, 4), np.uint8)
    _, h = rbm.gibbs(v, seed=5, return_hidden=True)
    assert not np.array_equal(h, rbm.sample_hidden(v, seed=5))


def test_grey_start_is_an_expectation() -> None:
    rbm = small()
    grey = np.full((100_000, 4), 0.3)
    _, h = rbm.gibbs(grey, seed=5, return_hidden=True)
    p = rbm.hidden_probabilities(grey[:1])[0]
    assert (np.abs(h.mean(axis=0) - p) < 5.5 * np.sqrt(p * (1 - p) / len(h))).all()
    same = rbm.gibbs(np.repeat([[0.0, 1.0, 0.5, 1.0]], 20, axis=0), steps=4, seed=5)
    assert same.dtype == np.uint8


def test_seeds() -> None:
    rbm = small(30, 20)
    assert_array_equal(rbm.sample(5, 5, seed=1), rbm.sample(5, 5, seed=1))
    assert not np.array_equal(rbm.sample(5, 5, seed=1), rbm.sample(5, 5, seed=2))
    assert not np.array_equal(rbm.sample(5, 5), rbm.sample(5, 5))
    one, two = (np.random.default_rng(3) for _ in range(2))
    first = rbm.sample(5, 5, seed=one)
    assert_array_equal(first, rbm.sample(5, 5, seed=two))
    assert not np.array_equal(first, rbm.sample(5, 5, seed=one))
    assert_array_equal(rbm.sample(2, 2, seed=2**64 - 1), rbm.sample(2, 2, seed=np.uint64(2**64 - 1)))


def test_sample_from_given_states() -> None:
    rbm = small(30, 20)
    start = np.random.default_rng(0).integers(0, 2, (6, 30))
    v = rbm.sample(6, steps=3, seed=1, start=start)
    assert v.dtype == np.uint8
    assert not np.array_equal(v, rbm.sample(6, steps=3, seed=1))


def test_counters_reach_their_ends() -> None:
    rbm, v = small(), np.ones((2, 4), np.uint8)
    rbm.gibbs(v, seed=1, first_row=MAX_ROW - 1, first_step=MAX_STEP - 1)
    rbm.sample_hidden(v, seed=1, first_row=MAX_ROW - 1, first_step=MAX_STEP)
    with pytest.raises(ValueError, match="first_row"):
        rbm.gibbs(v, seed=1, first_row=MAX_ROW)
    with pytest.raises(ValueError, match="first_step"):
        rbm.gibbs(v, seed=1, first_step=MAX_STEP)
    with pytest.raises(ValueError, match="first_step"):
        rbm.sample_hidden(v, seed=1, first_step=MAX_STEP + 1)
    with pytest.raises(ValueError, match="steps"):
        rbm.sample(1, steps=2**45)
