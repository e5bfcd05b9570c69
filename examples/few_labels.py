"""What pre-training is worth when labels are few: MNIST, where only some of the images have one.

    python examples/few_labels.py DATA [--labels 1000] [--seeds 0 1 2]

DATA is an .npz file with train_x, train_y, test_x and test_y. The same network, 784-500-500-2000-10, learns
by backpropagation from the first labelled images: once from random weights, once from weights that have seen
all images without labels. Both learn with the same settings, which were tuned for neither.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from mnist_backprop import SIZES, pretrained
from mnist_files import Digits, read

import rbmfast as rf

PRETRAINING = 10  # epochs of each RBM
FINE_TUNING = 100


def from_random_weights(seed: int) -> rf.Network:
    """Layers that know nothing, with weights of the size that keeps signals alive."""
    pairs = enumerate(pairwise(SIZES))
    layers = [rf.Dense.new(*pair, "sigmoid", seed=seed, layer=i) for i, pair in pairs]
    return rf.Network([*layers, rf.Dense.new(SIZES[-1], 10, "softmax", seed=seed, layer=len(layers))])


def error_of(network: rf.Network, labelled: Digits, test: Digits, epochs: int, seed: int) -> float:
    """Test error in percent after learning from the labelled images, as well from either start."""
    rf.fine_tune(
        network,
        labelled.X,
        labelled.y,
        optimizer=rf.Adam(rf.Linear(0.001, 0.0)),
        dropout=0.2,
        epochs=epochs,
        batch_size=50,
        seed=seed,
    )
    return test.percent_wrong(network.predict(test.X))


def main() -> None:
    """One row of the table for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=int, default=1000, help="labelled images (1000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pretraining", type=int, default=PRETRAINING, help="epochs of each RBM")
    parser.add_argument("--fine-tuning", type=int, default=FINE_TUNING, help="epochs")
    options = parser.parse_args()

    digits, test = read(options.data)
    labelled = digits.first(options.labels)
    print(f"test error in percent, {len(labelled.y)} labels\nseed    random weights    pre-trained")
    errors = []
    for seed in options.seeds:
        dbn = pretrained(digits, options.pretraining, seed)
        starts = from_random_weights(seed), dbn.to_network(10, seed=seed + 2)
        errors.append([error_of(net, labelled, test, options.fine_tuning, seed + 3) for net in starts])
        print(f"{seed:4}{errors[-1][0]:18.2f}{errors[-1][1]:15.2f}", flush=True)
    print("mean{:18.2f}{:15.2f}".format(*np.mean(errors, axis=0)))


if __name__ == "__main__":
    main()
