"""scikit-learn's class and the one that takes its place: what is timed, method by method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from peers import DropIn, ScikitLearn

from rbmfast.bench import Workload
from rbmfast.bench.workloads import DENSITY, logit

CLASSES = (DropIn, ScikitLearn)
DENSITIES = (0.001, 0.01, 0.1)


def method(
    name: str, n_visible: int, n_hidden: int, n_rows: int, form: str = "0/1 as float32", **settings: Any
) -> Workload:
    """A method of the estimator, called with float32 data; `settings` are parameters of the estimator."""
    words = ["{method}, {size}, {rows}", *(["grey levels"] if form.startswith("grey") else [])]
    label = ", ".join([*words, *(f"{key}={value}" for key, value in settings.items())])
    return Workload(label, "call", n_visible, n_hidden, n_rows, {"method": name, **settings}, form)


@dataclass(frozen=True)
class SparseWorkload(Workload):
    """The same on a CSR matrix with a share `density` of ones."""

    density: float = DENSITY

    def parameters(self) -> tuple[Any, Any, Any]:
        W, a, b = super().parameters()
        return W, a + logit(self.density) - logit(DENSITY), b

    def data(self) -> Any:
        shape = self.n_rows, max(1, round(self.density * self.n_visible))
        columns = np.sort(np.random.default_rng(0).integers(0, self.n_visible, shape))
        starts = np.arange(0, columns.size + 1, shape[1])
        ones = np.ones(columns.size, np.float32)
        X = sp.csr_matrix((ones, columns.ravel(), starts), (self.n_rows, self.n_visible))
        X.sum_duplicates()
        X.data[:] = 1
        return X


def sparse(name: str, n_rows: int, density: float, **settings: Any) -> SparseWorkload:
    """A method on rows of 20 000 features."""
    dense = method(name, 20_000, 64, n_rows, **settings)
    label = f"{dense.label}, {100 * density:g} % ones, sparse"
    return SparseWorkload(**{**vars(dense), "label": label}, density=density)


DROP_IN = (
    method("fit", 784, 500, 5000, batch_size=100, n_iter=2),
    method("fit", 64, 100, 10_000, "grey levels as float32", batch_size=10),
    method("partial_fit", 784, 500, 100, batch_size=100),
    method("transform", 784, 500, 10_000),
    method("transform", 784, 500, 100),
    method("transform", 784, 500, 1),
    method("score_samples", 784, 500, 10_000),
    method("gibbs", 784, 500, 10_000),
    method("gibbs", 784, 500, 100),
)
SPARSE = (
    *(sparse("fit", 2000, density, batch_size=100) for density in DENSITIES),
    *(sparse("transform", 2000, density) for density in DENSITIES),
)
