"""What is asked of every library."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class Peer(ABC):
    """An RBM with the parameters (W, a, b) in one library.

    The methods below `prepare` are the tasks that can be timed. A peer overrides those that it knows.

    Attributes
    ----------
    name : str
        What tables say.
    package : str
        What must be installed.
    module : str
        What is imported from it, if that is called otherwise.

    Examples
    --------
    >>> from rbmfast.bench.peers import BlasFloor, Numpy
    >>> Numpy.knows("gibbs"), BlasFloor.knows("gibbs")
    (True, False)
    """

    name: ClassVar[str]
    package: ClassVar[str]
    module: ClassVar[str | None] = None

    @abstractmethod
    def __init__(self, W: Any, a: Any, b: Any) -> None: ...

    @classmethod
    def version(cls) -> str | None:
        """Version of the package, or None if it is not installed."""
        if importlib.util.find_spec(cls.module or cls.package) is None:
            return None
        try:
            return importlib.metadata.version(cls.package)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    @classmethod
    def knows(cls, task: str) -> bool:
        """Whether it has a method of its own for a task."""
        return getattr(cls, task) is not getattr(Peer, task)

    @classmethod
    def set_threads(cls, n: int) -> None:
        """Tell it how many threads to use, where BLAS limits do not reach."""
        return None

    def prepare(self, X: NDArray[Any]) -> Any:
        """States, uint8 or float32, in the form that this library is fastest with; not timed."""
        return X.astype(np.float32)

    # --- Tasks -------------------------------------------------------------------------------------------

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> object:
        """Learn: some epochs of CD-1, or of what comes closest to it."""
        raise NotImplementedError

    def pcd(self, data: Any, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> object:
        """Learn: some epochs of PCD-k."""
        raise NotImplementedError

    def gibbs(self, data: Any, steps: int) -> object:
        """Visible states, so many Gibbs steps from the data."""
        raise NotImplementedError

    def ais(self, data: Any, steps: int) -> object:
        """Log Z by annealing a chain for every row, from units with the rates of the data."""
        raise NotImplementedError

    def hidden_probabilities(self, data: Any) -> object:
        """P(h = 1 | v) for every row."""
        raise NotImplementedError

    def free_energy(self, data: Any) -> object:
        """F(v) for every row."""
        raise NotImplementedError

    def one_flip_scores(self, data: Any) -> object:
        """What scikit-learn's `score_samples` estimates log pseudo-likelihoods by: see `one_flip_scores`."""
        raise NotImplementedError


def one_flip_scores(
    free_energy: Callable[[Any], NDArray[Any]], V: NDArray[Any], rng: np.random.Generator
) -> NDArray[Any]:
    """n_visible * log sigmoid(F(v') - F(v)) for every row, where v' has one unit flipped, chosen at random.

    Parameters
    ----------
    free_energy : callable
        F for rows of states.
    V : array (n_rows, n_visible)
        Visible states.
    rng : numpy Generator
        Chooses.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmfast.bench.peers.base import one_flip_scores
    >>> V = np.zeros((1, 4), np.uint8)
    >>> one_flip_scores(lambda v: -2.0 * v.sum(axis=1), V, np.random.default_rng(0)).round(3)
    array([-8.508])
    """
    n_rows, n_visible = V.shape
    flipped, unit = V.copy(), (np.arange(n_rows), rng.integers(0, n_visible, n_rows))
    flipped[unit] = 1 - flipped[unit]
    scores: NDArray[Any] = -n_visible * np.logaddexp(0, free_energy(V) - free_energy(flipped))
    return scores
