"""Every container gives the same bits, bad input a clear error, and nothing is copied or loaded whole."""

import hashlib
import itertools
import mmap
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rbmfast import data
from rbmfast.data import Grey8, Packed, Rows, as_rows

N, D = 37, 21
rng = np.random.default_rng(0)
BINARY = (rng.random((N, D)) < 0.4).astype(np.uint8)
GREY = rng.integers(0, 257, (N, D)) / 256  # exact in float16
REAL = rng.integers(-1024, 1025, (N, D)) / 16  # exact in float16

ROW_INDICES = {
    "all": slice(None),
    "middle": slice(5, 19),
    "past the end": slice(30, 99),
    "every third": slice(1, None, 3),
    "backwards": slice(None, None, -1),
    "no rows": slice(4, 4),
    "shuffled": rng.permutation(N),
    "repeated": np.array([3, 3, 0, N - 1, 3, 0]),
    "from the end": np.array([-1, -N, 2]),
    "int32": np.array([5, 1], dtype=np.int32),
    "empty": np.array([], dtype=np.intp),
}


def grey_levels(X):
    return np.rint(np.float32(65535) * X.astype(np.float32)).astype(np.uint16)


class Frame:
    """What matters of a pandas DataFrame: np.asarray makes an array of it."""

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        return self.X if dtype is None else self.X.astype(dtype)


# --- Containers: name -> function(values as float64, folder) ------------------------------------------------


def strided(X):
    wide = np.full((2 * len(X), 3 * X.shape[1]), 7, X.dtype)
    wide[::2, ::3] = X
    return wide[::2, ::3]


def backwards(X):
    return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X):
    return np.frombuffer(b"x" + X.tobytes(), X.dtype, offset=1).reshape(X.shape)


def on_disk(X, folder, mode="r", order="C"):
    path = folder / f"{len(list(folder.iterdir()))}.bin"
    path.write_bytes(b"header--" + X.tobytes(order))
    return np.memmap(path, X.dtype, mode, offset=8, shape=X.shape, order=order)


def csr_unsorted(X):
    csr = sp.csr_array(X)
    for first, last in itertools.pairwise(csr.indptr):
        csr.indices[first:last] = csr.indices[first:last][::-1]
        csr.data[first:last] = csr.data[first:last][::-1]
    return csr


def csr_with_zeros(X):
    csr = sp.csr_array(np.ones_like(X))
    csr.data[:] = X.reshape(-1)
    return csr


def csr_with_repeats(X):
    """Every entry twice, as two halves, with SciPy's flag claiming otherwise."""
    half = sp.csr_array(X / 2)
    arrays = np.repeat(half.data, 2), np.repeat(half.indices, 2), 2 * half.indptr
    csr = sp.csr_array(arrays, shape=X.shape)
    csr.has_canonical_format = True
    return csr


def csr_on_disk(X, folder):
    csr = sp.csr_array(X)
    csr.data = on_disk(csr.data, folder)
    csr.indices = on_disk(csr.indices, folder)
    return csr


DTYPES_INT = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", ">u2"]
DTYPES_FLOAT = ["f2", "f4", "f8", ">f2", ">f4", ">f8"]
LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": strided,
    "backwards": backwards,
    "read-only": read_only,
    "unaligned": unaligned,
    "frame": Frame,
    "list": lambda X: X.tolist(),
}
SPARSE = {
    f"{format_}_{kind}": getattr(sp, f"{format_}_{kind}")
    for format_ in ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]
    for kind in ["matrix", "array"]
}

ANY_VALUES = {
    **{dtype: lambda X, folder, dtype=dtype: X.astype(dtype) for dtype in DTYPES_FLOAT},
    **{f"{name} f4": lambda X, folder, f=f: f(X.astype("f4")) for name, f in LAYOUTS.items()},
    **{f"{name} f8": lambda X, folder, f=f: f(X) for name, f in LAYOUTS.items()},
    **{f"{name} f4": lambda X, folder, f=f: f(X.astype("f4")) for name, f in SPARSE.items()},
    "csr f8": lambda X, folder: sp.csr_array(X),
    "csr unsorted": lambda X, folder: csr_unsorted(X),
    "csr zeros": lambda X, folder: csr_with_zeros(X),
    "csr repeats": lambda X, folder: csr_with_repeats(X),
    "csc repeats": lambda X, folder: csr_with_repeats(X.T).T,
    "csr memmap": csr_on_disk,
    "memmap f4": lambda X, folder: on_disk(X.astype("f4"), folder),
    "memmap >f8": lambda X, folder: on_disk(X.astype(">f8"), folder),
    "memmap fortran": lambda X, folder: on_disk(X.astype("f4"), folder, order="F"),
    "memmap part": lambda X, folder: on_disk(strided(X.astype("f4")).base, folder)[::2, ::3],
    "rows": lambda X, folder: as_rows(X, domain="real"),
}
BINARY_ONLY = {
    **{dtype: lambda X, folder, dtype=dtype: X.astype(dtype) for dtype in DTYPES_INT},
    **{f"{name} u1": lambda X, folder, f=f: f(X.astype("u1")) for name, f in LAYOUTS.items()},
    **{f"{name} ?": lambda X, folder, f=f: f(X.astype("?")) for name, f in LAYOUTS.items()},
    **{
        f"csr {dtype}": lambda X, folder, dtype=dtype: sp.csr_array(X.astype(dtype))
        for dtype in DTYPES_INT[:9]
    },
    "csr repeats ?": lambda X, folder: csr_with_repeats(2 * X).astype(bool, copy=False),
    "memmap u1": lambda X, folder: on_disk(X.astype("u1"), folder),
    "memmap ?": lambda X, folder: on_disk(X.astype("?"), folder),
    "memmap u1 fortran": lambda X, folder: on_disk(X.astype("u1"), folder, order="F"),
    "packed": lambda X, folder: Packed(np.packbits(X != 0, axis=1), D),
    "packed, dirty padding": lambda X, folder: Packed(np.packbits(X != 0, axis=1) | np.uint8([0, 0, 7]), D),
    "packed strided": lambda X, folder: Packed(strided(np.packbits(X != 0, axis=1)), D),
    "packed memmap": lambda X, folder: Packed(on_disk(np.packbits(X != 0, axis=1), folder), D),
    "grey8": lambda X, folder: Grey8((255 * X).astype("u1")),
    "grey8 csr": lambda X, folder: Grey8(sp.csr_matrix((255 * X).astype("i8"))),
    "binary rows": lambda X, folder: as_rows(X.astype("u1")),
}

CASES = [
    *[("binary", name, make) for name, make in (ANY_VALUES | BINARY_ONLY).items()],
    *[("grey", name, make) for name, make in ANY_VALUES.items()],
    *[("real", name, make) for name, make in ANY_VALUES.items()],
]
VALUES = {"binary": BINARY.astype(float), "grey": GREY, "real": REAL}
EXPECTED = {"binary": BINARY, "grey": grey_levels(GREY), "real": REAL.astype(np.float32)}


def assert_same_bits(block, expected):
    assert block.dtype == expected.dtype
    assert block.dtype.isnative
    assert block.flags.c_contiguous
    assert block.shape == expected.shape
    assert block.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("kind", "name", "make"), CASES, ids=lambda x: x if isinstance(x, str) else "")
def test_same_bits_from_every_container(kind, name, make, tmp_path, monkeypatch):
    for chunk in (1 << 20, 10):
        monkeypatch.setattr("rbmfast.data.memory.CHUNK", chunk)
        check_container(kind, name, make, tmp_path)


def check_container(kind, name, make, tmp_path):
    rows = as_rows(make(VALUES[kind], tmp_path), domain="real" if kind == "real" else "binary")
    expected = EXPECTED[kind]
    assert (rows.n_rows, rows.n_features, len(rows)) == (N, D, N)
    assert (rows.kind, rows.dtype) == (kind, expected.dtype)
    assert rows.mapped == ("memmap" in name)
    for index in ROW_INDICES.values():
        assert_same_bits(rows.block(index), np.ascontiguousarray(expected[index]))
    assert_same_bits(rows.all(), expected)
    for first, block in rows.blocks(8):
        assert_same_bits(block, expected[first : first + 8])
    assert [first for first, _ in rows.blocks(8)] == [0, 8, 16, 24, 32]
    assert rows.fingerprint() == as_rows(VALUES[kind], domain=rows._domain).fingerprint()
    if rows.direct is not None:
        assert_same_bits(rows.direct, expected)


def test_binary_containers_as_real_values(tmp_path):
    for make in BINARY_ONLY.values():
        rows = as_rows(make(BINARY.astype(float), tmp_path), domain="real")
        assert rows.kind == "real"
        assert rows.direct is None
        assert_same_bits(rows.all(), BINARY.astype(np.float32))


def test_grey8_is_the_float_image_divided_by_255():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    floats = [levels / 255, levels.astype("f4") / np.float32(255), levels.astype("f4") * np.float32(1 / 255)]
    for dtype in ["u1", "i2", "u2", "i8", ">u4"]:
        for make in [np.asarray, np.asfortranarray, sp.csr_array, np.ndarray.tolist]:
            if dtype == ">u4" and make is sp.csr_array:
                continue
            rows = as_rows(Grey8(make(levels.astype(dtype))))
            assert_same_bits(rows.all(), 257 * levels.astype(np.uint16))
            assert {rows.fingerprint()} == {as_rows(X).fingerprint() for X in floats}
            assert_same_bits(
                as_rows(Grey8(make(levels.astype(dtype))), domain="real").all(), (levels / 255).astype("f4")
            )


def test_grey8_levels_0_and_1_are_not_binary():
    assert as_rows(Grey8(BINARY)).kind == "grey"
    assert as_rows(Grey8(np.zeros((2, 3), np.uint8))).kind == "binary"


finite_shapes = st.tuples(st.integers(1, 12), st.integers(1, 40))


@given(hnp.arrays(np.bool_, finite_shapes), st.data())
def test_binary_property(X, draw):
    index = np.array(draw.draw(st.lists(st.integers(-len(X), len(X) - 1))), dtype=np.intp)
    packed = Packed(np.packbits(X, axis=1), X.shape[1])
    fingerprint = as_rows(packed).fingerprint()
    arrays = [X, X.astype(">f8"), X.T.copy().T, X.tolist(), Grey8(X * np.uint8(255))]
    for container in [*arrays, sp.csc_array(X), csr_unsorted(X), packed]:
        rows = as_rows(container, X.shape[1])
        assert_same_bits(rows.block(index), X[index].astype(np.uint8))
        assert rows.fingerprint() == fingerprint


@given(hnp.arrays(np.float32, finite_shapes, elements=st.floats(0, 1, width=32)))
def test_grey_property(X):
    kind = "binary" if ((X == 0) | (X == 1)).all() else "grey"
    expected = X.astype(np.uint8) if kind == "binary" else grey_levels(X)
    for make in [np.asarray, np.float64, np.asfortranarray, sp.csr_array, csr_with_zeros, strided]:
        rows = as_rows(make(X))
        assert rows.kind == kind
        assert_same_bits(rows.all(), expected)


@given(hnp.arrays(np.float32, finite_shapes, elements=st.floats(width=32)))
def test_real_property(X):
    for container in [X, X.astype("f8"), np.asfortranarray(X), sp.csr_array(X)]:
        if np.isfinite(X).all():
            block = as_rows(container, domain="real").all()
            np.testing.assert_array_equal(block, X)
            assert not np.signbit(block[block == 0]).any()
        else:
            with pytest.raises(ValueError, match=r"^X\[\d+, \d+\] is (-?inf|nan), but "):
                as_rows(container, domain="real")


def test_values_at_the_edge():
    tiny, nearly = np.float32(1e-45), np.nextafter(np.float32(1), np.float32(0))
    assert as_rows([[0.0, -0.0, 1.0]]).kind == "binary"
    assert_same_bits(as_rows([[0.0, -0.0, 1.0]]).all(), np.uint8([[0, 0, 1]]))
    assert_same_bits(as_rows([[0.5, -0.0]]).all(), np.uint16([[32768, 0]]))
    assert_same_bits(as_rows(np.array([[tiny, 1]])).all(), np.uint16([[0, 65535]]))
    assert_same_bits(as_rows(np.array([[nearly, 1]])).all(), np.uint16([[65535, 65535]]))
    assert as_rows([[1e-300]]).kind == "grey"
    assert as_rows([[1 - 1e-16]]).kind == "grey"
    assert_same_bits(as_rows([[-0.0, 2.0]], domain="real").all(), np.float32([[0.0, 2.0]]))
    assert np.isfinite(as_rows([[3.4028235677973362e38]], domain="real").all()).all()
    assert_same_bits(
        as_rows(np.array([[2**64 - 1, 1]], "u8"), domain="real").all(), np.float32([[2.0**64, 1]])
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rounding_errors_of_scaling_are_in_the_unit_interval(dtype):
    """What rounds to [0, 1] in float32, or lies within 1e-6 of it, counts as what it was meant to be."""
    low, high = (np.array(x, dtype) for x in ([-1e-17, -1e-6, -0.0], [1 + 3e-16, 1 + 1e-6, 1]))
    for compact in (False, True):
        rows = as_rows(np.stack([low, high]), compact=compact)
        assert_same_bits(rows.all(), np.uint8([[0] * 3, [1] * 3]))
        rows = as_rows(np.stack([low, high, np.full(3, 0.5, dtype)]), compact=compact)
        assert_same_bits(rows.all(), np.uint16([[0] * 3, [65535] * 3, [32768] * 3]))
    assert as_rows(sp.csr_array(np.stack([low, high]))).kind == "binary"
    for bad in (-1.1e-6, 1 + 1.1e-6, np.inf, -np.inf):
        with pytest.raises(ValueError, match=r"^X\[1, 1\] is "):
            as_rows(np.array([[-1e-6, 0], [1, bad]], dtype))


def test_fingerprint_is_what_the_documentation_says():
    def sha(line, rows):
        return hashlib.sha256(line.encode() + rows).hexdigest()

    bits = np.packbits(BINARY, axis=1).tobytes()
    assert as_rows(BINARY).fingerprint() == sha(f"binary {N} {D}\n", bits)
    assert as_rows(GREY).fingerprint() == sha(f"grey {N} {D}\n", grey_levels(GREY).astype("<u2").tobytes())
    assert as_rows(REAL, domain="real").fingerprint() == sha(f"real {N} {D}\n", REAL.astype("<f4").tobytes())


def test_fingerprint_tells_data_apart():
    changed = BINARY.copy()
    changed[-1, -1] ^= 1
    inputs = [BINARY, changed, BINARY[::-1], BINARY.T, BINARY[:-1], np.zeros((2, 4)), np.zeros((4, 2)), GREY]
    assert len({as_rows(X).fingerprint() for X in inputs}) == len(inputs)
    assert as_rows(BINARY).fingerprint() != as_rows(BINARY, domain="real").fingerprint()


# --- No copies, no changes, bounded memory -----------------------------------------------------------------


def test_binary_bytes_are_used_in_place(tmp_path):
    for X in [BINARY, BINARY.astype(bool), read_only(BINARY), on_disk(BINARY, tmp_path)]:
        rows = as_rows(X)
        assert rows.direct is not None
        assert type(rows.direct) is np.ndarray
        for view in [rows.direct, rows.all(), rows.block(slice(3, 9)), next(rows.blocks(4))[1]]:
            assert np.shares_memory(view, X)
            assert not view.flags.writeable
        assert not np.shares_memory(rows.block(np.array([0, 1])), X)


def test_other_containers_have_no_direct_bytes():
    for make in [strided, backwards, np.asfortranarray, sp.csr_array, lambda X: X.astype("f4"), Grey8]:
        assert as_rows(make(BINARY)).direct is None
    assert as_rows(Grey8(255 * BINARY)).direct is None


def test_the_data_is_held_not_copied():
    for X in [GREY, np.asfortranarray(GREY), strided(GREY), GREY.astype(">f4")]:
        assert np.shares_memory(as_rows(X)._source._array, X)
    for csr in [sp.csr_matrix(GREY), csr_unsorted(GREY), csr_with_zeros(GREY)]:
        source = as_rows(csr)._source
        assert np.shares_memory(source._values, csr.data)
        assert np.shares_memory(source._matrix.indices, csr.indices)
    packed = np.packbits(BINARY, axis=1)
    assert np.shares_memory(as_rows(Packed(packed, D))._source._array, packed)


@pytest.mark.parametrize(
    "make", [csr_unsorted, csr_with_repeats, csr_with_zeros, np.array, np.asfortranarray]
)
def test_the_input_is_left_as_it_was(make):
    X = make(GREY)
    names = ["data", "indices", "indptr"] if sp.issparse(X) else ["base"]
    arrays = [getattr(X, name) for name in names]
    before = [None if a is None else a.copy() for a in arrays]
    as_rows(X).fingerprint()
    for name, array, copy in zip(names, arrays, before, strict=True):
        assert getattr(X, name) is array
        np.testing.assert_array_equal(array, copy)
    if not sp.issparse(X):
        assert X.flags.writeable


def test_rows_pass_through():
    rows = as_rows(GREY)
    assert as_rows(rows, D) is rows
    real = as_rows(rows, domain="real")
    assert_same_bits(real.all(), GREY.astype(np.float32))
    assert as_rows(real, domain="real") is real
    assert_same_bits(as_rows(real).all(), grey_levels(GREY))
    with pytest.raises(ValueError, match=r"^X\[\d+, \d+\] is .* but values must lie in \[0, 1\]$"):
        as_rows(as_rows(REAL, domain="real"))


@pytest.mark.parametrize("make", [np.array, np.asfortranarray, strided, sp.csr_array])
def test_opening_needs_little_memory(make):
    X = make(np.full((4000, 1000), 0.5))  # 32 MB
    tracemalloc.start()
    try:
        rows = as_rows(X)
        for _ in rows.blocks(100):
            pass
        rows.fingerprint()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30e6


@pytest.mark.parametrize("make", [np.array, np.asfortranarray, strided, sp.csr_array])
@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2", "f4", "f8", ">f4"])
def test_compact_rows_are_the_same_rows(dtype, make, monkeypatch):
    monkeypatch.setattr("rbmfast.data.memory.CHUNK", 30)
    for value in (1, -0.0, 0.5, -1, 2, np.nan):
        X = np.eye(9, 6)
        X[7, 2] = value
        with np.errstate(invalid="ignore"):
            X = make(X.astype(dtype)) if not (make is sp.csr_array and dtype in ("f2", ">f4")) else X
        try:
            expected = as_rows(X)
        except ValueError as error:
            with pytest.raises(ValueError, match=re.escape(str(error))):
                as_rows(X, compact=True)
        else:
            rows = as_rows(X, compact=True)
            assert rows.kind == expected.kind
            assert np.array_equal(rows.all(), expected.all())
            if value == 1 and make is not sp.csr_array and "f" in dtype:
                assert rows.direct is not None


def test_compact_rows_of_another_domain_are_the_given_ones():
    X = np.array([[0.3, 0.25], [1.0, 0.0]])
    rows = as_rows(as_rows(X, compact=True), domain="real")
    assert rows.kind == "real"
    assert np.array_equal(rows.all(), X.astype(np.float32))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_copy_on_write_map_keeps_what_was_written(order, tmp_path):
    X = on_disk(np.zeros((300, 50), np.uint8), tmp_path, mode="c", order=order)
    X[::2] = 1
    rows = as_rows(X)
    assert rows.mapped
    for _ in rows.blocks(10):
        pass
    assert X[::2].all()
    assert not X[1::2].any()


def test_a_written_map_keeps_what_was_written(tmp_path):
    X = on_disk(np.zeros((3000, 50), np.uint8), tmp_path, mode="r+")
    X[::2] = 1
    rows = as_rows(X)
    assert [block.sum() for _, block in rows.blocks(1000)] == [25000] * 3
    assert X.sum() == 75000


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def check_resident_memory(path, n_bytes, dtype, limit):
    with open(path, "wb") as file:
        file.truncate(n_bytes)  # a hole: takes no room on the disk
    X = np.memmap(path, dtype, "r").reshape(-1, 1024)
    before = resident_bytes()
    rows = as_rows(X)
    assert rows.mapped
    assert resident_bytes() - before < limit
    growth = max(resident_bytes() - before for _, block in rows.blocks() if not block.any())
    assert growth < limit
    rows.fingerprint()
    assert resident_bytes() - before < limit
    assert rows.block(np.array([len(rows) - 1, 0])).shape == (2, 1024)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize(
    ("n_bytes", "limit"), [(256 << 20, 100e6), pytest.param(1 << 30, 300e6, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_memory_map_is_streamed(n_bytes, limit, dtype, tmp_path):
    check_resident_memory(tmp_path / "hole", n_bytes, dtype, limit)


FLUSHED = """
import ctypes, sys
import numpy as np
from rbmfast.data import as_rows
tiny = [np.array([[1e-40, 1]], "f4"), np.array([[1e-310, 1]]), np.array([[1e-40, 1]])]
def outcome():
    return [(rows.kind, rows.fingerprint()) for rows in map(as_rows, tiny)]
before = outcome()
ctypes.CDLL(sys.argv[1])
assert (np.array([1e-310]) * np.array([1.0]))[0] == 0
assert outcome() == before
assert {kind for kind, _ in before} == {"grey"}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_a_neighbour_that_flushes_denormals_changes_nothing(tmp_path):
    (tmp_path / "empty.c").write_text("")
    library = tmp_path / "flush.so"
    build = ["gcc", "-shared", "-fPIC", "-ffast-math", "-o", library, tmp_path / "empty.c"]
    if subprocess.run(build, capture_output=True).returncode != 0:
        pytest.skip("gcc cannot build the neighbour")
    result = subprocess.run([sys.executable, "-c", FLUSHED, library], capture_output=True, text=True)
    if "== 0\nAssertionError" in result.stderr:
        pytest.skip("-ffast-math does not flush denormals here")
    assert result.returncode == 0, result.stderr


# --- Bad input ---------------------------------------------------------------------------------------------


def put(value, dtype="f8", at=(3, 5), make=np.asarray):
    X = np.zeros((6, 8), dtype)
    X[at] = value
    return make(X)


def csr_broken(**arrays):
    csr = sp.csr_array(np.eye(3))
    for name, array in arrays.items():
        setattr(csr, name, np.array(array, dtype=getattr(csr, name).dtype))
    return csr


IN_UNIT = r"values must lie in \[0, 1\]$"
ZERO_OR_ONE = r"integers must be 0 or 1 \("
NO_IMAGE = r"categories: one-hot .*; counts and other numbers: scaled, for visible='gaussian'\)$"
IMAGE = r"images of levels 0-255: rf\.Grey8\(X\); " + NO_IMAGE
NOT_2D = r"^X must be 2-D \(n_rows, n_features\), got shape "
NOT_A_CONTAINER = r"^X must be a 2-D array, a scipy\.sparse matrix, rf\.Grey8 or rf\.Packed, got "
DTYPE = r"^X must be bool, integer, float16, float32 or float64, got dtype "

BAD_VALUES = {
    "nan": (lambda: put(np.nan), r"^X\[3, 5\] is nan, but missing values are not allowed here: leave"),
    "nan f2": (lambda: put(np.nan, "f2"), r"^X\[3, 5\] is nan, but missing"),
    "-nan": (lambda: put(-np.float32(np.nan), "f4"), r"^X\[3, 5\] is nan, but missing"),
    "nan fortran": (lambda: put(np.nan, make=np.asfortranarray), r"^X\[3, 5\] is nan, but missing"),
    "nan strided": (lambda: put(np.nan, make=strided), r"^X\[3, 5\] is nan, but missing"),
    "nan csr": (lambda: put(np.nan, make=sp.csr_array), r"^X\[3, 5\] is nan, but missing"),
    "nan csc": (lambda: put(np.nan, make=sp.csc_matrix), r"^X\[3, 5\] is nan, but missing"),
    "nan list": (lambda: put(np.nan).tolist(), r"^X\[3, 5\] is nan, but missing"),
    "inf": (lambda: put(np.inf), r"^X\[3, 5\] is inf, but " + IN_UNIT),
    "-inf": (lambda: put(-np.inf, "f4"), r"^X\[3, 5\] is -inf, but " + IN_UNIT),
    "-1.0": (lambda: put(-1, "f4"), r"^X\[3, 5\] is -1\.0, but " + IN_UNIT),
    "1.5 big-endian": (lambda: put(1.5, ">f4"), r"^X\[3, 5\] is 1\.5, but " + IN_UNIT),
    "2.0 f2": (lambda: put(2, "f2"), r"^X\[3, 5\] is 2\.0, but " + IN_UNIT),
    "just above 1": (lambda: put(1 + 1.1e-6), r"^X\[3, 5\] is 1\.0000011, but " + IN_UNIT),
    "just below 0": (lambda: put(-1.1e-6), r"^X\[3, 5\] is -1\.1e-06, but " + IN_UNIT),
    "2 u1": (lambda: put(2, "u1"), r"^X\[3, 5\] is 2, but " + ZERO_OR_ONE + IMAGE),
    "255 u1": (lambda: put(255, "u1"), r"^X\[3, 5\] is 255, but " + ZERO_OR_ONE + IMAGE),
    "2 i8 csr": (lambda: put(2, "i8", make=sp.csr_array), r"^X\[3, 5\] is 2, but " + ZERO_OR_ONE + IMAGE),
    "-1 i1": (lambda: put(-1, "i1"), r"^X\[3, 5\] is -1, but " + ZERO_OR_ONE + NO_IMAGE),
    "-1 i8": (lambda: put(-1, "i8"), r"^X\[3, 5\] is -1, but " + ZERO_OR_ONE + NO_IMAGE),
    "300 >i2": (lambda: put(300, ">i2"), r"^X\[3, 5\] is 300, but " + ZERO_OR_ONE + NO_IMAGE),
    "bool byte 2": (lambda: put(2, "u1").view(bool), r"^X\[3, 5\] is 2, but " + ZERO_OR_ONE),
    "first of two": (lambda: put([7, 8], at=([5, 2], [0, 7])), r"^X\[2, 7\] is 8\.0"),
    "repeats": (lambda: csr_with_repeats(put(4, "i8")), r"^X\[3, 5\] is 4\.0, but " + IN_UNIT),
}
BAD_REAL_VALUES = {
    "nan": (lambda: put(np.nan), r"^X\[3, 5\] is nan, but missing"),
    "inf": (lambda: put(np.inf, "f4"), r"^X\[3, 5\] is inf, but values must be finite float32 numbers$"),
    "-inf csr": (lambda: put(-np.inf, make=sp.csr_array), r"^X\[3, 5\] is -inf, but values must be finite"),
    "overflow": (lambda: put(1e39), r"^X\[3, 5\] is 1e\+39, but values must be finite float32 numbers$"),
}
BAD_SHAPES = {
    "1-D": (lambda: np.zeros(5), NOT_2D + r"\(5,\); for a single row use reshape\(1, -1\)$"),
    "1-D list": (lambda: [0, 1], NOT_2D + r"\(2,\); for a single row use reshape\(1, -1\)$"),
    "3-D": (lambda: np.zeros((2, 3, 4)), NOT_2D + r"\(2, 3, 4\); pass X\.reshape\(2, -1\), a row for each$"),
    "0-D": (lambda: 5, NOT_2D + r"\(\)$"),
    "empty list": (list, NOT_2D + r"\(0,\)$"),
    "no rows": (
        lambda: np.zeros((0, 3)),
        r"^X must have at least one row and one column, got shape \(0, 3\)$",
    ),
    "no columns": (lambda: [[], []], r"^X must have at least one row and one column, got shape \(2, 0\)$"),
    "no rows csr": (lambda: sp.csr_array((0, 3)), r"^X must have at least one row and one column"),
    "ragged": (lambda: [[0, 1], [0]], r"^X must have rows of equal length: "),
    "csr column": (lambda: csr_broken(indices=[0, 1, 9]), r"^X is not a valid sparse matrix: "),
    "csr -1": (lambda: csr_broken(indices=[0, 1, -1]), r"^X is not a valid sparse matrix: "),
    "csr indptr": (lambda: csr_broken(indptr=[0, 2, 1, 3]), r"^X is not a valid sparse matrix: "),
    "csr end": (lambda: csr_broken(indptr=[0, 1, 2, 9]), r"^X is not a valid sparse matrix: "),
    "csc column": (lambda: csr_broken(indices=[0, 1, 9]).T, r"^X is not a valid sparse matrix: "),
}
BAD_TYPES = {
    "None": (lambda: None, NOT_A_CONTAINER + "NoneType$"),
    "str": (lambda: "train.npy", NOT_A_CONTAINER + "str$"),
    "bytes": (lambda: b"01", NOT_A_CONTAINER + "bytes$"),
    "path": (lambda: Path("train.npy"), NOT_A_CONTAINER + r"\w*Path$"),
    "dict": (dict, NOT_A_CONTAINER + "dict$"),
    "generator": (lambda: (i for i in range(2)), NOT_A_CONTAINER + "generator$"),
    "object": (lambda: np.array([[0, 1]], dtype=object), DTYPE + "object$"),
    "list with None": (lambda: [[0, None]], DTYPE + "object$"),
    "strings": (lambda: [["0", "1"]], DTYPE + "<U1$"),
    "complex": (lambda: np.zeros((2, 2), complex), DTYPE + "complex128$"),
    "complex csr": (lambda: sp.csr_array(np.eye(2) * 1j), DTYPE + "complex128$"),
    "dates": (lambda: np.zeros((2, 2), "M8[s]"), DTYPE + "datetime64"),
    "records": (lambda: np.zeros((2, 2), [("x", "f4")]), DTYPE),
    "masked": (lambda: np.ma.masked_equal([[0, 1]], 1), r"^X must not be a masked array"),
}


BAD = {
    (domain, name): (error, *case)
    for error, domain, cases in (
        (ValueError, "binary", BAD_VALUES | BAD_SHAPES),
        (ValueError, "real", BAD_REAL_VALUES | BAD_SHAPES),
        (TypeError, "binary", BAD_TYPES),
        (TypeError, "real", BAD_TYPES),
    )
    for name, case in cases.items()
}


@pytest.mark.parametrize("case", BAD, ids=" ".join)
def test_bad_input(case, monkeypatch):
    error, make, message = BAD[case]
    for chunk in (1 << 20, 3):
        monkeypatch.setattr("rbmfast.data.memory.CHUNK", chunk)
        with pytest.raises(error, match=message):
            as_rows(make(), domain=case[0])


def test_1d_sparse_arrays():
    X = sp.coo_array(np.ones(5))
    if len(X.shape) != 1:
        pytest.skip("this SciPy has 2-D sparse arrays only")
    with pytest.raises(ValueError, match=NOT_2D + r"\(5,\); for a single row use reshape"):
        as_rows(X)


def test_long_double_is_refused_where_it_is_longer():
    if np.dtype(np.longdouble).itemsize > 8:
        with pytest.raises(TypeError, match=DTYPE):
            as_rows(np.zeros((2, 2), np.longdouble))


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, sp.csr_array, Grey8, as_rows])
def test_wrong_width(make):
    with pytest.raises(ValueError, match=r"^V must have 20 features \(columns\), got 21$"):
        as_rows(make(BINARY), 20, name="V")
    with pytest.raises(ValueError, match=r"^V must have 20 features \(columns\), got 21$"):
        as_rows(Packed(np.packbits(BINARY, axis=1), D), 20, name="V")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_features": 9}, "features"),  # found before values are read
        ({"name": "validation"}, r"^validation\[3, 5\] is nan"),
        ({"domain": "grey"}, r"^domain must be 'binary' or 'real', got 'grey'$"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        as_rows(put(np.nan), **arguments)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: np.zeros((2, 2)), TypeError, r"^X must hold integers from 0 to 255, got dtype float64$"),
        (lambda: [[0.5]], TypeError, r"integers from 0 to 255, got dtype float64$"),
        (lambda: np.zeros((2, 2), bool), TypeError, r"got dtype bool$"),
        (lambda: sp.csr_array(np.eye(2)), TypeError, r"got dtype float64$"),
        (lambda: None, TypeError, "NoneType"),
        (lambda: Grey8(BINARY), TypeError, "Grey8$"),
        (
            lambda: put(256, "i4"),
            ValueError,
            r"^X\[3, 5\] is 256, but levels of Grey8 must be from 0 to 255$",
        ),
        (lambda: put(-1, "i1"), ValueError, r"^X\[3, 5\] is -1, but levels of Grey8 must be from 0 to 255$"),
        (lambda: put(999, "i8", make=sp.csr_array), ValueError, r"^X\[3, 5\] is 999, but levels"),
        (lambda: put(999, "i8", make=np.asfortranarray), ValueError, r"^X\[3, 5\] is 999, but levels"),
        (lambda: np.zeros(4, "u1"), ValueError, "2-D"),
        (lambda: np.zeros((0, 4), "u1"), ValueError, "at least one row"),
    ],
)
def test_bad_grey8(make, error, message):
    with pytest.raises(error, match=message):
        Grey8(make())


@pytest.mark.parametrize(
    ("bits", "n_features", "error", "message"),
    [
        (np.zeros((2, 3), "u1"), 25, ValueError, r"^bits must have 4 columns, .* n_features=25, got 3$"),
        (np.zeros((2, 3), "u1"), 16, ValueError, r"^bits must have 2 columns, .* n_features=16, got 3$"),
        (np.zeros((2, 3), "i8"), 24, TypeError, r"^bits must be uint8, .* got dtype int64$"),
        (np.zeros((2, 3), "?"), 24, TypeError, r"^bits must be uint8, .* got dtype bool$"),
        ([[1, 2, 3]], 24, TypeError, r"^bits must be uint8"),
        (None, 24, TypeError, r"NoneType"),
        (np.zeros(3, "u1"), 24, ValueError, r"^bits must be 2-D"),
        (np.zeros((0, 3), "u1"), 24, ValueError, r"^bits must have at least one row"),
        (np.zeros((2, 3), "u1"), 24.0, TypeError, r"^n_features must be an integer .*, got 24\.0$"),
        (np.zeros((2, 3), "u1"), 0, ValueError, r"^n_features must be an integer .*, got 0$"),
    ],
)
def test_bad_packed(bits, n_features, error, message):
    with pytest.raises(error, match=message):
        Packed(bits, n_features)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array, lambda X: Packed(np.packbits(X, axis=1), D)])
def test_bad_row_indices(make):
    rows = as_rows(make(BINARY))
    for bad in [[N], [-N - 1], [0, 2**40]]:
        with pytest.raises(IndexError, match=f"^rows must lie within {N} rows"):
            rows.block(np.array(bad))
    for bad in [np.ones(N, bool), np.array([0.0]), np.array([[0]]), 3]:
        with pytest.raises(TypeError, match=r"^rows must be a slice or a 1-D integer array"):
            rows.block(bad)
    with pytest.raises(ValueError, match=r"^size must be at least 1, got 0$"):
        next(rows.blocks(0))


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array, np.asfortranarray, Grey8])
@pytest.mark.parametrize("values", [BINARY, GREY])
def test_columns(make, values, monkeypatch):
    monkeypatch.setattr("rbmfast.data.memory.CHUNK", 3 * D + 1)
    X = make(np.rint(values * 255).astype("u1") if make is Grey8 else values)
    here = slice(2, 5)
    for domain, other in [("binary", "real"), ("real", "binary"), ("binary", "binary"), ("real", "real")]:
        rows = as_rows(X, domain=domain).columns(here, other)
        whole = as_rows(X, domain=other).all() if domain == other else None
        expected = as_rows(as_rows(X, domain="real").all()[:, here], domain="real").all()
        if whole is not None:
            assert_same_bits(rows.all(), whole[:, here])
        elif other == "real" and values is GREY:
            levels = as_rows(X, domain=domain).all()[:, here]
            assert_same_bits(rows.all(), levels / np.float32(65535))
        else:
            assert_same_bits(rows.all(), as_rows(expected, domain=other).all())
        index = np.array([3, 0, 0])
        assert_same_bits(rows.block(index), rows.all()[index])
        assert_same_bits(np.concatenate([block for _, block in rows.blocks(7)]), rows.all())
        assert (len(rows), rows.n_features, rows.direct, rows.stored) == (N, 3, None, None)


def test_computed_rows_among_real_numbers():
    """Grey levels, bytes and floats become the numbers that they mean, also beside labels."""
    levels = np.rint(GREY * 65535).astype(np.uint16)
    numbers = levels / np.float32(65535)
    labels = np.arange(N) % 3
    for states, meant in [(levels, numbers), (BINARY, BINARY), (numbers, numbers)]:
        computed = data.computed_rows(states.shape, states.dtype, states.__getitem__)
        rows, expected = as_rows(computed, domain="real"), as_rows(meant, domain="real")
        assert rows.kind == "real"
        assert_same_bits(rows.all(), expected.all())
        assert rows.fingerprint() == expected.fingerprint()
        beside, as_given = (some.with_one_hot(labels, 3) for some in (rows, computed))
        assert_same_bits(beside.all(), np.hstack([expected.all(), np.eye(3, dtype=np.float32)[labels]]))
        assert_same_bits(as_rows(as_given, domain="real").all(), beside.all())


def test_columns_are_checked():
    rows = as_rows([[-1, 0, 1], [0, 2, 1]], domain="real")
    assert rows.columns(slice(2, 3), "binary").kind == "binary"
    with pytest.raises(ValueError, match=r"^the data\[1, 0\] is 2\.0, but values must lie in \[0, 1\]$"):
        rows.columns(slice(1, 3), "binary")


def test_repr():
    assert repr(as_rows(BINARY)) == f"Rows({N} x {D}, binary)"
    assert repr(Grey8(BINARY)) == f"Grey8({N} x {D})"
    assert repr(Packed(np.packbits(BINARY, axis=1), D)) == f"Packed({N} x {D})"
    assert isinstance(as_rows(BINARY), Rows)


def test_pandas_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(GREY, columns=[f"x{j}" for j in range(D)])
    assert_same_bits(as_rows(frame).all(), grey_levels(GREY))
    frame["label"] = "a"
    with pytest.raises(TypeError, match=DTYPE + "object$"):
        as_rows(frame)
