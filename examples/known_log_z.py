"""How honest the estimates of log Z are, on a published model whose log Z is known by enumeration.

    python examples/known_log_z.py MODEL [--data DATA] [--seeds 50]

MODEL is an .npz file with the arrays `W` (784, 15), `vbias` and `hbias`: an MNIST model of the pylearn2
project, log Z = 215.138405. DATA is an .npz file with `train`, rows packed by numpy.packbits: where annealing
begins. The table gives, over seeds, the mean error, the spread of the estimates beside the standard error
that they claim, and how often the 95 % interval holds the truth.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import rbmfast as rf

METHODS = ("ais", "reverse_ais", "bracket")


def read_model(path: Path) -> rf.RBM:
    """The published arrays, rounded to float32."""
    with np.load(path) as file:
        return rf.RBM.from_arrays(file["W"], file["vbias"].ravel(), file["hbias"].ravel())


def read_rates(path: Path | None, n_visible: int) -> np.ndarray | None:
    """Means of the training data."""
    if path is None:
        return None
    with np.load(path) as file:
        return np.unpackbits(file["train"], axis=1, count=n_visible).mean(axis=0)


def main() -> None:
    """Estimate often, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--temperatures", type=int, default=2000)
    options = parser.parse_args()

    rbm = read_model(options.model)
    begin = time.perf_counter()
    truth = rf.log_partition(rbm).value
    print(f"exact log Z of {rbm}: {truth:.6f} ({time.perf_counter() - begin:.2f} s)\n")
    base = read_rates(options.data, rbm.n_visible)
    settings = {"n_chains": options.chains, "n_temperatures": options.temperatures, "base": base}
    print(f"{options.seeds} seeds, {options.chains} chains, {options.temperatures} temperatures")
    print(f"{'':12} {'mean error':>10} {'spread':>8} {'claimed':>8} {'in the interval':>16} {'s':>6}")
    for method in METHODS:
        begin = time.perf_counter()
        runs = [rf.log_partition(rbm, method, seed=seed, **settings) for seed in range(options.seeds)]
        seconds = (time.perf_counter() - begin) / options.seeds
        error = np.array([z.value - truth for z in runs])
        claimed = np.mean([z.stderr for z in runs])
        held = np.mean([z.lower < truth < z.upper for z in runs])
        numbers = f"{error.mean():10.3f} {error.std(ddof=1):8.3f} {claimed:8.3f} {held:16.0%} {seconds:6.2f}"
        print(f"{method:12} {numbers}")


if __name__ == "__main__":
    main()
