"""The deep belief network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_choice, check_seed
from rbmfast.data import Rows
from rbmfast.models.class_rbm import ClassRBM, log_softmax
from rbmfast.models.conditionals import Conditionals, Stack
from rbmfast.models.network import Network
from rbmfast.models.stacked import Stacked
from rbmfast.models.unroll import to_autoencoder, to_network
from rbmfast.reference import F32, F64, I64, States
from rbmfast.states import in_form, join, without_levels
from rbmfast.streams import Purpose, Stream, check_first_row
from rbmfast.units import Categorical

LABEL_STEPS = 2  # between the steps of states and those of the labels drawn beside them


class DBN(Stacked):
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
        layer, rows = self._check_layer(layer), self._visible_rows(V)
        stack = self._stack
        way = stack.up[layer - 1]
        sparse = self.n_classes is None or len(self) > 1
        blocks = self._generative[0]._input_blocks(rows, self._block_rows) if sparse else None
        means = self._by_blocks(rows, lambda v, _: way.mean(self._below(stack, layer, v)), blocks)
        return self._unit(layer).shown(means)

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
        seed, first_row
            As for `RBM.sample_hidden`.

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
        layer, stack, rows = self._check_layer(layer), self._stack, self._visible_rows(V)
        stream = Stream(check_seed(seed), Purpose.DBN_UP, rows=check_first_row(first_row, rows.n_rows))

        def answer(v: States, first: int) -> States:
            here = stream.from_row(first)
            return stack.up[layer - 1].sample(self._below(stack, layer, v, here), here.on(layer))

        return self._unit(layer).shown(self._by_blocks(rows, answer))

    def visible_probabilities(self, H: Any, layer: int = -1) -> F32:
        """Probabilities that visible units are on (means, for other types), given states of a hidden layer.

        Downwards through the generative weights, expectations taking the place of states: float32 (n_rows,
        n_visible) from `H` (n_rows, n units of the layer); all else as for `hidden_probabilities`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).visible_probabilities([[1, 0, 1]]).shape
        (1, 6)
        """
        layer, stack = self._check_layer(layer), self._stack
        rows = self._hidden_rows(H, layer)
        means = self._by_blocks(rows, lambda h, _: stack.visible_means(stack.go_down(h, layer, to=1)))
        return self.visible.shown(means)

    def sample_visible(self, H: Any, layer: int = -1, seed: SeedLike = None, *, first_row: int = 0) -> States:
        """Random visible states, drawn layer by layer, given states of a hidden layer.

        (n_rows, n_visible) from `H` (n_rows, n units of the layer); all else as for `sample_hidden`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).sample_visible([[1, 0, 1]], seed=2).shape
        (1, 6)
        """
        layer, stack = self._check_layer(layer), self._stack
        rows = self._hidden_rows(H, layer)
        stream = Stream(check_seed(seed), Purpose.DBN_DOWN, rows=check_first_row(first_row, rows.n_rows))
        drawn = self._by_blocks(rows, lambda h, first: stack.go_down(h, layer, 0, stream.from_row(first)))
        return self.visible.shown(drawn)

    def reconstruct(self, V: Any) -> F32:
        """Visible probabilities given the top layer's probabilities given `V`: all the way up, and back down.

        Argument, answer and errors as for `RBM.reconstruct`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], seed=0).reconstruct([[1, 0, 1, 0, 0, 1]]).round(1)
        array([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5]], dtype=float32)
        """
        return self.visible.shown(self._reconstruct(self._visible_rows(V)))

    def _reconstruct(self, rows: Rows) -> F32:
        stack, n = self._stack, len(self)

        def answer(v: States, first: int) -> F32:
            h = stack.up[-1].expectation(self._below(stack, n, v))
            return stack.visible_means(stack.go_down(h, n, to=1))

        return self._by_blocks(rows, answer)

    # --- Samples -----------------------------------------------------------------------------------------

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
    ) -> Any:
        """Samples of the model: Gibbs chains in the top RBM, then one pass down.

        Parameters
        ----------
        n, seed, first_row
            As for `RBM.sample`.
        steps : int, default 1000
            Gibbs steps of each chain in the top RBM, at least 1.
        labels : int or int array (n,), optional
            Classes, from 0, to generate: the label units are held there.
        start : (n, n_visible), optional
            Visible states to start from: the layer below the top is drawn from them, upwards. Otherwise it is
            drawn from its biases alone.
        last : {"sample", "mean"}
            Whether to draw the visible units, or to give their probabilities: a smoother image.
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
        check_choice(last, "last", ("sample", "mean"))
        if return_labels and self.n_classes is None:
            raise ValueError("return_labels needs a network with labels: n_classes was not given")
        dtype = np.dtype(np.float32) if last == "mean" else self.visible.dtype
        n, steps, row, rows = self._check_sample(n, steps, first_row, start, self.n_visible * dtype.itemsize)
        classes = self._check_labels(labels, n)

        stack, key = self._stack, check_seed(seed)
        model = self.top._conditionals(Stream(key, Purpose.DBN_SAMPLE))
        V, y = np.empty((n, self.n_visible), dtype), np.empty(n, np.int64)
        for first, end in self._spans(n):
            here, ids = slice(first, end), row + np.arange(first, end)
            begin = self._begin(model.at(0, ids), None if rows is None else rows.block(here))
            held = None if classes is None else classes[here]
            v, h = self.top._run_chain(model.at(2, ids), begin, steps, held)
            if self.n_classes is not None:
                y[here] = v[:, stack.sizes[-2] :].argmax(axis=1)
            V[here] = self._descend(stack, v, h, last, Stream(key, Purpose.DBN_DOWN, 0, 1, ids))
        V = self.visible.shown(V)
        return (V, y) if return_labels else V

    def _begin(self, top: Conditionals, visible: States | None) -> States:
        """States of the top RBM's visible layer, labels included, to start chains from."""
        ids: Any = top.stream.rows
        if visible is None:
            return top.down.sample_alone(len(ids), top.stream)
        stream = Stream(top.stream.seed, Purpose.DBN_UP, 0, 1, ids)
        return self._below(self._stack, len(self), visible, stream)

    def _descend(self, stack: Stack, v: States, h: States, last: str, stream: Stream) -> States:
        """Visible states or means from the last states of chains in the top RBM."""
        n = len(self)
        if n == 1 and last == "sample":
            return stack.units(v, 0)
        h1 = h if n == 1 else stack.go_down(stack.units(v, n - 1), n - 1, 1, stream)
        return stack.visible_means(h1, stream) if last == "mean" else stack.go_down(h1, 1, 0, stream)

    # --- Filling in --------------------------------------------------------------------------------------

    def _fill_in(
        self, v: States, missing: NDArray[np.bool_], steps: int, stream: Stream, average: bool
    ) -> NDArray[Any]:
        """See `Model._fill_in`."""
        stack, top = self._stack, self.top._down
        drawn = stack.down[0].sample_alone(len(v), stream)
        labels = top.sample_alone(len(v), stream.on(len(self) - 1))[:, stack.sizes[-2] :]
        v = np.where(missing, in_form(stack.units(drawn, 0), v.dtype), v)
        total, n_averaged = np.zeros(v.shape), steps - steps // 2
        for t in range(steps):
            up = stream.after(2 + 2 * t)
            down = up.after(1)
            h1, labels = self._sweep(stack, v, labels, up, down)
            if average and t >= steps - n_averaged:
                total += stack.visible_means(h1, down)
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
        states = stack.go_up(v, n - 1, up)
        h = stack.up[-1].sample(states if self.n_classes is None else join(states, labels), up.on(n))
        both = stack.down[-1].sample(h, down.on(n - 1))
        h1 = h if n == 1 else stack.go_down(stack.units(both, n - 1), n - 1, 1, down)
        return h1, both[:, stack.sizes[-2] :]

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
        stack, n = self._stack, len(self)
        return self._by_blocks(
            self._visible_rows(V), lambda v, _: self._class_log_probabilities(stack.go_up(v, n - 1))
        )

    def predict(self, V: Any) -> I64:
        """The most probable class of each row, the first of equals: int64 (n_rows,).

        Argument and errors as for `predict_log_proba`.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4, 3], n_classes=2, seed=0).predict([[1, 0, 1, 0, 0, 1]]).shape
        (1,)
        """
        best: I64 = self.predict_log_proba(V).argmax(axis=1)
        return best

    def _class_log_probabilities(self, states: States) -> F64:
        """Of the classes, given states of the layer below the top."""
        assert isinstance(self.top, ClassRBM)
        return log_softmax(self.top._class_log_weights(states))

    def _below(self, stack: Stack, layer: int, v: Any, stream: Stream | None = None) -> States:
        """What a layer sees, given visible states: the layer below it and, at the top, labels beside that.

        Drawn, the labels by numbers apart from those of the states; or expectations without a stream.
        """
        states = stack.go_up(v, layer - 1, stream)
        if self.n_classes is None or layer < len(self):
            return states
        unit, x = Categorical(self.n_classes), self._class_log_probabilities(states).astype(np.float32)
        if stream is None:
            return join(states, unit.expectation(x))
        return join(states, unit.sample(x, stream.on(len(self) - 1).after(LABEL_STEPS)))

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

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.DBN([6, 4], visible="gaussian", seed=0).to_autoencoder()
        Network([Dense(6, 4, 'sigmoid'), Dense(4, 6, 'linear')], domain='real')
        """
        return to_autoencoder(self.recognition, self.generative)
