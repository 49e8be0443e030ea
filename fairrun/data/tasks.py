"""What is to be predicted: a label with two values, made of a column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fairrun.check import InputError, is_number, require


@dataclass(frozen=True)
class Task:
    """A label: class 1 are the rows with ``positive`` in the column, or with a number above ``above``."""

    column: str
    positive: str | int | float | None = None
    above: float | None = None
    key: str = "dataset.label"  # of the configuration, for messages
    positive_key: str = "dataset.positive"

    def labels(self, frame: pd.DataFrame) -> np.ndarray:
        """0.0 or 1.0 for every row [N].  Raises ``InputError`` where that is not two classes."""
        if self.above is not None:
            return self._above(frame[self.column])
        values = sorted(frame[self.column].unique(), key=str)
        if len(values) != 2:
            shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
            raise InputError(f"{self.key}={self.column} must have two values, got {len(values)}: {shown}")
        if self.positive not in values:
            raise InputError(f"{self.positive_key} must be one of {', '.join(map(str, values))}, got {self.positive!r}")
        return (frame[self.column] == self.positive).to_numpy(dtype=np.float64)

    def _above(self, values: pd.Series) -> np.ndarray:
        numbers = pd.api.types.is_numeric_dtype(values)
        require(numbers, self.key, self.column, f"a column of numbers with {self.positive_key}={self.above}")
        between = f"a number from {values.min()} to below {values.max()}, the range of {self.column!r}"
        require(values.min() <= self.above < values.max(), self.positive_key, self.above, between)
        return (values > self.above).to_numpy(dtype=np.float64)


def tasks(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Task]:
    """The tasks of the config node ``dataset.tasks``, by name.  Raises ``InputError``."""
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
        found[name] = Task(**node, key=f"dataset.{key}.column", positive_key=f"dataset.{key}.{rule}")
    return found
