"""The convolutional restricted Boltzmann machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import SeedLike, check_choice, check_integer, check_seed
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.interactions import Convolution
from rbmfast.models.parameters import Parameters, as_numbers, check_parameter, read_only
from rbmfast.models.rbm import RBM
from rbmfast.models.two_layers import DEFAULT_UNIT, WEIGHT_SCALE, UnitLike, in_words
from rbmfast.reference import F32
from rbmfast.runtime import check_fits_memory
from rbmfast.streams import Purpose
from rbmfast.units import Pooled, Unit, get_unit

C = TypeVar("C", bound="ConvRBM")

MAX_SIZE = 2**16
MAX_PLACES = 2**16  # of a map: their levels are added up in 32 bits
BORDERS = VALID, SAME, HELD = "valid", "same", "held"


class ConvRBM(RBM):
    """A convolutional restricted Boltzmann machine: filters that look at every place of an image.

    Hidden units are maps, one a filter: the unit of filter k at place (i, j) hears

        x_kij = b_k + sum over dy, dx, c of W[k, dy, dx, c] v[i + dy, j + dx, c]

    and sends the filter back there. In each map blocks of ``pool x pool`` places have at most one unit on
    (probabilistic max-pooling): its *pooled* unit, one for the block, is on where any of them is. The energy
    is ``-sum x_kij h_kij`` and the visible units' own, as of an `RBM`.

    It is an `RBM` in all else. An image is a row of visible units, one pixel after the other, channels
    innermost; arrays (n_rows, height, width[, channels]) are taken as rows. Hidden states and probabilities
    come as maps (n_rows, map height, map width, n_filters).

    Parameters
    ----------
    shape : (int, int) or (int, int, int)
        Height and width of images, and channels if there are several.
    n_filters : int, default 24
        Hidden maps.
    filter_shape : (int, int) or int, default (9, 9)
        Height and width of filters, at most those of images.
    pool : int, default 2
        Side of blocks; it divides the maps' height and width. 1: every hidden unit is on by itself.
    borders : {"valid", "same", "held"}
        Filters lie within the image, and maps are ``height - filter height + 1`` high; or maps are as large
        as images, which zeros surround. "held" is "valid", but for learning: see the notes.
    visible : str or Unit, default "bernoulli"
        Unit type of the pixels: "bernoulli" or "gaussian" with sigma 1, or another whose states are shown as
        they are; ``below.hidden`` for one that is to stand on the maps of another in an `rbmfast.DBN`.
    seed : int, numpy.random.Generator or None
        As for `RBM`.

    Attributes
    ----------
    W : float32 array (n_filters, filter height, filter width, channels)
        Filters. Read-only views, as all three; assign a whole array to change one.
    a, b : float32 arrays (channels,), (n_filters,)
        Biases of pixels and of maps: one a channel, one a filter.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Notes
    -----
    *Learning.* Gradients are means over rows and over the places of a map: rates, and costs of penalties,
    mean about what they mean for an `RBM`. `rbmfast.SparsityTarget` holds each map's mean activity,
    without which filters seldom become local (Lee et al. 2009, section 3.1). Learning cannot be centred.
    Penalties of your own are given W as (filter height * width * channels, n_filters).

    *Borders.* Few filters reach pixels near the border, and learn to make up for it: of real-valued images,
    little else. ``borders="held"`` learns the distribution of the pixels that whole filters reach from all
    sides, given those within ``filter height - 1`` and ``filter width - 1`` of the border, which samples of
    the model keep from the data (Norouzi, Ranjbar & Mori 2009). It takes a method such as `rbmfast.CD`.

    *Likelihood.* `exact_moments` and `exact_gradient` are those of `unrolled()`: of each pair of units.

    *Exactness.* Products with 0/1 states, and their sums in gradients, are of integers, those with other
    states exact in float64: every result has the same bits on every machine, as for an `RBM`.

    References
    ----------
    Lee, Grosse, Ranganath & Ng, "Convolutional deep belief networks for scalable unsupervised learning of
    hierarchical representations", ICML 2009. Norouzi, Ranjbar & Mori, "Stacks of convolutional restricted
    Boltzmann machines for shift-invariant feature learning", CVPR 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> images = np.random.default_rng(0).integers(0, 2, (50, 8, 8))
    >>> rbm = rf.ConvRBM((8, 8), n_filters=4, filter_shape=(3, 3), pool=2, seed=0)
    >>> rbm
    ConvRBM((8, 8), n_filters=4, filter_shape=(3, 3), pool=2)
    >>> history = rf.train(rbm, images, epochs=2, seed=1)
    >>> rbm.hidden_probabilities(images).shape, rbm.pooled_probabilities(images).shape
    ((50, 6, 6, 4), (50, 3, 3, 4))
    """

    kind: ClassVar[str] = "conv_rbm"

    # --- Parameters --------------------------------------------------------------------------------------

    def __init__(
        self,
        shape: Sequence[int],
        n_filters: int = 24,
        filter_shape: Sequence[int] | int = (9, 9),
        pool: int = 2,
        borders: str = VALID,
        *,
        visible: UnitLike = DEFAULT_UNIT,
        seed: SeedLike = None,
    ) -> None:
        interaction, units = _layers(
            shape, n_filters, filter_shape, pool, borders, get_unit(visible, "visible")
        )
        self._seed = check_seed(seed)
        self._held = interaction.near_border if borders == HELD else None
        size = math.prod(interaction.patch), interaction.n_filters
        W = engine.normal_weights(*size, WEIGHT_SCALE, self._seed, Purpose.INITIALIZE, 0)
        zeros = np.zeros(interaction.channels, np.float32), np.zeros(interaction.n_filters, np.float32)
        biases = interaction.spread(*zeros)
        self._parameters = Parameters(W, *biases, units, is_untouched=True, interaction=interaction)

    @classmethod
    def from_arrays(  # type: ignore[override]  # sizes that are not in the arrays
        cls: type[C],
        W: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        *,
        shape: Sequence[int],
        pool: int = 2,
        borders: str = VALID,
        visible: UnitLike = DEFAULT_UNIT,
    ) -> C:
        """A model with given parameters; all else as for `RBM.from_arrays`.

        Parameters
        ----------
        W : array_like (n_filters, filter height, filter width, channels)
            Filters; without the last axis for one channel.
        a, b : array_like (channels,), (n_filters,)
            Biases.
        shape, pool, borders, visible
            As for the model itself.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> edges = np.array([[[1, -1], [1, -1]], [[1, 1], [-1, -1]]])
        >>> rf.ConvRBM.from_arrays(edges, a=[0], b=[-1, -1], shape=(5, 5), pool=2)
        ConvRBM((5, 5), n_filters=2, filter_shape=(2, 2), pool=2)
        """
        filters = as_numbers(W, "W")
        filters = filters[..., None] if filters.ndim == 3 else filters
        if filters.ndim != 4:
            raise ValueError(
                f"W must be (n_filters, filter height, filter width, channels), got shape {filters.shape}"
            )
        rbm = cls(shape, len(filters), filters.shape[1:3], pool, borders, visible=visible, seed=0)
        rbm._seed = None
        rbm.W, rbm.a, rbm.b = filters, a, b
        return rbm

    @property
    def _convolution(self) -> Convolution:
        interaction = self._parameters.interaction
        assert isinstance(interaction, Convolution)
        return interaction

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of images."""
        c = self._convolution
        return c.height, c.width, c.channels

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """Height and width of the hidden maps, and how many there are."""
        return self._convolution.map_shape

    @property
    def pooled_shape(self) -> tuple[int, int, int]:
        """The same in blocks."""
        return self._pooling.pooled_shape

    @property
    def pool(self) -> int:
        """Side of the blocks."""
        return self._pooling.pool

    @property
    def borders(self) -> str:
        """What becomes of borders."""
        return HELD if self._held is not None else SAME if self._convolution.same else VALID

    @property
    def _pooling(self) -> Pooled:
        assert isinstance(self.hidden, Pooled)
        return self.hidden

    @property
    def _learned(self) -> tuple[F32, F32, F32]:
        """Filters, and a bias for each channel and each filter."""
        p, c = self._parameters, self._convolution
        return read_only(p.W.T.reshape(-1, *c.patch)), *c.shared(p.a, p.b)

    def _assign(self, **given: F32) -> None:
        W, a, b = (given.get(name, own) for name, own in zip("Wab", self._learned, strict=True))
        flat = np.ascontiguousarray(W.reshape(len(W), -1).T)
        self._set_parameters(flat, *self._convolution.spread(a, b))

    def _initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        """One a channel, of the mean over its pixels."""
        means = self.visible.initial_bias(rows)[1]
        of_channels = means.reshape(-1, self.shape[2]).astype(np.float64)
        mean = np.cumsum(of_channels, axis=0)[-1] / len(of_channels)  # in order
        every = np.tile(mean.astype(np.float32), len(of_channels))
        return self.visible.bias_from_means(every), means

    def __repr__(self) -> str:
        c = self._convolution
        shape = self.shape if c.channels > 1 else self.shape[:2]
        own = f"n_filters={c.n_filters}, filter_shape={c.patch[:2]}, pool={self.pool}"
        own += f", borders={self.borders!r}" if self.borders != VALID else ""
        return f"{type(self).__name__}({shape}, {own}{in_words(visible=self.visible)})"

    # --- Answers of its own ------------------------------------------------------------------------------

    def pooled_probabilities(self, V: Any, *, missing: str = "random") -> F32:
        """Probabilities that any unit of a block is on, given visible states: what layers above see.

        Parameters
        ----------
        V, missing
            As for `hidden_probabilities`.

        Returns
        -------
        float32 array (n_rows, map height / pool, map width / pool, n_filters)

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> rbm = rf.ConvRBM.from_arrays(np.zeros((1, 1, 1)), [0], [0], shape=(2, 2), pool=2)
        >>> rbm.pooled_probabilities(np.zeros((1, 2, 2)))                        # 4 units of 5 states
        array([[[[0.8]]]], dtype=float32)
        """
        means = self.hidden_probabilities(V, missing=missing)
        return self._pooling.pooled(means).reshape(-1, *self.pooled_shape)

    def unrolled(self) -> RBM:
        """The same distribution as an `RBM` whose every pair of units has its own weight, many of them 0.

        Returns
        -------
        RBM
            With hidden units of the type `rbmfast.units.Pooled`.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> rbm = rf.ConvRBM.from_arrays([[[1, 2]]], [0], [0], shape=(1, 3), pool=1)
        >>> rbm.unrolled().W.tolist()
        [[1.0, 0.0], [2.0, 1.0], [0.0, 2.0]]
        """
        p = self._parameters
        return RBM._of(p.unrolled, p.a, p.b, self.visible, self.hidden)

    @property
    def _pictured(self) -> tuple[F32, tuple[int, int] | None]:
        """Filters, channels side by side."""
        height, width, channels = self._convolution.patch
        beside = self.W.transpose(1, 3, 2, 0).reshape(height * channels * width, -1)
        return beside, (height, channels * width)

    def _input_blocks(self, rows: Rows, size: int) -> Iterator[tuple[int, Any]]:
        """Dense ones."""
        return rows.blocks(size)

    # --- Files -------------------------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`."""
        meta, arrays = super().to_state()
        c = self._convolution
        del meta["hidden"]
        meta |= {"shape": [*self.shape], "n_filters": c.n_filters, "filter_shape": [*c.patch[:2]]}
        return meta | {"pool": self.pool, "borders": self.borders}, arrays

    @classmethod
    def from_state(cls: type[C], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> C:
        """See `Storable.from_state`."""
        sizes = (meta[name] for name in ("shape", "n_filters", "filter_shape", "pool", "borders"))
        rbm = cls(*sizes, visible=get_unit(meta["visible"], "visible"), seed=0)
        rbm._assign(W=check_parameter(arrays["W"], "W", rbm.W.shape))
        rbm.a, rbm.b = arrays["a"], arrays["b"]
        rbm._restore(meta, arrays)
        return rbm


def _layers(
    shape: Sequence[int],
    n_filters: int,
    filter_shape: Sequence[int] | int,
    pool: int,
    borders: str,
    visible: Unit,
) -> tuple[Convolution, tuple[Unit, Unit]]:
    """What joins the layers, and their units, from the arguments of a `ConvRBM`."""
    sizes = _check_sizes(shape, "shape", (2, 3))
    image = (*sizes, 1)[:3]
    filters = _check_sizes(
        (filter_shape,) * 2 if np.ndim(filter_shape) == 0 else filter_shape, "filter_shape", (2,)
    )
    held = check_choice(borders, "borders", BORDERS) == HELD
    most = tuple([(n + 1) // 2 if held else n for n in image[:2]])  # so that some pixels are not held
    if filters[0] > most[0] or filters[1] > most[1]:
        raise ValueError(
            f"filter_shape must be at most {most}, for images of {image[:2]} and borders={borders!r}, "
            f"got {filters}"
        )
    same = borders == SAME
    n_filters = check_integer(n_filters, "n_filters", low=1, high=MAX_SIZE)
    c = Convolution(image[0], image[1], image[2], filters[0], filters[1], n_filters, same)
    if c.n_places > MAX_PLACES:
        raise ValueError(f"shape must give maps of at most {MAX_PLACES} places, got {c.n_places}")
    height, width, _ = c.map_shape
    pool = check_integer(pool, "pool", low=1, high=min(height, width))
    if height % pool or width % pool:
        common = math.gcd(height, width)
        allowed = ", ".join(str(n) for n in range(1, common + 1) if common % n == 0)
        raise ValueError(
            f"pool must divide the height and width of maps, {height} and {width} for filters of {filters}: "
            f"allowed are {allowed}, got {pool}"
        )
    visible.check_size(n_visible := math.prod(image), "the pixels of shape")
    visible = visible.of_size(n_visible)
    has_more = visible.affine(n_visible) is not None or visible.parameters() or visible.begins_with_data
    if has_more or visible.needs_rows or visible.groups(n_visible):
        raise ValueError(
            "visible must be units in no groups that are shown as they are and learn only biases, "
            f"such as 'bernoulli' or 'gaussian', got {visible!r}"
        )
    check_fits_memory(4 * c.n_filters * (math.prod(c.patch) + c.n_places), f"a model of {n_filters} filters")
    return c, (visible, Pooled(height, width, n_filters, pool))


def _check_sizes(sizes: Any, name: str, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """A few numbers of at least 1."""
    if np.ndim(sizes) != 1 or len(sizes) not in lengths:
        axes = "height, width" + ("[, channels]" if 3 in lengths else "")
        raise ValueError(f"{name} must be ({axes}), got {sizes!r}")
    return tuple([check_integer(one, f"{name}[{i}]", low=1, high=MAX_SIZE) for i, one in enumerate(sizes)])
