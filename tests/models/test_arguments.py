"""Bad input gets a clear error that names the argument, before anything happens."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

import rbmfast as rf

N, M = 4, 3
GOOD = np.array([[1, 0, 1, 0], [0, 0, 0, 1]], np.uint8)
GOOD_H = np.array([[1, 0, 1], [0, 0, 1]], np.uint8)


@pytest.fixture
def rbm() -> rf.RBM:
    return rf.RBM(N, M, seed=0)


BAD_STATES = {
    "NaN": (np.full((2, N), np.nan), ValueError),
    "infinity": (np.full((2, N), np.inf), ValueError),
    "negative": (np.full((2, N), -1), ValueError),
    "negative float": (np.full((2, N), -0.5), ValueError),
    "two": (np.full((2, N), 2), ValueError),
    "above one": (np.full((2, N), 1.5), ValueError),
    "image": (np.full((2, N), 255, np.uint8), ValueError),
    "too wide": (np.zeros((2, N + 1)), ValueError),
    "too narrow": (np.zeros((2, N - 1)), ValueError),
    "no rows": (np.zeros((0, N)), ValueError),
    "no columns": (np.zeros((2, 0)), ValueError),
    "1-D": (np.zeros(N), ValueError),
    "3-D": (np.zeros((2, 2, N)), ValueError),
    "scalar": (1.0, ValueError),
    "ragged": ([[0] * N, [0]], ValueError),
    "objects": (np.zeros((2, N), object), TypeError),
    "text": (np.full((2, N), "0"), TypeError),
    "complex": (np.zeros((2, N), complex), TypeError),
    "None": (None, TypeError),
    "sparse NaN": (sp.csr_array(np.full((2, N), np.nan)), ValueError),
    "masked": (np.ma.masked_array(np.zeros((2, N)), np.ones((2, N), bool)), TypeError),
}
TAKES_V = {
    "free_energy": lambda rbm, v: rbm.free_energy(v),
    "energy": lambda rbm, v: rbm.energy(v, GOOD_H),
    "hidden_probabilities": lambda rbm, v: rbm.hidden_probabilities(v),
    "sample_hidden": lambda rbm, v: rbm.sample_hidden(v, seed=1),
    "gibbs": lambda rbm, v: rbm.gibbs(v, seed=1),
    "reconstruct": lambda rbm, v: rbm.reconstruct(v),
    "initialize": lambda rbm, v: rbm.initialize(v),
    "sample": lambda rbm, v: rbm.sample(2, start=v),
    "log_likelihood": lambda rbm, v: rf.log_likelihood(rbm, v, log_z=1.0),
    "pseudo_likelihood": lambda rbm, v: rf.pseudo_likelihood(rbm, v),
}
DEEP, LABELLED = rf.DBN([N, M, 2], seed=0), rf.DBN([N, M, 2], n_classes=2, seed=0)
CLASSES = rf.ClassRBM(N, M, 2, seed=0)
TAKES_V |= {
    "DBN.hidden_probabilities": lambda rbm, v: DEEP.hidden_probabilities(v),
    "DBN.transform": lambda rbm, v: DEEP.transform(v),
    "DBN.sample_hidden": lambda rbm, v: DEEP.sample_hidden(v),
    "DBN.reconstruct": lambda rbm, v: DEEP.reconstruct(v),
    "DBN.sample": lambda rbm, v: DEEP.sample(2, 1, start=v),
    "DBN.predict": lambda rbm, v: LABELLED.predict(v),
    "DBN.predict_log_proba": lambda rbm, v: LABELLED.predict_log_proba(v),
    "ClassRBM.predict": lambda rbm, v: CLASSES.predict(v),
    "ClassRBM.class_log_probabilities": lambda rbm, v: CLASSES.class_log_probabilities(v),
}
TAKES_MISSING = {"free_energy", "hidden_probabilities", "reconstruct", "initialize", "log_likelihood"}
NAMES = {"initialize": "X", "log_likelihood": "X", "pseudo_likelihood": "X", "sample": "start"}
NAMES |= {"DBN.sample": "start", "ClassRBM.predict": "X", "ClassRBM.class_log_probabilities": "X"}


@pytest.mark.parametrize("function", sorted(TAKES_V))
def test_bad_visible_states(rbm: rf.RBM, function: str) -> None:
    for bad, (states, error) in BAD_STATES.items():
        if bad in ("NaN", "masked") and function in TAKES_MISSING:
            TAKES_V[function](rf.RBM(N, M, seed=0), states)
        elif bad != "None" or NAMES.get(function) != "start":  # start=None is the default
            with pytest.raises(error, match=rf"^{NAMES.get(function, 'V')}\b"):
                TAKES_V[function](rbm, states)
            assert rbm.is_untouched and not rbm.a.any(), bad


@pytest.mark.parametrize("bad", sorted(BAD_STATES))
def test_bad_hidden_states(rbm: rf.RBM, bad: str) -> None:
    states, error = BAD_STATES[bad]
    narrow = states[..., :-1] if isinstance(states, np.ndarray) and states.ndim else states
    deep = rf.DBN([N, M], seed=0)
    for call in (
        *(rbm.visible_probabilities, rbm.sample_visible, deep.visible_probabilities, deep.sample_visible),
        lambda h: rbm.energy(GOOD, h),
    ):
        with pytest.raises(error, match=r"^H\b"):
            call(narrow)


@pytest.mark.parametrize("sizes", [(10**7, 10**7), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)])
def test_huge_models_are_refused_before_allocation(
    sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbmfast.runtime._physical_memory", lambda: 2**30)
    with pytest.raises(MemoryError, match=f"n_visible={sizes[0]} and n_hidden={sizes[1]} needs .*iB"):
        rf.RBM(*sizes)


def test_huge_models_are_refused_on_this_machine() -> None:
    with pytest.raises(MemoryError, match=r"[TP]iB"):
        rf.RBM(10**7, 10**7)


def test_huge_samples_are_refused_before_allocation() -> None:
    with pytest.raises(MemoryError, match="n=1000000000000 states needs"):
        rf.RBM(784, 500, seed=0).sample(10**12)


Ask = Callable[[rf.RBM, Any], Any]
NUMBERS: dict[str, tuple[list[Any], list[Ask]]] = {  # that are wrong, and who is told them
    "n_visible": ([0, -3, 2**31, 2.5, True], [lambda rbm, n: rf.RBM(n, 2)]),
    "n_hidden": ([0, -3, 2**31, 2.5, True], [lambda rbm, n: rf.RBM(2, n)]),
    "seed": (
        [-1, 2**64, 1.5, "1", True],
        [
            lambda rbm, seed: rf.RBM(2, 2, seed=seed),
            lambda rbm, seed: rbm.sample_hidden(GOOD, seed=seed),
            lambda rbm, seed: rbm.sample_visible(GOOD_H, seed=seed),
            lambda rbm, seed: rbm.gibbs(GOOD, seed=seed),
            lambda rbm, seed: rbm.sample(2, seed=seed),
            lambda rbm, seed: rbm.impute(GOOD, seed=seed),
            lambda rbm, seed: rbm.pattern_counts(GOOD[0], seed=seed),
            lambda rbm, seed: rf.pseudo_likelihood(rbm, GOOD, units=2, seed=seed),
        ],
    ),
    "steps": (
        [0, -1, 1.5, "1"],
        [
            lambda rbm, steps: rbm.gibbs(GOOD, steps=steps),
            lambda rbm, steps: rbm.sample(2, steps=steps),
            lambda rbm, steps: rbm.impute(GOOD, steps=steps),
        ],
    ),
    "n": ([0, -1, 2**41, 1.5, "1"], [lambda rbm, n: rbm.sample(n)]),
    "n_samples": ([0, -1, 1.5, "1"], [lambda rbm, n: rbm.pattern_counts(GOOD[0], n_samples=n)]),
    "units": ([0, -1, 1.5, "1"], [lambda rbm, n: rf.pseudo_likelihood(rbm, GOOD, units=n)]),
    "first_row": (
        [-1, 2**44 + 1, 0.5],
        [lambda rbm, i: rbm.sample_hidden(GOOD, first_row=i), lambda rbm, i: rbm.gibbs(GOOD, first_row=i)],
    ),
    "first_step": (
        [-1, 2**44 + 1, 0.5],
        [lambda rbm, i: rbm.sample_hidden(GOOD, first_step=i), lambda rbm, i: rbm.gibbs(GOOD, first_step=i)],
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_bad_numbers(rbm: rf.RBM, name: str) -> None:
    wrong, asks = NUMBERS[name]
    for value, ask in itertools.product(wrong, asks):
        with pytest.raises(ValueError if type(value) is int else TypeError, match=f"^{name} must be"):
            ask(rbm, value)


def test_unknown_keywords_are_those_of_a_class_that_users_know() -> None:
    dbn = rf.DBN([4, 3, 2], seed=0)
    for call, name in (
        (rf.RBM, "RBM.__init__"),
        (rf.RBM(4, 3, seed=0).sample, "RBM.sample"),
        (rf.RBM.from_arrays, "RBM.from_arrays"),
        (rf.DBN, "DBN.__init__"),
        (dbn.sample, "DBN.sample"),
        (dbn.impute, "model.impute"),
    ):
        with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'x'"):
            call(x=1)


# --- Parameters --------------------------------------------------------------------------------------------


BAD_PARAMETERS = [
    (np.nan, ValueError, "finite"),
    (np.inf, ValueError, "finite"),
    (-1e39, ValueError, "finite"),
    (2.0**40, ValueError, "2\\*\\*40"),
    ("x", TypeError, "numbers"),
    (1j, TypeError, "numbers"),
    (None, TypeError, "numbers"),
    (True, TypeError, "numbers"),
]


@pytest.mark.parametrize(("value", "error", "message"), BAD_PARAMETERS)
@pytest.mark.parametrize("name", ["W", "a", "b"])
def test_bad_parameters_change_nothing(name: str, value: object, error: type, message: str) -> None:
    rbm = rf.RBM(N, M, seed=0)
    before = rbm.W.copy(), rbm.a.copy(), rbm.b.copy()
    shape = getattr(rbm, name).shape
    bad = np.full(shape, value) if isinstance(value, (str, complex, bool, type(None))) else np.zeros(shape)
    if isinstance(value, float):
        bad[(-1,) * len(shape)] = value
    with pytest.raises(error, match=f"^{name} must be .*{message}"):
        setattr(rbm, name, bad)
    for wrong_shape in (np.zeros(7), np.zeros((N, M, 1)), 1.0):
        with pytest.raises(ValueError, match=f"^{name} must have shape"):
            setattr(rbm, name, wrong_shape)
    assert rbm.is_untouched
    for x, y in zip((rbm.W, rbm.a, rbm.b), before, strict=True):
        assert_array_equal(x, y)
    arrays = {"W": rbm.W, "a": rbm.a, "b": rbm.b, name: bad}
    with pytest.raises(error, match=f"^{name} must be .*{message}"):
        rf.RBM.from_arrays(**arrays)


@pytest.mark.parametrize("layer", ["visible", "hidden"])
def test_unknown_units(layer: str) -> None:
    with pytest.raises(ValueError, match=f"^{layer} must be one of 'bernoulli', 'spin', 'gaussian'"):
        rf.RBM(2, 2, **{layer: "potts"})
    with pytest.raises(TypeError, match=f"^{layer} must be one of 'bernoulli', 'spin', 'gaussian'"):
        rf.RBM.from_arrays([[0.0]], [0.0], [0.0], **{layer: 3})
