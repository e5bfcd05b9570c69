"""A model of two modes far apart, by exact sums: what examples/bimodal.py shows, in short."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "bimodal.py"


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("bimodal", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_data_are_bimodal(example: Any) -> None:
    p = example.probabilities((0.8, 0.2))
    near = [p[distance < other].sum() for distance, other in (example.DISTANCES, example.DISTANCES[::-1])]
    assert_allclose([p.sum(), *near], [1, 0.8, 0.2], atol=1e-5)
    assert_allclose(np.sort(p)[-2:], 0.98**10 * np.array([0.2, 0.8]), rtol=1e-5)


@pytest.mark.slow
def test_pt_weighs_both_modes_and_cd_and_pcd_do_not(example: Any) -> None:
    table = example.results((0.5, 0.5), seeds=range(3), epochs=100)
    kl = {name: rows[:, 0].mean() for name, rows in table.items()}
    wrong = {name: np.abs(rows[:, 1] - 0.5).max() for name, rows in table.items()}
    assert kl["PT-1"] < 0.05 and wrong["PT-1"] < 0.1
    assert kl["CD-1"] > 1.5 * kl["PT-1"] and wrong["CD-1"] > 0.1
    assert kl["PCD-1"] > 5 * kl["PT-1"] and wrong["PCD-1"] > 0.3


def test_it_prints_a_table(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    example.main(["--seeds", "1", "--epochs", "2"])
    assert len(re.findall(r"^[58]0:[52]0 +\S+ +\d\.\d{3} ", capsys.readouterr().out, re.MULTILINE)) == 8
