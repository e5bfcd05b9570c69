"""`pretrain`: a deep belief network learned layer by layer."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rbmfast.archive import write_file
from rbmfast.checks import SeedLike, check_choice, check_integer, check_labels, check_model, refuse_share
from rbmfast.data import Packed, Rows, as_rows, computed_rows
from rbmfast.files import JSON, FilePath, entry
from rbmfast.models import DBN
from rbmfast.models.stacked import layer_seed
from rbmfast.reference import I64, STREAM_VERSION, States
from rbmfast.runtime import check_fits_memory, uninterrupted
from rbmfast.saved import SavedRun
from rbmfast.streams import Purpose, Stream
from rbmfast.training.callbacks import Callback
from rbmfast.training.checkpoint import Checkpoint
from rbmfast.training.history import History
from rbmfast.training.methods import Method
from rbmfast.training.monitors import Monitor
from rbmfast.training.optimizers import Optimizer
from rbmfast.training.penalties import Penalties
from rbmfast.training.rbm_run import RBMRun, structure
from rbmfast.training.recipe import completed
from rbmfast.training.settings import LayerSettings, digest, explain_keywords
from rbmfast.training.train import make_run, train

KIND = "pretraining"

TRAINING, VALIDATION, SEEDS = 0, 1, 2  # steps of the random numbers
MEAN, SAMPLE = "probabilities", "samples"
CACHES = ("auto", "memory", "stream")
MEMORY_SHARE = 4  # a cache of "auto" may take one part in so many of the memory
PACKED_BYTES = 1 << 30  # a cache of 0/1 states above this is kept in bits
BLOCK_VALUES = 1 << 22  # states computed at a time

COMMON = ("seed", "progress", "checkpoint", "checkpoint_every")  # of the whole pre-training
OF_A_LAYER = [  # in the order of the keywords of `train`
    name
    for name in inspect.signature(train).parameters
    if name not in COMMON and name in {one.name for one in fields(LayerSettings)}
]


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
    method: Method | str | None = None,
    optimizer: Optimizer | float | None = None,
    penalties: Penalties | None = None,
    centered: bool | None = None,
    epochs: int | None = None,
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
    sample_weight, method, optimizer, penalties, centered, epochs, batch_size, shuffle, monitors, callbacks
        As for `rbmfast.train`, for every RBM.
    seed : int, numpy Generator or None
        Fixes every random number. The lowest RBM takes it for itself, so that it learns what
        ``rbmfast.train(dbn.generative[0], X, seed=seed)`` would teach it; those above have seeds that follow
        from it. None draws a new one.
    validation : like X, optional
        Data for monitors, sent up as the data are; for a network with labels a pair (X, y).
    progress, checkpoint, checkpoint_every, resume
        As for `rbmfast.train`. What the run starts from is saved in this file, and the run of RBM i in a file
        of its own beside it, named ``<checkpoint>.<i>``.

    Returns
    -------
    list of History
        One for each RBM trained.

    Raises
    ------
    TypeError, ValueError, FileFormatError
        As from `rbmfast.train`.
    MemoryError
        ``cache="memory"``, and it cannot fit.
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
    asked, saved = locals(), Saved.of(resume, KIND)
    settings = LayerSettings.of(asked, saved)
    return Pretraining(dbn, X, y, validation, settings, layers, activations, cache, first_layer).go(saved)


@dataclass(frozen=True)
class Data:
    """Rows of visible states, their classes if there are any, and which random numbers are theirs."""

    rows: Rows
    classes: I64 | None
    step: int

    def describe(self) -> list[JSON]:
        """What fixes them."""
        return [self.rows.fingerprint(), None if self.classes is None else digest(self.classes)]


class Pretraining:
    """A sequence of runs: one for each RBM from the first that learns on, all checked before the first.

    Attributes
    ----------
    dbn : DBN
        The network.
    sets : list of Data
        Of its visible layer: what it learns from, and validation data if there are any.
    settings : LayerSettings
        Of the whole.
    layers : list of LayerSettings
        Of each RBM.
    activations, cache : str
        What an RBM learns from, and whether that is kept.
    first : int
        The first RBM that learns.
    """

    def __init__(
        self,
        dbn: DBN,
        X: Any,
        y: Any,
        validation: Any,
        settings: LayerSettings,
        layers: Any,
        activations: object,
        cache: object,
        first_layer: object,
    ) -> None:
        check_model(dbn, DBN, "dbn")
        self.dbn, self.settings = dbn, settings
        self.first = first = check_integer(first_layer, "first_layer", low=0, high=len(dbn) - 1)
        if any(r is not g for r, g in zip(dbn.recognition[first:], dbn.generative[first:], strict=True)):
            raise ValueError(
                "dbn has recognition weights of its own: layers learn greedily before they are untied"
            )
        joined = len(dbn) == 1 and dbn.n_classes is not None  # the visible units, by labels
        with contextlib.nullcontext(X) if joined else dbn.generative[0]._beginning_with(X) as X:
            self._check(X, y, validation, layers, activations, cache)

    def _check(
        self, X: Any, y: Any, validation: Any, layers: Any, activations: object, cache: object
    ) -> None:
        """Raise an error before anything is learned if something cannot be."""
        dbn, first = self.dbn, self.first
        self.sets = [Data(*check_data(dbn, X, y, "X", "y"), TRAINING)]
        if validation is not None:
            self.sets.append(Data(*check_validation(dbn, validation), VALIDATION))
        self.activations = check_choice(activations, "activations", (SAMPLE, MEAN))
        self.cache = check_choice(cache, "cache", CACHES)
        self.layers = [self._of_layer(i, own) for i, own in enumerate(_check_layers(layers, len(dbn)))]
        for i in range(first, len(dbn)):  # what is found out at the last one has cost all the work
            with _naming(i):
                self._run(i, [self._example(i, data) for data in self.sets])

    def _of_layer(self, i: int, own: Mapping[str, Any]) -> LayerSettings:
        """The settings of RBM i."""
        whole = self.settings.checkpoint
        file = None if whole is None else layer_file(whole, i)
        with _naming(i):
            seed = layer_seed(self.settings.seed, i, Purpose.GREEDY, SEEDS)
            settings = replace(self.settings, **own, seed=seed, checkpoint=file)
            return completed(settings, self.dbn.generative[i], self.sets[0].rows.n_rows)

    def go(self, saved: Saved | None) -> list[History]:
        """Train one RBM after the other."""
        if saved is not None:
            saved.check_settings(self.describe())
            saved.restore(self.dbn)
        if self.settings.checkpoint is not None:
            self._begin_checkpoint(self.settings.checkpoint, saved)
        sets, histories = self.sets, []
        for i in range(self.first, len(self.dbn)):
            sets = [self._up_to(i, data) for data in sets]
            if self.settings.progress:
                print(f"layer {i + 1} of {len(self.dbn)}: {self.dbn.generative[i]!r}", file=sys.stderr)
            run = self._run(i, sets)
            file = None if saved is None else saved.layer_file(i)
            histories.append(run.go(Checkpoint.of(file, RBMRun.kind)))
        return histories

    def _run(self, i: int, sets: list[Data]) -> RBMRun:
        """The run of RBM i on data that have come up to it."""
        rows, *held_out = [self._beside_labels(i, data) for data in sets]
        return make_run(self.dbn.generative[i], rows, self.layers[i], held_out[0] if held_out else None)

    # --- Data of a layer ------------------------------------------------------------------------------------

    def _up_to(self, i: int, below: Data) -> Data:
        """The data of layer i, from those of the layer below; the first one's from the visible layer."""
        start = 0 if i == self.first else i - 1
        if start == i:
            return below
        stack = self.dbn._stack
        stream = Stream(self.settings.seed, Purpose.GREEDY, 0, below.step)
        rows = stack.rows_at(i, below.rows, None if self.activations == MEAN else stream, start)
        return replace(below, rows=cached(rows) if self._keeps(rows) else rows)

    def _keeps(self, rows: Rows) -> bool:
        """Whether to keep computed rows in memory."""
        size = rows.n_rows * rows.n_features * rows.dtype.itemsize // (8 if _in_bits(rows) else 1)
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

    def _example(self, i: int, data: Data) -> Data:
        """Data of the kind that will come up to RBM i: rows that are all the same."""
        if i == 0:
            return data
        unit, n = self.dbn._unit(i), self.dbn.sizes[i]
        x = np.zeros((1, n), np.float32)
        row: States = unit.expectation(x) if self.activations == MEAN else unit.mode(x)
        states = np.broadcast_to(row, (data.rows.n_rows, n))
        return replace(data, rows=computed_rows(states.shape, states.dtype, states.__getitem__))

    # --- Checkpoints ----------------------------------------------------------------------------------------

    def describe(self) -> dict[str, JSON]:
        """All that decides the result."""
        described = [layer.describe() for layer in self.layers]
        data, *held_out = [data.describe() for data in self.sets]
        return {
            "sizes": [*self.dbn.sizes],
            "n_classes": self.dbn.n_classes,
            "rbms": [structure(rbm) for rbm in self.dbn.generative],
            "data": data,
            "validation": held_out[0] if held_out else None,
            "layers": [{name: layer[name] for name in OF_A_LAYER} for layer in described],
            "activations": self.activations,
            "first_layer": self.first,
            "seed": self.settings.seed,
            "stream_version": STREAM_VERSION,
        }

    def _begin_checkpoint(self, path: str, saved: Saved | None) -> None:
        """Save what the run starts from, after what an earlier run may have left beside it is gone."""
        if saved is not None and os.path.realpath(saved.path) == os.path.realpath(path):
            return
        for i in range(len(self.dbn)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(layer_file(path, i))
        meta, arrays = self.dbn.to_state() if saved is None else saved.start
        write_file(path, KIND, {"settings": self.describe(), "dbn": meta}, arrays)


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
            self.settings["rbms"] = [structure(rbm) for rbm in self._dbn.generative]  # older files lack them
            words = LayerSettings().describe()
            defaults = {name: words[name] for name in OF_A_LAYER}  # older files may lack some
            layers = entry(self.settings, "layers", list)
            self.settings["layers"] = [{**defaults, **layer} for layer in layers]

    def layer_file(self, i: int) -> str | None:
        """The checkpoint of RBM i; None if it had not begun."""
        file = layer_file(self.path, i)
        return file if os.path.exists(file) else None

    def difference(self, name: str, before: Any, value: Any) -> str:
        if name == "data":
            return ("y is" if before and before[0] == value[0] else "X is") + " other data than"
        if name == "validation" and before is not None and value is not None:
            return "validation is other data than"
        if name in ("layers", "rbms") and before is not None and len(before) == len(value):
            for i, (old, new) in enumerate(zip(before, value, strict=True)):
                for key in {**old, **new}:
                    if old.get(key) != new.get(key):
                        return f"{key} of RBM {i} is {new.get(key)}, but was {old.get(key)}"
        return super().difference(name, before, value)

    def restore(self, dbn: DBN) -> None:
        """Give the network the parameters that the run started from."""
        start = [*self._dbn.generative, *self._dbn.recognition]
        versions = [rbm._parameters for rbm in start]
        uninterrupted(setattr, [*dbn.generative, *dbn.recognition], repeat("_parameters"), versions)


# --- Rows --------------------------------------------------------------------------------------------------


def cached(rows: Rows) -> Rows:
    """The same rows, computed once: bytes, 16-bit levels or floats, and bits where bytes would be many."""
    n, width = rows.n_rows, rows.n_features
    size = max(1, BLOCK_VALUES // width)
    packed = _in_bits(rows)
    states = np.empty((n, -(-width // 8)), np.uint8) if packed else np.empty((n, width), rows.dtype)
    for first, block in rows.blocks(size):
        states[first : first + len(block)] = np.packbits(block, axis=1) if packed else block
    if rows.kind != "binary":
        return computed_rows(states.shape, states.dtype, states.__getitem__)
    return as_rows(Packed(states, width) if packed else states)


def _in_bits(rows: Rows) -> bool:
    """Whether bytes would be many."""
    return rows.kind == "binary" and rows.n_rows * rows.n_features > PACKED_BYTES


# --- Arguments ---------------------------------------------------------------------------------------------


def _check_layers(layers: Any, n: int) -> Sequence[Mapping[str, Any]]:
    """What each RBM has of its own."""
    if layers is None:
        return [{}] * n
    if isinstance(layers, (str, bytes, Mapping)) or not isinstance(layers, Sequence):
        raise TypeError(f"layers must be a list of dicts, one for each RBM, got {layers!r}")
    if len(layers) != n:
        raise ValueError(f"layers must have a dict for each of {n} RBMs, got {len(layers)}")
    for i, own in enumerate(layers):
        if not isinstance(own, Mapping):
            raise TypeError(f"layers[{i}] must be a dict of settings, got {own!r}")
        unknown = [name for name in own if name not in OF_A_LAYER]
        if unknown:
            raise ValueError(f"layers[{i}] may have {', '.join(OF_A_LAYER)}, got {unknown[0]!r}")
    return layers


@contextlib.contextmanager
def _naming(i: int) -> Iterator[None]:
    """Say of which RBM an error is; the lowest one's are the function's own."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}{f' (for RBM {i})' if i else ''}") from error


def check_data(dbn: DBN, X: Any, y: Any, x_name: str, y_name: str) -> tuple[Rows, I64 | None]:
    """Rows of visible states, and their classes for a network with labels."""
    rows = dbn.visible.rows(X, dbn.n_visible, x_name)
    if dbn.n_classes is None:
        if y is not None:
            raise ValueError(f"{y_name} needs a network with labels: n_classes was not given")
        return rows, None
    if y is None:
        raise ValueError(f"{y_name} must be given: the network has {dbn.n_classes} classes")
    return rows, check_labels(y, rows.n_rows, dbn.n_classes, y_name)


def check_validation(dbn: DBN, validation: Any) -> tuple[Rows, I64 | None]:
    """The same of validation data: rows, or a pair (X, y) for a network with labels."""
    refuse_share(validation, labels=dbn.n_classes is not None)
    if dbn.n_classes is None:
        return check_data(dbn, validation, None, "validation", "y of validation")
    if not isinstance(validation, tuple) or len(validation) != 2:
        raise TypeError(
            f"validation must be a pair (X, y) for a network with labels, got {type(validation).__name__}"
        )
    return check_data(dbn, *validation, "X of validation", "y of validation")
