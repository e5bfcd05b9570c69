"""The deep Boltzmann machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_seed
from rbmfast.data import Rows, computed_rows
from rbmfast.files import JSON
from rbmfast.models.base import Deep
from rbmfast.models.bipartite import Bipartite, block, places
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.network import Network
from rbmfast.models.parameters import of_units
from rbmfast.models.rbm import RBM
from rbmfast.models.stacked import SEED_STEP, check_rbms, check_sizes, layer_seed
from rbmfast.models.two_layers import DEFAULT_UNIT, UnitLike, in_words
from rbmfast.models.unroll import to_network
from rbmfast.reference import F32, F64, GREY, States, row_sums
from rbmfast.states import as_float, join
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Bernoulli, Unit, get_unit

D = TypeVar("D", bound="DBM")

STEPS = 10  # of mean field; in an update: `bipartite.LEARNING_STEPS`


class DBM(Deep):
    """A deep Boltzmann machine: layers of units, each joined to the next one and to nothing else.

    States v and h1 ... hn have the energy

        E(v, h1, ..., hn) = -v W1 h1 - h1 W2 h2 - ... - b0 v - b1 h1 - ... - bn hn

    (of Bernoulli visible units; others as in `rbmfast.RBM`) and the probability exp(-E) / Z. Unlike a deep
    belief network nothing is directed: layers above say as much about a layer as those below.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, from the visible layer up; three or more.
    visible : str or Unit, default "bernoulli"
        Unit type of the visible layer. Hidden units are Bernoulli units.
    seed : int, numpy.random.Generator or None
        Of the new weights, which are those of an `rbmfast.DBN` of this seed.

    Attributes
    ----------
    bipartite : RBM
        The same machine: given the odd layers, the even ones are independent, and the other way round. So it
        is an RBM with the even layers side by side as visible and the odd ones as hidden units; with two
        hidden layers each visible one is joined to each hidden one. All that an RBM can do it can:
        `rbmfast.ParallelTempering`, `rbmfast.chain_diagnostics`, and so on. Its parameters are this model's.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.
    MemoryError
        More weights than the machine could hold.

    Notes
    -----
    *Learning.* ``rf.train(dbm, X, method=rf.PCD(k=5), centered=True)``: in the positive phase the hidden
    layers do what a mean field says, given a row of data; the negative phase is that of the bipartite RBM. So
    a lower bound on the log-likelihood is raised. Centred, all layers can learn together from the start
    (Montavon & Müller). `rbmfast.SparsityTarget` is about the odd layers.

    *Mean field.* What the hidden layers do given v is not known exactly. In its place stands a product of
    independent units, with means that bring it near: from the bottom up first, then all even and all odd
    layers in turn, a fixed number of times, so that rows do not depend on each other. Means are 16-bit grey
    levels: the same bits everywhere.

    *Rows and random numbers* are as described in the notes of `rbmfast.RBM`.

    References
    ----------
    Salakhutdinov & Hinton, "Deep Boltzmann machines", AISTATS 2009.
    Montavon & Müller, "Deep Boltzmann machines and the centering trick", 2012.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> dbm = rf.DBM([16, 8, 4], seed=0)
    >>> history = rf.train(dbm, np.eye(16), method=rf.PCD(k=5), centered=True, epochs=2, seed=1)
    >>> [means.shape for means in dbm.mean_field(np.eye(3, 16))]
    [(3, 8), (3, 4)]
    """

    kind: ClassVar[str] = "dbm"
    imputing: ClassVar[Purpose] = Purpose.IMPUTE
    n_classes: ClassVar[None] = None

    def __init__(
        self, sizes: Sequence[int], *, visible: UnitLike = DEFAULT_UNIT, seed: SeedLike = None
    ) -> None:
        key, units, rbms = check_seed(seed), [get_unit(visible, "visible")], []
        for i, layers in enumerate(pairwise(check_sizes(sizes))):
            own = layer_seed(key, i, Purpose.INITIALIZE, SEED_STEP)
            rbms.append(RBM(*layers, visible=units[i], seed=own))
            units.append(Bernoulli())
        self.bipartite = Bipartite.of_rbms(_check(rbms))
        self.bipartite._seed = key
        self.bipartite._parameters = replace(self.bipartite._parameters, is_untouched=True)

    @classmethod
    def from_rbms(cls: type[D], rbms: Iterable[RBM]) -> D:
        """The machine whose energy is the sum of those of RBMs on top of each other.

        Parameters
        ----------
        rbms : iterable of RBM
            Two or more, from the lowest up, with Bernoulli hidden units; the visible layer of each like the
            hidden layer of the one below. Both RBMs' biases of a layer that they share are added up.

        Returns
        -------
        DBM
            With copies of their parameters.

        Raises
        ------
        TypeError, ValueError
            They do not fit together.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBM.from_rbms([rf.RBM(6, 4, visible="gaussian", seed=0), rf.RBM(4, 3, seed=1)])
        DBM([6, 4, 3], visible='gaussian')
        """
        dbm = cls.__new__(cls)
        dbm.bipartite = Bipartite.of_rbms(_check(check_rbms(rbms)))
        return dbm

    # --- What it is --------------------------------------------------------------------------------------

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units in each layer, from the visible one up."""
        return self.bipartite._sizes

    @property
    def visible(self) -> Unit:
        """Unit type of the visible layer."""
        return self.bipartite.features

    @property
    def seed(self) -> int | None:
        """The seed of the initial weights; None if they were given."""
        return self.bipartite.seed

    @property
    def weights(self) -> tuple[F32, ...]:
        """From each layer to the next: read-only float32 views (n units, n units of the next layer)."""
        W = self.bipartite.W
        blocks = (W[block(self.sizes, i)] for i in range(len(self)))
        return tuple(own.T if i % 2 else own for i, own in enumerate(blocks))

    @property
    def biases(self) -> tuple[F32, ...]:
        """Of each layer: read-only float32 views (n units,)."""
        sides = self.bipartite.a, self.bipartite.b
        return tuple(sides[i % 2][here] for i, here in enumerate(places(self.sizes)))

    def parameters(self) -> dict[str, F32]:
        """What is learned, by name: read-only float32 views.

        Examples
        --------
        >>> import rbmfast as rf
        >>> [*rf.DBM([6, 4, 3], seed=0).parameters()]
        ['W1', 'W2', 'b0', 'b1', 'b2']
        """
        own = {f"W{i}": W for i, W in enumerate(self.weights, 1)}
        own |= {f"b{i}": bias for i, bias in enumerate(self.biases)}
        return own | of_units(self.bipartite._parameters.units)

    def __repr__(self) -> str:
        return f"DBM({[*self.sizes]}{in_words(visible=self.visible)})"

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`: that of the bipartite RBM."""
        meta, arrays = self.bipartite.to_state()
        return {**meta, "sizes": [*self.sizes]}, arrays

    @classmethod
    def from_state(cls: type[D], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> D:
        """See `Storable.from_state`."""
        dbm = cls.__new__(cls)
        dbm.bipartite = Bipartite.from_state(meta, arrays)._of_sizes(check_sizes(meta["sizes"]))
        return dbm

    def _named_rbms(self) -> Iterator[tuple[str, Bipartite]]:
        """What learns."""
        yield "", self.bipartite

    # --- Energies and means ------------------------------------------------------------------------------

    def energy(self, V: Any, *H: Any) -> F64:
        """Energies E(v, h1, ..., hn) of joint states: float64 (n_rows,), in nats.

        `V` (n_rows, n_visible), and states of every hidden layer from the lowest up; others raise a TypeError
        or ValueError.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbms = [rf.RBM.from_arrays([[weight]], [0.0], [0.0]) for weight in (1.0, 2.0)]
        >>> rf.DBM.from_rbms(rbms).energy([[1]], [[1]], [[1]])
        array([-3.])
        """
        if len(H) != len(self):
            raise ValueError(f"H must be the states of {len(self)} hidden layers, got {len(H)}")
        pairs = enumerate(zip(H, self.sizes[1:], strict=True))
        rows = [self._visible_rows(V), *(Bernoulli().rows(h, n, f"H[{i}]") for i, (h, n) in pairs)]
        layers = [each.all() for each in rows]
        if len({len(states) for states in layers}) > 1:
            raise ValueError(f"V and H must have equally many rows, got {[len(states) for states in layers]}")
        return self.bipartite.energy(_prepared(join(*layers[::2])), _prepared(join(*layers[1::2])))

    def free_energy(self, V: Any) -> F64:
        """Upper bounds on the free energies F(v) = -log sum_h exp(-E(v, h)): float64 (n_rows,), in nats.

        They are E_q[E(v, h)] - H(q) for the product q of independent units that `mean_field` finds; H is its
        entropy. Argument and errors as for `RBM.free_energy`, but that no entry may be missing.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBM([6, 4, 3], seed=0).free_energy([[0, 1, 0, 1, 1, 0]]).round(2)        # nearly -7 log 2
        array([-4.85])
        """
        rbm, model = self.bipartite, self._conditionals

        def bound(v: States, first: int) -> F64:
            means = rbm._mean_field(model, v, STEPS)
            return rbm._free_energy(_prepared(join(v, means))) - _entropies(means)

        return rbm._shown_energies(self._by_blocks(self._visible_rows(V), bound))

    def mean_field(self, V: Any) -> list[F32]:
        """Means of all hidden layers given visible states, as if their units were independent given these.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states; grey levels are expectations of states.

        Returns
        -------
        list of float32 arrays (n_rows, n units of the layer)
            From the lowest hidden layer up.

        Raises
        ------
        TypeError, ValueError
            Bad states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> [means.shape for means in rf.DBM([6, 4, 3], seed=0).mean_field([[1, 0, 1, 0, 0, 1]])]
        [(1, 4), (1, 3)]
        """
        rbm, model = self.bipartite, self._conditionals

        def means(v: States, first: int) -> F32:
            even = rbm._complete(model, v, STEPS)
            return np.hstack([as_float(each) for each in self._hidden(even, model.up.expectation(even))])

        both = self._by_blocks(self._visible_rows(V), means)
        return np.split(both, np.cumsum(self.sizes[1:-1]), axis=1)

    def hidden_probabilities(self, V: Any, layer: int = -1) -> F32:
        """`mean_field`, of one hidden layer: from 1, the lowest one, up; -1 is the top layer.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBM([6, 4, 3], seed=0).hidden_probabilities([[1, 0, 1, 0, 0, 1]], layer=1).shape
        (1, 4)
        """
        return self.mean_field(V)[self._check_layer(layer) - 1]

    def reconstruct(self, V: Any) -> F32:
        """Visible means given the means of the lowest hidden layer given `V`, by mean field.

        Argument, answer and errors as for `RBM.reconstruct`, but that no entry may be missing.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBM([6, 4, 3], seed=0).reconstruct([[1, 0, 1, 0, 0, 1]]).round(1)
        array([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5]], dtype=float32)
        """
        rbm, model, n = self.bipartite, self._conditionals, self.n_visible

        def means(v: States, first: int) -> F32:
            return model.down.mean(model.up.expectation(rbm._complete(model, v, STEPS)))[:, :n]

        return self.visible.shown(self._by_blocks(self._visible_rows(V), means))

    # --- Samples -----------------------------------------------------------------------------------------

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
        """Block Gibbs sampling from given visible states: `steps` times the odd layers, then the even ones.

        In the first half-step the even hidden layers have their means by mean field. All else as for
        `RBM.gibbs`; hidden states are a list, from the lowest layer up.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBM([6, 4, 3], seed=0).gibbs([[1, 0, 1, 0, 0, 1]], steps=5, seed=2).shape
        (1, 6)
        """
        start = self._completed(V, "V")
        even, odd = self.bipartite.gibbs(
            start, steps, seed, first_row=first_row, first_step=first_step, return_hidden=True
        )
        return self._sampled(even, odd, return_hidden)

    def sample(
        self,
        n: int,
        steps: int = 1000,
        seed: SeedLike = None,
        *,
        start: Any = None,
        first_row: int = 0,
        return_hidden: bool = False,
        method: str = "gibbs",
        n_replicas: int | None = None,
        betas: ArrayLike | None = None,
    ) -> Any:
        """Samples of the model itself: the last states of independent chains, as of `RBM.sample`.

        Beside visible states to `start` from, the even hidden layers have their means by mean field; without,
        all even layers are drawn from their biases alone. Hidden states are a list, from the lowest layer up.

        Examples
        --------
        >>> import rbmfast as rf
        >>> v, h = rf.DBM([6, 4, 3], seed=0).sample(2, steps=10, seed=1, return_hidden=True)
        >>> v.shape, [states.shape for states in h]
        ((2, 6), [(2, 4), (2, 3)])
        """
        even, odd = self.bipartite.sample(
            n,
            steps,
            seed,
            start=None if start is None else self._completed(start, "start"),
            first_row=first_row,
            return_hidden=True,
            method=method,
            n_replicas=n_replicas,
            betas=betas,
        )
        return self._sampled(even, odd, return_hidden)

    def _completed(self, V: Any, name: str) -> Rows:
        """Rows of data as visible states of the bipartite RBM."""
        rbm, model, rows = self.bipartite, self._conditionals, self._visible_rows(V, name)
        return _prepared(self._by_blocks(rows, lambda v, _: rbm._complete(model, v, STEPS)))

    def _sampled(self, even: States, odd: States, return_hidden: bool) -> Any:
        """What is returned of states of the bipartite RBM, as users see them."""
        own = self.visible.shown(np.zeros((1, self.n_visible), self.visible.dtype)).dtype
        v = even[:, : self.n_visible].astype(own)
        hidden = self._hidden(even, odd)
        return (v, [states.astype(np.uint8) for states in hidden]) if return_hidden else v

    def _hidden(self, even: States, odd: States) -> list[States]:
        """Of each hidden layer, from the lowest up."""
        return [(even, odd)[i % 2][:, here] for i, here in enumerate(places(self.sizes))][1:]

    @property
    def _conditionals(self) -> Conditionals:
        return self.bipartite._conditionals(Stream(0, self.imputing))  # no number is drawn

    def _fill_in(
        self, v: States, missing: NDArray[np.bool_], steps: int, stream: Stream, average: bool
    ) -> NDArray[Any]:
        """See `Model._fill_in`."""
        others = np.zeros((len(v), self.bipartite.n_visible - v.shape[1]), np.uint8)
        gaps = np.hstack([missing, others == 0])
        return self.bipartite._fill_in(join(v, others), gaps, steps, stream, average)[:, : v.shape[1]]

    # --- Feed-forward networks ---------------------------------------------------------------------------

    def features(self, V: Any) -> F32:
        """Inputs of the feed-forward network: `V`, and the means of the second hidden layer beside it.

        float32 (n_rows, n_visible + n units of that layer); argument and errors as for `mean_field`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBM([6, 4, 3], seed=0).features([[1, 0, 1, 0, 0, 1]]).round(1)
        array([[1. , 0. , 1. , 0. , 0. , 1. , 0.5, 0.5, 0.5]], dtype=float32)
        """
        rows = self._visible_rows(V)
        return np.hstack([as_float(rows.all()), self.mean_field(rows)[1]])

    def to_network(
        self, n_outputs: int | None = None, head: str | None = "softmax", seed: SeedLike = None
    ) -> Network:
        """A feed-forward network that begins as the mean field ends, for `rbmfast.fine_tune`.

        Its inputs are `features`, so that the first hidden layer hears from below and from above
        (Salakhutdinov & Hinton 2009, section 3.3). Other layers hear from below alone, and begin with doubled
        weights unless they are the top one. `n_outputs`, `head` and `seed` are as for `DBN.to_network`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> dbm = rf.DBM([6, 4, 3], seed=0)
        >>> dbm.to_network(2, seed=1)
        Network([Dense(9, 4, 'sigmoid'), Dense(4, 3, 'sigmoid'), Dense(3, 2, 'softmax')])
        """
        if head is not None and n_outputs is None:
            raise ValueError("n_outputs must be given for a head: the model has no labels")
        (low, *others), bias, n = self.weights, self.biases, self.sizes[0] + self.sizes[2]
        below = self.bipartite.visible.part(0, n)
        assert below is not None  # it ends where a layer ends
        W = np.vstack([low, others[0].T])
        rbms = [RBM.from_arrays(W, np.zeros(n), bias[1], visible=below)]
        for i, W in enumerate(others, 2):
            rbms.append(RBM.from_arrays(W if i == len(self) else 2 * W, bias[i - 1], bias[i]))
        return to_network(rbms, n_outputs, head, seed)


def _entropies(levels: States) -> F64:
    """Of independent units with these means, 16-bit grey levels: (n_rows,), in nats."""
    p = np.arange(1, GREY, dtype=np.float32) / np.float32(GREY)
    own = (-p * engine.log(p)).astype(np.float64)
    return row_sums(np.concatenate([[0.0], own + own[::-1], [0.0]])[levels])


def _prepared(states: States) -> Rows:
    """States that are known to be such, as rows."""
    return computed_rows(states.shape, states.dtype, states.__getitem__)


def _check(rbms: list[RBM]) -> list[RBM]:
    """RBMs for two or more hidden layers of Bernoulli units."""
    if len(rbms) < 2:
        raise ValueError("a deep Boltzmann machine has two or more hidden layers: with one it is an rf.RBM")
    for i, rbm in enumerate(rbms):
        if rbm.hidden != Bernoulli() or rbm.n_classes:
            raise ValueError(f"rbms[{i}] must have hidden Bernoulli units and no labels, got {rbm!r}")
    return rbms
