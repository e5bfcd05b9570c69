"""Log-likelihoods of binary tables by the defaults of `rbmfast.train`, hidden units by validation rows.

    python examples/tables.py DEBD [--sets mushrooms] [--hidden 64 128 256 512]

DEBD is a folder with dna.npz, mushrooms.npz, plants.npz and accidents.npz: `train`, `valid` and `test`,
packed rows of 0 and 1, and `n_features`. log Z is annealed from both sides; nats.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import rbmfast as rf

SETS = ("dna", "mushrooms", "plants", "accidents")
PUBLISHED = {"dna": -96.74, "mushrooms": -15.15}  # 23 hidden units, exact (Larochelle & Murray 2011)


def read(path: Path) -> list[np.ndarray]:
    """Rows to learn from, to choose by, and to test with."""
    with np.load(path) as file:
        n = int(file["n_features"])
        return [np.unpackbits(file[part], axis=1)[:, :n] for part in ("train", "valid", "test")]


def main() -> None:
    """A line for each number of hidden units, and the test of the best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("debd", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--temperatures", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.sets:
        train, valid, test = read(options.debd / f"{name}.npz")
        tried = []
        for n_hidden in options.hidden:
            rbm, begin = rf.RBM(train.shape[1], n_hidden, seed=options.seed), time.process_time()
            rf.train(rbm, train, seed=options.seed + 1)
            seconds = time.process_time() - begin
            how = {"n_chains": 200, "n_temperatures": options.temperatures, "seed": options.seed}
            z = rf.log_partition(rbm, "bracket", **how)
            judge, found = (rf.mean_log_likelihood(rbm, rows, z) for rows in (valid, test))
            tried.append((judge.value, n_hidden, found))
            print(f"{name}: {n_hidden} hidden units, {seconds:.0f} s, validation {judge}", flush=True)
        _, n_hidden, found = max(tried, key=lambda one: one[0])
        print(f"{name}: {n_hidden} hidden units, test {found} (published: {PUBLISHED.get(name, 'none')})\n")


if __name__ == "__main__":
    main()
