"""Tables to visible states and back: kinds of columns, missing cells, every library, files."""

import math
import re
from typing import Any

import numpy as np
import pytest

import rbmfast as rf

TABLE = {
    "age": [31, 47, None, 25, 62, 38, 31, 54],
    "height": [1.71, 1.80, 1.65, None, 1.92, 1.58, 1.77, 1.69],
    "smokes": [True, False, False, None, True, False, True, False],
    "city": ["Bonn", "Rome", "Rome", "Oslo", "Bonn", None, "Oslo", "Bonn"],
    "sex": ["f", "m", "m", "f", None, "f", "m", "f"],
    "children": [0, 2, 1, 0, 2, 1, None, 0],
    "planet": ["Earth"] * 7 + [None],
}


def frame(library: str, columns: dict[str, list[Any]] = TABLE) -> Any:
    if library == "mapping":
        return columns
    made = pytest.importorskip(library).DataFrame(columns)
    if library == "pandas":
        return made.astype({"city": "category", "sex": "string", "children": "Int64", "smokes": "boolean"})
    return made.with_columns(made["city"].cast(pytest.importorskip("polars").Categorical))


def cells(table: Any) -> dict[str, list[Any]]:
    """Columns as lists, with None for what is missing, whatever the library writes for it."""
    columns = (
        table.items()
        if isinstance(table, dict)
        else [(name, table[name].to_list()) for name in table.columns]
    )
    return {name: [None if is_missing(cell) else cell for cell in column] for name, column in columns}


def is_missing(cell: Any) -> bool:
    return cell is None or type(cell).__name__ == "NAType" or cell != cell


@pytest.mark.parametrize("library", ["pandas", "polars", "mapping"])
def test_there_and_back(library: str) -> None:
    table = frame(library)
    schema = rf.Schema.infer(table)
    assert [column.kind for column in schema.columns] == ["real", "real", *["category"] * 5]
    three = rf.Categorical(3)
    parts = [(rf.Gaussian("learned"), 2), (rf.Bernoulli(), 1), (three, 3), (rf.Bernoulli(), 1), (three, 3)]
    assert schema.units == rf.Mixed(parts)
    V = schema.encode(table)
    assert V.shape == (8, schema.n_visible) and V.dtype == np.float32
    again = schema.decode(V)
    assert type(again) is type(table)
    expected = {**cells(table), "planet": ["Earth"] * 8}  # the only one that there is
    assert cells(again) == expected
    if library != "mapping":
        assert [*again.dtypes] == [*table.dtypes]
    known = ~np.isnan(V[:, 0])
    assert math.isclose(V[known, 0].mean(), 0, abs_tol=1e-6) and math.isclose(
        V[known, 0].std(), 1, rel_tol=1e-6
    )


@pytest.mark.parametrize("library", ["pandas", "polars", "mapping"])
def test_fill_touches_only_holes(library: str) -> None:
    part = frame(library, {name: column[:3] * 4 for name, column in TABLE.items()})
    whole = rf.Schema.infer(part, types={"age": "real"})
    odd = {**TABLE, "age": [*TABLE["age"][:7], 99], "note": [*"abcdefgh"]}
    holes = frame(library, odd)
    with pytest.warns(UserWarning, match="'Oslo', which is none of Bonn, Rome: 2 such cells"):
        V = whole.encode(holes)
    V[np.isnan(V)] = 0
    before, after = cells(holes), cells(whole.fill(holes, V))
    assert [*after] == [*before]
    for name, column in before.items():
        for old, new in zip(column, after[name], strict=True):
            assert new == old if old is not None else new is not None
    assert after["age"][2] == round(whole.columns[0].mean)


def test_arrays() -> None:
    X = np.array([[0, 1.5, 7], [1, np.nan, 7], [1, 0.25, 7], [0, 2.5, 7]])
    schema = rf.Schema.infer(X)
    assert schema.units == rf.Mixed([(rf.Bernoulli(), 1), (rf.Gaussian("learned"), 1)])
    assert schema.fixed_units == rf.Mixed([(rf.Bernoulli(), 1), (rf.Gaussian(), 1)])
    np.testing.assert_allclose(schema.decode(schema.encode(X)), X, rtol=1e-6)
    np.testing.assert_array_equal(schema.fill(X, [[0, 0]] * 4)[1], [1, 1.42, 7])
    integers = np.array([[1, 5], [2, 6], [2, 7]])
    again = rf.Schema.infer(integers).decode([[0, 0.0]])
    assert again.tolist() == [[1, 6]] and again.dtype == integers.dtype


@pytest.mark.parametrize(
    ("column", "kind", "unit"),
    [
        ([0, 1, 1, 0], "category", rf.Bernoulli()),
        ([0.5, 2.5, 2.5], "category", rf.Bernoulli()),
        ([1, 2, 3, 3, 2, 1], "category", rf.Categorical(3)),
        ([1.0, 2.0, None, 3.0, 3.0, 2.0, 1.0], "category", rf.Categorical(3)),  # pandas' integers with a hole
        ([1, 2, 3, 4], "real", rf.Gaussian("learned")),  # too few rows to be categories
        ([*range(11)] * 9, "real", rf.Gaussian("learned")),
        ([0.1, 0.2, 0.3] * 9, "real", rf.Gaussian("learned")),
        (["1", "2", "3"], "category", rf.Categorical(3)),
        ([True, "no", 1.5], "category", rf.Categorical(3)),
    ],
)
def test_kinds(column: list[Any], kind: str, unit: rf.units.Unit) -> None:
    schema = rf.Schema.infer({"x": column})
    assert (schema.columns[0].kind, schema.units) == (kind, unit)


def test_kinds_may_be_chosen() -> None:
    words = [f"word {i}" for i in range(70)]
    table = {"n": [*range(70)], "w": words, "r": ["1.5", "2", "-3"] * 23 + [None], "k": [*range(70)]}
    schema = rf.Schema.infer(table, types={"n": "category", "w": "category", "r": "real", "k": "count"})
    parts = [(rf.Categorical(70), 140), (rf.Gaussian("learned"), 1), (rf.Binomial(69), 1)]
    assert schema.units == rf.Mixed(parts)
    some = {"n": [3], "w": ["word 3"], "r": [1.5], "k": [30]}
    V = schema.encode(some)
    assert V[0, -1] == 30 and schema.decode(V) == some
    with pytest.warns(UserWarning, match="'k' holds 70, which is none of 0 to 69"):
        assert np.isnan(schema.encode({**some, "k": [70]})[0, -1])


def test_numbers_keep_their_decimals_and_range() -> None:
    schema = rf.Schema.infer({"n": [*range(20)], "x": [i / 4 for i in range(20)]})
    V = [[0.01, 0.011], [9, 9], [-9, -9], [np.nan, np.nan]]
    assert schema.decode(V) == {"n": [10, 19, 0, None], "x": [2.39, 4.75, 0, None]}
    assert rf.Schema.infer({"x": [1 / 3, 0.5, 0.1]}).columns[0].decimals is None


def test_means_give_the_likeliest() -> None:
    schema = rf.Schema.infer({"city": ["a", "b", "c"], "yes": [True, False, True]})
    assert schema.decode([[0.2, 0.3, 0.5, 0.4]]) == {"city": ["c"], "yes": [False]}


def test_order_of_categories_is_kept() -> None:
    pd = pytest.importorskip("pandas")
    sizes = pd.Categorical(["L", "S", "M", "S"], categories=["S", "M", "L", "XL"], ordered=True)
    schema = rf.Schema.infer(pd.DataFrame({"size": sizes}))
    assert schema.columns[0].states == ("S", "M", "L")  # no unit for what never comes
    again = schema.decode(np.eye(3))["size"]
    assert again.cat.ordered and again.tolist() == ["S", "M", "L"]


def test_the_table_that_it_prints() -> None:
    lines = str(rf.Schema.infer(frame("mapping"))).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "8 rows, 7 columns, 10 visible units",
        "column kind units values missing",
        "age real gaussian 41.143 ± 12.597, from 25 to 62 1",
        "height real gaussian 1.7314 ± 0.10246, from 1.58 to 1.92 1",
        "smokes category bernoulli False, True 1",
        "city category categorical of 3 Bonn, Oslo, Rome 1",
        "sex category bernoulli f, m 1",
        "children category categorical of 3 0, 1, 2 1",
        "planet category none Earth 1",
    ]
    assert len({len(line) for line in lines[1:]}) == 1


@pytest.mark.parametrize("model", [rf.RBM(10, 2, seed=0), rf.DBN([10, 3, 2], seed=0)])
def test_a_models_file_keeps_it(model: Any, tmp_path: Any) -> None:
    path = tmp_path / "model.rbm"
    model.save(path)
    assert rf.load(path).schema is None
    table = frame("mapping")
    model.schema = rf.Schema.infer(table)
    model.save(path)
    loaded = rf.load(path).schema
    assert loaded == model.schema
    assert loaded.decode(loaded.encode(table)) == model.schema.decode(model.schema.encode(table))


def refuse(words: str, call: Any, *arguments: Any, error: type[Exception] = ValueError) -> None:
    with pytest.raises(error, match=re.escape(words)):
        call(*arguments)


def test_what_is_refused() -> None:
    infer, people = rf.Schema.infer, {"city": ["a", "b", "c"], "n": [1.5, 2.5, 4.0]}
    refuse("frame must be a frame of pandas or polars", infer, [[1, 2]], error=TypeError)
    refuse("of equally many rows, at least one, got [1, 2]", infer, {"a": [1, 2], "b": [1]})
    refuse("at least one, got []", infer, {})
    refuse("must have a column with two different values", infer, {"a": [1, 1], "b": [None, None]})
    refuse("'d' must hold numbers, words or bools, got datetime64[D]", infer,
           {"d": np.array(["2020-01-01"], "M8[D]")}, error=TypeError)  # fmt: skip
    refuse("'d' must hold numbers, words or bools, got list", infer, {"d": [[1], [1, 2]]}, error=TypeError)
    refuse("'x' must hold finite numbers, got inf", infer, {"x": [1.0, math.inf]})
    many = {"id": list(map(str, range(65)))}
    refuse("('id' has 65): drop them, or say types={'id': 'category'}", infer, many)
    refuse("types names 'm', but the columns are 'city', 'n'", infer, people, {"m": "real"})
    refuse("types['n'] must be 'category', 'real' or 'count', got 'reel'", infer, people, {"n": "reel"})
    refuse("'city' must hold finite numbers, got 'a'", infer, people, {"city": "real"})
    refuse("'n' must hold whole numbers from 0 to 10000 to be counts, got 1.5", infer, people, {"n": "count"})
    refuse("'n' must hold a number to be real, all are missing", infer, {"n": [None]}, {"n": "real"})
    schema = infer(people)
    refuse("frame lacks the columns 'n' of the schema", schema.encode, {"city": ["a"]})
    refuse("'n' must hold finite numbers, got 'x'", schema.encode, {"city": ["a"], "n": ["x"]})
    refuse("'city' holds 'd', which is none of a, b, c", schema.encode, {"city": ["d"], "n": [1]}, "error")
    refuse("unknown must be 'missing' or 'error'", schema.encode, people, "ignore")
    refuse("V must have shape (n_rows, 4), got (3, 3)", schema.decode, np.eye(3))
    refuse("frame must have as many rows as V, 4, got 3", schema.fill, people, np.eye(4))
    refuse("frame lacks the columns 'n' of the schema", schema.fill, {"city": ["a"]}, np.eye(4))
    refuse("types must be a mapping of names to category, real, count, or None, got list", infer, people,
           ["n"], error=TypeError)  # fmt: skip


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_declared_categories(library: str) -> None:
    """They are categories, numbers too; asked to be numbers they come back as numbers."""
    own: Any = pytest.importorskip(library)
    n = np.arange(40) % 20 + 100
    column = own.Categorical(n) if library == "pandas" else own.Series(n.astype(str)).cast(own.Categorical)
    table = own.DataFrame({"a": column})
    schema = rf.Schema.infer(table)
    assert schema.units == rf.Categorical(20)
    assert schema.decode(schema.encode(table)).equals(table)
    for kind in ("real", "count"):
        schema = rf.Schema.infer(table, {"a": kind})
        V = schema.encode(table)
        assert schema.decode(V)["a"].to_list() == n.tolist()
        holes = own.DataFrame({"a": own.Series([column[0], None], dtype=table["a"].dtype)})
        assert schema.fill(holes, V[:2])["a"].to_list() == [100, 101]


def test_numbers_far_from_zero_vary() -> None:
    times = [1_764_288_000 + 60 * i for i in range(60)]
    schema = rf.Schema.infer({"t": times})
    assert schema.decode(schema.encode({"t": times})) == {"t": times}
    assert "from 1764288000 to 1764291540" in str(schema)
    assert rf.Schema.infer({"t": [0.1] * 9 + [None], "x": [1, 2] * 5}).n_visible == 1


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_whole_columns_are_filled_with_whole_numbers(library: str) -> None:
    own: Any = pytest.importorskip(library)
    schema = rf.Schema.infer({"x": [3.8, 1.5, 2.5, 7.25]})
    holes = own.DataFrame({"x": own.Series([1, None], dtype="Int64" if library == "pandas" else own.Int64)})
    filled = schema.fill(holes, schema.encode({"x": [1.5, 3.8]}))["x"]
    assert filled.dtype == holes["x"].dtype and filled.to_list() == [1, 4]


def test_pandas_word_for_missing_in_lists() -> None:
    na = pytest.importorskip("pandas").NA
    for table in ({"x": [1, 2, na]}, np.array([[1], [2], [na]], object)):
        assert rf.Schema.infer(table).columns[0].n_missing == 1


def test_a_schema_must_fit_its_model() -> None:
    schema = rf.Schema.infer({"x": [1.5, 2.5, 4.0]})
    for model in (rf.RBM(2, 2, seed=0), rf.ClassRBM(2, 2, 2, seed=0), rf.DBN([2, 3], n_classes=2, seed=0)):
        refuse(
            "schema must have as many visible units as the model, 2, got 1", setattr, model, "schema", schema
        )
    refuse("schema must be a Schema or None, got str", setattr, model, "schema", "x", error=TypeError)
    assert model.schema is None
