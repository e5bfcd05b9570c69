"""The restricted Boltzmann machine of features and a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_integer, check_labels
from rbmfast.data import Rows
from rbmfast.files import JSON
from rbmfast.models.parameters import warn_if_coarse, weight_shape
from rbmfast.models.rbm import RBM
from rbmfast.models.two_layers import DEFAULT_UNIT, UnitLike, in_words
from rbmfast.reference import F32, F64, I64, States
from rbmfast.units import Categorical, Mixed, Unit, described, get_unit

C = TypeVar("C", bound="ClassRBM")

UNLABELLED = -1
MAX_CLASSES = 2**15


class ClassRBM(RBM):
    """A restricted Boltzmann machine whose visible units are features and a class: p(x, y), and so p(y | x).

    The class y is the last group of visible units, of which exactly one is on. Given the features x its
    distribution is known exactly, whatever the partition function:

        log p(y | x) = d_y + sum_j softplus(b_j + U_yj + (x W)_j) + constant

    where U are the label's weights (the last rows of `W`) and d its biases (the last of `a`).

    `rbmfast.train` takes rows of features and class, which `join` makes, and learns their joint distribution
    (`rbmfast.CD`, `rbmfast.PCD`, ...), or the class given the features (`rbmfast.Discriminative`), or both at
    once (`rbmfast.Hybrid`, also from rows without a class).

    Parameters
    ----------
    n_features, n_hidden : int
        Units that show the features, and hidden units.
    n_classes : int
        At least 2.
    visible, hidden : str or Unit, default "bernoulli"
        Unit type of the features and of the hidden layer.
    seed : int, numpy.random.Generator or None
        As for `RBM`.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.
    MemoryError
        More weights than the machine could hold.

    Notes
    -----
    It is an `RBM` of ``n_features + n_classes`` visible units: whatever takes visible states here takes rows
    of features and one-hot class.

    References
    ----------
    Larochelle & Bengio, "Classification using discriminative restricted Boltzmann machines", ICML 2008.
    Larochelle, Mandel, Pascanu & Bengio, "Learning algorithms for the classification restricted Boltzmann
    machine", JMLR 13 (2012), 643.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 25), np.array([0, 1, 1, 0] * 25)
    >>> rbm = rf.ClassRBM(2, 8, n_classes=2, seed=0)
    >>> history = rf.train(rbm, rbm.join(X, y), method=rf.Discriminative(), epochs=200, batch_size=20,
    ...                    optimizer=rf.SGD(0.5, momentum=0.9), seed=1)
    >>> rbm.predict([[0, 0], [0, 1], [1, 0], [1, 1]])
    array([0, 1, 1, 0])
    """

    kind: ClassVar[str] = "class_rbm"

    # --- Parameters --------------------------------------------------------------------------------------

    def __init__(
        self,
        n_features: int,
        n_hidden: int,
        n_classes: int,
        *,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike = DEFAULT_UNIT,
        seed: SeedLike = None,
    ) -> None:
        n_features = check_integer(n_features, "n_features", low=1)
        self._n_classes = _check_n_classes(n_classes)
        features = get_unit(visible, "visible")
        features.check_size(n_features, "n_features")
        layer = _layer(features, n_features, self._n_classes)
        super().__init__(layer.n_units, n_hidden, visible=layer, hidden=hidden, seed=seed)

    @classmethod
    def from_arrays(  # type: ignore[override]  # the number of classes is not in the arrays
        cls: type[C],
        W: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        *,
        n_classes: int,
        visible: UnitLike = DEFAULT_UNIT,
        hidden: UnitLike = DEFAULT_UNIT,
    ) -> C:
        """A model with given parameters, those of the label last; all else as for `RBM.from_arrays`.

        Parameters
        ----------
        W, a, b : array_like (n_features + n_classes, n_hidden), (n_features + n_classes,), (n_hidden,)
            Weights, visible and hidden biases.
        n_classes : int
            At least 2.
        visible, hidden : str or Unit, default "bernoulli"
            Unit types of the features and of the hidden layer.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> rf.ClassRBM.from_arrays(np.zeros((6, 3)), np.zeros(6), np.zeros(3), n_classes=2)
        ClassRBM(4, 3, 2)
        """
        n_visible, _ = weight_shape(W)
        n_classes = _check_n_classes(n_classes, n_visible)
        features, n_features = get_unit(visible, "visible"), n_visible - n_classes
        features.check_size(n_features, "the number of rows of W less n_classes")
        rbm = cls._of(W, a, b, _layer(features, n_features, n_classes), get_unit(hidden, "hidden"))
        rbm._n_classes = n_classes
        warn_if_coarse(rbm.W)
        return rbm

    @property
    def n_classes(self) -> int:
        """Number of classes: of the visible units after the features."""
        return self._n_classes

    @property
    def features(self) -> Unit:
        """Unit type of the visible units that show the features."""
        _, features, *_ = self.visible.types()
        return features

    @property
    def U(self) -> F32:
        """Weights of the label: read-only float32 view (n_classes, n_hidden)."""
        return self.W[self.n_features :]

    @property
    def d(self) -> F32:
        """Biases of the label: read-only float32 view (n_classes,)."""
        return self.a[self.n_features :]

    def __repr__(self) -> str:
        units = in_words(visible=self.features, hidden=self.hidden)
        return f"{type(self).__name__}({self.n_features}, {self.n_hidden}, {self.n_classes}{units})"

    # --- Data --------------------------------------------------------------------------------------------

    def join(self, X: Any, y: ArrayLike) -> Rows:
        """Rows of features and one-hot class: what `rbmfast.train` and the methods of `RBM` take.

        Parameters
        ----------
        X : data of shape (n_rows, n_features)
            Any container, held and not copied (floats in memory become bytes or 16-bit levels).
        y : int array_like (n_rows,)
            Classes from 0 on; -1 for rows without a class, from which only `rbmfast.Hybrid` learns.

        Returns
        -------
        rbmfast.data.Rows
            Of ``n_features + n_classes`` columns, read as they are needed.

        Raises
        ------
        TypeError, ValueError
            Bad data, or another number of classes than of rows.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.ClassRBM(3, 2, n_classes=2).join([[0, 1, 1], [1, 0, 0]], y=[1, 0]).all()
        array([[0, 1, 1, 0, 1],
               [1, 0, 0, 1, 0]], dtype=uint8)
        """
        rows = self._feature_rows(X)
        labels = check_labels(y, rows.n_rows, self.n_classes, "y", lowest=UNLABELLED)
        return rows.with_one_hot(labels, self.n_classes)

    # --- Classes -----------------------------------------------------------------------------------------

    def class_log_probabilities(self, X: Any) -> F64:
        """Logarithms of p(y | x), exactly and for all classes.

        Parameters
        ----------
        X : data of shape (n_rows, n_features)
            Features. Grey levels are expectations, as everywhere.

        Returns
        -------
        float64 array (n_rows, n_classes)
            In nats; the exponentials of a row sum to 1.

        Raises
        ------
        TypeError, ValueError
            Bad data.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> W = [[2.0], [-2.0], [3.0], [-3.0]]  # two features, two classes
        >>> rbm = rf.ClassRBM.from_arrays(W, a=[0, 0, -1.5, 1.5], b=[0.0], n_classes=2)
        >>> np.exp(rbm.class_log_probabilities([[1, 0], [0, 1]])).round(2)
        array([[0.84, 0.16],
               [0.16, 0.84]])
        """
        return self._by_blocks(
            self._feature_rows(X), lambda v, _: log_softmax(self._class_log_weights(v)), None
        )

    def predict(self, X: Any) -> I64:
        """The most probable class of each row, the first of equals: int64 (n_rows,).

        Argument and errors as for `class_log_probabilities`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> W = [[2.0], [-2.0], [3.0], [-3.0]]
        >>> rf.ClassRBM.from_arrays(W, [0, 0, -1.5, 1.5], [0.0], n_classes=2).predict([[1, 0], [0, 1]])
        array([0, 1])
        """
        return self._by_blocks(
            self._feature_rows(X), lambda v, _: self._class_log_weights(v).argmax(axis=1).astype(np.int64)
        )

    def _class_log_weights(self, features: States) -> F64:
        """Log-weights of the classes beside a block of features: their differences are what counts."""
        unlabelled = np.hstack([features, np.zeros((len(features), self.n_classes), features.dtype)])
        p, n = self._parameters, self.n_features
        return self.hidden.class_log_weights(self._up.input(unlabelled), p.W[n:], p.a[n:], p.b)

    # --- Files -------------------------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`."""
        meta, arrays = super().to_state()
        return meta | {"n_classes": self.n_classes, "features": described(self.features, "visible")}, arrays

    @classmethod
    def from_state(cls: type[C], meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> C:
        """See `Storable.from_state`."""
        rbm = super().from_state(meta, arrays)
        rbm._n_classes = _check_n_classes(meta["n_classes"], rbm.n_visible)
        layer = _layer(get_unit(meta["features"], "features"), rbm.n_features, rbm.n_classes)
        if rbm.visible != layer:
            raise ValueError(f"visible must be {layer!r} by features and n_classes, got {rbm.visible!r}")
        return rbm

    # --- Details -----------------------------------------------------------------------------------------

    def _feature_rows(self, X: Any) -> Rows:
        return self.features.rows(X, self.n_features, "X", compact=True)


# --- What classes weigh, and what hidden units do under them -----------------------------------------------


def log_softmax(log_weights: F64) -> F64:
    """Logarithms of the shares of weights whose logarithms are given, by the engine's functions."""
    below, group = _below_largest(log_weights)
    no_bias = np.zeros(below.shape[1], np.float32)
    shares: F64 = below - group.log_normalizer(below.astype(np.float32), no_bias)[:, None]
    return shares


def softmax(log_weights: F64) -> F32:
    """Shares of weights whose logarithms are given, by the engine's functions."""
    below, group = _below_largest(log_weights)
    return group.mean(below.astype(np.float32))


def _below_largest(log_weights: F64) -> tuple[F64, Categorical]:
    return log_weights - log_weights.max(axis=1, keepdims=True), Categorical(log_weights.shape[1])


# --- Arguments ---------------------------------------------------------------------------------------------


def _layer(features: Unit, n_features: int, n_classes: int) -> Mixed:
    return Mixed(((features, n_features), (Categorical(n_classes), n_classes)))


def _check_n_classes(n_classes: object, n_visible: int = MAX_CLASSES + 1) -> int:
    """A number of classes that leaves a feature of so many visible units."""
    return check_integer(n_classes, "n_classes", low=2, high=n_visible - 1)
