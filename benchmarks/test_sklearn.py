"""scikit-learn's class and the one that takes its place: every row of compare_sklearn.py."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn")

from drop_in import CLASSES, DROP_IN, SPARSE

from rbmfast.bench import Peer, Workload


def words(thing: Any) -> str:
    """Without blanks: for -k."""
    return thing.name.replace(" x ", "x").replace(", ", "-").replace(" ", "_")


@pytest.mark.parametrize("kind", CLASSES, ids=words)
@pytest.mark.parametrize("row", [*DROP_IN, *SPARSE], ids=words)
def test_method(measure_row: Any, row: Workload, kind: type[Peer]) -> None:
    measure_row(row, kind)
