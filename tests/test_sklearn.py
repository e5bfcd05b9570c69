"""The estimator: what it learns, answers and draws, from any data, and how it gets on with scikit-learn."""

import copy
import pickle
import re
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from engine.helpers import run_python

pytest.importorskip("sklearn")

import estimators
from estimators import ARRAYS, assert_same, rbm
from joblib import Parallel, delayed
from scipy.special import expit
from scipy.stats import mannwhitneyu
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM as Original

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.runtime import thread_limit
from rbmfast.sklearn import BernoulliRBM, patch
from rbmfast.sklearn.scores import flip_scores

OUTSIDE = "X has values outside"


def rows(n: int = 120, n_features: int = 12) -> np.ndarray:
    return estimators.rows(n, n_features)[0]


# --- Learning ----------------------------------------------------------------------------------------------


def test_learns_what_scikit_learn_learns() -> None:
    """Pseudo-likelihoods after 1, 3 and 10 iterations, 10 seeds each.

    The exact rank test is asked for p > 1e-4 three times: were the classes equal, another choice of seeds
    would fail less than once in 3000.
    """
    X = load_digits().data[:600] / 16
    for n_iter in (1, 3, 10):
        scores: dict[Any, list[float]] = {Original: [], BernoulliRBM: []}
        for kind, values in scores.items():
            for seed in range(10):
                m = kind(32, learning_rate=0.1, batch_size=10, n_iter=n_iter, random_state=seed).fit(X)
                model = rf.RBM.from_arrays(m.components_.T, m.intercept_visible_, m.intercept_hidden_)
                values.append(float(rf.pseudo_likelihood(model, X[:200]).mean()))
        theirs, ours = scores.values()
        assert mannwhitneyu(theirs, ours, method="exact").pvalue > 1e-4, (n_iter, theirs, ours)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_dtypes(method: str) -> None:
    for dtype, out in (("f4", "f4"), ("f8", "f8"), ("i8", "f8"), ("u1", "f8"), ("?", "f8")):
        X = rows().astype(dtype)
        m = getattr(rbm(), method)(X)
        assert {getattr(m, name).dtype for name in ARRAYS} == {np.dtype(out)}
        assert m.transform(X).dtype == out
        assert m.transform(rows()).dtype == np.float64


def test_grey_levels_teach_the_same_in_every_container() -> None:
    X = (np.random.default_rng(0).random((50, 9)) * (rows(50, 9) > 0)).astype(np.float32)
    assert_same(rbm().fit(X), rbm().fit(sp.csr_matrix(X)))
    assert_same(rbm().fit(X), rbm().fit(X.astype(np.float64)))


SETTINGS: list[dict[str, Any]] = [
    {},
    {"k": 3, "n_chains": 4},
    {"momentum": 0.5, "l2": 1e-3},
    {"l1": 1e-3, "sparsity_target": 0.1},
    {"method": "cd", "k": 2},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_parts_teach_what_the_whole_teaches(settings: dict[str, Any], container: Any) -> None:
    """Through pickles, too; without them, of several sweeps."""
    X = rows(125)
    whole, parts = rbm(n_iter=1, **settings).fit(container(X)), rbm(**settings)
    for part in (X[:50], X[50:60], X[60:125]):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(container(part))))
    assert_same(parts, whole)
    if not settings:
        assert_same(parts.partial_fit(X[:60]).partial_fit(X[60:]), rbm(n_iter=2).fit(X))


def test_partial_fit() -> None:
    """A chunk of at most a batch is one update; it goes on from what users assign; schedules need the end."""
    X = rows()
    m = rbm(n_components=3).partial_fit(X[:4])
    weights = rf.RBM(12, 3, seed=m._state.seed).W.T
    assert m._state.half_steps == 2
    assert 0 < np.abs(m.components_ - weights).max() < 0.2
    m = rbm().fit(X)
    m.components_ = np.zeros_like(m.components_)
    m.h_samples_[:] = 1
    assert np.abs(m.partial_fit(X[:10]).components_).max() < 0.2
    bare = rbm()
    arrays = np.ones((7, 12)), np.zeros(7), np.ones(12)
    bare.components_, bare.intercept_hidden_, bare.intercept_visible_ = arrays
    bare.n_features_in_ = 12
    assert np.abs(bare.partial_fit(X[:10]).components_ - 1).max() < 0.2
    with pytest.raises(ValueError, match="does not know the end"):
        rbm(learning_rate=rf.Linear(0.1)).partial_fit(X)
    assert rbm(learning_rate=rf.Linear(0.1)).fit(X).history_["rate"][-1] < 0.1


def test_warm_start_goes_on() -> None:
    X = rows()
    m = rbm(n_iter=2, warm_start=True, momentum=0.5)
    assert_same(m.fit(X).fit(X), rbm(n_iter=4, momentum=0.5).fit(X))
    with pytest.raises(ValueError, match="features"):
        m.fit(X[:, 1:])
    with pytest.raises(ValueError, match="n_components=3: the last fit had 7"):
        clone(m).fit(X).set_params(n_components=3).fit(X)
    m.set_params(learning_rate=rf.Exponential(0.2, 0.5)).fit(X).fit(X)
    np.testing.assert_allclose(m.history_["rate"][1:], [0.2, 0.1])
    cold = rbm(n_iter=2)
    assert_same(cold.fit(X).fit(X), rbm(n_iter=2).fit(X))


def test_weights_count_rows() -> None:
    """One update: a row of weight 2 counts as two rows."""
    X, weights = rows(10), np.array([2.0, 1, 0, 3, 1, 1, 0, 2, 1, 1])
    repeated = np.repeat(X, weights.astype(int), axis=0)
    for data, again in ((X, repeated), (X / 2, repeated / 2), (X * 2 - 1, repeated * 2 - 1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m = rbm(n_chains=5).partial_fit(data, sample_weight=weights * 10 / weights.sum())
            other = rbm(n_chains=5, batch_size=12).partial_fit(again)
        np.testing.assert_allclose(m.components_, other.components_, atol=1e-5)
        np.testing.assert_allclose(m.intercept_visible_, other.intercept_visible_, atol=1e-5)
        np.testing.assert_array_equal(m.h_samples_, other.h_samples_)
    assert_same(rbm().fit(X, sample_weight=np.ones(10)), rbm().fit(X))
    held_out = rbm(early_stopping=True).fit(X, sample_weight=np.arange(10.0))
    assert held_out.n_iter_ <= 3


def test_early_stopping_holds_rows_out() -> None:
    X = rows(100)
    m = rbm(n_iter=60, early_stopping=True, n_iter_no_change=2, learning_rate=0.5, validation_fraction=0.2)
    m.fit(X)
    scores = m.history_["validation_pseudo_likelihood"]
    assert m.n_iter_ == len(scores) - 1 < 60
    assert "no better validation_pseudo_likelihood" in m.history_.stopped
    assert m._state.rows == 80 * m.n_iter_
    with pytest.raises(ValueError, match="leaves no row"):
        rbm(early_stopping=True).fit(X[:1])
    for i in range(20):  # one value outside [0, 1] is known of if it is held out, too
        X = rows(20)
        X[i, 0] = 1.5
        with pytest.warns(UserWarning, match=OUTSIDE):
            rbm(early_stopping=True, n_iter=1).fit(X)


def test_an_interrupted_fit_leaves_the_last_complete_iteration() -> None:
    class Interrupt(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            if progress.epoch == 2:
                raise KeyboardInterrupt

    X = rows()
    m = rbm(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        m.fit(X)
    assert_same(m, rbm(n_iter=2).fit(X))
    assert_same(m.set_params(callbacks=None).partial_fit(X), rbm(n_iter=3).fit(X))
    assert not np.array_equal(rbm(shuffle=True).fit(X).components_, m.components_)


@pytest.mark.parametrize("first", [rbm(), rbm().fit(rows())], ids=["new", "fitted"])
def test_bad_data_changes_nothing(first: BernoulliRBM) -> None:
    X, holes, large = rows(), rows(n_features=5), rows()
    holes[3, 4], large[3, 4] = np.nan, np.inf
    for settings, data, weights, words in (
        ({}, holes, None, "NaN"),
        ({}, sp.csr_matrix(holes), None, "NaN"),
        ({}, large, None, "infinity"),
        ({}, sp.csr_matrix(large), None, "infinity"),
        ({"batch_size": 10**5}, np.zeros((40_000, 2), np.uint8), None, "32768"),
        ({}, X[:, 1:], [1], "sample_weight"),
        ({"early_stopping": True}, X, [1, 2], r"shape \(120,\), got \(2,\)"),
    ):
        m, same = copy.deepcopy(first).set_params(**settings), copy.deepcopy(first)
        with pytest.raises(ValueError, match=words):
            m.fit(data, sample_weight=weights)
        assert vars(m).keys() == vars(first).keys()
        if hasattr(first, "components_"):
            np.testing.assert_array_equal(m.transform(X), first.transform(X))
            np.testing.assert_array_equal(m.gibbs(X), same.gibbs(X))


def test_verbose_prints_the_line_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    X = rows()
    m = rbm(verbose=1).fit(X)
    lines = capsys.readouterr().out.splitlines()
    pattern = r"\[BernoulliRBM\] Iteration (\d), pseudo-likelihood = -\d+\.\d\d, time = \d+\.\d\ds"
    assert [int(re.fullmatch(pattern, line)[1]) for line in lines] == [1, 2, 3]  # type: ignore[index]
    assert_same(m, rbm().fit(X))


@pytest.mark.parametrize("scale", [1, 0.5, 3])
def test_scores_of_a_run_are_those_of_the_estimator(scale: float) -> None:
    """Of 0 and 1, grey levels and other numbers; about, as other rows and flips are chosen."""
    X = rows(400) * scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = rbm(verbose=1, early_stopping=True, learning_rate=1e-4).fit(X)
    for which in ("train", "validation"):
        score = m.history_[f"{which}_pseudo_likelihood"][-1]
        assert score == pytest.approx(m.score_samples(X).mean(), rel=0.5)


# --- Random numbers ----------------------------------------------------------------------------------------


def test_the_random_state_fixes_every_draw() -> None:
    X = rows()

    def results(random_state: Any) -> list[np.ndarray]:
        m = rbm(random_state=random_state).fit(X)
        return [m.components_, m.gibbs(X), m.gibbs(X), m.sample(5, n_steps=3), m.score_samples(X)]

    for one, other in zip(results(3), results(3), strict=True):
        np.testing.assert_array_equal(one, other)
    shared = np.random.RandomState(3)
    for one, other in zip(results(3)[:4], results(shared)[:4], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(results(shared)[0], results(3)[0])
    assert not np.array_equal(results(None)[0], results(None)[0])
    m = rbm().fit(X)
    first, second = m.gibbs(X), m.gibbs(X)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(m.fit(X).gibbs(X), first)
    for sample, states in ((m._sample_hiddens, X), (m._sample_visibles, m.transform(X) > 0.5)):
        rng = np.random.RandomState(1)  # these follow theirs
        first, second = sample(states, rng), sample(states, rng)
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(sample(states, np.random.RandomState(1)), first)


# --- Answers -----------------------------------------------------------------------------------------------


def fitted(**settings: Any) -> tuple[BernoulliRBM, np.ndarray, Original]:
    """An estimator, its data, and scikit-learn's with the same parameters."""
    X = rows()
    ours = rbm(n_iter=20, **settings).fit(X)
    theirs = Original(7, random_state=0)
    for name in (*ARRAYS, "n_features_in_"):
        setattr(theirs, name, getattr(ours, name))
    return ours, X, theirs


def test_answers_are_those_of_scikit_learn() -> None:
    ours, X, theirs = fitted()
    for V in (X, sp.csr_matrix(X), X / 2):
        np.testing.assert_allclose(ours.transform(V), theirs.transform(V), atol=1e-4)
        np.testing.assert_allclose(ours._free_energy(V), theirs._free_energy(V), atol=1e-3)
        np.testing.assert_allclose(ours.score_samples(V), theirs.score_samples(V), atol=1e-2)


def test_single_rows() -> None:
    m, X, _ = fitted()
    rng = np.random.RandomState(0)
    np.testing.assert_array_equal(m._mean_hiddens(X[0]), m.transform(X)[0])
    assert m._free_energy(X[0]) == m.free_energy(X)[0]
    assert m._sample_hiddens(X[0], rng).shape == (7,)
    assert m._sample_visibles(m.h_samples_[0], rng).shape == (12,)
    assert m.gibbs(X[0]).shape == (12,)
    assert m.gibbs([1] * 12).dtype == bool


def test_one_flip_estimates_the_exact_pseudo_likelihood() -> None:
    m, X, _ = fitted()
    model = rf.RBM.from_arrays(m.components_.T, m.intercept_visible_, m.intercept_hidden_)
    every = [flip_scores(model, [X.astype(np.uint8)], np.full(len(X), unit)) for unit in range(12)]
    np.testing.assert_allclose(np.mean(every, axis=0), m.pseudo_likelihood(X), atol=1e-4)
    np.testing.assert_array_equal(m.pseudo_likelihood(X), rf.pseudo_likelihood(model, X))


def test_score_is_the_mean_log_likelihood() -> None:
    m, X, _ = fitted()
    model = rf.RBM.from_arrays(m.components_.T, m.intercept_visible_, m.intercept_hidden_)
    assert m.score(X) == pytest.approx(rf.log_likelihood(model, X).mean())
    m.intercept_visible_ += 1  # users may: log Z is another
    changed = rf.RBM.from_arrays(m.components_.T, m.intercept_visible_, m.intercept_hidden_)
    assert m.score(X) == pytest.approx(rf.log_likelihood(changed, X).mean())


def test_score_of_a_larger_model() -> None:
    """By annealing, the same in a copy; within 0.2 nats, some ten standard errors, of the truth."""
    X = np.random.default_rng(0).integers(0, 2, (100, 18))
    X[:, 9:] = X[:, :9]
    m = BernoulliRBM(20, n_iter=20, random_state=0).fit(X)
    exact = rf.RBM.from_arrays(m.components_.T, m.intercept_visible_, m.intercept_hidden_)
    assert m.score(X) == pytest.approx(rf.log_likelihood(exact, X).mean(), abs=0.2)
    assert pickle.loads(pickle.dumps(m)).score(X) == m.score(X)


def test_beyond_scikit_learn() -> None:
    m, X, _ = fitted()
    model = rf.RBM.from_arrays(m.components_.T, m.intercept_visible_, m.intercept_hidden_)
    H = m.transform(X)
    np.testing.assert_array_equal(m.inverse_transform(H), model.visible_probabilities(H))
    assert m.inverse_transform(H.astype(np.float32)).dtype == np.float64
    assert m.sample(6, n_steps=2).shape == (6, 12)
    np.testing.assert_array_equal(m.free_energy(X), model.free_energy(X))
    holes = X.copy()
    holes[:, :3] = np.nan
    filled = m.impute(holes, n_steps=5)
    np.testing.assert_array_equal(filled[:, 3:], X[:, 3:])
    assert set(np.unique(filled)) <= {0, 1}
    with pytest.raises(TypeError, match="sparse"):
        m.impute(sp.csr_matrix(X))


def test_arrays_may_be_assigned_and_written_into() -> None:
    m, X, _ = fitted()
    m.transform(X)
    m.components_ *= 2
    np.testing.assert_allclose(m.transform(X), expit(X @ m.components_.T + m.intercept_hidden_), atol=1e-4)
    m.intercept_hidden_ = np.full(7, -1.0)
    np.testing.assert_allclose(m.transform(X), expit(X @ m.components_.T - 1), atol=1e-4)
    m.components_ = np.ascontiguousarray(m.components_) + 1e-9  # no float32 numbers
    np.testing.assert_allclose(m.transform(X), expit(X @ m.components_.T - 1), atol=1e-4)


def written_once(m: Any, X: Any) -> None:
    m.components_[0] = 2


def written_while_held(m: Any, X: Any) -> None:
    held = m.components_
    m.transform(X)
    held[0] = 2


def written_through_a_view(m: Any, X: Any) -> None:
    view = m.intercept_hidden_[:1]
    m.transform(X)
    view[:] = 2


def written_where_it_comes_from(m: Any, X: Any) -> None:
    whole = np.ones((2, 7, 12))
    m.components_ = whole[0]
    m.transform(X)
    whole[0, 0] = 2


def written_by_a_copy(m: Any, X: Any) -> None:
    m.transform(X)
    other = copy.copy(m)
    other.components_[0] = 2


WRITERS = (
    written_once,
    written_while_held,
    written_through_a_view,
    written_where_it_comes_from,
    written_by_a_copy,
)


def test_a_shallow_copy_answers_for_itself() -> None:
    """It shares the models that were made of arrays, and not the arrays."""
    X = np.random.default_rng(0).integers(0, 2, (40, 12)).astype(np.float64)
    learning = BernoulliRBM(7, n_iter=1, random_state=0).fit(X)
    best = copy.copy(learning)
    expected = best.transform(X)
    for _ in range(3):
        learning.partial_fit(X)
        assert not np.array_equal(learning.transform(X), expected)
        np.testing.assert_array_equal(best.transform(X), expected)


def test_an_array_may_be_deleted() -> None:
    learned = BernoulliRBM(7, n_iter=1, random_state=0).fit(np.eye(12))
    del learned.components_
    assert not hasattr(learned, "components_")


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_arrays_that_were_shown_are_looked_at(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    m, X = fitted()[:2]  # none that refers to the same arrays
    before = m.transform(X)
    write(m, X)
    changed = m.transform(X)
    assert (changed != before).any()
    np.testing.assert_allclose(changed, expit(X @ m.components_.T + m.intercept_hidden_), atol=1e-4)
    for name in ARRAYS:
        setattr(m, name, getattr(m, name).copy())
    m.transform(X)
    monkeypatch.setattr(engine, "hash_of", None)  # nobody has seen them since
    m.transform(X)


# --- Values outside [0, 1] ---------------------------------------------------------------------------------


def test_values_outside_are_taken_with_one_warning() -> None:
    X = np.random.default_rng(0).normal(size=(60, 12))
    m = rbm()
    with pytest.warns(UserWarning, match=OUTSIDE) as caught:
        m.fit(X)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        H = m.transform(X)
        np.testing.assert_allclose(H, expit(X @ m.components_.T + m.intercept_hidden_), atol=1e-5)
        np.testing.assert_array_equal(m.transform(sp.csr_matrix(X)), H)
        np.testing.assert_allclose(m.transform(X[::-1])[::-1], H, rtol=1e-7)
        np.testing.assert_allclose(m.transform(X[:1]), H[:1], rtol=1e-6)
        assert m.gibbs(X).dtype == bool
        assert np.isfinite(m.score_samples(X)).all()
        assert np.isfinite(m.score(X))
        m.partial_fit(X)
        m.sample(3, n_steps=2)


def test_values_outside_after_a_fit_within() -> None:
    m, X, theirs = fitted()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as test rows after a MinMaxScaler may be
        H, scores = m.transform(X * 3 - 1), m.score_samples(X * 3 - 1)
    np.testing.assert_allclose(H, theirs.transform(X * 3 - 1), atol=1e-5)
    np.testing.assert_allclose(scores, theirs.score_samples(X * 3 - 1), rtol=1e-4, atol=1e-3)
    unscaled = r"many values far outside \[0, 1\].*MinMaxScaler\(clip=True\)"
    with pytest.warns(UserWarning, match=unscaled) as caught:
        m.transform(X * 3)
    assert not caught[0].filename.endswith("estimator.py")  # but the caller's, here scikit-learn's wrapper


def test_values_outside_teach_what_they_teach_in_scikit_learn() -> None:
    """One update from zero weights: the gradient of the data is the same, that of the chains within noise."""
    X = np.random.default_rng(0).normal(3, 1, (2000, 5))
    kinds = [
        Original(4, batch_size=2000, n_iter=1, random_state=0),
        BernoulliRBM(4, batch_size=2000, n_iter=1, random_state=0),
    ]
    with pytest.warns(UserWarning, match=OUTSIDE):
        theirs, ours = (m.fit(X) for m in kinds)
    # initial weights differ by 0.014 (standard deviation), of 20; a missing gradient would show as 0.12
    np.testing.assert_allclose(theirs.components_, ours.components_, atol=0.09)
    np.testing.assert_allclose(theirs.intercept_visible_, ours.intercept_visible_, atol=0.006)


# --- Sparse and large data ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_sparse_data_is_never_dense_as_a_whole() -> None:
    X = sp.random(2000, 20_000, density=1e-3, format="csr", dtype=np.float32, random_state=0)
    X.data[:] = 1
    m = rbm(n_components=2, n_iter=1, batch_size=100)
    tracemalloc.start()
    m.set_params(verbose=1, early_stopping=True).fit(X).transform(X)
    m.score_samples(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6  # as bytes the whole would take 40e6, as float32 160e6


def test_wide_sparse_rows_do_not_saturate() -> None:
    """1000 x 20 136, very sparse: scikit-learn issue 9694, where all came out as ones; `centered` helps."""
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 3, 1000)
    frequent = np.stack([rng.permutation(20_136) for _ in range(3)])
    popularity = np.minimum(0.8, 3 / np.arange(1, 20_137))
    X = sp.lil_matrix((1000, 20_136), dtype=np.float32)
    for i, topic in enumerate(topics):
        X[i, frequent[topic][rng.random(20_136) < popularity]] = 1
    m = BernoulliRBM(50, learning_rate=0.05, batch_size=20, n_iter=2, centered=True, random_state=0)
    H = m.fit_transform(sp.csr_matrix(X))
    assert 0.2 < H.mean() < 0.8
    assert H.std(axis=0).min() > 0.01
    means = np.stack([H[topics == topic].mean(axis=0) for topic in range(3)])
    nearest = ((H[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == topics).mean() > 0.95


# --- Getting on with others --------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library: str) -> None:
    frames = pytest.importorskip(library)
    if library == "polars":
        pytest.importorskip("sklearn", minversion="1.4")
    X = rows().astype(np.float32)
    frame = frames.DataFrame({f"f{i}": column for i, column in enumerate(X.T)})
    m = rbm().set_output(transform=library)
    out = m.fit(frame).transform(frame)
    assert isinstance(out, frames.DataFrame)
    assert [*out.columns] == [f"bernoullirbm{i}" for i in range(7)]
    names = getattr(
        Original(7, n_iter=0).fit(frame), "feature_names_in_", None
    )  # old versions miss polars' names
    np.testing.assert_array_equal(getattr(m, "feature_names_in_", None), names)
    np.testing.assert_array_equal(np.asarray(out), rbm().fit(X).transform(X))
    assert estimators.transformer().fit(frame).transform(frame).dtype == np.asarray(out).dtype


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_in_joblib(backend: str) -> None:
    X = rows()
    before = rf.get_num_threads()
    results = Parallel(n_jobs=2, backend=backend)(delayed(rbm(random_state=i).fit)(X) for i in range(4))
    assert rf.get_num_threads() == before
    for i, m in enumerate(results):
        assert_same(m, rbm(random_state=i).fit(X))


def test_one_engine_thread_in_each_thread_of_joblib() -> None:
    seen = []

    class Look(rf.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            seen.append(rf.get_num_threads())

    rf.set_num_threads(3)
    m = rbm(n_iter=1, callbacks=[Look()])
    Parallel(n_jobs=2, backend="threading")(delayed(clone(m).fit)(rows()) for _ in range(2))
    m.fit(rows())
    rbm(n_iter=1, callbacks=[Look()], n_jobs=2).fit(rows())
    assert seen[-2:] == [3, 2]
    assert all(n in (1, 3) for n in seen[:-2])


def test_thread_limits_belong_to_a_thread() -> None:
    rf.set_num_threads(4)
    with thread_limit(2):
        assert rf.get_num_threads() == 2
        with thread_limit(3), thread_limit(None):
            assert rf.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(rf.get_num_threads).result() == 4
        assert rf.get_num_threads() == 2
    assert rf.get_num_threads() == 4


def test_copies_and_pickles() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    X = rows()
    m = rbm().fit(X)
    for twin in (pickle.loads(pickle.dumps(m)), pickle.loads(cloudpickle.dumps(m))):
        np.testing.assert_array_equal(twin.transform(X), m.transform(X))
        np.testing.assert_array_equal(twin.gibbs(X), copy.deepcopy(m).gibbs(X))
        assert_same(twin.partial_fit(X), copy.deepcopy(m).partial_fit(X))
    assert not hasattr(clone(m), "components_")


def test_patch() -> None:
    import sklearn.neural_network as place

    with patch():
        assert place.BernoulliRBM is BernoulliRBM
        with patch():
            from sklearn.neural_network import BernoulliRBM as Imported
        assert Imported is place.BernoulliRBM is BernoulliRBM
    assert place.BernoulliRBM is Original
    first, second = patch(), patch()
    first.undo()
    first.undo()
    assert place.BernoulliRBM is BernoulliRBM
    second.undo()
    assert place.BernoulliRBM is place._rbm.BernoulliRBM is Original


def test_without_scikit_learn() -> None:
    done = run_python(
        "import sys, rbmfast\nassert 'sklearn' not in sys.modules\nsys.modules['sklearn'] = None\n"
        "import rbmfast.sklearn"
    )
    assert "pip install 'rbmfast[sklearn]'" in done.stderr.splitlines()[-1]
