"""The lower bound on the log-likelihood of a deep belief network on binarised MNIST, from scratch.

    python examples/dbn_bound.py DATA [--first 400] [--second 20]

DATA is an .npz file with `train` and `test`: rows of 0 and 1, or the same packed by numpy.packbits; the
published numbers are about the file of Salakhutdinov & Murray (2008). The first RBM is that of
mnist_likelihood.py. The second one starts as the first, upside down, so that the bound starts at the first
one's log-likelihood, and has to be led up from there with care: by many persistent chains that start from the
data. The bound is printed for both sets.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from mnist_likelihood import read, train

import rbmfast as rf

PUBLISHED = (("RBM, CD-25 (Salakhutdinov & Murray 2008)", -86.34), ("DBN, 500-2000 (bound)", -85.97))


def add_second(dbn: rf.DBN, X: np.ndarray, epochs: int, seed: int) -> float:
    """Put the first RBM upside down on top, and let it learn; the seconds that it took."""
    dbn.add_layer(dbn.n_visible, unroll=True)
    begin = time.perf_counter()
    H = dbn.sample_hidden(X, layer=1, seed=seed)
    chains = dbn.top.sample_hidden(H[:500], seed=seed + 1)
    rf.train(
        dbn.top,
        H,
        method=rf.PCD(k=5),
        optimizer=rf.SGD(rf.Linear(0.01)),
        penalties=[rf.L1(5e-5), rf.L2(2e-4)],
        centered=True,
        epochs=epochs,
        seed=seed + 2,
        state=rf.TrainingState(chains=chains),
        progress=True,
    )
    return time.perf_counter() - begin


def main() -> None:
    """Train, estimate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--first", type=int, default=400, help="epochs of the first RBM")
    parser.add_argument("--second", type=int, default=20, help="epochs of the second one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chains", type=int, default=500, help="of annealing, each way")
    parser.add_argument("--temperatures", type=int, default=10_000)
    options = parser.parse_args()

    X, X_test = read(options.data)
    rbm = rf.RBM(X.shape[1], options.hidden, seed=options.seed)
    seconds = train(rbm, X, options.first, options.seed + 1)
    dbn = rf.DBN.from_rbms([rbm], seed=options.seed)
    annealing = {"n_chains": options.chains, "n_temperatures": options.temperatures, "seed": options.seed}
    before = rf.mean_log_likelihood(rbm, X_test, rf.log_partition(rbm, "bracket", **annealing))
    print(f"{rbm}, {options.first} epochs in {seconds:.0f} s")
    print(f"test log-likelihood    {before.value:9.2f} +- {before.stderr:.2f}")

    seconds = add_second(dbn, X, options.second, options.seed)
    print(f"{dbn}, {options.second} epochs in {seconds:.0f} s")
    z = rf.log_partition(dbn.top, "bracket", **annealing)
    for name, rows in (("test", X_test), ("training", X)):
        bound = rf.log_likelihood_bound(dbn, rows, z, seed=options.seed)
        interval = f"[{bound.lower:.2f}, {bound.upper:.2f}]"
        print(f"{name + ' bound':22} {bound.value:9.2f} +- {bound.stderr:.2f}  {interval}")
        print(f"{'  of 10 samples':22} {bound.tighter:9.2f}")
    if z.warning:
        print(f"\n{z.warning}")
    print("\npublished")
    for name, value in PUBLISHED:
        print(f"  {name:42} {value:9.2f}")


if __name__ == "__main__":
    main()
