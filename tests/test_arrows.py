"""The arrows of the house: imports go one way only. Read from the source, installed or not."""

import ast
import functools
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, ENGINE = ROOT / "rbmfast", ROOT / "src"

# From the bottom up; a module imports from its own floor and from those below.
FLOORS = (
    {
        *("_engine", "archive", "checks", "data", "files", "old_format"),
        *("reference", "runtime", "saved", "state", "states", "streams"),
    },
    {"units"},
    {"interactions"},
    {"tables"},
    {"models"},
    {"likelihood"},
    {"training"},
    {"__init__", "__main__", "bench", "cli", "io", "plots", "sklearn"},
)
TOP = len(FLOORS) - 1
DOORS = {
    "__init__": {"io", "plots"},
    "__main__": {"cli"},
    "cli": {"bench", "io", "plots"},
}  # who may import from the top

if not PACKAGE.is_dir():
    pytest.skip("the source is not here", allow_module_level=True)

FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def part(name: str) -> str:
    """The file or folder of the package that a dotted name lies in."""
    return [*name.split("."), "__init__"][1]


def floor(name: str) -> int:
    return next(i for i, parts in enumerate(FLOORS) if name in parts)


def module_name(path: Path) -> str:
    names = ["rbmfast", *path.with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 2 else names)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file() or path.with_suffix(".pyx").is_file()


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Modules of the package that a file imports anywhere, functions and TYPE_CHECKING blocks included."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "rbmfast")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import: spell it out"
            if node.module is not None and node.module.split(".")[0] == "rbmfast":
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if is_module(name) else node.module for name in inner)


def test_imports_go_down() -> None:
    for path in FILES:
        check_imports(path)


def check_imports(path: Path) -> None:
    here = part(module_name(path))
    assert any(here in parts for parts in FLOORS), f"{here} has no floor yet: add it to FLOORS"
    for imported in imports(path):
        there = part(imported)
        if floor(here) < TOP:
            assert floor(there) < TOP, f"{path} imports {imported}, which is for users only"
            assert floor(there) <= floor(here), f"{path} imports {imported} from a floor above"
        elif floor(there) == TOP and there not in (here, "__init__"):
            assert there in DOORS.get(here, ()), f"{path} imports {imported}: nothing imports that"


def test_no_import_runs_in_a_circle() -> None:
    graph = {module_name(path): {*imports(path)} - {module_name(path), "rbmfast"} for path in FILES}
    assert [*TopologicalSorter(graph).static_order()]


# --- Unit types --------------------------------------------------------------------------------------------

KINDS = {"bernoulli", "spin", "gaussian", "relu", "drelu", "categorical", "binomial", "counts", "mixed"}
MAY_ASK = {
    "models/conditionals.py": {"exact"},  # the engine's exact products
    "training/rbm_run.py": {"fused"},  # its epochs and updates
    "training/methods/base.py": {"fused"},  # methods that it knows
    "models/network.py": {"domain"},  # of a network's inputs
    "sklearn/base.py": {"domain", "gaussian"},  # units that fit data, which Gaussian ones see scaled
}


def test_only_units_ask_what_a_unit_is() -> None:
    """What others need to know of units is a method or a property of theirs, which says what for."""
    asked = {path.as_posix(): {*questions(path)} for path in FILES if path.parts[0] not in ("units", "data")}
    assert {path: found for path, found in asked.items() if found} == MAY_ASK


def questions(path: Path) -> Iterator[str]:
    """Flags of units that a file reads, domains and names that it compares, and classes that it looks for."""
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in ("fused", "exact"):
            yield node.attr
        elif isinstance(node, ast.Compare):
            yield from (one.attr for one in ast.walk(node) if getattr(one, "attr", "") == "domain")
            values = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            yield from values & KINDS
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            yield from {name.lower() for name in re.findall(r"\w+", ast.unparse(node.args[1]))} & KINDS


# --- The engine --------------------------------------------------------------------------------------------

SOURCES = sorted(path.relative_to(ENGINE) for path in ENGINE.rglob("*") if path.suffix in (".c", ".h"))


def test_c_includes_go_down() -> None:
    """isa -> common; parallel -> dispatch -> isa, through kernels.h; nobody knows Python."""
    for path in SOURCES:
        check_includes(path)


def check_includes(path: Path) -> None:
    text = (ENGINE / path).read_text(encoding="utf-8")
    for included in re.findall(r'^\s*#\s*include\s*[<"](.+?)[>"]', text, re.MULTILINE):
        assert included != "Python.h"
        target = ENGINE / path.parent / included
        there = target.resolve().relative_to(ENGINE).parts[0] if target.is_file() else included
        if path.parts[0] in ("isa", "common"):
            assert there != "parallel", f"{path} includes {included}"
            assert there != "omp.h", f"{path} includes {included}"
        if path.parts[0] != "isa":
            assert there not in ("isa", "immintrin.h"), f"{path} includes {included}"
        elif there == "isa":
            folders = ((ENGINE / path).parent, ENGINE / "isa/x86")
            assert target.resolve().parent in folders, f"{path} includes another ISA's {included}"
    if path.parts[0] != "parallel":
        assert not re.search(r"^\s*#\s*pragma\s+omp\b", text, re.MULTILINE), f"{path} uses OpenMP"
