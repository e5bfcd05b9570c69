"""Every public function: the same bits from every container, every split of the rows, and the reference."""

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

import rbmfast as rf
from rbmfast import _engine, reference
from rbmfast.models.rbm import RBM

N, M, ROWS = 83, 70, 45
rng = np.random.default_rng(5)
MODEL = rf.RBM.from_arrays(rng.normal(size=(N, M)) * 0.3, rng.normal(size=N), rng.normal(size=M))
V = rng.integers(0, 2, (ROWS, N), dtype=np.uint8)
H = rng.integers(0, 2, (ROWS, M), dtype=np.uint8)
GREY = rng.integers(0, 256, (ROWS, N), dtype=np.uint8)
MASK = rng.random((ROWS, N)) < 0.3

# Functions of (visible states, first row) to one array of answers a row.
Function = Callable[..., np.ndarray]
SAME_ANYWHERE: dict[str, Function] = {
    "free_energy": lambda v, i: MODEL.free_energy(v),
    "energy": lambda v, i: MODEL.energy(v, H[i : i + rows_of(v)]),
    "hidden_probabilities": lambda v, i: MODEL.hidden_probabilities(v),
    "reconstruct": lambda v, i: MODEL.reconstruct(v),
    "sample_hidden": lambda v, i: MODEL.sample_hidden(v, seed=2, first_row=i, first_step=3),
    "gibbs": lambda v, i: np.hstack(MODEL.gibbs(v, 3, seed=2, first_row=i, return_hidden=True)),
    "sample from start": lambda v, i: MODEL.sample(rows_of(v), 3, seed=2, first_row=i, start=v),
    "impute": lambda v, i: MODEL.impute(v, MASK[i : i + rows_of(v)], steps=4, seed=2, first_row=i),
    "impute, averaged": lambda v, i: MODEL.impute(
        v, MASK[i : i + rows_of(v)], steps=4, seed=2, first_row=i, average=True
    ),
    "log_likelihood": lambda v, i: rf.log_likelihood(MODEL, v, log_z=123.0),
    "pseudo_likelihood": lambda v, i: rf.pseudo_likelihood(MODEL, v),
    "pseudo_likelihood, 7 units": lambda v, i: rf.pseudo_likelihood(MODEL, v, units=7, seed=3),
}
NO_GREY = {"log_likelihood"}


def rows_of(v: object) -> int:
    return v.shape[0] if hasattr(v, "shape") else ROWS


def same_bits(x: np.ndarray, y: np.ndarray) -> None:
    assert x.dtype == y.dtype and x.shape == y.shape
    assert_array_equal(np.ascontiguousarray(x).view(np.uint8), np.ascontiguousarray(y).view(np.uint8))


@pytest.fixture(params=sorted(SAME_ANYWHERE))
def function(request: pytest.FixtureRequest) -> Function:
    return SAME_ANYWHERE[request.param]


def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, object]]:
    for dtype in (bool, np.int8, np.int64, np.float16, np.float32, np.float64, ">f8"):
        yield str(dtype), V.astype(dtype)
    yield "lists", V.tolist()
    yield "Fortran order", np.asfortranarray(V)
    yield "strided", np.repeat(V, 2, axis=1)[:, ::2]
    read_only = V.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    for make in (sp.csr_array, sp.csc_matrix, sp.coo_array):
        yield make.__name__, make(V)
    yield "packed", rf.Packed(np.packbits(V, axis=1), N)
    yield "images", rf.Grey8(V * np.uint8(255))
    mapped = np.memmap(tmp_path_factory.mktemp("map") / "v", np.uint8, "w+", shape=V.shape)
    mapped[:] = V
    yield "memory map", mapped


def test_containers(function: Function, tmp_path_factory: pytest.TempPathFactory) -> None:
    expected = function(V, 0)
    for _, data in containers(tmp_path_factory):
        same_bits(function(data, 0), expected)


@pytest.mark.parametrize("levels", [np.ones(70), np.r_[0, -0.0, rng.random(68)]], ids=["binary", "grey"])
def test_few_ones_in_a_sparse_matrix(levels: np.ndarray) -> None:
    """These stay sparse: sums over what is stored, with zeros among it, in any order of the columns."""
    few = sp.csr_array((levels, rng.integers(0, N, 70), np.r_[0, 0, np.sort(rng.integers(0, 70, 43)), 70]))
    few.resize((ROWS - 1, N))
    few.sum_duplicates()
    few.data = np.minimum(few.data, 1)
    expected = MODEL.hidden_probabilities(few.toarray())
    same_bits(MODEL.hidden_probabilities(few), expected)
    same_bits(MODEL.hidden_probabilities(few[:, ::-1][:, ::-1]), expected)
    same_bits(MODEL.hidden_probabilities(few[30:]), expected[30:])
    images = rf.Grey8(sp.csr_array(np.rint(few.toarray() * 255).astype(np.uint8)))
    same_bits(
        MODEL.hidden_probabilities(images), MODEL.hidden_probabilities(np.rint(few.toarray() * 255) / 255)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_containers_of_grey_levels(function: Function, dtype: type, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["function"] in NO_GREY:
        pytest.skip("refuses grey levels")
    expected = function(rf.Grey8(GREY), 0)
    dense = (GREY / 255).astype(dtype)
    same_bits(function(dense, 0), expected)
    same_bits(function(sp.csr_array(dense), 0), expected)


def test_rows_may_be_split(function: Function) -> None:
    whole = function(V, 0)
    parts = [function(V[i:j], i) for i, j in itertools.pairwise((0, 1, 17, 30, ROWS))]
    same_bits(np.concatenate(parts), whole)


def test_blocks_do_not_show(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = function(V, 0)
    monkeypatch.setattr("rbmfast.models.base.BLOCK_BYTES", 8 * (N + M) * 7)
    monkeypatch.setattr("rbmfast.likelihood.exact.BLOCK_NUMBERS", (N + M) * 7)
    same_bits(function(V, 0), whole)


def test_threads_do_not_show(function: Function) -> None:
    whole = function(V, 0)
    for n in (2, 3, 5):
        rf.set_num_threads(n)
        same_bits(function(V, 0), whole)


@pytest.fixture
def use_reference(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called: puts the reference in the engine's place, everywhere."""

    def replace() -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("rbmfast.") and getattr(module, "engine", None) is _engine:
                monkeypatch.setattr(module, "engine", reference)
        monkeypatch.setattr(sys.modules[__name__], "MODEL", RBM.from_arrays(MODEL.W, MODEL.a, MODEL.b))

    return replace


def test_the_reference_gives_the_same_bits(function: Function, use_reference: Callable[[], None]) -> None:
    expected = function(V[:9], 0)
    use_reference()
    same_bits(function(V[:9], 0), expected)


def test_the_reference_gives_the_same_bits_of_the_rest(use_reference: Callable[[], None]) -> None:
    def answers() -> list[np.ndarray]:
        small = rf.RBM(12, 6, seed=4)
        return [
            small.W,
            small.pattern_counts(V[0, :12], n_samples=100, seed=2).counts,
            MODEL.visible_probabilities(H[:9]),
            MODEL.sample_visible(H[:9], seed=2),
            MODEL.sample(9, steps=3, seed=2),
        ]

    expected = answers()
    use_reference()
    for x, y in zip(answers(), expected, strict=True):
        same_bits(x, y)


def test_hidden_states_from_containers_and_splits() -> None:
    same_bits(MODEL.visible_probabilities(sp.csr_array(H)), MODEL.visible_probabilities(H))
    same_bits(MODEL.visible_probabilities(H.astype(float)), MODEL.visible_probabilities(H))
    parts = [MODEL.sample_visible(H[i : i + 9], seed=2, first_row=i) for i in range(0, ROWS, 9)]
    same_bits(np.concatenate(parts), MODEL.sample_visible(sp.csr_array(H), seed=2))


def test_sample_may_be_split() -> None:
    whole_v, whole_h = MODEL.sample(20, steps=5, seed=9, return_hidden=True)
    parts = [MODEL.sample(5, steps=5, seed=9, first_row=i, return_hidden=True) for i in range(0, 20, 5)]
    same_bits(np.concatenate([v for v, _ in parts]), whole_v)
    same_bits(np.concatenate([h for _, h in parts]), whole_h)


def test_initialize_from_containers(tmp_path_factory: pytest.TempPathFactory) -> None:
    for _, data in containers(tmp_path_factory):
        rbm, expected = rf.RBM(N, M, seed=0), rf.RBM(N, M, seed=0)
        rbm.initialize(data)
        expected.initialize(V)
        same_bits(rbm.a, expected.a)
        same_bits(rbm.visible_means, expected.visible_means)


def test_a_copy_gives_the_same_bits(tmp_path: object) -> None:
    copy = rf.RBM.from_arrays(MODEL.W, MODEL.a, MODEL.b)
    same_bits(copy.gibbs(V, 3, seed=2), MODEL.gibbs(V, 3, seed=2))


@pytest.mark.parametrize("who", ["engine", "reference"])
def test_golden_hash(who: str, use_reference: Callable[[], None]) -> None:
    """A change of these bits needs a new STREAM_VERSION."""
    if who == "reference":
        use_reference()
    levels = (np.arange(45)[:, None] ** 2 * 7 + np.arange(20) ** 3 * 11) % 256
    states = (levels > 150).astype(np.uint8)
    rbm = rf.RBM(20, 12, seed=1)
    rbm.initialize(states)
    rbm.W = rbm.W * np.float32(50)
    digest = hashlib.sha256(rbm.W.tobytes() + rbm.a.tobytes())
    for samples in rbm.sample(40, steps=20, seed=3, return_hidden=True):
        digest.update(samples.tobytes())
    digest.update(rbm.free_energy(states).tobytes())
    digest.update(rbm.reconstruct(rf.Grey8(levels)).tobytes())
    digest.update(rf.pseudo_likelihood(rbm, states).tobytes())
    assert reference.STREAM_VERSION == 1
    assert digest.hexdigest()[:32] == "458a86dbc99a0bb802fa71e5f27e6c78"
