"""The general Boltzmann machine: one layer, any of whose units may be joined."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.models.one_layer import OneLayer
from rbmfast.reference import F32, F64, U8, States
from rbmfast.streams import MAX_STEP, Purpose, Stream, check_first_row

MAX_SUMMED = 1 << 20  # hidden states
AT_ONCE = 1 << 10


class BoltzmannMachine(OneLayer):
    """A Boltzmann machine: units of one layer, visible ones first, any two of which may be joined.

    States s have the energy

        E(s) = -sum_i<j s_i W_ij s_j - sum_i a_i s_i

    and the probability exp(-E(s)) / Z. With Bernoulli units it is the machine of Ackley, Hinton & Sejnowski,
    with spins the Ising model, with categorical units (a group of them a site) the Potts model of direct
    coupling analysis. Sampling draws site after site given all others, in exact integers: a *sweep*.

    Parameters
    ----------
    n_visible : int
        Visible units; of groups all units.
    n_hidden : int, default 0
        Hidden units, which come after the visible ones.
    units : str or Unit, default "bernoulli"
        "bernoulli" (states 0 and 1), "spin" (-1 and +1) or ``rf.Categorical(q)`` (groups of q, one of which
        is on), of all units.
    graph : optional
        Which sites (units, or groups) may interact: pairs (n, 2) of their numbers, or a symmetric matrix of
        bools, an array or a sparse one. All do by default; weights between others stay 0.
    seed : int, Generator or None
        Of the new weights of hidden units, as in `rbmfast.RBM`. Those between visible units and the biases
        are 0.

    Attributes
    ----------
    W : float32 array (n_units, n_units)
        Symmetric weights, 0 within a site: a read-only view; assign a whole array to change it.
    a : float32 array (n_units,)
        Biases (fields), likewise.
    graph : bool array (n_sites, n_sites)
        Which sites may interact.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Notes
    -----
    An Ising model's coupling J and field h at the temperature T are W = J / T and a = h / T. Rows, random
    numbers and exactness are as in the notes of `rbmfast.RBM`; a sweep takes the place of a half-step. Learn
    by `rbmfast.train` with `rbmfast.PCD`, `rbmfast.CD`, `rbmfast.PT` or, without hidden units,
    `rbmfast.MaximumPseudoLikelihood`.

    References
    ----------
    Ackley, Hinton & Sejnowski, "A learning algorithm for Boltzmann machines", Cognitive Science 9 (1985),
    147. Weigt, White, Szurmant, Hoch & Hwa, "Identification of direct residue contacts in protein-protein
    interaction by message passing", PNAS 106 (2009), 67.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> ring = rf.BoltzmannMachine.from_arrays([[0, 1, 1], [1, 0, 1], [1, 1, 0]], np.zeros(3), units="spin")
    >>> ring.energy([[1, 1, 1], [1, 1, -1]])
    array([-3.,  1.])
    >>> ring.sample(4, steps=100, seed=1)
    array([[ 1,  1,  1],
           [-1, -1, -1],
           [-1, -1, -1],
           [ 1,  1,  1]], dtype=int8)
    """

    # --- Energies -----------------------------------------------------------------------------------------

    def energy(self, S: Any) -> F64:
        """Energies of states of all units, visible ones first: float64 (n_rows,) in nats."""
        return self._of_states(S, self._energy) + self._parameters.constant

    def _energy(self, s: U8) -> F64:
        """Of the machine that the library computes with."""
        return self._parameters.within.energy(s) + self.units.energy(s, self._parameters.a)

    def _shown_energies(self, energies: Any) -> Any:
        """Energies of states as users see them, from those of the same states as the library computes."""
        return energies + self._parameters.constant

    _log_volume = 0.0  # no integrals

    def conditional_probabilities(self, S: Any) -> F32:
        """Probabilities that units are on (means, of spins), each site given all others.

        float32 (n_rows, n_units) from states of all units, like `S`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> pair = rf.BoltzmannMachine.from_arrays([[0, 2], [2, 0]], [-1, -1])
        >>> pair.conditional_probabilities([[1, 0]]).round(3)
        array([[0.269, 0.731]], dtype=float32)
        """
        p = self._parameters
        return self.units.shown(self._of_states(S, lambda s: self.units.mean(p.within.input(s, p.a))))

    def _of_states(self, S: Any, answer: Callable[[U8], NDArray[Any]]) -> NDArray[Any]:
        rows = self.units.rows_of_states(S, self._n_units, "S")
        return self._by_blocks(rows, lambda s, _: answer(as_bits(s)))

    def free_energy(self, V: Any) -> F64:
        """Free energies -log sum_h exp(-E(v, h)) of visible states: float64 (n_rows,) in nats.

        Without hidden units that is `energy`; of these there may be 2**20 states, a ValueError otherwise.
        """
        if not self.n_hidden:
            return self.energy(V)
        p, n_hidden = self._parameters, self.n_hidden
        n = self.hidden.count_states(n_hidden)
        if n is None or n > MAX_SUMMED:
            raise ValueError(f"free energies need at most {MAX_SUMMED} hidden states, which {self!r} exceeds")
        rows = self.visible.rows_of_states(V, self.n_visible, "V")
        energies = np.full(rows.n_rows, np.inf)
        for first in range(0, n, AT_ONCE):
            h = self.hidden.states(n_hidden, np.arange(first, min(first + AT_ONCE, n)))
            alone = p.within.energy(np.hstack([np.zeros((len(h), self.n_visible), np.uint8), h]))
            for at, v in rows.blocks(AT_ONCE):
                off = np.hstack([as_bits(v), np.zeros((len(v), n_hidden), np.uint8)])
                log_weights = p.within.input(off, p.a)[:, self.n_visible :].astype(np.float64) @ h.T - alone
                found = self._energy(off) - np.logaddexp.reduce(log_weights, axis=1)
                here = slice(at, at + len(v))
                energies[here] = -np.logaddexp(-energies[here], -found)
        return energies + p.constant

    # --- Sampling -----------------------------------------------------------------------------------------

    def sample(
        self,
        n: int,
        steps: int = 1000,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        start: Any = None,
        return_hidden: bool = False,
    ) -> Any:
        """Samples of the machine itself: visible states (n, n_visible), the last of independent chains.

        All is as for `rbmfast.RBM.sample`; `steps` are sweeps. With `return_hidden` a tuple (V, H).
        """
        n, steps, row, rows = self._check_sample(n, steps, first_row, start, self._n_units)
        stream = Stream(check_seed(seed), Purpose.FANTASY, 0, 0, row)
        drawn = np.empty((n, self._n_units), np.uint8)
        if rows is not None:
            self.visible.refuse_grey(rows, "start")
        for first, end in self._spans(n):
            here = self._alone(end - first, stream.from_row(first))
            if rows is not None:
                here[:, : self.n_visible] = as_bits(rows.block(slice(first, end)))
            drawn[first:end] = self._sweep(here, steps, stream.from_row(first).after(1))
        shown = self.units.shown(drawn)
        V, H = shown[:, : self.n_visible], shown[:, self.n_visible :]
        return (V, H) if return_hidden else V

    def gibbs(
        self, S: Any, steps: int = 1, seed: SeedLike = None, *, first_row: int = 0, first_step: int = 0
    ) -> States:
        """Gibbs sweeps from states of all units, each row a chain: the last states, like `S`.

        All else is as for `rbmfast.RBM.gibbs`; `first_step` counts the sweeps already taken.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> machine = rf.BoltzmannMachine.from_arrays(1 - np.eye(5), np.full(5, -2))
        >>> machine.gibbs(np.eye(2, 5), steps=3, seed=2).shape
        (2, 5)
        """
        rows = self.units.rows_of_states(S, self._n_units, "S")
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2)
        row = check_first_row(first_row, rows.n_rows)
        step = check_integer(first_step, "first_step", low=0, high=MAX_STEP - steps)
        stream = Stream(check_seed(seed), Purpose.GIBBS, 0, step, row)
        answer = lambda s, first: self._sweep(as_bits(s), steps, stream.from_row(first))  # noqa: E731
        return self.units.shown(self._by_blocks(rows, answer))

    def _alone(self, n: int, stream: Stream) -> U8:
        """States of all units, drawn from the biases alone."""
        states: U8 = self.units.sample(np.tile(self._parameters.a, (n, 1)), stream)
        return states

    def _sweep(self, s: U8, steps: int, stream: Stream, held: NDArray[np.bool_] | None = None) -> U8:
        return self._parameters.within.sweep(s, self._parameters.a, steps, stream, held)

    def _fill_in(
        self, v: States, missing: NDArray[np.bool_], steps: int, stream: Stream, average: bool
    ) -> NDArray[Any]:
        """See `Model._fill_in`."""
        if v.dtype != np.uint8:
            raise ValueError("V must hold states of its units: grey levels cannot be held fixed in sweeps")
        p, n = self._parameters, self.n_visible
        s = self._alone(len(v), stream)
        held = np.zeros(s.shape, np.bool_)
        held[:, :n] = ~missing
        s[:, :n] = np.where(missing, s[:, :n], v)
        burn_in = steps // 2 if average else steps
        s = self._sweep(s, burn_in, stream.after(1), held)
        if not average:
            return s[:, :n]
        total = np.zeros(v.shape)
        for t in range(burn_in, steps):
            s = self._sweep(s, 1, stream.after(1 + t), held)
            total += self.units.mean(p.within.input(s, p.a))[:, :n]
        return (total / (steps - burn_in)).astype(np.float32)

    # --- Couplings of groups ------------------------------------------------------------------------------

    def zero_sum_gauge(self) -> BoltzmannMachine:
        """The same distribution, with weights and biases that sum to zero over each group of units.

        Exactly one unit of a group is on, so that weights may move to biases, and biases to log Z. Of all
        such machines this one has the smallest weights (Ekeberg et al. 2013, equation 11): those to compare
        and draw. Without groups nothing changes.
        """
        p, groups = self._parameters, self.units.groups(self._n_units)
        if not groups:
            return copy.copy(self)
        sizes = np.array([g.stop - g.start for g in groups])
        W, even = p.within.W.astype(np.float64), np.repeat(1 / sizes, sizes)

        def centred(x: F64) -> F64:
            return x - np.repeat(np.add.reduceat(x, [g.start for g in groups]), sizes, axis=0) * (
                even.reshape(-1, *[1] * (x.ndim - 1))
            )

        a = centred(p.a + W @ even)
        W = np.where(self._joined, centred(centred(W).T), 0.0)
        machine = copy.copy(self)
        machine._set_parameters(((W + W.T) / 2).astype(np.float32), a.astype(np.float32))
        return machine

    def coupling_scores(self, *, apc: bool = True, gap: int | None = None) -> F64:
        """How strongly any two visible sites are coupled: float64 (n_sites, n_sites), 0 with itself.

        Frobenius norms of the blocks of weights in the zero-sum gauge; of switches the sizes of the weights.

        Parameters
        ----------
        apc : bool, default True
            Less the average product correction, the product of both sites' mean scores over the mean of all
            (Dunn, Wahl & Gloor, Bioinformatics 24 (2008), 333).
        gap : int, optional
            A state of groups that does not count, such as the gap of an alignment (Ekeberg, Lövkvist, Lan,
            Weigt & Aurell, Physical Review E 87 (2013), 012707).
        """
        sites = self.visible.sites(self.n_visible)
        squares = self.zero_sum_gauge().W.astype(np.float64) ** 2
        if gap is not None:
            gap = check_integer(gap, "gap", low=0, high=min(s.stop - s.start for s in sites) - 1)
            left_out = [s.start + gap for s in sites]
            squares[left_out] = squares[:, left_out] = 0
        first, n, nv = [s.start for s in sites], len(sites), self.n_visible
        blocks = np.add.reduceat(np.add.reduceat(squares[:nv, :nv], first), first, axis=1)
        scores: F64 = np.sqrt(blocks)
        if apc and n > 1 and scores.any():
            mean = scores.sum(axis=0) / (n - 1)
            scores -= np.outer(mean, mean) / mean.mean()
            np.fill_diagonal(scores, 0)
        return scores


def as_bits(states: States) -> U8:
    """States of 0/1 units, whatever they come in, in bytes."""
    return states if states.dtype == np.uint8 else (states != 0).view(np.uint8)
