"""The interaction inside a layer: every unit may be joined to every other one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast import _engine as engine
from rbmfast.reference import F32, F64, MAX_EXPONENT, U8, States, row_sums
from rbmfast.streams import Stream
from rbmfast.units import Unit

WORK = 10**10  # additions of one engine call at most: a fraction of a second, so that Ctrl-C is answered


@dataclass(frozen=True, eq=False)
class Within:
    """Symmetric weights between the units of one layer, 0 within a site: a switch, or a group.

    Given all others, a site's units have the total inputs ``W s + bias``. Products of 0/1 states with the
    fixed-point weights are exact.

    Attributes
    ----------
    unit : Unit
        Of the layer, of 0/1 states.
    W : float32 array (n_units, n_units)
        A pair of units has the energy ``-s_i W_ij s_j``, once.
    exponent : int
        The largest that the fixed-point weights may have.
    """

    unit: Unit
    W: F32
    exponent: int = MAX_EXPONENT
    _weights: list[engine.Weights] = field(default_factory=list, init=False, repr=False)

    @property
    def weights(self) -> engine.Weights:
        """In fixed point, made when first asked for."""
        if not self._weights:
            self._weights.append(engine.Weights(self.W, self.exponent))
        return self._weights[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return Within, (self.unit, self.W, self.exponent)  # copies make fixed-point weights of their own

    def input(self, states: States, bias: F32) -> F32:
        """Total inputs of all units: (n_rows, n_units)."""
        return engine.affine(self.weights, states, bias)

    def energy(self, states: States) -> F64:
        """``-s W s / 2``: (n_rows,) in nats."""
        sent = self.input(states, np.zeros(len(self.W), np.float32)).astype(np.float64)
        energies: F64 = row_sums(sent * states) / -2
        return energies

    def sweep(
        self,
        states: U8,
        bias: F32,
        steps: int,
        stream: Stream,
        held: NDArray[np.bool_] | None = None,
        beta: float = 1.0,
    ) -> U8:
        """Draw every site given all others, `steps` times from the left: the last states.

        Parameters
        ----------
        states : uint8 array (n_rows, n_units)
            Where the chains start.
        bias : float32 array (n_units,)
            Added to total inputs.
        steps : int
            Sweeps; each uses the numbers of one step from that of `stream` on.
        held : bool array (n_rows, n_units), optional
            What keeps its state; groups as a whole.
        beta : float
            Multiplies the weights.
        """
        blocks = self.unit.blocks(len(self.W))
        clamp = None if held is None else np.ascontiguousarray(held).view(np.uint8)
        while steps > 0:
            n = min(steps, max(1, WORK // (len(states) * self.W.size)))
            states = engine.sweep(self.weights, bias, states, n, *stream, clamp, blocks, beta)
            steps, stream = steps - n, stream.after(n)
        return states


# --- Which pairs --------------------------------------------------------------------------------------------


def sites_of(unit: Unit, n_units: int) -> NDArray[np.int64]:
    """The number of each unit's site: (n_units,)."""
    return np.repeat(np.arange(len(sites := unit.sites(n_units))), [s.stop - s.start for s in sites])


def check_graph(graph: Any, n_sites: int) -> NDArray[np.bool_]:
    """Which sites may interact, (n_sites, n_sites), symmetric, from what users say; a clear error otherwise.

    None: all pairs. A list of pairs of sites, or a symmetric matrix of bools, an array or a sparse one.
    """
    if graph is None:
        return ~np.eye(n_sites, dtype=np.bool_)
    given = np.asarray(graph.toarray() if hasattr(graph, "toarray") else graph)
    if given.dtype == np.bool_ or hasattr(graph, "toarray"):
        if given.shape != (n_sites, n_sites):
            raise ValueError(f"graph must have shape ({n_sites}, {n_sites}), got {given.shape}")
        joined: NDArray[np.bool_] = given != 0
        if (joined != joined.T).any() or joined.diagonal().any():
            raise ValueError("graph must be symmetric, with False on its diagonal")
        return joined
    if given.size == 0:
        return np.zeros((n_sites, n_sites), np.bool_)
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu":
        raise ValueError(
            f"graph must be pairs of sites (n, 2), or a matrix ({n_sites}, {n_sites}) of bools, got "
            f"{given.dtype} of shape {given.shape}"
        )
    wrong = ((given < 0) | (given >= n_sites)).any(axis=1) | (given[:, 0] == given[:, 1])
    if wrong.any():
        pair = given[wrong.argmax()].tolist()
        raise ValueError(f"graph must be pairs of different sites from 0 to {n_sites - 1}, got {pair}")
    joined = np.zeros((n_sites, n_sites), np.bool_)
    joined[given[:, 0], given[:, 1]] = joined[given[:, 1], given[:, 0]] = True
    return joined
