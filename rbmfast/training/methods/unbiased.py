"""Contrastive divergence without its bias."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import Checked, check_integer, checked_by
from rbmfast.data import Rows
from rbmfast.models import RBM
from rbmfast.models.conditionals import Conditionals
from rbmfast.reference import F32, F64, States
from rbmfast.state import Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import MAX_STEPS, Method
from rbmfast.training.phases import contrast
from rbmfast.units import Unit

Chains = tuple[States, F32]  # visible states, and the hidden units' total inputs from them


@dataclass(frozen=True)
class UnbiasedCD(Checked, Method):
    """Contrastive divergence whose gradient is right on average, by pairs of chains that meet.

    A chain starts at each row, as in `CD`. A second one follows it, a step behind and by the same random
    numbers, until both are in one state. What the leader shows after `burn_in` steps, plus all differences
    between the two until they meet, has the mean of the model itself, however few steps that takes. For
    Bernoulli units in both layers.

    Parameters
    ----------
    burn_in : int, default 1
        Gibbs steps of the leader before it is looked at, at least 1. More cost time and spread less.
    k : int, default 100
        Gibbs steps per update at most, more than `burn_in`. Chains that have not met by then are given up,
        which leaves a bias: a model whose chains mix slowly needs more.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Notes
    -----
    Qiu, Zhang & Wang, "Unbiased contrastive divergence algorithm for training energy-based latent variable
    models", ICLR 2020; the meeting chains are those of Glynn & Rhee (2014) and Jacob, O'Leary & Atchadé
    (JRSS B 82, 2020). Each pair of units is drawn from one uniform number, which makes them differ as rarely
    as they can. The price of no bias is variance: use larger batches or lower rates than with `CD`.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(6, 2, seed=0)
    >>> history = rf.train(rbm, np.eye(6), method=rf.UnbiasedCD(), epochs=2, seed=1)
    """

    burn_in: int = field(default=1, metadata=checked_by(check_integer, low=1, high=MAX_STEPS - 1))
    k: int = 100
    purpose = Purpose.UNBIASED_CD

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "k", check_integer(self.k, "k", low=self.burn_in + 1, high=MAX_STEPS))

    def rows(self, rbm: RBM, X: Any) -> tuple[Rows, NDArray[np.int64] | None]:
        if not rbm._up.between_switches:
            raise ValueError(
                f"{self!r} needs Bernoulli units in both layers, got {rbm.visible} and {rbm.hidden} units"
            )
        return super().rows(rbm, X)

    def gradient(
        self, model: Conditionals, v: States, x: F32, chains: States | None, weights: F64 | None = None
    ) -> Gradient:
        mean_weight = 1.0 if weights is None else math.fsum(weights) / len(weights)
        walk = self.walk(model, v, x)
        gradient = contrast(model, (v, x), next(walk)[0], weights)
        for leader, follower in walk:
            difference, share = contrast(model, follower, leader), len(leader[0]) / len(v) * mean_weight
            for name in ("W", "a", "b"):
                total = getattr(gradient, name) + np.float32(share) * getattr(difference, name)
                setattr(gradient, name, total)
        return gradient

    def walk(self, model: Conditionals, v: States, x: F32) -> Iterator[tuple[Chains, Chains]]:
        """Leaders and followers after `burn_in` steps; then, step by step, those that had not met."""
        stream = model.stream
        rows = stream.rows + np.arange(len(v)) if isinstance(stream.rows, int) else stream.rows
        leader, follower = _step(model, x, stream), (v, x)
        for t in range(1, self.k + 1):
            if t > 1:
                here = stream.at(stream.step + 2 * (t - 1), rows)
                leader, follower = _step(model, leader[1], here), _step(model, follower[1], here)
            if t < self.burn_in:
                continue
            yield leader, follower
            apart = np.flatnonzero((leader[0] != follower[0]).any(axis=1))
            if not len(apart):
                return
            leader, follower = ((chains[0][apart], chains[1][apart]) for chains in (leader, follower))
            rows = rows[apart]


def _step(model: Conditionals, x: F32, stream: Stream) -> Chains:
    """A Gibbs step of chains whose hidden units hear x."""
    h = _draw(model.up.target, x, stream)
    v = _draw(model.down.target, model.down.input(h), stream.after(1))
    return v, model.up.input(v)


def _draw(unit: Unit, x: F32, stream: Stream) -> States:
    """States that rise with x. A Bernoulli unit reads a number from its rarer state's end: turn it round."""
    uniform = stream.uniform(*x.shape)
    return unit.draw(x, np.where(x >= 0, ~uniform, uniform))
