"""The random numbers: known answers, and what a sampler must look like from outside.

Every statistical test here rejects a perfect generator with probability `ALARM`, once in a million seeds;
with its fixed seed it passes always or never.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from rbmfast import _engine as engine
from rbmfast import reference

ALARM = 1e-6
SEED = 20_240_229


def _assert_plausible(statistic: float, distribution: Any) -> None:
    """Neither in the upper nor in the lower ALARM / 2 of its distribution."""
    upper, lower = distribution.sf(statistic), distribution.cdf(statistic)
    assert min(lower, upper) > ALARM / 2, (statistic, lower, upper)


def _assert_counts(counts: Any, expected: Any) -> None:
    """Chi-square of counts whose expectations are known exactly."""
    statistic = float(((counts - expected) ** 2 / expected).sum())
    _assert_plausible(statistic, scipy.stats.chi2(counts.size - 1))


# --- Known answers -----------------------------------------------------------------------------------------

KNOWN = {  # kat_vectors of Random123: counter, key, block
    "zeros": ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    "ones": ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    "pi": (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
}


def _words(text: str) -> Any:
    return np.array([[int(word, 16) for word in text.split()]], np.uint32)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("module", [engine, reference], ids=["engine", "reference"])
def test_philox_known_answers(module: Any, name: str) -> None:
    counter, key, block = (_words(text) for text in KNOWN[name])
    assert module.philox4x32(counter, key).tolist() == block.tolist()


def test_counter_layout(isa: str) -> None:
    """Units 0 and 127 by hand, from single blocks."""
    seed, purpose, layer, step, row = 2**40 + 7, 9, 3, 2**35 + 1, 2**33 + 2
    c3 = purpose << 26 | layer << 20 | (row >> 32) << 12 | step >> 32
    key = np.array([[seed & 0xFFFFFFFF, seed >> 32]], np.uint32)

    def block(c0: int) -> list[int]:
        counter = np.array([[c0, row & 0xFFFFFFFF, step & 0xFFFFFFFF, c3]], np.uint32)
        return engine.philox4x32(counter, key)[0].tolist()

    units = engine.uniform_u32(1, 300, seed, purpose, layer, step, row)[0]
    low = 1 << 31
    assert units[0] == (block(0)[0] & 0xFFFF) << 16 | block(low)[0] & 0xFFFF
    assert units[127] == (block(15)[3] >> 16) << 16 | block(low | 15)[3] >> 16
    assert units[128 + 37] == (block(16 + 5)[1] & 0xFFFF) << 16 | block(low | 16 + 5)[1] & 0xFFFF


def test_samples_are_uniforms_below_a_threshold(isa: str) -> None:
    x = np.linspace(-12, 12, 300 * 200, dtype=np.float32).reshape(300, 200)
    threshold = (reference.rare_probability(x) * np.float32(2.0**32)).astype(np.uint32)
    rare = engine.uniform_u32(300, 200, SEED, 3, 0, 5, 70) < threshold
    assert np.array_equal(engine.bernoulli(x, SEED, 3, 0, 5, 70), rare ^ (x >= 0))


def test_ties_are_broken_by_the_low_halves(isa: str) -> None:
    """Where the high half equals the threshold's, the low half decides, in both ways."""
    for value in (-1.0, 0.3, 2.5):
        x = np.full((6000, 500), value, np.float32)
        threshold = int(reference.rare_probability(x[0, :1])[0] * np.float32(2.0**32))
        uniform = engine.uniform_u32(*x.shape, SEED, 3, 0, 5)
        tied = uniform >> 16 == threshold >> 16
        rare = uniform[tied] < threshold
        assert 5 <= rare.sum() <= tied.sum() - 5  # ties of both kinds: a rule of high halves alone fails here
        assert np.array_equal(engine.bernoulli(x, SEED, 3, 0, 5)[tied], rare ^ (value >= 0))


# --- Frequencies -------------------------------------------------------------------------------------------


def test_bytes_are_uniform() -> None:
    uniform = engine.uniform_u32(2000, 1000, SEED, 3, 0, 5)
    for shift in (0, 8, 16, 24):
        counts = np.bincount((uniform >> shift & 255).reshape(-1), minlength=256)
        _assert_counts(counts, np.full(256, uniform.size / 256))


def test_frequencies(isa: str) -> None:
    """512 probabilities from 1/1000 to 999/1000, 20 000 draws of each."""
    x = np.linspace(-7, 7, 512, dtype=np.float32)
    n = 20_000
    ones = engine.bernoulli(np.tile(x, (n, 1)), SEED, 3, 0, 5).sum(axis=0, dtype=np.int64)
    p = 1 / (1 + np.exp(-x.astype(np.float64)))
    statistic = float(((ones - n * p) ** 2 / (n * p * (1 - p))).sum())
    _assert_plausible(statistic, scipy.stats.chi2(512))


@pytest.mark.parametrize("x", [-9.0, 9.0, -11.5, 11.5, -13.0, 13.0])
def test_tails(x: float) -> None:
    """Rare states, down to two in a million: a Poisson number of them in 16 million draws."""
    shape = (4096, 4096)
    states = engine.bernoulli(np.full(shape, x, np.float32), SEED, 3, 0, 5)
    rare = int((states == (x < 0)).sum())
    _assert_plausible(rare, scipy.stats.poisson(states.size / (1 + np.exp(abs(x)))))


def test_the_far_tail_is_there() -> None:
    """At p = 1.8 * 2**-32 the threshold is 1: exactly a uniform of 0 takes the rare state."""
    x = np.float32([[-21.6]])
    assert int(reference.rare_probability(x)[0, 0] * np.float32(2.0**32)) == 1


# --- Independence ------------------------------------------------------------------------------------------

N_ROWS, N_UNITS = 512, 1024


def _numbers(
    seed: int = SEED, purpose: int = 3, layer: int = 1, step: int = 6, row: int = 0, units: int = 0
) -> Any:
    return engine.uniform_u32(N_ROWS, N_UNITS + units, seed, purpose, layer, step, row)[:, units:]


NEIGHBOURS: dict[str, dict[str, int]] = {
    "next seed": {"seed": SEED + 1},
    "seed's upper half": {"seed": SEED + 2**32},
    "seed's top bit": {"seed": SEED + 2**63},
    "next purpose": {"purpose": 4},
    "other purpose": {"purpose": 3 ^ 32},
    "next layer": {"layer": 2},
    "next step": {"step": 7},
    "step's upper bits": {"step": 6 + 2**32},
    "step's top bit": {"step": 6 + 2**43},
    "next row": {"row": 1},
    "row 32 on": {"row": 32},
    "row's upper bits": {"row": 2**32},
    "row's top bit": {"row": 2**39},
    "next unit": {"units": 1},
    "other half of a word": {"units": 16},
    "next word": {"units": 32},
    "next half of a block": {"units": 64},
    "next group of blocks": {"units": 128},
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_are_independent(name: str) -> None:
    """Four bits here and four bits there: 16 x 16 tables of half a million pairs."""
    here, there = _numbers(), _numbers(**NEIGHBOURS[name])
    for one, other in ((28, 28), (12, 12), (28, 12)):  # high bits, low bits, both
        table = np.bincount((16 * (here >> one & 15) + (there >> other & 15)).reshape(-1), minlength=256)
        _assert_counts(table, np.full(256, here.size / 256))


def test_halves_of_a_number_are_independent() -> None:
    numbers = _numbers()
    table = np.bincount((16 * (numbers >> 28) + (numbers >> 12 & 15)).reshape(-1), minlength=256)
    _assert_counts(table, np.full(256, numbers.size / 256))


@pytest.fixture(scope="module")
def cube() -> Any:
    """Numbers by step, row and unit."""
    return np.stack([engine.uniform_u32(128, 128, SEED, 3, 0, step) for step in range(128)])


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["steps", "rows", "units"])
@pytest.mark.parametrize("bit", [31, 16, 15, 0])
def test_runs(cube: Any, axis: int, bit: int) -> None:
    """How often a bit changes along steps, rows or units: half the time."""
    bits = cube >> bit & 1
    changes = np.diff(bits.astype(np.int8), axis=axis) != 0
    _assert_plausible(int(changes.sum()), scipy.stats.binom(changes.size, 0.5))


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["steps", "rows", "units"])
def test_states_of_neighbours_are_independent(axis: int) -> None:
    """2 x 2 tables of drawn states that are on with probability 0.3, or for every other unit 0.8."""
    x = np.tile(np.float32([-0.8472979, 1.3862944]), (128, 64))
    states = np.stack([engine.bernoulli(x, SEED, 3, 0, step) for step in range(128)]).astype(np.int64)
    p = 1 / (1 + np.exp(-np.broadcast_to(x, states.shape).astype(np.float64)))
    here = [slice(None)] * 3
    there = [slice(None)] * 3
    here[axis], there[axis] = slice(None, -1), slice(1, None)
    score = (states - p) / np.sqrt(p * (1 - p))
    products = score[tuple(here)] * score[tuple(there)]
    _assert_plausible(products.sum() / np.sqrt(products.size), scipy.stats.norm)


# --- Shuffles and initial weights --------------------------------------------------------------------------


def test_every_order_is_as_probable() -> None:
    """The 720 orders of 6 rows, over 14 400 epochs."""
    factors = 7 ** np.arange(6)
    keys = np.stack([engine.shuffle_keys(6, SEED, epoch, 1) for epoch in range(14_400)])
    _, counts = np.unique(np.argsort(keys, axis=1, kind="stable") @ factors, return_counts=True)
    assert len(counts) == 720
    _assert_counts(counts, np.full(720, 20.0))


def test_shuffle_keys_are_different() -> None:
    keys = np.concatenate([engine.shuffle_keys(10_001, SEED, epoch, 1) for epoch in range(10)])
    assert len(np.unique(keys)) == len(keys)  # false alarm: 3e-10


@given(st.integers(0, 3000), st.sampled_from([0, 1, 30, 60, 63]), st.integers(0, 2**32))
def test_argsort_is_stable(n: int, shift: int, seed: int) -> None:
    """Of keys at random, also nearly or quite alike."""
    keys = np.random.default_rng(seed).integers(0, 2**64, n, np.uint64) >> np.uint64(shift)
    np.testing.assert_array_equal(engine.argsort(keys), np.argsort(keys, kind="stable"))


def test_initial_weights() -> None:
    """Mean, variance, fourth moment, and neighbours, of a million weights; the shape is nearly normal."""
    W = engine.normal_weights(1000, 1000, 0.01, SEED, 0, 0).astype(np.float64) / 0.01
    n = W.size
    kurtosis = 3 - 1.2 / 8 * (65536**2 + 1) / (65536**2 - 1)  # of a sum of eight uniforms
    _assert_plausible(W.mean() * np.sqrt(n), scipy.stats.norm)
    _assert_plausible(((W**2).mean() - 1) / np.sqrt((kurtosis - 1) / n), scipy.stats.norm)
    _assert_plausible(((W**4).mean() - kurtosis) / ((W**4).std() / np.sqrt(n)), scipy.stats.norm)
    for product in (W[1:] * W[:-1], W[:, 1:] * W[:, :-1]):
        _assert_plausible(product.sum() / np.sqrt(product.size), scipy.stats.norm)
    assert np.abs(W).max() <= np.sqrt(24)  # eight halves at one end
