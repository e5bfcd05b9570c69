"""Layers that see blocks of hidden maps in place of their units: what goes up to them, and comes down."""

from __future__ import annotations

from typing import Any, TypeVar

from rbmfast.models.conditionals import Conditional
from rbmfast.reference import F32, States
from rbmfast.streams import Stream
from rbmfast.units import Pooled

W = TypeVar("W", bound=Conditional)


class Pooling(Conditional):
    """P(pooled units | source): a pooled unit is on where any unit of its block is."""

    target: Pooled

    def mean(self, states: Any) -> F32:
        """Probabilities of being on."""
        return self.target.pooled(super().mean(states))

    def expectation(self, states: States) -> States:
        """The same as levels."""
        return self.target.pooled(super().expectation(states))

    def sample(self, states: States, stream: Stream) -> States:
        """Random states."""
        return self.target.pooled(super().sample(states, stream))


class Unpooling(Conditional):
    """P(target | pooled units): where one is on, a unit of its block is, any of them as often.

    That is what the block's units do by themselves, as places share a bias. Expectations, and grey levels,
    are spread evenly; places are drawn by numbers of the source's layer, beyond those of its pooled units.
    """

    source: Pooled

    def input(self, states: Any) -> F32:
        """Expected total inputs of the target layer."""
        return super().input(self.source.spread(states))

    def mean(self, states: Any) -> F32:
        """The target's means at these."""
        return self.target.mean(self.input(states))

    def sample(self, states: States, stream: Stream) -> States:
        """Random states of the target."""
        placed = self.source.placed(states, stream.on(stream.layer + 1))
        return self.target.sample(super().input(placed), stream)


def with_pooling(way: Conditional, kind: type[W]) -> W:
    """The same way up, or down, for pooled units."""
    return kind(way.source, way.target, way.weights, way.W, way.bias, way.up, way.interaction)
