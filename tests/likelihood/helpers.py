"""Small models, and sums over all of their states by the formulas of the books, in float64."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import logsumexp

import rbmfast as rf
from rbmfast.likelihood import all_states

DATA = Path(os.environ.get("RBMFAST_TEST_DATA", "no such folder"))
WORKED = rf.RBM.from_arrays(W=[[0.5, 0.3], [-0.2, 0.4]], a=[0.1, -0.1], b=[0.2, 0.3])


def model(n: int, m: int, scale: float = 1.0, **units: str) -> rf.RBM:
    rng = np.random.default_rng(n + 100 * m)
    return rf.RBM.from_arrays(
        scale * rng.normal(size=(n, m)), rng.normal(size=n), rng.normal(size=m), **units
    )


def small_weights(n: int, m: int) -> rf.RBM:
    """Multiples of 2**-10: the sampler's fixed-point weights are exactly these."""
    rbm = model(n, m, 0.7)
    return rf.RBM.from_arrays(*(np.rint(p * 1024) / 1024 for p in (rbm.W, rbm.a, rbm.b)))


def parameters(rbm: rf.RBM) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rbm.W.astype(np.float64), rbm.a.astype(np.float64), rbm.b.astype(np.float64)


class Joint(NamedTuple):
    """Both layers' states, and the log of exp(-E[v, h])."""

    V: np.ndarray
    H: np.ndarray
    log_weights: np.ndarray

    @property
    def log_z(self) -> float:
        return float(logsumexp(self.log_weights))

    @property
    def p(self) -> np.ndarray:
        return np.exp(self.log_weights - self.log_z)


def joint(W: np.ndarray, a: np.ndarray, b: np.ndarray) -> Joint:
    V, H = all_states(len(a)).astype(np.float64), all_states(len(b)).astype(np.float64)
    return Joint(V, H, V @ W @ H.T + (V @ a)[:, None] + H @ b)


def bars_and_stripes(side: int = 4) -> np.ndarray:
    """Images whose columns, or whose rows, are all on or off: for 4 x 4 there are 30."""
    lines = all_states(side)
    bars = np.tile(lines, side)
    return np.unique(np.concatenate([bars, np.repeat(lines, side, axis=1)]), axis=0)


def published_model() -> rf.RBM:
    path = DATA / "salakhutdinov_murray_2008" / "mnistvh_15h.npz"
    if not path.is_file():
        pytest.skip("RBMFAST_TEST_DATA does not name a folder with salakhutdinov_murray_2008/mnistvh_15h.npz")
    with np.load(path) as file:
        return rf.RBM.from_arrays(file["W"], file["vbias"], file["hbias"])
