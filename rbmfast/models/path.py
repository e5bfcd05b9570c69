"""The way from independent units to a model, which annealing and tempering go along."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rbmfast import _engine as engine
from rbmfast.models.conditionals import WORK, Conditional
from rbmfast.reference import F32, F64, States
from rbmfast.streams import Stream
from rbmfast.units import Unit


@dataclass(frozen=True)
class Path:
    """A family of models p_beta: units that know nothing of each other at beta = 0, the model itself at 1.

    Each is an RBM with the weights ``beta W``, the visible bias ``(1 - beta) base + beta a`` and the hidden
    bias ``beta b``: the path of Salakhutdinov & Murray (2008), eq. 15 to 18, whose hidden units are even at
    beta = 0. (Keeping their biases there is worse: docs/design/005-likelihood.md.)

    Attributes
    ----------
    up, down : Conditional
        The conditional distributions of the model.
    base : float32 array (n_visible,)
        Visible bias at beta = 0.

    Notes
    -----
    `beta` is a number, or a float32 column (n_rows, 1) with one for each row. All arithmetic is float32,
    operation by operation, so that every engine gives the same bits.
    """

    up: Conditional
    down: Conditional
    base: F32

    @property
    def size(self) -> int:
        """Weights of the model."""
        return self.up.W.size

    @property
    def arrays(self) -> tuple[F32, ...]:
        """All that the path is made of."""
        return self.up.W, self.down.bias, self.up.bias, self.base

    @property
    def units(self) -> str:
        """Their names, layer by layer."""
        return f"{self.down.target.name}, {self.up.target.name}"

    @property
    def target(self) -> Unit:
        """Unit type of the states that go along it."""
        return self.down.target

    def mobility(self, v: States) -> tuple[float | None, float]:
        """How many units change in a step of the model (None: always all), and the largest input sent."""
        hidden = self.up.input(v)
        h = self.up.target.mode(hidden)
        changes = (
            self.up.target.expected_changes(hidden),
            self.down.target.expected_changes(self.down.input(h)),
        )
        sent = max(float(np.abs(x).max(axis=1).mean()) for x in (self.up.send(v), self.down.send(h)))
        return (None if changes == (None, None) else sum(n or 0 for n in changes)), sent

    # --- The model at beta ---------------------------------------------------------------------------------

    def hidden_input(self, sent: F32, beta: float | F32) -> F32:
        """Total inputs of the hidden units at `beta`, given what visible states send at beta = 1."""
        beta = np.asarray(beta, np.float32)
        return beta * sent + beta * self.up.total_bias

    def visible_input(self, sent: F32, beta: float | F32) -> F32:
        """Total inputs of the visible units at `beta`, given what hidden states send at beta = 1."""
        return np.float32(beta) * sent + self.visible_bias(beta)

    def visible_bias(self, beta: float | F32) -> F32:
        """Of the model at `beta`."""
        beta = np.asarray(beta, np.float32)
        bias: F32 = (np.float32(1) - beta) * self.base + beta * self.down.bias
        return bias

    def log_weight(self, v: States, sent: F32, beta: float) -> F64:
        """Log of exp(-E) summed over the hidden units, of the model at one `beta`: (n_rows,) in nats."""
        hidden = self.up.target.log_normalizer(self.hidden_input(sent, beta), np.float32(beta) * self.up.bias)
        return hidden - self.down.target.energy(v, self.visible_bias(beta))

    def gain(self, v: States, sent: F32, here: float, there: float) -> F64:
        """`log_weight` at `there` minus that at `here`: (n_rows,) in nats."""
        return self.log_weight(v, sent, there) - self.log_weight(v, sent, here)

    def log_ratio(self, v: States, sent: F32, here: F32, there: F32) -> F64:
        """`log_weight` at `there` minus that at `here`, columns with a beta for each row: (n_rows,) in nats.

        Up to a number that depends on the betas alone, which is nothing to exchanges of states: what this is
        for. But for such a number a unit's energy is linear in its bias, so that of both ends is enough.
        """
        layer, unit = self.up.target, self.down.target
        hidden = layer.log_normalizer(self.hidden_input(sent, there), self.up.bias)
        hidden = hidden - layer.log_normalizer(self.hidden_input(sent, here), self.up.bias)
        way = there[:, 0].astype(np.float64) - here[:, 0]
        return hidden - way * (unit.energy(v, self.down.bias) - unit.energy(v, self.base))

    def log_z0(self) -> float:
        """Log of the partition function at beta = 0, in float64."""
        base, even = self.base.astype(np.float64)[None], np.zeros((1, len(self.up.bias)))
        visible = self.down.target.log_normalizer_float64(base, base[0])
        return float((visible + self.up.target.log_normalizer_float64(even, even[0]))[0])

    # --- Moving --------------------------------------------------------------------------------------------

    def start(self, n: int, stream: Stream) -> States:
        """Visible states drawn at beta = 0: (n, n_visible)."""
        return self.down.target.sample(np.tile(self.base, (n, 1)), stream)

    def sample_hidden(self, sent: F32, beta: float | F32, stream: Stream) -> States:
        """Hidden states at `beta`, given what visible ones send at beta = 1."""
        return self.up.target.sample(self.hidden_input(sent, beta), stream)

    def sample_visible(self, h: States, beta: float | F32, stream: Stream) -> States:
        """Visible states at `beta`, given hidden ones."""
        return self.down.target.sample(self.visible_input(self.down.send(h), beta), stream)

    def anneal(self, v: States, log_weights: F64, betas: F32, stream: Stream) -> tuple[States, F64]:
        """Move rows along `betas`: at each but the first, one Gibbs step of the model there.

        Parameters
        ----------
        v : (n_rows, n_visible)
            Visible states that belong to ``betas[0]``.
        log_weights : float64 array (n_rows,)
            What the rows have gathered so far.
        betas : float32 array (n,)
            In any order.
        stream : Stream
            Random numbers: ``stream.step + 2 t`` and the next half-step at ``betas[t + 1]``; `stream.rows` is
            the number of the first row.

        Returns
        -------
        v : (n_rows, n_visible)
            The last visible states.
        log_weights : float64 array (n_rows,)
            With the log-ratios of the models before each step, after and before the change of beta.
        """
        rows = max(1, WORK // (2 * self.up.W.size))
        n = max(1, rows // len(v))
        for at in range(0, len(betas) - 1, n):
            some, here = betas[at : at + n + 1], stream.after(2 * at)
            parts = [
                self._move(v[i : i + rows], log_weights[i : i + rows], some, here.from_row(i))
                for i in range(0, len(v), rows)
            ]
            v, log_weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        return v, log_weights

    def _move(self, v: States, log_weights: F64, betas: F32, stream: Stream) -> tuple[States, F64]:
        blocks = self.up.blocks
        if blocks is not None:
            arrays = self.down.bias, self.up.bias, self.base, v, log_weights, betas
            return engine.anneal(self.up.weights, *arrays, *stream, blocks)
        for t, (here, there) in enumerate(pairwise(betas)):
            sent, now = self.up.send(v), stream.after(2 * t)
            log_weights = log_weights + self.gain(v, sent, here, there)
            v = self.sample_visible(self.sample_hidden(sent, there, now), there, now.after(1))
        return v, log_weights
