"""What ``rbmfast evaluate`` finds out about each kind of model: numbers in lines for people, and by name."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

import rbmfast as rf
from rbmfast.cli.datafiles import Examples
from rbmfast.cli.models import class_names, frames_of, n_classes
from rbmfast.cli.options import CommandError
from rbmfast.cli.progress import show_step
from rbmfast.data import Rows
from rbmfast.likelihood import LogLikelihoodBound, LogPartition, MeanLogLikelihood
from rbmfast.likelihood.comparison import means_of
from rbmfast.likelihood.enumeration import has_exact_log_z
from rbmfast.likelihood.result import Z95, stderr_of_mean
from rbmfast.models.conditional import FEW_STATES
from rbmfast.reference import F32, F64, I64, States
from rbmfast.training.monitors import Watched
from rbmfast.units import Unit
from rbmfast.units.common import rows_in_a_scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("exact", "ais", "bracket", "trajectory")
SMALL = 23  # units of a layer that are enumerated unasked
CHAINS, TEMPERATURES = 512, 10_000
PSEUDO_ROWS = 1000  # whose pseudo-likelihood is formed: it takes a pass for every visible unit
CONSERVATIVE = 100  # rows of the conservative estimate
CONSERVATIVE_CHAINS = 10  # from each row
MIXING_CHAINS = 64
SAMPLES = STEPS = 1000
PREDICTING = 400  # Gibbs steps whose mean is what a conditional model expects
BOUND_SAMPLES = 10  # of the hidden layers of a deep network, for each row
CONFUSION = 20  # classes whose confusions are printed


def evaluate(model: Any, data: Examples, base: Rows | None, given: argparse.Namespace) -> Report:
    """All that is found out about this kind of model."""
    report, rows, labels = Report(), data.rows, data.labels
    report.add_rows(rows)
    if type(model) in (rf.RBM, rf.ConvRBM):
        _evaluate_rbm(report, model, rows, base, given)
    elif isinstance(model, rf.BoltzmannMachine):
        _evaluate_boltzmann(report, model, rows, base, given)
    elif isinstance(model, rf.ConditionalRBM):
        _evaluate_conditional(report, model, data, given)
    elif labels is None and n_classes(model) and not isinstance(model, rf.DBN):
        pass  # nothing to compare with
    elif isinstance(model, rf.ClassRBM):
        assert labels is not None
        joined, n = model.join(rows, labels), model.n_features
        report.add_reconstructions(joined, model.visible, lambda v: model.reconstruct(v)[:, :n])
        _add_errors(report, model, model.class_log_probabilities(rows), labels)
    elif isinstance(model, rf.DBN | rf.DBM):
        report.add_reconstructions(rows, model.visible, model.reconstruct)
        if isinstance(model, rf.DBN) and labels is not None:
            _add_errors(report, model, model.predict_log_proba(rows), labels)
        if labels is None or given.method is not None:
            _add_bound(report, model, rows, given)
    elif labels is None:
        report.add_reconstructions(rows, data.unit, model.forward)
    else:
        p = np.maximum(model.forward(rows), np.finfo(np.float32).tiny)
        _add_errors(report, model, np.log(p, dtype=np.float64), labels)
    show_step("")
    return report


# --- What is found -----------------------------------------------------------------------------------------


@dataclass
class Report:
    """All that was found.

    Attributes
    ----------
    lines : list of tuple of str
        For people: name, value, both ends of its interval, what else there is to say.
    numbers : dict
        For a JSON file.
    alarms : list of str
        What speaks against the numbers, in sentences.
    text : str
        What stands below the lines.
    figures : dict
        What draws pictures, by name.
    """

    lines: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    text: str = ""
    figures: dict[str, Callable[[], Figure]] = field(default_factory=dict)

    def add(
        self, name: str, value: float, note: str = "", interval: tuple[float, float] | None = None
    ) -> None:
        """A line, with as many digits behind the point as the value needs."""
        digits = 4 if abs(value) < 1 else 2
        found, *ends = (f"{x:,.{digits}f}" for x in (value, *(interval or ())))
        if math.isnan(value):
            found, ends = "none", []
        self.lines.append((name, found, *(ends or ("", "")), note))

    def add_mean(self, name: str, values: F64, note: str, key: str = "") -> None:
        """A mean over rows, with its 95 % interval."""
        numbers = in_numbers(values)
        mean, error = numbers["mean"], numbers["stderr"]
        self.add(name, mean, note, (mean - Z95 * error, mean + Z95 * error))
        if key:
            self.numbers[key] = numbers

    def add_likelihood(
        self, name: str, key: str, found: MeanLogLikelihood | LogLikelihoodBound | None
    ) -> None:
        """A mean log-likelihood or a bound; None of grey levels."""
        if found is None:
            self.add(name, math.nan, "grey levels are no states: say --threshold X")
            self.numbers[key] = None
            return
        note = f"nats per row; standard error {found.data_stderr:.2g} from the choice of rows"
        interval = found.lower, found.upper
        self.add(name, found.value, note, None if found.lower == found.upper else interval)
        self.numbers[key] = {name: value for name, value in vars(found).items() if name != "each"}

    def add_rows(self, rows: Rows) -> None:
        """What was looked at."""
        self.lines.append(("rows", f"{rows.n_rows:,}", "", "", f"of {rows.n_features} {rows.kind} values"))

    def add_reconstructions(self, rows: Rows, unit: Unit, reconstruct: Callable[[Any], F32]) -> None:
        """Mean square error of what is reconstructed: of the first columns, if that is not all of them."""
        total, width = 0.0, 1
        for _, block in rows.blocks(rows_in_a_scan(rows.n_features)):
            v = unit.shown(block)
            again = reconstruct(v)
            width = again.shape[1]
            difference = v[:, :width] - again
            total += float(np.vdot(difference, difference))
        error = total / (rows.n_rows * width)
        self.add("reconstruction error", error, "mean square per unit")
        self.numbers["reconstruction_error"] = error

    def add_log_z(self, z: LogPartition, steps: int) -> None:
        """The number, and how it was found."""
        if z.method == "exact":
            self.add("log Z", z.value, "nats, exact")
        elif z.method == "trajectory":
            self.add("log Z", z.value, "nats, along its trajectory", (z.lower, z.upper))
        else:
            note = f"nats, {z.method}, {n_chains(z):,} chains of {steps:,} steps"
            self.add("log Z", z.value, note, (z.lower, z.upper))
        names = ("value", "stderr", "lower", "upper", "method", "ess")
        parts = {"forward": z.parts[0].value, "reverse": z.parts[1].value} if z.parts else {}
        self.numbers["log_z"] = {name: getattr(z, name) for name in names} | parts

    def add_annealing(self, z: LogPartition) -> None:
        """Whether the chains of AIS may be believed."""
        if z.method not in ("exact", "trajectory"):
            self.add("effective chains", z.ess, f"of {n_chains(z):,}")
        if z.parts:
            forward, reverse = z.parts
            self.add("reverse - forward", reverse.value - forward.value, "nats; about 0 if chains mix")

    def __str__(self) -> str:
        """The lines below each other, and the text."""
        cells = [("", "value", "95 % from", "to", ""), *self.lines]
        name, value, low, high, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
        table = (
            f"{a:<{name}}  {b:>{value}}  {c:>{low}}  {d:>{high}}  {note}".rstrip()
            for a, b, c, d, note in cells
        )
        return "\n".join([*table, *filter(None, [self.text])])


def in_numbers(values: F64) -> dict[str, float]:
    """A mean and its standard error, for a JSON file."""
    return {"mean": float(values.mean()), "stderr": stderr_of_mean(values), "n_rows": len(values)}


def n_chains(z: LogPartition) -> int:
    """How many chains went from independent units to the model."""
    weights = (z.parts or (z,))[0].log_weights
    assert weights is not None
    return len(weights)


# --- RBMs --------------------------------------------------------------------------------------------------


def _evaluate_rbm(
    report: Report, rbm: rf.RBM, rows: Rows, base: Rows | None, given: argparse.Namespace
) -> None:
    """Everything, the quick parts first."""
    report.numbers |= dict.fromkeys(("pseudo_likelihood", "conservative_log_likelihood"))
    some = Watched(rbm, rows, None, given.seed).train  # rows chosen by the seed
    free_energy = rbm.free_energy(rows)
    report.add_mean("free energy", free_energy, "nats per row", "free_energy")
    if rbm.visible.are_switches:
        _add_pseudo_likelihood(report, rbm, some(PSEUDO_ROWS), rows)
    report.add_reconstructions(rows, rbm.visible, rbm.reconstruct)
    start = _means(rbm, base)
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


def _evaluate_boltzmann(
    report: Report, machine: rf.BoltzmannMachine, rows: Rows, base: Rows | None, given: argparse.Namespace
) -> None:
    """Its likelihoods."""
    machine.visible.refuse_grey(rows, "data")
    report.add_mean("free energy", machine.free_energy(rows), "nats per row", "free_energy")
    some = Watched(machine, rows, None, given.seed).train
    _add_pseudo_likelihood(report, machine, some(PSEUDO_ROWS), rows)
    z = _add_log_z(report, machine, given, _means(machine, base))
    report.add_likelihood("mean log-likelihood", "log_likelihood", rf.mean_log_likelihood(machine, rows, z))
    report.add_annealing(z)
    report.numbers["warnings"] = [*filter(None, [z.warning])]


def _means(model: rf.RBM | rf.BoltzmannMachine, base: Rows | None) -> States | None:
    """Of the data that AIS is to start from."""
    return None if base is None else model.visible.shown(means_of(base)[np.newaxis])[0]


def _add_pseudo_likelihood(
    report: Report, model: rf.RBM | rf.BoltzmannMachine, some: Any, rows: Rows
) -> None:
    """Of some rows, a row and a site."""
    show_step("pseudo-likelihood")
    pseudo = rf.pseudo_likelihood(model, some)
    share = f", of {len(pseudo):,} rows" if len(pseudo) < rows.n_rows else ""
    report.add_mean("log pseudo-likelihood", pseudo, f"nats per row{share}", "pseudo_likelihood")
    sites = len(model.visible.sites(model.n_visible))
    report.add_mean("", pseudo / sites, f"nats per {'unit' if model.visible.are_switches else 'site'}")


def _evaluate_conditional(
    report: Report, crbm: rf.ConditionalRBM, data: Examples, given: argparse.Namespace
) -> None:
    """How far the next row is from what is expected, and from the row before."""
    n, n_states = crbm.n_visible, crbm.hidden.count_states(crbm.n_hidden)
    X, context = frames_of(data, crbm.n_context // n, data.labels)
    show_step("predictions")
    expected = {"prediction error": crbm.predict(context, steps=PREDICTING, seed=given.seed)}
    expected["of the row before"] = context[:, :n]
    for name, rows in expected.items():
        error = ((X - rows.astype(np.float64)) ** 2).mean(axis=1)
        report.add_mean(name, error, f"mean square per unit of {len(X):,} rows", name.replace(" ", "_"))
    if n_states is not None and n_states <= FEW_STATES:
        is_grey = data.rows.kind == "grey"
        mean = None if is_grey else rf.mean_log_likelihood(crbm, X, context=context)
        report.add_likelihood("mean log-likelihood", "log_likelihood", mean)


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


def check_method(rbm: rf.RBM | rf.BoltzmannMachine, given: argparse.Namespace) -> str:
    """How log Z is to be found."""
    usual = "ais" if rbm.trajectory is None else "trajectory"
    method: str = given.method or ("exact" if has_exact_log_z(rbm, SMALL) else usual)
    if method == "exact" and not has_exact_log_z(rbm):
        raise CommandError(f"log Z of {rbm} is too large to enumerate: choose --method ais or bracket")
    if method == "trajectory" and rbm.trajectory is None:
        raise CommandError(
            f"--method trajectory: {rbm} has none; rbmfast train --method ptt --trajectory keeps one"
        )
    if method in ("exact", "trajectory") and given.chains:
        how = f"log Z of {rbm} is exact" if method == "exact" else "a trajectory has its own"
        raise CommandError(f"--chains is an option of --method ais and bracket; {how}")
    return method


def _add_log_z(
    report: Report,
    rbm: rf.RBM | rf.BoltzmannMachine,
    given: argparse.Namespace,
    base: States | None = None,
) -> LogPartition:
    """Find log Z of a model; `base` are the rates that AIS starts from."""
    show_step("log Z")
    method, steps = check_method(rbm, given), given.temperatures or TEMPERATURES
    how: Any = {"n_chains": given.chains or CHAINS, "n_temperatures": steps, "base": base, "seed": given.seed}
    if method in ("exact", "trajectory"):
        how = {"seed": given.seed} if method == "trajectory" else {}
    z = rf.log_partition(rbm, method, **how)
    report.add_log_z(z, steps)
    return z


def _add_bound(report: Report, model: rf.DBN | rf.DBM, rows: Rows, given: argparse.Namespace) -> None:
    """A lower bound on the log-likelihood of states."""
    bound = None
    if rows.kind != "grey":
        top = model.top if isinstance(model, rf.DBN) else model.bipartite
        z = _add_log_z(report, top, given)
        show_step("bound")
        n = given.samples or BOUND_SAMPLES
        bound = rf.log_likelihood_bound(model, rows, z, n_samples=n, seed=given.seed)
    report.add_likelihood("log-likelihood bound", "log_likelihood_bound", bound)
    if bound is not None:
        note = f"nats per row, from {bound.n_samples} weighted samples of each"
        report.add("tighter bound", bound.tighter, note)
        report.add_annealing(z)


# --- Classes -----------------------------------------------------------------------------------------------


def _add_errors(report: Report, model: Any, log_p: F64, labels: I64) -> None:
    """How often the most probable class is not the right one, and what is taken for what."""
    n, n_classes = log_p.shape
    names = class_names(model)
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
        "labels": [*names],
        "confusion": confusion.tolist(),
    }
    if n_classes <= CONFUSION:
        report.text = _confusion_table(confusion, names)


def proportion_interval(count: int, n: int) -> tuple[float, float]:
    """A 95 % interval for a share: Wilson, "Probable inference ...", JASA 22 (1927), 209."""
    share, z2 = count / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def _confusion_table(confusion: I64, names: Sequence[str]) -> str:
    """Rows of a class, by what each was taken for."""
    title, longest = "label \\ taken for", max(map(len, names))
    first, width = max(len(title), longest), max(4, len(str(confusion.max())) + 1, longest + 1)
    rows = [
        f"{name:>{first}}" + "".join(f"{count or '.':>{width}}" for count in counts)
        for name, counts in zip(names, confusion.tolist(), strict=True)
    ]
    return "\n".join([f"{title:<{first}}" + "".join(f"{name:>{width}}" for name in names), *rows])
