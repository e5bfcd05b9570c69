"""``rbmfast evaluate``."""

from __future__ import annotations

import argparse
import os
import warnings

import rbmfast as rf
from rbmfast.cli.common import (
    CommandError,
    add_columns,
    add_seed,
    add_threads,
    check_output,
    choice,
    engine_words,
    make_folder,
    need_matplotlib,
    number,
    refuse,
    threads,
    whole,
    write_json,
    write_picture,
)
from rbmfast.cli.datafiles import Examples, read_data
from rbmfast.cli.kinds import KINDS, Kind, load
from rbmfast.cli.partition import CHAINS, METHODS, SMALL, TEMPERATURES
from rbmfast.cli.report import table
from rbmfast.data import Rows

SUMMARY = "how good a model is: likelihood of data, errors, and samples beside data"
DESCRIPTION = """\
Measure a model on the rows of a file, best ones that it has not learned from. Whatever speaks
against the numbers is said in warnings.

Of an RBM: free energy, pseudo-likelihood, reconstruction error, log Z, log-likelihood, and whether
chains mix and samples are like the data. Of a model of data and labels, or a network: how often it
gets the label wrong (--labels), and what it takes for what. Of a deep belief network without
labels, or with --method: a lower bound on the log-likelihood.

log Z is exact where a layer of 0/1 units is small enough to be enumerated; otherwise it is
estimated by annealed importance sampling (AIS), and then the log-likelihood errs on the high side
where the chains do not mix. The conservative estimate errs on the low side; --method bracket
anneals both ways, and is the one to publish."""
EXAMPLES = """\
examples:
  rbmfast evaluate mnist.rbm t10k-images-idx3-ubyte.gz --threshold 127
  rbmfast evaluate model.rbm test.npy --method bracket --chains 512 --temperatures 10000
  rbmfast evaluate model.rbm test.npy --base-data train.npy --plots pictures --json numbers.json
  rbmfast evaluate model.rbm test.npy --chains 100 --temperatures 1000      (quick and rough)
  rbmfast evaluate digits.dbn test.npz --key X --labels y                   (or a class RBM, or a network)
  rbmfast evaluate deep.dbn test.npy --method ais --chains 100
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file that `rbmfast train` or save wrote")
    add("data", metavar="DATA", help="rows to evaluate it on, in any file that `rbmfast train` reads")

    data = parser.add_argument_group("data")
    add = data.add_argument
    add("--key", metavar="NAME", help="which array of an .npz or .mat file, if it is not called X")
    add_columns(data)
    add("--labels", metavar="FILE|NAME", help="classes of the rows: in another file, or a column or another "
        "array of DATA")  # fmt: skip
    add("--threshold", type=number, metavar="T", help="values above T are 1, others 0")
    add("--grey", action="store_true", help="values 0-255 are grey levels 0-1: they have no likelihood")

    add = parser.add_argument_group("log Z").add_argument
    add("--method", type=choice(*METHODS), metavar="HOW",
        help=f"exact (default, if a layer has at most {SMALL} 0/1 units), "
        "ais (default otherwise), or bracket: AIS both ways")  # fmt: skip
    add("--chains", type=whole(2), metavar="N", help=f"chains of AIS (default: {CHAINS})")
    add("--temperatures", type=whole(1), metavar="N",
        help=f"Gibbs steps of each, and of the conservative estimate (default: {TEMPERATURES}, and a "
        "tenth of that)")  # fmt: skip
    add("--base-data", metavar="FILE", help="training data, whose means AIS starts from (default: the "
        "means that the model keeps)")  # fmt: skip
    add("--conservative", type=whole(0), metavar="N",
        help="rows of the conservative estimate, chosen by the seed; 0 for none (default: 100)")  # fmt: skip

    add = parser.add_argument_group("samples").add_argument
    add("--samples", type=whole(2), metavar="N", help="samples to compare (default: 1000); of a deep "
        "network, of its hidden layers for each row (default: 10)")  # fmt: skip
    add("--steps", type=whole(16), metavar="N", help="Gibbs steps of each (default: 1000)")

    running = parser.add_argument_group("run")
    add = running.add_argument
    add("--plots", metavar="DIR", help="draw free energies, chains, moments and AIS weights")
    add("--json", metavar="FILE", help="write all numbers, too")
    add_seed(running)
    add_threads(running)


def run(arguments: argparse.Namespace) -> None:
    """Read, measure, print, write."""
    if arguments.json:
        check_output(arguments.json, arguments.model, arguments.data, arguments.base_data, arguments.labels)
    if arguments.plots:
        need_matplotlib("--plots")
    if arguments.threshold is not None and arguments.grey:
        raise CommandError("--threshold and --grey exclude each other")
    model, kind = load(arguments.model)
    _check(arguments, model, kind)
    data = _read(arguments, arguments.data, model, kind)
    if data.rows.n_rows < 2:
        raise CommandError(f"{arguments.data}: must have at least 2 rows, has {data.rows.n_rows}")
    base: Rows | None = None
    if arguments.base_data is not None:
        base = _read(arguments, arguments.base_data, model, kind, labels=False).rows
    if arguments.plots:
        make_folder(arguments.plots)
    with threads(arguments.threads):
        print(f"model: {arguments.model}: {model}; {engine_words()}", flush=True)
        report = kind.evaluate(model, data, base, arguments)
    print(table(report.lines))
    if report.text:
        print(report.text)
    for alarm in report.alarms:
        warnings.warn(alarm, UserWarning, stacklevel=1)
    if arguments.json:
        n = {"version": rf.__version__, "n_rows": data.rows.n_rows, "n_visible": data.rows.n_features}
        write_json(arguments.json, n | report.numbers)
        print(f"wrote {arguments.json}")
    if arguments.plots:
        figures = report.figures()
        for name, figure in figures.items():
            write_picture(os.path.join(arguments.plots, f"{name}.png"), figure)
        print(f"drew {', '.join(figures)} in {arguments.plots}")


def _check(given: argparse.Namespace, model: object, kind: Kind) -> None:
    """Refuse options that do not go with the model, and ask for those that it needs."""
    allowed = kind.options(model)
    for option in dict.fromkeys(option for other in KINDS for option in other.all_options):
        if option not in allowed:
            refuse(given, [option], f"says nothing about {given.model}, which holds {model}")
    kind.check(model, given)


def _read(
    given: argparse.Namespace, path: str, model: object, kind: Kind, *, labels: bool = True
) -> Examples:
    """Rows for the model, and their labels."""
    where = given.labels if labels else None
    data = read_data(path, given.key, labels=where, columns=given.columns, drop=given.drop)
    n_features, domain = kind.inputs(model)
    if data.values.shape[1] != n_features:
        raise CommandError(
            f"{path}: has {data.values.shape[1]} columns, {given.model} has {n_features} visible units"
        )
    if data.labels is not None:
        n_classes = kind.n_classes(model)
        if data.labels.max() >= n_classes:
            raise CommandError(
                f"{given.labels}: holds the label {data.labels.max()}, "
                f"{given.model} knows 0 to {n_classes - 1}"
            )
    return Examples(data.rows(domain, given.threshold, given.grey), data.labels)
