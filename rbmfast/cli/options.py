"""How options are written, read and refused, those that several subcommands have, and their surroundings."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import importlib.util
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import rbmfast as rf
from rbmfast.checks import check_number


class CommandError(ValueError):
    """Something is wrong with what was asked for; the message is for the user."""


def one_line(error: BaseException) -> str:
    """What an error says, in a line; of the system's, the file and the reason."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return where + error.strerror
    text = " ".join(str(error).split())
    return text or type(error).__name__


# --- The parser --------------------------------------------------------------------------------------------


FORMATTER = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=30, width=100)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `CommandError` and takes no abbreviations."""

    def __init__(self, **settings: Any) -> None:
        settings = {"allow_abbrev": False, "formatter_class": FORMATTER, **settings}
        super().__init__(**settings)

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser.error`."""
        raise CommandError(f"{message} (see {self.prog} --help)")

    def option_names(self) -> list[str]:
        """All names of options."""
        return [name for action in self._actions for name in action.option_strings]


class Group:
    """Adds options to a part of a command's help.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the command.
    title : str
        What stands above them, if anything.
    """

    def __init__(self, parser: argparse.ArgumentParser, title: str = "") -> None:
        self._place = parser.add_argument_group(title) if title else parser

    def add(self, names: str, kind: Kind | str, about: str, default: Any = None, **more: Any) -> None:
        """An option, or an argument: its names, its kind or what its words are called, what it is for."""
        if default not in (None, [], {}):
            shown = ",".join(map(str, default)) if isinstance(default, list) else default
            about = f"{about} (default: {shown})"
        kind = Kind(kind, str) if isinstance(kind, str) else kind
        self._place.add_argument(
            *names.split(), type=kind, metavar=kind.name, help=about, default=default, **more
        )

    def flag(self, name: str, about: str) -> None:
        """An option that is there or not."""
        self._place.add_argument(name, action="store_true", help=about)

    def switch(self, name: str, about: str) -> None:
        """An option, ``--no-`` what it says, or neither: None."""
        self._place.add_argument(name, action=argparse.BooleanOptionalAction, help=about)

    # --- What several commands have -------------------------------------------------------------------------

    def add_data(self, grey: str = "") -> None:
        """How rows and labels are read; `grey` is what else there is to say of --grey."""
        self.add_rows(grey)
        about = "classes of the rows, if the model knows any: another file, or a column or array of this one"
        self.add("--labels --label", "FILE|NAME", about)

    def add_rows(self, grey: str = "") -> None:
        """How the rows of a file are read."""
        self.add("--key", "NAME", "which array of an .npz or .mat file, if it is not called X")
        for option, what in (("--columns", "columns of a table to take"), ("--drop", "those to leave out")):
            about = f"{what}: names from its first line, or numbers from 0"
            self.add(option, listed(Kind("NAME", str)), about, [])
        either = self._place.add_mutually_exclusive_group().add_argument
        either("--threshold", type=NUMBER, metavar="X", help="values above X are 1, others 0")
        either("--grey", action="store_true", help=f"values 0-255 are grey levels 0-1{grey}")

    def add_seed(self) -> None:
        """The option --seed."""
        self.add("--seed", integer(0), "fixes every bit", 0)

    def add_threads(self, why: str = ", by default all CPUs", default: int | None = None) -> None:
        """The option --threads; `why` is what there is to say of its default."""
        self.add("--threads", integer(1), f"threads to use{why}; results do not depend on it", default)

    def add_shape(self, default: str) -> None:
        """The option --shape."""
        self.add("--shape", Kind("HxW", _image_size), f"size of an image (default: {default})")


# --- Kinds of options --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """How the words of an option are read, and what help calls them; a ValueError says what is allowed."""

    name: str
    read: Callable[[str], Any]

    def __call__(self, text: str) -> Any:
        """What the words mean."""
        try:
            return self.read(text)
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error


def choice(*known: str) -> Kind:
    """One of a few words."""

    def read(text: str) -> str:
        if text in known:
            return text
        raise ValueError(f"{text!r} is not known{did_you_mean(text, known)}")

    return Kind("|".join(known), read)


def integer(low: int) -> Kind:
    """A whole number of at least `low`."""

    def read(text: str) -> int:
        with contextlib.suppress(ValueError):
            if (number := int(text)) >= low:
                return number
        raise ValueError(f"must be a whole number of at least {low}, got {text!r}")

    return Kind("N", read)


def listed(kind: Kind) -> Kind:
    """One value, or several with commas between them."""
    return Kind(f"{kind.name}[,{kind.name}...]", lambda text: [kind.read(word) for word in text.split(",")])


def number(make: Callable[[float], Any]) -> Kind:
    """What is made of a number, such as itself after a check."""

    def read(text: str) -> Any:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise ValueError(f"must be a number, got {text!r}")
        return make(value)

    return Kind("X", read)


NUMBER = number(float)
RATE = number(functools.partial(check_number, name="value"))
LENGTH = number(functools.partial(check_number, name="value", above=0.0))
CHANCE = number(functools.partial(check_number, name="value", below=1.0))


def _drawn(name: str) -> str:
    need({"matplotlib": "matplotlib"}, "plots", "drawing")
    return name


def _picture(name: str) -> str:
    if not name.lower().endswith(".png"):
        raise ValueError(f"the name of a picture must end in .png, got {name!r}")
    return _drawn(name)


PICTURE, PICTURES = Kind("FILE", _picture), Kind("DIR", _drawn)


def _image_size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError(f"must be height x width, such as 28x28, got {text!r}")
    return int(sides[0]), int(sides[1])


# --- What does not go --------------------------------------------------------------------------------------


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about a word that is not known."""
    known = list(known)
    alike = [one for one in known if one.startswith("--") == word.startswith("--")]
    close = difflib.get_close_matches(word, alike, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; choose from {', '.join(known)}"


def refuse(given: argparse.Namespace, options: Iterable[str], why: str) -> None:
    """Raise an error that says why, if one of these options (names of attributes) was given."""
    for name in options:
        value = getattr(given, name)
        if value is not None and value is not False and value != []:  # 0 was given
            option = f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
            raise CommandError(f"{option} {why}")


# --- Surroundings ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Use `n` threads for a while; None leaves things as they are."""
    before = rf.get_num_threads()
    try:
        if n is not None:
            rf.set_num_threads(n)
        yield
    finally:
        rf.set_num_threads(before)


def need(modules: dict[str, str], extra: str, what: str) -> None:
    """Raise an error that says what to install if a module is missing; `modules` are {module: project}."""
    missing = [project for module, project in modules.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise CommandError(f"{what} needs {' and '.join(missing)}: pip install 'rbmfast[{extra}]'")


def engine_words() -> str:
    """Which instructions and how many threads are used, for people."""
    n = rf.get_num_threads()
    return f"{rf.show_config().isa} instructions, {n} thread{'s' if n > 1 else ''}"
