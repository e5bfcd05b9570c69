"""Two modes far apart: which way of learning gives each its weight? Measured exactly.

    python examples/bimodal.py [--seeds 5] [--epochs 200]

The data are noisy copies of two prototypes that share no unit. Models of ten visible and four hidden units,
equal at the start, learn from the same rows with the same rate, batches and epochs; only the samples of the
negative phase differ. All 1024 visible states are then summed over, so nothing below is an estimate:

- KL: what coding the data's distribution with the model's costs, in nats; 0 is perfect,
- first mode: the model's probability of states nearer to the first prototype.

CD never leaves the data's modes, so it cannot see what they weigh in the model. The chains of PCD are caught
in one mode or the other. Those of PT cross over through their hotter replicas, those of PTT by exchanges with
samples of what the model was before.
"""

import argparse
import time

import numpy as np

import rbmfast as rf
from rbmfast.likelihood import all_states, log_probabilities

N_VISIBLE, N_HIDDEN = 10, 4
NOISE = 0.02  # the chance of a unit to differ from its prototype
ROWS, BATCH_SIZE, RATE = 500, 50, 0.1
WEIGHTS = [(0.5, 0.5), (0.8, 0.2)]
METHODS = {
    "CD-1": rf.CD(k=1),
    "PCD-1": rf.PCD(k=1),
    "FPCD-1": rf.FPCD(k=1, fast_rate=0.05),
    "PT-1": rf.PT(n_replicas=8, k=1),
    "PTT-1": rf.PTT(k=1),
}

STATES = all_states(N_VISIBLE)
FIRST = np.arange(N_VISIBLE) < N_VISIBLE // 2
DISTANCES = [(prototype != STATES).sum(axis=1) for prototype in (FIRST, ~FIRST)]


def probabilities(weights):
    """Of all visible states: a mixture of two prototypes with noise."""
    modes = [NOISE**d * (1 - NOISE) ** (N_VISIBLE - d) for d in DISTANCES]
    return weights[0] * modes[0] + weights[1] * modes[1]


def learn(method, p, seed, epochs):
    """KL of a trained model from `p` in nats, its weight of the first mode, and the seconds it took."""
    rows = STATES[np.random.default_rng(seed).choice(len(STATES), ROWS, p=p)]
    rbm = rf.RBM(N_VISIBLE, N_HIDDEN, seed=seed)
    start = time.perf_counter()
    settings = {"method": method, "optimizer": rf.SGD(rf.Linear(RATE)), "penalties": (), "centered": False}
    rf.train(rbm, rows, epochs=epochs, batch_size=BATCH_SIZE, seed=seed, **settings)
    seconds = time.perf_counter() - start
    log_q = log_probabilities(rbm)
    first = np.exp(log_q)[DISTANCES[0] < DISTANCES[1]].sum()
    return p @ (np.log(p) - log_q), first, seconds


def results(weights, seeds, epochs):
    """For each method a row (KL, weight of the first mode, seconds) per seed."""
    p = probabilities(weights)
    return {
        name: np.array([learn(method, p, seed, epochs) for seed in seeds]) for name, method in METHODS.items()
    }


def main(arguments=None):
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many runs of each kind (5)")
    parser.add_argument("--epochs", type=int, default=200, help="passes over the data (200)")
    asked = parser.parse_args(arguments)

    print("data    method  KL, mean (largest)  first mode, lowest .. highest  s per run")
    for weights in WEIGHTS:
        for name, rows in results(weights, range(asked.seeds), asked.epochs).items():
            (kl, first, _), seconds = rows.T, np.median(rows[:, 2])
            label = f"{100 * weights[0]:.0f}:{100 * weights[1]:.0f}"
            spread = f"{first.min():.3f} .. {first.max():.3f}"
            print(f"{label:7} {name:7} {kl.mean():.3f} ({kl.max():.3f})       {spread:30} {seconds:.2f}")


if __name__ == "__main__":
    main()
