"""What scikit-learn calls differently in its versions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

try:
    from sklearn.utils.validation import validate_data as _validate_data  # since 1.6
except ImportError:
    _validate_data = None


def validate_data(estimator: Any, X: Any, *, reset: bool) -> Any:
    """`X` as an array or a CSR matrix of numbers, its width and feature names checked against the fit's.

    float32, float64, integers and bools stay what they are, so that the last two need not be copied; NaN and
    infinity are left to whoever reads the values.
    """
    kind = getattr(getattr(X, "dtype", None), "kind", "O")
    settings = {
        "accept_sparse": "csr",
        "dtype": None if kind in "biu" else (np.float64, np.float32),
        "reset": reset,
    }
    if _validate_data is None:
        return estimator._validate_data(X, force_all_finite=False, **settings)
    return _validate_data(estimator, X, ensure_all_finite=False, **settings)


def check_finite(X: Any, estimator: Any) -> None:
    """Raise scikit-learn's own ValueError if there is a NaN or an infinity."""
    values = X.data if hasattr(X, "tocsr") else np.asarray(X)
    assert_all_finite(values, estimator_name=type(estimator).__name__, input_name="X")


def check_classes(y: Any, n_rows: int) -> NDArray[Any]:
    """Classes of `n_rows` rows, names or numbers, as an array; scikit-learn's own errors otherwise."""
    classes: NDArray[Any] = column_or_1d(y, warn=True)
    if classes.dtype.kind == "f":
        assert_all_finite(classes, input_name="y")
    check_classification_targets(classes)
    if len(classes) != n_rows:
        raise ValueError(f"y must have a class for each row of X, {n_rows}, got {len(classes)}")
    return classes
