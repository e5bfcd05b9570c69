"""What the tests of models share: small models, and samples against the probabilities of all states.

Statistical tests have fixed seeds; ALARM is the rate at which a correct sampler would have failed each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import chisquare

import rbmfast as rf
from rbmfast.likelihood import all_states, log_probabilities
from rbmfast.streams import Stream

ALARM = 1e-6


def small(n: int = 4, m: int = 3, scale: float = 1.0, seed: int = 11, **units: Any) -> rf.RBM:
    """With large random parameters: multiples of 2**-10, which are exact in fixed point."""
    rng = np.random.default_rng(seed)
    W, a, b = (np.rint(scale * rng.normal(size=size) * 1024) / 1024 for size in ((n, m), n, m))
    return rf.RBM.from_arrays(W, a, b, **units)


def network(sizes: Any = (5, 4, 3), seed: int = 11, scale: float = 1.0, **units: Any) -> rf.DBN:
    """The same of a deep belief network."""
    rng = np.random.default_rng(seed)
    dbn = rf.DBN(sizes, seed=seed, **units)
    for rbm in dbn.generative:
        for name in "Wab":
            setattr(rbm, name, scale * rng.normal(size=getattr(rbm, name).shape))
    return dbn


def watch_draws(monkeypatch: Any) -> list[tuple[int, int, int, int]]:
    """A list that every draw of Bernoulli units is noted in: purpose, layer, step and row."""
    drawn: list[tuple[int, int, int, int]] = []
    unit = rf.Bernoulli
    sample, sample_from = unit.sample, unit.sample_from

    def note(n: int, stream: Stream) -> None:
        rows = range(stream.rows, stream.rows + n) if isinstance(stream.rows, int) else stream.rows.tolist()
        drawn.extend((int(stream.purpose), stream.layer, stream.step, row) for row in rows)

    def noting(self: Any, x: Any, stream: Stream) -> Any:
        note(len(x), stream)
        return sample(self, x, stream)

    def noting_from(self: Any, weights: Any, states: Any, bias: Any, stream: Stream, up: bool) -> Any:
        note(len(states), stream)
        return sample_from(self, weights, states, bias, stream, up)

    monkeypatch.setattr(unit, "sample", noting)
    monkeypatch.setattr(unit, "sample_from", noting_from)
    return drawn


def states_of(unit: Any, n: int) -> Any:
    return unit.states(n, np.arange(unit.count_states(n)))


def joint(rbm: rf.RBM) -> tuple[Any, Any, Any]:
    """All visible states, all hidden states, and E[v, h] by the formula of the books."""
    V, H = states_of(rbm.visible, rbm.n_visible), states_of(rbm.hidden, rbm.n_hidden)
    W, a, b = (p.astype(np.float64) for p in (rbm.W, rbm.a, rbm.b))
    return V, H, -(V @ W @ H.T) - (V @ a)[:, None] - H @ b


def numbers(states: Any) -> Any:
    """Places of 0/1 states in counting order."""
    return states.astype(int) @ (1 << np.arange(states.shape[1])[::-1])


def counts(states: Any) -> Any:
    return np.bincount(numbers(states), minlength=2 ** states.shape[1])


def agrees(counts: Any, probabilities: Any) -> bool:
    """Chi-square, rare states (expected fewer than 10 times) taken together."""
    expected = probabilities / probabilities.sum() * counts.sum()
    rare = expected < 10
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    return bool(chisquare(counts, expected).pvalue > ALARM)


def assert_moments_of_normals(v: Any, p: Any, centres: Any, rtol: float = 0.05) -> None:
    """Of unit normals around centres. Means within 5.5 standard errors: alarm 4e-8 each."""
    mean = p @ centres
    variance = 1 + p @ (centres - mean) ** 2
    assert v.dtype == np.float32
    assert (np.abs(v.mean(axis=0) - mean) < 5.5 * np.sqrt(variance / len(v))).all()
    assert_allclose(v.var(axis=0), variance, rtol=rtol)


def mixture_of_normals(rbm: rf.RBM) -> tuple[Any, Any]:
    """Probabilities of the hidden states of an RBM with Gaussian visible units, and centres given each."""
    H = states_of(rbm.hidden, rbm.n_hidden)
    centres = H @ rbm.W.T.astype(float) + rbm.a
    weights = np.exp(H @ rbm.b.astype(float) + (centres**2 - rbm.a.astype(float) ** 2).sum(axis=1) / 2)
    return weights / weights.sum(), centres


def given(p: Any, states: Any) -> Any:
    """Probabilities of states (n_states, n) of independent units with probabilities (m, n): (m, n_states)."""
    on, p = states[None].astype(bool), p[:, None].astype(float)
    return np.where(on, p, 1 - p).prod(axis=2)


def down(rbm: rf.RBM, n: int) -> Any:
    """p(v | h) of the first n visible units: (hidden states, visible states)."""
    return given(rbm.visible_probabilities(all_states(rbm.n_hidden))[:, :n], all_states(n))


def up(rbm: rf.RBM) -> Any:
    return given(rbm.hidden_probabilities(all_states(rbm.n_visible)), all_states(rbm.n_hidden))


def exact(dbn: rf.DBN) -> Any:
    """p(v) of all visible states in counting order."""
    p = np.exp(log_probabilities(dbn.top))
    for rbm in dbn.generative[-2::-1]:
        p = p @ down(rbm, rbm.n_visible)
    return p
