"""``rbmfast info``."""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast.archive import read_file
from rbmfast.cli.options import Group
from rbmfast.files import blaming, entry

DESCRIPTION = """\
Describe a model or a checkpoint; without a file, this installation: version, compiler, CPU,
instruction sets, threads."""
EXAMPLES = """\
examples:
  rbmfast info
  rbmfast info digits.rbm
  rbmfast info run.ckpt
  RBMFAST_ISA=portable RBMFAST_NUM_THREADS=1 rbmfast info
"""

CHECKPOINTS = {  # kinds of files
    "checkpoint": "a training run",
    "pretraining": "a pre-training, as it began; the runs of its layers lie beside it: .0, .1, ...",
    "up-down": "up-down training",
    "fine-tuning": "fine-tuning",
    "annealing": "annealed importance sampling",
}
DONE = {"epoch": "epochs", "updates": "updates", "at": "temperatures"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    Group(parser).add("file", "FILE", "a model or a checkpoint", nargs="?")


def run(arguments: argparse.Namespace) -> None:
    """Print what was asked for."""
    if arguments.file is None:
        print(rf.show_config())
        return
    schema = None
    what, meta, _ = read_file(arguments.file)
    if what in CHECKPOINTS:
        with blaming(arguments.file, "is not a complete checkpoint"):
            facts = _checkpoint(CHECKPOINTS[what], meta)
    else:
        model = rf.load(arguments.file)
        facts = _model(model)
        schema = model.schema
    facts["file"] = f"{arguments.file} ({os.path.getsize(arguments.file):,} bytes)"
    for name, value in facts.items():
        print(f"{name:<15} {value}")
    if schema is not None:
        print(f"table:          {schema}")


def _checkpoint(what: str, meta: dict[str, Any]) -> dict[str, Any]:
    settings = {name: value for name, value in entry(meta, "settings", dict).items() if value is not None}
    for i, layer in enumerate(settings.pop("layers", [])):
        settings[f"layer {i + 1}"] = ", ".join(f"{name} {value}" for name, value in layer.items() if value)
    words = " and ".join(f"{meta[name]} {word}" for name, word in DONE.items() if name in meta)
    return {
        "checkpoint": f"of {what}{words and ', after '}{words}",
        "stopped": meta.get("stopped") or "no",
        **{name.replace("_", " "): value for name, value in settings.items()},
    }


# --- Models ------------------------------------------------------------------------------------------------


def _model(model: Any) -> dict[str, Any]:
    kinds: dict[type, Any] = {rf.RBM: _rbm, rf.DBN: _dbn, rf.DBM: _dbm, rf.Network: _network}
    facts = next((describe for kind, describe in kinds.items() if isinstance(model, kind)), _arrays)
    return {"model": model, **facts(model)}


def _rbm(rbm: rf.RBM) -> dict[str, Any]:
    means = rbm.visible_means
    labels = {"labels": f"{_labels(rbm)}, beside {rbm.n_features} units"} if rbm.n_classes else {}
    return {
        "visible units": f"{rbm.n_visible} {rbm.visible}",
        **labels,
        "hidden units": f"{rbm.n_hidden} {rbm.hidden}",
        "state": "new, never trained" if rbm.is_untouched else "trained or assigned",
        "initial seed": "none" if rbm.seed is None else rbm.seed,
        "weights": _weights(rbm),
        "visible biases": _range(rbm.a),
        "hidden biases": _range(rbm.b),
        "data means": "not known" if means is None else _range(means),
        "sampler sees": f"weights in multiples of 2**{-rbm._parameters.weights.exponent}",
    }


def _dbn(dbn: rf.DBN) -> dict[str, Any]:
    layers = {
        f"layer {i}": f"{rbm.n_hidden} {rbm.hidden}; {'new' if rbm.is_untouched else 'trained'}; "
        f"weights {_weights(rbm)}"
        for i, rbm in enumerate(dbn.generative, start=1)
    }
    return {
        "visible units": f"{dbn.n_visible} {dbn.visible}",
        **layers,
        "labels": "none" if dbn.n_classes is None else f"{_labels(dbn)}, beside the top RBM",
        "recognition": "the generative weights" if dbn.is_tied else "weights of its own, by up-down learning",
        "initial seed": dbn.seed,
    }


def _dbm(dbm: rf.DBM) -> dict[str, Any]:
    layers = {
        f"layer {i}": f"{W.shape[1]} bernoulli; weights {_range(W)}, Euclidean norm {np.linalg.norm(W):.4g}"
        for i, W in enumerate(dbm.weights, start=1)
    }
    return {
        "visible units": f"{dbm.n_visible} {dbm.visible}",
        **layers,
        "state": "new, never trained" if dbm.bipartite.is_untouched else "trained or assigned",
        "initial seed": "none" if dbm.seed is None else dbm.seed,
    }


def _network(net: rf.Network) -> dict[str, Any]:
    return {
        "inputs": f"{net.n_inputs} {net.domain}",
        "outputs": f"{net.n_outputs} {net.head}",
        "parameters": f"{sum(layer.W.size + layer.b.size for layer in net.layers):,}",
    }


def _arrays(model: Any) -> dict[str, Any]:
    """What is known of any model."""
    return {name: f"{array.shape}, {_range(array)}" for name, array in model.parameters().items()}


def _labels(model: Any) -> str:
    return ", ".join(model.class_names) or f"0 to {model.n_classes - 1}"


def _weights(rbm: rf.RBM) -> str:
    return f"{_range(rbm.W)}, Euclidean norm {np.linalg.norm(rbm.W):.4g}"


def _range(values: Any) -> str:
    return f"{values.min():.4g} to {values.max():.4g}"
