"""Run the examples: every `>>>` in the installed package's docstrings, README.md and docs/."""

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rbmfast

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
EXTRAS = {"matplotlib", "sklearn", "tqdm"}  # modules that need an extra are skipped without it

FOUND = [info.name for info in pkgutil.walk_packages(rbmfast.__path__, "rbmfast.")]
MODULES = ["rbmfast", *(name for name in FOUND if not name.endswith("__main__"))]
PAGES = [page for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))] if page.is_file()]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # examples may save files


@pytest.fixture(autouse=True)
def _unit_types_as_they_were() -> Iterator[None]:
    before = [*rbmfast.units.UNITS.items()], [*rbmfast.units.PLAIN]
    yield
    rbmfast.units.UNITS.clear()  # examples may register some
    rbmfast.units.UNITS.update(before[0])
    rbmfast.units.PLAIN[:] = before[1]


@pytest.mark.parametrize("name", [name for name in MODULES if re.match(r"rbmfast\.(training|units)\.", name)])
def test_methods_are_explained(name: str) -> None:
    """Each by itself, or where it is first defined: `help` shows that."""
    module = importlib.import_module(name)
    for cls in vars(module).values():
        if inspect.isclass(cls) and cls.__module__ == name:
            methods = [own for own in vars(cls) if own[0] != "_" and callable(getattr(cls, own))]
            assert not [own for own in methods if not inspect.getdoc(getattr(cls, own))]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        pytest.skip(f"{name} needs {error.name}")
    assert doctest.testmod(module, optionflags=OPTIONS).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages(page: Path) -> None:
    # A blank line ends an example's output; the closing fence of a code block must do so too.
    text = re.sub(r"^ *(```|~~~).*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(test)
    assert runner.failures == 0
