"""What every checkpoint is: a run's settings, how far it came, and its arrays, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from numpy.typing import NDArray

from rbmfast.archive import read_file
from rbmfast.checks import SeedLike, check_seed
from rbmfast.files import JSON, blaming, check_path, entry

S = TypeVar("S", bound="SavedRun")
Arrays = Mapping[str, NDArray[Any]]


class SavedRun:
    """A checkpoint as it was read from the file `path`, which must be of this `kind`: else a FileFormatError.

    `meta` and `arrays` are all that it holds; its `settings` decide the run's result, `seed` is one of them.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        _, self.meta, self.arrays = read_file(path, kind=kind)
        with self.blamed():
            self.settings = entry(self.meta, "settings", dict)
            self.seed = check_seed(entry(self.settings, "seed", int))

    @classmethod
    def of(cls: type[S], resume: object, kind: str) -> S | None:
        """The checkpoint that the argument `resume` names, if it does."""
        path = check_path(resume, "resume")
        return None if path is None else cls(path, kind)

    def check_settings(self, settings: Mapping[str, JSON]) -> None:
        """Refuse to go on with other data or settings: a ValueError names the first that differs."""
        for name, value in settings.items():
            before = self.settings.get(name)
            if before != value:
                with self.blamed():
                    difference = self.difference(name, before, value)
                raise ValueError(f"resume: {difference} in {self.path!r}")

    def difference(self, name: str, before: Any, value: Any) -> str:
        """Two different values of a setting, in words."""
        return f"{name} is {value!r}, but was {before!r}"

    def blamed(self) -> AbstractContextManager[None]:
        """What goes wrong within is the file's fault."""
        return blaming(self.path, "is not a complete checkpoint")


def seed_of(saved: SavedRun | None, seed: SeedLike) -> int:
    """The seed of a run that goes on where a saved one was, if any: that one's unless it is given."""
    return saved.seed if saved is not None and seed is None else check_seed(seed)


def under(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
