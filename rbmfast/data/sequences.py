"""Sequences as rows: each frame, and beside it those before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import check_integer
from rbmfast.data.containers import as_array


def lagged(X: Any, order: int, groups: ArrayLike | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Frames of sequences, and for each the frames before it: data and context of a `ConditionalRBM`.

    Parameters
    ----------
    X : array_like (n_rows, n_columns), or a list of such
        A sequence, a row for each frame in the order of time; several, which need not be equally long; or
        several in one array, told apart by `groups`.
    order : int
        How many frames make the context, at least 1.
    groups : array_like (n_rows,), optional
        Which sequence each row belongs to: numbers or words. Rows of a sequence are in the order of time, and
        others may stand between them. No context reaches across.

    Returns
    -------
    X : array (n, n_columns)
        All frames but the first `order` of each sequence, in the order in which they came.
    context : array (n, order * n_columns)
        The frames before them, **the latest first**: of frame t those of t - 1, t - 2, ... Copies, and so
        `order` times as large as the data.

    Raises
    ------
    TypeError, ValueError
        Bad arguments, or no sequence that is longer than `order`.

    Notes
    -----
    Missing entries (NaN) come as they are: those of a frame may be learned from, those of a context not, so
    leave out these rows: ``known = np.isfinite(context).all(axis=1)``.

    Examples
    --------
    >>> import rbmfast as rf
    >>> X, context = rf.lagged([[10], [11], [12], [20], [21]], order=1, groups=["a", "a", "a", "b", "b"])
    >>> X.ravel(), context.ravel()
    (array([11, 12, 21]), array([10, 11, 20]))
    >>> rf.lagged([[1], [2], [3], [4]], order=3)[1]
    array([[3, 2, 1]])
    """
    order = check_integer(order, "order", low=1)
    if isinstance(X, (list, tuple)) and len(X) and np.ndim(X[0]) == 2:
        if groups is not None:
            raise TypeError("groups must be None where X is a list of sequences")
        sequences = [as_array(one, f"X[{i}]") for i, one in enumerate(X)]
        widths = sorted({one.shape[1:] for one in sequences})
        if len(widths) > 1 or len(widths[0]) != 1:
            raise ValueError(f"X must be sequences of equally many columns, got shapes (n, *{widths})")
        frames = np.concatenate(sequences)
        numbers = np.repeat(np.arange(len(sequences)), [len(one) for one in sequences])
    else:
        frames = as_array(X, "X")
        labels = np.zeros(len(frames), np.int64) if groups is None else np.asarray(groups)
        if frames.ndim != 2 or labels.shape != frames.shape[:1]:
            raise ValueError(
                f"X must be 2-D and groups have a label for each row, got {frames.shape} and {labels.shape}"
            )
        numbers = np.unique(labels, return_inverse=True)[1]
    in_turn = np.argsort(numbers, kind="stable")  # sequence after sequence
    lengths = np.bincount(numbers)
    time = np.arange(len(frames)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    later = np.flatnonzero(time >= order)
    if not len(later):
        raise ValueError(
            f"X must have a sequence of more than order={order} frames, got at most {lengths.max(initial=0)}"
        )
    later = later[np.argsort(in_turn[later])]
    context = np.hstack([frames[in_turn[later - lag]] for lag in range(1, order + 1)])
    return frames[in_turn[later]], context
