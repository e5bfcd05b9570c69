"""``rbmfast evaluate``."""

from __future__ import annotations

import argparse
import math
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast import plots
from rbmfast.cli.common import (
    CommandError,
    add_seed,
    add_threads,
    check_output,
    choice,
    engine_words,
    load_rbm,
    make_folder,
    need_matplotlib,
    number,
    threads,
    whole,
    write_json,
    write_picture,
)
from rbmfast.cli.datafiles import read_data
from rbmfast.data import Rows
from rbmfast.likelihood import ChainDiagnostics, LogPartition, MeanLogLikelihood, SampleComparison
from rbmfast.likelihood.comparison import blocks_of, means_of
from rbmfast.likelihood.enumeration import can_enumerate
from rbmfast.random import Purpose
from rbmfast.reference import GREY, States
from rbmfast.units.base import F64

SUMMARY = "how good a model is: likelihood of data, and samples beside data"
DESCRIPTION = """\
Measure a model on the rows of a file, best ones that it has not learned from: free energy,
pseudo-likelihood, reconstruction error, log Z, log-likelihood, and whether chains mix and samples
are like the data. Whatever speaks against the numbers is said in warnings.

log Z is exact where a layer of 0/1 units is small enough to be enumerated; otherwise it is
estimated by annealed importance sampling (AIS), and then the log-likelihood errs on the high side
where the chains do not mix. The conservative estimate errs on the low side; --method bracket
anneals both ways, and is the one to publish."""
EXAMPLES = """\
examples:
  rbmfast evaluate mnist.rbm t10k-images-idx3-ubyte.gz --threshold 127
  rbmfast evaluate model.rbm test.npy --method bracket --chains 512 --temperatures 10000
  rbmfast evaluate model.rbm test.npy --base-data train.npy --plots pictures --json numbers.json
  rbmfast evaluate model.rbm test.npy --chains 100 --temperatures 1000      (quick and rough)
"""

METHODS = ("exact", "ais", "bracket")
SMALL = 20  # units of a layer that are enumerated unasked
CHAINS, TEMPERATURES = 512, 10_000
PSEUDO_ROWS = 1000  # whose pseudo-likelihood is formed: it takes a pass for every visible unit
CONSERVATIVE_CHAINS = 10  # from each row
MIXING_CHAINS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file that `rbmfast train` or RBM.save wrote")
    add("data", metavar="DATA", help="rows to evaluate it on, in any file that `rbmfast train` reads")

    add = parser.add_argument_group("data").add_argument
    add("--key", metavar="NAME", help="which array of an .npz file")
    add("--threshold", type=number, metavar="T", help="values above T are 1, others 0")
    add("--grey", action="store_true", help="values 0-255 are grey levels 0-1: they have no likelihood")

    add = parser.add_argument_group("log Z").add_argument
    add("--method", type=choice(*METHODS), metavar="HOW",
        help=f"exact (default, if a layer has at most {SMALL} 0/1 units), "
        "ais (default otherwise), or bracket: AIS both ways")  # fmt: skip
    add("--chains", type=whole(2), metavar="N", help=f"chains of AIS (default: {CHAINS})")
    add("--temperatures", type=whole(1), metavar="N",
        help=f"Gibbs steps of each, and of the conservative estimate (default: {TEMPERATURES}, and a "
        "tenth of that)")  # fmt: skip
    add("--base-data", metavar="FILE", help="training data, whose means AIS starts from (default: the "
        "means that the model keeps)")  # fmt: skip
    add("--conservative", type=whole(0), default=100, metavar="N",
        help="rows of the conservative estimate, chosen by the seed; 0 for none (default: 100)")  # fmt: skip

    add = parser.add_argument_group("samples").add_argument
    add("--samples", type=whole(2), default=1000, metavar="N", help="samples to compare (default: 1000)")
    add("--steps", type=whole(16), default=1000, metavar="N", help="Gibbs steps of each (default: 1000)")

    add = parser.add_argument_group("run").add_argument
    add("--plots", metavar="DIR", help="draw free energies, chains, moments and AIS weights")
    add("--json", metavar="FILE", help="write all numbers, too")
    add_seed(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, measure, print, write."""
    if arguments.json:
        check_output(arguments.json, arguments.model, arguments.data, arguments.base_data)
    if arguments.plots:
        need_matplotlib("--plots")
    rbm = load_rbm(arguments.model)
    method = _method(arguments, rbm)
    rows = _read(arguments, arguments.data, rbm)
    if rows.n_rows < 2:
        raise CommandError(f"{arguments.data}: must have at least 2 rows, has {rows.n_rows}")
    base = None if arguments.base_data is None else _read(arguments, arguments.base_data, rbm)
    if arguments.plots:
        make_folder(arguments.plots)
    with threads(arguments.threads):
        print(f"model: {arguments.model}: {rbm}; {engine_words()}", flush=True)
        found = evaluate(rbm, rows, method, base, arguments)
    print(table(found))
    for alarm in (*found.chains.alarms, *found.comparison.alarms):
        warnings.warn(alarm, UserWarning, stacklevel=1)
    if arguments.json:
        write_json(arguments.json, numbers(found))
        print(f"wrote {arguments.json}")
    if arguments.plots:
        _draw(arguments.plots, found)


# --- What was asked for ------------------------------------------------------------------------------------


def _method(arguments: argparse.Namespace, rbm: rf.RBM) -> str:
    method: str = arguments.method or ("exact" if can_enumerate(rbm, SMALL) else "ais")
    if method == "exact" and not can_enumerate(rbm):
        raise CommandError(f"log Z of {rbm} is too large to enumerate: choose --method ais or bracket")
    if method == "exact" and arguments.chains:
        raise CommandError(f"--chains is an option of --method ais and bracket; log Z of {rbm} is exact")
    return method


def _read(arguments: argparse.Namespace, path: str, rbm: rf.RBM) -> Rows:
    if arguments.threshold is not None and arguments.grey:
        raise CommandError("--threshold and --grey exclude each other")
    data = read_data(path, arguments.key)
    if data.values.shape[1] != rbm.n_visible:
        raise CommandError(
            f"{path}: has {data.values.shape[1]} columns, {arguments.model} has {rbm.n_visible} visible units"
        )
    return data.rows(rbm.visible.domain, arguments.threshold, arguments.grey)


# --- Measuring ---------------------------------------------------------------------------------------------


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
    n_temperatures: int
    likelihood: MeanLogLikelihood | None
    conservative: F64 | None
    chains: ChainDiagnostics
    samples: States
    comparison: SampleComparison


def evaluate(
    rbm: rf.RBM, rows: Rows, method: str, base: Rows | None, arguments: argparse.Namespace
) -> Evaluation:
    """Everything, the quick parts first."""
    seed = arguments.seed
    free_energy = rbm.free_energy(rows)
    error = _reconstruction_error(rbm, rows)
    _tell("pseudo-likelihood")
    few = _some(rows, PSEUDO_ROWS, seed)
    pseudo = rf.pseudo_likelihood(rbm, few) if rbm.visible.fused else None
    _tell("chains and samples")
    chains = rf.chain_diagnostics(rbm, rows, n_chains=MIXING_CHAINS, steps=arguments.steps, seed=seed)
    samples = rbm.sample(arguments.samples, steps=arguments.steps, seed=seed)
    comparison = rf.compare_samples(rbm, rows, samples)
    _tell("log Z")
    n_temperatures = arguments.temperatures or TEMPERATURES
    settings: dict[str, Any] = {"base": None if base is None else means_of(base), "seed": seed}
    annealing = {"n_chains": arguments.chains or CHAINS, "n_temperatures": n_temperatures, **settings}
    log_z = rf.log_partition(rbm, method, **({} if method == "exact" else annealing))
    conservative = None
    if arguments.conservative and rows.kind != "grey":
        _tell("conservative estimate")
        steps = {"n_chains": CONSERVATIVE_CHAINS, "n_temperatures": max(1, n_temperatures // 10)}
        chosen = _some(rows, arguments.conservative, seed)
        conservative = rf.conservative_log_likelihood(rbm, chosen, **steps, **settings)
        # Free energies carry it over to all rows: what is left varies little from row to row.
        conservative += rbm.free_energy(chosen) - free_energy.mean()
    _tell("")
    return Evaluation(
        rows=rows,
        free_energy=free_energy,
        pseudo=pseudo,
        n_visible=rbm.n_visible,
        error=error,
        log_z=log_z,
        n_temperatures=n_temperatures,
        likelihood=None if rows.kind == "grey" else rf.mean_log_likelihood(rbm, rows, log_z),
        conservative=conservative,
        chains=chains,
        samples=samples,
        comparison=comparison,
    )


def _tell(what: str) -> None:
    """What takes so long, where a terminal can show it and forget it again."""
    if sys.stderr.isatty():
        print(f"\r{what + ' ...' if what else '':30}\r", end="", file=sys.stderr, flush=True)


def _as_states(block: States) -> States:
    return block / np.float32(GREY) if block.dtype == np.uint16 else block


def _some(rows: Rows, n: int, seed: int) -> States:
    """At most `n` rows, chosen by the seed."""
    keys = engine.shuffle_keys(rows.n_rows, seed, 0, Purpose.MONITOR)
    return _as_states(rows.block(np.sort(np.argsort(keys, kind="stable")[:n])))


def _reconstruction_error(rbm: rf.RBM, rows: Rows) -> float:
    total = 0.0
    for v in blocks_of(rows):
        difference = v - rbm.reconstruct(v)
        total += float(np.vdot(difference, difference))
    return total / (rows.n_rows * rows.n_features)


# --- For people --------------------------------------------------------------------------------------------


def table(found: Evaluation) -> str:
    """A line for each number: its name, the number, its interval, what else there is to say."""
    lines = [*_data_lines(found), *_likelihood_lines(found), *_sample_lines(found)]
    cells = [("", "value", "95 % from", "to", ""), *lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {low:>{widths[2]}}  {high:>{widths[3]}}  {note}".rstrip()
        for name, value, low, high, note in cells
    )


Line = tuple[str, str, str, str, str]


def _line(name: str, value: float, note: str = "", interval: tuple[float, float] | None = None) -> Line:
    """Numbers with as many digits behind the point as the value needs."""
    if math.isnan(value):
        return (name, "none", "", "", note)
    digits = 4 if abs(value) < 1 else 2
    low, high = ("", "") if interval is None else (f"{end:,.{digits}f}" for end in interval)
    return (name, f"{value:,.{digits}f}", low, high, note)


def _mean_line(name: str, values: F64, note: str) -> Line:
    """A mean over rows, with its 95 % interval."""
    mean, error = _mean_and_error(values)
    return _line(name, mean, note, (mean - 1.96 * error, mean + 1.96 * error))


def _mean_and_error(values: F64) -> tuple[float, float]:
    n = len(values)
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan


def _data_lines(found: Evaluation) -> Iterator[Line]:
    rows = found.rows
    yield "rows", f"{rows.n_rows:,}", "", "", f"of {rows.n_features} {rows.kind} values"
    yield _mean_line("free energy", found.free_energy, "nats per row")
    if found.pseudo is not None:
        n = len(found.pseudo)
        some = f", of {n:,} rows" if n < rows.n_rows else ""
        yield _mean_line("log pseudo-likelihood", found.pseudo, f"nats per row{some}")
        yield _mean_line("", found.pseudo / found.n_visible, "nats per unit")
    yield _line("reconstruction error", found.error, "mean square per unit")


def _likelihood_lines(found: Evaluation) -> Iterator[Line]:
    z, mean = found.log_z, found.likelihood
    exact = z.method == "exact"
    n_chains = 0 if exact else len(_forward_weights(z))
    how = "exact" if exact else f"{z.method}, {n_chains:,} chains of {found.n_temperatures:,} steps"
    yield _line("log Z", z.value, f"nats, {how}", None if exact else (z.lower, z.upper))
    if mean is None:
        yield "mean log-likelihood", "none", "", "", "grey levels are no states: say --threshold T"
    else:
        note = f"nats per row; standard error {mean.data_stderr:.2g} from the choice of rows"
        yield _line("mean log-likelihood", mean.value, note, None if exact else (mean.lower, mean.upper))
    if found.conservative is not None:
        note = f"nats per row, from {len(found.conservative):,} rows; errs low"
        yield _mean_line("conservative estimate", found.conservative, note)
    if not exact:
        yield _line("effective chains", z.ess, f"of {n_chains:,}")
    if z.parts:
        forward, reverse = z.parts
        yield _line("reverse - forward", reverse.value - forward.value, "nats; about 0 if chains mix")


def _sample_lines(found: Evaluation) -> Iterator[Line]:
    chains, comparison = found.chains, found.comparison
    yield _line("R-hat of chains", chains.r_hat, "1 if those from data and from random states agree")
    time = chains.autocorrelation_time
    too_short = "" if math.isfinite(time) else "; chains are too short to tell"
    yield _line("autocorrelation time", time, f"Gibbs steps{too_short}")
    n = len(found.samples)
    yield _line(
        "free-energy distance",
        comparison.distance,
        f"of {n:,} samples from the data; {comparison.distance_noise:.2g} by chance",
    )
    for name, part in (("means of units", comparison.means), ("covariances", comparison.covariances)):
        yield _line(name, part.rms, f"root mean square difference; {part.noise:.2g} by chance")


# --- For programs ------------------------------------------------------------------------------------------


def numbers(found: Evaluation) -> dict[str, Any]:
    """All numbers, for a JSON file."""
    z, comparison, chains = found.log_z, found.comparison, found.chains
    return {
        "version": rf.__version__,
        "n_rows": found.rows.n_rows,
        "n_visible": found.n_visible,
        "free_energy": _mean(found.free_energy),
        "pseudo_likelihood": None if found.pseudo is None else _mean(found.pseudo),
        "reconstruction_error": found.error,
        "log_z": _log_z(z),
        "log_likelihood": None if found.likelihood is None else vars(found.likelihood),
        "conservative_log_likelihood": None if found.conservative is None else _mean(found.conservative),
        "chains": {
            name: getattr(chains, name) for name in ("r_hat", "autocorrelation_time", "ess", "n_from_data")
        },
        "samples": {
            "n": len(found.samples),
            "free_energy": _mean(comparison.sample_free_energy),
            "distance": comparison.distance,
            "distance_noise": comparison.distance_noise,
            "means": vars(comparison.means),
            "covariances": vars(comparison.covariances),
        },
        "warnings": [text for text in (z.warning, *chains.alarms, *comparison.alarms) if text],
    }


def _mean(values: F64) -> dict[str, float]:
    mean, error = _mean_and_error(values)
    return {"mean": mean, "stderr": error, "n_rows": len(values)}


def _log_z(z: LogPartition) -> dict[str, Any]:
    names = ("value", "stderr", "lower", "upper", "method", "ess")
    parts = {"forward": z.parts[0].value, "reverse": z.parts[1].value} if z.parts else {}
    return {name: getattr(z, name) for name in names} | parts


def _forward_weights(z: LogPartition) -> F64:
    """Log-weights of the chains from independent units to the model."""
    weights = z.parts[0].log_weights if z.parts else z.log_weights
    assert weights is not None
    return weights


# --- Pictures ----------------------------------------------------------------------------------------------


def _draw(folder: str, found: Evaluation) -> None:
    comparison = found.comparison
    figures = {
        "free_energies": plots.free_energies(comparison.data_free_energy, comparison.sample_free_energy),
        "chains": plots.chains(found.chains),
        "moments": plots.moments(found.rows, found.samples),
    }
    if found.log_z.method != "exact":
        figures["ais_weights"] = plots.ais_weights(_forward_weights(found.log_z))
    for name, figure in figures.items():
        write_picture(os.path.join(folder, f"{name}.png"), figure)
    print(f"drew {', '.join(figures)} in {folder}")
