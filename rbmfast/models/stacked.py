"""Layers on top of each other, joined by RBMs: how a deep network is built, and kept in files."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.models.base import Deep, known_as
from rbmfast.models.class_rbm import MAX_CLASSES, ClassRBM
from rbmfast.models.conditionals import Stack
from rbmfast.models.convolutional import ConvRBM
from rbmfast.models.pooling import Pooling, Unpooling, with_pooling
from rbmfast.models.rbm import RBM
from rbmfast.models.two_layers import DEFAULT_UNIT, MAX_UNITS, UnitLike
from rbmfast.reference import F32, STREAM_VERSION
from rbmfast.saved import under
from rbmfast.streams import Purpose
from rbmfast.units import Unit, get_unit

D = TypeVar("D", bound="Stacked")

MAX_LAYERS = 63  # the random numbers have 6 bits for a layer
KINDS: dict[str, type[RBM]] = {model.kind: model for model in (RBM, ClassRBM, ConvRBM)}  # of layers
SEED_STEP = 1  # of the random numbers that make the RBMs' seeds: their weights take step 0


@known_as("DBN")
class Stacked(Deep):
    """What an `rbmfast.DBN` is made of: RBMs, each of which fits on the one below."""

    kind: ClassVar[str] = "dbn"
    imputing: ClassVar[Purpose] = Purpose.DBN_IMPUTE

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        n_classes: int | None = None,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike | Sequence[UnitLike] = DEFAULT_UNIT,
        seed: SeedLike = None,
    ) -> None:
        units_in_layers = check_sizes(sizes)
        n = len(units_in_layers) - 1
        units = [get_unit(visible, "visible"), *_check_hidden(hidden, n)]
        if n_classes is not None:
            n_classes = check_integer(n_classes, "n_classes", low=2, high=MAX_CLASSES)
        self._seed = check_seed(seed)
        self._generative: list[RBM] = []
        for i in range(n):
            layers = units_in_layers[i], units_in_layers[i + 1]
            own_seed = layer_seed(self._seed, i, Purpose.INITIALIZE, SEED_STEP)
            labels = [n_classes] if n_classes is not None and i == n - 1 else []
            kind = ClassRBM if labels else RBM
            rbm = kind(*layers, *labels, visible=units[i], hidden=units[i + 1], seed=own_seed)
            self._generative.append(rbm)
        self._recognition = list(self._generative)

    @classmethod
    def from_rbms(cls: type[D], rbms: Iterable[RBM], *, seed: SeedLike = 0) -> D:
        """A network of given RBMs.

        Parameters
        ----------
        rbms : iterable of RBM
            From the lowest up; the very objects become parts of the network. The visible layer of each must
            be like the hidden layer of the one below, or like the pooled units of a `rbmfast.ConvRBM`, of
            its `pooled_shape`. The last one may be an `rbmfast.ClassRBM`.
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
        dbn._generative = check_rbms(rbms)
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
        if not below._parameters.interaction.is_dense:
            if unroll:
                raise ValueError(f"unroll must be False on weights that places share, as in {below!r}")
            alike = False
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
        """The RBMs from the lowest up. What they say downwards generates; `top` counts in both directions."""
        return tuple(self._generative)

    @property
    def recognition(self) -> tuple[RBM, ...]:
        """What they say upwards recognises. While the weights are tied these are the very same objects."""
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
        """Units in each layer as the next one sees it, from the visible one up, without labels."""
        return (*(rbm.n_features for rbm in self._generative), self.top.n_hidden)

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

    def __repr__(self) -> str:
        labels = "" if self.n_classes is None else f", n_classes={self.n_classes}"
        units = [self._unit(i + 1).name for i in range(len(self))]
        visible = "" if self.visible.name == DEFAULT_UNIT else f", visible={self.visible.name!r}"
        hidden = (
            "" if {*units} == {DEFAULT_UNIT} else f", hidden={units if len({*units}) > 1 else units[0]!r}"
        )
        return f"DBN({[*self.sizes]}{labels}{visible}{hidden})"

    # --- Files -------------------------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`."""
        described: list[JSON] = []
        arrays: dict[str, NDArray[Any]] = {}
        for name, rbm in self._named_rbms():
            meta, own = rbm.to_state()
            described.append({"name": name, "kind": rbm.kind, **meta})
            arrays |= {f"{name}/{key}": array for key, array in own.items()}
        meta = {
            "sizes": [*self.sizes],
            "n_classes": self.n_classes,
            "seed": self._seed,
            "stream_version": STREAM_VERSION,
            "rbms": described,
        }
        return meta, arrays

    def parameters(self) -> dict[str, F32]:
        """What is learned, by name: that of every RBM, those that recognise too where they are others.

        Returns
        -------
        dict of str to float32 array
            Read-only views.

        Examples
        --------
        >>> import rbmfast as rf
        >>> [*rf.DBN([6, 4, 3], seed=0).parameters()][:4]
        ['generative/0/W', 'generative/0/a', 'generative/0/b', 'generative/1/W']
        """
        rbms = self._named_rbms()
        return {f"{name}/{key}": array for name, rbm in rbms for key, array in rbm.parameters().items()}

    def _named_rbms(self) -> Iterator[tuple[str, RBM]]:
        """Every RBM once: ``generative/i``, and ``recognition/i`` where that is another one."""
        for i, rbm in enumerate(self._generative):
            yield f"generative/{i}", rbm
        for i, rbm in enumerate(self._recognition):
            if rbm is not self._generative[i]:
                yield f"recognition/{i}", rbm

    @classmethod
    def from_state(cls: type[D], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> D:
        """See `Storable.from_state`."""
        n = len(check_sizes(meta["sizes"])) - 1
        rbms = _read_rbms(meta, arrays, f"generative/{n - 1}")
        names = [f"generative/{i}" for i in range(n)]
        others = [f"recognition/{i}" for i in range(n - 1)]
        if not {*names} <= rbms.keys() <= {*names, *others}:
            raise ValueError(f"the RBMs of {n} layers must be {', '.join(names)}, got {', '.join(rbms)}")
        dbn = cls.from_rbms([rbms[name] for name in names], seed=meta["seed"])
        for i, name in enumerate(others):
            dbn._recognition[i] = rbms.get(name, dbn._generative[i])
        check_rbms(dbn._recognition)
        if [*dbn.sizes] != meta["sizes"] or dbn.n_classes != meta["n_classes"]:
            raise ValueError(f"sizes must be those of the RBMs, {[*dbn.sizes]}, got {meta['sizes']}")
        return dbn

    # --- For the rest of the library ---------------------------------------------------------------------

    @property
    def _stack(self) -> Stack:
        """All conditional distributions as they stand."""
        ups = [rbm._up for rbm in self._recognition]
        downs = [rbm._down for rbm in self._generative]
        for i in range(len(self) - 1):
            if self._pools(i):
                ups[i], downs[i] = with_pooling(ups[i], Pooling), with_pooling(downs[i], Unpooling)
        return Stack(tuple(ups), tuple(downs), self.sizes)

    def _pools(self, i: int) -> bool:
        """Whether the RBM above RBM i sees blocks of its hidden units in place of these."""
        return self._unit(i + 1) != self._generative[i].hidden

    def _unit(self, layer: int) -> Unit:
        """Unit type of a layer as the next one sees it, without labels."""
        return self._generative[layer].features if layer < len(self) else self.top.hidden

    def _hidden_rows(self, H: Any, layer: int) -> Rows:
        return self._unit(layer).rows(H, self.sizes[layer], "H", compact=True)


def layer_seed(seed: int, layer: int, purpose: Purpose, step: int) -> int:
    """A seed for one layer's RBM, so that no two share random numbers; the lowest takes `seed` itself."""
    if layer == 0:
        return seed
    low, high = engine.uniform_u32(1, 2, seed, purpose, layer, step)[0]
    return int(low) | int(high) << 32


# --- Arguments ---------------------------------------------------------------------------------------------


def check_sizes(sizes: object) -> list[int]:
    """Numbers of units in two or more layers; a clear error otherwise."""
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


def check_rbms(rbms: Iterable[RBM]) -> list[RBM]:
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
        allowed = below.hidden.from_above(below.n_hidden)
        if (n_visible, unit) not in allowed:
            words = " or ".join(f"{n} visible units of type {one.name!r}" for n, one in allowed)
            raise ValueError(
                f"rbms[{i}] must have {words}, like the hidden layer below it, got {n_visible} of type "
                f"{unit.name!r}"
            )
    return checked


def _read_rbms(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], top: str) -> dict[str, RBM]:
    """The RBMs of a file by their names."""
    if not isinstance(meta["rbms"], list) or not all(isinstance(rbm, dict) for rbm in meta["rbms"]):
        raise ValueError("rbms must be a list of descriptions")
    rbms: dict[str, RBM] = {}
    for described in meta["rbms"]:
        name = str(described.get("name"))
        has_labels = meta["n_classes"] is not None and name == top
        kind = described.get("kind", (ClassRBM if has_labels else RBM).kind)  # older files do not say it
        if kind not in KINDS:
            raise ValueError(f"{name} must be one of {', '.join(KINDS)}, got {kind!r}")
        try:
            rbms[name] = KINDS[kind].from_state(described, under(arrays, f"{name}/"))
        except (KeyError, TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error.args[0]}") from error
    return rbms
