"""Handwritten digits, where the environment variable RBMFAST_TEST_DATA names a folder that has them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import rbmfast as rf

FILE = Path(os.environ.get("RBMFAST_TEST_DATA", "no such folder"), "mnist", "mnist.npz")


@pytest.mark.slow
def test_digits_are_learned() -> None:
    """500 hidden units and CD-1 halve the reconstruction error in two epochs, on test images too."""
    if not FILE.exists():
        pytest.skip(f"RBMFAST_TEST_DATA does not name a folder with {FILE.parent.name}/{FILE.name}")
    with np.load(FILE) as data:
        train, test = (data[name] > 127 for name in ("train_x", "test_x"))
    rbm = rf.RBM(784, 500, seed=0)
    history = rf.train(
        rbm,
        train,
        optimizer=rf.SGD(0.05, momentum=0.5),
        epochs=2,
        validation=test,
        monitors=[rf.ReconstructionError()],
        seed=0,
    )
    error = history["validation_reconstruction_error"]
    assert error[-1] < 0.025 < 0.05 < error[0]
    samples = rbm.gibbs(test[:100], steps=1, seed=1)
    assert 0.08 < samples.mean() < 0.18  # as much ink as there is in digits
