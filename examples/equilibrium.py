"""Learning at equilibrium: trajectory tempering beside persistent chains, on digits and on a protein family.

    python examples/equilibrium.py digits mnist.npz [--seeds 0 1 2] [--updates 2400] [--methods PCD-1 PTT]
    python examples/equilibrium.py proteins kunitz.npz
    python examples/equilibrium.py table dna.npz [--hidden 512 --l2 0.002 --rate 0.1 --epochs 1200]

`digits`: zeros and ones, pixels above one half; 784 x 16 units, 500 chains, batches of 500, centred, a
constant rate. log Z is exact, so that every number is: the mean test log-likelihood in nats at each tenth of
the run, and what the method itself says of log Z less the truth.

`proteins`: the model of examples/proteins.py, by PCD-10 and by PTT in the same CPU time (PTT's epochs are as
many as that buys). Held-out log-likelihood by annealing from both sides, and how connected frequencies of
letters at two sites correlate between samples and held-out sequences.

`table`: rows of 0 and 1, packed, with `train`, `valid`, `test` and `n_features`. As many hidden units as one
likes: the epoch is the one with the best validation log-likelihood by PTT, the defaults are those with
the best annealed one (of 256 and 512 units, after 32 to 400, some penalties and two rates by PTT, on dna).
"""

import argparse
import time
from pathlib import Path

import numpy as np

import rbmfast as rf

BATCH = 500
PTT = rf.PTT(n_chains=200)  # of proteins
SAMPLE, DRAWN = 5, 5000  # epochs that tell what one costs; samples of a model
METHODS = {
    "PCD-1": rf.PCD(n_chains=BATCH),
    "PCD-10": rf.PCD(k=10, n_chains=BATCH),
    "FPCD": rf.FPCD(n_chains=BATCH),
    "PT": rf.PT(n_chains=BATCH),
    "PTT": rf.PTT(n_chains=BATCH),
}


# --- Digits ------------------------------------------------------------------------------------------------


class Watch(rf.Callback):
    """Notes the exact test log-likelihood, and the error of the method's own log Z, at each tenth."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows, self.found, self.seconds = rows, [], 0.0

    def on_epoch_end(self, progress) -> None:
        """Look at the model, outside of the time that learning takes."""
        if progress.epoch * 10 // progress.epochs == (progress.epoch - 1) * 10 // progress.epochs:
            return
        begin = time.process_time()
        z = rf.log_partition(progress.rbm)
        own = progress.history["log_z"][-1] if "log_z" in progress.history else np.nan
        self.found.append((rf.log_likelihood(progress.rbm, self.rows, log_z=z).mean(), own - z.value))
        self.seconds += time.process_time() - begin


def zeros_and_ones(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images to learn from and to test with, rows of 0 and 1."""
    with np.load(path) as file:
        sets = [(file[f"{which}_x"], file[f"{which}_y"]) for which in ("train", "test")]
    train, test = ((x[y < 2].reshape(-1, 784) > 127).astype(np.uint8) for x, y in sets)
    return train, test


def digits(options: argparse.Namespace) -> None:
    """A line of likelihoods for each method and seed; of PTT one of errors, too."""
    train, test = zeros_and_ones(options.data)
    epochs = round(options.updates / -(-len(train) // BATCH))
    tenths = "".join(f"{i}/10".rjust(8) for i in range(1, 11))
    print(f"{epochs} epochs; test log-likelihood in nats\n{'':16}{tenths}   CPU s")
    for name in options.methods:
        for seed in options.seeds:
            rbm, watch = rf.RBM(784, 16, seed=seed), Watch(test)
            begin = time.process_time()
            settings = {"optimizer": rf.SGD(0.05), "penalties": (), "centered": True, "batch_size": BATCH}
            settings |= {"method": METHODS[name], "epochs": epochs, "seed": seed + 1}
            history = rf.train(rbm, train, callbacks=[watch], **settings)
            seconds = time.process_time() - begin - watch.seconds
            likelihoods, errors = zip(*watch.found, strict=True)
            numbers = "".join(f"{x:8.1f}" for x in likelihoods)
            print(f"{name:8}seed {seed:<3} {numbers}{seconds:8.1f}", flush=True)
            if name == "PTT":
                stderr, rungs = history["log_z_stderr"][-1], history["rungs"][-1]
                print("  log Z off by   " + "".join(f"{x:8.2f}" for x in errors), end="")
                print(f"   ± {1.96 * stderr:.2f} at the end, {rungs:.0f} rungs", flush=True)


# --- Proteins ----------------------------------------------------------------------------------------------


def proteins(options: argparse.Namespace) -> None:
    """A line for each method, at equal CPU time."""
    import proteins as family

    with np.load(options.data) as file:
        letters = file["x"]
    n_letters = int(letters.max()) + 1
    one_hot = np.eye(n_letters, dtype=np.uint8)[letters].reshape(len(letters), -1)
    weights = rf.sequence_weights(letters, family.IDENTITY)
    order = np.random.default_rng(0).permutation(len(letters))
    held_out, learned = np.split(order, [round(family.HELD_OUT * len(letters))])
    truth = family.frequencies(one_hot[held_out], weights[held_out], n_letters)

    def learn(method: rf.training.Method, epochs: int) -> tuple[rf.RBM, float]:
        family.METHOD, begin = method, time.process_time()
        rbm = family.learn(one_hot[learned], weights[learned], n_letters, epochs, seed=0)
        return rbm, time.process_time() - begin

    models = {"PCD-10": learn(rf.PCD(k=10, n_chains=200), options.epochs)}
    _, once = learn(PTT, SAMPLE)
    models["PTT"] = learn(PTT, round(SAMPLE * models["PCD-10"][1] / once))
    print("method    CPU s   held-out log-likelihood        two sites, connected: samples and held out")
    for name, (rbm, seconds) in models.items():
        z = rf.log_partition(rbm, "bracket", n_chains=200, n_temperatures=options.temperatures, seed=1)
        each = rf.log_likelihood(rbm, one_hot[held_out], log_z=z)
        mean = np.average(each, weights=weights[held_out])
        low, high = mean + z.value - z.upper, mean + z.value - z.lower
        samples = rbm.sample(DRAWN, steps=200, seed=1, method="tempering")
        drawn = family.frequencies(samples, np.ones(DRAWN), n_letters)
        r = np.corrcoef(drawn.connected, truth.connected)[0, 1]
        print(f"{name:8}{seconds:7.0f}   {mean:.2f} [{low:.2f}, {high:.2f}]   {r:.3f}", flush=True)


# --- Tables ------------------------------------------------------------------------------------------------


def table(options: argparse.Namespace) -> None:
    """Learn, stop where the validation rows say, print the test log-likelihood."""
    with np.load(options.data) as file:
        parts = [np.unpackbits(file[name], axis=1) for name in ("train", "valid", "test")]
        train, valid, test = (rows[:, : int(file["n_features"])] for rows in parts)
    rbm, begin = rf.RBM(train.shape[1], options.hidden, seed=options.seed), time.process_time()
    history = rf.train(
        rbm,
        train,
        method=rf.PTT(n_chains=options.chains),
        optimizer=rf.SGD(rf.Linear(options.rate, options.rate / 50)),
        penalties=[rf.L2(options.l2)],
        centered=True,
        epochs=options.epochs,
        seed=options.seed + 1,
        validation=valid,
        monitors=[rf.LogLikelihood(max_rows=len(train))],
        callbacks=[rf.EarlyStopping("validation_log_likelihood", patience=options.epochs, restore_best=True)],
    )
    seconds, best = time.process_time() - begin, int(history["validation_log_likelihood"].argmax())
    own = history["validation_log_likelihood"][best]
    print(f"{seconds:.0f} s of CPU time; epoch {best}, validation {own:.2f} by PTT's log Z; annealed:")
    z = rf.log_partition(rbm, "bracket", n_chains=200, n_temperatures=options.temperatures, seed=options.seed)
    for name, rows in (("training", train), ("validation", valid), ("test", test)):
        print(f"{name:11}{rf.mean_log_likelihood(rbm, rows, z)}")


def main() -> None:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("digits", help="zeros and ones, with exact likelihoods")
    part.set_defaults(run=digits)
    part.add_argument("data", type=Path)
    part.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    part.add_argument("--updates", type=int, default=2400)
    part.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    part = parts.add_parser("proteins", help="a family, at equal CPU time")
    part.set_defaults(run=proteins)
    part.add_argument("data", type=Path)
    part.add_argument("--epochs", type=int, default=20, help="of PCD-10")
    part.add_argument("--temperatures", type=int, default=2000)
    part = parts.add_parser("table", help="rows of 0 and 1, by as many hidden units as one likes")
    part.set_defaults(run=table)
    part.add_argument("data", type=Path)
    part.add_argument("--hidden", type=int, default=512)
    part.add_argument("--l2", type=float, default=0.002)
    part.add_argument("--rate", type=float, default=0.1)
    part.add_argument("--chains", type=int, default=1000)
    part.add_argument("--epochs", type=int, default=1200)
    part.add_argument("--seed", type=int, default=0)
    part.add_argument("--temperatures", type=int, default=2000)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
