"""What all models have in common: files; and how those of rows of data answer block by block, and fill in."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbmfast.archive import write_file
from rbmfast.checks import SeedLike, check_flag, check_integer, check_labels, check_seed
from rbmfast.data import Rows, split_missing
from rbmfast.files import JSON, FilePath
from rbmfast.reference import F32, STREAM_VERSION, States
from rbmfast.runtime import check_fits_memory, warn
from rbmfast.streams import MAX_ROW, MAX_STEP, Purpose, Stream, check_first_row
from rbmfast.tables import Schema
from rbmfast.units import Unit
from rbmfast.units.common import flattened

M = TypeVar("M", bound=type)
S = TypeVar("S", bound="Storable")
Arrays = Mapping[str, NDArray[Any]]

TRAJECTORY = "trajectory/"  # before the names in a file of what `Storable.trajectory` holds
BLOCK_BYTES = 1 << 26  # scratch memory of one call, about


def known_as(name: str) -> Callable[[M], M]:
    """Let errors and help call what a class has by the name of the class that users know."""

    def rename(part: M) -> M:
        for attribute, value in vars(part).items():
            function = getattr(value, "__func__", value)
            if inspect.isfunction(function):
                function.__qualname__ = f"{name}.{attribute}"
        return part

    return rename


def warn_of_other_streams(version: object) -> None:
    """Say that a model's samples of then will not come again, if it was saved under another version."""
    if version != STREAM_VERSION:
        warn(
            f"the model was saved under stream version {version}, this is {STREAM_VERSION}: equal seeds "
            "will not repeat the samples of then"
        )


@known_as("model")
class Storable(ABC):
    """What can be kept in a file."""

    kind: ClassVar[str]  # what its files say that they hold
    has_rbm: ClassVar[str] = ""  # what of it is an RBM, where it is none
    _schema: Schema | None = None
    _trajectory: tuple[object, Arrays] | None = None  # with the parameters that it belongs to
    class_names: tuple[str, ...] = ()  # what its classes are called, in their order, if by words; in its file

    @property
    @abstractmethod
    def _n_columns(self) -> int:
        """Units that stand for a row of data, without its label."""

    @property
    def schema(self) -> Schema | None:
        """Of the table that it is about, if it is about one; kept in its file."""
        return self._schema

    @schema.setter
    def schema(self, schema: Schema | None) -> None:
        if not isinstance(schema, Schema | None):
            raise TypeError(f"schema must be a Schema or None, got {type(schema).__name__}")
        if schema is not None and schema.n_visible != self._n_columns:
            raise ValueError(
                f"schema must have as many visible units as the model, {self._n_columns}, got "
                f"{schema.n_visible}"
            )
        self._schema = schema

    @property
    def trajectory(self) -> Arrays | None:
        """What learning by `rbmfast.PTT` has left, read-only: samples of an earlier version, its parameters.

        None once the parameters have changed in another way.
        """
        kept = self._trajectory
        return kept[1] if kept is not None and kept[0] is vars(self).get("_parameters") else None

    def _keep_trajectory(self, arrays: Arrays | None) -> None:
        """Keep this for the parameters of now; these arrays, not copies."""
        for array in (arrays or {}).values():
            array.flags.writeable = False
        self._trajectory = None if arrays is None else (vars(self)["_parameters"], arrays)

    def save(self, path: FilePath, *, trajectory: bool = False) -> None:
        """Write the model to a file, which `rbmfast.load` reads.

        The file appears complete or not at all, and holds the exact float32 numbers: a loaded model gives the
        same bits.

        Parameters
        ----------
        path : str, bytes or PathLike
            Where to write; an existing file is replaced.
        trajectory : bool, default False
            Whether to keep what `rbmfast.PTT` has left the model: samples of an earlier version of it, from
            which ``sample(method="trajectory")`` and ``log_partition(method="trajectory")`` start.

        Raises
        ------
        OSError
            The file cannot be written.
        ValueError
            A trajectory is asked for that the model has not; a unit type of your own that
            `rbmfast.units.register` has not seen: nothing is written.

        Examples
        --------
        >>> import rbmfast as rf
        >>> rf.RBM(4, 2, seed=0).save("small.rbm")
        >>> rf.load("small.rbm")
        RBM(4, 2)
        """
        meta, arrays = self.to_state()
        if check_flag(trajectory, "trajectory"):
            if self.trajectory is None:
                raise ValueError(
                    f"trajectory must be False for {self!r}, which has none: rf.PTT leaves one to "
                    "RBMs and Boltzmann machines"
                )
            arrays |= {TRAJECTORY + name: array for name, array in self.trajectory.items()}
        about: dict[str, JSON] = {} if self.schema is None else {"schema": self.schema.describe()}
        about |= {"class_names": [*self.class_names]} if self.class_names else {}
        write_file(path, self.kind, meta | about, arrays)

    @abstractmethod
    def to_state(self) -> tuple[dict[str, JSON], dict[str, NDArray[Any]]]:
        """Everything the model is, as metadata and arrays for a file."""

    @classmethod
    @abstractmethod
    def from_state(cls: type[S], meta: Mapping[str, Any], arrays: Arrays) -> S:
        """The model that `to_state` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            The description lacks something, contradicts itself, or names an unknown unit type.
        """


@known_as("model")
class Compound(Storable):
    """A model made of RBMs, which change in place: a shallow copy would share them."""

    def __copy__(self: S) -> S:
        return copy.deepcopy(self)


@known_as("model")
class Model(Storable):
    """A model with a visible layer."""

    imputing: ClassVar[Purpose]  # of the random numbers that fill in
    learns: ClassVar[str] = "rbm"  # which kind of run `rbmfast.train` makes of it

    @property
    @abstractmethod
    def visible(self) -> Unit:
        """Unit type of the visible layer."""

    @property
    @abstractmethod
    def n_visible(self) -> int:
        """Number of visible units."""

    @property
    @abstractmethod
    def n_classes(self) -> int | None:
        """Number of classes; 0 or None in a model without labels."""

    @property
    @abstractmethod
    def _n_units(self) -> int:
        """Units in all layers."""

    @property
    def _n_columns(self) -> int:
        return self.n_visible

    def _to_learn(self, X: Any, context: Any, name: str) -> Any:
        """Data of `rbmfast.train`."""
        if context is not None:
            raise TypeError(f"context is what an rf.ConditionalRBM is given, got one for {self!r}")
        return X

    # --- Rows of data ------------------------------------------------------------------------------------

    def _visible_rows(self, V: Any, name: str = "V", may_miss: bool = False) -> Rows:
        return self.visible.rows(V, self.n_visible, name, compact=True, may_miss=may_miss)

    @property
    def _block_rows(self) -> int:
        """Rows to work on at once: a fixed number for given layers, so that results cannot depend on it."""
        return max(1, BLOCK_BYTES // (8 * self._n_units))

    def _spans(self, n: int) -> Iterator[tuple[int, int]]:
        size = self._block_rows
        return ((first, min(first + size, n)) for first in range(0, n, size))

    def _by_blocks(
        self,
        rows: Rows,
        answer: Callable[[Any, int], NDArray[Any]],
        blocks: Iterable[tuple[int, Any]] | None = None,
    ) -> NDArray[Any]:
        """Call ``answer(block, number of its first row)`` for block after block; all answers in one array."""
        result: NDArray[Any] | None = None
        for first, block in rows.blocks(self._block_rows) if blocks is None else blocks:
            part = answer(block, first)
            if len(part) == rows.n_rows:
                return part
            if result is None:
                result = np.empty((rows.n_rows, *part.shape[1:]), part.dtype)
            result[first : first + len(part)] = part
        assert result is not None  # there is no data without rows
        return result

    # --- Filling in --------------------------------------------------------------------------------------

    def impute(
        self,
        V: Any,
        mask: ArrayLike | None = None,
        steps: int = 100,
        seed: SeedLike = None,
        *,
        first_row: int = 0,
        average: bool = False,
    ) -> F32:
        """Fill in missing entries, by Gibbs sampling with the known ones held fixed.

        The missing units of a row start as draws from their biases alone; a row without missing entries comes
        back as it is. A group of categorical units in which one is missing is missing as a whole.

        In a deep belief network a step is a sweep: every layer is drawn upwards, then the top RBM takes a
        Gibbs step, then every layer is drawn downwards. With more than one RBM that is **approximate**: the
        way up, by the recognition weights, is not the model's exact distribution of the hidden units.

        Parameters
        ----------
        V : (n_rows, n_visible)
            Visible states. NaN in a float array, NA in a frame and masked entries are missing.
        mask : bool array (n_rows, n_visible), optional
            True marks what is missing as well, whatever stands there in an array.
        steps : int, default 100
            Gibbs steps or sweeps, at least 1.
        seed : int, Generator or None
            See the notes of `rbmfast.RBM`.
        first_row : int, default 0
            Number of the first row of `V` in a larger whole.
        average : bool, default False
            False fills in states: a sample of what could have been there. True fills in the visible
            probabilities averaged over the second half of the steps: an estimate of the expectation, best for
            a point prediction.

        Returns
        -------
        float32 array (n_rows, n_visible)
            A new array; known entries are as given, rounded to float32. (Integer codes of categorical units
            come back as one-hot rows.)

        Raises
        ------
        TypeError, ValueError
            Bad states or arguments.

        Examples
        --------
        >>> import numpy as np
        >>> import rbmfast as rf
        >>> rbm = rf.RBM.from_arrays([[9.0], [9.0]], a=[-4.5, -4.5], b=[-9.0])  # two units that agree
        >>> rbm.impute([[1, np.nan], [np.nan, 0]], seed=2)
        array([[1., 1.],
               [0., 0.]], dtype=float32)
        """
        V = flattened(V, self.n_visible)
        filled, gaps = split_missing(V, mask, self.visible.off(self.n_visible), "V")
        rows = self.visible.rows(filled, self.n_visible, "V", compact=True, may_miss=True, mask=gaps)
        known: F32 = self.visible.shown(rows.all()).astype(np.float32)
        if isinstance(filled, np.ndarray) and filled.dtype != np.bool_ and filled.shape == known.shape:
            known[:] = filled  # not rounded to grey levels
        missing = np.zeros(known.shape, np.bool_) if rows.missing is None else rows.missing
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2 - 1)
        row = check_first_row(first_row, rows.n_rows)
        average = check_flag(average, "average")
        stream = Stream(check_seed(seed), self.imputing)

        incomplete = np.flatnonzero(missing.any(axis=1))
        for first, end in self._spans(len(incomplete)):
            here = incomplete[first:end]
            gaps = missing[here]
            fill = self._fill_in(rows.block(here), gaps, steps, stream.at(0, row + here), average)
            known[here] = np.where(gaps, self.visible.shown(fill), known[here])
        return known

    @abstractmethod
    def _fill_in(
        self, v: States, missing: NDArray[np.bool_], steps: int, stream: Stream, average: bool
    ) -> NDArray[Any]:
        """Numbers for the missing entries of a block (others are not to be used)."""

    # --- Arguments of `sample` ---------------------------------------------------------------------------

    def _check_sample(
        self, n: int, steps: int, first_row: int, start: Any, bytes_each: int
    ) -> tuple[int, int, int, Rows | None]:
        n = check_integer(n, "n", low=1, high=MAX_ROW + 1)
        steps = check_integer(steps, "steps", low=1, high=MAX_STEP // 2)
        row = check_first_row(first_row, n)
        check_fits_memory(n * bytes_each, f"a sample of n={n} states")
        rows = None if start is None else self._visible_rows(start, "start")
        if rows is not None and rows.n_rows != n:
            raise ValueError(f"start must have n={n} rows, got {rows.n_rows}")
        return n, steps, row, rows

    def _check_labels(self, labels: ArrayLike | None, n: int) -> NDArray[np.int64] | None:
        """Class numbers (n,), or None."""
        if labels is None:
            return None
        if not self.n_classes:
            has_some = "an rf.ClassRBM or an rf.DBN with n_classes"
            raise ValueError(f"labels need a model with labels, such as {has_some}, got {self!r}")
        return check_labels(labels, n, self.n_classes, one_for_all=True)


@known_as("model")
class Deep(Compound, Model):
    """A model of hidden layers on top of each other."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """Units in each layer, from the visible one up."""

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return self.sizes[0]

    def __len__(self) -> int:
        """Number of hidden layers."""
        return len(self.sizes) - 1

    @property
    def _n_units(self) -> int:
        return sum(self.sizes)

    def _check_layer(self, layer: int) -> int:
        """The number of a hidden layer, from 1 up."""
        n = len(self)
        number = check_integer(layer, "layer", low=-n, high=n)
        if number == 0:
            raise ValueError(f"layer must be a hidden layer, from 1 to {n} or from -{n} to -1, got 0")
        return number if number > 0 else n + 1 + number
