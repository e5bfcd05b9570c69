"""What users call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rbmfast as rf


@pytest.mark.parametrize("k", [1, 5])
def test_cd(measure: Any, many: Any, k: int) -> None:
    measure(
        len(many.V),
        rbmfast=lambda: learn(many, rf.CD(k)),
        numpy=lambda: many.numpy_rbm.learn(many.V_float, 100, 0.05, k),
    )


@pytest.mark.parametrize("k", [1, 5])
def test_pcd(measure: Any, many: Any, k: int) -> None:
    chains = (np.random.default_rng(1).random((100, many.rbm.n_hidden)) < 0.5).astype(np.float32)
    measure(
        len(many.V),
        rbmfast=lambda: learn(many, rf.PCD(k, n_chains=100)),
        numpy=lambda: many.numpy_rbm.learn(many.V_float, 100, 0.05, k, chains),
    )


def learn(case: Any, method: Any) -> None:
    rf.train(case.rbm, case.V, method=method, optimizer=rf.SGD(0.05), epochs=1, batch_size=100, seed=1)


def test_hidden_probabilities(measure: Any, many: Any) -> None:
    out = np.empty((len(many.V), many.rbm.n_hidden), np.float32)
    measure(
        len(many.V),
        rbmfast=lambda: many.rbm.hidden_probabilities(many.V),
        numpy=lambda: many.numpy_rbm.hidden_probabilities(many.V_float, out=out),
    )


def test_free_energy(measure: Any, many: Any) -> None:
    measure(
        len(many.V),
        rbmfast=lambda: many.rbm.free_energy(many.V),
        numpy=lambda: many.numpy_rbm.free_energy(many.V_float),
    )


def test_gibbs(measure: Any, case: Any) -> None:
    """100 chains, 20 steps each."""
    measure(
        20 * len(case.V),
        rbmfast=lambda: case.rbm.gibbs(case.V, steps=20, seed=1),
        numpy=lambda: case.numpy_rbm.gibbs(case.V_float, steps=20),
    )
