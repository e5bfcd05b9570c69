"""The programs in examples/ that print likelihoods: on synthetic files, and on published data."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import EXAMPLES, load, run

import rbmfast as rf

DATA = Path(os.environ.get("RBMFAST_TEST_DATA", "no such folder"))

if not EXAMPLES.is_dir():
    pytest.skip("the examples are not here", allow_module_level=True)

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the published data")


def rows(n: int) -> Any:
    rng = np.random.default_rng(n)
    kinds = np.random.default_rng(0).integers(0, 2, (3, 20))
    return (kinds[rng.integers(0, 3, n)] ^ (rng.random((n, 20)) < 0.05)).astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data.npz"
    packed = {name: np.packbits(rows(n), axis=1) for name, n in (("train", 300), ("test", 100))}
    np.savez(file, **packed, n_features=20)
    return file


def test_known_log_z(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "m.npz", W=rng.normal(0, 0.5, (20, 6)), vbias=np.zeros(20), hbias=np.zeros((1, 6)))
    settings = ("--seeds", 3, "--chains", 50, "--temperatures", 50)
    printed = run(monkeypatch, capsys, load("known_log_z"), tmp_path / "m.npz", *settings)
    for method in ("ais", "reverse_ais", "bracket"):
        line = re.search(rf"^{method} +(-?\d\.\d+) +\d\.\d+ +\d\.\d+ +(\d+)%", printed, re.MULTILINE)
        assert line is not None
        assert abs(float(line[1])) < 0.5


def test_mnist_likelihood(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = ("--hidden", 18, "--epochs", 5, "--chains", 50, "--temperatures", 100)
    example = load("mnist_likelihood")
    printed = run(monkeypatch, capsys, example, data, *settings, "--save", tmp_path / "m.rbm")
    found = re.search(r"^test log-likelihood +(-\d+\.\d\d) ", printed, re.MULTILINE)
    assert found is not None
    exact = rf.log_likelihood(rf.load(tmp_path / "m.rbm"), rows(100)).mean()
    assert abs(float(found[1]) - exact) < 0.2


def test_exact_likelihood(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = load("exact_likelihood")
    short = dataclasses.replace(example.RECIPES["mnist"], n_hidden=5, epochs=5)
    monkeypatch.setitem(example.RECIPES, "mnist", short)
    printed = run(monkeypatch, capsys, example, "mnist", data, "--seeds", 1)
    for name in ("as it is", "flipped"):
        assert re.search(rf"rbmfast, {name} +-\d+\.\d+ ", printed)


# --- What the tables in README.md and docs/design say ------------------------------------------------------


def reach(recipe: str, file: str, seed: int = 0, flip: int = 0, **changes: Any) -> float:
    """The exact test log-likelihood."""
    example = load("exact_likelihood")
    X, X_test = example.read(DATA / file)
    rbm = example.train(X ^ flip, dataclasses.replace(example.RECIPES[recipe], **changes), seed)
    return rf.mean_log_likelihood(rbm, X_test ^ flip).value


@needs_data
def test_dna_in_a_second() -> None:
    assert reach("dna", "debd_binary/dna.npz", epochs=60, n_hidden=14) > -99


@pytest.mark.slow
@needs_data
def test_dna() -> None:
    assert reach("dna", "debd_binary/dna.npz") > -96.74


@pytest.mark.slow
@needs_data
def test_mushrooms() -> None:
    assert reach("mushrooms", "debd_binary/mushrooms.npz") > -15.15


@pytest.mark.slow
@needs_data
def test_mnist_16_hidden() -> None:
    file = "salakhutdinov_murray_2008/binarized_mnist_sm_packed.npz"
    plain, flipped = (reach("mnist", file, flip=flip) for flip in (0, 1))
    assert min(plain, flipped) > -143.5
    assert abs(plain - flipped) < 1
    assert reach("mnist", "mnist/mnist.npz") > -140
