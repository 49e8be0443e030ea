"""The label to predict: the values of a column as two or more classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fairrun.config.check import InputError, is_number, require
from fairrun.config.values import listed, spelt
from fairrun.config.ways import override

MANY = 20  # numbers, from which on they are an amount rather than classes
LEAST = 3  # fewest rows of each class with more than two classes: one for each split


@dataclass(frozen=True)
class Label:
    """A column to predict.

    With ``positive``, class 1 is that value.  With ``above``, class 1 is every larger number.  With neither, every
    value is a class; classes are numbered by size if they are numbers, else by name.
    """

    column: str
    positive: str | int | float | bool | None = None
    above: float | None = None
    key: str = "dataset.label"  # the configuration key, for messages
    positive_key: str = "dataset.positive"

    def labels(self, frame: pd.DataFrame) -> np.ndarray:
        """The class of every row, [N]: 0.0 or 1.0, or 0.0 to C - 1 with C > 2 classes.

        Raises ``InputError`` if the column does not have the values that the label needs.
        """
        if self.above is not None:
            return self._above(frame[self.column])
        values = sorted(frame[self.column].unique(), key=str)
        if self.positive is None and len(values) > 2:
            return self._numbered(frame[self.column])
        if len(values) != 2:
            remedy = _remedy(self.column, values) if self.key == "dataset.label" and len(values) > 2 else ""
            raise InputError(
                f"{self.key}={self.column} must have two values, got {len(values)}: {listed(values)}{remedy}"
            )
        value = None if self.positive is None else spelt(self.positive, values)
        if value is None:
            raise InputError(f"{self.positive_key} must be one of {listed(values)}, got {self.positive!r}")
        return (frame[self.column] == value).to_numpy(dtype=np.float64)

    def known(self, frame: pd.DataFrame) -> list[Any] | None:
        """The values of the column by their class, for ``again``; None of a label that is a bound."""
        if self.above is not None:
            return None
        values = _sorted(frame[self.column].dropna())
        if self.positive is not None:
            positive = spelt(self.positive, values)
            values = sorted(values, key=lambda value: value == positive)
        return [value.item() if isinstance(value, np.generic) else value for value in values]

    def again(self, values: pd.Series, known: Sequence[Any] | None) -> np.ndarray:
        """The class of new rows, [N], by the values ``known`` of the training rows.  Raises ``InputError``."""
        if known is None:
            return (values > self.above).to_numpy(dtype=np.float64)
        spellings = {value: spelt(value, known) for value in values.unique()}
        wrong = [value for value, found in spellings.items() if found is None]
        if wrong:
            has = f"the values {listed(list(known), 10)}, as in the training rows"
            raise InputError(f"column {self.column!r} must have {has}, got {listed(wrong, 5)}")
        return values.map({value: float(known.index(found)) for value, found in spellings.items()}).to_numpy()

    def classes(self, frame: pd.DataFrame) -> list[str]:
        """The names of C > 2 classes, by number; empty with two."""
        if self.positive is not None or self.above is not None:
            return []
        return [str(value) for value in _sorted(frame[self.column])]

    def _numbered(self, values: pd.Series) -> np.ndarray:
        counts = values.value_counts()
        rare = ", ".join(
            f"{listed([value])} ({n})" for value, n in counts[counts < LEAST].sort_index(key=_as_text)[:5].items()
        )
        few = f"{self.key}={self.column} must have {LEAST} rows or more of each of its {len(counts)} classes, got fewer"
        if rare:
            raise InputError(f"{few} of {rare}; merge or drop classes")
        numbers = {value: float(number) for number, value in enumerate(_sorted(values))}
        return values.map(numbers).to_numpy(dtype=np.float64, copy=True)

    def _above(self, values: pd.Series) -> np.ndarray:
        numbers = pd.api.types.is_numeric_dtype(values)
        require(numbers, self.key, self.column, f"a column of numbers with {self.positive_key}={self.above}")
        between = f"a number from {values.min()} to below {values.max()}, the range of {self.column!r}"
        require(values.min() <= self.above < values.max(), self.positive_key, self.above, between)
        return (values > self.above).to_numpy(dtype=np.float64)


def _remedy(column: str, values: Sequence[Any]) -> str:
    """How a column of more than two values may be a label."""
    if len(values) > MANY and all(map(is_number, values)):
        bound = override("+dataset.tasks", {"NAME": {"column": column, "above": "NUMBER"}})
        return f"; {bound} dataset.task=NAME asks whether a number is above a bound"
    return "; dataset.positive=null learns several classes"


def _sorted(values: pd.Series) -> list[Any]:
    """The distinct values: numbers by size, others by name."""
    return sorted(values.unique(), key=None if pd.api.types.is_numeric_dtype(values) else str)


def _as_text(values: pd.Index) -> pd.Index:
    return values.astype(str)


def labels_of(
    label: str,
    positive: str | int | float | bool | None,
    tasks: Mapping[str, Mapping[str, Any]],
    task: str | None,
) -> dict[str, Label]:
    """The labels to predict, by the name of their task; the name of a single label is "".

    The arguments are the keys of ``dataset`` with these names.  Raises ``InputError`` if they do not go together.
    """
    named = parse_labels(tasks)
    allowed = f"null or one of {', '.join(named)}" if named else "null without dataset.tasks"
    require(task is None or task in named, "task", task, allowed)
    one = "a value with dataset.tasks, which are of two classes each"
    require(positive is not None or not named, "positive", positive, one)
    return named or {"": Label(label, positive)}


def parse_labels(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Label]:
    """The labels of the config node ``dataset.tasks``, by the name of their task.  Raises ``InputError``."""
    found = {}
    for name, node in nodes.items():
        key = f"tasks.{name}"
        named = isinstance(name, str) and name and not set("/=") & set(name)
        require(named, "tasks", name, "a mapping of names, text without / and =,")
        two = set(node) in ({"column", "positive"}, {"column", "above"})
        require(two, key, dict(node), "{column: C, positive: V} or {column: C, above: NUMBER}")
        require(isinstance(node["column"], str), f"{key}.column", node["column"], "a column")
        rule = "above" if "above" in node else "positive"
        require(rule == "positive" or is_number(node["above"]), f"{key}.above", node.get("above"), "a number")
        found[name] = Label(**node, key=f"dataset.{key}.column", positive_key=f"dataset.{key}.{rule}")
    return found
