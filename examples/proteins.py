"""A protein family: amino acids at the sites of aligned sequences, and do samples have their statistics?

    python examples/proteins.py kunitz.npz [--picture proteins.png] [--epochs 20] [--samples 10000]

The file holds `x` (n, sites): letters as numbers from 0 on, the gap among them. Families are sampled
unevenly, so a sequence weighs 1 / the number of those that agree with it at 79 % of the sites or more (itself
among them). A fifth is held out: settings were chosen by its frequencies. The table compares weighted
frequencies: of letters at a site, of pairs of letters at two sites, and of these less the product of the two
letters' own (connected).
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import rbmfast as rf

IDENTITY = 0.79  # 42 of 53 sites
HELD_OUT = 0.2
N_HIDDEN = 100
METHOD = rf.PCD(k=10, n_chains=200)
RATE = 0.2

COLUMNS = "samples, learned", "samples, held out", "learned, held out"
ROWS = {"one": "one site", "two": "two sites", "connected": "two sites, connected"}


class Frequencies(NamedTuple):
    """Of one letter at a site, of pairs of letters at two sites, and these less what chance gives."""

    one: np.ndarray
    two: np.ndarray
    connected: np.ndarray


def frequencies(one_hot: np.ndarray, weights: np.ndarray, n_letters: int) -> Frequencies:
    """Weighted ones, of pairs at different sites."""
    rows, shares = one_hot.astype(np.float32), (weights / weights.sum()).astype(np.float32)
    one, pairs = shares @ rows, (rows * shares[:, None]).T @ rows
    site = np.arange(len(one)) // n_letters
    different = site[:, None] < site
    return Frequencies(one, pairs[different], (pairs - np.outer(one, one))[different])


def learn(X: np.ndarray, weights: np.ndarray, n_letters: int, epochs: int, seed: int) -> rf.RBM:
    """Centred, by persistent chains, with a rate that falls to 0."""
    rbm = rf.RBM(X.shape[1], N_HIDDEN, visible=rf.Categorical(n_letters), seed=seed)
    rf.train(
        rbm,
        X,
        method=METHOD,
        optimizer=rf.SGD(rf.Linear(RATE, 0.0)),
        penalties=[rf.L2(2e-3)],
        centered=True,
        epochs=epochs,
        batch_size=100,
        seed=seed,
        sample_weight=weights / weights.mean(),
    )
    return rbm


def draw(data: Frequencies, samples: Frequencies, path: Path) -> None:
    """Frequencies of samples against those of the data."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(data.one, samples.one, ".", markersize=4, alpha=0.6)
    right.hexbin(data.connected, samples.connected, gridsize=80, bins="log", mincnt=1, linewidths=0.1)
    titles = "Letters at a site", "Pairs of letters at two sites, connected"
    for axes, title in zip((left, right), titles, strict=True):
        axes.axline((0.0, 0.0), slope=1.0, color="firebrick", linewidth=1.0)
        axes.set(title=title, xlabel="sequences learned from", ylabel="samples")
    figure.savefig(path)


def main() -> None:
    """Learn, draw samples, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()

    with np.load(options.data) as file:
        letters = file["x"]
    n_letters, n_sites = int(letters.max()) + 1, letters.shape[1]
    one_hot = np.eye(n_letters, dtype=np.uint8)[letters].reshape(len(letters), -1)
    weights = rf.sequence_weights(letters, IDENTITY)
    print(f"{len(letters):,} sequences of {n_sites} sites and {n_letters} letters weigh {weights.sum():,.0f}")
    held_out, learned = np.split(
        np.random.default_rng(options.seed).permutation(len(letters)), [round(HELD_OUT * len(letters))]
    )
    begin = time.perf_counter()
    rbm = learn(one_hot[learned], weights[learned], n_letters, options.epochs, options.seed)
    trained = time.perf_counter()
    drawn = rbm.sample(options.samples, steps=100, seed=options.seed + 1)
    print(
        f"learned in {trained - begin:.0f} s, {len(drawn):,} samples in {time.perf_counter() - trained:.0f} s"
    )

    of_learned, of_held_out = (frequencies(one_hot[i], weights[i], n_letters) for i in (learned, held_out))
    of_samples = frequencies(drawn, np.ones(len(drawn)), n_letters)
    comparisons = (of_samples, of_learned), (of_samples, of_held_out), (of_learned, of_held_out)
    print(f"\n{'Pearson correlations':22}" + "".join(f"{name:>20}" for name in COLUMNS))
    for name in Frequencies._fields:
        found = (np.corrcoef(getattr(x, name), getattr(y, name))[0, 1] for x, y in comparisons)
        print(f"{ROWS[name]:22}" + "".join(f"{r:20.3f}" for r in found))
    if options.picture:
        draw(of_learned, of_samples, options.picture)


if __name__ == "__main__":
    main()
