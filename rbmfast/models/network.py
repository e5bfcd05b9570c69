"""Feed-forward networks: what an unrolled stack of models becomes when it is fine-tuned."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast import _engine as engine
from rbmfast.checks import check_choice, check_integer
from rbmfast.data import Rows, as_rows
from rbmfast.files import JSON
from rbmfast.models.base import Storable
from rbmfast.models.dense import MAX_LAYERS, Dense
from rbmfast.reference import F32, States
from rbmfast.states import as_float

BLOCK_ROWS = 1024  # of one matrix product
IN_SKLEARN = {"sigmoid": "logistic", "linear": "identity", "softmax": "softmax"}


class Network(Storable):
    """Layers of units, each of which sends its means to the next one.

    What a deep belief network or a stack of RBMs is unrolled to, to be trained further by
    `rbmfast.fine_tune`.

    Parameters
    ----------
    layers : list of Dense
        From the inputs up; each has as many inputs as the one before has outputs. Only the last one, the
        *head*, may be a softmax.
    domain : {"binary", "real"}
        What the inputs are: numbers in [0, 1] (states, or grey levels of 16 bits), or any finite numbers.

    Raises
    ------
    TypeError, ValueError
        No layers, layers that do not fit together, a softmax below the head, another domain.

    Notes
    -----
    Everything goes through float32 matrix products of NumPy: results are the same for a given CPU, BLAS and
    number of its threads, from any container, but not bit for bit the same on every machine.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> net = rf.Network([rf.Dense.new(16, 8, seed=0), rf.Dense.new(8, 3, "softmax", seed=0, layer=1)])
    >>> net
    Network([Dense(16, 8, 'sigmoid'), Dense(8, 3, 'softmax')])
    >>> net.forward(np.eye(16)).shape
    (16, 3)
    """

    kind: ClassVar[str] = "network"

    def __init__(self, layers: Iterable[Dense], domain: str = "binary") -> None:
        self._layers = _check_layers(layers)
        self._domain = check_choice(domain, "domain", ("binary", "real"))

    @property
    def layers(self) -> tuple[Dense, ...]:
        """The layers as they stand."""
        return self._layers

    @property
    def domain(self) -> str:
        """What the inputs are: "binary" (numbers in [0, 1]) or "real"."""
        return self._domain

    @property
    def n_inputs(self) -> int:
        """Width of the data."""
        return self._layers[0].n_inputs

    @property
    def _n_columns(self) -> int:
        return self.n_inputs

    @property
    def n_outputs(self) -> int:
        """Units of the head."""
        return self._layers[-1].n_outputs

    @property
    def head(self) -> str:
        """Activation of the last layer."""
        return self._layers[-1].activation

    def parameters(self) -> dict[str, F32]:
        """What is learned, by name.

        Returns
        -------
        dict of str to float32 array
            Read-only views: ``W0``, ``b0`` of the first layer, and so on.

        Examples
        --------
        >>> import rbmfast as rf
        >>> net = rf.Network([rf.Dense.new(6, 4, seed=0), rf.Dense.new(4, 2, "softmax", seed=0, layer=1)])
        >>> [*net.parameters()]
        ['W0', 'b0', 'W1', 'b1']
        """
        pairs = (zip(_names(i), (layer.W, layer.b), strict=True) for i, layer in enumerate(self._layers))
        return {name: array.view() for pair in pairs for name, array in pair}

    def __repr__(self) -> str:
        domain = "" if self.domain == "binary" else f", domain={self.domain!r}"
        return f"Network([{', '.join(map(repr, self._layers))}]{domain})"

    # --- Answers -----------------------------------------------------------------------------------------

    def forward(self, X: Any) -> F32:
        """Means of the outputs: probabilities of classes (softmax) or units (sigmoid), or numbers (linear).

        float32 (n_rows, n_outputs); argument and errors as for `transform`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> net = rf.Network([rf.Dense([[1.0, -1.0]], [0.0, 0.0], "softmax")])
        >>> net.forward([[0], [1]]).round(3)
        array([[0.5  , 0.5  ],
               [0.881, 0.119]], dtype=float32)
        """
        return self.transform(X, layer=-1)

    def transform(self, X: Any, layer: int = -2) -> F32:
        """Means of one layer's units: features of the data.

        Parameters
        ----------
        X : (n_rows, n_inputs)
            Data in any container.
        layer : int, default -2
            Which layer, as an index of `layers`; -2 is the last one below the head.

        Returns
        -------
        float32 array (n_rows, units of the layer)

        Raises
        ------
        TypeError, ValueError
            Bad data, or there is no such layer.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> net = rf.Network([rf.Dense.new(16, 8, seed=0), rf.Dense.new(8, 3, "softmax", seed=0)])
        >>> net.transform(np.eye(16)).shape
        (16, 8)
        """
        n = len(self._layers)
        if not -n <= check_integer(layer, "layer", low=-MAX_LAYERS) < n:
            raise ValueError(f"layer must be from {-n} to {n - 1} in a network of {n} layers, got {layer}")
        used = self._layers[: range(n)[layer] + 1]
        rows = self._rows(X)
        result = np.empty((rows.n_rows, used[-1].n_outputs), np.float32)
        with one_thread():
            for first, block in rows.blocks(BLOCK_ROWS):
                result[first : first + len(block)] = means_of(used, block)
        return result

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable classes, int64 (n_rows,); with other heads than softmax the outputs themselves.

        Argument and errors as for `transform`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.Network([rf.Dense([[1.0, -1.0]], [0.0, 0.5], "softmax")]).predict([[0], [1]])
        array([1, 0])
        """
        outputs = self.forward(X)
        return outputs.argmax(axis=1) if self.head == "softmax" else outputs

    # --- Files and other libraries ------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """See `Storable.to_state`."""
        meta: dict[str, JSON] = {
            "activations": [layer.activation for layer in self._layers],
            "domain": self.domain,
        }
        return meta, dict(self.parameters())

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Network:
        """See `Storable.from_state`."""
        activations, domain = meta["activations"], meta["domain"]
        if not isinstance(activations, list):
            raise TypeError(f"activations must be a list, got {activations!r}")
        return cls(_layers_of(arrays, activations), domain)

    def to_torch(self) -> Any:
        """The same network for PyTorch (``pip install rbmfast[torch]``).

        Returns
        -------
        torch.nn.Sequential
            Of `Linear` layers and activations, on the CPU. Given float32 rows, numbers in [0, 1] for binary
            data, it returns the outputs of `forward` but for the last digits.

        Raises
        ------
        ImportError
            PyTorch is missing.
        """
        try:
            import torch
        except ImportError as error:
            raise ImportError("Network.to_torch needs PyTorch: pip install rbmfast[torch]") from error
        modules: list[Any] = []
        for layer in self._layers:
            linear = torch.nn.Linear(layer.n_inputs, layer.n_outputs)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(layer.W.T.copy()))
                linear.bias.copy_(torch.from_numpy(layer.b.copy()))
            ends = {"sigmoid": [torch.nn.Sigmoid()], "linear": [], "softmax": [torch.nn.Softmax(dim=1)]}
            modules += [linear, *ends[layer.activation]]
        return torch.nn.Sequential(*modules)

    def to_sklearn(self, classes: ArrayLike | None = None) -> Any:
        """The same network as a fitted estimator of scikit-learn (``pip install rbmfast[sklearn]``).

        Parameters
        ----------
        classes : array_like (n_outputs,), optional
            Names of the classes of a softmax head, in increasing order; 0, 1, ... by default.

        Returns
        -------
        MLPClassifier or MLPRegressor
            A classifier for a softmax head: its `predict_proba` gives the outputs. Otherwise a regressor,
            whose `predict` gives them.

        Raises
        ------
        ImportError
            scikit-learn is missing.
        ValueError
            The hidden layers have different activations, which scikit-learn cannot have, or `classes` do not
            fit.

        Notes
        -----
        With two classes scikit-learn has a single logistic output. Its weights are the differences of those
        of the two classes, which gives the same probabilities.

        Examples
        --------
        >>> import rbmfast as rf
        >>> net = rf.Network([rf.Dense.new(16, 8, seed=0), rf.Dense.new(8, 3, "softmax", seed=0)])
        >>> net.to_sklearn(["cat", "dog", "fox"]).classes_
        array(['cat', 'dog', 'fox'], dtype='<U3')
        """
        try:
            from sklearn.neural_network import MLPClassifier, MLPRegressor
        except ImportError as error:
            raise ImportError(
                "Network.to_sklearn needs scikit-learn: pip install rbmfast[sklearn]"
            ) from error
        hidden = {layer.activation for layer in self._layers[:-1]} or {"sigmoid"}
        if len(hidden) > 1:
            raise ValueError("scikit-learn's networks have one activation for all hidden layers")
        if classes is not None and self.head != "softmax":
            raise ValueError(f"classes need a softmax head, and this one is {self.head}")
        settings = {
            "hidden_layer_sizes": tuple(layer.n_outputs for layer in self._layers[:-1]),
            "activation": IN_SKLEARN[hidden.pop()],
        }
        model = MLPClassifier(**settings) if self.head == "softmax" else MLPRegressor(**settings)
        model.coefs_ = [layer.W.copy() for layer in self._layers]
        model.intercepts_ = [layer.b.copy() for layer in self._layers]
        model.n_features_in_, model.n_outputs_ = self.n_inputs, self.n_outputs
        model.n_layers_ = len(self._layers) + 1
        model.n_iter_ = model.t_ = 0
        model.out_activation_ = IN_SKLEARN[self.head]
        if self.head == "softmax":
            _set_classes(model, np.arange(self.n_outputs) if classes is None else np.asarray(classes))
        return model

    # --- For the rest of the library ----------------------------------------------------------------------

    _own_parameters = parameters  # what `_set_parameters` takes

    def _set_parameters(self, **parameters: F32) -> None:
        """Replace all parameters by copies, at once. The only place where a network changes."""
        self._layers = tuple(_layers_of(parameters, [layer.activation for layer in self._layers]))

    def _rows(self, X: Any, name: str = "X") -> Rows:
        return as_rows(X, self.n_inputs, domain=self.domain, name=name, compact=True)


def means_of(layers: Iterable[Dense], block: States) -> F32:
    """Means of the last of some layers, given a block of data for the first."""
    x = as_float(block)
    for layer in layers:
        x = layer.means(x)
    return x


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let the engine use the calling thread only, between products by all threads of the BLAS.

    The engine's threads and those of the BLAS would wait for work at the same time, on the same CPUs, and
    each product would take ten times as long (docs/design/006-fine-tuning.md). No bits depend on it.
    """
    before = engine.limit_threads(1)
    try:
        yield
    finally:
        engine.limit_threads(before)


def _names(i: int) -> tuple[str, str]:
    return f"W{i}", f"b{i}"


def _layers_of(arrays: Mapping[str, NDArray[Any]], activations: Iterable[str]) -> list[Dense]:
    return [Dense(arrays[f"W{i}"], arrays[f"b{i}"], activation) for i, activation in enumerate(activations)]


def _check_layers(layers: Iterable[Dense]) -> tuple[Dense, ...]:
    if isinstance(layers, (Dense, str)) or not isinstance(layers, Iterable):
        raise TypeError(f"layers must be a list of rf.Dense, got {layers!r}")
    checked = tuple(layers)
    if not 1 <= len(checked) <= MAX_LAYERS:
        raise ValueError(f"layers must be 1 to {MAX_LAYERS}, got {len(checked)}")
    for i, layer in enumerate(checked):
        if not isinstance(layer, Dense):
            raise TypeError(f"layers[{i}] must be an rf.Dense, got {layer!r}")
        if i and layer.n_inputs != checked[i - 1].n_outputs:
            given = f"{layer.n_inputs} inputs, and layers[{i - 1}] has {checked[i - 1].n_outputs} outputs"
            raise ValueError(f"layers must fit together, but layers[{i}] has {given}")
        if layer.activation == "softmax" and i < len(checked) - 1:
            raise ValueError(f"layers[{i}] must not be a softmax: only the last layer may be one")
    return checked


def _set_classes(model: Any, classes: NDArray[Any]) -> None:
    """Make an MLPClassifier of scikit-learn know its classes."""
    from sklearn.preprocessing import LabelBinarizer

    n = model.n_outputs_
    if classes.shape != (n,) or not (classes[1:] > classes[:-1]).all():
        raise ValueError(f"classes must be {n} different names in increasing order, got {classes.tolist()}")
    model.classes_ = classes
    model._label_binarizer = LabelBinarizer().fit(classes)
    if n == 2:
        model.coefs_[-1], model.intercepts_[-1] = (
            np.ascontiguousarray(both[..., 1:] - both[..., :1])
            for both in (model.coefs_[-1], model.intercepts_[-1])
        )
        model.n_outputs_, model.out_activation_ = 1, "logistic"
