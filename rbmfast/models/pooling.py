"""Layers that see blocks of hidden maps in place of their units: what goes up to them, and comes down."""

from __future__ import annotations

from typing import Any, TypeVar

from rbmfast.models.conditionals import Conditional
from rbmfast.reference import F32, States
from rbmfast.streams import Purpose, Stream
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
    are spread evenly; places of states are drawn, by numbers of the source's layer for this purpose alone.
    """

    source: Pooled

    def input(self, states: Any) -> F32:
        """Expected total inputs of the target layer."""
        return super().input(self.source.spread(states))

    def mean(self, states: Any) -> F32:
        """The target's means at these."""
        return self.target.mean(self.input(states))

    def mean_of_drawn(self, states: States, stream: Stream) -> F32:
        """Means of the target whose states `sample` draws: those at a place are not those at the mean one."""
        return self.target.mean(self._placed_input(states, stream))

    def sample(self, states: States, stream: Stream) -> States:
        """Random states of the target."""
        return self.target.sample(self._placed_input(states, stream), stream)

    def _placed_input(self, states: States, stream: Stream) -> F32:
        places = stream.on(stream.layer + 1)._replace(purpose=Purpose.PLACES)
        return super().input(self.source.placed(states, places))


def with_pooling(way: Conditional, kind: type[W]) -> W:
    """The same way up, or down, for pooled units."""
    return kind(way.source, way.target, way.weights, way.W, way.bias, way.up, way.interaction)
