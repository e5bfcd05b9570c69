"""How ``rbmfast train`` learns a deep belief network."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import rbmfast as rf
from rbmfast.cli import settings
from rbmfast.cli.common import CommandError, check_output
from rbmfast.cli.learner import PER_LABEL, SHOWN, Learner, shown_labels
from rbmfast.cli.progress import announce, display
from rbmfast.cli.settings import each

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANY = 100  # samples where there are no labels
UP_DOWN_K = 3  # Gibbs steps of an update, unless other ones are asked for


class DeepLearner(Learner):
    """Learns a deep belief network: layer by layer, then all together, then, unrolled, by backpropagation."""

    options = (
        *("labels", "validation_labels", "up_down", "up_down_rate"),
        *("fine_tune", "network", "fine_tune_rate", "dropout"),
    )

    def check(self) -> dict[str, Any]:
        """See `Learner.check`; the settings of `rbmfast.pretrain`."""
        given, n = self.given, len(self.given.hidden)
        self._check_stages()
        self.network: rf.Network | None = None
        rates = [settings.sgd(given, "--rate", rate) for rate in each(given, "rate", n)]
        layers: list[dict[str, Any]] = [
            {"epochs": epochs, "optimizer": rate}
            for epochs, rate in zip(each(given, "epochs", n), rates, strict=True)
        ]
        if given.labels is not None:
            layers[-1]["monitors"] = [rf.ReconstructionError(), rf.ClassificationError()]
        return {
            "layers": layers,
            "method": self.method(),
            "penalties": settings.penalties(given),
            "centered": given.centered,
            "monitors": [rf.ReconstructionError()],
            "checkpoint": given.checkpoint,
            "resume": given.resume,
            **settings.common(given),
        }

    def _check_stages(self) -> None:
        given = self.given
        if given.up_down is not None and len(given.hidden) < 2:
            raise CommandError("--up-down needs two hidden layers or more, such as --hidden 500,500")
        if given.up_down is None and given.up_down_rate is not None:
            raise CommandError("--up-down-rate goes with --up-down")
        if given.fine_tune is not None and given.network is None:
            raise CommandError("--fine-tune needs --network FILE, where to write the network that it makes")
        for name in ("network", "fine_tune_rate", "dropout"):
            if given.fine_tune is None and getattr(given, name) is not None:
                raise CommandError(f"--{name.replace('_', '-')} goes with --fine-tune")
        if given.dropout is not None and not 0 <= given.dropout < 1:
            raise CommandError(f"--dropout: must be at least 0 and below 1, got {given.dropout:g}")
        if given.network is not None:
            check_output(given.network, given.output, given.checkpoint, *self.inputs)
        self.up_down_rate = settings.sgd(given, "--up-down-rate", _or(given.up_down_rate, 0.05))
        self.fine_tune_rate = settings.sgd(given, "--fine-tune-rate", _or(given.fine_tune_rate, 0.1), 0.9)

    def new_model(self, n_features: int, n_classes: int) -> rf.DBN:
        """See `Learner.new_model`."""
        sizes = [n_features, *self.given.hidden]
        return rf.DBN(sizes, n_classes=n_classes or None, visible=self.given.visible, seed=self.given.seed)

    def _checksum(self) -> int:
        return zlib.crc32(self.model.generative[0].W)

    def files(self) -> dict[str, Callable[[str], None]]:
        """See `Learner.files`."""
        network = {} if self.network is None else {self.given.network: self.network.save}
        return {**super().files(), **network}

    def stages(self) -> Iterator[tuple[str, rf.History]]:
        """See `Learner.stages`."""
        given, n = self.given, len(self.model)
        self._forget_old_stages()
        headings = [f"layer {i} of {n}: {rbm!r}" for i, rbm in enumerate(self.model.generative, start=1)]
        rows, labels = self.data.rows, self.data.labels
        watched = self._watched(*headings)
        histories = rf.pretrain(self.model, rows, labels, **self.settings, **watched)
        yield from zip((f"layer {i}" for i in range(1, n + 1)), histories, strict=True)
        if given.up_down is not None:
            announce("up-down")
            yield "up-down", rf.up_down(self.model, rows, labels, **self._up_down(), **self._watched())
        if given.fine_tune is not None:
            announce("fine-tuning")
            self.network = self._network()
            yield "fine-tuning", rf.fine_tune(self.network, rows, labels, **self._fine_tuning())

    def _up_down(self) -> dict[str, Any]:
        """Settings of `rbmfast.up_down`."""
        given = self.given
        asked = given.method is not None or given.k is not None
        return {
            "method": self.method() if asked else rf.CD(k=UP_DOWN_K),
            "optimizer": self.up_down_rate,
            "penalties": settings.penalties(given),
            "epochs": given.up_down,
            **settings.common(given),
            **self._files("up-down"),
        }

    def _network(self) -> rf.Network:
        """The network unrolled: with labels a classifier, else an autoencoder."""
        dbn: rf.DBN = self.model
        return dbn.to_autoencoder() if dbn.n_classes is None else dbn.to_network(seed=self.given.seed)

    def _fine_tuning(self) -> dict[str, Any]:
        """Settings of `rbmfast.fine_tune`."""
        given, part = self.given, self.validation
        return {
            "optimizer": self.fine_tune_rate,
            "dropout": given.dropout or 0.0,
            "epochs": given.fine_tune,
            **settings.common(given),
            **self._files("fine-tuning"),
            **display(),
            "validation": None if part is None else (part.rows, part.labels),
        }

    def figures(self, shape: tuple[int, int]) -> dict[str, Figure]:
        """See `Learner.figures`."""
        dbn, seed = self.model, self.given.seed
        V = self.data.some(SHOWN)
        if dbn.n_classes is None:
            drawn = dbn.sample(MANY, seed=seed, last="mean")
            samples = rf.plots.images(drawn, shape, title="Samples of the model")
        else:
            labels = shown_labels(dbn.n_classes)
            drawn = dbn.sample(len(labels), seed=seed, labels=labels, last="mean")
            samples = rf.plots.samples_by_label(drawn, labels, shape, PER_LABEL)
        return {
            "filters": rf.plots.filters(dbn.generative[0], shape),
            "samples": samples,
            "reconstructions": rf.plots.reconstructions(V, dbn.reconstruct(V), shape),
        }

    def _watched(self, *headings: str) -> dict[str, Any]:
        part = self.validation
        validation = part and (part.rows if part.labels is None else (part.rows, part.labels))
        return {"validation": validation, **display(*headings)}

    # --- Checkpoints of the later stages lie beside that of pre-training ------------------------------------

    def _files(self, stage: str) -> dict[str, str | None]:
        """Where a stage is saved, and what it goes on from."""
        checkpoint, resume = (path and f"{path}.{stage}" for path in self._checkpoints)
        return {"checkpoint": checkpoint, "resume": resume if resume and os.path.exists(resume) else None}

    @property
    def _checkpoints(self) -> tuple[str | None, str | None]:
        return self.given.checkpoint, self.given.resume

    def _forget_old_stages(self) -> None:
        """Remove what an earlier run has left under the names of this one's checkpoints."""
        checkpoint, resume = self._checkpoints
        if checkpoint is None or (resume and os.path.realpath(checkpoint) == os.path.realpath(resume)):
            return
        for stage in ("up-down", "fine-tuning"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{checkpoint}.{stage}")


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
