"""The zero-sum gauge of groups of units: other parameters, the same distribution."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import rbmfast as rf
from rbmfast.units import Categorical, Mixed

LAYERS: dict[str, tuple[Any, Any]] = {
    "groups": (Categorical([3, 2]), "bernoulli"),
    "beside switches": (Mixed([(rf.Spin(), 1), (Categorical(2), 4)]), "bernoulli"),
    "real hidden units": (Categorical([2, 3]), "gaussian"),
    "groups twice": (Categorical([3, 2]), Categorical(2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_distribution_stays(name: str) -> None:
    rng, (visible, hidden) = np.random.default_rng(1), LAYERS[name]
    arrays = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 4), 5, 4))
    rbm = rf.RBM.from_arrays(*arrays, visible=visible, hidden=hidden)
    before = rbm.W.copy()
    fixed = rbm.zero_sum_gauge()
    assert_array_equal(rbm.W, before)
    assert type(fixed) is rf.RBM and (fixed.visible, fixed.hidden) == (rbm.visible, rbm.hidden)
    for group in rbm.visible.groups(5):
        assert_allclose(fixed.W[group].sum(axis=0), 0, atol=1e-6)
        assert_allclose(fixed.a[group].sum(), 0, atol=1e-6)
    n = rbm.visible.count_states(5)
    v = rbm.visible.shown(rbm.visible.states(5, np.arange(n)))
    assert_allclose(np.ptp(fixed.free_energy(v) - rbm.free_energy(v)), 0, atol=1e-5)
    assert_allclose(fixed.hidden_probabilities(v), rbm.hidden_probabilities(v), atol=1e-5)
    each = [rf.log_likelihood(model, v) for model in (rbm, fixed)]
    assert_allclose(*each, atol=1e-5)
    assert_allclose(np.exp(each[1]).sum(), 1, atol=1e-5)
    assert_allclose(fixed.zero_sum_gauge().W, fixed.W, atol=1e-7)


def test_other_models_have_no_gauge() -> None:
    rbm = rf.RBM(4, 3, seed=1)
    assert_array_equal(rbm.zero_sum_gauge().W, rbm.W)


def test_class_models_fix_their_label() -> None:
    model = rf.ClassRBM(4, 3, n_classes=3, seed=1)
    fixed = model.zero_sum_gauge()
    assert type(fixed) is rf.ClassRBM
    assert_allclose(fixed.W[4:].sum(axis=0), 0, atol=1e-7)
    X = np.eye(4, dtype=np.uint8)
    assert_allclose(fixed.class_log_probabilities(X), model.class_log_probabilities(X), atol=1e-5)
