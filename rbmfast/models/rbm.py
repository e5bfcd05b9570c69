"""The restricted Boltzmann machine."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.data import Rows
from rbmfast.data.memory import spans
from rbmfast.models.conditionals import Conditional, interaction
from rbmfast.models.observed import count_hidden_states, resting_energies, sum_out
from rbmfast.models.sampling import Sampling
from rbmfast.reference import F32, F64, I64, States
from rbmfast.streams import MAX_STEP, Purpose, Stream, check_first_row
from rbmfast.units.bernoulli import Bernoulli


class RBM(Sampling):
    """A restricted Boltzmann machine: two layers of units, every visible one joined to every hidden one.

    Visible states v and hidden states h have the energy

        E(v, h) = -v W h - a v - b h                for Bernoulli units, states 0 and 1
        E(v, h) = -v W h + |v - a|^2 / 2 - b h      for Gaussian visible units, real states

    and the probability exp(-E(v, h)) / Z. Given one layer, the units of the other are independent: all that a
    unit hears is its *total input*, the weights from the units that are on, and its bias. Categorical units
    have the first energy and come in groups, exactly one unit of each on: given one layer, the groups of the
    other are independent.

    Parameters
    ----------
    n_visible, n_hidden : int
        Units in each layer.
    visible, hidden : str or Unit, default "bernoulli"
        Unit type of each layer: "bernoulli" (states 0 and 1), "spin" (-1 and +1), "gaussian" (real states,
        variance 1), "relu" (the same from 0 up), "drelu" (a learned shape on either side of 0),
        ``rf.Categorical(K)`` (groups of K, one of which is on), ``rf.Binomial(n)`` (0 to n),
        "counts" (of words in documents: visible ones only), and ``rf.Mixed([(unit, n), ...])`` for blocks of
        several types.
    seed : int, numpy.random.Generator or None
        Of the new weights, which are nearly normal with standard deviation 0.01; the biases are 0. None takes
        a seed from the system; `seed` keeps it.

    Attributes
    ----------
    W, a, b : float32 arrays (n_visible, n_hidden), (n_visible,), (n_hidden,)
        Weights, visible and hidden biases: read-only views; assign a whole array to change one.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.
    MemoryError
        More weights than the machine could hold.

    Notes
    -----
    *Rows.* Everywhere `V` (visible) and `H` (hidden) are states, a row for each, in any container: arrays,
    SciPy sparse matrices, memory maps, `rbmfast.Grey8`, `rbmfast.Packed`. For Bernoulli units these are 0 and
    1, or grey levels in between, which count as expectations of states. Rows are worked on in blocks, so that
    scratch memory stays bounded.

    *Random numbers.* A sampling method takes ``seed=None`` (new numbers each time), an int, or a NumPy
    Generator (which gives one seed). An int fixes every bit, on every machine. Beware of using it twice:

    - A loop of ``V = rbm.gibbs(V, steps=1, seed=2)`` repeats one fixed map and soon runs in a circle. Use one
      call with more steps, or pass ``first_step=2 * t`` in turn t (a Gibbs step has two half-steps).
    - Two batches of rows sampled under one seed share their random numbers. Pass ``first_row=``, the number
      of the batch's first row in the whole: then the parts give exactly what the whole gives.

    Different methods never share numbers, even under equal seeds.

    *Exactness.* For units with 0/1 states every result (but the probabilities beside pattern counts) is the
    same, bit for bit, on every machine, with any number of threads, from any container and however the rows
    are split. The sampler sees the weights as multiples of 2**-20 (coarser ones if they are large), so
    energies are good to about six digits. Products with real-valued states may differ in the last bits
    elsewhere.

    References
    ----------
    Smolensky, "Information processing in dynamical systems: foundations of harmony theory", 1986.
    Hinton, "A practical guide to training restricted Boltzmann machines", 2010.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays(W=[[0.5, 0.3], [-0.2, 0.4]], a=[0.1, -0.1], b=[0.2, 0.3])
    >>> rbm
    RBM(2, 2)
    >>> rbm.hidden_probabilities([[1, 0]]).round(3)
    array([[0.668, 0.646]], dtype=float32)
    >>> rbm.sample(5, steps=100, seed=1).shape
    (5, 2)
    """

    # --- Energies ----------------------------------------------------------------------------------------

    def energy(self, V: Any, H: Any) -> F64:
        """Energies of joint states, row by row.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.
        H : (n_rows, n_hidden)
            Hidden states.

        Returns
        -------
        float64 array (n_rows,)
            E(v, h) in nats.

        Raises
        ------
        TypeError, ValueError
            Bad states, or different numbers of rows.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.energy([[1, 0]], [[1, 1]]).round(6)
        array([-1.4])
        """
        v_rows, h_rows = self._visible_rows(V), self._hidden_rows(H)
        if v_rows.n_rows != h_rows.n_rows:
            raise ValueError(f"V and H must have equally many rows, got {v_rows.n_rows} and {h_rows.n_rows}")

        a, b = self._parameters.a, self._parameters.b
        up, down = self._up, self._down

        def energy(v: States, first: int) -> F64:
            h = h_rows.block(slice(first, first + len(v)))
            return self.visible.energy(v, a) + self.hidden.energy(h, b) - interaction(up, down, v, h)

        return self._shown_energies(self._by_blocks(v_rows, energy))

    def zero_sum_gauge(self) -> RBM:
        """The same distribution, with weights and visible biases that sum to zero over each group of units.

        Of a group (`Categorical`) exactly one unit is on, so that a number may be added to its units' weights
        to a hidden unit, and taken from that unit's bias, or added to all of its biases, and no probability
        changes. Of all such models this one has the smallest weights to hidden units that are no groups:
        look at it to compare or draw them.

        Returns
        -------
        RBM
            A new model, of the same class and units. Free energies differ by one number from those here, but
            for the rounding of the parameters to float32. Without groups nothing changes.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[1, 2], [3, 0], [5, 1]], [0, 1, 2], [0, 0], visible=rf.Categorical(3))
        >>> fixed = rbm.zero_sum_gauge()
        >>> fixed.W.tolist(), fixed.a.tolist(), fixed.b.tolist()
        ([[-2.0, 1.0], [0.0, -1.0], [2.0, 0.0]], [-1.0, 0.0, 1.0], [3.0, 1.0])
        """
        p = self._parameters
        W, a, b = (array.astype(np.float64) for array in (p.W, p.a, p.b))
        for group in self.visible.groups(self.n_visible):
            mean = W[group].mean(axis=0)
            W[group] -= mean
            a[group] -= a[group].mean()
            b += mean
        model = copy.copy(self)
        model._set_parameters(W.astype(np.float32), a.astype(np.float32), b.astype(np.float32))
        return model

    def free_energy(self, V: Any, *, missing: str = "random") -> F64:
        """Free energies F(v) = -log sum_h exp(-E(v, h)), so that p(v) = exp(-F(v)) / Z.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states. Entries may be missing: NaN in an array, NA in a frame, masked entries.
        missing : {"random", "absent"}
            What missing entries are. "random": unknown, and summed out, so that exp(-F) / Z is the
            probability of the known ones; exact, by visiting every state of the hidden layer. "absent": units
            that the row is without; F is that of its own smaller RBM.

        Returns
        -------
        float64 array (n_rows,)
            In nats. For Bernoulli units -a v - sum_j softplus(x_j), where x are the hidden total inputs.

        Raises
        ------
        TypeError, ValueError
            Bad states; entries missing at random where the hidden layer has more than 2**20 states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.free_energy([[0, 0], [1, 0]]).round(4)
        array([-1.6525, -2.2407])
        >>> rbm.free_energy([[float("nan"), 0]]).round(4)           # -log of the sum of both exp(-F)
        array([-2.6824])
        """
        rows = self._visible_rows(V, may_miss=True)
        gaps = self._to_sum_out(rows, missing)
        energies = self._free_energy(rows)
        if gaps is not None:
            here, summed, _ = self._sum_out(rows, gaps)
            energies[here] = summed - gaps[here] @ self._log_volumes
        elif rows.missing is not None:
            a, affine = self._parameters.shown[1], self.visible.affine(self.n_visible)
            alone = a if affine is None else ((a - affine.origin) * affine.bias).astype(np.float32)
            energies = energies - rows.missing @ resting_energies(self.visible, alone)
        return self._shown_energies(energies)

    def _are_ready(self, V: Any) -> bool:
        """Whether these are states as the engine takes them, few and of units that are on or off.

        Looking for what else they might be takes twice as long as the answer about one row.
        """
        return (
            type(self.visible) is Bernoulli
            and type(V) is np.ndarray
            and V.dtype == np.uint8
            and V.flags.c_contiguous
            and V.shape[1:] == (self.n_visible,)
            and 0 < len(V) <= self._block_rows
            and engine.are_bits(V)
        )

    def _to_sum_out(self, rows: Rows, missing: str) -> NDArray[np.bool_] | None:
        """What is missing at random, if anything; a ValueError where that cannot be summed out."""
        if self._are_absent(missing) or rows.missing is None:
            return None
        count_hidden_states(self)
        return rows.missing

    def _sum_out(self, rows: Rows, gaps: NDArray[np.bool_]) -> tuple[I64, F64, F64]:
        """Numbers of the rows with missing entries; their free energies and their hidden units' means."""
        here = np.flatnonzero(gaps.any(axis=1))
        energies, means = np.empty(len(here)), np.empty((len(here), self.n_hidden))
        for some in spans(len(here), 1024):
            found = sum_out(self, rows.block(here[some]), gaps[here[some]])
            energies[some], means[some] = found
        return here, energies, means

    def _free_energy(self, rows: Rows) -> F64:
        """Of the model that the library computes with."""
        up, a = self._up, self._parameters.a
        return self._by_blocks(rows, lambda v, _: self.visible.energy(v, a) - up.log_normalizer(v))

    # --- Conditional distributions -----------------------------------------------------------------------

    def hidden_probabilities(self, V: Any, *, missing: str = "random") -> F32:
        """Probabilities that the hidden units are on (means, for other types), given visible states.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states. Entries may be missing: NaN in an array, NA in a frame, masked entries.
        missing : {"random", "absent"}
            What missing entries are. "random": unknown; the probabilities are those given the known entries
            alone, exact, by visiting every state of the hidden layer. Where it has too many, those given
            means come near: ``rbm.hidden_probabilities(rbm.impute(V, average=True))``. "absent": units that
            the row is without, and which send nothing.

        Returns
        -------
        float32 array (n_rows, n_hidden)

        Raises
        ------
        TypeError, ValueError
            Bad states; entries missing at random where the hidden layer has more than 2**20 states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.hidden_probabilities([[1, 1], [1, float("nan")]]).round(3)
        array([[0.622, 0.731],
               [0.645, 0.689]], dtype=float32)
        """
        up, absent = self._up, self._are_absent(missing)
        if not absent and self._are_ready(V):
            return self.hidden.shown(up.mean(V))
        rows = self._visible_rows(V, may_miss=True)
        gaps = self._to_sum_out(rows, missing)
        means = self._by_blocks(rows, lambda v, _: up.mean(v), self._input_blocks(rows, self._block_rows))
        if gaps is not None:
            here, _, expected = self._sum_out(rows, gaps)
            means[here] = expected
        return self.hidden.shown(means)

    def visible_probabilities(self, H: Any) -> F32:
        """Probabilities that the visible units are on (means, for other types), given hidden states.

        float32 (n_rows, n_visible) from `H` (n_rows, n_hidden); all else as for `hidden_probabilities`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.visible_probabilities([[1, 1]]).round(3)
        array([[0.711, 0.525]], dtype=float32)
        """
        down = self._down
        return self.visible.shown(self._by_blocks(self._hidden_rows(H), lambda h, _: down.mean(h)))

    def sample_hidden(
        self, V: Any, seed: SeedLike = None, *, first_row: int = 0, first_step: int = 0
    ) -> States:
        """Random hidden states, given visible states.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.
        seed : int, Generator or None
            See the notes of `RBM`.
        first_row : int, default 0
            Number of the first row of `V` in a larger whole.
        first_step : int, default 0
            A different number gives different random numbers under the same seed.

        Returns
        -------
        uint8 array (n_rows, n_hidden)
            float32 for Gaussian units.

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.RBM(4, 3, seed=0).sample_hidden([[1, 0, 0, 1]], seed=2)
        array([[1, 0, 0]], dtype=uint8)
        """
        return self._sample(
            self._up, self._visible_rows(V), Purpose.SAMPLE_HIDDEN, seed, first_row, first_step
        )

    def sample_visible(
        self, H: Any, seed: SeedLike = None, *, first_row: int = 0, first_step: int = 0
    ) -> States:
        """Random visible states, given hidden states.

        (n_rows, n_visible) from `H` (n_rows, n_hidden); all else as for `sample_hidden`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.RBM(4, 3, seed=0).sample_visible([[1, 0, 0]], seed=2)
        array([[0, 0, 1, 1]], dtype=uint8)
        """
        return self._sample(
            self._down, self._hidden_rows(H), Purpose.SAMPLE_VISIBLE, seed, first_row, first_step
        )

    def _sample(
        self, way: Conditional, rows: Rows, purpose: Purpose, seed: SeedLike, first_row: int, first_step: int
    ) -> States:
        row = check_first_row(first_row, rows.n_rows)
        step = check_integer(first_step, "first_step", low=0, high=MAX_STEP)
        stream = Stream(check_seed(seed), purpose, 0, step, row)
        drawn = self._by_blocks(rows, lambda states, first: way.sample(states, stream.from_row(first)))
        return way.target.shown(drawn)
