"""Scales: what the stored numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data.memory import Array
from rbmfast.states import LEVELS, as_float

_SLACK = 1e-6  # rounding errors of scaling: values in [0, 1] may lie beyond it by so much


class Scale:
    """What numbers mean; here every number is allowed."""

    def kind(self, raw: Array, domain: str) -> str | None:
        """What kind of data a chunk is, or None if it has values that are not allowed."""
        if self.first_bad(raw, domain) is not None:
            return None
        return "real" if domain == "real" else "grey" if self.has_grey(raw) else "binary"

    def has_grey(self, raw: Array) -> bool:
        """Whether some of these numbers, which are allowed, mean neither 0 nor 1."""
        return False

    def first_bad(self, raw: Array, domain: str) -> int | None:
        """Position of the first value that is not allowed."""
        return None

    def allowed(self, value: np.generic, domain: str) -> str:
        """What is allowed instead of this value."""
        return "values are what they are"

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        """Valid values as states, grey levels or numbers."""
        raise NotImplementedError


class _Numbers(Scale):
    """Numbers that mean themselves.

    Floats between 0 and 1 are compared and converted by the engine, by their bits: code elsewhere that makes
    the CPU flush denormals cannot change what kind of data this is.
    """

    def kind(self, raw: Array, domain: str) -> str | None:
        if domain == "binary":
            if raw.dtype.kind == "f":
                return engine.range_of(as_engine(raw))
            if raw.dtype == np.uint8 and engine.are_bits(raw):
                return "binary"
        return super().kind(raw, domain)

    def first_bad(self, raw: Array, domain: str) -> int | None:
        if raw.dtype.kind != "f":
            if domain == "real":
                return None
            bits = raw.view(f"u{raw.dtype.itemsize}")  # negative numbers are above
            return None if bits.max() <= 1 else _first(bits > 1)
        if domain == "real":
            with np.errstate(over="ignore"):
                return _first(~np.isfinite(raw.astype(np.float32, copy=False)))
        values = raw.astype(np.float64, copy=False)
        return _first(~((values >= -_SLACK) & (values <= 1 + _SLACK)))  # as the engine compares them

    def allowed(self, value: np.generic, domain: str) -> str:
        if value != value:
            return "missing values are not allowed here: leave their rows out, or fill them in"
        if domain == "real":
            return "values must be finite float32 numbers"
        if value.dtype.kind == "f":
            return "values must lie in [0, 1]"
        images = "images of levels 0-255: rf.Grey8(X); " if 1 < int(value) < 256 else ""
        return (
            f"integers must be 0 or 1 ({images}categories: one-hot columns for rf.Categorical; counts and "
            "other numbers: scaled, for visible='gaussian')"
        )

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        if dtype == np.float32:
            return np.add(raw, np.float32(0), dtype=np.float32)  # -0.0 + 0.0 is 0.0
        if raw.dtype.kind == "f":
            states = (engine.states_u16 if dtype == LEVELS else engine.states_u8)(as_engine(raw))
            if states is None:
                raise ValueError("the data changed while it was in use: some values are not what they were")
            return states
        return raw if raw.dtype == np.uint8 else np.not_equal(raw, 0).view(np.uint8)


class _Levels(Scale):
    """uint16 grey levels, which mean themselves; among real numbers, these in units of 1/65535."""

    def has_grey(self, raw: Array) -> bool:
        return True

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        return raw if dtype == LEVELS else as_float(raw)


class _Grey8(_Levels):
    """Integers v from 0 to 255 that mean v / 255."""

    def has_grey(self, raw: Array) -> bool:
        return not ((raw == 0) | (raw == 255)).all()

    def first_bad(self, raw: Array, domain: str) -> int | None:
        if raw.dtype == np.uint8 or (raw.min() >= 0 and raw.max() <= 255):
            return None
        return _first((raw < 0) | (raw > 255))

    def allowed(self, value: np.generic, domain: str) -> str:
        return "levels of Grey8 must be from 0 to 255"

    def encode(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        if dtype == np.uint8:
            return np.not_equal(raw, 0).view(np.uint8)
        return super().encode(np.multiply(raw.astype(np.uint16), np.uint16(257)), dtype)


NUMBERS = _Numbers()
GREY8 = _Grey8()
GREY16 = _Levels()


def scale_of(dtype: np.dtype[Any]) -> Scale:
    """What states of this form mean."""
    return GREY16 if dtype == LEVELS else NUMBERS


def as_engine(raw: Array) -> Array:
    """Floats as the engine takes them."""
    return np.ascontiguousarray(raw, np.float64 if raw.dtype.itemsize == 8 else np.float32)


def _first(mask: NDArray[np.bool_]) -> int | None:
    position = int(mask.argmax())
    return position if mask.reshape(-1)[position] else None
