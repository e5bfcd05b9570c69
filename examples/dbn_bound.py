"""The lower bound on the log-likelihood of a deep belief network on binarised MNIST, from scratch.

    python examples/dbn_bound.py DATA [--first 400] [--second 20]

DATA is an .npz file with `train` and `test`: rows of 0 and 1, or the same packed by numpy.packbits; the
published numbers are about the file of Salakhutdinov & Murray (2008). The first RBM is that of
mnist_likelihood.py. The second one starts as the first, upside down, so that the bound starts at the first
one's log-likelihood; learning may raise it from there, or not: the bound is printed for both sets.
"""

import argparse
import time
from pathlib import Path

from mnist_likelihood import read, train

import rbmfast as rf

PUBLISHED = (("RBM, CD-25 (Salakhutdinov & Murray 2008)", -86.34), ("DBN, 500-2000", -85.97))


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
    rbm, seconds = train(X, options.hidden, options.first, options.seed)
    dbn = rf.DBN.from_rbms([rbm], seed=options.seed)
    annealing = {"n_chains": options.chains, "n_temperatures": options.temperatures, "seed": options.seed}
    before = rf.mean_log_likelihood(rbm, X_test, rf.log_partition(rbm, "bracket", **annealing))
    print(f"{rbm}, {options.first} epochs in {seconds:.0f} s")
    print(f"test log-likelihood    {before.value:9.2f} +- {before.stderr:.2f}")

    dbn.add_layer(X.shape[1], unroll=True)
    begin = time.perf_counter()
    rf.pretrain(
        dbn,
        X,
        first_layer=1,
        method=rf.CD(k=5),
        optimizer=rf.SGD(rf.Linear(0.01)),
        penalties=[rf.L2(2e-4)],
        epochs=options.second,
        seed=options.seed + 2,
        progress=True,
    )
    print(f"{dbn}, {options.second} epochs in {time.perf_counter() - begin:.0f} s")
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
