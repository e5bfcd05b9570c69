"""The deep belief network."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.container import JSON, write_file
from rbmfast.data import Rows, as_rows, computed_rows
from rbmfast.files import FilePath
from rbmfast.models.class_rbm import MAX_CLASSES, ClassRBM
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.labels import check_labels
from rbmfast.models.missing import check_mask, known_values, split_missing
from rbmfast.models.network import Network
from rbmfast.models.rbm import BLOCK_BYTES, DEFAULT_UNIT, MAX_UNITS, RBM, UnitLike
from rbmfast.models.stack import MAX_LAYERS, MEAN, Stack, layer_seed
from rbmfast.models.unroll import to_autoencoder, to_network
from rbmfast.reference import F32, STREAM_VERSION, States
from rbmfast.runtime import check_fits_memory
from rbmfast.states import in_form, join, one_hot, without_levels
from rbmfast.streams import MAX_ROW, MAX_STEP, Purpose, Stream, check_first_row
from rbmfast.units import Categorical, Unit, get_unit
from rbmfast.units.base import F64

I64 = NDArray[np.int64]

SEED_STEP = 1  # of the random numbers that make the RBMs' seeds: their weights take step 0
LABEL_STEPS = 2  # between the steps of states and those of the labels drawn beside them


class DBN:
    """A deep belief network: RBMs on top of each other, each of which models what the one below it makes.

    The two top layers are an RBM; below it, every layer is generated from the one above. The probability of
    visible states v and hidden states h1 ... hn is

        p(v, h1, ..., hn) = p(v | h1) p(h1 | h2) ... p(h(n-2) | h(n-1)) p(h(n-1), hn)

    with the conditional distributions of the lower RBMs and the joint distribution of the top one. What the
    hidden layers do given visible states is not known exactly: the *recognition* pass upwards, through the
    RBMs one after the other, stands in for it.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, from the visible layer up; two or more.
    n_classes : int, optional
        Labels: the top RBM is an `rbmfast.ClassRBM`, with a group of so many label units, of which one is on,
        beside its visible layer.
    visible : str or Unit, default "bernoulli"
        Unit type of the visible layer.
    hidden : str or Unit, or a list of them, default "bernoulli"
        Unit type of the hidden layers; a list has one for each, from the lowest up.
    seed : int, numpy.random.Generator or None
        Of the new weights, for the lowest RBM as of `rbmfast.RBM`; None takes a seed from the system.

    Attributes
    ----------
    sizes : tuple of int
        Units in each layer.
    generative : tuple of RBM
        From the lowest up. What they say downwards generates; the last one, `top`, counts in both directions.
    recognition : tuple of RBM
        What they say upwards recognises. While the weights are tied these are the very same objects.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.
    MemoryError
        More weights than the machine could hold.

    Notes
    -----
    *Learning.* `rbmfast.pretrain` trains the RBMs one after the other. They are ordinary models:
    ``rbmfast.train(dbn.generative[0], X)`` trains the lowest one alone.

    *Layers* are counted from the visible one, which is 0, up to ``len(dbn)``; -1 is the top layer.

    *Expectations* go from layer to layer as 16-bit grey levels between layers of 0/1 units, so that no
    random number is needed and, for such units, every bit is the same everywhere.

    *Rows and random numbers* are as described in the notes of `rbmfast.RBM`: any container, and parts of a
    whole with ``first_row=``. Different methods never share numbers, even under equal seeds.

    References
    ----------
    Hinton, Osindero & Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> dbn = rf.DBN([16, 8, 4], seed=0)
    >>> dbn
    DBN([16, 8, 4])
    >>> dbn.generative
    (RBM(16, 8), RBM(8, 4))
    >>> dbn.transform(np.eye(3, 16)).shape
    (3, 4)
    >>> dbn.sample(2, steps=10, seed=1).shape
    (2, 16)
    """

    # --- Construction ------------------------------------------------------------------------------------

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        n_classes: int | None = None,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike | Sequence[UnitLike] = DEFAULT_UNIT,
        seed: SeedLike = None,
    ) -> None:
        units_in_layers = _check_sizes(sizes)
        n = len(units_in_layers) - 1
        units = [get_unit(visible, "visible"), *_check_hidden(hidden, n)]
        if n_classes is not None:
            n_classes = check_integer(n_classes, "n_classes", low=2, high=MAX_CLASSES)
        self._seed = check_seed(seed)
        self._generative: list[RBM] = []
        for i in range(n):
            layers = units_in_layers[i], units_in_layers[i + 1]
            own_seed = layer_seed(self._seed, i, Purpose.INITIALIZE, SEED_STEP)
            if n_classes is not None and i == n - 1:
                rbm: RBM = ClassRBM(*layers, n_classes, visible=units[i], hidden=units[i + 1], seed=own_seed)
            else:
                rbm = RBM(*layers, visible=units[i], hidden=units[i + 1], seed=own_seed)
            self._generative.append(rbm)
        self._recognition = list(self._generative)

    @classmethod
    def from_rbms(cls, rbms: Iterable[RBM], *, seed: SeedLike = 0) -> DBN:
        """A network of given RBMs.

        Parameters
        ----------
        rbms : iterable of RBM
            From the lowest up; the very objects become parts of the network. The visible layer of each must
            be like the hidden layer of the one below. The last one may be an `rbmfast.ClassRBM`.
        seed : int, Generator or None
            Of layers to be added.

        Returns
        -------
        DBN
            With tied weights.

        Raises
        ------
        TypeError, ValueError
            They do not fit together.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN.from_rbms([rf.RBM(6, 4, visible="gaussian", seed=0), rf.RBM(4, 3, seed=1)])
        DBN([6, 4, 3], visible='gaussian')
        """
        dbn = cls.__new__(cls)
        dbn._generative = _check_rbms(rbms)
        dbn._recognition = list(dbn._generative)
        dbn._seed = check_seed(seed)
        return dbn

    def add_layer(
        self,
        n_hidden: int,
        *,
        hidden: UnitLike = DEFAULT_UNIT,
        unroll: bool | None = None,
        seed: SeedLike = None,
    ) -> None:
        """Put another RBM on top.

        Parameters
        ----------
        n_hidden : int
            Units of the new layer.
        hidden : str or Unit, default "bernoulli"
            Their type.
        unroll : bool, optional
            Whether the new RBM shall start as the one below it, upside down: then it models its data just as
            well as that one, and learning well raises the lower bound on the likelihood that the whole
            network has. That takes a layer like the one two below it. None does it where that is so and the
            RBM below is not new; True insists; False starts with small random weights.
        seed : int, Generator or None
            Of small random weights; None takes the next one of the network's own seed.

        Raises
        ------
        TypeError, ValueError
            An argument that is not allowed; the network is unchanged.

        References
        ----------
        Hinton, Osindero & Teh 2006, section 4.

        Examples
        --------
        >>> import rbmfast as rf
        >>> dbn = rf.DBN([6, 4], seed=0)
        >>> dbn.add_layer(6, unroll=True)
        >>> dbn.top.W.T is dbn.generative[0].W, bool((dbn.top.W.T == dbn.generative[0].W).all())
        (False, True)
        """
        if self.n_classes is not None:
            raise ValueError("this network has labels beside its top RBM: no layer can be put on top of that")
        if len(self) == MAX_LAYERS:
            raise ValueError(f"a network can have at most {MAX_LAYERS} hidden layers")
        n_hidden = check_integer(n_hidden, "n_hidden", low=1, high=MAX_UNITS)
        unit = get_unit(hidden, "hidden")
        below = self.top
        alike = n_hidden == below.n_visible and unit == below.visible
        if unroll and not alike:
            raise ValueError(
                f"unroll needs n_hidden={below.n_visible} and hidden={below.visible.name!r} as two layers "
                f"below, got n_hidden={n_hidden} and hidden={unit.name!r}"
            )
        if alike and (unroll or (unroll is None and not below.is_untouched)):
            rbm = RBM.from_arrays(below.W.T, below.b, below.a, visible=below.hidden, hidden=unit)
        else:
            own = layer_seed(self._seed, len(self), Purpose.INITIALIZE, SEED_STEP) if seed is None else seed
            rbm = RBM(below.n_hidden, n_hidden, visible=below.hidden, hidden=unit, seed=own)
        self._generative.append(rbm)
        self._recognition.append(rbm)

    def untie(self) -> None:
        """Give recognition weights of their own, copies of the generative ones; the top RBM stays shared.

        Nothing happens to layers that are untied already.

        Examples
        --------
        >>> import rbmfast as rf
        >>> dbn = rf.DBN([6, 4, 3], seed=0)
        >>> dbn.untie()
        >>> dbn.is_tied, dbn.recognition[0] is dbn.generative[0], dbn.recognition[-1] is dbn.top
        (False, False, True)
        """
        for i, rbm in enumerate(self._generative[:-1]):
            if self._recognition[i] is rbm:
                self._recognition[i] = copy.deepcopy(rbm)

    # --- What it is --------------------------------------------------------------------------------------

    @property
    def generative(self) -> tuple[RBM, ...]:
        """The RBMs from the lowest up, as they generate."""
        return tuple(self._generative)

    @property
    def recognition(self) -> tuple[RBM, ...]:
        """The RBMs from the lowest up, as they recognise; the last one is always `top`."""
        return tuple(self._recognition)

    @property
    def top(self) -> RBM:
        """The top RBM."""
        return self._generative[-1]

    @property
    def is_tied(self) -> bool:
        """Whether recognition and generative weights are the same."""
        return all(r is g for r, g in zip(self._recognition, self._generative, strict=True))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units in each layer, from the visible one up, without labels."""
        return (self.n_visible, *(rbm.n_hidden for rbm in self._generative))

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return self._generative[0].n_features

    @property
    def n_classes(self) -> int | None:
        """Number of label units; None without labels."""
        return self.top.n_classes or None

    @property
    def visible(self) -> Unit:
        """Unit type of the visible layer."""
        return self._unit(0)

    @property
    def seed(self) -> int:
        """The seed of the network's weights."""
        return self._seed

    def __len__(self) -> int:
        """Number of RBMs, which is that of the hidden layers."""
        return len(self._generative)

    def __repr__(self) -> str:
        labels = "" if self.n_classes is None else f", n_classes={self.n_classes}"
        units = [rbm.hidden.name for rbm in self._generative]
        visible = "" if self.visible.name == DEFAULT_UNIT else f", visible={self.visible.name!r}"
        hidden = (
            "" if {*units} == {DEFAULT_UNIT} else f", hidden={units if len({*units}) > 1 else units[0]!r}"
        )
        return f"DBN({[*self.sizes]}{labels}{visible}{hidden})"

    def __copy__(self) -> DBN:
        return copy.deepcopy(self)  # a shallow copy would share the RBMs, which change in place

    # --- Up and down -------------------------------------------------------------------------------------

    def hidden_probabilities(self, V: Any, layer: int = -1) -> F32:
        """Probabilities that units of a hidden layer are on (means, for other types), given visible states.

        Upwards through the recognition weights, expectations taking the place of states. With labels, the top
        layer sees the probabilities of the classes beside the layer below it.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.
        layer : int, default -1
            Which layer: from 1, the lowest hidden one, up; -1 is the top layer.

        Returns
        -------
        float32 array (n_rows, n units of the layer)

        Raises
        ------
        TypeError, ValueError
            Bad states, or no such layer.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).hidden_probabilities([[1, 0, 1, 0, 0, 1]], layer=1).shape
        (1, 4)
        """
        layer = self._check_layer(layer)
        stack, way = self._stack, self._recognition[layer - 1]._up

        def answer(v: Any, first: int) -> F32:
            states = stack.mean_up(v, layer - 1)
            return way.mean(self._beside_expected_labels(states) if self._sees_labels(layer) else states)

        return self._by_blocks(self._rows(V), answer, sparse=not self._sees_labels(1))

    def transform(self, V: Any, layer: int = -1) -> F32:
        """`hidden_probabilities`, under the name that pipelines know: features for another model."""
        return self.hidden_probabilities(V, layer)

    def sample_hidden(self, V: Any, layer: int = -1, seed: SeedLike = None, *, first_row: int = 0) -> States:
        """Random states of a hidden layer, drawn layer by layer, given visible states.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.
        layer : int, default -1
            As for `hidden_probabilities`. With labels, the top layer is drawn beside a class that is drawn.
        seed : int, Generator or None
            See the notes of `rbmfast.RBM`.
        first_row : int, default 0
            Number of the first row of `V` in a larger whole.

        Returns
        -------
        uint8 array (n_rows, n units of the layer)
            float32 for Gaussian units.

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).sample_hidden([[1, 0, 1, 0, 0, 1]], seed=2)
        array([[0, 0, 1]], dtype=uint8)
        """
        layer = self._check_layer(layer)
        rows = self._rows(V)
        row = check_first_row(first_row, rows.n_rows)
        key, stack, way = check_seed(seed), self._stack, self._recognition[layer - 1]._up

        def answer(v: States, first: int) -> States:
            stream = Stream(key, Purpose.DBN_UP, rows=row + first)
            states = stack.sample_up(v, layer - 1, stream)
            if self._sees_labels(layer):
                states = self._beside_drawn_labels(states, stream)
            return way.sample(states, stream.on(layer))

        return self._by_blocks(rows, answer)

    def visible_probabilities(self, H: Any, layer: int = -1) -> F32:
        """Probabilities that visible units are on (means, for other types), given states of a hidden layer.

        Downwards through the generative weights, expectations taking the place of states.

        Parameters
        ----------
        H : (n_rows, n units of the layer)
            Hidden states.
        layer : int, default -1
            Of which layer: from 1, the lowest hidden one, up; -1 is the top layer.

        Returns
        -------
        float32 array (n_rows, n_visible)

        Raises
        ------
        TypeError, ValueError
            Bad states, or no such layer.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).visible_probabilities([[1, 0, 1]]).shape
        (1, 6)
        """
        layer, stack = self._check_layer(layer), self._stack
        rows = self._rows(H, "H", layer)
        return self._by_blocks(rows, lambda h, _: stack.visible_means(stack.mean_down(h, layer, to=1)))

    def sample_visible(self, H: Any, layer: int = -1, seed: SeedLike = None, *, first_row: int = 0) -> States:
        """Random visible states, drawn layer by layer, given states of a hidden layer.

        Parameters
        ----------
        H : (n_rows, n units of the layer)
            Hidden states.
        layer : int, default -1
            As for `visible_probabilities`.
        seed, first_row
            As for `sample_hidden`.

        Returns
        -------
        uint8 array (n_rows, n_visible)
            float32 for Gaussian units.

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).sample_visible([[1, 0, 1]], seed=2).shape
        (1, 6)
        """
        layer, stack, key = self._check_layer(layer), self._stack, check_seed(seed)
        rows = self._rows(H, "H", layer)
        row = check_first_row(first_row, rows.n_rows)

        def answer(h: States, first: int) -> States:
            return stack.sample_down(h, layer, 0, Stream(key, Purpose.DBN_DOWN, rows=row + first))

        return self._by_blocks(rows, answer)

    def reconstruct(self, V: Any) -> F32:
        """Visible probabilities given the top layer's probabilities given `V`: all the way up, and back down.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.

        Returns
        -------
        float32 array (n_rows, n_visible)

        Raises
        ------
        TypeError, ValueError
            Bad states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).reconstruct([[1, 0, 1, 0, 0, 1]]).round(1)
        array([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5]], dtype=float32)
        """
        stack, n = self._stack, len(self)

        def answer(v: States, first: int) -> F32:
            states = stack.mean_up(v, n - 1)
            if self._sees_labels(n):
                states = self._beside_expected_labels(states)
            return stack.visible_means(stack.mean_down(stack.up[-1].expectation(states), n, to=1))

        return self._by_blocks(self._rows(V), answer)

    # --- Sampling ----------------------------------------------------------------------------------------

    @overload
    def sample(
        self,
        n: int,
        steps: int = ...,
        seed: SeedLike = ...,
        *,
        labels: ArrayLike | None = ...,
        start: Any = ...,
        last: str = ...,
        first_row: int = ...,
        return_labels: Literal[False] = ...,
    ) -> States: ...

    @overload
    def sample(
        self,
        n: int,
        steps: int = ...,
        seed: SeedLike = ...,
        *,
        labels: ArrayLike | None = ...,
        start: Any = ...,
        last: str = ...,
        first_row: int = ...,
        return_labels: Literal[True],
    ) -> tuple[States, I64]: ...

    def sample(
        self,
        n: int,
        steps: int = 1000,
        seed: SeedLike = None,
        *,
        labels: ArrayLike | None = None,
        start: Any = None,
        last: str = "sample",
        first_row: int = 0,
        return_labels: bool = False,
    ) -> States | tuple[States, I64]:
        """Samples of the model: Gibbs chains in the top RBM, then one pass down.

        Parameters
        ----------
        n : int
            Chains, and so samples.
        steps : int, default 1000
            Gibbs steps of each chain in the top RBM, at least 1.
        seed : int, Generator or None
            See the notes of `rbmfast.RBM`.
        labels : int or int array (n,), optional
            Classes, from 0, to generate: the label units are held there.
        start : (n, n_visible), optional
            Visible states to start from: the layer below the top is drawn from them, upwards. Otherwise it is
            drawn from its biases alone.
        last : {"sample", "mean"}
            Whether to draw the visible units, or to give their probabilities: a smoother image.
        first_row : int, default 0
            Number of the first chain in a larger whole.
        return_labels : bool, default False
            Whether to return the classes as well.

        Returns
        -------
        V : uint8 array (n, n_visible)
            Visible states; float32 for Gaussian units and with ``last="mean"``.
        y : int64 array (n,)
            The classes of the samples; only if asked for.

        Raises
        ------
        TypeError, ValueError
            Bad arguments.
        MemoryError
            More samples than the machine could hold.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).sample(2, steps=10, seed=1)
        array([[1, 0, 1, 1, 0, 1],
               [1, 1, 0, 0, 0, 0]], dtype=uint8)
        """
        n = check_integer(n, "n", low=1, high=MAX_ROW + 1)
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2 - 1)
        row = check_first_row(first_row, n)
        if last not in ("sample", "mean"):
            raise ValueError(f"last must be 'sample' or 'mean', got {last!r}")
        if return_labels and self.n_classes is None:
            raise ValueError("return_labels needs a network with labels: n_classes was not given")
        classes = self._check_labels(labels, n)
        rows = None if start is None else self._rows(start, "start")
        if rows is not None and rows.n_rows != n:
            raise ValueError(f"start must have n={n} rows, got {rows.n_rows}")
        dtype = np.dtype(np.float32) if last == "mean" else self.visible.dtype
        check_fits_memory(n * self.n_visible * dtype.itemsize, f"a sample of n={n} states")

        stack, key = self._stack, check_seed(seed)
        model = self.top._conditionals(Stream(key, Purpose.DBN_SAMPLE))
        V, y = np.empty((n, self.n_visible), dtype), np.empty(n, np.int64)
        for first, end in self._spans(n):
            here, ids = slice(first, end), row + np.arange(first, end)
            given = None if classes is None else classes[here]
            v = self._begin(model.at(0, ids), given, None if rows is None else rows.block(here))
            v, h = model.at(2, ids).gibbs(v, steps, self._clamp(v, given))
            if self.n_classes is not None:
                y[here] = v[:, stack.sizes[-2] :].argmax(axis=1)
            V[here] = self._descend(stack, v, h, last, Stream(key, Purpose.DBN_DOWN, 0, 1, ids))
        return (V, y) if return_labels else V

    def _begin(self, top: Conditionals, classes: I64 | None, visible: States | None) -> States:
        """States of the top RBM's visible layer, labels included, to start chains from."""
        ids: Any = top.stream.rows
        if visible is None:
            v = top.down.sample_alone(len(ids), top.stream)
        else:
            stream = Stream(top.stream.seed, Purpose.DBN_UP, 0, 1, ids)
            v = self._stack.sample_up(visible, len(self) - 1, stream)
            if self.n_classes is not None and classes is None:
                v = self._beside_drawn_labels(v, stream)
        if self.n_classes is None or classes is None:
            return v
        units = self._stack.units(v, len(self) - 1)
        return join(units, one_hot(classes, self.n_classes, units.dtype))

    def _clamp(self, v: States, classes: I64 | None) -> NDArray[np.uint8] | None:
        """What chains of the top RBM must not change: the labels, where they are given."""
        if classes is None:
            return None
        clamp = np.zeros(v.shape, np.uint8)
        clamp[:, self.sizes[-2] :] = 1
        return clamp

    def _descend(self, stack: Stack, v: States, h: States, last: str, stream: Stream) -> States:
        """Visible states or means from the last states of chains in the top RBM."""
        n = len(self)
        if n == 1:
            return stack.visible_means(h) if last == "mean" else stack.units(v, 0)
        v = stack.units(v, n - 1)
        if last == "mean":
            return stack.visible_means(stack.sample_down(v, n - 1, 1, stream))
        return stack.sample_down(v, n - 1, 0, stream)

    # --- Filling in --------------------------------------------------------------------------------------

    def impute(
        self,
        V: Any,
        mask: ArrayLike | None = None,
        steps: int = 100,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        average: bool = False,
    ) -> F32:
        """Fill in missing entries: sweeps up and down through all layers with the known entries held fixed.

        A sweep draws every layer upwards, then a Gibbs step of the top RBM, then every layer downwards. The
        missing units of a row start as draws from their biases alone. With a single RBM these are samples of
        what is missing given what is known. In a deeper network they are **approximate**: the way up through
        the recognition weights is not the model's exact distribution of the hidden units.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states. In a float array NaN marks what is missing.
        mask : bool array (n_rows, n_visible), optional
            True marks what is missing as well, whatever stands there in an array.
        steps : int, default 100
            Sweeps, at least 1.
        seed : int, Generator or None
            See the notes of `rbmfast.RBM`.
        first_row : int, default 0
            Number of the first row of `V` in a larger whole.
        average : bool, default False
            False fills in states; True the visible probabilities averaged over the second half of the sweeps.

        Returns
        -------
        float32 array (n_rows, n_visible)
            A new array; known entries are as given, rounded to float32.

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> agree = rf.RBM.from_arrays([[9.0], [9.0]], a=[-4.5, -4.5], b=[-9.0])  # two units that agree
        >>> dbn = rf.DBN.from_rbms([agree, rf.RBM.from_arrays([[9.0]], a=[-4.5], b=[-4.5])])
        >>> dbn.impute([[1, np.nan], [np.nan, 0]], seed=2)
        array([[1., 1.],
               [0., 0.]], dtype=float32)
        """
        filled, gaps = split_missing(V, mask)
        rows = as_rows(filled, self.n_visible, domain=self.visible.domain, name="V", compact=True)
        known = known_values(filled, rows)
        missing = self.visible.whole(check_mask(gaps, known.shape))
        self.visible.check_states(rows, "V", missing)
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2 - 1)
        row = check_first_row(first_row, rows.n_rows)
        key = check_seed(seed)

        incomplete = np.flatnonzero(missing.any(axis=1))
        for first, end in self._spans(len(incomplete)):
            here = incomplete[first:end]
            gaps = missing[here]
            fill = self._fill_in(rows.block(here), gaps, steps, key, row + here, average)
            known[here] = np.where(gaps, fill, known[here])
        return known

    def _fill_in(
        self, v: States, missing: NDArray[np.bool_], steps: int, seed: int, rows: I64, average: bool
    ) -> NDArray[Any]:
        """Numbers for the missing entries of a block (others are not to be used)."""
        stack, top = self._stack, self.top._down
        stream = Stream(seed, Purpose.DBN_IMPUTE, rows=rows)
        drawn = stack.down[0].sample_alone(len(v), stream)
        labels = top.sample_alone(len(v), stream.on(len(self) - 1))[:, stack.sizes[-2] :]
        v = np.where(missing, in_form(stack.units(drawn, 0), v.dtype), v)
        total, n_averaged = np.zeros(v.shape), steps - steps // 2
        for t in range(steps):
            up = stream.after(2 + 2 * t)
            down = up.after(1)
            h1, labels = self._sweep(stack, v, labels, up, down)
            if average and t >= steps - n_averaged:
                total += stack.visible_means(h1)
            drawn = stack.units(stack.down[0].sample(h1, down), 0)
            v = np.where(missing, in_form(drawn, v.dtype), v)
        if average:
            return (total / n_averaged).astype(np.float32)
        return without_levels(v)

    def _sweep(
        self, stack: Stack, v: States, labels: States, up: Stream, down: Stream
    ) -> tuple[States, States]:
        """From visible states to the top layer and back to layer 1; that layer's states, and the labels'."""
        n = len(self)
        states = stack.sample_up(v, n - 1, up)
        h = stack.up[-1].sample(states if self.n_classes is None else join(states, labels), up.on(n))
        if n == 1:
            both = stack.down[0].sample(h, down)
            return h, both[:, stack.sizes[0] :]
        both = stack.down[-1].sample(h, down.on(n - 1))
        labels = both[:, stack.sizes[-2] :]
        return stack.sample_down(stack.units(both, n - 1), n - 1, 1, down), labels

    # --- Labels ------------------------------------------------------------------------------------------

    def predict_log_proba(self, V: Any) -> F64:
        """Log-probabilities of the classes, given visible states.

        They are exact for the top RBM, given the expectations that come up to it.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.

        Returns
        -------
        float64 array (n_rows, n_classes)
            log p(class | v), in nats.

        Raises
        ------
        TypeError, ValueError
            Bad states, or a network without labels.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> dbn = rf.DBN([6, 4, 3], n_classes=2, seed=0)
        >>> np.exp(dbn.predict_log_proba([[1, 0, 1, 0, 0, 1]])).sum().round(6)
        np.float64(1.0)
        """
        if self.n_classes is None:
            raise ValueError("this network has no labels: n_classes was not given")
        return self._class_log_probabilities(self._penultimate(self._rows(V)))

    def predict(self, V: Any) -> I64:
        """The most probable class of each row, the first of equals.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.

        Returns
        -------
        int64 array (n_rows,)

        Raises
        ------
        TypeError, ValueError
            Bad states, or a network without labels.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], n_classes=2, seed=0).predict([[1, 0, 1, 0, 0, 1]]).shape
        (1,)
        """
        best: I64 = self.predict_log_proba(V).argmax(axis=1)
        return best

    def _penultimate(self, rows: Rows) -> Rows:
        """Expectations of the layer below the top."""
        return self._stack.rows_at(len(self) - 1, rows, MEAN, seed=0, step=0)

    def _class_log_probabilities(self, states: Rows) -> F64:
        answer: F64 = self.top.class_log_probabilities(states)  # type: ignore[attr-defined]
        return answer

    def _sees_labels(self, layer: int) -> bool:
        """Whether labels stand beside the layer below this one."""
        return self.n_classes is not None and layer == len(self)

    def _class_input(self, states: States) -> F32:
        """What the label units hear, in effect, from states of the layer below the top."""
        rows = computed_rows(states.shape, states.dtype, states.__getitem__)
        return self._class_log_probabilities(rows).astype(np.float32)

    @property
    def _label_unit(self) -> Categorical:
        assert self.n_classes is not None
        return Categorical(self.n_classes)

    def _beside_expected_labels(self, states: States) -> States:
        return join(states, self._label_unit.expectation(self._class_input(states)))

    def _beside_drawn_labels(self, states: States, stream: Stream) -> States:
        """With labels drawn given the states, by numbers apart from those of the states."""
        own = stream.on(len(self) - 1).after(LABEL_STEPS)
        return join(states, self._label_unit.sample(self._class_input(states), own))

    def _check_labels(self, labels: ArrayLike | None, n: int) -> I64 | None:
        """Class numbers (n,), or None."""
        if labels is None:
            return None
        if self.n_classes is None:
            raise ValueError("labels need a network with labels: n_classes was not given")
        return check_labels(labels, n, self.n_classes, one_for_all=True)

    # --- Feed-forward networks ---------------------------------------------------------------------------

    def to_network(
        self, n_outputs: int | None = None, head: str | None = "softmax", seed: SeedLike = None
    ) -> Network:
        """A feed-forward network that begins with the recognition weights, for `rbmfast.fine_tune`.

        Parameters
        ----------
        n_outputs : int, optional
            Outputs. Without it the network ends with the label units, if there are any, else with the top
            layer.
        head : {"softmax", "linear"} or None, default "softmax"
            Activation of the outputs; None for none: the network ends with the top layer.
        seed : int, Generator or None
            Of the weights to new outputs. With labels, a softmax of `n_classes` outputs begins with the
            weights between the top layer and the label units instead.

        Returns
        -------
        Network
            Its parameters are copies. It computes `hidden_probabilities`; but with labels, their shares in
            the training data take the place of what the top layer would hear from them.

        Raises
        ------
        TypeError, ValueError
            A bad argument, or hidden units without an activation.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).to_network(2, seed=1)
        Network([Dense(6, 4, 'sigmoid'), Dense(4, 3, 'sigmoid'), Dense(3, 2, 'softmax')])
        """
        return to_network(self.recognition, n_outputs, head, seed)

    def to_autoencoder(self) -> Network:
        """The network unrolled: up through the recognition weights, and down through the generative ones.

        Returns
        -------
        Network
            With ``2 * len(dbn)`` layers; it computes `reconstruct`, but for labels.

        Raises
        ------
        ValueError
            Units without an activation.

        References
        ----------
        Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4], visible="gaussian", seed=0).to_autoencoder()
        Network([Dense(6, 4, 'sigmoid'), Dense(4, 6, 'linear')], domain='real')
        """
        return to_autoencoder(self.recognition, self.generative)

    # --- Files -------------------------------------------------------------------------------------------

    def save(self, path: FilePath) -> None:
        """Write the network to one file, which `rbmfast.load` reads.

        The file appears complete or not at all, and holds the exact float32 numbers: a loaded network gives
        the same bits.

        Parameters
        ----------
        path : str, bytes or PathLike
            Where to write; an existing file is replaced.

        Raises
        ------
        OSError
            The file cannot be written.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).save("small.dbn")
        >>> rf.load("small.dbn")
        DBN([6, 4, 3])
        """
        write_file(path, "dbn", *self.to_state())

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """Everything the network is, as metadata and arrays for a file."""
        described: list[JSON] = []
        arrays: dict[str, NDArray[Any]] = {}
        for name, rbm in self._named_rbms():
            meta, own = rbm.to_state()
            described.append({"name": name, **meta})
            arrays |= {f"{name}/{key}": array for key, array in own.items()}
        meta = {
            "sizes": [*self.sizes],
            "n_classes": self.n_classes,
            "seed": self._seed,
            "stream_version": STREAM_VERSION,
            "rbms": described,
        }
        return meta, arrays

    def _named_rbms(self) -> Iterator[tuple[str, RBM]]:
        """Every RBM once: ``generative/i``, and ``recognition/i`` where that is another one."""
        for i, rbm in enumerate(self._generative):
            yield f"generative/{i}", rbm
        for i, rbm in enumerate(self._recognition):
            if rbm is not self._generative[i]:
                yield f"recognition/{i}", rbm

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> DBN:
        """The network that `to_state` described.

        Raises
        ------
        TypeError, ValueError
            The description contradicts itself, lacks something, or names an unknown unit type.
        """
        for key in ("sizes", "n_classes", "seed", "rbms"):
            if key not in meta:
                raise ValueError(f"{key} is lacking")
        n = len(_check_sizes(meta["sizes"])) - 1
        rbms = _read_rbms(meta, arrays, f"generative/{n - 1}")
        names = [f"generative/{i}" for i in range(n)]
        others = [f"recognition/{i}" for i in range(n - 1)]
        if not {*names} <= rbms.keys() <= {*names, *others}:
            raise ValueError(f"the RBMs of {n} layers must be {', '.join(names)}, got {', '.join(rbms)}")
        dbn = cls.from_rbms([rbms[name] for name in names], seed=meta["seed"])
        for i, name in enumerate(others):
            dbn._recognition[i] = rbms.get(name, dbn._generative[i])
        _check_rbms(dbn._recognition)
        if [*dbn.sizes] != meta["sizes"] or dbn.n_classes != meta["n_classes"]:
            raise ValueError(f"sizes must be those of the RBMs, {[*dbn.sizes]}, got {meta['sizes']}")
        return dbn

    # --- For the rest of the library ---------------------------------------------------------------------

    @property
    def _stack(self) -> Stack:
        """All conditional distributions as they stand."""
        ups = tuple(rbm._up for rbm in self._recognition)
        return Stack(ups, tuple(rbm._down for rbm in self._generative), self.sizes)

    def _unit(self, layer: int) -> Unit:
        """Unit type of a layer, without labels."""
        return self._generative[layer - 1].hidden if layer else self._generative[0].features

    def _rows(self, V: Any, name: str = "V", layer: int = 0) -> Rows:
        return self._unit(layer).rows(V, self.sizes[layer], name, compact=True)

    def _check_layer(self, layer: int) -> int:
        n = len(self)
        number = check_integer(layer, "layer", low=-n, high=n)
        if number == 0:
            raise ValueError(f"layer must be a hidden layer, from 1 to {n} or from -{n} to -1, got 0")
        return number if number > 0 else n + 1 + number

    @property
    def _block_rows(self) -> int:
        """Rows to work on at once: a fixed number for given layers."""
        return max(1, BLOCK_BYTES // (8 * sum(self.sizes)))

    def _spans(self, n: int) -> Iterator[tuple[int, int]]:
        size = self._block_rows
        return ((first, min(first + size, n)) for first in range(0, n, size))

    def _by_blocks(self, rows: Rows, answer: Any, sparse: bool = False) -> NDArray[Any]:
        """Call ``answer(block, number of its first row)`` for block after block; all answers in one array."""
        lowest, size = self._generative[0], self._block_rows
        blocks = lowest._input_blocks(rows, size) if sparse else rows.blocks(size)
        return lowest._by_blocks(rows, answer, blocks)


# --- Arguments ---------------------------------------------------------------------------------------------


def _check_sizes(sizes: object) -> list[int]:
    allowed = "sizes must be a list of two or more numbers of units, such as [784, 500, 500]"
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, (Sequence, np.ndarray)):
        raise TypeError(f"{allowed}, got {sizes!r}")
    if not 2 <= len(sizes) <= MAX_LAYERS + 1:
        raise ValueError(f"{allowed}, at most {MAX_LAYERS + 1}; got {len(sizes)}")
    return [check_integer(n, f"sizes[{i}]", low=1, high=MAX_UNITS) for i, n in enumerate(sizes)]


def _check_hidden(hidden: UnitLike | Sequence[UnitLike], n: int) -> list[Unit]:
    """A unit type for each of n hidden layers."""
    if not isinstance(hidden, (list, tuple)):
        return [get_unit(hidden, "hidden")] * n  # type: ignore[arg-type]
    if len(hidden) != n:
        raise ValueError(f"hidden must have a unit type for each of {n} hidden layers, got {len(hidden)}")
    return [get_unit(unit, f"hidden[{i}]") for i, unit in enumerate(hidden)]


def _check_rbms(rbms: Iterable[RBM]) -> list[RBM]:
    """RBMs that fit on top of each other."""
    if not isinstance(rbms, Iterable):
        raise TypeError(f"rbms must be a list of RBMs, from the lowest up, got {rbms!r}")
    checked = list(rbms)
    if not 1 <= len(checked) <= MAX_LAYERS:
        raise ValueError(f"rbms must be a list of 1 to {MAX_LAYERS} RBMs, got {len(checked)}")
    for i, rbm in enumerate(checked):
        if not isinstance(rbm, RBM):
            raise TypeError(f"rbms[{i}] must be an rf.RBM, got {rbm!r}")
        if any(rbm is other for other in checked[:i]):
            raise ValueError(f"rbms[{i}] is already in the list: each layer needs an RBM of its own")
        if rbm.n_classes and i < len(checked) - 1:
            raise ValueError(f"rbms[{i}] has labels, which only the last one may have")
        if i == 0:
            continue
        n_visible, unit = rbm.n_features, rbm.features
        below = checked[i - 1]
        if (n_visible, unit) != (below.n_hidden, below.hidden):
            raise ValueError(
                f"rbms[{i}] must have {below.n_hidden} visible units of type {below.hidden.name!r}, like the "
                f"hidden layer below it, got {n_visible} of type {unit.name!r}"
            )
    return checked


def _read_rbms(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], top: str) -> dict[str, RBM]:
    """The RBMs of a file by their names."""
    if not isinstance(meta["rbms"], list) or not all(isinstance(rbm, dict) for rbm in meta["rbms"]):
        raise ValueError("rbms must be a list of descriptions")
    rbms: dict[str, RBM] = {}
    for described in meta["rbms"]:
        name = str(described.get("name"))
        own = {
            key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")
        }
        kind = ClassRBM if meta["n_classes"] is not None and name == top else RBM
        try:
            rbms[name] = kind.from_state(described, own)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from error
    return rbms
