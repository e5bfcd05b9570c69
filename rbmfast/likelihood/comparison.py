"""Are samples like the data? Free energies, means and covariances, beside what chance explains."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbmfast.checks import check_model
from rbmfast.data import Rows
from rbmfast.data.memory import spans
from rbmfast.models import RBM
from rbmfast.reference import F32, F64
from rbmfast.states import as_float
from rbmfast.units.common import rows_in_a_scan

PAIRS_AT_ONCE = 1 << 22  # covariances that are formed together
TIMES_NOISE = 3.0  # differences up to so many times what chance explains raise no alarm,
FAR_APART = 0.1  # nor do distances between distributions up to this
FAR_MEANS = 0.1  # nor differences of means up to this share of the standard deviations,
FAR_COVARIANCES = 0.25  # nor those of covariances up to this share of the covariances


@dataclass(frozen=True)
class Difference:
    """How far numbers of samples are from those of data.

    Attributes
    ----------
    rms : float
        Root of the mean squared difference.
    noise : float
        What `rms` would be on average if both were independent draws from one distribution.
    size : float
        Root of the mean square of what is compared, in the data: the standard deviations beside means, the
        covariances beside covariances.
    largest : float
        The largest difference, samples minus data.
    where : tuple of int
        The unit, or the pair of units, that has it.
    """

    rms: float
    noise: float
    size: float
    largest: float
    where: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SampleComparison:
    """Samples of a model beside data.

    Attributes
    ----------
    data_free_energy, sample_free_energy : float64 arrays (n_rows,), (n_samples,)
        In nats.
    distance : float
        Kolmogorov-Smirnov distance between the two distributions of free energies, from 0 to 1.
    distance_noise : float
        What that would be on average if they were the same.
    means : Difference
        Of the means of units.
    covariances : Difference
        Of the covariances of all pairs of units.
    alarms : tuple of str
        What differs by more than chance explains, in sentences; empty if nothing does.
    """

    data_free_energy: F64 = field(repr=False)
    sample_free_energy: F64 = field(repr=False)
    distance: float
    distance_noise: float
    means: Difference
    covariances: Difference
    alarms: tuple[str, ...]


def compare_samples(rbm: RBM, X: Any, samples: Any) -> SampleComparison:
    """Compare samples of a model with data: their free energies, and the means and covariances of units.

    Parameters
    ----------
    rbm : RBM
        The model, for the free energies.
    X : (n_rows, n_visible)
        Data, at least 2 rows; any container. Test data is the better judge.
    samples : (n_samples, n_visible)
        Samples, at least 2, such as those of `RBM.sample`.

    Returns
    -------
    SampleComparison
        Beside each difference what independent rows would show by chance. An alarm needs 3 times that, and a
        free-energy distance above 0.1, means that are 0.1 standard deviations apart, or covariances that are
        off by a quarter (root mean squares).

    Raises
    ------
    TypeError, ValueError
        Bad data.

    Notes
    -----
    Takes ``4 (n_rows + n_samples) n_visible**2`` floating-point operations, and scratch memory of some tens
    of MB (unless a row alone is as large).

    References
    ----------
    Massey, "The Kolmogorov-Smirnov test for goodness of fit", J. Amer. Statist. Assoc. 46 (1951), 68.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rbm = rf.RBM.from_arrays([[4.0, 0.0], [4.0, 1.0]], [-2.0, -2.0], [-4.0, 0.0])
    >>> samples = rbm.sample(2000, steps=100, seed=1)
    >>> rf.compare_samples(rbm, rbm.sample(1000, steps=100, seed=2), samples).alarms
    ()
    >>> coins = np.random.default_rng(0).integers(0, 2, (1000, 2))
    >>> rf.compare_samples(rbm, coins, samples).alarms[-1]
    'pairs of units covary otherwise in samples than in data: ...'
    """
    from scipy.stats import ks_2samp  # slow to load

    check_model(rbm, RBM, "rbm")
    data, drawn = (
        rbm.visible.rows(rows, rbm.n_visible, name, compact=True)
        for rows, name in ((X, "X"), (samples, "samples"))
    )
    for rows, name in ((data, "X"), (drawn, "samples")):
        if rows.n_rows < 2:
            raise ValueError(f"{name} must have at least 2 rows, got {rows.n_rows}")
    energies = rbm.free_energy(data), rbm.free_energy(drawn)
    distance = float(ks_2samp(*energies, method="asymp").statistic)
    one = math.sqrt(1 / data.n_rows + 1 / drawn.n_rows)
    distance_noise = math.sqrt(math.pi / 2) * math.log(2) * one  # the mean of Kolmogorov's distribution
    means, covariances = _compare_moments(data, drawn)
    alarms = _alarms(distance, distance_noise, means, covariances)
    return SampleComparison(*energies, distance, distance_noise, means, covariances, alarms)


def _alarms(distance: float, noise: float, means: Difference, covariances: Difference) -> tuple[str, ...]:
    alarms = []
    if distance > max(TIMES_NOISE * noise, FAR_APART):
        alarms.append(
            "free energies of samples and data differ: their Kolmogorov-Smirnov distance is "
            f"{distance:.2f}, chance explains {noise:.2f}"
        )
    for what, difference, share in (
        ("units have other means in samples than in data", means, FAR_MEANS),
        ("pairs of units covary otherwise in samples than in data", covariances, FAR_COVARIANCES),
    ):
        if difference.rms > max(TIMES_NOISE * difference.noise, share * difference.size):
            alarms.append(
                f"{what}: by {difference.rms:.2g} (root mean square), chance explains {difference.noise:.2g}"
            )
    return tuple(alarms)


# --- Moments -----------------------------------------------------------------------------------------------


def covariances_of(rows: Rows, units: NDArray[np.int64]) -> tuple[F64, F64]:
    """Means of all units (n_features,), and covariances of some of them (n_units, n_units)."""
    mean = means_of(rows)
    return mean, _covariances(rows, mean, units, units)[0]


def _compare_moments(data: Rows, drawn: Rows) -> tuple[Difference, Difference]:
    n = data.n_features
    means = means_of(data), means_of(drawn)
    variances = np.empty((2, n))
    squares = np.zeros(3)  # of the differences, their noise and the covariances, summed over pairs
    largest = 0.0
    where: tuple[int, ...] = ()
    for columns in spans(n, max(1, PAIRS_AT_ONCE // n)):
        c_data, error_data = _covariances(data, means[0], slice(None), columns)
        c_drawn, error_drawn = _covariances(drawn, means[1], slice(None), columns)
        variances[:, columns] = [np.diagonal(c, -columns.start) for c in (c_data, c_drawn)]
        above = np.arange(n)[:, None] < np.arange(columns.start, columns.stop)  # every pair once
        differences = np.where(above, c_drawn - c_data, 0.0)
        errors = error_data + error_drawn
        squares += [np.vdot(differences, differences), errors[above].sum(), (c_data[above] ** 2).sum()]
        i, j = np.unravel_index(np.argmax(np.abs(differences)), differences.shape)
        if n > 1 and abs(differences[i, j]) >= abs(largest):
            largest, where = float(differences[i, j]), (int(i), columns.start + int(j))
    spread, spread_drawn = variances
    difference = means[1] - means[0]
    widest = int(np.argmax(np.abs(difference)))
    units = Difference(
        rms=_root_mean(difference**2),
        noise=_root_mean(spread / data.n_rows + spread_drawn / drawn.n_rows),
        size=_root_mean(spread),
        largest=float(difference[widest]),
        where=(widest,),
    )
    n_pairs = max(n * (n - 1) // 2, 1)
    rms, noise, size = np.sqrt(squares / n_pairs).tolist()
    return units, Difference(rms, noise, size, largest, where)


def _root_mean(squares: F64) -> float:
    return math.sqrt(float(squares.mean()))


def means_of(rows: Rows) -> F64:
    """Of the units: (n_features,)."""
    total = np.zeros(rows.n_features)
    for block in blocks_of(rows):
        total += block.sum(axis=0, dtype=np.float64)
    return total / rows.n_rows


def _covariances(rows: Rows, mean: F64, units: Any, others: Any) -> tuple[F64, F64]:
    """Covariances of some units with others, (n_units, n_others); and the variances of these estimates."""
    products, squares = (np.zeros((len(mean[units]), len(mean[others]))) for _ in range(2))
    middle = mean.astype(np.float32)
    for block in blocks_of(rows):
        d = block - middle
        products += d[:, units].T @ d[:, others]
        d *= d
        squares += d[:, units].T @ d[:, others]
    n = rows.n_rows
    covariances = products / (n - 1)
    return covariances, np.maximum(squares / n - covariances**2, 0.0) / n


def blocks_of(rows: Rows) -> Iterator[F32]:
    """All rows, as numbers."""
    for _, block in rows.blocks(rows_in_a_scan(rows.n_features)):
        yield as_float(block)
