"""Leaves the engine's settings as every test found them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
