"""How the gradients of a network become steps: one object a run, with all that it remembers between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from rbmfast import _engine as engine
from rbmfast.reference import F32, F64
from rbmfast.training.optimizers import SGD, Adam


class Descent(ABC):
    """Steps downhill, of all parameters in place.

    Parameters
    ----------
    parameters : list of float32 arrays
        What it is going to change.
    l2 : float
        Decay of all that is no vector: biases do not decay.

    Attributes
    ----------
    moments : dict of str to list of float32 arrays
        What is remembered of earlier gradients, in the shapes of the parameters.
    powers : float64 array
        Numbers that change with every step.
    """

    names: ClassVar[tuple[str, ...]]

    def __init__(self, parameters: list[F32], l2: float) -> None:
        self.parameters = parameters
        self.decays = [l2 if array.ndim > 1 else 0.0 for array in parameters]
        self.moments = {name: [np.zeros_like(array) for array in parameters] for name in self.names}
        self.powers: F64 = np.ones(2)

    @abstractmethod
    def step(self, gradients: list[F32], scale: float, numbers: tuple[float, ...]) -> None:
        """One step, along `scale` times the gradients, with what the optimizer's schedules say now."""


class Momentum(Descent):
    """Steps of `SGD`."""

    names = ("velocity",)

    def __init__(self, optimizer: SGD, parameters: list[F32], l2: float) -> None:
        super().__init__(parameters, l2)

    def step(self, gradients: list[F32], scale: float, numbers: tuple[float, ...]) -> None:
        """See `Descent.step`."""
        rate, momentum = numbers
        every = zip(self.parameters, self.moments["velocity"], gradients, self.decays, strict=True)
        for value, velocity, gradient, decay in every:
            engine.momentum_step(value, velocity, gradient, scale, rate, momentum, decay)


class AdamSteps(Descent):
    """Steps of `Adam`; `powers` are those of beta1 and beta2."""

    names = ("mean", "square")

    def __init__(self, optimizer: Adam, parameters: list[F32], l2: float) -> None:
        super().__init__(parameters, l2)
        self.optimizer = optimizer

    def step(self, gradients: list[F32], scale: float, numbers: tuple[float, ...]) -> None:
        """See `Descent.step`."""
        (rate,) = numbers
        betas = (self.optimizer.beta1, self.optimizer.beta2)
        self.powers = self.powers * betas
        settings = (rate, *betas, self.optimizer.epsilon)
        moments = zip(self.moments["mean"], self.moments["square"], strict=True)
        every = zip(self.parameters, moments, gradients, self.decays, strict=True)
        for value, (mean, square), gradient, decay in every:
            engine.adam_step(value, mean, square, gradient, scale, *settings, decay, *self.powers)


def descent(optimizer: SGD | Adam, parameters: list[F32], l2: float) -> Descent:
    """The steps of an optimizer."""
    if isinstance(optimizer, Adam):
        return AdamSteps(optimizer, parameters, l2)
    return Momentum(optimizer, parameters, l2)
