"""``rbmfast train``."""

from __future__ import annotations

import argparse
import os
import re
import warnings
from dataclasses import fields

import numpy as np

import rbmfast as rf
from rbmfast.cli import options, output
from rbmfast.cli.datafiles import DataFile, Examples, read_data
from rbmfast.cli.learners import LEARNERS, check_options
from rbmfast.cli.learners.base import OPTIMIZERS, ORDERS, SCHEDULES, Learner, listing, methods_with, penalty
from rbmfast.cli.options import (
    CHANCE,
    LENGTH,
    NUMBER,
    RATE,
    CommandError,
    Group,
    Kind,
    choice,
    integer,
    listed,
    refuse,
)
from rbmfast.cli.progress import in_words
from rbmfast.cli.tables import schema_of
from rbmfast.training import recipe
from rbmfast.training.methods import WORDS as METHODS
from rbmfast.training.settings import TrainSettings
from rbmfast.units import PLAIN, get_unit

TYPES = Kind("NAME=KIND[,...]", lambda text: dict(_pair(word) for word in text.split(",")))
ABOUT = {one.name: one.metadata["about"] for one in fields(TrainSettings)}  # as the library says
BATCH_SIZE = TrainSettings.batch_size

DESCRIPTION = """\
Learn a model from the rows of a file: .npy, .npz (also SciPy's sparse matrices), IDX, .mat, libsvm,
or a table as text, with commas, semicolons, tabs, spaces or ::. Each may be packed by gzip. The
content of the file says which it is. Images (n, height, width) count as rows of pixels. Labels are
whole numbers from 0 on or words, one for each row. The first line of a table may name its columns,
by words or as 0,1,2,...; a first column without a name is an index and left out. A table of more
than numbers from 0 to 1 is looked at column by column: words, bools and few whole numbers are
categories, others real numbers; empty cells are missing. What was found is shown, and kept in the
model."""
EXAMPLES = """\
examples:
  rbmfast train data.npy -o model.rbm --hidden 128 --epochs 20
  rbmfast train train-images-idx3-ubyte.gz -o mnist.rbm --threshold 127 --hidden 500 \\
      --validation 0.1 --plots pictures
  rbmfast train data.npz --key X -o model.rbm --validation 0.1
  rbmfast train people.csv -o people.rbm --drop id,name --types rooms=real --validation 0.1
  rbmfast train data.csv -o model.rbm --drop id,date --epochs 100 --checkpoint run.ckpt
  rbmfast train data.csv -o model.rbm --drop id,date --epochs 100 --resume run.ckpt   (the same again)
  rbmfast train data.npz --key X --labels y -o digits.crbm --model class-rbm --hidden 500
  rbmfast train data.npz --key X --labels y -o digits.dbn --model dbn --hidden 500,500,2000 \\
      --up-down 10 --fine-tune 20 --network digits.net --checkpoint run.ckpt
  rbmfast train alignment.csv -o family.bm --model boltzmann --l2 0.02 --epochs 40   (sites in columns)
  rbmfast train frames.csv -o walk.rbm --model conditional --order 3 \\
      --groups walker --standardize --rate 0.005
  rbmfast train data.npy -o codes.dbn --model dbn --hidden 256,64 --fine-tune 20 --network auto.net
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = Group(parser).add
    add("file", "FILE", "the data")
    add("-o --output", "MODEL", "where to write the model", required=True)

    data = Group(parser, "data")
    data.add_data()
    data.add("--types", TYPES, "columns of a table that are real, category or count, and do not look it", {})
    data.flag("--standardize", "numbers are real, seen less their mean and in standard deviations, which the "
        "model keeps")  # fmt: skip
    data.add("--validation", "FILE|KEY|SHARE", "rows to watch and not to learn from: another file, or "
        "another array of FILE, or the share of FILE's rows to set aside, chosen by the seed")  # fmt: skip
    data.add("--validation-labels", "FILE|NAME", "the same for --validation, unless that is a share "
        "(default: the column of this name)")  # fmt: skip

    add = Group(parser, "model").add
    kinds = "; ".join(f"{word}: {kind.about}" for word, kind in LEARNERS.items())
    add("--model", choice(*LEARNERS), kinds, "rbm")
    add("--hidden", listed(integer(1)), "hidden units; of a dbn or dbm, of each layer from below (default: "
        "128; of a boltzmann none)")  # fmt: skip
    add("--visible", choice(*PLAIN), "such as gaussian: real values, scaled to mean 0 and variance 1 "
        "(default: bernoulli; for a table of other values what each column needs)")  # fmt: skip

    learning = Group(parser, "learning")
    add = learning.add
    add("--method", choice(*METHODS), f"{'; '.join(map(_first_line, METHODS))} (default: pcd "
        f"of {recipe.METHOD.n_chains} chains; of a conditional, and of a class-rbm beside its labels, cd; of "
        "a boltzmann without hidden units pseudo-likelihood, which draws no samples)")  # fmt: skip
    add("-k", integer(1), f"Gibbs steps per update (default: {rf.CD.k}; of unbiasedcd {rf.UnbiasedCD.k}, at "
        "most)")  # fmt: skip
    add("--chains", integer(1), f"chains of {listing(methods_with('n_chains'))} (default: "
        f"{recipe.METHOD.n_chains} of pcd, of others as many as a batch has rows)")  # fmt: skip
    add("--replicas", integer(2), "temperatures of pt (default: 10)")
    add("--epochs", listed(integer(0)), f"{ABOUT['epochs']}; of a dbn, of all layers or of each (default: as "
        f"many as {recipe.UPDATES} updates take, {recipe.MOST_EPOCHS} at most)", [])  # fmt: skip
    add("--batch-size", integer(1), ABOUT["batch_size"], BATCH_SIZE)
    add("--optimizer", choice(*OPTIMIZERS), "how gradients become steps; cosine: at rates that grow while "
        "gradients agree", "sgd")  # fmt: skip
    add("--rate", listed(RATE), "learning rate, which with momentum 0.5 goes as far as twice as much "
        f"without; of a dbn, of all layers or of each (default: {recipe.RATE}, of units with real states "
        f"{recipe.RATE * rf.Gaussian().rate_share:g}; of adam 0.001, of cosine 0.01)", [])  # fmt: skip
    learning.flag("--find-rate", "try rates in short runs first, judged by --validation, and take the best")
    add("--rate-schedule", choice(*SCHEDULES), "linear: to 0", "linear")
    add("--rate-decay", NUMBER, "what exponential multiplies the rate by after each epoch", 0.95)
    add("--momentum", CHANCE, "of sgd: share of each step that the next one repeats "
        f"(default: {recipe.MOMENTUM})")  # fmt: skip
    add("--clip", LENGTH, "largest length of a gradient; longer ones are shortened")
    add("--average", CHANCE, "give the model the mean of its parameters after the epochs behind this share "
        "of the run, such as 0.5; what is shown is of the single epochs")  # fmt: skip
    add("--l1", penalty(rf.L1), "cost of absolute weights")
    add("--block-l1", penalty(rf.BlockL1), "cost of each hidden unit's squared sum of absolute weights")
    add("--l2", penalty(rf.L2), "cost of squared weights (default, if there is no other penalty: "
        f"{recipe.PRECISION:g} / rows, at most {recipe.MOST_L2:g}; 0: none)")  # fmt: skip
    add("--max-norm", penalty(rf.MaxNorm), "longest weight vector of a hidden unit")
    add("--sparsity", penalty(rf.SparsityTarget), "wanted mean activity of a hidden unit, such as 0.1")
    learning.switch("--centered", f"{ABOUT['centered']} (default: where weights are not shared)")
    add("--dropout", CHANCE, "of a class-rbm: chance of a hidden unit to be dropped where log "
        "p(label | row) is learned; of a dbn with --fine-tune: of an input of its layers there "
        "(default: 0)")  # fmt: skip
    add("--shuffle", choice(*ORDERS), "a new order in every epoch; of blocks: kind to files larger "
        "than memory", "rows")  # fmt: skip
    learning.add_seed()

    for learner in LEARNERS.values():
        learner.add_arguments(parser)

    running = Group(parser, "run")
    running.add("--checkpoint", "FILE", "save the run here after every epoch")
    running.flag("--trajectory", "keep in OUTPUT what --method ptt leaves: samples that `rbmfast evaluate "
        "--method trajectory` starts from")  # fmt: skip
    running.add("--resume", "FILE", "go on from a checkpoint as if the run had never stopped")
    running.add("--plots", options.PICTURES, "draw learning curves and, of images, filters and samples")
    running.add_shape("from FILE, or square")
    running.add_threads()


def _pair(word: str) -> tuple[str, str]:
    name, mark, kind = word.rpartition("=")
    if not mark or not name:
        raise ValueError(f"must be names and kinds, such as age=real, got {word!r}")
    return name, kind


def _first_line(word: str) -> str:
    """What a method is, as its class says."""
    line = (METHODS[word].__doc__ or "").split(".\n")[0]
    return f"{word}: {line[:1].lower()}{line[1:]}"


def run(arguments: argparse.Namespace) -> None:
    """Read, learn, write."""
    check_options(arguments)
    learner = LEARNERS[arguments.model](arguments)
    output.check(arguments.output, *learner.inputs)
    if arguments.checkpoint:
        output.check(arguments.checkpoint, arguments.output, *learner.inputs[:-1])  # it may be resumed from
    if arguments.plots:
        os.makedirs(arguments.plots, exist_ok=True)
    data, validation = _read(arguments)
    schema = _schema(learner, data)
    shape = _image_shape(arguments, data) if arguments.plots and schema is None else None
    with options.threads(arguments.threads):
        watched = None if validation is None else _examples(arguments, validation, schema)
        learner.begin(_examples(arguments, data, schema), watched, schema, data.class_names)
        print(f"data: {learner.data}")
        if watched:
            print(f"validation: {learner.validation}")
        print(f"model: {learner.model!r}; {options.engine_words()}", flush=True)
        histories = _learn(learner)
    if arguments.plots:
        _draw(learner, histories, shape)


# --- Data --------------------------------------------------------------------------------------------------


def _read(given: argparse.Namespace) -> tuple[DataFile, DataFile | None]:
    """What to learn from, and what to watch."""
    path, wanted = given.file, given.validation
    lowest = -1 if given.unlabelled else 0  # which stands for no label
    chosen = {"columns": given.columns, "drop": given.drop}
    data = read_data(path, given.key, labels=given.labels, lowest=lowest, **chosen)
    if wanted is None:
        return data, None
    here = wanted in data.arrays
    fraction = None if here or os.path.exists(wanted) else _fraction(wanted)
    if fraction is not None and given.model == "conditional":
        raise CommandError(f"--validation {wanted}: single rows are no sequences: give a file of these")
    if fraction is not None:
        if given.validation_labels is not None:
            raise CommandError("--validation-labels: a share of the rows has the labels that it has")
        data, validation = data.split(fraction, given.seed)
        return data, _with_labels_only(validation, wanted)
    labels = given.validation_labels or (given.labels if given.labels in data.columns else None)
    if given.labels is not None and labels is None:
        words = "groups: so do the rows to learn from" if given.groups else "labels: the model has labels"
        raise CommandError(f"--validation needs --validation-{words}")
    names = () if given.groups else data.class_names  # sequences to watch are others
    known = {"labels": labels, "class_names": names, **chosen}
    validation = read_data(path if here else wanted, wanted if here else given.key, **known)
    columns, expected = validation.shape[1], data.shape[1]
    if columns != expected:
        raise CommandError(f"{wanted}: has {columns} columns, {path} has {expected}")
    return data, validation


def _schema(learner: Learner, data: DataFile) -> rf.Schema | None:
    """What the columns are, shown as a table, where units of one type are not enough."""
    given, chosen = learner.given, ["threshold", "grey", "visible"]
    asked = "--standardize" if given.standardize else "--types" if given.types else ""
    if asked:
        refuse(given, chosen, f"does not go with {asked}, which chooses the units")
    elif any(getattr(given, name) not in (None, False) for name in chosen):
        return None
    try:
        schema = schema_of(data.stored, given.types, given.standardize) if asked else learner.schema(data)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{data.name}: {error} (--drop NAME leaves a column out)") from error
    if schema is not None:
        print(f"{data.name}: {schema}", flush=True)
    return schema


def _examples(given: argparse.Namespace, data: DataFile, schema: rf.Schema | None) -> Examples:
    """The rows as the model sees them."""
    if schema is not None:
        units = schema.units if given.model == "rbm" else schema.fixed_units
        examples = data.encoded(schema, units)
    else:
        examples = data.examples(get_unit(given.visible or "bernoulli"), given.threshold, given.grey)
    return examples if given.model in ("rbm", "boltzmann") else examples.check_whole()


def _fraction(text: str) -> float | None:
    try:
        fraction = float(text)
    except ValueError:
        return None  # a file, then
    if not 0 < fraction < 1:
        raise CommandError(f"--validation must be a file or a number between 0 and 1, got {text}")
    return fraction


def _with_labels_only(validation: DataFile, share: str) -> DataFile:
    """Without rows that have no label: nothing about them can be right or wrong."""
    if validation.labels is None or (validation.labels >= 0).all():
        return validation
    if not (validation.labels >= 0).any():
        raise CommandError(f"--validation {share} has no row with a label")
    return validation.take(np.flatnonzero(validation.labels >= 0))


def _image_shape(arguments: argparse.Namespace, data: DataFile) -> tuple[int, int] | None:
    """Size of the images that rows are; None if they seem to be none."""
    try:
        return rf.plots.image_shape(data.shape[1], arguments.shape or data.image_size)
    except ValueError:
        if arguments.shape is not None:
            raise
        return None


# --- Learning ----------------------------------------------------------------------------------------------


def _learn(learner: Learner) -> dict[str, rf.History]:
    """Learn and save, after every stage; how each went."""
    histories = {}
    try:
        for stage, history in learner.stages():
            histories[stage] = history
            _report(stage, history, learner.data.rows.n_rows)
            _save(learner)
    except (KeyboardInterrupt, OSError) as stop:  # or no room for the checkpoint, or for what is printed
        saved = _saved_so_far(learner)
        if isinstance(stop, KeyboardInterrupt):
            stop.args = (saved,)
        elif learner.has_begun and not isinstance(stop, BrokenPipeError):  # `| head`: over without a word
            warnings.warn(saved, UserWarning, stacklevel=1)
        raise
    print(f"wrote {' and '.join(learner.files())}")
    return histories


def _save(learner: Learner) -> None:
    output.write_all(learner.files(), _resume_hint(learner) or "; it is lost")


def _saved_so_far(learner: Learner) -> str:
    """Save what there is of a run that was ended; what to tell."""
    if not learner.has_begun:
        return "nothing was written"
    _save(learner)
    return f"wrote {' and '.join(learner.files())} as learned so far{_resume_hint(learner)}"


def _resume_hint(learner: Learner) -> str:
    saved = learner.given.checkpoint
    return f"; go on with --resume {saved}" if saved and os.path.exists(saved) else ""


def _report(stage: str, history: rf.History, n_rows: int) -> None:
    learning, watching = (float(history[name].sum()) for name in ("seconds", "monitor_seconds"))
    epochs = len(history) - 1
    speed = f", {epochs * n_rows / learning:,.0f} samples/s while learning" if learning > 0 else ""
    name = f"{stage}: " if stage else ""
    print(
        f"{name}{epochs} epoch{'' if epochs == 1 else 's'}; {in_words(history)}; "
        f"{learning + watching:.2f} s{speed}",
        flush=True,
    )


def _draw(learner: Learner, histories: dict[str, rf.History], shape: tuple[int, int] | None) -> None:
    names = (re.sub("[ -]", "_", f"learning_curves_{stage}").rstrip("_") for stage in histories)
    figures = dict(zip(names, map(rf.plots.learning_curves, histories.values()), strict=True))
    if shape is not None:
        figures |= learner.figures(shape)
    output.write_pictures(learner.given.plots, figures)
    if shape is None:
        n = learner.data.rows.n_features
        print(f"({n} values are no square image: say --shape HxW for pictures of filters)")
