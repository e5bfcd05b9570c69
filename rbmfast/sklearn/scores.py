"""The pseudo-likelihood as scikit-learn estimates it, from one flipped unit a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.reference import F32, F64
from rbmfast.states import as_float
from rbmfast.training import Monitor, Watched
from rbmfast.training.batches import pieces

PIECE_NUMBERS = 1 << 20  # worked on at once
MONITORED_ROWS = 10_000  # looked at for the verbose line, and for early stopping
Flips = NDArray[np.intp]


def choose_flips(rng: np.random.RandomState, n_rows: int, n_features: int) -> Flips:
    """The unit to flip in each row: the numbers that scikit-learn draws."""
    return rng.randint(0, n_features, n_rows).astype(np.intp)


def flip_scores(rbm: rf.RBM, blocks: Iterable[Any], flips: Flips) -> F64:
    """n_visible log sigmoid(F(flipped row) - F(row)): expected over flips, the log pseudo-likelihood.

    The rows come as from `Rows.blocks` or `Rows.sparse_blocks`. A flip moves what the hidden units hear by a
    row of the weights, so that it is summed up only once.
    """
    W, a, b = rbm.W, rbm.a, rbm.b
    scores = []
    first = 0
    for states in blocks:
        units = flips[first : first + states.shape[0]]
        first += states.shape[0]
        change = 1 - 2 * _levels(states, units)
        x = rbm._up.input(states)
        here = rbm.hidden.log_normalizer(x, b)
        x += change[:, None] * W[units]
        there = rbm.hidden.log_normalizer(x, b)
        gain = (change * a[units] + (there - here)).astype(np.float32)
        scores.append(-rbm.n_visible * engine.softplus(gain).astype(np.float64))
    return np.concatenate(scores)


def _levels(states: Any, units: Flips) -> F32:
    """The state of one unit in each row, as float32."""
    levels = np.asarray(states[np.arange(states.shape[0]), units]).ravel()
    return as_float(levels.astype(np.uint16) if sp.issparse(states) else levels)


def all_blocks(rbm: rf.RBM, rows: Rows) -> Iterable[Any]:
    """All rows, in pieces that fit into a cache."""
    return (block for _, block in rbm._input_blocks(rows, _piece_size(rbm)))


def _piece_size(rbm: rf.RBM) -> int:
    return max(1, PIECE_NUMBERS // (rbm.n_visible + rbm.n_hidden))


def exact_scores(rbm: rf.RBM, rows: Rows) -> F64:
    """Log pseudo-likelihoods over all units; for real-valued rows, `flip_scores` averaged over all flips."""
    if rows.kind != "real":
        return rf.pseudo_likelihood(rbm, rows)
    total = np.zeros(rows.n_rows)
    for unit in range(rows.n_features):
        total += flip_scores(rbm, all_blocks(rbm, rows), np.full(rows.n_rows, unit))
    return total / rows.n_features


@dataclass(frozen=True)
class FlipScore(Monitor):
    """Mean of `flip_scores` over a choice of rows and flips that stays the same for a whole run.

    Records ``train_pseudo_likelihood`` or ``validation_pseudo_likelihood``.
    """

    which: str
    rows: Rows
    seed: int
    better: ClassVar[Mapping[str, str]] = {"pseudo_likelihood": "max"}

    def names(self, has_validation: bool) -> tuple[str, ...]:
        """See `Monitor.names`."""
        return (f"{self.which}_pseudo_likelihood",)

    def __call__(self, watched: Watched) -> dict[str, float]:
        """See `Monitor.__call__`."""
        chosen = watched.choose(self.rows.n_rows, MONITORED_ROWS, number=0)
        flips = choose_flips(np.random.RandomState(self.seed % 2**32), len(chosen), self.rows.n_features)
        blocks = (self.rows.block(chosen[part]) for part in pieces(len(chosen), _piece_size(watched.rbm)))
        scores = flip_scores(watched.rbm, blocks, flips)
        return {self.names(True)[0]: math.fsum(scores) / len(scores)}


class Report(rf.Callback):
    """scikit-learn's line after each iteration."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_epoch_end(self, progress: Any) -> None:
        """See `Callback.on_epoch_end`."""
        history = progress.history
        score, seconds = history["train_pseudo_likelihood"][-1], history["seconds"][-1]
        line = f"Iteration {progress.epoch}, pseudo-likelihood = {score:.2f}, time = {seconds:.2f}s"
        print(f"[{self.title}] {line}", flush=True)
