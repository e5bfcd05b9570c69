"""What is taken off the gradient to keep the weights in hand.

A `BuiltIn` penalty is a few coefficients of the engine's update (`rbmfast.state.UpdateSettings`). Anything
else is an object with a method ``gradient(W)``, whose result is added to the gradient of the weights; it is
slower, because training then takes one Python step per update.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import Checked, as_list, check_fraction, check_number, checked_by
from rbmfast.models import RBM
from rbmfast.reference import F32, row_sums
from rbmfast.state import UpdateSettings


@runtime_checkable
class CustomPenalty(Protocol):
    """What any other penalty must offer.

    With ``centered=True`` the result joins the gradient before it is centred: the biases then move so that
    the units' mean inputs stay what they were.
    """

    def gradient(self, W: F32) -> NDArray[Any]:
        """What to add to the gradient of the log-likelihood: -dc/dW for a cost c(W). `W` is read-only."""


Penalties: TypeAlias = "BuiltIn | CustomPenalty | Iterable[BuiltIn | CustomPenalty]"


class BuiltIn(Checked):
    """A penalty that the engine's update knows."""

    replaces: ClassVar[dict[str, str]]  # coefficient of UpdateSettings: our attribute

    def coefficients(self) -> dict[str, float]:
        """The coefficients of `UpdateSettings` that it sets."""
        return {theirs: getattr(self, ours) for theirs, ours in self.replaces.items()}


@dataclass(frozen=True)
class L1(BuiltIn):
    """Cost times the sum of absolute weights, which drives small weights to zero; biases are left alone.

    Parameters
    ----------
    cost : float, default 1e-4
        Strength, above 0, in nats per row and unit of weight.
    """

    cost: float = field(default=1e-4, metadata=checked_by(check_number, above=0.0))
    replaces: ClassVar[dict[str, str]] = {"l1": "cost"}


@dataclass(frozen=True)
class L2(BuiltIn):
    """Weight decay: half the cost times the sum of squared weights; biases are left alone.

    Parameters
    ----------
    cost : float, default 1e-4
        Strength, above 0. Useful values lie between 1e-5 and 1e-2 (Hinton 2010, section 10).
    """

    cost: float = field(default=1e-4, metadata=checked_by(check_number, above=0.0))
    replaces: ClassVar[dict[str, str]] = {"l2": "cost"}


@dataclass(frozen=True)
class MaxNorm(BuiltIn):
    """A limit on the length of each hidden unit's weight vector: longer ones are scaled back after an update.

    Parameters
    ----------
    limit : float
        Largest Euclidean norm of a column of W, at least 1e-6.
    """

    limit: float = field(metadata=checked_by(check_number, above=0.0))
    replaces: ClassVar[dict[str, str]] = {"max_norm": "limit"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit < 1e-6:  # its square must be a normal float32
            raise ValueError(f"limit must be at least 1e-06, got {self.limit:g}")


@dataclass(frozen=True)
class SparsityTarget(BuiltIn):
    """Pushes each hidden unit's mean activity towards a target; for units that are on or off.

    See Lee, Ekanadham & Ng 2007; Hinton 2010, section 11. The running mean activity is ``q = decay * q + (1 -
    decay) * batch mean``, starting at the target; the gradient of the unit's bias gains ``cost * (target -
    q)``, that of its weights the same times the mean visible state.

    Parameters
    ----------
    target : float
        Wanted mean activity, in [0, 1]; usual values lie between 0.01 and 0.1.
    cost : float, default 0.1
        Strength, above 0.
    decay : float, default 0.9
        Of the running mean, from 0 up to, and without, 1.
    """

    target: float = field(metadata=checked_by(check_fraction))
    cost: float = field(default=0.1, metadata=checked_by(check_number, above=0.0))
    decay: float = field(default=0.9, metadata=checked_by(check_number, below=1.0))
    replaces: ClassVar[dict[str, str]] = {
        "sparsity_target": "target",
        "sparsity_cost": "cost",
        "sparsity_decay": "decay",
    }


@dataclass(frozen=True)
class BlockL1(Checked):
    """Half the cost times the squared sum of absolute weights of each hidden unit, over visible units.

    ``cost / (2 n_visible) * sum over hidden units j of (sum over i of |W[i, j]|)**2``; biases are left alone.
    All weights of a unit are drawn towards zero at a speed that its own sum sets. So units with many large
    weights are thinned out, and those with few left alone, which `L1` treats alike.

    Parameters
    ----------
    cost : float, default 0.1
        Strength, above 0, in nats per row and squared unit of weight.

    Raises
    ------
    TypeError, ValueError
        A cost that is not allowed.

    Notes
    -----
    The engine's update does not know it: an update is a Python step.

    References
    ----------
    Tubiana, Cocco & Monasson, "Learning protein constitutive motifs from sequence data", eLife 8, 2019,
    e39397: the second term of their regularization, whose N q is the number of visible units here.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rf.BlockL1(1.0).gradient(np.float32([[1, 0], [-2, 0.5]]))          # -(3, 0.5) / 2, by the signs
    array([[-1.5 , -0.  ],
           [ 1.5 , -0.25]], dtype=float32)
    >>> X = np.repeat(np.random.default_rng(0).integers(0, 2, (500, 3)), 4, axis=1)   # three blocks of four
    >>> def share_in_use(*penalties):                                       # of the weights
    ...     rbm = rf.RBM(12, 3, seed=0)
    ...     how = dict(method="pcd", optimizer=0.1, penalties=penalties, centered=False)
    ...     rf.train(rbm, X, epochs=60, batch_size=20, seed=1, **how)
    ...     return float((abs(rbm.W) > 0.1).mean().round(2))
    >>> share_in_use(), share_in_use(rf.BlockL1(0.1))                       # then each unit sees one block
    (0.92, 0.33)
    """

    cost: float = field(default=0.1, metadata=checked_by(check_number, above=0.0))

    def gradient(self, W: F32) -> F32:
        """See `CustomPenalty`."""
        sums = row_sums(np.abs(W.T, dtype=np.float64))
        return (-self.cost / len(W) * sums * np.sign(W)).astype(np.float32)


def check_penalties(penalties: object, name: str = "penalties") -> tuple[Any, ...]:
    """A list of penalties, or a single one, as a tuple; a clear error otherwise."""
    checked = as_list(penalties, (BuiltIn, CustomPenalty), name, "rf.L2(1e-4)")
    set_by: list[str] = []
    for i, penalty in enumerate(checked):
        if isinstance(penalty, type) or not isinstance(penalty, (BuiltIn, CustomPenalty)):
            raise TypeError(
                f"{name}[{i}] must be a penalty such as rf.L2(1e-4) or an object with a method "
                f"gradient(W), got {penalty!r}"
            )
        own = penalty.replaces.keys() if isinstance(penalty, BuiltIn) else ()
        if any(coefficient in set_by for coefficient in own):
            raise ValueError(f"{name} holds {type(penalty).__name__} twice")
        set_by += own
    return checked


def split_penalties(
    penalties: Iterable[Any], centered: bool = False
) -> tuple[UpdateSettings, tuple[CustomPenalty, ...]]:
    """The settings of the engine's update, and the penalties that it does not know."""
    known: dict[str, Any] = {}
    for penalty in penalties:
        known |= penalty.coefficients() if isinstance(penalty, BuiltIn) else {}
    custom = tuple(penalty for penalty in penalties if not isinstance(penalty, BuiltIn))
    return UpdateSettings(centered=centered, **known), custom


def penalty_gradient(penalty: CustomPenalty, W: F32) -> F32:
    """What a custom penalty adds to the gradient of the weights, checked."""
    view = W.view()
    view.flags.writeable = False
    result: NDArray[Any] = np.asarray(penalty.gradient(view))
    if result.shape != W.shape or result.dtype.kind not in "fiu":
        raise ValueError(
            f"penalties: {type(penalty).__name__}.gradient(W) must return real numbers of shape {W.shape}, "
            f"got {result.dtype} of shape {result.shape}"
        )
    return result.astype(np.float32)


def check_switches(rbm: RBM, who: str) -> None:
    """Raise ValueError where hidden units are neither on nor off, and someone needs that they are."""
    if not rbm.hidden.means_are_rates:
        raise ValueError(f"{who} needs hidden units that are on or off, got {rbm!r}: leave it out")
