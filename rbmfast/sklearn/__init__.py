"""Estimators for scikit-learn; they need ``pip install rbmfast[sklearn]``.

`BernoulliRBM` takes the place of scikit-learn's class, faster and with more to it. `RBM` (any units, whole
tables), `RBMImputer`, `DBNClassifier`, `DBNRegressor`, `DBNTransformer`, `ClassRBM` and `ConvRBM` are what
scikit-learn lacks.

>>> import numpy as np
>>> from rbmfast.sklearn import BernoulliRBM
>>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
>>> BernoulliRBM(n_components=2, random_state=0).fit(X)
BernoulliRBM(n_components=2, random_state=0)

Parameters that the others share:

- ``visible`` : {"auto", "bernoulli", "gaussian"} or a registered name, default "auto". Type of the visible
  units, which show the features: Bernoulli units for values in [0, 1]; Gaussian units for any others, which
  are standardised first, feature by feature. "auto" decides by the data of the first fit. Units of your own,
  after `rbmfast.units.register`, see the data as they are.
- ``learning_rate`` : float, default 0.05 (`RBM`, `RBMImputer`: 0.1).
- ``momentum`` : float, default 0.9. From 0 up to, and without, 1.
- ``batch_size`` : int, default 20. Rows per update, at most 32 768; few, so that tables of hundreds of rows
  make many updates.
- ``n_iter`` : int, default 20 (`ClassRBM`: 50). Passes over the data; of a DBN, for
  each layer.
- ``class_weight`` : dict, "balanced" or None, default None. Of a classifier. Weights of the classes, times
  those of the rows; "balanced" lets the rows of each class weigh the same together.
- ``random_state`` : int, RandomState or None, default None. Fixes every random number.
- ``verbose`` : int, default 0. Above 0: show how far it is.

Attributes that they share:

- ``classes_`` : array (n_classes,). Of a classifier. The classes in increasing order.
- ``visible_`` : str. Type of the visible units.
- ``mean_``, ``scale_`` : float32 array (n_features,) or None. Gaussian units see ``(X - mean_) / scale_``,
  which is what the model inside takes.
- ``n_features_in_`` : int. Features seen by `fit`.
- ``feature_names_in_`` : array (n_features_in_,). Their names, if all are strings.

Where they were fitted on values in [0, 1] and are asked about others, these are taken as they are; with a
warning if many lie far outside, which were surely not scaled. For Bernoulli units, and without
backpropagation, `random_state`, data and settings fix every bit on every machine.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    message = "rbmfast.sklearn needs scikit-learn: pip install 'rbmfast[sklearn]'"
    raise ModuleNotFoundError(message, name="sklearn") from None

from rbmfast.sklearn.class_rbm import ClassRBM
from rbmfast.sklearn.convolutional import ConvRBM
from rbmfast.sklearn.dbn import DBNClassifier, DBNTransformer
from rbmfast.sklearn.estimator import BernoulliRBM
from rbmfast.sklearn.imputer import RBMImputer
from rbmfast.sklearn.patching import Patch, patch
from rbmfast.sklearn.rbm import RBM
from rbmfast.sklearn.regressor import DBNRegressor

__all__ = [
    "RBM",
    "BernoulliRBM",
    "ClassRBM",
    "ConvRBM",
    "DBNClassifier",
    "DBNRegressor",
    "DBNTransformer",
    "Patch",
    "RBMImputer",
    "patch",
]
