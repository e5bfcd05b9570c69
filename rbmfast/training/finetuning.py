"""`fine_tune`: supervised training of a network, by gradient descent on its loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from numpy.typing import ArrayLike, NDArray

from rbmfast.checks import SeedLike
from rbmfast.files import FilePath
from rbmfast.models import Network
from rbmfast.models.network import one_thread
from rbmfast.models.parameters import can_be_parameters
from rbmfast.reference import F32
from rbmfast.saved import seed_of
from rbmfast.training.backprop import Backprop, Mean, mean_loss
from rbmfast.training.batches import epoch_order, pieces
from rbmfast.training.callbacks import Callback
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.common import Arrays, BasicRun
from rbmfast.training.descent import descent
from rbmfast.training.display import Display
from rbmfast.training.finetuning_plan import FineTuningPlan, make_fine_tuning_plan
from rbmfast.training.history import History
from rbmfast.training.loop import Loop
from rbmfast.training.meant import explain_keywords
from rbmfast.training.optimizers import SGD, Adam


@explain_keywords
def fine_tune(
    net: Network,
    X: Any,
    y: Any = None,
    *,
    sample_weight: ArrayLike | None = None,
    optimizer: SGD | Adam | float = SGD(0.1, momentum=0.9),  # noqa: B008  # settings, immutable
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
        At least 0 each, by default 1: multiplies a row's share of the gradient. Weights of mean 1 leave the
        learning rate its meaning. Recorded numbers count every row alike.
    optimizer : SGD or Adam or float, default SGD(0.1, momentum=0.9)
        How gradients, means over the rows of a batch, become steps. A number is the rate of plain steps,
        without momentum.
    dropout : float or list of float, default 0.0
        Chance of each input of a layer to be dropped, from 0 up to, and without, 1; of all layers, or one for
        each. The first is about the data. Inputs that stay are divided by their chance to.
    l2 : float, default 0.0
        The loss gains ``l2 |W|^2 / 2`` for every layer (not for biases; not in the numbers recorded).
    epochs : int, default 10
        Passes over the data, at least 0.
    batch_size : int, default 100
        Rows per update. The last batch of an epoch may be short, and counts as what it is.
    shuffle : bool or "blocks", default True
        A new order in every epoch, as in `rbmfast.train`.
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
    progress : bool, default False
        Show a progress bar (``pip install rbmfast[progress]``) or else a line per epoch.
    checkpoint : path, optional
        Save the run here before its first epoch, every `checkpoint_every` epochs and at its end.
    checkpoint_every : int, default 1
        Epochs between checkpoints.
    resume : path, optional
        Go on from this checkpoint as if the run had never stopped. Everything that decides the result must be
        the same; `epochs` may be larger unless a schedule depends on it.

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
    TypeError, ValueError
        An argument that is not allowed; the message names it, and nothing has been changed.
    FileFormatError
        `resume` is no checkpoint of fine-tuning, or is damaged.
    FloatingPointError
        Learning diverged; the network keeps the last completed epoch.
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
    saved = Checkpoint.of(resume, FineTuning.kind)
    plan = make_fine_tuning_plan(
        net,
        X,
        y,
        sample_weight=sample_weight,
        optimizer=optimizer,
        dropout=dropout,
        l2=l2,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed_of(saved, seed),
        validation=validation,
        patience=patience,
        callbacks=callbacks,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    return Loop(FineTuning(plan), saved).go()


class FineTuning(BasicRun):
    """A run of `fine_tune`. It changes copies of the parameters: Ctrl-C leaves the network as published last.

    Attributes
    ----------
    backprop : Backprop
        The parameters, and their gradients.
    descent : Descent
        How these become steps.
    rate : float
        At the last update.
    found : dict of str to float
        Mean losses, and errors, of the last epoch's rows as they were met.
    """

    kind: ClassVar[str] = "fine-tuning"
    columns: ClassVar[tuple[str, ...]] = ("epoch", "seconds", "samples_per_second", "rate", "monitor_seconds")
    plan: FineTuningPlan

    def __init__(self, plan: FineTuningPlan) -> None:
        super().__init__(plan)
        self.backprop = Backprop(plan.net, plan.batch_size, plan.dropout, plan.seed)
        self.descent = descent(plan.optimizer, self.backprop.parameters, plan.l2)
        self.rate = float("nan")
        self.found: dict[str, float] = {}

    @property
    def model(self) -> Network:
        """See `BasicRun.model`."""
        return self.plan.net

    def start(self) -> None:
        """See `BasicRun.start`: no row has been met yet."""
        self.found = {name: float("nan") for name in self.plan.monitor_names if name.startswith("train_")}

    def learn_epoch(self, display: Display) -> None:
        """See `BasicRun.learn_epoch`."""
        plan, backprop = self.plan, self.backprop
        first = self.epoch * plan.updates_per_epoch
        scheduled = [values.tolist() for values in self.scheduled()]
        mean = Mean()
        with one_thread():
            order = epoch_order(plan.rows.n_rows, plan.shuffle, plan.seed, self.epoch, plan.batch_size)
            for update, piece in enumerate(pieces(len(order), plan.batch_size)):
                rows, numbers = order[piece], tuple(values[update] for values in scheduled)
                weights = None if plan.sample_weight is None else plan.sample_weight[rows]
                batch = plan.rows.block(rows), plan.targets.block(rows)
                losses = backprop.learn(*batch, rows, first + update, weights)
                self.descent.step(backprop.gradients, 1 / len(rows), numbers)
                mean.add(losses)
                display.advance(len(rows))
        plan.rows.give_back()
        self.rate = scheduled[0][-1]
        self.found = {f"train_{name}": value for name, value in mean.values().items()}
        self.count_epoch()

    def publish(self) -> None:
        """See `BasicRun.publish`."""
        if not can_be_parameters(self.backprop.parameters):
            raise FloatingPointError(
                f"the parameters diverged in epoch {self.epoch}; a lower learning rate may help"
            )
        self.model._set_parameters(**self._parameters())

    def _parameters(self) -> dict[str, F32]:
        return dict(zip(self.model._get_parameters(), self.backprop.parameters, strict=True))

    def monitored(self) -> dict[str, float]:
        """See `BasicRun.monitored`."""
        if self.plan.validation is None:
            return self.found
        values = mean_loss(self.model, *self.plan.validation)
        return self.found | {f"validation_{name}": value for name, value in values.items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `BasicRun.arrays`."""
        moments = {
            f"{name}/{i}": moment
            for name, moments in self.descent.moments.items()
            for i, moment in enumerate(moments)
        }
        return {**self._parameters(), **moments, "powers": self.descent.powers}

    def restore(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """See `BasicRun.restore`."""
        for name, array in self.arrays().items():
            array[:] = arrays[name]
