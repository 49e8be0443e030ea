"""The tensors of a data set, and of each of its splits.

Whatever is learned from data (categories, means, scales) is learned from training rows only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fairrun.config.check import require
from fairrun.data.corrupt import Outliers
from fairrun.data.pixels.stored import Features, Stored
from fairrun.data.target import Target

SPLITS = ("train", "val", "test")


class Table(NamedTuple):
    """The rows of one split.  N rows, D features, T tasks."""

    x: Features  # [N, D]
    y: Tensor  # [N] labels: 0.0 or 1.0; with C > 2 classes 0.0 to C - 1; with several tasks [N, T], NaN for no label
    s: Tensor  # [N] sensitive attribute in {0..S-1}, int64

    def to(self, device: str, dtype: torch.dtype) -> "Table":
        """The same rows on another device, with features and labels in ``dtype``."""
        return Table(self.x.to(device, dtype), self.y.to(device, dtype), self.s.to(device))

    @property
    def plain(self) -> dict[str, Any]:
        """The arguments of ``of``, of types that are safe to load from a file."""
        return self._asdict() | ({"x": self.x.plain} if isinstance(self.x, Stored) else {})

    @classmethod
    def of(cls, x: Tensor | dict[str, Any], y: Tensor, s: Tensor) -> "Table":
        """The table that ``plain`` describes."""
        return cls(Stored(**x) if isinstance(x, dict) else x, y, s)

    def without_features(self) -> "Table":
        """The same rows, with D = 0."""
        return self._replace(x=self.y.new_empty(len(self.y), 0))

    def rows(self, i: Tensor) -> "Table":
        """Only the rows ``i``, which is bool [N] or row numbers."""
        return Table(self.x[i], self.y[i], self.s[i])

    def task(self, t: int) -> "Table":
        """The rows that have a label of task ``t``, with that label only."""
        missing = self.y[:, t].isnan()
        own = self.rows(~missing) if missing.any() else self
        return own._replace(y=own.y[:, t].contiguous())


class Data(NamedTuple):
    """A data set, ready to train on."""

    train: Table
    val: Table
    test: Table
    features: list[str]  # D names of encoded features
    groups: list[str]  # S names: the values of the sensitive attribute, "sex=Female" or "sex=Female, race=Black"
    sha256: str  # hash of the frame from which the tables were made
    balanced: Tensor  # [M] rows of train: equally many of each cell of group and label, for methods that validate
    tasks: Sequence[str] = ()  # T names; empty with one label
    categories: Sequence[int] = ()  # the number of features of each categorical column; these features come last
    outliers: Tensor | None = None  # bool [N], the training rows that were made outliers; None without outliers
    classes: Sequence[str] = ()  # C names, by number, with C > 2 classes; empty with two
    encoder: dict[str, Any] | None = None  # how new rows become features, as JSON; None of images
    numbers: dict[str, Tensor] | None = None  # split -> the number of each of its rows in the file or data set, from 0
    account: dict[str, Any] | None = None  # how each column of a user's own table was read, as JSON

    @property
    def plain(self) -> dict[str, Any]:
        """The argument of ``of``, of types that are safe to load from a file."""
        return self._asdict() | {split: getattr(self, split).plain for split in SPLITS}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "Data":
        """The data that ``plain`` describes."""
        return cls(**plain | {split: Table.of(**plain[split]) for split in SPLITS})

    @property
    def num_classes(self) -> int:
        """C, 2 or more."""
        return max(2, len(self.classes))

    @property
    def streams(self) -> bool:
        """Whether features stay in a file because the memory does not hold them."""
        return isinstance(self.train.x, Stored)

    @property
    def target(self) -> Target:
        """The labels that a network predicts."""
        return Target(tuple(self.tasks), self.num_classes)

    def labels(self, table: Table) -> dict[str, Table]:
        """``table`` with each label alone, by task name; the name of a single label is ""."""
        return {task: table.task(t) for t, task in enumerate(self.tasks)} or {"": table}

    def to(self, device: str, dtype: torch.dtype) -> "Data":
        """The same data on another device."""
        tables = {split: getattr(self, split).to(device, dtype) for split in SPLITS}
        outliers = None if self.outliers is None else self.outliers.to(device)
        return self._replace(**tables, balanced=self.balanced.to(device), outliers=outliers)

    def with_outliers(self, outliers: Outliers) -> "Data":
        """The same data with outliers among the training rows.  Raises ``InputError`` if they cannot be put there."""
        if outliers.kind is None:
            return self
        require(not self.tasks, "dataset.outliers.kind", outliers.kind, "null with several tasks")
        x, y, rows = outliers.put_into(self.train.x, self.train.y, self.balanced)
        return self._replace(train=self.train._replace(x=x, y=y), outliers=rows)

    def held_out(self) -> tuple[Table, Table]:
        """Split the training rows: those that a method trains on, and the balanced rows that it validates on."""
        trained = torch.ones_like(self.train.s, dtype=torch.bool).index_fill(0, self.balanced, False)
        return self.train.rows(trained), self.train.rows(self.balanced)
