"""The engine gives the reference's bits, whatever runs it. `harness.py` has the lists of what is compared."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine import harness
from engine.harness import ISAS, RECIPES, ROWS, SIZES, SMALL_SIZES, THREADS, WEIGHTS
from hypothesis import given
from hypothesis import strategies as st

from rbmfast import _engine as engine
from rbmfast import reference
from rbmfast.reference import States

# Not every two sizes meet here, but in the slow test: each is once as many visible and as many hidden units.
CALL_CASES = [
    *(
        (THREADS[i % 4], n_visible, SIZES[3 * i % len(SIZES)], ROWS[i % 5], weights)
        for i, (n_visible, weights) in enumerate(zip(SIZES, itertools.cycle(WEIGHTS)))
    ),
    (2, 17, 784, 3, "heavy"),  # row sums lower the exponent, or column sums do
    (2, 784, 17, 3, "heavy"),
]
SIZE_PAIRS = itertools.cycle(itertools.product(SMALL_SIZES, SMALL_SIZES))
KINDS = ("ordinary", "spread")
LEARNING_CASES = [  # every recipe on every path
    *(
        (isa, THREADS[(i + j) % 4], *next(SIZE_PAIRS), ROWS[(i + 2 * j) % 5], recipe, KINDS[(i + j) % 2])
        for (i, isa), (j, recipe) in itertools.product(enumerate(ISAS), enumerate(RECIPES))
    ),
    *((isa, 7, 784, 65, 33, "everything", "heavy") for isa in ISAS),
    *((isa, 7, 65, 784, 33, "grey PCD, more chains", "heavy") for isa in ISAS),
    *((isa, 3, 784, 100, 32, "CD-1", "small") for isa in ISAS),
]


def _name(case: tuple[object, ...]) -> str:
    return "-".join(str(value).replace(" ", "_") for value in case)


@pytest.mark.parametrize("case", CALL_CASES, ids=_name)
def test_calls(case: tuple[int, int, int, int, str]) -> None:
    threads, *sizes = case
    engine.set_num_threads(threads)
    different = {}
    for isa in ISAS:
        engine.select_isa(isa)
        different[isa] = harness.differing_calls(tuple(sizes))
    assert not any(different.values()), different


@pytest.mark.parametrize("recipe", RECIPES)
def test_learning(recipe: str) -> None:
    different = []
    for case in LEARNING_CASES:
        isa, threads, *sizes, name, weights = case
        if name == recipe:
            engine.select_isa(isa)
            engine.set_num_threads(threads)
            if not harness.learns_alike(name, (*sizes, weights)):
                different.append(case)
    assert different == []


# Where many units are on, sums come from tables. Each block of units decides for itself: some densities rise.
DENSITIES = {"none": 0.0, "few": 0.1, "half": 0.5, "all": 1.0, "rising": (0.0, 1.0), "falling": (1.0, 0.0)}
TILES_AND_STRIPS = (1, 47, 129, 700)  # rows: tiles have 128, strips 512
WIDTHS = (1, 7, 15, 17, 31, 33, 127, 128, 129, 500)


@pytest.mark.parametrize("density", DENSITIES)
def test_densities(density: str) -> None:
    engine.set_num_threads(2)
    different = []
    for size, n_rows in itertools.product(WIDTHS, TILES_AND_STRIPS):
        rng = np.random.default_rng(size)
        W = (rng.integers(-255, 256, (size, 83)) / 256).astype(np.float32)  # whose sums are exact as floats
        low, high = np.broadcast_to(DENSITIES[density], 2)
        states = (rng.random((n_rows, size)) < np.linspace(low, high, size)).astype(np.uint8)
        expected = states.astype(np.float32) @ W
        zeros = np.zeros(83, np.float32)
        for isa in ISAS:
            engine.select_isa(isa)
            up = engine.affine(engine.Weights(W), states, zeros)
            down = engine.affine(engine.Weights(np.ascontiguousarray(W.T)), states, zeros, False)
            if not np.array_equal([up, down], [expected, expected]):
                different.append((isa, size, n_rows))
    assert different == []


@given(st.tuples(*[st.integers(1, 70)] * 4), st.integers(0, 7), st.data())
def test_contrast_of_any_shape(shape: tuple[int, int, int, int], kinds: int, draw: st.DataObject) -> None:
    *rows, n_visible, n_hidden = shape
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32)))
    engine.select_isa(draw.draw(st.sampled_from(ISAS)))
    engine.set_num_threads(draw.draw(st.sampled_from(THREADS)))
    data, samples = (
        (_states(rng, (n, n_visible), grey=bool(kinds >> i & 1)), _levels(rng, (n, n_hidden)))
        for i, n in enumerate(rows)
    )
    if kinds & 4:  # the same states in both phases
        samples = (data[0], _levels(rng, data[1].shape))
    arguments: Any = (data, samples)
    if draw.draw(st.booleans()):
        weights = rng.gamma(0.5, size=rows[0]) * (rng.random(rows[0]) < rng.choice([0.0, 0.5, 1.0]))
        arguments += (weights, len(samples[0]) == rows[0] and draw.draw(st.booleans()))
    assert harness.bits(engine.contrast(*arguments)) == harness.bits(reference.contrast(*arguments))


def _states(rng: np.random.Generator, shape: tuple[int, int], grey: bool) -> States:
    on: States = (rng.random(shape) < rng.choice([0.1, 0.5, 1.0])).astype(np.uint8)
    return on * _levels(rng, shape) if grey else on


def _levels(rng: np.random.Generator, shape: tuple[int, int]) -> Any:
    return rng.choice([rng.integers(0, 65536, shape), rng.choice([0, 65535], shape)]).astype(np.uint16)


@given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 200), st.data())
def test_classes_of_any_shape(n: int, n_classes: int, n_hidden: int, draw: st.DataObject) -> None:
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32)))
    engine.select_isa(draw.draw(st.sampled_from(ISAS)))
    engine.set_num_threads(draw.draw(st.sampled_from(THREADS)))
    x, U, d = (
        (rng.standard_normal(shape) * rng.choice([0.1, 8.0])).astype(np.float32)
        for shape in ((n, n_hidden), (n_classes, n_hidden), n_classes)
    )
    p = rng.dirichlet(np.full(n_classes, rng.choice([0.01, 1.0])), n).astype(np.float32)
    for call in (lambda m: m.class_log_weights(x, U, d), lambda m: m.class_expectations(x, U, p)):
        assert harness.bits(call(engine)) == harness.bits(call(reference))


def test_classes_in_float64() -> None:
    """What they are: softplus is a log of 1 + exp, and means are within a level a class of the exact ones."""
    rng = np.random.default_rng(0)
    x, U, d = (rng.normal(0, 2, shape).astype(np.float32) for shape in ((9, 130), (5, 130), 5))
    p = rng.dirichlet(np.ones(5), 9).astype(np.float32)
    total = x[:, None].astype(np.float64) + U
    np.testing.assert_allclose(
        engine.class_log_weights(x, U, d), d + np.logaddexp(0, total).sum(axis=2), 1e-6
    )
    terms = p[..., None] / (1 + np.exp(-total))
    mean, sums = engine.class_expectations(x, U, p)
    np.testing.assert_allclose(mean / 65535, terms.sum(axis=1), atol=0.51 / 65535)
    np.testing.assert_allclose(sums / 65535, terms.sum(axis=0), atol=9 * 0.51 / 65535)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_contrast_of_the_largest_sums(kind: type) -> None:
    n = reference.MAX_BATCH
    one = 1 if kind is np.uint8 else reference.GREY
    v, v_model = (np.full((n, 2), one, kind) for _ in range(2))
    full, none = np.full((n, 17), 65535, np.uint16), np.zeros((n, 17), np.uint16)
    for p, p_model in ((full, none), (none, full), (full, full)):
        for states in (v, v_model, v_model[:-1]):
            phases = (v, p), (states, p_model[: len(states)])
            for weights in (None, np.ones(n)):
                expected = harness.bits(reference.contrast(*phases, weights))
                for isa in ISAS:
                    engine.select_isa(isa)
                    assert harness.bits(engine.contrast(*phases, weights)) == expected, isa


@pytest.mark.slow
@pytest.mark.parametrize("n_visible", [*SIZES, 784])
def test_calls_in_every_combination(n_visible: int) -> None:
    different = {}
    for n_hidden, n in itertools.product((*SIZES, 784), ROWS):
        weights = [*WEIGHTS][(n_visible + n_hidden + n) % len(WEIGHTS)]
        for way in _every_way_to_run():
            different[n_hidden, n, way] = harness.differing_calls((n_visible, n_hidden, n, weights))
    assert not any(different.values()), different


@pytest.mark.slow
@pytest.mark.parametrize("n_visible", SMALL_SIZES)
def test_learning_in_every_combination(n_visible: int) -> None:
    different = []
    for n_hidden, n, name in itertools.product(SMALL_SIZES, ROWS, RECIPES):
        for way in _every_way_to_run():
            if not harness.learns_alike(name, (n_visible, n_hidden, n, "small")):
                different.append((n_hidden, n, name, way))
    assert not different


def _every_way_to_run() -> Iterator[tuple[str, int]]:
    for isa, threads in itertools.product(ISAS, THREADS):
        engine.select_isa(isa)
        engine.set_num_threads(threads)
        yield isa, threads


# --- The harness itself ------------------------------------------------------------------------------------


def test_every_function_is_compared() -> None:
    """A function that both modules have, and that no line of the harness calls, would go untested."""
    shared = {
        name
        for name in dir(engine)
        if not name.startswith("_") and callable(getattr(engine, name)) and hasattr(reference, name)
        if getattr(reference, name).__module__.startswith("rbmfast.reference")
    }
    called = inspect.getsource(harness)
    assert len(shared) >= 20
    assert {name for name in shared if not re.search(rf"\bm\.{name}\b", called)} == set()


def test_the_harness_sees_one_wrong_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: np.ndarray) -> np.ndarray:
        y = reference.sigmoid(x)
        y.view(np.uint32).flat[-1] ^= 1
        return y

    bent: harness.Call = lambda m, w, p: wrong(p.x) if m is engine else m.sigmoid(p.x)  # noqa: E731
    monkeypatch.setattr(harness, "CALLS", {"exponent": harness.CALLS["exponent"], "sigmoid": bent})
    assert harness.differing_calls((7, 16, 3, "small")) == ["sigmoid"]


def test_recipes_differ() -> None:
    """An option that nobody looks at would give the bits of another recipe."""
    results = {name: str(harness.expected_learning(name, (16, 17, 3, "ordinary"))) for name in RECIPES}
    twins = {"CD-1": "CD, plain"}
    assert len(set(results.values())) == len(results) - len(twins)
    assert all(results[one] == results[other] for one, other in twins.items())


def test_exponents_really_drop() -> None:
    def exponents(weights: str, *shape: int) -> int:
        return reference.exponent(harness.problem(*shape, 3, weights).W)

    assert exponents("small", 100, 100) == 20
    assert exponents("large", 100, 100) < 20
    assert exponents("heavy", 100, 100) == 20  # no weight is too large,
    assert exponents("heavy", 17, 784) == exponents("heavy", 784, 17) == 18  # but their sums are
    state, *_ = harness.learn(reference, RECIPES["exponent drops"], harness.problem(16, 17, 3, "small"))
    assert 0 > state.exponent > -40


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_threads_are_started() -> None:
    """The sizes above are large enough that the engine shares the work."""
    if not engine.config()["openmp"]:
        pytest.skip("built for one thread")
    engine.set_num_threads(7)
    p = harness.problem(100, 31, 70, "heavy")
    harness.CALLS["affine_sigmoid_bernoulli"](engine, engine.Weights(p.W), p)
    assert len(list(Path("/proc/self/task").iterdir())) >= 7


# --- Bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 63, 64, 1000])
def test_bits(n: int) -> None:
    x = (np.arange(n) % 2).astype(np.uint8)
    assert engine.are_bits(x) and reference.are_bits(x)
    for place in {0, n // 2, n - 1}:
        for value in (2, 255):
            y = x.copy()
            y[place] = value
            assert not engine.are_bits(y) and not reference.are_bits(y)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (31, 33)])
def test_a_hash_tells_any_change(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    seen = {engine.hash_of(x)}
    for place in np.ndindex(shape):
        y = x.copy()
        y[place] = np.nextafter(y[place], 9)
        seen.add(engine.hash_of(y))
    assert len(seen) == x.size + 1
    assert engine.hash_of(x.copy()) == engine.hash_of(x)
    assert engine.hash_of(x[:0]) != engine.hash_of(x)
    if shape[0] > 1:
        assert engine.hash_of(np.ascontiguousarray(x[::-1])) != engine.hash_of(x)
