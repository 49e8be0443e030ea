"""The kinds of a report's options: how a configuration, a command line and records say the value of each."""

import argparse
import math
import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fairrun.config import plugins
from fairrun.config.check import is_number, require

if TYPE_CHECKING:  # what reads the options' flags is quicker without
    import pandas as pd


class Text:
    """An option whose value is one name."""

    allowed = "null or a name"
    default: Any = None
    flag: Mapping[str, Any] = MappingProxyType({})

    def accepts(self, value: object) -> bool:
        """Whether a value from a configuration is of this kind."""
        return isinstance(value, str)

    def convert(self, value: Any) -> Any:
        """The option's value, from that of a configuration."""
        return value

    def parse(self, text: Any, key: str) -> Any:
        """The option's value, from the command line.  Raises ``InputError``."""
        return text

    def recorded(self, runs: "pd.DataFrame", key: str) -> list[Any]:
        """The values of ``key`` in the records, as in a configuration."""
        return list(runs.get(key, []))

    def merge(self, values: list[Any]) -> Any:
        """Merge the values that several records ask for: the first counts."""
        return values[0]


class Flag(Text):
    """An option that is true or false."""

    allowed = "null, true or false"
    default = False
    flag: Mapping[str, Any] = MappingProxyType({"action": argparse.BooleanOptionalAction})

    def accepts(self, value: object) -> bool:
        """Whether a value from a configuration is of this kind."""
        return isinstance(value, bool)


class Number(Text):
    """An option whose value is a number that is not negative."""

    allowed = "null or a number >= 0"

    def accepts(self, value: object) -> bool:
        """Whether a value from a configuration is of this kind."""
        return is_number(value) and value >= 0

    def convert(self, value: Any) -> Any:
        """The option's value, from that of a configuration."""
        return float(value)

    def parse(self, text: Any, key: str) -> Any:
        """The option's value, from the command line.  Raises ``InputError``."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        require(self.accepts(value), key, text, "a number >= 0")
        return value


class Choice(Text):
    """An option whose value is one of ``choices``; the first is the default."""

    def __init__(self, *choices: str) -> None:
        self.choices, self.default = choices, choices[0]
        self.allowed, self.flag = f"null or one of {', '.join(choices)}", {"choices": choices}

    def accepts(self, value: object) -> bool:
        """Whether a value from a configuration is of this kind."""
        return value in self.choices


class Names(Text):
    """An option whose value is several names, "a,b" on the command line.

    If records ask for different names, the report shows all of them.
    """

    default = ()

    def __init__(self, noun: str) -> None:
        self.allowed = f"null or a list of {noun}"

    def accepts(self, value: object) -> bool:
        """Whether a value from a configuration is of this kind."""
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))

    def convert(self, value: Any) -> Any:
        """The option's value, from that of a configuration."""
        return (value,) if isinstance(value, str) else tuple(value)

    def parse(self, text: Any, key: str) -> Any:
        """The option's value, from the command line."""
        return tuple(name for name in text.split(",") if name)

    def merge(self, values: list[Any]) -> Any:
        """Merge the values that several records ask for: all of them, without duplicates."""
        return tuple(dict.fromkeys(item for value in values for item in value))


def allow_packages(paths: Collection[str]) -> None:
    """Allow the packages of dotted paths that the user types."""
    plugins.allow(path.partition(".")[0] for path in paths if "." in path)


class Functions(Names):
    """An option whose value is functions by their dotted paths.  Who types them names their packages."""

    def parse(self, text: Any, key: str) -> Any:
        """The option's value, from the command line."""
        paths: tuple[str, ...] = super().parse(text, key)
        allow_packages(paths)
        return paths


class Pairs(Names):
    """An option whose value is pairs of methods, "a=b,c=d" on the command line.

    A comma before a space is part of a name: "laftr, width 8".
    """

    def __init__(self) -> None:
        self.allowed = "a mapping of a method's name to another's"

    def accepts(self, value: object) -> bool:
        """Whether a value from a configuration is of this kind."""
        return isinstance(value, dict) and all(isinstance(name, str) for name in (*value, *value.values()))

    def convert(self, value: Any) -> Any:
        """The option's value, from that of a configuration; None for an empty mapping."""
        return tuple(value.items()) or None

    def parse(self, text: Any, key: str) -> Any:
        """The option's value, from the command line.  Raises ``InputError``."""
        pairs = [tuple(pair.split("=")) for pair in re.split(r",(?! )", text) if pair]
        require(all(len(pair) == 2 and all(pair) for pair in pairs), key, text, "pairs as in penalty=erm,ltr=erm")
        return tuple(pairs)

    def recorded(self, runs: "pd.DataFrame", key: str) -> list[Any]:
        """The pairs below ``key`` in the records, as in a configuration."""
        methods = {column.removeprefix(f"{key}."): column for column in runs if column.startswith(f"{key}.")}
        return [{method: other} for method, column in methods.items() for other in runs[column].dropna().unique()]
