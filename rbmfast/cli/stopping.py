"""How a command ends that is told to, or that nobody listens to any more."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

# Sent by schedulers before they kill, and when a terminal is closed (not on every system).
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """One of `SIGNALS` came: as Ctrl-C, wherever that is handled."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def signals_end_it() -> Iterator[None]:
    """Let the first of `SIGNALS` raise `Stopped`; the later ones must not disturb what is saved then.

    Those that are ignored (``nohup``) or handled by the program around stay so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def tell(text: str) -> None:
    """Say something on stderr, if it is still there: the terminal may have been closed."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def discard_output() -> None:
    """Let Python end quietly where what was printed can go nowhere: a closed pipe, a full disk."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
