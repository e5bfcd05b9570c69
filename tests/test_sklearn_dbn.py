"""DBNClassifier, DBNTransformer and ClassRBM: what they learn and answer."""

import pickle
import re
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from estimators import CLASSIFIERS, LEARNERS, answer, assert_same, class_rbm, dbn, learned, rows, transformer
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import cross_val_score, train_test_split
from training.helpers import TEXTBOOK

import rbmfast as rf
from rbmfast.sklearn import RBM, ClassRBM, DBNClassifier, DBNRegressor, DBNTransformer
from rbmfast.sklearn.base import draw_seed

UNSCALED = r"X has many values far outside \[0, 1\].*MinMaxScaler\(clip=True\)"
IN_PARTS = [classifier for classifier in CLASSIFIERS if hasattr(classifier, "partial_fit")]

# --- Learning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_train", "least"), [(600, 0.93), pytest.param(1347, 0.95, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("classifier", "scale"),
    [
        (DBNClassifier(random_state=0), 1),
        pytest.param(ClassRBM(random_state=0), 16, marks=pytest.mark.slow),
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


BY_LIBRARY: dict[str, Any] = {"epochs": 4, "batch_size": 20}  # as `dbn` and `class_rbm` learn


def pretrained(
    X: np.ndarray, *labels: Any, n_classes: int | None = None
) -> tuple[rf.DBN, np.random.RandomState]:
    """What the library makes of the data, and where its next seed comes from."""
    rng = np.random.RandomState(0)
    net = rf.DBN([12, 9, 7], n_classes=n_classes, seed=draw_seed(rng))
    settings = {**TEXTBOOK, "optimizer": rf.SGD(0.05, 0.9), "epochs": 3, "batch_size": 20}
    rf.pretrain(net, X, *labels, seed=draw_seed(rng), **settings)
    return net, rng


def test_backprop_is_what_the_library_does() -> None:
    X, y = rows()
    clf = dbn(alpha=0.01, dropout=0.1).fit(X, y)
    net, rng = pretrained(X)
    network = net.to_network(3, seed=draw_seed(rng))
    settings: dict[str, Any] = {"l2": 0.01, "dropout": 0.1, **BY_LIBRARY}
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
    net, rng = pretrained(X, y, n_classes=3)
    before = clone(clf).set_params(fine_tuning=None).fit(X, y)
    np.testing.assert_array_equal(before.dbn_.top.W, net.top.W)
    assert before.history_ is None
    settings: dict[str, Any] = {"penalties": [rf.L2(0.01)], **BY_LIBRARY}
    rf.up_down(net, X, y, optimizer=rf.SGD(0.02, 0.9), seed=draw_seed(rng), **settings)
    for ours, theirs in zip(clf.dbn_.recognition, net.recognition, strict=True):
        np.testing.assert_array_equal(ours.W, theirs.W)
    np.testing.assert_allclose(clf.predict_log_proba(X), net.predict_log_proba(X), atol=1e-6)
    assert not hasattr(clf, "network_")


def test_transformer_is_what_the_library_does() -> None:
    X, y = rows()
    fitted = transformer().fit(X, y)
    assert_same(fitted, transformer().fit(X))
    H = fitted.transform(X)
    np.testing.assert_array_equal(H, fitted.dbn_.transform(X))
    np.testing.assert_array_equal(fitted.inverse_transform(H), fitted.dbn_.visible_probabilities(H))
    assert H.dtype == fitted.inverse_transform(H).dtype == np.float64
    assert fitted.transform(X.astype(np.float32)).dtype == np.float32
    assert list(fitted.get_feature_names_out()) == [f"dbntransformer{i}" for i in range(7)]


def class_rbm_by_library(X: np.ndarray, y: np.ndarray, method: Any, **settings: Any) -> rf.ClassRBM:
    rng = np.random.RandomState(0)
    rbm = rf.ClassRBM(X.shape[1], 9, 3, seed=draw_seed(rng))
    settings = {**TEXTBOOK, "method": method, "optimizer": rf.SGD(0.05, 0.9), **BY_LIBRARY, **settings}
    rf.train(rbm, rbm.join(X, y), seed=draw_seed(rng), **settings)
    return rbm


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({"generative": 0.0}, rf.Discriminative()),
        ({"generative": 0.2}, rf.Hybrid(0.2)),
        ({"generative": 0.0, "dropout": 0.4}, rf.Discriminative(0.4)),
        ({"generative": 0.1, "dropout": 0.4}, rf.Hybrid(0.1, dropout=0.4)),
    ],
)
def test_class_rbm_is_what_the_library_does(settings: dict[str, float], method: Any) -> None:
    X, y = rows()
    weights = np.linspace(1, 3, len(X))
    clf = class_rbm(**settings).fit(X, y, sample_weight=weights)
    rbm = class_rbm_by_library(X, y, method, sample_weight=weights / weights.mean())
    np.testing.assert_array_equal(clf.rbm_.W, rbm.W)
    np.testing.assert_allclose(clf.predict_log_proba(X), rbm.class_log_probabilities(X), atol=1e-6)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_any_names_of_classes(classifier: Any) -> None:
    X, y = rows()
    numbers = clone(classifier).fit(X, y)
    for names in (np.array(["ant", "b", "c"], object), np.array([-2.0, 0, 7])):
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
    assert not np.array_equal(learned(fitted)[0], learned(equal)[0])
    for bad, words in (
        (weights[1:], "sample_weight must have shape (120,), got (119,)"),
        (-weights, "sample_weight must be finite and at least 0"),
        (0 * weights, "sample_weight must not be all zero"),
        (np.where(y == 0, 1, 0), "2 classes or more, got 1 class"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            clone(classifier).fit(X, y, sample_weight=bad)
    with pytest.raises(ValueError, match="2 classes or more, got 1 class"):
        clone(classifier).fit(X, np.zeros_like(y))


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
    for ours, theirs in zip(learned(balanced), learned(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for bad, words in (
        ({"ant": -1.0}, "class_weight must be finite, at least 0, and not all zero, got {'ant': -1.0}"),
        ({"dog": 1.0}, "not in class_weight"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            clone(by_class).set_params(class_weight=bad).fit(X, names)
    if hasattr(by_class, "partial_fit"):
        with pytest.raises(ValueError, match="class_weight must be a dict or None for partial_fit"):
            balanced.partial_fit(X, names)


@pytest.mark.parametrize("classifier", IN_PARTS)
def test_weights_of_parts(classifier: Any) -> None:
    """They are taken as they are: parts may weigh more than others."""
    X, y = rows()
    fitted = clone(classifier).fit(X, y)
    by_row, by_class, twice, once = (pickle.loads(pickle.dumps(fitted)) for _ in range(4))
    by_row.partial_fit(X, y, sample_weight=1.0 + y)
    assert_same(by_class.set_params(class_weight={1: 2.0, 2: 3.0}).partial_fit(X, y), by_row)
    twice.partial_fit(X, y, sample_weight=np.full(len(X), 2.0))
    once.partial_fit(X, y, sample_weight=np.ones(len(X)))
    assert not np.array_equal(learned(twice)[0], learned(once)[0])
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


@pytest.mark.parametrize("classifier", IN_PARTS)
def test_first_part(classifier: Any) -> None:
    """It teaches what a fit of one pass teaches."""
    X, y = rows()
    passes = "n_iter" if isinstance(classifier, ClassRBM) else "fine_tuning_n_iter"
    expected = clone(classifier).set_params(**{passes: 1}).fit(X, y)
    assert_same(clone(classifier).partial_fit(X, y, classes=[2, 0, 1]), expected)
    more = clone(classifier).partial_fit(X[y < 2], y[y < 2], classes=np.arange(4))
    assert more.predict_proba(X).shape == (120, 4)


@pytest.mark.parametrize("classifier", IN_PARTS)
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
    for bad, words in ((y + 1, "class 3, which"), (y[:-1], "inconsistent numbers of samples")):
        with pytest.raises(ValueError, match=words):
            fitted.partial_fit(X, bad)
    with pytest.raises(ValueError, match="is not the same as on last call"):
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
    by_library = class_rbm_by_library(X, some, rf.Hybrid(0.1, 0.1), epochs=60)
    np.testing.assert_array_equal(with_all.rbm_.W, by_library.W)
    parts = class_rbm(**settings).partial_fit(X, some, classes=[0, 1, 2])
    assert_same(parts, class_rbm(**{**settings, "n_iter": 1}).fit(X, some))


def test_minus_one_is_a_class_unless_asked() -> None:
    X, y = rows()
    assert list(class_rbm().fit(X, y - 1).classes_) == [-1, 0, 1]
    assert list(class_rbm(unlabelled=0.1).fit(X, y - 1).classes_) == [0, 1]
    assert list(class_rbm(unlabelled=0.1).fit(X, y.astype(str)).classes_) == ["0", "1", "2"]


# --- Values outside [0, 1] ---------------------------------------------------------------------------------


def test_values_outside_are_answered_about_as_they_are() -> None:
    X, y = rows()
    for estimator in [*LEARNERS, dbn(hidden_layer_sizes=9, fine_tuning=None)]:
        fitted = clone(estimator).fit(X, y)
        outside = np.vstack([X, np.full(12, 50.0)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # few values, or a little outside: nothing to speak of
            answers = answer(fitted, outside)
            nearer = answer(fitted, np.full((1, 12), 1.0001))
            answer(fitted, np.array([[-1.0, 2.0] * 6]))
        np.testing.assert_allclose(answers[:-1], answer(fitted, X), atol=1e-4)
        with pytest.warns(UserWarning, match=UNSCALED):
            answer(fitted, 16 * X)
        np.testing.assert_allclose(nearer, answer(fitted, np.ones((1, 12))), atol=2e-3)
        assert np.abs(answers[-1] - nearer).max() > 1e-4
        with pytest.raises(ValueError, match="visible='bernoulli' needs values in"):
            clone(estimator).set_params(visible="bernoulli").fit(X * 2, y)


@pytest.mark.parametrize("estimator", LEARNERS)
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
    if isinstance(estimator, RBM):
        np.testing.assert_array_equal(fitted.transform(X), model.hidden_probabilities(standardised))
    elif isinstance(estimator, DBNRegressor):
        expected = fitted.network_.predict(standardised) * fitted.target_scale_ + fitted.target_mean_
        np.testing.assert_array_equal(fitted.predict(X), expected[:, 0])
    elif isinstance(estimator, DBNTransformer):
        np.testing.assert_array_equal(fitted.transform(X), model.transform(standardised))
        again = fitted.inverse_transform(fitted.transform(X))
        np.testing.assert_allclose(again.mean(axis=0), X.mean(axis=0), atol=1.0)
    elif not hasattr(fitted, "network_"):
        np.testing.assert_array_equal(fitted.predict(X), model.predict(standardised))
    else:
        np.testing.assert_array_equal(fitted.predict(X), fitted.network_.predict(standardised))


# --- With the rest of scikit-learn -------------------------------------------------------------------------


def test_verbose(capfd: pytest.CaptureFixture[str]) -> None:
    X, y = rows()
    for estimator in LEARNERS:
        clone(estimator).fit(X, y)
        assert capfd.readouterr() == ("", "")
        clone(estimator).set_params(verbose=1).fit(X, y)
        assert capfd.readouterr().err


# --- Errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", LEARNERS)
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
    if hasattr(fitted, "dbn_"):
        backprop = "backprop" if isinstance(estimator, DBNRegressor) else None
        name = last[fitted.get_params().get("fine_tuning", backprop)]
    else:
        name = "train"
    monkeypatch.setattr(rf, name, fail)
    for call, data in ((fitted.fit, X[:, 1:]), (getattr(fitted, "partial_fit", fitted.fit), X)):
        with pytest.raises(error):
            call(data, y)
        assert vars(fitted) == before
    assert_same(fitted, same)


def test_targets_beyond_float32_are_refused() -> None:
    X = np.eye(8)
    with pytest.raises(ValueError, match=r"y must be within float32's range, got .* 1e\+201"):
        DBNRegressor((2,), n_iter=1).fit(X, 1e201 * X[:, 0])


def test_spins() -> None:
    X = 2 * np.random.default_rng(0).integers(0, 2, (60, 8)) - 1
    classes, features = (
        kind(n_iter=2, random_state=0, visible="spin") for kind in (ClassRBM, DBNTransformer)
    )
    probabilities = classes.fit(X, X[:, 0] > 0).predict_proba(X)
    np.testing.assert_allclose(probabilities, np.exp(classes.rbm_.class_log_probabilities(X)), rtol=1e-6)
    np.testing.assert_array_equal(features.fit_transform(X), features.dbn_.transform(X))
    with pytest.raises(ValueError, match=r"a network takes .* not those of spin units"):
        DBNClassifier(n_iter=10**6, visible="spin").fit(X, X[:, 0] > 0)  # before it learns
    with pytest.raises(ValueError, match="these units have states -1 and 1"):
        classes.fit((X + 1) // 2, X[:, 0] > 0)
