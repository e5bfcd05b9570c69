"""scikit-learn's `BernoulliRBM`, faster and with more to it; needs ``pip install rbmfast[sklearn]``.

>>> import numpy as np
>>> from rbmfast.sklearn import BernoulliRBM
>>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
>>> BernoulliRBM(n_components=2, random_state=0).fit(X)
BernoulliRBM(n_components=2, random_state=0)
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    message = "rbmfast.sklearn needs scikit-learn: pip install 'rbmfast[sklearn]'"
    raise ModuleNotFoundError(message, name="sklearn") from None

from rbmfast.sklearn.estimator import BernoulliRBM
from rbmfast.sklearn.patching import Patch, patch

__all__ = ["BernoulliRBM", "Patch", "patch"]
