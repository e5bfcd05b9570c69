"""What ``rbmfast evaluate`` finds out about an RBM."""

from __future__ import annotations

import argparse
import math

import numpy as np

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.cli.datafiles import Examples
from rbmfast.cli.progress import show_step
from rbmfast.cli.report import NO_STATES, TEMPERATURES, Report, find_log_z, summary
from rbmfast.data import Rows
from rbmfast.likelihood import LogPartition
from rbmfast.likelihood.comparison import means_of
from rbmfast.likelihood.pseudo import has_pseudo_likelihood
from rbmfast.reference import States
from rbmfast.states import without_levels
from rbmfast.streams import Purpose
from rbmfast.units.base import F64

PSEUDO_ROWS = 1000  # whose pseudo-likelihood is formed: it takes a pass for every visible unit
CONSERVATIVE = 100  # rows of the conservative estimate
CONSERVATIVE_CHAINS = 10  # from each row
MIXING_CHAINS = 64
SAMPLES = STEPS = 1000


def evaluate_rbm(rbm: rf.RBM, data: Examples, base: Rows | None, given: argparse.Namespace) -> Report:
    """Everything, the quick parts first."""
    rows, report = data.rows, Report()
    free_energy = rbm.free_energy(rows)
    report.add_rows(rows)
    report.add_mean("free energy", free_energy, "nats per row")
    report.numbers["free_energy"] = summary(free_energy)
    _add_pseudo_likelihood(report, rbm, rows, given.seed)
    report.add_reconstructions(rows, rbm.reconstruct)
    show_step("log Z")
    start = None if base is None else means_of(base)
    z = find_log_z(rbm, given, start)
    report.add_log_z(z, given)
    _add_likelihood(report, rbm, rows, z)
    _add_conservative(report, rbm, rows, free_energy, start, given)
    report.add_annealing(z)
    show_step("chains and samples")
    _add_samples(report, rbm, rows, given)
    if z.method != "exact":
        report.figures["ais_weights"] = lambda: rf.plots.ais_weights(z)
    report.numbers["warnings"] = [*filter(None, [z.warning]), *report.alarms]
    show_step("")
    return report


def _add_pseudo_likelihood(report: Report, rbm: rf.RBM, rows: Rows, seed: int) -> None:
    pseudo = None
    if has_pseudo_likelihood(rbm):
        show_step("pseudo-likelihood")
        pseudo = rf.pseudo_likelihood(rbm, _some(rows, PSEUDO_ROWS, seed))
        some = f", of {len(pseudo):,} rows" if len(pseudo) < rows.n_rows else ""
        report.add_mean("log pseudo-likelihood", pseudo, f"nats per row{some}")
        report.add_mean("", pseudo / rbm.n_visible, "nats per unit")
    report.numbers["pseudo_likelihood"] = summary(pseudo)


def _add_likelihood(report: Report, rbm: rf.RBM, rows: Rows, z: LogPartition) -> None:
    if rows.kind == "grey":
        report.add("mean log-likelihood", math.nan, NO_STATES)
        report.numbers["log_likelihood"] = None
        return
    mean = rf.mean_log_likelihood(rbm, rows, z)
    note = f"nats per row; standard error {mean.data_stderr:.2g} from the choice of rows"
    interval = None if z.method == "exact" else (mean.lower, mean.upper)
    report.add("mean log-likelihood", mean.value, note, interval)
    report.numbers["log_likelihood"] = vars(mean)


def _add_conservative(
    report: Report, rbm: rf.RBM, rows: Rows, free_energy: F64, base: F64 | None, given: argparse.Namespace
) -> None:
    """An estimate from some rows; their free energies carry it over to all: what is left varies little."""
    n, found = CONSERVATIVE if given.conservative is None else given.conservative, None
    if n and rows.kind != "grey":
        show_step("conservative estimate")
        chosen = _some(rows, n, given.seed)
        steps = max(1, (given.temperatures or TEMPERATURES) // 10)
        settings = {
            "n_chains": CONSERVATIVE_CHAINS,
            "n_temperatures": steps,
            "base": base,
            "seed": given.seed,
        }
        found = rf.conservative_log_likelihood(rbm, chosen, **settings)
        found += rbm.free_energy(chosen) - free_energy.mean()
        note = f"nats per row, from {len(found):,} rows; errs low"
        report.add_mean("conservative estimate", found, note)
    report.numbers["conservative_log_likelihood"] = summary(found)


def _add_samples(report: Report, rbm: rf.RBM, rows: Rows, given: argparse.Namespace) -> None:
    """Whether chains mix, and what their last states have in common with the data."""
    seed, steps = given.seed, given.steps or STEPS
    chains = rf.chain_diagnostics(rbm, rows, n_chains=MIXING_CHAINS, steps=steps, seed=seed)
    samples = rbm.sample(given.samples or SAMPLES, steps=steps, seed=seed)
    found = rf.compare_samples(rbm, rows, samples)

    report.add("R-hat of chains", chains.r_hat, "1 if those from data and from random states agree")
    time, n = chains.autocorrelation_time, len(samples)
    too_short = "" if math.isfinite(time) else "; chains are too short to tell"
    report.add("autocorrelation time", time, f"Gibbs steps{too_short}")
    note = f"of {n:,} samples from the data; {found.distance_noise:.2g} by chance"
    report.add("free-energy distance", found.distance, note)
    for name, part in (("means of units", found.means), ("covariances", found.covariances)):
        report.add(name, part.rms, f"root mean square difference; {part.noise:.2g} by chance")

    names = ("r_hat", "autocorrelation_time", "ess", "n_from_data")
    report.numbers["chains"] = {name: getattr(chains, name) for name in names}
    report.numbers["samples"] = {
        "n": n,
        "free_energy": summary(found.sample_free_energy),
        "distance": found.distance,
        "distance_noise": found.distance_noise,
        "means": vars(found.means),
        "covariances": vars(found.covariances),
    }
    report.alarms += [*chains.alarms, *found.alarms]
    energies = found.data_free_energy, found.sample_free_energy
    report.figures |= {
        "free_energies": lambda: rf.plots.free_energies(*energies),
        "chains": lambda: rf.plots.chains(chains),
        "moments": lambda: rf.plots.moments(rows, samples),
    }


def _some(rows: Rows, n: int, seed: int) -> States:
    """At most `n` rows, chosen by the seed."""
    keys = engine.shuffle_keys(rows.n_rows, seed, 0, Purpose.MONITOR)
    return without_levels(rows.block(np.sort(np.argsort(keys, kind="stable")[:n])))
