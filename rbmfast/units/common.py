"""What several unit types call: sums over data, wrong states, digits of states, exponentials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.reference import F32, F64, GREY, States
from rbmfast.states import unit_of

LEAST_RATE = 1e-3  # of a state, where only its mean is known


def rows_in_a_scan(n_features: int) -> int:
    """Rows to read at a time when all of the data is passed over once."""
    return max(1, (1 << 22) // n_features)


def flattened(X: Any, n_units: int) -> Any:
    """An array of images, or of maps, of so many numbers each as rows; anything else as it is."""
    is_images = isinstance(X, np.ndarray) and X.ndim in (3, 4) and math.prod(X.shape[1:]) == n_units
    return X.reshape(len(X), -1) if is_images else X


def moments(rows: Rows, weights: F64 | None = None) -> tuple[F64, F64]:
    """Means and standard deviations of the features, (n_features,) each, of weighted rows, in two passes.

    Of what is known of them; those of which nothing is known have mean 0.
    """
    mean = means(rows, weights)
    return mean, np.sqrt(_mean_of(rows, weights, lambda block: (block - mean) ** 2))


def means(rows: Rows, weights: F64 | None = None) -> F64:
    """The means alone, in one pass."""
    return _mean_of(rows, weights, lambda block: block)


def _mean_of(rows: Rows, weights: F64 | None, function: Callable[[F64], F64]) -> F64:
    total = np.zeros(rows.n_features)
    for first, block in rows.blocks(rows_in_a_scan(rows.n_features)):
        here = slice(first, first + len(block))
        values = function(block.astype(np.float64))
        if rows.missing is not None:
            values[rows.missing[here]] = 0
        total += values.sum(axis=0) if weights is None else weights[here] @ values
    if weights is None:
        return total / np.maximum(rows.n_known, 1)
    known = weights.sum() if rows.missing is None else weights @ ~rows.missing
    return total / np.where(known > 0, known, 1)


def sums_of_levels(rows: Rows) -> NDArray[np.int64]:
    """Exact sums of the features over all rows, in units of 1/65535: (n_features,)."""
    sums = np.zeros(rows.n_features, np.int64)
    for _, block in rows.blocks(rows_in_a_scan(rows.n_features)):
        sums += block.sum(axis=0, dtype=np.int64) * (GREY // unit_of(block.dtype))
    return sums


def refuse(wrong: NDArray[np.bool_], block: States, name: str, first: tuple[int, int], allowed: str) -> None:
    """Raise ValueError at the first wrong entry of a block whose own first one is in this row and column."""
    if wrong.any():
        row, unit = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{name}[{first[0] + row}, {first[1] + unit}] is {block[row, unit]:g}, but states of {allowed}"
        )


def digits_of(numbers: NDArray[np.int64], bases: Sequence[int]) -> NDArray[np.int64]:
    """Numbers as digits, each to a base of its own, the last one counting fastest: (n, n_digits)."""
    digits = np.empty((len(numbers), len(bases)), np.int64)
    for i in reversed(range(len(bases))):
        numbers, digits[:, i] = np.divmod(numbers, bases[i])
    return digits


def numbers_of(digits: NDArray[np.int64], bases: Sequence[int]) -> NDArray[np.int64]:
    """The way back: (n,)."""
    numbers = np.zeros(len(digits), np.int64)
    for digit, base in zip(digits.T, bases, strict=True):
        numbers = base * numbers + digit
    return numbers


def exp(x: F32) -> F64:
    """Exponentials, of |x| up to 80: by the engine's sigmoid, with the same bits everywhere."""
    p = engine.sigmoid(-np.abs(x)).astype(np.float64)
    e: F64 = p / (1 - p)
    return np.where(x > 0, 1 / e, e)


def sums_of(arrays: Mapping[str, F32], shares: F64) -> dict[str, F64]:
    """Sums over the rows of arrays (n_rows, n_units), each row times its share."""
    return {name: (shares[:, None] * array).sum(axis=0) for name, array in arrays.items()}
