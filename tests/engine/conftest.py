"""Leaves the engine's settings as every test found them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# The tests start more threads than there may be CPUs; those that wait shall sleep, not spin. OpenMP reads
# this when it is loaded, so it comes before the engine; if that was imported already, nothing is lost.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from rbmfast import _engine as engine


@pytest.fixture(autouse=True)
def _engine_as_before() -> Iterator[None]:
    before = engine.config()
    yield
    engine.select_isa(before["isa"])
    engine.set_num_threads(before["threads"])


@pytest.fixture(params=engine.config()["isa_available"])
def isa(request: pytest.FixtureRequest) -> str:
    """Every instruction set of this CPU in turn, selected."""
    engine.select_isa(request.param)
    return request.param
