"""Putting the class in scikit-learn's place, for code that cannot be edited."""

from __future__ import annotations

import contextlib
import threading

import sklearn.neural_network
import sklearn.neural_network._rbm as home

from rbmfast.sklearn.estimator import BernoulliRBM

_PLACES = (sklearn.neural_network, home)
_ORIGINAL = home.BernoulliRBM
_lock = threading.Lock()
_active: set[Patch] = set()


class Patch(contextlib.AbstractContextManager["Patch"]):
    """A replacement that lasts until `undo`, or to the end of a ``with`` block. Made by `patch`."""

    def __init__(self) -> None:
        with _lock:
            _active.add(self)
            _choose()

    def undo(self) -> None:
        """Give scikit-learn its class back, once every patch is undone; a second call does nothing."""
        with _lock:
            _active.discard(self)
            _choose()

    def __exit__(self, *error: object) -> None:
        self.undo()


def patch() -> Patch:
    """Let ``sklearn.neural_network.BernoulliRBM`` be `rbmfast.sklearn.BernoulliRBM`.

    What imports the class from scikit-learn later gets this one; a name that was imported before stays what
    it was. Pickles made meanwhile name the class that they were made with.

    Returns
    -------
    Patch
        Call its `undo`, or use it in a ``with`` statement. Patches may be nested.

    Examples
    --------
    >>> import sklearn.neural_network
    >>> from rbmfast.sklearn import patch
    >>> with patch():
    ...     sklearn.neural_network.BernoulliRBM.__module__
    'rbmfast.sklearn.estimator'
    >>> sklearn.neural_network.BernoulliRBM.__module__
    'sklearn.neural_network._rbm'
    """
    return Patch()


def _choose() -> None:
    for place in _PLACES:
        place.BernoulliRBM = BernoulliRBM if _active else _ORIGINAL
