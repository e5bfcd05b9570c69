"""How a learning rate or a momentum changes over a run.

Values are formed in float64 by additions, multiplications and divisions, one rounding each, and never by a
library's `exp` or `pow`, whose bits differ between CPUs.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeGuard

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import Checked, check_integer, check_number, checked_by
from rbmfast.reference import F64


class Schedule(Checked, ABC):
    """A number that changes over a run. Schedules hold settings only.

    What a schedule has to remember between epochs is one number, which the run keeps and checkpoints for it.
    """

    needs_length: ClassVar[bool] = False  # do the values depend on how many epochs the run will have?

    @abstractmethod
    def values(self, memory: float, epoch: int, updates: NDArray[np.int64], total: int) -> F64:
        """The value for each of an epoch's updates.

        Parameters
        ----------
        memory : float
            The number kept between epochs: `initial()`, then what `after_epoch` made of it.
        epoch : int
            Epochs completed so far.
        updates : int64 array (n,)
            Numbers of the updates, counted from 0 over the whole run.
        total : int
            Updates of the whole run.

        Returns
        -------
        float64 array (n,)
        """

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value it can take."""

    def initial(self) -> float:
        """The memory before the first epoch."""
        return 0.0

    def after_epoch(self, memory: float) -> float:
        """The memory after one more epoch."""
        return memory


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value throughout; a plain number means this.

    Parameters
    ----------
    value : float
        At least 0.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rf.SGD(rf.Constant(0.1)) == rf.SGD(0.1)
    True
    """

    value: float = field(metadata=checked_by(check_number))

    def values(self, memory: float, epoch: int, updates: NDArray[np.int64], total: int) -> F64:
        return np.array([self.value]).repeat(len(updates))

    def bounds(self) -> tuple[float, float]:
        return self.value, self.value


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from `start` at the first update towards `end`, which one update more would reach.

    Update t of T has ``start + (end - start) * (t / T)``.

    Parameters
    ----------
    start : float
        First value, at least 0.
    end : float, default 0.0
        Where the line ends, at least 0.

    Notes
    -----
    The values depend on the length of the run: a checkpoint can only be resumed with the same number of
    epochs.

    Examples
    --------
    >>> import rbmfast as rf
    >>> optimizer = rf.SGD(rf.Linear(0.05))            # 0.05, decaying to 0
    """

    start: float = field(metadata=checked_by(check_number))
    end: float = field(default=0.0, metadata=checked_by(check_number))
    needs_length: ClassVar[bool] = True

    def values(self, memory: float, epoch: int, updates: NDArray[np.int64], total: int) -> F64:
        return self.start + (self.end - self.start) * (updates / total)

    def bounds(self) -> tuple[float, float]:
        return min(self.start, self.end), max(self.start, self.end)


@dataclass(frozen=True)
class Exponential(Schedule):
    """`start` in the first epoch, multiplied by `decay` after each.

    Parameters
    ----------
    start : float
        Value in the first epoch, at least 0.
    decay : float
        Factor, above 0 and at most 1.

    Examples
    --------
    >>> import rbmfast as rf
    >>> optimizer = rf.SGD(rf.Exponential(0.1, 0.5))   # 0.1, 0.05, 0.025, ...
    """

    start: float = field(metadata=checked_by(check_number))
    decay: float = field(metadata=checked_by(check_number, above=0.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decay > 1:
            raise ValueError(f"decay must be at most 1, got {self.decay:g}")

    def initial(self) -> float:
        return self.start

    def after_epoch(self, memory: float) -> float:
        return memory * self.decay

    def values(self, memory: float, epoch: int, updates: NDArray[np.int64], total: int) -> F64:
        return np.array([memory]).repeat(len(updates))

    def bounds(self) -> tuple[float, float]:
        return 0.0, self.start


@dataclass(frozen=True)
class Steps(Schedule):
    """Values that change after given numbers of epochs.

    Parameters
    ----------
    steps : mapping of int to float
        ``{epochs completed: value from then on}``; it must have a value for 0.

    Examples
    --------
    The classic momentum of Hinton's practical guide (2010), 0.5 and after five epochs 0.9:

    >>> import rbmfast as rf
    >>> optimizer = rf.SGD(0.1, momentum=rf.Steps({0: 0.5, 5: 0.9}))
    """

    steps: Mapping[int, float]

    def __post_init__(self) -> None:
        if not isinstance(self.steps, Mapping):
            raise TypeError(f"steps must be a mapping such as {{0: 0.5, 5: 0.9}}, got {self.steps!r}")
        checked = {
            check_integer(epoch, "an epoch in steps", low=0): check_number(value, "a value in steps")
            for epoch, value in self.steps.items()
        }
        if 0 not in checked:
            raise ValueError(f"steps must say what applies from epoch 0 on, got {dict(self.steps)!r}")
        object.__setattr__(self, "steps", dict(sorted(checked.items())))

    def values(self, memory: float, epoch: int, updates: NDArray[np.int64], total: int) -> F64:
        last = max(start for start in self.steps if start <= epoch)
        return np.array([self.steps[last]]).repeat(len(updates))

    def bounds(self) -> tuple[float, float]:
        return min(self.steps.values()), max(self.steps.values())


def is_rate(value: object) -> TypeGuard[float | Schedule]:
    """Whether it is a rate, or a schedule of it."""
    return isinstance(value, (numbers.Real, Schedule)) and not isinstance(value, (bool, np.bool_))


def as_schedule(value: object, name: str, below: float | None = None) -> Schedule:
    """A schedule from a number or a schedule, its values checked to be at least 0 and under `below`."""
    if isinstance(value, Schedule):
        for bound in value.bounds():
            check_number(bound, name, below=below)
        return value
    return Constant(check_number(value, name, below=below))
