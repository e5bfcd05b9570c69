"""Options and surroundings that the subcommands share."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import importlib.util
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeAlias

import rbmfast as rf

Options: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup"


class CommandError(ValueError):
    """Something is wrong with what was asked for; the message is for the user."""


def one_line(error: BaseException) -> str:
    """What an error says, in a line; of the system's, the file and the reason."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return where + error.strerror
    text = " ".join(str(error).split())
    return text or type(error).__name__


# --- Arguments ---------------------------------------------------------------------------------------------


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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about a word that is not known."""
    known = list(known)
    alike = [one for one in known if one.startswith("--") == word.startswith("--")]
    close = difflib.get_close_matches(word, alike, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; choose from {', '.join(known)}"


def choice(*known: str) -> Callable[[str], str]:
    """Type of an argument that is one of a few words."""

    def convert(text: str) -> str:
        if text in known:
            return text
        raise argparse.ArgumentTypeError(f"{text!r} is not known{did_you_mean(text, known)}")

    return convert


def integer(low: int) -> Callable[[str], int]:
    """Type of an argument that is a whole number of at least `low`."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {low}, got {text!r}")
        return number

    return convert


def listed(convert: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """Type of an argument that is one value, or several with commas between them."""
    return lambda text: [convert(word) for word in text.split(",")]


def number(text: str) -> float:
    """Type of an argument that is a number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return value


def option_name(name: str) -> str:
    """What an attribute of the parsed options is called on the command line."""
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"


def refuse(given: argparse.Namespace, options: Iterable[str], why: str) -> None:
    """Raise an error that says why, if one of these options (names of attributes) was given."""
    for name in options:
        value = getattr(given, name)
        if value is not None and value is not False:  # 0 was given
            raise CommandError(f"{option_name(name)} {why}")


def image_size(text: str) -> tuple[int, int]:
    """Type of an argument such as 28x28: height and width."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"must be height x width, such as 28x28, got {text!r}")
    return int(sides[0]), int(sides[1])


def add_threads(parser: Options, default: int | None = None, why: str = "") -> None:
    """Add the option --threads."""
    shown = f"default: {default}{why}" if default else "default: all CPUs"
    parser.add_argument(
        "--threads",
        type=integer(1),
        default=default,
        metavar="N",
        help=f"threads to use ({shown}); results do not depend on it",
    )


def add_data(parser: Options, grey: str = "") -> None:
    """Add the options that say how a file is read; `grey` is what else there is to say of --grey."""
    add = parser.add_argument
    add("--key", metavar="NAME", help="which array of an .npz or .mat file, if it is not called X")
    for option, what in (("--columns", "columns of a table to take"), ("--drop", "those to leave out")):
        which = "names from its first line, or numbers from 0"
        add(option, type=listed(str), default=[], metavar="NAME[,NAME...]", help=f"{what}: {which}")
    add("--threshold", type=number, metavar="T", help="values above T are 1, others 0")
    add("--grey", action="store_true", help=f"values 0-255 are grey levels 0-1{grey}")


def add_seed(parser: Options) -> None:
    """Add the option --seed."""
    parser.add_argument(
        "--seed", type=integer(0), default=0, metavar="N", help="fixes every bit (default: 0)"
    )


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


def need_matplotlib(what: str) -> None:
    """The same for pictures."""
    need({"matplotlib": "matplotlib"}, "plots", what)


def engine_words() -> str:
    """Which instructions and how many threads are used, for people."""
    n = rf.get_num_threads()
    return f"{rf.show_config().isa} instructions, {n} thread{'s' if n > 1 else ''}"
