"""A model's parameters: how they start, how they are read and set, and that copies are whole."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import rbmfast as rf


def test_a_new_model() -> None:
    rbm = rf.RBM(200, 100, seed=3)
    assert (rbm.n_visible, rbm.n_hidden, rbm.seed) == (200, 100, 3)
    assert rbm.visible == rbm.hidden == rf.Bernoulli()
    assert rbm.W.shape == (200, 100) and rbm.a.shape == (200,) and rbm.b.shape == (100,)
    assert rbm.W.dtype == rbm.a.dtype == rbm.b.dtype == np.float32
    # 20 000 weights: mean and deviation within 5 standard errors, alarm 1e-6.
    assert abs(rbm.W.mean()) < 5 * 0.01 / np.sqrt(rbm.W.size)
    assert abs(rbm.W.std() / 0.01 - 1) < 5 / np.sqrt(2 * rbm.W.size)
    assert not rbm.a.any() and not rbm.b.any()
    assert rbm.visible_means is None
    assert rbm.is_untouched


def test_seeds() -> None:
    assert_array_equal(rf.RBM(5, 4, seed=3).W, rf.RBM(5, 4, seed=3).W)
    assert not np.array_equal(rf.RBM(5, 4, seed=3).W, rf.RBM(5, 4, seed=4).W)
    unseeded = rf.RBM(5, 4)
    assert_array_equal(unseeded.W, rf.RBM(5, 4, seed=unseeded.seed).W)
    generator = rf.RBM(5, 4, seed=np.random.default_rng(0))
    assert_array_equal(generator.W, rf.RBM(5, 4, seed=generator.seed).W)
    assert rf.RBM.from_arrays([[0.0]], [0.0], [0.0]).seed is None


def test_parameters_are_read_only_views() -> None:
    rbm = rf.RBM(5, 4, seed=3)
    for name in ("W", "a", "b"):
        array = getattr(rbm, name)
        assert np.shares_memory(array, getattr(rbm, name))
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


@pytest.mark.parametrize("name", ["W", "a", "b"])
def test_setting_copies(name: str) -> None:
    rbm = rf.RBM(5, 4, seed=3)
    others = {other: getattr(rbm, other).copy() for other in {"W", "a", "b"} - {name}}
    value = np.full(getattr(rbm, name).shape, 0.5)
    setattr(rbm, name, value)
    value[:] = 9
    assert_array_equal(getattr(rbm, name), 0.5)
    assert not rbm.is_untouched
    for other, before in others.items():
        assert_array_equal(getattr(rbm, other), before)


def test_setting_weights_forgets_the_old_fixed_point_ones() -> None:
    rbm, v = rf.RBM(5, 4, seed=3), np.eye(5)
    before = rbm.hidden_probabilities(v)
    assert rbm._parameters.weights is rbm._parameters.weights
    rbm.W = rbm.W + 1
    assert not np.array_equal(rbm.hidden_probabilities(v), before)
    assert_array_equal(
        rbm.hidden_probabilities(v), rf.RBM.from_arrays(rbm.W, rbm.a, rbm.b).hidden_probabilities(v)
    )


def test_a_view_taken_before_stays_as_it_was() -> None:
    rbm = rf.RBM(5, 4, seed=3)
    old = rbm.a
    rbm.a = np.ones(5)
    assert not old.any()


def test_arrays_of_any_layout() -> None:
    W = np.arange(12.0).reshape(3, 4)
    for given in (W, np.asfortranarray(W), W.astype(">f4"), W.astype(np.int64), W.tolist(), W[::1]):
        rbm = rf.RBM.from_arrays(given, np.zeros(3), np.zeros(4))
        assert_array_equal(rbm.W, W)
        assert rbm.W.flags.c_contiguous
    assert not rbm.is_untouched


def test_large_weights_are_quantised_coarsely() -> None:
    W = np.array([[1e12, -1e12], [1.0, 1e6]])
    with pytest.warns(UserWarning, match=r"up to 1e\+12\): .* multiples of 2\*\*17$") as caught:
        rbm = rf.RBM.from_arrays(W, np.zeros(2), np.zeros(2))
    assert caught[0].filename == __file__
    assert_allclose(rbm.hidden_probabilities([[1, 0]]), [[1, 0]], atol=1e-30)
    assert np.isfinite(rbm.free_energy([[1, 1]])).all()


def test_assigning_large_weights_warns_as_training_does() -> None:
    rbm = rf.RBM(3, 4, seed=0)
    rbm.W = np.full((3, 4), 2000.0)
    with pytest.warns(UserWarning, match=r"up to 4000\): .* multiples of 2\*\*-11$") as caught:
        rbm.W = np.full((3, 4), 4000.0)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="large weights"):
        rf.ClassRBM.from_arrays(rbm.W, rbm.a, rbm.b, n_classes=2)


class Tensor:
    """As those of PyTorch that require a gradient."""

    def __init__(self, array: np.ndarray, requires_grad: bool = True) -> None:
        self.array, self.requires_grad = array, requires_grad

    def detach(self) -> "Tensor":
        return Tensor(self.array, requires_grad=False)

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.array


def test_tensors_that_require_a_gradient() -> None:
    W = np.arange(12.0).reshape(3, 4)
    rbm = rf.RBM.from_arrays(Tensor(W), Tensor(np.zeros(3)), np.zeros(4))
    assert_array_equal(rbm.W, W)


@pytest.mark.parametrize(
    "shapes, advice",
    [
        (((4, 6), (6,), (4,)), r"W must have shape \(6, 4\), .* got \(4, 6\): pass W.T$"),
        (((3, 2, 4), (6,), (4,)), r"got shape \(3, 2, 4\): pass W.reshape\(-1, 4\) for groups of states$"),
        (((6, 4), (3, 2), (4,)), r"a must have shape \(6,\), got \(3, 2\): pass a.reshape\(6\)$"),
        (((6, 4), (6,), (1, 4)), r"b must have shape \(4,\), got \(1, 4\): pass b.reshape\(4\)$"),
        (((6, 4), (5,), (4,)), r"a must have shape \(6,\), got \(5,\)$"),
    ],
)
def test_arrays_of_another_shape_get_the_line_that_helps(shapes: list[tuple[int, ...]], advice: str) -> None:
    units = {"visible": rf.Categorical(2)}
    with pytest.raises(ValueError, match=advice):
        rf.RBM.from_arrays(*(np.zeros(shape) for shape in shapes), **units)
    rbm = rf.RBM(6, 4, seed=0)
    with pytest.raises(ValueError, match=r"W must have shape \(6, 4\), got \(4, 6\): pass W.T$"):
        rbm.W = np.zeros((4, 6))


def test_initialize() -> None:
    X = np.array([[0, 0, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1]])
    rbm = rf.RBM(3, 2, seed=0)
    W = rbm.W.copy()
    rbm.initialize(X)
    assert_allclose(rbm.a, np.log([1 / 5, 1, 5]), rtol=1e-6, atol=1e-7)
    assert_array_equal(rbm.visible_means, [0, 0.5, 1])
    assert_array_equal(rbm.W, W)
    assert not rbm.is_untouched
    with pytest.raises(ValueError, match="read-only"):
        rbm.visible_means[0] = 1
    rbm.b = [1, 2]
    assert_array_equal(rbm.visible_means, [0, 0.5, 1])  # they belong to the data


def test_initialize_gaussian() -> None:
    X = np.random.default_rng(0).normal([1, 2, 3], size=(100, 3))
    rbm = rf.RBM(3, 2, visible="gaussian", seed=0)
    rbm.initialize(X)
    assert_allclose(rbm.a, X.mean(axis=0), rtol=1e-6)
    assert_array_equal(rbm.visible_means, rbm.a)
    with pytest.raises(ValueError, match=r"the visible bias from X must be .* below 2\*\*40"):
        rbm.initialize(np.full((2, 3), 1e20))
    assert_allclose(rbm.a, X.mean(axis=0), rtol=1e-6)


def test_set_parameters_takes_all_at_once() -> None:
    rbm = rf.RBM(3, 2, seed=0)
    W, a, b = np.ones((3, 2), np.float32), np.ones(3, np.float32), np.ones(2, np.float32)
    rbm._set_parameters(W, a, b, visible_means=a / 2)
    W[:] = a[:] = b[:] = 7
    for array in (rbm.W, rbm.a, rbm.b, rbm.visible_means * 2):
        assert_array_equal(array, 1)


def test_repr_is_one_line() -> None:
    mixed = rf.Mixed([(rf.Bernoulli(), 2), (rf.Categorical(3), 3)])
    for units, words in (
        ({}, ""),
        ({"visible": rf.Gaussian}, ", visible='gaussian'"),
        ({"hidden": rf.Gaussian()}, ", hidden='gaussian'"),
        ({"hidden": rf.Categorical(2)}, ", hidden=Categorical(n_states=2)"),
        ({"visible": mixed}, ", visible=Mixed(parts=((Bernoulli(), 2), (Categorical(n_states=3), 3)))"),
    ):
        assert repr(rf.RBM(5, 4, **units)) == f"RBM(5, 4{words})"


def test_layers_are_described_not_set() -> None:
    rbm = rf.RBM(5, 4)
    for name in ("n_visible", "n_hidden", "visible", "hidden", "seed", "visible_means", "is_untouched"):
        with pytest.raises(AttributeError):
            setattr(rbm, name, 1)


def test_parameters_by_name() -> None:
    """Of every kind of model: views that cannot be written to."""
    dbn = rf.DBN([6, 4, 3], n_classes=2, seed=0)
    dbn.untie()
    names = {
        rf.RBM(6, 4, seed=0): {"W", "a", "b"},
        rf.ClassRBM(6, 4, 2, seed=0): {"W", "a", "b"},
        dbn: {f"{way}/{name}" for way in ("generative/0", "generative/1", "recognition/0") for name in "Wab"},
        dbn.to_network(): {"W0", "b0", "W1", "b1", "W2", "b2"},
    }
    for model, expected in names.items():
        found = model.parameters()
        assert found.keys() == expected
        assert not any(array.flags.writeable for array in found.values())
    assert found["W0"] is not None and np.array_equal(dbn.parameters()["generative/1/b"], dbn.top.b)
