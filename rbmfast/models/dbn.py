"""The deep belief network."""

from __future__ import annotations

from typing import Any

from rbmfast.checks import SeedLike, check_seed
from rbmfast.data import Rows
from rbmfast.models.deep_sampling import DeepSampling
from rbmfast.models.network import Network
from rbmfast.models.unroll import to_autoencoder, to_network
from rbmfast.reference import F32, States
from rbmfast.streams import Purpose, Stream, check_first_row


class DBN(DeepSampling):
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
        stack, way = self._stack, self._recognition[layer - 1]._up
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
