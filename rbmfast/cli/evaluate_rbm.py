"""What ``rbmfast evaluate`` finds out about an RBM."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import plots
from rbmfast.cli.datafiles import Examples
from rbmfast.cli.evaluate_labels import reconstruction_error
from rbmfast.cli.partition import (
    TEMPERATURES,
    chain_lines,
    find_log_z,
    log_z_line,
    log_z_numbers,
)
from rbmfast.cli.report import Line, Report, data_line, line, mean_line, summary, tell
from rbmfast.data import Rows
from rbmfast.likelihood import ChainDiagnostics, LogPartition, MeanLogLikelihood, SampleComparison
from rbmfast.likelihood.comparison import means_of
from rbmfast.likelihood.pseudo import has_pseudo_likelihood
from rbmfast.reference import States
from rbmfast.states import without_levels
from rbmfast.streams import Purpose
from rbmfast.units.base import F64

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PSEUDO_ROWS = 1000  # whose pseudo-likelihood is formed: it takes a pass for every visible unit
CONSERVATIVE = 100  # rows of the conservative estimate
CONSERVATIVE_CHAINS = 10  # from each row
MIXING_CHAINS = 64
SAMPLES = STEPS = 1000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that was found; None where there is no such number, row by row where arrays.

    `conservative` is of some rows, with the difference of their free energies from those of all taken off.
    """

    rows: Rows
    free_energy: F64
    pseudo: F64 | None
    n_visible: int
    error: float
    log_z: LogPartition
    likelihood: MeanLogLikelihood | None
    conservative: F64 | None
    chains: ChainDiagnostics
    samples: States
    comparison: SampleComparison


def evaluate_rbm(rbm: rf.RBM, data: Examples, base: Rows | None, given: argparse.Namespace) -> Report:
    """See `rbmfast.cli.kinds.Kind`."""
    found = measure(rbm, data.rows, base, given)
    return Report(
        lines=[*_data_lines(found), *_likelihood_lines(found, given), *_sample_lines(found)],
        numbers=numbers(found),
        alarms=(*found.chains.alarms, *found.comparison.alarms),
        figures=partial(figures, found),
    )


def measure(rbm: rf.RBM, rows: Rows, base: Rows | None, given: argparse.Namespace) -> Evaluation:
    """Everything, the quick parts first."""
    seed, steps = given.seed, given.steps or STEPS
    free_energy = rbm.free_energy(rows)
    error = reconstruction_error(rows, rbm.reconstruct)
    tell("pseudo-likelihood")
    few = _some(rows, PSEUDO_ROWS, seed)
    pseudo = rf.pseudo_likelihood(rbm, few) if has_pseudo_likelihood(rbm) else None
    tell("chains and samples")
    chains = rf.chain_diagnostics(rbm, rows, n_chains=MIXING_CHAINS, steps=steps, seed=seed)
    samples = rbm.sample(given.samples or SAMPLES, steps=steps, seed=seed)
    comparison = rf.compare_samples(rbm, rows, samples)
    tell("log Z")
    start = None if base is None else means_of(base)
    log_z = find_log_z(rbm, given, start)
    conservative = None
    n_conservative = CONSERVATIVE if given.conservative is None else given.conservative
    if n_conservative and rows.kind != "grey":
        tell("conservative estimate")
        temperatures = max(1, (given.temperatures or TEMPERATURES) // 10)
        chosen = _some(rows, n_conservative, seed)
        conservative = rf.conservative_log_likelihood(
            rbm,
            chosen,
            n_chains=CONSERVATIVE_CHAINS,
            n_temperatures=temperatures,
            base=start,
            seed=seed,
        )
        # Free energies carry it over to all rows: what is left varies little from row to row.
        conservative += rbm.free_energy(chosen) - free_energy.mean()
    tell("")
    return Evaluation(
        rows=rows,
        free_energy=free_energy,
        pseudo=pseudo,
        n_visible=rbm.n_visible,
        error=error,
        log_z=log_z,
        likelihood=None if rows.kind == "grey" else rf.mean_log_likelihood(rbm, rows, log_z),
        conservative=conservative,
        chains=chains,
        samples=samples,
        comparison=comparison,
    )


def _some(rows: Rows, n: int, seed: int) -> States:
    """At most `n` rows, chosen by the seed."""
    keys = engine.shuffle_keys(rows.n_rows, seed, 0, Purpose.MONITOR)
    return without_levels(rows.block(np.sort(np.argsort(keys, kind="stable")[:n])))


# --- For people --------------------------------------------------------------------------------------------


def _data_lines(found: Evaluation) -> Iterator[Line]:
    rows = found.rows
    yield data_line(rows)
    yield mean_line("free energy", found.free_energy, "nats per row")
    if found.pseudo is not None:
        n = len(found.pseudo)
        some = f", of {n:,} rows" if n < rows.n_rows else ""
        yield mean_line("log pseudo-likelihood", found.pseudo, f"nats per row{some}")
        yield mean_line("", found.pseudo / found.n_visible, "nats per unit")
    yield line("reconstruction error", found.error, "mean square per unit")


def _likelihood_lines(found: Evaluation, given: argparse.Namespace) -> Iterator[Line]:
    z, mean = found.log_z, found.likelihood
    exact = z.method == "exact"
    yield log_z_line(z, given)
    if mean is None:
        yield "mean log-likelihood", "none", "", "", "grey levels are no states: say --threshold T"
    else:
        note = f"nats per row; standard error {mean.data_stderr:.2g} from the choice of rows"
        yield line("mean log-likelihood", mean.value, note, None if exact else (mean.lower, mean.upper))
    if found.conservative is not None:
        note = f"nats per row, from {len(found.conservative):,} rows; errs low"
        yield mean_line("conservative estimate", found.conservative, note)
    yield from chain_lines(z)


def _sample_lines(found: Evaluation) -> Iterator[Line]:
    chains, comparison = found.chains, found.comparison
    yield line("R-hat of chains", chains.r_hat, "1 if those from data and from random states agree")
    time = chains.autocorrelation_time
    too_short = "" if math.isfinite(time) else "; chains are too short to tell"
    yield line("autocorrelation time", time, f"Gibbs steps{too_short}")
    n = len(found.samples)
    yield line(
        "free-energy distance",
        comparison.distance,
        f"of {n:,} samples from the data; {comparison.distance_noise:.2g} by chance",
    )
    for name, part in (("means of units", comparison.means), ("covariances", comparison.covariances)):
        yield line(name, part.rms, f"root mean square difference; {part.noise:.2g} by chance")


# --- For programs ------------------------------------------------------------------------------------------


def numbers(found: Evaluation) -> dict[str, Any]:
    """All numbers, for a JSON file."""
    z, comparison, chains = found.log_z, found.comparison, found.chains
    return {
        "free_energy": summary(found.free_energy),
        "pseudo_likelihood": None if found.pseudo is None else summary(found.pseudo),
        "reconstruction_error": found.error,
        "log_z": log_z_numbers(z),
        "log_likelihood": None if found.likelihood is None else vars(found.likelihood),
        "conservative_log_likelihood": None if found.conservative is None else summary(found.conservative),
        "chains": {
            name: getattr(chains, name) for name in ("r_hat", "autocorrelation_time", "ess", "n_from_data")
        },
        "samples": {
            "n": len(found.samples),
            "free_energy": summary(comparison.sample_free_energy),
            "distance": comparison.distance,
            "distance_noise": comparison.distance_noise,
            "means": vars(comparison.means),
            "covariances": vars(comparison.covariances),
        },
        "warnings": [text for text in (z.warning, *chains.alarms, *comparison.alarms) if text],
    }


# --- Pictures ----------------------------------------------------------------------------------------------


def figures(found: Evaluation) -> dict[str, Figure]:
    """All of them, by name."""
    comparison = found.comparison
    drawn = {
        "free_energies": plots.free_energies(comparison.data_free_energy, comparison.sample_free_energy),
        "chains": plots.chains(found.chains),
        "moments": plots.moments(found.rows, found.samples),
    }
    if found.log_z.method != "exact":
        drawn["ais_weights"] = plots.ais_weights(found.log_z)
    return drawn
