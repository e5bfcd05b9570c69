"""Small runs through the public interface whose every bit is promised.

The data come from the library's own random numbers, so that no other package's version matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.streams import Purpose

N_ROWS, N_VISIBLE, N_HIDDEN = 150, 100, 60
BATCH_SIZE = 64  # the last batch has 22 rows
MODEL_SEED, SEED = 0, 1


def _uniforms(n_rows: int, n_units: int, seed: int) -> Any:
    return engine.uniform_u32(n_rows, n_units, seed, 63, 63, 0)


@cache
def binary_rows(n_rows: int = N_ROWS, n_visible: int = N_VISIBLE) -> Any:
    """Noisy copies of five prototypes; one column is always off and one always on."""
    prototypes = _uniforms(5, n_visible, 10) >> 30 == 0
    noise = _uniforms(n_rows, n_visible, 11) >> 28 == 0
    rows = (prototypes[np.arange(n_rows) % 5] ^ noise).astype(np.uint8)
    rows[:, 3], rows[:, 4] = 0, 1
    return rows


@cache
def grey_levels() -> Any:
    """Levels from 0 to 255 with many ends."""
    levels = (_uniforms(N_ROWS, N_VISIBLE, 12) >> 24).astype(np.uint8)
    return np.where(_uniforms(N_ROWS, N_VISIBLE, 13) >> 31 == 0, np.uint8(255) * binary_rows(), levels)


@dataclass(frozen=True)
class Case:
    """One way to train."""

    k: int = 1
    n_chains: int | None = None  # of PCD; None: CD
    rate: float = 0.5
    decay: float = 1.0  # of the rate, per epoch
    momentum: float = 0.0
    centered: bool = False
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    sparsity_target: float = 0.0
    sparsity_cost: float = 0.0
    grey: bool = False
    epochs: int = 2
    batch_size: int = BATCH_SIZE

    def settings(self) -> dict[str, Any]:
        """What to tell `rf.train`."""
        penalties = [
            *([rf.L1(self.l1)] if self.l1 else []),
            *([rf.L2(self.l2)] if self.l2 else []),
            *([rf.MaxNorm(self.max_norm)] if self.max_norm else []),
            *([rf.SparsityTarget(self.sparsity_target, self.sparsity_cost)] if self.sparsity_cost else []),
        ]
        return {
            "method": rf.CD(self.k) if self.n_chains is None else rf.PCD(self.k, self.n_chains),
            "optimizer": rf.SGD(rf.Exponential(self.rate, self.decay), momentum=self.momentum),
            "penalties": penalties,
            "centered": self.centered,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "seed": SEED,
        }


ALL = {
    "decay": 0.7,
    "momentum": 0.8,
    "centered": True,
    "l1": 1e-3,
    "l2": 1e-2,
    "max_norm": 0.15,
    "sparsity_target": 0.1,
    "sparsity_cost": 0.3,
}
CASES = {
    "CD-1": Case(),
    "CD-3": Case(k=3),
    "PCD-1": Case(n_chains=64),
    "PCD-2, more chains": Case(k=2, n_chains=77),
    "PCD-2, fewer chains": Case(k=2, n_chains=31),
    "momentum": Case(momentum=0.9),
    "exponential rate": Case(decay=0.3),
    "centred": Case(centered=True),
    "centred PCD": Case(centered=True, n_chains=77),
    "L1": Case(l1=0.01),
    "L2": Case(l2=0.05),
    "max-norm": Case(max_norm=0.15),
    "sparsity": Case(sparsity_target=0.1, sparsity_cost=0.5),
    "CD, everything": Case(k=2, **ALL),
    "PCD, everything": Case(k=2, n_chains=77, **ALL),
    "grey CD": Case(k=2, grey=True),
    "grey CD, everything": Case(k=2, grey=True, **ALL),
    "grey PCD, everything": Case(k=2, grey=True, n_chains=77, **ALL),
    "large weights": Case(rate=300.0, decay=0.01),
}


def train(case: Case, X: Any = None) -> rf.RBM:
    """A new model trained on `X`, by default the rows above."""
    if X is None:
        X = rf.Grey8(grey_levels()) if case.grey else binary_rows()
    rbm = rf.RBM(N_VISIBLE, N_HIDDEN, seed=MODEL_SEED)
    rf.train(rbm, X, **case.settings())
    return rbm


def digest(*arrays: Any) -> str:
    """SHA-256 of arrays: types, shapes and bytes, all as little-endian machines have them."""
    sha = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        little = array.astype(array.dtype.newbyteorder("<"))
        sha.update(f"{little.dtype.str} {array.shape}\n".encode())
        sha.update(little.data)
    return sha.hexdigest()


def parameters(rbm: rf.RBM) -> str:
    """Digest of all that training makes."""
    return digest(rbm.W, rbm.a, rbm.b, rbm.visible_means)


def anneal(rbm: rf.RBM, V: Any) -> tuple[Any, Any]:
    """Visible states and log-weights after 32 steps from independent units to the model."""
    betas = np.arange(33, dtype=np.float32) / np.float32(32)
    base, log_weights = np.zeros(rbm.n_visible, np.float32), np.zeros(len(V))
    return engine.anneal(
        engine.Weights(rbm.W), rbm.a, rbm.b, base, V, log_weights, betas, seed=2, purpose=Purpose.AIS
    )


def exact_log_z(rbm: rf.RBM, n_hidden: int, **units: Any) -> float:
    """Of the model with the first hidden units alone, and sixteen times their weights."""
    small = rf.RBM.from_arrays(16 * rbm.W[:, :n_hidden], rbm.a, rbm.b[:n_hidden], **units)
    return rf.log_partition(small).value


def temper(rbm: rf.RBM) -> tuple[Any, ...]:
    """States and swaps after 6 steps of 7 chains of 4 replicas."""
    betas = np.arange(4, dtype=np.float32) / np.float32(3)
    base, h = np.zeros(rbm.n_visible, np.float32), np.zeros((28, rbm.n_hidden), np.uint8)
    arrays, purpose = (rbm.a, rbm.b, base, h, betas), Purpose.TEMPERING
    v, h, swaps = engine.temper(engine.Weights(rbm.W), *arrays, 6, Purpose.SWAP, seed=2, purpose=purpose)
    return v, h, swaps.view(np.uint8).reshape(-1, 7)


def _answers() -> dict[str, Callable[[], str]]:
    """Everything that is drawn from, or computed by, one trained model, for binary and for grey rows."""
    rbm, V, G = train(CASES["CD, everything"]), binary_rows(), rf.Grey8(grey_levels())
    H = rbm.sample_hidden(V, seed=2)
    holes = np.where(_uniforms(*V.shape, 14) >> 31 == 0, np.nan, V)
    return {
        "hidden probabilities": lambda: digest(rbm.hidden_probabilities(V), rbm.hidden_probabilities(G)),
        "visible probabilities": lambda: digest(rbm.visible_probabilities(H)),
        "free energy": lambda: digest(rbm.free_energy(V), rbm.free_energy(G)),
        "energy": lambda: digest(rbm.energy(V, H), rbm.energy(G, H)),
        "sample_hidden": lambda: digest(H, rbm.sample_hidden(G, seed=2)),
        "sample_visible": lambda: digest(rbm.sample_visible(H, seed=2)),
        "gibbs": lambda: digest(*rbm.gibbs(V, steps=5, seed=2, return_hidden=True)),
        "gibbs from grey levels": lambda: digest(*rbm.gibbs(G, steps=1, seed=2, return_hidden=True)),
        "sample": lambda: digest(*rbm.sample(70, steps=5, seed=2, return_hidden=True)),
        "reconstruct": lambda: digest(rbm.reconstruct(V), rbm.reconstruct(G)),
        "annealed": lambda: digest(*anneal(rbm, V)),
        "exact log Z": lambda: digest(np.array([exact_log_z(rbm, 13)])),
        "tempered": lambda: digest(*temper(rbm)),
        "impute": lambda: digest(rbm.impute(holes, steps=5, seed=2)),
        "impute, averaged": lambda: digest(rbm.impute(holes, steps=5, seed=2, average=True)),
        "pseudo-likelihood": lambda: digest(
            rf.pseudo_likelihood(rbm, V), rf.pseudo_likelihood(rbm, G, 30, seed=2)
        ),
    }


def _categorical() -> dict[str, str]:
    """The same of a model with groups of units in both layers: pixels and a label, hidden groups."""
    n_pixels, n_classes = 60, 21
    visible = rf.Mixed([(rf.Bernoulli(), n_pixels), (rf.Categorical(n_classes), 2 * n_classes)])
    V = binary_rows(N_ROWS, visible.n_units).copy()
    for group, label in zip(
        (n_pixels, n_pixels + n_classes), (_uniforms(N_ROWS, 2, 15) >> 27).T, strict=True
    ):
        V[:, group : group + n_classes] = np.eye(n_classes, dtype=np.uint8)[label % n_classes]
    holes = np.where(_uniforms(*V.shape, 16) >> 29 == 0, np.nan, V)

    found = {}
    for name in ("CD, everything", "PCD, everything"):
        rbm = rf.RBM(visible.n_units, N_HIDDEN, visible=visible, hidden=rf.Categorical(4), seed=MODEL_SEED)
        rf.train(rbm, V, **CASES[name].settings())
        found[f"trained groups: {name}"] = parameters(rbm)
    return found | {
        "groups: probabilities": digest(rbm.hidden_probabilities(V), rbm.reconstruct(V)),
        "groups: free energy": digest(rbm.free_energy(V)),
        "groups: exact log Z": digest(
            np.array([exact_log_z(rbm, 24, visible=visible, hidden=rf.Categorical(4))])
        ),
        "groups: sample": digest(*rbm.sample(70, steps=5, seed=2, return_hidden=True)),
        "groups: impute": digest(rbm.impute(holes, steps=5, seed=2, average=True)),
    }


def _conditional() -> dict[str, str]:
    """The same of frames given the two before them."""
    X, context = rf.lagged(binary_rows(), 2)
    crbm = rf.ConditionalRBM(N_VISIBLE, N_HIDDEN, 2 * N_VISIBLE, seed=MODEL_SEED)
    rf.train(crbm, X, context=context, **CASES["CD, everything"].settings())
    V, H = crbm.gibbs(X, context, steps=5, seed=2, return_hidden=True)
    holes = np.where(_uniforms(*X.shape, 17) >> 31 == 0, np.nan, X)
    return {
        "trained conditional: CD, everything": digest(*crbm.parameters().values()),
        "conditional: probabilities": digest(crbm.reconstruct(X, context), crbm.free_energy(X, context)),
        "conditional: gibbs": digest(V, H, crbm.visible_probabilities(H, context)),
        "conditional: impute": digest(crbm.impute(holes, context, steps=5, seed=2, average=True)),
        "conditional: generate": digest(crbm.generate(context[:5], 9, seed=2, gibbs_steps=3)),
    }


def _convolutional() -> dict[str, str]:
    """The same of images of 10 x 10 pixels, 0/1, grey and real."""
    V, G = binary_rows(), rf.Grey8(grey_levels())
    everything = {**CASES["PCD, everything"].settings(), "centered": False}
    rbm = rf.ConvRBM((10, 10), 20, (3, 3), pool=2, seed=MODEL_SEED)
    rf.train(rbm, V, **everything)
    same = rf.ConvRBM((10, 5, 2), 5, (4, 2), pool=1, borders="same", seed=MODEL_SEED)
    rf.train(same, G, **CASES["CD-1"].settings())
    real = rf.ConvRBM((10, 10), 5, (3, 3), pool=4, visible="gaussian", seed=MODEL_SEED)
    R = (_uniforms(N_ROWS, N_VISIBLE, 18) >> 20).astype(np.float32) / 1024 - 2
    rf.train(real, R, **{**CASES["CD-1"].settings(), "optimizer": rf.Adam(0.01)})
    return {
        "trained convolutional: PCD, everything": digest(*rbm.parameters().values()),
        "trained convolutional: grey": digest(*same.parameters().values()),
        "trained convolutional: real": digest(*real.parameters().values()),
        "convolutional: probabilities": digest(rbm.reconstruct(V), rbm.pooled_probabilities(G)),
        "convolutional: free energy": digest(rbm.free_energy(V), real.free_energy(R)),
        "convolutional: sample": digest(*rbm.sample(70, steps=5, seed=2, return_hidden=True)),
    }


def _boltzmann() -> dict[str, str]:
    """Of machines whose units are all in one layer: switches with hidden units and holes, and groups."""
    V = binary_rows()[:, :40]
    holes = np.where(_uniforms(*V.shape, 17) >> 29 == 0, np.nan, V)
    codes = (_uniforms(N_ROWS, 15, 18) >> 30) + (_uniforms(N_ROWS, 15, 18) >> 28 == 0) * 17
    settings: dict[str, Any] = {"epochs": 2, "batch_size": BATCH_SIZE, "seed": SEED}
    plain: dict[str, Any] = {"optimizer": 0.1, "penalties": (), **settings}
    found = {}
    switches = rf.BoltzmannMachine(40, 10, seed=MODEL_SEED)
    rf.train(
        switches,
        holes,
        method=rf.PCD(2, 77),
        optimizer=rf.SGD(0.2, 0.8),
        penalties=[rf.L1(), rf.L2()],
        **settings,
    )
    spins = rf.BoltzmannMachine(40, units="spin", seed=MODEL_SEED)
    rf.train(spins, V == 1, method=rf.CD(1), **plain)
    groups = rf.BoltzmannMachine(15 * 21, units=rf.Categorical(21), seed=MODEL_SEED)
    rf.train(
        groups,
        codes,
        method=rf.MaximumPseudoLikelihood(),
        sample_weight=1 / (1 + np.arange(N_ROWS)),
        **plain,
    )
    for name, machine in (("switches", switches), ("spins", spins), ("groups", groups)):
        found[f"boltzmann, {name}: trained"] = digest(*machine._own_parameters().values())
        found[f"boltzmann, {name}: sample"] = digest(*machine.sample(70, steps=5, seed=2, return_hidden=True))
    found["boltzmann, switches: impute"] = digest(switches.impute(holes, steps=5, seed=2, average=True))
    found["boltzmann, groups: pseudo-likelihood"] = digest(rf.pseudo_likelihood(groups, codes))
    return found


def _deep() -> dict[str, str]:
    """Of deep Boltzmann machines, of two and of three hidden layers."""
    V, found = binary_rows(), {}
    for sizes in ((N_VISIBLE, 30, 20), (N_VISIBLE, 30, 20, 10)):
        dbm = rf.DBM(sizes, seed=MODEL_SEED)
        rf.train(dbm, V, **CASES["PCD, everything"].settings() | {"centered": True})
        name = f"deep machine, {len(dbm)} hidden layers"
        found[f"trained: {name}"] = digest(*dbm.parameters().values())
        found[f"{name}: mean field"] = digest(*dbm.mean_field(V), dbm.free_energy(V), dbm.reconstruct(V))
        found[f"{name}: gibbs"] = digest(dbm.gibbs(V, steps=5, seed=2))
    return found


def digests() -> dict[str, str]:
    """Digests of a new model, of trained ones, and of what can be asked of one."""
    found = {"new model": digest(rf.RBM(N_VISIBLE, N_HIDDEN, seed=MODEL_SEED).W)}
    found |= {f"trained: {name}": parameters(train(case)) for name, case in CASES.items()}
    blocks = {**CASES["CD-1"].settings(), "shuffle": "blocks", "batch_size": 3}
    rbm = rf.RBM(N_VISIBLE, N_HIDDEN, seed=MODEL_SEED)
    rf.train(rbm, binary_rows(), **blocks)
    found["trained: shuffled blocks"] = parameters(rbm)
    found |= {name: answer() for name, answer in _answers().items()}
    return found | _categorical() | _conditional() | _convolutional() | _boltzmann() | _deep()
