"""The programs in examples/ run, and show what they say."""

import re
from typing import Any

import pytest
from programs import EXAMPLES, load

pytest.importorskip("sklearn")

from sklearn.neural_network import BernoulliRBM as Original

from rbmfast.sklearn import BernoulliRBM

if not EXAMPLES.is_dir():
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_out_of_core(printed_by: Any) -> None:
    printed = printed_by(load("out_of_core"))
    assert "chunks and whole agree: True" in printed
    assert re.search("chunks and dask-ml agree: True|dask-ml is not installed", printed)


def test_digits_prints_a_table(monkeypatch: pytest.MonkeyPatch, printed_by: Any) -> None:
    example = load("digits_classification")
    monkeypatch.setattr(example, "SHIFTS", [(0, 0)])
    assert re.search(r"^rbmfast +\d\d\.\d %", printed_by(example, "--seeds", 1), re.MULTILINE)


@pytest.mark.slow
def test_digits_by_deep_belief_networks(printed_by: Any) -> None:
    printed = printed_by(load("digits_dbn"), "--shifts", 1)
    for name in ("ClassRBM", "DBNClassifier, searched"):
        found = re.search(rf"^{name} +(\d\d\.\d) %", printed, re.MULTILINE)
        assert found is not None
        assert float(found[1]) > 85
    assert "hidden layers chosen: (" in printed


@pytest.mark.slow
def test_digits_are_classified_as_well_as_with_scikit_learn() -> None:
    """Means over five seeds, within 1.5 points of each other."""
    example = load("digits_classification")
    data = example.train_test_split(*example.shifted_digits(), test_size=0.2, random_state=0)
    ours, theirs = (
        sum(example.accuracy_from_features(kind, seed, *data)[0] for seed in range(5)) / 5
        for kind in (BernoulliRBM, Original)
    )
    assert abs(ours - theirs) < 0.015
    assert ours > example.accuracy_from_pixels(*data) + 0.05
