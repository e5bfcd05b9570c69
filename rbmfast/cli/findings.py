"""What ``rbmfast evaluate`` finds out about each kind of model."""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast.cli.datafiles import I64, Examples
from rbmfast.cli.options import CommandError
from rbmfast.cli.progress import show_step
from rbmfast.cli.report import Report, in_numbers
from rbmfast.data import Rows
from rbmfast.likelihood import LogPartition
from rbmfast.likelihood.comparison import means_of
from rbmfast.likelihood.enumeration import has_exact_log_z
from rbmfast.likelihood.pseudo import has_pseudo_likelihood
from rbmfast.likelihood.result import Z95
from rbmfast.training.monitors import Watched
from rbmfast.units.base import F64

METHODS = ("exact", "ais", "bracket")
SMALL = 20  # units of a layer that are enumerated unasked
CHAINS, TEMPERATURES = 512, 10_000
PSEUDO_ROWS = 1000  # whose pseudo-likelihood is formed: it takes a pass for every visible unit
CONSERVATIVE = 100  # rows of the conservative estimate
CONSERVATIVE_CHAINS = 10  # from each row
MIXING_CHAINS = 64
SAMPLES = STEPS = 1000
BOUND_SAMPLES = 10  # of the hidden layers of a deep network, for each row
CONFUSION = 20  # classes whose confusions are printed


def evaluate(model: Any, data: Examples, base: Rows | None, given: argparse.Namespace) -> Report:
    """All that is found out about this kind of model."""
    report, rows, labels = Report(), data.rows, data.labels
    report.add_rows(rows)
    if type(model) is rf.RBM:
        _evaluate_rbm(report, model, rows, base, given)
    elif isinstance(model, rf.ClassRBM):
        assert labels is not None
        joined, n = model.join(rows, labels), model.n_features
        report.add_reconstructions(joined, lambda v: model.reconstruct(v)[:, :n])
        _add_errors(report, model.class_log_probabilities(rows), labels)
    elif isinstance(model, rf.DBN):
        report.add_reconstructions(rows, model.reconstruct)
        if labels is not None:
            _add_errors(report, model.predict_log_proba(rows), labels)
        if labels is None or given.method is not None:
            _add_bound(report, model, rows, given)
    elif labels is None:
        report.add_reconstructions(rows, model.forward)
    else:
        p = np.maximum(model.forward(rows), np.finfo(np.float32).tiny)
        _add_errors(report, np.log(p, dtype=np.float64), labels)
    show_step("")
    return report


# --- RBMs --------------------------------------------------------------------------------------------------


def _evaluate_rbm(
    report: Report, rbm: rf.RBM, rows: Rows, base: Rows | None, given: argparse.Namespace
) -> None:
    """Everything, the quick parts first."""
    report.numbers |= dict.fromkeys(("pseudo_likelihood", "conservative_log_likelihood"))
    some = Watched(rbm, rows, None, given.seed).train  # rows chosen by the seed
    free_energy = rbm.free_energy(rows)
    report.add_mean("free energy", free_energy, "nats per row", "free_energy")
    if has_pseudo_likelihood(rbm):
        show_step("pseudo-likelihood")
        pseudo = rf.pseudo_likelihood(rbm, some(PSEUDO_ROWS))
        share = f", of {len(pseudo):,} rows" if len(pseudo) < rows.n_rows else ""
        report.add_mean("log pseudo-likelihood", pseudo, f"nats per row{share}", "pseudo_likelihood")
        report.add_mean("", pseudo / rbm.n_visible, "nats per unit")
    report.add_reconstructions(rows, rbm.reconstruct)
    start = None if base is None else means_of(base)
    z = _add_log_z(report, rbm, given, start)
    mean = None if rows.kind == "grey" else rf.mean_log_likelihood(rbm, rows, z)
    report.add_likelihood("mean log-likelihood", "log_likelihood", mean)
    n = CONSERVATIVE if given.conservative is None else given.conservative
    if n and rows.kind != "grey":
        show_step("conservative estimate")
        steps = max(1, (given.temperatures or TEMPERATURES) // 10)
        how: Any = {"n_chains": CONSERVATIVE_CHAINS, "n_temperatures": steps, "seed": given.seed}
        found = rf.conservative_log_likelihood(rbm, some(n), base=start, **how)
        found += rbm.free_energy(some(n)) - free_energy.mean()  # carries it over to all rows: little varies
        note = f"nats per row, from {len(found):,} rows; errs low"
        report.add_mean("conservative estimate", found, note, "conservative_log_likelihood")
    report.add_annealing(z)
    show_step("chains and samples")
    _add_samples(report, rbm, rows, given)
    if z.method != "exact":
        report.figures["ais_weights"] = lambda: rf.plots.ais_weights(z)
    report.numbers["warnings"] = [*filter(None, [z.warning]), *report.alarms]


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
        "free_energy": in_numbers(found.sample_free_energy),
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


# --- log Z, as the options ask for it, and what follows of it ----------------------------------------------


def check_method(rbm: rf.RBM, given: argparse.Namespace) -> str:
    """How log Z is to be found."""
    method: str = given.method or ("exact" if has_exact_log_z(rbm, SMALL) else "ais")
    if method == "exact" and not has_exact_log_z(rbm):
        raise CommandError(f"log Z of {rbm} is too large to enumerate: choose --method ais or bracket")
    if method == "exact" and given.chains:
        raise CommandError(f"--chains is an option of --method ais and bracket; log Z of {rbm} is exact")
    return method


def _add_log_z(
    report: Report, rbm: rf.RBM, given: argparse.Namespace, base: F64 | None = None
) -> LogPartition:
    """Find log Z of a model; `base` are the rates that AIS starts from."""
    show_step("log Z")
    method, steps = check_method(rbm, given), given.temperatures or TEMPERATURES
    how: Any = {"n_chains": given.chains or CHAINS, "n_temperatures": steps, "base": base, "seed": given.seed}
    z = rf.log_partition(rbm, method, **({} if method == "exact" else how))
    report.add_log_z(z, steps)
    return z


def _add_bound(report: Report, dbn: rf.DBN, rows: Rows, given: argparse.Namespace) -> None:
    """A lower bound on the log-likelihood of states."""
    bound = None
    if rows.kind != "grey":
        z = _add_log_z(report, dbn.top, given)
        show_step("bound")
        n = given.samples or BOUND_SAMPLES
        bound = rf.log_likelihood_bound(dbn, rows, z, n_samples=n, seed=given.seed)
    report.add_likelihood("log-likelihood bound", "log_likelihood_bound", bound)
    if bound is not None:
        note = f"nats per row, from {bound.n_samples} weighted samples of each"
        report.add("tighter bound", bound.tighter, note)
        report.add_annealing(z)


# --- Classes -----------------------------------------------------------------------------------------------


def _add_errors(report: Report, log_p: F64, labels: I64) -> None:
    """How often the most probable class is not the right one, and what is taken for what."""
    n, n_classes = log_p.shape
    predicted = log_p.argmax(axis=1)
    wrong = int((predicted != labels).sum())
    confusion = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    confusion = confusion.reshape(n_classes, n_classes)
    low, high = proportion_interval(wrong, n)
    report.add("classification error", wrong / n, f"share of the rows; {wrong:,} are wrong", (low, high))
    right = log_p[np.arange(n), labels]
    report.add_mean("cross-entropy", -right, "-log p(label | row), nats per row", "cross_entropy")
    report.numbers |= {
        "classification_error": {"value": wrong / n, "wrong": wrong, "lower": low, "upper": high},
        "confusion": confusion.tolist(),
    }
    if n_classes <= CONFUSION:
        report.text = _confusion_table(confusion)


def proportion_interval(count: int, n: int) -> tuple[float, float]:
    """A 95 % interval for a share: Wilson, "Probable inference ...", JASA 22 (1927), 209."""
    share, z2 = count / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def _confusion_table(confusion: I64) -> str:
    """Rows of a class, by what each was taken for."""
    width = max(4, len(str(confusion.max())) + 1)
    head = "label \\ taken for" + "".join(f"{label:>{width}}" for label in range(len(confusion)))
    rows = [
        f"{label:>17}" + "".join(f"{count or '.':>{width}}" for count in counts)
        for label, counts in enumerate(confusion.tolist())
    ]
    return "\n".join([head, *rows])
