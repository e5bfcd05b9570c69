"""What the columns of a table are, and which units stand for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate, groupby, pairwise
from typing import Any

import numpy as np

from rbmfast.checks import check_choice, check_integer
from rbmfast.files import JSON
from rbmfast.reference import F32
from rbmfast.runtime import warn
from rbmfast.tables.columns import KINDS, Column, check_cells, check_words, kind_of, plain
from rbmfast.tables.frames import LIBRARIES, Cells, Columns, Name, library_of, read_columns, write_columns
from rbmfast.units import Gaussian, Mixed, Unit

# --- Tables ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Schema:
    """What the columns of a table are, which units stand for them, and the way there and back.

    `infer` makes one; ``print(schema)`` shows it. Give it to a model (``rbm.schema = schema``), and the
    model's file keeps it, so that what a loaded model draws and fills in comes back as a table.

    Attributes
    ----------
    columns : tuple of Column
        In the table's order.
    n_rows : int
        Rows that it was inferred from.
    library : {"pandas", "polars", "mapping", "array"}
        What kind of table that was; `decode` gives such a one.

    Examples
    --------
    >>> import rbmfast as rf
    >>> people = {"age": [31, 47, None, 25, 62, 38], "smokes": [True, False, False, None, True, False],
    ...           "city": ["Bonn", "Rome", "Rome", "Oslo", "Bonn", None]}
    >>> schema = rf.Schema.infer(people)
    >>> print(schema)
    6 rows, 3 columns, 5 visible units
    column  kind      units             values                        missing
    age     real      gaussian          40.6 ± 12.971, from 25 to 62        1
    smokes  category  bernoulli         False, True                         1
    city    category  categorical of 3  Bonn, Oslo, Rome                    1
    >>> rbm = rf.RBM(schema.n_visible, 4, visible=schema.units, seed=0)
    >>> rbm.schema = schema
    >>> schema.decode(rbm.sample(2, steps=10, seed=1))
    {'age': [56, 31], 'smokes': [False, False], 'city': ['Rome', 'Bonn']}
    """

    columns: tuple[Column, ...]
    n_rows: int
    library: str

    # --- Looking -----------------------------------------------------------------------------------------

    @classmethod
    def infer(cls, frame: Any, types: Mapping[Any, str] | None = None) -> Schema:
        """Look at a table and decide what its columns are.

        Bools, words, what pandas or polars calls categories, and two values of any kind are categories; so
        are whole numbers if there are at most 10 different ones and each comes twice on average. All other
        numbers are real. A column without two different values needs no unit: `decode` gives back the one
        that there is.

        Parameters
        ----------
        frame : pandas or polars frame, mapping of names to sequences, or array (n_rows, n_columns)
            The table. None, NaN and what else its library calls missing is missing.
        types : mapping of names to "category", "real" or "count", optional
            Columns that are to be of another kind than they look. Words that say numbers can be real; whole
            numbers from 0 on can be counts, as of right answers of so many questions.

        Returns
        -------
        Schema

        Raises
        ------
        TypeError
            No table, or a column of times or other things that are neither numbers nor words.
        ValueError
            A column of more than 64 different words, which are rather names or text; a kind or a column in
            `types` that does not exist; infinity in a column of numbers.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> X = np.array([[0, 1.5], [1, np.nan], [1, 0.25], [0, 2.5]])
        >>> print(rf.Schema.infer(X, types={1: "category"}))
        4 rows, 2 columns, 4 visible units
        column  kind      units             values          missing
        0       category  bernoulli         0, 1                  0
        1       category  categorical of 3  0.25, 1.5, 2.5        1
        """
        if not isinstance(types, Mapping | None):
            raise TypeError(
                f"types must be a mapping of names to {', '.join(KINDS)}, or None, got {type(types).__name__}"
            )
        given, types = read_columns(frame), dict(types or {})
        n_rows = _count_rows(given)
        for name, kind in types.items():
            if name not in given:
                raise ValueError(f"types names {name!r}, but the columns are {', '.join(map(repr, given))}")
            check_choice(kind, f"types[{name!r}]", tuple(KINDS))
        for name, column in given.items():
            check_cells(name, column.known())
        check_words({name: column for name, column in given.items() if name not in types})
        kinds = {name: types.get(name) or kind_of(own) for name, own in given.items()}
        columns = [KINDS[kind].of(name, plain(kind, name, given[name])) for name, kind in kinds.items()]
        schema = cls(tuple(columns), n_rows, library_of(frame))
        if not schema.n_visible:
            raise ValueError("frame must have a column with two different values")
        return schema

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return sum(column.n_units for column in self.columns)

    @property
    def has_reals(self) -> bool:
        """Whether a column is of real numbers, which its unit sees standardised."""
        return any(column.kind == "real" for column in self.columns)

    @property
    def units(self) -> Unit:
        """Type of the visible layer of an RBM, which learns how far real columns scatter given the others."""
        return self._layer(lambda column: column.unit)

    @property
    def fixed_units(self) -> Unit:
        """The same for what learns weights and biases alone: real columns have standard deviation 1."""
        return self._layer(lambda column: Gaussian() if column.kind == "real" else column.unit)

    def _layer(self, unit_of: Callable[[Column], Unit]) -> Unit:
        used = [column for column in self.columns if column.n_units]
        parts = [
            (unit, sum(column.n_units for column in columns)) for unit, columns in groupby(used, unit_of)
        ]
        return parts[0][0] if len(parts) == 1 else Mixed(tuple(parts))

    @property
    def places(self) -> dict[Name, slice]:
        """Which visible units stand for each column."""
        ends = accumulate((column.n_units for column in self.columns), initial=0)
        names = (column.name for column in self.columns)
        return {name: slice(*here) for name, here in zip(names, pairwise(ends), strict=True)}

    def __str__(self) -> str:
        heads = [["column", "kind", "units", "values", "missing"]]
        lines = heads + [
            [str(c.name), c.kind, str(c.unit) if c.n_units else "none", str(c), str(c.n_missing)]
            for c in self.columns
        ]
        *widths, last = (max(map(len, cells)) for cells in zip(*lines, strict=True))
        title = f"{self.n_rows:,} rows, {len(self.columns)} columns, {self.n_visible} visible units"
        return "\n".join([title, *(_line(line, widths, last) for line in lines)])

    def __repr__(self) -> str:
        names = ", ".join(str(column.name) for column in self.columns[:5])
        return f"Schema({len(self.columns)} columns: {names}{', ...' if len(self.columns) > 5 else ''})"

    # --- There and back ----------------------------------------------------------------------------------

    def encode(self, frame: Any, unknown: str = "missing") -> F32:
        """Visible states for the rows of a table.

        Parameters
        ----------
        frame : pandas or polars frame, mapping or array
            With the columns of the schema, in any order; others are not looked at.
        unknown : {"missing", "error"}, default "missing"
            What a category is that the schema does not know.

        Returns
        -------
        float32 array (n_rows, n_visible)
            NaN where a cell is missing.

        Raises
        ------
        ValueError
            A column is lacking, a word stands among numbers, or a category is unknown under "error".

        Warns
        -----
        UserWarning
            Of unknown categories that were taken as missing.

        Examples
        --------
        >>> import rbmfast as rf
        >>> schema = rf.Schema.infer({"city": ["Bonn", "Rome", "Oslo"], "rain": [1.5, 0.5, 1.0]})
        >>> schema.encode({"city": ["Rome", None], "rain": [1.0, 0.5]})
        array([[ 0.       ,  0.       ,  1.       ,  0.       ],
               [       nan,        nan,        nan, -1.2247449]], dtype=float32)
        """
        check_choice(unknown, "unknown", ("missing", "error"))
        given = self._given(frame)
        V = np.full((_count_rows(given), self.n_visible), np.nan, np.float32)
        for column, here in zip(self.columns, self.places.values(), strict=True):
            own = given[column.name]
            known = own.known()
            states = column.encode(known)
            strange = np.isnan(states).any(axis=1)
            if strange.any():
                word = known[strange].tolist()[0]
                what = f"column {column.name!r} holds {word!r}, which is none of {column}"
                if unknown == "error":
                    raise ValueError(what)
                warn(f"{what}: {strange.sum()} such cells are taken as missing")
            V[~own.missing, here] = states
        return V

    def decode(self, V: Any) -> Any:
        """A table for visible states, such as samples, or for their means.

        Parameters
        ----------
        V : array_like (n_rows, n_visible)
            States, or means, of which the likeliest categories are taken. NaN is a missing cell.

        Returns
        -------
        frame
            Of the library, with the columns, their types and their categories, of the table that the schema
            was inferred from. Real numbers have as many decimals as there, and stay within their range.

        Raises
        ------
        ValueError
            `V` has another shape.

        Examples
        --------
        >>> import rbmfast as rf
        >>> schema = rf.Schema.infer({"city": ["Bonn", "Rome", "Oslo"], "rain": [1.5, 0.5, 1.0]})
        >>> schema.decode([[0.2, 0.3, 0.5, 0.0]])
        {'city': ['Rome'], 'rain': [1.0]}
        """
        return write_columns(self.library, self._decoded(V))

    def fill(self, frame: Any, V: Any) -> Any:
        """A copy of a table whose missing cells are those of visible states, as `impute` gives them.

        Parameters
        ----------
        frame : pandas or polars frame, mapping or array
            Known cells, and columns that are not in the schema, stay as they are.
        V : array_like (n_rows, n_visible)
            States or means.

        Returns
        -------
        frame
            Like `frame`; numbers filled into columns of integers are rounded.

        Raises
        ------
        ValueError
            `V` has another shape, or other rows than `frame`; a column is lacking.

        Examples
        --------
        >>> import rbmfast as rf
        >>> schema = rf.Schema.infer({"city": ["Bonn", "Rome", "Oslo"], "rain": [1.5, 0.5, 1.0]})
        >>> schema.fill({"city": [None], "rain": [0.7]}, [[0, 1, 0, -0.5]])
        {'city': ['Oslo'], 'rain': [0.7]}
        """
        given, decoded, filled = self._given(frame), self._decoded(V), {}
        if _count_rows(given) != len(V):
            raise ValueError(f"frame must have as many rows as V, {len(V)}, got {_count_rows(given)}")
        kinds = {column.name: column.kind for column in self.columns}
        for name, made in decoded.items():
            own = plain(kinds[name], name, given[name])
            if own.missing.any():
                cells = own.values.astype(object)
                whole = own.dtype.lower().startswith(("int", "uint"))  # has no place for fractions
                new = [round(x) if whole and isinstance(x, float) else x for x in made.values]
                cells[own.missing] = np.array(new, object)[own.missing]
                states = own.states + [state for state in made.states if state not in own.states]
                filled[name] = Cells(cells.tolist(), own.missing & made.missing, own.dtype, states)
        return write_columns(library_of(frame), filled, frame) if filled else frame

    def _given(self, frame: Any) -> Columns:
        """The columns of a table that must have those of the schema."""
        given = read_columns(frame)
        lacking = [column.name for column in self.columns if column.name not in given]
        if lacking:
            raise ValueError(f"frame lacks the columns {', '.join(map(repr, lacking))} of the schema")
        return given

    def _decoded(self, V: Any) -> Columns:
        V = np.asarray(V, np.float32)
        if V.ndim != 2 or V.shape[1] != self.n_visible:
            raise ValueError(f"V must have shape (n_rows, {self.n_visible}), got {V.shape}")
        made = {}
        for column, here in zip(self.columns, self.places.values(), strict=True):
            states = V[:, here]
            missing = np.isnan(states).any(axis=1) | (column.n_missing == self.n_rows)
            cells = np.full(len(V), None, object)
            cells[~missing] = column.decode(states[~missing])
            made[column.name] = Cells(cells.tolist(), missing, column.dtype, column.allowed)
        return made

    # --- Files -------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, JSON]:
        """All of it as JSON, for a model's file."""
        columns = [{"kind": column.kind, **_as_json(column)} for column in self.columns]
        return {"library": self.library, "n_rows": self.n_rows, "columns": columns}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Schema:
        """The schema that `describe` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            It lacks something, or contradicts itself.
        """
        columns = tuple(_column(**column) for column in description["columns"])
        library = check_choice(description["library"], "library", LIBRARIES)
        return cls(columns, check_integer(description["n_rows"], "n_rows", low=1), library)


def _count_rows(columns: Columns) -> int:
    """Rows of a table."""
    lengths = {len(column.values) for column in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"frame must have columns of equally many rows, at least one, got {sorted(lengths)}")
    return lengths.pop()


def _line(cells: list[str], widths: list[int], last: int) -> str:
    """A line of a table, with the last cell to the right."""
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    return "  ".join([*padded, cells[-1].rjust(last)])


def _as_json(column: Column) -> dict[str, JSON]:
    return {name: [*x] if isinstance(x, tuple) else x for name, x in asdict(column).items()}


def _column(kind: str, **about: Any) -> Column:
    made: Any = KINDS[kind]
    return made(**{name: tuple(x) if isinstance(x, list) else x for name, x in about.items()})  # type: ignore[no-any-return]
