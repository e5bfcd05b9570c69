"""Parallel tempering: chains of one model that borrow their mobility from hotter ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.models.base_rates import make_path
from rbmfast.models.conditionals import WORK
from rbmfast.models.parameters import as_numbers
from rbmfast.models.path import Path
from rbmfast.models.two_layers import TwoLayers
from rbmfast.reference import F32, F64, I64, States
from rbmfast.runtime import check_fits_memory
from rbmfast.streams import MAX_ROW, MAX_STEP, Purpose, Stream

REPLICAS = 10
MAX_REPLICAS = 2**16
FIRST_STEP = 2  # half-steps 0 and 1 are the start's


def check_betas(n_replicas: object = None, betas: ArrayLike | None = None) -> F32:
    """The ladder that is meant: `betas`, or `n_replicas` of them in equal steps; a clear error otherwise."""
    if n_replicas is not None:
        n_replicas = check_integer(n_replicas, "n_replicas", low=2, high=MAX_REPLICAS)
    if betas is None:
        n = REPLICAS if n_replicas is None else n_replicas
        return (np.arange(n) / (n - 1)).astype(np.float32)
    ladder: F32 = as_numbers(betas, "betas").astype(np.float32)
    if ladder.ndim != 1 or not 2 <= len(ladder) <= MAX_REPLICAS:
        raise ValueError(f"betas must be 1-D, with 2 to {MAX_REPLICAS} numbers, got shape {ladder.shape}")
    if n_replicas not in (None, len(ladder)):
        raise ValueError(f"n_replicas must be {len(ladder)}, as many as betas, or None; got {n_replicas}")
    if ladder[0] != 0 or ladder[-1] != 1 or not (ladder[1:] > ladder[:-1]).all():
        raise ValueError(f"betas must rise from 0 to 1, got {ladder.tolist()}")
    return ladder


def log_uniform(bits: NDArray[np.uint32]) -> F32:
    """Logarithms of uniform numbers made from 32 random bits each, by which exchanges are decided."""
    u: F32 = ((bits + 0.5) * 2.0**-32).astype(np.float32)  # never 0; if it is 1, then its logarithm is 0
    return engine.log(u)


@dataclass(frozen=True)
class Ladder:
    """How replicas move: each by Gibbs steps at a beta of its own, and neighbours change places.

    States are arrays (n_replicas * n_chains, n_units): those of all chains at ``betas[0]``, then those at
    ``betas[1]``, and so on; so the last `n_chains` rows are the model's.

    In a `Stream` of random numbers, `step` is a half-step and `rows` the number of the first chain. A replica
    draws with those of the row chain * n_replicas + replica, so that chains may be cut into parts.

    Attributes
    ----------
    path : Path
        The models.
    betas : float32 array (n_replicas,)
        Rising from 0 to 1.
    swaps : Purpose
        Of the random numbers of the swaps, each in the row of the lower replica.
    """

    path: Path
    betas: F32
    swaps: Purpose

    def start(self, n_chains: int, stream: Stream) -> States:
        """Visible states drawn at beta = 0, for all replicas."""
        return self.path.start(len(self.betas) * n_chains, self._by_rows(stream, n_chains))

    def hidden(self, sent: F32, stream: Stream) -> States:
        """Hidden states given what visible ones send, each at its beta."""
        n_chains = len(sent) // len(self.betas)
        return self.path.sample_hidden(sent, self._column(n_chains), self._by_rows(stream, n_chains))

    def walk(
        self, h: States, stream: Stream, steps: int, at_once: int | None = None, shown: int | None = None
    ) -> Iterator[tuple[States, States, NDArray[np.bool_]]]:
        """Take steps as `step` does, by the engine where it knows the units of both layers.

        Yields
        ------
        v, h
            The states after some more steps: at most `at_once`, and few enough that Ctrl-C is answered.
            Visible ones only of the last `shown` replicas, if that is not None.
        accepted : bool array (n_steps, n_replicas - 1, n_chains)
            The swaps of these.
        """
        path, blocks = self.path, self.path.up.blocks
        n = 1 if blocks is None else max(1, WORK // (2 * len(h) * path.size))
        n = min(n, at_once or n)
        for at in range(0, steps, n):
            now, more = stream.after(2 * at), min(n, steps - at)
            if blocks is None:
                v, _, h, swapped = self.step(h, now)
                n_chains = len(h) // len(self.betas)
                v, accepted = v[-n_chains * (shown or len(self.betas)) :], swapped[None]
            else:
                arrays = path.down.bias, path.up.bias, path.base, h, self.betas
                v, h, accepted = engine.temper(
                    path.up.weights, *arrays, more, self.swaps, *now, blocks, shown
                )
            yield v, h, accepted

    def step(self, h: States, stream: Stream) -> tuple[States, F32, States, NDArray[np.bool_]]:
        """A Gibbs step of every replica, from its hidden states, with a round of swaps in its middle.

        Parameters
        ----------
        h : (n_replicas * n_chains, n_hidden)
            Hidden states.
        stream : Stream
            Random numbers of the visible units and of the swaps; the next half-step is that of the hidden
            units.

        Returns
        -------
        v, sent, h
            Visible states, what they send to the hidden units, and hidden states drawn from these.
        accepted : bool array (n_replicas - 1, n_chains)
            Which pairs (i, i + 1) have been swapped.
        """
        n_chains = len(h) // len(self.betas)
        v = self.path.sample_visible(h, self._column(n_chains), self._by_rows(stream, n_chains))
        sent = self.path.up.send(v)
        accepted = self.accept(self._gains(v, sent, self.pairs(stream.step)), stream)
        exchange(accepted, v, sent)
        return v, sent, self.hidden(sent, stream.after(1)), accepted

    # --- Swaps ---------------------------------------------------------------------------------------------

    def pairs(self, step: int) -> I64:
        """The lower replicas of the pairs that may swap at a half-step: even and odd ones by turns."""
        n = len(self.betas)
        return np.arange(0 if n == 2 else step // 2 % 2, n - 1, 2)

    def accept(self, gain: F64, stream: Stream) -> NDArray[np.bool_]:
        """Which pairs swap: bool (n_replicas - 1, n_chains), like what each replica's log-weight gains.

        Where the model at beta gives v the weight w_beta(v), summed over the hidden states, replicas i and j
        swap with the probability min(1, w_i(v_j) w_j(v_i) / (w_i(v_i) w_j(v_j))). That keeps both
        distributions as they are; beta times the free energy at 1 in place of -log w_beta would not, for it
        is not the free energy at beta.
        """
        low, n_chains = self.pairs(stream.step), gain.shape[1]
        bits = self._by_rows(stream, n_chains, low)._replace(purpose=self.swaps).uniform(gain[low].size, 1)
        accepted = np.zeros((len(self.betas) - 1, n_chains), np.bool_)
        accepted[low] = log_uniform(bits).reshape(len(low), -1) <= gain[low] + gain[low + 1]
        return accepted

    def _gains(self, v: States, sent: F32, low: I64) -> F64:
        """What each replica's log-weight gains at the beta of its partner: (n_replicas, n_chains)."""
        n_chains = len(v) // len(self.betas)
        partner = np.arange(len(self.betas))
        partner[low], partner[low + 1] = low + 1, low
        there = np.repeat(self.betas[partner], n_chains)[:, None]
        return self.path.log_ratio(v, sent, self._column(n_chains), there).reshape(-1, n_chains)

    # --- Rows ----------------------------------------------------------------------------------------------

    def _column(self, n_chains: int) -> F32:
        """The beta of every row, as a column."""
        return np.repeat(self.betas, n_chains)[:, None]

    def _by_rows(self, stream: Stream, n_chains: int, replicas: I64 | None = None) -> Stream:
        """The random numbers of all replicas (or some) of each chain, replica by replica."""
        numbers = np.arange(len(self.betas)) if replicas is None else replicas
        chains = stream.rows + np.arange(n_chains)
        return stream._replace(rows=(chains * len(self.betas) + numbers[:, None]).ravel())


def exchange(accepted: NDArray[np.bool_], *arrays: NDArray[Any]) -> None:
    """Swap the rows of replicas i and i + 1 wherever ``accepted[i, chain]``."""
    low, chain = np.nonzero(accepted)
    here = low * accepted.shape[1] + chain
    there = here + accepted.shape[1]
    for array in arrays:
        array[here], array[there] = array[there], array[here]


class ParallelTempering:
    """Samples of a model with separate modes, by chains at several temperatures that exchange their states.

    Each chain has replicas at betas from 0 to 1, on the way from independent units to the model. A step moves
    each replica by a Gibbs step of its own model, and lets neighbouring replicas swap: the pairs (0, 1),
    (2, 3) ... and (1, 2), (3, 4) ... by turns. At beta = 0 every step is a new, independent draw; what is
    good enough travels up to beta = 1, and brings modes that a Gibbs chain would never find.

    Parameters
    ----------
    rbm : RBM
        The model, as it is now.
    n_chains : int, default 1
        Independent chains, each with all replicas.
    n_replicas : int, optional
        How many, at least 2, with betas in equal steps. By default 10, or as many as `betas`.
    betas : array_like (n_replicas,), optional
        Rising from 0 to 1.
    base : optional
        Means of the independent units: None for those of the training data, rates (n_visible,), rows of data
        (n_rows, n_visible), or "uniform" (which warns).
    seed : int, Generator or None
        See the notes of `RBM`.
    first_row : int, default 0
        Number of the first chain in a larger whole.
    start : (n_chains, n_visible), optional
        Visible states for all replicas of a chain to start from; otherwise they are drawn at beta = 0.
    record : bool, default False
        Whether to keep the free energy of the model's replica after each step, in `free_energies`.

    Attributes
    ----------
    betas : float32 array (n_replicas,)
        The ladder.
    steps : int
        Taken so far.
    v : (n_chains, n_visible)
        The visible states at beta = 1.
    h : (n_chains, n_hidden)
        Hidden states drawn from them, from which the next step goes on.
    swap_rates : float64 array (n_replicas - 1,)
        Share of the proposed swaps that were accepted; NaN before the first.
    round_trips : int64 array (n_chains,)
        How often a replica of the chain has come back to beta = 1 after a visit to beta = 0.
    free_energies : float64 array (n_steps, n_chains)
        In nats, of the model's replica: for `rbmfast.likelihood.autocorrelation_time`.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.
    MemoryError
        More replicas than the machine could hold.

    Notes
    -----
    Good ladders have swap rates of 0.2 or more everywhere: where they are low, betas lie too far apart. The
    first steps, until a few round trips have been made, still remember the start.

    A run may be cut into parts anywhere. For Bernoulli units every bit is the same on every machine, with any
    number of threads, and however the chains are cut into parts (`first_row`).

    References
    ----------
    Swendsen & Wang 1986; Geyer 1991. For RBMs: Desjardins et al., "Tempered Markov chain Monte Carlo for
    training of restricted Boltzmann machines", AISTATS 2010; Cho, Raiko & Ilin, IJCNN 2010.

    Examples
    --------
    Two modes, all on and all off, with about 10 nats between them:

    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays(np.full((8, 2), 4.0), a=np.full(8, -4.0), b=np.full(2, -16.0))
    >>> sampler = rf.ParallelTempering(rbm, n_chains=500, n_replicas=8, base=[0.5] * 8, seed=1)
    >>> v = sampler.run(steps=100)
    >>> bool(abs(v.mean() - 0.5) < 0.1)
    True
    >>> bool(sampler.swap_rates.min() > 0.2)
    True
    """

    def __init__(
        self,
        rbm: TwoLayers,
        n_chains: int = 1,
        n_replicas: int | None = None,
        betas: ArrayLike | None = None,
        base: Any = None,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        start: Any = None,
        record: bool = False,
    ) -> None:
        if not hasattr(rbm, "_up"):
            raise TypeError(f"rbm must be an rf.RBM, got {rbm!r}")
        ladder = check_betas(n_replicas, betas)
        limit = (MAX_ROW + 1) // len(ladder)
        n_chains = check_integer(n_chains, "n_chains", low=1, high=limit)
        first_row = check_integer(first_row, "first_row", low=0, high=limit - n_chains)
        path = make_path(rbm, base)
        self._record = record
        self._ladder = Ladder(path, ladder, Purpose.SWAP)
        self._seed = check_seed(seed)
        rows = None if start is None else rbm.visible.rows(start, len(path.base), "start")
        if rows is not None and rows.n_rows != n_chains:
            raise ValueError(f"start must have {n_chains} rows, one for each chain, got {rows.n_rows}")
        self._begin(n_chains, first_row, None if rows is None else rows.all())

    def _begin(self, n_chains: int, first_row: int, start: States | None) -> None:
        """Put all replicas where they start, and set all counts to 0."""
        ladder, n_replicas = self._ladder, len(self._ladder.betas)
        size = 4 * n_replicas * n_chains * 4 * sum(ladder.path.up.W.shape)
        check_fits_memory(size, f"a sampler with n_chains={n_chains} of {n_replicas} replicas")
        self.steps = 0
        self._n_chains = n_chains
        self._stream = Stream(self._seed, Purpose.TEMPERING, rows=first_row)
        if start is None:
            self._v = ladder.start(n_chains, self._stream)
        else:
            self._v = np.tile(start, (n_replicas, 1))
        self._h = ladder.hidden(ladder.path.up.send(self._v), self._stream.after(1))
        self._accepted = np.zeros(n_replicas - 1, np.int64)
        self._proposed = np.zeros(n_replicas - 1, np.int64)
        self._stations = np.zeros(n_replicas * n_chains, np.int8)  # 0; 1: from beta = 1; 2: and from 0 since
        self._round_trips = np.zeros(n_chains, np.int64)
        self._free_energies: list[F64] = []

    def run(self, steps: int = 1) -> States:
        """Take steps, each a Gibbs step of every replica and a round of swaps.

        Parameters
        ----------
        steps : int, default 1
            At least 1.

        Returns
        -------
        uint8 array (n_chains, n_visible)
            The last visible states at beta = 1, a copy; float32 for Gaussian units.

        Raises
        ------
        TypeError, ValueError
            A bad number of steps.
        """
        steps = check_integer(steps, "steps", low=1, high=(MAX_STEP - FIRST_STEP) // 2 - self.steps)
        stream, path = self._stream.after(FIRST_STEP + 2 * self.steps), self._ladder.path
        for v, h, accepted in self._ladder.walk(self._h, stream, steps, 1 if self._record else None):
            self._v, self._h = v, h
            for swapped in accepted:
                self._count(swapped, FIRST_STEP + 2 * self.steps)
                self.steps += 1
            if self._record:
                v = v[-self._n_chains :]
                self._free_energies.append(-path.log_weight(v, path.up.send(v), 1.0))
        return self.v

    def _count(self, accepted: NDArray[np.bool_], step: int) -> None:
        """Add up swaps and round trips."""
        self._accepted += accepted.sum(axis=1)
        self._proposed[self._ladder.pairs(step)] += self._n_chains
        exchange(accepted, self._stations)
        bottom, top = self._stations[: self._n_chains], self._stations[-self._n_chains :]
        self._round_trips += top == 2
        top[:] = 1
        bottom[bottom == 1] = 2

    # --- What has come out ---------------------------------------------------------------------------------

    @property
    def betas(self) -> F32:
        """See the class."""
        return self._ladder.betas.copy()

    @property
    def v(self) -> States:
        """See the class."""
        v, _ = self.own
        return self._ladder.path.down.target.shown(v)

    @property
    def h(self) -> States:
        """See the class."""
        _, h = self.own
        return self._ladder.path.up.target.shown(h)

    @property
    def own(self) -> tuple[States, States]:
        """Copies of `v` and `h` as the library computes with them: spins as 0 and 1."""
        return self._v[-self._n_chains :].copy(), self._h[-self._n_chains :].copy()

    @property
    def swap_rates(self) -> F64:
        """See the class."""
        return np.where(self._proposed > 0, self._accepted / np.maximum(self._proposed, 1), np.nan)

    @property
    def round_trips(self) -> I64:
        """See the class."""
        return self._round_trips.copy()

    @property
    def free_energies(self) -> F64:
        """See the class."""
        return np.array(self._free_energies).reshape(-1, self._n_chains)

    def __repr__(self) -> str:
        n_replicas = len(self._ladder.betas)
        return f"ParallelTempering({self._n_chains} chains of {n_replicas} replicas after {self.steps} steps)"
