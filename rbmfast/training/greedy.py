"""`pretrain`: a deep belief network learned layer by layer."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.archive import write_file
from rbmfast.checks import SeedLike, as_list, check_flag, check_integer
from rbmfast.data import Packed, Rows, as_rows, computed_rows
from rbmfast.files import JSON, FilePath, check_destination, entry
from rbmfast.models import DBN
from rbmfast.models.stack import MEAN, SAMPLE, Stack, layer_seed
from rbmfast.reference import STREAM_VERSION, States
from rbmfast.runtime import check_fits_memory
from rbmfast.saved import SavedRun, seed_of
from rbmfast.streams import Purpose
from rbmfast.training.base import Method
from rbmfast.training.batches import I64
from rbmfast.training.callbacks import Callback
from rbmfast.training.cd import CD
from rbmfast.training.common import describe
from rbmfast.training.history import History
from rbmfast.training.labelled import check_data, check_validation, repeated
from rbmfast.training.loop import train
from rbmfast.training.meant import as_method, as_optimizer, explain_keywords
from rbmfast.training.monitors import Monitor
from rbmfast.training.optimizers import SGD
from rbmfast.training.penalties import Penalties, as_penalties
from rbmfast.training.plan import digest, make_plan
from rbmfast.training.versions import at_once

KIND = "pretraining"

TRAINING, VALIDATION, SEEDS = 0, 1, 2  # steps of the random numbers
CACHES = ("auto", "memory", "stream")
MEMORY_SHARE = 4  # a cache of "auto" may take one part in so many of the memory
PACKED_BYTES = 1 << 30  # a cache of 0/1 states above this is kept in bits
BLOCK_VALUES = 1 << 22  # states computed at a time


@explain_keywords
def pretrain(
    dbn: DBN,
    X: Any,
    y: ArrayLike | None = None,
    *,
    layers: Sequence[Mapping[str, Any]] | None = None,
    activations: str = SAMPLE,
    cache: str = "auto",
    first_layer: int = 0,
    sample_weight: ArrayLike | None = None,
    method: Method | str = CD(k=1),  # noqa: B008  # settings, immutable
    optimizer: SGD | float = SGD(0.1),  # noqa: B008
    penalties: Penalties = (),
    centered: bool = False,
    epochs: int = 10,
    batch_size: int = 100,
    shuffle: bool | str = True,
    seed: SeedLike = None,
    validation: Any = None,
    monitors: Monitor | Iterable[Monitor] = (),
    callbacks: Callback | Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: FilePath | None = None,
    checkpoint_every: int = 1,
    resume: FilePath | None = None,
) -> list[History]:
    """Train the RBMs of a deep belief network one after the other, from the lowest up.

    Each learns, by `rbmfast.train`, from what the trained ones below it make of the data. Every RBM that is
    added improves a lower bound on the likelihood of the data, if it learns well (Hinton, Osindero & Teh
    2006, section 3).

    Parameters
    ----------
    dbn : DBN
        The network to train, in place. RBMs that nobody has touched are initialised from their data first.
    X : array_like, sparse matrix, memory map, Grey8 or Packed, (n_rows, n_visible)
        Data; not copied, so do not change it during training.
    y : int array_like (n_rows,), optional
        Classes, from 0, for a network with labels: they stand beside the data of the top RBM. Every row
        needs one.
    layers : list of dict, optional
        One for each RBM, from the lowest up: settings of `rbmfast.train` that take the place of the common
        ones below, such as ``[{"epochs": 50}, {}, {"method": rf.PCD(k=1)}]``.
    activations : {"samples", "probabilities"}
        What the RBM above learns from: hidden states, drawn once for each row; or the probabilities of the
        hidden units, as grey levels.
    cache : {"auto", "memory", "stream"}
        Whether to keep that in memory, or to compute it whenever it is needed, which is slower. "auto" keeps
        what takes up to a quarter of the memory. The results are the same.
    first_layer : int, default 0
        Number of the first RBM to train, 0 being the lowest: those below stay as they are.
    sample_weight, method, optimizer, penalties, centered, epochs, batch_size, shuffle, monitors
        As for `rbmfast.train`, for every RBM.
    seed : int, numpy Generator or None
        Fixes every random number. The lowest RBM takes it for itself, so that it learns what
        ``rbmfast.train(dbn.generative[0], X, seed=seed)`` would teach it; those above have seeds that follow
        from it. None draws a new one.
    validation : like X, optional
        Data for monitors, sent up as the data are; for a network with labels a pair (X, y).
    callbacks : list of Callback
        What to do after each epoch of every RBM.
    progress : bool, default False
        Announce every RBM, and show how far it is.
    checkpoint : path, optional
        Save the run here: what it starts from in this file, and the run of RBM i in a file of its own beside
        it, named ``<checkpoint>.<i>``.
    checkpoint_every : int, default 1
        Epochs between checkpoints.
    resume : path, optional
        Go on from this checkpoint, whichever RBM it was at: the result equals, bit for bit, that of a run
        that never stopped. Everything that decides it must be the same.

    Returns
    -------
    list of History
        One for each RBM trained.

    Raises
    ------
    TypeError, ValueError
        An argument that is not allowed; the message names it, and nothing has been changed.
    MemoryError
        ``cache="memory"``, and it cannot fit.
    FileFormatError
        `resume` is no checkpoint of a pre-training, or is damaged.
    FloatingPointError
        Learning diverged; that RBM keeps its last completed epoch, those below it all that they learned.
    KeyboardInterrupt
        Ctrl-C; the RBMs below are trained, the current one has the parameters after its last complete update.

    Notes
    -----
    For units with 0/1 states, seed, data and settings fix every bit of the network, on every CPU, with any
    number of threads, from any container, cached or not. The states of row i are drawn with random numbers of
    its own.

    References
    ----------
    Hinton, Osindero & Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import rbmfast as rf
    >>> X = np.repeat(np.eye(4), 25, axis=0)
    >>> dbn = rf.DBN([4, 6, 3], seed=0)
    >>> histories = rf.pretrain(dbn, X, seed=1, layers=[{"epochs": 20}, {"epochs": 5}], batch_size=10)
    >>> [len(history) for history in histories]
    [21, 6]
    """
    if not isinstance(dbn, DBN):
        raise TypeError(f"dbn must be an rf.DBN, got {dbn!r}")
    common = {
        "sample_weight": sample_weight,
        "method": method,
        "optimizer": optimizer,
        "penalties": penalties,
        "centered": centered,
        "epochs": epochs,
        "batch_size": batch_size,
        "shuffle": shuffle,
        "monitors": monitors,
        "callbacks": callbacks,
    }
    first = check_integer(first_layer, "first_layer", low=0, high=len(dbn) - 1)
    if any(r is not g for r, g in zip(dbn.recognition[first:], dbn.generative[first:], strict=True)):
        raise ValueError(
            "dbn has recognition weights of its own: layers learn greedily before they are untied"
        )
    saved = Saved.of(resume, KIND)
    greedy = Greedy(
        dbn=dbn,
        data=Data(*check_data(dbn, X, y, "X", "y"), TRAINING),
        validation=None if validation is None else Data(*check_validation(dbn, validation), VALIDATION),
        settings=_check_layers(layers, common, len(dbn)),
        activations=_check_choice(activations, "activations", (SAMPLE, MEAN)),
        cache=_check_choice(cache, "cache", CACHES),
        first=first,
        seed=seed_of(saved, seed),
        progress=check_flag(progress, "progress"),
        checkpoint=check_destination(checkpoint, "checkpoint"),
        checkpoint_every=check_integer(checkpoint_every, "checkpoint_every", low=1),
    )
    return greedy.run(saved)


@dataclass(frozen=True)
class Data:
    """Rows of visible states, their classes if there are any, and which random numbers are theirs."""

    rows: Rows
    classes: I64 | None
    step: int

    def describe(self) -> list[JSON]:
        """What fixes them."""
        return [self.rows.fingerprint(), None if self.classes is None else digest(self.classes)]


@dataclass(frozen=True)
class Greedy:
    """A pre-training as it was asked for."""

    dbn: DBN
    data: Data
    validation: Data | None
    settings: list[dict[str, Any]]
    activations: str
    cache: str
    first: int
    seed: int
    progress: bool
    checkpoint: str | None
    checkpoint_every: int

    def run(self, saved: Saved | None) -> list[History]:
        """Train one RBM after the other."""
        self._check_settings()
        if saved is not None:
            saved.check_settings(self.describe())
            saved.restore(self.dbn)
        if self.checkpoint is not None:
            self._begin_checkpoint(saved)
        below = self.data, self.validation
        histories = []
        for i in range(self.first, len(self.dbn)):
            below = self._up_to(i, below)
            histories.append(self._train(i, below, saved))
        return histories

    def _train(self, i: int, data: tuple[Data, Data | None], saved: Saved | None) -> History:
        """Train RBM i on data that have come up to it."""
        rbm = self.dbn.generative[i]
        if self.progress:
            print(f"layer {i + 1} of {len(self.dbn)}: {rbm!r}", file=sys.stderr)
        rows, validation = (None if part is None else self._beside_labels(i, part) for part in data)
        return train(
            rbm,
            rows,
            **self.settings[i],
            seed=self._seed(i),
            validation=validation,
            progress=self.progress,
            checkpoint=None if self.checkpoint is None else layer_file(self.checkpoint, i),
            checkpoint_every=self.checkpoint_every,
            resume=None if saved is None else saved.layer_file(i),
        )

    def _seed(self, i: int) -> int:
        return layer_seed(self.seed, i, Purpose.GREEDY, SEEDS)

    # --- Data of a layer -----------------------------------------------------------------------------------

    def _up_to(self, i: int, below: tuple[Data, Data | None]) -> tuple[Data, Data | None]:
        """The data of layer i, from those of the layer below; the first one's from the visible layer."""
        start = 0 if i == self.first else i - 1
        stack = self.dbn._stack
        training, validation = below
        sent = self._sent_up(stack, start, i, training)
        return sent, None if validation is None else self._sent_up(stack, start, i, validation)

    def _sent_up(self, stack: Stack, start: int, stop: int, data: Data) -> Data:
        if start == stop:
            return data
        rows = stack.rows_at(stop, data.rows, self.activations, self.seed, data.step, start)
        return replace(data, rows=cached(rows) if self._keeps(rows) else rows)

    def _keeps(self, rows: Rows) -> bool:
        """Whether to keep computed rows in memory."""
        size = bytes_of_cache(rows)
        what = f"a cache of {rows.n_rows} rows of {rows.n_features} hidden units"
        if self.cache == "memory":
            check_fits_memory(size, what)
        if self.cache == "auto":
            try:
                check_fits_memory(MEMORY_SHARE * size, what)
            except MemoryError:
                return False
        return self.cache != "stream"

    def _beside_labels(self, i: int, data: Data) -> Rows:
        """What RBM i learns from: with labels, the top one sees them beside the layer below it."""
        if data.classes is None or i < len(self.dbn) - 1:
            return data.rows
        return data.rows.with_one_hot(data.classes, self.dbn.top.n_classes)

    # --- Before anything changes ---------------------------------------------------------------------------

    def _check_settings(self) -> None:
        """Have every RBM's settings checked now: what is found out at the last one has cost all the work."""
        for i in range(self.first, len(self.dbn)):
            rbm = self.dbn.generative[i]
            rows = self._beside_labels(i, self._example(i, self.data))
            validation = self.validation and self._beside_labels(i, self._example(i, self.validation))
            try:
                make_plan(
                    rbm,
                    rows,
                    **self.settings[i],
                    seed=0,
                    validation=validation,
                    progress=False,
                    checkpoint=None,
                    checkpoint_every=1,
                    carried=None,
                )
            except (TypeError, ValueError) as error:
                where = "" if i == 0 else f" (for RBM {i})"
                raise type(error)(f"{error}{where}") from error

    def _example(self, i: int, data: Data) -> Data:
        """Data of the kind that will come up to RBM i."""
        if i == 0:
            return data
        unit, n = self.dbn.generative[i - 1].hidden, self.dbn.sizes[i]
        x = np.zeros((1, n), np.float32)
        row: States = unit.expectation(x) if self.activations == MEAN else unit.mode(x)
        return replace(data, rows=repeated(row, data.rows.n_rows))

    # --- Checkpoints ---------------------------------------------------------------------------------------

    def describe(self) -> dict[str, JSON]:
        """All that decides the result."""
        return {
            "sizes": [*self.dbn.sizes],
            "n_classes": self.dbn.n_classes,
            "data": self.data.describe(),
            "validation": None if self.validation is None else self.validation.describe(),
            "layers": [
                {name: _in_words(name, value) for name, value in settings.items()}
                for settings in self.settings
            ],
            "activations": self.activations,
            "first_layer": self.first,
            "seed": self.seed,
            "stream_version": STREAM_VERSION,
        }

    def _begin_checkpoint(self, saved: Saved | None) -> None:
        """Save what the run starts from, after what an earlier run may have left beside it is gone."""
        assert self.checkpoint is not None
        if saved is not None and os.path.realpath(saved.path) == os.path.realpath(self.checkpoint):
            return
        for i in range(len(self.dbn)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(layer_file(self.checkpoint, i))
        meta, arrays = (self.dbn.to_state()) if saved is None else saved.start
        write_file(self.checkpoint, KIND, {"settings": self.describe(), "dbn": meta}, arrays)


# --- Checkpoints -------------------------------------------------------------------------------------------


def layer_file(path: str, i: int) -> str:
    """Where the run of RBM i is saved."""
    return f"{path}.{i}"


class Saved(SavedRun):
    """A checkpoint of a pre-training: what it started from; how far each RBM came is in files beside it."""

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(path, kind)
        with self.blamed():
            self.start = entry(self.meta, "dbn", dict), self.arrays
            self._dbn = DBN.from_state(*self.start)

    def layer_file(self, i: int) -> str | None:
        """The checkpoint of RBM i; None if it had not begun."""
        file = layer_file(self.path, i)
        return file if os.path.exists(file) else None

    def difference(self, name: str, before: Any, value: Any) -> str:
        """See `SavedRun.difference`."""
        if name == "data":
            return ("y is" if before and before[0] == value[0] else "X is") + " other data than"
        if name == "validation" and before is not None and value is not None:
            return "validation is other data than"
        if name == "layers" and before is not None and len(before) == len(value):
            for i, (old, new) in enumerate(zip(before, value, strict=True)):
                for key in new:
                    if old.get(key) != new[key]:
                        return f"{key} of RBM {i} is {new[key]}, but was {old.get(key)}"
        return super().difference(name, before, value)

    def restore(self, dbn: DBN) -> None:
        """Give the network the parameters that the run started from."""
        start = [*self._dbn.generative, *self._dbn.recognition]
        versions = [rbm._parameters for rbm in start]
        at_once(setattr, [*dbn.generative, *dbn.recognition], repeat("_parameters"), versions)


# --- Rows --------------------------------------------------------------------------------------------------


def bytes_of_cache(rows: Rows) -> int:
    """Of memory that `cached` needs."""
    size = rows.n_rows * rows.n_features * rows.dtype.itemsize
    return size // 8 if rows.kind == "binary" and size > PACKED_BYTES else size


def cached(rows: Rows) -> Rows:
    """The same rows, computed once: bytes, 16-bit levels or floats, and bits where bytes would be many."""
    n, width = rows.n_rows, rows.n_features
    size = max(1, BLOCK_VALUES // width)
    if rows.kind == "binary" and n * width > PACKED_BYTES:
        bits = np.empty((n, -(-width // 8)), np.uint8)
        for first, block in rows.blocks(size):
            bits[first : first + len(block)] = np.packbits(block, axis=1)
        return as_rows(Packed(bits, width))
    states = np.empty((n, width), rows.dtype)
    for first, block in rows.blocks(size):
        states[first : first + len(block)] = block
    if rows.kind == "binary":
        return as_rows(states)
    return computed_rows(states.shape, states.dtype, states.__getitem__)


# --- Arguments ---------------------------------------------------------------------------------------------


def _check_layers(layers: Any, common: dict[str, Any], n: int) -> list[dict[str, Any]]:
    """The settings of every RBM."""
    common = _lasting(common)
    if layers is None:
        return [dict(common) for _ in range(n)]
    if isinstance(layers, (str, bytes, Mapping)) or not isinstance(layers, Sequence):
        raise TypeError(f"layers must be a list of dicts, one for each RBM, got {layers!r}")
    if len(layers) != n:
        raise ValueError(f"layers must have a dict for each of {n} RBMs, got {len(layers)}")
    settings = []
    for i, own in enumerate(layers):
        if not isinstance(own, Mapping):
            raise TypeError(f"layers[{i}] must be a dict of settings, got {own!r}")
        unknown = [name for name in own if name not in common]
        if unknown:
            raise ValueError(f"layers[{i}] may have {', '.join(common)}, got {unknown[0]!r}")
        settings.append({**common, **_lasting(own)})
    return settings


def _lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same without iterators: these can be gone through once only."""
    return {name: [*value] if hasattr(value, "__next__") else value for name, value in settings.items()}


def _check_choice(value: object, name: str, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise (ValueError if isinstance(value, str) else TypeError)(
            f"{name} must be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}, got {value!r}"
        )
    return value


def _in_words(name: str, value: Any) -> JSON:
    """A setting, which has been checked, in a form that a file can hold; equal for equal settings."""
    if name == "sample_weight":
        return None if value is None else digest(np.asarray(value, np.float64))
    if name == "callbacks":
        callbacks = as_list(value, Callback, name, "")
        return [describe(callback) for callback in callbacks if callback.state() is not None]
    if name == "penalties":
        return [describe(penalty) for penalty in as_penalties(value)]
    if name == "monitors":
        return [describe(monitor) for monitor in as_list(value, Monitor, name, "")]
    if name == "method":
        return describe(as_method(value))
    if name == "optimizer":
        return describe(as_optimizer(value))
    return value if isinstance(value, (bool, str)) else int(value)
