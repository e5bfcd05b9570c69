"""The log-likelihood of an RBM with 500 hidden units on binarised MNIST, from scratch, from both sides.

    python examples/mnist_likelihood.py DATA [--grey DIGITS] [--epochs 400] [--save MODEL]

DATA is an .npz file with `train` and `test`: rows of 0 and 1, or the same packed by numpy.packbits; the
published numbers are about the file of Salakhutdinov & Murray (2008). The recipe: persistent chains (PCD-1,
as many as rows in a batch), a rate that falls linearly to 0, centred units, and a little weight decay of both
kinds against overfitting.

DIGITS is an .npz file with train_x, grey images. With it pixels are drawn anew from the grey levels, 20
times, as the programs of Salakhutdinov & Hinton (2009) draw them for each batch: then less has to be done
against overfitting. The test rows are those of DATA.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from mnist_files import drawn

import rbmfast as rf

DRAWS = 20  # of every grey image
PUBLISHED = (
    ("CD-1 (Salakhutdinov & Murray 2008)", -125.53),
    ("CD-3", -105.50),
    ("CD-25", -86.34),
)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows, uint8 0/1."""
    with np.load(path) as file:
        sets = [file["train"], file["test"]]
        if "n_features" in file:
            sets = [np.unpackbits(rows, axis=1, count=int(file["n_features"])) for rows in sets]
    return sets[0], sets[1]


def drawn_from(path: Path) -> rf.Packed:
    """Training rows drawn from grey images, pixels column by column, as the file of binary ones has them."""
    with np.load(path) as file:
        images = file["train_x"].reshape(-1, 28, 28)
    return drawn(images.transpose(0, 2, 1).reshape(len(images), -1), DRAWS)


def train(rbm: rf.RBM, X: np.ndarray | rf.Packed, epochs: int, seed: int, last_rate: float = 0.0) -> float:
    """Learn; how many seconds of CPU time it took. An epoch is as long as one with a draw of each image."""
    fixed = isinstance(X, np.ndarray)
    begin = time.process_time()
    rf.train(
        rbm,
        X,
        method=rf.PCD(k=1),
        optimizer=rf.SGD(rf.Linear(0.05, last_rate)),
        penalties=[rf.L1(5e-5), rf.L2(2e-4)] if fixed else [rf.L1(1e-5), rf.L2(1e-4)],
        centered=True,
        epochs=epochs if fixed else epochs // DRAWS,
        batch_size=100,
        seed=seed,
        progress=True,
    )
    return time.process_time() - begin


def main() -> None:
    """Train, estimate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--grey", type=Path, help="grey images to draw training rows from")
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chains", type=int, default=500, help="of annealing, each way")
    parser.add_argument("--temperatures", type=int, default=10_000)
    parser.add_argument("--save", type=Path, help="a file for the model")
    options = parser.parse_args()

    X, X_test = read(options.data)
    rbm = rf.RBM(X.shape[1], options.hidden, seed=options.seed)
    rows = X if options.grey is None else drawn_from(options.grey)
    seconds = train(rbm, rows, options.epochs, options.seed + 1)
    if options.save:
        rbm.save(options.save)
    begin = time.perf_counter()
    z = rf.log_partition(
        rbm, "bracket", n_chains=options.chains, n_temperatures=options.temperatures, seed=options.seed
    )
    estimating = time.perf_counter() - begin
    forward, reverse = (rf.mean_log_likelihood(rbm, X_test, part) for part in z.parts)
    both = rf.mean_log_likelihood(rbm, X_test, z)

    print(f"{rbm}, {options.epochs} epochs in {seconds:.0f} s of CPU time, log Z in {estimating:.0f} s\n")
    print(f"log Z                      {z.value:9.2f} +- {z.stderr:.2f}  [{z.lower:.2f}, {z.upper:.2f}]")
    interval = f"[{both.lower:.2f}, {both.upper:.2f}]"
    print(f"test log-likelihood        {both.value:9.2f} +- {both.stderr:.2f}  {interval}")
    print(f"  by forward AIS           {forward.value:9.2f} +- {forward.stderr:.2f}")
    print(f"  by reverse AIS           {reverse.value:9.2f} +- {reverse.stderr:.2f}")
    print(f"training log-likelihood    {rf.mean_log_likelihood(rbm, X, z).value:9.2f}")
    print(f"pseudo-likelihood (test)   {rf.pseudo_likelihood(rbm, X_test[:1000]).mean():9.2f}")
    if z.warning:
        print(f"\n{z.warning}")
    print("\npublished, 500 hidden units")
    for name, value in PUBLISHED:
        print(f"  {name:40} {value:9.2f}")


if __name__ == "__main__":
    main()
