"""How the defaults of rbmfast were found: settings tried on seven sets, judged by validation rows.

    python examples/recipe.py DEBD SALAKHUTDINOV MNIST [--sets dna plants] [--tries default rate=0.2 ...]

DEBD is a folder with dna.npz, mushrooms.npz, plants.npz and accidents.npz (`train`, `valid` and `n_features`,
packed rows of 0 and 1), SALAKHUTDINOV the binarised MNIST (`train`, packed), MNIST has `train_x`; scikit-learn
brings the eighth-inch digits. A try is `default`, or what it has different: `rate=0.2,method=cd,l2=0.001`.
Numbers are validation log-likelihoods in nats, log Z annealed from both sides, "?" where these are
more than half a nat apart; and seconds of CPU time.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import rbmfast as rf

HIDDEN = 128
METHODS = {
    "cd": rf.CD(),
    "cd10": rf.CD(k=10),
    "pcd": rf.PCD(),
    "pcd5": rf.PCD(k=5),
    "pcd200": rf.PCD(n_chains=200),
    "pcd500": rf.PCD(n_chains=500),
    "ptt": rf.PTT(),
    "ptt500": rf.PTT(n_chains=500),
}
BASE = {"method": "pcd", "rate": 0.1, "end": 0.0, "momentum": 0.5, "centered": 1, "updates": 10_000, "l2": 0.0, "l2n": 0.0, "l1": 0.0, "batch": 100, "seed": 0}

Parts = tuple[np.ndarray, np.ndarray]  # to learn from and to judge by


def table(path: Path, name: str) -> Parts:
    with np.load(path / f"{name}.npz") as file:
        n = int(file["n_features"])
        return tuple(np.unpackbits(file[part], axis=1)[:, :n] for part in ("train", "valid"))


def images(path: Path, key: str) -> Parts:
    with np.load(path) as file:
        X = file[key]
    rows = np.unpackbits(X, axis=1)[:, :784] if X.shape[1] == 98 else (X.reshape(len(X), -1) > 127).astype(np.uint8)
    return rows[:50_000], rows[50_000:60_000]


def small_digits() -> Parts:
    from sklearn.datasets import load_digits

    rows = (load_digits().data > 7).astype(np.uint8)[np.random.default_rng(0).permutation(1797)]
    return rows[:1400], rows[1400:]


def settings(text: str) -> dict:
    own = dict(part.split("=") for part in text.split(",") if text != "default")
    assert own.keys() <= BASE.keys()
    return {key: type(value)(own.get(key, value)) for key, value in BASE.items()}


def learn(s: dict, train: np.ndarray, hidden: int, seed: int) -> rf.RBM:
    rbm = rf.RBM(train.shape[1], hidden, seed=seed)
    l2 = s["l2"] + s["l2n"] / len(train)
    rf.train(
        rbm,
        train,
        method=METHODS[s["method"]],
        optimizer=rf.SGD(rf.Linear(s["rate"], s["end"] * s["rate"]), momentum=s["momentum"]),
        penalties=[*([rf.L2(l2)] if l2 else []), *([rf.L1(s["l1"])] if s["l1"] else [])],
        centered=bool(s["centered"]),
        epochs=-(-s["updates"] // -(-len(train) // s["batch"])),
        batch_size=s["batch"],
        seed=seed + 1,
    )
    return rbm


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("debd", type=Path)
    parser.add_argument("binarised", type=Path)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--tries", nargs="+", default=["default"])
    options = parser.parse_args()
    sets: dict[str, Callable[[], Parts]] = {name: partial(table, options.debd, name) for name in ("dna", "mushrooms", "plants", "accidents")}
    sets |= {"binarised": partial(images, options.binarised, "train"), "mnist": partial(images, options.mnist, "train_x"), "digits": small_digits}
    for tried in options.tries:
        s = settings(tried)
        line = ""
        for name in options.sets or sets:
            train, valid = sets[name]()
            begin = time.process_time()
            rbm = learn(s, train, options.hidden, s["seed"])
            seconds = time.process_time() - begin
            z = rf.log_partition(rbm, "bracket", n_chains=100, n_temperatures=2000, seed=2)
            mean = rf.log_likelihood(rbm, valid, log_z=z).mean()
            doubt = "?" if z.upper - z.lower > 0.5 else " "
            line += f"{name} {mean:8.2f}{doubt} {seconds:4.0f}s | "
        print(f"{line} {tried}", flush=True)


if __name__ == "__main__":
    main()
