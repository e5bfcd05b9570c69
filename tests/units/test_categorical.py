"""Groups of which one unit is on: what only they promise."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

import rbmfast as rf
from rbmfast.data import Grey8
from rbmfast.streams import Stream
from rbmfast.units import Bernoulli, Categorical, Mixed, Unit, get_unit

RNG = np.random.default_rng(4)


def shares(unit: Unit, x: list[float]) -> np.ndarray:
    """How many of the 2**32 numbers draw each state of one group, found by bisection."""
    n = len(x)
    low, high = np.zeros(n, np.int64), np.full(n, 2**32)  # the first number that draws a state above k
    rows = np.tile(np.float32(x), (n, 1))
    while (low < high).any():
        middle = (low + high) // 2
        uniform = np.repeat(np.minimum(middle, 2**32 - 1)[:, None], n, axis=1).astype(np.uint32)
        above = unit.draw(rows, uniform).argmax(axis=1) > np.arange(n)
        low, high = np.where(above | (low == high), low, middle + 1), np.where(above, middle, high)
    return np.diff(low, prepend=0)


@pytest.mark.parametrize(
    "x",
    [
        [0.0, 0.0],
        [0.0, 0.0, 0.0],
        [1.0, -2.0, 0.5, 3.0],
        [-20.0, 0.0, -19.0],
        [0.0, -15.0, -90.0],
        [-1e30, 1e30, 0.0],
        list(np.linspace(-3, 3, 21)),
    ],
)
def test_states_have_their_shares_of_all_numbers(x: list[float]) -> None:
    found = shares(Categorical(len(x)), x)
    assert found.sum() == 2**32
    assert_allclose(found, 2**32 * softmax(np.float32(x).astype(float)), rtol=3e-7, atol=1.0)


def test_even_states_have_even_shares() -> None:
    assert_array_equal(shares(Categorical(4), [7.0] * 4), [2**30] * 4)


def test_a_group_draws_by_the_number_of_its_first_unit() -> None:
    x = RNG.normal(size=(50, 6)).astype(np.float32)
    uniform = RNG.integers(0, 2**32, (50, 6), dtype=np.uint32)
    others = np.where(np.arange(6) % 3 == 0, uniform, ~uniform)
    assert_array_equal(Categorical(3).draw(x, uniform), Categorical(3).draw(x, others))


def test_two_states_are_a_bernoulli_unit() -> None:
    for d in RNG.normal(0, 3, 4).astype(np.float32):
        on = np.float64(Bernoulli().mean(d.reshape(1, 1))[0, 0])
        assert_allclose(shares(Categorical(2), [0.0, d])[1], 2**32 * on, rtol=1e-6, atol=2)


def test_initial_biases_are_centred_logarithms_of_shares() -> None:
    data = np.repeat(np.eye(3, dtype=np.uint8), [5, 3, 0], axis=0)
    bias, means = Categorical(3).initial_bias(Categorical(3).rows(data, 3))
    log = np.log(np.array([6, 4, 1]) / 11)  # one row of each state added
    assert_allclose(bias, log - log.mean(), rtol=1e-6)
    assert_allclose(means, [5 / 8, 3 / 8, 0])


# --- Bad groups --------------------------------------------------------------------------------------------


def test_groups_without_one_unit_on_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.units.base.rows_in_a_scan", lambda _: 3)
    X = np.tile(np.eye(3, dtype=np.uint8), (4, 2))
    Categorical(3).rows(X, 6)
    for wrong, total in (([0, 0, 0], 0), ([1, 0, 1], 2), ([1, 1, 1], 3)):
        bad = X.copy()
        bad[7, 3:] = wrong
        message = rf"V\[7, 3:6\] must have one unit on, of 3 that exclude each other; got a sum of {total}$"
        for container in (bad, bad.astype(float), rf.Packed(np.packbits(bad, axis=1), 6)):
            with pytest.raises(ValueError, match=message):
                Categorical(3).rows(container, 6, "V")


def test_the_columns_in_a_message_are_those_of_the_layer() -> None:
    unit = Mixed([(Bernoulli(), 2), (Mixed([(Bernoulli(), 1), (Categorical(2), 4)]), 5)])
    with pytest.raises(ValueError, match=r"X\[0, 5:7\] must have one unit on, of 2"):
        unit.rows([[1, 1, 1, 0, 1, 1, 1]], 7)


def test_grey_levels_of_a_group_sum_to_one() -> None:
    for n_states in (2, 3, 10, 300):
        grey = softmax(RNG.normal(size=(200, 2, n_states)), axis=2).reshape(200, -1)
        for X in (grey, grey.astype(np.float32), Categorical(n_states).mean(np.log(grey).astype(np.float32))):
            assert Categorical(n_states).rows(X, 2 * n_states).kind == "grey"
    Categorical(3).rows(Grey8(np.array([[100, 55, 100], [255, 0, 0]], np.uint8)), 3)
    for wrong, total in (([0.2, 0.3, 0.4], 0.899992), ([0.5, 0.5, 0.01], 1.01)):
        with pytest.raises(ValueError, match=rf"X\[1, 0:3\] must have one unit on.*got a sum of {total}"):
            Categorical(3).rows([[0, 1, 0], wrong], 3)


def test_groups_with_something_missing_are_not_looked_at() -> None:
    rows = Bernoulli().rows([[0, 0, 0, 1, 1, 0]], 6)
    missing = np.array([[False, True, False, True, False, False]])
    assert_array_equal(Categorical(3).whole(missing), [[True] * 6])
    Categorical(3).check_states(rows.without(Categorical(3).whole(missing)), "V")
    with pytest.raises(ValueError, match=r"V\[0, 3:6\]"):
        Categorical(3).check_states(rows.without(missing & (np.arange(6) < 3)), "V")


# --- Sizes -------------------------------------------------------------------------------------------------


def test_layers_have_whole_groups() -> None:
    with pytest.raises(
        ValueError, match=r"n_visible must be a multiple of 3 for Categorical\(n_states=3\), got 4"
    ):
        rf.RBM(4, 2, visible=Categorical(3))
    with pytest.raises(ValueError, match=r"the number of columns of W must be a multiple of 3 .*, got 2"):
        rf.RBM.from_arrays(np.zeros((4, 2)), np.zeros(4), np.zeros(2), hidden=Categorical(3))
    assert Categorical(3).count_states(4) is None
    assert Categorical(3).part(0, 3) == Categorical(3)
    assert Categorical(3).part(1, 3) is None is Categorical(3).part(0, 2)


def test_numbers_of_states() -> None:
    for wrong in (1, 0, -3):
        with pytest.raises(ValueError, match="n_states must be an integer of at least 2"):
            Categorical(wrong)
    for strange in (2.5, "3", None):
        with pytest.raises(TypeError, match="n_states must be an integer"):
            Categorical(strange)  # type: ignore[arg-type]
    assert Categorical(np.int64(3)) == Categorical(3) != Categorical(4)
    assert type(Categorical(np.int64(3)).n_states) is int


def test_numbers_of_states_are_data_too(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 3, (20, 4))
    one_hot = (codes[..., None] == np.arange(3)).reshape(20, 12).astype(np.uint8)
    rbm = rf.RBM.from_arrays(np.ones((12, 2)), np.zeros(12), np.zeros(2), visible=Categorical(3))
    np.save(tmp_path / "codes.npy", codes.astype(np.uint8))
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    for X in (codes, codes.astype(np.int8), mapped, codes.tolist(), np.asfortranarray(codes)):
        assert_array_equal(rbm.free_energy(X), rbm.free_energy(one_hot))
        assert_array_equal(rbm.gibbs(X, 2, seed=1), rbm.gibbs(one_hot, 2, seed=1))
    twin = rf.RBM.from_state(*rbm.to_state())
    for model, X in ((rbm, codes), (twin, one_hot)):
        rf.train(model, X, epochs=2, batch_size=7, seed=1, validation=X, monitors=[rf.ReconstructionError()])
    assert_array_equal(rbm.W, twin.W)
    classes = rf.ClassRBM(12, 2, n_classes=2, visible=Categorical(3), seed=0)
    assert_array_equal(classes.predict(codes), classes.predict(one_hot))
    holes = np.where(np.repeat(codes == 1, 3, axis=1), np.nan, one_hot)
    assert_array_equal(rbm.free_energy(np.ma.masked_equal(codes, 1)), rbm.free_energy(holes))
    assert_array_equal(rbm.impute(np.where(codes == 1, np.nan, codes), seed=1), rbm.impute(holes, seed=1))
    for wrong, message in (
        (codes + 1, r"V\[\d+, \d\] is 3, but states of categorical of 3 are whole numbers from 0 to 2"),
        (-codes - 1, r"V\[0, 0\] is -\d, but states"),
        (codes[:, :3], "V must have 12 features"),
        (codes / 2 + 0.25, r"V\[0, 0\] is \d.\d5, but states of categorical of 3 are whole numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            rbm.free_energy(wrong)


def test_chains_by_odds_are_those_by_total_inputs() -> None:
    rng = np.random.default_rng(0)
    several, large = Categorical([3, 32, 2, 7] * 9), 5  # exponentials of such inputs may overflow
    for unit, n, scale in ((Categorical(21), 210, 0.1), (several, 396, 0.4), (Categorical(4), 80, large)):
        W, a, b = rng.normal(scale=scale, size=(n, 130)), rng.normal(size=n), rng.normal(size=130)
        rbm = rf.RBM.from_arrays(W, a, b, visible=unit)
        v = rbm.sample(200, steps=1, seed=0)
        parts = [rbm.gibbs(v[i : i + 25], 10, seed=2, first_row=i) for i in range(0, 200, 25)]
        assert_array_equal(rbm.gibbs(v, 10, seed=2), np.vstack(parts))


# --- Groups of several sizes -------------------------------------------------------------------------------

RAGGED = Categorical([3, 5, 2])


def test_groups_of_several_sizes_answer_as_groups_of_one_size_each() -> None:
    x = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)
    parts = Mixed([(Categorical(n), n) for n in (3, 5, 2)])
    for name in ("mean", "mode", "expectation"):
        assert_array_equal(getattr(RAGGED, name)(x), getattr(parts, name)(x))
    stream = Stream(3, 1, 0, 5, 7)
    drawn = RAGGED.sample(x, stream)
    assert_array_equal(drawn, parts.sample(x, stream))
    assert_array_equal(drawn, RAGGED.draw(x, stream.uniform(*x.shape)))
    bias, other = (unit.initial_bias(unit.rows(drawn, 10))[0] for unit in (RAGGED, parts))
    assert_array_equal(bias, other)
    assert_array_equal(RAGGED.states(10, np.arange(30)), parts.states(10, np.arange(30)))
    assert RAGGED.count_states(10) == 30


def test_groups_of_several_sizes_know_their_bounds() -> None:
    assert RAGGED == Categorical((3, 5, 2)) == get_unit(RAGGED.describe()) and hash(RAGGED)
    assert str(RAGGED) == "categorical of 3, 5, 2"
    assert RAGGED.part(3, 10) == Categorical([5, 2])
    assert RAGGED.part(3, 9) is None
    codes = np.array([[2, 4, 1], [0, 0, 0]])
    assert_array_equal(RAGGED.rows(codes, 10).all().argmax(axis=1), [2, 0])
    holes = RAGGED.rows(np.where(codes == 4, np.nan, codes), 10, may_miss=True)
    assert_array_equal(holes.missing.sum(axis=0), [0] * 3 + [1] * 5 + [0] * 2)
    assert_array_equal(RAGGED.in_columns(RAGGED.rows(codes, 10).all(), 3), codes)
    assert RAGGED.whole(np.arange(10)[None] == 4).nonzero()[1].tolist() == [3, 4, 5, 6, 7]
    with pytest.raises(ValueError, match=r"X\[1, 2\] is 2, but states of categorical of 2 are whole numbers"):
        RAGGED.rows([[2, 4, 1], [0, 0, 2]], 10)
    with pytest.raises(ValueError, match=r"X\[0, 3:8\] must have one unit on, of 5 that exclude each other"):
        RAGGED.rows([[1, 0, 0, 0, 0, 0, 0, 0, 1, 0]], 10)
    with pytest.raises(ValueError, match="n_visible must be 10, the units of Categorical"):
        rf.RBM(9, 4, visible=RAGGED)
    for wrong in ([], [3, 1], [2, "a"], "32"):
        with pytest.raises((TypeError, ValueError), match="n_states"):
            Categorical(wrong)
