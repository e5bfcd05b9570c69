"""Weights that are shared by all places of a map, and units in blocks of which at most one is on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference.chains import uniform_u32
from rbmfast.reference.numbers import F32, F64, GREY, I64, U8, RowIds, exp_negative, f32, log

I32 = NDArray[np.int32]
Geometry = tuple[
    int, ...
]  # height, width, channels; filter's height and width, filters; top, left; map's size
Pools = tuple[int, ...]  # height and width of a map, filters; side of a block


def _padded(images: I64, geometry: Geometry) -> I64:
    """Images (n, height, width, channels) with zeros about them: as far as places see."""
    h, w, c, fh, fw, _, top, left, mh, mw = geometry
    padded = np.zeros((len(images), max(mh + fh - 1, top + h), max(mw + fw - 1, left + w), c), images.dtype)
    padded[:, top : top + h, left : left + w] = images.reshape(-1, h, w, c)
    return padded


def _places(geometry: Geometry) -> Iterator[tuple[int, int, slice, slice]]:
    """For each weight of a filter (dy, dx) the pixels that it sees, in all places."""
    _, _, _, fh, fw, _, _, _, mh, mw = geometry
    return ((i, j, slice(i, i + mh), slice(j, j + mw)) for i in range(fh) for j in range(fw))


def convolve(geometry: Geometry, q: I32, exponent: int, states: U8, bias: F32, up: bool = True) -> F32:
    """Total inputs of maps from 0/1 images (up), or of images from 0/1 maps: exact sums, scaled once.

    `q` are integers (channels, filter height, filter width reversed, filters) on the way up, (filters,
    height, row) down, with rows of width * channels numbers and zeros up to a multiple of 16.
    """
    h, w, c, fh, fw, k, top, left, mh, mw = geometry
    if up:
        weights = q.reshape(c, fh, fw, k)[:, :, ::-1].transpose(1, 2, 0, 3).astype(np.int64)
        images = _padded(states.astype(np.int64), geometry)
        sums = np.zeros((len(states), mh, mw, k), np.int64)
        for i, j, rows, columns in _places(geometry):
            sums += images[:, rows, columns] @ weights[i, j]
    else:
        filters = q.reshape(k, fh, -1)[:, :, : fw * c].reshape(k, fh, fw, c)
        weights = filters.transpose(1, 2, 0, 3).astype(np.int64)
        images = _padded(np.zeros((len(states), h, w, c), np.int64), geometry)
        for i, j, rows, columns in _places(geometry):
            images[:, rows, columns] += states.reshape(-1, mh, mw, k).astype(np.int64) @ weights[i, j]
        sums = images[:, top : top + h, left : left + w]
    x: F32 = sums.reshape(len(states), -1).astype(np.float32) * f32(2.0**-exponent) + bias
    return x


def convolve_pairs(geometry: Geometry, images: U8, levels: NDArray[np.uint16]) -> tuple[I64, I64]:
    """Sums over rows and places of pixel * level, in the order of q on the way up; and of levels."""
    _, _, c, fh, fw, k, *_ = geometry
    padded = _padded(images.astype(np.int64), geometry)
    maps = levels.reshape(-1, k).astype(np.int64)
    sums = np.zeros((c, fh, fw, k), np.int64)
    for i, j, rows, columns in _places(geometry):
        sums[:, i, fw - 1 - j] = padded[:, rows, columns].reshape(-1, c).T @ maps
    return sums.reshape(-1), maps.sum(axis=0)


def blocks_of(x: NDArray[Any], pools: Pools) -> NDArray[Any]:
    """Maps as their blocks (n, n_blocks, pool * pool), filters innermost among blocks, units row by row."""
    h, w, k, p = pools
    cut = x.reshape(len(x), h // p, p, w // p, p, k).transpose(0, 1, 3, 5, 2, 4)
    return cut.reshape(len(x), -1, p * p)


def maps_of(blocks: NDArray[Any], pools: Pools) -> NDArray[Any]:
    """The way back: (n, n_units)."""
    h, w, k, p = pools
    cut = blocks.reshape(len(blocks), h // p, w // p, k, p, p).transpose(0, 1, 4, 2, 5, 3)
    return np.ascontiguousarray(cut).reshape(len(blocks), -1)


def _odds(x: F32, pools: Pools) -> tuple[F32, F32]:
    """Exponentials of none and of each unit of the blocks, less the largest of 0 and their total inputs."""
    blocks = blocks_of(x, pools)
    top = np.maximum(blocks.max(axis=2), f32(0))
    return np.concatenate([exp_negative(top)[..., None], exp_negative(top[..., None] - blocks)], axis=2), top


def _totals(e: F32) -> F32:
    """Added in order, in float32."""
    total: F32 = np.cumsum(e, axis=2, dtype=np.float32)[..., -1]
    return total


def pool_means(x: F32, pools: Pools) -> F32:
    """Probabilities of units in blocks of which at most one is on."""
    e, _ = _odds(x, pools)
    return maps_of(e[..., 1:] / _totals(e)[..., None], pools)


def pool_levels(x: F32, pools: Pools) -> NDArray[np.uint16]:
    """The same in units of 1/65535."""
    levels: NDArray[np.uint16] = np.rint(pool_means(x, pools) * f32(GREY)).astype(np.uint16)
    return levels


def pool_log_sums(x: F32, pools: Pools) -> F64:
    """Logarithm of each block's summed exponentials, with that of none: (n_rows, n_blocks)."""
    e, top = _odds(x, pools)
    sums: F64 = top.astype(np.float64) + log(_totals(e)).astype(np.float64)
    return sums


def draw_pools(x: F32, pools: Pools, uniform: NDArray[np.uint32]) -> U8:
    """One state of each block, by its number u: none on, or which unit is.

    The first state whose cumulative weight exceeds (u + 1/2) / 2**32 of the whole. `uniform`: (n_rows,
    n_blocks).
    """
    ends = np.cumsum(_odds(x, pools)[0], axis=2, dtype=np.float64)
    target = ends[..., -1] * ((uniform + 0.5) * 2.0**-32)
    state = (ends <= target[..., None]).sum(axis=2)
    return maps_of((state[..., None] == np.arange(1, ends.shape[2])).astype(np.uint8), pools)


def pool_draw(x: F32, pools: Pools, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0) -> U8:
    """The same by the first numbers of each row, one for each block."""
    n_blocks = x.shape[1] // pools[3] ** 2
    return draw_pools(x, pools, uniform_u32(len(x), n_blocks, seed, purpose, layer, step, rows))
