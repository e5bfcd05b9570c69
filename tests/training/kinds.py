"""The kinds of runs, and ways to learn in each: what all of them are held to is in `test_runs.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from models.helpers import network
from training.helpers import TEXTBOOK, StepCD, random_rows

import rbmfast as rf

X = random_rows(47, 9)
X_VAL = random_rows(20, 9, seed=1)
REAL = np.random.default_rng(2).normal(size=(47, 9)).astype(np.float32)
GREY = (np.random.default_rng(5).random((47, 9)) ** 2).astype(np.float32)
Y = np.random.default_rng(4).integers(0, 3, 47)
SOME = np.where(np.arange(47) % 3 == 0, Y, -1)  # rows without a class among the others
HOLES = np.where(np.random.default_rng(6).random(X.shape) < 0.3, np.nan, X)
HOLES[::5] = X[::5]
FLIPPED = X.copy()
FLIPPED[-1, -1] ^= 1
GROUPS = np.hstack([X[:, :3], np.eye(3, dtype=np.uint8)[Y], np.eye(3, dtype=np.uint8)[Y - X[:, 0]]])
SOME_GROUPS = np.where(HOLES == HOLES, GROUPS, np.nan)
CODES = np.stack([Y, (Y + X[:, 0]) % 3, Y[::-1]], axis=1)
BEFORE = np.hstack([np.roll(X, 1, axis=0), np.roll(X, 2, axis=0)])
REAL_HOLES = np.where(HOLES == HOLES, REAL, np.float32(np.nan))


# --- Kinds of runs -----------------------------------------------------------------------------------------


def is_real(case: dict[str, Any]) -> bool:
    return case.get("X") is REAL or case.get("X") is REAL_HOLES


def an_rbm(case: dict[str, Any], seed: int = 3) -> rf.RBM:
    if case.get("X") is GROUPS or case.get("X") is SOME_GROUPS:
        visible = rf.Mixed([(rf.Bernoulli(), 3), (rf.Categorical(3), 6)])
        return rf.RBM(9, 6, visible=visible, hidden=rf.Categorical(3), seed=seed)
    return rf.RBM(9, 5, visible="gaussian" if is_real(case) else "bernoulli", seed=seed)


def a_class_rbm(case: dict[str, Any], seed: int = 3) -> rf.ClassRBM:
    return rf.ClassRBM(9, 5, n_classes=3, seed=seed)


def a_crbm(case: dict[str, Any], seed: int = 3) -> rf.ConditionalRBM:
    visible = "gaussian" if is_real(case) else "bernoulli"
    return rf.ConditionalRBM(9, 5, 18, visible=visible, context="binary", seed=seed)


def a_conv_rbm(case: dict[str, Any], seed: int = 3) -> rf.ConvRBM:
    visible = "gaussian" if is_real(case) else "bernoulli"
    return rf.ConvRBM((3, 3), 4, (2, 2), pool=2, visible=visible, seed=seed)


def units_of(case: dict[str, Any]) -> dict[str, Any]:
    visible = "gaussian" if case.get("X") is REAL else "bernoulli"
    return {"visible": visible, "n_classes": 3 if "y" in case else None}


def a_machine(case: dict[str, Any], seed: int = 3) -> rf.BoltzmannMachine:
    if case.get("X") is CODES:
        return rf.BoltzmannMachine(9, units=rf.Categorical(3), graph=[(0, 1), (1, 2)], seed=seed)
    return rf.BoltzmannMachine(9, 3 if case.get("X") is HOLES else 0, seed=seed)


def a_dbn(case: dict[str, Any], seed: int = 3) -> rf.DBN:
    return rf.DBN((9, 7, 6, 5), seed=seed, **units_of(case))


def a_dbm(case: dict[str, Any], seed: int = 3) -> rf.DBM:
    return rf.DBM(
        case.get("sizes", (9, 6, 5)), seed=seed, visible="gaussian" if is_real(case) else "bernoulli"
    )


def a_trained_dbn(case: dict[str, Any], seed: int = 3) -> rf.DBN:
    return network((9, 7, 6, 5), seed, 0.5, **units_of(case))


def a_network(case: dict[str, Any], seed: int = 3) -> rf.Network:
    layers = [(9, 7, "sigmoid"), (7, 5, "sigmoid"), (5, 3, "softmax")]
    return rf.Network([rf.Dense.new(*size, seed=seed, layer=i) for i, size in enumerate(layers)])


@dataclass(frozen=True)
class Kind:
    """A public function, with what its tests need."""

    learn: Callable[..., Any]
    model: Callable[..., Any]
    file: str
    settings: dict[str, Any]
    stops: tuple[int, ...]
    useless: tuple[str, ...] = ()  # parameters that no one learns
    overfits: dict[str, Any] = field(default_factory=dict)  # so that it stops early by `stopping`
    stopping: tuple[str, str] = ("", "auto")

    def run(self, model: Any, case: dict[str, Any], **more: Any) -> list[rf.History]:
        settings = {"X": X, "batch_size": 10, "seed": 5, **self.settings, **case, **more}
        if isinstance(model, rf.ClassRBM):
            settings["X"] = model.join(settings["X"], settings["y"])
            if isinstance(settings.get("validation"), tuple):
                settings["validation"] = model.join(*settings["validation"])
        if self.learn is rf.train:
            settings.pop("y", None)
            settings.pop("sizes", None)
        histories = self.learn(model, **settings)
        return histories if isinstance(histories, list) else [histories]

    def bits(self, model: Any) -> dict[str, bytes]:
        arrays = model.to_state()[1]
        return {name: array.tobytes() for name, array in arrays.items() if name not in self.useless}

    def early(self) -> rf.EarlyStopping:
        name, mode = self.stopping
        return rf.EarlyStopping(name, patience=2, mode=mode)


PSEUDO = {"monitors": [rf.PseudoLikelihood()]}
ERROR = {"monitors": [rf.ReconstructionError()]}
HIDDEN = ("generative/0/b", "generative/1/b", "recognition/0/a", "recognition/1/a")
KINDS = {
    "train": Kind(
        *(rf.train, an_rbm, "checkpoint", {**TEXTBOOK, "epochs": 4}, (1, 3, 4)),
        overfits={"optimizer": rf.SGD(2.0), "validation": X_VAL, **ERROR},
        stopping=("validation_reconstruction_error", "auto"),
    ),
    "classes": Kind(
        *(
            rf.train,
            a_class_rbm,
            "checkpoint",
            {**TEXTBOOK, "epochs": 4, "y": Y, "method": rf.Hybrid(0.1)},
            (1, 3),
        ),
        overfits={
            "optimizer": rf.SGD(1.0),
            "validation": (X_VAL, Y[:20]),
            "monitors": [rf.ClassificationError()],
        },
        stopping=("validation_classification_error", "auto"),
    ),
    "conditional": Kind(
        *(rf.train, a_crbm, "checkpoint", {**TEXTBOOK, "epochs": 4, "context": BEFORE}, (1, 3)),
        overfits={"optimizer": rf.SGD(2.0), "validation": (X_VAL, BEFORE[:20]), **ERROR},
        stopping=("validation_reconstruction_error", "auto"),
    ),
    "convolutional": Kind(
        *(rf.train, a_conv_rbm, "checkpoint", {**TEXTBOOK, "epochs": 4}, (1, 3)),
        overfits={"optimizer": rf.SGD(2.0), "validation": X_VAL, **ERROR},
        stopping=("validation_reconstruction_error", "auto"),
    ),
    "boltzmann": Kind(
        *(rf.train, a_machine, "checkpoint", {**TEXTBOOK, "epochs": 4}, (1, 3)),
        overfits={"optimizer": rf.SGD(2.0), "validation": X_VAL, **PSEUDO},
        stopping=("validation_pseudo_likelihood", "auto"),
    ),
    "dbm": Kind(
        *(rf.train, a_dbm, "checkpoint", {**TEXTBOOK, "epochs": 4, "method": rf.PCD(1)}, (1, 3)),
        overfits={"optimizer": rf.SGD(2.0), "validation": X_VAL, **ERROR},
        stopping=("validation_reconstruction_error", "auto"),
    ),
    "pretrain": Kind(
        *(rf.pretrain, a_dbn, "pretraining", {**TEXTBOOK, "epochs": 3}, (1, 3, 4, 6, 7)),
        overfits={"optimizer": rf.SGD(2.0), "validation": X_VAL, **ERROR},
        stopping=("validation_reconstruction_error", "auto"),
    ),
    "up_down": Kind(
        *(rf.up_down, a_trained_dbn, "up-down", {"epochs": 4}, (1, 3, 4), HIDDEN),
        overfits={"optimizer": rf.SGD(0.5), "validation": X_VAL},
        stopping=("validation_reconstruction_error", "max"),
    ),
    "fine_tune": Kind(
        *(rf.fine_tune, a_network, "fine-tuning", {"epochs": 4, "y": Y}, (1, 3)),
        overfits={"optimizer": rf.SGD(1.0, 0.9), "validation": (X_VAL, Y[:20])},
        stopping=("validation_loss", "auto"),
    ),
}

SCHEDULED = rf.SGD(rf.Exponential(0.3, 0.7), momentum=rf.Steps({0: 0.5, 3: 0.9}))
PENALTIES = [rf.L2(0.01), rf.L1(1e-4), rf.MaxNorm(0.5), rf.SparsityTarget(0.2)]
EVERY_PENALTY = [*PENALTIES, rf.BlockL1(0.1)]
CLIMBING = rf.PTT(k=2, n_chains=7, per_chain=2, min_acceptance=0.95)  # the model is the rung again and again
METHODS: dict[str, dict[str, Any]] = {
    "cd": {"method": rf.CD(2)},
    "pcd, everything": {
        "method": rf.PCD(1, 13),
        "optimizer": SCHEDULED,
        "penalties": PENALTIES,
        "validation": X_VAL,
    },
    "pt": {"method": rf.PT(n_replicas=4, k=2, n_chains=7), "optimizer": rf.SGD(0.3, momentum=0.5)},
    "fpcd": {"method": rf.FPCD(2, 13, fast_rate=0.2), "shuffle": "blocks"},
    "linear rate": {"X": GREY, "optimizer": rf.SGD(rf.Linear(0.3), momentum=rf.Linear(0.1, 0.9))},
    "exponent drops": {"optimizer": rf.SGD(100.0)},
    "adam": {"optimizer": rf.Adam(rf.Linear(0.05), clip=0.5), "penalties": [rf.MaxNorm(0.5)]},
    "clip": {"optimizer": rf.SGD(0.3, momentum=0.5, clip=0.2), "method": rf.PCD(1)},
    "cosine": {
        "optimizer": rf.Cosine(0.1, 1.5, 0.5, clip=0.3),
        "method": rf.PCD(1),
        "penalties": EVERY_PENALTY,
    },
    "gaussian": {"X": REAL, "optimizer": rf.SGD(0.01, 0.5), "validation": REAL[:9]},
    "weights": {"sample_weight": np.arange(47) / 23},
}
LAYERS = [
    {"method": rf.PCD(1, 13), "centered": True},
    {"optimizer": rf.SGD(rf.Exponential(0.3, 0.7), momentum=0.5), "penalties": [rf.SparsityTarget(0.2)]},
    {"epochs": 4, "optimizer": rf.Adam(0.02)},
]
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "train": {
        **METHODS,
        "pcd, everything": {
            **METHODS["pcd, everything"],
            "centered": True,
            "monitors": [rf.ReconstructionError(), rf.FreeEnergyGap(), rf.WeightNorm()],
        },
        "exponent stays down": {  # weights grow in the first epoch and decay in the others
            "optimizer": rf.SGD(rf.Steps({0: 8.0, 1: 1.0})),
            "penalties": [rf.L2(0.5)],
        },
        "adam pcd": {
            "optimizer": rf.Adam(rf.Exponential(0.02, 0.7), 0.8, 0.95, 1e-3, clip=0.05),
            "method": rf.PCD(1, 13),
            "penalties": PENALTIES,
        },
        "step by step": {"method": StepCD(1), "centered": True},
        "missing": {
            "X": HOLES,
            "method": rf.PCD(1, 13),
            "centered": True,
            "validation": HOLES[:9],
            "monitors": [rf.ReconstructionError(), rf.FreeEnergyGap(), rf.DeadUnits()],
        },
        "missing, cd": {"X": HOLES, "sample_weight": np.arange(47) / 23},
        "absent": {"X": HOLES, "missing": "absent", "method": rf.CD(2), **ERROR},
        "missing groups": {"X": SOME_GROUPS, "optimizer": rf.Adam(0.02)},
        "missing, gaussian": {"X": REAL_HOLES, "optimizer": rf.SGD(0.01, 0.5)},
        "unbiased cd": {"method": rf.UnbiasedCD(k=20), "batch_size": 20},
        "ptt": {"method": CLIMBING, "centered": True, "monitors": [rf.LogLikelihood()]},
        "gaussian ptt": {"X": REAL, "optimizer": rf.SGD(0.01), "method": CLIMBING},
        "gaussian pt": {"X": REAL, "optimizer": rf.SGD(0.01), "method": rf.PT(3)},
        **{
            f"groups, {type(method).__name__}": {"X": GROUPS, "method": method, "centered": True}
            for method in (rf.CD(1), rf.PCD(1), rf.PT(n_replicas=3), rf.FPCD(), CLIMBING)
        },
    },
    "classes": {
        "discriminative": {"method": rf.Discriminative()},
        "hybrid, everything": {
            "method": rf.Hybrid(0.1, negative=rf.PCD(2, 13), dropout=0.3),
            "optimizer": SCHEDULED,
            "penalties": [rf.L2(0.01), rf.SparsityTarget(0.2)],
            "centered": True,
            "sample_weight": np.linspace(0, 2, 47),
            "monitors": [rf.ClassificationError(), rf.ReconstructionError()],
        },
        "unlabelled": {
            "y": SOME,
            "method": rf.Hybrid(0.1, 0.2, negative=rf.CD(2), dropout=0.5),
            "centered": True,
            "monitors": [rf.ClassificationError(10), rf.ReconstructionError()],
        },
        "unlabelled fpcd": {"y": SOME, "method": rf.Hybrid(0.1, 0.2, negative=rf.FPCD(1, 7, fast_rate=0.2))},
        "unlabelled ptt": {"y": SOME, "method": rf.Hybrid(0.1, 0.2, negative=CLIMBING)},
        "unlabelled pt": {"y": SOME, "method": rf.Hybrid(0.1, 0.2, negative=rf.PT(3, n_chains=4))},
        "adam": {"optimizer": rf.Adam(0.02, clip=0.5)},
    },
    "conditional": {
        "cd, everything": {
            "method": rf.CD(2),
            "optimizer": SCHEDULED,
            "penalties": PENALTIES,
            "centered": True,
            "sample_weight": np.linspace(0, 2, 47),
            **ERROR,
        },
        "missing": {"X": HOLES, "optimizer": rf.Adam(0.02, clip=0.5)},
        "missing, gaussian": {"X": REAL_HOLES, "optimizer": rf.SGD(0.01, 0.5)},
    },
    "convolutional": {
        "pcd, everything": {
            "method": rf.PCD(2, 13),
            "optimizer": SCHEDULED,
            "penalties": PENALTIES,
            "sample_weight": np.linspace(0, 2, 47),
            **ERROR,
        },
        "fpcd": {"method": rf.FPCD(1, 13, fast_rate=0.2), "optimizer": rf.Adam(0.02, clip=0.5)},
        "ptt": {"method": CLIMBING},
        "missing": {"X": HOLES, "optimizer": rf.Cosine(0.1, 1.5, 0.5)},
        "gaussian": {"X": REAL, "optimizer": rf.SGD(0.01, 0.5)},
    },
    "boltzmann": {
        "cd": {"method": rf.CD(2), "sample_weight": np.arange(47) / 23},
        "pcd, everything": {
            "method": rf.PCD(2, 13),
            "optimizer": SCHEDULED,
            "penalties": [rf.L2(0.01), rf.L1(1e-3)],
            "validation": X_VAL,
            "monitors": [rf.WeightNorm(), rf.PseudoLikelihood(), rf.FreeEnergyGap()],
        },
        "hidden units, missing": {"X": HOLES, "method": rf.PCD(1), "optimizer": rf.Adam(0.02)},
        "groups": {"X": CODES, "method": rf.MaximumPseudoLikelihood(), "optimizer": rf.SGD(0.5, clip=0.1)},
        "exponent drops, pt": {"optimizer": rf.SGD(100.0), "method": rf.PT(3, 1, 7)},
        "cosine": {"method": rf.PCD(1), "optimizer": rf.Cosine(0.1, 1.5, 0.5)},
        "ptt": {"method": CLIMBING, "X": HOLES},
    },
    "dbm": {
        "everything": {
            "method": rf.PCD(2, 13),
            "centered": True,
            "optimizer": SCHEDULED,
            "penalties": PENALTIES,
            "validation": X_VAL,
            "sample_weight": np.arange(47) / 23,
            "monitors": [rf.ReconstructionError(), rf.FreeEnergyGap()],
        },
        "four layers": {"sizes": (9, 5, 4, 3), "centered": True, "optimizer": rf.SGD(0.3, momentum=0.5)},
        "adam, pt": {"method": rf.PT(3), "optimizer": rf.Adam(0.02, clip=0.5)},
        "fpcd": {"method": rf.FPCD(1, 13), "X": GREY},
        "ptt": {"method": CLIMBING, "centered": True},
        "gaussian": {"X": REAL, "optimizer": rf.SGD(0.01, 0.5), "validation": REAL[:9], **ERROR},
    },
    "up_down": {**METHODS, "labels": {"y": Y, "validation": (X_VAL, Y[:20])}},
    "pretrain": {
        "memory": {"layers": LAYERS, **ERROR, "validation": X_VAL, "cache": "memory"},
        "stream": {"layers": LAYERS, **ERROR, "validation": X_VAL, "cache": "stream"},
        "labels": {"y": Y, "optimizer": rf.SGD(0.3)},
        "upper layers": {"y": Y, "first_layer": 1, "optimizer": rf.SGD(0.3)},
    },
    "fine_tune": {
        "sgd": {"optimizer": rf.SGD(rf.Exponential(0.5, 0.8), 0.9), "l2": 0.01},
        "adam, dropout": {"optimizer": rf.Adam(rf.Linear(0.05)), "dropout": [0.1, 0.5, 0.2]},
        "clip": {"optimizer": rf.Adam(0.02, clip=0.1), "l2": 0.01},
        "cosine": {"optimizer": rf.Cosine(rf.Linear(0.5), 1.5, 0.5), "l2": 0.01},
        "weights": {"sample_weight": np.arange(47) / 23},
        "patience": {"optimizer": rf.SGD(1.0, 0.9), "patience": 2, "validation": (X_VAL, Y[:20])},
    },
}
EVERY = [(kind, name) for kind, cases in CASES.items() for name in cases]
EXACT = [(of, name) for of, name in EVERY if of != "fine_tune" and not is_real(CASES[of][name])]
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
