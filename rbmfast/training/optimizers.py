"""How a gradient becomes a step."""

from __future__ import annotations

from dataclasses import dataclass

from rbmfast.training.schedules import Schedule, as_schedule


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient ascent on the log-likelihood, with momentum.

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
