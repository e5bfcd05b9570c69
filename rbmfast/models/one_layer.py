"""One layer of units, any two of which may be joined: its parameters, and how these are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.files import JSON
from rbmfast.interactions.within import Within, check_graph, sites_of
from rbmfast.models.base import Model, known_as, warn_of_other_streams
from rbmfast.models.parameters import Parameters, as_numbers, check_parameter, warn_if_coarse
from rbmfast.models.two_layers import DEFAULT_UNIT, MAX_UNITS, WEIGHT_SCALE, UnitLike, in_words
from rbmfast.reference import F32, STREAM_VERSION
from rbmfast.runtime import check_fits_memory
from rbmfast.streams import Purpose
from rbmfast.units import Unit, described, get_unit

M = TypeVar("M", bound="OneLayer")


@dataclass(frozen=True, eq=False)
class Version(Parameters):
    """`Parameters` of a layer that is joined with itself: W is symmetric, and b is a."""

    _within: Within | None = field(default=None, init=False, repr=False)

    @property
    def within(self) -> Within:
        """What sweeps; made when first asked for."""
        if self._within is None:
            object.__setattr__(self, "_within", Within(self.units[0], self.W))
        assert self._within is not None
        return self._within

    @property
    def constant(self) -> float:
        """What an energy of states as shown has more than that of the states computed with."""
        affine = self.units[0].affine(len(self.a))
        if affine is None:
            return 0.0
        W, a = (array.astype(np.float64) for array in self.shown[:2])
        return -math.fsum(affine.offset * (W @ affine.offset / 2 + a))


@known_as("BoltzmannMachine")
class OneLayer(Model):
    """What an `rbmfast.BoltzmannMachine` is made of: its parameters, replaced as a whole, and its files."""

    kind: ClassVar[str] = "boltzmann"
    imputing: ClassVar[Purpose] = Purpose.IMPUTE
    learns: ClassVar[str] = "joint"

    def __init__(
        self,
        n_visible: int,
        n_hidden: int = 0,
        *,
        units: UnitLike = DEFAULT_UNIT,
        graph: Any = None,
        seed: SeedLike = None,
    ) -> None:
        n_visible = check_integer(n_visible, "n_visible", low=1, high=MAX_UNITS)
        n_hidden = check_integer(n_hidden, "n_hidden", low=0, high=MAX_UNITS - n_visible)
        n, unit = n_visible + n_hidden, get_unit(units, "units")
        check_fits_memory(12 * n * n, f"a machine of {n} units")
        self._build(unit, n_visible, n, graph)
        self._seed: int | None = (key := check_seed(seed))
        new = engine.normal_weights(n, n, WEIGHT_SCALE, key, Purpose.INITIALIZE, 0)
        new = np.triu(np.where(np.arange(n) < n_visible, np.float32(0), new), 1)
        W, a = np.where(self._joined, new + new.T, np.float32(0)), np.zeros(n, np.float32)
        self._parameters = Version.of_shown((W, a, a), (unit, unit), is_untouched=True)

    def _build(self, unit: Unit, n_visible: int, n_units: int, graph: Any) -> None:
        unit.check_size(n_units, "the number of units")
        visible, blocks = unit.part(0, n_visible), unit.blocks(n_units)
        if blocks is None or len(blocks) != 1:
            raise ValueError(f"units must be 'bernoulli', 'spin' or rf.Categorical(q), got {unit!r}")
        if visible is None:
            raise ValueError(f"n_visible must be whole groups of {unit!r}, got {n_visible}")
        self._n_visible, self._visible = n_visible, visible
        self._hidden = (unit.part(n_visible, n_units) if n_units > n_visible else unit) or unit
        of = sites_of(unit, n_units)
        self._graph = check_graph(graph, int(of[-1]) + 1)
        self._graph.flags.writeable = False
        self._joined = self._graph[of[:, None], of]  # which units

    @classmethod
    def from_arrays(
        cls: type[M],
        W: ArrayLike,
        a: ArrayLike,
        *,
        n_hidden: int = 0,
        units: UnitLike = DEFAULT_UNIT,
        graph: Any = None,
    ) -> M:
        """A machine with given parameters.

        Parameters
        ----------
        W : array_like (n_units, n_units)
            Symmetric, with 0 on the diagonal, within groups, and outside of the graph. Both are copied.
        a : array_like (n_units,)
            Biases.
        n_hidden, units, graph
            As of a new one.

        Raises
        ------
        TypeError, ValueError
            A wrong shape or dtype, weights that are not symmetric or not 0 where they must be.
        """
        n, unit = as_numbers(a, "a").size, get_unit(units, "units")
        n_hidden = check_integer(n_hidden, "n_hidden", low=0, high=max(0, n - 1))
        machine = cls.__new__(cls)
        machine._build(unit, n - n_hidden, n, graph)
        machine._seed = None
        W, a = machine._check_weights(W), check_parameter(a, "a", (n,))
        machine._parameters = Version.of_shown((W, a, a), (unit, unit))
        return machine

    def _check_weights(self, W: ArrayLike) -> F32:
        n = self._n_units
        weights = warn_if_coarse(check_parameter(W, "W", (n, n)))
        for wrong, rule in (
            (weights != weights.T, "be symmetric: pass (W + W.T) / 2"),
            ((weights != 0) & ~self._joined, "be 0 on its diagonal, within groups, and outside of the graph"),
        ):
            if wrong.any():
                i, j = (int(k) for k in np.argwhere(wrong)[0])
                raise ValueError(f"W must {rule}; got {weights[i, j]:g} at [{i}, {j}]")
        return weights

    # --- What it is ---------------------------------------------------------------------------------------

    @property
    def W(self) -> F32:
        """Weights: read-only float32 view (n_units, n_units)."""
        return self._parameters.shown[0].view()

    @W.setter
    def W(self, value: ArrayLike) -> None:
        self._assign(self._check_weights(value), self.a)

    @property
    def a(self) -> F32:
        """Biases: read-only float32 view (n_units,)."""
        return self._parameters.shown[1].view()

    @a.setter
    def a(self, value: ArrayLike) -> None:
        self._assign(self.W, check_parameter(value, "a", self.a.shape))

    def _assign(self, W: F32, a: F32) -> None:
        p = self._parameters
        self._parameters = Version.of_shown((W, a, a), p.units, p.visible_means)

    def _set_parameters(self, W: F32, a: F32, visible_means: F32 | None = None) -> None:
        """Replace those for states 0 and 1 by copies, all at once."""
        p = self._parameters
        self._parameters = Version(
            W, a, a, p.units, p.visible_means if visible_means is None else visible_means
        )

    def _own_parameters(self) -> dict[str, F32]:
        """What `_set_parameters` takes."""
        p = self._parameters
        means = {} if p.visible_means is None else {"visible_means": p.visible_means}
        return {"W": p.W, "a": p.a, **means}

    def parameters(self) -> dict[str, F32]:
        """What is learned, by name: `W` and `a`, read-only."""
        return {"W": self.W, "a": self.a}

    @property
    def units(self) -> Unit:
        """Unit type of all units."""
        return self._parameters.units[0]

    @property
    def visible(self) -> Unit:
        """Unit type of the visible units."""
        return self._visible

    @property
    def hidden(self) -> Unit:
        """Unit type of the hidden units."""
        return self._hidden

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return self._n_visible

    @property
    def n_hidden(self) -> int:
        """Number of hidden units."""
        return self._n_units - self.n_visible

    @property
    def _n_units(self) -> int:
        return len(self._joined)

    n_classes = 0  # no unit is a label
    _n_columns = n_visible

    @property
    def graph(self) -> NDArray[np.bool_]:
        """Which sites may interact: read-only bool array (n_sites, n_sites)."""
        return self._graph

    @property
    def seed(self) -> int | None:
        """The seed of the initial weights; None if they were given."""
        return self._seed

    @property
    def is_untouched(self) -> bool:
        """Whether the parameters are still those of a new machine."""
        return self._parameters.is_untouched

    def __repr__(self) -> str:
        hidden = f", {self.n_hidden}" if self.n_hidden else ""
        return f"{type(self).__name__}({self.n_visible}{hidden}{in_words(units=self.units)})"

    # --- Files --------------------------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`."""
        p = self._parameters
        meta: dict[str, JSON] = {
            "n_visible": self.n_visible,
            "n_hidden": self.n_hidden,
            "units": described(self.units, "units"),
            "seed": self.seed,
            "is_untouched": p.is_untouched,
            "stream_version": STREAM_VERSION,
        }
        own = {} if p.parametrization is None else {"own_W": p.W, "own_a": p.a}
        means = {} if p.visible_means is None else {"visible_means": p.visible_means}
        return meta, {**self.parameters(), **own, **means, "graph": self.graph.view(np.uint8)}

    @classmethod
    def from_state(cls: type[M], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> M:
        """See `Storable.from_state`."""
        unit, graph = get_unit(meta["units"], "units"), arrays["graph"] != 0
        W, a, means = arrays["W"], arrays["a"], arrays.get("visible_means")
        machine = cls.from_arrays(W, a, n_hidden=meta["n_hidden"], units=unit, graph=graph)
        if machine.n_visible != meta["n_visible"]:
            raise ValueError(f"n_visible must be {machine.n_visible}, got {meta['n_visible']}")
        machine._seed = None if meta["seed"] is None else check_seed(meta["seed"])
        p = machine._parameters
        own = check_parameter(arrays.get("own_a", p.a), "own_a", p.a.shape)
        machine._parameters = replace(
            p,
            W=machine._check_weights(arrays.get("own_W", p.W)),
            a=own,
            b=own,
            visible_means=None if means is None else check_parameter(means, "means", (machine.n_visible,)),
            is_untouched=meta.get("is_untouched") is True,
        )
        warn_of_other_streams(meta.get("stream_version"))
        return machine
