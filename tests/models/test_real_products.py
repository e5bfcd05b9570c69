"""Products of real-valued states: exact, so that neither BLAS, CPU nor threads can change a bit."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.states import WHOLE, Overflow
from rbmfast.streams import Stream
from rbmfast.training.phases import difference, product_of_rows
from rbmfast.units.gaussian import standard_normal

RNG = np.random.default_rng(0)
V, H, N = 70, 11, 9
W = RNG.normal(scale=0.1, size=(V, H)).astype(np.float32)
BLOCKS = rf.Mixed(
    [(rf.Bernoulli(), 30), (rf.Gaussian(), 20), (rf.Categorical(2), 10), (rf.Gaussian(grid=2**-16), 10)]
)


def model(visible: Any, hidden: Any = "bernoulli") -> Any:
    return rf.RBM.from_arrays(W, np.zeros(V), np.zeros(H), visible=visible, hidden=hidden)


def rounded(value: Fraction) -> np.float32:
    return np.float32(float(value))


@pytest.mark.parametrize("scale", [1.0, 3000.0], ids=["in one product", "in two"])
def test_inputs_are_sums_of_multiples_rounded_once(scale: float) -> None:
    up = model("gaussian")._up
    states = (scale * RNG.normal(size=(N, V))).astype(np.float32)
    k = np.rint(states.astype(np.float64) * 2**11).astype(int)
    q = np.rint(W.astype(np.float64) * 2.0**up.weights.exponent).astype(int)
    sums = k.astype(object) @ q.astype(object)
    assert_array_equal(
        up.input(states), [[rounded(Fraction(s, 2 ** (11 + 20))) for s in row] for row in sums]
    )


def test_blocks_keep_what_each_has_alone() -> None:
    """0/1 columns exact sums, real ones theirs, added from the smallest steps on."""
    rbm = model(BLOCKS)
    states, _ = rbm.sample(N, steps=3, seed=1, return_hidden=True)
    x = rbm._up.input(states)
    order = np.concatenate([np.arange(30)[::-1], np.arange(30, 70)])
    mixed = rf.RBM.from_arrays(W[order], np.zeros(V), np.zeros(H), visible=BLOCKS)
    assert_array_equal(mixed._up.input(states[:, order]), x)
    columns = {2**-16: range(60, 70), 2**-11: range(30, 50), 1: [*range(30), *range(50, 60)]}
    assert_array_equal(x, sum_of(states, columns))


def sum_of(states: Any, columns: dict[float, Any]) -> Any:
    total = np.zeros((N, H))
    for step, here in columns.items():
        q = np.rint(W[[*here]].astype(np.float64) * 2.0**20)
        total += np.rint(states[:, [*here]].astype(np.float64) / step) @ q * (step * 2.0**-20)
    return total.astype(np.float32)


def test_statistics_are_exact_in_any_order() -> None:
    layers = rf.Gaussian(), rf.Bernoulli()
    v, p = (
        RNG.normal(size=(2, 40, V)).astype(np.float32),
        RNG.integers(0, 65536, (2, 40, H)).astype(np.uint16),
    )
    shuffled = RNG.permutation(40)
    weights = RNG.random(40)
    for own in (None, weights):
        one = difference(layers, (v[0], p[0]), (v[1], p[1]), own)
        moved = None if own is None else own[shuffled]
        turned = v[1][::-1].copy(), p[1][::-1].copy()
        other = difference(layers, (v[0][shuffled], p[0][shuffled]), turned, moved)
        for name in ("W", "a", "b"):
            assert_array_equal(getattr(one, name), getattr(other, name))
    k = np.rint(v.astype(np.float64) * 2**11)
    exact = sum(sign * (x.T @ y.astype(float)) for sign, x, y in zip((1, -1), k, p, strict=True))
    assert_array_equal(
        difference(layers, (v[0], p[0]), (v[1], p[1])).W, (exact * (1 / (2**11 * 65535 * 40))).astype("f4")
    )


def test_sums_beyond_float64_have_one_order() -> None:
    k = np.full((1000, 1), float(WHOLE))
    assert product_of_rows(k, k)[0, 0] == 1000 * WHOLE**2
    odd = np.full((1025, 1), WHOLE - 1.0)
    parts = [n * int(odd[0, 0]) ** 2 for n in (512, 512, 1)]
    assert product_of_rows(odd, odd)[0, 0] == float(parts[0]) + float(parts[1]) + float(parts[2])


def test_the_engine_gives_the_same_on_every_path() -> None:
    """Inputs, statistics (of as many rows, of fewer, of the same states), draws: as in float64 by NumPy."""
    rbm = model("gaussian")
    v = np.clip(4 * RNG.normal(size=(2, 40, V)), -15, 15).astype(np.float32)
    v[0, 3, 3], v[1, 3, 3] = -16, 15.999
    p = RNG.integers(0, 65536, (2, 40, H)).astype(np.uint16)
    wide = 1024 * v[0]  # not for the engine: 16 bits
    found = set()
    for isa in engine.config()["isa_available"]:
        engine.select_isa(isa)
        steps = [engine.real_states(x) for x in (*v, v[1][:9])]
        assert engine.real_states(wide) is None and None not in steps
        weights = engine.Weights(W)
        phases = [((steps[0], p[0]), (steps[i], p[1][: len(steps[i])])) for i in (1, 2, 0)]
        gradients = [engine.contrast(*pair) for pair in phases]
        inputs = [engine.affine(weights, x, rbm.b, True) for x in steps]
        drawn = engine.add_normal(v[0], *Stream(3, 7, 1, 5))
        found.add(
            b"".join(x.tobytes() for g in gradients for x in (g.W, g.a, g.b, g.visible_mean, g.hidden_mean))
        )
        assert_array_equal(inputs[0], rbm._up.input(np.vstack([v[0], wide]))[:40])  # by float64 products
        assert_array_equal(drawn, v[0] + standard_normal(Stream(3, 7, 1, 5).uniform(40, V)))
    assert len(found) == 1
    for gradient, other, levels in zip(
        gradients, (v[1], v[1][:9], v[0]), (p[1], p[1][:9], p[1]), strict=True
    ):
        general = difference((Apart(), rf.Bernoulli()), (v[0], p[0]), (other, levels))
        for name in ("W", "a", "b", "visible_mean", "hidden_mean"):
            assert_array_equal(getattr(gradient, name), getattr(general, name))


class Apart(rf.Gaussian):
    """Units that the engine does not take."""

    def for_engine(self, states: Any) -> None:
        return None


def test_too_large_states_are_refused() -> None:
    rbm = model("gaussian")
    for bad in (1e10, -1e30):
        X = np.zeros((2, V))
        X[1, 5] = bad
        with pytest.raises(Overflow, match=r"at most 8.59e.09 in size: scale them"):
            rbm.hidden_probabilities(X)
    assert np.isfinite(model(rf.Gaussian(grid=None)).hidden_probabilities(np.full((2, V), 1e6))).all()


@pytest.mark.parametrize("grid", [0.3, 2.0**-10, 2.0**-17, "fine"])
def test_grids_are_powers_of_two(grid: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="grid must be a"):
        rf.Gaussian(grid=grid)


def test_means_of_integers_are_not_rounded_to_integers() -> None:
    class Counted(rf.Gaussian):
        grid = 1.0

    counts = Counted().counts(np.float32([[2.25, 3.0]]))
    assert counts is not None
    assert_array_equal(counts.numbers / counts.per, [[2.25, 3.0]])


PROGRAM = """
import numpy as np, rbmfast as rf
from test_real_products import BLOCKS, H, V
for visible, hidden in (("gaussian", "bernoulli"), (BLOCKS, "bernoulli"), ("gaussian", "gaussian")):
    rbm = rf.RBM(V, H, visible=visible, hidden=hidden, seed=0)
    X = rbm.sample(200, 3, seed=1)
    rate = rf.SGD(0.01, momentum=0.5)
    rf.train(rbm, X, epochs=2, batch_size=64, optimizer=rate, seed=1,
             sample_weight=np.linspace(0, 1, 200))
    rf.train(rbm, X, epochs=1, batch_size=64, optimizer=rate, seed=1, centered=True, method=rf.PCD(2, 30))
    print(rbm.W.tobytes().hex()[:999], rbm.free_energy(X)[:9].tolist())
    print(rbm.sample(3, 9, seed=1).tobytes().hex())
"""


def test_same_bits_whatever_blas_and_threads() -> None:
    """Kernels of two CPUs (OpenBLAS takes the name of one), one thread and three."""
    found = set()
    isas = engine.config()["isa_available"]
    for blas, threads, isa in (("Prescott", 1, isas[0]), ("SkylakeX", 3, isas[-1])):
        environment = {"OPENBLAS_CORETYPE": blas, "OPENBLAS_NUM_THREADS": str(threads), "RBMFAST_ISA": isa}
        environment |= {"RBMFAST_NUM_THREADS": str(threads), "PYTHONPATH": os.path.dirname(__file__)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, **environment}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1
