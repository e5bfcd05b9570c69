"""``rbmfast evaluate``."""

from __future__ import annotations

import argparse
import os
import warnings
from typing import Any

import rbmfast as rf
from rbmfast.cli import findings, options, output
from rbmfast.cli.datafiles import Examples, read_data
from rbmfast.cli.models import class_names, inputs, load, n_classes
from rbmfast.cli.options import CommandError, Group, choice, integer, refuse

DESCRIPTION = """\
Measure a model on the rows of a file, best ones that it has not learned from. Whatever speaks
against the numbers is said in warnings.

Of an RBM: free energy, pseudo-likelihood, reconstruction error, log Z, log-likelihood, and whether
chains mix and samples are like the data. Of a model of data and labels, or a network: how often it
gets the label wrong (--labels), and what it takes for what. Of a deep belief network without
labels, or with --method: a lower bound on the log-likelihood. Of a Boltzmann machine of one layer:
free energy, pseudo-likelihood, log Z, log-likelihood. Of a conditional model: how far the next row is
from what it expects, and its exact log-likelihood, if it has at most 12 hidden units.

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
  rbmfast evaluate kinds.crbm new.csv --drop id,date --predictions kinds.csv
  rbmfast evaluate walk.rbm test.csv --groups walker
  rbmfast evaluate deep.dbn test.npy --method ais --chains 100
"""


# Options that not every model has: those of log Z, of labels, of sequences, and of RBMs.
LOG_Z = ("method", "chains", "temperatures")
OF_LABELS = ("labels", "predictions")
OF_SEQUENCES = ("groups",)
OF_RBMS = (*LOG_Z, "base_data", "conservative", "samples", "steps", "plots")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = Group(parser).add
    add("model", "MODEL", "a file that `rbmfast train` or save wrote")
    add("data", "DATA", "rows to evaluate it on, in any file that `rbmfast train` reads")

    group = Group(parser, "data")
    group.add_data(grey=": they have no likelihood")
    group.add("--groups", "FILE|NAME", "of a conditional model: which sequence each row belongs to")

    add = Group(parser, "log Z").add
    add("--method", choice(*findings.METHODS), f"exact: default if a layer has at most {findings.SMALL} 0/1 "
        "units; ais: default otherwise; bracket: AIS both ways; trajectory: from what `rbmfast train "
        "--method ptt --trajectory` keeps, and default then")  # fmt: skip
    add("--chains", integer(2), f"chains of AIS (default: {findings.CHAINS})")
    add("--temperatures", integer(1), "Gibbs steps of each, and of the conservative estimate (default: "
        f"{findings.TEMPERATURES}, and a tenth of that)")  # fmt: skip
    add("--base-data", "FILE", "training data, whose means AIS starts from (default: the means that the "
        "model keeps)")  # fmt: skip
    add("--conservative", integer(0), "rows of the conservative estimate, chosen by the seed; 0 for none "
        f"(default: {findings.CONSERVATIVE})")  # fmt: skip

    add = Group(parser, "samples").add
    add("--samples", integer(2), f"samples to compare (default: {findings.SAMPLES}); of a deep network, "
        f"of its hidden layers for each row (default: {findings.BOUND_SAMPLES})")  # fmt: skip
    add("--steps", integer(16), f"Gibbs steps of each (default: {findings.STEPS})")

    running = Group(parser, "run")
    running.add("--plots", options.PICTURES, "draw free energies, chains, moments and AIS weights")
    about = "write the likeliest label of each row, one a line; then --labels may be left out"
    running.add("--predictions", "FILE", about)
    running.add("--json", "FILE", "write all numbers, too")
    running.add_seed()
    running.add_threads()


def run(arguments: argparse.Namespace) -> None:
    """Read, measure, print, write."""
    read = [arguments.model, arguments.data, arguments.base_data, arguments.labels, arguments.groups]
    if arguments.json:
        output.check(arguments.json, *read)
    if arguments.predictions:
        output.check(arguments.predictions, *read, arguments.json)
    model = load(arguments.model, rf.ConditionalRBM)
    _check(arguments, model)
    data = _read(arguments, arguments.data, model, arguments.labels or arguments.groups)
    rows = data.rows
    if rows.n_rows < 2:
        raise CommandError(f"{arguments.data}: must have at least 2 rows, has {rows.n_rows}")
    base = None if arguments.base_data is None else _read(arguments, arguments.base_data, model).rows
    if arguments.plots:
        os.makedirs(arguments.plots, exist_ok=True)
    with options.threads(arguments.threads):
        print(f"model: {arguments.model}: {model}; {options.engine_words()}", flush=True)
        report = findings.evaluate(model, data, base, arguments)
        predicted = model.predict(rows) if arguments.predictions else None
    print(report)
    for alarm in report.alarms:
        warnings.warn(alarm, UserWarning, stacklevel=1)
    if predicted is not None:
        output.write_rows(arguments.predictions, [["label"], *([class_names(model)[i]] for i in predicted)])
        print(f"wrote {arguments.predictions}")
    if arguments.json:
        n = {"version": rf.__version__, "n_rows": rows.n_rows, "n_visible": rows.n_features}
        output.write_json(arguments.json, n | report.numbers)
        print(f"wrote {arguments.json}")
    if arguments.plots:
        output.write_pictures(arguments.plots, {name: draw() for name, draw in report.figures.items()})


def _check(given: argparse.Namespace, model: Any) -> None:
    """Refuse options that say nothing about the model, and ask for those that it needs."""
    is_rbm, is_deep = type(model) in (rf.RBM, rf.ConvRBM), isinstance(model, rf.DBN | rf.DBM)
    is_joint = isinstance(model, rf.BoltzmannMachine)
    allowed: tuple[str, ...] = OF_LABELS if n_classes(model) else ()
    if is_deep:
        allowed = (*allowed, *LOG_Z, "samples")
    elif is_rbm:
        allowed = OF_RBMS
    elif is_joint:
        allowed = (*LOG_Z, "base_data")
    elif isinstance(model, rf.ConditionalRBM):
        allowed = OF_SEQUENCES
    for option in (*OF_RBMS, *OF_LABELS, *OF_SEQUENCES):
        if option not in allowed:
            refuse(given, [option], f"says nothing about {given.model}, which holds {model}")

    if allowed == OF_SEQUENCES:
        return
    if is_rbm or is_joint:
        findings.check_method(model, given)
    elif is_deep and given.labels is not None and given.method is None:
        why = "is about the likelihood: with --labels, say --method, too"
        refuse(given, ["chains", "temperatures", "samples"], why)
    elif is_deep:
        findings.check_method(model.top if isinstance(model, rf.DBN) else model.bipartite, given)
    elif n_classes(model) and given.labels is given.predictions is None:
        raise CommandError(f"{model} needs --labels to be compared with")
    elif not n_classes(model) and model.n_outputs != model.n_inputs:
        raise CommandError(f"{model} is neither a classifier nor an autoencoder")


def _read(given: argparse.Namespace, path: str, model: Any, labels: str | None = None) -> Examples:
    """Rows for the model, and their labels."""
    chosen: Any = {"columns": given.columns, "drop": given.drop, "class_names": model.class_names}
    data = read_data(path, given.key, labels=labels, **chosen)
    n_features, unit = inputs(model)
    n_columns, known = data.shape[1], n_classes(model)
    if model.schema is None and n_columns != n_features:
        raise CommandError(f"{path}: has {n_columns} columns, {given.model} has {n_features} visible units")
    if known and data.class_names and not model.class_names:
        raise CommandError(f"{labels}: holds words, {given.model} knows the labels 0 to {known - 1}")
    if known and data.labels is not None and (largest := data.labels.max()) >= known:
        raise CommandError(f"{labels}: holds the label {largest}, {given.model} knows 0 to {known - 1}")
    if model.schema is not None:
        return data.encoded(model.schema, unit).check_whole()
    return data.examples(unit, given.threshold, given.grey).check_whole()
