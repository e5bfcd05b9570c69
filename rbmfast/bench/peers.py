"""What is measured: an RBM in some library. `NumpyRBM` has a file of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import rbmfast as rf


class Peer(ABC):
    """An RBM with the parameters (W, a, b) in one library.

    Its methods are the tasks of `Workload` that it knows: ``cd(data, batch_size, epochs, rate)``,
    ``pcd(data, batch_size, epochs, rate, k, n_chains)``, ``gibbs(data, steps)``, ``ais(data, steps)``,
    ``hidden_probabilities(data)``, ``free_energy(data)``; data is what `prepare` made.

    Attributes
    ----------
    name : str
        What tables say.

    Examples
    --------
    >>> from rbmfast.bench import BlasFloor, NumpyRBM
    >>> NumpyRBM.knows("gibbs"), BlasFloor.knows("gibbs")
    (True, False)
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, W: Any, a: Any, b: Any) -> None: ...

    @classmethod
    def knows(cls, task: str) -> bool:
        """Whether it has a method for a task."""
        return hasattr(cls, task)

    @classmethod
    def set_threads(cls, n: int) -> None:
        """Tell it how many threads to use, where BLAS limits do not reach."""
        return None

    def prepare(self, X: NDArray[Any]) -> Any:
        """States, uint8 or float32, in the form that this library is fastest with; not timed."""
        return X.astype(np.float32)


class Rbmfast(Peer):
    """rbmfast through its public functions, with its defaults: checks, copies and shuffling included."""

    name = "rbmfast"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.rbm = rf.RBM.from_arrays(W, a, b)

    @classmethod
    def set_threads(cls, n: int) -> None:
        """See `Peer.set_threads`."""
        rf.set_num_threads(n)

    def prepare(self, X: NDArray[Any]) -> NDArray[Any]:
        """As they are: rbmfast takes any form, and a row of the table says which."""
        return X

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> None:
        """Some epochs of CD-1."""
        self._train(data, rf.CD(1), batch_size, epochs, rate)

    def pcd(self, data: Any, batch_size: int, epochs: int, rate: float, k: int, n_chains: int) -> None:
        """Some epochs of PCD-k."""
        self._train(data, rf.PCD(k, n_chains=n_chains), batch_size, epochs, rate)

    def _train(self, data: Any, method: Any, batch_size: int, epochs: int, rate: float) -> None:
        settings: dict[str, Any] = {"method": method, "batch_size": batch_size, "epochs": epochs}
        rf.train(self.rbm, data, optimizer=rf.SGD(rate), seed=0, **settings)

    def gibbs(self, data: Any, steps: int) -> Any:
        """Visible states, so many Gibbs steps from the data."""
        return self.rbm.gibbs(data, steps=steps, seed=0)

    def ais(self, data: Any, steps: int) -> float:
        """Log Z by annealing a chain for every row, from units with the rates of the data."""
        settings: dict[str, Any] = {"n_chains": len(data), "n_temperatures": steps, "base": data, "seed": 0}
        return rf.log_partition(self.rbm, "ais", **settings).value

    def hidden_probabilities(self, data: Any) -> Any:
        """P(h = 1 | v) for every row."""
        return self.rbm.hidden_probabilities(data)

    def free_energy(self, data: Any) -> Any:
        """F(v) for every row."""
        return self.rbm.free_energy(data)


class BlasFloor(Peer):
    """The five float32 matrix products of a CD-1 update and nothing else.

    No biases, no sigmoid, no random numbers, no update: it learns nothing. NumPy's BLAS, every result in
    memory that was allocated before. A library that calls float32 BLAS cannot be faster.
    """

    name = "BLAS floor"

    def __init__(self, W: Any, a: Any, b: Any) -> None:
        self.W = np.array(W, np.float32, order="C")
        self.gradient = np.empty_like(self.W)

    def cd(self, data: Any, batch_size: int, epochs: int, rate: float) -> None:
        """The products of some epochs of CD-1."""
        n_visible, n_hidden = self.W.shape
        v_model = np.empty((batch_size, n_visible), np.float32)
        h_data, h_model = (np.empty((batch_size, n_hidden), np.float32) for _ in range(2))
        for _ in range(epochs):
            for start in range(0, len(data), batch_size):
                v = data[start : start + batch_size]
                n = len(v)
                np.matmul(v, self.W, out=h_data[:n])
                np.matmul(h_data[:n], self.W.T, out=v_model[:n])
                np.matmul(v_model[:n], self.W, out=h_model[:n])
                np.matmul(v.T, h_data[:n], out=self.gradient)
                np.matmul(v_model[:n].T, h_model[:n], out=self.gradient)
