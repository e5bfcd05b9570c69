"""Every public function of every model: the same bits, however rows come and whatever computes them."""

import copy
import hashlib
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from containers import binary_containers, grey_containers
from models.helpers import network, small
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import reference

N, M, K, ROWS = 83, 70, 7, 45
rng = np.random.default_rng(5)
V = rng.integers(0, 2, (ROWS, N), dtype=np.uint8)
H = rng.integers(0, 2, (ROWS, M), dtype=np.uint8)
GREY = rng.integers(0, 256, (ROWS, N), dtype=np.uint8)
MASK = rng.random((ROWS, N)) < 0.3
MODELS = SimpleNamespace(
    rbm=small(N, M, 0.3),
    class_rbm=rf.ClassRBM.from_arrays(*small(N + K, M, 0.3).parameters().values(), n_classes=K),
    dbn=network((N, 40, 30, M)),
    dbm=rf.DBM.from_rbms([small(N, 40, 0.3), small(40, 30, 0.3), small(30, 9, 0.3)]),
    labelled=network((N, 40, 30), n_classes=4),
)

# Functions of models, visible states and their first row to one array of answers a row.
Function = Callable[..., np.ndarray]
SAME_ANYWHERE: dict[str, Function] = {
    "free_energy": lambda m, v, i: m.rbm.free_energy(v),
    "energy": lambda m, v, i: m.rbm.energy(v, H[i : i + rows_of(v)]),
    "hidden_probabilities": lambda m, v, i: m.rbm.hidden_probabilities(v),
    "reconstruct": lambda m, v, i: m.rbm.reconstruct(v),
    "sample_hidden": lambda m, v, i: m.rbm.sample_hidden(v, seed=2, first_row=i, first_step=3),
    "gibbs": lambda m, v, i: np.hstack(m.rbm.gibbs(v, 3, seed=2, first_row=i, return_hidden=True)),
    "sample from start": lambda m, v, i: m.rbm.sample(rows_of(v), 3, seed=2, first_row=i, start=v),
    "tempering": lambda m, v, i: m.rbm.sample(
        rows_of(v), 3, seed=2, first_row=i, start=v, method="tempering", n_replicas=4
    ),
    "impute": lambda m, v, i: m.rbm.impute(v, mask_of(v, i), steps=4, seed=2, first_row=i),
    "impute, averaged": lambda m, v, i: m.rbm.impute(
        v, mask_of(v, i), steps=4, seed=2, first_row=i, average=True
    ),
    "log_likelihood": lambda m, v, i: rf.log_likelihood(m.rbm, v, log_z=123.0),
    "pseudo_likelihood": lambda m, v, i: rf.pseudo_likelihood(m.rbm, v),
    "pseudo_likelihood, 7 units": lambda m, v, i: rf.pseudo_likelihood(m.rbm, v, units=7, seed=3),
    "ClassRBM.class_log_probabilities": lambda m, v, i: m.class_rbm.class_log_probabilities(v),
    "ClassRBM.predict": lambda m, v, i: m.class_rbm.predict(v),
    "DBM.free_energy": lambda m, v, i: m.dbm.free_energy(v),
    "DBM.mean_field": lambda m, v, i: np.hstack(m.dbm.mean_field(v)),
    "DBM.gibbs": lambda m, v, i: m.dbm.gibbs(v, 3, seed=2, first_row=i),
    "DBM.sample": lambda m, v, i: m.dbm.sample(rows_of(v), 3, seed=2, first_row=i, start=v),
    "DBM.impute": lambda m, v, i: m.dbm.impute(v, mask_of(v, i), steps=3, seed=2, first_row=i),
    "DBN.hidden_probabilities": lambda m, v, i: m.dbn.hidden_probabilities(v),
    "DBN.hidden_probabilities, lowest": lambda m, v, i: m.dbn.hidden_probabilities(v, 1),
    "DBN.sample_hidden": lambda m, v, i: m.dbn.sample_hidden(v, seed=2, first_row=i),
    "DBN.reconstruct": lambda m, v, i: m.dbn.reconstruct(v),
    "DBN.sample": lambda m, v, i: m.dbn.sample(rows_of(v), 3, seed=2, first_row=i, start=v),
    "DBN.impute": lambda m, v, i: m.dbn.impute(v, mask_of(v, i), steps=3, seed=2, first_row=i),
    "DBN.impute, averaged": lambda m, v, i: m.dbn.impute(
        v, mask_of(v, i), steps=3, seed=2, first_row=i, average=True
    ),
    "DBN.predict": lambda m, v, i: m.labelled.predict(v),
    "DBN.predict_log_proba": lambda m, v, i: m.labelled.predict_log_proba(v),
    "DBN.sample with labels": lambda m, v, i: m.labelled.sample(
        rows_of(v), 3, seed=2, first_row=i, labels=1, start=v
    ),
    "DBN.impute with labels": lambda m, v, i: m.labelled.impute(
        v, mask_of(v, i), steps=3, seed=2, first_row=i
    ),
}
NO_GREY = {"log_likelihood"}
# Functions of models, hidden states (or as many rows) and their first row.
WITHOUT_V: dict[str, Function] = {
    "visible_probabilities": lambda m, h, i: m.rbm.visible_probabilities(h),
    "sample_visible": lambda m, h, i: m.rbm.sample_visible(h, seed=2, first_row=i),
    "sample": lambda m, h, i: np.hstack(m.rbm.sample(rows_of(h), 5, seed=9, first_row=i, return_hidden=True)),
    "tempering": lambda m, h, i: m.rbm.sample(
        rows_of(h), 5, seed=9, first_row=i, method="tempering", n_replicas=3
    ),
    "DBN.visible_probabilities": lambda m, h, i: m.dbn.visible_probabilities(h),
    "DBN.sample_visible": lambda m, h, i: m.dbn.sample_visible(h, seed=2, first_row=i),
    "DBN.sample": lambda m, h, i: m.dbn.sample(rows_of(h), 3, seed=9, first_row=i),
    "DBN.sample, means": lambda m, h, i: m.dbn.sample(rows_of(h), 3, seed=9, first_row=i, last="mean"),
}
CASES = {f"{name} of V": (one, V) for name, one in SAME_ANYWHERE.items()}
CASES |= {f"{name} of H": (one, H) for name, one in WITHOUT_V.items()}
KEPT = ("negative zeros", "with denormals, float32")  # by imputation, which changes no known entry
every_case = pytest.mark.parametrize("ask, states", CASES.values(), ids=CASES)


def rows_of(states: Any) -> int:
    return states.shape[0] if hasattr(states, "shape") else ROWS


def mask_of(v: Any, first_row: int) -> np.ndarray:
    return MASK[first_row : first_row + rows_of(v)]


def same_bits(x: Any, y: Any) -> None:
    assert x.dtype == y.dtype and x.shape == y.shape
    assert_array_equal(np.ascontiguousarray(x).view(np.uint8), np.ascontiguousarray(y).view(np.uint8))


@pytest.mark.parametrize("name", CASES)
def test_containers(name: str, tmp_path: Path) -> None:
    ask, states = CASES[name]
    expected = ask(MODELS, states, 0)
    for kind, data in binary_containers(states, tmp_path).items():
        if "impute" not in name or kind not in KEPT:
            same_bits(ask(MODELS, data, 0), expected)


@pytest.mark.parametrize("name", sorted(SAME_ANYWHERE.keys() - NO_GREY))
def test_containers_of_grey_levels(name: str, tmp_path: Path) -> None:
    expected = SAME_ANYWHERE[name](MODELS, rf.Grey8(GREY), 0)
    for kind, data in grey_containers(GREY, tmp_path).items():
        if "impute" not in name or kind not in KEPT:
            same_bits(SAME_ANYWHERE[name](MODELS, data, 0), expected)


@pytest.mark.parametrize("levels", [np.ones(70), np.r_[0, -0.0, rng.random(68)]], ids=["binary", "grey"])
def test_few_ones_in_a_sparse_matrix(levels: np.ndarray) -> None:
    """These stay sparse: sums over what is stored, with zeros among it, in any order of the columns."""
    few = sp.csr_array((levels, rng.integers(0, N, 70), np.r_[0, 0, np.sort(rng.integers(0, 70, 43)), 70]))
    few.resize((ROWS - 1, N))
    few.sum_duplicates()
    few.data = np.minimum(few.data, 1)
    dense = np.rint(few.toarray() * 255).astype(np.uint8)
    for ask in (MODELS.rbm.hidden_probabilities, MODELS.dbn.transform):
        expected = ask(few.toarray())
        same_bits(ask(few), expected)
        same_bits(ask(few[:, ::-1][:, ::-1]), expected)
        same_bits(ask(few[30:]), expected[30:])
        same_bits(ask(rf.Grey8(sp.csr_array(dense))), ask(dense / 255))


@every_case
def test_rows_may_be_split(ask: Function, states: np.ndarray) -> None:
    parts = [ask(MODELS, states[i:j], i) for i, j in itertools.pairwise((0, 1, 17, 30, ROWS))]
    same_bits(np.concatenate(parts), ask(MODELS, states, 0))


@every_case
def test_blocks_do_not_show(ask: Function, states: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ask(MODELS, states, 0)
    monkeypatch.setattr("rbmfast.models.base.BLOCK_BYTES", 8 * (N + M) * 7)
    monkeypatch.setattr("rbmfast.likelihood.exact.BLOCK_NUMBERS", (N + M) * 7)
    same_bits(ask(MODELS, states, 0), whole)


@every_case
def test_threads_and_instruction_sets_do_not_show(ask: Function, states: np.ndarray) -> None:
    whole = ask(MODELS, states, 0)
    for n, isa in itertools.product((2, 5), engine.config()["isa_available"]):
        rf.set_num_threads(n)
        engine.select_isa(isa)
        same_bits(ask(copy.deepcopy(MODELS), states, 0), whole)


@pytest.fixture
def use_reference(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called: puts the reference in the engine's place, for models that are new or copied then."""

    def replace() -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("rbmfast.") and getattr(module, "engine", None) is engine:
                monkeypatch.setattr(module, "engine", reference)

    return replace


@every_case
def test_the_reference_gives_the_same_bits(
    ask: Function, states: np.ndarray, use_reference: Callable[[], None]
) -> None:
    expected = ask(MODELS, states[:9], 0)
    use_reference()
    same_bits(ask(copy.deepcopy(MODELS), states[:9], 0), expected)


def test_the_reference_gives_the_same_bits_of_the_rest(use_reference: Callable[[], None]) -> None:
    def answers() -> list[np.ndarray]:
        rbm = rf.RBM(12, 6, seed=4)
        return [rbm.W, rbm.pattern_counts(V[0, :12], n_samples=100, seed=2).counts]

    expected = answers()
    use_reference()
    for x, y in zip(answers(), expected, strict=True):
        same_bits(x, y)


def test_initialize_from_containers(tmp_path: Path) -> None:
    for data in binary_containers(V, tmp_path).values():
        rbm, expected = rf.RBM(N, M, seed=0), rf.RBM(N, M, seed=0)
        rbm.initialize(data)
        expected.initialize(V)
        same_bits(rbm.a, expected.a)
        same_bits(rbm.visible_means, expected.visible_means)


def test_golden_hash_of_a_deep_network() -> None:
    """A change of these bits needs a new STREAM_VERSION. Those of RBMs are in `golden/`."""
    dbn = rf.DBN([20, 12, 9, 7], n_classes=3, seed=1)
    for rbm in dbn.generative:
        rbm.W = rbm.W * np.float32(100)
    states = (np.arange(20 * 30).reshape(30, 20) * 7 % 11 < 4).astype(np.uint8)
    digest = hashlib.sha256()
    for answer in (
        dbn.sample(20, steps=9, seed=3),
        dbn.sample(20, steps=9, seed=3, labels=2, last="mean"),
        dbn.sample(30, steps=2, seed=3, start=states, labels=0),
        dbn.sample_hidden(states, 2, seed=3),
        dbn.hidden_probabilities(states, 2),
        dbn.sample_visible(states[:, :7], seed=3),
        dbn.impute(states, states == 1, steps=4, seed=3),
    ):
        digest.update(answer.tobytes())
    assert reference.STREAM_VERSION == 1
    assert digest.hexdigest()[:32] == "4853aa9e46c5b7c04df7aebee39b262f"
