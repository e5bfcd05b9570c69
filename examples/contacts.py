"""Direct coupling analysis: which sites of a protein family touch, from its sequences alone.

    python examples/contacts.py known                     # alignments drawn from a sparse Potts model
    python examples/contacts.py lattice lattice_proteins.npz
    python examples/contacts.py kunitz kunitz.npz         [--picture contacts.png]

A Potts machine learns by maximum pseudo-likelihood, with the published regularisation of couplings, 0.01
(Ekeberg et al. 2013), from sequences that weigh 1 / the number of those that agree at 80 % of the sites, all
at once in every update, until nothing changes any more (chosen on the first kind of data, by the cost).
Scores of pairs of sites are Frobenius norms in the zero-sum gauge, without the gap, less the average product.
Beside it: mean field (Morcos et al., PNAS 108 (2011), E1293), couplings from the inverse of the covariances
with a pseudocount of one half, scored alike. The second and third file hold `x` (n, sites), letters as
numbers, 0 the gap.

- known: the share of the best pairs that interact in the model that the sequences come from.
- lattice: on a cubic lattice only sites an odd number (3 or more) apart can touch: the best
  pairs' share of these.
- kunitz: the six conserved cysteines make the bridges 1-6, 2-4 and 3-5. Which of the 15 ways to pair them
  scores highest in sum, and where do the bridges come among all pairs of sites? Beside it, what there is to
  be learned from: sequences in which both cysteines of a bridge are other letters, and how many these would
  be by chance; and the same scores once the cysteines' columns are shuffled, each by itself, so that
  conservation alone is left.
"""

import argparse
import time
from itertools import permutations
from pathlib import Path

import numpy as np

import rbmfast as rf

L2 = rf.L2(2 * 0.01)  # half of it times the sum of squares
EPOCHS, BATCH, RATE = 200, 32_768, 0.1
SITES, STATES, PAIRS, SEQUENCES = 40, 21, 60, 500  # of the known model
GAP, CYSTEINE = 0, 2
BRIDGES = (0, 5), (1, 3), (2, 4)  # of the six cysteines


def known(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of a Potts model, and which of its sites interact."""
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(np.triu(np.ones((SITES, SITES)), 4))
    pairs = pairs[rng.choice(len(pairs), PAIRS, replace=False)]
    W = np.zeros((SITES, STATES, SITES, STATES))
    for i, j in pairs:
        W[i, :, j] = rng.normal(size=(STATES, STATES))
        W[j, :, i] = W[i, :, j].T
    n = SITES * STATES
    machine = rf.BoltzmannMachine.from_arrays(
        W.reshape(n, n), rng.normal(size=n), units=rf.Categorical(STATES), graph=pairs
    )
    X = machine.sample(SEQUENCES, steps=500, seed=seed).reshape(-1, SITES, STATES).argmax(axis=2)
    return X, machine.graph


def learned_scores(X: np.ndarray, weights: np.ndarray, n_states: int, seed: int) -> np.ndarray:
    """By maximum pseudo-likelihood: (sites, sites)."""
    machine = rf.BoltzmannMachine(X.shape[1] * n_states, units=rf.Categorical(n_states))
    rf.train(
        machine,
        X,
        method=rf.MaximumPseudoLikelihood(),
        optimizer=rf.Adam(rf.Linear(RATE)),
        penalties=L2,
        sample_weight=weights / weights.mean(),
        epochs=EPOCHS,
        batch_size=min(len(X), BATCH),
        seed=seed,
    )
    return machine.coupling_scores(gap=GAP)


def mean_field_scores(X: np.ndarray, weights: np.ndarray, n_states: int) -> np.ndarray:
    """By the inverse covariances of all letters but the gap, with a pseudocount of one half."""
    n, q = X.shape[1], n_states
    rows, shares = np.eye(q)[X].reshape(len(X), -1), weights / weights.sum()
    one, two = (shares @ rows + 1 / q) / 2, ((rows * shares[:, None]).T @ rows + 1 / q**2) / 2
    for i in range(0, n * q, q):
        two[i : i + q, i : i + q] = np.diag(one[i : i + q])
    kept = np.arange(n * q) % q != GAP
    W = np.zeros((n * q, n * q), np.float32)
    W[np.ix_(kept, kept)] = -np.linalg.inv((two - np.outer(one, one))[np.ix_(kept, kept)])
    site = np.arange(n * q) // q
    W = np.where(site[:, None] == site, 0, (W + W.T) / 2)
    machine = rf.BoltzmannMachine.from_arrays(W, np.zeros(n * q), units=rf.Categorical(q))
    return machine.coupling_scores(gap=GAP)


def best_pairs(scores: np.ndarray, least: int = 4) -> np.ndarray:
    """Pairs of sites that many apart or more, the best first: (n, 2)."""
    pairs = np.argwhere(np.triu(np.ones(scores.shape), least))
    return pairs[np.argsort(-scores[tuple(pairs.T)], kind="stable")]


def print_shares(name: str, are_right: np.ndarray) -> None:
    """Of the first 10, 20, 40 and 60 pairs, and of all."""
    shares = [are_right[:n].mean() for n in (10, 20, 40, 60, len(are_right))]
    print(f"{name:24}" + "".join(f"{share:8.2f}" for share in shares))


def cysteines_of(X: np.ndarray) -> np.ndarray:
    """The six most conserved columns of cysteines, from the left."""
    return np.sort(np.argsort(-(X == CYSTEINE).mean(axis=0))[:6])


def print_bridges(name: str, scores: np.ndarray, cysteines: np.ndarray) -> None:
    """Where the bridges come among all pairs of sites, and the best way to pair the cysteines."""
    ranks = {tuple(pair): rank + 1 for rank, pair in enumerate(best_pairs(scores, 1))}
    ways = {tuple(sorted(tuple(sorted(p[i : i + 2])) for i in (0, 2, 4))) for p in permutations(range(6))}
    among = scores[np.ix_(cysteines, cysteines)]
    best = sorted(ways, key=lambda way: -sum(among[pair] for pair in way))
    bridges = [ranks[tuple(cysteines[[*pair]])] for pair in BRIDGES]
    pairs = ", ".join(f"{i + 1}-{j + 1}" for i, j in best[0])
    print(f"{name:34}{bridges!s:17}{best.index(BRIDGES) + 1:3}{pairs:>16}")


def print_evidence(X: np.ndarray, weights: np.ndarray, cysteines: np.ndarray) -> None:
    """Of each bridge: weight of the sequences in which both cysteines are other letters; and by chance."""
    others, n = ~np.isin(X[:, cysteines], (GAP, CYSTEINE)), weights.sum()
    for i, j in BRIDGES:
        both, (one, other) = weights @ (others[:, i] & others[:, j]), weights @ others[:, [i, j]]
        print(
            f"{i + 1}-{j + 1}: both are others in {both:.1f} of {n:,.0f}, by chance in {one * other / n:.2f}"
        )


def shuffled(X: np.ndarray, columns: np.ndarray, seed: int) -> np.ndarray:
    """Each of these columns in an order of its own."""
    Y = X.copy()
    Y[:, columns] = np.random.default_rng(seed).permuted(X[:, columns], axis=0)
    return Y


def draw(found: dict[str, np.ndarray], marks: np.ndarray, path: Path) -> None:
    """Maps of the scores; marked pairs are circled."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.8), dpi=120, layout="constrained")
    for axes, (name, scores) in zip(figure.subplots(1, len(found), sharey=True), found.items(), strict=True):
        top = np.quantile(scores[~np.eye(len(scores), dtype=bool)], 0.998)
        axes.imshow(scores.clip(0), cmap="Blues", vmax=top)
        axes.plot(*marks.T[::-1], "o", markerfacecolor="none", color="firebrick", markersize=5, linewidth=0)
        axes.set(title=name, xlabel="site")
    figure.savefig(path)


def main() -> None:
    """Score all pairs of sites in both ways; compare with what is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("known", "lattice", "kunitz"))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if (options.what == "known") != (options.data is None):
        parser.error("known takes no file, the others take one")

    touch = None
    if options.data is None:
        X, touch = known(options.seed)
    else:
        with np.load(options.data) as file:
            X = file["x"]
    n_states, weights = int(X.max()) + 1, rf.sequence_weights(X)
    print(f"{len(X):,} sequences of {X.shape[1]} sites and {n_states} letters weigh {weights.sum():,.0f}")
    begin = time.perf_counter()
    found = {"pseudo-likelihood": learned_scores(X, weights, n_states, options.seed)}
    print(f"learned in {time.perf_counter() - begin:.0f} s")
    found["mean field"] = mean_field_scores(X, weights, n_states)
    if options.what == "kunitz":
        cysteines = cysteines_of(X)
        print_evidence(X, weights, cysteines)
        X = shuffled(X, cysteines, options.seed)
        alone = {
            "pseudo-likelihood, shuffled": learned_scores(X, weights, n_states, options.seed),
            "mean field, shuffled": mean_field_scores(X, weights, n_states),
        }
        print(f"{'':34}{'ranks of bridges':17}{'way':>3}{'best way':>16}")
        for name, scores in (found | alone).items():
            print_bridges(name, scores, cysteines)
        marks = cysteines[[*map(list, BRIDGES)]]
    else:
        print(f"{'share of the best pairs':24}" + "".join(f"{n:>8}" for n in (10, 20, 40, 60, "all")))
        for name, scores in found.items():
            pairs = best_pairs(scores, 4 if touch is not None else 2)
            apart = pairs[:, 1] - pairs[:, 0]
            print_shares(name, touch[tuple(pairs.T)] if touch is not None else (apart % 2 == 1))
        marks = (
            np.argwhere(np.triu(touch))
            if touch is not None
            else best_pairs(found["pseudo-likelihood"], 2)[:30]
        )
    if options.picture:
        draw(found, marks, options.picture)


if __name__ == "__main__":
    main()
