"""The file format: exact round trips, and a clear refusal of everything else."""

import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rbmfast.archive import read_file, write_file
from rbmfast.files import FileFormatError
from rbmfast.runtime import VERSION

DTYPES = ["bool", *(f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)), "float32", "float64"]
ABOUT = {"format_version": 2, "kind": "k", "rbmfast": VERSION, "arrays": [], "meta": {}}


def bits(array: Any) -> Any:
    """What must be equal: dtype, shape and every bit, in whatever byte order they lie."""
    return array.dtype.name, array.shape, array.astype(array.dtype.newbyteorder("<")).tobytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.bin"


@pytest.fixture
def small(path: Path) -> Path:
    arrays = {"W": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False])}
    write_file(path, "k", {"rate": 0.1}, arrays)
    return path


# --- What comes back ---------------------------------------------------------------------------------------


def json_values() -> Any:
    scalars = st.none() | st.booleans() | st.integers() | st.text()
    scalars |= st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    )


@st.composite
def any_array(draw: Any) -> Any:
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
    st.dictionaries(st.sampled_from(["W", "visible.log_sigma", "notes/0/x", "ä"]), any_array(), max_size=4),
)
def test_round_trip(kind: str, meta: Any, arrays: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.bin")
        write_file(path, kind, meta, arrays)
        found_kind, found_meta, found = read_file(path, kind)
        with np.load(path, allow_pickle=False) as stored:  # what everybody can do
            about = json.loads(str(stored["json"]))
            assert about == {**ABOUT, "kind": kind, "arrays": [*arrays], "meta": meta}
            assert all(bits(stored[name]) == bits(array) for name, array in arrays.items())
    assert found_kind == kind
    assert repr(found_meta) == repr(meta)  # tells -0.0 from 0.0, and True from 1
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert bits(found[name]) == bits(array)
        assert found[name].flags.writeable and found[name].flags.c_contiguous and found[name].flags.aligned
        assert found[name].dtype.isnative


def test_equal_contents_are_equal_bytes(small: Path) -> None:
    before = small.read_bytes()
    os.utime(small, (0, 0))
    kind, meta, arrays = read_file(small)
    write_file(small, kind, meta, {name: np.asfortranarray(array) for name, array in arrays.items()})
    assert small.read_bytes() == before


def test_other_tools_may_write_it(small: Path) -> None:
    contents = repr(read_file(small))
    with np.load(small) as stored:
        arrays = dict(stored)
    with open(small, "wb") as file:
        np.savez(file, **arrays)
    assert repr(read_file(small)) == contents


# --- What is not written -----------------------------------------------------------------------------------


def test_what_files_cannot_hold(path: Path) -> None:
    for value in (float("nan"), -float("inf"), [{"deep": float("nan")}]):
        with pytest.raises(ValueError):
            write_file(path, "k", {"x": value}, {})
    for thing in ((1, 2), {1: "x"}, [(1,)], object(), b"x", np.float32(1), {1, 2}):
        with pytest.raises(TypeError):
            write_file(path, "k", {"x": thing}, {})  # type: ignore[dict-item]
    for dtype in ("complex64", "O", "U3", "S3", "M8[s]", "i4,f4"):
        with pytest.raises(TypeError, match="'x' has dtype"):
            write_file(path, "k", {}, {"x": np.zeros(2, dtype=dtype)})
    assert not path.exists()


# --- What is not read --------------------------------------------------------------------------------------


def test_damage_is_noticed_or_harms_nothing(small: Path) -> None:
    """A zip archive has bytes that nothing depends on, such as the time of day."""
    good, contents = small.read_bytes(), repr(read_file(small))
    harmless = 0
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= (0x01, 0x80, 0xFF)[position % 3]
        small.write_bytes(damaged)
        try:
            assert repr(read_file(small)) == contents
            harmless += 1
        except FileFormatError as error:
            assert str(error).startswith(repr(str(small)))
    assert harmless < len(good) / 5
    for length in range(0, len(good), 5):
        small.write_bytes(good[:length])
        with pytest.raises(FileFormatError, match=r"file\.bin' is (not an rbmfast|truncated)"):
            read_file(small)


def test_other_files(path: Path) -> None:
    table = io.BytesIO()
    np.savez(table, X=np.eye(3))
    for content in (b"", b"PK", b"\x93NUMPY" * 50, b"\x89RBM\n\x1a\n" * 9, b"0,1\n", table.getvalue()):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"file\.bin' is not an rbmfast file$"):
            read_file(path)


def test_ordinary_errors_stay_ordinary(tmp_path: Path) -> None:
    for act in (read_file, lambda path: write_file(path, "k", {}, {})):
        with pytest.raises(FileNotFoundError, match="missing"):
            act(tmp_path / "missing" / "file.bin")
        if os.name == "posix":
            with pytest.raises(IsADirectoryError):
                act(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_kind_or_a_newer_format(small: Path) -> None:
    with pytest.raises(FileFormatError, match="holds 'k', not 'checkpoint'"):
        read_file(small, kind="checkpoint")
    forge(small, {**ABOUT, "format_version": 3, "kind": ["of a kind that is not known yet"]})
    with pytest.raises(FileFormatError, match=r"was written by a newer version .* is 3, known is 2$"):
        read_file(small)


def forge(path: Path, about: Any, compression: int = zipfile.ZIP_STORED, **members: bytes) -> None:
    """Write the format by hand, with valid checksums, so that any lie can be told."""
    text = about if isinstance(about, str) else json.dumps({**about, "arrays": [*members]})
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("json.npy", npy(np.array(text)))
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def claiming(shape: Any, descr: str = "|u1", content: bytes = b"\2\1\0\0") -> bytes:
    """An array of four bytes that claims to be this."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}}}"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + content


def test_made_up_descriptions(path: Path) -> None:
    forge(path, ABOUT)
    assert read_file(path) == ("k", {}, {})
    for about in ("", "{", "[]", "null", "[" * 10_000, '"\\ud800', '{"json": 1}', "1" * 5000):
        forge(path, about)
        with pytest.raises(FileFormatError, match=r"file\.bin' (is|has)"):
            read_file(path)
    for name in ("format_version", "kind", "meta"):
        for wrong in (None, "x", [], 1.5, 0, {}, float("nan")):
            forge(path, {**ABOUT, name: wrong})
            if type(wrong) is not type(ABOUT[name]) or wrong == 0:
                with pytest.raises(FileFormatError, match=r"file\.bin' (is|has)"):
                    read_file(path)
    for about in ({**ABOUT, "meta": {"x": float("nan")}}, json.dumps({**ABOUT, "arrays": ["x"]})):
        forge(path, about)
        with pytest.raises(FileFormatError):
            read_file(path)


LIES = {
    "too long": claiming((8,)),
    "too short": claiming((3,)),
    "negative": claiming((-4,)),
    "two negatives": claiming((-2, -2)),
    "huge": claiming((2**40,)),
    "huge in product": claiming((2**40, 2**40)),
    "huge but empty": claiming((2**62, 2**62, 0), content=b""),
    "beyond 64 bits": claiming((2**70,)),
    "too many dimensions": claiming([1] * 65 + [4]),
    "shape of floats": claiming((4.0,)),
    "shape is a number": claiming(4),
    "bool of 2": claiming((4,), "|b1"),
    "text": claiming((1,), "<U1"),
    "objects": claiming((0,), "|O", b""),
    "pickle": npy(np.array([{}], dtype=object)),
    "records": npy(np.zeros(2, "i4,f4")),
    "unknown dtype": claiming((4,), "x"),
    "deep header": claiming(0).replace(b"0}", b"[" * 500 + b"}"),
    "no array": b"text",
    "empty": b"",
    "another version": b"\x93NUMPY\x09" + claiming((4,))[7:],
}


@pytest.mark.parametrize("lie", LIES)
def test_arrays_that_lie(path: Path, lie: str) -> None:
    forge(path, ABOUT, x=claiming((4,)))
    assert read_file(path)[2]["x"].tolist() == [2, 1, 0, 0]
    forge(path, ABOUT, x=LIES[lie])
    with pytest.raises(FileFormatError, match=r"file\.bin' "):
        read_file(path)


def test_archives_that_lie(path: Path) -> None:
    """Sizes of gigabytes are not believed: neither what is compressed, nor one array under many names."""
    forge(path, ABOUT, zipfile.ZIP_DEFLATED, x=npy(np.zeros(10**7)))
    with pytest.raises(FileFormatError, match="is compressed or damaged"):
        read_file(path)
    forge(path, ABOUT, x=claiming((4,)))
    size = len(claiming((4,))).to_bytes(4, "little")
    good = path.read_bytes()
    directory = good.index(b"PK\1\2", good.index(b"PK\1\2") + 1)  # the entry of x
    for huge in (2**30, 2**32 - 2):
        entry = good[directory:].replace(size * 2, huge.to_bytes(4, "little") * 2)
        assert entry != good[directory:]
        path.write_bytes(good[:directory] + entry)
        with pytest.raises(FileFormatError, match="do not have the sizes"):
            read_file(path)


def test_ctrl_c_between_two_steps_stays_ctrl_c(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where an array's place in the archive is open, and nobody is there yet to close it."""

    def interrupted(self: zipfile.ZipFile, *arguments: Any, **more: Any) -> Any:
        held.append(opened(self, *arguments, **more))
        raise KeyboardInterrupt

    held: list[Any] = []
    opened = zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a.rbm", "example", {}, {"W": np.zeros(3)})
    assert [*tmp_path.iterdir()] == []
