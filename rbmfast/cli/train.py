"""``rbmfast train``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import rbmfast as rf
from rbmfast import plots
from rbmfast.cli.common import (
    CommandError,
    add_seed,
    add_threads,
    check_output,
    choice,
    engine_words,
    image_size,
    make_folder,
    need_matplotlib,
    number,
    threads,
    whole,
    write_picture,
)
from rbmfast.cli.datafiles import DataFile, read_data
from rbmfast.data import Rows
from rbmfast.training.callbacks import Progress
from rbmfast.units import PLAIN, get_unit

SUMMARY = "learn a model from a data file"
DESCRIPTION = """\
Learn a model from the rows of a file: .npy, .npz (also SciPy's sparse matrices), IDX, or text with
commas, tabs or spaces; each also packed by gzip. The content of the file says which it is. Images
(n, height, width) count as rows of pixels."""
EXAMPLES = """\
examples:
  rbmfast train data.npy -o model.rbm --hidden 128 --epochs 20
  rbmfast train train-images-idx3-ubyte.gz -o mnist.rbm --threshold 127 --hidden 500 \\
      --method pcd --chains 100 --rate 0.05 --rate-schedule linear --plots pictures
  rbmfast train data.npz --key X -o model.rbm --validation 0.1
  rbmfast train data.csv -o model.rbm --epochs 100 --checkpoint run.ckpt
  rbmfast train data.csv -o model.rbm --epochs 100 --resume run.ckpt      (the same options again)
"""

SCHEDULES = ("constant", "linear", "exponential")
METHODS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "cd": lambda given: rf.CD(k=given.k),
    "pcd": lambda given: rf.PCD(k=given.k, n_chains=given.chains),
    "fpcd": lambda given: rf.FPCD(k=given.k, n_chains=given.chains),
    "pt": lambda given: rf.PT(given.replicas, k=given.k, n_chains=given.chains),
}
ORDERS = {"rows": True, "blocks": "blocks", "none": False}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = parser.add_argument
    add("file", metavar="FILE", help="the data")
    add("-o", "--output", required=True, metavar="MODEL", help="where to write the model")

    add = parser.add_argument_group("data").add_argument
    add("--key", metavar="NAME", help="which array of an .npz file")
    add("--threshold", type=number, metavar="T", help="values above T are 1, others 0")
    add("--grey", action="store_true", help="values 0-255 are grey levels 0-1")
    add("--validation", metavar="FILE|FRACTION", help="rows to watch and not to learn from: another file, "
        "or the share of FILE's rows to set aside, chosen by the seed")  # fmt: skip

    add = parser.add_argument_group("model").add_argument
    add("--hidden", type=whole(1), default=128, metavar="N", help="hidden units (default: 128)")
    add("--visible", type=choice(*PLAIN), default="bernoulli", metavar="UNITS",
        help="bernoulli (default), or gaussian: real values, scaled to mean 0 and variance 1")  # fmt: skip

    add = parser.add_argument_group("learning").add_argument
    add("--method", type=choice(*METHODS), default="cd", metavar="|".join(METHODS),
        help="contrastive divergence (default); persistent CD: better samples; the same with fast "
        "weights; or parallel tempering: slow, for data with modes far apart")  # fmt: skip
    add("-k", type=whole(1), default=1, metavar="N", help="Gibbs steps per update (default: 1)")
    add("--chains", type=whole(1), metavar="N", help="chains of pcd, fpcd and pt (default: the batch size)")
    add("--replicas", type=whole(2), metavar="N", help="temperatures of pt (default: 10)")
    add("--epochs", type=whole(0), default=10, metavar="N", help="passes over the data (default: 10)")
    add("--batch-size", type=whole(1), default=100, metavar="N", help="rows per update (default: 100)")
    add("--rate", type=number, default=0.05, metavar="X", help="learning rate (default: 0.05)")
    add("--rate-schedule", type=choice(*SCHEDULES), default="constant", metavar="HOW",
        help="constant (default), linear (to 0), or exponential")  # fmt: skip
    add("--rate-decay", type=number, default=0.95, metavar="X",
        help="what exponential multiplies the rate by after each epoch (default: 0.95)")  # fmt: skip
    add("--momentum", type=number, default=0.5, metavar="X", help="default: 0.5")
    add("--l1", type=number, metavar="COST", help="cost of absolute weights")
    add("--l2", type=number, metavar="COST", help="cost of squared weights; 1e-4 is usual")
    add("--max-norm", type=number, metavar="X", help="longest weight vector of a hidden unit")
    add("--sparsity", type=number, metavar="X", help="wanted mean activity of a hidden unit, such as 0.1")
    add("--centered", action="store_true", help="learn from centred units")
    add("--shuffle", type=choice(*ORDERS), default="rows", metavar="HOW",
        help="rows (default), blocks (kind to files larger than memory), or none")  # fmt: skip
    add_seed(parser)

    add = parser.add_argument_group("run").add_argument
    add("--checkpoint", metavar="FILE", help="save the run here after every epoch")
    add("--resume", metavar="FILE", help="go on from a checkpoint as if the run had never stopped")
    add("--plots", metavar="DIR", help="draw learning curves and, of images, filters and samples")
    add("--shape", type=image_size, metavar="HxW", help="size of an image (default: from FILE, or square)")
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, learn, write."""
    check_output(arguments.output, arguments.file, arguments.validation, arguments.resume)
    if arguments.checkpoint:
        check_output(arguments.checkpoint, arguments.output, arguments.file, arguments.validation)
    if arguments.plots:
        need_matplotlib("--plots")
        make_folder(arguments.plots)
    settings = _settings(arguments)
    data, validation = _read(arguments)
    shape = _image_shape(arguments, data) if arguments.plots else None
    rows, validation_rows = (_rows(arguments, part) for part in (data, validation))
    assert rows is not None
    rbm = rf.RBM(rows.n_features, arguments.hidden, visible=arguments.visible, seed=arguments.seed)

    with threads(arguments.threads):
        print(f"data: {_words(rows, data.name)}")
        if validation_rows is not None and validation is not None:
            print(f"validation: {_words(validation_rows, validation.name)}")
        print(
            f"model: {rows.n_features} visible, {arguments.hidden} hidden units; {engine_words()}", flush=True
        )
        start = time.perf_counter()
        history = _train(rbm, rows, validation_rows, settings, arguments)
        seconds = time.perf_counter() - start
    rbm.save(arguments.output)
    _report(history, rows, seconds)
    print(f"wrote {arguments.output}")
    if arguments.plots:
        _draw(arguments.plots, rbm, rows, history, shape, arguments.seed)


# --- What was asked for ------------------------------------------------------------------------------------


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `rf.train`; the library's checks of numbers are made here, before any file is read."""
    if arguments.chains is not None and arguments.method == "cd":
        raise CommandError("--chains is an option of --method pcd, fpcd and pt")
    if arguments.replicas is not None and arguments.method != "pt":
        raise CommandError("--replicas is an option of --method pt")
    if arguments.threshold is not None and arguments.grey:
        raise CommandError("--threshold and --grey exclude each other")
    penalties: list[Any] = []
    for option, penalty in {
        "l1": rf.L1,
        "l2": rf.L2,
        "max_norm": rf.MaxNorm,
        "sparsity": rf.SparsityTarget,
    }.items():
        value = getattr(arguments, option)
        if value:
            penalties.append(_checked(f"--{option.replace('_', '-')}", penalty, value))
    rate = {
        "constant": lambda: rf.Constant(arguments.rate),
        "linear": lambda: rf.Linear(arguments.rate),
        "exponential": lambda: rf.Exponential(arguments.rate, arguments.rate_decay),
    }[arguments.rate_schedule]
    return {
        "method": _checked("--chains", METHODS[arguments.method], arguments),
        "optimizer": _checked("--momentum", rf.SGD, _checked("--rate", rate), arguments.momentum),
        "penalties": penalties,
        "centered": arguments.centered,
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "shuffle": ORDERS[arguments.shuffle],
        "seed": arguments.seed,
        "monitors": [rf.ReconstructionError()],
        "checkpoint": arguments.checkpoint,
        "resume": arguments.resume,
    }


def _checked(option: str, make: Any, *values: Any) -> Any:
    try:
        return make(*values)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{option}: {error}") from error


def _read(arguments: argparse.Namespace) -> tuple[DataFile, DataFile | None]:
    data = read_data(arguments.file, arguments.key)
    wanted = arguments.validation
    if wanted is None:
        return data, None
    fraction = None if os.path.exists(wanted) else _fraction(wanted)
    if fraction is not None:
        return data.split(fraction, arguments.seed)
    validation = read_data(wanted, arguments.key)
    columns, expected = validation.values.shape[1], data.values.shape[1]
    if columns != expected:
        raise CommandError(f"{wanted}: has {columns} columns, {arguments.file} has {expected}")
    return data, validation


def _fraction(text: str) -> float | None:
    try:
        fraction = float(text)
    except ValueError:
        return None  # a file, then
    if not 0 < fraction < 1:
        raise CommandError(f"--validation must be a file or a number between 0 and 1, got {text}")
    return fraction


def _rows(arguments: argparse.Namespace, data: DataFile | None) -> Rows | None:
    if data is None:
        return None
    return data.rows(get_unit(arguments.visible).domain, arguments.threshold, arguments.grey)


def _words(rows: Rows, name: str) -> str:
    return f"{name}: {rows.n_rows:,} rows of {rows.n_features} {rows.kind} values"


def _image_shape(arguments: argparse.Namespace, data: DataFile) -> tuple[int, int] | None:
    """Size of the images that rows are; None if they seem to be none."""
    n_pixels = int(data.values.shape[1])
    if arguments.shape is not None:
        return plots.image_shape(n_pixels, arguments.shape)
    try:
        return plots.image_shape(n_pixels, data.image_size)
    except ValueError:
        return None


# --- Learning ----------------------------------------------------------------------------------------------


class Lines(rf.Callback):
    """A line for each epoch: what is shown when no terminal can show a bar."""

    def on_epoch_end(self, progress: Progress) -> None:
        """See `rbmfast.Callback`."""
        print(f"epoch {progress.epoch}/{progress.epochs}: {_numbers(progress.history)}", flush=True)


def _numbers(history: rf.History) -> str:
    error = f"reconstruction error {history['train_reconstruction_error'][-1]:.5f}"
    if "validation_reconstruction_error" in history:
        error += f", validation {history['validation_reconstruction_error'][-1]:.5f}"
    return error


def _train(
    rbm: rf.RBM,
    rows: Rows,
    validation: Rows | None,
    settings: dict[str, Any],
    arguments: argparse.Namespace,
) -> rf.History:
    bar = sys.stderr.isatty()
    callbacks = [] if bar else [Lines()]
    try:
        return rf.train(rbm, rows, validation=validation, callbacks=callbacks, progress=bar, **settings)
    except KeyboardInterrupt:
        if rbm.visible_means is None:  # before learning began
            raise KeyboardInterrupt("nothing was written") from None
        rbm.save(arguments.output)
        saved = arguments.checkpoint
        hint = f"; go on with --resume {saved}" if saved else ""
        raise KeyboardInterrupt(f"wrote {arguments.output} as learned so far{hint}") from None


def _report(history: rf.History, rows: Rows, seconds: float) -> None:
    learning = float(history["seconds"].sum())
    epochs = len(history) - 1
    speed = f", {epochs * rows.n_rows / learning:,.0f} samples/s while learning" if learning > 0 else ""
    print(f"{epochs} epoch{'' if epochs == 1 else 's'}; {_numbers(history)}; {seconds:.2f} s{speed}")


def _draw(
    folder: str, rbm: rf.RBM, rows: Rows, history: rf.History, shape: tuple[int, int] | None, seed: int
) -> None:
    figures = {"learning_curves": plots.learning_curves(history)}
    if shape is not None:
        V = rows.block(slice(0, 30))
        V = V / 65535 if rows.kind == "grey" else V
        figures["filters"] = plots.filters(rbm, shape)
        figures["samples"] = plots.samples(rbm, shape, seed=seed)
        figures["reconstructions"] = plots.reconstructions(V, rbm.reconstruct(V), shape)
    for name, figure in figures.items():
        write_picture(os.path.join(folder, f"{name}.png"), figure)
    print(f"drew {', '.join(figures)} in {folder}")
    if shape is None:
        print(f"({rows.n_features} values are no square image: say --shape HxW for pictures of filters)")
