"""Unit types. A new one is a file beside these and a place in the list below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from rbmfast.units.base import Unit
from rbmfast.units.bernoulli import Bernoulli
from rbmfast.units.categorical import Categorical
from rbmfast.units.gaussian import Gaussian
from rbmfast.units.mixed import Mixed

UNITS: dict[str, type[Unit]] = {unit.name: unit for unit in (Bernoulli, Gaussian, Categorical, Mixed)}
PLAIN = [name for name, unit in UNITS.items() if is_dataclass(unit) and not fields(unit)]  # a name says all


def get_unit(unit: str | Unit | type[Unit] | Mapping[str, Any], name: str = "unit") -> Unit:
    """The unit type that is meant by a name, a class, an instance or a description.

    Parameters
    ----------
    unit : str, Unit, subclass of Unit or mapping
        "bernoulli", "gaussian", a unit type from anywhere, or what `Unit.describe` gave.
    name : str
        What error messages call the argument.

    Raises
    ------
    ValueError
        There is no unit type of that name, or it has parameters, so that a name is not enough.
    TypeError
        It is none of these.

    Examples
    --------
    >>> from rbmfast.units import get_unit
    >>> get_unit("gaussian")
    Gaussian()
    >>> get_unit("potts", name="visible")
    Traceback (most recent call last):
    ...
    ValueError: visible must be one of 'bernoulli', 'gaussian', or a Unit such as Categorical(10); got 'potts'
    """
    if isinstance(unit, Unit):
        return unit
    if isinstance(unit, Mapping):
        return _described(unit, name)
    kind = unit.name if isinstance(unit, type) and issubclass(unit, Unit) else unit
    known = f"{name} must be one of {', '.join(map(repr, PLAIN))}, or a Unit such as Categorical(10); got"
    if not isinstance(kind, str):
        raise TypeError(f"{known} {unit!r}")
    if isinstance(unit, type) and kind not in UNITS:
        return unit()  # a type from elsewhere
    if kind not in PLAIN:
        raise ValueError(f"{known} {unit!r}")
    return UNITS[kind]()


def _described(description: Mapping[str, Any], name: str) -> Unit:
    if description.get("unit") not in UNITS:
        raise ValueError(f"{name} must describe a unit type of {', '.join(UNITS)}; got {dict(description)!r}")
    return UNITS[description["unit"]].from_description(description, get_unit)


__all__ = ["PLAIN", "UNITS", "Bernoulli", "Categorical", "Gaussian", "Mixed", "Unit", "get_unit"]
