"""Values of a table as people write them in YAML: true for the text yes, 1 for the text 1."""

import itertools
from collections.abc import Callable, Collection
from typing import Any

from fairrun.config.check import is_number

TRUE = frozenset("true t yes y on 1 wahr ja vrai oui verdadero s\u00ed si vero verdadeiro sim".split())
FALSE = frozenset("false f no n off 0 falsch nein faux non falso n\u00e3o nao".split())


def spelt(value: object, values: Collection[Any]) -> Any:
    """The one of ``values`` that ``value`` means; None where there is none, or more than one.

    Tried in turn: the same value; the same text; the same number; the same text but for case and spaces at its ends;
    the same truth.
    """
    same: list[Callable[[object], object]] = [
        lambda v: (isinstance(v, bool), v) if not is_number(v) else (False, float(v)),
        str,
        _number,
        lambda v: str(v).strip().casefold(),
        _truth,
    ]
    for form in same:
        wanted = form(value)
        found = [v for v in values if wanted is not None and form(v) == wanted]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _truth(value: object) -> bool | None:
    word = str(value).strip().casefold()
    return True if word in TRUE else False if word in FALSE else None


def listed(values: Collection[Any], most: int = 5) -> str:
    """For messages: the first values as Python writes them, so that 1 and '1' and 'F ' are told apart."""
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    return ", ".join(map(repr, plain[:most])) + (", ..." if len(plain) > most else "")


def free(name: str, taken: Collection[str]) -> str:
    """The name, or with a number behind it where it is taken: "name (2)"."""
    return (
        name if name not in taken else next(f"{name} ({k})" for k in itertools.count(2) if f"{name} ({k})" not in taken)
    )
