"""Two layers of units, all of one joined to all of the other: their parameters, and how these are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_choice, check_integer, check_seed
from rbmfast.data import Rows, as_rows, split_missing
from rbmfast.files import JSON
from rbmfast.models.base import Model, known_as, warn_of_other_streams
from rbmfast.models.conditionals import Conditional, Conditionals
from rbmfast.models.parameters import (
    Parameters,
    check_orientation,
    check_parameter,
    of_units,
    read_only,
    warn_if_coarse,
    weight_shape,
    with_parameters,
)
from rbmfast.reference import F32, F64, STREAM_VERSION, States
from rbmfast.runtime import check_fits_memory
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Unit, described, get_unit

R = TypeVar("R", bound="TwoLayers")
E = TypeVar("E", float, F64)
UnitLike = str | Unit | type[Unit]
DEFAULT_UNIT = "bernoulli"

WEIGHT_SCALE = 0.01  # of a new model's weights (Hinton 2010, section 8)
SPARSE = 2  # additions per value of a dense row below which CSR rows are faster left sparse (measured)
MAX_UNITS = 2**31 - 1
HOW = RANDOM, ABSENT = "random", "absent"  # what missing entries may be


@known_as("RBM")
class TwoLayers(Model):
    """What an `rbmfast.RBM` is made of: its parameters, checked and replaced as a whole, and its files."""

    kind: ClassVar[str] = "rbm"
    imputing: ClassVar[Purpose] = Purpose.IMPUTE

    # --- Parameters --------------------------------------------------------------------------------------

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike = DEFAULT_UNIT,
        seed: SeedLike = None,
    ) -> None:
        n_visible = check_integer(n_visible, "n_visible", low=1, high=MAX_UNITS)
        n_hidden = check_integer(n_hidden, "n_hidden", low=1, high=MAX_UNITS)
        units = get_unit(visible, "visible"), get_unit(hidden, "hidden")
        units[0].check_size(n_visible, "n_visible")
        units[1].check_size(n_hidden, "n_hidden")
        units[1].check_hidden()
        self._seed: int | None = check_seed(seed)
        weights = f"a model with n_visible={n_visible} and n_hidden={n_hidden}"
        check_fits_memory(_bytes_of_weights(n_visible, n_hidden), weights)
        W = engine.normal_weights(n_visible, n_hidden, WEIGHT_SCALE, self._seed, Purpose.INITIALIZE, 0)
        a, b = np.zeros(n_visible, np.float32), np.zeros(n_hidden, np.float32)
        layers = units[0].of_size(n_visible), units[1].of_size(n_hidden)
        self._parameters = Parameters.of_shown((W, a, b), layers, is_untouched=True)

    @classmethod
    def from_arrays(
        cls: type[R],
        W: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        *,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike = DEFAULT_UNIT,
    ) -> R:
        """A model with given parameters.

        Parameters
        ----------
        W : array_like (n_visible, n_hidden)
            Weights. All three are copied and rounded to float32. Tensors of PyTorch will do; those of a
            linear layer there are ``weight.T``.
        a, b : array_like (n_visible,), (n_hidden,)
            Visible and hidden biases.
        visible, hidden : str or Unit, default "bernoulli"
            Unit types.

        Returns
        -------
        RBM
            Its `seed` is None.

        Raises
        ------
        TypeError, ValueError
            A wrong shape or dtype, or a number that is not finite or not below 2**40 in size.

        Warns
        -----
        UserWarning
            Weights so large that the sampler sees them only coarsely.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> rf.RBM.from_arrays(np.zeros((4, 2)), a=np.zeros(4), b=np.full(2, -4.0))
        RBM(4, 2)
        """
        rbm = cls._of(W, a, b, get_unit(visible, "visible"), get_unit(hidden, "hidden"))
        warn_if_coarse(rbm.W)
        return rbm

    @classmethod
    def _of(cls: type[R], W: ArrayLike, a: ArrayLike, b: ArrayLike, visible: Unit, hidden: Unit) -> R:
        """`from_arrays` with the units of the whole layers."""
        shape = weight_shape(W)
        check_orientation(W, a, b)
        rbm = cls.__new__(cls)
        visible.check_size(shape[0], "the number of rows of W")
        hidden.check_size(shape[1], "the number of columns of W")
        hidden.check_hidden()
        rbm._seed = None
        given = (
            check_parameter(W, "W", shape),
            check_parameter(a, "a", shape[:1]),
            check_parameter(b, "b", shape[1:]),
        )
        layers = visible.of_size(shape[0]), hidden.of_size(shape[1])
        rbm._parameters = Parameters.of_shown(given, layers)
        return rbm

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return len(self._parameters.a)

    @property
    def n_hidden(self) -> int:
        """Number of hidden units."""
        return len(self._parameters.b)

    @property
    def n_classes(self) -> int:
        """Number of classes that the last visible units say; 0 in a model without labels."""
        return 0

    @property
    def n_features(self) -> int:
        """Number of visible units that are no labels; these come first."""
        return self.n_visible - self.n_classes

    @property
    def _n_columns(self) -> int:
        return self.n_features

    @property
    def features(self) -> Unit:
        """Unit type of the visible units that are no labels."""
        return self.visible

    @property
    def visible(self) -> Unit:
        """Unit type of the visible layer."""
        return self._parameters.units[0]

    @property
    def hidden(self) -> Unit:
        """Unit type of the hidden layer."""
        return self._parameters.units[1]

    @property
    def seed(self) -> int | None:
        """The seed of the initial weights; None if they were given."""
        return self._seed

    @property
    def _learned(self) -> tuple[F32, F32, F32]:
        """W, a and b."""
        return self._parameters.shown

    @property
    def W(self) -> F32:
        """Weights: read-only float32 view (n_visible, n_hidden); of a `ConvRBM`, all three are as it says."""
        return self._learned[0].view()

    @W.setter
    def W(self, value: ArrayLike) -> None:
        self._assign(W=warn_if_coarse(check_parameter(value, "W", self.W.shape)))

    @property
    def a(self) -> F32:
        """Visible biases: read-only float32 view (n_visible,)."""
        return self._learned[1].view()

    @a.setter
    def a(self, value: ArrayLike) -> None:
        self._assign(a=check_parameter(value, "a", self.a.shape))

    @property
    def b(self) -> F32:
        """Hidden biases: read-only float32 view (n_hidden,)."""
        return self._learned[2].view()

    @b.setter
    def b(self, value: ArrayLike) -> None:
        self._assign(b=check_parameter(value, "b", self.b.shape))

    def parameters(self) -> dict[str, F32]:
        """What is learned, by name.

        Returns
        -------
        dict of str to float32 array
            Read-only: `W`, `a` and `b`, and what unit types of a layer learn beside their biases, under names
            such as ``visible.log_sigma``.

        Examples
        --------
        >>> import rbmfast as rf
        >>> {name: array.shape for name, array in rf.RBM(4, 2, seed=0).parameters().items()}
        {'W': (4, 2), 'a': (4,), 'b': (2,)}
        """
        return {"W": self.W, "a": self.a, "b": self.b, **of_units(self._parameters.units)}

    @property
    def visible_means(self) -> F32 | None:
        """Means of the data that the model was initialised or trained with: read-only (n_visible,)."""
        means = self._parameters.visible_means
        return None if means is None else read_only(self.visible.shown(means[None])[0])

    @property
    def is_untouched(self) -> bool:
        """Whether the parameters are still those of a new model."""
        return self._parameters.is_untouched

    def initialize(self, X: Any) -> None:
        """Set the visible biases from data, so that learning need not begin with them; keep the data's means.

        For Bernoulli units the biases become the log-odds of the means (one row of ones and one of zeros
        added, so that none is infinite), for categorical units the logarithms of the states' shares, for
        Gaussian units the means; a learned sigma becomes that of the data. `rbmfast.train` does this to a new
        model.

        Parameters
        ----------
        X : data of shape (n_rows, n_visible)
            Any container. Missing entries do not count.

        Raises
        ------
        TypeError, ValueError
            Bad data; the model is unchanged.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM(3, 2, seed=0)
        >>> rbm.initialize([[0, 0, 1], [0, 1, 1]])
        >>> rbm.a.round(3)
        array([-1.099,  0.   ,  1.099], dtype=float32)
        """
        with self._beginning_with(X) as X:
            old = self._parameters
            bias, means = self._initial_bias(self._visible_rows(X, "X", may_miss=True))
            bias = check_parameter(bias, "the visible bias from X", old.a.shape)
            self._set_parameters(old.W, bias, old.b, means)

    def _initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """Visible biases to begin with, and the means of the data."""
        return self.visible.initial_bias(rows)

    def __repr__(self) -> str:
        units = in_words(visible=self.visible, hidden=self.hidden)
        return f"{type(self).__name__}({self.n_visible}, {self.n_hidden}{units})"

    # --- Files -------------------------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`."""
        meta: dict[str, JSON] = {
            "n_visible": self.n_visible,
            "n_hidden": self.n_hidden,
            "visible": described(self.visible, "visible"),
            "hidden": described(self.hidden, "hidden"),
            "seed": self.seed,
            "is_untouched": self.is_untouched,
            "stream_version": STREAM_VERSION,
        }
        p = self._parameters
        arrays = self.parameters()
        to_show = p.parametrization
        if to_show is not None:  # what is shown may be rounded
            again = to_show.inward(*p.shown)
            own = {f"own_{name}": getattr(p, name) for name in "Wab"}
            arrays |= {
                name: array for (name, array), x in zip(own.items(), again, strict=True) if (array != x).any()
            }
        if p.visible_means is not None:
            arrays["visible_means"] = p.visible_means
        return meta, arrays

    @classmethod
    def from_state(cls: type[R], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> R:
        """See `Storable.from_state`."""
        shape = (
            check_integer(meta["n_visible"], "n_visible", low=1, high=MAX_UNITS),
            check_integer(meta["n_hidden"], "n_hidden", low=1, high=MAX_UNITS),
        )
        units = get_unit(meta["visible"], "visible"), get_unit(meta["hidden"], "hidden")
        W, a, b = arrays["W"], arrays["a"], arrays["b"]
        if W.shape != shape:
            raise ValueError(f"W must have shape {shape}, got {W.shape}")
        sized = units[0].of_size(shape[0]), units[1].of_size(shape[1])
        layers = {
            name: check_parameter(arrays.get(name, array), name, array.shape)
            for name, array in of_units(sized).items()
        }
        rbm = cls._of(W, a, b, *with_parameters(sized, layers))
        p = rbm._parameters
        rbm._parameters = replace(
            p,
            W=check_parameter(arrays.get("own_W", p.W), "own_W", shape),
            a=check_parameter(arrays.get("own_a", p.a), "own_a", shape[:1]),
            b=check_parameter(arrays.get("own_b", p.b), "own_b", shape[1:]),
        )
        rbm._restore(meta, arrays)
        return rbm

    def _restore(self, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back what a file says beside units and parameters."""
        seed, means = meta["seed"], arrays.get("visible_means")
        self._seed = None if seed is None else check_seed(seed)
        if means is not None:
            means = check_parameter(means, "visible_means", (self.n_visible,))
        untouched = meta.get("is_untouched") is True
        self._parameters = replace(self._parameters, visible_means=means, is_untouched=untouched)
        warn_of_other_streams(meta.get("stream_version"))

    # --- For the rest of the library ---------------------------------------------------------------------

    _joined: F32 | None = None  # 1 where W may differ from 0; None: everywhere
    _held: NDArray[np.bool_] | None = None  # visible units that learning holds at the data's states

    def _named_rbms(self: R) -> Iterator[tuple[str, R]]:
        """What learns: itself."""
        yield "", self

    @property
    def _row_units(self) -> tuple[Unit, int]:
        """Type and number of the units that rows of data to learn from are states of."""
        return self.visible, self.n_visible

    def _visible_with(self, unit: Unit) -> Unit:
        """The visible layer's type, with this one in place of that of `_row_units`."""
        return unit

    def _complete(self, model: Conditionals, v: States) -> States:
        """Visible states to learn from: rows of data, and expectations of units that no column stands for."""
        return v

    def _set_parameters(
        self, W: F32, a: F32, b: F32, visible_means: F32 | None = None, units: tuple[Unit, Unit] | None = None
    ) -> None:
        """Replace the parameters by copies of finite float32 arrays, all at once; the rest stays."""
        old = self._parameters
        means = old.visible_means if visible_means is None else visible_means
        self._parameters = Parameters(W, a, b, units or old.units, means, interaction=old.interaction)

    @contextmanager
    def _beginning_with(self, X: Any) -> Iterator[Any]:
        """`_begin_with`, taken back if an error follows."""
        before = self._parameters
        try:
            yield self._begin_with(X)
        except BaseException:
            self._parameters = before
            raise

    def _begin_with(self, X: Any) -> Any:
        """Give units that begin with data what they take from them, in a model that has learned nothing.

        What comes back is `X` to learn from: prepared rows are states of the units as they were before.
        """
        (unit, n), p = self._row_units, self._parameters
        if not (p.is_untouched and unit.begins_with_data):
            return X
        if isinstance(X, Rows):
            states = as_rows(X, n, domain="real", name="X").all()
            X = unit.shown(states if X.missing is None else np.where(X.missing, np.float32(np.nan), states))
        known, gaps = split_missing(X, None, unit.off(n), "X")
        rows = as_rows(known, n, domain="real", name="X")
        unit = unit.begun(rows if gaps is None else rows.without(gaps))
        new = p.W, p.a, p.b, (self._visible_with(unit), self.hidden)
        self._parameters = Parameters(*new, is_untouched=True, interaction=p.interaction)
        return X

    def _assign(self, **given: F32) -> None:
        """Replace some of the parameters for states as users see them."""
        old = self._parameters
        W, a, b = (given.get(name, array) for name, array in zip("Wab", old.shown, strict=True))
        new = Parameters.of_shown((W, a, b), old.units, old.visible_means)
        if "W" not in given:  # each bias stands for itself: what is not touched keeps its bits
            new = replace(new, **{name: getattr(old, name) for name in "Wab" if name not in given})
        self._parameters = new

    def _shown_energies(self, energies: E) -> E:
        """Energies of states as users see them, from those of the same states as the library computes."""
        p = self._parameters
        to_show = p.parametrization
        return energies if to_show is None else energies + to_show.energy(p.units, p.shown, (p.W, p.a, p.b))

    @property
    def _log_volumes(self) -> F64:
        """What the logarithm of an integral over a visible unit's states as users see them has more."""
        affine = self.visible.affine(self.n_visible)
        return np.zeros(self.n_visible) if affine is None else affine.log_volumes

    @property
    def _log_volume(self) -> float:
        """The same over all of them: what log Z has more."""
        return math.fsum(self._log_volumes)

    @property
    def _up(self) -> Conditional:
        p = self._parameters
        return Conditional(self.visible, self.hidden, p.weights, p.W, p.b, True, p.interaction)

    @property
    def _down(self) -> Conditional:
        p = self._parameters
        return Conditional(self.hidden, self.visible, p.weights, p.W, p.a, False, p.interaction)

    @property
    def _n_units(self) -> int:
        return self.n_visible + self.n_hidden

    @property
    def _pictured(self) -> tuple[F32, tuple[int, int] | None]:
        """Weights as pictures, (n_pixels, n_pictures), and their shape, if it is not that of the data."""
        return self.W[: self.n_features], None

    def _hidden_rows(self, H: Any, name: str = "H") -> Rows:
        return self.hidden.rows(H, self.n_hidden, name, compact=True)

    def _are_absent(self, missing: object) -> bool:
        """Whether missing entries stand for units that rows are without."""
        if check_choice(missing, "missing", HOW) == RANDOM:
            return False
        if self.visible.off(self.n_visible).any():
            raise ValueError(
                f"missing='absent' needs visible units whose state 0 sends nothing, got {self.visible}: use "
                "missing='random'"
            )
        return True

    def _conditionals(self, stream: Stream) -> Conditionals:
        return Conditionals(self._up, self._down, stream)

    def _input_blocks(self, rows: Rows, size: int) -> Iterator[tuple[int, Any]]:
        """Blocks of visible states: CSR matrices where that takes less time; then more rows fit."""
        if rows.stored is None or rows.stored * self.n_hidden > SPARSE * rows.n_rows * self.n_visible:
            return rows.blocks(size)
        return rows.sparse_blocks(max(1, size * (self.n_visible + self.n_hidden) // (2 * self.n_hidden)))


# --- Arguments ---------------------------------------------------------------------------------------------


def in_words(**units: Unit) -> str:
    """The arguments that say which units these are, where they are not the default."""
    descriptions = {layer: unit.describe() for layer, unit in units.items()}
    return "".join(
        f", {layer}={(name if isinstance(name, str) else units[layer])!r}"
        for layer, name in descriptions.items()
        if name != DEFAULT_UNIT
    )


def _bytes_of_weights(n_visible: int, n_hidden: int) -> int:
    """In float32, and quantised to int32 in both orientations, where rows are padded to 16 elements."""
    padded_visible, padded_hidden = (-(-n // 16) * 16 for n in (n_visible, n_hidden))
    return 4 * (n_visible * n_hidden + n_visible * padded_hidden + padded_visible * n_hidden)
