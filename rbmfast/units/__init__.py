"""Unit types. A new one is a file beside these and a place in the list below."""

from __future__ import annotations

from rbmfast.units.base import Unit
from rbmfast.units.bernoulli import Bernoulli
from rbmfast.units.gaussian import Gaussian

UNITS: dict[str, type[Unit]] = {unit.name: unit for unit in (Bernoulli, Gaussian)}


def get_unit(unit: str | Unit | type[Unit], name: str = "unit") -> Unit:
    """The unit type that is meant by a name, a class or an instance.

    Parameters
    ----------
    unit : str, Unit or subclass of Unit
        "bernoulli", "gaussian", or a unit type from anywhere.
    name : str
        What error messages call the argument.

    Raises
    ------
    ValueError
        There is no unit type of that name.
    TypeError
        It is none of the three.

    Examples
    --------
    >>> from rbmfast.units import get_unit
    >>> get_unit("gaussian")
    Gaussian()
    >>> get_unit("potts", name="visible")
    Traceback (most recent call last):
    ...
    ValueError: visible must be one of 'bernoulli', 'gaussian', or a Unit; got 'potts'
    """
    if isinstance(unit, Unit):
        return unit
    if isinstance(unit, type) and issubclass(unit, Unit):
        return unit()
    known = f"{name} must be one of {', '.join(map(repr, UNITS))}, or a Unit; got {unit!r}"
    if not isinstance(unit, str):
        raise TypeError(known)
    if unit not in UNITS:
        raise ValueError(known)
    return UNITS[unit]()


__all__ = ["UNITS", "Bernoulli", "Gaussian", "Unit", "get_unit"]
