"""Handwritten digits, where the environment variable RBMFAST_TEST_DATA names a folder that has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbmfast as rf

FILE = Path(os.environ.get("RBMFAST_TEST_DATA", "no such folder"), "mnist", "mnist.npz")

pytestmark = pytest.mark.slow


@pytest.fixture
def data() -> dict[str, Any]:
    if not FILE.exists():
        pytest.skip(f"RBMFAST_TEST_DATA does not name a folder with {FILE.parent.name}/{FILE.name}")
    with np.load(FILE) as arrays:
        return dict(arrays)


def test_digits_are_learned(data: dict[str, Any]) -> None:
    """500 hidden units and CD-1 halve the reconstruction error in two epochs, on test images too."""
    train, test = (data[name] > 127 for name in ("train_x", "test_x"))
    rbm = rf.RBM(784, 500, seed=0)
    settings: dict[str, Any] = {"optimizer": rf.SGD(0.05, momentum=0.5), "epochs": 2, "seed": 0}
    history = rf.train(rbm, train, validation=test, monitors=[rf.ReconstructionError()], **settings)
    error = history["validation_reconstruction_error"]
    assert error[-1] < 0.025 < 0.05 < error[0]
    samples = rbm.gibbs(test[:100], steps=1, seed=1)
    assert 0.08 < samples.mean() < 0.18  # as much ink as there is in digits


def test_digits_are_told_apart(data: dict[str, Any]) -> None:
    """2000 digits and 400 updates: not one in five of others is taken for another."""
    train, test = (
        (rf.Grey8(data[f"{name}_x"][:2000]), data[f"{name}_y"][:2000]) for name in ("train", "test")
    )
    rbm = rf.ClassRBM(784, 100, n_classes=10, seed=0)
    settings: dict[str, Any] = {"optimizer": rf.SGD(0.5, momentum=0.5), "epochs": 10, "batch_size": 50}
    rf.train(rbm, rbm.join(*train), method=rf.Hybrid(0.01), seed=1, **settings)
    assert (rbm.predict(test[0]) != test[1]).mean() < 0.2
