"""What ``rbmfast evaluate`` finds out about models that know labels, deep networks and feed-forward ones."""

from __future__ import annotations

import argparse
import math

import numpy as np

import rbmfast as rf
from rbmfast.cli.datafiles import I64, Examples
from rbmfast.cli.progress import show_step
from rbmfast.cli.report import NO_STATES, Report, find_log_z, summary
from rbmfast.data import Rows
from rbmfast.likelihood.result import Z95
from rbmfast.units.base import F64

BOUND_SAMPLES = 10  # of the hidden layers, for each row
CONFUSION = 20  # classes whose confusions are printed


def evaluate_labels(model: object, data: Examples, base: None, given: argparse.Namespace) -> Report:
    """How well rows are reconstructed, how often the label is wrong, and a bound on the likelihood."""
    rows, labels, report = data.rows, data.labels, Report()
    report.add_rows(rows)
    if isinstance(model, rf.ClassRBM):
        assert labels is not None
        n = model.n_features
        report.add_reconstructions(model.join(rows, labels), lambda v: model.reconstruct(v)[:, :n])
        _add_errors(report, model.class_log_probabilities(rows), labels)
    elif isinstance(model, rf.DBN):
        report.add_reconstructions(rows, model.reconstruct)
        if labels is not None:
            _add_errors(report, model.predict_log_proba(rows), labels)
        if labels is None or given.method is not None:
            _add_bound(report, model, rows, given)
    else:
        assert isinstance(model, rf.Network)
        if labels is None:
            report.add_reconstructions(rows, model.forward)
        else:
            p = np.maximum(model.forward(rows), np.finfo(np.float32).tiny)
            _add_errors(report, np.log(p, dtype=np.float64), labels)
    return report


# --- Classes -----------------------------------------------------------------------------------------------


def _add_errors(report: Report, log_p: F64, labels: I64) -> None:
    """How often the most probable class is not the right one, and what is taken for what."""
    n, n_classes = log_p.shape
    predicted = log_p.argmax(axis=1)
    wrong = int((predicted != labels).sum())
    cross_entropy = -log_p[np.arange(n), labels]
    confusion = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    confusion = confusion.reshape(n_classes, n_classes)
    low, high = proportion_interval(wrong, n)
    note = f"share of the rows; {wrong:,} are wrong"
    report.add("classification error", wrong / n, note, (low, high))
    report.add_mean("cross-entropy", cross_entropy, "-log p(label | row), nats per row")
    report.numbers |= {
        "classification_error": {"value": wrong / n, "wrong": wrong, "lower": low, "upper": high},
        "cross_entropy": summary(cross_entropy),
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


# --- Likelihood --------------------------------------------------------------------------------------------


def _add_bound(report: Report, dbn: rf.DBN, rows: Rows, given: argparse.Namespace) -> None:
    """A lower bound on the log-likelihood."""
    if rows.kind == "grey":
        report.add("log-likelihood bound", math.nan, NO_STATES)
        report.numbers["log_likelihood_bound"] = None
        return
    show_step("log Z")
    z = find_log_z(dbn.top, given)
    report.add_log_z(z, given)
    show_step("bound")
    n_samples = given.samples or BOUND_SAMPLES
    bound = rf.log_likelihood_bound(dbn, rows, z, n_samples=n_samples, seed=given.seed)
    show_step("")
    note = f"nats per row; standard error {bound.data_stderr:.2g} from the choice of rows"
    report.add("log-likelihood bound", bound.value, note, (bound.lower, bound.upper))
    note = f"nats per row, from {n_samples} weighted samples of each"
    report.add("tighter bound", bound.tighter, note)
    report.add_annealing(z)
    names = ("value", "stderr", "lower", "upper", "tighter", "data_stderr", "n_rows", "n_samples")
    report.numbers["log_likelihood_bound"] = {name: getattr(bound, name) for name in names}
