"""Names of files, errors that say which, and files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, TypeAlias

FilePath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

_NO_FILE = "is no ordinary file, and only these are replaced"
_TEMPORARY = re.compile(r"\.rbmfast-(?P<place>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.tmp")
_DAY = 86400.0  # seconds


class FileFormatError(ValueError):
    """A file is not one of ours, is damaged, or holds something else than was asked for."""


# --- Names -------------------------------------------------------------------------------------------------


def file_name(path: object, name: str = "path", others: str = "") -> str:
    """The name of a file as text; an error calls it `name`, and says what `others` there may be."""
    allowed = f"{name} must be a file name{others}, got {path!r}"
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(allowed)
    file = os.fsdecode(path)
    if not file or "\0" in file:
        raise ValueError(allowed)
    return file


def check_path(path: object, name: str) -> str | None:
    """A file name or None; a clear error otherwise."""
    return None if path is None else file_name(path, name, " or None")


def check_destination(path: object, name: str) -> str | None:
    """The name of a file that can be written, or None: what is found out at the end has cost all the work."""
    file = check_path(path, name)
    if file is None:
        return None
    folder = os.path.dirname(os.path.realpath(file))
    if os.path.isdir(file):
        raise IsADirectoryError(f"{name} must be a file name, got the folder {file!r}")
    if os.path.exists(file) and not os.path.isfile(file):
        raise OSError(f"{name}: {file!r} {_NO_FILE}")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{name} must lie in an existing folder, got {file!r}")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{name} must lie in a folder that can be written to, got {file!r}")
    return file


# --- Errors ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def naming(file: str, temporary: str | None = None) -> Iterator[None]:
    """Errors of the system within name this file, where they name none, or one that the user never saw."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{file!r}: {error}") from error
        if error.filename not in (None, temporary):
            raise
        raise OSError(error.errno, error.strerror, file) from error


@contextlib.contextmanager
def blaming(file: str, what: str) -> Iterator[None]:
    """What goes wrong within is the file's fault, as it is no such thing: for contents put to use unseen."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        detail = f"{error.args[0]} is lacking" if isinstance(error, KeyError) else error
        raise FileFormatError(f"{file!r} {what}: {detail}") from error


def entry(meta: Mapping[str, Any], name: str, *kinds: type) -> Any:
    """What a file holds under this name, of one of these types; a KeyError or TypeError if it does not."""
    value = meta[name]
    if type(value) not in kinds:
        allowed = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be of type {allowed}, got {value!r}")
    return value


# --- Writing -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def complete_file(path: FilePath) -> Iterator[IO[bytes]]:
    """Open a file to write that appears under its name once all of it is on the disk, or not at all.

    Until then, and when writing fails, an existing file stays as it is. A process that is killed meanwhile
    leaves a ``.rbmfast-*.tmp`` beside it, which the next one to write into the folder removes.

    Parameters
    ----------
    path : str, bytes or PathLike
        Where to write. Through a symbolic link its target is written. An existing file keeps its permissions.

    Raises
    ------
    OSError
        It cannot be written; the error names `path`.

    Examples
    --------
    >>> with complete_file("words.txt") as file:
    ...     _ = file.write(b"all or nothing")
    """
    name = file_name(path)
    target = os.path.realpath(name)
    folder = os.path.dirname(target)
    mode = None
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(target).st_mode
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if mode is not None and not stat.S_ISREG(mode):  # never replace /dev/null
        raise OSError(errno.EINVAL, _NO_FILE, name)

    _remove_leftovers(folder)
    temporary = os.path.join(folder, f".rbmfast-{_place()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    with naming(name, temporary):
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    with contextlib.suppress(OSError):  # not every system can sync a folder, and the file is complete by now
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_leftovers(folder: str) -> None:
    """Remove what processes that were killed while writing have left.

    That a process is gone can only be known where its number was given; what others left, on another machine
    that shares the folder or in another container, goes when nobody has touched it for a day.
    """
    here = _place()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".rbmfast-") and entry.name.endswith(".tmp"):
                with contextlib.suppress(OSError):
                    if _is_left(entry, here):
                        os.unlink(entry.path)


def _is_left(entry: os.DirEntry[str], here: str) -> bool:
    """Whether nobody writes this temporary file any more."""
    written = _TEMPORARY.fullmatch(entry.name)
    if written and written["place"] == here and not _is_alive(int(written["process"])):
        return True
    return time.time() - entry.stat().st_mtime > _DAY


def _place() -> str:
    """A short name of what numbers its processes: this machine or, on Linux, this container."""
    numbers = ""
    with contextlib.suppress(OSError):
        numbers = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {numbers}".encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    """Whether there is a process of this number; where that cannot be asked, yes."""
    if os.name != "posix":  # elsewhere, `os.kill` kills
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        pass
    return True
