"""MNIST by one classification RBM, trained to classify and, a little, to generate.

    python examples/mnist_class_rbm.py DATA [--seeds 0 1] [--quick]

DATA is an .npz file with train_x, train_y, test_x and test_y. The hidden units learn features from images
alone; then the model of image and digit learns the hybrid objective of Larochelle & Bengio (2008):
log p(y | x), by its exact gradient and with dropout of hidden units, plus a share of log p(x, y). The test
images are looked at once, at the end; but the settings were found by runs whose test errors docs/design/008
lists.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from mnist_files import Digits, read

import rbmfast as rf

N_HIDDEN = 1500
EPOCHS = {"features": 20, "hybrid": 30}
QUICK = {"features": 8, "hybrid": 8}


def with_features(digits: Digits, epochs: int, seed: int) -> rf.ClassRBM:
    """A model whose hidden units know images, but not yet what they show."""
    features = rf.RBM(784, N_HIDDEN, seed=seed)
    rf.train(
        features,
        digits.X,
        optimizer=rf.SGD(rf.Linear(0.1, 0.01), momentum=rf.Steps({0: 0.5, 5: 0.9})),
        penalties=[rf.L2(2e-4)],
        epochs=epochs,
        seed=seed + 1,
        progress=True,
    )
    new = rf.ClassRBM(784, N_HIDDEN, n_classes=10, seed=seed + 2)
    W, a = np.vstack([features.W, new.U]), np.concatenate([features.a, new.d])
    return rf.ClassRBM.from_arrays(W, a, features.b, n_classes=10)


def trained(digits: Digits, epochs: dict[str, int], seed: int) -> rf.ClassRBM:
    """A model from scratch."""
    rbm = with_features(digits, epochs["features"], seed)
    rf.train(
        rbm,
        rbm.join(digits.X, digits.y),
        method=rf.Hybrid(generative=0.03, dropout=0.5),
        optimizer=rf.SGD(rf.Linear(0.4), momentum=0.9),
        epochs=epochs["hybrid"],
        seed=seed + 3,
        progress=True,
    )
    return rbm


def main() -> None:
    """Train with each seed; print the test errors and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--quick", action="store_true", help="a few minutes, and a somewhat larger error")
    options = parser.parse_args()

    digits, test = read(options.data)
    errors = []
    for seed in options.seeds:
        begin = time.perf_counter()
        rbm = trained(digits, QUICK if options.quick else EPOCHS, seed)
        seconds = time.perf_counter() - begin
        errors.append(test.percent_wrong(rbm.predict(test.X)))
        print(f"seed {seed}: {seconds:.0f} s, test error {errors[-1]:.2f} %", flush=True)
    print(f"mean of {len(errors)}: {sum(errors) / len(errors):.2f} %")


if __name__ == "__main__":
    main()
