"""Learning from data larger than memory, a chunk at a time.

    python examples/out_of_core.py

Chunks of whole batches teach, bit for bit, what the data teaches as a whole. With dask-ml installed
(``pip install dask-ml``), its wrapper does the same. Needs ``pip install 'rbmfast[sklearn]'``.
"""

import tempfile
from pathlib import Path

import numpy as np

from rbmfast.sklearn import BernoulliRBM

N_ROWS, N_FEATURES, CHUNK = 20_000, 256, 2_000


def write_data(path):
    """Rows of 0 and 1, in a file: the second half of the features repeats the first, with some noise."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.uint8, (N_ROWS, N_FEATURES))
    for first in range(0, N_ROWS, CHUNK):
        half = rng.random((CHUNK, N_FEATURES // 2)) < 0.2
        X[first : first + CHUNK] = np.hstack([half, half]) ^ (rng.random((CHUNK, N_FEATURES)) < 0.02)
    X.flush()


def new_model():
    """A CHUNK must hold whole batches."""
    return BernoulliRBM(n_components=64, batch_size=100, learning_rate=0.05, random_state=0)


def learn_in_chunks(X):
    """One sweep over the rows; repeat it for more."""
    rbm = new_model()
    for first in range(0, len(X), CHUNK):
        rbm.partial_fit(X[first : first + CHUNK])
    return rbm


def learn_at_once(X):
    """`fit` reads memory maps piece by piece, too."""
    return new_model().set_params(n_iter=1).fit(X)


def learn_with_dask(X):
    """dask-ml's wrapper calls `partial_fit` for each block of an array; blocks in order, whole rows."""
    import dask.array
    from dask_ml.wrappers import Incremental

    blocks = dask.array.from_array(X, chunks=(CHUNK, N_FEATURES))
    return Incremental(new_model(), shuffle_blocks=False).fit(blocks).estimator_


def main():
    """Learn in several ways, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npy"
        write_data(path)
        X = np.load(path, mmap_mode="r")
        chunks = learn_in_chunks(X)
        print(f"pseudo-likelihood after one sweep: {chunks.score_samples(X).mean():.1f} nats per row")
        print("chunks and whole agree:", np.array_equal(chunks.components_, learn_at_once(X).components_))
        try:
            wrapped = learn_with_dask(X)
        except ImportError:
            print("dask-ml is not installed")
        else:
            print("chunks and dask-ml agree:", np.array_equal(chunks.components_, wrapped.components_))


if __name__ == "__main__":
    main()
