"""Text files: pandas reads tables, scikit-learn libsvm's sparse rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.cli import options
from rbmfast.cli.options import CommandError, did_you_mean
from rbmfast.cli.output import is_table
from rbmfast.tables import Schema

KINDS = ".npy, .npz (also SciPy's sparse matrices), IDX, .mat, libsvm, or a table as text"
LOOKED_AT = 100  # lines that say how numbers are written
LIBSVM = r"\S+(\s+\d+:\S+)*\s*(#|$)"  # a row of zeros is its target alone


def read_text(file: IO[bytes]) -> Any:
    """A pandas frame, or of libsvm's rows of ``column:value`` the matrix ``X`` and the targets ``y``."""
    if b"\0" in file.read(4096):
        raise CommandError(f"is none of the kinds that are understood: {KINDS}")
    file.seek(0)
    lines = (line.decode("utf-8-sig").rstrip("\r\n") for line in file)
    top = [*islice((line for line in lines if line.strip() and line.lstrip()[0] != "#"), LOOKED_AT)]
    file.seek(0)
    if not top:
        raise CommandError("holds no data")
    if top[0][0] == ">":
        raise CommandError("holds sequences (FASTA): write a table first, a letter or number a column")
    if all(re.match(LIBSVM, line) for line in top) and any(re.match(r"\S+\s+\d+:", line) for line in top):
        options.need({"sklearn": "scikit-learn"}, "sklearn", "a libsvm file")
        from sklearn.datasets import load_svmlight_file

        return dict(zip("Xy", load_svmlight_file(file), strict=True))
    return _read_table(file, top)


def choose(table: Any, columns: Sequence[str], drop: Sequence[str]) -> Any:
    """These columns (default: all) but not those to drop."""
    for name in (*columns, *drop):
        if name not in table:
            raise CommandError(f"has no column {name!r}{did_you_mean(name, table)}")
    return table[[name for name in columns or table if name not in drop]]


def numbers(table: Any) -> NDArray[np.float64]:
    """All cells as numbers; NaN where one is empty."""
    import pandas as pd

    for name in table.select_dtypes(exclude=["number", "bool"]):
        column = pd.to_numeric(table[name], errors="coerce")
        words = table[name][column.isna() & table[name].notna()]
        if len(words):
            raise CommandError(
                f"column {name!r} holds {words.iloc[0]!r}, which is no number (--drop {name} leaves it out)"
            )
        table = table.assign(**{name: column})
    values: NDArray[np.float64] = table.to_numpy(np.float64)
    return values


def schema_of(table: Any, types: Mapping[Any, str], standardize: bool) -> Schema:
    """What the columns of a frame or an array are; `standardize`: numbers are real, but for two values."""
    names = _names(table)
    types = {names.get(name, name): kind for name, kind in types.items()}
    schema = Schema.infer(table, types)
    if not standardize:
        return schema
    many = {column.name: column.allowed for column in schema.columns if len(column.allowed) > 2}
    real = [name for name, states in many.items() if not any(isinstance(state, str) for state in states)]
    return Schema.infer(table, {**dict.fromkeys(real, "real"), **types})


def fitting(schema: Schema, table: Any) -> Schema:
    """The schema with a table's own names: columns of arrays have numbers, those of text strings."""
    names = _names(table)
    columns = (replace(own, name=names.get(str(own.name), own.name)) for own in schema.columns)
    return replace(schema, columns=tuple(columns))


def _names(table: Any) -> dict[str, Any]:
    return {str(name): name for name in (table if is_table(table) else range(table.shape[1]))}


def _read_table(file: IO[bytes], top: list[str]) -> Any:
    """A frame whose columns are called by strings, without a leading index and an empty end."""
    options.need({"pandas": "pandas"}, "tables", "a table as text")
    import pandas as pd

    separator = next((mark for mark in ("::", ";", "\t", ",") if mark in top[0]), r"\s+")
    if separator == "::":  # pandas' fast parser knows separators of one character
        file, separator = io.BytesIO(file.read().replace(b"::", b"\t")), "\t"
        top = [line.replace("::", "\t") for line in top]
    text = "\n".join(top)
    comma = separator != "," and re.search(r"\d,\d", text) and not re.search(r"\d\.\d", text)

    newer = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)  # reads every number exactly, unasked
    exact: Any = {} if newer else {"float_precision": "round_trip"}

    def read(source: Any, header: int | None) -> Any:
        return pd.read_csv(
            source,
            sep=separator,
            header=header,
            decimal="," if comma else ".",
            comment="#",
            na_values="?",
            skipinitialspace=True,
            **exact,
            encoding="utf-8-sig",
            low_memory=False,
        )

    first, second = (read(io.StringIO(line), None).iloc[0].tolist() for line in (top * 2)[:2])
    lines = map(str.split, top) if separator == r"\s+" else csv.reader(top, delimiter=separator)
    named = _are_names(first, second) or _stand_apart([[*map(str.strip, line)] for line in lines])
    try:
        table = read(file, 0 if named else None)
    except pd.errors.ParserError as error:
        said = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if said is None:
            raise
        expected, line, found = said.groups()
        raise CommandError(f"line {line} has {found} cells, those above have {expected}") from error
    names = [*table.columns.astype(str).str.strip()]
    for name in table.select_dtypes(exclude=["number", "bool"]):  # blanks after a word are not of it
        table[name] = table[name].map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    indexed = named and pd.isna(first[0])
    if named and len(second) == len(first) + 1:  # names of rows, or commas at the ends of lines
        table = table.reset_index()
        indexed = not table.iloc[:, -1].isna().all()
        names = ["", *names] if indexed else [*names, ""]
    table = table.set_axis(names, axis=1)
    if (not named or names[-1] == "" or names[-1].startswith("Unnamed: ")) and table.iloc[:, -1].isna().all():
        table = table.iloc[:, :-1]
    return table.iloc[:, 1:] if indexed else table


def _are_names(first: list[Any], second: list[Any]) -> bool:
    """Whether the first line names the columns, and is no row.

    It is if it has more words than the next, or if it counts 0, 1, 2, ... as pandas does: of three columns or
    more, since 0,1 is a row.
    """
    counted = first[1:] if first[0] != first[0] else first  # without the empty cell above an index
    if len(counted) > 2 and counted == [*range(len(counted))]:
        return True
    words = [cell for cell in first if _is_word(cell)]
    others = [cell for cell in first if not _is_word(cell)]
    differ = all(len({*cells}) == len(cells) for cells in (words, others))  # as names do, and not the
    return differ and len(words) > sum(map(_is_word, second))  # letters of a sequence before one with gaps


def _stand_apart(lines: list[list[str]]) -> bool:
    """Whether the first of lines of words names them: none comes again in its column, as most others do."""
    first, *rest = lines
    columns = [*zip(*(line for line in rest if len(line) == len(first)), strict=True)]
    if not columns or not all(map(_is_word, first)) or len({*first}) < len(first):
        return False
    recurring = sum(2 * len({*column}) <= len(column) for column in columns)
    return 2 * recurring >= len(columns) and not any(map(lambda name, column: name in column, first, columns))


def _is_word(cell: Any) -> bool:
    return isinstance(cell, str) and any(map(str.isalpha, cell))
