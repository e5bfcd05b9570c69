"""What the commands do with models from files: an entry for each kind in `KINDS`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import rbmfast as rf
from rbmfast import _engine as engine
from rbmfast.cli.common import CommandError
from rbmfast.cli.datafiles import I64
from rbmfast.cli.evaluate_labels import evaluate_class_rbm, evaluate_dbn, evaluate_network
from rbmfast.cli.evaluate_rbm import evaluate_rbm
from rbmfast.cli.partition import OPTIONS, check_method
from rbmfast.cli.report import Report
from rbmfast.models.parameters import step_in_words
from rbmfast.reference import States

Samples = tuple[States, I64 | None]  # visible states or means; and their labels, if there are any


@dataclass(frozen=True)
class Kind:
    """A kind of model, as the commands see it.

    Attributes
    ----------
    model : type
        Its class.
    inputs : callable
        Width and domain of its data.
    n_classes : callable
        How many labels it knows; 0 if none.
    facts : callable
        What ``rbmfast info`` says, by name.
    evaluate : callable
        ``evaluate(model, data, base rows, options)``, a `Report`.
    all_options : tuple of str
        Options of ``rbmfast evaluate`` that only some kinds have, among them this one.
    options : callable
        Those of them that a given model has.
    check : callable
        Raises an error where ``rbmfast evaluate`` has options that do not fit the model.
    sample : callable or None
        ``sample(model, n, steps, seed, labels, mean)``, `Samples`.
    """

    model: type
    inputs: Callable[[Any], tuple[int, str]]
    n_classes: Callable[[Any], int]
    facts: Callable[[Any], dict[str, Any]]
    evaluate: Callable[..., Report]
    all_options: tuple[str, ...]
    options: Callable[[Any], tuple[str, ...]]
    check: Callable[[Any, argparse.Namespace], None]
    sample: Callable[..., Samples] | None = None


def load(path: str) -> tuple[Any, Kind]:
    """The model in a file, and its kind."""
    model = rf.load(path)
    return model, next(kind for kind in KINDS if type(model) is kind.model)


# --- RBM ---------------------------------------------------------------------------------------------------


def _check_rbm(rbm: rf.RBM, given: argparse.Namespace) -> None:
    check_method(rbm, given)


def _sample_rbm(rbm: rf.RBM, n: int, steps: int, seed: int, labels: I64 | None, mean: bool) -> Samples:
    v, h = rbm.sample(n, steps=steps, seed=seed, return_hidden=True)
    return (rbm.visible_probabilities(h) if mean else v), None


def _rbm_facts(rbm: rf.RBM) -> dict[str, Any]:
    means = rbm.visible_means
    labels = {"labels": f"0 to {rbm.n_classes - 1}, beside {rbm.n_features} units"} if rbm.n_classes else {}
    return {
        "model": rbm,
        "visible units": f"{rbm.n_visible} {rbm.visible}",
        **labels,
        "hidden units": f"{rbm.n_hidden} {rbm.hidden}",
        "state": "new, never trained" if rbm.is_untouched else "trained or assigned",
        "initial seed": "none" if rbm.seed is None else rbm.seed,
        "weights": f"{_range(rbm.W)}, Euclidean norm {np.linalg.norm(rbm.W):.4g}",
        "visible biases": _range(rbm.a),
        "hidden biases": _range(rbm.b),
        "data means": "not known" if means is None else _range(means),
        "sampler sees": f"weights in multiples of {step_in_words(engine.exponent(rbm.W))}",
    }


def _range(values: Any) -> str:
    return f"{values.min():.4g} to {values.max():.4g}"


# --- Class RBM ---------------------------------------------------------------------------------------------


def _check_labels(model: Any, given: argparse.Namespace) -> None:
    if given.labels is None:
        raise CommandError(f"{model} needs --labels to be compared with")


def _sample_class_rbm(
    rbm: rf.ClassRBM, n: int, steps: int, seed: int, labels: I64 | None, mean: bool
) -> Samples:
    v, h = rbm.sample(n, steps=steps, seed=seed, labels=labels, return_hidden=True)
    shown = rbm.visible_probabilities(h) if mean else v
    return shown[:, : rbm.n_features], v[:, rbm.n_features :].argmax(axis=1)


# --- DBN ---------------------------------------------------------------------------------------------------


def _dbn_options(dbn: rf.DBN) -> tuple[str, ...]:
    return (*(("labels",) if dbn.n_classes else ()), *OPTIONS, "samples")


def _check_dbn(dbn: rf.DBN, given: argparse.Namespace) -> None:
    if given.labels is None or given.method is not None:
        check_method(dbn.top, given)
        return
    for option in ("chains", "temperatures", "samples"):
        if getattr(given, option) is not None:
            raise CommandError(f"--{option} is about the likelihood: with --labels, say --method, too")


def _sample_dbn(dbn: rf.DBN, n: int, steps: int, seed: int, labels: I64 | None, mean: bool) -> Samples:
    last = "mean" if mean else "sample"
    if dbn.n_classes is None:
        return dbn.sample(n, steps=steps, seed=seed, last=last), None
    return dbn.sample(n, steps=steps, seed=seed, last=last, labels=labels, return_labels=True)


def _dbn_facts(dbn: rf.DBN) -> dict[str, Any]:
    layers = {
        f"layer {i}": f"{rbm.n_hidden} {rbm.hidden}; {'new' if rbm.is_untouched else 'trained'}; "
        f"weights {_range(rbm.W)}, Euclidean norm {np.linalg.norm(rbm.W):.4g}"
        for i, rbm in enumerate(dbn.generative, start=1)
    }
    return {
        "model": dbn,
        "visible units": f"{dbn.n_visible} {dbn.visible}",
        **layers,
        "labels": "none" if dbn.n_classes is None else f"0 to {dbn.n_classes - 1}, beside the top RBM",
        "recognition": "the generative weights" if dbn.is_tied else "weights of its own, by up-down learning",
        "initial seed": dbn.seed,
    }


# --- Network -----------------------------------------------------------------------------------------------


def _check_network(net: rf.Network, given: argparse.Namespace) -> None:
    if net.head == "softmax":
        _check_labels(net, given)
    elif net.n_outputs != net.n_inputs:
        raise CommandError(f"{net} is neither a classifier nor an autoencoder")


def _network_facts(net: rf.Network) -> dict[str, Any]:
    return {
        "model": net,
        "inputs": f"{net.n_inputs} {net.domain}",
        "outputs": f"{net.n_outputs} {net.head}",
        "parameters": f"{sum(layer.W.size + layer.b.size for layer in net.layers):,}",
    }


# -----------------------------------------------------------------------------------------------------------

RBM_OPTIONS = (*OPTIONS, "base_data", "conservative", "samples", "steps", "plots")

KINDS = (
    Kind(
        model=rf.RBM,
        inputs=lambda rbm: (rbm.n_visible, rbm.visible.domain),
        n_classes=lambda rbm: 0,
        facts=_rbm_facts,
        evaluate=evaluate_rbm,
        all_options=RBM_OPTIONS,
        options=lambda rbm: RBM_OPTIONS,
        check=_check_rbm,
        sample=_sample_rbm,
    ),
    Kind(
        model=rf.ClassRBM,
        inputs=lambda rbm: (rbm.n_features, rbm.features.domain),
        n_classes=lambda rbm: rbm.n_classes,
        facts=_rbm_facts,
        evaluate=evaluate_class_rbm,
        all_options=("labels",),
        options=lambda rbm: ("labels",),
        check=_check_labels,
        sample=_sample_class_rbm,
    ),
    Kind(
        model=rf.DBN,
        inputs=lambda dbn: (dbn.n_visible, dbn.visible.domain),
        n_classes=lambda dbn: dbn.n_classes or 0,
        facts=_dbn_facts,
        evaluate=evaluate_dbn,
        all_options=("labels", *OPTIONS, "samples"),
        options=_dbn_options,
        check=_check_dbn,
        sample=_sample_dbn,
    ),
    Kind(
        model=rf.Network,
        inputs=lambda net: (net.n_inputs, net.domain),
        n_classes=lambda net: net.n_outputs,
        facts=_network_facts,
        evaluate=evaluate_network,
        all_options=("labels",),
        options=lambda net: ("labels",) if net.head == "softmax" else (),
        check=_check_network,
    ),
)
