"""Samples of a restricted Boltzmann machine, and what is counted and filled in by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_choice, check_integer, check_seed
from rbmfast.data import Rows, as_rows
from rbmfast.models.base import known_as
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.tempering import ParallelTempering, check_betas
from rbmfast.models.two_layers import TwoLayers
from rbmfast.reference import F32, GREY, States
from rbmfast.states import LEVELS, as_float, in_form, one_hot, without_levels
from rbmfast.streams import MAX_ROW, MAX_STEP, Purpose, Stream, check_first_row

MAX_PATTERN_UNITS = 20
SHOWN = 20  # patterns in the printed table


@known_as("RBM")
class Sampling(TwoLayers):
    """What a model of two layers draws, given its conditional distributions."""

    def gibbs(
        self,
        V: Any,
        steps: int = 1,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        first_step: int = 0,
        return_hidden: bool = False,
    ) -> Any:
        """Block Gibbs sampling from given visible states: `steps` times hidden given visible, and back.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states; every row starts a chain. Grey levels are expectations in the first half-step.
        steps : int, default 1
            Gibbs steps, at least 1.
        seed : int, Generator or None
            See the notes of `RBM`. **The same int in a loop repeats one fixed map**: advance `first_step`.
        first_row : int, default 0
            Number of the first row of `V` in a larger whole.
        first_step : int, default 0
            Half-steps already taken under this seed: two for each Gibbs step.
        return_hidden : bool, default False
            Whether to return the hidden states as well.

        Returns
        -------
        V : uint8 array (n_rows, n_visible)
            The last visible states; float32 for Gaussian units.
        H : uint8 array (n_rows, n_hidden)
            The hidden states that they were drawn from; only if asked for.

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> rbm, V = rf.RBM(6, 4, seed=0), np.eye(3, 6)
        >>> at_once = rbm.gibbs(V, steps=3, seed=2)
        >>> for t in range(3):
        ...     V = rbm.gibbs(V, steps=1, seed=2, first_step=2 * t)
        >>> np.array_equal(V, at_once)
        True
        """
        rows = self._visible_rows(V)
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2)
        row = check_first_row(first_row, rows.n_rows)
        step = check_integer(first_step, "first_step", low=0, high=MAX_STEP - 2 * steps + 1)
        model = self._conditionals(Stream(check_seed(seed), Purpose.GIBBS, 0, step, row))
        v, h = self._run_chains(model, rows.blocks(self._block_rows), rows.n_rows, steps)
        return self._shown(v, h) if return_hidden else self.visible.shown(v)

    def sample(
        self,
        n: int,
        steps: int = 1000,
        seed: SeedLike = None,
        *,
        labels: ArrayLike | None = None,
        first_row: int = 0,
        start: Any = None,
        return_hidden: bool = False,
        method: str = "gibbs",
        n_replicas: int | None = None,
        betas: ArrayLike | None = None,
        base: Any = None,
    ) -> Any:
        """Samples of the model itself: the last states of independent chains.

        Parameters
        ----------
        n : int
            Chains, and so samples.
        steps : int, default 1000
            Gibbs steps of each chain, at least 1. How many are needed depends on the model: in a trained one,
            chains may stay near one mode for long; ``method="tempering"`` helps.
        seed : int, Generator or None
            See the notes of `RBM`.
        labels : int or int array_like (n,), optional
            Of a model with labels (`ClassRBM`): the class of all samples, or of each, which is held fixed.
            Only with ``method="gibbs"``.
        first_row : int, default 0
            Number of the first chain in a larger whole.
        start : (n, n_visible), optional
            Visible states to start from; otherwise they are drawn from the visible biases alone, or at beta
            = 0 with tempering.
        return_hidden : bool, default False
            Whether to return the hidden states as well.
        method : {"gibbs", "tempering", "trajectory"}
            Plain Gibbs chains, or chains with replicas at several temperatures, which cross from mode to mode
            (`rbmfast.ParallelTempering`, which also tells how well they did) at `n_replicas` times the cost.
            "trajectory": chains that begin at samples of an earlier version of the model, which `rbmfast.PTT`
            has left, and take more of them for their own as they go on: few steps will do.
        n_replicas : int, optional
            Of tempering: how many, in equal steps of beta. By default 10, or as many as `betas`.
        betas : array_like (n_replicas,), optional
            Of tempering: rising from 0 to 1.
        base : optional
            Of tempering: means of the independent units at beta = 0, as for `rbmfast.ParallelTempering`.

        Returns
        -------
        V : uint8 array (n, n_visible)
            Visible states; float32 for Gaussian units.
        H : uint8 array (n, n_hidden)
            The hidden states that they were drawn from (with tempering: hidden states drawn from them); only
            if asked for.

        Raises
        ------
        TypeError, ValueError
            Bad arguments.
        MemoryError
            More samples than the machine could hold.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.RBM(4, 3, seed=0).sample(2, steps=10, seed=1)
        array([[0, 0, 1, 0],
               [1, 0, 0, 0]], dtype=uint8)

        Two modes, all on and all off, and chains that all start from one of them:

        >>> W, a, b = [[8.0]] * 8, [-4.0] * 8, [-32.0]
        >>> rbm, ones = rf.RBM.from_arrays(W, a, b), [[1] * 8] * 500
        >>> float(rbm.sample(500, steps=100, seed=1, start=ones).mean().round(1))
        1.0
        >>> v = rbm.sample(500, steps=100, seed=1, start=ones, method="tempering", base=[0.5] * 8)
        >>> float(v.mean().round(1))
        0.5
        """
        size = self.visible.dtype.itemsize * self.n_visible + self.hidden.dtype.itemsize * self.n_hidden
        n, steps, row, rows = self._check_sample(n, steps, first_row, start, size)
        fixed, tempers = self._check_labels(labels, n), check_tempering(method, n_replicas, betas, base)
        if fixed is not None and method != "gibbs":
            raise ValueError(f"method must be 'gibbs' where labels are given, got {method!r}")
        if method == "trajectory":
            if start is not None:
                raise ValueError("start must be None for method='trajectory', which begins at samples")
            v, h = self._follow(n, steps, Stream(check_seed(seed), Purpose.PTT_SAMPLE, rows=row))
        elif tempers:
            ladder = check_betas(n_replicas, betas)
            check_integer(first_row, "first_row", low=0, high=(MAX_ROW + 1) // len(ladder) - n)
            v, h = self._temper(n, steps, check_seed(seed), row, rows, ladder, base)
        else:
            model = self._conditionals(Stream(check_seed(seed), Purpose.FANTASY))
            starts = self._starts(model, n, row, rows)
            v, h = self._run_chains(model.at(2, row), starts, n, steps, fixed)  # half-step 0 is the start's
        return self._shown(v, h) if return_hidden else self.visible.shown(v)

    def _shown(self, v: States, h: States) -> tuple[States, States]:
        return self.visible.shown(v), self.hidden.shown(h)

    def _starts(
        self, model: Conditionals, n: int, row: int, rows: Rows | None
    ) -> Iterator[tuple[int, States]]:
        """Blocks of states for n chains to start from: given rows, or draws."""
        if rows is not None:
            return rows.blocks(self._block_rows)
        alone, stream = model.down.sample_alone, model.stream.at(0, row)
        return ((first, alone(end - first, stream.from_row(first))) for first, end in self._spans(n))

    def _temper(
        self, n: int, steps: int, seed: int, row: int, start: Rows | None, betas: F32, base: Any
    ) -> tuple[States, States]:
        v = np.empty((n, self.n_visible), self.visible.dtype)
        h = np.empty((n, self.n_hidden), self.hidden.dtype)
        size = max(1, self._block_rows // len(betas))
        sampler = ParallelTempering(self, betas=betas, base=base, seed=seed)
        for first in range(0, n, size):
            here = slice(first, min(first + size, n))
            begin = None if start is None else start.block(here)
            sampler._begin(here.stop - first, row + first, begin)
            sampler.run(steps)
            v[here], h[here] = sampler.own
        return v, h

    def _follow(self, n: int, steps: int, stream: Stream) -> tuple[States, States]:
        from rbmfast.models.trajectory import Trajectory  # which knows all kinds of models

        ladder = Trajectory.of(self)
        parts = [ladder.sample(end - i, steps, stream.from_row(i)) for i, end in self._spans(n)]
        v, h = (np.concatenate(part) for part in zip(*parts, strict=True))
        return v, h

    def _run_chains(
        self,
        model: Conditionals,
        blocks: Iterable[tuple[int, States]],
        n: int,
        steps: int,
        labels: NDArray[np.int64] | None = None,
    ) -> tuple[States, States]:
        """The last states of n chains, which begin with these blocks and may be held to classes."""
        v = np.empty((n, self.n_visible), self.visible.dtype)
        h = np.empty((n, self.n_hidden), self.hidden.dtype)
        for first, start in blocks:
            here = slice(first, first + len(start))
            chain = replace(model, stream=model.stream.from_row(first))
            v[here], h[here] = self._run_chain(chain, start, steps, None if labels is None else labels[here])
        return v, h

    def _run_chain(
        self, model: Conditionals, v: States, steps: int, labels: NDArray[np.int64] | None
    ) -> tuple[States, States]:
        """The same of one block."""
        if labels is None:
            return model.gibbs(v, steps)
        n = self.n_features
        v = np.hstack([v[:, :n], one_hot(labels, v.shape[1] - n, v.dtype)])
        held = (np.arange(v.shape[1]) >= n).astype(np.uint8)
        v, h = model.gibbs(v, steps, np.broadcast_to(held, v.shape))
        return ((v // GREY).astype(np.uint8) if v.dtype == LEVELS else v), h  # a start of grey levels

    # --- Filling in --------------------------------------------------------------------------------------

    def reconstruct(self, V: Any, *, missing: str = "random") -> F32:
        """Visible probabilities given the hidden probabilities given `V`: one mean-field step there and back.

        No random numbers are used: hidden probabilities, as 16-bit grey levels, take the place of states.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states. Entries may be missing: NaN in an array, NA in a frame, masked entries.
        missing : {"random", "absent"}
            What missing entries count as: their units' means in the data that the model was trained with, or
            units that the row is without, and which send nothing.

        Returns
        -------
        float32 array (n_rows, n_visible)
            Of all entries.

        Raises
        ------
        TypeError, ValueError
            Bad states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[5.0], [5.0]], a=[-2.5, -2.5], b=[-5.0])
        >>> rbm.reconstruct([[1, 1], [0, 0]]).round(2)
        array([[0.92, 0.92],
               [0.08, 0.08]], dtype=float32)
        """
        return self.visible.shown(self._reconstruct(self._expected_rows(V, missing)))

    def _expected_rows(self, V: Any, missing: str) -> Rows:
        """Rows of visible states; in place of missing ones means of the data (or under the biases alone)."""
        absent, rows = self._are_absent(missing), self._visible_rows(V, may_miss=True)
        if rows.missing is None or absent:
            return rows
        means = self._parameters.visible_means
        means = self.visible.mean(self._parameters.a[None])[0] if means is None else means
        filled = np.where(rows.missing, means, as_float(rows.all()))
        return as_rows(filled, domain=self.visible.domain, compact=True)

    def _reconstruct(self, rows: Rows) -> F32:
        up, down = self._up, self._down
        return self._by_blocks(rows, lambda v, _: down.like(v).mean(up.expectation(v)))

    def _fill_in(
        self, v: States, missing: NDArray[np.bool_], steps: int, stream: Stream, average: bool
    ) -> NDArray[Any]:
        """See `Model._fill_in`."""
        model = self._conditionals(stream).like(v, missing)
        clamp = np.logical_not(missing).view(np.uint8)
        v = np.where(missing, in_form(model.down.sample_alone(len(v), model.stream), v.dtype), v)
        burn_in = steps // 2 if average else steps
        if burn_in:
            v, _ = model.at(2).gibbs(v, burn_in, clamp)
        if not average:
            return without_levels(v)
        total = np.zeros(v.shape)
        for t in range(burn_in, steps):
            v, h = model.at(2 + 2 * t).gibbs(v, 1, clamp)
            total += model.down.mean(h)
        return (total / (steps - burn_in)).astype(np.float32)

    # --- Counting ----------------------------------------------------------------------------------------

    def pattern_counts(
        self,
        v: ArrayLike | None = None,
        h: ArrayLike | None = None,
        n_samples: int = 10_000,
        seed: SeedLike = None,
    ) -> PatternCounts:
        """Sample one layer many times given the other, and count the patterns beside their probabilities.

        Parameters
        ----------
        v : array_like (n_visible,), optional
            Visible states: the hidden patterns are counted.
        h : array_like (n_hidden,), optional
            Hidden states: the visible patterns are counted. Exactly one of the two must be given.
        n_samples : int, default 10 000
            How many samples.
        seed : int, Generator or None
            See the notes of `RBM`.

        Returns
        -------
        PatternCounts
            All patterns of the layer, the most frequent first; prints as a table.

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments; a layer of more than 20 units or without 0/1 states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.pattern_counts([1, 0], n_samples=1000, seed=2)
        pattern       count  frequency  probability
        11              402     0.4020       0.4314
        10              261     0.2610       0.2368
        01              206     0.2060       0.2142
        00              131     0.1310       0.1176
        """
        from scipy.special import logsumexp

        if (v is None) == (h is None):
            raise ValueError("pass exactly one of v and h: the states that are given")
        if v is not None:
            x = self._up.input(self._visible_rows(_one_row(v), "v").all())
            unit, bias, layer = self.hidden, self._parameters.b, "hidden"
        else:
            x = self._down.input(self._hidden_rows(_one_row(h), "h").all())
            unit, bias, layer = self.visible, self._parameters.a, "visible"
        if len(x) != 1:
            raise ValueError(f"{'h' if v is None else 'v'} must be one row of states, got {len(x)}")
        n_samples = check_integer(n_samples, "n_samples", low=1, high=MAX_ROW + 1)
        n_patterns = unit.count_states(len(bias))
        if n_patterns is None or n_patterns > 2**MAX_PATTERN_UNITS:
            raise ValueError(
                f"patterns can be counted in layers of up to {MAX_PATTERN_UNITS} units with 0/1 states; "
                f"the {layer} layer has {len(bias)} {unit.name} units"
            )
        stream = Stream(check_seed(seed), Purpose.PATTERN_COUNTS)

        counts = np.zeros(n_patterns, np.int64)
        for first, end in self._spans(n_samples):
            repeated = np.repeat(x, end - first, axis=0)
            states = unit.sample(repeated, stream.from_row(first))
            counts += np.bincount(unit.state_numbers(states), minlength=n_patterns)

        patterns = unit.states(len(bias), np.arange(n_patterns))
        log_weights = -unit.energy(patterns, x[0])  # the total input stands where the bias would, alone
        probabilities = np.exp(log_weights - logsumexp(log_weights))
        order = np.argsort(-counts, kind="stable")
        return PatternCounts(unit.shown(patterns[order]), counts[order], probabilities[order], n_samples)


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


# --- Arguments ---------------------------------------------------------------------------------------------


def check_tempering(method: object, *its_arguments: object) -> bool:
    """Whether to sample by tempering; its arguments without it are an error."""
    check_choice(method, "method", ("gibbs", "tempering", "trajectory"))
    if method != "tempering" and any(argument is not None for argument in its_arguments):
        raise ValueError(
            f"method must be 'tempering' where n_replicas, betas or base are given, got {method!r}"
        )
    return method == "tempering"


def _one_row(states: Any) -> Any:
    """A vector as a matrix of one row; other data as it is."""
    is_vector = not hasattr(states, "tocsr") and np.ndim(states) == 1
    return np.asarray(states).reshape(1, -1) if is_vector else states
