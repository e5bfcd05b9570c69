"""Unit types from outside: registered, their files load; unregistered, they are not saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import rbmfast as rf
from rbmfast.units import PLAIN, UNITS, get_unit


class Pixel(rf.Bernoulli):
    name: ClassVar[str] = "pixel"


class Alias(rf.Bernoulli):
    """Has the name of another type: that of its base."""


@dataclass(frozen=True)
class Shifted(rf.Gaussian):
    shift: float = 0.0
    name: ClassVar[str] = "shifted"

    def describe(self) -> Any:
        return {"unit": self.name, "shift": self.shift}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], unit_of: Any) -> Shifted:
        return cls(shift=description["shift"])


pytestmark = pytest.mark.usefixtures("unit_types_as_before")
LAYERS = {
    "plain": lambda: {"visible": Pixel()},
    "by its class": lambda: {"hidden": Pixel},
    "with parameters": lambda: {"visible": Shifted(shift=2.5)},
    "in a mixed layer": lambda: {"visible": rf.Mixed([(rf.Bernoulli(), 3), (Pixel(), 1)])},
    "under a name that is taken": lambda: {"visible": Alias},
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_an_unregistered_type_is_refused_before_anything_is_written(layers: Any, tmp_path: Path) -> None:
    rbm = rf.RBM(4, 3, seed=0, **layers())
    rf.train(rbm, np.eye(4), epochs=1, seed=0)
    with pytest.raises(ValueError, match=r"(visible|hidden) holds units .* rf.units.register\(\w+\) first"):
        rbm.save(tmp_path / "own.rbm")
    with pytest.raises(ValueError, match=r"rf\.units\.register"):
        rf.DBN.from_rbms([rbm]).save(tmp_path / "own.dbn")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("layers", [*LAYERS.values()][:4], ids=[*LAYERS][:4])
def test_files_of_registered_types_load(layers: Any, tmp_path: Path) -> None:
    assert rf.units.register(Pixel) is Pixel
    rf.units.register(Shifted)
    rbm = rf.RBM(4, 3, seed=0, **layers())
    rbm.save(tmp_path / "own.rbm")
    twin = rf.load(tmp_path / "own.rbm")
    for layer in ("visible", "hidden"):
        mine, its = getattr(rbm, layer), getattr(twin, layer)
        assert (type(its), its) == (type(mine), mine)
    assert repr(twin) == repr(rbm)


def test_what_is_not_registered_any_more_is_named(tmp_path: Path) -> None:
    rf.units.register(Pixel)
    rf.ClassRBM(4, 3, 2, visible="pixel", seed=0).save(tmp_path / "own.crbm")
    del UNITS["pixel"]
    PLAIN.remove("pixel")
    with pytest.raises(ValueError, match=r"own.crbm.*after rf.units.register.*pixel"):
        rf.load(tmp_path / "own.crbm")


def test_a_class_means_itself() -> None:
    assert type(get_unit(Alias)) is Alias
    assert type(get_unit("bernoulli")) is rf.Bernoulli


def test_a_subclass_unrolls_like_its_base() -> None:
    assert rf.DBN([4, 3], hidden=Pixel(), seed=0).to_network().layers[0].activation == "sigmoid"


def test_what_cannot_be_registered() -> None:
    class Nameless(rf.units.Unit):
        pass

    @dataclass(frozen=True)
    class OneWay(rf.Bernoulli):
        name: ClassVar[str] = "one way"

        def describe(self) -> Any:
            return {"unit": self.name}

    for wrong, error, words in (
        ("pixel", TypeError, "subclass of rf.units.Unit"),
        (Pixel(), TypeError, "subclass of rf.units.Unit"),
        (Nameless, TypeError, "must have .*mean.*name"),
        (OneWay, TypeError, "must have from_description"),
        (Alias, ValueError, "name of its own: 'bernoulli' is that of Bernoulli"),
    ):
        with pytest.raises(error, match=words):
            rf.units.register(wrong)  # type: ignore[type-var]
