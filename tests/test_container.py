"""The file format: exact round trips, and a clear refusal of everything else."""

import hashlib
import json
import os
import stat
import struct
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rbmfast import container
from rbmfast.container import FileFormatError, read_file, write_file

DTYPES = ["bool", *(f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)), "float32", "float64"]
MAGIC = b"\x89RBM\r\n\x1a\n"
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions, links and limits")


def bits(array):
    """What must be equal: dtype, shape and every bit, in whatever byte order they lie."""
    return array.dtype.name, array.shape, array.astype(array.dtype.newbyteorder("<")).tobytes()


def craft(header, data=b"", version=1, magic=MAGIC):
    """Write the documented layout by hand, with a valid checksum, so that any lie can be told."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = struct.pack("<8sIQ", magic, version, len(text)) + text
    body += bytes(-len(body) % 64) + data
    return body + hashlib.sha256(body).digest()


def entry(name="x", dtype="uint8", shape=(4,), offset=0, nbytes=4):
    return {"name": name, "dtype": dtype, "shape": list(shape), "offset": offset, "nbytes": nbytes}


def header(*arrays, kind="k", meta=None):
    return {"kind": kind, "meta": {} if meta is None else meta, "arrays": list(arrays)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.bin"


@pytest.fixture
def small(path):
    write_file(path, "model", {"rate": 0.1}, {"W": np.arange(6, dtype=np.float32).reshape(2, 3)})
    return path


# round trips


def json_values():
    scalars = st.none() | st.booleans() | st.integers() | st.text()
    scalars |= st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    )


@st.composite
def any_array(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype=np.uint8)
    array = (raw & 1).astype(bool) if dtype.kind == "b" else raw.view(dtype)  # any bits at all
    array = array.reshape(shape)
    if draw(st.booleans()):
        array = array.astype(dtype.newbyteorder(">"))
    return array.T[::-1] if array.ndim and draw(st.booleans()) else array


@given(
    st.text(),
    st.dictionaries(st.text(), json_values(), max_size=4),
    st.dictionaries(st.text(), any_array(), max_size=4),
)
def test_round_trip(kind, meta, arrays):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.bin")
        write_file(path, kind, meta, arrays)
        found_kind, found_meta, found = read_file(path, kind)
    assert found_kind == kind
    assert repr(found_meta) == repr(meta)  # tells -0.0 from 0.0, and True from 1
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert bits(found[name]) == bits(array)


def test_arrays_come_back_ready_for_use(path):
    read_only = np.array([1.5, -0.0, 5e-324, np.inf, -np.nan], dtype=">f8")
    read_only.flags.writeable = False
    write_file(path, "k", {}, {"x": read_only, "fortran": np.asfortranarray(np.eye(3)), "scalar": np.int8(3)})
    _, _, found = read_file(path)
    for array in found.values():
        assert array.flags.writeable and array.flags.c_contiguous and array.flags.aligned
        assert array.dtype.isnative
    assert bits(found["x"]) == bits(read_only)
    assert found["scalar"].shape == ()


def test_layout_is_the_documented_one(path):
    """The bytes of version 1 never change; `craft` is an independent writer of them."""
    arrays = {"b": np.array([True, False]), "W": np.array([[1, 2]], dtype=">i2")}
    write_file(path, "modèle", {"x": 0.1, "y": None}, arrays)
    text = (
        '{"kind": "modèle", "meta": {"x": 0.1, "y": null}, "arrays": ['
        '{"name": "b", "dtype": "bool", "shape": [2], "offset": 0, "nbytes": 2}, '
        '{"name": "W", "dtype": "int16", "shape": [1, 2], "offset": 64, "nbytes": 4}]}'
    )
    assert path.read_bytes() == craft(text.encode(), b"\x01\x00" + bytes(62) + b"\x01\x00\x02\x00")


def test_no_arrays(path):
    write_file(path, "k", {}, {})
    assert path.read_bytes() == craft(header())
    assert read_file(path) == ("k", {}, {})


def test_many_blocks(path):
    """More than one checksum block, and an array that ends on a block's edge."""
    x = np.arange(1 << 19, dtype=np.uint32)
    write_file(path, "k", {}, {"x": x, "y": x[:3]})
    assert np.array_equal(read_file(path)[2]["x"], x)


@pytest.mark.parametrize("as_type", [str, Path])
def test_path_types(path, as_type):
    write_file(as_type(path), "k", {}, {})
    assert read_file(as_type(path))[0] == "k"


# refusals to write


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [{"deep": float("nan")}]])
def test_write_refuses_non_finite_metadata(path, value):
    with pytest.raises(ValueError):
        write_file(path, "k", {"x": value}, {})
    assert not path.exists()


@pytest.mark.parametrize("value", [(1, 2), {1: "x"}, [(1,)], object(), b"x", np.float32(1), {1, 2}])
def test_write_refuses_what_json_does_not_give_back(path, value):
    with pytest.raises(TypeError):
        write_file(path, "k", {"x": value}, {})
    assert not path.exists()


@pytest.mark.parametrize("dtype", ["float16", "complex64", "longdouble", "O", "U3", "S3", "M8[s]", "i4,f4"])
def test_write_refuses_dtype(path, dtype):
    with pytest.raises(TypeError, match="'x' has dtype"):
        write_file(path, "k", {}, {"x": np.zeros(2, dtype=dtype)})
    assert not path.exists()


def test_write_refuses_names_that_are_not_text(path):
    with pytest.raises(TypeError, match="must be text"):
        write_file(path, "k", {}, {3: np.zeros(2)})
    with pytest.raises(TypeError, match="must be text"):
        write_file(path, 3, {}, {})
    with pytest.raises(ValueError):  # half a surrogate pair is not UTF-8
        write_file(path, "\ud800", {}, {})
    assert not path.exists()


# refusals to read


def test_every_damaged_byte_is_noticed(small):
    good = small.read_bytes()
    for position in range(len(good)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = bytearray(good)
            damaged[position] ^= mask
            small.write_bytes(damaged)
            with pytest.raises(FileFormatError, match=r"file\.bin"):
                read_file(small)


def test_every_truncation_is_noticed(small):
    good = small.read_bytes()
    for length in range(len(good)):
        small.write_bytes(good[:length])
        with pytest.raises(FileFormatError, match=r"not an rbmfast file|truncated"):
            read_file(small)


def test_trailing_bytes(small):
    small.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(FileFormatError, match="checksum"):
        read_file(small)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x93NUMPY" * 50, MAGIC.replace(b"\r\n", b"\n") * 9]
)
def test_other_files(path, content):
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="is not an rbmfast file"):
        read_file(path)


def test_newer_version(path):
    path.write_bytes(craft(header(), version=2))
    with pytest.raises(FileFormatError, match="written by a newer version of rbmfast"):
        read_file(path)


def test_version_zero(path):
    path.write_bytes(craft(header(), version=0))
    with pytest.raises(FileFormatError, match="header"):
        read_file(path)


def test_wrong_kind_names_both(small):
    with pytest.raises(FileFormatError, match="holds 'model', not 'checkpoint'"):
        read_file(small, kind="checkpoint")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"kind": "k", "meta": {}}',
        b'{"kind": "k", "meta": {"x": NaN}, "arrays": []}',
        b'{"kind": "k", "meta": {}, "arrays": [], "more": 1}',
        b'{"kind": 1, "meta": {}, "arrays": []}',
        b'{"kind": "k", "meta": [], "arrays": []}',
        b'{"kind": "k", "meta": {}, "arrays": {}}',
        b'{"kind": "k", "meta": {}, "arrays": [1]}',
        b'{"kind": "k", "meta": {}, "arrays": [{"name": "x"}]}',
    ],
    ids=lambda text: text[:50].decode("latin-1"),
)
def test_header_that_is_none(path, text):
    path.write_bytes(craft(text))
    with pytest.raises(FileFormatError, match="invalid"):
        read_file(path)


LIES = {
    "outside": [entry(shape=[8], nbytes=8)],
    "before": [entry(offset=-64)],
    "misplaced": [entry(offset=64)],
    "overlapping": [entry(), entry(name="y", offset=0)],
    "same name": [entry(shape=[0], nbytes=0), entry()],
    "too few": [],
    "too short": [entry(shape=[3], nbytes=3)],
    "nbytes": [entry(nbytes=3)],
    "nbytes is a float": [entry(nbytes=4.5)],
    "offset is text": [entry(offset="0")],
    "negative": [entry(shape=[-4], nbytes=-4)],
    "two negatives": [entry(shape=[-2, -2])],
    "huge": [entry(shape=[2**62], nbytes=2**62)],
    "huge in product": [entry(shape=[2**40, 2**40], nbytes=2**80)],
    "huge but empty": [entry(name="y", shape=[2**62, 2**62, 0], nbytes=0), entry()],
    "beyond 64 bits": [entry(shape=[2**70], nbytes=2**70)],
    "too many dimensions": [entry(shape=[1] * 65 + [4])],
    "shape of floats": [entry(shape=[4.0])],
    "shape of bools": [entry(shape=[True, 4])],
    "shape is a number": [{**entry(), "shape": 4}],
    "name is a number": [entry(name=1)],
    "unknown dtype": [entry(dtype="object")],
    "dtype is a list": [entry(dtype=["u1"])],
    "dtype by another name": [entry(dtype="<u1")],
    "bool of 2": [entry(dtype="bool")],
}


@pytest.mark.parametrize("lie", LIES)
def test_header_that_lies(path, lie):
    path.write_bytes(craft(header(entry()), b"\x02\1\0\0"))
    read_file(path)  # the truth is accepted
    path.write_bytes(craft(header(*LIES[lie]), b"\x02\1\0\0"))
    with pytest.raises(FileFormatError):
        read_file(path)


def test_header_longer_than_the_file(path):
    for length in (10**3, 2**40, 2**64 - 1):
        body = struct.pack("<8sIQ", MAGIC, 1, length) + bytes(100)
        path.write_bytes(body + hashlib.sha256(body).digest())
        with pytest.raises(FileFormatError, match="header"):
            read_file(path)


def test_ordinary_errors_stay_ordinary(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="missing"):
        write_file(tmp_path / "missing" / "file.bin", "k", {}, {})
    if os.name == "posix":
        with pytest.raises(IsADirectoryError):
            read_file(tmp_path)
        with pytest.raises(IsADirectoryError):
            write_file(tmp_path, "k", {}, {})
    assert list(tmp_path.iterdir()) == []


# completely or not at all


def fail_with(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize("function", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["OSError", "Ctrl-C"])
def test_failure_leaves_the_old_file(small, monkeypatch, function, error):
    before = small.read_bytes()
    monkeypatch.setattr(container.os, function, fail_with(error))
    with pytest.raises(type(error)):
        write_file(small, "k", {}, {"x": np.zeros(1000)})
    monkeypatch.undo()
    assert small.read_bytes() == before
    assert list(small.parent.iterdir()) == [small]


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_failure_in_the_middle_of_an_array(path, exists):
    import resource

    if exists:
        write_file(path, "old", {}, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(OSError):
            write_file(path, "new", {}, {"x": np.zeros(1 << 20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(path.parent.iterdir()) == ([path] if exists else [])
    if exists:
        assert read_file(path)[0] == "old"


def test_two_writers_never_mix(path):
    """Whatever a reader finds, one writer wrote all of it."""
    write_file(path, "0", {}, {"x": np.zeros(5000), "y": np.zeros(10)})

    def write(number):
        for _ in range(40):
            write_file(path, str(number), {}, {"x": np.full(5000 * number, number), "y": np.full(10, number)})

    writers = [threading.Thread(target=write, args=(number,)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        kind, _, arrays = read_file(path)
        assert all((array == int(kind)).all() for array in arrays.values())
        assert arrays["x"].size == 5000 * max(int(kind), 1)
    for writer in writers:
        writer.join()
    write_file(path, "last", {}, {})
    assert read_file(path)[0] == "last"
    assert list(path.parent.iterdir()) == [path]


@posix
def test_permissions(path):
    before = os.umask(0o027)
    try:
        write_file(path, "k", {}, {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        write_file(path, "k", {}, {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_symbolic_link_is_written_through(tmp_path, exists):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "file.bin"
    link = tmp_path / "link"
    link.symlink_to(Path("elsewhere", "file.bin"))
    if exists:
        target.write_bytes(b"old")
    write_file(link, "k", {}, {})
    assert link.is_symlink()
    assert read_file(target)[0] == "k"
    assert {file.name for file in tmp_path.rglob("*")} == {"link", "elsewhere", "file.bin"}


@posix
def test_a_device_is_not_replaced(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="fifo"):
        write_file(fifo, "k", {}, {})
    assert stat.S_ISFIFO(fifo.stat().st_mode)
