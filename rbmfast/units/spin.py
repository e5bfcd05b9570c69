"""Units that point down (-1) or up (+1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rbmfast.units.affine import Affine
from rbmfast.units.bernoulli import Bernoulli


@dataclass(frozen=True)
class Spin(Bernoulli):
    """Units with states -1 and +1, as physics has them: energies -v W h - a v - b h of such states.

    With s = 2 x - 1 a spin s is a 0/1 unit x, and the model a 0/1 model of other parameters: between spins
    W' = 4 W, a' = 2 (a - W 1) and b' = 2 (b - 1 W). The library computes with that model, in exact integers
    and the engine's loops, with the same bits on every machine. So it learns, too: rates, penalties and
    custom gradients are about W', and steps are those of the 0/1 model. What a user sees is of the spins:
    data, samples, means (tanh x), energies, log Z, moments, and the parameters.

    Data are -1 and +1, or numbers in between for means of them; bools, `rbmfast.Packed` and `rbmfast.Grey8`
    are off (-1) and on (+1). Samples are int8.

    Notes
    -----
    An Ising model's coupling J and field h at the temperature T are W = J / T and a = h / T.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[0.5], [0.5]], a=[0, 0], b=[0.25], visible="spin", hidden="spin")
    >>> rbm.energy([[1, -1]], [[1]])
    array([-0.25])
    >>> rbm.hidden_probabilities([[1, 1]]).round(4)                # means: tanh(0.5 + 0.5 + 0.25)
    array([[0.8483]], dtype=float32)
    >>> rbm.sample(3, steps=10, seed=1).dtype
    dtype('int8')
    """

    name: ClassVar[str] = "spin"
    activation: ClassVar[str | None] = None

    def affine(self, n_units: int) -> Affine:
        """-1 for off, +1 for on."""
        return Affine.of_two_states(-1, 1, n_units)
