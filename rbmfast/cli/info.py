"""``rbmfast info``."""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.container import read_file

SUMMARY = "what a file holds, or what this installation is"
DESCRIPTION = """\
Describe a model or a checkpoint; without a file, this installation: version, compiler, CPU,
instruction sets, threads."""
EXAMPLES = """\
examples:
  rbmfast info
  rbmfast info digits.rbm
  RBMFAST_ISA=portable RBMFAST_NUM_THREADS=1 rbmfast info
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="a model or a checkpoint")


def run(arguments: argparse.Namespace) -> None:
    """Print what was asked for."""
    if arguments.file is None:
        print(rf.show_config())
        return
    kind, meta, _ = read_file(arguments.file)
    facts = _checkpoint(meta) if kind == "checkpoint" else _model(arguments.file)
    facts["file"] = f"{arguments.file} ({os.path.getsize(arguments.file):,} bytes)"
    for name, value in facts.items():
        print(f"{name:<15} {value}")


def _model(path: str) -> dict[str, Any]:
    rbm = rf.load(path)
    if isinstance(rbm, rf.Network):
        return {
            "model": rbm,
            "inputs": f"{rbm.n_inputs} {rbm.domain}",
            "outputs": f"{rbm.n_outputs} {rbm.head}",
        }
    means = rbm.visible_means
    return {
        "model": rbm,
        "visible units": f"{rbm.n_visible} {rbm.visible}",
        "hidden units": f"{rbm.n_hidden} {rbm.hidden}",
        "state": "new, never trained" if rbm.is_untouched else "trained or assigned",
        "initial seed": "none" if rbm.seed is None else rbm.seed,
        "weights": f"{_range(rbm.W)}, Euclidean norm {np.linalg.norm(rbm.W):.4g}",
        "visible biases": _range(rbm.a),
        "hidden biases": _range(rbm.b),
        "data means": "not known" if means is None else _range(means),
        "sampler sees": f"weights in multiples of 2**-{engine.exponent(rbm.W)}",
    }


def _checkpoint(meta: dict[str, Any]) -> dict[str, Any]:
    settings = {name: value for name, value in meta["settings"].items() if value is not None}
    return {
        "checkpoint": f"of a training run, after {meta['epoch']} epochs and {meta['updates']} updates",
        "stopped": meta["stopped"] or "no",
        **{name.replace("_", " "): value for name, value in settings.items()},
    }


def _range(values: Any) -> str:
    return f"{values.min():.4g} to {values.max():.4g}"
