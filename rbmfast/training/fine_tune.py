"""`fine_tune`: supervised training of a network, by gradient descent on its loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike, check_model, refuse_share
from rbmfast.data import Rows
from rbmfast.files import FilePath
from rbmfast.models import Network
from rbmfast.models.network import one_thread
from rbmfast.reference import F32, I64
from rbmfast.streams import MAX_STEP
from rbmfast.training.backprop import Backprop, Mean, Targets, as_targets, mean_loss
from rbmfast.training.callbacks import Callback, EarlyStopping
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.history import History
from rbmfast.training.optimizers import SGD, Optimizer, Steps
from rbmfast.training.run import Run
from rbmfast.training.settings import FineTuneSettings, explain_keywords


@explain_keywords
def fine_tune(
    net: Network,
    X: Any,
    y: Any = None,
    *,
    sample_weight: ArrayLike | None = None,
    optimizer: Optimizer | float = SGD(0.1, momentum=0.9),  # noqa: B008  # settings, immutable
    dropout: float | Sequence[float] = 0.0,
    l2: float = 0.0,
    epochs: int = 10,
    batch_size: int = 100,
    shuffle: bool | str = True,
    seed: SeedLike = None,
    validation: tuple[Any, Any] | None = None,
    patience: int | None = None,
    callbacks: Callback | Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: FilePath | None = None,
    checkpoint_every: int = 1,
    resume: FilePath | None = None,
) -> History:
    """Learn to give wanted outputs: descend the loss by backpropagation.

    The head decides what the loss of a row is, in nats:

    - softmax: the cross-entropy ``-log p[y]`` of its class;
    - sigmoid: the cross-entropy ``sum(-y log p - (1 - y) log(1 - p))`` of its units;
    - linear: half the squared error, ``|y - p|^2 / 2``.

    Parameters
    ----------
    net : Network
        The network to train, in place.
    X : array_like, sparse matrix, memory map, Grey8 or Packed, (n_rows, n_inputs)
        Data; held, not copied, so do not change it during training.
    y : int array_like (n_rows,), or like X (n_rows, n_outputs), optional
        Classes from 0 for a softmax head; numbers in [0, 1] for a sigmoid head, any for a linear one. None
        means the inputs themselves, for an autoencoder.
    sample_weight : array_like (n_rows,), optional
        As for `rbmfast.train`. Recorded numbers count every row alike.
    optimizer : SGD, Adam, Cosine or float, default SGD(0.1, momentum=0.9)
        How gradients, means over the rows of a batch, become steps. A number is the rate of plain steps,
        without momentum.
    dropout : float or list of float, default 0.0
        Chance of each input of a layer to be dropped, from 0 up to, and without, 1; of all layers, or one for
        each. The first is about the data. Inputs that stay are divided by their chance to.
    l2 : float, default 0.0
        The loss gains ``l2 |W|^2 / 2`` for every layer (not for biases; not in the numbers recorded).
    epochs, batch_size, shuffle, progress, checkpoint, checkpoint_every, resume
        As for `rbmfast.train`; a batch may have any number of rows.
    seed : int, numpy Generator or None
        Fixes the orders and what dropout drops. None draws a new one.
    validation : tuple (X, y), optional
        Data like X and y; never learned from.
    patience : int, optional
        Stop after this many epochs in a row without a better validation loss, and give the network the
        parameters of its best epoch, stopped or not: the same as the callback
        ``EarlyStopping("validation_loss", patience)``.
    callbacks : list of Callback
        What to do after each epoch. They find the network as ``progress.rbm``.

    Returns
    -------
    History
        ``epoch``, ``seconds``, ``samples_per_second``, ``rate`` and ``monitor_seconds`` (of validation);
        ``train_loss``, the mean over the rows of the epoch as each was met, dropout included, NaN for epoch
        0;
        with `validation` ``validation_loss``; for a softmax head the shares of wrong classes ``train_error``
        and ``validation_error``.

    Raises
    ------
    TypeError, ValueError, FileFormatError, FloatingPointError
        As from `rbmfast.train`.
    KeyboardInterrupt
        Ctrl-C; the network keeps the last completed epoch.

    Notes
    -----
    Seed, data and settings fix every bit for a given CPU, BLAS and number of its threads, from any container;
    not across machines, as exactly counted models do: matrix products of means round differently.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 2, (400, 6))
    >>> y = X[:, 0] ^ X[:, 1]                                           # what no single layer can learn
    >>> net = rf.Network([rf.Dense.new(6, 20, seed=0), rf.Dense.new(20, 2, "softmax", seed=0, layer=1)])
    >>> history = rf.fine_tune(net, X, y, optimizer=rf.Adam(0.02), epochs=60, batch_size=20, seed=1)
    >>> float(history["train_error"][-1])
    0.0
    """
    asked, saved = locals(), Checkpoint.of(resume, FineTuning.kind)
    return FineTuning(net, X, y, validation, FineTuneSettings.of(asked, saved)).go(saved)


class FineTuning(Run):
    """A run of `fine_tune`. It changes copies of the parameters: Ctrl-C leaves the network as published last.

    Attributes
    ----------
    targets : Targets
        What the outputs should be for the rows.
    validation : tuple of Rows and Targets, or None
        The same of data that is not learned from.
    dropout : tuple of float
        Of each layer.
    backprop : Backprop
        The parameters, and their gradients.
    steps : Steps
        How these become steps.
    found : dict of str to float
        Mean losses, and errors, of the last epoch's rows as they were met.
    """

    kind: ClassVar[str] = "fine-tuning"
    columns: ClassVar[tuple[str, ...]] = ("epoch", "seconds", "samples_per_second", "rate", "monitor_seconds")
    model: Network
    settings: FineTuneSettings

    def __init__(self, net: Network, X: Any, y: Any, validation: Any, settings: FineTuneSettings) -> None:
        check_model(net, Network, "net")
        rows = net._rows(X)
        self.targets = as_targets(net, X, y, rows.n_rows, "y")
        self.validation = _check_validation(net, validation)
        self.dropout = _each(settings.dropout, len(net.layers))
        if settings.patience is not None:
            if validation is None:
                raise ValueError("validation must be given: patience waits for its loss")
            stopping = EarlyStopping("validation_loss", patience=settings.patience)
            settings = replace(settings, callbacks=(*settings.callbacks, stopping))
        names = _names(net, self.validation is not None)
        super().__init__(net, rows, settings, dict.fromkeys(names, "min"))  # is better: losses and errors
        if self.epochs * self.updates_per_epoch > MAX_STEP:
            raise ValueError(f"epochs={self.epochs} takes more than {MAX_STEP} updates")
        self.backprop = Backprop(net, self.batch_size, self.dropout, settings.seed)
        self.steps = Steps(settings.optimizer, self.parameters(), settings.l2)
        self.updates = 0
        self._mean = Mean()
        self.found = {name: float("nan") for name in names if name.startswith("train_")}

    def describe(self) -> dict[str, Any]:
        validation = self.validation
        return {
            "net": repr(self.model),
            "X": self.rows.fingerprint(),
            "y": self.targets.fingerprint(),
            "validation": None if validation is None else [part.fingerprint() for part in validation],
            "dropout": list(self.dropout),
            "l2": self.settings.l2,
            **super().describe(),
        }

    def learn_epoch(self) -> None:
        self.updates, self._mean = self.epoch * self.updates_per_epoch, Mean()
        with one_thread():
            super().learn_epoch()
        self.found = {f"train_{name}": value for name, value in self._mean.values().items()}

    def update(self, rows: I64, now: tuple[float, ...]) -> None:
        backprop = self.backprop
        batch = self.rows.block(rows), self.targets.block(rows)
        self._mean.add(backprop.learn(*batch, rows, self.updates, self.weights_of(rows)))
        self.steps.take(backprop.parameters, backprop.gradients, 1 / len(rows), now)
        self.updates += 1

    def publish(self) -> None:
        self.model._set_parameters(**self.parameters())

    def parameters(self) -> dict[str, F32]:
        return dict(zip(self.model.parameters(), self.backprop.parameters, strict=True))

    def monitored(self) -> dict[str, float]:
        if self.validation is None:
            return self.found
        values = mean_loss(self.model, *self.validation)
        return self.found | {f"validation_{name}": value for name, value in values.items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        parameters = self.parameters()
        moments = {
            f"{moment}/{i}": self.steps.moments[f"{name}_{moment}"]
            for moment in self.settings.optimizer.moments
            for i, name in enumerate(parameters)
        }
        return {**parameters, **moments, **self.steps.numbers}


def _names(net: Network, validation: bool) -> tuple[str, ...]:
    numbers = ("loss", "error") if net.head == "softmax" else ("loss",)
    sets = ("train", "validation") if validation else ("train",)
    return tuple(f"{data}_{number}" for data in sets for number in numbers)


def _check_validation(net: Network, validation: object) -> tuple[Rows, Targets] | None:
    if validation is None:
        return None
    refuse_share(validation, labels=True)
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(f"validation must be a tuple (X, y), got {type(validation).__name__}")
    X, y = validation
    rows = net._rows(X, "validation[0]")
    return rows, as_targets(net, X, y, rows.n_rows, "validation[1]")


def _each(dropout: float | tuple[float, ...], n_layers: int) -> tuple[float, ...]:
    """For each layer."""
    if not isinstance(dropout, tuple):
        return (dropout,) * n_layers
    if len(dropout) != n_layers:
        raise ValueError(f"dropout must be a number or a list of {n_layers}, one a layer, got {[*dropout]!r}")
    return dropout
