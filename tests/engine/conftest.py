"""Leaves the engine's settings as every test found them."""

from __future__ import annotations

import pytest

from rbmfast import _engine as engine


@pytest.fixture(params=engine.config()["isa_available"])
def isa(request: pytest.FixtureRequest) -> str:
    """Every instruction set of this CPU in turn, selected."""
    engine.select_isa(request.param)
    return request.param
