"""Log Z of Gaussian units on both sides: a closed form where it exists, and whether it does."""

from __future__ import annotations

import math

import numpy as np

from rbmfast.models import RBM
from rbmfast.units.gaussian import HALF_LOG_2_PI


def is_normal(rbm: RBM) -> bool:
    """Whether all units of both layers are Gaussian, so that the model is one normal distribution."""
    return bool(rbm.visible.are_normal(rbm.n_visible).all() and rbm.hidden.are_normal(rbm.n_hidden).all())


def check_finite_log_z(rbm: RBM) -> None:
    """Raise ValueError if the integral over the Gaussian units diverges.

    Given the other units, the energy of Gaussian v and h is a quadratic form, of eigenvalues 1 - s and 1 + s
    for each singular value s of the weights between them: it is bounded below only if all s are below 1.
    """
    visible, hidden = rbm.visible.are_normal(rbm.n_visible), rbm.hidden.are_normal(rbm.n_hidden)
    if not (visible.any() and hidden.any()):
        return
    W = rbm._parameters.W[np.ix_(visible, hidden)].astype(np.float64)
    largest = float(np.linalg.norm(W, 2))
    if largest >= 1:
        raise ValueError(
            f"{rbm!r} is no distribution and has no log Z: the weights between its Gaussian units must have "
            f"singular values below 1, got {largest:.6g}"
        )


def normal_log_z(rbm: RBM) -> float:
    """Log Z in nats of Gaussian units with weights W = U diag(s) V'.

    Along each pair of singular vectors two units are coupled by s, with the biases alpha = U'a and beta =
    V'b. Completing the square, each pair adds -log(1 - s**2) / 2 and (s**2 (alpha**2 + beta**2) / 2 + s alpha
    beta) / (1 - s**2) to the log(2 pi) / 2 of every unit.

    Examples
    --------
    >>> import rbmfast as rf
    >>> from rbmfast.likelihood.normal import normal_log_z
    >>> rbm = rf.RBM.from_arrays([[0.6]], [0.0], [0.0], visible="gaussian", hidden="gaussian")
    >>> round(normal_log_z(rbm), 4)                             # log(2 pi / 0.8)
    2.061
    """
    check_finite_log_z(rbm)
    p = rbm._parameters
    U, s, Vt = np.linalg.svd(p.W.astype(np.float64), full_matrices=False)
    alpha, beta = p.a @ U, Vt @ p.b
    rest = (1 - s) * (1 + s)
    gain = (s**2 * (alpha**2 + beta**2) / 2 + s * alpha * beta) / rest
    return (rbm.n_visible + rbm.n_hidden) * HALF_LOG_2_PI + math.fsum(gain - np.log(rest) / 2)
