"""``rbmfast info``."""

from __future__ import annotations

import argparse
import os
from typing import Any

import rbmfast as rf
from rbmfast.archive import read_file
from rbmfast.cli.kinds import load
from rbmfast.files import blaming, entry

SUMMARY = "what a file holds, or what this installation is"
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
    parser.add_argument("file", nargs="?", metavar="FILE", help="a model or a checkpoint")


def run(arguments: argparse.Namespace) -> None:
    """Print what was asked for."""
    if arguments.file is None:
        print(rf.show_config())
        return
    what, meta, _ = read_file(arguments.file)
    if what in CHECKPOINTS:
        with blaming(arguments.file, "is not a complete checkpoint"):
            facts = _checkpoint(CHECKPOINTS[what], meta)
    else:
        model, kind = load(arguments.file)
        facts = kind.facts(model)
    facts["file"] = f"{arguments.file} ({os.path.getsize(arguments.file):,} bytes)"
    for name, value in facts.items():
        print(f"{name:<15} {value}")


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
