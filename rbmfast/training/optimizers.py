"""How a gradient becomes a step."""

from __future__ import annotations

from dataclasses import dataclass

from rbmfast.checks import check_number
from rbmfast.training.schedules import Schedule, as_schedule


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient ascent on the log-likelihood, with momentum; in fine-tuning, descent on the loss.

    ``velocity = momentum * velocity + rate * gradient; parameters = parameters + velocity``. Gradients are
    means over the rows of a batch, in nats per row.

    Parameters
    ----------
    rate : float or Schedule, default 0.1
        Learning rate, at least 0. About ten times lower for Gaussian visible units.
    momentum : float or Schedule, default 0.0
        From 0 up to, and without, 1.

    Raises
    ------
    TypeError, ValueError
        A rate or momentum that is not allowed; the message names it.

    Notes
    -----
    With momentum m a step's effect sums to ``rate / (1 - m)``: lower the rate when raising the momentum
    (Hinton, A Practical Guide to Training Restricted Boltzmann Machines, 2010, section 9).

    Examples
    --------
    >>> import rbmfast as rf
    >>> rf.SGD(rate=rf.Linear(0.05, 0.0), momentum=0.5)
    SGD(rate=Linear(start=0.05, end=0.0), momentum=Constant(value=0.5))
    """

    rate: float | Schedule = 0.1
    momentum: float | Schedule = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule(self.rate, "rate"))
        object.__setattr__(self, "momentum", as_schedule(self.momentum, "momentum", below=1.0))

    @property
    def schedules(self) -> tuple[Schedule, Schedule]:
        """The schedules of the rate and of the momentum."""
        return as_schedule(self.rate, "rate"), as_schedule(self.momentum, "momentum", below=1.0)


@dataclass(frozen=True)
class Adam:
    """Steps along a running mean of the gradient over the root of a running mean of its square.

    For `rbmfast.fine_tune`. With the gradient g of step t, counted from 1::

        m = beta1 * m + (1 - beta1) * g,    s = beta2 * s + (1 - beta2) * g**2
        parameters -= rate * (m / (1 - beta1**t)) / (sqrt(s / (1 - beta2**t)) + epsilon)

    Parameters
    ----------
    rate : float or Schedule, default 0.001
        Learning rate, at least 0.
    beta1, beta2 : float, default 0.9 and 0.999
        From 0 up to, and without, 1.
    epsilon : float, default 1e-8
        Above 0.

    Raises
    ------
    TypeError, ValueError
        A number that is not allowed; the message names it.

    References
    ----------
    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    Examples
    --------
    >>> import rbmfast as rf
    >>> optimizer = rf.Adam(rf.Linear(0.001))              # 0.001, decaying to 0
    """

    rate: float | Schedule = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule(self.rate, "rate"))
        for name in ("beta1", "beta2"):
            object.__setattr__(self, name, check_number(getattr(self, name), name, below=1.0))
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon", above=0.0))

    @property
    def schedules(self) -> tuple[Schedule]:
        """The schedule of the rate."""
        return (as_schedule(self.rate, "rate"),)
