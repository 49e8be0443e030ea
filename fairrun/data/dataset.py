"""The schema of a table, and how its rows become tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch

from fairrun.config.check import InputError, is_integer, nearest, one_of, require
from fairrun.config.values import listed, spelt
from fairrun.data.corrupt import Outliers
from fairrun.data.encoding import SCALES, Encoding, need_columns
from fairrun.data.groups import Merge, binned, merged, numbered, numbered_again, parse_sensitive, with_columns
from fairrun.data.labels import Label, labels_of, parse_labels
from fairrun.data.memory import memory
from fairrun.data.numeric import NUMBERS
from fairrun.data.pixels.stored import Features
from fairrun.data.sources import frame_sha256
from fairrun.data.split import Split
from fairrun.data.table import Data, Table

MOST_NAMES = 40  # a message lists at most so many columns


class Rows(Protocol):
    """What a module of ``fairrun.datasets`` provides."""

    def frame(self, path: str | None) -> pd.DataFrame:
        """Raw rows; an optional column ``split`` (train/test) is the official split."""
        ...


@dataclass(frozen=True)
class Dataset:
    """The schema of a data set; ``load`` reads the rows and makes tensors."""

    rows: Rows
    label: str  # column to predict
    positive: str | int | float | bool | None  # the value of ``label`` that is class 1; None: every value is a class
    tasks: Mapping[
        str, Mapping[str, str | int | float | bool]
    ]  # task name -> label; replaces the one label: fairrun.data.labels
    task: str | None  # the one of ``tasks`` to predict; None: all of them
    sensitive: list[str | Mapping[str, Any]]  # columns, or entries of fairrun.data.groups; several: their intersection
    binarize: Mapping[str, str | int | float | bool]  # sensitive column -> the value that stays; all others become one
    include_sensitive: bool  # whether the sensitive columns, and those that state them, are features
    proxies: Mapping[str, list[str]]  # sensitive column -> other columns that state its value
    numeric: list[str] | None  # null: every column of numbers that has no other role
    categorical: list[str] | None  # null: every other column that has no other role
    drop_categories: Mapping[
        str, list[str | int | float | bool]
    ]  # column of categories -> categories that get no feature
    scale: str  # one of SCALES; fitted on training rows
    split: Split
    outliers: Outliers  # put into training rows
    path: str | None  # the user's file, or the folder of the user's files
    name: str | None  # name of the data in reports
    merge: Merge = field(default_factory=dict, kw_only=True)  # column -> new level -> levels that become it
    numbers: str = field(default="scale", kw_only=True)  # one of NUMBERS: how columns of numbers become features
    bins: int = field(default=48, kw_only=True)  # of each column of numbers, or pieces, or waves

    def __post_init__(self) -> None:
        require(
            isinstance(self.sensitive, list) and len(self.sensitive) > 0,
            "sensitive",
            self.sensitive,
            "a list of columns: [column]",
        )
        parse_sensitive(self.sensitive)
        for key in ("numeric", "categorical"):
            columns = getattr(self, key)
            require(columns is None or isinstance(columns, list), key, columns, "a list of columns, or null")
        one_of("scale", self.scale, SCALES)
        one_of("numbers", self.numbers, NUMBERS)
        require(is_integer(self.bins) and self.bins >= 2, "bins", self.bins, "an integer >= 2")
        alone = self.numbers == "scale" or self.scale == "numbers"
        require(alone, "scale", self.scale, f"numbers with dataset.numbers={self.numbers}, whose features need none")
        self._labels()

    @property
    def sensitive_columns(self) -> list[str]:
        """Names of the sensitive columns."""
        return [entry.column for entry in parse_sensitive(self.sensitive)]

    def load(self) -> Data:
        """Read, check, split and encode the rows.  Raises ``InputError`` if they cannot be trained on."""
        read = self.rows.frame(self.path)
        frame = merged(read, self.merge)
        numeric, categorical = self._features(frame)
        labels = self._labels()
        columns = [label.column for label in labels.values()]
        refuse_missing_values(frame, [*numeric, *categorical, *columns, *self.sensitive_columns])
        divided = divide(self._grouped(frame), labels, self.sensitive_columns, self.split)
        return self._encoded(frame, divided, numeric, categorical, frame_sha256(read))

    def _encoded(
        self, frame: pd.DataFrame, divided: "Divided", numeric: list[str], categorical: list[str], digest: str
    ) -> Data:
        """Encode a frame without missing values as tensors."""
        divided = divided if self.task is None else divided.only(self.task)
        train = frame.iloc[divided.rows["train"]]
        each = self.bins if self.numbers in ("bins", "piecewise", "periodic") else 1
        refuse_too_large(len(frame), each * len(numeric), train[categorical].nunique().to_dict())
        dropped = {
            (column, spelt(value, frame[column].unique()))
            for column, values in self.drop_categories.items()
            for value in values
        }
        encoding = Encoding.fit(train, numeric, categorical, self.scale, dropped, self.numbers, self.bins)
        require(encoding.features, "dataset.numeric and dataset.categorical", [], "a feature that is not constant")
        x = {name: torch.from_numpy(encoding.encode(frame.iloc[rows])) for name, rows in divided.rows.items()}
        data = divided.data(x, encoding.features, digest)
        known = {name: label.known(frame) for name, label in self._labels().items() if self.task in (None, name)}
        encoder = {"encoding": encoding.plain(), "labels": {"" if self.task else k: v for k, v in known.items()}}
        return data._replace(categories=encoding.sizes, encoder=encoder).with_outliers(self.outliers)

    def encode(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> np.ndarray:
        """The features of new rows, [N, D] float64; ``encoder`` is that of the data that a model was trained on.

        A category that training rows lack is encoded as all zeros.  Raises ``InputError`` for a column that is not
        there, and for missing numbers.
        """
        encoding = Encoding.of(encoder["encoding"])
        columns = [*encoding.numeric, *encoding.categories]
        need_columns(frame, columns)
        refuse_missing_values(frame, columns)
        for column in encoding.numeric:
            numbers = pd.api.types.is_numeric_dtype(frame[column])
            require(numbers, f"column {column!r}", str(frame[column].dtype), "of numbers, as in the training rows")
        return encoding.encode(self._typed(frame[columns], encoder))

    def labels_again(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> np.ndarray:
        """The labels of new rows, as ``Table.y``: of several tasks, a row may lack some.

        Raises ``InputError`` for a column that is not there, for a row without any label, and for a label that no
        training row has.
        """
        labels = self._labels() if self.task is None else {"": self._labels()[self.task]}
        columns = list(dict.fromkeys(label.column for label in labels.values()))
        rows = self.read_again(frame, columns, encoder)
        if rows.isna().all(axis=1).any():
            refuse_missing_values(rows, columns)
        y = np.full((len(rows), len(labels)), np.nan)
        for t, (name, label) in enumerate(labels.items()):
            known = rows[label.column].notna().to_numpy()
            y[known, t] = label.again(rows.loc[known, label.column], encoder["labels"][name])
        return y if "" not in labels else y[:, 0]

    def grouped_again(self, frame: pd.DataFrame, encoder: Mapping[str, Any], groups: Sequence[str]) -> np.ndarray:
        """The numbers of the groups of new rows, [N].

        Raises ``InputError`` for a column that is not there, and for a group that no training row has.
        """
        return numbered_again(self.groups_again(frame, self.sensitive_columns, encoder), groups)

    def groups_again(self, frame: pd.DataFrame, columns: Sequence[str], encoder: Mapping[str, Any]) -> pd.DataFrame:
        """``columns`` of new rows as groups: those of the sensitive attribute are made as in training.

        Raises ``InputError`` for a column that is not there, and for missing values.
        """
        rows = self.read_again(frame, columns, encoder)
        refuse_missing_values(rows, list(rows))
        return self._grouped(rows, known=False)

    def are_whole(self, frame: pd.DataFrame, columns: Sequence[str], encoder: Mapping[str, Any]) -> np.ndarray:
        """Whether each new row has a label and the groups of ``columns``, [N], where training leaves out those without.

        Here it leaves out none: they are refused, of several tasks for the label of any.  Raises ``InputError`` for
        these, and for a column that is not there.
        """
        labels = [label.column for name, label in self._labels().items() if self.task in (None, name)]
        named = list(dict.fromkeys([*labels, *columns]))
        refuse_missing_values(self.read_again(frame, named, encoder), named)
        return np.ones(len(frame), dtype=bool)

    def read_again(self, frame: pd.DataFrame, columns: Sequence[str], encoder: Mapping[str, Any]) -> pd.DataFrame:
        """Columns of new rows with levels merged, and cells read as those of training rows were.

        Raises ``InputError`` for a column that is not there.
        """
        named = list(dict.fromkeys(columns))
        need_columns(frame, named)
        return self._typed(frame[named].reset_index(drop=True), encoder)

    def _typed(self, frame: pd.DataFrame, encoder: Mapping[str, Any]) -> pd.DataFrame:
        """New rows with cells read as those of training rows were, and levels merged."""
        return self.merged_again(frame)

    def merged_again(self, frame: pd.DataFrame) -> pd.DataFrame:
        """New rows with levels merged; they need not have every level."""
        return merged(frame, {c: levels for c, levels in self.merge.items() if c in frame}, known=False)

    def _is_official(self, frame: pd.DataFrame) -> bool:
        """Whether the frame has the column of the official split."""
        return self.split.column in frame

    def _labels(self) -> dict[str, Label]:
        """The labels to predict, by task name; the name of a single label is ""."""
        return labels_of(self.label, self.positive, self.tasks, self.task)

    def _grouped(self, frame: pd.DataFrame, *, known: bool = True) -> pd.DataFrame:
        """The frame with its sensitive columns merged, binned and binarized as in training; ``known`` as ``merged``."""
        for entry in (entry for entry in parse_sensitive(self.sensitive) if entry.column in frame):
            if entry.merge is not None:
                frame = merged(frame, {entry.column: entry.merge}, "dataset.sensitive.merge", known=known)
            if entry.bins is not None:
                frame = with_columns(frame, {entry.column: binned(frame[entry.column], entry.bins, known=known)})
        columns = {}
        for column in self.binarize.keys() & set(self.sensitive_columns) & set(frame):
            value = spelt(self.binarize[column], frame[column].unique())
            value = self.binarize[column] if value is None and not known else value
            columns[column] = frame[column].astype(str).where(frame[column] == value, f"not {value}")
        return with_columns(frame, columns)

    def _features(self, frame: pd.DataFrame) -> tuple[list[str], list[str]]:
        refuse_unknown_columns(frame, "label", [self.label])
        for label in parse_labels(self.tasks).values():
            refuse_unknown_columns(frame, label.key.removeprefix("dataset."), [label.column])
        for key, columns in (
            ("sensitive", self.sensitive_columns),
            ("numeric", self.numeric),
            ("categorical", self.categorical),
        ):
            refuse_unknown_columns(frame, key, columns or [])
        refuse_unknown_columns(frame, "binarize", list(self.binarize))
        for key, value in self.binarize.items():
            values = sorted(frame[key].dropna().unique(), key=str)
            known = spelt(value, values) is not None
            require(known, f"dataset.binarize.{key}", value, f"a value of that column ({listed(values, 10)})")
        for key, columns in self.proxies.items():
            refuse_unknown_columns(frame, "proxies", [key, *columns])
        for key, values in self.drop_categories.items():
            refuse_unknown_columns(frame, "drop_categories", [key])
            known = frame[key].unique()
            for value in (value for value in values if spelt(value, known) is None):
                shown = listed(sorted(known, key=str), 10)
                raise InputError(
                    f"dataset.drop_categories.{key} must hold values of that column ({shown}), got {value!r}"
                )
        both = set(self.numeric or []) & set(self.categorical or [])
        require(not both, "dataset.categorical", sorted(both), "columns that are not in dataset.numeric too")
        labels = {label.column: f" (task {name})" if name else "" for name, label in self._labels().items()}
        for column in labels.keys() & set(self.sensitive_columns if self.tasks else []):
            raise InputError(f"dataset.sensitive must hold no label, got {column!r}{labels[column]}")
        taken = {self.label, *labels, *([self.split.column] if self._is_official(frame) else [])}
        for key, columns in (("numeric", self.numeric), ("categorical", self.categorical)):
            for column in sorted(taken & set(columns or [])):
                raise InputError(
                    f"dataset.{key} must hold no label and no split, got {column!r}{labels.get(column, '')}"
                )
        if not self.include_sensitive:
            taken |= {column for s in self.sensitive_columns for column in (s, *self.proxies.get(s, []))}
        numbers = [column for column in frame.columns if pd.api.types.is_numeric_dtype(frame[column])]
        for column in self.numeric or []:
            if column not in numbers:
                raise InputError(
                    f"dataset.numeric must hold columns of numbers, got {column!r} of {frame[column].dtype}"
                )
        numeric = [c for c in numbers if c not in (self.categorical or [])] if self.numeric is None else self.numeric
        numeric = [column for column in numeric if column not in taken]
        rest = [column for column in frame.columns if column not in numeric]
        categorical = [c for c in (rest if self.categorical is None else self.categorical) if c not in taken]
        if self.include_sensitive:
            given = {*numeric, *categorical}
            categorical += [c for c in self.sensitive_columns if not given & {c, *self.proxies.get(c, [])}]
        require(
            len(numeric) + len(categorical) > 0, "dataset.numeric and dataset.categorical", [], "at least one feature"
        )
        return numeric, categorical


class Divided(NamedTuple):
    """Labels, groups and splits of the rows of a frame; the part that tables and images share."""

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


def refuse_too_large(num_rows: int, num_numbers: int, sizes: Mapping[str, int]) -> None:
    """Raise ``InputError`` if the encoded rows and one copy of them would take more than half of the memory."""
    there = memory()
    features = num_numbers + sum(sizes.values())
    if 16 * num_rows * features > there / 2:
        largest = sorted(sizes, key=lambda column: -sizes[column])[:3]
        raise InputError(
            f"dataset.categorical: {num_rows} rows with {features} features would take "
            f"{16e-9 * num_rows * features:.1f} GB, more than half of the {there / 1e9:.1f} GB "
            "that this process may use; "
            "most categories have "
            + ", ".join(f"{column!r} ({sizes[column]})" for column in largest)
            + ": leave such columns out"
        )


def refuse_unknown_columns(frame: pd.DataFrame, key: str, columns: list[str]) -> None:
    """Raise ``InputError`` unless ``frame`` has all ``columns``, the value of ``dataset.key``, and none is repeated."""
    for column in columns:
        if columns.count(column) > 1 and key != "proxies":
            raise InputError(f"dataset.{key} must hold a column once, got {column!r} twice")
        if column not in frame.columns:
            names = list(map(str, frame.columns))
            shown = ", ".join(names[:MOST_NAMES]) + (
                f" and {len(names) - MOST_NAMES} more" if names[MOST_NAMES:] else ""
            )
            hint = "; has the file a header?" if any(map(str.isdecimal, names)) else nearest(column, names)
            hint = hint or ("; is dataset.rows.separator right?" if len(names) == 1 else "")
            raise InputError(f"dataset.{key} must hold columns of the data ({shown}), got {column!r}{hint}")


def refuse_missing_values(
    frame: pd.DataFrame, columns: list[str], remedy: str = "fill them or drop their rows"
) -> None:
    """Raise ``InputError`` if a value in ``columns`` is missing or infinite."""
    for column in columns:
        values = frame[column]
        missing = values.isna()
        if pd.api.types.is_numeric_dtype(values):
            missing |= ~np.isfinite(values.astype(np.float64))
        if missing.any():
            raise InputError(
                f"column {column!r} must have no missing or infinite value, got {int(missing.sum())} (first in row "
                f"{int(missing.to_numpy().argmax())}); {remedy}"
            )


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
