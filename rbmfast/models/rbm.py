"""The restricted Boltzmann machine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_integer, check_seed
from rbmfast.container import JSON, write_file
from rbmfast.data import Rows, as_rows
from rbmfast.files import FilePath
from rbmfast.models.conditionals import Conditional, Conditionals, row_dot
from rbmfast.models.missing import check_mask, known_values, split_missing
from rbmfast.models.parameters import (
    Parameters,
    check_orientation,
    check_parameter,
    warn_if_coarse,
    weight_shape,
)
from rbmfast.models.patterns import PatternCounts
from rbmfast.models.tempering import ParallelTempering, check_betas
from rbmfast.reference import F32, GREY, STREAM_VERSION, States
from rbmfast.runtime import check_fits_memory
from rbmfast.states import LEVELS, in_form, without_levels
from rbmfast.streams import MAX_ROW, MAX_STEP, Purpose, Stream, check_first_row
from rbmfast.units import Unit, described, get_unit
from rbmfast.units.base import F64

if TYPE_CHECKING:
    import scipy.sparse as sp

R = TypeVar("R", bound="RBM")
UnitLike = str | Unit | type[Unit]
DEFAULT_UNIT = "bernoulli"

WEIGHT_SCALE = 0.01  # of a new model's weights (Hinton 2010, section 8)
MAX_PATTERN_UNITS = 20
BLOCK_BYTES = 1 << 26  # scratch memory of one call, about
SPARSE = 2  # additions per value of a dense row below which CSR rows are faster left sparse (measured)
MAX_UNITS = 2**31 - 1


class RBM:
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
        Unit type of each layer: "bernoulli" (states 0 and 1), "gaussian" (real states, variance 1),
        ``rf.Categorical(K)`` (groups of K, one of which is on), or ``rf.Mixed([(unit, n), ...])`` for blocks
        of several types.
    seed : int, numpy.random.Generator or None
        Of the new weights, which are nearly normal with standard deviation 0.01; the biases are 0. None takes
        a seed from the system; `seed` keeps it.

    Attributes
    ----------
    W : float32 array (n_visible, n_hidden)
        Weights. This and the biases are read-only views; assign a whole array to change one.
    a : float32 array (n_visible,)
        Visible biases.
    b : float32 array (n_hidden,)
        Hidden biases.
    visible_means : float32 array (n_visible,) or None
        Means of the data that the model was initialised or trained with.
    is_untouched : bool
        Whether the parameters are still those of a new model.

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

    kind: ClassVar[str] = "rbm"  # what its files say that they hold

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
        self._visible = get_unit(visible, "visible")
        self._hidden = get_unit(hidden, "hidden")
        self.visible.check_size(n_visible, "n_visible")
        self.hidden.check_size(n_hidden, "n_hidden")
        self._seed: int | None = check_seed(seed)
        weights = f"a model with n_visible={n_visible} and n_hidden={n_hidden}"
        check_fits_memory(_bytes_of_weights(n_visible, n_hidden), weights)
        W = engine.normal_weights(n_visible, n_hidden, WEIGHT_SCALE, self._seed, Purpose.INITIALIZE, 0)
        a, b = np.zeros(n_visible, np.float32), np.zeros(n_hidden, np.float32)
        self._parameters = Parameters(W, a, b, visible_means=None, is_untouched=True)

    @classmethod
    def from_arrays(
        cls,
        W: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        *,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike = DEFAULT_UNIT,
    ) -> RBM:
        """A model with given parameters.

        Parameters
        ----------
        W : array_like (n_visible, n_hidden)
            Weights. All three are copied and rounded to float32. Tensors of PyTorch will do; those of a
            linear layer there are ``weight.T``.
        a : array_like (n_visible,)
            Visible biases.
        b : array_like (n_hidden,)
            Hidden biases.
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
        rbm._visible, rbm._hidden = visible, hidden
        rbm.visible.check_size(shape[0], "the number of rows of W")
        rbm.hidden.check_size(shape[1], "the number of columns of W")
        rbm._seed = None
        rbm._parameters = Parameters(
            check_parameter(W, "W", shape),
            check_parameter(a, "a", shape[:1]),
            check_parameter(b, "b", shape[1:]),
        )
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
    def features(self) -> Unit:
        """Unit type of the visible units that are no labels."""
        return self._visible

    @property
    def visible(self) -> Unit:
        """Unit type of the visible layer."""
        return self._visible

    @property
    def hidden(self) -> Unit:
        """Unit type of the hidden layer."""
        return self._hidden

    @property
    def seed(self) -> int | None:
        """The seed of the initial weights; None if they were given."""
        return self._seed

    @property
    def W(self) -> F32:
        """Weights: read-only float32 view (n_visible, n_hidden)."""
        return self._parameters.W.view()

    @W.setter
    def W(self, value: ArrayLike) -> None:
        old = self._parameters
        self._set_parameters(warn_if_coarse(check_parameter(value, "W", old.W.shape)), old.a, old.b)

    @property
    def a(self) -> F32:
        """Visible biases: read-only float32 view (n_visible,)."""
        return self._parameters.a.view()

    @a.setter
    def a(self, value: ArrayLike) -> None:
        old = self._parameters
        self._set_parameters(old.W, check_parameter(value, "a", old.a.shape), old.b)

    @property
    def b(self) -> F32:
        """Hidden biases: read-only float32 view (n_hidden,)."""
        return self._parameters.b.view()

    @b.setter
    def b(self, value: ArrayLike) -> None:
        old = self._parameters
        self._set_parameters(old.W, old.a, check_parameter(value, "b", old.b.shape))

    @property
    def visible_means(self) -> F32 | None:
        """Means of the data that the model was initialised or trained with: read-only view (n_visible,)."""
        means = self._parameters.visible_means
        return None if means is None else means.view()

    @property
    def is_untouched(self) -> bool:
        """Whether the parameters are still those of a new model."""
        return self._parameters.is_untouched

    def initialize(self, X: Any) -> None:
        """Set the visible biases from data, so that learning need not begin with them; keep the data's means.

        For Bernoulli units the biases become the log-odds of the means (one row of ones and one of zeros
        added, so that none is infinite), for categorical units the logarithms of the states' shares, for
        Gaussian units the means. `rbmfast.train` does this to a new model.

        Parameters
        ----------
        X : data of shape (n_rows, n_visible)
            Any container.

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
        self._initialize(self._visible_rows(X, "X"))

    def _initialize(self, rows: Rows) -> None:
        """`initialize` from data that has been checked."""
        old = self._parameters
        bias, means = self.visible.initial_bias(rows)
        bias = check_parameter(bias, "the visible bias from X", old.a.shape)
        self._set_parameters(old.W, bias, old.b, means)

    def __repr__(self) -> str:
        units = in_words(visible=self.visible, hidden=self.hidden)
        return f"{type(self).__name__}({self.n_visible}, {self.n_hidden}{units})"

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

        def energy(v: States, first: int) -> F64:
            h = h_rows.block(slice(first, first + len(v)))
            return self.visible.energy(v, a) + self.hidden.energy(h, b) - self._interaction(v, h)

        return self._by_blocks(v_rows, energy)

    def _interaction(self, v: States, h: States) -> F64:
        """``v W h``, from a layer where the products are exact, if there is one."""
        if self.visible.exact or not self.hidden.exact:
            return row_dot(self._up.send(v), h)
        return row_dot(self._down.send(h), v)

    def free_energy(self, V: Any) -> F64:
        """Free energies F(v) = -log sum_h exp(-E(v, h)), so that p(v) = exp(-F(v)) / Z.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.

        Returns
        -------
        float64 array (n_rows,)
            In nats. For Bernoulli units -a v - sum_j softplus(x_j), where x are the hidden total inputs.

        Raises
        ------
        TypeError, ValueError
            Bad states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.free_energy([[0, 0], [1, 0]]).round(4)
        array([-1.6525, -2.2407])
        """
        up, a = self._up, self._parameters.a
        return self._by_blocks(
            self._visible_rows(V), lambda v, _: self.visible.energy(v, a) - up.log_normalizer(v)
        )

    # --- Conditional distributions -----------------------------------------------------------------------

    def hidden_probabilities(self, V: Any) -> F32:
        """Probabilities that the hidden units are on (means, for other types), given visible states.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states.

        Returns
        -------
        float32 array (n_rows, n_hidden)

        Raises
        ------
        TypeError, ValueError
            Bad states.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.hidden_probabilities([[1, 1]]).round(3)
        array([[0.622, 0.731]], dtype=float32)
        """
        up, rows = self._up, self._visible_rows(V)
        return self._by_blocks(rows, lambda v, _: up.mean(v), self._input_blocks(rows, self._block_rows))

    def visible_probabilities(self, H: Any) -> F32:
        """Probabilities that the visible units are on (means, for other types), given hidden states.

        Parameters
        ----------
        H : (n_rows, n_hidden)
            Hidden states.

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
        >>> rbm = rf.RBM.from_arrays([[0.5, 0.3], [-0.2, 0.4]], [0.1, -0.1], [0.2, 0.3])
        >>> rbm.visible_probabilities([[1, 1]]).round(3)
        array([[0.711, 0.525]], dtype=float32)
        """
        down = self._down
        return self._by_blocks(self._hidden_rows(H), lambda h, _: down.mean(h))

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

        Parameters
        ----------
        H : (n_rows, n_hidden)
            Hidden states.
        seed, first_row, first_step
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
        return self._by_blocks(rows, lambda states, first: way.sample(states, stream.from_row(first)))

    # --- Chains ------------------------------------------------------------------------------------------

    @overload
    def gibbs(
        self,
        V: Any,
        steps: int = ...,
        seed: SeedLike = ...,
        *,
        first_row: int = ...,
        first_step: int = ...,
        return_hidden: Literal[False] = ...,
    ) -> States: ...

    @overload
    def gibbs(
        self,
        V: Any,
        steps: int = ...,
        seed: SeedLike = ...,
        *,
        first_row: int = ...,
        first_step: int = ...,
        return_hidden: Literal[True],
    ) -> tuple[States, States]: ...

    def gibbs(
        self,
        V: Any,
        steps: int = 1,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        first_step: int = 0,
        return_hidden: bool = False,
    ) -> States | tuple[States, States]:
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
        return (v, h) if return_hidden else v

    @overload
    def sample(
        self,
        n: int,
        steps: int = ...,
        seed: SeedLike = ...,
        *,
        first_row: int = ...,
        start: Any = ...,
        return_hidden: Literal[False] = ...,
        method: str = ...,
        n_replicas: int | None = ...,
        betas: ArrayLike | None = ...,
        base: Any = ...,
    ) -> States: ...

    @overload
    def sample(
        self,
        n: int,
        steps: int = ...,
        seed: SeedLike = ...,
        *,
        first_row: int = ...,
        start: Any = ...,
        return_hidden: Literal[True],
        method: str = ...,
        n_replicas: int | None = ...,
        betas: ArrayLike | None = ...,
        base: Any = ...,
    ) -> tuple[States, States]: ...

    def sample(
        self,
        n: int,
        steps: int = 1000,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        start: Any = None,
        return_hidden: bool = False,
        method: str = "gibbs",
        n_replicas: int | None = None,
        betas: ArrayLike | None = None,
        base: Any = None,
    ) -> States | tuple[States, States]:
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
        first_row : int, default 0
            Number of the first chain in a larger whole.
        start : (n, n_visible), optional
            Visible states to start from; otherwise they are drawn from the visible biases alone, or at beta
            = 0 with tempering.
        return_hidden : bool, default False
            Whether to return the hidden states as well.
        method : {"gibbs", "tempering"}
            Plain Gibbs chains, or chains with replicas at several temperatures, which cross from mode to mode
            (`rbmfast.ParallelTempering`, which also tells how well they did) at `n_replicas` times the cost.
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
        n, steps, row, rows = self._check_sample(n, steps, first_row, start)
        if check_tempering(method, n_replicas, betas, base):
            ladder = check_betas(n_replicas, betas)
            check_integer(first_row, "first_row", low=0, high=(MAX_ROW + 1) // len(ladder) - n)
            v, h = self._temper(n, steps, check_seed(seed), row, rows, ladder, base)
            return (v, h) if return_hidden else v
        model = self._conditionals(Stream(check_seed(seed), Purpose.FANTASY))
        starts = self._starts(model, n, row, rows)
        v, h = self._run_chains(model.at(2, row), starts, n, steps)  # half-step 0 is the start's
        return (v, h) if return_hidden else v

    def _check_sample(
        self, n: int, steps: int, first_row: int, start: Any
    ) -> tuple[int, int, int, Rows | None]:
        n = check_integer(n, "n", low=1, high=MAX_ROW + 1)
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2)
        row = check_first_row(first_row, n)
        size = self.visible.dtype.itemsize * self.n_visible + self.hidden.dtype.itemsize * self.n_hidden
        check_fits_memory(n * size, f"a sample of n={n} states")
        rows = None if start is None else self._visible_rows(start, "start")
        if rows is not None and rows.n_rows != n:
            raise ValueError(f"start must have n={n} rows, got {rows.n_rows}")
        return n, steps, row, rows

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
            v[here] = sampler.run(steps)
            h[here] = sampler.h
        return v, h

    def _run_chains(
        self,
        model: Conditionals,
        blocks: Iterable[tuple[int, States]],
        n: int,
        steps: int,
        clamp: NDArray[np.uint8] | None = None,
    ) -> tuple[States, States]:
        v = np.empty((n, self.n_visible), self.visible.dtype)
        h = np.empty((n, self.n_hidden), self.hidden.dtype)
        for first, start in blocks:
            here = slice(first, first + len(start))
            held = None if clamp is None else np.broadcast_to(clamp, start.shape)
            stream = model.stream.from_row(first)
            last, h[here] = replace(model, stream=stream).gibbs(start, steps, held)
            v[here] = last // GREY if last.dtype == LEVELS else last  # only if clamped from grey levels
        return v, h

    # --- Filling in --------------------------------------------------------------------------------------

    def reconstruct(self, V: Any) -> F32:
        """Visible probabilities given the hidden probabilities given `V`: one mean-field step there and back.

        No random numbers are used: hidden probabilities, as 16-bit grey levels, take the place of states.

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
        >>> rbm = rf.RBM.from_arrays([[5.0], [5.0]], a=[-2.5, -2.5], b=[-5.0])
        >>> rbm.reconstruct([[1, 1], [0, 0]]).round(2)
        array([[0.92, 0.92],
               [0.08, 0.08]], dtype=float32)
        """
        up, down = self._up, self._down
        return self._by_blocks(self._visible_rows(V), lambda v, _: down.mean(up.expectation(v)))

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
        """Fill in missing entries, by Gibbs sampling with the known ones held fixed.

        The missing units of a row start as draws from their biases alone; a row without missing entries comes
        back as it is. A group of categorical units in which one is missing is missing as a whole.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states. In a float array NaN marks what is missing.
        mask : bool array (n_rows, n_visible), optional
            True marks what is missing as well, whatever stands there in an array.
        steps : int, default 100
            Gibbs steps, at least 1.
        seed : int, Generator or None
            See the notes of `RBM`.
        first_row : int, default 0
            Number of the first row of `V` in a larger whole.
        average : bool, default False
            False fills in states: a sample of what could have been there. True fills in the visible
            probabilities averaged over the second half of the steps: an estimate of the expectation, best for
            a point prediction.

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
        >>> rbm = rf.RBM.from_arrays([[9.0], [9.0]], a=[-4.5, -4.5], b=[-9.0])  # two units that agree
        >>> rbm.impute([[1, np.nan], [np.nan, 0]], seed=2)
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
        model = self._conditionals(Stream(check_seed(seed), Purpose.IMPUTE))

        incomplete = np.flatnonzero(missing.any(axis=1))
        for first, end in self._spans(len(incomplete)):
            here = incomplete[first:end]
            gaps = missing[here]
            fill = self._fill_in(model.at(0, row + here), rows.block(here), gaps, steps, average)
            known[here] = np.where(gaps, fill, known[here])
        return known

    def _fill_in(
        self,
        model: Conditionals,
        v: States,
        missing: NDArray[np.bool_],
        steps: int,
        average: bool,
    ) -> NDArray[Any]:
        """Numbers for the missing entries of a block (others are not to be used)."""
        clamp = np.logical_not(missing).view(np.uint8)
        v = np.where(missing, in_form(model.down.sample_alone(len(v), model.stream), v.dtype), v)
        if not average:
            v, _ = model.at(2).gibbs(v, steps, clamp)
            return without_levels(v)

        burn_in = steps // 2
        v, _ = model.at(2).gibbs(v, burn_in, clamp) if burn_in else (v, v)
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
        n_patterns = unit.count_states(len(bias)) if unit.exact else None
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
        log_weights = engine.weighted_sum(patterns, x[0] - bias) - unit.energy(patterns, bias)
        probabilities = np.exp(log_weights - logsumexp(log_weights))
        order = np.argsort(-counts, kind="stable")
        return PatternCounts(patterns[order], counts[order], probabilities[order], n_samples)

    # --- Files -------------------------------------------------------------------------------------------

    def save(self, path: FilePath) -> None:
        """Write the model to a file, which `rbmfast.load` reads.

        The file appears complete or not at all, and holds the exact float32 numbers: a loaded model gives the
        same bits.

        Parameters
        ----------
        path : str, bytes or PathLike
            Where to write; an existing file is replaced.

        Raises
        ------
        OSError
            The file cannot be written.
        ValueError
            A unit type of your own that `rbmfast.units.register` has not seen: nothing is written.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.RBM(4, 2, seed=0).save("small.rbm")
        >>> rf.load("small.rbm")
        RBM(4, 2)
        """
        write_file(path, self.kind, *self.to_state())

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """Everything the model is, as metadata and arrays for a file."""
        meta: dict[str, JSON] = {
            "n_visible": self.n_visible,
            "n_hidden": self.n_hidden,
            "visible": described(self.visible, "visible"),
            "hidden": described(self.hidden, "hidden"),
            "seed": self.seed,
            "is_untouched": self.is_untouched,
            "stream_version": STREAM_VERSION,
        }
        arrays = {"W": self.W, "a": self.a, "b": self.b}
        if self.visible_means is not None:
            arrays["visible_means"] = self.visible_means
        return meta, arrays

    @classmethod
    def from_state(cls: type[R], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> R:
        """The model that `to_state` described.

        Raises
        ------
        TypeError, ValueError
            The description contradicts itself, lacks something, or names an unknown unit type.
        """
        lacking = [key for key in ("n_visible", "n_hidden", "visible", "hidden", "seed") if key not in meta]
        lacking += [key for key in ("W", "a", "b") if key not in arrays]
        if lacking:
            raise ValueError(f"{lacking[0]} is lacking")
        W, a, b = arrays["W"], arrays["a"], arrays["b"]
        shape = (
            check_integer(meta["n_visible"], "n_visible", low=1, high=MAX_UNITS),
            check_integer(meta["n_hidden"], "n_hidden", low=1, high=MAX_UNITS),
        )
        if W.shape != shape:
            raise ValueError(f"W must have shape {shape}, got {W.shape}")
        rbm = cls._of(W, a, b, get_unit(meta["visible"], "visible"), get_unit(meta["hidden"], "hidden"))
        rbm._seed = None if meta["seed"] is None else check_seed(meta["seed"])
        means = arrays.get("visible_means")
        rbm._parameters = Parameters(
            rbm.W,
            rbm.a,
            rbm.b,
            None if means is None else check_parameter(means, "visible_means", shape[:1]),
            is_untouched=meta.get("is_untouched") is True,
        )
        version = meta.get("stream_version")
        if version != STREAM_VERSION:
            message = f"the model was saved under stream version {version}, this is {STREAM_VERSION}: "
            warnings.warn(
                message + "equal seeds will not repeat the samples of then", UserWarning, stacklevel=2
            )
        return rbm

    # --- For the rest of the library ---------------------------------------------------------------------

    def _set_parameters(self, W: F32, a: F32, b: F32, visible_means: F32 | None = None) -> None:
        """Replace the parameters by copies of finite float32 arrays, all at once.

        The only place where a model changes. The means stay if not given.
        """
        means = self._parameters.visible_means if visible_means is None else visible_means
        self._parameters = Parameters(W, a, b, means)

    def _weights(self) -> engine.Weights:
        """The fixed-point weights, made once for given parameters."""
        return self._parameters.weights

    def _hidden_input(self, v: States | sp.csr_matrix) -> F32:
        """Total inputs (n_rows, n_hidden) of the hidden units from a block of visible states."""
        return self._up.input(v)

    def _visible_input(self, h: States) -> F32:
        """Total inputs (n_rows, n_visible) of the visible units from a block of hidden states."""
        return self._down.input(h)

    @property
    def _up(self) -> Conditional:
        p = self._parameters
        return Conditional(self.visible, self.hidden, p.weights, p.W, p.b, up=True)

    @property
    def _down(self) -> Conditional:
        p = self._parameters
        return Conditional(self.hidden, self.visible, p.weights, p.W, p.a, up=False)

    def _conditionals(self, stream: Stream) -> Conditionals:
        return Conditionals(self._up, self._down, stream)

    def _visible_rows(self, V: Any, name: str = "V") -> Rows:
        return self.visible.rows(V, self.n_visible, name, compact=True)

    def _hidden_rows(self, H: Any, name: str = "H") -> Rows:
        return self.hidden.rows(H, self.n_hidden, name, compact=True)

    # --- Rows in blocks ----------------------------------------------------------------------------------

    @property
    def _block_rows(self) -> int:
        """Rows to work on at once: a fixed number for given layers, so that results cannot depend on it."""
        return max(1, BLOCK_BYTES // (8 * (self.n_visible + self.n_hidden)))

    def _spans(self, n: int) -> Iterable[tuple[int, int]]:
        size = self._block_rows
        return ((first, min(first + size, n)) for first in range(0, n, size))

    def _input_blocks(self, rows: Rows, size: int) -> Iterator[tuple[int, Any]]:
        """Blocks of visible states: CSR matrices where that takes less time; then more rows fit."""
        if rows.stored is None or rows.stored * self.n_hidden > SPARSE * rows.n_rows * self.n_visible:
            return rows.blocks(size)
        return rows.sparse_blocks(max(1, size * (self.n_visible + self.n_hidden) // (2 * self.n_hidden)))

    def _by_blocks(
        self,
        rows: Rows,
        answer: Callable[[Any, int], NDArray[Any]],
        blocks: Iterable[tuple[int, Any]] | None = None,
    ) -> NDArray[Any]:
        """Call ``answer(block, number of its first row)`` for block after block; all answers in one array."""
        result: NDArray[Any] | None = None
        for first, block in rows.blocks(self._block_rows) if blocks is None else blocks:
            part = answer(block, first)
            if len(part) == rows.n_rows:
                return part
            if result is None:
                result = np.empty((rows.n_rows, *part.shape[1:]), part.dtype)
            result[first : first + len(part)] = part
        assert result is not None  # there is no data without rows
        return result


# --- Arguments ---------------------------------------------------------------------------------------------


def in_words(**units: Unit) -> str:
    """The arguments that say which units these are, where they are not the default."""
    descriptions = {layer: unit.describe() for layer, unit in units.items()}
    return "".join(
        f", {layer}={(name if isinstance(name, str) else units[layer])!r}"
        for layer, name in descriptions.items()
        if name != DEFAULT_UNIT
    )


def check_tempering(method: object, *its_arguments: object) -> bool:
    """Whether to sample by tempering; its arguments without it are an error."""
    if method not in ("gibbs", "tempering"):
        raise ValueError(f"method must be 'gibbs' or 'tempering', got {method!r}")
    if method == "gibbs" and any(argument is not None for argument in its_arguments):
        raise ValueError("method must be 'tempering' where n_replicas, betas or base are given, got 'gibbs'")
    return method == "tempering"


def _one_row(states: Any) -> Any:
    """A vector as a matrix of one row; other data as it is."""
    is_vector = not hasattr(states, "tocsr") and np.ndim(states) == 1
    return np.asarray(states).reshape(1, -1) if is_vector else states


def _bytes_of_weights(n_visible: int, n_hidden: int) -> int:
    """In float32, and quantised to int32 in both orientations, where rows are padded to 16 elements."""
    padded_visible, padded_hidden = (-(-n // 16) * 16 for n in (n_visible, n_hidden))
    return 4 * (n_visible * n_hidden + n_visible * padded_hidden + padded_visible * n_hidden)
