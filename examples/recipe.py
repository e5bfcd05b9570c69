"""How the defaults of `rbmfast.train` were found: settings tried on seven sets, judged by validation rows.

    python examples/recipe.py DEBD BINARISED MNIST [--sets dna plants] [--tries default rate=0.2 ...]

DEBD is a folder with dna.npz, mushrooms.npz, plants.npz and accidents.npz (`train` and `valid`, packed rows
of 0 and 1, and `n_features`), BINARISED the binary MNIST of Salakhutdinov & Murray (2008) (`train`, packed),
MNIST has `train_x`, images; scikit-learn brings its digits. Pixels are on above one half.

A try is `default`, or what it has different: `rate=0.2,method=cd10,precision=0`. Printed are validation
log-likelihoods in nats, log Z annealed from both sides (with "?" where these are more than half a nat apart),
and seconds of CPU time.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np

import rbmfast as rf
from rbmfast.training import recipe

METHODS = {
    "default": recipe.METHOD,
    "cd": rf.CD(),
    "cd10": rf.CD(k=10),
    "pcd": rf.PCD(),
    "pcd5": rf.PCD(k=5),
    "pcd200": rf.PCD(n_chains=200),
    "ptt": rf.PTT(),
    "ptt500": rf.PTT(n_chains=500),
}
DEFAULTS = {
    "method": "default",
    "rate": recipe.RATE,
    "momentum": recipe.MOMENTUM,
    "precision": recipe.PRECISION,  # of the weights, a priori: L2 is this over the rows
    "updates": recipe.UPDATES,
    "batch": 100,
    "centered": 1,
    "seed": 0,
}
TABLES = ("dna", "mushrooms", "plants", "accidents")

Parts = tuple[np.ndarray, np.ndarray]  # rows to learn from, rows to judge by


# --- Data --------------------------------------------------------------------------------------------------


def table(folder: Path, name: str) -> Parts:
    """Rows of 0 and 1 as they come."""
    with np.load(folder / f"{name}.npz") as file:
        train, valid = (np.unpackbits(file[part], axis=1) for part in ("train", "valid"))
        n = int(file["n_features"])
    return train[:, :n], valid[:, :n]


def images(path: Path, key: str) -> Parts:
    """50 000 images and 10 000, packed or grey."""
    with np.load(path) as file:
        X = file[key]
    rows = np.unpackbits(X, axis=1) if X.shape[1] == 98 else (X.reshape(len(X), -1) > 127).astype(np.uint8)
    return rows[:50_000], rows[50_000:]


def small_digits() -> Parts:
    """scikit-learn's digits, shuffled."""
    from sklearn.datasets import load_digits

    rows = (load_digits().data > 7).astype(np.uint8)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    return rows[:1400], rows[1400:]


# --- Tries -------------------------------------------------------------------------------------------------


def settings_of(text: str) -> dict:
    """What a try learns by."""
    own = dict(part.split("=") for part in text.split(",") if text != "default")
    if unknown := own.keys() - DEFAULTS.keys():
        raise SystemExit(f"{text}: must have some of {', '.join(DEFAULTS)}, has {', '.join(unknown)}")
    return {key: type(value)(own.get(key, value)) for key, value in DEFAULTS.items()}


def learn(train: np.ndarray, hidden: int, own: dict) -> rf.RBM:
    """A model of a set, by a try's settings."""
    rbm = rf.RBM(train.shape[1], hidden, seed=own["seed"])
    rf.train(
        rbm,
        train,
        method=METHODS[own["method"]],
        optimizer=rf.SGD(rf.Linear(own["rate"]), own["momentum"]),
        penalties=rf.L2(own["precision"] / len(train)),
        centered=bool(own["centered"]),
        epochs=-(-own["updates"] // -(-len(train) // own["batch"])),
        batch_size=own["batch"],
        seed=own["seed"] + 1,
    )
    return rbm


def main() -> None:
    """A line for each try."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("debd", type=Path)
    parser.add_argument("binarised", type=Path)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--temperatures", type=int, default=2000)
    parser.add_argument("--sets", nargs="+", choices=[*TABLES, "binarised", "mnist", "digits"])
    parser.add_argument("--tries", nargs="+", default=["default"])
    options = parser.parse_args()
    sets = {name: partial(table, options.debd, name) for name in TABLES}
    sets |= {"binarised": partial(images, options.binarised, "train")}
    sets |= {"mnist": partial(images, options.mnist, "train_x"), "digits": small_digits}
    names = options.sets or [*sets]
    print("".join(name.rjust(17) for name in names))
    for text in options.tries:
        own = settings_of(text)
        for name in names:
            train, valid = sets[name]()
            begin = time.process_time()
            rbm = learn(train, options.hidden, own)
            seconds = time.process_time() - begin
            z = rf.log_partition(rbm, "bracket", n_chains=100, n_temperatures=options.temperatures, seed=2)
            doubt = "?" if z.upper - z.lower > 0.5 else " "
            mean = rf.log_likelihood(rbm, valid, log_z=z).mean()
            print(f"{mean:10.2f}{doubt}{seconds:4.0f} s", end="", flush=True)
        print(f"  {text}", flush=True)


if __name__ == "__main__":
    main()
