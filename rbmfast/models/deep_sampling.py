"""Samples of a deep belief network, its labels, and what it fills in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_seed
from rbmfast.models.base import known_as
from rbmfast.models.class_rbm import ClassRBM, log_softmax
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.stack import Stack
from rbmfast.models.stacked import Stacked
from rbmfast.reference import States
from rbmfast.states import in_form, join, without_levels
from rbmfast.streams import Purpose, Stream
from rbmfast.units import Categorical
from rbmfast.units.base import F64

I64 = NDArray[np.int64]

LABEL_STEPS = 2  # between the steps of states and those of the labels drawn beside them


@known_as("DBN")
class DeepSampling(Stacked):
    """What an `rbmfast.DBN` draws: chains in the top RBM, and passes through the layers below."""

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
        if last not in ("sample", "mean"):
            raise ValueError(f"last must be 'sample' or 'mean', got {last!r}")
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
        return stack.visible_means(h1) if last == "mean" else stack.go_down(h1, 1, 0, stream)

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
