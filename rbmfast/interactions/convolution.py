"""Weights that all places of a map share: filters, each looking at a part of an image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.files import JSON
from rbmfast.interactions.dense import Interaction, Phase
from rbmfast.reference import F32, F64, GREY, I64, MAX_EXPONENT, States
from rbmfast.state import Gradient
from rbmfast.states import size
from rbmfast.units import Unit

BLOCK_NUMBERS = 1 << 23  # of parts of images, laid out at once
I32 = NDArray[np.int32]


class Filters(NamedTuple):
    """Fixed-point weights, as the engine takes them: flat arrays of int32."""

    exponent: int
    up: I32  # (channels, filter height, filter width reversed, n_filters)
    down: I32  # (n_filters, filter height, filter width * channels and zeros up to a multiple of 16)


class Means(NamedTuple):
    """Of a phase, over rows and places: float64."""

    pairs: F64  # like W
    visible: F64  # (channels,): sums over the pixels, too
    hidden: F64  # (n_filters,)
    seen: F64  # what a filter sees: (filter height * width * channels,)


@dataclass(frozen=True)
class Convolution(Interaction):
    """`n_filters` filters at every place of a map: W (filter height * width * channels, n_filters).

    Units of images and of maps count row by row, and place by place, with channels and filters innermost. A
    filter is laid on the image as it is, unturned (what books call cross-correlation).

    Parameters
    ----------
    height, width, channels : int
        Of images.
    filter_height, filter_width, n_filters : int
        Of filters.
    same : bool
        Whether maps are as large as images, which zeros surround; or filters lie within the image.
    """

    height: int
    width: int
    channels: int
    filter_height: int
    filter_width: int
    n_filters: int
    same: bool = False

    # --- Sizes -------------------------------------------------------------------------------------------

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """Height, width and number of the maps."""
        less = (0, 0) if self.same else (self.filter_height - 1, self.filter_width - 1)
        return self.height - less[0], self.width - less[1], self.n_filters

    @property
    def n_places(self) -> int:
        """Places in a map."""
        return math.prod(self.map_shape[:2])

    @property
    def geometry(self) -> tuple[int, ...]:
        """As the engine takes it."""
        top, left = ((self.filter_height - 1) // 2, (self.filter_width - 1) // 2) if self.same else (0, 0)
        image = self.height, self.width, self.channels
        return *image, self.filter_height, self.filter_width, self.n_filters, top, left, *self.map_shape[:2]

    @property
    def patch(self) -> tuple[int, int, int]:
        """Height, width and channels of what a filter sees."""
        return self.filter_height, self.filter_width, self.channels

    @property
    def near_border(self) -> NDArray[np.bool_]:
        """Pixels that fewer places see than others do, where filters lie within the image."""
        height, width, _ = self.patch
        near = np.ones((self.height, self.width, self.channels), np.bool_)
        near[height - 1 : self.height - height + 1, width - 1 : self.width - width + 1] = False
        return near.reshape(-1)

    def describe(self) -> dict[str, JSON]:
        """Its sizes."""
        return {"geometry": [*self.geometry]}

    # --- Weights -----------------------------------------------------------------------------------------

    def weights(self, W: F32, start_exponent: int = MAX_EXPONENT) -> Filters:
        """Such that int32 holds what a whole filter sends up, and what all filters send a pixel."""
        e = self.exponent(W, start_exponent)
        q = np.rint(np.ldexp(W.astype(np.float64), e)).astype(np.int32).reshape(*self.patch, self.n_filters)
        up = np.ascontiguousarray(q[:, ::-1].transpose(2, 0, 1, 3)).reshape(-1)
        down = q.transpose(3, 0, 1, 2).reshape(self.n_filters, self.filter_height, -1)
        return Filters(e, up, np.pad(down, ((0, 0), (0, 0), (0, -down.shape[2] % 16))).reshape(-1))

    def exponent(self, W: F32, start: int = MAX_EXPONENT) -> int:
        """Of columns, the filters, and of all weights of a channel."""
        of_channels = W.reshape(-1, self.channels, self.n_filters).transpose(1, 0, 2)
        flat = np.ascontiguousarray(of_channels, np.float32).reshape(self.channels, -1)
        return engine.exponent(flat, engine.exponent(np.ascontiguousarray(W, np.float32), start))

    def spread(self, a: F32, b: F32) -> tuple[F32, F32]:
        """One bias a channel, one a filter."""
        return np.tile(a, self.height * self.width), np.tile(b, self.n_places)

    def shared(self, a: F32, b: F32) -> tuple[F32, F32]:
        """Those of the first pixel and place."""
        return a[: self.channels], b[: self.n_filters]

    def unrolled(self, W: F32) -> F32:
        """Every unit of the map with the filter's weights to what it sees, and 0 to the rest."""
        return self.product(np.eye(self.height * self.width * self.channels, dtype=np.float32), W, up=True)

    # --- Sending -----------------------------------------------------------------------------------------

    def given(self, source: Unit, states: States) -> States | None:
        """0/1 states."""
        return states if states.dtype == np.uint8 else None

    def affine(self, weights: Filters, given: States, bias: F32, up: bool) -> F32:
        """Sums of integers."""
        q = weights.up if up else weights.down
        return engine.convolve(self.geometry, q, weights.exponent, np.ascontiguousarray(given), bias, up)

    def product(self, states: NDArray[Any], W: NDArray[Any], up: bool) -> NDArray[Any]:
        """Matrix products with parts of images laid out: exact, where numbers are whole and not too large."""
        rows = [*self._blocks(len(states))] or [slice(0)]
        parts = (self._laid_out(states[some]) @ W if up else self._down(states[some], W) for some in rows)
        return np.concatenate([*parts]).reshape(len(states), -1)

    def _blocks(self, n: int, most: int = 1 << 31) -> Iterator[slice]:
        """Some rows at a time, so that what is laid out stays in bounds."""
        step = min(most, max(1, BLOCK_NUMBERS // (self.n_places * math.prod(self.patch))))
        return (slice(first, min(first + step, n)) for first in range(0, n, step))

    def _laid_out(self, images: NDArray[Any]) -> NDArray[Any]:
        """What each place sees: (n_rows * n_places, filter height * width * channels)."""
        seen = sliding_window_view(self._padded(images), self.patch[:2], axis=(1, 2))
        return np.ascontiguousarray(seen.transpose(0, 1, 2, 4, 5, 3)).reshape(-1, math.prod(self.patch))

    def _padded(self, images: NDArray[Any]) -> NDArray[Any]:
        """Images (n, height, width, channels) as far as places see."""
        top, left = self.geometry[6:8]
        bottom, right = self.filter_height - 1 - top, self.filter_width - 1 - left
        images = images.reshape(-1, self.height, self.width, self.channels)
        return np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0))) if self.same else images

    def _down(self, maps: NDArray[Any], W: NDArray[Any]) -> NDArray[Any]:
        """The same sums turned round, added where they belong."""
        n, (mh, mw, k), (top, left) = len(maps), self.map_shape, self.geometry[6:8]
        sent = (maps.reshape(-1, k) @ W.T).reshape(n, mh, mw, *self.patch)
        height, width, channels = self.patch
        images = np.zeros((n, mh + height - 1, mw + width - 1, channels), sent.dtype)
        for i, j in np.ndindex(height, width):
            images[:, i : i + mh, j : j + mw] += sent[:, :, :, i, j]
        return images[:, top : top + self.height, left : left + self.width].reshape(n, -1)

    # --- The gradient ------------------------------------------------------------------------------------

    def contrast(
        self, layers: tuple[Unit, Unit], data: Phase, samples: Phase, weights: F64 | None, paired: bool
    ) -> Gradient:
        """Differences of means over rows *and places*: the gradient, over the number of places.

        So rates mean about what they mean without shared weights. Sums are of whole numbers, in any order.
        """
        top = 1.0 if weights is None else float(weights.max()) or 1.0
        mean = 1.0 if weights is None else math.fsum(weights) / len(weights)
        shares = None if weights is None else np.rint(weights / top * GREY).astype(np.int64)
        positive = self._means(layers, data, shares)
        negative = self._means(layers, samples, shares if paired else None)
        factor = top if weights is None or paired else mean
        W, a, b = (
            (top * p - factor * n).astype(np.float32) for p, n in zip(positive[:3], negative[:3], strict=True)
        )
        seen, hidden = (
            (top / (mean or 1.0) * p).astype(np.float32) for p in (positive.seen, positive.hidden)
        )
        return Gradient(W, a, b, seen, hidden)

    def _means(self, layers: tuple[Unit, Unit], phase: Phase, shares: I64 | None) -> Means:
        """Of one phase; weighted rows count in shares of 1/65535."""
        v, p = phase
        n, counts = float(len(v) * self.n_places), layers[0].counts(v)
        numbers, per = (v, 1.0) if counts is None else (counts.numbers, float(counts.per[0]))
        if shares is not None:
            p = ((2 * shares[:, None] * p + GREY) // (2 * GREY)).astype(np.uint16)
        if v.dtype == np.uint8:
            numbers, per = v, 1.0
            sums, levels = engine.convolve_pairs(self.geometry, np.ascontiguousarray(v), p)
            of_channels = sums.reshape(self.channels, *self.patch[:2], self.n_filters)
            pairs = of_channels[:, :, ::-1].transpose(1, 2, 0, 3).reshape(-1, self.n_filters) / (
                per * GREY * n
            )
        else:
            pairs = self._pairs(numbers, p) / (per * GREY * n)
            levels = p.reshape(-1, self.n_filters).sum(axis=0, dtype=np.int64)
        if shares is not None:
            numbers, per = numbers * shares[:, None], per * GREY
        pixels = numbers.sum(axis=0, dtype=np.float64).reshape(1, -1)  # whole numbers, below 2**53
        seen = sliding_window_view(self._padded(pixels)[0], self.map_shape[:2], axis=(0, 1))
        return Means(
            pairs,
            pixels.reshape(-1, self.channels).sum(axis=0) / (per * n),
            levels / (GREY * n),
            seen.sum(axis=(3, 4)).reshape(-1) / (per * n),
        )

    def _pairs(self, numbers: F64, p: States) -> F64:
        """Sums over rows and places of what filters see, in whole numbers, times levels: in exact parts."""
        most = max(1, int(2.0**53 / (size(numbers) * GREY * self.n_places or 1.0)))
        total = np.zeros((math.prod(self.patch), self.n_filters))
        for some in self._blocks(len(numbers), most):
            levels = p[some].reshape(-1, self.n_filters).astype(np.float64)
            total += self._laid_out(numbers[some]).T @ levels
        return total
