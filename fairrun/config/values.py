"""Values as people write and read them: true for the text yes in a table; a value of a configuration in words."""

import itertools
from collections.abc import Callable, Collection, Mapping
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
    shown = [plain(value) for value in values]
    return ", ".join(map(repr, shown[:most])) + (", ..." if len(shown) > most else "")


def plain(value: Any) -> Any:
    """A number or truth of numpy as Python's own; any other value as it is."""
    return value.item() if hasattr(value, "item") else value


def free(name: str, taken: Collection[str]) -> str:
    """The name, or with a number behind it where it is taken: "name (2)"."""
    return (
        name if name not in taken else next(f"{name} ({k})" for k in itertools.count(2) if f"{name} ({k})" not in taken)
    )


def value(cell: object) -> str:
    """A value of a configuration as text: "0.5", "true", "[64, 32]"; empty if the method lacks the key.

    A mapping that cuts a column into groups is "age >= 25" or "age cut at 25 and 60".
    """
    missing = cell is None or (isinstance(cell, float) and cell != cell)
    return "" if missing else _said(cell)


def parts(cell: object) -> str:
    """As ``value``; a list is its parts without brackets: "sex, age >= 25"."""
    return ", ".join(map(_said, cell)) if isinstance(cell, list) else value(cell)


def _said(item: Any) -> str:
    item = plain(item)
    if item is None or isinstance(item, bool):
        return {None: "null", True: "true", False: "false"}[item]
    if isinstance(item, float):
        return f"{item:.6g}"
    if isinstance(item, list):
        return f"[{', '.join(map(_said, item))}]"
    if isinstance(item, Mapping):
        return _of_column(item) if "column" in item else _pairs(item)
    return str(item)


def _of_column(node: Mapping[str, Any]) -> str:
    """A column that is cut into groups, or some of whose values are made one: "race (Other: [A, B])"."""
    cuts = [_said(cut) for cut in node.get("bins") or ()]
    where = f" cut at {', '.join(cuts[:-1])} and {cuts[-1]}" if len(cuts) > 1 else "".join(f" >= {cut}" for cut in cuts)
    made = _pairs(node.get("merge") or {})
    return f"{node['column']}{where}{f' ({made})' if made else ''}"


def _pairs(node: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {_said(item)}" for key, item in node.items())
