"""A quantum spin chain from measurements: how near an RBM of spins comes to the state's own entropy.

    python examples/spin_chain.py tfim1d.npz

The file holds `x` (n, sites), measured spins as 0 and 1, and `psi` (2**sites, 2), the amplitudes of the state
that was measured, in counting order. Models of several sizes and rates learn from 80 % of the rows; the one
that gives the others the highest likelihood is compared with the state, whose amplitudes nobody learned from.
"""

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np

import rbmfast as rf
from rbmfast.likelihood import kl_divergence

SIZES = (5, 10, 20)
RATES = (0.1, 0.3, 0.5)
EPOCHS = 100
SHARE = 0.8  # of the rows to learn from


def learn(X: np.ndarray, n_hidden: int, rate: float, seed: int) -> rf.RBM:
    """A model of spins; centred, by persistent chains, with a rate that falls to 0."""
    rbm = rf.RBM(X.shape[1], n_hidden, visible="spin", hidden="spin", seed=seed)
    rf.train(
        rbm,
        X,
        method=rf.PCD(k=1, n_chains=500),
        optimizer=rf.SGD(rf.Linear(rate, 0.0)),
        penalties=(),
        centered=True,
        epochs=EPOCHS,
        batch_size=100,
        seed=seed,
    )
    return rbm


def main() -> None:
    """Learn, a line for each setting; choose by the rows held out; compare with the state."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    with np.load(options.data) as file:
        spins, p = 2 * file["x"].astype(np.int8) - 1, (file["psi"] ** 2).sum(axis=1)
    spins = np.random.default_rng(options.seed).permutation(spins)
    n = round(SHARE * len(spins))
    print(f"{'hidden':>6} {'rate':>5} {'learned from':>12} {'held out':>9} {'seconds':>8}   nats a row")
    found = []
    for n_hidden, rate in product(SIZES, RATES):
        begin = time.perf_counter()
        rbm = learn(spins[:n], n_hidden, rate, options.seed)
        seconds = time.perf_counter() - begin
        seen, held_out = (-rf.log_likelihood(rbm, rows).mean() for rows in (spins[:n], spins[n:]))
        found.append((held_out, n_hidden, rate, rbm))
        print(f"{n_hidden:6} {rate:5} {seen:12.4f} {held_out:9.4f} {seconds:8.1f}", flush=True)

    _, n_hidden, rate, rbm = min(found, key=lambda one: one[0])
    entropy, divergence = -(p * np.log(np.maximum(p, 1e-300))).sum(), kl_divergence(p / p.sum(), rbm)
    print(f"\nchosen: {n_hidden} hidden spins, rate {rate}; nats a row, over all 2**{rbm.n_visible} states:")
    print(f"  entropy of the state     {entropy:9.4f}")
    print(f"  the model's -log p       {entropy + divergence:9.4f}  (larger by {divergence:.4f})")


if __name__ == "__main__":
    main()
