"""MNIST by a deep Boltzmann machine, 784-500-1000, from scratch: its likelihood, and digits by its features.

    python examples/mnist_dbm.py likelihood DATA DIGITS [--save MODEL] [--checkpoint FILE]
    python examples/mnist_dbm.py classify DIGITS [--seeds 0 1] [--quick]

DATA is an .npz file with `train` and `test`: rows of 0 and 1, or the same packed by numpy.packbits; the
published number is about the file of Salakhutdinov & Murray (2008). DIGITS is one with train_x, train_y,
test_x and test_y. As the programs of Salakhutdinov & Hinton (2009) do, the first command learns from pixels
that are drawn anew from the grey levels of DIGITS; the test rows are those of DATA. The lower layers learn
first, as an RBM; then all layers learn together, while the rate falls to 0: PCD-5, centred units. The
likelihood is bounded by mean field and by annealing from both sides.

To classify, the layers learn one by one, as in the paper, then together for a while; a network that begins
with the machine's weights learns on by backpropagation with dropout. The settings were chosen on the last
10 000 training images; the test images are looked at once, at the end.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from mnist_files import FEATURES, Digits, read, tell_each
from mnist_likelihood import DRAWS, drawn_from, train
from mnist_likelihood import read as read_binary

import rbmfast as rf

SIZES = [784, 500, 1000]
PUBLISHED = -84.62, 0.95  # Salakhutdinov & Hinton 2009: bound in nats, test error in percent
EPOCHS = {"layers": 30, "machine": 10, "fine-tuning": 90}
QUICK = {"layers": 8, "machine": 3, "fine-tuning": 15}


def learn_together(
    dbm: rf.DBM,
    X: rf.Packed | rf.Grey8,
    rate: float,
    decay: float,
    epochs: int,
    seed: int,
    checkpoint: Path | None = None,
) -> None:
    """All layers of the machine learn, from images only, while the rate falls to 0."""
    rf.train(
        dbm,
        X,
        method=rf.PCD(k=5, n_chains=100),
        optimizer=rf.SGD(rf.Linear(rate, 0.0)),
        penalties=[rf.L2(decay)],
        centered=True,
        epochs=epochs,
        batch_size=100,
        seed=seed,
        progress=True,
        checkpoint=checkpoint,
        resume=checkpoint if checkpoint is not None and checkpoint.exists() else None,
    )


def likelihood(options: argparse.Namespace) -> None:
    """Learn, estimate, print."""
    X, (X_train, X_test), seed = drawn_from(options.digits), read_binary(options.data), options.seed
    begin = time.perf_counter()
    rbms = [rf.RBM(*SIZES[:2], seed=seed), rf.RBM(*SIZES[1:], seed=seed + 2)]
    train(rbms[0], X, options.epochs[0], seed + 1, last_rate=0.02)
    dbm, epochs = rf.DBM.from_rbms(rbms), options.epochs[1] // DRAWS
    learn_together(dbm, X, 0.02, 1e-4, epochs, seed + 3, options.checkpoint)
    middle = time.perf_counter()
    if options.save:
        dbm.save(options.save)
    settings = {"n_chains": options.chains, "n_temperatures": options.temperatures, "seed": seed}
    z = rf.log_partition(dbm, "bracket", **settings)
    bound = rf.log_likelihood_bound(dbm, X_test, z, seed=seed)
    seconds = f"{middle - begin:.0f} s, log Z and bounds in {time.perf_counter() - middle:.0f} s"
    first, then = options.epochs
    print(f"{dbm}, {first} + {then} epochs in {seconds}\n")
    print(f"log Z                {z.value:9.2f} +- {z.stderr:.2f}  [{z.lower:.2f}, {z.upper:.2f}]")
    interval = f"[{bound.lower:.2f}, {bound.upper:.2f}]"
    print(f"test bound           {bound.value:9.2f} +- {bound.stderr:.2f}  {interval}")
    for part, name in zip(z.parts, ("forward", "reverse"), strict=True):
        print(f"  by {name} AIS     {bound.value + z.value - part.value:9.2f} +- {part.stderr:.2f}")
    print(f"  of {bound.n_samples} samples      {bound.tighter:9.2f}")
    training = rf.log_likelihood_bound(dbm, X_train[:10_000], z, n_samples=2, seed=seed)
    print(f"training bound       {training.value:9.2f}  (10 000 rows)")
    print(f"published test bound {PUBLISHED[0]:9.2f}")


def layer_by_layer(digits: Digits, epochs: int, seed: int) -> rf.DBM:
    """A machine of RBMs, each of which has learned by itself (Salakhutdinov & Hinton 2009, section 3.1).

    The first one sees every image twice, the second has two copies of its hidden layer: in place of what the
    layer between them hears from the other side later on. Copies begin alike, and their mean is taken.
    """
    (n, n1, n2), twice, learn = SIZES, np.hstack([digits.images] * 2), {**FEATURES, "epochs": epochs}
    low = rf.RBM.from_arrays(np.tile(rf.RBM(n, n1, seed=seed).W, (2, 1)), np.zeros(2 * n), np.zeros(n1))
    low.initialize(rf.Grey8(twice))
    rf.train(low, rf.Grey8(twice), seed=seed + 1, **learn)
    means = rf.Grey8(np.rint(255 * low.hidden_probabilities(rf.Grey8(twice))).astype(np.uint8))
    top = rf.RBM.from_arrays(np.tile(rf.RBM(n1, n2, seed=seed + 2).W, 2), np.zeros(n1), np.zeros(2 * n2))
    top.initialize(means)
    rf.train(top, means, seed=seed + 3, **learn)
    below = rf.RBM.from_arrays((low.W[:n] + low.W[n:]) / 2, (low.a[:n] + low.a[n:]) / 2, low.b / 2)
    above = rf.RBM.from_arrays((top.W[:, :n2] + top.W[:, n2:]) / 2, top.a / 2, (top.b[:n2] + top.b[n2:]) / 2)
    return rf.DBM.from_rbms([below, above])


def fine_tuned(dbm: rf.DBM, digits: Digits, epochs: int, seed: int) -> rf.Network:
    """A network that begins with the machine's weights, after backpropagation."""
    network = dbm.to_network(10, seed=seed)
    rf.fine_tune(
        network,
        dbm.features(digits.X),
        digits.y,
        optimizer=rf.SGD(rf.Linear(0.1, 0.001), momentum=0.9),
        dropout=[0.2, 0.35, 0.35],
        epochs=epochs,
        seed=seed,
        progress=True,
    )
    return network


def classify(options: argparse.Namespace) -> None:
    """Learn with each seed; print the test errors and their mean."""
    epochs = QUICK if options.quick else EPOCHS
    digits, test = read(options.data)

    def learn(seed: int) -> tuple[str, float]:
        begin = time.perf_counter()
        dbm = layer_by_layer(digits, epochs["layers"], seed)
        learn_together(dbm, digits.X, 0.01, 2e-4, epochs["machine"], seed + 4)
        middle = time.perf_counter()
        network = fine_tuned(dbm, digits, epochs["fine-tuning"], seed + 5)
        seconds = f"{middle - begin:.0f} s + {time.perf_counter() - middle:.0f} s"
        error = test.percent_wrong(network.predict(dbm.features(test.X)))
        return f"machine + fine-tuning {seconds}, test error", error

    tell_each(options.seeds, learn)


def main() -> None:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("likelihood", help="of binarised images")
    part.set_defaults(run=likelihood)
    part.add_argument("data", type=Path)
    part.add_argument("digits", type=Path)
    part.add_argument("--epochs", type=int, nargs=2, default=[200, 120], help="of the RBM, of all layers")
    part.add_argument("--seed", type=int, default=0)
    part.add_argument("--chains", type=int, default=500, help="of annealing, each way")
    part.add_argument("--temperatures", type=int, default=10_000)
    part.add_argument("--save", type=Path, help="a file for the model")
    part.add_argument("--checkpoint", type=Path, help="a file to save the run in, and to go on from")
    part = parts.add_parser("classify", help="digits")
    part.set_defaults(run=classify)
    part.add_argument("data", type=Path)
    part.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    part.add_argument("--quick", action="store_true", help="minutes a seed, and a larger error")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
