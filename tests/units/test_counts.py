"""Documents: lengths that are kept, draws of any length, what is refused, and that topics are learned."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from scipy.stats import chisquare

import rbmfast as rf
from rbmfast.streams import Stream
from rbmfast.units.binomial import draw_binomial, log_factorials

RNG = np.random.default_rng(0)


def documents(n: int, n_words: int = 6) -> tuple[Any, Any]:
    """Counts of words of either half of the vocabulary, more often than not; and which half."""
    topic = RNG.integers(0, 2, n)
    p = np.where((np.arange(n_words) < n_words // 2) == topic[:, None], 9, 1) / (5 * n_words)
    return np.array([RNG.multinomial(RNG.integers(1, 20), row) for row in p]), topic


def test_lengths_are_kept_wherever_documents_are_drawn_anew() -> None:
    X, _ = documents(40)
    rbm = rf.RBM.from_arrays(RNG.normal(size=(6, 3)), np.zeros(6), np.zeros(3), visible="counts")
    lengths = X.sum(axis=1)
    for drawn in (rbm.gibbs(X, 3, seed=1), rbm.sample(40, 3, seed=1, start=X), rbm.reconstruct(X)):
        assert_allclose(drawn.sum(axis=1), lengths, rtol=1e-6)
    assert_array_equal(rbm.gibbs(X[7:], 3, seed=1, first_row=7), rbm.gibbs(X, 3, seed=1)[7:])
    assert_allclose(rbm.visible_probabilities(np.eye(3)).sum(axis=1), 1, rtol=1e-6)  # of one word
    labelled = rf.ClassRBM(6, 3, 2, visible="counts", seed=0)
    joined = labelled.join(X, np.arange(40) % 2).all()
    assert_array_equal(labelled.gibbs(joined, 3, seed=1)[:, :6].sum(axis=1), lengths)


def test_the_hidden_bias_counts_once_a_word() -> None:
    rbm = rf.RBM.from_arrays([[0.5], [-1.0]], [0.0, 0.0], [0.25], visible="counts")
    x = 2 * 0.5 - 1.0 + 3 * 0.25
    assert_allclose(rbm.hidden_probabilities([[2, 1]]), 1 / (1 + np.exp(-x)), rtol=1e-6)
    assert_allclose(rbm.energy([[2, 1]], [[1]]), -x - np.log(3), rtol=1e-6)
    assert_allclose(rbm.free_energy([[2, 1]]), -np.log1p(np.exp(x)) - np.log(3), rtol=1e-6)


def test_long_documents_of_many_words() -> None:
    """Chi-square at 1e-6, of 100 words in 50 documents of 5000; and the binomial draws beneath."""
    x = RNG.normal(size=100).astype(np.float32)
    unit = rf.Counts(5000)
    drawn = unit.sample(np.tile(x, (50, 1)), Stream(1, 2, 3, 4))
    assert (drawn.sum(axis=1) == 5000).all()
    assert chisquare(drawn.sum(axis=0), 50 * 5000 * softmax(x.astype(float))).pvalue > 1e-6
    n, u = np.full(1000, 1e5), (np.arange(1000) + 0.5) / 1000
    assert_allclose(draw_binomial(n, np.full(1000, 1e-38), u), 0)
    assert_allclose(draw_binomial(n, np.full(1000, 1e38), u), 1e5)
    assert_allclose(draw_binomial(n, np.full(1000, 3.0), u).mean(), 0.75e5, rtol=1e-5)
    assert_allclose(log_factorials(5)[:6], np.log([1, 1, 2, 6, 24, 120]), rtol=1e-15)


def test_what_has_no_length_is_refused() -> None:
    X, _ = documents(20)
    rbm = rf.RBM(6, 3, visible="counts", seed=0)
    for ask in (
        lambda: rbm.sample(5, 2),
        lambda: rbm.sample_visible(np.eye(3)),
        lambda: rf.train(rbm, X, method="pcd", epochs=1),
        lambda: rf.log_partition(rbm),
        lambda: rf.log_likelihood(rbm, X),
        lambda: rf.pseudo_likelihood(rbm, X),
    ):
        with pytest.raises(ValueError, match=r"counts units(, which keep| take their length from)"):
            ask()
    with pytest.raises(ValueError, match=r"a network takes .* not those of counts units"):
        rf.DBN([6, 3], visible=rf.Counts(4), seed=0).to_network(2, "linear")
    with pytest.raises(ValueError, match="hidden must not be counts units"):
        rf.RBM(6, 3, hidden=rf.Counts(4))
    with pytest.raises(ValueError, match=r"X\[0, 1\] is -1, but states of counts units"):
        rf.train(rbm, [[0, -1, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match=r"X\[1\] has counts that add up to 2, .* have length 3"):
        rf.train(rf.RBM(2, 3, visible=rf.Counts(3), seed=0), [[0, 3], [1, 1]])


def test_a_model_of_all_lengths_is_one_of_each() -> None:
    rbm = rf.RBM.from_arrays(RNG.normal(size=(6, 3)), np.zeros(6), np.ones(3), visible="counts")
    for length in (1, 7):
        one = rf.RBM.from_arrays(rbm.W, rbm.a, rbm.b, visible=rf.Counts(length))
        of_it = np.array([RNG.multinomial(length, np.full(6, 1 / 6)) for _ in range(4)])
        assert_array_equal(one.free_energy(of_it), rbm.free_energy(of_it))
        V = one.visible.states(6, np.arange(one.visible.count_states(6)))
        assert_allclose(np.exp(rf.log_likelihood(one, V)).sum(), 1, rtol=1e-5)


def test_topics_are_learned() -> None:
    X, topic = documents(2000)
    rbm = rf.RBM(6, 1, visible="counts", seed=0)
    rf.train(rbm, X, optimizer=rf.Adam(0.02), epochs=15, batch_size=50, seed=1)
    found = rbm.hidden_probabilities(X)[:, 0] > 0.5
    assert max((found == topic).mean(), (found != topic).mean()) > 0.85


def test_documents_of_any_length_need_rows_to_take_it_from() -> None:
    rbm, X = rf.RBM(3, 2, visible="counts", seed=0), np.array([[2, 0, 1], [0, 3, 1]])
    start, whole = "method must start samples at the rows", "take a length from rows"
    holes = np.where(X == 3, np.nan, X)
    for match, settings in ((start, {"X": X, "method": rf.PCD()}), (whole, {"X": holes})):
        with pytest.raises(ValueError, match=match):
            rf.train(rbm, epochs=1, **settings)
    assert rbm.is_untouched


def test_absent_documents_teach_the_hidden_bias_of_their_length() -> None:
    """As the other units' own RBM would be taught, but for the draws; the words nothing."""
    W, b = np.random.default_rng(0).normal(size=(5, 2)) / 2, np.array([0.3, -0.2])
    bits = np.random.default_rng(1).integers(0, 2, (2000, 2)).astype(np.float64)
    alone = rf.RBM.from_arrays(W[3:], [0, 0], 3 * b)
    beside = rf.RBM.from_arrays(W, np.zeros(5), b, visible=rf.Mixed([(rf.Counts(3), 3), (rf.Bernoulli(), 2)]))
    settings: Any = {"missing": "absent", "epochs": 1, "batch_size": 2000, "optimizer": 1.0, "seed": 1}
    rf.train(alone, bits, **settings)
    rf.train(beside, np.hstack([np.full((2000, 3), np.nan), bits]), **settings)
    assert_allclose(beside.b - b, 3 * (alone.b - 3 * b), atol=0.02)
    assert not beside.a[:3].any() and abs(beside.b - b).min() > 0.05


def test_beside_other_units() -> None:
    """The first documents' length scales the hidden biases, in gradients, too; of any length is refused."""
    W, X = np.random.default_rng(0).normal(size=(5, 2)) / 2, np.array([[2, 0, 1, 1, 1], [0, 2, 0, 0, 3]])
    two = rf.Mixed([(rf.Counts(2), 2), (rf.Counts(3), 3)])

    def likelihood(b: np.ndarray) -> float:
        return rf.mean_log_likelihood(rf.RBM.from_arrays(W, np.zeros(5), b, visible=two), X).value

    b, step = np.array([0.3, -0.2]), 0.01
    slopes = [(likelihood(b + d) - likelihood(b - d)) / (2 * step) for d in step * np.eye(2)]
    gradient = rf.likelihood.exact_gradient(rf.RBM.from_arrays(W, np.zeros(5), b, visible=two), X)
    assert_allclose(gradient.b, slopes, atol=1e-4)
    of_any_length = rf.RBM(5, 2, visible=rf.Mixed([(rf.Counts(), 3), (rf.Bernoulli(), 2)]), seed=0)
    with pytest.raises(ValueError, match=r"take their length from rf.Counts\(length\)"):
        rf.pseudo_likelihood(of_any_length, [[2, 0, 1, 1, 0]])
