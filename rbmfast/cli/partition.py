"""log Z, as the options of ``rbmfast evaluate`` ask for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import rbmfast as rf
from rbmfast.cli.common import CommandError
from rbmfast.cli.report import Line, line
from rbmfast.likelihood import LogPartition
from rbmfast.likelihood.enumeration import has_exact_log_z
from rbmfast.units.base import F64

METHODS = ("exact", "ais", "bracket")
SMALL = 20  # units of a layer that are enumerated unasked
CHAINS, TEMPERATURES = 512, 10_000
OPTIONS = ("method", "chains", "temperatures")


def check_method(rbm: rf.RBM, given: argparse.Namespace) -> str:
    """How log Z is to be found."""
    method: str = given.method or ("exact" if has_exact_log_z(rbm, SMALL) else "ais")
    if method == "exact" and not has_exact_log_z(rbm):
        raise CommandError(f"log Z of {rbm} is too large to enumerate: choose --method ais or bracket")
    if method == "exact" and given.chains:
        raise CommandError(f"--chains is an option of --method ais and bracket; log Z of {rbm} is exact")
    return method


def find_log_z(rbm: rf.RBM, given: argparse.Namespace, base: F64 | None = None) -> LogPartition:
    """Find log Z of a model; `base` are the rates that AIS starts from."""
    method = check_method(rbm, given)
    if method == "exact":
        return rf.log_partition(rbm, method)
    return rf.log_partition(
        rbm,
        method,
        n_chains=given.chains or CHAINS,
        n_temperatures=given.temperatures or TEMPERATURES,
        base=base,
        seed=given.seed,
    )


def log_z_line(z: LogPartition, given: argparse.Namespace) -> Line:
    """The number, and how it was found."""
    if z.method == "exact":
        return line("log Z", z.value, "nats, exact")
    steps = given.temperatures or TEMPERATURES
    how = f"{z.method}, {len(forward_weights(z)):,} chains of {steps:,} steps"
    return line("log Z", z.value, f"nats, {how}", (z.lower, z.upper))


def chain_lines(z: LogPartition) -> Iterator[Line]:
    """Whether annealing may be believed."""
    if z.method != "exact":
        yield line("effective chains", z.ess, f"of {len(forward_weights(z)):,}")
    if z.parts:
        forward, reverse = z.parts
        yield line("reverse - forward", reverse.value - forward.value, "nats; about 0 if chains mix")


def log_z_numbers(z: LogPartition) -> dict[str, Any]:
    """The same for a JSON file."""
    names = ("value", "stderr", "lower", "upper", "method", "ess")
    parts = {"forward": z.parts[0].value, "reverse": z.parts[1].value} if z.parts else {}
    return {name: getattr(z, name) for name in names} | parts


def forward_weights(z: LogPartition) -> F64:
    """Log-weights of the chains from independent units to the model."""
    weights = z.parts[0].log_weights if z.parts else z.log_weights
    assert weights is not None
    return weights
