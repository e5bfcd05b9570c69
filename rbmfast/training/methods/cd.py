"""Contrastive divergence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from rbmfast.checks import Checked
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.reference import F32, F64, U8, States
from rbmfast.state import Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import STEPS, Method
from rbmfast.training.phases import joint_contrast


@dataclass(frozen=True)
class CD(Checked, Method):
    """Contrastive divergence: the chains start at the data and run for k steps.

    Parameters
    ----------
    k : int, default 1
        Gibbs steps per update, at least 1. More come closer to maximum likelihood, at k times the cost.

    Notes
    -----
    Hinton, Training products of experts by minimizing contrastive divergence, Neural Computation 14 (2002).
    Hidden units are sampled to drive the reconstruction; the pairwise statistics use their probabilities
    (Hinton 2010, section 3). The random numbers belong to rows of the data set, so neither batches nor order
    change them.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(6, 2, seed=0)
    >>> history = rf.train(rbm, np.eye(6), method=rf.CD(k=3), epochs=2, seed=1)
    """

    k: int = field(default=1, metadata=STEPS)
    purpose = Purpose.CD
    starts_at_rows = True
    fused: ClassVar[bool] = True

    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None
    ) -> tuple[States, F32]:
        for i in range(self.k):
            h = model.sample_hidden(x, 2 * i)
            v = model.sample_visible(h, 2 * i + 1, like=v)
            x = model.up.input(v)
        return v, x

    def joint_gradient(
        self,
        path: JointPath,
        states: U8,
        stream: Stream,
        chains: U8 | None,
        weights: F64 | None = None,
    ) -> Gradient:
        samples = path.within.sweep(states, path.bias, self.k, stream)
        return joint_contrast(path.target, states, samples, weights, paired=True)
