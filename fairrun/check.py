"""Checks of values from the configuration: one message that names the key, the value and what is allowed."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any

from torch import Tensor


class InputError(ValueError):
    """Something that the user gave cannot be used; the message says what and what is allowed."""


def require(condition: object, key: str, value: object, allowed: str) -> None:
    """Raise ``InputError`` "key must be allowed, got value" unless ``condition``."""
    if not condition:
        raise InputError(f"{key} must be {allowed}, got {value!r}")


def one_of(key: str, value: object, choices: Collection[object]) -> None:
    """Raise ``InputError`` unless ``value`` is one of ``choices``."""
    require(value in choices, key, value, f"one of {', '.join(map(str, choices))}")


def is_number(value: object) -> bool:
    """True for a finite int or float that is not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: object) -> bool:
    """True for an int that is not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


_SCALARS = {
    Tensor: (is_number, "a number"),
    float: (is_number, "a number"),
    int: (is_integer, "an integer"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
}


def check_fields(cls: type, values: Mapping[str, Any], key: str) -> None:
    """Check that every scalar field of dataclass ``cls`` got a value of its type in ``values``, the config node
    ``key``.

    A field that holds one value per run (``PerRun``) takes a number.  Fields of other types, strings too, are left to
    the class.
    """
    for field in dataclasses.fields(cls):
        if field.type in _SCALARS and field.name in values:
            accepts, allowed = _SCALARS[field.type]
            require(accepts(values[field.name]), f"{key}.{field.name}", values[field.name], allowed)
