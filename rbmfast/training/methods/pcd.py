"""Persistent contrastive divergence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from rbmfast.checks import Checked, check_integer, checked_by
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.reference import F32, F64, MAX_BATCH, U8, States
from rbmfast.state import Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import STEPS, Method
from rbmfast.training.phases import joint_contrast


@dataclass(frozen=True)
class PCD(Checked, Method):
    """Persistent contrastive divergence: chains of their own, which never restart.

    Parameters
    ----------
    k : int, default 1
        Gibbs steps per update, at least 1.
    n_chains : int, optional
        How many chains; by default as many as a batch has rows. At most 32 768.

    Notes
    -----
    Tieleman, Training restricted Boltzmann machines using approximations to the likelihood gradient, ICML
    2008; stochastic maximum likelihood (Younes 1999). The chains must keep up with the weights: use a lower
    rate than for CD, best decaying to 0.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(6, 2, seed=0)
    >>> method = rf.PCD(k=1, n_chains=20)
    >>> history = rf.train(rbm, np.eye(6), method=method, optimizer=rf.SGD(rf.Linear(0.05)), epochs=2, seed=1)
    """

    k: int = field(default=1, metadata=STEPS)
    n_chains: int | None = field(
        default=None, metadata=checked_by(check_integer, optional=True, low=1, high=MAX_BATCH)
    )
    purpose = Purpose.PCD
    persistent = True
    fused: ClassVar[bool] = True

    def chains_for(self, batch_size: int) -> int:
        return batch_size if self.n_chains is None else self.n_chains

    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None
    ) -> tuple[States, F32]:
        assert chains is not None
        for i in range(self.k):
            v = model.sample_visible(chains, 2 * i)
            x = model.up.input(v)
            chains[:] = model.sample_hidden(x, 2 * i + 1)
        return v, x

    def joint_gradient(
        self,
        path: JointPath,
        states: U8,
        stream: Stream,
        chains: U8 | None,
        weights: F64 | None = None,
    ) -> Gradient:
        assert chains is not None
        chains[:] = path.within.sweep(chains, path.bias, self.k, stream)
        return joint_contrast(path.target, states, chains, weights)
