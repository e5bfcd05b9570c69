"""The inverse Ising problem: couplings from samples, by maximum pseudo-likelihood and by persistent chains.

    python examples/inverse_ising.py [--picture ising.png] [--side 10] [--samples 20000]

A square lattice of spins, its edges joined to the opposite ones, has couplings of +0.3 or -0.3 between
neighbours and random fields. Machines that may couple any two spins learn from its samples. The table tells
the root mean square error of the couplings of neighbours, of all other pairs (which are 0), and of the
fields. The least that n samples allow is about 1 / sqrt(n).
"""

import argparse
import time
from pathlib import Path

import numpy as np

import rbmfast as rf

COUPLING, FIELD = 0.3, 0.1
SWEEPS = 300
WAYS = {
    "pseudo-likelihood": {"method": rf.MaximumPseudoLikelihood(), "epochs": 30},
    "PCD": {"method": rf.PCD(k=2, n_chains=5000), "epochs": 30},
}
RATE, MOMENTUM, BATCH = 0.05, 0.9, 1000


def lattice(side: int, seed: int) -> rf.BoltzmannMachine:
    """Couplings of random signs between neighbours; fields of random size."""
    rng, n = np.random.default_rng(seed), side * side
    W, site = np.zeros((n, n)), np.arange(n).reshape(side, side)
    for axis in (0, 1):
        here, there = site.ravel(), np.roll(site, -1, axis).ravel()
        W[here, there] = W[there, here] = COUPLING * rng.choice([-1, 1], n)
    return rf.BoltzmannMachine.from_arrays(W, FIELD * rng.normal(size=n), units="spin")


def draw(true: np.ndarray, found: dict[str, np.ndarray], path: Path) -> None:
    """Learned couplings against those of the lattice."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.6), dpi=120, layout="constrained")
    pairs = np.triu_indices(len(true), 1)
    noise = np.random.default_rng(0).normal(0, 0.02, len(pairs[0]))  # so that points do not hide each other
    for axes, (name, W) in zip(figure.subplots(1, len(found), sharey=True), found.items(), strict=True):
        axes.plot(true[pairs] + noise, W[pairs], ".", markersize=3, alpha=0.4)
        axes.axline((0.0, 0.0), slope=1.0, color="firebrick", linewidth=1.0)
        axes.set(title=name, xlabel="coupling of the lattice (spread sideways)", ylabel="learned")
    figure.savefig(path)


def main() -> None:
    """Draw samples, learn from them, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=10)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()

    true = lattice(options.side, options.seed)
    X = true.sample(options.samples, steps=SWEEPS, seed=options.seed)
    n, are_joined = true.n_visible, true.W != 0
    others = ~are_joined & ~np.eye(n, dtype=bool)
    print(f"{n} spins, {options.samples:,} samples: 1 / sqrt(n) is {options.samples**-0.5:.4f}\n")
    print(f"{'root mean square error':24}{'neighbours':>12}{'others':>10}{'fields':>10}{'seconds':>10}")
    found = {}
    for name, way in WAYS.items():
        begin, machine = time.perf_counter(), rf.BoltzmannMachine(n, units="spin")
        optimizer = rf.SGD(rf.Linear(RATE), MOMENTUM)
        rf.train(machine, X, optimizer=optimizer, penalties=(), batch_size=BATCH, seed=options.seed, **way)
        seconds, error = time.perf_counter() - begin, machine.W - true.W
        errors = (np.sqrt((x**2).mean()) for x in (error[are_joined], error[others], machine.a - true.a))
        print(f"{name:24}" + "{:12.4f}{:10.4f}{:10.4f}".format(*errors) + f"{seconds:10.1f}", flush=True)
        found[name] = machine.W
    if options.picture:
        draw(true.W, found, options.picture)


if __name__ == "__main__":
    main()
