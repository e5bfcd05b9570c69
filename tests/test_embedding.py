"""Other compiled modules call the engine and get the library's bits: the example, every exported function."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import rbmfast as rf
from rbmfast import _engine as engine

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "embed"
PACKAGE = Path(rf.__file__).parent

COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]


def run(folder: Path, *arguments: str) -> str:
    """What a fresh Python prints that runs in `folder` and sees this rbmfast."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "CFLAGS": "-O0"}  # compiled soon
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(folder: Path) -> None:
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    if shutil.which(COMPILER) is None:
        pytest.skip("there is no C compiler")
    run(folder, "setup.py", "-q", "build_ext", "--inplace")


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the example is not here")
def test_the_example(tmp_path: Path) -> None:
    for name in ("scorer.pyx", "setup.py", "compare.py"):
        shutil.copy(EXAMPLE / name, tmp_path)
    build(tmp_path)
    assert run(tmp_path, "compare.py").endswith(": the same bits\n")


# Arrays come as addresses: nothing but memory reaches the engine.
EVERYTHING = """
# cython: language_level=3
from libc.stdint cimport int64_t, uint8_t
from rbmfast cimport *

def run(int n_visible, int n_hidden, int64_t n, int64_t steps, size_t W, size_t a, size_t b, size_t v,
        size_t h, size_t x, size_t p, size_t y, size_t s):
    cdef rbmk_weights weights
    cdef rbmk_stream stream = rbmk_stream(seed=5, purpose=7, layer=0, step=0, rows=NULL, first_row=3)
    cdef rbmk_states states = rbmk_states(data=<void *>v, grey=0, stride=n_visible, n=n)
    cdef rbmk_outputs out
    cdef int threads, same
    with nogil:
        if rbmk_weights_create(&weights, <float *>W, n_visible, n_hidden, RBMK_MAX_EXPONENT) != RBMK_OK:
            with gil:
                raise MemoryError
        rbmk_gibbs(&weights, <float *>a, <float *>b, <uint8_t *>v, <uint8_t *>h, n, steps, stream, NULL)
        out = rbmk_outputs(input=<float *>x, probability=NULL, sample=NULL, softplus=NULL)
        rbmk_pass(&weights, 1, states, <float *>b, out, NULL)
        rbmk_sigmoid(<float *>x, n * n_hidden, <float *>p)
        rbmk_softplus(<float *>x, n * n_hidden, <float *>y)
        rbmk_weighted_sum(states, n_visible, <float *>a, <double *>s)
        rbmk_weights_free(&weights)
        threads = rbmk_get_num_threads()
        rbmk_set_num_threads(3)
        same = rbmk_get_num_threads()
        rbmk_set_num_threads(threads)
    return same
"""

SETUP = """
import rbmfast
from Cython.Build import cythonize
from setuptools import Extension, setup
everything = Extension("everything", ["everything.pyx"], include_dirs=[rbmfast.get_include()])
setup(ext_modules=cythonize(everything))
"""

COMPARE = """
import numpy as np
import everything
import rbmfast as rf
from rbmfast import _engine as engine

v = np.random.default_rng(0).integers(0, 2, (9, 70), dtype=np.uint8)
rbm = rf.RBM(70, 33, seed=1)
weights = engine.Weights(rbm.W)
v_then, h_then = engine.gibbs(weights, rbm.a, rbm.b, v, 4, seed=5, purpose=7, rows=3)

h = np.empty((9, 33), np.uint8)
x, p, y = np.empty((3, 9, 33), np.float32)
s = np.empty(9)
arrays = (rbm.W, rbm.a, rbm.b, v, h, x, p, y, s)
threads = everything.run(70, 33, 9, 4, *(array.ctypes.data for array in arrays))
assert (v == v_then).all() and (h == h_then).all()
assert (x == engine.affine(weights, v, rbm.b)).all()
assert (p == engine.sigmoid(x)).all() and (y == engine.softplus(x)).all()
assert (s == engine.weighted_sum(v, rbm.a)).all()
assert threads == (3 if engine.config()["openmp"] else 1)
print("fine")
"""


@pytest.mark.slow
def test_every_exported_function(tmp_path: Path) -> None:
    for name, text in (("everything.pyx", EVERYTHING), ("setup.py", SETUP), ("compare.py", COMPARE)):
        (tmp_path / name).write_text(text)
    build(tmp_path)
    assert run(tmp_path, "compare.py") == "fine\n"


def test_what_is_public_is_exported() -> None:
    """What __init__.pxd names but _engine.pyx does not export would be missing when the other is imported."""
    header = (Path(rf.get_include()) / "rbmk.h").read_text()
    names = {*re.findall(r"rbmk_\w+", (PACKAGE / "__init__.pxd").read_text())}
    functions = {name for name in names if re.search(rf"\b{name}\(", header)}
    assert functions == {*engine.__pyx_capi__}
    assert functions <= {*re.findall(r"rbmk_\w+", EVERYTHING)}  # and tested


def test_from_c() -> None:
    """Without Cython: a function's address lies in a capsule whose name is its C type."""
    capsule = engine.__pyx_capi__["rbmk_sigmoid"]
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    floats = ctypes.POINTER(ctypes.c_float)
    sigmoid = ctypes.CFUNCTYPE(None, floats, ctypes.c_int64, floats)(
        address(capsule, b"void (float const *, int64_t, float *)")
    )
    x = np.linspace(-9, 9, 50, dtype=np.float32)
    p = np.empty_like(x)
    sigmoid(x.ctypes.data_as(floats), len(x), p.ctypes.data_as(floats))
    assert (p == engine.sigmoid(x)).all()
