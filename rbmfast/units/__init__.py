"""Unit types. A new one is a file beside these and a place in the list below, or comes in by `register`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from rbmfast.files import JSON
from rbmfast.units.base import Unit
from rbmfast.units.bernoulli import Bernoulli
from rbmfast.units.binomial import Binomial
from rbmfast.units.categorical import Categorical
from rbmfast.units.counts import Counts
from rbmfast.units.drelu import DReLU
from rbmfast.units.gaussian import Gaussian
from rbmfast.units.mixed import Mixed
from rbmfast.units.pooled import Pooled
from rbmfast.units.relu import ReLU
from rbmfast.units.spin import Spin

UNITS: dict[str, type[Unit]] = {
    unit.name: unit
    for unit in (Bernoulli, Spin, Gaussian, ReLU, DReLU, Categorical, Binomial, Counts, Pooled, Mixed)
}
U = TypeVar("U", bound=type[Unit])


def _needs_nothing(unit: type[Unit]) -> bool:
    """Whether its name is enough to make one."""
    return all(one.default is not one.empty for one in inspect.signature(unit).parameters.values())


PLAIN = [name for name, unit in UNITS.items() if _needs_nothing(unit)]


def register(unit: U) -> U:
    """Make a unit type of your own known by its name, so that files hold it; also as a decorator.

    Parameters
    ----------
    unit : subclass of Unit
        With a `name` of its own. One with parameters has `describe` and `from_description`, too.

    Returns
    -------
    type
        The same.

    Raises
    ------
    TypeError
        It is no such class, or lacks a method.
    ValueError
        The name belongs to another unit type.

    Notes
    -----
    Register it wherever its files are loaded: a file holds its name and parameters, not its code.

    Examples
    --------
    >>> import rbmfast as rf
    >>> @rf.units.register
    ... class Pixel(rf.Bernoulli):
    ...     name = "pixel"
    >>> rf.RBM(4, 2, visible="pixel", seed=0).save("pixels.rbm")
    >>> rf.load("pixels.rbm")
    RBM(4, 2, visible='pixel')
    """
    if not (isinstance(unit, type) and issubclass(unit, Unit)):
        raise TypeError(f"unit must be a subclass of rf.units.Unit, got {unit!r}")
    lacking = sorted(unit.__abstractmethods__) if inspect.isabstract(unit) else []
    if not isinstance(getattr(unit, "name", None), str):
        lacking.append("name")
    makers = [inspect.getattr_static(one, "from_description") for one in (unit, Unit)]
    if unit.describe is not Unit.describe and makers[0] is makers[1]:
        lacking.append("from_description")
    if lacking:
        raise TypeError(f"unit must have {', '.join(lacking)}: {unit.__qualname__} has not")
    known = UNITS.get(unit.name, unit)
    if (known.__module__, known.__qualname__) != (unit.__module__, unit.__qualname__):  # else defined again
        raise ValueError(f"unit must have a name of its own: {unit.name!r} is that of {known.__qualname__}")
    UNITS[unit.name] = unit
    if _needs_nothing(unit) and unit.name not in PLAIN:
        PLAIN.append(unit.name)
    return unit


def described(unit: Unit, name: str) -> JSON:
    """What `Unit.describe` says, for a file; a ValueError where that could not bring the unit type back."""
    for part in unit.types():
        own = type(part).__qualname__
        if UNITS.get(part.name) is not type(part):
            raise ValueError(
                f"{name} holds units of the type {own}, which no file could bring back: "
                f"rf.units.register({own}) first"
            )
    return unit.describe()


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
    ValueError: visible must be one of 'bernoulli', 'spin', 'gaussian', 'relu', 'drelu', 'counts', or a \
Unit such as Categorical(10), or one of your own after rf.units.register; got 'potts'
    """
    if isinstance(unit, Unit):
        return unit
    if isinstance(unit, Mapping) and unit.get("unit") in UNITS:
        return UNITS[unit["unit"]].from_description(unit, get_unit)
    if isinstance(unit, type) and issubclass(unit, Unit):
        if unit.name in PLAIN or unit not in UNITS.values():
            return unit()  # of the list, or from elsewhere
    elif isinstance(unit, str) and unit in PLAIN:
        return UNITS[unit]()
    plain = ", ".join(map(repr, PLAIN))
    raise (ValueError if isinstance(unit, (str, type(Unit), Mapping)) else TypeError)(
        f"{name} must be one of {plain}, or a Unit such as Categorical(10), or one of your own after "
        f"rf.units.register; got {unit!r}"
    )


__all__ = [
    "PLAIN",
    "UNITS",
    "Bernoulli",
    "Binomial",
    "Categorical",
    "Counts",
    "DReLU",
    "Gaussian",
    "Mixed",
    "Pooled",
    "ReLU",
    "Spin",
    "Unit",
    "described",
    "get_unit",
    "register",
]
