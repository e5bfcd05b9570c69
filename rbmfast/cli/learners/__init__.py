"""How ``rbmfast train`` learns each kind of model: a file and a class for each, and a line in `LEARNERS`."""

from __future__ import annotations

import argparse

from rbmfast.cli.learners.base import METHOD_OPTIONS, Learner, listing, methods_with
from rbmfast.cli.learners.boltzmann import BoltzmannLearner
from rbmfast.cli.learners.class_rbm import ClassLearner
from rbmfast.cli.learners.conditional import ConditionalLearner
from rbmfast.cli.learners.convolutional import ConvolutionalLearner
from rbmfast.cli.learners.dbm import DeepMachineLearner
from rbmfast.cli.learners.dbn import DeepLearner
from rbmfast.cli.options import CommandError, refuse

LEARNERS: dict[str, type[Learner]] = {
    "rbm": Learner,
    "class-rbm": ClassLearner,
    "conditional": ConditionalLearner,
    "conv": ConvolutionalLearner,
    "dbn": DeepLearner,
    "dbm": DeepMachineLearner,
    "boltzmann": BoltzmannLearner,
}


def check_options(given: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    for option in dict.fromkeys(option for kind in LEARNERS.values() for option in kind.options):
        able = [word for word, kind in LEARNERS.items() if option in kind.options]
        _check_choice(given, option, "model", able, given.model)
    method = given.method or LEARNERS[given.model].default_method(given)
    for option, name in METHOD_OPTIONS.items():
        _check_choice(given, option, "method", methods_with(name), method)
    _check_choice(given, "momentum", "optimizer", ["sgd"], given.optimizer)
    if given.validation_labels is not None and (given.validation is None or given.labels is None):
        raise CommandError("--validation-labels go with --labels and --validation")


def _check_choice(given: argparse.Namespace, option: str, of: str, able: list[str], chosen: str) -> None:
    """Refuse an option that only some models or methods have, if another is chosen."""
    if chosen not in able:
        refuse(given, [option], f"is an option of --{of} {listing(able)}")
