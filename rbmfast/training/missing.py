"""Rows with missing entries, completed to be learned from. `docs/design/013-missing.md` has every bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rbmfast.data import Rows
from rbmfast.models import RBM
from rbmfast.models.conditionals import Conditionals
from rbmfast.reference import F32, I64, States
from rbmfast.state import Missing
from rbmfast.states import in_form
from rbmfast.streams import Purpose
from rbmfast.training.methods import Method

START = 1  # the layer number of the random numbers that complete a row for the first time


def row_chains_for(rbm: RBM, rows: Rows, method: Method, missing: str, centered: bool) -> RowChains | None:
    """The chains that draw what is missing; None where nothing is, or it is absent."""
    absent = rbm._are_absent(missing)
    if rows.missing is None:
        return None
    if rows.missing.all():
        raise ValueError("X must have entries that are known, got none: all are missing")
    if not absent:
        return RowChains(rows.missing, rbm.n_hidden, rbm.hidden.dtype)
    if not method.starts_at_rows:
        raise ValueError(
            f"method must start samples at the rows, as rf.CD() does, for missing='absent'; got {method!r}"
        )
    if centered:
        raise ValueError("centered must be False for missing='absent': offsets would differ from row to row")
    return None


class RowChains:
    """A Markov chain for each row with missing entries: draws of these, given the known ones.

    A chain takes one Gibbs step whenever its row is learned from. Between, it rests at a hidden state, which
    is drawn given the completed row: so a step costs one pass down besides what an update does anyway.

    Parameters
    ----------
    missing : bool array (n_rows, n_visible)
        True where an entry is.
    n_hidden : int
        Hidden units,
    dtype : numpy.dtype
        and what their states are kept as.

    Attributes
    ----------
    hidden : array (n_chains, n_hidden)
        Where the chains rest: of the rows with missing entries, in order.
    first_row : int
        Number of the first row in the random numbers.
    """

    def __init__(self, missing: NDArray[np.bool_], n_hidden: int, dtype: np.dtype[np.generic]) -> None:
        self._missing = missing
        incomplete = missing.any(axis=1)
        self._chain = np.where(incomplete, incomplete.cumsum() - 1, -1)  # of each row
        self.hidden: States = np.zeros((int(incomplete.sum()), n_hidden), dtype)
        self.first_row = 0

    def complete(self, model: Conditionals, v: States, rows: I64, first_time: bool) -> States:
        """Rows of a batch with their missing entries drawn.

        Parameters
        ----------
        model : Conditionals
            At the first half-step of the update.
        v : array (n, n_visible)
            The known entries; 0 elsewhere.
        rows : int64 array (n,)
            Their numbers.
        first_time : bool
            Whether the rows' chains are still to begin: a row's missing units are drawn from their biases
            alone, and its hidden units given these.
        """
        here = np.flatnonzero(self._chain[rows] >= 0)
        if not len(here):
            return v
        chains, gaps = self._chain[rows[here]], self._missing[rows[here]]
        model = self._at(model.like(v[here], gaps), rows[here])
        if first_time:
            begin = replace(model, stream=model.stream.on(START))
            alone = in_form(begin.down.sample_alone(len(here), begin.stream), v.dtype)
            self.hidden[chains] = begin.sample_hidden(begin.up.input(np.where(gaps, alone, v[here])), 1)
        drawn = in_form(model.sample_visible(self.hidden[chains]), v.dtype)
        v = v.copy()
        v[here] = np.where(gaps, drawn, v[here])
        return v

    def of(self, rows: I64, entries: NDArray[np.bool_], first_time: bool) -> Missing:
        """What the engine has to know to do the same with these rows, whose entries are missing."""
        ids = rows + self.first_row
        return Missing(entries, self._chain[rows], self.hidden, ids, first_time, Purpose.MISSING)

    def rest(self, model: Conditionals, x: F32, rows: I64) -> None:
        """Keep hidden states of the rows, drawn given the total inputs `x` from the completed rows."""
        here = np.flatnonzero(self._chain[rows] >= 0)
        if len(here):
            self.hidden[self._chain[rows[here]]] = self._at(model, rows[here]).sample_hidden(x[here], 1)

    def _at(self, model: Conditionals, rows: I64) -> Conditionals:
        """The same with the random numbers of these rows' chains."""
        stream = model.stream._replace(purpose=Purpose.MISSING, rows=rows + self.first_row)
        return replace(model, stream=stream)
