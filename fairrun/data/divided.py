"""Labels, groups and splits of rows, the part that tables and images share, and what their splits must hold."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from fairrun.config.check import InputError
from fairrun.data.groups import numbered
from fairrun.data.labels import Label
from fairrun.data.pixels.stored import Features
from fairrun.data.split import Split
from fairrun.data.table import Data, Table


class Divided(NamedTuple):
    """Labels, groups and splits of the rows of a frame."""

    y: np.ndarray  # [N] labels: 0.0 or 1.0 for two classes, 0.0 to C - 1 for C; [N, T] for T tasks, NaN for no label
    s: np.ndarray  # [N] sensitive attribute in {0..S-1}
    groups: list[str]  # S names
    tasks: list[str]  # T names; empty for a single label
    classes: list[str]  # C names; empty for two classes
    rows: dict[str, np.ndarray]  # split (train, val, test) -> positions of its rows in the frame
    balanced: np.ndarray  # [M] positions of the balanced rows within the training rows

    def only(self, task: str) -> "Divided":
        """Keep the labels of one task only, and the rows that have one, in their splits."""
        y = self.y[:, self.tasks.index(task)]
        known, train = ~np.isnan(y), self.rows["train"]
        rows = {name: own[known[own]] for name, own in self.rows.items()}
        balanced = train[self.balanced]
        balanced = np.searchsorted(rows["train"], balanced[known[balanced]])
        return self._replace(y=y, tasks=[], rows=rows, balanced=balanced)

    def data(self, x: Mapping[str, Features], features: list[str], sha256: str) -> Data:
        """Combine the splits with their features ``x`` [N, D], which have the names ``features``."""
        y, s = torch.from_numpy(self.y), torch.from_numpy(self.s)
        tables = {name: Table(x[name], y[rows], s[rows]) for name, rows in self.rows.items()}
        return Data(
            train=tables["train"],
            val=tables["val"],
            test=tables["test"],
            features=features,
            groups=self.groups,
            sha256=sha256,
            balanced=torch.from_numpy(self.balanced),
            tasks=self.tasks,
            classes=self.classes,
            numbers={name: torch.from_numpy(rows) for name, rows in self.rows.items()},
        )


def divide(frame: pd.DataFrame, labels: Mapping[str, Label], sensitive: list[str], split: Split) -> Divided:
    """Make labels, groups and splits of ``frame``.

    The frame must have the columns of ``labels`` and ``sensitive``, without missing values, except in the labels of
    several tasks.  ``labels`` maps task names to labels; the name of a single label is "".
    """
    columns = {name: _labelled(label, frame) for name, label in labels.items()}
    tasks = [name for name in columns if name]
    y = np.stack(list(columns.values()), axis=-1) if tasks else columns[""]
    classes = [] if tasks else labels[""].classes(frame)
    s, groups = numbered(frame, sensitive)
    rows = split.rows(frame, y, s, classes)
    train, balanced = rows["train"], rows.pop("balanced")
    if classes:
        _refuse_without_rows(f"{labels[''].key}={labels[''].column}", "class", classes, y[train], y)
        _refuse_without_rows(f"dataset.sensitive={sensitive}", "group", groups, s[train], s)
    else:
        _refuse_tasks_without_rows(columns, rows)
        for task, values in columns.items():
            _refuse_groups_without_positives(values[train], s[train], groups, sensitive, task)
    return Divided(y, s, groups, tasks, classes, rows, np.searchsorted(train, balanced))


def _labelled(label: Label, frame: pd.DataFrame) -> np.ndarray:
    """The label of every row, [N]; NaN where it is missing."""
    known = frame[label.column].notna().to_numpy()
    y = np.full(len(frame), np.nan)
    y[known] = label.labels(frame[known])
    return y


def _refuse_without_rows(key: str, what: str, names: list[str], train: np.ndarray, every: np.ndarray) -> None:
    """Raise ``InputError`` if one of ``names`` has no row in ``train``.

    ``train`` and ``every`` hold a number for each row, its position in ``names``: training rows, and all rows.
    """
    for number, name in enumerate(names):
        if not (train == number).any():
            raise InputError(
                f"{key}: every {what} must have a row in train, got none of {name!r} "
                f"({int((every == number).sum())} rows in all splits); merge or drop the {what}"
            )


def _refuse_tasks_without_rows(labels: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]) -> None:
    """Raise ``InputError`` if a task has no label in a split."""
    for task, y in labels.items():
        for split, own in rows.items():
            if np.isnan(y[own]).all():
                raise InputError(
                    f"dataset.tasks.{task} must have a label in a row of {split}, got none "
                    f"({int((~np.isnan(y)).sum())} in all splits); leave the task out, or take another dataset.split"
                )


def _refuse_groups_without_positives(
    y: np.ndarray, s: np.ndarray, groups: list[str], sensitive: list[str], task: str
) -> None:
    of = f" of task {task!r}" if task else ""
    for g, name in enumerate(groups):
        if not (y[s == g] == 1).any():
            raise InputError(
                f"dataset.sensitive={sensitive}: every group must have a positive row{of} in train, got none in "
                f"{name!r} ({int((s == g).sum())} train rows); merge or drop the group"
            )
