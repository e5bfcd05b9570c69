"""How a gradient becomes a step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from rbmfast import _engine as engine
from rbmfast.checks import Checked, check_number, checked_by
from rbmfast.reference import F32, F64, row_sums
from rbmfast.training.schedules import Schedule, as_schedule, is_rate

_CLIP = checked_by(check_number, optional=True, above=0.0)


class Optimizer(Checked):
    """What `SGD`, `Adam` and `Cosine` share.

    Attributes
    ----------
    schedules : tuple of Schedule
        What changes over a run: first the rate.
    moments : tuple of str
        What is remembered of earlier gradients, for each parameter.
    numbers : tuple of str
        What else is remembered: attributes of `Steps`.
    clip : float or None
        Largest norm of a gradient.
    """

    moments: ClassVar[tuple[str, ...]]
    numbers: ClassVar[tuple[str, ...]] = ()
    clip: float | None

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Those among its settings: of the rate, and of what else changes."""
        values = [getattr(self, one.name) for one in fields(self)]  # type: ignore[arg-type]
        return tuple([value for value in values if isinstance(value, Schedule)])

    @property
    def fused(self) -> bool:
        """Whether the engine's update of an RBM makes just these steps."""
        return False

    @property
    def needs_sums(self) -> bool:
        """Whether it looks at whole gradients, of all arrays, before the first step."""
        return self.clip is not None

    def adapt(self, steps: Steps, slopes: Sequence[F32]) -> None:
        """Change what `steps` remembers before an update, whose slopes are these."""
        return

    def step(
        self, value: F32, moments: Sequence[F32], slope: F32, scale: float, decay: float, *now: float
    ) -> None:
        """Go downhill along ``scale * slope + decay * value``, in place.

        `now`: what the schedules say, and for `Adam` the powers of beta1 and beta2.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        """Without a `clip` of None: so checkpoints of before there was one can be resumed."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        shown = (f"{name}={value!r}" for name, value in values.items() if value is not None)
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient ascent on the log-likelihood, with momentum; in fine-tuning, descent on the loss.

    ``velocity = momentum * velocity + rate * gradient; parameters = parameters + velocity``. Gradients are
    means over the rows of a batch, in nats per row.

    Parameters
    ----------
    rate : float or Schedule, default 0.1
        Learning rate, at least 0. About ten times lower for Gaussian visible units.
    momentum : float or Schedule, default 0.0
        From 0 up to, and without, 1.
    clip : float, optional
        Largest Euclidean norm of the whole gradient, all parameters together, penalties and centring
        included; above 0, in nats per row and unit of the parameters. A longer one is scaled down to it.
        Slower: one Python step per update.

    Raises
    ------
    TypeError, ValueError
        A rate, momentum or clip that is not allowed; the message names it.

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

    rate: float | Schedule = field(default=0.1, metadata=checked_by(as_schedule))
    momentum: float | Schedule = field(default=0.0, metadata=checked_by(as_schedule, below=1.0))
    clip: float | None = field(default=None, metadata=_CLIP)
    moments: ClassVar[tuple[str, ...]] = ("velocity",)

    @property
    def fused(self) -> bool:
        return self.clip is None

    def step(
        self, value: F32, moments: Sequence[F32], slope: F32, scale: float, decay: float, *now: float
    ) -> None:
        (velocity,), (rate, momentum, *_) = moments, now
        engine.momentum_step(value, velocity, slope, scale, rate, momentum, decay)


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Steps along a running mean of the gradient over the root of a running mean of its square.

    With the gradient g of step t, counted from 1::

        m = beta1 * m + (1 - beta1) * g,    s = beta2 * s + (1 - beta2) * g**2
        parameters += rate * (m / (1 - beta1**t)) / (sqrt(s / (1 - beta2**t)) + epsilon)

    uphill on the log-likelihood; in `rbmfast.fine_tune` downhill on the loss. Penalties and centring are part
    of the gradient; `rbmfast.MaxNorm` limits the weights after each step.

    Parameters
    ----------
    rate : float or Schedule, default 0.001
        Learning rate, at least 0: nearly the change of each parameter in a step.
    beta1, beta2 : float, default 0.9 and 0.999
        From 0 up to, and without, 1.
    epsilon : float, default 1e-8
        Above 0.
    clip : float, optional
        Largest norm of the gradient g, as for `SGD`.

    Raises
    ------
    TypeError, ValueError
        A number that is not allowed; the message names it.

    Notes
    -----
    The steps are formed by additions, multiplications, divisions and square roots in a fixed order: where a
    gradient has the same bits everywhere (for units with 0/1 states it has), so have the parameters. An RBM
    learns by one Python step per update, slower than by `SGD`.

    References
    ----------
    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    Examples
    --------
    >>> import rbmfast as rf
    >>> optimizer = rf.Adam(rf.Linear(0.001))              # 0.001, decaying to 0
    """

    rate: float | Schedule = field(default=0.001, metadata=checked_by(as_schedule))
    beta1: float = field(default=0.9, metadata=checked_by(check_number, below=1.0))
    beta2: float = field(default=0.999, metadata=checked_by(check_number, below=1.0))
    epsilon: float = field(default=1e-8, metadata=checked_by(check_number, above=0.0))
    clip: float | None = field(default=None, metadata=_CLIP)
    moments: ClassVar[tuple[str, ...]] = ("mean", "square")
    numbers: ClassVar[tuple[str, ...]] = ("powers",)

    def adapt(self, steps: Steps, slopes: Sequence[F32]) -> None:
        steps.powers *= (self.beta1, self.beta2)

    def step(
        self, value: F32, moments: Sequence[F32], slope: F32, scale: float, decay: float, *now: float
    ) -> None:
        (mean, square), (rate, *powers) = moments, now
        settings = rate, self.beta1, self.beta2, self.epsilon, decay
        engine.adam_step(value, mean, square, slope, scale, *settings, *powers)


@dataclass(frozen=True, repr=False)
class Cosine(Optimizer):
    """Gradient ascent whose rate grows while successive gradients agree, and falls while they do not.

    Each array of parameters (W, a, b) has a factor of the rate, 1 at first. At every update it is multiplied
    by `growth` if the scalar product of the gradient with the last one, the cosine between them, is positive,
    by `shrink` if it is negative, and kept within bounds. Then ``parameters += factor * rate * gradient``.

    Parameters
    ----------
    rate : float or Schedule, default 0.01
        Learning rate, at least 0, before the factors.
    growth, shrink : float, default 1.002 and 0.998
        Above 1, and between 0 and 1.
    low, high : float, default 0.01 and 10.0
        Bounds of the factors, below and above 1.
    clip : float, optional
        Largest norm of the gradient, as for `SGD`.

    Raises
    ------
    TypeError, ValueError
        A number that is not allowed; the message names it.

    Notes
    -----
    The history's ``rate`` has the factor of W in it. An update is a Python step, slower than one of `SGD`.
    The noise of small batches hides whether gradients agree: on the binary table dna (20 hidden units, PCD,
    from the rate 0.1) it was worse than the constant rate with batches of 20, and no better with 400.

    References
    ----------
    The optimizer "cossim" of the package rbms (Decelle, Béreux, Furtlehner, Rosset & Seoane), which has an
    upper bound only.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.repeat(np.eye(4), 25, axis=0)
    >>> machine = rf.BoltzmannMachine(4)
    >>> history = rf.train(machine, X, method=rf.MaximumPseudoLikelihood(), optimizer=rf.Cosine(0.01),
    ...                    epochs=100, batch_size=100, seed=1)
    >>> float(history["rate"][-1].round(4))                     # 0.01 * 1.002**99: without noise they agree
    0.0122
    """

    rate: float | Schedule = field(default=0.01, metadata=checked_by(as_schedule))
    growth: float = field(default=1.002, metadata=checked_by(check_number, above=1.0))
    shrink: float = field(default=0.998, metadata=checked_by(check_number, above=0.0, below=1.0))
    low: float = field(default=0.01, metadata=checked_by(check_number, above=0.0, below=1.0))
    high: float = field(default=10.0, metadata=checked_by(check_number, above=1.0))
    clip: float | None = field(default=None, metadata=_CLIP)
    moments: ClassVar[tuple[str, ...]] = ("velocity",)
    numbers: ClassVar[tuple[str, ...]] = ("factors",)

    @property
    def needs_sums(self) -> bool:
        return True

    def adapt(self, steps: Steps, slopes: Sequence[F32]) -> None:
        for i, (slope, (velocity,)) in enumerate(zip(slopes, steps.in_order(), strict=True)):
            agreement = -dot(slope, velocity)  # the last step went downhill
            change = self.growth if agreement > 0 else self.shrink if agreement < 0 else 1.0
            steps.factors[i] = min(max(steps.factors[i] * change, self.low), self.high)

    def step(
        self, value: F32, moments: Sequence[F32], slope: F32, scale: float, decay: float, *now: float
    ) -> None:
        engine.momentum_step(value, moments[0], slope, scale, now[0], 0.0, decay)


class Steps:
    """An optimizer at work: steps downhill of named arrays, with all that it remembers between them.

    Parameters
    ----------
    optimizer : Optimizer
        How gradients become steps.
    parameters : mapping of str to float32 array
        Arrays like those that it is going to change, by name.
    rates : mapping of str to float, optional
        Factors of the rate, by name; 1 where none is given.
    l2 : float, default 0
        Decay of all that is no vector: biases do not decay.

    Attributes
    ----------
    moments : dict of str to float32 array
        What is remembered of earlier gradients, under names such as ``W_velocity``.
    powers : float64 array (2,)
        Those of beta1 and beta2 that Adam's next step starts from.
    factors : float64 array (n,)
        Of the rate, of each array, as `Cosine` has changed them.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        parameters: Mapping[str, F32],
        l2: float = 0.0,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.moments = {
            f"{name}_{moment}": np.zeros_like(array)
            for moment in optimizer.moments
            for name, array in parameters.items()
        }
        self._names = [[f"{name}_{moment}" for moment in optimizer.moments] for name in parameters]
        self._decays = [l2 if array.ndim > 1 else 0.0 for array in parameters.values()]
        self._rates = np.array([(rates or {}).get(name, 1.0) for name in parameters])
        self.powers: F64 = np.ones(2)
        self.factors: F64 = np.ones(len(parameters))

    @property
    def numbers(self) -> dict[str, F64]:
        """What is remembered beside the moments, by name."""
        return {name: getattr(self, name) for name in self.optimizer.numbers}

    def in_order(self) -> list[list[F32]]:
        """The moments of each array."""
        return [[self.moments[name] for name in names] for names in self._names]

    def check(self) -> None:
        """Raise ValueError if these are no memories of steps: a file can hold anything."""
        if not all(np.isfinite(moment).all() for moment in self.moments.values()):
            raise ValueError("moments must be finite")
        if any((m < 0).any() for name, m in self.moments.items() if name.endswith("_square")):
            raise ValueError("moments of squares must be at least 0")
        if not ((self.powers >= 0) & (self.powers <= 1)).all():
            raise ValueError("powers must lie in [0, 1]")
        if not (np.isfinite(self.factors) & (self.factors > 0)).all():
            raise ValueError("factors must be finite and above 0")

    def take(self, values: Sequence[F32], slopes: Sequence[F32], scale: float, now: Sequence[float]) -> None:
        """One step of all arrays in place, along `scale` times the slopes; `now`: what the schedules say."""
        decays = self._decays
        if self.optimizer.needs_sums:
            slopes = [
                _sum(scale, slope, decay, value)
                for slope, decay, value in zip(slopes, decays, values, strict=True)
            ]
            scale, decays = self._shortening(slopes), [0.0] * len(decays)
        self.optimizer.adapt(self, slopes)
        rates = self._rates * self.factors * now[0]
        each = zip(values, self.in_order(), slopes, decays, rates.tolist(), strict=True)
        for value, moments, slope, decay, rate in each:
            self.optimizer.step(value, moments, slope, scale, decay, rate, *now[1:], *self.powers)

    def _shortening(self, slopes: Sequence[F32]) -> float:
        """What to multiply these by, so that all of them are no longer than allowed."""
        limit = self.optimizer.clip
        if limit is None:
            return 1.0
        norm = norm_of(slopes)
        return limit / norm if norm > limit else 1.0


def _sum(scale: float, slope: F32, decay: float, value: F32) -> F32:
    total: F32 = np.float32(scale) * slope + np.float32(decay) * value
    return total


def norm_of(arrays: Sequence[F32]) -> float:
    """The Euclidean norm of all numbers together."""
    return math.sqrt(math.fsum(dot(array, array) for array in arrays))


def dot(one: F32, other: F32) -> float:
    """The sum of all products, which are exact in float64; in one order."""
    shape = -1, one.shape[-1]
    products = one.reshape(shape).astype(np.float64) * other.reshape(shape)
    return math.fsum(row_sums(products))


def as_optimizer(optimizer: object, name: str = "optimizer") -> Optimizer:
    """An optimizer; a rate, or a schedule of it, means plain gradient steps. A clear error otherwise."""
    if is_rate(optimizer):
        return SGD(optimizer)
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{name} must be an rf.SGD, its rate, an rf.Adam or an rf.Cosine, got {optimizer!r}")
    return optimizer
