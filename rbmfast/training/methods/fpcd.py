"""Persistent contrastive divergence with fast weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import check_fraction, check_number, checked_by
from rbmfast.models.conditionals import Conditionals
from rbmfast.models.joint_path import JointPath
from rbmfast.reference import F32, States
from rbmfast.state import Fast, Gradient
from rbmfast.streams import Purpose, Stream
from rbmfast.training.methods.base import Method
from rbmfast.training.methods.pcd import PCD
from rbmfast.training.phases import as_divergence


@dataclass(frozen=True)
class FPCD(PCD):
    """Fast persistent contrastive divergence: what the chains have just seen is pushed away for a while.

    As `PCD`, but the chains follow the model plus *fast* parameters. These learn from the same gradient, at a
    rate of their own, and decay at each update: where the chains stay, energies rise at once, and drive them
    on. The model's own parameters learn as in `PCD`; only they are the result.

    Parameters
    ----------
    k : int, default 1
        Gibbs steps per update, at least 1.
    n_chains : int, optional
        How many chains; by default as many as a batch has rows. At most 32 768.
    fast_rate : float, default 0.01
        Learning rate of the fast parameters, at least 0. At 0 this is `PCD`. It stays as it is where the
        optimizer's rate decays, so that the chains keep moving.
    fast_decay : float, default 19/20
        What is left of the fast parameters after an update, from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it.

    Notes
    -----
    Tieleman & Hinton, "Using fast weights to improve persistent contrastive divergence", ICML 2009. The
    data's statistics come from the model alone, the samples' from the sum. Momentum, penalties and centring
    are the model's: the fast parameters follow the plain gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM(6, 2, seed=0)
    >>> method = rf.FPCD(n_chains=20, fast_rate=0.05)
    >>> optimizer = rf.SGD(rf.Linear(0.05))
    >>> history = rf.train(rbm, np.eye(6), method=method, optimizer=optimizer, epochs=2, seed=1)
    """

    fast_rate: float = field(default=0.01, metadata=checked_by(check_number))
    fast_decay: float = field(default=19 / 20, metadata=checked_by(check_fraction))
    purpose = Purpose.FPCD
    fused: ClassVar[bool] = True
    joint_gradient = Method.joint_gradient  # without fast weights it would be another method

    def start_memory(
        self, model: Conditionals | JointPath, base: Callable[[], F32], n_chains: int, stream: Stream
    ) -> dict[str, NDArray[Any]]:
        """The fast weights and biases, all 0."""
        assert isinstance(model, Conditionals)
        parameters = {"W": model.up.W, "a": model.down.bias, "b": model.up.bias}
        return {f"fast_{name}": np.zeros_like(array) for name, array in parameters.items()}

    def negative_phase(
        self, model: Conditionals, v: States, x: F32, chains: States | None
    ) -> tuple[States, F32]:
        return super().negative_phase(_with_fast(model), v, x, chains)

    def learn(self, model: Conditionals, gradient: Gradient) -> None:
        rate, decay = np.float32(self.fast_rate), np.float32(self.fast_decay)
        a, b = model.up.interaction.spread(gradient.a, gradient.b)
        for name, slope in zip("Wab", (gradient.W, a, b), strict=True):
            fast = model.memory[f"fast_{name}"]
            fast[:] = decay * fast + rate * slope
            fast[np.abs(fast) < np.float32(2.0**-100)] = 0  # denormals would make dead units slow

    def for_engine(self, memory: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        W, a, b = (memory[f"fast_{name}"] for name in "Wab")
        return {"fast": Fast(W, a, b, self.fast_rate, self.fast_decay)}


def _with_fast(model: Conditionals) -> Conditionals:
    """The model whose parameters are the slow ones plus the fast ones."""
    W, a, b = (model.memory[f"fast_{name}"] for name in ("W", "a", "b"))
    W = model.up.W + W
    with as_divergence():
        weights = model.up.interaction.weights(W, model.up.weights.exponent)
    up = replace(model.up, weights=weights, W=W, bias=model.up.bias + b)
    down = replace(model.down, weights=weights, W=W, bias=model.down.bias + a)
    return replace(model, up=up, down=down)
