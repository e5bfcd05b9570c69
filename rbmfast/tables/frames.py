"""Tables as users have them: frames of pandas and polars, columns by name, arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbmfast.data.memory import Array

Name = str | int  # of a column
DECLARED = ("category", "ordered", "Enum", "Categorical")  # types of categories, by pandas and polars
PANDAS, POLARS, MAPPING, ARRAY = LIBRARIES = ("pandas", "polars", "mapping", "array")


class Cells(NamedTuple):
    """A column of a table as its library has it.

    Its values, which of them are missing, its library's word for its type, and the values that this type
    allows, if it is a categorical one. One to be written has a list of values, None where one is missing;
    with no word for its type, it has that of its values.
    """

    values: Any
    missing: NDArray[np.bool_]
    dtype: str
    states: list[Any]

    def known(self) -> Array:
        """The cells that are there: bools, numbers or times, or else Python objects."""
        known: Array = self.values[~self.missing]
        if known.dtype.kind in "biufmM":
            return known
        objects = known.astype(object)
        plain = all(isinstance(value, (int, float, np.number, np.bool_)) for value in objects)
        return np.array(objects.tolist()) if plain else objects


Columns = dict[Name, Cells]


def library_of(table: Any) -> str:
    """Which of `LIBRARIES` this is a table of."""
    for name in (PANDAS, POLARS):
        loaded = sys.modules.get(name)  # by whoever has such a frame
        if loaded is not None and isinstance(table, loaded.DataFrame):
            return name
    if isinstance(table, Mapping):
        return MAPPING
    if isinstance(table, np.ndarray) and table.ndim == 2:
        return ARRAY
    raise TypeError(
        "frame must be a frame of pandas or polars, a mapping of names to columns, or a 2-D array, got "
        f"{type(table).__name__}"
    )


def read_columns(table: Any) -> Columns:
    """The columns of a table of any library."""
    library = library_of(table)
    if library == ARRAY:
        return {i: _of_array(table[:, i], str(table.dtype)) for i in range(table.shape[1])}
    if library == MAPPING:
        return {name: _of_array(_as_array(own), "") for name, own in table.items()}
    names = list(table.columns)
    if len(set(names)) < len(names):
        raise ValueError("frame must have columns of different names")
    return {name: (_of_pandas if library == PANDAS else _of_polars)(table[name]) for name in names}


def _of_pandas(own: Any) -> Cells:
    categories = getattr(own.dtype, "categories", None)
    states = [] if categories is None else categories.tolist()
    dtype = "ordered" if getattr(own.dtype, "ordered", False) else str(own.dtype)
    return Cells(own.to_numpy(), own.isna().to_numpy(np.bool_), dtype, states)


def _of_polars(own: Any) -> Cells:
    missing = own.is_null().to_numpy()
    if own.dtype.is_float():
        missing = missing | own.is_nan().fill_null(True).to_numpy()
    dtype = str(own.dtype).split("(")[0]
    return Cells(own.to_numpy(), missing, dtype, list(own.dtype.categories) if dtype == "Enum" else [])


def _of_array(values: Array, dtype: str) -> Cells:
    if values.dtype.kind == "O":
        missing = np.array([_is_missing(value) for value in values], np.bool_)
    else:
        missing = values != values
    return Cells(values, missing, dtype, [])


def _is_missing(cell: Any) -> bool:
    return cell is None or type(cell).__name__ == "NAType" or bool(cell != cell)  # pandas' NA has no truth


def _as_array(own: Any) -> Array:
    """A sequence as an array, of objects where it holds more than numbers."""
    values = np.array(list(own), object) if isinstance(own, (list, tuple)) else np.asarray(own)
    if values.ndim != 1:
        raise ValueError(f"the columns of frame must be 1-D, got shape {values.shape}")
    return values


# --- Back to tables ----------------------------------------------------------------------------------------


def write_columns(library: str, columns: Columns, like: Any = None) -> Any:
    """A table of these columns; or `like` with these in it."""
    if library == PANDAS:
        return _pandas_frame(columns, like)
    if library == POLARS:
        pl = import_module("polars")
        made = [_polars_series(pl, name, column) for name, column in columns.items()]
        return pl.DataFrame(made) if like is None else like.with_columns(made)
    lists = {name: column.values for name, column in columns.items()}
    if library == MAPPING:
        return {**(like or {}), **lists}
    if like is not None:
        table = like.copy()
        table[:, [*lists]] = np.array([*lists.values()], object).T
        return table
    table = np.array([*lists.values()], object).T
    dtype = next(column.dtype for column in columns.values())
    some = any(column.missing.any() for column in columns.values())
    return table.astype("float64" if some and dtype[0] in "biu" else dtype)


def _pandas_frame(columns: Columns, like: Any) -> Any:
    pd = import_module("pandas")
    made = {}
    for name, column in columns.items():
        dtype: Any = column.dtype or None
        if dtype in ("category", "ordered"):
            dtype = pd.CategoricalDtype(column.states, ordered=dtype == "ordered")
        elif (
            dtype
            and column.missing.any()
            and dtype.startswith(("int", "uint", "bool"))
            and dtype != "boolean"
        ):
            dtype = None  # of which none can be missing
        own = pd.Series(column.values, index=None if like is None else like.index)
        made[name] = own if dtype is None else own.astype(dtype)
    if like is None:
        return pd.DataFrame(made)
    frame = like.copy()
    for name, own in made.items():
        frame[name] = own
    return frame


def _polars_series(pl: Any, name: Name, column: Cells) -> Any:
    own = pl.Series(name, column.values)
    if not column.dtype:
        return own
    return own.cast(pl.Enum(column.states) if column.dtype == "Enum" else getattr(pl, column.dtype))
