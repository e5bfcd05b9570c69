"""Files that the subcommands write."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from rbmfast.cli.options import CommandError, one_line
from rbmfast.files import check_destination, complete_file, file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check(path: str, *others: str | None) -> str:
    """`path` if a file can appear there and is none of the other files; an error before the long part."""
    for other in others:
        if other is not None and os.path.realpath(path) == os.path.realpath(other):
            raise CommandError(f"{path}: this file is named twice; nothing is overwritten")
    check_destination(file_name(path, "a file to write"), "a file to write")
    return path


def write_all(files: Mapping[str, Callable[[str], object]], otherwise: str = "") -> None:
    """Write files, each by a call with its name; what took hours must not be lost to a full disk.

    Where that fails, a file of the same name is written in a new folder at home, or among temporary files. An
    error says where it is in the end; `otherwise` is what else it says if that is nowhere.
    """
    problems = []
    for path, write in files.items():
        try:
            write(path)
        except OSError as error:
            place = _write_elsewhere(path, write)
            problems.append(one_line(error) + (f"; wrote {place} instead" if place else otherwise))
    if problems:
        raise CommandError("; ".join(problems))


def _write_elsewhere(path: str, write: Callable[[str], object]) -> str:
    """The name of the file, empty if it could not be written anywhere."""
    for around in (functools.partial(os.path.expanduser, "~"), tempfile.gettempdir):
        with contextlib.suppress(OSError):
            folder = tempfile.mkdtemp(prefix="rbmfast-", dir=around())
            place = os.path.join(folder, os.path.basename(path))
            try:
                write(place)
            except BaseException:
                os.rmdir(folder)
                raise
            return place
    return ""


def write_json(path: str, value: Any) -> None:
    """Write JSON; numbers that it cannot hold become null."""
    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    with complete_file(path) as file:
        file.write(json.dumps(finite, indent=1).encode() + b"\n")


def is_table(value: Any) -> bool:
    """Whether this is a pandas frame, asked without importing pandas."""
    return hasattr(value, "select_dtypes")


def write_array(path: str, array: Any) -> None:
    """Write an array as .npy. Into a real file, NumPy writes in a way that forgets why it failed."""
    with complete_file(path) as file:
        np.save(SimpleNamespace(write=file.write), array)


def write_rows(path: str, rows: Iterable[Iterable[Any]]) -> None:
    """Write cells as text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with complete_file(path) as file:
        file.write(text.getvalue().encode())


def write_table(path: str, table: Any) -> None:
    """Write a pandas frame as text, with names of columns."""
    with complete_file(path) as file:
        file.write(table.to_csv(index=False).encode())


def write_picture(path: str, figure: Figure) -> None:
    """Write a figure as PNG."""
    with complete_file(path) as file:
        figure.savefig(file, format="png")


def write_pictures(folder: str, figures: Mapping[str, Figure]) -> None:
    """Write figures by name, and say so."""
    for name, figure in figures.items():
        write_picture(os.path.join(folder, f"{name}.png"), figure)
    print(f"drew {', '.join(figures)} in {folder}")
