"""How often the patterns of a small layer come up, beside how often they should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHOWN = 20  # patterns in the printed table


@dataclass(frozen=True, repr=False)
class PatternCounts:
    """All patterns of a layer, the most frequent first; prints as a table.

    Attributes
    ----------
    patterns : array (n_patterns, n_units)
        Every joint state of the layer, uint8 for 0/1 states; those with equal counts in counting order.
    counts : int64 array (n_patterns,)
        How often each was sampled.
    probabilities : float64 array (n_patterns,)
        How probable each is; they add up to 1.
    n_samples : int
        How many samples were drawn.
    """

    patterns: NDArray[Any]
    counts: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    n_samples: int

    def __repr__(self) -> str:
        width = max(len("pattern"), self.patterns.shape[1])
        lines = [f"{'pattern':<{width}}  {'count':>10}  frequency  probability"]
        for pattern, count, probability in zip(
            self.patterns[:SHOWN], self.counts[:SHOWN], self.probabilities[:SHOWN], strict=True
        ):
            bits = "".join(map(str, pattern))
            lines.append(f"{bits:<{width}}  {count:>10}  {count / self.n_samples:9.4f}  {probability:11.4f}")
        if len(self.patterns) > SHOWN:
            more = int(np.count_nonzero(self.counts[SHOWN:]))
            lines.append(f"... and {more} more that came up, of {len(self.patterns)} patterns in all")
        return "\n".join(lines)
