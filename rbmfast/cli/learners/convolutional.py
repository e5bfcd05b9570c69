"""How ``rbmfast train`` learns convolutional RBMs."""

from __future__ import annotations

import argparse
from typing import Any

import rbmfast as rf
from rbmfast.cli.learners.base import Learner
from rbmfast.cli.options import CommandError, Group, integer, listed


class ConvolutionalLearner(Learner):
    """Learns a convolutional RBM."""

    about = "filters, --hidden of them, that all places of an image share"
    options = ("filter_size", "pool", "find_rate")

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """See `Learner.add_arguments`."""
        add = Group(parser, "conv").add
        add("--filter-size", listed(integer(1)), "side of filters, or height and width (default: 9)")
        add("--pool", integer(1), "side of the blocks of a map of which at most one unit is on (default: 2)")

    def _new_model(self, n_features: int, n_classes: int) -> rf.ConvRBM:
        given = self.given
        size = given.filter_size or [9]
        if len(size) > 2:
            raise CommandError(f"--filter-size must be one number or two, got {len(size)}")
        shape = rf.plots.image_shape(n_features, given.shape)
        own: dict[str, Any] = {"filter_shape": (size[0], size[-1]), "pool": given.pool or 2}
        return rf.ConvRBM(shape, given.hidden[0], **own, visible=self.data.unit, seed=given.seed)
