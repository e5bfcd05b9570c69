"""The same model in two parametrisations: of states as they are shown, and of the 0/1 states computed with.

With states u = o + s x of the visible units and t = p + q h of the hidden ones, an interaction is

    u W t + a u + b t  =  x W' h + a' x + b' h + constant,    W' = s W q, a' = s (a + W p), b' = q (b + o W).

Normal units come in by the same sums, with other factors of weights and biases: `Affine`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.reference import F32, F64, row_sums
from rbmfast.units import Unit
from rbmfast.units.affine import Affine, of_all

Arrays = tuple[F32, F32, F32]  # W, a, b


@dataclass(frozen=True, eq=False)
class Parametrization:
    """The affine maps of both layers, and what follows for the parameters. Float64 sums in one order."""

    visible: Affine
    hidden: Affine

    @classmethod
    def of(cls, units: tuple[Unit, Unit], shape: tuple[int, ...]) -> Parametrization | None:
        """That of a model with such layers; None where all states are shown as they are."""
        maps = of_all([unit.affine(n) for unit, n in zip(units, shape, strict=True)], shape)
        return None if maps is None else cls(*maps)

    def inward(self, W: F32, a: F32, b: F32) -> Arrays:
        """Parameters for the states computed with, from those for the states shown."""
        visible, hidden = self.visible, self.hidden
        s, q = visible.weight, hidden.weight
        sent_down, sent_up = self._sent(W)
        own_a, own_b = visible.bias * (a - visible.origin), hidden.bias * (b - hidden.origin)
        return _float32(s[:, None] * W * q, own_a + s * sent_down, own_b + q * sent_up)

    def outward(self, W: F32, a: F32, b: F32) -> Arrays:
        """The way back. Of spins W has the same digits; the biases are rounded."""
        visible, hidden = self.visible, self.hidden
        s, q = visible.weight, hidden.weight
        shown = W / s[:, None] / q
        sent_down, sent_up = self._sent(shown)
        shown_a, shown_b = (a - s * sent_down) / visible.bias, (b - q * sent_up) / hidden.bias
        return _float32(shown, shown_a + visible.origin, shown_b + hidden.origin)

    def energy(self, units: tuple[Unit, Unit], shown: Arrays, own: Arrays) -> float:
        """What an energy of states as shown has more than that of the states computed with."""
        sent_down, _ = self._sent(shown[0])
        terms = [*(self.visible.sent * sent_down)]
        maps = self.visible, self.hidden
        for unit, to_show, bias, own_bias in zip(units, maps, shown[1:], own[1:], strict=True):
            zero, constant = np.zeros((1, len(bias)), unit.dtype), to_show.offset - to_show.origin
            alone = (to_show.bias * (bias - to_show.origin)).astype(np.float32)
            terms += [*(constant * bias), *unit.energy(zero, own_bias), *-unit.energy(zero, alone)]
        return -math.fsum(terms)

    def moments(self, v: F64, h: F64, pairs: F64) -> tuple[F64, F64, F64]:
        """Means of the states as shown, and of their products, from those of the states computed with."""
        (o, s), (p, q) = (self.visible.offset, self.visible.scale), (self.hidden.offset, self.hidden.scale)
        return o + s * v, p + q * h, np.outer(o, p + q * h) + np.outer(s * v, p) + s[:, None] * pairs * q

    def gradient(self, W: F64, a: F64, b: F64) -> tuple[F64, F64, F64]:
        """Slopes along the parameters for the states shown, from those for the states computed with."""
        visible, hidden = self.visible, self.hidden
        s, q = visible.weight, hidden.weight
        shown = s[:, None] * W * q + np.outer(s * a, hidden.sent) + np.outer(visible.sent, q * b)
        return shown, visible.bias * a, hidden.bias * b

    def _sent(self, W: NDArray[Any]) -> tuple[F64, F64]:
        """What the offsets of each layer send to the other: to the visible units, and to the hidden ones."""
        W = W.astype(np.float64)
        return row_sums(W * self.hidden.sent), row_sums(W.T * self.visible.sent)


def _float32(*arrays: F64) -> Arrays:
    W, a, b = (array.astype(np.float32) for array in arrays)
    return W, a, b
