"""What all models of rows of data have in common: answers row by row, in blocks of bounded memory."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.data import Rows
from rbmfast.units import Unit

M = TypeVar("M", bound=type)

BLOCK_BYTES = 1 << 26  # scratch memory of one call, about


def known_as(name: str) -> Callable[[M], M]:
    """Let errors and help call what a class has by the name of the class that users know."""

    def rename(part: M) -> M:
        for attribute, value in vars(part).items():
            function = getattr(value, "__func__", value)
            if inspect.isfunction(function):
                function.__qualname__ = f"{name}.{attribute}"
        return part

    return rename


class Model(ABC):
    """A model with a visible layer."""

    @property
    @abstractmethod
    def visible(self) -> Unit:
        """Unit type of the visible layer."""

    @property
    @abstractmethod
    def n_visible(self) -> int:
        """Number of visible units."""

    @property
    @abstractmethod
    def _n_units(self) -> int:
        """Units in all layers."""

    @property
    def _block_rows(self) -> int:
        """Rows to work on at once: a fixed number for given layers, so that results cannot depend on it."""
        return max(1, BLOCK_BYTES // (8 * self._n_units))

    def _spans(self, n: int) -> Iterator[tuple[int, int]]:
        size = self._block_rows
        return ((first, min(first + size, n)) for first in range(0, n, size))

    def _by_blocks(
        self,
        rows: Rows,
        answer: Callable[[Any, int], NDArray[Any]],
        blocks: Iterable[tuple[int, Any]] | None = None,
    ) -> NDArray[Any]:
        """Call ``answer(block, number of its first row)`` for block after block; all answers in one array."""
        result: NDArray[Any] | None = None
        for first, block in rows.blocks(self._block_rows) if blocks is None else blocks:
            part = answer(block, first)
            if len(part) == rows.n_rows:
                return part
            if result is None:
                result = np.empty((rows.n_rows, *part.shape[1:]), part.dtype)
            result[first : first + len(part)] = part
        assert result is not None  # there is no data without rows
        return result
