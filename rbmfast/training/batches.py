"""How rows are visited: all of them once before the first epoch, and in which order by each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rbmfast import _engine as engine
from rbmfast.data import Fingerprint, Rows
from rbmfast.reference import I64, States
from rbmfast.streams import Purpose

BLOCK_BATCHES = 16  # batches in a block of shuffle="blocks"
BLOCK_KEYS = 1 << 31  # added to the epoch for the keys of the blocks


def epoch_order(n: int, shuffle: bool | str, seed: int, epoch: int, batch_size: int) -> I64:
    """The numbers of `n` rows in the order of epoch `epoch`, counted from 0.

    - False: as they come.
    - True: the stable argsort of ``shuffle_keys(n, seed, epoch, SHUFFLE)``.
    - "blocks", for data that is slow to read in any order: blocks of 16 batches come in the order of the
      stable argsort of ``shuffle_keys(n_blocks, seed, epoch + 2**31, SHUFFLE)``, the rows of each in that of
      the keys above.
    """
    if shuffle is False:
        return np.arange(n, dtype=np.int64)
    keys = engine.shuffle_keys(n, seed, epoch, Purpose.SHUFFLE)
    if shuffle is True:
        return engine.argsort(keys)
    size = BLOCK_BATCHES * batch_size
    block_keys = engine.shuffle_keys(-(-n // size), seed, epoch + BLOCK_KEYS, Purpose.SHUFFLE)
    starts = size * engine.argsort(block_keys)
    return np.concatenate([start + engine.argsort(keys[start : start + size]) for start in starts])


def pieces(n: int, size: int) -> Iterator[slice]:
    """Cut n things into pieces of `size`; the last one may be short."""
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))


class FirstLook(Rows):
    """Rows that are told about while somebody else reads all their blocks: data may be slow to read.

    Parameters
    ----------
    rows : Rows
        The rows; these are the same.
    with_fingerprint : bool
        Whether to form it.
    """

    def __init__(self, rows: Rows, with_fingerprint: bool) -> None:
        self.__dict__.update(vars(rows))
        self._rows = rows
        self._with_fingerprint = with_fingerprint
        self._first = rows.block(slice(0, 1))
        self._begin()

    def _begin(self) -> None:
        self._fingerprint = Fingerprint(self._rows) if self._with_fingerprint else None
        self._seen, self._equal = 0, self.n_rows > 1

    def blocks(self, size: int = 4096) -> Iterator[tuple[int, States]]:
        if self._seen == self.n_rows:
            yield from self._rows.blocks(size)
            return
        self._begin()  # whoever looked before has not seen all
        for first, block in self._rows.blocks(size):
            self._seen += len(block)
            self._equal = self._equal and bool((block == self._first).all())
            if self._fingerprint is not None:
                self._fingerprint.show(block)
            yield first, block

    def finish(self) -> tuple[bool, str | None]:
        """Whether there are several rows, and all are equal; and the fingerprint, if it was asked for."""
        if self._seen < self.n_rows:  # nobody has read whole rows
            for _ in self.blocks():
                if not self._equal and self._fingerprint is None:
                    break  # all is known
        return self._equal, None if self._fingerprint is None else self._fingerprint.value
