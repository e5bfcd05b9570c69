"""MNIST by a deep belief network that is fine-tuned by backpropagation, from scratch.

    python examples/mnist_backprop.py DATA [--seeds 0 1] [--quick]

DATA is an .npz file with train_x, train_y, test_x and test_y. A 784-500-500-2000 network learns without
labels, layer by layer; a softmax goes on top; backpropagation with dropout does the rest. The test images
are looked at once, at the end: rate, dropout and epochs are the best of three tried on the last 10 000
training images (docs/design/006).
"""

import time

from mnist_files import FEATURES, Digits, parser_of, read, tell_each

import rbmfast as rf

SIZES = [784, 500, 500, 2000]
EPOCHS = {"pre-training": 30, "fine-tuning": 120}
DROPOUT = [0.2, 0.4, 0.4, 0.5]  # of the inputs of each layer
QUICK = {"pre-training": 8, "fine-tuning": 15}


def pretrained(digits: Digits, epochs: int, seed: int) -> rf.DBN:
    """A network that has seen images only."""
    dbn = rf.DBN(SIZES, seed=seed)
    rf.pretrain(
        dbn,
        digits.X,
        epochs=epochs,
        seed=seed + 1,
        **FEATURES,
    )
    return dbn


def fine_tuned(dbn: rf.DBN, digits: Digits, epochs: int, seed: int) -> rf.Network:
    """The same with a softmax on top, after backpropagation."""
    network = dbn.to_network(10, seed=seed + 2)
    rf.fine_tune(
        network,
        digits.X,
        digits.y,
        optimizer=rf.SGD(rf.Linear(0.2, 0.001), momentum=0.9),
        dropout=DROPOUT,
        epochs=epochs,
        seed=seed + 3,
        progress=True,
    )
    return network


def main() -> None:
    """Train with each seed; print the test errors and their mean."""
    options = parser_of(__doc__).parse_args()
    epochs = QUICK if options.quick else EPOCHS
    digits, test = read(options.data)

    def learn(seed: int) -> tuple[str, float]:
        begin = time.perf_counter()
        dbn = pretrained(digits, epochs["pre-training"], seed)
        middle = time.perf_counter()
        network = fine_tuned(dbn, digits, epochs["fine-tuning"], seed)
        seconds = f"{middle - begin:.0f} s + {time.perf_counter() - middle:.0f} s"
        error = test.percent_wrong(network.predict(test.X))
        return f"pre-training + fine-tuning {seconds}, test error", error

    tell_each(options.seeds, learn)


if __name__ == "__main__":
    main()
