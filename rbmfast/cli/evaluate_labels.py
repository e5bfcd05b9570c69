"""What ``rbmfast evaluate`` finds out about models that know labels, deep networks and feed-forward ones."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast.cli.datafiles import I64, Examples
from rbmfast.cli.partition import chain_lines, find_log_z, log_z_line, log_z_numbers
from rbmfast.cli.report import Line, Report, data_line, line, mean_line, summary, tell
from rbmfast.data import Rows
from rbmfast.likelihood.comparison import blocks_of
from rbmfast.likelihood.result import Z95
from rbmfast.reference import F32
from rbmfast.units.base import F64

BOUND_SAMPLES = 10  # of the hidden layers, for each row
CONFUSION = 20  # classes whose confusions are printed


def evaluate_class_rbm(
    rbm: rf.ClassRBM, data: Examples, base: Rows | None, given: argparse.Namespace
) -> Report:
    """See `rbmfast.cli.kinds.Kind`."""
    assert data.labels is not None
    n = rbm.n_features
    error = reconstruction_error(rbm.join(data.rows, data.labels), lambda v: rbm.reconstruct(v)[:, :n])
    found = _errors(rbm.class_log_probabilities(data.rows), data.labels)
    return _report(data, _reconstruction(error), found)


def evaluate_dbn(dbn: rf.DBN, data: Examples, base: Rows | None, given: argparse.Namespace) -> Report:
    """See `rbmfast.cli.kinds.Kind`."""
    parts = [_reconstruction(reconstruction_error(data.rows, dbn.reconstruct))]
    if data.labels is not None:
        parts.append(_errors(dbn.predict_log_proba(data.rows), data.labels))
    if data.labels is None or given.method is not None:
        parts.append(_bound(dbn, data.rows, given))
    return _report(data, *parts)


def evaluate_network(net: rf.Network, data: Examples, base: Rows | None, given: argparse.Namespace) -> Report:
    """See `rbmfast.cli.kinds.Kind`."""
    if data.labels is None:
        return _report(data, _reconstruction(reconstruction_error(data.rows, net.forward)))
    p = np.maximum(net.forward(data.rows), np.finfo(np.float32).tiny)
    return _report(data, _errors(np.log(p, dtype=np.float64), data.labels))


def _report(data: Examples, *parts: Report) -> Report:
    """The parts below each other."""
    lines: list[Line] = [data_line(data.rows)]
    numbers: dict[str, Any] = {}
    for part in parts:
        lines += part.lines
        numbers |= part.numbers
    return Report(lines, numbers, text="\n".join(part.text for part in parts if part.text))


# --- Reconstructions ---------------------------------------------------------------------------------------


def reconstruction_error(rows: Rows, reconstruct: Callable[[F32], F32]) -> float:
    """Mean square error of what is reconstructed: of the first columns, if that is not all of them."""
    total, width = 0.0, 1
    for v in blocks_of(rows):
        again = reconstruct(v)
        width = again.shape[1]
        difference = v[:, :width] - again
        total += float(np.vdot(difference, difference))
    return total / (rows.n_rows * width)


def _reconstruction(error: float) -> Report:
    return Report(
        [line("reconstruction error", error, "mean square per unit")], {"reconstruction_error": error}
    )


# --- Classes -----------------------------------------------------------------------------------------------


def _errors(log_p: F64, labels: I64) -> Report:
    """How often the most probable class is not the right one, and what is taken for what."""
    n, n_classes = log_p.shape
    predicted = log_p.argmax(axis=1)
    wrong = int((predicted != labels).sum())
    cross_entropy = -log_p[np.arange(n), labels]
    confusion = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    confusion = confusion.reshape(n_classes, n_classes)
    low, high = proportion_interval(wrong, n)
    lines: list[Line] = [
        line("classification error", wrong / n, f"share of the rows; {wrong:,} are wrong", (low, high)),
        mean_line("cross-entropy", cross_entropy, "-log p(label | row), nats per row"),
    ]
    numbers: dict[str, Any] = {
        "classification_error": {"value": wrong / n, "wrong": wrong, "lower": low, "upper": high},
        "cross_entropy": summary(cross_entropy),
        "confusion": confusion.tolist(),
    }
    return Report(lines, numbers, text=_confusion_table(confusion) if n_classes <= CONFUSION else "")


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
        f"{label:>17}" + "".join(f"{count:>{width}}" if count else f"{'.':>{width}}" for count in counts)
        for label, counts in enumerate(confusion)
    ]
    return "\n".join([head, *rows])


# --- Likelihood --------------------------------------------------------------------------------------------


def _bound(dbn: rf.DBN, rows: Rows, given: argparse.Namespace) -> Report:
    """A lower bound on the log-likelihood."""
    if rows.kind == "grey":
        nothing = "grey levels are no states: say --threshold T"
        return Report([("log-likelihood bound", "none", "", "", nothing)], {"log_likelihood_bound": None})
    tell("log Z")
    z = find_log_z(dbn.top, given)
    tell("bound")
    n_samples = given.samples or BOUND_SAMPLES
    bound = rf.log_likelihood_bound(dbn, rows, z, n_samples=n_samples, seed=given.seed)
    tell("")
    note = f"nats per row; standard error {bound.data_stderr:.2g} from the choice of rows"
    lines = [
        log_z_line(z, given),
        line("log-likelihood bound", bound.value, note, (bound.lower, bound.upper)),
        line("tighter bound", bound.tighter, f"nats per row, from {n_samples} weighted samples of each"),
        *chain_lines(z),
    ]
    names = ("value", "stderr", "lower", "upper", "tighter", "data_stderr", "n_rows", "n_samples")
    numbers = {name: getattr(bound, name) for name in names}
    return Report(lines, {"log_z": log_z_numbers(z), "log_likelihood_bound": numbers})
