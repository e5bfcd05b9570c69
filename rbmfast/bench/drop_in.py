"""scikit-learn's class and the one that takes its place: what is timed, method by method.

`DROP_IN` lists the rows, on dense data; `SPARSE` those on sparse data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rbmfast.bench.peers import Peer
from rbmfast.bench.peers.scikit_learn import DropIn, ScikitLearn
from rbmfast.bench.workloads import DENSITY, FORMS, Task, Workload, logit

CLASSES: tuple[type[ScikitLearn], ...] = (DropIn, ScikitLearn)


@dataclass(frozen=True)
class Method(Workload):
    """A method of the estimator, called with float32 data.

    Attributes
    ----------
    method : str
        Its name.
    form : str
        What the data looks like: a key of `FORMS`.
    settings : mapping
        Parameters of the estimator, beside its size.

    Examples
    --------
    >>> from rbmfast.bench.drop_in import Method
    >>> Method(784, 500, 5000, "fit", settings={"batch_size": 100}).name
    'fit, 784 x 500, 5000 rows, batch_size=100'
    """

    method: str = "transform"
    form: str = "0/1 as float32"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        rows = "1 row" if self.n_rows == 1 else f"{self.n_rows} rows"
        grey = ["grey levels"] if self.form.startswith("grey") else []
        settings = [f"{key}={value}" for key, value in self.settings.items()]
        return ", ".join([self.method, self.size, rows, *grey, *settings])

    @property
    def samples(self) -> int:
        """See `Workload.samples`."""
        return self.n_rows * int(self.settings.get("n_iter", 1))

    def task_of(self, peer: type[Peer]) -> Task | None:
        """See `Workload.task_of`: every method of those peers that are estimators."""
        if not issubclass(peer, ScikitLearn):
            return None
        estimator = peer(*self.parameters()).rbm.set_params(learning_rate=0.01, n_iter=1)
        return partial(self.do, getattr(estimator.set_params(**self.settings), self.method), self.data())

    def data(self) -> Any:
        """See `Workload.data`."""
        return FORMS[self.form](super().data())


@dataclass(frozen=True)
class SparseMethod(Method):
    """The same on a CSR matrix.

    Examples
    --------
    >>> from rbmfast.bench.drop_in import SparseMethod
    >>> SparseMethod(20_000, 16, 1000, density=0.001).name
    'transform, 20000 x 16, 1000 rows, 0.1 % ones, sparse'
    """

    density: float = 0.001

    @property
    def name(self) -> str:
        """See `Workload.name`."""
        return f"{super().name}, {100 * self.density:g} % ones, sparse"

    def parameters(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Workload.parameters`."""
        W, a, b = super().parameters()
        return W, a + logit(self.density) - logit(DENSITY), b

    def data(self) -> Any:
        """See `Workload.data`."""
        shape = self.n_rows, max(1, round(self.density * self.n_visible))
        columns = np.sort(np.random.default_rng(0).integers(0, self.n_visible, shape))
        starts = np.arange(0, columns.size + 1, shape[1])
        ones = np.ones(columns.size, np.float32)
        X = sp.csr_matrix((ones, columns.ravel(), starts), (self.n_rows, self.n_visible))
        X.sum_duplicates()
        X.data[:] = 1
        return X

    def with_density(self, density: float) -> SparseMethod:
        """The same with more ones, or fewer."""
        return dataclasses.replace(self, density=density)


DROP_IN: tuple[Method, ...] = (
    Method(784, 500, 5000, "fit", settings={"batch_size": 100, "n_iter": 2}),
    Method(64, 100, 10_000, "fit", "grey levels as float32", settings={"batch_size": 10}),
    Method(784, 500, 100, "partial_fit", settings={"batch_size": 100}),
    Method(784, 500, 10_000, "transform"),
    Method(784, 500, 100, "transform"),
    Method(784, 500, 1, "transform"),
    Method(784, 500, 10_000, "score_samples"),
    Method(784, 500, 10_000, "gibbs"),
    Method(784, 500, 100, "gibbs"),
)
SPARSE: tuple[SparseMethod, ...] = (
    SparseMethod(20_000, 64, 2000, "fit", settings={"batch_size": 100}),
    SparseMethod(20_000, 64, 2000, "transform"),
)
