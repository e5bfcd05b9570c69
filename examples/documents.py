"""Topics of documents: a replicated softmax beside latent Dirichlet allocation, on words held out.

    python examples/documents.py DATA [--hidden 20 50] [--validate] [--topics 8]

DATA is an .npz file of two CSR matrices of word counts, `train_data`, `train_indices`, `train_indptr` and the
same for `test`, and `words`, the vocabulary: such as 20 newsgroups, 1000 words. Half of each test document's
words, drawn at random, are shown to a model, which then says how probable any word is; the table has the
perplexity of the other half, exp of the mean -log p a word. The RBM's p is the mean over draws of the hidden
units given the shown half; LDA's, that under the expected topics. Settings were chosen by --validate, which
tests on a tenth of the training documents instead. Needs ``pip install 'rbmfast[sklearn]'``.
"""

import argparse
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import LatentDirichletAllocation

import rbmfast as rf

CSR = "data", "indices", "indptr"
EPOCHS, RATE, BATCH = 16, 0.01, 200  # of the RBM; the rate falls to 0
PASSES, PRIOR = 10, 0.1  # over the documents, and of their topics, of LDA
DRAWS = 100  # of the hidden units, given what is shown of a document


def read(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Counts to learn from and to test on, without empty documents; the words."""
    with np.load(path) as file:
        words = [(re.findall(r"'(.+?)'", str(word)) or [str(word)])[0] for word in file["words"]]
        parts = [[file[f"{name}_{part}"] for part in CSR] for name in ("train", "test")]
    sets = [sp.csr_array(tuple(part), shape=(len(part[2]) - 1, len(words))).toarray() for part in parts]
    train, test = (X[X.sum(axis=1) > 0].astype(np.float32) for X in sets)
    return train, test, words


def perplexity(p: np.ndarray, held_out: np.ndarray) -> float:
    """Of counts of words, given the words' probabilities in each document."""
    return float(np.exp(-(held_out * np.log(p)).sum() / held_out.sum()))


def words_of_rbm(rbm: rf.RBM, X: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Probabilities of a word when the model has learned: the mean over draws of the hidden units."""
    optimizer = rf.Adam(rf.Linear(RATE))
    settings = {"method": rf.CD(), "optimizer": optimizer, "penalties": (), "centered": False}
    rf.train(rbm, X, epochs=EPOCHS, batch_size=BATCH, seed=1, **settings)
    draws = (rbm.visible_probabilities(rbm.sample_hidden(shown, seed=i)) for i in range(DRAWS))
    return sum(draws) / DRAWS


def words_of_lda(X: np.ndarray, n_topics: int, shown: np.ndarray) -> np.ndarray:
    """The same of latent Dirichlet allocation."""
    lda = LatentDirichletAllocation(n_topics, doc_topic_prior=PRIOR, max_iter=PASSES, random_state=0)
    topics = lda.fit(sp.csr_array(X)).components_
    return lda.transform(sp.csr_array(shown)) @ (topics / topics.sum(axis=1, keepdims=True))


def print_topics(rbm: rf.RBM, words: list[str], n: int) -> None:
    """The words that each of the most varied hidden units makes likely."""
    for unit in np.argsort(-rbm.W.std(axis=0))[:n]:
        print(f"  unit {unit:3}:", ", ".join(words[i] for i in np.argsort(-rbm.W[:, unit])[:8]))


def main() -> None:
    """Print a table, and topics."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--hidden", type=int, nargs="+", default=[20, 50], help="hidden units (20 50)")
    parser.add_argument("--validate", action="store_true", help="test on a tenth of the training documents")
    parser.add_argument("--topics", type=int, default=8, help="hidden units to print words of (8)")
    args = parser.parse_args()
    X, test, words = read(args.data)
    rng = np.random.default_rng(0)
    if args.validate:
        order = rng.permutation(len(X))
        test, X = X[order[: len(X) // 10]], X[order[len(X) // 10 :]]
    shown = rng.binomial(test.astype(np.int64), 0.5).astype(np.float32)
    held_out = test - shown

    def report(name: str, words_of: Callable[[], np.ndarray]) -> None:
        start = time.process_time()
        found = perplexity(words_of(), held_out)
        print(f"  {name:30} {found:6.1f}   {time.process_time() - start:5.1f}", flush=True)

    print(f"{'':32} perplexity  CPU, s")
    report("unigrams", lambda: ((X.sum(axis=0) + 1) / (X.sum() + X.shape[1]))[None])
    for n in args.hidden:
        report(f"LDA, {n} topics", partial(words_of_lda, X, n, shown))
        rbm = rf.RBM(X.shape[1], n, visible="counts", seed=0)
        report(f"replicated softmax, {n} hidden", partial(words_of_rbm, rbm, X, shown))
    print("\nwords of hidden units")
    print_topics(rbm, words, args.topics)


if __name__ == "__main__":
    main()
