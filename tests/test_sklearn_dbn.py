"""DBNClassifier, DBNTransformer and ClassRBM: what they learn and answer, and what scikit-learn demands."""

import contextlib
import pickle
import re
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_sklearn_contract import BATCHES, EXPECTED, name_of

import rbmfast as rf
from rbmfast.sklearn import ClassRBM, DBNClassifier, DBNTransformer
from rbmfast.sklearn.base import draw_seed

UNSCALED = r"X has many values far outside \[0, 1\].*MinMaxScaler\(clip=True\)"

FINE_TUNINGS = ["backprop", "up_down", None]


def rows(n: int = 120, n_features: int = 12, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of three rows of 0.0 and 1.0, and which it is."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((3, n_features)) < 0.5
    y = rng.integers(0, 3, n)
    return (prototypes[y] ^ (rng.random((n, n_features)) < noise)).astype(np.float64), y


def dbn(**settings: Any) -> DBNClassifier:
    small = {"hidden_layer_sizes": (9, 7), "n_iter": 3, "fine_tuning_n_iter": 4, "random_state": 0}
    return DBNClassifier(**{**small, **settings})


def transformer(**settings: Any) -> DBNTransformer:
    return DBNTransformer(**{"hidden_layer_sizes": (9, 7), "n_iter": 3, "random_state": 0, **settings})


def class_rbm(**settings: Any) -> ClassRBM:
    return ClassRBM(**{"n_components": 9, "n_iter": 4, "random_state": 0, **settings})


CLASSIFIERS = [*(dbn(fine_tuning=how) for how in FINE_TUNINGS), class_rbm()]
ALL = [*CLASSIFIERS, transformer()]


def parameters(estimator: Any) -> list[np.ndarray]:
    """All that was learned."""
    found = []
    if hasattr(estimator, "network_"):
        found += [array for layer in estimator.network_.layers for array in (layer.W, layer.b)]
    if hasattr(estimator, "dbn_"):
        rbms = [*estimator.dbn_.generative, *estimator.dbn_.recognition]
    else:
        rbms = [estimator.rbm_]
    return found + [array for rbm in rbms for array in (rbm.W, rbm.a, rbm.b)]


def assert_same(one: Any, other: Any) -> None:
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)


# --- scikit-learn's checks ---------------------------------------------------------------------------------

# The three clusters of `check_classifiers_train` have two features. Standardised, they leave next to nothing
# for units of variance 1 to model, and so for labels above two layers of them.
UNSEEN = {"check_classifiers_train": "^$"}


def check_estimator(estimator: Any, check: Any) -> None:
    weights = {key: value for key, value in EXPECTED.items() if value == BATCHES}
    up_down = UNSEEN if estimator.get_params().get("fine_tuning") == "up_down" else {}
    expected = {} if isinstance(estimator, DBNTransformer) else {**weights, **up_down}
    why = expected.get(name_of(check))
    with pytest.raises(AssertionError, match=why) if why else contextlib.nullcontext():
        check(estimator)


@pytest.mark.slow  # two minutes
@parametrize_with_checks(
    [
        DBNClassifier(),
        DBNClassifier((6, 5), n_iter=2, fine_tuning_n_iter=2, fine_tuning="up_down"),
        DBNClassifier(8, n_iter=20, batch_size=10, learning_rate=0.2, fine_tuning=None, visible="gaussian"),
        DBNTransformer(),
        ClassRBM(),
    ]
)
def test_estimator_checks_at_length(estimator: Any, check: Any) -> None:
    check_estimator(estimator, check)


@parametrize_with_checks(
    [
        DBNClassifier((8, 6), n_iter=2, fine_tuning_n_iter=12, fine_tuning_learning_rate=0.02),
        DBNTransformer((8, 6), n_iter=2),
        ClassRBM(8, n_iter=5, learning_rate=0.5),
    ]
)
def test_estimator_checks(estimator: Any, check: Any) -> None:
    check_estimator(estimator, check)


# --- Learning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_train", "least"), [(600, 0.93), pytest.param(1347, 0.95, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("classifier", "scale"),
    [
        (DBNClassifier(random_state=0), 1),
        (ClassRBM(random_state=0), 16),
        pytest.param(DBNClassifier(random_state=0), 16, marks=pytest.mark.slow),
        pytest.param(ClassRBM(random_state=0), 1, marks=pytest.mark.slow),
    ],
)
def test_defaults_classify_digits(classifier: Any, scale: int, n_train: int, least: float) -> None:
    """Levels up to 16 are learned by Gaussian units, from 0 to 1 by Bernoulli units."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / scale, y, train_size=n_train, random_state=0)
    classifier = clone(classifier).fit(X_train, y_train)
    assert classifier.visible_ == ("gaussian" if scale == 1 else "bernoulli")
    assert classifier.score(X_test, y_test) > least


@pytest.mark.slow
def test_defaults_classify_small_tables() -> None:
    iris = load_iris(return_X_y=True)
    assert cross_val_score(DBNClassifier(random_state=0), *iris, cv=3).mean() >= 0.95
    y = np.arange(30) % 3  # well apart
    X = 3 * np.eye(3)[y] + 0.3 * np.random.default_rng(0).normal(size=(30, 3))
    assert DBNClassifier(random_state=0).fit(X[:20], y[:20]).score(X[20:], y[20:]) == 1.0


def test_passes_of_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    """50, and more where 2000 updates take more."""
    counts = []
    monkeypatch.setattr(rf, "fine_tune", lambda *_, epochs, **__: counts.append(epochs))
    X, y = rows(999)
    for size in (20, 30, 999):
        dbn(fine_tuning_n_iter="auto", n_iter=0, batch_size=size).fit(X, y).partial_fit(X, y)
    assert counts == [50, 1, 59, 1, 2000, 1]


def test_backprop_is_what_the_library_does() -> None:
    X, y = rows()
    clf = dbn(alpha=0.01, dropout=0.1).fit(X, y)
    rng = np.random.RandomState(0)
    net = rf.DBN([12, 9, 7], seed=draw_seed(rng))
    rf.pretrain(net, X, optimizer=rf.SGD(0.05, 0.9), epochs=3, batch_size=20, seed=draw_seed(rng))
    network = net.to_network(3, seed=draw_seed(rng))
    settings: dict[str, Any] = {"l2": 0.01, "dropout": 0.1, "epochs": 4, "batch_size": 20}
    rf.fine_tune(network, X, y, optimizer=rf.Adam(0.001), seed=draw_seed(rng), **settings)
    np.testing.assert_array_equal(clf.dbn_.top.W, net.top.W)
    for ours, theirs in zip(clf.network_.layers, network.layers, strict=True):
        np.testing.assert_array_equal(ours.W, theirs.W)
        np.testing.assert_array_equal(ours.b, theirs.b)
    np.testing.assert_allclose(clf.predict_proba(X), network.forward(X), atol=1e-6)
    assert clf.dbn_.is_tied
    assert len(clf.pretraining_history_) == 2
    assert len(clf.history_) == 5


def test_up_down_is_what_the_library_does() -> None:
    X, y = rows()
    clf = dbn(fine_tuning="up_down", alpha=0.01, fine_tuning_learning_rate=0.02).fit(X, y)
    rng = np.random.RandomState(0)
    net = rf.DBN([12, 9, 7], n_classes=3, seed=draw_seed(rng))
    rf.pretrain(net, X, y, optimizer=rf.SGD(0.05, 0.9), epochs=3, batch_size=20, seed=draw_seed(rng))
    before = clone(clf).set_params(fine_tuning=None).fit(X, y)
    np.testing.assert_array_equal(before.dbn_.top.W, net.top.W)
    assert before.history_ is None
    settings: dict[str, Any] = {"penalties": [rf.L2(0.01)], "epochs": 4, "batch_size": 20}
    rf.up_down(net, X, y, optimizer=rf.SGD(0.02, 0.9), seed=draw_seed(rng), **settings)
    for ours, theirs in zip(clf.dbn_.recognition, net.recognition, strict=True):
        np.testing.assert_array_equal(ours.W, theirs.W)
    np.testing.assert_allclose(clf.predict_log_proba(X), net.predict_log_proba(X), atol=1e-6)
    assert not hasattr(clf, "network_")


def test_transformer_is_what_the_library_does() -> None:
    X, y = rows()
    fitted = transformer().fit(X, y)
    assert_same(fitted, transformer().fit(X))
    np.testing.assert_array_equal(fitted.transform(X), fitted.dbn_.transform(X))
    H = fitted.transform(X)
    np.testing.assert_array_equal(fitted.inverse_transform(H), fitted.dbn_.visible_probabilities(H))
    assert fitted.transform(X).dtype == fitted.inverse_transform(H).dtype == np.float64
    assert fitted.transform(X.astype(np.float32)).dtype == np.float32
    assert list(fitted.get_feature_names_out()) == [f"dbntransformer{i}" for i in range(7)]


@pytest.mark.parametrize("generative", [0.0, 0.2])
def test_class_rbm_is_what_the_library_does(generative: float) -> None:
    X, y = rows()
    weights = np.linspace(1, 3, len(X))
    clf = class_rbm(generative=generative).fit(X, y, sample_weight=weights)
    rng = np.random.RandomState(0)
    rbm = rf.ClassRBM(12, 9, 3, seed=draw_seed(rng))
    rf.train(
        rbm,
        rbm.join(X, y),
        sample_weight=weights / weights.mean(),
        method=rf.Hybrid(generative) if generative else rf.Discriminative(),
        optimizer=rf.SGD(0.05, 0.9),
        epochs=4,
        batch_size=20,
        seed=draw_seed(rng),
    )
    np.testing.assert_array_equal(clf.rbm_.W, rbm.W)
    np.testing.assert_allclose(clf.predict_log_proba(X), rbm.class_log_probabilities(X), atol=1e-6)


def test_random_state_fixes_everything() -> None:
    X, y = rows()
    for estimator in ALL:
        one = clone(estimator).fit(X, y)
        assert_same(one, clone(estimator).fit(X, y))
        assert_same(pickle.loads(pickle.dumps(one)).fit(X, y), one)
        other = clone(estimator).set_params(random_state=1).fit(X, y)
        assert not np.array_equal(parameters(one)[0], parameters(other)[0])


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_every_container_teaches_the_same(visible: str) -> None:
    X, y = rows()
    for estimator in ALL:
        expected = clone(estimator).set_params(visible=visible).fit(X, y)
        answer = getattr(expected, "predict_proba", None) or expected.transform
        for same in (X.astype(np.float32), X.astype(bool), X.astype(int), sp.csr_matrix(X), X.tolist()):
            fitted = clone(expected).fit(same, y)
            assert_same(fitted, expected)
            again = getattr(fitted, "predict_proba", None) or fitted.transform
            np.testing.assert_array_equal(again(same), answer(X))


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_any_names_of_classes(classifier: Any) -> None:
    X, y = rows()
    numbers = clone(classifier).fit(X, y)
    for names in (
        np.array(["ant", "bee", "cow"]),
        np.array(["ant", "b", "c"], object),
        np.array([-2.0, 0, 7]),
    ):
        named = clone(classifier).fit(X, names[y])
        assert_same(named, numbers)
        assert list(named.classes_) == list(names)
        np.testing.assert_array_equal(named.predict(X), names[numbers.predict(X)])


# --- Weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_weights_of_rows(classifier: Any) -> None:
    """Only ratios count; a row of weight 0 is as good as absent; ones change nothing."""
    X, y = rows()
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    fitted = clone(classifier).fit(X, y, sample_weight=weights)
    assert_same(clone(classifier).fit(X, y, sample_weight=8.0 * weights), fitted)
    assert_same(
        clone(classifier).fit(X[weights > 0], y[weights > 0], sample_weight=weights[weights > 0]), fitted
    )
    equal = clone(classifier).fit(X, y)
    assert_same(clone(classifier).fit(X, y, sample_weight=np.full(len(X), 3.0)), equal)
    assert not np.array_equal(parameters(fitted)[0], parameters(equal)[0])
    for bad, words in (
        (weights[1:], "sample_weight must have shape (120,), got (119,)"),
        (-weights, "sample_weight must be finite and at least 0"),
        (0 * weights, "sample_weight must not be all zero"),
        (np.where(y == 0, 1, 0), "2 classes or more, got 1 class"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            clone(classifier).fit(X, y, sample_weight=bad)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_weights_are_numbers_of_rows(visible: str) -> None:
    """Exactly so where a batch is all the data."""
    X, y = rows()
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    whole = dbn(visible=visible, n_iter=0, fine_tuning_n_iter=30, batch_size=1000)
    one = clone(whole).fit(X, y, sample_weight=weights)
    many = clone(whole).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(one.predict_proba(X), many.predict_proba(X), rtol=1e-3)
    if visible == "gaussian":
        np.testing.assert_allclose(one.mean_, many.mean_, rtol=1e-6)
        np.testing.assert_allclose(one.scale_, many.scale_, rtol=1e-6)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_weights_of_classes(classifier: Any) -> None:
    """They are weights of rows; without classes, before backpropagation, nothing has any."""
    X, y = rows()
    names = np.array(["ant", "bee", "cow"])[y]
    factors = {"ant": 1.0, "bee": 2.0, "cow": 4.0}
    of_rows = np.random.default_rng(1).integers(1, 4, len(X))
    by_class = clone(classifier).set_params(class_weight=factors)
    if getattr(classifier, "fine_tuning", None) == "backprop":
        plain = clone(classifier).fit(X, names)
        weighted = clone(by_class).fit(X, names)
        assert weighted.dbn_.to_state()[1].keys() == plain.dbn_.to_state()[1].keys()
        np.testing.assert_array_equal(weighted.dbn_.top.W, plain.dbn_.top.W)
        classifier = clone(classifier).set_params(n_iter=0)
        by_class.set_params(n_iter=0)
    product = of_rows * np.array([*factors.values()])[y]
    expected = clone(classifier).fit(X, names, sample_weight=product)
    assert_same(clone(by_class).fit(X, names, sample_weight=of_rows), expected)
    totals = np.bincount(y, of_rows)
    expected = clone(classifier).fit(X, names, sample_weight=of_rows / totals[y])
    balanced = clone(by_class).set_params(class_weight="balanced").fit(X, names, sample_weight=of_rows)
    for ours, theirs in zip(parameters(balanced), parameters(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for bad, words in (
        ({"ant": -1.0}, "class_weight must be finite, at least 0, and not all zero, got {'ant': -1.0}"),
        ({"dog": 1.0}, "not in class_weight"),
        ("equal", "'class_weight' parameter"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            clone(by_class).set_params(class_weight=bad).fit(X, names)
    if hasattr(by_class, "partial_fit"):
        with pytest.raises(ValueError, match="class_weight must be a dict or None for partial_fit"):
            balanced.partial_fit(X, names)


@pytest.mark.parametrize("classifier", CLASSIFIERS[:2] + CLASSIFIERS[3:])
def test_weights_of_parts(classifier: Any) -> None:
    """They are taken as they are: parts may weigh more than others."""
    X, y = rows()
    fitted = clone(classifier).fit(X, y)
    by_row, by_class, twice, once = (pickle.loads(pickle.dumps(fitted)) for _ in range(4))
    by_row.partial_fit(X, y, sample_weight=1.0 + y)
    assert_same(by_class.set_params(class_weight={1: 2.0, 2: 3.0}).partial_fit(X, y), by_row)
    twice.partial_fit(X, y, sample_weight=np.full(len(X), 2.0))
    once.partial_fit(X, y, sample_weight=np.ones(len(X)))
    assert not np.array_equal(parameters(twice)[0], parameters(once)[0])
    assert_same(fitted.partial_fit(X, y), once)


def test_rare_classes_are_found_if_balanced() -> None:
    X, y = rows(600, noise=0.3)
    rare = np.flatnonzero((y > 0) | (np.arange(600) % 10 == 0))
    recalls = {}
    for classifier in (dbn(fine_tuning_learning_rate=0.01), class_rbm()):
        for weights in (None, "balanced"):
            fitted = clone(classifier).set_params(class_weight=weights).fit(X[rare], y[rare])
            recalls[weights] = (fitted.predict(X[y == 0]) == 0).mean()
        assert recalls["balanced"] > recalls[None] + 0.1


# --- Part by part ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classifier", CLASSIFIERS[:2] + CLASSIFIERS[3:])
def test_first_part(classifier: Any) -> None:
    """It teaches what a fit of one pass teaches."""
    X, y = rows()
    passes = "n_iter" if isinstance(classifier, ClassRBM) else "fine_tuning_n_iter"
    expected = clone(classifier).set_params(**{passes: 1}).fit(X, y)
    assert_same(clone(classifier).partial_fit(X, y, classes=[2, 0, 1]), expected)
    more = clone(classifier).partial_fit(X[y < 2], y[y < 2], classes=np.arange(4))
    assert more.predict_proba(X).shape == (120, 4)


@pytest.mark.parametrize("classifier", CLASSIFIERS[:2] + CLASSIFIERS[3:])
def test_parts_go_on(classifier: Any) -> None:
    X, y = rows()
    fitted = clone(classifier).set_params(n_iter=20).fit(X, y)
    if isinstance(fitted, DBNClassifier):
        fitted.set_params(fine_tuning_learning_rate={"backprop": 0.01, "up_down": 0.2}[fitted.fine_tuning])
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))
    losses = [-fitted.predict_log_proba(X)[np.arange(len(X)), y].mean()]
    for _ in range(20):
        assert_same(copied.partial_fit(X, y), fitted.partial_fit(X, y))
        losses.append(-fitted.predict_log_proba(X)[np.arange(len(X)), y].mean())
    assert losses[-1] < losses[0] - 0.05
    for bad, words in ((y + 1, "class 3, which"), (y[:-1], "a class for each row")):
        with pytest.raises(ValueError, match=words):
            fitted.partial_fit(X, bad)
    with pytest.raises(ValueError, match="classes must stay"):
        fitted.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="outside"):
        fitted.partial_fit(X + 1, y)
    assert_same(fitted, copied)
    with pytest.raises(ValueError, match="first call to partial_fit"):
        clone(classifier).partial_fit(X, y)


def test_partial_fit_needs_the_same_fine_tuning() -> None:
    X, y = rows()
    assert not hasattr(dbn(fine_tuning=None), "partial_fit")
    fitted = dbn().fit(X, y)
    with pytest.raises(ValueError, match="cannot go on with fine_tuning='up_down'"):
        fitted.set_params(fine_tuning="up_down").partial_fit(X, y)
    assert not hasattr(fitted.fit(X, y), "network_")


@pytest.mark.parametrize("generative", [0.0, 0.1])
def test_hidden_units_are_dropped(generative: float) -> None:
    X, y = rows()
    clf = class_rbm(generative=generative, dropout=0.4, n_iter=3).fit(X, y)
    assert not np.array_equal(clf.rbm_.W, class_rbm(generative=generative, n_iter=3).fit(X, y).rbm_.W)
    rng = np.random.RandomState(0)
    rbm = rf.ClassRBM(X.shape[1], clf.n_components, 3, seed=draw_seed(rng))
    method = rf.Hybrid(generative, dropout=0.4) if generative else rf.Discriminative(dropout=0.4)
    rf.train(rbm, rbm.join(X, y), method=method, optimizer=rf.SGD(0.05, 0.9), epochs=3, batch_size=20,
             seed=draw_seed(rng))  # fmt: skip
    np.testing.assert_array_equal(clf.rbm_.W, rbm.W)


# --- Rows without a class ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_rows_without_a_class() -> None:
    """Three named rows and many without: as the library learns, and better than from the three alone."""
    X, y = rows(600, 24, noise=0.2)
    named = np.array([np.flatnonzero(y == k)[0] for k in range(3)])
    some = np.full(len(y), -1)
    some[named] = y[named]
    settings: dict[str, Any] = {"unlabelled": 0.1, "generative": 0.1, "n_iter": 60}
    with_all = class_rbm(**settings).fit(X, some)
    assert list(with_all.classes_) == [0, 1, 2]
    alone = class_rbm(n_iter=200).fit(X[named], y[named])
    assert with_all.score(X, y) > alone.score(X, y) + 0.05
    rng = np.random.RandomState(0)
    rbm = rf.ClassRBM(24, 9, 3, seed=draw_seed(rng))
    method = rf.Hybrid(0.1, 0.1)
    optimizer = rf.SGD(0.05, 0.9)
    rf.train(rbm, rbm.join(X, some), method=method, optimizer=optimizer, epochs=60, batch_size=20,
             seed=draw_seed(rng))  # fmt: skip
    np.testing.assert_array_equal(with_all.rbm_.W, rbm.W)
    parts = class_rbm(**settings).partial_fit(X, some, classes=[0, 1, 2])
    assert_same(parts, class_rbm(**{**settings, "n_iter": 1}).fit(X, some))


def test_minus_one_is_a_class_unless_asked() -> None:
    X, y = rows()
    assert list(class_rbm().fit(X, y - 1).classes_) == [-1, 0, 1]
    assert list(class_rbm(unlabelled=0.1).fit(X, y - 1).classes_) == [0, 1]
    assert list(class_rbm(unlabelled=0.1).fit(X, y.astype(str)).classes_) == ["0", "1", "2"]


# --- Values outside [0, 1] ---------------------------------------------------------------------------------


def test_rounding_errors_of_scaling_are_not_outside() -> None:
    X, y = rows()
    for estimator in ALL:
        fitted = clone(estimator).fit(X * (1 + 3e-16) - 1e-17, y)
        assert fitted.visible_ == "bernoulli"
        assert_same(fitted, clone(estimator).fit(X, y))


def test_values_outside_are_answered_about_as_they_are() -> None:
    X, y = rows()
    for estimator in [*ALL, dbn(hidden_layer_sizes=9, fine_tuning=None)]:
        fitted = clone(estimator).fit(X, y)
        ask = getattr(fitted, "predict_proba", None) or fitted.transform
        outside = np.vstack([X, np.full(12, 50.0)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # few values, or a little outside: nothing to speak of
            answers = ask(outside)
            nearer = ask(np.full((1, 12), 1.0001))
            ask(np.array([[-1.0, 2.0] * 6]))
        np.testing.assert_allclose(answers[:-1], ask(X), atol=1e-4)
        with pytest.warns(UserWarning, match=UNSCALED):
            ask(16 * X)
        np.testing.assert_allclose(nearer, ask(np.ones((1, 12))), atol=2e-3)
        assert np.abs(answers[-1] - nearer).max() > 1e-4
        with pytest.raises(ValueError, match="visible='bernoulli' needs values in"):
            clone(estimator).set_params(visible="bernoulli").fit(X * 2, y)


@pytest.mark.parametrize("estimator", ALL)
def test_gaussian_units_see_standardised_features(estimator: Any) -> None:
    X, y = rows()
    X = np.hstack([8 * X + 3, np.full((len(X), 1), 7.0)])
    fitted = clone(estimator).fit(X, y)
    assert fitted.visible_ == "gaussian"
    np.testing.assert_allclose(fitted.mean_, X.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(fitted.scale_[:-1], X[:, :-1].std(axis=0), rtol=1e-6)
    assert fitted.scale_[-1] == 1
    assert_same(clone(estimator).fit(4 * X, y), fitted)
    standardised = (X.astype(np.float32) - fitted.mean_) / fitted.scale_
    model = fitted.dbn_ if hasattr(fitted, "dbn_") else fitted.rbm_
    if isinstance(estimator, DBNTransformer):
        np.testing.assert_array_equal(fitted.transform(X), model.transform(standardised))
        again = fitted.inverse_transform(fitted.transform(X))
        np.testing.assert_allclose(again.mean(axis=0), X.mean(axis=0), atol=1.0)
    elif not hasattr(fitted, "network_"):
        np.testing.assert_array_equal(fitted.predict(X), model.predict(standardised))
    else:
        np.testing.assert_array_equal(fitted.predict(X), fitted.network_.predict(standardised))


# --- With the rest of scikit-learn -------------------------------------------------------------------------


@pytest.mark.filterwarnings("error:X has:UserWarning")  # test rows a step beyond training rows are no news
def test_pipelines_and_searches() -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:400], y[:400]
    search = GridSearchCV(
        make_pipeline(MinMaxScaler(), dbn(fine_tuning_learning_rate=0.01)),
        {
            "dbnclassifier__hidden_layer_sizes": [(10,), (40, 40)],
            "dbnclassifier__fine_tuning_n_iter": [1, 10],
        },
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert search.best_score_ > 0.7
    assert search.best_params_["dbnclassifier__fine_tuning_n_iter"] == 10
    features = make_pipeline(
        MinMaxScaler(), transformer(hidden_layer_sizes=60, n_iter=10), LogisticRegression()
    )
    assert features.fit(X, y).score(X, y) > 0.8
    scaled = make_pipeline(MinMaxScaler(), class_rbm(learning_rate=0.2, n_iter=20))
    assert cross_val_score(scaled, X, y, cv=2).mean() > 0.8


def test_verbose(capfd: pytest.CaptureFixture[str]) -> None:
    X, y = rows()
    for estimator in ALL:
        clone(estimator).fit(X, y)
        assert capfd.readouterr() == ("", "")
        clone(estimator).set_params(verbose=1).fit(X, y)
        assert capfd.readouterr().err


# --- Errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"hidden_layer_sizes": 0}, "'hidden_layer_sizes' parameter of DBNClassifier"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be integers of at least 1, got (3, 0)"),
        ({"hidden_layer_sizes": (3.5,)}, "hidden_layer_sizes must be integers"),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes must be integers"),
        ({"hidden_layer_sizes": (3,), "fine_tuning": "up_down"}, "needs two hidden layers or more, got (3,)"),
        ({"visible": "real"}, "'visible' parameter"),
        ({"fine_tuning": "adam"}, "'fine_tuning' parameter"),
        ({"learning_rate": 0.0}, "'learning_rate' parameter"),
        ({"momentum": 1.0}, "'momentum' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"fine_tuning_learning_rate": -1.0}, "'fine_tuning_learning_rate' parameter"),
        ({"alpha": -1.0}, "'alpha' parameter"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"fine_tuning_n_iter": "many"}, "'fine_tuning_n_iter' parameter"),
    ],
)
def test_bad_parameters(bad: dict[str, Any], words: str) -> None:
    X, y = rows()
    classifier = clone(dbn(**bad))  # neither the constructor nor clone looks
    before = set(vars(classifier))
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        classifier.fit(X, y)
    assert set(vars(classifier)) == before


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("error", [FloatingPointError, KeyboardInterrupt])
def test_a_failed_fit_changes_nothing(
    estimator: Any, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = rows()
    fitted = clone(estimator).fit(X, y)
    before, same = dict(vars(fitted)), pickle.loads(pickle.dumps(fitted))

    def fail(*arguments: Any, **settings: Any) -> None:
        raise error

    last = {"backprop": "fine_tune", "up_down": "up_down", None: "pretrain"}
    name = "train" if isinstance(estimator, ClassRBM) else last[fitted.get_params().get("fine_tuning")]
    monkeypatch.setattr(rf, name, fail)
    calls = [fitted.fit, *([fitted.partial_fit] if hasattr(fitted, "partial_fit") else [])]
    for call in calls:
        with pytest.raises(error):
            call(X[:, 1:] if call == fitted.fit else X, y)
        assert vars(fitted) == before
    assert_same(fitted, same)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_one_class_is_none(classifier: Any) -> None:
    X, y = rows()
    with pytest.raises(ValueError, match="2 classes or more, got 1 class"):
        clone(classifier).fit(X, np.zeros_like(y))
