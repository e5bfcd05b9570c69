"""The conditional restricted Boltzmann machine: an RBM of visible states, given a context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_flag, check_integer, check_seed
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.models.base import Compound
from rbmfast.models.context import InContext
from rbmfast.models.observed import expected_visible
from rbmfast.models.parameters import Parameters, check_parameter, read_only, warn_if_coarse, weight_shape
from rbmfast.models.rbm import RBM
from rbmfast.models.two_layers import DEFAULT_UNIT, MAX_UNITS, UnitLike, in_words
from rbmfast.reference import F32, F64, States
from rbmfast.streams import MAX_STEP
from rbmfast.units import Spin, Unit, get_unit

C = TypeVar("C", bound="ConditionalRBM")

CONTEXTS = {"binary": "bernoulli", "real": "gaussian"}
FEW_STATES = 2**12  # of a hidden layer that `predict` visits all of


class ConditionalRBM(Compound):
    """A restricted Boltzmann machine of visible units, given a context: p(v | c).

    The context is a row of numbers that is given with each row of data: earlier frames of a sequence
    (`rbmfast.lagged`), or whatever the visible states depend on. It is never drawn. Its weights shift the
    biases of both layers from row to row:

        E(v, h | c) = -v W h - (a + c A) v - (b + c B) h         for Bernoulli units, states 0 and 1

    (other units as in an `RBM`), so in a context the model is the ordinary RBM that `given` returns. A alone
    is a linear (auto-)regression, on which the hidden units build.

    Parameters
    ----------
    n_visible, n_hidden, n_context : int
        Units that are drawn, hidden units, and numbers in a context.
    visible, hidden : str or Unit, default "bernoulli"
        Unit types, as for `RBM`; no counts.
    context : "binary", "real" or Unit, optional
        What contexts are: numbers from 0 to 1, which are multiplied exactly, real ones, or states of any unit
        type. By default what visible states are: "binary" if these are, spins if these are, or "real".
    seed : int, numpy.random.Generator or None
        Of the new weights W and B, as for `RBM`; A and the biases are 0.

    Attributes
    ----------
    W, B, A : float32 arrays (n_visible, n_hidden), (n_context, n_hidden), (n_context, n_visible)
        Weights: read-only. W and B act on spins as they are shown, A on states 0 and 1 in their place, of
        visible units and of contexts.
    a, b : float32 arrays (n_visible,), (n_hidden,)
        Biases.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.
    MemoryError
        More weights than the machine could hold.

    Notes
    -----
    `rbmfast.train` takes the contexts as ``context=``, and as ``validation`` a pair of states and contexts.
    It learns by `rbmfast.CD`; chains of their own (`rbmfast.PCD`) have no context to be in. Penalties hold W,
    B and A down. Rows of V and of the context belong together; of V, entries may be missing. All methods draw
    as those of `RBM`, with its random numbers. With 0/1 units and a binary context, every bit is the same on
    every machine.

    References
    ----------
    Taylor, Hinton & Roweis, "Modeling human motion using binary latent variables", NIPS 2006.

    Examples
    --------
    One of three lights after the other:

    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X, C = rf.lagged(np.eye(3)[np.arange(60) % 3], order=1)
    >>> crbm = rf.ConditionalRBM(3, 4, n_context=3, visible=rf.Categorical(3), seed=0)
    >>> history = rf.train(crbm, X, context=C, epochs=50, batch_size=10, optimizer=rf.SGD(0.5), seed=1)
    >>> crbm.generate([[0, 1, 0]], steps=4, seed=2)[0]
    array([[0, 0, 1],
           [1, 0, 0],
           [0, 1, 0],
           [0, 0, 1]], dtype=uint8)
    """

    kind: ClassVar[str] = "conditional_rbm"
    has_rbm: ClassVar[str] = "given(context)"

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        n_context: int,
        *,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike = DEFAULT_UNIT,
        context: UnitLike | None = None,
        seed: SeedLike = None,
    ) -> None:
        n_visible = check_integer(n_visible, "n_visible", low=1, high=MAX_UNITS)
        n_context = check_integer(n_context, "n_context", low=1, high=MAX_UNITS)
        layer = _layer(visible, n_visible, context, n_context)
        self._joint = RBM(n_visible + n_context, n_hidden, visible=layer, hidden=hidden, seed=seed)

    @classmethod
    def from_arrays(
        cls: type[C],
        W: ArrayLike,
        B: ArrayLike,
        A: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        *,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike = DEFAULT_UNIT,
        context: UnitLike | None = None,
    ) -> C:
        """A model with given parameters, of the shapes above: see `given`, and `RBM.from_arrays`."""
        n_visible, n_hidden = weight_shape(W)
        n_context = weight_shape(B, "(n_context, n_hidden)")[0]
        both = check_parameter(W, "W", (n_visible, n_hidden)), check_parameter(B, "B", (n_context, n_hidden))
        biases = np.append(check_parameter(a, "a", (n_visible,)), np.zeros(n_context, np.float32))
        layer = _layer(visible, n_visible, context, n_context).of_size(len(biases))
        own = {"context": check_parameter(A, "A", (n_context, n_visible))}
        layer = layer.with_parameters(layer.parameters() | own)
        model = cls.__new__(cls)
        model._joint = RBM._of(warn_if_coarse(np.vstack(both)), biases, b, layer, get_unit(hidden, "hidden"))
        return model

    # --- What it is --------------------------------------------------------------------------------------

    @property
    def _layer(self) -> InContext:
        layer = self._joint.visible
        assert isinstance(layer, InContext)
        return layer

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return self._layer.n_drawn

    @property
    def n_hidden(self) -> int:
        """Number of hidden units."""
        return self._joint.n_hidden

    @property
    def n_context(self) -> int:
        """How many numbers a context has."""
        return self._joint.n_visible - self.n_visible

    _n_columns = n_visible

    @property
    def visible(self) -> Unit:
        """Unit type of the visible layer."""
        return self._layer.unit

    @property
    def hidden(self) -> Unit:
        """Unit type of the hidden layer."""
        return self._joint.hidden

    @property
    def context(self) -> Unit:
        """Unit type whose states contexts are."""
        return self._layer.parts[1][0]

    @property
    def W(self) -> F32:
        """Weights between visible and hidden units: read-only (n_visible, n_hidden)."""
        return self._joint.W[: self.n_visible]

    @property
    def B(self) -> F32:
        """Weights from the context to the hidden units: read-only (n_context, n_hidden)."""
        return self._joint.W[self.n_visible :]

    @property
    def A(self) -> F32:
        """Weights from the context to the visible units: read-only (n_context, n_visible)."""
        return read_only(self._layer.parameters()["context"])

    @property
    def a(self) -> F32:
        """Visible biases: read-only (n_visible,)."""
        return self._joint.a[: self.n_visible]

    @property
    def b(self) -> F32:
        """Hidden biases: read-only (n_hidden,)."""
        return self._joint.b

    def parameters(self) -> dict[str, F32]:
        """What is learned, by name: `W`, `B`, `A`, `a`, `b`, and what unit types learn besides."""
        own = {"W": self.W, "B": self.B, "A": self.A, "a": self.a, "b": self.b}
        found = self._joint.parameters()
        return own | {name: found[name] for name in found if name not in (*own, "visible.context")}

    def __repr__(self) -> str:
        units = in_words(visible=self.visible, hidden=self.hidden)
        return f"{type(self).__name__}({self.n_visible}, {self.n_hidden}, {self.n_context}{units})"

    # --- Given a context ---------------------------------------------------------------------------------

    def given(self, context: ArrayLike) -> RBM:
        """The RBM that this is in one context: the same W, and biases a + c A and b + c B.

        (With 0 and 1 for spins of the context in c A; biases of visible spins are a + c A / 2.)

        Whatever can be asked of an RBM can be asked of it, such as `rbmfast.log_partition` by annealing.

        `context` is one row, (n_context,).

        Examples
        --------
        >>> import rbmfast as rf
        >>> crbm = rf.ConditionalRBM.from_arrays([[0.5]], [[1.0]], [[-2.0]], [0.25], [0.0])
        >>> rbm = crbm.given([1])
        >>> rbm.W, rbm.a, rbm.b
        (array([[0.5]], dtype=float32), array([-1.75], dtype=float32), array([1.], dtype=float32))
        """
        row = self._nothing(np.atleast_2d(np.asarray(context)))
        if row.n_rows != 1:
            raise ValueError(f"context must be one row, got {row.n_rows}")
        return self._given(row.all())

    def _given(self, state: States) -> RBM:
        p, n = self._joint._parameters, self.n_visible
        a, b = p.a[:n] + self._layer.drift(state)[0, :n], self._joint._up.input(state)[0]
        rbm = RBM.__new__(RBM)
        rbm._seed, rbm._parameters = None, Parameters(p.W[:n], a, b, (self.visible, self.hidden))
        return rbm

    def energy(self, V: Any, H: Any, context: Any) -> F64:
        """Energies E(v, h | c) of joint states, row by row: see `RBM.energy`."""
        return self._joint.energy(self._rows(V, context), H)

    def free_energy(self, V: Any, context: Any, *, missing: str = "random") -> F64:
        """Free energies F(v | c) = -log sum_h exp(-E(v, h | c)): see `RBM.free_energy`."""
        return self._joint.free_energy(self._rows(V, context), missing=missing)

    def log_likelihood(self, V: Any, context: Any) -> F64:
        """Log-likelihoods log p(v | c) = -F(v | c) - log Z(c), row by row: see `rbmfast.log_likelihood`.

        Exact: for every row all states of the hidden layer, at most 2**20, are visited. For more, there is
        ``rf.log_partition(crbm.given(c), method="ais")``.
        """
        rows = self._rows(self.visible.rows_of_states(V, self.n_visible, "V", may_miss=True), context)
        return self._joint.free_energy(self._nothing(context)) - self._joint.free_energy(rows)

    def hidden_probabilities(self, V: Any, context: Any, *, missing: str = "random") -> F32:
        """Means of the hidden units, (n_rows, n_hidden): see `RBM.hidden_probabilities`."""
        return self._joint.hidden_probabilities(self._rows(V, context), missing=missing)

    def visible_probabilities(self, H: Any, context: Any) -> F32:
        """Means of the visible units, (n_rows, n_visible): see `RBM.visible_probabilities`."""
        h, down = self._joint._hidden_rows(H), self._joint._down
        rows = self._nothing(context, h.n_rows)

        def mean(v: States, first: int) -> F32:
            return down.like(v).mean(h.block(slice(first, first + len(v))))

        return self._means(self._layer.shown(self._joint._by_blocks(rows, mean)))

    def reconstruct(self, V: Any, context: Any, *, missing: str = "random") -> F32:
        """One mean-field step there and back, (n_rows, n_visible): see `RBM.reconstruct`."""
        return self._means(self._joint.reconstruct(self._rows(V, context), missing=missing))

    # --- Draws -------------------------------------------------------------------------------------------

    def gibbs(
        self,
        V: Any,
        context: Any,
        steps: int = 1,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        first_step: int = 0,
        return_hidden: bool = False,
    ) -> Any:
        """Block Gibbs sampling from given visible states, in their contexts: see `RBM.gibbs`."""
        rows = self._rows(V, context, may_miss=False)
        begin = {"first_row": first_row, "first_step": first_step}
        v, h = self._joint.gibbs(rows, steps, seed, return_hidden=True, **begin)
        return (self._states(v), h) if return_hidden else self._states(v)

    def sample(self, context: Any, steps: int = 100, seed: SeedLike = None, *, first_row: int = 0) -> States:
        """Visible states in given contexts: the last of Gibbs chains that start from the biases alone.

        A row (n_visible,) for each of the context: what `impute` fills in where all is missing.

        Examples
        --------
        >>> import rbmfast as rf
        >>> crbm = rf.ConditionalRBM.from_arrays([[0]], [[0]], [[9.0]], a=[-4.5], b=[0])  # v says what c says
        >>> crbm.sample([[0], [1], [1]], seed=2).ravel()
        array([0, 1, 1], dtype=uint8)
        """
        rows = self._nothing(context)
        return self._states(self._joint.impute(rows, steps=steps, seed=seed, first_row=first_row))

    def impute(
        self,
        V: Any,
        context: Any,
        mask: ArrayLike | None = None,
        steps: int = 100,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        average: bool = False,
    ) -> F32:
        """Fill in missing entries of V in given contexts, (n_rows, n_visible): see `RBM.impute`."""
        v = self.visible.rows(V, self.n_visible, "V", compact=True, may_miss=True, mask=mask)
        settings: dict[str, Any] = {"steps": steps, "first_row": first_row, "average": average}
        return self._means(self._joint.impute(self._rows(v, context), seed=seed, **settings))

    def predict(self, context: Any, steps: int = 100, seed: SeedLike = None, *, first_row: int = 0) -> F32:
        """Expected visible states in given contexts: the next frames of sequences.

        float32 (n_rows, n_visible), exact where the hidden layer has at most 4096 states. Otherwise means of
        the second half of a Gibbs chain for each row; `steps`, `seed`, `first_row` are those of `sample`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> crbm = rf.ConditionalRBM.from_arrays([[0]], [[0]], [[0.5]], a=[0.25], b=[0], visible="gaussian")
        >>> crbm.predict([[1.0], [3.0]]).ravel()
        array([0.75, 1.75], dtype=float32)
        """
        rows, n_states = self._nothing(context), self.hidden.count_states(self.n_hidden)
        if n_states is None or n_states > FEW_STATES:
            settings: dict[str, Any] = {"steps": steps, "first_row": first_row, "average": True}
            return self._means(self._joint.impute(rows, seed=seed, **settings))
        means = [expected_visible(self._given(state[None])) for state in rows.all()]
        return self.visible.shown(np.stack(means)).astype(np.float32)

    def generate(
        self,
        context: Any,
        steps: int,
        seed: SeedLike = None,
        *,
        gibbs_steps: int = 30,
        average: bool = False,
        first_row: int = 0,
        first_frame: int = 0,
    ) -> NDArray[Any]:
        """Continue sequences: frame after frame is drawn given those before it, which are the context.

        The chain of a new frame starts at the frame before it.

        Parameters
        ----------
        context : (n, n_context) or (order, n_visible)
            The last frames of n sequences, as `rbmfast.lagged` has them, the latest first; or those of one
            sequence, a row for each, in the order of time.
        steps : int
            Frames to generate.
        seed : int, Generator or None
            See the notes of `RBM`.
        gibbs_steps : int, default 30
            For each frame.
        average : bool, default False
            False draws a frame; True takes the visible units' means given the last hidden states: without the
            noise of single units, as Taylor et al. do.
        first_row, first_frame : int, default 0
            Number of the first sequence in a larger whole; frames generated before under this seed.

        Returns
        -------
        array (n, steps, n_visible)
            States, or float32 means.

        Raises
        ------
        TypeError, ValueError
            Bad arguments, or a model whose context is not some earlier frames.
        """
        order, rest = divmod(self.n_context, self.n_visible)
        if rest:
            raise ValueError(f"n_context must be frames of n_visible={self.n_visible}, got {self.n_context}")
        frames = np.asarray(context)
        if order > 1 and frames.shape == (order, self.n_visible):
            frames = frames[::-1].reshape(1, -1)
        self._nothing(frames)  # its errors
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2)
        gibbs_steps = check_integer(gibbs_steps, "gibbs_steps", low=1, high=MAX_STEP // (2 * steps))
        half_steps = 2 * gibbs_steps
        first = check_integer(first_frame, "first_frame", low=0, high=MAX_STEP // half_steps - steps)
        seed, average = check_seed(seed), check_flag(average, "average")
        found, chain = [], partial(self.gibbs, first_row=first_row, return_hidden=True)
        for step in range(half_steps * first, half_steps * (first + steps), half_steps):
            last = frames[:, : self.n_visible]
            frame, h = chain(last, frames, gibbs_steps, seed, first_step=step)
            if average:
                frame = self.visible_probabilities(h, frames)
            found.append(frame)
            frames = np.hstack([frame, frames[:, : -self.n_visible]])
        return np.stack(found, axis=1)

    # --- Files -------------------------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`: of W and a the rows below those of the visible units are the context's."""
        return self._joint.to_state()

    @classmethod
    def from_state(cls: type[C], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> C:
        """See `Storable.from_state`."""
        if len(meta["visible"]["parts"]) != 2:
            raise ValueError(f"visible must be units and a context, got {meta['visible']!r}")
        layer = InContext.from_description(meta["visible"], get_unit)
        model = cls.__new__(cls)
        model._joint = RBM.from_state({**meta, "visible": layer}, arrays)
        return model

    # --- For the rest of the library ---------------------------------------------------------------------

    def _named_rbms(self) -> Iterator[tuple[str, RBM]]:
        """What learns: the RBM of both, whose context is given."""
        yield "", self._joint

    def _to_learn(self, X: Any, context: Any, name: str) -> Rows:
        """Data of `rbmfast.train`, or a pair of data and context."""
        if context is None:
            if not isinstance(X, tuple) or len(X) != 2:
                raise TypeError(f"{name} must be given with a context for {self!r}, such as rf.lagged makes")
            X, context = X
        return self._rows(X, context, name=name)

    def _rows(self, V: Any, context: Any, may_miss: bool = True, name: str = "V") -> Rows:
        """Rows of visible states and contexts beside each other."""
        v = self.visible.rows(V, self.n_visible, name, compact=True, may_miss=may_miss)
        return v.beside(self._contexts(context, v.n_rows, name))

    def _contexts(self, context: Any, n_rows: int | None, name: str) -> Rows:
        c = self.context.rows(context, self.n_context, "context", compact=True)
        if n_rows not in (None, c.n_rows):
            raise ValueError(f"context must have a row for each of {name}, {n_rows}, got {c.n_rows}")
        return c

    def _nothing(self, context: Any, n_rows: int | None = None) -> Rows:
        """Rows of contexts, of which all visible states are missing."""
        c = self._contexts(context, n_rows, "H")
        shape = c.n_rows, self.n_visible
        off = np.broadcast_to(self.visible.off(self.n_visible), shape)
        v = self.visible.rows(off, self.n_visible, "V", check=False).without(np.ones(shape, np.bool_))
        return v.beside(c)

    def _means(self, joined: NDArray[Any]) -> F32:
        means: F32 = joined[:, : self.n_visible].astype(np.float32)
        return means

    def _states(self, joined: NDArray[Any]) -> States:
        dtype = self.visible.shown(np.zeros((1, self.n_visible), self.visible.dtype)).dtype
        return joined[:, : self.n_visible].astype(dtype)


def _layer(visible: UnitLike, n_visible: int, context: UnitLike | None, n_context: int) -> InContext:
    """The layer that arguments say; a clear error otherwise."""
    unit = get_unit(visible, "visible")
    unit.check_size(n_visible, "n_visible")
    if unit.bias_factor(np.zeros((1, n_visible), unit.dtype)) is not None:
        raise ValueError(f"visible must not be {unit} units, whose length would scale the context, too")
    from_0_to_1 = unit.means_are_rates and unit.affine(n_visible) is None
    default = unit if unit == Spin() else "binary" if from_0_to_1 else "real"
    named = default if context is None else context
    given = get_unit(CONTEXTS.get(named, named) if isinstance(named, str) else named, "context")
    given.check_size(n_context, "n_context")
    return InContext(((unit, n_visible), (given, n_context)))
