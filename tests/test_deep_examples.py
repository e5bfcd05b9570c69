"""The programs in examples/ about deep networks run on small synthetic digits, and print what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import EXAMPLES, load, run

import rbmfast as rf

if not EXAMPLES.is_dir():
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.fixture(autouse=True)
def neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python does for a program that is run: it imports what lies beside it."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Ten bars that are easy to tell apart, with noise."""
    rng, file = np.random.default_rng(0), tmp_path / "digits.npz"

    def draw(n: int) -> tuple[Any, Any]:
        y = rng.integers(0, 10, n)
        images = rng.integers(0, 60, (n, 28, 28), dtype=np.uint8)
        for image, digit in zip(images, y, strict=True):
            image[2 * digit + 4 : 2 * digit + 6] = 255
        return images, y

    (x, y), (x_test, y_test) = draw(1000), draw(200)
    np.savez(file, train_x=x, train_y=y, test_x=x_test, test_y=y_test)
    return file


def errors(printed: str) -> list[float]:
    return [float(error) for error in re.findall(r"(\d+\.\d\d) %", printed)]


def test_backprop(digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    example = load("mnist_backprop")
    monkeypatch.setattr(example, "SIZES", [784, 40, 30])
    monkeypatch.setattr(example, "QUICK", {"pre-training": 5, "fine-tuning": 40})
    printed = run(monkeypatch, capsys, example, digits, "--quick", "--seeds", 3)
    assert max(errors(printed)) < 10


def test_class_rbm(digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    example = load("mnist_class_rbm")
    monkeypatch.setattr(example, "N_HIDDEN", 40)
    monkeypatch.setattr(example, "QUICK", {"features": 5, "hybrid": 20})
    printed = run(monkeypatch, capsys, example, digits, "--quick", "--seeds", 3)
    assert max(errors(printed)) < 10


def test_up_down(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    example = load("mnist_up_down")
    monkeypatch.setattr(example, "SIZES", [784, 40, 40, 60])
    monkeypatch.setattr(example, "QUICK", example.Recipe(20, ((1, 3, 0.1, 0.0),)))
    printed = run(
        monkeypatch, capsys, example, digits, "--quick", "--seeds", 3, "--pictures", tmp_path / "pictures"
    )
    greedy, fine_tuned, mean = errors(printed.replace(" ->", " % ->"))
    assert fine_tuned == mean < 40 and greedy < 40  # by chance 90
    assert (tmp_path / "pictures" / "digits.png").stat().st_size > 10_000


def test_few_labels(
    digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load("mnist_backprop"), "SIZES", [784, 40, 30])
    example = load("few_labels")
    settings = ("--labels", 500, "--seeds", 0, "--pretraining", 2, "--fine-tuning", 40)
    printed = run(monkeypatch, capsys, example, digits, *settings)
    found = re.search(r"^mean +(\d+\.\d\d) +(\d+\.\d\d)$", printed, re.MULTILINE)
    assert found is not None
    assert float(found[2]) < 50


def test_dbn_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, (3, 20))
    sets = {
        name: (kinds[rng.integers(0, 3, n)] ^ (rng.random((n, 20)) < 0.05))
        for name, n in (("train", 300), ("test", 100))
    }
    np.savez(tmp_path / "data.npz", **{name: rows.astype(np.uint8) for name, rows in sets.items()})
    settings = ("--hidden", 8, "--first", 20, "--second", 5, "--chains", 50, "--temperatures", 200)
    printed = run(monkeypatch, capsys, load("dbn_bound"), tmp_path / "data.npz", *settings)
    likelihood, bound = (
        float(re.search(rf"^{name} +(-\d+\.\d\d)", printed, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("test log-likelihood", "test bound")
    )
    assert abs(bound - likelihood) < 1.5


def test_networks_from_random_weights_know_nothing() -> None:
    network = load("few_labels").from_random_weights(0)
    assert isinstance(network, rf.Network)
    assert [layer.activation for layer in network.layers] == ["sigmoid"] * 3 + ["softmax"]
