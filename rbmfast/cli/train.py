"""``rbmfast train``."""

from __future__ import annotations

import argparse
import os
import warnings

import numpy as np

import rbmfast as rf
from rbmfast.cli import options, output, settings
from rbmfast.cli.datafiles import DataFile, read_data
from rbmfast.cli.learner import LEARNERS, Learner
from rbmfast.cli.options import CommandError, choice, image_size, integer, listed, number, refuse
from rbmfast.cli.progress import in_words
from rbmfast.cli.settings import ABOUT
from rbmfast.training.methods import WORDS as METHODS
from rbmfast.units import PLAIN, get_unit

DESCRIPTION = """\
Learn a model from the rows of a file: .npy, .npz (also SciPy's sparse matrices), IDX, .mat, libsvm,
or a table as text, with commas, semicolons, tabs, spaces or ::. Each may be packed by gzip. The
content of the file says which it is. Images (n, height, width) count as rows of pixels. Labels are
whole numbers from 0 on, one for each row. The first line of a table may name its columns, by words
or as 0,1,2,...; a first column without a name is an index and left out."""
EXAMPLES = """\
examples:
  rbmfast train data.npy -o model.rbm --hidden 128 --epochs 20
  rbmfast train train-images-idx3-ubyte.gz -o mnist.rbm --threshold 127 --hidden 500 \\
      --method pcd --centered --l1 5e-5 --l2 2e-4 --epochs 20 --rate-schedule linear --plots pictures
  rbmfast train data.npz --key X -o model.rbm --validation 0.1
  rbmfast train data.csv -o model.rbm --drop id,date --epochs 100 --checkpoint run.ckpt
  rbmfast train data.csv -o model.rbm --drop id,date --epochs 100 --resume run.ckpt   (the same again)
  rbmfast train data.npz --key X --labels y -o digits.crbm --model class-rbm --hidden 500
  rbmfast train data.npz --key X --labels y -o digits.dbn --model dbn --hidden 500,500,2000 \\
      --up-down 10 --fine-tune 20 --network digits.net --checkpoint run.ckpt
  rbmfast train data.npy -o codes.dbn --model dbn --hidden 256,64 --fine-tune 20 --network auto.net
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = parser.add_argument
    add("file", metavar="FILE", help="the data")
    add("-o", "--output", required=True, metavar="MODEL", help="where to write the model")

    data = parser.add_argument_group("data")
    add = data.add_argument
    options.add_data(data)
    add("--validation", metavar="FILE|KEY|SHARE", help="rows to watch and not to learn from: another file, "
        "or another array of FILE, or the share of FILE's rows to set aside, chosen by the "
        "seed")  # fmt: skip
    add("--labels", metavar="FILE|NAME", help="classes of the rows, for class-rbm and dbn: in another file, "
        "or a column or another array of FILE")  # fmt: skip
    add("--validation-labels", metavar="FILE|NAME", help="the same for --validation, unless that is a share "
        "(default: the column of this name)")  # fmt: skip

    add = parser.add_argument_group("model").add_argument
    add("--model", type=choice(*LEARNERS), default="rbm", metavar="|".join(LEARNERS),
        help="a restricted Boltzmann machine (default); one of data and labels; or a deep belief network, "
        "with labels or without")  # fmt: skip
    add("--hidden", type=listed(integer(1)), default=[128], metavar="N[,N...]",
        help="hidden units (default: 128); of a dbn, of each layer from the lowest up")  # fmt: skip
    add("--visible", type=choice(*PLAIN), default="bernoulli", metavar="UNITS",
        help="bernoulli (default), or gaussian: real values, scaled to mean 0 and variance 1")  # fmt: skip

    learning = parser.add_argument_group("learning")
    add = learning.add_argument
    add("--method", type=choice(*METHODS), metavar="|".join(METHODS),
        help="contrastive divergence (default); persistent CD: better samples; parallel tempering: "
        "slow, for data with modes far apart; persistent CD with fast weights; or CD by pairs of "
        "chains that meet: right on average")  # fmt: skip
    add("-k", type=integer(1), metavar="N",
        help="Gibbs steps per update (default: 1; of unbiasedcd 100, at most)")  # fmt: skip
    add("--chains", type=integer(1), metavar="N", help="chains of pcd, pt and fpcd (default: the batch size)")
    add("--replicas", type=integer(2), metavar="N", help="temperatures of pt (default: 10)")
    add("--epochs", type=listed(integer(0)), default=[settings.EPOCHS], metavar="N[,N...]",
        help=f"{ABOUT['epochs']} (default: {settings.EPOCHS}); of a dbn, of all layers or of "
        "each")  # fmt: skip
    add("--batch-size", type=integer(1), default=settings.BATCH_SIZE, metavar="N",
        help=f"{ABOUT['batch_size']} (default: {settings.BATCH_SIZE})")  # fmt: skip
    add("--rate", type=listed(number), default=[0.05], metavar="X[,X...]",
        help="learning rate (default: 0.05, which with momentum 0.5 goes as far as 0.1 without); of a dbn, "
        "of all layers or of each")  # fmt: skip
    add("--rate-schedule", type=choice(*settings.SCHEDULES), default="constant", metavar="HOW",
        help="constant (default), linear (to 0), or exponential")  # fmt: skip
    add("--rate-decay", type=number, default=0.95, metavar="X",
        help="what exponential multiplies the rate by after each epoch (default: 0.95)")  # fmt: skip
    add("--momentum", type=number, default=0.5, metavar="X", help="default: 0.5")
    add("--l1", type=number, metavar="COST", help="cost of absolute weights")
    add("--l2", type=number, metavar="COST", help="cost of squared weights; 1e-4 is usual")
    add("--max-norm", type=number, metavar="X", help="longest weight vector of a hidden unit")
    add("--sparsity", type=number, metavar="X", help="wanted mean activity of a hidden unit, such as 0.1")
    add("--centered", action="store_true", help=ABOUT["centered"])
    add("--dropout", type=number, metavar="X",
        help="of a class-rbm: chance of a hidden unit to be dropped where log p(label | row) is learned; of "
        "a dbn with --fine-tune: of an input of its layers there (default: 0)")  # fmt: skip
    add("--shuffle", type=choice(*settings.ORDERS), default="rows", metavar="HOW",
        help="rows (default), blocks (kind to files larger than memory), or none")  # fmt: skip
    options.add_seed(learning)

    add = parser.add_argument_group("class-rbm").add_argument
    add("--generative", type=number, metavar="X",
        help="learn log p(label | row) + X log p(label, row) (default: 0.01). 0: the first alone; inf: the "
        "second alone, for good samples")  # fmt: skip
    add("--unlabelled", type=number, metavar="X",
        help="and X log p(row) of rows with the label -1 (default: there are none)")  # fmt: skip

    add = parser.add_argument_group("dbn").add_argument
    add("--up-down", type=integer(0), metavar="EPOCHS",
        help="after its layers have learned one by one, train them together: by --method and -k "
        "(default: cd, 3)")  # fmt: skip
    add(
        "--up-down-rate",
        type=number,
        metavar="X",
        help=f"its learning rate (default: {settings.UP_DOWN_RATE})",
    )
    add("--fine-tune", type=integer(0), metavar="EPOCHS",
        help="at last, unroll it to a feed-forward network and train that by backpropagation: with labels "
        "a classifier, without an autoencoder")  # fmt: skip
    add("--network", metavar="FILE", help="where to write this network")
    add("--fine-tune-rate", type=number, metavar="X",
        help=f"its learning rate (default: {settings.FINE_TUNING_RATE}, with momentum 0.9)")  # fmt: skip

    running = parser.add_argument_group("run")
    add = running.add_argument
    add("--checkpoint", metavar="FILE", help="save the run here after every epoch")
    add("--resume", metavar="FILE", help="go on from a checkpoint as if the run had never stopped")
    add("--plots", metavar="DIR", help="draw learning curves and, of images, filters and samples")
    add("--shape", type=image_size, metavar="HxW", help="size of an image (default: from FILE, or square)")
    options.add_threads(running)


def run(arguments: argparse.Namespace) -> None:
    """Read, learn, write."""
    learner = _learner(arguments)
    output.check(arguments.output, *learner.inputs)
    if arguments.checkpoint:
        output.check(arguments.checkpoint, arguments.output, *learner.inputs[:-1])  # it may be resumed from
    if arguments.plots:
        options.need_matplotlib("--plots")
        os.makedirs(arguments.plots, exist_ok=True)
    data, validation = _read(arguments)
    shape = _image_shape(arguments, data) if arguments.plots else None
    with options.threads(arguments.threads):
        how = get_unit(arguments.visible).domain, arguments.threshold, arguments.grey
        watched = None if validation is None else validation.examples(*how)
        learner.begin(data.examples(*how), watched)
        print(f"data: {learner.data}")
        if watched:
            print(f"validation: {watched}")
        print(f"model: {learner.model!r}; {options.engine_words()}", flush=True)
        histories = _learn(learner)
    if arguments.plots:
        _draw(learner, histories, shape)


def _learner(arguments: argparse.Namespace) -> Learner:
    """What learns this kind of model, if all options go together."""
    kind = LEARNERS[arguments.model]
    for option in dict.fromkeys(option for other in LEARNERS.values() for option in other.options):
        if option not in kind.options:
            having = " and ".join(name for name, other in LEARNERS.items() if option in other.options)
            refuse(arguments, [option], f"is an option of --model {having}")
    settings.check_options(arguments)
    return kind(arguments)


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
    if fraction is not None:
        if given.validation_labels is not None:
            raise CommandError("--validation-labels: a share of the rows has the labels that it has")
        data, validation = data.split(fraction, given.seed)
        return data, _with_labels_only(validation, wanted)
    labels = given.validation_labels or (given.labels if given.labels in data.columns else None)
    if given.labels is not None and labels is None:
        raise CommandError("--validation needs --validation-labels: the model has labels")
    validation = read_data(path if here else wanted, wanted if here else given.key, labels=labels, **chosen)
    columns, expected = validation.values.shape[1], data.values.shape[1]
    if columns != expected:
        raise CommandError(f"{wanted}: has {columns} columns, {path} has {expected}")
    return data, validation


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
    n_pixels = int(data.values.shape[1])
    if arguments.shape is not None:
        return rf.plots.image_shape(n_pixels, arguments.shape)
    try:
        return rf.plots.image_shape(n_pixels, data.image_size)
    except ValueError:
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
    except KeyboardInterrupt as stop:
        stop.args = (_saved_so_far(learner),)
        raise
    except BrokenPipeError:  # `| head`: it is over, without a word
        _saved_so_far(learner)
        raise
    except OSError:  # no room for the checkpoint, or for what is printed
        if learner.has_begun:
            warnings.warn(_saved_so_far(learner), UserWarning, stacklevel=1)
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
    folder = learner.given.plots
    figures = {_picture(stage): rf.plots.learning_curves(history) for stage, history in histories.items()}
    if shape is not None:
        figures |= learner.figures(shape)
    output.write_pictures(folder, figures)
    if shape is None:
        n = learner.data.rows.n_features
        print(f"({n} values are no square image: say --shape HxW for pictures of filters)")


def _picture(stage: str) -> str:
    return f"learning_curves_{stage}".rstrip("_").replace(" ", "_").replace("-", "_")
