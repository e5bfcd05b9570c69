"""How ``rbmfast train`` learns deep belief networks."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import rbmfast as rf
from rbmfast.cli import output
from rbmfast.cli.learners.base import Learner, common, each, optimizer_of
from rbmfast.cli.options import RATE, CommandError, Group, integer, refuse
from rbmfast.cli.progress import announce
from rbmfast.training.recipe import rate_of
from rbmfast.training.settings import FineTuneSettings, UpDownSettings

UP_DOWN_RATE, FINE_TUNING_RATE, FINE_TUNING_MOMENTUM = (
    schedule.bounds()[0]
    for schedule in (*UpDownSettings.optimizer.schedules[:1], *FineTuneSettings.optimizer.schedules)
)


class DeepLearner(Learner):
    """Learns a deep belief network: layer by layer, then all together, then, unrolled, by backpropagation."""

    keeps_trajectory = False
    about = "a deep belief network, with labels or without"
    options = (
        *("labels", "validation_labels", "up_down", "up_down_rate"),
        *("fine_tune", "network", "fine_tune_rate", "dropout"),
    )
    network: rf.Network | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """See `Learner.add_arguments`."""
        add = Group(parser, "dbn").add
        add("--up-down", integer(0), "epochs of training its layers together, after they have learned one by "
            f"one: by --method and -k (default: {UpDownSettings.method})")  # fmt: skip
        add("--up-down-rate", RATE, f"its learning rate (default: {UP_DOWN_RATE} of sgd)")
        add("--fine-tune", integer(0), "epochs of training it at last, unrolled to a feed-forward network, "
            "by backpropagation: with labels a classifier, without an autoencoder")  # fmt: skip
        add("--network", "FILE", "where to write this network")
        add("--fine-tune-rate", RATE, f"its learning rate (default: {FINE_TUNING_RATE} of sgd, with momentum "
            f"{FINE_TUNING_MOMENTUM})")  # fmt: skip

    @property
    def _lowest(self) -> rf.RBM:
        rbm: rf.RBM = self.model.generative[0]
        return rbm

    def _settings(self) -> dict[str, Any]:
        given, n = self.given, len(self.given.hidden)
        self._check_stages()
        layers: list[dict[str, Any]] = [
            {"epochs": epochs, "optimizer": optimizer_of(given, rate)}
            for epochs, rate in zip(each(given, "epochs", n), each(given, "rate", n), strict=True)
        ]
        if given.labels is not None:
            layers[-1]["monitors"] = [rf.ReconstructionError(), rf.ClassificationError()]
        return {"layers": layers, "method": self._method()}

    def _choose_rates(self) -> None:
        if self.given.rate == [None]:
            for layer, rbm in zip(self.settings["layers"], self.model.generative, strict=True):
                layer["optimizer"] = optimizer_of(self.given, None, rate_of(rbm))

    def _check_stages(self) -> None:
        given = self.given
        if given.up_down is None:
            refuse(given, ["up_down_rate"], "goes with --up-down")
        elif len(given.hidden) < 2:
            raise CommandError("--up-down needs two hidden layers or more, such as --hidden 500,500")
        if given.fine_tune is None:
            refuse(given, ["network", "fine_tune_rate", "dropout"], "goes with --fine-tune")
        elif given.network is None:
            raise CommandError("--fine-tune needs --network FILE, where to write the network that it makes")
        if given.network is not None:
            output.check(given.network, given.output, given.checkpoint, *self.inputs)
        self.optimizers = {
            "up-down": optimizer_of(given, given.up_down_rate, UP_DOWN_RATE),
            "fine-tuning": optimizer_of(given, given.fine_tune_rate, FINE_TUNING_RATE, FINE_TUNING_MOMENTUM),
        }

    def _new_model(self, n_features: int, n_classes: int) -> rf.DBN:
        sizes = [n_features, *self.given.hidden]
        dbn = rf.DBN(sizes, n_classes=n_classes or None, visible=self.data.unit, seed=self.given.seed)
        if self.given.fine_tune is not None:
            self._unrolled(dbn)  # says now whether that goes
        return dbn

    def _unrolled(self, dbn: rf.DBN) -> rf.Network:
        return dbn.to_network(seed=self.given.seed) if dbn.n_classes else dbn.to_autoencoder()

    def stages(self) -> Iterator[tuple[str, rf.History]]:
        """See `Learner.stages`."""
        given, dbn, n = self.given, self.model, len(self.model)
        self._forget_old_stages()
        rows, labels, part = self.data.rows, self.data.labels, self.validation
        pair = part and (part.rows, part.labels)
        watched: Any = {"validation": part.rows if part and part.labels is None else pair}
        headings = [f"layer {i} of {n}: {rbm!r}" for i, rbm in enumerate(dbn.generative, start=1)]
        histories = rf.pretrain(dbn, rows, labels, **self.settings, **watched, **self._watching(*headings))
        yield from zip((f"layer {i}" for i in range(1, n + 1)), histories, strict=True)
        if given.up_down is not None:
            announce("up-down")
            asked = given.method is not None or given.k is not None
            method = self._method() if asked else UpDownSettings.method
            penalties = self.settings["penalties"] or ()
            own: Any = {"method": method, "penalties": penalties, "epochs": given.up_down}
            yield "up-down", rf.up_down(dbn, rows, labels, **own, **watched, **self._stage("up-down"))
        if given.fine_tune is not None:
            announce("fine-tuning")
            self.network = self._unrolled(dbn)
            self.network.schema, self.network.class_names = dbn.schema, dbn.class_names
            own = {"dropout": given.dropout or 0.0, "epochs": given.fine_tune, "validation": pair}
            yield "fine-tuning", rf.fine_tune(self.network, rows, labels, **own, **self._stage("fine-tuning"))

    def files(self) -> dict[str, Callable[[str], None]]:
        """See `Learner.files`."""
        network = {} if self.network is None else {self.given.network: self.network.save}
        return {**super().files(), **network}

    # --- Checkpoints of the later stages lie beside that of pre-training ------------------------------------

    def _stage(self, stage: str) -> dict[str, Any]:
        """Settings of a later stage: where it is saved, what it goes on from, and what all have in common."""
        given = self.given
        checkpoint, resume = (path and f"{path}.{stage}" for path in (given.checkpoint, given.resume))
        return {
            "optimizer": self.optimizers[stage],
            "checkpoint": checkpoint,
            "resume": resume if resume and os.path.exists(resume) else None,
            **common(given),
            **self._watching(),
        }

    def _forget_old_stages(self) -> None:
        """Remove what an earlier run has left under the names of this one's checkpoints."""
        checkpoint, resume = self.given.checkpoint, self.given.resume
        if checkpoint is None or (resume and os.path.realpath(checkpoint) == os.path.realpath(resume)):
            return
        for stage in self.optimizers:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{checkpoint}.{stage}")
