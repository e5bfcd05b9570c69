"""The command ``rbmfast``: one file here for each subcommand, and one line in `COMMANDS`."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import rbmfast as rf
from rbmfast.cli.options import CommandError, Parser, did_you_mean, one_line
from rbmfast.cli.stopping import Stopped, discard_output, signals_end_it, tell

__all__ = ["main"]

COMMANDS = {  # a module each, which is imported when it is asked for
    "demo": "learn handwritten digits, and draw what was learned",
    "train": "learn a model from a data file",
    "evaluate": "how good a model is: likelihood of data, errors, and samples beside data",
    "sample": "draw samples from a model",
    "impute": "fill in what is missing in a data file",
    "info": "what a file holds, or what this installation is",
    "bench": "time rbmfast and plain NumPy on this machine",
}
EXPECTED = (ValueError, TypeError, OSError, MemoryError, ImportError, FloatingPointError)
FAILED, SIGNAL = 2, 128
INTERRUPTED, BROKEN_PIPE = SIGNAL + 2, SIGNAL + 13  # as after SIGINT and SIGPIPE

# What people call our options.
MEANT = {
    **dict.fromkeys(("lr", "learning-rate", "eta", "alpha"), "--rate"),
    **dict.fromkeys(("n-epochs", "num-epochs", "iterations", "n-iter", "max-iter"), "--epochs"),
    **dict.fromkeys(("batch", "bs", "minibatch-size"), "--batch-size"),
    **dict.fromkeys(("n-hidden", "units", "components", "n-components", "layers"), "--hidden"),
    **dict.fromkeys(("weight-decay", "decay"), "--l2"),
    **dict.fromkeys(("random-state", "random-seed"), "--seed"),
    **dict.fromkeys(("gibbs-steps", "cd-k"), "-k"),
    **dict.fromkeys(("val", "valid", "validation-split", "holdout"), "--validation"),
    **dict.fromkeys(("binarize", "binarise"), "--threshold"),
    **dict.fromkeys(("gray", "greyscale", "grayscale"), "--grey"),
    **dict.fromkeys(("jobs", "n-jobs", "num-threads", "cpus"), "--threads"),
    **dict.fromkeys(("out", "save", "save-to"), "--output"),
    **dict.fromkeys(("target", "y", "classes"), "--labels"),
    **dict.fromkeys(("dtypes", "kinds", "schema"), "--types"),
    **dict.fromkeys(("scale", "normalize", "normalise", "zscore"), "--standardize"),
    **dict.fromkeys(("exclude", "ignore", "drop-columns"), "--drop"),
    **dict.fromkeys(("usecols", "features"), "--columns"),
}

EXAMPLES = """\
examples:
  rbmfast demo                                        see it work, in seconds
  rbmfast train digits.npy -o digits.rbm              learn from the rows of a file
  rbmfast evaluate digits.rbm test.npy                how good is it?
  rbmfast sample digits.rbm -n 64 -o samples.npy      draw from what was learned
  rbmfast train people.csv -o people.rbm              learn a table of words and numbers
  rbmfast impute people.rbm holes.csv -o full.csv     fill in its empty cells
  rbmfast info digits.rbm                             what is in that file?
  rbmfast bench                                       how fast is this machine?

`rbmfast COMMAND --help` says more. Equal seeds give equal bits.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit status: 0, or 2 after an error, or 128 and the number of what ended it: 130 after Ctrl-C, 143
        after SIGTERM, 129 after SIGHUP, 141 where the reader of a pipe is gone. Errors and warnings are one
        line on stderr each.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        with warnings.catch_warnings(), signals_end_it():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning
            arguments = _parse(argv)
            arguments.run(arguments)
            if sys.stdout is not None:  # closed from the beginning
                sys.stdout.flush()
        return 0
    except SystemExit as stop:  # --help and --version
        return stop.code if isinstance(stop.code, int) else 0
    except Stopped as stop:
        return _say(f"rbmfast: ended by {signal.Signals(stop.number).name}", str(stop), SIGNAL + stop.number)
    except KeyboardInterrupt as interrupt:
        return _say("rbmfast: interrupted", str(interrupt), INTERRUPTED)
    except BrokenPipeError:  # `rbmfast info | head`: nobody listens any more
        return BROKEN_PIPE
    except EXPECTED as error:
        return _say("rbmfast: error", one_line(error), FAILED)
    finally:
        discard_output()


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="rbmfast", description=rf.__doc__.splitlines()[0], epilog=EXAMPLES)
    parser.add_argument("--version", action="version", version=f"rbmfast {rf.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    named = next((word for word in argv if not word.startswith("-")), None)
    if named is not None and named not in COMMANDS:
        raise CommandError(f"there is no command {named!r}{did_you_mean(named, COMMANDS)}")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name == named:
            module = importlib.import_module(f"rbmfast.cli.{name}")
            command.description, command.epilog = module.DESCRIPTION, module.EXAMPLES
            module.add_arguments(command)
            command.set_defaults(run=module.run, parser=command)
    arguments, unknown = parser.parse_known_args(argv)
    if named is None:
        raise CommandError(f"a command is needed: {', '.join(COMMANDS)} (see rbmfast --help)")
    if unknown:
        raise CommandError(_unknown(unknown[0], arguments.parser))
    return arguments


def _unknown(word: str, parser: Parser) -> str:
    if not word.startswith("-"):
        return f"unexpected argument {word!r} (see {parser.prog} --help)"
    option = word.split("=")[0]
    known = parser.option_names()
    meant = MEANT.get(option.lstrip("-").lower().replace("_", "-"), "")
    return f"{parser.prog} has no option {option}{did_you_mean(meant if meant in known else option, known)}"


def _say(what: str, detail: str, status: int) -> int:
    tell(f"{what}: {detail}" if detail else what)
    return status


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    tell(f"rbmfast: warning: {' '.join(str(message).split())}")
