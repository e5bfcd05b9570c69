"""Learning by maximum pseudo-likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import Checked
from rbmfast.data import Rows
from rbmfast.models import RBM
from rbmfast.models.joint_path import JointPath
from rbmfast.reference import F64, U8
from rbmfast.state import Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import Method
from rbmfast.training.phases import prediction_gradient


@dataclass(frozen=True)
class MaximumPseudoLikelihood(Checked, Method):
    """Maximum pseudo-likelihood: every site learns to be predicted by all others. Without samples.

    What rises is `rbmfast.pseudo_likelihood`, the sum over sites of log p(s_i | all other sites). It is
    concave, and has the true parameters as its limit where the data are the machine's. For a
    `rbmfast.BoltzmannMachine` without hidden units.

    Notes
    -----
    Besag, "Statistical analysis of non-lattice data", The Statistician 24 (1975), 179. For alignments of
    proteins: Ekeberg, Lövkvist, Lan, Weigt & Aurell, "Improved contact prediction in proteins", Physical
    Review E 87 (2013), 012707, whose symmetric version this is; their regularisation of 0.01 on couplings is
    ``penalties=rf.L2(0.02)``. No random numbers but those of the order are used.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.repeat([[0, 0, 1], [1, 1, 0], [1, 1, 1], [1, 0, 0]], [5, 3, 1, 1], axis=0)
    >>> machine = rf.BoltzmannMachine(3, seed=0)
    >>> history = rf.train(machine, X, method=rf.MaximumPseudoLikelihood(), epochs=100, seed=1)
    >>> bool(machine.W[0, 1] > 1)                                       # these two agree
    True
    """

    k: ClassVar[int] = 0  # type: ignore[misc]  # no sweeps
    purpose = Purpose.CD
    takes_missing: ClassVar[bool] = False

    def rows(self, rbm: RBM, X: Any) -> tuple[Rows, NDArray[np.int64] | None]:
        raise TypeError(f"rbm must be an rf.BoltzmannMachine for {self!r}, got {rbm!r}")

    def joint_gradient(
        self,
        path: JointPath,
        states: U8,
        stream: Stream,
        chains: U8 | None,
        weights: F64 | None = None,
    ) -> Gradient:
        layers = path.target, path.target
        predicted = path.target.expectation(path.within.input(states, path.bias))
        gradient = prediction_gradient(layers, states, states, predicted, weights)
        gradient.W = gradient.W + gradient.W.T  # a pair's weight predicts either site
        gradient.a = gradient.b
        return gradient
