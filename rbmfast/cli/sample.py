"""``rbmfast sample``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf
from rbmfast.cli import options, output
from rbmfast.cli.datafiles import read_data
from rbmfast.cli.models import class_names, draw, inputs, load
from rbmfast.cli.options import PICTURE, CommandError, Group, Kind, did_you_mean, integer, refuse
from rbmfast.files import complete_file

DESCRIPTION = """\
Draw samples: the last visible states of independent Gibbs chains, as a .npy file of shape
(n, visible units), or .npz or .csv, by the name of FILE. 0/1 units give uint8, Gaussian units and
--mean float32; of a model of a table, a .csv file has its columns, with their words and scales. The
chains of a deep belief network run in its two top layers. A conditional model goes on where the rows
of --after end, row after row."""
EXAMPLES = """\
examples:
  rbmfast sample digits.rbm -n 64 --steps 1000 --seed 0 -o samples.npy
  rbmfast sample people.rbm -n 1000 -o synthetic.csv
  rbmfast sample walk.rbm --after frames.csv -n 300 -o walk.csv
  rbmfast sample mnist.rbm -n 100 --png samples.png
  rbmfast sample faces.rbm --shape 28x20 --png faces.png
  rbmfast sample digits.dbn --label 7 -n 64 --mean --png sevens.png
  rbmfast sample digits.dbn --label all -n 10 --mean --png digits.png     a line of pictures for each label
"""

SAMPLES, PER_LABEL = 64, 10
LABELS = Kind("LABEL[,LABEL...]|all", lambda text: text.split(","))
AFTER = ["after", "key", "columns", "drop", "threshold", "grey"]
SUFFIXES = (".npy", ".npz", ".csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    group = Group(parser)
    add = group.add
    add("model", "MODEL", "a file that `rbmfast train` or save wrote")
    add("-n", integer(1), f"samples, and chains (default: {SAMPLES}); of each label, if there are several "
        f"(default: {PER_LABEL})")  # fmt: skip
    add("--label", LABELS, "only samples of this label, of these, or of all; for models that know labels")
    group.flag("--mean", "at last, not states but their probabilities: smoother pictures")
    add("--steps", integer(1), "Gibbs steps of each", 1000)
    group.add_seed()
    add("-o --output", "FILE", "an .npz or .csv file holds labels beside the samples", "samples.npy")
    add("--png", PICTURE, "draw them as pictures, too")
    group.add_shape("square")
    group.add_threads()
    group = Group(parser, "of a conditional model")
    group.add("--after", "FILE", "rows in the order of time that it goes on from")
    group.add_rows()


def run(arguments: argparse.Namespace) -> None:
    """Draw, and write."""
    output.check(arguments.output, arguments.model, arguments.after)
    if arguments.png:
        output.check(arguments.png, arguments.model, arguments.after)
    if not arguments.output.lower().endswith(SUFFIXES):
        raise CommandError(f"{arguments.output}: the name of samples must end in {', '.join(SUFFIXES)}")
    model = load(arguments.model, rf.ConditionalRBM)
    if isinstance(model, rf.Network):
        raise CommandError(f"{arguments.model}: holds {model}, which has no samples")
    labels, after = _chosen(arguments, model), _frames_before(arguments, model)
    if arguments.png:
        rf.plots.image_shape(inputs(model)[0], arguments.shape)
    n = arguments.n or (SAMPLES if labels is None or len(labels) == 1 else PER_LABEL)
    wanted = None if labels is None else np.repeat(labels, n)
    total = n if wanted is None else len(wanted)
    with options.threads(arguments.threads):
        steps, seed, mean = arguments.steps, arguments.seed, arguments.mean
        if after is None:
            v, y = draw(model, total, wanted, mean, steps=steps, seed=seed)
        else:
            v, y = model.generate(after, total, seed, gibbs_steps=steps, average=mean)[0], None
    schema, drawn, named = model.schema, v, y
    if y is not None and model.class_names:
        named = np.array(model.class_names)[y]
    if schema is not None and arguments.output.lower().endswith(".csv"):
        drawn = _of_pandas(schema).decode(v)
    elif schema is not None and schema.library == "array":
        drawn = schema.decode(v)
    output.write_all({arguments.output: lambda path: _write(path, drawn, named)}, "; they are lost")
    about = f", {v.dtype}, mean {v.mean():.4f}" if drawn is v else ""
    print(f"wrote {arguments.output}: {drawn.shape[0]} x {drawn.shape[1]}{about}")
    if arguments.png:
        title = f"{len(v)} samples after {arguments.steps:,} Gibbs steps"
        if labels is None or len(labels) == 1:
            figure = rf.plots.images(v, arguments.shape, len(v), title=title)
        else:
            figure = rf.plots.samples_by_label(v, y, arguments.shape, n, title=title)  # type: ignore[arg-type]
        output.write_picture(arguments.png, figure)
        print(f"wrote {arguments.png}")


def _chosen(given: argparse.Namespace, model: Any) -> list[int] | None:
    """The labels that were asked for; None if any will do."""
    if given.label is None:
        return None
    names = class_names(model)
    if not names:
        raise CommandError(f"--label: {given.model} holds {model}, which knows no labels")
    one = ",".join(given.label)  # a name may hold commas, or be "all"
    wanted = dict.fromkeys([one] if one in names else names if one == "all" else given.label)
    strange = next((name for name in wanted if name not in names), None)
    if strange is not None:
        raise CommandError(f"--label: {given.model} has no label {strange!r}{did_you_mean(strange, names)}")
    return [names.index(name) for name in wanted]


def _frames_before(given: argparse.Namespace, model: Any) -> NDArray[Any] | None:
    """The last rows of a file, which a conditional model is given; None of others."""
    if not isinstance(model, rf.ConditionalRBM):
        refuse(given, AFTER, f"says nothing about {given.model}, which holds {model}")
        return None
    if given.after is None:
        raise CommandError(f"{given.model}: holds {model}, which needs --after FILE: rows to go on from")
    data = read_data(given.after, given.key, columns=given.columns, drop=given.drop)
    n, schema, unit = model.n_visible, model.schema, model.visible
    if schema is None and data.shape[1] != n:
        raise CommandError(f"{given.after}: has {data.shape[1]} columns, {given.model} has {n} visible units")
    if schema is None:
        examples = data.examples(unit, given.threshold, given.grey)
    else:
        examples = data.encoded(schema, unit)
    frames, order = examples.check_whole().some(data.shape[0]), model.n_context // n
    if len(frames) < order:
        raise CommandError(f"{given.after}: must have {order} rows or more to go on from, has {len(frames)}")
    return frames[len(frames) - order :]


def _of_pandas(schema: rf.Schema) -> rf.Schema:
    """The schema of a frame of pandas, of whatever library the table was."""
    if schema.library == "pandas":
        return schema
    options.need({"pandas": "pandas"}, "tables", "a table as text")
    columns = tuple(replace(column, dtype="") for column in schema.columns)
    return replace(schema, library="pandas", columns=columns)


def _write(path: str, v: Any, y: NDArray[Any] | None) -> None:
    if output.is_table(v):
        output.write_table(path, v if y is None else v.assign(label=y))
        return
    labels: dict[str, Any] = {} if y is None else {"labels": y}
    if path.lower().endswith(".npz"):
        with complete_file(path) as file:
            np.savez(file, samples=v, **labels)
    elif path.lower().endswith(".csv"):
        names = [f"v{i}" for i in range(v.shape[1])] + ["label"] * len(labels)
        rows = zip(v.tolist(), *labels.values(), strict=True)
        output.write_rows(path, [names, *([*(f"{x:.9g}" for x in row), *label] for row, *label in rows)])
    else:
        output.write_array(path, v)
