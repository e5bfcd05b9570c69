"""What the tests of the engine, and some others, share."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rbmfast import _engine as engine

PACKAGE = str(Path(engine.__file__).parent.parent)
TESTS = str(Path(__file__).parent.parent)


def run_python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh Python that sees this rbmfast and these tests."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{PACKAGE!r}, {TESTS!r}]\n{program}"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


# --- Float modes -------------------------------------------------------------------------------------------

FLUSH = 0x8040  # flush to zero, denormals are zero


def set_float_mode(extra: int) -> None:
    """Put bits into this thread's MXCSR: glibc's fenv_t on x86-64 ends with that register."""
    libm = ctypes.CDLL("libm.so.6")
    environment = ctypes.create_string_buffer(32)
    libm.fegetenv(environment)
    mode = int.from_bytes(environment.raw[28:], "little") & ~FLUSH | extra
    environment[28:] = mode.to_bytes(4, "little")
    libm.fesetenv(environment)


def flushes() -> bool:
    """Whether this thread flushes denormals."""
    half = np.array([1e-40], np.float32) * np.float32(0.5)
    return bool(half[0] == 0)


needs_x86_glibc = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or platform.libc_ver()[0] != "glibc",
    reason="sets MXCSR through glibc's fenv_t",
)
