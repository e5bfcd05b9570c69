"""A layer whose units are drawn beside others that are given: a context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.data import Rows
from rbmfast.models.conditionals import Conditional, row_dot
from rbmfast.reference import F32, F64, States
from rbmfast.states import as_float, join, product_of_rows
from rbmfast.streams import Stream
from rbmfast.units import Mixed, Unit
from rbmfast.units.mixed import states_of


@dataclass(frozen=True)
class InContext(Mixed):
    """Units that are drawn, and on their right those of their context, which never are.

    Given the hidden layer, and states c of the context, a drawn unit hears c A besides. So the layer's own
    energy is that of the drawn units less c A v. Of the context it counts nothing: what depends on c alone
    changes no probability. Random numbers are those of the drawn units alone, whatever stands beside them.

    Parameters
    ----------
    parts : ((Unit, int), (Unit, int))
        The drawn units, and the context.
    A : float32 array (n_context, n_drawn), optional
        Weights from the context to the drawn units: the layer's own parameter, ``context``. Zeros in a new
        layer.
    """

    A: F32 | None = field(default=None, compare=False, repr=False)
    context: States | None = field(default=None, compare=False, repr=False)  # of rows: see `like`
    sent: F32 | None = field(default=None, compare=False, repr=False)  # c A of these

    @property
    def unit(self) -> Unit:
        """Unit type of those that are drawn."""
        return self.parts[0][0]

    @property
    def n_drawn(self) -> int:
        """How many are drawn."""
        return self.parts[0][1]

    def drawn(self, n_units: int) -> int:
        return self.n_drawn

    # --- Given a context ---------------------------------------------------------------------------------

    @property
    def needs_rows(self) -> bool:
        return True

    def like(self, states: States, missing: NDArray[np.bool_] | None = None) -> InContext:
        """In the context that the rows have; of the drawn units any may be missing."""
        return replace(self, context=states[:, self.n_drawn :], sent=self._sent(states))

    def drift(self, states: States) -> F32:
        """These inputs in the drawn units' columns."""
        drift = np.zeros(states.shape, np.float32)
        drift[:, : self.n_drawn] = self._sent(states)
        return drift

    @property
    def _A(self) -> F32:
        return np.zeros((self.parts[1][1], self.n_drawn), np.float32) if self.A is None else self.A

    @cached_property
    def _sender(self) -> Conditional:
        (unit, n), (context, _) = self.parts
        zeros = np.zeros(n, np.float32)
        return Conditional(context, unit, engine.Weights(self._A), self._A, zeros, up=True)

    def __getstate__(self) -> dict[str, Any]:
        """Without fixed-point weights: copies make some of their own."""
        return {name: value for name, value in vars(self).items() if name != "_sender"}

    def _sent(self, states: States) -> F32:
        """The inputs c A, exact where products with states of the context are."""
        return self._sender.input(self._split(states)[1])

    def _split(self, states: States) -> tuple[States, States]:
        """States of the drawn units, and of the context."""
        drawn, context = (states_of(unit, states, here) for unit, here in self._blocks())
        return drawn, context

    def _heard(self, x: NDArray[Any]) -> NDArray[Any]:
        """The drawn units' total inputs, from those that the hidden layer causes."""
        if self.sent is None:
            raise ValueError(
                f"{self} units are drawn in a context alone: ConditionalRBM.given(context) is the RBM in one"
            )
        heard: NDArray[Any] = x[:, : self.n_drawn] + self.sent
        return heard

    def _beside(self, states: States) -> States:
        """States of the drawn units with their context."""
        assert self.context is not None
        return join(states, self.context)

    def mean(self, x: F32) -> F32:
        return as_float(self._beside(self.unit.mean(self._heard(x))))

    def mode(self, x: F32) -> States:
        return self._beside(self.unit.mode(self._heard(x)))

    def expectation(self, x: F32) -> States:
        return self._beside(self.unit.expectation(self._heard(x)))

    def draw(self, x: F32, uniform: NDArray[np.uint32]) -> States:
        heard = self._heard(x)
        return self._beside(self.unit.draw(heard, np.ascontiguousarray(uniform[:, : heard.shape[1]])))

    def sample(self, x: F32, stream: Stream) -> States:
        return self._beside(self.unit.sample(self._heard(x), stream))

    def log_normalizer(self, x: F32, bias: F32) -> F64:
        return self.unit.log_normalizer(self._heard(x), bias[: self.n_drawn])

    def log_normalizer_float64(self, x: F64, bias: F64) -> F64:
        return self.unit.log_normalizer_float64(self._heard(x), bias[: self.n_drawn])

    # --- On their own ------------------------------------------------------------------------------------

    def energy(self, states: States, bias: F32) -> F64:
        n, v = self.n_drawn, self._split(states)[0]
        return self.unit.energy(v, bias[:n]) - row_dot(self._sent(states), v)

    def initial_bias(self, rows: Rows) -> tuple[F32, F32]:
        bias, means = super().initial_bias(rows)
        bias[self.n_drawn :] = 0
        return bias, means

    def doubts(self, rows: Rows, first_unit: int = 0) -> str | None:
        return self.unit.doubts(rows.columns(slice(0, self.n_drawn), self.unit.domain), first_unit)

    def for_engine(self, states: States) -> Any:
        """As one layer, where both are real numbers of one kind."""
        alike = self.unit.grid is not None and self.unit.grid == self.parts[1][0].grid
        return self.unit.for_engine(states) if alike else super().for_engine(states)

    # --- The layer ---------------------------------------------------------------------------------------

    def of_size(self, n_units: int) -> InContext:
        (unit, n), context = self.parts
        return replace(self, parts=((unit.of_size(n), n), context), A=self._A)

    def parameters(self) -> dict[str, F32]:
        return {} if self.A is None else {"context": self.A, **self.unit.parameters()}

    def parameter_rates(self) -> dict[str, float]:
        return self.unit.parameter_rates()

    def with_parameters(self, arrays: Mapping[str, F32]) -> InContext:
        (unit, n), context = self.parts
        return replace(self, parts=((unit.with_parameters(arrays), n), context), A=arrays["context"])

    def parameter_sums(self, states: States, bias: F32, shares: F64) -> dict[str, F64]:
        """Of A, products of context and drawn units: sums of whole numbers wherever both are."""
        v, c = self._split(states)
        own = self.unit.parameter_sums(v, bias[: v.shape[1]], shares)
        seen, given = self.unit.counts(v), self.parts[1][0].counts(c)
        if seen is None or given is None:
            return {"context": (as_float(c) * shares[:, None]).T @ as_float(v).astype(np.float64), **own}
        top = float(shares.max()) or 1.0
        weighed, finer = given.numbers, 1.0
        if (shares != top).any():
            finer = 2.0**16
            weighed = np.rint(given.numbers * (shares / top * finer)[:, None])
        per = given.per[:, None] * seen.per * finer
        return {"context": product_of_rows(weighed, seen.numbers) / per * top, **own}

    def sites(self, n_units: int) -> list[slice]:
        """Those of the drawn units."""
        return self.unit.sites(self.n_drawn)

    def blocks(self, n_units: int) -> None:
        """Not for the engine's loops, which draw all units."""

    def count_states(self, n_units: int) -> None:
        """As many as there are contexts."""

    def types(self) -> list[Unit]:
        return super().types()[1:]

    def __str__(self) -> str:
        (unit, n), (context, n_context) = self.parts
        return f"{n} {unit} given {n_context} {context}"
