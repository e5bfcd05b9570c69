"""The machine underneath: how many threads the engine uses, what it was built with, what fits in memory."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbmfast import _engine as engine
from rbmfast.checks import check_integer
from rbmfast.reference import STREAM_VERSION

__all__ = [
    "VERSION",
    "Config",
    "check_fits_memory",
    "get_include",
    "get_num_threads",
    "set_num_threads",
    "show_config",
    "uninterrupted",
    "warn",
]

MAX_THREADS = 4096
THREAD_VARIABLES = OWN_VARIABLE, OPENMP_VARIABLE = "RBMFAST_NUM_THREADS", "OMP_NUM_THREADS"

VERSION = "0.1.0"  # pyproject.toml reads it here: asking the installed metadata would slow every import


# --- Threads -----------------------------------------------------------------------------------------------


def set_num_threads(n: int) -> None:
    """Set how many threads the engine uses. Results do not depend on it.

    The environment variable ``RBMFAST_NUM_THREADS`` does the same (and is an ImportError if it is no such
    number). Without either there are as many threads
    as ``OMP_NUM_THREADS`` says, else as there are CPUs that this process may use, but never more than OpenMP
    allows the calling thread (see ``threadpoolctl.threadpool_limits``). Calls that run at once share them,
    and use fewer for a while where threads wait too long for each other, as when other programs keep the
    CPUs busy.

    Parameters
    ----------
    n : int
        From 1 to 4096, for the whole process.

    Raises
    ------
    TypeError, ValueError
        `n` is not such a number.

    Examples
    --------
    >>> import rbmfast as rf
    >>> before = rf.get_num_threads()
    >>> rf.set_num_threads(1)
    >>> rf.get_num_threads()
    1
    >>> rf.set_num_threads(before)
    """
    engine.set_num_threads(check_integer(n, "n", low=1, high=MAX_THREADS))


def get_num_threads() -> int:
    """How many threads the engine uses: see `set_num_threads`. Always 1 in a forked child process."""
    return engine.get_num_threads()


@contextlib.contextmanager
def thread_limit(n: int | None) -> Iterator[None]:
    """Let calls from this Python thread use at most `n` threads for a while; None changes nothing."""
    if n is None:
        yield
        return
    before = engine.limit_threads(check_integer(n, "n", low=1, high=MAX_THREADS))
    try:
        yield
    finally:
        engine.limit_threads(before)


def threads_from_environment() -> tuple[int | None, int]:
    """The number that our own variable sets, and the default: what OpenMP's says, else that of the CPUs.

    Raises
    ------
    ImportError
        Our own says no number of threads: this is asked when the package is imported.
    """
    return _number_in(OWN_VARIABLE), _number_in(OPENMP_VARIABLE) or usable_cpus()


def _number_in(variable: str) -> int | None:
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    first = text.split(",")[0].strip() if variable == OPENMP_VARIABLE else text  # OpenMP: one per level
    if first.isascii() and first.isdigit() and 1 <= int(first[:9]) <= MAX_THREADS:
        return int(first[:9])
    allowed = f"must be an integer from 1 to {MAX_THREADS}"
    if variable == OWN_VARIABLE:
        raise ImportError(f"{variable} {allowed}, got {text!r}")
    warnings.warn(f"ignoring {variable}={text!r}: it {allowed}", RuntimeWarning, stacklevel=2)
    return None


def usable_cpus(root: Path = Path("/")) -> int:
    """CPUs that this process may use: its affinity and, on Linux, its control group's quota, rounded up."""
    if hasattr(os, "sched_getaffinity"):
        n = len(os.sched_getaffinity(0))
    else:
        n = os.cpu_count() or 1
    return max(1, min([n, MAX_THREADS, *_quotas(root)]))


def _quotas(root: Path) -> list[int]:
    """CPU limits of this process's control groups and the groups above them, of both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container the files of its own group are often seen at the mount point itself.
        path = Path(group.lstrip("/"))
        for folder in (path, *path.parents):
            limits += _quota(root / "sys/fs/cgroup" / (controllers and "cpu") / folder)
    return limits


def _quota(folder: Path) -> list[int]:
    """CPU limit, rounded up, that the files of a control group state; [] for none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()  # version 2; "max" is no limit
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()  # version 1; -1 is no limit
            period = (folder / "cpu.cfs_period_us").read_text()
        return [-(-int(quota) // int(period))] if int(quota) > 0 else []
    except (OSError, ValueError, ZeroDivisionError):
        return []


# --- What there is -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """What `show_config` returns; it prints as a small table.

    Attributes
    ----------
    version : str
        Of rbmfast.
    stream_version : int
        Equal numbers promise equal random streams and equal bits.
    compiler : str
        What built the engine.
    openmp : bool
        Whether it can use more than one thread.
    cpu : str
        What the system calls it.
    isa_built, isa_available : tuple of str
        Instruction-set paths in this build, and those of them that this CPU runs.
    isa : str
        The path in use (environment variable ``RBMFAST_ISA``).
    threads : int
        In use.
    """

    version: str
    stream_version: int
    compiler: str
    openmp: bool
    cpu: str
    isa_built: tuple[str, ...]
    isa_available: tuple[str, ...]
    isa: str
    threads: int

    def __repr__(self) -> str:
        return "\n".join(
            (
                f"rbmfast         {self.version} (stream version {self.stream_version})",
                f"compiler        {self.compiler}, OpenMP: {'yes' if self.openmp else 'no'}",
                f"CPU             {self.cpu}",
                f"paths built     {', '.join(self.isa_built)}",
                f"paths runnable  {', '.join(self.isa_available)}",
                f"path in use     {self.isa}",
                f"threads         {self.threads}",
            )
        )


def show_config() -> Config:
    """What this installation is and what it runs on.

    Returns
    -------
    Config
        Prints as a table; its attributes are the single facts.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rf.show_config().stream_version
    1
    """
    return Config(version=VERSION, stream_version=STREAM_VERSION, cpu=_cpu_name(), **engine.config())


def get_include() -> str:
    """The folder of ``rbmk.h``, the engine's C header: for compiling a Cython module that calls the engine.

    Such a module says ``from rbmfast cimport rbmk_pass``, and takes the function from memory when it is
    imported: there is nothing to link. ``examples/embed`` in the source is one.

    Returns
    -------
    str
        For ``include_dirs`` of a setuptools ``Extension``.

    Examples
    --------
    >>> import os
    >>> import rbmfast as rf
    >>> os.listdir(rf.get_include())
    ['rbmk.h']
    """
    return str(Path(__file__).with_name("include"))


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name")).split(":", 1)[1].strip()
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


# --- Memory ------------------------------------------------------------------------------------------------


def check_fits_memory(n_bytes: int, what: str) -> None:
    """Refuse at once, with a MemoryError that begins with `what`, what this machine could never hold.

    (Asking the system for it is no test: most promise more than they have.)
    """
    memory = min(_physical_memory(), _memory_limit())
    if n_bytes > memory:
        raise MemoryError(f"{what} needs {_readable(n_bytes)}, and this machine has {_readable(memory)}")


def _memory_limit() -> int:
    """Of this process's control group: what a container may use.

    Bytes: text imports its codec at the first use, and a process forked meanwhile waits for that forever.
    """
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return int(Path("/sys/fs/cgroup", name).read_bytes())
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return 1 << 62


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 47  # unknown here: what an address can reach


def _readable(n_bytes: int) -> str:
    size, units = float(n_bytes), ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        del units[0]
    return f"{size:.3g} {units[0]}"


_own, _default = threads_from_environment()  # numbers only: no thread is started
engine.set_default_threads(_default)
if _own:
    engine.set_num_threads(_own)


# --- Warnings ----------------------------------------------------------------------------------------------


def warn(message: str) -> None:
    """Warn the caller of the package, however many of its own functions (and their dispatch) lie between."""
    depth, frame = 2, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("rbmfast.", "functools")):
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(message, UserWarning, stacklevel=depth)


def uninterrupted(function: Callable[..., Any], *arguments: Iterable[Any]) -> None:
    """Call a function written in C for all arguments, as `map` does, with no way for Ctrl-C to come between.

    Python answers signals between its own instructions, and here all calls are made within a single one.
    """
    deque(map(function, *arguments), maxlen=0)
