"""The baseline: fast plain NumPy. It lives in the package, where `rbmfast bench` uses it, too."""

from rbmfast.bench.numpy_rbm import NumpyRBM

__all__ = ["NumpyRBM"]
