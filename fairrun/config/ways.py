"""How messages tell the user what to type: command lines, and overrides that a shell and then Hydra can read."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

RESERVED = ("null", "true", "false", "inf", "nan")  # words that are no text to Hydra, in any case
_FIRST = rf"(?!(?:{'|'.join(RESERVED)})$)[A-Z_]"
_KEY = re.compile(rf"{_FIRST}[\w./-]*(?: [\w./-]+)*", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile(rf"{_FIRST}[\w-]*", re.IGNORECASE | re.ASCII)


def shell(*words: object) -> str:
    """A command line, each word in quotes where a shell needs them."""
    return shlex.join(map(str, words))


def is_key(name: object) -> bool:
    """Whether a mapping on the command line can have this key: it takes none in quotes."""
    return _KEY.fullmatch(str(name)) is not None


def override(key: str, value: Any) -> str | None:
    """What gives ``key`` the ``value`` on a command line; None where a mapping has a key that it cannot have."""
    return shell(f"{key}={_written(value)}") if _has_keys(value) else None


def of_dataset(key: str, value: Any) -> str:
    """For messages: how a key of a user's table, as dataset.merge or +dataset.merge, is given a ``value``.

    By an ``override``, or by the lines of a file where the command line cannot have it.
    """
    if (word := override(key, value)) is not None:
        return f"by {word}"
    node = {key.lstrip("+").removeprefix("dataset."): value}
    lines = yaml.safe_dump(node, default_flow_style=None, width=10**6, allow_unicode=True, sort_keys=False)
    return (
        "in a file conf/dataset/NAME.yaml, for dataset=NAME (the command line cannot have such keys):\n"
        f"defaults: [csv, _self_]\n{lines.rstrip()}"
    )


def _has_keys(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(is_key(name) and _has_keys(item) for name, item in value.items())
    return not isinstance(value, list) or all(map(_has_keys, value))


def _written(value: Any) -> str:
    """As Hydra's overrides have it: a word that needs no quotes has none, and a number that is text has some."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_written(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    text = "null" if value is None else str(value)
    return text if not isinstance(value, str) or _PLAIN.fullmatch(text) else in_quotes(text, '"')


def in_quotes(text: str, quote: str = "'") -> str:
    """A text in Hydra's quotes, ' or ", which escape a quote, and double backslashes before one and at the end."""
    escaped = re.sub(rf"(\\*)({quote}|\Z)", lambda match: 2 * match[1] + (f"\\{quote}" if match[2] else ""), text)
    return f"{quote}{escaped}{quote}"
