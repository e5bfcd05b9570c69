"""``rbmfast sample``."""

from __future__ import annotations

import argparse

import numpy as np

from rbmfast import plots
from rbmfast.cli.common import (
    add_seed,
    add_threads,
    check_output,
    check_picture,
    complete_file,
    image_size,
    load_rbm,
    need_matplotlib,
    threads,
    whole,
    write_picture,
)

SUMMARY = "draw samples from a model"
DESCRIPTION = """\
Draw samples: the last visible states of independent Gibbs chains, as a .npy file of shape
(n, visible units). 0/1 units give uint8, Gaussian units float32."""
EXAMPLES = """\
examples:
  rbmfast sample digits.rbm -n 64 --steps 1000 --seed 0 -o samples.npy
  rbmfast sample mnist.rbm -n 100 --png samples.png
  rbmfast sample faces.rbm --shape 28x20 --png faces.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file that `rbmfast train` or RBM.save wrote")
    add("-n", type=whole(1), default=64, metavar="N", help="samples, and chains (default: 64)")
    add("--steps", type=whole(1), default=1000, metavar="N", help="Gibbs steps of each (default: 1000)")
    add_seed(parser)
    add("-o", "--output", default="samples.npy", metavar="FILE", help="default: samples.npy")
    add("--png", metavar="FILE", help="draw them as pictures, too")
    add("--shape", type=image_size, metavar="HxW", help="size of a picture (default: square)")
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    """Draw, and write."""
    check_output(arguments.output, arguments.model)
    rbm = load_rbm(arguments.model)
    if arguments.png:
        need_matplotlib("--png")
        check_picture(arguments.png)
        plots.image_shape(rbm.n_visible, arguments.shape)
    with threads(arguments.threads):
        v = rbm.sample(arguments.n, steps=arguments.steps, seed=arguments.seed)
    with complete_file(arguments.output) as file:
        np.save(file, v)
    print(f"wrote {arguments.output}: {v.shape[0]} x {v.shape[1]}, {v.dtype}, mean {v.mean():.4f}")
    if arguments.png:
        title = f"{len(v)} samples after {arguments.steps:,} Gibbs steps"
        write_picture(arguments.png, plots.images(v, arguments.shape, len(v), title=title))
        print(f"wrote {arguments.png}")
