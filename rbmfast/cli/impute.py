"""``rbmfast impute``."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast.cli import options, output
from rbmfast.cli.datafiles import DataFile, read_data
from rbmfast.cli.models import load, n_classes
from rbmfast.cli.options import CommandError, Group, integer
from rbmfast.cli.tables import fitting

DESCRIPTION = """\
Fill in what is missing in a data file: empty cells, NA or NaN. A table for a model of a table comes
back as it is, with its holes filled; columns that the model does not know stay as they are. Other
files come back as numbers."""
EXAMPLES = """\
examples:
  rbmfast impute people.rbm holes.csv -o full.csv
  rbmfast impute people.rbm holes.csv -o one.csv --draw --seed 1     a draw of what could be there
  rbmfast impute digits.rbm holes.npy -o full.npy
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    group = Group(parser)
    group.add("model", "MODEL", "a file that `rbmfast train` or save wrote")
    group.add("file", "FILE", "the data")
    group.add("-o --output", "FILE", "where to write them: .csv for a table, else .npy", required=True)
    group.add("--key", "NAME", "which array of an .npz or .mat file, if it is not called X")
    group.flag("--draw", "fill in a random draw instead of the expectation or the likeliest word")
    group.add("--steps", integer(1), "Gibbs steps, the known cells held fixed", 100)
    group.add_seed()
    group.add_threads()


def run(arguments: argparse.Namespace) -> None:
    """Read, fill in, write."""
    output.check(arguments.output, arguments.model, arguments.file)
    model = load(arguments.model)
    if isinstance(model, rf.Network) or n_classes(model):
        raise CommandError(f"{arguments.model}: holds {model}; rows are filled in by models without labels")
    data = read_data(arguments.file, arguments.key)
    is_table = model.schema is not None and output.is_table(data.stored)
    suffix = ".csv" if is_table else ".npy"
    if not arguments.output.lower().endswith(suffix):
        raise CommandError(f"{arguments.output}: the name must end in {suffix}")
    with options.threads(arguments.threads):
        filled, n_holes = _fill(model, data, arguments)
    write = output.write_table if is_table else output.write_array
    output.write_all({arguments.output: lambda path: write(path, filled)}, "; it is lost")
    print(f"wrote {arguments.output}: {filled.shape[0]} x {filled.shape[1]}, {n_holes:,} cells filled in")


def _fill(model: Any, data: DataFile, given: argparse.Namespace) -> tuple[Any, int]:
    """The data without holes, and how many these were."""
    schema = None if model.schema is None else fitting(model.schema, data.stored)
    V = data.values if schema is None else schema.encode(data.stored)
    if isinstance(V, np.ndarray) and V.shape[1] != model.n_visible:
        raise CommandError(f"{data.name}: has {V.shape[1]} columns, {given.model} has {model.n_visible}")
    full = model.impute(V, steps=given.steps, seed=given.seed, average=not given.draw)
    if schema is None:
        return full, int(np.isnan(V).sum())
    filled = schema.fill(data.stored, full)
    n_holes = _count_holes(data.stored) - _count_holes(filled)
    if output.is_table(filled):  # pandas has whole numbers with holes as 1.0, 2.0: written as they were
        for name in filled.columns[data.stored.isna().any() & (filled.dtypes == "float64")]:
            filled[name] = filled[name].convert_dtypes()
    return filled, n_holes


def _count_holes(table: Any) -> int:
    return int((table != table).to_numpy().sum()) if output.is_table(table) else int(np.isnan(table).sum())
