"""Estimators for scikit-learn; they need ``pip install rbmfast[sklearn]``.

`BernoulliRBM` takes the place of scikit-learn's class, faster and with more to it. `DBNClassifier`,
`DBNTransformer` and `ClassRBM` are what scikit-learn lacks.

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

from rbmfast.sklearn.class_rbm import ClassRBM
from rbmfast.sklearn.dbn import DBNClassifier, DBNTransformer
from rbmfast.sklearn.estimator import BernoulliRBM
from rbmfast.sklearn.patching import Patch, patch

__all__ = ["BernoulliRBM", "ClassRBM", "DBNClassifier", "DBNTransformer", "Patch", "patch"]
