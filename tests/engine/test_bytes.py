"""What the engine says of arrays of bytes."""

from __future__ import annotations

import numpy as np
import pytest

from rbmfast import _engine as engine
from rbmfast import reference


@pytest.mark.parametrize("n", [1, 63, 64, 1000])
def test_bits(n: int) -> None:
    x = (np.arange(n) % 2).astype(np.uint8)
    assert engine.are_bits(x) and reference.are_bits(x)
    for place in {0, n // 2, n - 1}:
        for value in (2, 255):
            y = x.copy()
            y[place] = value
            assert not engine.are_bits(y) and not reference.are_bits(y)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (31, 33)])
def test_a_hash_tells_any_change(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    seen = {engine.hash_of(x)}
    for place in np.ndindex(shape):
        y = x.copy()
        y[place] = np.nextafter(y[place], 9)
        seen.add(engine.hash_of(y))
    assert len(seen) == x.size + 1
    assert engine.hash_of(x.copy()) == engine.hash_of(x)
    assert engine.hash_of(x[:0]) != engine.hash_of(x)
    if shape[0] > 1:
        assert engine.hash_of(np.ascontiguousarray(x[::-1])) != engine.hash_of(x)
